//! The one way in which bytes are handed out: originals, files, archives, manifests. Resumable, checkable, and never
//! something that a browser would run.

use std::fmt::Write;
use std::pin::Pin;
use std::time::SystemTime;

use actix_web::body::SizedStream;
use actix_web::http::header::{self, HeaderMap, HeaderName};
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures_util::{Stream, TryStreamExt, stream};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::api::problem::Problem;
use crate::api::range::Wanted;
use crate::code::Code;
use crate::db;
use crate::digest::Digest;
use crate::state::State;
use crate::storage::{self, Stretch};

/// Bytes that come piece by piece.
pub type Pieces = Pin<Box<dyn Stream<Item = Result<Bytes, storage::Error>>>>;

/// Where the bytes come from.
pub enum Source {
    /// A blob of the storage.
    Blob(Digest),
    /// Bytes that are put together when they are asked for: `len` of them from `offset` on.
    Made(Box<dyn FnOnce(u64, u64) -> Pieces>),
}

/// A representation that is to be handed out, whole or in part.
pub struct Download {
    /// Where the bytes come from.
    pub source: Source,
    /// How many there are.
    pub size: u64,
    /// What changes whenever a byte does. Written without quotes; visible ASCII.
    pub etag: String,
    /// Media type.
    pub mime: String,
    /// The name under which a browser saves it.
    pub file_name: String,
    /// SHA-256 of all bytes, where it is known before they are read.
    pub digest: Option<Digest>,
    /// When the bytes were last changed, where that is known.
    pub modified: Option<DateTime<Utc>>,
}

impl Download {
    /// The answer to a request for it: 200, 206 for one range, 304 when the client has it, all without a body for
    /// HEAD.
    ///
    /// # Errors
    /// 416 for a range that lies outside; `corrupt-original` when the bytes are known not to be what was stored, an
    /// internal problem when they are not there. Bytes whose damage shows only while they are sent break off.
    pub async fn answer(self, request: &HttpRequest, state: &State) -> Result<HttpResponse, Problem> {
        let headers = request.headers();
        if self.is_known_to(headers) {
            return Ok(self.head(StatusCode::NOT_MODIFIED).finish());
        }
        let crc32 = match &self.source {
            Source::Blob(digest) => Some(check(state, digest, self.size).await?),
            Source::Made(_) => None,
        };
        let head_only = request.method() == Method::HEAD;
        // A range is defined for GET only, and only for the representation that the client has a part of.
        let wanted = match !head_only && self.holds(headers) {
            true => Wanted::of(headers, self.size),
            false => Wanted::Whole,
        };
        let (status, span) = match wanted {
            Wanted::Whole => (StatusCode::OK, 0..self.size),
            Wanted::Part(span) => (StatusCode::PARTIAL_CONTENT, span),
            Wanted::Outside => return Err(outside(self.size)),
        };
        let mut answer = self.head(status);
        self.describe(&mut answer);
        if status == StatusCode::PARTIAL_CONTENT {
            answer
                .insert_header((header::CONTENT_RANGE, format!("bytes {}-{}/{}", span.start, span.end - 1, self.size)));
        }
        let len = span.end - span.start;
        // The connection writes the body's length by itself; what stands between it and us sees it only here.
        answer.insert_header((header::CONTENT_LENGTH, len));
        let pieces: Pieces = match self.source {
            _ if head_only => Box::pin(stream::empty()),
            Source::Blob(digest) => {
                let crc32 = crc32.filter(|_| len == self.size);
                Box::pin(state.storage.read(vec![Stretch { digest, offset: span.start, len, crc32 }]))
            }
            Source::Made(make) => make(span.start, len),
        };
        let state = state.clone();
        let pieces = pieces.inspect_err(move |error| {
            if let storage::Error::Damaged(digest) | storage::Error::Short(digest) = error {
                let (state, digest) = (state.clone(), *digest);
                tokio::spawn(async move { state.found_damaged(&digest).await });
            }
        });
        Ok(answer.body(SizedStream::new(len, pieces)))
    }

    /// What every answer says, also one that only says that nothing has changed.
    fn head(&self, status: StatusCode) -> HttpResponseBuilder {
        let mut answer = HttpResponse::build(status);
        answer
            .insert_header((header::ETAG, self.quoted_etag()))
            .insert_header((header::CACHE_CONTROL, "private, no-cache"))
            .insert_header((header::ACCEPT_RANGES, "bytes"));
        if let Some(modified) = self.modified {
            answer.insert_header((header::LAST_MODIFIED, httpdate::fmt_http_date(modified.into())));
        }
        answer
    }

    fn describe(&self, answer: &mut HttpResponseBuilder) {
        answer
            .content_type(self.mime.as_str())
            .insert_header((header::CONTENT_DISPOSITION, attachment(&self.file_name)))
            .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
            .insert_header((header::CONTENT_SECURITY_POLICY, "sandbox"));
        if let Some(digest) = self.digest {
            let name = HeaderName::from_static("repr-digest");
            answer.insert_header((name, format!("sha-256=:{}:", STANDARD.encode(digest.0))));
        }
    }

    fn quoted_etag(&self) -> String {
        format!("\"{}\"", self.etag)
    }

    /// Whether the client says that it has these bytes: `If-None-Match`, and in its absence `If-Modified-Since`.
    fn is_known_to(&self, headers: &HeaderMap) -> bool {
        if headers.contains_key(header::IF_NONE_MATCH) {
            let etag = self.quoted_etag();
            return headers.get_all(header::IF_NONE_MATCH).filter_map(|line| line.to_str().ok()).any(|line| {
                line.trim() == "*" || line.split(',').any(|tag| tag.trim().trim_start_matches("W/") == etag)
            });
        }
        let since = headers.get(header::IF_MODIFIED_SINCE).and_then(|line| line.to_str().ok());
        let since = since.and_then(|line| httpdate::parse_http_date(line).ok());
        match (since, self.modified) {
            // Dates of HTTP have no fractions of a second.
            (Some(since), Some(modified)) => whole_second(modified) <= since,
            _ => false,
        }
    }

    /// Whether a range may be answered with a part: the client has a part of these very bytes, or does not say. A date
    /// never holds: two versions may have come within one second of it.
    fn holds(&self, headers: &HeaderMap) -> bool {
        headers.get(header::IF_RANGE).is_none_or(|said| said.as_bytes() == self.quoted_etag().as_bytes())
    }
}

fn whole_second(time: DateTime<Utc>) -> SystemTime {
    DateTime::from_timestamp(time.timestamp(), 0).unwrap_or(time).into()
}

fn outside(size: u64) -> Problem {
    Problem::new(Code::RangeNotSatisfiable, format!("The range begins behind the end: there are {size} bytes."))
        .header(header::CONTENT_RANGE, &format!("bytes */{size}"))
}

/// A blob that is missing or cut must be an error now: later, with the headers sent, it can only be a broken line.
/// Gives the CRC-32 that its bytes must have.
async fn check(state: &State, digest: &Digest, size: u64) -> Result<u32, Problem> {
    let blob = db::blob::fetch(&state.db, digest).await?;
    if blob.damaged {
        return Err(corrupt());
    }
    match state.storage.size(digest).await? {
        stored if stored == size => Ok(blob.crc32 as u32),
        _ => {
            state.found_damaged(digest).await;
            Err(corrupt())
        }
    }
}

/// The problem of bytes that are no longer what was stored.
pub fn corrupt() -> Problem {
    let detail = "The stored bytes are no longer those that were stored, and are not handed out. Upload the original again, \
                  and retry or repeat the job.";
    Problem::new(Code::CorruptOriginal, detail)
}

/// What may stand in `filename*` as it is (RFC 8187, section 3.2.1).
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'!')
    .remove(b'#')
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b'-')
    .remove(b'.')
    .remove(b'^')
    .remove(b'_')
    .remove(b'`')
    .remove(b'|')
    .remove(b'~');

/// `Content-Disposition` for a file name: for old clients with what ASCII has of it, for others as it is.
fn attachment(name: &str) -> String {
    let plain = |letter: char| match letter {
        // A per cent sign would be decoded by some browsers.
        '"' | '\\' | '%' | '/' => '_',
        ' '..='~' => letter,
        _ => '_',
    };
    let mut value = format!("attachment; filename=\"{}\"", name.chars().map(plain).collect::<String>());
    let _ = write!(value, "; filename*=UTF-8''{}", utf8_percent_encode(name, PLAIN));
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_safe_in_their_header() {
        assert_eq!(attachment("a b.jpg"), "attachment; filename=\"a b.jpg\"; filename*=UTF-8''a%20b.jpg");
        assert_eq!(attachment("日.png"), "attachment; filename=\"_.png\"; filename*=UTF-8''%E6%97%A5.png");
        assert_eq!(
            attachment("\"; x=\\\r\n%41"),
            "attachment; filename=\"_; x=____41\"; filename*=UTF-8''%22%3B%20x%3D%5C%0D%0A%2541"
        );
    }
}
