//! Compares two images: their sizes, their bytes, and their pixels where the sizes are the same.

use image::{ImageReader, Limits, Rgb, RgbImage};

/// Side of the windows in which the structure is compared, and the step from one to the next.
const WINDOW: u32 = 8;
const WINDOW_STEP: u32 = 4;
/// Constants of SSIM for values from 0 to 255 (Wang et al. 2004).
const C1: f64 = 6.5025;
const C2: f64 = 58.5225;
/// Longest side of an image that is compared, and the most bytes of its pixels.
const MAX_SIDE: u32 = 30_000;
const MAX_PIXEL_BYTES: u64 = 1 << 30;

/// Two images, theirs first.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Comparison {
    pub(super) sizes: [(u32, u32); 2],
    pub(super) bytes: [usize; 2],
    /// None where the sizes differ.
    pub(super) difference: Option<PixelDifference>,
}

/// How much pixels differ, on white where they are transparent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct PixelDifference {
    /// Mean of all channels, 0 to 255.
    pub(super) mean: f64,
    /// Largest of all channels, 0 to 255.
    pub(super) max: u8,
    /// Mean structural similarity of the luma, 1 for equal images.
    pub(super) ssim: f64,
}

/// Compares two encoded images.
///
/// # Errors
/// Which of them cannot be read.
pub(super) fn compare_images(theirs: &[u8], ours: &[u8]) -> Result<Comparison, String> {
    let (one, other) = (decode_on_white("Scene7", theirs)?, decode_on_white("Offprint", ours)?);
    let difference = (one.dimensions() == other.dimensions()).then(|| measure_difference(&one, &other));
    Ok(Comparison { sizes: [one.dimensions(), other.dimensions()], bytes: [theirs.len(), ours.len()], difference })
}

fn decode_on_white(side: &str, bytes: &[u8]) -> Result<RgbImage, String> {
    let to_error = |error: &dyn std::fmt::Display| format!("{side}: the image cannot be read: {error}.");
    let mut reader = ImageReader::new(std::io::Cursor::new(bytes));
    let mut limits = Limits::default();
    (limits.max_image_width, limits.max_image_height) = (Some(MAX_SIDE), Some(MAX_SIDE));
    limits.max_alloc = Some(MAX_PIXEL_BYTES);
    reader.limits(limits);
    let reader = reader.with_guessed_format().map_err(|error| to_error(&error))?;
    let image = reader.decode().map_err(|error| to_error(&error))?.into_rgba8();
    let on_white = |pixel: &image::Rgba<u8>| {
        let [red, green, blue, alpha] = pixel.0.map(u32::from);
        Rgb([red, green, blue].map(|value| ((value * alpha + 255 * (255 - alpha) + 127) / 255) as u8))
    };
    Ok(RgbImage::from_fn(image.width(), image.height(), |x, y| on_white(image.get_pixel(x, y))))
}

/// Compares two images of one size.
fn measure_difference(one: &RgbImage, other: &RgbImage) -> PixelDifference {
    let channels = || one.as_raw().iter().zip(other.as_raw()).map(|(one, other)| one.abs_diff(*other));
    let sum: u64 = channels().map(u64::from).sum();
    let count = one.as_raw().len().max(1) as f64;
    PixelDifference { mean: sum as f64 / count, max: channels().max().unwrap_or(0), ssim: measure_ssim(one, other) }
}

fn measure_ssim(one: &RgbImage, other: &RgbImage) -> f64 {
    let (width, height) = one.dimensions();
    let (one, other) = (to_luma(one), to_luma(other));
    let (mut sum, mut count) = (0.0, 0_u64);
    let starts = |side: u32| (0..=side.saturating_sub(WINDOW)).step_by(WINDOW_STEP as usize);
    for top in starts(height) {
        for left in starts(width) {
            let window = [left, top, (left + WINDOW).min(width), (top + WINDOW).min(height)];
            sum += measure_window(&one, &other, width, window);
            count += 1;
        }
    }
    if count == 0 { 1.0 } else { sum / count as f64 }
}

fn to_luma(image: &RgbImage) -> Vec<f64> {
    let luma = |pixel: &Rgb<u8>| {
        let [red, green, blue] = pixel.0.map(f64::from);
        0.299 * red + 0.587 * green + 0.114 * blue
    };
    image.pixels().map(luma).collect()
}

fn measure_window(one: &[f64], other: &[f64], width: u32, [left, top, right, bottom]: [u32; 4]) -> f64 {
    let (mut sums, mut squares, mut product, mut count) = ([0.0; 2], [0.0; 2], 0.0, 0.0);
    for y in top..bottom {
        for x in left..right {
            let at = (y * width + x) as usize;
            let values = [one[at], other[at]];
            for side in 0..2 {
                sums[side] += values[side];
                squares[side] += values[side] * values[side];
            }
            product += values[0] * values[1];
            count += 1.0;
        }
    }
    let means = sums.map(|sum| sum / count);
    let variances = [0, 1].map(|side| (squares[side] / count - means[side] * means[side]).max(0.0));
    let covariance = product / count - means[0] * means[1];
    (2.0 * means[0] * means[1] + C1) * (2.0 * covariance + C2)
        / ((means[0] * means[0] + means[1] * means[1] + C1) * (variances[0] + variances[1] + C2))
}

#[cfg(test)]
mod tests {
    use image::{ExtendedColorType, ImageEncoder, Rgba, RgbaImage};

    use super::*;

    fn encode(image: &RgbaImage) -> Vec<u8> {
        let mut bytes = Vec::new();
        let encoder = image::codecs::png::PngEncoder::new(&mut bytes);
        encoder.write_image(image.as_raw(), image.width(), image.height(), ExtendedColorType::Rgba8).unwrap();
        bytes
    }

    fn draw(change: u8) -> Vec<u8> {
        encode(&RgbaImage::from_fn(40, 30, |x, y| {
            let value = ((x * 7 + y * 13) % 200) as u8;
            Rgba([value + change, value, value / 2, 255])
        }))
    }

    #[test]
    fn equal_images_are_equal_and_others_are_not() {
        let same = compare_images(&draw(0), &draw(0)).unwrap().difference.unwrap();
        assert_eq!((same.mean, same.max), (0.0, 0));
        assert!((same.ssim - 1.0).abs() < 1e-9, "{same:?}");
        let near = compare_images(&draw(0), &draw(3)).unwrap().difference.unwrap();
        assert!((near.mean - 1.0).abs() < 1e-9 && near.max == 3 && near.ssim > 0.99, "{near:?}");
        let flat = encode(&RgbaImage::from_pixel(40, 30, Rgba([100, 100, 100, 255])));
        assert!(compare_images(&draw(0), &flat).unwrap().difference.unwrap().ssim < 0.5);
    }

    #[test]
    fn transparent_pixels_are_seen_on_white() {
        let clear = encode(&RgbaImage::from_pixel(9, 9, Rgba([0, 0, 0, 0])));
        let white = encode(&RgbaImage::from_pixel(9, 9, Rgba([255, 255, 255, 255])));
        assert_eq!(compare_images(&clear, &white).unwrap().difference.unwrap().max, 0);
    }

    #[test]
    fn sizes_and_broken_images_are_told() {
        let small = encode(&RgbaImage::new(3, 2));
        let comparison = compare_images(&small, &draw(0)).unwrap();
        assert_eq!((comparison.sizes, comparison.difference), ([(3, 2), (40, 30)], None));
        assert!(compare_images(b"no image", &small).unwrap_err().starts_with("Scene7: the image cannot be read"));
        assert!(compare_images(&small, b"").unwrap_err().starts_with("Offprint:"));
    }
}
