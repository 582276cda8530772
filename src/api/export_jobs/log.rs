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
use crate::api::json;
use crate::api::page::{self, Page};
use crate::api::problem::Problem;
use crate::api::reader;
use crate::api::responses::{BadQuery, Missing, NotAcceptable, TooManyStreams};
use crate::db::event;
use crate::state::State;
use crate::words::Language;

/// One line of a job's log.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
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
    /// The sentence, in the language of the reader.
    #[schema(example = "“fileToExport” was converted to fileToExport.tiff.")]
    message: String,
    /// The log type of IPS that says the same, where there is one.
    #[schema(example = "ExportJobRenderFileSuccess")]
    ips_log_type: Option<&'static str>,
}

impl Event {
    /// An event as it is shown to somebody.
    pub(super) fn of(event: &event::Event, wish: &Wish) -> Self {
        Self {
            message: wish.language.event(&event.code, &event.parameters.0),
            ips_log_type: event::ips_log_type(&event.code),
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
    /// Only events with these log types of IPS, separated by commas.
    #[param(example = "ExportJobRenderFileError,FatalError")]
    ips_log_type: Option<String>,
    /// Only events after this number, for those who cannot send `Last-Event-ID`.
    #[param(minimum = 0)]
    last_event_id: Option<i64>,
    /// Events on a page, 1 to 1000; 100 when absent. A stream has no pages.
    #[serde(skip_serializing_if = "page::not_a_filter")]
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
    /// `nextCursor` of the page before. A stream has none.
    #[serde(skip_serializing_if = "page::not_a_filter")]
    #[param(min_length = 1)]
    cursor: Option<String>,
}

/// Which events somebody reads, and in which language.
#[derive(Clone)]
pub(super) struct Wish {
    codes: Option<Vec<String>>,
    pub(super) language: &'static Language,
}

impl Wish {
    fn of(filters: &EventFilters, language: &'static Language) -> Result<Self, Problem> {
        let of_kinds = filters.ips_log_type.as_deref().map(|said| listed("ipsLogType", said, |(_, kind)| *kind));
        let of_codes = filters.code.as_deref().map(|said| listed("code", said, |(code, _)| Some(*code)));
        let codes = match (of_codes.transpose()?, of_kinds.transpose()?) {
            (Some(codes), Some(kinds)) => Some(codes.into_iter().filter(|code| kinds.contains(code)).collect()),
            (codes, kinds) => codes.or(kinds),
        };
        Ok(Self { codes, language })
    }

    /// Whether this event is among them.
    pub(super) fn wants(&self, event: &event::Event) -> bool {
        self.codes.as_ref().is_none_or(|codes| codes.contains(&event.code))
    }
}

/// The codes of events whose word stands in the list.
///
/// # Errors
/// 400 for a word that no event has, with those that they have.
fn listed(
    name: &str,
    said: &str,
    word: fn(&(&'static str, Option<&'static str>)) -> Option<&'static str>,
) -> Result<Vec<String>, Problem> {
    let mut codes = Vec::new();
    for said in said.split(',').map(str::trim) {
        let found: Vec<_> = event::KINDS.iter().filter(|kind| word(kind) == Some(said)).collect();
        if found.is_empty() {
            let mut words: Vec<&str> = event::KINDS.iter().filter_map(word).collect();
            words.dedup();
            let detail = format!("No event has `{}`. Allowed: {}.", json::clipped(said), words.join(", "));
            return Err(Problem::parameter(name, detail));
        }
        codes.extend(found.into_iter().map(|(code, _)| (*code).to_owned()));
    }
    Ok(codes)
}

/// Read a job's log.
///
/// First to last. `code` says what happened, `parameters` to what; `message` says it in the language of `Accept-Language`,
/// else of the caller's user, else in English. Codes: `exportOrdered exportBegun fileExported fileConverted
/// fileExportedAsOriginal fileWarning fileSkipped fileFailed fileStopped exportPaused exportResumed stopRequested runOrdered
/// retryOrdered archiveCreated archiveFailed exportStopped fatalError exportEnded emailSent emailFailed`.
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
        ("Accept-Language" = Option<String>, Header, description = "The language of `message`.", example = "nl, en;q=0.5"),
        ("Last-Event-ID" = Option<i64>, Header, description = "Only events after this number. It counts before the parameter of that name."),
    ),
    responses(
        (status = 200, description = "One page of the log, or all of it as it is written.",
         content((Page<Event> = "application/json"), (String = "text/event-stream")),
         headers(("Content-Language" = String, description = "The language of `message`."))),
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
    let language = reader::language(&state, &caller, &request).await?;
    let (wish, after) = (Wish::of(&filters, language)?, last_event_id(&request, &filters)?);
    let mut answer = match live {
        true => {
            no_pages(&filters)?;
            stream::open(state, caller, &path, after, wish).await?
        }
        false => pages(&state, &caller, &path, (&filters, after), &wish, &request).await?,
    };
    answer.headers_mut().append(header::VARY, header::HeaderValue::from_static("Accept"));
    reader::tell(language, answer.headers_mut());
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
    let shown = found.iter().map(|event| Event::of(event, wish)).collect();
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
