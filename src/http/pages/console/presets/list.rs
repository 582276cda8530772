//! The list of presets, and the form for a new one.

use actix_web::http::{StatusCode, header};
use actix_web::web::{Data, Query};
use actix_web::{HttpRequest, HttpResponse, get, post};
use askama::Template;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::editor::Editor;
use super::{build_condition, build_preset, reject_preset};
use crate::app::AppState;
use crate::http::address::write_address;
use crate::http::extract::form::PageForm;
use crate::http::extract::page::PageQuery;
use crate::http::pages::console::form_errors::FormErrors;
use crate::http::pages::console::form_fields::FormFields;
use crate::http::pages::console::frame::ConsoleFrame;
use crate::http::pages::console::message::redirect_done;
use crate::http::pages::console::pager::Pager;
use crate::http::pages::console::section::Section;
use crate::http::pages::frame::PageTime;
use crate::http::problem::Problem;
use crate::http::resources::image_presets::{ImagePreset, list_preset_page, save_unchanged_preset};
use crate::jobs::preset_import::CatalogImport;

/// Presets on one page.
const LISTED_PRESETS: u32 = 100;

#[derive(Template)]
#[template(path = "console/presets.html")]
struct PresetsPage {
    frame: ConsoleFrame,
    rows: Vec<PresetEntry>,
    pager: Pager,
    /// Of the form for a new preset.
    fields: FormFields,
    errors: FormErrors,
    editor: Editor,
    can_change: bool,
    can_export: bool,
    /// What became of the files of an import.
    report: Option<CatalogImport>,
}

/// One preset of the list.
struct PresetEntry {
    name: String,
    page: String,
    /// Address of a new export with it.
    export: String,
    modifier: String,
    description: Option<String>,
    changed: PageTime,
}

impl PresetEntry {
    fn new(frame: &ConsoleFrame, preset: ImagePreset) -> Self {
        let encoded = utf8_percent_encode(&preset.name, NON_ALPHANUMERIC);
        Self {
            page: write_address(&write_preset_path(&preset.name)),
            export: write_address(&format!("{}?macro=%24{encoded}%24", Section::NewExport.path())),
            changed: frame.time(preset.updated_at),
            name: preset.name,
            modifier: preset.url_modifier,
            description: preset.description,
        }
    }
}

/// The path of the page of a preset.
pub(super) fn write_preset_path(name: &str) -> String {
    format!("/console/presets/{name}")
}

/// `GET /console/presets`.
#[get("/console/presets")]
pub(super) async fn show_presets(state: Data<AppState>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let frame = ConsoleFrame::open(&state, &request, Section::Presets).await?;
    show_list(&state, frame, &request, (FormFields::default(), FormErrors::default()), None).await
}

/// The list, with the form for a new preset as it was sent, or with the report of an import.
pub(super) async fn show_list(
    state: &AppState,
    frame: ConsoleFrame,
    request: &HttpRequest,
    (fields, errors): (FormFields, FormErrors),
    report: Option<CatalogImport>,
) -> Result<HttpResponse, Problem> {
    let query = Query::<FormFields>::from_query(request.query_string()).map(Query::into_inner).unwrap_or_default();
    let query = PageQuery { limit: Some(LISTED_PRESETS), cursor: query.text("cursor") };
    let presets = list_preset_page(state, &frame.caller, &query).await?;
    let status = if errors.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let page = PresetsPage {
        pager: Pager::new(request, presets.next_cursor.as_deref()),
        rows: presets.items.into_iter().map(|preset| PresetEntry::new(&frame, preset)).collect(),
        editor: Editor::load(state, &frame, &fields).await?,
        can_change: frame.can("POST", Section::Presets.path()),
        can_export: frame.can("GET", Section::NewExport.path()),
        fields,
        errors,
        report,
        frame,
    };
    page.frame.respond(status, &page)
}

/// `POST /console/presets`: creates a preset, or shows what it would make.
#[post("/console/presets")]
pub(super) async fn create_preset(
    state: Data<AppState>,
    PageForm(fields): PageForm<FormFields>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let frame = ConsoleFrame::open(&state, &request, Section::Presets).await?;
    if fields.get("action") == "preview" {
        return show_list(&state, frame, &request, (fields, FormErrors::default()), None).await;
    }
    let headers = build_condition(header::IF_NONE_MATCH, "*");
    let name = fields.get("name").trim().to_owned();
    match save_unchanged_preset(&state, &frame.caller, &headers, &name, build_preset(&fields)).await {
        Ok((preset, _)) => Ok(redirect_done(&write_preset_path(&preset.name), "preset-created")),
        Err(problem) => {
            let errors = reject_preset(problem, &frame, "create-preset-exists")?;
            show_list(&state, frame, &request, (fields, errors), None).await
        }
    }
}
