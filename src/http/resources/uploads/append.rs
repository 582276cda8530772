//! Receives a part of a resumable upload: checks the headers, then passes the bytes to a task that outlives the connection.

use actix_web::http::header;
use actix_web::web::{Data, Path, Payload};
use actix_web::{HttpRequest, HttpResponse, patch};
use bytes::Bytes;
use futures_util::StreamExt;
use offprint_core::Code;
use tokio::sync::mpsc::{self, Receiver};

use crate::app::AppState;
use crate::db::row_level_security;
use crate::db::upload::{self, UploadClaim, UploadClaimResult, UploadRow};
use crate::http::extract::caller::Caller;
use crate::http::limits::{EffectiveLimits, check_free_space};
use crate::http::middleware::audit_trail::CreatedObject;
use crate::http::problem::Problem;
use crate::http::resources::uploads::UPLOAD_CHECKSUM;
use crate::http::resources::uploads::UPLOAD_OFFSET;
use crate::http::resources::uploads::add_upload_headers;
use crate::http::resources::uploads::check_tus_version;
use crate::http::resources::uploads::checksum::Checksum;
use crate::http::resources::uploads::identify_owner;
use crate::http::resources::uploads::parse_upload_handle;
use crate::http::resources::uploads::piece_receiver::PieceReceiver;
use crate::http::resources::uploads::piece_receiver::reject_long_piece;
use crate::http::resources::uploads::read_byte_count;
use crate::http::responses::NotFoundProblem;
use crate::http::responses::TusVersionProblem;
use crate::http::responses::UploadPieceProblems;
use crate::id::{CompanyId, UploadId};

/// `Content-Type` of a part.
const TUS_MEDIA_TYPE: &str = "application/offset+octet-stream";

/// Append bytes to a resumable upload.
///
/// The body has the bytes from `Upload-Offset` on: all that are left, or a part of them. When the connection breaks, the
/// bytes received so far are kept; with `Upload-Checksum` the whole body is kept or nothing. The response to the last part
/// has the asset's handle.
#[utoipa::path(
    tag = "uploads",
    operation_id = "appendToUpload",
    params(
        ("uploadHandle" = UploadId, Path, description = "Handle of the upload."),
        ("Tus-Resumable" = String, Header, pattern = "^1[.]0[.]0$", description = "`1.0.0`."),
        ("Upload-Offset" = i64, Header, minimum = 0, description = "Number of bytes that the service has."),
        ("Upload-Checksum" = Option<String>, Header, description = "`sha256` or `sha1`, a space, and the checksum of the body in base64."),
    ),
    request_body(content = String, content_type = "application/offset+octet-stream", description = "The bytes to append.", example = json!("bytes")),
    responses(
        (status = 204, description = "The bytes were stored.", headers(
            ("Upload-Offset" = i64, description = "Number of bytes that the service has now."),
            ("Upload-Expires" = String, description = "When the upload expires unless more bytes arrive; absent when it is complete."),
            ("Asset-Handle" = String, description = "Handle of the asset, when the upload is complete."),
        )),
        TusVersionProblem, NotFoundProblem, UploadPieceProblems,
    ),
)]
#[patch("/uploads/{uploadHandle}")]
pub async fn append_to_upload(
    state: Data<AppState>,
    caller: Caller,
    path: Path<String>,
    request: HttpRequest,
    body: Payload,
) -> Result<HttpResponse, Problem> {
    check_tus_version(&request, receive_piece(&state, &caller, &path, &request, body)).await
}

async fn receive_piece(
    state: &AppState,
    caller: &Caller,
    path: &str,
    request: &HttpRequest,
    body: Payload,
) -> Result<HttpResponse, Problem> {
    let upload = upload::fetch_upload(&state.db, identify_owner(caller), parse_upload_handle(path)?).await?;
    let (offset, checksum) = parse_piece_headers(request, &upload)?;
    check_free_space(state, 0).await?;
    let limits = EffectiveLimits::load(state, caller.company).await?;
    let id = upload.upload_id;
    let piece = IncomingPiece { state: state.clone(), company: caller.company, upload, limits, offset, checksum };
    match process_piece(piece, body).await? {
        UploadClaimResult::Claimed { .. } | UploadClaimResult::Completed(_) => {}
        UploadClaimResult::Busy => {
            let detail = "Another request is writing to the upload. Wait until it has ended, ask for the offset with HEAD, and continue.";
            return Err(Problem::new(Code::UploadLocked, detail).with_header(header::RETRY_AFTER, "1"));
        }
        UploadClaimResult::OffsetMismatch(received) => {
            let detail =
                format!("The upload has {received} bytes, but `Upload-Offset` is {offset}. Continue at {received}.");
            return Err(Problem::new(Code::OffsetConflict, detail));
        }
    }
    let upload = upload::fetch_upload(&state.db, identify_owner(caller), id).await?;
    let mut answer = HttpResponse::NoContent();
    add_upload_headers(&mut answer, &upload);
    let mut answer = answer.finish();
    if let Some(asset) = upload.asset_id {
        answer.extensions_mut().insert(CreatedObject(format!("/assets/{asset}")));
    }
    Ok(answer)
}

/// Parses the offset and checksum of a part.
fn parse_piece_headers(request: &HttpRequest, upload: &UploadRow) -> Result<(i64, Option<Checksum>), Problem> {
    let media = super::read_header(request, &header::CONTENT_TYPE)?.unwrap_or_default();
    if !media.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(TUS_MEDIA_TYPE) {
        return Err(Problem::new(Code::UnsupportedMediaType, format!("Send the bytes as `{TUS_MEDIA_TYPE}`.")));
    }
    let missing = || {
        Problem::invalid_parameter(
            "Upload-Offset",
            "The header is missing. Send the current offset, as HEAD returns it.",
        )
    };
    let offset = read_byte_count(request, &UPLOAD_OFFSET)?.ok_or_else(missing)?;
    let length = read_byte_count(request, &header::CONTENT_LENGTH)?.unwrap_or(0);
    if offset.saturating_add(length) > upload.length {
        return Err(reject_long_piece(upload));
    }
    let checksum = super::read_header(request, &UPLOAD_CHECKSUM)?;
    Ok((offset, checksum.map(Checksum::parse).transpose()?))
}

/// A part whose bytes are still to come, of an upload that is not claimed yet.
struct IncomingPiece {
    state: AppState,
    company: CompanyId,
    upload: UploadRow,
    limits: EffectiveLimits,
    offset: i64,
    checksum: Option<Checksum>,
}

impl IncomingPiece {
    /// Claims the upload, then receives the bytes.
    async fn receive(self, bytes: Receiver<Bytes>) -> Result<UploadClaimResult, Problem> {
        let Self { state, company, upload, limits, offset, checksum } = self;
        let claim_result =
            upload::claim_upload(&state.db, company, upload.upload_id, offset, state.settings.lease).await?;
        if let UploadClaimResult::Claimed { number, ref stale_pieces } = claim_result {
            state.remove_unused_blobs(stale_pieces).await;
            let claim = UploadClaim { company, upload: upload.upload_id, number };
            PieceReceiver { state, upload, limits, claim, checksum }.run(bytes).await?;
        }
        Ok(claim_result)
    }
}

/// Feeds the body to a task of its own. When the connection breaks, actix drops this function wherever it is; the task goes
/// on, keeps the bytes received so far, and unlocks the upload.
async fn process_piece(piece: IncomingPiece, mut body: Payload) -> Result<UploadClaimResult, Problem> {
    /// Chunks of the body that may wait for the disk.
    const CHANNEL_CAPACITY: usize = 16;
    let (sender, bytes) = mpsc::channel::<Bytes>(CHANNEL_CAPACITY);
    let work = tokio::spawn(row_level_security::run_as_company(piece.company, piece.receive(bytes)));
    let body_result = loop {
        tokio::select! {
            next = body.next() => match next {
                Some(Ok(bytes)) => drop(sender.send(bytes).await),
                Some(Err(error)) => break Err(error),
                None => break Ok(()),
            },
            // The task ended before the body; it reports why below.
            () = sender.closed() => break Ok(()),
        }
    };
    drop(sender);
    let claim_result = work.await.map_err(Problem::internal)??;
    match body_result {
        Ok(()) => Ok(claim_result),
        Err(error) => Err(Problem::invalid_parameter(
            "body",
            format!("The body ended too early: {error}. Ask for the offset with HEAD and continue."),
        )),
    }
}
