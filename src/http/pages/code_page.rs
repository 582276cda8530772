//! The page about a code, to which the `type` of a problem leads. Its description is English: it is for programmers.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;

use crate::http::extract::locale;
use crate::http::pages::frame::Frame;
use crate::http::problem::Problem;
use crate::i18n;

#[derive(Template)]
#[template(path = "code.html")]
struct CodePage<'a> {
    frame: Frame,
    code: &'a str,
    status: u16,
    /// Text and code in turn, beginning with text.
    description: Vec<&'a str>,
}

/// The page about a code. Backticks in the description mark code.
pub(in crate::http) fn show_code_page(
    request: &HttpRequest,
    (title, code, description): (&str, &str, &str),
    status: u16,
) -> Result<HttpResponse, Problem> {
    let language = locale::find_accepted_language(request).unwrap_or_else(i18n::default_language);
    let page =
        CodePage { frame: Frame::new(language, title), code, status, description: description.split('`').collect() };
    page.frame.respond(StatusCode::OK, &page)
}
