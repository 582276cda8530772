//! What a file says of its picture before any pixel is decoded. Reads a bounded amount and calls no C code.

pub(super) mod av1;
pub(super) mod avif;
mod boxes;
mod exif;
mod gif;
mod items;
pub(super) mod jp2;
mod jpeg;
mod others;
mod photoshop;
pub(super) mod psd;
mod tiff;

pub use avif::is_avif;
pub(super) use jpeg::XMP as JPEG_XMP;
pub(super) use others::{PNG_XMP, image_failure, png_failure};
pub use photoshop::EmbeddedPath;
pub(super) use tiff::{Layout, TIFF_PHOTOSHOP, TIFF_XMP};

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::failure::Failure;
use super::rights::Rights;
use super::turn::Turn;
use offprint_core::Code;
use offprint_modifiers::PixelType;

/// Largest colour profile that is read, in bytes. How large one may be to be used is a limit of the plan's.
const MAX_PROFILE: usize = 32 << 20;

/// Largest XMP that is kept, in bytes.
const MAX_XMP: usize = 1 << 20;

/// How far into a file frames are counted, in bytes.
const COUNTED: u64 = 64 << 20;

/// The kinds of picture that can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum SourceFormat {
    /// JPEG.
    Jpeg,
    /// PNG.
    Png,
    /// TIFF.
    Tiff,
    /// WebP.
    Webp,
    /// GIF.
    Gif,
    /// BMP.
    Bmp,
    /// JPEG 2000.
    Jp2,
    /// A Photoshop document.
    Psd,
    /// AVIF.
    Avif,
}

impl SourceFormat {
    /// All of them.
    pub const ALL: [Self; 9] =
        [Self::Jpeg, Self::Png, Self::Tiff, Self::Webp, Self::Gif, Self::Bmp, Self::Jp2, Self::Psd, Self::Avif];

    /// Its media type.
    pub fn mime(self) -> &'static str {
        match self {
            Self::Jpeg => "image/jpeg",
            Self::Png => "image/png",
            Self::Tiff => "image/tiff",
            Self::Webp => "image/webp",
            Self::Gif => "image/gif",
            Self::Bmp => "image/bmp",
            Self::Jp2 => "image/jp2",
            Self::Psd => "image/vnd.adobe.photoshop",
            Self::Avif => "image/avif",
        }
    }
}

/// A picture's header.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Header {
    /// What kind of file it is.
    pub format: SourceFormat,
    /// Width as stored, in pixels.
    pub width: u32,
    /// Height as stored, in pixels.
    pub height: u32,
    /// What makes the picture upright.
    pub orientation: Turn,
    /// Its components.
    pub color: PixelType,
    /// Whether it may have transparent pixels.
    pub alpha: bool,
    /// Whether its colours are stored multiplied by alpha.
    pub premultiplied: bool,
    /// Whether its inks are stored the other way round, as Adobe's JPEGs have them.
    #[serde(default)]
    pub inverted: bool,
    /// Bits of a component.
    pub bits: u8,
    /// How many frames it has; more than one is an animation.
    #[serde(default = "one")]
    pub frames: u32,
    /// Whether it comes in passes over the whole picture, so that its decoder must hold all of it.
    #[serde(default)]
    pub progressive: bool,
    /// Dots per inch.
    pub dpi: Option<f64>,
    /// Photoshop's paths in it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<EmbeddedPath>,
    /// The colour profile, as it is embedded.
    #[serde(skip)]
    pub profile: Option<Vec<u8>>,
    /// The XMP, as it is embedded.
    #[serde(skip)]
    pub xmp: Option<Vec<u8>>,
    /// Whose picture it is.
    #[serde(skip)]
    pub rights: Rights,
    /// What the profile calls itself, in a header that was kept without its bytes.
    #[serde(default, skip_serializing)]
    pub profile_name: Option<String>,
}

impl Header {
    pub(super) fn new(format: SourceFormat, (width, height): (u32, u32), color: PixelType, bits: u8) -> Self {
        Self {
            format,
            width,
            height,
            orientation: Turn::NONE,
            color,
            alpha: false,
            premultiplied: false,
            inverted: false,
            bits,
            frames: 1,
            progressive: false,
            dpi: None,
            paths: Vec::new(),
            profile: None,
            xmp: None,
            rights: Rights::default(),
            profile_name: None,
        }
    }

    /// Keeps rights, which go before what was found already.
    fn take_rights(&mut self, rights: Rights) {
        self.rights = rights.or(std::mem::take(&mut self.rights));
    }

    /// Keeps XMP and what it says of rights, which goes before what was found already.
    fn take_xmp(&mut self, xmp: Option<Vec<u8>>) {
        let Some(xmp) = xmp.filter(|xmp| xmp.len() <= MAX_XMP) else { return };
        self.take_rights(Rights::of_xmp(&xmp));
        self.xmp = Some(xmp);
    }

    /// Width and height of the upright picture.
    pub fn upright(&self) -> (u32, u32) {
        self.orientation.size((self.width, self.height))
    }

    /// Whether a rectangle of the picture, turned so, shows nothing but the picture.
    pub(super) fn shows(&self, [x, y]: [i64; 2], [w, h]: [u32; 2], turn: Turn) -> bool {
        let (width, height) = turn.size((i64::from(self.width), i64::from(self.height)));
        x >= 0 && y >= 0 && x + i64::from(w) <= width && y + i64::from(h) <= height
    }

    /// Bytes that the picture takes once decoded, at its own depth.
    pub fn decoded_bytes(&self) -> u64 {
        let depth = u64::from(self.bits.div_ceil(8).max(1));
        let channels = self.color.components() as u64 + u64::from(self.alpha);
        u64::from(self.width) * u64::from(self.height) * channels * depth
    }
}

fn one() -> u32 {
    1
}

/// Reads the header of a picture.
///
/// # Errors
/// `unsupported-format` when the file is no picture of a kind that can be read, `truncated` or `corrupt` when its
/// header is not whole, `original-missing` when there is no file.
pub fn probe(path: &Path) -> Result<Header, Failure> {
    // The decoders are Rust and promise not to panic; a promise is not enough for files from anywhere.
    catch_unwind(AssertUnwindSafe(|| read(path))).unwrap_or_else(|_| Err(corrupt("The header cannot be read.")))
}

fn read(path: &Path) -> Result<Header, Failure> {
    let mut reader = BufReader::new(File::open(path)?);
    let start = peek(&mut reader)?;
    let Some(format) = sniff(&start) else {
        let detail = "The file is no JPEG, PNG, TIFF, WebP, AVIF, GIF, BMP, JPEG 2000 or Photoshop picture.";
        return Err(Failure::new(Code::UnsupportedFormat, detail));
    };
    let header = match format {
        SourceFormat::Jpeg => jpeg::read(&mut reader)?,
        SourceFormat::Gif => gif::read(&mut reader)?,
        SourceFormat::Png => others::png(reader)?,
        SourceFormat::Tiff => tiff::read(reader)?,
        SourceFormat::Webp => others::webp(reader)?,
        SourceFormat::Bmp => others::bmp(reader)?,
        SourceFormat::Jp2 => jp2::read(&mut reader)?,
        SourceFormat::Psd => psd::read(&mut reader)?.0,
        SourceFormat::Avif => avif::read(&mut reader)?.0,
    };
    if header.width == 0 || header.height == 0 {
        return Err(Failure::new(Code::Corrupt, "The picture has no size."));
    }
    Ok(header)
}

fn peek(reader: &mut (impl BufRead + Seek)) -> Result<Vec<u8>, Failure> {
    let mut start = Vec::with_capacity(64);
    reader.by_ref().take(64).read_to_end(&mut start)?;
    reader.rewind()?;
    Ok(start)
}

fn sniff(start: &[u8]) -> Option<SourceFormat> {
    match start {
        [0xFF, 0xD8, 0xFF, ..] => Some(SourceFormat::Jpeg),
        [0x89, b'P', b'N', b'G', ..] => Some(SourceFormat::Png),
        [b'I', b'I', 42 | 43, 0, ..] | [b'M', b'M', 0, 42 | 43, ..] => Some(SourceFormat::Tiff),
        [b'G', b'I', b'F', b'8', ..] => Some(SourceFormat::Gif),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some(SourceFormat::Webp),
        [b'B', b'M', ..] => Some(SourceFormat::Bmp),
        [0, 0, 0, 12, b'j', b'P', b' ', b' ', ..] | [0xFF, 0x4F, 0xFF, 0x51, ..] => Some(SourceFormat::Jp2),
        [b'8', b'B', b'P', b'S', ..] => Some(SourceFormat::Psd),
        start if avif::is_avif(start) => Some(SourceFormat::Avif),
        _ => None,
    }
}

/// Passes bytes by. How many is said by the file, and may be more than any file has.
fn skip(input: &mut impl Seek, length: u64) -> Result<(), Failure> {
    match i64::try_from(length) {
        Ok(length) if length < i64::MAX / 2 => Ok(input.seek_relative(length)?),
        _ => Err(corrupt("A part of the file says that it is longer than any file.")),
    }
}

fn corrupt(detail: impl Into<String>) -> Failure {
    Failure::new(Code::Corrupt, detail)
}
