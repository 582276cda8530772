//! Looking at jobs: one, with waiting for changes, and lists.

use std::time::Duration;

use actix_web::http::header;
use actix_web::web::{Data, Query};
use actix_web::{HttpRequest, HttpResponse, get};
use chrono::DateTime;
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep, sleep_until};
use utoipa::IntoParams;

use crate::api::caller::Caller;
use crate::api::export_jobs::job::{self, Job};
use crate::api::export_jobs::{JobPath, handle, seen};
use crate::api::guard;
use crate::api::page::{self, Page};
use crate::api::problem::Problem;
use crate::api::responses::{BadQuery, Missing};
use crate::db;
use crate::db::job::{Listed, Sort, Wanted};
use crate::db::vocabulary::{JobState, Outcome, ShownState};
use crate::id::{JobId, ScheduleId};
use crate::state::State;

/// How often a waiting request looks whether its key still holds.
const CHECK: Duration = Duration::from_secs(1);

/// How to look at a job.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Waiting {
    /// Seconds to wait for news, 60 at most: the answer comes as soon as the job is finished or its ETag differs from
    /// `If-None-Match`, else when the time is over.
    #[param(minimum = 0, maximum = 60)]
    wait: Option<u64>,
}

/// Show a job.
///
/// State, counts, progress and links; never the assets, which are `…/items`. With `?wait=60` the answer comes when
/// there is news; with `If-None-Match` it is 304 when there is none.
#[utoipa::path(
    tag = "export jobs",
    operation_id = "showExportJob",
    params(("jobHandle" = String, Path, description = "The job."), Waiting),
    responses(
        (status = 200, description = "The job.", body = Job, headers(
            ("ETag" = String, description = "Differs whenever the job does."),
            ("Retry-After" = u32, description = "Seconds after which to look again; absent when it is finished."),
        )),
        (status = 304, description = "No news since the ETag in `If-None-Match`."),
        BadQuery, Missing,
    ),
)]
#[get("/export-jobs/{jobHandle}")]
pub async fn show(
    state: Data<State>,
    caller: Caller,
    path: JobPath,
    waiting: Query<Waiting>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let wait = waiting.wait.unwrap_or(0);
    if wait > 60 {
        return Err(Problem::parameter("wait", format!("{wait} is more than 60 seconds.")));
    }
    let known = request.headers().get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    let found = watch(&state, &caller, &path, known, Duration::from_secs(wait)).await?;
    let etag = job::etag(&found);
    let unchanged = known.is_some_and(|known| job::is_known(known, &etag));
    let mut answer = if unchanged { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    answer.insert_header((header::ETAG, etag)).insert_header((header::CACHE_CONTROL, "private, no-cache"));
    if found.state != JobState::Finished {
        answer.insert_header((header::RETRY_AFTER, "1"));
    }
    Ok(if unchanged { answer.finish() } else { answer.json(Job::from(found)) })
}

/// The job as soon as there is news of it, or the time is over.
async fn watch(
    state: &State,
    caller: &Caller,
    path: &str,
    known: Option<&str>,
    wait: Duration,
) -> Result<db::job::Job, Problem> {
    let (job, end) = (handle(path)?, Instant::now() + wait);
    // From before the job is looked at, so that nothing is missed.
    let mut watch = state.live.watch(state, caller.company, job);
    loop {
        let found = seen(state, caller, path).await?;
        let news = known.is_some_and(|known| !job::is_known(known, &job::etag(&found)));
        if news || found.state == JobState::Finished || Instant::now() >= end || state.closing.is_cancelled() {
            return Ok(found);
        }
        while tokio::select! {
            _ = watch.next() => false,
            () = sleep_until(end) => false,
            () = state.closing.cancelled() => false,
            () = sleep(CHECK) => true,
        } {
            guard::check_again(state, caller).await?;
        }
        guard::check_again(state, caller).await?;
        watch = state.live.watch(state, caller.company, job);
    }
}

/// Which jobs to list.
#[derive(Debug, Deserialize, Serialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Filters {
    /// Only jobs in this state.
    #[param(inline)]
    state: Option<ShownState>,
    /// Only jobs with this outcome.
    #[param(inline)]
    outcome: Option<Outcome>,
    /// Only jobs whose name begins with this.
    name: Option<String>,
    /// Only the runs of this schedule.
    schedule_handle: Option<ScheduleId>,
    /// `createdAt`, `finishedAt` or `jobName`; with `-` before it the last comes first. `-createdAt` when absent.
    #[param(pattern = "^-?(createdAt|finishedAt|jobName)$")]
    sort: Option<String>,
    /// Jobs on a page, 1 to 1000; 100 when absent.
    #[serde(skip_serializing_if = "page::not_a_filter")]
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
    /// `nextCursor` of the page before.
    #[serde(skip_serializing_if = "page::not_a_filter")]
    #[param(min_length = 1)]
    cursor: Option<String>,
}

/// List jobs.
///
/// The newest first unless `sort` says otherwise. Whoever may not read the jobs of all sees their own.
#[utoipa::path(
    tag = "export jobs",
    operation_id = "listExportJobs",
    params(Filters),
    responses((status = 200, description = "One page of jobs.", body = Page<Job>), BadQuery),
)]
#[get("/export-jobs")]
pub async fn list(
    state: Data<State>,
    caller: Caller,
    filters: Query<Filters>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let limit = page::limit(filters.limit)?;
    let (sort, descending) = sort(filters.sort.as_deref().unwrap_or("-createdAt"))?;
    let word = filters.state.and_then(|state| serde_json::to_value(state).ok());
    let wanted = Wanted {
        state: word.as_ref().and_then(|word| word.as_str()),
        outcome: filters.outcome,
        name: filters.name.as_deref(),
        owner: if caller.sees_all() { None } else { Some(caller.user.unwrap_or_default()) },
        schedule: filters.schedule_handle,
        sort,
        descending,
    };
    let after = page::after(filters.cursor.as_deref(), &*filters, |key| {
        let [key, id] = key else { return None };
        (sort == Sort::JobName || is_time(key)).then_some((key.clone(), id.parse().ok()?))
    })?;
    let after = after.as_ref().map(|(key, id): &(String, JobId)| (key.as_str(), *id));
    let found = db::job::list(&state.db, caller.company, &wanted, after, limit + 1).await?;
    let shown: Vec<Keyed> = found.into_iter().map(Keyed::from).collect();
    let page = Page::new(shown, limit, &*filters, |keyed| vec![keyed.key.clone(), keyed.job.job_handle.to_string()]);
    Ok(page.answer(&request))
}

/// A job with the key that it was sorted by.
#[derive(Serialize)]
#[serde(transparent)]
struct Keyed {
    job: Job,
    #[serde(skip)]
    key: String,
}

impl From<Listed> for Keyed {
    fn from(listed: Listed) -> Self {
        Self { job: listed.job.into(), key: listed.sort_key }
    }
}

/// Whether a sort key reads as a time, as the database writes one.
fn is_time(key: &str) -> bool {
    key == "infinity" || DateTime::parse_from_str(key, "%Y-%m-%d %H:%M:%S%.f%#z").is_ok()
}

fn sort(said: &str) -> Result<(Sort, bool), Problem> {
    let (name, descending) = said.strip_prefix('-').map_or((said, false), |name| (name, true));
    let sort = match name {
        "createdAt" => Sort::CreatedAt,
        "finishedAt" => Sort::FinishedAt,
        "jobName" => Sort::JobName,
        _ => {
            let detail = format!(
                "`{said}` is not a sort key. Allowed: createdAt, finishedAt, jobName, each with or without `-`."
            );
            return Err(Problem::parameter("sort", detail));
        }
    };
    Ok((sort, descending))
}
