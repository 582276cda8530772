//! Downloads and replaces the original of an asset.

use actix_web::http::header::{self, HeaderMap};
use actix_web::web::{Data, Path, Payload};
use actix_web::{HttpRequest, HttpResponse, put, route};
use bytes::Bytes;
use futures_util::{Stream, TryStreamExt};
use offprint_core::{Code, Digest};
use offprint_storage::StagedBlob;

use crate::app::original_intake::{inspect_original, stage_original};
use crate::app::{AppState, BlobTransaction};
use crate::db;
use crate::db::asset::Original;
use crate::http::extract::caller::Caller;
use crate::http::extract::preconditions::{Validators, check_write};
use crate::http::file_response::FileResponse;
use crate::http::file_response::FileSource;
use crate::http::limits;
use crate::http::limits::{EffectiveLimits, StorageQuota};
use crate::http::problem::Problem;
use crate::http::problem::ValidationError;
use crate::http::resources::assets::asset::Asset;
use crate::http::resources::assets::registration::run_to_end;
use crate::http::responses::ContentProblems;
use crate::http::responses::NotFoundProblem;
use crate::http::responses::PreconditionProblem;
use crate::http::responses::UploadProblems;
use crate::id::{AssetId, CompanyId};

/// Download an original.
///
/// The bytes as they were uploaded. Resumable with `Range` (one range; a request with several gets the whole file) and
/// `If-Range` with the `ETag`. `Repr-Digest` has the SHA-256.
#[utoipa::path(
    method(get, head),
    path = "/assets/{assetHandle}/content",
    tag = "assets",
    params(
        ("assetHandle" = AssetId, Path, description = "Handle of the asset."),
    ),
    responses(
        (status = 200, description = "The whole file.", content_type = "application/octet-stream"),
        (status = 206, description = "The requested range.", content_type = "application/octet-stream"),
        (status = 307, description = "The file is at this address of the object store, for five minutes \
            (OFFPRINT_REDIRECT_DOWNLOADS).", headers(
                ("Location" = String, description = "Signed URL of the bytes."),
                ("ETag" = String, description = "That of the file here."),
            )),
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
        may_redirect: true,
    };
    download.into_response(&request, &state).await
}

/// Replace an original.
///
/// The body is the new file, of any type. Handle, names, folder and modifiers stay; type, size and image properties are
/// detected again. Existing jobs keep the old bytes.
#[utoipa::path(
    tag = "assets",
    params(
        ("assetHandle" = AssetId, Path, description = "Handle of the asset."),
        ("If-Match" = Option<String>, Header, description = "Only if the file still has this `ETag`; otherwise 412."),
    ),
    request_body(
        content = String,
        content_type = "application/octet-stream",
        description = "The bytes of the new file. Example: `curl -T photo.jpg`.",
        example = json!("A text is a file too.")
    ),
    responses((status = 200, description = "The changed asset.", body = Asset), NotFoundProblem, UploadProblems, PreconditionProblem)
)]
#[put("/assets/{assetHandle}/content")]
pub async fn replace_content(
    state: Data<AppState>,
    caller: Caller,
    request: HttpRequest,
    handle: Path<AssetId>,
    body: Payload,
) -> Result<HttpResponse, Problem> {
    let convert_error =
        |error| Problem::invalid_parameter("body", format!("The body ended too early: {error}. Nothing was changed."));
    let announced = limits::read_announced_bytes(request.headers());
    let bytes = (announced, body.map_err(convert_error));
    let (asset, content) = replace_original(state, &caller, request.headers(), *handle, bytes).await?;
    Ok(HttpResponse::Ok().insert_header((header::ETAG, format!("\"{content}\""))).json(asset))
}

/// Replaces the original of an asset by these bytes, if the preconditions in `headers` hold. The asset, and the digest of its new
/// original.
///
/// # Errors
/// 404 without the asset, 412 when it has another original, 422 for an empty file, and when a limit would be exceeded.
pub(in crate::http) async fn replace_original(
    state: Data<AppState>,
    caller: &Caller,
    headers: &HeaderMap,
    handle: AssetId,
    (announced, bytes): (u64, impl Stream<Item = Result<Bytes, Problem>>),
) -> Result<(Asset, Digest), Problem> {
    // Checked before the bytes arrive, so that nobody sends a gigabyte to an asset that does not exist.
    let mut connection = state.db.acquire().await.map_err(db::DbError::from)?;
    let company = caller.company;
    let asset = db::asset::fetch_asset(&mut connection, company, handle).await?;
    let Some(old) = asset.sha256 else { return Err(reject_missing_file()) };
    check_unchanged(headers, old)?;
    let is_freed = !db::retention::is_original_pinned(&mut connection, company, old).await?;
    drop(connection);
    let freed_bytes = if is_freed { asset.size.unwrap_or(0).unsigned_abs() } else { 0 };
    let mut quota = StorageQuota::load(&state, company, freed_bytes).await?;
    quota.check_file_size(announced).await?;
    limits::check_free_space(&state, announced).await?;
    let Some(staged) = stage_original(&state, &mut quota, bytes).await? else {
        return Err(Problem::from_errors(vec![ValidationError::new("", Code::EmptyFile, "The body is empty.")]));
    };
    let (staged, original) = inspect_original(&state, staged, None).await?;
    let (content, headers) = (original.sha256, headers.clone());
    let limits = quota.hand_over();
    let asset = run_to_end(company, async move {
        let mut transaction = BlobTransaction::begin(&state.db, &state.storage).await?;
        let replaced = replace_stored(&mut transaction, company, handle, (staged, &original), &limits).await;
        // Checked again: another request may have been faster while the bytes arrived.
        let replaced = replaced.and_then(|(asset, old)| check_unchanged(&headers, old).map(|()| (asset, old)));
        let (asset, old) = transaction.end(replaced).await?;
        if old != original.sha256 {
            state.release_original(company, old).await;
        }
        Ok(asset)
    })
    .await?;
    Ok((asset, content))
}

/// Checks the preconditions against the bytes that are to be replaced, which their digest names.
fn check_unchanged(headers: &HeaderMap, current: Digest) -> Result<(), Problem> {
    check_write(headers, Some(&Validators { etag: format!("\"{current}\""), modified: None }))
}

/// Stores and registers a new original. Returns the asset, and the original that it had.
async fn replace_stored(
    transaction: &mut BlobTransaction<'_>,
    company: CompanyId,
    handle: AssetId,
    (staged, original): (StagedBlob, &Original),
    limits: &EffectiveLimits,
) -> Result<(Asset, Digest), Problem> {
    transaction.store(staged).await?;
    let connection = transaction.connection();
    let before = db::limits::find_company_usage(connection, company).await?;
    let old = db::asset::replace_original(connection, company, handle, original).await?;
    // Who has too much already, because a limit was lowered, may still replace a file by a smaller one.
    if db::limits::find_company_usage(connection, company).await?.stored_bytes > before.stored_bytes {
        limits::check_company_limits(connection, company, limits).await?;
    }
    Ok((Asset::from(db::asset::fetch_asset(connection, company, handle).await?), old))
}

fn reject_missing_file() -> Problem {
    Problem::new(Code::NotFound, "The asset is a set and has no file of its own.")
}
