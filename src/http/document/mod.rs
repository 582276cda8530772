//! The OpenAPI document. utoipa generates it from the handlers; this file adds the info block, the tags, the security
//! requirements of the operation table, the error responses that every operation shares, and, in the files of this folder,
//! what generators of clients need: names for pages, schemas for bytes, headers, webhooks, groups.
//!
//! The document is built once per process. The copy in `openapi/openapi.json` is compared with it by a test, so a change
//! of the API is always visible in review. Begin reading at `build_document`.

mod bodies;
mod groups;
mod headers;
mod pages;
pub mod payloads;
mod serving;

use std::sync::LazyLock;

use actix_web::App;
use serde_json::{Value, json};
use utoipa::openapi::path::Operation;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::server::ServerBuilder;
use utoipa::openapi::{
    ComponentsBuilder, ContactBuilder, ContentBuilder, InfoBuilder, LicenseBuilder, OpenApi, Ref, ResponseBuilder,
    SecurityRequirement,
};
use utoipa::{PartialSchema, ToSchema};
use utoipa_actix_web::AppExt;

use crate::http::operations;
use crate::http::problem::ProblemDetails;
use crate::http::register_routes;
use crate::http::resources::export_jobs::event_stream::ProgressEvent;

use serving::ServedDocument;
pub use serving::show_document;

const API_DESCRIPTION: &str = "Exports many stored images in one job: upload assets, send one export request (which assets, as originals or \
converted, whom to notify), watch the job, and download single files or one resumable zip.\n\n\
An open work-alike of `ExportJob` in the Image Production System (IPS) of Scene7: `assetHandleArray`, `fmt`, `is_modifier`, \
`macro`, `emailSetting` and related fields have the names and the meaning of its documentation; fields that IPS does not \
have are camelCase. Handles are opaque and permanent. Dates are RFC 3339 in UTC. Errors are `application/problem+json` \
(RFC 9457) with a stable `code`. When a body has several errors, `errors` lists all of them.";

static DOCUMENT: LazyLock<Value> = LazyLock::new(build_document);
static DOCUMENT_JSON: LazyLock<ServedDocument> = LazyLock::new(|| ServedDocument::new(write_document(&DOCUMENT)));
/// The document of a service in open mode, where a key is optional: an empty security requirement is an alternative to it.
static OPEN_MODE_DOCUMENT_JSON: LazyLock<ServedDocument> = LazyLock::new(|| {
    let mut document = DOCUMENT.clone();
    for_each_operation(&mut document, |_, _, operation| {
        if let Some(alternatives) = operation.get_mut("security").and_then(Value::as_array_mut) {
            alternatives.push(json!({}));
        }
    });
    ServedDocument::new(write_document(&document))
});

/// The document as JSON, as it is served and committed.
pub fn get_document_json() -> &'static str {
    DOCUMENT_JSON.text()
}

/// The document as this service serves it. The first call builds it, which takes a while: `serve` does that before the
/// first request.
pub fn get_served_document(is_key_required: bool) -> &'static str {
    find_served_document(is_key_required).text()
}

fn find_served_document(is_key_required: bool) -> &'static ServedDocument {
    if is_key_required { &DOCUMENT_JSON } else { &OPEN_MODE_DOCUMENT_JSON }
}

fn write_document(document: &Value) -> String {
    serde_json::to_string_pretty(document).unwrap_or_default() + "\n"
}

/// Every operation that utoipa has generated, with its method and path template.
fn iter_operations(document: &mut OpenApi) -> impl Iterator<Item = (&'static str, &str, &mut Operation)> {
    document.paths.paths.iter_mut().flat_map(|(path, item)| {
        [
            ("GET", &mut item.get),
            ("HEAD", &mut item.head),
            ("POST", &mut item.post),
            ("PUT", &mut item.put),
            ("PATCH", &mut item.patch),
            ("DELETE", &mut item.delete),
            ("OPTIONS", &mut item.options),
        ]
        .into_iter()
        .filter_map(|(method, operation)| Some((method, path.as_str(), operation.as_mut()?)))
    })
}

/// Changes every operation of the document as JSON; gets its method in capitals and its path template.
fn for_each_operation(document: &mut Value, mut change: impl FnMut(&str, &str, &mut Value)) {
    for (path, item) in document["paths"].as_object_mut().into_iter().flatten() {
        for (method, operation) in item.as_object_mut().into_iter().flatten() {
            if operation.get("responses").is_some() {
                change(&method.to_ascii_uppercase(), path, operation);
            }
        }
    }
}

fn is_success(status: &str) -> bool {
    status.starts_with('2')
}

/// Builds the document: what utoipa generates, then what holds for all operations, by rules. OpenAPI's webhooks are not
/// known to utoipa, so the rules work on JSON.
fn build_document() -> Value {
    let mut document = serde_json::to_value(generate_document()).unwrap_or_default();
    pages::name_page_schemas(&mut document);
    bodies::describe_bodies(&mut document);
    bodies::simplify_parameters(&mut document);
    headers::add_headers(&mut document);
    payloads::add_webhooks(&mut document);
    payloads::describe_event_stream(&mut document);
    groups::add_groups(&mut document);
    drop_unused_schemas(&mut document);
    document
}

/// The document as utoipa generates it from the handlers, with the operation table's security requirements.
fn generate_document() -> OpenApi {
    let (_, mut document) = App::new().into_utoipa_app().configure(register_routes).split_for_parts();
    document.info = InfoBuilder::new()
        .title("Offprint")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(API_DESCRIPTION))
        .contact(Some(ContactBuilder::new().name(Some("The Offprint project")).build()))
        .license(Some(LicenseBuilder::new().name("MIT OR Apache-2.0").identifier(Some("MIT OR Apache-2.0")).build()))
        .build();
    // Relative to the address that the document was loaded from.
    document.servers = Some(vec![ServerBuilder::new().url("/").description(Some("This service.")).build()]);
    add_security_scheme(&mut document);
    for (method, path, operation) in iter_operations(&mut document) {
        // One handler may serve GET and HEAD; in the document each operation needs an id of its own.
        if let Some(id) = operation.operation_id.as_mut() {
            *id = to_camel_case(id) + if method == "HEAD" { "Head" } else { "" };
        }
        let row = operations::find_documented_operation(method, path);
        let alternatives = row.map(|row| row.access.alternatives()).unwrap_or_default();
        add_common_responses(operation, !alternatives.is_empty());
        let requirement = |names: Vec<String>| SecurityRequirement::new("key", names);
        operation.security = Some(alternatives.into_iter().map(requirement).collect());
    }
    document
}

/// Converts a function's name to the camelCase of operation ids.
fn to_camel_case(name: &str) -> String {
    let mut words = name.split('_');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |name, word| name + &word[..1].to_uppercase() + &word[1..])
}

/// Removes schemas that nothing refers to, until none is left: some are referred to by removed ones only.
fn drop_unused_schemas(document: &mut Value) {
    loop {
        let text = document.to_string();
        let Some(schemas) = document.pointer_mut("/components/schemas").and_then(Value::as_object_mut) else { return };
        let before = schemas.len();
        let is_used = |name: &str| text.contains(&format!("\"#/components/schemas/{name}\""));
        schemas.retain(|name, _| is_used(name));
        if schemas.len() == before {
            return;
        }
    }
}

/// Declares the API key, so that Authorize in Swagger UI works.
fn add_security_scheme(document: &mut OpenApi) {
    let mut components = document.components.take().unwrap_or_else(|| ComponentsBuilder::new().build());
    let about = "An API key, as printed by `offprint admin create-key`. An operation's `security` lists the capabilities that the \
        key must have. A service in open mode needs no key.";
    let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some(about)).build();
    // Schemas of derived responses are not registered by the routes that use them.
    let mut parts = vec![(ProblemDetails::name().into_owned(), ProblemDetails::schema())];
    ProblemDetails::schemas(&mut parts);
    // Sent as text in an event stream, so no response refers to it.
    parts.push((ProgressEvent::name().into_owned(), ProgressEvent::schema()));
    parts.extend(payloads::list_webhook_schemas());
    components.schemas.extend(parts);
    components.add_security_scheme("key", SecurityScheme::Http(scheme));
    document.components = Some(components);
}

/// Adds the error responses that every operation can give.
fn add_common_responses(operation: &mut Operation, needs_key: bool) {
    let common = [
        ("400", "`invalid-parameter`: the path, a query parameter or a header has an invalid value."),
        (
            "401",
            "`unauthenticated`: no API key was sent. `invalid-credentials`: the key is unknown. `key-disabled`: it was revoked or has expired.",
        ),
        (
            "403",
            "`operation-forbidden`, `value-forbidden`: the API key lacks a capability. `foreign-origin`: a page of another site sent a write.",
        ),
        ("408", "`request-timeout`: the request body arrived too slowly."),
        ("421", "`misdirected-request`: `Host` is not a name of this service."),
        ("429", "`rate-limited`: too many requests within a minute. Retry after `Retry-After` seconds."),
        ("431", "`head-too-large`: the URL and headers together exceed the limit."),
        ("500", "`internal`: internal error. The log has details under `requestId`."),
        ("503", "`unavailable`: the service cannot answer now. Retry after `Retry-After` seconds."),
    ];
    for (status, about) in common.into_iter().filter(|(status, _)| needs_key || *status != "401") {
        let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
        let response = ResponseBuilder::new().description(about).content("application/problem+json", content).build();
        operation.responses.responses.entry(status.to_owned()).or_insert(response.into());
    }
}
