//! Turns a range of an archive into segments: ranges of blobs, and bytes of zip's own structures.
//!
//! Everything before a range is skipped by a binary search in the index, so a range near the end of a large archive
//! costs as little as one at the start.

use std::ops::Range;

use bytes::Bytes;

use super::super::blob_reader::BlobRange;
use super::super::{Digest, StorageError};
use super::index::ArchiveIndex;
use super::zip;

/// How many records of the index are read at once.
const PAGE_RECORDS: u64 = 256;

/// A piece of an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ArchiveSegment {
    /// Zip's own structures: headers and end records.
    Bytes(Bytes),
    Blob {
        digest: Digest,
        /// In bytes from the start of the blob.
        offset: u64,
        /// In bytes.
        len: u64,
        /// CRC-32 of the blob, when the segment is the whole blob.
        crc32: Option<u32>,
    },
}

impl ArchiveSegment {
    pub(super) fn blob_range(&self) -> Option<BlobRange> {
        match *self {
            Self::Bytes(_) => None,
            Self::Blob { digest, offset, len, crc32 } => Some(BlobRange { digest, offset, len, crc32 }),
        }
    }
}

/// The segments of a range, as many as one page of the index gives, and the offset behind the last of them.
pub(crate) fn collect_segments(
    index: &ArchiveIndex,
    range: Range<u64>,
) -> Result<(Vec<ArchiveSegment>, u64), StorageError> {
    let totals = index.totals;
    let end = range.end.min(totals.size());
    let mut collector = SegmentCollector { at: range.start, range: range.start..end, segments: Vec::new() };
    if range.start >= end {
        return Ok((collector.segments, end));
    }
    if range.start < totals.central_start {
        let first = index.find_last_before(range.start, |record| record.local_offset)?;
        for (record, name) in index.read_page(first, PAGE_RECORDS)? {
            collector.at = record.local_offset;
            collector.push_zip_bytes(&zip::encode_local_header(&record, &name));
            collector.push_blob(record.digest, record.size, record.crc32);
            if collector.at >= end {
                break;
            }
        }
    } else if range.start < totals.central_end() {
        let first = index.find_last_before(range.start - totals.central_start, |record| record.central_offset)?;
        let mut bytes = Vec::new();
        for (number, (record, name)) in index.read_page(first, PAGE_RECORDS)?.into_iter().enumerate() {
            if number == 0 {
                collector.at = totals.central_start + record.central_offset;
            }
            bytes.extend(zip::encode_central_header(&record, &name));
        }
        collector.push_zip_bytes(&bytes);
    } else {
        collector.at = totals.central_end();
        collector.push_zip_bytes(&totals.encode_end_records());
    }
    Ok((collector.segments, collector.at.min(end)))
}

/// Walks over the parts of the archive one after the other and keeps what lies in the range.
struct SegmentCollector {
    /// Offset of the next part in the archive.
    at: u64,
    range: Range<u64>,
    segments: Vec<ArchiveSegment>,
}

impl SegmentCollector {
    fn push_zip_bytes(&mut self, bytes: &[u8]) {
        let piece = self.advance(bytes.len() as u64);
        if !piece.is_empty() {
            let bytes = Bytes::copy_from_slice(&bytes[piece.start as usize..piece.end as usize]);
            self.segments.push(ArchiveSegment::Bytes(bytes));
        }
    }

    fn push_blob(&mut self, digest: Digest, size: u64, crc32: u32) {
        let piece = self.advance(size);
        if !piece.is_empty() {
            let (offset, len) = (piece.start, piece.end - piece.start);
            self.segments.push(ArchiveSegment::Blob { digest, offset, len, crc32: (len == size).then_some(crc32) });
        }
    }

    /// The piece of a part of this length that lies in the range, relative to the part. Moves on behind the part.
    fn advance(&mut self, len: u64) -> Range<u64> {
        let (start, end) = (self.at, self.at + len);
        self.at = end;
        let (from, to) = (self.range.start.clamp(start, end), self.range.end.clamp(start, end));
        from - start..to - start
    }
}
