//! Blobs as files in a folder.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use super::error::of_file;
use super::{Digest, Error, Found, Staged, blocking, gone, name};

/// A folder of blobs. Clones share it.
#[derive(Clone, Debug)]
pub(super) struct Files {
    root: Arc<Path>,
}

impl Files {
    pub fn open(root: &Path) -> Result<Self, Error> {
        fs::create_dir_all(root.join("blobs"))?;
        Ok(Self { root: root.into() })
    }

    /// Where the bytes with this digest are, or would be.
    pub fn path(&self, digest: &Digest) -> PathBuf {
        self.root.join(name(digest))
    }

    pub async fn put(&self, staged: Staged) -> Result<(), Error> {
        let target = self.path(&staged.digest);
        blocking(move || {
            if let Some(folder) = target.parent() {
                fs::create_dir_all(folder)?;
            }
            staged.into_path().persist(&target).map_err(|refused| refused.error)?;
            // The name is safe when its folder is, and that when its own is: another thread may just have made them.
            // Where there is nothing to write this costs next to nothing.
            for folder in target.ancestors().skip(1).take(3) {
                File::open(folder)?.sync_all()?;
            }
            Ok(())
        })
        .await
    }

    pub async fn remove(&self, digest: &Digest) -> Result<(), Error> {
        let path = self.path(digest);
        blocking(move || Ok(fs::remove_file(path).or_else(gone)?)).await
    }

    pub async fn size(&self, digest: &Digest) -> Result<u64, Error> {
        let (path, digest) = (self.path(digest), *digest);
        blocking(move || Ok(fs::metadata(path).map_err(|error| of_file(error, &digest))?.len())).await
    }

    /// The blobs whose digest begins with this byte, in no order.
    pub async fn list(&self, first: u8) -> Result<Vec<Found>, Error> {
        let folder = self.root.join("blobs").join(hex::encode([first]));
        blocking(move || {
            let mut found = Vec::new();
            for inner in entries(&folder)? {
                for blob in entries(&inner.path())? {
                    // Anything else was put there by somebody else and is left alone.
                    let Ok(digest) = blob.file_name().to_string_lossy().parse() else { continue };
                    if let Some((size, modified)) = seen(&blob)? {
                        let age = SystemTime::now().duration_since(modified).unwrap_or_default();
                        found.push(Found { digest, size, age });
                    }
                }
            }
            Ok(found)
        })
        .await
    }
}

/// What lies in a folder; nothing where there is none.
pub(super) fn entries(folder: &Path) -> Result<Vec<fs::DirEntry>, Error> {
    use std::io::ErrorKind::{NotADirectory, NotFound};
    match fs::read_dir(folder) {
        Ok(entries) => Ok(entries.collect::<Result<_, _>>()?),
        Err(error) if matches!(error.kind(), NotFound | NotADirectory) => Ok(Vec::new()),
        Err(error) => Err(error.into()),
    }
}

/// Size of a file and when it was last written; none when it vanished meanwhile or is no file.
pub(super) fn seen(entry: &fs::DirEntry) -> Result<Option<(u64, SystemTime)>, Error> {
    match entry.metadata() {
        Ok(about) if about.is_file() => Ok(Some((about.len(), about.modified()?))),
        Ok(_) => Ok(None),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}
