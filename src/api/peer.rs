//! Who is at the other end of the line. Proxies are believed only where the settings name them; anybody can write a
//! header.

use std::net::{IpAddr, SocketAddr};

use actix_web::http::header::{self, HeaderMap};
use ipnet::IpNet;

use crate::settings::{ProxyHeaders, Settings};

/// Where a request comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Peer {
    /// The caller's address: that of the connection, or what the trusted proxies before us say. None in tests only.
    pub address: Option<IpAddr>,
    /// Whether a trusted proxy says that the caller came by TLS.
    pub secure: bool,
}

impl Peer {
    /// What the connection and the headers say.
    pub fn of(connected: Option<SocketAddr>, headers: &HeaderMap, settings: &Settings) -> Self {
        let Some(nearest) = connected.map(|address| address.ip().to_canonical()) else { return Self::default() };
        if !is_trusted(nearest, &settings.trusted_proxies) {
            return Self { address: Some(nearest), secure: false };
        }
        let hops = match settings.proxy_headers {
            ProxyHeaders::XForwarded => x_forwarded(headers),
            ProxyHeaders::Forwarded => forwarded(headers),
        };
        // Each proxy writes on the right whom it was called by. The first one from there that is none of ours is the
        // caller; what stands left of it is his own invention.
        let mut address = nearest;
        for hop in hops.iter().rev() {
            match hop.address {
                Some(said) => address = said,
                // Hidden, or not an address: the last one that is known has to do.
                None => break,
            }
            if !is_trusted(address, &settings.trusted_proxies) {
                break;
            }
        }
        // TLS is what the nearest proxy says of its own caller.
        Self { address: Some(address), secure: hops.last().is_some_and(|hop| hop.secure) }
    }
}

fn is_trusted(address: IpAddr, proxies: &[IpNet]) -> bool {
    proxies.iter().any(|network| network.contains(&address))
}

/// What one proxy says of whom it was called by.
struct Hop {
    address: Option<IpAddr>,
    secure: bool,
}

fn x_forwarded(headers: &HeaderMap) -> Vec<Hop> {
    let proto = listed(headers, "x-forwarded-proto").pop().unwrap_or_default();
    let secure = proto.eq_ignore_ascii_case("https");
    let hops = listed(headers, "x-forwarded-for");
    if hops.is_empty() {
        return vec![Hop { address: None, secure }];
    }
    hops.iter().map(|said| Hop { address: address(said), secure }).collect()
}

fn forwarded(headers: &HeaderMap) -> Vec<Hop> {
    let hops = listed(headers, header::FORWARDED.as_str());
    hops.iter()
        .map(|hop| {
            let said = |name: &str| {
                let pairs = hop.split(';').filter_map(|pair| pair.split_once('='));
                pairs
                    .filter(|(its, _)| its.trim().eq_ignore_ascii_case(name))
                    .map(|(_, value)| value.trim().trim_matches('"'))
                    .next()
            };
            Hop {
                address: said("for").and_then(address),
                secure: said("proto").is_some_and(|it| it.eq_ignore_ascii_case("https")),
            }
        })
        .collect()
}

/// The values of a header that is a list, however many lines it has.
fn listed<'a>(headers: &'a HeaderMap, name: &str) -> Vec<&'a str> {
    let lines = headers.get_all(name).filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(str::trim).filter(|value| !value.is_empty()).collect()
}

/// An address, also with a port and in brackets.
fn address(said: &str) -> Option<IpAddr> {
    let alone = || said.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().ok();
    let address = said.parse::<SocketAddr>().map(|it| it.ip()).ok().or_else(alone)?;
    Some(address.to_canonical())
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::{HeaderName, HeaderValue};
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Knobs {
        #[command(flatten)]
        settings: Settings,
    }

    fn peer(arguments: &[&str], connected: &str, headers: &[(&str, &str)]) -> (String, bool) {
        let settings = Knobs::parse_from([&["offprint"], arguments].concat()).settings;
        let lines = headers
            .iter()
            .map(|(name, value)| (HeaderName::try_from(*name).unwrap(), HeaderValue::from_str(value).unwrap()));
        let mut map = HeaderMap::new();
        lines.for_each(|(name, value)| map.append(name, value));
        let found = Peer::of(Some(connected.parse().unwrap()), &map, &settings);
        (found.address.unwrap().to_string(), found.secure)
    }

    #[test]
    fn nobody_is_believed_unless_the_settings_say_so() {
        let lies =
            [("x-forwarded-for", "1.2.3.4"), ("forwarded", "for=1.2.3.4;proto=https"), ("x-forwarded-proto", "https")];
        assert_eq!(peer(&[], "9.9.9.9:1000", &lies), ("9.9.9.9".into(), false));
        assert_eq!(peer(&["--trusted-proxies", "10.0.0.0/8"], "9.9.9.9:1000", &lies), ("9.9.9.9".into(), false));
    }

    #[test]
    fn the_right_most_address_that_is_no_proxy_is_the_caller() {
        let ours = ["--trusted-proxies", "10.0.0.0/8,127.0.0.1,fd00::/8"];
        let chain = |value: &'static str| {
            peer(&ours, "10.0.0.1:5", &[("x-forwarded-for", value), ("x-forwarded-proto", "https")])
        };
        assert_eq!(chain("1.2.3.4, 8.8.8.8, 10.1.1.1"), ("8.8.8.8".into(), true));
        assert_eq!(chain("8.8.8.8:4711"), ("8.8.8.8".into(), true));
        assert_eq!(chain("[2001:db8::1]:80, fd00::5"), ("2001:db8::1".into(), true));
        assert_eq!(chain("10.2.2.2, 10.1.1.1"), ("10.2.2.2".into(), true), "a machine of ours calls");
        assert_eq!(chain("8.8.8.8, unknown, 10.1.1.1"), ("10.1.1.1".into(), true), "nobody knows beyond");
        let two = [("x-forwarded-for", "1.2.3.4"), ("x-forwarded-for", "8.8.8.8")];
        assert_eq!(peer(&ours, "10.0.0.1:5", &two), ("8.8.8.8".into(), false), "lines are one list");
        assert_eq!(peer(&ours, "[::ffff:10.0.0.1]:5", &two).0, "8.8.8.8");
    }

    #[test]
    fn forwarded_is_read_where_proxies_write_it() {
        let ours = ["--trusted-proxies", "10.0.0.1", "--proxy-headers", "forwarded"];
        let says =
            |value: &'static str| peer(&ours, "10.0.0.1:5", &[("forwarded", value), ("x-forwarded-for", "1.1.1.1")]);
        assert_eq!(says("for=1.2.3.4, For=\"[2001:db8::1]:4711\";proto=https;by=x"), ("2001:db8::1".into(), true));
        assert_eq!(says("for=8.8.8.8;proto=http"), ("8.8.8.8".into(), false));
        assert_eq!(says("for=_hidden"), ("10.0.0.1".into(), false));
    }
}
