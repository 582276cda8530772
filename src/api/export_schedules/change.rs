//! Changing a schedule.

use std::borrow::Cow;

use actix_web::web::Data;
use actix_web::{HttpResponse, patch};
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::api::body::{self, Body};
use crate::api::caller::Caller;
use crate::api::export_jobs::allowed::allowed;
use crate::api::export_schedules::create::checked;
use crate::api::export_schedules::schedule::Schedule;
use crate::api::export_schedules::{SchedulePath, managed};
use crate::api::problem::Problem;
use crate::api::responses::{BadBody, Missing};
use crate::db;
use crate::db::schedule::{self, Said};
use crate::db::vocabulary::ScheduleState;
use crate::export::Order;
use crate::state::State;

/// What to change of a schedule: fields of its order. It has their schema, and none of them must be there.
#[derive(Deserialize)]
pub struct ChangeSchedule(Map<String, Value>);

impl PartialSchema for ChangeSchedule {
    fn schema() -> RefOr<Schema> {
        let mut schema = Order::schema();
        if let RefOr::T(Schema::Object(object)) = &mut schema {
            object.required.clear();
            object.description =
                Some("What to change of a schedule. A field that is absent stays, null takes it away.".into());
        }
        schema
    }
}

impl ToSchema for ChangeSchedule {
    fn name() -> Cow<'static, str> {
        "ChangeSchedule".into()
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        Order::schemas(schemas);
    }
}

/// Change a schedule.
///
/// Fields of its order: what is absent stays, null takes a field away (as a JSON merge patch, RFC 7396). To name assets in
/// the place of a filter, take the filter away: `{"assetHandleArray": […], "assetFilter": null}`. Jobs that were made stay
/// as they are. A changed `execSchedule` or `timeZone` counts from now. From then on runs may do what the caller may.
#[utoipa::path(
    tag = "export schedules",
    params(("scheduleHandle" = String, Path, description = "The schedule.")),
    request_body(
        content = ChangeSchedule,
        description = "What to change.",
        example = json!({"execSchedule": "0 0 6 ? * MON", "timeZone": "America/New_York", "description": null})
    ),
    responses((status = 200, description = "The schedule as it is now.", body = Schedule), BadBody, Missing),
)]
#[patch("/export-schedules/{scheduleHandle}")]
pub async fn change_schedule(
    state: Data<State>,
    caller: Caller,
    path: SchedulePath,
    Body(ChangeSchedule(change), _): Body<ChangeSchedule>,
) -> Result<HttpResponse, Problem> {
    let mut transaction = state.db.begin().await.map_err(db::Error::from)?;
    let row = managed(&mut transaction, &caller, &path).await?;
    let mut order = merged(&row.wish, change)?;
    let named = order.user_handle;
    let user = allowed(&mut transaction, &caller, &mut order).await?;
    let (wish, timetable) = checked(&state, &mut transaction, caller.company, order).await?;
    let user = if named.is_some() { user.map(|user| user.user_id) } else { row.user_id };
    let said = Said { user, author: caller.user, wish: &wish };
    schedule::change(&mut transaction, caller.company, row.schedule_id, &said).await?;
    let when = ["execSchedule", "timeZone"].map(|field| wish.get(field) != row.wish.get(field));
    if when.contains(&true) && row.state != ScheduleState::Paused {
        let now = schedule::now(&mut transaction).await?;
        schedule::move_on(&mut transaction, caller.company, row.schedule_id, timetable.next(now)).await?;
    }
    let shown = Schedule::of(schedule::find(&mut *transaction, caller.company, row.schedule_id).await?)?;
    transaction.commit().await.map_err(db::Error::from)?;
    Ok(HttpResponse::Ok().json(shown))
}

/// The order as it will be.
fn merged(wish: &Value, change: Map<String, Value>) -> Result<Order, Problem> {
    let mut fields = wish.as_object().cloned().unwrap_or_default();
    for (name, value) in change {
        if value.is_null() {
            fields.remove(&name);
        } else {
            fields.insert(name, value);
        }
    }
    body::parse(&serde_json::to_vec(&fields).map_err(Problem::internal)?)
}
