//! Multipart uploads of large objects: the parts of one file are sent concurrently and joined at the end.
//!
//! A store keeps, and bills, the parts of an upload that was never completed, and not every store can list them. So
//! each upload writes a marker object under `uploads/` first and deletes it last; the markers that a crash leaves
//! behind are how [`ObjectBackend::abort_stale_uploads`] finds what to abort.

use std::path::Path as File;
use std::time::Duration;

use chrono::Utc;
use futures_util::{StreamExt, TryStreamExt, stream};
use object_store::multipart::PartId;
use object_store::path::Path;
use object_store::{MultipartId, ObjectStoreExt};
use serde::{Deserialize, Serialize};

use super::blob_reader::{read_file_piece, split_range};
use super::object_backend::ObjectBackend;
use super::{StorageError, run_blocking};

/// Size of a part, in bytes. Stores require at least 5 MiB. Files of up to this size are sent in one request.
const MIN_PART_BYTES: u64 = 8 << 20;

/// The most parts that S3 accepts for one object.
const MAX_PARTS: u64 = 10_000;

const MAX_CONCURRENT_PARTS: usize = 2;

/// Parts that were uploaded and not joined yet.
#[derive(Debug)]
pub(super) struct UploadedParts {
    upload: MultipartId,
    parts: Vec<PartId>,
    marker: Path,
}

/// Content of a marker: what is needed to abort the upload.
#[derive(Serialize, Deserialize)]
struct UploadMarker {
    path: String,
    upload: String,
}

/// Whether a file of this size is uploaded in parts.
pub(super) fn is_multipart_size(size: u64) -> bool {
    size > MIN_PART_BYTES
}

/// Uploads all parts of a file. A failure aborts the upload, as far as the store can be reached.
pub(super) async fn upload_file(
    objects: &ObjectBackend,
    path: &Path,
    file: &File,
    size: u64,
) -> Result<UploadedParts, StorageError> {
    let upload = objects.multipart.0.create_multipart(path).await?;
    let marker = objects.child_path(&format!("uploads/{}", uuid::Uuid::now_v7()));
    let content = UploadMarker { path: path.to_string(), upload: upload.clone() };
    let parts = async {
        let marker_text = serde_json::to_vec(&content).map_err(std::io::Error::from)?;
        objects.store.put(&marker, marker_text.into()).await?;
        upload_parts(objects, path, &upload, file, size).await
    };
    match parts.await {
        Ok(parts) => Ok(UploadedParts { upload, parts, marker }),
        Err(error) => {
            objects.abort_upload(path, &upload, &marker).await;
            Err(error)
        }
    }
}

async fn upload_parts(
    objects: &ObjectBackend,
    path: &Path,
    upload: &MultipartId,
    file: &File,
    size: u64,
) -> Result<Vec<PartId>, StorageError> {
    let file = file.to_owned();
    let file = run_blocking(move || Ok(std::sync::Arc::new(std::fs::File::open(file)?))).await?;
    let part_bytes = MIN_PART_BYTES.max(size.div_ceil(MAX_PARTS));
    let uploads = stream::iter(split_range(0, size, part_bytes)).enumerate().map(|(number, (at, len))| {
        let file = file.clone();
        async move {
            let bytes = run_blocking(move || Ok(read_file_piece(&file, at, len)?)).await?;
            Ok::<_, StorageError>(objects.multipart.0.put_part(path, upload, number, bytes.into()).await?)
        }
    });
    uploads.buffered(MAX_CONCURRENT_PARTS).try_collect().await
}

impl ObjectBackend {
    /// Completes an upload: the object becomes visible. A failure aborts it.
    pub(crate) async fn join_parts(&self, path: &Path, uploaded: &UploadedParts) -> Result<(), StorageError> {
        let joined = self.multipart.0.complete_multipart(path, &uploaded.upload, uploaded.parts.clone()).await;
        if let Err(error) = joined {
            self.abort_upload(path, &uploaded.upload, &uploaded.marker).await;
            return Err(error.into());
        }
        // A marker that could not be deleted does no harm: a later sweep aborts an upload that no longer exists.
        let _ = self.store.delete(&uploaded.marker).await;
        Ok(())
    }

    async fn abort_upload(&self, path: &Path, upload: &MultipartId, marker: &Path) {
        let aborted = self.multipart.0.abort_multipart(path, upload).await;
        if matches!(aborted, Ok(()) | Err(object_store::Error::NotFound { .. })) {
            let _ = self.store.delete(marker).await;
        }
    }

    /// Aborts uploads that began more than `older_than` ago; returns how many.
    pub(crate) async fn abort_stale_uploads(&self, older_than: Duration) -> Result<usize, StorageError> {
        let mut aborted_count = 0;
        let mut markers = self.store.list(Some(&self.child_path("uploads")));
        while let Some(marker) = markers.try_next().await? {
            if (Utc::now() - marker.last_modified).to_std().unwrap_or_default() < older_than {
                continue;
            }
            let content = match self.store.get(&marker.location).await {
                Ok(response) => response.bytes().await?,
                Err(object_store::Error::NotFound { .. }) => continue,
                Err(error) => return Err(error.into()),
            };
            match serde_json::from_slice::<UploadMarker>(&content) {
                Ok(upload) => self.abort_upload(&Path::from(upload.path), &upload.upload, &marker.location).await,
                Err(_) => self.store.delete(&marker.location).await?,
            }
            aborted_count += 1;
        }
        Ok(aborted_count)
    }
}
