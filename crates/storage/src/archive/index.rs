//! The index of an archive: a record of fixed width for each file, then their names, then the totals.

use std::fs::File;
use std::os::unix::fs::FileExt;

use super::super::{Digest, Error};
use super::invalid;
use super::zip::Total;

/// Length of a record, in bytes.
pub const RECORD: u64 = 80;
/// Length of the totals, in bytes.
const FOOTER: u64 = 40;
/// Ends every index. Its number changes when the same index would give other bytes.
const MAGIC: [u8; 16] = *b"offprint zip 1\r\n";

/// One file's places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// Where its local header begins.
    pub local_offset: u64,
    /// Where its central header begins, counted from the start of the central directory.
    pub central_offset: u64,
    pub size: u64,
    /// Where its name begins, counted from the first name.
    pub name_offset: u64,
    pub name_len: u32,
    pub crc32: u32,
    pub dos_time: u32,
    pub digest: Digest,
}

impl Record {
    /// The record as the index has it: numbers little-endian in the order above, four bytes of zeros, the digest.
    pub fn to_bytes(self) -> [u8; RECORD as usize] {
        let mut out = [0; RECORD as usize];
        let long = [self.local_offset, self.central_offset, self.size, self.name_offset];
        for (place, value) in out.chunks_exact_mut(8).zip(long) {
            place.copy_from_slice(&value.to_le_bytes());
        }
        for (place, value) in out[32..].chunks_exact_mut(4).zip([self.name_len, self.crc32, self.dos_time]) {
            place.copy_from_slice(&value.to_le_bytes());
        }
        out[48..].copy_from_slice(&self.digest.0);
        out
    }

    fn from_bytes(bytes: &[u8]) -> Self {
        let mut digest = Digest([0; 32]);
        digest.0.copy_from_slice(&bytes[48..80]);
        Self {
            local_offset: long(&bytes[0..]),
            central_offset: long(&bytes[8..]),
            size: long(&bytes[16..]),
            name_offset: long(&bytes[24..]),
            name_len: word(&bytes[32..]),
            crc32: word(&bytes[36..]),
            dos_time: word(&bytes[40..]),
            digest,
        }
    }
}

/// What stands behind the names.
pub fn footer(total: &Total) -> Vec<u8> {
    let numbers = [total.entries, total.central_start, total.central_size];
    [numbers.map(u64::to_le_bytes).concat(), MAGIC.to_vec()].concat()
}

/// An index that is read where it is needed.
#[derive(Debug)]
pub struct Index {
    file: File,
    pub total: Total,
}

impl Index {
    pub fn open(file: File) -> Result<Self, Error> {
        let len = file.metadata()?.len();
        let at = len.checked_sub(FOOTER).ok_or_else(|| invalid("an archive's index is too short"))?;
        let footer = read(&file, at, FOOTER)?;
        if footer[24..] != MAGIC {
            return Err(invalid("a blob is not the index of an archive that this version can read"));
        }
        let total =
            Total { entries: long(&footer), central_start: long(&footer[8..]), central_size: long(&footer[16..]) };
        match total.entries.checked_mul(RECORD) {
            Some(records) if records <= at => Ok(Self { file, total }),
            _ => Err(invalid("an archive's index is cut off")),
        }
    }

    /// Up to `count` records from the one numbered `first` on, each with its name.
    pub fn page(&self, first: u64, count: u64) -> Result<Vec<(Record, Vec<u8>)>, Error> {
        let count = count.min(self.total.entries.saturating_sub(first));
        let bytes = read(&self.file, first * RECORD, count * RECORD)?;
        let records: Vec<Record> = bytes.chunks_exact(RECORD as usize).map(Record::from_bytes).collect();
        let (Some(head), Some(tail)) = (records.first().copied(), records.last()) else { return Ok(Vec::new()) };
        let end = tail.name_offset + u64::from(tail.name_len);
        let names_start = self.total.entries * RECORD;
        let names = read(&self.file, names_start + head.name_offset, end.saturating_sub(head.name_offset))?;
        let named = |record: Record| {
            let from = record.name_offset.checked_sub(head.name_offset)? as usize;
            let name = names.get(from..from + record.name_len as usize)?;
            Some((record, name.to_vec()))
        };
        let pairs: Option<_> = records.into_iter().map(named).collect();
        pairs.ok_or_else(|| invalid("an archive's index is damaged"))
    }

    /// The number of the last record whose place, as `place` reads it, is not behind `at`. Places grow with numbers
    /// and the first is 0.
    pub fn last_before(&self, at: u64, place: fn(&Record) -> u64) -> Result<u64, Error> {
        let (mut low, mut high) = (0, self.total.entries);
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            let record = Record::from_bytes(&read(&self.file, middle * RECORD, RECORD)?);
            if place(&record) <= at { low = middle } else { high = middle }
        }
        Ok(low)
    }
}

fn read(file: &File, at: u64, len: u64) -> Result<Vec<u8>, Error> {
    let mut bytes = vec![0; len as usize];
    file.read_exact_at(&mut bytes, at)?;
    Ok(bytes)
}

fn long(bytes: &[u8]) -> u64 {
    let mut value = [0; 8];
    value.copy_from_slice(&bytes[..8]);
    u64::from_le_bytes(value)
}

fn word(bytes: &[u8]) -> u32 {
    let mut value = [0; 4];
    value.copy_from_slice(&bytes[..4]);
    u32::from_le_bytes(value)
}
