//! Migrations, and whether this version can work with the tables that exist.
//!
//! Migrations only go forward. Each is safe for the version before it, so processes of two versions share a database
//! during an update, and either may be started again. A migration that older versions cannot work with says so in its
//! name: with `0031_drop_outcome_needs_0030.sql`, versions that do not know migration 30 refuse to start.

use sqlx::migrate::{MigrateError, Migrator};

use crate::db::PgPool;

/// All migrations of this version.
static MIGRATIONS: Migrator = sqlx::migrate!();

/// How the tables relate to this version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SchemaStatus {
    /// All migrations of this version are applied, and no others.
    Current,
    /// These migrations are missing.
    Older(Vec<i64>),
    /// A newer version has applied these migrations. This version can work with them.
    Newer(Vec<i64>),
}

/// A migration that was applied, as sqlx records it.
#[derive(sqlx::FromRow)]
struct AppliedMigration {
    version: i64,
    description: String,
    checksum: Vec<u8>,
}

impl AppliedMigration {
    /// The migration that a version must know to work with this one; 0: any version.
    fn required_version(&self) -> i64 {
        self.description.rsplit_once(" needs ").and_then(|(_, version)| version.parse().ok()).unwrap_or(0)
    }
}

/// The numbers of all migrations of this version.
pub fn list_known_versions() -> Vec<i64> {
    MIGRATIONS.iter().map(|migration| migration.version).collect()
}

/// Applies the migrations that are missing. Tables of a newer version are left as they are.
///
/// # Errors
/// When a migration fails, when an applied migration differs from this version's, or when this version is too old for
/// the tables.
pub async fn run_migrations(pool: &PgPool) -> Result<(), MigrateError> {
    match check_schema(pool).await? {
        SchemaStatus::Older(_) => MIGRATIONS.run(&mut *pool.acquire().await?).await,
        SchemaStatus::Current | SchemaStatus::Newer(_) => Ok(()),
    }
}

/// Compares the applied migrations with those of this version. Changes nothing.
///
/// # Errors
/// When an applied migration differs from this version's, or when this version is too old for the tables.
pub async fn check_schema(pool: &PgPool) -> Result<SchemaStatus, MigrateError> {
    let table: Option<String> =
        sqlx::query_scalar("select to_regclass('_sqlx_migrations')::text").fetch_one(pool).await?;
    let applied: Vec<AppliedMigration> = match table {
        None => Vec::new(),
        Some(_) => {
            sqlx::query_as("select version, description, checksum from _sqlx_migrations where success order by version")
                .fetch_all(pool)
                .await?
        }
    };
    let known_versions = || MIGRATIONS.iter().map(|migration| migration.version);
    let mut newer = Vec::new();
    for migration in &applied {
        match MIGRATIONS.iter().find(|known| known.version == migration.version) {
            Some(known) if *known.checksum != *migration.checksum => {
                return Err(MigrateError::VersionMismatch(migration.version));
            }
            Some(_) => {}
            None if known_versions().all(|known| known < migration.required_version()) => {
                return Err(MigrateError::VersionMissing(migration.version));
            }
            None => newer.push(migration.version),
        }
    }
    let missing: Vec<i64> =
        known_versions().filter(|known| applied.iter().all(|migration| migration.version != *known)).collect();
    match (missing.is_empty(), newer.first()) {
        (true, None) => Ok(SchemaStatus::Current),
        (true, Some(_)) => Ok(SchemaStatus::Newer(newer)),
        (false, None) => Ok(SchemaStatus::Older(missing)),
        // Some migrations are missing and others unknown: the tables of a version from another line of development.
        (false, Some(version)) => Err(MigrateError::VersionMissing(*version)),
    }
}
