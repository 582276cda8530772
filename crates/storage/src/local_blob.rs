//! Blobs as local files, for code that reads or decodes on a thread or in a process of its own.
//!
//! A blob of an object store is downloaded to a cache of copies. The cache has a limit; the least recently used copies
//! are removed first. Each user gets a hard link of its own, so that a copy can be removed while it is being read.

use std::fs::{self, File};
use std::io::Write;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use futures_util::StreamExt;
use sha2::{Digest as _, Sha256};
use tempfile::{NamedTempFile, TempPath};

use super::blob_reader::{read_file_piece, split_range};
use super::error::map_file_error;
use super::file_backend::{read_folder, read_size_and_time};
use super::{Digest, Storage, StorageBackend, StorageError, run_blocking};

/// How much is read at once to compute a checksum, in bytes.
const CHECK_CHUNK_BYTES: u64 = 1 << 20;

/// The local file of a blob. A copy stays for as long as this is held.
#[derive(Debug)]
pub struct LocalBlob {
    path: PathBuf,
    _copy: Option<TempPath>,
}

impl Deref for LocalBlob {
    type Target = Path;
    fn deref(&self) -> &Path {
        &self.path
    }
}

impl Storage {
    /// Makes a blob available as a local file, downloading it if necessary.
    pub async fn open_local(&self, digest: &Digest) -> Result<LocalBlob, StorageError> {
        match &self.backend {
            StorageBackend::Files(files) => Ok(LocalBlob { path: files.blob_path(digest), _copy: None }),
            StorageBackend::Objects(_) => {
                let copy = match self.link_copy(digest).await? {
                    Some(copy) => copy,
                    None => self.fetch_copy(digest).await?,
                };
                Ok(LocalBlob { path: copy.to_path_buf(), _copy: Some(copy) })
            }
        }
    }

    /// Like [`open_local`](Self::open_local), but reads the file completely first and compares its size and CRC-32.
    ///
    /// # Errors
    /// [`StorageError::Truncated`] and [`StorageError::Damaged`] when it is not what was stored, also after a second
    /// download.
    pub async fn open_verified(&self, digest: &Digest, size: u64, crc32: u32) -> Result<LocalBlob, StorageError> {
        let local = self.open_local(digest).await?;
        let verified = verify_file(&local, digest, size, crc32).await;
        match (&self.backend, verified) {
            (_, Ok(())) => Ok(local),
            // The cached copy may be damaged and the blob not: drop it and download once more.
            (StorageBackend::Objects(_), Err(error)) if error.is_loss() => {
                let copy_path = self.copy_path(digest);
                run_blocking(move || Ok(fs::remove_file(copy_path).or_else(super::ignore_not_found)?)).await?;
                let local = self.open_local(digest).await?;
                verify_file(&local, digest, size, crc32).await?;
                Ok(local)
            }
            (_, Err(error)) => Err(error),
        }
    }

    /// Opens a blob for reading, as [`open_local`](Self::open_local) does.
    pub async fn open_file(&self, digest: &Digest) -> Result<File, StorageError> {
        let (local, digest) = (self.open_local(digest).await?, *digest);
        run_blocking(move || File::open(&*local).map_err(|error| map_file_error(error, &digest))).await
    }

    /// Path of the cached copy of a remote blob.
    pub(super) fn copy_path(&self, digest: &Digest) -> PathBuf {
        self.work_dir.join("copies").join(digest.to_string())
    }

    /// Links the cached copy under a name of its own, because the cache may remove it at any moment, and marks it as
    /// used.
    async fn link_copy(&self, digest: &Digest) -> Result<Option<TempPath>, StorageError> {
        let (cached, folder) = (self.copy_path(digest), self.temp_dir());
        run_blocking(move || match tempfile::Builder::new().make_in(folder, |name| fs::hard_link(&cached, name)) {
            Ok(copy) => {
                let copy = copy.into_temp_path();
                File::open(&copy)?.set_modified(SystemTime::now())?;
                Ok(Some(copy))
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        })
        .await
    }

    /// Downloads a blob, compares its SHA-256 with its name, and adds it to the cache.
    async fn fetch_copy(&self, digest: &Digest) -> Result<TempPath, StorageError> {
        let folder = self.temp_dir();
        let mut copy = run_blocking(move || Ok((NamedTempFile::new_in(folder)?, Sha256::new()))).await?;
        let mut pieces = self.read_range(digest, 0, self.size(digest).await?);
        while let Some(piece) = pieces.next().await {
            let piece = piece?;
            copy = run_blocking(move || {
                let (mut file, mut sha256) = copy;
                sha256.update(&piece);
                file.write_all(&piece)?;
                Ok((file, sha256))
            })
            .await?;
        }
        let ((file, sha256), cached, digest) = (copy, self.copy_path(digest), *digest);
        run_blocking(move || {
            if sha256.finalize()[..] != digest.0 {
                return Err(StorageError::Damaged(digest));
            }
            let copy = file.into_temp_path();
            match fs::hard_link(&copy, cached) {
                // Another task has cached the same blob meanwhile.
                Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(error.into()),
                _ => Ok(copy),
            }
        })
        .await
    }

    /// Removes the least recently used copies of remote blobs until at most `bytes` bytes remain. Returns how many were
    /// removed.
    pub async fn shrink_copies(&self, bytes: u64) -> Result<usize, StorageError> {
        let folder = self.work_dir.join("copies");
        run_blocking(move || {
            let mut copies = Vec::new();
            for entry in read_folder(&folder)? {
                if let Some((size, used)) = read_size_and_time(&entry)? {
                    copies.push((used, size, entry.path()));
                }
            }
            let mut total: u64 = copies.iter().map(|(_, size, _)| size).sum();
            if total <= bytes {
                return Ok(0);
            }
            copies.sort_unstable();
            let mut removed = 0;
            for (_, size, path) in copies {
                if total <= bytes {
                    break;
                }
                fs::remove_file(path).or_else(super::ignore_not_found)?;
                (total, removed) = (total - size, removed + 1);
            }
            Ok(removed)
        })
        .await
    }
}

/// Compares size and CRC-32 of a file.
async fn verify_file(path: &Path, digest: &Digest, size: u64, crc32: u32) -> Result<(), StorageError> {
    let (path, digest) = (path.to_owned(), *digest);
    run_blocking(move || {
        let to_storage_error = |error| map_file_error(error, &digest);
        let file = File::open(path).map_err(to_storage_error)?;
        match file.metadata()?.len() {
            len if len < size => return Err(StorageError::Truncated(digest)),
            len if len > size => return Err(StorageError::Damaged(digest)),
            _ => {}
        }
        let mut crc = crc32fast::Hasher::new();
        for (at, len) in split_range(0, size, CHECK_CHUNK_BYTES) {
            crc.update(&read_file_piece(&file, at, len).map_err(to_storage_error)?);
        }
        if crc.finalize() == crc32 { Ok(()) } else { Err(StorageError::Damaged(digest)) }
    })
    .await
}
