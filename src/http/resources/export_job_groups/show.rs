//! Shows a group of export jobs, optionally waiting for its end.

use std::time::Duration;

use actix_web::http::header;
use actix_web::web::{Data, Path, Query};
use actix_web::{HttpRequest, HttpResponse, get};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::app::AppState;
use crate::db;
use crate::db::enums::ShownState;
use crate::http::extract::caller::Caller;
use crate::http::extract::{preconditions, prefer};
use crate::http::long_poll::{wait_until, watch_changes};
use crate::http::problem::Problem;
use crate::http::resources::export_job_groups::find_visible_group;
use crate::http::resources::export_job_groups::group::ExportJobGroup;
use crate::http::responses::{NotFoundProblem, PreconditionProblem, QueryProblems};
use crate::id::JobGroupId;

/// Items end many times a second: the sums are read at most this often.
const SUM_INTERVAL: Duration = Duration::from_millis(250);

/// How to show a group.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct JobGroupWaitQuery {
    /// Seconds to wait for the end: the response comes when the last job is finished, or when the time is over. A wait ends after
    /// 50 s in any case, before proxies give up.
    #[param(minimum = 0, maximum = 60)]
    wait: Option<u64>,
}

/// Show a group of export jobs.
///
/// One status over all jobs, and each job with its archive. A group is kept as long as one of its jobs.
#[utoipa::path(
    tag = "export jobs",
    operation_id = "showExportJobGroup",
    params(("jobHandle" = JobGroupId, Path, description = "Handle of the group: its `groupHandle`."), JobGroupWaitQuery),
    responses(
        (status = 200, description = "The group.", body = ExportJobGroup, headers(
            ("Retry-After" = u32, description = "Seconds after which to look again; absent when the group is finished."),
        )),
        (status = 304, description = "The client has the current version."), QueryProblems, NotFoundProblem, PreconditionProblem,
    ),
)]
#[get("/export-job-groups/{jobHandle}")]
pub async fn show_export_job_group(
    state: Data<AppState>,
    caller: Caller,
    path: Path<String>,
    Query(waiting): Query<JobGroupWaitQuery>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let wait = prefer::check_wait(waiting.wait)?;
    let group = wait_for_end(&state, &caller, &path, prefer::limit_wait(wait)).await?;
    let mut answer = preconditions::show_json(&request, &group, None)?;
    if group.state != ShownState::Finished {
        answer.headers_mut().insert(header::RETRY_AFTER, header::HeaderValue::from_static("1"));
    }
    Ok(answer)
}

/// The group when all its jobs are finished, or when the time is over.
async fn wait_for_end(
    state: &AppState,
    caller: &Caller,
    path: &str,
    wait: Duration,
) -> Result<ExportJobGroup, Problem> {
    let read = async || {
        let row = find_visible_group(state, caller, path).await?;
        let jobs = db::job::list_group_jobs(&state.db, caller.company, row.group_id).await?;
        if jobs.is_empty() {
            // All were deleted; maintenance removes it.
            return Err(Problem::not_found("group of export jobs"));
        }
        let group = ExportJobGroup::new(row, &jobs);
        let is_finished = group.state == ShownState::Finished;
        Ok((group, is_finished))
    };
    wait_until(state, caller, wait, || watch_changes(state, SUM_INTERVAL), read).await
}
