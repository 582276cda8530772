//! The render plan: what is done to make one image of one source, as numbers. Types only; how a recipe and a header
//! become a plan is in `planner/`, what the steps are is in `step.rs`.

use offprint_modifiers::{Compression, JpegEffort, OutputFormat, PixelType, Quantize};
use serde::Serialize;

use super::colour::Profile;
use super::error::RenderWarning;
use super::header::EmbeddedPath;
use super::step::{DecodePlan, Step};

/// What is done to make one image: `decode`, then `steps`, then `encode`.
///
/// Renditions of one source share work as far as their plans are equal, so everything that decides about pixels is in
/// here.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RenderPlan {
    pub decode: DecodePlan,
    pub steps: Vec<Step>,
    pub encode: EncodePlan,
    /// Width of the result, in pixels.
    pub width: u32,
    /// Height of the result, in pixels.
    pub height: u32,
    pub warnings: Vec<RenderWarning>,
    /// Estimate of the most bytes held at once.
    pub peak_bytes: u64,
}

/// How the result is written.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EncodePlan {
    pub format: OutputFormat,
    /// Whether alpha is written.
    pub alpha: bool,
    pub pixel_type: PixelType,
    pub compression: Compression,
    /// Whether a JPEG is progressive.
    pub progressive: bool,
    /// Quality of lossy formats, 1 to 100.
    pub quality: u8,
    /// Whether a JPEG keeps chroma at full resolution (4:4:4).
    pub full_chroma: bool,
    /// Target size of a JPEG, in kilobytes: the quality is lowered until it fits.
    pub jpeg_size: Option<u64>,
    /// Number of passes of a progressive JPEG.
    pub scans: Option<u8>,
    /// How much work is put into making a JPEG small.
    pub jpeg_effort: JpegEffort,
    /// Whether the Huffman tables of a JPEG may be made for it: not where it can be encoded while the source is decoded,
    /// also when it is not, because its bytes must not depend on what is rendered beside it; and not where it is large.
    pub may_fit_tables: bool,
    /// How the number of colours is reduced.
    pub quantize: Option<Quantize>,
    /// Dots per inch.
    pub dpi: f64,
    /// The colour profile to embed.
    pub profile: Option<Profile>,
    /// The XMP to embed: the source's own, or a small packet that keeps the rights.
    #[serde(skip)]
    pub xmp: Option<Vec<u8>>,
    /// Photoshop paths to embed, in fractions of the result.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<EmbeddedPath>,
}
