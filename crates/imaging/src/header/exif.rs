//! Orientation, resolution and rights, as EXIF and the directory of a TIFF say them: the tags are the same.

use std::io::{Cursor, Read, Seek};

use super::CaptureTime;
use super::tags::TagDirectory;
use crate::rights::{ImageRights, decode_text};
use crate::turn::Turn;

const ORIENTATION: u16 = 0x0112;
const X_RESOLUTION: u16 = 0x011A;
const RESOLUTION_UNIT: u16 = 0x0128;
const ARTIST: u16 = 0x013B;
const COPYRIGHT: u16 = 0x8298;
/// The directory of EXIF itself, and what is read of it.
const EXIF_DIRECTORY: u16 = 0x8769;
const TIME_ORIGINAL: u16 = 0x9003;
const TIME_DIGITIZED: u16 = 0x9004;
const ZONE_ORIGINAL: u16 = 0x9011;

/// Largest text that is read, in bytes.
const MAX_TEXT_BYTES: u64 = 64 << 10;

/// Longest time that is read, in bytes.
const MAX_TIME_BYTES: u64 = 64;

/// What precedes EXIF in a JPEG. Some programs write it elsewhere too, or twice.
const EXIF_PREFIX: &[u8] = b"Exif\0\0";

/// What the tags say. Broken entries are left out: they are no reason to refuse an image or to forget the others.
#[derive(Default)]
pub(super) struct TagFields {
    pub(super) orientation: Option<Turn>,
    /// Dots per inch.
    pub(super) dpi: Option<f64>,
    pub(super) rights: ImageRights,
    pub(super) captured: Option<CaptureTime>,
}

impl TagFields {
    /// From EXIF as it is embedded in images. `None` when there is no directory in it.
    pub(super) fn from_exif(mut raw: &[u8]) -> Option<Self> {
        while let Some(rest) = raw.strip_prefix(EXIF_PREFIX) {
            raw = rest;
        }
        TagDirectory::read(&mut Cursor::new(raw), None).map(|mut directory| Self::from_directory(&mut directory))
    }

    pub(super) fn from_directory(directory: &mut TagDirectory<'_, impl Read + Seek>) -> Self {
        let orientation = directory.number(ORIENTATION).filter(|number| (1.0..=8.0).contains(number));
        let unit = directory.number(RESOLUTION_UNIT).unwrap_or(2.0) as u32;
        let resolution = directory.number(X_RESOLUTION);
        let mut text = |tag| directory.bytes(tag, MAX_TEXT_BYTES).and_then(|bytes| join_texts(&bytes));
        let creators = text(ARTIST).into_iter().collect();
        Self {
            orientation: orientation.map(|number| Turn::from_exif(number as u32)),
            dpi: resolution.and_then(|value| to_dots_per_inch(value, unit)),
            rights: ImageRights { creators, copyright: text(COPYRIGHT), ..Default::default() },
            captured: directory.sub_directory(EXIF_DIRECTORY).and_then(|mut directory| read_time(&mut directory)),
        }
    }

    /// Fills what is missing from another source.
    pub(super) fn or(self, other: Self) -> Self {
        Self {
            orientation: self.orientation.or(other.orientation),
            dpi: self.dpi.or(other.dpi),
            rights: self.rights.or(other.rights),
            captured: self.captured.or(other.captured),
        }
    }
}

/// When the image was taken, else when it was scanned.
fn read_time(directory: &mut TagDirectory<'_, impl Read + Seek>) -> Option<CaptureTime> {
    let mut text = |tag| {
        let bytes = directory.bytes(tag, MAX_TIME_BYTES)?;
        decode_text(bytes.split(|byte| *byte == 0).next().unwrap_or_default())
    };
    let local = text(TIME_ORIGINAL).or_else(|| text(TIME_DIGITIZED))?;
    Some(CaptureTime { local, zone: text(ZONE_ORIGINAL) })
}

/// A value may hold several texts, each of which ends with a zero: the copyright of the photographer and of the editor.
fn join_texts(bytes: &[u8]) -> Option<String> {
    let texts: Vec<String> = bytes.split(|byte| *byte == 0).filter_map(decode_text).collect();
    decode_text(texts.join("; ").as_bytes())
}

/// Converts a resolution with a TIFF unit (2: per inch, 3: per centimetre) to dots per inch. `None` when it is
/// implausible: one dot per inch is what programs write that know none.
pub(super) fn to_dots_per_inch(value: f64, unit: u32) -> Option<f64> {
    let dpi = match unit {
        _ if value <= 1.0 => return None,
        2 => value,
        3 => value * 2.54,
        _ => return None,
    };
    (dpi.is_finite() && dpi <= 65_535.0).then_some(dpi)
}
