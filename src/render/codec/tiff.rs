//! TIFF through the tiff crate.

use std::io::{BufRead, Seek, Write};

use image::codecs::tiff::TiffDecoder;
use tiff::encoder::colortype::{self, ColorType};
use tiff::encoder::{Compression, DeflateLevel, Predictor, Rational, TiffEncoder, TiffValue};
use tiff::tags::{ExtraSamples, PhotometricInterpretation, ResolutionUnit, SampleFormat, Tag};

use super::decode::through_image;
use super::{components, failed};
use crate::language;
use crate::language::PixelType;
use crate::render::failure::Failure;
use crate::render::header::image_failure;
use crate::render::pixels::Pixels;
use crate::render::plan::Encode;

pub(super) fn decode(input: impl BufRead + Seek) -> Result<Pixels, Failure> {
    through_image(TiffDecoder::new(input).map_err(image_failure)?)
}

pub(super) fn encode(
    encode: &Encode,
    pixels: &Pixels,
    profile: Option<&[u8]>,
    out: &mut (impl Write + Seek),
) -> Result<(), Failure> {
    match (encode.pixel_type, pixels.channels()) {
        (PixelType::Rgb, 3) => write::<colortype::RGB8>(encode, pixels, pixels.data(), profile, out),
        (PixelType::Rgb, _) => write::<colortype::RGBA8>(encode, pixels, pixels.data(), profile, out),
        (PixelType::Gray, 3) => write::<colortype::Gray8>(encode, pixels, &components(encode, pixels), profile, out),
        (PixelType::Gray, _) => write::<GrayAlpha8>(encode, pixels, &components(encode, pixels), profile, out),
    }
    .map_err(|error| failed("TIFF", error))
}

fn write<C: ColorType<Inner = u8>>(
    encode: &Encode,
    pixels: &Pixels,
    data: &[u8],
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
    if pixels.channels() == 4 {
        // Not by `extra_samples`: its predictor would mix the components up.
        image.encoder().write_tag(Tag::ExtraSamples, &[ExtraSamples::UnassociatedAlpha.to_u16()][..])?;
    }
    if let Some(profile) = profile {
        image.encoder().write_tag(Tag::IccProfile, profile)?;
    }
    image.write_data(data)
}

/// Gray and alpha, which the crate has no name for.
struct GrayAlpha8;

impl ColorType for GrayAlpha8 {
    type Inner = u8;
    const TIFF_VALUE: PhotometricInterpretation = PhotometricInterpretation::BlackIsZero;
    const BITS_PER_SAMPLE: &'static [u16] = &[8, 8];
    const SAMPLE_FORMAT: &'static [SampleFormat] = &[SampleFormat::Uint, SampleFormat::Uint];

    fn horizontal_predict(row: &[u8], result: &mut Vec<u8>) {
        result.extend_from_slice(&row[..row.len().min(2)]);
        result.extend(row.iter().zip(row.iter().skip(2)).map(|(before, value)| value.wrapping_sub(*before)));
    }
}
