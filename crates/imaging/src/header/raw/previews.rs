//! Previews in raws that are built as a TIFF: JPEGs and reduced images that their directories name.

use std::io::{Read, Seek};

use super::{choose_preview, keep_larger, read_embedded_jpeg};
use crate::error::RenderError;
use crate::header::ImageHeader;
use crate::header::tiff::{Directory, DirectoryList, ListedDirectory, TiffFile, read_page_header, tags};
use crate::header::tiff_metadata::read_tiff_metadata;

/// Reads the header of the largest preview.
///
/// # Errors
/// `unsupported-format`, which names the raw, when there is no preview of use.
pub(in crate::header) fn read_tiff_preview<R: Read + Seek>(
    file: &mut TiffFile<R>,
    list: &DirectoryList,
    camera: &str,
) -> Result<ImageHeader, RenderError> {
    let first = file.read_directory(file.first_directory)?;
    let mut largest = None;
    if let Some((offset, bytes)) = file.find_section(&first, tags::PANASONIC_JPEG) {
        largest = keep_larger(largest, read_embedded_jpeg(file.reader(), offset, bytes));
    }
    for listed in list.directories.iter().filter(|listed| !listed.is_sensor && !listed.is_mask()) {
        largest = keep_larger(largest, read_preview(file, *listed));
    }
    let sensors = list.directories.iter().filter(|listed| listed.is_sensor);
    let raw_side = sensors.map(|sensor| sensor.size.0.max(sensor.size.1)).max();
    let preview = choose_preview(largest, raw_side, camera)?;
    Ok(add_raw_metadata(preview, file))
}

/// The preview that a directory describes: a complete JPEG, or an image as in any TIFF.
fn read_preview<R: Read + Seek>(file: &mut TiffFile<R>, listed: ListedDirectory) -> Option<ImageHeader> {
    let directory = file.read_directory(listed.offset).ok()?;
    let jpeg = find_jpeg(file, &directory);
    jpeg.and_then(|(offset, bytes)| read_embedded_jpeg(file.reader(), offset, bytes))
        .or_else(|| read_page_header(file, listed).ok())
}

/// Offset and length of the JPEG that a directory names: by tags of its own, or as its only strip.
fn find_jpeg<R: Read + Seek>(file: &mut TiffFile<R>, directory: &Directory) -> Option<(u64, u64)> {
    let mut number = |tag| file.find_number(directory, tag);
    if let (Some(offset), Some(bytes)) = (number(tags::JPEG_OFFSET), number(tags::JPEG_BYTE_COUNT)) {
        return Some((offset, bytes));
    }
    let is_jpeg = matches!(number(tags::COMPRESSION), Some(6 | 7)) && !directory.has(tags::JPEG_TABLES);
    let mut only = |tag| match file.find_numbers(directory, tag, 2).ok()??[..] {
        [only] => Some(only),
        _ => None,
    };
    if is_jpeg { Some((only(tags::STRIP_OFFSETS)?, only(tags::STRIP_BYTE_COUNTS)?)) } else { None }
}

/// Orientation and rights, which a raw has once for all its images.
fn add_raw_metadata<R: Read + Seek>(mut preview: ImageHeader, file: &mut TiffFile<R>) -> ImageHeader {
    let mut raw = ImageHeader::new(preview.format, (1, 1), preview.color, preview.bits);
    read_tiff_metadata(file.reader(), None, &mut raw);
    if preview.orientation == crate::turn::Turn::NONE {
        preview.orientation = raw.orientation;
    }
    preview.rights = preview.rights.or(raw.rights);
    preview.xmp = preview.xmp.or(raw.xmp);
    preview.captured = preview.captured.or(raw.captured);
    preview.metadata_left_out = preview.metadata_left_out.or(raw.metadata_left_out);
    preview
}
