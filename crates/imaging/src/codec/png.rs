//! PNG through the png crate, whose fast deflate beats every peer at its size.

use std::borrow::Cow;
use std::io::{BufRead, Seek, Write};

use super::decode::Rows;
use super::{colors, failed, indexed};
use offprint_modifiers::PixelType;
use crate::failure::Failure;
use crate::header::{PNG_XMP, png_failure};
use crate::palette::Indexed;
use crate::pixels::{Pixels, Raster};
use crate::plan::Encode;

/// About how many bytes of rows are decoded at a time.
const BAND: usize = 64 << 10;

/// Decodes the picture, of an animation the one that stands for it. Reads to the end, with all checksums. Some rows at a
/// time, but for interlaced ones.
pub(super) fn decode(input: impl BufRead + Seek, rows: &mut Rows<'_>) -> Result<(), Failure> {
    let mut decoder = png::Decoder::new(input);
    decoder.set_transformations(png::Transformations::EXPAND);
    let mut reader = decoder.read_info().map_err(png_failure)?;
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
        let length = reader.output_buffer_size().ok_or_else(|| png_failure(png::DecodingError::LimitsExceeded))?;
        let mut data = vec![0; length];
        let info = reader.next_frame(&mut data).map_err(png_failure)?;
        data.truncate(info.buffer_size());
        rows.take(band(height, data))?;
    } else {
        let (mut held, mut data) = (0, Vec::new());
        let ended = loop {
            match reader.next_row() {
                Ok(Some(row)) => data.extend_from_slice(row.data()),
                Ok(None) => break Ok(()),
                Err(error) => break Err(png_failure(error)),
            }
            held += 1;
            if data.len() >= BAND {
                rows.take(band(held, std::mem::take(&mut data)))?;
                held = 0;
            }
        };
        if held > 0 {
            rows.take(band(held, data))?;
        }
        ended?;
    }
    reader.finish().map_err(png_failure)
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
    let per_metre = (encode.dpi / 0.0254).round().clamp(1.0, f64::from(u32::MAX)) as u32;
    info.pixel_dims = Some(png::PixelDimensions { xppu: per_metre, yppu: per_metre, unit: png::Unit::Meter });
    if let Some(xmp) = encode.xmp.as_ref().and_then(|xmp| String::from_utf8(xmp.clone()).ok()) {
        info.utf8_text.push(png::text_metadata::ITXtChunk::new(PNG_XMP, xmp));
    }
    info.icc_profile = profile.map(|profile| Cow::Owned(profile.to_vec()));
    if encode.quantize.is_some() {
        return write_indexed(indexed(encode, &colors(pixels), width), info, out);
    }
    info.color_type = match (pixels.pixel_type(), pixels.has_alpha()) {
        (PixelType::Gray, false) => png::ColorType::Grayscale,
        (PixelType::Gray, true) => png::ColorType::GrayscaleAlpha,
        (PixelType::Rgb, false) => png::ColorType::Rgb,
        (PixelType::Rgb, true) => png::ColorType::Rgba,
        (PixelType::Cmyk, _) => return Err(failed("PNG", "it has no inks")),
    };
    let mut encoder = png::Encoder::with_info(out, info).map_err(|error| failed("PNG", error))?;
    encoder.set_compression(png::Compression::Fast);
    let mut writer = encoder.write_header().map_err(|error| failed("PNG", error))?;
    let written = writer.write_image_data(pixels.data());
    written.and_then(|()| writer.finish()).map_err(|error| failed("PNG", error))
}

/// The components as a PNG deflates them, each row behind the filter that was used for it.
pub(super) fn deflated(pixels: &Raster<u8>) -> Result<Vec<u8>, png::EncodingError> {
    let (width, height) = pixels.size();
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, width, height);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_color(match pixels.channels() {
        1 => png::ColorType::Grayscale,
        3 => png::ColorType::Rgb,
        // Inks, for all that a filter minds.
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

/// The fast deflate counts on filtered pixels; places in a palette have nothing to filter, so they get a full one.
fn write_indexed(made: Indexed, mut info: png::Info<'_>, out: &mut impl Write) -> Result<(), Failure> {
    info.color_type = png::ColorType::Indexed;
    info.palette = Some(made.palette.iter().flat_map(|&[r, g, b, _]| [r, g, b]).collect());
    // What is transparent comes first, so the list ends with the last colour that is not opaque.
    let alphas: Vec<u8> = made.palette.iter().map(|color| color[3]).take_while(|alpha| *alpha < 255).collect();
    info.trns = (!alphas.is_empty()).then_some(Cow::Owned(alphas));
    let mut encoder = png::Encoder::with_info(out, info).map_err(|error| failed("PNG", error))?;
    encoder.set_compression(png::Compression::Balanced);
    encoder.set_filter(png::Filter::NoFilter);
    let mut writer = encoder.write_header().map_err(|error| failed("PNG", error))?;
    writer.write_image_data(&made.indices).and_then(|()| writer.finish()).map_err(|error| failed("PNG", error))
}
