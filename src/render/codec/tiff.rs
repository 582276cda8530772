//! TIFF through the tiff crate.

use std::io::{BufRead, Seek, Write};

use image::codecs::tiff::TiffDecoder;
use tiff::decoder::{Decoder, DecodingResult, Limits};
use tiff::encoder::colortype::{self, ColorType};
use tiff::encoder::{Compression, DeflateLevel, Predictor, Rational, TiffEncoder, TiffValue};
use tiff::tags::{ExtraSamples, PhotometricInterpretation, ResolutionUnit, SampleFormat, Tag};

use super::decode::through_image;
use super::failed;
use crate::code::Code;
use crate::language;
use crate::language::PixelType;
use crate::render::failure::Failure;
use crate::render::header::{TIFF_XMP, image_failure, tiff_failure};
use crate::render::pixels::{Pixels, Raster};
use crate::render::plan::Encode;

pub(super) fn decode(input: impl BufRead + Seek, color: PixelType, alpha: bool) -> Result<Pixels, Failure> {
    match color {
        PixelType::Cmyk => inks(input, alpha).map_err(tiff_failure)?,
        _ => through_image(TiffDecoder::new(input).map_err(image_failure)?),
    }
}

/// The image crate knows no inks: it would turn them into RGB without a profile.
fn inks(input: impl BufRead + Seek, alpha: bool) -> tiff::TiffResult<Result<Pixels, Failure>> {
    let mut decoder = Decoder::new(input)?.with_limits(Limits::unlimited());
    let (width, height) = decoder.dimensions()?;
    let channels = 4 + usize::from(alpha);
    let whole = |length: usize| length == width as usize * height as usize * channels;
    Ok(match decoder.read_image()? {
        DecodingResult::U8(data) if whole(data.len()) => {
            Ok(Raster::new(width, height, PixelType::Cmyk, alpha, data).into())
        }
        DecodingResult::U16(data) if whole(data.len()) => {
            Ok(Raster::new(width, height, PixelType::Cmyk, alpha, data).into())
        }
        _ => Err(Failure::new(Code::UnsupportedColor, "TIFF pictures with inks of this depth cannot be read.")),
    })
}

pub(super) fn encode(
    encode: &Encode,
    pixels: &Raster<u8>,
    profile: Option<&[u8]>,
    out: &mut (impl Write + Seek),
) -> Result<(), Failure> {
    match (pixels.pixel_type(), pixels.has_alpha()) {
        (PixelType::Rgb, false) => write::<colortype::RGB8>(encode, pixels, profile, out),
        (PixelType::Rgb, true) => write::<colortype::RGBA8>(encode, pixels, profile, out),
        (PixelType::Gray, false) => write::<colortype::Gray8>(encode, pixels, profile, out),
        (PixelType::Gray, true) => write::<GrayAlpha8>(encode, pixels, profile, out),
        (PixelType::Cmyk, false) => write::<colortype::CMYK8>(encode, pixels, profile, out),
        (PixelType::Cmyk, true) => write::<CmykAlpha8>(encode, pixels, profile, out),
    }
    .map_err(|error| failed("TIFF", error))
}

fn write<C: ColorType<Inner = u8>>(
    encode: &Encode,
    pixels: &Raster<u8>,
    profile: Option<&[u8]>,
    out: &mut (impl Write + Seek),
) -> tiff::TiffResult<()>
where
    [u8]: TiffValue,
{
    let (compression, predictor) = match encode.compression {
        language::Compression::Lzw => (Compression::Lzw, Predictor::Horizontal),
        language::Compression::Zip => (Compression::Deflate(DeflateLevel::Fast), Predictor::Horizontal),
        language::Compression::None | language::Compression::Lossless => (Compression::Uncompressed, Predictor::None),
    };
    let (width, height) = pixels.size();
    let mut encoder = TiffEncoder::new(out)?.with_compression(compression).with_predictor(predictor);
    let mut image = encoder.new_image::<C>(width, height)?;
    let dpi = (encode.dpi * 1000.0).round() as u32;
    image.resolution(ResolutionUnit::Inch, Rational { n: dpi, d: 1000 });
    if pixels.has_alpha() {
        // Not by `extra_samples`: its predictor would mix the components up.
        image.encoder().write_tag(Tag::ExtraSamples, &[ExtraSamples::UnassociatedAlpha.to_u16()][..])?;
    }
    if let Some(profile) = profile {
        image.encoder().write_tag(Tag::IccProfile, profile)?;
    }
    if let Some(xmp) = &encode.xmp {
        image.encoder().write_tag(Tag::Unknown(TIFF_XMP), xmp.as_slice())?;
    }
    image.write_data(pixels.data())
}

/// Gray and alpha, which the crate has no name for.
struct GrayAlpha8;

impl ColorType for GrayAlpha8 {
    type Inner = u8;
    const TIFF_VALUE: PhotometricInterpretation = PhotometricInterpretation::BlackIsZero;
    const BITS_PER_SAMPLE: &'static [u16] = &[8; 2];
    const SAMPLE_FORMAT: &'static [SampleFormat] = &[SampleFormat::Uint; 2];

    fn horizontal_predict(row: &[u8], result: &mut Vec<u8>) {
        predict::<2>(row, result);
    }
}

/// Inks and alpha, which the crate has no name for either.
struct CmykAlpha8;

impl ColorType for CmykAlpha8 {
    type Inner = u8;
    const TIFF_VALUE: PhotometricInterpretation = PhotometricInterpretation::CMYK;
    const BITS_PER_SAMPLE: &'static [u16] = &[8; 5];
    const SAMPLE_FORMAT: &'static [SampleFormat] = &[SampleFormat::Uint; 5];

    fn horizontal_predict(row: &[u8], result: &mut Vec<u8>) {
        predict::<5>(row, result);
    }
}

fn predict<const CHANNELS: usize>(row: &[u8], result: &mut Vec<u8>) {
    result.extend_from_slice(&row[..row.len().min(CHANNELS)]);
    result.extend(row.iter().zip(row.iter().skip(CHANNELS)).map(|(before, value)| value.wrapping_sub(*before)));
}
