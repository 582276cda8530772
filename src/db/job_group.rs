//! Groups of jobs: one request that has more items than a job may have. A group has no state of its own: it is that of its
//! jobs, read whenever somebody asks. It is locked, behind the lock of a job, only to find out which job ends last.

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::json;
use sqlx::PgExecutor;
use sqlx::types::Json;

use crate::db::enums::{EmailSetting, Outcome, ShownState};
use crate::db::metadata_map::MetadataMap;
use crate::db::task::NewTask;
use crate::db::webhook::build_webhook_task;
use crate::db::{DbConnection, DbError, PgPool};
use crate::id::{CompanyId, JobGroupId, JobId, UserId};
use crate::reason::Reason;

/// A group.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct JobGroupRow {
    pub group_id: JobGroupId,
    pub user_id: Option<UserId>,
    pub group_name: String,
    pub email_setting: EmailSetting,
    pub callback_url: Option<String>,
    pub metadata: Json<MetadataMap>,
    /// About the selection.
    pub warnings: Json<Vec<Reason>>,
    pub created_at: DateTime<Utc>,
}

const GROUP_COLUMNS: &str =
    "group_id, user_id, group_name, email_setting, callback_url, metadata, warnings, created_at";

/// A group to insert.
#[derive(Clone, Debug)]
pub struct NewJobGroup<'a> {
    pub group_id: JobGroupId,
    pub user_id: Option<UserId>,
    pub group_name: &'a str,
    pub email_setting: EmailSetting,
    pub callback_url: Option<&'a str>,
    pub metadata: &'a MetadataMap,
    pub warnings: &'a [Reason],
}

/// Inserts a group of jobs that this transaction has inserted.
pub async fn insert_group(
    connection: &mut DbConnection,
    company: CompanyId,
    new: &NewJobGroup<'_>,
    jobs: &[JobId],
) -> Result<(), DbError> {
    sqlx::query(
        "insert into export_job_group (company_id, group_id, user_id, group_name, email_setting, callback_url, metadata, warnings)
         values ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(company)
    .bind(new.group_id)
    .bind(new.user_id)
    .bind(new.group_name)
    .bind(new.email_setting)
    .bind(new.callback_url)
    .bind(Json(new.metadata))
    .bind(Json(new.warnings))
    .execute(&mut *connection)
    .await?;
    sqlx::query("update export_job set group_id = $2 where company_id = $1 and job_id = any($3)")
        .bind(company)
        .bind(new.group_id)
        .bind(jobs)
        .execute(connection)
        .await?;
    Ok(())
}

/// Fetches a group of a company.
pub async fn fetch_group(
    executor: impl PgExecutor<'_>,
    company: CompanyId,
    group: JobGroupId,
) -> Result<JobGroupRow, DbError> {
    let sql = format!("select {GROUP_COLUMNS} from export_job_group where company_id = $1 and group_id = $2");
    let row = sqlx::query_as(sqlx::AssertSqlSafe(sql)).bind(company).bind(group).fetch_optional(executor).await?;
    row.ok_or(DbError::NotFound("group of export jobs"))
}

/// A path that files of two of these jobs have, if there is one. Within a job they differ.
pub async fn find_shared_path(
    connection: &mut DbConnection,
    company: CompanyId,
    jobs: &[JobId],
) -> Result<Option<String>, DbError> {
    let path = sqlx::query_scalar(
        "select min(path) from export_file where company_id = $1 and job_id = any($2)
          group by path_key having count(*) > 1 order by path_key limit 1",
    )
    .bind(company)
    .bind(jobs)
    .fetch_optional(connection)
    .await?;
    Ok(path)
}

/// Removes groups whose jobs are gone. Returns how many.
pub async fn remove_empty_groups(pool: &PgPool) -> Result<u64, DbError> {
    let removed = sqlx::query(
        "delete from export_job_group job_group
          where not exists (select from export_job job
                             where job.company_id = job_group.company_id and job.group_id = job_group.group_id)",
    )
    .execute(pool)
    .await?;
    Ok(removed.rows_affected())
}

/// The sums of a group all of whose jobs have ended.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(super) struct EndedGroup {
    group_id: JobGroupId,
    group_name: String,
    metadata: Json<MetadataMap>,
    callback_url: Option<String>,
    outcomes: Json<Vec<Outcome>>,
    jobs: Json<Vec<JobId>>,
    total: i64,
    succeeded: i64,
    failed: i64,
    skipped: i64,
    stopped: i64,
    warned: i64,
    files: i64,
    bytes: i64,
}

/// Locks the group of a job that this transaction has finished, and sums it up if that was the last one. Two jobs that end at
/// once wait for each other, so that exactly one of them is the last.
pub(super) async fn find_ended_group(
    connection: &mut DbConnection,
    company: CompanyId,
    group: JobGroupId,
) -> Result<Option<EndedGroup>, DbError> {
    sqlx::query("select from export_job_group where company_id = $1 and group_id = $2 for update")
        .bind(company)
        .bind(group)
        .execute(&mut *connection)
        .await?;
    let ended = sqlx::query_as(
        "select job_group.group_id, job_group.group_name, job_group.metadata, job_group.callback_url, ended.*
           from export_job_group job_group
          cross join lateral (
                select jsonb_agg(outcome order by job_id) as outcomes, jsonb_agg(job_id order by job_id) as jobs,
                       sum(total) as total, sum(succeeded) as succeeded, sum(failed) as failed, sum(skipped) as skipped,
                       sum(stopped) as stopped, sum(warned) as warned, sum(files) as files, sum(bytes)::bigint as bytes,
                       bool_and(state = 'finished') as has_ended
                  from export_job job
                 where job.company_id = job_group.company_id and job.group_id = job_group.group_id
                   and job.deleted_at is null) ended
          where job_group.company_id = $1 and job_group.group_id = $2 and ended.has_ended",
    )
    .bind(company)
    .bind(group)
    .fetch_optional(connection)
    .await?;
    Ok(ended)
}

impl EndedGroup {
    pub(super) fn outcome(&self) -> Outcome {
        combine_outcomes(&self.outcomes)
    }

    /// The message about the group, if its request names a receiver. It is listed with the job that ended last. Its links
    /// begin with `base`.
    pub(super) fn build_webhook(&self, base: &str, (job, run): (JobId, i32)) -> Option<NewTask> {
        let event_type = "export_job_group.finished";
        let body = json!({
            "type": event_type,
            "timestamp": Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true),
            "data": {
                "groupHandle": self.group_id, "groupName": self.group_name, "metadata": self.metadata,
                "state": ShownState::Finished, "outcome": self.outcome(),
                "counts": {
                    "total": self.total, "waiting": 0, "running": 0, "succeeded": self.succeeded, "failed": self.failed,
                    "skipped": self.skipped, "stopped": self.stopped, "warnings": self.warned,
                },
                "files": self.files, "bytes": self.bytes, "jobHandles": self.jobs,
                "links": {"self": format!("{base}/export-job-groups/{}", self.group_id)},
            },
        });
        Some(build_webhook_task(job, run, self.callback_url.as_deref()?, event_type, &body.to_string()))
    }
}

/// The outcome of several jobs together: that of one job with all their items.
pub fn combine_outcomes(outcomes: &[Outcome]) -> Outcome {
    use Outcome::{Failed, PartiallyFailed, Stopped, Succeeded, SucceededWithWarnings};
    let has = |wanted: Outcome| outcomes.contains(&wanted);
    if has(Stopped) {
        Stopped
    } else if has(Failed) && outcomes.iter().all(|outcome| *outcome == Failed) {
        Failed
    } else if has(Failed) || has(PartiallyFailed) {
        PartiallyFailed
    } else if has(SucceededWithWarnings) {
        SucceededWithWarnings
    } else {
        Succeeded
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcomes_of_parts_are_that_of_the_whole() {
        use Outcome::{Failed, PartiallyFailed, Stopped, Succeeded, SucceededWithWarnings};
        for (parts, whole) in [
            (&[Succeeded, Succeeded][..], Succeeded),
            (&[Succeeded, SucceededWithWarnings], SucceededWithWarnings),
            (&[Succeeded, Failed], PartiallyFailed),
            (&[SucceededWithWarnings, PartiallyFailed], PartiallyFailed),
            (&[Failed, Failed], Failed),
            (&[Failed, Stopped], Stopped),
            (&[], Succeeded),
        ] {
            assert_eq!(combine_outcomes(parts), whole, "{parts:?}");
        }
    }
}
