//! Previews: renders one asset at once, to try a modifier before an export.

use std::collections::BTreeMap;

use actix_web::http::header;
use actix_web::web::{Data, Path, Query};
use actix_web::{HttpResponse, get};
use bytes::Bytes;
use offprint_core::{Code, Digest};
use offprint_imaging::{RenderError, SourceFiles};
use offprint_modifiers::{Diagnostic, Origin, Recipe};
use offprint_sandbox::{RenderPoolError, RenderTarget};
use offprint_storage::{LocalBlob, StorageError};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::app::AppState;
use crate::app::preview_renders::PreviewError;
use crate::db::capability::Capability;
use crate::db::{self, image_preset};
use crate::http::admission::reject_busy;
use crate::http::extract::caller::Caller;
use crate::http::file_response::reject_corrupt_file;
use crate::http::problem::Problem;
use crate::http::resources::export_jobs::create::convert_refusal;
use crate::http::responses::BusyProblem;
use crate::http::responses::ModifierProblems;
use crate::http::responses::NotFoundProblem;
use crate::id::{AssetId, CompanyId};
use crate::jobs::explain::plan_from_header;
use crate::jobs::modifier_resolution::{ModifierRequest, PinnedModifier, resolve_and_pin};
use crate::jobs::read_asset_header;
use crate::jobs::rendition_resolver::to_validation_error;
use crate::jobs::rights::{self, MAX_REDUCED_PREVIEW_SIDE};
use crate::reason::ValidationError;

/// How to render the preview.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PreviewQuery {
    /// Modifier, percent-encoded as a whole.
    is_modifier: Option<String>,
    /// Image preset, as `$name$`.
    r#macro: Option<String>,
}

/// Preview an asset.
///
/// Renders the asset with the modifier and macro and returns the image that an export would produce. Without the capability
/// `exports:create` a preview has at most 512 pixels a side and half the resolution of the original. Companies take turns;
/// when too many previews of a company wait, the next are refused.
#[utoipa::path(
    tag = "assets",
    operation_id = "previewAsset",
    params(("assetHandle" = AssetId, Path, description = "Handle of the asset."), PreviewQuery),
    responses((status = 200, description = "The rendered image.", content_type = "application/octet-stream"), ModifierProblems, NotFoundProblem, BusyProblem),
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
    let macros = image_preset::list_macros(&mut connection, caller.company).await?;
    drop(connection);
    let original = asset.sha256;
    let PreviewQuery { is_modifier, r#macro: export_macro } = modifier.into_inner();
    let attributes = state.attributes.clone();
    let request = ModifierRequest { modifier: is_modifier, export_macro, asset: Some(asset), macros, attributes };
    let resolved =
        resolve_and_pin(&state.db, &state.compute, caller.company, request).await.map_err(convert_refusal)?;
    let mut pinned = resolved.map_err(|diagnostics| Problem::from_errors(convert_diagnostics(&diagnostics)))?;
    if !caller.has_capability(Capability::ExportsCreate) {
        pinned = check_preview_right(&state, &caller, pinned).await?;
    }
    let recipe = pinned.resolved.recipe;
    let mime = recipe.format().media_type();
    let image = render_preview(&state, &caller, original, recipe).await?;
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

/// Refuses a preview that shows as much as an export would. Returns what was sent.
async fn check_preview_right(
    state: &AppState,
    caller: &Caller,
    pinned: PinnedModifier,
) -> Result<PinnedModifier, Problem> {
    let recipes = state.recipe_context();
    let check = move || {
        let header = pinned.asset.as_ref().and_then(read_asset_header);
        let plan = header.and_then(|header| {
            plan_from_header(&pinned.resolved.recipe, &header, &pinned.reference_headers, &recipes).ok()
        });
        // What cannot be planned cannot be rendered either, and rendering says why.
        let is_allowed = plan.is_none_or(|plan| rights::is_reduced_preview(&plan));
        (pinned, is_allowed)
    };
    let (pinned, is_allowed) = state.compute.run(caller.company, check).await.map_err(Problem::internal)?;
    if is_allowed {
        return Ok(pinned);
    }
    let detail = format!(
        "A preview of this size shows as much as an export, and the API key lacks the capability `exports:create`. Ask for \
         at most {MAX_REDUCED_PREVIEW_SIDE} pixels a side and half the size of the original, such as `wid=100`.",
    );
    let mistake = ValidationError::new("is_modifier", Code::ValueForbidden, detail.clone());
    Err(Problem::new(Code::ValueForbidden, detail).with_errors(vec![mistake]))
}

/// Renders a preview when it is the company's turn, once for all who ask for it at the same time.
async fn render_preview(
    state: &AppState,
    caller: &Caller,
    original: Option<Digest>,
    recipe: Recipe,
) -> Result<Bytes, Problem> {
    let refused =
        |code: Code, detail: String| Problem::from_errors(vec![ValidationError::new("assetHandle", code, detail)]);
    let Some(original) = original else {
        return Err(refused(
            Code::UnsupportedAssetType,
            "A set has no image of its own. Preview one of its members.".into(),
        ));
    };
    let text = recipe.to_canonical_text();
    let key = (caller.company, original, Digest::compute(text.as_bytes()));
    let render = render_to_bytes(state, caller.company, original, recipe, text);
    match state.preview_renders.render_once(key, render).await {
        Ok(image) => Ok(image),
        Err(PreviewError::Overflow(overflow)) => Err(reject_busy(overflow, "previews")),
        Err(PreviewError::Render(failure)) => Err(match failure.code {
            Code::Internal | Code::OriginalMissing => Problem::internal(failure),
            Code::Unavailable => Problem::unavailable(failure),
            Code::CorruptOriginal => reject_corrupt_file(),
            Code::StorageFull => Problem::new(failure.code, failure.detail),
            code => refused(code, failure.detail),
        }),
    }
}

/// Renders into a temporary file, in the render processes reserved for previews.
pub(in crate::http) async fn render_to_bytes(
    state: &AppState,
    company: CompanyId,
    original: Digest,
    recipe: Recipe,
    text: String,
) -> Result<Bytes, RenderError> {
    let source = fetch_verified_file(state, &original).await?;
    let mut referenced = BTreeMap::new();
    for pin in recipe.pins() {
        if let Ok(digest) = pin.parse() {
            referenced.insert(pin.to_owned(), fetch_verified_file(state, &digest).await?);
        }
    }
    let objects = referenced.iter().map(|(pin, file)| (pin.clone(), file.to_path_buf().into())).collect();
    let files = SourceFiles { source: source.to_path_buf().into(), objects };
    let output = state.storage.create_temp_path().await.map_err(convert_storage_error)?;
    let target = RenderTarget { recipe: text, output: output.to_path_buf() };
    let rendered = state.render_pools.previews.render(company.0, files, vec![target]).await;
    rendered.map_err(RenderPoolError::into_render_error)?.into_iter().collect::<Result<Vec<_>, _>>()?;
    Ok(tokio::fs::read(&output).await?.into())
}

/// A blob as a local file whose checksum was verified.
async fn fetch_verified_file(state: &AppState, digest: &Digest) -> Result<LocalBlob, RenderError> {
    let blob = db::blob::fetch_blob(&state.db, digest).await.map_err(|error| match error {
        db::DbError::Unreachable(_) => RenderError::new(Code::Unavailable, error.to_string()),
        error => RenderError::new(Code::Internal, error.to_string()),
    })?;
    match state.storage.open_verified(digest, blob.size as u64, blob.crc32 as u32).await {
        Err(StorageError::Truncated(_) | StorageError::Damaged(_)) => {
            state.report_damaged_blob(digest).await;
            Err(RenderError::new(Code::CorruptOriginal, "The stored original differs from what was uploaded."))
        }
        file => file.map_err(convert_storage_error),
    }
}

fn convert_storage_error(error: StorageError) -> RenderError {
    match error {
        StorageError::Full(_) => RenderError::new(
            Code::StorageFull,
            "The storage is full. Nothing was rendered. Free some space, then retry.",
        ),
        StorageError::Unreachable(_) => RenderError::new(Code::Unavailable, error.to_string()),
        _ => RenderError::new(Code::Internal, error.to_string()),
    }
}
