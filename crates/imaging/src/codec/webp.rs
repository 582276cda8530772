//! WebP by libwebp: the only library that writes lossy WebP, and three times as fast at decoding. Animations are
//! decoded by the image crate.

use std::io::{BufRead, Cursor, Read, Seek, Write};

use image::codecs::webp::WebPDecoder;
use offprint_core::Code;
use offprint_modifiers::{Compression, PixelType};

use super::decode::{DecodeOutput, decode_with_image_crate};
use super::encode_error;
use super::libwebp::{self, WebpEncoding, WebpImage};
use crate::error::RenderError;
use crate::header::map_image_error;
use crate::header::webp::WebpLayout;
use crate::pixels::{Kernel, Pixels, Raster};
use crate::plan::EncodePlan;
use crate::step::DecodePlan;

/// Longest side that the format allows, in pixels.
const MAX_SIDE: u32 = 16_383;

/// Approximate size of a band of rows, in bytes.
const BAND_BYTES: usize = 64 << 10;

/// Decodes the image; of an animation the first frame.
pub(super) fn decode_webp(mut input: impl BufRead + Seek, rows: &mut DecodeOutput<'_>) -> Result<(), RenderError> {
    let layout = WebpLayout::read(&mut input)?;
    input.rewind()?;
    let mut file = Vec::new();
    input.take(layout.image_end).read_to_end(&mut file)?;
    if (file.len() as u64) < layout.image_end {
        // The decoders do not notice that data is missing.
        return Err(RenderError::for_truncated_file("The WebP ends before its image data does."));
    }
    close_container(&mut file);
    if layout.animated {
        let frame = decode_with_image_crate(WebPDecoder::new(Cursor::new(file)).map_err(map_image_error)?)?;
        rows.push(shrink_frame(frame, rows.plan())?)?;
    } else {
        let WebpImage { width, has_alpha, pixels } =
            libwebp::decode_image(&file, rows.plan().shrink).ok_or_else(damaged_webp_error)?;
        let stride = width as usize * if has_alpha { 4 } else { 3 };
        for band in pixels.chunks((BAND_BYTES / stride).max(1) * stride) {
            let height = (band.len() / stride) as u32;
            rows.push(Raster::<u8>::new(width, height, PixelType::Rgb, has_alpha, band.to_vec()))?;
        }
    }
    if layout.ends_early {
        rows.report_irregularity("The WebP ends within metadata or a later frame.");
    }
    Ok(())
}

/// The image crate cannot shrink while it decodes.
fn shrink_frame(frame: Pixels, plan: &DecodePlan) -> Result<Pixels, RenderError> {
    if plan.shrink == 1 {
        return Ok(frame);
    }
    let (width, height) = frame.size();
    frame.resize([0.0, 0.0, f64::from(width), f64::from(height)], (plan.width, plan.height), Kernel::Box)
}

/// Ends the container behind the image: its length is that of the file, and it announces no metadata.
fn close_container(file: &mut Vec<u8>) {
    const METADATA_FLAGS: u8 = 0x08 | 0x04;
    if file.len() % 2 == 1 {
        file.push(0);
    }
    let length = (file.len() as u32).saturating_sub(8);
    if let Some(field) = file.get_mut(4..8) {
        field.copy_from_slice(&length.to_le_bytes());
    }
    if file.get(12..16) == Some(b"VP8X")
        && let Some(flags) = file.get_mut(20)
    {
        *flags &= !METADATA_FLAGS;
    }
}

fn damaged_webp_error() -> RenderError {
    RenderError::new(Code::Corrupt, "The WebP is damaged.")
}

pub(super) fn encode_webp(encode: &EncodePlan, pixels: &Raster<u8>, out: &mut impl Write) -> Result<(), RenderError> {
    let (width, height) = pixels.size();
    if width > MAX_SIDE || height > MAX_SIDE {
        return Err(encode_error("WebP", format!("a side is longer than {MAX_SIDE} pixels")));
    }
    let encoding = match encode.compression {
        Compression::Lossless => WebpEncoding::Lossless,
        _ => WebpEncoding::Lossy(f32::from(encode.quality)),
    };
    let file = libwebp::encode_image(pixels.data(), (width, height), pixels.channels() == 4, encoding)
        .map_err(|error| encode_error("WebP", error))?;
    match &encode.xmp {
        Some(xmp) => Ok(out.write_all(&insert_xmp(&file, xmp, (width, height), pixels.has_alpha()))?),
        None => Ok(out.write_all(&file)?),
    }
}

/// The file with XMP behind its image. A file with more than an image needs a VP8X chunk first that announces it.
/// Source: WebP Container Specification, section "Extended File Format".
fn insert_xmp(file: &[u8], xmp: &[u8], (width, height): (u32, u32), alpha: bool) -> Vec<u8> {
    const ALPHA_FLAG: u8 = 0x10;
    const XMP_FLAG: u8 = 0x04;
    let mut chunks = file[12..].to_vec();
    if chunks.starts_with(b"VP8X") {
        chunks[8] |= XMP_FLAG;
    } else {
        let flags = u32::from(if alpha { ALPHA_FLAG | XMP_FLAG } else { XMP_FLAG });
        let [wide, high] = [width - 1, height - 1].map(u32::to_le_bytes);
        let head = [&b"VP8X\x0A\0\0\0"[..], &flags.to_le_bytes(), &wide[..3], &high[..3]].concat();
        chunks.splice(..0, head);
    }
    chunks.extend(b"XMP ");
    chunks.extend((xmp.len() as u32).to_le_bytes());
    chunks.extend(xmp);
    if xmp.len() % 2 == 1 {
        chunks.push(0);
    }
    [b"RIFF", &(chunks.len() as u32 + 4).to_le_bytes()[..], b"WEBP", &chunks].concat()
}
