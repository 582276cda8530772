//! PNG by the png crate. No other library that we measured compresses as fast at this size.

use std::borrow::Cow;
use std::io::{BufRead, Seek, Write};

use offprint_modifiers::PixelType;

use super::decode::DecodeOutput;
use super::{collect_colors, encode_error, quantize_colors};
use crate::error::RenderError;
use crate::header::{PNG_XMP, map_png_error};
use crate::palette::IndexedImage;
use crate::pixels::{Pixels, Raster};
use crate::plan::EncodePlan;

/// Approximate size of a band of rows, in bytes.
const BAND_BYTES: usize = 64 << 10;

/// Decodes the image; of an animation the default image. Reads to the end and verifies all checksums. Hands over bands
/// of rows, except for interlaced images, which are decoded as a whole.
pub(super) fn decode_png(input: impl BufRead + Seek, rows: &mut DecodeOutput<'_>) -> Result<(), RenderError> {
    let mut decoder = png::Decoder::new(input);
    decoder.set_transformations(png::Transformations::EXPAND);
    let mut reader = decoder.read_info().map_err(map_png_error)?;
    let (color, depth) = reader.output_color_type();
    let (color, alpha) = match color {
        png::ColorType::Rgb | png::ColorType::Indexed => (PixelType::Rgb, false),
        png::ColorType::Rgba => (PixelType::Rgb, true),
        png::ColorType::Grayscale => (PixelType::Gray, false),
        png::ColorType::GrayscaleAlpha => (PixelType::Gray, true),
    };
    let (width, height, interlaced) = (reader.info().width, reader.info().height, reader.info().interlaced);
    let band = |height: u32, data: Vec<u8>| -> Pixels {
        match depth {
            png::BitDepth::Sixteen => {
                let data = data.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect();
                Raster::new(width, height, color, alpha, data).into()
            }
            _ => Raster::new(width, height, color, alpha, data).into(),
        }
    };
    if interlaced {
        let length = reader.output_buffer_size().ok_or_else(|| map_png_error(png::DecodingError::LimitsExceeded))?;
        let mut data = vec![0; length];
        let info = reader.next_frame(&mut data).map_err(map_png_error)?;
        data.truncate(info.buffer_size());
        rows.push(band(height, data))?;
    } else {
        let (mut rows_held, mut data) = (0, Vec::new());
        let read_result = loop {
            match reader.next_row() {
                Ok(Some(row)) => data.extend_from_slice(row.data()),
                Ok(None) => break Ok(()),
                Err(error) => break Err(map_png_error(error)),
            }
            rows_held += 1;
            if data.len() >= BAND_BYTES {
                rows.push(band(rows_held, std::mem::take(&mut data)))?;
                rows_held = 0;
            }
        };
        if rows_held > 0 {
            rows.push(band(rows_held, data))?;
        }
        read_result?;
    }
    reader.finish().map_err(map_png_error)
}

pub(super) fn encode_png(
    encode: &EncodePlan,
    pixels: &Raster<u8>,
    profile: Option<&[u8]>,
    out: &mut impl Write,
) -> Result<(), RenderError> {
    let (width, height) = pixels.size();
    let mut info = png::Info::with_size(width, height);
    info.bit_depth = png::BitDepth::Eight;
    let per_metre = (encode.dpi / 0.0254).round().clamp(1.0, f64::from(u32::MAX)) as u32;
    info.pixel_dims = Some(png::PixelDimensions { xppu: per_metre, yppu: per_metre, unit: png::Unit::Meter });
    if let Some(xmp) = encode.xmp.as_ref().and_then(|xmp| String::from_utf8(xmp.clone()).ok()) {
        info.utf8_text.push(png::text_metadata::ITXtChunk::new(PNG_XMP, xmp));
    }
    info.icc_profile = profile.map(|profile| Cow::Owned(profile.to_vec()));
    if encode.quantize.is_some() {
        return write_indexed(quantize_colors(encode, &collect_colors(pixels), width), info, out);
    }
    info.color_type = match (pixels.pixel_type(), pixels.has_alpha()) {
        (PixelType::Gray, false) => png::ColorType::Grayscale,
        (PixelType::Gray, true) => png::ColorType::GrayscaleAlpha,
        (PixelType::Rgb, false) => png::ColorType::Rgb,
        (PixelType::Rgb, true) => png::ColorType::Rgba,
        (PixelType::Cmyk, _) => return Err(encode_error("PNG", "PNG has no CMYK")),
    };
    let mut encoder = png::Encoder::with_info(out, info).map_err(|error| encode_error("PNG", error))?;
    encoder.set_compression(png::Compression::Fast);
    let mut writer = encoder.write_header().map_err(|error| encode_error("PNG", error))?;
    let written = writer.write_image_data(pixels.data());
    written.and_then(|()| writer.finish()).map_err(|error| encode_error("PNG", error))
}

/// The pixels as deflated in a PNG: each row is preceded by the number of its filter.
pub(super) fn deflate_pixels(pixels: &Raster<u8>) -> Result<Vec<u8>, png::EncodingError> {
    let (width, height) = pixels.size();
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, width, height);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_color(match pixels.channels() {
        1 => png::ColorType::Grayscale,
        3 => png::ColorType::Rgb,
        // CMYK: to the filters any four components are the same.
        _ => png::ColorType::Rgba,
    });
    encoder.set_compression(png::Compression::Fast);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(pixels.data())?;
    writer.finish()?;
    let mut data = Vec::new();
    let mut chunks = &file[8..];
    while let Some((length, rest)) = chunks.split_first_chunk() {
        let (name, rest) = rest.split_at(4);
        let (body, rest) = rest.split_at(u32::from_be_bytes(*length) as usize);
        if name == b"IDAT" {
            data.extend_from_slice(body);
        }
        chunks = &rest[4..];
    }
    Ok(data)
}

/// The fast deflate is made for filtered pixels. Palette indices are not filtered, so they need the normal one.
fn write_indexed(indexed: IndexedImage, mut info: png::Info<'_>, out: &mut impl Write) -> Result<(), RenderError> {
    info.color_type = png::ColorType::Indexed;
    info.palette = Some(indexed.palette.iter().flat_map(|&[r, g, b, _]| [r, g, b]).collect());
    // Transparent colours come first, so the list may end with the last colour that is not opaque.
    let alphas: Vec<u8> = indexed.palette.iter().map(|color| color[3]).take_while(|alpha| *alpha < 255).collect();
    info.trns = (!alphas.is_empty()).then_some(Cow::Owned(alphas));
    let mut encoder = png::Encoder::with_info(out, info).map_err(|error| encode_error("PNG", error))?;
    encoder.set_compression(png::Compression::Balanced);
    encoder.set_filter(png::Filter::NoFilter);
    let mut writer = encoder.write_header().map_err(|error| encode_error("PNG", error))?;
    writer.write_image_data(&indexed.indices).and_then(|()| writer.finish()).map_err(|error| encode_error("PNG", error))
}
