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
use super::tiff_metadata::read_tiff_metadata;
use super::{FilePart, ImageHeader, SourceFormat, raw};
use crate::error::RenderError;

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
    read_tiff_metadata(file.reader(), Some(image.offset), &mut header);
    Ok(header)
}
