//! Sealing: when every item of a run has ended, writes the manifests and the archive index, and finishes the job.
//!
//! The archive itself is never written: the index says where each entry begins, and a download is put together from the
//! index and the blobs. Everything here can be repeated: a worker that dies while sealing leaves only blobs that
//! nothing refers to, and the next one writes the same bytes again. [`crate::db::seal`] has the transaction that finishes
//! the job.

use offprint_core::Code;
use offprint_storage::archive::ArchiveIndexWriter;
use offprint_storage::{BlobWriter, StagedBlob, archive};
use tracing::info;

use crate::app::AppState;
use crate::app::StoreBlobError;
use crate::db;
use crate::db::delivery::{self, FailedDeliveryFilter};
use crate::db::destination::{self, DestinationRow, DestinationState};
use crate::db::enums::Outcome;
use crate::db::item_view::{self, ItemFileView, ItemView};
use crate::db::mail_task::MailRecipients;
use crate::db::seal::{self, EndNotice, EndedJob, NewArchive, Seal};
use crate::db::task::TaskClaim;
use crate::jobs::outcome::RunCounts;
use crate::jobs::outcome::is_mail_wanted;
use crate::reason::Reason;
use crate::worker::manifest::UndeliveredFiles;
use crate::worker::manifest_delivery::{self, ManifestDelivery};
use crate::worker::performed::{AttemptResult, Effect, Performed};
use crate::worker::{manifest, webhook};

/// Items per query.
const ITEMS_PER_PAGE: i64 = 1000;

/// Writes what a run needs to be finished; the job is finished when the task is settled.
pub(super) async fn perform_seal(state: &AppState, claim: &TaskClaim) -> Result<Performed, db::DbError> {
    let Some(job) = db::with_query_timeout(seal::find_ended_job(&state.system, claim)).await? else {
        return Ok(AttemptResult::Retry("there is nothing to seal".into()).into());
    };
    match seal_job(state, job, claim.tries).await {
        Ok(seal) => Ok(Performed::new(AttemptResult::Done, Effect::FinishJob(Box::new(seal)))),
        Err(SealError::Manifest(reason)) => Ok(AttemptResult::Retry(reason).into()),
        Err(SealError::Store(error)) => {
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

/// Why a job could not be sealed.
enum SealError {
    Store(StoreBlobError),
    /// A manifest could not be delivered yet.
    Manifest(String),
}

impl From<StoreBlobError> for SealError {
    fn from(error: StoreBlobError) -> Self {
        Self::Store(error)
    }
}

impl From<db::DbError> for SealError {
    fn from(error: db::DbError) -> Self {
        Self::Store(error.into())
    }
}

/// Writes archive and manifests, and delivers the manifests.
async fn seal_job(state: &AppState, mut job: EndedJob, tries: i32) -> Result<Seal, SealError> {
    let (pool, company) = (&state.system, job.company_id);
    let destinations = db::with_query_timeout(destination::list_destinations(pool, company, job.job_id)).await?;
    job.warnings.0.extend(destinations.iter().filter_map(manifest_delivery::build_delivery_warning));
    let outcome = choose_outcome(&job, &destinations, 0);
    let archive = write_manifests_and_index(state, &job, outcome).await?;
    let manifests = manifest_delivery::deliver_manifests(state, &job, &destinations, &archive, tries).await?;
    let manifests = match manifests {
        ManifestDelivery::TryAgain(reason) => return Err(SealError::Manifest(reason)),
        ManifestDelivery::Ended(manifests) => manifests,
    };
    let failures: Vec<&Reason> = manifests.iter().filter_map(|(_, failure)| failure.as_ref()).collect();
    if failures.is_empty() {
        return finish_seal(state, job, (archive, manifests, outcome)).await;
    }
    // The archive's own manifests say so, too.
    let outcome = choose_outcome(&job, &destinations, failures.len() as i32);
    job.warnings.0.extend(failures.into_iter().cloned());
    let archive = write_manifests_and_index(state, &job, outcome).await?;
    finish_seal(state, job, (archive, manifests, outcome)).await
}

fn choose_outcome(job: &EndedJob, destinations: &[DestinationRow], undelivered_manifests: i32) -> Outcome {
    let failed: i32 = destinations.iter().map(|destination| destination.failed).sum();
    let is_stopped = |destination: &&DestinationRow| destination.state == DestinationState::Stopped;
    Outcome::from_counts(RunCounts {
        succeeded: job.succeeded,
        failed: job.failed,
        skipped: job.skipped,
        stopped: job.stopped,
        warned: job.warned,
        missing: job.warnings.iter().filter(|warning| warning.code == Code::SkippedMissing).count() as i32,
        undelivered: failed + undelivered_manifests,
        stopped_destinations: destinations.iter().filter(is_stopped).count() as i32,
    })
}

/// What finishing the job writes, with its mails and message.
async fn finish_seal(
    state: &AppState,
    job: EndedJob,
    (archive, manifests, outcome): (NewArchive, Vec<(i16, Option<Reason>)>, Outcome),
) -> Result<Seal, SealError> {
    let (key, named) = ((job.company_id, job.job_id), job.notify_emails.as_slice());
    let notice = match job.group_id {
        // Whether a group gets a mail is known when its last job ends.
        Some(group) => {
            let asked = (job.email_setting, named);
            EndNotice::Group(group, state.build_group_notice(&state.system, key, asked).await?)
        }
        None => {
            let recipients = match is_mail_wanted(job.email_setting, outcome) {
                true => state.find_recipients(&state.system, key, named).await?,
                false => MailRecipients::default(),
            };
            EndNotice::Job(recipients, webhook::build_webhook(&job, outcome, state.settings.public_url.as_deref()))
        }
    };
    Ok(Seal { job, archive, manifests, outcome, notice })
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

/// Reads items and files once, in order, and writes the manifests and the archive index.
async fn write_manifests_and_index(
    state: &AppState,
    job: &EndedJob,
    outcome: Outcome,
) -> Result<NewArchive, StoreBlobError> {
    let mut index_writer = ArchiveIndexWriter::new(&state.storage);
    let mut json = state.storage.create_blob();
    let mut csv = state.storage.create_blob();
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
        let undelivered = list_undelivered(state, job, &page).await?;
        for item in &page {
            for line in manifest::list_manifest_lines(item, &undelivered) {
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
    let json = add_manifest(&mut index_writer, "manifest.json", json, job).await?;
    let csv = add_manifest(&mut index_writer, "manifest.csv", csv, job).await?;
    let archive_index = index_writer.finish().await?;
    let (entries, size, etag) = (archive_index.entries as i32, archive_index.size as i64, archive_index.etag());
    let (manifest_json, manifest_csv, index) = (json.digest, csv.digest, archive_index.index.digest);
    state.store_blobs(vec![json, csv, archive_index.index]).await?;
    Ok(NewArchive { entries, size, etag, index, manifest_json, manifest_csv })
}

/// Files of these items that could not be delivered.
async fn list_undelivered(
    state: &AppState,
    job: &EndedJob,
    page: &[ItemView],
) -> Result<UndeliveredFiles, StoreBlobError> {
    let (Some(first), Some(last)) = (page.first(), page.last()) else { return Ok(UndeliveredFiles::default()) };
    let positions = (first.position, last.position + 1);
    let filter = FailedDeliveryFilter { destination: None, positions, limit: i64::MAX };
    let listed = delivery::list_failed_deliveries(&state.system, job.company_id, job.job_id, filter);
    let mut files = UndeliveredFiles::default();
    for failed in db::with_query_timeout(listed).await? {
        let Reason { code, detail } = failed.failure.0;
        let reason = Reason::new(code, format!("Not delivered to `{}`: {detail}", failed.connection));
        files.entry((failed.position, failed.rendition)).or_default().push(reason);
    }
    Ok(files)
}

/// Ends a manifest and adds it as the archive's next entry. It is not stored yet.
async fn add_manifest(
    index_writer: &mut ArchiveIndexWriter,
    path: &str,
    bytes: BlobWriter,
    job: &EndedJob,
) -> Result<StagedBlob, StoreBlobError> {
    let staged = bytes.finish().await?;
    let (digest, size, crc32) = (staged.digest, staged.size, staged.crc32);
    index_writer
        .add(&archive::ArchiveEntry { path: path.to_owned(), digest, size, crc32, time: job.created_at.timestamp() })
        .await?;
    Ok(staged)
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
