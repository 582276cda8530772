//! The storage quota: every byte that is kept for a company counts, and what does not count is gone.

use std::path::Path;

use actix_web::test::TestRequest;
use futures_util::future::{join, join_all};
use offprint::worker::{enforce_retention, sweep_expired};
use offprint_core::Digest;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use sqlx::PgPool;

use crate::support::export_jobs::run_export;
use crate::support::images::draw_jpeg;
use crate::support::test_app::{TestApp, TestResponse, build_multipart_request};
use crate::support::tus::{build_creation, build_patch, create_upload, send_piece};

fn digest(bytes: &[u8]) -> Digest {
    Digest(Sha256::digest(bytes).into())
}

/// Files of a folder and its subfolders.
fn count_files(folder: &Path) -> usize {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| if path.is_dir() { count_files(&path) } else { 1 }).sum()
}

/// Stored files, and temporary ones.
fn count_stored_files(app: &TestApp) -> (usize, usize) {
    (count_files(&app.folder.path().join("blobs")), count_files(&app.folder.path().join("tmp")))
}

async fn fetch_quota(app: &TestApp) -> Value {
    app.get("/usage").await.expect_status(200)["quota"].clone()
}

async fn replace(app: &TestApp, asset: &str, bytes: &[u8]) -> TestResponse {
    app.send(TestRequest::put().uri(&format!("/assets/{asset}/content")).set_payload(bytes.to_vec())).await
}

async fn end_upload(app: &TestApp, address: &str) {
    let request = TestRequest::delete().uri(address).insert_header(("tus-resumable", "1.0.0"));
    app.send(request).await.expect_success();
}

fn amount(count: usize, bytes: usize) -> Value {
    json!({"count": count, "bytes": bytes})
}

#[sqlx::test]
async fn of_uploads_at_once_as_many_succeed_as_fit_and_the_others_leave_nothing(pool: PgPool) {
    let app = TestApp::with_settings(pool, |settings| settings.max_stored = 100).await;
    let files: Vec<(String, [Vec<u8>; 2])> =
        (0..14_u8).map(|number| (format!("{number}.bin"), [vec![number; 12], vec![100 + number; 8]])).collect();
    let answers = join_all(files.iter().map(async |(name, [first, second])| {
        app.upload_to("", &[(name, first), (name, second)]).await.status.as_u16()
    }))
    .await;
    let count = |status: u16| answers.iter().filter(|answer| **answer == status).count();
    assert_eq!((count(201), count(422)), (5, 9), "{answers:?}");
    assert_eq!((app.count_blobs().await, count_stored_files(&app)), (10, (10, 0)));
    assert_eq!(fetch_quota(&app).await["bytes"], 100);
    app.assert_consistent().await;
}

#[sqlx::test]
async fn a_replaced_original_is_gone_at_once_where_nothing_needs_it(pool: PgPool) {
    let app = TestApp::with_settings(pool, |settings| settings.max_stored = 100).await;
    let asset = app.upload_asset("a.bin", &[0; 60]).await;
    for number in 1..20 {
        replace(&app, &asset, &[number; 60]).await.expect_status(200);
        assert_eq!((app.count_blobs().await, count_stored_files(&app)), (1, (1, 0)), "{number}");
    }
    // The same bytes again, and bytes that another asset has too.
    replace(&app, &asset, &[19; 60]).await.expect_status(200);
    app.get(format!("/assets/{asset}/content")).await.expect_success();
    replace(&app, &asset, &[7; 40]).await.expect_status(200);
    let other = app.upload_asset("b.bin", &[7; 40]).await;
    replace(&app, &asset, &[8; 40]).await.expect_status(200);
    app.get(format!("/assets/{other}/content")).await.expect_success();
    // What is refused changes nothing.
    assert_eq!(replace(&app, &asset, &[9; 61]).await.expect_status(422)["code"], "storage-quota");
    assert_eq!(count_stored_files(&app), (2, 0));
    app.assert_consistent().await;
}

#[sqlx::test]
async fn a_replaced_original_counts_as_long_as_a_job_pins_it(pool: PgPool) {
    let app = TestApp::with_settings(pool, |settings| settings.max_stored = 100).await;
    let asset = app.upload_asset("a.bin", &[0; 30]).await;
    let mut jobs = Vec::new();
    for number in 1..=2 {
        let job = run_export(&app, json!({"assetHandleArray": [asset], "fmt": "orig"})).await;
        jobs.push(job["jobHandle"].as_str().unwrap().to_owned());
        replace(&app, &asset, &[number; 30]).await.expect_status(200);
    }
    let quota = fetch_quota(&app).await;
    assert_eq!((&quota["replacedOriginals"], &quota["originals"]), (&amount(2, 60), &amount(1, 30)));
    assert_eq!(quota["bytes"], 90);
    run_export(&app, json!({"assetHandleArray": [asset], "fmt": "orig"})).await;
    assert_eq!(replace(&app, &asset, &[3; 30]).await.expect_status(422)["code"], "storage-quota");
    assert_eq!(app.upload_to("", &[("b.bin", &[b'b'; 11])]).await.expect_status(422)["code"], "storage-quota");
    app.assert_consistent().await;
    // Without its job the first one is removed.
    app.delete(format!("/export-jobs/{}", jobs[0])).await.expect_status(204);
    sweep_expired(&app.state).await.unwrap();
    enforce_retention(&app.state).await.unwrap();
    assert!(!app.blob_path(&digest(&[0; 30])).exists() && app.blob_path(&digest(&[1; 30])).exists());
    replace(&app, &asset, &[3; 30]).await.expect_status(200);
    assert_eq!(fetch_quota(&app).await["replacedOriginals"], amount(2, 60));
    app.assert_consistent().await;
}

#[sqlx::test]
async fn a_cached_rendition_does_not_keep_a_replaced_original(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let (old, new) = (draw_jpeg(1), draw_jpeg(2));
    let asset = app.upload_asset("a.jpg", &old).await;
    let body = json!({"assetHandleArray": [asset], "fmt": "convert", "is_modifier": "wid=20&fmt=png"});
    let job = run_export(&app, body).await["jobHandle"].as_str().unwrap().to_owned();
    app.delete(format!("/export-jobs/{job}")).await.expect_status(204);
    sweep_expired(&app.state).await.unwrap();
    replace(&app, &asset, &new).await.expect_status(200);
    assert!(!app.blob_path(&digest(&old)).exists());
    // A deleted asset neither.
    app.delete(format!("/assets/{asset}")).await.expect_status(204);
    assert_eq!(fetch_quota(&app).await["deletedOriginals"], amount(1, new.len()));
    enforce_retention(&app.state).await.unwrap();
    assert!(!app.blob_path(&digest(&new)).exists());
    assert_eq!(fetch_quota(&app).await["bytes"], 0);
    app.assert_consistent().await;
}

#[sqlx::test]
async fn an_unfinished_upload_counts_with_what_it_has_announced(pool: PgPool) {
    let app = TestApp::with_settings(pool, |settings| settings.max_stored = 100).await;
    let name = [("filename", "a.bin")];
    // Four at once, of which two fit.
    let create = async |_| {
        let answer = app.send(build_creation(40, &name)).await;
        (answer.status.as_u16(), answer.header("location").to_owned())
    };
    let mut created = join_all((0..4).map(create)).await;
    created.sort();
    assert_eq!(created.iter().map(|(status, _)| *status).collect::<Vec<_>>(), [201, 201, 422, 422]);
    let (first, second) = (&created[0].1, &created[1].1);
    assert_eq!(fetch_quota(&app).await["unfinishedUploads"], amount(2, 80));
    assert_eq!(app.upload_to("", &[("b.bin", &[b'b'; 21])]).await.expect_status(422)["code"], "storage-quota");
    app.upload_asset("b.bin", &[b'b'; 20]).await;
    app.assert_consistent().await;
    // What it becomes counts instead of it, and its pieces are gone.
    send_piece(&app, first, 0, &[1; 30]).await.expect_success();
    send_piece(&app, first, 30, &[2; 10]).await.expect_success();
    assert_eq!((app.count_blobs().await, count_stored_files(&app)), (2, (2, 0)));
    let quota = fetch_quota(&app).await;
    assert_eq!((&quota["unfinishedUploads"], &quota["originals"]), (&amount(1, 40), &amount(2, 60)));
    // What was sent of the other goes with it.
    send_piece(&app, second, 0, &[3; 39]).await.expect_success();
    assert_eq!(count_stored_files(&app), (3, 0));
    end_upload(&app, second).await;
    assert_eq!((app.count_blobs().await, count_stored_files(&app)), (2, (2, 0)));
    assert_eq!(fetch_quota(&app).await["bytes"], 60);
    app.assert_consistent().await;
}

#[sqlx::test]
async fn an_upload_that_expires_or_fails_leaves_nothing(pool: PgPool) {
    let app = TestApp::with_settings(pool, |settings| settings.max_stored = 100).await;
    let expired = create_upload(&app, 50, &[("filename", "a.bin")]).await;
    send_piece(&app, &expired, 0, &[1; 49]).await.expect_success();
    app.advance_time("25 hours").await;
    sweep_expired(&app.state).await.unwrap();
    assert_eq!((app.count_blobs().await, count_stored_files(&app)), (0, (0, 0)));
    // A wrong checksum, of a piece and of the whole file.
    let wrong = create_upload(&app, 50, &[("filename", "a.bin"), ("sha256", &digest(b"other").to_string())]).await;
    let patch = build_patch(&wrong, 0).insert_header(("upload-checksum", "sha1 MDAwMDAwMDAwMDAwMDAwMDAwMDA="));
    app.send(patch.set_payload(vec![2; 49])).await.expect_status(460);
    assert_eq!(count_stored_files(&app), (0, 0));
    send_piece(&app, &wrong, 0, &[2; 49]).await.expect_success();
    send_piece(&app, &wrong, 49, &[2; 1]).await.expect_status(460);
    assert_eq!((app.count_blobs().await, count_stored_files(&app)), (0, (0, 0)));
    // Bytes that exceed what was announced.
    let long = create_upload(&app, 50, &[("filename", "a.bin")]).await;
    send_piece(&app, &long, 0, &[3; 51]).await.expect_status(413);
    assert_eq!(count_stored_files(&app), (0, 0));
    end_upload(&app, &long).await;
    assert_eq!(fetch_quota(&app).await["bytes"], 0);
    app.assert_consistent().await;
}

#[sqlx::test]
async fn a_form_that_breaks_off_or_is_refused_leaves_nothing(pool: PgPool) {
    let app = TestApp::with_settings(pool, |settings| settings.max_stored = 100).await;
    let file = "name=\"file\"; filename=\"a.bin\"";
    let broken = b"--frontier\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\nbytes and no end";
    let cut = TestRequest::post()
        .uri("/assets")
        .insert_header(("content-type", "multipart/form-data; boundary=frontier"))
        .set_payload(broken.to_vec());
    app.send(cut).await.expect_status(400);
    app.send(build_multipart_request([(file, &[1; 10][..]), ("name=\"other\"", &b"x"[..])])).await.expect_status(422);
    app.send(build_multipart_request([(file, &[1; 60][..]), (file, &[2; 60][..])])).await.expect_status(422);
    app.send(build_multipart_request([(file, &[1; 101][..])])).await.expect_status(422);
    assert_eq!((app.count_blobs().await, count_stored_files(&app)), (0, (0, 0)));
    // What was received and refused no longer counts.
    app.upload_asset("a.bin", &[1; 100]).await;
    app.assert_consistent().await;
}

/// Bytes are removed at once when nothing refers to them any more, while others store the same bytes.
#[sqlx::test]
async fn bytes_that_go_and_come_at_the_same_time_are_not_lost(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let asset = app.upload_asset("a.bin", b"0").await;
    let mut stored = Vec::new();
    for round in 0..12 {
        let (shared, other) = (format!("shared {round}"), format!("other {round}"));
        replace(&app, &asset, shared.as_bytes()).await.expect_status(200);
        let (replaced, uploaded) = join(
            replace(&app, &asset, other.as_bytes()),
            app.upload_to("", &[("b.bin", shared.as_bytes()), ("c.bin", other.as_bytes())]),
        )
        .await;
        replaced.expect_status(200);
        stored.push((uploaded.expect_status(201)["assets"][0]["assetHandle"].as_str().unwrap().to_owned(), shared));
    }
    for (handle, bytes) in stored {
        let content = app.get(format!("/assets/{handle}/content")).await;
        assert_eq!(content.body, bytes.as_bytes());
    }
    app.assert_consistent().await;
}
