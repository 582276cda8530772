//! Uploads as clients see them; list, show, end.

use actix_web::http::{Method, header};
use actix_web::web::{Data, Path, Query};
use actix_web::{HttpRequest, HttpResponse, delete, get, route};
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::caller::Caller;
use crate::api::page::{self, Page, PageQuery};
use crate::api::problem::Problem;
use crate::api::responses::{BadQuery, BadVersion, Missing};
use crate::api::uploads::{UPLOAD_LENGTH, UPLOAD_METADATA, handle, owner, speaking, spoken, tell};
use crate::db::upload;
use crate::digest::Digest;
use crate::id::{AssetId, DigestSchema, UploadId};
use crate::state::State;

/// A file that comes in pieces.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Upload {
    /// Its handle.
    upload_handle: UploadId,
    /// The file's name, made safe.
    #[schema(example = "photo.jpg")]
    file_name: String,
    /// The folder for the asset.
    #[schema(example = "spring")]
    folder: String,
    /// Bytes of the whole.
    length: i64,
    /// Bytes that are there.
    offset: i64,
    /// What the whole must have; null where the client did not say it.
    #[schema(value_type = Option<DigestSchema>)]
    sha256: Option<Digest>,
    /// When the file was last changed, where the client said it.
    last_modified: Option<DateTime<Utc>>,
    /// The asset that was made of it; null until all is there.
    asset_handle: Option<AssetId>,
    /// When it was begun.
    created_at: DateTime<Utc>,
    /// When it is forgotten, unless more comes. The asset stays.
    expires_at: DateTime<Utc>,
}

impl From<upload::Upload> for Upload {
    fn from(upload: upload::Upload) -> Self {
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

/// List one's uploads in pieces.
///
/// Those that are not forgotten, in the order in which they were begun: a client that was started again finds here what it
/// can go on with. Each user sees his own.
#[utoipa::path(
    tag = "uploads",
    operation_id = "listUploads",
    params(PageQuery),
    responses((status = 200, description = "One page of uploads.", body = Page<Upload>), BadQuery),
)]
#[get("/uploads")]
pub async fn list_uploads(
    state: Data<State>,
    caller: Caller,
    filters: Query<PageQuery>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let limit = page::limit(filters.limit)?;
    let after = page::after(filters.cursor.as_deref(), &*filters, page::only)?;
    let found = upload::list(&state.db, owner(&caller), after, limit + 1).await?;
    let shown: Vec<Upload> = found.into_iter().map(Upload::from).collect();
    Ok(Page::new(shown, limit, &*filters, |upload| vec![upload.upload_handle.to_string()]).answer(&request))
}

/// Show an upload in pieces.
///
/// How far it is, in tus' headers and with GET also as JSON. `Tus-Resumable` is asked of HEAD only.
#[utoipa::path(
    method(get, head),
    path = "/uploads/{uploadHandle}",
    tag = "uploads",
    operation_id = "showUpload",
    params(
        ("uploadHandle" = String, Path, description = "The upload."),
        ("Tus-Resumable" = Option<String>, Header, pattern = "^1[.]0[.]0$", description = "`1.0.0`; HEAD must have it."),
    ),
    responses(
        (status = 200, description = "The upload.", body = Upload, headers(
            ("Upload-Offset" = i64, description = "Bytes that are there."),
            ("Upload-Length" = i64, description = "Bytes of the whole."),
            ("Upload-Metadata" = String, description = "As it was sent."),
            ("Upload-Expires" = String, description = "When it is forgotten; absent when all is there."),
            ("Asset-Handle" = String, description = "The asset that was made of it, when all is there."),
        )),
        Missing, BadVersion,
    ),
)]
#[route("/uploads/{uploadHandle}", method = "GET", method = "HEAD")]
pub async fn show_upload(
    state: Data<State>,
    caller: Caller,
    path: Path<String>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    if *request.method() == Method::HEAD {
        return speaking(&request, shown(&state, &caller, &path, false)).await;
    }
    shown(&state, &caller, &path, true).await.map(spoken)
}

async fn shown(state: &State, caller: &Caller, path: &str, as_json: bool) -> Result<HttpResponse, Problem> {
    let upload = upload::find(&state.db, owner(caller), handle(path)?).await?;
    let mut answer = HttpResponse::Ok();
    tell(&mut answer, &upload);
    answer.insert_header((UPLOAD_LENGTH, upload.length.to_string())).insert_header((header::CACHE_CONTROL, "no-store"));
    if !upload.metadata.is_empty() {
        answer.insert_header((UPLOAD_METADATA, upload.metadata.clone()));
    }
    Ok(if as_json { answer.json(Upload::from(upload)) } else { answer.finish() })
}

/// End an upload in pieces.
///
/// What came of it is forgotten. An asset that was made of it stays.
#[utoipa::path(
    tag = "uploads",
    operation_id = "endUpload",
    params(
        ("uploadHandle" = String, Path, description = "The upload."),
        ("Tus-Resumable" = String, Header, pattern = "^1[.]0[.]0$", description = "`1.0.0`."),
    ),
    responses((status = 204, description = "It is forgotten."), Missing, BadVersion),
)]
#[delete("/uploads/{uploadHandle}")]
pub async fn end_upload(
    state: Data<State>,
    caller: Caller,
    path: Path<String>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    speaking(&request, async {
        upload::remove(&state.db, owner(&caller), handle(&path)?).await?;
        Ok(HttpResponse::NoContent().finish())
    })
    .await
}
