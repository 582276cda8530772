//! The blobs of a backup: listed from its snapshot, copied, read back.

use std::path::Path;

use futures_util::{StreamExt, TryStreamExt, stream};
use offprint_core::{Code, Digest};
use offprint_storage::{Storage, StorageError};

use super::blob_list::{BlobEntry, BlobListReader, BlobListWriter};
use super::to_backup_error;
use crate::cli::CliError;
use crate::cli::admin::copy_storage::{BlobCopy, MAX_PARALLEL_COPIES, copy_blob};
use crate::cli::client::ProgressReporter;
use crate::db::backup::BackupSnapshot;
use crate::db::{PgPool, retention};

/// Number and bytes of the blobs of a backup.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct BlobTotals {
    pub(super) count: u64,
    pub(super) bytes: u64,
}

pub(super) async fn write_blob_list(snapshot: &mut BackupSnapshot, path: &Path) -> Result<BlobTotals, CliError> {
    const PAGE_SIZE: i64 = 10_000;
    let mut totals = BlobTotals::default();
    let mut writer = BlobListWriter::create(path).map_err(|error| to_backup_error(&error))?;
    let mut after = None;
    loop {
        let page = snapshot.list_blobs(after, PAGE_SIZE).await.map_err(|error| to_backup_error(&error))?;
        let Some(last) = page.last() else { break };
        after = Some(last.sha256);
        for blob in &page {
            let entry = BlobEntry { digest: blob.sha256, size: blob.size as u64, crc32: blob.crc32 as u32 };
            writer.write(&entry).map_err(|error| to_backup_error(&error))?;
            totals.count += 1;
            totals.bytes += entry.size;
        }
    }
    writer.finish().map_err(|error| to_backup_error(&error))?;
    Ok(totals)
}

/// What was copied, and what could not be.
#[derive(Debug, Default)]
pub(super) struct CopyTotals {
    pub(super) copied: u64,
    pub(super) lost: Vec<Digest>,
}

/// Copies the blobs of the list that the folder does not have yet in full length. Their bytes are verified later.
pub(super) async fn copy_blobs(
    pool: &PgPool,
    storage: &Storage,
    folder: &Path,
    list_name: &str,
    totals: BlobTotals,
) -> Result<CopyTotals, CliError> {
    let target = &Storage::open(folder).map_err(|error| to_backup_error(&error))?;
    let progress = ProgressReporter::for_bytes("Copying blobs", totals.bytes);
    let mut report = CopyTotals::default();
    let entries = BlobListReader::open(&folder.join(list_name)).map_err(|error| to_backup_error(&error))?;
    let mut copies = stream::iter(entries)
        .map(|entry| async move {
            let entry = entry.map_err(|error| to_backup_error(&error))?;
            let (digest, size) = (&entry.digest, entry.size);
            if matches!(target.size(digest).await, Ok(present) if present == size) {
                return Ok((entry, None));
            }
            let copy = copy_blob(storage, target, digest, size).await.map_err(|error| to_backup_error(&error))?;
            Ok::<_, CliError>((entry, Some(copy)))
        })
        .buffer_unordered(MAX_PARALLEL_COPIES);
    while let Some((entry, copy)) = copies.try_next().await? {
        progress.add(entry.size);
        match copy {
            None => {}
            Some(BlobCopy::Copied) => report.copied += 1,
            // A process that died while it removed a blob leaves a row without bytes. Nothing refers to it.
            Some(BlobCopy::Missing)
                if retention::is_blob_unused(pool, &entry.digest).await.map_err(|error| to_backup_error(&error))? => {}
            Some(BlobCopy::Missing | BlobCopy::Damaged) => report.lost.push(entry.digest),
        }
    }
    report.lost.sort_unstable();
    Ok(report)
}

/// Reads every blob of the backup back and compares it with its name. One that is damaged is removed, so that a repeated
/// backup copies it again. Returns how many are sound.
pub(super) async fn verify_blobs(
    folder: &Path,
    list_name: &str,
    totals: BlobTotals,
    lost: &[Digest],
) -> Result<u64, CliError> {
    let storage = &Storage::open(folder).map_err(|error| to_backup_error(&error))?;
    let progress = ProgressReporter::for_bytes("Verifying the backup", totals.bytes);
    let entries = BlobListReader::open(&folder.join(list_name)).map_err(|error| to_backup_error(&error))?;
    let mut checks = stream::iter(entries)
        .map(|entry| async move {
            let entry = entry.map_err(|error| to_backup_error(&error))?;
            let checked = storage.check_blob(&entry.digest, entry.size, entry.crc32, None).await;
            Ok::<_, CliError>((entry, checked))
        })
        .buffer_unordered(MAX_PARALLEL_COPIES);
    let (mut verified, mut damaged) = (0, Vec::new());
    while let Some((entry, checked)) = checks.try_next().await? {
        progress.add(entry.size);
        match checked {
            Ok(()) => verified += 1,
            Err(StorageError::Missing(_)) => {}
            Err(error) if error.is_loss() && !lost.contains(&entry.digest) => damaged.push(entry.digest),
            Err(error) if error.is_loss() => {}
            Err(error) => return Err(to_backup_error(&error)),
        }
    }
    for digest in &damaged {
        storage.remove(digest).await.map_err(|error| to_backup_error(&error))?;
    }
    match damaged.first() {
        None => Ok(verified),
        Some(first) => Err(CliError::new(
            Code::Unavailable,
            format!(
                "{} blobs of the backup were not read back as they were written, {first} among them. They were removed \
                 from {}. Check that disk and repeat the backup.",
                damaged.len(),
                folder.display()
            ),
        )),
    }
}
