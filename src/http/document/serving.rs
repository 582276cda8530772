//! `GET /openapi.json`: the document as bytes that are made once, compressed for those who can read that, with an entity
//! tag for each form.

use std::io::Write;

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderMap};
use actix_web::web::{Bytes, Data};
use actix_web::{HttpRequest, HttpResponse};
use flate2::Compression;
use flate2::write::GzEncoder;
use offprint_core::Digest;

use super::find_served_document;
use crate::app::AppState;
use crate::http::address::write_address;
use crate::http::resources::export_jobs::job::is_etag_listed;

/// The document as it is sent.
pub(super) struct ServedDocument {
    plain: Bytes,
    gzip: Bytes,
    digest: Digest,
}

impl ServedDocument {
    pub(super) fn new(text: String) -> Self {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        // Writing to memory cannot fail; if it did, clients would get the plain text.
        let gzip = encoder.write_all(text.as_bytes()).and_then(|()| encoder.finish()).unwrap_or_default();
        Self { digest: Digest::compute(text.as_bytes()), plain: text.into(), gzip: gzip.into() }
    }

    pub(super) fn text(&self) -> &str {
        std::str::from_utf8(&self.plain).unwrap_or_default()
    }

    fn answer(&self, headers: &HeaderMap) -> HttpResponse {
        let is_gzip = accepts_gzip(headers) && !self.gzip.is_empty();
        // A strong tag names bytes, so the compressed form has one of its own.
        let etag = format!("\"{}{}\"", &self.digest.to_string()[..32], if is_gzip { "-gzip" } else { "" });
        let known = headers.get(header::IF_NONE_MATCH).and_then(|tags| tags.to_str().ok());
        let is_known = known.is_some_and(|tags| is_etag_listed(tags, &etag));
        let mut answer = HttpResponse::build(if is_known { StatusCode::NOT_MODIFIED } else { StatusCode::OK });
        answer
            .insert_header((header::ETAG, etag))
            .insert_header((header::VARY, "Accept-Encoding"))
            .insert_header((header::CACHE_CONTROL, "no-cache"));
        if is_known {
            return answer.finish();
        }
        answer.content_type("application/json");
        if is_gzip {
            answer.insert_header((header::CONTENT_ENCODING, "gzip"));
        }
        answer.body(if is_gzip { self.gzip.clone() } else { self.plain.clone() })
    }
}

/// Whether `Accept-Encoding` allows gzip: by its name, or by `*` where the name is not there.
fn accepts_gzip(headers: &HeaderMap) -> bool {
    let lines = headers.get_all(header::ACCEPT_ENCODING).filter_map(|line| line.to_str().ok());
    let mut by_wildcard = false;
    for coding in lines.flat_map(|line| line.split(',')) {
        let mut parts = coding.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default().to_ascii_lowercase();
        let quality = parts.find_map(|part| part.strip_prefix("q=")).and_then(|quality| quality.parse::<f32>().ok());
        let is_allowed = quality.is_none_or(|quality| quality > 0.0);
        match name.as_str() {
            "gzip" | "x-gzip" => return is_allowed,
            "*" => by_wildcard = is_allowed,
            _ => {}
        }
    }
    by_wildcard
}

/// `GET /openapi.json`.
pub async fn show_document(state: Data<AppState>, request: HttpRequest) -> HttpResponse {
    let document = find_served_document(state.settings.is_key_required());
    match write_address("").as_str() {
        "" => document.answer(request.headers()),
        base => answer_below(base, document.text(), request.headers()),
    }
}

/// The document of a service below another address than the root. The middleware compresses it: its tag is weak.
fn answer_below(base: &str, text: &str, headers: &HeaderMap) -> HttpResponse {
    const SERVER_AT_ROOT: &str = "\"url\": \"/\"";
    // Clients put paths behind it, so there is no slash at its end.
    let text = text.replacen(SERVER_AT_ROOT, &format!("\"url\": \"{base}\""), 1);
    let etag = format!("W/\"{}\"", &Digest::compute(text.as_bytes()).to_string()[..32]);
    let known = headers.get(header::IF_NONE_MATCH).and_then(|tags| tags.to_str().ok());
    let is_known = known.is_some_and(|tags| is_etag_listed(tags, &etag));
    let mut answer = HttpResponse::build(if is_known { StatusCode::NOT_MODIFIED } else { StatusCode::OK });
    answer.insert_header((header::ETAG, etag)).insert_header((header::CACHE_CONTROL, "no-cache"));
    if is_known { answer.finish() } else { answer.content_type("application/json").body(text) }
}
