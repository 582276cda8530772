//! Headers that are read by libraries in pure Rust: PNG, WebP and BMP; and the mapping of their errors.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};

use image::codecs::bmp::BmpDecoder;
use image::codecs::webp::WebPDecoder;
use image::{ColorType, ImageDecoder, ImageError};

use super::{ImageHeader, MAX_FRAME_SCAN_BYTES, MAX_PROFILE_BYTES, SourceFormat, corrupt_error, exif};
use crate::error::RenderError;
use offprint_core::Code;
use offprint_modifiers::PixelType;

pub(super) type FileReader = BufReader<File>;

/// Memory limit for reading the header of a PNG, in bytes.
const MAX_DECODER_BYTES: usize = 32 << 20;

pub(super) fn read_png_header(input: FileReader) -> Result<ImageHeader, RenderError> {
    let decoder = png::Decoder::new_with_limits(input, png::Limits { bytes: MAX_DECODER_BYTES });
    let reader = decoder.read_info().map_err(map_png_error)?;
    let info = reader.info();
    let (color, alpha) = match info.color_type {
        png::ColorType::Grayscale => (PixelType::Gray, false),
        png::ColorType::GrayscaleAlpha => (PixelType::Gray, true),
        png::ColorType::Rgb | png::ColorType::Indexed => (PixelType::Rgb, false),
        png::ColorType::Rgba => (PixelType::Rgb, true),
    };
    let mut header = ImageHeader::new(SourceFormat::Png, (info.width, info.height), color, info.bit_depth as u8);
    header.alpha = alpha || info.trns.is_some();
    header.progressive = info.interlaced;
    header.frames = info.animation_control.map_or(1, |animation| animation.num_frames.max(1));
    header.profile =
        info.icc_profile.as_ref().map(|profile| profile.to_vec()).filter(|profile| profile.len() <= MAX_PROFILE_BYTES);
    header.dpi = info
        .pixel_dims
        .filter(|dims| matches!(dims.unit, png::Unit::Meter))
        .and_then(|dims| exif::to_dots_per_inch(f64::from(dims.xppu) * 0.0254, 2));
    let xmp = info.utf8_text.iter().find(|chunk| chunk.keyword == PNG_XMP).and_then(|chunk| chunk.get_text().ok());
    header.set_xmp(xmp.map(String::into_bytes));
    if let Some(raw) = info.exif_metadata.as_ref() {
        exif::apply_exif(&mut header, raw.to_vec());
    }
    Ok(header)
}

/// The keyword of XMP in a PNG.
pub(crate) const PNG_XMP: &str = "XML:com.adobe.xmp";

pub(crate) fn map_png_error(error: png::DecodingError) -> RenderError {
    match error {
        png::DecodingError::IoError(error) => error.into(),
        png::DecodingError::LimitsExceeded => RenderError::new(Code::SourceTooLarge, "The PNG needs too much memory."),
        error => corrupt_error(format!("The PNG is damaged: {error}.")),
    }
}

pub(super) fn read_webp_header(mut input: FileReader) -> Result<ImageHeader, RenderError> {
    let frames = count_webp_frames(&mut input).unwrap_or(1);
    input.rewind()?;
    let mut decoder = WebPDecoder::new(input).map_err(map_image_error)?;
    let mut header = ImageHeader::new(SourceFormat::Webp, decoder.dimensions(), PixelType::Rgb, 8);
    header.alpha = decoder.color_type().has_alpha();
    header.frames = frames;
    header.profile =
        decoder.icc_profile().map_err(map_image_error)?.filter(|profile| profile.len() <= MAX_PROFILE_BYTES);
    header.set_xmp(decoder.xmp_metadata().ok().flatten());
    if let Some(raw) = decoder.exif_metadata().map_err(map_image_error)? {
        let plain = raw.strip_prefix(b"Exif\0\0").map(<[u8]>::to_vec);
        exif::apply_exif(&mut header, plain.unwrap_or(raw));
    }
    Ok(header)
}

/// Counts the frames of a WebP by walking over its chunks. An error means the end of the file.
fn count_webp_frames(input: &mut FileReader) -> std::io::Result<u32> {
    let mut frames = 0;
    let mut chunk = [0; 8];
    input.seek(SeekFrom::Start(12))?;
    while input.stream_position()? < MAX_FRAME_SCAN_BYTES && input.read_exact(&mut chunk).is_ok() {
        frames += u32::from(chunk.starts_with(b"ANMF"));
        let length = u32::from_le_bytes([chunk[4], chunk[5], chunk[6], chunk[7]]);
        input.seek_relative(i64::from(length) + i64::from(length % 2))?;
    }
    Ok(frames.max(1))
}

pub(super) fn read_bmp_header(input: FileReader) -> Result<ImageHeader, RenderError> {
    let decoder = BmpDecoder::new(input).map_err(map_image_error)?;
    let color = match decoder.color_type() {
        ColorType::L8 | ColorType::La8 => PixelType::Gray,
        _ => PixelType::Rgb,
    };
    let mut header = ImageHeader::new(SourceFormat::Bmp, decoder.dimensions(), color, 8);
    header.alpha = decoder.color_type().has_alpha();
    Ok(header)
}

/// Maps an error of the decoders of the image crate.
pub(crate) fn map_image_error(error: ImageError) -> RenderError {
    match error {
        ImageError::IoError(error) => error.into(),
        ImageError::Unsupported(reason) => {
            RenderError::new(Code::UnsupportedFormat, format!("This image cannot be read: {reason}."))
        }
        ImageError::Limits(_) => RenderError::new(Code::SourceTooLarge, "The image needs too much memory."),
        error => corrupt_error(format!("The image is damaged: {error}.")),
    }
}
