//! Boxes, the structure of JPEG 2000 files and of files in ISO's base media format (AVIF). Source: ISO/IEC 14496-12,
//! section 4.

use std::io::Read;

use super::corrupt_error;
use crate::error::RenderError;

/// The four letters that name a box or an item.
pub(super) type BoxKind = [u8; 4];

/// Reads the header of a box: its name, and the length of its content in bytes; `None` means up to the end of the file.
pub(super) fn read_box_header(input: &mut impl Read) -> Result<(BoxKind, Option<u64>), RenderError> {
    let mut start = [0; 8];
    input.read_exact(&mut start)?;
    let kind = [start[4], start[5], start[6], start[7]];
    let (box_bytes, header_bytes) = match u32::from_be_bytes([start[0], start[1], start[2], start[3]]) {
        0 => return Ok((kind, None)),
        1 => {
            let mut long = [0; 8];
            input.read_exact(&mut long)?;
            (u64::from_be_bytes(long), 16)
        }
        short => (u64::from(short), 8),
    };
    let length = box_bytes
        .checked_sub(header_bytes)
        .ok_or_else(|| corrupt_error("A box of the file is shorter than its header."))?;
    Ok((kind, Some(length)))
}

/// The boxes in another box, one after the other.
pub(super) struct Boxes<'a>(pub &'a [u8]);

impl<'a> Boxes<'a> {
    /// Name and content of the next box. Trailing bytes that are too few for a header are ignored.
    pub(crate) fn next(&mut self) -> Result<Option<(BoxKind, BoxReader<'a>)>, RenderError> {
        if self.0.len() < 8 {
            return Ok(None);
        }
        let (kind, length) = read_box_header(&mut self.0)?;
        let length = length.map_or(Some(self.0.len()), |length| usize::try_from(length).ok());
        let (content, rest) = length
            .and_then(|length| self.0.split_at_checked(length))
            .ok_or_else(|| corrupt_error("A box of the file is longer than the box around it."))?;
        self.0 = rest;
        Ok(Some((kind, BoxReader(content))))
    }
}

/// Reads the fields of a box, one after the other.
#[derive(Clone, Copy)]
pub(super) struct BoxReader<'a>(pub &'a [u8]);

impl<'a> BoxReader<'a> {
    /// A big-endian number of 0 to 8 bytes; without bytes it is 0.
    pub(crate) fn read_uint(&mut self, bytes: usize) -> Result<u64, RenderError> {
        Ok(self.read_bytes(bytes)?.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)))
    }

    pub(crate) fn read_u32(&mut self) -> Result<u32, RenderError> {
        Ok(self.read_uint(4)? as u32)
    }

    pub(crate) fn read_u16(&mut self) -> Result<u16, RenderError> {
        Ok(self.read_uint(2)? as u16)
    }

    pub(crate) fn read_u8(&mut self) -> Result<u8, RenderError> {
        Ok(self.read_uint(1)? as u8)
    }

    /// A four-letter name.
    pub(crate) fn read_kind(&mut self) -> Result<BoxKind, RenderError> {
        Ok(self.read_u32()?.to_be_bytes())
    }

    /// Version and flags, with which many boxes begin.
    pub(crate) fn read_version(&mut self) -> Result<(u8, u32), RenderError> {
        let all = self.read_u32()?;
        Ok(((all >> 24) as u8, all & 0xFF_FFFF))
    }

    /// A zero-terminated text; the zero may be missing at the end of the box.
    pub(crate) fn read_text(&mut self) -> &'a [u8] {
        let end = self.0.iter().position(|byte| *byte == 0).unwrap_or(self.0.len());
        let text = &self.0[..end];
        self.0 = self.0.get(end + 1..).unwrap_or_default();
        text
    }

    fn read_bytes(&mut self, count: usize) -> Result<&'a [u8], RenderError> {
        let (bytes, rest) =
            self.0.split_at_checked(count).ok_or_else(|| corrupt_error("A box of the file is too short."))?;
        self.0 = rest;
        Ok(bytes)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn boxes_have_short_long_and_open_lengths() {
        let short = b"\0\0\0\x09free!".as_slice();
        let long = b"\0\0\0\x01free\0\0\0\0\0\0\0\x11!".as_slice();
        let open = b"\0\0\0\0free!!".as_slice();
        let all = [short, long, open].concat();
        let mut boxes = Boxes(&all);
        let mut contents = Vec::new();
        while let Some((kind, content)) = boxes.next().unwrap() {
            assert_eq!(&kind, b"free");
            contents.push(content.0);
        }
        assert_eq!(contents, [b"!".as_slice(), b"!", b"!!"]);
        for wrong in [b"\0\0\0\x07free".as_slice(), b"\0\0\0\x0afree!", b"\0\0\0\x01free\xFF\0\0\0\0\0\0\0"] {
            assert!(Boxes(wrong).next().is_err());
        }
    }

    #[test]
    fn fields_are_numbers_and_texts() {
        let mut fields = BoxReader(b"\x02\0\0\x01ab\0\x01\x02c");
        assert_eq!((fields.read_version().unwrap(), fields.read_text()), ((2, 1), b"ab".as_slice()));
        assert_eq!(
            (fields.read_uint(0).unwrap(), fields.read_u16().unwrap(), fields.read_text()),
            (0, 0x102, b"c".as_slice())
        );
        assert!(fields.read_u8().is_err());
    }
}
