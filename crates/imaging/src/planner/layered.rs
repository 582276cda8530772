//! Layers above layer 0: each is planned like a picture of its own, at the scale of the view, and laid over those below.
//!
//! ```text
//! measure layer 0 at scale 1 -> canvas, origin       choose the scale of the view
//! layer 0 -> (its effects) -> Paint layer 1 -> Paint layer 2 -> composite -> (its effects) -> view
//! ```
//!
//! What a layer is made of is a [`LayerContent`]; whatever else can be drawn (text, as outlines) becomes another one.
//! Documentation pages: c-layering-overview and those below it.

use std::borrow::Cow;
use std::cell::Cell;

use offprint_core::Code;
use offprint_modifiers::{
    AssetReference, Clip, Colour, Composite, DecodeOptions, Layer, LayerScale, MaskUse, Outline, Recipe, Sharpening,
    Stroke, Tone,
};

use super::canvas::{Canvas, UNLIMITED, choose_scale};
use super::effects::{EffectContext, resolve_distance};
use super::estimate::estimate_peak_bytes;
use super::{PlanContext, PlanSource, Planner, has_fill};
use crate::error::RenderError;
use crate::pixels::{Blend, FillColor, ShapeEffect};
use crate::step::{PaintContent, PaintStep, Step, SubPlan};
use crate::view::round_size;

/// How many times the largest image all layers of a picture may have together, in pixels that are decoded, made or painted.
const MAX_LAYER_IMAGES: u64 = 4;

/// Whether a recipe has more than one picture that is processed from beginning to end.
pub(super) fn is_layered(recipe: &Recipe) -> bool {
    let Recipe { layer, layers, composite, .. } = recipe;
    layer.blank || !layers.is_empty() || !layer.effects.is_empty() || !composite.effects.is_empty()
}

/// What a layer above layer 0 is made of.
enum LayerContent<'a> {
    /// An asset, or the result of a nested request.
    Image(&'a AssetReference),
    /// A colour in the shape of a mask.
    Stencil(&'a AssetReference),
    /// A colour of this size at scale 1, and the point of it that is placed unless there is another one.
    Color { size: (u32, u32), origin: Option<[f64; 2]>, fills_canvas: bool },
}

impl<'a> LayerContent<'a> {
    fn new(number: u32, layer: &'a Layer, canvas: (u32, u32)) -> Result<Self, RenderError> {
        if let Some(source) = &layer.source {
            return Ok(Self::Image(source));
        }
        if let Some(mask) = &layer.mask.object {
            return Ok(Self::Stencil(mask));
        }
        if let Some((size, origin)) = measure_color(number, layer, canvas)? {
            return Ok(Self::Color { size, origin, fills_canvas: false });
        }
        Ok(Self::Color { size: canvas, origin: None, fills_canvas: true })
    }
}

/// A size at scale 1, and a point of it that is placed unless there is another one.
type ColorArea = ((u32, u32), Option<[f64; 2]>);

/// The size of a colour, and the point of its outline's coordinates that is 0,0. None when neither size nor outline say
/// how large it is.
pub(super) fn measure_color(number: u32, layer: &Layer, canvas: (u32, u32)) -> Result<Option<ColorArea>, RenderError> {
    let side = |fraction: f64, side: u32| if fraction > 0.0 { round_size(fraction * f64::from(side)) } else { 0 };
    let size = match layer.scale {
        Some(LayerScale::Box(w, h)) => Some((w, h)),
        Some(LayerScale::Fractions(w, h)) => Some((side(w, canvas.0), side(h, canvas.1))),
        _ => None,
    };
    match (size, &layer.clip.inside) {
        (Some((0, _) | (_, 0)), _) => {
            let detail =
                format!("Layer {number} has no image to derive a side from. Write both width and height of its size.");
            Err(RenderError::new(Code::InvalidModifier, detail))
        }
        (Some(size), _) => Ok(Some((size, None))),
        (None, Some(outline)) => {
            let [left, top, right, bottom] = measure_outline(outline);
            let size = (round_size((right - left).ceil()), round_size((bottom - top).ceil()));
            Ok(Some((size, Some([-left, -top]))))
        }
        (None, None) => Ok(None),
    }
}

/// Left, top, right and bottom of the points of an outline, in whole pixels.
fn measure_outline(outline: &Outline) -> [f64; 4] {
    let points = outline.0.iter().flat_map(|stroke| match *stroke {
        Stroke::Move(to) | Stroke::Line(to) => vec![to],
        Stroke::Curve(points) => points.to_vec(),
    });
    let bounds = [f64::INFINITY, f64::INFINITY, f64::NEG_INFINITY, f64::NEG_INFINITY];
    let [left, top, right, bottom] = points
        .fold(bounds, |[left, top, right, bottom], [x, y]| [left.min(x), top.min(y), right.max(x), bottom.max(y)]);
    [left.floor(), top.floor(), right.ceil(), bottom.ceil()]
}

/// The outline from another point on.
fn shift_outline(outline: &Outline, [dx, dy]: [f64; 2]) -> Outline {
    let point = |[x, y]: [f64; 2]| [x + dx, y + dy];
    let shift = |stroke: &Stroke| match *stroke {
        Stroke::Move(to) => Stroke::Move(point(to)),
        Stroke::Line(to) => Stroke::Line(point(to)),
        Stroke::Curve(points) => Stroke::Curve(points.map(point)),
    };
    Outline(outline.0.iter().map(shift).collect())
}

/// The layer as its steps see it, where a colour has a size of its own: scale and crop are done with.
pub(super) fn as_color_layer(layer: &Layer, origin: Option<[f64; 2]>) -> Layer {
    let shift = |outline: &Option<Outline>| {
        let shifted = origin.map(|by| outline.as_ref().map(|outline| shift_outline(outline, by)));
        shifted.unwrap_or_else(|| outline.clone())
    };
    let clip = Clip { inside: shift(&layer.clip.inside), outside: shift(&layer.clip.outside), ..layer.clip.clone() };
    Layer { scale: None, crop: None, color: None, clip, ..layer.clone() }
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

fn count_pixels((width, height): (u32, u32)) -> u64 {
    u64::from(width) * u64::from(height)
}

/// Counts the masks of effects: each is as large as the shape with what it grows and blurs, as far as that lies in the image.
fn charge_effects(
    effects: &[ShapeEffect],
    shape: (u32, u32),
    image: (u32, u32),
    context: PlanContext<'_>,
) -> Result<(), RenderError> {
    for effect in effects {
        let reach = (2.0 * (effect.grow.max(0.0) + 3.0 * effect.sigma)).min(f64::from(u32::MAX)) as u32;
        let side = |shape: u32, image: u32| shape.saturating_add(reach).min(image);
        context.charge(count_pixels((side(shape.0, image.0), side(shape.1, image.1))))?;
    }
    Ok(())
}

impl PlanContext<'_> {
    /// Counts pixels that a layer takes. The limits of single images do not bound a picture of many layers.
    ///
    /// # Errors
    /// `output-too-large` when all layers together take too many.
    pub(super) fn charge(&self, pixels: u64) -> Result<(), RenderError> {
        let total = self.layer_pixels.get().saturating_add(pixels);
        self.layer_pixels.set(total);
        let limit = self.limits.output_pixels.max(self.limits.source_pixels).saturating_mul(MAX_LAYER_IMAGES);
        if total > limit {
            let detail = format!(
                "The layers would have {total} pixels in all; the limit is {limit}. Use fewer or smaller layers."
            );
            return Err(RenderError::new(Code::OutputTooLarge, detail));
        }
        Ok(())
    }
}

/// Plans the layers above layer 0.
struct LayerPlanner<'a> {
    recipe: &'a Recipe,
    /// The source of layer 0.
    source: &'a PlanSource<'a>,
    context: PlanContext<'a>,
    canvas: Canvas,
    scale: (f64, f64),
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
    fn plan(&self, number: u32, layer: &Layer, base: &mut Planner<'_>) -> Result<Option<PaintStep>, RenderError> {
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
        let fills = fills_picture(&content, &layer);
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
            planner.source_transform = super::SourceTransform::for_image(size, header.orientation);
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
        let fades_now = fills_picture(content, layer);
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

/// Whether a layer lays a colour under its picture, which `opac` must not fade.
fn fills_picture(content: &LayerContent<'_>, layer: &Layer) -> bool {
    layer.bg_color.is_some() || (matches!(content, LayerContent::Image(_)) && layer.color.is_some())
}

/// The colour and the opacity of a layer that is nothing but a rectangle.
fn choose_plain_color(layer: &Layer) -> Option<(Colour, f64)> {
    let is_plain = layer.rotate == 0.0
        && layer.perspective.is_none()
        && layer.extend.is_none()
        && layer.clip == Clip::default()
        && layer.tone == Tone::default()
        && layer.sharpening == Sharpening::default()
        && layer.effects.is_empty()
        && layer.mask.usage != MaskUse::Invert;
    match (layer.color, layer.bg_color) {
        _ if !is_plain => None,
        (Some(color), None) => Some((color, layer.opacity.unwrap_or(1.0))),
        (None, Some(color)) => Some((color, 1.0)),
        _ => None,
    }
}

impl Planner<'_> {
    /// Turns a mask into a colour of its shape.
    fn stencil(&mut self, layer: &Layer, source: &PlanSource<'_>) {
        let color = layer.color.map_or(FillColor::NONE, |color| self.to_paint(color));
        let by_brightness = !source.header.alpha;
        self.steps.push(Step::Stencil { color, to: self.colors.pixel_type, by_brightness });
        (self.pixel_type, self.profile, self.alpha) = (self.colors.pixel_type, self.colors.output.clone(), true);
        match layer.mask.usage {
            MaskUse::Norm => {}
            MaskUse::Off => {
                self.steps.push(Step::Unmask);
                self.alpha = false;
            }
            MaskUse::Invert => self.steps.push(Step::InvertMask { black: false }),
        }
        self.grow_mask(f64::from(layer.mask.grow));
    }
}
