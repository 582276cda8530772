//! The language of an answer: `Accept-Language`, else the language of the caller's user, else English.

use actix_web::http::header::{self, AcceptLanguage, Header, HeaderMap, HeaderValue, Quality};
use actix_web::{HttpMessage, HttpRequest};

use crate::app::AppState;
use crate::db::company;
use crate::http::extract::caller::Caller;
use crate::http::problem::Problem;
use crate::i18n;
use crate::i18n::Language;

/// The available language with the highest quality in `Accept-Language`, else that of the user. An unknown language is never an error.
pub async fn choose_language(
    state: &AppState,
    caller: &Caller,
    request: &HttpRequest,
) -> Result<&'static Language, Problem> {
    if let Some(language) = find_accepted_language(request) {
        return Ok(language);
    }
    let Some(user) = caller.user else { return Ok(i18n::default_language()) };
    let locale = company::find_user_locale(&state.db, caller.company, user).await?;
    Ok(locale.and_then(|locale| i18n::find_language(&locale)).unwrap_or_else(i18n::default_language))
}

/// The available language with the highest quality in `Accept-Language`; none where none of them is available.
pub(crate) fn find_accepted_language(request: &impl HttpMessage) -> Option<&'static Language> {
    let mut accepted = AcceptLanguage::parse(request).map(|header| header.0).unwrap_or_default();
    accepted.retain(|item| item.quality > Quality::ZERO);
    // A stable sort: of equal qualities the first one wins.
    accepted.sort_by_key(|item| std::cmp::Reverse(item.quality));
    let mut tags = accepted.iter().filter_map(|item| item.item.item());
    tags.find_map(|tag| i18n::find_language(tag.as_str()))
}

/// Adds `Content-Language`, and `Vary` because the language depends on the request.
pub fn add_language_headers(language: &Language, headers: &mut HeaderMap) {
    headers.insert(header::CONTENT_LANGUAGE, HeaderValue::from_static(language.tag()));
    headers.append(header::VARY, HeaderValue::from_static("Accept-Language"));
}
