//! The list of jobs, live: the progress of the jobs on the page, and word of newer ones.
//!
//! One stream for a page. It watches the unfinished jobs of the page, which one task of the process reads for all watchers,
//! and asks for newer jobs with its heartbeat only, together with all others that show the same list.

use std::collections::HashMap;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use actix_web::web::{Data, Query};
use actix_web::{HttpRequest, HttpResponse, get};
use async_stream::stream;
use bytes::Bytes;
use futures_util::stream::{SelectAll, unfold};
use futures_util::{Stream, StreamExt};
use serde::Serialize;
use tokio::time::{Instant, sleep_until};

use crate::app::AppState;
use crate::app::live_jobs::{JobUpdate, JobWatch};
use crate::app::stream_limiter::StreamPermit;
use crate::db::enums::JobState;
use crate::db::job::{JobRow, find_jobs};
use crate::db::metadata_map::MetadataMap;
use crate::http::extract::caller::Caller;
use crate::http::middleware::auth::has_key_ended;
use crate::http::pages::console::frame::ConsoleFrame;
use crate::http::pages::console::jobs::filters::JobFilterForm;
use crate::http::pages::console::jobs::list::format_numbers;
use crate::http::pages::console::section::Section;
use crate::http::pages::job_status::PageStatus;
use crate::http::problem::Problem;
use crate::http::resources::export_jobs::event_stream::{add_stream_headers, format_frame, take_stream_slot};
use crate::http::resources::export_jobs::show::{JobQuery, load_job_page};
use crate::i18n::Language;
use crate::id::{CompanyId, JobId};

/// More than a page has.
const MAX_WATCHED_JOBS: usize = 100;

/// What the list shows of a job.
#[derive(Debug, PartialEq, Serialize)]
struct JobProgress {
    job: JobId,
    word: String,
    icon: &'static str,
    path: &'static str,
    text: String,
    numbers: String,
    /// None when the job is finished.
    percent: Option<i32>,
}

impl JobProgress {
    fn new(language: &Language, job: &JobRow) -> Self {
        let status = PageStatus::for_job(language, job);
        Self {
            job: job.job_id,
            word: status.word,
            icon: status.icon.class(),
            path: status.icon.path(),
            text: status.text,
            numbers: format_numbers(language, job),
            percent: status.percent.filter(|_| job.state != JobState::Finished),
        }
    }
}

type JobUpdates = SelectAll<Pin<Box<dyn Stream<Item = Arc<JobUpdate>>>>>;

/// `GET /console/jobs/events?job=…&job=…&newest=…`, with the filters of the list.
#[get("/console/jobs/events")]
pub(super) async fn stream_jobs(
    state: Data<AppState>,
    form: Query<JobFilterForm>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let frame = ConsoleFrame::open(&state, &request, Section::Jobs).await?;
    let caller = frame.caller;
    let (query, metadata, _) = form.resolve(&state, &frame).await?;
    let named = list_values(&request, "job").filter_map(|job| Some((caller.company, job.parse().ok()?)));
    let named: Vec<(CompanyId, JobId)> = named.take(MAX_WATCHED_JOBS).collect();
    // Watched before they are read, so that no change is missed.
    let watch = |(company, job): &(CompanyId, JobId)| (*job, state.live_jobs.watch(&state, *company, *job));
    let mut watches: HashMap<JobId, JobWatch> = named.iter().map(watch).collect();
    let (mut updates, mut first) = (JobUpdates::new(), Vec::new());
    for found in find_jobs(&state.db, &named).await? {
        // What was deleted meanwhile, or is another user's, has no updates.
        if !caller.can_read_all() && !caller.is_owner_of(&found.job) {
            continue;
        }
        if let Some(watch) = watches.remove(&found.job.job_id) {
            updates.push(Box::pin(follow_job(watch)));
            first.push(JobProgress::new(frame.language, &found.job));
        }
    }
    let newest = list_values(&request, "newest").next().and_then(|job| job.parse().ok());
    if updates.is_empty() && newest.is_none() {
        // 204 tells a browser not to connect again.
        return Ok(add_stream_headers(HttpResponse::NoContent()).finish());
    }
    let stream = ListStream {
        newest,
        query: JobQuery { limit: Some(1), cursor: None, ..query },
        metadata,
        language: frame.language,
        _permit: take_stream_slot(&state, caller.company)?,
        state,
        caller,
    };
    let mut answer = add_stream_headers(HttpResponse::Ok());
    Ok(answer.content_type(mime::TEXT_EVENT_STREAM).streaming(stream.into_stream(first, updates)))
}

/// The values of a parameter that may be repeated. They are handles, which nothing encodes.
fn list_values<'r>(request: &'r HttpRequest, name: &'static str) -> impl Iterator<Item = &'r str> {
    let parts = request.query_string().split('&').filter_map(|part| part.split_once('='));
    parts.filter(move |(known, _)| *known == name).map(|(_, value)| value)
}

/// The updates of a job until it no longer exists.
fn follow_job(watch: JobWatch) -> impl Stream<Item = Arc<JobUpdate>> {
    unfold(watch, |mut watch| async move { watch.next().await.map(|update| (update, watch)) })
}

struct ListStream {
    state: Data<AppState>,
    caller: Caller,
    language: &'static Language,
    query: JobQuery,
    metadata: MetadataMap,
    /// The first job of the page; none where newer ones are not asked for.
    newest: Option<JobId>,
    _permit: StreamPermit,
}

impl ListStream {
    /// Sends how far each job is now, which may be further than the page says, and then each change, until the caller's session or
    /// key ends.
    fn into_stream(
        self,
        first: Vec<JobProgress>,
        mut updates: JobUpdates,
    ) -> impl Stream<Item = Result<Bytes, Infallible>> + use<> {
        let retry = 1000 + 8 * u64::from(uuid::Uuid::new_v4().as_bytes()[0]);
        let mut sent: HashMap<JobId, JobProgress> = HashMap::new();
        stream! {
            let mut keys = self.state.keys.subscribe();
            yield Ok(Bytes::from(format!("retry: {retry}\n\n")));
            for progress in first {
                yield Ok(write_frame("progress", &progress));
                sent.insert(progress.job, progress);
            }
            let heartbeat = self.heartbeat();
            let mut beat = Instant::now() + heartbeat;
            loop {
                tokio::select! {
                    Some(update) = updates.next() => {
                        let progress = JobProgress::new(self.language, &update.job);
                        if sent.get(&progress.job) != Some(&progress) {
                            yield Ok(write_frame("progress", &progress));
                            sent.insert(progress.job, progress);
                        }
                    }
                    Ok(()) = keys.changed() => {
                        if has_key_ended(&self.state, &self.caller).await {
                            return;
                        }
                    }
                    () = sleep_until(beat) => {
                        beat = Instant::now() + heartbeat;
                        if has_key_ended(&self.state, &self.caller).await {
                            return;
                        }
                        match self.has_newer_job().await {
                            true => yield Ok(write_frame("newer", &())),
                            false => yield Ok(Bytes::from_static(b": heartbeat\n\n")),
                        }
                    }
                    () = self.state.closing.cancelled() => return,
                }
            }
        }
    }

    /// At least 1 ms, so that a setting of 0 does not become a busy loop.
    fn heartbeat(&self) -> Duration {
        self.state.settings.stream_heartbeat.max(Duration::from_millis(1))
    }

    /// Whether the list begins with another job by now. If the database does not answer, the next heartbeat asks again.
    async fn has_newer_job(&self) -> bool {
        let Some(newest) = self.newest else { return false };
        let caller = &self.caller;
        let reader = (!caller.can_read_all()).then_some(caller.user);
        let list = serde_json::to_string(&(caller.company, reader, &self.query, &self.metadata)).unwrap_or_default();
        let load = async {
            let page = load_job_page(&self.state, caller, &self.query, &self.metadata).await?;
            Ok::<_, Problem>(page.items.first().map(|listed| listed.job.job_id))
        };
        let found = self.state.newest_jobs.find(list, self.heartbeat() / 2, load).await;
        found.is_ok_and(|first| first.is_some_and(|first| first > newest))
    }
}

fn write_frame(kind: &str, data: &impl Serialize) -> Bytes {
    Bytes::from(format_frame(kind, 0, &serde_json::to_string(data).unwrap_or_default()))
}
