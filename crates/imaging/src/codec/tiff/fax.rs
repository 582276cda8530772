//! Facsimiles: rows of black and white runs, as CCITT (ITU-T) T.4 and T.6 code them. The codes are read by a library;
//! here rows become bits, in which black is 1 whatever the directory says white is.

use std::io;

use hayro_ccitt::{DecodeError, DecodeSettings, Decoder, DecoderContext, EncodingMode};

use crate::header::tiff::FaxCoding;

/// Unpacks rows of `columns` pixels, each of which begins at a byte.
///
/// A piece that says that it ends, or that holds nothing but fill, has white rows where others are missing: encoders
/// leave out white rows at the end.
///
/// # Errors
/// `UnexpectedEof` when the data ends before the rows do, `InvalidData` for a code that is not defined.
pub(super) fn decode_fax(data: &[u8], coding: FaxCoding, (columns, rows): (usize, usize)) -> io::Result<Vec<u8>> {
    let stride = columns.div_ceil(8);
    let mut bits = RowBits { data: Vec::with_capacity(rows * stride), columns, stride, rows };
    if data.iter().all(|byte| *byte == 0) && !data.is_empty() {
        return Ok(bits.fill_white());
    }
    let is_ended = match coding {
        FaxCoding::Words => decode_word_rows(data, &mut bits)?,
        _ => decode_rows(data, coding, rows, &mut bits)?.1,
    };
    match bits.data.len() == rows * stride || is_ended {
        true => Ok(bits.fill_white()),
        false => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

/// Unpacks up to `rows` rows. Returns the bytes read, and whether they end with an end of block.
fn decode_rows(data: &[u8], coding: FaxCoding, rows: usize, bits: &mut RowBits) -> io::Result<(usize, bool)> {
    let encoding = match coding {
        FaxCoding::Group4 => EncodingMode::Group4,
        FaxCoding::Group3TwoDimensional => EncodingMode::Group3_2D,
        FaxCoding::Group3 | FaxCoding::Bytes | FaxCoding::Words => EncodingMode::Group3_1D,
    };
    let settings = DecodeSettings {
        columns: bits.columns as u32,
        rows: rows as u32,
        end_of_block: !matches!(coding, FaxCoding::Bytes | FaxCoding::Words),
        end_of_line: false,
        rows_are_byte_aligned: matches!(coding, FaxCoding::Bytes | FaxCoding::Words),
        encoding,
        // Otherwise rows of Group 3 that cannot be read become white without a word.
        strict: coding != FaxCoding::Group4,
    };
    let read = hayro_ccitt::decode(data, bits, &mut DecoderContext::new(settings)).map_err(|error| match error {
        DecodeError::UnexpectedEof => io::ErrorKind::UnexpectedEof.into(),
        other => io::Error::new(io::ErrorKind::InvalidData, other.to_string()),
    })?;
    Ok((read, has_end_of_block(&data[..read.min(data.len())])))
}

/// Unpacks rows that begin at words of two bytes, one after the other.
fn decode_word_rows(mut data: &[u8], bits: &mut RowBits) -> io::Result<bool> {
    for _ in 0..bits.rows {
        let (read, _) = decode_rows(data, FaxCoding::Words, 1, bits)?;
        data = data.get(read.next_multiple_of(2)..).unwrap_or_default();
    }
    Ok(false)
}

/// Whether the last bits, but for padding to a byte, are two ends of lines: with tags of Group 3 in two dimensions, or
/// without.
fn has_end_of_block(data: &[u8]) -> bool {
    let tail = data.iter().rev().take(5).rev().fold(0_u64, |bits, byte| bits << 8 | u64::from(*byte));
    let is_end = |bits: u64| bits & 0xFF_FFFF == 0x00_1001 || bits & 0x3FF_FFFF == 0b110_0000_0000_0011;
    (0..8).any(|padding| tail & ((1 << padding) - 1) == 0 && is_end(tail >> padding))
}

/// Rows as bits, 1 being black.
struct RowBits {
    data: Vec<u8>,
    columns: usize,
    /// Bytes per row.
    stride: usize,
    rows: usize,
}

impl RowBits {
    /// The rows, with white ones for those that are missing.
    fn fill_white(mut self) -> Vec<u8> {
        self.data.resize(self.rows * self.stride, 0);
        self.data
    }
}

impl Decoder for RowBits {
    fn push_row(&mut self, changes: &[u32]) {
        let start = self.data.len();
        if start >= self.rows * self.stride {
            return;
        }
        self.data.resize(start + self.stride, 0);
        let row = &mut self.data[start..];
        for run in changes.chunks(2) {
            let end = run.get(1).map_or(self.columns, |end| *end as usize).min(self.columns);
            set_bits(row, run[0] as usize, end);
        }
    }
}

/// Sets the bits from one position up to another, counted from the highest bit of the first byte.
fn set_bits(row: &mut [u8], from: usize, to: usize) {
    if from >= to {
        return;
    }
    let (first, last) = (from / 8, (to - 1) / 8);
    let (head, tail) = (0xFF >> (from % 8), 0xFF_u8 << (7 - (to - 1) % 8));
    if first == last {
        row[first] |= head & tail;
        return;
    }
    row[first] |= head;
    row[first + 1..last].fill(0xFF);
    row[last] |= tail;
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Packs the bits of a text of zeros and ones; other characters are ignored.
    fn pack(text: &str) -> Vec<u8> {
        let bits: Vec<u8> = text.bytes().filter(|char| matches!(char, b'0' | b'1')).map(|char| char - b'0').collect();
        bits.chunks(8).map(|byte| byte.iter().enumerate().fold(0, |sum, (at, bit)| sum | bit << (7 - at))).collect()
    }

    const END_OF_LINE: &str = "000000000001";

    /// Rows of 16 pixels: 4 white, 3 black, 9 white; all white; 16 black.
    const RUNS: [&str; 3] = ["1011 10 10100", "101010", "00110101 0000010111"];
    const ROWS: [u8; 6] = [0x0E, 0x00, 0x00, 0x00, 0xFF, 0xFF];

    fn align(rows: &[&str], bits: usize) -> String {
        let pad = |row: &&str| {
            let row = row.replace(' ', "");
            format!("{row:0<width$}", width = row.len().next_multiple_of(bits))
        };
        rows.iter().map(pad).collect()
    }

    #[test]
    fn every_coding_gives_the_same_rows() {
        let with_ends = RUNS.map(|row| format!("{END_OF_LINE}{row}")).concat();
        // The end of a line at the end of a byte, as T4Options may say.
        let with_fill = RUNS.map(|row| format!("0000{END_OF_LINE}{row}")).concat();
        let return_to_control = END_OF_LINE.repeat(6);
        let two_dimensional = format!(
            "{END_OF_LINE}1{}{END_OF_LINE}0{}{END_OF_LINE}1{}",
            RUNS[0],
            // Pass over both changes, then the end of the row.
            "0001 1",
            RUNS[2]
        );
        let group_4 = "001 1011 10 1  0001 1  001 00110101 0000010111";
        let cases = [
            (FaxCoding::Bytes, align(&RUNS, 8)),
            (FaxCoding::Words, align(&RUNS, 16)),
            (FaxCoding::Group3, RUNS.concat()),
            (FaxCoding::Group3, with_ends.clone()),
            (FaxCoding::Group3, with_fill),
            (FaxCoding::Group3, format!("{with_ends}{return_to_control}")),
            (FaxCoding::Group3TwoDimensional, two_dimensional),
            (FaxCoding::Group4, group_4.to_owned()),
            (FaxCoding::Group4, format!("{group_4}{END_OF_LINE}{END_OF_LINE}")),
        ];
        for (coding, text) in cases {
            assert_eq!(decode_fax(&pack(&text), coding, (16, 3)).unwrap(), ROWS, "{coding:?} {text}");
        }
    }

    #[test]
    fn white_rows_at_the_end_may_be_left_out_but_no_others_may() {
        let end = END_OF_LINE.repeat(2);
        let white = |rows: usize| [&ROWS[..2], &vec![0; 2 * rows][..]].concat();
        let ended = pack(&format!("001 1011 10 1 {end}"));
        assert_eq!(decode_fax(&ended, FaxCoding::Group4, (16, 5)).unwrap(), white(4));
        let ended = pack(&format!("{END_OF_LINE}{}{}", RUNS[0], END_OF_LINE.repeat(6)));
        assert_eq!(decode_fax(&ended, FaxCoding::Group3, (16, 4)).unwrap(), white(3));
        assert_eq!(decode_fax(&[0; 40], FaxCoding::Group3, (16, 2)).unwrap(), [0; 4]);
        for (coding, text) in [
            (FaxCoding::Group4, "001 1011 10 1 1"),
            (FaxCoding::Group3, RUNS[0]),
            (FaxCoding::Bytes, RUNS[0]),
            (FaxCoding::Words, RUNS[0]),
        ] {
            assert!(decode_fax(&pack(text), coding, (16, 3)).is_err(), "{coding:?}");
        }
        // A row of Group 3 that is damaged is not white.
        let damaged = format!("{END_OF_LINE}1011 0000000011 {END_OF_LINE}{}", RUNS[2]);
        assert!(decode_fax(&pack(&damaged), FaxCoding::Group3, (16, 2)).is_err());
    }

    #[test]
    fn runs_become_bits() {
        for from in 0..20 {
            for to in from..24 {
                let mut row = [0; 3];
                set_bits(&mut row, from, to);
                let bits = row.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte));
                let expected = (from..to).fold(0, |bits, at| bits | 1 << (23 - at));
                assert_eq!(bits, expected, "{from} {to}");
            }
        }
    }

    proptest! {
        #[test]
        fn any_input_ends_well(data in proptest::collection::vec(any::<u8>(), 0..300), columns in 1_usize..200) {
            for coding in [
                FaxCoding::Bytes,
                FaxCoding::Words,
                FaxCoding::Group3,
                FaxCoding::Group3TwoDimensional,
                FaxCoding::Group4,
            ] {
                if let Ok(rows) = decode_fax(&data, coding, (columns, 50)) {
                    prop_assert_eq!(rows.len(), 50 * columns.div_ceil(8));
                }
            }
        }
    }
}
