//! Events of a job: in pages, or as a live stream.

use actix_web::http::header;
use actix_web::web::{Data, Query};
use actix_web::{HttpRequest, HttpResponse, get};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use crate::app::AppState;
use crate::db::event;
use crate::http::extract::accept;
use crate::http::extract::caller::Caller;
use crate::http::extract::json;
use crate::http::extract::locale;
use crate::http::extract::page;
use crate::http::extract::page::Page;
use crate::http::problem::Problem;
use crate::http::resources::export_jobs::JobPath;
use crate::http::resources::export_jobs::event_stream;
use crate::http::resources::export_jobs::find_visible_job;
use crate::http::responses::NotAcceptableProblem;
use crate::http::responses::NotFoundProblem;
use crate::http::responses::QueryProblems;
use crate::http::responses::StreamLimitProblem;
use crate::i18n::Language;
use crate::id::{CompanyId, JobId};

/// One event in a job's log.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// Number of the event within the job, from 1.
    pub(in crate::http) seq: i64,
    /// When it happened.
    pub(in crate::http) at: DateTime<Utc>,
    /// Kind of the event.
    #[schema(example = "fileConverted")]
    pub(in crate::http) code: String,
    /// Position of the item; null when the event concerns the whole job.
    pub(in crate::http) position: Option<i32>,
    /// The values in `message`.
    #[schema(value_type = Object)]
    pub(in crate::http) parameters: Value,
    /// The event as a sentence, in the language of the request.
    #[schema(example = "“fileToExport” was converted to fileToExport.tiff.")]
    pub(in crate::http) message: String,
    /// The corresponding log type of IPS, if there is one.
    #[schema(example = "ExportJobRenderFileSuccess")]
    pub(in crate::http) ips_log_type: Option<&'static str>,
}

impl Event {
    pub(super) fn from_row(event: &event::EventRow, selection: &EventSelection) -> Self {
        Self {
            message: selection.language.format_event(&event.code, &event.parameters.0),
            ips_log_type: event::find_ips_log_type(&event.code),
            seq: event.seq,
            at: event.at,
            code: event.code.clone(),
            position: event.position,
            parameters: event.parameters.0.clone(),
        }
    }
}

/// Which events to return.
#[derive(Debug, Deserialize, Serialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct EventQuery {
    /// Only events with these codes, separated by commas.
    code: Option<String>,
    /// Only events with these log types of IPS, separated by commas.
    ips_log_type: Option<String>,
    /// Only events after this number. A header `Last-Event-ID`, which browsers send when they reconnect to a stream, takes
    /// precedence.
    #[param(minimum = 0)]
    last_event_id: Option<i64>,
    /// Events per page, 1 to 1000. Default: 100. Not for streams.
    #[serde(skip_serializing_if = "page::not_a_filter")]
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
    /// `nextCursor` of the previous page. Not for streams.
    #[serde(skip_serializing_if = "page::not_a_filter")]
    #[param(min_length = 1)]
    cursor: Option<String>,
}

/// The events to return, and the language of their messages.
#[derive(Clone)]
pub(in crate::http) struct EventSelection {
    codes: Option<Vec<String>>,
    pub(super) language: &'static Language,
}

impl EventSelection {
    /// All events.
    pub(in crate::http) fn all(language: &'static Language) -> Self {
        Self { codes: None, language }
    }

    fn from_query(filters: &EventQuery, language: &'static Language) -> Result<Self, Problem> {
        let by_log_type =
            filters.ips_log_type.as_deref().map(|list| parse_event_filter("ipsLogType", list, |(_, kind)| *kind));
        let by_code = filters.code.as_deref().map(|list| parse_event_filter("code", list, |(code, _)| Some(*code)));
        let codes = match (by_code.transpose()?, by_log_type.transpose()?) {
            (Some(codes), Some(others)) => Some(codes.into_iter().filter(|code| others.contains(code)).collect()),
            (codes, others) => codes.or(others),
        };
        Ok(Self { codes, language })
    }

    pub(super) fn includes(&self, event: &event::EventRow) -> bool {
        self.codes.as_ref().is_none_or(|codes| codes.contains(&event.code))
    }
}

/// The codes of the events in a comma-separated list. `word` gives what the list names of an event: its code or its IPS
/// log type.
///
/// # Errors
/// 400 for an unknown word; the problem lists the known ones.
fn parse_event_filter(
    name: &str,
    list: &str,
    word: fn(&(&'static str, Option<&'static str>)) -> Option<&'static str>,
) -> Result<Vec<String>, Problem> {
    let mut codes = Vec::new();
    for wanted in list.split(',').map(str::trim) {
        let kinds: Vec<_> = event::EVENT_KINDS.iter().filter(|kind| word(kind) == Some(wanted)).collect();
        if kinds.is_empty() {
            let mut words: Vec<&str> = event::EVENT_KINDS.iter().filter_map(word).collect();
            words.dedup();
            let detail = format!("Unknown value `{}`. Allowed: {}.", json::clip_text(wanted), words.join(", "));
            return Err(Problem::invalid_parameter(name, detail));
        }
        codes.extend(kinds.into_iter().map(|(code, _)| (*code).to_owned()));
    }
    Ok(codes)
}

/// List the events of a job.
///
/// Oldest first. `code` is the kind of event, `parameters` are its values; `message` is a sentence in the language of
/// `Accept-Language`, else of the caller's user, else in English. Codes: `exportRequested modifierWarning exportBegun fileExported
/// fileConverted fileExportedAsOriginal fileWarning fileSkipped fileFailed fileStopped exportPaused exportResumed stopRequested
/// runRequested retryRequested filesDelivered deliveryFailed archiveCreated archiveFailed exportStopped fatalError exportEnded emailSent emailFailed`.
///
/// With `Accept: text/event-stream` the response is a stream of server-sent events until the job is finished: first
/// `snapshot` with the job, then an `event` for each event of the log, and `progress` (a `ProgressEvent`) at most four times
/// a second. Their `id` is the number of the last event sent; a stream with it as `Last-Event-ID` continues after that event,
/// also on another process. When all events of a finished job were sent, the response is 204, so that browsers do not
/// reconnect. A comment every 15 seconds (OFFPRINT_STREAM_HEARTBEAT) keeps an idle connection open.
#[utoipa::path(
    tag = "export jobs",
    operation_id = "listExportEvents",
    params(
        ("jobHandle" = JobId, Path, description = "Handle of the job."),
        EventQuery,
        ("Accept-Language" = Option<String>, Header, description = "Preferred languages of `message`."),
    ),
    responses(
        (status = 200, description = "One page of events, or a stream of them.",
         content((Page<Event> = "application/json"), (String = "text/event-stream")),
         headers(("Content-Language" = String, description = "Language of `message`."))),
        (status = 204, description = "Stream only: the job is finished and all its events were sent."),
        QueryProblems, NotFoundProblem, NotAcceptableProblem, StreamLimitProblem,
    ),
)]
#[get("/export-jobs/{jobHandle}/events")]
pub async fn list_events(
    state: Data<AppState>,
    caller: Caller,
    path: JobPath,
    filters: Query<EventQuery>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let offered = [mime::APPLICATION_JSON, mime::TEXT_EVENT_STREAM];
    let is_stream = accept::choose_media_type(&request, &offered)? == 1;
    let language = locale::choose_language(&state, &caller, &request).await?;
    let (selection, after) =
        (EventSelection::from_query(&filters, language)?, parse_last_event_id(&request, &filters)?);
    let mut answer = match is_stream {
        true => {
            check_no_paging(&filters)?;
            event_stream::open_event_stream(state, caller, &path, after, selection).await?
        }
        false => list_event_page(&state, &caller, &path, (&filters, after), &selection, &request).await?,
    };
    answer.headers_mut().append(header::VARY, header::HeaderValue::from_static("Accept"));
    locale::add_language_headers(language, answer.headers_mut());
    Ok(answer)
}

async fn list_event_page(
    state: &AppState,
    caller: &Caller,
    path: &str,
    (filters, after): (&EventQuery, Option<i64>),
    selection: &EventSelection,
    request: &HttpRequest,
) -> Result<HttpResponse, Problem> {
    let limit = page::parse_limit(filters.limit)?;
    let cursor = page::parse_cursor(filters.cursor.as_deref(), filters, page::parse_single_key)?;
    let after = cursor.max(after).unwrap_or(0);
    let job = find_visible_job(state, caller, path).await?;
    let events = load_events(state, caller.company, job.job_id, selection, after, limit + 1).await?;
    Ok(Page::new(events, limit, filters, |event: &Event| vec![event.seq.to_string()]).into_response(request))
}

/// At most `limit` events after the number `after` of a job of this company, which the caller may see; oldest first.
///
/// # Errors
/// When the database does not answer.
pub(in crate::http) async fn load_events(
    state: &AppState,
    company: CompanyId,
    job: JobId,
    selection: &EventSelection,
    after: i64,
    limit: i64,
) -> Result<Vec<Event>, Problem> {
    let rows = event::list_events(&state.db, company, job, selection.codes.as_deref(), after, limit).await?;
    Ok(rows.iter().map(|row| Event::from_row(row, selection)).collect())
}

/// The event number to begin after. Browsers send the header when they reconnect, and the URL as it was at first: the
/// header takes precedence.
fn parse_last_event_id(request: &HttpRequest, filters: &EventQuery) -> Result<Option<i64>, Problem> {
    const NAME: &str = "Last-Event-ID";
    let sent = request.headers().get(NAME).filter(|value| !value.is_empty());
    let header = sent.map(|value| value.to_str().ok().and_then(|text| text.trim().parse().ok()));
    let (name, number) = match header {
        Some(number) => (NAME, number),
        None => ("lastEventId", filters.last_event_id),
    };
    match (header.is_some(), number) {
        (true, None) => Err(Problem::invalid_parameter(
            name,
            "The value is not an event number. Send the `id` of an event, or leave it out.",
        )),
        (_, Some(..0)) => Err(Problem::invalid_parameter(
            name,
            "Events are numbered from 1. Send the `id` of an event, or leave it out.",
        )),
        (_, number) => Ok(number),
    }
}

fn check_no_paging(filters: &EventQuery) -> Result<(), Problem> {
    let parameters = [("limit", filters.limit.is_some()), ("cursor", filters.cursor.is_some())];
    match parameters.iter().find(|(_, is_sent)| *is_sent) {
        Some((name, _)) => {
            let detail = "A stream has no pages. Leave the parameter out; use `Last-Event-ID` to continue a stream.";
            Err(Problem::invalid_parameter(name, detail))
        }
        None => Ok(()),
    }
}
