//! TIFF headers: the directories, as far as they describe the image and how its pixels are stored (TIFF 6.0).
//!
//! Where to begin reading: [`read_tiff_header`]. `directory.rs` reads entries, `pages.rs` chooses the image among the
//! directories, `layout.rs` says how its pixels are stored.

mod compression;
mod directory;
mod layout;
mod pages;
#[cfg(test)]
pub(crate) mod samples;
pub(crate) mod tags;
mod ycbcr;

use std::io::{Read, Seek};

pub(crate) use self::compression::{FaxCoding, TiffCompression};
pub(crate) use self::directory::{Directory, TiffFile};
pub(crate) use self::layout::{Predictor, TiffLayout};
pub(super) use self::pages::{DirectoryList, ListedDirectory};
use super::{FilePart, ImageHeader, MAX_PROFILE_BYTES, SourceFormat, exif, image_resources, raw};
use crate::error::RenderError;
use crate::rights::{ImageRights, decode_text};
use crate::turn::Turn;

pub(super) fn read_tiff_header(input: impl Read + Seek) -> Result<ImageHeader, RenderError> {
    let mut file = TiffFile::open(input)?;
    let list = DirectoryList::read(&mut file)?;
    if let Some(camera) = raw::detect_raw_tiff(&mut file, &list) {
        return raw::read_tiff_preview(&mut file, &list, &camera);
    }
    let image = list.choose_image()?;
    let mut header = read_page_header(&mut file, image)?;
    header.frames = list.count_pages();
    header.irregularity = list.irregularity;
    Ok(header)
}

/// The header of the image that this directory describes.
pub(super) fn read_page_header<R: Read + Seek>(
    file: &mut TiffFile<R>,
    image: ListedDirectory,
) -> Result<ImageHeader, RenderError> {
    let directory = file.read_directory(image.offset)?;
    let layout = TiffLayout::read(file, &directory)?;
    let mut header = ImageHeader::new(SourceFormat::Tiff, layout.size, layout.color, layout.decoded_bits());
    header.alpha = layout.alpha.is_some();
    header.premultiplied = layout.alpha.is_some_and(|alpha| alpha.premultiplied);
    header.part = (image.offset != file.first_directory).then_some(FilePart::Directory(image.offset));
    // What a sub-directory does not say is said by its parent.
    let parent = image.parent.and_then(|parent| file.read_directory(parent).ok());
    read_metadata(&mut header, file, &[Some(directory), parent].into_iter().flatten().collect::<Vec<_>>());
    Ok(header)
}

/// Adds orientation, resolution, rights, paths and profile. The first directory that has an entry counts.
pub(super) fn read_metadata<R: Read + Seek>(
    header: &mut ImageHeader,
    file: &mut TiffFile<R>,
    directories: &[Directory],
) {
    let find = |tag| directories.iter().find(|directory| directory.has(tag));
    let mut number = |tag| find(tag).and_then(|directory| file.find_number(directory, tag));
    header.orientation = number(tags::ORIENTATION).map_or(Turn::NONE, |number| Turn::from_exif(number as u32));
    // A parent is of another size and has another resolution.
    let own = &directories[..1];
    header.dpi = own.iter().find_map(|directory| read_resolution(file, directory));
    let mut bytes = |tag| find(tag).and_then(|directory| file.find_bytes(directory, tag));
    header.profile = bytes(tags::ICC_PROFILE).filter(|profile| profile.len() <= MAX_PROFILE_BYTES);
    let (iptc, resources, xmp) = (bytes(tags::IPTC), bytes(tags::PHOTOSHOP), bytes(tags::XMP));
    let mut text = |tag| find(tag).and_then(|directory| file.find_text(directory, tag)).and_then(|it| decode_text(&it));
    let (artist, copyright) = (text(tags::ARTIST), text(tags::COPYRIGHT));
    header.rights = ImageRights { creators: artist.into_iter().collect(), copyright, credit: None };
    if let Some(iptc) = iptc {
        header.merge_rights(ImageRights::from_iptc(&iptc));
    }
    if let Some(resources) = resources {
        header.paths = image_resources::find_paths(&resources);
        header.merge_rights(ImageRights::from_iptc(image_resources::find_iptc(&resources)));
    }
    header.set_xmp(xmp);
}

/// Dots per inch.
fn read_resolution<R: Read + Seek>(file: &mut TiffFile<R>, directory: &Directory) -> Option<f64> {
    let unit = file.find_number(directory, tags::RESOLUTION_UNIT).unwrap_or(2);
    let value = file.find_fractions(directory, tags::X_RESOLUTION, 1).first().copied()?;
    exif::to_dots_per_inch(value, u32::try_from(unit).ok()?)
}
