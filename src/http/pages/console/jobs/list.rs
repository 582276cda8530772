//! The list of jobs: filters, what is done with several at once, and live progress.

use std::collections::HashMap;

use actix_web::http::StatusCode;
use actix_web::web::{Data, Query};
use actix_web::{HttpRequest, HttpResponse, get};
use askama::Template;

use crate::app::AppState;
use crate::db::company;
use crate::db::enums::JobState;
use crate::db::job::JobRow;
use crate::http::address::write_address;
use crate::http::pages::console::form_errors::FormErrors;
use crate::http::pages::console::frame::ConsoleFrame;
use crate::http::pages::console::jobs::filters::{FilterOption, JobFilterForm};
use crate::http::pages::console::jobs::head::JobTab;
use crate::http::pages::console::pager::{Pager, list_kept_parameters};
use crate::http::pages::console::section::Section;
use crate::http::pages::frame::PageTime;
use crate::http::pages::job_status::PageStatus;
use crate::http::problem::Problem;
use crate::http::resources::export_jobs::show::{count_listed_jobs, load_job_page};
use crate::i18n::Language;
use crate::id::{JobId, UserId};

/// Jobs are counted up to here.
const MAX_COUNTED: i64 = 1000;

#[derive(Template)]
#[template(path = "console/jobs/list.html")]
struct JobsPage {
    frame: ConsoleFrame,
    form: JobFilterForm,
    errors: FormErrors,
    states: Vec<FilterOption>,
    outcomes: Vec<FilterOption>,
    /// Whether jobs of several people may be listed.
    has_owners: bool,
    /// How many jobs the list has on all its pages.
    count: String,
    jobs: Vec<JobLine>,
    pager: Pager,
    can_change: bool,
    /// The filters, for the way back from a form.
    query: String,
    /// Address of a new export.
    new_export: Option<String>,
    /// Address of the live changes of the jobs of this page.
    events: Option<String>,
}

/// A job in the list.
pub(super) struct JobLine {
    pub(super) handle: JobId,
    pub(super) address: String,
    pub(super) name: String,
    pub(super) owner: Option<String>,
    pub(super) created: PageTime,
    pub(super) status: PageStatus,
    pub(super) numbers: String,
}

impl JobLine {
    fn new(frame: &ConsoleFrame, job: &JobRow, owners: &HashMap<UserId, String>) -> Self {
        Self {
            handle: job.job_id,
            address: write_address(&JobTab::Items.path(job.job_id)),
            name: job.job_name.clone(),
            owner: job.user_id.and_then(|user| owners.get(&user).cloned()),
            created: frame.time(job.created_at),
            status: PageStatus::for_job(frame.language, job),
            numbers: format_numbers(frame.language, job),
        }
    }
}

/// Such as "12 of 40, 2 failed, 1 with warnings".
pub(super) fn format_numbers(language: &Language, job: &JobRow) -> String {
    let count = |name: &str, number: i32| language.format(name, &[("count", i64::from(number).into())]);
    let done = [("done", i64::from(job.count_ended()).into()), ("total", i64::from(job.total).into())];
    let mut parts = vec![language.format("console-done-of", &done)];
    parts.extend((job.failed > 0).then(|| count("console-failed-items", job.failed)));
    parts.extend((job.warned > 0).then(|| count("console-warned-items", job.warned)));
    parts.join(", ")
}

/// `GET /console/jobs`.
#[get("/console/jobs")]
pub(super) async fn show_jobs(
    state: Data<AppState>,
    form: Query<JobFilterForm>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let frame = ConsoleFrame::open(&state, &request, Section::Jobs).await?;
    let form = form.into_inner();
    let (query, metadata, errors) = form.resolve(&state, &frame).await?;
    let page = load_job_page(&state, &frame.caller, &query, &metadata).await?;
    let count = match (&query.cursor, &page.next_cursor) {
        // The whole list is on this page.
        (None, None) => page.items.len() as i64,
        _ => count_listed_jobs(&state, &frame.caller, &query, &metadata, MAX_COUNTED + 1).await?,
    };
    let rows: Vec<JobRow> = page.items.into_iter().map(|listed| listed.job).collect();
    let owners = find_owners(&state, &frame, &rows).await?;
    let status = if errors.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let page = JobsPage {
        states: form.list_states(frame.language),
        outcomes: form.list_outcomes(frame.language),
        has_owners: frame.caller.can_read_all(),
        count: format_count(frame.language, count),
        jobs: rows.iter().map(|job| JobLine::new(&frame, job, &owners)).collect(),
        pager: Pager::new(&request, page.next_cursor.as_deref()),
        can_change: frame.can("POST", "/console/jobs/batch"),
        query: list_kept_parameters(request.query_string()).collect::<Vec<_>>().join("&"),
        new_export: frame.can("GET", Section::NewExport.path()).then(|| write_address(Section::NewExport.path())),
        events: write_events_address(&request, &rows),
        form,
        errors,
        frame,
    };
    page.frame.respond(status, &page)
}

/// The names of those whose jobs are listed.
async fn find_owners(
    state: &AppState,
    frame: &ConsoleFrame,
    jobs: &[JobRow],
) -> Result<HashMap<UserId, String>, Problem> {
    let users: Vec<UserId> = jobs.iter().filter_map(|job| job.user_id).collect();
    if users.is_empty() {
        return Ok(HashMap::new());
    }
    Ok(company::list_user_names(&state.db, frame.caller.company, &users).await?.into_iter().collect())
}

/// Such as "12 jobs", or "1,000+ jobs" where nobody counted on.
fn format_count(language: &Language, count: i64) -> String {
    let number = language.format_number(count.min(MAX_COUNTED));
    let number = if count > MAX_COUNTED { format!("{number}+") } else { number };
    language.format("console-jobs-count", &[("count", count.into()), ("shown", (&number).into())])
}

/// The jobs that can still change, and the newest one on the first page, behind which others may come.
fn write_events_address(request: &HttpRequest, jobs: &[JobRow]) -> Option<String> {
    let open = jobs.iter().filter(|job| job.state != JobState::Finished);
    let mut parts: Vec<String> = open.map(|job| format!("job={}", job.job_id)).collect();
    let is_first_page = !request.query_string().contains("cursor=");
    if is_first_page {
        let filters = list_kept_parameters(request.query_string()).map(str::to_owned);
        parts.extend(filters);
        parts.push(format!("newest={}", jobs.first().map(|job| job.job_id).unwrap_or_default()));
    }
    (!parts.is_empty()).then(|| write_address(&format!("/console/jobs/events?{}", parts.join("&"))))
}
