//! The language of whoever reads an answer: `Accept-Language`, else that of the caller's user, else English.

use actix_web::HttpRequest;
use actix_web::http::header::{self, AcceptLanguage, Header, HeaderMap, HeaderValue, Quality};

use crate::api::caller::Caller;
use crate::api::problem::Problem;
use crate::db::company;
use crate::state::State;
use crate::words::{self, Language};

/// The first language that the caller likes and that is there. Nobody is refused for a language.
pub async fn language(state: &State, caller: &Caller, request: &HttpRequest) -> Result<&'static Language, Problem> {
    let mut said = AcceptLanguage::parse(request).map(|said| said.0).unwrap_or_default();
    said.retain(|item| item.quality > Quality::ZERO);
    // The order of what is liked the same stays.
    said.sort_by_key(|item| std::cmp::Reverse(item.quality));
    let mut liked = said.iter().filter_map(|item| item.item.item());
    if let Some(language) = liked.find_map(|tag| words::of(tag.as_str())) {
        return Ok(language);
    }
    let Some(user) = caller.user else { return Ok(words::english()) };
    let locale = company::locale_of(&state.db, caller.company, user).await?;
    Ok(locale.and_then(|locale| words::of(&locale)).unwrap_or_else(words::english))
}

/// Says which language an answer is in, and that it depends on what was asked for.
pub fn tell(language: &Language, headers: &mut HeaderMap) {
    headers.insert(header::CONTENT_LANGUAGE, HeaderValue::from_static(language.tag()));
    headers.append(header::VARY, HeaderValue::from_static("Accept-Language"));
}
