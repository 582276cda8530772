//! What is done with several jobs at once: to each what its own button does. Some may refuse it; the page says how many.

use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, post};
use askama::Template;
use offprint_core::Code;

use crate::app::AppState;
use crate::http::extract::caller::Caller;
use crate::http::extract::form::PageForm;
use crate::http::pages::console::frame::ConsoleFrame;
use crate::http::pages::console::message::{redirect_done_counted, redirect_refused};
use crate::http::pages::console::pager::list_kept_parameters;
use crate::http::pages::console::section::Section;
use crate::http::problem::Problem;
use crate::http::resources::export_jobs::actions::{RetryJob, perform_action, remove_job};
use crate::http::resources::export_jobs::find_visible_job;
use crate::jobs::JobAction;

/// More than a page has.
const MAX_BATCH: usize = 100;

#[derive(Template)]
#[template(path = "console/jobs/delete.html")]
struct DeletePage {
    frame: ConsoleFrame,
    /// Handles and names.
    jobs: Vec<(String, String)>,
    query: String,
    question: String,
}

/// What a batch does.
#[derive(Clone, Copy, PartialEq, Eq)]
enum BatchAction {
    Change(JobAction),
    Delete,
}

impl BatchAction {
    fn find(name: &str) -> Option<Self> {
        let action = JobAction::ALL.into_iter().find(|action| action.name() == name).map(Self::Change);
        action.or((name == "delete").then_some(Self::Delete))
    }

    /// The end of the name of its message.
    fn name(self) -> &'static str {
        match self {
            Self::Change(JobAction::Pause) => "jobs-pause",
            Self::Change(JobAction::Resume) => "jobs-resume",
            Self::Change(JobAction::Stop) => "jobs-stop",
            Self::Change(JobAction::Run) => "jobs-run",
            Self::Change(JobAction::Retry) => "jobs-retry",
            Self::Delete => "jobs-delete",
        }
    }
}

/// `POST /console/jobs/batch`: the fields `action`, `job` for each job, `query` with the filters of the list, and `confirmed`
/// for what cannot be undone.
#[post("/console/jobs/batch")]
pub(super) async fn change_jobs(
    state: Data<AppState>,
    caller: Caller,
    PageForm(fields): PageForm<Vec<(String, String)>>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let find = |name: &str| fields.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value.as_str());
    let jobs = fields.iter().filter(|(name, _)| name == "job").map(|(_, value)| value.as_str());
    let jobs: Vec<&str> = jobs.take(MAX_BATCH).collect();
    let back = write_list_path(find("query"));
    let action = BatchAction::find(find("action")).ok_or_else(|| Problem::not_found("action of a job"))?;
    if jobs.is_empty() {
        return Ok(redirect_refused(&back, "no-jobs"));
    }
    if action == BatchAction::Delete && find("confirmed").is_empty() {
        return ask_before_deletion(&state, &request, &jobs, find("query")).await;
    }
    let mut failed = 0;
    for job in &jobs {
        let done = match action {
            BatchAction::Change(action) => {
                perform_action(&state, &caller, job, action, RetryJob::default()).await.map(drop)
            }
            BatchAction::Delete => remove_job(&state, &caller, job).await,
        };
        match done {
            Ok(()) => {}
            Err(problem) if matches!(problem.code(), Code::Internal | Code::Unavailable) => return Err(problem),
            Err(_) => failed += 1,
        }
    }
    Ok(redirect_done_counted(&back, action.name(), jobs.len() - failed, failed))
}

/// The list with its filters. What is no query of ours is left out.
fn write_list_path(query: &str) -> String {
    let is_plain = query.len() <= 2000 && query.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#');
    let kept: Vec<&str> = list_kept_parameters(if is_plain { query } else { "" }).collect();
    let separator = if kept.is_empty() { "" } else { "?" };
    format!("/console/jobs{separator}{}", kept.join("&"))
}

async fn ask_before_deletion(
    state: &AppState,
    request: &HttpRequest,
    handles: &[&str],
    query: &str,
) -> Result<HttpResponse, Problem> {
    let frame = ConsoleFrame::open(state, request, Section::Jobs).await?;
    let mut jobs = Vec::new();
    for handle in handles {
        let job = find_visible_job(state, &frame.caller, handle).await?;
        jobs.push((job.job_id.to_string(), job.job_name));
    }
    let title = frame.text("console-delete-title");
    let question = frame.language.format("console-delete-question", &[("count", (jobs.len() as i64).into())]);
    let frame = frame.with_title(title);
    let page = DeletePage { frame, jobs, query: query.to_owned(), question };
    page.frame.respond(StatusCode::OK, &page)
}
