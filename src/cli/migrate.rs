//! `offprint migrate`: migrates the database to the schema of this version, and what `serve` does about it at start.

use offprint_core::Code;
use sqlx::migrate::MigrateError;

use super::{CliError, client, database};
use crate::db::migrations::{self, SchemaStatus};
use crate::db::{self, PgPool};
use crate::settings::{DatabaseSettings, MigrationMode};

/// Arguments of `offprint migrate`.
#[derive(clap::Args)]
pub struct MigrateArgs {
    #[command(flatten)]
    database: DatabaseSettings,
}

/// Runs the missing migrations. Repeating it is harmless.
pub fn run_migrate(arguments: MigrateArgs) -> Result<(), CliError> {
    client::run_in_runtime(async {
        let pool = database::connect_database(&arguments.database, 1).await?;
        db::run_migrations(&pool).await.map_err(to_migrate_error)
    })
}

/// Checks the schema before `serve` starts, and migrates it where the settings allow that.
pub async fn migrate_on_start(pool: &PgPool, migrate: MigrationMode) -> Result<(), CliError> {
    match (migrations::check_schema(pool).await.map_err(to_migrate_error)?, migrate) {
        (SchemaStatus::Current, _) => Ok(()),
        (SchemaStatus::Older(_), MigrationMode::Run) => db::run_migrations(pool).await.map_err(to_migrate_error),
        (SchemaStatus::Older(steps), MigrationMode::Check) => {
            let detail = format!(
                "The database lacks {} of this version. Run `offprint migrate` of this version first, or set \
                 OFFPRINT_MIGRATE=run.",
                format_steps(&steps)
            );
            Err(CliError::new(Code::Unavailable, detail))
        }
        (SchemaStatus::Newer(steps), _) => {
            tracing::warn!(
                steps = format_steps(&steps),
                "A newer version has migrated the database. This version continues to work with its schema"
            );
            Ok(())
        }
    }
}

fn format_steps(steps: &[i64]) -> String {
    let numbers = steps.iter().map(i64::to_string).collect::<Vec<_>>().join(", ");
    if steps.len() == 1 { format!("migration {numbers}") } else { format!("migrations {numbers}") }
}

/// Why the database could not be migrated, with the remedy.
pub fn to_migrate_error(error: MigrateError) -> CliError {
    let detail = match error {
        MigrateError::VersionMissing(version) => format!(
            "A newer version of Offprint has migrated the database (migration {version}), and this version cannot work with \
             it. Run the newer version, or restore a backup."
        ),
        MigrateError::VersionMismatch(1) => "The database was created by a version of Offprint before 0.1.0, which cannot \
             be upgraded. Use an empty database (DATABASE_URL), or an empty data folder (OFFPRINT_DATA_DIR), and upload \
             the assets again."
            .to_owned(),
        MigrateError::VersionMismatch(version) => {
            format!(
                "Migration {version} in the database differs from the one of this version. Run the version that migrated \
                 the database, or restore a backup."
            )
        }
        error if is_of_another_session(&error) => {
            "A connection pooler in front of Postgres runs each statement on another connection (PgBouncer with \
             pool_mode=transaction or statement). Set pool_mode=session for Offprint, or connect DATABASE_URL to Postgres \
             directly."
                .to_owned()
        }
        error => format!("The database could not be migrated: {error}."),
    };
    CliError::new(Code::Unavailable, detail)
}

/// Whether a prepared statement is missing, or one exists that we did not prepare: the connection is not ours alone.
fn is_of_another_session(error: &MigrateError) -> bool {
    const PREPARED_STATEMENT_SQLSTATES: [&str; 2] = ["42P05", "26000"];
    let (MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _)) = error else { return false };
    error
        .as_database_error()
        .and_then(|error| error.code())
        .is_some_and(|code| PREPARED_STATEMENT_SQLSTATES.contains(&&*code))
}
