//! `offprint migrate`: brings the database to this version's tables.

use sqlx::migrate::MigrateError;

use super::Refusal;
use crate::code::Code;
use crate::db::tables::{self, Tables};
use crate::db::{self, PgPool};
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
    match (tables::look(pool).await.map_err(refused)?, migrate) {
        (Tables::Current, _) => Ok(()),
        (Tables::Older(_), Migrate::Run) => db::migrate(pool).await.map_err(refused),
        (Tables::Older(steps), Migrate::Check) => {
            let detail = format!(
                "The database lacks the steps {} of this version. Run `offprint migrate` with this version first, or set \
                 OFFPRINT_MIGRATE=run.",
                listed(&steps)
            );
            Err(Refusal::new(Code::Unavailable, detail))
        }
        (Tables::Newer(steps), _) => {
            tracing::warn!(
                steps = listed(&steps),
                "a newer version has been here; this one works on with its tables until it is replaced"
            );
            Ok(())
        }
    }
}

fn listed(steps: &[i64]) -> String {
    steps.iter().map(i64::to_string).collect::<Vec<_>>().join(", ")
}

/// Why the tables could not be brought up to date.
pub fn refused(error: MigrateError) -> Refusal {
    let detail = match error {
        MigrateError::VersionMissing(version) => format!(
            "The database has step {version}, which this version of Offprint does not know and cannot work with: a newer one has been here. Run that version, or restore a backup."
        ),
        MigrateError::VersionMismatch(version) => {
            format!(
                "Step {version} in the database is not the one of this version. Run the version that made it, or restore a backup."
            )
        }
        other if is_of_another_session(&other) => {
            "A pooler before Postgres gives each statement another connection (PgBouncer with pool_mode=transaction or \
             statement). Set pool_mode=session for Offprint, or let DATABASE_URL name Postgres itself."
                .to_owned()
        }
        other => format!("The tables could not be brought up to date: {other}."),
    };
    Refusal::new(Code::Unavailable, detail)
}

/// Whether a statement that was prepared is missing, or one is there that we did not prepare.
fn is_of_another_session(error: &MigrateError) -> bool {
    const TAKEN_OR_MISSING: [&str; 2] = ["42P05", "26000"];
    let (MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _)) = error else { return false };
    error.as_database_error().and_then(|said| said.code()).is_some_and(|code| TAKEN_OR_MISSING.contains(&&*code))
}
