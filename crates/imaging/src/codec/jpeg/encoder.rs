//! JPEG encoding: by quality, into a given size (`jpegSize`), or in a number of progressive scans.

use std::borrow::{Borrow, Cow};
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};

use jpeg_encoder::{ColorType, Encoder, EncodingError, SamplingFactor};
use mozjpeg::qtable::{AnnexK_Chroma, AnnexK_Luma};
use mozjpeg::{ColorSpace, Compress, Marker, PixelDensity, PixelDensityUnit};
use offprint_core::Code;
use offprint_modifiers::{JpegEffort, PixelType};

use crate::codec::{encode_error, photoshop_paths};
use crate::error::RenderError;
use crate::pixels::Raster;
use crate::plan::EncodePlan;
use crate::xmp;

/// Most bytes of a profile in a segment, which has 65,533.
const MAX_PROFILE_PART_BYTES: usize = 65_519;

/// Largest image, in pixels, whose Huffman tables are made for it. Every coefficient is gone through twice then, and
/// held until the end.
const MAX_FITTED_TABLES_PIXELS: u64 = 4 << 20;

/// Whether an image is small enough for Huffman tables of its own.
pub(crate) fn has_few_pixels_for_jpeg((width, height): (u32, u32)) -> bool {
    u64::from(width) * u64::from(height) <= MAX_FITTED_TABLES_PIXELS
}

/// Mean difference of neighbours up to which tables are made for an image. Below it they save 6 to 24 % of the bytes,
/// for 1.5 ms of an image of 800 pixels; images with more detail have the statistics that the usual tables are made for,
/// and more coefficients: 1 to 2 % of the bytes for 4 % of the time.
const MAX_FITTED_TABLES_DETAIL: f64 = 2.0;

/// How many rows stand for the detail of an image: each of this many.
const DETAIL_ROW_STEP: usize = 16;

/// Encodes with the settings of libjpeg-turbo, unless the plan asks for small files.
pub(in crate::codec) fn encode_jpeg(
    encode: &EncodePlan,
    pixels: &Raster<u8>,
    profile: Option<&[u8]>,
    out: &mut impl Write,
) -> Result<(), RenderError> {
    let pixels = match pixels.pixel_type() {
        // The libraries write the marker of Adobe, with which CMYK is stored inverted.
        PixelType::Cmyk => Cow::Owned(pixels.clone().invert()),
        _ => Cow::Borrowed(pixels),
    };
    match encode.jpeg_size {
        None => encode_whole(encode, &pixels, profile, out),
        Some(kilobytes) => Ok(out.write_all(&encode_to_size(encode, &pixels, profile, kilobytes)?)?),
    }
}

/// Encodes bands of rows from the top as they come; together they must have the given size in pixels.
pub(in crate::codec) fn encode_jpeg_rows(
    encode: &EncodePlan,
    size: (u32, u32),
    bands: impl Iterator<Item = Raster<u8>>,
    profile: Option<&[u8]>,
    out: &mut impl Write,
) -> Result<(), RenderError> {
    let is_cmyk = encode.pixel_type == PixelType::Cmyk;
    let bands = bands.map(|band| if is_cmyk { band.invert() } else { band });
    // Rows that are gone are not encoded twice.
    let tables = HuffmanTables::Usual;
    catch_encoder_panic(size, || write_jpeg((encode, tables), size, bands, profile, out))
}

/// A JPEG to embed in another file, which itself declares profile and paths.
pub(in crate::codec) fn encode_bare_jpeg(encode: &EncodePlan, pixels: &Raster<u8>) -> Result<Vec<u8>, RenderError> {
    let mut file = Vec::new();
    let bare = EncodePlan { paths: Vec::new(), jpeg_effort: JpegEffort::Fast, ..encode.clone() };
    encode_whole(&bare, pixels, None, &mut file).map(|()| file)
}

/// Encodes with the best quality, at most the one asked for, with which the file fits. Sizes grow with quality, so a
/// binary search finds it.
fn encode_to_size(
    encode: &EncodePlan,
    pixels: &Raster<u8>,
    profile: Option<&[u8]>,
    kilobytes: u64,
) -> Result<Vec<u8>, RenderError> {
    let encode_at = |quality| {
        let mut file = Vec::new();
        encode_whole(&EncodePlan { quality, ..encode.clone() }, pixels, profile, &mut file).map(|()| file)
    };
    let fits = |file: &[u8]| file.len() as u64 <= kilobytes.saturating_mul(1024);
    let first_try = encode_at(encode.quality)?;
    if fits(&first_try) {
        return Ok(first_try);
    }
    let (mut low, mut high) = (0, encode.quality);
    let (mut best, mut smallest) = (None, first_try.len());
    while high - low > 1 {
        let middle = low.midpoint(high);
        let file = encode_at(middle)?;
        smallest = smallest.min(file.len());
        if fits(&file) {
            (low, best) = (middle, Some(file));
        } else {
            high = middle;
        }
    }
    best.ok_or_else(|| {
        let detail = format!(
            "The JPEG has {smallest} bytes at its lowest quality and does not fit into {kilobytes} KB (jpegSize). \
             Request a smaller image or a larger file."
        );
        RenderError::new(Code::JpegSize, detail)
    })
}

fn encode_whole(
    encode: &EncodePlan,
    pixels: &Raster<u8>,
    profile: Option<&[u8]>,
    out: &mut impl Write,
) -> Result<(), RenderError> {
    match encode.scans {
        Some(scans) => {
            check_size(pixels.size())?;
            encode_with_scans(encode, pixels, profile, scans, out).map_err(|error| encode_error("JPEG", error))
        }
        None => catch_encoder_panic(pixels.size(), || {
            let tables = HuffmanTables::choose(encode, pixels);
            write_jpeg((encode, tables), pixels.size(), std::iter::once(pixels), profile, out)
        }),
    }
}

fn check_size((width, height): (u32, u32)) -> Result<(), RenderError> {
    if width > 65_500 || height > 65_500 {
        return Err(encode_error("JPEG", "a side is longer than 65,500 pixels"));
    }
    Ok(())
}

/// The codec unwinds when it fails.
fn catch_encoder_panic(size: (u32, u32), write: impl FnOnce() -> std::io::Result<()>) -> Result<(), RenderError> {
    check_size(size)?;
    match catch_unwind(AssertUnwindSafe(write)) {
        Ok(result) => Ok(result?),
        Err(_) => Err(encode_error("JPEG", "the encoder failed")),
    }
}

/// A progressive JPEG with this many scans for each component. Uses another library, because the interface of mozjpeg
/// cannot set the number.
fn encode_with_scans(
    encode: &EncodePlan,
    pixels: &Raster<u8>,
    profile: Option<&[u8]>,
    scans: u8,
    out: &mut impl Write,
) -> Result<(), EncodingError> {
    let mut jpeg = Encoder::new(out, encode.quality);
    jpeg.set_progressive_scans(scans);
    jpeg.set_optimized_huffman_tables(true);
    let sampling = if encode.full_chroma { SamplingFactor::F_1_1 } else { SamplingFactor::F_2_2 };
    jpeg.set_sampling_factor(sampling);
    let dpi = round_density(encode);
    jpeg.set_density(jpeg_encoder::PixelDensity { density: (dpi, dpi), unit: jpeg_encoder::PixelDensityUnit::Inches });
    if let Some(profile) = profile {
        jpeg.add_icc_profile(profile)?;
    }
    if let Some(xmp) = &encode.xmp {
        jpeg.add_app_segment(1, [xmp::SIGNATURE, xmp].concat())?;
    }
    for segment in photoshop_paths::encode_segments(&encode.paths) {
        jpeg.add_app_segment(13, segment)?;
    }
    let (width, height) = (pixels.size().0 as u16, pixels.size().1 as u16);
    match pixels.pixel_type() {
        PixelType::Gray => jpeg.encode(pixels.data(), width, height, ColorType::Luma),
        PixelType::Rgb => jpeg.encode(pixels.data(), width, height, ColorType::Rgb),
        // This library inverts CMYK itself.
        PixelType::Cmyk => jpeg.encode(pixels.clone().invert().data(), width, height, ColorType::Cmyk),
    }
}

/// The tables of a JPEG that is not progressive.
#[derive(Clone, Copy, PartialEq)]
enum HuffmanTables {
    /// Those of the standard, annex K.
    Usual,
    /// Made for the image.
    Fitted,
}

impl HuffmanTables {
    fn choose(encode: &EncodePlan, pixels: &Raster<u8>) -> Self {
        let is_worth_it = encode.may_fit_tables && measure_detail(pixels) < MAX_FITTED_TABLES_DETAIL;
        if is_worth_it { Self::Fitted } else { Self::Usual }
    }
}

/// Mean difference of horizontal neighbours in a component, green of RGB, in some of the rows.
fn measure_detail(pixels: &Raster<u8>) -> f64 {
    let channels = pixels.channels();
    let (mut sum, mut count) = (0, 0);
    for row in pixels.rows().step_by(DETAIL_ROW_STEP) {
        let component = || row.iter().skip(channels / 2).step_by(channels);
        sum += component().zip(component().skip(1)).map(|(left, right)| u64::from(left.abs_diff(*right))).sum::<u64>();
        count += row.len() / channels - 1;
    }
    sum as f64 / count.max(1) as f64
}

fn set_effort(jpeg: &mut Compress, encode: &EncodePlan, tables: HuffmanTables) {
    let quality = f32::from(encode.quality);
    match encode.jpeg_effort {
        JpegEffort::Fast => {
            jpeg.set_fastest_defaults();
            jpeg.set_quality(quality);
            jpeg.set_optimize_coding(tables == HuffmanTables::Fitted);
        }
        // The library's own defaults: progressive, trellis, the best of many orders of scans. But the tables of
        // quantisation are the usual ones, so that a quality means the same.
        JpegEffort::Small => {
            jpeg.set_quality(quality);
            jpeg.set_luma_qtable(&AnnexK_Luma.scaled(quality, quality));
            jpeg.set_chroma_qtable(&AnnexK_Chroma.scaled(quality, quality));
        }
    }
}

fn round_density(encode: &EncodePlan) -> u16 {
    encode.dpi.round().clamp(1.0, 65_535.0) as u16
}

/// The contents of the segments that hold a profile. Its parts are counted from 1 (ICC.1, B.4); the wrapper of mozjpeg counts
/// from 0, and libjpeg finds no profile then.
fn list_profile_segments(profile: &[u8]) -> Vec<Vec<u8>> {
    let parts: Vec<&[u8]> = profile.chunks(MAX_PROFILE_PART_BYTES).collect();
    let count = parts.len() as u8;
    (1..).zip(parts).map(|(number, part)| [b"ICC_PROFILE\0", &[number, count][..], part].concat()).collect()
}

/// The output does not depend on how the rows are split into bands.
fn write_jpeg(
    (encode, tables): (&EncodePlan, HuffmanTables),
    size: (u32, u32),
    bands: impl Iterator<Item = impl Borrow<Raster<u8>>>,
    profile: Option<&[u8]>,
    out: &mut impl Write,
) -> std::io::Result<()> {
    let pixel_type = encode.pixel_type;
    let mut jpeg = Compress::new(match pixel_type {
        PixelType::Gray => ColorSpace::JCS_GRAYSCALE,
        PixelType::Rgb => ColorSpace::JCS_RGB,
        PixelType::Cmyk => ColorSpace::JCS_CMYK,
    });
    jpeg.set_size(size.0 as usize, size.1 as usize);
    set_effort(&mut jpeg, encode, tables);
    if pixel_type == PixelType::Rgb {
        let sampling = if encode.full_chroma { (1, 1) } else { (2, 2) };
        jpeg.set_chroma_sampling_pixel_sizes(sampling, sampling);
    }
    if encode.progressive && encode.jpeg_effort == JpegEffort::Fast {
        jpeg.set_progressive_mode();
    }
    let dpi = round_density(encode);
    jpeg.set_pixel_density(PixelDensity { unit: PixelDensityUnit::Inches, x: dpi, y: dpi });
    let mut writer = jpeg.start_compress(out)?;
    if let Some(xmp) = &encode.xmp {
        writer.write_marker(Marker::APP(1), &[xmp::SIGNATURE, xmp].concat());
    }
    for segment in list_profile_segments(profile.unwrap_or_default()) {
        writer.write_marker(Marker::APP(2), &segment);
    }
    for segment in photoshop_paths::encode_segments(&encode.paths) {
        writer.write_marker(Marker::APP(13), &segment);
    }
    let mut rows_written = 0;
    for band in bands {
        rows_written += band.borrow().size().1;
        writer.write_scanlines(band.borrow().data())?;
    }
    // The codec would unwind when rows are missing. The sender of the rows has the real error.
    if rows_written < size.1 {
        return Err(std::io::Error::other("rows are missing"));
    }
    writer.finish()?;
    Ok(())
}
