//! The entries of imports: the files that were found, and what became of each.
//!
//! What an import brought is remembered beyond it (`imported_object`): an object that has the ETag and size that it had then
//! is not moved again, as long as its asset exists.

use chrono::{DateTime, Utc};
use offprint_core::Digest;
use serde::Serialize;
use sqlx::PgExecutor;
use sqlx::types::Json;

use crate::db::enums::ImportEntryState;
use crate::db::import::{ImportRow, MAX_ENTRIES};
use crate::db::task::{self, NewTask, TaskKind};
use crate::db::{DbConnection, DbError};
use crate::id::{AssetId, CompanyId, ImportId};
use crate::reason::Reason;

/// Entries of one batch, which a task brings together.
pub const BATCH_ENTRIES: usize = 32;
/// Bytes of one batch, as far as sizes are known before; a larger file is a batch of its own.
const BATCH_BYTES: u64 = 64 << 20;

/// A file that was found.
#[derive(Clone, Debug, Serialize)]
pub struct NewEntry {
    /// Path in the connection below its address, or the URL.
    pub path: String,
    /// Folder and file name of the asset; the wanted name where they cannot be used.
    pub folder: String,
    pub file_name: String,
    pub size: Option<i64>,
    pub etag: Option<String>,
    /// Under which its last import is remembered.
    pub object_key: ObjectKey,
    /// Why it cannot be imported.
    #[serde(skip)]
    pub failure: Option<Reason>,
}

/// Identifies an object of a source and the folder that it is imported into: a digest, because the parts together are too long
/// for an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ObjectKey(pub Digest);

impl ObjectKey {
    /// `source`: name of the connection; empty for URLs.
    pub fn new(source: &str, path: &str, folder: &str) -> Self {
        Self(Digest::compute(format!("{source}\0{path}\0{folder}").as_bytes()))
    }
}

impl Serialize for ObjectKey {
    /// As Postgres reads `bytea`.
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&format_args!("\\x{}", self.0))
    }
}

/// An import may not have that many entries.
#[derive(Debug, thiserror::Error)]
pub enum InsertEntriesError {
    #[error("the source has too many files")]
    TooMany,
    #[error(transparent)]
    Db(#[from] DbError),
}

impl From<sqlx::Error> for InsertEntriesError {
    fn from(error: sqlx::Error) -> Self {
        Self::Db(error.into())
    }
}

/// Inserts entries of an import whose row is locked, with the tasks that bring them. Entries that are there already stay as they
/// are, so this may be repeated. Entries that are unchanged since an earlier import are skipped at once. Returns how many were
/// new and how many of them wait.
pub async fn insert_entries(
    connection: &mut DbConnection,
    import: &ImportRow,
    entries: &[NewEntry],
) -> Result<(usize, usize), InsertEntriesError> {
    let (company, import_id) = (import.company_id, import.import_id);
    let paths: Vec<&str> = entries.iter().map(|entry| entry.path.as_str()).collect();
    let known: Vec<String> =
        sqlx::query_scalar("select path from import_entry where company_id = $1 and import_id = $2 and path = any($3)")
            .bind(company)
            .bind(import_id)
            .bind(&paths)
            .fetch_all(&mut *connection)
            .await?;
    let known: std::collections::HashSet<String> = known.into_iter().collect();
    let mut seen = std::collections::HashSet::new();
    let fresh: Vec<&NewEntry> =
        entries.iter().filter(|entry| !known.contains(&entry.path) && seen.insert(entry.path.as_str())).collect();
    if import.found as usize + fresh.len() > MAX_ENTRIES {
        return Err(InsertEntriesError::TooMany);
    }
    let unchanged = find_unchanged(connection, company, &fresh).await?;
    let first_batch: i32 = sqlx::query_scalar("select batches from import where company_id = $1 and import_id = $2")
        .bind(company)
        .bind(import_id)
        .fetch_one(&mut *connection)
        .await?;
    let mut batches = Batches { first: first_batch, count: 0, entries: BATCH_ENTRIES, bytes: 0 };
    let rows: Vec<EntryToInsert<'_>> =
        fresh.iter().zip(unchanged).map(|(entry, asset)| EntryToInsert::new(entry, asset, &mut batches)).collect();
    sqlx::query(
        "insert into import_entry (company_id, import_id, path, folder, file_name, size, etag, object_key, batch, state, asset_id, failure,
                                   ended_at)
         select $1, $2, path, folder, file_name, size, etag, object_key, batch, state, asset_id, failure,
                case when state <> 'waiting' then now() end
           from jsonb_to_recordset($3) as new (path text, folder text, file_name text, size bigint, etag text, object_key bytea,
                                               batch int, state text, asset_id uuid, failure jsonb)",
    )
    .bind(company)
    .bind(import_id)
    .bind(Json(&rows))
    .execute(&mut *connection)
    .await?;
    let count = |state: ImportEntryState| rows.iter().filter(|row| row.state == state).count();
    let (skipped, failed) = (count(ImportEntryState::Skipped), count(ImportEntryState::Failed));
    sqlx::query(
        "update import set found = found + $3, skipped = skipped + $4, failed = failed + $5, batches = batches + $6
          where company_id = $1 and import_id = $2",
    )
    .bind(company)
    .bind(import_id)
    .bind(rows.len() as i32)
    .bind(skipped as i32)
    .bind(failed as i32)
    .bind(batches.count)
    .execute(&mut *connection)
    .await?;
    insert_batch_tasks(connection, company, (import_id, import.run), first_batch..first_batch + batches.count).await?;
    Ok((rows.len(), rows.len() - skipped - failed))
}

/// Inserts the tasks that bring these batches.
pub async fn insert_batch_tasks(
    connection: &mut DbConnection,
    company: CompanyId,
    (import, run): (ImportId, i32),
    batches: impl IntoIterator<Item = i32>,
) -> Result<(), DbError> {
    let build =
        |batch: i32| NewTask { key: batch.to_string(), ..NewTask::of_import(TaskKind::ImportBatch, import, run) };
    let tasks: Vec<NewTask> = batches.into_iter().map(build).collect();
    task::insert_tasks(connection, company, &tasks).await
}

/// The numbers of the batches that entries go into.
struct Batches {
    first: i32,
    count: i32,
    /// Entries and bytes of the last one.
    entries: usize,
    bytes: u64,
}

impl Batches {
    fn place(&mut self, size: u64) -> i32 {
        if self.entries >= BATCH_ENTRIES || (self.entries > 0 && self.bytes.saturating_add(size) > BATCH_BYTES) {
            (self.count, self.entries, self.bytes) = (self.count + 1, 0, 0);
        }
        self.entries += 1;
        self.bytes = self.bytes.saturating_add(size);
        self.first + self.count - 1
    }
}

#[derive(Serialize)]
struct EntryToInsert<'a> {
    #[serde(flatten)]
    entry: &'a NewEntry,
    batch: i32,
    state: ImportEntryState,
    asset_id: Option<AssetId>,
    #[serde(rename = "failure")]
    reason: Option<Reason>,
}

impl<'a> EntryToInsert<'a> {
    fn new(entry: &'a NewEntry, unchanged: Option<AssetId>, batches: &mut Batches) -> Self {
        let (state, reason) = match (&entry.failure, unchanged) {
            (Some(failure), _) => (ImportEntryState::Failed, Some(failure.clone())),
            (None, Some(_)) => (ImportEntryState::Skipped, Some(explain_unchanged())),
            (None, None) => (ImportEntryState::Waiting, None),
        };
        let is_waiting = state == ImportEntryState::Waiting;
        let batch = if is_waiting { batches.place(entry.size.unwrap_or(0).unsigned_abs()) } else { 0 };
        Self { entry, batch, state, asset_id: unchanged, reason }
    }
}

/// Why an unchanged object is skipped.
pub fn explain_unchanged() -> Reason {
    Reason::new(offprint_core::Code::Unchanged, "The file is as it was when it was last imported into this folder.")
}

/// For each entry the asset that it was imported as, if its ETag and size are still the same and the asset exists.
async fn find_unchanged(
    connection: &mut DbConnection,
    company: CompanyId,
    entries: &[&NewEntry],
) -> Result<Vec<Option<AssetId>>, DbError> {
    // One by one, as in `list_waiting_entries`.
    let found: Vec<(i64, AssetId)> = sqlx::query_as(
        "select nth, known.asset_id
           from unnest($2::bytea[], $3::text[], $4::bigint[]) with ordinality as listed (object_key, etag, size, nth)
          cross join lateral (
                select * from imported_object where company_id = $1 and object_key = listed.object_key offset 0) known
          cross join lateral (
                select from asset where company_id = $1 and asset_id = known.asset_id and deleted_at is null offset 0) asset
          where known.etag = listed.etag and known.size = listed.size",
    )
    .bind(company)
    .bind(entries.iter().map(|entry| entry.object_key.0.to_bytes().to_vec()).collect::<Vec<_>>())
    .bind(entries.iter().map(|entry| entry.etag.clone()).collect::<Vec<_>>())
    .bind(entries.iter().map(|entry| entry.size).collect::<Vec<_>>())
    .fetch_all(connection)
    .await?;
    let mut unchanged = vec![None; entries.len()];
    for (nth, asset) in found {
        if let Some(slot) = usize::try_from(nth - 1).ok().and_then(|nth| unchanged.get_mut(nth)) {
            *slot = Some(asset);
        }
    }
    Ok(unchanged)
}

/// An entry that waits to be brought.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct WaitingEntryRow {
    pub path: String,
    pub folder: String,
    pub file_name: String,
    /// In bytes, as far as it is known.
    pub size: Option<i64>,
    /// The asset that it was last imported as, which still exists, and the ETag that it had.
    pub known_asset: Option<AssetId>,
    pub known_etag: Option<String>,
    /// Bytes of that asset's original.
    pub known_size: Option<i64>,
}

/// The entries of a batch that have not ended.
pub async fn list_waiting_entries(
    executor: impl PgExecutor<'_>,
    company: CompanyId,
    import: ImportId,
    batch: i32,
) -> Result<Vec<WaitingEntryRow>, DbError> {
    // One by one: `offset 0` keeps a plan from a time at which the tables were empty from joining all objects with all assets.
    let entries = sqlx::query_as(
        "select entry.path, entry.folder, entry.file_name, entry.size, asset.asset_id as known_asset,
                case when asset.asset_id is not null then known.etag end as known_etag, asset.size as known_size
           from import_entry entry
           left join lateral (
                select * from imported_object
                 where company_id = entry.company_id and object_key = entry.object_key offset 0) known on true
           left join lateral (
                select * from asset
                 where company_id = known.company_id and asset_id = known.asset_id and deleted_at is null offset 0) asset on true
          where entry.company_id = $1 and entry.import_id = $2 and entry.batch = $3 and entry.state = 'waiting' order by entry.path",
    )
    .bind(company)
    .bind(import)
    .bind(batch)
    .fetch_all(executor)
    .await?;
    Ok(entries)
}

/// The paths of a batch that have not ended.
pub async fn list_still_waiting(
    connection: &mut DbConnection,
    company: CompanyId,
    import: ImportId,
    batch: i32,
) -> Result<std::collections::HashSet<String>, DbError> {
    let sql =
        "select path from import_entry where company_id = $1 and import_id = $2 and batch = $3 and state = 'waiting'";
    let paths: Vec<String> =
        sqlx::query_scalar(sql).bind(company).bind(import).bind(batch).fetch_all(connection).await?;
    Ok(paths.into_iter().collect())
}

/// How an entry ended.
#[derive(Clone, Debug, Serialize)]
pub struct EndedEntry {
    pub path: String,
    pub state: ImportEntryState,
    pub asset_id: Option<AssetId>,
    pub size: Option<i64>,
    pub etag: Option<String>,
    pub failure: Option<Reason>,
}

/// Writes how entries of an import ended, whose row is locked, and counts them. Those that were imported are remembered.
pub async fn end_entries(
    connection: &mut DbConnection,
    company: CompanyId,
    import: ImportId,
    ended: &[EndedEntry],
) -> Result<(), DbError> {
    sqlx::query(
        "with given as (
             select * from jsonb_to_recordset($3) as given (path text, state text, asset_id uuid, size bigint, etag text, failure jsonb)
         ), written as (
             update import_entry entry
                set state = given.state, asset_id = given.asset_id, size = coalesce(given.size, entry.size),
                    etag = coalesce(given.etag, entry.etag), failure = given.failure, ended_at = now()
               from given
              where entry.company_id = $1 and entry.import_id = $2 and entry.path = given.path and entry.state = 'waiting'
             returning entry.*
         ), remembered as (
             insert into imported_object (company_id, object_key, etag, size, asset_id)
             select company_id, object_key, etag, size, asset_id from written where state = 'imported' and etag is not null
             on conflict (company_id, object_key) do update
                set etag = excluded.etag, size = excluded.size, asset_id = excluded.asset_id
         )
         update import
            set imported = imported + brought, skipped = skipped + left_out, failed = failed + not_brought, bytes = bytes + brought_bytes
           from (select (count(*) filter (where state = 'imported'))::int as brought,
                        (count(*) filter (where state = 'skipped'))::int as left_out,
                        (count(*) filter (where state = 'failed'))::int as not_brought,
                        coalesce(sum(size) filter (where state = 'imported'), 0)::bigint as brought_bytes from written) counted
          where company_id = $1 and import_id = $2",
    )
    .bind(company)
    .bind(import)
    .bind(Json(ended))
    .execute(connection)
    .await?;
    Ok(())
}

/// An asset that has the name of an entry.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct NamesakeRow {
    pub asset_id: AssetId,
    pub folder: String,
    pub file_name: String,
}

/// Finds the assets with these file names in these folders, the oldest of each name. `names`: folder, name without extension,
/// file name.
pub async fn find_namesakes(
    connection: &mut DbConnection,
    company: CompanyId,
    names: &[(&str, &str, &str)],
) -> Result<Vec<NamesakeRow>, DbError> {
    let found = sqlx::query_as(
        "select distinct on (asset.folder, asset.file_name) asset.asset_id, asset.folder, asset.file_name
           from unnest($2::text[], $3::text[], $4::text[]) as wanted (folder, name, file_name)
           join asset on asset.company_id = $1 and asset.folder = wanted.folder and asset.name = wanted.name
            and asset.file_name = wanted.file_name and asset.deleted_at is null
          order by asset.folder, asset.file_name, asset.asset_id",
    )
    .bind(company)
    .bind(names.iter().map(|name| name.0).collect::<Vec<_>>())
    .bind(names.iter().map(|name| name.1).collect::<Vec<_>>())
    .bind(names.iter().map(|name| name.2).collect::<Vec<_>>())
    .fetch_all(connection)
    .await?;
    Ok(found)
}

/// An entry as lists show it.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct EntryRow {
    pub path: String,
    pub state: ImportEntryState,
    pub folder: String,
    pub file_name: String,
    pub asset_id: Option<AssetId>,
    pub size: Option<i64>,
    pub failure: Option<Json<Reason>>,
    pub ended_at: Option<DateTime<Utc>>,
}

/// Lists at most `limit` entries of an import in this state, by path, after the given one.
pub async fn list_entries(
    executor: impl PgExecutor<'_>,
    company: CompanyId,
    import: ImportId,
    state: Option<ImportEntryState>,
    after: Option<&str>,
    limit: i64,
) -> Result<Vec<EntryRow>, DbError> {
    let entries = sqlx::query_as(
        "select path, state, folder, file_name, asset_id, size, failure, ended_at from import_entry
          where company_id = $1 and import_id = $2 and ($3::text is null or state = $3) and ($4::text is null or path > $4)
          order by path limit $5",
    )
    .bind(company)
    .bind(import)
    .bind(state)
    .bind(after)
    .bind(limit)
    .fetch_all(executor)
    .await?;
    Ok(entries)
}
