//! Changes the export request of a schedule, as a JSON merge patch.

use std::borrow::Cow;

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, patch};
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::openapi::schema::OneOfBuilder;
use utoipa::openapi::{ObjectBuilder, Ref, RefOr, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use crate::app::AppState;
use crate::db;
use crate::db::enums::ScheduleState;
use crate::db::metadata_map::MetadataChange;
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
            // In a merge patch null removes an entry.
            object.properties.insert("metadata".to_owned(), build_nullable_metadata());
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
        schemas.push((MetadataChange::name().into_owned(), MetadataChange::schema()));
    }
}

/// Entries of the metadata to change, or null to remove all.
fn build_nullable_metadata() -> RefOr<Schema> {
    let reference = Ref::from_schema_name(MetadataChange::name());
    OneOfBuilder::new().item(ObjectBuilder::new().schema_type(Type::Null)).item(reference).into()
}

/// Change a schedule.
///
/// Changes fields of its export request: absent fields stay, null removes a field, also inside `assetFilter` and `metadata`
/// (a JSON merge patch, RFC 7396). To name
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
    let (request_json, recurrence) = check_schedule(&state, &mut transaction, &caller, request).await?;
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

/// Applies a JSON merge patch (RFC 7396) to an object.
fn apply_merge_patch(target: &mut Map<String, Value>, patch: Map<String, Value>) {
    for (name, value) in patch {
        match value {
            Value::Null => drop(target.remove(&name)),
            Value::Object(patch) => {
                let inner = target.entry(name).or_insert_with(|| Value::Object(Map::new()));
                if !inner.is_object() {
                    *inner = Value::Object(Map::new());
                }
                if let Value::Object(inner) = inner {
                    apply_merge_patch(inner, patch);
                }
            }
            value => drop(target.insert(name, value)),
        }
    }
}

/// The export request after the change.
fn merge_change(request: &Value, change: Map<String, Value>) -> Result<ExportRequest, Problem> {
    let mut fields = request.as_object().cloned().unwrap_or_default();
    apply_merge_patch(&mut fields, change);
    body::parse_body(&serde_json::to_vec(&fields).map_err(Problem::internal)?)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Examples of RFC 7396, appendix A, whose target is an object.
    #[test]
    fn a_merge_patch_reaches_into_objects() {
        for (target, patch, result) in [
            (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "b"}), json!({"b": "c"}), json!({"a": "b", "b": "c"})),
            (json!({"a": "b", "b": "c"}), json!({"a": null}), json!({"b": "c"})),
            (json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": {"b": "c"}}), json!({"a": {"b": "d", "c": null}}), json!({"a": {"b": "d"}})),
            (json!({"a": [1]}), json!({"a": {"b": {"c": null}}}), json!({"a": {"b": {}}})),
            (json!({"e": null}), json!({"a": 1}), json!({"e": null, "a": 1})),
        ] {
            let (Value::Object(mut fields), Value::Object(patch)) = (target, patch) else { panic!("objects") };
            apply_merge_patch(&mut fields, patch);
            assert_eq!(Value::Object(fields), result);
        }
    }
}
