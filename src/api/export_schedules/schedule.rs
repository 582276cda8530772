//! A schedule as it is shown.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::api::problem::Problem;
use crate::code::Code;
use crate::reason::{CodeSchema, Mistake};
use crate::db;
use crate::db::schedule::Run;
use crate::db::vocabulary::{Outcome, RunOutcome, ScheduleState, ShownScheduleState};
use crate::export::Order;
use crate::export::order::Overlap;
use crate::export::schedule::Timetable;
use crate::id::{JobId, ScheduleId};

/// How many runs to come are shown.
pub const SHOWN_RUNS: usize = 5;

/// A recurring export: the fields of its order, as they were sent, and when it runs.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ExportSchedule)]
pub struct Schedule {
    /// The schedule's handle.
    schedule_handle: ScheduleId,
    /// What it is doing.
    state: ShownScheduleState,
    /// When it runs next; null when it is paused or completed.
    next_run_at: Option<DateTime<Utc>>,
    /// Its next five runs.
    next_runs: Vec<DateTime<Utc>>,
    /// Its last ten runs, the newest first.
    last_runs: Vec<ScheduleRun>,
    /// The last time when no job could be made, among the last hundred runs.
    last_error: Option<ScheduleRun>,
    /// When it was made.
    created_at: DateTime<Utc>,
    /// When it was changed, paused or resumed last.
    updated_at: DateTime<Utc>,
    /// Where to go from here.
    links: ScheduleLinks,
    /// What is ordered at each run. `assetHandleArray` is null in lists.
    #[serde(flatten)]
    order: Order,
}

/// A run of a schedule.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScheduleRun {
    /// When it was due, or the first of those that were missed; null when somebody ordered it.
    due_at: Option<DateTime<Utc>>,
    /// When it was looked after.
    at: DateTime<Utc>,
    /// What became of it.
    outcome: RunOutcome,
    /// Its job. It may have been deleted since.
    job_handle: Option<JobId>,
    /// How the job ended; null until then.
    #[schema(value_type = Option<Outcome>)]
    job_outcome: Option<String>,
    /// Why no job could be made.
    #[schema(value_type = Option<RunProblem>)]
    problem: Option<Value>,
}

/// Why no job could be made of a run.
#[derive(Debug, Serialize, ToSchema)]
pub struct RunProblem {
    /// From the one list of codes.
    #[schema(value_type = CodeSchema)]
    pub code: Code,
    /// What, where and the remedy.
    pub detail: String,
    /// The first mistakes of the order as it is now.
    pub errors: Vec<Mistake>,
}

/// Addresses that belong to a schedule.
#[derive(Debug, Serialize, ToSchema)]
pub struct ScheduleLinks {
    #[serde(rename = "self")]
    /// The schedule itself.
    own: String,
    /// The jobs of its runs.
    jobs: String,
}

impl From<Run> for ScheduleRun {
    fn from(run: Run) -> Self {
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

impl Schedule {
    /// The schedule of a row.
    ///
    /// # Errors
    /// When the row does not hold what was written: a mistake of ours.
    pub fn of(row: db::schedule::Schedule) -> Result<Self, Problem> {
        let timetable = Timetable::kept(&row.wish);
        let mut order: Order = serde_json::from_value(row.wish.0).map_err(Problem::internal)?;
        let next_runs = timetable.map(|timetable| timetable.from(row.next_run_at, SHOWN_RUNS)).unwrap_or_default();
        order.user_handle = row.user_id;
        let overlap = order.overlap.unwrap_or_default();
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
            order,
        })
    }

    /// Its handle.
    pub fn handle(&self) -> ScheduleId {
        self.schedule_handle
    }

    /// Its address.
    pub fn location(&self) -> String {
        self.links.own.clone()
    }
}
