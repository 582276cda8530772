//! Headers that a pure Rust decoder reads for us.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};

use image::codecs::bmp::BmpDecoder;
use image::codecs::webp::WebPDecoder;
use image::{ColorType, ImageDecoder, ImageError};

use super::{COUNTED, Header, MAX_PROFILE, SourceFormat, corrupt, exif};
use offprint_core::Code;
use offprint_modifiers::PixelType;
use crate::failure::Failure;

pub(super) type Input = BufReader<File>;

/// How much of a TIFF's or WebP's header may be held at once, in bytes.
pub(super) const MOST: usize = 32 << 20;

pub(super) fn png(input: Input) -> Result<Header, Failure> {
    let decoder = png::Decoder::new_with_limits(input, png::Limits { bytes: MOST });
    let reader = decoder.read_info().map_err(png_failure)?;
    let info = reader.info();
    let (color, alpha) = match info.color_type {
        png::ColorType::Grayscale => (PixelType::Gray, false),
        png::ColorType::GrayscaleAlpha => (PixelType::Gray, true),
        png::ColorType::Rgb | png::ColorType::Indexed => (PixelType::Rgb, false),
        png::ColorType::Rgba => (PixelType::Rgb, true),
    };
    let mut header = Header::new(SourceFormat::Png, (info.width, info.height), color, info.bit_depth as u8);
    header.alpha = alpha || info.trns.is_some();
    header.progressive = info.interlaced;
    header.frames = info.animation_control.map_or(1, |animation| animation.num_frames.max(1));
    header.profile = info.icc_profile.as_ref().map(|profile| profile.to_vec()).filter(|it| it.len() <= MAX_PROFILE);
    header.dpi = info
        .pixel_dims
        .filter(|dims| matches!(dims.unit, png::Unit::Meter))
        .and_then(|dims| exif::dots_per_inch(f64::from(dims.xppu) * 0.0254, 2));
    let xmp = info.utf8_text.iter().find(|chunk| chunk.keyword == PNG_XMP).and_then(|chunk| chunk.get_text().ok());
    header.take_xmp(xmp.map(String::into_bytes));
    if let Some(raw) = info.exif_metadata.as_ref() {
        exif::apply(&mut header, raw.to_vec());
    }
    Ok(header)
}

/// The keyword of XMP in a PNG.
pub(in crate) const PNG_XMP: &str = "XML:com.adobe.xmp";

/// What a failure of the PNG decoder means for us.
pub(in crate) fn png_failure(error: png::DecodingError) -> Failure {
    match error {
        png::DecodingError::IoError(error) => error.into(),
        png::DecodingError::LimitsExceeded => Failure::new(Code::SourceTooLarge, "The PNG needs too much memory."),
        other => corrupt(format!("The PNG is damaged: {other}.")),
    }
}

/// What a failure of the TIFF decoder means for us.
pub(super) fn tiff_failure(error: tiff::TiffError) -> Failure {
    match error {
        tiff::TiffError::IoError(error) => error.into(),
        tiff::TiffError::UnsupportedError(what) => {
            Failure::new(Code::UnsupportedFormat, format!("This TIFF cannot be read: {what}."))
        }
        tiff::TiffError::LimitsExceeded => Failure::new(Code::SourceTooLarge, "The TIFF needs too much memory."),
        other => corrupt(format!("The TIFF is damaged: {other}.")),
    }
}

pub(super) fn webp(mut input: Input) -> Result<Header, Failure> {
    let frames = webp_frames(&mut input).unwrap_or(1);
    input.rewind()?;
    let mut decoder = WebPDecoder::new(input).map_err(image_failure)?;
    let mut header = Header::new(SourceFormat::Webp, decoder.dimensions(), PixelType::Rgb, 8);
    header.alpha = decoder.color_type().has_alpha();
    header.frames = frames;
    header.profile = decoder.icc_profile().map_err(image_failure)?.filter(|it| it.len() <= MAX_PROFILE);
    header.take_xmp(decoder.xmp_metadata().ok().flatten());
    if let Some(raw) = decoder.exif_metadata().map_err(image_failure)? {
        let plain = raw.strip_prefix(b"Exif\0\0").map(<[u8]>::to_vec);
        exif::apply(&mut header, plain.unwrap_or(raw));
    }
    Ok(header)
}

/// Steps from chunk to chunk of a WebP and counts its frames. An error is the end of the file.
fn webp_frames(input: &mut Input) -> std::io::Result<u32> {
    let mut frames = 0;
    let mut chunk = [0; 8];
    input.seek(SeekFrom::Start(12))?;
    while input.stream_position()? < COUNTED && input.read_exact(&mut chunk).is_ok() {
        frames += u32::from(chunk.starts_with(b"ANMF"));
        let length = u32::from_le_bytes([chunk[4], chunk[5], chunk[6], chunk[7]]);
        input.seek_relative(i64::from(length) + i64::from(length % 2))?;
    }
    Ok(frames.max(1))
}

pub(super) fn bmp(input: Input) -> Result<Header, Failure> {
    let decoder = BmpDecoder::new(input).map_err(image_failure)?;
    let color = match decoder.color_type() {
        ColorType::L8 | ColorType::La8 => PixelType::Gray,
        _ => PixelType::Rgb,
    };
    let mut header = Header::new(SourceFormat::Bmp, decoder.dimensions(), color, 8);
    header.alpha = decoder.color_type().has_alpha();
    Ok(header)
}

/// What a failure of one of the image crate's decoders means for us.
pub(in crate) fn image_failure(error: ImageError) -> Failure {
    match error {
        ImageError::IoError(error) => error.into(),
        ImageError::Unsupported(what) => {
            Failure::new(Code::UnsupportedFormat, format!("This picture cannot be read: {what}."))
        }
        ImageError::Limits(_) => Failure::new(Code::SourceTooLarge, "The picture needs too much memory."),
        other => corrupt(format!("The picture is damaged: {other}.")),
    }
}
