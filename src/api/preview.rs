//! One rendered picture, to see a modifier before ordering with it.

use actix_web::http::header;
use actix_web::web::{Data, Path, Query};
use actix_web::{HttpResponse, get};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::api::caller::Caller;
use crate::api::problem::Problem;
use crate::api::responses::{BadModifier, Missing};
use crate::code::{Code, Mistake};
use crate::db::asset::Asset;
use crate::db::{self, image_preset};
use crate::export::modifier::mistake;
use crate::id::AssetId;
use crate::language::{self, Attributes, Macros, Origin, Recipe};
use crate::render::pool::{Ended, Picture};
use crate::state::State;

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
    let mut connection = state.db.acquire().await.map_err(db::Error::from)?;
    let asset = db::asset::fetch(&mut connection, caller.company, *handle).await?;
    let macros = Macros::any_order(image_preset::all(&mut connection, caller.company).await?);
    drop(connection);
    let recipe = understand(&asset, &modifier, &macros, &state.attributes).map_err(Problem::refused)?;
    let mime = recipe.format().mime();
    let picture = render(&state, &asset, recipe).await?;
    Ok(HttpResponse::Ok()
        .content_type(mime)
        .insert_header((header::CACHE_CONTROL, "private, no-cache"))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((header::CONTENT_SECURITY_POLICY, "sandbox"))
        .body(picture))
}

fn understand(asset: &Asset, modifier: &Modifier, macros: &Macros, attributes: &Attributes) -> Result<Recipe, Vec<Mistake>> {
    let order = language::Order {
        before: &asset.url_modifier,
        modifier: modifier.is_modifier.as_deref().unwrap_or_default(),
        export_macro: modifier.r#macro.as_deref(),
        after: &asset.url_post_apply_modifier,
        macros,
        object: &asset.name,
        attributes,
    };
    let place = |origin: &Origin| match origin {
        Origin::Modifier => "is_modifier",
        Origin::ExportMacro | Origin::Macro(_) => "macro",
        Origin::AssetBefore | Origin::AssetAfter => "assetHandle",
    };
    language::recipe(&order)
        .map(|understood| understood.recipe)
        .map_err(|complaints| complaints.iter().map(|complaint| mistake(complaint, place(&complaint.origin))).collect())
}

/// Renders into a temporary file, in the processes that are there for previews.
async fn render(state: &State, asset: &Asset, recipe: Recipe) -> Result<Vec<u8>, Problem> {
    let refused = |code: Code, detail: String| Problem::refused(vec![Mistake::new("assetHandle", code, detail)]);
    let Some(original) = asset.sha256 else {
        return Err(refused(Code::UnsupportedAssetType, "A set has no picture of its own.".into()));
    };
    let blob = db::blob::fetch(&state.db, &original).await?;
    let source = match state.storage.sound(&original, blob.size as u64, blob.crc32 as u32).await {
        Err(error) if error.is_loss() => return Err(Problem::internal(error)),
        source => source?,
    };
    let output = state.storage.scratch().await?;
    let picture = Picture { recipe: recipe.canonical(), output: output.to_path_buf() };
    let rendered = state.renders.previews.render(&source, vec![picture]).await.map_err(Ended::into_failure);
    match rendered.and_then(|answers| answers.into_iter().collect::<Result<Vec<_>, _>>()) {
        Ok(_) => Ok(tokio::fs::read(&output).await.map_err(Problem::internal)?),
        Err(failure) => Err(match failure.code {
            Code::Internal | Code::OriginalMissing => Problem::internal(failure),
            Code::Unavailable => Problem::unavailable(failure),
            code => refused(code, failure.detail),
        }),
    }
}
