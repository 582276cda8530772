//! `offprint admin copy-storage`: carries blobs from one storage to another.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, stream};
use serde::Serialize;

use super::super::{Refusal, serve};
use crate::code::Code;
use crate::digest::Digest;
use crate::storage::{Error, Found, Storage};

/// Blobs that are copied at the same time.
const ABREAST: usize = 4;

/// How long one request to an object store may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Arguments of `offprint admin copy-storage`.
#[derive(clap::Args)]
pub struct Arguments {
    /// Where blobs are: s3://bucket/prefix, gs://…, az://…, or file:///folder for a data folder.
    #[arg(long)]
    from: String,

    /// Where they shall be.
    #[arg(long)]
    to: String,

    /// Folder for files on their way to an object store.
    #[arg(long, env = "OFFPRINT_DATA_DIR", default_value = "./data")]
    data_dir: PathBuf,
}

/// What was done.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    /// Blobs that were copied now.
    copied: u64,
    /// Their bytes.
    bytes: u64,
    /// Blobs that were there already, in their full length.
    skipped: u64,
    /// Blobs whose bytes do not have their name, and that were not copied.
    damaged: Vec<String>,
}

/// Copies what is not there yet, and prints a report. Stopped and started again it goes on.
///
/// # Errors
/// When a blob is damaged, or a storage cannot be asked.
pub async fn run(arguments: Arguments) -> Result<(), Refusal> {
    let environment = serve::environment();
    let open = |address: &str| {
        if !address.contains("://") {
            let detail = format!("{address} is no address of a storage, such as s3://bucket/prefix or file:///folder.");
            return Err(Refusal::new(Code::InvalidValue, detail));
        }
        Storage::at(address, &environment, &arguments.data_dir, PATIENCE).map_err(|error| failed(&error))
    };
    let (from, to) = (open(&arguments.from)?, open(&arguments.to)?);
    let mut report = Report::default();
    for first in 0..=u8::MAX {
        part(&from, &to, first, &mut report).await.map_err(|error| failed(&error))?;
    }
    println!("{}", serde_json::to_string_pretty(&report).map_err(|error| failed(&error))?);
    match report.damaged.len() {
        0 => Ok(()),
        damaged => {
            let detail =
                format!("{damaged} blobs are damaged where they are, and were not copied; all others are there.");
            Err(Refusal::new(Code::CorruptOriginal, detail))
        }
    }
}

/// Copies a 256th.
async fn part(from: &Storage, to: &Storage, first: u8, report: &mut Report) -> Result<(), Error> {
    let there: HashMap<Digest, u64> =
        to.list(first).await?.into_iter().map(|found| (found.digest, found.size)).collect();
    let (there, missing): (Vec<Found>, Vec<Found>) =
        from.list(first).await?.into_iter().partition(|blob| there.get(&blob.digest) == Some(&blob.size));
    report.skipped += there.len() as u64;
    let mut copied = stream::iter(missing)
        .map(|blob| async move { copy(from, to, &blob).await.map(|sound| (blob, sound)) })
        .buffer_unordered(ABREAST);
    while let Some((blob, sound)) = copied.try_next().await? {
        if sound {
            report.copied += 1;
            report.bytes += blob.size;
        } else {
            report.damaged.push(blob.digest.to_string());
        }
    }
    Ok(())
}

/// Copies a blob, if its bytes have its name. One that was removed meanwhile need not be copied.
async fn copy(from: &Storage, to: &Storage, blob: &Found) -> Result<bool, Error> {
    let mut incoming = to.receive().await?;
    let mut pieces = from.read_range(&blob.digest, 0, blob.size);
    while let Some(piece) = pieces.next().await {
        match piece {
            Ok(piece) => incoming.write(&piece).await?,
            Err(Error::Missing(_)) => return Ok(true),
            Err(error) if error.is_loss() => return Ok(false),
            Err(error) => return Err(error),
        }
    }
    let staged = incoming.finish().await?;
    if staged.digest != blob.digest {
        return Ok(false);
    }
    to.publish(staged).await?;
    match to.size(&blob.digest).await? {
        stored if stored == blob.size => Ok(true),
        _ => Err(Error::Short(blob.digest)),
    }
}

fn failed(error: &dyn std::fmt::Display) -> Refusal {
    Refusal::new(Code::Unavailable, format!("The storage could not be copied: {error}."))
}
