//! Downloads of originals (ranges, validators, digests), and replacing an original under the same handle.

use actix_web::test::TestRequest;
use image::ImageFormat;
use sqlx::PgPool;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::images::encode_blank_image;
use crate::support::test_app::{TestApp, TestResponse};

const TEXT: &[u8] = b"0123456789";

async fn upload_text(app: &TestApp) -> String {
    format!("/assets/{}/content", app.upload_asset("Grüße 1%.txt", TEXT).await)
}

async fn get_with_headers(app: &TestApp, address: &str, headers: &[(&'static str, &str)]) -> TestResponse {
    let request =
        headers.iter().fold(TestRequest::get().uri(address), |request, header| request.append_header(*header));
    app.send(request).await
}

#[sqlx::test]
async fn an_original_comes_back_as_it_was(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let address = upload_text(&app).await;
    let answer = app.get(&address).await;
    assert_eq!(answer.body, TEXT);
    let digest = offprint_core::Digest::compute(TEXT);
    assert_eq!(answer.header("etag"), format!("\"{digest}\""));
    assert_eq!(answer.header("accept-ranges"), "bytes");
    assert_eq!(answer.header("content-type"), "text/plain");
    assert_eq!(
        answer.header("content-disposition"),
        "attachment; filename=\"Gr__e 1_.txt\"; filename*=UTF-8''Gr%C3%BC%C3%9Fe%201%25.txt"
    );
    assert_eq!(answer.header("repr-digest"), format!("sha-256=:{}:", encode_base64(&digest.0)));
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
    assert!(answer.header("content-security-policy").starts_with("sandbox;"));
    assert_eq!(answer.header("cache-control"), "private, no-cache");
}

fn encode_base64(bytes: &[u8]) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

#[sqlx::test]
async fn a_range_is_a_part_of_the_same_bytes(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let address = upload_text(&app).await;
    for (range, status, part, place) in [
        ("bytes=2-4", 206, "234", "bytes 2-4/10"),
        ("bytes=-3", 206, "789", "bytes 7-9/10"),
        ("bytes=8-100", 206, "89", "bytes 8-9/10"),
        ("bytes=0-", 206, "0123456789", "bytes 0-9/10"),
        ("bytes=0-1,4-5", 200, "0123456789", ""),
        ("lines=0-1", 200, "0123456789", ""),
        ("bytes=4-2", 200, "0123456789", ""),
    ] {
        let answer = app.get_with_header(&address, "range", range).await;
        assert_eq!(answer.status.as_u16(), status, "{range}");
        assert_eq!(answer.body, part.as_bytes(), "{range}");
        assert_eq!(answer.header("content-range"), place, "{range}");
        assert!(answer.header("repr-digest").starts_with("sha-256=:"));
    }
    for range in ["bytes=10-", "bytes=-0"] {
        let answer = app.get_with_header(&address, "range", range).await;
        assert_eq!(answer.header("content-range"), "bytes */10");
        assert_eq!(answer.expect_status(416)["code"], "range-not-satisfiable");
    }
}

#[sqlx::test]
async fn conditions_are_kept(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let address = upload_text(&app).await;
    let etag = app.get(&address).await.header("etag").to_owned();
    let weak = format!("W/{etag}");
    for (condition, status) in
        [(etag.as_str(), 206), (weak.as_str(), 200), ("\"other\"", 200), ("Sun, 06 Nov 1994 08:49:37 GMT", 200)]
    {
        let answer = get_with_headers(&app, &address, &[("range", "bytes=1-2"), ("if-range", condition)]).await;
        assert_eq!(answer.status.as_u16(), status, "{condition}");
        assert_eq!(answer.body.len(), if status == 206 { 2 } else { 10 });
    }
    let list = format!("\"x\", {weak}");
    for (condition, status) in [(etag.as_str(), 304), (list.as_str(), 304), ("*", 304), ("\"x\"", 200)] {
        let answer = get_with_headers(&app, &address, &[("if-none-match", condition)]).await;
        assert_eq!(answer.status.as_u16(), status, "{condition}");
        assert_eq!(answer.body.is_empty(), status == 304);
        assert_eq!(answer.header("etag"), etag);
    }
    // The range is beyond the end, but `If-Range` names other bytes: the client gets the whole file, not an error.
    let answer = get_with_headers(&app, &address, &[("range", "bytes=50-"), ("if-range", "\"other\"")]).await;
    assert_eq!(answer.status.as_u16(), 200);
}

#[sqlx::test]
async fn other_bytes_come_under_the_same_handle(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let handle = app.upload_asset("photo.txt", TEXT).await;
    let address = format!("/assets/{handle}/content");
    let old = app.get(&address).await.header("etag").to_owned();
    let png = encode_blank_image(5, 4, ImageFormat::Png);
    let put = |bytes: Vec<u8>| TestRequest::put().uri(&address).set_payload(bytes);
    let asset = app.send(put(png.clone())).await.expect_status(200);
    assert_eq!((&asset["assetHandle"], &asset["fileName"]), (&handle.into(), &"photo.txt".into()));
    assert_eq!((&asset["type"], &asset["width"], &asset["size"]), (&"Image".into(), &5.into(), &png.len().into()));
    let new = app.get(&address).await;
    assert_eq!(new.body, png);
    assert_ne!(new.header("etag"), old);
    assert_eq!(app.send(put(Vec::new())).await.expect_status(422)["errors"][0]["code"], "empty-file");
    let nowhere = TestRequest::put().uri("/assets/00000000-0000-7000-8000-00000000dead/content").set_payload("x");
    app.send(nowhere).await.expect_status(404);
}

#[sqlx::test]
async fn lost_bytes_are_an_error_and_leak_nothing(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let address = upload_text(&app).await;
    std::fs::remove_file(app.blob_path(&offprint_core::Digest::compute(TEXT))).unwrap();
    let problem = app.get(&address).await.expect_status(500);
    assert_eq!(problem["code"], "internal");
    assert!(!problem.to_string().contains("blobs"));
}

#[sqlx::test]
async fn damaged_bytes_are_never_a_whole_answer(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let bytes = vec![7; 3_000_000];
    let asset = app.upload_asset("large.txt", &bytes).await;
    let ask = format!("GET /assets/{asset}/content HTTP/1.1");
    assert!(send_over_tcp(&app, &ask, b"").await.len() > bytes.len());
    let mut spoiled = bytes.clone();
    spoiled[1_000_000] = 8;
    std::fs::write(app.blob_path(&offprint_core::Digest::compute(&bytes)), spoiled).unwrap();
    let answer = send_over_tcp(&app, &ask, b"").await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("content-length: 3000000"), "{head}");
    assert!(body.len() < bytes.len(), "the client must see that the body is incomplete");
}

/// Sends one request over a real connection: the bytes on the wire differ from the framework's response object.
async fn send_over_tcp(app: &TestApp, head: &str, body: &[u8]) -> String {
    let state = app.state.clone();
    let server = actix_web::HttpServer::new(move || offprint::http::build_app(state.clone()));
    let server = server.workers(1).disable_signals().bind(("127.0.0.1", 0)).unwrap();
    let address = server.addrs()[0];
    let server = server.run();
    let handle = server.handle();
    let running = tokio::spawn(server);
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    stream.write_all(format!("{head}\r\nhost: localhost\r\nconnection: close\r\n\r\n").as_bytes()).await.unwrap();
    let (mut reader, mut writer) = stream.split();
    let mut answer = Vec::new();
    // A server may answer and close before it has read the whole request.
    let (_, read) = tokio::join!(writer.write_all(body), reader.read_to_end(&mut answer));
    read.unwrap();
    handle.stop(false).await;
    running.await.unwrap().unwrap();
    String::from_utf8(answer).unwrap()
}

#[sqlx::test]
async fn head_tells_the_length_and_sends_nothing(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let address = upload_text(&app).await;
    assert_eq!(app.head(&address).await.status.as_u16(), 200);

    let ask =
        async |method: &str, more: &str| send_over_tcp(&app, &format!("{method} {address} HTTP/1.1{more}"), b"").await;
    let head = ask("HEAD", "\r\nrange: bytes=0-1").await;
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && head.ends_with("\r\n\r\n"), "{head}");
    assert!(head.contains("\r\ncontent-length: 10\r\n"), "{head}");
    let whole = ask("GET", "").await;
    assert!(whole.contains("\r\ncontent-length: 10\r\n") && whole.ends_with("\r\n\r\n0123456789"));
    let part = ask("GET", "\r\nrange: bytes=8-").await;
    assert!(part.contains("\r\ncontent-length: 2\r\n") && part.ends_with("\r\n\r\n89"));
    let known = ask("GET", "\r\nif-none-match: *").await;
    assert!(known.starts_with("HTTP/1.1 304 Not Modified\r\n") && known.ends_with("\r\n\r\n"), "{known}");
}

#[sqlx::test]
async fn a_client_that_sends_too_much_hears_of_it(pool: PgPool) {
    let app = TestApp::with_settings(pool, |settings| settings.max_upload = 100).await;
    let handle = app.upload_asset("small.txt", TEXT).await;
    let head = format!("PUT /assets/{handle}/content HTTP/1.1\r\ncontent-length: 20000000");
    let answer = send_over_tcp(&app, &head, &vec![7; 20_000_000]).await;
    assert!(answer.starts_with("HTTP/1.1 413 ") && answer.contains("body-too-large"), "{answer}");
}

#[sqlx::test]
async fn get_and_head_are_both_documented(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let document = app.get("/openapi.json").await.expect_status(200);
    let content = &document["paths"]["/assets/{assetHandle}/content"];
    for (method, id) in [("get", "downloadContent"), ("head", "downloadContentHead"), ("put", "replaceContent")] {
        assert_eq!(content[method]["operationId"], id);
        assert!(content[method]["summary"].is_string() && content[method]["description"].is_string());
    }
    for status in ["200", "206", "304", "404", "416"] {
        assert!(content["get"]["responses"][status].is_object(), "{status}");
    }
    let upload = &document["paths"]["/assets"]["post"]["requestBody"]["content"]["multipart/form-data"]["schema"];
    assert!(upload["$ref"].is_string(), "{upload}");
}
