//! Pixels, and what each step does to them.

use fast_image_resize as fir;
use image::{DynamicImage, RgbImage, RgbaImage};

use super::blur::{self, Mask};
use super::failure::Failure;
use super::rotate;
use super::step::{Kernel, Step};
use super::tone;
use super::turn::Turn;
use crate::code::Code;
use crate::language::Tone;

/// A picture in memory: RGB or RGBA, eight bits, alpha unassociated, rows without gaps.
#[derive(Clone, Debug, PartialEq)]
pub struct Pixels {
    width: u32,
    height: u32,
    channels: usize,
    data: Vec<u8>,
}

impl Pixels {
    /// # Panics
    /// When the data is not as long as size and channels say.
    pub fn new(width: u32, height: u32, channels: usize, data: Vec<u8>) -> Self {
        assert_eq!(data.len(), width as usize * height as usize * channels, "pixels must match their size");
        Self { width, height, channels, data }
    }

    /// Width and height.
    pub fn size(&self) -> (u32, u32) {
        (self.width, self.height)
    }

    /// 3, or 4 with alpha.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// The components, row by row.
    pub fn data(&self) -> &[u8] {
        &self.data
    }

    /// The rows.
    pub fn rows_mut(&mut self) -> impl Iterator<Item = &mut [u8]> {
        let stride = self.width as usize * self.channels;
        self.data.chunks_exact_mut(stride)
    }

    /// Does one step. [`Step::Convert`] is not one of pixels alone and is done elsewhere.
    pub fn apply(self, step: &Step) -> Result<Self, Failure> {
        match *step {
            Step::Window { x, y, width, height, fill } => Ok(self.window(x, y, (width, height), fill)),
            Step::Resize { from, width, height, kernel } => self.resize(from, (width, height), kernel),
            Step::Turn(turn) => self.turn(turn),
            Step::Rotate { degrees, width, height } => Ok(self.rotate(degrees, (width, height))),
            Step::Fade { opacity } => Ok(self.fade(opacity)),
            Step::Fill { color } => Ok(self.fill(color)),
            Step::Tone(tone) => Ok(self.tone(&tone)),
            Step::Blur { sigma } => Ok(self.blur(sigma)),
            Step::Sharpen { amount, sigma, threshold, mono } => Ok(self.sharpen(amount, sigma, threshold, mono)),
            Step::Flatten { color } => Ok(self.flatten(color)),
            Step::Convert => Ok(self),
        }
    }

    /// With an alpha channel, opaque where there was none.
    pub fn with_alpha(self) -> Self {
        if self.channels == 4 {
            return self;
        }
        let mut data = Vec::with_capacity(self.data.len() / 3 * 4);
        for pixel in self.data.chunks_exact(3) {
            data.extend_from_slice(&[pixel[0], pixel[1], pixel[2], 255]);
        }
        Self { channels: 4, data, ..self }
    }

    /// Without its alpha channel; colours stay as they are.
    pub fn without_alpha(self) -> Self {
        if self.channels == 3 {
            return self;
        }
        let data = self.data.chunks_exact(4).flat_map(|pixel| [pixel[0], pixel[1], pixel[2]]).collect();
        Self { channels: 3, data, ..self }
    }

    /// Takes the multiplication by alpha back.
    pub fn unassociate(mut self) -> Self {
        if self.channels == 4 {
            for pixel in self.data.chunks_exact_mut(4) {
                divide(pixel);
            }
        }
        self
    }

    /// Brightness of each pixel, with the weights of sRGB's own definition of luma.
    pub fn luma(&self) -> Vec<u8> {
        self.data.chunks_exact(self.channels).map(|pixel| luma(pixel[0], pixel[1], pixel[2])).collect()
    }

    fn window(self, x: i64, y: i64, (width, height): (u32, u32), fill: [u8; 4]) -> Self {
        let (w, h) = (i64::from(self.width), i64::from(self.height));
        let (left, right) = (x.clamp(0, w), (x + i64::from(width)).clamp(0, w));
        let inside = x >= 0 && y >= 0 && x + i64::from(width) <= w && y + i64::from(height) <= h;
        let source = if inside || fill[3] == 255 { self } else { self.with_alpha() };
        let channels = source.channels;
        let stride = source.width as usize * channels;
        let mut data = Vec::with_capacity(width as usize * height as usize * channels);
        let empty = |data: &mut Vec<u8>, pixels: i64| {
            for _ in 0..pixels {
                data.extend_from_slice(&fill[..channels]);
            }
        };
        for row in y..y + i64::from(height) {
            if row < 0 || row >= h || right <= left {
                empty(&mut data, i64::from(width));
                continue;
            }
            empty(&mut data, left - x);
            let start = row as usize * stride;
            data.extend_from_slice(&source.data[start + left as usize * channels..start + right as usize * channels]);
            empty(&mut data, x + i64::from(width) - right);
        }
        Self { width, height, channels, data }
    }

    /// A rectangle, resampled. Alpha is multiplied in while it resamples, so that colours of transparent pixels do not bleed.
    pub fn resize(&self, [x, y, w, h]: [f64; 4], (width, height): (u32, u32), kernel: Kernel) -> Result<Self, Failure> {
        let kind = if self.channels == 4 { fir::PixelType::U8x4 } else { fir::PixelType::U8x3 };
        let wrong = |error: &dyn std::fmt::Display| Failure::new(Code::Internal, format!("Scaling failed: {error}."));
        let source =
            fir::images::ImageRef::new(self.width, self.height, &self.data, kind).map_err(|error| wrong(&error))?;
        let mut target = fir::images::Image::new(width, height, kind);
        let options =
            fir::ResizeOptions::new().resize_alg(fir::ResizeAlg::Convolution(filter(kernel)?)).crop(x, y, w, h);
        fir::Resizer::new().resize(&source, &mut target, &options).map_err(|error| wrong(&error))?;
        Ok(Self { width, height, channels: self.channels, data: target.into_vec() })
    }

    /// Quarter turns and mirrorings.
    pub fn turn(self, turn: Turn) -> Result<Self, Failure> {
        if turn == Turn::NONE {
            return Ok(self);
        }
        let mut picture = self.into_image()?;
        picture.apply_orientation(turn.orientation());
        Ok(Self::from_image(picture))
    }

    fn into_image(self) -> Result<DynamicImage, Failure> {
        let (w, h) = self.size();
        let made = match self.channels {
            4 => RgbaImage::from_raw(w, h, self.data).map(DynamicImage::ImageRgba8),
            _ => RgbImage::from_raw(w, h, self.data).map(DynamicImage::ImageRgb8),
        };
        made.ok_or_else(|| Failure::new(Code::Internal, "The pixels do not match their size."))
    }

    /// Any picture as eight bits RGB, or RGBA when it has alpha.
    pub fn from_image(picture: DynamicImage) -> Self {
        let (width, height) = (picture.width(), picture.height());
        let channels = if picture.color().has_alpha() { 4 } else { 3 };
        let data = if channels == 4 { picture.into_rgba8().into_raw() } else { picture.into_rgb8().into_raw() };
        Self { width, height, channels, data }
    }

    fn fade(self, opacity: f64) -> Self {
        let mut picture = self.with_alpha();
        for pixel in picture.data.chunks_exact_mut(4) {
            pixel[3] = (f64::from(pixel[3]) * opacity).round() as u8;
        }
        picture
    }

    fn fill(mut self, color: [u8; 4]) -> Self {
        if self.channels == 3 {
            return self;
        }
        for pixel in self.data.chunks_exact_mut(4).filter(|pixel| pixel[3] < 255) {
            lay_over(pixel, color);
        }
        if color[3] == 255 { self.without_alpha() } else { self }
    }

    fn flatten(self, [r, g, b]: [u8; 3]) -> Self {
        self.fill([r, g, b, 255]).without_alpha()
    }

    /// Outside the picture is transparent.
    fn rotate(self, degrees: f64, size: (u32, u32)) -> Self {
        let source = rotate::Source { size: self.size(), channels: self.channels, data: &self.data };
        let data = source.rotated(degrees, size);
        Self { width: size.0, height: size.1, channels: 4, data }
    }

    fn tone(mut self, tone: &Tone) -> Self {
        let channels = self.channels;
        let curves = tone::curves(tone);
        for pixel in self.data.chunks_exact_mut(channels) {
            for (value, curve) in pixel[..3].iter_mut().zip(&curves) {
                *value = curve[usize::from(*value)];
            }
            tone::recolor(pixel, tone);
        }
        self
    }

    /// Alpha is blurred too, with colours multiplied by it meanwhile.
    fn blur(self, sigma: f64) -> Self {
        self.softened(sigma, |row, soft| {
            row.iter_mut().zip(soft).for_each(|(value, soft)| *value = blur::narrow(*soft));
        })
    }

    /// Adds what a blur takes away. Alpha is sharpened too, with colours multiplied by it meanwhile.
    fn sharpen(self, amount: f64, sigma: f64, threshold: f64, mono: bool) -> Self {
        let (channels, mask) = (self.channels, Mask { amount: amount as f32, threshold: threshold as f32 });
        if mono {
            self.softened(sigma, |row, soft| mask.mono(row, soft, channels))
        } else {
            self.softened(sigma, |row, soft| mask.each(row, soft))
        }
    }

    /// Changes each row by the same row blurred.
    fn softened(mut self, sigma: f64, mut with: impl FnMut(&mut [u8], &[u16])) -> Self {
        // Below this the blur's kernel is a single point and nothing would change.
        if sigma < 0.05 {
            return self;
        }
        let (channels, stride) = (self.channels, self.width as usize * self.channels);
        if channels == 4 {
            self.data.chunks_exact_mut(4).for_each(multiply);
        }
        blur::blur(&mut self.data, stride, channels, sigma, |row, soft| {
            with(row, soft);
            if channels == 4 {
                row.chunks_exact_mut(4).for_each(divide);
            }
        });
        self
    }
}

fn luma(r: u8, g: u8, b: u8) -> u8 {
    ((u32::from(r) * 2126 + u32::from(g) * 7152 + u32::from(b) * 722 + 5000) / 10_000) as u8
}

fn multiply(pixel: &mut [u8]) {
    let alpha = u32::from(pixel[3]);
    pixel[..3].iter_mut().for_each(|value| *value = ((u32::from(*value) * alpha + 127) / 255) as u8);
}

fn divide(pixel: &mut [u8]) {
    let alpha = u32::from(pixel[3]);
    if alpha > 0 && alpha < 255 {
        let whole = |value: u8| ((u32::from(value) * 255 + alpha / 2) / alpha).min(255) as u8;
        pixel[..3].iter_mut().for_each(|value| *value = whole(*value));
    }
}

/// A pixel laid over a colour; both with unassociated alpha.
fn lay_over(pixel: &mut [u8], under: [u8; 4]) {
    let alpha = u32::from(pixel[3]);
    let below = u32::from(under[3]) * (255 - alpha);
    let total = alpha * 255 + below;
    if total == 0 {
        return;
    }
    for (value, under) in pixel[..3].iter_mut().zip(under) {
        *value = ((u32::from(*value) * alpha * 255 + u32::from(under) * below + total / 2) / total) as u8;
    }
    pixel[3] = ((total + 127) / 255) as u8;
}

fn filter(kernel: Kernel) -> Result<fir::FilterType, Failure> {
    Ok(match kernel {
        Kernel::Triangle => fir::FilterType::Bilinear,
        Kernel::CatmullRom => fir::FilterType::CatmullRom,
        Kernel::Lanczos3 => fir::FilterType::Lanczos3,
        Kernel::SharpCubic => {
            let made = fir::Filter::new("sharp cubic", sharp_cubic, 2.0);
            fir::FilterType::Custom(made.map_err(|error| Failure::new(Code::Internal, format!("{error}")))?)
        }
    })
}

/// The cubic of Keys with a side lobe of -0.75, half again as deep as Catmull-Rom's.
fn sharp_cubic(x: f64) -> f64 {
    const A: f64 = -0.75;
    let x = x.abs();
    if x < 1.0 {
        ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0
    } else if x < 2.0 {
        ((A * x - 5.0 * A) * x + 8.0 * A) * x - 4.0 * A
    } else {
        0.0
    }
}
