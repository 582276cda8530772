//! GIF through the image crate: its quantizer makes the palette.

use std::io::{BufRead, Read, Seek, Write};

use image::codecs::gif::{GifDecoder, GifEncoder};
use image::{ExtendedColorType, RgbaImage};

use super::decode::{Rows, through_image};
use super::failed;
use crate::code::Code;
use crate::language::PixelType;
use crate::render::failure::Failure;
use crate::render::header::image_failure;
use crate::render::pixels::Raster;

/// Decodes the first frame, laid on the transparent screen.
pub(super) fn decode(mut input: impl BufRead + Seek, rows: &mut Rows<'_>) -> Result<(), Failure> {
    let whole = reaches_trailer(&mut input).unwrap_or(false);
    let truncated = || Failure::new(Code::Truncated, "The GIF ends before its trailer.");
    if !whole && !rows.accepts_damage() {
        return Err(truncated());
    }
    input.rewind()?;
    rows.take(through_image(GifDecoder::new(input).map_err(image_failure)?)?)?;
    if whole { Ok(()) } else { Err(truncated()) }
}

/// Walks over the blocks to the trailer. An error is an end too early.
fn reaches_trailer(input: &mut (impl BufRead + Seek)) -> std::io::Result<bool> {
    let mut screen = [0; 13];
    input.read_exact(&mut screen)?;
    skip_palette(input, screen[10])?;
    loop {
        match byte(input)? {
            0x3B => return Ok(true),
            0x21 => {
                byte(input)?;
            }
            0x2C => {
                let mut frame = [0; 9];
                input.read_exact(&mut frame)?;
                skip_palette(input, frame[8])?;
                byte(input)?;
            }
            _ => return Ok(false),
        }
        skip_data(input)?;
    }
}

fn byte(input: &mut impl Read) -> std::io::Result<u8> {
    let mut byte = [0];
    input.read_exact(&mut byte)?;
    Ok(byte[0])
}

fn skip_palette(input: &mut impl Seek, flags: u8) -> std::io::Result<()> {
    if flags & 0x80 != 0 { input.seek_relative(3 << ((flags & 7) + 1)) } else { Ok(()) }
}

fn skip_data(input: &mut (impl Read + Seek)) -> std::io::Result<()> {
    loop {
        match byte(input)? {
            0 => return Ok(()),
            length => input.seek_relative(i64::from(length))?,
        }
    }
}

/// Alpha of a half and more is opaque, the rest is the key colour.
pub(super) fn encode(pixels: &Raster<u8>, out: &mut impl Write) -> Result<(), Failure> {
    let (width, height) = pixels.size();
    if width > 65_535 || height > 65_535 {
        return Err(failed("GIF", "a side is longer than 65,535 pixels"));
    }
    let mut data = pixels.clone().shaped(PixelType::Rgb, true).into_data();
    for pixel in data.chunks_exact_mut(4) {
        // One transparent colour, or the quantizer would spend palette entries on what nobody sees.
        pixel.copy_from_slice(&if pixel[3] >= 128 { [pixel[0], pixel[1], pixel[2], 255] } else { [0; 4] });
    }
    let frame = RgbaImage::from_raw(width, height, data).ok_or_else(|| failed("GIF", "the pixels do not match"))?;
    let mut encoder = GifEncoder::new_with_speed(out, 10);
    encoder.encode(&frame, width, height, ExtendedColorType::Rgba8).map_err(|error| failed("GIF", error))
}
