//! The list of blobs of a backup: one line for each, `<SHA-256> <size> <CRC-32>`, in order of SHA-256.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Lines, Write};
use std::path::Path;

use offprint_core::Digest;

/// A line of the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BlobEntry {
    pub(super) digest: Digest,
    /// In bytes.
    pub(super) size: u64,
    pub(super) crc32: u32,
}

pub(super) struct BlobListWriter(BufWriter<File>);

impl BlobListWriter {
    pub(super) fn create(path: &Path) -> io::Result<Self> {
        Ok(Self(BufWriter::new(File::create(path)?)))
    }

    pub(super) fn write(&mut self, entry: &BlobEntry) -> io::Result<()> {
        writeln!(self.0, "{} {} {:08x}", entry.digest, entry.size, entry.crc32)
    }

    pub(super) fn finish(self) -> io::Result<()> {
        self.0.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()
    }
}

/// The entries of a list, read as they are needed.
pub(super) struct BlobListReader(Lines<BufReader<File>>);

impl BlobListReader {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self(BufReader::new(File::open(path)?).lines()))
    }
}

impl Iterator for BlobListReader {
    type Item = io::Result<BlobEntry>;

    fn next(&mut self) -> Option<Self::Item> {
        let line = self.0.next()?;
        Some(line.and_then(|line| {
            parse_entry(&line).ok_or_else(|| {
                io::Error::new(io::ErrorKind::InvalidData, format!("{line:?} is no line of a list of blobs"))
            })
        }))
    }
}

fn parse_entry(line: &str) -> Option<BlobEntry> {
    let mut fields = line.split(' ');
    let entry = BlobEntry {
        digest: fields.next()?.parse().ok()?,
        size: fields.next()?.parse().ok()?,
        crc32: u32::from_str_radix(fields.next()?, 16).ok()?,
    };
    fields.next().is_none().then_some(entry)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_reads_as_it_was_written_and_anything_else_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("blobs.txt");
        let entries = [0, 7].map(|size| BlobEntry { digest: Digest::compute(&[size]), size: size.into(), crc32: 0xab });
        let mut writer = BlobListWriter::create(&path).unwrap();
        entries.iter().for_each(|entry| writer.write(entry).unwrap());
        writer.finish().unwrap();
        let read: Vec<BlobEntry> = BlobListReader::open(&path).unwrap().map(Result::unwrap).collect();
        assert_eq!(read, entries);
        for wrong in
            ["", "abc 1 00", &format!("{} 1 00 x", Digest::compute(b"")), &format!("{} -1 00", Digest::compute(b""))]
        {
            assert_eq!(parse_entry(wrong), None, "{wrong}");
        }
    }
}
