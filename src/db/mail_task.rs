//! Mails about runs: one task for each recipient, whose `key` is the mail address. What becomes of a mail is in its job's log.

use serde_json::json;

use crate::db::task::{self, NewTask, TaskClaim, TaskEnd, TaskKind, TaskState};
use crate::db::{DbConnection, DbError, PgPool, event};
use crate::id::{CompanyId, JobId};

/// Inserts the mails of a run that ends with this transaction. From number `allowed` on they are not sent, for the reason
/// `refusal`.
pub(super) async fn insert_mail_tasks(
    connection: &mut DbConnection,
    company: CompanyId,
    (job, run): (JobId, i32),
    recipients: &[String],
    allowed: usize,
    refusal: &str,
) -> Result<(), DbError> {
    let build_task = |(number, recipient): (usize, &String)| NewTask {
        key: recipient.clone(),
        refusal: (number >= allowed).then(|| refusal.to_owned()),
        ..NewTask::of_run(TaskKind::Mail, job, run)
    };
    let tasks: Vec<NewTask> = recipients.iter().enumerate().map(build_task).collect();
    task::insert_tasks(connection, company, &tasks).await?;
    for refused in tasks.iter().filter(|task| task.refusal.is_some()) {
        log_mail(connection, company, job, &refused.key, refused.refusal.as_deref()).await?;
    }
    Ok(())
}

/// Logs that a mail was sent, or why not.
async fn log_mail(
    connection: &mut DbConnection,
    company: CompanyId,
    job: JobId,
    recipient: &str,
    failure: Option<&str>,
) -> Result<(), DbError> {
    let code = if failure.is_some() { "emailFailed" } else { "emailSent" };
    event::insert_event(connection, company, job, code, json!({ "to": recipient, "detail": failure })).await
}

/// Settles the task of a mail, and logs in its job when the mail was sent or given up.
pub async fn settle_mail_task(
    pool: &PgPool,
    claim: &TaskClaim,
    job: JobId,
    end: &TaskEnd,
) -> Result<Option<TaskState>, DbError> {
    let mut transaction = pool.begin().await?;
    // The job's row is locked first, as everywhere: `log_mail` below locks it too, and then would come second.
    sqlx::query("select from export_job where company_id = $1 and job_id = $2 for update")
        .bind(claim.company_id)
        .bind(job)
        .execute(&mut *transaction)
        .await?;
    let settled = task::settle_task(&mut *transaction, claim, end).await?;
    if matches!(settled, Some(TaskState::Done | TaskState::Failed)) {
        log_mail(&mut transaction, claim.company_id, job, &claim.key, end.error.as_deref()).await?;
    }
    transaction.commit().await?;
    Ok(settled)
}
