//! RAF, the raws of Fujifilm: a JPEG, the sensor's data, and a table of where they lie. Source: libopenraw's notes on
//! RAF.

use std::io::{Read, Seek, SeekFrom};

use super::{choose_preview, read_embedded_jpeg};
use crate::error::RenderError;
use crate::header::ImageHeader;

/// Where the table has offset and length of the JPEG.
const JPEG_ENTRY_AT: u64 = 84;

pub(super) fn read_raf_preview(input: &mut (impl Read + Seek), camera: &str) -> Result<ImageHeader, RenderError> {
    let mut entry = [0; 8];
    input.seek(SeekFrom::Start(JPEG_ENTRY_AT))?;
    input.read_exact(&mut entry)?;
    let number = |at: usize| u64::from(u32::from_be_bytes([entry[at], entry[at + 1], entry[at + 2], entry[at + 3]]));
    let preview = read_embedded_jpeg(input, number(0), number(4));
    choose_preview(preview, None, camera)
}
