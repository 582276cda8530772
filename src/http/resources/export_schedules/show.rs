//! Lists and shows schedules.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, get};

use crate::app::AppState;
use crate::db;
use crate::db::metadata_map::MetadataMap;
use crate::http::extract::caller::Caller;
use crate::http::extract::filter_query::{FilterQuery, MetadataFilterQuery};
use crate::http::extract::page;
use crate::http::extract::page::Page;
use crate::http::extract::page::PageQuery;
use crate::http::extract::preconditions;
use crate::http::problem::Problem;
use crate::http::resources::export_schedules::SchedulePath;
use crate::http::resources::export_schedules::check_schedule_visible;
use crate::http::resources::export_schedules::parse_schedule_handle;
use crate::http::resources::export_schedules::schedule::ExportSchedule;
use crate::http::responses::NotFoundProblem;
use crate::http::responses::PreconditionProblem;
use crate::http::responses::QueryProblems;
use crate::id::ScheduleId;

/// List schedules.
///
/// Oldest first. Callers without `exports:read-all` or `exports:manage-all` see only their own schedules.
/// `assetHandleArray` is null in this list.
#[utoipa::path(
    tag = "export schedules",
    params(PageQuery, MetadataFilterQuery),
    responses((status = 200, description = "One page of schedules.", body = Page<ExportSchedule>), QueryProblems),
)]
#[get("/export-schedules")]
pub async fn list_schedules(
    state: Data<AppState>,
    caller: Caller,
    query: FilterQuery<PageQuery>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let FilterQuery { filters: query, metadata } = query;
    Ok(load_schedule_page(&state, &caller, &query, &metadata).await?.into_response(&request))
}

/// A page of the schedules that the caller may see.
///
/// # Errors
/// 400 for a limit or a cursor that is wrong.
pub(in crate::http) async fn load_schedule_page(
    state: &AppState,
    caller: &Caller,
    query: &PageQuery,
    metadata: &MetadataMap,
) -> Result<Page<ExportSchedule>, Problem> {
    let limit = page::parse_limit(query.limit)?;
    let filters = ("export-schedules", metadata);
    let after = page::parse_cursor(query.cursor.as_deref(), &filters, page::parse_single_key)?;
    let owner = if caller.can_read_all() { None } else { Some(caller.user.unwrap_or_default()) };
    let rows = db::schedule::list_schedules(&state.db, caller.company, (owner, metadata), after, limit + 1).await?;
    let schedules = rows.into_iter().map(ExportSchedule::from_row).collect::<Result<Vec<_>, _>>()?;
    Ok(Page::new(schedules, limit, &filters, |schedule: &ExportSchedule| vec![schedule.handle().to_string()]))
}

/// Show a schedule.
///
/// Its export request, its state, the next five runs and the results of the last ten.
#[utoipa::path(
    tag = "export schedules",
    params(("scheduleHandle" = ScheduleId, Path, description = "Handle of the schedule.")),
    responses((status = 200, description = "The schedule.", body = ExportSchedule),
        (status = 304, description = "The client has the current version."), NotFoundProblem, PreconditionProblem),
)]
#[get("/export-schedules/{scheduleHandle}")]
pub async fn show_schedule(
    state: Data<AppState>,
    caller: Caller,
    request: HttpRequest,
    path: SchedulePath,
) -> Result<HttpResponse, Problem> {
    let row = db::schedule::fetch_schedule(&state.db, caller.company, parse_schedule_handle(&path)?).await?;
    // Without a time: runs change what is shown, and not when the schedule was changed.
    preconditions::show_json(&request, &ExportSchedule::from_row(check_schedule_visible(&caller, row)?)?, None)
}
