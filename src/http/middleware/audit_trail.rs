//! Writes the audit log: an entry for every operation that changes something or discloses a secret, and for every refused
//! access. Which operations those are is the column `audit` of the operation table.
//!
//! The entry is written before the response is sent. When the client disconnects earlier, the request is dropped wherever
//! it was: the entry then has the outcome `unknown`, because the change may or may not have been committed.

use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::{StatusCode, header};
use actix_web::web::Data;
use actix_web::{Error, HttpMessage};
use offprint_core::Code;
use tracing::error;

use crate::app::AppState;
use crate::app::rate_limiter::RateLimitKey;
use crate::db::api_key::ApiKeyRow;
use crate::db::audit::{self, AuditOutcome, NewAuditEntry};
use crate::http::address::read_address;
use crate::http::extract::caller::Caller;
use crate::http::middleware::client_ip::ClientInfo;
use crate::http::middleware::route::{find_route, get_logged_path};
use crate::http::middleware::trace::name_method;
use crate::http::operations::AuditClass;
use crate::http::problem::Problem;
use crate::http::problem::REQUEST_ID;

/// Entries about refused and failed requests of one caller in a minute. The rest is in the server's log only, so that
/// nobody can fill the database.
const MAX_REFUSALS_PER_MINUTE: u32 = 60;
/// The same for all callers without a known key together: whoever has many addresses has no more.
const MAX_ANONYMOUS_REFUSALS_PER_MINUTE: u32 = 600;

/// The path of what a request created, for responses without `Location`.
#[derive(Clone)]
pub struct CreatedObject(pub String);

/// Whom a request turned out to be from, for operations that need no key: signing in and out.
#[derive(Clone, Copy)]
pub(crate) struct AuditedCaller(pub(crate) Caller);

/// The audit entry of a request in progress.
pub struct AuditRecorder {
    state: Data<AppState>,
    entry: NewAuditEntry,
    /// Whose refusals are counted together: those of a key where one was recognized, so that a stranger at the same
    /// address cannot push them out, else those of an address.
    subject: RateLimitKey,
    class: AuditClass,
    written: bool,
}

impl AuditRecorder {
    /// Begins the entry of a request. Until the caller is known it belongs to the company `default`.
    pub fn begin(state: &Data<AppState>, request: &ServiceRequest) -> Self {
        let operation = find_route(request).operation();
        let address = request.extensions().get::<ClientInfo>().and_then(|client| client.address);
        let entry = NewAuditEntry {
            company: state.company,
            user: None,
            key: None,
            operation: match operation {
                Some(operation) => format!("{} {}", name_method(request.method()), operation.document_path()),
                None => format!("{} elsewhere", name_method(request.method())),
            },
            object: get_logged_path(request),
            address: address.map(|address| address.to_string()),
            outcome: AuditOutcome::Unknown,
            status: None,
            code: None,
            request_id: REQUEST_ID.try_with(Clone::clone).ok(),
        };
        // Where there is no operation, nothing changes.
        let class = operation.map_or(AuditClass::Refusals, |operation| operation.audit);
        Self { state: state.clone(), entry, subject: RateLimitKey::for_address(address), class, written: false }
    }

    /// Whose requests this one is counted with.
    pub fn subject(&self) -> RateLimitKey {
        self.subject
    }

    /// Notes the API key that was sent, also when it is revoked or has expired.
    pub fn set_key(&mut self, key: &ApiKeyRow) {
        (self.entry.company, self.entry.user, self.entry.key) = (key.company_id, Some(key.user_id), Some(key.key_id));
        self.subject = RateLimitKey::Caller(key.key_id.0);
    }

    /// Notes the authenticated caller, whose requests are counted as those of `subject`.
    pub fn set_caller(&mut self, caller: &Caller, subject: RateLimitKey) {
        (self.entry.company, self.entry.user, self.entry.key) = (caller.company, caller.user, caller.key);
        self.subject = subject;
    }

    /// Writes the entry with the outcome of the request.
    pub async fn finish<B>(mut self, answer: &Result<ServiceResponse<B>, Error>) {
        let (status, code) = match answer {
            Ok(answer) => (answer.status(), answer.response().extensions().get::<Code>().copied()),
            Err(error) => (error.as_response_error().status_code(), error.as_error::<Problem>().map(Problem::code)),
        };
        self.written = true;
        let refused =
            matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::MISDIRECTED_REQUEST);
        let is_silent = status == StatusCode::TOO_MANY_REQUESTS || !(self.class != AuditClass::Refusals || refused);
        // What a server error left behind is not known, so it always has an entry.
        if is_silent || (status.is_client_error() && !self.has_room_for_refusal()) {
            return;
        }
        self.entry.outcome = match status {
            _ if refused => AuditOutcome::Refused,
            status if status.is_client_error() || status.is_server_error() => AuditOutcome::Failed,
            _ => AuditOutcome::Done,
        };
        self.entry.status = i16::try_from(status.as_u16()).ok();
        self.entry.code = code.map(|code| code.to_kebab_case());
        if let Some(AuditedCaller(caller)) =
            answer.as_ref().ok().and_then(|answer| answer.response().extensions().get().copied())
        {
            (self.entry.company, self.entry.user, self.entry.key) = (caller.company, caller.user, caller.key);
        }
        if let Some(created) = answer.as_ref().ok().and_then(find_created_object) {
            self.entry.object = created;
        }
        write_audit_entry(&self.state, &self.entry).await;
    }

    /// Counts a refused or failed request; whether it may have an entry.
    fn has_room_for_refusal(&self) -> bool {
        let limiter = &self.state.refusal_limiter;
        let is_anonymous = matches!(self.subject, RateLimitKey::Address(_));
        let has_room = limiter.take(self.subject, MAX_REFUSALS_PER_MINUTE).wait.is_none()
            && (!is_anonymous
                || limiter.take(RateLimitKey::Anonymous, MAX_ANONYMOUS_REFUSALS_PER_MINUTE).wait.is_none());
        if !has_room {
            metrics::counter!("offprint_audit_entries_left_out_total").increment(1);
        }
        has_room
    }
}

/// The path of what the request created.
fn find_created_object<B>(answer: &ServiceResponse<B>) -> Option<String> {
    let location = answer.headers().get(header::LOCATION).and_then(|value| value.to_str().ok());
    let location = location.filter(|_| answer.status().is_success()).map(|address| read_address(address).to_owned());
    location.or_else(|| answer.response().extensions().get::<CreatedObject>().map(|created| created.0.clone()))
}

/// Writes an entry. The operation has already happened, so a failure goes to the server's log with the whole entry.
async fn write_audit_entry(state: &AppState, entry: &NewAuditEntry) {
    if let Err(error) = audit::insert_audit_entry(&state.system, entry).await {
        error!(error = %error, "Cannot write to the audit log: {error}; the entry is {entry:?}");
    }
}

impl Drop for AuditRecorder {
    fn drop(&mut self) {
        if self.class == AuditClass::Changes && !self.written {
            let (state, entry) = (self.state.clone(), self.entry.clone());
            if let Ok(runtime) = tokio::runtime::Handle::try_current() {
                runtime.spawn(async move { write_audit_entry(&state, &entry).await });
            }
        }
    }
}
