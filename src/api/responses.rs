//! The problems that operations can answer with, as the OpenAPI document shows them: grouped by what causes them.

#![allow(dead_code, reason = "these types only exist to be shown in the document")]

use utoipa::IntoResponses;

use crate::api::problem::ProblemBody;

/// What a JSON body can do wrong.
#[derive(IntoResponses)]
pub enum BadBody {
    /// `malformed-json`: the body is not JSON.
    #[response(status = 400, content_type = "application/problem+json")]
    Malformed(ProblemBody),
    /// `body-too-large`: the body is larger than the limit.
    #[response(status = 413, content_type = "application/problem+json")]
    TooLarge(ProblemBody),
    /// `unsupported-media-type`: the body is not sent as JSON.
    #[response(status = 415, content_type = "application/problem+json")]
    MediaType(ProblemBody),
    /// `validation-failed`: the body has mistakes; `errors` lists all of them, each with its own code and place.
    /// `too-many-assets`, `too-many-presets`, `too-many-schedules`, `archive-too-large`: a limit of the company.
    /// `idempotency-conflict`, where keys are taken: the key was used for another body.
    #[response(status = 422, content_type = "application/problem+json")]
    Refused(ProblemBody),
}

/// What query parameters and headers can do wrong.
#[derive(IntoResponses)]
pub enum BadQuery {
    /// `invalid-parameter` or `invalid-cursor`: a query parameter or header has a value that cannot be used.
    #[response(status = 400, content_type = "application/problem+json")]
    Parameter(ProblemBody),
}

/// The object in the path is not there.
#[derive(IntoResponses)]
pub enum Missing {
    /// `not-found`: no such object, or not one of this company.
    #[response(status = 404, content_type = "application/problem+json")]
    NotFound(ProblemBody),
}

/// The object is there but its state does not allow this.
#[derive(IntoResponses)]
pub enum Conflict {
    /// `wrong-state`: the state does not allow this; the detail names the state and what is allowed.
    #[response(status = 409, content_type = "application/problem+json")]
    WrongState(ProblemBody),
}

/// What can be wrong with fetching bytes of a job.
#[derive(IntoResponses)]
pub enum BadDownload {
    /// `not-found`: no such job or file.
    #[response(status = 404, content_type = "application/problem+json")]
    NotFound(ProblemBody),
    /// `not-finished`: not complete yet; `Retry-After` says when to look again.
    #[response(status = 409, content_type = "application/problem+json")]
    NotFinished(ProblemBody),
    /// `results-expired`: the files are no longer kept. `link-expired`, `link-revoked`: the link does not work any more.
    #[response(status = 410, content_type = "application/problem+json")]
    Expired(ProblemBody),
    /// `range-not-satisfiable`: the range lies outside; `Content-Range` says how long it is.
    #[response(status = 416, content_type = "application/problem+json")]
    Range(ProblemBody),
    /// `archive-too-large`: the archive is larger than the limit; fetch the files one by one.
    #[response(status = 422, content_type = "application/problem+json")]
    TooLarge(ProblemBody),
}

/// What uploads can do wrong.
#[derive(IntoResponses)]
pub enum BadUpload {
    /// `invalid-parameter`: the body is not multipart form data as described.
    #[response(status = 400, content_type = "application/problem+json")]
    Malformed(ProblemBody),
    /// `body-too-large`: a file is larger than the limit.
    #[response(status = 413, content_type = "application/problem+json")]
    TooLarge(ProblemBody),
    /// `unsupported-media-type`: the body is not `multipart/form-data`.
    #[response(status = 415, content_type = "application/problem+json")]
    MediaType(ProblemBody),
    /// `validation-failed`: an empty file, or a name or folder that cannot be used. `too-many-assets`, `storage-quota`: the
    /// company has as much as it may have.
    #[response(status = 422, content_type = "application/problem+json")]
    Refused(ProblemBody),
    /// `storage-full`: there is no room; nothing was kept.
    #[response(status = 507, content_type = "application/problem+json")]
    StorageFull(ProblemBody),
}

/// What can be wrong with any request to an upload in pieces.
#[derive(IntoResponses)]
pub enum BadVersion {
    /// `protocol-version`: `Tus-Resumable` is missing or names a version that the service does not speak; `Tus-Version` says
    /// which it does.
    #[response(status = 412, content_type = "application/problem+json")]
    Version(ProblemBody),
}

/// What can be wrong with beginning an upload.
#[derive(IntoResponses)]
pub enum BadBeginning {
    /// `body-too-large`: the file would be larger than the limit.
    #[response(status = 413, content_type = "application/problem+json")]
    TooLarge(ProblemBody),
    /// `validation-failed`: an empty file, or a name or folder that cannot be used. `too-many-assets`, `storage-quota`,
    /// `too-many-uploads`: the company has as much as it may have.
    #[response(status = 422, content_type = "application/problem+json")]
    Refused(ProblemBody),
}

/// What can be wrong with a piece of an upload.
#[derive(IntoResponses)]
pub enum BadPiece {
    /// `offset-conflict`: the upload has another number of bytes; HEAD tells it.
    #[response(status = 409, content_type = "application/problem+json")]
    Offset(ProblemBody),
    /// `body-too-large`: the piece goes beyond the length that was announced, or the file beyond the limit.
    #[response(status = 413, content_type = "application/problem+json")]
    TooLarge(ProblemBody),
    /// `unsupported-media-type`: the body is not `application/offset+octet-stream`.
    #[response(status = 415, content_type = "application/problem+json")]
    MediaType(ProblemBody),
    /// `too-many-assets`, `storage-quota`: the company has as much as it may have; the last piece was not kept.
    #[response(status = 422, content_type = "application/problem+json")]
    Refused(ProblemBody),
    /// `upload-locked`: another request writes to the upload.
    #[response(status = 423, content_type = "application/problem+json")]
    Locked(ProblemBody),
    /// `checksum-mismatch`: the bytes do not have the checksum; nothing of the piece was kept. Where it is the checksum of
    /// the whole, the upload is gone.
    #[response(status = 460, content_type = "application/problem+json")]
    Checksum(ProblemBody),
    /// `storage-full`: there is no room for the piece.
    #[response(status = 507, content_type = "application/problem+json")]
    StorageFull(ProblemBody),
}

/// What can be wrong with fetching an asset's original.
#[derive(IntoResponses)]
pub enum BadContent {
    /// `not-found`: no such asset, or it is a set, which has no file of its own.
    #[response(status = 404, content_type = "application/problem+json")]
    NotFound(ProblemBody),
    /// `range-not-satisfiable`: the range lies outside; `Content-Range` says how long it is.
    #[response(status = 416, content_type = "application/problem+json")]
    Range(ProblemBody),
}

/// What a modifier in a query can do wrong.
#[derive(IntoResponses)]
pub enum BadModifier {
    /// `invalid-parameter`: a query parameter that does not exist.
    #[response(status = 400, content_type = "application/problem+json")]
    Parameter(ProblemBody),
    /// `validation-failed`: the modifier has mistakes, or this picture cannot be rendered so; `errors` lists them.
    #[response(status = 422, content_type = "application/problem+json")]
    Refused(ProblemBody),
}

/// What an idempotency key can do wrong beside the body's own mistakes, which have the status of another body's key.
#[derive(IntoResponses)]
pub enum KeyInUse {
    /// `idempotency-in-flight`: a request with the same key is still being answered.
    #[response(status = 409, content_type = "application/problem+json")]
    InFlight(ProblemBody),
}

/// The company may have no more jobs.
#[derive(IntoResponses)]
pub enum QueueFull {
    /// `queue-full`: the company has as many unfinished jobs as it may have; `Retry-After` says when to try again.
    /// `unavailable`: the service cannot answer now.
    #[response(status = 503, content_type = "application/problem+json")]
    Full(ProblemBody),
}

/// The files are not kept any more.
#[derive(IntoResponses)]
pub enum NoLonger {
    /// `results-expired`: the files are no longer kept.
    #[response(status = 410, content_type = "application/problem+json")]
    Expired(ProblemBody),
}

/// None of the media types of this address is accepted.
#[derive(IntoResponses)]
pub enum NotAcceptable {
    /// `not-acceptable`: `Accept` names no media type that is offered here.
    #[response(status = 406, content_type = "application/problem+json")]
    NotAcceptable(ProblemBody),
}

/// As many live streams are open as may be.
#[derive(IntoResponses)]
pub enum TooManyStreams {
    /// `too-many-streams`: as many live streams are open as may be. `rate-limited`: more requests than a minute may have.
    #[response(status = 429, content_type = "application/problem+json")]
    Full(ProblemBody),
}
