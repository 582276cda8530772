//! Metadata of a TIFF: the tags of its directories, and what is embedded in them.

use std::io::{Read, Seek};

use super::ImageHeader;
use super::bounds::{MAX_IPTC_BYTES, MAX_PROFILE_BYTES, MAX_RESOURCES_BYTES, MAX_XMP_BYTES};
use super::exif::TagFields;
use super::metadata::Metadata;
use super::tags::TagDirectory;

/// Tag of XMP.
pub(crate) const TIFF_XMP: u16 = 700;

/// Tag of IPTC.
const TIFF_IPTC: u16 = 33_723;

/// Tag of Photoshop's image resources.
pub(crate) const TIFF_PHOTOSHOP: u16 = 34_377;

/// Tag of the ICC profile.
const TIFF_PROFILE: u16 = 34_675;

/// Reads the metadata of the image's own directory, whose offset this is, and then of the first one: cameras put the
/// image into another directory than what they say of it.
pub(super) fn read_tiff_metadata(input: &mut (impl Read + Seek), directory: Option<u64>, header: &mut ImageHeader) {
    let mut metadata = Metadata::default();
    let mut is_own = true;
    for offset in [directory, None] {
        let Some(mut tags) = TagDirectory::read(input, offset) else { continue };
        metadata.add_tags(TagFields::from_directory(&mut tags));
        if is_own {
            header.profile = tags.bytes(TIFF_PROFILE, MAX_PROFILE_BYTES as u64).filter(|profile| !profile.is_empty());
            if let Some(length) = tags.value_bytes(TIFF_PROFILE).filter(|length| *length > MAX_PROFILE_BYTES as u64) {
                metadata.ignore_profile(length);
            }
        }
        let mut read = |tag, max_bytes: usize, kind| {
            if tags.value_bytes(tag).is_some_and(|length| length > max_bytes as u64) {
                metadata.leave_out(kind);
            }
            tags.bytes(tag, max_bytes as u64)
        };
        let resources =
            is_own.then(|| read(TIFF_PHOTOSHOP, MAX_RESOURCES_BYTES, "image resources of Photoshop")).flatten();
        let iptc = read(TIFF_IPTC, MAX_IPTC_BYTES, "IPTC");
        let xmp = read(TIFF_XMP, MAX_XMP_BYTES, "XMP");
        if let Some(resources) = resources {
            metadata.add_resources(&resources);
        }
        if let Some(iptc) = iptc {
            metadata.add_iptc(&iptc);
        }
        if let Some(xmp) = xmp {
            metadata.add_xmp(&xmp);
        }
        is_own = false;
    }
    metadata.apply(header);
}
