//! Sealing: when every item of a run has ended, writes the manifests and the archive index, and finishes the job.
//!
//! The archive itself is never written: the index says where each entry begins, and a download is put together from the
//! index and the blobs. Everything here can be repeated: a worker that dies while sealing leaves only blobs that
//! nothing refers to, and the next one writes the same bytes again. [`crate::db::seal`] has the transaction that finishes
//! the job.

use offprint_core::{Code, Digest};
use offprint_storage::archive::ArchiveIndexWriter;
use offprint_storage::{BlobWriter, archive};
use tracing::info;

use crate::app::AppState;
use crate::app::StoreBlobError;
use crate::db;
use crate::db::enums::Outcome;
use crate::db::item_view::{self, ItemFileView, ItemView};
use crate::db::seal::{self, EndedJob, NewArchive, Seal};
use crate::db::task::TaskClaim;
use crate::jobs::outcome::RunCounts;
use crate::jobs::outcome::is_mail_wanted;
use crate::reason::Reason;
use crate::worker::performed::{AttemptResult, Effect, Performed};
use crate::worker::{manifest, webhook};

/// Items per query.
const ITEMS_PER_PAGE: i64 = 1000;

/// Writes what a run needs to be finished; the job is finished when the task is settled.
pub(super) async fn perform_seal(state: &AppState, claim: &TaskClaim) -> Result<Performed, db::DbError> {
    let Some(job) = db::with_query_timeout(seal::find_ended_job(&state.system, claim)).await? else {
        return Ok(AttemptResult::Retry("there is nothing to seal".into()).into());
    };
    match seal_job(state, job).await {
        Ok(seal) => Ok(Performed::new(AttemptResult::Done, Effect::FinishJob(Box::new(seal)))),
        Err(error) => {
            let reason = to_postponement_reason(&error);
            let (result, effect) = (AttemptResult::Retry(reason.detail.clone()), Effect::LogSealFailure(reason));
            Ok(Performed { cause: Some(error.to_string()), ..Performed::new(result, effect) })
        }
    }
}

/// The reason for the job's log. It has no details, because those belong to the operator and are in the service's log.
fn to_postponement_reason(error: &StoreBlobError) -> Reason {
    match error {
        StoreBlobError::Storage(offprint_storage::StorageError::Full(_)) => {
            Reason::new(Code::StorageFull, "The storage is full.")
        }
        _ => Reason::new(Code::Unavailable, "Storage or database did not answer."),
    }
}

async fn seal_job(state: &AppState, job: EndedJob) -> Result<Seal, StoreBlobError> {
    let counts = RunCounts {
        succeeded: job.succeeded,
        failed: job.failed,
        skipped: job.skipped,
        stopped: job.stopped,
        warned: job.warned,
        missing: job.warnings.iter().filter(|warning| warning.code == Code::SkippedMissing).count() as i32,
    };
    let outcome = Outcome::from_counts(counts);
    let archive = write_manifests_and_index(state, &job, outcome).await?;
    let recipients =
        if is_mail_wanted(job.email_setting, outcome) { find_recipients(state, &job).await? } else { Vec::new() };
    let webhook = webhook::build_webhook(&job, outcome, state.settings.public_url.as_deref());
    Ok(Seal { job, archive, outcome, recipients, max_mails: state.settings.max_mails, webhook })
}

/// Logs and counts a job that is finished, and wakes those who wait for that.
pub(super) fn report_finished_job(state: &AppState, seal: &Seal) {
    let Seal { job, archive, outcome, .. } = seal;
    info!(
        job.handle = %job.job_id, job.outcome = ?outcome, item.count = job.total, archive.bytes = archive.size,
        "Job {:?} ({}) is finished: {} of {} items succeeded, {} failed", job.job_name, job.job_id, job.succeeded, job.total,
        job.failed
    );
    metrics::counter!("offprint_jobs_finished_total", "outcome" => outcome.name()).increment(1);
    state.live_jobs.notify_job_ended();
    state.work_available.notify_local();
}

/// The recipients that the request names; otherwise the job's owner; otherwise `OFFPRINT_MAIL_TO`.
async fn find_recipients(state: &AppState, job: &EndedJob) -> Result<Vec<String>, db::DbError> {
    if !job.notify_emails.is_empty() {
        return Ok(job.notify_emails.0.clone());
    }
    let requester = db::company::find_requester_email(&state.system, job.company_id, job.job_id).await?;
    Ok(requester.or_else(|| state.settings.mail_to.clone()).into_iter().collect())
}

/// Reads items and files once, in order, and writes the manifests and the archive index.
async fn write_manifests_and_index(
    state: &AppState,
    job: &EndedJob,
    outcome: Outcome,
) -> Result<NewArchive, StoreBlobError> {
    let mut index_writer = ArchiveIndexWriter::new(&state.storage).await?;
    let mut json = state.storage.create_blob().await?;
    let mut csv = state.storage.create_blob().await?;
    json.write(manifest::build_json_head(job, outcome).as_bytes()).await?;
    // The byte order mark, so that spreadsheets read UTF-8.
    csv.write("\u{feff}".as_bytes()).await?;
    csv.write(manifest::CSV_HEAD.as_bytes()).await?;
    let mut from = 0;
    let mut first = true;
    loop {
        let page = db::with_query_timeout(item_view::list_item_views(
            &state.system,
            job.company_id,
            job.job_id,
            None,
            from,
            ITEMS_PER_PAGE,
        ))
        .await?;
        for item in &page {
            for line in manifest::list_manifest_lines(item) {
                json.write(line.to_json(first).as_bytes()).await?;
                csv.write(line.to_csv(&job.metadata).as_bytes()).await?;
                first = false;
            }
            for entry in item.files.iter().filter_map(|file| to_archive_entry(item, file)) {
                index_writer.add(&entry).await?;
            }
        }
        match page.last() {
            Some(last) if page.len() as i64 == ITEMS_PER_PAGE => from = last.position + 1,
            _ => break,
        }
    }
    json.write(manifest::JSON_TAIL.as_bytes()).await?;
    let manifest_json = add_manifest(state, &mut index_writer, "manifest.json", json, job).await?;
    let manifest_csv = add_manifest(state, &mut index_writer, "manifest.csv", csv, job).await?;
    let archive_index = index_writer.finish().await?;
    let (entries, size, etag) = (archive_index.entries as i32, archive_index.size as i64, archive_index.etag());
    let index = state.store_blob(archive_index.index).await?;
    Ok(NewArchive { entries, size, etag, index, manifest_json, manifest_csv })
}

/// Stores a manifest and adds it as the archive's next entry.
async fn add_manifest(
    state: &AppState,
    index_writer: &mut ArchiveIndexWriter,
    path: &str,
    bytes: BlobWriter,
    job: &EndedJob,
) -> Result<Digest, StoreBlobError> {
    let staged = bytes.finish().await?;
    let (digest, size, crc32) = (staged.digest, staged.size, staged.crc32);
    state.store_blob(staged).await?;
    index_writer
        .add(&archive::ArchiveEntry { path: path.to_owned(), digest, size, crc32, time: job.created_at.timestamp() })
        .await?;
    Ok(digest)
}

/// Converts a file to an archive entry; none when it was not produced.
fn to_archive_entry(item: &ItemView, file: &ItemFileView) -> Option<archive::ArchiveEntry> {
    Some(archive::ArchiveEntry {
        path: file.path.clone(),
        digest: file.sha256?,
        size: u64::try_from(file.size?).ok()?,
        crc32: u32::try_from(file.crc32?).ok()?,
        time: item.entry_time.timestamp(),
    })
}
