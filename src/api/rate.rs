//! Requests per minute: counted for each caller, told in every answer, and refused beyond the limit.

use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};

use crate::api::problem::Problem;
use crate::code::Code;
use crate::state::State;
use crate::state::meter::{Reading, Who};

const LIMIT: HeaderName = HeaderName::from_static("ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("ratelimit-reset");

/// Counts one request; gives what the caller has left, where there is a limit.
///
/// # Errors
/// 429 when nothing was left.
pub fn count(state: &State, who: Who) -> Result<Option<Reading>, Problem> {
    match state.settings.requests_per_minute() {
        0 => Ok(None),
        limit => judge(state.meter.take(who, limit)).map(Some),
    }
}

/// Whether strangers at this address have called too often. It costs nothing.
///
/// # Errors
/// 429 when they have.
pub fn look(state: &State, who: Who) -> Result<(), Problem> {
    match state.settings.requests_per_minute() {
        0 => Ok(()),
        limit => judge(state.meter.look(who, limit)).map(drop),
    }
}

fn judge(reading: Reading) -> Result<Reading, Problem> {
    let Some(wait) = reading.wait else { return Ok(reading) };
    let seconds = wait.as_secs_f64().ceil().max(1.0) as u64;
    let detail = format!(
        "{} requests a minute are allowed, and these were more. Nothing was done. Send it again in {seconds} s; ask for a job \
         with `?wait=60` in place of asking often.",
        reading.limit
    );
    let problem = Problem::new(Code::RateLimited, detail).header(header::RETRY_AFTER, &seconds.to_string());
    Err(fields(&reading).into_iter().fold(problem, |problem, (name, value)| problem.header(name, &value.to_string())))
}

fn fields(reading: &Reading) -> [(HeaderName, u64); 3] {
    let reset = reading.reset.as_secs_f64().ceil() as u64;
    [(LIMIT, reading.limit.into()), (REMAINING, reading.remaining.into()), (RESET, reset)]
}

/// Tells what is left.
pub fn tell(reading: &Reading, headers: &mut HeaderMap) {
    for (name, value) in fields(reading) {
        headers.insert(name, HeaderValue::from(value));
    }
}
