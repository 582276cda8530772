//! Noise that is the same each time: it depends on place and component alone.

use super::{Raster, Sample};
use offprint_modifiers::Noise;

impl<S: Sample> Raster<S> {
    /// Adds noise to the colours; alpha stays.
    pub(super) fn noise(mut self, noise: Noise) -> Self {
        let colors = self.pixel_type.components();
        let strength = f64::from(noise.percent) / 100.0 * S::TOP as f64;
        for (place, pixel) in self.pixels_mut().enumerate() {
            let all = random(place as u64, 0, noise.gaussian);
            for (component, value) in pixel[..colors].iter_mut().enumerate() {
                let random = if noise.mono { all } else { random(place as u64, component as u64, noise.gaussian) };
                let noisy = value.wide() as f64 + random * strength;
                *value = S::narrow(noisy.round().clamp(0.0, S::TOP as f64) as u64);
            }
        }
        self
    }
}

/// From -1 to 1; Gaussian noise has three standard deviations in that.
fn random(place: u64, component: u64, gaussian: bool) -> f64 {
    let mixed = mixed(place << 2 | component);
    if !gaussian {
        return part(mixed) * 2.0 - 1.0;
    }
    // Twelve equal chances come close enough to a bell, and never stray.
    let chances = (0..3).flat_map(|round| {
        let bits = if round == 0 { mixed } else { self::mixed(mixed.wrapping_add(round)) };
        (0..4).map(move |quarter| f64::from((bits >> (quarter * 16)) as u16) / 65_535.0)
    });
    (chances.sum::<f64>() - 6.0) / 3.0
}

fn part(bits: u64) -> f64 {
    (bits >> 11) as f64 / (1u64 << 53) as f64
}

/// The finisher of SplitMix64, which leaves no pattern of neighbours.
pub(super) fn mixed(seed: u64) -> u64 {
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
            let all: Vec<f64> = (0..30_000).map(|place| random(place, 1, gaussian)).collect();
            let mean = all.iter().sum::<f64>() / 30_000.0;
            let spread = (all.iter().map(|value| value * value).sum::<f64>() / 30_000.0).sqrt();
            assert!(mean.abs() < 0.01 && (spread - wanted).abs() < 0.01, "{gaussian}: {mean} {spread}");
        }
    }
}
