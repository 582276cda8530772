//! Compresses responses with gzip (RFC 9110, 8.4): JSON, pages and metrics that are in memory as a whole.
//!
//! Left alone are files and ranges of them, live streams, and what has a strong `ETag`, which names exactly these bytes. So is
//! what has secrets: whoever can have text of their own reflected beside a secret, and sees how long the answer is, can guess
//! the secret letter by letter (BREACH). Such answers are those with `Cache-Control: no-store` and the operations of
//! [`AuditClass::Disclosure`].

use std::io::Write;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderMap, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{Error, HttpResponse};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::http::extract::accept::find_coding_quality;
use crate::http::middleware::route::find_route;
use crate::http::operations::AuditClass;

/// Smaller bodies fit into a packet or two anyway.
const MIN_COMPRESSED_BYTES: usize = 1024;
/// Larger ones are compressed on another thread, so that other requests go on meanwhile.
const MAX_INLINE_BYTES: usize = 128 << 10;
/// Fast; JSON gets hardly smaller at higher levels.
const LEVEL: Compression = Compression::new(4);

/// Compresses the body where client and response allow it.
pub async fn compress_response(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let quality = |coding| find_coding_quality(request.headers(), coding);
    let is_wanted = quality("gzip") > 0.0 && quality("gzip") >= quality("identity");
    let has_secrets =
        find_route(&request).operation().is_some_and(|operation| operation.audit == AuditClass::Disclosure);
    let answer = next.call(request).await?;
    if has_secrets || !is_compressible(answer.status(), answer.headers()) {
        return Ok(answer.map_into_boxed_body());
    }
    let (request, response) = answer.into_parts();
    let (mut response, body) = response.into_parts();
    response.headers_mut().append(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    let response = match body.try_into_bytes() {
        Ok(bytes) if is_wanted && bytes.len() >= MIN_COMPRESSED_BYTES => set_compressed_body(response, bytes).await,
        Ok(bytes) => response.set_body(BoxBody::new(bytes)),
        Err(body) => response.set_body(body.boxed()),
    };
    Ok(ServiceResponse::new(request, response))
}

async fn set_compressed_body(mut response: HttpResponse<()>, bytes: Bytes) -> HttpResponse {
    let compressed = match bytes.len() {
        length if length <= MAX_INLINE_BYTES => compress(&bytes),
        _ => {
            let bytes = bytes.clone();
            tokio::task::spawn_blocking(move || compress(&bytes)).await.unwrap_or_default()
        }
    };
    match compressed {
        Some(compressed) if compressed.len() < bytes.len() => {
            response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            response.set_body(BoxBody::new(compressed))
        }
        _ => response.set_body(BoxBody::new(bytes)),
    }
}

fn compress(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(bytes.len() / 4), LEVEL);
    encoder.write_all(bytes).ok()?;
    encoder.finish().ok()
}

fn is_compressible(status: StatusCode, headers: &HeaderMap) -> bool {
    let value_of = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok()).unwrap_or_default();
    let media = value_of(header::CONTENT_TYPE).split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let is_text = media.ends_with("json")
        || matches!(
            media.as_str(),
            "text/html" | "text/css" | "text/plain" | "text/javascript" | "application/javascript"
        )
        || media == "image/svg+xml";
    let caching = value_of(header::CACHE_CONTROL);
    is_text
        && status != StatusCode::PARTIAL_CONTENT
        && !value_of(header::ETAG).starts_with('"')
        && !headers.contains_key(header::CONTENT_ENCODING)
        && !["no-store", "no-transform"].iter().any(|directive| caching.contains(directive))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_text_without_secrets_is_compressed() {
        let check = |lines: &[(&'static str, &'static str)], status: u16| {
            let mut headers = HeaderMap::new();
            for (name, value) in lines {
                headers.append(header::HeaderName::from_static(name), HeaderValue::from_static(value));
            }
            is_compressible(StatusCode::from_u16(status).unwrap(), &headers)
        };
        let json = ("content-type", "application/problem+json");
        assert!(check(&[json], 404));
        assert!(check(&[("content-type", "text/html; charset=utf-8"), ("etag", "W/\"1\"")], 200));
        for left_alone in [
            &[json, ("cache-control", "no-store")][..],
            &[json, ("etag", "\"1\"")],
            &[json, ("content-encoding", "br")],
            &[("content-type", "text/event-stream")],
            &[("content-type", "image/jpeg")],
            &[],
        ] {
            assert!(!check(left_alone, 200), "{left_alone:?}");
        }
        assert!(!check(&[json], 206));
    }
}
