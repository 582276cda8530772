//! Where the pieces of a TIFF lie: a *piece* is a strip or a tile. Directories are often wrong about it, so what they
//! say is completed and corrected as libtiff does, as far as it follows from the size of the image and of the file.

use std::io::{Read, Seek};

use offprint_core::Code;

use crate::error::RenderError;
use crate::header::tiff::{Directory, TiffCompression, TiffFile, TiffLayout, tags};

/// Largest piece, in bytes before compression. Tiles may be larger than the image.
const MAX_PIECE_BYTES: u64 = 1 << 30;

/// Most pieces: tiles of 16x16 pixels in the largest image, in each of five planes.
const MAX_PIECES: usize = 4 << 20;

/// Strips without compression are read in parts of about this many bytes, so that rows pass on to the next step at once.
const PLAIN_PART_BYTES: u64 = 256 << 10;

/// No piece begins within the signature of the file.
const MIN_OFFSET: u64 = 8;

/// The pieces of an image.
#[derive(Debug)]
pub(super) struct TiffPieces {
    width: usize,
    height: usize,
    /// Whether pieces are tiles. Tiles are stored whole, the last strip only as far as the image goes.
    pub(crate) tiled: bool,
    /// Width and height of a piece, in pixels.
    pub(crate) size: (usize, usize),
    /// Pieces in a row of pieces.
    pub(crate) across: usize,
    /// Pieces of the image; of each component where they are planar.
    pub(crate) per_plane: usize,
    /// Offset and length of each piece.
    pub(crate) ranges: Vec<(u64, u64)>,
}

impl TiffPieces {
    /// # Errors
    /// `corrupt` when the directory does not say where the pieces lie, `source-too-large` for pieces that do not fit
    /// into memory.
    pub(crate) fn read<R: Read + Seek>(
        file: &mut TiffFile<R>,
        directory: &Directory,
        layout: &TiffLayout,
    ) -> Result<Self, RenderError> {
        let (width, height) = (layout.size.0 as usize, layout.size.1 as usize);
        let planes = if layout.planar { layout.samples } else { 1 };
        let tiled = directory.has(tags::TILE_WIDTH);
        // Some programs name the tiles by the tags of strips.
        let either = |tile, strip| if directory.has(tile) { tile } else { strip };
        let offsets = file.find_numbers(directory, either(tags::TILE_OFFSETS, tags::STRIP_OFFSETS), MAX_PIECES)?;
        let lengths_tag = either(tags::TILE_BYTE_COUNTS, tags::STRIP_BYTE_COUNTS);
        let lengths = file.find_numbers(directory, lengths_tag, MAX_PIECES).ok().flatten().unwrap_or_default();
        let Some(offsets) = offsets.filter(|offsets| !offsets.is_empty()) else {
            return Err(corrupt_error("The TIFF does not say where its image data lies."));
        };
        let size = match tiled {
            true => read_tile_size(file, directory)?,
            false => {
                let stored = file.find_number(directory, tags::ROWS_PER_STRIP);
                (width, find_strip_rows(stored, layout, offsets.len() / planes, lengths.first().copied()))
            }
        };
        if count_bytes(layout, size) > MAX_PIECE_BYTES {
            let detail = "The TIFF has strips or tiles of more than 1 GiB. Save it with smaller ones.";
            return Err(RenderError::new(Code::SourceTooLarge, detail));
        }
        let across = width.div_ceil(size.0);
        let per_plane = across * height.div_ceil(size.1);
        let needed = per_plane * planes;
        if offsets.len() < needed {
            let detail = format!("The TIFF names {} strips or tiles; its image has {needed}.", offsets.len());
            return Err(corrupt_error(&detail));
        }
        let mut pieces = Self { width, height, tiled, size, across, per_plane, ranges: Vec::with_capacity(needed) };
        pieces.set_ranges(layout, &offsets[..needed], &lengths, file.length)?;
        pieces.split_plain_strips(layout);
        Ok(pieces)
    }

    /// Makes several strips of each large one whose rows can be found without reading those above.
    fn split_plain_strips(&mut self, layout: &TiffLayout) {
        let is_plain = layout.compression == TiffCompression::None && layout.shared_chroma().is_none();
        let row_bytes = count_bytes(layout, (self.width, 1)).max(1);
        let wanted = (PLAIN_PART_BYTES / row_bytes).max(1) as usize;
        if self.tiled || !is_plain || self.size.1 <= wanted {
            return;
        }
        // Strips that follow must begin with a part of their own.
        let is_single = self.per_plane == 1;
        let rows =
            if is_single { Some(wanted) } else { (1..=wanted).rev().find(|rows| self.size.1.is_multiple_of(*rows)) };
        let Some(rows) = rows.filter(|rows| rows * 4 >= wanted) else { return };
        let mut parts = Vec::new();
        for (at, (offset, length)) in self.ranges.iter().copied().enumerate() {
            let strip_rows = self.stored_size(at % self.per_plane).1;
            for top in (0..strip_rows).step_by(rows) {
                let (skipped, part_bytes) = (top as u64 * row_bytes, rows.min(strip_rows - top) as u64 * row_bytes);
                parts.push((offset.saturating_add(skipped), length.saturating_sub(skipped).min(part_bytes)));
            }
        }
        self.ranges = parts;
        self.size.1 = rows;
        self.per_plane = self.height.div_ceil(rows);
    }

    /// Lengths that are missing, 0 or impossible follow from the size of the piece, or from where the next begins.
    fn set_ranges(
        &mut self,
        layout: &TiffLayout,
        offsets: &[u64],
        lengths: &[u64],
        file_bytes: u64,
    ) -> Result<(), RenderError> {
        let mut starts: Vec<u64> = offsets.to_vec();
        starts.sort_unstable();
        let is_plain = layout.compression == TiffCompression::None;
        for (at, offset) in offsets.iter().copied().enumerate() {
            if offset < MIN_OFFSET {
                return Err(corrupt_error("The TIFF has a strip or tile without image data."));
            }
            let piece_bytes = count_bytes(layout, self.stored_size(at % self.per_plane));
            let bytes = match lengths.get(at).copied().unwrap_or(0) {
                0 if is_plain => piece_bytes,
                0 => {
                    let next = starts.get(starts.partition_point(|start| *start <= offset)).copied();
                    next.unwrap_or(file_bytes).saturating_sub(offset)
                }
                // A single piece is all there is, whatever its length is said to be.
                length if is_plain && offsets.len() == 1 => length.max(piece_bytes),
                length => length,
            };
            self.ranges.push((offset, bytes));
        }
        Ok(())
    }

    /// Width and height of the part of a piece that lies in the image; tiles may reach beyond it.
    pub(crate) fn visible_size(&self, at: usize) -> (usize, usize) {
        let (left, top) = (at % self.across * self.size.0, at / self.across * self.size.1);
        (self.size.0.min(self.width - left), self.size.1.min(self.height - top))
    }

    /// Width and height of a piece as it is stored.
    pub(crate) fn stored_size(&self, at: usize) -> (usize, usize) {
        if self.tiled { self.size } else { self.visible_size(at) }
    }
}

fn read_tile_size<R: Read + Seek>(
    file: &mut TiffFile<R>,
    directory: &Directory,
) -> Result<(usize, usize), RenderError> {
    let mut side = |tag| {
        let side = file.find_number(directory, tag).and_then(|side| u32::try_from(side).ok());
        side.filter(|side| *side > 0).map(|side| side as usize)
    };
    match (side(tags::TILE_WIDTH), side(tags::TILE_LENGTH)) {
        (Some(width), Some(height)) => Ok((width, height)),
        _ => Err(corrupt_error("The TIFF does not say how large its tiles are.")),
    }
}

/// Rows of a strip. What the directory says is used unless it is missing, 0, or contradicts that there is one strip.
fn find_strip_rows(stored: Option<u64>, layout: &TiffLayout, strips: usize, first_bytes: Option<u64>) -> usize {
    let height = layout.size.1 as usize;
    let row_bytes = count_bytes(layout, (layout.size.0 as usize, 1)).max(1);
    // Rows without compression tell how many there are by their length.
    let first_bytes = first_bytes.filter(|bytes| *bytes > 0 && layout.compression == TiffCompression::None);
    let first_rows = first_bytes.map(|bytes| (bytes / row_bytes) as usize);
    let stored = stored.filter(|rows| *rows > 0).map(|rows| usize::try_from(rows).unwrap_or(height).min(height));
    match stored {
        // The strip is as short as is said of it: others are missing.
        Some(rows) if strips <= 1 && first_rows.is_some_and(|first| first < height && first <= rows) => rows,
        _ if strips <= 1 => height,
        Some(rows) => rows,
        None => {
            let rows = first_rows.filter(|rows| *rows > 0 && height.div_ceil(*rows) == strips);
            rows.unwrap_or_else(|| height.div_ceil(strips))
        }
    }
}

/// Bytes of a piece of this size, before compression.
pub(super) fn count_bytes(layout: &TiffLayout, (width, height): (usize, usize)) -> u64 {
    let (width, height) = (width as u64, height as u64);
    if let Some((block_width, block_height)) = layout.shared_chroma() {
        let (block_width, block_height) = (block_width as u64, block_height as u64);
        let blocks = width.div_ceil(block_width).saturating_mul(height.div_ceil(block_height));
        return blocks.saturating_mul(block_width * block_height + 2);
    }
    let samples = if layout.planar { 1 } else { layout.samples as u64 };
    width.saturating_mul(samples * u64::from(layout.bits)).div_ceil(8).saturating_mul(height)
}

fn corrupt_error(detail: &str) -> RenderError {
    RenderError::new(Code::Corrupt, detail)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::io::Cursor;

    use super::*;
    use crate::header::tiff::samples::{Kind, SampleEntry, TiffSample};

    /// The ranges, in bytes behind the first offset, of an image of 10x6 gray pixels; `None` when it is refused.
    fn list_ranges(compression: u64, entries: &[SampleEntry<'_>], offsets: &[u64]) -> Option<Vec<(u64, u64)>> {
        let mut sample = TiffSample::default();
        let start = sample.add_data(&[0; 100]);
        let offsets: Vec<u64> = offsets.iter().map(|offset| start + offset).collect();
        let compression = [compression];
        let own: [SampleEntry<'_>; 6] = [
            (256, Kind::Short, &[10]),
            (257, Kind::Short, &[6]),
            (258, Kind::Short, &[8]),
            (259, Kind::Short, &compression),
            (262, Kind::Short, &[1]),
            (273, Kind::Long, &offsets),
        ];
        sample.add_directory(&[&own[..], entries].concat());
        let mut file = TiffFile::open(Cursor::new(sample.finish())).unwrap();
        let directory = file.read_directory(file.first_directory).unwrap();
        let layout = TiffLayout::read(&mut file, &directory).unwrap();
        let pieces = TiffPieces::read(&mut file, &directory, &layout).ok()?;
        Some(pieces.ranges.iter().map(|(offset, bytes)| (offset - start, *bytes)).collect())
    }

    #[test]
    fn lengths_that_are_missing_or_wrong_follow_from_what_is_known() {
        const PLAIN: u64 = 1;
        const LZW: u64 = 5;
        let counts = |counts: &'static [u64]| -> SampleEntry<'static> { (279, Kind::Long, counts) };
        let rows = |rows: &'static [u64]| -> SampleEntry<'static> { (278, Kind::Short, rows) };
        // One strip.
        assert_eq!(list_ranges(PLAIN, &[], &[0]), Some(vec![(0, 60)]));
        assert_eq!(list_ranges(PLAIN, &[counts(&[0])], &[0]), Some(vec![(0, 60)]));
        assert_eq!(list_ranges(PLAIN, &[counts(&[10])], &[0]), Some(vec![(0, 60)]));
        assert_eq!(list_ranges(PLAIN, &[counts(&[60]), rows(&[0])], &[0]), Some(vec![(0, 60)]));
        assert_eq!(list_ranges(PLAIN, &[counts(&[60]), rows(&[3])], &[0]), Some(vec![(0, 60)]));
        assert_eq!(list_ranges(PLAIN, &[counts(&[30]), rows(&[3])], &[0]), None);
        assert_eq!(list_ranges(LZW, &[counts(&[17])], &[0]), Some(vec![(0, 17)]));
        // Several strips; the last has what is left.
        assert_eq!(list_ranges(PLAIN, &[rows(&[4])], &[0, 40]), Some(vec![(0, 40), (40, 20)]));
        assert_eq!(list_ranges(PLAIN, &[rows(&[4]), counts(&[40])], &[0, 40]), Some(vec![(0, 40), (40, 20)]));
        assert_eq!(list_ranges(PLAIN, &[counts(&[40, 20])], &[0, 40]), Some(vec![(0, 40), (40, 20)]));
        assert_eq!(list_ranges(PLAIN, &[rows(&[0]), counts(&[30, 30])], &[0, 30]), Some(vec![(0, 30), (30, 30)]));
        assert_eq!(list_ranges(LZW, &[rows(&[3]), counts(&[0, 0])], &[0, 30]).unwrap()[0], (0, 30));
        assert_eq!(list_ranges(LZW, &[rows(&[3])], &[30, 0]).unwrap()[1], (0, 30));
        // More than needed, and fewer.
        assert_eq!(list_ranges(PLAIN, &[rows(&[6]), counts(&[60, 60])], &[0, 10]), Some(vec![(0, 60)]));
        assert_eq!(list_ranges(PLAIN, &[rows(&[2]), counts(&[20, 20])], &[0, 20]), None);
    }

    #[test]
    fn large_strips_without_compression_are_read_in_parts() {
        let split = |height: u64, strip_rows: u64, planar: u64| {
            let mut sample = TiffSample::default();
            let strips = height.div_ceil(strip_rows) * if planar == 2 { 3 } else { 1 };
            let bytes_per_row = if planar == 2 { 1000 } else { 3000 };
            let offsets: Vec<u64> = (0..strips).map(|strip| 100 + strip * strip_rows * bytes_per_row).collect();
            sample.add_directory(&[
                (256, Kind::Short, &[1000]),
                (257, Kind::Short, &[height]),
                (258, Kind::Short, &[8, 8, 8]),
                (259, Kind::Short, &[1]),
                (262, Kind::Short, &[2]),
                (273, Kind::Long, &offsets),
                (277, Kind::Short, &[3]),
                (278, Kind::Short, &[strip_rows]),
                (284, Kind::Short, &[planar]),
            ]);
            let mut file = TiffFile::open(Cursor::new(sample.finish())).unwrap();
            let directory = file.read_directory(file.first_directory).unwrap();
            let layout = TiffLayout::read(&mut file, &directory).unwrap();
            TiffPieces::read(&mut file, &directory, &layout).unwrap()
        };
        for (height, strip_rows, planar) in
            [(1000, 1000, 1), (1003, 1003, 1), (1000, 400, 1), (1000, 1000, 2), (90, 90, 1)]
        {
            let pieces = split(height, strip_rows, planar);
            let row_bytes = if planar == 2 { 1000 } else { 3000 };
            // The parts of all strips follow each other without a gap, and none is large.
            let mut end = 100;
            for (offset, bytes) in &pieces.ranges {
                assert_eq!(*offset, end, "{height} {strip_rows} {planar}");
                assert!(*bytes <= PLAIN_PART_BYTES.max(90 * 3000) && bytes % row_bytes == 0);
                end += bytes;
            }
            assert_eq!(end - 100, height * 3000);
            assert_eq!(pieces.per_plane, (height as usize).div_ceil(pieces.size.1));
        }
        // 997 rows can be divided only into single rows: they stay together.
        assert_eq!(split(1994, 997, 1).size.1, 997);
    }

    #[test]
    fn huge_tiles_and_missing_places_are_refused() {
        let tile =
            |side: &'static [u64]| -> [SampleEntry<'static>; 2] { [(322, Kind::Long, side), (323, Kind::Long, side)] };
        assert_eq!(list_ranges(1, &tile(&[16]), &[0]), Some(vec![(0, 256)]));
        assert_eq!(list_ranges(1, &tile(&[1 << 20]), &[0]), None);
        assert_eq!(list_ranges(1, &tile(&[u32::MAX as u64]), &[0]), None);
        assert_eq!(list_ranges(1, &tile(&[0]), &[0]), None);
    }
}
