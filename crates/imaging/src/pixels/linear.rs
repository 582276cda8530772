//! Resampling in linear light: pixels are averaged as amounts of light, not as the numbers that displays are sent.
//!
//! The mean of black and white is 188 and not 128 then, as it is for an eye that sees fine stripes from afar. Values are
//! brought to 16 bits of linear light row by row, resampled, and brought back, so no more is held than by
//! [`Resampler`]. The curve is that of sRGB (IEC 61966-2-1), also for images with other profiles for gray or RGB: their
//! curves differ little from it, and the one that is used counts only where pixels differ.

use std::marker::PhantomData;
use std::sync::LazyLock;

use offprint_modifiers::{PixelType, ResampleSpace};

use super::resample::Resampler;
use super::{Kernel, Raster, Sample};
use crate::error::RenderError;

/// Whether a resampling is done in linear light: only where an image becomes smaller. Enlarged edges ring more visibly
/// in linear light.
pub(crate) fn is_linear_resampling(space: ResampleSpace, from: [f64; 4], size: (u32, u32)) -> bool {
    space == ResampleSpace::Linear && f64::from(size.0) <= from[2] && f64::from(size.1) <= from[3]
}

/// Light for each value of 8 bits, and of 16 bits.
static LIGHT: LazyLock<[Vec<u16>; 2]> = LazyLock::new(|| [255, 65_535].map(|max| list_values(max, to_light)));

/// The value of 16 bits for each amount of light.
static VALUE: LazyLock<Vec<u16>> = LazyLock::new(|| list_values(65_535, to_value));

/// A curve of fractions, at each number up to `max`, in 16 bits.
fn list_values(max: u32, curve: fn(f64) -> f64) -> Vec<u16> {
    (0..=max).map(|value| (curve(f64::from(value) / f64::from(max)) * 65_535.0).round() as u16).collect()
}

fn to_light(value: f64) -> f64 {
    if value <= 0.040_45 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
}

fn to_value(light: f64) -> f64 {
    if light <= 0.003_130_8 { light * 12.92 } else { 1.055 * light.powf(1.0 / 2.4) - 0.055 }
}

/// Resamples a rectangle of a gray or RGB image in linear light, while its rows arrive from the top.
pub(crate) struct LinearResampler<S> {
    resampler: Resampler<u16>,
    pixel_type: PixelType,
    alpha: bool,
    /// Components of a row of the source.
    stride: usize,
    light: &'static [u16],
    row: Vec<u16>,
    depth: PhantomData<S>,
}

impl<S: Sample> LinearResampler<S> {
    /// Resamples the rectangle `from` of an image of this size to a target size.
    pub(crate) fn new(
        from: [f64; 4],
        target: (u32, u32),
        kernel: Kernel,
        size: (u32, u32),
        (pixel_type, alpha): (PixelType, bool),
    ) -> Self {
        let channels = pixel_type.components() + usize::from(alpha);
        Self {
            resampler: Resampler::new(from, target, kernel, size, (pixel_type, alpha)),
            pixel_type,
            alpha,
            stride: size.0 as usize * channels,
            light: &LIGHT[usize::from(S::MAX_VALUE > 255)],
            row: Vec::new(),
            depth: PhantomData,
        }
    }

    /// Takes whole rows of the source.
    pub(crate) fn take(&mut self, rows: &[S]) -> Result<(), RenderError> {
        let (light, colors) = (self.light, self.pixel_type.components());
        for row in rows.chunks_exact(self.stride) {
            self.row.clear();
            self.row.extend(row.iter().map(|value| light[value.to_u64() as usize]));
            if self.alpha {
                let alphas = row.iter().skip(colors).step_by(colors + 1);
                let places = self.row.iter_mut().skip(colors).step_by(colors + 1);
                places.zip(alphas).for_each(|(place, alpha)| *place = alpha.to_sixteen_bits());
            }
            self.resampler.take(&self.row)?;
        }
        Ok(())
    }

    /// The result, after all rows.
    ///
    /// # Errors
    /// `corrupt` when rows are missing.
    pub(crate) fn finish(self) -> Result<Raster<S>, RenderError> {
        let (colors, alpha) = (self.pixel_type.components(), self.alpha);
        let raster = self.resampler.finish()?;
        let ((width, height), channels) = (raster.size(), raster.channels());
        let values: &[u16] = &VALUE;
        let bring_back = |(at, light): (usize, &u16)| {
            let is_color = at % channels < colors;
            S::from_sixteen_bits(f32::from(if is_color { values[usize::from(*light)] } else { *light }))
        };
        let data = raster.data().iter().enumerate().map(bring_back).collect();
        Ok(Raster::new(width, height, self.pixel_type, alpha, data))
    }
}

impl<S: Sample> Raster<S> {
    /// A rectangle, resampled in linear light.
    pub(crate) fn resize_linear(&self, from: [f64; 4], size: (u32, u32), kernel: Kernel) -> Result<Self, RenderError> {
        let components = (self.pixel_type(), self.has_alpha());
        let mut resampler = LinearResampler::new(from, size, kernel, self.size(), components);
        resampler.take(self.data())?;
        resampler.finish()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const KERNELS: [Kernel; 4] = [Kernel::Triangle, Kernel::CatmullRom, Kernel::Lanczos3, Kernel::SharpCubic];

    #[test]
    fn the_curves_lead_back_to_every_value() {
        for (light, step) in [(&LIGHT[0], 257), (&LIGHT[1], 1)] {
            for (value, light) in light.iter().enumerate() {
                let back = usize::from(VALUE[usize::from(*light)]);
                // A value of 16 bits has up to 13 neighbours with the same light, next to black.
                assert!(back.abs_diff(value * step) <= 7, "{value}: {back}");
            }
        }
    }

    #[test]
    fn flat_images_stay_flat_and_transparency_hides_colours() {
        for value in [0_u8, 1, 2, 10, 77, 128, 254, 255] {
            for kernel in KERNELS {
                let raster = Raster::new(40, 30, PixelType::Rgb, false, vec![value; 40 * 30 * 3]);
                let small = raster.resize_linear([0.0, 0.0, 40.0, 30.0], (13, 7), kernel).unwrap();
                assert!(small.data().iter().all(|result| *result == value), "{value} {kernel:?}");
                // Every other column is transparent, and white.
                let pixel = |at: usize| if at.is_multiple_of(2) { [value, value, 255] } else { [255, 255, 0] };
                let data: Vec<u8> = (0..40 * 30).flat_map(pixel).collect();
                let cutout =
                    Raster::new(40, 30, PixelType::Gray, true, data.chunks(3).flat_map(|p| [p[0], p[2]]).collect());
                let small = cutout.resize_linear([0.0, 0.0, 40.0, 30.0], (10, 15), kernel).unwrap();
                assert!(small.pixels().all(|pixel| pixel[0] == value && pixel[1] > 0), "{value} {kernel:?}");
            }
        }
    }

    #[test]
    fn the_mean_of_black_and_white_is_half_the_light() {
        let stripes = |depth_max: u64| (0..64 * 64).map(move |at| if at % 2 == 0 { 0 } else { depth_max });
        let eight = Raster::new(64, 64, PixelType::Gray, false, stripes(255).map(|value| value as u8).collect());
        let sixteen = Raster::new(64, 64, PixelType::Gray, false, stripes(65_535).map(|value| value as u16).collect());
        let from = [0.0, 0.0, 64.0, 64.0];
        let middle = |row: &[u8]| row[row.len() / 2 + 4];
        assert_eq!(middle(eight.resize_linear(from, (8, 8), Kernel::Box).unwrap().data()), 188);
        assert_eq!(middle(eight.resize(from, (8, 8), Kernel::Box).unwrap().data()), 128);
        let deep = sixteen.resize_linear(from, (8, 8), Kernel::Box).unwrap();
        assert_eq!(deep.data()[36] / 257, 187, "{}", deep.data()[36]);
    }

    #[test]
    fn only_reductions_are_linear() {
        let is_linear = |w, h| is_linear_resampling(ResampleSpace::Linear, [0.0, 0.0, 100.0, 50.0], (w, h));
        assert!(is_linear(100, 50) && is_linear(1, 50) && !is_linear(101, 50) && !is_linear(10, 51));
        assert!(!is_linear_resampling(ResampleSpace::Display, [0.0, 0.0, 100.0, 50.0], (10, 10)));
    }
}
