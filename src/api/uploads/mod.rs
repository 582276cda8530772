//! Uploads in pieces: tus 1.0 with creation, expiration, checksum and termination (docs/decisions/0048-tus.md).
//!
//! What clients send and get beyond JSON are tus' own headers; what they mean stands at <https://tus.io>.

pub mod append;
mod checksum;
pub mod create;
mod metadata;
mod receipt;
pub mod show;

use actix_web::HttpRequest;
use actix_web::http::header::HeaderName;
use actix_web::{HttpResponse, HttpResponseBuilder};

use crate::api::caller::Caller;
use crate::api::problem::Problem;
use crate::code::Code;
use crate::db::upload::{Owner, Upload};
use crate::id::UploadId;

/// The version of tus.
const VERSION: &str = "1.0.0";
/// What of tus is offered beside its core.
const EXTENSIONS: &str = "creation,expiration,checksum,termination";

const TUS_RESUMABLE: HeaderName = HeaderName::from_static("tus-resumable");
const TUS_VERSION: HeaderName = HeaderName::from_static("tus-version");
const UPLOAD_LENGTH: HeaderName = HeaderName::from_static("upload-length");
const UPLOAD_OFFSET: HeaderName = HeaderName::from_static("upload-offset");
const UPLOAD_CHECKSUM: HeaderName = HeaderName::from_static("upload-checksum");
const UPLOAD_EXPIRES: HeaderName = HeaderName::from_static("upload-expires");
const UPLOAD_METADATA: HeaderName = HeaderName::from_static("upload-metadata");
/// The asset that an upload became.
const ASSET_HANDLE: HeaderName = HeaderName::from_static("asset-handle");

/// Does what a request of tus asks for, where both speak the same version; says on every answer which that is.
async fn speaking(
    request: &HttpRequest,
    work: impl Future<Output = Result<HttpResponse, Problem>>,
) -> Result<HttpResponse, Problem> {
    let said = header(request, &TUS_RESUMABLE)?;
    let answer = if said == Some(VERSION) {
        work.await
    } else {
        let said = said.map_or("is missing".to_owned(), |said| format!("is {said:?}"));
        let detail = format!("`Tus-Resumable` {said}. Send `Tus-Resumable: {VERSION}`.");
        Err(Problem::new(Code::ProtocolVersion, detail).header(TUS_VERSION, VERSION))
    };
    answer.map(spoken).map_err(|problem| problem.header(TUS_RESUMABLE, VERSION))
}

fn spoken(mut answer: HttpResponse) -> HttpResponse {
    answer.headers_mut().insert(TUS_RESUMABLE, actix_web::http::header::HeaderValue::from_static(VERSION));
    answer
}

/// A header as text; none where it was not sent.
fn header<'r>(request: &'r HttpRequest, name: &HeaderName) -> Result<Option<&'r str>, Problem> {
    let unreadable = |_| Problem::parameter(name.as_str(), "The header has bytes that are no visible ASCII.");
    request.headers().get(name).map(|value| value.to_str().map(str::trim)).transpose().map_err(unreadable)
}

/// A header that is a number of bytes.
fn bytes(request: &HttpRequest, name: &HeaderName) -> Result<Option<i64>, Problem> {
    let Some(said) = header(request, name)? else { return Ok(None) };
    match said.parse() {
        // `parse` would take a sign.
        Ok(number) if said.bytes().all(|byte| byte.is_ascii_digit()) => Ok(Some(number)),
        _ => Err(Problem::parameter(name.as_str(), format!("{said:?} is not a number of bytes."))),
    }
}

fn owner(caller: &Caller) -> Owner {
    Owner { company: caller.company, user: caller.user }
}

/// The upload in the path. What does not read as a handle is none.
fn handle(path: &str) -> Result<UploadId, Problem> {
    path.parse().map_err(|_| Problem::missing("upload"))
}

/// Tells how far an upload is.
fn tell(answer: &mut HttpResponseBuilder, upload: &Upload) {
    answer.insert_header((UPLOAD_OFFSET, upload.received.to_string()));
    match upload.asset_id {
        Some(asset) => answer.insert_header((ASSET_HANDLE, asset.to_string())),
        None => answer.insert_header((UPLOAD_EXPIRES, httpdate::fmt_http_date(upload.expires_at.into()))),
    };
}
