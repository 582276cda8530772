//! Layer 0 as it was asked for: what is done with the source before it becomes the composite.

use serde::{Deserialize, Serialize};

use super::{Sharpening, Tone};
use crate::asset_reference::AssetReference;
use crate::colour::Colour;
use crate::path::Outline;

/// Layer 0: from the source image to the composite. Fields are in the order in which they are applied. Documentation
/// page: r-layer-transforms.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Layer {
    /// Another asset in place of the image itself.
    pub source: Option<AssetReference>,
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
    /// The layer keeps its size but is not drawn.
    pub hidden: bool,
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
