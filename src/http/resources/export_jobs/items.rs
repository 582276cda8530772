//! Items of a job: the results by asset.

use std::collections::BTreeMap;

use actix_web::web::{Data, Path, Query};
use actix_web::{HttpRequest, HttpResponse, get};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::app::AppState;
use crate::db::asset::AssetType;
use crate::db::attempt::{self, AttemptEnding};
use crate::db::enums::{FileState, ItemState};
use crate::db::item_view;
use crate::db::item_view::{ItemFileView, ItemView};
use crate::db::metadata_map::MetadataMap;
use crate::http::extract::caller::Caller;
use crate::http::extract::page;
use crate::http::extract::page::Page;
use crate::http::problem::Problem;
use crate::http::resources::export_jobs::JobPath;
use crate::http::resources::export_jobs::find_visible_job;
use crate::http::responses::NotFoundProblem;
use crate::http::responses::QueryProblems;
use crate::id::{AssetId, CompanyId, JobId, WorkerId};
use crate::reason::Reason;

/// An item: one asset inside a job.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Item {
    /// Position in the job, from 0.
    pub(in crate::http) position: i32,
    /// The asset.
    pub(in crate::http) asset_handle: AssetId,
    /// Type of the asset when the job was created.
    pub(in crate::http) asset_type: AssetType,
    /// Name of the asset when the job was created.
    pub(in crate::http) name: String,
    /// Folder of the asset when the job was created.
    pub(in crate::http) folder: String,
    /// The modifier that the request has for this item alone; null when it has none.
    #[serde(rename = "is_modifier")]
    pub(in crate::http) is_modifier: Option<String>,
    /// The variables that the request sets for this item alone; null when it sets none.
    pub(in crate::http) parameters: Option<BTreeMap<String, String>>,
    /// Metadata of the asset when the job was created.
    pub(in crate::http) metadata: MetadataMap,
    /// State of the item, or how it ended.
    pub(in crate::http) state: ItemState,
    /// The files of the item: one for each rendition, in their order; empty when the item is skipped.
    pub(in crate::http) files: Vec<ItemFile>,
    /// Path of the file in the archive. This and the next five fields are null when the item has several files: see `files`.
    pub(in crate::http) path: Option<String>,
    /// Size of the file in bytes.
    pub(in crate::http) size: Option<i64>,
    /// Media type of the file.
    pub(in crate::http) mime: Option<String>,
    /// Width in pixels.
    pub(in crate::http) width: Option<i32>,
    /// Height in pixels.
    pub(in crate::http) height: Option<i32>,
    /// SHA-256 of the file.
    sha256: Option<String>,
    /// Whether existing renditions were reused for all files, so that nothing was rendered.
    pub(in crate::http) reused: bool,
    /// How often a worker started the item.
    pub(in crate::http) attempts: i32,
    /// When a worker last started the item.
    pub(in crate::http) started_at: Option<DateTime<Utc>>,
    /// When the item ended.
    pub(in crate::http) finished_at: Option<DateTime<Utc>>,
    /// Why the item failed; null if it did not.
    pub(in crate::http) failure: Option<Reason>,
    /// Warnings about the item, and those about the modifiers that were applied to it.
    pub(in crate::http) warnings: Vec<Reason>,
    /// All ended attempts, oldest first. Only with `attempts=true`, and when a single item is shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::http) attempt_history: Option<Vec<ItemAttempt>>,
}

/// One attempt at an item.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ItemAttempt {
    /// The worker that had the item.
    pub(in crate::http) worker_handle: Option<WorkerId>,
    /// Host name of the worker; null when the worker is no longer known.
    pub(in crate::http) host: Option<String>,
    /// When the attempt began.
    pub(in crate::http) started_at: Option<DateTime<Utc>>,
    /// When the attempt ended.
    pub(in crate::http) ended_at: DateTime<Utc>,
    /// How the attempt ended.
    pub(in crate::http) ending: AttemptEnding,
    /// Why the attempt failed; null if it did not.
    pub(in crate::http) failure: Option<Reason>,
}

impl From<attempt::AttemptRow> for ItemAttempt {
    fn from(attempt: attempt::AttemptRow) -> Self {
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
    /// Name of the rendition; null for originals and without `renditions`.
    pub(in crate::http) rendition: Option<String>,
    /// Path of the file in the archive, and the end of its URL.
    pub(in crate::http) path: String,
    /// `ready` when the file can be downloaded, `absent` when the item ended without it.
    pub(in crate::http) state: FileState,
    /// Size in bytes.
    pub(in crate::http) size: Option<i64>,
    /// Media type.
    pub(in crate::http) mime: Option<String>,
    /// Width in pixels.
    pub(in crate::http) width: Option<i32>,
    /// Height in pixels.
    pub(in crate::http) height: Option<i32>,
    /// SHA-256 of the file.
    sha256: Option<String>,
    /// Whether an existing rendition was reused instead of rendering.
    pub(in crate::http) reused: bool,
    /// Warnings about the file, and those about its modifier.
    pub(in crate::http) warnings: Vec<Reason>,
    /// How the image was rendered, as text for people: what was decoded and how far the decoder shrank it, the steps with
    /// their sizes and kernels, the estimated memory. Null for originals, and when the rendition is no longer kept for reuse.
    pub(in crate::http) plan: Option<String>,
}

impl From<ItemFileView> for ItemFile {
    fn from(file: ItemFileView) -> Self {
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

impl From<ItemView> for Item {
    fn from(row: ItemView) -> Self {
        let files: Vec<ItemFile> = row.files.0.into_iter().map(ItemFile::from).collect();
        let only = if let [only] = files.as_slice() { Some(only.clone()) } else { None };
        Self {
            position: row.position,
            asset_handle: row.asset_id,
            asset_type: row.asset_type,
            name: row.asset_name,
            folder: row.folder,
            is_modifier: row.is_modifier,
            parameters: row.parameters.map(|parameters| parameters.0),
            metadata: row.metadata.0,
            state: row.state,
            path: only.as_ref().map(|file| file.path.clone()),
            size: only.as_ref().and_then(|file| file.size),
            width: only.as_ref().and_then(|file| file.width),
            height: only.as_ref().and_then(|file| file.height),
            mime: only.as_ref().and_then(|file| file.mime.clone()),
            sha256: only.and_then(|file| file.sha256),
            reused: !files.is_empty() && files.iter().all(|file| file.reused),
            files,
            attempts: row.attempts,
            started_at: row.started_at,
            finished_at: row.finished_at,
            failure: row.failure.map(|failure| failure.0),
            warnings: row.warnings.0,
            attempt_history: None,
        }
    }
}

/// Which items to list.
#[derive(Debug, Default, Deserialize, Serialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ItemQuery {
    /// Only items in this state.
    pub(in crate::http) state: Option<ItemState>,
    /// Include all ended attempts of each item, as `attemptHistory`.
    #[serde(skip_serializing_if = "page::not_a_filter")]
    pub(in crate::http) attempts: Option<bool>,
    /// Items per page, 1 to 1000. Default: 100.
    #[serde(skip_serializing_if = "page::not_a_filter")]
    #[param(minimum = 1, maximum = 1000)]
    pub(in crate::http) limit: Option<u32>,
    /// `nextCursor` of the previous page.
    #[serde(skip_serializing_if = "page::not_a_filter")]
    #[param(min_length = 1)]
    pub(in crate::http) cursor: Option<String>,
}

/// List the items of a job.
///
/// The results by asset, in request order, with files, failures and warnings.
#[utoipa::path(
    tag = "export jobs",
    operation_id = "listExportItems",
    params(("jobHandle" = JobId, Path, description = "Handle of the job."), ItemQuery),
    responses((status = 200, description = "One page of items.", body = Page<Item>), QueryProblems, NotFoundProblem),
)]
#[get("/export-jobs/{jobHandle}/items")]
pub async fn list_items(
    state: Data<AppState>,
    caller: Caller,
    path: JobPath,
    filters: Query<ItemQuery>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let job = find_visible_job(&state, &caller, &path).await?;
    Ok(load_item_page(&state, caller.company, job.job_id, &filters).await?.into_response(&request))
}

/// A page of the items of a job of this company, which the caller may see.
///
/// # Errors
/// 400 for a limit or a cursor that is wrong.
pub(in crate::http) async fn load_item_page(
    state: &AppState,
    company: CompanyId,
    job: JobId,
    query: &ItemQuery,
) -> Result<Page<Item>, Problem> {
    let limit = page::parse_limit(query.limit)?;
    let after: i64 = page::parse_cursor(query.cursor.as_deref(), query, page::parse_single_key)?.unwrap_or(-1);
    let first = after as i32 + 1;
    let rows = item_view::list_item_views(&state.db, company, job, query.state, first, limit + 1).await?;
    let mut items: Vec<Item> = rows.into_iter().map(Item::from).collect();
    if query.attempts == Some(true) {
        add_attempt_history(state, company, job, &mut items).await?;
    }
    Ok(Page::new(items, limit, query, |item| vec![item.position.to_string()]))
}

/// Adds the attempts to items, which must be sorted by position: both lists are merged in one pass.
async fn add_attempt_history(
    state: &AppState,
    company: CompanyId,
    job: JobId,
    items: &mut [Item],
) -> Result<(), Problem> {
    let positions: Vec<i32> = items.iter().map(|item| item.position).collect();
    let mut attempts = attempt::list_attempts(&state.db, company, job, &positions).await?.into_iter().peekable();
    for item in items {
        let mut own = Vec::new();
        while let Some(attempt) = attempts.next_if(|attempt| attempt.position == item.position) {
            own.push(ItemAttempt::from(attempt));
        }
        item.attempt_history = Some(own);
    }
    Ok(())
}

/// Show an item of a job.
///
/// The result for one asset, with all ended attempts: which worker, when, and what failed.
#[utoipa::path(
    tag = "export jobs",
    operation_id = "showExportItem",
    params(("jobHandle" = JobId, Path, description = "Handle of the job."), ("position" = i32, Path, description = "Position of the item in the job, from 0.")),
    responses((status = 200, description = "The item.", body = Item), NotFoundProblem),
)]
#[get("/export-jobs/{jobHandle}/items/{position}")]
pub async fn show_item(
    state: Data<AppState>,
    caller: Caller,
    path: Path<(String, String)>,
) -> Result<HttpResponse, Problem> {
    let job = find_visible_job(&state, &caller, &path.0).await?;
    let missing = || Problem::not_found("item in this job");
    let position: i32 = path.1.parse().ok().filter(|position| *position >= 0).ok_or_else(missing)?;
    let rows = item_view::list_item_views(&state.db, caller.company, job.job_id, None, position, 1).await?;
    let row = rows.into_iter().next().filter(|row| row.position == position).ok_or_else(missing)?;
    let mut items = [Item::from(row)];
    add_attempt_history(&state, caller.company, job.job_id, &mut items).await?;
    let [item] = items;
    Ok(HttpResponse::Ok().json(item))
}
