//! Resumable uploads (tus): creation, interruption, continuation, checksums, termination, limits.

use std::io::Write;
use std::net::TcpStream;
use std::process::Command;
use std::sync::atomic::Ordering;

use actix_web::http::Method;
use actix_web::test::TestRequest;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use offprint::db::capability::Capability;
use offprint::db::limits::{self, CompanyLimitsRow};
use offprint::worker::{enforce_retention, sweep_expired};
use serde_json::{Value, json};
use sha1::Sha1;
use sha2::{Digest, Sha256};
use sqlx::PgPool;
use tempfile::TempDir;

use crate::support::breaking_proxy::BreakingProxy;
use crate::support::fake_s3::{FakeS3, S3Behavior};
use crate::support::images::draw_jpeg;
use crate::support::random_bytes::generate_noise;
use crate::support::service_process::{ServiceProcess, build_database_url};
use crate::support::test_app::{TestApp, TestResponse};
use crate::support::test_user::{TestUser, open_guarded_app};
use crate::support::tus::{
    build_creation, build_patch, create_upload, encode_metadata, fetch_offset, send_head, send_piece,
};

#[sqlx::test]
async fn the_service_says_what_of_tus_it_offers(pool: PgPool) {
    let app = TestApp::with_settings(pool, |settings| settings.max_upload = 1000).await;
    let answer = app.send(TestRequest::default().method(Method::OPTIONS).uri("/uploads")).await;
    assert_eq!((answer.status.as_u16(), answer.header("tus-version")), (204, "1.0.0"));
    assert_eq!(answer.header("tus-extension"), "creation,expiration,checksum,termination");
    assert_eq!(answer.header("tus-checksum-algorithm"), "sha256,sha1");
    assert_eq!(answer.header("tus-max-size"), "1000");
}

/// A whole upload in two pieces gives the same asset as a multipart upload.
async fn assert_upload_works(app: &TestApp) {
    let photo = draw_jpeg(3);
    let words = [
        ("filename", "a/\u{202e}photo.jpg"),
        ("folder", "/spring/"),
        ("lastModified", "2020-02-03T04:05:06+01:00"),
        ("x", "y"),
    ];
    let address = create_upload(app, photo.len(), &words).await;
    let (first, second) = photo.split_at(photo.len() / 3);
    let half = send_piece(app, &address, 0, first).await;
    assert_eq!((half.status.as_u16(), half.header("upload-offset")), (204, first.len().to_string().as_str()));
    assert_eq!((half.header("tus-resumable"), half.header("asset-handle")), ("1.0.0", ""));
    assert!(httpdate::parse_http_date(half.header("upload-expires")).unwrap() > std::time::SystemTime::now());
    let head = send_head(app, &address).await;
    assert_eq!((head.status.as_u16(), head.body.len(), head.header("cache-control")), (200, 0, "no-store"));
    assert_eq!(head.header("upload-length"), photo.len().to_string());
    assert_eq!(head.header("upload-metadata"), encode_metadata(&words));
    let done = send_piece(app, &address, first.len(), second).await;
    assert_eq!((done.status.as_u16(), done.header("upload-expires")), (204, ""));
    let handle = done.header("asset-handle").to_owned();
    let shown = app.get(&address).await;
    assert_eq!(
        (shown.header("asset-handle"), shown.header("upload-offset")),
        (handle.as_str(), shown.header("upload-length"))
    );
    assert_eq!(shown.expect_status(200)["assetHandle"], json!(handle));
    let again = send_piece(app, &address, photo.len(), b"").await;
    assert_eq!((again.status.as_u16(), again.header("asset-handle")), (204, handle.as_str()));

    let mut asset = app.get(format!("/assets/{handle}")).await.expect_status(200);
    assert_eq!(
        (&asset["fileName"], &asset["folder"], &asset["type"]),
        (&json!("photo.jpg"), &json!("spring"), &json!("Image"))
    );
    assert_eq!(asset["lastModified"], "2020-02-03T03:05:06Z");
    let mut plain = app.upload_to("spring", &[("photo.jpg", &photo)]).await.expect_status(201)["assets"][0].take();
    for differs in ["assetHandle", "lastModified", "createdAt", "updatedAt", "links"] {
        asset[differs] = Value::Null;
        plain[differs] = Value::Null;
    }
    assert_eq!(asset, plain, "as `POST /assets` makes it");
    assert_eq!(app.get(format!("/assets/{handle}/content")).await.body, photo);
    app.assert_consistent().await;
}

#[sqlx::test]
async fn pieces_become_an_asset_like_any_other(pool: PgPool) {
    assert_upload_works(&TestApp::open(pool).await).await;
}

#[sqlx::test]
async fn pieces_become_an_asset_in_an_object_store(pool: PgPool) {
    assert_upload_works(&TestApp::with_s3(pool, &FakeS3::start()).await).await;
}

#[sqlx::test]
async fn requests_that_break_the_rules_are_told_which(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let name = [("filename", "a.txt")];
    let address = create_upload(&app, 10, &name).await;
    let expect_code = |answer: TestResponse, status: u16| {
        assert_eq!(answer.header("tus-resumable"), "1.0.0");
        answer.expect_status(status)["code"].as_str().unwrap().to_owned()
    };
    for (value, version) in [(None, "1.0.0"), (Some("0.2.2"), "1.0.0")] {
        let request = TestRequest::patch().uri(&address);
        let request = match value {
            Some(value) => request.insert_header(("tus-resumable", value)),
            None => request,
        };
        let answer = app.send(request).await;
        assert_eq!(answer.header("tus-version"), version);
        assert_eq!(expect_code(answer, 412), "protocol-version");
    }
    assert_eq!(expect_code(send_piece(&app, &address, 4, b"abc").await, 409), "offset-conflict");
    assert_eq!(expect_code(send_piece(&app, &address, 0, b"more than ten").await, 413), "body-too-large");
    let plain = build_patch(&address, 0).insert_header(("content-type", "text/plain")).set_payload("abc");
    assert_eq!(expect_code(app.send(plain).await, 415), "unsupported-media-type");
    for (header, value) in [
        ("upload-offset", "+1"),
        ("upload-offset", "-1"),
        ("upload-checksum", "md5 AA=="),
        ("upload-checksum", "sha1 AA=="),
    ] {
        let answer = app.send(build_patch(&address, 0).insert_header((header, value)).set_payload("abc")).await;
        assert_eq!(expect_code(answer, 400), "invalid-parameter", "{header}: {value}");
    }
    for (length, words, status, code) in [
        ("", &name[..], 400, "invalid-parameter"),
        ("9223372036854775808", &name, 400, "invalid-parameter"),
        ("9223372036854775807", &name, 413, "body-too-large"),
        ("0", &name, 422, "validation-failed"),
        ("10", &[], 422, "validation-failed"),
        ("10", &[("filename", "..")], 422, "validation-failed"),
        ("10", &[("filename", "a.txt"), ("folder", "a/../b")], 422, "validation-failed"),
        ("10", &[("filename", "a.txt"), ("lastModified", "yesterday")], 422, "validation-failed"),
        ("10", &[("filename", "a.txt"), ("sha256", "abc")], 422, "validation-failed"),
    ] {
        let request = build_creation(0, words).insert_header(("upload-length", length));
        assert_eq!(expect_code(app.send(request).await, status), code, "{length} {words:?}");
    }
    let garbled = build_creation(10, &[]).insert_header(("upload-metadata", "filename %%%"));
    assert_eq!(expect_code(app.send(garbled).await, 400), "invalid-parameter");
    assert_eq!(fetch_offset(&app, &address).await, 0, "no bytes of the refused requests are stored");
    assert_eq!(app.count_blobs().await, 0);
}

#[sqlx::test]
async fn a_checksum_holds_for_all_of_its_piece(pool: PgPool) {
    let app = TestApp::open(pool).await;
    // More than one flush to the storage, so that part of it is stored when the checksum turns out to be wrong.
    let bytes = generate_noise(35 << 20);
    let address = create_upload(&app, bytes.len() + 3, &[("filename", "noise.bin")]).await;
    let summed = |sum: String, bytes: &[u8]| {
        app.send(build_patch(&address, 0).insert_header(("upload-checksum", sum)).set_payload(bytes.to_vec()))
    };
    let right = format!("sha256 {}", STANDARD.encode(Sha256::digest(&bytes)));
    let mut broken = bytes.clone();
    broken[1000] ^= 1;
    let refused = summed(right.clone(), &broken).await;
    assert_eq!(refused.header("tus-resumable"), "1.0.0");
    assert_eq!(refused.expect_status(460)["code"], "checksum-mismatch");
    assert_eq!(fetch_offset(&app, &address).await, 0);
    assert_eq!(summed(right, &bytes).await.status, 204);
    assert_eq!(fetch_offset(&app, &address).await, bytes.len());
    let end = build_patch(&address, bytes.len()).set_payload("end");
    let sum = format!("sha1 {}", STANDARD.encode(Sha1::digest("end")));
    let handle = app.send(end.insert_header(("upload-checksum", sum))).await.header("asset-handle").to_owned();
    let whole = app.get(format!("/assets/{handle}/content")).await.body;
    assert!(whole == [&bytes, &b"end"[..]].concat());
    app.assert_consistent().await;
}

#[sqlx::test]
async fn a_file_that_is_not_what_was_said_becomes_nothing(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let words = |bytes: &[u8]| [("filename", "a.txt".to_owned()), ("sha256", hex::encode(Sha256::digest(bytes)))];
    let upload = async |declared: &[u8]| {
        let words = words(declared);
        let words: Vec<(&str, &str)> = words.iter().map(|(word, value)| (*word, value.as_str())).collect();
        create_upload(&app, 6, &words).await
    };
    let wrong = upload(b"others").await;
    assert_eq!(send_piece(&app, &wrong, 0, b"abc").await.status, 204);
    assert_eq!(send_piece(&app, &wrong, 3, b"def").await.expect_status(460)["code"], "checksum-mismatch");
    assert_eq!(send_head(&app, &wrong).await.status, 404);
    assert!(app.get("/assets").await.expect_status(200)["items"].as_array().unwrap().is_empty());
    assert_ne!(send_piece(&app, &upload(b"abcdef").await, 0, b"abcdef").await.header("asset-handle"), "");
}

#[sqlx::test]
async fn limits_hold_at_the_beginning_and_at_the_end(pool: PgPool) {
    let app = TestApp::with_settings(pool, |settings| {
        (settings.max_upload, settings.max_stored, settings.max_assets, settings.max_open_uploads) = (100, 150, 2, 2);
    })
    .await;
    let name = [("filename", "a.txt")];
    let code = async |length| app.send(build_creation(length, &name)).await.expect_status(422)["code"].clone();
    app.send(build_creation(101, &name)).await.expect_status(413);
    let first = create_upload(&app, 100, &name).await;
    assert_eq!(code(51).await, "storage-quota", "what is promised to one is not there for another");
    let second = create_upload(&app, 25, &name).await;
    assert_eq!(code(25).await, "too-many-uploads");
    assert_eq!(
        app.upload_to("", &[("b.txt", &[b'b'; 26])]).await.expect_status(422)["code"],
        "storage-quota",
        "nor for other kinds of uploads"
    );
    // While it is sent, the limit is lowered.
    assert_eq!(send_piece(&app, &first, 0, &[b'a'; 50]).await.status, 204);
    let lower = CompanyLimitsRow { max_stored: Some(124), ..Default::default() };
    let restore = CompanyLimitsRow::default();
    limits::update_company_limits(&app.state.system, app.state.company, &lower).await.unwrap();
    assert_eq!(send_piece(&app, &first, 50, &[b'a'; 50]).await.expect_status(422)["code"], "storage-quota");
    limits::update_company_limits(&app.state.system, app.state.company, &restore).await.unwrap();
    assert_eq!(
        fetch_offset(&app, &first).await,
        50,
        "the last piece is not stored, so no client sees a complete upload"
    );
    assert_eq!(send_piece(&app, &second, 0, &[b'a'; 25]).await.status, 204);
    assert_eq!(app.send(TestRequest::delete().uri(&first).insert_header(("tus-resumable", "1.0.0"))).await.status, 204);
    app.upload_asset("b.txt", &[b'b'; 60]).await;
    assert_eq!(code(1).await, "too-many-assets");
    app.assert_consistent().await;
}

#[sqlx::test]
async fn a_full_storage_refuses_a_piece_and_takes_it_later(pool: PgPool) {
    let s3 = FakeS3::start();
    let app = TestApp::with_s3(pool, &s3).await;
    let address = create_upload(&app, 10, &[("filename", "a.txt")]).await;
    s3.set_behavior(S3Behavior::Failing(507));
    for bytes in [&b"first"[..], b"first last"] {
        assert_eq!(send_piece(&app, &address, 0, bytes).await.expect_status(507)["code"], "storage-full");
        assert_eq!(fetch_offset(&app, &address).await, 0);
    }
    s3.set_behavior(S3Behavior::Healthy);
    assert_ne!(send_piece(&app, &address, 0, b"first last").await.header("asset-handle"), "");
    app.assert_consistent().await;
}

#[sqlx::test]
async fn pieces_are_kept_as_long_as_their_upload(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let (kept, left) = (
        create_upload(&app, 10, &[("filename", "kept.txt")]).await,
        create_upload(&app, 10, &[("filename", "left.txt")]).await,
    );
    send_piece(&app, &kept, 0, b"kept ").await.expect_success();
    send_piece(&app, &left, 0, b"left ").await.expect_success();
    app.advance_time("23 hours").await;
    enforce_retention(&app.state).await.unwrap();
    assert_eq!(app.count_blobs().await, 2);
    // Every received piece extends the expiry of an upload.
    send_piece(&app, &kept, 5, b"no").await.expect_success();
    app.advance_time("2 hours").await;
    assert_eq!(send_head(&app, &left).await.status, 404, "an expired upload is refused also before the sweep");
    sweep_expired(&app.state).await.unwrap();
    enforce_retention(&app.state).await.unwrap();
    assert_eq!(app.count_blobs().await, 2, "only the bytes of the other upload");
    let handle = send_piece(&app, &kept, 7, b"end").await.header("asset-handle").to_owned();
    assert_eq!(app.get(format!("/assets/{handle}/content")).await.body, b"kept noend");
    app.advance_time("2 hours").await;
    enforce_retention(&app.state).await.unwrap();
    assert_eq!(app.count_blobs().await, 1, "the asset's");
    app.assert_consistent().await;
}

#[sqlx::test]
async fn an_upload_is_its_users(pool: PgPool) {
    let app = open_guarded_app(pool).await;
    let (ann, bob) = (TestUser::new(&app, "one", "ann").await, TestUser::new(&app, "one", "bob").await);
    let reader = TestUser::with_capabilities(&app, "one", "eve", &[Capability::AssetsRead]).await;
    let started = ann.send(build_creation(5, &[("filename", "a.txt")])).await;
    let address = started.header("location").to_owned();
    assert_eq!(started.expect_status(201)["offset"], 0);
    assert_eq!(bob.send(build_patch(&address, 0).set_payload("bob's")).await.status, 404);
    assert_eq!(
        bob.send(TestRequest::delete().uri(&address).insert_header(("tus-resumable", "1.0.0"))).await.status,
        404
    );
    assert!(bob.get("/uploads").await.expect_status(200)["items"].as_array().unwrap().is_empty());
    assert_eq!(ann.get("/uploads").await.expect_status(200)["items"][0]["length"], 5);
    assert_eq!(
        reader.send(build_creation(5, &[("filename", "a.txt")])).await.expect_status(403)["code"],
        "operation-forbidden"
    );
    assert_eq!(ann.send(build_patch(&address, 0).set_payload("ann's")).await.status, 204);
    let log = ann.get("/audit-log").await.expect_status(200);
    assert!(log["items"][0]["object"].as_str().unwrap().starts_with("/assets/"), "{log}");
}

fn run_push(address: &str, folder: &TempDir) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_offprint"));
    let command =
        command.args(["push", "--url", address, "--resumable", "1000000", "--folder", "in"]).arg(folder.path());
    let done = command.output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap()
}

#[sqlx::test]
async fn push_goes_on_after_a_break(pool: PgPool) {
    let (folder, files) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let service = ServiceProcess::start(&build_database_url(&pool), &folder, &[]).unwrap();
    let bytes = generate_noise(40 << 20);
    std::fs::write(files.path().join("large.bin"), &bytes).unwrap();
    std::fs::write(files.path().join("small.txt"), "small").unwrap();
    let line = BreakingProxy::start(&service, 24 << 20);
    let stdout = run_push(&line.address, &files);
    assert!(stdout.starts_with("2 files: 2 uploaded"), "{stdout}");
    let carried = line.carried.load(Ordering::Relaxed);
    assert!(carried < 50 << 20, "{carried} bytes for a file of {}: it started over", bytes.len());
    let sha256 = hex::encode(Sha256::digest(&bytes));
    assert_eq!(service.get("/assets?folder=in").await["items"][0]["sha256"], json!(sha256));
    assert_eq!(service.get("/uploads").await["items"].as_array().unwrap().len(), 1);
    assert!(run_push(&line.address, &files).contains("All 2 files are already there"));
    service.kill();
}

#[sqlx::test]
async fn uploads_outlive_the_service_and_the_client(pool: PgPool) {
    let (folder, files) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let service = ServiceProcess::start(&build_database_url(&pool), &folder, &[]).unwrap();
    let bytes = generate_noise(40 << 20);
    std::fs::write(files.path().join("large.bin"), &bytes).unwrap();
    let sha256 = hex::encode(Sha256::digest(&bytes));
    let words = encode_metadata(&[("filename", "large.bin"), ("folder", "in"), ("sha256", &sha256)]);
    let request = service.client.post(format!("{}/uploads", service.url)).header("tus-resumable", "1.0.0");
    let started = request.header("upload-length", bytes.len()).header("upload-metadata", words).send().await.unwrap();
    let address = started.headers()["location"].to_str().unwrap().to_owned();
    // Half of it, on a connection that stays open while the service is killed.
    let mut line = TcpStream::connect(service.url.trim_start_matches("http://")).unwrap();
    let request = format!(
        "PATCH {address} HTTP/1.1\r\nhost: localhost\r\ntus-resumable: 1.0.0\r\nupload-offset: 0\r\n\
         content-type: application/offset+octet-stream\r\ncontent-length: {}\r\n\r\n",
        bytes.len()
    );
    line.write_all(request.as_bytes()).unwrap();
    line.write_all(&bytes[..20 << 20]).unwrap();
    while service.get(&address).await["offset"] == 0 {}
    service.kill();
    let service = ServiceProcess::start(&build_database_url(&pool), &folder, &[]).unwrap();
    let kept = service.get(&address).await["offset"].as_u64().unwrap() as usize;
    // Until the lease ends, a piece would be refused after it was sent, and its bytes would be counted below.
    let held = "select lease_until > now() from upload";
    while sqlx::query_scalar(held).fetch_one(&pool).await.unwrap() {}
    assert!(kept >= 16 << 20, "{kept}");
    let line = BreakingProxy::start(&service, usize::MAX);
    assert!(run_push(&line.address, &files).starts_with("1 files: 1 uploaded"));
    let (carried, now) = (line.carried.load(Ordering::Relaxed), service.get(&address).await);
    assert!(carried < bytes.len() - kept + (1 << 20), "{carried} bytes after the {kept} that were stored");
    let asset = service.get(&format!("/assets/{}", now["assetHandle"].as_str().unwrap())).await;
    assert_eq!(asset["sha256"], json!(sha256));
    assert_eq!(service.stop(), Some(0));
}
