//! Boxes: how JPEG 2000 and the files of ISO's base format (AVIF) are laid out. Source: ISO/IEC 14496-12, section 4.

use std::io::Read;

use super::corrupt;
use crate::failure::Failure;

/// The name of a box.
pub(super) type Kind = [u8; 4];

/// The name of the box that begins here, and the length of what is in it; `None` is all that is left.
pub(super) fn open(input: &mut impl Read) -> Result<(Kind, Option<u64>), Failure> {
    let mut start = [0; 8];
    input.read_exact(&mut start)?;
    let kind = [start[4], start[5], start[6], start[7]];
    let (whole, head) = match u32::from_be_bytes([start[0], start[1], start[2], start[3]]) {
        0 => return Ok((kind, None)),
        1 => {
            let mut long = [0; 8];
            input.read_exact(&mut long)?;
            (u64::from_be_bytes(long), 16)
        }
        short => (u64::from(short), 8),
    };
    let length = whole.checked_sub(head).ok_or_else(|| corrupt("A box of the file is shorter than its head."))?;
    Ok((kind, Some(length)))
}

/// Boxes that lie in another, one after the other.
pub(super) struct Boxes<'a>(pub &'a [u8]);

impl<'a> Boxes<'a> {
    /// The next one's name and what is in it; fewer bytes than a head has are passed over.
    pub fn next(&mut self) -> Result<Option<(Kind, Fields<'a>)>, Failure> {
        if self.0.len() < 8 {
            return Ok(None);
        }
        let (kind, length) = open(&mut self.0)?;
        let length = length.map_or(Some(self.0.len()), |length| usize::try_from(length).ok());
        let (inside, rest) = length
            .and_then(|length| self.0.split_at_checked(length))
            .ok_or_else(|| corrupt("A box of the file is longer than its place."))?;
        self.0 = rest;
        Ok(Some((kind, Fields(inside))))
    }
}

/// What is in a box: numbers and texts, one after the other.
#[derive(Clone, Copy)]
pub(super) struct Fields<'a>(pub &'a [u8]);

impl<'a> Fields<'a> {
    /// A number of so many bytes, at most eight; none is zero.
    pub fn number(&mut self, bytes: usize) -> Result<u64, Failure> {
        Ok(self.bytes(bytes)?.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)))
    }

    /// A number of four bytes.
    pub fn long(&mut self) -> Result<u32, Failure> {
        Ok(self.number(4)? as u32)
    }

    /// A number of two bytes.
    pub fn short(&mut self) -> Result<u16, Failure> {
        Ok(self.number(2)? as u16)
    }

    pub fn byte(&mut self) -> Result<u8, Failure> {
        Ok(self.number(1)? as u8)
    }

    /// Four letters.
    pub fn word(&mut self) -> Result<Kind, Failure> {
        Ok(self.long()?.to_be_bytes())
    }

    /// The version and the flags that many boxes begin with.
    pub fn version(&mut self) -> Result<(u8, u32), Failure> {
        let all = self.long()?;
        Ok(((all >> 24) as u8, all & 0xFF_FFFF))
    }

    /// A text and the zero after it, which may be missing at the end.
    pub fn text(&mut self) -> &'a [u8] {
        let end = self.0.iter().position(|byte| *byte == 0).unwrap_or(self.0.len());
        let text = &self.0[..end];
        self.0 = self.0.get(end + 1..).unwrap_or_default();
        text
    }

    fn bytes(&mut self, count: usize) -> Result<&'a [u8], Failure> {
        let (bytes, rest) = self.0.split_at_checked(count).ok_or_else(|| corrupt("A box of the file is too short."))?;
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
        let mut insides = Vec::new();
        while let Some((kind, inside)) = boxes.next().unwrap() {
            assert_eq!(&kind, b"free");
            insides.push(inside.0);
        }
        assert_eq!(insides, [b"!".as_slice(), b"!", b"!!"]);
        for wrong in [b"\0\0\0\x07free".as_slice(), b"\0\0\0\x0afree!", b"\0\0\0\x01free\xFF\0\0\0\0\0\0\0"] {
            assert!(Boxes(wrong).next().is_err());
        }
    }

    #[test]
    fn fields_are_numbers_and_texts() {
        let mut fields = Fields(b"\x02\0\0\x01ab\0\x01\x02c");
        assert_eq!((fields.version().unwrap(), fields.text()), ((2, 1), b"ab".as_slice()));
        assert_eq!((fields.number(0).unwrap(), fields.short().unwrap(), fields.text()), (0, 0x102, b"c".as_slice()));
        assert!(fields.byte().is_err());
    }
}
