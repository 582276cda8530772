//! `offprint admin`: administers an installation. Each subcommand takes only the settings that it uses.

mod backup;
mod copy_storage;
mod keys;
mod limits;
mod link_key;
mod root_ids;
mod verify;

use std::path::PathBuf;
use std::process::ExitCode;

use chrono::{TimeZone, Utc};
use clap::Subcommand;
use offprint_core::Code;
use offprint_storage::{StagedBlob, Storage};

use super::{CliError, client, import_presets, samples};
use crate::app::store_blobs;
use crate::db::asset::{self, AssetType, NewAsset, Original};
use crate::db::{self, DbConnection, PgPool, company, image_preset};
use crate::id::{AssetId, CompanyId};
use crate::settings::{DatabaseSettings, StorageSettings};

/// Arguments of `offprint admin`.
#[derive(clap::Args)]
pub struct AdminArgs {
    #[command(subcommand)]
    command: AdminCommand,
}

#[derive(Subcommand)]
enum AdminCommand {
    /// Registers sample assets under the handles that the documentation's examples use, and the image preset `test`.
    Seed {
        #[command(flatten)]
        database: DatabaseSettings,
        #[command(flatten)]
        storage: StorageSettings,
    },
    /// Compares the storage with the database: rows without bytes, bytes without rows, wrong sizes. Prints JSON. Exit
    /// code 2 when something is wrong.
    Verify {
        /// Read every byte and compare SHA-256 and CRC-32.
        #[arg(long)]
        deep: bool,
        #[command(flatten)]
        database: DatabaseSettings,
        #[command(flatten)]
        storage: StorageSettings,
    },
    /// Writes a backup of database and blobs into a folder and verifies it. The service may be running. Repeated with the
    /// same folder, it copies only new blobs. Exit code 2 when something is missing in the backup.
    Backup(backup::BackupArgs),
    /// Restores a backup, with the service stopped, and checks that nothing is missing.
    Restore(backup::RestoreArgs),
    /// Copies all blobs to another storage. Blobs that are already there are skipped, so it can be interrupted and
    /// repeated.
    CopyStorage(copy_storage::CopyStorageArgs),
    /// Sets the limits of one company and prints them. Without limits of its own a company has those of the settings.
    SetLimits(limits::SetLimitsArgs),
    /// Sets the names that a company has in Image Serving, which modifiers write before its assets, and prints them.
    SetRootIds(root_ids::SetRootIdsArgs),
    /// Imports macros of an Image Serving catalog as image presets, and reports what each would lose.
    ImportPresets(import_presets::ImportPresetsArgs),
    /// Creates an API key and prints it, and nothing else, on stdout. It cannot be shown again.
    CreateKey(keys::CreateKeyArgs),
    /// Lists a company's API keys: handle, name, user, state, last use, capabilities.
    ListKeys(keys::ListKeysArgs),
    /// Signs download links with a new key from now on. With `--end-links` all existing links stop working.
    RotateLinkKey(link_key::RotateLinkKeyArgs),
    /// Revokes an API key for good. It is refused within a second.
    RevokeKey(keys::RevokeKeyArgs),
    /// Draws the sample images into a folder.
    DrawSamples {
        /// The folder. Created when it does not exist.
        folder: PathBuf,
        /// Names of single samples. Default: all.
        names: Vec<String>,
    },
}

impl AdminArgs {
    /// Whether the files that it writes are the installation's, and not its caller's.
    pub(super) fn writes_private_files(&self) -> bool {
        !matches!(self.command, AdminCommand::DrawSamples { .. })
    }
}

/// Runs the subcommand.
pub fn run_admin(arguments: AdminArgs) -> Result<ExitCode, CliError> {
    match arguments.command {
        AdminCommand::Seed { database, storage } => client::run_in_runtime(seed_samples(database, storage)),
        AdminCommand::Verify { deep, database, storage } => {
            client::run_in_runtime(verify::run_verify(database, storage, deep))
        }
        AdminCommand::Backup(arguments) => client::run_in_runtime(backup::run_backup(arguments)),
        AdminCommand::Restore(arguments) => client::run_in_runtime(backup::run_restore(arguments)),
        AdminCommand::CopyStorage(arguments) => client::run_in_runtime(copy_storage::run_copy_storage(arguments)),
        AdminCommand::SetLimits(arguments) => client::run_in_runtime(limits::run_set_limits(arguments)),
        AdminCommand::SetRootIds(arguments) => client::run_in_runtime(root_ids::run_set_root_ids(arguments)),
        AdminCommand::ImportPresets(arguments) => {
            // The one whose exit code says more.
            return client::run_in_runtime(import_presets::run_import_presets(arguments));
        }
        AdminCommand::CreateKey(arguments) => client::run_in_runtime(keys::run_create_key(arguments)),
        AdminCommand::ListKeys(arguments) => client::run_in_runtime(keys::run_list_keys(arguments)),
        AdminCommand::RotateLinkKey(arguments) => client::run_in_runtime(link_key::run_rotate_link_key(arguments)),
        AdminCommand::RevokeKey(arguments) => client::run_in_runtime(keys::run_revoke_key(arguments)),
        AdminCommand::DrawSamples { folder, names } => {
            let drawn = samples::draw_samples(&folder, &names).map_err(|error| {
                CliError::new(
                    Code::InvalidValue,
                    format!("The samples could not be drawn into {}: {error}.", folder.display()),
                )
            })?;
            drawn.iter().for_each(|path| println!("{}", path.display()));
            Ok(())
        }
    }?;
    Ok(ExitCode::SUCCESS)
}

/// The installation's database, migrated to the schema of this version.
async fn open_database(settings: &DatabaseSettings) -> Result<PgPool, CliError> {
    let pool = super::database::connect_database(settings, 2).await?;
    db::run_migrations(&pool).await.map_err(super::migrate::to_migrate_error)?;
    Ok(pool)
}

/// The handle of the nth sample, from 1. The documentation's examples use it.
fn make_sample_handle(number: usize) -> AssetId {
    AssetId(uuid::Uuid::from_u128(0x0000_0000_0000_7000_8000_0000_0000_0000 + number as u128))
}

async fn seed_samples(database: DatabaseSettings, storage: StorageSettings) -> Result<(), CliError> {
    let pool = open_database(&database).await?;
    let storage = super::serve::open_storage(&database, &storage)?;
    let company = company::ensure_default_company(&pool).await.map_err(to_seed_error)?;
    register_samples(&pool, &storage, company).await?;
    println!(
        "The sample assets are in the folder `samples`. {} is the one of the documentation's examples.",
        make_sample_handle(1)
    );
    Ok(())
}

/// Registers the samples and the preset that are missing. Existing ones stay as they are, even when somebody changed them.
pub async fn register_samples(pool: &PgPool, storage: &Storage, company: CompanyId) -> Result<(), CliError> {
    for (index, name) in samples::list_sample_names().enumerate() {
        register_sample(pool, storage, company, make_sample_handle(index + 1), name).await?;
    }
    let mut connection = pool.acquire().await.map_err(to_seed_error)?;
    save_sample_preset(&mut connection, company).await.map_err(to_seed_error)
}

async fn register_sample(
    pool: &PgPool,
    storage: &Storage,
    company: CompanyId,
    handle: AssetId,
    name: &str,
) -> Result<(), CliError> {
    let mut connection = pool.acquire().await.map_err(to_seed_error)?;
    if asset::is_asset_registered(&mut connection, company, handle).await.map_err(to_seed_error)? {
        return Ok(());
    }
    let staged =
        storage.stage_bytes(samples::encode_sample(name).map_err(to_seed_error)?).await.map_err(to_seed_error)?;
    let new = describe_sample(name, handle, &staged)?;
    store_blobs(pool, storage, vec![staged]).await.map_err(to_seed_error)?;
    asset::insert_asset(&mut connection, company, &new).await.map_err(to_seed_error)
}

fn describe_sample(name: &str, handle: AssetId, staged: &StagedBlob) -> Result<NewAsset, CliError> {
    let header = offprint_imaging::read_image_header(staged.path()).map_err(to_seed_error)?;
    let base = name.rsplit_once('.').map_or(name, |(base, _)| base);
    Ok(NewAsset {
        asset_id: handle,
        name: base.to_owned(),
        file_name: name.to_owned(),
        folder: "samples".to_owned(),
        metadata: Default::default(),
        original: Original {
            kind: AssetType::Image,
            sha256: staged.digest,
            size: staged.size as i64,
            mime: header.format.mime().to_owned(),
            header: serde_json::to_value(&header).ok(),
            unconvertible: None,
            // A fixed time, so that archives of samples are the same everywhere.
            entry_time: Utc.with_ymd_and_hms(2026, 1, 1, 12, 0, 0).single(),
        },
        record: Default::default(),
    })
}

/// The image preset of the documentation's example.
async fn save_sample_preset(connection: &mut DbConnection, company: CompanyId) -> Result<(), db::DbError> {
    match image_preset::fetch_image_preset(connection, company, "test").await {
        Err(db::DbError::NotFound(_)) => {
            let description = "640 px wide, TIFF with LZW: the preset of the documented ExportJob example";
            image_preset::save_image_preset(
                connection,
                company,
                "test",
                "wid=640&fmt=tif,,lzw",
                Some(description),
                None,
            )
            .await
            .map(drop)
        }
        other => other.map(drop),
    }
}

fn to_seed_error(error: impl std::fmt::Display) -> CliError {
    CliError::new(Code::Unavailable, format!("The samples could not be registered: {error}."))
}
