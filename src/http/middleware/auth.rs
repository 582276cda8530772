//! Authentication and authorization of every request: the API key or the session of a browser, the capabilities that the operation table asks for, the
//! rate limit, and in open mode the checks against web pages of other sites.
//!
//! Begin reading at [`authenticate_request`]; `admit_request` has the checks in their order.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::http::{Method, Uri};
use actix_web::middleware::Next;
use actix_web::web::Data;
use actix_web::{Error, HttpMessage, ResponseError};
use bytes::Bytes;
use offprint_core::Code;
use subtle::ConstantTimeEq;

use crate::app::AppState;
use crate::app::rate_limiter::RateLimitKey;
use crate::app::rate_limiter::RateLimitStatus;
use crate::db::api_key::{ApiKeyRow, RawKey};
use crate::db::{browser_session, row_level_security};
use crate::http::extract::caller::Caller;
use crate::http::extract::content_headers;
use crate::http::middleware::audit_trail::AuditRecorder;
use crate::http::middleware::client_ip::ClientInfo;
use crate::http::middleware::rate_limit;
use crate::http::middleware::route::find_route;
use crate::http::problem::Problem;
use crate::http::session;
use crate::id::CompanyId;

/// `Sec-Fetch-Site`: how a page that made a browser send the request relates to the service.
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Admits or refuses a request and writes the audit log.
///
/// Refusals: 421 for a foreign `Host` in open mode, 401 for a missing or invalid API key, 403 for a missing capability and
/// for a write that a page of another site sent, 415 for a body that would be misread, 429 beyond the rate limit.
pub async fn authenticate_request(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let Some(state) = request.app_data::<Data<AppState>>().cloned() else {
        return Err(Problem::internal("the application has no state").into());
    };
    let mut record = AuditRecorder::begin(&state, &request);
    let answer = match admit_request(&state, &request, &mut record).await {
        Ok((caller, left)) => call_as_caller(request, next, caller).await.map(|mut answer| {
            left.iter().for_each(|left| rate_limit::add_rate_headers(left, answer.headers_mut()));
            answer
        }),
        // Not an `Err`: the response passes through the other middleware like any other and gets a request ID.
        Err(problem) => Ok(request.into_response(problem.error_response())),
    };
    record.finish(&answer).await;
    answer
}

/// Runs the handler with the caller's company set for row-level security.
async fn call_as_caller(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
    caller: Option<Caller>,
) -> Result<ServiceResponse, Error> {
    let Some(caller) = caller else { return Ok(next.call(request).await?.map_into_boxed_body()) };
    request.extensions_mut().insert(caller);
    let answer = row_level_security::run_as_company(caller.company, next.call(request)).await?;
    Ok(answer.map_body(|_, body| TenantBody::wrap(caller.company, body.boxed())))
}

/// Checks everything that can be checked before a handler runs. Returns the caller and its rate limit; no caller for
/// operations that need no key, and where no operation matches.
async fn admit_request(
    state: &AppState,
    request: &ServiceRequest,
    record: &mut AuditRecorder,
) -> Result<(Option<Caller>, Option<RateLimitStatus>), Problem> {
    check_header_size(state, request)?;
    // PostgreSQL text cannot hold NUL, and no name or value needs it.
    if request.uri().to_string().contains("%00") {
        return Err(Problem::invalid_parameter("address", "The URL contains a NUL character (`%00`). Remove it."));
    }
    if !state.settings.is_key_required() {
        check_host(state, request)?;
        check_origin(state, request)?;
    }
    let route = find_route(request);
    let client = RateLimitKey::for_address(request.extensions().get::<ClientInfo>().and_then(|client| client.address));
    if route.is_probe() {
        if route.operation().is_none_or(|operation| operation.is_counted) {
            rate_limit::count_probe(state, client)?;
        }
        return Ok((None, None));
    }
    if route.is_public() {
        return Ok((None, rate_limit::count_request(state, client)?));
    }
    let caller = match identify_caller(state, request, client, record).await {
        Ok(caller) => caller,
        // Only callers without a known key are counted by address: nobody with a valid key is locked out by others there.
        Err(problem) => {
            rate_limit::count_request(state, record.subject())?;
            return Err(problem);
        }
    };
    let subject = if state.settings.is_key_required() { caller.rate_limit_subject() } else { client };
    record.set_caller(&caller, subject);
    let left = rate_limit::count_request(state, subject)?;
    let Some(operation) = route.operation() else { return Ok((None, left)) };
    operation.access.check(&caller)?;
    content_headers::check_content_headers(operation.body, request.headers())?;
    Ok((Some(caller), left))
}

/// A response body that reads the database while it is sent, after the middleware has returned: each poll sets the company
/// for row-level security again.
struct TenantBody {
    company: CompanyId,
    body: BoxBody,
}

impl TenantBody {
    /// Wraps a body; one whose bytes are in memory already stays as it is.
    fn wrap(company: CompanyId, body: BoxBody) -> BoxBody {
        match body.try_into_bytes() {
            Ok(bytes) => BoxBody::new(bytes),
            Err(body) => BoxBody::new(Self { company, body }),
        }
    }
}

impl MessageBody for TenantBody {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        row_level_security::poll_as_company(self.company, || Pin::new(&mut self.body).poll_next(context))
    }
}

/// Checks the size of URL and headers: they cost memory and time before any body is read.
fn check_header_size(state: &AppState, request: &ServiceRequest) -> Result<(), Problem> {
    let lines = request.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + 4);
    let (size, max) = (request.uri().to_string().len() + lines.sum::<usize>(), state.settings.max_header_bytes);
    if size <= max {
        return Ok(());
    }
    let detail = format!("The URL and headers have {size} bytes; the limit is {max}. Send smaller headers.");
    Err(Problem::new(Code::HeadTooLarge, detail))
}

/// Identifies the caller by the API key. In open mode every caller may do everything in the one company.
async fn identify_caller(
    state: &AppState,
    request: &ServiceRequest,
    client: RateLimitKey,
    record: &mut AuditRecorder,
) -> Result<Caller, Problem> {
    if !state.settings.is_key_required() {
        return Ok(Caller::with_all_capabilities(state.company));
    }
    let Some(value) = request.headers().get(header::AUTHORIZATION) else {
        return identify_session(state, request, record).await;
    };
    match find_key(state, read_bearer_token(value)?, client).await? {
        KnownKey::Operator => Ok(Caller::with_all_capabilities(state.company)),
        KnownKey::Stored(key) => {
            record.set_key(&key);
            check_key_validity(&key)?;
            Ok(Caller::from_key(&key))
        }
    }
}

/// Identifies the caller by the cookie of a session. A key takes precedence: whoever sends one means it.
async fn identify_session(
    state: &AppState,
    request: &ServiceRequest,
    record: &mut AuditRecorder,
) -> Result<Caller, Problem> {
    let session = session::find_session(state, request.headers()).await?.ok_or_else(|| {
        reject_key(Code::Unauthenticated, "An API key is required. Send it as `Authorization: Bearer <key>`.")
    })?;
    record.set_caller(&session.caller, session.caller.rate_limit_subject());
    let is_write = !matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    // A form has the token in a field, where its extractor checks it.
    let is_form = find_route(request).operation().is_some_and(|operation| operation.body.is_page_form());
    if is_write && !is_form {
        session::check_session_write(state, &session, request)?;
    }
    let caller = session.caller;
    request.extensions_mut().insert(session);
    Ok(caller)
}

/// A key that exists. A stored one may have been revoked or have expired.
pub(crate) enum KnownKey {
    /// OFFPRINT_API_KEY.
    Operator,
    Stored(Arc<ApiKeyRow>),
}

/// Finds the key that somebody sent.
///
/// # Errors
/// 401 when it is unknown.
pub(crate) async fn find_key(state: &AppState, sent: &str, client: RateLimitKey) -> Result<KnownKey, Problem> {
    if state.settings.api_key.as_ref().is_some_and(|key| bool::from(sent.as_bytes().ct_eq(key.as_bytes()))) {
        return Ok(KnownKey::Operator);
    }
    let unknown = || reject_key(Code::InvalidCredentials, "Unknown API key. Check that it was copied completely.");
    let raw: RawKey = sent.parse().map_err(|_| unknown())?;
    let row = match rate_limit::check_rate(state, client) {
        Ok(()) => state.keys.find(&state.system, raw.id).await?,
        // Guessing keys must not keep the database busy.
        Err(_) => state.keys.find_one_at_a_time(&state.system, raw.id).await?,
    };
    row.filter(|key| raw.matches(&key.secret_sha256)).map(KnownKey::Stored).ok_or_else(unknown)
}

/// The key in `Authorization: Bearer <key>`.
fn read_bearer_token(value: &HeaderValue) -> Result<&str, Problem> {
    let text = value.to_str().unwrap_or_default();
    let (scheme, token) = text.split_once(' ').unwrap_or((text, ""));
    let detail = match (scheme.eq_ignore_ascii_case("bearer"), token.trim()) {
        (true, "") => "The API key is empty. Send it as `Authorization: Bearer <key>`.",
        (true, token) => return Ok(token),
        (false, _) => "`Authorization` does not use the scheme `Bearer`. Send `Authorization: Bearer <key>`.",
    };
    Err(reject_key(Code::InvalidCredentials, detail))
}

/// Checks again that the caller's key and session are valid, for requests that wait long.
///
/// # Errors
/// 401 when the key was revoked, has expired or was deleted meanwhile, or the session has ended.
pub async fn recheck_key(state: &AppState, caller: &Caller) -> Result<(), Problem> {
    if let Some(session) = caller.session
        && !browser_session::is_session_open(&state.system, session).await?
    {
        return Err(reject_key(Code::KeyDisabled, "The session has ended. Sign in again."));
    }
    let Some(key) = caller.key else { return Ok(()) };
    match state.keys.find(&state.system, key).await? {
        Some(key) => check_key_validity(&key),
        None => Err(reject_key(Code::KeyDisabled, "The API key was deleted. Ask an administrator for a new one.")),
    }
}

/// The same for streams: whether the key or session has ended. If the database does not answer, the stream goes on.
pub(in crate::http) async fn has_key_ended(state: &AppState, caller: &Caller) -> bool {
    recheck_key(state, caller).await.is_err_and(|problem| problem.code() == Code::KeyDisabled)
}

pub(crate) fn check_key_validity(key: &ApiKeyRow) -> Result<(), Problem> {
    if let Some(at) = key.revoked_at {
        return Err(reject_key(
            Code::KeyDisabled,
            format!("The API key was revoked at {}. Ask an administrator for a new one.", at.to_rfc3339()),
        ));
    }
    if let Some(at) = key.expires_at.filter(|_| key.expired) {
        return Err(reject_key(
            Code::KeyDisabled,
            format!("The API key expired at {}. Ask an administrator for a new one.", at.to_rfc3339()),
        ));
    }
    Ok(())
}

fn reject_key(code: Code, detail: impl Into<String>) -> Problem {
    Problem::new(code, detail).with_header(header::WWW_AUTHENTICATE, "Bearer realm=\"offprint\"")
}

/// Refuses writes that a page of another site made a browser send (cross-site request forgery): in open mode no key
/// protects the service from them. A page of another service on this machine is another site, too.
fn check_origin(state: &AppState, request: &ServiceRequest) -> Result<(), Problem> {
    if matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS) {
        return Ok(());
    }
    let mut origins = request.headers().get_all(header::ORIGIN).peekable();
    let is_own = match origins.peek() {
        Some(_) => origins.all(|origin| is_own_origin(state, origin.to_str().unwrap_or_default(), request)),
        // Browsers leave `Origin` out of some requests; programs send neither header.
        None => {
            request.headers().get_all(SEC_FETCH_SITE).all(|site| matches!(site.as_bytes(), b"same-origin" | b"none"))
        }
    };
    if is_own {
        return Ok(());
    }
    Err(Problem::new(
        Code::ForeignOrigin,
        "A page of another site sent this request. Send writes from the service's own pages or from programs, or allow the \
         site with OFFPRINT_CORS_ORIGINS.",
    ))
}

/// Refuses foreign host names in open mode: an attacker's page can make a name of its own point at this machine (DNS
/// rebinding).
fn check_host(state: &AppState, request: &ServiceRequest) -> Result<(), Problem> {
    if state.settings.auth == crate::settings::AuthMode::OpenOnNetwork || find_route(request).is_probe() {
        return Ok(());
    }
    let hosts = list_hosts(request.headers(), request.uri());
    if hosts.iter().all(|host| strip_port(host).is_some_and(is_loopback) || is_same_host(&state.public_url(), host)) {
        return Ok(());
    }
    Err(Problem::new(
        Code::MisdirectedRequest,
        "In open mode the service answers only for localhost and the host of OFFPRINT_PUBLIC_URL. Set that, or \
         OFFPRINT_AUTH=keys.",
    ))
}

/// Every host name in the request. `X-Forwarded-Host` and the like are ignored: any client can send them. A request without
/// a host name does not come from a browser.
pub(crate) fn list_hosts(headers: &HeaderMap, target: &Uri) -> Vec<String> {
    let target = target.authority().map(|authority| authority.to_string());
    let hosts = headers.get_all(header::HOST).map(|host| String::from_utf8_lossy(host.as_bytes()).into_owned());
    hosts.chain(target).collect()
}

/// Whether an origin is the service itself, as the request addresses it or as OFFPRINT_PUBLIC_URL says, or is allowed.
fn is_own_origin(state: &AppState, origin: &str, request: &ServiceRequest) -> bool {
    list_hosts(request.headers(), request.uri()).iter().any(|host| is_same_host(origin, host))
        || state.settings.cors_origins.iter().any(|allowed| allowed.eq_ignore_ascii_case(origin))
        || is_same_site(origin, &state.public_url())
}

/// Whether two URLs have the same scheme, host and port.
fn is_same_site(origin: &str, url: &str) -> bool {
    let parts = |url: &str| {
        let url = url.parse::<Uri>().ok()?;
        Some((url.scheme_str()?.to_ascii_lowercase(), url.authority()?.as_str().to_ascii_lowercase()))
    };
    parts(origin).is_some_and(|origin| Some(origin) == parts(url))
}

fn is_same_host(url: &str, host: &str) -> bool {
    url.parse::<Uri>()
        .ok()
        .and_then(|uri| uri.authority().map(|authority| authority.as_str().eq_ignore_ascii_case(host)))
        .unwrap_or(false)
}

/// The name or address of a host with or without a port; none when it has another form, such as `localhost:80@elsewhere`.
fn strip_port(host: &str) -> Option<&str> {
    let is_port = |port: &str| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    match host.strip_prefix('[') {
        Some(rest) => {
            let (address, port) = rest.split_once(']')?;
            (port.is_empty() || port.strip_prefix(':').is_some_and(is_port)).then_some(address)
        }
        None => match host.split_once(':') {
            Some((name, port)) => is_port(port).then_some(name),
            None => Some(host),
        },
    }
}

fn is_loopback(name: &str) -> bool {
    let name = name.trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_compared() {
        let is_own = |host: &str| strip_port(host).is_some_and(is_loopback);
        for own in ["localhost:8080", "LOCALHOST", "127.0.0.1", "[::1]:8080", "[::1]"] {
            assert!(is_own(own), "{own}");
        }
        for foreign in [
            "localhost.evil.example:8080",
            "localhost:8080@evil.example",
            "localhost:",
            "[::1].evil.example",
            "[::1]:8080@evil.example",
            "[::1",
            "::1",
            "",
        ] {
            assert!(!is_own(foreign), "{foreign}");
        }
        assert!(is_same_host("https://offprint.example:8443", "offprint.example:8443"));
        assert!(!is_same_host("http://localhost:3000", "localhost:8080"));
        assert!(is_same_site("https://Offprint.example", "https://offprint.example/below"));
        assert!(!is_same_site("http://offprint.example", "https://offprint.example"));
        assert!(!is_same_site("null", "null"));
    }
}
