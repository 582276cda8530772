//! Blurs and sharpening; the blur itself is in `row_blur.rs`.

use offprint_modifiers::PixelType;

use super::associated::{associate_pixels, unassociate_pixels};
use super::row_blur::{self, BlurValue, UnsharpMask};
use super::{Raster, Sample};

/// Below this the kernel is a single pixel and nothing would change.
const MIN_SIGMA: f64 = 0.05;

impl<S: Sample> Raster<S> {
    /// Blurs colours and alpha. Each colour counts as much as it is visible.
    pub(crate) fn blur(mut self, sigma: f64) -> Self {
        let (channels, stride) = (self.channels(), self.width as usize * self.channels());
        if sigma < MIN_SIGMA {
            return self;
        }
        if self.has_transparency() {
            let load = |row: &[S], out: &mut [f32]| associate_pixels(row, channels, out);
            let replace = |row: &mut [S], soft: &[f32]| unassociate_pixels(soft, channels, row);
            row_blur::blur_rows(&mut self.data, (stride, channels), sigma, load, replace);
        } else {
            row_blur::blur_rows(&mut self.data, (stride, channels), sigma, row_blur::load_components, |row, soft| {
                row.iter_mut().zip(soft).for_each(|(value, soft)| *value = S::from_sixteen_bits(f32::from(*soft)));
            });
        }
        self
    }

    /// Adds what a blur takes away, to colours and alpha. A colour is compared with the colours around it, each counted
    /// as much as it is visible: at the rim of a cut-out there is nothing darker to be told apart from. `threshold` is
    /// of 255 at both depths. `mono` sharpens brightness only, which makes a difference in RGB.
    pub(crate) fn sharpen(mut self, amount: f64, sigma: f64, threshold: f64, mono: bool) -> Self {
        let (channels, stride) = (self.channels(), self.width as usize * self.channels());
        if sigma < MIN_SIGMA {
            return self;
        }
        let mask = UnsharpMask { amount: amount as f32, threshold: threshold as f32 };
        let mono = mono && self.pixel_type == PixelType::Rgb;
        if self.has_transparency() {
            let load = |row: &[S], out: &mut [f32]| associate_pixels(row, channels, out);
            let mut around = vec![0.0; stride];
            row_blur::blur_rows(&mut self.data, (stride, channels), sigma, load, |row, soft: &[f32]| {
                divide_colors(soft, channels, &mut around);
                sharpen_row(mask, mono, row, &around, channels);
                clear_transparent_pixels(row, channels);
            });
        } else {
            row_blur::blur_rows(&mut self.data, (stride, channels), sigma, row_blur::load_components, |row, soft| {
                sharpen_row(mask, mono, row, soft, channels);
            });
        }
        self
    }
}

fn sharpen_row<S: Sample, V: BlurValue>(mask: UnsharpMask, mono: bool, row: &mut [S], soft: &[V], channels: usize) {
    if mono { mask.sharpen_luma(row, soft, channels) } else { mask.sharpen_each(row, soft) }
}

/// Divides blurred colours by blurred alpha, which stays as it is. Where nothing is visible around, nothing is changed.
fn divide_colors(soft: &[f32], channels: usize, out: &mut [f32]) {
    for (pixel, out) in soft.chunks_exact(channels).zip(out.chunks_exact_mut(channels)) {
        let alpha = pixel[channels - 1];
        let factor = if alpha > 0.0 { 65_535.0 / alpha } else { 0.0 };
        out.iter_mut().zip(pixel).for_each(|(out, value)| *out = value * factor);
        out[channels - 1] = alpha;
    }
}

/// Takes the colours away that nobody sees.
fn clear_transparent_pixels<S: Sample>(row: &mut [S], channels: usize) {
    let is_transparent = |pixel: &&mut [S]| pixel[channels - 1] == S::default();
    row.chunks_exact_mut(channels).filter(is_transparent).for_each(|pixel| pixel.fill(S::default()));
}
