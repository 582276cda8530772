//! CORS for the origins in OFFPRINT_CORS_ORIGINS: which headers their pages may send and read.

use actix_cors::Cors;
use actix_web::middleware::Condition;

/// Request headers that pages may send.
const ALLOWED_HEADERS: [&str; 20] = [
    "accept",
    "accept-language",
    "authorization",
    "content-encoding",
    "content-type",
    "idempotency-key",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "last-event-id",
    "prefer",
    "range",
    "tus-resumable",
    "upload-checksum",
    "upload-length",
    "upload-metadata",
    "upload-offset",
    "x-request-id",
];
/// Response headers that pages may read.
const EXPOSED_HEADERS: [&str; 27] = [
    "accept-ranges",
    "asset-handle",
    "content-disposition",
    "content-language",
    "content-length",
    "content-range",
    "etag",
    "idempotent-replayed",
    "last-modified",
    "link",
    "location",
    "preference-applied",
    "ratelimit",
    "ratelimit-policy",
    "repr-digest",
    "retry-after",
    "tus-checksum-algorithm",
    "tus-extension",
    "tus-max-size",
    "tus-resumable",
    "tus-version",
    "upload-expires",
    "upload-length",
    "upload-metadata",
    "upload-offset",
    "www-authenticate",
    "x-request-id",
];

/// CORS for these origins; off without any. Credentials (cookies) are not allowed: pages send an API key themselves.
pub fn build_cors(origins: &[String]) -> Condition<Cors> {
    let cors = origins.iter().fold(Cors::default(), |cors, origin| cors.allowed_origin(origin));
    let cors = cors.allowed_methods(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]).allowed_headers(ALLOWED_HEADERS);
    Condition::new(!origins.is_empty(), cors.expose_headers(EXPOSED_HEADERS).max_age(3600))
}
