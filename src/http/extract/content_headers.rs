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
    let is_json = media == "application/json" || (media.starts_with("application/") && media.ends_with("+json"));
    let remedy = match rule {
        BodyRule::Empty => return Ok(()),
        BodyRule::OptionalJson if !has_body(headers) => return Ok(()),
        BodyRule::Json | BodyRule::OptionalJson | BodyRule::ExportRequest if !is_json => {
            "Send the body as `Content-Type: application/json`."
        }
        BodyRule::Json | BodyRule::OptionalJson | BodyRule::ExportRequest
            if !matches!(charset.as_str(), "" | "utf-8" | "utf8" | "us-ascii") =>
        {
            "JSON is always UTF-8. Send the body as `Content-Type: application/json`, without another `charset`."
        }
        BodyRule::Form if media != "multipart/form-data" => {
            "Send the files as `multipart/form-data` in parts named `file`. Example: `curl -F file=@photo.jpg`."
        }
        _ => return check_encoding(headers),
    };
    Err(Problem::new(Code::UnsupportedMediaType, remedy))
}

/// Whether the head announces a body.
fn has_body(headers: &HeaderMap) -> bool {
    let length = headers.get(header::CONTENT_LENGTH).map(|value| value.as_bytes());
    headers.contains_key(header::TRANSFER_ENCODING) || length.is_some_and(|length| length != b"0")
}

/// Refuses compressed bodies, which would be stored or parsed as they are.
fn check_encoding(headers: &HeaderMap) -> Result<(), Problem> {
    let is_plain =
        headers.get_all(header::CONTENT_ENCODING).all(|value| value.as_bytes().eq_ignore_ascii_case(b"identity"));
    if is_plain {
        return Ok(());
    }
    let detail = "`Content-Encoding` is not supported. Send the body without compression, and without this header.";
    Err(Problem::new(Code::UnsupportedMediaType, detail))
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
            (BodyRule::Form, "multipart/form-data; boundary=x", true),
            (BodyRule::Form, "application/json", false),
            (BodyRule::Bytes, "image/png", true),
            (BodyRule::Empty, "text/plain", true),
        ] {
            assert_eq!(is_accepted(rule, &[("content-type", kind)]), accepted, "{rule:?} {kind}");
        }
        assert!(!is_accepted(BodyRule::Json, &[]));
        assert!(is_accepted(BodyRule::OptionalJson, &[]));
        assert!(is_accepted(BodyRule::OptionalJson, &[("content-length", "0")]));
        assert!(!is_accepted(BodyRule::OptionalJson, &[("content-length", "2")]));
        assert!(!is_accepted(BodyRule::OptionalJson, &[("transfer-encoding", "chunked")]));
        assert!(is_accepted(BodyRule::Bytes, &[]));
        let json = ("content-type", "application/json");
        assert!(is_accepted(BodyRule::Json, &[json, ("content-encoding", "identity")]));
        assert!(!is_accepted(BodyRule::Json, &[json, ("content-encoding", "gzip")]));
        assert!(!is_accepted(BodyRule::Bytes, &[("content-encoding", "br")]));
    }
}
