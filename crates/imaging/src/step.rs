//! The steps of a plan: operations on pixels, as numbers. [`super::pixels`] executes them.

use offprint_modifiers::{Noise, Outline, PixelType, Sampling, Tone};
use serde::Serialize;

use super::colour::Conversion;
use super::pixels::Sample;
use super::plan::DecodePlan;
use super::turn::Turn;

/// One operation on pixels. Sizes, positions and radii are in pixels of the image as it is at that step.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", tag = "step")]
pub enum Step {
    /// A rectangle of the image. Where it reaches outside, the fill shows: this crops, extends or both.
    Window { x: i64, y: i64, width: u32, height: u32, fill: Paint },
    /// A rectangle of the image, resampled to a size.
    Resize {
        /// Left, top, width, height; fractions of pixels are meant.
        from: [f64; 4],
        width: u32,
        height: u32,
        kernel: Kernel,
    },
    /// Quarter turns and mirroring.
    Turn(Turn),
    /// A rotation by any angle, about the middle, onto a larger transparent rectangle.
    Rotate {
        /// Clockwise.
        degrees: f64,
        width: u32,
        height: u32,
    },
    /// Alpha multiplied.
    Fade {
        /// 0 to 1.
        opacity: f64,
    },
    /// A colour laid under the image.
    Fill { color: Paint },
    /// A colour laid under a part of the image.
    FillPart {
        color: Paint,
        /// Left, top, right, bottom.
        part: [u32; 4],
    },
    /// Brightness, contrast, colours.
    Tone(Tone),
    /// A Gaussian blur.
    Blur {
        /// Standard deviation.
        sigma: f64,
    },
    /// An unsharp mask.
    Sharpen {
        /// Strength: 1 adds the whole difference from the blurred image.
        amount: f64,
        /// Standard deviation of the blur.
        sigma: f64,
        /// Smallest difference that is sharpened, of 255.
        threshold: f64,
        /// Whether only brightness is sharpened.
        mono: bool,
    },
    /// A conversion from one colour profile to another.
    Convert(Conversion),
    /// The image laid on an opaque background; alpha is dropped.
    Flatten { color: Paint },
    /// Other components by the naive rules, without profiles.
    Recolor { to: PixelType },
    /// Sixteen bits to eight.
    Reduce {
        /// Whether the rounding error of a pixel is passed on to its neighbours.
        dither: bool,
    },
    /// Another image becomes the mask, stretched to this one's size.
    Mask {
        decode: Box<DecodePlan>,
        /// Makes the mask upright.
        turn: Turn,
    },
    /// Alpha dropped; colours stay as they are.
    Unmask,
    /// Alpha inverted.
    InvertMask {
        /// Whether colours become black: where they are stored multiplied, transparent pixels have none.
        black: bool,
    },
    /// Opaque areas grown, or shrunk when negative.
    GrowMask { pixels: i32 },
    /// The mask alone, as a gray image.
    ShowMask,
    /// Everything beyond outlines made transparent.
    Clip {
        /// What lies outside any of these becomes transparent.
        inside: Vec<Outline>,
        /// What lies inside one of these becomes transparent.
        outside: Vec<Outline>,
    },
    /// A perspective, within the rectangle of the image.
    Warp {
        /// Maps a point of the result to one of the image: a 3x3 matrix of homogeneous coordinates, row by row.
        back: [f64; 9],
        sampling: Sampling,
        /// Number of points that are sampled per pixel in each direction.
        each_way: u8,
    },
    /// Bright areas grown, or dark areas when negative.
    Grow { pixels: i32 },
    /// Reproducible random differences.
    Noise(Noise),
}

/// A colour in the components that the image has at that step, 8 bits each, with unassociated alpha.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Paint {
    /// As many components as the image has, then zeros; inks count from 0, no ink.
    pub color: [u8; 4],
    /// 255 is opaque.
    pub alpha: u8,
}

impl Paint {
    /// Fully transparent.
    pub(crate) const NONE: Self = Self { color: [0; 4], alpha: 0 };

    pub(crate) fn black(pixel_type: PixelType) -> Self {
        let ink = if pixel_type == PixelType::Cmyk { 255 } else { 0 };
        Self { color: [0, 0, 0, ink], alpha: 255 }
    }

    pub(crate) fn is_opaque(self) -> bool {
        self.alpha == 255
    }

    /// The components of a pixel of this type, then alpha, then zeros.
    pub(super) fn pixel<S: Sample>(self, pixel_type: PixelType) -> [S; 5] {
        let colors = pixel_type.components();
        std::array::from_fn(|at| match at {
            _ if at < colors => S::from_byte(self.color[at]),
            _ if at == colors => S::from_byte(self.alpha),
            _ => S::default(),
        })
    }
}

/// Resampling kernels, with the value of the command `resMode` that asks for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Kernel {
    /// The average of the source pixels that an output pixel covers: replaces a decoder's shrink, no command asks for
    /// it.
    Box,
    /// A triangle: `bilin`.
    Triangle,
    /// An interpolating cubic (Catmull-Rom): `bicub`.
    CatmullRom,
    /// A windowed sinc with three lobes: `sharp2`.
    Lanczos3,
    /// A cubic with a deeper negative lobe: `bisharp`.
    SharpCubic,
}
