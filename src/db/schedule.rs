//! Schedules: orders that recur. What is due is taken under the row's lock, and moved on in the transaction that writes
//! the job: whoever looks at the same time finds it taken, whoever looks later finds it moved.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::types::Json;
use sqlx::{AssertSqlSafe, PgExecutor};

use crate::db::vocabulary::{RunOutcome, ScheduleState};
use crate::db::{Connection, Error, limits};
use crate::id::{CompanyId, JobId, ScheduleId, UserId};

/// A schedule as it is shown: its row and its last runs.
#[derive(Clone, Debug, sqlx::FromRow)]
#[allow(missing_docs, reason = "columns; migrations/0016_schedules.sql says what they mean")]
pub struct Schedule {
    pub company_id: CompanyId,
    pub schedule_id: ScheduleId,
    pub user_id: Option<UserId>,
    pub author_id: Option<UserId>,
    pub wish: Json<Value>,
    pub state: ScheduleState,
    pub next_run_at: Option<DateTime<Utc>>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    /// Whether a job of it is not finished.
    pub unfinished: bool,
    /// The last runs, the newest first.
    pub last_runs: Json<Vec<Run>>,
    /// The last run that was refused.
    pub last_error: Option<Json<Run>>,
}

/// A run of a schedule.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[allow(missing_docs, reason = "columns; migrations/0016_schedules.sql says what they mean")]
pub struct Run {
    pub due_at: Option<DateTime<Utc>>,
    pub at: DateTime<Utc>,
    pub outcome: RunOutcome,
    pub job_id: Option<JobId>,
    /// How the job ended; null until then, and when it was deleted.
    pub job_outcome: Option<String>,
    pub problem: Option<Value>,
}

/// Runs that are shown of a schedule.
const SHOWN_RUNS: &str = "10";
/// Runs that are kept of a schedule.
const KEPT_RUNS: i64 = 100;

/// The columns of a [`Schedule`], of the table `schedule`; how its assets are named is left out of lists.
fn shown(wish: &str) -> String {
    format!(
        "select schedule.company_id, schedule.schedule_id, schedule.user_id, schedule.author_id, {wish} as wish, schedule.state,
                schedule.next_run_at, schedule.created_at, schedule.updated_at,
                exists (select from export_job job where job.company_id = schedule.company_id and job.schedule_id = schedule.schedule_id
                                                    and job.state <> 'finished' and job.deleted_at is null) as unfinished,
                coalesce((select jsonb_agg(run order by run_id desc) from (
                    select run_id, due_at, at, run.outcome, run.job_id, problem, job.outcome as job_outcome
                      from export_schedule_run run
                      left join export_job job on job.company_id = run.company_id and job.job_id = run.job_id and job.deleted_at is null
                     where run.company_id = schedule.company_id and run.schedule_id = schedule.schedule_id
                     order by run_id desc limit {SHOWN_RUNS}) run), '[]') as last_runs,
                (select to_jsonb(run) from export_schedule_run run
                  where run.company_id = schedule.company_id and run.schedule_id = schedule.schedule_id and run.outcome = 'refused'
                  order by run_id desc limit 1) as last_error
           from export_schedule schedule"
    )
}

/// One schedule of a company.
pub async fn find(executor: impl PgExecutor<'_>, company: CompanyId, schedule: ScheduleId) -> Result<Schedule, Error> {
    let sql = format!("{} where schedule.company_id = $1 and schedule.schedule_id = $2", shown("schedule.wish"));
    let found = sqlx::query_as(AssertSqlSafe(sql)).bind(company).bind(schedule).fetch_optional(executor).await?;
    found.ok_or(Error::Missing("export schedule"))
}

/// The same, locked until the transaction ends: no run of it is made meanwhile.
pub async fn lock(connection: &mut Connection, company: CompanyId, schedule: ScheduleId) -> Result<Schedule, Error> {
    sqlx::query("select from export_schedule where company_id = $1 and schedule_id = $2 for update")
        .bind(company)
        .bind(schedule)
        .execute(&mut *connection)
        .await?;
    find(connection, company, schedule).await
}

/// At most `limit` schedules of a company, or of this user, that were made after the given one. Without handles of assets.
pub async fn list(
    executor: impl PgExecutor<'_>,
    company: CompanyId,
    owner: Option<UserId>,
    after: Option<ScheduleId>,
    limit: i64,
) -> Result<Vec<Schedule>, Error> {
    let sql = format!(
        "{} where schedule.company_id = $1 and ($2::uuid is null or schedule.user_id = $2)
              and ($3::uuid is null or schedule.schedule_id > $3)
            order by schedule.schedule_id limit $4",
        shown("schedule.wish - 'assetHandleArray'")
    );
    let found = sqlx::query_as(AssertSqlSafe(sql)).bind(company).bind(owner).bind(after).bind(limit);
    Ok(found.fetch_all(executor).await?)
}

/// What is said of a schedule by whoever makes or changes it.
#[derive(Clone, Debug)]
pub struct Said<'a> {
    /// Whose jobs its runs are.
    pub user: Option<UserId>,
    /// Who says it.
    pub author: Option<UserId>,
    /// The order.
    pub wish: &'a Value,
}

/// Writes a schedule down that is first due at this time.
pub async fn insert(
    connection: &mut Connection,
    company: CompanyId,
    schedule: ScheduleId,
    said: &Said<'_>,
    next: DateTime<Utc>,
) -> Result<(), Error> {
    sqlx::query(
        "insert into export_schedule (company_id, schedule_id, user_id, author_id, wish, next_run_at)
         values ($1, $2, $3, $4, $5, $6)",
    )
    .bind(company)
    .bind(schedule)
    .bind(said.user)
    .bind(said.author)
    .bind(said.wish)
    .bind(next)
    .execute(connection)
    .await?;
    Ok(())
}

/// Replaces what was said of a schedule.
pub async fn change(
    connection: &mut Connection,
    company: CompanyId,
    schedule: ScheduleId,
    said: &Said<'_>,
) -> Result<(), Error> {
    sqlx::query(
        "update export_schedule set user_id = $3, author_id = $4, wish = $5, updated_at = now()
          where company_id = $1 and schedule_id = $2",
    )
    .bind(company)
    .bind(schedule)
    .bind(said.user)
    .bind(said.author)
    .bind(said.wish)
    .execute(connection)
    .await?;
    Ok(())
}

/// Says when a schedule is due next; none when no run is to come.
pub async fn move_on(
    connection: &mut Connection,
    company: CompanyId,
    schedule: ScheduleId,
    next: Option<DateTime<Utc>>,
) -> Result<(), Error> {
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

/// Lets a schedule run no more until it is moved on.
pub async fn pause(connection: &mut Connection, company: CompanyId, schedule: ScheduleId) -> Result<(), Error> {
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

/// Notes that somebody changed what a schedule does.
pub async fn touch(connection: &mut Connection, company: CompanyId, schedule: ScheduleId) -> Result<(), Error> {
    sqlx::query("update export_schedule set updated_at = now() where company_id = $1 and schedule_id = $2")
        .bind(company)
        .bind(schedule)
        .execute(connection)
        .await?;
    Ok(())
}

/// Removes a schedule. Its jobs stay.
pub async fn delete(connection: &mut Connection, company: CompanyId, schedule: ScheduleId) -> Result<(), Error> {
    let gone = sqlx::query("delete from export_schedule where company_id = $1 and schedule_id = $2")
        .bind(company)
        .bind(schedule)
        .execute(connection)
        .await?;
    if gone.rows_affected() == 1 { Ok(()) } else { Err(Error::Missing("export schedule")) }
}

/// How many schedules the company has. Who asks waits for others who do, until their transactions end.
pub async fn count(connection: &mut Connection, company: CompanyId) -> Result<i64, Error> {
    limits::take_turns(connection, company, "schedules").await?;
    let found = sqlx::query_scalar("select count(*) from export_schedule where company_id = $1").bind(company);
    Ok(found.fetch_one(connection).await?)
}

/// The time that decides.
pub async fn now(connection: &mut Connection) -> Result<DateTime<Utc>, Error> {
    Ok(sqlx::query_scalar("select now()").fetch_one(connection).await?)
}

/// A run that is due.
#[derive(Clone, Copy, Debug, sqlx::FromRow)]
pub struct Due {
    /// Whose.
    pub company_id: CompanyId,
    /// The schedule.
    pub schedule_id: ScheduleId,
    /// When it was due, or the first of those that were missed.
    pub next_run_at: DateTime<Utc>,
}

/// A schedule that is due, of any company, locked until the transaction ends. Those that others hold are left to them.
pub async fn due(connection: &mut Connection) -> Result<Option<Due>, Error> {
    let found = sqlx::query_as(
        "select company_id, schedule_id, next_run_at from export_schedule
          where state = 'active' and next_run_at <= now() order by next_run_at limit 1 for update skip locked",
    );
    Ok(found.fetch_optional(connection).await?)
}

/// Locks a run that was due, if it still is.
pub async fn still_due(connection: &mut Connection, due: &Due) -> Result<bool, Error> {
    let held = sqlx::query(
        "select from export_schedule where company_id = $1 and schedule_id = $2 and next_run_at = $3 for update",
    )
    .bind(due.company_id)
    .bind(due.schedule_id)
    .bind(due.next_run_at)
    .execute(connection)
    .await?;
    Ok(held.rows_affected() == 1)
}

/// What became of a run.
#[derive(Clone, Debug)]
pub enum Became {
    /// This job.
    Job(JobId),
    /// Nothing: the one before was not finished.
    Skipped,
    /// Nothing: this problem.
    Refused(Value),
}

/// Notes what became of a run, and forgets those of long ago.
pub async fn note(
    connection: &mut Connection,
    company: CompanyId,
    schedule: ScheduleId,
    due_at: Option<DateTime<Utc>>,
    became: &Became,
) -> Result<(), Error> {
    let (outcome, job, problem) = match became {
        Became::Job(job) => (RunOutcome::Started, Some(*job), None),
        Became::Skipped => (RunOutcome::Skipped, None, None),
        Became::Refused(problem) => (RunOutcome::Refused, None, Some(problem)),
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
    .bind(KEPT_RUNS)
    .execute(connection)
    .await?;
    Ok(())
}
