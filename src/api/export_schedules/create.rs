//! Making a schedule.

use actix_web::web::Data;
use actix_web::{HttpResponse, post};
use serde_json::Value;

use crate::api::body::Body;
use crate::api::caller::Caller;
use crate::api::export_jobs::create::{answered, refused};
use crate::api::export_schedules::schedule::Schedule;
use crate::api::idempotency::IdempotencyKey;
use crate::api::limits::Allowed;
use crate::api::problem::Problem;
use crate::api::responses::{BadBody, BadQuery, KeyInUse};
use crate::code::Code;
use crate::reason::Mistake;
use crate::db::company::User;
use crate::db::schedule::Said;
use crate::db::{Connection, schedule};
use crate::export::place::fits_an_archive;
use crate::export::schedule::{Timetable, UTC};
use crate::export::{Order, Refusal, draft};
use crate::id::{CompanyId, ScheduleId};
use crate::state::State;

/// Make a schedule.
///
/// The body is that of `POST /export-jobs`, with `execSchedule`. At each run a job is ordered by it as if it were sent
/// then: `assetFilter`, image presets and assets are looked up again, and the job names the schedule. What cannot be
/// ordered now is refused now; only a filter that nothing fits yet is a warning of the dry run.
///
/// Runs that were missed are made up for by one. A run that is due while the one before is not finished is skipped and
/// noted, unless `overlap` is `allow`. Where keys are asked for, a run may do what the keys in force of whoever made or
/// last changed the schedule may do then.
#[utoipa::path(
    tag = "export schedules",
    params(("Idempotency-Key" = Option<String>, Header, pattern = "^[!-~]{1,255}$", description = "As for `POST /export-jobs`.")),
    request_body(content = Order, examples(
        ("Every night" = (summary = "What is in a folder, at half past two on working days", value = json!({
            "execSchedule": "0 30 2 ? * MON-FRI", "timeZone": "Europe/Amsterdam", "jobName": "samples every night",
            "assetFilter": {"folder": "samples"}, "fmt": "convert", "is_modifier": "wid=400&fmt=webp&qlt=80"
        }))),
        ("Third Friday" = (summary = "As documented: the third Friday of every month, UTC", value = json!({
            "execSchedule": "0 15 10 ? * 6#3", "assetHandleArray": ["00000000-0000-7000-8000-000000000001"],
            "fmt": "convert", "macro": "$test$", "overlap": "allow"
        }))),
    )),
    responses(
        (status = 201, description = "The schedule.", body = Schedule, headers(
            ("Location" = String, description = "Address of the schedule."),
            ("Idempotent-Replayed" = String, description = "`true` when this is the answer to an earlier request with the same key."),
        )),
        BadQuery, BadBody, KeyInUse,
    ),
)]
#[post("/export-schedules")]
pub async fn create_schedule(
    state: Data<State>,
    caller: Caller,
    key: IdempotencyKey,
    Body(order, digest): Body<Order>,
) -> Result<HttpResponse, Problem> {
    answered(&state, &caller, &key, (order, digest), true).await
}

/// Writes the schedule of an order down that the caller may give.
pub(in crate::api) async fn write(
    state: &State,
    connection: &mut Connection,
    caller: &Caller,
    (within, user): (&Allowed, Option<&User>),
    order: Order,
) -> Result<Schedule, Problem> {
    let (wish, timetable) = checked(state, connection, caller.company, order).await?;
    let now = schedule::now(connection).await?;
    let said = Said { user: user.map(|user| user.user_id), author: caller.user, wish: &wish };
    let made = ScheduleId::new();
    let next = timetable.next(now).ok_or_else(|| Problem::internal("a schedule was checked and has no run to come"))?;
    schedule::insert(connection, caller.company, made, &said, next).await?;
    let (has, most) = (schedule::count(connection, caller.company).await? - 1, i64::from(within.schedules));
    if most > 0 && has >= most {
        let detail = format!(
            "The company has {has} schedules, and may have {most}. Nothing was created. Delete one that nobody needs, also \
             one that is completed."
        );
        return Err(Problem::new(Code::TooManySchedules, detail));
    }
    let shown = Schedule::of(schedule::find(connection, caller.company, made).await?)?;
    tracing::info!(schedule.handle = %made, "Schedule {made} is made; it runs first at {next}");
    Ok(shown)
}

/// What is kept of an order, and when it runs, if a job could be made of it now.
///
/// # Errors
/// All that is wrong with it.
pub(super) async fn checked(
    state: &State,
    connection: &mut Connection,
    company: CompanyId,
    mut order: Order,
) -> Result<(Value, Timetable), Problem> {
    let mut mistakes = Vec::new();
    if order.exec_schedule.is_none() {
        let detail = "`execSchedule` is missing. Send when it shall run, such as `0 30 2 ? * MON-FRI`.";
        mistakes.push(Mistake::new("/execSchedule", Code::MissingParameter, detail));
    }
    match draft(connection, company, order.clone(), state.settings.max_items, &state.desk()).await {
        Ok(draft) => fits_an_archive(&draft, &state.settings).map_err(refused)?,
        Err(Refusal::Mistakes(others)) => mistakes.extend(others),
        Err(other) => return Err(refused(other)),
    }
    if !mistakes.is_empty() {
        return Err(Problem::refused(mistakes));
    }
    order.user_handle = None;
    order.time_zone.get_or_insert_with(|| UTC.to_owned());
    order.overlap.get_or_insert_default();
    let timetable = Timetable::of(&order).transpose().map_err(Problem::refused)?;
    let timetable = timetable.ok_or_else(|| Problem::internal("an order without a timetable was checked"))?;
    let mut wish = serde_json::to_value(&order).map_err(Problem::internal)?;
    if let Some(fields) = wish.as_object_mut() {
        fields.retain(|_, value| !value.is_null());
    }
    Ok((wish, timetable))
}
