//! The sequence header of AV1, with which every image of an AVIF begins. Source: AV1 Bitstream & Decoding Process
//! Specification, sections 5.3 to 5.5.

use super::corrupt_error;
use crate::error::RenderError;

/// A parsed sequence header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SequenceHeader {
    /// Width and height, in pixels.
    pub(crate) size: (u32, u32),
    /// Bits per component: 8, 10 or 12.
    pub(crate) bits: u8,
    /// Whether it has only luma.
    pub(crate) gray: bool,
    pub(crate) cicp: Cicp,
}

/// Meaning of the colour values, in the code points of ITU-T H.273. 2 means unspecified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cicp {
    pub(crate) primaries: u16,
    pub(crate) transfer: u16,
    pub(crate) matrix: u16,
    /// Whether black and white are the smallest and the largest value.
    pub(crate) full_range: bool,
}

/// OBU type of a sequence header.
const SEQUENCE_HEADER_OBU: u32 = 1;

impl SequenceHeader {
    /// Finds and parses the sequence header among the first OBUs of an image.
    pub(crate) fn read(data: &[u8]) -> Result<Self, RenderError> {
        Self::try_read(data).ok_or_else(|| corrupt_error("The AVIF image has no AV1 sequence header."))
    }

    fn try_read(mut data: &[u8]) -> Option<Self> {
        loop {
            let (&head, rest) = data.split_first()?;
            data = if head & 4 == 0 { rest } else { rest.get(1..)? };
            let length = if head & 2 == 0 { data.len() } else { read_leb128(&mut data)? };
            if u32::from(head >> 3 & 15) == SEQUENCE_HEADER_OBU {
                return Self::parse(BitReader { data: data.get(..length).unwrap_or(data), at: 0 });
            }
            data = data.get(length..)?;
        }
    }

    fn parse(mut bits: BitReader<'_>) -> Option<Self> {
        let profile = bits.take(3)?;
        bits.take(1)?;
        let reduced = bits.take_flag()?;
        if reduced {
            bits.take(5)?;
        } else {
            skip_operating_points(&mut bits)?;
        }
        let (width_bits, height_bits) = (bits.take(4)? + 1, bits.take(4)? + 1);
        let size = (bits.take(width_bits)? + 1, bits.take(height_bits)? + 1);
        if !reduced && bits.take_flag()? {
            bits.take(7)?;
        }
        bits.take(3)?;
        if !reduced {
            skip_coding_tools(&mut bits)?;
        }
        bits.take(3)?;
        Self::parse_color_config(bits, profile, size)
    }

    fn parse_color_config(mut bits: BitReader<'_>, profile: u32, size: (u32, u32)) -> Option<Self> {
        let high_bitdepth = bits.take_flag()?;
        let depth = match (profile, high_bitdepth) {
            (_, false) => 8,
            (2, true) if bits.take_flag()? => 12,
            (_, true) => 10,
        };
        let gray = profile != 1 && bits.take_flag()?;
        let [primaries, transfer, matrix] = match bits.take_flag()? {
            true => [bits.take(8)?, bits.take(8)?, bits.take(8)?].map(|number| number as u16),
            false => [2; 3],
        };
        // sRGB with the identity matrix implies full range: there is no flag.
        let full_range = (!gray && [primaries, transfer, matrix] == [1, 13, 0]) || bits.take_flag()?;
        Some(Self { size, bits: depth, gray, cicp: Cicp { primaries, transfer, matrix, full_range } })
    }
}

/// Skips timing and operating points, which only videos need.
fn skip_operating_points(bits: &mut BitReader<'_>) -> Option<()> {
    let mut delay = None;
    if bits.take_flag()? {
        bits.take(32)?;
        bits.take(32)?;
        if bits.take_flag()? {
            bits.skip_uvlc()?;
        }
        if bits.take_flag()? {
            delay = Some(bits.take(5)? + 1);
            bits.take(32)?;
            bits.take(10)?;
        }
    }
    let display_delay = bits.take_flag()?;
    for _ in 0..=bits.take(5)? {
        bits.take(12)?;
        if bits.take(5)? > 7 {
            bits.take(1)?;
        }
        if let Some(delay) = delay
            && bits.take_flag()?
        {
            bits.take(delay)?;
            bits.take(delay)?;
            bits.take(1)?;
        }
        if display_delay && bits.take_flag()? {
            bits.take(4)?;
        }
    }
    Some(())
}

/// Skips the flags that enable coding tools.
fn skip_coding_tools(bits: &mut BitReader<'_>) -> Option<()> {
    bits.take(4)?;
    let has_order_hint = bits.take_flag()?;
    if has_order_hint {
        bits.take(2)?;
    }
    let screen_content_tools = if bits.take_flag()? { 2 } else { bits.take(1)? };
    if screen_content_tools > 0 && !bits.take_flag()? {
        bits.take(1)?;
    }
    if has_order_hint {
        bits.take(3)?;
    }
    Some(())
}

/// Length of an OBU: 7 bits per byte, lowest first.
fn read_leb128(data: &mut &[u8]) -> Option<usize> {
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

/// Reads bit fields, highest bit first. `None` at the end of the data.
struct BitReader<'a> {
    data: &'a [u8],
    at: usize,
}

impl BitReader<'_> {
    fn take(&mut self, count: u32) -> Option<u32> {
        let mut number = 0;
        for _ in 0..count {
            let byte = self.data.get(self.at / 8)?;
            number = number << 1 | u32::from(byte >> (7 - self.at % 8) & 1);
            self.at += 1;
        }
        Some(number)
    }

    fn take_flag(&mut self) -> Option<bool> {
        Some(self.take(1)? == 1)
    }

    /// A variable-length number: as many leading zeros as it has bits.
    fn skip_uvlc(&mut self) -> Option<()> {
        let mut zeros = 0;
        while !self.take_flag()? {
            zeros += 1;
        }
        if zeros < 32 { self.take(zeros).map(drop) } else { Some(()) }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// Bits from a text of zeros and ones; other characters are ignored.
    fn parse_bits(bits: &str) -> Vec<u8> {
        let bits: Vec<u8> = bits.bytes().filter(u8::is_ascii_digit).map(|bit| bit - b'0').collect();
        bits.chunks(8).map(|byte| byte.iter().enumerate().map(|(at, bit)| bit << (7 - at)).sum()).collect()
    }

    fn build_obu(kind: u8, data: &[u8]) -> Vec<u8> {
        [&[kind << 3 | 2, data.len() as u8][..], data].concat()
    }

    #[test]
    fn the_header_of_a_still_image_is_reduced() {
        // Profile 1, still and reduced, level 0; sides of 8 and 7 bits: 200 and 100; no tools; 8 bits of sRGB's
        // components.
        let header = "001 11 00000  0111 0110 11000111 1100011  000 000  0 1 00000001 00001101 00000000 0";
        let file = [build_obu(2, &[]), build_obu(1, &parse_bits(header))].concat();
        let color = Cicp { primaries: 1, transfer: 13, matrix: 0, full_range: true };
        assert_eq!(
            SequenceHeader::read(&file).unwrap(),
            SequenceHeader { size: (200, 100), bits: 8, gray: false, cicp: color }
        );
        assert!(SequenceHeader::read(&file[..8]).is_err());
        assert!(SequenceHeader::read(&build_obu(2, &[])).is_err());
    }

    #[test]
    fn the_header_of_a_video_is_complete() {
        // Profile 2 with times, delays, two operating points, frame numbers and an order; 12 bits of gray, limited
        // range.
        let zeros = "0".repeat(64);
        let header = format!(
            "010 0 0  1 {zeros} 1 001 01  1 00010 {zeros:.32} 0000000000  1 00001 \
             000000000000 01000 1 1 000 000 0 1 0000  000000000000 00111 0 0 \
             0011 0011 1111 0111  1 0000000  000  0000 1 00 0 1 1 000  000  1 1 1 0 0"
        );
        let sequence = SequenceHeader::read(&build_obu(1, &parse_bits(&header))).unwrap();
        let color = Cicp { primaries: 2, transfer: 2, matrix: 2, full_range: false };
        assert_eq!(sequence, SequenceHeader { size: (16, 8), bits: 12, gray: true, cicp: color });
    }

    #[test]
    fn any_bytes_are_read_to_their_end_at_most() {
        for first in 0..=255 {
            for length in 0..20 {
                let file = build_obu(1, &vec![first; length]);
                let _ = SequenceHeader::read(&file);
                let _ = SequenceHeader::read(&file[1..]);
            }
        }
    }
}
