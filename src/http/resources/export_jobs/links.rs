//! Links to a job's results, which work without an API key: created, listed and revoked here, opened in
//! [`shared_links`](crate::http::resources::shared_links).

use actix_web::http::header::{self, HeaderName};
use actix_web::web::{Data, Path, Query};
use actix_web::{HttpRequest, HttpResponse, delete, get, post};
use chrono::{DateTime, Utc};
use offprint_core::Code;
use offprint_core::name::fold_path;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::app::AppState;
use crate::db::idempotency::IdempotencyRow;
use crate::db::link::{self, NewLink};
use crate::db::{self, archive};
use crate::http::address::write_public_address;
use crate::http::extract::body::JsonBody;
use crate::http::extract::caller::Caller;
use crate::http::extract::idempotency::IdempotencyKey;
use crate::http::extract::page;
use crate::http::extract::page::Page;
use crate::http::extract::page::PageQuery;
use crate::http::middleware::audit_trail::CreatedObject;
use crate::http::problem::Problem;
use crate::http::problem::ValidationError;
use crate::http::resources::export_jobs::JobPath;
use crate::http::resources::export_jobs::authorize_job_change;
use crate::http::resources::export_jobs::files;
use crate::http::resources::export_jobs::find_visible_job;
use crate::http::responses::BodyProblems;
use crate::http::responses::GoneProblem;
use crate::http::responses::IdempotencyProblem;
use crate::http::responses::NotFoundProblem;
use crate::http::responses::QueryProblems;
use crate::id::{JobId, LinkId};

/// Default lifetime of a link.
const DEFAULT_LINK_TTL_SECONDS: i64 = 7 * 24 * 3600;

/// A link to create.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CreateLink {
    /// Path of the file, as in the list of files. Absent or null for the archive.
    #[schema(example = "fileToExport.tiff", max_length = 2048)]
    path: Option<String>,
    /// Lifetime in seconds. Default: a week. The link expires with the job's files at the latest.
    #[schema(minimum = 60, maximum = 31_536_000, example = 86_400)]
    expires_in: Option<i64>,
}

/// A link to a file or the archive of a job.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Link {
    /// Handle of the link.
    link_handle: LinkId,
    /// The job.
    job_handle: JobId,
    /// Path of the file; null for the archive.
    path: Option<String>,
    /// When the link was created.
    created_at: DateTime<Utc>,
    /// When the link expires.
    expires_at: DateTime<Utc>,
    /// When the link was revoked; null if it was not.
    revoked_at: Option<DateTime<Utc>>,
    /// Whether the link is neither expired nor revoked.
    active: bool,
}

/// A link that was just created.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CreatedLink {
    /// The link.
    #[serde(flatten)]
    link: Link,
    /// URL of the link. Anybody with the URL can download the file, so it is shown only once.
    #[schema(example = "https://offprint.example/downloads/AQGZ…")]
    url: String,
}

impl From<link::LinkRow> for Link {
    fn from(link: link::LinkRow) -> Self {
        Self {
            link_handle: link.link_id,
            job_handle: link.job_id,
            active: !link.expired && link.revoked_at.is_none(),
            path: link.path,
            created_at: link.created_at,
            expires_at: link.expires_at,
            revoked_at: link.revoked_at,
        }
    }
}

/// Create a link.
///
/// Anybody with the URL can download one file or the archive without an API key, until the link expires or is revoked. A
/// link can be created before the job is finished; until then its URL answers 409.
#[utoipa::path(
    tag = "downloads",
    operation_id = "createExportLink",
    params(("jobHandle" = JobId, Path, description = "Handle of the job.")),
    request_body(content = CreateLink, description = "Target and lifetime of the link.", example = json!({"expiresIn": 86400})),
    responses((status = 201, description = "The link was created.", body = CreatedLink), BodyProblems, NotFoundProblem, GoneProblem, IdempotencyProblem),
)]
#[post("/export-jobs/{jobHandle}/links")]
pub async fn create_link(
    state: Data<AppState>,
    caller: Caller,
    path: JobPath,
    key: IdempotencyKey,
    JsonBody(body, digest): JsonBody<CreateLink>,
) -> Result<HttpResponse, Problem> {
    let job = files::find_unexpired_job(&state, caller, &path).await?;
    caller.check_can_manage(&job)?;
    if let Some(path) = &body.path {
        let file = archive::fetch_file(&state.db, caller.company, job.job_id, path, &fold_path(path)).await;
        file.map_err(|error| convert_file_error(error, path))?;
    }
    let new = NewLink {
        job_id: job.job_id,
        path: body.path.as_deref(),
        expires_in: body.expires_in.unwrap_or(DEFAULT_LINK_TTL_SECONDS),
        mail: None,
        api_key: caller.key,
    };
    let mut transaction = state.db.begin().await.map_err(db::DbError::from)?;
    if let Some(earlier) = key.reserve(&mut transaction, &caller, digest).await? {
        return replay_link(&state, &mut transaction, &caller, earlier).await;
    }
    let row = link::insert_link(&mut transaction, caller.company, &new).await?;
    let (id, job_id) = (row.link_id, job.job_id);
    let url = state.build_link_url(&mut transaction, caller.company, id).await?;
    let url = write_public_address(&state, url);
    let link = Link::from(row);
    // Without the URL, which is not stored.
    key.store(&mut transaction, &caller, digest, ("", &link)).await?;
    transaction.commit().await.map_err(db::DbError::from)?;
    tracing::info!(job.handle = %job_id, link.handle = %id, "Link {id} to job {job_id} was created");
    let mut answer = HttpResponse::Created();
    let mut answer = answer.insert_header(NO_STORE).json(CreatedLink { link, url });
    answer.extensions_mut().insert(CreatedObject(format!("/export-jobs/{job_id}/links/{id}")));
    Ok(answer)
}

/// The URL of a link is a credential.
const NO_STORE: (HeaderName, &str) = (header::CACHE_CONTROL, "no-store");

/// The first response once more. Its URL is signed again, and is the same unless the signing key was replaced.
async fn replay_link(
    state: &AppState,
    connection: &mut db::DbConnection,
    caller: &Caller,
    mut earlier: IdempotencyRow,
) -> Result<HttpResponse, Problem> {
    let handle = earlier.answer.get("linkHandle").and_then(|handle| handle.as_str()?.parse().ok());
    let handle: LinkId = handle.ok_or_else(|| Problem::internal("a stored response has no link"))?;
    let url = write_public_address(state, state.build_link_url(connection, caller.company, handle).await?);
    if let Some(fields) = earlier.answer.as_object_mut() {
        fields.insert("url".to_owned(), url.into());
    }
    let mut answer = HttpResponse::Created();
    answer.insert_header(NO_STORE);
    Ok(earlier.replay(answer))
}

fn convert_file_error(error: db::DbError, path: &str) -> Problem {
    match error {
        db::DbError::NotFound(_) => {
            let detail = format!("The job has no file {path:?}. `…/files` lists its files.");
            Problem::from_errors(vec![ValidationError::new("/path", Code::NotFound, detail)])
        }
        error => error.into(),
    }
}

/// List the links of a job.
///
/// Oldest first, including links in mails. The URLs of links are not shown again.
#[utoipa::path(
    tag = "downloads",
    operation_id = "listExportLinks",
    params(("jobHandle" = JobId, Path, description = "Handle of the job."), PageQuery),
    responses((status = 200, description = "One page of links.", body = Page<Link>), QueryProblems, NotFoundProblem),
)]
#[get("/export-jobs/{jobHandle}/links")]
pub async fn list_links(
    state: Data<AppState>,
    caller: Caller,
    path: JobPath,
    filters: Query<PageQuery>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let limit = page::parse_limit(filters.limit)?;
    let after = page::parse_cursor(filters.cursor.as_deref(), &*filters, parse_link_cursor)?;
    let job = find_visible_job(&state, &caller, &path).await?;
    let mut connection = state.db.acquire().await.map_err(db::DbError::from)?;
    let rows = link::list_links(&mut connection, caller.company, job.job_id, after, limit + 1).await?;
    let links: Vec<Link> = rows.into_iter().map(Link::from).collect();
    let key = |link: &Link| vec![link.created_at.to_rfc3339(), link.link_handle.to_string()];
    Ok(Page::new(links, limit, &*filters, key).into_response(&request))
}

fn parse_link_cursor(key: &[String]) -> Option<(DateTime<Utc>, LinkId)> {
    let [at, link] = key else { return None };
    Some((DateTime::parse_from_rfc3339(at).ok()?.to_utc(), link.parse().ok()?))
}

/// Revoke a link.
///
/// From now on its URL answers 410. Downloads in progress continue. Revoking a link again changes nothing.
#[utoipa::path(
    tag = "downloads",
    operation_id = "revokeExportLink",
    params(
        ("jobHandle" = JobId, Path, description = "Handle of the job."),
        ("linkHandle" = LinkId, Path, description = "Handle of the link."),
    ),
    responses((status = 204, description = "The link was revoked."), NotFoundProblem),
)]
#[delete("/export-jobs/{jobHandle}/links/{linkHandle}")]
pub async fn revoke_link(
    state: Data<AppState>,
    caller: Caller,
    path: Path<(String, String)>,
) -> Result<HttpResponse, Problem> {
    let (job, link) = path.into_inner();
    let job = authorize_job_change(&state, &caller, &job).await?;
    let link: LinkId = link.parse().map_err(|_| Problem::not_found("link of this job"))?;
    let mut connection = state.db.acquire().await.map_err(db::DbError::from)?;
    link::revoke_link(&mut connection, caller.company, job, link).await?;
    tracing::info!(job.handle = %job, link.handle = %link, "Link {link} to job {job} was revoked");
    Ok(HttpResponse::NoContent().finish())
}
