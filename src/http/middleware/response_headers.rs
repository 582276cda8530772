//! Headers that protect whoever opens a response in a browser. Responses that have stricter ones keep them.

use actix_web::Error;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::middleware::Next;

/// What a page may load: its own scripts, styles and images, and previews of images (`blob:`) in Swagger UI, which also
/// has inline styles. No other site may show it in a frame, where a click could be stolen.
const PAGE_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; \
     font-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);

/// What is no page may load nothing, even if a browser is made to show it as one.
const DATA_POLICY: HeaderValue = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");

/// Adds the headers to every response.
pub async fn protect_response(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    map_response_headers(next.call(request).await, add_protection)
}

/// Changes the headers of a response, which can also be an error.
pub fn map_response_headers<B>(
    answer: Result<ServiceResponse<B>, Error>,
    change: impl Fn(&mut HeaderMap) + 'static,
) -> Result<ServiceResponse<B>, Error> {
    match answer {
        Ok(mut answer) => {
            change(answer.headers_mut());
            Ok(answer)
        }
        Err(mut error) => {
            error.add_response_mapper(move |mut answer| {
                change(answer.headers_mut());
                answer
            });
            Err(error)
        }
    }
}

fn add_protection(headers: &mut HeaderMap) {
    let set_default = |headers: &mut HeaderMap, name: HeaderName, value: HeaderValue| {
        if !headers.contains_key(&name) {
            headers.insert(name, value);
        }
    };
    // A browser must not guess that JSON, text or a file is a page.
    set_default(headers, header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    let media = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let is_page = media.trim_start().to_ascii_lowercase().starts_with("text/html");
    set_default(headers, header::CONTENT_SECURITY_POLICY, if is_page { PAGE_POLICY } else { DATA_POLICY });
    // For browsers that do not know `frame-ancestors`.
    set_default(headers, header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    set_default(headers, header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    // What one caller may see is not for caches that others share, and is kept only where it can be validated.
    let caching = if headers.contains_key(header::ETAG) { "private, no-cache" } else { "private, no-store" };
    set_default(headers, header::CACHE_CONTROL, HeaderValue::from_static(caching));
}
