//! Headers that are read by libraries in pure Rust: PNG and BMP; and the mapping of their errors.

use std::io::BufReader;

use image::codecs::bmp::BmpDecoder;
use image::{ColorType, ImageDecoder, ImageError};
use offprint_core::Code;
use offprint_modifiers::PixelType;

use super::bmp::BmpFile;
use super::bmp_metadata::read_bmp_metadata;
use super::bounds::BoundedInput;
use super::png_chunks::ImageChunks;
use super::png_metadata::read_png_metadata;
use super::{ImageHeader, SourceFormat, corrupt_error};
use crate::error::RenderError;
use crate::source_files::SourceReader;

pub(super) type FileReader = BoundedInput<SourceReader>;

/// Memory limit for reading the header of a PNG, in bytes. Chunks that the decoder sees are shorter.
const MAX_DECODER_BYTES: usize = 1 << 20;

pub(super) fn read_png_header(input: &mut FileReader) -> Result<ImageHeader, RenderError> {
    let chunks = BufReader::new(ImageChunks::new(input));
    let decoder = png::Decoder::new_with_limits(chunks, png::Limits { bytes: MAX_DECODER_BYTES });
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
    // Where no control chunk precedes the image, the image is not one of the animation's frames.
    let extra_image = u32::from(info.frame_control.is_none());
    header.frames = info.animation_control.map_or(1, |animation| animation.num_frames.saturating_add(extra_image));
    read_png_metadata(input, &mut header)?;
    Ok(header)
}

pub(crate) fn map_png_error(error: png::DecodingError) -> RenderError {
    match error {
        png::DecodingError::IoError(error) => error.into(),
        png::DecodingError::LimitsExceeded => RenderError::new(Code::SourceTooLarge, "The PNG needs too much memory."),
        error => corrupt_error(format!("The PNG is damaged: {error}.")),
    }
}

pub(super) fn read_bmp_header(input: &mut FileReader) -> Result<ImageHeader, RenderError> {
    let decoder = BmpDecoder::new(BmpFile::open(&mut *input)?).map_err(map_image_error)?;
    let color = match decoder.color_type() {
        ColorType::L8 | ColorType::La8 => PixelType::Gray,
        _ => PixelType::Rgb,
    };
    let mut header = ImageHeader::new(SourceFormat::Bmp, decoder.dimensions(), color, 8);
    header.alpha = decoder.color_type().has_alpha();
    read_bmp_metadata(input, &mut header);
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
