//! Sealing: the last step of a run, leased and fenced like an item.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::json;
use sqlx::types::Json;

use crate::code::Code;
use crate::reason::Note;
use crate::db::item::interval;
use crate::db::job::Rendition;
use crate::db::vocabulary::{EmailSetting, Fmt, JobState, Outcome};
use crate::db::webhook::{self, NewWebhook};
use crate::db::{Connection, Error, PgPool, event, limits};
use crate::digest::Digest;
use crate::id::{CompanyId, JobId, NoticeId};

/// A job that a worker seals.
#[derive(Clone, Debug, sqlx::FromRow)]
#[allow(missing_docs, reason = "columns; migrations/0001_foundation.sql says what they mean")]
pub struct Sealing {
    pub company_id: CompanyId,
    pub job_id: JobId,
    pub job_name: String,
    pub fmt: Fmt,
    pub effective_modifier: Option<String>,
    pub renditions: Option<Json<Vec<Rendition>>>,
    pub state: JobState,
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
    pub files: i32,
    pub bytes: i64,
}

/// Takes a job whose items have all ended, for the length of a lease.
pub async fn claim(pool: &PgPool, lease: Duration) -> Result<Option<Sealing>, Error> {
    let taken = sqlx::query_as(
        "update export_job job set seal_claim = seal_claim + 1, seal_lease_until = now() + $1
           from (select company_id, job_id from export_job
                  where state in ('active', 'paused', 'stopping') and deleted_at is null
                    and succeeded + failed + skipped + stopped = total
                    and seal_run_at <= now() and (seal_lease_until is null or seal_lease_until < now())
                  order by job_id limit 1 for update skip locked) due
          where job.company_id = due.company_id and job.job_id = due.job_id
         returning job.*",
    )
    .bind(interval(lease))
    .fetch_optional(pool)
    .await?;
    Ok(taken)
}

/// Prolongs the lease of a seal that takes long. `false` when somebody else has it.
pub async fn beat(pool: &PgPool, sealing: &Sealing, lease: Duration) -> Result<bool, Error> {
    let kept = sqlx::query(
        "update export_job set seal_lease_until = now() + $4
          where company_id = $1 and job_id = $2 and seal_claim = $3 and state <> 'finished'",
    )
    .bind(sealing.company_id)
    .bind(sealing.job_id)
    .bind(sealing.seal_claim)
    .bind(interval(lease))
    .execute(pool)
    .await?;
    Ok(kept.rows_affected() == 1)
}

/// A sealed archive, as it is written.
#[derive(Clone, Debug)]
pub struct Sealed {
    /// Entries, manifests among them.
    pub entries: i32,
    /// Size of the zip in bytes.
    pub size: i64,
    /// Its strong entity tag, with quotes.
    pub etag: String,
    /// The fixed-width index.
    pub index: Digest,
    /// `manifest.json`.
    pub manifest_json: Digest,
    /// `manifest.csv`.
    pub manifest_csv: Digest,
}

/// Finishes the job: archive, state, outcome, event, mail and webhook in one transaction. `recipients` is empty when
/// nobody is to be told; those beyond the company's `max_mails` of the day (0: no limit) are not written to. `false` when
/// somebody else has the seal, or the job was deleted: nothing was written.
pub async fn finish(
    pool: &PgPool,
    sealing: &Sealing,
    sealed: &Sealed,
    outcome: Outcome,
    recipients: &[String],
    max_mails: u32,
    webhook: Option<&NewWebhook<'_>>,
) -> Result<bool, Error> {
    let (company, job) = (sealing.company_id, sealing.job_id);
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
    .bind(sealing.seal_claim)
    .bind(outcome)
    .execute(&mut *transaction)
    .await?;
    if finished.rows_affected() == 0 {
        return Ok(false);
    }
    sqlx::query("update export_file set state = 'absent' where company_id = $1 and job_id = $2 and state = 'waiting'")
        .bind(company)
        .bind(job)
        .execute(&mut *transaction)
        .await?;
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
    .bind(sealing.run)
    .bind(sealed.entries)
    .bind(sealed.size)
    .bind(&sealed.etag)
    .bind(sealed.index.to_bytes())
    .bind(sealed.manifest_json.to_bytes())
    .bind(sealed.manifest_csv.to_bytes())
    .execute(&mut *transaction)
    .await?;
    event::add(
        &mut transaction,
        company,
        job,
        "archiveCreated",
        json!({ "entries": sealed.entries, "size": sealed.size }),
    )
    .await?;
    match outcome {
        Outcome::Stopped => event::add(&mut transaction, company, job, "exportStopped", json!({})).await?,
        Outcome::Failed => event::add(&mut transaction, company, job, "fatalError", json!({})).await?,
        _ => {}
    }
    event::add(&mut transaction, company, job, "exportEnded", json!({ "outcome": outcome, "run": sealing.run }))
        .await?;
    write_notices(&mut transaction, sealing, recipients, max_mails).await?;
    if let Some(webhook) = webhook {
        webhook::write(&mut transaction, company, job, sealing.run, webhook).await?;
    }
    transaction.commit().await?;
    Ok(true)
}

async fn write_notices(
    connection: &mut Connection,
    sealing: &Sealing,
    recipients: &[String],
    max_mails: u32,
) -> Result<(), Error> {
    if recipients.is_empty() {
        return Ok(());
    }
    let (company, job) = (sealing.company_id, sealing.job_id);
    let allowed = limits::count_mails(connection, company, recipients.len() as i32, max_mails as i32).await? as usize;
    for (number, recipient) in recipients.iter().enumerate() {
        let refused = (number >= allowed).then(|| {
            format!(
                "{}: the company caused {max_mails} mails today, and no more are allowed.",
                Code::TooManyMails.as_str()
            )
        });
        sqlx::query(
            "insert into notice (company_id, notice_id, job_id, run, recipient, state, detail, ended_at)
             values ($1, $2, $3, $4, $5, case when $6::text is null then 'waiting' else 'failed' end, $6,
                     case when $6 is not null then now() end)",
        )
        .bind(company)
        .bind(NoticeId::new())
        .bind(job)
        .bind(sealing.run)
        .bind(recipient)
        .bind(&refused)
        .execute(&mut *connection)
        .await?;
        if let Some(detail) = refused {
            event::add(connection, company, job, "emailFailed", json!({ "to": recipient, "detail": detail })).await?;
        }
    }
    Ok(())
}

/// Gives a job back that could not be sealed, for this pause. The log is told of the first time in a run.
pub async fn postpone(pool: &PgPool, sealing: &Sealing, pause: Duration, why: &Note) -> Result<(), Error> {
    sqlx::query(
        "with postponed as (
             update export_job
                set seal_lease_until = null, seal_tries = seal_tries + 1, seal_run_at = now() + $4,
                    event_seq = event_seq + (seal_tries = 0)::int
              where company_id = $1 and job_id = $2 and seal_claim = $3 and state <> 'finished'
             returning event_seq, seal_tries
         )
         insert into export_event (company_id, job_id, seq, code, parameters)
         select $1, $2, event_seq, 'archiveFailed', jsonb_build_object('failure', $5::jsonb) from postponed where seal_tries = 1",
    )
    .bind(sealing.company_id)
    .bind(sealing.job_id)
    .bind(sealing.seal_claim)
    .bind(interval(pause))
    .bind(Json(why))
    .execute(pool)
    .await?;
    Ok(())
}
