//! Where webhooks may go: which URLs an order may name, and which addresses may be called.
//!
//! The service stands where strangers do not: whoever orders an export shall not reach through it what he cannot reach
//! himself. URLs are looked at when the order comes, addresses when the connection is made (docs/decisions/0047-webhooks.md).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use url::{Host, Url};

/// What the settings say of webhooks.
#[derive(Clone, Debug, Default)]
pub struct Callbacks {
    /// Whether they may travel without TLS.
    pub http: bool,
    /// Networks that may be called although they are not public.
    pub networks: Vec<IpNet>,
}

/// Not public, and why: the special-purpose registries of IANA, and where clouds keep their metadata.
const CLOSED_4: [(Ipv4Net, &str); 16] = [
    (four([0, 0, 0, 0], 8), "no address of a host"),
    (four([10, 0, 0, 0], 8), "private"),
    (four([100, 64, 0, 0], 10), "behind a carrier's NAT"),
    (four([127, 0, 0, 0], 8), "loopback"),
    (four([168, 63, 129, 16], 32), "a metadata service"),
    (four([169, 254, 0, 0], 16), "link-local"),
    (four([172, 16, 0, 0], 12), "private"),
    (four([192, 0, 0, 0], 24), "reserved"),
    (four([192, 0, 2, 0], 24), "for documentation"),
    (four([192, 88, 99, 0], 24), "a relay of 6to4"),
    (four([192, 168, 0, 0], 16), "private"),
    (four([198, 18, 0, 0], 15), "for benchmarks"),
    (four([198, 51, 100, 0], 24), "for documentation"),
    (four([203, 0, 113, 0], 24), "for documentation"),
    (four([224, 0, 0, 0], 4), "multicast"),
    (four([240, 0, 0, 0], 4), "reserved"),
];

/// The same of IPv6. Last comes what is outside of the one block of public addresses.
const CLOSED_6: [(Ipv6Net, &str); 8] = [
    (six([0, 0, 0, 0, 0, 0, 0, 1], 128), "loopback"),
    (six([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7), "unique local"),
    (six([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10), "link-local"),
    (six([0xff00, 0, 0, 0, 0, 0, 0, 0], 8), "multicast"),
    (six([0x2001, 0, 0, 0, 0, 0, 0, 0], 23), "reserved"),
    (six([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32), "for documentation"),
    (six([0x2002, 0, 0, 0, 0, 0, 0, 0], 16), "a tunnel of 6to4"),
    (six([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20), "for documentation"),
];
const PUBLIC_6: Ipv6Net = six([0x2000, 0, 0, 0, 0, 0, 0, 0], 3);

const fn four([a, b, c, d]: [u8; 4], length: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), length)
}

const fn six([a, b, c, d, e, f, g, h]: [u16; 8], length: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, d, e, f, g, h), length)
}

/// The address that is meant: that of IPv4 where IPv6 only wraps one (mapped, or through NAT64).
fn meant(address: IpAddr) -> IpAddr {
    let IpAddr::V6(six) = address.to_canonical() else { return address.to_canonical() };
    match six.octets() {
        [0x00, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0, a, b, c, d] => Ipv4Addr::new(a, b, c, d).into(),
        _ => six.into(),
    }
}

/// Why an address is not public; none when it is.
fn closed(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(four) => CLOSED_4.iter().find(|(net, _)| net.contains(&four)).map(|(_, why)| *why),
        IpAddr::V6(six) => {
            let named = CLOSED_6.iter().find(|(net, _)| net.contains(&six)).map(|(_, why)| *why);
            named.or((!PUBLIC_6.contains(&six)).then_some("reserved"))
        }
    }
}

impl Callbacks {
    /// Whether a connection to this address may be made.
    ///
    /// # Errors
    /// A sentence with the remedy.
    pub fn check_address(&self, address: IpAddr) -> Result<(), String> {
        let meant = meant(address);
        match closed(meant) {
            Some(_) if self.networks.iter().any(|net| net.contains(&meant)) => Ok(()),
            Some(why) => Err(format!(
                "Webhooks are not sent to {address}, which is {why}. Name a public host, or let OFFPRINT_WEBHOOK_NETWORKS allow it."
            )),
            None => Ok(()),
        }
    }

    /// The URL that an order names, if it may be called as far as one can tell without looking up its name.
    ///
    /// # Errors
    /// A sentence with the remedy. It does not repeat the URL, in which secrets may stand.
    pub fn check_url(&self, said: &str) -> Result<Url, String> {
        let url = Url::parse(said)
            .map_err(|why| format!("It is not a URL ({why}). Send one such as https://example.org/hooks/export."))?;
        match url.scheme() {
            "https" => {}
            "http" if self.http => {}
            "http" => {
                return Err(
                    "Webhooks travel by https only. Send a URL with https, or set OFFPRINT_WEBHOOK_HTTP.".into()
                );
            }
            scheme => return Err(format!("`{scheme}` cannot be called. Send a URL with https.")),
        }
        if !url.username().is_empty() || url.password().is_some() {
            let why =
                "It holds a name or password. Leave them out: the receiver knows us by the signature of the message.";
            return Err(why.into());
        }
        match url.host() {
            Some(Host::Ipv4(address)) => self.check_address(address.into())?,
            Some(Host::Ipv6(address)) => self.check_address(address.into())?,
            Some(Host::Domain(name)) if is_this_machine(name) => self.check_address(Ipv4Addr::LOCALHOST.into())?,
            Some(Host::Domain(_)) => {}
            None => return Err("It names no host. Send one such as https://example.org/hooks/export.".into()),
        }
        Ok(url)
    }
}

/// Names that mean this machine wherever they are looked up (RFC 6761).
fn is_this_machine(name: &str) -> bool {
    let name = name.trim_end_matches('.');
    name == "localhost" || name.ends_with(".localhost")
}
