//! Live job events as `text/event-stream`, for browsers and `curl -N` (HTML standard, Server-sent events).
//!
//! A stream holds no database connection. It gets changes from [`live_jobs`](crate::app::live_jobs), which reads each job
//! once for all its watchers, and queries the database itself only for events from before it began and for those that it
//! was too slow to receive.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use actix_web::http::header;
use actix_web::web::Data;
use actix_web::{HttpResponse, HttpResponseBuilder};
use async_stream::stream;
use bytes::Bytes;
use futures_util::Stream;
use offprint_core::Code;
use serde::Serialize;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};
use tracing::debug;
use utoipa::ToSchema;

use crate::app::AppState;
use crate::app::live_jobs::JobUpdate;
use crate::app::live_jobs::JobWatch;
use crate::app::stream_limiter::StreamLimitReached;
use crate::app::stream_limiter::StreamPermit;
use crate::db::enums::{JobState, Outcome, ShownState};
use crate::db::job::JobRow;
use crate::db::{self, event};
use crate::http::extract::caller::Caller;
use crate::http::middleware::auth;
use crate::http::problem::Problem;
use crate::http::resources::export_jobs::events::Event;
use crate::http::resources::export_jobs::events::EventSelection;
use crate::http::resources::export_jobs::find_visible_job;
use crate::http::resources::export_jobs::job;
use crate::http::resources::export_jobs::job::Counts;
use crate::http::resources::export_jobs::parse_job_handle;
use crate::id::{CompanyId, JobId};

/// Events per query while a stream catches up.
const EVENT_PAGE_SIZE: i64 = 100;

/// Progress of a job, sent in an event stream when numbers change.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ProgressEvent)]
pub struct ProgressEvent {
    /// Current state.
    state: ShownState,
    /// Outcome of the current run; null until it ends.
    outcome: Option<Outcome>,
    /// Number of the current run: 1, or more after retries.
    run: i32,
    /// Number of items by state.
    counts: Counts,
    /// Number of files that can be downloaded.
    files: i32,
    /// Total size of these files in bytes.
    bytes: i64,
    /// Progress of the current run.
    progress: job::Progress,
}

impl ProgressEvent {
    fn from_row(job: &JobRow) -> Self {
        Self {
            state: job.shown_state(),
            outcome: job.outcome,
            run: job.run,
            counts: job::count_items(job),
            files: job.files,
            bytes: job.bytes,
            progress: job::Progress::from_row(job),
        }
    }
}

/// Opens a stream of the events after this number.
pub(super) async fn open_event_stream(
    state: Data<AppState>,
    caller: Caller,
    path: &str,
    after: Option<i64>,
    selection: EventSelection,
) -> Result<HttpResponse, Problem> {
    // Subscribed before the job is read, so that no change is missed.
    let watch = state.live_jobs.watch(&state, caller.company, parse_job_handle(path)?);
    let job = find_visible_job(&state, &caller, path).await?;
    let last = after.unwrap_or(0);
    if last > job.event_seq {
        let detail =
            format!("The job has no event {last}; the last one is {}. Leave `Last-Event-ID` out.", job.event_seq);
        return Err(Problem::invalid_parameter("Last-Event-ID", detail));
    }
    if after.is_some() && find_final_seq(&job) == after {
        // 204 tells a browser not to reconnect.
        return Ok(add_stream_headers(HttpResponse::NoContent()).finish());
    }
    let permit = take_stream_slot(&state, caller.company)?;
    let event_stream = EventStream {
        state,
        caller,
        selection,
        last_seq: last,
        progress_seq: job.event_seq,
        last_progress: String::new(),
        _stream_slot: permit,
    };
    let mut answer = add_stream_headers(HttpResponse::Ok());
    Ok(answer.content_type(mime::TEXT_EVENT_STREAM).streaming(event_stream.into_stream(watch, &job)))
}

/// Keeps caches from storing a stream and proxies from buffering it.
pub(in crate::http) fn add_stream_headers(mut answer: HttpResponseBuilder) -> HttpResponseBuilder {
    answer
        .insert_header((header::CACHE_CONTROL, "no-cache, no-store, no-transform"))
        .insert_header(("x-accel-buffering", "no"));
    answer
}

pub(in crate::http) fn take_stream_slot(state: &AppState, company: CompanyId) -> Result<StreamPermit, Problem> {
    let (max, max_total) = (state.settings.max_streams, state.settings.max_all_streams);
    state.stream_limiter.acquire(company, max, max_total).map_err(|reached| {
        let limit = match reached {
            StreamLimitReached::Company => format!("The company has {max} live streams open in this process"),
            StreamLimitReached::Total => format!("{max_total} live streams are open in this process"),
        };
        let detail = format!("{limit}, which is the limit. Close one, or use `?wait=50` instead.");
        Problem::new(Code::TooManyStreams, detail).with_header(header::RETRY_AFTER, "10")
    })
}

/// The number of the last event of a finished job.
fn find_final_seq(job: &JobRow) -> Option<i64> {
    (job.state == JobState::Finished).then_some(job.event_seq)
}

/// An event stream: its reader, and how far it has read.
struct EventStream {
    state: Data<AppState>,
    caller: Caller,
    selection: EventSelection,
    /// Number of the last event that was sent or filtered out.
    last_seq: i64,
    /// Number of the newest known event: a change with a lower one is out of date.
    progress_seq: i64,
    /// The progress that was last sent.
    last_progress: String,
    _stream_slot: StreamPermit,
}

enum StreamWake {
    Change(Arc<JobUpdate>),
    Heartbeat,
    End,
}

impl EventStream {
    /// Sends a snapshot of the job, the events so far, and then changes until the job is finished.
    fn into_stream(
        mut self,
        mut watch: JobWatch,
        job: &JobRow,
    ) -> impl Stream<Item = Result<Bytes, Infallible>> + use<> {
        let snapshot = self.write_snapshot(job);
        let (job, mut begin, mut end) = (job.job_id, job.event_seq, find_final_seq(job));
        stream! {
            let mut keys = self.state.keys.subscribe();
            yield Ok(snapshot);
            let mut update: Option<Arc<JobUpdate>> = None;
            let mut checked = Instant::now();
            loop {
                while self.last_seq < begin {
                    match self.read_page(job, begin).await {
                        Ok(frames) => yield Ok(frames),
                        // The client reconnects and continues after the last event it received.
                        Err(error) => return debug!(error = %error, "An event stream ended early: {error}"),
                    }
                }
                if let Some(change) = update.take() {
                    yield Ok(self.write_change(&change));
                }
                if end.is_some_and(|end| self.last_seq >= end) {
                    return;
                }
                match self.wait(&mut watch, &mut keys, &mut checked).await {
                    StreamWake::Change(change) => {
                        (begin, end, update) = (change.after_seq, find_final_seq(&change.job), Some(change));
                    }
                    StreamWake::Heartbeat => yield Ok(Bytes::from_static(b": heartbeat\n\n")),
                    StreamWake::End => return,
                }
            }
        }
    }

    /// Waits for a change or the next heartbeat, and checks now and then that the caller's key is still valid.
    async fn wait(&self, watch: &mut JobWatch, keys: &mut watch::Receiver<()>, checked: &mut Instant) -> StreamWake {
        // At least 1 ms, so that a setting of 0 does not become a busy loop.
        let heartbeat = self.state.settings.stream_heartbeat.max(Duration::from_millis(1));
        let mut silent = pin!(sleep(heartbeat));
        loop {
            let (wake, keys_changed) = tokio::select! {
                change = watch.next() => (change.map_or(StreamWake::End, StreamWake::Change), false),
                () = &mut silent => (StreamWake::Heartbeat, false),
                Ok(()) = keys.changed() => (StreamWake::Heartbeat, true),
                () = self.state.closing.cancelled() => (StreamWake::End, false),
            };
            if keys_changed || checked.elapsed() >= heartbeat {
                *checked = Instant::now();
                if auth::has_key_ended(&self.state, &self.caller).await {
                    return StreamWake::End;
                }
            }
            match wake {
                StreamWake::Heartbeat if !silent.is_elapsed() => {}
                wake => return wake,
            }
        }
    }

    /// The job, and a random delay for reconnecting, so that clients do not all reconnect at once after a restart.
    fn write_snapshot(&mut self, job: &JobRow) -> Bytes {
        let retry = 1000 + 8 * u64::from(uuid::Uuid::new_v4().as_bytes()[0]);
        self.last_progress = serialize_data(&ProgressEvent::from_row(job));
        let snapshot = serialize_data(&job::Job::from(job.clone()));
        format!("retry: {retry}\n{}", format_frame("snapshot", self.last_seq, &snapshot)).into()
    }

    /// Reads the next events from the database, which has events up to the number `to`.
    async fn read_page(&mut self, job: JobId, to: i64) -> Result<Bytes, db::DbError> {
        let events =
            event::list_events(&self.state.db, self.caller.company, job, None, self.last_seq, EVENT_PAGE_SIZE).await?;
        let frames = self.write_events(&events);
        if events.is_empty() {
            self.last_seq = to;
        }
        Ok(frames.into())
    }

    /// The frames of a change: events that were not sent yet, then the progress if it differs.
    fn write_change(&mut self, update: &JobUpdate) -> Bytes {
        let mut frames = self.write_events(&update.events);
        let progress = serialize_data(&ProgressEvent::from_row(&update.job));
        if update.job.event_seq >= self.progress_seq && progress != self.last_progress {
            frames += &format_frame("progress", self.last_seq, &progress);
            (self.progress_seq, self.last_progress) = (update.job.event_seq, progress);
        }
        frames.into()
    }

    fn write_events(&mut self, events: &[event::EventRow]) -> String {
        let mut frames = String::new();
        for event in events.iter().filter(|event| event.seq > self.last_seq) {
            if self.selection.includes(event) {
                frames += &format_frame("event", event.seq, &serialize_data(&Event::from_row(event, &self.selection)));
            }
        }
        self.last_seq = self.last_seq.max(events.last().map_or(0, |event| event.seq));
        frames
    }
}

pub(in crate::http) fn format_frame(kind: &str, id: i64, data: &str) -> String {
    format!("event: {kind}\nid: {id}\ndata: {data}\n\n")
}

/// JSON on one line, as `data:` needs it.
fn serialize_data(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}
