//! Export jobs: create, validate, watch, control, and download the results. Begin reading at [`create`].

pub mod actions;
pub(super) mod authorization;
pub mod create;
pub mod deliveries;
pub mod destinations;
pub mod dry_run;
pub mod event_stream;
pub mod events;
pub mod files;
pub mod items;
pub mod job;
pub mod links;
pub mod show;
pub mod thumbnails;

use actix_web::web::Path;

use crate::app::AppState;
use crate::db;
use crate::db::job::JobRow;
use crate::http::extract::caller::Caller;
use crate::http::problem::Problem;
use crate::id::JobId;

/// Parses the job handle in the path; 404 when it is not a handle.
pub(in crate::http) fn parse_job_handle(path: &str) -> Result<JobId, Problem> {
    path.parse().map_err(|_| Problem::not_found("export job"))
}

/// The job in the path, if the caller may see it. Otherwise 404, as if it did not exist.
pub(in crate::http) async fn find_visible_job(
    state: &AppState,
    caller: &Caller,
    path: &str,
) -> Result<JobRow, Problem> {
    let job = db::job::load_job(&state.db, caller.company, parse_job_handle(path)?).await?;
    if caller.can_read_all() || caller.is_owner_of(&job) { Ok(job) } else { Err(Problem::not_found("export job")) }
}

/// The handle of the job in the path, if the caller may control it.
pub(in crate::http) async fn authorize_job_change(
    state: &AppState,
    caller: &Caller,
    path: &str,
) -> Result<JobId, Problem> {
    // A caller that may manage all jobs needs no check of the owner; the action itself finds out whether the job exists.
    if caller.has_capability(db::capability::Capability::ExportsManageAll) {
        return parse_job_handle(path);
    }
    let job = find_visible_job(state, caller, path).await?;
    caller.check_can_manage(&job)?;
    Ok(job.job_id)
}

/// The path parameter of operations on one job.
pub(super) type JobPath = Path<String>;
