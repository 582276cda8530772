//! Writes the audit log: a line for every operation that changes something, and for every refused access.
//!
//! A line is written before the answer leaves. When the caller does not wait for it, the line says that nobody knows
//! how it ended.

use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::{Method, StatusCode, header};
use actix_web::web::Data;
use actix_web::{Error, HttpMessage};
use tracing::error;

use crate::api::access;
use crate::api::caller::Caller;
use crate::api::peer::Peer;
use crate::api::problem::{Problem, REQUEST_ID};
use crate::api::trace::shown;
use crate::code::Code;
use crate::db::api_key::ApiKey;
use crate::db::audit::{self, AuditOutcome, NewLine};
use crate::state::State;
use crate::state::meter::Who;

/// Operations that write nothing although they are sent as if they did.
const HARMLESS: [&str; 2] = ["/export-jobs/validate", "/modifier-check"];

/// Lines about refused requests of one caller in a minute. What is beyond stands in the server's log only: nobody shall
/// fill the database without a key.
const REFUSALS: u32 = 60;

/// The address of what a request made, where the answer has no `Location`.
#[derive(Clone)]
pub struct Made(pub String);

/// A line that is being written.
pub struct Record {
    state: Data<State>,
    line: NewLine,
    who: Who,
    changes: bool,
    written: bool,
}

impl Record {
    /// A request has come. Strangers stand in the log of the installation's own company.
    pub fn begin(state: &Data<State>, request: &ServiceRequest) -> Self {
        let (method, path) = (request.method(), request.match_info().unprocessed());
        let address = request.extensions().get::<Peer>().and_then(|peer| peer.address);
        let operation = access::operation(method.as_str(), path).unwrap_or_else(|| format!("{method} elsewhere"));
        let writes = !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
        let line = NewLine {
            company: state.company,
            user: None,
            key: None,
            operation,
            object: crate::api::json::clipped(shown(path)),
            address: address.map(|address| address.to_string()),
            outcome: AuditOutcome::Unknown,
            status: None,
            code: None,
            request_id: REQUEST_ID.try_with(Clone::clone).ok(),
        };
        let changes = writes && !HARMLESS.contains(&path);
        Self { state: state.clone(), line, who: Who::at(address), changes, written: false }
    }

    /// Whose key was sent, also when it may not be used any more.
    pub fn held(&mut self, key: &ApiKey) {
        (self.line.company, self.line.user, self.line.key) = (key.company_id, Some(key.user_id), Some(key.key_id));
    }

    /// Who is let in.
    pub fn by(&mut self, caller: &Caller) {
        (self.line.company, self.line.user, self.line.key) = (caller.company, caller.user, caller.key);
    }

    /// The answer is there.
    pub async fn end<B>(mut self, answer: &Result<ServiceResponse<B>, Error>) {
        let (status, code) = match answer {
            Ok(answer) => (answer.status(), answer.response().extensions().get::<Code>().copied()),
            Err(error) => (error.as_response_error().status_code(), error.as_error::<Problem>().map(Problem::code)),
        };
        self.written = true;
        let refused =
            matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::MISDIRECTED_REQUEST);
        let silent = status == StatusCode::TOO_MANY_REQUESTS || !(self.changes || refused);
        if silent || (refused && self.state.refusals.take(self.who, REFUSALS).wait.is_some()) {
            return;
        }
        self.line.outcome = match status {
            _ if refused => AuditOutcome::Refused,
            status if status.is_client_error() || status.is_server_error() => AuditOutcome::Failed,
            _ => AuditOutcome::Done,
        };
        self.line.status = i16::try_from(status.as_u16()).ok();
        self.line.code = code.map(|code| code.as_str());
        if let Some(made) = answer.as_ref().ok().and_then(made) {
            self.line.object = made;
        }
        write(&self.state, &self.line).await;
    }
}

/// What the request made.
fn made<B>(answer: &ServiceResponse<B>) -> Option<String> {
    let location = answer.headers().get(header::LOCATION).and_then(|value| value.to_str().ok());
    let said = location.filter(|_| answer.status().is_success()).map(str::to_owned);
    said.or_else(|| answer.response().extensions().get::<Made>().map(|made| made.0.clone()))
}

/// What is done is done: a line that cannot be written is told to those who look at the server's log.
async fn write(state: &State, line: &NewLine) {
    if let Err(error) = audit::write(&state.system, line).await {
        error!(error = %error, "A line of the audit log could not be written: {error}; it is {line:?}");
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        if self.changes && !self.written {
            let (state, line) = (self.state.clone(), self.line.clone());
            if let Ok(runtime) = tokio::runtime::Handle::try_current() {
                runtime.spawn(async move { write(&state, &line).await });
            }
        }
    }
}
