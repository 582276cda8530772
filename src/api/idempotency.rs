//! `Idempotency-Key`: a request that is sent twice, because its answer was lost, is done once.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use serde::Serialize;
use sqlx::types::Json;

use crate::api::caller::Caller;
use crate::api::problem::Problem;
use crate::code::Code;
use crate::db::Connection;
use crate::db::idempotency::{self, Given, Key};
use crate::digest::Digest;

const HEADER: &str = "Idempotency-Key";

/// The key that a request carries, if it does.
pub struct IdempotencyKey(Option<String>);

impl FromRequest for IdempotencyKey {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let Some(value) = request.headers().get(HEADER) else { return ready(Ok(Self(None))) };
        let said = value.to_str().unwrap_or_default();
        let fits = (1..=255).contains(&said.len()) && said.bytes().all(|byte| byte.is_ascii_graphic());
        ready(match fits {
            true => Ok(Self(Some(said.to_owned()))),
            false => Err(Problem::parameter(HEADER, "A key has 1 to 255 visible ASCII characters, such as a UUID.")),
        })
    }
}

impl IdempotencyKey {
    /// The key among those of this caller: nobody gets the answer to somebody else's request.
    fn of(&self, caller: &Caller) -> Option<String> {
        let key = self.0.as_ref()?;
        // A blank cannot stand in a key.
        Some(caller.user.map_or_else(|| key.clone(), |user| format!("{user} {key}")))
    }

    /// The answer that was given to the same request before. Without one the key is held until the transaction ends.
    pub async fn given(
        &self,
        connection: &mut Connection,
        caller: &Caller,
        body: Digest,
    ) -> Result<Option<Given>, Problem> {
        let Some(key) = self.of(caller) else { return Ok(None) };
        match idempotency::take(connection, caller.company, &key).await? {
            Key::New => Ok(None),
            Key::Used(given) if given.request_hash == body => Ok(Some(given)),
            Key::Used(_) => Err(Problem::new(
                Code::IdempotencyConflict,
                "This Idempotency-Key was used for another body within the last 24 hours. Send a new key.",
            )),
            Key::InFlight => Err(Problem::new(
                Code::IdempotencyInFlight,
                "A request with this Idempotency-Key is still being answered. Send it again in a second.",
            )
            .header(actix_web::http::header::RETRY_AFTER, "1")),
        }
    }

    /// Keeps the answer for repetitions, in the transaction that it speaks of.
    pub async fn keep(
        &self,
        connection: &mut Connection,
        caller: &Caller,
        body: Digest,
        (location, answer): (&str, &impl Serialize),
    ) -> Result<(), Problem> {
        let Some(key) = self.of(caller) else { return Ok(()) };
        let answer = serde_json::to_value(answer).map_err(Problem::internal)?;
        let given = Given { request_hash: body, answer: Json(answer), location: location.to_owned() };
        Ok(idempotency::keep(connection, caller.company, &key, &given).await?)
    }
}
