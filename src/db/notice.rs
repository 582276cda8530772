//! Notices: mails that are to be sent, leased like items.

use std::time::Duration;

use serde_json::json;

use crate::db::item::interval;
use crate::db::{Error, PgPool, event};
use crate::id::{CompanyId, JobId, NoticeId};

/// A notice that a worker sends.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Due {
    /// Whose it is.
    pub company_id: CompanyId,
    /// The notice.
    pub notice_id: NoticeId,
    /// The job it tells of.
    pub job_id: JobId,
    /// The run it tells of.
    pub run: i32,
    /// Who is told.
    pub recipient: String,
    /// The fence.
    pub claim: i32,
    /// Failed tries so far.
    pub tries: i32,
}

/// Takes a notice that is due, for the length of a lease.
pub async fn claim(pool: &PgPool, lease: Duration) -> Result<Option<Due>, Error> {
    let due = sqlx::query_as(
        "update notice set state = 'sending', claim = notice.claim + 1, lease_until = now() + $1
           from (select company_id, notice_id from notice
                  where (state = 'waiting' and run_at <= now()) or (state = 'sending' and lease_until < now())
                  order by run_at limit 1 for update skip locked) due
          where notice.company_id = due.company_id and notice.notice_id = due.notice_id
         returning notice.company_id, notice.notice_id, notice.job_id, notice.run, notice.recipient, notice.claim, notice.tries",
    )
    .bind(interval(lease))
    .fetch_optional(pool)
    .await?;
    Ok(due)
}

/// How sending ended.
#[derive(Clone, Debug)]
pub enum Sent {
    /// The mail server has it.
    Yes,
    /// It did not work; again after this pause.
    Later(String, Duration),
    /// It will never work.
    Never(String),
}

/// Settles a notice and writes its end to the job's log.
pub async fn settle(pool: &PgPool, due: &Due, sent: Sent) -> Result<(), Error> {
    let (state, detail, pause, code) = match sent {
        Sent::Yes => ("sent", None, Duration::ZERO, Some("emailSent")),
        Sent::Later(why, pause) => ("waiting", Some(why), pause, None),
        Sent::Never(why) => ("failed", Some(why), Duration::ZERO, Some("emailFailed")),
    };
    let mut transaction = pool.begin().await?;
    // The job row first, as everywhere; the event takes its lock too.
    sqlx::query("select from export_job where company_id = $1 and job_id = $2 for update")
        .bind(due.company_id)
        .bind(due.job_id)
        .execute(&mut *transaction)
        .await?;
    let settled = sqlx::query(
        "update notice
            set state = $4, detail = $5, lease_until = null, run_at = now() + $6, tries = tries + ($4 <> 'sent')::int,
                ended_at = case when $4 <> 'waiting' then now() end
          where company_id = $1 and notice_id = $2 and claim = $3 and state = 'sending'",
    )
    .bind(due.company_id)
    .bind(due.notice_id)
    .bind(due.claim)
    .bind(state)
    .bind(&detail)
    .bind(interval(pause))
    .execute(&mut *transaction)
    .await?;
    if let Some(code) = code.filter(|_| settled.rows_affected() == 1) {
        event::add(
            &mut transaction,
            due.company_id,
            due.job_id,
            code,
            json!({ "to": due.recipient, "detail": detail }),
        )
        .await?;
    }
    transaction.commit().await?;
    Ok(())
}
