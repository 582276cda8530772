//! Signing in and out: at an identity provider, by a link in a mail, or by an API key. In open mode there is nothing to sign
//! in to.

pub(super) mod by_key;
pub(super) mod by_mail;
pub(super) mod by_oidc;

use actix_web::http::StatusCode;
use actix_web::http::header;
use actix_web::web::{Data, Query};
use actix_web::{HttpMessage, HttpRequest, HttpResponse, get, post};
use askama::Template;
use offprint_core::{Code, Digest};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;

use crate::app::AppState;
use crate::app::rate_limiter::RateLimitKey;
use crate::db::browser_session::SignInMethod;
use crate::http::address::write_address;
use crate::http::extract::caller::Caller;
use crate::http::extract::form::{EmptyForm, PageForm};
use crate::http::extract::locale;
use crate::http::middleware::audit_trail::AuditedCaller;
use crate::http::middleware::client_ip::ClientInfo;
use crate::http::pages::frame::{Frame, redirect_to};
use crate::http::problem::Problem;
use crate::http::session::{self, BrowserSecret, OpenSession};
use crate::i18n;

/// Attempts to sign in per minute: from one address, behind which may be an office, and for one account.
const MAX_ATTEMPTS_PER_ADDRESS: u32 = 30;
const MAX_ATTEMPTS_PER_ACCOUNT: u32 = 10;

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignInPage {
    frame: Frame,
    csrf: String,
    next: String,
    /// What went wrong with the attempt before.
    mistake: Option<String>,
    /// Address of the way to the identity provider, where there is one.
    provider: Option<String>,
}

/// Where to go after signing in.
#[derive(Deserialize)]
pub(super) struct NextQuery {
    next: Option<String>,
}

/// `GET /sign-in`.
#[get("/sign-in")]
pub(super) async fn show_sign_in(
    state: Data<AppState>,
    query: Query<NextQuery>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let next = check_next(query.next.as_deref());
    if !state.settings.is_key_required() || session::find_session(&state, request.headers()).await?.is_some() {
        return Ok(redirect_to(next));
    }
    show_form(&state, &request, StatusCode::OK, next, None)
}

/// A path of this service, below its root; the start page for anything else.
fn check_next(next: Option<&str>) -> &str {
    let is_plain = |path: &&str| {
        path.len() <= 2000
            && path.starts_with('/')
            && !path.starts_with("//")
            && path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\')
    };
    next.filter(is_plain).unwrap_or("/")
}

fn show_form(
    state: &AppState,
    request: &HttpRequest,
    status: StatusCode,
    next: &str,
    mistake: Option<&str>,
) -> Result<HttpResponse, Problem> {
    let language = locale::find_accepted_language(request).unwrap_or_else(i18n::default_language);
    let browser = BrowserSecret::find_or_create(request.headers())?;
    let text = |name: &str| language.format(name, &[]);
    let frame = Frame::new(language, text("page-sign-in-title"));
    let page = SignInPage {
        frame,
        csrf: browser.csrf_token(),
        next: next.to_owned(),
        mistake: mistake.map(text),
        provider: write_provider_address(state, next),
    };
    let mut answer = page.frame.respond(status, &page)?;
    session::set_browser_cookie(state, request, &mut answer, &browser);
    Ok(answer)
}

/// The address that leads to the identity provider and back to a path; none without a provider.
pub(super) fn write_provider_address(state: &AppState, next: &str) -> Option<String> {
    state.identity_provider.as_ref()?;
    let next = utf8_percent_encode(next, NON_ALPHANUMERIC);
    Some(write_address(&format!("/sign-in/oidc?next={next}")))
}

/// The address of a request, whose attempts are counted together.
fn find_client(request: &HttpRequest) -> RateLimitKey {
    RateLimitKey::for_address(request.extensions().get::<ClientInfo>().and_then(|client| client.address))
}

/// Counts an attempt to sign in.
///
/// # Errors
/// 429 when there were too many.
fn count_attempt(state: &AppState, subject: RateLimitKey) -> Result<(), Problem> {
    let max = match subject {
        RateLimitKey::Caller(_) => MAX_ATTEMPTS_PER_ACCOUNT,
        RateLimitKey::Address(_) | RateLimitKey::Anonymous => MAX_ATTEMPTS_PER_ADDRESS,
    };
    let Some(wait) = state.sign_in_limiter.take(subject, max).wait else { return Ok(()) };
    let seconds = wait.as_secs_f64().ceil().max(1.0) as u64;
    let detail = format!("Too many attempts to sign in. Nothing was done. Retry in {seconds} s.");
    Err(Problem::new(Code::RateLimited, detail).with_header(header::RETRY_AFTER, &seconds.to_string()))
}

/// A subject for the limiter, which counts by id.
fn hash_to_id(subject: &str) -> uuid::Uuid {
    let digest = Digest::compute(subject.to_lowercase().as_bytes()).to_bytes();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    uuid::Uuid::from_bytes(bytes)
}

/// In open mode nobody signs in.
fn check_keys_required(state: &AppState) -> Result<(), Problem> {
    match state.settings.is_key_required() {
        true => Ok(()),
        false => Err(Problem::new(Code::NotFound, "This service is in open mode: there is no signing in.")),
    }
}

/// Shows the form again. The audit log gets the code.
fn refuse(
    state: &AppState,
    request: &HttpRequest,
    next: &str,
    code: Code,
    mistake: &str,
) -> Result<HttpResponse, Problem> {
    let mut answer = show_form(state, request, StatusCode::UNAUTHORIZED, next, Some(mistake))?;
    answer.extensions_mut().insert(code);
    Ok(answer)
}

/// Begins the session.
async fn begin(
    state: &AppState,
    request: &HttpRequest,
    caller: Caller,
    method: &SignInMethod,
    next: &str,
) -> Result<HttpResponse, Problem> {
    let mut answer = redirect_to(next);
    session::begin_session(state, request, &mut answer, caller.company, method).await?;
    answer.extensions_mut().insert(AuditedCaller(caller));
    Ok(answer)
}

/// `POST /sign-out`.
#[post("/sign-out")]
pub(super) async fn sign_out(
    state: Data<AppState>,
    PageForm(EmptyForm {}): PageForm<EmptyForm>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let session: Option<OpenSession> = session::find_session(&state, request.headers()).await?;
    let mut answer = redirect_to("/");
    session::end_session(&state, &request, &mut answer).await?;
    if let Some(session) = session {
        answer.extensions_mut().insert(AuditedCaller(session.caller));
    }
    Ok(answer)
}
