//! Image presets: stored, named modifiers. A preset's name between dollar signs is a macro.

use actix_web::http::header;
use actix_web::web::{Data, Path, Query};
use actix_web::{HttpRequest, HttpResponse, delete, get, put};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::body::Body;
use crate::api::caller::Caller;
use crate::api::modifiers::check_modifier;
use crate::api::page::{self, Page, PageQuery};
use crate::api::problem::{Mistake, Problem};
use crate::api::responses::{BadBody, BadQuery, Missing};
use crate::code::Code;
use crate::db::{self, image_preset};
use crate::export::catalog;
use crate::language::{self, Attributes, Macros};
use crate::state::State;

/// A stored, named modifier.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImagePreset {
    /// Its name; between dollar signs it is a macro. Case does not count.
    #[schema(example = "test")]
    name: String,
    /// The modifier that the macro stands for.
    #[schema(example = "wid=640&fmt=tif,,lzw")]
    url_modifier: String,
    /// What it is for.
    #[schema(example = "For print")]
    description: Option<String>,
    /// When it was saved first.
    created_at: DateTime<Utc>,
    /// When it was saved last.
    updated_at: DateTime<Utc>,
}

impl From<image_preset::ImagePreset> for ImagePreset {
    fn from(row: image_preset::ImagePreset) -> Self {
        Self {
            name: row.name,
            url_modifier: row.url_modifier,
            description: row.description,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

/// List image presets.
///
/// In the order of their names.
#[utoipa::path(
    tag = "image presets",
    params(PageQuery),
    responses((status = 200, description = "A page of presets.", body = Page<ImagePreset>), BadQuery)
)]
#[get("/image-presets")]
pub async fn list_image_presets(
    state: Data<State>,
    caller: Caller,
    request: HttpRequest,
    query: Query<PageQuery>,
) -> Result<HttpResponse, Problem> {
    let limit = page::limit(query.limit)?;
    let filters = "image-presets";
    let after: Option<String> = page::after(query.cursor.as_deref(), &filters, page::only)?;
    let mut connection = state.db.acquire().await.map_err(db::Error::from)?;
    let found = image_preset::list(&mut connection, caller.company, after.as_deref(), limit + 1).await?;
    let found = found.into_iter().map(ImagePreset::from).collect();
    Ok(Page::new(found, limit, &filters, |preset: &ImagePreset| vec![preset.name.clone()]).answer(&request))
}

/// Show an image preset.
///
/// Its modifier as it was saved.
#[utoipa::path(
    tag = "image presets",
    params(("name" = String, Path, description = "The preset's name. Case does not count.", example = "test")),
    responses((status = 200, description = "The preset.", body = ImagePreset), Missing)
)]
#[get("/image-presets/{name}")]
pub async fn show_image_preset(
    state: Data<State>,
    caller: Caller,
    name: Path<String>,
) -> Result<HttpResponse, Problem> {
    let mut connection = state.db.acquire().await.map_err(db::Error::from)?;
    let preset = image_preset::fetch(&mut connection, caller.company, &name).await?;
    Ok(HttpResponse::Ok().json(ImagePreset::from(preset)))
}

/// What a preset says.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SaveImagePreset {
    /// The modifier that the macro stands for. It may call other presets as `$name$`.
    #[schema(max_length = 8192)]
    url_modifier: String,
    /// What it is for.
    #[schema(max_length = 1000)]
    description: Option<String>,
}

/// Save an image preset.
///
/// Makes it, or replaces the one of this name; a name that differs in case only is the same. Jobs that were created
/// before keep the text they took. The modifier is checked as `is_modifier` of a job is: presets that it calls must
/// exist, and must not call it back.
#[utoipa::path(
    tag = "image presets",
    params((
        "name" = String, Path, example = "test", pattern = "^[A-Za-z0-9._-]{1,64}$",
        description = "The preset's name: 1 to 64 letters, digits, dots, dashes and underscores.",
    )),
    request_body(
        content = SaveImagePreset,
        description = "What the preset says.",
        example = json!({"urlModifier": "wid=640&fmt=tif,,lzw", "description": "For print"})
    ),
    responses(
        (status = 200, description = "The preset was replaced.", body = ImagePreset),
        (status = 201, description = "The preset is new.", body = ImagePreset,
         headers(("Location" = String, description = "The preset."))),
        BadBody,
    )
)]
#[put("/image-presets/{name}")]
pub async fn save_image_preset(
    state: Data<State>,
    caller: Caller,
    name: Path<String>,
    Body(wish, _): Body<SaveImagePreset>,
) -> Result<HttpResponse, Problem> {
    let wrong = catalog::name(&name).err();
    let mut mistakes: Vec<Mistake> =
        wrong.map(|detail| Mistake::new("name", Code::InvalidValue, detail)).into_iter().collect();
    let mut transaction = state.db.begin().await.map_err(db::Error::from)?;
    image_preset::lock(&mut transaction, caller.company).await?;
    let mut macros = image_preset::all(&mut transaction, caller.company).await?;
    let known = macros.len();
    macros.retain(|(other, _)| !other.eq_ignore_ascii_case(&name));
    let max = state.settings.max_presets;
    if max > 0 && known >= max && macros.len() == known {
        let detail =
            format!("The company has {known} image presets, and {max} are allowed. Delete one that nobody needs.");
        return Err(Problem::new(Code::TooManyPresets, detail));
    }
    macros.push((name.to_string(), wish.url_modifier.clone()));
    mistakes.extend(wish.check(&Macros::any_order(macros), &state.attributes));
    if !mistakes.is_empty() {
        return Err(Problem::refused(mistakes));
    }
    let description = wish.description.as_deref();
    let new = image_preset::save(&mut transaction, caller.company, &name, &wish.url_modifier, description).await?;
    let preset = image_preset::fetch(&mut transaction, caller.company, &name).await?;
    transaction.commit().await.map_err(db::Error::from)?;
    let mut answer = if new { HttpResponse::Created() } else { HttpResponse::Ok() };
    if new {
        answer.insert_header((header::LOCATION, format!("/image-presets/{}", preset.name)));
    }
    Ok(answer.json(ImagePreset::from(preset)))
}

impl SaveImagePreset {
    fn check(&self, macros: &Macros, attributes: &Attributes) -> Vec<Mistake> {
        if language::is_blank(&self.url_modifier) {
            let detail = "The modifier says nothing. Write commands, such as `wid=640&fmt=png`.";
            return vec![Mistake::new("/urlModifier", Code::InvalidValue, detail)];
        }
        check_modifier("/urlModifier", &self.url_modifier, macros, attributes).err().unwrap_or_default()
    }
}

/// Delete an image preset.
///
/// Jobs that were created before keep the text they took.
#[utoipa::path(
    tag = "image presets",
    params(("name" = String, Path, description = "The preset's name. Case does not count.")),
    responses((status = 204, description = "It is gone."), Missing)
)]
#[delete("/image-presets/{name}")]
pub async fn delete_image_preset(
    state: Data<State>,
    caller: Caller,
    name: Path<String>,
) -> Result<HttpResponse, Problem> {
    let mut connection = state.db.acquire().await.map_err(db::Error::from)?;
    image_preset::delete(&mut connection, caller.company, &name).await?;
    Ok(HttpResponse::NoContent().finish())
}
