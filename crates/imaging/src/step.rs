//! The steps of a plan: operations on pixels, as numbers, and how the pictures that they need are decoded.
//! [`super::execute`] executes them.

use offprint_modifiers::{DecodeOptions, Noise, Outline, PixelType, ResampleSpace, Sampling, Tone};
use serde::Serialize;

use super::colour::Conversion;
use super::file_section::FilePart;
use super::frame::Frame;
use super::header::{ImageHeader, SourceFormat};
use super::pixels::{Blend, FillColor, Kernel, ShapeEffect};
use super::turn::Turn;

/// One operation on pixels. Sizes, positions and radii are in pixels of the image as it is at that step.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", tag = "step")]
pub enum Step {
    /// A rectangle of the image. Where it reaches outside, the fill shows: this crops, extends or both.
    Window { x: i64, y: i64, width: u32, height: u32, fill: FillColor },
    /// Each box of 2, 4 or 8 pixels to a side becomes one pixel, its average: as much smaller as the decoder would have made
    /// the image if no rendition needed more of it. Renditions of one source share these averages.
    Average { box_side: u8, width: u32, height: u32 },
    /// A rectangle of the image, resampled to a size.
    Resize {
        /// Left, top, width, height; fractions of pixels are meant.
        from: [f64; 4],
        width: u32,
        height: u32,
        kernel: Kernel,
        /// In which values, where the image becomes smaller.
        space: ResampleSpace,
    },
    /// The product on its plain or transparent background is found, and resampled into a transparent frame.
    FitProduct {
        /// How far a component may be from the background and still belongs to it, of 255.
        tolerance: f64,
        #[serde(flatten)]
        frame: Frame,
        kernel: Kernel,
        /// In which values, where the product becomes smaller.
        space: ResampleSpace,
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
    Fill { color: FillColor },
    /// A colour laid under a part of the image.
    FillPart {
        color: FillColor,
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
    Flatten { color: FillColor },
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
    /// A perspective, onto a rectangle of its own.
    Warp {
        width: u32,
        height: u32,
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
    /// The image becomes a colour; its alpha, or its brightness, becomes the alpha of the colour.
    Stencil {
        color: FillColor,
        /// Components of the colour.
        to: PixelType,
        /// Whether brightness counts, beside alpha where there is any.
        by_brightness: bool,
    },
    /// Another picture or a colour is laid over the image.
    Paint(Box<PaintStep>),
    /// The image is laid over its own outer effects on a transparent canvas, and its inner effects over it.
    AddEffects {
        effects: Vec<ShapeEffect>,
        /// Opacity of the image, 0 to 1; effects have their own.
        opacity: f64,
        /// Makes the shape, where it is not the alpha of the image.
        #[serde(skip_serializing_if = "Option::is_none")]
        shape: Option<Box<SubPlan>>,
    },
}

/// A layer that is laid over the image.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PaintStep {
    pub content: PaintContent,
    /// Left and top in the image.
    pub at: (i64, i64),
    /// Whether it is repeated over the whole image, from `at` in all directions.
    pub tiled: bool,
    #[serde(flatten)]
    pub(crate) blend: Blend,
    /// In the order in which they are drawn: outer ones before the content, inner ones after it.
    pub effects: Vec<ShapeEffect>,
    /// Makes the shape for the effects, where it is not the alpha of the content.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shape: Option<SubPlan>,
}

/// What a layer shows.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum PaintContent {
    /// A picture. Its pixels have the components of the image that it is laid over.
    Picture(SubPlan),
    /// A rectangle of one colour.
    Color { color: FillColor, width: u32, height: u32 },
}

/// How the source is decoded.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DecodePlan {
    /// The SHA-256 of another asset whose file is decoded; none for the source itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object: Option<String>,
    pub format: SourceFormat,
    /// The part of the file that is decoded, where it is not what the file begins with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub part: Option<FilePart>,
    /// The decoder divides width and height by this: 1, 2, 4 or 8.
    pub shrink: u8,
    /// Width in pixels after the shrink, as stored; the steps make the image upright.
    pub width: u32,
    /// Height in pixels after the shrink, as stored.
    pub height: u32,
    pub color: PixelType,
    /// Bits per component once decoded: 8 or 16.
    pub bits: u8,
    pub alpha: bool,
    /// Whether colours are stored multiplied by alpha.
    pub premultiplied: bool,
    /// Whether inks are stored inverted (255 is no ink), as in Adobe's JPEGs.
    pub inverted: bool,
    /// Whether a damaged image is rendered as far as it decodes.
    pub accepts_damage: bool,
    /// Set when the image is not a file but made by a plan of its own: the result of a nested request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inner: Option<Box<SubPlan>>,
    /// Set when there is no image: all pixels have this colour.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blank: Option<FillColor>,
}

/// How a picture is made that becomes part of another one: a layer, or the result of a nested request.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SubPlan {
    pub decode: DecodePlan,
    pub steps: Vec<Step>,
    /// Estimate of the most bytes held at once meanwhile.
    pub peak_bytes: u64,
}

impl DecodePlan {
    /// How an image with this header is decoded; `shrink` divides its sides.
    pub(super) fn new(header: &ImageHeader, shrink: u8, object: Option<&str>, reading: DecodeOptions) -> Self {
        let divisor = u32::from(shrink);
        Self {
            object: object.map(str::to_owned),
            format: header.format,
            part: header.part,
            shrink,
            width: header.width.div_ceil(divisor),
            height: header.height.div_ceil(divisor),
            color: header.color,
            bits: get_decoded_bits(header),
            alpha: header.alpha,
            premultiplied: header.premultiplied,
            inverted: header.inverted,
            accepts_damage: reading.accepts_damage,
            inner: None,
            blank: None,
        }
    }

    /// Whether it depends on nothing but the content of other assets, so that it gives the same pixels for every source.
    pub(super) fn is_constant(&self) -> bool {
        match &self.inner {
            Some(inner) => inner.is_constant(),
            None => self.blank.is_some() || self.object.is_some(),
        }
    }
}

impl SubPlan {
    /// Whether it gives the same pixels for every source.
    pub(super) fn is_constant(&self) -> bool {
        let is_constant_step = |step: &Step| match step {
            Step::Mask { decode, .. } => decode.is_constant(),
            Step::Paint(paint) => paint.plans().all(Self::is_constant),
            Step::AddEffects { shape, .. } => shape.iter().all(|shape| shape.is_constant()),
            _ => true,
        };
        self.decode.is_constant() && self.steps.iter().all(is_constant_step)
    }
}

impl PaintStep {
    /// The plans of the pictures that it paints.
    pub(super) fn plans(&self) -> impl Iterator<Item = &SubPlan> {
        let content = match &self.content {
            PaintContent::Picture(plan) => Some(plan),
            PaintContent::Color { .. } => None,
        };
        content.into_iter().chain(&self.shape)
    }
}

/// Bits per component once decoded: files of 1 to 8 bits are decoded to 8, all others to 16.
pub(super) fn get_decoded_bits(header: &ImageHeader) -> u8 {
    if header.bits > 8 { 16 } else { 8 }
}
