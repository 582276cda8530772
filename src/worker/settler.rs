//! Writes the ends of items in sets: what ends within 50 ms costs one statement and one commit, and its files are kept in one
//! transaction before (`keep.rs`).
//!
//! ```text
//!   item ends ──> pending ──> the first of a set waits ──> all pending ends in one statement ──> each item learns the result
//!                             until 50 ms are over, or nobody is worth waiting for
//! ```
//!
//! Nobody is worth waiting for when no other item runs in this process, when the set is full, when the end may be the last
//! of its job, which is what clients wait for, when somebody waits for the next change of the job, and when the job or the
//! service stops. So a single item is written at once, as if there were no sets. Whoever watches a job is shown its progress
//! four times a second, so no more ends of a job than that are written at once for them.
//!
//! There is no task of its own: the item whose end came first writes for the others. While one set is written the next one
//! gathers. A slot is free as soon as its end is handed over; the lease of an item outlasts the wait by far.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use offprint_core::Code;
use tokio::sync::{Notify, Semaphore, SemaphorePermit, oneshot};
use tokio::time::sleep;
use tracing::warn;

use crate::app::AppState;
use crate::db;
use crate::db::item::Claim;
use crate::db::settle::{AttemptEnd, AttemptOutcome, MAX_SETTLES, SettledSet, settle_items};
use crate::id::JobId;
use crate::reason::Reason;
use crate::worker::keep::{RenderedEnd, keep_rendered_files};
use crate::worker::waiting::CACHE_ENGINE_VERSION;

/// How long the end of an item waits for others.
const MAX_WAIT: Duration = Duration::from_millis(50);

/// The ends of this process that are not written yet. Clones share them.
#[derive(Clone, Default)]
pub(super) struct Settler(Arc<SettlerInner>);

struct SettlerInner {
    pending: Mutex<Pending>,
    /// Notified when the pending ends are to be written now.
    flush: Notify,
    /// Held while a set is written, so that what ends meanwhile becomes one set.
    writing: tokio::sync::Mutex<()>,
    /// Bounds the ends that are not written yet, so that renders do not run ahead of a slow storage.
    permits: Semaphore,
}

impl Default for SettlerInner {
    fn default() -> Self {
        Self {
            pending: Default::default(),
            flush: Default::default(),
            writing: Default::default(),
            permits: Semaphore::new(MAX_SETTLES),
        }
    }
}

#[derive(Default)]
struct Pending {
    ends: Vec<PendingEnd>,
    running: RunningItems,
    /// Jobs whose items that need no rendering are being settled together.
    bulk_settled: HashSet<JobId>,
}

/// The items of this process that have not ended, and what is known of their jobs.
#[derive(Default)]
struct RunningItems {
    count: usize,
    jobs: HashMap<JobId, OpenItems>,
}

#[derive(Default)]
struct OpenItems {
    /// Items of the job that have not ended, as far as this process knows: those when the last of them was claimed here,
    /// without those that ended here since. Other processes may have ended some, so there may be fewer, and then the last
    /// one waits 50 ms.
    left: i64,
    /// Of these, running here.
    running: usize,
}

impl RunningItems {
    /// Counts an item of a job of which `left` items have not ended.
    fn begin_item(&mut self, job: JobId, left: i64) {
        self.count += 1;
        let open = self.jobs.entry(job).or_default();
        (open.left, open.running) = (left, open.running + 1);
    }

    fn end_item(&mut self, job: JobId) {
        self.count -= 1;
        if let Some(open) = self.jobs.get_mut(&job) {
            (open.left, open.running) = (open.left - 1, open.running - 1);
            if open.running == 0 {
                self.jobs.remove(&job);
            }
        }
    }

    /// Whether the end of a running item of this job is written at once: no other item runs, or it may be the last of its job.
    fn is_last(&self, job: JobId) -> bool {
        self.count <= 1 || self.jobs.get(&job).is_none_or(|open| open.left <= 1)
    }
}

struct PendingEnd {
    end: RenderedEnd,
    written: oneshot::Sender<Result<bool, db::DbError>>,
}

impl SettlerInner {
    fn lock(&self) -> MutexGuard<'_, Pending> {
        // Nothing that holds the lock can panic halfway.
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An item that runs in this process. When it is dropped, the item has ended.
pub(super) struct RunningItem {
    settler: Settler,
    job: JobId,
}

impl Drop for RunningItem {
    fn drop(&mut self) {
        let mut pending = self.settler.0.lock();
        pending.running.end_item(self.job);
        if pending.running.count == 0 {
            self.settler.0.flush.notify_one();
        }
    }
}

/// The turn of one task of this process to settle items of a job together, until it is dropped.
pub(super) struct BulkTurn {
    settler: Settler,
    job: JobId,
}

impl Drop for BulkTurn {
    fn drop(&mut self) {
        self.settler.0.lock().bulk_settled.remove(&self.job);
    }
}

impl Settler {
    /// Takes the turn to settle items of a job together, unless another task of this process has it.
    pub(super) fn take_bulk_turn(&self, job: JobId) -> Option<BulkTurn> {
        let is_free = self.0.lock().bulk_settled.insert(job);
        is_free.then(|| BulkTurn { settler: self.clone(), job })
    }

    /// Counts an item that was claimed, until it ends.
    pub(super) fn begin_item(&self, claim: &Claim) -> RunningItem {
        let mut pending = self.0.lock();
        let unwritten = pending.ends.iter().filter(|pending| pending.end.end.attempt.job == claim.job_id).count();
        pending.running.begin_item(claim.job_id, i64::from(claim.open) - unwritten as i64);
        RunningItem { settler: self.clone(), job: claim.job_id }
    }

    /// Waits until few enough ends are not written yet. To be held while one more is written.
    pub(super) async fn acquire_permit(&self) -> Option<SemaphorePermit<'_>> {
        // The semaphore is never closed.
        self.0.permits.acquire().await.ok()
    }

    /// Keeps the files of an item and writes its end, alone or with others. `running` ends here. Returns whether it was
    /// written: `false` when the item belongs to another worker by now.
    pub(super) async fn settle(
        &self,
        state: &AppState,
        end: RenderedEnd,
        running: RunningItem,
    ) -> Result<bool, db::DbError> {
        let (company, job) = (end.end.attempt.company, end.end.attempt.job);
        let is_urgent = !matches!(end.end.outcome, AttemptOutcome::Succeeded | AttemptOutcome::Failed(_))
            || state.closing.is_cancelled()
            || state.live_jobs.take_awaited_change(company, job);
        let (written, result) = oneshot::channel();
        let without_files = end.without_files();
        let (is_first, is_due) = {
            let mut pending = self.0.lock();
            pending.ends.push(PendingEnd { end, written });
            let is_last = pending.running.is_last(job);
            let is_due = is_urgent || is_last || pending.ends.len() >= MAX_SETTLES;
            (pending.ends.len() == 1, is_due)
        };
        drop(running);
        if is_first {
            self.write_set(state, is_due).await;
        } else if is_due {
            self.0.flush.notify_one();
        }
        match result.await {
            Ok(settled) => settled,
            // Whoever wrote the set panicked, which is a bug: the end is written alone.
            Err(_) => settle_with_retry(state, &without_files).await,
        }
    }

    /// Waits for more ends, unless this one is due at once, and writes all that are pending.
    async fn write_set(&self, state: &AppState, is_due: bool) {
        if !is_due {
            tokio::select! {
                () = sleep(MAX_WAIT) => {}
                () = self.0.flush.notified() => {}
                () = state.closing.cancelled() => {}
            }
        }
        let _writing = self.0.writing.lock().await;
        let mut ends = std::mem::take(&mut self.0.lock().ends);
        while !ends.is_empty() {
            let rest = ends.split_off(ends.len().min(MAX_SETTLES));
            write_ends(state, ends).await;
            ends = rest;
        }
    }
}

/// Keeps the files of these ends, then writes the ends in one statement; one by one when that fails, so that one does not hold
/// up the others.
async fn write_ends(state: &AppState, mut ends: Vec<PendingEnd>) {
    keep_rendered_files(state, ends.iter_mut().map(|pending| &mut pending.end)).await;
    if ends.len() > 1 {
        let set: Vec<&AttemptEnd> = ends.iter().map(|pending| &pending.end.end).collect();
        match settle_set(state, &set).await {
            Ok(settled) => {
                for (pending, settled) in ends.into_iter().zip(settled.written) {
                    // Whoever waited for it may be gone.
                    let _ = pending.written.send(Ok(settled));
                }
                return;
            }
            Err(error) => {
                warn!(error = %error, "Could not settle {} items together; settling them one by one: {error}", ends.len());
            }
        }
    }
    // Side by side, because one may have to be tried for long.
    let settle = async |pending: PendingEnd| {
        let _ = pending.written.send(settle_with_retry(state, &pending.end.end).await);
    };
    join_all(ends.into_iter().map(settle)).await;
}

/// Writes ends in one statement. When they were the last of a job, it can be sealed.
async fn settle_set(state: &AppState, set: &[&AttemptEnd]) -> Result<SettledSet, db::DbError> {
    let settled = db::with_query_timeout(settle_items(&state.queue, set, CACHE_ENGINE_VERSION)).await?;
    if settled.has_ended_job {
        state.tasks_available.notify_local();
    }
    Ok(settled)
}

/// Settles one item, and tries again for about the length of a lease while the database cannot be reached. Otherwise the
/// finished work would be lost, and the item rendered again after its lease expires.
///
/// A file from the render cache may have been evicted since the claim. Then the item is tried again without any.
async fn settle_with_retry(state: &AppState, end: &AttemptEnd) -> Result<bool, db::DbError> {
    let mut end = end.clone();
    let mut pause = Duration::from_millis(100);
    loop {
        match settle_set(state, &[&end]).await {
            Err(error) if error.refers_to_removed_blob() && !end.files.is_empty() => {
                let detail = "A file of the render cache was removed meanwhile; it is rendered again.";
                end.files.clear();
                end.outcome = AttemptOutcome::TryAgain(Reason::new(Code::Unavailable, detail));
            }
            Err(db::DbError::Unreachable(error)) if pause < state.settings.lease => {
                warn!(error = %error, "Could not settle an item; trying again: {error}");
                sleep(pause).await;
                pause *= 2;
            }
            settled => return Ok(settled?.written.pop().unwrap_or(false)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_waits_only_while_others_run_and_never_as_the_last_of_its_job() {
        let (long, short) = (JobId::new(), JobId::new());
        let mut running = RunningItems::default();
        running.begin_item(long, 100);
        assert!(running.is_last(long), "nothing else runs");
        running.begin_item(long, 100);
        assert!(!running.is_last(long));
        // One item beside a long job.
        running.begin_item(short, 1);
        assert!(running.is_last(short) && !running.is_last(long));
        running.end_item(short);
        // The last two of a job beside another one.
        running.begin_item(short, 2);
        running.begin_item(short, 2);
        assert!(!running.is_last(short));
        running.end_item(short);
        assert!(running.is_last(short));
        running.end_item(short);
        running.end_item(long);
        running.end_item(long);
        assert!(running.count == 0 && running.jobs.is_empty());
    }
}
