//! Effects of layers, blend modes and watermarks as they were asked for.

use serde::{Deserialize, Serialize};

use super::layer::{LayerPoint, MaskUse};
use super::pixel::Noise;
use crate::asset_reference::AssetReference;
use crate::colour::Colour;

/// A colour in the shape of a layer: a shadow, a glow, a border. Documentation page: r-effect.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Effect {
    /// How the shape of the layer is used: as it is, its complement, or the whole rectangle of the layer.
    pub mask_use: MaskUse,
    /// Pixels of the composite by which the shape grows; negative shrinks it.
    pub grow: i32,
    /// Radius in pixels of the composite, 0 to 100.
    pub blur: f64,
    pub noise: Option<Noise>,
    /// Distance from the layer. Fractions are of the size of layer 0.
    pub position: Option<LayerPoint>,
    /// None is black.
    pub color: Option<Colour>,
    /// 0 to 1.
    pub opacity: Option<f64>,
    pub blend: BlendMode,
}

/// How colours are mixed with those below. Documentation page: r-blendmode.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum BlendMode {
    #[default]
    Norm,
    /// Each pixel is opaque or transparent, at random; opacity is the share of opaque ones.
    Dissolve,
    /// The lighter of both, for each component.
    Lighten,
    /// The darker of both, for each component.
    Darken,
    /// The product of both: darker than either.
    Mult,
    /// The complement of the product of complements: lighter than either.
    Screen,
}

/// An image that is laid over the composite. Documentation pages: r-watermarks, r-watermark.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Watermark {
    /// The watermark asset with its own modifiers.
    pub image: AssetReference,
    /// Width and height as fractions of the composite (`sizeN` of its layer 0); the aspect ratio is kept. None keeps
    /// its size in pixels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<[f64; 2]>,
    /// Horizontal and vertical position: -1 is left or top, 1 is right or bottom.
    pub align: (f64, f64),
    #[serde(default)]
    pub blend: BlendMode,
    /// Whether it is repeated over the whole composite.
    #[serde(default)]
    pub tiled: bool,
}
