//! Operations on pixels as they were asked for, wherever they stand.

use serde::{Deserialize, Serialize};

use crate::colour::Colour;

/// Operations on pixels, in the order in which they are done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Tone {
    /// -100 to 100.
    pub brightness: i32,
    /// -100 to 100.
    pub contrast: i32,
    /// Red, green and blue, -100 to 100.
    pub balance: [i32; 3],
    /// Degrees, -180 to 180.
    pub hue: i32,
    /// -100 to 100.
    pub saturation: i32,
    /// All in one colour.
    pub colorize: Option<Colorize>,
    /// Each component turned round.
    pub invert: bool,
    /// Pixels by which bright areas grow; below 0 dark ones do.
    pub grow: i32,
    /// Radius in pixels, 0 to 100.
    pub blur: f64,
    /// Random differences.
    pub noise: Option<Noise>,
}

/// All in one colour; light and shadow stay. Documentation page: r-op-colorize.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Colorize {
    /// The colour of medium brightness.
    pub color: Colour,
    /// Whether brightness moves until half of the pixels are darker than medium.
    pub norm: bool,
    /// 0 to 100; 0 keeps the range of brightness.
    pub contrast: f64,
}

/// Random differences, the same each time. Documentation page: r-op-noise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Noise {
    /// Strength, 1 to 100.
    pub percent: i32,
    /// Small differences are more frequent than large ones.
    pub gaussian: bool,
    /// All components differ alike.
    pub mono: bool,
}

/// Sharpening of one place.
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
    /// Only brightness is sharpened.
    pub mono: bool,
    /// The radius counts pixels of the full-resolution picture and shrinks with it.
    pub scaled: bool,
}
