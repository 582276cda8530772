//! Sealing: when every item of a run has ended, its manifests and its archive's index are written, and the job is over.

use std::time::Duration;

use tracing::{info, warn};

use crate::code::Code;
use crate::reason::Note;
use crate::db;
use crate::db::entry::{self, Entry, EntryFile};
use crate::db::seal::{self, Sealed, Sealing};
use crate::db::vocabulary::Outcome;
use crate::digest::Digest;
use crate::export::outcome::{Ends, tells};
use crate::state::{KeepError, State};
use crate::storage::archive::{self, Layout};
use crate::storage::{self, Incoming};
use crate::worker::{manifest, webhook};

/// Items that are read at once.
const PAGE: i64 = 1000;

/// Seals one job whose items have all ended. Whether there was one.
pub async fn next(state: &State) -> Result<bool, db::Error> {
    let Some(sealing) = db::patiently(seal::claim(&state.system, state.settings.lease)).await? else {
        return Ok(false);
    };
    match seal(state, &sealing).await {
        Ok(true) => {
            state.live.ended();
            state.news.ring();
            state.work.ring_here();
        }
        Ok(false) => warn!("Job {} was sealed by somebody else, or deleted", sealing.job_id),
        Err(error) => {
            warn!(error = %error, job.handle = %sealing.job_id, "Job {} could not be sealed yet: {error}", sealing.job_id);
            let pause = Duration::from_secs(10);
            db::patiently(seal::postpone(&state.system, &sealing, pause, &why(&error))).await?;
            state.news.ring();
        }
    }
    Ok(true)
}

/// What people are told of why a job could not be sealed: not the particulars, which the service's log has.
fn why(error: &KeepError) -> Note {
    match error {
        KeepError::Storage(storage::Error::Full(_)) => Note::new(Code::StorageFull, "The storage is full."),
        _ => Note::new(Code::Unavailable, "Something that the service needs did not answer."),
    }
}

async fn seal(state: &State, job: &Sealing) -> Result<bool, KeepError> {
    let ends = Ends {
        succeeded: job.succeeded,
        failed: job.failed,
        skipped: job.skipped,
        stopped: job.stopped,
        warned: job.warned,
    };
    let outcome = Outcome::of(ends);
    let sealed = write(state, job, outcome).await?;
    let recipients = if tells(job.email_setting, outcome) { recipients(state, job).await? } else { Vec::new() };
    let (max_mails, webhook) = (state.settings.max_mails, webhook::of(job, outcome));
    let finishing = seal::finish(&state.system, job, &sealed, outcome, &recipients, max_mails, webhook.as_ref());
    let finished = db::patiently(finishing).await?;
    if finished {
        let (id, name) = (job.job_id, &job.job_name);
        info!(
            job.handle = %id, job.outcome = ?outcome, item.count = job.total, archive.bytes = sealed.size,
            "Job {name:?} ({id}) is finished: {} of {} items succeeded, {} failed", job.succeeded, job.total, job.failed
        );
        metrics::counter!("offprint_jobs_finished_total", "outcome" => outcome.name()).increment(1);
    }
    Ok(finished)
}

/// Whom the order names, or who ordered, or whom the settings name.
async fn recipients(state: &State, job: &Sealing) -> Result<Vec<String>, db::Error> {
    if !job.notify_emails.is_empty() {
        return Ok(job.notify_emails.0.clone());
    }
    let requester = db::company::address_of(&state.system, job.company_id, job.job_id).await?;
    Ok(requester.or_else(|| state.settings.mail_to.clone()).into_iter().collect())
}

/// Reads the files once, in order, and writes the manifests and the index.
async fn write(state: &State, job: &Sealing, outcome: Outcome) -> Result<Sealed, KeepError> {
    let mut layout = Layout::new(&state.storage).await?;
    let mut json = state.storage.receive().await?;
    let mut csv = state.storage.receive().await?;
    json.write(manifest::json_head(job, outcome).as_bytes()).await?;
    // The mark that makes spreadsheets read UTF-8.
    csv.write("\u{feff}".as_bytes()).await?;
    csv.write(manifest::CSV_HEAD.as_bytes()).await?;
    let mut from = 0;
    let mut first = true;
    loop {
        let page = db::patiently(entry::list(&state.system, job.company_id, job.job_id, None, from, PAGE)).await?;
        for entry in &page {
            for line in manifest::lines(entry) {
                json.write(line.json(first).as_bytes()).await?;
                csv.write(line.csv().as_bytes()).await?;
                first = false;
            }
            for file in entry.files.iter().filter_map(|file| archived(entry, file)) {
                layout.add(&file).await?;
            }
        }
        match page.last() {
            Some(last) if page.len() as i64 == PAGE => from = last.position + 1,
            _ => break,
        }
        db::patiently(seal::beat(&state.system, job, state.settings.lease)).await?;
    }
    json.write(manifest::JSON_TAIL.as_bytes()).await?;
    let manifest_json = add(state, &mut layout, "manifest.json", json, job).await?;
    let manifest_csv = add(state, &mut layout, "manifest.csv", csv, job).await?;
    let laid = layout.finish().await?;
    let (entries, size, etag) = (laid.entries as i32, laid.size as i64, laid.etag());
    let index = state.keep(laid.index).await?;
    Ok(Sealed { entries, size, etag, index, manifest_json, manifest_csv })
}

/// Keeps a manifest and gives it its place at the end of the archive.
async fn add(
    state: &State,
    layout: &mut Layout,
    path: &str,
    bytes: Incoming,
    job: &Sealing,
) -> Result<Digest, KeepError> {
    let staged = bytes.finish().await?;
    let (digest, size, crc32) = (staged.digest, staged.size, staged.crc32);
    state.keep(staged).await?;
    layout
        .add(&archive::Entry { path: path.to_owned(), digest, size, crc32, time: job.created_at.timestamp() })
        .await?;
    Ok(digest)
}

/// A file as it stands in the archive; none when there are no bytes.
fn archived(entry: &Entry, file: &EntryFile) -> Option<archive::Entry> {
    Some(archive::Entry {
        path: file.path.clone(),
        digest: file.sha256?,
        size: u64::try_from(file.size?).ok()?,
        crc32: u32::try_from(file.crc32?).ok()?,
        time: entry.entry_time.timestamp(),
    })
}
