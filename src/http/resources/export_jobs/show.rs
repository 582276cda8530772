//! Shows one job, optionally waiting for a change, and lists jobs.

use std::time::Duration;

use actix_web::http::header;
use actix_web::web::{Data, Query};
use actix_web::{HttpRequest, HttpResponse, get};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::IntoParams;

use crate::app::AppState;
use crate::db;
use crate::db::enums::{JobState, Outcome, ShownState};
use crate::db::job_list::{self, JobFilter, JobSort, ListedJobRow};
use crate::db::metadata_map::MetadataMap;
use crate::http::extract::caller::Caller;
use crate::http::extract::filter_query::{FilterQuery, MetadataFilterQuery};
use crate::http::extract::page;
use crate::http::extract::page::Page;
use crate::http::extract::prefer;
use crate::http::long_poll::wait_until;
use crate::http::problem::Problem;
use crate::http::resources::export_jobs::JobPath;
use crate::http::resources::export_jobs::find_visible_job;
use crate::http::resources::export_jobs::job;
use crate::http::resources::export_jobs::job::Job;
use crate::http::resources::export_jobs::parse_job_handle;
use crate::http::responses::NotFoundProblem;
use crate::http::responses::QueryProblems;
use crate::id::{JobId, ScheduleId, UserId};

/// How to show a job.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct WaitQuery {
    /// Seconds to wait for a change: the response comes when the job is finished, when its ETag differs from
    /// `If-None-Match`, or when the time is over. A wait ends after 50 s in any case, before proxies give up. The header
    /// `Prefer: wait=N` (RFC 7240) has the same effect.
    #[param(minimum = 0, maximum = 60)]
    wait: Option<u64>,
}

/// Show a job.
///
/// State, counts, progress and links. The results by asset are at `…/items`. With `?wait=50` the response comes when the
/// job is finished or changes; with `If-None-Match` it is 304 when nothing changed.
#[utoipa::path(
    tag = "export jobs",
    operation_id = "showExportJob",
    params(
        ("jobHandle" = JobId, Path, description = "Handle of the job."),
        WaitQuery,
        ("Prefer" = Option<String>, Header, description = "`wait=N`, as the parameter `wait`."),
    ),
    responses(
        (status = 200, description = "The job.", body = Job, headers(
            ("ETag" = String, description = "Changes whenever the job changes."),
            ("Retry-After" = u32, description = "Seconds after which to look again; absent when the job is finished."),
        )),
        (status = 304, description = "Unchanged since the ETag in `If-None-Match`."),
        QueryProblems, NotFoundProblem,
    ),
)]
#[get("/export-jobs/{jobHandle}")]
pub async fn show_export_job(
    state: Data<AppState>,
    caller: Caller,
    path: JobPath,
    waiting: Query<WaitQuery>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let wait = prefer::check_wait(waiting.wait)?;
    let preferred = waiting.wait.is_none().then(|| prefer::read_wait(request.headers())).flatten();
    let lines: Vec<_> =
        request.headers().get_all(header::IF_NONE_MATCH).filter_map(|value| value.to_str().ok()).collect();
    let if_none_match = (!lines.is_empty()).then(|| lines.join(","));
    let if_none_match = if_none_match.as_deref();
    let row =
        wait_for_change(&state, &caller, &path, if_none_match, prefer::limit_wait(preferred.unwrap_or(wait))).await?;
    let etag = job::compute_job_etag(&row);
    let unchanged = if_none_match.is_some_and(|tags| job::is_etag_listed(tags, &etag));
    let mut answer = if unchanged { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    answer.insert_header((header::ETAG, etag)).insert_header((header::CACHE_CONTROL, "private, no-cache"));
    if let Some(seconds) = preferred {
        answer.insert_header((prefer::PREFERENCE_APPLIED, format!("wait={seconds}")));
    }
    if row.state != JobState::Finished {
        answer.insert_header((header::RETRY_AFTER, "1"));
    }
    Ok(if unchanged { answer.finish() } else { answer.json(Job::from(row)) })
}

/// The job when it is finished, when it no longer has one of the tags in `if_none_match`, or when the time is over.
async fn wait_for_change(
    state: &AppState,
    caller: &Caller,
    path: &str,
    if_none_match: Option<&str>,
    wait: Duration,
) -> Result<db::job::JobRow, Problem> {
    let job = parse_job_handle(path)?;
    let watch = || {
        let mut watch = state.live_jobs.watch(state, caller.company, job);
        async move { watch.next().await }
    };
    let read = async || {
        let row = find_visible_job(state, caller, path).await?;
        let has_changed = if_none_match.is_some_and(|tags| !job::is_etag_listed(tags, &job::compute_job_etag(&row)));
        let is_awaited = has_changed || row.state == JobState::Finished;
        Ok((row, is_awaited))
    };
    wait_until(state, caller, wait, watch, read).await
}

/// Which jobs to list.
#[derive(Debug, Default, Deserialize, Serialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct JobQuery {
    /// Only jobs in this state.
    pub(in crate::http) state: Option<ShownState>,
    /// Only jobs with this outcome.
    pub(in crate::http) outcome: Option<Outcome>,
    /// Only jobs whose name begins with this.
    pub(in crate::http) name: Option<String>,
    /// Only jobs of this user.
    pub(in crate::http) user_handle: Option<UserId>,
    /// Only jobs of this schedule.
    pub(in crate::http) schedule_handle: Option<ScheduleId>,
    /// Only jobs that were created at this time or later.
    pub(in crate::http) created_from: Option<DateTime<Utc>>,
    /// Only jobs that were created before this time.
    pub(in crate::http) created_before: Option<DateTime<Utc>>,
    /// Sort key: `createdAt`, `finishedAt` or `jobName`; with a leading `-` in descending order. Default: `-createdAt`.
    #[param(pattern = "^-?(createdAt|finishedAt|jobName)$")]
    pub(in crate::http) sort: Option<String>,
    /// Jobs per page, 1 to 1000. Default: 100.
    #[serde(skip_serializing_if = "page::not_a_filter")]
    #[param(minimum = 1, maximum = 1000)]
    pub(in crate::http) limit: Option<u32>,
    /// `nextCursor` of the previous page.
    #[serde(skip_serializing_if = "page::not_a_filter")]
    #[param(min_length = 1)]
    pub(in crate::http) cursor: Option<String>,
}

/// List jobs.
///
/// Newest first by default; see `sort`. Callers without `exports:read-all` or `exports:manage-all` see only their own jobs.
#[utoipa::path(
    tag = "export jobs",
    operation_id = "listExportJobs",
    params(JobQuery, MetadataFilterQuery),
    responses((status = 200, description = "One page of jobs.", body = Page<Job>), QueryProblems),
)]
#[get("/export-jobs")]
pub async fn list_export_jobs(
    state: Data<AppState>,
    caller: Caller,
    query: FilterQuery<JobQuery>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let FilterQuery { filters, metadata } = query;
    let page = load_job_page(&state, &caller, &filters, &metadata).await?;
    Ok(page.map(|listed| Job::from(listed.job)).into_response(&request))
}

/// A page of the jobs that the caller may see.
///
/// # Errors
/// 400 for a limit, a sort key or a cursor that is wrong.
pub(in crate::http) async fn load_job_page(
    state: &AppState,
    caller: &Caller,
    query: &JobQuery,
    metadata: &MetadataMap,
) -> Result<Page<ListedJobRow>, Problem> {
    let selection = (query, metadata);
    let limit = page::parse_limit(query.limit)?;
    let filter = build_filter(caller, query, metadata)?;
    let after = page::parse_cursor(query.cursor.as_deref(), &selection, |key| {
        let [key, id] = key else { return None };
        (filter.sort == JobSort::JobName || is_timestamp(key)).then_some((key.clone(), id.parse().ok()?))
    })?;
    let after = after.as_ref().map(|(key, id): &(String, JobId)| (key.as_str(), *id));
    let rows = job_list::list_jobs(&state.db, caller.company, &filter, after, limit + 1).await?;
    Ok(Page::new(rows, limit, &selection, |listed| vec![listed.sort_key.clone(), listed.job.job_id.to_string()]))
}

/// How many jobs a list has on all its pages, counted up to `max`.
///
/// # Errors
/// 400 for a sort key that is wrong.
pub(in crate::http) async fn count_listed_jobs(
    state: &AppState,
    caller: &Caller,
    query: &JobQuery,
    metadata: &MetadataMap,
    max: i64,
) -> Result<i64, Problem> {
    let filter = build_filter(caller, query, metadata)?;
    Ok(job_list::count_jobs(&state.db, caller.company, &filter, max).await?)
}

fn build_filter<'q>(caller: &Caller, query: &'q JobQuery, metadata: &'q MetadataMap) -> Result<JobFilter<'q>, Problem> {
    let (sort, descending) = parse_sort(query.sort.as_deref().unwrap_or("-createdAt"))?;
    Ok(JobFilter {
        state: query.state,
        outcome: query.outcome,
        name: query.name.as_deref(),
        reader: if caller.can_read_all() { None } else { Some(caller.user.unwrap_or_default()) },
        owner: query.user_handle,
        schedule: query.schedule_handle,
        created_from: query.created_from,
        created_before: query.created_before,
        metadata,
        sort,
        descending,
    })
}

/// Whether a sort key is a timestamp as PostgreSQL writes it.
fn is_timestamp(key: &str) -> bool {
    key == "infinity" || DateTime::parse_from_str(key, "%Y-%m-%d %H:%M:%S%.f%#z").is_ok()
}

fn parse_sort(text: &str) -> Result<(JobSort, bool), Problem> {
    let (name, descending) = text.strip_prefix('-').map_or((text, false), |name| (name, true));
    let sort = match name {
        "createdAt" => JobSort::CreatedAt,
        "finishedAt" => JobSort::FinishedAt,
        "jobName" => JobSort::JobName,
        _ => {
            let detail = format!(
                "Unknown sort key `{text}`. Allowed: createdAt, finishedAt, jobName, each with or without a leading `-`."
            );
            return Err(Problem::invalid_parameter("sort", detail));
        }
    };
    Ok((sort, descending))
}
