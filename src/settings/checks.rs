//! What the values of settings must be: each check takes the text of one, and says in a sentence what is wrong with it.

use std::path::Path;

use ipnet::IpNet;

use crate::settings::choices::RedirectDownloads;

/// `off`, `store`, or the address of the store.
pub(super) fn parse_redirect_downloads(text: &str) -> Result<RedirectDownloads, String> {
    match text.trim() {
        "off" | "false" => Ok(RedirectDownloads::Off),
        "store" | "true" => Ok(RedirectDownloads::Store),
        url => match url::Url::parse(url) {
            Ok(parsed) if matches!(parsed.scheme(), "http" | "https") && parsed.has_host() => {
                Ok(RedirectDownloads::Endpoint(url.trim_end_matches('/').to_owned()))
            }
            _ => Err(format!("`{url}` is not `off`, `store`, or the https:// URL of the store")),
        },
    }
}

/// A network in CIDR notation, or one address.
pub(super) fn parse_network(text: &str) -> Result<IpNet, String> {
    let text = text.trim();
    let single_address = || text.parse::<std::net::IpAddr>().map(IpNet::from);
    text.parse()
        .or_else(|_| single_address())
        .map_err(|_| format!("{text:?} is neither an address nor a network like 10.0.0.0/8"))
}

/// An address of the Web, without a slash at its end.
pub(super) fn parse_public_url(text: &str) -> Result<String, String> {
    let text = text.trim().trim_end_matches('/');
    let is_address = url::Url::parse(text).is_ok_and(|url| {
        matches!(url.scheme(), "http" | "https") && url.has_host() && url.query().is_none() && url.fragment().is_none()
    });
    if is_address {
        return Ok(text.to_owned());
    }
    Err(format!("{text:?} is not an address like https://images.example or https://images.example/offprint"))
}

/// What a browser sends as `Origin`.
pub(super) fn parse_origin(text: &str) -> Result<String, String> {
    let url =
        url::Url::parse(text.trim()).ok().filter(|url| url.has_host() && url.path() == "/" && url.query().is_none());
    url.map(|url| url.origin().ascii_serialization()).filter(|origin| origin != "null").ok_or_else(|| {
        format!(
            "{text:?} is not an origin like https://app.example: scheme, host, and the port if it is not the default"
        )
    })
}

/// The domain of mail addresses, `*.` and a domain for its subdomains, or `*` for all domains.
pub(super) fn parse_mail_domain(text: &str) -> Result<String, String> {
    let text = text.trim().to_ascii_lowercase();
    if text == "*" {
        return Ok(text);
    }
    let name = text.strip_prefix("*.").unwrap_or(&text);
    let plain = name.split('.').all(|part| !part.is_empty() && part.chars().all(|c| c.is_alphanumeric() || c == '-'));
    if plain { Ok(text) } else { Err(format!("{text:?} is not a domain like example.org or *.example.org, and not *")) }
}

/// The secret in a file, without blanks around it.
pub(super) fn read_secret(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path)
        .map(|text| text.trim().to_owned())
        .map_err(|error| format!("The secret file {} cannot be read: {error}.", path.display()))
}
