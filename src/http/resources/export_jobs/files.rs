//! Downloads of a job's results: single files as soon as they are ready, archive and manifest when the job is finished.

use actix_web::http::header;
use actix_web::web::{Data, Query};
use actix_web::{HttpRequest, HttpResponse, get, route};
use futures_util::stream::StreamExt;
use offprint_core::name::{FileName, fold_path};
use offprint_core::{Code, Digest};
use offprint_storage::archive::Archive;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::app::AppState;
use crate::db;
use crate::db::archive::{self, FileRow};
use crate::db::enums::FileState;
use crate::db::job::JobRow;
use crate::http::address::serialize_optional_address;
use crate::http::document::payloads::ExportManifest;
use crate::http::extract::accept;
use crate::http::extract::caller::Caller;
use crate::http::extract::page;
use crate::http::extract::page::Page;
use crate::http::file_response::FileResponse;
use crate::http::file_response::FileSource;
use crate::http::problem::Problem;
use crate::http::resources::export_jobs::JobPath;
use crate::http::resources::export_jobs::find_visible_job;
use crate::http::responses::DownloadProblems;
use crate::http::responses::NotFoundProblem;
use crate::http::responses::QueryProblems;
use crate::id::{AssetId, CompanyId, JobId};

/// A file that a job produces.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExportFile {
    /// Path of the file in the archive, and the end of its URL.
    pub(in crate::http) path: String,
    /// `ready` when the file can be downloaded, `absent` when its item ended without one.
    pub(in crate::http) state: FileState,
    /// Position of the item that the file belongs to.
    pub(in crate::http) position: i32,
    /// The asset that the file is made from.
    pub(in crate::http) asset_handle: AssetId,
    /// Name of the rendition; null for originals and without `renditions`.
    pub(in crate::http) rendition: Option<String>,
    /// Size in bytes.
    pub(in crate::http) size: Option<i64>,
    /// Media type.
    pub(in crate::http) mime: Option<String>,
    /// Width in pixels.
    pub(in crate::http) width: Option<i32>,
    /// Height in pixels.
    pub(in crate::http) height: Option<i32>,
    /// SHA-256 of the file.
    sha256: Option<String>,
    /// Whether an existing rendition was reused instead of rendering.
    pub(in crate::http) reused: bool,
    /// URL of the file; null when it cannot be downloaded.
    #[serde(serialize_with = "serialize_optional_address")]
    pub(in crate::http) href: Option<String>,
    /// Index of the file among those of its item, for the cursor.
    #[serde(skip)]
    pub(in crate::http) number: i16,
}

/// Which files to list.
#[derive(Debug, Default, Deserialize, Serialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct FileQuery {
    /// Only files in this state.
    pub(in crate::http) state: Option<FileState>,
    /// Files per page, 1 to 1000. Default: 100.
    #[serde(skip_serializing_if = "page::not_a_filter")]
    #[param(minimum = 1, maximum = 1000)]
    pub(in crate::http) limit: Option<u32>,
    /// `nextCursor` of the previous page.
    #[serde(skip_serializing_if = "page::not_a_filter")]
    #[param(min_length = 1)]
    pub(in crate::http) cursor: Option<String>,
}

/// Percent-encodes each segment of a path; slashes stay.
pub(in crate::http) fn encode_path(path: &str) -> String {
    let segment =
        |segment| percent_encoding::utf8_percent_encode(segment, percent_encoding::NON_ALPHANUMERIC).to_string();
    path.split('/').map(segment).collect::<Vec<_>>().join("/")
}

/// List the files of a job.
///
/// In request order. Names are fixed when the job is created; each file can be downloaded as soon as it is `ready`.
#[utoipa::path(
    tag = "downloads",
    operation_id = "listExportFiles",
    params(("jobHandle" = JobId, Path, description = "Handle of the job."), FileQuery),
    responses((status = 200, description = "One page of files.", body = Page<ExportFile>), QueryProblems, NotFoundProblem),
)]
#[get("/export-jobs/{jobHandle}/files")]
pub async fn list_files(
    state: Data<AppState>,
    caller: Caller,
    path: JobPath,
    filters: Query<FileQuery>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let job = find_visible_job(&state, &caller, &path).await?;
    Ok(load_file_page(&state, caller.company, &job, &filters).await?.into_response(&request))
}

/// A page of the files of a job of this company, which the caller may see.
///
/// # Errors
/// 400 for a limit or a cursor that is wrong.
pub(in crate::http) async fn load_file_page(
    state: &AppState,
    company: CompanyId,
    job: &JobRow,
    query: &FileQuery,
) -> Result<Page<ExportFile>, Problem> {
    let limit = page::parse_limit(query.limit)?;
    let after = page::parse_cursor(query.cursor.as_deref(), query, parse_file_cursor)?.unwrap_or(BEFORE_FIRST_FILE);
    let rows = archive::list_files(&state.db, company, job.job_id, query.state, after, limit + 1).await?;
    let files: Vec<ExportFile> = rows.into_iter().map(|row| build_export_file(job, row)).collect();
    Ok(Page::new(files, limit, query, |file| vec![file.position.to_string(), file.number.to_string()]))
}

/// A cursor before the first file.
pub(in crate::http) const BEFORE_FIRST_FILE: (i32, i16) = (-1, -1);

/// The parts of a cursor: the item's position, and the index among its files.
fn parse_file_cursor(key: &[String]) -> Option<(i32, i16)> {
    let [position, number] = key else { return None };
    Some((position.parse().ok()?, number.parse().ok()?))
}

fn build_export_file(job: &JobRow, file: FileRow) -> ExportFile {
    let href = || format!("/export-jobs/{}/files/{}", job.job_id, encode_path(&file.path));
    ExportFile {
        href: (file.state == FileState::Ready && !job.expired).then(href),
        state: file.state,
        position: file.position,
        asset_handle: file.asset_id,
        size: file.size,
        mime: file.mime,
        width: file.width,
        height: file.height,
        sha256: file.sha256.map(|digest| digest.to_string()),
        reused: file.reused,
        rendition: file.rendition_name,
        number: file.rendition,
        path: file.path,
    }
}

/// Download a file.
///
/// Available as soon as its item is finished, before the job ends. Supports `Range`, `If-Range`, `If-None-Match` and HEAD.
#[utoipa::path(
    method(get, head),
    path = "/export-jobs/{jobHandle}/files/{path}",
    tag = "downloads",
    operation_id = "fetchExportFile",
    params(
        ("jobHandle" = JobId, Path, description = "Handle of the job."),
        ("path" = String, Path, description = "Path of the file, as in the list of files. Slashes are not encoded."),
    ),
    responses(
        (status = 200, description = "The file.", content_type = "application/octet-stream"),
        (status = 206, description = "The requested range.", content_type = "application/octet-stream"),
        (status = 307, description = "The file is at this address of the object store, for five minutes \
            (OFFPRINT_REDIRECT_DOWNLOADS).", headers(
                ("Location" = String, description = "Signed URL of the bytes."),
                ("ETag" = String, description = "That of the file here."),
            )),
        (status = 304, description = "The client has the current version."),
        DownloadProblems,
    ),
)]
#[route("/export-jobs/{jobHandle}/files/{path:.*}", method = "GET", method = "HEAD")]
pub async fn fetch_file(
    state: Data<AppState>,
    caller: Caller,
    path: actix_web::web::Path<(String, String)>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let (job, path) = path.into_inner();
    let job = find_visible_job(&state, &caller, &job).await?;
    serve_job_file(&state, caller.company, &job, &path, &request).await
}

/// A job whose files are still kept.
pub(super) async fn find_unexpired_job(state: &AppState, caller: Caller, path: &str) -> Result<JobRow, Problem> {
    let job = find_visible_job(state, &caller, path).await?;
    check_unexpired(&job)?;
    Ok(job)
}

pub(in crate::http) fn check_unexpired(job: &JobRow) -> Result<(), Problem> {
    if job.expired { Err(reject_expired_job(job)) } else { Ok(()) }
}

/// Serves a file of a job of this company, which the caller may see.
pub(in crate::http) async fn serve_job_file(
    state: &AppState,
    company: CompanyId,
    job: &JobRow,
    path: &str,
    request: &HttpRequest,
) -> Result<HttpResponse, Problem> {
    let file = fetch_unexpired_file(state, company, job, path).await?;
    serve_file(state, job, file, request).await
}

/// A file of a job whose files are still kept.
pub(in crate::http) async fn fetch_unexpired_file(
    state: &AppState,
    company: CompanyId,
    job: &JobRow,
    path: &str,
) -> Result<FileRow, Problem> {
    check_unexpired(job)?;
    Ok(archive::fetch_file(&state.db, company, job.job_id, path, &fold_path(path)).await?)
}

/// Serves the archive of a job of this company, which the caller may see.
pub(in crate::http) async fn serve_job_archive(
    state: &AppState,
    company: CompanyId,
    job: &JobRow,
    request: &HttpRequest,
) -> Result<HttpResponse, Problem> {
    check_unexpired(job)?;
    serve_archive(state, job, find_archive(state, company, job).await?, request).await
}

fn reject_expired_job(job: &JobRow) -> Problem {
    let when = job.expires_at.map(|at| at.to_rfc3339()).unwrap_or_default();
    let detail = format!(
        "The files of this job were deleted at {when}, {} seconds (`expiresIn`) after its end. The manifest is still \
         available. To get the files, create the export job again.",
        job.expires_in
    );
    Problem::new(Code::ResultsExpired, detail)
}

async fn serve_file(
    state: &AppState,
    job: &JobRow,
    file: FileRow,
    request: &HttpRequest,
) -> Result<HttpResponse, Problem> {
    let (Some(sha256), Some(size)) = (file.sha256, file.size) else {
        return Err(match file.state {
            FileState::Absent => Problem::new(
                Code::NotFound,
                "The item ended without this file. The items of the job say why: see `…/items`.",
            ),
            _ => reject_unfinished_job(job, "This file is not ready yet."),
        });
    };
    let name = file.path.rsplit('/').next().unwrap_or_default();
    let mime = file.mime.as_deref().unwrap_or("application/octet-stream");
    let file = FileResponse::from_blob(sha256, size, mime, name);
    FileResponse { may_redirect: true, ..file }.into_response(request, state).await
}

fn reject_unfinished_job(job: &JobRow, what: &str) -> Problem {
    let wait = job.eta_seconds().unwrap_or(1).clamp(1, 60);
    let detail = format!(
        "{what} {} of {} items have ended. Retry later, or wait with `?wait=50` on the job.",
        job.count_ended(),
        job.total
    );
    Problem::new(Code::NotFinished, detail).with_header(header::RETRY_AFTER, &wait.to_string())
}

/// Download the results.
///
/// The file itself when there is exactly one, else the archive. With `Accept: application/zip` always the archive.
#[utoipa::path(
    method(get, head),
    path = "/export-jobs/{jobHandle}/download",
    tag = "downloads",
    operation_id = "downloadExport",
    params(("jobHandle" = JobId, Path, description = "Handle of the job.")),
    responses(
        (status = 200, description = "The file or the archive.", content_type = "application/octet-stream"),
        (status = 206, description = "The requested range.", content_type = "application/octet-stream"),
        (status = 307, description = "The file is at this address of the object store, for five minutes \
            (OFFPRINT_REDIRECT_DOWNLOADS).", headers(
                ("Location" = String, description = "Signed URL of the bytes."),
                ("ETag" = String, description = "That of the file here."),
            )),
        (status = 304, description = "The client has the current version."),
        DownloadProblems,
    ),
)]
#[route("/export-jobs/{jobHandle}/download", method = "GET", method = "HEAD")]
pub async fn download_export(
    state: Data<AppState>,
    caller: Caller,
    path: JobPath,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let job = find_unexpired_job(&state, caller, &path).await?;
    let sealed = find_archive(&state, caller.company, &job).await?;
    let wants_zip = accept::accepts_media_type(&request, "application/zip");
    let mut files =
        archive::list_files(&state.db, caller.company, job.job_id, Some(FileState::Ready), BEFORE_FIRST_FILE, 2)
            .await?;
    match (files.len(), wants_zip) {
        (1, false) => serve_file(&state, &job, files.remove(0), &request).await,
        _ => serve_archive(&state, &job, sealed, &request).await,
    }
}

/// The sealed archive of the current run.
async fn find_archive(state: &AppState, company: CompanyId, job: &JobRow) -> Result<archive::ArchiveRow, Problem> {
    let sealed = archive::find_archive(&state.db, company, job.job_id).await?;
    sealed.ok_or_else(|| reject_unfinished_job(job, "The archive is available when the job is finished."))
}

/// Download the archive.
///
/// One zip with all files in request order, followed by `manifest.json` and `manifest.csv`. Its length and every byte are
/// fixed when the job finishes, so an interrupted download can be resumed (`Range` with `If-Range`).
#[utoipa::path(
    method(get, head),
    path = "/export-jobs/{jobHandle}/archive",
    tag = "downloads",
    operation_id = "fetchExportArchive",
    params(("jobHandle" = JobId, Path, description = "Handle of the job.")),
    responses(
        (status = 200, description = "The archive.", content_type = "application/zip"),
        (status = 206, description = "The requested range.", content_type = "application/zip"),
        (status = 304, description = "The client has the current version."),
        DownloadProblems,
    ),
)]
#[route("/export-jobs/{jobHandle}/archive", method = "GET", method = "HEAD")]
pub async fn fetch_archive(
    state: Data<AppState>,
    caller: Caller,
    path: JobPath,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let job = find_visible_job(&state, &caller, &path).await?;
    serve_job_archive(&state, caller.company, &job, &request).await
}

async fn serve_archive(
    state: &AppState,
    job: &JobRow,
    sealed: archive::ArchiveRow,
    request: &HttpRequest,
) -> Result<HttpResponse, Problem> {
    let index = check_archive(state, job, &sealed)?;
    let archive = Archive::open(&state.storage, &index).await?;
    let pieces = move |offset: u64, len: u64| archive.stream(offset..offset + len).boxed_local();
    let download = FileResponse {
        source: FileSource::Generated(Box::new(pieces)),
        size: sealed.size as u64,
        etag: sealed.etag.trim_matches('"').to_owned(),
        mime: "application/zip".into(),
        file_name: build_archive_name(&job.job_name),
        digest: None,
        modified: Some(sealed.sealed_at),
        // It is stored nowhere as a whole.
        may_redirect: false,
    };
    download.into_response(request, state).await
}

/// The archive, if it can be downloaded.
pub(in crate::http) async fn find_downloadable_archive(
    state: &AppState,
    company: CompanyId,
    job: &JobRow,
) -> Result<archive::ArchiveRow, Problem> {
    let sealed = find_archive(state, company, job).await?;
    check_archive(state, job, &sealed)?;
    Ok(sealed)
}

/// The index of an archive that is kept and not too large.
fn check_archive(state: &AppState, job: &JobRow, sealed: &archive::ArchiveRow) -> Result<Digest, Problem> {
    let Some(index) = sealed.index_sha256 else { return Err(reject_expired_job(job)) };
    let (size, max) = (sealed.size as u64, state.settings.max_archive);
    if max > 0 && size > max {
        let detail = format!(
            "The archive would have {size} bytes; the limit is {max}. Download the files one by one: see /export-jobs/{}/files.",
            job.job_id
        );
        return Err(Problem::new(Code::ArchiveTooLarge, detail));
    }
    Ok(index)
}

/// The file name of the archive: the job's name, made safe.
fn build_archive_name(job_name: &str) -> String {
    let flat = job_name.replace(['/', '\\'], "_");
    FileName::sanitize(&format!("{flat}.zip")).map_or_else(|_| "export.zip".to_owned(), |name| name.to_string())
}

/// Format of the manifest.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ManifestQuery {
    /// `json` or `csv`. Default: CSV when `Accept` prefers `text/csv`, else JSON.
    #[param(pattern = "^(json|csv)$")]
    format: Option<String>,
}

/// Download the manifest.
///
/// The results by asset: files, sizes, checksums, failures, warnings. The archive contains the same bytes.
#[utoipa::path(
    method(get, head),
    path = "/export-jobs/{jobHandle}/manifest",
    tag = "downloads",
    operation_id = "fetchExportManifest",
    params(("jobHandle" = JobId, Path, description = "Handle of the job."), ManifestQuery),
    responses(
        (status = 200, description = "The manifest.", content((ExportManifest = "application/json"), (String = "text/csv"))),
        (status = 304, description = "The client has the current version."),
        QueryProblems, DownloadProblems,
    ),
)]
#[route("/export-jobs/{jobHandle}/manifest", method = "GET", method = "HEAD")]
pub async fn fetch_manifest(
    state: Data<AppState>,
    caller: Caller,
    path: JobPath,
    form: Query<ManifestQuery>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let csv = match form.format.as_deref() {
        Some("csv") => true,
        Some("json") => false,
        Some(other) => {
            return Err(Problem::invalid_parameter(
                "format",
                format!("Unknown format `{other}`. Send `json` or `csv`."),
            ));
        }
        // Generated clients name both types; JSON wins a tie, and whatever else they accept.
        None => {
            accept::choose_media_type(&request, &[mime::APPLICATION_JSON, mime::TEXT_CSV]).is_ok_and(|index| index == 1)
        }
    };
    let job = find_visible_job(&state, &caller, &path).await?;
    let sealed = find_archive(&state, caller.company, &job).await?;
    let (digest, mime, name) = match csv {
        true => (sealed.manifest_csv_sha256, "text/csv; charset=utf-8", "manifest.csv"),
        false => (sealed.manifest_json_sha256, "application/json", "manifest.json"),
    };
    let size = db::blob::fetch_blob(&state.db, &digest).await?.size;
    let manifest = FileResponse::from_blob(digest, size, mime, name);
    FileResponse { modified: Some(sealed.sealed_at), ..manifest }.into_response(&request, &state).await
}
