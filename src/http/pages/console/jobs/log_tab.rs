//! The tab with the log of a job: newest first, and live.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Path, Query};
use actix_web::{HttpRequest, HttpResponse, get};
use askama::Template;
use serde::Deserialize;

use crate::app::AppState;
use crate::http::address::write_address;
use crate::http::pages::console::frame::ConsoleFrame;
use crate::http::pages::console::jobs::head::{JobHead, JobTab, build_head};
use crate::http::pages::console::pager::Pager;
use crate::http::pages::console::section::Section;
use crate::http::pages::frame::PageTime;
use crate::http::problem::Problem;
use crate::http::resources::export_jobs::events::{EventSelection, load_events};
use crate::http::resources::export_jobs::find_visible_job;

/// Events on one page.
const EVENTS_PER_PAGE: i64 = 200;

#[derive(Template)]
#[template(path = "console/jobs/log.html")]
struct LogPage {
    frame: ConsoleFrame,
    head: JobHead,
    events: Vec<EventLine>,
    pager: Pager,
}

struct EventLine {
    time: PageTime,
    text: String,
}

/// Which events the page shows: those up to this number, else the newest.
#[derive(Deserialize)]
pub(super) struct LogQuery {
    until: Option<i64>,
}

/// `GET /console/jobs/{jobHandle}/log`.
#[get("/console/jobs/{jobHandle}/log")]
pub(super) async fn show_job_log(
    state: Data<AppState>,
    path: Path<String>,
    query: Query<LogQuery>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let frame = ConsoleFrame::open(&state, &request, Section::Jobs).await?;
    let job = find_visible_job(&state, &frame.caller, &path).await?;
    let until = query.until.unwrap_or(job.event_seq).clamp(0, job.event_seq);
    let after = (until - EVENTS_PER_PAGE).max(0);
    let selection = EventSelection::all(frame.language);
    let events = load_events(&state, frame.caller.company, job.job_id, &selection, after, until - after).await?;
    let head = build_head(&state, &frame, &job, JobTab::Log).await?;
    let frame = frame.with_title(&job.job_name);
    let own = JobTab::Log.path(job.job_id);
    let events = events.into_iter().rev();
    let page = LogPage {
        events: events.map(|event| EventLine { time: frame.time(event.at), text: event.message }).collect(),
        pager: Pager {
            next: (after > 0).then(|| write_address(&format!("{own}?until={after}"))),
            first: (until < job.event_seq).then(|| write_address(&own)),
        },
        head,
        frame,
    };
    page.frame.respond(StatusCode::OK, &page)
}
