//! Writes the audit log: an entry for every operation that changes something, and for every refused access.
//!
//! The entry is written before the response is sent. When the client disconnects earlier, the request is dropped wherever
//! it was: the entry then has the outcome `unknown`, because the change may or may not have been committed.

use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::{Method, StatusCode, header};
use actix_web::web::Data;
use actix_web::{Error, HttpMessage};
use offprint_core::Code;
use tracing::error;

use crate::app::AppState;
use crate::app::rate_limiter::RateLimitKey;
use crate::db::api_key::ApiKeyRow;
use crate::db::audit::{self, AuditOutcome, NewAuditEntry};
use crate::http::extract::caller::Caller;
use crate::http::middleware::client_ip::ClientInfo;
use crate::http::middleware::trace::redact_path;
use crate::http::operations;
use crate::http::problem::Problem;
use crate::http::problem::REQUEST_ID;

/// POST operations that change nothing.
const READ_ONLY_POSTS: [&str; 2] = ["/export-jobs/validate", "/modifier-check"];

/// Audit entries about refused requests of one caller in a minute. The rest is in the server's log only, so that nobody
/// can fill the database without a key.
const MAX_REFUSALS_PER_MINUTE: u32 = 60;

/// The path of what a request created, for responses without `Location`.
#[derive(Clone)]
pub struct CreatedObject(pub String);

/// The audit entry of a request in progress.
pub struct AuditRecorder {
    state: Data<AppState>,
    entry: NewAuditEntry,
    subject: RateLimitKey,
    changes: bool,
    written: bool,
}

impl AuditRecorder {
    /// Begins the entry of a request. Until the caller is known it belongs to the company `default`.
    pub fn begin(state: &Data<AppState>, request: &ServiceRequest) -> Self {
        let (method, path) = (request.method(), request.match_info().unprocessed());
        let address = request.extensions().get::<ClientInfo>().and_then(|client| client.address);
        let operation =
            operations::find_operation_name(method.as_str(), path).unwrap_or_else(|| format!("{method} elsewhere"));
        let writes = !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
        let entry = NewAuditEntry {
            company: state.company,
            user: None,
            key: None,
            operation,
            object: crate::http::extract::json::clip_text(redact_path(path)),
            address: address.map(|address| address.to_string()),
            outcome: AuditOutcome::Unknown,
            status: None,
            code: None,
            request_id: REQUEST_ID.try_with(Clone::clone).ok(),
        };
        let changes = writes && !READ_ONLY_POSTS.contains(&path);
        Self { state: state.clone(), entry, subject: RateLimitKey::for_address(address), changes, written: false }
    }

    /// Notes the API key that was sent, also when it is revoked or has expired.
    pub fn set_key(&mut self, key: &ApiKeyRow) {
        (self.entry.company, self.entry.user, self.entry.key) = (key.company_id, Some(key.user_id), Some(key.key_id));
    }

    /// Notes the authenticated caller.
    pub fn set_caller(&mut self, caller: &Caller) {
        (self.entry.company, self.entry.user, self.entry.key) = (caller.company, caller.user, caller.key);
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
        let silent = status == StatusCode::TOO_MANY_REQUESTS || !(self.changes || refused);
        if silent || (refused && self.state.refusal_limiter.take(self.subject, MAX_REFUSALS_PER_MINUTE).wait.is_some())
        {
            return;
        }
        self.entry.outcome = match status {
            _ if refused => AuditOutcome::Refused,
            status if status.is_client_error() || status.is_server_error() => AuditOutcome::Failed,
            _ => AuditOutcome::Done,
        };
        self.entry.status = i16::try_from(status.as_u16()).ok();
        self.entry.code = code.map(|code| code.to_kebab_case());
        if let Some(created) = answer.as_ref().ok().and_then(find_created_object) {
            self.entry.object = created;
        }
        write_audit_entry(&self.state, &self.entry).await;
    }
}

/// The path of what the request created.
fn find_created_object<B>(answer: &ServiceResponse<B>) -> Option<String> {
    let location = answer.headers().get(header::LOCATION).and_then(|value| value.to_str().ok());
    let location = location.filter(|_| answer.status().is_success()).map(str::to_owned);
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
        if self.changes && !self.written {
            let (state, entry) = (self.state.clone(), self.entry.clone());
            if let Ok(runtime) = tokio::runtime::Handle::try_current() {
                runtime.spawn(async move { write_audit_entry(&state, &entry).await });
            }
        }
    }
}
