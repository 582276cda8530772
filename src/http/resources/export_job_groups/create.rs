//! Creates a group of export jobs in one transaction.

use actix_web::web::Data;
use actix_web::{HttpResponse, post};
use offprint_core::{Code, Digest};

use crate::app::AppState;
use crate::db::job_group::{self, NewJobGroup};
use crate::db::metadata_map::MetadataMap;
use crate::db::{self, DbConnection};
use crate::http::admission::admit_request;
use crate::http::extract::caller::Caller;
use crate::http::extract::export_list::{ExportBody, ExportListQuery};
use crate::http::extract::idempotency::{IdempotencyKey, end_creation};
use crate::http::limits::EffectiveLimits;
use crate::http::problem::{Problem, ValidationError};
use crate::http::resources::export_job_groups::group::ExportJobGroup;
use crate::http::resources::export_jobs::authorization::authorize_request;
use crate::http::resources::export_jobs::create::{build_accepted_response, convert_refusal};
use crate::http::responses::{BodyProblems, BusyProblem, IdempotencyProblem, QueryProblems, QueueFullProblem};
use crate::id::{JobGroupId, JobId};
use crate::jobs::ExportRequest;
use crate::jobs::group_split::{SplitRequest, split_request};
use crate::jobs::placement::JobPlacement;

/// Create a group of export jobs.
///
/// Takes the same body as `POST /export-jobs`, for more assets than one job may have: up to ten times as many. The assets are
/// divided among as many jobs as are needed, all of which are created or none. The group has one status (`GET
/// /export-job-groups/{jobHandle}`), which lists the archives of its jobs, and at most one mail and one webhook: when the last job
/// has ended. A retry of a job of the group may lead to another one.
///
/// `execSchedule` and `onRemoved: delete` are refused, and manifests are delivered only to a prefix with `{jobHandle}`.
#[utoipa::path(
    tag = "export jobs",
    operation_id = "createExportJobGroup",
    params(ExportListQuery),
    request_body(content(
        (ExportRequest = "application/json", example = json!({
            "assetFilter": {"type": "Image"}, "fmt": "convert", "is_modifier": "wid=800&fmt=jpeg", "layout": "folders"
        })),
        (String = "text/csv", example = "name,modifier,outputName\r\nfileToExport,wid=800&fmt=jpeg,4711.MAIN\r\n"),
        (String = "text/plain", example = "fileToExport\n"),
    )),
    responses(
        (status = 202, description = "The group and its jobs were created.", body = ExportJobGroup, headers(
            ("Location" = String, description = "URL of the group."),
            ("Retry-After" = u32, description = "Seconds after which to look at the group."),
            ("Idempotent-Replayed" = String, description = "`true` when this is the response to an earlier request with the same key."),
        )),
        QueryProblems, BodyProblems, IdempotencyProblem, QueueFullProblem, BusyProblem,
    ),
)]
#[post("/export-job-groups")]
pub async fn create_export_job_group(
    state: Data<AppState>,
    caller: Caller,
    key: IdempotencyKey,
    body: ExportBody,
) -> Result<HttpResponse, Problem> {
    let (request, digest, lines) = body.into_parts();
    let _admission = admit_request(&state, caller.company).await?;
    let company_limits = EffectiveLimits::load(&state, caller.company).await?;
    let mut transaction = state.db.begin().await.map_err(db::DbError::from)?;
    let created = create_jobs(&state, &mut transaction, &caller, &company_limits, &key, (request, digest)).await;
    let answer = end_creation(transaction, created).await.map_err(|problem| lines.locate(problem))?;
    state.work_available.notify();
    Ok(answer)
}

async fn create_jobs(
    state: &AppState,
    connection: &mut DbConnection,
    caller: &Caller,
    company_limits: &EffectiveLimits,
    key: &IdempotencyKey,
    (mut request, digest): (ExportRequest, Digest),
) -> Result<HttpResponse, Problem> {
    if let Some(earlier) = key.reserve(connection, caller, digest).await? {
        let answer = build_accepted_response(&earlier.location);
        return Ok(earlier.replay(answer));
    }
    let user = authorize_request(connection, caller, &mut request).await?;
    let context = state.export_context();
    let placement = JobPlacement {
        company: caller.company,
        user: user.as_ref(),
        schedule: None,
        max_jobs: company_limits.jobs,
        settings: &state.settings,
        context: &context,
    };
    let (max_items, root_ids) = (state.settings.max_items, &context.recipes.attributes.root_ids);
    let split = split_request(connection, caller.company, &request, max_items, root_ids).await;
    let SplitRequest { parts, assets, warnings } = split.map_err(convert_refusal)?;
    let name = request.job_name.clone().filter(|name| !name.trim().is_empty());
    let name = name.unwrap_or_else(|| format!("{assets} assets"));
    let mut jobs: Vec<JobId> = Vec::new();
    for part in &parts {
        let request = ExportRequest { job_name: Some(name.clone()), ..part.request.clone() };
        let job = placement.create_job(connection, request).await;
        jobs.push(job.map_err(|refusal| convert_refusal(refusal).map_errors(|error| part.locate(error)))?);
    }
    check_paths(connection, caller, &jobs).await?;
    let no_metadata = MetadataMap::default();
    let group = NewJobGroup {
        group_id: JobGroupId::new(),
        user_id: user.as_ref().map(|user| user.user_id),
        group_name: &name,
        email_setting: request.email_setting.unwrap_or_default(),
        callback_url: request.callback_url.as_deref(),
        metadata: request.metadata.as_ref().unwrap_or(&no_metadata),
        warnings: &warnings,
    };
    job_group::insert_group(connection, caller.company, &group, &jobs).await?;
    let row = job_group::fetch_group(&mut *connection, caller.company, group.group_id).await?;
    let rows = db::job::list_group_jobs(&mut *connection, caller.company, group.group_id).await?;
    let created = ExportJobGroup::new(row, &rows);
    let location = format!("/export-job-groups/{}", group.group_id);
    key.store(connection, caller, digest, (&location, &created)).await?;
    // Last, because it locks the company and other requests wait for the lock.
    placement.check_queue_room(connection, true).await.map_err(convert_refusal)?;
    tracing::info!(
        group.handle = %group.group_id, job.count = jobs.len(), item.count = assets,
        "Group of export jobs {name:?} ({}) was created: {} jobs, {assets} items", group.group_id, jobs.len()
    );
    Ok(build_accepted_response(&location).json(created))
}

/// Jobs do not know each other's paths: two files of one path would replace each other where they are delivered or unpacked.
async fn check_paths(connection: &mut DbConnection, caller: &Caller, jobs: &[JobId]) -> Result<(), Problem> {
    let Some(path) = job_group::find_shared_path(connection, caller.company, jobs).await? else { return Ok(()) };
    let detail = format!(
        "Files of two jobs of the group would have the path `{path}`. Use `layout: folders`, or a `nameTemplate` with \
         `{{folder}}/{{name}}`. Nothing was created."
    );
    Err(Problem::from_errors(vec![ValidationError::new("/layout", Code::InvalidValue, detail)]))
}
