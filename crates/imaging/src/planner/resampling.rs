//! Windows, which cut out or add pixels, and resizes, which become one resampling where they can.

use offprint_modifiers::{Colour, PixelType, ResampleSpace};

use super::Planner;
use crate::error::RenderError;
use crate::pixels::FillColor;
use crate::step::Step;

/// The largest coordinate that is documented, in pixels.
const MAX_COORDINATE: u32 = i32::MAX as u32;

impl Planner<'_> {
    pub(super) fn apply_window(
        &mut self,
        x: i64,
        y: i64,
        size: (u32, u32),
        fill: Option<Colour>,
    ) -> Result<(), RenderError> {
        self.limits.check_intermediate(size)?;
        let (w, h) = (i64::from(self.size.0), i64::from(self.size.1));
        let inside = x >= 0 && y >= 0 && x + i64::from(size.0) <= w && y + i64::from(size.1) <= h;
        if (x, y) == (0, 0) && size == self.size {
            return Ok(());
        }
        if !inside && fill.is_some() {
            self.convert_to_output();
        }
        let fill = fill.map_or(FillColor::NONE, |color| self.to_paint(color));
        self.steps.push(Step::Window { x, y, width: size.0, height: size.1, fill });
        let (width, height) = (f64::from(size.0), f64::from(size.1));
        self.source_transform = self.source_transform.then_scale([x as f64, y as f64, width, height], (width, height));
        (self.size, self.nominal) = (size, size);
        self.last_window_inside = inside;
        self.alpha |= !inside && !fill.is_opaque();
        Ok(())
    }

    /// Adds a resize. A crop right before it becomes its rectangle. A resize right before it is merged when this one
    /// makes the image no larger: one resampling is faster and sharper than two. Enlarging after a reduction stays two
    /// steps, because detail that the first one removed must not come back.
    ///
    /// ```text
    /// 6000x4000 -- Window(100, 100, 4000x3000) -- Resize 2000x1500 -- Resize 500x375
    /// becomes      Resize from [100, 100, 4000, 3000] to 500x375
    /// ```
    pub(super) fn resize(&mut self, from: [f64; 4], size: (u32, u32)) -> Result<(), RenderError> {
        // A larger side was cut off by `round_size`, so that the aspect ratio would be wrong. Otherwise this size may be
        // a mere coordinate space, and limits are checked at the end.
        if size.0.max(size.1) > MAX_COORDINATE {
            self.limits.check_intermediate(size)?;
        }
        let [x, y, w, h] = from;
        let (full_w, full_h) = (f64::from(self.size.0), f64::from(self.size.1));
        if size == self.size && from == [0.0, 0.0, full_w, full_h] {
            return Ok(());
        }
        let is_reduction = f64::from(size.0) <= w && f64::from(size.1) <= h;
        self.source_transform = self.source_transform.then_scale(from, (f64::from(size.0), f64::from(size.1)));
        self.shrink_ratio *= (f64::from(size.0) / w).min(f64::from(size.1) / h);
        let from = match self.steps.last().cloned() {
            Some(Step::Window { x: left, y: top, .. }) if self.last_window_inside => {
                self.steps.pop();
                [x + left as f64, y + top as f64, w, h]
            }
            Some(Step::Resize { from: [left, top, sw, sh], width, height, .. }) if is_reduction => {
                self.steps.pop();
                let (fx, fy) = (sw / f64::from(width), sh / f64::from(height));
                [left + x * fx, top + y * fy, w * fx, h * fy]
            }
            _ => from,
        };
        let space = self.choose_space();
        self.steps.push(Step::Resize { from, width: size.0, height: size.1, kernel: self.kernel, space });
        (self.size, self.nominal) = (size, size);
        Ok(())
    }

    /// In which values this image is made smaller. Inks are shares of paper, which add up as light does.
    pub(super) fn choose_space(&self) -> ResampleSpace {
        if self.pixel_type == PixelType::Cmyk { ResampleSpace::Display } else { self.space }
    }
}
