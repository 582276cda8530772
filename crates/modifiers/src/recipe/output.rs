//! The file as it was asked for: colours, components, packing.

use serde::{Deserialize, Serialize};

use crate::format::OutputFormat;
use crate::profile::ProfileName;

/// How colours are converted. Documentation page: r-color-management.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Colors {
    /// The output profile that the modifier or an attribute names.
    pub output: Option<ProfileName>,
    /// What a picture without a profile is taken to be in, by its components.
    pub source: ByType<Option<ProfileName>>,
    /// How colours that the output cannot have are brought into it.
    pub intent: Intent,
    /// The source's black becomes the output's.
    pub black_point: bool,
    /// Rounding to eight bits is spread over neighbours.
    pub dither: bool,
}

/// One thing for each kind of components.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ByType<T> {
    /// Of gray pictures.
    pub gray: T,
    /// Of RGB pictures.
    pub rgb: T,
    /// Of CMYK pictures.
    pub cmyk: T,
}

impl<T> ByType<T> {
    /// The one of these components.
    pub fn of(&self, pixel_type: PixelType) -> &T {
        match pixel_type {
            PixelType::Gray => &self.gray,
            PixelType::Rgb => &self.rgb,
            PixelType::Cmyk => &self.cmyk,
        }
    }
}

/// The rendering intents. Documentation page: r-icc.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Intent {
    /// What looks alike.
    Perceptual,
    /// The same colours, beside white.
    Relative,
    /// Colours that stay strong.
    Saturation,
    /// The same colours, white among them.
    Absolute,
}

/// How the picture is written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Output {
    /// The file's format.
    pub format: OutputFormat,
    /// Whether transparency is kept.
    pub alpha: bool,
    /// The components.
    pub pixel_type: PixelType,
    /// How the pixels are packed.
    pub compression: Compression,
    /// Progressive JPEG.
    pub progressive: bool,
    /// Quality where something is lost, 1 to 100.
    pub quality: u8,
    /// JPEG keeps colour at full resolution.
    pub full_chroma: bool,
    /// Most kilobytes of 1024 bytes that a JPEG may have; quality gives way.
    pub jpeg_size: Option<u64>,
    /// Passes of a progressive JPEG; `None` leaves them to the encoder.
    pub scans: Option<u8>,
    /// How colours become few; `None` where the format keeps them all.
    pub quantize: Option<Quantize>,
    /// The output profile is embedded.
    pub icc_embed: bool,
    /// The source's paths are embedded, where they are in the result.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub path_embed: bool,
    /// The source's XMP is embedded, where the format can carry it.
    pub xmp_embed: bool,
    /// Copyright, creator and credit are kept.
    pub keep_rights: bool,
    /// Dots per inch; `None` takes the source's.
    pub print_res: Option<f64>,
    /// Dots per inch where neither says them.
    pub default_print_res: f64,
}

/// The components of a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum PixelType {
    /// One component.
    Gray,
    /// Three components, or a palette of them.
    Rgb,
    /// Four inks.
    Cmyk,
}

impl PixelType {
    /// Its name in `fmt=`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gray => "gray",
            Self::Rgb => "rgb",
            Self::Cmyk => "cmyk",
        }
    }

    /// How many there are, without alpha.
    pub fn components(self) -> usize {
        match self {
            Self::Gray => 1,
            Self::Rgb => 3,
            Self::Cmyk => 4,
        }
    }
}

/// How pixels are packed, for formats with a choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Compression {
    /// The format's only way, or none.
    None,
    /// TIFF, LZW.
    Lzw,
    /// TIFF and PDF, deflate.
    Zip,
    /// TIFF and PDF with JPEG inside.
    Jpeg,
    /// WebP, AVIF and JPEG 2000 without loss.
    Lossless,
}

/// How a picture's colours become few. Documentation page: r-is-http-quantize.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Quantize {
    /// Where the colours come from.
    pub palette: Palette,
    /// Whether neighbours make up for what a pixel's colour lacks, after Floyd and Steinberg.
    pub diffuse: bool,
    /// Most colours, 2 to 256, those that are forced among them.
    pub colors: u16,
    /// Colours that the palette must have.
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
    /// From the picture.
    Adaptive,
    /// The 216 colours that have six levels a component.
    Web,
    /// The 256 colours of the Mac OS system palette.
    Mac,
}
