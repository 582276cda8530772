//! Mails about runs: one task for each recipient, whose `key` is the mail address. What becomes of a mail is in its job's log.

use offprint_core::Code;
use serde_json::json;

use crate::db::task::{self, NewTask, TaskClaim, TaskEnd, TaskKind, TaskState};
use crate::db::{DbConnection, DbError, PgPool, event, limits};
use crate::id::{CompanyId, JobId};

/// Who gets mails about a run.
#[derive(Clone, Debug, Default)]
pub struct MailRecipients {
    /// Empty when nobody is to be notified.
    pub addresses: Vec<String>,
    /// Mails that the company may send each day; 0: no limit. Recipients beyond get none; the job's log says so.
    pub max_mails: u32,
}

/// Inserts the mails of a run that ends with this transaction. `group_end` is the number of the end of its group that they are
/// about; none: they are about the job.
pub(super) async fn insert_mails(
    connection: &mut DbConnection,
    company: CompanyId,
    (job, run): (JobId, i32),
    recipients: &MailRecipients,
    group_end: Option<i32>,
) -> Result<(), DbError> {
    let MailRecipients { addresses, max_mails } = recipients;
    if addresses.is_empty() {
        return Ok(());
    }
    let (count, max) = (addresses.len() as i32, *max_mails as i32);
    let allowed = limits::reserve_mails(connection, company, count, max).await? as usize;
    let refusal = format!(
        "{}: not sent, because the company's limit of {max_mails} mails a day is reached.",
        Code::TooManyMails.to_kebab_case()
    );
    let build_task = |(number, recipient): (usize, &String)| NewTask {
        key: recipient.clone(),
        group_end,
        refusal: (number >= allowed).then(|| refusal.clone()),
        ..NewTask::of_run(TaskKind::Mail, job, run)
    };
    let tasks: Vec<NewTask> = addresses.iter().enumerate().map(build_task).collect();
    task::insert_tasks(connection, company, &tasks).await?;
    sqlx::query("update export_job set has_mails = true where company_id = $1 and job_id = $2 and not has_mails")
        .bind(company)
        .bind(job)
        .execute(&mut *connection)
        .await?;
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
