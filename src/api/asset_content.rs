//! The original of an asset: hand it out, replace it.

use actix_web::web::{Data, Path, Payload};
use actix_web::{HttpRequest, HttpResponse, put, route};
use futures_util::TryStreamExt;

use crate::api::assets::Asset;
use crate::api::caller::Caller;
use crate::api::download::{Download, Source};
use crate::api::limits::{self, Room};
use crate::api::problem::{Mistake, Problem};
use crate::api::responses::{BadContent, BadUpload, Missing};
use crate::api::upload::{keep, stage};
use crate::code::Code;
use crate::db;
use crate::id::AssetId;
use crate::state::State;

/// Download an original.
///
/// The bytes as they were uploaded. Resumable: one range, also a suffix, `If-Range` with the `ETag`; several ranges at
/// once get the whole. `Repr-Digest` tells the SHA-256.
#[utoipa::path(
    method(get, head),
    path = "/assets/{assetHandle}/content",
    tag = "assets",
    params(
        ("assetHandle" = AssetId, Path, description = "The asset.", example = "00000000-0000-7000-8000-000000000001"),
        ("Range" = Option<String>, Header, description = "One range of bytes.", example = "bytes=0-99"),
        ("If-Range" = Option<String>, Header, description = "The `ETag` of the part that is there already."),
        ("If-None-Match" = Option<String>, Header, description = "The `ETag` of what is there already."),
    ),
    responses(
        (status = 200, description = "All bytes.", content_type = "*/*"),
        (status = 206, description = "The range.", content_type = "*/*"),
        (status = 304, description = "It is what the client has."),
        BadContent,
    )
)]
#[route("/assets/{assetHandle}/content", method = "GET", method = "HEAD")]
pub async fn download_content(
    state: Data<State>,
    caller: Caller,
    request: HttpRequest,
    handle: Path<AssetId>,
) -> Result<HttpResponse, Problem> {
    let mut connection = state.db.acquire().await.map_err(db::Error::from)?;
    let asset = db::asset::fetch(&mut connection, caller.company, *handle).await?;
    drop(connection);
    let Some(digest) = asset.sha256 else { return Err(no_file()) };
    let download = Download {
        source: Source::Blob(digest),
        size: asset.size.unwrap_or_default() as u64,
        etag: digest.to_string(),
        mime: asset.mime.unwrap_or_default(),
        file_name: asset.file_name.unwrap_or(asset.name),
        digest: Some(digest),
        modified: None,
    };
    download.answer(&request, &state).await
}

/// Replace an original.
///
/// The body is the new file as it is, of any kind. Handle, names, folder and modifiers stay; type, size, width and
/// height are told anew. Jobs that were created before keep the old bytes.
#[utoipa::path(
    tag = "assets",
    params(("assetHandle" = AssetId, Path, description = "The asset.")),
    request_body(
        content = String,
        content_type = "application/octet-stream",
        description = "The new bytes, such as `curl -T photo.jpg`.",
        example = json!("A text is a file too.")
    ),
    responses((status = 200, description = "The asset as it is now.", body = Asset), Missing, BadUpload)
)]
#[put("/assets/{assetHandle}/content")]
pub async fn replace_content(
    state: Data<State>,
    caller: Caller,
    handle: Path<AssetId>,
    body: Payload,
) -> Result<HttpResponse, Problem> {
    // Asked before the bytes come, so that nobody sends a gigabyte to an asset that is not there.
    let mut connection = state.db.acquire().await.map_err(db::Error::from)?;
    let asset = db::asset::fetch(&mut connection, caller.company, *handle).await?;
    drop(connection);
    if asset.kind.is_set() {
        return Err(no_file());
    }
    let before = asset.size.unwrap_or(0);
    let mut room = Room::of(&state, caller.company, before.unsigned_abs()).await?;
    let cut = |error| Problem::parameter("body", format!("The body ended too early: {error}. Nothing was changed."));
    let Some(staged) = stage(&state, &mut room, body.map_err(cut)).await? else {
        return Err(Problem::refused(vec![Mistake::new("", Code::EmptyFile, "The body has no bytes.")]));
    };
    let original = keep(&state, staged, None).await?;
    let mut transaction = state.db.begin().await.map_err(db::Error::from)?;
    db::asset::replace(&mut transaction, caller.company, *handle, &original).await?;
    if original.size > before {
        limits::check(&mut transaction, caller.company, &room.allowed).await?;
    }
    let asset = db::asset::fetch(&mut transaction, caller.company, *handle).await?;
    transaction.commit().await.map_err(db::Error::from)?;
    Ok(HttpResponse::Ok().json(Asset::from(asset)))
}

fn no_file() -> Problem {
    Problem::new(Code::NotFound, "The asset is a set: it has members, but no file of its own.")
}
