//! `offprint admin backup` and `offprint admin restore`: the database and its blobs as one folder.
//!
//! ```text
//!   manifest.json               what belongs to the backup; written last, by a rename: a backup is complete or not there
//!   database-<time>.dump        of pg_dump, format "custom"
//!   blobs-<time>.txt            SHA-256, size and CRC-32 of every blob that the dump names, in order
//!   blobs/ab/cd/<SHA-256>       the blobs, as in a data folder
//! ```
//!
//! The database comes first and the blobs after it: the dump and the list of blobs are of one snapshot, so the list is
//! all that the dump names. What keeps those blobs in the storage until they are copied is a lock against their removal
//! (`db/backup.rs`). A restore goes the other way round: blobs first, then the database in one transaction, so that no
//! moment shows rows without their bytes.
//!
//! Begin reading with [`run_backup`] and [`run_restore`].

mod blob_copies;
mod blob_list;
mod database_dump;
mod manifest;
mod restore;

use std::path::{Path, PathBuf};

use chrono::Utc;
use offprint_core::{Code, Digest};
use offprint_embedded_postgres::{ClientPrograms, EmbeddedPostgres};
use serde::Serialize;
use sqlx::postgres::PgConnectOptions;

use self::blob_copies::{CopyTotals, copy_blobs, verify_blobs, write_blob_list};
use self::manifest::{BackupFile, BackupManifest, BlobSection, MANIFEST_FORMAT};
pub(super) use self::restore::{RestoreArgs, run_restore};
use super::super::{CliError, data_dir, database, serve};
use crate::db::backup::BackupSnapshot;
use crate::db::migrations::{self, SchemaStatus};
use crate::db::{self, DbError, PgPool};
use crate::settings::{DatabaseSettings, StorageSettings};

/// Arguments of `offprint admin backup`.
#[derive(clap::Args)]
pub(super) struct BackupArgs {
    /// The folder of the backup: a new or empty one, or that of an earlier backup, which is then replaced. Blobs that
    /// are in it already are not copied again.
    folder: PathBuf,

    /// Back up the database only and leave the blobs out, where the object store keeps copies or versions of its own.
    #[arg(long)]
    without_blobs: bool,

    #[command(flatten)]
    database: DatabaseSettings,

    #[command(flatten)]
    storage: StorageSettings,
}

/// The result, printed as JSON.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct BackupReport {
    folder: PathBuf,
    /// Blobs that the database names, and their bytes.
    blobs: u64,
    bytes: u64,
    /// Blobs that were copied now; the others were there already.
    copied: u64,
    /// Blobs whose bytes were read back and compared with their SHA-256.
    verified: u64,
    /// Blobs that are missing or damaged in the storage, and so are not in the backup.
    lost: Vec<Digest>,
}

/// Writes the backup and prints a report.
///
/// # Errors
/// When blobs are lost, which the backup then names, or when it could not be made.
pub(super) async fn run_backup(arguments: BackupArgs) -> Result<(), CliError> {
    let settings =
        arguments.database.clone().with_secrets().map_err(|error| CliError::new(Code::InvalidValue, error))?;
    let (options, postgres) = open_database(&settings).await?;
    let result = write_backup(&arguments, &settings, &options).await;
    if let Some(postgres) = postgres {
        postgres.stop().await.map_err(|error| to_backup_error(&error))?;
    }
    let report = result?;
    println!("{}", serde_json::to_string_pretty(&report).map_err(|error| to_backup_error(&error))?);
    match report.lost.len() {
        0 => Ok(()),
        lost => {
            let detail = format!(
                "{lost} blobs are missing or damaged in the storage and could not be backed up; everything else was. Run \
                 `offprint admin verify --deep`, upload these files again, and repeat the backup."
            );
            Err(CliError::new(Code::CorruptOriginal, detail))
        }
    }
}

/// The database that is given, or the private one, which is started when no service runs it.
async fn open_database(settings: &DatabaseSettings) -> Result<(PgConnectOptions, Option<EmbeddedPostgres>), CliError> {
    if settings.database_url.is_some() {
        return Ok((database::read_connect_options(settings)?, None));
    }
    let to_error =
        |error: offprint_embedded_postgres::PostgresError| CliError::new(Code::Unavailable, error.to_string());
    match offprint_embedded_postgres::find_running_server(&settings.data_dir) {
        Ok(options) => Ok((options, None)),
        Err(offprint_embedded_postgres::PostgresError::NotRunning { .. })
            if offprint_embedded_postgres::has_database(&settings.data_dir).map_err(to_error)? =>
        {
            let postgres = EmbeddedPostgres::start(&settings.data_dir).await.map_err(to_error)?;
            Ok((postgres.connect_options(), Some(postgres)))
        }
        Err(offprint_embedded_postgres::PostgresError::NotRunning { .. }) => {
            let detail = format!(
                "There is no database in the data folder {}. Set OFFPRINT_DATA_DIR or DATABASE_URL as for `serve`.",
                settings.data_dir.display()
            );
            Err(CliError::new(Code::InvalidValue, detail))
        }
        Err(error) => Err(to_error(error)),
    }
}

async fn write_backup(
    arguments: &BackupArgs,
    settings: &DatabaseSettings,
    options: &PgConnectOptions,
) -> Result<BackupReport, CliError> {
    let folder = &arguments.folder;
    let earlier = prepare_folder(folder)?;
    let pool = database::connect_with(options, 4).await?;
    let schema = read_schema(&pool).await?;
    let storage = match arguments.without_blobs {
        true => None,
        false => {
            data_dir::prepare_data_dir(&settings.data_dir)?;
            let storage = serve::open_storage(settings, &arguments.storage)?;
            storage.ping().await.map_err(|error| to_backup_error(&error))?;
            Some(storage)
        }
    };
    let (server_version, version_text) =
        db::backup::fetch_server_version(&pool).await.map_err(|error| to_backup_error(&error))?;
    let programs = ClientPrograms::find(server_version.cast_unsigned() / 10_000)
        .await
        .map_err(|error| CliError::new(Code::Unavailable, format!("{error}.")))?;

    let created_at = Utc::now();
    let stamp = created_at.format("%Y%m%dT%H%M%S%3fZ");
    let (dump_name, list_name) = (format!("database-{stamp}.dump"), format!("blobs-{stamp}.txt"));
    let mut snapshot = BackupSnapshot::open(&pool).await.map_err(|error| to_snapshot_error(&error))?;
    eprintln!("Dumping the database");
    let dump_path = folder.join(&dump_name);
    database_dump::dump_database(&programs, options, &snapshot.name, &dump_path).await?;
    let totals = write_blob_list(&mut snapshot, &folder.join(&list_name)).await?;
    let lock = snapshot.end_snapshot().await.map_err(|error| to_backup_error(&error))?;
    let copies = match &storage {
        Some(storage) => copy_blobs(&pool, storage, folder, &list_name, totals).await?,
        None => CopyTotals::default(),
    };
    lock.release().await.map_err(|error| {
        let detail = format!(
            "The connection to the database was lost during the backup, so blobs may have been removed before they were \
             copied ({error}). Repeat the backup: what was copied is not copied again."
        );
        CliError::new(Code::Unavailable, detail)
    })?;
    database_dump::verify_dump(&programs, &dump_path).await?;
    let verified = match &storage {
        Some(_) => verify_blobs(folder, &list_name, totals, &copies.lost).await?,
        None => 0,
    };
    let manifest = BackupManifest {
        format: MANIFEST_FORMAT,
        created_at,
        offprint_version: env!("CARGO_PKG_VERSION").to_owned(),
        postgres_version: version_text,
        schema,
        database: BackupFile::from_file(folder, &dump_name).map_err(|error| to_backup_error(&error))?,
        blobs: BlobSection {
            list: BackupFile::from_file(folder, &list_name).map_err(|error| to_backup_error(&error))?,
            count: totals.count,
            bytes: totals.bytes,
            included: storage.is_some(),
            note: storage.is_none().then(|| describe_left_out(&arguments.storage)),
            lost: copies.lost.clone(),
        },
    };
    manifest.write(folder).map_err(|error| to_backup_error(&error))?;
    remove_leftovers(folder, earlier.as_ref());
    Ok(BackupReport {
        folder: folder.clone(),
        blobs: totals.count,
        bytes: totals.bytes,
        copied: copies.copied,
        verified,
        lost: copies.lost,
    })
}

/// Creates the folder. The manifest of the backup that is in it; none when it is empty.
///
/// # Errors
/// When the folder contains something else, which would be mixed up with the backup.
fn prepare_folder(folder: &Path) -> Result<Option<BackupManifest>, CliError> {
    std::fs::create_dir_all(folder).map_err(|error| {
        CliError::new(Code::InvalidValue, format!("The folder {} could not be created: {error}.", folder.display()))
    })?;
    if let Some(manifest) = BackupManifest::find(folder)? {
        return Ok(Some(manifest));
    }
    let entries = std::fs::read_dir(folder).map_err(|error| to_backup_error(&error))?;
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        // What an interrupted backup leaves.
        let is_ours = ["blobs", "tmp", "copies"].contains(&&*name)
            || name.starts_with("database-")
            || name.starts_with("blobs-")
            || name.starts_with(".tmp");
        if !is_ours {
            let detail = format!(
                "The folder {} contains {name} and is no backup. Give a new folder, or that of an earlier backup.",
                folder.display()
            );
            return Err(CliError::new(Code::InvalidValue, detail));
        }
    }
    Ok(None)
}

/// The migrations of the database.
async fn read_schema(pool: &PgPool) -> Result<Vec<i64>, CliError> {
    let known = migrations::list_known_versions();
    match migrations::check_schema(pool).await.map_err(super::super::migrate::to_migrate_error)? {
        SchemaStatus::Current => Ok(known),
        SchemaStatus::Older(missing) if missing == known => Err(CliError::new(
            Code::InvalidValue,
            "The database has no tables of Offprint, so there is nothing to back up. Set DATABASE_URL or \
             OFFPRINT_DATA_DIR as for `serve`.",
        )),
        SchemaStatus::Older(missing) => Ok(known.into_iter().filter(|version| !missing.contains(version)).collect()),
        SchemaStatus::Newer(newer) => Ok(known.into_iter().chain(newer).collect()),
    }
}

fn describe_left_out(settings: &StorageSettings) -> String {
    let address = settings.storage_url.as_deref().and_then(|address| url::Url::parse(address).ok()).map(|mut url| {
        // Never with credentials.
        let _ = (url.set_username(""), url.set_password(None));
        url.set_query(None);
        url.to_string()
    });
    format!(
        "The blobs were left out (--without-blobs). They are in {}; keep them there for as long as this backup.",
        address.as_deref().unwrap_or("the data folder")
    )
}

/// Removes the files of the backup that was replaced and of interrupted ones. Blobs stay.
fn remove_leftovers(folder: &Path, earlier: Option<&BackupManifest>) {
    let Ok(Some(current)) = BackupManifest::find(folder) else { return };
    let keep = [&current.database.name, &current.blobs.list.name];
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let is_file_of_a_backup = (name.starts_with("database-") && name.ends_with(".dump"))
            || (name.starts_with("blobs-") && name.ends_with(".txt"));
        if is_file_of_a_backup && !keep.contains(&&name) {
            let _ = std::fs::remove_file(entry.path());
        }
    }
    // The storage's work folders are empty by now.
    let _ = (std::fs::remove_dir(folder.join("tmp")), std::fs::remove_dir(folder.join("copies")));
    if let Some(earlier) = earlier {
        eprintln!("The backup of {} was replaced", earlier.created_at.format("%Y-%m-%d %H:%M:%S UTC"));
    }
}

fn to_snapshot_error(error: &DbError) -> CliError {
    match error {
        DbError::InvalidState { .. } => CliError::new(
            Code::Unavailable,
            "Another backup of this database is running. Wait for its end, or end it, and try again.",
        ),
        error => to_backup_error(error),
    }
}

fn to_backup_error(error: &dyn std::fmt::Display) -> CliError {
    CliError::new(Code::Unavailable, format!("The backup could not be made: {error}."))
}
