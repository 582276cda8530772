//! Layer 0 as it was asked for: from the source picture to the composite.

use serde::{Deserialize, Serialize};

use super::{Sharpening, Tone};
use crate::colour::Colour;
use crate::object::Object;
use crate::path::Outline;

/// Layer 0: from the source picture to the composite. In the order of the documentation page r-layer-transforms.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Layer {
    /// Another asset in the place of the picture itself.
    pub source: Option<Object>,
    /// Where the picture is opaque.
    pub mask: Mask,
    /// Part of the source; outside it is transparent.
    pub crop: Option<Crop>,
    /// Names of embedded paths to whose bounds the source is cut.
    pub crop_paths: Vec<String>,
    /// Size of the layer.
    pub scale: Option<LayerScale>,
    /// Cuts of the segment `layer=0`.
    pub clip: Clip,
    /// `flip` of the segment `layer=0`.
    pub flip: Option<Flip>,
    /// Pixel operations of the segment `layer=0`.
    pub tone: Tone,
    /// Sharpening of the segment `layer=0`.
    pub sharpening: Sharpening,
    /// Opacity of the segment `layer=0`, 0 to 1.
    pub opacity: Option<f64>,
    /// Fill under the picture before it is rotated.
    pub color: Option<Colour>,
    /// Degrees clockwise, from 0 to below 360.
    pub rotate: f64,
    /// Where the corners go.
    pub perspective: Option<Perspective>,
    /// Rectangle grown or cut after rotation.
    pub extend: Option<Extend>,
    /// Fill under the layer after everything else.
    pub bg_color: Option<Colour>,
    /// It is there and takes its room, but nobody sees it.
    pub hidden: bool,
}

/// Where a picture is opaque. Documentation pages: r-mask, r-maskuse, r-op-growmask.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Mask {
    /// Another asset whose alpha, or brightness, it is; else the source's own alpha.
    pub object: Option<Object>,
    /// How it is used.
    pub usage: MaskUse,
    /// Pixels of the source by which it grows; below 0 it shrinks.
    pub grow: i32,
    /// Pixels of the layer by which it grows.
    pub grow_layer: i32,
}

/// `maskUse=`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum MaskUse {
    /// As it is.
    #[default]
    Norm,
    /// Turned round.
    Invert,
    /// Not at all.
    Off,
}

/// Cuts along outlines. Documentation pages: r-clippath, r-clipxpath.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Clip {
    /// Outside of it is transparent.
    pub inside: Option<Outline>,
    /// Outside of each of these embedded paths is transparent.
    pub inside_names: Vec<String>,
    /// Inside of it is transparent.
    pub outside: Option<Outline>,
    /// Inside of these embedded paths is transparent.
    pub outside_names: Vec<String>,
}

/// Where the corners of a layer go. Documentation page: r-perspective.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Perspective {
    /// Top left, top right, bottom right, bottom left.
    pub corners: [[f64; 2]; 4],
    /// Whether they are fractions of the layer; else pixels.
    pub fractions: bool,
    /// How colours are found.
    pub sampling: Sampling,
}

/// How colours are found when a picture is bent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Sampling {
    /// The nearest pixel: `R1`.
    Nearest,
    /// Between four pixels: `R2`.
    Linear,
    /// Several points of each pixel: `R3`; moved about by this many percent of their distance: `R3T`.
    Many(u8),
}

/// Which part of the source is used.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Crop {
    /// In pixels of the source.
    Pixels(Region),
    /// In fractions of the source: left, top, width, height.
    Fractions([f64; 4]),
}

/// A rectangle in pixels that may reach outside what it is laid on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Region {
    /// Left edge.
    pub x: i32,
    /// Top edge.
    pub y: i32,
    /// Width, above 0.
    pub w: u32,
    /// Height, above 0.
    pub h: u32,
}

/// How a layer's size is said. `size` beats `scale`, `scale` beats `res`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum LayerScale {
    /// The largest size of the same shape inside this box; 0 leaves a side free.
    Box(u32, u32),
    /// A plain factor.
    Factor(f64),
    /// A resolution, over the picture's own or what is usual where it has none.
    Resolution {
        /// The one that is asked for.
        asked: f64,
        /// What the attribute says.
        usual: f64,
    },
}

/// A mirroring.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Flip {
    /// Left and right change places.
    Lr,
    /// Top and bottom change places.
    Ud,
    /// Both.
    Lrud,
}

/// How far each edge moves outwards: left, top, right, bottom; negative cuts.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Extend {
    /// In pixels.
    Pixels([i32; 4]),
    /// In fractions of the rectangle.
    Fractions([f64; 4]),
}
