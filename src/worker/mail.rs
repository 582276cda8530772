//! Sends the mails about runs of jobs. A mail that cannot be sent does not change its job.

use chrono_tz::Tz;

use crate::app::AppState;
use crate::db::company::{self, UserRow};
use crate::db::enums::{FileState, ItemState, Outcome};
use crate::db::item_view::ItemView;
use crate::db::link::NewLink;
use crate::db::task::TaskClaim;
use crate::db::{self, archive, item_view, job};
use crate::i18n;
use crate::id::{CompanyId, JobId, TaskId};
use crate::jobs::recipients::parse_mailbox;
use crate::notify::{JobMail, MailCounts, MailFailure, MailLinks, SendError};
use crate::worker::group_mail::describe_group;
use crate::worker::import_mail::perform_import_mail;
use crate::worker::performed::{AttemptResult, Performed};

/// Sends a mail.
pub(super) async fn perform_mail(state: &AppState, claim: &TaskClaim) -> Result<Performed, db::DbError> {
    if let Some(import) = claim.import_id {
        return perform_import_mail(state, claim, import).await;
    }
    let (Some(job), Some(run)) = (claim.job_id, claim.run) else {
        return Ok(AttemptResult::Failed("the mail belongs to no job".into()).into());
    };
    let mail =
        RunMail { company_id: claim.company_id, task_id: claim.task_id, job_id: job, run, recipient: &claim.key };
    Ok(to_attempt_result(send_mail(state, claim, &mail).await).into())
}

impl MailFailure {
    /// Of an item that failed; none of others.
    pub(super) fn from_item(item: ItemView) -> Option<Self> {
        let failure = item.failure?.0;
        let name = item.file_name.unwrap_or(item.asset_name);
        Some(Self { name, code: failure.code, reason: failure.detail })
    }
}

/// What the mail server's answer means for the task.
pub(super) fn to_attempt_result(sent: Result<(), SendError>) -> AttemptResult {
    match sent {
        Ok(()) => AttemptResult::Done,
        Err(SendError::Temporary(reason)) => AttemptResult::Retry(reason),
        Err(SendError::Permanent(reason)) => AttemptResult::Failed(reason),
    }
}

/// The mail about a run to one recipient.
struct RunMail<'a> {
    company_id: CompanyId,
    task_id: TaskId,
    job_id: JobId,
    run: i32,
    /// Mail address.
    recipient: &'a str,
}

async fn send_mail(state: &AppState, claim: &TaskClaim, task: &RunMail<'_>) -> Result<(), SendError> {
    let later = |error: db::DbError| SendError::Temporary(error.to_string());
    let job = match job::load_job(&state.system, task.company_id, task.job_id).await {
        Ok(job) => job,
        Err(db::DbError::NotFound(_)) => return Err(SendError::Permanent("the job was deleted".into())),
        Err(error) => return Err(later(error)),
    };
    let failed =
        item_view::list_item_views(&state.system, task.company_id, task.job_id, Some(ItemState::Failed), 0, 10)
            .await
            .map_err(later)?;
    let failures: Vec<MailFailure> = failed.into_iter().filter_map(MailFailure::from_item).collect();
    let recipient = find_recipient(state, task).await.map_err(later)?;
    let requester = match job.user_id {
        Some(user) => company::find_user_name(&state.system, task.company_id, user).await.map_err(later)?,
        None => None,
    };
    let links = build_links(state, task, &job, recipient.is_some()).await.map_err(later)?;
    let mail = build_mail(state, task, &job, links, failures);
    let zone = recipient.and_then(|user| user.time_zone).or(job.time_zone);
    let time_zone = zone.and_then(|name| name.parse().ok()).unwrap_or(Tz::UTC);
    let mail = JobMail { requester, time_zone, ..mail };
    let mail = match job.group_id {
        Some(group) => describe_group(state, claim, group, mail).await.map_err(later)?,
        None => mail,
    };
    state.mailer.send(&mail).await
}

/// The user of the company whose address this is.
async fn find_recipient(state: &AppState, task: &RunMail<'_>) -> Result<Option<UserRow>, db::DbError> {
    match parse_mailbox(task.recipient) {
        Ok(mailbox) => company::find_user_by_email(&state.system, task.company_id, mailbox.email.as_ref()).await,
        Err(_) => Ok(None),
    }
}

/// Links that work for the recipient: everybody may open the page of the results; the job needs an account.
async fn build_links(
    state: &AppState,
    task: &RunMail<'_>,
    job: &job::JobRow,
    is_user: bool,
) -> Result<MailLinks, db::DbError> {
    let address = format!("{}/export-jobs/{}", state.public_url(), task.job_id);
    let may_see_job = is_user || !state.settings.is_key_required();
    let max_archive_bytes = state.settings.max_archive;
    let is_too_large = max_archive_bytes > 0 && job.archive_size.is_some_and(|size| size as u64 > max_archive_bytes);
    Ok(MailLinks {
        page: if job.group_id.is_none() { create_page_link(state, task, job).await? } else { None },
        can_download: job.files == 1 && job.total == 1 || job.files > 0 && !is_too_large,
        manifest: may_see_job.then(|| format!("{address}/manifest")),
        job: may_see_job.then_some(address),
    })
}

/// Creates a link for the recipient, who may have no account: to the file of a job of one, otherwise to the archive, whose
/// page says what failed as well. None when the job was deleted.
async fn create_page_link(
    state: &AppState,
    task: &RunMail<'_>,
    job: &job::JobRow,
) -> Result<Option<String>, db::DbError> {
    let mut files = match (job.files, job.total) {
        (1, 1) => {
            archive::list_files(&state.system, task.company_id, task.job_id, Some(FileState::Ready), (-1, -1), 1)
                .await?
        }
        _ => Vec::new(),
    };
    let path = files.pop().map(|file| file.path);
    let (mail, expires_in) = (Some(task.task_id), job.expires_in);
    let new = NewLink { job_id: task.job_id, path: path.as_deref(), expires_in, mail, api_key: None };
    match state.create_link(&state.system, task.company_id, &new).await {
        Ok((_, url)) => Ok(Some(url)),
        Err(db::DbError::NotFound(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

fn build_mail(
    state: &AppState,
    task: &RunMail<'_>,
    job: &job::JobRow,
    links: MailLinks,
    failures: Vec<MailFailure>,
) -> JobMail {
    let host = state.public_url().split_once("://").map_or("offprint", |(_, rest)| rest).replace([':', '/'], ".");
    JobMail {
        message_id: format!("<{}.{}@{host}>", task.task_id, task.run),
        recipient: task.recipient.to_owned(),
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
        time_zone: Tz::UTC,
        links,
        archives: Vec::new(),
    }
}
