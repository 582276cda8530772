//! `offprint admin copy-storage`: copies blobs from one storage to another.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, stream};
use offprint_core::{Code, Digest};
use offprint_storage::{InstanceCredentials, Storage, StorageError, StoredBlob};
use serde::Serialize;

use super::super::{CliError, serve};

pub(super) const MAX_PARALLEL_COPIES: usize = 4;

const STORAGE_REQUEST_TIMEOUT: Duration = Duration::from_secs(60);

/// Arguments of `offprint admin copy-storage`.
#[derive(clap::Args)]
pub struct CopyStorageArgs {
    /// The storage to copy from: s3://bucket/prefix, gs://…, az://…, or file:///folder for a data folder.
    #[arg(long)]
    from: String,

    /// The storage to copy to.
    #[arg(long)]
    to: String,

    /// Use the role of this machine where no credentials are given, from its cloud's metadata address.
    #[arg(long, env = "OFFPRINT_STORAGE_INSTANCE_CREDENTIALS")]
    storage_instance_credentials: bool,

    /// Folder for temporary files.
    #[arg(long, env = "OFFPRINT_DATA_DIR", default_value = "./data")]
    data_dir: PathBuf,
}

/// The result, printed as JSON.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct CopyReport {
    copied: u64,
    /// Bytes that were copied.
    bytes: u64,
    /// Blobs that were already there in full length.
    skipped: u64,
    /// Blobs whose bytes do not match their name (SHA-256). They were not copied.
    damaged: Vec<String>,
}

/// Copies the missing blobs and prints a report. Repeated after an interruption it continues.
///
/// # Errors
/// When a blob is damaged, or a storage does not answer.
pub async fn run_copy_storage(arguments: CopyStorageArgs) -> Result<(), CliError> {
    let environment = serve::read_environment();
    let instance_credentials = InstanceCredentials::from_setting(arguments.storage_instance_credentials);
    let open = |address: &str| {
        if !address.contains("://") {
            let detail = format!("{address} is not a storage URL, such as s3://bucket/prefix or file:///folder.");
            return Err(CliError::new(Code::InvalidValue, detail));
        }
        Storage::connect(address, &environment, instance_credentials, &arguments.data_dir, STORAGE_REQUEST_TIMEOUT)
            .map_err(|error| to_copy_error(&error))
    };
    let (from, to) = (open(&arguments.from)?, open(&arguments.to)?);
    let mut report = CopyReport::default();
    for first in 0..=u8::MAX {
        copy_partition(&from, &to, first, &mut report).await.map_err(|error| to_copy_error(&error))?;
    }
    println!("{}", serde_json::to_string_pretty(&report).map_err(|error| to_copy_error(&error))?);
    match report.damaged.len() {
        0 => Ok(()),
        damaged => {
            let detail =
                format!("{damaged} blobs are damaged in the source and were not copied. All others were copied.");
            Err(CliError::new(Code::CorruptOriginal, detail))
        }
    }
}

/// Copies the blobs whose digest begins with this byte.
async fn copy_partition(from: &Storage, to: &Storage, first: u8, report: &mut CopyReport) -> Result<(), StorageError> {
    let present_sizes: HashMap<Digest, u64> =
        to.list(first).await?.into_iter().map(|blob| (blob.digest, blob.size)).collect();
    let (present, missing): (Vec<StoredBlob>, Vec<StoredBlob>) =
        from.list(first).await?.into_iter().partition(|blob| present_sizes.get(&blob.digest) == Some(&blob.size));
    report.skipped += present.len() as u64;
    let mut copied = stream::iter(missing)
        .map(|blob| async move { copy_blob(from, to, &blob.digest, blob.size).await.map(|copy| (blob, copy)) })
        .buffer_unordered(MAX_PARALLEL_COPIES);
    while let Some((blob, copy)) = copied.try_next().await? {
        match copy {
            BlobCopy::Copied => {
                report.copied += 1;
                report.bytes += blob.size;
            }
            // It was deleted meanwhile.
            BlobCopy::Missing => {}
            BlobCopy::Damaged => report.damaged.push(blob.digest.to_string()),
        }
    }
    Ok(())
}

/// What became of one blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BlobCopy {
    /// It is in the target, and its bytes match its name.
    Copied,
    /// The source does not have it.
    Missing,
    /// Its bytes in the source do not match its name or its size. It was not copied.
    Damaged,
}

/// Copies a blob.
///
/// # Errors
/// When a storage does not answer.
pub(super) async fn copy_blob(
    from: &Storage,
    to: &Storage,
    digest: &Digest,
    size: u64,
) -> Result<BlobCopy, StorageError> {
    let mut incoming = to.create_blob();
    let mut pieces = from.read_range(digest, 0, size);
    while let Some(piece) = pieces.next().await {
        match piece {
            Ok(piece) => incoming.write(&piece).await?,
            Err(StorageError::Missing(_)) => return Ok(BlobCopy::Missing),
            Err(error) if error.is_loss() => return Ok(BlobCopy::Damaged),
            Err(error) => return Err(error),
        }
    }
    let staged = incoming.finish().await?;
    if staged.digest != *digest {
        return Ok(BlobCopy::Damaged);
    }
    to.publish(staged).await?;
    match to.size(digest).await? {
        stored if stored == size => Ok(BlobCopy::Copied),
        _ => Err(StorageError::Truncated(*digest)),
    }
}

fn to_copy_error(error: &dyn std::fmt::Display) -> CliError {
    CliError::new(Code::Unavailable, format!("The storage could not be copied: {error}."))
}
