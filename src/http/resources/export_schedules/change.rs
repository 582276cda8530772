//! Changes the export request of a schedule, as a JSON merge patch.

use std::borrow::Cow;

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, patch};
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::app::AppState;
use crate::db;
use crate::db::enums::ScheduleState;
use crate::db::schedule::{self, ScheduleInput};
use crate::http::admission::admit_request;
use crate::http::extract::body;
use crate::http::extract::body::JsonBody;
use crate::http::extract::caller::Caller;
use crate::http::extract::preconditions;
use crate::http::problem::Problem;
use crate::http::resources::export_jobs::authorization::authorize_request;
use crate::http::resources::export_schedules::SchedulePath;
use crate::http::resources::export_schedules::create::check_schedule;
use crate::http::resources::export_schedules::lock_managed_schedule;
use crate::http::resources::export_schedules::schedule::ExportSchedule;
use crate::http::responses::BodyProblems;
use crate::http::responses::NotFoundProblem;
use crate::http::responses::PreconditionProblem;
use crate::id::ScheduleId;
use crate::jobs::ExportRequest;

/// Changes to a schedule: the fields of its export request, with the same schema, but none of them required.
#[derive(Deserialize)]
pub struct ChangeSchedule(Map<String, Value>);

impl PartialSchema for ChangeSchedule {
    fn schema() -> RefOr<Schema> {
        let mut schema = ExportRequest::schema();
        if let RefOr::T(Schema::Object(object)) = &mut schema {
            object.required.clear();
            object.description =
                Some("Changes to a schedule. Absent fields stay as they are, null removes a field.".into());
        }
        schema
    }
}

impl ToSchema for ChangeSchedule {
    fn name() -> Cow<'static, str> {
        "ChangeSchedule".into()
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        ExportRequest::schemas(schemas);
    }
}

/// Change a schedule.
///
/// Changes fields of its export request: absent fields stay, null removes a field (a JSON merge patch, RFC 7396). To name
/// assets instead of a filter, remove the filter: `{"assetHandleArray": […], "assetFilter": null}`. Existing jobs are not
/// affected. A changed `execSchedule` or `timeZone` applies from now. From now on runs have the caller's capabilities.
#[utoipa::path(
    tag = "export schedules",
    params(
        ("scheduleHandle" = ScheduleId, Path, description = "Handle of the schedule."),
        ("If-Match" = Option<String>, Header, description = "Only if the schedule still has this `ETag`; otherwise 412."),
    ),
    request_body(
        content = ChangeSchedule,
        description = "The fields to change.",
        example = json!({"execSchedule": "0 0 6 ? * MON", "timeZone": "America/New_York", "description": null})
    ),
    responses((status = 200, description = "The changed schedule.", body = ExportSchedule), BodyProblems, NotFoundProblem, PreconditionProblem),
)]
#[patch("/export-schedules/{scheduleHandle}")]
pub async fn change_schedule(
    state: Data<AppState>,
    caller: Caller,
    sent: HttpRequest,
    path: SchedulePath,
    JsonBody(ChangeSchedule(change), _): JsonBody<ChangeSchedule>,
) -> Result<HttpResponse, Problem> {
    let _admission = admit_request(&state, caller.company).await?;
    let mut transaction = state.db.begin().await.map_err(db::DbError::from)?;
    let row = lock_managed_schedule(&mut transaction, &caller, (&sent, &path)).await?;
    let mut request = merge_change(&row.request, change)?;
    let requested_user = request.user_handle;
    let user = authorize_request(&mut transaction, &caller, &mut request).await?;
    let (request_json, recurrence) = check_schedule(&state, &mut transaction, caller.company, request).await?;
    let user = if requested_user.is_some() { user.map(|user| user.user_id) } else { row.user_id };
    let input = ScheduleInput { user, author: caller.user, request: &request_json };
    schedule::update_schedule(&mut transaction, caller.company, row.schedule_id, &input).await?;
    let time_changes = ["execSchedule", "timeZone"].map(|field| request_json.get(field) != row.request.get(field));
    if time_changes.contains(&true) && row.state != ScheduleState::Paused {
        let now = schedule::fetch_database_time(&mut transaction).await?;
        schedule::set_next_run(&mut transaction, caller.company, row.schedule_id, recurrence.next_after(now)).await?;
    }
    let changed =
        ExportSchedule::from_row(schedule::fetch_schedule(&mut *transaction, caller.company, row.schedule_id).await?)?;
    transaction.commit().await.map_err(db::DbError::from)?;
    preconditions::show_changed(HttpResponse::Ok(), &changed, None)
}

/// The export request after the change.
fn merge_change(request: &Value, change: Map<String, Value>) -> Result<ExportRequest, Problem> {
    let mut fields = request.as_object().cloned().unwrap_or_default();
    for (name, value) in change {
        if value.is_null() {
            fields.remove(&name);
        } else {
            fields.insert(name, value);
        }
    }
    body::parse_body(&serde_json::to_vec(&fields).map_err(Problem::internal)?)
}
