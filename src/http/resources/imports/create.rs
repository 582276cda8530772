//! Creates an import: one transaction writes it, the task that lists its source, and the idempotency record.

use actix_web::http::{StatusCode, header};
use actix_web::web::Data;
use actix_web::{HttpResponse, post};
use offprint_core::{Code, Digest};
use offprint_storage::remote::RemoteKind;

use crate::app::AppState;
use crate::db::enums::Layout;
use crate::db::import::{self, NewImport};
use crate::db::task::{self, NewTask, TaskKind};
use crate::db::{self, DbConnection, company};
use crate::http::admission::admit_request;
use crate::http::extract::body::JsonBody;
use crate::http::extract::caller::Caller;
use crate::http::extract::idempotency::{IdempotencyKey, end_creation};
use crate::http::problem::{Problem, ValidationError, ValidationErrors};
use crate::http::resources::export_jobs::create::build_accepted_response;
use crate::http::resources::imports::import::Import;
use crate::http::responses::{BodyProblems, BusyProblem, IdempotencyProblem, QueryProblems, QueueFullProblem};
use crate::id::{CompanyId, ImportId};
use crate::jobs::import::{ImportRequest, check_import};
use crate::jobs::recipients::check_recipients;

/// Imports of a company that are not finished.
const MAX_UNFINISHED_IMPORTS: i64 = 20;

/// `Retry-After` in seconds when there are too many.
const QUEUE_FULL_RETRY_SECONDS: &str = "30";

/// Create an import.
///
/// Brings files of a connection (`GET /connections`) or of public web servers, and makes assets of them. Answers at once; the import
/// runs in the background. Watch it at the URL in `Location`, with `?wait=50` to wait for its end. What became of each file is at
/// `…/entries`.
///
/// A file that still has the `ETag` and size that it had when it was last imported into the folder, and whose asset exists, is
/// skipped: a second import brings only what is new or changed. Limits on sizes, assets and stored bytes hold as for uploads; a file
/// that exceeds one fails for itself. URLs are called by the rules for webhooks: https, on public hosts.
#[utoipa::path(
    tag = "imports",
    request_body(content = ImportRequest, examples(
        ("URLs" = (summary = "Files of public web servers", value = json!({
            "source": {"urls": [{"url": "https://images.example.org/shoe.jpg"}, {"url": "https://images.example.org/2?size=full", "name": "bag.jpg"}]},
            "folder": "spring", "onExisting": "replace"
        }))),
    )),
    responses(
        (status = 202, description = "The import was created.", body = Import, headers(
            ("Location" = String, description = "URL of the import."),
            ("Retry-After" = u32, description = "Seconds after which to look at the import."),
            ("Idempotent-Replayed" = String, description = "`true` when this is the response to an earlier request with the same key."),
        )),
        QueryProblems, BodyProblems, IdempotencyProblem, QueueFullProblem, BusyProblem,
    ),
)]
#[post("/imports")]
pub async fn create_import(
    state: Data<AppState>,
    caller: Caller,
    key: IdempotencyKey,
    JsonBody(mut request, digest): JsonBody<ImportRequest>,
) -> Result<HttpResponse, Problem> {
    let _admission = admit_request(&state, caller.company).await?;
    let mut mistakes = check_import(&mut request, &state.webhook_sender.policy, &state.webhook_sender.read_policy);
    check_connection(&state, caller.company, &request, &mut mistakes).await?;
    check_mail(&state, caller.company, &request, &mut mistakes).await?;
    if !mistakes.is_empty() {
        return Err(Problem::from_errors(mistakes));
    }
    let mut transaction = state.db.begin().await.map_err(db::DbError::from)?;
    let created = insert_once(&mut transaction, &caller, (&key, digest), &request).await;
    let answer = end_creation(transaction, created).await?;
    state.work_available.notify();
    Ok(answer)
}

/// Checks that the company can read from the connection that the request names. A connection of another company looks like one
/// that does not exist.
async fn check_connection(
    state: &AppState,
    company: CompanyId,
    request: &ImportRequest,
    mistakes: &mut ValidationErrors,
) -> Result<(), Problem> {
    let Some(name) = request.source.connection.as_deref() else { return Ok(()) };
    let mut connection = state.db.acquire().await.map_err(db::DbError::from)?;
    let company = company::fetch_company_name(&mut connection, company).await?;
    let mut report = |pointer: &str, code, detail: String| mistakes.push(ValidationError::new(pointer, code, detail));
    match state.connections.find(&company, name) {
        None => {
            let detail = format!("There is no connection `{name}`. `GET /connections` lists those of your company.");
            report("/source/connection", Code::InvalidValue, detail);
        }
        Some(found) if !found.access.can_read() => {
            let detail = format!("`{name}` is for deliveries only. `GET /connections` shows which ones can be read.");
            report("/source/connection", Code::InvalidValue, detail);
        }
        Some(found) if found.store.kind() == RemoteKind::Web && request.source.paths.is_none() => {
            let detail = format!("`{name}` is a web server, which cannot be listed. Send the paths of its files.");
            report("/source/paths", Code::MissingParameter, detail);
        }
        Some(_) => {}
    }
    Ok(())
}

/// Checks that mails may go to the recipients.
async fn check_mail(
    state: &AppState,
    company: CompanyId,
    request: &ImportRequest,
    mistakes: &mut ValidationErrors,
) -> Result<(), Problem> {
    let Some(recipients) = request.notify_emails.as_deref() else { return Ok(()) };
    let mut connection = state.db.acquire().await.map_err(db::DbError::from)?;
    mistakes.extend(check_recipients(&mut connection, company, recipients, &state.export_context()).await?);
    Ok(())
}

async fn insert_once(
    connection: &mut DbConnection,
    caller: &Caller,
    (key, digest): (&IdempotencyKey, Digest),
    request: &ImportRequest,
) -> Result<HttpResponse, Problem> {
    if let Some(earlier) = key.reserve(connection, caller, digest).await? {
        return Ok(earlier.into_response(StatusCode::ACCEPTED));
    }
    let import_id = ImportId::new();
    let mut source = serde_json::to_value(&request.source).map_err(Problem::internal)?;
    if let Some(fields) = source.as_object_mut() {
        fields.retain(|_, value| !value.is_null());
    }
    let metadata = request.metadata.clone().unwrap_or_default();
    let given = request.name.as_deref().map(str::trim).filter(|name| !name.is_empty());
    let name = given.or(request.source.connection.as_deref()).unwrap_or("files of URLs");
    let new = NewImport {
        import_id,
        name,
        source: &source,
        folder: request.folder.as_deref().unwrap_or_default(),
        layout: request.layout.unwrap_or(Layout::Folders),
        on_existing: request.on_existing.unwrap_or_default(),
        metadata: &metadata,
        notify_emails: request.notify_emails.as_deref().unwrap_or_default(),
        callback_url: request.callback_url.as_deref(),
    };
    import::insert_import(connection, caller.company, &new).await?;
    check_unfinished(connection, caller.company).await?;
    let listing = NewTask::of_import(TaskKind::Import, import_id, 1);
    task::insert_tasks(connection, caller.company, &[listing]).await?;
    let created = Import::from(import::fetch_import(&mut *connection, caller.company, import_id).await?);
    let location = created.location();
    key.store(connection, caller, digest, (&location, &created)).await?;
    tracing::info!(import.handle = %import_id, "Import {name:?} ({import_id}) was created");
    Ok(build_accepted_response(&location).json(created))
}

/// Checks that the company has not too many imports at a time, with the one that the transaction has added.
///
/// # Errors
/// `queue-full` when it has.
pub(super) async fn check_unfinished(connection: &mut DbConnection, company: CompanyId) -> Result<(), Problem> {
    if import::count_unfinished_imports(connection, company).await? <= MAX_UNFINISHED_IMPORTS {
        return Ok(());
    }
    let detail = format!(
        "The company has {MAX_UNFINISHED_IMPORTS} unfinished imports, the most that it may have. Nothing was done. Wait for one to \
         end, or stop one."
    );
    Err(Problem::new(Code::QueueFull, detail).with_header(header::RETRY_AFTER, QUEUE_FULL_RETRY_SECONDS))
}
