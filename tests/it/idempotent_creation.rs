//! `Idempotency-Key` on what creates or starts something, beside jobs and schedules (`idempotency.rs`).

use actix_web::test::TestRequest;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::support::export_jobs::{create_job, drain_work, fetch_job};
use crate::support::images::draw_jpeg;
use crate::support::schedules::{YEARLY_CRON, get_schedule_handle};
use crate::support::test_app::{TestApp, TestResponse, build_multipart_request};

async fn post_with_key(app: &TestApp, uri: &str, key: &str, body: Option<&Value>) -> TestResponse {
    let request = TestRequest::post().uri(uri).insert_header(("idempotency-key", key));
    app.send(match body {
        Some(body) => request.set_json(body),
        None => request,
    })
    .await
}

/// Sends a request twice; both answers, which must be the same.
async fn send_twice(app: &TestApp, uri: &str, body: Option<&Value>, status: u16) -> Value {
    let first = post_with_key(app, uri, "again", body).await;
    let location = first.header("location").to_owned();
    assert_eq!(first.header("idempotent-replayed"), "", "{uri}");
    let first = first.expect_status(status);
    let second = post_with_key(app, uri, "again", body).await;
    assert_eq!((second.header("idempotent-replayed"), second.header("location")), ("true", location.as_str()), "{uri}");
    assert_eq!(second.expect_status(status), first, "{uri}");
    first
}

async fn count_items(app: &TestApp, uri: &str) -> usize {
    app.get(uri).await.expect_status(200)["items"].as_array().unwrap().len()
}

fn build_upload(key: &str, boundary: &str, folder: &str, bytes: &[u8]) -> TestRequest {
    let mut body = Vec::new();
    for (head, part) in [("name=\"folder\"", folder.as_bytes()), ("name=\"file\"; filename=\"a.bin\"", bytes)] {
        body.extend(format!("--{boundary}\r\ncontent-disposition: form-data; {head}\r\n\r\n").bytes());
        body.extend_from_slice(part);
        body.extend(b"\r\n");
    }
    body.extend(format!("--{boundary}--\r\n").bytes());
    TestRequest::post()
        .uri("/assets")
        .insert_header(("idempotency-key", key))
        .insert_header(("content-type", format!("multipart/form-data; boundary={boundary}")))
        .set_payload(body)
}

#[sqlx::test]
async fn a_repeated_upload_makes_no_second_asset(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let first = app.send(build_upload("k", "one", "in", b"bytes")).await.expect_status(201);
    // Every client library makes up a new boundary for each try.
    let second = app.send(build_upload("k", "two", "in", b"bytes")).await;
    assert_eq!(second.header("idempotent-replayed"), "true");
    let location = second.header("location").to_owned();
    assert_eq!(second.expect_status(201), first);
    assert_eq!(location, format!("/assets/{}", first["assets"][0]["assetHandle"].as_str().unwrap()));
    assert_eq!(count_items(&app, "/assets").await, 1);
    for (folder, bytes) in [("in", &b"others"[..]), ("elsewhere", b"bytes")] {
        let other = app.send(build_upload("k", "one", folder, bytes)).await.expect_status(422);
        assert_eq!(other["code"], "idempotency-conflict", "{other}");
    }
    assert_eq!(count_items(&app, "/assets").await, 1);
    // What is refused leaves neither bytes nor the key behind.
    app.send(build_upload("free", "one", "in", b"")).await.expect_status(422);
    app.send(build_upload("free", "one", "in", b"now not empty")).await.expect_status(201);
    app.assert_consistent().await;
}

#[sqlx::test]
async fn sets_and_links_are_created_once(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let asset = app.upload_asset("a.jpg", &draw_jpeg(1)).await;
    send_twice(&app, "/asset-sets", Some(&json!({"type": "ImageSet", "name": "s", "memberArray": [asset]})), 201).await;
    assert_eq!(count_items(&app, "/assets?type=ImageSet").await, 1);
    let job = create_job(&app, json!({"assetHandleArray": [asset], "fmt": "orig"})).await;
    drain_work(&app).await;
    let links = format!("/export-jobs/{job}/links");
    let first = post_with_key(&app, &links, "again", Some(&json!({"path": "a.jpg"}))).await.expect_status(201);
    let stored: Value = sqlx::query_scalar("select answer from idempotency where operation like '%/links'")
        .fetch_one(&app.state.system)
        .await
        .unwrap();
    assert_eq!(stored.get("url"), None, "the address is a secret");
    let second = post_with_key(&app, &links, "again", Some(&json!({"path": "a.jpg"}))).await.expect_status(201);
    assert_eq!(second, first);
    assert_eq!(count_items(&app, &links).await, 1);
    let path = first["url"].as_str().unwrap().split_once("/downloads/").unwrap().1;
    assert_eq!(app.get(format!("/downloads/{path}")).await.status, 200);
}

#[sqlx::test]
async fn a_repeated_key_request_makes_no_second_key_and_stores_no_secret(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let body = json!({"name": "web shop"});
    let created = post_with_key(&app, "/api-keys", "k", Some(&body)).await.expect_status(201);
    let again = post_with_key(&app, "/api-keys", "k", Some(&body)).await.expect_status(409);
    assert_eq!(again["code"], "secret-not-stored");
    let detail = again["detail"].as_str().unwrap();
    assert!(detail.contains(&format!("DELETE /api-keys/{}", created["keyHandle"].as_str().unwrap())), "{detail}");
    assert_eq!(count_items(&app, "/api-keys").await, 1);
    let stored: String =
        sqlx::query_scalar("select answer::text from idempotency").fetch_one(&app.state.system).await.unwrap();
    assert!(!stored.contains(created["key"].as_str().unwrap()), "{stored}");
}

#[sqlx::test]
async fn a_webhook_secret_is_replaced_once(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let before = app.get("/webhook-secret").await.expect_status(200);
    let first = post_with_key(&app, "/webhook-secret/rotate", "k", None).await.expect_status(200);
    assert_eq!(first["previous"]["secret"], before["secret"]);
    let second = post_with_key(&app, "/webhook-secret/rotate", "k", None).await.expect_status(200);
    assert_eq!(second, first, "a second replacement would have disabled the secret that receivers know");
    let stored: String =
        sqlx::query_scalar("select answer::text from idempotency").fetch_one(&app.state.system).await.unwrap();
    assert!(!stored.contains("whsec_"), "{stored}");
}

#[sqlx::test]
async fn an_upload_in_pieces_is_created_once_and_says_where_to_continue(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let create = || {
        let request = TestRequest::post().uri("/uploads").insert_header(("idempotency-key", "k"));
        let request = request.insert_header(("tus-resumable", "1.0.0")).insert_header(("upload-length", "10"));
        app.send(request.insert_header(("upload-metadata", "filename cC50eHQ=")))
    };
    let first = create().await;
    let location = first.header("location").to_owned();
    first.expect_status(201);
    let piece = TestRequest::patch().uri(&location).insert_header(("tus-resumable", "1.0.0"));
    let piece =
        piece.insert_header(("upload-offset", "0")).insert_header(("content-type", "application/offset+octet-stream"));
    app.send(piece.set_payload("half")).await.expect_status(204);
    let second = create().await;
    assert_eq!((second.header("location"), second.header("upload-offset")), (location.as_str(), "4"));
    second.expect_status(201);
    assert_eq!(count_items(&app, "/uploads").await, 1);
}

#[sqlx::test]
async fn runs_and_retries_happen_once(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let mut damaged = draw_jpeg(1);
    damaged.truncate(damaged.len() / 2);
    let asset = app.upload_asset("a.jpg", &damaged).await;
    let request = json!({"assetHandleArray": [asset], "fmt": "convert", "is_modifier": "wid=20"});
    let job = create_job(&app, request.clone()).await;
    drain_work(&app).await;
    let retry = format!("/export-jobs/{job}/retry");
    post_with_key(&app, &retry, "r", None).await.expect_status(200);
    drain_work(&app).await;
    post_with_key(&app, &retry, "r", None).await.expect_status(200);
    drain_work(&app).await;
    assert_eq!(fetch_job(&app, &job).await["run"], 2, "the second request started no third run");
    post_with_key(&app, &retry, "another", None).await.expect_status(200);
    drain_work(&app).await;
    assert_eq!(fetch_job(&app, &job).await["run"], 3);

    let mut later = request.clone();
    later["execTime"] = json!("2098-12-24T02:00:00+01:00");
    let job = create_job(&app, later).await;
    send_twice(&app, &format!("/export-jobs/{job}/run"), None, 200).await;

    let recurring =
        json!({"assetHandleArray": [asset], "fmt": "orig", "execSchedule": YEARLY_CRON, "overlap": "allow"});
    let schedule = get_schedule_handle(&app.post("/export-schedules", recurring).await.expect_status(201));
    send_twice(&app, &format!("/export-schedules/{schedule}/run"), None, 202).await;
    assert_eq!(count_items(&app, &format!("/export-jobs?scheduleHandle={schedule}")).await, 1);
}

#[sqlx::test]
async fn a_part_of_a_form_is_no_metadata_by_accident(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let parts = [("name=\"metadata\"", &b"[1]"[..]), ("name=\"file\"; filename=\"a.bin\"", b"x")];
    let refused = app.send(build_multipart_request(parts)).await.expect_status(422);
    assert_eq!(refused["errors"][0]["pointer"], "/metadata");
}
