//! Migrations from Scene7: what was found in a list of old addresses, and where each address is now.

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::types::Json;

use crate::db::{DbConnection, DbError, PgPool};
use crate::id::{CompanyId, JobId, MigrationId};
use crate::reason::Reason;

/// How many rows a statement inserts.
const ROWS_PER_STATEMENT: usize = 5000;

/// A migration as it was answered.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct MigrationRow {
    pub report: Json<Value>,
    pub created_at: DateTime<Utc>,
}

/// An old address and its new path.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct RedirectRow {
    /// Path and query.
    pub address: String,
    /// Path of the file in its job.
    pub path: String,
    /// How often the address was requested.
    pub requests: i64,
}

/// What became of one item of a new job: its file, or why it has none.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct PlannedItem {
    pub position: i32,
    pub path: Option<String>,
    pub failure: Option<Json<Reason>>,
}

/// Inserts a migration with its redirects.
pub async fn insert_migration(
    connection: &mut DbConnection,
    company: CompanyId,
    migration: MigrationId,
    report: &Value,
    redirects: &[RedirectRow],
) -> Result<(), DbError> {
    sqlx::query("insert into address_migration (company_id, migration_id, report) values ($1, $2, $3)")
        .bind(company)
        .bind(migration)
        .bind(Json(report))
        .execute(&mut *connection)
        .await?;
    for (chunk, rows) in redirects.chunks(ROWS_PER_STATEMENT).enumerate() {
        sqlx::query(
            "insert into address_redirect (company_id, migration_id, position, address, path, requests)
             select $1, $2, $3 + place, address, path, requests
               from unnest($4::text[], $5::text[], $6::bigint[]) with ordinality as new (address, path, requests, place)",
        )
        .bind(company)
        .bind(migration)
        .bind((chunk * ROWS_PER_STATEMENT) as i64)
        .bind(rows.iter().map(|row| row.address.as_str()).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.path.as_str()).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.requests).collect::<Vec<_>>())
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

/// Fetches a migration.
pub async fn fetch_migration(
    connection: &mut DbConnection,
    company: CompanyId,
    migration: MigrationId,
) -> Result<MigrationRow, DbError> {
    sqlx::query_as("select report, created_at from address_migration where company_id = $1 and migration_id = $2")
        .bind(company)
        .bind(migration)
        .fetch_optional(connection)
        .await?
        .ok_or(DbError::NotFound("migration"))
}

/// A migration in a list: the numbers of its report.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct MigrationSummaryRow {
    pub migration_id: MigrationId,
    pub addresses: i64,
    pub files: i64,
    pub redirects: i64,
    pub job_handles: Json<Vec<JobId>>,
    pub created_at: DateTime<Utc>,
}

/// Lists at most `limit` migrations, newest first, after the given one.
pub async fn list_migrations(
    pool: &PgPool,
    company: CompanyId,
    after: Option<MigrationId>,
    limit: i64,
) -> Result<Vec<MigrationSummaryRow>, DbError> {
    let migrations = sqlx::query_as(
        "select migration_id, (report ->> 'addresses')::bigint as addresses, (report ->> 'files')::bigint as files,
                (report ->> 'redirects')::bigint as redirects, report -> 'jobHandles' as job_handles, created_at
           from address_migration
          where company_id = $1 and ($2::uuid is null or migration_id < $2)
          order by migration_id desc limit $3",
    )
    .bind(company)
    .bind(after)
    .bind(limit)
    .fetch_all(pool)
    .await?;
    Ok(migrations)
}

/// All redirects of a migration, in the order of the addresses.
pub async fn list_redirects(
    connection: &mut DbConnection,
    company: CompanyId,
    migration: MigrationId,
) -> Result<Vec<RedirectRow>, DbError> {
    let redirects = sqlx::query_as(
        "select address, path, requests from address_redirect
          where company_id = $1 and migration_id = $2 order by position",
    )
    .bind(company)
    .bind(migration)
    .fetch_all(connection)
    .await?;
    Ok(redirects)
}

/// Deletes a migration with its redirects. Its jobs stay.
pub async fn delete_migration(
    connection: &mut DbConnection,
    company: CompanyId,
    migration: MigrationId,
) -> Result<(), DbError> {
    let deleted = sqlx::query("delete from address_migration where company_id = $1 and migration_id = $2")
        .bind(company)
        .bind(migration)
        .execute(connection)
        .await?;
    if deleted.rows_affected() == 1 { Ok(()) } else { Err(DbError::NotFound("migration")) }
}

/// The items of a job that was just inserted, in their order.
pub async fn list_planned_items(
    connection: &mut DbConnection,
    company: CompanyId,
    job: JobId,
) -> Result<Vec<PlannedItem>, DbError> {
    let items = sqlx::query_as(
        "select item.position, file.path, item.failure
           from export_item item left join export_file file using (company_id, job_id, position)
          where item.company_id = $1 and item.job_id = $2
          order by item.position",
    )
    .bind(company)
    .bind(job)
    .fetch_all(connection)
    .await?;
    Ok(items)
}
