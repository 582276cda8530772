//! A job's log as it is written: `text/event-stream`, as browsers and `curl -N` read it (HTML, Server-sent events).
//!
//! A stream holds no connection to the database. It hears of news from [`live`](crate::state::live), and reads by itself
//! only what was there before it came, and what it was too slow for.

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
use serde::Serialize;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};
use tracing::debug;
use utoipa::ToSchema;

use crate::api::caller::Caller;
use crate::api::export_jobs::job::{self, Counts};
use crate::api::export_jobs::log::{Event, Wish};
use crate::api::export_jobs::{handle, seen};
use crate::api::guard;
use crate::api::problem::Problem;
use crate::code::Code;
use crate::db::job::Job;
use crate::db::vocabulary::{JobState, Outcome, ShownState};
use crate::db::{self, event};
use crate::id::JobId;
use crate::state::State;
use crate::state::live::{Look, Watch};
use crate::state::seats::{Full, Seat};

/// Events that are read at once by a stream that catches up.
const PAGE: i64 = 100;

/// How a job is, in short: what a stream says when numbers change.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ProgressEvent)]
pub struct Progress {
    /// What it is doing.
    state: ShownState,
    /// How the current run ended; null until then.
    outcome: Option<Outcome>,
    /// 1, or more after retries.
    run: i32,
    /// Items by how they are.
    counts: Counts,
    /// Files that can be fetched.
    files: i32,
    /// Their size in bytes.
    bytes: i64,
    /// How far the current run is.
    progress: job::Progress,
}

impl Progress {
    fn of(job: &Job) -> Self {
        Self {
            state: job.shown(),
            outcome: job.outcome,
            run: job.run,
            counts: job::counts(job),
            files: job.files,
            bytes: job.bytes,
            progress: job::Progress::of(job),
        }
    }
}

/// Opens a stream that begins after this number of the log.
pub(super) async fn open(
    state: Data<State>,
    caller: Caller,
    path: &str,
    after: Option<i64>,
    wish: Wish,
) -> Result<HttpResponse, Problem> {
    // Before the job is looked at, so that nothing is missed.
    let watch = state.live.watch(&state, caller.company, handle(path)?);
    let job = seen(&state, &caller, path).await?;
    let last = after.unwrap_or(0);
    if last > job.event_seq {
        let detail = format!("{last} is no number of this log, which ends with {}. Leave it out.", job.event_seq);
        return Err(Problem::parameter("Last-Event-ID", detail));
    }
    if after.is_some() && end(&job) == after {
        // Which tells a browser not to come again.
        return Ok(headers(HttpResponse::NoContent()).finish());
    }
    let seat = seat(&state, &caller)?;
    let story = Story { state, caller, wish, last, latest: job.event_seq, said: String::new(), _seat: seat };
    let mut answer = headers(HttpResponse::Ok());
    Ok(answer.content_type(mime::TEXT_EVENT_STREAM).streaming(story.told(watch, &job)))
}

/// Nobody keeps it, and no proxy gathers it.
fn headers(mut answer: HttpResponseBuilder) -> HttpResponseBuilder {
    answer.insert_header((header::CACHE_CONTROL, "no-store")).insert_header(("x-accel-buffering", "no"));
    answer
}

fn seat(state: &State, caller: &Caller) -> Result<Seat, Problem> {
    let (most, most_of_all) = (state.settings.max_streams, state.settings.max_all_streams);
    state.seats.take(caller.company, most, most_of_all).map_err(|full| {
        let whose = match full {
            Full::Company => format!("The company has {most} live streams open at this process"),
            Full::House => format!("{most_of_all} live streams are open at this process"),
        };
        let detail = format!("{whose}, and no more are allowed. Close one, or ask with `?wait=60` in its place.");
        Problem::new(Code::TooManyStreams, detail).header(header::RETRY_AFTER, "10")
    })
}

/// The number with which the log of a job ends that is over.
fn end(job: &Job) -> Option<i64> {
    (job.state == JobState::Finished).then_some(job.event_seq)
}

/// A stream: who reads it, and how far.
struct Story {
    state: Data<State>,
    caller: Caller,
    wish: Wish,
    /// The number of the last event that was told, or passed over as not wished for.
    last: i64,
    /// The newest number of the log that is known: a look from before it is old.
    latest: i64,
    /// The progress that was told last.
    said: String,
    _seat: Seat,
}

/// What a stream waits for.
enum Woken {
    News(Arc<Look>),
    Silence,
    End,
}

impl Story {
    /// The job, what its log has had, and what becomes of both, until the job is over.
    fn told(mut self, mut watch: Watch, job: &Job) -> impl Stream<Item = Result<Bytes, Infallible>> + use<> {
        let snapshot = self.snapshot(job);
        let (job, mut begin, mut end) = (job.job_id, job.event_seq, end(job));
        stream! {
            let mut keys = self.state.keys.changes();
            yield Ok(snapshot);
            let mut news: Option<Arc<Look>> = None;
            let mut checked = Instant::now();
            loop {
                while self.last < begin {
                    match self.page(job, begin).await {
                        Ok(told) => yield Ok(told),
                        // Whoever comes again goes on from here.
                        Err(error) => return debug!(error = %error, "A stream was ended: {error}"),
                    }
                }
                if let Some(look) = news.take() {
                    yield Ok(self.news(&look));
                }
                if end.is_some_and(|end| self.last >= end) {
                    return;
                }
                match self.woken(&mut watch, &mut keys, &mut checked).await {
                    Woken::News(look) => (begin, end, news) = (look.from, self::end(&look.job), Some(look)),
                    Woken::Silence => yield Ok(Bytes::from_static(b": heartbeat\n\n")),
                    Woken::End => return,
                }
            }
        }
    }

    /// Waits for news or the next heartbeat, and looks now and then whether the caller's key still holds.
    async fn woken(&self, watch: &mut Watch, keys: &mut watch::Receiver<()>, checked: &mut Instant) -> Woken {
        // Not without a pause, whatever the setting says.
        let beat = self.state.settings.heartbeat.max(Duration::from_millis(1));
        let mut silent = pin!(sleep(beat));
        loop {
            let (woken, doubtful) = tokio::select! {
                look = watch.next() => (look.map_or(Woken::End, Woken::News), false),
                () = &mut silent => (Woken::Silence, false),
                Ok(()) = keys.changed() => (Woken::Silence, true),
                () = self.state.closing.cancelled() => (Woken::End, false),
            };
            if doubtful || checked.elapsed() >= beat {
                *checked = Instant::now();
                if self.is_out().await {
                    return Woken::End;
                }
            }
            match woken {
                Woken::Silence if !silent.is_elapsed() => {}
                woken => return woken,
            }
        }
    }

    /// Whether the caller's key does not hold any more. A database that does not answer says nothing about keys.
    async fn is_out(&self) -> bool {
        let checked = guard::check_again(&self.state, &self.caller).await;
        checked.is_err_and(|problem| problem.code() == Code::KeyDisabled)
    }

    /// The job as it is shown, and after how long to come again: not all at once when the service closes.
    fn snapshot(&mut self, job: &Job) -> Bytes {
        let retry = 1000 + 8 * u64::from(uuid::Uuid::new_v4().as_bytes()[0]);
        self.said = text(&Progress::of(job));
        let shown = text(&job::Job::from(job.clone()));
        format!("retry: {retry}\n{}", frame("snapshot", self.last, &shown)).into()
    }

    /// The next events out of the database. There are some up to this number.
    async fn page(&mut self, job: JobId, to: i64) -> Result<Bytes, db::Error> {
        let found = event::list(&self.state.db, self.caller.company, job, None, self.last, PAGE).await?;
        let told = self.events(&found);
        if found.is_empty() {
            self.last = to;
        }
        Ok(told.into())
    }

    /// What a look found: events that were not told yet, then the progress if it is new.
    fn news(&mut self, look: &Look) -> Bytes {
        let mut told = self.events(&look.events);
        let progress = text(&Progress::of(&look.job));
        if look.job.event_seq >= self.latest && progress != self.said {
            told += &frame("progress", self.last, &progress);
            (self.latest, self.said) = (look.job.event_seq, progress);
        }
        told.into()
    }

    fn events(&mut self, found: &[event::Event]) -> String {
        let mut told = String::new();
        for event in found.iter().filter(|event| event.seq > self.last) {
            if self.wish.wants(event) {
                told += &frame("event", event.seq, &text(&Event::of(event, &self.wish)));
            }
        }
        self.last = self.last.max(found.last().map_or(0, |event| event.seq));
        told
    }
}

fn frame(kind: &str, id: i64, data: &str) -> String {
    format!("event: {kind}\nid: {id}\ndata: {data}\n\n")
}

/// JSON of ours is one line.
fn text(shown: &impl Serialize) -> String {
    serde_json::to_string(shown).unwrap_or_default()
}
