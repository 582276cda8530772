//! Walks over the chunks of a PNG up to its end: metadata may stand behind the image data, where the decoder does not
//! look before it has decoded. Source: PNG, third edition, sections 5 and 11.3.

use std::io::{self, Read, Seek, SeekFrom};

use flate2::Crc;
use flate2::read::ZlibDecoder;

use super::bounds::{MAX_EXIF_BYTES, MAX_INFLATED_BYTES, MAX_PROFILE_BYTES, MAX_TEXT_BYTES, append_up_to};

/// How much of a chunk is kept, by its kind: those that say something of the image as a whole. The largest are
/// deflated, and texts and profiles that were not are a little longer than what is in them.
fn find_max_bytes(kind: &[u8; 4]) -> Option<usize> {
    const KEYWORD_BYTES: usize = 1 << 10;
    match kind {
        b"cICP" | b"sRGB" | b"gAMA" | b"cHRM" | b"pHYs" => Some(64),
        b"eXIf" => Some(MAX_EXIF_BYTES),
        b"iCCP" => Some(MAX_PROFILE_BYTES + KEYWORD_BYTES),
        b"tEXt" | b"zTXt" | b"iTXt" => Some(MAX_TEXT_BYTES + KEYWORD_BYTES),
        _ => None,
    }
}

/// Longest keyword of a text, with the zero behind it, in bytes.
const MAX_KEYWORD_BYTES: usize = 80;

pub(super) struct PngChunk {
    pub(super) kind: [u8; 4],
    pub(super) data: Vec<u8>,
    /// Whether it stands before the image data.
    pub(super) is_early: bool,
}

/// What becomes of the chunks with metadata.
pub(super) trait ChunkReader {
    /// Whether a text with this keyword is of use; others are skipped.
    fn wants_text(&self, keyword: &[u8]) -> bool;

    fn take_chunk(&mut self, chunk: PngChunk);

    /// A chunk is longer than is read; this is its length in bytes.
    fn skip_long_chunk(&mut self, kind: [u8; 4], length: u32);
}

/// Passes the chunks with metadata on, one at a time. Ends at the first damage; a chunk with a wrong checksum is left
/// out, as libpng does.
pub(super) fn read_metadata_chunks(input: &mut (impl Read + Seek), chunks: &mut impl ChunkReader) {
    // An error is damage, the end of the file, or the end of the budget: nothing can be read behind either.
    let _ = try_read_chunks(input, chunks);
}

fn try_read_chunks(input: &mut (impl Read + Seek), chunks: &mut impl ChunkReader) -> io::Result<()> {
    let mut is_early = true;
    input.seek(SeekFrom::Start(8))?;
    loop {
        let mut head = [0; 8];
        input.read_exact(&mut head)?;
        let [l0, l1, l2, l3, kind @ ..] = head;
        let length = u32::from_be_bytes([l0, l1, l2, l3]);
        is_early &= &kind != b"IDAT";
        if &kind == b"IEND" {
            return Ok(());
        }
        let Some(max_bytes) = find_max_bytes(&kind) else {
            input.seek_relative(i64::from(length) + 4)?;
            continue;
        };
        let mut data = Vec::new();
        if kind.ends_with(b"Xt") {
            // The keyword first: most texts are of no use, and some are long.
            append_up_to(input, &mut data, u64::from(length).min(MAX_KEYWORD_BYTES as u64))?;
            let keyword = data.split(|byte| *byte == 0).next().unwrap_or_default();
            if !chunks.wants_text(keyword) {
                input.seek_relative(i64::from(length) + 4 - data.len() as i64)?;
                continue;
            }
        }
        if length as usize > max_bytes {
            chunks.skip_long_chunk(kind, length);
            input.seek_relative(i64::from(length) + 4 - data.len() as i64)?;
            continue;
        }
        let left = u64::from(length) - data.len() as u64;
        append_up_to(input, &mut data, left)?;
        let mut checksum = [0; 4];
        input.read_exact(&mut checksum)?;
        let mut crc = Crc::new();
        crc.update(&kind);
        crc.update(&data);
        if crc.sum() == u32::from_be_bytes(checksum) {
            chunks.take_chunk(PngChunk { kind, data, is_early });
        }
    }
}

/// Inflates what is deflated in a file, up to a bound for all of it.
pub(super) struct Inflater {
    bytes_left: usize,
}

impl Default for Inflater {
    fn default() -> Self {
        Self { bytes_left: MAX_INFLATED_BYTES }
    }
}

/// Why something was not inflated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum InflateError {
    Damaged,
    TooLong,
}

impl Inflater {
    /// Inflates at most `max_bytes`. Memory grows with what is inflated.
    pub(super) fn inflate(&mut self, data: &[u8], max_bytes: usize) -> Result<Vec<u8>, InflateError> {
        const STEP_BYTES: usize = 64 << 10;
        let max_bytes = max_bytes.min(self.bytes_left);
        let (mut inflated, mut decoder) = (Vec::new(), ZlibDecoder::new(data));
        loop {
            let start = inflated.len();
            // By the step, not doubled: the bound is one of memory, too.
            inflated.reserve_exact(STEP_BYTES);
            inflated.resize(start + STEP_BYTES.min(max_bytes + 1 - start), 0);
            let count = decoder.read(&mut inflated[start..]).map_err(|_| InflateError::Damaged)?;
            inflated.truncate(start + count);
            self.bytes_left = self.bytes_left.saturating_sub(count);
            match count {
                0 => return Ok(inflated),
                _ if inflated.len() > max_bytes => return Err(InflateError::TooLong),
                _ => {}
            }
        }
    }
}

/// A PNG as a decoder needs it that is asked for size and colours only: without metadata, whose chunks may be as long as
/// they like.
pub(super) struct ImageChunks<'a, R> {
    input: &'a mut R,
    /// The head of the current chunk, of which so many bytes were given.
    head: [u8; 8],
    head_given: usize,
    /// Bytes of the current chunk that follow, its checksum included.
    left: u64,
}

/// Longest chunk that is shown to the decoder, image data aside, in bytes: a palette has 768.
const MAX_IMAGE_CHUNK_BYTES: u32 = 64 << 10;

impl<'a, R: Read + Seek> ImageChunks<'a, R> {
    /// `input` stands at the beginning of the file.
    pub(super) fn new(input: &'a mut R) -> Self {
        // The signature counts as a chunk without a head.
        Self { input, head: [0; 8], head_given: 8, left: 8 }
    }

    /// Goes to the next chunk that is shown. False at the end of the file.
    fn open_next_chunk(&mut self) -> io::Result<bool> {
        loop {
            match self.input.read_exact(&mut self.head) {
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
                read => read?,
            }
            let [l0, l1, l2, l3, kind @ ..] = self.head;
            let length = u32::from_be_bytes([l0, l1, l2, l3]);
            let is_shown = kind[0].is_ascii_uppercase() || matches!(&kind, b"tRNS" | b"acTL" | b"fcTL");
            self.left = u64::from(length) + 4;
            if &kind == b"IDAT" || (is_shown && length <= MAX_IMAGE_CHUNK_BYTES) {
                self.head_given = 0;
                return Ok(true);
            }
            self.input.seek_relative(self.left as i64)?;
        }
    }
}

impl<R: Read + Seek> Read for ImageChunks<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.head_given == self.head.len() && self.left == 0 && !self.open_next_chunk()? {
            return Ok(0);
        }
        if self.head_given < self.head.len() {
            let count = (&self.head[self.head_given..]).read(buffer)?;
            self.head_given += count;
            return Ok(count);
        }
        let length = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let count = self.input.read(&mut buffer[..length])?;
        self.left -= count as u64;
        Ok(count)
    }
}

/// The decoder asks for it, and seeks only between the frames of an animation.
impl<R> Seek for ImageChunks<'_, R> {
    fn seek(&mut self, _: SeekFrom) -> io::Result<u64> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

#[cfg(test)]
mod tests {
    use super::{InflateError, Inflater, MAX_INFLATED_BYTES};

    #[test]
    fn what_is_longer_than_its_bound_is_not_inflated() {
        let deflated = fdeflate::compress_to_vec(&[7; 100_000]);
        let inflate = |data: &[u8], max| Inflater::default().inflate(data, max);
        assert_eq!(inflate(&deflated, 100_000), Ok(vec![7; 100_000]));
        assert_eq!(inflate(&deflated, 99_999), Err(InflateError::TooLong));
        assert_eq!(inflate(&deflated, 0), Err(InflateError::TooLong));
        assert_eq!(inflate(&deflated[..deflated.len() - 5], 100_000), Err(InflateError::Damaged));
    }

    #[test]
    fn all_that_is_inflated_of_a_file_has_a_bound() {
        let deflated = fdeflate::compress_to_vec(&vec![7; 1 << 20]);
        let mut inflater = Inflater::default();
        let inflated = (0..100).take_while(|_| inflater.inflate(&deflated, 1 << 20).is_ok()).count();
        assert_eq!(inflated, MAX_INFLATED_BYTES >> 20);
        // What was too long counts, too.
        let mut inflater = Inflater::default();
        (0..100).for_each(|_| assert!(inflater.inflate(&deflated, 1 << 19).is_err()));
        assert_eq!(inflater.bytes_left, 0);
    }
}
