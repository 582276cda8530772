//! Jobs: one order each. Ends are counted on the row by whoever settles, under its lock.

use std::sync::LazyLock;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::types::Json;
use sqlx::{AssertSqlSafe, PgExecutor};
use utoipa::ToSchema;

use crate::reason::Note;
use crate::db::vocabulary::{
    EmailSetting, Fmt, JobState, Layout, OnCorrupt, OnUnconvertible, OnUnsupported, Outcome, ShownState,
};
use crate::db::{Error, PgPool};
use crate::id::{CompanyId, JobId, ScheduleId, UserId};

/// One of the ways in which a job converts every picture.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Rendition {
    /// What it is called.
    pub name: String,
    /// As it was sent.
    #[serde(rename = "is_modifier")]
    pub is_modifier: Option<String>,
    /// As it was sent.
    pub r#macro: Option<String>,
    /// What stands behind the base name of its files, after a `-`.
    pub suffix: String,
    /// The modifier with every macro in its place, as it was when the job was created.
    pub effective_modifier: String,
}

/// A job as it is shown: its row, and how many of its items run.
#[derive(Clone, Debug, sqlx::FromRow)]
#[allow(missing_docs, reason = "columns; migrations/0001_foundation.sql says what they mean")]
pub struct Job {
    pub job_id: JobId,
    pub user_id: Option<UserId>,
    pub schedule_id: Option<ScheduleId>,
    pub job_name: String,
    pub description: Option<String>,
    pub client_id: Option<String>,
    pub locale: Option<String>,
    pub fmt: Fmt,
    pub is_modifier: Option<String>,
    pub r#macro: Option<String>,
    pub effective_modifier: Option<String>,
    pub renditions: Option<Json<Vec<Rendition>>>,
    pub email_setting: EmailSetting,
    pub notify_emails: Json<Vec<String>>,
    pub callback_url: Option<String>,
    pub on_unsupported: OnUnsupported,
    pub on_unconvertible: OnUnconvertible,
    pub on_corrupt: OnCorrupt,
    pub layout: Layout,
    pub strict: bool,
    pub priority: i16,
    pub exec_time: Option<DateTime<Utc>>,
    pub expires_in: i64,
    pub warnings: Json<Vec<Note>>,
    pub state: JobState,
    pub outcome: Option<Outcome>,
    pub run: i32,
    pub run_total: i32,
    pub total: i32,
    pub succeeded: i32,
    pub failed: i32,
    pub skipped: i32,
    pub stopped: i32,
    pub warned: i32,
    pub files: i32,
    pub bytes: i64,
    pub event_seq: i64,
    pub created_at: DateTime<Utc>,
    pub started_at: Option<DateTime<Utc>>,
    pub finished_at: Option<DateTime<Utc>>,
    pub expires_at: Option<DateTime<Utc>>,
    /// Live leases.
    pub running: i64,
    /// Seconds since the current run took its first item.
    pub run_seconds: Option<f64>,
    /// Whether the files are no longer kept.
    pub expired: bool,
    /// State of this run's mail and who it goes to.
    pub notice_state: Option<String>,
    pub notice_recipients: Option<Json<Vec<String>>>,
    pub notice_detail: Option<String>,
    pub notice_at: Option<DateTime<Utc>>,
    /// Size of the sealed archive of this run, in bytes.
    pub archive_size: Option<i64>,
}

impl Job {
    /// Items that are over.
    pub fn ended(&self) -> i32 {
        self.succeeded + self.failed + self.skipped + self.stopped
    }

    /// Items that nobody has taken yet.
    pub fn waiting(&self) -> i64 {
        i64::from(self.total - self.ended()) - self.running
    }

    /// The state as people see it.
    pub fn shown(&self) -> ShownState {
        match self.state {
            JobState::Scheduled => ShownState::Scheduled,
            JobState::Active if self.started_at.is_none() && self.ended() < self.total => ShownState::Queued,
            JobState::Active => ShownState::Running,
            JobState::Paused => ShownState::Paused,
            JobState::Stopping => ShownState::Stopping,
            JobState::Finished => ShownState::Finished,
        }
    }

    /// How much of the current run is done: whole percent, 100 only when finished.
    pub fn percent(&self) -> i32 {
        if self.state == JobState::Finished {
            return 100;
        }
        let done = self.run_total - (self.total - self.ended());
        (99 * i64::from(done.max(0)) / i64::from(self.run_total.max(1))) as i32
    }

    /// Seconds that the run will still take if it goes on as it began.
    pub fn eta_seconds(&self) -> Option<i64> {
        let left = self.total - self.ended();
        let done = self.run_total - left;
        let spent = self.run_seconds.filter(|_| done > 0 && self.state == JobState::Active)?;
        Some((spent / f64::from(done) * f64::from(left)).ceil() as i64)
    }
}

/// What a job is shown with, beside its row. `find`, `find_all` and `list` share it.
const SHOWN: &str = "select job.*,
       (select count(*) from export_item item where item.company_id = job.company_id and item.job_id = job.job_id
           and item.state = 'running') as running,
       extract(epoch from now() - job.run_started_at)::float8 as run_seconds,
       coalesce(job.expires_at <= now(), false) as expired,
       notice.state as notice_state, notice.recipients as notice_recipients,
       notice.detail as notice_detail, notice.ended_at as notice_at,
       archive.size as archive_size
  from export_job job
  left join lateral (
      select case when bool_or(state in ('waiting', 'sending')) then 'waiting' when bool_or(state = 'failed') then 'failed' else 'sent' end as state,
             jsonb_agg(recipient order by recipient) as recipients, max(detail) as detail, max(ended_at) as ended_at
        from notice where notice.company_id = job.company_id and notice.job_id = job.job_id and notice.run = job.run
      having count(*) > 0) notice on true
  left join archive on archive.company_id = job.company_id and archive.job_id = job.job_id and archive.run = job.run
 where job.deleted_at is null";

/// One job of a company.
pub async fn find(executor: impl PgExecutor<'_>, company: CompanyId, job: JobId) -> Result<Job, Error> {
    static SQL: LazyLock<String> = LazyLock::new(|| format!("{SHOWN} and job.company_id = $1 and job.job_id = $2"));
    let found = sqlx::query_as(AssertSqlSafe(SQL.as_str())).bind(company).bind(job).fetch_optional(executor).await?;
    found.ok_or(Error::Missing("export job"))
}

/// A job and whose it is.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Owned {
    /// The company.
    pub company_id: CompanyId,
    /// The job.
    #[sqlx(flatten)]
    pub job: Job,
}

/// Those of these jobs that are there, in no order.
pub async fn find_all(pool: &PgPool, jobs: &[(CompanyId, JobId)]) -> Result<Vec<Owned>, Error> {
    static SQL: LazyLock<String> = LazyLock::new(|| {
        format!("{SHOWN} and (job.company_id, job.job_id) in (select * from unnest($1::uuid[], $2::uuid[]))")
    });
    let (companies, jobs): (Vec<CompanyId>, Vec<JobId>) = jobs.iter().copied().unzip();
    Ok(sqlx::query_as(AssertSqlSafe(SQL.as_str())).bind(companies).bind(jobs).fetch_all(pool).await?)
}

/// Which jobs a list shows, and in which order.
#[derive(Clone, Debug)]
pub struct Wanted<'a> {
    /// In this state, as it is shown.
    pub state: Option<&'a str>,
    /// With this outcome.
    pub outcome: Option<Outcome>,
    /// Whose name begins with this.
    pub name: Option<&'a str>,
    /// That this user ordered.
    pub owner: Option<UserId>,
    /// That are runs of this schedule.
    pub schedule: Option<ScheduleId>,
    /// What they are sorted by.
    pub sort: Sort,
    /// Whether the last comes first.
    pub descending: bool,
}

/// What jobs can be sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sort {
    /// When they were created.
    CreatedAt,
    /// When they finished; those that have not stand last in time.
    FinishedAt,
    /// Their names.
    JobName,
}

impl Sort {
    /// The sorted expression, as the index has it, and its type.
    fn key(self) -> (&'static str, &'static str) {
        match self {
            Self::CreatedAt => ("job.created_at", "timestamptz"),
            Self::FinishedAt => ("coalesce(job.finished_at, 'infinity')", "timestamptz"),
            Self::JobName => ("job.job_name", "text"),
        }
    }
}

/// A job in a list, with its sort key as text.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Listed {
    /// The job.
    #[sqlx(flatten)]
    pub job: Job,
    /// What it was sorted by.
    pub sort_key: String,
}

/// At most `limit` jobs that stand after the given sort key and handle.
pub async fn list(
    pool: &PgPool,
    company: CompanyId,
    wanted: &Wanted<'_>,
    after: Option<(&str, JobId)>,
    limit: i64,
) -> Result<Vec<Listed>, Error> {
    let (key, kind) = wanted.sort.key();
    let (than, way) = if wanted.descending { ("<", "desc") } else { (">", "asc") };
    // Made of our own words only; the caller's values are bound.
    let sql = format!(
        "{} and job.company_id = $1 and ($2::text is null or $2 = case when job.state <> 'active' then job.state
                 when job.started_at is null and job.succeeded + job.failed + job.skipped + job.stopped < job.total then 'queued'
                 else 'running' end)
           and ($3::text is null or job.outcome = $3)
           and ($4::text is null or starts_with(job.job_name, $4))
           and ($5::text is null or ({key}, job.job_id) {than} ($5::{kind}, $6))
           and ($8::uuid is null or job.user_id = $8) and ($9::uuid is null or job.schedule_id = $9)
         order by {key} {way}, job.job_id {way} limit $7",
        SHOWN.replacen("select job.*", &format!("select job.*, {key}::text as sort_key"), 1)
    );
    let found = sqlx::query_as(AssertSqlSafe(sql))
        .bind(company)
        .bind(wanted.state)
        .bind(wanted.outcome)
        .bind(wanted.name)
        .bind(after.map(|(key, _)| key))
        .bind(after.map(|(_, job)| job))
        .bind(limit)
        .bind(wanted.owner)
        .bind(wanted.schedule)
        .fetch_all(pool)
        .await?;
    Ok(found)
}

/// What there is to do, over all companies.
#[derive(Clone, Copy, Debug, sqlx::FromRow)]
pub struct Backlog {
    /// Jobs that wait for their time.
    pub scheduled: i64,
    /// Jobs that are worked on, or would be if a worker were free.
    pub active: i64,
    /// Jobs that were paused.
    pub paused: i64,
    /// Jobs that are being stopped.
    pub stopping: i64,
    /// Items of active jobs that nobody has taken.
    pub waiting: i64,
    /// Live leases.
    pub running: i64,
    /// Seconds since the item was taken that runs for longest; 0 when none runs.
    pub oldest_running: f64,
    /// Seconds since the oldest active job that has not begun was to begin; 0 when there is none.
    pub oldest_wait: f64,
}

/// Counts what there is to do. Reads the unfinished jobs and the live leases, so it costs little however much is done.
pub async fn backlog(pool: &PgPool) -> Result<Backlog, Error> {
    let found = sqlx::query_as(
        "with lease as (
             select company_id, job_id, count(*) as running, min(started_at) as since
               from export_item where state = 'running' group by company_id, job_id
         )
         select count(*) filter (where job.state = 'scheduled') as scheduled, count(*) filter (where job.state = 'active') as active,
                count(*) filter (where job.state = 'paused') as paused, count(*) filter (where job.state = 'stopping') as stopping,
                coalesce(sum(job.total - job.succeeded - job.failed - job.skipped - job.stopped - coalesce(lease.running, 0))
                    filter (where job.state = 'active'), 0)::bigint as waiting,
                coalesce(sum(lease.running), 0)::bigint as running,
                coalesce(extract(epoch from now() - min(lease.since)), 0)::float8 as oldest_running,
                coalesce(extract(epoch from max(now() - greatest(job.created_at, job.exec_time))
                    filter (where job.state = 'active' and job.started_at is null)), 0)::float8 as oldest_wait
           from export_job job left join lease using (company_id, job_id)
          where job.state <> 'finished' and job.deleted_at is null",
    )
    .fetch_one(pool)
    .await?;
    Ok(found)
}
