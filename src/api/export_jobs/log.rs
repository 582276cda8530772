//! A job's log: in pages, or as it is written.

use actix_web::http::header;
use actix_web::web::{Data, Query};
use actix_web::{HttpRequest, HttpResponse, get};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use crate::api::accept;
use crate::api::caller::Caller;
use crate::api::export_jobs::{JobPath, seen, stream};
use crate::api::page::{self, Page};
use crate::api::problem::Problem;
use crate::api::responses::{BadQuery, Missing, NotAcceptable, TooManyStreams};
use crate::db::event;
use crate::state::State;

/// One line of a job's log.
#[derive(Debug, Serialize, ToSchema)]
pub struct Event {
    /// Its number within the job, from 1.
    seq: i64,
    /// When it was written.
    at: DateTime<Utc>,
    /// What happened.
    #[schema(example = "fileConverted")]
    code: String,
    /// The item it is about; null when it is about the job.
    position: Option<i32>,
    /// What a sentence about it needs.
    #[schema(value_type = Object)]
    parameters: Value,
}

impl Event {
    /// An event as it is shown.
    pub(super) fn of(event: &event::Event) -> Self {
        Self {
            seq: event.seq,
            at: event.at,
            code: event.code.clone(),
            position: event.position,
            parameters: event.parameters.0.clone(),
        }
    }
}

/// Which events to tell.
#[derive(Debug, Deserialize, Serialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct EventFilters {
    /// Only events of these codes, separated by commas.
    #[param(example = "fileFailed,exportEnded")]
    code: Option<String>,
    /// Only events after this number, for those who cannot send `Last-Event-ID`.
    #[param(minimum = 0)]
    last_event_id: Option<i64>,
    /// Events on a page, 1 to 1000; 100 when absent. A stream has no pages.
    #[serde(skip_serializing)]
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
    /// `nextCursor` of the page before. A stream has none.
    #[serde(skip_serializing)]
    #[param(min_length = 1)]
    cursor: Option<String>,
}

/// Which events somebody reads.
#[derive(Clone, Debug)]
pub(super) struct Wish {
    codes: Option<Vec<String>>,
}

impl Wish {
    fn of(filters: &EventFilters) -> Self {
        let codes = filters.code.as_ref();
        Self { codes: codes.map(|codes| codes.split(',').map(|code| code.trim().to_owned()).collect()) }
    }

    /// Whether this event is among them.
    pub(super) fn wants(&self, event: &event::Event) -> bool {
        self.codes.as_ref().is_none_or(|codes| codes.contains(&event.code))
    }
}

/// Read a job's log.
///
/// First to last. Codes: `exportOrdered exportBegun fileExported fileConverted fileExportedAsOriginal fileSkipped
/// fileFailed fileStopped exportPaused exportResumed stopOrdered runOrdered retryOrdered archiveCreated exportEnded
/// emailSent emailFailed`.
///
/// With `Accept: text/event-stream` the answer goes on until the job is over, as server-sent events: first `snapshot` with
/// the job, then an `event` for each line of the log, and `progress` (a `ProgressEvent`) at most four times a second. Their
/// `id` is the number of the last line that was told; sent back as `Last-Event-ID` it makes a stream go on behind that
/// line, also at another process. When nothing is left to tell of a job that is over, the answer to that is 204, and
/// browsers do not come again. A comment shows every 15 seconds that a silent stream lives.
#[utoipa::path(
    tag = "export jobs",
    operation_id = "listExportEvents",
    params(
        ("jobHandle" = String, Path, description = "The job."),
        EventFilters,
        ("Last-Event-ID" = Option<i64>, Header, description = "Only events after this number. It counts before the parameter of that name."),
    ),
    responses(
        (status = 200, description = "One page of the log, or all of it as it is written.",
         content((Page<Event> = "application/json"), (String = "text/event-stream"))),
        (status = 204, description = "A stream that had told all of a job that is over."),
        BadQuery, Missing, NotAcceptable, TooManyStreams,
    ),
)]
#[get("/export-jobs/{jobHandle}/events")]
pub async fn events(
    state: Data<State>,
    caller: Caller,
    path: JobPath,
    filters: Query<EventFilters>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let offered = [mime::APPLICATION_JSON, mime::TEXT_EVENT_STREAM];
    let live = accept::choose(&request, &offered)? == 1;
    let (wish, after) = (Wish::of(&filters), last_event_id(&request, &filters)?);
    let mut answer = match live {
        true => {
            no_pages(&filters)?;
            stream::open(state, caller, &path, after, wish).await?
        }
        false => pages(&state, &caller, &path, (&filters, after), &wish, &request).await?,
    };
    answer.headers_mut().append(header::VARY, header::HeaderValue::from_static("Accept"));
    Ok(answer)
}

async fn pages(
    state: &State,
    caller: &Caller,
    path: &str,
    (filters, after): (&EventFilters, Option<i64>),
    wish: &Wish,
    request: &HttpRequest,
) -> Result<HttpResponse, Problem> {
    let limit = page::limit(filters.limit)?;
    let cursor = page::after(filters.cursor.as_deref(), filters, page::only)?;
    let after = cursor.max(after).unwrap_or(0);
    let job = seen(state, caller, path).await?;
    let found = event::list(&state.db, caller.company, job.job_id, wish.codes.as_deref(), after, limit + 1).await?;
    let shown = found.iter().map(Event::of).collect();
    Ok(Page::new(shown, limit, filters, |event: &Event| vec![event.seq.to_string()]).answer(request))
}

/// The number after which to begin. Browsers send the header when they come again, with the address as it was at first.
fn last_event_id(request: &HttpRequest, filters: &EventFilters) -> Result<Option<i64>, Problem> {
    const NAME: &str = "Last-Event-ID";
    let said = request.headers().get(NAME).filter(|said| !said.is_empty());
    let header = said.map(|said| said.to_str().ok().and_then(|said| said.trim().parse().ok()));
    let (name, number) = match header {
        Some(number) => (NAME, number),
        None => ("lastEventId", filters.last_event_id),
    };
    match (header.is_some(), number) {
        (true, None) => {
            Err(Problem::parameter(name, "It is no number of a log. Send the `id` of an event, or leave it out."))
        }
        (_, Some(..0)) => {
            Err(Problem::parameter(name, "Events are numbered from 1. Send the `id` of an event, or leave it out."))
        }
        (_, number) => Ok(number),
    }
}

fn no_pages(filters: &EventFilters) -> Result<(), Problem> {
    let said = [("limit", filters.limit.is_some()), ("cursor", filters.cursor.is_some())];
    match said.iter().find(|(_, said)| *said) {
        Some((name, _)) => {
            let detail = "A stream has no pages. Leave it out; `Last-Event-ID` says where to go on.";
            Err(Problem::parameter(name, detail))
        }
        None => Ok(()),
    }
}
