//! How much of a file its header readers read, keep and walk over.
//!
//! Headers are read in the service itself, at every upload, so a file of a few kilobytes must not cost gigabytes, nor a
//! file of a few megabytes seconds. Two kinds of limits see to that, and all of them are here:
//!
//! * What is copied or inflated has a largest size, which is compared *before* anything is allocated. What is larger is
//!   ignored, and the header says so (`metadata_left_out`, `ignored_profile_bytes`).
//! * Whatever a reader does, it reads through a [`BoundedInput`], which ends after so many bytes and so many steps. So a
//!   walk over chunks, segments, directories, boxes or frames ends, also one that is written next year.
//!
//! What one header takes at most is about the sum of the limits: a few tens of megabytes.

use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};

/// Largest colour profile that is read, in bytes. Those of printing presses have up to 4 MB.
pub(crate) const MAX_PROFILE_BYTES: usize = 8 << 20;

/// Largest XMP that is read, in bytes.
pub(crate) const MAX_XMP_BYTES: usize = 1 << 20;

/// Largest EXIF that is read, in bytes.
pub(crate) const MAX_EXIF_BYTES: usize = 2 << 20;

/// Largest IPTC that is read, in bytes.
pub(crate) const MAX_IPTC_BYTES: usize = 1 << 20;

/// Largest image resources of Photoshop that are read as a whole, in bytes.
pub(crate) const MAX_RESOURCES_BYTES: usize = 4 << 20;

/// Most bytes of all embedded paths: about 80,000 points. In memory they take twice as much.
pub(crate) const MAX_PATHS_BYTES: usize = 2 << 20;

/// Largest text of a PNG, in bytes after inflating: profiles in the format of older programs are hexadecimal.
pub(crate) const MAX_TEXT_BYTES: usize = 4 << 20;

/// Most bytes that are inflated for one header, those that turn out to be too many included.
pub(crate) const MAX_INFLATED_BYTES: usize = 24 << 20;

/// Most bytes that are read of a file. What is skipped does not count.
const MAX_BYTES_READ: u64 = 48 << 20;

/// Most steps: reads and skips. Walking over an ordinary part of a file takes two or three.
const MAX_STEPS: u32 = 1 << 20;

/// Steps that a skip counts which probably leaves the buffer, because it costs two calls of the system.
const FAR_SEEK_STEPS: u32 = 8;

/// Longest skip that probably stays within the buffer, in bytes.
const NEAR_BYTES: u64 = 4096;

/// Reads at most so many bytes: fewer at the end of the file. Memory grows with what is there, and not by doubling,
/// because the bounds are bounds of memory, too.
pub(crate) fn read_up_to(input: &mut impl Read, max_bytes: u64) -> io::Result<Vec<u8>> {
    let mut data = Vec::new();
    append_up_to(input, &mut data, max_bytes)?;
    Ok(data)
}

/// The same, behind what was read before. Returns how many bytes.
pub(crate) fn append_up_to(input: &mut impl Read, data: &mut Vec<u8>, max_bytes: u64) -> io::Result<u64> {
    const STEP_BYTES: u64 = 256 << 10;
    let mut left = max_bytes;
    while left > 0 {
        let (start, step) = (data.len(), left.min(STEP_BYTES) as usize);
        data.reserve_exact(step);
        data.resize(start + step, 0);
        let read = input.read(&mut data[start..]);
        data.truncate(start + read.as_ref().map_or(0, |count| *count));
        match read {
            Ok(0) => break,
            Ok(count) => left -= count as u64,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(max_bytes - left)
}

/// Why reading ended: the file has more parts before or beside its image than are looked at.
#[derive(Debug, thiserror::Error)]
#[error("the file has more header parts than are read")]
pub(crate) struct BoundsExceeded;

/// A file whose header is read. Fails with [`BoundsExceeded`] once its budget is spent.
#[derive(Debug)]
pub(crate) struct BoundedInput<R> {
    input: BufReader<R>,
    position: u64,
    bytes_left: u64,
    steps_left: u32,
    is_exhausted: bool,
}

impl<R: Read> BoundedInput<R> {
    /// `input` stands at its beginning.
    pub(crate) fn new(input: R) -> Self {
        Self {
            input: BufReader::new(input),
            position: 0,
            bytes_left: MAX_BYTES_READ,
            steps_left: MAX_STEPS,
            is_exhausted: false,
        }
    }

    /// Whether something was not read because the budget was spent.
    pub(crate) fn is_exhausted(&self) -> bool {
        self.is_exhausted
    }

    fn spend_steps(&mut self, steps: u32) -> io::Result<()> {
        match self.steps_left.checked_sub(steps) {
            Some(left) => self.steps_left = left,
            None => return Err(self.exhaust()),
        }
        Ok(())
    }

    fn exhaust(&mut self) -> io::Error {
        self.is_exhausted = true;
        self.steps_left = 0;
        io::Error::other(BoundsExceeded)
    }

    fn advance(&mut self, bytes: usize) {
        self.position += bytes as u64;
        self.bytes_left = self.bytes_left.saturating_sub(bytes as u64);
    }
}

impl<R: Read> Read for BoundedInput<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.spend_steps(1)?;
        if self.bytes_left == 0 && !buffer.is_empty() {
            return Err(self.exhaust());
        }
        let length = buffer.len().min(usize::try_from(self.bytes_left).unwrap_or(usize::MAX));
        let count = self.input.read(&mut buffer[..length])?;
        self.advance(count);
        Ok(count)
    }
}

impl<R: Read> BufRead for BoundedInput<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.spend_steps(1)?;
        if self.bytes_left == 0 {
            return Err(self.exhaust());
        }
        let length = usize::try_from(self.bytes_left).unwrap_or(usize::MAX);
        self.input.fill_buf().map(|buffer| &buffer[..buffer.len().min(length)])
    }

    fn consume(&mut self, bytes: usize) {
        self.input.consume(bytes);
        self.advance(bytes);
    }
}

impl<R: Read + Seek> Seek for BoundedInput<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let target = match to {
            SeekFrom::Start(target) => Some(target),
            SeekFrom::Current(distance) => self.position.checked_add_signed(distance),
            SeekFrom::End(_) => {
                self.spend_steps(FAR_SEEK_STEPS)?;
                self.position = self.input.seek(to)?;
                return Ok(self.position);
            }
        };
        let target = target.filter(|target| i64::try_from(*target).is_ok()).ok_or(io::ErrorKind::InvalidInput)?;
        let is_near = target.abs_diff(self.position) <= NEAR_BYTES;
        self.spend_steps(if is_near { 1 } else { FAR_SEEK_STEPS })?;
        // Keeps the buffer where the target lies within it.
        self.input.seek_relative(target.cast_signed() - self.position.cast_signed())?;
        self.position = target;
        Ok(target)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn is_exceeded(error: &io::Error) -> bool {
        error.get_ref().is_some_and(|error| error.is::<BoundsExceeded>())
    }

    #[test]
    fn a_walk_ends_after_its_steps_and_a_copy_after_its_bytes() {
        let mut walked = BoundedInput::new(Cursor::new(vec![0; 1 << 21]));
        let walk = std::iter::repeat_with(|| walked.read_exact(&mut [0])).find_map(Result::err).unwrap();
        assert!(is_exceeded(&walk) && walked.is_exhausted());
        assert_eq!(walked.position, u64::from(MAX_STEPS));
        let mut copied = BoundedInput::new(io::repeat(7));
        let mut sink = Vec::new();
        assert!(is_exceeded(&copied.read_to_end(&mut sink).unwrap_err()) && copied.is_exhausted());
        assert_eq!(sink.len() as u64, MAX_BYTES_READ);
        let mut jumps = BoundedInput::new(Cursor::new(vec![0; 1 << 20]));
        let jump = (0..).find_map(|number| jumps.seek(SeekFrom::Start((number & 1) << 19)).err()).unwrap();
        assert!(is_exceeded(&jump));
    }

    #[test]
    fn any_position_can_be_read() {
        let file: Vec<u8> = (0..40_000_u32).map(|number| (number % 251) as u8).collect();
        let mut input = BoundedInput::new(Cursor::new(&file));
        let mut positions: Vec<u64> = (0..200).map(|number| number * 7919 % 40_000).collect();
        positions.extend([0, 39_999, 40_000, 50_000]);
        for position in positions {
            assert_eq!(input.seek(SeekFrom::Start(position)).unwrap(), position);
            assert_eq!(input.stream_position().unwrap(), position);
            let mut rest = [0; 3];
            let count = input.read(&mut rest).unwrap();
            let expected = file.get(position as usize..).unwrap_or_default();
            assert!(count > 0 || expected.is_empty());
            assert_eq!(rest[..count], expected[..count], "{position}");
        }
        assert_eq!(input.seek(SeekFrom::End(-1)).unwrap(), 39_999);
        assert!(input.seek(SeekFrom::Current(-40_000)).is_err() && input.seek(SeekFrom::Start(u64::MAX)).is_err());
        assert!(!input.is_exhausted());
    }
}
