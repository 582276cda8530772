//! Bytes: blobs by content, and the archive as a layout. The only room that names files.
//!
//! A blob is named by the SHA-256 of its bytes and lies under `blobs/ab/cd/<hex>`. Bytes come in through
//! [`Storage::receive`], [`Storage::stage_bytes`] or [`Storage::stage`], are on the disk when they are [`Staged`], and
//! get their name by [`Storage::publish`]. Whoever publishes or removes a blob holds the lock of its row meanwhile.

pub mod archive;
mod incoming;
mod read;
mod sweep;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::TempPath;

pub use crate::digest::Digest;
pub use incoming::{Incoming, Staged};
pub use sweep::Found;

/// Why bytes could not be stored or read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The disk, or the share of it that we may use, is full.
    #[error("the storage has no room left; free some space under the data folder")]
    Full(#[source] io::Error),
    /// No blob has this digest.
    #[error("the storage has no bytes under {0}")]
    Missing(Digest),
    /// The blob is shorter than it was when it was stored.
    #[error("the bytes stored under {0} are cut off")]
    Short(Digest),
    /// The operating system refused.
    #[error("the storage cannot be used: {0}")]
    Io(#[source] io::Error),
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full(error),
            _ => Self::Io(error),
        }
    }
}

/// Where blobs are kept: a folder on the local disk. Clones share it.
#[derive(Clone, Debug)]
pub struct Storage {
    root: Arc<Path>,
}

impl Storage {
    /// Opens the storage below `data_dir`, making its folders where they are missing. Blocks shortly.
    pub fn open(data_dir: &Path) -> Result<Self, Error> {
        fs::create_dir_all(data_dir.join("blobs"))?;
        fs::create_dir_all(data_dir.join("tmp"))?;
        Ok(Self { root: data_dir.canonicalize()?.into() })
    }

    /// Where the bytes with this digest are, or would be.
    pub fn path(&self, digest: &Digest) -> PathBuf {
        let name = digest.to_string();
        self.blobs().join(&name[..2]).join(&name[2..4]).join(&name)
    }

    /// A path for a temporary file of our own, for programs and libraries that write files themselves. The file is
    /// removed when the path is dropped, unless [`stage`](Self::stage) took it.
    pub async fn scratch(&self) -> Result<TempPath, Error> {
        let folder = self.temporary();
        blocking(move || Ok(tempfile::NamedTempFile::new_in(folder)?.into_temp_path())).await
    }

    /// Gives staged bytes their name; they are there for good when this returns. Where the same bytes are already
    /// stored they are replaced by their equal, which readers do not notice.
    pub async fn publish(&self, staged: Staged) -> Result<(), Error> {
        let target = self.path(&staged.digest);
        blocking(move || {
            if let Some(folder) = target.parent() {
                fs::create_dir_all(folder)?;
            }
            staged.into_path().persist(&target).map_err(|refused| refused.error)?;
            // The name is safe when its folder is, and that when its own is: another thread may just have made them.
            // Where there is nothing to write this costs next to nothing.
            for folder in target.ancestors().skip(1).take(3) {
                fs::File::open(folder)?.sync_all()?;
            }
            Ok(())
        })
        .await
    }

    /// Removes a blob. One that is not there counts as removed.
    pub async fn remove(&self, digest: &Digest) -> Result<(), Error> {
        let path = self.path(digest);
        blocking(move || match fs::remove_file(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            done => Ok(done?),
        })
        .await
    }

    fn blobs(&self) -> PathBuf {
        self.root.join("blobs")
    }

    fn temporary(&self) -> PathBuf {
        self.root.join("tmp")
    }
}

/// Runs work that waits for the disk where it holds nobody up.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Error> + Send + 'static) -> Result<T, Error> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|broken| Err(Error::Io(io::Error::other(broken))))
}
