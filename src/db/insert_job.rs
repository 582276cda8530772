//! Inserts a job: its recipes, row, items, files and first events.
//!
//! Everything is written in the caller's transaction; once that commits, the job will be processed. A job may have
//! 100,000 items, so a statement inserts a thousand of them, with its columns as arrays (`unnest`). Not all of them at once:
//! arrays are built between two awaits, and meanwhile the thread answers nobody else.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use offprint_core::{Code, Digest};
use serde_json::{Value, json};
use sqlx::types::Json;

use crate::db::asset::AssetType;
use crate::db::destination::NewDestination;
use crate::db::enums::{EmailSetting, Fmt, ItemState, Layout, OnCorrupt, OnMissing, OnUnconvertible, OnUnsupported};
use crate::db::job::Rendition;
use crate::db::metadata_map::MetadataMap;
use crate::db::{DbConnection, DbError, destination, event};
use crate::id::{AssetId, CompanyId, JobId, ScheduleId, UserId};
use crate::reason::Reason;

/// Warnings about the modifier that the log tells. The job has all.
const MAX_LOGGED_WARNINGS: usize = 20;

/// How many rows a statement inserts.
const ROWS_PER_STATEMENT: usize = 1000;

/// A job to insert: the export request with every default filled in.
pub struct NewJob<'a> {
    pub job_id: JobId,
    pub user_id: Option<UserId>,
    pub schedule_id: Option<ScheduleId>,
    pub job_name: &'a str,
    pub description: Option<&'a str>,
    pub client_id: Option<&'a str>,
    pub locale: Option<&'a str>,
    pub time_zone: Option<&'a str>,
    pub fmt: Fmt,
    pub is_modifier: Option<&'a str>,
    pub r#macro: Option<&'a str>,
    pub effective_modifier: Option<&'a str>,
    pub renditions: Option<&'a [Rendition]>,
    pub email_setting: EmailSetting,
    pub notify_emails: &'a [String],
    pub callback_url: Option<&'a str>,
    pub metadata: &'a MetadataMap,
    pub name_template: Option<&'a str>,
    pub on_missing: OnMissing,
    pub on_unsupported: OnUnsupported,
    pub on_unconvertible: OnUnconvertible,
    pub on_corrupt: OnCorrupt,
    pub layout: Layout,
    pub strict: bool,
    pub priority: i16,
    pub exec_time: Option<DateTime<Utc>>,
    pub expires_in: i64,
    /// About the request; they concern no item.
    pub warnings: &'a [Reason],
    /// About the modifier, each once. Files name theirs by index.
    pub modifier_warnings: &'a [Reason],
    /// About the modifier; harmless.
    pub notices: &'a [Reason],
    pub recipes: &'a BTreeMap<Digest, String>,
    /// Originals of other assets that recipes read, each with the id of a recipe that does.
    pub recipe_sources: Vec<RecipeSource>,
    pub items: Vec<NewItem<'a>>,
    pub destinations: Vec<NewDestination>,
}

/// An original of another asset that a recipe reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RecipeSource {
    pub recipe_id: Digest,
    pub sha256: Digest,
}

/// An item to insert. Its position is its index.
pub struct NewItem<'a> {
    pub asset_id: AssetId,
    pub asset_name: &'a str,
    pub asset_type: AssetType,
    pub folder: &'a str,
    pub file_name: Option<&'a str>,
    pub sha256: Option<Digest>,
    pub size: Option<i64>,
    pub entry_time: DateTime<Utc>,
    /// The modifier that the request has for this item alone.
    pub is_modifier: Option<&'a str>,
    /// Variables that the request sets for this item alone.
    pub parameters: Option<&'a BTreeMap<String, String>>,
    /// The asset's.
    pub metadata: &'a MetadataMap,
    pub state: ItemState,
    pub failure: Option<&'a Reason>,
    pub warnings: &'a [Reason],
    /// One for each rendition, in their order; empty when nothing is exported.
    pub files: Vec<NewFile<'a>>,
}

impl NewItem<'_> {
    /// Indexes in the job's modifier warnings: those of all its files.
    fn modifier_warnings(&self) -> BTreeSet<usize> {
        self.files.iter().flat_map(|file| file.modifier_warnings).copied().collect()
    }
}

/// A file to insert.
pub struct NewFile<'a> {
    /// None for an original.
    pub recipe_id: Option<Digest>,
    /// Indexes in the job's modifier warnings.
    pub modifier_warnings: &'a [usize],
    /// Path in the archive.
    pub path: &'a str,
    /// The path folded for comparison.
    pub path_key: &'a str,
    /// Of an original; none where it will be rendered.
    pub mime: Option<&'a str>,
    /// Of an original, in pixels.
    pub width: Option<i32>,
    /// Of an original, in pixels.
    pub height: Option<i32>,
}

/// Inserts the job with everything that belongs to it.
pub async fn insert_job(connection: &mut DbConnection, company: CompanyId, job: &NewJob<'_>) -> Result<(), DbError> {
    let recipes: Vec<(&Digest, &String)> = job.recipes.iter().collect();
    for recipes in recipes.chunks(ROWS_PER_STATEMENT) {
        insert_recipes(connection, company, recipes).await?;
    }
    lock_source_blobs(connection, &job.recipe_sources).await?;
    for sources in job.recipe_sources.chunks(ROWS_PER_STATEMENT) {
        insert_recipe_sources(connection, company, sources).await?;
    }
    insert_job_row(connection, company, job).await?;
    for (chunk, items) in job.items.chunks(ROWS_PER_STATEMENT).enumerate() {
        let first_position = (chunk * ROWS_PER_STATEMENT) as i32;
        insert_items(connection, company, job.job_id, first_position, items).await?;
        let files = list_numbered_files(first_position, items);
        for files in files.chunks(ROWS_PER_STATEMENT) {
            insert_files(connection, company, job.job_id, files).await?;
        }
    }
    destination::insert_destinations(connection, company, job.job_id, &job.destinations).await?;
    log_request(connection, company, job).await?;
    log_ended_items(connection, company, job.job_id).await
}

/// Logs the request with its notices, and once for all items the warnings about the modifier.
async fn log_request(connection: &mut DbConnection, company: CompanyId, job: &NewJob<'_>) -> Result<(), DbError> {
    let requested = json!({ "items": job.items.len(), "notices": job.notices });
    event::insert_event(connection, company, job.job_id, "exportRequested", requested).await?;
    let missing: Vec<&Reason> = job.warnings.iter().filter(|warning| warning.code == Code::SkippedMissing).collect();
    if !missing.is_empty() {
        let shown = missing.get(..MAX_LOGGED_WARNINGS).unwrap_or(&missing);
        let skipped = json!({ "items": missing.len(), "notes": shown });
        event::insert_event(connection, company, job.job_id, "missingSkipped", skipped).await?;
    }
    let warned_items = job.items.iter().filter(|item| !item.modifier_warnings().is_empty()).count();
    if warned_items == 0 {
        return Ok(());
    }
    let notes = job.modifier_warnings.get(..MAX_LOGGED_WARNINGS).unwrap_or(job.modifier_warnings);
    let warning = json!({ "items": warned_items, "warnings": job.modifier_warnings.len(), "notes": notes });
    event::insert_event(connection, company, job.job_id, "modifierWarning", warning).await
}

/// How often recipes are inserted that maintenance removes in the same moment.
const INSERT_RECIPE_ATTEMPTS: usize = 3;

/// Inserts recipes, and locks those that were there before until the transaction ends: maintenance removes recipes that
/// nothing uses.
async fn insert_recipes(
    connection: &mut DbConnection,
    company: CompanyId,
    recipes: &[(&Digest, &String)],
) -> Result<(), DbError> {
    let (ids, texts): (Vec<[u8; 32]>, Vec<&str>) =
        recipes.iter().map(|(id, text)| (id.to_bytes(), text.as_str())).unzip();
    for _ in 0..INSERT_RECIPE_ATTEMPTS {
        sqlx::query(
            "insert into recipe (company_id, recipe_id, text)
             select $1, id, text from unnest($2::bytea[], $3::text[]) as new (id, text) order by id
             on conflict do nothing",
        )
        .bind(company)
        .bind(&ids)
        .bind(&texts)
        .execute(&mut *connection)
        .await?;
        let locked = sqlx::query(
            "select from recipe where company_id = $1 and recipe_id = any($2) order by recipe_id for key share",
        )
        .bind(company)
        .bind(&ids)
        .execute(&mut *connection)
        .await?;
        if locked.rows_affected() == ids.len() as u64 {
            return Ok(());
        }
    }
    Err(DbError::Unreachable(sqlx::Error::Protocol("recipes were removed while they were inserted".into())))
}

/// Locks the blobs of other assets until the transaction ends, so that retention does not remove them. After that the
/// recipes refer to them.
async fn lock_source_blobs(connection: &mut DbConnection, sources: &[RecipeSource]) -> Result<(), DbError> {
    let blobs: BTreeSet<[u8; 32]> = sources.iter().map(|source| source.sha256.to_bytes()).collect();
    let locked = sqlx::query("select from blob where sha256 = any($1) for key share")
        .bind(blobs.iter().copied().collect::<Vec<_>>())
        .execute(connection)
        .await?;
    if locked.rows_affected() == blobs.len() as u64 {
        Ok(())
    } else {
        Err(DbError::NotFound("asset that the modifier names"))
    }
}

async fn insert_recipe_sources(
    connection: &mut DbConnection,
    company: CompanyId,
    sources: &[RecipeSource],
) -> Result<(), DbError> {
    sqlx::query(
        "insert into recipe_source (company_id, recipe_id, sha256)
         select $1, recipe_id, sha256 from unnest($2::bytea[], $3::bytea[]) as new (recipe_id, sha256)
          order by recipe_id, sha256
         on conflict do nothing",
    )
    .bind(company)
    .bind(sources.iter().map(|source| source.recipe_id.to_bytes()).collect::<Vec<_>>())
    .bind(sources.iter().map(|source| source.sha256.to_bytes()).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}

async fn insert_job_row(connection: &mut DbConnection, company: CompanyId, job: &NewJob<'_>) -> Result<(), DbError> {
    let count = |state| job.items.iter().filter(|item| item.state == state).count();
    let warned = job.items.iter().filter(|item| item.state != ItemState::Waiting && !item.warnings.is_empty()).count();
    // Names are those of the columns.
    let row = json!({
        "job_id": job.job_id, "job_name": job.job_name, "description": job.description, "client_id": job.client_id,
        "locale": job.locale, "time_zone": job.time_zone, "fmt": job.fmt, "is_modifier": job.is_modifier,
        "macro": job.r#macro, "effective_modifier": job.effective_modifier, "renditions": job.renditions,
        "email_setting": job.email_setting, "notify_emails": job.notify_emails, "callback_url": job.callback_url,
        "metadata": job.metadata, "on_missing": job.on_missing, "on_unsupported": job.on_unsupported,
        "on_unconvertible": job.on_unconvertible, "on_corrupt": job.on_corrupt, "layout": job.layout, "strict": job.strict,
        "priority": job.priority, "exec_time": job.exec_time, "expires_in": job.expires_in, "user_id": job.user_id,
        "schedule_id": job.schedule_id, "warnings": job.warnings, "modifier_warnings": job.modifier_warnings,
        "notices": job.notices, "name_template": job.name_template, "total": job.items.len(), "failed": count(ItemState::Failed),
        "skipped": count(ItemState::Skipped), "warned": warned,
        "open_destinations": job.destinations.len(),
    });
    sqlx::query(
        "insert into export_job (company_id, job_id, job_name, description, client_id, locale, time_zone, fmt, is_modifier, macro,
             effective_modifier, renditions, email_setting, notify_emails, callback_url, metadata, on_missing, on_unsupported,
             on_unconvertible, on_corrupt, layout, strict, priority, exec_time, expires_in, user_id, schedule_id, warnings,
             modifier_warnings, notices, name_template, run_total, total, failed, skipped, warned, open_destinations, state)
         select $1, job_id, job_name, description, client_id, locale, time_zone, fmt, is_modifier, macro,
             effective_modifier, renditions, email_setting, notify_emails, callback_url, metadata, on_missing, on_unsupported,
             on_unconvertible, on_corrupt, layout, strict, priority, exec_time, expires_in, user_id, schedule_id, warnings,
             modifier_warnings, notices, name_template, total, total, failed, skipped, warned, open_destinations,
             case when exec_time > now() then 'scheduled' else 'active' end
           from jsonb_populate_record(null::export_job, $2)",
    )
    .bind(company)
    .bind(Json(row))
    .execute(connection)
    .await?;
    Ok(())
}

async fn insert_items(
    connection: &mut DbConnection,
    company: CompanyId,
    job: JobId,
    first_position: i32,
    items: &[NewItem<'_>],
) -> Result<(), DbError> {
    let column = |text: fn(&NewItem<'_>) -> Option<String>| items.iter().map(text).collect::<Vec<_>>();
    let warnings = |item: &NewItem<'_>| serde_json::to_value(item.warnings).unwrap_or(Value::Null);
    let failures = items.iter().map(|item| item.failure.and_then(|failure| serde_json::to_value(failure).ok()));
    sqlx::query(
        "insert into export_item (company_id, job_id, position, asset_id, asset_name, asset_type, folder, file_name,
             sha256, size, entry_time, state, failure, warnings, modifier_warnings, metadata, is_modifier, parameters, finished_at)
         select $1, $2, $16 + new.ordinality - 1, asset_id, asset_name, asset_type, folder, file_name, sha256, size, entry_time,
                state, failure, warnings, modifier_warnings, metadata, is_modifier, parameters,
                case when state = 'waiting' then null else now() end
           from unnest($3::uuid[], $4::text[], $5::text[], $6::text[], $7::text[], $8::bytea[], $9::bigint[],
                       $10::timestamptz[], $11::text[], $12::jsonb[], $13::jsonb[],
                       $14::jsonb[], $15::jsonb[], $17::text[], $18::jsonb[])
                with ordinality
             as new (asset_id, asset_name, asset_type, folder, file_name, sha256, size, entry_time, state, failure, warnings,
                     modifier_warnings, metadata, is_modifier, parameters)",
    )
    .bind(company)
    .bind(job)
    .bind(items.iter().map(|item| item.asset_id).collect::<Vec<_>>())
    .bind(items.iter().map(|item| item.asset_name).collect::<Vec<_>>())
    .bind(items.iter().map(|item| item.asset_type).collect::<Vec<_>>())
    .bind(items.iter().map(|item| item.folder).collect::<Vec<_>>())
    .bind(column(|item| item.file_name.map(str::to_owned)))
    .bind(items.iter().map(|item| item.sha256.map(Digest::to_bytes)).collect::<Vec<_>>())
    .bind(items.iter().map(|item| item.size).collect::<Vec<_>>())
    .bind(items.iter().map(|item| item.entry_time).collect::<Vec<_>>())
    .bind(items.iter().map(|item| item.state).collect::<Vec<_>>())
    .bind(failures.collect::<Vec<_>>())
    .bind(items.iter().map(warnings).collect::<Vec<_>>())
    .bind(items.iter().map(|item| Json(item.modifier_warnings())).collect::<Vec<_>>())
    .bind(items.iter().map(|item| Json(item.metadata)).collect::<Vec<_>>())
    .bind(first_position)
    .bind(items.iter().map(|item| item.is_modifier).collect::<Vec<_>>())
    .bind(items.iter().map(|item| item.parameters.map(Json)).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}

/// A file to insert, with the position of its item and its number among the files of the item.
type NumberedFile<'a> = (i32, i16, &'a NewFile<'a>);

/// The files of items whose first has this position.
fn list_numbered_files<'a>(first_position: i32, items: &'a [NewItem<'a>]) -> Vec<NumberedFile<'a>> {
    let number = |(position, item): (i32, &'a NewItem<'a>)| {
        item.files.iter().enumerate().map(move |(rendition, file)| (position, rendition as i16, file))
    };
    (first_position..).zip(items).flat_map(number).collect()
}

async fn insert_files(
    connection: &mut DbConnection,
    company: CompanyId,
    job: JobId,
    files: &[NumberedFile<'_>],
) -> Result<(), DbError> {
    sqlx::query(
        "insert into export_file (company_id, job_id, position, rendition, recipe_id, path, path_key, mime, width, height,
             modifier_warnings)
         select $1, $2, position, rendition, recipe_id, path, path_key, mime, width, height, modifier_warnings
           from unnest($3::int[], $4::smallint[], $5::bytea[], $6::text[], $7::text[], $8::text[], $9::int[], $10::int[],
                       $11::jsonb[])
             as new (position, rendition, recipe_id, path, path_key, mime, width, height, modifier_warnings)",
    )
    .bind(company)
    .bind(job)
    .bind(files.iter().map(|(position, _, _)| *position).collect::<Vec<_>>())
    .bind(files.iter().map(|(_, rendition, _)| *rendition).collect::<Vec<_>>())
    .bind(files.iter().map(|(_, _, file)| file.recipe_id.map(Digest::to_bytes)).collect::<Vec<_>>())
    .bind(files.iter().map(|(_, _, file)| file.path).collect::<Vec<_>>())
    .bind(files.iter().map(|(_, _, file)| file.path_key).collect::<Vec<_>>())
    .bind(files.iter().map(|(_, _, file)| file.mime).collect::<Vec<_>>())
    .bind(files.iter().map(|(_, _, file)| file.width).collect::<Vec<_>>())
    .bind(files.iter().map(|(_, _, file)| file.height).collect::<Vec<_>>())
    .bind(files.iter().map(|(_, _, file)| Json(file.modifier_warnings)).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}

/// Logs the items that ended at creation: skipped ones, and those that cannot be converted.
async fn log_ended_items(connection: &mut DbConnection, company: CompanyId, job: JobId) -> Result<(), DbError> {
    sqlx::query(
        "with ended as (
             select position, row_number() over (order by position) as number, state,
                    jsonb_build_object('asset', asset_name, 'failure', failure, 'warnings', jsonb_array_length(warnings), 'notes', warnings) as parameters
               from export_item where company_id = $1 and job_id = $2 and state <> 'waiting'
         ), events as (
             insert into export_event (company_id, job_id, seq, code, position, parameters)
             select $1, $2, job.event_seq + ended.number, case ended.state when 'skipped' then 'fileSkipped' else 'fileFailed' end,
                    ended.position, ended.parameters
               from ended, export_job job where job.company_id = $1 and job.job_id = $2
         )
         update export_job set event_seq = event_seq + (select count(*) from ended) where company_id = $1 and job_id = $2",
    )
    .bind(company)
    .bind(job)
    .execute(connection)
    .await?;
    Ok(())
}
