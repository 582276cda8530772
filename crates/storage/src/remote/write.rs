//! Writing files to somebody else's store, so that a repetition after a crash does no harm.

use bytes::Bytes;
use futures_util::TryStreamExt;
use futures_util::stream::BoxStream;
use object_store::path::Path;
use object_store::{
    Attribute, AttributeValue, Attributes, GetOptions, ObjectStoreExt, PutMode, PutMultipartOptions, PutOptions,
    WriteMultipart,
};
use sha2::{Digest as _, Sha256};

use super::{RemoteError, RemoteKind, RemoteStore};
use crate::{Digest, StorageError};

/// Files of up to this many bytes are sent in one request; stores require parts of at least 5 MiB.
const MAX_SINGLE_PUT_BYTES: u64 = 8 << 20;
/// Bytes of a part of a larger file; S3 takes 10,000 of them.
const PART_BYTES: usize = 8 << 20;
/// Parts of one file that are sent at the same time.
const MAX_CONCURRENT_PARTS: usize = 2;

/// The name under which a file says which content it has; how a repetition knows its own file.
const DIGEST_ATTRIBUTE: &str = "offprint-sha256";

/// When a file may be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    Always,
    /// Unless it is there already with this content: for what may have been written before.
    IfChanged,
    /// Only if there is none of this name. Where the store can check that, it does, so of two that write one wins.
    IfAbsent,
}

/// A file to write.
pub struct RemoteFile<'a> {
    /// Path below the store's address.
    pub path: &'a str,
    /// In bytes.
    pub size: u64,
    pub digest: Digest,
    /// Media type.
    pub media_type: &'a str,
    /// `Cache-Control` under which the store serves the file.
    pub cache_control: Option<&'a str>,
}

impl RemoteStore {
    /// Writes a file. It appears under its name completely or not at all. Returns whether it was written: `false` when there
    /// was a file with the same content already.
    ///
    /// # Errors
    /// [`RemoteError::Exists`] when there is another one, with [`Condition::IfAbsent`].
    pub async fn put(
        &self,
        file: &RemoteFile<'_>,
        bytes: BoxStream<'static, Result<Bytes, StorageError>>,
        condition: Condition,
    ) -> Result<bool, RemoteError> {
        let path = self.resolve(file.path)?;
        if condition != Condition::Always {
            match self.has_content(&path, file).await {
                Ok(true) => return Ok(false),
                Ok(false) if condition == Condition::IfChanged => {}
                Ok(false) => return Err(RemoteError::Exists),
                Err(RemoteError::NotFound) => {}
                Err(error) => return Err(error),
            }
        }
        let written = match file.size <= MAX_SINGLE_PUT_BYTES {
            true => self.put_at_once(&path, file, bytes, condition).await,
            false => self.put_in_parts(&path, file, bytes).await,
        };
        match written {
            // Another attempt of ours may have won.
            Err(RemoteError::Exists) if self.has_content(&path, file).await? => Ok(false),
            Err(error) => Err(error),
            Ok(()) => Ok(true),
        }
    }

    /// Removes a file, if it has this content. Returns whether it is gone: `false` when somebody has replaced it.
    pub async fn remove_content(&self, path: &str, size: u64, digest: Digest) -> Result<bool, RemoteError> {
        let file = RemoteFile { path, size, digest, media_type: "", cache_control: None };
        match self.has_content(&self.resolve(path)?, &file).await {
            Ok(false) => return Ok(false),
            Ok(true) => self.remove(path).await?,
            Err(RemoteError::NotFound) => {}
            Err(error) => return Err(error),
        }
        Ok(true)
    }

    /// Removes a file; a missing one is no error.
    pub async fn remove(&self, path: &str) -> Result<(), RemoteError> {
        match self.store.delete(&self.resolve(path)?).await.map_err(RemoteError::from) {
            Ok(()) | Err(RemoteError::NotFound) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn put_at_once(
        &self,
        path: &Path,
        file: &RemoteFile<'_>,
        bytes: BoxStream<'static, Result<Bytes, StorageError>>,
        condition: Condition,
    ) -> Result<(), RemoteError> {
        let pieces: Vec<Bytes> = bytes.try_collect().await?;
        let mode = if condition == Condition::IfAbsent { PutMode::Create } else { PutMode::Overwrite };
        let options = PutOptions { mode, attributes: self.build_attributes(file), ..Default::default() };
        self.store.put_opts(path, pieces.into_iter().collect(), options).await?;
        Ok(())
    }

    /// A failure aborts the upload, as far as the store can be reached. What a crash leaves behind is removed by a rule of
    /// the bucket (docs/OPERATIONS.md).
    async fn put_in_parts(
        &self,
        path: &Path,
        file: &RemoteFile<'_>,
        mut bytes: BoxStream<'static, Result<Bytes, StorageError>>,
    ) -> Result<(), RemoteError> {
        let options = PutMultipartOptions { attributes: self.build_attributes(file), ..Default::default() };
        let upload = self.store.put_multipart_opts(path, options).await?;
        let mut writer = WriteMultipart::new_with_chunk_size(upload, PART_BYTES);
        let sent = async {
            while let Some(piece) = bytes.try_next().await? {
                writer.wait_for_capacity(MAX_CONCURRENT_PARTS).await?;
                writer.put(piece);
            }
            Ok::<_, RemoteError>(())
        };
        match sent.await {
            Ok(()) => {
                writer.finish().await?;
                Ok(())
            }
            Err(error) => {
                // The first error says more than that of giving up.
                let _ = writer.abort().await;
                Err(error)
            }
        }
    }

    /// Whether the file at a path has this content.
    async fn has_content(&self, path: &Path, file: &RemoteFile<'_>) -> Result<bool, RemoteError> {
        let is_folder = self.kind == RemoteKind::Folder;
        // A folder keeps no attributes, so the file itself is read; only one of the same size.
        let answer = self.store.get_opts(path, GetOptions { head: !is_folder, ..Default::default() }).await?;
        if answer.meta.size != file.size {
            return Ok(false);
        }
        if !is_folder {
            let known = answer.attributes.get(&Attribute::Metadata(DIGEST_ATTRIBUTE.into()));
            return Ok(known.is_some_and(|value| value.as_ref() == file.digest.to_string()));
        }
        let hash = answer.into_stream().map_err(RemoteError::from).try_fold(Sha256::new(), async |mut hash, piece| {
            hash.update(&piece);
            Ok(hash)
        });
        Ok(hex::encode(hash.await?.finalize()) == file.digest.to_string())
    }

    fn build_attributes(&self, file: &RemoteFile<'_>) -> Attributes {
        let mut attributes = Attributes::new();
        if self.kind == RemoteKind::Folder {
            return attributes;
        }
        let text = |value: &str| AttributeValue::from(value.to_owned());
        attributes.insert(Attribute::ContentType, text(file.media_type));
        if let Some(caching) = file.cache_control {
            attributes.insert(Attribute::CacheControl, text(caching));
        }
        attributes.insert(Attribute::Metadata(DIGEST_ATTRIBUTE.into()), text(&file.digest.to_string()));
        attributes
    }
}
