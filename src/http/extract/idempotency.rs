//! `Idempotency-Key`: a request that is sent again because its answer was lost is executed once.
//!
//! The answer is stored in the transaction that creates the object, so there is never an object without its answer or
//! an answer without its object.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::http::header::LOCATION;
use actix_web::{FromRequest, HttpRequest, HttpResponse, HttpResponseBuilder};
use offprint_core::{Code, Digest};
use serde::Serialize;
use sqlx::types::Json;

use crate::db::idempotency::{self, IdempotencyRow, IdempotencyState};
use crate::db::{DbConnection, DbError, PgPool, Transaction};
use crate::http::address;
use crate::http::extract::caller::Caller;
use crate::http::middleware::route::find_route;
use crate::http::operations::Idempotency;
use crate::http::problem::Problem;

const IDEMPOTENCY_KEY_HEADER: &str = "Idempotency-Key";

/// The `Idempotency-Key` of a request, if it has one, and the operation that it belongs to.
#[derive(Clone)]
pub struct IdempotencyKey {
    key: Option<String>,
    /// Method and path.
    operation: String,
}

impl FromRequest for IdempotencyKey {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        if find_route(request).operation().is_none_or(|operation| operation.idempotency != Idempotency::Key) {
            return ready(Err(Problem::internal(
                "the operation table does not let this operation have an Idempotency-Key",
            )));
        }
        let operation = format!("{} {}", request.method(), request.path());
        let Some(value) = request.headers().get(IDEMPOTENCY_KEY_HEADER) else {
            return ready(Ok(Self { key: None, operation }));
        };
        let key = value.to_str().unwrap_or_default();
        let is_valid = (1..=255).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic());
        ready(match is_valid {
            true => Ok(Self { key: Some(key.to_owned()), operation }),
            false => Err(Problem::invalid_parameter(
                IDEMPOTENCY_KEY_HEADER,
                "The key must have 1 to 255 visible ASCII characters. Send a UUID, for example.",
            )),
        })
    }
}

/// On the response to a request that was done before.
const REPLAYED_HEADER: (&str, &str) = ("idempotent-replayed", "true");

impl IdempotencyRow {
    /// The first response once more, which had this status, and no headers of its own but `Location`.
    pub fn into_response(self, status: StatusCode) -> HttpResponse {
        let answer = self.to_builder(status);
        self.replay(answer)
    }

    /// The status line and headers of the first response.
    pub fn to_builder(&self, status: StatusCode) -> HttpResponseBuilder {
        let mut answer = HttpResponseBuilder::new(status);
        answer.insert_header(REPLAYED_HEADER);
        if !self.location.is_empty() {
            answer.insert_header((LOCATION, address::write_address(&self.location)));
        }
        answer
    }

    /// The body of the first response with these headers, for those that have more than `Location`.
    pub fn replay(mut self, mut answer: HttpResponseBuilder) -> HttpResponse {
        address::write_stored_links(&mut self.answer.0);
        answer.insert_header(REPLAYED_HEADER).json(self.answer.0)
    }
}

/// Ends the transaction of a creation. It is rolled back before an error is sent, so that the client can retry with the same key
/// at once.
///
/// # Errors
/// That of the creation, or of the database.
pub(in crate::http) async fn end_creation<T>(
    transaction: Transaction,
    created: Result<T, Problem>,
) -> Result<T, Problem> {
    match created {
        Ok(_) => transaction.commit().await,
        Err(_) => transaction.rollback().await,
    }
    .map_err(DbError::from)?;
    created
}

impl IdempotencyKey {
    /// No key: the request is done each time that it is sent.
    pub(in crate::http) fn none() -> Self {
        Self { key: None, operation: String::new() }
    }

    /// The key of a form that is sent twice when somebody clicks twice. It is for these fields only: whoever goes back and
    /// changes them means another request.
    pub(in crate::http) fn from_form(operation: &str, once: &str, fields: Digest) -> Self {
        Self { key: Some(format!("{once}.{fields}")), operation: operation.to_owned() }
    }

    /// The key with its user, so that nobody gets the answer to another user's request.
    fn scoped_key(&self, caller: &Caller) -> Option<String> {
        let key = self.key.as_ref()?;
        // A key has no spaces, so the two parts cannot be confused.
        Some(caller.user.map_or_else(|| key.clone(), |user| format!("{user} {key}")))
    }

    /// The stored answer to the same request. If there is none, the key is locked until the transaction ends.
    ///
    /// # Errors
    /// 422 when the key was used for another operation or with another body, 409 while another request with it is in progress.
    pub async fn reserve(
        &self,
        connection: &mut DbConnection,
        caller: &Caller,
        body: Digest,
    ) -> Result<Option<IdempotencyRow>, Problem> {
        let Some(key) = self.scoped_key(caller) else { return Ok(None) };
        match idempotency::claim_idempotency_key(connection, caller.company, &key).await? {
            IdempotencyState::New => Ok(None),
            IdempotencyState::Used(earlier) => self.check_same_request(earlier, body).map(Some),
            IdempotencyState::InFlight => Err(Problem::new(
                Code::IdempotencyInFlight,
                "A request with this `Idempotency-Key` is still in progress. Retry in a second.",
            )
            .with_header(actix_web::http::header::RETRY_AFTER, "1")),
        }
    }

    /// The stored answer to an earlier request with this key, without a lock. For what has to be known before anything is
    /// received: a request that only repeats needs no room for what it would create. [`reserve`](Self::reserve) decides.
    pub async fn find_earlier(&self, pool: &PgPool, caller: &Caller) -> Result<Option<IdempotencyRow>, Problem> {
        let Some(key) = self.scoped_key(caller) else { return Ok(None) };
        Ok(idempotency::find_idempotent_response(pool, caller.company, &key).await?)
    }

    /// Checks that the request is the one that was answered.
    pub fn check_same_request(&self, earlier: IdempotencyRow, body: Digest) -> Result<IdempotencyRow, Problem> {
        if earlier.operation != self.operation {
            let detail = format!(
                "This `Idempotency-Key` was used for `{}` within the last 24 hours, and a key belongs to one operation. \
                 Send a new key.",
                earlier.operation
            );
            return Err(Problem::new(Code::IdempotencyConflict, detail));
        }
        if earlier.request_hash != body {
            let detail =
                "This `Idempotency-Key` was used with a different body within the last 24 hours. Send a new key.";
            return Err(Problem::new(Code::IdempotencyConflict, detail));
        }
        Ok(earlier)
    }

    /// Stores the answer for retries, in the transaction that created the object.
    pub async fn store(
        &self,
        connection: &mut DbConnection,
        caller: &Caller,
        body: Digest,
        (location, answer): (&str, &impl Serialize),
    ) -> Result<(), Problem> {
        let Some(key) = self.scoped_key(caller) else { return Ok(()) };
        let answer = address::serialize_without_base(answer).map_err(Problem::internal)?;
        let operation = self.operation.clone();
        let row = IdempotencyRow { operation, request_hash: body, answer: Json(answer), location: location.to_owned() };
        Ok(idempotency::save_idempotent_response(connection, caller.company, &key, &row).await?)
    }
}
