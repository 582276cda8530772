//! JSON bodies: parsed into types, with *all* errors of a body reported at once.
//!
//! A body is checked against the schema that the OpenAPI document shows for it, so that the document and the checks
//! cannot drift apart. serde alone stops at the first unknown field and silently keeps the last of duplicate fields.

use std::collections::BTreeMap;
use std::io::Read;

use actix_web::dev::Payload;
use actix_web::web::Data;
use actix_web::{FromRequest, HttpMessage, HttpRequest};
use flate2::read::MultiGzDecoder;
use futures_util::StreamExt;
use futures_util::future::LocalBoxFuture;
use offprint_core::{Code, Digest};
use serde::de::DeserializeOwned;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa::openapi::{RefOr, Schema};

use crate::app::AppState;
use crate::compute_pool::ComputePool;
use crate::http::extract::caller::Caller;
use crate::http::extract::content_headers::{ContentCoding, check_content_headers, read_content_coding};
use crate::http::extract::json;
use crate::http::middleware::route::find_route;
use crate::http::operations::BodyRule;
use crate::http::problem::Problem;
use crate::http::problem::ValidationError;
use crate::http::schema::SchemaChecker;
use crate::id::CompanyId;

/// The UTF-8 form of U+FEFF, which editors of Windows put before a text. RFC 8259, 8.1, allows to ignore it.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// A body that matches its schema, and the SHA-256 of its JSON, without compression and byte order mark.
pub struct JsonBody<T>(pub T, pub Digest);

impl<T: ToSchema + DeserializeOwned + Send + 'static> FromRequest for JsonBody<T> {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let form = BodyForm::new(request);
        let pieces = payload.take();
        Box::pin(async move { Self::parse_in_turn(read_body(pieces, form.limit).await?, form).await })
    }
}

impl<T: ToSchema + DeserializeOwned + Send + 'static> JsonBody<T> {
    /// Parses a body; a large one in its turn, so that it holds up no other request.
    async fn parse_in_turn(bytes: Vec<u8>, form: BodyForm) -> Result<Self, Problem> {
        let BodyForm { limit, coding, pool } = form;
        let is_large = bytes.len() > MAX_INLINE_BYTES || coding == Some(ContentCoding::Gzip);
        match pool {
            Some((compute, company)) if is_large => {
                compute.run(company, move || Self::parse(bytes, coding, limit)).await.map_err(Problem::internal)?
            }
            _ => Self::parse(bytes, coding, limit),
        }
    }

    /// A body as it was sent.
    fn parse(mut bytes: Vec<u8>, coding: Option<ContentCoding>, limit: usize) -> Result<Self, Problem> {
        if coding == Some(ContentCoding::Gzip) {
            bytes = inflate_body(&bytes, limit)?;
        }
        if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
            let detail = "The body begins with the byte order mark of UTF-16, and JSON is always UTF-8. Send it as UTF-8 \
                          (PowerShell: `Out-File -Encoding utf8`).";
            return Err(Problem::new(Code::MalformedJson, detail));
        }
        let json = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&bytes);
        Ok(Self(parse_body(json)?, Digest::compute(json)))
    }
}

/// The same for a body that may be absent.
pub struct OptionalJsonBody<T>(pub T, pub Digest);

impl<T: ToSchema + DeserializeOwned + Default + Send + 'static> FromRequest for OptionalJsonBody<T> {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let form = BodyForm::new(request);
        // Whether there is a body is known only now, where its length was not announced.
        let checked = check_content_headers(BodyRule::Json, request.headers());
        let pieces = payload.take();
        Box::pin(async move {
            let bytes = read_body(pieces, form.limit).await?;
            // Some clients write `null` where they have nothing to say.
            if matches!(bytes.trim_ascii(), b"" | b"null") {
                return Ok(Self(T::default(), Digest::compute(b"")));
            }
            checked?;
            let JsonBody(body, digest) = JsonBody::parse_in_turn(bytes, form).await?;
            Ok(Self(body, digest))
        })
    }
}

/// What has to be known of a request to read its body.
struct BodyForm {
    /// Bytes at most.
    limit: usize,
    coding: Option<ContentCoding>,
    /// Where a large body is parsed.
    pool: Option<(ComputePool, CompanyId)>,
}

impl BodyForm {
    fn new(request: &HttpRequest) -> Self {
        Self {
            limit: find_body_limit(request),
            coding: read_content_coding(request.headers()),
            pool: find_compute_pool(request),
        }
    }
}

/// Parses a body, or reports everything that is wrong with it.
pub fn parse_body<T: ToSchema + DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let (value, mut mistakes) = json::parse_json(bytes).map_err(|error| {
        Problem::new(Code::MalformedJson, format!("The body is not valid JSON: {error}. Send one JSON object."))
    })?;
    let (schema, parts) = collect_schemas::<T>();
    SchemaChecker::new(&parts).check(&schema, &value, &mut mistakes);
    if !mistakes.is_empty() {
        return Err(Problem::from_errors(mistakes));
    }
    // What passed the schema can still fail where a type parses text, such as a handle; serde's message names the value.
    serde_json::from_value(value)
        .map_err(|error| Problem::from_errors(vec![ValidationError::new("", Code::InvalidValue, error.to_string())]))
}

/// The schema of a type, and the schemas it refers to by name, as JSON.
fn collect_schemas<T: ToSchema>() -> (Value, BTreeMap<String, Value>) {
    let mut parts: Vec<(String, RefOr<Schema>)> = Vec::new();
    T::schemas(&mut parts);
    let json = |schema: &RefOr<Schema>| serde_json::to_value(schema).unwrap_or(Value::Null);
    (json(&T::schema()), parts.iter().map(|(name, schema)| (name.clone(), json(schema))).collect())
}

/// The fields of a body, and whether each is a text, after its schema.
pub fn list_fields<T: ToSchema>() -> BTreeMap<String, bool> {
    let (schema, parts) = collect_schemas::<T>();
    let fields = schema["properties"].as_object().into_iter().flatten();
    fields.map(|(name, field)| (name.clone(), is_text(field, &parts))).collect()
}

fn is_text(schema: &Value, parts: &BTreeMap<String, Value>) -> bool {
    if let Some(name) = schema["$ref"].as_str().and_then(|path| path.rsplit('/').next()) {
        return parts.get(name).is_some_and(|part| is_text(part, parts));
    }
    let kind = &schema["type"];
    kind == "string"
        || kind.as_array().is_some_and(|kinds| kinds.iter().any(|kind| kind == "string"))
        || schema["oneOf"].as_array().is_some_and(|ways| ways.iter().any(|way| is_text(way, parts)))
}

/// Largest JSON body in bytes, except for export requests.
const MAX_BODY_BYTES: usize = 1 << 20;

/// Largest export request in bytes: it has room for the handles of the largest job.
pub fn compute_export_body_limit(max_items: usize) -> usize {
    // A handle with its quotes, comma and some spaces takes 48 bytes at most.
    MAX_BODY_BYTES.max(max_items * 48 + (64 << 10))
}

/// Largest list of an export request in bytes: it has room for a name, a modifier and an output name of each asset.
pub fn compute_list_body_limit(max_items: usize) -> usize {
    MAX_BODY_BYTES.max(max_items * 256)
}

/// Bodies up to this size are parsed at once: that takes a few milliseconds.
const MAX_INLINE_BYTES: usize = 64 << 10;

/// Where larger bodies of the caller are parsed.
fn find_compute_pool(request: &HttpRequest) -> Option<(ComputePool, CompanyId)> {
    let state = request.app_data::<Data<AppState>>()?;
    let caller = request.extensions().get::<Caller>().copied()?;
    Some((state.compute.clone(), caller.company))
}

fn find_body_limit(request: &HttpRequest) -> usize {
    let rule = find_route(request).operation().map(|operation| operation.body);
    let is_export = matches!(rule, Some(BodyRule::ExportRequest | BodyRule::ExportList));
    let state = request.app_data::<Data<AppState>>().filter(|_| is_export);
    state.map_or(MAX_BODY_BYTES, |state| compute_export_body_limit(state.settings.max_items))
}

/// Reads a body of text, with or without gzip, of at most `limit` bytes.
///
/// # Errors
/// When it is larger, or no UTF-8.
pub async fn read_whole_body(
    request: &HttpRequest,
    body: actix_web::web::Payload,
    limit: usize,
) -> Result<String, Problem> {
    let bytes = read_body_bytes(request, body, limit).await?;
    let text = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&bytes).to_vec();
    String::from_utf8(text).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        Problem::new(Code::MalformedJson, format!("The body is not valid UTF-8 from byte {at} on. Send it as UTF-8."))
    })
}

/// Reads a body of any encoding, with or without gzip, of at most `limit` bytes.
///
/// # Errors
/// When it is larger.
pub async fn read_body_bytes(
    request: &HttpRequest,
    body: actix_web::web::Payload,
    limit: usize,
) -> Result<Vec<u8>, Problem> {
    let bytes = read_body(body.into_inner(), limit).await?;
    match read_content_coding(request.headers()) {
        Some(ContentCoding::Gzip) => inflate_body(&bytes, limit),
        _ => Ok(bytes),
    }
}

/// The same for a body that may be a gzip file by itself, whatever its headers say.
///
/// # Errors
/// When it is larger, compressed or not.
pub async fn read_list_bytes(
    request: &HttpRequest,
    body: actix_web::web::Payload,
    limit: usize,
) -> Result<Vec<u8>, Problem> {
    let bytes = read_body_bytes(request, body, limit).await?;
    if bytes.starts_with(b"\x1f\x8b") { inflate_body(&bytes, limit) } else { Ok(bytes) }
}

/// Reads a whole body into memory.
pub(super) async fn read_body(mut pieces: Payload, limit: usize) -> Result<Vec<u8>, Problem> {
    let mut bytes = Vec::new();
    while let Some(piece) = pieces.next().await {
        let piece =
            piece.map_err(|_| Problem::new(Code::MalformedJson, "The body ended before it was complete. Retry."))?;
        if bytes.len() + piece.len() > limit {
            return Err(reject_large_body(limit));
        }
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes)
}

/// Decompresses a body. The limit is on what comes out: a few kilobytes can stand for gigabytes.
fn inflate_body(compressed: &[u8], limit: usize) -> Result<Vec<u8>, Problem> {
    let mut bytes = Vec::new();
    let read = MultiGzDecoder::new(compressed).take(limit as u64 + 1).read_to_end(&mut bytes);
    match read {
        Ok(_) if bytes.len() > limit => Err(reject_large_body(limit)),
        Ok(_) => Ok(bytes),
        Err(error) => {
            let detail = format!("The body is not valid gzip, which `Content-Encoding` says it is: {error}.");
            Err(Problem::new(Code::MalformedJson, detail))
        }
    }
}

fn reject_large_body(limit: usize) -> Problem {
    Problem::new(Code::BodyTooLarge, format!("The body is larger than the limit of {limit} bytes. Split the request."))
}
