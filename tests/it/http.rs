//! HTTP edge cases: slow and large requests, reverse proxies, cross-origin browsers.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use actix_web::dev::{Payload, Service as _};
use actix_web::error::PayloadError;
use actix_web::http::Method;
use actix_web::test::{TestRequest, init_service};
use actix_web::web::Bytes;
use futures_util::StreamExt;
use futures_util::stream;
use serde_json::{Value, json};
use sqlx::PgPool;
use tempfile::TempDir;

use crate::support::service_process::{ServiceProcess, build_database_url};
use crate::support::test_app::TestApp;

/// A body that sends these bytes and then stalls.
fn build_stalled_payload(bytes: &'static [u8]) -> Payload {
    let first = stream::iter([Ok::<_, PayloadError>(Bytes::from_static(bytes))]);
    Payload::Stream { payload: Box::pin(first.chain(stream::pending())) }
}

/// Sends a request with a body that never ends; gives status, `Connection` and problem.
async fn send_stalled(app: &TestApp, request: TestRequest, bytes: &'static [u8]) -> (u16, String, Value) {
    let service = init_service(offprint::http::build_app(app.state.clone())).await;
    let request = request.insert_header(("host", "localhost")).insert_header(("transfer-encoding", "chunked"));
    let (request, _) = request.to_request().replace_payload(build_stalled_payload(bytes));
    let answer = match service.call(request).await {
        Ok(answer) => answer.into_parts().1.map_into_boxed_body(),
        Err(error) => error.error_response(),
    };
    let (status, line) = (answer.status().as_u16(), answer.headers().get("connection").cloned());
    let body = actix_web::body::to_bytes(answer.into_body()).await.unwrap();
    (
        status,
        line.map_or(String::new(), |line| line.to_str().unwrap().to_owned()),
        serde_json::from_slice(&body).unwrap(),
    )
}

#[sqlx::test]
async fn a_body_that_stands_still_is_cut_with_a_reason(pool: PgPool) {
    let app = TestApp::with_settings(pool, |settings| settings.body_idle_timeout = Duration::from_millis(20)).await;
    let json = TestRequest::post().uri("/export-jobs").insert_header(("content-type", "application/json"));
    let form = ("content-type", "multipart/form-data; boundary=frontier");
    let upload = TestRequest::post().uri("/assets").insert_header(form);
    let file = b"--frontier\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\n\r\nbeginning";
    for (request, bytes) in [(json, &b"{\"fmt\":"[..]), (upload, &file[..])] {
        let (status, line, problem) = send_stalled(&app, request, bytes).await;
        assert_eq!((status, line.as_str()), (408, "close"), "{problem}");
        assert_eq!(problem["code"], "request-timeout");
        assert!(problem["requestId"].is_string(), "{problem}");
    }
    assert_eq!(app.count_blobs().await, 0);
    let left = std::fs::read_dir(app.folder.path().join("tmp")).unwrap().count();
    assert_eq!(left, 0, "the partial upload is removed");
}

#[sqlx::test]
async fn many_slow_uploads_disturb_nobody_and_are_cut(pool: PgPool) {
    const CONNECTION_COUNT: usize = 500;
    let folder = TempDir::new().unwrap();
    let settings = [("OFFPRINT_BODY_IDLE_TIMEOUT", "2s"), ("OFFPRINT_BODY_MIN_RATE", "1000")];
    let service = ServiceProcess::start(&build_database_url(&pool), &folder, &settings).unwrap();
    let address = service.url.trim_start_matches("http://").to_owned();
    let head = format!(
        "POST /assets HTTP/1.1\r\nhost: {address}\r\ncontent-type: multipart/form-data; boundary=x\r\ncontent-length: 1000000\r\n\r\n\
         --x\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\n\r\nslow"
    );
    let mut slow: Vec<TcpStream> = (0..CONNECTION_COUNT)
        .map(|_| {
            let mut line = TcpStream::connect(&address).unwrap();
            line.write_all(head.as_bytes()).unwrap();
            line.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
            line
        })
        .collect();
    service.upload_asset("quick.txt".into(), b"quick".to_vec()).await;
    assert_eq!(service.get("/assets").await["items"].as_array().unwrap().len(), 1);
    tokio::task::spawn_blocking(move || {
        for line in &mut slow {
            let mut response = String::new();
            line.read_to_string(&mut response).unwrap();
            assert!(response.starts_with("HTTP/1.1 408 ") && response.contains("request-timeout"), "{response}");
        }
    })
    .await
    .unwrap();
    assert_eq!(std::fs::read_dir(folder.path().join("tmp")).unwrap().count(), 0);
}

#[sqlx::test]
async fn heads_and_bodies_that_are_too_large_are_refused(pool: PgPool) {
    let app = TestApp::open(pool.clone()).await;
    let long = "x".repeat(33 << 10);
    assert_eq!(app.get_with_header("/assets", "x-long", &long).await.expect_status(431)["code"], "head-too-large");
    assert_eq!(app.get(format!("/assets?name={long}")).await.expect_status(431)["code"], "head-too-large");
    let body = json!({ "urlModifier": "x".repeat(1 << 20) });
    assert_eq!(app.put("/image-presets/large", body).await.expect_status(413)["code"], "body-too-large");
    // The limit of an export request's body grows with the number of items that it may have.
    let handles = |count: usize| json!({ "fmt": "orig", "assetHandleArray": vec!["00000000-0000-7000-8000-000000000001"; count] });
    let large = app.post("/export-jobs", handles(30_000)).await.expect_status(413);
    assert!(large["detail"].as_str().unwrap().contains("1048576"), "{large}");
    let app = TestApp::with_settings(pool, |settings| settings.max_items = 30_000).await;
    assert_eq!(app.post("/export-jobs", handles(30_000)).await.expect_status(422)["code"], "validation-failed");
    let limits = app.get("/info").await.expect_status(200)["limits"].clone();
    assert_eq!((&limits["orderBytes"], &limits["headBytes"]), (&json!(30_000 * 48 + (64 << 10)), &json!(32 << 10)));
}

#[sqlx::test]
async fn pages_of_allowed_sites_may_use_the_service(pool: PgPool) {
    let ours = "https://app.example";
    let app = TestApp::with_settings(pool, |settings| settings.cors_origins = vec![ours.into()]).await;
    let ask = |origin: &'static str| {
        let request =
            TestRequest::default().method(Method::OPTIONS).uri("/export-jobs").insert_header(("origin", origin));
        let request = request.insert_header(("access-control-request-method", "POST"));
        app.send(
            request.insert_header(("access-control-request-headers", "authorization,content-type,idempotency-key")),
        )
    };
    let asked = ask(ours).await;
    assert_eq!(asked.status.as_u16(), 200);
    assert_eq!(asked.header("access-control-allow-origin"), ours);
    assert!(asked.header("access-control-allow-methods").contains("POST"));
    assert_eq!(asked.header("access-control-allow-credentials"), "");
    assert_eq!(ask("https://evil.example").await.header("access-control-allow-origin"), "");

    let write =
        |origin| app.send(TestRequest::delete().uri("/image-presets/nothing").insert_header(("origin", origin)));
    let written = write(ours).await;
    assert_eq!(written.header("access-control-allow-origin"), ours);
    assert!(written.header("access-control-expose-headers").contains("x-request-id"));
    assert_eq!(written.expect_status(404)["code"], "not-found");
    let foreign = write("https://evil.example").await;
    assert_eq!(foreign.header("access-control-allow-origin"), "");
    assert_eq!(foreign.expect_status(403)["code"], "foreign-origin");
    assert!(has_no_cors_header(&app).await, "CORS is off without a list of origins");
}

async fn has_no_cors_header(app: &TestApp) -> bool {
    let bare = TestApp::open(app.state.system.clone()).await;
    bare.get_with_header("/assets", "origin", "https://app.example")
        .await
        .header("access-control-allow-origin")
        .is_empty()
}

#[sqlx::test]
async fn hsts_is_sent_only_to_tls_requests_through_a_trusted_proxy(pool: PgPool) {
    let app =
        TestApp::with_settings(pool, |settings| settings.trusted_proxies = vec!["10.0.0.0/8".parse().unwrap()]).await;
    let from = |address: &'static str, proto: &'static str| {
        let request = TestRequest::get().uri("/info").peer_addr(address.parse().unwrap());
        app.send(request.insert_header(("x-forwarded-for", "203.0.113.9")).insert_header(("x-forwarded-proto", proto)))
    };
    assert_eq!(from("10.0.0.1:4711", "https").await.header("strict-transport-security"), "max-age=31536000");
    assert_eq!(from("10.0.0.1:4711", "http").await.header("strict-transport-security"), "");
    assert_eq!(from("203.0.113.9:4711", "https").await.header("strict-transport-security"), "");
}

#[sqlx::test]
async fn what_is_refused_before_a_handler_has_its_requests_id_too(pool: PgPool) {
    let app =
        TestApp::with_settings(pool, |settings| settings.api_key = Some("sixteen-characters-and-more".into())).await;
    let refused = app.get_with_header("/assets", "x-request-id", "abc-1").await;
    assert_eq!(refused.header("x-request-id"), "abc-1");
    assert_eq!(refused.expect_status(401)["requestId"], "abc-1");
}
