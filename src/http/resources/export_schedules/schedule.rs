//! The representation of a schedule.

use chrono::{DateTime, Utc};
use offprint_core::Code;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::db;
use crate::db::enums::{Outcome, RunOutcome, ScheduleState, ShownScheduleState};
use crate::db::schedule::ScheduleRunRow;
use crate::http::address::serialize_address;
use crate::http::problem::Problem;
use crate::id::{JobId, ScheduleId};
use crate::jobs::ExportRequest;
use crate::jobs::request::Overlap;
use crate::jobs::schedule::Recurrence;
use crate::reason::{CodeSchema, ValidationError};

/// How many future runs are shown.
pub const MAX_SHOWN_RUNS: usize = 5;

/// A recurring export: the fields of its export request, and when it runs.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ExportSchedule)]
pub struct ExportSchedule {
    /// Handle of the schedule.
    pub(in crate::http) schedule_handle: ScheduleId,
    /// Current state.
    pub(in crate::http) state: ShownScheduleState,
    /// When the next run is due; null when the schedule is paused or completed.
    pub(in crate::http) next_run_at: Option<DateTime<Utc>>,
    /// The next five runs.
    pub(in crate::http) next_runs: Vec<DateTime<Utc>>,
    /// The last ten runs, newest first.
    pub(in crate::http) last_runs: Vec<ScheduleRun>,
    /// The last run that could not create a job, among the last hundred runs.
    pub(in crate::http) last_error: Option<ScheduleRun>,
    /// When the schedule was created.
    pub(in crate::http) created_at: DateTime<Utc>,
    /// When the schedule was last changed, paused or resumed.
    pub(in crate::http) updated_at: DateTime<Utc>,
    /// Related URLs.
    pub(in crate::http) links: ScheduleLinks,
    /// The export request of each run. `assetHandleArray` is null in lists.
    #[serde(flatten)]
    pub(in crate::http) request: ExportRequest,
}

/// A run of a schedule.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScheduleRun {
    /// When the run was due, or the first of the missed ones; null for a run that a caller started.
    pub(in crate::http) due_at: Option<DateTime<Utc>>,
    /// When the run was processed.
    pub(in crate::http) at: DateTime<Utc>,
    /// Result of the run.
    pub(in crate::http) outcome: RunOutcome,
    /// The job. It may have been deleted.
    pub(in crate::http) job_handle: Option<JobId>,
    /// Outcome of the job; null until it ends.
    #[schema(value_type = Option<Outcome>)]
    pub(in crate::http) job_outcome: Option<String>,
    /// Why no job could be created; null if there is one.
    #[schema(value_type = Option<RunProblem>)]
    pub(in crate::http) problem: Option<Value>,
}

/// Why a run could not create a job.
#[derive(Debug, Serialize, ToSchema)]
pub struct RunProblem {
    /// Kind of problem, as in a problem response.
    #[schema(value_type = CodeSchema)]
    pub code: Code,
    /// What is wrong, where, and what to do about it.
    pub detail: String,
    /// The first errors in the export request.
    pub errors: Vec<ValidationError>,
}

/// URLs related to a schedule.
#[derive(Debug, Serialize, ToSchema)]
pub struct ScheduleLinks {
    /// The schedule itself.
    #[serde(rename = "self", serialize_with = "serialize_address")]
    own: String,
    /// The jobs of the schedule.
    #[serde(serialize_with = "serialize_address")]
    jobs: String,
}

impl From<ScheduleRunRow> for ScheduleRun {
    fn from(run: ScheduleRunRow) -> Self {
        Self {
            due_at: run.due_at,
            at: run.at,
            outcome: run.outcome,
            job_handle: run.job_id,
            job_outcome: run.job_outcome,
            problem: run.problem,
        }
    }
}

impl ExportSchedule {
    /// # Errors
    /// An internal error when the stored request cannot be parsed.
    pub fn from_row(row: db::schedule::ScheduleRow) -> Result<Self, Problem> {
        let recurrence = Recurrence::from_stored(&row.request);
        let mut request: ExportRequest = serde_json::from_value(row.request.0).map_err(Problem::internal)?;
        let next_runs =
            recurrence.map(|recurrence| recurrence.runs_from(row.next_run_at, MAX_SHOWN_RUNS)).unwrap_or_default();
        request.user_handle = row.user_id;
        let overlap = request.overlap.unwrap_or_default();
        let newest = row.last_runs.first().map(|run| run.outcome);
        let own = format!("/export-schedules/{}", row.schedule_id);
        Ok(Self {
            schedule_handle: row.schedule_id,
            state: match row.state {
                ScheduleState::Paused => ShownScheduleState::Paused,
                ScheduleState::Completed => ShownScheduleState::Completed,
                ScheduleState::Active if row.unfinished && overlap == Overlap::Skip => ShownScheduleState::Blocked,
                ScheduleState::Active if newest == Some(RunOutcome::Refused) => ShownScheduleState::Error,
                ScheduleState::Active => ShownScheduleState::Active,
            },
            next_run_at: row.next_run_at,
            next_runs,
            last_runs: row.last_runs.0.into_iter().map(ScheduleRun::from).collect(),
            last_error: row.last_error.map(|run| run.0.into()),
            created_at: row.created_at,
            updated_at: row.updated_at,
            links: ScheduleLinks { jobs: format!("/export-jobs?scheduleHandle={}", row.schedule_id), own },
            request,
        })
    }

    pub fn handle(&self) -> ScheduleId {
        self.schedule_handle
    }

    /// The URL of the schedule, relative to the service.
    pub fn location(&self) -> String {
        self.links.own.clone()
    }
}
