//! Creates an export job; also the transaction in which a schedule is created.
//!
//! One transaction writes the job, its items and files, the first event and the idempotency record; after the commit the
//! workers are notified.

use actix_web::http::header;
use actix_web::web::Data;
use actix_web::{HttpResponse, HttpResponseBuilder, post};
use offprint_core::{Code, Digest};

use crate::app::AppState;
use crate::db;
use crate::http::address::write_address;
use crate::http::admission::admit_request;
use crate::http::extract::caller::Caller;
use crate::http::extract::export_list::{ExportBody, ExportListQuery};
use crate::http::extract::idempotency::{IdempotencyKey, end_creation};
use crate::http::limits::EffectiveLimits;
use crate::http::problem::Problem;
use crate::http::problem::ValidationError;
use crate::http::resources::export_jobs::authorization::authorize_request;
use crate::http::resources::export_jobs::job;
use crate::http::resources::export_jobs::job::Job;
use crate::http::resources::export_schedules;
use crate::http::responses::BodyProblems;
use crate::http::responses::BusyProblem;
use crate::http::responses::IdempotencyProblem;
use crate::http::responses::QueryProblems;
use crate::http::responses::QueueFullProblem;
use crate::jobs::DraftError;
use crate::jobs::ExportRequest;
use crate::jobs::placement::JobPlacement;
use crate::jobs::prepare_draft;
use crate::reason::{Reason, ValidationErrors};

/// `Retry-After` in seconds for a full queue.
const QUEUE_FULL_RETRY_SECONDS: &str = "30";

/// Create an export job.
///
/// Answers at once; the job runs in the background. Watch it at the URL in `Location`, with `?wait=50` to wait for changes.
/// Download each file as soon as it is ready, or the archive when the job is finished.
///
/// `fmt: orig` exports the uploaded files. `fmt: convert` renders them with `is_modifier` and `macro` combined: the macro
/// follows the modifier, so its commands take precedence. To make several files of each image, use `renditions` instead of
/// these two. All errors in a request are reported together, and nothing is created.
///
/// The body can also be a list: a table (`text/csv`) whose header line has the columns `name` (or `sku`), `modifier`, `preset`
/// and `outputName`, or names one a line (`text/plain`). A name is that of an asset, `folder/name`, a file name, or a handle;
/// a root ID before it is left out. The other fields of the request stand in the query string then. Names that do not exist
/// are listed with their lines; `onMissing=skip` leaves them out.
///
/// A request with `execSchedule` is refused: `POST /export-schedules` takes the same body and creates a schedule.
#[utoipa::path(
    tag = "export jobs",
    operation_id = "createExportJob",
    params(ExportListQuery),
    request_body(content(
        (ExportRequest = "application/json", examples(
        ("All images" = (summary = "Every image, at most 800 pixels wide and high, as JPEG", value = json!({
            "assetFilter": {"type": "Image"}, "fmt": "convert", "is_modifier": "wid=800&hei=800&fit=constrain&fmt=jpeg&qlt=85"
        }))),
        ("Originals" = (summary = "The uploaded files unchanged, in their folders", value = json!({
            "assetFilter": {"type": "Image"}, "fmt": "orig", "layout": "folders", "jobName": "all images as uploaded"
        }))),
        ("Several sizes" = (summary = "Three files of each image", value = json!({
            "assetFilter": {"type": "Image"}, "fmt": "convert", "renditions": [
                {"name": "large", "is_modifier": "wid=1600&fmt=jpeg&qlt=85"},
                {"name": "web", "is_modifier": "wid=800&fmt=webp&qlt=80"},
                {"name": "thumbnail", "is_modifier": "wid=200&hei=200&fit=constrain&fmt=jpeg", "suffix": "200"}
            ]
        }))),
        ("With a mail" = (summary = "A mail if an item fails", value = json!({
            "assetFilter": {"type": "Image"}, "fmt": "convert", "is_modifier": "wid=400&fmt=webp&qlt=80", "emailSetting": "Error"
        }))),
        ("With a webhook" = (summary = "A webhook when the job is finished", value = json!({
            "assetFilter": {"type": "Image"}, "fmt": "orig", "callbackUrl": "https://hooks.example.org/export"
        }))),
        ("Later" = (summary = "A job that starts at a given time", value = json!({
            "assetFilter": {"type": "Image"}, "fmt": "orig", "execTime": "2099-12-24T02:00:00+01:00"
        }))),
        ("Names" = (summary = "Assets by name, and names as a marketplace wants them", value = json!({
            "assets": [{"name": "fileToExport"}], "fmt": "convert", "is_modifier": "wid=800&fmt=jpeg",
            "nameTemplate": "{name|lower}.MAIN"
        }))),
        )),
        (String = "text/csv", example = "name,modifier,outputName\r\nfileToExport,wid=800&fmt=jpeg,4711.MAIN\r\n"),
        (String = "text/plain", example = "fileToExport\n"),
    )),
    responses(
        (status = 202, description = "The job was created.", body = Job, headers(
            ("Location" = String, description = "URL of the job."),
            ("ETag" = String, description = "That of the job, for `If-None-Match` with `?wait=`; absent in a replay."),
            ("Retry-After" = u32, description = "Seconds after which to look at the job."),
            ("Idempotent-Replayed" = String, description = "`true` when this is the response to an earlier request with the same key."),
        )),
        QueryProblems, BodyProblems, IdempotencyProblem, QueueFullProblem, BusyProblem,
    ),
)]
#[post("/export-jobs")]
pub async fn create_export_job(
    state: Data<AppState>,
    caller: Caller,
    key: IdempotencyKey,
    body: ExportBody,
) -> Result<HttpResponse, Problem> {
    let (request, digest, lines) = body.into_parts();
    if request.exec_schedule.is_some() {
        return Err(lines.locate(reject_recurring_request(&state, &caller, request).await?));
    }
    let created = create_idempotently(&state, &caller, &key, (request, digest), false).await;
    created.map_err(|problem| lines.locate(problem))
}

/// The problem of a request with `execSchedule`, with all its other errors. One operation answers with one type: a client
/// that was generated from the document could not read a schedule where it expects a job.
async fn reject_recurring_request(
    state: &AppState,
    caller: &Caller,
    request: ExportRequest,
) -> Result<Problem, Problem> {
    let detail = "A job runs once. Send the same request to `POST /export-schedules`, which creates a schedule: each of its runs \
                  is a job.";
    let mut errors = ValidationErrors::from(vec![ValidationError::new("/execSchedule", Code::InvalidValue, detail)]);
    let _admission = admit_request(state, caller.company).await?;
    let mut connection = state.db.acquire().await.map_err(db::DbError::from)?;
    let draft =
        prepare_draft(&mut connection, caller.company, request, state.settings.max_items, &state.export_context())
            .await;
    match draft {
        Err(DraftError::Invalid(others)) => errors.append(others),
        Err(DraftError::Db(error)) => return Err(error.into()),
        _ => {}
    }
    Ok(Problem::from_errors(errors))
}

/// Creates what the request asks for in one transaction, or returns the stored response to the same request: a schedule
/// with `recurring`, else a job.
pub(in crate::http) async fn create_idempotently(
    state: &AppState,
    caller: &Caller,
    key: &IdempotencyKey,
    sent: (ExportRequest, Digest),
    recurring: bool,
) -> Result<HttpResponse, Problem> {
    let _admission = admit_request(state, caller.company).await?;
    let company_limits = EffectiveLimits::load(state, caller.company).await?;
    let mut transaction = state.db.begin().await.map_err(db::DbError::from)?;
    let created = create_job_or_schedule(state, &mut transaction, caller, &company_limits, key, sent, recurring).await;
    let answer = end_creation(transaction, created).await?;
    state.work_available.notify();
    Ok(answer)
}

async fn create_job_or_schedule(
    state: &AppState,
    connection: &mut db::DbConnection,
    caller: &Caller,
    company_limits: &EffectiveLimits,
    key: &IdempotencyKey,
    (mut request, digest): (ExportRequest, Digest),
    recurring: bool,
) -> Result<HttpResponse, Problem> {
    if let Some(earlier) = key.reserve(connection, caller, digest).await? {
        let answer = build_created_response(recurring, &earlier.location);
        return Ok(earlier.replay(answer));
    }
    let user = authorize_request(connection, caller, &mut request).await?;
    if recurring {
        let schedule = export_schedules::create::insert_schedule(
            state,
            connection,
            caller,
            (company_limits, user.as_ref()),
            request,
        )
        .await?;
        let location = schedule.location();
        key.store(connection, caller, digest, (&location, &schedule)).await?;
        return Ok(build_created_response(true, &location).json(schedule));
    }
    let context = state.export_context();
    let placement = JobPlacement {
        company: caller.company,
        user: user.as_ref(),
        schedule: None,
        max_jobs: company_limits.jobs,
        settings: &state.settings,
        context: &context,
    };
    let job_id = placement.create_job(connection, request).await.map_err(convert_refusal)?;
    let row = db::job::fetch_job(&mut *connection, caller.company, job_id).await?;
    let (etag, created) = (job::compute_job_etag(&row), Job::from(row));
    let location = created.links.own.clone();
    key.store(connection, caller, digest, (&location, &created)).await?;
    // Last, because it locks the company and other requests wait for the lock.
    placement.check_queue_room(connection, true).await.map_err(convert_refusal)?;
    let (name, items) = (&created.job_name, created.counts.total);
    tracing::info!(job.handle = %job_id, item.count = items, "Export job {name:?} ({job_id}) was created: {items} items");
    Ok(build_accepted_response(&location).insert_header((header::ETAG, etag)).json(created))
}

/// 201 for a schedule, 202 for a job, which has only begun.
fn build_created_response(is_schedule: bool, location: &str) -> HttpResponseBuilder {
    if !is_schedule {
        return build_accepted_response(location);
    }
    let mut answer = HttpResponse::Created();
    answer.insert_header((header::LOCATION, write_address(location)));
    answer
}

/// 202 with the URL of the job.
pub(in crate::http) fn build_accepted_response(location: &str) -> HttpResponseBuilder {
    let mut answer = HttpResponse::Accepted();
    answer.insert_header((header::LOCATION, write_address(location))).insert_header((header::RETRY_AFTER, "1"));
    answer
}

pub(in crate::http) fn convert_refusal(refusal: DraftError) -> Problem {
    match refusal {
        DraftError::Invalid(mistakes) => Problem::from_errors(mistakes),
        DraftError::Rejected(Reason { code: Code::QueueFull, detail }) => {
            Problem::new(Code::QueueFull, detail).with_header(header::RETRY_AFTER, QUEUE_FULL_RETRY_SECONDS)
        }
        DraftError::Rejected(limit) => Problem::new(limit.code, limit.detail),
        DraftError::Db(error) => error.into(),
        DraftError::Compute(error) => Problem::internal(error),
    }
}
