//! Tone, blur, noise and sharpening: radii of the recipe in pixels of the picture.

use offprint_modifiers::{Sharpening, Tone};

use super::Planner;
use crate::step::Step;

impl Planner<'_> {
    pub(super) fn adjust_tone(&mut self, tone: Tone) {
        if (Tone { grow: 0, blur: 0.0, noise: None, ..tone }) != Tone::default() {
            self.convert_to_rgb();
            self.steps.push(Step::Tone(tone));
        }
        let grow = (f64::from(tone.grow) * self.length_scale()).round() as i32;
        if grow != 0 {
            self.steps.push(Step::Grow { pixels: grow });
        }
        if tone.blur > 0.0 {
            self.steps.push(Step::Blur { sigma: tone.blur / 2.0 * self.length_scale() });
        }
        if let Some(noise) = tone.noise {
            self.steps.push(Step::Noise(noise));
        }
    }

    /// `scale` is the size of a pixel in which radii are given as they are.
    pub(super) fn sharpen(&mut self, sharpening: &Sharpening, scale: f64) {
        if sharpening.simple {
            // The blur of a 3x3 binomial kernel, whose variance is one half.
            let sigma = std::f64::consts::FRAC_1_SQRT_2;
            self.steps.push(Step::Sharpen { amount: 1.0, sigma, threshold: 0.0, mono: false });
        }
        if let Some(usm) = sharpening.usm {
            let sigma = usm.radius * if usm.scaled { self.shrink_ratio.min(1.0) } else { scale };
            let (amount, threshold) = (usm.amount, usm.threshold);
            self.steps.push(Step::Sharpen { amount, sigma, threshold, mono: usm.mono });
        }
    }
}
