//! LZW as TIFF has it: codes of 9 to 12 bits, the highest bit first, one code early (TIFF 6.0, section 13). Ours, because
//! the decoder finds each string in what it has already put out, and the encoder's table stays in the first cache:
//! docs/PERFORMANCE.md has the figures.

use std::io;

const CLEAR: u32 = 256;
const END: u32 = 257;
const FIRST: u32 = 258;

/// The code at which the encoder begins anew.
const FULL: u32 = 4094;

/// Slots of the encoder's table; at most half of them are taken.
const SLOTS: usize = 8192;

/// A slot that is free: no string has all of its bits set.
const FREE: u32 = u32::MAX;

/// Compresses.
pub(super) fn encode(data: &[u8]) -> Vec<u8> {
    let mut bits = Bits { out: Vec::with_capacity(data.len() / 2 + 64), held: 0, count: 0, width: 9 };
    bits.put(CLEAR);
    // A slot holds the code of a string before (12 bits), the byte that makes it longer (8) and the code of both (12).
    let mut table = vec![FREE; SLOTS];
    let mut next = FIRST;
    let Some((first, rest)) = data.split_first() else {
        bits.put(END);
        return bits.finish();
    };
    let mut code = u32::from(*first);
    for byte in rest {
        let key = code << 8 | u32::from(*byte);
        let mut slot = (key.wrapping_mul(0x9E37_79B1) >> 19) as usize;
        let known = loop {
            let found = table[slot % SLOTS];
            if found >> 12 == key && found != FREE {
                break Some(found & 0xFFF);
            }
            if found == FREE {
                break None;
            }
            slot += 1;
        };
        if let Some(known) = known {
            code = known;
            continue;
        }
        bits.put(code);
        code = u32::from(*byte);
        table[slot % SLOTS] = key << 12 | next;
        next += 1;
        if next == FULL {
            bits.put(CLEAR);
            bits.width = 9;
            table.fill(FREE);
            next = FIRST;
        } else if next == 1 << bits.width {
            bits.width += 1;
        }
    }
    bits.put(code);
    if next + 1 == FULL {
        bits.put(CLEAR);
        bits.width = 9;
    } else if next + 1 == 1 << bits.width {
        bits.width += 1;
    }
    bits.put(END);
    bits.finish()
}

/// Codes on their way to bytes.
struct Bits {
    out: Vec<u8>,
    held: u64,
    count: u32,
    width: u32,
}

impl Bits {
    fn put(&mut self, code: u32) {
        self.held = self.held << self.width | u64::from(code);
        self.count += self.width;
        if self.count >= 32 {
            self.count -= 32;
            self.out.extend_from_slice(&((self.held >> self.count) as u32).to_be_bytes());
        }
    }

    fn finish(mut self) -> Vec<u8> {
        let left = (self.held << (64 - self.count).min(63)).to_be_bytes();
        let bytes = self.count.div_ceil(8) as usize;
        if self.count > 0 {
            self.out.extend_from_slice(&left[..bytes]);
        }
        self.out
    }
}

/// How many bytes are copied at once, also where fewer are meant.
const CHUNK: usize = 16;

/// Decompresses so many bytes; what follows them is ignored.
///
/// # Errors
/// `UnexpectedEof` when there are fewer, `InvalidData` for a code that cannot be.
pub(super) fn decode(data: &[u8], length: usize) -> io::Result<Vec<u8>> {
    let mut out = vec![0; length + CHUNK];
    // Where the string of a code begins in what is put out, and how long it is.
    let mut strings = [(0_u32, 0_u32); 4096];
    let mut input = Codes { data, at: 0, held: 0, count: 0 };
    let (mut next, mut width, mut at) = (FIRST, 9, 0);
    // Length of the string before; none after a clear.
    let mut before = 0;
    while at < length {
        let Some(code) = input.next(width) else {
            return Err(io::ErrorKind::UnexpectedEof.into());
        };
        match code {
            CLEAR => {
                (next, width, before) = (FIRST, 9, 0);
                continue;
            }
            END => return Err(io::ErrorKind::UnexpectedEof.into()),
            _ => {}
        }
        if before > 0 && next < 4096 {
            // The string before and one byte more, which this code is about to put out.
            strings[next as usize] = ((at - before) as u32, before as u32 + 1);
            next += 1;
            if next + 1 == 1 << width && width < 12 {
                width += 1;
            }
        }
        if code < CLEAR {
            out[at] = code as u8;
            (at, before) = (at + 1, 1);
            continue;
        }
        if code >= next {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "an LZW code is used before it is made"));
        }
        let (from, string) = strings[code as usize];
        let (from, string) = (from as usize, (string as usize).min(length - at));
        copy(&mut out, from, at, string);
        (at, before) = (at + string, string);
    }
    out.truncate(length);
    Ok(out)
}

/// Copies bytes that lie before, of which the last may be the first.
fn copy(out: &mut [u8], from: usize, to: usize, length: usize) {
    if to - from >= CHUNK && length <= CHUNK {
        let (before, after) = out.split_at_mut(to);
        after[..CHUNK].copy_from_slice(&before[from..from + CHUNK]);
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

/// Bytes on their way to codes.
struct Codes<'a> {
    data: &'a [u8],
    at: usize,
    held: u64,
    count: u32,
}

impl Codes<'_> {
    #[inline]
    fn next(&mut self, width: u32) -> Option<u32> {
        if self.count < width {
            if let Some(four) = self.data.get(self.at..).and_then(|rest| rest.first_chunk::<4>()) {
                self.held = self.held << 32 | u64::from(u32::from_be_bytes(*four));
                (self.at, self.count) = (self.at + 4, self.count + 32);
            } else {
                while self.count < width {
                    self.held = self.held << 8 | u64::from(*self.data.get(self.at)?);
                    (self.at, self.count) = (self.at + 1, self.count + 8);
                }
            }
        }
        self.count -= width;
        Some((self.held >> self.count) as u32 & ((1 << width) - 1))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn drawn(kind: u32, length: usize) -> Vec<u8> {
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

    /// Another implementation than ours.
    fn other_decode(data: &[u8]) -> Vec<u8> {
        weezl::decode::Decoder::with_tiff_size_switch(weezl::BitOrder::Msb, 8).decode(data).unwrap()
    }

    fn other_encode(data: &[u8]) -> Vec<u8> {
        weezl::encode::Encoder::with_tiff_size_switch(weezl::BitOrder::Msb, 8).encode(data).unwrap()
    }

    #[test]
    fn both_ways_agree_with_another_implementation() {
        for kind in 0..4 {
            for length in (0..40).chain([253, 254, 255, 256, 300, 3800, 3836, 3837, 3838, 3839, 3840, 9000, 100_000]) {
                let data = drawn(kind, length);
                let packed = encode(&data);
                assert_eq!(decode(&packed, length).unwrap(), data, "{kind} {length}");
                assert_eq!(other_decode(&packed), data, "{kind} {length}");
                assert_eq!(decode(&other_encode(&data), length).unwrap(), data, "{kind} {length}");
            }
        }
    }

    #[test]
    fn what_ends_early_or_cannot_be_is_an_error() {
        let packed = encode(&drawn(3, 5000));
        for cut in [0, 1, 100, packed.len() - 8] {
            assert_eq!(decode(&packed[..cut], 5000).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        }
        assert_eq!(decode(&packed, 5001).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        // Clear, then a code that nothing has made.
        assert_eq!(decode(&[0x80, 0x7F, 0xFF, 0xFF], 9).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }

    proptest! {
        #[test]
        fn any_bytes_come_back(data in proptest::collection::vec(0_u8..6, 0..6000)) {
            prop_assert_eq!(decode(&encode(&data), data.len()).unwrap(), data);
        }

        #[test]
        fn any_input_ends_well(data in proptest::collection::vec(any::<u8>(), 0..600)) {
            let _ = decode(&data, 4000);
        }
    }
}
