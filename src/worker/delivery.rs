//! Delivers files of a job to one of its destinations: as many at once as a store takes well, each as soon as it is ready.
//!
//! ```text
//!   list_undelivered ──> (pages of files) ──> deliver_file, several at once ──> ends ──> record, a few times a second
//!                                                    └── temporary failure: the task is tried again with a pause
//! ```
//!
//! Every file is written so that a repetition does no harm: it appears completely or not at all, and says which content it
//! has. What a killed worker had written and not recorded is found there by the next one. [`crate::db::delivery`] has the
//! rows, and decides what comes next.

use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{self, StreamExt, TryStreamExt};
use offprint_core::Code;
use offprint_storage::BlobRange;
use offprint_storage::remote::{Condition, RemoteError, RemoteFile, RemoteStore};
use tokio::sync::Semaphore;
use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::app::AppState;
use crate::db::delivered_file::{self, RemovableFile};
use crate::db::delivery::{
    self, DeliveryEnd, DeliveryGoesOn, DeliveryRecord, OpenDestination, UndeliveredFile, record_deliveries,
};
use crate::db::destination::OnExistingFile;
use crate::db::task::TaskClaim;
use crate::db::{self, DbError};
use crate::reason::Reason;
use crate::worker::performed::{AttemptResult, Performed};
use crate::worker::waiting::CACHE_ENGINE_VERSION;

/// Files that a task sends at once. A small file is a round trip that is mostly waiting.
const MAX_CONCURRENT_FILES: usize = 24;

/// Memory for the bytes of files that a task sends at once, in KiB.
const MAX_BUFFERED_KIB: u32 = 96 << 10;

/// Memory that one file needs at most, in KiB: larger ones are sent in parts.
const MAX_FILE_KIB: u64 = 16 << 10;

/// Files per query.
const FILES_PER_PAGE: i64 = 1000;

/// How many ends one statement records, and how long the first of them waits for the others.
const MAX_RECORDS: usize = 250;
const RECORD_INTERVAL: Duration = Duration::from_millis(200);

/// How often a task that waits for the store looks whether its job was stopped.
const STOP_CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// After so many failures one after the other the store is taken to be down.
const MAX_FAILURES_IN_A_ROW: usize = 20;

/// The longest path that stores take, in bytes.
const MAX_PATH_BYTES: usize = 1024;

/// Delivers what is ready.
pub(super) async fn perform_delivery(state: &AppState, claim: &TaskClaim) -> Result<Performed, DbError> {
    let Some(destination) = db::with_query_timeout(delivery::find_destination(&state.system, claim)).await? else {
        return Ok(AttemptResult::Done.into());
    };
    let store = match find_store(state, &destination.company_name, &destination.connection) {
        Ok(store) => store,
        Err(reason) => return Ok(AttemptResult::Retry(reason).into()),
    };
    let task = DeliveryTask {
        state,
        claim,
        store,
        destination,
        memory: Arc::new(Semaphore::new(MAX_BUFFERED_KIB as usize)),
        halt: state.closing.child_token(),
    };
    task.run().await
}

/// The store of a connection, which the operator may have taken away since the job was created.
pub(super) fn find_store(state: &AppState, company: &str, connection: &str) -> Result<RemoteStore, String> {
    match state.connections.find(company, connection) {
        Some(found) if found.access.can_write() => Ok(found.store.clone()),
        _ => Err(format!("There is no connection `{connection}` any more that can be written.")),
    }
}

/// One attempt.
struct DeliveryTask<'a> {
    state: &'a AppState,
    claim: &'a TaskClaim,
    store: RemoteStore,
    destination: OpenDestination,
    memory: Arc<Semaphore>,
    /// No further file is begun.
    halt: CancellationToken,
}

/// What came of the files of an attempt, besides what is recorded.
#[derive(Default)]
struct Tally {
    succeeded: usize,
    failures_in_a_row: usize,
    /// Why the last file is to be tried again.
    temporary: Option<String>,
    /// Why the store is given up: it refuses everything.
    refusal: Option<String>,
}

/// How one file ended.
enum FileEnd {
    Recorded(DeliveryRecord),
    /// To be tried again.
    Temporary(String),
    /// The store refuses access, so it will refuse the others, too.
    Denied(DeliveryRecord),
}

impl DeliveryTask<'_> {
    async fn run(self) -> Result<Performed, DbError> {
        let (sender, receiver) = mpsc::channel(MAX_RECORDS);
        let (sent, recorded) = futures_util::join!(self.send_files(sender), self.record(receiver));
        let (tally, goes_on) = (sent?, recorded?);
        let result = match tally {
            // Nothing that is left is written in a job that was stopped, or by a worker that lost its task.
            _ if goes_on != DeliveryGoesOn::Yes => AttemptResult::Done,
            _ if self.state.closing.is_cancelled() => AttemptResult::GivenBack,
            Tally { refusal: Some(reason), .. } => AttemptResult::Failed(reason),
            Tally { temporary: Some(reason), .. } => AttemptResult::Retry(reason),
            Tally { .. } if self.destination.removes_now => self.remove_files().await?,
            Tally { .. } => AttemptResult::Done,
        };
        Ok(result.into())
    }

    /// Sends the files that are left, several at once, and passes on how each ended.
    async fn send_files(&self, ends: Sender<DeliveryRecord>) -> Result<Tally, DbError> {
        let sent = self
            .list_files()
            .take_until(self.halt.cancelled())
            .map_ok(|file| async move { Ok(self.deliver_file(file).await) })
            .try_buffer_unordered(MAX_CONCURRENT_FILES);
        let mut sent = std::pin::pin!(sent);
        let mut tally = Tally::default();
        while let Some(end) = sent.try_next().await? {
            let (record, failure) = match end {
                FileEnd::Recorded(record) => (Some(record), None),
                FileEnd::Temporary(reason) => {
                    tally.temporary = Some(reason.clone());
                    (None, Some(reason))
                }
                FileEnd::Denied(record) => {
                    let reason = record.failure.as_ref().map(|failure| failure.detail.clone());
                    (Some(record), reason)
                }
            };
            tally.succeeded += usize::from(failure.is_none());
            tally.failures_in_a_row = if failure.is_none() { 0 } else { tally.failures_in_a_row + 1 };
            if tally.failures_in_a_row >= MAX_FAILURES_IN_A_ROW {
                // All that are left would fail as well, each after its time.
                if record.is_some() && tally.succeeded == 0 {
                    tally.refusal = failure;
                }
                self.halt.cancel();
            }
            if let Some(record) = record
                && ends.send(record).await.is_err()
            {
                break;
            }
        }
        Ok(tally)
    }

    /// The files that are left, in their order, as they are when each page is read.
    fn list_files(&self) -> impl stream::Stream<Item = Result<UndeliveredFile, DbError>> {
        stream::try_unfold(Some((-1, 0)), async |place| {
            let Some(place) = place else { return Ok::<_, DbError>(None) };
            let listed = delivery::list_undelivered(
                &self.state.system,
                self.claim,
                &self.destination,
                CACHE_ENGINE_VERSION,
                place,
                FILES_PER_PAGE,
            );
            let page = db::with_query_timeout(listed).await?;
            let next = match page.last() {
                Some(last) if page.len() as i64 == FILES_PER_PAGE => Some((last.position, last.rendition)),
                _ => None,
            };
            Ok(Some((stream::iter(page.into_iter().map(Ok)), next)))
        })
        .try_flatten()
    }

    /// Records ends in sets until there are no more, and tells when to stop.
    async fn record(&self, mut ends: Receiver<DeliveryRecord>) -> Result<DeliveryGoesOn, DbError> {
        let mut goes_on = DeliveryGoesOn::Yes;
        let mut is_open = true;
        while is_open {
            let mut records = Vec::new();
            match timeout(STOP_CHECK_INTERVAL, ends.recv()).await {
                Ok(Some(first)) => {
                    records.push(first);
                    let until = Instant::now() + RECORD_INTERVAL;
                    while records.len() < MAX_RECORDS && is_open {
                        match timeout_at(until, ends.recv()).await {
                            Ok(Some(next)) => records.push(next),
                            Ok(None) => is_open = false,
                            Err(_) => break,
                        }
                    }
                }
                Ok(None) => break,
                // Nothing to record; only to learn of a stop.
                Err(_) => {}
            }
            let (pool, destination) = (&self.state.system, self.destination.destination);
            let recorded = record_deliveries(pool, self.claim, destination, CACHE_ENGINE_VERSION, &records);
            match db::with_query_timeout(recorded).await {
                Ok(DeliveryGoesOn::Yes) => {}
                Ok(other) => {
                    goes_on = other;
                    self.halt.cancel();
                }
                Err(error) => {
                    // The sender stops when the channel is closed.
                    self.halt.cancel();
                    return Err(error);
                }
            }
            count_ends(&records);
            self.state.job_changes.notify();
        }
        Ok(goes_on)
    }

    /// Removes what is gone from the selection, page by page.
    async fn remove_files(&self) -> Result<AttemptResult, DbError> {
        loop {
            let listed = delivered_file::list_removable_files(&self.state.system, self.claim, FILES_PER_PAGE);
            let page = db::with_query_timeout(listed).await?;
            if page.is_empty() {
                return Ok(AttemptResult::Done);
            }
            if self.halt.is_cancelled() {
                return Ok(AttemptResult::GivenBack);
            }
            let remove = async |file: &RemovableFile| {
                self.store.remove_content(&file.store_path, file.size as u64, file.sha256).await
            };
            let removed: Vec<Result<bool, RemoteError>> =
                stream::iter(&page).map(remove).buffered(MAX_CONCURRENT_FILES).collect().await;
            // What somebody has replaced is not ours any more, so it is forgotten as well.
            let paths: Vec<&str> =
                page.iter().zip(&removed).filter(|(_, end)| end.is_ok()).map(|(file, _)| file.path.as_str()).collect();
            db::with_query_timeout(delivered_file::record_removals(&self.state.system, self.claim, &paths)).await?;
            if let Some(error) = removed.iter().find_map(|end| end.as_ref().err()) {
                return Ok(AttemptResult::Retry(describe_error(error)));
            }
        }
    }

    async fn deliver_file(&self, file: UndeliveredFile) -> FileEnd {
        if file.is_unchanged {
            return FileEnd::Recorded(self.end_file(&file, DeliveryEnd::Unchanged, None));
        }
        let path = join_path(&self.destination.prefix, &file.path);
        let fail = |detail: String| self.end_file(&file, DeliveryEnd::Failed, Some(detail));
        if path.len() > MAX_PATH_BYTES {
            let detail =
                format!("The path in the store would have {} bytes; at most {MAX_PATH_BYTES} are allowed.", path.len());
            return FileEnd::Recorded(fail(detail));
        }
        let kib = (file.size as u64).div_ceil(1024).clamp(1, MAX_FILE_KIB) as u32;
        let Ok(_memory) = self.memory.acquire_many(kib).await else {
            return FileEnd::Temporary("The service shuts down.".into());
        };
        let range =
            BlobRange { digest: file.sha256, offset: 0, len: file.size as u64, crc32: u32::try_from(file.crc32).ok() };
        let bytes = self.state.storage.read_ranges(vec![range]).boxed();
        let remote = RemoteFile {
            path: &path,
            size: file.size as u64,
            digest: file.sha256,
            media_type: file.mime.as_deref().unwrap_or("application/octet-stream"),
            cache_control: self.destination.cache_control.as_deref(),
        };
        match self.store.put(&remote, bytes, self.choose_condition(&file)).await {
            Ok(_) => FileEnd::Recorded(self.end_file(&file, DeliveryEnd::Delivered, None)),
            Err(RemoteError::Exists) if self.destination.on_existing == OnExistingFile::Skip => {
                FileEnd::Recorded(self.end_file(&file, DeliveryEnd::Skipped, None))
            }
            Err(error @ RemoteError::Denied(_)) => FileEnd::Denied(fail(describe_error(&error))),
            Err(error) if error.is_temporary() => {
                tracing::debug!(error = %error, "Could not deliver {path}: {error}");
                FileEnd::Temporary(describe_error(&error))
            }
            Err(error) => {
                if let RemoteError::Own(cause) = &error
                    && cause.is_loss()
                {
                    self.state.report_damaged_blob(&file.sha256).await;
                }
                FileEnd::Recorded(fail(describe_error(&error)))
            }
        }
    }

    fn choose_condition(&self, file: &UndeliveredFile) -> Condition {
        match self.destination.on_existing {
            OnExistingFile::Skip | OnExistingFile::Fail if !file.is_outdated => Condition::IfAbsent,
            // A worker was killed, or cut off: it may have written some that it could not record.
            _ if self.claim.lost > 0 => Condition::IfChanged,
            _ => Condition::Always,
        }
    }

    fn end_file(&self, file: &UndeliveredFile, state: DeliveryEnd, detail: Option<String>) -> DeliveryRecord {
        DeliveryRecord {
            position: file.position,
            rendition: file.rendition,
            sha256: file.sha256,
            state,
            failure: detail.map(|detail| Reason::new(Code::DeliveryFailed, detail)),
        }
    }
}

/// The path of a file in the store.
pub(super) fn join_path(prefix: &str, path: &str) -> String {
    if prefix.is_empty() { path.to_owned() } else { format!("{prefix}/{path}") }
}

/// What people are told: addresses and answers of the store are the operator's, and in the log.
pub(super) fn describe_error(error: &RemoteError) -> String {
    match error {
        RemoteError::Unreachable(_) => "The store did not answer as it should.".to_owned(),
        RemoteError::Own(cause) if cause.is_loss() => "The stored file is damaged or missing.".to_owned(),
        RemoteError::Own(_) => "The storage of the service did not answer.".to_owned(),
        RemoteError::NotFound => "The store has no such bucket or folder.".to_owned(),
        RemoteError::Exists => {
            "The store has another file of this name, and `onExisting` is `fail`. Remove it, then retry the job."
                .to_owned()
        }
        error => {
            let mut sentence = error.to_string();
            if let Some(first) = sentence.get_mut(..1) {
                first.make_ascii_uppercase();
            }
            sentence + "."
        }
    }
}

fn count_ends(records: &[DeliveryRecord]) {
    for (state, name) in [
        (DeliveryEnd::Delivered, "delivered"),
        (DeliveryEnd::Skipped, "skipped"),
        (DeliveryEnd::Unchanged, "unchanged"),
        (DeliveryEnd::Failed, "failed"),
    ] {
        let count = records.iter().filter(|record| record.state == state).count() as u64;
        metrics::counter!("offprint_files_delivered_total", "outcome" => name).increment(count);
    }
}
