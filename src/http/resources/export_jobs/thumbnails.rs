//! Thumbnails of a job's files, for lists that people look at: small, in one size, made at the first request and kept with
//! the bytes that they show. They count in the render cache and not among the files of the job.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse, get};
use bytes::Bytes;
use offprint_core::{Code, Digest};
use offprint_imaging::{ENGINE_VERSION, SourceFormat};
use offprint_modifiers::{Attributes, Recipe};

use crate::app::AppState;
use crate::app::preview_renders::PreviewError;
use crate::db::job::JobRow;
use crate::db::thumbnail::{self, ThumbnailRow};
use crate::http::admission::reject_busy;
use crate::http::extract::caller::Caller;
use crate::http::file_response::FileResponse;
use crate::http::problem::Problem;
use crate::http::resources::assets::preview::render_to_bytes;
use crate::http::resources::export_jobs::create::convert_refusal;
use crate::http::resources::export_jobs::files::fetch_unexpired_file;
use crate::http::resources::export_jobs::find_visible_job;
use crate::http::responses::{BusyProblem, GoneProblem, NotFoundProblem};
use crate::id::{CompanyId, JobId};
use crate::jobs::modifier_resolution::{ModifierRequest, resolve_alone};

/// Twice as large as it is shown, for sharp screens.
const THUMBNAIL_MODIFIER: &str = "wid=160&hei=160&fit=constrain&fmt=webp-alpha&qlt=75";

/// Media types of which there are thumbnails.
static IMAGE_TYPES: LazyLock<BTreeSet<&'static str>> =
    LazyLock::new(|| SourceFormat::ALL.iter().map(|format| format.mime()).collect());

/// Whether there is a thumbnail of a file with this media type.
pub(in crate::http) fn has_thumbnail(mime: Option<&str>) -> bool {
    mime.is_some_and(|mime| IMAGE_TYPES.contains(mime))
}

/// Show a thumbnail of a file.
///
/// A WebP of at most 160 pixels a side. It is made at the first request; its `ETag` stays the same. For pages: to try a
/// modifier use a preview.
#[utoipa::path(
    tag = "downloads",
    operation_id = "fetchExportThumbnail",
    params(
        ("jobHandle" = JobId, Path, description = "Handle of the job."),
        ("path" = String, Path, description = "Path of the file, as in the list of files. Slashes are not encoded."),
    ),
    responses(
        (status = 200, description = "The thumbnail.", content_type = "image/webp"),
        (status = 304, description = "The client has the current version."),
        NotFoundProblem, GoneProblem, BusyProblem,
    ),
)]
#[get("/export-jobs/{jobHandle}/thumbnails/{path:.*}")]
pub async fn fetch_thumbnail(
    state: Data<AppState>,
    caller: Caller,
    path: Path<(String, String)>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let (job, path) = path.into_inner();
    let job = find_visible_job(&state, &caller, &job).await?;
    serve_thumbnail(&state, caller.company, &job, &path, &request).await
}

/// Serves the thumbnail of a file of a job of this company, which the caller may see.
pub(in crate::http) async fn serve_thumbnail(
    state: &AppState,
    company: CompanyId,
    job: &JobRow,
    path: &str,
    request: &HttpRequest,
) -> Result<HttpResponse, Problem> {
    let file = fetch_unexpired_file(state, company, job, path).await?;
    let source = file.sha256.filter(|_| has_thumbnail(file.mime.as_deref()));
    serve_thumbnail_of(state, company, source.ok_or_else(reject_missing)?, request).await
}

/// Serves the thumbnail of bytes that the company has, as a file or as an original.
pub(in crate::http) async fn serve_thumbnail_of(
    state: &AppState,
    company: CompanyId,
    source: Digest,
    request: &HttpRequest,
) -> Result<HttpResponse, Problem> {
    let (mime, name) = ("image/webp", "thumbnail.webp");
    let response = match thumbnail::find_thumbnail(&state.db, company, &source, ENGINE_VERSION).await? {
        Some(ThumbnailRow { sha256, size }) => FileResponse::from_blob(sha256, size, mime, name),
        None => match make_thumbnail(state, company, source).await? {
            MadeThumbnail::Kept(ThumbnailRow { sha256, size }) => FileResponse::from_blob(sha256, size, mime, name),
            MadeThumbnail::NotKept(image) => FileResponse::from_bytes(image, mime, name),
        },
    };
    response.into_response(request, state).await
}

fn reject_missing() -> Problem {
    Problem::new(
        Code::NotFound,
        "There is no thumbnail of this file: it is not an image that can be rendered, or not ready.",
    )
}

/// A thumbnail that was just rendered.
enum MadeThumbnail {
    Kept(ThumbnailRow),
    /// The company has no room for it.
    NotKept(Bytes),
}

/// Renders a thumbnail when it is the company's turn, once for all who ask at the same time, and keeps it if there is room.
async fn make_thumbnail(state: &AppState, company: CompanyId, source: Digest) -> Result<MadeThumbnail, Problem> {
    let recipe = resolve_recipe(state, company).await?;
    let text = recipe.to_canonical_text();
    let key = (company, source, Digest::compute(text.as_bytes()));
    let render = render_to_bytes(state, company, source, recipe, text);
    let image = match state.thumbnail_renders.render_once(key, render).await {
        Ok(image) => image,
        Err(PreviewError::Overflow(overflow)) => return Err(reject_busy(overflow, "thumbnails")),
        Err(PreviewError::Render(failure)) => {
            return Err(match failure.code {
                Code::Internal | Code::OriginalMissing => Problem::internal(failure),
                Code::Unavailable | Code::StorageFull => Problem::unavailable(failure),
                // What cannot be rendered has none.
                _ => reject_missing(),
            });
        }
    };
    let staged = state.storage.stage_bytes(image.to_vec()).await?;
    let row = ThumbnailRow { sha256: staged.digest, size: staged.size as i64 };
    let is_kept = state.keep_thumbnail(company, &source, ENGINE_VERSION, staged).await?;
    Ok(if is_kept { MadeThumbnail::Kept(row) } else { MadeThumbnail::NotKept(image) })
}

async fn resolve_recipe(state: &AppState, company: CompanyId) -> Result<Recipe, Problem> {
    // The file that is shown has its watermark already.
    let attributes = Attributes { keep_rights: false, watermark: None, ..state.attributes.as_ref().clone() };
    let request = ModifierRequest {
        modifier: Some(THUMBNAIL_MODIFIER.to_owned()),
        export_macro: None,
        asset: None,
        macros: Vec::new(),
        attributes: attributes.into(),
    };
    let resolved = resolve_alone(&state.compute, company, request).await.map_err(convert_refusal)?;
    let resolved = resolved.map_err(|diagnostics| Problem::internal(format!("{diagnostics:?}")))?;
    Ok(resolved.recipe)
}
