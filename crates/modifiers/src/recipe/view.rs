//! The view as it was asked for: size, place, background.

use serde::{Deserialize, Serialize};

use super::{Region, Sharpening};
use crate::colour::Colour;

/// How the composite is shown: size, place and background. Documentation page: r-view-transform-for-images.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct View {
    /// Width asked for, in pixels.
    pub wid: Option<u32>,
    /// Height asked for, in pixels.
    pub hei: Option<u32>,
    /// How the composite fits into width and height.
    pub fit: Fit,
    /// Factor from `scl` (already inverted: 0.5 halves).
    pub scale: Option<f64>,
    /// Region of interest, in pixels of the composite.
    pub rgn: Option<Region>,
    /// Part of the finished view.
    #[serde(default)]
    pub rect: Option<Tile>,
    /// By how much width and height are multiplied, for dense screens.
    #[serde(default)]
    pub dpr: Option<f64>,
    /// What of the composite is shown.
    #[serde(default)]
    pub request: Request,
    /// Where the picture lies in the view, -1 to 1 from left and top to right and bottom.
    pub align: (f64, f64),
    /// Caps of the size when none is asked for; 0 is no cap.
    pub default_pix: (u32, u32),
    /// Largest view allowed; 0 is no limit.
    pub max_pix: (u32, u32),
    /// What shows where the picture does not; always opaque.
    pub background: Colour,
    /// The way of scaling.
    pub res_mode: ResMode,
    /// Sharpening after all scaling.
    pub sharpening: Sharpening,
}

/// `req=`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Request {
    /// The picture.
    #[default]
    Picture,
    /// Its alpha, as brightness.
    Mask,
    /// A small picture of one size for all. Documentation page: r-view-transform-for-thumbnails.
    Thumbnail(Thumbnail),
}

/// How thumbnails are made.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Thumbnail {
    /// Width and height where the modifier says none.
    pub pix: (u32, u32),
    /// How the picture meets them.
    pub kind: ThumbType,
    /// Where it lies, -1 to 1 from left and top to right and bottom.
    pub align: (f64, f64),
}

/// The attribute ThumbType.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ThumbType {
    /// The thumbnail is filled, the rest cut away.
    Crop,
    /// All of the picture, on background.
    Fit,
    /// The picture is not scaled.
    Texture,
}

/// A tile of the finished view. Documentation page: r-rect.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tile {
    /// The tile, in pixels of the scaled view.
    pub region: Region,
    /// What the view is scaled by before.
    pub scale: f64,
}

/// `fit=mode,upscale`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fit {
    /// The way of fitting.
    pub mode: FitMode,
    /// Whether a small picture is enlarged.
    pub upscale: bool,
}

/// The ways of fitting a picture into width and height. Documentation page: r-fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum FitMode {
    /// All of it, on background.
    Fit,
    /// All of it, no larger than the box, no background.
    Constrain,
    /// The box filled, the rest cut away.
    Crop,
    /// The box filled, nothing cut away.
    Wrap,
    /// The box filled, shape not kept.
    Stretch,
    /// The box's width filled.
    Hfit,
    /// The box's height filled.
    Vfit,
}

/// The ways of scaling. Documentation page: r-is-http-resmode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ResMode {
    /// Bilinear.
    Bilin,
    /// Bicubic.
    Bicub,
    /// A windowed sinc; the sharpest that does not ring much.
    Sharp2,
    /// A sharper bicubic.
    Bisharp,
}
