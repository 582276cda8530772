//! Looking at schedules.

use actix_web::web::{Data, Query};
use actix_web::{HttpRequest, HttpResponse, get};

use crate::api::caller::Caller;
use crate::api::export_schedules::schedule::Schedule;
use crate::api::export_schedules::{SchedulePath, handle, seen};
use crate::api::page::{self, Page, PageQuery};
use crate::api::problem::Problem;
use crate::api::responses::{BadQuery, Missing};
use crate::db;
use crate::state::State;

/// List schedules.
///
/// Oldest first: one's own, or everybody's for those who see all jobs. `assetHandleArray` is null here.
#[utoipa::path(
    tag = "export schedules",
    params(PageQuery),
    responses((status = 200, description = "A page of schedules.", body = Page<Schedule>), BadQuery),
)]
#[get("/export-schedules")]
pub async fn list_schedules(
    state: Data<State>,
    caller: Caller,
    query: Query<PageQuery>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let limit = page::limit(query.limit)?;
    let filters = "export-schedules";
    let after = page::after(query.cursor.as_deref(), &filters, page::only)?;
    let owner = if caller.sees_all() { None } else { Some(caller.user.unwrap_or_default()) };
    let found = db::schedule::list(&state.db, caller.company, owner, after, limit + 1).await?;
    let found = found.into_iter().map(Schedule::of).collect::<Result<Vec<_>, _>>()?;
    Ok(Page::new(found, limit, &filters, |schedule: &Schedule| vec![schedule.handle().to_string()]).answer(&request))
}

/// Show a schedule.
///
/// Its order, its state, its next five runs and what became of the last ones.
#[utoipa::path(
    tag = "export schedules",
    params(("scheduleHandle" = String, Path, description = "The schedule.")),
    responses((status = 200, description = "The schedule.", body = Schedule), Missing),
)]
#[get("/export-schedules/{scheduleHandle}")]
pub async fn show_schedule(state: Data<State>, caller: Caller, path: SchedulePath) -> Result<HttpResponse, Problem> {
    let found = db::schedule::find(&state.db, caller.company, handle(&path)?).await?;
    Ok(HttpResponse::Ok().json(Schedule::of(seen(&caller, found)?)?))
}
