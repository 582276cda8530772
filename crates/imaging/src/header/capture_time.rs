//! When an image was taken: also of images that cannot be converted, because archives show it as the time of the file.

use std::fs::File;
use std::io::{Read, Seek};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use super::bounds::BoundedInput;
use super::exif::TagFields;
use super::tags::TagDirectory;
use super::{avif, jpeg};

/// When an image was taken or scanned, as its EXIF says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaptureTime {
    /// The time of the camera: `2031:02:03 04:05:06`. Not checked.
    pub local: String,
    /// Its distance from UTC: `+02:00`. Not checked, and often missing.
    pub zone: Option<String>,
}

/// Reads the capture time of an image whose header cannot be read otherwise.
pub fn read_capture_time(path: &Path) -> Option<CaptureTime> {
    catch_unwind(AssertUnwindSafe(|| find_capture_time(&mut BoundedInput::new(File::open(path).ok()?)))).ok()?
}

fn find_capture_time(input: &mut (impl Read + Seek)) -> Option<CaptureTime> {
    let mut start = [0; 8];
    input.read_exact(&mut start).ok()?;
    input.rewind().ok()?;
    match start {
        [0xFF, 0xD8, ..] => TagFields::from_exif(&jpeg::find_exif(input)?)?.captured,
        [b'I', b'I', ..] | [b'M', b'M', ..] => {
            TagFields::from_directory(&mut TagDirectory::read(input, None)?).captured
        }
        [_, _, _, _, b'f', b't', b'y', b'p'] => avif::read_heif_metadata(input).ok()?.capture_time(),
        _ => None,
    }
}
