//! Job actions: pause, resume, stop, run, retry; and deleting a job. Run and retry start work, so they take an
//! `Idempotency-Key`.

use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{HttpResponse, delete, post};
use offprint_core::Digest;
use serde::Deserialize;
use sqlx::{Postgres, Transaction};
use utoipa::ToSchema;

use crate::app::AppState;
use crate::db::enums::JobState;
use crate::db::{self, DbConnection};
use crate::http::extract::body::OptionalJsonBody;
use crate::http::extract::caller::Caller;
use crate::http::extract::idempotency::IdempotencyKey;
use crate::http::limits::{check_repeats, count_repeat};
use crate::http::problem::Problem;
use crate::http::resources::export_jobs::JobPath;
use crate::http::resources::export_jobs::authorize_job_change;
use crate::http::resources::export_jobs::job::Job;
use crate::http::resources::export_jobs::parse_job_handle;
use crate::http::responses::BodyProblems;
use crate::http::responses::BusyProblem;
use crate::http::responses::ConflictProblem;
use crate::http::responses::KeyReuseProblem;
use crate::http::responses::NotFoundProblem;
use crate::http::responses::QueryProblems;
use crate::id::JobId;
use crate::jobs::JobAction;

/// Performs an action that only changes the state, and answers with the job.
async fn apply_action(
    state: &AppState,
    caller: Caller,
    path: &str,
    action: JobAction,
    to: JobState,
    event: &str,
) -> Result<HttpResponse, Problem> {
    let job = authorize_job_change(state, &caller, path).await?;
    let mut transaction = state.db.begin().await.map_err(db::DbError::from)?;
    change_state(&mut transaction, &caller, job, action, to, event).await?;
    transaction.commit().await.map_err(db::DbError::from)?;
    show_changed_job(state, caller, path).await
}

async fn change_state(
    connection: &mut DbConnection,
    caller: &Caller,
    job: JobId,
    action: JobAction,
    to: JobState,
    event: &str,
) -> Result<(), db::DbError> {
    let states = (action.allowed_states(), to);
    db::job_actions::change_job_state(connection, caller.company, job, states, event, JobAction::names_allowed_in).await
}

/// Stores the job as the response to this request, commits and answers with it.
async fn commit_once(
    state: &AppState,
    mut transaction: Transaction<'static, Postgres>,
    caller: &Caller,
    (key, digest): (&IdempotencyKey, Digest),
    job: JobId,
) -> Result<HttpResponse, Problem> {
    let shown = Job::from(db::job::fetch_job(&mut *transaction, caller.company, job).await?);
    key.store(&mut transaction, caller, digest, ("", &shown)).await?;
    transaction.commit().await.map_err(db::DbError::from)?;
    notify_job_change(state, job);
    Ok(HttpResponse::Ok().json(shown))
}

async fn show_changed_job(state: &AppState, caller: Caller, path: &str) -> Result<HttpResponse, Problem> {
    let job = parse_job_handle(path)?;
    notify_job_change(state, job);
    Ok(HttpResponse::Ok().json(Job::from(db::job::fetch_job(&state.db, caller.company, job).await?)))
}

/// Notifies workers and watchers of a job action, after its commit.
fn notify_job_change(state: &AppState, job: JobId) {
    state.job_signals.send(job);
    state.work_available.notify();
    state.job_changes.notify();
}

/// Pause a job.
///
/// Running items finish; no others start until the job is resumed. A restart of the service does not resume it, and the
/// time of a scheduled job neither.
#[utoipa::path(tag = "export jobs", operation_id = "pauseExportJob", params(("jobHandle" = JobId, Path, description = "Handle of the job.")),
    responses((status = 200, description = "The job was paused.", body = Job), NotFoundProblem, ConflictProblem))]
#[post("/export-jobs/{jobHandle}/pause")]
pub async fn pause_export_job(state: Data<AppState>, caller: Caller, path: JobPath) -> Result<HttpResponse, Problem> {
    apply_action(&state, caller, &path, JobAction::Pause, JobState::Paused, "exportPaused").await
}

/// Resume a paused job.
///
/// Its waiting items are processed again in turn. A scheduled job waits for its time again if that has not come yet.
#[utoipa::path(tag = "export jobs", operation_id = "resumeExportJob", params(("jobHandle" = JobId, Path, description = "Handle of the job.")),
    responses((status = 200, description = "The job was resumed.", body = Job), NotFoundProblem, ConflictProblem))]
#[post("/export-jobs/{jobHandle}/resume")]
pub async fn resume_export_job(state: Data<AppState>, caller: Caller, path: JobPath) -> Result<HttpResponse, Problem> {
    apply_action(&state, caller, &path, JobAction::Resume, JobState::Active, "exportResumed").await
}

/// Stop a job.
///
/// Waiting items are stopped at once, running items within seconds. Finished files stay available, also as an archive.
#[utoipa::path(tag = "export jobs", operation_id = "stopExportJob", params(("jobHandle" = JobId, Path, description = "Handle of the job.")),
    responses((status = 200, description = "The job is stopping.", body = Job), NotFoundProblem, ConflictProblem))]
#[post("/export-jobs/{jobHandle}/stop")]
pub async fn stop_export_job(state: Data<AppState>, caller: Caller, path: JobPath) -> Result<HttpResponse, Problem> {
    apply_action(&state, caller, &path, JobAction::Stop, JobState::Stopping, "stopRequested").await
}

/// Run a scheduled job now.
///
/// The job starts at once, and not again at `execTime`.
#[utoipa::path(tag = "export jobs", operation_id = "runExportJob", params(("jobHandle" = JobId, Path, description = "Handle of the job.")),
    responses((status = 200, description = "The job was started.", body = Job), NotFoundProblem, ConflictProblem, QueryProblems, KeyReuseProblem))]
#[post("/export-jobs/{jobHandle}/run")]
pub async fn run_export_job(
    state: Data<AppState>,
    caller: Caller,
    path: JobPath,
    key: IdempotencyKey,
) -> Result<HttpResponse, Problem> {
    let job = authorize_job_change(&state, &caller, &path).await?;
    let digest = Digest::compute(b"");
    let mut transaction = state.db.begin().await.map_err(db::DbError::from)?;
    if let Some(earlier) = key.reserve(&mut transaction, &caller, digest).await? {
        return Ok(earlier.into_response(StatusCode::OK));
    }
    change_state(&mut transaction, &caller, job, JobAction::Run, JobState::Active, "runRequested").await?;
    commit_once(&state, transaction, &caller, (&key, digest), job).await
}

/// How to retry.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub struct RetryJob {
    /// Whether items get the content that their assets have now, where it was replaced since the job was created. Names and
    /// modifiers stay. Default: false; then the response has a notice when there is such content.
    refresh: Option<bool>,
}

/// Retry the failed items of a job.
///
/// Starts a new run of the same job with the same file names and URLs; successful items stay as they are. The archive is
/// available again when the run ends, with a new `ETag`. The new run sends its own mail and webhook, so a job can be retried
/// ten times a minute, and all jobs of a company thirty times.
///
/// Items keep the content that their assets had when the job was created. After an asset's content was replaced, send
/// `{"refresh": true}` to use the new content. The body may be absent.
#[utoipa::path(tag = "export jobs", operation_id = "retryExportJob", params(("jobHandle" = JobId, Path, description = "Handle of the job.")),
    request_body(content = Option<RetryJob>, description = "How to retry.", example = json!({"refresh": false})),
    responses((status = 200, description = "The job has a new run.", body = Job), NotFoundProblem, ConflictProblem, BodyProblems, BusyProblem))]
#[post("/export-jobs/{jobHandle}/retry")]
pub async fn retry_export_job(
    state: Data<AppState>,
    caller: Caller,
    path: JobPath,
    key: IdempotencyKey,
    OptionalJsonBody(body, digest): OptionalJsonBody<RetryJob>,
) -> Result<HttpResponse, Problem> {
    let job = authorize_job_change(&state, &caller, &path).await?;
    let mut transaction = state.db.begin().await.map_err(db::DbError::from)?;
    if let Some(earlier) = key.reserve(&mut transaction, &caller, digest).await? {
        return Ok(earlier.into_response(StatusCode::OK));
    }
    check_repeats(&state, &caller, job.0)?;
    let rule = (JobAction::Retry.allowed_states(), JobAction::names_allowed_in as _);
    let refresh = body.refresh.unwrap_or(false);
    db::job_actions::retry_failed_items(&mut transaction, caller.company, job, refresh, rule).await?;
    let answer = commit_once(&state, transaction, &caller, (&key, digest), job).await?;
    // A retry that its state refuses is none. Of several at once only one is accepted, so each is counted in time.
    let _ = count_repeat(&state, &caller, job.0);
    Ok(answer)
}

/// Delete a job.
///
/// Allowed in any state. The job, its files and its archive disappear at once; running items are stopped. Assets stay.
#[utoipa::path(tag = "export jobs", operation_id = "deleteExportJob", params(("jobHandle" = JobId, Path, description = "Handle of the job.")),
    responses((status = 204, description = "The job was deleted."), NotFoundProblem))]
#[delete("/export-jobs/{jobHandle}")]
pub async fn delete_export_job(state: Data<AppState>, caller: Caller, path: JobPath) -> Result<HttpResponse, Problem> {
    let job = authorize_job_change(&state, &caller, &path).await?;
    db::job_actions::delete_job(&state.db, caller.company, job).await?;
    notify_job_change(&state, job);
    Ok(HttpResponse::NoContent().finish())
}
