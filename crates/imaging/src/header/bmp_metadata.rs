//! Metadata of a BMP: its resolution, and the profile that version 5 can embed. Source: the structures BITMAPINFOHEADER
//! and BITMAPV5HEADER of Windows.

use std::io::{Read, Seek, SeekFrom};

use super::ImageHeader;
use super::bounds::{MAX_PROFILE_BYTES, read_up_to};
use super::exif::to_dots_per_inch;

/// Length of the header before the information header.
const FILE_HEADER_BYTES: u64 = 14;

/// Reads the metadata of a BMP into its header. What is missing or damaged is left out.
pub(super) fn read_bmp_metadata(input: &mut (impl Read + Seek), header: &mut ImageHeader) {
    let mut data = Vec::new();
    if input.seek(SeekFrom::Start(FILE_HEADER_BYTES)).is_err() || input.take(124).read_to_end(&mut data).is_err() {
        return;
    }
    let number = |at: usize| Some(u32::from_le_bytes(*data.get(at..)?.first_chunk()?));
    let length = number(0).unwrap_or(0);
    // The header of OS/2 1 is shorter and has no resolution.
    if length >= 40 {
        header.dpi = number(24).and_then(|per_metre| to_dots_per_inch(f64::from(per_metre) * 0.0254, 2));
    }
    let is_embedded = length >= 124 && data.get(56..60) == Some(b"DEBM");
    if let (true, Some(offset), Some(size)) = (is_embedded, number(112), number(116)) {
        header.profile = read_profile(input, u64::from(offset), size as usize);
        header.ignored_profile_bytes = (size as usize > MAX_PROFILE_BYTES).then_some(u64::from(size));
    }
}

fn read_profile(input: &mut (impl Read + Seek), offset: u64, size: usize) -> Option<Vec<u8>> {
    if size == 0 || size > MAX_PROFILE_BYTES {
        return None;
    }
    input.seek(SeekFrom::Start(FILE_HEADER_BYTES + offset)).ok()?;
    let profile = read_up_to(input, size as u64).ok()?;
    (profile.len() == size).then_some(profile)
}
