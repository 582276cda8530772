//! Reads the header of an image file: format, size, colour, profile, resolution, rights and paths, without decoding
//! pixels.
//!
//! Headers are read in the service itself, not in a render process, so this module reads and keeps a bounded amount
//! (`bounds.rs`), calls no C code, and turns panics of decoders into errors. It knows nothing of plans or recipes.
//!
//! Where to begin reading: [`read_image_header`]; each format has a file of its own, except for PNG and BMP,
//! whose headers are read by libraries (`decoder_headers.rs`). What formats have in common is gathered in `metadata.rs`.

pub(super) mod av1;
pub(super) mod avif;
pub(super) mod bmp;
mod bmp_metadata;
mod bounds;
mod boxes;
mod capture_time;
mod decoder_headers;
mod embedded_path;
mod exif;
pub(super) mod gif;
mod gif_metadata;
mod heif_items;
mod image_resources;
pub(super) mod jp2;
mod jpeg;
mod markup;
mod metadata;
mod png_chunks;
mod png_metadata;
pub(super) mod psd;
mod raw;
mod tags;
pub(super) mod tiff;
mod tiff_metadata;
mod unread_formats;
pub(super) mod webp;

pub use avif::is_avif;
pub use bmp::is_bmp;
pub(crate) use bounds::{BoundsExceeded, MAX_PROFILE_BYTES};
pub use capture_time::{CaptureTime, read_capture_time};
pub(super) use decoder_headers::{map_image_error, map_png_error};
pub(crate) use embedded_path::EmbeddedPath;
pub use markup::{decode_plain_text, find_root_element, is_svg_element};
pub(super) use png_metadata::XMP_KEYWORD as PNG_XMP;
pub use unread_formats::{MAX_SIGNATURE_BYTES, UnreadFormat};

use std::io::{Read, Seek};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use offprint_core::Code;
use offprint_modifiers::PixelType;
use serde::{Deserialize, Serialize};

use self::bounds::BoundedInput;
use super::colour::{Profile, read_with_littlecms};
use super::error::RenderError;
use super::file_section::FilePart;
use super::rights::ImageRights;
use super::source_files::SourceFile;
use super::turn::Turn;
use decoder_headers::FileReader;

/// The formats that can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum SourceFormat {
    Jpeg,
    Png,
    Tiff,
    Webp,
    Gif,
    Bmp,
    /// JPEG 2000.
    Jp2,
    /// A Photoshop document.
    Psd,
    Avif,
}

impl SourceFormat {
    pub const ALL: [Self; 9] =
        [Self::Jpeg, Self::Png, Self::Tiff, Self::Webp, Self::Gif, Self::Bmp, Self::Jp2, Self::Psd, Self::Avif];

    /// Media type.
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

/// What the header of an image file says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ImageHeader {
    pub format: SourceFormat,
    /// Stored width, in pixels, before orientation is applied.
    pub width: u32,
    /// Stored height, in pixels, before orientation is applied.
    pub height: u32,
    /// The turn that makes the image upright.
    pub orientation: Turn,
    pub color: PixelType,
    /// Whether it may have transparent pixels.
    pub alpha: bool,
    /// Whether colours are stored multiplied by alpha.
    pub premultiplied: bool,
    /// Whether CMYK is stored inverted, as in the JPEGs of Adobe.
    #[serde(default)]
    pub inverted: bool,
    /// Bits per component.
    pub bits: u8,
    /// Number of frames of an animation, or of pages; only the first is used.
    #[serde(default = "default_frames")]
    pub frames: u32,
    /// What is wrong with a part of the file that no pixel depends on, as a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub irregularity: Option<String>,
    /// What was not read because it is too large or too far behind, though rights may be in it; a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata_left_out: Option<String>,
    /// Length of an embedded colour profile that is too large to be read, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ignored_profile_bytes: Option<u64>,
    /// The kind of camera raw whose preview is the image: maker and format.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub camera_raw: Option<String>,
    /// The part of the file that is the image, where it is not what the file begins with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<FilePart>,
    /// Whether it is stored in several passes over the whole image, so that its decoder must hold all of it.
    #[serde(default)]
    pub progressive: bool,
    /// Dots per inch.
    pub dpi: Option<f64>,
    /// Embedded Photoshop paths.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<EmbeddedPath>,
    /// The embedded ICC profile.
    #[serde(skip)]
    pub profile: Option<Vec<u8>>,
    /// The embedded XMP.
    #[serde(skip)]
    pub xmp: Option<Vec<u8>>,
    /// Who made it, whose it is and how it may be used.
    #[serde(skip)]
    pub rights: ImageRights,
    /// When it was taken or scanned.
    #[serde(skip)]
    pub captured: Option<CaptureTime>,
    /// The embedded profile, if it was read before planning.
    #[serde(skip)]
    pub(crate) parsed_profile: Option<Profile>,
    /// Name of the profile, in a header that was stored without the profile itself.
    #[serde(default, skip_serializing)]
    pub profile_name: Option<String>,
}

impl ImageHeader {
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
            irregularity: None,
            metadata_left_out: None,
            ignored_profile_bytes: None,
            camera_raw: None,
            part: None,
            progressive: false,
            dpi: None,
            paths: Vec::new(),
            profile: None,
            xmp: None,
            rights: ImageRights::default(),
            captured: None,
            parsed_profile: None,
            profile_name: None,
        }
    }

    /// For pictures without an image of their own, whose layer 0 is a colour or an empty canvas.
    pub fn without_image() -> Self {
        Self::new(SourceFormat::Bmp, (1, 1), PixelType::Rgb, 8)
    }

    /// Width and height of the upright image, in pixels.
    pub fn upright_size(&self) -> (u32, u32) {
        self.orientation.size((self.width, self.height))
    }

    /// Whether a rectangle lies completely within the image after `turn`.
    pub(super) fn contains_rect(&self, [x, y]: [i64; 2], [w, h]: [u32; 2], turn: Turn) -> bool {
        let (width, height) = turn.size((i64::from(self.width), i64::from(self.height)));
        x >= 0 && y >= 0 && x + i64::from(w) <= width && y + i64::from(h) <= height
    }

    /// Size of the decoded image at its own depth, in bytes.
    pub fn decoded_bytes(&self) -> u64 {
        let depth = u64::from(self.bits.div_ceil(8).max(1));
        let channels = self.color.components() as u64 + u64::from(self.alpha);
        u64::from(self.width) * u64::from(self.height) * channels * depth
    }
}

fn default_frames() -> u32 {
    1
}

/// Reads the header of an image file.
///
/// # Errors
/// `unsupported-format` when the file is not an image of a known format, `truncated` or `corrupt` when its header is
/// damaged, `original-missing` when there is no such file.
pub fn read_image_header(path: &Path) -> Result<ImageHeader, RenderError> {
    read_guarded(&path.into())
}

fn read_guarded(file: &SourceFile) -> Result<ImageHeader, RenderError> {
    // The decoders are Rust and should not panic, but files come from anywhere.
    catch_unwind(AssertUnwindSafe(|| read_unguarded(file)))
        .unwrap_or_else(|_| Err(corrupt_error("The header of the image cannot be read.")))
}

/// Reads the header of an image file that is to be rendered: a profile that the reader in Rust cannot use is shown to
/// littlecms. Calls C code with bytes from anywhere: only in a render process.
///
/// # Errors
/// Those of [`read_image_header`].
pub fn read_header_for_render(file: &SourceFile) -> Result<ImageHeader, RenderError> {
    let mut header = read_guarded(file)?;
    if let Some(bytes) = header.profile.as_deref() {
        header.parsed_profile = Profile::read(bytes.into()).ok().or_else(|| read_with_littlecms(bytes));
    }
    Ok(header)
}

fn read_unguarded(file: &SourceFile) -> Result<ImageHeader, RenderError> {
    let mut input = BoundedInput::new(file.read()?);
    let mut header = read_format_header(&mut input)?;
    if header.width == 0 || header.height == 0 {
        return Err(RenderError::new(Code::Corrupt, "The image has a width or height of 0."));
    }
    if input.is_exhausted() {
        let detail = "The file has more parts than are looked at; metadata behind them was not read.";
        header.metadata_left_out.get_or_insert_with(|| detail.to_owned());
    }
    Ok(header)
}

fn read_format_header(input: &mut FileReader) -> Result<ImageHeader, RenderError> {
    let start = read_file_start(input)?;
    if let Some(raw) = raw::detect_raw_signature(&start) {
        return raw::read_raw_header(input, raw);
    }
    let format = detect_format(&start).ok_or_else(|| unread_format_error(&start))?;
    Ok(match format {
        SourceFormat::Jpeg => jpeg::read_jpeg_header(input)?,
        SourceFormat::Gif => {
            let mut header = gif::read_gif_header(input)?;
            gif_metadata::read_gif_metadata(input, &mut header);
            header
        }
        SourceFormat::Png => decoder_headers::read_png_header(input)?,
        SourceFormat::Tiff => tiff::read_tiff_header(input)?,
        SourceFormat::Webp => webp::read_webp_header(input)?,
        SourceFormat::Bmp => decoder_headers::read_bmp_header(input)?,
        SourceFormat::Jp2 => jp2::read_jp2_header(input)?,
        SourceFormat::Psd => psd::read_psd_header(input)?.0,
        SourceFormat::Avif => avif::read_avif_header(input)?.0,
    })
}

fn read_file_start(reader: &mut (impl Read + Seek)) -> Result<Vec<u8>, RenderError> {
    let mut start = Vec::new();
    reader.by_ref().take(MAX_SIGNATURE_BYTES).read_to_end(&mut start)?;
    reader.rewind()?;
    Ok(start)
}

/// Why a file that begins like this is not read.
fn unread_format_error(start: &[u8]) -> RenderError {
    const NO_IMAGE: &str = "The file is not a JPEG, PNG, TIFF, WebP, AVIF, GIF, BMP, JPEG 2000 or Photoshop image.";
    let detail = UnreadFormat::detect(start).map_or_else(|| NO_IMAGE.to_owned(), UnreadFormat::explain);
    RenderError::new(Code::UnsupportedFormat, detail)
}

fn detect_format(start: &[u8]) -> Option<SourceFormat> {
    match start {
        [0xFF, 0xD8, 0xFF, ..] => Some(SourceFormat::Jpeg),
        [0x89, b'P', b'N', b'G', ..] => Some(SourceFormat::Png),
        [b'I', b'I', 42 | 43, 0, ..] | [b'M', b'M', 0, 42 | 43, ..] => Some(SourceFormat::Tiff),
        [b'G', b'I', b'F', b'8', ..] => Some(SourceFormat::Gif),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some(SourceFormat::Webp),
        [0, 0, 0, 12, b'j', b'P', b' ', b' ', ..] | [0xFF, 0x4F, 0xFF, 0x51, ..] => Some(SourceFormat::Jp2),
        [b'8', b'B', b'P', b'S', ..] => Some(SourceFormat::Psd),
        start if bmp::is_bmp(start) => Some(SourceFormat::Bmp),
        start if avif::is_avif(start) => Some(SourceFormat::Avif),
        _ => None,
    }
}

/// Skips bytes. The length comes from the file and may be absurd.
fn skip_bytes(input: &mut impl Seek, length: u64) -> Result<(), RenderError> {
    match i64::try_from(length) {
        Ok(length) if length < i64::MAX / 2 => Ok(input.seek_relative(length)?),
        _ => Err(corrupt_error("A part of the file has an impossible length.")),
    }
}

fn corrupt_error(detail: impl Into<String>) -> RenderError {
    RenderError::new(Code::Corrupt, detail)
}
