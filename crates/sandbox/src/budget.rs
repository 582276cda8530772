//! Memory that renders share: each is let in when what it needs is free.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

/// Bytes are counted in pieces of this size.
const PIECE: u64 = 1 << 20;

/// How long a render that needs much lets those pass that need little. Then it queues, and nobody passes any more.
const PATIENCE: Duration = Duration::from_secs(10);

/// A budget of bytes. Clones share it.
#[derive(Clone, Debug)]
pub struct Budget {
    pieces: Arc<Semaphore>,
    total: u32,
    freed: Arc<Notify>,
    patience: Duration,
}

/// A share of the budget, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Share {
    pieces: Option<OwnedSemaphorePermit>,
    freed: Arc<Notify>,
}

impl Budget {
    /// A budget of so many bytes.
    pub fn of(bytes: u64) -> Self {
        let total = pieces(bytes).max(1);
        Self { pieces: Arc::new(Semaphore::new(total as usize)), total, freed: Arc::default(), patience: PATIENCE }
    }

    /// Waits until so many bytes are free, and takes them. What needs more than there is gets everything, alone.
    pub(super) async fn take(&self, bytes: u64) -> Share {
        let wanted = pieces(bytes).clamp(1, self.total);
        let patience = Instant::now() + self.patience;
        let taken = loop {
            let mut freed = std::pin::pin!(self.freed.notified());
            freed.as_mut().enable();
            if let Ok(taken) = self.pieces.clone().try_acquire_many_owned(wanted) {
                break Some(taken);
            }
            if Instant::now() >= patience || timeout_at(patience, freed).await.is_err() {
                // The semaphore is never closed.
                break self.pieces.clone().acquire_many_owned(wanted).await.ok();
            }
        };
        Share { pieces: taken, freed: self.freed.clone() }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        drop(self.pieces.take());
        self.freed.notify_waiters();
    }
}

fn pieces(bytes: u64) -> u32 {
    u32::try_from(bytes.div_ceil(PIECE)).unwrap_or(u32::MAX).min((Semaphore::MAX_PERMITS >> 4) as u32)
}

/// Sixty percent of the memory that this machine has, or that its control group may use.
pub fn default_memory() -> u64 {
    const UNKNOWN: u64 = 2 << 30;
    let machine = fs::read_to_string("/proc/meminfo").ok().and_then(|text| {
        let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
        line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kilobytes| kilobytes << 10)
    });
    let memory = control_groups().chain(machine).min().unwrap_or(UNKNOWN);
    memory / 10 * 6
}

/// The limits of this process's control groups that say one. In a container its own group is the root.
fn control_groups() -> impl Iterator<Item = u64> {
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
        let budget = Budget::of(1000 * PIECE);
        let first = budget.take(800 * PIECE).now_or_never().unwrap();
        let mut second = Box::pin(budget.take(800 * PIECE));
        assert!(second.as_mut().now_or_never().is_none());
        let small: Vec<_> = (0..40).map(|_| budget.take(PIECE).now_or_never().unwrap()).collect();
        drop(first);
        let second = second.as_mut().now_or_never().unwrap();
        assert!(budget.take(300 * PIECE).now_or_never().is_none());
        drop((second, small));
        assert!(budget.take(5000 * PIECE).now_or_never().is_some(), "more than all is all");
    }

    #[tokio::test]
    async fn who_waited_long_is_passed_no_more() {
        let budget = Budget { patience: Duration::ZERO, ..Budget::of(10 * PIECE) };
        let first = budget.take(5 * PIECE).await;
        let mut large = Box::pin(budget.take(10 * PIECE));
        assert!(large.as_mut().now_or_never().is_none());
        let mut small = Box::pin(budget.take(PIECE));
        assert!(small.as_mut().now_or_never().is_none());
        drop(first);
        drop(large.await);
        small.await;
    }
}
