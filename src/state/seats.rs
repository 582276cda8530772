//! Seats for those who hold a connection for long: how many each company has taken in this process.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::id::CompanyId;

/// The seats that are taken. Clones share them.
#[derive(Clone, Default)]
pub struct Seats(Arc<Mutex<HashMap<CompanyId, u32>>>);

/// One seat. It is free again when this is dropped.
pub struct Seat {
    seats: Seats,
    company: CompanyId,
}

/// Why there is no seat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    /// The company has as many as it may have.
    Company,
    /// All companies together have.
    House,
}

impl Seats {
    /// Takes a seat, if the company and all companies together have not taken as many as they may; 0 means no limit.
    pub fn take(&self, company: CompanyId, of_company: u32, of_all: u32) -> Result<Seat, Full> {
        let mut taken = self.taken();
        if of_all > 0 && taken.values().sum::<u32>() >= of_all {
            return Err(Full::House);
        }
        let own = taken.entry(company).or_default();
        if of_company > 0 && *own >= of_company {
            return Err(Full::Company);
        }
        *own += 1;
        metrics::gauge!("offprint_streams").increment(1.0);
        Ok(Seat { seats: self.clone(), company })
    }

    fn taken(&self) -> MutexGuard<'_, HashMap<CompanyId, u32>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.seats.taken();
        if let Some(own) = taken.get_mut(&self.company) {
            *own -= 1;
            if *own == 0 {
                taken.remove(&self.company);
            }
        }
        metrics::gauge!("offprint_streams").decrement(1.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seats_are_counted_and_given_back() {
        let (seats, ours, theirs) = (Seats::default(), CompanyId::new(), CompanyId::new());
        let take = |company| seats.take(company, 2, 3);
        let (first, _second) = (take(ours).ok().unwrap(), take(ours).ok().unwrap());
        assert_eq!(take(ours).err(), Some(Full::Company));
        let _third = take(theirs).ok().unwrap();
        assert_eq!(take(theirs).err(), Some(Full::House));
        drop(first);
        assert!(take(ours).is_ok(), "a seat is free again");
        assert!(seats.take(ours, 0, 0).is_ok(), "nought is no limit");
    }
}
