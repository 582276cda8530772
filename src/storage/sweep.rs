//! What lies on the disk, for those who tidy up and those who watch the room left.

use std::fs;
use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::{Digest, Error, Storage, blocking};

/// A blob as it was found on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its name.
    pub digest: Digest,
    /// Length in bytes.
    pub size: u64,
    /// How long ago it was written.
    pub age: Duration,
}

impl Storage {
    /// The blobs whose digest begins with the byte `first`. Walking all 256 sees every blob, and no step holds more
    /// than a 256th of them in memory.
    pub async fn list(&self, first: u8) -> Result<Vec<Found>, Error> {
        let folder = self.blobs().join(hex::encode([first]));
        blocking(move || {
            let mut found = Vec::new();
            for inner in entries(&folder)? {
                for blob in entries(&inner.path())? {
                    // Anything else was put there by somebody else and is left alone.
                    let Ok(digest) = blob.file_name().to_string_lossy().parse() else { continue };
                    if let Some((size, age)) = seen(&blob)? {
                        found.push(Found { digest, size, age });
                    }
                }
            }
            Ok(found)
        })
        .await
    }

    /// Removes temporary files that nobody has written to for `older_than`; says how many there were.
    pub async fn sweep_temporary(&self, older_than: Duration) -> Result<usize, Error> {
        let folder = self.temporary();
        blocking(move || {
            let mut removed = 0;
            for entry in entries(&folder)? {
                let Some((_, age)) = seen(&entry)? else { continue };
                if age >= older_than && fs::remove_file(entry.path()).is_ok() {
                    removed += 1;
                }
            }
            Ok(removed)
        })
        .await
    }

    /// How many bytes can still be written.
    pub async fn free_bytes(&self) -> Result<u64, Error> {
        let folder = self.temporary();
        blocking(move || {
            let disk = rustix::fs::statvfs(&folder).map_err(io::Error::from)?;
            Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
        })
        .await
    }
}

fn entries(folder: &Path) -> Result<Vec<fs::DirEntry>, Error> {
    match fs::read_dir(folder) {
        Ok(entries) => Ok(entries.collect::<Result<_, _>>()?),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(Vec::new()),
        Err(error) => Err(error.into()),
    }
}

/// Size and age of a file; none when it vanished meanwhile or is no file.
fn seen(entry: &fs::DirEntry) -> Result<Option<(u64, Duration)>, Error> {
    match entry.metadata() {
        Ok(about) if about.is_file() => {
            let age = SystemTime::now().duration_since(about.modified()?).unwrap_or_default();
            Ok(Some((about.len(), age)))
        }
        Ok(_) => Ok(None),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}
