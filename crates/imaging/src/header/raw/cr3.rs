//! CR3, the raws of Canon in ISO's base media format: a JPEG as its first track, and the directory of a TIFF that has
//! maker, orientation and rights. Source: "Describing the Canon Raw v3 (CR3) file format", github.com/lclevy/canon_cr3.

use std::io::{Cursor, Read, Seek, SeekFrom};

use super::{choose_preview, keep_larger, read_embedded_jpeg};
use crate::error::RenderError;
use crate::header::ImageHeader;
use crate::header::bounds::read_up_to;
use crate::header::boxes::{BoxReader, Boxes, read_box_header};
use crate::header::tiff::TiffFile;
use crate::header::tiff_metadata::read_tiff_metadata;
use crate::turn::Turn;

/// Largest box with all that describes the file, in bytes.
const MAX_MOVIE_BYTES: u64 = 8 << 20;

/// Most tracks that are looked at.
const MAX_TRACKS: usize = 8;

/// The identifier of the box of Canon's own.
const CANON_BOX: [u8; 16] =
    [0x85, 0xC0, 0xB6, 0x87, 0x82, 0x0F, 0x11, 0xE0, 0x81, 0x11, 0xF4, 0xCE, 0x46, 0x2B, 0x6A, 0x48];

pub(super) fn read_cr3_preview(input: &mut (impl Read + Seek), camera: &str) -> Result<ImageHeader, RenderError> {
    let movie = read_movie(input).unwrap_or_default();
    let mut largest = None;
    for (offset, bytes) in find_first_samples(&movie) {
        largest = keep_larger(largest, read_embedded_jpeg(&mut *input, offset, bytes));
    }
    let mut preview = choose_preview(largest, None, camera)?;
    if let Some(directory) =
        find_box(&movie, b"uuid", Some(&CANON_BOX)).and_then(|canon| find_box(canon, b"CMT1", None))
    {
        add_metadata(&mut preview, directory);
    }
    Ok(preview)
}

/// The content of the box `moov`. `None` without it: the file is then refused by name all the same.
fn read_movie(input: &mut (impl Read + Seek)) -> Option<Vec<u8>> {
    input.seek(SeekFrom::Start(0)).ok()?;
    loop {
        let (kind, length) = read_box_header(input).ok()?;
        let length = length?;
        if &kind == b"moov" {
            return read_up_to(input, length.min(MAX_MOVIE_BYTES)).ok();
        }
        input.seek_relative(i64::try_from(length).ok()?).ok()?;
    }
}

/// The content of the first box of a kind, and with this identifier.
fn find_box<'a>(content: &'a [u8], wanted: &[u8; 4], id: Option<&[u8]>) -> Option<&'a [u8]> {
    let mut boxes = Boxes(content);
    while let Ok(Some((kind, BoxReader(content)))) = boxes.next() {
        if &kind == wanted
            && let Some(content) = content.strip_prefix(id.unwrap_or_default())
        {
            return Some(content);
        }
    }
    None
}

/// Offset and length of the first sample of each track.
fn find_first_samples(movie: &[u8]) -> Vec<(u64, u64)> {
    let (mut samples, mut boxes) = (Vec::new(), Boxes(movie));
    while let Ok(Some((kind, BoxReader(track)))) = boxes.next() {
        if &kind == b"trak" && samples.len() < MAX_TRACKS {
            samples.extend(find_first_sample(track));
        }
    }
    samples
}

fn find_first_sample(track: &[u8]) -> Option<(u64, u64)> {
    let path: [&[u8; 4]; 3] = [b"mdia", b"minf", b"stbl"];
    let table = path.into_iter().try_fold(track, |content, kind| find_box(content, kind, None))?;
    // Version and flags, the size of all samples or 0, their number, their sizes.
    let mut sizes = BoxReader(find_box(table, b"stsz", None)?.get(4..)?);
    let bytes = match sizes.read_u32().ok()? {
        0 => BoxReader(sizes.0.get(4..)?).read_u32().ok()?,
        all => all,
    };
    let offset = match find_box(table, b"co64", None) {
        Some(offsets) => BoxReader(offsets.get(8..)?).read_uint(8).ok()?,
        None => BoxReader(find_box(table, b"stco", None)?.get(8..)?).read_uint(4).ok()?,
    };
    Some((offset, u64::from(bytes)))
}

/// Adds orientation and rights from the directory, which is a whole TIFF.
fn add_metadata(preview: &mut ImageHeader, directory: &[u8]) {
    let Ok(mut file) = TiffFile::open(Cursor::new(directory)) else { return };
    let mut raw = ImageHeader::new(preview.format, (1, 1), preview.color, preview.bits);
    read_tiff_metadata(file.reader(), None, &mut raw);
    if preview.orientation == Turn::NONE {
        preview.orientation = raw.orientation;
    }
    preview.rights = std::mem::take(&mut preview.rights).or(raw.rights);
}
