//! Orders to jobs that exist.

use actix_web::web::Data;
use actix_web::{HttpResponse, delete, post};

use crate::api::caller::Caller;
use crate::api::export_jobs::job::Job;
use crate::api::export_jobs::{JobPath, handle, managed};
use crate::api::problem::Problem;
use crate::api::responses::{Conflict, Missing};
use crate::db;
use crate::db::vocabulary::JobState;
use crate::export::JobOrder;
use crate::id::JobId;
use crate::state::State;

/// Gives an order that only changes the state, and answers with the job.
async fn order(
    state: &State,
    caller: Caller,
    path: &str,
    order: JobOrder,
    to: JobState,
    event: &str,
) -> Result<HttpResponse, Problem> {
    let job = managed(state, &caller, path).await?;
    db::orders::change(&state.db, caller.company, job, (order.from(), to), event, JobOrder::allowed).await?;
    tell(state, caller, path).await
}

async fn tell(state: &State, caller: Caller, path: &str) -> Result<HttpResponse, Problem> {
    let job = handle(path)?;
    rung(state, job);
    Ok(HttpResponse::Ok().json(Job::from(db::job::find(&state.db, caller.company, job).await?)))
}

/// Wakes whom an order may concern, after its commit.
fn rung(state: &State, job: JobId) {
    state.orders.tell(job);
    state.work.ring();
    state.news.ring();
}

/// Pause a job.
///
/// Items that run end as they would; nothing new is begun until the job is resumed, also after a restart.
#[utoipa::path(tag = "export jobs", operation_id = "pauseExportJob", params(("jobHandle" = String, Path, description = "The job.")),
    responses((status = 200, description = "The job, paused.", body = Job), Missing, Conflict))]
#[post("/export-jobs/{jobHandle}/pause")]
pub async fn pause(state: Data<State>, caller: Caller, path: JobPath) -> Result<HttpResponse, Problem> {
    order(&state, caller, &path, JobOrder::Pause, JobState::Paused, "exportPaused").await
}

/// Resume a paused job.
///
/// Items that were held wait for their turn again.
#[utoipa::path(tag = "export jobs", operation_id = "resumeExportJob", params(("jobHandle" = String, Path, description = "The job.")),
    responses((status = 200, description = "The job, going on.", body = Job), Missing, Conflict))]
#[post("/export-jobs/{jobHandle}/resume")]
pub async fn resume(state: Data<State>, caller: Caller, path: JobPath) -> Result<HttpResponse, Problem> {
    order(&state, caller, &path, JobOrder::Resume, JobState::Active, "exportResumed").await
}

/// Stop a job.
///
/// Items that wait are stopped at once, items that run within seconds. Files that are done stay, and get their archive.
#[utoipa::path(tag = "export jobs", operation_id = "stopExportJob", params(("jobHandle" = String, Path, description = "The job.")),
    responses((status = 200, description = "The job, stopping.", body = Job), Missing, Conflict))]
#[post("/export-jobs/{jobHandle}/stop")]
pub async fn stop(state: Data<State>, caller: Caller, path: JobPath) -> Result<HttpResponse, Problem> {
    order(&state, caller, &path, JobOrder::Stop, JobState::Stopping, "stopRequested").await
}

/// Begin a scheduled job now.
///
/// It does not begin again at the time it was scheduled for.
#[utoipa::path(tag = "export jobs", operation_id = "runExportJob", params(("jobHandle" = String, Path, description = "The job.")),
    responses((status = 200, description = "The job, begun.", body = Job), Missing, Conflict))]
#[post("/export-jobs/{jobHandle}/run")]
pub async fn run(state: Data<State>, caller: Caller, path: JobPath) -> Result<HttpResponse, Problem> {
    order(&state, caller, &path, JobOrder::Run, JobState::Active, "runOrdered").await
}

/// Try the failed items again.
///
/// The same job, names and archive address; what worked stays. The archive is not there again until the new run ends,
/// and then has a new ETag. A new run mails again.
#[utoipa::path(tag = "export jobs", operation_id = "retryExportJob", params(("jobHandle" = String, Path, description = "The job.")),
    responses((status = 200, description = "The job, running again.", body = Job), Missing, Conflict))]
#[post("/export-jobs/{jobHandle}/retry")]
pub async fn retry(state: Data<State>, caller: Caller, path: JobPath) -> Result<HttpResponse, Problem> {
    let job = managed(&state, &caller, &path).await?;
    db::orders::retry(&state.db, caller.company, job, JobOrder::Retry.from(), JobOrder::allowed).await?;
    tell(&state, caller, &path).await
}

/// Delete a job.
///
/// In any state. It is gone at once, with its files and its archive; items that run are stopped. Assets stay.
#[utoipa::path(tag = "export jobs", operation_id = "deleteExportJob", params(("jobHandle" = String, Path, description = "The job.")),
    responses((status = 204, description = "It is gone."), Missing))]
#[delete("/export-jobs/{jobHandle}")]
pub async fn delete(state: Data<State>, caller: Caller, path: JobPath) -> Result<HttpResponse, Problem> {
    let job = managed(&state, &caller, &path).await?;
    db::orders::delete(&state.db, caller.company, job).await?;
    rung(&state, job);
    Ok(HttpResponse::NoContent().finish())
}
