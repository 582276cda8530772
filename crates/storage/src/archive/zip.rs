//! The structures of a zip file, by PKWARE's APPNOTE 6.3.10: sections 4.3.7 (local header), 4.3.12 (central header),
//! 4.3.14 to 4.3.16 (ends), 4.5.3 (zip64).

use chrono::{DateTime, Datelike, Timelike};

use super::index::Record;

/// From here on a 32-bit field says "look in the zip64 field".
const NEEDS_64: u64 = u32::MAX as u64;
/// From here on a 16-bit count says so.
const NEEDS_MORE: u64 = u16::MAX as u64;
/// Names are UTF-8.
const UTF8: u16 = 1 << 11;
/// A plain file that its owner may write and all may read, as Unix has it.
const FILE_MODE: u32 = 0o100644 << 16;
const UNIX: u16 = 3 << 8;

/// The places of the parts behind the last file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Total {
    pub entries: u64,
    /// Where the central directory begins.
    pub central_start: u64,
    pub central_size: u64,
}

impl Total {
    /// Where the central directory ends.
    pub fn central_end(&self) -> u64 {
        self.central_start + self.central_size
    }

    /// The whole archive's length.
    pub fn size(&self) -> u64 {
        self.central_end() + if self.needs_64() { 56 + 20 + 22 } else { 22 }
    }

    fn needs_64(&self) -> bool {
        self.entries >= NEEDS_MORE || self.central_start >= NEEDS_64 || self.central_size >= NEEDS_64
    }

    /// What stands behind the central directory.
    pub fn end(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(98);
        if self.needs_64() {
            put(&mut out, &[0x0606_4b50_u32.to_le_bytes().as_slice(), &44u64.to_le_bytes()]);
            put(&mut out, &[&(UNIX | 45).to_le_bytes(), &45u16.to_le_bytes(), &[0; 8]]);
            put(&mut out, &[&self.entries.to_le_bytes(), &self.entries.to_le_bytes()]);
            put(&mut out, &[&self.central_size.to_le_bytes(), &self.central_start.to_le_bytes()]);
            put(&mut out, &[&0x0706_4b50_u32.to_le_bytes(), &[0; 4], &self.central_end().to_le_bytes()]);
            put(&mut out, &[&1u32.to_le_bytes()]);
        }
        let entries = self.entries.min(NEEDS_MORE) as u16;
        put(&mut out, &[&0x0605_4b50_u32.to_le_bytes(), &[0; 4], &entries.to_le_bytes(), &entries.to_le_bytes()]);
        put(&mut out, &[&short(self.central_size), &short(self.central_start), &[0; 2]]);
        out
    }
}

/// Length of what stands before a file's bytes.
pub fn local_size(name_len: u64, size: u64) -> u64 {
    30 + name_len + if size >= NEEDS_64 { 20 } else { 0 }
}

/// What stands before a file's bytes.
pub fn local(record: &Record, name: &[u8]) -> Vec<u8> {
    let mut extra = Vec::new();
    if record.size >= NEEDS_64 {
        put(&mut extra, &[&1u16.to_le_bytes(), &16u16.to_le_bytes()]);
        put(&mut extra, &[&record.size.to_le_bytes(), &record.size.to_le_bytes()]);
    }
    let mut out = Vec::with_capacity(50 + name.len());
    put(&mut out, &[&0x0403_4b50_u32.to_le_bytes(), &version(!extra.is_empty()).to_le_bytes()]);
    common(&mut out, record, name, &extra);
    put(&mut out, &[name, &extra]);
    out
}

/// Length of a file's place in the central directory.
pub fn central_size(name_len: u64, size: u64, local_offset: u64) -> u64 {
    let large = [size, size, local_offset].into_iter().filter(|value| *value >= NEEDS_64).count() as u64;
    46 + name_len + if large > 0 { 4 + 8 * large } else { 0 }
}

/// A file's place in the central directory.
pub fn central(record: &Record, name: &[u8]) -> Vec<u8> {
    let mut large = Vec::new();
    for value in [record.size, record.size, record.local_offset] {
        if value >= NEEDS_64 {
            put(&mut large, &[&value.to_le_bytes()]);
        }
    }
    let mut extra = Vec::new();
    if !large.is_empty() {
        put(&mut extra, &[&1u16.to_le_bytes(), &(large.len() as u16).to_le_bytes(), &large]);
    }
    let version = version(!extra.is_empty());
    let mut out = Vec::with_capacity(74 + name.len());
    put(&mut out, &[&0x0201_4b50_u32.to_le_bytes(), &(UNIX | version).to_le_bytes(), &version.to_le_bytes()]);
    common(&mut out, record, name, &extra);
    // No comment, first disk, bytes and not text.
    put(&mut out, &[&[0; 6], &FILE_MODE.to_le_bytes(), &short(record.local_offset)]);
    put(&mut out, &[name, &extra]);
    out
}

/// The fields that both headers of a file share: flags to the length of the extra field.
fn common(out: &mut Vec<u8>, record: &Record, name: &[u8], extra: &[u8]) {
    put(out, &[&UTF8.to_le_bytes(), &[0; 2], &record.dos_time.to_le_bytes(), &record.crc32.to_le_bytes()]);
    put(out, &[&short(record.size), &short(record.size)]);
    put(out, &[&(name.len() as u16).to_le_bytes(), &(extra.len() as u16).to_le_bytes()]);
}

/// Time and date in one number, in the order in which zip has them; UTC, because zip knows no zones.
pub fn dos_time(unix: i64) -> u32 {
    const FIRST: u32 = (1 << 5 | 1) << 16;
    const LAST: u32 = ((127 << 9 | 12 << 5 | 31) << 16) | (23 << 11 | 59 << 5 | 29);
    let Some(time) = DateTime::from_timestamp(unix, 0) else { return if unix < 0 { FIRST } else { LAST } };
    match time.year() {
        ..1980 => FIRST,
        2108.. => LAST,
        year => {
            let date = ((year - 1980) as u32) << 9 | time.month() << 5 | time.day();
            date << 16 | time.hour() << 11 | time.minute() << 5 | (time.second() / 2)
        }
    }
}

/// The version a reader must have: 4.5 for zip64, else 2.0.
fn version(needs_64: bool) -> u16 {
    if needs_64 { 45 } else { 20 }
}

fn short(value: u64) -> [u8; 4] {
    (value.min(NEEDS_64) as u32).to_le_bytes()
}

fn put(out: &mut Vec<u8>, parts: &[&[u8]]) {
    parts.iter().for_each(|part| out.extend_from_slice(part));
}

#[cfg(test)]
mod tests {
    use super::dos_time;

    #[test]
    fn times_are_kept_within_what_zip_can_say() {
        // 2024-02-29T12:34:57Z
        assert_eq!(dos_time(1_709_210_097), (44 << 9 | 2 << 5 | 29) << 16 | (12 << 11 | 34 << 5 | 28));
        assert_eq!(dos_time(0), (1 << 5 | 1) << 16);
        assert_eq!(dos_time(i64::MIN), dos_time(0));
        assert_eq!(dos_time(4_354_819_199), dos_time(i64::MAX));
    }
}
