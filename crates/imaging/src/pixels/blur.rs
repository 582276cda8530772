//! Blurs and sharpening; the blur itself is in [`crate::blur`].

use super::mix::{divide_by_alpha, multiply_by_alpha};
use super::{Raster, Sample};
use crate::blur::{self, UnsharpMask};
use offprint_modifiers::PixelType;

impl<S: Sample> Raster<S> {
    /// Blurs colours and alpha. Colours are multiplied by alpha meanwhile.
    pub(super) fn blur(self, sigma: f64) -> Self {
        self.map_blurred_rows(sigma, |row, soft| {
            row.iter_mut().zip(soft).for_each(|(value, soft)| *value = S::from_sixteen_bits(f32::from(*soft)));
        })
    }

    /// Adds what a blur takes away, to colours and alpha. Colours are multiplied by alpha meanwhile. `threshold` is of
    /// 255 at both depths. `mono` sharpens brightness only, which makes a difference in RGB.
    pub(super) fn sharpen(self, amount: f64, sigma: f64, threshold: f64, mono: bool) -> Self {
        let (channels, mask) = (self.channels(), UnsharpMask { amount: amount as f32, threshold: threshold as f32 });
        if mono && self.pixel_type == PixelType::Rgb {
            self.map_blurred_rows(sigma, |row, soft| mask.sharpen_luma(row, soft, channels))
        } else {
            self.map_blurred_rows(sigma, |row, soft| mask.sharpen_each(row, soft))
        }
    }

    /// Changes each row with the help of the same row blurred.
    fn map_blurred_rows(mut self, sigma: f64, mut with: impl FnMut(&mut [S], &[u16])) -> Self {
        // Below this the kernel is a single pixel and nothing would change.
        if sigma < 0.05 {
            return self;
        }
        let (alpha, channels) = (self.alpha, self.channels());
        let stride = self.width as usize * channels;
        if alpha {
            self.pixels_mut().for_each(multiply_by_alpha);
        }
        blur::blur_rows(&mut self.data, stride, channels, sigma, |row, soft| {
            with(row, soft);
            if alpha {
                row.chunks_exact_mut(channels).for_each(divide_by_alpha);
            }
        });
        self
    }
}
