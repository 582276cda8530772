//! Conditional requests (RFC 9110, section 13): `If-Match`, `If-Unmodified-Since`, `If-None-Match`, `If-Modified-Since`.
//!
//! A client that changes something sends the `ETag` that it read as `If-Match`: when somebody else was faster, the answer is
//! 412 and nothing is changed, so no change is lost. Whoever checks this before a write must hold the lock of the row.

use std::time::SystemTime;

use actix_web::http::header::{self, HeaderMap, HeaderName};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder};
use chrono::{DateTime, Utc};
use offprint_core::{Code, Digest};
use serde::Serialize;

use crate::http::address;
use crate::http::problem::Problem;

/// What the current representation can be recognised by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Validators {
    /// Entity tag as in the header: `"…"`, or `W/"…"` when it is weak.
    pub(crate) etag: String,
    /// When the representation last changed, if that is known.
    pub(crate) modified: Option<DateTime<Utc>>,
}

impl Validators {
    /// The validators of JSON. The tag is strong: it is the digest of the representation.
    pub(crate) fn from_json(value: &impl Serialize, modified: Option<DateTime<Utc>>) -> Result<Self, Problem> {
        // The same wherever the service is reached.
        let json = address::serialize_without_base(value).map_err(Problem::internal)?;
        let digest = Digest::compute(json.to_string().as_bytes()).to_string();
        Ok(Self { etag: format!("\"{}\"", &digest[..32]), modified })
    }

    /// Adds the tag and the time to a response.
    pub(crate) fn add_headers(&self, answer: &mut HttpResponseBuilder) {
        answer.insert_header((header::ETAG, self.etag.as_str()));
        if let Some(modified) = self.modified {
            answer.insert_header((header::LAST_MODIFIED, httpdate::fmt_http_date(modified.into())));
        }
    }

    /// Whether the client has this representation already, so that a GET or HEAD is answered with 304.
    ///
    /// # Errors
    /// 412 when the client asks for another version only.
    pub(crate) fn check_read(&self, headers: &HeaderMap) -> Result<bool, Problem> {
        self.check_unchanged(headers)?;
        if headers.contains_key(header::IF_NONE_MATCH) {
            return Ok(list_tags(headers, &header::IF_NONE_MATCH).any(|tag| self.matches_weakly(&tag)));
        }
        let since = read_date(headers, &header::IF_MODIFIED_SINCE);
        Ok(since.zip(self.modified).is_some_and(|(since, modified)| truncate_to_second(modified) <= since))
    }

    /// `If-Match`, or `If-Unmodified-Since` in its absence.
    fn check_unchanged(&self, headers: &HeaderMap) -> Result<(), Problem> {
        if headers.contains_key(header::IF_MATCH) {
            let is_current = list_tags(headers, &header::IF_MATCH)
                .any(|tag| tag == "*" || (tag == self.etag && !tag.starts_with("W/")));
            return if is_current { Ok(()) } else { Err(reject_change("If-Match", Some(&self.etag))) };
        }
        let since = read_date(headers, &header::IF_UNMODIFIED_SINCE);
        match since.zip(self.modified) {
            Some((since, modified)) if truncate_to_second(modified) > since => {
                Err(reject_change("If-Unmodified-Since", Some(&self.etag)))
            }
            _ => Ok(()),
        }
    }

    /// `If-None-Match` compares weakly: what is behind a `W/` counts.
    fn matches_weakly(&self, tag: &str) -> bool {
        let opaque = |tag: &str| tag.strip_prefix("W/").unwrap_or(tag).to_owned();
        tag == "*" || opaque(tag) == opaque(&self.etag)
    }
}

/// Checks the preconditions of a request that changes or creates something; `current` is what there is now, locked.
///
/// # Errors
/// 412 when they do not hold.
pub(crate) fn check_write(headers: &HeaderMap, current: Option<&Validators>) -> Result<(), Problem> {
    match current {
        Some(current) => {
            current.check_unchanged(headers)?;
            match list_tags(headers, &header::IF_NONE_MATCH).any(|tag| current.matches_weakly(&tag)) {
                true => Err(reject_change("If-None-Match", Some(&current.etag))),
                false => Ok(()),
            }
        }
        None if headers.contains_key(header::IF_MATCH) => Err(reject_change("If-Match", None)),
        None => Ok(()),
    }
}

/// Answers GET with JSON and its validators, or with 304.
///
/// # Errors
/// 412, see [`Validators::check_read`].
pub(crate) fn show_json(
    request: &HttpRequest,
    value: &impl Serialize,
    modified: Option<DateTime<Utc>>,
) -> Result<HttpResponse, Problem> {
    let validators = Validators::from_json(value, modified)?;
    let is_known = validators.check_read(request.headers())?;
    let mut answer = if is_known { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    validators.add_headers(&mut answer);
    answer.insert_header((header::CACHE_CONTROL, "private, no-cache"));
    Ok(if is_known { answer.finish() } else { answer.json(value) })
}

/// Answers a write with what there is now, and its validators.
pub(crate) fn show_changed(
    mut answer: HttpResponseBuilder,
    value: &impl Serialize,
    modified: Option<DateTime<Utc>>,
) -> Result<HttpResponse, Problem> {
    Validators::from_json(value, modified)?.add_headers(&mut answer);
    Ok(answer.json(value))
}

fn reject_change(header: &str, etag: Option<&str>) -> Problem {
    let detail = match etag {
        Some(etag) => format!(
            "The precondition `{header}` does not hold: there is another version by now. Nothing was done. Get the current one \
             and try again; its ETag is {etag}."
        ),
        None => format!("The precondition `{header}` does not hold: there is nothing here yet. Nothing was done."),
    };
    let problem = Problem::new(Code::PreconditionFailed, detail);
    etag.into_iter().fold(problem, |problem, etag| problem.with_header(header::ETAG, etag))
}

/// The entity tags of a header, which may have several lines. A comma inside of a tag does not separate.
fn list_tags(headers: &HeaderMap, name: &HeaderName) -> impl Iterator<Item = String> {
    let lines = headers.get_all(name).map(|line| String::from_utf8_lossy(line.as_bytes()).into_owned());
    lines.flat_map(|line| {
        let mut is_quoted = false;
        let tags = line.split(|letter: char| {
            is_quoted ^= letter == '"';
            letter == ',' && !is_quoted
        });
        tags.map(|tag| tag.trim().to_owned()).filter(|tag| !tag.is_empty()).collect::<Vec<_>>()
    })
}

/// The date of a header; none when it is not a date, which the RFC says to ignore.
fn read_date(headers: &HeaderMap, name: &HeaderName) -> Option<SystemTime> {
    httpdate::parse_http_date(headers.get(name)?.to_str().ok()?).ok()
}

/// HTTP dates have no fractions of a second.
fn truncate_to_second(time: DateTime<Utc>) -> SystemTime {
    DateTime::from_timestamp(time.timestamp(), 0).unwrap_or(time).into()
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    const DATE: &str = "Thu, 01 Jan 2026 00:00:00 GMT";
    const EARLIER: &str = "Wed, 31 Dec 2025 23:59:59 GMT";

    fn build_headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        headers
    }

    fn build_validators() -> Validators {
        let modified = "2026-01-01T00:00:00.9Z".parse().unwrap();
        Validators { etag: "\"a,b\"".into(), modified: Some(modified) }
    }

    #[test]
    fn reads_are_sent_known_or_refused() {
        let validators = build_validators();
        let read = |lines: &[(&'static str, &'static str)]| validators.check_read(&build_headers(lines)).ok();
        for (lines, expected) in [
            (&[][..], Some(false)),
            (&[("if-none-match", "\"x\", W/\"a,b\"")], Some(true)),
            (&[("if-none-match", "\"x\""), ("if-none-match", "*")], Some(true)),
            (&[("if-none-match", "\"a\"")], Some(false)),
            (&[("if-none-match", "\"x\""), ("if-modified-since", DATE)], Some(false)),
            (&[("if-modified-since", DATE)], Some(true)),
            (&[("if-modified-since", EARLIER)], Some(false)),
            (&[("if-modified-since", "yesterday")], Some(false)),
            (&[("if-match", "\"a,b\"")], Some(false)),
            (&[("if-match", "*")], Some(false)),
            (&[("if-match", "W/\"a,b\"")], None),
            (&[("if-match", "\"a\",\"b\"")], None),
            (&[("if-match", "\"a,b\""), ("if-none-match", "\"a,b\"")], Some(true)),
            (&[("if-match", "\"a,b\""), ("if-unmodified-since", EARLIER)], Some(false)),
            (&[("if-unmodified-since", EARLIER)], None),
            (&[("if-unmodified-since", DATE)], Some(false)),
        ] {
            assert_eq!(read(lines), expected, "{lines:?}");
        }
    }

    #[test]
    fn writes_are_done_or_refused() {
        let validators = build_validators();
        let write =
            |lines: &[(&'static str, &'static str)], current| check_write(&build_headers(lines), current).is_ok();
        for (line, exists, missing) in [
            (("if-match", "\"a,b\""), true, false),
            (("if-match", "*"), true, false),
            (("if-match", "\"a\""), false, false),
            (("if-none-match", "*"), false, true),
            (("if-none-match", "\"a,b\""), false, true),
            (("if-none-match", "\"x\""), true, true),
            (("if-unmodified-since", EARLIER), false, true),
            (("if-unmodified-since", DATE), true, true),
        ] {
            assert_eq!((write(&[line], Some(&validators)), write(&[line], None)), (exists, missing), "{line:?}");
        }
    }
}
