//! Sends the mails that are due. A mail that cannot be sent does not change its job.

use tracing::{info, warn};

use super::get_message_delay;
use crate::app::AppState;
use crate::db::enums::{FileState, ItemState, Outcome};
use crate::db::link::NewLink;
use crate::db::mail_task::{self, MailOutcome, MailTaskClaim};
use crate::db::{self, archive, item_view, job};
use crate::i18n;
use crate::notify::{JobMail, MailCounts, MailFailure, MailLinks, SendError};

/// Attempts to send one mail, spread over about a day.
const MAX_MAIL_TRIES: i32 = 12;

/// Sends one mail that is due. Returns whether there was one.
pub async fn send_next_mail(state: &AppState) -> Result<bool, db::DbError> {
    // Mail servers may be slow, so the lease is long. If sending takes longer still, the fence makes the late settle
    // change nothing.
    let Some(task) =
        db::with_query_timeout(mail_task::claim_mail_task(&state.system, state.settings.lease * 6)).await?
    else {
        return Ok(false);
    };
    let outcome = match send_mail(state, &task).await {
        Ok(()) => {
            info!(job.handle = %task.job_id, "Sent the mail about job {}", task.job_id);
            count_try("sent");
            MailOutcome::Sent
        }
        Err(SendError::Temporary(reason)) if task.tries + 1 < MAX_MAIL_TRIES => {
            warn!(job.handle = %task.job_id, "Could not send the mail about job {} yet; it is tried again: {reason}", task.job_id);
            count_try("tried-again");
            MailOutcome::Retry(reason, get_message_delay(task.tries))
        }
        Err(SendError::Temporary(reason) | SendError::Permanent(reason)) => {
            warn!(job.handle = %task.job_id, "Gave up the mail about job {}: {reason}", task.job_id);
            count_try("given-up");
            MailOutcome::Failed(reason)
        }
    };
    db::with_query_timeout(mail_task::settle_mail_task(&state.system, &task, outcome)).await?;
    state.job_changes.notify();
    Ok(true)
}

fn count_try(outcome: &'static str) {
    metrics::counter!("offprint_mail_tries_total", "outcome" => outcome).increment(1);
}

async fn send_mail(state: &AppState, task: &MailTaskClaim) -> Result<(), SendError> {
    let later = |error: db::DbError| SendError::Temporary(error.to_string());
    let job = match job::fetch_job(&state.system, task.company_id, task.job_id).await {
        Ok(job) => job,
        Err(db::DbError::NotFound(_)) => return Err(SendError::Permanent("the job was deleted".into())),
        Err(error) => return Err(later(error)),
    };
    let failed =
        item_view::list_item_views(&state.system, task.company_id, task.job_id, Some(ItemState::Failed), 0, 10)
            .await
            .map_err(later)?;
    let failures = failed.into_iter().filter_map(|item| {
        let failure = item.failure?.0;
        Some(MailFailure {
            name: item.file_name.unwrap_or(item.asset_name),
            code: failure.code,
            reason: failure.detail,
        })
    });
    let failures: Vec<MailFailure> = failures.collect();
    let download = create_download_link(state, task, &job).await.map_err(later)?;
    state.mailer.send(&build_mail(state, task, &job, download, failures)).await
}

/// Creates a download link for the recipient, who may have no API key: to the file if the job has exactly one,
/// otherwise to the archive. None when the job has no files, or when the archive exceeds the limit for downloads.
async fn create_download_link(
    state: &AppState,
    task: &MailTaskClaim,
    job: &job::JobRow,
) -> Result<Option<String>, db::DbError> {
    let max_archive_bytes = state.settings.max_archive;
    let is_too_large = max_archive_bytes > 0 && job.archive_size.is_some_and(|size| size as u64 > max_archive_bytes);
    if job.files == 0 || (job.files > 1 && is_too_large) {
        return Ok(None);
    }
    let mut files = match job.files {
        1 => {
            archive::list_files(&state.system, task.company_id, task.job_id, Some(FileState::Ready), (-1, -1), 1)
                .await?
        }
        _ => Vec::new(),
    };
    let path = files.pop().map(|file| file.path);
    let (mail_task_id, expires_in) = (Some(task.mail_task_id), job.expires_in);
    let new = NewLink { job_id: task.job_id, path: path.as_deref(), expires_in, mail_task_id, api_key: None };
    Ok(Some(state.create_link(&state.system, task.company_id, &new).await?.1))
}

fn build_mail(
    state: &AppState,
    task: &MailTaskClaim,
    job: &job::JobRow,
    download: Option<String>,
    failures: Vec<MailFailure>,
) -> JobMail {
    let page = format!("{}/export-jobs/{}", state.public_url(), task.job_id);
    let host = state.public_url().split_once("://").map_or("offprint", |(_, rest)| rest).replace([':', '/'], ".");
    JobMail {
        message_id: format!("<{}.{}@{host}>", task.mail_task_id, task.run),
        recipient: task.recipient.clone(),
        language: job.locale.as_deref().and_then(i18n::find_language).unwrap_or_else(i18n::default_language),
        job_name: job.job_name.clone(),
        job_handle: job.job_id,
        requester: None,
        outcome: job.outcome.unwrap_or(Outcome::Stopped),
        counts: MailCounts {
            total: job.total.into(),
            succeeded: job.succeeded.into(),
            failed: job.failed.into(),
            skipped: job.skipped.into(),
            stopped: job.stopped.into(),
            warnings: job.warned.into(),
        },
        files: job.files.into(),
        bytes: job.bytes,
        failures,
        modifier_warnings: job.modifier_warnings.0.clone(),
        expires_at: job.expires_at,
        links: MailLinks { download, manifest: Some(format!("{page}/manifest")), job: page },
    }
}
