//! The one way to send stored bytes: originals, files, archives, manifests.
//!
//! Where the operator wants it, clients are sent to the object store for single files. Otherwise it
//! evaluates ranges and preconditions, so that downloads are resumable; adds checksums where they are known; and sends
//! everything as an attachment with `nosniff` and a sandbox policy, so that a browser never runs an uploaded file.

use std::fmt::Write;
use std::pin::Pin;
use std::time::Duration;

use actix_web::body::{BodyStream, SizedStream};
use actix_web::http::header::{self, HeaderMap, HeaderName};
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures_util::{Stream, TryStreamExt, stream};
use offprint_core::{Code, Digest};
use offprint_storage::{BlobRange, DownloadHeaders};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use tracing::warn;

use crate::app::AppState;
use crate::db;
use crate::http::extract::preconditions::Validators;
use crate::http::extract::range::ByteRange;
use crate::http::problem::Problem;

/// How long an address of the store may be used to begin a download.
const REDIRECT_TTL: Duration = Duration::from_secs(300);

pub type ByteStream = Pin<Box<dyn Stream<Item = Result<Bytes, offprint_storage::StorageError>>>>;

/// Where the bytes of a response come from.
pub enum FileSource {
    /// A blob of the storage.
    Blob(Digest),
    /// Bytes that are generated on request: called with `(offset, len)`.
    Generated(Box<dyn FnOnce(u64, u64) -> ByteStream>),
}

/// A representation to send, whole or in part.
pub struct FileResponse {
    pub source: FileSource,
    /// Bytes of the whole.
    pub size: u64,
    /// Strong entity tag, without quotes; visible ASCII.
    pub etag: String,
    pub mime: String,
    /// The name under which a browser saves it.
    pub file_name: String,
    /// SHA-256 of the whole, if it is known before the bytes are read.
    pub digest: Option<Digest>,
    /// When the bytes last changed, if that is known.
    pub modified: Option<DateTime<Utc>>,
    /// Whether the client may be sent to the object store, if the operator wants that.
    pub may_redirect: bool,
}

impl FileResponse {
    /// A whole blob of this size, in bytes.
    pub fn from_blob(sha256: Digest, size: i64, mime: &str, file_name: &str) -> Self {
        Self {
            source: FileSource::Blob(sha256),
            size: size as u64,
            etag: sha256.to_string(),
            mime: mime.to_owned(),
            file_name: file_name.to_owned(),
            digest: Some(sha256),
            modified: None,
            may_redirect: false,
        }
    }

    /// Bytes that are stored nowhere.
    pub fn from_bytes(bytes: Bytes, mime: &str, file_name: &str) -> Self {
        let (digest, size) = (Digest::compute(&bytes), bytes.len() as i64);
        let slice = move |offset: u64, len: u64| -> ByteStream {
            let part = bytes.slice(offset as usize..(offset + len) as usize);
            Box::pin(stream::once(async move { Ok(part) }))
        };
        Self { source: FileSource::Generated(Box::new(slice)), ..Self::from_blob(digest, size, mime, file_name) }
    }

    /// The response: 200, 206 for one range, 304 when the client has the current bytes; without a body for HEAD.
    ///
    /// # Errors
    /// 412 when the client asks for another version only (`If-Match`); 416 for a range outside; `corrupt-original` when the stored bytes are known to be damaged or are missing. Damage
    /// that is found only while sending ends the connection early: the status was sent already.
    pub async fn into_response(self, request: &HttpRequest, state: &AppState) -> Result<HttpResponse, Problem> {
        let headers = request.headers();
        if self.validators().check_read(headers)? {
            return Ok(self.start_response(StatusCode::NOT_MODIFIED).finish());
        }
        let crc32 = match &self.source {
            FileSource::Blob(digest) => Some(check_blob(state, digest, self.size).await?),
            FileSource::Generated(_) => None,
        };
        if let Some(answer) = self.redirect_to_store(request, state).await {
            return Ok(answer);
        }
        let head_only = request.method() == Method::HEAD;
        // Ranges are defined for GET only, and `If-Range` limits them to the representation that the client knows.
        let range = match !head_only && self.is_range_current(headers) {
            true => ByteRange::from_headers(headers, self.size),
            false => ByteRange::Whole,
        };
        let (status, span) = match range {
            ByteRange::Whole => (StatusCode::OK, 0..self.size),
            ByteRange::Part(span) => (StatusCode::PARTIAL_CONTENT, span),
            ByteRange::Unsatisfiable => return Err(reject_range(self.size)),
        };
        let mut answer = self.start_response(status);
        self.add_content_headers(&mut answer);
        if status == StatusCode::PARTIAL_CONTENT {
            answer
                .insert_header((header::CONTENT_RANGE, format!("bytes {}-{}/{}", span.start, span.end - 1, self.size)));
        }
        let len = span.end - span.start;
        // actix writes the length of the body itself, but the middleware and tests see only this header.
        answer.insert_header((header::CONTENT_LENGTH, len));
        if head_only {
            // Not a body of this length, see `OmittedBody`.
            let nothing = stream::empty::<Result<Bytes, offprint_storage::StorageError>>();
            // `streaming` would make it one again.
            return Ok(answer.no_chunking(len).body(BodyStream::new(nothing)));
        }
        let pieces: ByteStream = match self.source {
            FileSource::Blob(digest) => {
                let crc32 = crc32.filter(|_| len == self.size);
                Box::pin(state.storage.read_ranges(vec![BlobRange { digest, offset: span.start, len, crc32 }]))
            }
            FileSource::Generated(make) => make(span.start, len),
        };
        let state = state.clone();
        let pieces = pieces.inspect_err(move |error| {
            if let offprint_storage::StorageError::Damaged(digest) | offprint_storage::StorageError::Truncated(digest) =
                error
            {
                let (state, digest) = (state.clone(), *digest);
                tokio::spawn(async move { state.report_damaged_blob(&digest).await });
            }
        });
        Ok(answer.body(SizedStream::new(len, pieces)))
    }

    /// 307 to the object store, where the operator wants that. HEAD has no address there, and a condition on our entity tag
    /// would be compared with the store's: such requests are served here.
    async fn redirect_to_store(&self, request: &HttpRequest, state: &AppState) -> Option<HttpResponse> {
        let (FileSource::Blob(digest), Some(signer)) = (&self.source, &state.download_signer) else { return None };
        let conditions = [header::IF_MATCH, header::IF_UNMODIFIED_SINCE, header::IF_RANGE];
        let is_conditional = conditions.iter().any(|name| request.headers().contains_key(name));
        if !self.may_redirect || request.method() != Method::GET || is_conditional {
            return None;
        }
        let disposition = format_attachment(&self.file_name);
        let headers = DownloadHeaders { media_type: &self.mime, disposition: &disposition };
        match signer.sign(digest, headers, REDIRECT_TTL).await {
            Ok(url) => {
                let mut answer = HttpResponse::TemporaryRedirect();
                self.validators().add_headers(&mut answer);
                answer.insert_header((header::LOCATION, url)).insert_header((header::CACHE_CONTROL, "no-store"));
                Some(answer.finish())
            }
            Err(error) => {
                warn!(error = %error, "An address of the store could not be signed, so the file is sent from here: {error}");
                None
            }
        }
    }

    /// The headers that a 304 has, too.
    fn start_response(&self, status: StatusCode) -> HttpResponseBuilder {
        let mut answer = HttpResponse::build(status);
        self.validators().add_headers(&mut answer);
        answer
            .insert_header((header::CACHE_CONTROL, "private, no-cache"))
            .insert_header((header::ACCEPT_RANGES, "bytes"));
        answer
    }

    fn add_content_headers(&self, answer: &mut HttpResponseBuilder) {
        answer
            .content_type(self.mime.as_str())
            .insert_header((header::CONTENT_DISPOSITION, format_attachment(&self.file_name)))
            .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
            .insert_header((header::CONTENT_SECURITY_POLICY, "sandbox; default-src 'none'; frame-ancestors 'none'"));
        if let Some(digest) = self.digest {
            let name = HeaderName::from_static("repr-digest");
            answer.insert_header((name, format!("sha-256=:{}:", STANDARD.encode(digest.0))));
        }
    }

    fn validators(&self) -> Validators {
        Validators { etag: self.quoted_etag(), modified: self.modified }
    }

    fn quoted_etag(&self) -> String {
        format!("\"{}\"", self.etag)
    }

    /// Whether `If-Range` is absent or names these bytes. A date never matches: two versions may exist within the same
    /// second, and a client would join parts of both.
    fn is_range_current(&self, headers: &HeaderMap) -> bool {
        headers.get(header::IF_RANGE).is_none_or(|tag| tag.as_bytes() == self.quoted_etag().as_bytes())
    }
}

fn reject_range(size: u64) -> Problem {
    Problem::new(Code::RangeNotSatisfiable, format!("The range begins after the end: the file has {size} bytes."))
        .with_header(header::CONTENT_RANGE, &format!("bytes */{size}"))
}

/// Checks before the status is sent that a blob is there and complete: afterwards an error could only cut the connection.
/// Returns the CRC-32 that its bytes must have.
async fn check_blob(state: &AppState, digest: &Digest, size: u64) -> Result<u32, Problem> {
    let blob = db::blob::fetch_blob(&state.db, digest).await?;
    if blob.damaged {
        return Err(reject_corrupt_file());
    }
    match state.storage.size(digest).await? {
        stored if stored == size => Ok(blob.crc32 as u32),
        _ => {
            state.report_damaged_blob(digest).await;
            Err(reject_corrupt_file())
        }
    }
}

pub fn reject_corrupt_file() -> Problem {
    let detail = "The stored file is damaged and cannot be served. Upload the original again, then retry the job or create it \
                  again.";
    Problem::new(Code::CorruptOriginal, detail)
}

/// The characters to encode in `filename*`: all but `attr-char` (RFC 8187, section 3.2.1).
const NON_ATTR_CHARS: &AsciiSet = &NON_ALPHANUMERIC
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

/// `Content-Disposition` for a file name: `filename` in ASCII for old clients, `filename*` with the full name.
fn format_attachment(name: &str) -> String {
    let plain = |letter: char| match letter {
        // Some browsers decode a percent sign.
        '"' | '\\' | '%' | '/' => '_',
        ' '..='~' => letter,
        _ => '_',
    };
    let mut value = format!("attachment; filename=\"{}\"", name.chars().map(plain).collect::<String>());
    let _ = write!(value, "; filename*=UTF-8''{}", utf8_percent_encode(name, NON_ATTR_CHARS));
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_safe_in_their_header() {
        assert_eq!(format_attachment("a b.jpg"), "attachment; filename=\"a b.jpg\"; filename*=UTF-8''a%20b.jpg");
        assert_eq!(format_attachment("日.png"), "attachment; filename=\"_.png\"; filename*=UTF-8''%E6%97%A5.png");
        assert_eq!(
            format_attachment("\"; x=\\\r\n%41"),
            "attachment; filename=\"_; x=____41\"; filename*=UTF-8''%22%3B%20x%3D%5C%0D%0A%2541"
        );
    }
}
