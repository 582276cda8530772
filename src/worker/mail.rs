//! Sends the mails that are due. A mail that cannot be sent changes nothing about its job.

use tracing::{info, warn};

use super::message_pause;
use crate::db::link::NewLink;
use crate::db::notice::{self, Due, Sent};
use crate::db::vocabulary::{FileState, ItemState, Outcome};
use crate::db::{self, archive, entry, job};
use crate::notify::{Counts, Failure, Links, Notice, SendError};
use crate::state::State;
use crate::words;

/// Tries of one mail, over about a day.
const MOST_TRIES: i32 = 12;

/// Sends one mail that is due. Whether there was one.
pub async fn next(state: &State) -> Result<bool, db::Error> {
    // A mail server may take its time-outs: twice the lease, and the fence keeps a late answer from counting.
    let Some(due) = db::patiently(notice::claim(&state.system, state.settings.lease * 6)).await? else {
        return Ok(false);
    };
    let sent = match send(state, &due).await {
        Ok(()) => {
            info!(job.handle = %due.job_id, "The mail about job {} was sent", due.job_id);
            Sent::Yes
        }
        Err(SendError::Later(why)) if due.tries + 1 < MOST_TRIES => {
            warn!(job.handle = %due.job_id, "The mail about job {} could not be sent yet: {why}", due.job_id);
            Sent::Later(why, message_pause(due.tries))
        }
        Err(SendError::Later(why) | SendError::Permanent(why)) => {
            warn!(job.handle = %due.job_id, "The mail about job {} will not be sent: {why}", due.job_id);
            Sent::Never(why)
        }
    };
    db::patiently(notice::settle(&state.system, &due, sent)).await?;
    state.news.ring();
    Ok(true)
}

async fn send(state: &State, due: &Due) -> Result<(), SendError> {
    let later = |error: db::Error| SendError::Later(error.to_string());
    let job = match job::find(&state.system, due.company_id, due.job_id).await {
        Ok(job) => job,
        Err(db::Error::Missing(_)) => return Err(SendError::Permanent("the job was deleted".into())),
        Err(error) => return Err(later(error)),
    };
    let failed =
        entry::list(&state.system, due.company_id, due.job_id, Some(ItemState::Failed), 0, 10).await.map_err(later)?;
    let failures = failed.into_iter().filter_map(|entry| {
        let failure = entry.failure?.0;
        Some(Failure { name: entry.file_name.unwrap_or(entry.asset_name), code: failure.code, reason: failure.detail })
    });
    let failures: Vec<Failure> = failures.collect();
    let download = link(state, due, &job).await.map_err(later)?;
    state.mailer.send(&letter(state, due, &job, download, failures)).await
}

/// The address at which the recipient gets what the job made, without a key: the file where it is one, else the archive.
/// None when there is nothing, or when the archive is too large to be handed out.
async fn link(state: &State, due: &Due, job: &job::Job) -> Result<Option<String>, db::Error> {
    let most = state.settings.max_archive;
    let too_large = most > 0 && job.archive_size.is_some_and(|size| size as u64 > most);
    if job.files == 0 || (job.files > 1 && too_large) {
        return Ok(None);
    }
    let mut files = match job.files {
        1 => archive::files(&state.system, due.company_id, due.job_id, Some(FileState::Ready), (-1, -1), 1).await?,
        _ => Vec::new(),
    };
    let path = files.pop().map(|file| file.path);
    let (notice_id, expires_in) = (Some(due.notice_id), job.expires_in);
    let new = NewLink { job_id: due.job_id, path: path.as_deref(), expires_in, notice_id };
    Ok(Some(state.link(&state.system, due.company_id, &new).await?.1))
}

fn letter(state: &State, due: &Due, job: &job::Job, download: Option<String>, failures: Vec<Failure>) -> Notice {
    let page = format!("{}/export-jobs/{}", state.public_url(), due.job_id);
    let host = state.public_url().split_once("://").map_or("offprint", |(_, rest)| rest).replace([':', '/'], ".");
    Notice {
        message_id: format!("<{}.{}@{host}>", due.notice_id, due.run),
        recipient: due.recipient.clone(),
        language: job.locale.as_deref().and_then(words::of).unwrap_or_else(words::english),
        job_name: job.job_name.clone(),
        job_handle: job.job_id,
        requester: None,
        outcome: job.outcome.unwrap_or(Outcome::Stopped),
        counts: Counts {
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
        expires_at: job.expires_at,
        links: Links { download, manifest: Some(format!("{page}/manifest")), job: page },
    }
}
