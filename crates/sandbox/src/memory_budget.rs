//! Memory that all renders share: a render starts when the memory that it needs is free.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

/// Memory is counted in permits of this size, in bytes.
const PERMIT_BYTES: u64 = 1 << 20;

/// How long a render that needs much memory may be overtaken by renders that need less. After that it queues in the
/// fair semaphore, and nobody overtakes it any more: small renders keep the memory busy, but cannot starve a large one.
const OVERTAKING_TIMEOUT: Duration = Duration::from_secs(10);

/// A memory budget. Clones share it.
#[derive(Clone, Debug)]
pub struct MemoryBudget {
    permits: Arc<Semaphore>,
    total_permits: u32,
    freed: Arc<Notify>,
    overtaking_timeout: Duration,
}

/// A share of the budget, returned on drop.
#[derive(Debug)]
pub(super) struct MemoryPermit {
    permits: Option<OwnedSemaphorePermit>,
    freed: Arc<Notify>,
}

impl MemoryBudget {
    pub fn new(bytes: u64) -> Self {
        let total_permits = count_permits(bytes).max(1);
        Self {
            permits: Arc::new(Semaphore::new(total_permits as usize)),
            total_permits,
            freed: Arc::default(),
            overtaking_timeout: OVERTAKING_TIMEOUT,
        }
    }

    /// Waits until `bytes` are free and takes them. A render that needs more than the whole budget gets all of it.
    pub(super) async fn acquire(&self, bytes: u64) -> MemoryPermit {
        let permits = count_permits(bytes).clamp(1, self.total_permits);
        let deadline = Instant::now() + self.overtaking_timeout;
        let acquired = loop {
            // Listens before it tries, so that what is freed in between is not missed.
            let mut freed = std::pin::pin!(self.freed.notified());
            freed.as_mut().enable();
            if let Ok(permit) = self.permits.clone().try_acquire_many_owned(permits) {
                break Some(permit);
            }
            if Instant::now() >= deadline || timeout_at(deadline, freed).await.is_err() {
                // The semaphore is never closed.
                break self.permits.clone().acquire_many_owned(permits).await.ok();
            }
        };
        MemoryPermit { permits: acquired, freed: self.freed.clone() }
    }
}

impl Drop for MemoryPermit {
    fn drop(&mut self) {
        drop(self.permits.take());
        self.freed.notify_waiters();
    }
}

fn count_permits(bytes: u64) -> u32 {
    u32::try_from(bytes.div_ceil(PERMIT_BYTES)).unwrap_or(u32::MAX).min((Semaphore::MAX_PERMITS >> 4) as u32)
}

/// 60 percent of the memory that this machine has or its control groups allow, in bytes.
pub fn find_default_memory() -> u64 {
    const UNKNOWN_MEMORY_BYTES: u64 = 2 << 30;
    let machine = fs::read_to_string("/proc/meminfo").ok().and_then(|text| {
        let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
        line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kilobytes| kilobytes << 10)
    });
    let memory = read_cgroup_limits().chain(machine).min().unwrap_or(UNKNOWN_MEMORY_BYTES);
    memory / 10 * 6
}

/// The memory limits of this process's control groups, in bytes. In a container its own group appears as the root.
fn read_cgroup_limits() -> impl Iterator<Item = u64> {
    let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let mut files =
        vec!["/sys/fs/cgroup/memory.max".to_owned(), "/sys/fs/cgroup/memory/memory.limit_in_bytes".to_owned()];
    let group = own.lines().find_map(|line| line.strip_prefix("0::")).unwrap_or_default();
    let folders = std::path::Path::new(group.trim_start_matches('/')).ancestors();
    files.extend(folders.map(|folder| format!("/sys/fs/cgroup/{}/memory.max", folder.display())));
    files.into_iter().filter_map(|file| fs::read_to_string(file).ok()?.trim().parse().ok())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn large_ones_wait_for_each_other_and_small_ones_pass() {
        let budget = MemoryBudget::new(1000 * PERMIT_BYTES);
        let first = budget.acquire(800 * PERMIT_BYTES).now_or_never().unwrap();
        let mut second = Box::pin(budget.acquire(800 * PERMIT_BYTES));
        assert!(second.as_mut().now_or_never().is_none());
        let small: Vec<_> = (0..40).map(|_| budget.acquire(PERMIT_BYTES).now_or_never().unwrap()).collect();
        drop(first);
        let second = second.as_mut().now_or_never().unwrap();
        assert!(budget.acquire(300 * PERMIT_BYTES).now_or_never().is_none());
        drop((second, small));
        assert!(budget.acquire(5000 * PERMIT_BYTES).now_or_never().is_some(), "more than all is all");
    }

    #[tokio::test]
    async fn who_waited_long_is_passed_no_more() {
        let budget = MemoryBudget { overtaking_timeout: Duration::ZERO, ..MemoryBudget::new(10 * PERMIT_BYTES) };
        let first = budget.acquire(5 * PERMIT_BYTES).await;
        let mut large = Box::pin(budget.acquire(10 * PERMIT_BYTES));
        assert!(large.as_mut().now_or_never().is_none());
        let mut small = Box::pin(budget.acquire(PERMIT_BYTES));
        assert!(small.as_mut().now_or_never().is_none());
        drop(first);
        drop(large.await);
        small.await;
    }
}
