//! Creates the jobs of schedules that are due, each run once, however many processes look.
//!
//! One transaction locks the schedule's row, inserts the job and sets the next run. Whatever the result, the schedule
//! moves on to its next run, so that a request that is refused or fails is not tried again every second. Only while the
//! database cannot be reached does the run stay due.

use std::time::Duration;

use offprint_core::Code;
use serde_json::json;
use tokio::time::timeout;
use tracing::{error, info, warn};

use crate::app::AppState;
use crate::db::capability::Capability::ExportsCreate;
use crate::db::schedule::{self, DueRun, ScheduleRunResult};
use crate::db::{self, DbConnection, api_key, company, limits};
use crate::id::JobId;
use crate::jobs::DraftError;
use crate::jobs::ExportRequest;
use crate::jobs::placement::JobPlacement;
use crate::jobs::placement::get_max_jobs;
use crate::jobs::request::Overlap;
use crate::jobs::rights;
use crate::jobs::schedule::Recurrence;
use crate::reason::{Reason, ValidationError};
use crate::worker::waiting::wait_for_work;

/// How long the creation of a job may take.
const JOB_CREATION_TIMEOUT: Duration = Duration::from_secs(60);

/// How many validation errors are recorded for a run.
const MAX_RECORDED_ERRORS: usize = 10;

/// Runs due schedules until the service shuts down.
pub async fn run_scheduler(state: AppState) {
    while !state.closing.is_cancelled() {
        match run_next_schedule(&state).await {
            Ok(true) => continue,
            Ok(false) => {}
            Err(error) => warn!(error = %error, "Could not run the due schedules: {error}"),
        }
        // Nothing notifies us when a run becomes due, so only the poll interval ends this.
        wait_for_work(&state, std::future::pending()).await;
    }
}

/// Runs one schedule that is due. Returns whether there was one.
pub async fn run_next_schedule(state: &AppState) -> Result<bool, db::DbError> {
    let mut transaction = db::with_query_timeout(async { Ok(state.system.begin().await?) }).await?;
    let Some(due) = db::with_query_timeout(schedule::lock_due_run(&mut transaction)).await? else { return Ok(false) };
    match timeout(JOB_CREATION_TIMEOUT, process_schedule(state, &mut transaction, &due)).await {
        Ok(Ok(())) => db::with_query_timeout(async { Ok(transaction.commit().await?) }).await?,
        Ok(Err(error @ db::DbError::Unreachable(_))) => return Err(error),
        result => {
            let reason = result.map_or_else(|_| "it took too long".to_owned(), |result| format!("{:?}", result.err()));
            error!(schedule.handle = %due.schedule_id, "Internal error in a run of schedule {}: {reason}", due.schedule_id);
            drop(transaction);
            record_internal_failure(state, &due).await?;
        }
    }
    state.work_available.notify();
    state.job_changes.notify();
    Ok(true)
}

async fn process_schedule(state: &AppState, connection: &mut DbConnection, due: &DueRun) -> Result<(), db::DbError> {
    let row = schedule::fetch_schedule(&mut *connection, due.company_id, due.schedule_id).await?;
    let request: Result<ExportRequest, _> = serde_json::from_value(row.request.0.clone());
    let outcome = match request {
        Ok(request) if row.unfinished && request.overlap.unwrap_or_default() == Overlap::Skip => {
            ScheduleRunResult::Skipped
        }
        Ok(request) => {
            // What a refused request has written is rolled back, the record of the run stays.
            db::set_savepoint(&mut *connection).await?;
            match create_run_job(state, &mut *connection, &row, request).await {
                Ok(job) => ScheduleRunResult::Job(job),
                Err(DraftError::Db(error @ (db::DbError::Unreachable(_) | db::DbError::QueryFailed(_)))) => {
                    return Err(error);
                }
                Err(refusal) => {
                    db::roll_back_to_savepoint(&mut *connection).await?;
                    ScheduleRunResult::Refused(to_run_problem(refusal))
                }
            }
        }
        Err(error) => ScheduleRunResult::Refused(build_run_problem(Code::Internal, &error.to_string(), &[])),
    };
    log_run(due, &outcome);
    record_run(connection, due, &row, &outcome).await
}

/// Records the result of a run and sets the next one. Runs that were missed meanwhile are not made up for.
async fn record_run(
    connection: &mut DbConnection,
    due: &DueRun,
    row: &schedule::ScheduleRow,
    outcome: &ScheduleRunResult,
) -> Result<(), db::DbError> {
    let now = schedule::fetch_database_time(connection).await?;
    let next = Recurrence::from_stored(&row.request).and_then(|recurrence| recurrence.next_after(now));
    schedule::insert_schedule_run(connection, due.company_id, due.schedule_id, Some(due.next_run_at), outcome).await?;
    schedule::set_next_run(connection, due.company_id, due.schedule_id, next).await
}

/// Creates the job of a run.
async fn create_run_job(
    state: &AppState,
    connection: &mut DbConnection,
    row: &schedule::ScheduleRow,
    mut request: ExportRequest,
) -> Result<JobId, DraftError> {
    request.clear_schedule();
    check_author(state, connection, row, &mut request).await?;
    let user = match row.user_id {
        Some(user) => Some(company::fetch_user(connection, row.company_id, user).await?),
        None => None,
    };
    let company_limits = limits::find_company_limits(&mut *connection, row.company_id).await?;
    let context = state.export_context();
    let placement = JobPlacement {
        company: row.company_id,
        user: user.as_ref(),
        schedule: Some(row.schedule_id),
        max_jobs: get_max_jobs(&state.settings, &company_limits),
        settings: &state.settings,
        context: &context,
    };
    let job = placement.create_job(connection, request).await?;
    placement.check_queue_room(connection, true).await?;
    Ok(job)
}

/// Checks that the user who created or last changed the schedule still has the rights that the request needs, by any of
/// the user's keys.
async fn check_author(
    state: &AppState,
    connection: &mut DbConnection,
    row: &schedule::ScheduleRow,
    request: &mut ExportRequest,
) -> Result<(), DraftError> {
    let Some(author) = row.author_id.filter(|_| state.settings.is_key_required()) else { return Ok(()) };
    let Some(rights) = api_key::find_user_capabilities(connection, row.company_id, author).await? else {
        let detail = "The user who created or last changed the schedule has no valid API key any more. Change the \
                      schedule with a valid key (PATCH), or delete it.";
        return Err(DraftError::Rejected(Reason::new(Code::KeyDisabled, detail)));
    };
    if !rights.contains(&ExportsCreate) {
        let detail = "The user who created or last changed the schedule lacks the capability `exports:create`. Change the \
             schedule with a key that has it (PATCH), or delete it.";
        return Err(DraftError::Rejected(Reason::new(Code::OperationForbidden, detail)));
    }
    match rights::enforce_rights(request, |capability| rights.contains(&capability)) {
        errors if errors.is_empty() => Ok(()),
        errors => Err(DraftError::Invalid(errors.into())),
    }
}

/// Records a run that failed with an internal error, so that the schedule moves on to its next run.
async fn record_internal_failure(state: &AppState, due: &DueRun) -> Result<(), db::DbError> {
    db::with_query_timeout(async {
        let mut transaction = state.system.begin().await?;
        if schedule::relock_due_run(&mut transaction, due).await? {
            let row = schedule::fetch_schedule(&mut *transaction, due.company_id, due.schedule_id).await?;
            let detail = "Internal error. The log has details under the schedule's handle.";
            let outcome = ScheduleRunResult::Refused(build_run_problem(Code::Internal, detail, &[]));
            log_run(due, &outcome);
            record_run(&mut transaction, due, &row, &outcome).await?;
            transaction.commit().await?;
        }
        Ok(())
    })
    .await
}

fn to_run_problem(error: DraftError) -> serde_json::Value {
    match error {
        DraftError::Rejected(reason) => build_run_problem(reason.code, &reason.detail, &[]),
        DraftError::Compute(error) => build_run_problem(Code::Internal, &format!("{error}."), &[]),
        DraftError::Db(error) => build_run_problem(Code::SourceMissing, &format!("{error}."), &[]),
        DraftError::Invalid(errors) => {
            let (total, errors) = errors.into_parts();
            let detail = match errors.as_slice() {
                [only] => format!("{}: {}", only.pointer, only.detail),
                _ => format!("The export request now has {total} errors; `errors` lists the first ones."),
            };
            build_run_problem(Code::ValidationFailed, &detail, &errors)
        }
    }
}

/// The problem that is recorded for a run.
fn build_run_problem(code: Code, detail: &str, errors: &[ValidationError]) -> serde_json::Value {
    json!({ "code": code, "detail": detail, "errors": errors.iter().take(MAX_RECORDED_ERRORS).collect::<Vec<_>>() })
}

fn log_run(due: &DueRun, result: &ScheduleRunResult) {
    let (schedule, at) = (due.schedule_id, due.next_run_at);
    let outcome = match result {
        ScheduleRunResult::Job(job) => {
            info!(schedule.handle = %schedule, job.handle = %job, "The run of schedule {schedule} due at {at} created job {job}");
            "started"
        }
        ScheduleRunResult::Skipped => {
            info!(schedule.handle = %schedule, "Skipped the run of schedule {schedule} due at {at}: its last job is not finished");
            "skipped"
        }
        ScheduleRunResult::Refused(problem) => {
            warn!(schedule.handle = %schedule, "The run of schedule {schedule} due at {at} created no job: {}", problem["detail"]);
            "refused"
        }
    };
    metrics::counter!("offprint_schedule_runs_total", "outcome" => outcome).increment(1);
}
