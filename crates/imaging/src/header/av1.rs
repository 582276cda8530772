//! The sequence header of AV1, with which every picture of an AVIF begins. Source: AV1 Bitstream & Decoding Process
//! Specification, sections 5.3 to 5.5.

use super::corrupt;
use crate::failure::Failure;

/// What a sequence header says of its picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate) struct Sequence {
    /// Width and height, in pixels.
    pub size: (u32, u32),
    /// Bits of a component: 8, 10 or 12.
    pub bits: u8,
    /// Whether it has brightness only.
    pub gray: bool,
    pub color: Meaning,
}

/// What the numbers of a picture mean, in the numbers of ITU-T H.273; 2 is for what is not said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate) struct Meaning {
    pub primaries: u16,
    pub transfer: u16,
    pub matrix: u16,
    /// Whether black and white are the smallest and the largest number.
    pub full_range: bool,
}

/// The kind of unit that holds a sequence header.
const SEQUENCE: u32 = 1;

impl Sequence {
    /// Reads the header among the first units of a picture.
    pub fn read(data: &[u8]) -> Result<Self, Failure> {
        Self::find(data).ok_or_else(|| corrupt("The AVIF's picture does not begin as AV1 does."))
    }

    fn find(mut data: &[u8]) -> Option<Self> {
        loop {
            let (&head, rest) = data.split_first()?;
            data = if head & 4 == 0 { rest } else { rest.get(1..)? };
            let length = if head & 2 == 0 { data.len() } else { length(&mut data)? };
            if u32::from(head >> 3 & 15) == SEQUENCE {
                return Self::of(Bits { data: data.get(..length).unwrap_or(data), at: 0 });
            }
            data = data.get(length..)?;
        }
    }

    fn of(mut bits: Bits<'_>) -> Option<Self> {
        let profile = bits.take(3)?;
        bits.take(1)?;
        let reduced = bits.flag()?;
        if reduced {
            bits.take(5)?;
        } else {
            operating_points(&mut bits)?;
        }
        let (wide, high) = (bits.take(4)? + 1, bits.take(4)? + 1);
        let size = (bits.take(wide)? + 1, bits.take(high)? + 1);
        if !reduced && bits.flag()? {
            bits.take(7)?;
        }
        bits.take(3)?;
        if !reduced {
            tools(&mut bits)?;
        }
        bits.take(3)?;
        Self::colors(bits, profile, size)
    }

    fn colors(mut bits: Bits<'_>, profile: u32, size: (u32, u32)) -> Option<Self> {
        let deep = bits.flag()?;
        let depth = match (profile, deep) {
            (_, false) => 8,
            (2, true) if bits.flag()? => 12,
            (_, true) => 10,
        };
        let gray = profile != 1 && bits.flag()?;
        let [primaries, transfer, matrix] = match bits.flag()? {
            true => [bits.take(8)?, bits.take(8)?, bits.take(8)?].map(|number| number as u16),
            false => [2; 3],
        };
        // sRGB's own components have the full range without saying so.
        let full_range = (!gray && [primaries, transfer, matrix] == [1, 13, 0]) || bits.flag()?;
        Some(Self { size, bits: depth, gray, color: Meaning { primaries, transfer, matrix, full_range } })
    }
}

/// Passes by the part that only videos need.
fn operating_points(bits: &mut Bits<'_>) -> Option<()> {
    let mut delay = None;
    if bits.flag()? {
        bits.take(32)?;
        bits.take(32)?;
        if bits.flag()? {
            bits.long_number()?;
        }
        if bits.flag()? {
            delay = Some(bits.take(5)? + 1);
            bits.take(32)?;
            bits.take(10)?;
        }
    }
    let display_delay = bits.flag()?;
    for _ in 0..=bits.take(5)? {
        bits.take(12)?;
        if bits.take(5)? > 7 {
            bits.take(1)?;
        }
        if let Some(delay) = delay
            && bits.flag()?
        {
            bits.take(delay)?;
            bits.take(delay)?;
            bits.take(1)?;
        }
        if display_delay && bits.flag()? {
            bits.take(4)?;
        }
    }
    Some(())
}

/// Passes by which tools of the format the pictures may use.
fn tools(bits: &mut Bits<'_>) -> Option<()> {
    bits.take(4)?;
    let order = bits.flag()?;
    if order {
        bits.take(2)?;
    }
    let screen = if bits.flag()? { 2 } else { bits.take(1)? };
    if screen > 0 && !bits.flag()? {
        bits.take(1)?;
    }
    if order {
        bits.take(3)?;
    }
    Some(())
}

/// The length of a unit: seven bits a byte, the lowest first.
fn length(data: &mut &[u8]) -> Option<usize> {
    let mut length = 0_u64;
    for place in 0..8 {
        let (&byte, rest) = data.split_first()?;
        *data = rest;
        length |= u64::from(byte & 0x7F) << (7 * place);
        if byte & 0x80 == 0 {
            return usize::try_from(length).ok();
        }
    }
    None
}

/// Numbers of some bits, the highest bit first.
struct Bits<'a> {
    data: &'a [u8],
    at: usize,
}

impl Bits<'_> {
    fn take(&mut self, count: u32) -> Option<u32> {
        let mut number = 0;
        for _ in 0..count {
            let byte = self.data.get(self.at / 8)?;
            number = number << 1 | u32::from(byte >> (7 - self.at % 8) & 1);
            self.at += 1;
        }
        Some(number)
    }

    fn flag(&mut self) -> Option<bool> {
        Some(self.take(1)? == 1)
    }

    /// A number with as many zeros before it as it has bits.
    fn long_number(&mut self) -> Option<()> {
        let mut zeros = 0;
        while !self.flag()? {
            zeros += 1;
        }
        if zeros < 32 { self.take(zeros).map(drop) } else { Some(()) }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// Bits as a text of zeros and ones; blanks are for the eye.
    fn bytes(bits: &str) -> Vec<u8> {
        let bits: Vec<u8> = bits.bytes().filter(u8::is_ascii_digit).map(|bit| bit - b'0').collect();
        bits.chunks(8).map(|byte| byte.iter().enumerate().map(|(at, bit)| bit << (7 - at)).sum()).collect()
    }

    fn unit(kind: u8, data: &[u8]) -> Vec<u8> {
        [&[kind << 3 | 2, data.len() as u8][..], data].concat()
    }

    #[test]
    fn a_still_picture_says_little() {
        // Profile 1, still and reduced, level 0; sides of 8 and 7 bits: 200 and 100; no tools; 8 bits of sRGB's components.
        let header = "001 11 00000  0111 0110 11000111 1100011  000 000  0 1 00000001 00001101 00000000 0";
        let file = [unit(2, &[]), unit(1, &bytes(header))].concat();
        let color = Meaning { primaries: 1, transfer: 13, matrix: 0, full_range: true };
        assert_eq!(Sequence::read(&file).unwrap(), Sequence { size: (200, 100), bits: 8, gray: false, color });
        assert!(Sequence::read(&file[..8]).is_err());
        assert!(Sequence::read(&unit(2, &[])).is_err());
    }

    #[test]
    fn a_video_says_more() {
        // Profile 2 with times, delays, two operating points, frame numbers and an order; 12 bits of gray, limited range.
        let zeros = "0".repeat(64);
        let header = format!(
            "010 0 0  1 {zeros} 1 001 01  1 00010 {zeros:.32} 0000000000  1 00001 \
             000000000000 01000 1 1 000 000 0 1 0000  000000000000 00111 0 0 \
             0011 0011 1111 0111  1 0000000  000  0000 1 00 0 1 1 000  000  1 1 1 0 0"
        );
        let found = Sequence::read(&unit(1, &bytes(&header))).unwrap();
        let color = Meaning { primaries: 2, transfer: 2, matrix: 2, full_range: false };
        assert_eq!(found, Sequence { size: (16, 8), bits: 12, gray: true, color });
    }

    #[test]
    fn any_bytes_are_read_to_their_end_at_most() {
        for first in 0..=255 {
            for length in 0..20 {
                let file = unit(1, &vec![first; length]);
                let _ = Sequence::read(&file);
                let _ = Sequence::read(&file[1..]);
            }
        }
    }
}
