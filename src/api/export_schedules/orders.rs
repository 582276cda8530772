//! Orders to schedules that exist.

use actix_web::web::Data;
use actix_web::{HttpResponse, delete, post};

use crate::api::caller::Caller;
use crate::api::export_jobs::allowed::allowed;
use crate::api::export_jobs::create::{accepted, refused};
use crate::api::export_jobs::job::Job;
use crate::api::export_schedules::schedule::Schedule;
use crate::api::export_schedules::{SchedulePath, managed};
use crate::api::limits::Allowed;
use crate::api::problem::Problem;
use crate::api::responses::{BadBody, Conflict, Missing, QueueFull};
use crate::code::Code;
use crate::db::schedule::{self, Became};
use crate::db::vocabulary::ScheduleState;
use crate::db::{self, Connection};
use crate::export::Order;
use crate::export::order::Overlap;
use crate::export::place::Place;
use crate::export::schedule::Timetable;
use crate::state::State;

/// The schedule as it is now, when the transaction is committed.
async fn told(
    mut transaction: sqlx::Transaction<'static, sqlx::Postgres>,
    row: &schedule::Schedule,
) -> Result<HttpResponse, Problem> {
    let shown = Schedule::of(schedule::find(&mut *transaction, row.company_id, row.schedule_id).await?)?;
    transaction.commit().await.map_err(db::Error::from)?;
    Ok(HttpResponse::Ok().json(shown))
}

fn wrong_state(state: ScheduleState, only: &str) -> Problem {
    let is = match state {
        ScheduleState::Active => "active",
        ScheduleState::Paused => "paused",
        ScheduleState::Completed => "completed: no run is to come. Change its `execSchedule`",
    };
    Problem::new(Code::WrongState, format!("The schedule is {is}. {only}"))
}

/// Pause a schedule.
///
/// Nothing is run until it is resumed; jobs that were made go on. Runs that would have been due meanwhile are not made up
/// for.
#[utoipa::path(tag = "export schedules", params(("scheduleHandle" = String, Path, description = "The schedule.")),
    responses((status = 200, description = "The schedule, paused.", body = Schedule), Missing, Conflict))]
#[post("/export-schedules/{scheduleHandle}/pause")]
pub async fn pause_schedule(state: Data<State>, caller: Caller, path: SchedulePath) -> Result<HttpResponse, Problem> {
    let mut transaction = state.db.begin().await.map_err(db::Error::from)?;
    let row = managed(&mut transaction, &caller, &path).await?;
    if row.state != ScheduleState::Active {
        return Err(wrong_state(row.state, "Only one that is active can be paused."));
    }
    schedule::pause(&mut transaction, row.company_id, row.schedule_id).await?;
    told(transaction, &row).await
}

/// Resume a paused schedule.
///
/// Its next run is the next time that its expression names; what fell into the pause is not made up for.
#[utoipa::path(tag = "export schedules", params(("scheduleHandle" = String, Path, description = "The schedule.")),
    responses((status = 200, description = "The schedule, going on.", body = Schedule), Missing, Conflict))]
#[post("/export-schedules/{scheduleHandle}/resume")]
pub async fn resume_schedule(state: Data<State>, caller: Caller, path: SchedulePath) -> Result<HttpResponse, Problem> {
    let mut transaction = state.db.begin().await.map_err(db::Error::from)?;
    let row = managed(&mut transaction, &caller, &path).await?;
    if row.state != ScheduleState::Paused {
        return Err(wrong_state(row.state, "Only one that is paused can be resumed."));
    }
    let now = schedule::now(&mut transaction).await?;
    let next = Timetable::kept(&row.wish).and_then(|timetable| timetable.next(now));
    schedule::move_on(&mut transaction, row.company_id, row.schedule_id, next).await?;
    schedule::touch(&mut transaction, row.company_id, row.schedule_id).await?;
    told(transaction, &row).await
}

/// Run a schedule now.
///
/// One run more, whatever its state; its timetable stays. Answers with the job.
#[utoipa::path(tag = "export schedules", params(("scheduleHandle" = String, Path, description = "The schedule.")),
    responses(
        (status = 202, description = "The job of the run.", body = Job, headers(
            ("Location" = String, description = "Address of the job."),
            ("Retry-After" = u32, description = "Seconds after which to look at it."),
        )),
        Missing, Conflict, BadBody, QueueFull,
    ))]
#[post("/export-schedules/{scheduleHandle}/run")]
pub async fn run_schedule(state: Data<State>, caller: Caller, path: SchedulePath) -> Result<HttpResponse, Problem> {
    let within = Allowed::of(&state, caller.company).await?;
    let mut transaction = state.db.begin().await.map_err(db::Error::from)?;
    let row = managed(&mut transaction, &caller, &path).await?;
    let shown = run(&state, &mut transaction, &caller, &within, &row).await?;
    transaction.commit().await.map_err(db::Error::from)?;
    state.work.ring();
    Ok(accepted(&shown.links.own).json(shown))
}

async fn run(
    state: &State,
    connection: &mut Connection,
    caller: &Caller,
    within: &Allowed,
    row: &schedule::Schedule,
) -> Result<Job, Problem> {
    let mut order: Order = serde_json::from_value(row.wish.0.clone()).map_err(Problem::internal)?;
    if row.unfinished && order.overlap.unwrap_or_default() == Overlap::Skip {
        let detail = "A job of the schedule is not finished, and one runs at a time. Wait for it, stop it, or change `overlap` \
                      to `allow`.";
        return Err(Problem::new(Code::WrongState, detail));
    }
    order.once();
    // Who runs it must be allowed what it asks for; it stays its owner's.
    allowed(connection, caller, &mut order).await?;
    let user = match row.user_id {
        Some(user) => Some(db::company::find_user(connection, caller.company, user).await?),
        None => None,
    };
    let desk = state.desk();
    let place = Place {
        company: caller.company,
        user: user.as_ref(),
        schedule: Some(row.schedule_id),
        most_jobs: within.jobs,
        settings: &state.settings,
        desk: &desk,
    };
    let job = place.order(connection, order).await.map_err(refused)?;
    schedule::note(connection, caller.company, row.schedule_id, None, &Became::Job(job)).await?;
    let shown = Job::from(db::job::find(&mut *connection, caller.company, job).await?);
    place.has_room(connection, true).await.map_err(refused)?;
    Ok(shown)
}

/// Delete a schedule.
///
/// It runs no more. Jobs that it made stay, and go on.
#[utoipa::path(tag = "export schedules", params(("scheduleHandle" = String, Path, description = "The schedule.")),
    responses((status = 204, description = "It is gone."), Missing))]
#[delete("/export-schedules/{scheduleHandle}")]
pub async fn delete_schedule(state: Data<State>, caller: Caller, path: SchedulePath) -> Result<HttpResponse, Problem> {
    let mut transaction = state.db.begin().await.map_err(db::Error::from)?;
    let row = managed(&mut transaction, &caller, &path).await?;
    schedule::delete(&mut transaction, row.company_id, row.schedule_id).await?;
    transaction.commit().await.map_err(db::Error::from)?;
    Ok(HttpResponse::NoContent().finish())
}
