//! Rate limits: a token bucket for each caller. A bucket holds as many requests as a minute allows and refills steadily
//! within a minute. Each process counts for itself, because a shared count would cost a write per request; with several
//! API processes the effective limit is that much higher.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use uuid::Uuid;

/// Which requests are counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RateLimitKey {
    /// Those of an API key, by its id; of a company, by its id, where callers have no keys of their own.
    Caller(Uuid),
    /// Those of unauthenticated callers, by their address.
    Address(IpAddr),
    /// Those of all unauthenticated callers.
    Anonymous,
}

impl RateLimitKey {
    /// The key of an address. An IPv6 network of 64 bits counts as one caller, because one customer has 2⁶⁴ addresses.
    pub fn for_address(address: Option<IpAddr>) -> Self {
        Self::Address(match address {
            Some(IpAddr::V6(address)) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
            Some(address) => address,
            None => Ipv6Addr::UNSPECIFIED.into(),
        })
    }
}

/// The state of a caller's bucket.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RateLimitStatus {
    /// Requests per minute.
    pub limit: u32,
    /// Requests that are allowed right now.
    pub remaining: u32,
    /// Time until the bucket is full again.
    pub reset: Duration,
    /// Time until the next request is allowed; none: this one was.
    pub wait: Option<Duration>,
}

/// The buckets of all callers.
#[derive(Debug, Default)]
pub struct RateLimiter(Mutex<HashMap<RateLimitKey, Bucket>>);

#[derive(Clone, Copy, Debug)]
struct Bucket {
    left: f64,
    at: Instant,
}

/// From this many callers on, those that have not called for a minute (their buckets are full) are removed now and
/// then.
const PRUNE_MIN_BUCKETS: usize = 10_000;

impl RateLimiter {
    /// Counts one request.
    pub fn take(&self, key: RateLimitKey, limit: u32) -> RateLimitStatus {
        self.take_at(key, limit, 1.0, Instant::now())
    }

    /// Returns the state without counting a request.
    pub fn peek(&self, key: RateLimitKey, limit: u32) -> RateLimitStatus {
        self.take_at(key, limit, 0.0, Instant::now())
    }

    fn take_at(&self, key: RateLimitKey, limit: u32, cost: f64, now: Instant) -> RateLimitStatus {
        let capacity = f64::from(limit);
        let mut buckets = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if buckets.len() >= PRUNE_MIN_BUCKETS && buckets.len().is_multiple_of(1000) {
            buckets.retain(|_, bucket| now.saturating_duration_since(bucket.at) < Duration::from_secs(60));
        }
        let bucket = buckets.get(&key).copied().unwrap_or(Bucket { left: capacity, at: now });
        let refilled = now.saturating_duration_since(bucket.at).as_secs_f64() * capacity / 60.0;
        let left = (bucket.left + refilled).min(capacity);
        let is_refused = left < 1.0;
        let left = if is_refused { left } else { left - cost };
        if cost > 0.0 {
            buckets.insert(key, Bucket { left, at: now });
        }
        let until = |level: f64| Duration::from_secs_f64(((level - left) * 60.0 / capacity).max(0.0));
        RateLimitStatus { limit, remaining: left as u32, reset: until(capacity), wait: is_refused.then(|| until(1.0)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_empties_and_fills_within_a_minute() {
        let (limiter, caller, begin) = (RateLimiter::default(), RateLimitKey::Caller(Uuid::nil()), Instant::now());
        let at = |seconds: f64| limiter.take_at(caller, 60, 1.0, begin + Duration::from_secs_f64(seconds));
        for left in (0..60).rev() {
            let status = at(0.0);
            assert_eq!((status.remaining, status.wait), (left, None));
        }
        let refused = at(0.25);
        assert_eq!((refused.remaining, refused.wait), (0, Some(Duration::from_millis(750))));
        assert_eq!(at(1.0).wait, None, "a refused request costs nothing");
        assert_eq!(at(1.5).wait, Some(Duration::from_millis(500)));
        let (other, idle) = (limiter.take_at(RateLimitKey::for_address(None), 60, 0.0, begin), at(120.0));
        assert_eq!((other.remaining, idle.remaining, idle.reset), (60, 59, Duration::from_secs(1)));
    }

    #[test]
    fn a_network_of_ipv6_is_one_caller() {
        let key = |text: &str| RateLimitKey::for_address(Some(text.parse().unwrap()));
        assert_eq!(key("2001:db8::1"), key("2001:db8::ffff:1"));
        assert_ne!(key("2001:db8::1"), key("2001:db8:0:1::1"));
        assert_ne!(key("192.0.2.1"), key("192.0.2.2"));
    }

    #[test]
    fn callers_who_left_are_forgotten() {
        let (limiter, begin) = (RateLimiter::default(), Instant::now());
        for number in 0..PRUNE_MIN_BUCKETS as u128 {
            limiter.take_at(RateLimitKey::Caller(Uuid::from_u128(number)), 60, 1.0, begin);
        }
        limiter.take_at(RateLimitKey::for_address(None), 60, 1.0, begin + Duration::from_secs(61));
        assert_eq!(limiter.0.lock().unwrap().len(), 1);
    }
}
