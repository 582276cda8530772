//! Output formats and the values of `fmt=`. What an encoder does with them is decided elsewhere. Documentation page:
//! r-is-http-fmt.

use serde::{Deserialize, Serialize};

use super::diagnostic::ValueError;
use super::recipe::{Compression, Output, PixelType, Quantize};
use super::value;

/// A file format that images are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum OutputFormat {
    Jpeg,
    Png,
    Tiff,
    Gif,
    Webp,
    Avif,
    /// JPEG 2000.
    Jp2,
    /// PDF with one page that is the image.
    Pdf,
    /// Encapsulated PostScript.
    Eps,
}

impl OutputFormat {
    /// File name extension, with its dot.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Jpeg => ".jpg",
            Self::Png => ".png",
            Self::Tiff => ".tiff",
            Self::Gif => ".gif",
            Self::Webp => ".webp",
            Self::Avif => ".avif",
            Self::Jp2 => ".jp2",
            Self::Pdf => ".pdf",
            Self::Eps => ".eps",
        }
    }

    pub fn media_type(self) -> &'static str {
        match self {
            Self::Jpeg => "image/jpeg",
            Self::Png => "image/png",
            Self::Tiff => "image/tiff",
            Self::Gif => "image/gif",
            Self::Webp => "image/webp",
            Self::Avif => "image/avif",
            Self::Jp2 => "image/jp2",
            Self::Pdf => "application/pdf",
            Self::Eps => "image/eps",
        }
    }

    /// Whether Photoshop paths can be embedded. Documentation page: r-pathembed.
    pub(crate) fn can_carry_paths(self) -> bool {
        matches!(self, Self::Jpeg | Self::Tiff | Self::Eps)
    }

    /// Whether a colour profile can be embedded.
    pub fn can_carry_profile(self) -> bool {
        matches!(self, Self::Jpeg | Self::Png | Self::Tiff | Self::Pdf | Self::Eps)
    }

    pub fn can_carry_xmp(self) -> bool {
        matches!(self, Self::Jpeg | Self::Tiff)
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Jpeg => "jpeg",
            Self::Png => "png",
            Self::Tiff => "tiff",
            Self::Gif => "gif",
            Self::Webp => "webp",
            Self::Avif => "avif",
            Self::Jp2 => "jp2",
            Self::Pdf => "pdf",
            Self::Eps => "eps",
        }
    }
}

/// One keyword of `fmt=`: the format that it means, and the pixel types and compressions allowed with it. The first
/// pixel type is not the default; that is always RGB.
struct FormatSpec {
    name: &'static str,
    format: OutputFormat,
    alpha: bool,
    progressive: bool,
    palette: bool,
    pixel_types: &'static [PixelType],
    compressions: &'static [&'static str],
}

const RGB: &[PixelType] = &[PixelType::Rgb];
const RGB_GRAY: &[PixelType] = &[PixelType::Rgb, PixelType::Gray];
const ALL_TYPES: &[PixelType] = &[PixelType::Rgb, PixelType::Gray, PixelType::Cmyk];
/// Pixel types of the default format, JPEG.
pub(super) const DEFAULT_TYPES: &[PixelType] = ALL_TYPES;
const LOSSY_OR_LOSSLESS: &[&str] = &["lossy", "lossless"];

const fn define_format(name: &'static str, format: OutputFormat, types: &'static [PixelType]) -> FormatSpec {
    FormatSpec { name, format, alpha: false, progressive: false, palette: false, pixel_types: types, compressions: &[] }
}

const FORMATS: &[FormatSpec] = &[
    define_format("jpeg", OutputFormat::Jpeg, ALL_TYPES),
    define_format("jpg", OutputFormat::Jpeg, ALL_TYPES),
    FormatSpec { progressive: true, ..define_format("pjpeg", OutputFormat::Jpeg, ALL_TYPES) },
    define_format("png", OutputFormat::Png, RGB_GRAY),
    FormatSpec { alpha: true, ..define_format("png-alpha", OutputFormat::Png, RGB_GRAY) },
    FormatSpec { palette: true, ..define_format("png8", OutputFormat::Png, RGB) },
    FormatSpec { palette: true, alpha: true, ..define_format("png8-alpha", OutputFormat::Png, RGB) },
    FormatSpec { palette: true, ..define_format("gif", OutputFormat::Gif, RGB_GRAY) },
    FormatSpec { palette: true, alpha: true, ..define_format("gif-alpha", OutputFormat::Gif, RGB_GRAY) },
    FormatSpec { compressions: &["lzw", "zip", "jpeg"], ..define_format("tif", OutputFormat::Tiff, ALL_TYPES) },
    FormatSpec {
        compressions: &["lzw", "zip"],
        alpha: true,
        ..define_format("tif-alpha", OutputFormat::Tiff, ALL_TYPES)
    },
    FormatSpec { compressions: LOSSY_OR_LOSSLESS, ..define_format("webp", OutputFormat::Webp, RGB) },
    FormatSpec { compressions: LOSSY_OR_LOSSLESS, alpha: true, ..define_format("webp-alpha", OutputFormat::Webp, RGB) },
    FormatSpec { compressions: LOSSY_OR_LOSSLESS, ..define_format("avif", OutputFormat::Avif, RGB) },
    FormatSpec { compressions: LOSSY_OR_LOSSLESS, alpha: true, ..define_format("avif-alpha", OutputFormat::Avif, RGB) },
    FormatSpec { compressions: LOSSY_OR_LOSSLESS, ..define_format("jpeg2000", OutputFormat::Jp2, RGB_GRAY) },
    FormatSpec {
        compressions: LOSSY_OR_LOSSLESS,
        alpha: true,
        ..define_format("jpeg2000-alpha", OutputFormat::Jp2, RGB_GRAY)
    },
    FormatSpec { compressions: &["zip", "jpeg"], ..define_format("pdf", OutputFormat::Pdf, ALL_TYPES) },
    define_format("eps", OutputFormat::Eps, ALL_TYPES),
];

/// Whether the chosen output supports gray.
pub(super) fn has_gray(output: &Output) -> bool {
    let is_chosen = |word: &&FormatSpec| word.format == output.format && word.palette == output.quantize.is_some();
    FORMATS.iter().filter(is_chosen).any(|word| word.pixel_types.contains(&PixelType::Gray))
}

/// Keywords of `fmt=`.
pub fn list_output_formats() -> impl Iterator<Item = &'static str> {
    FORMATS.iter().map(|word| word.name)
}

/// Other spellings of the keywords: `web` is in the documentation's list, the others are common.
const ALIASES: [(&str, &str); 6] = [
    ("pjpg", "pjpeg"),
    ("web", "webp"),
    ("web-alpha", "webp-alpha"),
    ("tiff", "tif"),
    ("tiff-alpha", "tif-alpha"),
    ("swf-alpha3", "swf3-alpha"),
];

/// Documented formats that are not supported, and why. The reason completes a sentence of the diagnostic.
const UNSUPPORTED_FORMATS: &[(&[&str], &str)] = &[
    (&["heic"], "it uses HEVC, which is covered by patents, and no free encoder can be distributed with this service"),
    (&["jpegxr", "jpegxr-alpha"], "it has no maintained encoder, and current software does not show it"),
    (&["swf", "swf3", "swf-alpha", "swf3-alpha"], "no browser supports Flash any more"),
    (&["f4m", "m3u8"], "it is a video playlist, and an export writes images"),
];

/// Parses `format[,[pixelType][,compression]]` into the output; returns the pixel types that the format supports.
pub(super) fn parse_format(output: &mut Output, text: &str) -> Result<&'static [PixelType], ValueError> {
    let parts = value::split_parts(text);
    if parts.len() > 3 {
        return Err(ValueError::invalid("The value has more than three parts."));
    }
    let part = |at: usize| parts.get(at).copied().unwrap_or_default().to_ascii_lowercase();
    let (name, pixel_type, packing) = (part(0), part(1), part(2));
    let alias = ALIASES.iter().find(|(alias, _)| *alias == name);
    let name = alias.map_or(name.as_str(), |(_, keyword)| *keyword);
    let Some(word) = FORMATS.iter().find(|word| word.name == name) else {
        return Err(report_unknown_format(name));
    };
    output.pixel_type = parse_pixel_type(word, &pixel_type)?;
    output.compression = parse_compression(word, &packing)?;
    output.format = word.format;
    output.alpha = word.alpha;
    output.progressive = word.progressive;
    output.quantize = word.palette.then(Quantize::default);
    Ok(word.pixel_types)
}

fn report_unknown_format(name: &str) -> ValueError {
    let supported: Vec<_> = list_output_formats().collect();
    let remedy = format!("Use one of {}.", supported.join(", "));
    let detail = match UNSUPPORTED_FORMATS.iter().find(|(names, _)| names.contains(&name)) {
        Some((_, reason)) => format!("The format `{name}` is not supported: {reason}."),
        None => format!("`{name}` is not a format."),
    };
    ValueError { remedy, ..ValueError::invalid(detail) }
}

fn parse_pixel_type(word: &FormatSpec, text: &str) -> Result<PixelType, ValueError> {
    if text.is_empty() {
        return Ok(PixelType::Rgb);
    }
    word.pixel_types.iter().copied().find(|pixel_type| pixel_type.name() == text).ok_or_else(|| {
        let types: Vec<_> = word.pixel_types.iter().map(|pixel_type| pixel_type.name()).collect();
        ValueError::invalid(format!("{} supports the pixel types {}, not `{text}`.", word.name, types.join(", ")))
    })
}

/// `none` is accepted with every format, because the documented default is `jpeg,…,none`.
fn parse_compression(word: &FormatSpec, packing: &str) -> Result<Compression, ValueError> {
    match packing {
        "" | "none" => Ok(Compression::None),
        unknown if !word.compressions.contains(&unknown) => {
            Err(ValueError::invalid(format!("{} does not support the compression `{unknown}`.", word.name)))
        }
        "lzw" => Ok(Compression::Lzw),
        "zip" => Ok(Compression::Zip),
        "lossless" => Ok(Compression::Lossless),
        "jpeg" => Ok(Compression::Jpeg),
        _ => Ok(Compression::None),
    }
}
