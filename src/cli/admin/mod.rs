//! `offprint admin`: looks after an installation.

mod copy;
mod keys;
mod limits;
mod links;
mod verify;

use std::path::PathBuf;

use chrono::{TimeZone, Utc};
use clap::Subcommand;

use super::{Refusal, client, import_presets, samples};
use crate::code::Code;
use crate::db::asset::{self, AssetType, NewAsset, Original};
use crate::db::{self, Connection, PgPool, company, image_preset};
use crate::id::{AssetId, CompanyId};
use crate::render;
use crate::settings::Settings;
use crate::state::keep;
use crate::storage::{Staged, Storage};

/// Arguments of `offprint admin`.
#[derive(clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Registers sample assets under the handles that the documentation's examples use, and the preset `test`.
    Seed {
        #[command(flatten)]
        settings: Box<Settings>,
    },
    /// Compares the storage with the database: rows without bytes, bytes without rows, wrong sizes. Prints JSON; exit
    /// code 2 when something is wrong.
    Verify {
        /// Read every byte and compare SHA-256 and CRC-32.
        #[arg(long)]
        deep: bool,
        #[command(flatten)]
        settings: Box<Settings>,
    },
    /// Copies all blobs to another storage. What is there already is skipped, so it can be stopped and started again.
    CopyStorage(copy::Arguments),
    /// Sets what one company may have, and prints it. A company without limits of its own has those of the settings.
    SetLimits(limits::Arguments),
    /// Takes macros of an Image Serving catalog as image presets, and says what each would lose.
    ImportPresets(import_presets::Arguments),
    /// Makes a key and prints it, and nothing else, on stdout. It cannot be shown again.
    CreateKey(keys::Create),
    /// Lists a company's keys: handle, name, user, state, last use, capabilities.
    ListKeys(keys::List),
    /// Lets another key sign links from now on; with `--end-links` all that were made until now end.
    RotateLinkKey(links::Arguments),
    /// Ends a key for ever; it is refused within a second.
    RevokeKey(keys::Revoke),
    /// Draws the sample pictures into a folder.
    DrawSamples {
        /// The folder; made when it is not there.
        folder: PathBuf,
        /// Names of single samples; all when none is given.
        names: Vec<String>,
    },
}

/// Does what the subcommand says.
pub fn run(arguments: Arguments) -> Result<(), Refusal> {
    match arguments.command {
        Command::Seed { settings } => client::run(seed(*settings)),
        Command::Verify { deep, settings } => client::run(verify::run(*settings, deep)),
        Command::CopyStorage(arguments) => client::run(copy::run(arguments)),
        Command::SetLimits(arguments) => client::run(limits::run(arguments)),
        Command::ImportPresets(arguments) => client::run(import_presets::run(arguments)),
        Command::CreateKey(arguments) => client::run(keys::create(arguments)),
        Command::ListKeys(arguments) => client::run(keys::list(arguments)),
        Command::RotateLinkKey(arguments) => client::run(links::run(arguments)),
        Command::RevokeKey(arguments) => client::run(keys::revoke(arguments)),
        Command::DrawSamples { folder, names } => {
            let drawn = samples::draw(&folder, &names).map_err(|error| {
                Refusal::new(
                    Code::InvalidValue,
                    format!("The samples could not be drawn into {}: {error}.", folder.display()),
                )
            })?;
            drawn.iter().for_each(|path| println!("{}", path.display()));
            Ok(())
        }
    }
}

/// The installation's database, with this version's tables.
async fn open(settings: &Settings) -> Result<PgPool, Refusal> {
    let settings = settings.clone().with_secrets().map_err(|error| Refusal::new(Code::InvalidValue, error))?;
    let pool = db::system(super::serve::options(&settings)?, 2);
    db::migrate(&pool).await.map_err(super::migrate::refused)?;
    Ok(pool)
}

/// The handle of the nth sample, from 1: written into the documentation's examples.
fn handle(number: usize) -> AssetId {
    AssetId(uuid::Uuid::from_u128(0x0000_0000_0000_7000_8000_0000_0000_0000 + number as u128))
}

async fn seed(settings: Settings) -> Result<(), Refusal> {
    let settings = settings.with_secrets().map_err(|error| Refusal::new(Code::InvalidValue, error))?;
    let pool = open(&settings).await?;
    let storage = super::serve::open_storage(&settings)?;
    let company = company::default(&pool).await.map_err(unavailable)?;
    register(&pool, &storage, company).await?;
    println!("Sample assets are in the folder samples; the documented example's is {}.", handle(1));
    Ok(())
}

/// Registers the samples and the preset that are missing; what is there is left as it is, also where somebody changed
/// it.
pub async fn register(pool: &PgPool, storage: &Storage, company: CompanyId) -> Result<(), Refusal> {
    for (index, name) in samples::names().enumerate() {
        sample(pool, storage, company, handle(index + 1), name).await?;
    }
    let mut connection = pool.acquire().await.map_err(unavailable)?;
    preset(&mut connection, company).await.map_err(unavailable)
}

async fn sample(
    pool: &PgPool,
    storage: &Storage,
    company: CompanyId,
    handle: AssetId,
    name: &str,
) -> Result<(), Refusal> {
    let mut connection = pool.acquire().await.map_err(unavailable)?;
    if asset::is_registered(&mut connection, company, handle).await.map_err(unavailable)? {
        return Ok(());
    }
    let staged = storage.stage_bytes(samples::bytes(name).map_err(unavailable)?).await.map_err(unavailable)?;
    let new = described(name, handle, &staged)?;
    keep(pool, storage, staged).await.map_err(unavailable)?;
    asset::insert(&mut connection, company, &new).await.map_err(unavailable)
}

fn described(name: &str, handle: AssetId, staged: &Staged) -> Result<NewAsset, Refusal> {
    let header = render::probe(staged.path()).map_err(unavailable)?;
    let base = name.rsplit_once('.').map_or(name, |(base, _)| base);
    Ok(NewAsset {
        asset_id: handle,
        name: base.to_owned(),
        file_name: name.to_owned(),
        folder: "samples".to_owned(),
        original: Original {
            kind: AssetType::Image,
            sha256: staged.digest,
            size: staged.size as i64,
            mime: header.format.mime().to_owned(),
            header: serde_json::to_value(&header).ok(),
            // Drawn, not taken: the same time everywhere, so that archives of samples are the same too.
            entry_time: Utc.with_ymd_and_hms(2026, 1, 1, 12, 0, 0).single(),
        },
    })
}

/// The preset of the documented example.
async fn preset(connection: &mut Connection, company: CompanyId) -> Result<(), db::Error> {
    match image_preset::fetch(connection, company, "test").await {
        Err(db::Error::Missing(_)) => {
            let about = "640 px wide, TIFF with LZW: the preset of the documented ExportJob example";
            image_preset::save(connection, company, "test", "wid=640&fmt=tif,,lzw", Some(about)).await.map(drop)
        }
        other => other.map(drop),
    }
}

fn unavailable(error: impl std::fmt::Display) -> Refusal {
    Refusal::new(Code::Unavailable, format!("The samples could not be registered: {error}."))
}
