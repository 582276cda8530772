//! A new export: one form for the whole request, which works without scripts. Its buttons search for assets, check the
//! modifier, show a preview, try the request out, and create the job or the schedule. Each of them sends all fields, and the
//! page comes back with them.
//!
//! [`request`] builds the export request of the form; what it means, and what is wrong with it, is found out by the functions of
//! the JSON operations. The page shows the same request as a call of curl. Begin reading at [`submit_new_export`].

mod choices;
mod curl;
mod field_names;
mod modifier;
mod repeat;
mod request;
mod timing;
mod trial;

pub(super) use choices::{join_path, parse_type};

use std::borrow::Borrow;

use actix_web::http::{StatusCode, header};
use actix_web::web::{self, Data, Query};
use actix_web::{HttpRequest, HttpResponse, get, post};
use askama::Template;
use offprint_core::{Code, Digest};
use serde_json::Value;

use crate::app::AppState;
use crate::http::address::read_address;
use crate::http::extract::body::parse_body;
use crate::http::extract::export_list::Lines;
use crate::http::extract::form::PageForm;
use crate::http::extract::idempotency::IdempotencyKey;
use crate::http::pages::console::form_errors::FormErrors;
use crate::http::pages::console::form_fields::FormFields;
use crate::http::pages::console::frame::ConsoleFrame;
use crate::http::pages::console::new_export::choices::{Choices, FoundAssets, PickedAsset, RenditionRow};
use crate::http::pages::console::new_export::field_names::name_field;
use crate::http::pages::console::new_export::modifier::CheckedRendition;
use crate::http::pages::console::new_export::request::{BuiltRequest, build_request};
use crate::http::pages::console::new_export::trial::{Trial, try_request};
use crate::http::pages::console::section::Section;
use crate::http::pages::frame::redirect_to;
use crate::http::problem::Problem;
use crate::http::resources::export_jobs::create::create_idempotently;
use crate::i18n::Language;
use crate::jobs::ExportRequest;

/// Registers the form.
pub(super) fn register_export_routes(config: &mut web::ServiceConfig) {
    config.service(show_new_export).service(submit_new_export);
}

/// The address of the form.
const PATH: &str = "/console/exports/new";

#[derive(Template)]
#[template(path = "console/new_export.html")]
struct NewExportPage {
    frame: ConsoleFrame,
    fields: FormFields,
    errors: FormErrors,
    choices: Choices,
    /// The assets that are ticked.
    picked: Vec<PickedAsset>,
    /// What a search has found.
    found: Option<FoundAssets>,
    renditions: Vec<RenditionRow>,
    /// What the modifiers mean, when that was asked.
    checked: Vec<CheckedRendition>,
    /// What the job would do, when that was asked.
    trial: Option<Trial>,
    /// The call that creates the same.
    curl: Option<String>,
    /// Makes a form that is sent twice create one job.
    once: String,
}

impl NewExportPage {
    /// A sentence with a number.
    fn format_count(&self, name: &str, count: impl Borrow<usize>) -> String {
        self.frame.language.format(name, &[("count", (*count.borrow() as i64).into())])
    }

    fn format_number(&self, count: impl Borrow<usize>) -> String {
        self.frame.language.format_number(*count.borrow() as i64)
    }

    /// The attribute of a box or radio button.
    fn mark_checked(&self, name: &str, value: &str) -> &'static str {
        if self.fields.list(name).any(|sent| sent == value) { " checked" } else { "" }
    }

    /// The attribute of an option.
    fn mark_selected(&self, name: &str, value: &str) -> &'static str {
        if self.fields.get(name) == value { " selected" } else { "" }
    }

    /// The attribute of the option of a preset.
    fn mark_preset(&self, name: &str) -> &'static str {
        let sent = self.fields.get("macro").trim_matches('$');
        if sent.eq_ignore_ascii_case(name) { " selected" } else { "" }
    }

    /// Whether the part of the form with the renditions is open.
    fn has_renditions(&self) -> bool {
        self.renditions.len() > 1 || request::RENDITION_FIELDS.iter().any(|(name, _)| !self.fields.get(name).is_empty())
    }

    /// The message about what would be done with an asset.
    fn name_action(&self, action: &str) -> &'static str {
        match action {
            "convert" => "create-action-convert",
            "original" => "create-action-original",
            "skip" => "create-action-skip",
            _ => "create-action-fail",
        }
    }

    /// Whether one of the fields has a value, so that the part of the form that has them is open.
    fn has_any(&self, names: &[&str]) -> bool {
        names.iter().any(|name| !self.fields.get(name).trim().is_empty() || self.errors.find(name).is_some())
    }
}

/// The buttons of the form.
#[derive(Clone, Copy)]
enum Button {
    /// Of the list of assets: begins a form with those that are ticked there.
    Pick,
    Find,
    AddRendition,
    Check,
    Preview,
    Validate,
    Create,
}

impl Button {
    fn parse(name: &str) -> Self {
        match name {
            "pick" => Self::Pick,
            "rendition" => Self::AddRendition,
            "check" => Self::Check,
            "preview" => Self::Preview,
            "validate" => Self::Validate,
            "create" => Self::Create,
            // Also the one that browsers press when somebody presses Enter in a field.
            _ => Self::Find,
        }
    }
}

/// `GET /console/exports/new`. `asset=` ticks assets, `folder=` and `macro=` choose them, `like=` fills the form from the
/// request of a job.
#[get("/console/exports/new")]
async fn show_new_export(state: Data<AppState>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let frame = ConsoleFrame::open(&state, &request, Section::NewExport).await?;
    let query = Query::<FormFields>::from_query(request.query_string()).map(Query::into_inner).unwrap_or_default();
    let fields = match query.text("like") {
        Some(job) => repeat::fill_from_job(&state, &frame.caller, &job).await?,
        None => fill_from_query(&query, &frame),
    };
    show_form(&state, frame, fields, Outcome::default()).await
}

/// A new form.
fn fill_from_query(query: &FormFields, frame: &ConsoleFrame) -> FormFields {
    let mut fields = FormFields::default();
    let source = match (query.is_set("folder"), query.is_set("asset")) {
        (true, false) => "folder",
        _ => "picked",
    };
    for (name, value) in
        [("source", source), ("recursive", "1"), ("fmt", "convert"), ("when", "now"), ("timeZone", frame.zone.name())]
    {
        fields.push(name, value);
    }
    for name in ["asset", "folder", "macro"] {
        query.list(name).for_each(|value| fields.push(name, value));
    }
    fields
}

/// What a button found out, for the page.
#[derive(Default)]
struct Outcome {
    errors: FormErrors,
    checked: Vec<CheckedRendition>,
    trial: Option<Trial>,
    curl: Option<String>,
    is_search: bool,
}

/// `POST /console/exports/new`.
#[post("/console/exports/new")]
async fn submit_new_export(
    state: Data<AppState>,
    PageForm(mut fields): PageForm<FormFields>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let frame = ConsoleFrame::open(&state, &request, Section::NewExport).await?;
    let button = Button::parse(fields.get("action"));
    if matches!(button, Button::Pick) {
        let fields = fill_from_query(&fields, &frame);
        return show_form(&state, frame, fields, Outcome::default()).await;
    }
    let mut errors = FormErrors::default();
    let built = match build_request(&fields, frame.language, &mut errors) {
        Ok(built) => built,
        Err(problem) => {
            errors = FormErrors::from_problem(frame.language, problem, name_field);
            BuiltRequest::default()
        }
    };
    let is_recurring = built.json.contains_key("execSchedule");
    let curl = errors.is_empty().then(|| curl::write_call(&state, &built.json, is_recurring));
    let mut outcome = Outcome { curl, ..Outcome::default() };
    match button {
        Button::Pick | Button::Find => {
            return show_form(&state, frame, fields, Outcome { is_search: true, ..Outcome::default() }).await;
        }
        Button::AddRendition => {
            request::RENDITION_FIELDS.iter().for_each(|(name, _)| fields.push(name, ""));
            return show_form(&state, frame, fields, Outcome::default()).await;
        }
        Button::Check => {
            modifier::check_access(&frame)?;
            match modifier::check_modifiers(&state, &frame, &built.json, request::list_picked(&fields)).await {
                Ok(checked) => outcome.checked = checked,
                Err(problem) => errors = reject(frame.language, problem, &Lines::default())?,
            }
        }
        _ if !errors.is_empty() => {}
        Button::Preview | Button::Validate => {
            let is_preview = matches!(button, Button::Preview);
            match try_request(&state, &frame, &built, is_preview).await {
                Ok(trial) => outcome.trial = Some(trial),
                Err(problem) => errors = reject(frame.language, problem, &built.lines)?,
            }
        }
        Button::Create => match create(&state, &frame, &built, (fields.get("once"), is_recurring)).await {
            Ok(path) => return Ok(redirect_to(&path)),
            Err(problem) => errors = reject(frame.language, problem, &built.lines)?,
        },
    }
    outcome.errors = errors;
    show_form(&state, frame, fields, outcome).await
}

/// The mistakes of a form that was refused.
///
/// # Errors
/// The problem, where the form is not to blame for it: it has a page of its own.
fn reject(language: &Language, problem: Problem, lines: &Lines) -> Result<FormErrors, Problem> {
    match problem.code() {
        Code::Internal | Code::Unavailable | Code::Unauthenticated | Code::InvalidCredentials | Code::KeyDisabled => {
            Err(problem)
        }
        _ => Ok(FormErrors::from_problem(language, lines.locate(problem), name_field)),
    }
}

/// Parses the request of a form as a body in JSON is parsed, on the compute pool: it may have the names of the largest job.
async fn parse_request(
    state: &AppState,
    frame: &ConsoleFrame,
    built: &BuiltRequest,
) -> Result<(ExportRequest, Digest), Problem> {
    let json = Value::Object(built.json.clone());
    let parse = move || {
        let bytes = json.to_string().into_bytes();
        parse_body(&bytes).map(|request| (request, Digest::compute(&bytes)))
    };
    state.compute.run(frame.caller.company, parse).await.map_err(Problem::internal)?
}

/// Creates the job or the schedule. The path of the page that shows it.
async fn create(
    state: &AppState,
    frame: &ConsoleFrame,
    built: &BuiltRequest,
    (once, is_recurring): (&str, bool),
) -> Result<String, Problem> {
    let (request, digest) = parse_request(state, frame, built).await?;
    let key = IdempotencyKey::from_form(&format!("POST {PATH}"), once, digest);
    let answer = create_idempotently(state, &frame.caller, &key, (request, digest), is_recurring).await?;
    let location = answer.headers().get(header::LOCATION).and_then(|location| location.to_str().ok());
    let location = read_address(location.unwrap_or_default());
    let page = match location.strip_prefix("/export-jobs/") {
        Some(job) => format!("/console/jobs/{job}"),
        None => Section::Schedules.path().to_owned(),
    };
    // Who may create jobs and see none of the console's pages about them gets the resource.
    Ok(if frame.can("GET", &page) { page } else { location.to_owned() })
}

/// The page with these fields.
async fn show_form(
    state: &AppState,
    frame: ConsoleFrame,
    fields: FormFields,
    mut outcome: Outcome,
) -> Result<HttpResponse, Problem> {
    let found = match outcome.is_search {
        true => match choices::find_assets(state, &frame, &fields).await {
            Ok(found) => Some(found),
            Err(problem) => {
                outcome.errors = reject(frame.language, problem, &Lines::default())?;
                None
            }
        },
        false => None,
    };
    let picked = choices::list_picked_assets(state, &frame, &fields).await?;
    let choices = Choices::load(state, &frame).await?;
    let renditions = choices::list_rendition_rows(&fields);
    let once = fields.text("once").unwrap_or_else(|| uuid::Uuid::now_v7().to_string());
    let Outcome { errors, checked, trial, curl, .. } = outcome;
    let status = if errors.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let page = NewExportPage { frame, fields, errors, choices, picked, found, renditions, checked, trial, curl, once };
    page.frame.respond(status, &page)
}
