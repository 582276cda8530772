//! `GET /openapi.json`: the document of this service with its entity tag. The middleware compresses it.

use actix_web::http::header;
use actix_web::web::{Bytes, Data};
use actix_web::{HttpRequest, HttpResponse};
use offprint_core::Digest;

use super::find_served_document;
use crate::app::AppState;
use crate::http::address::write_address;
use crate::http::extract::preconditions::Validators;
use crate::http::problem::Problem;

/// How the document names the address of a service at the root of its host.
const SERVER_AT_ROOT: &str = "\"url\": \"/\"";

/// A document as it is sent.
pub(super) struct ServedDocument {
    text: Bytes,
    validators: Validators,
}

impl ServedDocument {
    pub(super) fn new(text: String) -> Self {
        // The tag is weak: it also stands for the compressed form.
        let etag = format!("W/\"{}\"", &Digest::compute(text.as_bytes()).to_string()[..32]);
        Self { text: text.into(), validators: Validators { etag, modified: None } }
    }

    pub(super) fn text(&self) -> &str {
        std::str::from_utf8(&self.text).unwrap_or_default()
    }

    /// The same document for a service below a path.
    fn place_below(&self, base: &str) -> Self {
        // Clients put paths behind it, so there is no slash at its end.
        Self::new(self.text().replacen(SERVER_AT_ROOT, &format!("\"url\": \"{base}\""), 1))
    }

    fn answer(&self, request: &HttpRequest) -> Result<HttpResponse, Problem> {
        let is_known = self.validators.check_read(request.headers())?;
        let mut answer = if is_known { HttpResponse::NotModified() } else { HttpResponse::Ok() };
        self.validators.add_headers(&mut answer);
        answer.insert_header((header::CACHE_CONTROL, "no-cache"));
        if is_known {
            return Ok(answer.insert_header((header::VARY, "Accept-Encoding")).finish());
        }
        Ok(answer.content_type("application/json").body(self.text.clone()))
    }
}

/// `GET /openapi.json`.
pub async fn show_document(state: Data<AppState>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let document = find_served_document(state.settings.is_key_required());
    match write_address("").as_str() {
        "" => document.answer(&request),
        base => document.place_below(base).answer(&request),
    }
}
