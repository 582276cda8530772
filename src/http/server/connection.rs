//! One connection: what the watchdog knows of it, and the stream that notes it.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::http10::HeadCompleter;
use super::registry::{ConnectionLimits, ConnectionRegistry};
use crate::app::rate_limiter::RateLimitKey;

/// Where a connection is between two requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Nothing has arrived since the last response.
    Idle,
    /// The head of a request is expected (of the first one from the start) or arriving.
    Head,
    /// A request is being answered; its body may still be arriving.
    Request,
}

/// Why a connection was ended by us. The names are values of a metric's label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CloseReason {
    /// A request's head took too long.
    HeaderTimeout,
    /// The peer took nothing of a response for too long.
    ResponseTimeout,
    /// No request came for too long.
    Idle,
    /// It waited for a request, and its place was needed.
    Displaced,
}

impl CloseReason {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::HeaderTimeout => "header-timeout",
            Self::ResponseTimeout => "response-timeout",
            Self::Idle => "idle",
            Self::Displaced => "displaced",
        }
    }
}

/// The two ends of a connection, as the kernel names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Endpoints {
    pub(crate) local: SocketAddr,
    pub(crate) peer: SocketAddr,
}

/// An open connection.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) id: u64,
    pub(crate) endpoints: Endpoints,
    /// Whose limit it counts towards; none for a trusted proxy.
    pub(crate) counted_for: Option<RateLimitKey>,
    activity: Mutex<Activity>,
}

#[derive(Debug)]
struct Activity {
    phase: Phase,
    phase_since: Instant,
    /// Whether its peer is known: a trusted proxy, or a request had a valid key.
    recognized: bool,
    /// Bytes that the kernel took from us.
    written: u64,
    /// Since when the kernel takes no more: its queue to the peer is full.
    blocked_since: Option<Instant>,
    /// How many bytes the peer was known to have acknowledged when that number last grew, and when that was seen.
    acknowledged: Option<(u64, Instant)>,
    /// Whether the peer sends no more: mostly it has gone, while its request is still being answered.
    ended: bool,
    closed: Option<CloseReason>,
    /// Wakes the task that serves the connection.
    waker: Option<Waker>,
}

impl Connection {
    pub(crate) fn new(id: u64, endpoints: Endpoints, counted_for: Option<RateLimitKey>) -> Self {
        let activity = Activity {
            phase: Phase::Head,
            phase_since: Instant::now(),
            recognized: counted_for.is_none(),
            written: 0,
            blocked_since: None,
            acknowledged: None,
            ended: false,
            closed: None,
            waker: None,
        };
        Self { id, endpoints, counted_for, activity: Mutex::new(activity) }
    }

    fn lock(&self) -> MutexGuard<'_, Activity> {
        self.activity.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Since when the connection waits for a request, so that its place may go to another: it is idle, or the head of a
    /// stranger has not arrived whole, or its peer seems to have gone. None while it does not.
    pub(crate) fn waiting_since(&self) -> Option<Instant> {
        let activity = self.lock();
        let is_waiting = match activity.phase {
            Phase::Idle => true,
            Phase::Head => activity.ended || !activity.recognized,
            Phase::Request => activity.ended,
        };
        (is_waiting && activity.closed.is_none()).then_some(activity.phase_since)
    }

    /// Whether the peer sends no more, and the connection was not closed yet.
    pub(crate) fn has_ended(&self) -> bool {
        let activity = self.lock();
        activity.ended && activity.closed.is_none()
    }

    /// Whether written bytes have had to wait for the peer for this long.
    pub(crate) fn is_blocked_for(&self, time: Duration, now: Instant) -> bool {
        self.lock().blocked_since.is_some_and(|since| now.saturating_duration_since(since) >= time)
    }

    /// Why the connection is to be closed now, if it is. `queued` is how many of the bytes that were written the peer has
    /// not acknowledged yet; none when the kernel did not tell.
    pub(crate) fn find_timeout(
        &self,
        now: Instant,
        limits: &ConnectionLimits,
        queued: Option<u64>,
    ) -> Option<CloseReason> {
        let mut activity = self.lock();
        let lasted =
            |since: Instant, limit: Duration| !limit.is_zero() && now.saturating_duration_since(since) >= limit;
        if let Some(blocked_since) = activity.blocked_since {
            if let Some(queued) = queued {
                let acknowledged = activity.written.saturating_sub(queued);
                activity.acknowledged = match activity.acknowledged {
                    Some((before, at)) if acknowledged <= before => Some((before, at)),
                    Some(_) => Some((acknowledged, now)),
                    None => Some((acknowledged, blocked_since)),
                };
            }
            let progressed_at = activity.acknowledged.map_or(blocked_since, |(_, at)| at);
            return lasted(progressed_at, limits.response_idle_timeout).then_some(CloseReason::ResponseTimeout);
        }
        let keep_alive = if activity.recognized { limits.keep_alive } else { limits.anonymous_keep_alive };
        match activity.phase {
            Phase::Idle if lasted(activity.phase_since, keep_alive) => Some(CloseReason::Idle),
            Phase::Head if lasted(activity.phase_since, limits.header_timeout) => Some(CloseReason::HeaderTimeout),
            _ => None,
        }
    }

    /// Has the connection ended at once. False when that was asked for before.
    pub(crate) fn close(&self, reason: CloseReason) -> bool {
        let mut activity = self.lock();
        if activity.closed.is_some() {
            return false;
        }
        activity.closed = Some(reason);
        let waker = activity.waker.take();
        drop(activity);
        if let Some(waker) = waker {
            waker.wake();
        }
        true
    }

    /// A request on the connection had a valid key.
    pub(crate) fn note_recognized(&self) {
        self.lock().recognized = true;
    }

    fn enter_phase(activity: &mut Activity, phase: Phase) {
        activity.phase = phase;
        activity.phase_since = Instant::now();
    }

    /// Why the connection is to end, if it is. Otherwise `context` is woken when it is to end.
    fn poll_closed(&self, context: &Context<'_>) -> Option<CloseReason> {
        let mut activity = self.lock();
        if activity.closed.is_none() && !activity.waker.as_ref().is_some_and(|known| known.will_wake(context.waker())) {
            activity.waker = Some(context.waker().clone());
        }
        activity.closed
    }

    fn note_read(&self) {
        let mut activity = self.lock();
        if activity.phase == Phase::Idle {
            Self::enter_phase(&mut activity, Phase::Head);
        }
    }

    fn note_end(&self) {
        self.lock().ended = true;
    }

    fn note_write(&self, written: Option<usize>) {
        let mut activity = self.lock();
        match written {
            Some(bytes) => {
                activity.written += bytes as u64;
                (activity.blocked_since, activity.acknowledged) = (None, None);
            }
            None => {
                activity.blocked_since.get_or_insert_with(Instant::now);
            }
        }
    }
}

/// A request that is being answered. Dropping it ends its connection's phase.
pub(super) struct RequestGuard(Arc<Connection>);

impl RequestGuard {
    pub(super) fn begin(connection: Arc<Connection>) -> Self {
        Connection::enter_phase(&mut connection.lock(), Phase::Request);
        Self(connection)
    }
}

impl Drop for RequestGuard {
    fn drop(&mut self) {
        Connection::enter_phase(&mut self.0.lock(), Phase::Idle);
    }
}

/// What a peer is told whose head took too long.
const REQUEST_TIMEOUT_RESPONSE: &[u8] =
    b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

/// A TCP stream that notes what moves, and that fails once the connection is to end. actix polls it whenever its task is
/// woken, also while a handler or a response body is waited for.
pub(super) struct TrackedStream {
    stream: TcpStream,
    connection: Arc<Connection>,
    registry: ConnectionRegistry,
    completer: HeadCompleter,
    /// Bytes that were read or added, and found no room in the reader's buffer.
    unread: VecDeque<u8>,
}

impl TrackedStream {
    pub(super) fn new(stream: TcpStream, connection: Arc<Connection>, registry: ConnectionRegistry) -> Self {
        Self { stream, connection, registry, completer: HeadCompleter::default(), unread: VecDeque::new() }
    }

    /// Hands over as many of the waiting bytes as there is room for.
    fn drain_unread(&mut self, buffer: &mut ReadBuf<'_>) {
        let length = self.unread.len().min(buffer.remaining());
        let bytes: Vec<u8> = self.unread.drain(..length).collect();
        buffer.put_slice(&bytes);
    }

    pub(super) fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }

    /// Fails when the connection is to end.
    fn check_open(&self, context: &Context<'_>) -> io::Result<()> {
        let Some(reason) = self.connection.poll_closed(context) else { return Ok(()) };
        match reason {
            // Only a courtesy, so no matter whether it can be sent.
            CloseReason::HeaderTimeout => drop(self.stream.try_write(REQUEST_TIMEOUT_RESPONSE)),
            // Otherwise the kernel would keep what was not read, and go on trying to send it.
            CloseReason::ResponseTimeout => drop(self.stream.set_zero_linger()),
            CloseReason::Idle | CloseReason::Displaced => {}
        }
        Err(io::Error::new(io::ErrorKind::TimedOut, reason.name()))
    }
}

impl Drop for TrackedStream {
    fn drop(&mut self) {
        self.registry.remove(&self.connection);
    }
}

impl AsyncRead for TrackedStream {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.check_open(context)?;
        if buffer.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        let length_before = buffer.filled().len();
        loop {
            if !this.unread.is_empty() {
                this.drain_unread(buffer);
                return Poll::Ready(Ok(()));
            }
            ready!(Pin::new(&mut this.stream).poll_read(context, buffer))?;
            let read = &buffer.filled()[length_before..];
            if read.is_empty() {
                this.connection.note_end();
                // Before the end nothing may stay behind.
                this.unread.extend(this.completer.finish());
                this.drain_unread(buffer);
                return Poll::Ready(Ok(()));
            }
            this.connection.note_read();
            let Some(completed) = this.completer.complete(read) else { return Poll::Ready(Ok(())) };
            buffer.set_filled(length_before);
            this.unread.extend(completed);
            // Nothing at all would mean the end of the connection: then more is read.
        }
    }
}

impl AsyncWrite for TrackedStream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.check_open(context)?;
        let polled = Pin::new(&mut this.stream).poll_write(context, bytes);
        match &polled {
            Poll::Ready(Ok(written)) => this.connection.note_write(Some(*written)),
            Poll::Pending => this.connection.note_write(None),
            Poll::Ready(Err(_)) => {}
        }
        polled
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.check_open(context)?;
        Pin::new(&mut this.stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn build_limits() -> ConnectionLimits {
        ConnectionLimits {
            header_timeout: Duration::from_secs(10),
            response_idle_timeout: Duration::from_secs(30),
            keep_alive: Duration::from_secs(75),
            anonymous_keep_alive: Duration::from_secs(15),
            max_connections: 0,
            max_connections_per_address: 0,
            trusted_proxies: Vec::new(),
        }
    }

    fn open_connection() -> Arc<Connection> {
        let address: SocketAddr = "127.0.0.1:1".parse().unwrap();
        let key = RateLimitKey::for_address(Some(address.ip()));
        Arc::new(Connection::new(1, Endpoints { local: address, peer: address }, Some(key)))
    }

    #[test]
    fn each_head_has_the_same_time_and_idle_connections_have_more() {
        let (connection, limits, start) = (open_connection(), build_limits(), Instant::now());
        let find_after = |seconds| connection.find_timeout(start + Duration::from_secs(seconds), &limits, None);
        assert_eq!(find_after(9), None);
        assert_eq!(find_after(11), Some(CloseReason::HeaderTimeout), "the first head");
        let request = RequestGuard::begin(connection.clone());
        connection.note_read();
        assert_eq!(find_after(3600), None, "a handler has its own time limit");
        drop(request);
        assert_eq!((find_after(14), find_after(16)), (None, Some(CloseReason::Idle)), "a stranger");
        connection.note_recognized();
        assert_eq!((find_after(74), find_after(76)), (None, Some(CloseReason::Idle)));
        connection.note_read();
        connection.note_read();
        assert_eq!((find_after(9), find_after(11)), (None, Some(CloseReason::HeaderTimeout)), "the second head");
    }

    #[test]
    fn a_response_ends_when_nothing_of_it_is_acknowledged_and_not_before() {
        let (connection, limits, start) = (open_connection(), build_limits(), Instant::now());
        let _request = RequestGuard::begin(connection.clone());
        connection.note_write(Some(1000));
        connection.note_write(None);
        let find =
            |seconds, queued| connection.find_timeout(start + Duration::from_secs(seconds), &limits, Some(queued));
        assert_eq!(find(29, 900), None);
        assert_eq!(find(31, 899), None, "a byte was acknowledged");
        assert_eq!(find(60, 899), None);
        assert_eq!(find(62, 899), Some(CloseReason::ResponseTimeout));
        connection.note_write(Some(1));
        assert_eq!(find(62, 899), None, "the kernel takes bytes again");
    }
}
