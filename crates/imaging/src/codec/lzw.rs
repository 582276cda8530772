//! LZW as in TIFF: codes of 9 to 12 bits, highest bit first, widened one code early (TIFF 6.0, section 13).
//!
//! Our own, because it is faster than the libraries: the decoder copies each string from its own output instead of
//! walking a tree, and the encoder's table fits into the first-level cache. docs/PERFORMANCE.md has the figures.

use std::io;

const CLEAR_CODE: u32 = 256;
const END_CODE: u32 = 257;
const FIRST_FREE_CODE: u32 = 258;

/// The code at which the encoder clears its table.
const LAST_CODE: u32 = 4094;

/// Slots of the encoder's hash table; at most half of them are used.
const TABLE_SLOTS: usize = 8192;

/// An empty slot: no entry has all bits set.
const EMPTY_SLOT: u32 = u32::MAX;

pub(super) fn encode_lzw(data: &[u8]) -> Vec<u8> {
    let mut bits = CodeWriter { out: Vec::with_capacity(data.len() / 2 + 64), bit_buffer: 0, bit_count: 0, width: 9 };
    bits.write(CLEAR_CODE);
    // A slot: code of a prefix (12 bits), the byte that extends it (8 bits), code of the extended string (12 bits).
    let mut table = vec![EMPTY_SLOT; TABLE_SLOTS];
    let mut next = FIRST_FREE_CODE;
    let Some((first, rest)) = data.split_first() else {
        bits.write(END_CODE);
        return bits.finish();
    };
    let mut code = u32::from(*first);
    for byte in rest {
        let key = code << 8 | u32::from(*byte);
        let mut slot = (key.wrapping_mul(0x9E37_79B1) >> 19) as usize;
        let longer_code = loop {
            let entry = table[slot % TABLE_SLOTS];
            if entry >> 12 == key && entry != EMPTY_SLOT {
                break Some(entry & 0xFFF);
            }
            if entry == EMPTY_SLOT {
                break None;
            }
            slot += 1;
        };
        if let Some(longer_code) = longer_code {
            code = longer_code;
            continue;
        }
        bits.write(code);
        code = u32::from(*byte);
        table[slot % TABLE_SLOTS] = key << 12 | next;
        next += 1;
        if next == LAST_CODE {
            bits.write(CLEAR_CODE);
            bits.width = 9;
            table.fill(EMPTY_SLOT);
            next = FIRST_FREE_CODE;
        } else if next == 1 << bits.width {
            bits.width += 1;
        }
    }
    bits.write(code);
    if next + 1 == LAST_CODE {
        bits.write(CLEAR_CODE);
        bits.width = 9;
    } else if next + 1 == 1 << bits.width {
        bits.width += 1;
    }
    bits.write(END_CODE);
    bits.finish()
}

/// Packs codes into bytes.
struct CodeWriter {
    out: Vec<u8>,
    bit_buffer: u64,
    bit_count: u32,
    width: u32,
}

impl CodeWriter {
    fn write(&mut self, code: u32) {
        self.bit_buffer = self.bit_buffer << self.width | u64::from(code);
        self.bit_count += self.width;
        if self.bit_count >= 32 {
            self.bit_count -= 32;
            self.out.extend_from_slice(&((self.bit_buffer >> self.bit_count) as u32).to_be_bytes());
        }
    }

    fn finish(mut self) -> Vec<u8> {
        let left = (self.bit_buffer << (64 - self.bit_count).min(63)).to_be_bytes();
        let bytes = self.bit_count.div_ceil(8) as usize;
        if self.bit_count > 0 {
            self.out.extend_from_slice(&left[..bytes]);
        }
        self.out
    }
}

/// Short strings are copied in whole chunks of this size, which is faster than copying exactly; the output buffer has
/// room for it, and later strings overwrite the excess.
const COPY_CHUNK_BYTES: usize = 16;

/// Decompresses `length` bytes and ignores what follows them.
///
/// # Errors
/// `UnexpectedEof` when there are fewer, `InvalidData` for a code that is not defined.
pub(super) fn decode_lzw(data: &[u8], length: usize) -> io::Result<Vec<u8>> {
    let mut out = vec![0; length + COPY_CHUNK_BYTES];
    // Of each code: where its string begins in the output, and its length.
    let mut strings = [(0_u32, 0_u32); 4096];
    let mut input = CodeReader { data, at: 0, bit_buffer: 0, bit_count: 0 };
    let (mut next, mut width, mut at) = (FIRST_FREE_CODE, 9, 0);
    // Length of the previous string; 0 after a clear code.
    let mut previous_length = 0;
    while at < length {
        let Some(code) = input.read(width) else {
            return Err(io::ErrorKind::UnexpectedEof.into());
        };
        match code {
            CLEAR_CODE => {
                (next, width, previous_length) = (FIRST_FREE_CODE, 9, 0);
                continue;
            }
            END_CODE => return Err(io::ErrorKind::UnexpectedEof.into()),
            _ => {}
        }
        if previous_length > 0 && next < 4096 {
            // The new string is the previous one and one more byte, which this code is about to write behind it.
            strings[next as usize] = ((at - previous_length) as u32, previous_length as u32 + 1);
            next += 1;
            if next + 1 == 1 << width && width < 12 {
                width += 1;
            }
        }
        if code < CLEAR_CODE {
            out[at] = code as u8;
            (at, previous_length) = (at + 1, 1);
            continue;
        }
        if code >= next {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "an LZW code is used before it is defined"));
        }
        let (from, string) = strings[code as usize];
        let (from, string) = (from as usize, (string as usize).min(length - at));
        copy_string(&mut out, from, at, string);
        (at, previous_length) = (at + string, string);
    }
    out.truncate(length);
    Ok(out)
}

/// Copies bytes from earlier in the output. Source and target may overlap: the last byte may be the first of the copy.
fn copy_string(out: &mut [u8], from: usize, to: usize, length: usize) {
    if to - from >= COPY_CHUNK_BYTES && length <= COPY_CHUNK_BYTES {
        let (before, after) = out.split_at_mut(to);
        after[..COPY_CHUNK_BYTES].copy_from_slice(&before[from..from + COPY_CHUNK_BYTES]);
        return;
    }
    if to - from >= length {
        out.copy_within(from..from + length, to);
        return;
    }
    for step in 0..length {
        out[to + step] = out[from + step];
    }
}

/// Unpacks codes from bytes.
struct CodeReader<'a> {
    data: &'a [u8],
    at: usize,
    bit_buffer: u64,
    bit_count: u32,
}

impl CodeReader<'_> {
    #[inline]
    fn read(&mut self, width: u32) -> Option<u32> {
        if self.bit_count < width {
            if let Some(chunk) = self.data.get(self.at..).and_then(|rest| rest.first_chunk::<4>()) {
                self.bit_buffer = self.bit_buffer << 32 | u64::from(u32::from_be_bytes(*chunk));
                (self.at, self.bit_count) = (self.at + 4, self.bit_count + 32);
            } else {
                while self.bit_count < width {
                    self.bit_buffer = self.bit_buffer << 8 | u64::from(*self.data.get(self.at)?);
                    (self.at, self.bit_count) = (self.at + 1, self.bit_count + 8);
                }
            }
        }
        self.bit_count -= width;
        Some((self.bit_buffer >> self.bit_count) as u32 & ((1 << width) - 1))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn generate_data(kind: u32, length: usize) -> Vec<u8> {
        let mut state = kind.wrapping_mul(2_654_435_761) | 1;
        (0..length)
            .map(|at| match kind % 4 {
                0 => 0,
                1 => (at / 100) as u8,
                2 => (at % 7) as u8,
                _ => {
                    state ^= state << 13;
                    state ^= state >> 17;
                    state ^= state << 5;
                    state as u8
                }
            })
            .collect()
    }

    fn decode_with_weezl(data: &[u8]) -> Vec<u8> {
        weezl::decode::Decoder::with_tiff_size_switch(weezl::BitOrder::Msb, 8).decode(data).unwrap()
    }

    fn encode_with_weezl(data: &[u8]) -> Vec<u8> {
        weezl::encode::Encoder::with_tiff_size_switch(weezl::BitOrder::Msb, 8).encode(data).unwrap()
    }

    #[test]
    fn both_ways_agree_with_another_implementation() {
        for kind in 0..4 {
            for length in (0..40).chain([253, 254, 255, 256, 300, 3800, 3836, 3837, 3838, 3839, 3840, 9000, 100_000]) {
                let data = generate_data(kind, length);
                let packed = encode_lzw(&data);
                assert_eq!(decode_lzw(&packed, length).unwrap(), data, "{kind} {length}");
                assert_eq!(decode_with_weezl(&packed), data, "{kind} {length}");
                assert_eq!(decode_lzw(&encode_with_weezl(&data), length).unwrap(), data, "{kind} {length}");
            }
        }
    }

    #[test]
    fn what_ends_early_or_cannot_be_is_an_error() {
        let packed = encode_lzw(&generate_data(3, 5000));
        for cut in [0, 1, 100, packed.len() - 8] {
            assert_eq!(decode_lzw(&packed[..cut], 5000).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        }
        assert_eq!(decode_lzw(&packed, 5001).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        // Clear, then an undefined code.
        assert_eq!(decode_lzw(&[0x80, 0x7F, 0xFF, 0xFF], 9).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }

    proptest! {
        #[test]
        fn any_bytes_come_back(data in proptest::collection::vec(0_u8..6, 0..6000)) {
            prop_assert_eq!(decode_lzw(&encode_lzw(&data), data.len()).unwrap(), data);
        }

        #[test]
        fn any_input_ends_well(data in proptest::collection::vec(any::<u8>(), 0..600)) {
            let _ = decode_lzw(&data, 4000);
        }
    }
}
