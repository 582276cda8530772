//! The output file as it was asked for: colour management, format, pixel type, compression, palette.

use serde::{Deserialize, Serialize};

use crate::format::OutputFormat;
use crate::profile::ProfileName;

/// How colours are converted. Documentation page: r-color-management.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ColorManagement {
    /// The output profile that the modifier or an attribute names.
    pub output: Option<ProfileName>,
    /// The profile assumed for images without one, by their components.
    pub source: PerPixelType<Option<ProfileName>>,
    /// How colours outside the gamut of the output are mapped.
    pub intent: Intent,
    /// Black point compensation: the source's black becomes the output's.
    pub black_point: bool,
    /// Dithering: errors of rounding to eight bits are spread over neighbouring pixels.
    pub dither: bool,
}

/// One value for each pixel type.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PerPixelType<T> {
    pub gray: T,
    pub rgb: T,
    pub cmyk: T,
}

impl<T> PerPixelType<T> {
    pub fn get(&self, pixel_type: PixelType) -> &T {
        match pixel_type {
            PixelType::Gray => &self.gray,
            PixelType::Rgb => &self.rgb,
            PixelType::Cmyk => &self.cmyk,
        }
    }
}

/// ICC rendering intent. Documentation page: r-icc.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Intent {
    /// Keeps the impression of the whole image.
    Perceptual,
    /// Keeps colours relative to white.
    Relative,
    /// Keeps colours vivid.
    Saturation,
    /// Keeps colours, including the white of the source.
    Absolute,
}

/// How the image is encoded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Output {
    pub format: OutputFormat,
    /// Whether transparency is kept.
    pub alpha: bool,
    pub pixel_type: PixelType,
    pub compression: Compression,
    /// Progressive JPEG.
    pub progressive: bool,
    /// Quality of lossy compression, 1 to 100.
    pub quality: u8,
    /// JPEG keeps colour at full resolution.
    pub full_chroma: bool,
    /// Maximum size of a JPEG in kilobytes of 1024 bytes; the quality is lowered to meet it.
    pub jpeg_size: Option<u64>,
    /// Passes of a progressive JPEG; `None` leaves them to the encoder.
    pub scans: Option<u8>,
    /// How much work is put into making a JPEG small.
    #[serde(default, skip_serializing_if = "JpegEffort::is_fast")]
    pub jpeg_effort: JpegEffort,
    /// Reduction to a palette; `None` if the format has none.
    pub quantize: Option<Quantize>,
    /// Whether the output profile is embedded.
    pub icc_embed: bool,
    /// Whether the source's paths are embedded, moved to their position in the result.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub path_embed: bool,
    /// Whether the source's XMP is embedded, if the format can carry it.
    pub xmp_embed: bool,
    /// Whether the rights of the source are kept: creator, copyright, credit, terms of use.
    pub keep_rights: bool,
    /// Dots per inch; `None` keeps those of the source.
    pub print_res: Option<f64>,
    /// Dots per inch if neither `print_res` nor the source has any.
    pub default_print_res: f64,
}

/// How much processor time a JPEG may take for fewer bytes. Not of Image Serving: attribute `JpegEffort`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum JpegEffort {
    /// As fast as possible.
    #[default]
    Fast,
    /// Progressive, with coefficients that are chosen for few bytes (trellis quantisation).
    Small,
}

impl JpegEffort {
    fn is_fast(&self) -> bool {
        *self == Self::Fast
    }
}

/// The components of a pixel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum PixelType {
    /// One component, brightness.
    Gray,
    /// Three components, or a palette of them.
    Rgb,
    /// Four inks.
    Cmyk,
}

impl PixelType {
    /// The keyword in `fmt=`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gray => "gray",
            Self::Rgb => "rgb",
            Self::Cmyk => "cmyk",
        }
    }

    /// Number of components without alpha.
    pub fn components(self) -> usize {
        match self {
            Self::Gray => 1,
            Self::Rgb => 3,
            Self::Cmyk => 4,
        }
    }
}

/// Compression, for formats with a choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Compression {
    /// The format's only compression, or none.
    None,
    /// LZW in TIFF.
    Lzw,
    /// Deflate in TIFF and PDF.
    Zip,
    /// JPEG in TIFF and PDF.
    Jpeg,
    /// Lossless WebP, AVIF and JPEG 2000.
    Lossless,
}

/// How the colours of an image are reduced to a palette. Documentation page: r-is-http-quantize.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Quantize {
    pub palette: Palette,
    /// Floyd-Steinberg dithering: the error of a pixel is spread over its neighbours.
    pub diffuse: bool,
    /// Maximum number of colours, 2 to 256, including `forced`.
    pub colors: u16,
    /// Colours that the palette must contain.
    pub forced: Vec<[u8; 3]>,
}

impl Default for Quantize {
    fn default() -> Self {
        Self { palette: Palette::Adaptive, diffuse: true, colors: 256, forced: Vec::new() }
    }
}

/// Where the colours of a palette come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Palette {
    /// Chosen from the image.
    Adaptive,
    /// The 216 colours with six levels per component.
    Web,
    /// The 256 colours of the Mac OS system palette.
    Mac,
}
