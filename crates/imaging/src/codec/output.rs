//! The file that an encoder writes.
//!
//! Libraries put an error of the disk into words of their own, or into none. So the first one is kept here, and is the
//! cause of the failure whatever the library says: an item whose disk is full waits, one that cannot be encoded fails.

use std::fs::File;
use std::io::{self, BufWriter, Seek, SeekFrom, Write};

use crate::error::RenderError;

const BUFFER_BYTES: usize = 256 << 10;

/// What encoders write to.
pub(super) type OutputWriter<'a> = BufWriter<WatchedFile<'a>>;

/// A file that remembers the first error of the operating system.
pub(super) struct WatchedFile<'a> {
    file: &'a File,
    os_error: Option<i32>,
}

impl WatchedFile<'_> {
    fn watch<T>(&mut self, result: io::Result<T>) -> io::Result<T> {
        if let Err(error) = &result
            && error.kind() != io::ErrorKind::Interrupted
        {
            self.os_error = self.os_error.or(error.raw_os_error());
        }
        result
    }
}

impl Write for WatchedFile<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes);
        self.watch(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for WatchedFile<'_> {
    fn seek(&mut self, position: SeekFrom) -> io::Result<u64> {
        let position = self.file.seek(position);
        self.watch(position)
    }
}

/// Has `encode` write to an empty file. Returns the length of the file in bytes.
///
/// # Errors
/// The first error of the operating system, such as `storage-full`; else that of `encode`.
pub(super) fn write_output(
    mut file: &File,
    encode: impl FnOnce(&mut OutputWriter<'_>) -> Result<(), RenderError>,
) -> Result<u64, RenderError> {
    let mut out = BufWriter::with_capacity(BUFFER_BYTES, WatchedFile { file, os_error: None });
    let written = encode(&mut out).and_then(|()| Ok(out.flush()?));
    // What is still in the buffer after a failure is not written again.
    let (watched, _) = out.into_parts();
    if let Some(error) = watched.os_error {
        return Err(io::Error::from_raw_os_error(error).into());
    }
    written?;
    Ok(file.seek(SeekFrom::End(0))?)
}
