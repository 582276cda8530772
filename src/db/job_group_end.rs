//! The end of a group of jobs: when the last of its open jobs ends, in whatever way, one mail and one message tell of all.
//!
//! A job ends when it is sealed, finished or stopped, and when it is deleted before: both call [`end_group`] in their transaction. The
//! group is locked, behind the lock of the job, so that of two jobs that end at once exactly one is the last. Deleting a
//! job that is finished, by a client or after its time, ends nothing.

use chrono::{SecondsFormat, Utc};
use serde_json::json;
use sqlx::types::Json;

use crate::db::enums::{Outcome, ShownState};
use crate::db::job_group::combine_outcomes;
use crate::db::mail_task::{self, MailRecipients};
use crate::db::metadata_map::MetadataMap;
use crate::db::task::{self, NewTask};
use crate::db::webhook::build_webhook_task;
use crate::db::{DbConnection, DbError};
use crate::id::{CompanyId, JobGroupId, JobId};

/// What is known before it is known whether a group has ended.
#[derive(Clone, Debug, Default)]
pub struct GroupNotice {
    /// Outcomes of the group about which a mail is sent.
    pub mailed_outcomes: Vec<Outcome>,
    pub recipients: MailRecipients,
    /// What addresses of the service begin with; empty where it does not know.
    pub base_url: String,
}

/// The sums of a group all of whose jobs have ended.
#[derive(Clone, Debug, sqlx::FromRow)]
struct EndedGroup {
    group_name: String,
    metadata: Json<MetadataMap>,
    callback_url: Option<String>,
    outcomes: Json<Vec<Outcome>>,
    jobs: Json<Vec<JobId>>,
    /// The job that finished last, and its run.
    last_job: JobId,
    last_run: i32,
    total: i64,
    succeeded: i64,
    failed: i64,
    skipped: i64,
    stopped: i64,
    warned: i64,
    files: i64,
    bytes: i64,
}

/// Writes the mails and the message of a group, if this transaction has ended its last open job. They are listed with `job`, which
/// this transaction has finished; none: with the job that finished last, because the open one was deleted, and then all jobs of the
/// group are locked. Nothing is told of a group without jobs, which is gone.
pub(super) async fn end_group(
    connection: &mut DbConnection,
    (company, group): (CompanyId, JobGroupId),
    job: Option<(JobId, i32)>,
    notice: &GroupNotice,
) -> Result<(), DbError> {
    let Some(ended) = find_ended_group(connection, company, group).await? else { return Ok(()) };
    let number: i32 = sqlx::query_scalar(
        "update export_job_group set ends = ends + 1 where company_id = $1 and group_id = $2 returning ends",
    )
    .bind(company)
    .bind(group)
    .fetch_one(&mut *connection)
    .await?;
    let (job, run) = job.unwrap_or((ended.last_job, ended.last_run));
    if notice.mailed_outcomes.contains(&combine_outcomes(&ended.outcomes)) {
        mail_task::insert_mails(connection, company, (job, run), &notice.recipients, Some(number)).await?;
    }
    let webhook = ended.build_webhook(group, &notice.base_url, (job, run));
    let webhook = webhook.map(|task| NewTask { group_end: Some(number), ..task });
    task::insert_tasks(connection, company, webhook.as_slice()).await
}

/// Locks a group, and sums it up if none of its jobs is open.
async fn find_ended_group(
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
        "select job_group.group_name, job_group.metadata, job_group.callback_url, ended.*
           from export_job_group job_group
          cross join lateral (
                select jsonb_agg(outcome order by job_id) as outcomes, jsonb_agg(job_id order by job_id) as jobs,
                       (array_agg(job_id order by finished_at desc, job_id desc))[1] as last_job,
                       (array_agg(run order by finished_at desc, job_id desc))[1] as last_run,
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
    /// The message about the group, if its request names a receiver. Its links begin with `base`.
    fn build_webhook(&self, group: JobGroupId, base: &str, (job, run): (JobId, i32)) -> Option<NewTask> {
        let event_type = "export_job_group.finished";
        let body = json!({
            "type": event_type,
            "timestamp": Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true),
            "data": {
                "groupHandle": group, "groupName": self.group_name, "metadata": self.metadata,
                "state": ShownState::Finished, "outcome": combine_outcomes(&self.outcomes),
                "counts": {
                    "total": self.total, "waiting": 0, "running": 0, "succeeded": self.succeeded, "failed": self.failed,
                    "skipped": self.skipped, "stopped": self.stopped, "warnings": self.warned,
                },
                "files": self.files, "bytes": self.bytes, "jobHandles": self.jobs,
                "links": {"self": format!("{base}/export-job-groups/{group}")},
            },
        });
        Some(build_webhook_task(job, run, self.callback_url.as_deref()?, event_type, &body.to_string()))
    }
}
