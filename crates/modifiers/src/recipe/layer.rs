//! A layer as it was asked for: what is done with its source before it becomes part of the composite.
//!
//! Fields that only modifiers with several layers use are left out of the canonical text where they have their default,
//! so that recipes without layers are stored as they were before there were any.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::effect::{BlendMode, Effect};
use super::{Sharpening, Tone, is_default};
use crate::asset_reference::AssetReference;
use crate::colour::Colour;
use crate::path::Outline;

/// A layer: from its source to the composite. Fields are in the order in which they are applied. Documentation page:
/// r-layer-transforms.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Layer {
    /// The asset that is drawn. None: layer 0 is the image itself, unless it is blank, and other layers are a colour.
    pub source: Option<AssetReference>,
    /// Layer 0 has no image: it is a colour or only the canvas, as in a template.
    #[serde(skip_serializing_if = "is_default")]
    pub blank: bool,
    pub mask: LayerMask,
    /// Part of the source; area outside the source is transparent.
    pub crop: Option<Crop>,
    /// Names of embedded paths to whose bounds the source is cropped.
    pub crop_paths: Vec<String>,
    pub scale: Option<LayerScale>,
    /// Clip paths of the segment `layer=0`.
    pub clip: Clip,
    /// `flip` of the segment `layer=0`.
    pub flip: Option<Flip>,
    /// Pixel operations of the segment `layer=0`.
    pub tone: Tone,
    /// Sharpening of the segment `layer=0`.
    pub sharpening: Sharpening,
    /// Opacity of the segment `layer=0`, 0 to 1.
    pub opacity: Option<f64>,
    /// Fill behind the image before it is rotated.
    pub color: Option<Colour>,
    /// Degrees clockwise, from 0 to below 360.
    pub rotate: f64,
    pub perspective: Option<Perspective>,
    /// Rectangle grown or cropped after rotation.
    pub extend: Option<Extend>,
    /// Fill behind the layer after everything else.
    pub bg_color: Option<Colour>,
    /// Layer 0 keeps its size but is not drawn. Other layers that are hidden are not in the recipe.
    pub hidden: bool,
    /// Centre of rotation, which is also placed at `position` if there is no `origin`. Fractions count from the centre
    /// of the source.
    #[serde(skip_serializing_if = "is_default")]
    pub anchor: Option<LayerPoint>,
    /// The point that is placed at `position`. Fractions count from the centre of the layer's rectangle.
    #[serde(skip_serializing_if = "is_default")]
    pub origin: Option<LayerPoint>,
    /// Where the origin lies, from that of layer 0. Fractions are of the size of layer 0, which itself has no position.
    #[serde(skip_serializing_if = "is_default")]
    pub position: Option<LayerPoint>,
    #[serde(skip_serializing_if = "is_default")]
    pub blend: BlendMode,
    /// Below 0 behind the layer, above 0 inside it; drawn in this order.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub effects: BTreeMap<i32, Effect>,
    /// Opacity that the effects share with the layer, 0 to 1; the second value of `opac` does not fade them.
    #[serde(skip_serializing_if = "is_default")]
    pub effect_opacity: Option<f64>,
}

/// A point, or a distance.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum LayerPoint {
    Pixels([f64; 2]),
    Fractions([f64; 2]),
}

impl Layer {
    /// Whether there is nothing to draw: no asset, no mask and no colour. Only for layers above layer 0.
    pub(crate) fn is_empty(&self) -> bool {
        let has_shape = self.source.is_some() || self.mask.object.is_some();
        !has_shape && self.color.is_none() && self.bg_color.is_none()
    }

    /// The assets of source and mask.
    pub(crate) fn references(&self) -> impl Iterator<Item = &AssetReference> {
        self.source.iter().chain(&self.mask.object)
    }

    /// The same, to pin them.
    pub(crate) fn references_mut(&mut self) -> impl Iterator<Item = &mut AssetReference> {
        self.source.iter_mut().chain(&mut self.mask.object)
    }
}

/// Where an image is opaque. Documentation pages: r-mask, r-maskuse, r-op-growmask.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct LayerMask {
    /// Another asset whose alpha, or else brightness, is the mask; `None` uses the source's own alpha.
    pub object: Option<AssetReference>,
    pub usage: MaskUse,
    /// How far the mask grows, in pixels of the source; negative shrinks it.
    pub grow: i32,
    /// How far the mask grows, in pixels of the scaled layer; negative shrinks it.
    pub grow_layer: i32,
    /// Whether the mask is kept with the asset (`maskAsset`): alpha by which the asset's colours are multiplied then
    /// overrides it. Documentation page: r-maskpath-cat.
    #[serde(skip_serializing_if = "is_default")]
    pub from_record: bool,
}

/// `maskUse=`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum MaskUse {
    /// The mask as it is.
    #[default]
    Norm,
    /// The mask inverted.
    Invert,
    /// No mask.
    Off,
}

/// Clip paths. Documentation pages: r-clippath, r-clipxpath.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Clip {
    /// Everything outside this outline becomes transparent.
    pub inside: Option<Outline>,
    /// Everything outside any of these embedded paths becomes transparent.
    pub inside_names: Vec<String>,
    /// Everything inside this outline becomes transparent.
    pub outside: Option<Outline>,
    /// Everything inside these embedded paths becomes transparent.
    pub outside_names: Vec<String>,
}

/// A distortion given by the new positions of the corners. Documentation page: r-perspective.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Perspective {
    /// Top left, top right, bottom right, bottom left.
    pub corners: [[f64; 2]; 4],
    /// Whether `corners` are fractions of the layer; otherwise pixels.
    pub fractions: bool,
    pub sampling: Sampling,
}

/// How pixels are sampled when a layer is distorted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Sampling {
    /// The nearest pixel: `R1`.
    Nearest,
    /// Linear interpolation between four pixels: `R2`.
    Linear,
    /// Several points per pixel: `R3`. With `R3T`, each point is moved at random by up to this percentage of their
    /// distance.
    Many(u8),
}

/// The part of the source that is used.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Crop {
    /// In pixels of the source.
    Pixels(Region),
    /// In fractions of the source: left, top, width, height.
    Fractions([f64; 4]),
}

/// A rectangle in pixels; it may extend beyond the image that it applies to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Region {
    pub x: i32,
    pub y: i32,
    /// Width, above 0.
    pub w: u32,
    /// Height, above 0.
    pub h: u32,
}

/// How the size of a layer is given. `size` overrides `scale`, `scale` overrides `res`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum LayerScale {
    /// The largest size with the same aspect ratio inside this box, in pixels; 0 leaves that side free.
    Box(u32, u32),
    /// The same, in fractions of layer 0.
    Fractions(f64, f64),
    Factor(f64),
    /// A factor: `asked`, divided by the image's resolution, or by `usual` if it has none.
    Resolution {
        /// From `res=`.
        asked: f64,
        /// The attribute Resolution.
        usual: f64,
    },
}

/// A mirroring.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Flip {
    /// Swaps left and right.
    Lr,
    /// Swaps top and bottom.
    Ud,
    /// Both.
    Lrud,
}

/// How far each edge moves outwards: left, top, right, bottom; negative numbers crop.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Extend {
    Pixels([i32; 4]),
    /// Fractions of the rectangle.
    Fractions([f64; 4]),
}
