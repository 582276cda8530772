//! Live: who watches a job hears when it has changed. One task of the process looks at all watched jobs together, so
//! that a thousand who watch cost a query where one does, and hold no connection while nothing happens.
//!
//! A look is told, not queued: who is slow misses looks, and reads in the database what it missed.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::sleep;
use tracing::{debug, warn};

use super::State;
use crate::db;
use crate::db::event::Event;
use crate::db::job::{self, Job};
use crate::db::watch::{events, marks};
use crate::id::{CompanyId, JobId};

/// The least time between two looks. It is also how often progress is told at most.
const PAUSE: Duration = Duration::from_millis(250);

/// The same where a job has ended: whoever waits for that waits for all of it.
const HASTE: Duration = Duration::from_millis(20);

/// How often is looked when no bell rings: another process may have changed a job, and a ring may have been lost.
const LOOK: Duration = Duration::from_secs(1);

/// Events of one job, and jobs, that are read at once: what a look holds in memory.
const EVENTS: i64 = 500;
const JOBS: usize = 16;

/// A job with what its log has had since the look before.
#[derive(Clone, Debug)]
pub struct Look {
    /// The job as it was found.
    pub job: Arc<Job>,
    /// The number of the last event before these.
    pub from: i64,
    /// New events, first to last, without gaps.
    pub events: Arc<[Event]>,
}

impl Look {
    /// The number of the last event that is known.
    pub fn to(&self) -> i64 {
        self.events.last().map_or(self.from, |event| event.seq)
    }
}

type Key = (CompanyId, JobId);

/// All who watch, in this process. Clones share it.
#[derive(Clone, Default)]
pub struct Live(Arc<Shared>);

#[derive(Default)]
struct Shared {
    watched: Mutex<Watched>,
    /// Rings when somebody begins to watch a job that nobody watched.
    came: Notify,
    /// Rings when this process has ended a job.
    ended: Notify,
}

#[derive(Default)]
struct Watched {
    jobs: HashMap<Key, Known>,
    /// Whether a task looks.
    looks: bool,
}

/// What is known of a watched job.
#[derive(Default)]
struct Known {
    /// Tells of each look that found something new.
    told: watch::Sender<Option<Arc<Look>>>,
    /// What the last look found; empty before the first.
    mark: String,
    /// How far the log was read; none before the first look, which reads nothing of it.
    seq: Option<i64>,
}

/// Somebody who watches a job.
pub struct Watch(watch::Receiver<Option<Arc<Look>>>);

impl Watch {
    /// Comes with the next look that finds something new, and once soon after one began to watch; with none when the job
    /// is no longer there, or nobody looks any more.
    pub async fn next(&mut self) -> Option<Arc<Look>> {
        self.0.changed().await.ok()?;
        self.0.borrow_and_update().clone()
    }
}

impl Live {
    /// Watches a job from this moment on: look at the database after calling this, then wait, and no change is missed.
    pub fn watch(&self, state: &State, company: CompanyId, job: JobId) -> Watch {
        let mut watched = self.watched();
        let watch = match watched.jobs.entry((company, job)) {
            Entry::Occupied(known) => known.get().told.subscribe(),
            Entry::Vacant(place) => {
                self.0.came.notify_one();
                place.insert(Known::default()).told.subscribe()
            }
        };
        if !std::mem::replace(&mut watched.looks, true) {
            tokio::spawn(run(state.clone(), Duty { live: self.clone(), done: false }));
        }
        Watch(watch)
    }

    /// Says that a job has ended, so that the next look is soon. Those of other processes are seen at the usual pace.
    pub fn ended(&self) {
        self.0.ended.notify_one();
    }

    fn watched(&self) -> MutexGuard<'_, Watched> {
        self.0.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells all who watch a job what was found.
    fn tell(&self, key: Key, look: Look, mark: Option<&str>) {
        if let Some(known) = self.watched().jobs.get_mut(&key) {
            known.seq = Some(look.to());
            if let Some(mark) = mark {
                known.mark = mark.to_owned();
            }
            known.told.send_replace(Some(Arc::new(look)));
        }
    }
}

/// The duty to look. Whoever ends without having done it, by a panic or with its thread, ends every watch: those who
/// watch come again, and with them another task.
struct Duty {
    live: Live,
    done: bool,
}

impl Duty {
    /// What is watched, with what is known of it. None when nobody watches, which ends the duty.
    fn watched(&mut self) -> Option<Vec<(Key, String, Option<i64>)>> {
        let mut watched = self.live.watched();
        watched.jobs.retain(|_, known| known.told.receiver_count() > 0);
        if watched.jobs.is_empty() {
            (watched.looks, self.done) = (false, true);
            return None;
        }
        Some(watched.jobs.iter().map(|(key, known)| (*key, known.mark.clone(), known.seq)).collect())
    }
}

impl Drop for Duty {
    fn drop(&mut self) {
        if !self.done {
            *self.live.watched() = Watched::default();
        }
    }
}

/// Looks until nobody watches any more, or the service closes.
async fn run(state: State, mut duty: Duty) {
    let mut well = true;
    loop {
        let rung = state.news.listen();
        let Some(watched) = duty.watched() else { return };
        match look(&state, watched).await {
            Ok(()) => well = true,
            Err(error) if std::mem::take(&mut well) => {
                warn!(error = %error, "Watched jobs could not be looked at: {error}");
            }
            Err(error) => debug!(error = %error, "Watched jobs could not be looked at: {error}"),
        }
        let ended = async {
            sleep(HASTE).await;
            state.live.0.ended.notified().await;
        };
        tokio::select! {
            () = sleep(PAUSE) => {}
            () = ended => {}
            () = state.closing.cancelled() => return,
        }
        tokio::select! {
            () = rung => {}
            () = state.live.0.came.notified() => {}
            () = sleep(LOOK.saturating_sub(PAUSE)) => {}
            () = state.closing.cancelled() => return,
        }
    }
}

/// Looks at all watched jobs, and tells of those that have changed.
async fn look(state: &State, watched: Vec<(Key, String, Option<i64>)>) -> Result<(), db::Error> {
    let keys: Vec<Key> = watched.iter().map(|(key, _, _)| *key).collect();
    let found = db::patiently(marks(&state.system, &keys)).await?;
    let found: HashMap<Key, String> =
        found.into_iter().map(|mark| ((mark.company_id, mark.job_id), mark.mark)).collect();
    // Who watches what was deleted hears that there is no more.
    let gone = keys.iter().filter(|key| !found.contains_key(key));
    gone.for_each(|key| drop(state.live.watched().jobs.remove(key)));
    let changed: HashMap<Key, Option<i64>> = watched
        .into_iter()
        .filter(|(key, mark, _)| found.get(key).is_some_and(|now| now != mark))
        .map(|(key, _, seq)| (key, seq))
        .collect();
    if changed.is_empty() {
        return Ok(());
    }
    let keys: Vec<Key> = changed.keys().copied().collect();
    let mut news = Vec::new();
    for owned in db::patiently(job::find_all(&state.system, &keys)).await? {
        let key = (owned.company_id, owned.job.job_id);
        let job = Arc::new(owned.job);
        match changed.get(&key).copied().flatten().filter(|seq| *seq < job.event_seq) {
            Some(seq) => news.push((key, job, seq)),
            None => {
                let from = changed.get(&key).copied().flatten().unwrap_or(job.event_seq);
                let look = Look { job, from, events: Arc::new([]) };
                state.live.tell(key, look, found.get(&key).map(String::as_str));
            }
        }
    }
    tell_events(state, news, &found).await
}

/// Reads what is new in these logs, and tells of it, a part of each at a time.
async fn tell_events(
    state: &State,
    mut news: Vec<(Key, Arc<Job>, i64)>,
    marks: &HashMap<Key, String>,
) -> Result<(), db::Error> {
    while !news.is_empty() {
        let mut part: Vec<_> = news.drain(news.len().saturating_sub(JOBS)..).collect();
        let ask: Vec<_> = part.iter().map(|((company, job), _, seq)| (*company, *job, *seq)).collect();
        let mut read: HashMap<Key, Vec<Event>> = HashMap::new();
        for logged in db::patiently(events(&state.system, &ask, EVENTS)).await? {
            read.entry((logged.company_id, logged.job_id)).or_default().push(logged.event);
        }
        for (key, job, from) in part.drain(..) {
            let events = read.remove(&key).unwrap_or_default();
            let more = events.len() as i64 == EVENTS;
            let look = Look { job: job.clone(), from, events: events.into() };
            if more {
                news.push((key, job, look.to()));
            }
            state.live.tell(key, look, marks.get(&key).map(String::as_str).filter(|_| !more));
        }
    }
    Ok(())
}
