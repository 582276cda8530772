//! Keeps what was rendered, within the storage quota of the company: the files of a set of items in one transaction, or a
//! thumbnail.
//!
//! ```text
//!   blobs' rows, bytes       as for everything that is stored, see `blob_transaction.rs`
//!   keep_renditions          they count from here on, and the item's claim keeps them until the settle
//!   at the quota             cached renditions that no job has make room; else nothing is kept
//!   commit                   not waited for: the settle's commit comes after it and is
//! ```

use offprint_core::Digest;
use offprint_storage::StagedBlob;

use crate::app::{AppState, BlobTransaction, StoreBlobError};
use crate::db::attempt::Attempt;
use crate::db::kept_rendition::{evict_renditions, keep_renditions};
use crate::db::{self, DbConnection, DbError, limits, thumbnail};
use crate::id::CompanyId;

/// Why rendered files could not be kept.
#[derive(Debug, thiserror::Error)]
pub enum KeepRenditionsError {
    /// The company would have more bytes than its storage quota allows.
    #[error("the storage quota would be exceeded by {0} bytes")]
    QuotaExceeded(i64),
    #[error(transparent)]
    Store(#[from] StoreBlobError),
}

impl From<DbError> for KeepRenditionsError {
    fn from(error: DbError) -> Self {
        Self::Store(error.into())
    }
}

/// The files that an attempt at an item has rendered.
#[derive(Debug)]
pub struct RenderedFiles<'a> {
    pub attempt: &'a Attempt,
    pub staged: Vec<StagedBlob>,
}

impl AppState {
    /// Stores the files of items and keeps them until the attempts are settled; all or none, after which the staged bytes
    /// are gone. The storage should have prepared them already: nothing is locked then while large objects are sent.
    ///
    /// # Errors
    /// [`KeepRenditionsError::QuotaExceeded`] when a company has no room for them, even without cached renditions.
    pub async fn keep_rendered_files(&self, items: Vec<RenderedFiles<'_>>) -> Result<(), KeepRenditionsError> {
        let (mut kept_for, mut staged) = (Vec::new(), Vec::new());
        for item in items {
            kept_for.extend(item.staged.iter().map(|blob| (item.attempt, blob.digest)));
            staged.extend(item.staged);
        }
        let mut evicted = Vec::new();
        let mut transaction = BlobTransaction::begin(&self.queue, &self.storage).await?;
        let kept: Result<(), KeepRenditionsError> = async {
            transaction.store_all(staged).await?;
            let connection = transaction.connection();
            for company in db::with_query_timeout(keep_renditions(connection, &kept_for)).await? {
                evicted.extend(self.make_room(connection, company).await?);
            }
            Ok(())
        }
        .await;
        transaction.end(kept).await?;
        self.remove_unused_blobs(&evicted).await;
        Ok(())
    }

    /// Stores a thumbnail of these bytes and keeps it. Returns whether there was room for it, if need be in place of other
    /// cached renditions.
    ///
    /// # Errors
    /// When the storage or the database does not answer.
    pub async fn keep_thumbnail(
        &self,
        company: CompanyId,
        source: &Digest,
        engine_version: i32,
        mut staged: StagedBlob,
    ) -> Result<bool, StoreBlobError> {
        self.storage.prepare(&mut staged).await?;
        let mut evicted = Vec::new();
        let mut transaction = BlobTransaction::begin(&self.system, &self.storage).await?;
        let kept: Result<(), KeepRenditionsError> = async {
            let thumbnail = transaction.store(staged).await?;
            let connection = transaction.connection();
            let insert = thumbnail::insert_thumbnail(connection, company, source, engine_version, &thumbnail);
            if db::with_query_timeout(insert).await? > 0 {
                evicted = self.make_room(connection, company).await?;
            }
            // It may itself be what had to go.
            if evicted.contains(&thumbnail) { Err(KeepRenditionsError::QuotaExceeded(0)) } else { Ok(()) }
        }
        .await;
        match transaction.end(kept).await {
            Ok(()) => {}
            Err(KeepRenditionsError::QuotaExceeded(_)) => return Ok(false),
            Err(KeepRenditionsError::Store(error)) => return Err(error),
        }
        self.remove_unused_blobs(&evicted).await;
        Ok(true)
    }

    /// Brings the company back within its quota: what this transaction has added already counts. Returns the digests of
    /// what was evicted.
    async fn make_room(
        &self,
        connection: &mut DbConnection,
        company: CompanyId,
    ) -> Result<Vec<Digest>, KeepRenditionsError> {
        let max_stored = self.settings.max_stored;
        let find_excess = limits::find_quota_excess(connection, company, max_stored);
        let Some(excess) = db::with_query_timeout(find_excess).await?.filter(|excess| *excess > 0) else {
            return Ok(Vec::new());
        };
        let evicted = db::with_query_timeout(evict_renditions(connection, company, excess)).await?;
        let missing = excess - evicted.iter().map(|kept| kept.size).sum::<i64>();
        if missing > 0 {
            return Err(KeepRenditionsError::QuotaExceeded(missing));
        }
        Ok(evicted.iter().map(|kept| kept.sha256).collect())
    }

    /// Evicts cached renditions of a company until about `bytes` more fit into its quota, and removes their bytes. Returns
    /// how many bytes were freed. For uploads, which ask before their bytes arrive.
    pub async fn evict_cached_renditions(&self, company: CompanyId, bytes: u64) -> Result<u64, DbError> {
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        let evicted = db::with_query_timeout(async {
            let mut transaction = self.system.begin().await?;
            let evicted = evict_renditions(&mut transaction, company, bytes).await?;
            transaction.commit().await?;
            Ok(evicted)
        })
        .await?;
        let digests: Vec<_> = evicted.iter().map(|kept| kept.sha256).collect();
        self.remove_unused_blobs(&digests).await;
        Ok(evicted.iter().map(|kept| kept.size.unsigned_abs()).sum())
    }
}
