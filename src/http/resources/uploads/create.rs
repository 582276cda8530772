//! Creates a resumable upload, and describes which parts of the tus protocol are supported.

use actix_web::http::{StatusCode, header};
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, post, route};
use offprint_core::{Code, Digest};

use crate::app::AppState;
use crate::db;
use crate::db::idempotency::IdempotencyRow;
use crate::db::upload::{self, NewUpload};
use crate::http::address::write_address;
use crate::http::extract::caller::Caller;
use crate::http::extract::idempotency::IdempotencyKey;
use crate::http::limits::{self, StorageQuota};
use crate::http::problem::Problem;
use crate::http::problem::ValidationError;
use crate::http::resources::uploads::PROTOCOL_VERSION;
use crate::http::resources::uploads::TUS_EXTENSIONS;
use crate::http::resources::uploads::TUS_VERSION;
use crate::http::resources::uploads::UPLOAD_LENGTH;
use crate::http::resources::uploads::UPLOAD_METADATA;
use crate::http::resources::uploads::add_upload_headers;
use crate::http::resources::uploads::check_tus_version;
use crate::http::resources::uploads::checksum;
use crate::http::resources::uploads::identify_owner;
use crate::http::resources::uploads::metadata;
use crate::http::resources::uploads::read_byte_count;
use crate::http::resources::uploads::show::Upload;
use crate::http::responses::IdempotencyProblem;
use crate::http::responses::TusVersionProblem;
use crate::http::responses::UploadCreationProblems;

/// Describe tus support.
///
/// The response headers have the tus version, the extensions, the checksum algorithms and the maximum file size.
#[utoipa::path(
    options,
    path = "/uploads",
    tag = "uploads",
    operation_id = "describeUploads",
    responses((status = 204, description = "See the headers.", headers(
        ("Tus-Version" = String, description = "`1.0.0`."),
        ("Tus-Extension" = String, description = "`creation,expiration,checksum,termination`."),
        ("Tus-Checksum-Algorithm" = String, description = "`sha256,sha1`."),
        ("Tus-Max-Size" = u64, description = "Maximum file size in bytes; a company may have a lower limit. Absent when there is none."),
    ))),
)]
#[route("/uploads", method = "OPTIONS")]
pub async fn describe_uploads(state: Data<AppState>) -> HttpResponse {
    let mut answer = HttpResponse::NoContent();
    answer
        .insert_header(("tus-resumable", PROTOCOL_VERSION))
        .insert_header((TUS_VERSION, PROTOCOL_VERSION))
        .insert_header(("tus-extension", TUS_EXTENSIONS))
        .insert_header(("tus-checksum-algorithm", checksum::CHECKSUM_ALGORITHMS));
    if state.settings.max_upload > 0 {
        answer.insert_header(("tus-max-size", state.settings.max_upload.to_string()));
    }
    answer.finish()
}

/// Create a resumable upload.
///
/// For large files and unreliable connections (tus 1.0). Send length and name of the file, then its bytes with PATCH to the
/// URL in `Location`, in one or many parts. After an interruption HEAD returns the offset to continue at. A complete upload
/// becomes an asset, as with `POST /assets`. An upload that receives no bytes for a day expires.
#[utoipa::path(
    tag = "uploads",
    operation_id = "createUpload",
    params(
        ("Tus-Resumable" = String, Header, pattern = "^1[.]0[.]0$", description = "`1.0.0`."),
        ("Upload-Length" = i64, Header, minimum = 1, description = "Size of the file in bytes. It cannot be sent later."),
        ("Upload-Metadata" = String, Header, description = "Keys with base64 values, separated by commas: `filename` \
            (or `name`), and optionally `folder`, `lastModified` (RFC 3339), `metadata` (a JSON object of texts) and `sha256` \
            (64 hexadecimal digits, checked when the upload is complete).", example = "filename cGhvdG8uanBn,folder c3ByaW5n"),
    ),
    responses(
        (status = 201, description = "The upload was created.", body = Upload, headers(
            ("Location" = String, description = "URL to send the bytes to."),
            ("Upload-Offset" = i64, description = "0."),
            ("Upload-Expires" = String, description = "When the upload expires unless bytes arrive."),
        )),
        TusVersionProblem, UploadCreationProblems, IdempotencyProblem,
    ),
)]
#[post("/uploads")]
pub async fn create_upload(
    state: Data<AppState>,
    caller: Caller,
    key: IdempotencyKey,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    check_tus_version(&request, begin_upload(&state, caller, key, &request)).await
}

async fn begin_upload(
    state: &AppState,
    caller: Caller,
    key: IdempotencyKey,
    request: &HttpRequest,
) -> Result<HttpResponse, Problem> {
    let Some(length) = read_byte_count(request, &UPLOAD_LENGTH)? else {
        let detail = "The header is missing. Send the size of the file in bytes; it cannot be sent later.";
        return Err(Problem::invalid_parameter("Upload-Length", detail));
    };
    let metadata_header = super::read_header(request, &UPLOAD_METADATA)?.unwrap_or_default();
    let metadata = metadata::parse_metadata(metadata_header)?;
    if length == 0 {
        let detail = format!("`{}` is empty.", metadata.file_name);
        return Err(Problem::from_errors(vec![ValidationError::new("Upload-Length", Code::EmptyFile, detail)]));
    }
    let digest = Digest::compute(format!("{length} {metadata_header}").as_bytes());
    // Before the limits: the upload that it repeats may be what fills them.
    if let Some(earlier) = key.find_earlier(&state.db, &caller).await? {
        return replay_creation(state, &caller, key.check_same_request(earlier, digest)?).await;
    }
    let mut quota = StorageQuota::for_assets(state, caller.company).await?;
    quota.check_file_size(length.unsigned_abs()).await?;
    limits::check_free_space(state, length.unsigned_abs()).await?;
    let mut transaction = state.db.begin().await.map_err(db::DbError::from)?;
    if let Some(earlier) = key.reserve(&mut transaction, &caller, digest).await? {
        drop(transaction);
        return replay_creation(state, &caller, earlier).await;
    }
    let open = upload::count_unfinished_uploads(&mut transaction, caller.company).await?;
    let max = state.settings.max_open_uploads;
    if max > 0 && open >= i64::from(max) {
        let detail =
            format!("The company has {open} unfinished uploads; the limit is {max}. Complete some, or DELETE them.");
        return Err(Problem::new(Code::TooManyUploads, detail));
    }
    let new_upload = NewUpload {
        file_name: &metadata.file_name,
        folder: &metadata.folder,
        last_modified: metadata.last_modified,
        sha256: metadata.sha256,
        metadata: metadata_header,
        length,
    };
    let upload =
        upload::insert_upload(&mut transaction, identify_owner(&caller), &new_upload, state.settings.upload_ttl)
            .await?;
    // With the announced bytes, which are reserved for it from here on.
    limits::check_company_limits(&mut transaction, caller.company, &quota.limits).await?;
    let location = format!("/uploads/{}", upload.upload_id);
    let shown = Upload::from(upload.clone());
    key.store(&mut transaction, &caller, digest, (&location, &shown)).await?;
    transaction.commit().await.map_err(db::DbError::from)?;
    let mut answer = HttpResponse::Created();
    answer.insert_header((header::LOCATION, write_address(&location)));
    add_upload_headers(&mut answer, &upload);
    Ok(answer.json(shown))
}

/// The first response once more, with the upload's offset as it is now: the client continues there.
async fn replay_creation(state: &AppState, caller: &Caller, earlier: IdempotencyRow) -> Result<HttpResponse, Problem> {
    let handle = super::parse_upload_handle(earlier.location.rsplit('/').next().unwrap_or_default())?;
    let upload = upload::fetch_upload(&state.db, identify_owner(caller), handle).await?;
    let mut answer = earlier.to_builder(StatusCode::CREATED);
    add_upload_headers(&mut answer, &upload);
    Ok(answer.json(Upload::from(upload)))
}
