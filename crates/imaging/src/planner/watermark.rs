//! Watermarks: laid over the composite where it lies in the view, at the size that they have there, before blank space is
//! added around it. Documentation pages: r-watermarks, r-watermark.

use offprint_modifiers::{DecodeOptions, Layer, LayerScale, Recipe, Watermark};

use super::visible_area::VisibleArea;
use super::{PlanContext, PlanSource, Planner};
use crate::error::RenderError;
use crate::header::ImageHeader;
use crate::pixels::Blend;
use crate::step::{PaintContent, PaintStep, Step};
use crate::view::Placement;

/// Tells the random choices of a watermark from those of layers.
const SEED: u64 = 1 << 40;

impl Planner<'_> {
    /// Lays the watermark over the visible part of the composite, whose size at scale 1 is `composite`.
    pub(super) fn paint_watermark(
        &mut self,
        watermark: &Watermark,
        (placement, visible, composite): (&Placement, &VisibleArea, (u32, u32)),
        recipe: &Recipe,
        header: &ImageHeader,
        context: PlanContext<'_>,
    ) -> Result<(), RenderError> {
        let strict = Recipe { reading: DecodeOptions::default(), ..recipe.clone() };
        let mut source = PlanSource::resolve(Some(&watermark.image), header, &strict, context)?;
        source.colors.adopt_output(self.colors)?;
        self.warnings.extend(source.warnings.iter().chain(&source.colors.warnings).cloned());
        let [left, top, w, h] = placement.region;
        let scale = (f64::from(placement.scaled.0) / w, f64::from(placement.scaled.1) / h);
        let layer = Layer { scale: watermark.size.map(|[w, h]| LayerScale::Fractions(w, h)), ..Layer::default() };
        let mut planner = Planner::new(&source.header, recipe, context.limits, &source.colors);
        (planner.scale, planner.canvas) = (scale, Some(composite));
        planner.shape_layer(&layer, &source.header)?;
        let size = planner.size;
        let (plan, _) = planner.finish_sub_plan(&source, DecodeOptions::default(), context)?;
        let place = |scale: f64, side: u32, size: u32, align: f64| {
            (f64::from(side) * scale - f64::from(size)) * (1.0 + align) / 2.0
        };
        // Where the composite begins, from the left and the top of what is visible.
        let start = (
            placement.offset.0 as f64 - left * scale.0 - visible.left as f64,
            placement.offset.1 as f64 - top * scale.1 - visible.top as f64,
        );
        let at = (
            (start.0 + place(scale.0, composite.0, size.0, watermark.align.0) + 0.5 + 1e-9).floor() as i64,
            (start.1 + place(scale.1, composite.1, size.1, watermark.align.1) + 0.5 + 1e-9).floor() as i64,
        );
        self.steps.push(Step::Paint(Box::new(PaintStep {
            content: PaintContent::Picture(plan),
            at,
            tiled: watermark.tiled,
            blend: Blend { mode: watermark.blend, opacity: 1.0, seed: SEED },
            effects: Vec::new(),
            shape: None,
        })));
        Ok(())
    }
}
