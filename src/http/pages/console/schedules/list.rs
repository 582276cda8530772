//! The list of schedules.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Query};
use actix_web::{HttpRequest, HttpResponse, get};
use askama::Template;
use serde::Deserialize;

use crate::app::AppState;
use crate::db::capability::Capability;
use crate::db::enums::{RunOutcome, ShownScheduleState};
use crate::db::metadata_map::MetadataMap;
use crate::http::address::write_address;
use crate::http::extract::page::PageQuery;
use crate::http::pages::console::explanation::Explanation;
use crate::http::pages::console::frame::ConsoleFrame;
use crate::http::pages::console::pager::Pager;
use crate::http::pages::console::schedules::words::describe_recurrence;
use crate::http::pages::console::section::Section;
use crate::http::pages::frame::{Icon, PageTime};
use crate::http::problem::Problem;
use crate::http::resources::export_schedules::schedule::{ExportSchedule, ScheduleRun};
use crate::http::resources::export_schedules::show::load_schedule_page;
use crate::id::ScheduleId;
use crate::jobs::schedule::DEFAULT_TIME_ZONE;
use crate::reason::Reason;

/// Schedules on one page.
const SCHEDULES_PER_PAGE: u32 = 50;

#[derive(Template)]
#[template(path = "console/schedules.html")]
struct SchedulesPage {
    frame: ConsoleFrame,
    schedules: Vec<ScheduleLine>,
    pager: Pager,
    /// Address of a new export, which may become a schedule.
    new_export: Option<String>,
}

struct ScheduleLine {
    handle: ScheduleId,
    name: String,
    /// In words, and as it is written.
    recurrence: String,
    expression: String,
    zone: String,
    icon: Icon,
    word: String,
    next: Option<PageTime>,
    last: Option<RunLine>,
    /// Why the last refused run was refused.
    error: Option<Explanation>,
    actions: Vec<ScheduleButton>,
    delete: Option<String>,
}

struct RunLine {
    time: PageTime,
    icon: Icon,
    word: String,
    /// Address of its job.
    job: Option<String>,
}

struct ScheduleButton {
    label: String,
    address: String,
}

/// Where the list goes on.
#[derive(Deserialize)]
pub(super) struct SchedulesQuery {
    cursor: Option<String>,
}

/// `GET /console/schedules`.
#[get("/console/schedules")]
pub(super) async fn show_schedules(
    state: Data<AppState>,
    query: Query<SchedulesQuery>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let frame = ConsoleFrame::open(&state, &request, Section::Schedules).await?;
    let query = PageQuery { limit: Some(SCHEDULES_PER_PAGE), cursor: query.into_inner().cursor };
    let page = load_schedule_page(&state, &frame.caller, &query, &MetadataMap::default()).await?;
    let new_export = Section::NewExport.path();
    let page = SchedulesPage {
        pager: Pager::new(&request, page.next_cursor.as_deref()),
        schedules: page.items.into_iter().map(|schedule| ScheduleLine::new(&frame, schedule)).collect(),
        new_export: frame.can("GET", new_export).then(|| write_address(new_export)),
        frame,
    };
    page.frame.respond(StatusCode::OK, &page)
}

impl ScheduleLine {
    fn new(frame: &ConsoleFrame, schedule: ExportSchedule) -> Self {
        let (icon, word) = describe_state(schedule.state);
        let expression = schedule.request.exec_schedule.clone().unwrap_or_default();
        let own = format!("/console/schedules/{}", schedule.schedule_handle);
        let is_own = frame.caller.is_user(schedule.request.user_handle);
        let can_manage = is_own || frame.caller.has_capability(Capability::ExportsManageAll);
        let can = |action: &str| can_manage && frame.can("POST", &format!("{own}/{action}"));
        let button = |action: &str| ScheduleButton {
            label: frame.text(&format!("console-do-schedule-{action}")),
            address: write_address(&format!("{own}/{action}")),
        };
        let change = match schedule.state {
            ShownScheduleState::Paused => Some("resume"),
            ShownScheduleState::Completed => None,
            ShownScheduleState::Active | ShownScheduleState::Error | ShownScheduleState::Blocked => Some("pause"),
        };
        let problem = schedule.last_error.as_ref().and_then(|run| run.problem.as_ref());
        Self {
            handle: schedule.schedule_handle,
            name: schedule
                .request
                .job_name
                .clone()
                .or(schedule.request.description.clone())
                .unwrap_or_else(|| frame.language.format("console-schedule-unnamed", &[])),
            recurrence: describe_recurrence(frame.language, &expression).unwrap_or_else(|| expression.clone()),
            expression,
            zone: schedule.request.time_zone.clone().unwrap_or_else(|| DEFAULT_TIME_ZONE.to_owned()),
            icon,
            word: frame.text(word),
            next: schedule.next_run_at.map(|at| frame.time(at)),
            last: schedule.last_runs.first().map(|run| RunLine::new(frame, run)),
            error: problem
                .and_then(|problem| Reason::deserialize(problem).ok())
                .map(|reason| frame.explain_mistake(&reason)),
            actions: change.into_iter().chain(["run"]).filter(|action| can(action)).map(button).collect(),
            delete: can("delete").then(|| write_address(&format!("{own}/delete"))),
        }
    }
}

fn describe_state(state: ShownScheduleState) -> (Icon, &'static str) {
    match state {
        ShownScheduleState::Active => (Icon::Done, "console-schedule-active"),
        ShownScheduleState::Paused => (Icon::Waiting, "console-schedule-paused"),
        ShownScheduleState::Completed => (Icon::Done, "console-schedule-completed"),
        ShownScheduleState::Error => (Icon::Failed, "console-schedule-error"),
        ShownScheduleState::Blocked => (Icon::Warning, "console-schedule-blocked"),
    }
}

impl RunLine {
    fn new(frame: &ConsoleFrame, run: &ScheduleRun) -> Self {
        let (icon, word) = match (run.outcome, run.job_outcome.as_deref()) {
            (RunOutcome::Refused, _) => (Icon::Failed, "console-run-refused".to_owned()),
            (RunOutcome::Skipped, _) => (Icon::Warning, "console-run-skipped".to_owned()),
            (RunOutcome::Started, Some("succeeded")) => (Icon::Done, "page-outcome-succeeded".to_owned()),
            (RunOutcome::Started, Some(outcome @ ("succeededWithWarnings" | "partiallyFailed"))) => {
                (Icon::Warning, format!("page-outcome-{outcome}"))
            }
            (RunOutcome::Started, Some(outcome)) => (Icon::Failed, format!("page-outcome-{outcome}")),
            (RunOutcome::Started, None) => (Icon::Running, "console-run-started".to_owned()),
        };
        Self {
            time: frame.time(run.at),
            icon,
            word: frame.text(&word),
            job: run.job_handle.map(|job| write_address(&format!("/console/jobs/{job}"))),
        }
    }
}
