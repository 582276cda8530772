//! Work that takes processor time and must not be done on the threads that answer HTTP: resolving modifiers for ten
//! thousand assets, planning their images, parsing and writing large JSON.
//!
//! The work runs on a few threads that companies take turns for. A request that will need it is admitted before it takes
//! a database connection: those who wait for a turn hold nothing that others need.
//!
//! ```text
//! request --admit--> connection --run--> slot on a thread --> result
//!            |                    |
//!            |                    companies take turns; the line is bounded by the admissions
//!            companies take turns; a full line is refused with `busy`
//! ```

use std::thread::available_parallelism;

use crate::fair_queue::{FairQueue, FairQueueLimits, FairSlot, QueueOverflow};
use crate::id::CompanyId;

/// How many requests are admitted at once: not all database connections, so that short requests find one.
const MAX_ADMITTED: usize = 6;
const MAX_ADMITTED_PER_COMPANY: usize = 3;
/// How many requests of one company may wait to be admitted.
const MAX_WAITING_PER_COMPANY: usize = 100;
const MAX_WAITING: usize = 1000;

/// Threads for work that takes processor time. Clones share them.
#[derive(Clone, Debug)]
pub struct ComputePool {
    admissions: FairQueue,
    slots: FairQueue,
}

/// The right to use the pool for one request. Dropping it admits the next.
#[derive(Debug)]
pub struct Admission(#[expect(dead_code, reason = "held until it is dropped")] FairSlot);

/// The work did not end.
#[derive(Debug, thiserror::Error)]
#[error("work on the compute pool failed: {0}")]
pub struct ComputeError(String);

impl Default for ComputePool {
    /// As many slots as there are processors, and never so few that one company can hold all.
    fn default() -> Self {
        Self::new(available_parallelism().map_or(2, usize::from).max(2))
    }
}

impl ComputePool {
    pub fn new(slots: usize) -> Self {
        let admissions = FairQueueLimits {
            slots: MAX_ADMITTED,
            slots_per_company: MAX_ADMITTED_PER_COMPANY,
            waiting_per_company: MAX_WAITING_PER_COMPANY,
            waiting: MAX_WAITING,
        };
        let slots_per_company = slots.div_ceil(2).min(slots.saturating_sub(1)).max(1);
        let slots = FairQueueLimits { slots, slots_per_company, waiting_per_company: usize::MAX, waiting: usize::MAX };
        Self { admissions: FairQueue::new(admissions), slots: FairQueue::new(slots) }
    }

    /// Waits until the request may use the pool. To be called before it takes a database connection.
    ///
    /// # Errors
    /// When too many requests wait already.
    pub async fn admit(&self, company: CompanyId) -> Result<Admission, QueueOverflow> {
        self.admissions.acquire(company).await.map(Admission)
    }

    /// Runs work on a thread of the pool, when it is the company's turn. When the future is dropped, work that has begun
    /// goes on, and keeps its slot: what may take long has to look at a flag.
    ///
    /// # Errors
    /// When the work panicked.
    pub async fn run<T: Send + 'static>(
        &self,
        company: CompanyId,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, ComputeError> {
        let slot = self.slots.acquire(company).await.map_err(|_| ComputeError("too much of it waits".to_owned()))?;
        let work = move || {
            let _slot = slot;
            work()
        };
        tokio::task::spawn_blocking(work).await.map_err(|error| ComputeError(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn a_company_cannot_fill_the_pool() {
        let (pool, ours, theirs) = (ComputePool::new(2), CompanyId::new(), CompanyId::new());
        let (release, wait) = mpsc::channel::<()>();
        let mut long = Box::pin(pool.run(ours, move || wait.recv().ok()));
        assert!((&mut long).now_or_never().is_none());
        let mut second = Box::pin(pool.run(ours, || 2));
        assert!((&mut second).now_or_never().is_none(), "it waits for the slot of its company");
        assert_eq!(pool.run(theirs, || 3).await.ok(), Some(3));
        release.send(()).unwrap();
        assert_eq!((long.await.ok(), second.await.ok()), (Some(Some(())), Some(2)));
    }

    #[tokio::test]
    async fn work_that_panics_gives_its_slot_back() {
        let (pool, company) = (ComputePool::new(2), CompanyId::new());
        for _ in 0..3 {
            assert!(pool.run(company, || panic!("broken")).await.is_err());
        }
        assert_eq!(pool.run(company, || 1).await.ok(), Some(1));
    }
}
