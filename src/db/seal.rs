//! Sealing: the last step of a run.
//!
//! When all items of a run have ended and its files are delivered, one worker writes manifests and archive index, and then finishes the job in one
//! transaction: state, outcome, archive, log, mails and webhook. The seal is a task, written by a trigger in the
//! transaction that ended the last item:
//!
//! ```text
//!   claim_tasks ──> find_ended_job ──> (worker writes manifests and index) ──> finish_job      fence: that of the task
//!                                              └── something failed ──> postpone_seal
//! ```
//!
//! Two workers may seal the same job when the lease of the first expired. Both write the same bytes, which are stored
//! by content; only the one that holds the task can finish the job.

use chrono::{DateTime, Utc};
use offprint_core::Digest;
use serde_json::json;
use sqlx::types::Json;

use crate::db::enums::{EmailSetting, Fmt, Outcome};
use crate::db::job::Rendition;
use crate::db::job_group_end::{GroupNotice, end_group};
use crate::db::mail_task::MailRecipients;
use crate::db::metadata_map::MetadataMap;
use crate::db::task::{self, NewTask, TaskClaim, TaskEnd, TaskOutcome, TaskState};
use crate::db::{DbError, PgPool, destination, event, mail_task};
use crate::id::{CompanyId, JobGroupId, JobId};
use crate::reason::Reason;

/// A job whose items have all ended, and that is to be sealed.
#[derive(Clone, Debug, sqlx::FromRow)]
#[allow(missing_docs, reason = "columns; migrations/0001_foundation.sql says what they mean")]
pub struct EndedJob {
    pub company_id: CompanyId,
    pub job_id: JobId,
    pub group_id: Option<JobGroupId>,
    pub job_name: String,
    pub fmt: Fmt,
    pub effective_modifier: Option<String>,
    pub renditions: Option<Json<Vec<Rendition>>>,
    pub warnings: Json<Vec<Reason>>,
    pub modifier_warnings: Json<Vec<Reason>>,
    pub notices: Json<Vec<Reason>>,
    pub run: i32,
    pub created_at: DateTime<Utc>,
    pub total: i32,
    pub succeeded: i32,
    pub failed: i32,
    pub skipped: i32,
    pub stopped: i32,
    pub warned: i32,
    pub email_setting: EmailSetting,
    pub notify_emails: Json<Vec<String>>,
    pub callback_url: Option<String>,
    pub metadata: Json<MetadataMap>,
    pub files: i32,
    pub bytes: i64,
}

/// Finds the job of a seal. None when there is nothing to seal any more: the job was deleted, or this run is finished.
pub async fn find_ended_job(pool: &PgPool, claim: &TaskClaim) -> Result<Option<EndedJob>, DbError> {
    let job = sqlx::query_as(
        "select * from export_job
          where company_id = $1 and job_id = $2 and run = $3 and state in ('active', 'paused', 'stopping') and deleted_at is null
            and succeeded + failed + skipped + stopped = total and open_destinations = 0",
    )
    .bind(claim.company_id)
    .bind(claim.job_id)
    .bind(claim.run)
    .fetch_optional(pool)
    .await?;
    Ok(job)
}

/// The archive and manifests that a seal has stored.
#[derive(Clone, Debug)]
pub struct NewArchive {
    /// Number of entries, including the manifests.
    pub entries: i32,
    /// In bytes.
    pub size: i64,
    /// Strong entity tag, with quotes.
    pub etag: String,
    /// The archive index: records of fixed width, see `offprint_storage::archive`.
    pub index: Digest,
    pub manifest_json: Digest,
    pub manifest_csv: Digest,
}

/// What finishing a job writes.
#[derive(Clone, Debug)]
pub struct Seal {
    pub job: EndedJob,
    pub archive: NewArchive,
    /// Why manifests were not delivered, for each destination that wants them; none where they were.
    pub manifests: Vec<(i16, Option<Reason>)>,
    pub outcome: Outcome,
    pub notice: EndNotice,
}

/// What is told when a job is finished.
#[derive(Clone, Debug)]
pub enum EndNotice {
    /// Its mails and its message.
    Job(MailRecipients, Option<NewTask>),
    /// Those of its group, when it is the last one of it to end.
    Group(JobGroupId, GroupNotice),
}

/// Finishes the job: state, outcome, archive, events, mails and webhook in one transaction, so that a finished job
/// always has its archive, and a mail is sent exactly when its job is finished. Returns the state of the task; none when
/// another worker holds the seal or the job was deleted: then nothing was written.
///
/// The first update takes the job's lock and checks once more that all items have ended; the settle is the fence.
pub async fn finish_job(pool: &PgPool, claim: &TaskClaim, seal: &Seal) -> Result<Option<TaskState>, DbError> {
    let Seal { job: EndedJob { company_id: company, job_id: job, run, .. }, archive, outcome, .. } = seal;
    let (company, job, run, outcome) = (*company, *job, *run, *outcome);
    let mut transaction = pool.begin().await?;
    let finished = sqlx::query(
        "update export_job
            set state = 'finished', outcome = $4, finished_at = now(), expires_at = now() + make_interval(secs => expires_in),
                warnings = $5, archive_size = $6
          where company_id = $1 and job_id = $2 and run = $3 and state <> 'finished' and deleted_at is null
            and succeeded + failed + skipped + stopped = total and open_destinations = 0",
    )
    .bind(company)
    .bind(job)
    .bind(run)
    .bind(outcome)
    .bind(&seal.job.warnings)
    .bind(archive.size)
    .execute(&mut *transaction)
    .await?;
    if finished.rows_affected() == 0 {
        return Ok(None);
    }
    let settled = task::settle_task(&mut *transaction, claim, &TaskEnd::new(TaskOutcome::Done, None)).await?;
    if settled.is_none() {
        // Dropping the transaction undoes the update.
        return Ok(None);
    }
    // What is not ready now will not become ready in this run; a retry sets it to waiting again.
    sqlx::query("update export_file set state = 'absent' where company_id = $1 and job_id = $2 and state = 'waiting'")
        .bind(company)
        .bind(job)
        .execute(&mut *transaction)
        .await?;
    // A retry replaces the archive of the run before; its address stays the same.
    sqlx::query(
        "insert into archive (company_id, job_id, run, entries, size, etag, index_sha256, manifest_json_sha256, manifest_csv_sha256)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
         on conflict (company_id, job_id) do update
            set run = excluded.run, entries = excluded.entries, size = excluded.size, etag = excluded.etag,
                index_sha256 = excluded.index_sha256, manifest_json_sha256 = excluded.manifest_json_sha256,
                manifest_csv_sha256 = excluded.manifest_csv_sha256, sealed_at = now()",
    )
    .bind(company)
    .bind(job)
    .bind(run)
    .bind(archive.entries)
    .bind(archive.size)
    .bind(&archive.etag)
    .bind(archive.index.to_bytes())
    .bind(archive.manifest_json.to_bytes())
    .bind(archive.manifest_csv.to_bytes())
    .execute(&mut *transaction)
    .await?;
    destination::record_manifests(&mut transaction, company, job, &seal.manifests).await?;
    event::insert_event(
        &mut transaction,
        company,
        job,
        "archiveCreated",
        json!({ "entries": archive.entries, "size": archive.size }),
    )
    .await?;
    match outcome {
        Outcome::Stopped => event::insert_event(&mut transaction, company, job, "exportStopped", json!({})).await?,
        Outcome::Failed => event::insert_event(&mut transaction, company, job, "fatalError", json!({})).await?,
        _ => {}
    }
    event::insert_event(&mut transaction, company, job, "exportEnded", json!({ "outcome": outcome, "run": run }))
        .await?;
    match &seal.notice {
        EndNotice::Group(group, notice) => {
            end_group(&mut transaction, (company, *group), Some((job, run)), notice).await?;
        }
        EndNotice::Job(recipients, webhook) => {
            mail_task::insert_mails(&mut transaction, company, (job, run), recipients, None).await?;
            task::insert_tasks(&mut transaction, company, webhook.as_slice()).await?;
        }
    }
    transaction.commit().await?;
    Ok(settled)
}

/// Settles a seal that failed, to be tried again. The job's log gets an entry for the first failure of a run only, or a
/// full storage would fill the log. Returns the task's new state; none when another worker holds the seal: then nothing was
/// written.
pub async fn postpone_seal(
    pool: &PgPool,
    claim: &TaskClaim,
    end: &TaskEnd,
    reason: &Reason,
) -> Result<Option<TaskState>, DbError> {
    let mut transaction = pool.begin().await?;
    // The job first, as everywhere.
    sqlx::query("select from export_job where company_id = $1 and job_id = $2 for update")
        .bind(claim.company_id)
        .bind(claim.job_id)
        .execute(&mut *transaction)
        .await?;
    let settled = task::settle_task(&mut *transaction, claim, end).await?;
    if let Some(job) = claim.job_id.filter(|_| settled.is_some() && claim.tries == 0) {
        let parameters = json!({ "failure": reason });
        event::insert_event(&mut transaction, claim.company_id, job, "archiveFailed", parameters).await?;
    }
    transaction.commit().await?;
    Ok(settled)
}
