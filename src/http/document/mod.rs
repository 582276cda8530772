//! The OpenAPI document. utoipa generates it from the handlers; this file adds the info block, the tags, the security
//! requirements of the operation table and the error responses that every operation shares.
//!
//! The document is built once per process. The copy in `openapi/openapi.json` is compared with it by a test, so a change
//! of the API is always visible in review. Begin reading at `build_document`.

use std::sync::LazyLock;

use actix_web::web::Data;
use actix_web::{App, HttpResponse};
use utoipa::openapi::path::Operation;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::server::ServerBuilder;
use utoipa::openapi::tag::TagBuilder;
use utoipa::openapi::{
    ComponentsBuilder, ContactBuilder, ContentBuilder, InfoBuilder, LicenseBuilder, OpenApi, Ref, ResponseBuilder,
    SecurityRequirement,
};
use utoipa::{PartialSchema, ToSchema};
use utoipa_actix_web::AppExt;

use crate::app::AppState;
use crate::http::operations;
use crate::http::problem::ProblemDetails;
use crate::http::register_routes;
use crate::http::resources::export_jobs::event_stream::ProgressEvent;

const API_DESCRIPTION: &str = "Exports many stored images in one job: upload assets, send one export request (which assets, as originals or \
converted, whom to notify), watch the job, and download single files or one resumable zip.\n\n\
An open work-alike of `ExportJob` in the Image Production System (IPS) of Scene7: `assetHandleArray`, `fmt`, `is_modifier`, \
`macro`, `emailSetting` and related fields have the names and the meaning of its documentation; fields that IPS does not \
have are camelCase. Handles are opaque and permanent. Dates are RFC 3339 in UTC. Errors are `application/problem+json` \
(RFC 9457) with a stable `code`. When a body has several errors, `errors` lists all of them.";

static DOCUMENT: LazyLock<OpenApi> = LazyLock::new(build_document);
static DOCUMENT_JSON: LazyLock<String> = LazyLock::new(|| DOCUMENT.to_pretty_json().unwrap_or_default() + "\n");
/// The document of a service in open mode, where a key is optional: an empty security requirement is an alternative to it.
static OPEN_MODE_DOCUMENT_JSON: LazyLock<String> = LazyLock::new(|| {
    let mut document = DOCUMENT.clone();
    for security in iter_operations(&mut document).filter_map(|(_, _, operation)| operation.security.as_mut()) {
        security.push(SecurityRequirement::default());
    }
    document.to_pretty_json().unwrap_or_default() + "\n"
});

pub fn get_document() -> &'static OpenApi {
    &DOCUMENT
}

/// The document as JSON, as it is served and committed.
pub fn get_document_json() -> &'static str {
    &DOCUMENT_JSON
}

/// `GET /openapi.json`.
pub async fn show_document(state: Data<AppState>) -> HttpResponse {
    let text = if state.settings.is_key_required() { get_document_json() } else { OPEN_MODE_DOCUMENT_JSON.as_str() };
    HttpResponse::Ok().content_type("application/json").body(text)
}

/// Every operation of a document, with its method and path template.
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

fn build_document() -> OpenApi {
    let (_, mut document) = App::new().into_utoipa_app().configure(register_routes).split_for_parts();
    document.info = InfoBuilder::new()
        .title("Offprint")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(API_DESCRIPTION))
        .contact(Some(ContactBuilder::new().name(Some("The Offprint project")).build()))
        .license(Some(LicenseBuilder::new().name("MIT OR Apache-2.0").identifier(Some("MIT OR Apache-2.0")).build()))
        .build();
    document.tags = Some(
        [
            ("export jobs", "Create, watch and control exports."),
            ("export schedules", "Exports that recur: a cron expression in a time zone."),
            ("downloads", "The results of a job: single files, the archive, the manifest, and links to them."),
            ("webhooks", "Signed messages sent when a job ends."),
            ("assets", "Uploaded files, and sets of them."),
            ("uploads", "Resumable uploads of large files (tus 1.0)."),
            ("image presets", "Stored, named modifiers. `$name$` calls one as a macro."),
            ("modifiers", "The Image Serving modifier language: its commands, and a checker."),
            ("keys", "API keys and their capabilities."),
            ("service", "Information for operators: version, limits, usage, health, metrics, workers, audit log."),
        ]
        .map(|(name, about)| TagBuilder::new().name(name).description(Some(about)).build())
        .to_vec(),
    );
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
    drop_unused_schemas(&mut document);
    document
}

/// Converts a function's name to the camelCase of operation ids.
fn to_camel_case(name: &str) -> String {
    let mut words = name.split('_');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |name, word| name + &word[..1].to_uppercase() + &word[1..])
}

/// Removes schemas that nothing refers to: utoipa registers the generic `Page`, but each list inlines its own.
fn drop_unused_schemas(document: &mut OpenApi) {
    let text = document.to_json().unwrap_or_default();
    let Some(components) = document.components.as_mut() else { return };
    components.schemas.retain(|name, _| text.contains(&format!("\"#/components/schemas/{name}\"")));
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
