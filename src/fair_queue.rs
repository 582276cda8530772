//! A number of slots that companies take turns for.
//!
//! A plain semaphore is first come, first served: whoever sends a hundred requests makes everybody wait for them. Here
//! each company waits in a line of its own, a free slot goes to the company that was not served for longest, and no
//! company holds more than its share.
//!
//! ```text
//! company A   ▪ ▪ ▪ ▪ ▪ ▪ ▪        slots  [A] [B]      at most `slots_per_company` of them are A's
//! company B   ▪                           ^
//! company C   ▪ ▪                         the next free one is C's
//! ```

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::id::CompanyId;

/// How many may work and wait.
#[derive(Clone, Copy, Debug)]
pub struct FairQueueLimits {
    /// How many slots there are.
    pub slots: usize,
    /// How many of them one company may hold.
    pub slots_per_company: usize,
    /// How many callers of one company may wait.
    pub waiting_per_company: usize,
    /// How many callers may wait in all.
    pub waiting: usize,
}

/// Slots that companies take turns for. Clones share them.
#[derive(Clone, Debug)]
pub struct FairQueue(Arc<FairQueueInner>);

#[derive(Debug)]
struct FairQueueInner {
    limits: FairQueueLimits,
    lines: Mutex<Lines>,
}

/// Those who hold slots and those who wait.
#[derive(Debug, Default)]
struct Lines {
    held: HashMap<CompanyId, usize>,
    waiting: HashMap<CompanyId, VecDeque<Waiter>>,
    /// The companies with waiting callers; the first is next.
    turns: VecDeque<CompanyId>,
    last_waiter: u64,
}

#[derive(Debug)]
struct Waiter {
    number: u64,
    grant: oneshot::Sender<FairSlot>,
}

/// A slot. Dropping it gives it to the next in turn.
#[derive(Debug)]
pub struct FairSlot {
    queue: FairQueue,
    company: CompanyId,
    is_released: bool,
}

/// Too many callers wait already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueueOverflow {
    /// Those of the same company.
    Company,
    /// Those of all companies together.
    Total,
}

impl FairQueue {
    pub fn new(limits: FairQueueLimits) -> Self {
        Self(Arc::new(FairQueueInner { limits, lines: Mutex::default() }))
    }

    /// Waits for a slot. Dropping the future leaves the line.
    ///
    /// # Errors
    /// When the line is full. Nothing was waited for then.
    pub async fn acquire(&self, company: CompanyId) -> Result<FairSlot, QueueOverflow> {
        let (number, granted) = {
            let mut lines = self.lock_lines();
            if lines.may_take(&self.0.limits, company) && !lines.waiting.contains_key(&company) {
                *lines.held.entry(company).or_default() += 1;
                return Ok(FairSlot { queue: self.clone(), company, is_released: false });
            }
            lines.join(&self.0.limits, company)?
        };
        let _place = PlaceInLine { queue: self, company, number };
        // The sender is dropped only with the queue, which `self` keeps.
        granted.await.map_err(|_| QueueOverflow::Total)
    }

    fn lock_lines(&self) -> MutexGuard<'_, Lines> {
        self.0.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives free slots to those in turn.
    fn grant_free_slots(&self) {
        let limits = &self.0.limits;
        loop {
            // Not sent under the lock: a slot whose receiver is gone is dropped, and that takes the lock.
            let Some((company, waiter)) = self.lock_lines().take_next(limits) else { return };
            let slot = FairSlot { queue: self.clone(), company, is_released: false };
            if let Err(mut unwanted) = waiter.grant.send(slot) {
                unwanted.is_released = true;
                self.lock_lines().release(company);
            }
        }
    }
}

impl Lines {
    fn may_take(&self, limits: &FairQueueLimits, company: CompanyId) -> bool {
        let held_by_company = self.held.get(&company).copied().unwrap_or_default();
        held_by_company < limits.slots_per_company && self.held.values().sum::<usize>() < limits.slots
    }

    fn join(
        &mut self,
        limits: &FairQueueLimits,
        company: CompanyId,
    ) -> Result<(u64, oneshot::Receiver<FairSlot>), QueueOverflow> {
        if self.waiting.get(&company).map_or(0, VecDeque::len) >= limits.waiting_per_company {
            return Err(QueueOverflow::Company);
        }
        if self.waiting.values().map(VecDeque::len).sum::<usize>() >= limits.waiting {
            return Err(QueueOverflow::Total);
        }
        let (grant, granted) = oneshot::channel();
        self.last_waiter += 1;
        let line = self.waiting.entry(company).or_default();
        if line.is_empty() {
            self.turns.push_back(company);
        }
        line.push_back(Waiter { number: self.last_waiter, grant });
        Ok((self.last_waiter, granted))
    }

    /// The first in line of the first company that may take a free slot, which counts as held from now on.
    fn take_next(&mut self, limits: &FairQueueLimits) -> Option<(CompanyId, Waiter)> {
        let turn = self.turns.iter().position(|company| self.may_take(limits, *company))?;
        let company = self.turns.remove(turn)?;
        let line = self.waiting.get_mut(&company)?;
        let waiter = line.pop_front()?;
        if line.is_empty() {
            self.waiting.remove(&company);
        } else {
            self.turns.push_back(company);
        }
        *self.held.entry(company).or_default() += 1;
        Some((company, waiter))
    }

    fn release(&mut self, company: CompanyId) {
        if let Some(held) = self.held.get_mut(&company) {
            *held -= 1;
            if *held == 0 {
                self.held.remove(&company);
            }
        }
    }

    fn leave(&mut self, company: CompanyId, number: u64) {
        let Some(line) = self.waiting.get_mut(&company) else { return };
        line.retain(|waiter| waiter.number != number);
        if line.is_empty() {
            self.waiting.remove(&company);
            self.turns.retain(|waiting| *waiting != company);
        }
    }
}

/// A caller that waits. When it goes away, its place is removed.
struct PlaceInLine<'a> {
    queue: &'a FairQueue,
    company: CompanyId,
    number: u64,
}

impl Drop for PlaceInLine<'_> {
    fn drop(&mut self) {
        self.queue.lock_lines().leave(self.company, self.number);
    }
}

impl Drop for FairSlot {
    fn drop(&mut self) {
        if !self.is_released {
            self.queue.lock_lines().release(self.company);
            self.queue.grant_free_slots();
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    fn open_queue(slots: usize, slots_per_company: usize, waiting_per_company: usize) -> FairQueue {
        FairQueue::new(FairQueueLimits { slots, slots_per_company, waiting_per_company, waiting: 5 })
    }

    #[tokio::test]
    async fn a_company_holds_its_share_and_no_more() {
        let (queue, ours, theirs) = (open_queue(2, 1, 3), CompanyId::new(), CompanyId::new());
        let first = queue.acquire(ours).await.unwrap();
        let mut second = Box::pin(queue.acquire(ours));
        assert!((&mut second).now_or_never().is_none(), "the other slot is not for the same company");
        assert!(queue.acquire(theirs).now_or_never().is_some());
        drop(first);
        assert!(second.now_or_never().is_some());
    }

    #[tokio::test]
    async fn companies_take_turns_however_many_wait() {
        let (queue, companies) = (open_queue(1, 1, 3), [CompanyId::new(), CompanyId::new()]);
        let held = queue.acquire(companies[0]).await.unwrap();
        let order = Mutex::new(Vec::new());
        let wait = |company: usize| {
            let (queue, order) = (&queue, &order);
            async move {
                let _slot = queue.acquire(companies[company]).await.unwrap();
                order.lock().unwrap().push(company);
            }
        };
        tokio::join!(wait(0), wait(0), wait(0), wait(1), async { drop(held) });
        assert_eq!(*order.lock().unwrap(), [0, 1, 0, 0]);
    }

    #[tokio::test]
    async fn lines_are_bounded_and_can_be_left() {
        let (queue, ours, theirs) = (open_queue(1, 1, 2), CompanyId::new(), CompanyId::new());
        let held = queue.acquire(ours).await.unwrap();
        let (mut first, mut second) = (Box::pin(queue.acquire(ours)), Box::pin(queue.acquire(ours)));
        assert!((&mut first).now_or_never().is_none() && (&mut second).now_or_never().is_none());
        assert_eq!(queue.acquire(ours).await.err(), Some(QueueOverflow::Company));
        drop(first);
        let mut third = Box::pin(queue.acquire(ours));
        assert!((&mut third).now_or_never().is_none(), "a place in the line is free again");
        // Whoever leaves after the slot was granted, and before looking, gives it on.
        drop(held);
        drop(second);
        assert!(third.now_or_never().is_some());
        let _held = queue.acquire(theirs).await.unwrap();
        let companies: Vec<_> = (0..5).map(|_| CompanyId::new()).collect();
        let mut waiting: Vec<_> = companies.iter().map(|company| Box::pin(queue.acquire(*company))).collect();
        assert!(waiting.iter_mut().all(|waiter| waiter.now_or_never().is_none()));
        assert_eq!(queue.acquire(ours).await.err(), Some(QueueOverflow::Total));
    }
}
