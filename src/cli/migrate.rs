//! `offprint migrate`: brings the database to this version's tables.

use sqlx::migrate::MigrateError;

use super::Refusal;
use crate::code::Code;
use crate::db;
use crate::settings::Settings;

/// Arguments of `offprint migrate`.
#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    settings: Settings,
}

/// Runs what is missing. Repeating it is harmless.
pub fn run(arguments: Arguments) -> Result<(), Refusal> {
    let options = super::serve::options(&arguments.settings)?;
    let runtime = tokio::runtime::Runtime::new().map_err(|error| Refusal::new(Code::Unavailable, error.to_string()))?;
    runtime.block_on(async { db::migrate(&db::pool(options, 1)).await.map_err(refused) })
}

/// Why the tables could not be brought up to date.
pub fn refused(error: MigrateError) -> Refusal {
    let detail = match error {
        MigrateError::VersionMissing(version) => format!(
            "The database has step {version}, which this version of Offprint does not know: a newer one has been here. Run that version, or restore a backup."
        ),
        MigrateError::VersionMismatch(version) => {
            format!(
                "Step {version} in the database is not the one of this version. Run the version that made it, or restore a backup."
            )
        }
        other => format!("The tables could not be brought up to date: {other}."),
    };
    Refusal::new(Code::Unavailable, detail)
}
