//! The HTTP server as `serve` runs it, on a real socket, and peers that misbehave.

use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use offprint::http;
use offprint::http::server::{ConnectionLimits, ConnectionRegistry, build_server};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::test_app::TestApp;

/// Longer than anything here takes.
const PEER_TIMEOUT: Duration = Duration::from_secs(30);

/// A running server of an application, with its watchdog.
pub struct RunningServer {
    pub address: SocketAddr,
    handle: actix_web::dev::ServerHandle,
    running: JoinHandle<std::io::Result<()>>,
    watchdog: JoinHandle<()>,
}

impl RunningServer {
    /// With the limits of the application's settings.
    pub fn start(app: &TestApp) -> Self {
        Self::start_with(app, ConnectionLimits::from_settings(&app.state.settings, None))
    }

    pub fn start_with(app: &TestApp, limits: ConnectionLimits) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let connections = ConnectionRegistry::new("test", limits);
        let state = app.state.clone();
        let build_app = move || http::build_app(state.clone());
        let server = build_server(listener, connections.clone(), Some(1), build_app).unwrap();
        let (handle, running) = (server.handle(), tokio::spawn(server));
        Self { address, handle, running, watchdog: tokio::spawn(connections.run_watchdog()) }
    }

    pub async fn connect(&self) -> Peer {
        Peer(TcpStream::connect(self.address).await.unwrap())
    }

    pub async fn stop(self) {
        self.handle.stop(false).await;
        self.running.await.unwrap().unwrap();
        self.watchdog.abort();
    }
}

/// The client's end of a connection.
pub struct Peer(pub TcpStream);

impl Peer {
    pub async fn send(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).await.unwrap();
    }

    /// Reads until this text has arrived; all that arrived.
    pub async fn read_until(&mut self, end: &str) -> String {
        let mut bytes = Vec::new();
        while !String::from_utf8_lossy(&bytes).contains(end) {
            let mut piece = [0; 4096];
            let length = timeout(PEER_TIMEOUT, self.0.read(&mut piece)).await.expect("an answer").unwrap();
            assert!(length > 0, "the connection ended after {:?}", String::from_utf8_lossy(&bytes));
            bytes.extend_from_slice(&piece[..length]);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Sends a piece every 20 ms until the connection ends, and reads what comes; all that came.
    pub async fn drip_until_closed(mut self, piece: &str) -> String {
        let (mut reader, mut writer) = self.0.split();
        let mut received = Vec::new();
        let dripping = async {
            let mut pause = tokio::time::interval(Duration::from_millis(20));
            loop {
                pause.tick().await;
                if writer.write_all(piece.as_bytes()).await.is_err() {
                    return std::future::pending::<()>().await;
                }
            }
        };
        let reading = timeout(PEER_TIMEOUT, reader.read_to_end(&mut received));
        tokio::select! {
            // A reset is an end, too.
            ended = reading => drop(ended.expect("the connection is ended")),
            () = dripping => unreachable!(),
        }
        String::from_utf8_lossy(&received).into_owned()
    }

    /// Reads nothing until the connection was ended by the server.
    pub async fn read_nothing_until_closed(mut self) {
        let waiting = async {
            let mut pause = tokio::time::interval(Duration::from_millis(20));
            // What the server did not ask for waits at its end; after a reset it cannot be sent.
            while self.0.write_all(b"x").await.is_ok() {
                pause.tick().await;
            }
        };
        timeout(PEER_TIMEOUT, waiting).await.expect("the connection is ended");
    }
}
