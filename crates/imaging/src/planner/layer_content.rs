//! What a layer above layer 0 is made of, and the layer as its steps see it. Whatever else can be drawn (text, as
//! outlines) becomes another [`LayerContent`].

use offprint_core::Code;
use offprint_modifiers::{AssetReference, Clip, Colour, Layer, LayerScale, MaskUse, Outline, Sharpening, Stroke, Tone};

use crate::error::RenderError;
use crate::view::round_size;

/// What a layer above layer 0 is made of.
pub(super) enum LayerContent<'a> {
    /// An asset, or the result of a nested request.
    Image(&'a AssetReference),
    /// A colour in the shape of a mask.
    Stencil(&'a AssetReference),
    /// A colour of this size at scale 1, and the point of it that is placed unless there is another one.
    Color { size: (u32, u32), origin: Option<[f64; 2]>, fills_canvas: bool },
}

impl<'a> LayerContent<'a> {
    pub(super) fn new(number: u32, layer: &'a Layer, canvas: (u32, u32)) -> Result<Self, RenderError> {
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

    /// Whether it lays a colour under its picture, which `opac` must not fade.
    pub(super) fn fills_picture(&self, layer: &Layer) -> bool {
        layer.bg_color.is_some() || (matches!(self, Self::Image(_)) && layer.color.is_some())
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

/// The colour and the opacity of a layer that is nothing but a rectangle.
pub(super) fn choose_plain_color(layer: &Layer) -> Option<(Colour, f64)> {
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
