//! Multipart uploads: each file is streamed into the storage while it is hashed; all files become assets, or none.
//!
//! ```text
//! received_parts    reads the parts of the form (part_headers, text_field) and stages its files
//! part_values       says which file each text is for
//! registration      makes assets of the files, in one transaction
//! ```
//!
//! What stages a file and inspects it is shared with all that becomes an original: `app::original_intake`.

use actix_multipart::Multipart;
use actix_web::http::header::HeaderMap;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse, post};
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::app::original_intake::inspect_original;
use crate::app::{AppState, BlobTransaction};
use crate::db::asset::NewAsset;
use crate::db::idempotency::IdempotencyRow;
use crate::http::extract::caller::Caller;
use crate::http::extract::idempotency::IdempotencyKey;
use crate::http::limits;
use crate::http::limits::StorageQuota;
use crate::http::problem::Problem;
use crate::http::resources::assets::part_headers::open_form;
use crate::http::resources::assets::received_parts::MultipartUpload;
use crate::http::resources::assets::registration::{
    UploadResponse, UploadResult, compute_request_digest, register_once, run_to_end,
};
use crate::http::responses::{IdempotencyProblem, UploadProblems};
use crate::id::AssetId;

/// The parts of an upload, read in order: `folder`, `lastModified`, `metadata` and `record` apply to the files that follow
/// them; the only one of its name, when it stands behind all files, to all of them.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "only shown in the document: parts are read one after the other")]
#[schema(rename_all = "camelCase")]
pub struct UploadForm {
    /// Folder for the files that follow, as `a/b`; behind the last file, for all files. Default: the top level.
    // Swagger UI sends the example. Without one it would send the word `string`.
    #[schema(required = false, example = "")]
    folder: String,
    /// Modification time of the files that follow (RFC 3339), or of all files when it is behind the last one; used for them
    /// in archives. Empty is the same as absent.
    #[schema(required = false, example = "")]
    last_modified: String,
    /// Texts of your own for the files that follow, or for all files when it is behind the last one, as a JSON object such as
    /// `{"order": "A-1042"}`. Empty is the same as absent.
    #[schema(required = false, example = "")]
    metadata: String,
    /// What is kept with the files that follow, or with all files when it is behind the last one: a JSON object with fields of
    /// `PATCH /assets/{assetHandle}`, but no names and no folder, such as `{"maskAsset": "masks/shoe", "anchor": "10,20"}`.
    #[schema(required = false, example = "")]
    record: String,
    /// One or many files. The name is taken from the part, the type is detected from the bytes.
    // No `min_items`: what openapi-generator writes in Go to check it does not compile.
    #[schema(value_type = Vec<String>, format = Binary)]
    file: Vec<u8>,
}

/// Upload files.
///
/// Creates an asset for each file: for all of them, or for none when one is refused. Files of any type are accepted. Equal
/// bytes are stored once. File names are made safe: directories, control characters and names reserved by some operating
/// system are removed.
#[utoipa::path(
    tag = "assets",
    request_body(
        content = UploadForm,
        content_type = "multipart/form-data",
        description = "The files. Example: `curl -F folder=spring/shoes -F file=@a.jpg -F file=@b.jpg`."
    ),
    responses(
        (status = 201, description = "The assets were created.", body = UploadResult,
         headers(("Location" = String, description = "URL of the asset, when there is exactly one."))),
        UploadProblems, IdempotencyProblem,
    )
)]
#[post("/assets")]
pub async fn upload_assets(
    state: Data<AppState>,
    caller: Caller,
    key: IdempotencyKey,
    request: HttpRequest,
    body: Payload,
) -> Result<HttpResponse, Problem> {
    if !request.query_string().is_empty() {
        let detail = "This operation has no query parameters. Send `folder`, `lastModified`, `metadata` and `record` as parts of the form.";
        return Err(Problem::invalid_parameter("query", detail));
    }
    let response = receive_assets(state, caller, key, request.headers(), open_form(&request, body)).await?;
    Ok(response.into_response())
}

/// Makes assets of the files in the parts of a form: of all of them, or of none when one is refused.
pub(in crate::http) async fn receive_assets(
    state: Data<AppState>,
    caller: Caller,
    key: IdempotencyKey,
    headers: &HeaderMap,
    parts: Multipart,
) -> Result<UploadResponse, Problem> {
    let mut quota = match key.find_earlier(&state.db, &caller).await? {
        // It creates nothing, and the assets that it repeats may be what fills the quota.
        Some(earlier) => StorageQuota::load(&state, caller.company, count_stored_bytes(&earlier)).await?,
        None => StorageQuota::for_assets(&state, caller.company).await?,
    };
    limits::check_free_space(&state, limits::read_announced_bytes(headers)).await?;
    let mut upload = MultipartUpload::receive(&state, &mut quota, parts).await?;
    upload.read_records(&state, &caller).await?;
    let files = upload.finish()?;
    let (mut new, mut blobs) = (Vec::with_capacity(files.len()), Vec::with_capacity(files.len()));
    for file in files {
        let (staged, original) = inspect_original(&state, file.staged, file.last_modified).await?;
        let (name, file_name) = (file.name.stem().to_owned(), file.name.to_string());
        let (asset_id, folder, metadata, record) = (AssetId::new(), file.folder, file.metadata, file.record);
        new.push(NewAsset { asset_id, name, file_name, folder, metadata, original, record });
        blobs.push(staged);
    }
    blobs.sort_by_key(|staged| staged.digest.to_bytes());
    let limits = quota.hand_over();
    let company = caller.company;
    let digest = compute_request_digest(&new);
    run_to_end(company, async move {
        let mut transaction = BlobTransaction::begin(&state.db, &state.storage).await?;
        let registered = register_once(&mut transaction, &caller, (&key, digest), (&new, blobs), &limits).await;
        transaction.end(registered).await
    })
    .await
}

/// The bytes of the assets that an earlier upload created.
fn count_stored_bytes(earlier: &IdempotencyRow) -> u64 {
    let assets = earlier.answer.get("assets").and_then(Value::as_array);
    assets.into_iter().flatten().filter_map(|asset| asset.get("size")?.as_u64()).sum()
}
