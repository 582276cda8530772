//! `offprint admin verify`: compares what the database knows of blobs with what the storage has.

use std::collections::HashMap;
use std::time::Duration;

use serde::Serialize;

use super::super::{Refusal, serve};
use crate::code::Code;
use crate::db::blob::{self, Blob};
use crate::db::{self, PgPool};
use crate::digest::Digest;
use crate::settings::Settings;
use crate::storage::{self, Found, Storage};

/// A blob without a row that is younger may be about to get one.
const YOUNG: Duration = Duration::from_secs(3600);

/// Most blobs of a kind that the report names. All are counted.
const NAMED: usize = 1000;

/// What was found.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    /// Rows that were looked at.
    blobs: u64,
    /// Their bytes.
    bytes: u64,
    /// Whether the bytes themselves were read.
    deep: bool,
    /// Rows without bytes.
    missing: Named,
    /// Blobs whose length is not that of their row.
    wrong_size: Named,
    /// Blobs whose bytes have another SHA-256 or CRC-32.
    damaged: Named,
    /// Bytes without a row, older than an hour. The service removes them by itself.
    strays: Named,
}

/// Blobs of a kind.
#[derive(Debug, Default, Serialize)]
struct Named {
    count: u64,
    sha256: Vec<String>,
}

impl Named {
    fn add(&mut self, digest: &Digest) {
        self.count += 1;
        if self.sha256.len() < NAMED {
            self.sha256.push(digest.to_string());
        }
    }
}

/// Prints the report.
///
/// # Errors
/// When something is wrong, or when database or storage cannot be asked.
pub async fn run(settings: Settings, deep: bool) -> Result<(), Refusal> {
    let settings = settings.with_secrets().map_err(|error| Refusal::new(Code::InvalidValue, error))?;
    let pool = db::system(serve::options(&settings)?, 2);
    let storage = serve::open_storage(&settings)?;
    let mut report = Report { deep, ..Default::default() };
    for first in 0..=u8::MAX {
        part(&pool, &storage, first, &mut report).await?;
    }
    println!("{}", serde_json::to_string_pretty(&report).map_err(|error| unavailable(&error))?);
    let Report { missing, wrong_size, damaged, strays, .. } = &report;
    if missing.count + wrong_size.count + damaged.count + strays.count == 0 {
        return Ok(());
    }
    let detail = format!(
        "The storage is not in order: {} blobs are missing, {} have a wrong size, {} are damaged, {} have no row. Upload \
         missing and damaged files again; blobs without a row are swept by the service.",
        missing.count, wrong_size.count, damaged.count, strays.count
    );
    Err(Refusal::new(Code::CorruptOriginal, detail))
}

/// Compares a 256th. Whatever seems wrong is asked once more: the service may be at work meanwhile.
async fn part(pool: &PgPool, storage: &Storage, first: u8, report: &mut Report) -> Result<(), Refusal> {
    // Listed before the rows are read: what is put meanwhile has a row then.
    let found = storage.list(first).await.map_err(|error| unavailable(&error))?;
    let mut found: HashMap<Digest, Found> = found.into_iter().map(|found| (found.digest, found)).collect();
    for blob in blob::part(pool, first).await.map_err(|error| unavailable(&error))? {
        report.blobs += 1;
        report.bytes += blob.size as u64;
        let stored = found.remove(&blob.sha256).map(|found| found.size);
        let seems_well = stored == Some(blob.size as u64);
        if (report.deep || !seems_well)
            && let Some(kind) = wrong(pool, storage, &blob, report.deep).await?
        {
            match kind {
                storage::Error::Missing(_) => report.missing.add(&blob.sha256),
                storage::Error::Short(_) => report.wrong_size.add(&blob.sha256),
                _ => report.damaged.add(&blob.sha256),
            }
        }
    }
    for stray in found.into_values().filter(|found| found.age > YOUNG) {
        if blob::fetch(pool, &stray.digest).await.is_err_and(|error| matches!(error, db::Error::Missing(_))) {
            report.strays.add(&stray.digest);
        }
    }
    Ok(())
}

/// What is wrong with a blob: missing, short for a wrong size, or damaged. Damage, and that it is over, is written down.
async fn wrong(pool: &PgPool, storage: &Storage, blob: &Blob, deep: bool) -> Result<Option<storage::Error>, Refusal> {
    let (digest, size) = (&blob.sha256, blob.size as u64);
    let checked = match storage.size(digest).await {
        Ok(stored) if stored != size => Err(storage::Error::Short(*digest)),
        Ok(_) if deep => storage.check(digest, size, blob.crc32 as u32, None).await,
        stored => stored.map(drop),
    };
    let loss = match checked {
        Ok(()) if deep && blob.damaged => {
            blob::mark(pool, digest, false).await.map_err(|error| unavailable(&error))?;
            return Ok(None);
        }
        Ok(()) => return Ok(None),
        Err(error) if error.is_loss() => error,
        Err(error) => return Err(unavailable(&error)),
    };
    match blob::fetch(pool, digest).await {
        // It was removed while it was looked at.
        Err(db::Error::Missing(_)) => Ok(None),
        Err(error) => Err(unavailable(&error)),
        Ok(_) => {
            blob::mark(pool, digest, true).await.map_err(|error| unavailable(&error))?;
            Ok(Some(loss))
        }
    }
}

fn unavailable(error: &dyn std::fmt::Display) -> Refusal {
    Refusal::new(Code::Unavailable, format!("The storage could not be verified: {error}."))
}
