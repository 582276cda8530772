//! Which of the directories of a TIFF is the image. The list of pages may begin with a thumbnail, go on with reduced
//! copies and masks, or hide the image in a sub-directory, as camera raws and some scanners do. Sources: TIFF 6.0, tag
//! NewSubfileType; Adobe's TIFF Technical Note 1 (sub-directories).

use std::collections::BTreeSet;
use std::io::{Read, Seek};

use super::compression::is_raw_compression;
use super::directory::{Directory, TiffFile};
use super::tags;
use crate::error::RenderError;
use crate::header::corrupt_error;

/// Most bytes of directories that are read.
const MAX_LIST_BYTES: u64 = 32 << 20;

/// Most pages that are counted.
const MAX_PAGES: usize = 10_000;

/// Most directories whose sub-directories are looked at, and most sub-directories of each.
const MAX_PARENTS: usize = 8;
const MAX_CHILDREN: usize = 16;

/// What a directory says it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum DirectoryRole {
    Image,
    /// A reduced copy of another image in the file.
    Reduced,
    /// A transparency mask of another image.
    Mask,
}

/// A directory that describes pixels.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ListedDirectory {
    pub(crate) offset: u64,
    /// Offset of the directory that it is a sub-directory of.
    pub(crate) parent: Option<u64>,
    pub(crate) size: (u32, u32),
    role: DirectoryRole,
    /// Whether its pixels are those of a camera's sensor.
    pub(crate) is_sensor: bool,
}

impl ListedDirectory {
    fn area(&self) -> u64 {
        u64::from(self.size.0) * u64::from(self.size.1)
    }

    pub(crate) fn is_mask(&self) -> bool {
        self.role == DirectoryRole::Mask
    }

    fn is_image(&self) -> bool {
        self.role == DirectoryRole::Image && !self.is_sensor
    }
}

/// The directories of a file, in the order of its list; sub-directories follow their parent.
#[derive(Debug)]
pub(crate) struct DirectoryList {
    pub(crate) directories: Vec<ListedDirectory>,
    /// What is wrong with the list behind its first directory.
    pub(crate) irregularity: Option<String>,
}

impl DirectoryList {
    /// Walks over the list. Damage behind the first directory ends it.
    ///
    /// # Errors
    /// When the first directory cannot be read.
    pub(crate) fn read<R: Read + Seek>(file: &mut TiffFile<R>) -> Result<Self, RenderError> {
        let mut list = Self { directories: Vec::new(), irregularity: None };
        let (mut offset, mut seen, mut bytes_read) = (file.first_directory, BTreeSet::new(), 0);
        loop {
            let directory = match file.read_directory(offset) {
                Ok(directory) => directory,
                Err(failure) if seen.is_empty() => return Err(failure),
                Err(_) => {
                    list.set_irregular(seen.len(), "leads outside the file");
                    break;
                }
            };
            seen.insert(offset);
            bytes_read += directory.stored_bytes();
            list.add(file, &directory, offset, None);
            if seen.len() <= MAX_PARENTS {
                list.add_children(file, &directory, offset);
            }
            match directory.next {
                Some(0) => break,
                Some(next) if seen.contains(&next) => {
                    list.set_irregular(seen.len(), "leads back to an earlier page");
                    break;
                }
                Some(next) => offset = next,
                None => {
                    list.set_irregular(seen.len(), "has no end");
                    break;
                }
            }
            if seen.len() >= MAX_PAGES || bytes_read > MAX_LIST_BYTES {
                break;
            }
        }
        Ok(list)
    }

    fn set_irregular(&mut self, pages: usize, what: &str) {
        let detail = format!("The list of pages of the TIFF {what} after page {pages}; pages behind it are not known.");
        self.irregularity = Some(detail);
    }

    fn add<R: Read + Seek>(&mut self, file: &mut TiffFile<R>, directory: &Directory, offset: u64, parent: Option<u64>) {
        let has_pixels = [tags::STRIP_OFFSETS, tags::TILE_OFFSETS].iter().any(|tag| directory.has(*tag));
        // A JPEG alone is the thumbnail of EXIF, and needs no size.
        let size = match has_pixels {
            true => file.find_size(directory),
            false => directory.has(tags::JPEG_OFFSET).then_some((0, 0)),
        };
        let Some(size) = size else { return };
        let role = if has_pixels { find_role(file, directory) } else { DirectoryRole::Reduced };
        let is_sensor = is_sensor_data(file, directory);
        self.directories.push(ListedDirectory { offset, parent, size, role, is_sensor });
    }

    fn add_children<R: Read + Seek>(&mut self, file: &mut TiffFile<R>, directory: &Directory, parent: u64) {
        let children = file.find_numbers(directory, tags::SUB_DIRECTORIES, MAX_CHILDREN).ok().flatten();
        for offset in children.unwrap_or_default() {
            if let Ok(child) = file.read_directory(offset) {
                self.add(file, &child, offset, Some(parent));
            }
        }
    }

    /// Whether the file holds what a camera's sensor saw.
    pub(crate) fn has_sensor(&self) -> bool {
        self.directories.iter().any(|directory| directory.is_sensor)
    }

    /// The image: the first page that is not a reduced copy or a mask, or a larger one in its sub-directories. Where
    /// every page says that it is reduced, the largest.
    pub(crate) fn choose_image(&self) -> Result<ListedDirectory, RenderError> {
        let pages = || self.directories.iter().filter(|directory| directory.parent.is_none());
        let first = pages().find(|page| page.is_image());
        let is_larger = |child: &&ListedDirectory| match first {
            Some(page) => child.parent == Some(page.offset) && child.size.0 > page.size.0 && child.size.1 > page.size.1,
            None => true,
        };
        let children = self.directories.iter().filter(|child| child.parent.is_some() && child.is_image());
        let largest = |directories: &mut dyn Iterator<Item = &ListedDirectory>| {
            // The first of several of the same size.
            directories.fold(None, |best: Option<ListedDirectory>, directory| match best {
                Some(best) if best.area() >= directory.area() => Some(best),
                _ => Some(*directory),
            })
        };
        largest(&mut children.filter(is_larger))
            .or(first.copied())
            .or_else(|| largest(&mut pages().filter(|page| page.area() > 0)))
            .ok_or_else(|| corrupt_error("The TIFF has no directory with an image."))
    }

    /// The number of pages; at least 1.
    pub(crate) fn count_pages(&self) -> u32 {
        let pages = self.directories.iter().filter(|page| page.parent.is_none() && page.is_image());
        pages.count().max(1) as u32
    }
}

fn find_role<R: Read + Seek>(file: &mut TiffFile<R>, directory: &Directory) -> DirectoryRole {
    let kinds = file.find_number(directory, tags::NEW_SUBFILE_TYPE).unwrap_or(0);
    // The tag's predecessor has numbers instead of bits.
    let is_reduced = kinds & 1 != 0 || file.find_number(directory, tags::SUBFILE_TYPE) == Some(2);
    match kinds & 4 != 0 || file.find_number(directory, tags::PHOTOMETRIC) == Some(4) {
        true => DirectoryRole::Mask,
        false if is_reduced => DirectoryRole::Reduced,
        false => DirectoryRole::Image,
    }
}

/// Photometric interpretations of camera raws: a mosaic of colour filters, and colours of a sensor.
const COLOR_FILTER_ARRAY: u64 = 32_803;
const LINEAR_RAW: u64 = 34_892;

fn is_sensor_data<R: Read + Seek>(file: &mut TiffFile<R>, directory: &Directory) -> bool {
    let photometric = file.find_number(directory, tags::PHOTOMETRIC);
    matches!(photometric, Some(COLOR_FILTER_ARRAY | LINEAR_RAW))
        || file.find_number(directory, tags::COMPRESSION).is_some_and(is_raw_compression)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::io::Cursor;

    use super::super::samples::{Kind, SampleEntry, TiffSample};
    use super::*;

    const REDUCED: SampleEntry<'static> = (254, Kind::Long, &[1]);
    const OLD_REDUCED: SampleEntry<'static> = (255, Kind::Short, &[2]);
    const PAGE: SampleEntry<'static> = (254, Kind::Long, &[2]);
    const MASK: SampleEntry<'static> = (254, Kind::Long, &[4]);

    fn list(sample: TiffSample) -> DirectoryList {
        let mut file = TiffFile::open(Cursor::new(sample.finish())).unwrap();
        DirectoryList::read(&mut file).unwrap()
    }

    #[test]
    fn the_image_is_the_first_page_that_is_no_copy_and_no_mask() {
        type Pages = &'static [(u32, &'static [SampleEntry<'static>])];
        // Sides of the pages and what they say; side of the image and number of pages.
        let cases: [(Pages, u32, u32); 9] = [
            (&[(20, &[])], 20, 1),
            (&[(20, &[]), (30, &[])], 20, 2),
            (&[(10, &[REDUCED]), (40, &[])], 40, 1),
            (&[(10, &[OLD_REDUCED]), (40, &[])], 40, 1),
            (&[(10, &[REDUCED]), (20, &[PAGE]), (40, &[PAGE])], 20, 2),
            (&[(20, &[]), (10, &[REDUCED]), (5, &[REDUCED])], 20, 1),
            (&[(20, &[MASK]), (20, &[])], 20, 1),
            (&[(20, &[]), (20, &[MASK])], 20, 1),
            (&[(10, &[REDUCED]), (40, &[REDUCED]), (20, &[REDUCED])], 40, 1),
        ];
        for (pages, side, count) in cases {
            let mut sample = TiffSample::default();
            for (side, entries) in pages {
                sample.add_gray_page((*side, *side), entries);
            }
            let list = list(sample);
            assert_eq!(list.choose_image().unwrap().size, (side, side), "{pages:?}");
            assert_eq!((list.count_pages(), &list.irregularity), (count, &None), "{pages:?}");
        }
    }

    #[test]
    fn the_image_may_be_in_a_sub_directory() {
        type Entries<'a> = &'a [SampleEntry<'a>];
        let cases: [(Entries<'_>, Entries<'_>, (u32, u32)); 4] = [
            // A thumbnail with its image, an image with its thumbnail, an image with a larger one, a mask.
            (&[REDUCED], &[], (40, 40)),
            (&[], &[REDUCED], (20, 20)),
            (&[], &[], (40, 40)),
            (&[], &[MASK], (20, 20)),
        ];
        for (page, child, expected) in cases {
            let mut sample = TiffSample::default();
            let child = [sample.add_gray_sub_image((40, 40), child)];
            sample.add_gray_page((20, 20), &[page, &[(330, Kind::Long, &child)]].concat());
            let list = list(sample);
            assert_eq!(list.choose_image().unwrap().size, expected, "{page:?}");
            assert_eq!(list.count_pages(), 1);
        }
    }

    #[test]
    fn damage_behind_the_first_directory_is_an_irregularity() {
        let mut looped = TiffSample::default();
        let first = looped.add_gray_page((4, 4), &[]);
        looped.add_gray_page((4, 4), &[]);
        looped.link_next(first);
        let mut outside = TiffSample::default();
        outside.add_gray_page((4, 4), &[]);
        outside.link_next(1 << 20);
        for (sample, pages, what) in [(looped, 2, "leads back"), (outside, 1, "leads outside")] {
            let list = list(sample);
            assert_eq!((list.count_pages(), list.choose_image().unwrap().offset > 0), (pages, true));
            assert!(list.irregularity.unwrap().contains(what));
        }
        let mut nowhere = TiffSample::default();
        nowhere.link_next(1 << 20);
        let mut file = TiffFile::open(Cursor::new(nowhere.finish())).unwrap();
        assert_eq!(DirectoryList::read(&mut file).unwrap_err().code, offprint_core::Code::Truncated);
    }

    #[test]
    fn pages_are_counted_up_to_a_bound() {
        let mut sample = TiffSample::default();
        let offset = sample.add_data(&[7]);
        let entries: [SampleEntry<'_>; 3] =
            [(256, Kind::Short, &[1]), (257, Kind::Short, &[1]), (273, Kind::Long, &[offset])];
        for _ in 0..MAX_PAGES + 5 {
            sample.add_directory(&entries);
        }
        assert_eq!(list(sample).count_pages(), MAX_PAGES as u32);
    }
}
