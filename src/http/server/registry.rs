//! The open connections of a listener: how many there may be, and the watchdog that ends the silent ones.

use std::collections::HashMap;
use std::io::{self, Write};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ipnet::IpNet;
use tokio::net::TcpStream;
use tracing::warn;

use super::connection::{CloseReason, Connection, Endpoints, TrackedStream};
use super::send_queues::SendQueues;
use crate::app::rate_limiter::RateLimitKey;
use crate::settings::Settings;

/// How long connections may do nothing (0: without a limit), and how many there may be.
#[derive(Clone, Debug)]
pub struct ConnectionLimits {
    /// For the head of each request.
    pub header_timeout: Duration,
    /// Without a byte of a response that the peer acknowledges.
    pub response_idle_timeout: Duration,
    /// Between a response and the first byte of the next request.
    pub keep_alive: Duration,
    /// The same where no request on the connection had a valid key, and it is not a trusted proxy's: strangers cost less.
    pub anonymous_keep_alive: Duration,
    /// 0: no limit.
    pub max_connections: usize,
    /// Of one address (IPv6: one network of 64 bits). 0: no limit.
    pub max_connections_per_address: usize,
    /// Their connections are those of many clients, and count only towards the total.
    pub trusted_proxies: Vec<IpNet>,
}

impl ConnectionLimits {
    /// The limits of these settings, for a process that may open this many files: a connection that uploads or downloads
    /// holds two, and some are needed for other things.
    pub fn from_settings(settings: &Settings, max_open_files: Option<u64>) -> Self {
        const OTHER_FILES: u64 = 256;
        const MAX_ANONYMOUS_KEEP_ALIVE: Duration = Duration::from_secs(15);
        let most = max_open_files.map_or(usize::MAX, |files| (files.saturating_sub(OTHER_FILES) / 2).max(16) as usize);
        let wanted = match settings.max_connections {
            0 => usize::MAX,
            limit => limit,
        };
        if most < wanted {
            warn!("At most {most} connections are held open, because this process may open few files (ulimit -n)");
        }
        Self {
            header_timeout: settings.header_timeout,
            response_idle_timeout: settings.response_idle_timeout,
            keep_alive: settings.keep_alive,
            anonymous_keep_alive: match settings.is_key_required() {
                true if settings.keep_alive.is_zero() => MAX_ANONYMOUS_KEEP_ALIVE,
                true => settings.keep_alive.min(MAX_ANONYMOUS_KEEP_ALIVE),
                false => settings.keep_alive,
            },
            max_connections: wanted.min(most),
            max_connections_per_address: settings.max_connections_per_address,
            trusted_proxies: settings.trusted_proxies.clone(),
        }
    }

    /// How often the watchdog looks: often enough for the shortest time-out, and at least every two seconds.
    fn watchdog_interval(&self) -> Duration {
        const MAX_INTERVAL: Duration = Duration::from_secs(2);
        let timeouts = [self.header_timeout, self.response_idle_timeout, self.keep_alive, self.anonymous_keep_alive];
        let shortest = timeouts.into_iter().filter(|timeout| !timeout.is_zero()).min();
        shortest.map_or(MAX_INTERVAL, |timeout| (timeout / 10).clamp(Duration::from_millis(10), MAX_INTERVAL))
    }
}

/// The open connections. Clones share them.
#[derive(Clone, Debug)]
pub struct ConnectionRegistry(Arc<RegistryInner>);

#[derive(Debug)]
struct RegistryInner {
    /// Value of the label `listener` of the metrics.
    listener: &'static str,
    limits: ConnectionLimits,
    open: Mutex<OpenConnections>,
}

#[derive(Debug, Default)]
struct OpenConnections {
    next_id: u64,
    by_id: HashMap<u64, Arc<Connection>>,
    counts: HashMap<RateLimitKey, usize>,
    /// When a refusal was last logged.
    warned_at: Option<Instant>,
}

/// Which limit was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ConnectionLimit {
    Total,
    Address(IpAddr),
}

/// What a peer is told that finds no place. Nothing of its request was read.
const TOO_MANY_CONNECTIONS_RESPONSE: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\n\
    content-type: application/problem+json\r\nretry-after: 5\r\nconnection: close\r\ncontent-length: 178\r\n\r\n\
    {\"type\":\"/problems/unavailable\",\"title\":\"Service unavailable\",\"status\":503,\"code\":\"unavailable\",\
    \"detail\":\"Too many connections are open. Close some, or retry in a few seconds.\"}\n";

impl ConnectionRegistry {
    /// A registry without connections. `listener` names it in the metrics.
    pub fn new(listener: &'static str, limits: ConnectionLimits) -> Self {
        Self(Arc::new(RegistryInner { listener, limits, open: Mutex::default() }))
    }

    fn lock(&self) -> MutexGuard<'_, OpenConnections> {
        self.0.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in a connection, unless there are too many. When there are too many in all, the one that has waited longest
    /// for a request makes way: whoever only holds connections, however slowly he sends, keeps nobody out. An address that
    /// has too many loses one whose other end has gone.
    ///
    /// # Errors
    /// When it was refused; its peer was told, if it can be.
    pub(super) fn admit(&self, stream: TcpStream) -> io::Result<TrackedStream> {
        let endpoints = Endpoints { local: stream.local_addr()?, peer: stream.peer_addr()? };
        match self.register(endpoints) {
            Ok(connection) => Ok(TrackedStream::new(stream, connection, self.clone())),
            Err(limit) => {
                // A courtesy: the peer may be gone, or may not listen. Not through tokio, which has not heard yet that the
                // stream can be written to.
                if let Ok(mut stream) = stream.into_std() {
                    let _ = stream.write(TOO_MANY_CONNECTIONS_RESPONSE);
                }
                self.note_refusal(limit);
                Err(io::Error::new(io::ErrorKind::ConnectionRefused, "too many connections"))
            }
        }
    }

    fn register(&self, endpoints: Endpoints) -> Result<Arc<Connection>, ConnectionLimit> {
        let limits = &self.0.limits;
        let address = endpoints.peer.ip().to_canonical();
        let is_proxy = limits.trusted_proxies.iter().any(|network| network.contains(&address));
        let key = (!is_proxy).then(|| RateLimitKey::for_address(Some(address)));
        let mut open = self.lock();
        if let Some(key) = key {
            let count = open.counts.get(&key).copied().unwrap_or(0);
            if limits.max_connections_per_address > 0 && count >= limits.max_connections_per_address {
                let mut own = open.by_id.values().filter(|connection| connection.counted_for == Some(key));
                match own.find(|connection| connection.has_ended()) {
                    Some(ended) => self.close(ended, CloseReason::Displaced),
                    None => return Err(ConnectionLimit::Address(address)),
                }
            }
        }
        if limits.max_connections > 0 && open.by_id.len() >= limits.max_connections {
            let waiting = open.by_id.values().filter_map(|connection| Some((connection.waiting_since()?, connection)));
            match waiting.min_by_key(|(since, _)| *since) {
                Some((_, oldest)) => self.close(oldest, CloseReason::Displaced),
                None => return Err(ConnectionLimit::Total),
            }
        }
        open.next_id += 1;
        let connection = Arc::new(Connection::new(open.next_id, endpoints, key));
        open.by_id.insert(connection.id, connection.clone());
        if let Some(key) = key {
            *open.counts.entry(key).or_default() += 1;
        }
        metrics::gauge!("offprint_connections", "listener" => self.0.listener).set(open.by_id.len() as f64);
        Ok(connection)
    }

    /// Frees the place of a connection that has ended.
    pub(super) fn remove(&self, connection: &Connection) {
        let mut open = self.lock();
        if open.by_id.remove(&connection.id).is_none() {
            return;
        }
        if let Some(key) = connection.counted_for
            && let Some(count) = open.counts.get_mut(&key)
        {
            *count -= 1;
            if *count == 0 {
                open.counts.remove(&key);
            }
        }
        metrics::gauge!("offprint_connections", "listener" => self.0.listener).set(open.by_id.len() as f64);
    }

    fn close(&self, connection: &Connection, reason: CloseReason) {
        if connection.close(reason) {
            self.count_closed(reason.name());
        }
    }

    fn count_closed(&self, reason: &'static str) {
        metrics::counter!("offprint_connections_closed_total", "listener" => self.0.listener, "reason" => reason)
            .increment(1);
    }

    /// Counts a refusal, and logs it once a minute at most: an attack should not fill the log.
    fn note_refusal(&self, limit: ConnectionLimit) {
        const WARNING_INTERVAL: Duration = Duration::from_secs(60);
        let reason = match limit {
            ConnectionLimit::Total => "too-many",
            ConnectionLimit::Address(_) => "too-many-of-address",
        };
        self.count_closed(reason);
        let now = Instant::now();
        let mut open = self.lock();
        if open.warned_at.is_some_and(|at| now.saturating_duration_since(at) < WARNING_INTERVAL) {
            return;
        }
        open.warned_at = Some(now);
        drop(open);
        match limit {
            ConnectionLimit::Total => warn!(
                "New connections are refused: {} are open and all have requests (OFFPRINT_MAX_CONNECTIONS)",
                self.0.limits.max_connections
            ),
            ConnectionLimit::Address(address) => warn!(
                "New connections from {address} are refused: it holds {} open. If it is a reverse proxy, name it in \
                 OFFPRINT_TRUSTED_PROXIES; else see OFFPRINT_MAX_CONNECTIONS_PER_ADDRESS",
                self.0.limits.max_connections_per_address
            ),
        }
    }

    /// Ends connections without progress, until it is dropped.
    pub async fn run_watchdog(self) {
        let interval = self.0.limits.watchdog_interval();
        loop {
            tokio::time::sleep(interval).await;
            self.close_silent_connections(interval).await;
        }
    }

    async fn close_silent_connections(&self, interval: Duration) {
        let connections: Vec<_> = self.lock().by_id.values().cloned().collect();
        let now = Instant::now();
        // A fast download waits for the network all the time, but not for this long.
        let queues = match connections.iter().any(|connection| connection.is_blocked_for(interval, now)) {
            true => SendQueues::read().await,
            false => SendQueues::default(),
        };
        for connection in connections {
            if let Some(reason) =
                connection.find_timeout(now, &self.0.limits, queues.get_queued_bytes(&connection.endpoints))
            {
                self.close(&connection, reason);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;

    fn open_registry(max_connections: usize, max_connections_per_address: usize) -> ConnectionRegistry {
        let limits = ConnectionLimits {
            header_timeout: Duration::from_secs(10),
            response_idle_timeout: Duration::from_secs(30),
            keep_alive: Duration::from_secs(75),
            anonymous_keep_alive: Duration::from_secs(75),
            max_connections,
            max_connections_per_address,
            trusted_proxies: vec!["10.0.0.0/8".parse().unwrap()],
        };
        ConnectionRegistry::new("test", limits)
    }

    fn register(registry: &ConnectionRegistry, peer: &str) -> Result<Arc<Connection>, ConnectionLimit> {
        let local = "127.0.0.1:1".parse().unwrap();
        registry.register(Endpoints { local, peer: SocketAddr::new(peer.parse().unwrap(), 1) })
    }

    #[test]
    fn an_address_has_so_many_connections_and_a_trusted_proxy_has_all() {
        let registry = open_registry(0, 2);
        let first = register(&registry, "192.0.2.1").unwrap();
        register(&registry, "::ffff:192.0.2.1").unwrap();
        let refused = Err(ConnectionLimit::Address("192.0.2.1".parse().unwrap()));
        assert_eq!(register(&registry, "192.0.2.1").map(|_| ()), refused, "the same address, written in two ways");
        register(&registry, "192.0.2.2").unwrap();
        for host in ["2001:db8::1", "2001:db8::2"] {
            register(&registry, host).unwrap();
        }
        assert!(register(&registry, "2001:db8::ffff").is_err(), "a network of 64 bits is one customer");
        register(&registry, "2001:db8:0:1::1").unwrap();
        for _ in 0..5 {
            register(&registry, "10.1.2.3").unwrap();
        }
        registry.remove(&first);
        registry.remove(&first);
        register(&registry, "192.0.2.1").unwrap();
        assert!(register(&registry, "192.0.2.1").is_err(), "a place is freed once");
    }

    #[test]
    fn when_all_places_are_taken_the_oldest_idle_connection_makes_way() {
        use super::super::connection::RequestGuard;
        let registry = open_registry(3, 0);
        let open: Vec<_> = (0..3).map(|_| register(&registry, "10.0.0.1").unwrap()).collect();
        assert_eq!(register(&registry, "192.0.2.1").map(|_| ()), Err(ConnectionLimit::Total), "none is idle");
        // A request begins and ends: the connection is idle from then on.
        drop(RequestGuard::begin(open[1].clone()));
        drop(RequestGuard::begin(open[2].clone()));
        register(&registry, "192.0.2.1").unwrap();
        assert_eq!(
            (open[1].waiting_since(), open[2].waiting_since().is_some()),
            (None, true),
            "the older one was closed"
        );
    }

    #[test]
    fn a_stranger_who_sends_heads_slowly_keeps_nobody_out() {
        use super::super::connection::RequestGuard;
        let registry = open_registry(3, 0);
        let open: Vec<_> = (0..3).map(|_| register(&registry, "192.0.2.1").unwrap()).collect();
        let _answering = RequestGuard::begin(open[0].clone());
        open[1].note_recognized();
        register(&registry, "192.0.2.2").unwrap();
        assert_eq!((open[2].waiting_since(), open[1].waiting_since()), (None, None), "the stranger's was closed");
        assert_eq!(open[1].find_timeout(Instant::now(), &registry.0.limits, None), None, "a known caller's stays");
    }

    #[test]
    fn the_refusal_is_valid_http() {
        let text = std::str::from_utf8(TOO_MANY_CONNECTIONS_RESPONSE).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("content-length: {}", body.len())), "{head} {}", body.len());
        assert_eq!(serde_json::from_str::<serde_json::Value>(body).unwrap()["code"], "unavailable");
    }
}
