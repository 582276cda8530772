//! Downloads and replaces the original of an asset.

use actix_web::web::{Data, Path, Payload};
use actix_web::{HttpRequest, HttpResponse, put, route};
use futures_util::TryStreamExt;
use offprint_core::Code;

use crate::app::AppState;
use crate::db;
use crate::http::extract::caller::Caller;
use crate::http::file_response::FileResponse;
use crate::http::file_response::FileSource;
use crate::http::limits;
use crate::http::limits::StorageQuota;
use crate::http::problem::Problem;
use crate::http::problem::ValidationError;
use crate::http::resources::assets::asset::Asset;
use crate::http::resources::assets::multipart_upload::stage_file;
use crate::http::resources::assets::multipart_upload::store_original;
use crate::http::responses::ContentProblems;
use crate::http::responses::NotFoundProblem;
use crate::http::responses::UploadProblems;
use crate::id::AssetId;

/// Download an original.
///
/// The bytes as they were uploaded. Resumable with `Range` (one range; a request with several gets the whole file) and
/// `If-Range` with the `ETag`. `Repr-Digest` has the SHA-256.
#[utoipa::path(
    method(get, head),
    path = "/assets/{assetHandle}/content",
    tag = "assets",
    params(
        ("assetHandle" = AssetId, Path, description = "Handle of the asset.", example = "00000000-0000-7000-8000-000000000001"),
        ("Range" = Option<String>, Header, description = "One byte range.", example = "bytes=0-99"),
        ("If-Range" = Option<String>, Header, description = "`ETag` of the part that the client has."),
        ("If-None-Match" = Option<String>, Header, description = "`ETag` of the file that the client has."),
    ),
    responses(
        (status = 200, description = "The whole file.", content_type = "*/*"),
        (status = 206, description = "The requested range.", content_type = "*/*"),
        (status = 304, description = "The client has the current file."),
        ContentProblems,
    )
)]
#[route("/assets/{assetHandle}/content", method = "GET", method = "HEAD")]
pub async fn download_content(
    state: Data<AppState>,
    caller: Caller,
    request: HttpRequest,
    handle: Path<AssetId>,
) -> Result<HttpResponse, Problem> {
    let mut connection = state.db.acquire().await.map_err(db::DbError::from)?;
    let asset = db::asset::fetch_asset(&mut connection, caller.company, *handle).await?;
    drop(connection);
    let Some(digest) = asset.sha256 else { return Err(reject_missing_file()) };
    let download = FileResponse {
        source: FileSource::Blob(digest),
        size: asset.size.unwrap_or_default() as u64,
        etag: digest.to_string(),
        mime: asset.mime.unwrap_or_default(),
        file_name: asset.file_name.unwrap_or(asset.name),
        digest: Some(digest),
        modified: None,
    };
    download.into_response(&request, &state).await
}

/// Replace an original.
///
/// The body is the new file, of any type. Handle, names, folder and modifiers stay; type, size and image properties are
/// detected again. Existing jobs keep the old bytes.
#[utoipa::path(
    tag = "assets",
    params(("assetHandle" = AssetId, Path, description = "Handle of the asset.")),
    request_body(
        content = String,
        content_type = "application/octet-stream",
        description = "The bytes of the new file. Example: `curl -T photo.jpg`.",
        example = json!("A text is a file too.")
    ),
    responses((status = 200, description = "The changed asset.", body = Asset), NotFoundProblem, UploadProblems)
)]
#[put("/assets/{assetHandle}/content")]
pub async fn replace_content(
    state: Data<AppState>,
    caller: Caller,
    handle: Path<AssetId>,
    body: Payload,
) -> Result<HttpResponse, Problem> {
    // Checked before the bytes arrive, so that nobody sends a gigabyte to an asset that does not exist.
    let mut connection = state.db.acquire().await.map_err(db::DbError::from)?;
    let asset = db::asset::fetch_asset(&mut connection, caller.company, *handle).await?;
    drop(connection);
    if asset.kind.is_set() {
        return Err(reject_missing_file());
    }
    let old_size = asset.size.unwrap_or(0);
    let mut quota = StorageQuota::load(&state, caller.company, old_size.unsigned_abs()).await?;
    let convert_error =
        |error| Problem::invalid_parameter("body", format!("The body ended too early: {error}. Nothing was changed."));
    let Some(staged) = stage_file(&state, &mut quota, body.map_err(convert_error)).await? else {
        return Err(Problem::from_errors(vec![ValidationError::new("", Code::EmptyFile, "The body is empty.")]));
    };
    let original = store_original(&state, staged, None).await?;
    let mut transaction = state.db.begin().await.map_err(db::DbError::from)?;
    db::asset::replace_original(&mut transaction, caller.company, *handle, &original).await?;
    if original.size > old_size {
        limits::check_company_limits(&mut transaction, caller.company, &quota.limits).await?;
    }
    let asset = db::asset::fetch_asset(&mut transaction, caller.company, *handle).await?;
    transaction.commit().await.map_err(db::DbError::from)?;
    Ok(HttpResponse::Ok().json(Asset::from(asset)))
}

fn reject_missing_file() -> Problem {
    Problem::new(Code::NotFound, "The asset is a set and has no file of its own.")
}
