//! TIFF: the tiff crate keeps the directory, strips are ours.

use std::io::{BufRead, Seek, Write};

use image::codecs::tiff::TiffDecoder;
use tiff::encoder::{Rational, TiffEncoder};
use tiff::tags::{CompressionMethod, ExtraSamples, PhotometricInterpretation, Predictor, ResolutionUnit, Tag};

use super::decode::through_image;
use super::in_order::in_order;
use super::{failed, jpeg, lzw, photoshop};
use offprint_modifiers::{Compression, PixelType};
use crate::failure::Failure;
use crate::header::{TIFF_PHOTOSHOP, TIFF_XMP, image_failure};
use crate::pixels::{Pixels, Raster};
use crate::plan::Encode;

/// About how many bytes a strip has before it is compressed: small enough for the second cache.
const STRIP: usize = 128 << 10;

/// Decodes what [`strips`](super::strips) does not.
pub(super) fn decode(input: impl BufRead + Seek) -> Result<Pixels, Failure> {
    through_image(TiffDecoder::new(input).map_err(image_failure)?)
}

pub(super) fn encode(
    encode: &Encode,
    pixels: &Raster<u8>,
    profile: Option<&[u8]>,
    out: &mut (impl Write + Seek),
) -> Result<(), Failure> {
    let refused = |error| failed("TIFF", error);
    let ((width, height), samples, data) = (pixels.size(), pixels.channels(), pixels.data());
    let stride = width as usize * samples;
    let rows = match encode.compression {
        Compression::Jpeg => height as usize,
        _ => (STRIP / stride).clamp(1, height as usize),
    };
    let (method, predictor) = match encode.compression {
        Compression::Lzw => (CompressionMethod::LZW, Predictor::Horizontal),
        Compression::Zip => (CompressionMethod::Deflate, Predictor::Horizontal),
        Compression::Jpeg => (CompressionMethod::ModernJPEG, Predictor::None),
        Compression::None | Compression::Lossless => (CompressionMethod::None, Predictor::None),
    };
    let mut encoder = TiffEncoder::new(out).map_err(refused)?;
    let mut directory = encoder.image_directory().map_err(refused)?;
    let (mut offsets, mut lengths) = (Vec::new(), Vec::new());
    let mut keep = |strip: &[u8]| -> Result<(), Failure> {
        let offset = directory.write_data(strip).map_err(refused)?;
        offsets.push(u32::try_from(offset).map_err(|_| failed("TIFF", "it would be longer than 4 GiB"))?);
        lengths.push(strip.len() as u32);
        Ok(())
    };
    let strips: Vec<&[u8]> = data.chunks(rows * stride).collect();
    match method {
        CompressionMethod::None => strips.into_iter().try_for_each(&mut keep)?,
        // One strip, which is a JPEG with all its tables. Source: TIFF Technical Note 2.
        CompressionMethod::ModernJPEG => keep(&jpeg::inside(encode, pixels)?)?,
        _ => {
            let packed = |strip: usize| pack(strips[strip], stride, samples, method);
            in_order(strips.len(), packed, |_, strip| keep(&strip))?;
        }
    }
    let interpretation = match (pixels.pixel_type(), method) {
        (PixelType::Gray, _) => PhotometricInterpretation::BlackIsZero,
        (PixelType::Rgb, CompressionMethod::ModernJPEG) => PhotometricInterpretation::YCbCr,
        (PixelType::Rgb, _) => PhotometricInterpretation::RGB,
        (PixelType::Cmyk, _) => PhotometricInterpretation::CMYK,
    };
    let dpi = Rational { n: (encode.dpi * 1000.0).round() as u32, d: 1000 };
    let mut tags = || -> tiff::TiffResult<()> {
        directory.write_tag(Tag::ImageWidth, width)?;
        directory.write_tag(Tag::ImageLength, height)?;
        directory.write_tag(Tag::BitsPerSample, &vec![8_u16; samples][..])?;
        directory.write_tag(Tag::Compression, method.to_u16())?;
        directory.write_tag(Tag::PhotometricInterpretation, interpretation.to_u16())?;
        directory.write_tag(Tag::StripOffsets, &offsets[..])?;
        directory.write_tag(Tag::SamplesPerPixel, samples as u16)?;
        directory.write_tag(Tag::RowsPerStrip, rows as u32)?;
        directory.write_tag(Tag::StripByteCounts, &lengths[..])?;
        directory.write_tag(Tag::XResolution, dpi.clone())?;
        directory.write_tag(Tag::YResolution, dpi.clone())?;
        directory.write_tag(Tag::ResolutionUnit, ResolutionUnit::Inch.to_u16())?;
        if predictor != Predictor::None {
            directory.write_tag(Tag::Predictor, predictor.to_u16())?;
        }
        if interpretation == PhotometricInterpretation::YCbCr {
            let sampling: [u16; 2] = if encode.full_chroma { [1, 1] } else { [2, 2] };
            directory.write_tag(Tag::ChromaSubsampling, &sampling[..])?;
        }
        if pixels.has_alpha() {
            directory.write_tag(Tag::ExtraSamples, &[ExtraSamples::UnassociatedAlpha.to_u16()][..])?;
        }
        let resources = photoshop::resources(&encode.paths);
        if !resources.is_empty() {
            directory.write_tag(Tag::Unknown(TIFF_PHOTOSHOP), &resources[..])?;
        }
        if let Some(profile) = profile {
            directory.write_tag(Tag::IccProfile, profile)?;
        }
        if let Some(xmp) = &encode.xmp {
            directory.write_tag(Tag::Unknown(TIFF_XMP), &xmp[..])?;
        }
        Ok(())
    };
    tags().map_err(refused)?;
    directory.finish().map_err(refused)
}

/// A strip as differences to the pixel on the left, compressed.
fn pack(strip: &[u8], stride: usize, samples: usize, method: CompressionMethod) -> Result<Vec<u8>, Failure> {
    let mut differences = Vec::with_capacity(strip.len());
    for row in strip.chunks_exact(stride) {
        differences.extend_from_slice(&row[..samples]);
        differences.extend(row[samples..].iter().zip(row).map(|(value, left)| value.wrapping_sub(*left)));
    }
    Ok(match method {
        CompressionMethod::LZW => lzw::encode(&differences),
        // Made for differences: a fifth smaller than zlib's fastest and four times as fast.
        _ => fdeflate::compress_to_vec(&differences),
    })
}
