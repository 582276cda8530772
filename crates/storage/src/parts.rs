//! Large objects go up in parts: those of one file side by side, joined at the end.
//!
//! A store keeps, and counts, the parts of an upload that is never joined, and cannot always be asked for a list. So
//! each upload has a marker beside the blobs while it lasts, and those of uploads that died are found by it.

use std::path::Path as File;
use std::time::Duration;

use chrono::Utc;
use futures_util::{StreamExt, TryStreamExt, stream};
use object_store::multipart::PartId;
use object_store::path::Path;
use object_store::{MultipartId, ObjectStoreExt};
use serde::{Deserialize, Serialize};

use super::objects::Objects;
use super::read::{piece, spans};
use super::{Error, blocking};

/// Length of a part, in bytes. Stores take 5 MiB at least; smaller files go up at once.
const PART: u64 = 8 << 20;

/// Stores take so many parts at most.
const MOST: u64 = 10_000;

/// Parts on their way at the same time.
const ABREAST: usize = 2;

/// Parts that lie at a store, not joined yet.
#[derive(Debug)]
pub(super) struct Sent {
    upload: MultipartId,
    parts: Vec<PartId>,
    marker: Path,
}

/// What a marker says.
#[derive(Serialize, Deserialize)]
struct Marker {
    path: String,
    upload: String,
}

/// Whether a file of this size goes up in parts.
pub(super) fn are_worth_it(size: u64) -> bool {
    size > PART
}

/// Sends all parts of a file. When this fails nothing stays behind, as far as the store listens.
pub(super) async fn send(objects: &Objects, path: &Path, file: &File, size: u64) -> Result<Sent, Error> {
    let upload = objects.parts.0.create_multipart(path).await?;
    let marker = objects.below(&format!("uploads/{}", uuid::Uuid::now_v7()));
    let said = Marker { path: path.to_string(), upload: upload.clone() };
    let parts = async {
        let said = serde_json::to_vec(&said).map_err(std::io::Error::from)?;
        objects.store.put(&marker, said.into()).await?;
        all(objects, path, &upload, file, size).await
    };
    match parts.await {
        Ok(parts) => Ok(Sent { upload, parts, marker }),
        Err(error) => {
            objects.forget(path, &upload, &marker).await;
            Err(error)
        }
    }
}

async fn all(
    objects: &Objects,
    path: &Path,
    upload: &MultipartId,
    file: &File,
    size: u64,
) -> Result<Vec<PartId>, Error> {
    let file = file.to_owned();
    let file = blocking(move || Ok(std::sync::Arc::new(std::fs::File::open(file)?))).await?;
    let part = PART.max(size.div_ceil(MOST));
    let sent = stream::iter(spans(0, size, part)).enumerate().map(|(number, (at, len))| {
        let file = file.clone();
        async move {
            let bytes = blocking(move || Ok(piece(&file, at, len)?)).await?;
            Ok::<_, Error>(objects.parts.0.put_part(path, upload, number, bytes.into()).await?)
        }
    });
    sent.buffered(ABREAST).try_collect().await
}

impl Objects {
    /// Makes an object of its parts.
    pub async fn join_parts(&self, path: &Path, sent: &Sent) -> Result<(), Error> {
        let joined = self.parts.0.complete_multipart(path, &sent.upload, sent.parts.clone()).await;
        if let Err(error) = joined {
            self.forget(path, &sent.upload, &sent.marker).await;
            return Err(error.into());
        }
        // A marker that stays is found later and does no harm.
        let _ = self.store.delete(&sent.marker).await;
        Ok(())
    }

    async fn forget(&self, path: &Path, upload: &MultipartId, marker: &Path) {
        let aborted = self.parts.0.abort_multipart(path, upload).await;
        if matches!(aborted, Ok(()) | Err(object_store::Error::NotFound { .. })) {
            let _ = self.store.delete(marker).await;
        }
    }

    /// Takes back the parts of uploads that began so long ago; says how many uploads there were.
    pub async fn reap(&self, older_than: Duration) -> Result<usize, Error> {
        let mut reaped = 0;
        let mut markers = self.store.list(Some(&self.below("uploads")));
        while let Some(marker) = markers.try_next().await? {
            if (Utc::now() - marker.last_modified).to_std().unwrap_or_default() < older_than {
                continue;
            }
            let said = match self.store.get(&marker.location).await {
                Ok(got) => got.bytes().await?,
                Err(object_store::Error::NotFound { .. }) => continue,
                Err(error) => return Err(error.into()),
            };
            match serde_json::from_slice::<Marker>(&said) {
                Ok(said) => self.forget(&Path::from(said.path), &said.upload, &marker.location).await,
                Err(_) => self.store.delete(&marker.location).await?,
            }
            reaped += 1;
        }
        Ok(reaped)
    }
}
