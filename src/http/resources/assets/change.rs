//! Changes an asset's metadata: names, folder, modifiers.

use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse, patch};
use offprint_core::Code;
use offprint_core::name::{FileName, Folder, normalize_name};
use serde::{Deserialize, Deserializer};
use utoipa::ToSchema;

use crate::app::AppState;
use crate::db::asset::{AssetChange, AssetType, MetadataEdit};
use crate::db::metadata_map::MetadataChange;
use crate::db::{self, image_preset};
use crate::http::extract::body::JsonBody;
use crate::http::extract::caller::Caller;
use crate::http::extract::json::clip_text;
use crate::http::extract::preconditions;
use crate::http::problem::Problem;
use crate::http::problem::{ValidationError, ValidationErrors};
use crate::http::resources::assets::asset::{Asset, lock_unchanged_asset};
use crate::http::resources::modifiers::validation::check_modifier;
use crate::http::responses::BodyProblems;
use crate::http::responses::NotFoundProblem;
use crate::http::responses::PreconditionProblem;
use crate::id::{AssetId, CompanyId};

/// Changes to an asset. Absent fields stay as they are.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChangeAsset {
    /// New name, from which the names of converted files are made. It must be safe as a part of a path.
    #[schema(value_type = String, required = false, max_length = 200)]
    name: Option<String>,
    /// New file name of the original, with its extension. Not for sets.
    #[schema(value_type = String, required = false, max_length = 255)]
    file_name: Option<String>,
    /// New folder, as `a/b`; empty for the top level.
    #[schema(value_type = String, required = false, max_length = 1024)]
    folder: Option<String>,
    /// Modifier to apply before that of a job; null removes it.
    #[serde(default, deserialize_with = "deserialize_present")]
    #[schema(value_type = Option<String>, max_length = 8192)]
    url_modifier: Option<Option<String>>,
    /// Modifier to apply after that of a job; null removes it.
    #[serde(default, deserialize_with = "deserialize_present")]
    #[schema(value_type = Option<String>, max_length = 8192)]
    url_post_apply_modifier: Option<Option<String>>,
    /// Entries of the metadata to set; null removes an entry, and null instead of the object all of them.
    #[serde(default, deserialize_with = "deserialize_present")]
    #[schema(value_type = Option<MetadataChange>)]
    metadata: Option<Option<MetadataChange>>,
}

/// Distinguishes null (`Some(None)`) from an absent field (`None`).
fn deserialize_present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(from: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(from).map(Some)
}

/// Change an asset.
///
/// Changes name, file name, folder, metadata and the asset's own modifiers. To replace the bytes use `PUT …/content`.
/// Existing jobs are not affected.
#[utoipa::path(
    tag = "assets",
    params(
        ("assetHandle" = AssetId, Path, description = "Handle of the asset."),
        ("If-Match" = Option<String>, Header, description = "Only if the asset still has this `ETag`; otherwise 412."),
    ),
    request_body(
        content = ChangeAsset,
        description = "The fields to change.",
        example = json!({"name": "fileToExport", "folder": "", "urlModifier": null})
    ),
    responses((status = 200, description = "The changed asset.", body = Asset), BodyProblems, NotFoundProblem, PreconditionProblem)
)]
#[patch("/assets/{assetHandle}")]
pub async fn change_asset(
    state: Data<AppState>,
    caller: Caller,
    request: HttpRequest,
    handle: Path<AssetId>,
    JsonBody(body, _): JsonBody<ChangeAsset>,
) -> Result<HttpResponse, Problem> {
    for (pointer, modifier) in
        [("/urlModifier", &body.url_modifier), ("/urlPostApplyModifier", &body.url_post_apply_modifier)]
    {
        caller.check_custom_modifier(pointer, modifier.as_ref().and_then(Option::as_deref))?;
    }
    let modifier_errors = body.check_modifiers(&state, caller.company).await?;
    let mut transaction = state.db.begin().await.map_err(db::DbError::from)?;
    let asset = lock_unchanged_asset(&mut transaction, &request, caller.company, *handle).await?;
    let change = body.into_asset_change(asset.kind, modifier_errors)?;
    db::asset::update_asset(&mut transaction, caller.company, *handle, &change).await?;
    let asset = db::asset::fetch_asset(&mut transaction, caller.company, *handle).await?;
    // The change may add entries to those that were there.
    match asset.metadata.check("/metadata") {
        mistakes if mistakes.is_empty() => {}
        mistakes => return Err(Problem::from_errors(mistakes)),
    }
    transaction.commit().await.map_err(db::DbError::from)?;
    let modified = asset.updated_at;
    preconditions::show_changed(HttpResponse::Ok(), &Asset::from(asset), Some(modified))
}

impl ChangeAsset {
    /// The errors of the new modifiers.
    async fn check_modifiers(&self, state: &AppState, company: CompanyId) -> Result<Vec<ValidationError>, Problem> {
        let mut mistakes = Vec::new();
        let modifiers =
            [("/urlModifier", &self.url_modifier), ("/urlPostApplyModifier", &self.url_post_apply_modifier)];
        for (pointer, modifier) in modifiers {
            if let Some(Some(text)) = modifier {
                let mut connection = state.db.acquire().await.map_err(db::DbError::from)?;
                let macros = image_preset::list_macros(&mut connection, company).await?;
                drop(connection);
                mistakes.extend(check_modifier(state, company, pointer, text, macros).await?);
            }
        }
        Ok(mistakes)
    }

    fn into_asset_change(self, kind: AssetType, modifier_errors: Vec<ValidationError>) -> Result<AssetChange, Problem> {
        let mut mistakes = ValidationErrors::default();
        if self.file_name.is_some() && kind.is_set() {
            let detail = "A set has no file of its own. Change its `name` instead.";
            mistakes.push(ValidationError::new("/fileName", Code::InvalidValue, detail));
        }
        mistakes.extend(modifier_errors);
        let metadata = self.metadata.as_ref().and_then(Option::as_ref);
        mistakes.extend(metadata.into_iter().flat_map(|change| change.check("/metadata")));
        let change = AssetChange {
            name: self.name.and_then(|name| check_safe_name("/name", &name, &mut mistakes)),
            file_name: self.file_name.and_then(|name| check_safe_name("/fileName", &name, &mut mistakes)),
            folder: self.folder.and_then(|folder| check_safe_folder("/folder", &folder, &mut mistakes)),
            url_modifier: self.url_modifier.map(Option::unwrap_or_default),
            url_post_apply_modifier: self.url_post_apply_modifier.map(Option::unwrap_or_default),
            metadata: self.metadata.map(|change| change.map_or(MetadataEdit::Clear, MetadataEdit::Merge)),
        };
        if mistakes.is_empty() { Ok(change) } else { Err(Problem::from_errors(mistakes)) }
    }
}

/// Checks a name in a JSON body. Names of uploaded files are made safe silently; here the client can choose another one, so
/// an unsafe name is refused with a safe one as the suggestion.
pub fn check_safe_name(pointer: &str, requested: &str, mistakes: &mut ValidationErrors) -> Option<String> {
    let shown = clip_text(requested);
    let detail = match FileName::sanitize(requested) {
        Ok(name) if name.as_str() == normalize_name(requested) => return Some(name.to_string()),
        Ok(name) => format!("{shown:?} is not a safe file name on every system. Use `{name}`, for example."),
        Err(error) => format!("{shown:?} cannot be a name: {error}."),
    };
    mistakes.push(ValidationError::new(pointer, Code::InvalidValue, detail));
    None
}

/// Checks and normalises a folder in a JSON body.
pub fn check_safe_folder(pointer: &str, requested: &str, mistakes: &mut ValidationErrors) -> Option<String> {
    match Folder::parse(requested) {
        Ok(folder) => Some(folder.as_str().to_owned()),
        Err(detail) => {
            mistakes.push(ValidationError::new(pointer, Code::InvalidValue, detail));
            None
        }
    }
}
