//! What became of each asset.

use actix_web::web::{Data, Path, Query};
use actix_web::{HttpRequest, HttpResponse, get};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::api::caller::Caller;
use crate::api::export_jobs::{JobPath, seen};
use crate::api::page::{self, Page};
use crate::api::problem::Problem;
use crate::api::responses::{BadQuery, Missing};
use crate::reason::Note;
use crate::db::asset::AssetType;
use crate::db::attempt::{self, AttemptEnding};
use crate::db::entry;
use crate::db::entry::{Entry, EntryFile};
use crate::db::vocabulary::{FileState, ItemState};
use crate::id::{AssetId, JobId, WorkerId};
use crate::state::State;

/// One asset inside a job.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Item {
    /// Its place in the order, from 0.
    position: i32,
    /// The asset.
    asset_handle: AssetId,
    /// Its type when the job was created.
    asset_type: AssetType,
    /// Its name when the job was created.
    name: String,
    /// Its folder when the job was created.
    folder: String,
    /// What it is doing, or how it ended.
    state: ItemState,
    /// What it hands out, or will: one for each rendition, in their order; empty when it is skipped.
    files: Vec<ItemFile>,
    /// Place of its file in the archive. This and the next five are null when it has several files: look into `files`.
    path: Option<String>,
    /// Bytes of its file.
    size: Option<i64>,
    /// Media type of its file.
    mime: Option<String>,
    /// Pixels across.
    width: Option<i32>,
    /// Pixels down.
    height: Option<i32>,
    /// SHA-256 of its file.
    sha256: Option<String>,
    /// Whether nothing had to be rendered for it: the same pictures had been rendered the same way before.
    reused: bool,
    /// How often it was taken.
    attempts: i32,
    /// When it was taken last.
    started_at: Option<DateTime<Utc>>,
    /// When it ended.
    finished_at: Option<DateTime<Utc>>,
    /// Why it did not work.
    failure: Option<Note>,
    /// What there is to know.
    warnings: Vec<Note>,
    /// Every try that ended, the first first. Only where it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    attempt_history: Option<Vec<Attempt>>,
}

/// One try of an item.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Attempt {
    /// The worker that had it.
    worker_handle: Option<WorkerId>,
    /// The worker's machine; null when the worker is no longer remembered.
    host: Option<String>,
    /// When it was taken.
    started_at: Option<DateTime<Utc>>,
    /// When it ended.
    ended_at: DateTime<Utc>,
    /// How it ended.
    ending: AttemptEnding,
    /// What went wrong in this try.
    failure: Option<Note>,
}

impl From<attempt::Attempt> for Attempt {
    fn from(attempt: attempt::Attempt) -> Self {
        Self {
            worker_handle: attempt.worker_id,
            host: attempt.host,
            started_at: attempt.started_at,
            ended_at: attempt.ended_at,
            ending: attempt.ending,
            failure: attempt.failure.map(|failure| failure.0),
        }
    }
}

/// A file of an item.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ItemFile {
    /// The rendition's name; null where the job has none, and for originals.
    rendition: Option<String>,
    /// Its place in the archive, and the end of its address.
    path: String,
    /// `ready` when it can be fetched, `absent` when its item ended without.
    state: FileState,
    /// Bytes.
    size: Option<i64>,
    /// Media type.
    mime: Option<String>,
    /// Pixels across.
    width: Option<i32>,
    /// Pixels down.
    height: Option<i32>,
    /// SHA-256 of its bytes.
    sha256: Option<String>,
    /// Whether the same picture had been rendered the same way before.
    reused: bool,
    /// What there is to know about it.
    warnings: Vec<Note>,
    /// How its picture was made, for people: what was decoded and how much the decoder shrank it, the steps with their
    /// sizes and kernels, the estimated memory. Null for originals, and once its rendition is no longer kept for reuse.
    plan: Option<String>,
}

impl From<EntryFile> for ItemFile {
    fn from(file: EntryFile) -> Self {
        Self {
            rendition: file.rendition,
            path: file.path,
            state: file.state,
            size: file.size,
            mime: file.mime,
            width: file.width,
            height: file.height,
            sha256: file.sha256.map(|digest| digest.to_string()),
            reused: file.reused,
            warnings: file.warnings,
            plan: file.plan,
        }
    }
}

impl From<Entry> for Item {
    fn from(entry: Entry) -> Self {
        let files: Vec<ItemFile> = entry.files.0.into_iter().map(ItemFile::from).collect();
        let only = if let [only] = files.as_slice() { Some(only.clone()) } else { None };
        Self {
            position: entry.position,
            asset_handle: entry.asset_id,
            asset_type: entry.asset_type,
            name: entry.asset_name,
            folder: entry.folder,
            state: entry.state,
            path: only.as_ref().map(|file| file.path.clone()),
            size: only.as_ref().and_then(|file| file.size),
            width: only.as_ref().and_then(|file| file.width),
            height: only.as_ref().and_then(|file| file.height),
            mime: only.as_ref().and_then(|file| file.mime.clone()),
            sha256: only.and_then(|file| file.sha256),
            reused: !files.is_empty() && files.iter().all(|file| file.reused),
            files,
            attempts: entry.attempts,
            started_at: entry.started_at,
            finished_at: entry.finished_at,
            failure: entry.failure.map(|failure| failure.0),
            warnings: entry.warnings.0,
            attempt_history: None,
        }
    }
}

/// Which items to list.
#[derive(Debug, Deserialize, Serialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ItemFilters {
    /// Only items in this state.
    #[param(inline)]
    state: Option<ItemState>,
    /// Whether every try of each item is told, as `attemptHistory`.
    #[serde(skip_serializing_if = "page::not_a_filter")]
    attempts: Option<bool>,
    /// Items on a page, 1 to 1000; 100 when absent.
    #[serde(skip_serializing_if = "page::not_a_filter")]
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
    /// `nextCursor` of the page before.
    #[serde(skip_serializing_if = "page::not_a_filter")]
    #[param(min_length = 1)]
    cursor: Option<String>,
}

/// List what became of each asset.
///
/// In request order, with failures and warnings.
#[utoipa::path(
    tag = "export jobs",
    operation_id = "listExportItems",
    params(("jobHandle" = String, Path, description = "The job."), ItemFilters),
    responses((status = 200, description = "One page of items.", body = Page<Item>), BadQuery, Missing),
)]
#[get("/export-jobs/{jobHandle}/items")]
pub async fn list_items(
    state: Data<State>,
    caller: Caller,
    path: JobPath,
    filters: Query<ItemFilters>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let limit = page::limit(filters.limit)?;
    let after: i64 = page::after(filters.cursor.as_deref(), &*filters, page::only)?.unwrap_or(-1);
    let job = seen(&state, &caller, &path).await?;
    let found = entry::list(&state.db, caller.company, job.job_id, filters.state, after as i32 + 1, limit + 1).await?;
    let mut shown: Vec<Item> = found.into_iter().map(Item::from).collect();
    if filters.attempts == Some(true) {
        tell_attempts(&state, &caller, job.job_id, &mut shown).await?;
    }
    Ok(Page::new(shown, limit, &*filters, |item| vec![item.position.to_string()]).answer(&request))
}

/// Adds their tries to items that stand in the order of their positions.
async fn tell_attempts(state: &State, caller: &Caller, job: JobId, items: &mut [Item]) -> Result<(), Problem> {
    let (Some(first), Some(last)) = (items.first(), items.last()) else { return Ok(()) };
    let mut told =
        attempt::list(&state.db, caller.company, job, (first.position, last.position)).await?.into_iter().peekable();
    for item in items {
        let mut own = Vec::new();
        while let Some(attempt) = told.next_if(|attempt| attempt.position <= item.position) {
            // Between two items of a filtered list there are others.
            if attempt.position == item.position {
                own.push(Attempt::from(attempt));
            }
        }
        item.attempt_history = Some(own);
    }
    Ok(())
}

/// Show what became of one asset.
///
/// With every try that ended: which worker had it, when, and what went wrong.
#[utoipa::path(
    tag = "export jobs",
    operation_id = "showExportItem",
    params(("jobHandle" = String, Path, description = "The job."), ("position" = i32, Path, description = "The item's place in the order, from 0.")),
    responses((status = 200, description = "The item.", body = Item), Missing),
)]
#[get("/export-jobs/{jobHandle}/items/{position}")]
pub async fn show_item(
    state: Data<State>,
    caller: Caller,
    path: Path<(String, String)>,
) -> Result<HttpResponse, Problem> {
    let job = seen(&state, &caller, &path.0).await?;
    let missing = || Problem::missing("item in this job");
    let position: i32 = path.1.parse().ok().filter(|position| *position >= 0).ok_or_else(missing)?;
    let found = entry::list(&state.db, caller.company, job.job_id, None, position, 1).await?;
    let entry = found.into_iter().next().filter(|entry| entry.position == position).ok_or_else(missing)?;
    let mut shown = [Item::from(entry)];
    tell_attempts(&state, &caller, job.job_id, &mut shown).await?;
    let [shown] = shown;
    Ok(HttpResponse::Ok().json(shown))
}
