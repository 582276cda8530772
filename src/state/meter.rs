//! How often each caller calls. Everyone has a bucket of as many requests as a minute may have; it fills up again
//! steadily within a minute. Each process counts for itself: a count that all share would cost a write for each request.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use uuid::Uuid;

/// Whose requests are counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Who {
    /// A key's, or where there are no keys of one's own a company's, by its handle.
    Caller(Uuid),
    /// Those of strangers, by their address.
    Address(IpAddr),
}

impl Who {
    /// Whoever calls from this address. A network of IPv6 is one caller: everybody has 2⁶⁴ addresses.
    pub fn at(address: Option<IpAddr>) -> Self {
        Self::Address(match address {
            Some(IpAddr::V6(address)) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
            Some(address) => address,
            None => Ipv6Addr::UNSPECIFIED.into(),
        })
    }
}

/// What a caller has left.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reading {
    /// Requests that a minute may have.
    pub limit: u32,
    /// Requests that may follow at once.
    pub remaining: u32,
    /// Until everything is back.
    pub reset: Duration,
    /// Until the next request will be answered; none when it is already.
    pub wait: Option<Duration>,
}

/// The buckets.
#[derive(Debug, Default)]
pub struct Meter(Mutex<HashMap<Who, Bucket>>);

#[derive(Clone, Copy, Debug)]
struct Bucket {
    left: f64,
    at: Instant,
}

/// From so many callers on, those who have not called for a minute are forgotten now and then.
const MANY: usize = 10_000;

impl Meter {
    /// Counts one request.
    pub fn take(&self, who: Who, limit: u32) -> Reading {
        self.at(who, limit, 1.0, Instant::now())
    }

    /// What is left, without counting.
    pub fn look(&self, who: Who, limit: u32) -> Reading {
        self.at(who, limit, 0.0, Instant::now())
    }

    fn at(&self, who: Who, limit: u32, cost: f64, now: Instant) -> Reading {
        let most = f64::from(limit);
        let mut buckets = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if buckets.len() >= MANY && buckets.len().is_multiple_of(1000) {
            buckets.retain(|_, bucket| now.saturating_duration_since(bucket.at) < Duration::from_secs(60));
        }
        let known = buckets.get(&who).copied().unwrap_or(Bucket { left: most, at: now });
        let back = now.saturating_duration_since(known.at).as_secs_f64() * most / 60.0;
        let left = (known.left + back).min(most);
        let refused = left < 1.0;
        let left = if refused { left } else { left - cost };
        if cost > 0.0 {
            buckets.insert(who, Bucket { left, at: now });
        }
        let until = |level: f64| Duration::from_secs_f64(((level - left) * 60.0 / most).max(0.0));
        Reading { limit, remaining: left as u32, reset: until(most), wait: refused.then(|| until(1.0)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_empties_and_fills_within_a_minute() {
        let (meter, who, begin) = (Meter::default(), Who::Caller(Uuid::nil()), Instant::now());
        let at = |seconds: f64| meter.at(who, 60, 1.0, begin + Duration::from_secs_f64(seconds));
        for left in (0..60).rev() {
            let reading = at(0.0);
            assert_eq!((reading.remaining, reading.wait), (left, None));
        }
        let refused = at(0.25);
        assert_eq!((refused.remaining, refused.wait), (0, Some(Duration::from_millis(750))));
        assert_eq!(at(1.0).wait, None, "a refused request costs nothing");
        assert_eq!(at(1.5).wait, Some(Duration::from_millis(500)));
        let (other, calm) = (meter.at(Who::at(None), 60, 0.0, begin), at(120.0));
        assert_eq!((other.remaining, calm.remaining, calm.reset), (60, 59, Duration::from_secs(1)));
    }

    #[test]
    fn a_network_of_ipv6_is_one_caller() {
        let who = |text: &str| Who::at(Some(text.parse().unwrap()));
        assert_eq!(who("2001:db8::1"), who("2001:db8::ffff:1"));
        assert_ne!(who("2001:db8::1"), who("2001:db8:0:1::1"));
        assert_ne!(who("192.0.2.1"), who("192.0.2.2"));
    }

    #[test]
    fn callers_who_left_are_forgotten() {
        let (meter, begin) = (Meter::default(), Instant::now());
        for number in 0..MANY as u128 {
            meter.at(Who::Caller(Uuid::from_u128(number)), 60, 1.0, begin);
        }
        meter.at(Who::at(None), 60, 1.0, begin + Duration::from_secs(61));
        assert_eq!(meter.0.lock().unwrap().len(), 1);
    }
}
