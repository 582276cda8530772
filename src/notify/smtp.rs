//! The mail server: from its URL to a transport, and from its answers to what to do next.

use std::time::Duration;

use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, Tokio1Executor};
use percent_encoding::percent_decode_str;
use url::{Host, Url};

use super::SendError;

/// How long the server may think about one command. A mail that hangs is tried again, so this may be short.
const PATIENCE: Duration = Duration::from_secs(10);

/// A transport for `smtp://[user:password@]host[:port]` or `smtps://…`.
///
/// `smtp` starts in the clear and changes to TLS as `?tls=` says: `required`, `opportunistic` or `none`. Without it
/// credentials travel encrypted or not at all, unless the server is on this machine.
pub(super) fn transport(url: &str) -> Result<AsyncSmtpTransport<Tokio1Executor>, String> {
    let url = Url::parse(url).map_err(|why| format!("is not a URL ({why}); {FORM}"))?;
    let host = url.host_str().filter(|host| !host.is_empty()).ok_or(format!("names no host; {FORM}"))?;
    // Square brackets belong to the URL, not to the address.
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let credentials = credentials(&url)?;
    let (tls, port) = security(&url, host, credentials.is_some())?;
    let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(host)
        .port(url.port().unwrap_or(port))
        .tls(tls)
        .timeout(Some(PATIENCE));
    if let Some(credentials) = credentials {
        builder = builder.credentials(credentials);
    }
    Ok(builder.build())
}

const FORM: &str = "write smtp://user:password@host:587 or smtps://user:password@host";

/// How the connection is protected, and the port that is usual then.
fn security(url: &Url, host: &str, secret: bool) -> Result<(Tls, u16), String> {
    let parameters =
        || TlsParameters::new(host.to_owned()).map_err(|why| format!("names a host TLS cannot use: {why}"));
    let wish = url.query_pairs().find(|(name, _)| name == "tls").map(|(_, value)| value.into_owned());
    let submission = if secret { 587 } else { 25 };
    match (url.scheme(), wish.as_deref()) {
        ("smtps", None) => Ok((Tls::Wrapper(parameters()?), 465)),
        ("smtp", Some("required")) => Ok((Tls::Required(parameters()?), 587)),
        ("smtp", Some("opportunistic")) => Ok((Tls::Opportunistic(parameters()?), submission)),
        ("smtp", Some("none")) => Ok((Tls::None, submission)),
        ("smtp", None) if secret && !on_this_machine(url) => Ok((Tls::Required(parameters()?), 587)),
        ("smtp", None) => Ok((Tls::Opportunistic(parameters()?), submission)),
        ("smtp" | "smtps", Some(_)) => {
            Err("has a `tls` that cannot be used: smtp:// takes required, opportunistic or none, smtps:// takes none"
                .into())
        }
        _ => Err(format!("has a scheme that is not mail; {FORM}")),
    }
}

fn on_this_machine(url: &Url) -> bool {
    match url.host() {
        // Of a scheme that the URL standard does not know, addresses are read as names.
        Some(Host::Domain(name)) => {
            name == "localhost" || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
        }
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

fn credentials(url: &Url) -> Result<Option<Credentials>, String> {
    let plain = |part: &str| {
        percent_decode_str(part)
            .decode_utf8()
            .map(|text| text.into_owned())
            .map_err(|_| "has credentials that are not UTF-8".to_owned())
    };
    match (url.username(), url.password()) {
        ("", None) => Ok(None),
        (user, Some(password)) => Ok(Some(Credentials::new(plain(user)?, plain(password)?))),
        (_, None) => Err("names a user without a password; write smtp://user:password@host".into()),
    }
}

/// A refusal of this mail is for good. All else may change: the server's mood, the network, the credentials in our
/// settings (SMTP answers those with 5xx too).
pub(super) fn why(error: Error) -> SendError {
    const ABOUT_CREDENTIALS: [u16; 4] = [530, 534, 535, 538];
    let about_us = error.status().is_some_and(|code| ABOUT_CREDENTIALS.contains(&u16::from(code)));
    if error.is_permanent() && !about_us {
        SendError::Permanent(error.to_string())
    } else {
        SendError::Later(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn security_of(url: &str) -> (&'static str, u16) {
        let url = Url::parse(url).unwrap();
        let secret = credentials(&url).unwrap().is_some();
        let (tls, port) = security(&url, url.host_str().unwrap(), secret).unwrap();
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
        assert_eq!(security_of("smtps://ann:secret@mail.example.org"), ("wrapper", 465));
        assert_eq!(security_of("smtp://ann:secret@mail.example.org"), ("required", 587));
        assert_eq!(security_of("smtp://ann:secret@mail.example.org:2525"), ("required", 2525));
        assert_eq!(security_of("smtp://ann:secret@127.0.0.1:2525"), ("opportunistic", 2525));
        assert_eq!(security_of("smtp://ann:secret@[::1]"), ("opportunistic", 587));
        assert_eq!(security_of("smtp://mail.example.org"), ("opportunistic", 25));
        assert_eq!(security_of("smtp://mail.example.org?tls=required"), ("required", 587));
        assert_eq!(security_of("smtp://mail.example.org?tls=none"), ("none", 25));
    }

    #[tokio::test]
    async fn a_bad_url_is_named_with_its_remedy_and_without_its_secret() {
        for (url, word) in [
            ("mail.example.org", "not a URL"),
            ("http://mail.example.org", "scheme"),
            ("smtp://", "no host"),
            ("smtp://ann@mail.example.org", "without a password"),
            ("smtp://ann:hunter2@mail.example.org?tls=maybe", "tls"),
        ] {
            let reason = transport(url).err().unwrap();
            assert!(reason.contains(word), "{url}: {reason}");
            assert!(!reason.contains("hunter2"), "{reason}");
        }
    }
}
