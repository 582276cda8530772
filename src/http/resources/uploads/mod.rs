//! Resumable uploads: tus 1.0 with creation, expiration, checksum and termination (docs/decisions/0048-tus.md).
//!
//! Clients and service exchange the headers of tus, which <https://tus.io> documents. Begin reading at [`create`], then
//! [`append`].

pub mod append;
mod checksum;
pub mod create;
mod metadata;
mod piece_receiver;
pub mod show;

use actix_web::HttpRequest;
use actix_web::http::header::HeaderName;
use actix_web::{HttpResponse, HttpResponseBuilder};
use offprint_core::Code;

use crate::db::upload::{UploadOwner, UploadRow};
use crate::http::extract::caller::Caller;
use crate::http::problem::Problem;
use crate::id::UploadId;

const PROTOCOL_VERSION: &str = "1.0.0";
/// The supported extensions of tus.
const TUS_EXTENSIONS: &str = "creation,expiration,checksum,termination";

const TUS_RESUMABLE: HeaderName = HeaderName::from_static("tus-resumable");
const TUS_VERSION: HeaderName = HeaderName::from_static("tus-version");
const UPLOAD_LENGTH: HeaderName = HeaderName::from_static("upload-length");
const UPLOAD_OFFSET: HeaderName = HeaderName::from_static("upload-offset");
const UPLOAD_CHECKSUM: HeaderName = HeaderName::from_static("upload-checksum");
const UPLOAD_EXPIRES: HeaderName = HeaderName::from_static("upload-expires");
const UPLOAD_METADATA: HeaderName = HeaderName::from_static("upload-metadata");
/// Handle of the asset, on responses about a complete upload.
const ASSET_HANDLE: HeaderName = HeaderName::from_static("asset-handle");

/// Runs `work` when the request has the supported tus version; adds the version to every response, as tus requires.
async fn check_tus_version(
    request: &HttpRequest,
    work: impl Future<Output = Result<HttpResponse, Problem>>,
) -> Result<HttpResponse, Problem> {
    let version = read_header(request, &TUS_RESUMABLE)?;
    let answer = if version == Some(PROTOCOL_VERSION) {
        work.await
    } else {
        let finding = version.map_or("is missing".to_owned(), |version| format!("is {version:?}"));
        let detail = format!("`Tus-Resumable` {finding}. Send `Tus-Resumable: {PROTOCOL_VERSION}`.");
        Err(Problem::new(Code::ProtocolVersion, detail).with_header(TUS_VERSION, PROTOCOL_VERSION))
    };
    answer.map(add_tus_version).map_err(|problem| problem.with_header(TUS_RESUMABLE, PROTOCOL_VERSION))
}

fn add_tus_version(mut answer: HttpResponse) -> HttpResponse {
    answer.headers_mut().insert(TUS_RESUMABLE, actix_web::http::header::HeaderValue::from_static(PROTOCOL_VERSION));
    answer
}

/// A header as text; none when it is absent.
fn read_header<'r>(request: &'r HttpRequest, name: &HeaderName) -> Result<Option<&'r str>, Problem> {
    let unreadable =
        |_| Problem::invalid_parameter(name.as_str(), "The header must have only visible ASCII characters.");
    request.headers().get(name).map(|value| value.to_str().map(str::trim)).transpose().map_err(unreadable)
}

/// A header that is a number of bytes.
fn read_byte_count(request: &HttpRequest, name: &HeaderName) -> Result<Option<i64>, Problem> {
    let Some(text) = read_header(request, name)? else { return Ok(None) };
    match text.parse() {
        // `parse` alone would accept a sign.
        Ok(number) if text.bytes().all(|byte| byte.is_ascii_digit()) => Ok(Some(number)),
        _ => Err(Problem::invalid_parameter(
            name.as_str(),
            format!("{text:?} is not a number of bytes. Send digits only."),
        )),
    }
}

fn identify_owner(caller: &Caller) -> UploadOwner {
    UploadOwner { company: caller.company, user: caller.user }
}

/// Parses the upload handle in the path; 404 when it is not a handle.
fn parse_upload_handle(path: &str) -> Result<UploadId, Problem> {
    path.parse().map_err(|_| Problem::not_found("upload"))
}

/// Adds offset, and expiry or asset, of an upload.
fn add_upload_headers(answer: &mut HttpResponseBuilder, upload: &UploadRow) {
    answer.insert_header((UPLOAD_OFFSET, upload.received.to_string()));
    match upload.asset_id {
        Some(asset) => answer.insert_header((ASSET_HANDLE, asset.to_string())),
        None => answer.insert_header((UPLOAD_EXPIRES, httpdate::fmt_http_date(upload.expires_at.into()))),
    };
}
