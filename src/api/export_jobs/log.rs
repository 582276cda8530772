//! A job's log.

use actix_web::web::{Data, Query};
use actix_web::{HttpRequest, HttpResponse, get};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use crate::api::caller::Caller;
use crate::api::export_jobs::{JobPath, seen};
use crate::api::page::{self, Page};
use crate::api::problem::Problem;
use crate::api::responses::{BadQuery, Missing};
use crate::db::event;
use crate::state::State;

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
    let after = page::after(filters.cursor.as_deref(), &*filters, page::only)?.unwrap_or(0);
    let job = seen(&state, &caller, &path).await?;
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
