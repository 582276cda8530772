//! Walks over the chunks of a PNG up to its end: metadata may stand behind the image data, where the decoder does not
//! look before it has decoded. Source: PNG, third edition, sections 5 and 11.3.

use std::io::{Read, Seek, SeekFrom};

use flate2::Crc;
use flate2::read::ZlibDecoder;

/// Most chunks that are walked over: two gigabytes of image data in pieces of 8 KiB, as libpng writes them.
const MAX_CHUNKS: usize = 1 << 18;

/// Largest chunk with metadata that is read, in bytes.
const MAX_CHUNK_BYTES: u32 = 32 << 20;

/// Chunks that say something of the image as a whole.
const KINDS: [&[u8; 4]; 10] =
    [b"cICP", b"iCCP", b"sRGB", b"gAMA", b"cHRM", b"pHYs", b"eXIf", b"tEXt", b"zTXt", b"iTXt"];

pub(super) struct PngChunk {
    pub(super) kind: [u8; 4],
    pub(super) data: Vec<u8>,
    /// Whether it stands before the image data.
    pub(super) is_early: bool,
}

/// Passes the chunks with metadata to `take`, one at a time. Ends at the first damage; a chunk with a wrong checksum is
/// left out, as libpng does.
pub(super) fn read_metadata_chunks(input: &mut (impl Read + Seek), take: &mut dyn FnMut(PngChunk)) {
    let mut is_early = true;
    if input.seek(SeekFrom::Start(8)).is_err() {
        return;
    }
    for _ in 0..MAX_CHUNKS {
        let mut head = [0; 8];
        if input.read_exact(&mut head).is_err() {
            return;
        }
        let [l0, l1, l2, l3, kind @ ..] = head;
        let length = u32::from_be_bytes([l0, l1, l2, l3]);
        is_early &= &kind != b"IDAT";
        if &kind == b"IEND" {
            return;
        }
        if !KINDS.contains(&&kind) || length > MAX_CHUNK_BYTES {
            if input.seek(SeekFrom::Current(i64::from(length) + 4)).is_err() {
                return;
            }
            continue;
        }
        let mut data = Vec::new();
        let mut checksum = [0; 4];
        let read = input.by_ref().take(u64::from(length)).read_to_end(&mut data);
        if !read.is_ok_and(|read| read == length as usize) || input.read_exact(&mut checksum).is_err() {
            return;
        }
        let mut crc = Crc::new();
        crc.update(&kind);
        crc.update(&data);
        if crc.sum() == u32::from_be_bytes(checksum) {
            take(PngChunk { kind, data, is_early });
        }
    }
}

/// Inflates at most `max_bytes`; `None` when there is more, or it is damaged. Memory grows with what is inflated.
pub(super) fn inflate(data: &[u8], max_bytes: usize) -> Option<Vec<u8>> {
    let mut inflated = Vec::new();
    ZlibDecoder::new(data).take(max_bytes as u64 + 1).read_to_end(&mut inflated).ok()?;
    (inflated.len() <= max_bytes).then_some(inflated)
}

#[cfg(test)]
mod tests {
    use super::inflate;

    #[test]
    fn what_is_longer_than_its_bound_is_not_inflated() {
        let deflated = fdeflate::compress_to_vec(&[7; 1000]);
        assert_eq!(inflate(&deflated, 1000), Some(vec![7; 1000]));
        assert_eq!(inflate(&deflated, 999), None);
        assert_eq!(inflate(&deflated[..deflated.len() - 5], 1000), None);
    }
}
