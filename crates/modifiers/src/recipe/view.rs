//! The view as it was asked for: size, position, background.

use serde::{Deserialize, Serialize};

use super::{Region, Sharpening};
use crate::colour::Colour;

/// How the composite is scaled and placed in the result. Documentation page: r-view-transform-for-images.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct View {
    /// Width asked for, in pixels.
    pub wid: Option<u32>,
    /// Height asked for, in pixels.
    pub hei: Option<u32>,
    /// How the composite fits into width and height.
    pub fit: Fit,
    /// Scale factor: 1 divided by `scl`, so 0.5 halves.
    pub scale: Option<f64>,
    /// Region of interest, in pixels of the composite.
    pub rgn: Option<Region>,
    /// Tile of the finished view.
    #[serde(default)]
    pub rect: Option<Tile>,
    /// Factor for width and height, for high-density screens.
    #[serde(default)]
    pub dpr: Option<f64>,
    #[serde(default)]
    pub request: RequestKind,
    /// Horizontal and vertical position of the image in the view: -1 is left or top, 1 is right or bottom.
    pub align: (f64, f64),
    /// Largest width and height in pixels when no size is asked for; 0 is no limit.
    pub default_pix: (u32, u32),
    /// Largest width and height of a view in pixels; 0 is no limit.
    pub max_pix: (u32, u32),
    /// Shows where the image does not cover the view or is transparent; always opaque.
    pub background: Colour,
    pub res_mode: ResMode,
    /// Crop to the product, with this tolerance of 255. Not of Image Serving: `x_trim`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trim: Option<f64>,
    /// The largest share of width and height that the image takes, below 1. Not of Image Serving: `x_pad`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pad: Option<f64>,
    /// In which values images are made smaller.
    #[serde(default, skip_serializing_if = "ResampleSpace::is_display")]
    pub resample_space: ResampleSpace,
    /// Applied after all scaling.
    pub sharpening: Sharpening,
}

/// `req=`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum RequestKind {
    /// The image.
    #[default]
    Picture,
    /// The alpha of the image, as brightness.
    Mask,
    /// A thumbnail: an image of fixed size. Documentation page: r-view-transform-for-thumbnails.
    Thumbnail(Thumbnail),
}

/// The attributes of thumbnails.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Thumbnail {
    /// Width and height in pixels if the modifier has none.
    pub pix: (u32, u32),
    pub kind: ThumbType,
    /// Horizontal and vertical position of the image: -1 is left or top, 1 is right or bottom.
    pub align: (f64, f64),
}

/// The attribute ThumbType.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ThumbType {
    /// The image fills the thumbnail and is cropped.
    Crop,
    /// The whole image, on background.
    Fit,
    /// The image is not scaled.
    Texture,
}

/// A tile of the finished view. Documentation page: r-rect.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tile {
    /// The tile, in pixels of the scaled view.
    pub region: Region,
    /// Factor by which the view is scaled before the tile is cut.
    pub scale: f64,
}

/// `fit=mode,upscale`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fit {
    pub mode: FitMode,
    /// Whether an image smaller than the box is enlarged.
    pub upscale: bool,
}

/// How the image fits into width and height, the box. Documentation page: r-fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum FitMode {
    /// The whole image, on background.
    Fit,
    /// The whole image, no larger than the box; the result gets its size, without background.
    Constrain,
    /// The image fills the box and is cropped.
    Crop,
    /// The image covers the box and is not cropped; the result may be larger than the box.
    Wrap,
    /// The image fills the box; the aspect ratio is not kept.
    Stretch,
    /// The image fills the width of the box.
    Hfit,
    /// The image fills the height of the box.
    Vfit,
}

/// Resampling method. Documentation page: r-is-http-resmode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ResMode {
    Bilin,
    Bicub,
    /// A windowed sinc: the sharpest without much ringing.
    Sharp2,
    /// A sharper bicubic.
    Bisharp,
}

/// In which values pixels are averaged where an image is made smaller. Not of Image Serving: attribute `ResampleSpace`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ResampleSpace {
    /// As they are stored: what Image Serving does.
    #[default]
    Display,
    /// As amounts of light, with 16 bits: fine bright detail keeps its brightness.
    Linear,
}

impl ResampleSpace {
    fn is_display(&self) -> bool {
        *self == Self::Display
    }
}
