//! What is known and written down of every request: its id, where it comes from, one line in the log.

use std::time::Instant;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::error::InternalError;
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::web::Data;
use actix_web::{Error, HttpMessage};
use tracing::{Instrument, info, info_span};
use uuid::Uuid;

use crate::api::peer::Peer;
use crate::api::problem::REQUEST_ID;
use crate::state::State;

const REQUEST_ID_HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// Gives the request an id (the caller's own when it is a plain word), finds out where it comes from, and writes one log
/// line when it is answered.
pub async fn trace(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let id = request_id(request.headers());
    let begun = Instant::now();
    let (method, path) = (request.method().clone(), shown(request.path()).to_owned());
    let settings = request.app_data::<Data<State>>().map(|state| state.settings.clone());
    let peer = settings.as_ref().map(|settings| Peer::of(request.peer_addr(), request.headers(), settings));
    let peer = peer.unwrap_or_default();
    request.extensions_mut().insert(peer);
    let span = info_span!("request", request.id = %id);
    let answer = REQUEST_ID.scope(id.clone(), answered(request, next)).instrument(span.clone()).await;
    let status = match &answer {
        Ok(answer) => answer.status(),
        Err(error) => error.as_response_error().status_code(),
    };
    let status = status.as_u16();
    let took = begun.elapsed();
    // To a tenth.
    let took_ms = (took.as_secs_f64() * 10_000.0).round() / 10.0;
    let address = peer.address.map(|address| address.to_string());
    span.in_scope(|| {
        info!(http.method = %method, http.path = path, http.status = status, client.address = address, took_ms,
              "{method} {path} -> {status}")
    });
    metrics::histogram!("offprint_http_seconds", "method" => method.to_string(), "status" => status.to_string())
        .record(took.as_secs_f64());
    let hsts = settings.map(|settings| settings.hsts.as_secs()).filter(|seconds| peer.secure && *seconds > 0);
    let sign = move |headers: &mut HeaderMap| {
        if let Ok(value) = HeaderValue::from_str(&id) {
            headers.insert(REQUEST_ID_HEADER, value);
        }
        if let Some(Ok(value)) = hsts.map(|seconds| HeaderValue::from_str(&format!("max-age={seconds}"))) {
            headers.insert(header::STRICT_TRANSPORT_SECURITY, value);
        }
    };
    match answer {
        Ok(mut answer) => {
            sign(answer.headers_mut());
            Ok(answer)
        }
        Err(mut error) => {
            error.add_response_mapper(move |mut answer| {
                sign(answer.headers_mut());
                answer
            });
            Err(error)
        }
    }
}

/// The path as the log may have it. The end of a link's address is a secret.
pub fn shown(path: &str) -> &str {
    if path.starts_with("/downloads/") { "/downloads/…" } else { path }
}

/// The answer. A problem of those who stand before the handlers becomes one here, while its request's id is known.
async fn answered<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, Error> {
    let error = match next.call(request).await {
        Ok(answer) => return Ok(answer),
        Err(error) => error,
    };
    Err(InternalError::from_response("a problem", error.error_response()).into())
}

fn request_id(headers: &HeaderMap) -> String {
    let said = headers.get(REQUEST_ID_HEADER).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let plain = said.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    if (1..=64).contains(&said.len()) && plain { said.to_owned() } else { Uuid::now_v7().to_string() }
}
