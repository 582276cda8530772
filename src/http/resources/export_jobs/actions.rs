//! Job actions: pause, resume, stop, run, retry; and deleting a job. Run and retry start work, so they take an
//! `Idempotency-Key`.

use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{HttpResponse, delete, post};
use offprint_core::Digest;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::app::AppState;
use crate::db::job::JobRow;
use crate::db::{self, DbConnection};
use crate::http::extract::body::OptionalJsonBody;
use crate::http::extract::caller::Caller;
use crate::http::extract::idempotency::IdempotencyKey;
use crate::http::limits::{check_repeats, count_repeat};
use crate::http::problem::Problem;
use crate::http::resources::export_jobs::JobPath;
use crate::http::resources::export_jobs::authorize_job_change;
use crate::http::resources::export_jobs::job::Job;
use crate::http::responses::BodyProblems;
use crate::http::responses::BusyProblem;
use crate::http::responses::ConflictProblem;
use crate::http::responses::KeyReuseProblem;
use crate::http::responses::NotFoundProblem;
use crate::http::responses::QueryProblems;
use crate::id::JobId;
use crate::jobs::JobAction;

/// Performs an action, and returns the job as it is then.
///
/// # Errors
/// 404, 403, 409 in a state that does not allow it, 429 for a retry that was asked for too often.
pub(in crate::http) async fn perform_action(
    state: &AppState,
    caller: &Caller,
    path: &str,
    action: JobAction,
    options: RetryJob,
) -> Result<JobRow, Problem> {
    let job = authorize_job_change(state, caller, path).await?;
    let mut transaction = state.db.begin().await.map_err(db::DbError::from)?;
    apply_action(state, &mut transaction, caller, job, action, options).await?;
    transaction.commit().await.map_err(db::DbError::from)?;
    conclude_action(state, caller, job, action);
    Ok(db::job::load_job(&state.db, caller.company, job).await?)
}

/// Writes what an action changes.
async fn apply_action(
    state: &AppState,
    connection: &mut DbConnection,
    caller: &Caller,
    job: JobId,
    action: JobAction,
    options: RetryJob,
) -> Result<(), Problem> {
    let allowed = action.allowed_states();
    match action.find_change() {
        Some((to, event)) => {
            let states = (allowed, to);
            let names = JobAction::names_allowed_in;
            db::job_actions::change_job_state(connection, caller.company, job, states, event, names).await?;
        }
        None => {
            check_repeats(state, caller, job.0)?;
            let rule = (allowed, JobAction::names_allowed_in as _);
            let refresh = options.refresh.unwrap_or(false);
            db::job_actions::retry_failed_items(connection, caller.company, job, refresh, rule).await?;
        }
    }
    Ok(())
}

/// After the commit: counts a retry, and notifies.
fn conclude_action(state: &AppState, caller: &Caller, job: JobId, action: JobAction) {
    if action == JobAction::Retry {
        // A retry that its state refuses is none. Of several at once only one is accepted, so each is counted in time.
        let _ = count_repeat(state, caller, job.0);
    }
    notify_job_change(state, job);
}

/// Performs an action for the API.
async fn answer_action(
    state: &AppState,
    caller: &Caller,
    path: &str,
    action: JobAction,
) -> Result<HttpResponse, Problem> {
    let job = perform_action(state, caller, path, action, RetryJob::default()).await?;
    Ok(HttpResponse::Ok().json(Job::from(job)))
}

/// The same for an action that starts work, and so is done once for each key.
async fn answer_action_once(
    state: &AppState,
    caller: &Caller,
    path: &str,
    (action, options): (JobAction, RetryJob),
    (key, digest): (&IdempotencyKey, Digest),
) -> Result<HttpResponse, Problem> {
    let job = authorize_job_change(state, caller, path).await?;
    let mut transaction = state.db.begin().await.map_err(db::DbError::from)?;
    if let Some(earlier) = key.reserve(&mut transaction, caller, digest).await? {
        return Ok(earlier.into_response(StatusCode::OK));
    }
    apply_action(state, &mut transaction, caller, job, action, options).await?;
    let shown = Job::from(db::job::fetch_job(&mut transaction, caller.company, job).await?);
    key.store(&mut transaction, caller, digest, ("", &shown)).await?;
    transaction.commit().await.map_err(db::DbError::from)?;
    conclude_action(state, caller, job, action);
    Ok(HttpResponse::Ok().json(shown))
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
    answer_action(&state, &caller, &path, JobAction::Pause).await
}

/// Resume a paused job.
///
/// Its waiting items are processed again in turn. A scheduled job waits for its time again if that has not come yet.
#[utoipa::path(tag = "export jobs", operation_id = "resumeExportJob", params(("jobHandle" = JobId, Path, description = "Handle of the job.")),
    responses((status = 200, description = "The job was resumed.", body = Job), NotFoundProblem, ConflictProblem))]
#[post("/export-jobs/{jobHandle}/resume")]
pub async fn resume_export_job(state: Data<AppState>, caller: Caller, path: JobPath) -> Result<HttpResponse, Problem> {
    answer_action(&state, &caller, &path, JobAction::Resume).await
}

/// Stop a job.
///
/// Waiting items are stopped at once, running items within seconds. Finished files stay available, also as an archive.
#[utoipa::path(tag = "export jobs", operation_id = "stopExportJob", params(("jobHandle" = JobId, Path, description = "Handle of the job.")),
    responses((status = 200, description = "The job is stopping.", body = Job), NotFoundProblem, ConflictProblem))]
#[post("/export-jobs/{jobHandle}/stop")]
pub async fn stop_export_job(state: Data<AppState>, caller: Caller, path: JobPath) -> Result<HttpResponse, Problem> {
    answer_action(&state, &caller, &path, JobAction::Stop).await
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
    let digest = Digest::compute(b"");
    answer_action_once(&state, &caller, &path, (JobAction::Run, RetryJob::default()), (&key, digest)).await
}

/// How to retry.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub struct RetryJob {
    /// Whether items get the content that their assets have now, where it was replaced since the job was created. Names and
    /// modifiers stay. Default: false; then the response has a notice when there is such content.
    pub(in crate::http) refresh: Option<bool>,
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
    answer_action_once(&state, &caller, &path, (JobAction::Retry, body), (&key, digest)).await
}

/// Delete a job.
///
/// Allowed in any state. The job, its files and its archive disappear at once; running items are stopped. Assets stay.
#[utoipa::path(tag = "export jobs", operation_id = "deleteExportJob", params(("jobHandle" = JobId, Path, description = "Handle of the job.")),
    responses((status = 204, description = "The job was deleted."), NotFoundProblem))]
#[delete("/export-jobs/{jobHandle}")]
pub async fn delete_export_job(state: Data<AppState>, caller: Caller, path: JobPath) -> Result<HttpResponse, Problem> {
    remove_job(&state, &caller, &path).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Deletes a job, if the caller may control it.
///
/// # Errors
/// 404, 403.
pub(in crate::http) async fn remove_job(state: &AppState, caller: &Caller, path: &str) -> Result<(), Problem> {
    let job = authorize_job_change(state, caller, path).await?;
    let row = db::job::load_job(&state.db, caller.company, job).await?;
    let group = match row.group_id {
        Some(group) => {
            let asked = (row.email_setting, row.notify_emails.as_slice());
            Some((group, state.build_group_notice(&state.db, (caller.company, job), asked).await?))
        }
        None => None,
    };
    db::job_actions::delete_job(&state.db, caller.company, job, group.as_ref()).await?;
    notify_job_change(state, job);
    Ok(())
}
