//! Finds the row of the operation table that a request is for, once, and how its path may be logged. Everything behind
//! reads them with [`find_route`] and [`get_logged_path`].

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Uri;
use actix_web::http::uri::PathAndQuery;
use actix_web::middleware::Next;
use actix_web::web::Data;
use actix_web::{Error, HttpMessage};
use uuid::Uuid;

use crate::app::AppState;
use crate::http::address::BasePath;
use crate::http::operations::Route;

/// Keys, tokens and webhook secrets are longer. What a client sends is shown whole up to here.
const MAX_PARAMETER_CHARS: usize = 63;
/// How much is shown of a longer parameter: less than half of any secret, and not the secret half.
const SHOWN_PARAMETER_CHARS: usize = 32;
/// Of a path that matches nothing, only segments are shown that are shorter than the shortest OFFPRINT_API_KEY.
const MAX_UNKNOWN_SEGMENT_CHARS: usize = 15;
/// Longest path in a log.
const MAX_LOGGED_PATH_CHARS: usize = 200;

/// A path as logs and the audit log may have it: without secrets and control characters.
#[derive(Clone)]
struct LoggedPath(String);

/// Puts the route and the path for logs into the request. Removes the path below which the service is reached, where the
/// proxy did not; addresses in the response are below it in any case.
pub async fn resolve_route(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let settings = request.app_data::<Data<AppState>>().map(|state| state.settings.clone());
    let base = settings.as_ref().map(|settings| BasePath::find(request.peer_addr(), request.headers(), settings));
    let base = base.unwrap_or_default();
    remove_base_path(&mut request, &base);
    // As the router decodes it, so that no other spelling of a path has another row than its handler.
    let path = request.match_info().unprocessed();
    let route = Route::find(request.method().as_str(), path);
    let operator_key = settings.as_ref().and_then(|settings| settings.api_key.clone());
    let logged_path = LoggedPath(redact_path(route, path, operator_key.as_deref()));
    request.extensions_mut().insert(route);
    request.extensions_mut().insert(logged_path);
    base.scope(next.call(request)).await
}

/// Lets the router see `/assets` where a proxy passed on `/offprint/assets`. A path that has a route as it is stays, so a
/// proxy that removes the path works under any name, also under `/assets`.
fn remove_base_path(request: &mut ServiceRequest, base: &BasePath) {
    let path = request.match_info().unprocessed();
    if matches!(Route::find(request.method().as_str(), path), Route::Unknown)
        && let Some(rest) = base.strip(request.uri().path())
        && let Some(uri) = replace_path(request.uri(), if rest.is_empty() { "/" } else { rest })
    {
        request.match_info_mut().get_mut().update(&uri);
        request.head_mut().uri = uri;
    }
}

fn replace_path(uri: &Uri, path: &str) -> Option<Uri> {
    let text = uri.query().map_or_else(|| path.to_owned(), |query| format!("{path}?{query}"));
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(text).ok()?);
    Uri::from_parts(parts).ok()
}

/// What method and path of the request select.
pub fn find_route(request: &impl HttpMessage) -> Route {
    request.extensions().get::<Route>().copied().unwrap_or(Route::Unknown)
}

/// The path of the request as it may be logged.
pub fn get_logged_path(request: &impl HttpMessage) -> String {
    request.extensions().get::<LoggedPath>().map(|path| path.0.clone()).unwrap_or_default()
}

fn redact_path(route: Route, path: &str, operator_key: Option<&str>) -> String {
    let is_operator_key = |segment: &str| operator_key.is_some_and(|key| segment.contains(key));
    let mut names = route.template().map(|template| template.split('/'));
    let segments = path.split('/').map(|segment| match &mut names {
        _ if is_operator_key(segment) => "…".to_owned(),
        Some(names) => redact_parameter(names.next(), segment),
        None => redact_unknown_segment(segment),
    });
    let text = segments.collect::<Vec<_>>().join("/");
    match text.char_indices().nth(MAX_LOGGED_PATH_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// A segment of a path of the table; `name` is that of the template, none behind the beginning of its last parameter.
fn redact_parameter(name: Option<&str>, segment: &str) -> String {
    match name {
        Some("{token}") => "…".to_owned(),
        _ if segment.chars().any(char::is_control) => "…".to_owned(),
        _ => match segment.char_indices().nth(MAX_PARAMETER_CHARS) {
            Some(_) => format!("{}…", segment.chars().take(SHOWN_PARAMETER_CHARS).collect::<String>()),
            None => segment.to_owned(),
        },
    }
}

/// A segment of a path that matches nothing: it may be a secret behind a misspelled path.
fn redact_unknown_segment(segment: &str) -> String {
    let is_plain = segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    let is_shown = is_plain && (segment.len() <= MAX_UNKNOWN_SEGMENT_CHARS || Uuid::try_parse(segment).is_ok());
    if is_shown { segment.to_owned() } else { "…".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redact(method: &str, path: &str) -> String {
        redact_path(Route::find(method, path), path, Some("sixteen-characters"))
    }

    #[test]
    fn tokens_and_keys_are_not_logged_in_any_spelling() {
        let token = "AQGZ0r".repeat(16);
        let key = format!("op_{}_{}", "0123456789abcdef".repeat(2), "fedcba9876543210".repeat(4));
        let prefixes = ["/downloads/", "//downloads/", "/downloads//", "/./downloads/", "/Downloads/", "/x/downloads/"];
        for prefix in prefixes.into_iter().chain(["/", "/%64ownloads/", "/image-presets/", "/assets/", "/downloads%2F"])
        {
            for secret in
                [&token, &key, &token.replace('A', "%41"), &format!("{token}/x"), &"sixteen-characters".into()]
            {
                for method in ["GET", "POST", "HEAD", "FOO"] {
                    let logged = redact(method, &format!("{prefix}{secret}"));
                    let secret_part = &secret[secret.len().min(40)..];
                    assert!(logged.contains('…'), "{method} {prefix}: {logged}");
                    assert!(secret_part.is_empty() || !logged.contains(secret_part), "{method} {prefix}: {logged}");
                    assert!(!logged.contains("sixteen"), "{logged}");
                }
            }
        }
    }

    #[test]
    fn what_is_no_secret_can_be_read() {
        let handle = "0198f3c2-a7e4-7d5f-8b1c-2d3e4f5a6b7c";
        for path in [
            "/favicon.ico".to_owned(),
            format!("/assets/{handle}"),
            format!("/asset/{handle}"),
            format!("/export-jobs/{handle}/deliveries/{handle}/replay"),
            format!("/export-jobs/{handle}/files/a folder/ä.jpg"),
            "/image-presets/a-long-name-of-a-preset".to_owned(),
        ] {
            assert_eq!(redact("GET", &path), path);
        }
        assert_eq!(redact("GET", "/downloads/AQGZ"), "/downloads/…");
        assert_eq!(redact("GET", "/image-presets/a\nb"), "/image-presets/…");
        assert!(redact("GET", &"/a".repeat(9000)).chars().count() <= MAX_LOGGED_PATH_CHARS + 1);
    }
}
