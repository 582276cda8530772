//! How many bytes the kernel still holds for each peer: `/proc/net/tcp` and `/proc/net/tcp6`.
//!
//! A write that has to wait says little: the kernel's queue may hold megabytes, and takes more only when a third of it is
//! free, so a slow reader looks silent for minutes. The column `tx_queue` is the bytes that were written and not
//! acknowledged; it shrinks with every byte that the peer takes. `TCP_USER_TIMEOUT` would not do: while the peer's window
//! is smaller than a segment, the kernel counts it as silent, although bytes move (measured: readers of 5 kB/s were cut
//! off). The text files need neither `unsafe` code nor a right, and are read only while some write waits.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tracing::debug;

use super::connection::Endpoints;

/// Unacknowledged bytes by connection.
#[derive(Debug, Default)]
pub(super) struct SendQueues(HashMap<Endpoints, u64>);

impl SendQueues {
    /// The queues of all TCP sockets of this network namespace. Empty where the files cannot be read: then only bytes that
    /// the kernel takes count as progress.
    pub(super) async fn read() -> Self {
        let read = tokio::task::spawn_blocking(|| {
            let mut queues = Self::default();
            for path in ["/proc/self/net/tcp", "/proc/self/net/tcp6"] {
                match std::fs::read_to_string(path) {
                    Ok(text) => queues.0.extend(text.lines().filter_map(parse_socket)),
                    Err(error) => debug!(error = %error, "{path} cannot be read: {error}"),
                }
            }
            queues
        });
        read.await.unwrap_or_default()
    }

    /// The bytes that the peer has not acknowledged; none when the connection is unknown.
    pub(super) fn get_queued_bytes(&self, endpoints: &Endpoints) -> Option<u64> {
        let canonical = |address: SocketAddr| SocketAddr::new(address.ip().to_canonical(), address.port());
        let endpoints = Endpoints { local: canonical(endpoints.local), peer: canonical(endpoints.peer) };
        self.0.get(&endpoints).copied()
    }
}

/// Parses a line such as `3: 0100007F:1F90 0100007F:C3A2 01 0001A2B4:00000000 …`: number, local and remote address, state,
/// bytes to send and to read. Numbers are hexadecimal.
fn parse_socket(line: &str) -> Option<(Endpoints, u64)> {
    let mut columns = line.split_ascii_whitespace().skip(1);
    let (local, peer) = (parse_address(columns.next()?)?, parse_address(columns.next()?)?);
    let (to_send, _) = columns.nth(1)?.split_once(':')?;
    Some((Endpoints { local, peer }, u64::from_str_radix(to_send, 16).ok()?))
}

/// Parses `0100007F:1F90`. The address is printed in words of 32 bits, each as a number in the machine's byte order.
fn parse_address(text: &str) -> Option<SocketAddr> {
    let (address, port) = text.split_once(':')?;
    let words: Option<Vec<[u8; 4]>> = (0..address.len())
        .step_by(8)
        .map(|at| Some(u32::from_str_radix(address.get(at..at + 8)?, 16).ok()?.to_ne_bytes()))
        .collect();
    let bytes = words?.concat();
    let address = match <[u8; 4]>::try_from(bytes.as_slice()) {
        Ok(bytes) => IpAddr::V4(Ipv4Addr::from(bytes)),
        Err(_) => IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?)),
    };
    Some(SocketAddr::new(address.to_canonical(), u16::from_str_radix(port, 16).ok()?))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[cfg(target_endian = "little")]
    #[test]
    fn lines_of_the_kernel_are_understood() {
        let line = "   3: 0100007F:1F90 0200007F:C3A2 01 0001A2B4:00000000 01:00000018 00000000     0        0 1 2 x 20 4 1 10 -1";
        let (endpoints, queued) = parse_socket(line).unwrap();
        assert_eq!(
            (endpoints.local.to_string(), endpoints.peer.to_string(), queued),
            ("127.0.0.1:8080".into(), "127.0.0.2:50082".into(), 0x1a2b4)
        );
        let mapped =
            "0: 0000000000000000FFFF00000100007F:1F90 B80D0120000000000000000001000000:0001 01 00000001:00000000 x";
        let (endpoints, _) = parse_socket(mapped).unwrap();
        assert_eq!(
            (endpoints.local.to_string(), endpoints.peer.to_string()),
            ("127.0.0.1:8080".into(), "[2001:db8::1]:1".into())
        );
        assert_eq!(parse_socket("  sl  local_address rem_address   st tx_queue rx_queue tr tm->when"), None);
    }

    #[tokio::test]
    async fn what_a_peer_has_not_read_is_in_the_queue() {
        for host in ["127.0.0.1", "::1"] {
            let Ok(listener) = std::net::TcpListener::bind((host, 0)) else { continue };
            let peer = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let (mut ours, from) = listener.accept().unwrap();
            ours.set_nonblocking(true).unwrap();
            let endpoints = Endpoints { local: ours.local_addr().unwrap(), peer: from };
            assert_eq!(SendQueues::read().await.get_queued_bytes(&endpoints), Some(0));
            while ours.write(&[7; 1 << 16]).is_ok() {}
            assert!(SendQueues::read().await.get_queued_bytes(&endpoints).unwrap() > 0);
            drop(peer);
        }
    }
}
