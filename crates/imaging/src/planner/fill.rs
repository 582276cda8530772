//! Opacity, and colours that are laid under an image.

use offprint_modifiers::Colour;

use super::Planner;
use crate::pixels::FillColor;
use crate::step::Step;

impl Planner<'_> {
    pub(super) fn fade(&mut self, opacity: Option<f64>) {
        if let Some(opacity) = opacity {
            self.steps.push(Step::Fade { opacity });
            self.alpha = true;
        }
    }

    /// Lays a colour under the image. Fill colours are in the output's colours, so the image is converted to them
    /// first.
    pub(super) fn fill(&mut self, color: Option<Colour>) {
        let Some(color) = color.filter(|_| self.alpha) else { return };
        self.convert_to_output();
        self.steps.push(Step::Fill { color: self.to_paint(color) });
        self.alpha = color.alpha < 255;
    }

    /// Lays a colour under the part that the source covers. Where a crop reached beyond the source, the image stays
    /// transparent until the background is filled. Documentation pages: r-color-commandref,
    /// r-restrictions-and-known-issues.
    pub(super) fn fill_source(&mut self, color: Option<Colour>) {
        let (width, height) = (f64::from(self.size.0), f64::from(self.size.1));
        let [left, top, right, bottom] = self.source_transform.map_bounds([0.0, 0.0, 1.0, 1.0]);
        let covers = left < 0.5 && top < 0.5 && right > width - 0.5 && bottom > height - 0.5;
        let Some(fill_color) = color.filter(|_| self.alpha && !covers) else { return self.fill(color) };
        self.convert_to_output();
        let side = |value: f64, max: f64| value.round().clamp(0.0, max) as u32;
        let part = [side(left, width), side(top, height), side(right, width), side(bottom, height)];
        self.steps.push(Step::FillPart { color: self.to_paint(fill_color), part });
    }

    pub(super) fn to_paint(&self, color: Colour) -> FillColor {
        FillColor { color: self.colors.convert_color(color), alpha: color.alpha }
    }
}
