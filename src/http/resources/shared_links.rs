//! Serves links to a job's results. No API key: the signed token in the URL is the credential.

use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse, ResponseError, route};
use offprint_core::Code;

use crate::app::AppState;
use crate::app::link_token::LinkToken;
use crate::db::{self, link, row_level_security};
use crate::http::problem::Problem;
use crate::http::resources::export_jobs::files;
use crate::http::responses::DownloadProblems;

/// Open a link.
///
/// Downloads the file or archive of the link. Supports `Range`, `If-Range`, `If-None-Match` and HEAD. Needs no API key;
/// requests are rate-limited by client address.
#[utoipa::path(
    method(get, head),
    path = "/downloads/{token}",
    tag = "downloads",
    operation_id = "openLink",
    params(("token" = String, Path, description = "The token at the end of the link's URL.")),
    responses(
        (status = 200, description = "The file or the archive.", content_type = "application/octet-stream"),
        (status = 206, description = "The requested range.", content_type = "application/octet-stream"),
        (status = 304, description = "The client has the current version."),
        DownloadProblems,
    ),
)]
#[route("/downloads/{token}", method = "GET", method = "HEAD")]
pub async fn open_link(state: Data<AppState>, token: Path<String>, request: HttpRequest) -> HttpResponse {
    let mut answer = resolve_token(&state, &token, &request).await.unwrap_or_else(|problem| problem.error_response());
    let headers = answer.headers_mut();
    // The URL is the credential: it must not leak by `Referer`, a search engine or a cache.
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(HeaderName::from_static("x-robots-tag"), HeaderValue::from_static("noindex"));
    if !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    }
    answer
}

fn reject_unknown_link() -> Problem {
    Problem::new(Code::NotFound, "Unknown link. Check that its URL was copied completely.")
}

async fn resolve_token(state: &AppState, token: &str, request: &HttpRequest) -> Result<HttpResponse, Problem> {
    let token = LinkToken::parse(token).ok_or_else(reject_unknown_link)?;
    // The company in the token is not trusted yet: it only selects rows to read, and nothing of them is returned before the
    // signature is verified.
    row_level_security::run_as_company(token.company, serve_verified_link(state, &token, request)).await
}

async fn serve_verified_link(
    state: &AppState,
    token: &LinkToken,
    request: &HttpRequest,
) -> Result<HttpResponse, Problem> {
    let mut connection = state.db.acquire().await.map_err(db::DbError::from)?;
    let key = link::find_link_key(&mut connection, token.company, token.key).await?;
    if !key.is_some_and(|key| token.is_signed_by(&key)) {
        return Err(reject_unknown_link());
    }
    // The token is genuine, so its holder may know what happened to the link.
    let gone = |code, detail: String| Problem::new(code, format!("{detail} Ask the sender for a new link."));
    let Some(link) = link::find_link(&mut connection, token.company, token.link).await? else {
        return Err(gone(Code::LinkExpired, "The export job of this link was deleted.".into()));
    };
    drop(connection);
    if let Some(at) = link.revoked_at {
        return Err(gone(Code::LinkRevoked, format!("The link was revoked at {}.", at.to_rfc3339())));
    }
    if link.expired {
        return Err(gone(Code::LinkExpired, format!("The link expired at {}.", link.expires_at.to_rfc3339())));
    }
    match files::serve_linked_file(state, token.company, &link, request).await {
        // The job is deleted, but its rows and links are not removed yet.
        Err(problem) if problem.code() == Code::NotFound && link.path.is_none() => {
            Err(gone(Code::LinkExpired, "The export job of this link was deleted.".into()))
        }
        answer => answer,
    }
}
