//! Which URLs of callers the service calls, for webhooks and imports: which ones a request may name, and which addresses may be
//! connected to.
//!
//! The service usually stands inside a network that its callers cannot reach. Without these checks a webhook would let
//! anyone who may create export jobs send requests into it (server-side request forgery). URLs are checked when the request
//! arrives, addresses when the connection is made, because a name can resolve to another address by then
//! (docs/decisions/0047-webhooks.md).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use url::{Host, Url};

/// The settings for webhooks.
#[derive(Clone, Debug, Default)]
pub struct CallbackPolicy {
    /// Whether http without TLS is allowed.
    pub allow_http: bool,
    /// Networks that are allowed although they are not public.
    pub allowed_networks: Vec<IpNet>,
}

/// Networks that are not public, and why: IANA's special-purpose registries, and the metadata services of clouds.
const NON_PUBLIC_IPV4: [(Ipv4Net, &str); 16] = [
    (build_ipv4_net([0, 0, 0, 0], 8), "not a host address"),
    (build_ipv4_net([10, 0, 0, 0], 8), "private"),
    (build_ipv4_net([100, 64, 0, 0], 10), "behind a carrier's NAT"),
    (build_ipv4_net([127, 0, 0, 0], 8), "loopback"),
    (build_ipv4_net([168, 63, 129, 16], 32), "a metadata service"),
    (build_ipv4_net([169, 254, 0, 0], 16), "link-local"),
    (build_ipv4_net([172, 16, 0, 0], 12), "private"),
    (build_ipv4_net([192, 0, 0, 0], 24), "reserved"),
    (build_ipv4_net([192, 0, 2, 0], 24), "for documentation"),
    (build_ipv4_net([192, 88, 99, 0], 24), "a relay of 6to4"),
    (build_ipv4_net([192, 168, 0, 0], 16), "private"),
    (build_ipv4_net([198, 18, 0, 0], 15), "for benchmarks"),
    (build_ipv4_net([198, 51, 100, 0], 24), "for documentation"),
    (build_ipv4_net([203, 0, 113, 0], 24), "for documentation"),
    (build_ipv4_net([224, 0, 0, 0], 4), "multicast"),
    (build_ipv4_net([240, 0, 0, 0], 4), "reserved"),
];

/// The same for IPv6.
const NON_PUBLIC_IPV6: [(Ipv6Net, &str); 8] = [
    (build_ipv6_net([0, 0, 0, 0, 0, 0, 0, 1], 128), "loopback"),
    (build_ipv6_net([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7), "unique local"),
    (build_ipv6_net([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10), "link-local"),
    (build_ipv6_net([0xff00, 0, 0, 0, 0, 0, 0, 0], 8), "multicast"),
    (build_ipv6_net([0x2001, 0, 0, 0, 0, 0, 0, 0], 23), "reserved"),
    (build_ipv6_net([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32), "for documentation"),
    (build_ipv6_net([0x2002, 0, 0, 0, 0, 0, 0, 0], 16), "a tunnel of 6to4"),
    (build_ipv6_net([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20), "for documentation"),
];
/// All public IPv6 addresses are in this block.
const PUBLIC_IPV6: Ipv6Net = build_ipv6_net([0x2000, 0, 0, 0, 0, 0, 0, 0], 3);

const fn build_ipv4_net([a, b, c, d]: [u8; 4], length: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), length)
}

const fn build_ipv6_net([a, b, c, d, e, f, g, h]: [u16; 8], length: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, d, e, f, g, h), length)
}

/// The IPv4 address inside an IPv6 address that only wraps one (mapped, or NAT64), otherwise the address itself.
fn unwrap_mapped_ipv4(address: IpAddr) -> IpAddr {
    let IpAddr::V6(six) = address.to_canonical() else { return address.to_canonical() };
    match six.octets() {
        [0x00, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0, a, b, c, d] => Ipv4Addr::new(a, b, c, d).into(),
        _ => six.into(),
    }
}

/// Why an address is not public; none when it is public.
fn find_non_public_reason(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(four) => NON_PUBLIC_IPV4.iter().find(|(net, _)| net.contains(&four)).map(|(_, why)| *why),
        IpAddr::V6(six) => {
            let named = NON_PUBLIC_IPV6.iter().find(|(net, _)| net.contains(&six)).map(|(_, why)| *why);
            named.or((!PUBLIC_IPV6.contains(&six)).then_some("reserved"))
        }
    }
}

impl CallbackPolicy {
    /// Whether a connection to this address may be made.
    ///
    /// # Errors
    /// A sentence with the remedy.
    pub fn check_address(&self, address: IpAddr) -> Result<(), String> {
        let target = unwrap_mapped_ipv4(address);
        match find_non_public_reason(target) {
            Some(_) if self.allowed_networks.iter().any(|net| net.contains(&target)) => Ok(()),
            Some(why) => Err(format!(
                "{address} is not called: it is {why}. Use a public host, or allow the address in \
                 OFFPRINT_WEBHOOK_NETWORKS (for imports: OFFPRINT_IMPORT_NETWORKS)."
            )),
            None => Ok(()),
        }
    }

    /// The URL of an export request, if it may be called as far as that can be decided without resolving its name.
    ///
    /// # Errors
    /// A sentence with the remedy. It does not repeat the URL, which may contain secrets.
    pub fn check_url(&self, text: &str) -> Result<Url, String> {
        let url = Url::parse(text).map_err(|error| {
            format!("This is not a URL ({error}). Send one such as https://example.org/hooks/export.")
        })?;
        match url.scheme() {
            "https" => {}
            "http" if self.allow_http => {}
            "http" => {
                return Err("URLs are called by https only. Send an https URL, or set OFFPRINT_WEBHOOK_HTTP (for imports: OFFPRINT_IMPORT_HTTP).".into());
            }
            scheme => return Err(format!("`{scheme}` URLs are not supported. Send an https URL.")),
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(
                "The URL contains a user name or password. Remove them: a webhook's receiver can verify the signature of \
                        each message."
                    .into(),
            );
        }
        match url.host() {
            Some(Host::Ipv4(address)) => self.check_address(address.into())?,
            Some(Host::Ipv6(address)) => self.check_address(address.into())?,
            Some(Host::Domain(name)) if is_localhost_name(name) => self.check_address(Ipv4Addr::LOCALHOST.into())?,
            Some(Host::Domain(_)) => {}
            None => return Err("The URL has no host. Send one such as https://example.org/hooks/export.".into()),
        }
        Ok(url)
    }
}

/// Names that mean this machine everywhere (RFC 6761).
fn is_localhost_name(name: &str) -> bool {
    let name = name.trim_end_matches('.');
    name == "localhost" || name.ends_with(".localhost")
}
