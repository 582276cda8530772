//! The HTTP server: accepts connections, and ends those whose peers are silent or too many.
//!
//! actix-web's own server limits the first head of a connection and nothing else: a later head may arrive a byte an hour,
//! and a response may wait for ever for a reader that does not read. So the connections are ours: each is a
//! [`TrackedStream`], which sees every byte, and a watchdog ([`ConnectionRegistry::run_watchdog`]) ends those without
//! progress. Begin reading at [`build_server`].
//!
//! ```text
//!   accept -> ConnectionRegistry::admit   refused with 503 beyond the limits, in all and by address
//!          -> TrackedStream               notes bytes read, bytes written, and writes that have to wait
//!          -> HeadCompleter               adds the length that HTTP/1.0 requests without a body leave out
//!          -> track_requests              notes where a request begins and its response ends
//!   watchdog, several times a time-out    compares these notes with the time-outs, and closes
//! ```
//!
//! Request bodies are the business of [`body_timeout`](super::middleware::body_timeout), which knows whether the handler
//! or the client is waited for.

mod connection;
mod http10;
mod registry;
mod send_queues;

use std::fmt::Debug;
use std::future::ready;
use std::io;
use std::net::TcpListener;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_http::{HttpService, KeepAlive, Request};
use actix_server::Server;
use actix_service::{
    IntoServiceFactory, Service, ServiceFactory, ServiceFactoryExt, apply_fn_factory, fn_service, map_config,
};
use actix_web::HttpMessage;
use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{AppConfig, Response, ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;
use actix_web::web::Bytes;
use tokio::net::TcpStream;

use connection::{Connection, RequestGuard, TrackedStream};
pub use registry::{ConnectionLimits, ConnectionRegistry};

use crate::http::extract::caller::Caller;

/// How long running requests may take to end after the service was asked to stop, in seconds.
const SHUTDOWN_TIMEOUT_SECONDS: u64 = 20;

/// How long a client may take to close its end after a response that ends the connection.
const DISCONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// A server of this application on this listener; it starts when it is first polled. `workers` is the number of its
/// threads; none: one for each processor. The caller runs the watchdog of `connections`.
///
/// # Errors
/// When the listener cannot be used.
pub fn build_server<F, I, S, B>(
    listener: TcpListener,
    connections: ConnectionRegistry,
    workers: Option<usize>,
    build_app: F,
) -> io::Result<Server>
where
    F: Fn() -> I + Send + Clone + 'static,
    I: IntoServiceFactory<S, Request>,
    S: ServiceFactory<Request, Config = AppConfig> + 'static,
    S::Error: Into<actix_web::Error> + 'static,
    S::InitError: Debug,
    S::Response: Into<Response<B>> + 'static,
    <S::Service as Service<Request>>::Future: 'static,
    S::Service: 'static,
    B: MessageBody + 'static,
{
    let address = listener.local_addr()?;
    let mut server = Server::build().shutdown_timeout(SHUTDOWN_TIMEOUT_SECONDS).disable_signals();
    if let Some(workers) = workers {
        server = server.workers(workers);
    }
    let stopping = server.graceful_shutdown_signal();
    let server = server.listen(format!("offprint-{address}"), listener, move || {
        let (connections, stopping) = (connections.clone(), stopping.clone());
        let app = build_app().into_factory().map_err(|error| error.into().error_response());
        let http = HttpService::build()
            .graceful_shutdown_signal(move || {
                let stopping = stopping.clone();
                async move { stopping.notified().await }
            })
            // Heads and idle connections are timed by the watchdog, for every request of a connection alike.
            .keep_alive(KeepAlive::Os)
            .client_request_timeout(Duration::ZERO)
            .client_disconnect_timeout(DISCONNECT_TIMEOUT)
            .local_addr(address)
            .on_connect_ext(|stream: &TrackedStream, data| {
                data.insert(Arc::clone(stream.connection()));
            })
            .h1(track_requests::<_, _, B>(map_config(app, |()| AppConfig::default())));
        fn_service(move |stream: TcpStream| {
            let peer = stream.peer_addr().ok();
            ready(connections.admit(stream).map(|stream| (stream, peer)).map_err(Into::into))
        })
        .and_then(http)
    })?;
    Ok(server.run())
}

/// The same application, which tells the connection when a request begins and when its response has been produced.
fn track_requests<S, E, B>(
    app: S,
) -> impl ServiceFactory<Request, Config = (), Response = Response<TrackedBody>, Error = E, InitError = S::InitError>
where
    S: ServiceFactory<Request, Config = (), Error = E>,
    S::Response: Into<Response<B>>,
    B: MessageBody + 'static,
{
    apply_fn_factory(app, |request: Request, app: &S::Service| {
        let guard =
            request.conn_data::<Arc<Connection>>().map(|connection| RequestGuard::begin(Arc::clone(connection)));
        let response = app.call(request);
        async move {
            let response: Response<B> = response.await?.into();
            Ok(response.map_body(|_, body| TrackedBody { body: body.boxed(), _guard: guard }))
        }
    })
}

/// Middleware inside of authentication: a connection whose caller is known may be idle for longer.
pub(super) async fn note_recognized_caller(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    if request.extensions().contains::<Caller>()
        && let Some(connection) = request.conn_data::<Arc<Connection>>()
    {
        connection.note_recognized();
    }
    next.call(request).await
}

/// A response body. It is dropped when its last byte was handed on.
struct TrackedBody {
    body: BoxBody,
    _guard: Option<RequestGuard>,
}

impl MessageBody for TrackedBody {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Pin::new(&mut self.body).poll_next(context)
    }
}
