//! HTTP at its edges: slow and large requests, proxies, browsers of other sites.

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

use crate::house::House;
use crate::service::{Service, url};

/// A body that has these bytes and then stands still.
fn standing(bytes: &'static [u8]) -> Payload {
    let first = stream::iter([Ok::<_, PayloadError>(Bytes::from_static(bytes))]);
    Payload::Stream { payload: Box::pin(first.chain(stream::pending())) }
}

/// Sends a request with a body that never ends; gives status, `Connection` and problem.
async fn cut(house: &House, request: TestRequest, bytes: &'static [u8]) -> (u16, String, Value) {
    let app = init_service(offprint::api::app(house.state.clone())).await;
    let request = request.insert_header(("host", "localhost")).insert_header(("transfer-encoding", "chunked"));
    let (request, _) = request.to_request().replace_payload(standing(bytes));
    let answer = match app.call(request).await {
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
    let house = House::with(pool, |settings| settings.body_patience = Duration::from_millis(20)).await;
    let json = TestRequest::post().uri("/export-jobs").insert_header(("content-type", "application/json"));
    let form = ("content-type", "multipart/form-data; boundary=frontier");
    let upload = TestRequest::post().uri("/assets").insert_header(form);
    let file = b"--frontier\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\n\r\nbeginning";
    for (request, bytes) in [(json, &b"{\"fmt\":"[..]), (upload, &file[..])] {
        let (status, line, problem) = cut(&house, request, bytes).await;
        assert_eq!((status, line.as_str()), (408, "close"), "{problem}");
        assert_eq!(problem["code"], "request-timeout");
        assert!(problem["requestId"].is_string(), "{problem}");
    }
    assert_eq!(house.blobs().await, 0);
    let left = std::fs::read_dir(house.folder.path().join("tmp")).unwrap().count();
    assert_eq!(left, 0, "what came of the upload is gone");
}

#[sqlx::test]
async fn many_slow_uploads_disturb_nobody_and_are_cut(pool: PgPool) {
    const MANY: usize = 500;
    let folder = TempDir::new().unwrap();
    let settings = [("OFFPRINT_BODY_PATIENCE", "2s"), ("OFFPRINT_BODY_PACE", "1000")];
    let service = Service::start(&url(&pool), &folder, &settings).unwrap();
    let address = service.url.trim_start_matches("http://").to_owned();
    let head = format!(
        "POST /assets HTTP/1.1\r\nhost: {address}\r\ncontent-type: multipart/form-data; boundary=x\r\ncontent-length: 1000000\r\n\r\n\
         --x\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\n\r\nslow"
    );
    let mut slow: Vec<TcpStream> = (0..MANY)
        .map(|_| {
            let mut line = TcpStream::connect(&address).unwrap();
            line.write_all(head.as_bytes()).unwrap();
            line.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
            line
        })
        .collect();
    service.upload("quick.txt".into(), b"quick".to_vec()).await;
    assert_eq!(service.get("/assets").await["items"].as_array().unwrap().len(), 1);
    tokio::task::spawn_blocking(move || {
        for line in &mut slow {
            let mut said = String::new();
            line.read_to_string(&mut said).unwrap();
            assert!(said.starts_with("HTTP/1.1 408 ") && said.contains("request-timeout"), "{said}");
        }
    })
    .await
    .unwrap();
    assert_eq!(std::fs::read_dir(folder.path().join("tmp")).unwrap().count(), 0);
}

#[sqlx::test]
async fn heads_and_bodies_that_are_too_large_are_refused(pool: PgPool) {
    let house = House::open(pool.clone()).await;
    let long = "x".repeat(33 << 10);
    assert_eq!(house.get_with("/assets", "x-long", &long).await.is(431)["code"], "head-too-large");
    assert_eq!(house.get(format!("/assets?name={long}")).await.is(431)["code"], "head-too-large");
    let body = json!({ "urlModifier": "x".repeat(1 << 20) });
    assert_eq!(house.put("/image-presets/large", body).await.is(413)["code"], "body-too-large");
    // An order's body grows with the items that it may have.
    let handles = |count: usize| json!({ "fmt": "orig", "assetHandleArray": vec!["00000000-0000-7000-8000-000000000001"; count] });
    let large = house.post("/export-jobs", handles(30_000)).await.is(413);
    assert!(large["detail"].as_str().unwrap().contains("1048576"), "{large}");
    let house = House::with(pool, |settings| settings.max_items = 30_000).await;
    assert_eq!(house.post("/export-jobs", handles(30_000)).await.is(422)["code"], "validation-failed");
    let limits = house.get("/info").await.is(200)["limits"].clone();
    assert_eq!((&limits["orderBytes"], &limits["headBytes"]), (&json!(30_000 * 48 + (64 << 10)), &json!(32 << 10)));
}

#[sqlx::test]
async fn pages_of_allowed_sites_may_use_the_service(pool: PgPool) {
    let ours = "https://app.example";
    let house = House::with(pool, |settings| settings.cors_origins = vec![ours.into()]).await;
    let ask = |origin: &'static str| {
        let request =
            TestRequest::default().method(Method::OPTIONS).uri("/export-jobs").insert_header(("origin", origin));
        let request = request.insert_header(("access-control-request-method", "POST"));
        house.send(
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
        |origin| house.send(TestRequest::delete().uri("/image-presets/nothing").insert_header(("origin", origin)));
    let written = write(ours).await;
    assert_eq!(written.header("access-control-allow-origin"), ours);
    assert!(written.header("access-control-expose-headers").contains("x-request-id"));
    assert_eq!(written.is(404)["code"], "not-found");
    let foreign = write("https://evil.example").await;
    assert_eq!(foreign.header("access-control-allow-origin"), "");
    assert_eq!(foreign.is(403)["code"], "foreign-origin");
    assert!(foreign_free(&house).await, "without a list there is no CORS");
}

async fn foreign_free(house: &House) -> bool {
    let bare = House::open(house.state.system.clone()).await;
    bare.get_with("/assets", "origin", "https://app.example").await.header("access-control-allow-origin").is_empty()
}

#[sqlx::test]
async fn only_callers_who_came_by_tls_through_a_trusted_proxy_are_told_to_come_back_so(pool: PgPool) {
    let house = House::with(pool, |settings| settings.trusted_proxies = vec!["10.0.0.0/8".parse().unwrap()]).await;
    let from = |address: &'static str, proto: &'static str| {
        let request = TestRequest::get().uri("/info").peer_addr(address.parse().unwrap());
        house
            .send(request.insert_header(("x-forwarded-for", "203.0.113.9")).insert_header(("x-forwarded-proto", proto)))
    };
    assert_eq!(from("10.0.0.1:4711", "https").await.header("strict-transport-security"), "max-age=31536000");
    assert_eq!(from("10.0.0.1:4711", "http").await.header("strict-transport-security"), "");
    assert_eq!(from("203.0.113.9:4711", "https").await.header("strict-transport-security"), "");
}

#[sqlx::test]
async fn what_is_refused_before_a_handler_has_its_requests_id_too(pool: PgPool) {
    let house = House::with(pool, |settings| settings.api_key = Some("sixteen-characters-and-more".into())).await;
    let refused = house.get_with("/assets", "x-request-id", "abc-1").await;
    assert_eq!(refused.header("x-request-id"), "abc-1");
    assert_eq!(refused.is(401)["requestId"], "abc-1");
}
