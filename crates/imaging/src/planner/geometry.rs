//! Steps that move pixels: crop, scale, flip, rotate, extend. Sizes of the recipe become sizes of the picture here.

use offprint_core::Code;
use offprint_modifiers::{Crop, Extend, Flip, Layer, LayerScale};

use super::Planner;
use crate::error::RenderError;
use crate::step::Step;
use crate::turn::Turn;
use crate::view::round_size;

impl Planner<'_> {
    pub(super) fn crop(&mut self, crop: Crop) -> Result<(), RenderError> {
        let (x, y, size) = match crop {
            Crop::Pixels(region) => (i64::from(region.x), i64::from(region.y), (region.w, region.h)),
            Crop::Fractions([x, y, w, h]) => {
                let (width, height) = (f64::from(self.size.0), f64::from(self.size.1));
                let round = |value: f64| (value + 0.5).floor() as i64;
                (round(x * width), round(y * height), (round_size(w * width), round_size(h * height)))
            }
        };
        self.apply_window(x, y, size, None)
    }

    /// Scales a layer as its recipe says, and to the scale of the picture.
    pub(super) fn scale_layer(&mut self, layer: &Layer, dpi: Option<f64>) -> Result<(), RenderError> {
        let (w, h) = (f64::from(self.size.0), f64::from(self.size.1));
        let fit = |bw: f64, bh: f64| {
            let side = |max: f64, side: f64| if max > 0.0 { max / side } else { f64::INFINITY };
            side(bw, w).min(side(bh, h))
        };
        let nominal = match layer.scale {
            None => self.size,
            Some(scale) => {
                let factor = match scale {
                    LayerScale::Factor(factor) => factor,
                    LayerScale::Resolution { asked, usual } => asked / dpi.unwrap_or(usual),
                    LayerScale::Box(bw, bh) => fit(f64::from(bw), f64::from(bh)),
                    LayerScale::Fractions(fw, fh) => {
                        let canvas = self.canvas.unwrap_or(self.size);
                        fit(fw * f64::from(canvas.0), fh * f64::from(canvas.1))
                    }
                };
                (round_size(w * factor), round_size(h * factor))
            }
        };
        // A quarter turn exchanges the axes later.
        let (sx, sy) = self.scale;
        let is_sideways = layer.rotate.rem_euclid(180.0) == 90.0;
        if is_sideways {
            self.scale = (sy, sx);
        }
        self.resize([0.0, 0.0, w, h], self.scale_size(nominal))?;
        self.nominal = nominal;
        Ok(())
    }

    /// A size of the recipe in pixels of the picture.
    pub(super) fn scale_size(&self, (w, h): (u32, u32)) -> (u32, u32) {
        (round_size(f64::from(w) * self.scale.0), round_size(f64::from(h) * self.scale.1))
    }

    /// A length of the recipe, such as a radius, in pixels of the picture. Both scales differ by rounding only.
    pub(super) fn length_scale(&self) -> f64 {
        (self.scale.0 * self.scale.1).sqrt()
    }

    pub(super) fn flip(&mut self, flip: Option<Flip>) {
        let Some(flip) = flip else { return };
        let (flip_x, flip_y) = (flip != Flip::Ud, flip != Flip::Lr);
        self.turn(Turn { transpose: false, flip_x, flip_y });
    }

    /// Adds a turn. Consecutive turns become one, or none when they cancel out.
    pub(super) fn turn(&mut self, turn: Turn) {
        (self.size, self.nominal, self.scale) = (turn.size(self.size), turn.size(self.nominal), turn.size(self.scale));
        self.source_transform = self.source_transform.then_turn(turn, (f64::from(self.size.0), f64::from(self.size.1)));
        let turn = match self.steps.last() {
            Some(Step::Turn(before)) => {
                let before = *before;
                self.steps.pop();
                before.then(turn)
            }
            _ => turn,
        };
        if turn != Turn::NONE {
            self.steps.push(Step::Turn(turn));
        }
    }

    pub(super) fn rotate(&mut self, degrees: f64) -> Result<(), RenderError> {
        if degrees % 90.0 == 0.0 {
            self.turn(Turn::from_quarters((degrees / 90.0) as u32));
            return Ok(());
        }
        let (sin, cos) = degrees.to_radians().sin_cos();
        let (w, h) = (f64::from(self.nominal.0), f64::from(self.nominal.1));
        // A hair less, so that rounding errors do not add an empty row.
        let bound = |value: f64| (value - 1e-6).ceil().clamp(1.0, f64::from(u32::MAX)) as u32;
        let nominal = (bound(w * cos.abs() + h * sin.abs()), bound(w * sin.abs() + h * cos.abs()));
        let size = self.scale_size(nominal);
        self.limits.check_intermediate(size)?;
        self.steps.push(Step::Rotate { degrees, width: size.0, height: size.1 });
        self.source_transform = self.source_transform.then_rotate(degrees, self.size, size);
        (self.size, self.nominal) = (size, nominal);
        self.alpha = true;
        Ok(())
    }

    pub(super) fn extend(&mut self, extend: Extend) -> Result<(), RenderError> {
        let (w, h) = (f64::from(self.nominal.0), f64::from(self.nominal.1));
        let [l, t, r, b] = match extend {
            Extend::Pixels(sides) => sides.map(i64::from),
            Extend::Fractions([l, t, r, b]) => [l * w, t * h, r * w, b * h].map(|side| (side + 0.5).floor() as i64),
        };
        let side =
            |size: u32, start: i64, end: i64| u32::try_from(i64::from(size) + start + end).ok().filter(|s| *s > 0);
        let (Some(width), Some(height)) = (side(self.nominal.0, l, r), side(self.nominal.1, t, b)) else {
            let detail = format!(
                "`extend` leaves nothing of the image, which has {}x{} pixels there.",
                self.nominal.0, self.nominal.1
            );
            return Err(RenderError::new(Code::InvalidModifier, detail));
        };
        let nominal = (width, height);
        let (left, top) = (l as f64 * self.scale.0, t as f64 * self.scale.1);
        self.apply_window(-(left.round() as i64), -(top.round() as i64), self.scale_size(nominal), None)?;
        self.nominal = nominal;
        Ok(())
    }
}
