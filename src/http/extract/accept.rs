//! Content negotiation: `Accept` against the media types that an operation offers (RFC 9110, 12.5.1).

use actix_web::HttpRequest;
use actix_web::http::header::{self, Accept, Header, HeaderMap, Quality, QualityItem};
use mime::Mime;
use offprint_core::Code;

use crate::http::problem::Problem;

/// The index of the offered media type with the highest quality; the first of equals. Without `Accept` everything is
/// acceptable.
///
/// # Errors
/// 406 when no offered type is accepted.
pub fn choose_media_type(request: &HttpRequest, offered: &[Mime]) -> Result<usize, Problem> {
    let accepted = Accept::parse(request)
        .map_err(|_| {
            Problem::invalid_parameter("Accept", "The header cannot be read. Send media types as ASCII text.")
        })?
        .0;
    let mut best = None;
    for (index, kind) in offered.iter().enumerate() {
        let quality = if accepted.is_empty() { Quality::MAX } else { find_quality(&accepted, kind) };
        if quality > best.map_or(Quality::ZERO, |(_, quality)| quality) {
            best = Some((index, quality));
        }
    }
    best.map(|(index, _)| index).ok_or_else(|| {
        let kinds: Vec<String> = offered.iter().map(|kind| format!("`{kind}`")).collect();
        let detail =
            format!("`Accept` names no media type that is available here. Available: {}.", kinds.join(" and "));
        Problem::new(Code::NotAcceptable, detail)
    })
}

/// Whether the client is a browser that wants a page: `Accept` names `text/html` itself, and nothing else has a higher
/// quality. Programs send `*/*`, the type that they want, or nothing.
pub(crate) fn prefers_page(headers: &HeaderMap) -> bool {
    let lines = headers.get_all(header::ACCEPT).filter_map(|line| line.to_str().ok());
    let (mut page, mut best) = (0.0, 0.0_f32);
    for range in lines.flat_map(|line| line.split(',')) {
        let mut parts = range.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default();
        let quality = parts.find_map(|part| part.strip_prefix("q=").or(part.strip_prefix("Q=")));
        let quality = quality.map_or(1.0, |text| text.parse().unwrap_or(0.0));
        if name.eq_ignore_ascii_case("text/html") {
            page = quality;
        }
        best = best.max(quality);
    }
    page > 0.0 && page >= best
}

/// Whether `Accept` names this media type itself, not by a wildcard.
pub fn accepts_media_type(request: &HttpRequest, kind: &str) -> bool {
    let accepted = request.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    accepted.split(',').any(|range| range.split(';').next().unwrap_or_default().trim() == kind)
}

/// The quality of a content coding in `Accept-Encoding`, from 0 to 1 (RFC 9110, 12.5.3). Without the header only `identity`
/// has one: the client did not ask for more.
pub(crate) fn find_coding_quality(headers: &HeaderMap, coding: &str) -> f32 {
    let lines = headers.get_all(header::ACCEPT_ENCODING).filter_map(|line| line.to_str().ok());
    let (mut named, mut any) = (None, None);
    for item in lines.flat_map(|line| line.split(',')) {
        let mut parts = item.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default();
        let quality = parts.find_map(|part| part.strip_prefix("q=").or(part.strip_prefix("Q=")));
        let quality = quality.map_or(1.0, |text| text.parse().unwrap_or(0.0));
        if name.eq_ignore_ascii_case(coding) {
            named = Some(quality);
        } else if name == "*" {
            any = Some(quality);
        }
    }
    named.or(any).unwrap_or(if coding == "identity" { 0.001 } else { 0.0 })
}

/// The quality of a media type: the most specific range that matches it decides.
fn find_quality(accepted: &[QualityItem<Mime>], kind: &Mime) -> Quality {
    let specificity = |range: &Mime| match (range.type_(), range.subtype()) {
        (mime::STAR, _) => Some(0),
        (main, mime::STAR) if main == kind.type_() => Some(1),
        (main, sub) if main == kind.type_() && sub == kind.subtype() => Some(2),
        _ => None,
    };
    let matching = accepted.iter().filter_map(|item| Some((specificity(&item.item)?, item.quality)));
    matching.max_by_key(|(specificity, _)| *specificity).map_or(Quality::ZERO, |(_, quality)| quality)
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn browsers_get_pages_and_programs_do_not() {
        let ask = |accept: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, header::HeaderValue::from_static(accept));
            prefers_page(&headers)
        };
        for browser in [
            "text/html",
            "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
            "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8",
            "Text/HTML; q=0.9, */*;q=0.1",
        ] {
            assert!(ask(browser), "{browser}");
        }
        for program in [
            "*/*",
            "",
            "application/json",
            "application/json, text/plain, */*",
            "text/*",
            "text/html;q=0",
            "image/avif,*/*;q=0.8",
            "application/zip, text/html;q=0.5",
            "text/html;q=x",
        ] {
            assert!(!ask(program), "{program}");
        }
        assert!(!prefers_page(&HeaderMap::new()));
    }

    #[test]
    fn the_closest_name_decides_and_the_first_offer_wins_a_tie() {
        let offered = [mime::APPLICATION_JSON, mime::TEXT_EVENT_STREAM];
        for (accept, wanted) in [
            (None, Some(0)),
            (Some("*/*"), Some(0)),
            (Some("text/event-stream"), Some(1)),
            (Some("application/json;q=0.5, text/event-stream"), Some(1)),
            (Some("text/*, application/json;q=0.9"), Some(1)),
            (Some("text/event-stream;q=0, */*;q=0.1"), Some(0)),
            (Some("*/*, application/json;q=0.2"), Some(1)),
            (Some("text/html"), None),
            (Some("application/json;q=0"), None),
        ] {
            let request = TestRequest::default();
            let request = match accept {
                Some(accept) => request.insert_header(("accept", accept)),
                None => request,
            };
            assert_eq!(choose_media_type(&request.to_http_request(), &offered).ok(), wanted, "{accept:?}");
        }
    }
}
