//! Creates a schedule.

use actix_web::web::Data;
use actix_web::{HttpResponse, post};
use offprint_core::Code;
use serde_json::Value;

use crate::app::AppState;
use crate::db::company::UserRow;
use crate::db::schedule::ScheduleInput;
use crate::db::{DbConnection, api_key, schedule};
use crate::http::extract::body::JsonBody;
use crate::http::extract::caller::Caller;
use crate::http::extract::idempotency::IdempotencyKey;
use crate::http::limits::EffectiveLimits;
use crate::http::problem::Problem;
use crate::http::resources::export_jobs::create::convert_refusal;
use crate::http::resources::export_jobs::create::create_idempotently;
use crate::http::resources::export_schedules::schedule::ExportSchedule;
use crate::http::responses::BodyProblems;
use crate::http::responses::IdempotencyProblem;
use crate::http::responses::QueryProblems;
use crate::id::ScheduleId;
use crate::jobs::DraftError;
use crate::jobs::ExportRequest;
use crate::jobs::placement::check_archive_size;
use crate::jobs::prepare_draft;
use crate::jobs::schedule::DEFAULT_TIME_ZONE;
use crate::jobs::schedule::Recurrence;
use crate::reason::{ValidationError, ValidationErrors};

/// Create a schedule.
///
/// The body is that of `POST /export-jobs`, with `execSchedule`. Each run creates a job as if the request were sent at that
/// time: `assetFilter`, image presets and assets are looked up again, and the job names the schedule. A request that would
/// be refused now is refused; only a filter that matches no assets yet is accepted, with a warning in the dry run.
///
/// One run makes up for all missed ones. A run that is due before the previous one is finished is skipped and recorded,
/// unless `overlap` is `allow`. With API keys, a run has the capabilities that the valid keys of the user who created or
/// last changed the schedule have at that time.
#[utoipa::path(
    tag = "export schedules",
    request_body(content = ExportRequest, examples(
        ("Every night" = (summary = "All images, at half past two on working days", value = json!({
            "execSchedule": "0 30 2 ? * MON-FRI", "timeZone": "America/New_York", "jobName": "new images",
            "assetFilter": {"type": "Image"}, "fmt": "convert", "is_modifier": "wid=400&fmt=webp&qlt=80"
        }))),
        ("Third Friday" = (summary = "The third Friday of every month, UTC, also while the previous run is not finished", value = json!({
            "execSchedule": "0 15 10 ? * 6#3", "assetFilter": {"type": "Image"}, "fmt": "orig", "overlap": "allow"
        }))),
    )),
    responses(
        (status = 201, description = "The schedule was created.", body = ExportSchedule, headers(
            ("Location" = String, description = "URL of the schedule."),
            ("Idempotent-Replayed" = String, description = "`true` when this is the response to an earlier request with the same key."),
        )),
        QueryProblems, BodyProblems, IdempotencyProblem,
    ),
)]
#[post("/export-schedules")]
pub async fn create_schedule(
    state: Data<AppState>,
    caller: Caller,
    key: IdempotencyKey,
    JsonBody(request, digest): JsonBody<ExportRequest>,
) -> Result<HttpResponse, Problem> {
    create_idempotently(&state, &caller, &key, (request, digest), true).await
}

/// Inserts the schedule of a request that the caller is authorized to send.
pub(in crate::http) async fn insert_schedule(
    state: &AppState,
    connection: &mut DbConnection,
    caller: &Caller,
    (company_limits, user): (&EffectiveLimits, Option<&UserRow>),
    request: ExportRequest,
) -> Result<ExportSchedule, Problem> {
    let (request_json, recurrence) = check_schedule(state, connection, caller, request).await?;
    let now = schedule::fetch_database_time(connection).await?;
    let input = ScheduleInput { user: user.map(|user| user.user_id), author: caller.user, request: &request_json };
    let schedule_id = ScheduleId::new();
    let next = recurrence
        .next_after(now)
        .ok_or_else(|| Problem::internal("a schedule passed its checks but has no next run"))?;
    schedule::insert_schedule(connection, caller.company, schedule_id, &input, next).await?;
    let (count, max) =
        (schedule::count_schedules(connection, caller.company).await? - 1, i64::from(company_limits.schedules));
    if max > 0 && count >= max {
        let detail = format!(
            "The company has {count} schedules; the limit is {max}. Nothing was created. Delete one that is no longer needed; \
             completed schedules count, too."
        );
        return Err(Problem::new(Code::TooManySchedules, detail));
    }
    let created = ExportSchedule::from_row(schedule::fetch_schedule(connection, caller.company, schedule_id).await?)?;
    tracing::info!(schedule.handle = %schedule_id, "Schedule {schedule_id} was created; its first run is at {next}");
    Ok(created)
}

/// Runs have the rights of their author's keys. Somebody who signed in at an identity provider may have none.
async fn check_author_has_key(connection: &mut DbConnection, caller: &Caller) -> Result<(), Problem> {
    let (None, Some(_), Some(user)) = (caller.key, caller.session, caller.user) else { return Ok(()) };
    if api_key::find_user_capabilities(connection, caller.company, user).await?.is_some() {
        return Ok(());
    }
    let detail = "The runs of a schedule have the rights of its author's API keys, and you have none. Ask an administrator for \
                  a key; the schedule can then be created with it, or signed in as now.";
    Err(Problem::new(Code::OperationForbidden, detail))
}

/// Checks that a job could be created from the request now. Returns the request as it is stored, and when it runs.
///
/// # Errors
/// 422 with all errors in the request; 403 for a caller whose runs would have no rights.
pub(super) async fn check_schedule(
    state: &AppState,
    connection: &mut DbConnection,
    caller: &Caller,
    mut request: ExportRequest,
) -> Result<(Value, Recurrence), Problem> {
    check_author_has_key(connection, caller).await?;
    let company = caller.company;
    let mut mistakes = ValidationErrors::default();
    if request.exec_schedule.is_none() {
        let detail = "`execSchedule` is missing. Send a cron expression, such as `0 30 2 ? * MON-FRI`.";
        mistakes.push(ValidationError::new("/execSchedule", Code::MissingParameter, detail));
    }
    match prepare_draft(connection, company, request.clone(), state.settings.max_items, &state.export_context()).await {
        Ok(draft) => check_archive_size(&draft, &state.settings).map_err(convert_refusal)?,
        Err(DraftError::Invalid(others)) => mistakes.append(others),
        Err(other) => return Err(convert_refusal(other)),
    }
    if !mistakes.is_empty() {
        return Err(Problem::from_errors(mistakes));
    }
    request.user_handle = None;
    request.time_zone.get_or_insert_with(|| DEFAULT_TIME_ZONE.to_owned());
    request.overlap.get_or_insert_default();
    let recurrence = Recurrence::from_request(&request).transpose().map_err(Problem::from_errors)?;
    let recurrence =
        recurrence.ok_or_else(|| Problem::internal("a schedule passed its checks without execSchedule"))?;
    let mut request_json = serde_json::to_value(&request).map_err(Problem::internal)?;
    if let Some(fields) = request_json.as_object_mut() {
        fields.retain(|_, value| !value.is_null());
    }
    Ok((request_json, recurrence))
}
