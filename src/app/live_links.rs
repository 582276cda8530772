//! Links whose pages are open: whether they still work. One task per process asks for all of them together, as
//! [`live_jobs`](super::live_jobs) does for jobs, so a thousand open pages cost one query now and then.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;
use tracing::debug;

use super::AppState;
use crate::db::{self, link};
use crate::id::{CompanyId, LinkId};

/// How long a page may stay open after its link has ended.
const LINK_CHECK_INTERVAL: Duration = Duration::from_secs(5);

/// The watched links of this process. Clones share them.
#[derive(Clone, Default)]
pub struct LiveLinks(Arc<Mutex<WatchedLinks>>);

#[derive(Default)]
struct WatchedLinks {
    /// Dropping a sender ends its watches.
    links: HashMap<(CompanyId, LinkId), watch::Sender<()>>,
    /// Whether [`run_link_checks`] runs.
    has_task: bool,
}

/// A watch of a link.
pub struct LinkWatch(watch::Receiver<()>);

impl LinkWatch {
    /// Waits until the link has expired, was revoked or was deleted.
    pub async fn ended(&mut self) {
        while self.0.changed().await.is_ok() {}
    }
}

impl LiveLinks {
    /// Watches a link that worked a moment ago.
    pub fn watch(&self, state: &AppState, company: CompanyId, link: LinkId) -> LinkWatch {
        let mut watched = self.lock();
        let watch = watched.links.entry((company, link)).or_default().subscribe();
        if !std::mem::replace(&mut watched.has_task, true) {
            tokio::spawn(run_link_checks(state.clone(), LinkCheckTask { live_links: self.clone(), done: false }));
        }
        LinkWatch(watch)
    }

    fn lock(&self) -> MutexGuard<'_, WatchedLinks> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Guards the task. If it ends before its work is done, dropping this ends all watches; pages then ask anew.
struct LinkCheckTask {
    live_links: LiveLinks,
    done: bool,
}

impl LinkCheckTask {
    /// The watched links. None when nobody watches any more, which ends the task.
    fn list_watched(&mut self) -> Option<Vec<(CompanyId, LinkId)>> {
        let mut watched = self.live_links.lock();
        watched.links.retain(|_, watchers| watchers.receiver_count() > 0);
        if watched.links.is_empty() {
            (watched.has_task, self.done) = (false, true);
            return None;
        }
        Some(watched.links.keys().copied().collect())
    }
}

impl Drop for LinkCheckTask {
    fn drop(&mut self) {
        if !self.done {
            *self.live_links.lock() = WatchedLinks::default();
        }
    }
}

/// Ends the watches of links that have ended, until nobody watches any more or the service shuts down. If the database does
/// not answer, they go on.
async fn run_link_checks(state: AppState, mut task: LinkCheckTask) {
    // At least 1 ms, so that a setting of 0 does not become a busy loop.
    let interval = LINK_CHECK_INTERVAL.min(state.settings.stream_heartbeat).max(Duration::from_millis(1));
    loop {
        tokio::select! {
            () = sleep(interval) => {}
            () = state.closing.cancelled() => return,
        }
        let Some(watched) = task.list_watched() else { return };
        match db::with_query_timeout(link::list_ended_links(&state.system, &watched)).await {
            Ok(ended) => {
                let mut watched = state.live_links.lock();
                ended.iter().for_each(|key| drop(watched.links.remove(key)));
            }
            Err(error) => debug!(error = %error, "Could not check the watched links: {error}"),
        }
    }
}
