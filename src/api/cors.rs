//! What pages of other sites may do, where the settings allow a site at all (CORS). A browser asks beforehand, and lets
//! the page see of an answer only what is named here.

use actix_cors::Cors;
use actix_web::middleware::Condition;

/// Headers that pages send.
const SENT: [&str; 16] = [
    "accept",
    "accept-language",
    "authorization",
    "content-type",
    "idempotency-key",
    "if-match",
    "if-none-match",
    "if-range",
    "last-event-id",
    "range",
    "tus-resumable",
    "upload-checksum",
    "upload-length",
    "upload-metadata",
    "upload-offset",
    "x-request-id",
];
/// Headers of answers that pages read.
const READ: [&str; 27] = [
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
    "ratelimit-limit",
    "ratelimit-remaining",
    "ratelimit-reset",
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

/// Answers browsers for the pages of these sites. Cookies are never taken: a key is sent by the page itself.
pub fn allowed(origins: &[String]) -> Condition<Cors> {
    let cors = origins.iter().fold(Cors::default(), |cors, origin| cors.allowed_origin(origin));
    let cors = cors.allowed_methods(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]).allowed_headers(SENT);
    Condition::new(!origins.is_empty(), cors.expose_headers(READ).max_age(3600))
}
