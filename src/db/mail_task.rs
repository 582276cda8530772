//! Mail tasks: mails to send, written by the transaction that finishes a run, claimed and leased like items.

use std::time::Duration;

use serde_json::json;

use crate::db::interval::to_pg_interval;
use crate::db::{DbError, PgPool, event};
use crate::id::{CompanyId, JobId, MailTaskId};

/// A mail task that a worker has claimed.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct MailTaskClaim {
    pub company_id: CompanyId,
    pub mail_task_id: MailTaskId,
    pub job_id: JobId,
    pub run: i32,
    /// Mail address.
    pub recipient: String,
    /// The fencing token.
    pub claim: i32,
    /// Failed attempts so far.
    pub tries: i32,
}

/// Claims a mail task that is due, for the length of a lease.
pub async fn claim_mail_task(pool: &PgPool, lease: Duration) -> Result<Option<MailTaskClaim>, DbError> {
    let claim = sqlx::query_as(
        "update mail_task set state = 'sending', claim = mail_task.claim + 1, lease_until = now() + $1
           from (select company_id, mail_task_id from mail_task
                  where (state = 'waiting' and run_at <= now()) or (state = 'sending' and lease_until < now())
                  order by run_at limit 1 for update skip locked) due
          where mail_task.company_id = due.company_id and mail_task.mail_task_id = due.mail_task_id
         returning mail_task.company_id, mail_task.mail_task_id, mail_task.job_id, mail_task.run, mail_task.recipient, mail_task.claim, mail_task.tries",
    )
    .bind(to_pg_interval(lease))
    .fetch_optional(pool)
    .await?;
    Ok(claim)
}

/// How an attempt to send a mail ended.
#[derive(Clone, Debug)]
pub enum MailOutcome {
    /// The mail server accepted it.
    Sent,
    /// It failed for this reason; try again after this pause.
    Retry(String, Duration),
    /// It failed for good, for this reason.
    Failed(String),
}

/// Settles a mail task, and logs in its job when the mail was sent or given up.
pub async fn settle_mail_task(pool: &PgPool, task: &MailTaskClaim, outcome: MailOutcome) -> Result<(), DbError> {
    let (state, detail, pause, code) = match outcome {
        MailOutcome::Sent => ("sent", None, Duration::ZERO, Some("emailSent")),
        MailOutcome::Retry(reason, pause) => ("waiting", Some(reason), pause, None),
        MailOutcome::Failed(reason) => ("failed", Some(reason), Duration::ZERO, Some("emailFailed")),
    };
    let mut transaction = pool.begin().await?;
    // The job's row is locked first, as everywhere: `insert_event` below locks it too, and then would come second.
    sqlx::query("select from export_job where company_id = $1 and job_id = $2 for update")
        .bind(task.company_id)
        .bind(task.job_id)
        .execute(&mut *transaction)
        .await?;
    let settled = sqlx::query(
        "update mail_task
            set state = $4, detail = $5, lease_until = null, run_at = now() + $6, tries = tries + ($4 <> 'sent')::int,
                ended_at = case when $4 <> 'waiting' then now() end
          where company_id = $1 and mail_task_id = $2 and claim = $3 and state = 'sending'",
    )
    .bind(task.company_id)
    .bind(task.mail_task_id)
    .bind(task.claim)
    .bind(state)
    .bind(&detail)
    .bind(to_pg_interval(pause))
    .execute(&mut *transaction)
    .await?;
    if let Some(code) = code.filter(|_| settled.rows_affected() == 1) {
        event::insert_event(
            &mut transaction,
            task.company_id,
            task.job_id,
            code,
            json!({ "to": task.recipient, "detail": detail }),
        )
        .await?;
    }
    transaction.commit().await?;
    Ok(())
}
