//! A blob storage of its own for each test: as files, and in an object store.

use offprint_storage::{Digest, Storage};
use tempfile::TempDir;

use crate::support::fake_s3::FakeS3;
use crate::support::test_app::locate_blob_file;

/// A storage, its folder, and the object store behind it, if any.
pub struct StorageFixture {
    pub folder: TempDir,
    pub storage: Storage,
    pub s3: Option<FakeS3>,
}

impl StorageFixture {
    /// One storage with files, and one with an object store.
    pub fn create_both() -> [Self; 2] {
        let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let storage = Storage::open(folder.path()).unwrap();
        let (remote, s3) = open_remote(&other);
        [Self { folder, storage, s3: None }, Self { folder: other, storage: remote, s3: Some(s3) }]
    }

    pub async fn put(&self, bytes: &[u8]) -> Digest {
        put_blob(&self.storage, bytes).await
    }

    /// Replaces the bytes of a blob, as a bad disk would.
    pub fn corrupt_blob(&self, digest: &Digest, bytes: &[u8]) {
        match &self.s3 {
            Some(s3) => s3.overwrite(&FakeS3::object_name(digest), bytes),
            None => std::fs::write(locate_blob_file(&self.folder, digest), bytes).unwrap(),
        }
    }
}

pub fn open_remote(folder: &TempDir) -> (Storage, FakeS3) {
    let s3 = FakeS3::start();
    (s3.open_storage(folder.path()), s3)
}

pub async fn put_blob(storage: &Storage, bytes: &[u8]) -> Digest {
    let staged = storage.stage_bytes(bytes.to_vec()).await.unwrap();
    let digest = staged.digest;
    storage.publish(staged).await.unwrap();
    digest
}
