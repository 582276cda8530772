//! The view of a finished composite: fitted, sharpened, marked, cut into tiles, and laid over the background.

use offprint_modifiers::{Colour, PixelType, Recipe, RequestKind, Tile};

use super::visible_area::VisibleArea;
use super::{PlanContext, Planner};
use crate::error::RenderError;
use crate::frame::Frame;
use crate::header::ImageHeader;
use crate::step::Step;
use crate::view::{self, Placement, round_size};

impl Planner<'_> {
    pub(super) fn apply_view(
        &mut self,
        recipe: &Recipe,
        header: &ImageHeader,
        context: PlanContext<'_>,
    ) -> Result<(), RenderError> {
        let view = &recipe.view;
        let keeps_alpha = recipe.output.alpha || view.request == RequestKind::Mask;
        let (mut nominal, mut composite_scale) = (self.nominal, self.composite_scale());
        let mut placement = view::place_view(nominal, view)?;
        match view.rect {
            Some(_) => self.limits.check_intermediate(placement.view)?,
            None => self.limits.check_output(placement.view)?,
        }
        if let Some(tolerance) = view.trim {
            self.fit_product(view::frame_view(view, placement.view), tolerance);
            (nominal, composite_scale, placement) = (self.size, (1.0, 1.0), Placement::whole(self.size));
        }
        let fill = (!keeps_alpha).then_some(view.background);
        match VisibleArea::from_placement(&placement, nominal) {
            Some(visible) => {
                self.fit_visible(&visible.scale_source(composite_scale))?;
                self.scale = (1.0, 1.0);
                self.sharpen(&view.sharpening, 1.0);
                self.convert_to_output();
                if let Some(watermark) = &recipe.watermark {
                    self.paint_watermark(watermark, (&placement, &visible, nominal), recipe, header, context)?;
                }
                self.apply_window(-visible.left, -visible.top, placement.view, fill)?;
            }
            None => {
                // A window beside the image shows the background only.
                let beside = i64::from(self.size.0);
                self.apply_window(beside, 0, placement.view, fill)?;
            }
        }
        if let Some(tile) = view.rect {
            self.cut_tile(tile, fill)?;
        }
        if view.request == RequestKind::Mask {
            self.show_mask();
        } else if self.alpha && !keeps_alpha {
            self.convert_to_output();
            self.steps.push(Step::Flatten { color: self.to_paint(view.background) });
        }
        Ok(())
    }

    /// Tiles are cut out of the whole view, so that they meet without a seam.
    fn cut_tile(&mut self, Tile { region, scale }: Tile, fill: Option<Colour>) -> Result<(), RenderError> {
        let (w, h) = (f64::from(self.size.0), f64::from(self.size.1));
        self.resize([0.0, 0.0, w, h], (round_size(w * scale), round_size(h * scale)))?;
        self.apply_window(i64::from(region.x), i64::from(region.y), (region.w, region.h), fill)
    }

    /// Shows alpha as an image.
    fn show_mask(&mut self) {
        self.steps.push(Step::ShowMask);
        (self.alpha, self.pixel_type) = (false, PixelType::Gray);
        // A mask has no colours that could be converted.
        self.recolor(self.colors.pixel_type);
        self.profile = self.colors.output.clone();
    }

    /// Fits the product into a frame. Which part of the image that is turns out when its pixels are there, so a radius in
    /// pixels of the source (`op_usm`) shrinks as if it were the whole image.
    fn fit_product(&mut self, frame: Frame, tolerance: f64) {
        let space = self.choose_space();
        let (scaled, _) = frame.place_image(self.size);
        self.shrink_ratio *= f64::from(scaled.0) / f64::from(self.size.0);
        self.steps.push(Step::FitProduct { tolerance, frame, kernel: self.kernel, space });
        self.size = (frame.width, frame.height);
        (self.nominal, self.alpha, self.last_window_inside) = (self.size, true, false);
    }

    /// How many pixels the picture has for each pixel of the composite at scale 1.
    fn composite_scale(&self) -> (f64, f64) {
        let ratio = |size: u32, nominal: u32| f64::from(size) / f64::from(nominal);
        (ratio(self.size.0, self.nominal.0), ratio(self.size.1, self.nominal.1))
    }

    /// Crops or scales the visible part to its size in the view. Where it needs no resampling it is only cropped, so
    /// that the pixels stay exact.
    fn fit_visible(&mut self, visible: &VisibleArea) -> Result<(), RenderError> {
        let [x, y, w, h] = visible.from;
        let whole = [x, y, w, h].iter().all(|value| value.fract() == 0.0);
        if whole && (w, h) == (f64::from(visible.size.0), f64::from(visible.size.1)) {
            return self.apply_window(x as i64, y as i64, visible.size, None);
        }
        self.resize(visible.from, visible.size)
    }
}
