//! The structure of TIFF: directories of numbered entries, anywhere in the file. Reads classic and BigTIFF, and camera
//! raws that differ from TIFF only in their signature. Source: TIFF 6.0, section 2.
//!
//! Every offset and count comes from the file: what a reader asks for is bounded by its own limit, and by the length of
//! the file, before anything is allocated.

use std::io::{Read, Seek, SeekFrom};

use super::tags;
use crate::error::RenderError;
use crate::header::corrupt_error;

/// Most entries of a directory. libtiff has the same limit for BigTIFF.
const MAX_ENTRIES: u64 = 4096;

/// Largest value that is read as bytes or text, in bytes.
const MAX_VALUE_BYTES: u64 = 32 << 20;

/// Longest text that is read; the rest of a longer one is left.
const MAX_TEXT_VALUES: u64 = 1 << 10;

/// An open TIFF.
#[derive(Debug)]
pub(crate) struct TiffFile<R> {
    input: R,
    /// Length of the file, in bytes.
    pub(crate) length: u64,
    pub(crate) little_endian: bool,
    /// Whether offsets have 64 bits.
    big: bool,
    /// Offset of the first directory.
    pub(crate) first_directory: u64,
}

/// One directory: what it says about an image.
#[derive(Clone, Debug, Default)]
pub(crate) struct Directory {
    entries: Vec<Entry>,
    /// Offset of the next directory, 0 at the end of the list; `None` when the file ends before it.
    pub(crate) next: Option<u64>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    tag: u16,
    kind: u16,
    count: u64,
    /// The values themselves where they fit, else their offset.
    value: [u8; 8],
}

impl Entry {
    /// Length of one value, in bytes; 0 for an unknown type.
    fn value_bytes(&self) -> u64 {
        match self.kind {
            1 | 2 | 6 | 7 => 1,
            3 | 8 => 2,
            4 | 9 | 11 | 13 => 4,
            5 | 10 | 12 | 16 | 17 | 18 => 8,
            _ => 0,
        }
    }
}

impl Directory {
    fn find(&self, tag: u16) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.tag == tag)
    }

    pub(crate) fn has(&self, tag: u16) -> bool {
        self.find(tag).is_some()
    }

    /// How many values an entry has; 0 without it.
    pub(crate) fn count(&self, tag: u16) -> u64 {
        self.find(tag).map_or(0, |entry| entry.count)
    }

    /// About how many bytes of the file it takes.
    pub(crate) fn stored_bytes(&self) -> u64 {
        self.entries.len() as u64 * 20 + 16
    }
}

impl<R: Read + Seek> TiffFile<R> {
    /// # Errors
    /// `corrupt` when the file has not the signature of a TIFF, `truncated` when it ends within it.
    pub(crate) fn open(mut input: R) -> Result<Self, RenderError> {
        let length = input.seek(SeekFrom::End(0))?;
        input.rewind()?;
        let mut start = [0; 8];
        input.read_exact(&mut start)?;
        let little_endian = start[0] == b'I';
        let mut file = Self { input, length, little_endian, big: false, first_directory: 0 };
        file.first_directory = match file.parse_uint(&start[2..4]) {
            // TIFF; the raws of Olympus ("RO", "RS") and of Panasonic.
            42 | 0x4F52 | 0x5352 | 0x55 => file.parse_uint(&start[4..8]),
            43 if file.parse_uint(&start[4..6]) == 8 => {
                file.big = true;
                let offset = file.read_at(8, 8)?;
                file.parse_uint(&offset)
            }
            _ => return Err(corrupt_error("The file has not the signature of a TIFF.")),
        };
        Ok(file)
    }

    fn parse_uint(&self, bytes: &[u8]) -> u64 {
        let add = |sum: u64, byte: &u8| sum << 8 | u64::from(*byte);
        if self.little_endian { bytes.iter().rev().fold(0, add) } else { bytes.iter().fold(0, add) }
    }

    /// Bytes of the file. The caller bounds the length.
    pub(crate) fn read_at(&mut self, offset: u64, length: usize) -> Result<Vec<u8>, RenderError> {
        if offset.checked_add(length as u64).is_none_or(|end| end > self.length) {
            return Err(RenderError::for_truncated_file("The TIFF ends before a part that its directory names."));
        }
        self.input.seek(SeekFrom::Start(offset))?;
        let mut bytes = vec![0; length];
        self.input.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    /// The file itself, for parts that are no values of an entry.
    pub(crate) fn reader(&mut self) -> &mut R {
        &mut self.input
    }

    /// Reads the directory at this offset.
    ///
    /// # Errors
    /// `truncated` when the file ends before the directory does, `corrupt` when it has too many entries.
    pub(crate) fn read_directory(&mut self, offset: u64) -> Result<Directory, RenderError> {
        let (count_bytes, entry_bytes, offset_bytes) = if self.big { (8, 20, 8) } else { (2, 12, 4) };
        let count = self.read_at(offset, count_bytes)?;
        let count = self.parse_uint(&count);
        if count > MAX_ENTRIES {
            return Err(corrupt_error(format!("A directory of the TIFF has {count} entries, which is impossible.")));
        }
        let table_bytes = count as usize * entry_bytes;
        let table = self.read_at(offset + count_bytes as u64, table_bytes)?;
        let entries = table.chunks_exact(entry_bytes).map(|entry| self.parse_entry(entry)).collect();
        let next = self.read_at(offset + (count_bytes + table_bytes) as u64, offset_bytes).ok();
        Ok(Directory { entries, next: next.map(|next| self.parse_uint(&next)) })
    }

    fn parse_entry(&self, entry: &[u8]) -> Entry {
        let field_bytes = entry.len() - 4;
        let (count, inline) = entry[4..].split_at(field_bytes / 2);
        let mut value = [0; 8];
        value[..inline.len()].copy_from_slice(inline);
        Entry {
            tag: self.parse_uint(&entry[..2]) as u16,
            kind: self.parse_uint(&entry[2..4]) as u16,
            count: self.parse_uint(count),
            value,
        }
    }

    /// Where the first `max_count` values of an entry lie in the file, as offset and length; `None` when they are in
    /// the entry.
    fn locate_values(&self, entry: &Entry, max_count: u64) -> (Option<u64>, usize) {
        let inline_bytes = if self.big { 8 } else { 4 };
        let size = entry.value_bytes();
        let length = size.saturating_mul(entry.count.min(max_count)).min(MAX_VALUE_BYTES) as usize;
        match size.saturating_mul(entry.count) <= inline_bytes {
            true => (None, length),
            false => (Some(self.parse_uint(&entry.value[..inline_bytes as usize])), length),
        }
    }

    /// The bytes of the first `max_count` values of an entry.
    fn read_values(&mut self, entry: &Entry, max_count: u64) -> Result<Vec<u8>, RenderError> {
        match self.locate_values(entry, max_count) {
            (None, length) => Ok(entry.value[..length].to_vec()),
            (Some(offset), length) => self.read_at(offset, length),
        }
    }

    /// Offset and length of a value that is not in the directory itself.
    pub(crate) fn find_section(&self, directory: &Directory, tag: u16) -> Option<(u64, u64)> {
        let entry = directory.find(tag)?;
        let (offset, _) = self.locate_values(entry, 1);
        Some((offset?, entry.value_bytes().saturating_mul(entry.count)))
    }

    /// The first `max_count` values of an entry of whole numbers that are not negative; `None` without the entry.
    ///
    /// # Errors
    /// `truncated` when the file ends before them.
    pub(crate) fn find_numbers(
        &mut self,
        directory: &Directory,
        tag: u16,
        max_count: usize,
    ) -> Result<Option<Vec<u64>>, RenderError> {
        let Some(entry) = directory.find(tag).filter(|entry| matches!(entry.kind, 1 | 3 | 4 | 6..=9 | 13 | 16..=18))
        else {
            return Ok(None);
        };
        let (entry, size) = (*entry, entry.value_bytes() as usize);
        let bytes = self.read_values(&entry, max_count as u64)?;
        Ok(Some(bytes.chunks_exact(size).map(|value| self.parse_uint(value)).collect()))
    }

    /// The first value of an entry of whole numbers; `None` without it, or where it cannot be read.
    pub(crate) fn find_number(&mut self, directory: &Directory, tag: u16) -> Option<u64> {
        self.find_numbers(directory, tag, 1).ok()??.first().copied()
    }

    /// The first values of an entry of fractions, or of other numbers; empty without it.
    pub(crate) fn find_fractions(&mut self, directory: &Directory, tag: u16, max_count: usize) -> Vec<f64> {
        let Some(entry) = directory.find(tag).copied().filter(|entry| entry.value_bytes() > 0) else {
            return Vec::new();
        };
        let bytes = self.read_values(&entry, max_count as u64).unwrap_or_default();
        let signed = |bytes: &[u8]| f64::from(self.parse_uint(bytes) as u32 as i32);
        let parse = |value: &[u8]| match entry.kind {
            5 => self.parse_uint(&value[..4]) as f64 / self.parse_uint(&value[4..]) as f64,
            10 => signed(&value[..4]) / signed(&value[4..]),
            11 => f64::from(f32::from_bits(self.parse_uint(value) as u32)),
            12 => f64::from_bits(self.parse_uint(value)),
            _ => self.parse_uint(value) as f64,
        };
        bytes.chunks_exact(entry.value_bytes() as usize).map(parse).collect()
    }

    /// The bytes of an entry, whatever their type; `None` without it, or where it cannot be read or is too long.
    pub(crate) fn find_bytes(&mut self, directory: &Directory, tag: u16) -> Option<Vec<u8>> {
        let entry = directory.find(tag).copied()?;
        if entry.value_bytes().saturating_mul(entry.count) > MAX_VALUE_BYTES {
            return None;
        }
        self.read_values(&entry, u64::MAX).ok()
    }

    /// The bytes of a text up to its first zero.
    pub(crate) fn find_text(&mut self, directory: &Directory, tag: u16) -> Option<Vec<u8>> {
        let entry = directory.find(tag).copied()?;
        let mut text = self.read_values(&entry, MAX_TEXT_VALUES).ok()?;
        let end = text.iter().position(|byte| *byte == 0).unwrap_or(text.len());
        text.truncate(end);
        Some(text)
    }

    /// Width and height, in pixels; `None` without both, or when one is 0 or impossible.
    pub(crate) fn find_size(&mut self, directory: &Directory) -> Option<(u32, u32)> {
        let mut side = |tag| {
            let side = self.find_number(directory, tag)?;
            u32::try_from(side).ok().filter(|side| *side > 0)
        };
        Some((side(tags::IMAGE_WIDTH)?, side(tags::IMAGE_LENGTH)?))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::io::Cursor;

    use super::super::samples::{Kind, TiffSample};
    use super::*;
    use offprint_core::Code;

    fn open(bytes: Vec<u8>) -> TiffFile<Cursor<Vec<u8>>> {
        TiffFile::open(Cursor::new(bytes)).unwrap()
    }

    #[test]
    fn values_are_found_in_every_byte_order_and_size() {
        for (little_endian, big) in [(true, false), (false, false), (true, true), (false, true)] {
            let mut sample = TiffSample::new(little_endian, big);
            sample.add_directory(&[
                (256, Kind::Short, &[640]),
                (257, Kind::Long, &[480]),
                (258, Kind::Short, &[8, 16, 32, 64, 128]),
                (270, Kind::Text, b"abc\0def".map(u64::from).as_slice()),
                (282, Kind::Fraction, &[300, 2]),
            ]);
            let mut file = open(sample.finish());
            let directory = file.read_directory(file.first_directory).unwrap();
            assert_eq!(file.find_size(&directory), Some((640, 480)));
            assert_eq!(file.find_numbers(&directory, 258, 9).unwrap().unwrap(), [8, 16, 32, 64, 128]);
            assert_eq!(file.find_numbers(&directory, 258, 2).unwrap().unwrap(), [8, 16]);
            assert_eq!(file.find_numbers(&directory, 259, 2), Ok(None));
            assert_eq!(file.find_text(&directory, 270).unwrap(), b"abc");
            assert_eq!(file.find_fractions(&directory, 282, 1), [150.0]);
            assert_eq!(directory.next, Some(0));
        }
    }

    #[test]
    fn absurd_offsets_and_counts_are_errors_and_allocate_nothing() {
        let entry = |kind: u16, count: u32, value: u32| {
            let mut file = b"II*\0\x08\0\0\0\x01\0".to_vec();
            file.extend(256_u16.to_le_bytes());
            file.extend(kind.to_le_bytes());
            file.extend(count.to_le_bytes());
            file.extend(value.to_le_bytes());
            file.extend(u32::MAX.to_le_bytes());
            file
        };
        let mut file = open(entry(4, u32::MAX, 2000));
        let directory = file.read_directory(8).unwrap();
        assert_eq!(file.find_numbers(&directory, 256, usize::MAX).unwrap_err().code, Code::Truncated);
        assert_eq!((file.find_number(&directory, 256), file.find_bytes(&directory, 256)), (None, None));
        for offset in [u64::MAX, u64::from(u32::MAX)] {
            assert!(file.read_directory(offset).is_err(), "{offset}");
        }
        let mut file = open(entry(99, 1, 7));
        let directory = file.read_directory(8).unwrap();
        assert_eq!((file.find_number(&directory, 256), file.find_size(&directory)), (None, None));
    }
}
