//! Errors as people and programs meet them: RFC 9457 problems. The cause goes to the log, never to the client.

use std::fmt;

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::{HttpResponse, ResponseError};
use serde::Serialize;
use utoipa::ToSchema;

use crate::code::Code;
use crate::reason::CodeSchema;
pub use crate::reason::Mistake;
use crate::state::KeepError;
use crate::{db, storage};

/// The body of an answer that is an error (`application/problem+json`, RFC 9457).
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Problem)]
pub struct ProblemBody {
    /// A link that names the kind of problem; it stands for the code.
    #[serde(rename = "type")]
    kind: String,
    /// The kind of problem in a few words.
    title: String,
    /// The HTTP status again.
    status: u16,
    /// What happened this time, where, and the remedy.
    detail: String,
    /// The kind of problem as a word that never changes.
    #[schema(value_type = CodeSchema)]
    code: Code,
    /// Every mistake of the request, when there are several or they have a place.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<Mistake>,
    /// The request's id, as the log has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<String>,
    /// The fault of IPS that this problem stands for.
    #[serde(skip_serializing_if = "Option::is_none")]
    ips: Option<IpsFault>,
}

/// A fault of IPS.
#[derive(Debug, Serialize, ToSchema)]
pub struct IpsFault {
    /// The kind of fault.
    #[schema(example = "ipsApiFault")]
    fault: &'static str,
    /// Its number.
    #[schema(example = 30001)]
    code: u32,
}

/// An answer that is an error.
#[derive(Debug)]
pub struct Problem {
    code: Code,
    detail: String,
    errors: Vec<Mistake>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

tokio::task_local! {
    /// The id of the request that is being answered.
    pub static REQUEST_ID: String;
}

impl Problem {
    /// A problem of this code with a sentence for strangers.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), errors: Vec::new(), headers: Vec::new() }
    }

    /// There is no such object, or it is another company's.
    pub fn missing(what: &str) -> Self {
        Self::new(Code::NotFound, format!("There is no such {what}."))
    }

    /// A query parameter or header that cannot be used.
    pub fn parameter(name: &str, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        Self::new(Code::InvalidParameter, format!("`{name}`: {detail}")).with(vec![Mistake::new(
            name,
            Code::InvalidParameter,
            detail,
        )])
    }

    /// A body with mistakes: all of them.
    pub fn refused(errors: Vec<Mistake>) -> Self {
        let detail = match errors.as_slice() {
            [only] if only.pointer.is_empty() => only.detail.clone(),
            [only] => format!("{}: {}", only.pointer, only.detail),
            all => format!("The request has {} mistakes; `errors` lists them. Nothing was created.", all.len()),
        };
        Self::new(Code::ValidationFailed, detail).with(errors)
    }

    /// A mistake of ours: the cause is logged under the request's id, the client learns nothing of it.
    pub fn internal(cause: impl fmt::Display) -> Self {
        tracing::error!(error = %cause, "A request failed for a reason of ours: {cause}");
        Self::new(Code::Internal, "The service made a mistake. Its log has the reason under this request's id.")
    }

    /// Something that the service needs does not answer.
    pub fn unavailable(cause: impl fmt::Display) -> Self {
        tracing::warn!(error = %cause, "A request could not be answered: {cause}");
        Self::new(Code::Unavailable, "The service cannot answer at the moment. Try again in a few seconds.")
            .header(header::RETRY_AFTER, "5")
    }

    /// The same problem with its single mistakes.
    pub fn with(mut self, errors: Vec<Mistake>) -> Self {
        self.errors = errors;
        self
    }

    /// The same problem with one header more.
    pub fn header(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.push((name, value));
        }
        self
    }

    /// The code.
    pub fn code(&self) -> Code {
        self.code
    }

    fn body(&self) -> ProblemBody {
        ProblemBody {
            kind: format!("/problems/{}", self.code),
            title: title(self.code),
            status: status(self.code).as_u16(),
            detail: self.detail.clone(),
            code: self.code,
            errors: self.errors.clone(),
            request_id: REQUEST_ID.try_with(Clone::clone).ok(),
            ips: ips(self.code),
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
        status(self.code)
    }

    fn error_response(&self) -> HttpResponse {
        let mut answer = HttpResponse::build(self.status_code());
        for (name, value) in &self.headers {
            answer.insert_header((name.clone(), value.clone()));
        }
        // For those who write down how it ended.
        answer.extensions_mut().insert(self.code);
        answer.content_type("application/problem+json").body(serde_json::to_string(&self.body()).unwrap_or_default())
    }
}

impl From<db::Error> for Problem {
    fn from(error: db::Error) -> Self {
        match error {
            db::Error::Missing(what) => Self::missing(what),
            db::Error::Taken(what) => Self::new(Code::WrongState, format!("The {what} is in use.")),
            db::Error::Refused { is, allowed } if allowed.is_empty() => {
                Self::new(Code::WrongState, format!("The job is {is}; it takes no more orders than to be deleted."))
            }
            db::Error::Refused { is, allowed } => {
                Self::new(Code::WrongState, format!("The job is {is}; allowed now: {}.", allowed.join(", ")))
            }
            db::Error::Down(_) => Self::unavailable(error),
            db::Error::Bug(_) => Self::internal(error),
        }
    }
}

impl From<KeepError> for Problem {
    fn from(error: KeepError) -> Self {
        match error {
            KeepError::Storage(error) => error.into(),
            KeepError::Db(error) => error.into(),
        }
    }
}

impl From<storage::Error> for Problem {
    fn from(error: storage::Error) -> Self {
        match error {
            storage::Error::Full(_) => {
                Self::new(Code::StorageFull, "The storage is full; nothing was kept. Free some room and send it again.")
            }
            storage::Error::Away(_) => Self::unavailable(error),
            _ => Self::internal(error),
        }
    }
}

/// The HTTP status of a code.
fn status(code: Code) -> StatusCode {
    match code {
        Code::MalformedJson | Code::InvalidParameter | Code::InvalidCursor => StatusCode::BAD_REQUEST,
        Code::Unauthenticated | Code::InvalidCredentials | Code::KeyDisabled => StatusCode::UNAUTHORIZED,
        Code::ForeignOrigin | Code::OperationForbidden | Code::ValueForbidden | Code::ImpersonationForbidden => {
            StatusCode::FORBIDDEN
        }
        Code::NotFound => StatusCode::NOT_FOUND,
        Code::NotAcceptable => StatusCode::NOT_ACCEPTABLE,
        Code::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
        Code::WrongState | Code::NotFinished | Code::IdempotencyInFlight | Code::OffsetConflict => StatusCode::CONFLICT,
        Code::ProtocolVersion => StatusCode::PRECONDITION_FAILED,
        Code::UploadLocked => StatusCode::LOCKED,
        // A status of tus' own.
        Code::ChecksumMismatch => StatusCode::from_u16(460).unwrap_or(StatusCode::BAD_REQUEST),
        Code::ResultsExpired | Code::LinkExpired | Code::LinkRevoked => StatusCode::GONE,
        Code::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Code::HeadTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        Code::RequestTimeout => StatusCode::REQUEST_TIMEOUT,
        Code::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        Code::RangeNotSatisfiable => StatusCode::RANGE_NOT_SATISFIABLE,
        Code::MisdirectedRequest => StatusCode::MISDIRECTED_REQUEST,
        Code::Internal | Code::CorruptOriginal => StatusCode::INTERNAL_SERVER_ERROR,
        Code::Unavailable | Code::QueueFull => StatusCode::SERVICE_UNAVAILABLE,
        Code::RateLimited | Code::TooManyStreams => StatusCode::TOO_MANY_REQUESTS,
        Code::StorageFull => StatusCode::INSUFFICIENT_STORAGE,
        _ => StatusCode::UNPROCESSABLE_ENTITY,
    }
}

/// A code as a few words: its name with blanks.
fn title(code: Code) -> String {
    let words = code.as_str().replace('-', " ");
    words.chars().take(1).flat_map(char::to_uppercase).chain(words.chars().skip(1)).collect()
}

/// The fault of IPS that a code stands for (`faults/c-faults` of the IPS documentation).
fn ips(code: Code) -> Option<IpsFault> {
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
        code if status(code) == StatusCode::UNPROCESSABLE_ENTITY || code == Code::NotFound => ("ipsApiFault", 30001),
        _ => return None,
    };
    Some(IpsFault { fault, code })
}
