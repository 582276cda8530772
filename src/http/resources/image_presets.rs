//! Image presets: stored, named modifiers. `$name$` in a modifier calls one as a macro.

use actix_web::http::header::{self, HeaderMap};
use actix_web::web::{Data, Path, Query};
use actix_web::{HttpRequest, HttpResponse, delete, get, put};
use chrono::{DateTime, Utc};
use offprint_core::Code;
use offprint_modifiers::Attributes;
use serde::{Deserialize, Serialize};
use sqlx::types::Json;
use utoipa::ToSchema;

use crate::app::AppState;
use crate::db::image_preset::{ImagePresetRow, MacroRow, PresetWatermark};
use crate::db::{self, DbConnection, image_preset};
use crate::http::address::write_address;
use crate::http::admission::admit_request;
use crate::http::extract::body::JsonBody;
use crate::http::extract::caller::Caller;
use crate::http::extract::page;
use crate::http::extract::page::Page;
use crate::http::extract::page::PageQuery;
use crate::http::extract::preconditions::{self, Validators};
use crate::http::problem::Problem;
use crate::http::problem::ValidationError;
use crate::http::resources::modifiers::validation::check_modifier;
use crate::http::responses::BodyProblems;
use crate::http::responses::NotFoundProblem;
use crate::http::responses::PreconditionProblem;
use crate::http::responses::QueryProblems;
use crate::id::CompanyId;
use crate::jobs::catalog;

/// An image preset: a stored, named modifier.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImagePreset {
    /// Name of the preset; `$name$` calls it. Not case-sensitive.
    #[schema(example = "test")]
    pub(in crate::http) name: String,
    /// The modifier that the preset stands for.
    #[schema(example = "wid=640&fmt=tif,,lzw")]
    pub(in crate::http) url_modifier: String,
    /// What the preset is for.
    #[schema(example = "For print")]
    pub(in crate::http) description: Option<String>,
    /// What is laid over the images that the preset makes; null: nothing of its own.
    pub(in crate::http) watermark: Option<PresetWatermark>,
    /// When the preset was created.
    pub(in crate::http) created_at: DateTime<Utc>,
    /// When the preset was last saved.
    pub(in crate::http) updated_at: DateTime<Utc>,
}

impl From<image_preset::ImagePresetRow> for ImagePreset {
    fn from(row: image_preset::ImagePresetRow) -> Self {
        Self {
            name: row.name,
            url_modifier: row.url_modifier,
            description: row.description,
            watermark: row.watermark.map(|watermark| watermark.0),
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

/// List image presets.
///
/// Sorted by name.
#[utoipa::path(
    tag = "image presets",
    params(PageQuery),
    responses((status = 200, description = "One page of presets.", body = Page<ImagePreset>), QueryProblems)
)]
#[get("/image-presets")]
pub async fn list_image_presets(
    state: Data<AppState>,
    caller: Caller,
    request: HttpRequest,
    query: Query<PageQuery>,
) -> Result<HttpResponse, Problem> {
    Ok(list_preset_page(&state, &caller, &query).await?.into_response(&request))
}

/// One page of the company's presets.
///
/// # Errors
/// 400 for a limit or cursor that cannot be used.
pub(in crate::http) async fn list_preset_page(
    state: &AppState,
    caller: &Caller,
    query: &PageQuery,
) -> Result<Page<ImagePreset>, Problem> {
    let limit = page::parse_limit(query.limit)?;
    let filters = "image-presets";
    let after: Option<String> = page::parse_cursor(query.cursor.as_deref(), &filters, page::parse_single_key)?;
    let mut connection = state.db.acquire().await.map_err(db::DbError::from)?;
    let rows = image_preset::list_image_presets(&mut connection, caller.company, after.as_deref(), limit + 1).await?;
    let presets = rows.into_iter().map(ImagePreset::from).collect();
    Ok(Page::new(presets, limit, &filters, |preset: &ImagePreset| vec![preset.name.clone()]))
}

/// Show an image preset.
///
/// The modifier as it was saved, and its description.
#[utoipa::path(
    tag = "image presets",
    params(("name" = String, Path, description = "Name of the preset, not case-sensitive.")),
    responses((status = 200, description = "The preset.", body = ImagePreset),
        (status = 304, description = "The client has the current version."), NotFoundProblem, PreconditionProblem)
)]
#[get("/image-presets/{name}")]
pub async fn show_image_preset(
    state: Data<AppState>,
    caller: Caller,
    request: HttpRequest,
    name: Path<String>,
) -> Result<HttpResponse, Problem> {
    let mut connection = state.db.acquire().await.map_err(db::DbError::from)?;
    let preset = image_preset::fetch_image_preset(&mut connection, caller.company, &name).await?;
    let modified = preset.updated_at;
    preconditions::show_json(&request, &ImagePreset::from(preset), Some(modified))
}

/// The content of an image preset.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SaveImagePreset {
    /// The modifier that the preset stands for. It may call other presets as `$name$`.
    #[schema(max_length = 8192)]
    pub(in crate::http) url_modifier: String,
    /// What the preset is for.
    #[schema(max_length = 1000)]
    pub(in crate::http) description: Option<String>,
    /// What is laid over images whose modifier calls the preset, in place of the attribute `Watermark`.
    pub(in crate::http) watermark: Option<PresetWatermark>,
}

/// Create or replace an image preset.
///
/// Names that differ only in case are the same. Existing jobs keep the text that the preset had when they were created.
/// The modifier is validated like `is_modifier` of an export request: presets that it calls must exist and must not call
/// it back.
#[utoipa::path(
    tag = "image presets",
    params(
        (
            "name" = String, Path, example = "print", pattern = "^[A-Za-z0-9._-]{1,64}$",
            description = "Name of the preset: 1 to 64 letters, digits, dots, hyphens and underscores.",
        ),
        ("If-Match" = Option<String>, Header, description = "Only if the preset still has this `ETag`; otherwise 412."),
        ("If-None-Match" = Option<String>, Header, description = "`*`: only if there is no such preset yet; otherwise 412."),
    ),
    request_body(
        content = SaveImagePreset,
        description = "The content of the preset.",
        example = json!({"urlModifier": "wid=640&fmt=tif,,lzw", "description": "For print"})
    ),
    responses(
        (status = 200, description = "The preset was replaced.", body = ImagePreset),
        (status = 201, description = "The preset was created.", body = ImagePreset,
         headers(("Location" = String, description = "URL of the preset."))),
        BodyProblems,
        PreconditionProblem,
    )
)]
#[put("/image-presets/{name}")]
pub async fn save_image_preset(
    state: Data<AppState>,
    caller: Caller,
    request: HttpRequest,
    name: Path<String>,
    JsonBody(preset, _): JsonBody<SaveImagePreset>,
) -> Result<HttpResponse, Problem> {
    let (row, is_new) = save_unchanged_preset(&state, &caller, request.headers(), &name, preset).await?;
    let mut answer = if is_new { HttpResponse::Created() } else { HttpResponse::Ok() };
    if is_new {
        answer.insert_header((header::LOCATION, write_address(&format!("/image-presets/{}", row.name))));
    }
    let modified = row.updated_at;
    preconditions::show_changed(answer, &ImagePreset::from(row), Some(modified))
}

/// Saves a preset if the preconditions in `headers` hold. The preset, and whether it is new.
///
/// # Errors
/// 412 when they do not hold, 422 with everything that is wrong with the preset.
pub(in crate::http) async fn save_unchanged_preset(
    state: &AppState,
    caller: &Caller,
    headers: &HeaderMap,
    name: &str,
    preset: SaveImagePreset,
) -> Result<(ImagePresetRow, bool), Problem> {
    let name_error = catalog::check_preset_name(name).err();
    let mut mistakes: Vec<ValidationError> =
        name_error.map(|detail| ValidationError::new("name", Code::InvalidValue, detail)).into_iter().collect();
    let _admission = admit_request(state, caller.company).await?;
    let mut transaction = state.db.begin().await.map_err(db::DbError::from)?;
    image_preset::lock_image_presets(&mut transaction, caller.company).await?;
    check_unchanged_preset(&mut transaction, headers, caller.company, name).await?;
    let mut macros = image_preset::list_macros(&mut transaction, caller.company).await?;
    let count = macros.len();
    macros.retain(|other| !other.name.eq_ignore_ascii_case(name));
    let max = state.settings.max_presets;
    if max > 0 && count >= max && macros.len() == count {
        let detail =
            format!("The company has {count} image presets; the limit is {max}. Delete one that is no longer needed.");
        return Err(Problem::new(Code::TooManyPresets, detail));
    }
    let watermark = preset.watermark.clone().map(Json);
    macros.push(MacroRow { name: name.to_string(), url_modifier: preset.url_modifier.clone(), watermark });
    mistakes.extend(preset.check(state, caller.company, macros).await?);
    if !mistakes.is_empty() {
        return Err(Problem::from_errors(mistakes));
    }
    let description = preset.description.as_deref();
    let is_new = image_preset::save_image_preset(
        &mut transaction,
        caller.company,
        name,
        &preset.url_modifier,
        description,
        preset.watermark.as_ref(),
    )
    .await?;
    let row = image_preset::fetch_image_preset(&mut transaction, caller.company, name).await?;
    transaction.commit().await.map_err(db::DbError::from)?;
    Ok((row, is_new))
}

/// Checks the preconditions of a change. The company's presets must be locked.
async fn check_unchanged_preset(
    connection: &mut DbConnection,
    headers: &HeaderMap,
    company: CompanyId,
    name: &str,
) -> Result<(), Problem> {
    let current = match image_preset::fetch_image_preset(connection, company, name).await {
        Ok(row) => Some(validate_row(&row)?),
        Err(db::DbError::NotFound(_)) => None,
        Err(error) => return Err(error.into()),
    };
    preconditions::check_write(headers, current.as_ref())
}

/// The validators of a preset.
pub(in crate::http) fn validate_row(row: &ImagePresetRow) -> Result<Validators, Problem> {
    Validators::from_json(&ImagePreset::from(row.clone()), Some(row.updated_at))
}

impl SaveImagePreset {
    async fn check(
        &self,
        state: &AppState,
        company: CompanyId,
        macros: Vec<MacroRow>,
    ) -> Result<Vec<ValidationError>, Problem> {
        if offprint_modifiers::is_blank(&self.url_modifier) {
            let detail = "The modifier has no commands. Send at least one, such as `wid=640&fmt=png`.";
            return Ok(vec![ValidationError::new("/urlModifier", Code::InvalidValue, detail)]);
        }
        let mut mistakes = check_modifier(state, company, "/urlModifier", &self.url_modifier, macros).await?;
        let asset = self.watermark.as_ref().map(|watermark| &watermark.asset);
        if let Some(Err(error)) = asset.map(|asset| Attributes::default().set("Watermark", asset)) {
            let detail = format!("{} {}", error.detail, error.remedy);
            mistakes.push(ValidationError::new("/watermark/asset", Code::InvalidValue, detail));
        }
        Ok(mistakes)
    }
}

/// Delete an image preset.
///
/// Existing jobs keep the text that the preset had when they were created.
#[utoipa::path(
    tag = "image presets",
    params(
        ("name" = String, Path, description = "Name of the preset, not case-sensitive."),
        ("If-Match" = Option<String>, Header, description = "Only if the preset still has this `ETag`; otherwise 412."),
    ),
    responses((status = 204, description = "The preset was deleted."), NotFoundProblem, PreconditionProblem)
)]
#[delete("/image-presets/{name}")]
pub async fn delete_image_preset(
    state: Data<AppState>,
    caller: Caller,
    request: HttpRequest,
    name: Path<String>,
) -> Result<HttpResponse, Problem> {
    delete_unchanged_preset(&state, &caller, request.headers(), &name).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Deletes a preset if the preconditions in `headers` hold.
///
/// # Errors
/// 404 without the preset, 412 when it has changed.
pub(in crate::http) async fn delete_unchanged_preset(
    state: &AppState,
    caller: &Caller,
    headers: &HeaderMap,
    name: &str,
) -> Result<(), Problem> {
    let mut transaction = state.db.begin().await.map_err(db::DbError::from)?;
    image_preset::lock_image_presets(&mut transaction, caller.company).await?;
    check_unchanged_preset(&mut transaction, headers, caller.company, name).await?;
    image_preset::delete_image_preset(&mut transaction, caller.company, name).await?;
    transaction.commit().await.map_err(db::DbError::from)?;
    Ok(())
}
