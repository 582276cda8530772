//! Listing and sweeping: for maintenance that removes what nobody uses, and for the watch on free space.

use std::fs;
use std::io;
use std::time::{Duration, SystemTime};

use super::file_backend::{read_folder, read_size_and_time};
use super::{Digest, Storage, StorageBackend, StorageError, run_blocking};

/// A blob as listed by [`Storage::list`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredBlob {
    pub digest: Digest,
    /// In bytes.
    pub size: u64,
    /// How long ago it was written.
    pub age: Duration,
}

impl Storage {
    /// The blobs whose digest begins with the byte `first`, in no order. Calling it for all 256 values lists every blob
    /// while holding only about a 256th of them in memory.
    pub async fn list(&self, first: u8) -> Result<Vec<StoredBlob>, StorageError> {
        match &self.backend {
            StorageBackend::Files(files) => files.list(first).await,
            StorageBackend::Objects(objects) => objects.list(first).await,
        }
    }

    /// Removes temporary files that were not written to for `older_than`; returns how many.
    pub async fn sweep_temporary(&self, older_than: Duration) -> Result<usize, StorageError> {
        let folder = self.temp_dir();
        run_blocking(move || {
            let mut removed = 0;
            for entry in read_folder(&folder)? {
                let Some((_, modified)) = read_size_and_time(&entry)? else { continue };
                let age = SystemTime::now().duration_since(modified).unwrap_or_default();
                if age >= older_than && fs::remove_file(entry.path()).is_ok() {
                    removed += 1;
                }
            }
            Ok(removed)
        })
        .await
    }

    /// Aborts uploads of large objects that began more than `older_than` ago and never ended; returns how many.
    pub async fn sweep_parts(&self, older_than: Duration) -> Result<usize, StorageError> {
        match &self.backend {
            StorageBackend::Files(_) => Ok(0),
            StorageBackend::Objects(objects) => objects.abort_stale_uploads(older_than).await,
        }
    }

    /// Free space on the local disk, in bytes.
    pub async fn free_bytes(&self) -> Result<u64, StorageError> {
        let folder = self.temp_dir();
        run_blocking(move || {
            let disk = rustix::fs::statvfs(&folder).map_err(io::Error::from)?;
            Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
        })
        .await
    }
}
