//! Sealing: the last step of a run.
//!
//! When all items of a run have ended, one worker writes manifests and archive index, and then finishes the job in one
//! transaction: state, outcome, archive, log, mails and webhook. A seal is claimed, leased and fenced like an item:
//!
//! ```text
//!   claim_seal ──> (worker writes manifests and index, renews the lease) ──> finish_job    fence: seal_claim
//!                                       └── something failed ──> postpone_seal
//! ```
//!
//! Two workers may seal the same job when the lease of the first expired. Both write the same bytes, which are stored
//! by content; only the one that holds the current `seal_claim` can finish the job.

use std::time::Duration;

use chrono::{DateTime, Utc};
use offprint_core::{Code, Digest};
use serde_json::json;
use sqlx::types::Json;

use crate::db::enums::{EmailSetting, Fmt, Outcome};
use crate::db::interval::to_pg_interval;
use crate::db::job::Rendition;
use crate::db::metadata_map::MetadataMap;
use crate::db::webhook::{self, NewWebhook};
use crate::db::{DbConnection, DbError, PgPool, event, limits};
use crate::id::{CompanyId, JobId, MailTaskId};
use crate::reason::Reason;

/// A job that a worker is sealing.
#[derive(Clone, Debug, sqlx::FromRow)]
#[allow(missing_docs, reason = "columns; migrations/0001_foundation.sql says what they mean")]
pub struct SealClaim {
    pub company_id: CompanyId,
    pub job_id: JobId,
    pub job_name: String,
    pub fmt: Fmt,
    pub effective_modifier: Option<String>,
    pub renditions: Option<Json<Vec<Rendition>>>,
    pub warnings: Json<Vec<Reason>>,
    pub modifier_warnings: Json<Vec<Reason>>,
    pub notices: Json<Vec<Reason>>,
    pub run: i32,
    pub seal_claim: i32,
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

/// Claims a job whose items have all ended, for the length of a lease.
///
/// The inner query locks one job that is due (`skip locked`: not one that another worker is claiming right now), and
/// the update raises its fencing token. A paused job is sealed too when it has nothing left to do.
pub async fn claim_seal(pool: &PgPool, lease: Duration) -> Result<Option<SealClaim>, DbError> {
    let claim = sqlx::query_as(
        "update export_job job set seal_claim = seal_claim + 1, seal_lease_until = now() + $1
           from (select company_id, job_id from export_job
                  where state in ('active', 'paused', 'stopping') and deleted_at is null
                    and succeeded + failed + skipped + stopped = total
                    and seal_run_at <= now() and (seal_lease_until is null or seal_lease_until < now())
                  order by job_id limit 1 for update skip locked) due
          where job.company_id = due.company_id and job.job_id = due.job_id
         returning job.*",
    )
    .bind(to_pg_interval(lease))
    .fetch_optional(pool)
    .await?;
    Ok(claim)
}

/// Renews the lease of a seal. Returns `false` when another worker has claimed it.
pub async fn renew_seal_lease(pool: &PgPool, claim: &SealClaim, lease: Duration) -> Result<bool, DbError> {
    let renewed = sqlx::query(
        "update export_job set seal_lease_until = now() + $4
          where company_id = $1 and job_id = $2 and seal_claim = $3 and state <> 'finished'",
    )
    .bind(claim.company_id)
    .bind(claim.job_id)
    .bind(claim.seal_claim)
    .bind(to_pg_interval(lease))
    .execute(pool)
    .await?;
    Ok(renewed.rows_affected() == 1)
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

/// Finishes the job: state, outcome, archive, events, mails and webhook in one transaction, so that a finished job
/// always has its archive, and a mail is sent exactly when its job is finished. Returns `false` when another worker
/// holds the seal or the job was deleted: then nothing was written.
///
/// The first update is the fence and takes the job's lock. It also checks once more that all items have ended.
///
/// `recipients` is empty when nobody is to be notified. Recipients beyond the company's `max_mails` of the day (0: no
/// limit) get no mail; the job's log says so.
pub async fn finish_job(
    pool: &PgPool,
    claim: &SealClaim,
    archive: &NewArchive,
    outcome: Outcome,
    recipients: &[String],
    max_mails: u32,
    webhook: Option<&NewWebhook<'_>>,
) -> Result<bool, DbError> {
    let (company, job) = (claim.company_id, claim.job_id);
    let mut transaction = pool.begin().await?;
    let finished = sqlx::query(
        "update export_job
            set state = 'finished', outcome = $4, finished_at = now(), expires_at = now() + make_interval(secs => expires_in),
                seal_lease_until = null
          where company_id = $1 and job_id = $2 and seal_claim = $3 and state <> 'finished' and deleted_at is null
            and succeeded + failed + skipped + stopped = total",
    )
    .bind(company)
    .bind(job)
    .bind(claim.seal_claim)
    .bind(outcome)
    .execute(&mut *transaction)
    .await?;
    if finished.rows_affected() == 0 {
        return Ok(false);
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
    .bind(claim.run)
    .bind(archive.entries)
    .bind(archive.size)
    .bind(&archive.etag)
    .bind(archive.index.to_bytes())
    .bind(archive.manifest_json.to_bytes())
    .bind(archive.manifest_csv.to_bytes())
    .execute(&mut *transaction)
    .await?;
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
    event::insert_event(&mut transaction, company, job, "exportEnded", json!({ "outcome": outcome, "run": claim.run }))
        .await?;
    insert_mail_tasks(&mut transaction, claim, recipients, max_mails).await?;
    if let Some(webhook) = webhook {
        webhook::insert_webhook(&mut transaction, company, job, claim.run, webhook).await?;
    }
    transaction.commit().await?;
    Ok(true)
}

async fn insert_mail_tasks(
    connection: &mut DbConnection,
    claim: &SealClaim,
    recipients: &[String],
    max_mails: u32,
) -> Result<(), DbError> {
    if recipients.is_empty() {
        return Ok(());
    }
    let (company, job) = (claim.company_id, claim.job_id);
    let allowed = limits::reserve_mails(connection, company, recipients.len() as i32, max_mails as i32).await? as usize;
    for (number, recipient) in recipients.iter().enumerate() {
        let refused = (number >= allowed).then(|| {
            format!(
                "{}: not sent, because the company's limit of {max_mails} mails a day is reached.",
                Code::TooManyMails.to_kebab_case()
            )
        });
        sqlx::query(
            "insert into mail_task (company_id, mail_task_id, job_id, run, recipient, state, detail, ended_at)
             values ($1, $2, $3, $4, $5, case when $6::text is null then 'waiting' else 'failed' end, $6,
                     case when $6 is not null then now() end)",
        )
        .bind(company)
        .bind(MailTaskId::new())
        .bind(job)
        .bind(claim.run)
        .bind(recipient)
        .bind(&refused)
        .execute(&mut *connection)
        .await?;
        if let Some(detail) = refused {
            event::insert_event(connection, company, job, "emailFailed", json!({ "to": recipient, "detail": detail }))
                .await?;
        }
    }
    Ok(())
}

/// Releases a seal that failed, to be tried again after this pause. The job's log gets an entry for the first failure
/// of a run only, or a full storage would fill the log.
pub async fn postpone_seal(pool: &PgPool, claim: &SealClaim, pause: Duration, reason: &Reason) -> Result<(), DbError> {
    sqlx::query(
        "with postponed as (
             -- Release the lease, if the seal is still ours, and reserve an event number for the first failure.
             update export_job
                set seal_lease_until = null, seal_tries = seal_tries + 1, seal_run_at = now() + $4,
                    event_seq = event_seq + (seal_tries = 0)::int
              where company_id = $1 and job_id = $2 and seal_claim = $3 and state <> 'finished'
             returning event_seq, seal_tries
         )
         insert into export_event (company_id, job_id, seq, code, parameters)
         select $1, $2, event_seq, 'archiveFailed', jsonb_build_object('failure', $5::jsonb) from postponed where seal_tries = 1",
    )
    .bind(claim.company_id)
    .bind(claim.job_id)
    .bind(claim.seal_claim)
    .bind(to_pg_interval(pause))
    .bind(Json(reason))
    .execute(pool)
    .await?;
    Ok(())
}
