//! `Content-Type` and `Content-Encoding` of a request: a body that would be misread is refused before it is read.

use actix_web::http::header::{self, HeaderMap};
use offprint_core::Code;

use crate::http::operations::BodyRule;
use crate::http::problem::Problem;

/// Checks the headers against what the operation takes.
///
/// # Errors
/// 415 with what to send instead. JSON needs its media type: a page of another site can make a browser send a body
/// without one, and as text, but not as JSON.
pub fn check_content_headers(rule: BodyRule, headers: &HeaderMap) -> Result<(), Problem> {
    let (media, charset) = read_content_type(headers);
    let is_json = is_json_media(&media);
    let remedy = match rule {
        BodyRule::Empty => return Ok(()),
        BodyRule::OptionalJson if !announces_bytes(headers) => return Ok(()),
        BodyRule::Json | BodyRule::OptionalJson | BodyRule::ExportRequest if !is_json => {
            "Send the body as `Content-Type: application/json`."
        }
        BodyRule::Json | BodyRule::OptionalJson | BodyRule::ExportRequest
            if !matches!(charset.as_str(), "" | "utf-8" | "utf8" | "us-ascii") =>
        {
            "JSON is always UTF-8. Send the body as `Content-Type: application/json`, without another `charset`."
        }
        BodyRule::ExportList if !is_json && !is_table(headers) && !is_plain_text(headers) => {
            "Send the request as `Content-Type: application/json`, or a list of assets as `text/csv` or `text/plain`."
        }
        BodyRule::ExportList if !matches!(charset.as_str(), "" | "utf-8" | "utf8" | "us-ascii") => {
            "Send the body as UTF-8, without another `charset`."
        }
        BodyRule::CatalogFiles if !is_json && !is_plain_text(headers) && !is_table(headers) => {
            "Send the file as `Content-Type: text/plain` or `text/tab-separated-values`, or several as `application/json`."
        }
        BodyRule::Addresses if !is_address_list(&media) => {
            "Send the addresses as `Content-Type: text/plain`, `text/xml` or `application/gzip`. Example: `curl \
             --data-binary @access.log -H 'content-type: text/plain'`."
        }
        BodyRule::Form | BodyRule::FileForm if media != "multipart/form-data" => {
            "Send the files as `multipart/form-data` in parts named `file`. Example: `curl -F file=@photo.jpg`."
        }
        BodyRule::Records if !is_table(headers) && !is_json_lines(&media) && !is_json => {
            "Send the records as `Content-Type: application/json`, `application/x-ndjson` (a JSON object a line) or `text/csv`."
        }
        BodyRule::Records if !matches!(charset.as_str(), "" | "utf-8" | "utf8" | "us-ascii") => {
            "Send the records as UTF-8, without another `charset`."
        }
        // `curl -F` and `curl -d`: what a form wraps around a file would become part of the file.
        BodyRule::Bytes if media.starts_with("multipart/") || media == "application/x-www-form-urlencoded" => {
            "The body is the file itself, not a form. Send it as `Content-Type: application/octet-stream`. Example: \
             `curl -T photo.jpg`."
        }
        BodyRule::Bytes if headers.contains_key(header::CONTENT_RANGE) => {
            let detail = "`Content-Range` is not supported: the body would replace the whole file. To send a file in parts \
                          use /uploads.";
            return Err(Problem::invalid_parameter("Content-Range", detail));
        }
        _ => return check_encoding(rule, headers),
    };
    Err(Problem::new(Code::UnsupportedMediaType, remedy))
}

/// Whether a body of records is a table.
pub(crate) fn is_table(headers: &HeaderMap) -> bool {
    matches!(read_content_type(headers).0.as_str(), "text/csv" | "application/csv" | "text/tab-separated-values")
}

/// Whether a media type is that of a log, a list or a sitemap.
fn is_address_list(media: &str) -> bool {
    let known = [
        "text/plain",
        "text/csv",
        "text/xml",
        "application/xml",
        "application/gzip",
        "application/x-gzip",
        // Of clients that know no other type of a body that is no JSON. What it is, is seen in it.
        "application/octet-stream",
    ];
    known.contains(&media)
}

/// Whether a body is JSON.
pub(crate) fn is_json(headers: &HeaderMap) -> bool {
    is_json_media(&read_content_type(headers).0)
}

fn is_json_media(media: &str) -> bool {
    media == "application/json" || (media.starts_with("application/") && media.ends_with("+json"))
}

/// Whether a body is a plain text.
pub(crate) fn is_plain_text(headers: &HeaderMap) -> bool {
    read_content_type(headers).0 == "text/plain"
}

/// Whether a media type is that of JSON objects, one a line.
fn is_json_lines(media: &str) -> bool {
    matches!(media, "application/x-ndjson" | "application/ndjson" | "application/jsonl" | "application/x-jsonlines")
}

/// Whether the head says that there are bytes. A body without a length may be empty; who reads it looks at its type again.
fn announces_bytes(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_LENGTH).is_some_and(|length| length.as_bytes() != b"0")
}

/// How a body is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ContentCoding {
    Identity,
    Gzip,
}

/// The coding of a body; none when it is not supported, or when there are several.
pub(crate) fn read_content_coding(headers: &HeaderMap) -> Option<ContentCoding> {
    let lines = headers.get_all(header::CONTENT_ENCODING).map(|line| line.to_str().unwrap_or("?"));
    let codings = lines.flat_map(|line| line.split(',')).map(|coding| coding.trim().to_ascii_lowercase());
    let mut named = codings.filter(|coding| !matches!(coding.as_str(), "" | "identity"));
    match (named.next().as_deref(), named.next()) {
        (None, _) => Some(ContentCoding::Identity),
        (Some("gzip" | "x-gzip"), None) => Some(ContentCoding::Gzip),
        _ => None,
    }
}

/// Refuses bodies that are compressed otherwise than JSON may be: they would be stored or parsed as they are.
fn check_encoding(rule: BodyRule, headers: &HeaderMap) -> Result<(), Problem> {
    use BodyRule::{Addresses, CatalogFiles, ExportList, ExportRequest, Json, OptionalJson, Records};
    let is_json = matches!(rule, Json | OptionalJson | ExportRequest | ExportList | Records | CatalogFiles | Addresses);
    let (accepted, detail) = match (read_content_coding(headers), is_json) {
        (Some(ContentCoding::Identity), _) | (Some(ContentCoding::Gzip), true) => return Ok(()),
        (_, true) => (
            "gzip, identity",
            "This `Content-Encoding` is not supported. Send the JSON with gzip, or without compression.",
        ),
        (_, false) => (
            "identity",
            "`Content-Encoding` is not supported for files. Send the body without compression, and without this header.",
        ),
    };
    Err(Problem::new(Code::UnsupportedMediaType, detail).with_header(header::ACCEPT_ENCODING, accepted))
}

/// The media type and its `charset`, in lower case; empty where there is none.
fn read_content_type(headers: &HeaderMap) -> (String, String) {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let value = value.to_ascii_lowercase();
    let mut parts = value.split(';').map(str::trim);
    let media = parts.next().unwrap_or_default().to_owned();
    let charset = parts.find_map(|part| part.strip_prefix("charset=")).unwrap_or_default();
    (media, charset.trim_matches('"').to_owned())
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::{HeaderName, HeaderValue};

    use super::*;

    fn is_accepted(rule: BodyRule, headers: &[(&'static str, &'static str)]) -> bool {
        let pairs =
            headers.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        let mut map = HeaderMap::new();
        pairs.for_each(|(name, value)| map.append(name, value));
        check_content_headers(rule, &map).is_ok()
    }

    #[test]
    fn what_would_be_misread_is_refused() {
        for (rule, kind, accepted) in [
            (BodyRule::Json, "application/json", true),
            (BodyRule::ExportRequest, "Application/JSON; charset=UTF-8", true),
            (BodyRule::Json, "application/merge-patch+json", true),
            (BodyRule::Json, "application/json; charset=utf-16", false),
            (BodyRule::Json, "text/plain", false),
            (BodyRule::Json, "text/x+json", false),
            (BodyRule::Json, "application/x-www-form-urlencoded", false),
            (BodyRule::Json, "", false),
            (BodyRule::Addresses, "text/plain", true),
            (BodyRule::Addresses, "application/gzip", true),
            (BodyRule::Addresses, "application/x-www-form-urlencoded", false),
            (BodyRule::CatalogFiles, "text/tab-separated-values", true),
            (BodyRule::CatalogFiles, "text/plain; charset=latin1", true),
            (BodyRule::CatalogFiles, "application/json", true),
            (BodyRule::CatalogFiles, "application/octet-stream", false),
            (BodyRule::ExportList, "text/csv", true),
            (BodyRule::ExportList, "text/plain; charset=utf-8", true),
            (BodyRule::ExportList, "text/plain; charset=latin1", false),
            (BodyRule::ExportList, "application/json", true),
            (BodyRule::ExportList, "text/html", false),
            (BodyRule::Form, "multipart/form-data; boundary=x", true),
            (BodyRule::Form, "application/json", false),
            (BodyRule::FileForm, "multipart/form-data; boundary=x", true),
            (BodyRule::FileForm, "application/x-www-form-urlencoded", false),
            (BodyRule::Records, "application/x-ndjson", true),
            (BodyRule::Records, "text/csv; charset=utf-8", true),
            (BodyRule::Records, "text/csv; charset=latin1", false),
            (BodyRule::Records, "application/json", true),
            (BodyRule::Records, "text/plain", false),
            (BodyRule::Records, "", false),
            (BodyRule::Bytes, "image/png", true),
            (BodyRule::Bytes, "application/octet-stream", true),
            (BodyRule::Bytes, "multipart/form-data; boundary=x", false),
            (BodyRule::Bytes, "Multipart/Mixed; boundary=x", false),
            (BodyRule::Bytes, "application/x-www-form-urlencoded", false),
            (BodyRule::Empty, "text/plain", true),
        ] {
            assert_eq!(is_accepted(rule, &[("content-type", kind)]), accepted, "{rule:?} {kind}");
        }
        assert!(!is_accepted(BodyRule::Json, &[]));
        assert!(is_accepted(BodyRule::OptionalJson, &[]));
        assert!(is_accepted(BodyRule::OptionalJson, &[("content-length", "0")]));
        assert!(!is_accepted(BodyRule::OptionalJson, &[("content-length", "2")]));
        assert!(is_accepted(BodyRule::OptionalJson, &[("transfer-encoding", "chunked")]), "it may be empty");
        assert!(is_accepted(BodyRule::Bytes, &[]));
        let json = ("content-type", "application/json");
        assert!(is_accepted(BodyRule::Json, &[json, ("content-encoding", "identity")]));
        for (coding, accepted) in
            [("gzip", true), ("X-GZip", true), ("identity, gzip", true), ("br", false), ("gzip, gzip", false)]
        {
            assert_eq!(is_accepted(BodyRule::Json, &[json, ("content-encoding", coding)]), accepted, "{coding}");
            assert!(!is_accepted(BodyRule::Bytes, &[("content-encoding", coding)]), "{coding}");
        }
        assert!(!is_accepted(BodyRule::Bytes, &[("content-range", "bytes 0-1/2")]));
    }
}
