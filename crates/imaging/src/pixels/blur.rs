//! Blurs and sharpening. How a blur is done stands in [`crate::blur`].

use super::mix::{divide, multiply};
use super::{Raster, Sample};
use offprint_modifiers::PixelType;
use crate::blur::{self, Mask};

impl<S: Sample> Raster<S> {
    /// Alpha is blurred too, with colours multiplied by it meanwhile.
    pub(super) fn blur(self, sigma: f64) -> Self {
        self.softened(sigma, |row, soft| {
            row.iter_mut().zip(soft).for_each(|(value, soft)| *value = S::of_full(f32::from(*soft)));
        })
    }

    /// Adds what a blur takes away. Alpha is sharpened too, with colours multiplied by it meanwhile. Thresholds count
    /// in steps of eight bits; `mono` sharpens only the brightness, where there is more than that: in RGB.
    pub(super) fn sharpen(self, amount: f64, sigma: f64, threshold: f64, mono: bool) -> Self {
        let (channels, mask) = (self.channels(), Mask { amount: amount as f32, threshold: threshold as f32 });
        if mono && self.pixel_type == PixelType::Rgb {
            self.softened(sigma, |row, soft| mask.mono(row, soft, channels))
        } else {
            self.softened(sigma, |row, soft| mask.each(row, soft))
        }
    }

    /// Changes each row by the same row blurred.
    fn softened(mut self, sigma: f64, mut with: impl FnMut(&mut [S], &[u16])) -> Self {
        // Below this the blur's kernel is a single point and nothing would change.
        if sigma < 0.05 {
            return self;
        }
        let (alpha, channels) = (self.alpha, self.channels());
        let stride = self.width as usize * channels;
        if alpha {
            self.pixels_mut().for_each(multiply);
        }
        blur::blur(&mut self.data, stride, channels, sigma, |row, soft| {
            with(row, soft);
            if alpha {
                row.chunks_exact_mut(channels).for_each(divide);
            }
        });
        self
    }
}
