//! One rendered picture, to see a modifier before ordering with it.

use std::collections::BTreeMap;

use actix_web::http::header;
use actix_web::web::{Data, Path, Query};
use actix_web::{HttpResponse, get};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::api::caller::Caller;
use crate::api::download::corrupt;
use crate::api::problem::Problem;
use crate::api::responses::{BadModifier, Missing};
use crate::code::Code;
use crate::reason::Mistake;
use crate::db::asset::Asset;
use crate::db::{self, image_preset};
use crate::digest::Digest;
use crate::export::modifier::{Wish, mistake};
use crate::export::objects::understand;
use crate::id::AssetId;
use crate::language::{Complaint, Macros, Origin, Recipe};
use crate::render::Files;
use crate::render::pool::{Ended, Picture};
use crate::state::State;
use crate::storage::{self, Local};

/// What the picture shall become.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Modifier {
    /// The modifier, percent-encoded as a whole.
    #[param(example = "wid=400&fmt=jpeg")]
    is_modifier: Option<String>,
    /// An image preset, as `$name$`.
    #[param(example = "$test$")]
    r#macro: Option<String>,
}

/// Preview an asset.
///
/// The picture that an export with the same modifier and macro would hand out, rendered while you wait.
#[utoipa::path(
    tag = "assets",
    operation_id = "previewAsset",
    params(("assetHandle" = AssetId, Path, description = "The asset.", example = "00000000-0000-7000-8000-000000000001"), Modifier),
    responses((status = 200, description = "The picture.", content_type = "image/*"), BadModifier, Missing),
)]
#[get("/assets/{assetHandle}/preview")]
pub async fn preview(
    state: Data<State>,
    caller: Caller,
    handle: Path<AssetId>,
    modifier: Query<Modifier>,
) -> Result<HttpResponse, Problem> {
    caller.writes_modifier("is_modifier", modifier.is_modifier.as_deref())?;
    let mut connection = state.db.acquire().await.map_err(db::Error::from)?;
    let asset = db::asset::fetch(&mut connection, caller.company, *handle).await?;
    let macros = Macros::any_order(image_preset::all(&mut connection, caller.company).await?);
    let wish = Wish {
        modifier: modifier.is_modifier.as_deref(),
        export_macro: modifier.r#macro.as_deref(),
        asset: Some(&asset),
        macros: &macros,
        attributes: &state.attributes,
    };
    let understood = understand(&mut connection, caller.company, wish).await?;
    let (understood, _) = understood.map_err(|all| Problem::refused(mistakes(&all)))?;
    drop(connection);
    let recipe = understood.recipe;
    let mime = recipe.format().mime();
    let picture = render(&state, &asset, recipe).await?;
    Ok(HttpResponse::Ok()
        .content_type(mime)
        .insert_header((header::CACHE_CONTROL, "private, no-cache"))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((header::CONTENT_SECURITY_POLICY, "sandbox"))
        .body(picture))
}

fn mistakes(complaints: &[Complaint]) -> Vec<Mistake> {
    let place = |origin: &Origin| match origin {
        Origin::Modifier | Origin::NamedBefore(_) | Origin::NamedAfter(_) => "is_modifier",
        Origin::ExportMacro | Origin::Macro(_) => "macro",
        Origin::AssetBefore | Origin::AssetAfter => "assetHandle",
    };
    complaints.iter().map(|complaint| mistake(complaint, place(&complaint.origin))).collect()
}

/// Renders into a temporary file, in the processes that are there for previews.
async fn render(state: &State, asset: &Asset, recipe: Recipe) -> Result<Vec<u8>, Problem> {
    let refused = |code: Code, detail: String| Problem::refused(vec![Mistake::new("assetHandle", code, detail)]);
    let Some(original) = asset.sha256 else {
        return Err(refused(Code::UnsupportedAssetType, "A set has no picture of its own.".into()));
    };
    let source = sound(state, &original).await?;
    let mut others = BTreeMap::new();
    for pin in recipe.pins() {
        if let Ok(digest) = pin.parse() {
            others.insert(pin.to_owned(), sound(state, &digest).await?);
        }
    }
    let objects = others.iter().map(|(pin, file)| (pin.clone(), file.to_path_buf())).collect();
    let files = Files { source: source.to_path_buf(), objects };
    let output = state.storage.scratch().await?;
    let picture = Picture { recipe: recipe.canonical(), output: output.to_path_buf() };
    let rendered = state.renders.previews.render(files, vec![picture]).await.map_err(Ended::into_failure);
    match rendered.and_then(|answers| answers.into_iter().collect::<Result<Vec<_>, _>>()) {
        Ok(_) => Ok(tokio::fs::read(&output).await.map_err(Problem::internal)?),
        Err(failure) => Err(match failure.code {
            Code::Internal | Code::OriginalMissing => Problem::internal(failure),
            Code::Unavailable => Problem::unavailable(failure),
            code => refused(code, failure.detail),
        }),
    }
}

/// A blob as a local file, after a look at its checksum.
async fn sound(state: &State, digest: &Digest) -> Result<Local, Problem> {
    let blob = db::blob::fetch(&state.db, digest).await?;
    match state.storage.sound(digest, blob.size as u64, blob.crc32 as u32).await {
        Err(storage::Error::Short(_) | storage::Error::Damaged(_)) => {
            state.found_damaged(digest).await;
            Err(corrupt())
        }
        found => Ok(found?),
    }
}
