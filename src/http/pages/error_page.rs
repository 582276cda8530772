//! Errors for people: what happened and what to do, in the reader's language, with the ID under which the log has the rest.

use actix_web::http::StatusCode;
use actix_web::http::header::HeaderMap;
use actix_web::{HttpResponse, ResponseError};
use askama::Template;
use offprint_core::Code;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::http::address::write_address;
use crate::http::pages::frame::{Frame, Icon};
use crate::http::problem::{Problem, ProblemDetails};
use crate::i18n::Language;

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage {
    frame: Frame,
    icon: Icon,
    text: String,
    /// The sentence for programs, where there is no better one. English.
    detail: Option<String>,
    request_id: Option<String>,
    /// Seconds until another try makes sense.
    retry_after: Option<String>,
    /// Address of the page to sign in.
    sign_in: Option<String>,
}

/// Whose error it is.
#[derive(Clone, Debug)]
pub(crate) struct ErrorReader {
    pub(crate) language: &'static Language,
    /// Whether the address is that of a link.
    pub(crate) is_link: bool,
    /// Whether the address is one of the console.
    pub(crate) is_console: bool,
    /// Where to go after signing in; none for what cannot be asked again.
    pub(crate) next: Option<String>,
}

/// The page about a problem. `headers` are those of the answer that it replaces.
pub(crate) fn build_error_page(problem: &ProblemDetails, headers: &HeaderMap, reader: &ErrorReader) -> HttpResponse {
    let code = problem.code();
    let status = StatusCode::from_u16(problem.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let name = name_message(code, status, reader.is_link);
    let text = |part: &str| reader.language.format(&format!("page-error-{name}{part}"), &[]);
    let mut frame = Frame::new(reader.language, text("-title"));
    frame.is_address_secret = reader.is_link;
    let page = ErrorPage {
        icon: choose_icon(code),
        text: text("-text"),
        detail: (name == "other").then(|| problem.detail().to_owned()),
        request_id: problem.request_id().map(str::to_owned),
        retry_after: headers.get("retry-after").and_then(|value| value.to_str().ok()).map(str::to_owned),
        sign_in: find_sign_in_address(code, status, reader),
        frame,
    };
    page.frame.respond(status, &page).unwrap_or_else(|problem: Problem| problem.error_response())
}

/// Where to sign in, when that helps. Who comes back from an identity provider cannot go back to where it led.
fn find_sign_in_address(code: Code, status: StatusCode, reader: &ErrorReader) -> Option<String> {
    let is_attempt = matches!(
        code,
        Code::SignInExpired
            | Code::SignInRefused
            | Code::SignInNotPermitted
            | Code::IdentityProviderFailed
            | Code::IdentityProviderUnavailable
    );
    let next = reader.next.as_deref().filter(|_| !is_attempt);
    (is_attempt || status == StatusCode::UNAUTHORIZED).then(|| write_address(&write_sign_in_path(next)))
}

/// The path of the page to sign in, which leads back.
pub(crate) fn write_sign_in_path(next: Option<&str>) -> String {
    let next = next.map(|next| format!("?next={}", utf8_percent_encode(next, NON_ALPHANUMERIC))).unwrap_or_default();
    format!("/sign-in{next}")
}

/// The name of the messages about a code.
fn name_message(code: Code, status: StatusCode, is_link: bool) -> &'static str {
    match code {
        Code::NotFound if is_link => "link-unknown",
        Code::LinkExpired => "link-expired",
        Code::LinkRevoked => "link-revoked",
        Code::ResultsExpired => "results-expired",
        Code::NotFinished => "not-finished",
        Code::ArchiveTooLarge => "archive-too-large",
        Code::CorruptOriginal => "damaged",
        Code::ForeignOrigin => "foreign-origin",
        Code::SignInExpired => "sign-in-expired",
        Code::SignInRefused => "sign-in-refused",
        Code::SignInNotPermitted => "sign-in-not-permitted",
        Code::IdentityProviderFailed => "provider-failed",
        Code::IdentityProviderUnavailable => "provider-unavailable",
        _ => match status.as_u16() {
            401 => "sign-in",
            403 => "forbidden",
            404 => "not-found",
            429 => "too-many",
            503 => "unavailable",
            500.. => "internal",
            _ => "other",
        },
    }
}

fn choose_icon(code: Code) -> Icon {
    match code {
        Code::NotFinished
        | Code::LinkExpired
        | Code::ResultsExpired
        | Code::RateLimited
        | Code::SignInExpired
        | Code::IdentityProviderUnavailable => Icon::Waiting,
        Code::LinkRevoked | Code::NotFound | Code::Unauthenticated | Code::SignInRefused => Icon::Warning,
        _ => Icon::Failed,
    }
}
