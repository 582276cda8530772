//! Every address that the service writes of itself, in headers and in bodies.
//!
//! Addresses are written from the root of the host, such as `/export-jobs/…`, below the path under which the service is
//! reached: that of OFFPRINT_PUBLIC_URL where it is set, else `X-Forwarded-Prefix` of a trusted proxy, else none. Without a
//! host they lead back to whoever the client asked, by the public name or by another. What leaves the service (mails,
//! webhooks, links to share) begins with OFFPRINT_PUBLIC_URL as a whole.
//!
//! Inside, addresses have no such path: rows, the audit log and the operation table know `/export-jobs/…` only. The path is
//! added where an address is written: by [`write_address`] in headers, by [`serialize_address`] in bodies. Begin reading at
//! [`BasePath::find`]; [`route`](crate::http::middleware::route) calls it.

use std::net::SocketAddr;

use actix_web::http::Uri;
use actix_web::http::header::HeaderMap;
use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::app::AppState;
use crate::http::middleware::client_ip;
use crate::settings::Settings;

/// Longest path that a proxy may put the service below, in bytes.
const MAX_BASE_PATH_BYTES: usize = 200;

tokio::task_local! {
    static BASE_PATH: BasePath;
}

/// The path below which a request reached the service, without a slash at its end; empty at the root.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct BasePath(String);

impl BasePath {
    /// The path that the settings say, or the proxies of this request.
    pub(crate) fn find(connected: Option<SocketAddr>, headers: &HeaderMap, settings: &Settings) -> Self {
        match &settings.public_url {
            Some(url) => Self(url.parse::<Uri>().map(|url| normalize(url.path())).unwrap_or_default()),
            None if client_ip::is_from_trusted_proxy(connected, settings) => Self(read_forwarded_prefix(headers)),
            None => Self::default(),
        }
    }

    /// The path behind this one, for proxies that pass on what they were asked for; none where it is not below this one.
    pub(crate) fn strip<'p>(&self, path: &'p str) -> Option<&'p str> {
        let rest = path.strip_prefix(self.0.as_str()).filter(|_| !self.0.is_empty())?;
        (rest.is_empty() || rest.starts_with('/')).then_some(rest)
    }

    /// Runs what answers a request; the addresses that it writes are below this path.
    pub(crate) async fn scope<T>(self, work: impl Future<Output = T>) -> T {
        BASE_PATH.scope(self, work).await
    }
}

/// `X-Forwarded-Prefix`. Each proxy that removes a path names it, the nearest one last.
fn read_forwarded_prefix(headers: &HeaderMap) -> String {
    let values = client_ip::list_header_values(headers, "x-forwarded-prefix");
    normalize(&values.into_iter().map(normalize).collect::<String>())
}

/// The path with a slash at its beginning and none at its end; empty when it could mean anything but a path.
fn normalize(path: &str) -> String {
    let path = path.trim_matches('/');
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=:@/".contains(&byte);
    let is_path = path.len() < MAX_BASE_PATH_BYTES
        && path.bytes().all(is_plain)
        && path.split('/').all(|segment| !matches!(segment, "" | "." | ".."));
    if is_path { format!("/{path}") } else { String::new() }
}

/// The address of a path of this service, such as `/assets/…`, as the client may use it.
pub(crate) fn write_address(path: &str) -> String {
    BASE_PATH.try_with(|base| format!("{}{path}", base.0)).unwrap_or_else(|_| path.to_owned())
}

/// The path of an address that [`write_address`] wrote.
pub(crate) fn read_address(address: &str) -> &str {
    BASE_PATH.try_with(|base| base.strip(address)).ok().flatten().unwrap_or(address)
}

/// Begins with the whole public address, for links that are passed on. `url` is [`AppState::public_url`] with a path behind
/// it: without the setting, the path of the proxy is missing in it.
pub(crate) fn write_public_address(state: &AppState, url: String) -> String {
    let public_url = state.public_url();
    match url.strip_prefix(&public_url) {
        Some(path) if state.settings.public_url.is_none() => format!("{public_url}{}", write_address(path)),
        _ => url,
    }
}

/// For `serialize_with`: a path of this service as an address.
pub(crate) fn serialize_address<S: Serializer>(path: &str, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&write_address(path))
}

/// The same for a path that may be missing.
pub(crate) fn serialize_optional_address<S: Serializer>(
    path: &Option<String>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    path.as_deref().map(write_address).serialize(serializer)
}

/// JSON whose addresses are paths of this service, to be stored or compared.
pub(crate) fn serialize_without_base(value: &impl Serialize) -> serde_json::Result<Value> {
    BASE_PATH.sync_scope(BasePath::default(), || serde_json::to_value(value))
}

/// Makes addresses of the paths in all `links` of JSON that was stored. No client can put an object with this name into an
/// answer: what it may name itself has only texts.
pub(crate) fn write_stored_links(answer: &mut Value) {
    match answer {
        Value::Array(items) => items.iter_mut().for_each(write_stored_links),
        Value::Object(fields) => {
            for (name, value) in fields {
                match value {
                    Value::Object(links) if name == "links" => links.values_mut().for_each(write_stored_address),
                    value => write_stored_links(value),
                }
            }
        }
        _ => {}
    }
}

fn write_stored_address(path: &mut Value) {
    if let Some(address) = path.as_str().map(write_address) {
        *path = address.into();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_path_is_a_plain_path() {
        for (text, path) in
            [("/offprint", "/offprint"), ("a/b/", "/a/b"), ("/", ""), ("", ""), ("/a%20b", "/a%20b"), ("//a", "/a")]
        {
            assert_eq!(normalize(text), path);
        }
        for text in
            ["/../x", "/a/../b", "/a//b", "https://evil.example/x", "/a?b", "/a\"b", "/ä", "/a b", &"/x".repeat(500)]
        {
            assert_eq!(normalize(text), "", "{text}");
        }
    }

    #[test]
    fn only_whole_segments_are_removed() {
        let base = BasePath("/offprint".into());
        assert_eq!((base.strip("/offprint/assets"), base.strip("/offprint")), (Some("/assets"), Some("")));
        assert_eq!((base.strip("/offprints/x"), base.strip("/assets")), (None, None));
        assert_eq!(BasePath::default().strip("/assets"), None);
    }

    #[tokio::test]
    async fn addresses_are_below_the_path_of_the_request() {
        assert_eq!(write_address("/assets"), "/assets");
        let written = BasePath("/a/b".into()).scope(async {
            let mut stored = serde_json::json!({
                "links": {"self": "/x"}, "name": "/x", "assets": [{"links": {"content": "/y", "next": null}}],
                "metadata": {"links": "/x"}
            });
            write_stored_links(&mut stored);
            (write_address("/assets"), read_address("/a/b/assets").to_owned(), stored)
        });
        let links = serde_json::json!({
            "links": {"self": "/a/b/x"}, "name": "/x", "assets": [{"links": {"content": "/a/b/y", "next": null}}],
            "metadata": {"links": "/x"}
        });
        assert_eq!(written.await, ("/a/b/assets".into(), "/assets".into(), links));
    }
}
