//! Error responses: problems of RFC 9457.
//!
//! How to use it: a handler returns `Result<_, Problem>`. Errors of `db` and `storage` convert with `?`; everything else is
//! built with [`Problem::new`] and a code, whose HTTP status is chosen here and nowhere else. `detail` says what is wrong,
//! where, and the remedy. The cause of an internal error goes to the log under the request ID, never to the client.

use std::fmt;

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::{HttpResponse, ResponseError};
use offprint_core::Code;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::StoreBlobError;
use crate::app::storage_quota::IntakeError;
use crate::db;
use crate::http::address::write_address;
use crate::reason::CodeSchema;
pub use crate::reason::{ValidationError, ValidationErrors};

/// The body of an error response (`application/problem+json`, RFC 9457).
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Problem)]
pub struct ProblemDetails {
    /// A URI reference that identifies the kind of problem; it ends with the code.
    #[serde(rename = "type")]
    kind: String,
    /// Short name of the kind of problem.
    title: String,
    /// The HTTP status code.
    status: u16,
    /// What is wrong, where, and what to do about it.
    detail: String,
    /// Identifies the kind of problem. Codes never change.
    #[schema(value_type = CodeSchema)]
    code: Code,
    /// The errors in the request, each with its location: all of them, or the first 100 where `detail` says that there are
    /// more. Absent when there are no separate errors.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<ValidationError>,
    /// The request ID, as in the server's log.
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<String>,
    /// The corresponding fault of IPS, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    ips: Option<IpsFault>,
}

impl ProblemDetails {
    pub(crate) fn code(&self) -> Code {
        self.code
    }

    pub(crate) fn status(&self) -> u16 {
        self.status
    }

    pub(crate) fn detail(&self) -> &str {
        &self.detail
    }

    pub(crate) fn request_id(&self) -> Option<&str> {
        self.request_id.as_deref()
    }
}

/// A fault of IPS.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct IpsFault {
    /// Name of the fault.
    #[schema(example = "ipsApiFault")]
    fault: &'static str,
    /// Number of the fault.
    #[schema(example = 30001)]
    code: u32,
}

/// An error response.
#[derive(Debug)]
pub struct Problem {
    code: Code,
    detail: String,
    errors: Vec<ValidationError>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

tokio::task_local! {
    /// The ID of the current request.
    pub static REQUEST_ID: String;
}

impl Problem {
    /// A problem with this code. The client sees `detail`.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), errors: Vec::new(), headers: Vec::new() }
    }

    /// The object does not exist, or belongs to another company.
    pub fn not_found(what: &str) -> Self {
        Self::new(Code::NotFound, format!("There is no such {what}."))
    }

    /// A query parameter or header has an invalid value.
    pub fn invalid_parameter(name: &str, detail: impl Into<String>) -> Self {
        let error = ValidationError::new(name, Code::InvalidParameter, detail);
        Self::new(Code::InvalidParameter, format!("`{name}`: {}", error.detail)).with_errors(vec![error])
    }

    /// The request has these errors. At most [`MAX_VALIDATION_ERRORS`](crate::reason::MAX_VALIDATION_ERRORS) are told.
    pub fn from_errors(errors: impl Into<ValidationErrors>) -> Self {
        let (total, errors) = errors.into().into_parts();
        let detail = match errors.as_slice() {
            [only] if only.pointer.is_empty() => only.detail.clone(),
            [only] => format!("{}: {}", only.pointer, only.detail),
            first if first.len() < total => format!(
                "The request has {total} errors; `errors` lists the first {} and leaves out {}. Nothing was created.",
                first.len(),
                total - first.len()
            ),
            _ => format!("The request has {total} errors; `errors` lists them. Nothing was created."),
        };
        Self::new(Code::ValidationFailed, detail).with_errors(errors)
    }

    /// An internal error: the cause is logged under the request ID and not shown to the client.
    pub fn internal(cause: impl fmt::Display) -> Self {
        tracing::error!(error = %cause, "Internal error while answering a request: {cause}");
        Self::new(Code::Internal, "Internal error. The log has details under this request ID.")
    }

    /// The database, the storage or another dependency does not answer.
    pub fn unavailable(cause: impl fmt::Display) -> Self {
        tracing::warn!(error = %cause, "Cannot answer a request now: {cause}");
        Self::new(Code::Unavailable, "The service is temporarily unavailable. Retry in a few seconds.")
            .with_header(header::RETRY_AFTER, "5")
    }

    pub fn with_errors(mut self, errors: impl Into<ValidationErrors>) -> Self {
        self.errors = errors.into().into_parts().1;
        self
    }

    pub fn with_header(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.push((name, value));
        }
        self
    }

    /// Changes each error that is told. The sentence of a single one follows it.
    pub fn map_errors(mut self, change: impl FnMut(ValidationError) -> ValidationError) -> Self {
        self.errors = self.errors.into_iter().map(change).collect();
        match self.errors.as_slice() {
            [only] if self.code == Code::ValidationFailed => self.detail = format!("{}: {}", only.pointer, only.detail),
            _ => {}
        }
        self
    }

    /// What is wrong and what to do, for the client.
    pub(crate) fn detail(&self) -> &str {
        &self.detail
    }

    /// The errors of the request.
    pub fn into_errors(self) -> Vec<ValidationError> {
        self.errors
    }

    pub fn code(&self) -> Code {
        self.code
    }

    fn body(&self) -> ProblemDetails {
        ProblemDetails {
            kind: write_address(&format!("/problems/{}", self.code)),
            title: format_title(self.code),
            status: choose_status(self.code).as_u16(),
            detail: self.detail.clone(),
            code: self.code,
            errors: self.errors.clone(),
            request_id: REQUEST_ID.try_with(Clone::clone).ok(),
            ips: map_ips_fault(self.code),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}", self.code, self.detail)
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        choose_status(self.code)
    }

    fn error_response(&self) -> HttpResponse {
        let mut answer = HttpResponse::build(self.status_code());
        for (name, value) in &self.headers {
            answer.insert_header((name.clone(), value.clone()));
        }
        let body = self.body();
        // For the audit log.
        answer.extensions_mut().insert(self.code);
        let text = serde_json::to_string(&body).unwrap_or_default();
        // For the page that browsers get instead.
        answer.extensions_mut().insert(body);
        answer.content_type("application/problem+json").body(text)
    }
}

impl From<db::DbError> for Problem {
    fn from(error: db::DbError) -> Self {
        match error {
            db::DbError::NotFound(what) => Self::not_found(what),
            db::DbError::InvalidState { is, allowed } if allowed.is_empty() => {
                Self::new(Code::WrongState, format!("The job is {is}. The only action allowed now is to delete it."))
            }
            db::DbError::InvalidState { is, allowed } => {
                Self::new(Code::WrongState, format!("The job is {is}. Allowed now: {}.", allowed.join(", ")))
            }
            db::DbError::Unreachable(_) => Self::unavailable(error),
            db::DbError::QueryFailed(_) => Self::internal(error),
        }
    }
}

impl From<IntakeError> for Problem {
    fn from(error: IntakeError) -> Self {
        match error {
            IntakeError::Refused(reason) => Self::new(reason.code, reason.detail),
            IntakeError::Db(error) => error.into(),
            IntakeError::Storage(error) => error.into(),
            IntakeError::Staged(error) => Self::internal(error),
        }
    }
}

impl From<StoreBlobError> for Problem {
    fn from(error: StoreBlobError) -> Self {
        match error {
            StoreBlobError::Storage(error) => error.into(),
            StoreBlobError::Db(error) => error.into(),
        }
    }
}

impl From<offprint_storage::StorageError> for Problem {
    fn from(error: offprint_storage::StorageError) -> Self {
        match error {
            offprint_storage::StorageError::Full(_) => {
                Self::new(Code::StorageFull, "The storage is full. Nothing was stored. Free some space, then retry.")
            }
            offprint_storage::StorageError::Unreachable(_) => Self::unavailable(error),
            _ => Self::internal(error),
        }
    }
}

/// The HTTP status of a code.
pub(in crate::http) fn choose_status(code: Code) -> StatusCode {
    match code {
        Code::MalformedJson | Code::InvalidParameter | Code::InvalidCursor => StatusCode::BAD_REQUEST,
        Code::Unauthenticated | Code::InvalidCredentials | Code::KeyDisabled => StatusCode::UNAUTHORIZED,
        Code::ForeignOrigin
        | Code::OperationForbidden
        | Code::ValueForbidden
        | Code::ImpersonationForbidden
        | Code::SignInExpired
        | Code::SignInRefused
        | Code::SignInNotPermitted => StatusCode::FORBIDDEN,
        Code::NotFound => StatusCode::NOT_FOUND,
        Code::NotAcceptable => StatusCode::NOT_ACCEPTABLE,
        Code::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
        Code::WrongState
        | Code::NotFinished
        | Code::IdempotencyInFlight
        | Code::SecretNotStored
        | Code::OffsetConflict => StatusCode::CONFLICT,
        Code::ProtocolVersion | Code::PreconditionFailed => StatusCode::PRECONDITION_FAILED,
        Code::UploadLocked => StatusCode::LOCKED,
        // A status code that tus defines.
        Code::ChecksumMismatch => StatusCode::from_u16(460).unwrap_or(StatusCode::BAD_REQUEST),
        Code::ResultsExpired | Code::LinkExpired | Code::LinkRevoked => StatusCode::GONE,
        Code::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Code::HeadTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        Code::RequestTimeout => StatusCode::REQUEST_TIMEOUT,
        Code::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        Code::RangeNotSatisfiable => StatusCode::RANGE_NOT_SATISFIABLE,
        Code::MisdirectedRequest => StatusCode::MISDIRECTED_REQUEST,
        Code::Internal | Code::CorruptOriginal => StatusCode::INTERNAL_SERVER_ERROR,
        Code::IdentityProviderFailed => StatusCode::BAD_GATEWAY,
        Code::Unavailable | Code::QueueFull | Code::IdentityProviderUnavailable => StatusCode::SERVICE_UNAVAILABLE,
        Code::RateLimited | Code::TooManyStreams | Code::Busy => StatusCode::TOO_MANY_REQUESTS,
        Code::StorageFull => StatusCode::INSUFFICIENT_STORAGE,
        _ => StatusCode::UNPROCESSABLE_ENTITY,
    }
}

/// A code as a title: its name with spaces.
pub(in crate::http) fn format_title(code: Code) -> String {
    let words = code.to_kebab_case().replace('-', " ");
    words.chars().take(1).flat_map(char::to_uppercase).chain(words.chars().skip(1)).collect()
}

/// The fault of IPS that corresponds to a code. Documentation page: faults/c-faults.
pub(in crate::http) fn map_ips_fault(code: Code) -> Option<IpsFault> {
    let (fault, code) = match code {
        Code::Unauthenticated => ("authenticationFault", 10000),
        Code::InvalidCredentials => ("authenticationFault", 10001),
        Code::KeyDisabled => ("authenticationFault", 10002),
        Code::UserNotFound => ("authorizationFault", 20002),
        Code::OperationForbidden => ("authorizationFault", 20003),
        Code::ImpersonationForbidden => ("authorizationFault", 20004),
        Code::ValueForbidden => ("authorizationFault", 20005),
        Code::MalformedJson => ("ipsApiFault", 30003),
        Code::MissingParameter => ("ipsApiFault", 30002),
        Code::WrongState | Code::Internal => ("ipsApiFault", 30000),
        code if choose_status(code) == StatusCode::UNPROCESSABLE_ENTITY || code == Code::NotFound => {
            ("ipsApiFault", 30001)
        }
        _ => return None,
    };
    Some(IpsFault { fault, code })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::i18n::list_languages;

    /// What a form may be refused for is told in the reader's language, before the English sentence.
    #[test]
    fn every_code_of_a_refused_request_has_words_in_every_language() {
        for language in list_languages() {
            let has_words = |code: &&Code| {
                ["mistake", "reason"].into_iter().any(|kind| language.has_message(&format!("{kind}-{code}")))
            };
            let refusals = Code::ALL.iter().filter(|code| choose_status(**code) == StatusCode::UNPROCESSABLE_ENTITY);
            let missing: Vec<&Code> = refusals.filter(|code| !has_words(code)).collect();
            assert!(missing.is_empty(), "{} has no words for {missing:?}", language.tag());
        }
    }
}
