//! Limits of requests: what an upload announces, and how often something may be repeated. Limits of companies are in
//! [`app::storage_quota`](crate::app::storage_quota).

use actix_web::http::header::{self, HeaderMap};
use offprint_core::Code;
use uuid::Uuid;

use crate::app::AppState;
use crate::app::rate_limiter::{RateLimitKey, RateLimitStatus};
pub use crate::app::storage_quota::{EffectiveLimits, StorageQuota, check_company_limits, check_free_space};
use crate::http::extract::caller::Caller;
use crate::http::problem::Problem;

/// The length that a request announces for its body; 0 when it does not.
pub(crate) fn read_announced_bytes(headers: &HeaderMap) -> u64 {
    headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok()).unwrap_or(0)
}

/// How often a minute one webhook may be sent again, or one job retried.
const MAX_REPEATS_OF_ONE: u32 = 10;
/// The same for all webhooks and jobs of a company.
const MAX_REPEATS_OF_COMPANY: u32 = 30;

/// Counts that a webhook is sent again or a job is retried: what the service then sends to others must not be as much as a
/// caller can ask for.
///
/// # Errors
/// 429 when it was asked for too often.
pub fn count_repeat(state: &AppState, caller: &Caller, subject: Uuid) -> Result<(), Problem> {
    ask_repeat_limits(caller, subject, |key, limit| state.replay_limiter.take(key, limit))
}

/// Checks the same without counting: for what may be refused for another reason and then repeats nothing.
///
/// # Errors
/// As [`count_repeat`].
pub fn check_repeats(state: &AppState, caller: &Caller, subject: Uuid) -> Result<(), Problem> {
    ask_repeat_limits(caller, subject, |key, limit| state.replay_limiter.peek(key, limit))
}

fn ask_repeat_limits(
    caller: &Caller,
    subject: Uuid,
    ask: impl Fn(RateLimitKey, u32) -> RateLimitStatus,
) -> Result<(), Problem> {
    let limits = [(subject, MAX_REPEATS_OF_ONE), (caller.company.0, MAX_REPEATS_OF_COMPANY)];
    let statuses = limits.into_iter().map(|(subject, limit)| ask(RateLimitKey::Caller(subject), limit));
    let Some(reached) = statuses.into_iter().find(|status| status.wait.is_some()) else { return Ok(()) };
    let seconds = reached.wait.unwrap_or_default().as_secs_f64().ceil().max(1.0) as u64;
    let detail = format!(
        "This was repeated more than {} times a minute. Nothing was done. Retry in {seconds} s.",
        reached.limit
    );
    Err(Problem::new(Code::RateLimited, detail).with_header(header::RETRY_AFTER, &seconds.to_string()))
}
