//! `offprint admin restore`.
//!
//! Everything that can be checked is checked before the target is touched. Blobs come first, because bytes without rows
//! are harmless and rows without bytes are not; then the database, in one transaction.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use futures_util::{StreamExt, TryStreamExt, stream};
use offprint_core::{Code, Digest};
use offprint_embedded_postgres::{ClientPrograms, EmbeddedPostgres};
use offprint_storage::{Storage, StorageError};
use serde::Serialize;
use sqlx::postgres::PgConnectOptions;

use super::blob_list::{BlobEntry, BlobListReader};
use super::database_dump;
use super::manifest::BackupManifest;
use crate::cli::admin::copy_storage::{BlobCopy, MAX_PARALLEL_COPIES, copy_blob};
use crate::cli::client::ProgressReporter;
use crate::cli::{CliError, data_dir, database, serve};
use crate::db::{self, PgPool, blob, migrations, retention, worker};
use crate::settings::{DatabaseSettings, StorageSettings};

/// Arguments of `offprint admin restore`.
#[derive(clap::Args)]
pub(in crate::cli::admin) struct RestoreArgs {
    /// The folder of the backup.
    folder: PathBuf,

    /// Replace the database that is there: everything in it is lost. Blobs that are stored already stay.
    #[arg(long)]
    replace: bool,

    #[command(flatten)]
    database: DatabaseSettings,

    #[command(flatten)]
    storage: StorageSettings,
}

/// The result, printed as JSON.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct RestoreReport {
    /// Blobs that the database names.
    blobs: u64,
    bytes: u64,
    /// Blobs that were copied now; the others were in the storage already.
    copied: u64,
    /// Blobs that were lost before the backup was made.
    lost_before: Vec<Digest>,
    /// Blobs that the database names and the storage does not have.
    missing: Vec<Digest>,
}

/// Restores a backup and prints a report.
///
/// # Errors
/// When the target is not empty, the backup is damaged, or a blob is missing in the end.
pub(in crate::cli::admin) async fn run_restore(arguments: RestoreArgs) -> Result<(), CliError> {
    let folder = &arguments.folder;
    let manifest = BackupManifest::find(folder)?.ok_or_else(|| {
        let detail = format!("{} contains no backup: there is no manifest.json in it.", folder.display());
        CliError::new(Code::InvalidValue, detail)
    })?;
    check_schema_is_known(&manifest)?;
    eprintln!("Restoring the backup of {}", manifest.created_at.format("%Y-%m-%d %H:%M:%S UTC"));
    manifest.database.verify(folder)?;
    manifest.blobs.list.verify(folder)?;
    let settings =
        arguments.database.clone().with_secrets().map_err(|error| CliError::new(Code::InvalidValue, error))?;
    data_dir::prepare_data_dir(&settings.data_dir)?;
    let (options, postgres) = open_database(&settings).await?;
    let result = restore_backup(&arguments, &settings, &options, &manifest).await;
    if let Some(postgres) = postgres {
        postgres.stop().await.map_err(|error| to_restore_error(&error))?;
    }
    let report = result?;
    println!("{}", serde_json::to_string_pretty(&report).map_err(|error| to_restore_error(&error))?);
    if report.missing.is_empty() {
        return Ok(());
    }
    let detail = format!(
        "The database was restored, but {} blobs that it names are not in the storage. Restore the storage from its own \
         backup, or upload these files again; `offprint admin verify` lists them.",
        report.missing.len()
    );
    Err(CliError::new(Code::CorruptOriginal, detail))
}

fn check_schema_is_known(manifest: &BackupManifest) -> Result<(), CliError> {
    let known = migrations::list_known_versions();
    let Some(newer) = manifest.schema.iter().find(|version| !known.contains(version)) else { return Ok(()) };
    let detail = format!(
        "The backup was made by Offprint {}, whose database has migration {newer}, which this version does not know. \
         Restore it with that version or a later one.",
        manifest.offprint_version
    );
    Err(CliError::new(Code::InvalidValue, detail))
}

/// The database that is given, or the private one, which is started here: then no service can be running on it.
async fn open_database(settings: &DatabaseSettings) -> Result<(PgConnectOptions, Option<EmbeddedPostgres>), CliError> {
    if settings.database_url.is_some() {
        return Ok((database::read_connect_options(settings)?, None));
    }
    let postgres = EmbeddedPostgres::start(&settings.data_dir)
        .await
        .map_err(|error| CliError::new(Code::Unavailable, format!("{error}.")))?;
    Ok((postgres.connect_options(), Some(postgres)))
}

async fn restore_backup(
    arguments: &RestoreArgs,
    settings: &DatabaseSettings,
    options: &PgConnectOptions,
    manifest: &BackupManifest,
) -> Result<RestoreReport, CliError> {
    let pool = database::connect_with(options, 2).await?;
    let (server_version, _) =
        db::backup::fetch_server_version(&pool).await.map_err(|error| to_restore_error(&error))?;
    let programs = ClientPrograms::find(server_version.cast_unsigned() / 10_000)
        .await
        .map_err(|error| CliError::new(Code::Unavailable, format!("{error}.")))?;
    let dump = arguments.folder.join(&manifest.database.name);
    database_dump::verify_dump(&programs, &dump).await?;
    let is_empty = check_database_is_free(&pool, arguments.replace).await?;
    let storage = serve::open_storage(settings, &arguments.storage)?;
    storage.ping().await.map_err(|error| to_restore_error(&error))?;
    if manifest.blobs.included && !arguments.replace {
        check_storage_is_empty(&storage).await?;
    }
    let mut report = RestoreReport {
        blobs: manifest.blobs.count,
        bytes: manifest.blobs.bytes,
        lost_before: manifest.blobs.lost.clone(),
        ..Default::default()
    };
    if manifest.blobs.included {
        report.copied = copy_blobs(&arguments.folder, &storage, manifest).await?;
    }
    eprintln!("Restoring the database");
    if !is_empty {
        db::backup::clear_database(&pool).await.map_err(|error| to_restore_error(&error))?;
    }
    database_dump::restore_database(&programs, options, &dump).await?;
    db::backup::analyze_database(&pool).await.map_err(|error| to_restore_error(&error))?;
    migrations::check_schema(&pool).await.map_err(crate::cli::migrate::to_migrate_error)?;
    report.missing = find_missing_blobs(&pool, &storage, &manifest.blobs.lost).await?;
    Ok(report)
}

/// Whether the database is empty. One that is not may only be replaced, and only when no process works on it.
async fn check_database_is_free(pool: &PgPool, replace: bool) -> Result<bool, CliError> {
    if db::backup::is_database_empty(pool).await.map_err(|error| to_restore_error(&error))? {
        return Ok(true);
    }
    if !replace {
        return Err(CliError::new(
            Code::InvalidValue,
            "The database is not empty. Restore into an empty one, or give --replace: then everything that is in it now is \
             lost.",
        ));
    }
    // Tables that are not ours have no workers.
    let workers = worker::list_live_workers(pool).await.map(|workers| workers.len()).unwrap_or(0);
    if workers > 0 {
        let detail = format!("{workers} workers use the database. Stop all processes of Offprint first.");
        return Err(CliError::new(Code::Unavailable, detail));
    }
    Ok(false)
}

async fn check_storage_is_empty(storage: &Storage) -> Result<(), CliError> {
    for first in 0..=u8::MAX {
        if !storage.list(first).await.map_err(|error| to_restore_error(&error))?.is_empty() {
            return Err(CliError::new(
                Code::InvalidValue,
                "The storage is not empty. Restore into an empty data folder or prefix, or give --replace: blobs that are \
                 there already then stay.",
            ));
        }
    }
    Ok(())
}

/// Copies the blobs of the backup and compares each with its name. Those that the storage has already are read and kept
/// when they are sound. Returns how many were copied.
async fn copy_blobs(folder: &Path, storage: &Storage, manifest: &BackupManifest) -> Result<u64, CliError> {
    let source = &Storage::open_existing(folder).map_err(|error| to_restore_error(&error))?;
    let progress = ProgressReporter::for_bytes("Restoring blobs", manifest.blobs.bytes);
    let entries =
        BlobListReader::open(&folder.join(&manifest.blobs.list.name)).map_err(|error| to_restore_error(&error))?;
    let mut copies = stream::iter(entries)
        .map(|entry| async move {
            let entry = entry.map_err(|error| to_restore_error(&error))?;
            let copied = restore_blob(source, storage, &entry).await.map_err(|error| to_restore_error(&error))?;
            Ok::<_, CliError>((entry, copied))
        })
        .buffer_unordered(MAX_PARALLEL_COPIES);
    let (mut copied, mut damaged) = (0, Vec::new());
    while let Some((entry, copy)) = copies.try_next().await? {
        progress.add(entry.size);
        match copy {
            None => {}
            Some(BlobCopy::Copied) => copied += 1,
            // Whether something refers to it is seen at the end.
            Some(BlobCopy::Missing) => {}
            Some(BlobCopy::Damaged) if manifest.blobs.lost.contains(&entry.digest) => {}
            Some(BlobCopy::Damaged) => damaged.push(entry.digest),
        }
    }
    match damaged.first() {
        None => Ok(copied),
        Some(first) => Err(CliError::new(
            Code::CorruptOriginal,
            format!(
                "{} blobs of the backup are damaged, {first} among them. The database was not touched. Take another \
                 backup.",
                damaged.len()
            ),
        )),
    }
}

/// None when the storage has the blob already.
async fn restore_blob(
    source: &Storage,
    storage: &Storage,
    entry: &BlobEntry,
) -> Result<Option<BlobCopy>, StorageError> {
    match storage.check_blob(&entry.digest, entry.size, entry.crc32, None).await {
        Ok(()) => return Ok(None),
        Err(error) if error.is_loss() => {}
        Err(error) => return Err(error),
    }
    copy_blob(source, storage, &entry.digest, entry.size).await.map(Some)
}

/// The blobs that the database refers to and the storage does not have in full length, without those that were lost
/// before the backup.
async fn find_missing_blobs(pool: &PgPool, storage: &Storage, lost: &[Digest]) -> Result<Vec<Digest>, CliError> {
    let mut missing = Vec::new();
    for first in 0..=u8::MAX {
        let stored = storage.list(first).await.map_err(|error| to_restore_error(&error))?;
        let sizes: HashMap<Digest, u64> = stored.into_iter().map(|blob| (blob.digest, blob.size)).collect();
        for row in blob::list_blobs_by_prefix(pool, first).await.map_err(|error| to_restore_error(&error))? {
            let is_there = sizes.get(&row.sha256) == Some(&row.size.cast_unsigned());
            if !is_there
                && !lost.contains(&row.sha256)
                && !retention::is_blob_unused(pool, &row.sha256).await.map_err(|error| to_restore_error(&error))?
            {
                missing.push(row.sha256);
            }
        }
    }
    Ok(missing)
}

fn to_restore_error(error: &dyn std::fmt::Display) -> CliError {
    CliError::new(Code::Unavailable, format!("The backup could not be restored: {error}."))
}
