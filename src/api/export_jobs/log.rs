//! What became of each asset, and the log.

use actix_web::web::{Data, Query};
use actix_web::{HttpRequest, HttpResponse, get};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use crate::api::caller::Caller;
use crate::api::export_jobs::{JobPath, handle};
use crate::api::page::{self, Page};
use crate::api::problem::Problem;
use crate::api::responses::{BadQuery, Missing};
use crate::code::Note;
use crate::db::asset::AssetType;
use crate::db::entry::{Entry, EntryFile};
use crate::db::vocabulary::{FileState, ItemState};
use crate::db::{self, entry, event};
use crate::id::AssetId;
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
    /// Items on a page, 1 to 1000; 100 when absent.
    #[serde(skip_serializing)]
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
    /// `nextCursor` of the page before.
    #[serde(skip_serializing)]
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
pub async fn items(
    state: Data<State>,
    caller: Caller,
    path: JobPath,
    filters: Query<ItemFilters>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let limit = page::limit(filters.limit)?;
    let after: i64 = number(page::after(filters.cursor.as_deref(), &*filters)?)?.unwrap_or(-1);
    let job = db::job::find(&state.db, caller.company, handle(&path)?).await?;
    let found = entry::list(&state.db, caller.company, job.job_id, filters.state, after as i32 + 1, limit + 1).await?;
    let shown: Vec<Item> = found.into_iter().map(Item::from).collect();
    Ok(Page::new(shown, limit, &*filters, |item| vec![item.position.to_string()]).answer(&request))
}

/// The one number of a cursor.
pub(super) fn number(key: Option<Vec<String>>) -> Result<Option<i64>, Problem> {
    let Some(key) = key else { return Ok(None) };
    let read = key.first().and_then(|number| number.parse().ok());
    read.map(Some).ok_or_else(|| page::invalid("The cursor is not one of ours."))
}

/// One line of a job's log.
#[derive(Debug, Serialize, ToSchema)]
pub struct Event {
    /// Its number within the job, from 1.
    seq: i64,
    /// When it was written.
    at: DateTime<Utc>,
    /// What happened.
    #[schema(example = "fileConverted")]
    code: String,
    /// The item it is about; null when it is about the job.
    position: Option<i32>,
    /// What a sentence about it needs.
    #[schema(value_type = Object)]
    parameters: Value,
}

/// Which events to list.
#[derive(Debug, Deserialize, Serialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct EventFilters {
    /// Only events of these codes, separated by commas.
    #[param(example = "fileFailed,exportEnded")]
    code: Option<String>,
    /// Events on a page, 1 to 1000; 100 when absent.
    #[serde(skip_serializing)]
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
    /// `nextCursor` of the page before.
    #[serde(skip_serializing)]
    cursor: Option<String>,
}

/// Read a job's log.
///
/// First to last. Codes: `exportOrdered exportBegun fileExported fileConverted fileExportedAsOriginal fileSkipped
/// fileFailed fileStopped exportPaused exportResumed stopOrdered runOrdered retryOrdered archiveCreated exportEnded
/// emailSent emailFailed`.
#[utoipa::path(
    tag = "export jobs",
    operation_id = "listExportEvents",
    params(("jobHandle" = String, Path, description = "The job."), EventFilters),
    responses((status = 200, description = "One page of the log.", body = Page<Event>), BadQuery, Missing),
)]
#[get("/export-jobs/{jobHandle}/events")]
pub async fn events(
    state: Data<State>,
    caller: Caller,
    path: JobPath,
    filters: Query<EventFilters>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let limit = page::limit(filters.limit)?;
    let after = number(page::after(filters.cursor.as_deref(), &*filters)?)?.unwrap_or(0);
    let job = db::job::find(&state.db, caller.company, handle(&path)?).await?;
    let codes: Option<Vec<String>> =
        filters.code.as_ref().map(|codes| codes.split(',').map(|code| code.trim().to_owned()).collect());
    let found = event::list(&state.db, caller.company, job.job_id, codes.as_deref(), after, limit + 1).await?;
    let shown = found.into_iter().map(|event| Event {
        seq: event.seq,
        at: event.at,
        code: event.code,
        position: event.position,
        parameters: event.parameters.0,
    });
    Ok(Page::new(shown.collect(), limit, &*filters, |event: &Event| vec![event.seq.to_string()]).answer(&request))
}
