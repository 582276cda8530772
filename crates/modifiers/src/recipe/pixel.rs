//! Operations on pixel values as they were asked for. Layer 0 and the composite have the same ones.

use serde::{Deserialize, Serialize};

use crate::colour::Colour;

/// Operations on pixel values, in the order in which they are applied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Tone {
    /// Percent, -100 to 100.
    pub brightness: i32,
    /// Percent, -100 to 100.
    pub contrast: i32,
    /// Percent for red, green and blue, -100 to 100.
    pub balance: [i32; 3],
    /// Degrees, -180 to 180.
    pub hue: i32,
    /// Percent, -100 to 100.
    pub saturation: i32,
    pub colorize: Option<Colorize>,
    /// Inverts each component.
    pub invert: bool,
    /// Pixels by which bright areas grow; if negative, dark areas grow.
    pub grow: i32,
    /// Radius in pixels, 0 to 100.
    pub blur: f64,
    pub noise: Option<Noise>,
}

/// Tints the image with one colour and keeps light and shadow. Documentation page: r-op-colorize.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Colorize {
    /// The colour that medium brightness gets.
    pub color: Colour,
    /// Whether brightness is shifted until half of the pixels are darker than medium.
    pub norm: bool,
    /// Range of brightness in percent, 0 to 100; 0 keeps that of the image.
    pub contrast: f64,
}

/// Pseudo-random noise, the same in every run. Documentation page: r-op-noise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Noise {
    /// Strength in percent, 1 to 100.
    pub percent: i32,
    /// Normal distribution; otherwise uniform.
    pub gaussian: bool,
    /// All components change by the same amount.
    pub mono: bool,
}

/// Sharpening of layer 0, or of the view.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Sharpening {
    /// `op_sharpen=1`.
    pub simple: bool,
    /// `op_usm` or `op_usmR`.
    pub usm: Option<Usm>,
}

/// An unsharp mask. Documentation pages: r-op-usm, r-op-usmr.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Usm {
    /// Strength, 0 to 5.
    pub amount: f64,
    /// Radius in pixels, 0 to 250.
    pub radius: f64,
    /// Smallest difference that is sharpened, 0 to 255.
    pub threshold: f64,
    /// Sharpens brightness only.
    pub mono: bool,
    /// Whether the radius is in pixels of the full-resolution image and is scaled with it (`op_usm`); otherwise it is
    /// in pixels of the result (`op_usmR`).
    pub scaled: bool,
}
