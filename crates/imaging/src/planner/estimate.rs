//! How much memory a plan takes.

use offprint_modifiers::{Compression, JpegEffort, Output, OutputFormat, PixelType};

use crate::codec::has_few_pixels_for_jpeg;
use crate::header::{ImageHeader, SourceFormat};
use crate::step::{DecodePlan, Step};

/// Bytes of a component while colours are multiplied by alpha.
const FLOAT_BYTES: u64 = 4;

/// Estimates the most bytes held at once: the pool that starts renders decides by this number whether one fits beside
/// the others, so it must not be too low, and need not be exact.
///
/// The decoder holds the image at its own depth beside ours, or all passes of a progressive JPEG. Every step holds what
/// it reads and what it writes; the encoder holds the result and about as much again.
pub(super) fn estimate_peak_bytes(header: &ImageHeader, decode: &DecodePlan, steps: &[Step], size: (u32, u32)) -> u64 {
    // The most components between decoder and encoder: RGB with alpha, or CMYK with alpha.
    let channels = if decode.color == PixelType::Cmyk { 5 } else { 4 };
    let deep = steps.iter().any(|step| matches!(step, Step::Reduce { .. }));
    let sample = if deep { 2 } else { 1 };
    let bytes = |(w, h): (u32, u32)| u64::from(w) * u64::from(h) * channels * sample;
    let decoding = match header.format {
        // Two bytes for each coefficient.
        SourceFormat::Jpeg if header.progressive => 2 * header.decoded_bytes(),
        SourceFormat::Png if header.progressive => header.decoded_bytes(),
        SourceFormat::Jpeg | SourceFormat::Png => 0,
        // The file, and for each component its wavelet coefficients and its values, both in floating point.
        SourceFormat::Jp2 => 12 * header.decoded_bytes(),
        // The frame as libaom holds it, and its planes.
        SourceFormat::Avif => 4 * header.decoded_bytes(),
        _ => header.decoded_bytes(),
    };
    let (source, steps) = match steps {
        // Done while rows come in.
        [Step::Average { width, height, .. }, rest @ ..] => ((*width, *height), rest),
        all => ((decode.width, decode.height), all),
    };
    let (mut current, steps) = match steps {
        // Done while rows come in: holds the rows that the kernel reaches, not the source.
        [Step::Resize { from: [_, _, _, high], width, height, .. }, rest @ ..] => {
            let held = bytes((source.0, estimate_held_rows(*high, *height)));
            (2 * bytes((*width, *height)) + held * if decode.alpha { FLOAT_BYTES / sample } else { 1 }, rest)
        }
        all => (bytes(source), all),
    };
    let mut peak = current + decoding;
    for step in steps {
        let next = match step {
            Step::Mask { decode: mask, .. } => {
                let inner = mask.inner.as_ref().map_or(0, |inner| inner.peak_bytes);
                let mask = u64::from(mask.width) * u64::from(mask.height) * 5 * u64::from(mask.bits / 8);
                peak = peak.max(2 * current + 2 * mask).max(current + inner);
                current
            }
            Step::Paint(paint) => {
                // The layer's picture and its shape beside the image; the mask of an effect has at most its pixels,
                // each a few times.
                let pictures = paint.plans().map(|plan| plan.peak_bytes).sum::<u64>();
                let masks = if paint.effects.is_empty() { 0 } else { current };
                peak = peak.max(current + pictures + masks);
                current
            }
            Step::AddEffects { shape, .. } => {
                let shape = shape.as_ref().map_or(0, |shape| shape.peak_bytes);
                peak = peak.max(3 * current + shape);
                current
            }
            Step::Window { width, height, .. }
            | Step::Average { width, height, .. }
            | Step::Resize { width, height, .. }
            | Step::Warp { width, height, .. }
            | Step::Rotate { width, height, .. } => bytes((*width, *height)),
            Step::FitProduct { frame, .. } => bytes((frame.width, frame.height)),
            _ => current,
        };
        // A blur holds the rows that it reaches, with 16 bits per value, or with 32 beside alpha; a wide one is three
        // blurs in a row.
        let extra = match step {
            Step::Sharpen { sigma, .. } | Step::Blur { sigma } => {
                let rows = (4.0 * sigma + 8.0).min(f64::from(u16::MAX)) as u32;
                bytes((decode.width.max(size.0), 12 * rows)).min(12 * current)
            }
            // There may be alpha by now.
            Step::Resize { from: [_, _, _, high], height, .. } => {
                let held = bytes((decode.width.max(size.0), estimate_held_rows(*high, *height)));
                held.min(current) * FLOAT_BYTES
            }
            // The product as it was cut out and as it is laid into the frame, and the rows that are held as for a resize.
            Step::FitProduct { frame, .. } => {
                let held =
                    bytes((decode.width.max(size.0), estimate_held_rows(f64::from(decode.height), frame.height)));
                current + held.min(current) * FLOAT_BYTES + bytes((frame.width, frame.height))
            }
            // Twice the image, with 16 bits.
            Step::Grow { .. } => 3 * current,
            _ => 0,
        };
        peak = peak.max(current + next + extra);
        current = next;
    }
    let inner = decode.inner.as_ref().map_or(0, |inner| inner.peak_bytes);
    peak.max(2 * bytes(size)).max(inner)
}

/// How many rows of the source a resampling holds, cut to the columns that count and before or after they are resampled
/// vertically.
fn estimate_held_rows(high: f64, target_height: u32) -> u32 {
    let reached = 64.0 + 16.0 * (high / f64::from(target_height)).max(1.0);
    2 * 256.min(target_height) + reached as u32
}

/// Bytes that an encoder holds, of those that need more than twice the result.
pub(super) fn estimate_encoding_bytes(output: &Output, (width, height): (u32, u32)) -> u64 {
    // Measured.
    let bytes_per_pixel = match (output.format, output.compression) {
        // For each of up to four components the value, its wavelet coefficient and the coded bits.
        (OutputFormat::Jp2, _) => 32,
        (OutputFormat::Avif, Compression::Lossless) => 40,
        // Chroma at half resolution.
        (OutputFormat::Avif, _) => 24,
        (OutputFormat::Jpeg, _) => estimate_jpeg_bytes_per_pixel(output, (width, height)),
        _ => 0,
    };
    bytes_per_pixel * u64::from(width) * u64::from(height)
}

/// Where an encoder needs all coefficients before it writes any, it holds them, of two bytes each, beside the pixels;
/// where it looks for small files, twice, beside the scans that it compares.
fn estimate_jpeg_bytes_per_pixel(output: &Output, size: (u32, u32)) -> u64 {
    let is_small = output.jpeg_effort == JpegEffort::Small;
    if !is_small && !output.progressive && !has_few_pixels_for_jpeg(size) {
        return 0;
    }
    let (image, coefficients) = match (output.pixel_type, output.full_chroma) {
        (PixelType::Gray, _) => (1, 2),
        (PixelType::Rgb, false) => (3, 3),
        (PixelType::Rgb, true) => (3, 6),
        // Inks are inverted in a copy.
        (PixelType::Cmyk, _) => (8, 8),
    };
    image + if is_small { 2 * coefficients + 8 } else { coefficients }
}
