//! The formats that pictures are written in. Documentation page: r-is-http-fmt.

use serde::{Deserialize, Serialize};

use super::complaint::Fault;
use super::recipe::{Compression, Output, PixelType, Quantize};
use super::value;

/// A file format that pictures are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum OutputFormat {
    /// JPEG.
    Jpeg,
    /// PNG.
    Png,
    /// TIFF.
    Tiff,
    /// GIF.
    Gif,
    /// WebP.
    Webp,
    /// AVIF.
    Avif,
    /// JPEG 2000.
    Jp2,
    /// PDF, a page that is the picture.
    Pdf,
    /// Encapsulated PostScript.
    Eps,
}

impl OutputFormat {
    /// The file name's extension, with its dot.
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

    /// The media type.
    pub fn mime(self) -> &'static str {
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

    /// Whether Photoshop's paths can be embedded. Documentation page: r-pathembed.
    pub fn carries_paths(self) -> bool {
        matches!(self, Self::Jpeg | Self::Tiff | Self::Eps)
    }

    /// Whether it can carry a colour profile.
    pub fn carries_profile(self) -> bool {
        matches!(self, Self::Jpeg | Self::Png | Self::Tiff | Self::Pdf | Self::Eps)
    }

    /// Whether it can carry XMP.
    pub fn carries_xmp(self) -> bool {
        matches!(self, Self::Jpeg | Self::Tiff)
    }

    /// The short name.
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

/// What one word of `fmt=` stands for, and what may be said with it.
struct Word {
    name: &'static str,
    format: OutputFormat,
    alpha: bool,
    progressive: bool,
    palette: bool,
    types: &'static [PixelType],
    packings: &'static [&'static str],
}

const RGB: &[PixelType] = &[PixelType::Rgb];
const RGB_GRAY: &[PixelType] = &[PixelType::Rgb, PixelType::Gray];
const ALL_TYPES: &[PixelType] = &[PixelType::Rgb, PixelType::Gray, PixelType::Cmyk];
/// Components that the default format can have.
pub(super) const DEFAULT_TYPES: &[PixelType] = ALL_TYPES;
const LOSSY: &[&str] = &["lossy", "lossless"];

const fn word(name: &'static str, format: OutputFormat, types: &'static [PixelType]) -> Word {
    Word { name, format, alpha: false, progressive: false, palette: false, types, packings: &[] }
}

const WORDS: &[Word] = &[
    word("jpeg", OutputFormat::Jpeg, ALL_TYPES),
    word("jpg", OutputFormat::Jpeg, ALL_TYPES),
    Word { progressive: true, ..word("pjpeg", OutputFormat::Jpeg, ALL_TYPES) },
    word("png", OutputFormat::Png, RGB_GRAY),
    Word { alpha: true, ..word("png-alpha", OutputFormat::Png, RGB_GRAY) },
    Word { palette: true, ..word("png8", OutputFormat::Png, RGB) },
    Word { palette: true, alpha: true, ..word("png8-alpha", OutputFormat::Png, RGB) },
    Word { palette: true, ..word("gif", OutputFormat::Gif, RGB_GRAY) },
    Word { palette: true, alpha: true, ..word("gif-alpha", OutputFormat::Gif, RGB_GRAY) },
    Word { packings: &["lzw", "zip", "jpeg"], ..word("tif", OutputFormat::Tiff, ALL_TYPES) },
    Word { packings: &["lzw", "zip"], alpha: true, ..word("tif-alpha", OutputFormat::Tiff, ALL_TYPES) },
    Word { packings: LOSSY, ..word("webp", OutputFormat::Webp, RGB) },
    Word { packings: LOSSY, alpha: true, ..word("webp-alpha", OutputFormat::Webp, RGB) },
    Word { packings: LOSSY, ..word("avif", OutputFormat::Avif, RGB) },
    Word { packings: LOSSY, alpha: true, ..word("avif-alpha", OutputFormat::Avif, RGB) },
    Word { packings: LOSSY, ..word("jpeg2000", OutputFormat::Jp2, RGB_GRAY) },
    Word { packings: LOSSY, alpha: true, ..word("jpeg2000-alpha", OutputFormat::Jp2, RGB_GRAY) },
    Word { packings: &["zip", "jpeg"], ..word("pdf", OutputFormat::Pdf, ALL_TYPES) },
    word("eps", OutputFormat::Eps, ALL_TYPES),
];

/// Whether what is written has a pixel type of one component.
pub(super) fn has_gray(output: &Output) -> bool {
    let same = |word: &&Word| word.format == output.format && word.palette == output.quantize.is_some();
    WORDS.iter().filter(same).any(|word| word.types.contains(&PixelType::Gray))
}

/// The words that `fmt=` takes.
pub fn output_words() -> impl Iterator<Item = &'static str> {
    WORDS.iter().map(|word| word.name)
}

/// Documented formats that are not written, and why.
const NEVER: &[(&[&str], &str)] = &[
    (&["heic"], "HEVC, which is inside, is covered by patents, and no free encoder may be passed on with this service"),
    (&["jpegxr", "jpegxr-alpha"], "JPEG XR has no encoder that is still looked after, and nothing shows it any more"),
    (&["swf", "swf3", "swf-alpha", "swf3-alpha"], "Flash is gone from every browser"),
    (&["f4m", "m3u8"], "it is a list of videos, and an export writes a picture"),
];

/// Reads `format[,[pixelType][,compression]]` into the output; says which components the format can have.
pub(super) fn read(output: &mut Output, text: &str) -> Result<&'static [PixelType], Fault> {
    let parts = value::parts(text);
    if parts.len() > 3 {
        return Err(Fault::invalid("There are more than three parts."));
    }
    let part = |at: usize| parts.get(at).copied().unwrap_or_default().to_ascii_lowercase();
    let (name, pixel_type, packing) = (part(0), part(1), part(2));
    let Some(word) = WORDS.iter().find(|word| word.name == name) else {
        return Err(unknown(&name));
    };
    output.pixel_type = read_type(word, &pixel_type)?;
    output.compression = read_packing(word, &packing)?;
    output.format = word.format;
    output.alpha = word.alpha;
    output.progressive = word.progressive;
    output.quantize = word.palette.then(Quantize::default);
    Ok(word.types)
}

fn unknown(name: &str) -> Fault {
    let known: Vec<_> = output_words().collect();
    let remedy = format!("Use one of {}.", known.join(", "));
    let detail = match NEVER.iter().find(|(names, _)| names.contains(&name)) {
        Some((_, reason)) => format!("The format {name} is not written: {reason}."),
        None => format!("`{name}` is not a format."),
    };
    Fault { remedy, ..Fault::invalid(detail) }
}

fn read_type(word: &Word, said: &str) -> Result<PixelType, Fault> {
    if said.is_empty() {
        return Ok(PixelType::Rgb);
    }
    word.types.iter().copied().find(|pixel_type| pixel_type.name() == said).ok_or_else(|| {
        let types: Vec<_> = word.types.iter().map(|pixel_type| pixel_type.name()).collect();
        Fault::invalid(format!("{} has the pixel types {}, not `{said}`.", word.name, types.join(", ")))
    })
}

/// `none` is accepted with every format, because the documented default is `jpeg,…,none`.
fn read_packing(word: &Word, packing: &str) -> Result<Compression, Fault> {
    match packing {
        "" | "none" => Ok(Compression::None),
        said if !word.packings.contains(&said) => {
            Err(Fault::invalid(format!("{} cannot be compressed with `{said}`.", word.name)))
        }
        "lzw" => Ok(Compression::Lzw),
        "zip" => Ok(Compression::Zip),
        "lossless" => Ok(Compression::Lossless),
        "jpeg" => Ok(Compression::Jpeg),
        _ => Ok(Compression::None),
    }
}
