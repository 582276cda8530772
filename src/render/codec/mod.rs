//! Files to pixels and back, one codec a format.

mod decode;
mod gif;
mod jpeg;
mod png;
mod tiff;
mod webp;

use std::borrow::Cow;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use super::colour;
use super::failure::Failure;
use super::pixels::Pixels;
use super::plan::Encode;
use crate::code::Code;
use crate::language::OutputFormat;

pub(super) use decode::decode;

/// Writes a picture; returns the file's length.
///
/// # Errors
/// `encode-failed` when the format cannot hold the picture, `storage-full` when there is no room.
pub(super) fn encode(encode: &Encode, pixels: &Pixels, path: &Path) -> Result<u64, Failure> {
    let profile = encode.embed_profile.then(|| colour::output_profile(encode.pixel_type)).transpose()?;
    let pixels = match (encode.alpha, pixels.channels()) {
        (true, 3) => Cow::Owned(pixels.clone().with_alpha()),
        (false, 4) => Cow::Owned(pixels.clone().without_alpha()),
        _ => Cow::Borrowed(pixels),
    };
    let mut file = File::create(path)?;
    let mut out = BufWriter::with_capacity(256 << 10, &mut file);
    let profile = profile.as_deref();
    match encode.format {
        OutputFormat::Jpeg => jpeg::encode(encode, &pixels, profile, &mut out)?,
        OutputFormat::Png => png::encode(encode, &pixels, profile, &mut out)?,
        OutputFormat::Tiff => tiff::encode(encode, &pixels, profile, &mut out)?,
        OutputFormat::Gif => gif::encode(encode, &pixels, &mut out)?,
        OutputFormat::Webp => webp::encode(encode, &pixels, &mut out)?,
    }
    out.flush()?;
    drop(out);
    Ok(file.metadata()?.len())
}

/// The components that are written: gray, gray and alpha, RGB or RGBA.
fn components(encode: &Encode, pixels: &Pixels) -> Vec<u8> {
    match (encode.pixel_type, pixels.channels()) {
        (crate::language::PixelType::Rgb, _) => pixels.data().to_vec(),
        (_, 3) => pixels.luma(),
        (_, _) => {
            let alpha = pixels.data().chunks_exact(4).map(|pixel| pixel[3]);
            pixels.luma().into_iter().zip(alpha).flat_map(|(luma, alpha)| [luma, alpha]).collect()
        }
    }
}

fn failed(format: &str, error: impl std::fmt::Display) -> Failure {
    Failure::new(Code::EncodeFailed, format!("The {format} could not be written: {error}."))
}
