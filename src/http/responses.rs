//! Error responses of operations for the OpenAPI document, grouped by cause. These types exist only for the document.

#![allow(dead_code, reason = "these types only exist to be shown in the document")]

use utoipa::IntoResponses;

use crate::http::problem::ProblemDetails;

/// Errors of operations with a JSON body.
#[derive(IntoResponses)]
pub enum BodyProblems {
    /// `malformed-json`: the body is not JSON.
    #[response(status = 400, content_type = "application/problem+json")]
    Malformed(ProblemDetails),
    /// `body-too-large`: the body exceeds the limit.
    #[response(status = 413, content_type = "application/problem+json")]
    TooLarge(ProblemDetails),
    /// `unsupported-media-type`: `Content-Type` is missing or is not JSON, or `Content-Encoding` is not gzip.
    #[response(status = 415, content_type = "application/problem+json")]
    MediaType(ProblemDetails),
    /// `validation-failed`: the body has errors; `errors` lists the first 100, each with its own code and location.
    /// `too-many-assets`, `too-many-presets`, `too-many-schedules`, `archive-too-large`: a limit would be exceeded.
    /// `too-complex`: the request needs more work than one request may take.
    /// `idempotency-conflict`: the `Idempotency-Key` was used with a different body or for another operation.
    #[response(status = 422, content_type = "application/problem+json")]
    Refused(ProblemDetails),
}

/// Errors of query parameters and headers.
#[derive(IntoResponses)]
pub enum QueryProblems {
    /// `invalid-parameter` or `invalid-cursor`: a query parameter or header has an invalid value.
    #[response(status = 400, content_type = "application/problem+json")]
    Parameter(ProblemDetails),
}

/// The object in the path does not exist.
#[derive(IntoResponses)]
pub enum NotFoundProblem {
    /// `not-found`: the object does not exist or belongs to another company.
    #[response(status = 404, content_type = "application/problem+json")]
    NotFound(ProblemDetails),
}

/// A precondition of the request does not hold.
#[derive(IntoResponses)]
pub enum PreconditionProblem {
    /// `precondition-failed`: `If-Match`, `If-None-Match` or `If-Unmodified-Since` does not hold, because somebody else
    /// made a change. Nothing was done; `ETag` names the current version.
    #[response(status = 412, content_type = "application/problem+json")]
    Changed(ProblemDetails),
}

/// The state of the object does not allow the operation.
#[derive(IntoResponses)]
pub enum ConflictProblem {
    /// `wrong-state`: the current state does not allow this; `detail` names the state and what is allowed.
    #[response(status = 409, content_type = "application/problem+json")]
    WrongState(ProblemDetails),
}

/// Errors of downloads of a job's results.
#[derive(IntoResponses)]
pub enum DownloadProblems {
    /// `not-found`: the job or file does not exist.
    #[response(status = 404, content_type = "application/problem+json")]
    NotFound(ProblemDetails),
    /// `not-finished`: not complete yet. Retry after `Retry-After` seconds.
    #[response(status = 409, content_type = "application/problem+json")]
    NotFinished(ProblemDetails),
    /// `results-expired`: the files are no longer kept. `link-expired`, `link-revoked`: the link is no longer valid.
    #[response(status = 410, content_type = "application/problem+json")]
    Expired(ProblemDetails),
    /// `precondition-failed`: `If-Match` or `If-Unmodified-Since` asks for another version than the current one.
    #[response(status = 412, content_type = "application/problem+json")]
    Precondition(ProblemDetails),
    /// `range-not-satisfiable`: the range begins after the end; `Content-Range` has the size.
    #[response(status = 416, content_type = "application/problem+json")]
    Range(ProblemDetails),
    /// `archive-too-large`: the archive exceeds the limit. Download the files one by one.
    #[response(status = 422, content_type = "application/problem+json")]
    TooLarge(ProblemDetails),
}

/// Errors of multipart uploads.
#[derive(IntoResponses)]
pub enum UploadProblems {
    /// `invalid-parameter`: the body is not valid multipart form data.
    #[response(status = 400, content_type = "application/problem+json")]
    Malformed(ProblemDetails),
    /// `body-too-large`: a file exceeds the limit.
    #[response(status = 413, content_type = "application/problem+json")]
    TooLarge(ProblemDetails),
    /// `unsupported-media-type`: the body is not `multipart/form-data` where files are uploaded, or it is compressed.
    #[response(status = 415, content_type = "application/problem+json")]
    MediaType(ProblemDetails),
    /// `validation-failed`: an empty file, or an invalid name or folder. `too-many-assets`, `storage-quota`: a limit of the
    /// company would be exceeded.
    #[response(status = 422, content_type = "application/problem+json")]
    Refused(ProblemDetails),
    /// `storage-full`: the storage is full. Nothing was stored.
    #[response(status = 507, content_type = "application/problem+json")]
    StorageFull(ProblemDetails),
}

/// Errors of every request of a resumable upload.
#[derive(IntoResponses)]
pub enum TusVersionProblem {
    /// `protocol-version`: `Tus-Resumable` is missing or names an unsupported version; `Tus-Version` names the supported
    /// one.
    #[response(status = 412, content_type = "application/problem+json")]
    Version(ProblemDetails),
}

/// Errors of creating a resumable upload.
#[derive(IntoResponses)]
pub enum UploadCreationProblems {
    /// `body-too-large`: the file would exceed the limit.
    #[response(status = 413, content_type = "application/problem+json")]
    TooLarge(ProblemDetails),
    /// `validation-failed`: an empty file, or an invalid name or folder. `too-many-assets`, `storage-quota`,
    /// `too-many-uploads`: a limit of the company would be exceeded.
    #[response(status = 422, content_type = "application/problem+json")]
    Refused(ProblemDetails),
}

/// Errors of sending a part of a resumable upload.
#[derive(IntoResponses)]
pub enum UploadPieceProblems {
    /// `offset-conflict`: `Upload-Offset` is not the current offset; HEAD returns it.
    #[response(status = 409, content_type = "application/problem+json")]
    Offset(ProblemDetails),
    /// `body-too-large`: the part exceeds the announced length, or the file the limit.
    #[response(status = 413, content_type = "application/problem+json")]
    TooLarge(ProblemDetails),
    /// `unsupported-media-type`: the body is not `application/offset+octet-stream`, or it is compressed.
    #[response(status = 415, content_type = "application/problem+json")]
    MediaType(ProblemDetails),
    /// `too-many-assets`, `storage-quota`: a limit of the company would be exceeded. The last part was not stored.
    #[response(status = 422, content_type = "application/problem+json")]
    Refused(ProblemDetails),
    /// `upload-locked`: another request is writing to the upload.
    #[response(status = 423, content_type = "application/problem+json")]
    Locked(ProblemDetails),
    /// `checksum-mismatch`: the bytes do not match the checksum. Nothing of the part was stored; when the checksum of the
    /// whole file does not match, the upload is deleted.
    #[response(status = 460, content_type = "application/problem+json")]
    Checksum(ProblemDetails),
    /// `storage-full`: the storage is full.
    #[response(status = 507, content_type = "application/problem+json")]
    StorageFull(ProblemDetails),
}

/// Errors of downloading an original.
#[derive(IntoResponses)]
pub enum ContentProblems {
    /// `not-found`: the asset does not exist, or it is a set, which has no file of its own.
    #[response(status = 404, content_type = "application/problem+json")]
    NotFound(ProblemDetails),
    /// `precondition-failed`: `If-Match` or `If-Unmodified-Since` asks for another version than the current one.
    #[response(status = 412, content_type = "application/problem+json")]
    Precondition(ProblemDetails),
    /// `range-not-satisfiable`: the range begins after the end; `Content-Range` has the size.
    #[response(status = 416, content_type = "application/problem+json")]
    Range(ProblemDetails),
}

/// Errors of a preview.
#[derive(IntoResponses)]
pub enum ModifierProblems {
    /// `invalid-parameter`: unknown query parameter.
    #[response(status = 400, content_type = "application/problem+json")]
    Parameter(ProblemDetails),
    /// `validation-failed`: the modifier has errors, or the image cannot be rendered with it; `errors` lists them.
    #[response(status = 422, content_type = "application/problem+json")]
    Refused(ProblemDetails),
}

/// Errors of `Idempotency-Key` beside `idempotency-conflict`, which has the status of the body's errors.
#[derive(IntoResponses)]
pub enum IdempotencyProblem {
    /// `idempotency-in-flight`: a request with the same `Idempotency-Key` is still in progress.
    #[response(status = 409, content_type = "application/problem+json")]
    InFlight(ProblemDetails),
}

/// Errors of `Idempotency-Key` on operations without a body.
#[derive(IntoResponses)]
pub enum KeyReuseProblem {
    /// `idempotency-conflict`: the `Idempotency-Key` was used for another request within the last 24 hours.
    #[response(status = 422, content_type = "application/problem+json")]
    Conflict(ProblemDetails),
}

/// Errors of `Idempotency-Key` where the response has a secret that is not stored.
#[derive(IntoResponses)]
pub enum KeyIdempotencyProblem {
    /// `secret-not-stored`: the key was created by an earlier request with the same `Idempotency-Key`; its secret cannot be
    /// shown again. `idempotency-in-flight`: that request is still in progress.
    #[response(status = 409, content_type = "application/problem+json")]
    Repeated(ProblemDetails),
}

/// The company's limit of unfinished jobs is reached.
#[derive(IntoResponses)]
pub enum QueueFullProblem {
    /// `queue-full`: the company's limit of unfinished jobs is reached. `unavailable`: the service cannot answer now. Retry
    /// after `Retry-After` seconds.
    #[response(status = 503, content_type = "application/problem+json")]
    Full(ProblemDetails),
}

/// The files are no longer kept.
#[derive(IntoResponses)]
pub enum GoneProblem {
    /// `results-expired`: the files are no longer kept.
    #[response(status = 410, content_type = "application/problem+json")]
    Expired(ProblemDetails),
}

/// `Accept` excludes every available media type.
#[derive(IntoResponses)]
pub enum NotAcceptableProblem {
    /// `not-acceptable`: `Accept` names no media type that is available here.
    #[response(status = 406, content_type = "application/problem+json")]
    NotAcceptable(ProblemDetails),
}

/// Too many requests of the company are waiting.
#[derive(IntoResponses)]
pub enum BusyProblem {
    /// `busy`: too many requests of the company are waiting for their turn. `rate-limited`: too many requests within a
    /// minute. Retry after `Retry-After` seconds.
    #[response(status = 429, content_type = "application/problem+json")]
    Busy(ProblemDetails),
}

/// The limit of live streams is reached.
#[derive(IntoResponses)]
pub enum StreamLimitProblem {
    /// `too-many-streams`: the limit of live streams is reached. `rate-limited`: too many requests within a minute.
    #[response(status = 429, content_type = "application/problem+json")]
    Full(ProblemDetails),
}
