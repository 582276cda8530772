//! A piece of an upload: checked before its bytes come, then handed to a task that outlives the connection.

use actix_web::http::header;
use actix_web::web::{Data, Path, Payload};
use actix_web::{HttpRequest, HttpResponse, patch};
use bytes::Bytes;
use futures_util::StreamExt;
use tokio::sync::mpsc::{self, Receiver};

use crate::api::audit::Made;
use crate::api::caller::Caller;
use crate::api::limits::Allowed;
use crate::api::problem::Problem;
use crate::api::responses::{BadPiece, BadVersion, Missing};
use crate::api::uploads::checksum::Checksum;
use crate::api::uploads::receipt::{Receipt, too_long};
use crate::api::uploads::{UPLOAD_CHECKSUM, UPLOAD_OFFSET, bytes, handle, owner, speaking, tell};
use crate::code::Code;
use crate::db::upload::{self, Claim, Taken, Upload};
use crate::db::wall;
use crate::id::CompanyId;
use crate::state::State;

/// What a piece is sent as.
const MEDIA: &str = "application/offset+octet-stream";

/// Send a piece of an upload.
///
/// The bytes from `Upload-Offset` on: all that are left, or some. What came before the line broke counts, but not where
/// there is a checksum: then all of the piece counts or nothing. The answer to the last piece has the asset's handle.
#[utoipa::path(
    tag = "uploads",
    operation_id = "appendToUpload",
    params(
        ("uploadHandle" = String, Path, description = "The upload."),
        ("Tus-Resumable" = String, Header, pattern = "^1[.]0[.]0$", description = "`1.0.0`."),
        ("Upload-Offset" = i64, Header, minimum = 0, description = "Bytes that are there already."),
        ("Upload-Checksum" = Option<String>, Header, description = "`sha256` or `sha1`, a blank, and the checksum of the body in base64."),
    ),
    request_body(content = String, content_type = "application/offset+octet-stream", description = "The bytes.", example = json!("bytes")),
    responses(
        (status = 204, description = "They are there.", headers(
            ("Upload-Offset" = i64, description = "Bytes that are there now."),
            ("Upload-Expires" = String, description = "When it is forgotten, unless more comes; absent when all is there."),
            ("Asset-Handle" = String, description = "The asset that was made of it, when all is there."),
        )),
        BadVersion, Missing, BadPiece,
    ),
)]
#[patch("/uploads/{uploadHandle}")]
pub async fn append(
    state: Data<State>,
    caller: Caller,
    path: Path<String>,
    request: HttpRequest,
    body: Payload,
) -> Result<HttpResponse, Problem> {
    speaking(&request, received(&state, &caller, &path, &request, body)).await
}

async fn received(
    state: &State,
    caller: &Caller,
    path: &str,
    request: &HttpRequest,
    body: Payload,
) -> Result<HttpResponse, Problem> {
    let upload = upload::find(&state.db, owner(caller), handle(path)?).await?;
    let (offset, checksum) = head(request, &upload)?;
    let allowed = Allowed::of(state, caller.company).await?;
    let id = upload.upload_id;
    let piece = Piece { state: state.clone(), company: caller.company, upload, allowed, offset, checksum };
    match take_in(piece, body).await? {
        Taken::Ours(_) | Taken::Done(_) => {}
        Taken::Busy => {
            let detail =
                "Another request writes to the upload. Ask with HEAD how far it is, and go on when it has ended.";
            return Err(Problem::new(Code::UploadLocked, detail).header(header::RETRY_AFTER, "1"));
        }
        Taken::Elsewhere(has) => {
            let detail =
                format!("The upload has {has} bytes, and the piece begins at {offset}. Send what begins at {has}.");
            return Err(Problem::new(Code::OffsetConflict, detail));
        }
    }
    let now = upload::find(&state.db, owner(caller), id).await?;
    let mut answer = HttpResponse::NoContent();
    tell(&mut answer, &now);
    let mut answer = answer.finish();
    if let Some(asset) = now.asset_id {
        answer.extensions_mut().insert(Made(format!("/assets/{asset}")));
    }
    Ok(answer)
}

/// What the headers say of a piece.
fn head(request: &HttpRequest, upload: &Upload) -> Result<(i64, Option<Checksum>), Problem> {
    let media = super::header(request, &header::CONTENT_TYPE)?.unwrap_or_default();
    if !media.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(MEDIA) {
        return Err(Problem::new(Code::UnsupportedMediaType, format!("Send the bytes as `{MEDIA}`.")));
    }
    let missing = || Problem::parameter("Upload-Offset", "It is missing. Say where the piece begins; HEAD tells it.");
    let offset = bytes(request, &UPLOAD_OFFSET)?.ok_or_else(missing)?;
    let length = bytes(request, &header::CONTENT_LENGTH)?.unwrap_or(0);
    if offset.saturating_add(length) > upload.length {
        return Err(too_long(upload));
    }
    let checksum = super::header(request, &UPLOAD_CHECKSUM)?;
    Ok((offset, checksum.map(Checksum::read).transpose()?))
}

/// A piece that is to come, of an upload that is still to be taken.
struct Piece {
    state: State,
    company: CompanyId,
    upload: Upload,
    allowed: Allowed,
    offset: i64,
    checksum: Option<Checksum>,
}

impl Piece {
    /// Takes the upload, and then what comes for it.
    async fn receive(self, bytes: Receiver<Bytes>) -> Result<Taken, Problem> {
        let Self { state, company, upload, allowed, offset, checksum } = self;
        let taken = upload::take(&state.db, company, upload.upload_id, offset, state.settings.lease).await?;
        if let Taken::Ours(number) = taken {
            let claim = Claim { company, upload: upload.upload_id, number };
            Receipt { state, upload, allowed, claim, checksum }.run(bytes).await?;
        }
        Ok(taken)
    }
}

/// Feeds the body to a task of its own: when the line breaks, this function is dropped with it, wherever it is. What came
/// is kept all the same, and the upload does not stay locked.
async fn take_in(piece: Piece, mut body: Payload) -> Result<Taken, Problem> {
    /// Pieces that may wait for the disk.
    const AHEAD: usize = 16;
    let (sender, bytes) = mpsc::channel::<Bytes>(AHEAD);
    let work = tokio::spawn(wall::acting_for(piece.company, piece.receive(bytes)));
    let fed = loop {
        tokio::select! {
            next = body.next() => match next {
                Some(Ok(bytes)) => drop(sender.send(bytes).await),
                Some(Err(error)) => break Err(error),
                None => break Ok(()),
            },
            // The task has ended before the body did, and says why below.
            () = sender.closed() => break Ok(()),
        }
    };
    drop(sender);
    let taken = work.await.map_err(Problem::internal)??;
    match fed {
        Ok(()) => Ok(taken),
        Err(error) => {
            Err(Problem::parameter("body", format!("It ended too early: {error}. HEAD tells what of it was kept.")))
        }
    }
}
