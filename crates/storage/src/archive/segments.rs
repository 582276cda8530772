//! Which bytes of which blob, and which bytes of zip's own, make up a range of an archive.

use std::ops::Range;

use bytes::Bytes;

use super::super::read::Stretch;
use super::super::{Digest, Error};
use super::index::Index;
use super::zip;

/// How many records are read at once.
const PAGE: u64 = 256;

/// A stretch of an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Segment {
    /// Zip's own bytes: headers, directory, end.
    Bytes(Bytes),
    /// Bytes of a blob.
    Blob {
        /// The blob.
        digest: Digest,
        /// Where in the blob.
        offset: u64,
        /// How many bytes.
        len: u64,
        /// The CRC-32 of all its bytes, when these are all.
        crc32: Option<u32>,
    },
}

impl Segment {
    /// The bytes of a blob.
    pub(super) fn wanted(&self) -> Option<Stretch> {
        match *self {
            Self::Bytes(_) => None,
            Self::Blob { digest, offset, len, crc32 } => Some(Stretch { digest, offset, len, crc32 }),
        }
    }
}

/// The segments of a range from its start on, as far as one page of the index goes, and where it ended.
pub fn page(index: &Index, range: Range<u64>) -> Result<(Vec<Segment>, u64), Error> {
    let total = index.total;
    let end = range.end.min(total.size());
    let mut cut = Cut { at: range.start, range: range.start..end, segments: Vec::new() };
    if range.start >= end {
        return Ok((cut.segments, end));
    }
    if range.start < total.central_start {
        let first = index.last_before(range.start, |record| record.local_offset)?;
        for (record, name) in index.page(first, PAGE)? {
            cut.at = record.local_offset;
            cut.own(&zip::local(&record, &name));
            cut.blob(record.digest, record.size, record.crc32);
            if cut.at >= end {
                break;
            }
        }
    } else if range.start < total.central_end() {
        let first = index.last_before(range.start - total.central_start, |record| record.central_offset)?;
        let mut bytes = Vec::new();
        for (number, (record, name)) in index.page(first, PAGE)?.into_iter().enumerate() {
            if number == 0 {
                cut.at = total.central_start + record.central_offset;
            }
            bytes.extend(zip::central(&record, &name));
        }
        cut.own(&bytes);
    } else {
        cut.at = total.central_end();
        cut.own(&total.end());
    }
    Ok((cut.segments, cut.at.min(end)))
}

/// Keeps what lies in a range of what is laid one after the other.
struct Cut {
    /// Where the next thing lies.
    at: u64,
    range: Range<u64>,
    segments: Vec<Segment>,
}

impl Cut {
    fn own(&mut self, bytes: &[u8]) {
        let part = self.part(bytes.len() as u64);
        if !part.is_empty() {
            let bytes = Bytes::copy_from_slice(&bytes[part.start as usize..part.end as usize]);
            self.segments.push(Segment::Bytes(bytes));
        }
    }

    fn blob(&mut self, digest: Digest, size: u64, crc32: u32) {
        let part = self.part(size);
        if !part.is_empty() {
            let (offset, len) = (part.start, part.end - part.start);
            self.segments.push(Segment::Blob { digest, offset, len, crc32: (len == size).then_some(crc32) });
        }
    }

    /// Which part of a thing of this length lies in the range; goes on behind the thing.
    fn part(&mut self, len: u64) -> Range<u64> {
        let (start, end) = (self.at, self.at + len);
        self.at = end;
        let (from, to) = (self.range.start.clamp(start, end), self.range.end.clamp(start, end));
        from - start..to - start
    }
}
