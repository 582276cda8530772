//! The rate limit: requests per minute, counted by caller, reported in the headers of every response, 429 beyond it.

use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use offprint_core::Code;

use crate::app::AppState;
use crate::app::rate_limiter::RateLimitKey;
use crate::app::rate_limiter::RateLimitStatus;
use crate::http::problem::Problem;

/// What is left of the quota, and until when (draft-ietf-httpapi-ratelimit-headers-10).
const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
/// The quota: so many requests in a window of so many seconds.
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// Counts one request; returns the caller's remaining allowance, if there is a limit.
///
/// # Errors
/// 429 when nothing was left.
pub fn count_request(state: &AppState, who: RateLimitKey) -> Result<Option<RateLimitStatus>, Problem> {
    match state.settings.requests_per_minute() {
        0 => Ok(None),
        limit => check_reading(state.rate_limiter.take(who, limit)).map(Some),
    }
}

/// Counts a request of a monitor or a balancer, which have no key. They have an allowance of their own, so that no other
/// request from their address marks the service as down.
///
/// # Errors
/// 429 beyond several requests a second.
pub fn count_probe(state: &AppState, client: RateLimitKey) -> Result<(), Problem> {
    const PROBES_PER_MINUTE: u32 = 300;
    match state.settings.requests_per_minute() {
        0 => Ok(()),
        _ => check_reading(state.probe_limiter.take(client, PROBES_PER_MINUTE)).map(drop),
    }
}

/// Checks the rate limit without counting a request.
///
/// # Errors
/// 429 when it is exceeded.
pub fn check_rate(state: &AppState, who: RateLimitKey) -> Result<(), Problem> {
    match state.settings.requests_per_minute() {
        0 => Ok(()),
        limit => check_reading(state.rate_limiter.peek(who, limit)).map(drop),
    }
}

fn check_reading(reading: RateLimitStatus) -> Result<RateLimitStatus, Problem> {
    let Some(wait) = reading.wait else { return Ok(reading) };
    let seconds = wait.as_secs_f64().ceil().max(1.0) as u64;
    let detail = format!(
        "The rate limit of {} requests per minute is exceeded. Nothing was done. Retry in {seconds} s; to watch a job, use \
         `?wait=50` instead of polling.",
        reading.limit
    );
    let problem = Problem::new(Code::RateLimited, detail).with_header(header::RETRY_AFTER, &seconds.to_string());
    let [limit, policy] = build_rate_headers(&reading);
    Err(problem.with_header(limit.0, &limit.1).with_header(policy.0, &policy.1))
}

/// The headers as structured fields. `t` is when all of the quota is there again; some of it is earlier, because it refills
/// steadily.
fn build_rate_headers(reading: &RateLimitStatus) -> [(HeaderName, String); 2] {
    let reset = reading.reset.as_secs_f64().ceil() as u64;
    [
        (RATE_LIMIT, format!("\"minute\";r={};t={reset}", reading.remaining)),
        (RATE_LIMIT_POLICY, format!("\"minute\";q={};w=60", reading.limit)),
    ]
}

pub fn add_rate_headers(reading: &RateLimitStatus, headers: &mut HeaderMap) {
    for (name, value) in build_rate_headers(reading) {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(name, value);
        }
    }
}
