//! Codecs: files to pixels and back, one module for each format.
//!
//! A codec does what the plan says and decides nothing: sizes, depth, colours, quality and metadata come from
//! [`DecodePlan`](super::step::DecodePlan) and [`EncodePlan`]. It knows nothing of recipes, steps or jobs. What a file
//! says about its image before pixels are decoded is read in `header`.
//!
//! Where to begin reading: [`decode_image`] in `decode.rs`, and [`encode_image`] below. `streaming.rs` connects the two
//! where an image needs no steps in between.

mod avif;
mod bmp;
mod decode;
mod eps;
mod gif;
mod jp2;
mod jpeg;
mod libaom;
mod libjpeg;
mod libwebp;
mod lzw;
mod openjpeg;
mod ordered_work;
mod output;
mod packbits;
mod pdf;
mod photoshop_paths;
mod png;
mod psd;
mod streaming;
#[cfg(test)]
mod tests;
mod tiff;
mod webp;

use std::borrow::Cow;
use std::fs::File;

use super::error::RenderError;
use super::palette::{self, IndexedImage};
use super::pixels::{Pixels, Raster};
use super::plan::EncodePlan;
use output::write_output;

use offprint_core::Code;
use offprint_modifiers::{OutputFormat, Quantize};

pub(super) use decode::decode_image;
pub(super) use jpeg::has_few_pixels_for_jpeg;
pub(super) use streaming::{can_stream, stream_image};

/// Writes an image to an empty file. Returns the length of the file in bytes.
///
/// # Errors
/// `encode-failed` when the format cannot hold the image, `storage-full` when the disk is full.
pub(super) fn encode_image(encode: &EncodePlan, pixels: &Pixels, file: &File) -> Result<u64, RenderError> {
    let pixels = match pixels {
        Pixels::Eight(raster) if has_output_shape(encode, raster) => Cow::Borrowed(raster),
        pixels => Cow::Owned(convert_to_output_shape(encode, pixels.clone())?),
    };
    let profile = encode.profile.as_ref().map(|profile| &*profile.bytes);
    write_output(file, |out| match encode.format {
        OutputFormat::Jpeg => jpeg::encode_jpeg(encode, &pixels, profile, out),
        OutputFormat::Png => png::encode_png(encode, &pixels, profile, out),
        OutputFormat::Tiff => tiff::encode_tiff(encode, &pixels, profile, out),
        OutputFormat::Gif => gif::encode_gif(encode, &pixels, out),
        OutputFormat::Webp => webp::encode_webp(encode, &pixels, out),
        OutputFormat::Pdf => pdf::encode_pdf(encode, &pixels, profile, out),
        OutputFormat::Avif => avif::encode_avif(encode, &pixels, out),
        OutputFormat::Jp2 => jp2::encode_jp2(encode, &pixels, out),
        OutputFormat::Eps => eps::encode_eps(encode, &pixels, profile, out),
    })
}

fn has_output_shape(encode: &EncodePlan, raster: &Raster<u8>) -> bool {
    (raster.pixel_type(), raster.has_alpha()) == (encode.pixel_type, encode.alpha)
}

/// Adds or drops alpha as the format needs. Depth and components must be right already: the plan sees to that.
fn convert_to_output_shape(encode: &EncodePlan, pixels: Pixels) -> Result<Raster<u8>, RenderError> {
    let Pixels::Eight(raster) = pixels else {
        return Err(RenderError::new(Code::Internal, "The render plan left more than 8 bits per component."));
    };
    let raster = if encode.alpha { raster.with_alpha() } else { raster.without_alpha() };
    if !has_output_shape(encode, &raster) {
        return Err(RenderError::new(
            Code::Internal,
            "The render plan left components that the output format does not have.",
        ));
    }
    Ok(raster)
}

/// The colours of all pixels as RGBA, to make a palette of.
fn collect_colors(pixels: &Raster<u8>) -> Vec<[u8; 4]> {
    let color = |pixel: &[u8]| match *pixel {
        [gray] => [gray, gray, gray, 255],
        [gray, alpha] => [gray, gray, gray, alpha],
        [r, g, b] => [r, g, b, 255],
        [r, g, b, alpha, ..] => [r, g, b, alpha],
        [] => [0; 4],
    };
    pixels.pixels().map(color).collect()
}

/// Reduces the colours to a palette, as the modifier `quantize` says.
fn quantize_colors(encode: &EncodePlan, colors: &[[u8; 4]], width: u32) -> IndexedImage {
    palette::quantize_pixels(colors, width, encode.quantize.as_ref().unwrap_or(&Quantize::default()))
}

fn encode_error(format: &str, error: impl std::fmt::Display) -> RenderError {
    RenderError::new(Code::EncodeFailed, format!("The {format} could not be written: {error}."))
}
