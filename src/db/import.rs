//! Imports: files of others that become assets. An import is listed by a task of the kind `import`, which inserts its entries;
//! tasks of the kind `import-batch` bring some entries each ([`super::import_entry`]).
//!
//! The import's row is the lock of all that belongs to it: whoever changes entries or counts locks it first, then the task.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use sqlx::types::Json;
use sqlx::{AssertSqlSafe, PgExecutor};
use utoipa::ToSchema;

use crate::db::enums::{ImportState, Layout, OnExisting, Outcome};
use crate::db::metadata_map::MetadataMap;
use crate::db::{DbConnection, DbError, limits};
use crate::id::{CompanyId, ImportId};
use crate::reason::Reason;

/// Most files of one import.
pub const MAX_ENTRIES: usize = 100_000;

/// An import.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct ImportRow {
    pub company_id: CompanyId,
    pub import_id: ImportId,
    pub name: String,
    /// `source` of the request; without the lists of paths and URLs, which its entries show.
    pub source: Json<Value>,
    /// Target folder of all entries.
    pub folder: String,
    pub layout: Layout,
    pub on_existing: OnExisting,
    pub metadata: Json<MetadataMap>,
    pub notify_emails: Json<Vec<String>>,
    pub callback_url: Option<String>,
    /// 1, and one more with each retry.
    pub run: i32,
    pub state: ImportState,
    pub outcome: Option<Outcome>,
    /// Why its source could not be listed completely.
    pub failure: Option<Json<Reason>>,
    pub found: i32,
    pub imported: i32,
    pub skipped: i32,
    pub failed: i32,
    pub stopped: i32,
    /// Bytes of what was imported.
    pub bytes: i64,
    pub created_at: DateTime<Utc>,
    pub started_at: Option<DateTime<Utc>>,
    pub finished_at: Option<DateTime<Utc>>,
}

/// Numbers of an import's files.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[schema(as = ImportCounts)]
pub struct ImportCounts {
    /// Found in the source so far.
    pub found: i32,
    /// Not done yet.
    pub waiting: i32,
    /// New assets, and assets with new content.
    pub imported: i32,
    /// Unchanged since an earlier import, or left out because the folder has an asset of this name.
    pub skipped: i32,
    /// See the entries for why.
    pub failed: i32,
    /// Not done, because the import was stopped.
    pub stopped: i32,
    /// Bytes of the imported files.
    pub bytes: i64,
}

impl ImportRow {
    pub fn counts(&self) -> ImportCounts {
        let Self { found, imported, skipped, failed, stopped, bytes, .. } = *self;
        ImportCounts {
            found,
            waiting: found - imported - skipped - failed - stopped,
            imported,
            skipped,
            failed,
            stopped,
            bytes,
        }
    }
}

const IMPORT_COLUMNS: &str = "company_id, import_id, name, source - '{paths,urls}'::text[] as source, folder, layout, on_existing,
    metadata, notify_emails, callback_url, run, state, outcome, failure, found, imported, skipped, failed, stopped, bytes, created_at, started_at,
    finished_at";

/// An import to insert.
#[derive(Clone, Debug)]
pub struct NewImport<'a> {
    pub import_id: ImportId,
    pub name: &'a str,
    pub source: &'a Value,
    pub folder: &'a str,
    pub layout: Layout,
    pub on_existing: OnExisting,
    pub metadata: &'a MetadataMap,
    pub notify_emails: &'a [String],
    pub callback_url: Option<&'a str>,
}

/// Inserts an import that waits to be listed.
pub async fn insert_import(
    connection: &mut DbConnection,
    company: CompanyId,
    new: &NewImport<'_>,
) -> Result<(), DbError> {
    sqlx::query(
        "insert into import (company_id, import_id, name, source, folder, layout, on_existing, metadata, callback_url, notify_emails)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
    )
    .bind(company)
    .bind(new.import_id)
    .bind(new.name)
    .bind(new.source)
    .bind(new.folder)
    .bind(new.layout)
    .bind(new.on_existing)
    .bind(Json(new.metadata))
    .bind(new.callback_url)
    .bind(Json(new.notify_emails))
    .execute(connection)
    .await?;
    Ok(())
}

/// Counts the company's unfinished imports. Concurrent callers wait for each other until their transactions end, so that they
/// cannot both take the last place within the limit.
pub async fn count_unfinished_imports(connection: &mut DbConnection, company: CompanyId) -> Result<i64, DbError> {
    limits::lock_quota(connection, company, "imports").await?;
    let query = sqlx::query_scalar("select count(*) from import where company_id = $1 and state <> 'finished'");
    Ok(query.bind(company).fetch_one(connection).await?)
}

/// Fetches an import of a company.
pub async fn fetch_import(
    executor: impl PgExecutor<'_>,
    company: CompanyId,
    import: ImportId,
) -> Result<ImportRow, DbError> {
    find_import(executor, company, import, "").await?.ok_or(DbError::NotFound("import"))
}

/// Fetches an import and locks it until the transaction ends. None when it was deleted.
pub async fn lock_import(
    connection: &mut DbConnection,
    company: CompanyId,
    import: ImportId,
) -> Result<Option<ImportRow>, DbError> {
    find_import(connection, company, import, "for update").await
}

async fn find_import(
    executor: impl PgExecutor<'_>,
    company: CompanyId,
    import: ImportId,
    lock: &str,
) -> Result<Option<ImportRow>, DbError> {
    let sql = format!("select {IMPORT_COLUMNS} from import where company_id = $1 and import_id = $2 {lock}");
    Ok(sqlx::query_as(AssertSqlSafe(sql)).bind(company).bind(import).fetch_optional(executor).await?)
}

/// The whole `source` of an import's request.
pub async fn fetch_import_source(
    executor: impl PgExecutor<'_>,
    company: CompanyId,
    import: ImportId,
) -> Result<Value, DbError> {
    let query = sqlx::query_scalar("select source from import where company_id = $1 and import_id = $2");
    query.bind(company).bind(import).fetch_optional(executor).await?.ok_or(DbError::NotFound("import"))
}

/// Lists at most `limit` imports of a company in this state, newest first, after the given one.
pub async fn list_imports(
    executor: impl PgExecutor<'_>,
    company: CompanyId,
    state: Option<ImportState>,
    after: Option<ImportId>,
    limit: i64,
) -> Result<Vec<ImportRow>, DbError> {
    let sql = format!(
        "select {IMPORT_COLUMNS} from import
          where company_id = $1 and ($2::text is null or state = $2) and ($3::uuid is null or import_id < $3)
          order by import_id desc limit $4"
    );
    let query = sqlx::query_as(AssertSqlSafe(sql)).bind(company).bind(state).bind(after).bind(limit);
    Ok(query.fetch_all(executor).await?)
}

/// Notes that an import has begun, if it has not been stopped. Returns whether it goes on.
pub async fn begin_import(
    executor: impl PgExecutor<'_>,
    company: CompanyId,
    import: ImportId,
) -> Result<bool, DbError> {
    let begun = sqlx::query(
        "update import set state = 'running', started_at = coalesce(started_at, now())
          where company_id = $1 and import_id = $2 and state <> 'finished'",
    )
    .bind(company)
    .bind(import)
    .execute(executor)
    .await?;
    Ok(begun.rows_affected() == 1)
}

/// Notes that the source has been listed: completely, or not, for this reason.
pub async fn end_listing(
    connection: &mut DbConnection,
    company: CompanyId,
    import: ImportId,
    failure: Option<&Reason>,
) -> Result<(), DbError> {
    sqlx::query("update import set is_listed = true, failure = $3 where company_id = $1 and import_id = $2")
        .bind(company)
        .bind(import)
        .bind(failure.map(Json))
        .execute(connection)
        .await?;
    Ok(())
}

/// Finishes an import when its source is listed and all its entries have ended. Returns it when it has been finished now.
pub async fn finish_ended_import(
    connection: &mut DbConnection,
    company: CompanyId,
    import: ImportId,
) -> Result<Option<ImportRow>, DbError> {
    let sql = format!(
        "update import
            set state = 'finished', finished_at = now(),
                outcome = case when stopped > 0 or not is_listed then 'stopped'
                               when failed = 0 and failure is null then 'succeeded'
                               when imported + skipped > 0 then 'partiallyFailed' else 'failed' end
          where company_id = $1 and import_id = $2 and state <> 'finished'
            and (is_listed or state = 'stopping') and imported + skipped + failed + stopped = found
         returning {IMPORT_COLUMNS}"
    );
    Ok(sqlx::query_as(AssertSqlSafe(sql)).bind(company).bind(import).fetch_optional(connection).await?)
}

/// Stops an import whose row is locked: its entries that have not ended are stopped, and its tasks end. A worker that is at it
/// finds its entries stopped when it is done with them. [`finish_ended_import`] finishes it.
pub async fn stop_import(connection: &mut DbConnection, company: CompanyId, import: ImportId) -> Result<(), DbError> {
    sqlx::query(
        "with ended as (
             update import_entry set state = 'stopped'
              where company_id = $1 and import_id = $2 and state = 'waiting' returning path
         )
         update import set state = 'stopping', stopped = stopped + (select count(*) from ended)
          where company_id = $1 and import_id = $2",
    )
    .bind(company)
    .bind(import)
    .execute(&mut *connection)
    .await?;
    sqlx::query(
        "update task set state = 'failed', ended_at = now(), detail = 'The import was stopped.'
          where company_id = $1 and import_id = $2 and kind in ('import', 'import-batch') and state = 'waiting'",
    )
    .bind(company)
    .bind(import)
    .execute(connection)
    .await?;
    Ok(())
}

/// Begins another run of a finished import whose row is locked: entries that failed or were stopped wait again, in batches of
/// `batch_size`. Returns the run, the numbers of these batches, and whether the source has to be listed (again).
pub async fn reopen_import(
    connection: &mut DbConnection,
    company: CompanyId,
    import: ImportId,
    batch_size: i32,
) -> Result<(i32, Vec<i32>, bool), DbError> {
    let batches: Vec<i32> = sqlx::query_scalar(
        "with again as (
             select path, (row_number() over (order by path) - 1) / $3 as nth from import_entry
              where company_id = $1 and import_id = $2 and state in ('failed', 'stopped')
         ), reopened as (
             update import_entry entry set state = 'waiting', failure = null, batch = import.batches + nth::int
               from again, import
              where entry.company_id = $1 and entry.import_id = $2 and entry.path = again.path
                and import.company_id = $1 and import.import_id = $2
             returning entry.batch
         )
         select distinct batch from reopened order by batch",
    )
    .bind(company)
    .bind(import)
    .bind(i64::from(batch_size))
    .fetch_all(&mut *connection)
    .await?;
    let (run, has_to_list) = sqlx::query_as(
        "with earlier as (select is_listed and failure is null as is_complete from import where company_id = $1 and import_id = $2)
         update import
            set state = 'queued', outcome = null, finished_at = null, run = run + 1, batches = batches + $3, failed = 0, stopped = 0,
                is_listed = is_complete, failure = null
           from earlier where company_id = $1 and import_id = $2 returning run, not is_complete",
    )
    .bind(company)
    .bind(import)
    .bind(i32::try_from(batches.len()).unwrap_or(i32::MAX))
    .fetch_one(connection)
    .await?;
    Ok((run, batches, has_to_list))
}

/// Deletes an import with its entries and tasks. Its assets stay.
pub async fn delete_import(executor: impl PgExecutor<'_>, company: CompanyId, import: ImportId) -> Result<(), DbError> {
    let deleted = sqlx::query("delete from import where company_id = $1 and import_id = $2")
        .bind(company)
        .bind(import)
        .execute(executor)
        .await?;
    if deleted.rows_affected() == 1 { Ok(()) } else { Err(DbError::NotFound("import")) }
}

/// Deletes up to a hundred imports that finished longer than `age` ago. Returns how many.
pub async fn delete_old_imports(pool: &crate::db::PgPool, age: std::time::Duration) -> Result<u64, DbError> {
    let deleted = sqlx::query(
        "with old as (
             select company_id, import_id from import where finished_at <= now() - $1 limit 100 for update skip locked
         )
         delete from import using old where import.company_id = old.company_id and import.import_id = old.import_id",
    )
    .bind(crate::db::interval::to_pg_interval(age))
    .execute(pool)
    .await?;
    Ok(deleted.rows_affected())
}
