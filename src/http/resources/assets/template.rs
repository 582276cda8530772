//! Describes a template: what can be filled into it.

use actix_web::web::{Data, Path};
use actix_web::{HttpResponse, get};
use offprint_core::Code;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::AppState;
use crate::db;
use crate::http::extract::caller::Caller;
use crate::http::problem::{Problem, ValidationError};
use crate::http::responses::NotFoundProblem;
use crate::http::responses::TemplateProblem;
use crate::id::AssetId;

/// A template: an asset whose own modifier composes pictures. `template=` in a modifier applies it.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Template {
    /// Handle of the template.
    #[schema(example = "00000000-0000-7000-8000-000000000001")]
    asset_handle: AssetId,
    /// Name of the template, for `template=`.
    #[schema(example = "card")]
    name: String,
    /// The modifier of the template.
    #[schema(example = "size=600,600&$badge=none&layer=1&src=$badge$")]
    url_modifier: String,
    /// What can be set with `parameters` of an export request, or with `$name=value` in a modifier.
    variables: Vec<TemplateVariable>,
    /// Whether the template shows the image itself: `$object$`.
    uses_object: bool,
}

/// A variable of a template.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TemplateVariable {
    /// Name; not case-sensitive.
    #[schema(example = "badge")]
    name: String,
    /// Value unless another one is set; null: it must be set.
    #[schema(example = "none")]
    default: Option<String>,
}

/// Show a template.
///
/// The variables of an asset's own modifier, with their defaults. To use the template, export other assets with
/// `template=name`, and set the variables with `parameters`.
#[utoipa::path(
    tag = "assets",
    params(("assetHandle" = AssetId, Path, description = "Handle of the template.", example = "00000000-0000-7000-8000-000000000001")),
    responses((status = 200, description = "The template.", body = Template), NotFoundProblem, TemplateProblem)
)]
#[get("/assets/{assetHandle}/template")]
pub async fn show_template(
    state: Data<AppState>,
    caller: Caller,
    handle: Path<AssetId>,
) -> Result<HttpResponse, Problem> {
    let mut connection = state.db.acquire().await.map_err(db::DbError::from)?;
    let asset = db::asset::fetch_asset(&mut connection, caller.company, *handle).await?;
    drop(connection);
    if offprint_modifiers::is_blank(&asset.url_modifier) {
        let detail = "The asset is no template: it has no modifier of its own. Set its `urlModifier`.";
        return Err(Problem::from_errors(vec![ValidationError::new("assetHandle", Code::InvalidValue, detail)]));
    }
    let defaults = offprint_modifiers::list_variables(&asset.url_modifier);
    let mut variables: Vec<TemplateVariable> =
        defaults.into_iter().map(|(name, default)| TemplateVariable { name, default: Some(default) }).collect();
    let mut uses_object = false;
    for name in offprint_modifiers::list_variable_uses(&asset.url_modifier) {
        let is_known = variables.iter().any(|variable| variable.name.eq_ignore_ascii_case(&name));
        match name.eq_ignore_ascii_case("object") {
            true => uses_object = true,
            false if is_known => {}
            false => variables.push(TemplateVariable { name, default: None }),
        }
    }
    variables.retain(|variable| !variable.name.eq_ignore_ascii_case("object"));
    variables.sort_by(|a, b| a.name.cmp(&b.name));
    let (asset_handle, name, url_modifier) = (asset.asset_id, asset.name, asset.url_modifier);
    Ok(HttpResponse::Ok().json(Template { asset_handle, name, url_modifier, variables, uses_object }))
}
