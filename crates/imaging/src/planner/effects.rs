//! Effects in numbers. Documentation pages: r-effect, r-layer-effects.

use std::collections::BTreeMap;

use offprint_modifiers::{Effect, LayerPoint};

use super::Planner;
use crate::pixels::{Blend, FillColor, ShapeEffect};

/// What all effects of one layer have in common.
#[derive(Clone, Copy)]
pub(super) struct EffectContext {
    /// Opacity that they share with the layer, 0 to 1.
    pub(super) opacity: f64,
    /// Size of layer 0 at scale 1.
    pub(super) canvas: (u32, u32),
    /// Whether outer effects are drawn: a layer without alpha has no shape that could cast one. Documentation page:
    /// r-restrictions-and-known-issues.
    pub(super) has_shape: bool,
    /// Whether outer effects are left out where the layer is opaque.
    pub(super) masked: bool,
    /// Tells the layer's random choices from those of others.
    pub(super) seed: u64,
}

impl Planner<'_> {
    /// The effects of a layer, in the order in which they are drawn, at the scale of the picture.
    pub(super) fn plan_effects(&self, effects: &BTreeMap<i32, Effect>, context: EffectContext) -> Vec<ShapeEffect> {
        let is_drawn = |number: &i32| *number > 0 || context.has_shape;
        let effects = effects.iter().filter(|(number, _)| is_drawn(number));
        effects.map(|(number, effect)| self.plan_effect(*number, effect, context)).collect()
    }

    fn plan_effect(&self, number: i32, effect: &Effect, context: EffectContext) -> ShapeEffect {
        let color = effect.color.map_or(FillColor::black(self.colors.pixel_type), |color| self.to_paint(color));
        ShapeEffect {
            inner: number > 0,
            mask_use: effect.mask_use,
            grow: f64::from(effect.grow) * self.length_scale(),
            sigma: effect.blur / 2.0 * self.length_scale(),
            noise: effect.noise,
            offset: self.round_position(resolve_distance(effect.position, context.canvas)),
            color,
            masked: context.masked,
            blend: Blend {
                mode: effect.blend,
                opacity: context.opacity * effect.opacity.unwrap_or(1.0),
                seed: context
                    .seed
                    .wrapping_mul(31)
                    .wrapping_add(u64::from(number.unsigned_abs()) * 2 + u64::from(number > 0)),
            },
        }
    }

    /// A distance of the recipe in whole pixels of the picture; halves are rounded up.
    pub(super) fn round_position(&self, [x, y]: [f64; 2]) -> (i64, i64) {
        let round = |value: f64, scale: f64| (value * scale + 0.5 + 1e-9).floor() as i64;
        (round(x, self.scale.0), round(y, self.scale.1))
    }
}

/// A distance in pixels at scale 1; fractions are of the size of layer 0.
pub(super) fn resolve_distance(distance: Option<LayerPoint>, (width, height): (u32, u32)) -> [f64; 2] {
    match distance {
        None => [0.0, 0.0],
        Some(LayerPoint::Pixels(distance)) => distance,
        Some(LayerPoint::Fractions([x, y])) => [x * f64::from(width), y * f64::from(height)],
    }
}
