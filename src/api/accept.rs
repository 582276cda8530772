//! What the caller would like to read: `Accept` against what an address has (RFC 9110, 12.5.1).

use actix_web::HttpRequest;
use actix_web::http::header::{self, Accept, Header, Quality, QualityItem};
use mime::Mime;

use crate::api::problem::Problem;
use crate::code::Code;

/// The place of the media type that the caller likes best, the first of those that it likes the same. Who says nothing
/// takes everything.
///
/// # Errors
/// 406 when none is accepted.
pub fn choose(request: &HttpRequest, offered: &[Mime]) -> Result<usize, Problem> {
    let said = Accept::parse(request).map_err(|_| Problem::parameter("Accept", "It is not text."))?.0;
    let mut best = None;
    for (place, kind) in offered.iter().enumerate() {
        let liked = if said.is_empty() { Quality::MAX } else { quality(&said, kind) };
        if liked > best.map_or(Quality::ZERO, |(_, liked)| liked) {
            best = Some((place, liked));
        }
    }
    best.map(|(place, _)| place).ok_or_else(|| {
        let kinds: Vec<String> = offered.iter().map(|kind| format!("`{kind}`")).collect();
        let detail = format!("Nothing that `Accept` names is offered here. Send one of {}.", kinds.join(" and "));
        Problem::new(Code::NotAcceptable, detail)
    })
}

/// Whether the caller names a media type itself.
pub fn names(request: &HttpRequest, kind: &str) -> bool {
    let said = request.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    said.split(',').any(|said| said.split(';').next().unwrap_or_default().trim() == kind)
}

/// How much a media type is liked: what names it most closely decides.
fn quality(said: &[QualityItem<Mime>], kind: &Mime) -> Quality {
    let closeness = |range: &Mime| match (range.type_(), range.subtype()) {
        (mime::STAR, _) => Some(0),
        (main, mime::STAR) if main == kind.type_() => Some(1),
        (main, sub) if main == kind.type_() && sub == kind.subtype() => Some(2),
        _ => None,
    };
    let closest = said.iter().filter_map(|item| Some((closeness(&item.item)?, item.quality))).max_by_key(|(at, _)| *at);
    closest.map_or(Quality::ZERO, |(_, quality)| quality)
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

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
            assert_eq!(choose(&request.to_http_request(), &offered).ok(), wanted, "{accept:?}");
        }
    }
}
