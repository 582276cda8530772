//! PNG through the png crate, whose fast deflate beats every peer at its size.

use std::borrow::Cow;
use std::io::{BufRead, Seek, Write};

use super::{components, failed};
use crate::language::PixelType;
use crate::render::failure::Failure;
use crate::render::header::png_failure;
use crate::render::pixels::Pixels;
use crate::render::plan::Encode;

/// Decodes the picture, of an animation the one that stands for it. Reads to the end, with all checksums.
pub(super) fn decode(input: impl BufRead + Seek) -> Result<Pixels, Failure> {
    let mut decoder = png::Decoder::new(input);
    decoder.set_transformations(png::Transformations::EXPAND | png::Transformations::STRIP_16);
    let mut reader = decoder.read_info().map_err(png_failure)?;
    let length = reader.output_buffer_size().ok_or_else(|| png_failure(png::DecodingError::LimitsExceeded))?;
    let mut data = vec![0; length];
    let info = reader.next_frame(&mut data).map_err(png_failure)?;
    reader.finish().map_err(png_failure)?;
    data.truncate(info.buffer_size());
    let (channels, data) = match info.color_type {
        png::ColorType::Rgb => (3, data),
        png::ColorType::Rgba => (4, data),
        png::ColorType::GrayscaleAlpha => (4, data.chunks_exact(2).flat_map(|p| [p[0], p[0], p[0], p[1]]).collect()),
        _ => (3, data.into_iter().flat_map(|gray| [gray; 3]).collect()),
    };
    Ok(Pixels::new(info.width, info.height, channels, data))
}

pub(super) fn encode(
    encode: &Encode,
    pixels: &Pixels,
    profile: Option<&[u8]>,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let (width, height) = pixels.size();
    let mut info = png::Info::with_size(width, height);
    info.bit_depth = png::BitDepth::Eight;
    info.color_type = match (encode.pixel_type, pixels.channels()) {
        (PixelType::Gray, 3) => png::ColorType::Grayscale,
        (PixelType::Gray, _) => png::ColorType::GrayscaleAlpha,
        (PixelType::Rgb, 3) => png::ColorType::Rgb,
        (PixelType::Rgb, _) => png::ColorType::Rgba,
    };
    let per_metre = (encode.dpi / 0.0254).round().clamp(1.0, f64::from(u32::MAX)) as u32;
    info.pixel_dims = Some(png::PixelDimensions { xppu: per_metre, yppu: per_metre, unit: png::Unit::Meter });
    info.icc_profile = profile.map(|profile| Cow::Owned(profile.to_vec()));
    let mut encoder = png::Encoder::with_info(out, info).map_err(|error| failed("PNG", error))?;
    encoder.set_compression(png::Compression::Fast);
    let mut writer = encoder.write_header().map_err(|error| failed("PNG", error))?;
    let written = match encode.pixel_type {
        PixelType::Rgb => writer.write_image_data(pixels.data()),
        PixelType::Gray => writer.write_image_data(&components(encode, pixels)),
    };
    written.and_then(|()| writer.finish()).map_err(|error| failed("PNG", error))
}
