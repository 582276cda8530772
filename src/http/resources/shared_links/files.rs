//! The bytes behind a link: its file or archive, and the single files of an archive.

use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse, get, route};
use offprint_core::Code;

use crate::app::AppState;
use crate::db::job::JobRow;
use crate::db::row_level_security::run_as_company;
use crate::http::problem::Problem;
use crate::http::resources::export_jobs::{files, thumbnails};
use crate::http::resources::shared_links::opened_link::OpenedLink;
use crate::http::resources::shared_links::protect_link_response;

/// What the link leads to.
pub(super) async fn serve_link_target(
    state: &AppState,
    link: &OpenedLink,
    job: &JobRow,
    request: &HttpRequest,
) -> Result<HttpResponse, Problem> {
    match &link.link.path {
        Some(path) => files::serve_job_file(state, link.company, job, path, request).await,
        None => files::serve_job_archive(state, link.company, job, request).await,
    }
}

/// `GET /downloads/{token}/files/{path}`: one file of the archive that the link leads to.
#[route("/downloads/{token}/files/{path:.*}", method = "GET", method = "HEAD")]
pub(crate) async fn fetch_link_file(
    state: Data<AppState>,
    path: Path<(String, String)>,
    request: HttpRequest,
) -> HttpResponse {
    let (token, path) = path.into_inner();
    serve_behind_link(&state, &token, &path, async |link, job| {
        files::serve_job_file(&state, link.company, job, &path, &request).await
    })
    .await
}

/// `GET /downloads/{token}/thumbnails/{path}`: what a file behind the link looks like.
#[get("/downloads/{token}/thumbnails/{path:.*}")]
pub(crate) async fn fetch_link_thumbnail(
    state: Data<AppState>,
    path: Path<(String, String)>,
    request: HttpRequest,
) -> HttpResponse {
    let (token, path) = path.into_inner();
    serve_behind_link(&state, &token, &path, async |link, job| {
        thumbnails::serve_thumbnail(&state, link.company, job, &path, &request).await
    })
    .await
}

/// Serves something of a file that is behind a link, as the link's company.
async fn serve_behind_link(
    state: &AppState,
    token: &str,
    path: &str,
    serve: impl AsyncFnOnce(&OpenedLink, &JobRow) -> Result<HttpResponse, Problem>,
) -> HttpResponse {
    let fetch = async {
        let link = OpenedLink::verify(state, token).await?;
        let serve = async {
            check_covers(&link, path)?;
            let job = link.fetch_job(state).await?;
            serve(&link, &job).await
        };
        run_as_company(link.company, serve).await
    };
    protect_link_response(fetch.await)
}

/// Checks that a file is behind the link: the link to an archive leads to all files of its job, another to one.
pub(super) fn check_covers(link: &OpenedLink, path: &str) -> Result<(), Problem> {
    match &link.link.path {
        Some(only) if only != path => Err(Problem::new(Code::NotFound, "There is no such file behind this link.")),
        _ => Ok(()),
    }
}
