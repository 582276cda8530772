//! JPEG out: with the settings of libjpeg-turbo, into a size, or in a number of passes.

use std::borrow::{Borrow, Cow};
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};

use jpeg_encoder::{ColorType, Encoder, EncodingError, SamplingFactor};
use mozjpeg::{ColorSpace, Compress, Marker, PixelDensity, PixelDensityUnit};

use offprint_core::Code;
use offprint_modifiers::PixelType;
use crate::codec::{failed, photoshop};
use crate::failure::Failure;
use crate::header::JPEG_XMP;
use crate::pixels::Raster;
use crate::plan::Encode;

/// Encodes with the settings of libjpeg-turbo: no trellis, which costs forty times as much for a sixth of the bytes.
pub(in crate::codec) fn encode(
    encode: &Encode,
    pixels: &Raster<u8>,
    profile: Option<&[u8]>,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let pixels = match pixels.pixel_type() {
        // The libraries mark inks as Adobe's, which are the other way round.
        PixelType::Cmyk => Cow::Owned(pixels.clone().invert()),
        _ => Cow::Borrowed(pixels),
    };
    match encode.jpeg_size {
        None => compress(encode, &pixels, profile, out),
        Some(kilobytes) => Ok(out.write_all(&fitting(encode, &pixels, profile, kilobytes)?)?),
    }
}

/// Encodes rows as they come, from the top; all of them together are as large as said.
pub(in crate::codec) fn flow(
    encode: &Encode,
    size: (u32, u32),
    bands: impl Iterator<Item = Raster<u8>>,
    profile: Option<&[u8]>,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let ink = encode.pixel_type == PixelType::Cmyk;
    let bands = bands.map(|band| if ink { band.invert() } else { band });
    guarded(size, || write(encode, size, bands, profile, out))
}

/// A JPEG inside another file, which says itself what the components mean.
pub(in crate::codec) fn inside(encode: &Encode, pixels: &Raster<u8>) -> Result<Vec<u8>, Failure> {
    let mut file = Vec::new();
    let bare = Encode { paths: Vec::new(), ..encode.clone() };
    compress(&bare, pixels, None, &mut file).map(|()| file)
}

/// The best quality, at most the one asked for, with which the file fits. Sizes grow with quality, so it is searched by
/// halves.
fn fitting(encode: &Encode, pixels: &Raster<u8>, profile: Option<&[u8]>, kilobytes: u64) -> Result<Vec<u8>, Failure> {
    let at = |quality| {
        let mut file = Vec::new();
        compress(&Encode { quality, ..encode.clone() }, pixels, profile, &mut file).map(|()| file)
    };
    let fits = |file: &[u8]| file.len() as u64 <= kilobytes.saturating_mul(1024);
    let wanted = at(encode.quality)?;
    if fits(&wanted) {
        return Ok(wanted);
    }
    let (mut low, mut high) = (0, encode.quality);
    let (mut best, mut smallest) = (None, wanted.len());
    while high - low > 1 {
        let middle = low.midpoint(high);
        let file = at(middle)?;
        smallest = smallest.min(file.len());
        if fits(&file) {
            (low, best) = (middle, Some(file));
        } else {
            high = middle;
        }
    }
    best.ok_or_else(|| {
        let detail = format!(
            "The JPEG has {smallest} bytes at its lowest quality and does not fit into {kilobytes} KB (jpegSize). Ask \
             for a smaller picture or a larger file."
        );
        Failure::new(Code::JpegSize, detail)
    })
}

fn compress(encode: &Encode, pixels: &Raster<u8>, profile: Option<&[u8]>, out: &mut impl Write) -> Result<(), Failure> {
    match encode.scans {
        Some(scans) => {
            fits(pixels.size())?;
            in_passes(encode, pixels, profile, scans, out).map_err(|error| failed("JPEG", error))
        }
        None => guarded(pixels.size(), || write(encode, pixels.size(), std::iter::once(pixels), profile, out)),
    }
}

fn fits((width, height): (u32, u32)) -> Result<(), Failure> {
    if width > 65_500 || height > 65_500 {
        return Err(failed("JPEG", "a side is longer than 65,500 pixels"));
    }
    Ok(())
}

/// The codec unwinds when it gives up.
fn guarded(size: (u32, u32), write: impl FnOnce() -> std::io::Result<()>) -> Result<(), Failure> {
    fits(size)?;
    match catch_unwind(AssertUnwindSafe(write)) {
        Ok(done) => Ok(done?),
        Err(_) => Err(failed("JPEG", "the encoder gave up")),
    }
}

/// A progressive JPEG whose components come in this many passes each; mozjpeg lets nobody say how many.
fn in_passes(
    encode: &Encode,
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
    let dpi = density(encode);
    jpeg.set_density(jpeg_encoder::PixelDensity { density: (dpi, dpi), unit: jpeg_encoder::PixelDensityUnit::Inches });
    if let Some(profile) = profile {
        jpeg.add_icc_profile(profile)?;
    }
    if let Some(xmp) = &encode.xmp {
        jpeg.add_app_segment(1, [JPEG_XMP, xmp].concat())?;
    }
    for segment in photoshop::segments(&encode.paths) {
        jpeg.add_app_segment(13, segment)?;
    }
    let (width, height) = (pixels.size().0 as u16, pixels.size().1 as u16);
    match pixels.pixel_type() {
        PixelType::Gray => jpeg.encode(pixels.data(), width, height, ColorType::Luma),
        PixelType::Rgb => jpeg.encode(pixels.data(), width, height, ColorType::Rgb),
        // This library turns inks round itself.
        PixelType::Cmyk => jpeg.encode(pixels.clone().invert().data(), width, height, ColorType::Cmyk),
    }
}

fn density(encode: &Encode) -> u16 {
    encode.dpi.round().clamp(1.0, 65_535.0) as u16
}

/// What it writes does not depend on how many rows come at a time.
fn write(
    encode: &Encode,
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
    jpeg.set_fastest_defaults();
    jpeg.set_size(size.0 as usize, size.1 as usize);
    jpeg.set_quality(f32::from(encode.quality));
    if pixel_type == PixelType::Rgb {
        let sampling = if encode.full_chroma { (1, 1) } else { (2, 2) };
        jpeg.set_chroma_sampling_pixel_sizes(sampling, sampling);
    }
    if encode.progressive {
        jpeg.set_progressive_mode();
    }
    let dpi = density(encode);
    jpeg.set_pixel_density(PixelDensity { unit: PixelDensityUnit::Inches, x: dpi, y: dpi });
    let mut started = jpeg.start_compress(out)?;
    if let Some(xmp) = &encode.xmp {
        started.write_marker(Marker::APP(1), &[JPEG_XMP, xmp].concat());
    }
    if let Some(profile) = profile {
        started.write_icc_profile(profile);
    }
    for segment in photoshop::segments(&encode.paths) {
        started.write_marker(Marker::APP(13), &segment);
    }
    let mut came = 0;
    for band in bands {
        came += band.borrow().size().1;
        started.write_scanlines(band.borrow().data())?;
    }
    // A codec that lacks rows would unwind; whoever sent too few knows why.
    if came < size.1 {
        return Err(std::io::Error::other("rows are missing"));
    }
    started.finish()?;
    Ok(())
}
