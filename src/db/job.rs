//! Export jobs as they are read: one job, and the numbers for metrics. What the columns mean stands in
//! `migrations/0001_foundation.sql`; jobs are listed in [`super::job_list`], created in [`super::insert_job`] and changed in
//! [`super::job_actions`].
//!
//! Counts of items stand on the job's row. Whoever settles an item updates them under the row's lock, so reading a job
//! never counts its items, except the few that run.

use std::sync::LazyLock;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::types::Json;
use sqlx::{AssertSqlSafe, PgExecutor};
use utoipa::ToSchema;

use crate::db::destination::DestinationRow;
use crate::db::enums::{
    EmailSetting, Fmt, JobState, Layout, OnCorrupt, OnMissing, OnUnconvertible, OnUnsupported, Outcome, ShownState,
};
use crate::db::metadata_map::MetadataMap;
use crate::db::{DbConnection, DbError, PgPool};
use crate::id::{CompanyId, JobGroupId, JobId, ScheduleId, UserId};
use crate::reason::Reason;

/// One of the ways in which a job converts every image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Rendition {
    /// Its name, unique within the job.
    pub name: String,
    /// The modifier, as sent.
    #[serde(rename = "is_modifier")]
    pub is_modifier: Option<String>,
    /// The macro, as sent.
    pub r#macro: Option<String>,
    /// Appended to the base name of its files, after a `-`.
    pub suffix: String,
    /// How its files are named, as sent.
    #[serde(default)]
    #[schema(required = false)]
    pub name_template: Option<String>,
    /// The modifier with every macro expanded, as of the creation of the job.
    pub effective_modifier: String,
}

/// A job as people see it: its row, how many of its items run, its mail and its destinations.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct JobRow {
    pub job_id: JobId,
    pub user_id: Option<UserId>,
    pub schedule_id: Option<ScheduleId>,
    /// What it is a part of.
    pub group_id: Option<JobGroupId>,
    pub job_name: String,
    pub description: Option<String>,
    pub client_id: Option<String>,
    pub locale: Option<String>,
    /// IANA name.
    pub time_zone: Option<String>,
    pub fmt: Fmt,
    pub is_modifier: Option<String>,
    pub r#macro: Option<String>,
    pub effective_modifier: Option<String>,
    pub renditions: Option<Json<Vec<Rendition>>>,
    pub email_setting: EmailSetting,
    pub notify_emails: Json<Vec<String>>,
    pub callback_url: Option<String>,
    pub metadata: Json<MetadataMap>,
    pub name_template: Option<String>,
    pub on_missing: OnMissing,
    pub on_unsupported: OnUnsupported,
    pub on_unconvertible: OnUnconvertible,
    pub on_corrupt: OnCorrupt,
    pub layout: Layout,
    pub strict: bool,
    pub priority: i16,
    pub exec_time: Option<DateTime<Utc>>,
    pub expires_in: i64,
    pub warnings: Json<Vec<Reason>>,
    pub modifier_warnings: Json<Vec<Reason>>,
    pub notices: Json<Vec<Reason>>,
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
    /// Running items (live leases).
    pub running: i64,
    /// Seconds since the first item of the current run was claimed.
    pub run_seconds: Option<f64>,
    /// Whether the files have expired.
    pub expired: bool,
    /// Size of the sealed archive of this run, in bytes.
    pub archive_size: Option<i64>,
    /// Whether a run of it has had mails.
    pub has_mails: bool,
    pub has_destinations: bool,
    /// `waiting`, `sent` or `failed`, over all mails of this run; none when it has no mail.
    #[sqlx(default)]
    pub mail_state: Option<String>,
    #[sqlx(default)]
    pub mail_recipients: Option<Json<Vec<String>>>,
    #[sqlx(default)]
    pub mail_detail: Option<String>,
    #[sqlx(default)]
    pub mail_ended_at: Option<DateTime<Utc>>,
    /// Where the files are delivered, in the order of the request; none when they are not.
    #[sqlx(default)]
    pub destinations: Option<Json<Vec<DestinationRow>>>,
}

impl JobRow {
    /// Items that have ended, in whatever way.
    pub fn count_ended(&self) -> i32 {
        self.succeeded + self.failed + self.skipped + self.stopped
    }

    /// Items that no worker has claimed.
    pub fn count_waiting(&self) -> i64 {
        i64::from(self.total - self.count_ended()) - self.running
    }

    /// The state as people see it. An active job is queued until its first item is claimed.
    pub fn shown_state(&self) -> ShownState {
        match self.state {
            JobState::Scheduled => ShownState::Scheduled,
            JobState::Active if self.started_at.is_none() && self.count_ended() < self.total => ShownState::Queued,
            JobState::Active => ShownState::Running,
            JobState::Paused => ShownState::Paused,
            JobState::Stopping => ShownState::Stopping,
            JobState::Finished => ShownState::Finished,
        }
    }

    /// How much of the current run is done, in whole percent. Ended items give at most 99: 100 means finished.
    pub fn percent(&self) -> i32 {
        if self.state == JobState::Finished {
            return 100;
        }
        let done = i64::from((self.run_total - (self.total - self.count_ended())).max(0));
        let all = i64::from(self.run_total.max(1));
        let Some((handled, expected)) = self.count_deliveries() else { return (99 * done / all) as i32 };
        // Items and deliveries are half of it each. A run that has only deliveries begins with half of it.
        let items = if self.run_total == 0 { 495 } else { 495 * done / all };
        ((items + 495 * handled.min(expected) / expected.max(1)) / 10) as i32
    }

    /// Files that need no delivery any more, and how many there will be, over all destinations; none without destinations.
    /// While items are processed all planned files are expected, and afterwards those that are there: these are never more.
    fn count_deliveries(&self) -> Option<(i64, i64)> {
        let destinations = self.list_destinations();
        let expected = |destination: &DestinationRow| match self.count_ended() == self.total {
            true => self.files,
            false => destination.planned_files.max(self.files),
        };
        let handled = destinations.iter().map(|destination| i64::from(destination.count_handled())).sum();
        (!destinations.is_empty())
            .then(|| (handled, destinations.iter().map(|destination| i64::from(expected(destination))).sum()))
    }

    /// Where the files are delivered.
    pub fn list_destinations(&self) -> &[DestinationRow] {
        self.destinations.as_deref().map(Vec::as_slice).unwrap_or_default()
    }

    /// Seconds that the run will still take at its average speed so far; none while it is not known.
    pub fn eta_seconds(&self) -> Option<i64> {
        if self.destinations.is_some() {
            // Items and deliveries have speeds of their own, so the average of both is all that is known.
            let (elapsed, percent) = (self.run_seconds?, f64::from(self.percent()));
            let is_known = percent > 0.0 && self.state == JobState::Active;
            return is_known.then(|| (elapsed / percent * (100.0 - percent)).ceil() as i64);
        }
        let left = self.total - self.count_ended();
        let done = self.run_total - left;
        let elapsed = self.run_seconds.filter(|_| done > 0 && self.state == JobState::Active)?;
        Some((elapsed / f64::from(done) * f64::from(left)).ceil() as i64)
    }
}

/// What is read of every job.
const JOB_COLUMNS: &str = "job.*,
       (select count(*) from export_item item where item.company_id = job.company_id and item.job_id = job.job_id
           and item.state = 'running') as running,
       date_part('epoch', now() - job.run_started_at) as run_seconds,
       coalesce(job.expires_at <= now(), false) as expired";

/// Selects [`JobRow`]s from `jobs`, which is `export_job` or a query of all its columns. `columns` come in addition, each with a
/// comma behind it.
pub(super) fn select_jobs(columns: &str, jobs: &str) -> String {
    format!(
        "select {columns} {JOB_COLUMNS},
       mail.state as mail_state, mail.recipients as mail_recipients,
       mail.detail as mail_detail, mail.ended_at as mail_ended_at,
       (select jsonb_agg(to_jsonb(listed) order by listed.destination) from destination listed
         where job.has_destinations and listed.company_id = job.company_id and listed.job_id = job.job_id) as destinations
  from {jobs} job
  left join lateral (
      select case when bool_or(state in ('waiting', 'running')) then 'waiting' when bool_or(state = 'failed') then 'failed' else 'sent' end as state,
             jsonb_agg(distinct key order by key) as recipients, max(detail) as detail, max(ended_at) as ended_at
        from task mail
       where job.has_mails and mail.company_id = job.company_id and mail.job_id = job.job_id and mail.kind = 'mail'
         and mail.run = job.run
      having count(*) > 0) mail on true"
    )
}

/// The jobs that are not deleted.
static SELECT_JOB: LazyLock<String> =
    LazyLock::new(|| format!("{} where job.deleted_at is null", select_jobs("", "export_job")));

/// Fetches a job of a company on a connection of its own.
pub async fn load_job(pool: &PgPool, company: CompanyId, job: JobId) -> Result<JobRow, DbError> {
    fetch_job(&mut *pool.acquire().await?, company, job).await
}

/// Fetches a job of a company.
pub async fn fetch_job(connection: &mut DbConnection, company: CompanyId, job: JobId) -> Result<JobRow, DbError> {
    const KEY: &str = "job.company_id = $1 and job.job_id = $2";
    static ROW_ONLY: LazyLock<String> =
        LazyLock::new(|| format!("select {JOB_COLUMNS} from export_job job where job.deleted_at is null and {KEY}"));
    static WITH_JOINS: LazyLock<String> = LazyLock::new(|| format!("{} and {KEY}", *SELECT_JOB));
    let mut fetch = async |sql: &'static str| {
        let row = sqlx::query_as::<_, JobRow>(AssertSqlSafe(sql)).bind(company).bind(job);
        row.fetch_optional(&mut *connection).await?.ok_or(DbError::NotFound("export job"))
    };
    // Most jobs that are looked at have no mails and no destinations, and then it takes a quarter less time not to join them.
    let row = fetch(ROW_ONLY.as_str()).await?;
    if row.has_mails || row.has_destinations { fetch(WITH_JOINS.as_str()).await } else { Ok(row) }
}

/// The jobs of a group, in their order.
pub async fn list_group_jobs(
    executor: impl PgExecutor<'_>,
    company: CompanyId,
    group: JobGroupId,
) -> Result<Vec<JobRow>, DbError> {
    static SQL: LazyLock<String> =
        LazyLock::new(|| format!("{} and job.company_id = $1 and job.group_id = $2 order by job.job_id", *SELECT_JOB));
    Ok(sqlx::query_as(AssertSqlSafe(SQL.as_str())).bind(company).bind(group).fetch_all(executor).await?)
}

/// A job with its company.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct CompanyJobRow {
    pub company_id: CompanyId,
    #[sqlx(flatten)]
    pub job: JobRow,
}

/// Finds those of these jobs that exist, in no order.
pub async fn find_jobs(pool: &PgPool, jobs: &[(CompanyId, JobId)]) -> Result<Vec<CompanyJobRow>, DbError> {
    static SQL: LazyLock<String> = LazyLock::new(|| {
        format!("{} and (job.company_id, job.job_id) in (select * from unnest($1::uuid[], $2::uuid[]))", *SELECT_JOB)
    });
    let (companies, jobs): (Vec<CompanyId>, Vec<JobId>) = jobs.iter().copied().unzip();
    Ok(sqlx::query_as(AssertSqlSafe(SQL.as_str())).bind(companies).bind(jobs).fetch_all(pool).await?)
}

/// The work that is left, over all companies, for metrics.
#[derive(Clone, Copy, Debug, sqlx::FromRow)]
pub struct Backlog {
    /// Jobs that wait for their `execTime`.
    pub scheduled: i64,
    /// Jobs that are being processed or wait for a free worker.
    pub active: i64,
    pub paused: i64,
    pub stopping: i64,
    /// Items of active jobs that no worker has claimed.
    pub waiting: i64,
    /// Running items (live leases).
    pub running: i64,
    /// Seconds for which the longest-running item has been running; 0 when none runs.
    pub oldest_running: f64,
    /// Seconds for which the first active job without a claimed item has been waiting; 0 when there is none.
    pub oldest_wait: f64,
}

/// Measures the work that is left. It reads only unfinished jobs and live leases, so its cost does not grow with the
/// number of finished jobs.
pub async fn count_backlog(pool: &PgPool) -> Result<Backlog, DbError> {
    let backlog = sqlx::query_as(
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
    Ok(backlog)
}
