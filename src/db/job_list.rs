//! Lists of jobs. A company may have hundreds of thousands: no list and no count may read all of them.
//!
//! The statement of a list has only the conditions that were asked for, and its values are known when it is planned
//! (`persistent(false)`: nobody keeps the plan). So Postgres decides from the values whether it reads the jobs in the order of the
//! list until the page is full, or those that match, and sorts them. A condition is used to find rows in an index only if
//! it cannot tell anything about rows of other companies (row-level security; `LEAKPROOF` in Postgres): comparisons of columns are
//! such conditions; `coalesce`, `starts_with` with a parameter and `@>` are not. That is why the table has `status` and
//! `finish_order`, and why the beginning of a name is a range.

use chrono::{DateTime, Utc};
use sqlx::types::Json;
use sqlx::{Postgres, QueryBuilder};

use crate::db::enums::{JobState, Outcome, ShownState};
use crate::db::job::{JobRow, select_jobs};
use crate::db::metadata_map::MetadataMap;
use crate::db::text_range::push_prefix;
use crate::db::{DbError, PgPool};
use crate::id::{CompanyId, JobId, ScheduleId, UserId};

/// Which jobs a list contains, and in which order. None means no restriction.
#[derive(Clone, Debug)]
pub struct JobFilter<'a> {
    pub state: Option<ShownState>,
    pub outcome: Option<Outcome>,
    /// Beginning of the job's name.
    pub name: Option<&'a str>,
    /// Only what this user may see: the user's own.
    pub reader: Option<UserId>,
    /// The user that the list is about.
    pub owner: Option<UserId>,
    pub schedule: Option<ScheduleId>,
    pub created_from: Option<DateTime<Utc>>,
    pub created_before: Option<DateTime<Utc>>,
    /// Entries that a job must have; empty: no restriction.
    pub metadata: &'a MetadataMap,
    pub sort: JobSort,
    pub descending: bool,
}

/// Sort keys of job lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobSort {
    CreatedAt,
    /// Unfinished jobs count as the latest.
    FinishedAt,
    JobName,
}

impl JobSort {
    /// The column, and its type.
    fn key(self) -> (&'static str, &'static str) {
        match self {
            Self::CreatedAt => ("created_at", "timestamptz"),
            Self::FinishedAt => ("finish_order", "timestamptz"),
            Self::JobName => ("job_name", "text"),
        }
    }
}

/// A job in a list, with its sort key as text.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct ListedJobRow {
    #[sqlx(flatten)]
    pub job: JobRow,
    pub sort_key: String,
}

impl JobFilter<'_> {
    /// Writes `from` and `where`: the jobs of a company that match.
    fn push_to(&self, sql: &mut QueryBuilder<Postgres>, company: CompanyId) {
        sql.push(" from export_job where deleted_at is null and company_id = ").push_bind(company);
        if let Some(state) = self.state {
            push_state(sql, state);
        }
        if let Some(outcome) = self.outcome {
            sql.push(" and status = ").push_bind(outcome);
        }
        if let Some(name) = self.name {
            push_prefix(sql, "job_name", name);
        }
        for user in [self.reader, self.owner].into_iter().flatten() {
            sql.push(" and user_id = ").push_bind(user);
        }
        if let Some(schedule) = self.schedule {
            sql.push(" and schedule_id = ").push_bind(schedule);
        }
        if let Some(from) = self.created_from {
            sql.push(" and created_at >= ").push_bind(from);
        }
        if let Some(before) = self.created_before {
            sql.push(" and created_at < ").push_bind(before);
        }
        if !self.metadata.is_empty() {
            sql.push(" and metadata @> ").push_bind(Json(self.metadata.clone()));
        }
    }
}

/// Writes the condition for a state as people see it: [`JobRow::shown_state`] says the same of a row.
fn push_state(sql: &mut QueryBuilder<Postgres>, state: ShownState) {
    const IS_QUEUED: &str = "(started_at is null and succeeded + failed + skipped + stopped < total)";
    let (column, stored, rest) = match state {
        ShownState::Scheduled => ("status", JobState::Scheduled, String::new()),
        ShownState::Queued => ("status", JobState::Active, format!(" and {IS_QUEUED}")),
        ShownState::Running => ("status", JobState::Active, format!(" and not {IS_QUEUED}")),
        ShownState::Paused => ("status", JobState::Paused, String::new()),
        ShownState::Stopping => ("status", JobState::Stopping, String::new()),
        // The status of a finished job is its outcome.
        ShownState::Finished => ("state", JobState::Finished, String::new()),
    };
    sql.push(format!(" and {column} = ")).push_bind(stored).push(rest);
}

/// Lists at most `limit` jobs after the given sort key and handle.
pub async fn list_jobs(
    pool: &PgPool,
    company: CompanyId,
    filter: &JobFilter<'_>,
    after: Option<(&str, JobId)>,
    limit: i64,
) -> Result<Vec<ListedJobRow>, DbError> {
    let (key, key_type) = filter.sort.key();
    let (comparison, direction) = if filter.descending { ("<", "desc") } else { (">", "asc") };
    // The page first: what is shown beside a job is read for the jobs of the page only. Only constants are formatted into the
    // text; the caller's values are bound.
    let mut page = QueryBuilder::<Postgres>::new("with page as materialized (select *");
    filter.push_to(&mut page, company);
    if let Some((text, job)) = after {
        page.push(format!(" and ({key}, job_id) {comparison} (")).push_bind(text.to_owned());
        page.push(format!("::{key_type}, ")).push_bind(job).push(")");
    }
    page.push(format!(" order by {key} {direction}, job_id {direction} limit ")).push_bind(limit);
    let select = select_jobs(&format!("job.{key}::text as sort_key,"), "page");
    page.push(format!(") {select} order by job.{key} {direction}, job.job_id {direction}"));
    Ok(page.build_query_as().persistent(false).fetch_all(pool).await?)
}

/// Counts the jobs of a list up to `max`, and looks at no more.
pub async fn count_jobs(pool: &PgPool, company: CompanyId, filter: &JobFilter<'_>, max: i64) -> Result<i64, DbError> {
    let mut sql = QueryBuilder::<Postgres>::new("select count(*) from (select");
    filter.push_to(&mut sql, company);
    sql.push(" limit ").push_bind(max).push(") listed");
    Ok(sql.build_query_scalar().persistent(false).fetch_one(pool).await?)
}
