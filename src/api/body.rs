//! JSON bodies: read into types, with *all* mistakes of a body told at once.
//!
//! A body is checked against the schema that the OpenAPI document shows for it, so that the document and the checks
//! cannot drift apart. serde alone stops at the first unknown field and swallows duplicates.

use std::collections::BTreeMap;

use actix_web::dev::Payload;
use actix_web::http::header;
use actix_web::web::Data;
use actix_web::{FromRequest, HttpRequest};
use futures_util::StreamExt;
use futures_util::future::LocalBoxFuture;
use serde::de::DeserializeOwned;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa::openapi::{RefOr, Schema};

use crate::api::json;
use crate::api::problem::{Mistake, Problem};
use crate::api::schema::Checker;
use crate::code::Code;
use crate::digest::Digest;
use crate::state::State;

/// A body that has the form its schema asks for, and the SHA-256 of its bytes as they were sent.
pub struct Body<T>(pub T, pub Digest);

impl<T: ToSchema + DeserializeOwned + 'static> FromRequest for Body<T> {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let limit = limit(request);
        let media = media_type(request);
        let pieces = payload.take();
        Box::pin(async move {
            if media.as_deref().is_some_and(|media| media != "application/json" && !media.ends_with("+json")) {
                return Err(Problem::new(
                    Code::UnsupportedMediaType,
                    "The body must be sent as `Content-Type: application/json`.",
                ));
            }
            let bytes = whole(pieces, limit).await?;
            Ok(Self(parse(&bytes)?, Digest::of(&bytes)))
        })
    }
}

/// Reads a body, or says everything that is wrong with it.
pub fn parse<T: ToSchema + DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let (value, duplicates) = json::read(bytes).map_err(|error| {
        Problem::new(Code::MalformedJson, format!("The body is not JSON: {error}. Send one JSON object."))
    })?;
    let mut mistakes: Vec<Mistake> = duplicates
        .into_iter()
        .map(|at| Mistake::new(at, Code::DuplicateField, "This field stands twice. Send it once."))
        .collect();
    let (schema, parts) = schemas::<T>();
    Checker::new(&parts).check(&schema, &value, &mut mistakes);
    if mistakes.len() >= json::MOST_MISTAKES {
        mistakes.truncate(json::MOST_MISTAKES);
        mistakes.push(Mistake::new("", Code::InvalidValue, "There may be more mistakes; these are the first."));
    }
    if !mistakes.is_empty() {
        return Err(Problem::refused(mistakes));
    }
    // The schema says less than the types do only where a type parses text; serde's sentence then names the value.
    serde_json::from_value(value)
        .map_err(|error| Problem::refused(vec![Mistake::new("", Code::InvalidValue, error.to_string())]))
}

/// The schema of a type, and those it refers to, as JSON.
fn schemas<T: ToSchema>() -> (Value, BTreeMap<String, Value>) {
    let mut parts: Vec<(String, RefOr<Schema>)> = Vec::new();
    T::schemas(&mut parts);
    let json = |schema: &RefOr<Schema>| serde_json::to_value(schema).unwrap_or(Value::Null);
    (json(&T::schema()), parts.iter().map(|(name, schema)| (name.clone(), json(schema))).collect())
}

/// Largest JSON body in bytes, but for orders.
const LIMIT: usize = 1 << 20;

/// Largest body of an order in bytes: the handles of the largest job have room.
pub fn order_limit(max_items: usize) -> usize {
    // A handle with its quotes, comma and some blanks takes 48 bytes at most.
    LIMIT.max(max_items * 48 + (64 << 10))
}

fn limit(request: &HttpRequest) -> usize {
    let path = request.path();
    let orders = path == "/export-jobs" || path == "/export-jobs/validate" || path.starts_with("/export-schedules");
    let state = request.app_data::<Data<State>>().filter(|_| orders);
    state.map_or(LIMIT, |state| order_limit(state.settings.max_items))
}

/// All of a body.
async fn whole(mut pieces: Payload, limit: usize) -> Result<Vec<u8>, Problem> {
    let mut bytes = Vec::new();
    while let Some(piece) = pieces.next().await {
        let piece = piece
            .map_err(|_| Problem::new(Code::MalformedJson, "The body ended before it was complete. Send it again."))?;
        if bytes.len() + piece.len() > limit {
            return Err(too_large(limit));
        }
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes)
}

fn too_large(limit: usize) -> Problem {
    Problem::new(Code::BodyTooLarge, format!("The body is larger than {limit} bytes. Split the request."))
}

fn media_type(request: &HttpRequest) -> Option<String> {
    let value = request.headers().get(header::CONTENT_TYPE)?.to_str().ok()?;
    Some(value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
}
