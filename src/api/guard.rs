//! What stands before every address: the key and what it may do, limits, and the checks that keep web pages of strangers
//! from using a service that trusts its network.

use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderMap};
use actix_web::http::{Method, Uri};
use actix_web::middleware::Next;
use actix_web::web::Data;
use actix_web::{Error, HttpMessage, ResponseError};
use bytes::Bytes;
use subtle::ConstantTimeEq;

use crate::api::access::{self, Needs};
use crate::api::audit::Record;
use crate::api::caller::Caller;
use crate::api::peer::Peer;
use crate::api::problem::Problem;
use crate::api::rate;
use crate::code::Code;
use crate::db::api_key::{ApiKey, RawKey};
use crate::db::wall;
use crate::id::CompanyId;
use crate::state::State;
use crate::state::meter::{Reading, Who};

/// Lets a request through, or says why not, and writes down who did what: 421 for a foreign `Host` in open mode, 401
/// without a key where keys are asked for, 403 for what the key may not do and for a write that another site's page
/// sends, 429 for more requests than a minute may have.
pub async fn guard(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let Some(state) = request.app_data::<Data<State>>().cloned() else {
        return Err(Problem::internal("the application has no state").into());
    };
    let mut record = Record::begin(&state, &request);
    let answer = match admitted(&state, &request, &mut record).await {
        Ok((caller, left)) => answered(request, next, caller).await.map(|mut answer| {
            left.iter().for_each(|left| rate::tell(left, answer.headers_mut()));
            answer
        }),
        // An answer like any other: it has its request's id, and a line in the log.
        Err(problem) => Ok(request.into_response(problem.error_response())),
    };
    record.end(&answer).await;
    answer
}

/// The answer, made for whoever is let in.
async fn answered(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
    caller: Option<Caller>,
) -> Result<ServiceResponse, Error> {
    let Some(caller) = caller else { return Ok(next.call(request).await?.map_into_boxed_body()) };
    request.extensions_mut().insert(caller);
    let answer = wall::acting_for(caller.company, next.call(request)).await?;
    Ok(answer.map_body(|_, body| Within::around(caller.company, body.boxed())))
}

/// For whom the operation works, and what the caller has left of a minute's requests; for nobody where it needs no key,
/// and where no operation is.
async fn admitted(
    state: &State,
    request: &ServiceRequest,
    record: &mut Record,
) -> Result<(Option<Caller>, Option<Reading>), Problem> {
    check_head(state, request)?;
    // No name or value of ours holds it, and the database takes no text with it.
    if request.uri().to_string().contains("%00") {
        return Err(Problem::parameter("address", "It holds a NUL character (%00). Take it out."));
    }
    if !state.settings.asks_for_keys() {
        check_host(state, request)?;
        check_origin(state, request)?;
    }
    let path = request.match_info().unprocessed();
    let stranger = Who::at(request.extensions().get::<Peer>().and_then(|peer| peer.address));
    let needs = match access::of_request(request.method().as_str(), path) {
        _ if path.starts_with("/health/") => return Ok((None, None)),
        Some(Needs::Nothing) => return Ok((None, rate::count(state, stranger)?)),
        None if is_documentation(path) => return Ok((None, rate::count(state, stranger)?)),
        needs => needs,
    };
    // Before the key is looked up: who sends wrong ones again and again shall not keep the database busy.
    rate::look(state, stranger)?;
    let caller = match caller(state, request.headers(), record).await {
        Ok(caller) => caller,
        Err(problem) => {
            rate::count(state, stranger)?;
            return Err(problem);
        }
    };
    record.by(&caller);
    let left = rate::count(state, if state.settings.asks_for_keys() { caller.who() } else { stranger })?;
    let Some(needs) = needs else { return Ok((None, left)) };
    needs.check(&caller)?;
    Ok((Some(caller), left))
}

/// The body of an answer, which is made piece by piece after the guard has ended.
struct Within {
    company: CompanyId,
    body: BoxBody,
}

impl Within {
    /// A body that is there already needs nothing.
    fn around(company: CompanyId, body: BoxBody) -> BoxBody {
        match body.try_into_bytes() {
            Ok(bytes) => BoxBody::new(bytes),
            Err(body) => BoxBody::new(Self { company, body }),
        }
    }
}

impl MessageBody for Within {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        wall::polling_for(self.company, || Pin::new(&mut self.body).poll_next(context))
    }
}

/// A head that is larger than it may be: what comes before a body costs memory and time, too.
fn check_head(state: &State, request: &ServiceRequest) -> Result<(), Problem> {
    let lines = request.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + 4);
    let (head, most) = (request.uri().to_string().len() + lines.sum::<usize>(), state.settings.max_head);
    if head <= most {
        return Ok(());
    }
    let detail = format!("The address and headers have {head} bytes, and {most} are allowed. Send less in them.");
    Err(Problem::new(Code::HeadTooLarge, detail))
}

/// Addresses beside the operations that need no key: people read the documentation.
fn is_documentation(path: &str) -> bool {
    path == "/openapi.json" || path == "/swagger-ui" || path.starts_with("/swagger-ui/")
}

/// Who sends this. In open mode everybody is the one company's.
async fn caller(state: &State, headers: &HeaderMap, record: &mut Record) -> Result<Caller, Problem> {
    if !state.settings.asks_for_keys() {
        return Ok(Caller::trusted(state.company));
    }
    let said = headers.get(header::AUTHORIZATION).ok_or_else(|| {
        refused(Code::Unauthenticated, "The service asks for a key. Send it as `Authorization: Bearer …`.")
    })?;
    let said = said.to_str().ok().and_then(|value| value.split_once(' '));
    let said = said.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")).map(|(_, key)| key.trim());
    let said = said.ok_or_else(|| {
        refused(Code::InvalidCredentials, "`Authorization` is not `Bearer`, a blank and the key. Send it like that.")
    })?;
    if state.settings.api_key.as_ref().is_some_and(|key| bool::from(said.as_bytes().ct_eq(key.as_bytes()))) {
        return Ok(Caller::trusted(state.company));
    }
    let wrong =
        || refused(Code::InvalidCredentials, "This is no key of this service. Look whether all of it was sent.");
    let raw: RawKey = said.parse().map_err(|_| wrong())?;
    let found = state.keys.find(&state.system, raw.id).await?;
    let key = found.filter(|key| raw.fits(&key.secret_sha256)).ok_or_else(wrong)?;
    record.held(&key);
    check_time(&key)?;
    Ok(Caller::holding(&key))
}

/// Whether a key that was good when a request began still is, for those that wait long.
///
/// # Errors
/// 401 when it was revoked or has expired meanwhile.
pub async fn check_again(state: &State, caller: &Caller) -> Result<(), Problem> {
    let Some(key) = caller.key else { return Ok(()) };
    match state.keys.find(&state.system, key).await? {
        Some(key) => check_time(&key),
        None => Err(refused(Code::KeyDisabled, "The key is no longer there. Ask for a new one.")),
    }
}

fn check_time(key: &ApiKey) -> Result<(), Problem> {
    if let Some(at) = key.revoked_at {
        return Err(refused(
            Code::KeyDisabled,
            format!("The key was revoked at {}. Ask for a new one.", at.to_rfc3339()),
        ));
    }
    if let Some(at) = key.expires_at.filter(|_| key.expired) {
        return Err(refused(Code::KeyDisabled, format!("The key expired at {}. Ask for a new one.", at.to_rfc3339())));
    }
    Ok(())
}

fn refused(code: Code, detail: impl Into<String>) -> Problem {
    Problem::new(code, detail).header(header::WWW_AUTHENTICATE, "Bearer realm=\"offprint\"")
}

/// In open mode a write that a page of another site makes a browser send would be done in its user's name.
fn check_origin(state: &State, request: &ServiceRequest) -> Result<(), Problem> {
    let writes = !matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    match request.headers().get(header::ORIGIN).filter(|_| writes) {
        Some(origin) if !is_own(state, origin.to_str().unwrap_or_default(), request) => Err(Problem::new(
            Code::ForeignOrigin,
            "A page of another site sent this. Writes are taken from the service's own pages and from programs.",
        )),
        _ => Ok(()),
    }
}

/// A name that an attacker's page made point at this machine (DNS rebinding) is not ours.
fn check_host(state: &State, request: &ServiceRequest) -> Result<(), Problem> {
    if state.settings.auth == crate::settings::Auth::OpenOnNetwork || request.path().starts_with("/health/") {
        return Ok(());
    }
    let hosts = hosts(request);
    if hosts.iter().all(|host| is_loopback(host_name(host)) || same_host(&state.public_url(), host)) {
        return Ok(());
    }
    Err(Problem::new(
        Code::MisdirectedRequest,
        "The service answers to localhost and to OFFPRINT_PUBLIC_URL only. Set that, or OFFPRINT_AUTH=keys.",
    ))
}

/// Every name by which the request says that it reached us. `X-Forwarded-Host` and its like are not asked: anybody can
/// write them. A request without any name does not come from a browser.
fn hosts(request: &ServiceRequest) -> Vec<String> {
    let target = request.uri().authority().map(|authority| authority.to_string());
    let said =
        request.headers().get_all(header::HOST).map(|host| String::from_utf8_lossy(host.as_bytes()).into_owned());
    said.chain(target).collect()
}

fn is_own(state: &State, origin: &str, request: &ServiceRequest) -> bool {
    let loopback = origin.parse::<Uri>().ok().and_then(|uri| uri.host().map(is_loopback)).unwrap_or(false);
    hosts(request).iter().any(|host| same_host(origin, host))
        || state.settings.cors_origins.iter().any(|allowed| allowed.eq_ignore_ascii_case(origin))
        || same_host(origin, state.public_url().split_once("://").map_or("", |(_, rest)| rest))
        || loopback
}

fn same_host(url: &str, host: &str) -> bool {
    url.parse::<Uri>()
        .ok()
        .and_then(|uri| uri.authority().map(|authority| authority.as_str().eq_ignore_ascii_case(host)))
        .unwrap_or(false)
}

fn host_name(host: &str) -> &str {
    match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
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
    fn hosts_are_told_apart() {
        assert!(is_loopback(host_name("localhost:8080")));
        assert!(is_loopback(host_name("127.0.0.1")));
        assert!(is_loopback(host_name("[::1]:8080")));
        assert!(!is_loopback(host_name("localhost.evil.example:8080")));
        assert!(same_host("https://offprint.example:8443", "offprint.example:8443"));
    }
}
