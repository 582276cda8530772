//! The client's IP address. `X-Forwarded-For` or `Forwarded` counts only when it comes from a trusted proxy, because any
//! client can send these headers.
//!
//! ```text
//! client 8.8.8.8 -> proxy 10.1.1.1 -> proxy 10.0.0.1 -> service
//!                   X-Forwarded-For: (what the client sent), 8.8.8.8, 10.1.1.1
//! ```
//!
//! The list is read from the right, as long as the addresses are trusted proxies; the first other address is the client.

use std::net::{IpAddr, SocketAddr};

use actix_web::http::header::{self, HeaderMap};
use ipnet::IpNet;

use crate::settings::{ProxyHeaders, Settings};

/// Where a request comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClientInfo {
    /// The client's address: that of the connection, or as reported by trusted proxies. None only in tests.
    pub address: Option<IpAddr>,
    /// Whether a trusted proxy reports that the client used TLS.
    pub secure: bool,
}

impl ClientInfo {
    pub fn from_connection(connected: Option<SocketAddr>, headers: &HeaderMap, settings: &Settings) -> Self {
        let Some(nearest) = connected.map(|address| address.ip().to_canonical()) else { return Self::default() };
        if !is_trusted(nearest, &settings.trusted_proxies) {
            return Self { address: Some(nearest), secure: false };
        }
        let hops = match settings.proxy_headers {
            ProxyHeaders::XForwarded => parse_x_forwarded(headers),
            ProxyHeaders::Forwarded => parse_forwarded(headers),
        };
        // Each proxy appends the address that called it. From the right, the first address that is not a trusted proxy is
        // the client; what is left of it may be made up by the client.
        let mut address = nearest;
        for hop in hops.iter().rev() {
            match hop.address {
                Some(forwarded) => address = forwarded,
                // Hidden, or not an address: the last known address has to do.
                None => break,
            }
            if !is_trusted(address, &settings.trusted_proxies) {
                break;
            }
        }
        // The nearest proxy reports whether its own client used TLS.
        Self { address: Some(address), secure: hops.last().is_some_and(|hop| hop.secure) }
    }
}

/// Whether the other end of the connection is a trusted proxy.
pub(crate) fn is_from_trusted_proxy(connected: Option<SocketAddr>, settings: &Settings) -> bool {
    connected.is_some_and(|address| is_trusted(address.ip().to_canonical(), &settings.trusted_proxies))
}

fn is_trusted(address: IpAddr, proxies: &[IpNet]) -> bool {
    proxies.iter().any(|network| network.contains(&address))
}

/// What one proxy reports of its client.
struct Hop {
    address: Option<IpAddr>,
    secure: bool,
}

fn parse_x_forwarded(headers: &HeaderMap) -> Vec<Hop> {
    let proto = list_header_values(headers, "x-forwarded-proto").pop().unwrap_or_default();
    let secure = proto.eq_ignore_ascii_case("https");
    let hops = list_header_values(headers, "x-forwarded-for");
    if hops.is_empty() {
        return vec![Hop { address: None, secure }];
    }
    hops.iter().map(|address| Hop { address: parse_address(address), secure }).collect()
}

fn parse_forwarded(headers: &HeaderMap) -> Vec<Hop> {
    let hops = list_header_values(headers, header::FORWARDED.as_str());
    hops.iter()
        .map(|hop| {
            let value_of = |name: &str| {
                let pairs = hop.split(';').filter_map(|pair| pair.split_once('='));
                pairs
                    .filter(|(key, _)| key.trim().eq_ignore_ascii_case(name))
                    .map(|(_, value)| value.trim().trim_matches('"'))
                    .next()
            };
            Hop {
                address: value_of("for").and_then(parse_address),
                secure: value_of("proto").is_some_and(|proto| proto.eq_ignore_ascii_case("https")),
            }
        })
        .collect()
}

/// The values of a header that is a list; it may be sent on several lines.
pub(crate) fn list_header_values<'a>(headers: &'a HeaderMap, name: &str) -> Vec<&'a str> {
    let lines = headers.get_all(name).filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(str::trim).filter(|value| !value.is_empty()).collect()
}

/// Parses an address, with or without a port and brackets.
fn parse_address(text: &str) -> Option<IpAddr> {
    let without_port = || text.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().ok();
    let address = text.parse::<SocketAddr>().map(|socket| socket.ip()).ok().or_else(without_port)?;
    Some(address.to_canonical())
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::{HeaderName, HeaderValue};
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct ClientTestArgs {
        #[command(flatten)]
        settings: Settings,
    }

    fn resolve_client(arguments: &[&str], connected: &str, headers: &[(&str, &str)]) -> (String, bool) {
        let settings = ClientTestArgs::parse_from([&["offprint"], arguments].concat()).settings;
        let lines = headers
            .iter()
            .map(|(name, value)| (HeaderName::try_from(*name).unwrap(), HeaderValue::from_str(value).unwrap()));
        let mut map = HeaderMap::new();
        lines.for_each(|(name, value)| map.append(name, value));
        let client = ClientInfo::from_connection(Some(connected.parse().unwrap()), &map, &settings);
        (client.address.unwrap().to_string(), client.secure)
    }

    #[test]
    fn headers_of_untrusted_clients_are_ignored() {
        let headers =
            [("x-forwarded-for", "1.2.3.4"), ("forwarded", "for=1.2.3.4;proto=https"), ("x-forwarded-proto", "https")];
        assert_eq!(resolve_client(&[], "9.9.9.9:1000", &headers), ("9.9.9.9".into(), false));
        assert_eq!(
            resolve_client(&["--trusted-proxies", "10.0.0.0/8"], "9.9.9.9:1000", &headers),
            ("9.9.9.9".into(), false)
        );
    }

    #[test]
    fn the_right_most_address_that_is_no_trusted_proxy_is_the_client() {
        let trusted = ["--trusted-proxies", "10.0.0.0/8,127.0.0.1,fd00::/8"];
        let chain = |value: &'static str| {
            resolve_client(&trusted, "10.0.0.1:5", &[("x-forwarded-for", value), ("x-forwarded-proto", "https")])
        };
        assert_eq!(chain("1.2.3.4, 8.8.8.8, 10.1.1.1"), ("8.8.8.8".into(), true));
        assert_eq!(chain("8.8.8.8:4711"), ("8.8.8.8".into(), true));
        assert_eq!(chain("[2001:db8::1]:80, fd00::5"), ("2001:db8::1".into(), true));
        assert_eq!(chain("10.2.2.2, 10.1.1.1"), ("10.2.2.2".into(), true), "the client is itself a trusted proxy");
        assert_eq!(chain("8.8.8.8, unknown, 10.1.1.1"), ("10.1.1.1".into(), true), "the chain ends at an unknown hop");
        let two = [("x-forwarded-for", "1.2.3.4"), ("x-forwarded-for", "8.8.8.8")];
        assert_eq!(resolve_client(&trusted, "10.0.0.1:5", &two), ("8.8.8.8".into(), false), "lines form one list");
        assert_eq!(resolve_client(&trusted, "[::ffff:10.0.0.1]:5", &two).0, "8.8.8.8");
    }

    #[test]
    fn forwarded_is_read_when_the_settings_choose_it() {
        let trusted = ["--trusted-proxies", "10.0.0.1", "--proxy-headers", "forwarded"];
        let resolve = |value: &'static str| {
            resolve_client(&trusted, "10.0.0.1:5", &[("forwarded", value), ("x-forwarded-for", "1.1.1.1")])
        };
        assert_eq!(resolve("for=1.2.3.4, For=\"[2001:db8::1]:4711\";proto=https;by=x"), ("2001:db8::1".into(), true));
        assert_eq!(resolve("for=8.8.8.8;proto=http"), ("8.8.8.8".into(), false));
        assert_eq!(resolve("for=_hidden"), ("10.0.0.1".into(), false));
    }
}
