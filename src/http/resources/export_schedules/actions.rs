//! Actions on schedules: pause, resume, run; and deleting one.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, delete, post};
use offprint_core::{Code, Digest};

use crate::app::AppState;
use crate::db::enums::ScheduleState;
use crate::db::idempotency::IdempotencyRow;
use crate::db::schedule::{self, ScheduleRunResult};
use crate::db::{self, DbConnection, Transaction};
use crate::http::admission::admit_request;
use crate::http::extract::caller::Caller;
use crate::http::extract::idempotency::IdempotencyKey;
use crate::http::extract::preconditions;
use crate::http::limits::EffectiveLimits;
use crate::http::problem::Problem;
use crate::http::resources::export_jobs::authorization::authorize_request;
use crate::http::resources::export_jobs::create::build_accepted_response;
use crate::http::resources::export_jobs::create::convert_refusal;
use crate::http::resources::export_jobs::job::Job;
use crate::http::resources::export_schedules::SchedulePath;
use crate::http::resources::export_schedules::lock_managed_schedule;
use crate::http::resources::export_schedules::schedule::ExportSchedule;
use crate::http::responses::BodyProblems;
use crate::http::responses::ConflictProblem;
use crate::http::responses::NotFoundProblem;
use crate::http::responses::PreconditionProblem;
use crate::http::responses::QueueFullProblem;
use crate::id::ScheduleId;
use crate::jobs::ExportRequest;
use crate::jobs::placement::JobPlacement;
use crate::jobs::request::Overlap;
use crate::jobs::schedule::Recurrence;

/// Commits the transaction and returns the schedule as it is then.
async fn commit_and_fetch(
    mut transaction: Transaction,
    row: &schedule::ScheduleRow,
) -> Result<ExportSchedule, Problem> {
    let changed =
        ExportSchedule::from_row(schedule::fetch_schedule(&mut *transaction, row.company_id, row.schedule_id).await?)?;
    transaction.commit().await.map_err(db::DbError::from)?;
    Ok(changed)
}

fn reject_wrong_state(state: ScheduleState, remedy: &str) -> Problem {
    let is = match state {
        ScheduleState::Active => "active",
        ScheduleState::Paused => "paused",
        ScheduleState::Completed => "completed and has no more runs. Change its `execSchedule`",
    };
    Problem::new(Code::WrongState, format!("The schedule is {is}. {remedy}"))
}

/// Pause a schedule.
///
/// No runs start until it is resumed; existing jobs continue. Runs that fall into the pause are not made up for.
#[utoipa::path(tag = "export schedules", params(("scheduleHandle" = ScheduleId, Path, description = "Handle of the schedule.")),
    responses((status = 200, description = "The schedule was paused.", body = ExportSchedule), NotFoundProblem, ConflictProblem, PreconditionProblem))]
#[post("/export-schedules/{scheduleHandle}/pause")]
pub async fn pause_schedule(
    state: Data<AppState>,
    caller: Caller,
    request: HttpRequest,
    path: SchedulePath,
) -> Result<HttpResponse, Problem> {
    let changed = pause_managed_schedule(&state, &caller, (&request, &path)).await?;
    preconditions::show_changed(HttpResponse::Ok(), &changed, None)
}

/// Pauses a schedule, if the caller may control it.
///
/// # Errors
/// 404, 403, 409 when it is not active, 412 when `If-Match` is about another version.
pub(in crate::http) async fn pause_managed_schedule(
    state: &AppState,
    caller: &Caller,
    (request, path): (&HttpRequest, &str),
) -> Result<ExportSchedule, Problem> {
    let mut transaction = state.db.begin().await.map_err(db::DbError::from)?;
    let row = lock_managed_schedule(&mut transaction, caller, (request, path)).await?;
    if row.state != ScheduleState::Active {
        return Err(reject_wrong_state(row.state, "Only an active schedule can be paused."));
    }
    schedule::pause_schedule(&mut transaction, row.company_id, row.schedule_id).await?;
    commit_and_fetch(transaction, &row).await
}

/// Resume a paused schedule.
///
/// The next run is the next time of its cron expression. Runs that fell into the pause are not made up for.
#[utoipa::path(tag = "export schedules", params(("scheduleHandle" = ScheduleId, Path, description = "Handle of the schedule.")),
    responses((status = 200, description = "The schedule was resumed.", body = ExportSchedule), NotFoundProblem, ConflictProblem, PreconditionProblem))]
#[post("/export-schedules/{scheduleHandle}/resume")]
pub async fn resume_schedule(
    state: Data<AppState>,
    caller: Caller,
    request: HttpRequest,
    path: SchedulePath,
) -> Result<HttpResponse, Problem> {
    let changed = resume_managed_schedule(&state, &caller, (&request, &path)).await?;
    preconditions::show_changed(HttpResponse::Ok(), &changed, None)
}

/// Resumes a schedule, if the caller may control it.
///
/// # Errors
/// 404, 403, 409 when it is not paused, 412 when `If-Match` is about another version.
pub(in crate::http) async fn resume_managed_schedule(
    state: &AppState,
    caller: &Caller,
    (request, path): (&HttpRequest, &str),
) -> Result<ExportSchedule, Problem> {
    let mut transaction = state.db.begin().await.map_err(db::DbError::from)?;
    let row = lock_managed_schedule(&mut transaction, caller, (request, path)).await?;
    if row.state != ScheduleState::Paused {
        return Err(reject_wrong_state(row.state, "Only a paused schedule can be resumed."));
    }
    let now = schedule::fetch_database_time(&mut transaction).await?;
    let next = Recurrence::from_stored(&row.request).and_then(|recurrence| recurrence.next_after(now));
    schedule::set_next_run(&mut transaction, row.company_id, row.schedule_id, next).await?;
    schedule::touch_schedule(&mut transaction, row.company_id, row.schedule_id).await?;
    commit_and_fetch(transaction, &row).await
}

/// Run a schedule now.
///
/// Creates one additional job, whatever the state of the schedule; its next runs do not change. Answers with the job.
#[utoipa::path(tag = "export schedules", params(("scheduleHandle" = ScheduleId, Path, description = "Handle of the schedule.")),
    responses(
        (status = 202, description = "The job was created.", body = Job, headers(
            ("Location" = String, description = "URL of the job."),
            ("Retry-After" = u32, description = "Seconds after which to look at the job."),
        )),
        NotFoundProblem, ConflictProblem, PreconditionProblem, BodyProblems, QueueFullProblem,
    ))]
#[post("/export-schedules/{scheduleHandle}/run")]
pub async fn run_schedule(
    state: Data<AppState>,
    caller: Caller,
    request: HttpRequest,
    path: SchedulePath,
    key: IdempotencyKey,
) -> Result<HttpResponse, Problem> {
    match run_managed_schedule(&state, &caller, (&request, &path), Some(&key)).await? {
        StartedRun::Earlier(earlier) => {
            let answer = build_accepted_response(&earlier.location);
            Ok(earlier.replay(answer))
        }
        StartedRun::Created(job) => Ok(build_accepted_response(&job.links.own).json(job)),
    }
}

/// A run that a caller started.
pub(in crate::http) enum StartedRun {
    Created(Box<Job>),
    /// An earlier request with the same key has created its job.
    Earlier(IdempotencyRow),
}

/// Starts a run of a schedule, if the caller may control it.
///
/// # Errors
/// 404, 403, 409 when jobs may not overlap, 412, and what creating a job can be refused for.
pub(in crate::http) async fn run_managed_schedule(
    state: &AppState,
    caller: &Caller,
    (request, path): (&HttpRequest, &str),
    key: Option<&IdempotencyKey>,
) -> Result<StartedRun, Problem> {
    let digest = Digest::compute(b"");
    let _admission = admit_request(state, caller.company).await?;
    let company_limits = EffectiveLimits::load(state, caller.company).await?;
    let mut transaction = state.db.begin().await.map_err(db::DbError::from)?;
    if let Some(key) = key
        && let Some(earlier) = key.reserve(&mut transaction, caller, digest).await?
    {
        return Ok(StartedRun::Earlier(earlier));
    }
    let row = lock_managed_schedule(&mut transaction, caller, (request, path)).await?;
    let job = create_run(state, &mut transaction, caller, &company_limits, &row).await?;
    if let Some(key) = key {
        key.store(&mut transaction, caller, digest, (&job.links.own, &job)).await?;
    }
    transaction.commit().await.map_err(db::DbError::from)?;
    state.work_available.notify();
    Ok(StartedRun::Created(Box::new(job)))
}

async fn create_run(
    state: &AppState,
    connection: &mut DbConnection,
    caller: &Caller,
    company_limits: &EffectiveLimits,
    row: &schedule::ScheduleRow,
) -> Result<Job, Problem> {
    let mut request: ExportRequest = serde_json::from_value(row.request.0.clone()).map_err(Problem::internal)?;
    if row.unfinished && request.overlap.unwrap_or_default() == Overlap::Skip {
        let detail = "A job of the schedule is not finished, and its jobs may not overlap. Wait for the job, stop it, or change \
                      `overlap` to `allow`.";
        return Err(Problem::new(Code::WrongState, detail));
    }
    request.clear_schedule();
    // The caller needs the capabilities that the request asks for; the job belongs to the owner of the schedule.
    authorize_request(connection, caller, &mut request).await?;
    let user = match row.user_id {
        Some(user) => Some(db::company::fetch_user(connection, caller.company, user).await?),
        None => None,
    };
    let context = state.export_context();
    let placement = JobPlacement {
        company: caller.company,
        user: user.as_ref(),
        schedule: Some(row.schedule_id),
        max_jobs: company_limits.jobs,
        settings: &state.settings,
        context: &context,
    };
    let job = placement.create_job(connection, request).await.map_err(convert_refusal)?;
    schedule::insert_schedule_run(connection, caller.company, row.schedule_id, None, &ScheduleRunResult::Job(job))
        .await?;
    let created = Job::from(db::job::fetch_job(&mut *connection, caller.company, job).await?);
    placement.check_queue_room(connection, true).await.map_err(convert_refusal)?;
    Ok(created)
}

/// Delete a schedule.
///
/// It runs no more. Its jobs stay and continue.
#[utoipa::path(tag = "export schedules", params(("scheduleHandle" = ScheduleId, Path, description = "Handle of the schedule.")),
    responses((status = 204, description = "The schedule was deleted."), NotFoundProblem, PreconditionProblem))]
#[delete("/export-schedules/{scheduleHandle}")]
pub async fn delete_schedule(
    state: Data<AppState>,
    caller: Caller,
    request: HttpRequest,
    path: SchedulePath,
) -> Result<HttpResponse, Problem> {
    remove_managed_schedule(&state, &caller, (&request, &path)).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Deletes a schedule, if the caller may control it.
///
/// # Errors
/// 404, 403, 412.
pub(in crate::http) async fn remove_managed_schedule(
    state: &AppState,
    caller: &Caller,
    (request, path): (&HttpRequest, &str),
) -> Result<(), Problem> {
    let mut transaction = state.db.begin().await.map_err(db::DbError::from)?;
    let row = lock_managed_schedule(&mut transaction, caller, (request, path)).await?;
    schedule::delete_schedule(&mut transaction, row.company_id, row.schedule_id).await?;
    transaction.commit().await.map_err(db::DbError::from)?;
    Ok(())
}
