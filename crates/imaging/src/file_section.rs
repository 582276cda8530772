//! A part of a file that is an image of its own: a directory of a TIFF, or a complete file within another, as the
//! previews in camera raws are.

use std::io::{self, Read, Seek, SeekFrom};

use serde::{Deserialize, Serialize};

/// Which part of a file is decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum FilePart {
    /// The image that the directory at this offset of a TIFF describes.
    Directory(u64),
    /// The file that lies in these bytes.
    Section { offset: u64, bytes: u64 },
}

/// Reads a section of a file as if it were the whole file.
#[derive(Debug)]
pub(crate) struct SectionReader<R> {
    input: R,
    offset: u64,
    bytes: u64,
    position: u64,
}

impl<R: Read + Seek> SectionReader<R> {
    /// A section that would end behind the file ends with it.
    pub(crate) fn new(mut input: R, offset: u64, bytes: u64) -> io::Result<Self> {
        let left = input.seek(SeekFrom::End(0))?.saturating_sub(offset);
        input.seek(SeekFrom::Start(offset))?;
        Ok(Self { input, offset, bytes: bytes.min(left), position: 0 })
    }

    /// The part of a file that a plan names; without one the whole file.
    pub(crate) fn for_part(input: R, part: Option<FilePart>) -> io::Result<Self> {
        match part {
            Some(FilePart::Section { offset, bytes }) => Self::new(input, offset, bytes),
            Some(FilePart::Directory(_)) | None => Self::new(input, 0, u64::MAX),
        }
    }
}

impl<R: Read> Read for SectionReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.bytes.saturating_sub(self.position)).unwrap_or(usize::MAX);
        let length = buffer.len().min(left);
        let count = self.input.read(&mut buffer[..length])?;
        self.position += count as u64;
        Ok(count)
    }
}

impl<R: Seek> Seek for SectionReader<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let target = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::Current(distance) => self.position.checked_add_signed(distance),
            SeekFrom::End(distance) => self.bytes.checked_add_signed(distance),
        };
        let target = target.filter(|target| target.checked_add(self.offset).is_some());
        let target = target.ok_or(io::ErrorKind::InvalidInput)?;
        self.input.seek(SeekFrom::Start(self.offset + target))?;
        self.position = target;
        Ok(target)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::io::Cursor;

    use super::*;

    #[test]
    fn a_section_is_read_like_a_file() {
        let mut section = SectionReader::new(Cursor::new(b"0123456789"), 3, 4).unwrap();
        let mut text = String::new();
        section.read_to_string(&mut text).unwrap();
        assert_eq!(text, "3456");
        text.clear();
        assert_eq!(section.seek(SeekFrom::End(-3)).unwrap(), 1);
        section.read_to_string(&mut text).unwrap();
        assert_eq!(text, "456");
        assert_eq!(section.rewind().map(|()| section.stream_position().unwrap()).unwrap(), 0);
        assert!(section.seek(SeekFrom::Current(-1)).is_err() && section.seek(SeekFrom::Start(u64::MAX)).is_err());
        let mut open = SectionReader::new(Cursor::new(b"0123456789"), 8, u64::MAX).unwrap();
        text.clear();
        open.read_to_string(&mut text).unwrap();
        assert_eq!((text.as_str(), open.seek(SeekFrom::End(0)).unwrap()), ("89", 2));
    }
}
