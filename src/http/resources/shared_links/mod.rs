//! Serves links to a job's results. No API key: the signed token in the URL is the credential.
//!
//! People open a link in a browser and get a [page](crate::http::pages::link_page); programs, and `?dl=1`, get the bytes.

pub mod files;
pub mod opened_link;
pub mod progress_stream;

use actix_web::http::Method;
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::web::{Data, Path, Query};
use actix_web::{HttpRequest, HttpResponse, ResponseError, route};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::app::AppState;
use crate::db::row_level_security::run_as_company;
use crate::http::extract::accept::prefers_page;
use crate::http::middleware::head::omit_body;
use crate::http::pages::link_page;
use crate::http::problem::Problem;
use crate::http::resources::shared_links::files::serve_link_target;
use crate::http::resources::shared_links::opened_link::OpenedLink;
use crate::http::responses::DownloadProblems;

/// How to open a link.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct LinkQuery {
    /// With any value: the bytes, also for a client that asks for `text/html`.
    dl: Option<String>,
    /// For the page: show the files after this one.
    #[param(ignore)]
    after: Option<String>,
}

/// Open a link.
///
/// Downloads the file or archive of the link. Supports `Range`, `If-Range`, `If-None-Match` and HEAD. Needs no API key;
/// requests are rate-limited by client address.
///
/// This is the address for people, too: a browser, which asks for `text/html`, gets a page that says what the link leads to,
/// how far the job is, and what failed. Its download buttons have `?dl=1`, which always gets the bytes.
#[utoipa::path(
    method(get, head),
    path = "/downloads/{token}",
    tag = "downloads",
    operation_id = "openLink",
    params(("token" = String, Path, description = "The token at the end of the link's URL."), LinkQuery),
    responses(
        (status = 200, description = "The file or the archive; for `Accept: text/html` a page about it.", content_type = "application/octet-stream"),
        (status = 206, description = "The requested range.", content_type = "application/octet-stream"),
        (status = 304, description = "The client has the current version."),
        DownloadProblems,
    ),
)]
#[route("/downloads/{token}", method = "GET", method = "HEAD")]
pub async fn open_link(
    state: Data<AppState>,
    token: Path<String>,
    query: Query<LinkQuery>,
    request: HttpRequest,
) -> HttpResponse {
    // A range is a part of the bytes: the client continues a download.
    let is_page =
        query.dl.is_none() && prefers_page(request.headers()) && !request.headers().contains_key(header::RANGE);
    let open = async {
        let link = OpenedLink::verify(&state, &token).await?;
        let answer = async {
            let job = link.fetch_job(&state).await?;
            match is_page {
                true => link_page::show_link_page(&state, &link, &job, query.after.as_deref(), &request).await,
                false => serve_link_target(&state, &link, &job, &request).await,
            }
        };
        run_as_company(link.company, answer).await
    };
    let answer = protect_link_response(open.await);
    match is_page && request.method() == Method::HEAD && answer.status().is_success() {
        true => answer.map_body(|head, body| actix_web::body::BoxBody::new(omit_body(head, body))),
        false => answer,
    }
}

/// The response below a link's address. The address is the credential: it must not leak by `Referer`, a search engine or a
/// cache.
fn protect_link_response(answer: Result<HttpResponse, Problem>) -> HttpResponse {
    let mut answer = answer.unwrap_or_else(|problem| problem.error_response());
    let headers = answer.headers_mut();
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(HeaderName::from_static("x-robots-tag"), HeaderValue::from_static("noindex"));
    if !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    }
    // What the address answers depends on what is asked for.
    headers.append(header::VARY, HeaderValue::from_static("Accept"));
    answer
}
