//! Reproducible noise: it depends on the index of the pixel and on the component only, so the same plan gives the same
//! bytes.

use offprint_modifiers::Noise;

use super::{Raster, Sample};

impl<S: Sample> Raster<S> {
    /// Adds noise to the colours, not to alpha.
    pub(crate) fn add_noise(mut self, noise: Noise) -> Self {
        let colors = self.pixel_type.components();
        let strength = f64::from(noise.percent) / 100.0 * S::MAX_VALUE as f64;
        for (pixel_index, pixel) in self.pixels_mut().enumerate() {
            let all = compute_noise(pixel_index as u64, 0, noise.gaussian);
            for (component, value) in pixel[..colors].iter_mut().enumerate() {
                let random =
                    if noise.mono { all } else { compute_noise(pixel_index as u64, component as u64, noise.gaussian) };
                let noisy = value.to_u64() as f64 + random * strength;
                *value = S::from_u64(noisy.round().clamp(0.0, S::MAX_VALUE as f64) as u64);
            }
        }
        self
    }
}

/// A value from -1 to 1. For Gaussian noise that range is three standard deviations to each side.
pub(super) fn compute_noise(pixel_index: u64, component: u64, gaussian: bool) -> f64 {
    let mixed = mix_bits(pixel_index << 2 | component);
    if !gaussian {
        return scale_to_unit(mixed) * 2.0 - 1.0;
    }
    // The sum of twelve uniform numbers is close enough to a normal distribution, and bounded.
    let uniform = (0..3).flat_map(|round| {
        let bits = if round == 0 { mixed } else { self::mix_bits(mixed.wrapping_add(round)) };
        (0..4).map(move |quarter| f64::from((bits >> (quarter * 16)) as u16) / 65_535.0)
    });
    (uniform.sum::<f64>() - 6.0) / 3.0
}

fn scale_to_unit(bits: u64) -> f64 {
    (bits >> 11) as f64 / (1u64 << 53) as f64
}

/// A number from 0 to below 1 for a point.
pub(super) fn hash_position(seed: u64, x: u64, y: u64) -> f64 {
    scale_to_unit(mix_bits(mix_bits(seed.wrapping_mul(0x9E37_79B9).wrapping_add(x)).wrapping_add(y)))
}

/// The finalizer of SplitMix64: neighbouring seeds give unrelated bits.
pub(super) fn mix_bits(seed: u64) -> u64 {
    let mut bits = seed.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_has_no_lean_and_the_spread_that_is_said() {
        for (gaussian, wanted) in [(false, 1.0 / 3.0_f64.sqrt()), (true, 1.0 / 3.0)] {
            let all: Vec<f64> = (0..30_000).map(|index| compute_noise(index, 1, gaussian)).collect();
            let mean = all.iter().sum::<f64>() / 30_000.0;
            let spread = (all.iter().map(|value| value * value).sum::<f64>() / 30_000.0).sqrt();
            assert!(mean.abs() < 0.01 && (spread - wanted).abs() < 0.01, "{gaussian}: {mean} {spread}");
        }
    }
}
