//! A tolerant reader of one directory of tags, for EXIF and TIFF alike. Source: TIFF 6.0, section 2; BigTIFF.
//!
//! Files often have one broken entry among sound ones: a text that was cut off, a pointer to a thumbnail that a program
//! removed. So only the asked directory is read, each entry stands for itself, and nothing is followed unasked. What
//! cannot be read is as if it were not there.

use std::io::{Read, Seek, SeekFrom};

use super::bounds::read_up_to;

/// Most entries that are read of a directory. Real ones have fewer than a hundred.
const MAX_ENTRIES: u64 = 4096;

/// One directory, and where the values of its entries are.
pub(super) struct TagDirectory<'a, R> {
    input: &'a mut R,
    layout: Layout,
    entries: Vec<TagEntry>,
}

/// How numbers are stored.
#[derive(Clone, Copy)]
struct Layout {
    little_endian: bool,
    /// BigTIFF has longer counts and offsets.
    big: bool,
}

struct TagEntry {
    tag: u16,
    kind: u16,
    count: u64,
    /// The value if it is short enough, else its offset.
    field: Vec<u8>,
}

impl<'a, R: Read + Seek> TagDirectory<'a, R> {
    /// Reads the directory at this offset, or the first one. `None` when this is no EXIF or TIFF at all.
    pub(super) fn read(input: &'a mut R, offset: Option<u64>) -> Option<Self> {
        let start = read_at(input, 0, 16);
        let little_endian = match start.get(..2)? {
            b"II" => true,
            b"MM" => false,
            _ => return None,
        };
        let plain = Layout { little_endian, big: false };
        let layout = Layout { big: plain.parse_number(start.get(2..4)?) == 43, ..plain };
        let first = layout.parse_number(start.get(if layout.big { 8..16 } else { 4..8 })?);
        let offset = offset.unwrap_or(first);
        let count_bytes = if layout.big { 8 } else { 2 };
        let count = read_at(input, offset, count_bytes);
        if (count.len() as u64) < count_bytes {
            return None;
        }
        let entry_bytes = layout.entry_bytes();
        let table_bytes = layout.parse_number(&count).min(MAX_ENTRIES) * entry_bytes as u64;
        let table = read_at(input, offset.saturating_add(count_bytes), table_bytes);
        let entries = table.chunks_exact(entry_bytes).map(|entry| layout.parse_entry(entry)).collect();
        Some(Self { input, layout, entries })
    }

    /// The bytes of a value of any type. `None` when there is none, it is longer than `max_bytes`, or not all of it is
    /// in the file.
    pub(super) fn bytes(&mut self, tag: u16, max_bytes: u64) -> Option<Vec<u8>> {
        self.read_value(tag, max_bytes).map(|(_, value)| value)
    }

    /// Length of a value in bytes, as its entry says it.
    pub(super) fn value_bytes(&self, tag: u16) -> Option<u64> {
        let entry = self.entries.iter().find(|entry| entry.tag == tag)?;
        Some(type_bytes(entry.kind)?.saturating_mul(entry.count))
    }

    /// The directory that a tag points to.
    pub(super) fn sub_directory(&mut self, tag: u16) -> Option<TagDirectory<'_, R>> {
        let offset = self.number(tag).filter(|offset| *offset > 0.0)?;
        TagDirectory::read(self.input, Some(offset as u64))
    }

    /// The first number of a value.
    pub(super) fn number(&mut self, tag: u16) -> Option<f64> {
        let (kind, value) = self.read_value(tag, 1 << 10)?;
        let part = |bytes: usize| value.get(..bytes).map(|bytes| self.layout.parse_number(bytes));
        let pair = || Some((part(4)?, self.layout.parse_number(value.get(4..8)?)));
        Some(match kind {
            1 | 7 => part(1)? as f64,
            3 => part(2)? as f64,
            4 | 13 => part(4)? as f64,
            16 | 18 => part(8)? as f64,
            6 => f64::from((part(1)? as u8).cast_signed()),
            8 => f64::from((part(2)? as u16).cast_signed()),
            9 => f64::from((part(4)? as u32).cast_signed()),
            17 => part(8)?.cast_signed() as f64,
            5 => pair().map(|(n, d)| n as f64 / d as f64)?,
            10 => pair().map(|(n, d)| f64::from((n as u32).cast_signed()) / f64::from((d as u32).cast_signed()))?,
            11 => f64::from(f32::from_bits(part(4)? as u32)),
            12 => f64::from_bits(part(8)?),
            _ => return None,
        })
    }

    fn read_value(&mut self, tag: u16, max_bytes: u64) -> Option<(u16, Vec<u8>)> {
        let entry = self.entries.iter().find(|entry| entry.tag == tag)?;
        let length = type_bytes(entry.kind)?.checked_mul(entry.count).filter(|length| *length <= max_bytes)?;
        let value = match entry.field.get(..length as usize) {
            Some(value) => value.to_vec(),
            None => read_at(self.input, self.layout.parse_number(&entry.field), length),
        };
        (value.len() as u64 == length).then_some((entry.kind, value))
    }
}

impl Layout {
    fn entry_bytes(self) -> usize {
        if self.big { 20 } else { 12 }
    }

    /// An unsigned number of at most 8 bytes.
    fn parse_number(self, bytes: &[u8]) -> u64 {
        let append = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
        if self.little_endian { bytes.iter().rev().fold(0, append) } else { bytes.iter().fold(0, append) }
    }

    fn parse_entry(self, entry: &[u8]) -> TagEntry {
        let (head, field) = entry.split_at(if self.big { 12 } else { 8 });
        let number = |part: &[u8]| self.parse_number(part);
        TagEntry {
            tag: number(&head[..2]) as u16,
            kind: number(&head[2..4]) as u16,
            count: number(&head[4..]),
            field: field.to_vec(),
        }
    }
}

/// Length of one value of a type, in bytes.
fn type_bytes(kind: u16) -> Option<u64> {
    match kind {
        // 129 is the UTF-8 text of EXIF 3.0.
        1 | 2 | 6 | 7 | 129 => Some(1),
        3 | 8 => Some(2),
        4 | 9 | 11 | 13 => Some(4),
        5 | 10 | 12 | 16 | 17 | 18 => Some(8),
        _ => None,
    }
}

/// Up to `length` bytes at an offset: fewer at the end of the file.
fn read_at(input: &mut (impl Read + Seek), offset: u64, length: u64) -> Vec<u8> {
    if input.seek(SeekFrom::Start(offset)).is_err() {
        return Vec::new();
    }
    read_up_to(input, length).unwrap_or_default()
}
