//! Bytes: blobs by content, and the archive as a layout. The only room that names stored files.
//!
//! A blob is named by the SHA-256 of its bytes and lies under `blobs/ab/cd/<hex>`, in a folder or in an object store.
//! Bytes come in through [`Storage::receive`], [`Storage::stage_bytes`] or [`Storage::stage`], are on the local disk
//! when they are [`Staged`], and get their name by [`Storage::publish`]. Whoever publishes or removes a blob holds the
//! lock of its row meanwhile.

pub mod archive;
mod check;
mod error;
mod files;
mod incoming;
mod local;
mod objects;
mod parts;
mod read;
mod sweep;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempPath;

pub use offprint_core::Digest;
pub use error::Error;
pub use incoming::{Incoming, Staged};
pub use local::Local;
pub use read::Stretch;
pub use sweep::Found;

use files::Files;
use objects::Objects;

/// Where blobs are kept. Clones share it.
#[derive(Clone, Debug)]
pub struct Storage {
    /// The data folder: what comes in is staged here, and copies of remote blobs are kept here.
    desk: Arc<Path>,
    store: Store,
}

/// Names and values of environment variables.
pub type Environment = Vec<(String, String)>;

#[derive(Clone, Debug)]
enum Store {
    /// A folder on the local disk.
    Files(Files),
    /// An object store.
    Objects(Objects),
}

impl Storage {
    /// Opens the storage in the folder `data_dir`, making what is missing. Blocks shortly.
    pub fn open(data_dir: &Path) -> Result<Self, Error> {
        let desk = desk(data_dir)?;
        Ok(Self { store: Store::Files(Files::open(&desk)?), desk })
    }

    /// Opens the storage at an address: `s3://bucket/prefix`, `gs://…`, `az://…` with credentials and endpoint from
    /// the environment, or `file:///folder`. Staged bytes and copies are kept in `data_dir`. An object store that is
    /// silent for `patience` counts as away. Asks nothing of the store yet.
    ///
    /// # Errors
    /// [`Error::Address`] when the address or what the environment says of it cannot be.
    pub fn at(address: &str, environment: &Environment, data_dir: &Path, patience: Duration) -> Result<Self, Error> {
        if let Some(folder) = address.strip_prefix("file://") {
            return Self::open(Path::new(folder));
        }
        Ok(Self { store: Store::Objects(Objects::at(address, environment, patience)?), desk: desk(data_dir)? })
    }

    /// A path for a temporary file of our own, for programs and libraries that write files themselves. The file is
    /// removed when the path is dropped, unless [`stage`](Self::stage) took it.
    pub async fn scratch(&self) -> Result<TempPath, Error> {
        let folder = self.temporary();
        blocking(move || Ok(tempfile::NamedTempFile::new_in(folder)?.into_temp_path())).await
    }

    /// Sends what of staged bytes can be sent ahead of [`publish`](Self::publish), so that this is short: the parts of
    /// a large object. Nobody sees them before.
    pub async fn prepare(&self, staged: &mut Staged) -> Result<(), Error> {
        match &self.store {
            Store::Objects(objects) if staged.parts.is_none() && parts::are_worth_it(staged.size) => {
                let (digest, size) = (staged.digest, staged.size);
                staged.parts = Some(objects.send_parts(&digest, staged.path(), size).await?);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Gives staged bytes their name; they are there for good when this returns. Where the same bytes are already
    /// stored they are replaced by their equal, which readers do not notice.
    pub async fn publish(&self, mut staged: Staged) -> Result<(), Error> {
        self.prepare(&mut staged).await?;
        match &self.store {
            Store::Files(files) => files.put(staged).await,
            Store::Objects(objects) => objects.put(staged).await,
        }
    }

    /// Removes a blob. One that is not there counts as removed.
    pub async fn remove(&self, digest: &Digest) -> Result<(), Error> {
        match &self.store {
            Store::Files(files) => files.remove(digest).await,
            Store::Objects(objects) => {
                let kept = self.copy_of(digest);
                blocking(move || Ok(fs::remove_file(kept).or_else(gone)?)).await?;
                objects.remove(digest).await
            }
        }
    }

    /// How many bytes a blob has.
    ///
    /// # Errors
    /// [`Error::Missing`] when there is none.
    pub async fn size(&self, digest: &Digest) -> Result<u64, Error> {
        match &self.store {
            Store::Files(files) => files.size(digest).await,
            Store::Objects(objects) => objects.size(digest).await,
        }
    }

    /// Asks an object store for a sign of life; a folder always lives.
    pub async fn ping(&self) -> Result<(), Error> {
        match &self.store {
            Store::Files(_) => Ok(()),
            Store::Objects(objects) => objects.ping().await,
        }
    }

    fn temporary(&self) -> PathBuf {
        self.desk.join("tmp")
    }
}

/// The folder for work on bytes.
fn desk(data_dir: &Path) -> Result<Arc<Path>, Error> {
    for folder in ["tmp", "copies"] {
        fs::create_dir_all(data_dir.join(folder))?;
    }
    Ok(data_dir.canonicalize()?.into())
}

/// Removing what is not there is fine.
fn gone(error: std::io::Error) -> std::io::Result<()> {
    if error.kind() == std::io::ErrorKind::NotFound { Ok(()) } else { Err(error) }
}

/// The name of a blob below the top, with `/`: two levels of folders keep each of them small.
fn name(digest: &Digest) -> String {
    let name = digest.to_string();
    format!("blobs/{}/{}/{name}", &name[..2], &name[2..4])
}

/// Runs work that waits for the disk where it holds nobody up.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Error> + Send + 'static) -> Result<T, Error> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|broken| Err(Error::Io(std::io::Error::other(broken))))
}
