//! Blobs as files in a folder. Knows names and durability; staging is done by `blob_writer`.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use super::error::map_file_error;
use super::{Digest, StagedBlob, StorageError, StoredBlob, format_blob_name, ignore_not_found, run_blocking};

/// A folder of blobs. Clones share it.
#[derive(Clone, Debug)]
pub(super) struct FileBackend {
    root: Arc<Path>,
}

impl FileBackend {
    pub(crate) fn open(root: &Path) -> Result<Self, StorageError> {
        fs::create_dir_all(root.join("blobs"))?;
        Ok(Self::open_existing(root))
    }

    /// Without creating a folder.
    pub(crate) fn open_existing(root: &Path) -> Self {
        Self { root: root.into() }
    }

    /// The path of a blob, whether it exists or not.
    pub(crate) fn blob_path(&self, digest: &Digest) -> PathBuf {
        self.root.join(format_blob_name(digest))
    }

    pub(crate) async fn put(&self, staged: StagedBlob) -> Result<(), StorageError> {
        let target = self.blob_path(&staged.digest);
        run_blocking(move || {
            if let Some(folder) = target.parent() {
                fs::create_dir_all(folder)?;
            }
            staged.into_path().persist(&target).map_err(|persist_error| persist_error.error)?;
            // A rename is durable only when the folder that holds the name is synced, and a new folder only when its
            // parent is. Both levels are synced each time, for another thread may have created the folder a moment ago
            // without having synced it yet. Syncing an unchanged folder costs next to nothing.
            for folder in target.ancestors().skip(1).take(2) {
                File::open(folder)?.sync_all()?;
            }
            Ok(())
        })
        .await
    }

    pub(crate) async fn remove(&self, digest: &Digest) -> Result<(), StorageError> {
        let path = self.blob_path(digest);
        run_blocking(move || Ok(fs::remove_file(path).or_else(ignore_not_found)?)).await
    }

    pub(crate) async fn size(&self, digest: &Digest) -> Result<u64, StorageError> {
        let (path, digest) = (self.blob_path(digest), *digest);
        run_blocking(move || Ok(fs::metadata(path).map_err(|error| map_file_error(error, &digest))?.len())).await
    }

    /// See [`Storage::list`](super::Storage::list).
    pub(crate) async fn list(&self, first: u8) -> Result<Vec<StoredBlob>, StorageError> {
        let folder = self.root.join("blobs").join(hex::encode([first]));
        run_blocking(move || {
            let mut blobs = Vec::new();
            for entry in read_folder(&folder)? {
                // Files that are not blobs are not ours and are left alone.
                let Ok(digest) = entry.file_name().to_string_lossy().parse() else { continue };
                if let Some((size, modified)) = read_size_and_time(&entry)? {
                    let age = SystemTime::now().duration_since(modified).unwrap_or_default();
                    blobs.push(StoredBlob { digest, size, age });
                }
            }
            Ok(blobs)
        })
        .await
    }
}

/// The entries of a folder; empty when there is no such folder.
pub(super) fn read_folder(folder: &Path) -> Result<Vec<fs::DirEntry>, StorageError> {
    use std::io::ErrorKind::{NotADirectory, NotFound};
    match fs::read_dir(folder) {
        Ok(entries) => Ok(entries.collect::<Result<_, _>>()?),
        Err(error) if matches!(error.kind(), NotFound | NotADirectory) => Ok(Vec::new()),
        Err(error) => Err(error.into()),
    }
}

/// Size of a file and when it was last written; `None` when it was removed meanwhile or is not a file.
pub(super) fn read_size_and_time(entry: &fs::DirEntry) -> Result<Option<(u64, SystemTime)>, StorageError> {
    match entry.metadata() {
        Ok(metadata) if metadata.is_file() => Ok(Some((metadata.len(), metadata.modified()?))),
        Ok(_) => Ok(None),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}
