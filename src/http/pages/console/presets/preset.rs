//! The page of one preset: its form beside what it makes of an asset.

use actix_web::http::{StatusCode, header};
use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse, get, post};
use askama::Template;

use super::editor::Editor;
use super::list::write_preset_path;
use super::{build_condition, build_preset, reject_preset};
use crate::app::AppState;
use crate::db::{self, image_preset};
use crate::http::extract::form::PageForm;
use crate::http::pages::console::form_errors::FormErrors;
use crate::http::pages::console::form_fields::FormFields;
use crate::http::pages::console::frame::ConsoleFrame;
use crate::http::pages::console::message::redirect_done;
use crate::http::pages::console::section::Section;
use crate::http::pages::frame::PageTime;
use crate::http::problem::Problem;
use crate::http::resources::image_presets::{delete_unchanged_preset, save_unchanged_preset, validate_row};

#[derive(Template)]
#[template(path = "console/preset.html")]
struct PresetPage {
    frame: ConsoleFrame,
    name: String,
    /// The version that the forms are about.
    etag: String,
    fields: FormFields,
    errors: FormErrors,
    editor: Editor,
    changed: PageTime,
    can_change: bool,
    can_delete: bool,
}

/// `GET /console/presets/{name}`.
#[get("/console/presets/{name}")]
pub(super) async fn show_preset(
    state: Data<AppState>,
    name: Path<String>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let frame = ConsoleFrame::open(&state, &request, Section::Presets).await?;
    show_page(&state, frame, &name, None, FormErrors::default()).await
}

/// The page, with the fields of a form that was sent.
async fn show_page(
    state: &AppState,
    frame: ConsoleFrame,
    name: &str,
    sent: Option<FormFields>,
    errors: FormErrors,
) -> Result<HttpResponse, Problem> {
    let mut connection = state.db.acquire().await.map_err(db::DbError::from)?;
    let row = image_preset::fetch_image_preset(&mut connection, frame.caller.company, name).await?;
    drop(connection);
    let (etag, name, updated_at) = (validate_row(&row)?.etag, row.name.clone(), row.updated_at);
    let etag = sent.as_ref().map_or(etag, |fields| fields.get("etag").to_owned());
    let fields = sent.unwrap_or_else(|| {
        let mut fields = FormFields::default();
        fields.push("urlModifier", row.url_modifier);
        fields.push("description", row.description.unwrap_or_default());
        if let Some(watermark) = row.watermark {
            fields.push("watermark", watermark.asset.clone());
            if watermark.tiled {
                fields.push("tiled", "1");
            }
        }
        fields
    });
    let frame = frame.with_title(name.clone());
    let path = write_preset_path(&name);
    let status = if errors.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let page = PresetPage {
        editor: Editor::load(state, &frame, &fields).await?,
        can_change: frame.can("POST", &path),
        can_delete: frame.can("POST", &format!("{path}/delete")),
        changed: frame.time(updated_at),
        name,
        etag,
        fields,
        errors,
        frame,
    };
    page.frame.respond(status, &page)
}

/// `POST /console/presets/{name}`: saves the preset, or shows what it would make.
#[post("/console/presets/{name}")]
pub(super) async fn save_preset(
    state: Data<AppState>,
    name: Path<String>,
    PageForm(fields): PageForm<FormFields>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let frame = ConsoleFrame::open(&state, &request, Section::Presets).await?;
    if fields.get("action") == "preview" {
        return show_page(&state, frame, &name, Some(fields), FormErrors::default()).await;
    }
    let headers = build_condition(header::IF_MATCH, fields.get("etag"));
    match save_unchanged_preset(&state, &frame.caller, &headers, &name, build_preset(&fields)).await {
        Ok((preset, _)) => Ok(redirect_done(&write_preset_path(&preset.name), "preset-saved")),
        Err(problem) => {
            let errors = reject_preset(problem, &frame, "create-changed-meanwhile")?;
            show_page(&state, frame, &name, Some(fields), errors).await
        }
    }
}

/// `POST /console/presets/{name}/delete`.
#[post("/console/presets/{name}/delete")]
pub(super) async fn delete_preset(
    state: Data<AppState>,
    name: Path<String>,
    PageForm(fields): PageForm<FormFields>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let frame = ConsoleFrame::open(&state, &request, Section::Presets).await?;
    if !fields.is_set("sure") {
        let mut errors = FormErrors::default();
        errors.push("sure", frame.text("create-delete-not-sure"));
        return show_page(&state, frame, &name, None, errors).await;
    }
    let headers = build_condition(header::IF_MATCH, fields.get("etag"));
    match delete_unchanged_preset(&state, &frame.caller, &headers, &name).await {
        Ok(()) => Ok(redirect_done(Section::Presets.path(), "preset-deleted")),
        Err(problem) => {
            let errors = reject_preset(problem, &frame, "create-changed-meanwhile")?;
            show_page(&state, frame, &name, None, errors).await
        }
    }
}
