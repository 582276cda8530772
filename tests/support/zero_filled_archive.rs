//! Reads an archive of blobs that do not exist, so that tests of the layout can be far larger than the disk.

use std::io::{self, Read, Seek, SeekFrom};

use offprint_storage::archive::{Archive, ArchiveSegment};

/// Reads an archive whose blobs do not exist: they are taken to hold zeros.
pub struct ZeroFilledArchive {
    pub archive: Archive,
    pub at: u64,
}

impl Read for ZeroFilledArchive {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let wanted = self.at..(self.at + out.len() as u64).min(self.archive.size());
        if wanted.is_empty() {
            return Ok(0);
        }
        let (segments, _) = self.archive.read_segments(wanted).map_err(io::Error::other)?;
        let mut read = 0;
        for segment in segments {
            let len = match segment {
                ArchiveSegment::Bytes(bytes) => {
                    out[read..read + bytes.len()].copy_from_slice(&bytes);
                    bytes.len()
                }
                ArchiveSegment::Blob { len, .. } => {
                    out[read..read + len as usize].fill(0);
                    len as usize
                }
            };
            read += len;
        }
        self.at += read as u64;
        Ok(read)
    }
}

impl Seek for ZeroFilledArchive {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.archive.size().checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = at.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}
