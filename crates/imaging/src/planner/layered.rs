//! Layers above layer 0: each is planned like a picture of its own, at the scale of the view, and laid over those below.
//!
//! ```text
//! measure layer 0 at scale 1 -> canvas, origin       choose the scale of the view
//! layer 0 -> (its effects) -> Paint layer 1 -> Paint layer 2 -> composite -> (its effects) -> view
//! ```
//!
//! Here is the order, and layer 0. `layer_planner.rs` plans one of the others; what it is made of is a `LayerContent`.
//! Documentation pages: c-layering-overview and those below it.

use std::cell::Cell;

use offprint_modifiers::{Composite, DecodeOptions, Layer, Recipe};

use super::canvas::{Canvas, UNLIMITED, choose_scale};
use super::effects::EffectContext;
use super::estimate::estimate_peak_bytes;
use super::layer_planner::LayerPlanner;
use super::pixel_budget::charge_effects;
use super::{PlanContext, PlanSource, Planner, has_fill};
use crate::error::RenderError;
use crate::step::{Step, SubPlan};

/// Whether a recipe has more than one picture that is processed from beginning to end.
pub(super) fn is_layered(recipe: &Recipe) -> bool {
    let Recipe { layer, layers, composite, .. } = recipe;
    layer.blank || !layers.is_empty() || !layer.effects.is_empty() || !composite.effects.is_empty()
}

impl Planner<'_> {
    /// Plans a picture of several layers, or with effects.
    pub(super) fn apply_layered(
        &mut self,
        recipe: &Recipe,
        source: &PlanSource<'_>,
        context: PlanContext<'_>,
    ) -> Result<(), RenderError> {
        let base = source.base_layer(recipe);
        let (canvas, composite) = self.measure_canvas(&base, recipe, source, context)?;
        self.scale = choose_scale(&recipe.view, &recipe.composite, composite, context.limits)?;
        let layers = LayerPlanner { recipe, source, context, canvas, scale: self.scale };
        self.apply_base(&base, recipe, source, &layers)?;
        self.convert_to_output();
        for (number, layer) in &recipe.layers {
            if let Some(step) = layers.plan(*number, layer, self)? {
                self.steps.push(Step::Paint(Box::new(step)));
            }
        }
        self.apply_composite(recipe, &source.header)?;
        self.apply_composite_effects(recipe, canvas, context)?;
        self.apply_view(recipe, &source.header, context)
    }

    /// The canvas, and the size of the composite that is seen, both at scale 1.
    fn measure_canvas(
        &self,
        base: &Layer,
        recipe: &Recipe,
        source: &PlanSource<'_>,
        context: PlanContext<'_>,
    ) -> Result<(Canvas, (u32, u32)), RenderError> {
        let budget = Cell::new(0);
        let context = PlanContext { layer_pixels: &budget, ..context };
        let mut measured = Planner { limits: &UNLIMITED, ..self.clone() };
        measured.apply_layer(base, recipe, &source.header, context)?;
        let origin = measured.find_origin(&recipe.layer, &source.header, source.color_origin);
        let canvas = Canvas { size: measured.size, origin };
        measured.apply_composite(recipe, &source.header)?;
        Ok((canvas, measured.size))
    }

    /// Layer 0 with its effects.
    fn apply_base(
        &mut self,
        base: &Layer,
        recipe: &Recipe,
        source: &PlanSource<'_>,
        layers: &LayerPlanner<'_>,
    ) -> Result<(), RenderError> {
        let context = layers.context;
        if base.effects.is_empty() || base.hidden {
            return self.apply_layer(base, recipe, &source.header, context);
        }
        let (shape, opacity) = if has_fill(base) {
            let unfilled = Layer { color: None, bg_color: None, opacity: None, ..base.clone() };
            let mut planner = self.clone();
            planner.apply_layer(&unfilled, recipe, &source.header, context)?;
            self.apply_layer(base, recipe, &source.header, context)?;
            self.convert_to_output();
            (Some(planner.finish_sub_plan(source, recipe.reading, context)?), 1.0)
        } else {
            let unfaded = Layer { opacity: None, ..base.clone() };
            self.apply_layer(&unfaded, recipe, &source.header, context)?;
            self.convert_to_output();
            (None, base.opacity.unwrap_or(1.0))
        };
        let effects = self.plan_effects(
            &base.effects,
            EffectContext {
                opacity: base.effect_opacity.unwrap_or(1.0),
                canvas: layers.canvas.size,
                has_shape: shape.as_ref().map_or(self.alpha, |(_, alpha)| *alpha),
                masked: !recipe.composite.effects_unmasked,
                seed: 0,
            },
        );
        if effects.is_empty() {
            self.fade(Some(opacity).filter(|opacity| *opacity < 1.0));
            return Ok(());
        }
        charge_effects(&effects, self.size, self.size, context)?;
        self.steps.push(Step::AddEffects { effects, opacity, shape: shape.map(|(plan, _)| Box::new(plan)) });
        self.alpha = true;
        Ok(())
    }

    /// Effects of the composite's own shape.
    fn apply_composite_effects(
        &mut self,
        recipe: &Recipe,
        canvas: Canvas,
        plan_context: PlanContext<'_>,
    ) -> Result<(), RenderError> {
        let Composite { effects, effect_opacity, opacity, effects_unmasked, .. } = &recipe.composite;
        let opacity = opacity.filter(|_| !has_fill(&recipe.layer));
        if effects.is_empty() {
            self.fade(opacity);
            return Ok(());
        }
        let context = EffectContext {
            opacity: effect_opacity.unwrap_or(1.0),
            canvas: canvas.size,
            has_shape: self.alpha,
            masked: !effects_unmasked,
            seed: u64::MAX,
        };
        let effects = self.plan_effects(effects, context);
        if effects.is_empty() {
            self.fade(opacity);
            return Ok(());
        }
        charge_effects(&effects, self.size, self.size, plan_context)?;
        self.convert_to_output();
        self.steps.push(Step::AddEffects { effects, opacity: opacity.unwrap_or(1.0), shape: None });
        self.alpha = true;
        Ok(())
    }

    /// Ends the plan of a picture that becomes part of another one, in the colours of that one. Also returns whether it
    /// has alpha.
    pub(super) fn finish_sub_plan(
        mut self,
        source: &PlanSource<'_>,
        reading: DecodeOptions,
        context: PlanContext<'_>,
    ) -> Result<(SubPlan, bool), RenderError> {
        self.convert_to_output();
        let (alpha, size) = (self.alpha, self.size);
        context.limits.check_intermediate(size)?;
        let (decode, steps) = self.finish(source, reading)?;
        let decoded = u64::from(decode.width) * u64::from(decode.height);
        context.charge(decoded.max(u64::from(size.0) * u64::from(size.1)))?;
        let peak_bytes = estimate_peak_bytes(&source.header, &decode, &steps, size);
        Ok((SubPlan { decode, steps, peak_bytes }, alpha))
    }
}
