//! What a link gives, without a key: whoever has its address has the file.

use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse, ResponseError, route};

use crate::api::export_jobs::files;
use crate::api::problem::Problem;
use crate::api::responses::BadDownload;
use crate::code::Code;
use crate::db::{self, link, wall};
use crate::state::State;
use crate::state::token::Token;

/// Open a link.
///
/// Gives the file or the archive that the link is to. Ranges, `If-Range`, `If-None-Match` and HEAD work. No key is
/// needed. Requests are counted by address.
#[utoipa::path(
    method(get, head),
    path = "/downloads/{token}",
    tag = "downloads",
    operation_id = "openLink",
    params(("token" = String, Path, description = "The end of the link's address.")),
    responses(
        (status = 200, description = "The file, or the archive.", content_type = "*/*"),
        (status = 206, description = "The range asked for.", content_type = "*/*"),
        (status = 304, description = "The client has it."),
        BadDownload,
    ),
)]
#[route("/downloads/{token}", method = "GET", method = "HEAD")]
pub async fn open_link(state: Data<State>, token: Path<String>, request: HttpRequest) -> HttpResponse {
    let mut answer = opened(&state, &token, &request).await.unwrap_or_else(|problem| problem.error_response());
    let headers = answer.headers_mut();
    // The address is the key: no page that is opened from here shall learn it, nor a search engine or a cache.
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(HeaderName::from_static("x-robots-tag"), HeaderValue::from_static("noindex"));
    if !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    }
    answer
}

fn unknown() -> Problem {
    Problem::new(Code::NotFound, "There is no such link. Look whether all of its address was copied.")
}

async fn opened(state: &State, token: &str, request: &HttpRequest) -> Result<HttpResponse, Problem> {
    let token = Token::read(token).ok_or_else(unknown)?;
    // Nobody is let in here; what the token claims is seen, and not told before its signature was looked at.
    wall::acting_for(token.company, signed(state, &token, request)).await
}

async fn signed(state: &State, token: &Token, request: &HttpRequest) -> Result<HttpResponse, Problem> {
    let mut connection = state.db.acquire().await.map_err(db::Error::from)?;
    let key = link::key(&mut connection, token.company, token.key).await?;
    if !key.is_some_and(|key| token.is_signed_by(&key)) {
        return Err(unknown());
    }
    // From here on it is one of ours, and may be told what became of it.
    let gone = |code, detail: String| Problem::new(code, format!("{detail} Ask whoever sent it for another."));
    let Some(link) = link::find(&mut connection, token.company, token.link).await? else {
        return Err(gone(Code::LinkExpired, "The export of this link was deleted.".into()));
    };
    drop(connection);
    if let Some(at) = link.revoked_at {
        return Err(gone(Code::LinkRevoked, format!("The link was revoked at {}.", at.to_rfc3339())));
    }
    if link.expired {
        return Err(gone(Code::LinkExpired, format!("The link worked until {}.", link.expires_at.to_rfc3339())));
    }
    match files::linked(state, token.company, &link, request).await {
        // Hidden, and not yet removed with its links.
        Err(problem) if problem.code() == Code::NotFound && link.path.is_none() => {
            Err(gone(Code::LinkExpired, "The export of this link was deleted.".into()))
        }
        answer => answer,
    }
}
