//! Beginning an upload, and what the service offers.

use actix_web::http::header;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, post, route};

use crate::api::caller::Caller;
use crate::api::limits::Room;
use crate::api::problem::{Mistake, Problem};
use crate::api::responses::{BadBeginning, BadVersion};
use crate::api::uploads::show::Upload;
use crate::api::uploads::{
    EXTENSIONS, TUS_VERSION, UPLOAD_LENGTH, UPLOAD_METADATA, VERSION, bytes, checksum, metadata, owner, speaking, tell,
};
use crate::code::Code;
use crate::db;
use crate::db::upload::{self, NewUpload};
use crate::state::State;

/// What of tus is offered.
///
/// Tells in its headers the version, the extensions, the algorithms of checksums and the largest file.
#[utoipa::path(
    options,
    path = "/uploads",
    tag = "uploads",
    operation_id = "describeUploads",
    responses((status = 204, description = "See the headers.", headers(
        ("Tus-Version" = String, description = "`1.0.0`."),
        ("Tus-Extension" = String, description = "`creation,expiration,checksum,termination`."),
        ("Tus-Checksum-Algorithm" = String, description = "`sha256,sha1`."),
        ("Tus-Max-Size" = u64, description = "Bytes of the largest file; a company may have a smaller limit. Absent where there is none."),
    ))),
)]
#[route("/uploads", method = "OPTIONS")]
pub async fn offer(state: Data<State>) -> HttpResponse {
    let mut answer = HttpResponse::NoContent();
    answer
        .insert_header(("tus-resumable", VERSION))
        .insert_header((TUS_VERSION, VERSION))
        .insert_header(("tus-extension", EXTENSIONS))
        .insert_header(("tus-checksum-algorithm", checksum::ALGORITHMS));
    if state.settings.max_upload > 0 {
        answer.insert_header(("tus-max-size", state.settings.max_upload.to_string()));
    }
    answer.finish()
}

/// Begin an upload in pieces.
///
/// For large files and lines that break (tus 1.0): say how long the file is and what it is called, then send it with
/// PATCH to the address in `Location`, in one piece or in many. After a break HEAD tells how far it came. When all is there
/// it becomes an asset as `POST /assets` makes it. An upload that gets nothing for a day is forgotten.
#[utoipa::path(
    tag = "uploads",
    operation_id = "createUpload",
    params(
        ("Tus-Resumable" = String, Header, pattern = "^1[.]0[.]0$", description = "`1.0.0`."),
        ("Upload-Length" = i64, Header, minimum = 1, description = "Bytes of the file. It must be known."),
        ("Upload-Metadata" = String, Header, description = "Words with values in base64, with commas between: `filename` \
            (or `name`), and where wanted `folder`, `lastModified` (RFC 3339) and `sha256` (64 hexadecimal digits), which \
            the whole must have then.", example = "filename cGhvdG8uanBn,folder c3ByaW5n"),
    ),
    responses(
        (status = 201, description = "The upload.", body = Upload, headers(
            ("Location" = String, description = "Where to send the bytes."),
            ("Upload-Offset" = i64, description = "0."),
            ("Upload-Expires" = String, description = "When it is forgotten, unless something comes."),
        )),
        BadVersion, BadBeginning,
    ),
)]
#[post("/uploads")]
pub async fn create_upload(state: Data<State>, caller: Caller, request: HttpRequest) -> Result<HttpResponse, Problem> {
    speaking(&request, begin(&state, caller, &request)).await
}

async fn begin(state: &State, caller: Caller, request: &HttpRequest) -> Result<HttpResponse, Problem> {
    let Some(length) = bytes(request, &UPLOAD_LENGTH)? else {
        let detail = "It is missing. Say how many bytes the file has; a length that comes later is not taken.";
        return Err(Problem::parameter("Upload-Length", detail));
    };
    let said = super::header(request, &UPLOAD_METADATA)?.unwrap_or_default();
    let about = metadata::read(said)?;
    if length == 0 {
        let detail = format!("`{}` has no bytes.", about.file_name);
        return Err(Problem::refused(vec![Mistake::new("Upload-Length", Code::EmptyFile, detail)]));
    }
    let mut room = Room::for_assets(state, caller.company).await?;
    room.check(length.unsigned_abs())?;
    let mut transaction = state.db.begin().await.map_err(db::Error::from)?;
    let (open, promised) = upload::open(&mut transaction, caller.company).await?;
    let most = state.settings.max_open_uploads;
    if most > 0 && open >= i64::from(most) {
        let detail =
            format!("The company has {open} unfinished uploads, and may have {most}. End some, or DELETE them.");
        return Err(Problem::new(Code::TooManyUploads, detail));
    }
    // What others were promised is not there any more.
    room.left = room.left.saturating_sub(promised.unsigned_abs());
    room.check(length.unsigned_abs())?;
    let new = NewUpload {
        file_name: &about.file_name,
        folder: &about.folder,
        last_modified: about.last_modified,
        sha256: about.sha256,
        metadata: said,
        length,
    };
    let made = upload::create(&mut transaction, owner(&caller), &new, state.settings.upload_kept).await?;
    transaction.commit().await.map_err(db::Error::from)?;
    let mut answer = HttpResponse::Created();
    answer.insert_header((header::LOCATION, format!("/uploads/{}", made.upload_id)));
    tell(&mut answer, &made);
    Ok(answer.json(Upload::from(made)))
}
