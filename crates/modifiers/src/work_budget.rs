//! A bound for the work that resolving may take.
//!
//! A modifier of 8 KiB is resolved in a millisecond, but nested requests, macros and own modifiers of named assets
//! multiply it, and a job resolves it for each of its assets and renditions. Limits on sizes do not bound the product,
//! so the work itself is counted while it is done: every loop over texts spends units and stops when none are left.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

/// Units that an expanded token costs beside its bytes: it is parsed twice, and applied to a recipe.
pub(super) const TOKEN_UNITS: u64 = 64;

/// Units that a name without a meaning costs: it is compared with all known names.
pub(super) const UNKNOWN_NAME_UNITS: u64 = 1000;

/// A number of units of work, spent by everything that shares the budget. A unit is the work for about one byte of text.
#[derive(Debug)]
pub struct WorkBudget {
    limit: u64,
    spent: AtomicU64,
    cancelled: AtomicBool,
}

/// For work that is small enough, or that nobody else waits for.
pub(super) static UNLIMITED: WorkBudget = WorkBudget::new(u64::MAX);

/// Units that resolving a text takes at least: its macros are not looked at.
pub fn estimate_units(text: &str) -> u64 {
    let tokens = text.bytes().filter(|byte| *byte == b'&').count() + usize::from(!text.is_empty());
    text.len() as u64 + TOKEN_UNITS * tokens as u64
}

impl WorkBudget {
    /// A budget of this many units; `u64::MAX` is no limit.
    pub const fn new(limit: u64) -> Self {
        Self { limit, spent: AtomicU64::new(0), cancelled: AtomicBool::new(false) }
    }

    /// Spends units. Returns whether the work may go on.
    pub fn spend(&self, units: u64) -> bool {
        // The shared budget without a limit is not counted: every thread would write to it.
        if self.limit < u64::MAX {
            self.spent.fetch_add(units, Relaxed);
        }
        !self.is_exhausted()
    }

    /// Ends the work, because nobody waits for its result any more.
    pub fn cancel(&self) {
        self.cancelled.store(true, Relaxed);
    }

    /// Whether the work has to end: the units are spent, or it was cancelled.
    pub fn is_exhausted(&self) -> bool {
        self.cancelled.load(Relaxed) || self.spent.load(Relaxed) > self.limit
    }

    /// Units spent so far. They may exceed the limit.
    pub fn spent(&self) -> u64 {
        self.spent.load(Relaxed)
    }

    /// Units that are left.
    pub fn remaining(&self) -> u64 {
        self.limit.saturating_sub(self.spent())
    }
}
