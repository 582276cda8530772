//! Blobs named by their content, in a folder or an object store, and zip archives that are computed, not built; and the
//! stores of others ([`remote`]).
//!
//! This crate is the only code that knows where stored bytes lie. It knows nothing of companies, assets, jobs, SQL or
//! HTTP: callers decide which blobs exist and who may read them.
//!
//! A blob is named by the SHA-256 of its bytes and lies under `blobs/ab/cd/<hex>`. It is staged and then published, so that a
//! crash never leaves half a blob under a name; what takes long is done before (`prepare`), or by `publish`:
//!
//! ```text
//! create_blob / stage_bytes / stage_file  ->  StagedBlob             ->  prepare  ->  publish  ->  blob
//!                                             (in `tmp/`,
//!                                              removed when dropped)
//! ```
//!
//! The caller must hold the lock of the blob's database row while it publishes or removes a blob. Otherwise a sweep
//! could remove a blob that was published again a moment before.
//!
//! Where to begin reading: [`Storage`] in this file, then `blob_writer.rs` (in) and `blob_reader.rs` (out); [`archive`]
//! is built on both. [`remote`] stands alone.
//!
//! ```no_run
//! # async fn example() -> Result<(), offprint_storage::StorageError> {
//! use std::path::Path;
//!
//! use offprint_storage::Storage;
//! use offprint_storage::archive::{Archive, ArchiveEntry, ArchiveIndexWriter};
//!
//! let storage = Storage::open(Path::new("data"))?;
//! let staged = storage.stage_bytes(b"an original".to_vec()).await?;
//! let (digest, size, crc32) = (staged.digest, staged.size, staged.crc32);
//! storage.publish(staged).await?;
//!
//! let mut writer = ArchiveIndexWriter::new(&storage);
//! writer.add(&ArchiveEntry { path: "a.jpg".into(), digest, size, crc32, time: 0 }).await?;
//! let index = writer.finish().await?.index;
//! let index_digest = index.digest;
//! storage.publish(index).await?;
//! let archive = Archive::open(&storage, &index_digest).await?;
//! println!("a zip of {} bytes", archive.size());
//! # Ok(())
//! # }
//! ```

#![deny(unreachable_pub)]

pub mod archive;
mod blob_check;
mod blob_reader;
mod blob_writer;
mod download_signer;
mod error;
mod file_backend;
mod instance_credentials;
mod local_blob;
mod multipart;
mod object_backend;
mod object_stores;
pub mod remote;
mod sweep;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempPath;

pub use blob_reader::BlobRange;
pub use blob_writer::{BlobWriter, StagedBlob};
pub use download_signer::{DownloadHeaders, DownloadSigner};
pub use error::StorageError;
pub use instance_credentials::InstanceCredentials;
pub use local_blob::LocalBlob;
pub use offprint_core::Digest;
pub use sweep::StoredBlob;

use file_backend::FileBackend;
use object_backend::ObjectBackend;

/// A store of blobs. Clones share it.
#[derive(Clone, Debug)]
pub struct Storage {
    /// The data folder: `tmp` holds staged bytes, `copies` the cached copies of remote blobs.
    work_dir: Arc<Path>,
    backend: StorageBackend,
}

/// Names and values of environment variables.
pub type EnvironmentVariables = Vec<(String, String)>;

#[derive(Clone, Debug)]
enum StorageBackend {
    Files(FileBackend),
    Objects(ObjectBackend),
}

impl Storage {
    /// Opens the storage in the folder `data_dir` and creates missing folders. Blocks briefly.
    pub fn open(data_dir: &Path) -> Result<Self, StorageError> {
        let work_dir = create_work_dir(data_dir)?;
        Ok(Self { backend: StorageBackend::Files(FileBackend::open(&work_dir)?), work_dir })
    }

    /// Opens a folder of blobs to read from, such as one on a read-only medium. Creates nothing; staging does not work.
    pub fn open_existing(folder: &Path) -> Result<Self, StorageError> {
        let folder: Arc<Path> = folder.canonicalize()?.into();
        Ok(Self { backend: StorageBackend::Files(FileBackend::open_existing(&folder)), work_dir: folder })
    }

    /// Opens the storage at an address: `s3://bucket/prefix`, `gs://…`, `az://…` with credentials and endpoint from
    /// the environment, or `file:///folder`. Staged bytes and copies are kept in `data_dir`. `timeout` bounds each
    /// request to an object store. Sends no request yet.
    ///
    /// # Errors
    /// [`StorageError::InvalidAddress`] when the address or its settings in the environment cannot be used, or when there
    /// are no credentials and `instance_credentials` forbids to ask the machine for its own.
    pub fn connect(
        address: &str,
        environment: &EnvironmentVariables,
        instance_credentials: InstanceCredentials,
        data_dir: &Path,
        timeout: Duration,
    ) -> Result<Self, StorageError> {
        if let Some(folder) = address.strip_prefix("file://") {
            return Self::open(Path::new(folder));
        }
        Ok(Self {
            backend: StorageBackend::Objects(ObjectBackend::connect(
                address,
                environment,
                instance_credentials,
                timeout,
            )?),
            work_dir: create_work_dir(data_dir)?,
        })
    }

    /// An empty temporary file, for programs and libraries that write files themselves. The file is removed when the
    /// path is dropped, unless [`stage_file`](Self::stage_file) took it.
    pub async fn create_temp_path(&self) -> Result<TempPath, StorageError> {
        let folder = self.temp_dir();
        run_blocking(move || Ok(tempfile::NamedTempFile::new_in(folder)?.into_temp_path())).await
    }

    /// Does ahead of [`publish`](Self::publish) what takes long, so that the caller holds its lock only for a moment: syncs
    /// a file to the disk, or uploads the parts of a large object. Readers do not see the blob before it is published.
    pub async fn prepare(&self, staged: &mut StagedBlob) -> Result<(), StorageError> {
        match &self.backend {
            StorageBackend::Files(_) => staged.sync().await,
            StorageBackend::Objects(objects) if staged.parts.is_none() && multipart::is_multipart_size(staged.size) => {
                let (digest, size) = (staged.digest, staged.size);
                staged.parts = Some(objects.send_parts(&digest, staged.path(), size).await?);
                Ok(())
            }
            StorageBackend::Objects(_) => Ok(()),
        }
    }

    /// Gives staged bytes their name; they are durable when this returns. A blob that is already stored is replaced by
    /// the same bytes, which readers do not notice.
    pub async fn publish(&self, mut staged: StagedBlob) -> Result<(), StorageError> {
        self.prepare(&mut staged).await?;
        match &self.backend {
            StorageBackend::Files(files) => files.put(staged).await,
            StorageBackend::Objects(objects) => objects.put(staged).await,
        }
    }

    /// Removes a blob. A missing blob is no error.
    pub async fn remove(&self, digest: &Digest) -> Result<(), StorageError> {
        match &self.backend {
            StorageBackend::Files(files) => files.remove(digest).await,
            StorageBackend::Objects(objects) => {
                let copy_path = self.copy_path(digest);
                run_blocking(move || Ok(fs::remove_file(copy_path).or_else(ignore_not_found)?)).await?;
                objects.remove(digest).await
            }
        }
    }

    /// Size of a blob, in bytes.
    ///
    /// # Errors
    /// [`StorageError::Missing`] when there is no such blob.
    pub async fn size(&self, digest: &Digest) -> Result<u64, StorageError> {
        match &self.backend {
            StorageBackend::Files(files) => files.size(digest).await,
            StorageBackend::Objects(objects) => objects.size(digest).await,
        }
    }

    /// Checks that an object store answers. A folder is not checked.
    pub async fn ping(&self) -> Result<(), StorageError> {
        match &self.backend {
            StorageBackend::Files(_) => Ok(()),
            StorageBackend::Objects(objects) => objects.ping().await,
        }
    }

    fn temp_dir(&self) -> PathBuf {
        self.work_dir.join("tmp")
    }
}

fn create_work_dir(data_dir: &Path) -> Result<Arc<Path>, StorageError> {
    for folder in ["tmp", "copies"] {
        fs::create_dir_all(data_dir.join(folder))?;
    }
    Ok(data_dir.canonicalize()?.into())
}

/// For removals: a file that is already gone is no error.
fn ignore_not_found(error: std::io::Error) -> std::io::Result<()> {
    if error.kind() == std::io::ErrorKind::NotFound { Ok(()) } else { Err(error) }
}

/// The name of a blob below the root: in one of 256 folders, which are all there after the first thousand blobs.
fn format_blob_name(digest: &Digest) -> String {
    let name = digest.to_string();
    format!("blobs/{}/{name}", &name[..2])
}

/// Runs work that waits for the disk on a thread that may block.
async fn run_blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StorageError> + Send + 'static,
) -> Result<T, StorageError> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|join_error| Err(StorageError::Io(std::io::Error::other(join_error))))
}
