//! The tables, as steps that only go forward, and whether this version may work with those that are there.
//!
//! A step is safe for the version before it, so processes of two versions share a database while one takes over from the
//! other, and either may be started again. A step that older ones cannot work with says so in its name:
//! `0031_drop_outcome_needs_0030.sql` ends the versions that do not know step 30.

use sqlx::migrate::{MigrateError, Migrator};

use crate::db::PgPool;

/// All steps of this version.
static MIGRATIONS: Migrator = sqlx::migrate!();

/// How tables that are there relate to this version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tables {
    /// They are its own.
    Current,
    /// These steps are missing.
    Older(Vec<i64>),
    /// A newer version has been here and made these steps, with which this one can work.
    Newer(Vec<i64>),
}

/// A step that was made.
#[derive(sqlx::FromRow)]
struct Made {
    version: i64,
    description: String,
    checksum: Vec<u8>,
}

impl Made {
    /// The least step that a version must know to work with this one.
    fn needs(&self) -> i64 {
        self.description.rsplit_once(" needs ").and_then(|(_, step)| step.parse().ok()).unwrap_or(0)
    }
}

/// Brings the tables up to this version. Those of a newer one are left as they are.
///
/// # Errors
/// When a step fails, or was made otherwise than this version would, or this version is too old for the tables.
pub async fn migrate(pool: &PgPool) -> Result<(), MigrateError> {
    match look(pool).await? {
        Tables::Older(_) => MIGRATIONS.run(pool).await,
        Tables::Current | Tables::Newer(_) => Ok(()),
    }
}

/// Looks which steps were made. Changes nothing.
///
/// # Errors
/// When a step was made otherwise than this version would, or this version is too old for the tables.
pub async fn look(pool: &PgPool) -> Result<Tables, MigrateError> {
    let there: Option<String> =
        sqlx::query_scalar("select to_regclass('_sqlx_migrations')::text").fetch_one(pool).await?;
    let made: Vec<Made> = match there {
        None => Vec::new(),
        Some(_) => {
            sqlx::query_as("select version, description, checksum from _sqlx_migrations where success order by version")
                .fetch_all(pool)
                .await?
        }
    };
    let known = || MIGRATIONS.iter().map(|step| step.version);
    let mut newer = Vec::new();
    for step in &made {
        match MIGRATIONS.iter().find(|known| known.version == step.version) {
            Some(known) if *known.checksum != *step.checksum => {
                return Err(MigrateError::VersionMismatch(step.version));
            }
            Some(_) => {}
            None if known().all(|known| known < step.needs()) => {
                return Err(MigrateError::VersionMissing(step.version));
            }
            None => newer.push(step.version),
        }
    }
    let missing: Vec<i64> = known().filter(|known| made.iter().all(|step| step.version != *known)).collect();
    match (missing.is_empty(), newer.first()) {
        (true, None) => Ok(Tables::Current),
        (true, Some(_)) => Ok(Tables::Newer(newer)),
        (false, None) => Ok(Tables::Older(missing)),
        // Neither before nor after this version: another one's tables.
        (false, Some(step)) => Err(MigrateError::VersionMissing(*step)),
    }
}
