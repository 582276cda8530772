//! Bytes that requests are receiving right now, by company. They lie in temporary files and are in no table yet, so a
//! company's quota would not see them: many slow uploads at once could fill the disk.
//!
//! Counted in this process only: other processes have their own disk or their own share of the requests, and the check
//! that counts is in the transaction that registers the bytes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::id::CompanyId;

/// The bytes of all companies. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct BytesInFlight(Arc<Mutex<HashMap<CompanyId, u64>>>);

impl BytesInFlight {
    /// Begins to count the bytes of a request.
    pub fn reserve(&self, company: CompanyId) -> ByteReservation {
        ByteReservation { all: self.clone(), company, bytes: 0 }
    }

    fn change(&self, company: CompanyId, change: impl FnOnce(u64) -> Option<u64>) -> bool {
        // Nothing that holds the lock can panic halfway.
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(bytes) = change(all.get(&company).copied().unwrap_or(0)) else { return false };
        match bytes {
            0 => drop(all.remove(&company)),
            bytes => drop(all.insert(company, bytes)),
        }
        true
    }
}

/// The bytes that one request has received. They no longer count when it is dropped.
#[derive(Debug)]
pub struct ByteReservation {
    all: BytesInFlight,
    company: CompanyId,
    bytes: u64,
}

impl ByteReservation {
    /// Counts further bytes, unless all requests of the company would then have more than `max`.
    #[must_use]
    pub fn grow(&mut self, bytes: u64, max: u64) -> bool {
        let grown = self.all.change(self.company, |all| all.checked_add(bytes).filter(|sum| *sum <= max));
        if grown {
            self.bytes += bytes;
        }
        grown
    }

    /// How many bytes all requests of the company have received.
    pub fn total(&self) -> u64 {
        self.all.0.lock().unwrap_or_else(PoisonError::into_inner).get(&self.company).copied().unwrap_or(0)
    }

    /// Ends the count: from here on the database counts.
    pub fn release(&mut self) {
        let bytes = std::mem::take(&mut self.bytes);
        self.all.change(self.company, |all| Some(all.saturating_sub(bytes)));
    }
}

impl Drop for ByteReservation {
    fn drop(&mut self) {
        self.release();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_of_a_company_share_its_room() {
        let (all, company) = (BytesInFlight::default(), CompanyId::new());
        let (mut one, mut two) = (all.reserve(company), all.reserve(company));
        assert!(one.grow(60, 100) && two.grow(40, 100) && !two.grow(1, 100));
        assert!(all.reserve(CompanyId::new()).grow(100, 100), "another company has its own");
        drop(one);
        assert!(two.grow(60, 100) && !two.grow(1, 100));
        two.release();
        assert!(all.0.lock().unwrap_or_else(PoisonError::into_inner).is_empty());
    }
}
