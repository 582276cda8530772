//! Blobs as local files, for code that reads or decodes on a thread or in a process of its own.
//!
//! Of an object store a copy is fetched and kept for the next time, up to a limit; those used longest ago go first.

use std::fs::{self, File};
use std::io::Write;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use futures_util::StreamExt;
use sha2::{Digest as _, Sha256};
use tempfile::{NamedTempFile, TempPath};

use super::error::of_file;
use super::files::{entries, seen};
use super::read::{piece, spans};
use super::{Digest, Error, Storage, Store, blocking};

/// How much is read at once to look at a checksum.
const PIECE: u64 = 1 << 20;

/// The file of a blob. A copy stays for as long as this is held.
#[derive(Debug)]
pub struct Local {
    path: PathBuf,
    _copy: Option<TempPath>,
}

impl Deref for Local {
    type Target = Path;
    fn deref(&self) -> &Path {
        &self.path
    }
}

impl Storage {
    /// A blob as a local file.
    pub async fn local(&self, digest: &Digest) -> Result<Local, Error> {
        match &self.store {
            Store::Files(files) => Ok(Local { path: files.path(digest), _copy: None }),
            Store::Objects(_) => {
                let copy = match self.copied(digest).await? {
                    Some(copy) => copy,
                    None => self.fetch(digest).await?,
                };
                Ok(Local { path: copy.to_path_buf(), _copy: Some(copy) })
            }
        }
    }

    /// A blob as a local file that was read whole and found to have this size and CRC-32.
    ///
    /// # Errors
    /// [`Error::Short`] and [`Error::Damaged`] when it is not what was stored.
    pub async fn sound(&self, digest: &Digest, size: u64, crc32: u32) -> Result<Local, Error> {
        let local = self.local(digest).await?;
        let sound = verify(&local, digest, size, crc32).await;
        match (&self.store, sound) {
            (_, Ok(())) => Ok(local),
            // The copy went bad, not the blob.
            (Store::Objects(_), Err(error)) if error.is_loss() => {
                let kept = self.copy_of(digest);
                blocking(move || Ok(fs::remove_file(kept).or_else(super::gone)?)).await?;
                let local = self.local(digest).await?;
                verify(&local, digest, size, crc32).await?;
                Ok(local)
            }
            (_, Err(error)) => Err(error),
        }
    }

    /// The opened file of a blob. Of an object store a copy.
    pub async fn file(&self, digest: &Digest) -> Result<File, Error> {
        let (local, digest) = (self.local(digest).await?, *digest);
        blocking(move || File::open(&*local).map_err(|error| of_file(error, &digest))).await
    }

    /// Where a copy of a remote blob is kept.
    pub(super) fn copy_of(&self, digest: &Digest) -> PathBuf {
        self.desk.join("copies").join(digest.to_string())
    }

    /// The copy that is kept, under a name of its own: it may be swept at any moment.
    async fn copied(&self, digest: &Digest) -> Result<Option<TempPath>, Error> {
        let (kept, folder) = (self.copy_of(digest), self.temporary());
        blocking(move || match tempfile::Builder::new().make_in(folder, |name| fs::hard_link(&kept, name)) {
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

    /// Fetches a blob, checks that its bytes have its name, and keeps a copy.
    async fn fetch(&self, digest: &Digest) -> Result<TempPath, Error> {
        let folder = self.temporary();
        let mut copy = blocking(move || Ok((NamedTempFile::new_in(folder)?, Sha256::new()))).await?;
        let mut pieces = self.read_range(digest, 0, self.size(digest).await?);
        while let Some(piece) = pieces.next().await {
            let piece = piece?;
            copy = blocking(move || {
                let (mut file, mut sha256) = copy;
                sha256.update(&piece);
                file.write_all(&piece)?;
                Ok((file, sha256))
            })
            .await?;
        }
        let ((file, sha256), kept, digest) = (copy, self.copy_of(digest), *digest);
        blocking(move || {
            if sha256.finalize()[..] != digest.0 {
                return Err(Error::Damaged(digest));
            }
            let copy = file.into_temp_path();
            match fs::hard_link(&copy, kept) {
                // Another one has fetched it meanwhile.
                Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(error.into()),
                _ => Ok(copy),
            }
        })
        .await
    }

    /// Removes the copies of remote blobs that were used longest ago, until those that stay have at most `bytes` bytes.
    /// Says how many.
    pub async fn shrink_copies(&self, bytes: u64) -> Result<usize, Error> {
        let folder = self.desk.join("copies");
        blocking(move || {
            let mut kept = Vec::new();
            for entry in entries(&folder)? {
                if let Some((size, used)) = seen(&entry)? {
                    kept.push((used, size, entry.path()));
                }
            }
            let mut total: u64 = kept.iter().map(|(_, size, _)| size).sum();
            if total <= bytes {
                return Ok(0);
            }
            kept.sort_unstable();
            let mut removed = 0;
            for (_, size, path) in kept {
                if total <= bytes {
                    break;
                }
                fs::remove_file(path).or_else(super::gone)?;
                (total, removed) = (total - size, removed + 1);
            }
            Ok(removed)
        })
        .await
    }
}

/// Reads a file whole and compares.
async fn verify(path: &Path, digest: &Digest, size: u64, crc32: u32) -> Result<(), Error> {
    let (path, digest) = (path.to_owned(), *digest);
    blocking(move || {
        let of_file = |error| of_file(error, &digest);
        let file = File::open(path).map_err(of_file)?;
        match file.metadata()?.len() {
            len if len < size => return Err(Error::Short(digest)),
            len if len > size => return Err(Error::Damaged(digest)),
            _ => {}
        }
        let mut crc = crc32fast::Hasher::new();
        for (at, len) in spans(0, size, PIECE) {
            crc.update(&piece(&file, at, len).map_err(of_file)?);
        }
        if crc.finalize() == crc32 { Ok(()) } else { Err(Error::Damaged(digest)) }
    })
    .await
}
