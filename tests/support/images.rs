//! Drawn images, their encodings, and how far two of them differ.

use image::{DynamicImage, ImageFormat, Rgb, RgbImage, Rgba};

/// An image as a file of this format.
pub fn encode_image(image: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
    let mut file = std::io::Cursor::new(Vec::new());
    image.into().write_to(&mut file, format).unwrap();
    file.into_inner()
}

/// A drawn image as a file of this format. Different seeds give different bytes.
pub fn draw_image(format: ImageFormat, width: u32, height: u32, seed: u8) -> Vec<u8> {
    encode_image(RgbImage::from_fn(width, height, |x, y| Rgb([(x * 5) as u8, (y * 3) as u8, seed])), format)
}

/// A small JPEG.
pub fn draw_jpeg(seed: u8) -> Vec<u8> {
    draw_image(ImageFormat::Jpeg, 90, 60, seed)
}

/// A JPEG whose header is fine and whose data ends early.
pub fn create_broken_jpeg() -> Vec<u8> {
    let mut bytes = draw_jpeg(9);
    bytes.truncate(bytes.len() / 2);
    bytes
}

pub const RED: Rgba<u8> = Rgba([255, 0, 0, 255]);

pub const GREEN: Rgba<u8> = Rgba([0, 255, 0, 255]);

pub const BLUE: Rgba<u8> = Rgba([0, 0, 255, 255]);

pub const YELLOW: Rgba<u8> = Rgba([255, 255, 0, 255]);

/// Quarters: red and green at the top, blue and yellow at the bottom.
pub fn draw_quarters(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| match (x < width / 2, y < height / 2) {
        (true, true) => Rgb([255, 0, 0]),
        (false, true) => Rgb([0, 255, 0]),
        (true, false) => Rgb([0, 0, 255]),
        (false, false) => Rgb([255, 255, 0]),
    })
}

/// 120 x 80 pixels with as many colours as pixels, smooth enough for JPEG to keep them.
pub fn draw_gradient() -> RgbImage {
    RgbImage::from_fn(120, 80, |x, y| Rgb([(x * 2) as u8, (y * 3) as u8, (x + y) as u8]))
}

/// The same noise each time, which hardly compresses.
pub fn draw_noise(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        let mixed = x.wrapping_mul(2_654_435_761).rotate_left(y % 31) ^ y.wrapping_mul(2_246_822_519);
        Rgb([mixed as u8, (mixed >> 8) as u8, (mixed >> 16) as u8])
    })
}

/// The mean absolute difference of all samples, 0 to 255.
pub fn compute_mean_difference(a: &RgbImage, b: &RgbImage) -> f64 {
    let sum: u64 = a.iter().zip(b.iter()).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
    sum as f64 / a.len() as f64
}

/// Black, or wholly transparent where the format holds transparency.
pub fn encode_blank_image(width: u32, height: u32, format: ImageFormat) -> Vec<u8> {
    match format {
        ImageFormat::Png | ImageFormat::WebP => encode_image(DynamicImage::new_rgba8(width, height), format),
        _ => encode_image(DynamicImage::new_rgb8(width, height), format),
    }
}
