//! How far the job of a link is, as `text/event-stream` for its page. It says no more than the page does: no names, no
//! requester, no log.
//!
//! Like the [event stream](crate::http::resources::export_jobs::event_stream) of a job it holds no database connection, counts
//! among the company's live streams, and queries nothing: one task asks for all jobs, one for all links.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse, get};
use async_stream::stream;
use bytes::Bytes;
use futures_util::Stream;
use serde::Serialize;
use tokio::time::sleep;

use crate::app::AppState;
use crate::app::live_jobs::{JobUpdate, JobWatch};
use crate::app::live_links::LinkWatch;
use crate::app::stream_limiter::StreamPermit;
use crate::db::enums::{FileState, JobState};
use crate::db::job::JobRow;
use crate::db::row_level_security::run_as_company;
use crate::http::extract::locale;
use crate::http::pages::job_status::PageStatus;
use crate::http::problem::Problem;
use crate::http::resources::export_jobs::event_stream::{add_stream_headers, format_frame, take_stream_slot};
use crate::http::resources::export_jobs::files::fetch_unexpired_file;
use crate::http::resources::shared_links::opened_link::OpenedLink;
use crate::http::resources::shared_links::protect_link_response;
use crate::i18n::{self, Language};

/// What the page shows while the job runs.
#[derive(Debug, PartialEq, Serialize)]
struct LinkProgress {
    percent: i32,
    /// The state, in the reader's language, and its icon: a class, and what is drawn.
    word: String,
    icon: &'static str,
    path: &'static str,
    /// The progress in words.
    text: String,
    /// Whether the page has changed as a whole: load it again.
    done: bool,
}

/// `GET /downloads/{token}/events`.
#[get("/downloads/{token}/events")]
pub(crate) async fn stream_link_progress(
    state: Data<AppState>,
    token: Path<String>,
    request: HttpRequest,
) -> HttpResponse {
    let open = async {
        let link = OpenedLink::verify(&state, &token).await?;
        run_as_company(link.company, open_stream(&state, link.clone(), &request)).await
    };
    protect_link_response(open.await)
}

async fn open_stream(state: &Data<AppState>, link: OpenedLink, request: &HttpRequest) -> Result<HttpResponse, Problem> {
    // Subscribed before the job is read, so that no change is missed.
    let watch = state.live_jobs.watch(state, link.company, link.link.job_id);
    let job = link.fetch_job(state).await?;
    let position = match &link.link.path {
        Some(path) => {
            let file = fetch_unexpired_file(state, link.company, &job, path).await?;
            Some((file.position, file.state != FileState::Waiting))
        }
        None => None,
    };
    let permit = take_stream_slot(state, link.company)?;
    let language = locale::find_accepted_language(request)
        .or_else(|| i18n::find_language(job.locale.as_deref()?))
        .unwrap_or_else(i18n::default_language);
    let stream = ProgressStream {
        state: state.clone(),
        link_watch: state.live_links.watch(state, link.company, link.link.link_id),
        language,
        position: position.map(|(position, _)| position),
        seq: job.event_seq,
        _permit: permit,
    };
    let is_done = position.is_some_and(|(_, has_ended)| has_ended);
    let mut answer = add_stream_headers(HttpResponse::Ok());
    Ok(answer.content_type(mime::TEXT_EVENT_STREAM).streaming(stream.into_stream(watch, &job, is_done)))
}

struct ProgressStream {
    state: Data<AppState>,
    link_watch: LinkWatch,
    language: &'static Language,
    /// The item of the link's only file.
    position: Option<i32>,
    /// Number of the last event that was seen.
    seq: i64,
    _permit: StreamPermit,
}

impl ProgressStream {
    /// Sends the progress whenever it changes, until the page has to be loaded again or the link ends.
    fn into_stream(
        mut self,
        mut watch: JobWatch,
        job: &JobRow,
        is_done: bool,
    ) -> impl Stream<Item = Result<Bytes, Infallible>> + use<> {
        let retry = 1000 + 8 * u64::from(uuid::Uuid::new_v4().as_bytes()[0]);
        let mut sent = self.describe(job, is_done);
        stream! {
            yield Ok(Bytes::from(format!("retry: {retry}\n{}", write_progress(&sent, self.seq))));
            // At least 1 ms, so that a setting of 0 does not become a busy loop.
            let heartbeat = self.state.settings.stream_heartbeat.max(Duration::from_millis(1));
            while !sent.done {
                tokio::select! {
                    update = watch.next() => {
                        // The job was deleted: the page says so.
                        let Some(update) = update else { return };
                        let progress = self.describe_update(&update);
                        if progress != sent {
                            sent = progress;
                            yield Ok(Bytes::from(write_progress(&sent, self.seq)));
                        }
                    }
                    () = sleep(heartbeat) => yield Ok(Bytes::from_static(b": heartbeat\n\n")),
                    () = self.link_watch.ended() => return,
                    () = self.state.closing.cancelled() => return,
                }
            }
        }
    }

    fn describe_update(&mut self, update: &Arc<JobUpdate>) -> LinkProgress {
        // Events that were missed may be about the file: the page finds out.
        let has_gap = update.after_seq > self.seq;
        let has_ended = update.events.iter().any(|event| event.position.is_some() && event.position == self.position);
        self.seq = self.seq.max(update.last_seq());
        self.describe(&update.job, self.position.is_some() && (has_gap || has_ended))
    }

    fn describe(&self, job: &JobRow, is_done: bool) -> LinkProgress {
        let status = PageStatus::for_job(self.language, job);
        LinkProgress {
            percent: job.percent(),
            word: status.word,
            icon: status.icon.class(),
            path: status.icon.path(),
            text: status.text,
            done: is_done || job.state == JobState::Finished,
        }
    }
}

fn write_progress(progress: &LinkProgress, seq: i64) -> String {
    format_frame("progress", seq, &serde_json::to_string(progress).unwrap_or_default())
}
