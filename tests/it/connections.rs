//! Connections whose peers are silent, slow, or too many; through a real socket.

use std::time::{Duration, Instant};

use offprint::http::server::ConnectionLimits;
use serde_json::json;
use sqlx::PgPool;
use tempfile::TempDir;
use tokio::io::AsyncReadExt;
use tokio::net::TcpSocket;

use crate::support::export_jobs::create_job;
use crate::support::http_server::{Peer, RunningServer};
use crate::support::images::draw_jpeg;
use crate::support::service_process::{ServiceProcess, build_database_url};
use crate::support::test_app::TestApp;

const LIVENESS_REQUEST: &str = "GET /health/live HTTP/1.1\r\nhost: localhost\r\n\r\n";

/// The head of the first request had a time limit, and no other.
#[sqlx::test]
async fn every_head_of_a_connection_has_to_arrive_in_time(pool: PgPool) {
    let app = TestApp::with_settings(pool, |settings| settings.header_timeout = Duration::from_millis(300)).await;
    let server = RunningServer::start(&app);
    // A body that is read; after one that is refused unread the server ends the connection.
    let with_body = "POST /modifier-check HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
                     content-length: 24\r\n\r\n{\"is_modifier\":\"wid=10\"}";
    let head = "HEAD /health/live HTTP/1.1\r\nhost: localhost\r\n\r\n";
    for earlier in [vec![], vec![LIVENESS_REQUEST], vec![head], vec![with_body], vec![LIVENESS_REQUEST; 3]] {
        for begun in ["GET / HTTP/1.1\r\nhost: localhost\r\nx: ", "G", "GET / HTTP/1.1\r\n"] {
            for piece in ["", "a"] {
                let mut peer = server.connect().await;
                for request in &earlier {
                    peer.send(request).await;
                    peer.read_until("\r\n\r\n").await;
                }
                peer.send(begun).await;
                let answer = peer.drip_until_closed(piece).await;
                // Bytes that cross the answer on their way reset the connection, and the answer may be lost.
                assert!(!piece.is_empty() || answer.contains("HTTP/1.1 408 "), "{earlier:?} {begun:?}: {answer}");
            }
        }
    }
    server.stop().await;
}

#[sqlx::test]
async fn a_connection_that_sends_nothing_is_ended(pool: PgPool) {
    let app = TestApp::with_settings(pool, |settings| {
        (settings.header_timeout, settings.keep_alive) = (Duration::from_millis(100), Duration::from_millis(400));
    })
    .await;
    let server = RunningServer::start(&app);
    let silent = server.connect().await;
    assert!(silent.drip_until_closed("").await.starts_with("HTTP/1.1 408 "), "from the start");
    let mut idle = server.connect().await;
    idle.send(LIVENESS_REQUEST).await;
    idle.read_until("\r\n\r\n").await;
    let since = Instant::now();
    let rest = idle.drip_until_closed("").await;
    assert!(!rest.contains("HTTP/1.1"), "nothing is said to an idle client: {rest}");
    assert!(since.elapsed() >= Duration::from_millis(400), "longer than a head may take: {:?}", since.elapsed());
    server.stop().await;
}

#[sqlx::test]
async fn idle_connections_of_known_callers_stay_longer(pool: PgPool) {
    let key = "a-key-of-thirty-two-characters-!";
    let app = TestApp::with_settings(pool, |settings| settings.api_key = Some(key.into())).await;
    let limits = ConnectionLimits::from_settings(&app.state.settings, None);
    assert!(limits.anonymous_keep_alive < Duration::from_secs(20) && limits.keep_alive > Duration::from_secs(60));
    let limits = ConnectionLimits { anonymous_keep_alive: Duration::from_millis(200), ..limits };
    let server = RunningServer::start_with(&app, limits);
    let mut known = server.connect().await;
    known.send(&format!("GET /info HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {key}\r\n\r\n")).await;
    known.read_until("HTTP/1.1 200 ").await;
    for authorization in ["", "authorization: Bearer a-key-of-thirty-two-characters-?\r\n"] {
        let mut stranger = server.connect().await;
        stranger.send(&format!("GET /health/live HTTP/1.1\r\nhost: localhost\r\n{authorization}\r\n")).await;
        stranger.read_until("HTTP/1.1 200 ").await;
        stranger.drip_until_closed("").await;
    }
    known.send(LIVENESS_REQUEST).await;
    known.read_until("HTTP/1.1 200 ").await;
    server.stop().await;
}

#[sqlx::test]
async fn who_reads_nothing_is_cut_off_and_who_reads_slowly_is_not(pool: PgPool) {
    const BODY_BYTES: usize = 12 << 20;
    let app = TestApp::with_settings(pool, |settings| settings.response_idle_timeout = Duration::from_secs(1)).await;
    let asset = app.upload_asset("large.bin", &vec![7; BODY_BYTES]).await;
    let server = RunningServer::start(&app);
    let request = format!("GET /assets/{asset}/content HTTP/1.1\r\nhost: localhost\r\n\r\n");
    let open = async || {
        let socket = TcpSocket::new_v4().unwrap();
        // Small, so that the bytes wait at the server's end.
        socket.set_recv_buffer_size(64 << 10).unwrap();
        let mut peer = Peer(socket.connect(server.address).await.unwrap());
        peer.send(&request).await;
        peer
    };
    let silent = async { open().await.read_nothing_until_closed().await };
    // The kernel's queue holds more than this reader takes in three time-outs, so to the service it looks silent.
    let slow = async {
        let mut peer = open().await;
        let head = peer.read_until("\r\n\r\n").await;
        let mut received = head.len() - head.find("\r\n\r\n").unwrap() - 4;
        let (mut buffer, mut pause) = (vec![0; 16 << 10], tokio::time::interval(Duration::from_millis(60)));
        for _ in 0..60 {
            pause.tick().await;
            received += peer.0.read(&mut buffer).await.unwrap();
        }
        while received < BODY_BYTES {
            let length = peer.0.read(&mut buffer).await.unwrap();
            assert!(length > 0, "cut off after {received} bytes");
            received += length;
        }
    };
    tokio::join!(silent, slow);
    server.stop().await;
}

#[sqlx::test]
async fn a_response_that_is_waited_for_is_not_silence(pool: PgPool) {
    let app = TestApp::with_settings(pool, |settings| {
        settings.header_timeout = Duration::from_millis(200);
        settings.response_idle_timeout = Duration::from_millis(200);
        settings.keep_alive = Duration::from_millis(200);
        settings.stream_heartbeat = Duration::from_millis(50);
    })
    .await;
    let asset = app.upload_asset("a.jpg", &draw_jpeg(1)).await;
    let request = json!({"assetHandleArray": [asset], "fmt": "orig", "execTime": "2099-01-01T00:00:00Z"});
    let job = format!("/export-jobs/{}", create_job(&app, request).await);
    let server = RunningServer::start(&app);
    let mut waiting = server.connect().await;
    waiting.send(&format!("GET {job} HTTP/1.1\r\nhost: localhost\r\n\r\n")).await;
    let answer = waiting.read_until("}").await;
    let etag = answer.lines().find_map(|line| line.strip_prefix("etag: ")).unwrap();
    let known = format!("GET {job}?wait=1 HTTP/1.1\r\nhost: localhost\r\nif-none-match: {etag}\r\n\r\n");
    let mut waiting = server.connect().await;
    waiting.send(&known).await;
    assert!(waiting.read_until("\r\n\r\n").await.starts_with("HTTP/1.1 304 "));

    let mut stream = server.connect().await;
    stream.send(&format!("GET {job}/events HTTP/1.1\r\nhost: localhost\r\naccept: text/event-stream\r\n\r\n")).await;
    stream.read_until("\r\n\r\n").await;
    let since = Instant::now();
    while since.elapsed() < Duration::from_secs(1) {
        stream.read_until("\n\n").await;
    }
    server.stop().await;
}

#[sqlx::test]
async fn one_address_has_so_many_connections(pool: PgPool) {
    let app = TestApp::with_settings(pool, |settings| settings.max_connections_per_address = 2).await;
    let server = RunningServer::start(&app);
    let (mut first, mut second) = (server.connect().await, server.connect().await);
    for peer in [&mut first, &mut second] {
        peer.send(LIVENESS_REQUEST).await;
        peer.read_until("HTTP/1.1 200 ").await;
    }
    let answer = server.connect().await.drip_until_closed("").await;
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("\r\nretry-after: 5\r\n"), "{answer}");
    first.send(LIVENESS_REQUEST).await;
    first.read_until("HTTP/1.1 200 ").await;
    drop(second);
    // The place is free as soon as the server has seen the end of that connection.
    loop {
        let mut third = server.connect().await;
        third.send(LIVENESS_REQUEST).await;
        let mut begin = [0; 12];
        if third.0.read_exact(&mut begin).await.is_ok() && begin.ends_with(b"200") {
            break;
        }
    }
    server.stop().await;
}

#[sqlx::test]
async fn a_trusted_proxy_has_as_many_as_it_needs_and_idle_ones_make_way(pool: PgPool) {
    let app = TestApp::with_settings(pool, |settings| {
        settings.trusted_proxies = vec!["127.0.0.1".parse::<std::net::IpAddr>().unwrap().into()];
        settings.max_connections_per_address = 1;
        settings.max_connections = 3;
    })
    .await;
    let server = RunningServer::start(&app);
    let mut idle = server.connect().await;
    idle.send(LIVENESS_REQUEST).await;
    idle.read_until("\r\n\r\n").await;
    let (mut busy, mut other) = (server.connect().await, server.connect().await);
    for peer in [&mut busy, &mut other] {
        peer.send("GET /health/live HTTP/1.1\r\n").await;
    }
    let mut newcomer = server.connect().await;
    newcomer.send(LIVENESS_REQUEST).await;
    newcomer.read_until("HTTP/1.1 200 ").await;
    idle.drip_until_closed("").await;
    for peer in [&mut busy, &mut other] {
        peer.send("host: localhost\r\n\r\n").await;
        peer.read_until("HTTP/1.1 200 ").await;
    }
    server.stop().await;
}

#[sqlx::test]
async fn who_waits_and_goes_away_leaves_his_place(pool: PgPool) {
    let app = TestApp::with_settings(pool, |settings| settings.max_connections_per_address = 2).await;
    let asset = app.upload_asset("a.jpg", &draw_jpeg(1)).await;
    let request = json!({"assetHandleArray": [asset], "fmt": "orig", "execTime": "2099-01-01T00:00:00Z"});
    let wait = format!("GET /export-jobs/{}/events HTTP/1.1\r\nhost: localhost\r\n", create_job(&app, request).await);
    let server = RunningServer::start(&app);
    let mut streams = Vec::new();
    for _ in 0..2 {
        let mut peer = server.connect().await;
        peer.send(&format!("{wait}accept: text/event-stream\r\n\r\n")).await;
        peer.read_until("\r\n\r\n").await;
        streams.push(peer);
    }
    assert!(server.connect().await.drip_until_closed("").await.starts_with("HTTP/1.1 503 "));
    drop(streams);
    loop {
        let mut newcomer = server.connect().await;
        newcomer.send(LIVENESS_REQUEST).await;
        let mut begin = [0; 12];
        if newcomer.0.read_exact(&mut begin).await.is_ok() && begin.ends_with(b"200") {
            break;
        }
    }
    server.stop().await;
}

#[sqlx::test]
async fn heads_that_drip_make_way_when_all_places_are_taken(pool: PgPool) {
    let app = TestApp::with_settings(pool, |settings| settings.max_connections = 3).await;
    let server = RunningServer::start(&app);
    let mut dripping = Vec::new();
    for _ in 0..3 {
        let mut peer = server.connect().await;
        peer.send("GET /health/live HTTP/1.1\r\nx: ").await;
        dripping.push(peer);
    }
    let mut newcomer = server.connect().await;
    newcomer.send(LIVENESS_REQUEST).await;
    newcomer.read_until("HTTP/1.1 200 ").await;
    server.stop().await;
}

/// The binary is wired as the tests above assume.
#[sqlx::test]
async fn a_process_ends_silent_connections_and_counts_them(pool: PgPool) {
    let (database, folder) = (build_database_url(&pool), TempDir::new().unwrap());
    let service = ServiceProcess::start(&database, &folder, &[("OFFPRINT_HEADER_TIMEOUT", "300ms")]).unwrap();
    let address = service.url.trim_start_matches("http://");
    let mut peer = Peer(tokio::net::TcpStream::connect(address).await.unwrap());
    peer.send(LIVENESS_REQUEST).await;
    peer.read_until("\r\n\r\n").await;
    peer.send("GET / HTTP/1.1\r\nx: ").await;
    assert!(peer.drip_until_closed("").await.contains("HTTP/1.1 408 "));
    let metrics = service.client.get(format!("{}/metrics", service.url)).send().await.unwrap().text().await.unwrap();
    let closed = "offprint_connections_closed_total{listener=\"http\",reason=\"header-timeout\"} 1";
    assert!(metrics.contains(closed), "{metrics}");
    assert!(metrics.contains("offprint_connections{listener=\"http\"} "), "{metrics}");
    assert_eq!(service.stop(), Some(0));
}
