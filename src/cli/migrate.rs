//! `offprint migrate`: brings the database to this version's tables.

use sqlx::migrate::MigrateError;

use super::Refusal;
use crate::code::Code;
use crate::db::{self, OtherTables, PgPool};
use crate::settings::{Migrate, Settings};

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
    runtime.block_on(async { db::migrate(&db::system(options, 1)).await.map_err(refused) })
}

/// What `serve` does about the tables before it begins.
pub async fn on_start(pool: &PgPool, migrate: Migrate) -> Result<(), Refusal> {
    match migrate {
        Migrate::Run => db::migrate(pool).await.map_err(refused),
        Migrate::Check => db::check_tables(pool).await.map_err(|error| match error {
            OtherTables::Other(error) => refused(error),
            OtherTables::Older(steps) => {
                let steps = steps.iter().map(i64::to_string).collect::<Vec<_>>().join(", ");
                let detail = format!(
                    "The database lacks the steps {steps} of this version. Run `offprint migrate` with this version first, or \
                     set OFFPRINT_MIGRATE=run."
                );
                Refusal::new(Code::Unavailable, detail)
            }
        }),
    }
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
