//! Plans the layers above layer 0: each becomes a picture of its own, or a rectangle of one colour, with the place where it
//! is laid on the canvas.

use std::borrow::Cow;
use std::cell::Cell;

use offprint_modifiers::{Colour, DecodeOptions, Layer, MaskUse, Recipe};

use super::canvas::{Canvas, UNLIMITED};
use super::effects::{EffectContext, resolve_distance};
use super::layer_content::{LayerContent, as_color_layer, choose_plain_color};
use super::pixel_budget::{charge_effects, count_pixels};
use super::source_transform::SourceTransform;
use super::{PlanContext, PlanSource, Planner, has_fill};
use crate::error::RenderError;
use crate::pixels::{Blend, FillColor};
use crate::step::{PaintContent, PaintStep, SubPlan};

/// Plans the layers above layer 0.
pub(super) struct LayerPlanner<'a> {
    pub(super) recipe: &'a Recipe,
    /// The source of layer 0.
    pub(super) source: &'a PlanSource<'a>,
    pub(super) context: PlanContext<'a>,
    pub(super) canvas: Canvas,
    pub(super) scale: (f64, f64),
}

/// A layer planned at one scale.
struct DrawnLayer {
    plan: SubPlan,
    size: (u32, u32),
    alpha: bool,
    /// Opacity that is left for the painter.
    opacity: f64,
}

impl LayerPlanner<'_> {
    /// Plans a layer. `base` is the planner of layer 0, in whose colours it is laid over. None when nothing is seen of it.
    pub(super) fn plan(
        &self,
        number: u32,
        layer: &Layer,
        base: &mut Planner<'_>,
    ) -> Result<Option<PaintStep>, RenderError> {
        let content = LayerContent::new(number, layer, self.canvas.size)?;
        if let LayerContent::Color { size, origin, fills_canvas } = content
            && let Some(color) = choose_plain_color(layer)
        {
            let rectangle = self.plan_rectangle(number, layer, (size, origin, fills_canvas), color, base);
            if let PaintContent::Color { width, height, .. } = rectangle.content {
                self.context.charge(count_pixels((width.min(base.size.0), height.min(base.size.1))))?;
            }
            return Ok(Some(rectangle));
        }
        let (source, layer) = self.resolve_source(&content, layer, base)?;
        base.warnings.extend(source.warnings.iter().chain(&source.colors.warnings).cloned());
        let drawn = self.draw(&content, &layer, &source, self.scale, self.context)?;
        let fills = content.fills_picture(&layer);
        let shape = if fills && !layer.effects.is_empty() {
            let unfilled = Layer { color: None, bg_color: None, opacity: None, ..(*layer).clone() };
            Some(self.draw(&content, &unfilled, &source, self.scale, self.context)?)
        } else {
            None
        };
        let effects = base.plan_effects(
            &layer.effects,
            EffectContext {
                opacity: layer.effect_opacity.unwrap_or(1.0),
                canvas: self.canvas.size,
                has_shape: shape.as_ref().map_or(drawn.alpha, |shape| shape.alpha),
                masked: !self.recipe.composite.effects_unmasked,
                seed: u64::from(number),
            },
        );
        charge_effects(&effects, shape.as_ref().unwrap_or(&drawn).size, base.size, self.context)?;
        let at = base.round_position(self.find_position(&content, &layer, &source)?);
        Ok(Some(PaintStep {
            content: PaintContent::Picture(drawn.plan),
            at,
            tiled: false,
            blend: Blend { mode: layer.blend, opacity: drawn.opacity, seed: u64::from(number) },
            shape: shape.map(|shape| shape.plan).filter(|_| !effects.is_empty()),
            effects,
        }))
    }

    /// A rectangle of one colour needs no picture.
    fn plan_rectangle(
        &self,
        number: u32,
        layer: &Layer,
        (size, origin, fills_canvas): ((u32, u32), Option<[f64; 2]>, bool),
        (color, opacity): (Colour, f64),
        base: &Planner<'_>,
    ) -> PaintStep {
        let distance = resolve_distance(layer.position, self.canvas.size);
        let position = if fills_canvas {
            distance
        } else {
            let header = PlanSource::blank_header(size, base.pixel_type);
            let mut planner = base.clone();
            (planner.size, planner.nominal) = (size, size);
            planner.source_transform = SourceTransform::for_image(size, header.orientation);
            self.place(distance, planner.find_origin(layer, &header, origin))
        };
        // Both ends are rounded, so that neighbours meet.
        let (at, size) = (base.round_position(position), (f64::from(size.0), f64::from(size.1)));
        let end = base.round_position([position[0] + size.0, position[1] + size.1]);
        let side = |from: i64, to: i64| u32::try_from((to - from).max(1)).unwrap_or(u32::MAX);
        let (width, height) = (side(at.0, end.0), side(at.1, end.1));
        PaintStep {
            content: PaintContent::Color { color: base.to_paint(color), width, height },
            at,
            tiled: false,
            blend: Blend { mode: layer.blend, opacity: opacity * self.shared_opacity(), seed: u64::from(number) },
            effects: Vec::new(),
            shape: None,
        }
    }

    /// Where the picture of a layer comes from, and the layer as its steps see it.
    fn resolve_source<'l>(
        &self,
        content: &LayerContent<'l>,
        layer: &'l Layer,
        base: &Planner<'_>,
    ) -> Result<(PlanSource<'static>, Cow<'l, Layer>), RenderError> {
        let strict = Recipe { reading: DecodeOptions::default(), ..self.recipe.clone() };
        let (mut source, layer) = match *content {
            LayerContent::Image(reference) | LayerContent::Stencil(reference) => {
                let source = PlanSource::resolve(Some(reference), &self.source.header, &strict, self.context)?;
                (source.into_owned(), Cow::Borrowed(layer))
            }
            LayerContent::Color { size, origin, .. } => {
                let color = layer.color.map_or(FillColor::NONE, |color| base.to_paint(color));
                let source = PlanSource::blank(size, color, origin, &strict, self.context)?;
                (source, Cow::Owned(as_color_layer(layer, origin)))
            }
        };
        source.colors.adopt_output(base.colors)?;
        Ok((source, layer))
    }

    /// Plans the picture of a layer at a scale.
    fn draw(
        &self,
        content: &LayerContent<'_>,
        layer: &Layer,
        source: &PlanSource<'_>,
        scale: (f64, f64),
        context: PlanContext<'_>,
    ) -> Result<DrawnLayer, RenderError> {
        let mut planner = Planner::new(&source.header, self.recipe, context.limits, &source.colors);
        let opacity = self.apply(&mut planner, content, layer, source, scale)?;
        let size = planner.size;
        let (plan, alpha) = planner.finish_sub_plan(source, DecodeOptions::default(), context)?;
        Ok(DrawnLayer { plan, size, alpha, opacity })
    }

    /// Adds the steps of a layer. Returns the opacity that is left for the painter.
    fn apply(
        &self,
        planner: &mut Planner<'_>,
        content: &LayerContent<'_>,
        layer: &Layer,
        source: &PlanSource<'_>,
        scale: (f64, f64),
    ) -> Result<f64, RenderError> {
        (planner.scale, planner.canvas) = (scale, Some(self.canvas.size));
        match content {
            LayerContent::Image(_) => planner.apply_mask(&layer.mask, self.recipe, &source.header, self.context)?,
            LayerContent::Stencil(_) => planner.stencil(layer, source),
            LayerContent::Color { .. } if layer.mask.usage == MaskUse::Invert => planner.fade(Some(0.0)),
            LayerContent::Color { .. } => {}
        }
        planner.shape_layer(layer, &source.header)?;
        let opacity = layer.opacity.unwrap_or(1.0) * self.shared_opacity();
        let fades_now = content.fills_picture(layer);
        if fades_now {
            planner.fade(Some(opacity).filter(|opacity| *opacity < 1.0));
        }
        if matches!(content, LayerContent::Image(_)) {
            planner.fill_source(layer.color);
        }
        planner.place_layer(layer)?;
        Ok(if fades_now { 1.0 } else { opacity })
    }

    /// Where the top left of a layer lies on the canvas, at scale 1.
    fn find_position(
        &self,
        content: &LayerContent<'_>,
        layer: &Layer,
        source: &PlanSource<'_>,
    ) -> Result<[f64; 2], RenderError> {
        let distance = resolve_distance(layer.position, self.canvas.size);
        let fills_canvas = matches!(content, LayerContent::Color { fills_canvas: true, .. });
        if layer.perspective.is_some() || fills_canvas {
            return Ok(distance);
        }
        let budget = Cell::new(0);
        let context = PlanContext { layer_pixels: &budget, limits: &UNLIMITED, ..self.context };
        let mut planner = Planner::new(&source.header, self.recipe, context.limits, &source.colors);
        self.apply(&mut planner, content, layer, source, (1.0, 1.0))?;
        Ok(self.place(distance, planner.find_origin(layer, &source.header, source.color_origin)))
    }

    fn place(&self, distance: [f64; 2], origin: [f64; 2]) -> [f64; 2] {
        std::array::from_fn(|axis| self.canvas.origin[axis] + distance[axis] - origin[axis])
    }

    /// The opacity of the composite where it cannot be applied to the composite as a whole, because that would fade the
    /// fill of layer 0. Documentation page: r-opac.
    fn shared_opacity(&self) -> f64 {
        self.recipe.composite.opacity.filter(|_| has_fill(&self.recipe.layer)).unwrap_or(1.0)
    }
}
