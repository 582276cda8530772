//! The newest job of each list of jobs that is open in a browser. All that show the same list share one look at the database.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::id::JobId;

/// When somebody looked, and the newest job then; none: the list was empty.
type FoundJob = (Instant, Option<JobId>);

/// What was found, by list. Clones share it.
#[derive(Clone, Default)]
pub struct NewestJobs(Arc<Mutex<HashMap<String, FoundJob>>>);

impl NewestJobs {
    /// The newest job of a list as it was at most `max_age` ago; otherwise `load` looks, and what it finds is kept. `list` says
    /// whose list it is, and with which filters.
    ///
    /// # Errors
    /// Those of `load`.
    pub async fn find<E>(
        &self,
        list: String,
        max_age: Duration,
        load: impl Future<Output = Result<Option<JobId>, E>>,
    ) -> Result<Option<JobId>, E> {
        let is_fresh = |at: &Instant| at.elapsed() < max_age;
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&list).copied();
        if let Some((_, newest)) = known.filter(|(at, _)| is_fresh(at)) {
            return Ok(newest);
        }
        let (asked, newest) = (Instant::now(), load.await?);
        let mut lists = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Lists that nobody looks at any more go with the next one that is looked at.
        lists.retain(|_, (at, _)| is_fresh(at));
        lists.insert(list, (asked, newest));
        Ok(newest)
    }
}
