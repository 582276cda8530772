//! The session of a browser: its cookie, who it acts for, and the proof that a write comes from one of our pages.
//!
//! ```text
//!   offprint_session  HttpOnly  id and secret of the session; its row says who signed in and how
//!   offprint_csrf               token made from that secret, for scripts of our pages (Swagger UI) to send as X-CSRF-Token
//!   offprint_browser  HttpOnly  a random number, by which a browser is recognized that asked for a mail, or went to the
//!                               identity provider
//! ```
//!
//! All are `SameSite=Lax`, `Secure` behind TLS, and below the path of the service. A session ends with its time, its key, its
//! user, its identity provider or by signing out, at once and on every process: its row is asked each time.

use std::time::Duration;

use actix_web::http::Uri;
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::{HttpMessage, HttpResponse};
use offprint_core::{Code, Digest};
use subtle::ConstantTimeEq;

use crate::app::AppState;
use crate::db::api_key;
use crate::db::browser_session::{self, RawSession, SignInMethod, compute_csrf_token, derive_secret};
use crate::db::row_level_security::run_as_company;
use crate::http::address::write_address;
use crate::http::extract::caller::Caller;
use crate::http::middleware::auth::{check_key_validity, list_hosts};
use crate::http::middleware::client_ip::ClientInfo;
use crate::http::problem::Problem;
use crate::id::CompanyId;

/// How long a session lasts.
pub(crate) const SESSION_TTL: Duration = Duration::from_secs(8 * 3600);
/// How long a browser is recognized that has not signed in yet.
const BROWSER_TTL: Duration = Duration::from_secs(24 * 3600);

const SESSION_COOKIE: &str = "offprint_session";
const CSRF_COOKIE: &str = "offprint_csrf";
const BROWSER_COOKIE: &str = "offprint_browser";

const CSRF_HEADER: HeaderName = HeaderName::from_static("x-csrf-token");
/// `Sec-Fetch-Site`: how a page that made a browser send the request relates to the service.
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// A session that is open, as the request proves.
#[derive(Clone, Debug)]
pub(crate) struct OpenSession {
    pub(crate) caller: Caller,
    pub(crate) csrf_token: String,
    /// Who signed in; none with OFFPRINT_API_KEY.
    pub(crate) user_name: Option<String>,
}

/// The session of a request, if it has an open one. In open mode there are no sessions.
///
/// # Errors
/// When the database does not answer.
pub(crate) async fn find_session(state: &AppState, headers: &HeaderMap) -> Result<Option<OpenSession>, Problem> {
    let Some(raw) = read_session(headers).filter(|_| state.settings.is_key_required()) else { return Ok(None) };
    let Some(row) = browser_session::find_session(&state.system, &raw).await? else { return Ok(None) };
    let caller = match row.method {
        SignInMethod::Key(_, key) => {
            let key = state.keys.find(&state.system, key).await?;
            key.filter(|key| check_key_validity(key).is_ok()).map(|key| Caller::from_key(&key))
        }
        SignInMethod::Mail(user) => {
            let find = async {
                let mut connection = state.db.acquire().await?;
                api_key::find_user_capabilities(&mut connection, row.company_id, user).await
            };
            let capabilities = run_as_company(row.company_id, find).await?;
            capabilities.map(|capabilities| Caller::from_user(row.company_id, user, capabilities))
        }
        SignInMethod::OperatorKey(hash) => {
            let current = state.settings.api_key.as_ref().map(|key| Digest::compute(key.as_bytes()));
            (current == Some(hash)).then(|| Caller::with_all_capabilities(row.company_id))
        }
        SignInMethod::Provider { user, issuer, capabilities } => {
            // Settings that give less than before count at once.
            let provider = state.identity_provider.as_ref().filter(|provider| provider.issuer() == issuer);
            provider.and_then(|provider| {
                let left: Vec<_> = capabilities.into_iter().filter(|one| provider.config().grants(*one)).collect();
                (!left.is_empty()).then(|| Caller::from_user(row.company_id, user, left))
            })
        }
    };
    Ok(caller.map(|caller| OpenSession {
        caller: caller.with_session(raw.id),
        csrf_token: raw.csrf_token(),
        user_name: row.user_name,
    }))
}

fn read_session(headers: &HeaderMap) -> Option<RawSession> {
    // A site beside ours can add a cookie of the same name, but not take ours away.
    list_cookies(headers, SESSION_COOKIE).find_map(|value| value.parse().ok())
}

/// The values of the cookies with this name.
fn list_cookies<'h>(headers: &'h HeaderMap, name: &'h str) -> impl Iterator<Item = &'h str> {
    let lines = headers.get_all(header::COOKIE).filter_map(|line| line.to_str().ok());
    lines
        .flat_map(|line| line.split(';'))
        .filter_map(|cookie| cookie.trim().split_once('='))
        .filter(move |(found, _)| *found == name)
        .map(|(_, value)| value)
}

/// Checks that a write that comes with the cookie of a session was sent by a page of the service.
///
/// # Errors
/// 403 for another site, and without the session's CSRF token in `X-CSRF-Token`.
pub(crate) fn check_session_write(
    state: &AppState,
    session: &OpenSession,
    request: &impl RequestHead,
) -> Result<(), Problem> {
    check_own_page(state, request)?;
    let sent = request.headers().get(CSRF_HEADER).map(HeaderValue::as_bytes).unwrap_or_default();
    if is_same_secret(sent, session.csrf_token.as_bytes()) {
        return Ok(());
    }
    let detail = "A browser that is signed in must send its CSRF token with writes: the value of the cookie `offprint_csrf` in \
                  `X-CSRF-Token`. Programs send an API key as `Authorization: Bearer <key>` instead.";
    Err(Problem::new(Code::ForeignOrigin, detail))
}

/// Checks the token of a form: that of the session, or of the browser while nobody is signed in.
///
/// # Errors
/// 403 for another site, and for a token that does not belong to a cookie of the browser.
pub(crate) fn check_form_token(state: &AppState, request: &impl RequestHead, sent: &str) -> Result<(), Problem> {
    check_own_page(state, request)?;
    let session = read_session(request.headers()).map(|raw| raw.csrf_token());
    let browser = read_browser(request.headers()).map(|browser| browser.csrf_token());
    if session.iter().chain(&browser).any(|token| is_same_secret(sent.as_bytes(), token.as_bytes())) {
        return Ok(());
    }
    Err(Problem::new(Code::ForeignOrigin, "The form is out of date. Load its page again, with cookies allowed."))
}

fn is_same_secret(sent: &[u8], expected: &[u8]) -> bool {
    !expected.is_empty() && bool::from(sent.ct_eq(expected))
}

/// What both kinds of requests of actix have.
pub(crate) trait RequestHead: HttpMessage {
    fn uri(&self) -> &Uri;
}

impl RequestHead for actix_web::HttpRequest {
    fn uri(&self) -> &Uri {
        actix_web::HttpRequest::uri(self)
    }
}

impl RequestHead for actix_web::dev::ServiceRequest {
    fn uri(&self) -> &Uri {
        actix_web::dev::ServiceRequest::uri(self)
    }
}

/// Refuses what a page of another site made the browser send. Sites that CORS allows are other sites, too: they have keys of
/// their own.
fn check_own_page(state: &AppState, request: &impl RequestHead) -> Result<(), Problem> {
    let headers = request.headers();
    let hosts = list_hosts(headers, request.uri());
    let public_host = state.public_url().parse::<Uri>().ok().and_then(|url| url.authority().cloned());
    let is_own = |origin: &HeaderValue| {
        let origin = origin.to_str().ok().and_then(|origin| origin.parse::<Uri>().ok());
        let Some(authority) = origin.as_ref().and_then(Uri::authority) else { return false };
        public_host.as_ref().is_some_and(|host| host.as_str().eq_ignore_ascii_case(authority.as_str()))
            || hosts.iter().any(|host| host.eq_ignore_ascii_case(authority.as_str()))
    };
    if headers.get_all(header::ORIGIN).all(is_own) && !is_sent_by_other_site(headers) {
        return Ok(());
    }
    Err(Problem::new(Code::ForeignOrigin, "A page of another site sent this request. Nothing was done."))
}

/// Whether a page of another site made the browser send the request, as far as the browser says.
pub(crate) fn is_sent_by_other_site(headers: &HeaderMap) -> bool {
    headers.get_all(SEC_FETCH_SITE).any(|site| !matches!(site.as_bytes(), b"same-origin" | b"none"))
}

/// A browser that is not signed in.
#[derive(Clone)]
pub(crate) struct BrowserSecret([u8; 32]);

impl BrowserSecret {
    /// The browser of a request, or a new one.
    ///
    /// # Errors
    /// When the operating system provides no random bytes.
    pub(crate) fn find_or_create(headers: &HeaderMap) -> Result<Self, Problem> {
        if let Some(browser) = read_browser(headers) {
            return Ok(browser);
        }
        let mut secret = [0; 32];
        getrandom::fill(&mut secret).map_err(Problem::internal)?;
        Ok(Self(secret))
    }

    pub(crate) fn csrf_token(&self) -> String {
        compute_csrf_token(&self.0)
    }

    /// What is stored of it.
    pub(crate) fn hash(&self) -> Digest {
        Digest::compute(&self.0)
    }

    /// A secret for one purpose within one attempt to sign in, which needs to be stored nowhere.
    ///
    /// # Errors
    /// Never: HMAC takes keys of any length.
    pub(crate) fn derive(&self, purpose: &str, attempt: &str) -> Result<[u8; 32], Problem> {
        let purpose = format!("{purpose} {attempt}");
        derive_secret(&self.0, purpose.as_bytes()).ok_or_else(|| Problem::internal("HMAC refused a key"))
    }
}

/// The browser of a request; none without its cookie.
pub(crate) fn read_browser(headers: &HeaderMap) -> Option<BrowserSecret> {
    list_cookies(headers, BROWSER_COOKIE).find_map(|value| {
        let mut secret = [0; 32];
        hex::decode_to_slice(value, &mut secret).ok().map(|()| BrowserSecret(secret))
    })
}

/// Makes the browser recognizable.
pub(crate) fn set_browser_cookie(
    state: &AppState,
    request: &impl HttpMessage,
    answer: &mut HttpResponse,
    browser: &BrowserSecret,
) {
    add_cookie(state, request, answer, (BROWSER_COOKIE, &hex::encode(browser.0)), BROWSER_TTL, true);
}

/// The CSRF token of the forms on a page: that of the session, or of the browser where nobody is signed in. A browser that
/// is not known yet gets a cookie, which the response must set.
///
/// # Errors
/// When the operating system provides no random bytes.
pub(crate) fn find_form_token(
    state: &AppState,
    request: &impl HttpMessage,
    session: Option<&OpenSession>,
) -> Result<(String, Option<HeaderValue>), Problem> {
    if let Some(session) = session {
        return Ok((session.csrf_token.clone(), None));
    }
    if let Some(browser) = read_browser(request.headers()) {
        return Ok((browser.csrf_token(), None));
    }
    let browser = BrowserSecret::find_or_create(request.headers())?;
    let cookie = write_cookie(state, request, (BROWSER_COOKIE, &hex::encode(browser.0)), BROWSER_TTL, true);
    Ok((browser.csrf_token(), cookie))
}

/// Signs the browser in: with a session that did not exist before, whatever cookie it had.
///
/// # Errors
/// When the database does not answer.
pub(crate) async fn begin_session(
    state: &AppState,
    request: &impl HttpMessage,
    answer: &mut HttpResponse,
    company: CompanyId,
    method: &SignInMethod,
) -> Result<(), Problem> {
    let raw = RawSession::new().map_err(Problem::internal)?;
    if let Some(old) = read_session(request.headers()) {
        end_known_session(state, &old).await?;
    }
    let insert = browser_session::insert_session(&state.db, company, &raw, method, SESSION_TTL);
    run_as_company(company, insert).await?;
    add_cookie(state, request, answer, (SESSION_COOKIE, &raw.reveal()), SESSION_TTL, true);
    add_cookie(state, request, answer, (CSRF_COOKIE, &raw.csrf_token()), SESSION_TTL, false);
    add_cookie(state, request, answer, (BROWSER_COOKIE, ""), Duration::ZERO, true);
    Ok(())
}

/// Signs the browser out.
///
/// # Errors
/// When the database does not answer.
pub(crate) async fn end_session(
    state: &AppState,
    request: &impl HttpMessage,
    answer: &mut HttpResponse,
) -> Result<(), Problem> {
    if let Some(raw) = read_session(request.headers()) {
        end_known_session(state, &raw).await?;
    }
    add_cookie(state, request, answer, (SESSION_COOKIE, ""), Duration::ZERO, true);
    add_cookie(state, request, answer, (CSRF_COOKIE, ""), Duration::ZERO, false);
    // Whoever comes back to a page of before gets it anew.
    answer.headers_mut().insert(HeaderName::from_static("clear-site-data"), HeaderValue::from_static("\"cache\""));
    Ok(())
}

/// Only whoever has its secret ends a session.
async fn end_known_session(state: &AppState, raw: &RawSession) -> Result<(), Problem> {
    if browser_session::find_session(&state.system, raw).await?.is_some() {
        browser_session::delete_session(&state.system, raw.id).await?;
    }
    Ok(())
}

fn add_cookie(
    state: &AppState,
    request: &impl HttpMessage,
    answer: &mut HttpResponse,
    cookie: (&str, &str),
    ttl: Duration,
    is_hidden: bool,
) {
    if let Some(value) = write_cookie(state, request, cookie, ttl, is_hidden) {
        answer.headers_mut().append(header::SET_COOKIE, value);
    }
}

fn write_cookie(
    state: &AppState,
    request: &impl HttpMessage,
    (name, value): (&str, &str),
    ttl: Duration,
    is_hidden: bool,
) -> Option<HeaderValue> {
    let by_proxy = request.extensions().get::<ClientInfo>().is_some_and(|client| client.secure);
    let is_secure = by_proxy || state.public_url().starts_with("https://");
    let text = format!(
        "{name}={value}; Path={}; Max-Age={}; SameSite=Lax{}{}",
        write_address("/"),
        ttl.as_secs(),
        if is_hidden { "; HttpOnly" } else { "" },
        if is_secure { "; Secure" } else { "" }
    );
    HeaderValue::from_str(&text).ok()
}
