//! The representation of a resumable upload, and the operations to list, show and delete uploads.

use actix_web::http::{Method, header};
use actix_web::web::{Data, Path, Query};
use actix_web::{HttpRequest, HttpResponse, delete, get, route};
use chrono::{DateTime, Utc};
use offprint_core::Digest;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::AppState;
use crate::db::upload;
use crate::http::extract::caller::Caller;
use crate::http::extract::page;
use crate::http::extract::page::Page;
use crate::http::extract::page::PageQuery;
use crate::http::problem::Problem;
use crate::http::resources::assets::registration::run_to_end;
use crate::http::resources::uploads::UPLOAD_LENGTH;
use crate::http::resources::uploads::UPLOAD_METADATA;
use crate::http::resources::uploads::add_tus_version;
use crate::http::resources::uploads::add_upload_headers;
use crate::http::resources::uploads::check_tus_version;
use crate::http::resources::uploads::identify_owner;
use crate::http::resources::uploads::parse_upload_handle;
use crate::http::responses::NotFoundProblem;
use crate::http::responses::QueryProblems;
use crate::http::responses::TusVersionProblem;
use crate::id::{AssetId, DigestSchema, UploadId};

/// A resumable upload.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Upload {
    /// Handle of the upload.
    upload_handle: UploadId,
    /// File name, made safe.
    #[schema(example = "photo.jpg")]
    file_name: String,
    /// Folder of the asset.
    #[schema(example = "spring")]
    folder: String,
    /// Size of the file in bytes.
    length: i64,
    /// Number of bytes received.
    offset: i64,
    /// Expected SHA-256 of the file; null when the client did not send it.
    #[schema(value_type = Option<DigestSchema>)]
    sha256: Option<Digest>,
    /// Modification time of the file; null when the client did not send it.
    last_modified: Option<DateTime<Utc>>,
    /// The asset; null until the upload is complete.
    asset_handle: Option<AssetId>,
    /// When the upload was created.
    created_at: DateTime<Utc>,
    /// When the upload expires unless more bytes arrive. An asset made from it stays.
    expires_at: DateTime<Utc>,
}

impl From<upload::UploadRow> for Upload {
    fn from(upload: upload::UploadRow) -> Self {
        Self {
            upload_handle: upload.upload_id,
            file_name: upload.file_name,
            folder: upload.folder,
            length: upload.length,
            offset: upload.received,
            sha256: upload.sha256,
            last_modified: upload.last_modified,
            asset_handle: upload.asset_id,
            created_at: upload.created_at,
            expires_at: upload.expires_at,
        }
    }
}

/// List resumable uploads.
///
/// The caller's own uploads that have not expired, oldest first. A client that was restarted finds the uploads to continue
/// here.
#[utoipa::path(
    tag = "uploads",
    operation_id = "listUploads",
    params(PageQuery),
    responses((status = 200, description = "One page of uploads.", body = Page<Upload>), QueryProblems),
)]
#[get("/uploads")]
pub async fn list_uploads(
    state: Data<AppState>,
    caller: Caller,
    filters: Query<PageQuery>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let limit = page::parse_limit(filters.limit)?;
    let after = page::parse_cursor(filters.cursor.as_deref(), &*filters, page::parse_single_key)?;
    let rows = upload::list_uploads(&state.db, identify_owner(&caller), after, limit + 1).await?;
    let uploads: Vec<Upload> = rows.into_iter().map(Upload::from).collect();
    Ok(Page::new(uploads, limit, &*filters, |upload| vec![upload.upload_handle.to_string()]).into_response(&request))
}

/// Show a resumable upload.
///
/// Its offset and length in the headers of tus; GET also returns JSON. Only HEAD requires `Tus-Resumable`.
#[utoipa::path(
    method(get, head),
    path = "/uploads/{uploadHandle}",
    tag = "uploads",
    operation_id = "showUpload",
    params(
        ("uploadHandle" = UploadId, Path, description = "Handle of the upload."),
        ("Tus-Resumable" = Option<String>, Header, pattern = "^1[.]0[.]0$", description = "`1.0.0`. Required for HEAD."),
    ),
    responses(
        (status = 200, description = "The upload.", body = Upload, headers(
            ("Upload-Offset" = i64, description = "Number of bytes received."),
            ("Upload-Length" = i64, description = "Size of the file in bytes."),
            ("Upload-Metadata" = String, description = "As it was sent."),
            ("Upload-Expires" = String, description = "When the upload expires; absent when it is complete."),
            ("Asset-Handle" = String, description = "Handle of the asset, when the upload is complete."),
        )),
        NotFoundProblem, TusVersionProblem,
    ),
)]
#[route("/uploads/{uploadHandle}", method = "GET", method = "HEAD")]
pub async fn show_upload(
    state: Data<AppState>,
    caller: Caller,
    path: Path<String>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    if *request.method() == Method::HEAD {
        return check_tus_version(&request, build_upload_response(&state, &caller, &path, false)).await;
    }
    build_upload_response(&state, &caller, &path, true).await.map(add_tus_version)
}

async fn build_upload_response(
    state: &AppState,
    caller: &Caller,
    path: &str,
    as_json: bool,
) -> Result<HttpResponse, Problem> {
    let upload = upload::fetch_upload(&state.db, identify_owner(caller), parse_upload_handle(path)?).await?;
    let mut answer = HttpResponse::Ok();
    add_upload_headers(&mut answer, &upload);
    answer.insert_header((UPLOAD_LENGTH, upload.length.to_string())).insert_header((header::CACHE_CONTROL, "no-store"));
    if !upload.metadata.is_empty() {
        answer.insert_header((UPLOAD_METADATA, upload.metadata.clone()));
    }
    Ok(if as_json { answer.json(Upload::from(upload)) } else { answer.finish() })
}

/// Delete a resumable upload.
///
/// Discards the received bytes. An asset made from the upload stays.
#[utoipa::path(
    tag = "uploads",
    operation_id = "endUpload",
    params(
        ("uploadHandle" = UploadId, Path, description = "Handle of the upload."),
        ("Tus-Resumable" = String, Header, pattern = "^1[.]0[.]0$", description = "`1.0.0`."),
    ),
    responses((status = 204, description = "The upload was deleted."), NotFoundProblem, TusVersionProblem),
)]
#[delete("/uploads/{uploadHandle}")]
pub async fn end_upload(
    state: Data<AppState>,
    caller: Caller,
    path: Path<String>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    check_tus_version(&request, async {
        let (owner, handle, state) = (identify_owner(&caller), parse_upload_handle(&path)?, state.clone());
        run_to_end(caller.company, async move {
            let pieces = upload::delete_upload(&state.db, owner, handle).await?;
            state.remove_unused_blobs(&pieces).await;
            Ok(())
        })
        .await?;
        Ok(HttpResponse::NoContent().finish())
    })
    .await
}
