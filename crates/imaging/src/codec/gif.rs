//! GIF: decoded by the image crate, written by the gif crate with a palette of our own.

use std::borrow::Cow;
use std::io::{BufRead, Read, Seek, Write};

use gif::{Encoder, Frame};
use image::codecs::gif::GifDecoder;

use super::decode::{DecodeOutput, decode_with_image_crate};
use super::{collect_colors, encode_error, quantize_colors};
use crate::error::RenderError;
use crate::header::map_image_error;
use crate::pixels::Raster;
use crate::plan::EncodePlan;

/// Decodes the first frame, placed on the transparent screen. The decoder does not notice a missing end, so the blocks
/// are walked over first.
pub(super) fn decode_gif(mut input: impl BufRead + Seek, rows: &mut DecodeOutput<'_>) -> Result<(), RenderError> {
    let whole = has_trailer(&mut input).unwrap_or(false);
    let truncated = || RenderError::for_truncated_file("The GIF ends before its trailer.");
    if !whole && !rows.accepts_damage() {
        return Err(truncated());
    }
    input.rewind()?;
    rows.push(decode_with_image_crate(GifDecoder::new(input).map_err(map_image_error)?)?)?;
    if whole { Ok(()) } else { Err(truncated()) }
}

/// Walks over the blocks to the trailer. An error means that the file ends too early.
fn has_trailer(input: &mut (impl BufRead + Seek)) -> std::io::Result<bool> {
    let mut screen = [0; 13];
    input.read_exact(&mut screen)?;
    skip_palette(input, screen[10])?;
    loop {
        match read_byte(input)? {
            0x3B => return Ok(true),
            0x21 => {
                read_byte(input)?;
            }
            0x2C => {
                let mut frame = [0; 9];
                input.read_exact(&mut frame)?;
                skip_palette(input, frame[8])?;
                read_byte(input)?;
            }
            _ => return Ok(false),
        }
        skip_sub_blocks(input)?;
    }
}

fn read_byte(input: &mut impl Read) -> std::io::Result<u8> {
    let mut byte = [0];
    input.read_exact(&mut byte)?;
    Ok(byte[0])
}

fn skip_palette(input: &mut impl Seek, flags: u8) -> std::io::Result<()> {
    if flags & 0x80 != 0 { input.seek_relative(3 << ((flags & 7) + 1)) } else { Ok(()) }
}

fn skip_sub_blocks(input: &mut (impl Read + Seek)) -> std::io::Result<()> {
    loop {
        match read_byte(input)? {
            0 => return Ok(()),
            length => input.seek_relative(i64::from(length))?,
        }
    }
}

/// GIF has no partial transparency: an alpha of 50 percent and more becomes opaque, less becomes transparent.
pub(super) fn encode_gif(encode: &EncodePlan, pixels: &Raster<u8>, out: &mut impl Write) -> Result<(), RenderError> {
    let (Ok(width), Ok(height)) = (u16::try_from(pixels.size().0), u16::try_from(pixels.size().1)) else {
        return Err(encode_error("GIF", "a side is longer than 65,535 pixels"));
    };
    let mut colors = collect_colors(pixels);
    for pixel in &mut colors {
        pixel[3] = if pixel[3] >= 128 { 255 } else { 0 };
    }
    let indexed = quantize_colors(encode, &colors, pixels.size().0);
    let palette: Vec<u8> = indexed.palette.iter().flat_map(|&[r, g, b, _]| [r, g, b]).collect();
    // The quantizer puts a transparent colour first.
    let transparent = indexed.palette.first().filter(|color| color[3] == 0).map(|_| 0);
    let frame = Frame { width, height, transparent, buffer: Cow::Owned(indexed.indices), ..Frame::default() };
    let mut encoder = Encoder::new(out, width, height, &palette).map_err(|error| encode_error("GIF", error))?;
    if let Some(xmp) = &encode.xmp {
        encoder.get_mut().write_all(&build_xmp_extension(xmp))?;
    }
    encoder.write_frame(&frame).map_err(|error| encode_error("GIF", error))
}

/// XMP in a GIF is not split into sub-blocks. A reader that takes its bytes for block lengths lands somewhere in the
/// "magic trailer", whose descending bytes lead to its end from any position. Source: XMP Specification, part 3,
/// section 1.1.2.
fn build_xmp_extension(xmp: &[u8]) -> Vec<u8> {
    let tail: Vec<u8> = [1].into_iter().chain((0..=255).rev()).chain([0]).collect();
    [b"\x21\xFF\x0BXMP DataXMP", xmp, &tail].concat()
}
