//! The OpenAPI document: made from the routes, with an info block, tags and common answers of our own.

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

use crate::api::access::{self, Needs};
use crate::api::export_jobs::stream::Progress;
use crate::api::problem::ProblemBody;
use crate::api::routes;
use crate::state::State;

const ABOUT: &str = "Exports many stored pictures at once: upload assets, send one export job (these assets, as originals \
or converted this way, tell me when it is done), watch it, and fetch single files or one resumable zip.\n\n\
An open work-alike of `ExportJob` of Scene7's Image Production System: `assetHandleArray`, `fmt`, `is_modifier`, `macro`, \
`emailSetting` and their neighbours have the names and the meaning of its documentation; what it does not have is camelCase. \
Handles are opaque and permanent. Dates are RFC 3339 in UTC. Errors are `application/problem+json` (RFC 9457) with a `code` \
that never changes and, where a body has several mistakes, all of them in `errors`.";

static DOCUMENT: LazyLock<OpenApi> = LazyLock::new(make);
static JSON: LazyLock<String> = LazyLock::new(|| DOCUMENT.to_pretty_json().unwrap_or_default() + "\n");
/// The same where no keys are asked for: a key is one way to call, and none is another.
static OPEN: LazyLock<String> = LazyLock::new(|| {
    let mut document = DOCUMENT.clone();
    for security in operations(&mut document).filter_map(|(_, _, operation)| operation.security.as_mut()) {
        security.push(SecurityRequirement::default());
    }
    document.to_pretty_json().unwrap_or_default() + "\n"
});

/// The document as an object.
pub fn document() -> &'static OpenApi {
    &DOCUMENT
}

/// The document as it is served and committed.
pub fn text() -> &'static str {
    &JSON
}

/// `GET /openapi.json`.
pub async fn show(state: Data<State>) -> HttpResponse {
    let text = if state.settings.asks_for_keys() { text() } else { OPEN.as_str() };
    HttpResponse::Ok().content_type("application/json").body(text)
}

/// Every operation of a document, with its method and its address.
fn operations(document: &mut OpenApi) -> impl Iterator<Item = (&'static str, &str, &mut Operation)> {
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

fn make() -> OpenApi {
    let (_, mut document) = App::new().into_utoipa_app().configure(routes).split_for_parts();
    document.info = InfoBuilder::new()
        .title("Offprint")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(ABOUT))
        .contact(Some(ContactBuilder::new().name(Some("The Offprint project")).build()))
        .license(Some(LicenseBuilder::new().name("MIT OR Apache-2.0").identifier(Some("MIT OR Apache-2.0")).build()))
        .build();
    document.tags = Some(
        [
            ("export jobs", "Orders: these assets, this way, tell these people."),
            ("export schedules", "Orders that come again and again, by a cron expression in a time zone."),
            ("downloads", "What jobs hand out: single files, the archive, the manifest."),
            ("webhooks", "Signed messages about the end of jobs."),
            ("assets", "Uploaded files and the sets that were made of them."),
            ("uploads", "Large files in pieces, over lines that break: tus 1.0."),
            ("image presets", "Stored, named modifiers; between dollar signs a preset's name is a macro."),
            ("modifiers", "The modifier language."),
            ("keys", "Who may call, and what each caller may do."),
            ("service", "For machines and operators."),
        ]
        .map(|(name, about)| TagBuilder::new().name(name).description(Some(about)).build())
        .to_vec(),
    );
    // Whatever address the document came from.
    document.servers = Some(vec![ServerBuilder::new().url("/").description(Some("This service.")).build()]);
    secure(&mut document);
    for (method, path, operation) in operations(&mut document) {
        // One handler may answer GET and HEAD; in the document each operation needs a name of its own.
        if let Some(id) = operation.operation_id.as_mut() {
            *id = camel_case(id) + if method == "HEAD" { "Head" } else { "" };
        }
        let alternatives = access::needs(method, path).map(Needs::alternatives).unwrap_or_default();
        add_common_answers(operation, !alternatives.is_empty());
        let requirement = |names: Vec<String>| SecurityRequirement::new("key", names);
        operation.security = Some(alternatives.into_iter().map(requirement).collect());
    }
    drop_unused(&mut document);
    document
}

/// The name of a function as names are written on the wire.
fn camel_case(name: &str) -> String {
    let mut words = name.split('_');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |name, word| name + &word[..1].to_uppercase() + &word[1..])
}

/// Takes out the schemas that nothing refers to: a page has its lines within itself.
fn drop_unused(document: &mut OpenApi) {
    let text = document.to_json().unwrap_or_default();
    let Some(components) = document.components.as_mut() else { return };
    components.schemas.retain(|name, _| text.contains(&format!("\"#/components/schemas/{name}\"")));
}

/// Shows the key, so that Swagger UI's Authorize works.
fn secure(document: &mut OpenApi) {
    let mut components = document.components.take().unwrap_or_else(|| ComponentsBuilder::new().build());
    let about = "An API key, as `offprint admin create-key` prints it. The words beside it in an operation's `security` are \
        what the key must be allowed. A service in open mode asks for none.";
    let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some(about)).build();
    // Schemas of derived responses are not registered by the routes that use them.
    let mut parts = vec![(ProblemBody::name().into_owned(), ProblemBody::schema())];
    ProblemBody::schemas(&mut parts);
    // What stands in the text of a stream.
    parts.push((Progress::name().into_owned(), Progress::schema()));
    components.schemas.extend(parts);
    components.add_security_scheme("key", SecurityScheme::Http(scheme));
    document.components = Some(components);
}

/// Answers that every operation can give, whatever it does.
fn add_common_answers(operation: &mut Operation, needs_key: bool) {
    let common = [
        ("400", "`invalid-parameter`: the address, a query parameter or a header has a value that cannot be used."),
        (
            "401",
            "`unauthenticated`, `invalid-credentials`, `key-disabled`: there is no key, it is wrong, or it was revoked or has expired.",
        ),
        (
            "403",
            "`operation-forbidden`, `value-forbidden`: the key may not do this. `foreign-origin`: a page of another site sent a write.",
        ),
        ("408", "`request-timeout`: the request's body came too slowly."),
        ("421", "`misdirected-request`: the `Host` is not one of this service's names."),
        ("429", "`rate-limited`: too many requests within a minute; `Retry-After` says when the next one is answered."),
        ("431", "`head-too-large`: the address and headers are larger than the limit."),
        ("500", "`internal`: a mistake of ours; the log has the reason under `requestId`."),
        ("503", "`unavailable`: the service cannot answer now; `Retry-After` says when to try again."),
    ];
    for (status, about) in common.into_iter().filter(|(status, _)| needs_key || *status != "401") {
        let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
        let response = ResponseBuilder::new().description(about).content("application/problem+json", content).build();
        operation.responses.responses.entry(status.to_owned()).or_insert(response.into());
    }
}
