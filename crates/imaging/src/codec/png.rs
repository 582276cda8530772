//! PNG by the png crate. No other library that we measured compresses as fast at this size.

use std::borrow::Cow;
use std::io::{BufRead, ErrorKind, Seek, Write};

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
    // Metadata was read with the header.
    decoder.set_ignore_text_chunk(true);
    decoder.set_ignore_iccp_chunk(true);
    let mut reader = decoder.read_info().map_err(map_png_error)?;
    let bands = PngBands::new(&reader);
    let image_end = if reader.info().interlaced {
        decode_interlaced(&mut reader, &bands, rows)?
    } else {
        decode_rows(&mut reader, &bands, rows)?
    };
    // All pixels are there. Checksums of their data that do not match are damage; a lack of what follows is not.
    match image_end {
        Err(png::DecodingError::IoError(error)) if error.kind() == ErrorKind::UnexpectedEof => {
            rows.report_irregularity("The PNG has no end chunk (IEND).");
        }
        Err(damage) => return Err(map_png_error(damage)),
        Ok(()) => match reader.finish() {
            Ok(()) => {}
            Err(png::DecodingError::IoError(error)) if error.kind() == ErrorKind::UnexpectedEof => {
                rows.report_irregularity("The PNG has no end chunk (IEND).");
            }
            Err(_) => rows.report_irregularity("The PNG is damaged behind its image data."),
        },
    }
    Ok(())
}

/// What follows the last row: the end of the image data.
type ImageEnd = Result<(), png::DecodingError>;

/// Hands over bands of rows.
///
/// # Errors
/// When rows are missing; those before them were handed over.
fn decode_rows<R: BufRead + Seek>(
    reader: &mut png::Reader<R>,
    bands: &PngBands,
    rows: &mut DecodeOutput<'_>,
) -> Result<ImageEnd, RenderError> {
    let (mut rows_read, mut rows_held, mut data) = (0, 0, Vec::new());
    let image_end = loop {
        match reader.next_row() {
            Ok(Some(row)) => data.extend_from_slice(row.data()),
            Ok(None) => break Ok(()),
            Err(error) => break Err(error),
        }
        rows_read += 1;
        rows_held += 1;
        if data.len() >= BAND_BYTES {
            rows.push(bands.build_band(rows_held, std::mem::take(&mut data)))?;
            rows_held = 0;
        }
    };
    if rows_held > 0 {
        rows.push(bands.build_band(rows_held, data))?;
    }
    match image_end {
        Err(damage) if rows_read < bands.size.1 => Err(map_png_error(damage)),
        image_end => Ok(image_end),
    }
}

/// Hands over the whole image. Its rows come in seven passes.
fn decode_interlaced<R: BufRead + Seek>(
    reader: &mut png::Reader<R>,
    bands: &PngBands,
    rows: &mut DecodeOutput<'_>,
) -> Result<ImageEnd, RenderError> {
    let length = reader.output_buffer_size().ok_or_else(|| map_png_error(png::DecodingError::LimitsExceeded))?;
    let (width, height) = bands.size;
    let mut data = vec![0; length];
    let (stride, mut rows_left) = (length / height as usize, count_interlaced_rows(width, height));
    let bits_per_pixel = (8 * (stride / width as usize)) as u8;
    let image_end = loop {
        match reader.next_interlaced_row() {
            Ok(Some(row)) => {
                if let png::InterlaceInfo::Adam7(pass) = row.interlace() {
                    png::expand_interlaced_row(&mut data, stride, row.data(), pass, bits_per_pixel);
                }
                rows_left = rows_left.saturating_sub(1);
            }
            Ok(None) => break Ok(()),
            Err(damage) if rows_left > 0 => return Err(map_png_error(damage)),
            Err(error) => break Err(error),
        }
    };
    rows.push(bands.build_band(height, data))?;
    Ok(image_end)
}

/// Rows of all passes of an interlaced image. Source: PNG specification, section "Interlacing and pass extraction".
fn count_interlaced_rows(width: u32, height: u32) -> u64 {
    /// First column and row of each pass, and the distances to the next ones.
    const PASSES: [[u32; 4]; 7] =
        [[0, 0, 8, 8], [4, 0, 8, 8], [0, 4, 4, 8], [2, 0, 4, 4], [0, 2, 2, 4], [1, 0, 2, 2], [0, 1, 1, 2]];
    let rows = |[left, top, _, distance]: [u32; 4]| match width > left {
        true => height.saturating_sub(top).div_ceil(distance),
        false => 0,
    };
    PASSES.into_iter().map(|pass| u64::from(rows(pass))).sum()
}

/// Makes bands of decoded rows.
struct PngBands {
    size: (u32, u32),
    color: PixelType,
    alpha: bool,
    sixteen_bits: bool,
    /// The transparent gray, where the decoder does not find it.
    transparent_gray: Option<u8>,
}

impl PngBands {
    fn new<R: BufRead + Seek>(reader: &png::Reader<R>) -> Self {
        let (color, depth) = reader.output_color_type();
        let (color, alpha) = match color {
            png::ColorType::Rgb | png::ColorType::Indexed => (PixelType::Rgb, false),
            png::ColorType::Rgba => (PixelType::Rgb, true),
            png::ColorType::Grayscale => (PixelType::Gray, false),
            png::ColorType::GrayscaleAlpha => (PixelType::Gray, true),
        };
        Self {
            size: reader.info().size(),
            color,
            alpha,
            sixteen_bits: depth == png::BitDepth::Sixteen,
            transparent_gray: find_masked_gray(reader.info()),
        }
    }

    fn build_band(&self, height: u32, mut data: Vec<u8>) -> Pixels {
        let (width, _) = self.size;
        if self.sixteen_bits {
            let data = data.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect();
            return Raster::<u16>::new(width, height, self.color, self.alpha, data).into();
        }
        if let Some(transparent) = self.transparent_gray {
            for pixel in data.chunks_exact_mut(2).filter(|pixel| pixel[0] == transparent) {
                pixel[1] = 0;
            }
        }
        Raster::new(width, height, self.color, self.alpha, data).into()
    }
}

/// The transparent gray, on a scale to 255, when its number has bits above the depth of the image. They do not count
/// (PNG specification, section "tRNS"), but the decoder compares them.
fn find_masked_gray(info: &png::Info<'_>) -> Option<u8> {
    let bits = info.bit_depth as u8;
    if info.color_type != png::ColorType::Grayscale || bits >= 8 {
        return None;
    }
    let max_value = (1 << bits) - 1;
    let transparent = *info.trns.as_ref()?.first()?;
    (transparent > max_value).then(|| (transparent & max_value) * (255 / max_value))
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
