//! Changes an asset's metadata: names, folder, modifiers, and what modifiers take from it.

use std::collections::BTreeMap;

use actix_web::http::header::HeaderMap;
use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse, patch};
use offprint_core::Code;
use offprint_core::name::{FileName, Folder, normalize_name};
use offprint_modifiers::AssetSettings;
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::app::AppState;
use crate::db::asset::{AssetChange, AssetRow, AssetType, MetadataEdit};
use crate::db::metadata_map::MetadataChange;
use crate::db::{self, image_preset};
use crate::http::extract::body::{JsonBody, parse_body};
use crate::http::extract::caller::Caller;
use crate::http::extract::json::{clip_text, extend_pointer};
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
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
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
    /// Another asset that is the mask of this one, by name or handle; null removes it.
    #[serde(default, deserialize_with = "deserialize_present")]
    #[schema(value_type = Option<String>, max_length = 1200)]
    mask_asset: Option<Option<String>>,
    /// The point that `rotate` turns about and `pos` places, as `x,y` in pixels of the image; null: the centre.
    #[serde(default, deserialize_with = "deserialize_present")]
    #[schema(value_type = Option<String>, max_length = 64, example = "10,20")]
    anchor: Option<Option<String>>,
    /// The resolution that `res=` is divided by; null removes it.
    #[serde(default, deserialize_with = "deserialize_present")]
    #[schema(value_type = Option<f64>)]
    resolution: Option<Option<f64>>,
    /// How thumbnails of this asset are made: `crop`, `fit` or `texture`; null: as the attribute `ThumbType` says.
    #[serde(default, deserialize_with = "deserialize_present")]
    #[schema(value_type = Option<String>, max_length = 16)]
    thumb_type: Option<Option<String>>,
    /// Resolution of thumbnails of the type `texture`; null removes it.
    #[serde(default, deserialize_with = "deserialize_present")]
    #[schema(value_type = Option<f64>)]
    thumb_res: Option<Option<f64>>,
    /// Text that is kept for you; null removes it.
    #[serde(default, deserialize_with = "deserialize_present")]
    #[schema(value_type = Option<String>, max_length = 10000)]
    user_data: Option<Option<String>>,
    /// All named crops: names and modifiers. `$preset$:Large` and `src=asset:Large` ask for the crop `Large`. Null removes
    /// them.
    #[serde(default, deserialize_with = "deserialize_present")]
    #[schema(value_type = Option<BTreeMap<String, String>>, example = json!({"Large": "cropN=0,0.1,1,0.8"}))]
    crops: Option<Option<BTreeMap<String, String>>>,
    /// Entries of the metadata to set; null removes an entry, and null instead of the object all of them.
    #[serde(default, deserialize_with = "deserialize_present")]
    #[schema(value_type = Option<MetadataChange>)]
    metadata: Option<Option<MetadataChange>>,
}

/// Where a text with commands stands, and the text.
type OwnModifier<'a> = (String, &'a str);

/// Distinguishes null (`Some(None)`) from an absent field (`None`).
fn deserialize_present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(from).map(Some)
}

/// Change an asset.
///
/// Changes name, file name, folder, metadata, the asset's own modifiers, and what modifiers take from it: mask, anchor, resolution,
/// type of thumbnails, named crops. To change many assets use `PATCH /assets`. To replace the bytes use `PUT …/content`. Existing jobs
/// are not affected.
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
    let asset = change_unchanged_asset(&state, &caller, request.headers(), *handle, body).await?;
    let modified = asset.updated_at;
    preconditions::show_changed(HttpResponse::Ok(), &Asset::from(asset), Some(modified))
}

/// Changes an asset if the preconditions in `headers` hold.
///
/// # Errors
/// 404 without the asset, 412 when it has changed, 403 and 422 with what is wrong with the change.
pub(in crate::http) async fn change_unchanged_asset(
    state: &AppState,
    caller: &Caller,
    headers: &HeaderMap,
    handle: AssetId,
    body: ChangeAsset,
) -> Result<AssetRow, Problem> {
    for (pointer, modifier) in body.own_modifiers() {
        caller.check_custom_modifier(&pointer, Some(modifier))?;
    }
    let modifier_errors = body.check_modifiers(state, caller.company).await?;
    let mut transaction = state.db.begin().await.map_err(db::DbError::from)?;
    let asset = lock_unchanged_asset(&mut transaction, headers, caller.company, handle).await?;
    let change = body.into_asset_change(&asset, modifier_errors)?;
    db::asset::update_asset(&mut transaction, caller.company, handle, &change).await?;
    let asset = db::asset::fetch_asset(&mut transaction, caller.company, handle).await?;
    // The change may add entries to those that were there.
    match asset.metadata.check("/metadata") {
        mistakes if mistakes.is_empty() => {}
        mistakes => return Err(Problem::from_errors(mistakes)),
    }
    transaction.commit().await.map_err(db::DbError::from)?;
    Ok(asset)
}

impl ChangeAsset {
    /// The new modifiers, those of crops included.
    pub(super) fn own_modifiers(&self) -> impl Iterator<Item = OwnModifier<'_>> {
        let own = [("/urlModifier", &self.url_modifier), ("/urlPostApplyModifier", &self.url_post_apply_modifier)];
        let own = own.into_iter().filter_map(|(pointer, text)| Some((pointer.to_owned(), text.as_ref()?.as_deref()?)));
        let crops = self.crops.iter().flatten().flatten();
        own.chain(crops.map(|(name, text)| (extend_pointer("/crops", name), text.as_str())))
    }

    /// Whether it changes the metadata.
    pub(super) fn has_metadata(&self) -> bool {
        self.metadata.is_some()
    }

    /// The errors of the new modifiers.
    pub(super) async fn check_modifiers(
        &self,
        state: &AppState,
        company: CompanyId,
    ) -> Result<Vec<ValidationError>, Problem> {
        let mut macros = None;
        let mut mistakes = Vec::new();
        for (pointer, text) in self.own_modifiers() {
            if macros.is_none() {
                let mut connection = state.db.acquire().await.map_err(db::DbError::from)?;
                macros = Some(image_preset::list_macros(&mut connection, company).await?);
            }
            let macros = macros.clone().unwrap_or_default();
            mistakes.extend(check_modifier(state, company, &pointer, text, macros).await?);
        }
        Ok(mistakes)
    }

    /// The change of a row.
    ///
    /// # Errors
    /// All mistakes, `modifier_errors` among them.
    fn into_asset_change(
        self,
        asset: &AssetRow,
        modifier_errors: Vec<ValidationError>,
    ) -> Result<AssetChange, Problem> {
        let mut mistakes = ValidationErrors::from(modifier_errors);
        let change = self.to_asset_change(asset.kind, &asset.settings, &mut mistakes);
        if mistakes.is_empty() { Ok(change) } else { Err(Problem::from_errors(mistakes)) }
    }

    /// The change of an asset of this type and with these settings, as far as it is valid. The modifiers are checked apart.
    pub(super) fn to_asset_change(
        &self,
        kind: AssetType,
        settings: &Value,
        mistakes: &mut ValidationErrors,
    ) -> AssetChange {
        if self.file_name.is_some() && kind.is_set() {
            let detail = "A set has no file of its own. Change its `name` instead.";
            mistakes.push(ValidationError::new("/fileName", Code::InvalidValue, detail));
        }
        let metadata = self.metadata.as_ref().and_then(Option::as_ref);
        mistakes.extend(metadata.into_iter().flat_map(|change| change.check("/metadata")));
        AssetChange {
            name: self.name.as_deref().and_then(|name| check_safe_name("/name", name, mistakes)),
            file_name: self.file_name.as_deref().and_then(|name| check_safe_name("/fileName", name, mistakes)),
            folder: self.folder.as_deref().and_then(|folder| check_safe_folder("/folder", folder, mistakes)),
            url_modifier: self.url_modifier.clone().map(Option::unwrap_or_default),
            url_post_apply_modifier: self.url_post_apply_modifier.clone().map(Option::unwrap_or_default),
            settings: self.merge_settings(settings, mistakes),
            metadata: self.metadata.clone().map(|change| change.map_or(MetadataEdit::Clear, MetadataEdit::Merge)),
        }
    }

    /// The settings after the change; none when there is no change to them.
    fn merge_settings(&self, current: &Value, mistakes: &mut ValidationErrors) -> Option<Value> {
        let changes = [
            ("maskAsset", self.mask_asset.as_ref().map(|value| json!(value))),
            ("anchor", self.anchor.as_ref().map(|value| json!(value))),
            ("resolution", self.resolution.as_ref().map(|value| json!(value))),
            ("thumbType", self.thumb_type.as_ref().map(|value| json!(value))),
            ("thumbRes", self.thumb_res.as_ref().map(|value| json!(value))),
            ("userData", self.user_data.as_ref().map(|value| json!(value))),
            ("crops", self.crops.as_ref().map(|value| json!(value))),
        ];
        let mut merged = current.as_object().cloned().unwrap_or_default();
        let mut is_changed = false;
        for (name, value) in changes {
            let Some(value) = value else { continue };
            is_changed = true;
            // As it is written when it is read back: names without blanks, for example.
            match serde_json::from_value::<AssetSettings>(json!({ name: value })) {
                Ok(settings) => match serde_json::to_value(settings).ok().and_then(|all| all.get(name).cloned()) {
                    Some(value) => drop(merged.insert(name.to_owned(), value)),
                    None => drop(merged.remove(name)),
                },
                Err(error) => {
                    mistakes.push(ValidationError::new(format!("/{name}"), Code::InvalidValue, error.to_string()));
                }
            }
        }
        is_changed.then_some(Value::Object(merged))
    }

    /// The record of a file that is uploaded: what is kept with it from the beginning. Its name and folder are sent
    /// otherwise. `pointer` is where the record stands.
    pub(in crate::http) fn to_record(&self, pointer: &str, mistakes: &mut ValidationErrors) -> AssetChange {
        let elsewhere = [
            ("name", self.name.is_some()),
            ("fileName", self.file_name.is_some()),
            ("folder", self.folder.is_some()),
            ("metadata", self.metadata.is_some()),
        ];
        for (name, _) in elsewhere.into_iter().filter(|(_, is_sent)| *is_sent) {
            let detail = "A record has no names, no folder and no metadata. Send them as the file name and as fields of the upload.";
            mistakes.push(ValidationError::new(format!("{pointer}/{name}"), Code::UnknownField, detail));
        }
        let mut own = ValidationErrors::default();
        let change = self.to_asset_change(AssetType::Image, &Value::Null, &mut own);
        for error in own.into_parts().1 {
            mistakes.push(ValidationError { pointer: format!("{pointer}{}", error.pointer), ..error });
        }
        change
    }
}

/// Parses the record of a file that is uploaded, a JSON object with fields of [`ChangeAsset`], and checks its modifiers.
/// `pointer` is where it stands.
///
/// # Errors
/// When it could not be checked. What is wrong with it is added to `mistakes`.
pub(in crate::http) async fn read_record(
    state: &AppState,
    caller: &Caller,
    pointer: &str,
    text: &str,
    mistakes: &mut ValidationErrors,
) -> Result<AssetChange, Problem> {
    let at_pointer =
        |error: ValidationError| ValidationError { pointer: format!("{pointer}{}", error.pointer), ..error };
    let record: ChangeAsset = match parse_body(text.as_bytes()) {
        Ok(record) => record,
        Err(problem) => {
            let errors = problem.into_errors();
            if errors.is_empty() {
                let detail = "This is not a JSON object. Send one such as {\"urlModifier\": \"wid=800\"}.";
                mistakes.push(ValidationError::new(pointer, Code::InvalidValue, detail));
            }
            mistakes.extend(errors.into_iter().map(at_pointer));
            return Ok(AssetChange::default());
        }
    };
    for (field, modifier) in record.own_modifiers() {
        caller.check_custom_modifier(&format!("{pointer}{field}"), Some(modifier))?;
    }
    mistakes.extend(record.check_modifiers(state, caller.company).await?.into_iter().map(at_pointer));
    Ok(record.to_record(pointer, mistakes))
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
