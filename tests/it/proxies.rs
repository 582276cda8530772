//! What proxies before the service do by default, and bodies as clients of all kinds send them.

use std::io::{Read, Write};
use std::time::Duration;

use actix_web::test::TestRequest;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::support::http_server::RunningServer;
use crate::support::test_app::{TestApp, TestResponse, build_multipart_request};

fn compress(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

async fn create_later_job(app: &TestApp) -> String {
    let asset = app.upload_asset("a.txt", b"bytes").await;
    let body = json!({"assetHandleArray": [asset], "fmt": "orig", "execTime": "2099-01-01T00:00:00Z"});
    app.post("/export-jobs", body).await.expect_status(202)["jobHandle"].as_str().unwrap().to_owned()
}

/// nginx speaks HTTP/1.0 to its upstreams unless it is told otherwise.
#[sqlx::test]
async fn a_post_without_a_body_works_over_http_1_0(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let job = create_later_job(&app).await;
    let server = RunningServer::start(&app);
    let mut peer = server.connect().await;
    // In pieces, and several on one connection.
    for (action, status) in [("pause", 200), ("resume", 200), ("resume", 409), ("stop", 200)] {
        let head =
            format!("POST /export-jobs/{job}/{action} HTTP/1.0\r\nHost: localhost\r\nConnection: keep-alive\r\n\r\n");
        let (first, second) = head.split_at(head.len() - 3);
        peer.send(first).await;
        peer.send(second).await;
        let answer = peer.read_until("}").await;
        // What has no body and no length reaches the handler, which knows the job's state.
        let expected = [format!("HTTP/1.0 {status} "), format!("HTTP/1.1 {status} ")];
        assert!(expected.iter().any(|expected| answer.starts_with(expected)), "{action}: {answer}");
        peer = server.connect().await;
    }
    // A body that looks like a head stays a body.
    let body = "POST /a HTTP/1.0\r\nHost: localhost\r\n\r\n";
    let length = body.len();
    let head = format!(
        "PUT /image-presets/p HTTP/1.0\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    );
    peer.send(&head).await;
    peer.send(body).await;
    let answer = peer.read_until("\"code\"").await;
    assert!(answer.contains(" 400 ") && answer.contains("malformed-json"), "{answer}");
    server.stop().await;
}

#[sqlx::test]
async fn a_wait_ends_before_proxies_give_up(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let job = create_later_job(&app).await;
    let path = format!("/export-jobs/{job}");
    let shown = app.get_with_header(&path, "prefer", "respond-async, wait=0").await;
    assert_eq!(shown.header("preference-applied"), "wait=0");
    let etag = shown.header("etag").to_owned();
    let changed = app.get_with_header(&format!("{path}?wait=60"), "if-none-match", "W/\"other\"").await;
    assert_eq!((changed.status.as_u16(), changed.header("preference-applied")), (200, ""));
    // Both ways to ask wait until something changes.
    for (query, header) in [("?wait=60", ("x-nothing", "")), ("", ("prefer", "wait=3600"))] {
        let request = TestRequest::get().uri(&format!("{path}{query}")).insert_header(header);
        let waiting = app.send(request.insert_header(("if-none-match", etag.as_str())));
        let early = tokio::time::timeout(Duration::from_millis(300), waiting).await;
        assert!(early.is_err(), "{query} {header:?}: {:?}", early.map(|answer| answer.status));
    }
}

#[sqlx::test]
async fn json_may_be_compressed_and_have_a_byte_order_mark(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let preset = json!({"urlModifier": "wid=20"}).to_string();
    let put = |body: Vec<u8>, coding: &'static str| {
        let request = TestRequest::put().uri("/image-presets/p").insert_header(("content-type", "application/json"));
        let request = if coding.is_empty() { request } else { request.insert_header(("content-encoding", coding)) };
        app.send(request.set_payload(body))
    };
    let with_mark = [b"\xef\xbb\xbf", preset.as_bytes()].concat();
    for (body, coding) in [
        (preset.clone().into_bytes(), "identity"),
        (with_mark.clone(), ""),
        (compress(preset.as_bytes()), "gzip"),
        (compress(&with_mark), "x-gzip"),
    ] {
        put(body, coding).await.expect_success();
    }
    let wide: Vec<u8> = [0xfeff].into_iter().chain(preset.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    let refused = put(wide, "").await.expect_status(400);
    assert!(refused["detail"].as_str().unwrap().contains("UTF-16"), "{refused}");
    // A few kilobytes that stand for 20 MB.
    let bomb = compress(&vec![b' '; 20 << 20]);
    assert!(bomb.len() < 40 << 10);
    assert_eq!(put(bomb, "gzip").await.expect_status(413)["code"], "body-too-large");
    let cut = compress(preset.as_bytes());
    assert_eq!(put(cut[..cut.len() / 2].to_vec(), "gzip").await.expect_status(400)["code"], "malformed-json");
    assert_eq!(put(preset.clone().into_bytes(), "gzip").await.expect_status(400)["code"], "malformed-json");
    let refused = put(preset.into_bytes(), "br").await;
    assert_eq!(refused.header("accept-encoding"), "gzip, identity");
    assert_eq!(refused.expect_status(415)["code"], "unsupported-media-type");
}

#[sqlx::test]
async fn what_would_be_stored_wrongly_is_refused(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let asset = app.upload_asset("a.txt", b"bytes").await;
    let put = |header: (&'static str, &'static str)| {
        let request = TestRequest::put().uri(&format!("/assets/{asset}/content")).insert_header(header);
        app.send(request.set_payload("--x\r\n"))
    };
    for header in [
        ("content-type", "multipart/form-data; boundary=x"),
        ("content-type", "application/x-www-form-urlencoded"),
        ("content-encoding", "gzip"),
    ] {
        assert_eq!(put(header).await.expect_status(415)["code"], "unsupported-media-type", "{header:?}");
    }
    assert_eq!(put(("content-range", "bytes 0-3/9")).await.expect_status(400)["code"], "invalid-parameter");
    assert_eq!(app.get(format!("/assets/{asset}/content")).await.body, b"bytes");
    let form = build_multipart_request([("name=\"file\"; filename=\"a\"", &b"x"[..])]);
    assert_eq!(app.send(form.uri("/assets?folder=x")).await.expect_status(400)["code"], "invalid-parameter");
    for header in ["content-transfer-encoding: base64", "content-encoding: gzip"] {
        let head = format!("name=\"file\"; filename=\"a\"\r\n{header}");
        let problem = app.send(build_multipart_request([(head, &b"YQ=="[..])])).await.expect_status(422);
        assert!(problem["detail"].as_str().unwrap().contains("Part 1 is encoded"), "{problem}");
    }
}

/// What would leave less than 64 MiB of the disk free is refused before its bytes arrive.
#[sqlx::test]
async fn what_does_not_fit_on_the_disk_is_refused(pool: PgPool) {
    let app = TestApp::with_settings(pool, |settings| (settings.max_upload, settings.max_stored) = (0, 0)).await;
    let asset = app.upload_asset("a.txt", b"bytes").await;
    let length = ("content-length", "1000000000000000");
    let form = build_multipart_request([("name=\"file\"; filename=\"b\"", &b"x"[..])]);
    let replacement = TestRequest::put().uri(&format!("/assets/{asset}/content")).set_payload("x");
    let pieces = TestRequest::post().uri("/uploads").insert_header(("tus-resumable", "1.0.0"));
    let pieces = pieces.insert_header(("upload-length", "1000000000000000"));
    let pieces = pieces.insert_header(("upload-metadata", "filename YS50eHQ="));
    for request in [form.insert_header(length), replacement.insert_header(length), pieces] {
        assert_eq!(app.send(request).await.expect_status(507)["code"], "storage-full");
    }
    assert_eq!(app.get("/assets").await.expect_status(200)["items"].as_array().unwrap().len(), 1);
    assert_eq!(app.get("/uploads").await.expect_status(200)["items"], json!([]));
}

/// A form as these parts; a name may have any bytes.
async fn upload_form(app: &TestApp, parts: &[(&[u8], &[u8])]) -> TestResponse {
    let mut body = Vec::new();
    for (head, bytes) in parts {
        body.extend(b"--frontier\r\ncontent-disposition: form-data; ");
        body.extend_from_slice(head);
        body.extend(b"\r\n\r\n");
        body.extend_from_slice(bytes);
        body.extend(b"\r\n");
    }
    body.extend(b"--frontier--\r\n");
    let request = TestRequest::post().uri("/assets").set_payload(body);
    app.send(request.insert_header(("content-type", "multipart/form-data; boundary=\"frontier\""))).await
}

#[sqlx::test]
async fn fields_behind_the_files_count(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let file = |name: &'static str| (name.as_bytes(), &b"bytes"[..]);
    let (a, b) = (file("name=\"file\"; filename=\"a\""), file("name=\"file\"; filename=\"b\""));
    let (folder, time) =
        ((&b"name=\"folder\""[..], &b"late"[..]), (&b"name=\"lastModified\""[..], &b"2020-01-02T03:04:05Z"[..]));
    let assets = upload_form(&app, &[a, b, time, folder]).await.expect_status(201)["assets"].clone();
    for asset in assets.as_array().unwrap() {
        assert_eq!((&asset["folder"], &asset["lastModified"]), (&json!("late"), &json!("2020-01-02T03:04:05Z")));
    }
    for parts in [&[folder, a, folder][..], &[folder, folder, a], &[a, folder, folder]] {
        let problem = upload_form(&app, parts).await.expect_status(422);
        assert_eq!(problem["errors"][0]["pointer"], "/folder", "{problem}");
    }
    let unknown = upload_form(&app, &[a, (b"name=\"colour\"", b"red")]).await.expect_status(422);
    assert_eq!(unknown["errors"][0]["code"], "unknown-field", "{unknown}");
}

#[sqlx::test]
async fn names_of_files_are_understood_in_the_encodings_of_old_programs(pool: PgPool) {
    let app = TestApp::open(pool).await;
    for (head, name) in [
        (&b"name=\"file\"; filename=\"caf\xe9.jpg\""[..], "café.jpg"),
        ("name=\"file\"; filename=\"café.jpg\"".as_bytes(), "café.jpg"),
        (b"name=\"file\"; filename*=ISO-8859-1''caf%E9.jpg", "café.jpg"),
    ] {
        let answer = upload_form(&app, &[(head, b"bytes")]).await.expect_status(201);
        assert_eq!(answer["assets"][0]["fileName"], name);
    }
    let problem = upload_form(&app, &[(b"name=\"file\"; filename*=Shift_JIS''%83", b"bytes")]).await.expect_status(422);
    assert!(problem["detail"].as_str().unwrap().to_uppercase().contains("SHIFT_JIS"), "{problem}");
}

#[sqlx::test]
async fn json_is_compressed_where_the_client_wants_it_and_no_secret_is(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let ask = async |path: &str, coding: &'static str| app.get_with_header(path, "accept-encoding", coding).await;
    let plain = app.get("/modifier-commands").await;
    assert_eq!((plain.header("content-encoding"), plain.header("vary")), ("", "Accept-Encoding"));
    let compressed = ask("/modifier-commands", "br;q=1.0, gzip;q=0.8, *;q=0.1").await;
    assert_eq!(compressed.header("content-encoding"), "gzip");
    assert!(compressed.body.len() * 3 < plain.body.len());
    let mut text = Vec::new();
    GzDecoder::new(compressed.body.as_slice()).read_to_end(&mut text).unwrap();
    assert_eq!(text, plain.body);
    for coding in ["identity", "gzip;q=0", "br", "gzip;q=0.1, identity;q=0.5"] {
        assert_eq!(ask("/modifier-commands", coding).await.header("content-encoding"), "", "{coding}");
    }
    assert_eq!(ask("/webhook-secret", "gzip").await.header("content-encoding"), "");
    let asset = app.upload_asset("long.txt", &b"long ".repeat(1000)).await;
    let file = ask(&format!("/assets/{asset}/content"), "gzip").await;
    assert_eq!((file.header("content-encoding"), file.body.len()), ("", 5000), "files are bytes");
}

#[sqlx::test]
async fn the_type_of_a_problem_leads_to_an_explanation(pool: PgPool) {
    let app =
        TestApp::with_settings(pool, |settings| settings.api_key = Some("sixteen-characters-and-more".into())).await;
    let kind = app.get("/assets").await.expect_status(401)["type"].as_str().unwrap().to_owned();
    let explained = app.get(&kind).await.expect_status(200);
    assert_eq!((&explained["code"], &explained["status"]), (&json!("unauthenticated"), &json!(401)));
    let page = app.get_with_header(&kind, "accept", "text/html,application/xhtml+xml,*/*;q=0.8").await;
    assert!(page.header("content-type").starts_with("text/html"));
    let text = String::from_utf8(page.body).unwrap();
    assert!(text.contains("requires an API key") && !text.contains("{title}") && !text.contains("{home}"), "{text}");
    for code in offprint_core::Code::ALL {
        let explained = app.get(format!("/problems/{code}")).await.expect_status(200);
        assert!(
            explained["description"].as_str().is_some_and(|text| text.len() > 10 && text.ends_with('.')),
            "{explained}"
        );
    }
    app.get("/problems/no-such-code").await.expect_status(404);
}

#[sqlx::test]
async fn limited_answers_say_what_is_left(pool: PgPool) {
    let app = TestApp::with_settings(pool, |settings| settings.max_requests = Some(2)).await;
    let first = app.get("/usage").await;
    assert_eq!(first.header("ratelimit-policy"), "\"minute\";q=2;w=60");
    assert!(first.header("ratelimit").starts_with("\"minute\";r=1;t="), "{}", first.header("ratelimit"));
    app.get("/usage").await.expect_status(200);
    let refused = app.get("/usage").await;
    assert!(refused.header("ratelimit").starts_with("\"minute\";r=0;t="), "{}", refused.header("ratelimit"));
    let problem: Value = refused.expect_status(429);
    assert_eq!(problem["code"], "rate-limited");
}
