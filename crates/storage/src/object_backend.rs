//! Blobs as objects: S3 and compatible stores, Google Cloud Storage, Azure.
//!
//! Bytes are requested in ranges that are read completely, so that no request stays open for a slow client.

use std::ops::Range;
use std::path::Path as File;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chrono::Utc;
use futures_util::{StreamExt, TryStreamExt};
use object_store::multipart::MultipartStore;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};

use super::multipart::UploadedParts;
use super::object_stores::{StoreOptions, open_object_store};
use super::{
    Digest, EnvironmentVariables, InstanceCredentials, StagedBlob, StorageError, StoredBlob, format_blob_name,
    multipart, run_blocking,
};

#[derive(Clone, Debug)]
pub(super) struct ObjectBackend {
    pub(crate) store: Arc<dyn ObjectStore>,
    pub(crate) multipart: MultipartBackend,
    prefix: Path,
}

/// The same store through its interface for multipart uploads.
#[derive(Clone)]
pub(super) struct MultipartBackend(pub Arc<dyn MultipartStore>);

impl std::fmt::Debug for MultipartBackend {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MultipartBackend")
    }
}

impl ObjectBackend {
    pub(crate) fn connect(
        address: &str,
        environment: &EnvironmentVariables,
        instance_credentials: InstanceCredentials,
        timeout: Duration,
    ) -> Result<Self, StorageError> {
        let credentials_remedy = "set OFFPRINT_STORAGE_INSTANCE_CREDENTIALS=true";
        let options = StoreOptions { address, environment, instance_credentials, credentials_remedy, timeout };
        let opened = open_object_store(&options)?;
        let Some(parts) = opened.parts else {
            return Err(StorageError::InvalidAddress(format!(
                "{address} is not a usable storage address: the scheme must be s3://, gs://, az:// or file://. Example: \
                 s3://bucket/prefix."
            )));
        };
        Ok(Self { store: opened.store, multipart: MultipartBackend(parts), prefix: opened.prefix })
    }

    /// The path of a blob, whether it exists or not.
    pub(crate) fn blob_path(&self, digest: &Digest) -> Path {
        self.child_path(&format_blob_name(digest))
    }

    pub(crate) fn child_path(&self, name: &str) -> Path {
        name.split('/').fold(self.prefix.clone(), |path, part| path.join(part))
    }

    pub(crate) async fn put(&self, staged: StagedBlob) -> Result<(), StorageError> {
        let path = self.blob_path(&staged.digest);
        if let Some(uploaded) = &staged.parts {
            return self.join_parts(&path, uploaded).await;
        }
        let file = staged.path().to_owned();
        let bytes = run_blocking(move || Ok(std::fs::read(file)?)).await?;
        self.store.put(&path, bytes.into()).await?;
        Ok(())
    }

    pub(crate) async fn send_parts(
        &self,
        digest: &Digest,
        file: &File,
        size: u64,
    ) -> Result<UploadedParts, StorageError> {
        multipart::upload_file(self, &self.blob_path(digest), file, size).await
    }

    pub(crate) async fn get(&self, digest: &Digest, range: Range<u64>) -> Result<Bytes, StorageError> {
        let length = range.end - range.start;
        let bytes = self
            .store
            .get_range(&self.blob_path(digest), range)
            .await
            .map_err(|error| StorageError::from_object_store(error, digest))?;
        if bytes.len() as u64 == length { Ok(bytes) } else { Err(StorageError::Truncated(*digest)) }
    }

    pub(crate) async fn size(&self, digest: &Digest) -> Result<u64, StorageError> {
        let metadata = self
            .store
            .head(&self.blob_path(digest))
            .await
            .map_err(|error| StorageError::from_object_store(error, digest))?;
        Ok(metadata.size)
    }

    pub(crate) async fn remove(&self, digest: &Digest) -> Result<(), StorageError> {
        match self.store.delete(&self.blob_path(digest)).await {
            Err(object_store::Error::NotFound { .. }) => Ok(()),
            result => Ok(result?),
        }
    }

    /// See [`Storage::list`](super::Storage::list).
    pub(crate) async fn list(&self, first: u8) -> Result<Vec<StoredBlob>, StorageError> {
        let folder = self.child_path(&format!("blobs/{}", hex::encode([first])));
        let now = Utc::now();
        let blobs = self.store.list(Some(&folder)).try_filter_map(async |object| {
            // Objects that are not blobs are not ours and are left alone.
            let digest = object.location.filename().and_then(|name| name.parse().ok());
            let age = (now - object.last_modified).to_std().unwrap_or_default();
            Ok(digest.map(|digest| StoredBlob { digest, size: object.size, age }))
        });
        Ok(blobs.try_collect().await?)
    }

    pub(crate) async fn ping(&self) -> Result<(), StorageError> {
        self.store.list(Some(&self.child_path("blobs"))).next().await.transpose()?;
        Ok(())
    }
}
