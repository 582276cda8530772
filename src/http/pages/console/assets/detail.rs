//! The page of one asset: what it is, and the forms that change, replace and delete it.

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderMap, HeaderValue};
use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse, get, post};
use askama::Template;
use offprint_core::Code;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::app::AppState;
use crate::db::{self, asset};
use crate::http::address::write_address;
use crate::http::extract::form::PageForm;
use crate::http::pages::console::assets::change_form::{build_change, list_current_fields, name_field};
use crate::http::pages::console::form_errors::FormErrors;
use crate::http::pages::console::form_fields::FormFields;
use crate::http::pages::console::frame::ConsoleFrame;
use crate::http::pages::console::message::redirect_done;
use crate::http::pages::console::section::Section;
use crate::http::pages::frame::PageTime;
use crate::http::problem::Problem;
use crate::http::resources::assets::asset::{Asset, delete_unchanged_asset, validate_row};
use crate::http::resources::assets::change::change_unchanged_asset;
use crate::id::AssetId;

#[derive(Template)]
#[template(path = "console/asset.html")]
struct AssetPage {
    frame: ConsoleFrame,
    asset: Asset,
    handle: String,
    /// The version that the forms are about.
    etag: String,
    fields: FormFields,
    errors: FormErrors,
    /// Labels and values of what cannot be changed.
    facts: Vec<(String, String)>,
    created: PageTime,
    changed: PageTime,
    thumbnail: Option<String>,
    folder_address: String,
    /// Addresses of what the caller may do.
    content: Option<String>,
    export: Option<String>,
    can_change: bool,
    can_delete: bool,
}

impl AssetPage {
    /// Whether the part of the form with what modifiers take from the asset is open.
    fn has_record(&self) -> bool {
        let names = [
            "urlModifier",
            "urlPostApplyModifier",
            "maskAsset",
            "anchor",
            "resolution",
            "thumbType",
            "thumbRes",
            "userData",
            "crops",
        ];
        let is_shown = |name: &str| self.errors.find(name).is_some() || self.fields.text(name).is_some();
        names.into_iter().any(is_shown)
    }
}

/// `GET /console/assets/{assetHandle}`.
#[get("/console/assets/{assetHandle}")]
pub(super) async fn show_asset_page(
    state: Data<AppState>,
    handle: Path<AssetId>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let frame = ConsoleFrame::open(&state, &request, Section::Assets).await?;
    show_detail(&state, frame, *handle, None, FormErrors::default()).await
}

/// The page, with the fields of a form that was refused.
pub(super) async fn show_detail(
    state: &AppState,
    frame: ConsoleFrame,
    handle: AssetId,
    fields: Option<FormFields>,
    errors: FormErrors,
) -> Result<HttpResponse, Problem> {
    let mut connection = state.db.acquire().await.map_err(db::DbError::from)?;
    let row = asset::fetch_asset(&mut connection, frame.caller.company, handle).await?;
    drop(connection);
    let etag = validate_row(&row)?.etag;
    let asset = Asset::from(row);
    let title = asset.file_name.clone().unwrap_or_else(|| asset.name.clone());
    let frame = frame.with_title(title);
    let path = format!("/console/assets/{handle}");
    let address = |method: &str, needs: &str, path: String| frame.can(method, needs).then(|| write_address(&path));
    let content_path = format!("/assets/{handle}/content");
    let export_path = format!("{}?asset={handle}", Section::NewExport.path());
    let folder_query = utf8_percent_encode(&asset.folder, NON_ALPHANUMERIC);
    let status = if errors.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let page = AssetPage {
        etag: fields.as_ref().map_or(etag, |fields| fields.get("etag").to_owned()),
        fields: fields.unwrap_or_else(|| list_current_fields(&asset)),
        errors,
        facts: list_facts(&frame, &asset),
        created: frame.time(asset.created_at),
        changed: frame.time(asset.updated_at),
        thumbnail: asset.image.width.map(|_| write_address(&format!("{path}/thumbnail"))),
        folder_address: write_address(&format!("/console/assets?folder={folder_query}")),
        content: asset.size.and_then(|_| address("GET", &content_path.clone(), content_path)),
        export: address("GET", Section::NewExport.path(), export_path),
        can_change: frame.can("POST", &path),
        can_delete: frame.can("POST", &format!("{path}/delete")),
        handle: handle.to_string(),
        asset,
        frame,
    };
    page.frame.respond(status, &page)
}

/// What the service found out about the file.
fn list_facts(frame: &ConsoleFrame, asset: &Asset) -> Vec<(String, String)> {
    let image = &asset.image;
    let facts = [
        ("create-fact-type", Some(asset.kind.name())),
        ("create-fact-pixels", image.width.zip(image.height).map(|(width, height)| format!("{width} × {height}"))),
        ("create-fact-bytes", asset.size.map(|size| frame.language.format_size(size))),
        ("create-fact-mime", asset.mime.clone()),
        (
            "create-fact-color",
            image
                .color
                .and_then(|color| Some(format!("{} {}", serde_json::to_value(color).ok()?.as_str()?, image.bits?))),
        ),
        ("create-fact-alpha", image.has_alpha.filter(|has_alpha| *has_alpha).map(|_| frame.text("create-yes"))),
        ("create-fact-resolution", image.resolution.map(|dpi| format!("{dpi} dpi"))),
        ("create-fact-profile", image.profile.clone()),
        ("create-fact-members", asset.member_array.as_ref().map(|members| members.len().to_string())),
        ("create-fact-sha256", asset.sha256.map(|digest| digest.to_string())),
        ("create-fact-handle", Some(asset.asset_handle.to_string())),
    ];
    facts.into_iter().filter_map(|(label, value)| Some((frame.text(label), value?))).collect()
}

/// The condition that the asset is still the version of the form.
fn build_condition(fields: &FormFields) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if let Ok(etag) = HeaderValue::from_str(fields.get("etag")) {
        headers.insert(header::IF_MATCH, etag);
    }
    headers
}

/// `POST /console/assets/{assetHandle}`: saves what was changed.
#[post("/console/assets/{assetHandle}")]
pub(super) async fn save_asset(
    state: Data<AppState>,
    handle: Path<AssetId>,
    PageForm(fields): PageForm<FormFields>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let handle = handle.into_inner();
    let frame = ConsoleFrame::open(&state, &request, Section::Assets).await?;
    let mut connection = state.db.acquire().await.map_err(db::DbError::from)?;
    let row = asset::fetch_asset(&mut connection, frame.caller.company, handle).await?;
    drop(connection);
    let mut errors = FormErrors::default();
    let change = build_change(&Asset::from(row), &fields, frame.language, &mut errors);
    if errors.is_empty() {
        let headers = build_condition(&fields);
        let changed = match change {
            Ok(change) => change_unchanged_asset(&state, &frame.caller, &headers, handle, change).await,
            Err(problem) => Err(problem),
        };
        match changed {
            Ok(_) => return Ok(redirect_done(&format!("/console/assets/{handle}"), "asset-saved")),
            Err(problem) if problem.code() == Code::PreconditionFailed => {
                errors.push("", frame.text("create-changed-meanwhile"));
            }
            Err(problem) if matches!(problem.code(), Code::NotFound | Code::Internal | Code::Unavailable) => {
                return Err(problem);
            }
            Err(problem) => errors = FormErrors::from_problem(frame.language, problem, name_field),
        }
    }
    show_detail(&state, frame, handle, Some(fields), errors).await
}

/// `POST /console/assets/{assetHandle}/delete`.
#[post("/console/assets/{assetHandle}/delete")]
pub(super) async fn delete_asset(
    state: Data<AppState>,
    handle: Path<AssetId>,
    PageForm(fields): PageForm<FormFields>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let handle = handle.into_inner();
    let frame = ConsoleFrame::open(&state, &request, Section::Assets).await?;
    let mut errors = FormErrors::default();
    if !fields.is_set("sure") {
        errors.push("sure", frame.text("create-delete-not-sure"));
        return show_detail(&state, frame, handle, None, errors).await;
    }
    match delete_unchanged_asset(&state, &frame.caller, &build_condition(&fields), handle).await {
        Ok(()) => {
            let folder = utf8_percent_encode(fields.get("folder"), NON_ALPHANUMERIC);
            Ok(redirect_done(&format!("/console/assets?folder={folder}"), "asset-deleted"))
        }
        Err(problem) if problem.code() == Code::PreconditionFailed => {
            errors.push("", frame.text("create-changed-meanwhile"));
            show_detail(&state, frame, handle, None, errors).await
        }
        Err(problem) => Err(problem),
    }
}
