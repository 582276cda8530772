//! `Prefer: wait=N` (RFC 7240): for how long the client is willing to wait for an answer.

use std::time::Duration;

use actix_web::http::header::{HeaderMap, HeaderName};

use crate::http::problem::Problem;

/// Says which preferences were followed.
pub(crate) const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");

const PREFER: HeaderName = HeaderName::from_static("prefer");

/// Longest wait. nginx, ALB and others give an answer 60 s to begin; a wait of just that is sometimes answered with 504.
const MAX_WAIT: Duration = Duration::from_secs(50);

/// The seconds that the client prefers to wait; none without the preference. What cannot be read is no preference.
pub(crate) fn read_wait(headers: &HeaderMap) -> Option<u64> {
    let lines = headers.get_all(PREFER).filter_map(|line| line.to_str().ok());
    let preferences = lines.flat_map(|line| line.split([',', ';']));
    // The first one counts when there are several.
    preferences.filter_map(|preference| preference.split_once('=')).find_map(|(name, value)| {
        let value = value.trim().trim_matches('"');
        name.trim().eq_ignore_ascii_case("wait").then(|| value.parse().ok()).flatten()
    })
}

/// So many seconds, but not so many that a proxy gives up.
pub(crate) fn limit_wait(seconds: u64) -> Duration {
    Duration::from_secs(seconds).min(MAX_WAIT)
}

/// The seconds of `?wait=`, 0 without.
///
/// # Errors
/// 400 when they are more than a minute.
pub(in crate::http) fn check_wait(wait: Option<u64>) -> Result<u64, Problem> {
    match wait.unwrap_or(0) {
        wait @ 0..=60 => Ok(wait),
        wait => Err(Problem::invalid_parameter("wait", format!("`wait` must be 0 to 60 seconds; you sent {wait}."))),
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    #[test]
    fn a_wait_is_found_among_other_preferences() {
        let read = |lines: &[&'static str]| {
            let mut headers = HeaderMap::new();
            lines.iter().for_each(|line| headers.append(PREFER, HeaderValue::from_static(line)));
            read_wait(&headers)
        };
        assert_eq!(read(&["wait=10"]), Some(10));
        assert_eq!(read(&["respond-async, Wait=\"7\""]), Some(7));
        assert_eq!(read(&["return=minimal", "respond-async;wait = 3, wait=5"]), Some(3));
        for none in [&[][..], &["wait"], &["wait=soon"], &["wait=-1"], &["await=5"]] {
            assert_eq!(read(none), None, "{none:?}");
        }
        assert_eq!((limit_wait(49).as_secs(), limit_wait(60).as_secs(), limit_wait(u64::MAX).as_secs()), (49, 50, 50));
    }
}
