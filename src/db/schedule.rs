//! Schedules: export requests that recur.
//!
//! A due schedule is locked ([`lock_due_run`]), and the transaction that inserts the job also sets the next run. So
//! each run happens once, however many processes look: those that look at the same time find the row locked, those that
//! look later find the next run.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::types::Json;
use sqlx::{AssertSqlSafe, PgExecutor};

use crate::db::enums::{RunOutcome, ScheduleState};
use crate::db::metadata_map::MetadataMap;
use crate::db::{DbConnection, DbError, limits};
use crate::id::{CompanyId, JobId, ScheduleId, UserId};

/// A schedule as people see it: its row and its last runs.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct ScheduleRow {
    pub company_id: CompanyId,
    pub schedule_id: ScheduleId,
    pub user_id: Option<UserId>,
    pub author_id: Option<UserId>,
    pub request: Json<Value>,
    pub state: ScheduleState,
    pub next_run_at: Option<DateTime<Utc>>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    /// Whether one of its jobs is not finished.
    pub unfinished: bool,
    /// Newest first.
    pub last_runs: Json<Vec<ScheduleRunRow>>,
    /// The last run that was refused.
    pub last_error: Option<Json<ScheduleRunRow>>,
}

/// A run of a schedule.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ScheduleRunRow {
    pub due_at: Option<DateTime<Utc>>,
    pub at: DateTime<Utc>,
    pub outcome: RunOutcome,
    pub job_id: Option<JobId>,
    /// Null until the job is finished, and when it was deleted.
    pub job_outcome: Option<String>,
    pub problem: Option<Value>,
}

/// How many runs of a schedule are shown.
const MAX_LISTED_RUNS: &str = "10";
/// How many runs of a schedule are kept.
const MAX_STORED_RUNS: i64 = 100;

/// Builds the select of a [`ScheduleRow`]. `request` is the SQL expression for the export request, from which lists
/// leave out the asset handles.
fn build_select(request: &str) -> String {
    format!(
        "select schedule.company_id, schedule.schedule_id, schedule.user_id, schedule.author_id, {request} as request, schedule.state,
                schedule.next_run_at, schedule.created_at, schedule.updated_at,
                exists (select from export_job job where job.company_id = schedule.company_id and job.schedule_id = schedule.schedule_id
                                                    and job.state <> 'finished' and job.deleted_at is null) as unfinished,
                coalesce((select jsonb_agg(run order by run_id desc) from (
                    select run_id, due_at, at, run.outcome, run.job_id, problem, job.outcome as job_outcome
                      from export_schedule_run run
                      left join export_job job on job.company_id = run.company_id and job.job_id = run.job_id and job.deleted_at is null
                     where run.company_id = schedule.company_id and run.schedule_id = schedule.schedule_id
                     order by run_id desc limit {MAX_LISTED_RUNS}) run), '[]') as last_runs,
                (select to_jsonb(run) from export_schedule_run run
                  where run.company_id = schedule.company_id and run.schedule_id = schedule.schedule_id and run.outcome = 'refused'
                  order by run_id desc limit 1) as last_error
           from export_schedule schedule"
    )
}

/// Fetches a schedule of a company.
pub async fn fetch_schedule(
    executor: impl PgExecutor<'_>,
    company: CompanyId,
    schedule: ScheduleId,
) -> Result<ScheduleRow, DbError> {
    let sql =
        format!("{} where schedule.company_id = $1 and schedule.schedule_id = $2", build_select("schedule.request"));
    let row = sqlx::query_as(AssertSqlSafe(sql)).bind(company).bind(schedule).fetch_optional(executor).await?;
    row.ok_or(DbError::NotFound("export schedule"))
}

/// Fetches a schedule and locks it until the transaction ends: no run of it starts meanwhile.
pub async fn lock_schedule(
    connection: &mut DbConnection,
    company: CompanyId,
    schedule: ScheduleId,
) -> Result<ScheduleRow, DbError> {
    sqlx::query("select from export_schedule where company_id = $1 and schedule_id = $2 for update")
        .bind(company)
        .bind(schedule)
        .execute(&mut *connection)
        .await?;
    fetch_schedule(connection, company, schedule).await
}

/// Lists at most `limit` schedules of a company, or of one user, whose metadata has these entries, after the given one in
/// order of creation. Their requests come without asset handles.
pub async fn list_schedules(
    executor: impl PgExecutor<'_>,
    company: CompanyId,
    (owner, metadata): (Option<UserId>, &MetadataMap),
    after: Option<ScheduleId>,
    limit: i64,
) -> Result<Vec<ScheduleRow>, DbError> {
    let sql = format!(
        "{} where schedule.company_id = $1 and ($2::uuid is null or schedule.user_id = $2)
              and ($3::uuid is null or schedule.schedule_id > $3)
              and coalesce(nullif(schedule.request -> 'metadata', 'null'), '{{}}') @> $5::jsonb
            order by schedule.schedule_id limit $4",
        build_select("schedule.request - 'assetHandleArray'")
    );
    let query = sqlx::query_as(AssertSqlSafe(sql)).bind(company).bind(owner).bind(after).bind(limit);
    Ok(query.bind(Json(metadata)).fetch_all(executor).await?)
}

/// What a client sets when it creates or changes a schedule.
#[derive(Clone, Debug)]
pub struct ScheduleInput<'a> {
    /// Owner of the jobs that it creates.
    pub user: Option<UserId>,
    /// Who created or last changed it; runs have this user's rights.
    pub author: Option<UserId>,
    /// The export request with its recurrence, as sent.
    pub request: &'a Value,
}

/// Inserts a schedule whose first run is due at `next`.
pub async fn insert_schedule(
    connection: &mut DbConnection,
    company: CompanyId,
    schedule: ScheduleId,
    input: &ScheduleInput<'_>,
    next: DateTime<Utc>,
) -> Result<(), DbError> {
    sqlx::query(
        "insert into export_schedule (company_id, schedule_id, user_id, author_id, request, next_run_at)
         values ($1, $2, $3, $4, $5, $6)",
    )
    .bind(company)
    .bind(schedule)
    .bind(input.user)
    .bind(input.author)
    .bind(input.request)
    .bind(next)
    .execute(connection)
    .await?;
    Ok(())
}

/// Replaces user, author and request of a schedule.
pub async fn update_schedule(
    connection: &mut DbConnection,
    company: CompanyId,
    schedule: ScheduleId,
    input: &ScheduleInput<'_>,
) -> Result<(), DbError> {
    sqlx::query(
        "update export_schedule set user_id = $3, author_id = $4, request = $5, updated_at = now()
          where company_id = $1 and schedule_id = $2",
    )
    .bind(company)
    .bind(schedule)
    .bind(input.user)
    .bind(input.author)
    .bind(input.request)
    .execute(connection)
    .await?;
    Ok(())
}

/// Sets when the next run is due. None completes the schedule.
pub async fn set_next_run(
    connection: &mut DbConnection,
    company: CompanyId,
    schedule: ScheduleId,
    next: Option<DateTime<Utc>>,
) -> Result<(), DbError> {
    sqlx::query(
        "update export_schedule
            set next_run_at = $3, state = case when $3::timestamptz is null then 'completed' else 'active' end
          where company_id = $1 and schedule_id = $2",
    )
    .bind(company)
    .bind(schedule)
    .bind(next)
    .execute(connection)
    .await?;
    Ok(())
}

/// Pauses a schedule. [`set_next_run`] resumes it.
pub async fn pause_schedule(
    connection: &mut DbConnection,
    company: CompanyId,
    schedule: ScheduleId,
) -> Result<(), DbError> {
    sqlx::query(
        "update export_schedule set next_run_at = null, state = 'paused', updated_at = now()
          where company_id = $1 and schedule_id = $2",
    )
    .bind(company)
    .bind(schedule)
    .execute(connection)
    .await?;
    Ok(())
}

/// Sets the time of a schedule's last change to now.
pub async fn touch_schedule(
    connection: &mut DbConnection,
    company: CompanyId,
    schedule: ScheduleId,
) -> Result<(), DbError> {
    sqlx::query("update export_schedule set updated_at = now() where company_id = $1 and schedule_id = $2")
        .bind(company)
        .bind(schedule)
        .execute(connection)
        .await?;
    Ok(())
}

/// Deletes a schedule. Its jobs stay.
pub async fn delete_schedule(
    connection: &mut DbConnection,
    company: CompanyId,
    schedule: ScheduleId,
) -> Result<(), DbError> {
    let deleted = sqlx::query("delete from export_schedule where company_id = $1 and schedule_id = $2")
        .bind(company)
        .bind(schedule)
        .execute(connection)
        .await?;
    if deleted.rows_affected() == 1 { Ok(()) } else { Err(DbError::NotFound("export schedule")) }
}

/// Counts the company's schedules. Concurrent callers wait for each other until their transactions end, so that they
/// cannot both take the last place within the limit.
pub async fn count_schedules(connection: &mut DbConnection, company: CompanyId) -> Result<i64, DbError> {
    limits::lock_quota(connection, company, "schedules").await?;
    let query = sqlx::query_scalar("select count(*) from export_schedule where company_id = $1").bind(company);
    Ok(query.fetch_one(connection).await?)
}

/// The time at which the transaction began, by the database's clock.
pub async fn fetch_database_time(connection: &mut DbConnection) -> Result<DateTime<Utc>, DbError> {
    Ok(sqlx::query_scalar("select now()").fetch_one(connection).await?)
}

/// A run that is due.
#[derive(Clone, Copy, Debug, sqlx::FromRow)]
pub struct DueRun {
    pub company_id: CompanyId,
    pub schedule_id: ScheduleId,
    /// When it was due. If several runs were missed, the first of them.
    pub next_run_at: DateTime<Utc>,
}

/// Locks a due schedule of any company until the transaction ends. Schedules that other processes have locked are
/// skipped.
pub async fn lock_due_run(connection: &mut DbConnection) -> Result<Option<DueRun>, DbError> {
    let query = sqlx::query_as(
        "select company_id, schedule_id, next_run_at from export_schedule
          where state = 'active' and next_run_at <= now() order by next_run_at limit 1 for update skip locked",
    );
    Ok(query.fetch_optional(connection).await?)
}

/// Locks a run again after its transaction failed. Returns `false` when it is no longer due.
pub async fn relock_due_run(connection: &mut DbConnection, due: &DueRun) -> Result<bool, DbError> {
    let locked = sqlx::query(
        "select from export_schedule where company_id = $1 and schedule_id = $2 and next_run_at = $3 for update",
    )
    .bind(due.company_id)
    .bind(due.schedule_id)
    .bind(due.next_run_at)
    .execute(connection)
    .await?;
    Ok(locked.rows_affected() == 1)
}

/// The result of a run.
#[derive(Clone, Debug)]
pub enum ScheduleRunResult {
    /// It created this job.
    Job(JobId),
    /// The job of an earlier run was not finished.
    Skipped,
    /// The request was refused with this problem.
    Refused(Value),
}

/// Records the result of a run, and removes all but the last `MAX_STORED_RUNS`.
pub async fn insert_schedule_run(
    connection: &mut DbConnection,
    company: CompanyId,
    schedule: ScheduleId,
    due_at: Option<DateTime<Utc>>,
    result: &ScheduleRunResult,
) -> Result<(), DbError> {
    let (outcome, job, problem) = match result {
        ScheduleRunResult::Job(job) => (RunOutcome::Started, Some(*job), None),
        ScheduleRunResult::Skipped => (RunOutcome::Skipped, None, None),
        ScheduleRunResult::Refused(problem) => (RunOutcome::Refused, None, Some(problem)),
    };
    sqlx::query(
        "insert into export_schedule_run (company_id, schedule_id, due_at, outcome, job_id, problem)
         values ($1, $2, $3, $4, $5, $6)",
    )
    .bind(company)
    .bind(schedule)
    .bind(due_at)
    .bind(outcome)
    .bind(job)
    .bind(problem)
    .execute(&mut *connection)
    .await?;
    sqlx::query(
        "delete from export_schedule_run
          where company_id = $1 and schedule_id = $2
            and run_id <= (select run_id from export_schedule_run where company_id = $1 and schedule_id = $2
                            order by run_id desc offset $3 limit 1)",
    )
    .bind(company)
    .bind(schedule)
    .bind(MAX_STORED_RUNS)
    .execute(connection)
    .await?;
    Ok(())
}
