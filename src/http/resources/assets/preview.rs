//! Previews: renders one asset at once, to try a modifier before an export.

use std::collections::BTreeMap;

use actix_web::http::header;
use actix_web::web::{Data, Path, Query};
use actix_web::{HttpResponse, get};
use offprint_core::{Code, Digest};
use offprint_imaging::SourceFiles;
use offprint_modifiers::{Diagnostic, Macros, Origin, Recipe};
use offprint_sandbox::{RenderPoolError, RenderTarget};
use offprint_storage::LocalBlob;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::app::AppState;
use crate::db::asset::AssetRow;
use crate::db::{self, image_preset};
use crate::http::extract::caller::Caller;
use crate::http::file_response::reject_corrupt_file;
use crate::http::problem::Problem;
use crate::http::responses::ModifierProblems;
use crate::http::responses::NotFoundProblem;
use crate::id::AssetId;
use crate::jobs::references::resolve_and_pin;
use crate::jobs::rendition_resolver::ModifierSpec;
use crate::jobs::rendition_resolver::to_validation_error;
use crate::reason::ValidationError;

/// How to render the preview.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PreviewQuery {
    /// Modifier, percent-encoded as a whole.
    #[param(example = "wid=400&fmt=jpeg")]
    is_modifier: Option<String>,
    /// Image preset, as `$name$`.
    #[param(example = "$test$")]
    r#macro: Option<String>,
}

/// Preview an asset.
///
/// Renders the asset with the modifier and macro and returns the image that an export would produce.
#[utoipa::path(
    tag = "assets",
    operation_id = "previewAsset",
    params(("assetHandle" = AssetId, Path, description = "Handle of the asset.", example = "00000000-0000-7000-8000-000000000001"), PreviewQuery),
    responses((status = 200, description = "The rendered image.", content_type = "image/*"), ModifierProblems, NotFoundProblem),
)]
#[get("/assets/{assetHandle}/preview")]
pub async fn preview_asset(
    state: Data<AppState>,
    caller: Caller,
    handle: Path<AssetId>,
    modifier: Query<PreviewQuery>,
) -> Result<HttpResponse, Problem> {
    caller.check_custom_modifier("is_modifier", modifier.is_modifier.as_deref())?;
    let mut connection = state.db.acquire().await.map_err(db::DbError::from)?;
    let asset = db::asset::fetch_asset(&mut connection, caller.company, *handle).await?;
    let macros = Macros::from_unordered(image_preset::list_macros(&mut connection, caller.company).await?);
    let spec = ModifierSpec {
        modifier: modifier.is_modifier.as_deref(),
        export_macro: modifier.r#macro.as_deref(),
        asset: Some(&asset),
        macros: &macros,
        attributes: &state.attributes,
    };
    let resolved = resolve_and_pin(&mut connection, caller.company, spec).await?;
    let (resolved, _) = resolved.map_err(|diagnostics| Problem::from_errors(convert_diagnostics(&diagnostics)))?;
    drop(connection);
    let recipe = resolved.recipe;
    let mime = recipe.format().media_type();
    let image = render_preview(&state, &asset, recipe).await?;
    Ok(HttpResponse::Ok()
        .content_type(mime)
        .insert_header((header::CACHE_CONTROL, "private, no-cache"))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((header::CONTENT_SECURITY_POLICY, "sandbox"))
        .body(image))
}

fn convert_diagnostics(diagnostics: &[Diagnostic]) -> Vec<ValidationError> {
    let parameter = |origin: &Origin| match origin {
        Origin::Modifier | Origin::NamedBefore(_) | Origin::NamedAfter(_) | Origin::Watermark => "is_modifier",
        Origin::ExportMacro | Origin::Macro(_) => "macro",
        Origin::AssetBefore | Origin::AssetAfter | Origin::Crop(_) => "assetHandle",
    };
    diagnostics.iter().map(|diagnostic| to_validation_error(diagnostic, parameter(&diagnostic.origin))).collect()
}

/// Renders into a temporary file, in the render processes reserved for previews.
async fn render_preview(state: &AppState, asset: &AssetRow, recipe: Recipe) -> Result<Vec<u8>, Problem> {
    let refused =
        |code: Code, detail: String| Problem::from_errors(vec![ValidationError::new("assetHandle", code, detail)]);
    let Some(original) = asset.sha256 else {
        return Err(refused(
            Code::UnsupportedAssetType,
            "A set has no image of its own. Preview one of its members.".into(),
        ));
    };
    let source = fetch_verified_file(state, &original).await?;
    let mut referenced = BTreeMap::new();
    for pin in recipe.pins() {
        if let Ok(digest) = pin.parse() {
            referenced.insert(pin.to_owned(), fetch_verified_file(state, &digest).await?);
        }
    }
    let objects = referenced.iter().map(|(pin, file)| (pin.clone(), file.to_path_buf())).collect();
    let files = SourceFiles { source: source.to_path_buf(), objects };
    let output = state.storage.create_temp_path().await?;
    let target = RenderTarget { recipe: recipe.to_canonical_text(), output: output.to_path_buf() };
    let rendered =
        state.render_pools.previews.render(files, vec![target]).await.map_err(RenderPoolError::into_render_error);
    match rendered.and_then(|answers| answers.into_iter().collect::<Result<Vec<_>, _>>()) {
        Ok(_) => Ok(tokio::fs::read(&output).await.map_err(Problem::internal)?),
        Err(failure) => Err(match failure.code {
            Code::Internal | Code::OriginalMissing => Problem::internal(failure),
            Code::Unavailable => Problem::unavailable(failure),
            code => refused(code, failure.detail),
        }),
    }
}

/// A blob as a local file whose checksum was verified.
async fn fetch_verified_file(state: &AppState, digest: &Digest) -> Result<LocalBlob, Problem> {
    let blob = db::blob::fetch_blob(&state.db, digest).await?;
    match state.storage.open_verified(digest, blob.size as u64, blob.crc32 as u32).await {
        Err(offprint_storage::StorageError::Truncated(_) | offprint_storage::StorageError::Damaged(_)) => {
            state.report_damaged_blob(digest).await;
            Err(reject_corrupt_file())
        }
        file => Ok(file?),
    }
}
