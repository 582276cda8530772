//! Metadata of a TIFF: the tags of its directories, and what is embedded in them.

use std::io::{Read, Seek};

use super::exif::TagFields;
use super::metadata::Metadata;
use super::tags::TagDirectory;
use super::{ImageHeader, MAX_PROFILE_BYTES, MAX_XMP_BYTES};

/// Tag of XMP.
pub(crate) const TIFF_XMP: u16 = 700;

/// Tag of IPTC.
const TIFF_IPTC: u16 = 33_723;

/// Tag of Photoshop's image resources.
pub(crate) const TIFF_PHOTOSHOP: u16 = 34_377;

/// Tag of the ICC profile.
const TIFF_PROFILE: u16 = 34_675;

/// Largest image resources that are read, in bytes: they may hold many paths.
const MAX_RESOURCE_BYTES: u64 = 32 << 20;

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
        }
        if let Some(resources) = tags.bytes(TIFF_PHOTOSHOP, MAX_RESOURCE_BYTES).filter(|_| is_own) {
            metadata.add_resources(&resources);
        }
        if let Some(iptc) = tags.bytes(TIFF_IPTC, MAX_XMP_BYTES as u64) {
            metadata.add_iptc(&iptc);
        }
        if let Some(xmp) = tags.bytes(TIFF_XMP, MAX_XMP_BYTES as u64) {
            metadata.add_xmp(xmp);
        }
        is_own = false;
    }
    metadata.apply(header);
}
