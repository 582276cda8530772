//! The mail server: the transport for its URL, and which of its answers are permanent.

use std::time::Duration;

use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, Tokio1Executor};
use percent_encoding::percent_decode_str;
use url::{Host, Url};

use super::SendError;

/// Timeout of one SMTP command. A mail that fails is tried again, so this can be short.
const SMTP_COMMAND_TIMEOUT: Duration = Duration::from_secs(10);

/// A transport for `smtp://[user:password@]host[:port]` or `smtps://…`.
///
/// `smtp` starts unencrypted and changes to TLS (STARTTLS) as `?tls=` says: `required`, `opportunistic` or `none`. Without
/// `?tls=` credentials are only sent encrypted, unless the server is on this machine.
pub(super) fn build_transport(url: &str) -> Result<AsyncSmtpTransport<Tokio1Executor>, String> {
    let url = Url::parse(url).map_err(|error| format!("is not a URL ({error}); {URL_FORM_HINT}"))?;
    let host = url.host_str().filter(|host| !host.is_empty()).ok_or(format!("has no host; {URL_FORM_HINT}"))?;
    // The square brackets of an IPv6 address belong to the URL only.
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let credentials = parse_credentials(&url)?;
    let (tls, port) = choose_tls(&url, host, credentials.is_some())?;
    let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(host)
        .port(url.port().unwrap_or(port))
        .tls(tls)
        .timeout(Some(SMTP_COMMAND_TIMEOUT));
    if let Some(credentials) = credentials {
        builder = builder.credentials(credentials);
    }
    Ok(builder.build())
}

const URL_FORM_HINT: &str = "write smtp://user:password@host:587 or smtps://user:password@host";

/// How the connection is encrypted, and the default port.
fn choose_tls(url: &Url, host: &str, has_credentials: bool) -> Result<(Tls, u16), String> {
    let parameters =
        || TlsParameters::new(host.to_owned()).map_err(|error| format!("has a host that TLS cannot use: {error}"));
    let requested = url.query_pairs().find(|(name, _)| name == "tls").map(|(_, value)| value.into_owned());
    let submission = if has_credentials { 587 } else { 25 };
    match (url.scheme(), requested.as_deref()) {
        ("smtps", None) => Ok((Tls::Wrapper(parameters()?), 465)),
        ("smtp", Some("required")) => Ok((Tls::Required(parameters()?), 587)),
        ("smtp", Some("opportunistic")) => Ok((Tls::Opportunistic(parameters()?), submission)),
        ("smtp", Some("none")) => Ok((Tls::None, submission)),
        ("smtp", None) if has_credentials && !is_local_server(url) => Ok((Tls::Required(parameters()?), 587)),
        ("smtp", None) => Ok((Tls::Opportunistic(parameters()?), submission)),
        ("smtp" | "smtps", Some(_)) => {
            Err("has an invalid `tls`: smtp:// allows required, opportunistic or none, smtps:// allows no `tls`".into())
        }
        _ => Err(format!("has a scheme that is not smtp or smtps; {URL_FORM_HINT}")),
    }
}

fn is_local_server(url: &Url) -> bool {
    match url.host() {
        // The URL standard does not know these schemes, so IPv4 addresses are parsed as names.
        Some(Host::Domain(name)) => {
            name == "localhost" || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
        }
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

fn parse_credentials(url: &Url) -> Result<Option<Credentials>, String> {
    let plain = |part: &str| {
        percent_decode_str(part)
            .decode_utf8()
            .map(|text| text.into_owned())
            .map_err(|_| "has credentials that are not UTF-8".to_owned())
    };
    match (url.username(), url.password()) {
        ("", None) => Ok(None),
        (user, Some(password)) => Ok(Some(Credentials::new(plain(user)?, plain(password)?))),
        (_, None) => Err("has a user without a password; write smtp://user:password@host".into()),
    }
}

/// Only a refusal of this mail is permanent. Everything else can change: the state of the server, the network, and the
/// credentials in our settings (which SMTP refuses with 5xx too).
pub(super) fn to_send_error(error: Error) -> SendError {
    const CREDENTIAL_STATUSES: [u16; 4] = [530, 534, 535, 538];
    let is_about_credentials = error.status().is_some_and(|code| CREDENTIAL_STATUSES.contains(&u16::from(code)));
    if error.is_permanent() && !is_about_credentials {
        SendError::Permanent(error.to_string())
    } else {
        SendError::Temporary(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choose_tls_for_url(url: &str) -> (&'static str, u16) {
        let url = Url::parse(url).unwrap();
        let secret = parse_credentials(&url).unwrap().is_some();
        let (tls, port) = choose_tls(&url, url.host_str().unwrap(), secret).unwrap();
        let name = match tls {
            Tls::None => "none",
            Tls::Opportunistic(_) => "opportunistic",
            Tls::Required(_) => "required",
            Tls::Wrapper(_) => "wrapper",
        };
        (name, url.port().unwrap_or(port))
    }

    #[test]
    fn credentials_travel_encrypted_unless_the_server_is_here() {
        assert_eq!(choose_tls_for_url("smtps://ann:secret@mail.example.org"), ("wrapper", 465));
        assert_eq!(choose_tls_for_url("smtp://ann:secret@mail.example.org"), ("required", 587));
        assert_eq!(choose_tls_for_url("smtp://ann:secret@mail.example.org:2525"), ("required", 2525));
        assert_eq!(choose_tls_for_url("smtp://ann:secret@127.0.0.1:2525"), ("opportunistic", 2525));
        assert_eq!(choose_tls_for_url("smtp://ann:secret@[::1]"), ("opportunistic", 587));
        assert_eq!(choose_tls_for_url("smtp://mail.example.org"), ("opportunistic", 25));
        assert_eq!(choose_tls_for_url("smtp://mail.example.org?tls=required"), ("required", 587));
        assert_eq!(choose_tls_for_url("smtp://mail.example.org?tls=none"), ("none", 25));
    }

    #[tokio::test]
    async fn a_bad_url_is_named_with_its_remedy_and_without_its_secret() {
        for (url, word) in [
            ("mail.example.org", "not a URL"),
            ("http://mail.example.org", "scheme"),
            ("smtp://", "has no host"),
            ("smtp://ann@mail.example.org", "without a password"),
            ("smtp://ann:hunter2@mail.example.org?tls=maybe", "tls"),
        ] {
            let reason = build_transport(url).err().unwrap();
            assert!(reason.contains(word), "{url}: {reason}");
            assert!(!reason.contains("hunter2"), "{reason}");
        }
    }
}
