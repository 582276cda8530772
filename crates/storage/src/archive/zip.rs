//! The structures of a zip file, by PKWARE's APPNOTE 6.3.10: sections 4.3.7 (local header), 4.3.12 (central header),
//! 4.3.14 to 4.3.16 (end records), 4.5.3 (zip64); the extended timestamp 0x5455 by Info-ZIP's appendix of it.
//!
//! The `measure_*` functions must agree with the `encode_*` functions to the byte: offsets are computed with the former
//! long before the latter run.

use chrono::{DateTime, Datelike, Timelike};

use super::index::IndexRecord;

/// A 32-bit field with this value, or more to store, refers to the zip64 field.
const ZIP64_MIN_VALUE: u64 = u32::MAX as u64;
/// A 16-bit count with this value, or more to store, refers to the zip64 record.
const ZIP64_MIN_COUNT: u64 = u16::MAX as u64;
/// General purpose flag: names are UTF-8.
const UTF8_FLAG: u16 = 1 << 11;
/// External attributes: a regular file with the Unix mode 0644.
const FILE_MODE: u32 = 0o100644 << 16;
const MADE_BY_UNIX: u16 = 3 << 8;

/// Number of files, and where the central directory lies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ArchiveTotals {
    pub(crate) entries: u64,
    /// Offset of the central directory; the end of the last file.
    pub(crate) central_start: u64,
    pub(crate) central_size: u64,
}

impl ArchiveTotals {
    pub(crate) fn central_end(&self) -> u64 {
        self.central_start + self.central_size
    }

    /// Length of the whole archive, in bytes.
    pub(crate) fn size(&self) -> u64 {
        self.central_end() + if self.needs_zip64() { 56 + 20 + 22 } else { 22 }
    }

    fn needs_zip64(&self) -> bool {
        self.entries >= ZIP64_MIN_COUNT || self.central_start >= ZIP64_MIN_VALUE || self.central_size >= ZIP64_MIN_VALUE
    }

    /// What follows the central directory: zip64 record and locator where needed, and the end record.
    pub(crate) fn encode_end_records(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(98);
        if self.needs_zip64() {
            append_parts(&mut out, &[0x0606_4b50_u32.to_le_bytes().as_slice(), &44u64.to_le_bytes()]);
            append_parts(&mut out, &[&(MADE_BY_UNIX | 45).to_le_bytes(), &45u16.to_le_bytes(), &[0; 8]]);
            append_parts(&mut out, &[&self.entries.to_le_bytes(), &self.entries.to_le_bytes()]);
            append_parts(&mut out, &[&self.central_size.to_le_bytes(), &self.central_start.to_le_bytes()]);
            append_parts(&mut out, &[&0x0706_4b50_u32.to_le_bytes(), &[0; 4], &self.central_end().to_le_bytes()]);
            append_parts(&mut out, &[&1u32.to_le_bytes()]);
        }
        let entries = self.entries.min(ZIP64_MIN_COUNT) as u16;
        append_parts(
            &mut out,
            &[&0x0605_4b50_u32.to_le_bytes(), &[0; 4], &entries.to_le_bytes(), &entries.to_le_bytes()],
        );
        append_parts(&mut out, &[&to_u32_field(self.central_size), &to_u32_field(self.central_start), &[0; 2]]);
        out
    }
}

/// Length of [`encode_local_header`], in bytes.
pub(crate) fn measure_local_header(name_len: u64, size: u64, time: i64) -> u64 {
    30 + name_len + if size >= ZIP64_MIN_VALUE { 20 } else { 0 } + encode_timestamp(time).len() as u64
}

/// The local header, which precedes a file's bytes.
pub(crate) fn encode_local_header(record: &IndexRecord, name: &[u8]) -> Vec<u8> {
    let mut extra = Vec::new();
    let needs_64 = record.size >= ZIP64_MIN_VALUE;
    if needs_64 {
        append_parts(&mut extra, &[&1u16.to_le_bytes(), &16u16.to_le_bytes()]);
        append_parts(&mut extra, &[&record.size.to_le_bytes(), &record.size.to_le_bytes()]);
    }
    extra.extend(encode_timestamp(record.time));
    let mut out = Vec::with_capacity(30 + name.len() + extra.len());
    append_parts(&mut out, &[&0x0403_4b50_u32.to_le_bytes(), &choose_version(needs_64).to_le_bytes()]);
    write_common_fields(&mut out, record, name, &extra);
    append_parts(&mut out, &[name, &extra]);
    out
}

/// Length of [`encode_central_header`], in bytes.
pub(crate) fn measure_central_header(name_len: u64, record: &IndexRecord) -> u64 {
    let values = [record.size, record.size, record.local_offset];
    let zip64_fields = values.into_iter().filter(|value| *value >= ZIP64_MIN_VALUE).count() as u64;
    let zip64_bytes = if zip64_fields > 0 { 4 + 8 * zip64_fields } else { 0 };
    46 + name_len + zip64_bytes + encode_timestamp(record.time).len() as u64
}

/// A file's header in the central directory.
pub(crate) fn encode_central_header(record: &IndexRecord, name: &[u8]) -> Vec<u8> {
    let mut zip64_values = Vec::new();
    for value in [record.size, record.size, record.local_offset] {
        if value >= ZIP64_MIN_VALUE {
            append_parts(&mut zip64_values, &[&value.to_le_bytes()]);
        }
    }
    let mut extra = Vec::new();
    if !zip64_values.is_empty() {
        append_parts(&mut extra, &[&1u16.to_le_bytes(), &(zip64_values.len() as u16).to_le_bytes(), &zip64_values]);
    }
    extra.extend(encode_timestamp(record.time));
    let version = choose_version(!zip64_values.is_empty());
    let mut out = Vec::with_capacity(46 + name.len() + extra.len());
    append_parts(
        &mut out,
        &[&0x0201_4b50_u32.to_le_bytes(), &(MADE_BY_UNIX | version).to_le_bytes(), &version.to_le_bytes()],
    );
    write_common_fields(&mut out, record, name, &extra);
    // No comment, first disk, binary and not text.
    append_parts(&mut out, &[&[0; 6], &FILE_MODE.to_le_bytes(), &to_u32_field(record.local_offset)]);
    append_parts(&mut out, &[name, &extra]);
    out
}

/// The fields that both headers of a file share, from the flags to the length of the extra field.
fn write_common_fields(out: &mut Vec<u8>, record: &IndexRecord, name: &[u8], extra: &[u8]) {
    append_parts(
        out,
        &[&UTF8_FLAG.to_le_bytes(), &[0; 2], &to_dos_time(record.time).to_le_bytes(), &record.crc32.to_le_bytes()],
    );
    append_parts(out, &[&to_u32_field(record.size), &to_u32_field(record.size)]);
    append_parts(out, &[&(name.len() as u16).to_le_bytes(), &(extra.len() as u16).to_le_bytes()]);
}

/// The extended timestamp, in UTC: programs that know it show the right time in every zone, where they take the fields of
/// MS-DOS as their local time. Empty for times that its 32 bits cannot hold.
fn encode_timestamp(time: i64) -> Vec<u8> {
    // Only the modification time follows.
    const FLAGS: u8 = 1;
    let Ok(time) = i32::try_from(time) else { return Vec::new() };
    [&0x5455_u16.to_le_bytes()[..], &5_u16.to_le_bytes(), &[FLAGS], &time.to_le_bytes()].concat()
}

/// MS-DOS date (high half) and time (low half), clamped to 1980 to 2107. UTC, because the reader's zone is not known.
fn to_dos_time(unix: i64) -> u32 {
    const MIN_DOS_TIME: u32 = (1 << 5 | 1) << 16;
    const MAX_DOS_TIME: u32 = ((127 << 9 | 12 << 5 | 31) << 16) | (23 << 11 | 59 << 5 | 29);
    let Some(time) = DateTime::from_timestamp(unix, 0) else {
        return if unix < 0 { MIN_DOS_TIME } else { MAX_DOS_TIME };
    };
    match time.year() {
        ..1980 => MIN_DOS_TIME,
        2108.. => MAX_DOS_TIME,
        year => {
            let date = ((year - 1980) as u32) << 9 | time.month() << 5 | time.day();
            date << 16 | time.hour() << 11 | time.minute() << 5 | (time.second() / 2)
        }
    }
}

/// Version needed to extract: 4.5 for zip64, else 2.0.
fn choose_version(needs_64: bool) -> u16 {
    if needs_64 { 45 } else { 20 }
}

fn to_u32_field(value: u64) -> [u8; 4] {
    (value.min(ZIP64_MIN_VALUE) as u32).to_le_bytes()
}

fn append_parts(out: &mut Vec<u8>, parts: &[&[u8]]) {
    parts.iter().for_each(|part| out.extend_from_slice(part));
}

#[cfg(test)]
mod tests {
    use super::to_dos_time;

    #[test]
    fn times_are_kept_within_what_zip_can_say() {
        // 2024-02-29T12:34:57Z
        assert_eq!(to_dos_time(1_709_210_097), (44 << 9 | 2 << 5 | 29) << 16 | (12 << 11 | 34 << 5 | 28));
        assert_eq!(to_dos_time(0), (1 << 5 | 1) << 16);
        assert_eq!(to_dos_time(i64::MIN), to_dos_time(0));
        assert_eq!(to_dos_time(4_354_819_199), to_dos_time(i64::MAX));
    }
}
