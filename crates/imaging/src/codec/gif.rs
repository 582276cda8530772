//! GIF: read and written by the gif crate, with a palette of our own.

use std::borrow::Cow;
use std::io::{BufRead, Seek, Write};

use gif::{ColorOutput, DecodeOptions, DecodingError, Encoder, Frame};
use offprint_core::Code;
use offprint_modifiers::PixelType;

use super::decode::DecodeOutput;
use super::{collect_colors, encode_error, quantize_colors};
use crate::error::RenderError;
use crate::header::gif::{GifEnd, GifScreen, find_gif_end};
use crate::pixels::Raster;
use crate::plan::EncodePlan;

/// Bytes of a pixel in RGBA.
const PIXEL_BYTES: usize = 4;

/// Decodes the first frame, placed on the transparent screen.
pub(super) fn decode_gif(mut input: impl BufRead + Seek, rows: &mut DecodeOutput<'_>) -> Result<(), RenderError> {
    let (screen, frame) = read_first_frame(&mut input)?;
    let (width, height) = screen.size;
    if (width, height) != (rows.plan().width, rows.plan().height) {
        return Err(RenderError::new(Code::Corrupt, "The size of the GIF does not match its header."));
    }
    rows.push(Raster::<u8>::new(width, height, PixelType::Rgb, true, place_on_screen(&screen, frame)))?;
    input.rewind()?;
    match find_gif_end(&mut input) {
        GifEnd::Trailer | GifEnd::NotReached => {}
        GifEnd::NoTrailer => rows.report_irregularity("The GIF has no trailer."),
        GifEnd::WithinBlock => rows.report_irregularity("The GIF ends within a later frame."),
        GifEnd::NoBlock => rows.report_irregularity("The GIF is damaged behind its first frame."),
    }
    Ok(())
}

/// Where the first frame lies, and its pixels in RGBA.
fn read_first_frame(input: &mut impl BufRead) -> Result<(GifScreen, Vec<u8>), RenderError> {
    let mut options = DecodeOptions::new();
    options.set_color_output(ColorOutput::RGBA);
    let mut decoder = options.read_info(input).map_err(map_gif_error)?;
    let size = [decoder.width(), decoder.height()];
    let frame = decoder.next_frame_info().map_err(map_gif_error)?;
    let frame = frame.ok_or_else(|| RenderError::new(Code::Corrupt, "The GIF has no frame."))?;
    let screen = GifScreen::place_frame(size, [frame.left, frame.top], [frame.width, frame.height]);
    let mut pixels = vec![0; decoder.buffer_size()];
    decoder.read_into_buffer(&mut pixels).map_err(map_gif_error)?;
    Ok((screen, pixels))
}

fn place_on_screen(screen: &GifScreen, frame: Vec<u8>) -> Vec<u8> {
    if screen.frame_position == (0, 0) && screen.frame_size == screen.size {
        return frame;
    }
    let bytes = |pixels: u32| pixels as usize * PIXEL_BYTES;
    let mut pixels = vec![0; bytes(screen.size.0) * screen.size.1 as usize];
    let left = bytes(screen.frame_position.0.min(screen.size.0));
    let lines = pixels.chunks_exact_mut(bytes(screen.size.0)).skip(screen.frame_position.1 as usize);
    for (line, frame_line) in lines.zip(frame.chunks_exact(bytes(screen.frame_size.0).max(1))) {
        let visible = frame_line.len().min(line.len() - left);
        line[left..left + visible].copy_from_slice(&frame_line[..visible]);
    }
    pixels
}

fn map_gif_error(error: DecodingError) -> RenderError {
    match error {
        DecodingError::UnexpectedEof => RenderError::for_truncated_file("The GIF ends before its image data does."),
        DecodingError::Io(error) => error.into(),
        DecodingError::OutOfMemory | DecodingError::MemoryLimit => {
            RenderError::new(Code::SourceTooLarge, "The GIF needs too much memory.")
        }
        error => RenderError::new(Code::Corrupt, format!("The GIF is damaged: {error}.")),
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
