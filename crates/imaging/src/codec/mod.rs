//! Files to pixels and back, one codec a format.

mod avif;
mod decode;
mod eps;
mod ffi;
mod flow;
mod gif;
mod in_order;
mod jp2;
mod jpeg;
mod lzw;
mod packbits;
mod pdf;
mod photoshop;
mod png;
mod psd;
mod strips;
mod tiff;
mod webp;

use std::borrow::Cow;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use super::failure::Failure;
use super::palette::{self, Indexed};
use super::pixels::{Pixels, Raster};
use super::plan::Encode;
use offprint_core::Code;
use offprint_modifiers::{OutputFormat, Quantize};

pub(super) use decode::decode;
pub(super) use flow::{flow, flows};

/// Writes a picture; returns the file's length.
///
/// # Errors
/// `encode-failed` when the format cannot hold the picture, `storage-full` when there is no room.
pub(super) fn encode(encode: &Encode, pixels: &Pixels, path: &Path) -> Result<u64, Failure> {
    let pixels = match pixels {
        Pixels::Eight(raster) if is_shaped(encode, raster) => Cow::Borrowed(raster),
        other => Cow::Owned(shaped(encode, other.clone())?),
    };
    let mut file = File::create(path)?;
    let mut out = BufWriter::with_capacity(256 << 10, &mut file);
    let profile = encode.profile.as_ref().map(|profile| &*profile.bytes);
    match encode.format {
        OutputFormat::Jpeg => jpeg::encode(encode, &pixels, profile, &mut out)?,
        OutputFormat::Png => png::encode(encode, &pixels, profile, &mut out)?,
        OutputFormat::Tiff => tiff::encode(encode, &pixels, profile, &mut out)?,
        OutputFormat::Gif => gif::encode(encode, &pixels, &mut out)?,
        OutputFormat::Webp => webp::encode(encode, &pixels, &mut out)?,
        OutputFormat::Pdf => pdf::encode(encode, &pixels, profile, &mut out)?,
        OutputFormat::Avif => avif::encode(encode, &pixels, &mut out)?,
        OutputFormat::Jp2 => jp2::encode(encode, &pixels, path)?,
        OutputFormat::Eps => eps::encode(encode, &pixels, profile, &mut out)?,
    }
    out.flush()?;
    drop(out);
    Ok(file.metadata()?.len())
}

fn is_shaped(encode: &Encode, raster: &Raster<u8>) -> bool {
    (raster.pixel_type(), raster.has_alpha()) == (encode.pixel_type, encode.alpha)
}

/// What is written has the format's alpha; depth and components are the plan's business.
fn shaped(encode: &Encode, pixels: Pixels) -> Result<Raster<u8>, Failure> {
    let Pixels::Eight(raster) = pixels else {
        return Err(Failure::new(Code::Internal, "The plan left more than eight bits."));
    };
    let raster = if encode.alpha { raster.with_alpha() } else { raster.without_alpha() };
    if !is_shaped(encode, &raster) {
        return Err(Failure::new(Code::Internal, "The plan left other components."));
    }
    Ok(raster)
}

/// The colours of all pixels, for a palette.
fn colors(pixels: &Raster<u8>) -> Vec<[u8; 4]> {
    let color = |pixel: &[u8]| match *pixel {
        [gray] => [gray, gray, gray, 255],
        [gray, alpha] => [gray, gray, gray, alpha],
        [r, g, b] => [r, g, b, 255],
        [r, g, b, alpha, ..] => [r, g, b, alpha],
        [] => [0; 4],
    };
    pixels.pixels().map(color).collect()
}

/// Few colours instead of many, as the modifier says.
fn indexed(encode: &Encode, colors: &[[u8; 4]], width: u32) -> Indexed {
    palette::quantize(colors, width, encode.quantize.as_ref().unwrap_or(&Quantize::default()))
}

fn failed(format: &str, error: impl std::fmt::Display) -> Failure {
    Failure::new(Code::EncodeFailed, format!("The {format} could not be written: {error}."))
}
