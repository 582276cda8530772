//! PNG through the png crate, whose fast deflate beats every peer at its size.

use std::borrow::Cow;
use std::io::{BufRead, Seek, Write};

use super::failed;
use crate::language::PixelType;
use crate::render::failure::Failure;
use crate::render::header::{PNG_XMP, png_failure};
use crate::render::pixels::{Pixels, Raster};
use crate::render::plan::Encode;

/// Decodes the picture, of an animation the one that stands for it. Reads to the end, with all checksums.
pub(super) fn decode(input: impl BufRead + Seek) -> Result<Pixels, Failure> {
    let mut decoder = png::Decoder::new(input);
    decoder.set_transformations(png::Transformations::EXPAND);
    let mut reader = decoder.read_info().map_err(png_failure)?;
    let length = reader.output_buffer_size().ok_or_else(|| png_failure(png::DecodingError::LimitsExceeded))?;
    let mut data = vec![0; length];
    let info = reader.next_frame(&mut data).map_err(png_failure)?;
    reader.finish().map_err(png_failure)?;
    data.truncate(info.buffer_size());
    let (color, alpha) = match info.color_type {
        png::ColorType::Rgb | png::ColorType::Indexed => (PixelType::Rgb, false),
        png::ColorType::Rgba => (PixelType::Rgb, true),
        png::ColorType::Grayscale => (PixelType::Gray, false),
        png::ColorType::GrayscaleAlpha => (PixelType::Gray, true),
    };
    Ok(match info.bit_depth {
        png::BitDepth::Sixteen => {
            let data = data.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect();
            Raster::new(info.width, info.height, color, alpha, data).into()
        }
        _ => Raster::new(info.width, info.height, color, alpha, data).into(),
    })
}

pub(super) fn encode(
    encode: &Encode,
    pixels: &Raster<u8>,
    profile: Option<&[u8]>,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let (width, height) = pixels.size();
    let mut info = png::Info::with_size(width, height);
    info.bit_depth = png::BitDepth::Eight;
    info.color_type = match (pixels.pixel_type(), pixels.has_alpha()) {
        (PixelType::Gray, false) => png::ColorType::Grayscale,
        (PixelType::Gray, true) => png::ColorType::GrayscaleAlpha,
        (PixelType::Rgb, false) => png::ColorType::Rgb,
        (PixelType::Rgb, true) => png::ColorType::Rgba,
        (PixelType::Cmyk, _) => return Err(failed("PNG", "it has no inks")),
    };
    let per_metre = (encode.dpi / 0.0254).round().clamp(1.0, f64::from(u32::MAX)) as u32;
    info.pixel_dims = Some(png::PixelDimensions { xppu: per_metre, yppu: per_metre, unit: png::Unit::Meter });
    info.icc_profile = profile.map(|profile| Cow::Owned(profile.to_vec()));
    if let Some(xmp) = encode.xmp.as_ref().and_then(|xmp| String::from_utf8(xmp.clone()).ok()) {
        info.utf8_text.push(png::text_metadata::ITXtChunk::new(PNG_XMP, xmp));
    }
    let mut encoder = png::Encoder::with_info(out, info).map_err(|error| failed("PNG", error))?;
    encoder.set_compression(png::Compression::Fast);
    let mut writer = encoder.write_header().map_err(|error| failed("PNG", error))?;
    let written = writer.write_image_data(pixels.data());
    written.and_then(|()| writer.finish()).map_err(|error| failed("PNG", error))
}
