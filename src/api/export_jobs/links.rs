//! Links to what a job hands out: made, listed and revoked here, opened in [`crate::api::downloads`].

use actix_web::web::{Data, Path, Query};
use actix_web::{HttpRequest, HttpResponse, delete, get, post};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::audit::Made;
use crate::api::body::Body;
use crate::api::caller::Caller;
use crate::api::export_jobs::{JobPath, files, managed, seen};
use crate::api::page::{self, Page, PageQuery};
use crate::api::problem::{Mistake, Problem};
use crate::api::responses::{BadBody, BadQuery, Missing, NoLonger};
use crate::code::Code;
use crate::db::link::{self, NewLink};
use crate::db::{self, archive};
use crate::export::names;
use crate::id::{JobId, LinkId};
use crate::state::State;

/// Seconds that a link works when its maker does not say.
const LASTS: i64 = 7 * 24 * 3600;

/// A link that is to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CreateLink {
    /// The file's path, as the list of files shows it. Absent or null: the archive.
    #[schema(example = "fileToExport.tiff", max_length = 2048)]
    path: Option<String>,
    /// Seconds that it shall work: a week when absent. It ends with the job's files at the latest.
    #[schema(minimum = 60, maximum = 31_536_000, example = 86_400)]
    expires_in: Option<i64>,
}

/// A link.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Link {
    /// What it is called.
    link_handle: LinkId,
    /// The job whose files it is to.
    job_handle: JobId,
    /// The file's path; null for the archive.
    path: Option<String>,
    /// When it was made.
    created_at: DateTime<Utc>,
    /// When it ends.
    expires_at: DateTime<Utc>,
    /// When it was ended before its time.
    revoked_at: Option<DateTime<Utc>>,
    /// Whether it still works, as far as the link itself is concerned.
    active: bool,
}

/// A link that was just made.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CreatedLink {
    /// The link.
    #[serde(flatten)]
    link: Link,
    /// Its address. Whoever has it has the file, so it is shown this once only.
    #[schema(example = "https://offprint.example/downloads/AQGZ…")]
    url: String,
}

impl From<link::Link> for Link {
    fn from(link: link::Link) -> Self {
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

/// Make a link.
///
/// A link gives one file or the archive to whoever has its address, without a key, until it ends or is revoked. It can be
/// made before the job is finished; until then it answers 409.
#[utoipa::path(
    tag = "downloads",
    operation_id = "createExportLink",
    params(("jobHandle" = String, Path, description = "The job.")),
    request_body(content = CreateLink, description = "To what, and for how long.", example = json!({"expiresIn": 86400})),
    responses((status = 201, description = "The link, with its address.", body = CreatedLink), BadBody, Missing, NoLonger),
)]
#[post("/export-jobs/{jobHandle}/links")]
pub async fn create_link(
    state: Data<State>,
    caller: Caller,
    path: JobPath,
    Body(wish, _): Body<CreateLink>,
) -> Result<HttpResponse, Problem> {
    let job = files::kept(&state, caller, &path).await?;
    caller.manages(&job)?;
    if let Some(path) = &wish.path {
        let found = archive::file(&state.db, caller.company, job.job_id, path, &names::key(path)).await;
        found.map_err(|error| no_such_file(error, path))?;
    }
    let new = NewLink {
        job_id: job.job_id,
        path: wish.path.as_deref(),
        expires_in: wish.expires_in.unwrap_or(LASTS),
        notice_id: None,
    };
    let (link, url) = state.link(&state.db, caller.company, &new).await?;
    let (id, of) = (link.link_id, job.job_id);
    tracing::info!(job.handle = %of, link.handle = %id, "Link {id} to job {of} was made");
    let mut answer = HttpResponse::Created().json(CreatedLink { link: link.into(), url });
    answer.extensions_mut().insert(Made(format!("/export-jobs/{of}/links/{id}")));
    Ok(answer)
}

fn no_such_file(error: db::Error, path: &str) -> Problem {
    match error {
        db::Error::Missing(_) => {
            let detail = format!("The job has no file {path:?}. /files lists those that it has.");
            Problem::refused(vec![Mistake::new("/path", Code::NotFound, detail)])
        }
        error => error.into(),
    }
}

/// List a job's links.
///
/// In the order in which they were made, those of mails among them. Addresses are not shown again.
#[utoipa::path(
    tag = "downloads",
    operation_id = "listExportLinks",
    params(("jobHandle" = String, Path, description = "The job."), PageQuery),
    responses((status = 200, description = "One page of links.", body = Page<Link>), BadQuery, Missing),
)]
#[get("/export-jobs/{jobHandle}/links")]
pub async fn list_links(
    state: Data<State>,
    caller: Caller,
    path: JobPath,
    filters: Query<PageQuery>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let limit = page::limit(filters.limit)?;
    let after = page::after(filters.cursor.as_deref(), &*filters, place)?;
    let job = seen(&state, &caller, &path).await?;
    let mut connection = state.db.acquire().await.map_err(db::Error::from)?;
    let found = link::list(&mut connection, caller.company, job.job_id, after, limit + 1).await?;
    let shown: Vec<Link> = found.into_iter().map(Link::from).collect();
    let key = |link: &Link| vec![link.created_at.to_rfc3339(), link.link_handle.to_string()];
    Ok(Page::new(shown, limit, &*filters, key).answer(&request))
}

fn place(key: &[String]) -> Option<(DateTime<Utc>, LinkId)> {
    let [at, link] = key else { return None };
    Some((DateTime::parse_from_rfc3339(at).ok()?.to_utc(), link.parse().ok()?))
}

/// Revoke a link.
///
/// From now on its address answers 410. Downloads that have begun go on. To revoke it again changes nothing.
#[utoipa::path(
    tag = "downloads",
    operation_id = "revokeExportLink",
    params(
        ("jobHandle" = String, Path, description = "The job."),
        ("linkHandle" = String, Path, description = "The link."),
    ),
    responses((status = 204, description = "It does not work any more."), Missing),
)]
#[delete("/export-jobs/{jobHandle}/links/{linkHandle}")]
pub async fn revoke_link(
    state: Data<State>,
    caller: Caller,
    path: Path<(String, String)>,
) -> Result<HttpResponse, Problem> {
    let (job, link) = path.into_inner();
    let job = managed(&state, &caller, &job).await?;
    let link: LinkId = link.parse().map_err(|_| Problem::missing("link of this job"))?;
    let mut connection = state.db.acquire().await.map_err(db::Error::from)?;
    link::revoke(&mut connection, caller.company, job, link).await?;
    tracing::info!(job.handle = %job, link.handle = %link, "Link {link} to job {job} was revoked");
    Ok(HttpResponse::NoContent().finish())
}
