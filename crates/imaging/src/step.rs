//! One operation on pixels, as numbers. What each does stands in [`super::pixels`].

use serde::Serialize;

use super::colour::Conversion;
use super::pixels::Sample;
use super::plan::Decode;
use super::turn::Turn;
use offprint_modifiers::{Noise, Outline, PixelType, Sampling, Tone};

/// One operation on pixels.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", tag = "step")]
pub enum Step {
    /// A rectangle of the picture; where it reaches outside, the fill shows.
    Window {
        /// Left edge in the picture.
        x: i64,
        /// Top edge in the picture.
        y: i64,
        /// Width of the result.
        width: u32,
        /// Height of the result.
        height: u32,
        /// What shows outside the picture.
        fill: Paint,
    },
    /// A rectangle of the picture, resampled.
    Resize {
        /// Left, top, width, height in the picture.
        from: [f64; 4],
        /// Width of the result.
        width: u32,
        /// Height of the result.
        height: u32,
        /// The kernel.
        kernel: Kernel,
    },
    /// Quarter turns and mirrorings.
    Turn(Turn),
    /// A turn by any angle, onto a larger transparent rectangle.
    Rotate {
        /// Degrees clockwise.
        degrees: f64,
        /// Width of the result.
        width: u32,
        /// Height of the result.
        height: u32,
    },
    /// Alpha multiplied.
    Fade {
        /// 0 to 1.
        opacity: f64,
    },
    /// A colour laid under the picture.
    Fill {
        /// The colour.
        color: Paint,
    },
    /// The same, under a part of it.
    FillPart {
        /// The colour.
        color: Paint,
        /// Left, top, right and bottom of the part, in pixels.
        part: [u32; 4],
    },
    /// Brightness, contrast, colours.
    Tone(Tone),
    /// A Gaussian blur.
    Blur {
        /// Standard deviation, in pixels.
        sigma: f64,
    },
    /// An unsharp mask.
    Sharpen {
        /// Strength.
        amount: f64,
        /// Standard deviation of the blur, in pixels.
        sigma: f64,
        /// Smallest difference that is sharpened.
        threshold: f64,
        /// Only brightness is sharpened.
        mono: bool,
    },
    /// From one profile to another.
    Convert(Conversion),
    /// Transparency laid on a background and dropped.
    Flatten {
        /// The background, opaque.
        color: Paint,
    },
    /// Other components, without profiles.
    Recolor {
        /// The components it has then.
        to: PixelType,
    },
    /// Sixteen bits to eight.
    Reduce {
        /// What rounding takes from a pixel is given to its neighbours.
        dither: bool,
    },
    /// Another picture becomes the mask, stretched to this one's size.
    Mask {
        /// How that is decoded.
        decode: Box<Decode>,
        /// What makes it upright.
        turn: Turn,
    },
    /// Alpha dropped; colours stay.
    Unmask,
    /// Alpha turned round.
    InvertMask {
        /// Whether colours become black.
        black: bool,
    },
    /// Alpha grown, or shrunk where it is below 0.
    GrowMask {
        /// By so many pixels.
        pixels: i32,
    },
    /// The mask alone, as a gray picture.
    ShowMask,
    /// Cut along outlines.
    Clip {
        /// What lies outside of any of these becomes transparent.
        inside: Vec<Outline>,
        /// What lies inside one of these becomes transparent.
        outside: Vec<Outline>,
    },
    /// Bent by a perspective, within its rectangle.
    Warp {
        /// The way from a point of the result to one of the picture, as a matrix of homogeneous coordinates.
        back: [f64; 9],
        /// How colours are found.
        sampling: Sampling,
        /// How many points of a pixel are looked at in each direction.
        each_way: u8,
    },
    /// Bright areas grown, or dark ones where it is below 0.
    Grow {
        /// By so many pixels.
        pixels: i32,
    },
    /// Random differences.
    Noise(Noise),
}

/// A colour in the components that the picture has at that step, eight bits each, with unassociated alpha.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Paint {
    /// As many components as the picture has; inks count from no ink.
    pub color: [u8; 4],
    /// 255 is opaque.
    pub alpha: u8,
}

impl Paint {
    /// Nothing.
    pub const NONE: Self = Self { color: [0; 4], alpha: 0 };

    /// Black and opaque.
    pub fn black(pixel_type: PixelType) -> Self {
        let ink = if pixel_type == PixelType::Cmyk { 255 } else { 0 };
        Self { color: [0, 0, 0, ink], alpha: 255 }
    }

    /// Whether nothing shines through.
    pub fn is_opaque(self) -> bool {
        self.alpha == 255
    }

    /// The components of a pixel of this type, alpha last, then nothing.
    pub(super) fn pixel<S: Sample>(self, pixel_type: PixelType) -> [S; 5] {
        let colors = pixel_type.components();
        std::array::from_fn(|at| match at {
            _ if at < colors => S::of_byte(self.color[at]),
            _ if at == colors => S::of_byte(self.alpha),
            _ => S::default(),
        })
    }
}

/// The kernels of resampling.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Kernel {
    /// The average of the pixels below: in place of a decoder's shrink.
    Box,
    /// A triangle: `bilin`.
    Triangle,
    /// The cubic through its points: `bicub`.
    CatmullRom,
    /// A sinc with three lobes: `sharp2`.
    Lanczos3,
    /// A cubic with a deeper side lobe: `bisharp`.
    SharpCubic,
}
