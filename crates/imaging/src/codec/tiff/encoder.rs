//! TIFF encoding: the tiff crate writes the directory, strips are compressed here.

use std::io::{Seek, Write};

use offprint_modifiers::{Compression, PixelType};
use tiff::encoder::{Rational, TiffEncoder};
use tiff::tags::{CompressionMethod, ExtraSamples, PhotometricInterpretation, Predictor, ResolutionUnit, Tag};

use crate::codec::ordered_work::run_in_order;
use crate::codec::{encode_error, jpeg, lzw, photoshop_paths};
use crate::error::RenderError;
use crate::header::tiff::tags;
use crate::pixels::Raster;
use crate::plan::EncodePlan;

/// Approximate size of a strip before compression, in bytes: fits into the second-level cache.
const STRIP_BYTES: usize = 128 << 10;

pub(in crate::codec) fn encode_tiff(
    encode: &EncodePlan,
    pixels: &Raster<u8>,
    profile: Option<&[u8]>,
    out: &mut (impl Write + Seek),
) -> Result<(), RenderError> {
    let tiff_error = |error| encode_error("TIFF", error);
    let ((width, height), samples, data) = (pixels.size(), pixels.channels(), pixels.data());
    let stride = width as usize * samples;
    let rows = match encode.compression {
        Compression::Jpeg => height as usize,
        _ => (STRIP_BYTES / stride).clamp(1, height as usize),
    };
    let (method, predictor) = match encode.compression {
        Compression::Lzw => (CompressionMethod::LZW, Predictor::Horizontal),
        Compression::Zip => (CompressionMethod::Deflate, Predictor::Horizontal),
        Compression::Jpeg => (CompressionMethod::ModernJPEG, Predictor::None),
        Compression::None | Compression::Lossless => (CompressionMethod::None, Predictor::None),
    };
    let mut encoder = TiffEncoder::new(out).map_err(tiff_error)?;
    let mut directory = encoder.image_directory().map_err(tiff_error)?;
    let (mut offsets, mut lengths) = (Vec::new(), Vec::new());
    let mut write_strip = |strip: &[u8]| -> Result<(), RenderError> {
        let offset = directory.write_data(strip).map_err(tiff_error)?;
        offsets.push(u32::try_from(offset).map_err(|_| encode_error("TIFF", "it would be longer than 4 GiB"))?);
        lengths.push(strip.len() as u32);
        Ok(())
    };
    let strips: Vec<&[u8]> = data.chunks(rows * stride).collect();
    match method {
        CompressionMethod::None => strips.into_iter().try_for_each(&mut write_strip)?,
        // A single strip that is a complete JPEG with its tables. Source: TIFF Technical Note 2.
        CompressionMethod::ModernJPEG => write_strip(&jpeg::encode_bare_jpeg(encode, pixels)?)?,
        _ => {
            let compress = |strip: usize| compress_strip(strips[strip], stride, samples, method);
            run_in_order(strips.len(), compress, |_, strip| write_strip(&strip))?;
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
        let resources = photoshop_paths::encode_resources(&encode.paths);
        if !resources.is_empty() {
            directory.write_tag(Tag::Unknown(tags::PHOTOSHOP), &resources[..])?;
        }
        if let Some(profile) = profile {
            directory.write_tag(Tag::IccProfile, profile)?;
        }
        if let Some(xmp) = &encode.xmp {
            directory.write_tag(Tag::Unknown(tags::XMP), &xmp[..])?;
        }
        Ok(())
    };
    tags().map_err(tiff_error)?;
    directory.finish().map_err(tiff_error)
}

/// Compresses a strip with the horizontal predictor: differences to the pixel on the left.
fn compress_strip(
    strip: &[u8],
    stride: usize,
    samples: usize,
    method: CompressionMethod,
) -> Result<Vec<u8>, RenderError> {
    let mut differences = Vec::with_capacity(strip.len());
    for row in strip.chunks_exact(stride) {
        differences.extend_from_slice(&row[..samples]);
        differences.extend(row[samples..].iter().zip(row).map(|(value, left)| value.wrapping_sub(*left)));
    }
    Ok(match method {
        CompressionMethod::LZW => lzw::encode_lzw(&differences),
        // fdeflate is made for filtered data: a fifth smaller than zlib's fastest level and four times as fast.
        _ => fdeflate::compress_to_vec(&differences),
    })
}
