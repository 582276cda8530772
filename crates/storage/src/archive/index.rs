//! The index of an archive: a record of fixed width for each file, then their names, then the totals.
//!
//! Records have a fixed width so that the one for an offset is found by binary search, with a few reads of 80 bytes in
//! a file that is never loaded. Names stand apart because their lengths differ.

use std::fs::File;
use std::os::unix::fs::FileExt;

use super::super::{Digest, StorageError};
use super::invalid_archive_error;
use super::zip::ArchiveTotals;

pub(crate) const RECORD_BYTES: u64 = 80;
/// Length of the totals and the magic, in bytes.
const FOOTER_BYTES: u64 = 40;
/// Ends every index. Change its number when the same index would give other archive bytes: entity tags and downloads
/// that were interrupted depend on it.
const INDEX_MAGIC: [u8; 16] = *b"offprint zip 2\r\n";

/// One file of the archive: where its parts lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct IndexRecord {
    /// Offset of its local header in the archive.
    pub(crate) local_offset: u64,
    /// Offset of its central header in the central directory.
    pub(crate) central_offset: u64,
    pub(crate) size: u64,
    /// Offset of its name in the names of the index.
    pub(crate) name_offset: u64,
    pub(crate) name_len: u32,
    pub(crate) crc32: u32,
    /// Modification time in seconds since 1970.
    pub(crate) time: i64,
    pub(crate) digest: Digest,
}

impl IndexRecord {
    /// The record as stored: the numbers in the order above, little-endian, then the digest.
    pub(crate) fn to_bytes(self) -> [u8; RECORD_BYTES as usize] {
        let mut out = [0; RECORD_BYTES as usize];
        let wide = [self.local_offset, self.central_offset, self.size, self.name_offset];
        for (field, value) in out.chunks_exact_mut(8).zip(wide) {
            field.copy_from_slice(&value.to_le_bytes());
        }
        for (field, value) in out[32..].chunks_exact_mut(4).zip([self.name_len, self.crc32]) {
            field.copy_from_slice(&value.to_le_bytes());
        }
        out[40..48].copy_from_slice(&self.time.to_le_bytes());
        out[48..].copy_from_slice(&self.digest.0);
        out
    }

    fn from_bytes(bytes: &[u8]) -> Self {
        let mut digest = Digest([0; 32]);
        digest.0.copy_from_slice(&bytes[48..80]);
        Self {
            local_offset: decode_u64(&bytes[0..]),
            central_offset: decode_u64(&bytes[8..]),
            size: decode_u64(&bytes[16..]),
            name_offset: decode_u64(&bytes[24..]),
            name_len: decode_u32(&bytes[32..]),
            crc32: decode_u32(&bytes[36..]),
            time: decode_u64(&bytes[40..]).cast_signed(),
            digest,
        }
    }
}

/// The end of the index: totals and magic.
pub(crate) fn encode_footer(totals: &ArchiveTotals) -> Vec<u8> {
    let numbers = [totals.entries, totals.central_start, totals.central_size];
    [numbers.map(u64::to_le_bytes).concat(), INDEX_MAGIC.to_vec()].concat()
}

/// An open index. Only the records that are asked for are read.
#[derive(Debug)]
pub(crate) struct ArchiveIndex {
    file: File,
    pub(crate) totals: ArchiveTotals,
}

impl ArchiveIndex {
    pub(crate) fn open(file: File) -> Result<Self, StorageError> {
        let len = file.metadata()?.len();
        let footer_offset =
            len.checked_sub(FOOTER_BYTES).ok_or_else(|| invalid_archive_error("the archive index is too short"))?;
        let footer = read_at(&file, footer_offset, FOOTER_BYTES)?;
        if footer[24..] != INDEX_MAGIC {
            return Err(invalid_archive_error("the blob is not an archive index that this version can read"));
        }
        let totals = ArchiveTotals {
            entries: decode_u64(&footer),
            central_start: decode_u64(&footer[8..]),
            central_size: decode_u64(&footer[16..]),
        };
        match totals.entries.checked_mul(RECORD_BYTES) {
            Some(records) if records <= footer_offset => Ok(Self { file, totals }),
            _ => Err(invalid_archive_error("the archive index is truncated")),
        }
    }

    /// Up to `count` records from number `first` on, each with its name.
    pub(crate) fn read_page(&self, first: u64, count: u64) -> Result<Vec<(IndexRecord, Vec<u8>)>, StorageError> {
        let count = count.min(self.totals.entries.saturating_sub(first));
        let bytes = read_at(&self.file, first * RECORD_BYTES, count * RECORD_BYTES)?;
        let records: Vec<IndexRecord> =
            bytes.chunks_exact(RECORD_BYTES as usize).map(IndexRecord::from_bytes).collect();
        let (Some(first_record), Some(last_record)) = (records.first().copied(), records.last()) else {
            return Ok(Vec::new());
        };
        let end = last_record.name_offset + u64::from(last_record.name_len);
        let names_start = self.totals.entries * RECORD_BYTES;
        let names =
            read_at(&self.file, names_start + first_record.name_offset, end.saturating_sub(first_record.name_offset))?;
        let with_name = |record: IndexRecord| {
            let start = record.name_offset.checked_sub(first_record.name_offset)? as usize;
            let name = names.get(start..start + record.name_len as usize)?;
            Some((record, name.to_vec()))
        };
        let pairs: Option<_> = records.into_iter().map(with_name).collect();
        pairs.ok_or_else(|| invalid_archive_error("the archive index is damaged"))
    }

    /// Binary search: the number of the last record whose offset, as `get_offset` reads it, is at most `offset`.
    /// Offsets grow with the numbers of records, and the first is 0.
    pub(crate) fn find_last_before(
        &self,
        offset: u64,
        get_offset: fn(&IndexRecord) -> u64,
    ) -> Result<u64, StorageError> {
        let (mut low, mut high) = (0, self.totals.entries);
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            let record = IndexRecord::from_bytes(&read_at(&self.file, middle * RECORD_BYTES, RECORD_BYTES)?);
            if get_offset(&record) <= offset { low = middle } else { high = middle }
        }
        Ok(low)
    }
}

fn read_at(file: &File, offset: u64, len: u64) -> Result<Vec<u8>, StorageError> {
    let mut bytes = vec![0; len as usize];
    file.read_exact_at(&mut bytes, offset)?;
    Ok(bytes)
}

fn decode_u64(bytes: &[u8]) -> u64 {
    let mut value = [0; 8];
    value.copy_from_slice(&bytes[..8]);
    u64::from_le_bytes(value)
}

fn decode_u32(bytes: &[u8]) -> u32 {
    let mut value = [0; 4];
    value.copy_from_slice(&bytes[..4]);
    u32::from_le_bytes(value)
}
