//! What the service writes outside of a response's own type: the messages of webhooks and the manifest. These types exist
//! only for the document; a test compares them with what is really sent.

#![allow(dead_code, reason = "these types only exist to be shown in the document")]

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa::openapi::{RefOr, Schema};

use crate::db::asset::AssetType;
use crate::db::enums::{Fmt, ImportState, ItemState, Outcome, ShownState};
use crate::db::import::ImportCounts;
use crate::db::job::Rendition;
use crate::db::metadata_map::MetadataMap;
use crate::http::resources::export_job_groups::group::ExportJobGroupLinks;
use crate::http::resources::export_jobs::job::{Counts, Links};
use crate::http::resources::imports::import::ImportLinks;
use crate::id::{AssetId, ImportId, JobGroupId, JobId};
use crate::reason::Reason;

/// The message that is sent to `callbackUrl` when a run of a job has ended.
#[derive(ToSchema)]
pub struct WebhookEvent {
    /// `export_job.finished`, `export_job.failed` (nothing succeeded) or `export_job.stopped`. An open list: ignore types
    /// that you do not know.
    #[schema(example = "export_job.finished")]
    r#type: String,
    /// When the run ended.
    timestamp: DateTime<Utc>,
    /// The job, as `GET /export-jobs/{jobHandle}` shows it.
    data: WebhookEventData,
}

/// The job in a message: the fields of the same names in the job.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct WebhookEventData {
    /// Handle of the job.
    job_handle: JobId,
    /// Name of the job.
    job_name: String,
    /// Texts of the client's own, from the request.
    metadata: MetadataMap,
    /// Number of the run, from 1.
    run: i32,
    /// State of the job: `finished`.
    state: ShownState,
    /// How the run ended.
    outcome: Outcome,
    /// Number of items by state.
    counts: Counts,
    /// Number of files that can be downloaded.
    files: i32,
    /// Total size of these files in bytes.
    bytes: i64,
    /// Related URLs.
    links: Links,
}

/// The message that is sent to `callbackUrl` when a run of an import has ended.
#[derive(ToSchema)]
pub struct ImportWebhookEvent {
    /// `import.finished`, whatever the outcome. An open list: ignore types that you do not know.
    #[schema(example = "import.finished")]
    r#type: String,
    /// When the run ended.
    timestamp: DateTime<Utc>,
    /// The import, as `GET /imports/{jobHandle}` shows it.
    data: ImportWebhookEventData,
}

/// The import in a message: the fields of the same names in the import.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct ImportWebhookEventData {
    /// Handle of the import.
    import_handle: ImportId,
    /// Its name for people.
    name: String,
    /// Number of the run, from 1.
    run: i32,
    /// State of the import: `finished`.
    state: ImportState,
    /// How the run ended.
    outcome: Outcome,
    /// Why the source could not be listed completely; null when it could.
    failure: Option<Reason>,
    /// How many files there are, by state.
    counts: ImportCounts,
    /// Related URLs.
    links: ImportLinks,
}

/// The message that is sent to `callbackUrl` when the last job of a group has ended.
#[derive(ToSchema)]
pub struct JobGroupWebhookEvent {
    /// `export_job_group.finished`, whatever the outcome. An open list: ignore types that you do not know.
    #[schema(example = "export_job_group.finished")]
    r#type: String,
    /// When the last job ended.
    timestamp: DateTime<Utc>,
    /// The group, as `GET /export-job-groups/{jobHandle}` shows it.
    data: JobGroupWebhookEventData,
}

/// The group in a message: the fields of the same names in the group.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct JobGroupWebhookEventData {
    /// Handle of the group.
    group_handle: JobGroupId,
    /// Its name for people.
    group_name: String,
    /// Texts of the client's own, from the request.
    metadata: MetadataMap,
    /// State of the group: `finished`.
    state: ShownState,
    /// How all jobs ended together.
    outcome: Outcome,
    /// Number of items by state, over all jobs.
    counts: Counts,
    /// Number of files that can be downloaded.
    files: i64,
    /// Total size of these files in bytes.
    bytes: i64,
    /// Its jobs in the order of the assets.
    job_handles: Vec<JobId>,
    /// Related URLs.
    links: ExportJobGroupLinks,
}

/// The results of a job by asset, failures included.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct ExportManifest {
    /// Handle of the job.
    job_handle: JobId,
    /// Name of the job.
    job_name: String,
    /// Texts of the client's own, from the request.
    metadata: MetadataMap,
    /// Number of the run, from 1.
    run: i32,
    /// How the run ended.
    outcome: Outcome,
    /// Whether originals were exported or converted.
    fmt: Fmt,
    /// The modifier with all macros expanded.
    effective_modifier: Option<String>,
    /// The renditions of every image; null when the job has none.
    renditions: Option<Vec<Rendition>>,
    /// When the job was created.
    created_at: DateTime<Utc>,
    /// Number of items by state.
    counts: ExportManifestCounts,
    /// Warnings about the request and its modifier.
    warnings: Vec<Reason>,
    /// Harmless remarks about the modifier.
    notices: Vec<Reason>,
    /// A line for each file, and for each asset without one.
    items: Vec<ExportManifestItem>,
}

/// Number of items by the state in which they ended.
#[derive(ToSchema)]
#[allow(missing_docs, reason = "the words of an item's state")]
pub struct ExportManifestCounts {
    total: i64,
    succeeded: i64,
    failed: i64,
    skipped: i64,
    stopped: i64,
    /// Items with warnings.
    warnings: i64,
}

/// A line of the manifest: a file, or an asset without one.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct ExportManifestItem {
    /// Position of the item in the request.
    position: i32,
    /// The asset.
    asset_handle: AssetId,
    /// Type of the asset.
    asset_type: AssetType,
    /// Name of the asset.
    name: String,
    /// File name of the original; null for sets.
    source_file_name: Option<String>,
    /// Folder of the asset.
    folder: String,
    /// Name of the rendition; null for originals and without `renditions`.
    rendition: Option<String>,
    /// How it ended.
    state: ItemState,
    /// Path of the file in the archive; null when there is none.
    path: Option<String>,
    /// Size in bytes.
    size: Option<i64>,
    /// SHA-256 of the file.
    sha256: Option<String>,
    /// Media type.
    mime: Option<String>,
    /// Width in pixels.
    width: Option<i32>,
    /// Height in pixels.
    height: Option<i32>,
    /// Why there is no file.
    failure: Option<Reason>,
    /// Warnings about the file.
    warnings: Vec<Reason>,
    /// Metadata of the asset when the job was created.
    metadata: MetadataMap,
}

/// The schemas of webhooks, which no operation refers to.
pub(super) fn list_webhook_schemas() -> Vec<(String, RefOr<Schema>)> {
    let mut schemas = vec![(WebhookEvent::name().into_owned(), <WebhookEvent as utoipa::PartialSchema>::schema())];
    WebhookEvent::schemas(&mut schemas);
    schemas.push((ImportWebhookEvent::name().into_owned(), <ImportWebhookEvent as utoipa::PartialSchema>::schema()));
    ImportWebhookEvent::schemas(&mut schemas);
    schemas
        .push((JobGroupWebhookEvent::name().into_owned(), <JobGroupWebhookEvent as utoipa::PartialSchema>::schema()));
    JobGroupWebhookEvent::schemas(&mut schemas);
    schemas
}

/// Names the data of each kind of server-sent event. OpenAPI 3.1 has no words for them.
pub(super) fn describe_event_stream(document: &mut Value) {
    let stream = "/paths/~1export-jobs~1{jobHandle}~1events/get/responses/200/content/text~1event-stream/schema";
    if let Some(schema) = document.pointer_mut(stream) {
        let refer = |name: &str| json!({"$ref": format!("#/components/schemas/{name}")});
        schema["x-events"] =
            json!({"snapshot": refer("Job"), "event": refer("Event"), "progress": refer("ProgressEvent")});
    }
}

/// Describes the messages as webhooks of OpenAPI 3.1: requests that the service sends and the receiver answers.
pub(super) fn add_webhooks(document: &mut Value) {
    let kinds = [
        ("exportJobFinished", "export_job.finished", "An export job has finished", "At least one item succeeded."),
        ("exportJobFailed", "export_job.failed", "An export job has failed", "No item succeeded."),
        ("exportJobStopped", "export_job.stopped", "An export job was stopped", "Its finished files stay."),
        (
            "exportJobGroupFinished",
            "export_job_group.finished",
            "The last job of a group has ended",
            "`outcome` says how all of them ended together.",
        ),
        ("importFinished", "import.finished", "An import has ended", "`outcome` says how."),
    ];
    for (id, kind, summary, about) in kinds {
        let schema = match id {
            "importFinished" => "ImportWebhookEvent",
            "exportJobGroupFinished" => "JobGroupWebhookEvent",
            _ => "WebhookEvent",
        };
        document["webhooks"][id] = json!({"post": {
            // A tag of its own: generators write a class for each tag, and those of operations and of webhooks
            // would overwrite each other.
            "tags": ["webhook messages"],
            "operationId": id,
            "summary": summary,
            "description": format!(
                "Sent to `callbackUrl` with `type` `{kind}`. {about} Signed as in Standard Webhooks: the libraries of \
                 <https://www.standardwebhooks.com> verify it with the secret of `GET /webhook-secret`. A message may arrive \
                 twice, with the same `webhook-id`."
            ),
            "parameters": [
                describe_header("webhook-id", "Identifies the message; the same for every attempt to deliver it."),
                describe_header("webhook-timestamp", "When this attempt was signed, in seconds since 1970."),
                describe_header("webhook-signature", "Signatures, separated by spaces: `v1,` and HMAC-SHA256 in base64."),
            ],
            "requestBody": {
                "required": true,
                "content": {"application/json": {"schema": {"$ref": format!("#/components/schemas/{schema}")}}},
            },
            "responses": {
                "2XX": {"description": "Received. Anything else is tried again, with growing pauses, for 24 hours."},
                "410": {"description": "The receiver wants no more messages about this run."},
            },
            "security": [],
        }});
    }
}

fn describe_header(name: &str, about: &str) -> Value {
    json!({"name": name, "in": "header", "required": true, "description": about, "schema": {"type": "string"}})
}
