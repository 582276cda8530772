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
    // A key belongs to one operation; the path is as good as any text.
    let first = post_with_key(app, uri, uri, body).await;
    let location = first.header("location").to_owned();
    assert_eq!(first.header("idempotent-replayed"), "", "{uri}");
    let first = first.expect_status(status);
    let second = post_with_key(app, uri, uri, body).await;
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
    let second = post_with_key(&app, "/webhook-secret/rotate", "k", None).await;
    assert_eq!((second.header("idempotent-replayed"), second.header("cache-control")), ("true", "no-store"));
    assert_eq!(
        second.expect_status(200),
        first,
        "a second replacement would have disabled the secret that receivers know"
    );
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

/// The upload whose answer was lost may be the one that filled the quota.
#[sqlx::test]
async fn a_repeated_upload_needs_no_more_room(pool: PgPool) {
    let app = TestApp::with_settings(pool, |settings| settings.max_stored = 20).await;
    let bytes = b"twelve bytes";
    let first = app.send(build_upload("k", "one", "in", bytes)).await.expect_status(201);
    assert_eq!(app.send(build_upload("k", "two", "in", bytes)).await.expect_status(201), first);
    app.send(build_upload("other", "two", "in", bytes)).await.expect_status(422);
    let create = |key: &str| {
        let request = TestRequest::post().uri("/uploads").insert_header(("idempotency-key", key));
        let request = request.insert_header(("tus-resumable", "1.0.0")).insert_header(("upload-length", "8"));
        app.send(request.insert_header(("upload-metadata", "filename cC50eHQ=")))
    };
    let location = create("u").await.header("location").to_owned();
    let again = create("u").await;
    assert_eq!((again.header("location"), again.header("idempotent-replayed")), (location.as_str(), "true"));
    again.expect_status(201);
    create("v").await.expect_status(422);
    app.assert_consistent().await;
}

/// The path below which the service is reached may be another one for the second request.
#[sqlx::test]
async fn repeated_answers_have_addresses_below_the_path_of_their_request(pool: PgPool) {
    let app =
        TestApp::with_settings(pool, |settings| settings.trusted_proxies = vec!["10.0.0.0/8".parse().unwrap()]).await;
    let below = |request: TestRequest| {
        app.send(request.peer_addr("10.0.0.1:4711".parse().unwrap()).insert_header(("x-forwarded-prefix", "/p")))
    };
    let first = app.send(build_upload("k", "one", "in", b"bytes")).await.expect_status(201);
    let second = below(build_upload("k", "two", "in", b"bytes")).await;
    assert_eq!(second.header("idempotent-replayed"), "true");
    let handle = first["assets"][0]["assetHandle"].as_str().unwrap();
    assert_eq!(second.header("location"), format!("/p/assets/{handle}"));
    let links = second.expect_status(201)["assets"][0]["links"].clone();
    for (name, link) in first["assets"][0]["links"].as_object().unwrap() {
        assert_eq!(links[name].as_str().unwrap(), format!("/p{}", link.as_str().unwrap()));
    }

    let request = json!({"assetHandleArray": [handle], "fmt": "orig", "execTime": "2098-12-24T02:00:00+01:00"});
    let job = create_job(&app, request).await;
    let run = || TestRequest::post().uri(&format!("/export-jobs/{job}/run")).insert_header(("idempotency-key", "r"));
    below(run()).await.expect_status(200);
    let again = app.send(run()).await.expect_status(200);
    assert_eq!(again["links"]["self"], format!("/export-jobs/{job}"));
    let link = || {
        let request = TestRequest::post().uri(&format!("/export-jobs/{job}/links"));
        request.insert_header(("idempotency-key", "l")).set_json(json!({}))
    };
    app.send(link()).await.expect_status(201);
    let again = below(link()).await;
    assert_eq!((again.header("cache-control"), again.header("idempotent-replayed")), ("no-store", "true"));
    let url = again.expect_status(201)["url"].as_str().unwrap().to_owned();
    assert!(url.contains("/p/downloads/"), "{url}");
}

/// A schedule that is run has another entity tag afterwards, and the lost answer is still the answer.
#[sqlx::test]
async fn a_run_is_repeated_with_its_precondition(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let asset = app.upload_asset("a.jpg", &draw_jpeg(1)).await;
    let recurring = json!({"assetHandleArray": [asset], "fmt": "orig", "execSchedule": YEARLY_CRON});
    let schedule = get_schedule_handle(&app.post("/export-schedules", recurring).await.expect_status(201));
    let uri = format!("/export-schedules/{schedule}");
    let tag = app.get(&uri).await.header("etag").to_owned();
    let run = || {
        let request = TestRequest::post().uri(&format!("{uri}/run")).insert_header(("idempotency-key", "k"));
        app.send(request.insert_header(("if-match", tag.as_str())))
    };
    let first = run().await;
    let headers = (first.header("location").to_owned(), first.header("retry-after").to_owned());
    let first = first.expect_status(202);
    let second = run().await;
    assert_eq!((second.header("location"), second.header("retry-after")), (headers.0.as_str(), headers.1.as_str()));
    assert_eq!(second.expect_status(202), first);
}

#[sqlx::test]
async fn a_body_that_may_be_absent_is_read_as_json_when_there_is_one(pool: PgPool) {
    use std::io::Write;
    let app = TestApp::open(pool).await;
    let mut damaged = draw_jpeg(1);
    damaged.truncate(damaged.len() / 2);
    let asset = app.upload_asset("a.jpg", &damaged).await;
    let job = create_job(&app, json!({"assetHandleArray": [asset], "fmt": "convert", "is_modifier": "wid=20"})).await;
    drain_work(&app).await;
    let retry = |kind: Option<&'static str>, body: &[u8]| {
        let request = TestRequest::post().uri(&format!("/export-jobs/{job}/retry")).set_payload(body.to_vec());
        kind.into_iter().fold(request, |request, kind| request.insert_header(("content-type", kind)))
    };
    let refused = app.send(retry(Some("text/plain"), b"{\"refresh\": true}")).await.expect_status(415);
    assert_eq!(refused["code"], "unsupported-media-type");
    app.send(retry(None, b"{\"refresh\": true}")).await.expect_status(415);
    assert_eq!(app.send(retry(Some("application/json"), b"[")).await.expect_status(400)["code"], "malformed-json");
    let unknown = app.send(retry(Some("application/json"), b"{\"fresh\": true}")).await.expect_status(422);
    assert_eq!(unknown["errors"][0]["pointer"], "/fresh");
    assert_eq!(fetch_job(&app, &job).await["run"], 1);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(b"\xef\xbb\xbf{\"refresh\": true}").unwrap();
    let compressed = retry(Some("application/json"), &gzip.finish().unwrap());
    app.send(compressed.insert_header(("content-encoding", "gzip"))).await.expect_status(200);
    drain_work(&app).await;
    app.send(retry(None, b"")).await.expect_status(200);
    drain_work(&app).await;
    app.send(retry(Some("application/json"), b"")).await.expect_status(200);
    drain_work(&app).await;
    assert_eq!(fetch_job(&app, &job).await["run"], 4);
}
