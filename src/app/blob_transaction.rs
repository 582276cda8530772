//! Stores bytes and registers them in one transaction, for everything that arrives by HTTP.
//!
//! ```text
//!   upsert_blobs      writes and locks the blob's row
//!   publish           gives the bytes their final name, and flushes to disk
//!   (the caller)      writes the rows that refer to the blob, and checks the company's limits
//!   commit            releases the locks;   or roll back: removes the files again that were not there before
//! ```
//!
//! So there is no moment at which a blob has a row and nothing refers to it: what is refused leaves nothing behind, and
//! a blob that loses its last reference can be removed at once ([`AppState::remove_unused_blobs`]) although others may
//! be storing the same bytes. Workers keep what they have rendered in the same way (`rendition_store.rs`); only what seals
//! write is stored first and referred to later ([`store_blobs`](super::store_blobs)), and held for an hour.

use futures_util::future::join_all;
use offprint_core::Digest;
use offprint_storage::{StagedBlob, Storage, StorageError};
use tracing::{info, warn};

use crate::app::{AppState, StoreBlobError};
use crate::db::blob::{self, BlobRow};
use crate::db::{self, DbConnection, DbError, PgPool, Transaction, retention};
use crate::id::CompanyId;

/// Each of these blobs once, and their rows.
pub(super) fn take_each_once(mut staged: Vec<StagedBlob>) -> (Vec<StagedBlob>, Vec<BlobRow>) {
    staged.sort_by_key(|blob| blob.digest.to_bytes());
    staged.dedup_by_key(|blob| blob.digest);
    let rows = staged.iter().map(describe_blob).collect();
    (staged, rows)
}

/// Gives bytes their final names, side by side, because each waits for the disk. All are waited for, also after an error: none may
/// still be storing when the locks are gone, or the others removed again.
pub(super) async fn publish_all(storage: &Storage, staged: Vec<StagedBlob>) -> Result<(), StorageError> {
    let published = join_all(staged.into_iter().map(|blob| storage.publish(blob))).await;
    published.into_iter().collect()
}

fn describe_blob(staged: &StagedBlob) -> BlobRow {
    let (size, crc32) = (staged.size as i64, i64::from(staged.crc32));
    BlobRow { sha256: staged.digest, size, crc32, damaged: false }
}

/// A transaction that stores blobs.
pub struct BlobTransaction<'s> {
    storage: &'s Storage,
    transaction: Transaction,
    /// Blobs that were not there before.
    created: Vec<Digest>,
}

impl<'s> BlobTransaction<'s> {
    pub async fn begin(pool: &PgPool, storage: &'s Storage) -> Result<Self, DbError> {
        let transaction = db::with_query_timeout(async { Ok(pool.begin().await?) }).await?;
        Ok(Self { storage, transaction, created: Vec::new() })
    }

    /// Stores staged bytes. Whoever stores several blobs does so in the order of their digests, so that two
    /// transactions with the same blobs wait for each other instead of blocking each other; and before anything that
    /// changes the company's usage.
    pub async fn store(&mut self, staged: StagedBlob) -> Result<Digest, StoreBlobError> {
        let digest = staged.digest;
        self.store_all(vec![staged]).await?;
        Ok(digest)
    }

    /// Stores several staged blobs, each once: first their rows, in the order of their digests, then their bytes side by
    /// side, because each waits for the disk.
    pub async fn store_all(&mut self, staged: Vec<StagedBlob>) -> Result<(), StoreBlobError> {
        let (staged, rows) = take_each_once(staged);
        let created = db::with_query_timeout(blob::upsert_registered_blobs(&mut self.transaction, &rows)).await?;
        self.created.extend(created);
        metrics::counter!("offprint_stored_bytes_total").increment(staged.iter().map(|blob| blob.size).sum());
        Ok(publish_all(self.storage, staged).await?)
    }

    pub fn connection(&mut self) -> &mut DbConnection {
        &mut self.transaction
    }

    /// Commits after success. After an error nothing is kept.
    pub async fn end<T, E: From<DbError>>(self, result: Result<T, E>) -> Result<T, E> {
        match result {
            Ok(value) => {
                // When the outcome of the commit is not known, the files stay: if it failed, they are removed later
                // as stray files.
                db::with_query_timeout(async { Ok(self.transaction.commit().await?) }).await?;
                Ok(value)
            }
            Err(error) => {
                // Under the locks: nobody else can be storing the same bytes.
                for digest in &self.created {
                    if let Err(error) = self.storage.remove(digest).await {
                        warn!(error = %error, "Could not remove the refused file {digest}; it is removed later: {error}");
                    }
                }
                if let Err(error) = self.transaction.rollback().await {
                    warn!(error = %error, "Could not roll back a refused upload: {error}");
                }
                Err(error)
            }
        }
    }
}

impl AppState {
    /// Releases what used to be an original of the company: as long as jobs pin it, its bytes count as those of a
    /// replaced original; else they are removed at once, with the renditions that were cached of it. Errors are logged;
    /// retention looks again.
    pub async fn release_original(&self, company: CompanyId, sha256: Digest) {
        let released = db::with_query_timeout(async {
            let mut transaction = self.system.begin().await?;
            let renditions = retention::release_original(&mut transaction, company, sha256).await?;
            transaction.commit().await?;
            Ok(renditions)
        });
        match released.await {
            Ok(renditions) => self.remove_unused_blobs(&renditions).await,
            Err(error) => warn!(error = %error, "Could not release original {sha256}; retention will: {error}"),
        }
        self.remove_unused_blobs(&[sha256]).await;
    }

    /// Removes those of the blobs that nothing refers to any more, rows and bytes. Errors are logged; retention looks
    /// again.
    pub async fn remove_unused_blobs(&self, digests: &[Digest]) {
        for digest in digests {
            if let Err(error) = self.remove_unused_blob(*digest).await {
                warn!(error = %error, "Could not remove blob {digest}; retention will: {error}");
                return;
            }
        }
    }

    /// Removes a blob if nothing refers to it. Returns whether it did.
    ///
    /// The file is removed while the row is locked. Whoever stores the same bytes now waits for the lock and then stores
    /// the file anew; without the lock we could remove the new file.
    pub async fn remove_unused_blob(&self, digest: Digest) -> Result<bool, StoreBlobError> {
        let mut transaction = db::with_query_timeout(async { Ok(self.system.begin().await?) }).await?;
        if !db::with_query_timeout(retention::delete_unused_blob(&mut transaction, digest)).await? {
            return Ok(false);
        }
        self.storage.remove(&digest).await?;
        db::with_query_timeout(async { Ok(transaction.commit().await?) }).await?;
        info!("Removed blob {digest}, which nothing refers to");
        Ok(true)
    }
}
