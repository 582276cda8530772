//! The formats that pictures are written in. Documentation page: r-is-http-fmt.

use serde::{Deserialize, Serialize};

use super::complaint::Fault;
use super::recipe::{Compression, Output, PixelType};
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
        }
    }

    /// Whether it can carry a colour profile.
    pub fn carries_profile(self) -> bool {
        matches!(self, Self::Jpeg | Self::Png | Self::Tiff)
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
        }
    }
}

/// What one word of `fmt=` stands for, and what may be said with it.
struct Word {
    name: &'static str,
    format: OutputFormat,
    alpha: bool,
    progressive: bool,
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
    Word { name, format, alpha: false, progressive: false, types, packings: &[] }
}

const WORDS: &[Word] = &[
    word("jpeg", OutputFormat::Jpeg, ALL_TYPES),
    word("jpg", OutputFormat::Jpeg, ALL_TYPES),
    Word { progressive: true, ..word("pjpeg", OutputFormat::Jpeg, ALL_TYPES) },
    word("png", OutputFormat::Png, RGB_GRAY),
    Word { alpha: true, ..word("png-alpha", OutputFormat::Png, RGB_GRAY) },
    word("gif", OutputFormat::Gif, RGB_GRAY),
    Word { alpha: true, ..word("gif-alpha", OutputFormat::Gif, RGB_GRAY) },
    Word { packings: &["lzw", "zip", "jpeg"], ..word("tif", OutputFormat::Tiff, ALL_TYPES) },
    Word { packings: &["lzw", "zip"], alpha: true, ..word("tif-alpha", OutputFormat::Tiff, ALL_TYPES) },
    Word { packings: LOSSY, ..word("webp", OutputFormat::Webp, RGB) },
    Word { packings: LOSSY, alpha: true, ..word("webp-alpha", OutputFormat::Webp, RGB) },
];

/// The words that `fmt=` takes.
pub fn output_words() -> impl Iterator<Item = &'static str> {
    WORDS.iter().map(|word| word.name)
}

/// Documented formats that are not written yet.
const LATER: &[&str] = &[
    "png8",
    "png8-alpha",
    "avif",
    "avif-alpha",
    "heic",
    "jpeg2000",
    "jpeg2000-alpha",
    "jpegxr",
    "jpegxr-alpha",
    "pdf",
    "eps",
    "swf",
    "swf3",
    "swf-alpha",
    "swf3-alpha",
    "f4m",
    "m3u8",
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
    Ok(word.types)
}

fn unknown(name: &str) -> Fault {
    let known: Vec<_> = output_words().collect();
    let remedy = format!("Use one of {}.", known.join(", "));
    if LATER.contains(&name) {
        return Fault::later(format!("The format {name} is not written yet."), remedy);
    }
    Fault { remedy, ..Fault::invalid(format!("`{name}` is not a format.")) }
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
        "jpeg" => Err(Fault::later("TIFF with JPEG inside is not written yet.", "Use none, lzw or zip.")),
        _ => Ok(Compression::None),
    }
}
