//! `offprint admin verify`: compares the blobs that the database has rows of with those in the storage.

use std::collections::HashMap;
use std::time::Duration;

use offprint_core::{Code, Digest};
use offprint_storage::{Storage, StoredBlob};
use serde::Serialize;

use super::super::{CliError, database, serve};
use crate::db::blob::{self, BlobRow};
use crate::db::{self, PgPool};
use crate::settings::{DatabaseSettings, StorageSettings};

/// A younger blob without a row may be about to get one.
const MIN_STRAY_AGE: Duration = Duration::from_secs(3600);

/// Blobs of a kind that the report names. All are counted.
const MAX_LISTED_BLOBS: usize = 1000;

/// The result, printed as JSON.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct VerifyReport {
    /// Rows that were checked.
    blobs: u64,
    bytes: u64,
    /// Whether the bytes were read, not only the sizes.
    deep: bool,
    /// Rows without bytes.
    missing: BlobTally,
    /// Blobs whose size differs from their row.
    wrong_size: BlobTally,
    /// Blobs whose SHA-256 or CRC-32 differs from their row.
    damaged: BlobTally,
    /// Blobs without a row, older than an hour. The service removes them by itself.
    strays: BlobTally,
}

/// Blobs of a kind.
#[derive(Debug, Default, Serialize)]
struct BlobTally {
    count: u64,
    sha256: Vec<String>,
}

impl BlobTally {
    fn add(&mut self, digest: &Digest) {
        self.count += 1;
        if self.sha256.len() < MAX_LISTED_BLOBS {
            self.sha256.push(digest.to_string());
        }
    }
}

/// Prints the report.
///
/// # Errors
/// When something is wrong, or when the database or the storage does not answer.
pub async fn run_verify(
    database_settings: DatabaseSettings,
    storage_settings: StorageSettings,
    deep: bool,
) -> Result<(), CliError> {
    let pool = database::connect_database(&database_settings, 2).await?;
    let storage = serve::open_storage(&database_settings, &storage_settings)?;
    let mut report = VerifyReport { deep, ..Default::default() };
    for first in 0..=u8::MAX {
        verify_partition(&pool, &storage, first, &mut report).await?;
    }
    println!("{}", serde_json::to_string_pretty(&report).map_err(|error| to_verify_error(&error))?);
    let VerifyReport { missing, wrong_size, damaged, strays, .. } = &report;
    if missing.count + wrong_size.count + damaged.count + strays.count == 0 {
        return Ok(());
    }
    let detail = format!(
        "Storage and database differ: {} blobs are missing, {} have a wrong size, {} are damaged, {} have no row. Upload \
         missing and damaged files again. The service deletes blobs without a row by itself.",
        missing.count, wrong_size.count, damaged.count, strays.count
    );
    Err(CliError::new(Code::CorruptOriginal, detail))
}

/// Compares the blobs whose digest begins with this byte. What seems wrong is checked again, since the service may be
/// running.
async fn verify_partition(
    pool: &PgPool,
    storage: &Storage,
    first: u8,
    report: &mut VerifyReport,
) -> Result<(), CliError> {
    // Listed before the rows are read: a blob that is stored in between then has its row.
    let stored = storage.list(first).await.map_err(|error| to_verify_error(&error))?;
    let mut stored: HashMap<Digest, StoredBlob> = stored.into_iter().map(|blob| (blob.digest, blob)).collect();
    for blob in blob::list_blobs_by_prefix(pool, first).await.map_err(|error| to_verify_error(&error))? {
        report.blobs += 1;
        report.bytes += blob.size as u64;
        let stored_size = stored.remove(&blob.sha256).map(|blob| blob.size);
        let has_right_size = stored_size == Some(blob.size as u64);
        if (report.deep || !has_right_size)
            && let Some(kind) = find_loss(pool, storage, &blob, report.deep).await?
        {
            match kind {
                offprint_storage::StorageError::Missing(_) => report.missing.add(&blob.sha256),
                offprint_storage::StorageError::Truncated(_) => report.wrong_size.add(&blob.sha256),
                _ => report.damaged.add(&blob.sha256),
            }
        }
    }
    for stray in stored.into_values().filter(|blob| blob.age > MIN_STRAY_AGE) {
        if blob::fetch_blob(pool, &stray.digest).await.is_err_and(|error| matches!(error, db::DbError::NotFound(_))) {
            report.strays.add(&stray.digest);
        }
    }
    Ok(())
}

/// What is wrong with a blob: missing, truncated (any wrong size) or damaged. The row is marked as damaged, or the mark is
/// removed when a deep check finds the blob sound again.
async fn find_loss(
    pool: &PgPool,
    storage: &Storage,
    blob: &BlobRow,
    deep: bool,
) -> Result<Option<offprint_storage::StorageError>, CliError> {
    let (digest, size) = (&blob.sha256, blob.size as u64);
    let checked = match storage.size(digest).await {
        Ok(stored) if stored != size => Err(offprint_storage::StorageError::Truncated(*digest)),
        Ok(_) if deep => storage.check_blob(digest, size, blob.crc32 as u32, None).await,
        stored => stored.map(drop),
    };
    let loss = match checked {
        Ok(()) if deep && blob.damaged => {
            blob::set_blob_damaged(pool, digest, false).await.map_err(|error| to_verify_error(&error))?;
            return Ok(None);
        }
        Ok(()) => return Ok(None),
        Err(error) if error.is_loss() => error,
        Err(error) => return Err(to_verify_error(&error)),
    };
    match blob::fetch_blob(pool, digest).await {
        // It was deleted during the check.
        Err(db::DbError::NotFound(_)) => Ok(None),
        Err(error) => Err(to_verify_error(&error)),
        Ok(_) => {
            blob::set_blob_damaged(pool, digest, true).await.map_err(|error| to_verify_error(&error))?;
            Ok(Some(loss))
        }
    }
}

fn to_verify_error(error: &dyn std::fmt::Display) -> CliError {
    CliError::new(Code::Unavailable, format!("The storage could not be verified: {error}."))
}
