//! What lies in the storage, for those who tidy up and those who watch the room left.

use std::fs;
use std::io;
use std::time::{Duration, SystemTime};

use super::files::{entries, seen};
use super::{Digest, Error, Storage, Store, blocking};

/// A blob as it was found in the storage.
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
        match &self.store {
            Store::Files(files) => files.list(first).await,
            Store::Objects(objects) => objects.list(first).await,
        }
    }

    /// Removes temporary files that nobody has written to for `older_than`; says how many there were.
    pub async fn sweep_temporary(&self, older_than: Duration) -> Result<usize, Error> {
        let folder = self.temporary();
        blocking(move || {
            let mut removed = 0;
            for entry in entries(&folder)? {
                let Some((_, modified)) = seen(&entry)? else { continue };
                let age = SystemTime::now().duration_since(modified).unwrap_or_default();
                if age >= older_than && fs::remove_file(entry.path()).is_ok() {
                    removed += 1;
                }
            }
            Ok(removed)
        })
        .await
    }

    /// Takes back the parts of large objects whose upload began so long ago and never ended; says how many uploads.
    pub async fn sweep_parts(&self, older_than: Duration) -> Result<usize, Error> {
        match &self.store {
            Store::Files(_) => Ok(0),
            Store::Objects(objects) => objects.reap(older_than).await,
        }
    }

    /// How many bytes can still be written to the local disk.
    pub async fn free_bytes(&self) -> Result<u64, Error> {
        let folder = self.temporary();
        blocking(move || {
            let disk = rustix::fs::statvfs(&folder).map_err(io::Error::from)?;
            Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
        })
        .await
    }
}
