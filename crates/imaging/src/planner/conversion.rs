//! Conversions between components, profiles and depths: as late and as few as possible, because each loses something.

use offprint_modifiers::PixelType;

use super::Planner;
use crate::colour::Profile;
use crate::step::Step;

impl Planner<'_> {
    /// Converts to the components and the profile of the output.
    pub(super) fn convert_to_output(&mut self) {
        let (pixel_type, output) = (self.colors.pixel_type, self.colors.output.clone());
        if self.pixel_type != pixel_type && self.profile.is_some() != output.is_some() {
            // One side has no profile. The naive rules connect it with sRGB, and a conversion the other side.
            self.convert_to_rgb();
            self.profile = output.is_some().then(|| self.colors.srgb.clone());
        }
        self.convert(pixel_type, output);
    }

    /// Converts to RGB, for steps that only know RGB. Where the output is RGB too, straight to its profile: one
    /// conversion instead of two.
    pub(super) fn convert_to_rgb(&mut self) {
        if self.pixel_type == PixelType::Rgb {
            return;
        }
        if self.colors.pixel_type == PixelType::Rgb && self.profile.is_some() {
            self.convert_to_output();
        }
        let rgb = self.profile.is_some().then(|| self.colors.srgb.clone());
        self.convert(PixelType::Rgb, rgb);
    }

    /// Converts to these components and this profile, by the naive rules where one of the two profiles is not known.
    fn convert(&mut self, pixel_type: PixelType, to: Option<Profile>) {
        if let (Some(from), Some(to)) = (self.profile.take(), &to)
            && from != *to
            && !self.colors.is_same_curve(&from, to)
        {
            // A gray image may have a profile for RGB.
            self.recolor(from.pixel_type);
            let conversion = self.colors.conversion(from, to.clone());
            self.bits = if conversion.deep { 16 } else { self.bits };
            self.pixel_type = to.pixel_type;
            self.steps.push(Step::Convert(conversion));
        }
        self.recolor(pixel_type);
        self.profile = to;
    }

    pub(super) fn recolor(&mut self, to: PixelType) {
        if self.pixel_type != to {
            self.steps.push(Step::Recolor { to });
            self.pixel_type = to;
        }
    }

    /// Converts to what every encoder takes: the output's components, 8 bits each.
    pub(super) fn convert_for_encoder(&mut self) {
        self.convert_to_output();
        if self.bits > 8 {
            self.steps.push(Step::Reduce { dither: self.colors.dither });
        }
    }
}
