//! The canvas: a coordinate space, not a bitmap. Its size and the origin of layer 0 are numbers at scale 1; pixels are
//! made at the scale at which they are seen.
//!
//! ```text
//! layer 0 at scale 1: 4000x3000     view: wid=400      scale 0.1
//! every layer is planned at 0.1: sizes, positions, radii, outlines; decoders shrink as if it were the only one
//! ```
//!
//! Documentation pages: r-the-compositing-canvas, r-layer-placement.

use offprint_modifiers::{Composite, Layer, LayerPoint, View};

use super::Planner;
use crate::error::RenderError;
use crate::header::ImageHeader;
use crate::limits::RenderLimits;
use crate::view;

/// Layer 0 at scale 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Canvas {
    pub(super) size: (u32, u32),
    /// The point from which other layers are placed.
    pub(super) origin: [f64; 2],
}

/// For numbers that are not made: no limits.
pub(super) const UNLIMITED: RenderLimits = RenderLimits {
    source_pixels: u64::MAX,
    source_side: u32::MAX,
    decoded_bytes: u64::MAX,
    profile_bytes: u64::MAX,
    output_pixels: u64::MAX,
    output_side: u32::MAX,
};

impl Planner<'_> {
    /// The point of a layer that is placed: its origin, or its anchor where the picture has it now, or its centre.
    /// `default` takes the place of the centre. In pixels of the image.
    pub(super) fn find_origin(&self, layer: &Layer, header: &ImageHeader, default: Option<[f64; 2]>) -> [f64; 2] {
        let size = [f64::from(self.size.0), f64::from(self.size.1)];
        let from_centre = |[x, y]: [f64; 2], size: [f64; 2]| [(0.5 + x) * size[0], (0.5 + y) * size[1]];
        match (layer.origin, layer.anchor) {
            (Some(LayerPoint::Pixels(origin)), _) => origin,
            (Some(LayerPoint::Fractions(fractions)), _) => from_centre(fractions, size),
            (None, Some(anchor)) => {
                let (w, h) = header.upright_size();
                let fractions = match anchor {
                    LayerPoint::Pixels([x, y]) => [x / f64::from(w), y / f64::from(h)],
                    LayerPoint::Fractions(fractions) => from_centre(fractions, [1.0, 1.0]),
                };
                let [x, y, ..] = header.orientation.undo([fractions[0], fractions[1], 0.0, 0.0], (1.0, 1.0));
                self.source_transform.map_point([x, y])
            }
            (None, None) => default.unwrap_or_else(|| from_centre([0.0, 0.0], size)),
        }
    }
}

/// The scale at which a picture is made: that of its view. Both axes differ by rounding only, so that the composite has
/// exactly the size that the view needs; where they differ by more (`fit=stretch`) the view stretches the picture
/// afterwards.
///
/// A view that enlarges beyond the limits enlarges a part; the picture is then made at scale 1 and the part is enlarged.
pub(super) fn choose_scale(
    view: &View,
    composite: &Composite,
    size: (u32, u32),
    limits: &RenderLimits,
) -> Result<(f64, f64), RenderError> {
    // The bounds of an embedded path are whole pixels, and the same at any scale.
    if !composite.crop_paths.is_empty() {
        return Ok((1.0, 1.0));
    }
    // How large a product is in the view is known when its pixels are there.
    if view.trim.is_some() {
        return Ok((1.0, 1.0));
    }
    let placement = view::place_view(size, view)?;
    let [_, _, w, h] = placement.region;
    let (sx, sy) = (f64::from(placement.scaled.0) / w, f64::from(placement.scaled.1) / h);
    let rounding = 1.0 / f64::from(placement.scaled.0) + 1.0 / f64::from(placement.scaled.1);
    let scale = if (sx / sy - 1.0).abs() > rounding { (sx.max(sy), sx.max(sy)) } else { (sx, sy) };
    let scaled = |side: u32, scale: f64| view::round_size(f64::from(side) * scale);
    let made = (scaled(size.0, scale.0), scaled(size.1, scale.1));
    let is_enlarged = scale.0 > 1.0 || scale.1 > 1.0;
    Ok(if is_enlarged && limits.check_intermediate(made).is_err() { (1.0, 1.0) } else { scale })
}
