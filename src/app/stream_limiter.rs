//! Limits the open live streams of this process, per company and in total.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::id::CompanyId;

/// The numbers of open streams by company. Clones share them.
#[derive(Clone, Default)]
pub struct StreamLimiter(Arc<Mutex<HashMap<CompanyId, u32>>>);

/// The permission to hold one stream open. Dropping it frees its place.
pub struct StreamPermit {
    limiter: StreamLimiter,
    company: CompanyId,
}

/// Which limit was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamLimitReached {
    /// That of the company.
    Company,
    /// That of the process, over all companies.
    Total,
}

impl StreamLimiter {
    /// Takes a place, unless the company's limit or the total is reached. 0: no limit.
    pub fn acquire(
        &self,
        company: CompanyId,
        max_of_company: u32,
        max_in_total: u32,
    ) -> Result<StreamPermit, StreamLimitReached> {
        let mut counts = self.lock_counts();
        if max_in_total > 0 && counts.values().sum::<u32>() >= max_in_total {
            return Err(StreamLimitReached::Total);
        }
        let count = counts.entry(company).or_default();
        if max_of_company > 0 && *count >= max_of_company {
            return Err(StreamLimitReached::Company);
        }
        *count += 1;
        metrics::gauge!("offprint_streams").increment(1.0);
        Ok(StreamPermit { limiter: self.clone(), company })
    }

    fn lock_counts(&self) -> MutexGuard<'_, HashMap<CompanyId, u32>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for StreamPermit {
    fn drop(&mut self) {
        let mut counts = self.limiter.lock_counts();
        if let Some(count) = counts.get_mut(&self.company) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.company);
            }
        }
        metrics::gauge!("offprint_streams").decrement(1.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_counted_and_places_freed() {
        let (limiter, ours, theirs) = (StreamLimiter::default(), CompanyId::new(), CompanyId::new());
        let take = |company| limiter.acquire(company, 2, 3);
        let (first, _second) = (take(ours).ok().unwrap(), take(ours).ok().unwrap());
        assert_eq!(take(ours).err(), Some(StreamLimitReached::Company));
        let _third = take(theirs).ok().unwrap();
        assert_eq!(take(theirs).err(), Some(StreamLimitReached::Total));
        drop(first);
        assert!(take(ours).is_ok(), "a place is free again");
        assert!(limiter.acquire(ours, 0, 0).is_ok(), "0 means no limit");
    }
}
