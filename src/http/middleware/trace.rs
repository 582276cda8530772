//! Every request gets an ID, the address of its client, one log line and one measurement.

use std::time::Instant;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::error::InternalError;
use actix_web::http::Method;
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::web::Data;
use actix_web::{Error, HttpMessage, HttpRequest};
use tracing::{Instrument, info, info_span};
use uuid::Uuid;

use crate::app::AppState;
use crate::http::extract::caller::Caller;
use crate::http::middleware::client_ip::ClientInfo;
use crate::http::middleware::response_headers::map_response_headers;
use crate::http::middleware::route::{find_route, get_logged_path};
use crate::http::operations::{Deadline, Route};
use crate::http::problem::REQUEST_ID;

const REQUEST_ID_HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// Gives the request an ID (the caller's `X-Request-Id` if it has only letters, digits, `-`, `_` and `.`), determines the
/// client's address, and writes one log line when the response is ready.
pub async fn trace_request(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let id = read_request_id(request.headers());
    let started = Instant::now();
    let (route, path) = (find_route(&request), get_logged_path(&request));
    let method = name_method(request.method());
    let is_waiting = asks_to_wait(route, request.request());
    let settings = request.app_data::<Data<AppState>>().map(|state| state.settings.clone());
    let client =
        settings.as_ref().map(|settings| ClientInfo::from_connection(request.peer_addr(), request.headers(), settings));
    let client = client.unwrap_or_default();
    request.extensions_mut().insert(client);
    let span = info_span!("request", request.id = %id);
    let answer = REQUEST_ID.scope(id.clone(), convert_error_response(request, next)).instrument(span.clone()).await;
    let (status, caller) = match &answer {
        Ok(answer) => (answer.status(), answer.request().extensions().get::<Caller>().copied()),
        Err(error) => (error.as_response_error().status_code(), None),
    };
    // Ids only: a log is read by more people than the list of users.
    let user = caller.and_then(|caller| caller.user).map(|user| user.to_string());
    let key = caller.and_then(|caller| caller.key).map(|key| key.to_string());
    let status = status.as_u16();
    let took = started.elapsed();
    // Rounded to a tenth.
    let took_ms = (took.as_secs_f64() * 10_000.0).round() / 10.0;
    let address = client.address.map(|address| address.to_string());
    let operation = route.operation().map_or("none", |operation| operation.id);
    span.in_scope(|| {
        info!(
            http.method = method,
            http.path = path,
            http.operation = operation,
            http.status = status,
            client.address = address,
            user.handle = user,
            key.handle = key,
            took_ms,
            "{method} {path} -> {status}"
        )
    });
    let labels = [("method", method.to_owned()), ("operation", operation.to_owned()), ("status", status.to_string())];
    match is_waiting {
        true => metrics::histogram!("offprint_http_wait_seconds", &labels).record(took.as_secs_f64()),
        false => metrics::histogram!("offprint_http_seconds", &labels).record(took.as_secs_f64()),
    }
    let hsts = settings.map(|settings| settings.hsts.as_secs()).filter(|seconds| client.secure && *seconds > 0);
    let add_headers = move |headers: &mut HeaderMap| {
        if let Ok(value) = HeaderValue::from_str(&id) {
            headers.insert(REQUEST_ID_HEADER, value);
        }
        if let Some(Ok(value)) = hsts.map(|seconds| HeaderValue::from_str(&format!("max-age={seconds}"))) {
            headers.insert(header::STRICT_TRANSPORT_SECURITY, value);
        }
    };
    map_response_headers(answer, add_headers)
}

/// Whether the client asks the service to wait, by `?wait=` or `Prefer: wait`. How long that takes says nothing of how fast
/// the service is.
fn asks_to_wait(route: Route, request: &HttpRequest) -> bool {
    let can_wait = route.operation().is_some_and(|operation| operation.deadline == Deadline::Wait);
    let has_parameter = || request.query_string().split('&').any(|part| part.starts_with("wait=") && part != "wait=0");
    let has_preference = || {
        let values = request.headers().get_all("prefer").filter_map(|value| value.to_str().ok());
        values.flat_map(|value| value.split([',', ';'])).any(|part| part.trim_start().starts_with("wait"))
    };
    can_wait && (has_parameter() || has_preference())
}

/// The method as logs and metrics have it. A client can make up any name, and each would be a time series of its own.
pub fn name_method(method: &Method) -> &'static str {
    const KNOWN: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"];
    KNOWN.into_iter().find(|known| *known == method.as_str()).unwrap_or("OTHER")
}

/// Calls the next service. An error becomes a response here, inside the scope of [`REQUEST_ID`], so that the problem has
/// the request's ID.
async fn convert_error_response<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, Error> {
    let error = match next.call(request).await {
        Ok(answer) => return Ok(answer),
        Err(error) => error,
    };
    Err(InternalError::from_response("a problem", error.error_response()).into())
}

fn read_request_id(headers: &HeaderMap) -> String {
    let sent = headers.get(REQUEST_ID_HEADER).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let is_plain = sent.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    if (1..=64).contains(&sent.len()) && is_plain { sent.to_owned() } else { Uuid::now_v7().to_string() }
}
