//! Fetching what a job hands out: single files as soon as they are done, the archive and the manifest at the end.

use actix_web::http::header;
use actix_web::web::{Data, Query};
use actix_web::{HttpRequest, HttpResponse, get, route};
use futures_util::stream::StreamExt;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::api::accept;
use crate::api::caller::Caller;
use crate::api::download::{Download, Source};
use crate::api::export_jobs::{JobPath, seen};
use crate::api::page::{self, Page};
use crate::api::problem::Problem;
use crate::api::responses::{BadDownload, BadQuery, Missing};
use crate::code::Code;
use crate::db;
use crate::db::archive::{self, File};
use crate::db::job::Job;
use crate::db::link::Link;
use crate::db::vocabulary::FileState;
use crate::export::names;
use crate::id::{AssetId, CompanyId};
use crate::name::FileName;
use crate::state::State;
use crate::storage::archive::Archive;

/// A file that a job hands out, or will.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExportFile {
    /// Its place in the archive, and the end of its address.
    path: String,
    /// `ready` when it can be fetched, `absent` when its item ended without.
    state: FileState,
    /// The item it comes from.
    position: i32,
    /// The asset it was made from.
    asset_handle: AssetId,
    /// The rendition's name; null where the job has none, and for originals.
    rendition: Option<String>,
    /// Bytes.
    size: Option<i64>,
    /// Media type.
    mime: Option<String>,
    /// Pixels across.
    width: Option<i32>,
    /// Pixels down.
    height: Option<i32>,
    /// SHA-256 of its bytes.
    sha256: Option<String>,
    /// Whether the same picture had been rendered the same way before.
    reused: bool,
    /// Where to fetch it.
    href: Option<String>,
    /// Its place among the files of its item.
    #[serde(skip)]
    number: i16,
}

/// Which files to list.
#[derive(Debug, Deserialize, Serialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct FileFilters {
    /// Only files in this state.
    #[param(inline)]
    state: Option<FileState>,
    /// Files on a page, 1 to 1000; 100 when absent.
    #[serde(skip_serializing_if = "page::not_a_filter")]
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
    /// `nextCursor` of the page before.
    #[serde(skip_serializing_if = "page::not_a_filter")]
    #[param(min_length = 1)]
    cursor: Option<String>,
}

/// A path as the end of an address: every segment encoded, the slashes kept.
fn encoded(path: &str) -> String {
    let segment =
        |segment| percent_encoding::utf8_percent_encode(segment, percent_encoding::NON_ALPHANUMERIC).to_string();
    path.split('/').map(segment).collect::<Vec<_>>().join("/")
}

/// List a job's files.
///
/// In request order. Names are fixed when the job is created; each file can be fetched as soon as it is `ready`.
#[utoipa::path(
    tag = "downloads",
    operation_id = "listExportFiles",
    params(("jobHandle" = String, Path, description = "The job."), FileFilters),
    responses((status = 200, description = "One page of files.", body = Page<ExportFile>), BadQuery, Missing),
)]
#[get("/export-jobs/{jobHandle}/files")]
pub async fn list_files(
    state: Data<State>,
    caller: Caller,
    path: JobPath,
    filters: Query<FileFilters>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let limit = page::limit(filters.limit)?;
    let after = page::after(filters.cursor.as_deref(), &*filters, place)?.unwrap_or(FIRST);
    let job = seen(&state, &caller, &path).await?;
    let found = archive::files(&state.db, caller.company, job.job_id, filters.state, after, limit + 1).await?;
    let shown: Vec<ExportFile> = found.into_iter().map(|file| shown(&job, file)).collect();
    Ok(Page::new(shown, limit, &*filters, |file| vec![file.position.to_string(), file.number.to_string()])
        .answer(&request))
}

/// Before every file.
const FIRST: (i32, i16) = (-1, -1);

/// The file of a cursor: its item's position and its place among the item's files.
fn place(key: &[String]) -> Option<(i32, i16)> {
    let [position, number] = key else { return None };
    Some((position.parse().ok()?, number.parse().ok()?))
}

fn shown(job: &Job, file: File) -> ExportFile {
    let href = || format!("/export-jobs/{}/files/{}", job.job_id, encoded(&file.path));
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

/// Fetch one file.
///
/// As soon as its item is done, before the job ends. Ranges, `If-Range`, `If-None-Match` and HEAD work.
#[utoipa::path(
    method(get, head),
    path = "/export-jobs/{jobHandle}/files/{path}",
    tag = "downloads",
    operation_id = "fetchExportFile",
    params(
        ("jobHandle" = String, Path, description = "The job."),
        ("path" = String, Path, description = "The file's path, as the list of files shows it. Slashes stay slashes."),
    ),
    responses(
        (status = 200, description = "The file.", content_type = "*/*"),
        (status = 206, description = "The range asked for.", content_type = "*/*"),
        (status = 304, description = "The client has it."),
        BadDownload,
    ),
)]
#[route("/export-jobs/{jobHandle}/files/{path:.*}", method = "GET", method = "HEAD")]
pub async fn fetch_file(
    state: Data<State>,
    caller: Caller,
    path: actix_web::web::Path<(String, String)>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let (job, path) = path.into_inner();
    let job = kept(&state, caller, &job).await?;
    let file = archive::file(&state.db, caller.company, job.job_id, &path, &names::key(&path)).await?;
    one(&state, &job, file, &request).await
}

/// A job whose files are still kept.
pub(super) async fn kept(state: &State, caller: Caller, path: &str) -> Result<Job, Problem> {
    unexpired(seen(state, &caller, path).await?)
}

fn unexpired(job: Job) -> Result<Job, Problem> {
    if job.expired { Err(expired(&job)) } else { Ok(job) }
}

/// What a link is to, which works and is this company's.
pub(in crate::api) async fn linked(
    state: &State,
    company: CompanyId,
    link: &Link,
    request: &HttpRequest,
) -> Result<HttpResponse, Problem> {
    let job = unexpired(db::job::find(&state.db, company, link.job_id).await?)?;
    match &link.path {
        Some(path) => {
            let file = archive::file(&state.db, company, job.job_id, path, &names::key(path)).await?;
            one(state, &job, file, request).await
        }
        None => zip(state, &job, sealed(state, company, &job).await?, request).await,
    }
}

fn expired(job: &Job) -> Problem {
    let when = job.expires_at.map(|at| at.to_rfc3339()).unwrap_or_default();
    let detail = format!(
        "The files of this job were kept until {when}, {} seconds after its end, as `expiresIn` says. The manifest is still \
         there. Order the export again.",
        job.expires_in
    );
    Problem::new(Code::ResultsExpired, detail)
}

async fn one(state: &State, job: &Job, file: File, request: &HttpRequest) -> Result<HttpResponse, Problem> {
    let (Some(sha256), Some(size)) = (file.sha256, file.size) else {
        return Err(match file.state {
            FileState::Absent => Problem::missing("file: its item ended without one; the item says why"),
            _ => not_finished(job, "This file is not done yet."),
        });
    };
    let name = file.path.rsplit('/').next().unwrap_or_default().to_owned();
    let download = Download {
        source: Source::Blob(sha256),
        size: size as u64,
        etag: sha256.to_string(),
        mime: file.mime.unwrap_or_else(|| "application/octet-stream".into()),
        file_name: name,
        digest: Some(sha256),
        modified: None,
    };
    download.answer(request, state).await
}

fn not_finished(job: &Job, what: &str) -> Problem {
    let wait = job.eta_seconds().unwrap_or(1).clamp(1, 60);
    let detail = format!(
        "{what} {} of {} items have ended. Look again, or ask for the job with `?wait=60`.",
        job.ended(),
        job.total
    );
    Problem::new(Code::NotFinished, detail).header(header::RETRY_AFTER, &wait.to_string())
}

/// Fetch what the job made.
///
/// The file itself when there is exactly one, else the archive. `Accept: application/zip` always gives the archive.
#[utoipa::path(
    method(get, head),
    path = "/export-jobs/{jobHandle}/download",
    tag = "downloads",
    operation_id = "downloadExport",
    params(("jobHandle" = String, Path, description = "The job.")),
    responses(
        (status = 200, description = "The file, or the archive.", content_type = "*/*"),
        (status = 206, description = "The range asked for.", content_type = "*/*"),
        (status = 304, description = "The client has it."),
        BadDownload,
    ),
)]
#[route("/export-jobs/{jobHandle}/download", method = "GET", method = "HEAD")]
pub async fn fetch_download(
    state: Data<State>,
    caller: Caller,
    path: JobPath,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let job = kept(&state, caller, &path).await?;
    let sealed = sealed(&state, caller.company, &job).await?;
    let wants_zip = accept::names(&request, "application/zip");
    let mut files = archive::files(&state.db, caller.company, job.job_id, Some(FileState::Ready), FIRST, 2).await?;
    match (files.len(), wants_zip) {
        (1, false) => one(&state, &job, files.remove(0), &request).await,
        _ => zip(&state, &job, sealed, &request).await,
    }
}

/// The sealed archive of the current run.
async fn sealed(state: &State, company: CompanyId, job: &Job) -> Result<archive::Archive, Problem> {
    let found = archive::find(&state.db, company, job.job_id).await?;
    found.ok_or_else(|| not_finished(job, "The archive is complete when the job is finished."))
}

/// Fetch the archive.
///
/// One zip of all files, in request order, with `manifest.json` and `manifest.csv` at its end. Its length and every byte
/// are fixed when the job finishes, so a download that was cut goes on where it stopped (`Range` with `If-Range`).
#[utoipa::path(
    method(get, head),
    path = "/export-jobs/{jobHandle}/archive",
    tag = "downloads",
    operation_id = "fetchExportArchive",
    params(("jobHandle" = String, Path, description = "The job.")),
    responses(
        (status = 200, description = "The zip.", content_type = "application/zip"),
        (status = 206, description = "The range asked for.", content_type = "application/zip"),
        (status = 304, description = "The client has it."),
        BadDownload,
    ),
)]
#[route("/export-jobs/{jobHandle}/archive", method = "GET", method = "HEAD")]
pub async fn fetch_archive(
    state: Data<State>,
    caller: Caller,
    path: JobPath,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let job = kept(&state, caller, &path).await?;
    let sealed = sealed(&state, caller.company, &job).await?;
    zip(&state, &job, sealed, &request).await
}

async fn zip(
    state: &State,
    job: &Job,
    sealed: archive::Archive,
    request: &HttpRequest,
) -> Result<HttpResponse, Problem> {
    let Some(index) = sealed.index_sha256 else { return Err(expired(job)) };
    let (size, max) = (sealed.size as u64, state.settings.max_archive);
    if max > 0 && size > max {
        let detail = format!(
            "The archive would have {size} bytes, and {max} are allowed. Fetch the files one by one: /export-jobs/{}/files lists \
             them.",
            job.job_id
        );
        return Err(Problem::new(Code::ArchiveTooLarge, detail));
    }
    let open = Archive::open(&state.storage, &index).await?;
    let pieces = move |offset: u64, len: u64| open.stream(offset..offset + len).boxed_local();
    let download = Download {
        source: Source::Made(Box::new(pieces)),
        size: sealed.size as u64,
        etag: sealed.etag.trim_matches('"').to_owned(),
        mime: "application/zip".into(),
        file_name: zip_name(&job.job_name),
        digest: None,
        modified: Some(sealed.sealed_at),
    };
    download.answer(request, state).await
}

/// The job's name as a file's, whatever people put into it.
fn zip_name(job_name: &str) -> String {
    let flat = job_name.replace(['/', '\\'], "_");
    FileName::made_of(&format!("{flat}.zip")).map_or_else(|_| "export.zip".to_owned(), |name| name.to_string())
}

/// In which form the manifest is wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Form {
    /// `json` or `csv`. When absent `Accept: text/csv` gives CSV, everything else JSON.
    #[param(pattern = "^(json|csv)$")]
    format: Option<String>,
}

/// Fetch the manifest.
///
/// What became of every asset: file, size, checksum, failure, warnings. The same bytes stand in the archive.
#[utoipa::path(
    method(get, head),
    path = "/export-jobs/{jobHandle}/manifest",
    tag = "downloads",
    operation_id = "fetchExportManifest",
    params(("jobHandle" = String, Path, description = "The job."), Form),
    responses(
        (status = 200, description = "The manifest.", content((serde_json::Value = "application/json"), (String = "text/csv"))),
        (status = 206, description = "The range asked for."),
        (status = 304, description = "The client has it."),
        BadQuery, BadDownload,
    ),
)]
#[route("/export-jobs/{jobHandle}/manifest", method = "GET", method = "HEAD")]
pub async fn fetch_manifest(
    state: Data<State>,
    caller: Caller,
    path: JobPath,
    form: Query<Form>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let csv = match form.format.as_deref() {
        Some("csv") => true,
        Some("json") => false,
        Some(other) => return Err(Problem::parameter("format", format!("`{other}` is neither json nor csv."))),
        None => accept::names(&request, "text/csv"),
    };
    let job = seen(&state, &caller, &path).await?;
    let sealed = sealed(&state, caller.company, &job).await?;
    let (digest, mime, name) = match csv {
        true => (sealed.manifest_csv_sha256, "text/csv; charset=utf-8", "manifest.csv"),
        false => (sealed.manifest_json_sha256, "application/json", "manifest.json"),
    };
    let size = db::blob::fetch(&state.db, &digest).await?.size;
    let download = Download {
        source: Source::Blob(digest),
        size: size as u64,
        etag: digest.to_string(),
        mime: mime.into(),
        file_name: name.into(),
        digest: Some(digest),
        modified: Some(sealed.sealed_at),
    };
    download.answer(&request, &state).await
}
