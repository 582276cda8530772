//! GIF: in through the image crate, out through the gif crate with a palette of our own.

use std::borrow::Cow;
use std::io::{BufRead, Read, Seek, Write};

use gif::{Encoder, Frame};
use image::codecs::gif::GifDecoder;

use super::decode::{Rows, through_image};
use super::{colors, failed, indexed};
use crate::failure::Failure;
use crate::header::image_failure;
use crate::pixels::Raster;
use crate::plan::Encode;

/// Decodes the first frame, laid on the transparent screen.
pub(super) fn decode(mut input: impl BufRead + Seek, rows: &mut Rows<'_>) -> Result<(), Failure> {
    let whole = reaches_trailer(&mut input).unwrap_or(false);
    let truncated = || Failure::truncated("The GIF ends before its trailer.");
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
pub(super) fn encode(encode: &Encode, pixels: &Raster<u8>, out: &mut impl Write) -> Result<(), Failure> {
    let (Ok(width), Ok(height)) = (u16::try_from(pixels.size().0), u16::try_from(pixels.size().1)) else {
        return Err(failed("GIF", "a side is longer than 65,535 pixels"));
    };
    let mut colors = colors(pixels);
    for pixel in &mut colors {
        pixel[3] = if pixel[3] >= 128 { 255 } else { 0 };
    }
    let made = indexed(encode, &colors, pixels.size().0);
    let palette: Vec<u8> = made.palette.iter().flat_map(|&[r, g, b, _]| [r, g, b]).collect();
    // What is transparent comes first.
    let transparent = made.palette.first().filter(|color| color[3] == 0).map(|_| 0);
    let frame = Frame { width, height, transparent, buffer: Cow::Owned(made.indices), ..Frame::default() };
    let mut encoder = Encoder::new(out, width, height, &palette).map_err(|error| failed("GIF", error))?;
    if let Some(xmp) = &encode.xmp {
        encoder.get_mut().write_all(&extension(xmp))?;
    }
    encoder.write_frame(&frame).map_err(|error| failed("GIF", error))
}

/// XMP as GIF has it: not cut into blocks, with a tail that leads those who read blocks out of it from every byte. Source:
/// XMP Specification, part 3, section 1.1.2.
fn extension(xmp: &[u8]) -> Vec<u8> {
    let tail: Vec<u8> = [1].into_iter().chain((0..=255).rev()).chain([0]).collect();
    [b"\x21\xFF\x0BXMP DataXMP", xmp, &tail].concat()
}
