//! Live updates: clients that watch a job (event streams, long polls) learn when it has changed.
//!
//! One task per process queries all watched jobs together, so a thousand watchers cost as many queries as one, and hold
//! no database connection while nothing happens:
//!
//! ```text
//!   LiveJobs::watch ──> JobWatch            run_watch_task, while anybody watches:
//!                          ^                  1. which watched jobs have another version?
//!                          │                  2. read those jobs and their new events
//!                          └── JobUpdate ──── 3. publish; wait for a notification or a second
//! ```
//!
//! Only the latest update is kept. A watcher that is slow misses updates, sees that by `after_seq`, and reads what it
//! missed from the database.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, watch};
use tokio::time::sleep;
use tracing::{debug, warn};

use super::AppState;
use crate::db;
use crate::db::event::EventRow;
use crate::db::job::{self, JobRow};
use crate::db::job_changes::{list_job_versions, list_new_events};
use crate::id::{CompanyId, JobId};

/// The minimum time between two rounds, and so the highest rate of progress updates.
const MIN_UPDATE_INTERVAL: Duration = Duration::from_millis(250);

/// The same after this process has finished a job, because clients wait for that moment.
const MIN_END_UPDATE_INTERVAL: Duration = Duration::from_millis(20);

/// The maximum time between two rounds: another process may have changed a job, and its signal may have been lost.
const MAX_UPDATE_INTERVAL: Duration = Duration::from_secs(1);

/// Events per job, and jobs, per query. They bound the memory of a round.
const MAX_EVENTS_PER_UPDATE: i64 = 500;
const MAX_JOBS_PER_READ: usize = 16;

/// A job with the events since the last update.
#[derive(Clone, Debug)]
pub struct JobUpdate {
    pub job: Arc<JobRow>,
    /// Number of the last event before `events`.
    pub after_seq: i64,
    /// Oldest first, without gaps.
    pub events: Arc<[EventRow]>,
}

impl JobUpdate {
    /// Number of the last known event.
    pub fn last_seq(&self) -> i64 {
        self.events.last().map_or(self.after_seq, |event| event.seq)
    }
}

type JobKey = (CompanyId, JobId);

/// The watched jobs of this process. Clones share them.
#[derive(Clone, Default)]
pub struct LiveJobs(Arc<LiveJobsInner>);

#[derive(Default)]
struct LiveJobsInner {
    watched: Mutex<WatchedJobs>,
    /// Notified when a job is watched that was not watched before.
    watch_added: Notify,
    /// Notified when this process has finished a job.
    job_ended: Notify,
}

#[derive(Default)]
struct WatchedJobs {
    jobs: HashMap<JobKey, WatchedJob>,
    /// Whether [`run_watch_task`] runs.
    has_task: bool,
}

/// A watched job and its state as of the last round.
#[derive(Default)]
struct WatchedJob {
    /// Sends each update to the watchers.
    updates: watch::Sender<Option<Arc<JobUpdate>>>,
    /// Version of the job; empty before the first round.
    version: String,
    /// Number of the last event that was read; none before the first round, which reads no events.
    seq: Option<i64>,
    /// When an end of an item was last written at once for the watchers.
    hurried_at: Option<Instant>,
}

impl WatchedJob {
    /// Whether a change would be shown as soon as it is written. At most once in each round.
    fn take_awaited_change(&mut self, now: Instant) -> bool {
        let is_awaited = self.updates.receiver_count() > 0
            && self.hurried_at.is_none_or(|last| now.duration_since(last) >= MIN_UPDATE_INTERVAL);
        if is_awaited {
            self.hurried_at = Some(now);
        }
        is_awaited
    }
}

/// A watcher of a job.
pub struct JobWatch(watch::Receiver<Option<Arc<JobUpdate>>>);

impl JobWatch {
    /// Waits for the next update. The first comes soon after the watch began. None when the job no longer exists, or
    /// the watch task has ended.
    pub async fn next(&mut self) -> Option<Arc<JobUpdate>> {
        self.0.changed().await.ok()?;
        self.0.borrow_and_update().clone()
    }
}

impl LiveJobs {
    /// Watches a job from this moment on. Read the job after calling this, then wait: no change is missed.
    pub fn watch(&self, state: &AppState, company: CompanyId, job: JobId) -> JobWatch {
        let mut watched = self.lock_watched();
        let watch = match watched.jobs.entry((company, job)) {
            Entry::Occupied(entry) => entry.get().updates.subscribe(),
            Entry::Vacant(entry) => {
                self.0.watch_added.notify_one();
                entry.insert(WatchedJob::default()).updates.subscribe()
            }
        };
        if !std::mem::replace(&mut watched.has_task, true) {
            tokio::spawn(run_watch_task(state.clone(), WatchTask { live_jobs: self.clone(), done: false }));
        }
        JobWatch(watch)
    }

    /// Says that this process has finished a job, so that the next round comes soon. Jobs that other processes finish
    /// are noticed at the usual rate.
    pub fn notify_job_ended(&self) {
        self.0.job_ended.notify_one();
    }

    /// Whether somebody in this process waits for the next change of a job, so that it is worth writing at once. After that
    /// not again before the next round, which shows all changes until then.
    pub fn take_awaited_change(&self, company: CompanyId, job: JobId) -> bool {
        self.lock_watched().jobs.get_mut(&(company, job)).is_some_and(|job| job.take_awaited_change(Instant::now()))
    }

    fn lock_watched(&self) -> MutexGuard<'_, WatchedJobs> {
        self.0.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends an update to the watchers of a job. `version` is none when more events follow: then the job still counts
    /// as changed.
    fn publish(&self, key: JobKey, update: JobUpdate, version: Option<&str>) {
        if let Some(watched) = self.lock_watched().jobs.get_mut(&key) {
            watched.seq = Some(update.last_seq());
            if let Some(version) = version {
                watched.version = version.to_owned();
            }
            watched.updates.send_replace(Some(Arc::new(update)));
        }
    }
}

/// Guards the watch task. If the task ends before its work is done, by a panic or with its runtime, dropping this ends
/// all watches; clients then reconnect, which starts a new task.
struct WatchTask {
    live_jobs: LiveJobs,
    done: bool,
}

impl WatchTask {
    /// The watched jobs with version and event number. None when nobody watches any more, which ends the task.
    fn list_watched(&mut self) -> Option<Vec<(JobKey, String, Option<i64>)>> {
        let mut watched = self.live_jobs.lock_watched();
        watched.jobs.retain(|_, job| job.updates.receiver_count() > 0);
        if watched.jobs.is_empty() {
            (watched.has_task, self.done) = (false, true);
            return None;
        }
        Some(watched.jobs.iter().map(|(key, job)| (*key, job.version.clone(), job.seq)).collect())
    }
}

impl Drop for WatchTask {
    fn drop(&mut self) {
        if !self.done {
            *self.live_jobs.lock_watched() = WatchedJobs::default();
        }
    }
}

/// Publishes changes until nobody watches any more or the service shuts down. Only the first of several errors in a row
/// is logged as a warning.
async fn run_watch_task(state: AppState, mut task: WatchTask) {
    let mut was_ok = true;
    loop {
        let notified = state.job_changes.listen();
        let Some(watched) = task.list_watched() else { return };
        match publish_changes(&state, watched).await {
            Ok(()) => was_ok = true,
            Err(error) if std::mem::take(&mut was_ok) => {
                warn!(error = %error, "Could not read the watched jobs: {error}");
            }
            Err(error) => debug!(error = %error, "Could not read the watched jobs: {error}"),
        }
        let job_ended = async {
            sleep(MIN_END_UPDATE_INTERVAL).await;
            state.live_jobs.0.job_ended.notified().await;
        };
        tokio::select! {
            () = sleep(MIN_UPDATE_INTERVAL) => {}
            () = job_ended => {}
            () = state.closing.cancelled() => return,
        }
        tokio::select! {
            () = notified => {}
            () = state.live_jobs.0.watch_added.notified() => {}
            () = sleep(MAX_UPDATE_INTERVAL.saturating_sub(MIN_UPDATE_INTERVAL)) => {}
            () = state.closing.cancelled() => return,
        }
    }
}

/// One round: finds the watched jobs that have changed, and publishes them.
async fn publish_changes(state: &AppState, watched: Vec<(JobKey, String, Option<i64>)>) -> Result<(), db::DbError> {
    let keys: Vec<JobKey> = watched.iter().map(|(key, _, _)| *key).collect();
    let versions = db::with_query_timeout(list_job_versions(&state.system, &keys)).await?;
    let versions: HashMap<JobKey, String> =
        versions.into_iter().map(|row| ((row.company_id, row.job_id), row.version)).collect();
    // Dropping the sender ends the watches of a deleted job.
    let deleted = keys.iter().filter(|key| !versions.contains_key(key));
    deleted.for_each(|key| drop(state.live_jobs.lock_watched().jobs.remove(key)));
    let changed: HashMap<JobKey, Option<i64>> = watched
        .into_iter()
        .filter(|(key, version, _)| versions.get(key).is_some_and(|current| current != version))
        .map(|(key, _, seq)| (key, seq))
        .collect();
    if changed.is_empty() {
        return Ok(());
    }
    let keys: Vec<JobKey> = changed.keys().copied().collect();
    let mut unread = Vec::new();
    for row in db::with_query_timeout(job::find_jobs(&state.system, &keys)).await? {
        let key = (row.company_id, row.job.job_id);
        let job = Arc::new(row.job);
        match changed.get(&key).copied().flatten().filter(|seq| *seq < job.event_seq) {
            Some(seq) => unread.push((key, job, seq)),
            None => {
                let after_seq = changed.get(&key).copied().flatten().unwrap_or(job.event_seq);
                let update = JobUpdate { job, after_seq, events: Arc::new([]) };
                state.live_jobs.publish(key, update, versions.get(&key).map(String::as_str));
            }
        }
    }
    publish_events(state, unread, &versions).await
}

/// Reads the new events of these jobs and publishes them, in several updates where there are many.
async fn publish_events(
    state: &AppState,
    mut unread: Vec<(JobKey, Arc<JobRow>, i64)>,
    versions: &HashMap<JobKey, String>,
) -> Result<(), db::DbError> {
    while !unread.is_empty() {
        let mut batch: Vec<_> = unread.drain(unread.len().saturating_sub(MAX_JOBS_PER_READ)..).collect();
        let positions: Vec<_> = batch.iter().map(|((company, job), _, seq)| (*company, *job, *seq)).collect();
        let mut new_events: HashMap<JobKey, Vec<EventRow>> = HashMap::new();
        for row in db::with_query_timeout(list_new_events(&state.system, &positions, MAX_EVENTS_PER_UPDATE)).await? {
            new_events.entry((row.company_id, row.job_id)).or_default().push(row.event);
        }
        for (key, job, after_seq) in batch.drain(..) {
            let events = new_events.remove(&key).unwrap_or_default();
            let has_more = events.len() as i64 == MAX_EVENTS_PER_UPDATE;
            let update = JobUpdate { job: job.clone(), after_seq, events: events.into() };
            if has_more {
                unread.push((key, job, update.last_seq()));
            }
            state.live_jobs.publish(key, update, versions.get(&key).map(String::as_str).filter(|_| !has_more));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_hurried_for_a_watcher_once_in_each_round() {
        let (live_jobs, key) = (LiveJobs::default(), (CompanyId::new(), JobId::new()));
        assert!(!live_jobs.take_awaited_change(key.0, key.1), "nobody watches");
        let watch = live_jobs.lock_watched().jobs.entry(key).or_default().updates.subscribe();
        assert!(live_jobs.take_awaited_change(key.0, key.1));
        assert!(!live_jobs.take_awaited_change(key.0, key.1), "the next round shows it");
        assert!(!live_jobs.take_awaited_change(key.0, JobId::new()), "another job");
        let mut watched = live_jobs.lock_watched();
        let job = watched.jobs.get_mut(&key).unwrap();
        assert!(job.take_awaited_change(Instant::now() + MIN_UPDATE_INTERVAL));
        drop(watch);
        assert!(!job.take_awaited_change(Instant::now() + 3 * MIN_UPDATE_INTERVAL), "nobody watches any more");
    }
}
