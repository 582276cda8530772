//! What can be changed of an asset without new bytes.

use actix_web::web::{Data, Path};
use actix_web::{HttpResponse, patch};
use serde::{Deserialize, Deserializer};
use utoipa::ToSchema;

use crate::api::assets::Asset;
use crate::api::body::Body;
use crate::api::caller::Caller;
use crate::api::modifiers::check_modifier;
use crate::api::problem::{Mistake, Problem};
use crate::api::responses::{BadBody, Missing};
use crate::code::Code;
use crate::db::asset::{AssetType, Change};
use crate::db::{self, image_preset};
use crate::id::AssetId;
use crate::language::{Attributes, Macros};
use crate::name::{FileName, Folder};
use crate::state::State;

/// What to change of an asset. A field that is absent stays as it is.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChangeAsset {
    /// A new name: what converted files are called. Safe as a part of a path.
    #[schema(value_type = String, required = false, max_length = 200)]
    name: Option<String>,
    /// A new name for the original, with its extension. Sets have none.
    #[schema(value_type = String, required = false, max_length = 255)]
    file_name: Option<String>,
    /// Another folder, as `a/b`; empty for the top.
    #[schema(value_type = String, required = false, max_length = 1024)]
    folder: Option<String>,
    /// Modifier that stands before a job's; null takes it away.
    #[serde(default, deserialize_with = "said")]
    #[schema(value_type = Option<String>, max_length = 8192)]
    url_modifier: Option<Option<String>>,
    /// Modifier that stands after a job's; null takes it away.
    #[serde(default, deserialize_with = "said")]
    #[schema(value_type = Option<String>, max_length = 8192)]
    url_post_apply_modifier: Option<Option<String>>,
}

/// Keeps null apart from absence.
fn said<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(from).map(Some)
}

/// Change what is said of an asset.
///
/// Name, file name, folder, and the modifiers of its own. Its bytes are replaced by `PUT …/content`. Jobs that were
/// created before keep what they took.
#[utoipa::path(
    tag = "assets",
    params(("assetHandle" = AssetId, Path, description = "The asset.", example = "00000000-0000-7000-8000-000000000001")),
    request_body(
        content = ChangeAsset,
        description = "What to change.",
        example = json!({"name": "fileToExport", "folder": "", "urlModifier": null})
    ),
    responses((status = 200, description = "The asset as it is now.", body = Asset), BadBody, Missing)
)]
#[patch("/assets/{assetHandle}")]
pub async fn change_asset(
    state: Data<State>,
    caller: Caller,
    handle: Path<AssetId>,
    Body(wish, _): Body<ChangeAsset>,
) -> Result<HttpResponse, Problem> {
    for (pointer, said) in
        [("/urlModifier", &wish.url_modifier), ("/urlPostApplyModifier", &wish.url_post_apply_modifier)]
    {
        caller.writes_modifier(pointer, said.as_ref().and_then(Option::as_deref))?;
    }
    let mut transaction = state.db.begin().await.map_err(db::Error::from)?;
    let asset = db::asset::fetch(&mut transaction, caller.company, *handle).await?;
    let macros = Macros::any_order(image_preset::all(&mut transaction, caller.company).await?);
    let change = wish.check(asset.kind, &macros, &state.attributes)?;
    db::asset::change(&mut transaction, caller.company, *handle, &change).await?;
    let asset = db::asset::fetch(&mut transaction, caller.company, *handle).await?;
    transaction.commit().await.map_err(db::Error::from)?;
    Ok(HttpResponse::Ok().json(Asset::from(asset)))
}

impl ChangeAsset {
    fn check(self, kind: AssetType, macros: &Macros, attributes: &Attributes) -> Result<Change, Problem> {
        let mut mistakes = Vec::new();
        if self.file_name.is_some() && kind.is_set() {
            let detail = "A set has no file of its own. Change its `name`.";
            mistakes.push(Mistake::new("/fileName", Code::InvalidValue, detail));
        }
        let modifiers =
            [("/urlModifier", &self.url_modifier), ("/urlPostApplyModifier", &self.url_post_apply_modifier)];
        for (pointer, modifier) in modifiers {
            if let Some(Some(text)) = modifier {
                mistakes.extend(check_modifier(pointer, text, macros, attributes).err().into_iter().flatten());
            }
        }
        let change = Change {
            name: self.name.and_then(|name| safe_name("/name", &name, &mut mistakes)),
            file_name: self.file_name.and_then(|name| safe_name("/fileName", &name, &mut mistakes)),
            folder: self.folder.and_then(|folder| safe_folder("/folder", &folder, &mut mistakes)),
            url_modifier: self.url_modifier.map(Option::unwrap_or_default),
            url_post_apply_modifier: self.url_post_apply_modifier.map(Option::unwrap_or_default),
        };
        if mistakes.is_empty() { Ok(change) } else { Err(Problem::refused(mistakes)) }
    }
}

/// A name that a body chose: refused where an uploaded file's would be changed, because somebody can choose again.
pub fn safe_name(pointer: &str, said: &str, mistakes: &mut Vec<Mistake>) -> Option<String> {
    let detail = match FileName::made_of(said) {
        Ok(name) if name.as_str() == said => return Some(said.to_owned()),
        Ok(name) => format!("{said:?} is not safe as a file name everywhere; `{name}` would be."),
        Err(nothing) => format!("{said:?} cannot be a name: {nothing}."),
    };
    mistakes.push(Mistake::new(pointer, Code::InvalidValue, detail));
    None
}

/// A folder that a body chose, normalised.
pub fn safe_folder(pointer: &str, said: &str, mistakes: &mut Vec<Mistake>) -> Option<String> {
    match Folder::parse(said) {
        Ok(folder) => Some(folder.as_str().to_owned()),
        Err(detail) => {
            mistakes.push(Mistake::new(pointer, Code::InvalidValue, detail));
            None
        }
    }
}
