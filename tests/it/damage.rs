//! Damaged blobs: how the scrub and `admin verify` find them, what clients get, and how an upload repairs them.

use offprint::worker::scrub_next_blob as scrub;
use offprint_core::Digest;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::support::export_jobs::{drain_work, fetch_items, fetch_job, run_export};
use crate::support::images::draw_jpeg;
use crate::support::service_process::run_offprint;
use crate::support::test_app::{TestApp, locate_blob_file};

/// Flips a bit of a blob's file at a place that no decoder reads.
fn corrupt_blob(app: &TestApp, digest: &Digest) {
    let path = app.blob_path(digest);
    let mut bytes = std::fs::read(&path).unwrap();
    let last = bytes.len() - 3;
    bytes[last] ^= 1;
    std::fs::write(path, bytes).unwrap();
}

async fn scrub_all_blobs(app: &TestApp) {
    sqlx::query("update blob set checked_at = now() - interval '31 days'").execute(&app.state.system).await.unwrap();
    while scrub(&app.state).await.unwrap() {}
}

async fn fetch_damaged_count(app: &TestApp) -> Value {
    app.state.readiness.clear().await;
    app.get("/health/ready").await.expect_status(200)["damagedBlobs"].clone()
}

#[sqlx::test]
async fn the_scrub_finds_damage_and_sees_it_healed(pool: PgPool) {
    let app = TestApp::with_settings(pool, |settings| settings.scrub_rate = u64::MAX).await;
    let (bad, good) =
        (app.upload_asset("bad.jpg", &draw_jpeg(1)).await, app.upload_asset("good.jpg", &draw_jpeg(2)).await);
    assert!(!scrub(&app.state).await.unwrap(), "new blobs are not checked yet");
    scrub_all_blobs(&app).await;
    assert_eq!(fetch_damaged_count(&app).await, Value::Null);
    corrupt_blob(&app, &Digest::compute(&draw_jpeg(1)));
    scrub_all_blobs(&app).await;
    assert_eq!(fetch_damaged_count(&app).await, 1);
    let metrics = String::from_utf8(app.get("/metrics").await.body).unwrap();
    assert!(metrics.contains("\noffprint_damaged_blobs 1\n"), "{metrics}");

    // From now on the bytes are not served, in whole or in part, and exports of them fail.
    let content = format!("/assets/{bad}/content");
    assert_eq!(app.get(&content).await.expect_status(500)["code"], "corrupt-original");
    assert_eq!(
        app.get_with_header(&content, "range", "bytes=0-3").await.expect_status(500)["code"],
        "corrupt-original"
    );
    let request = json!({"assetHandleArray": [good, bad], "fmt": "orig"});
    let job = run_export(&app, request).await;
    let failures: Vec<Value> =
        fetch_items(&app, &job).await.iter().map(|item| item["failure"]["code"].clone()).collect();
    assert_eq!(failures, [Value::Null, Value::from("corrupt-original")]);

    // Uploading the same file again repairs the blob.
    app.upload_asset("again.jpg", &draw_jpeg(1)).await;
    assert_eq!(fetch_damaged_count(&app).await, Value::Null);
    let handle = job["jobHandle"].as_str().unwrap();
    app.post(format!("/export-jobs/{handle}/retry"), json!({})).await.expect_status(200);
    drain_work(&app).await;
    assert_eq!(fetch_job(&app, handle).await["outcome"], "succeeded");
    assert_eq!(app.get(&content).await.body, draw_jpeg(1));
    app.assert_consistent().await;
}

#[sqlx::test]
async fn a_damaged_rendition_is_rendered_anew(pool: PgPool) {
    let app = TestApp::with_settings(pool, |settings| settings.scrub_rate = u64::MAX).await;
    let asset = app.upload_asset("a.jpg", &draw_jpeg(1)).await;
    let request = json!({"assetHandleArray": [asset], "fmt": "convert", "is_modifier": "wid=20&fmt=png"});
    let job = run_export(&app, request.clone()).await;
    let place = format!("/export-jobs/{}/files/a.png", job["jobHandle"].as_str().unwrap());
    let png = app.get(&place).await.body;
    corrupt_blob(&app, &Digest::compute(&png));
    scrub_all_blobs(&app).await;
    assert_eq!(app.get(&place).await.expect_status(500)["code"], "corrupt-original");
    let again = run_export(&app, request).await;
    assert_eq!(fetch_items(&app, &again).await[0]["reused"], false);
    // The bytes are the same, so the file of the first job is repaired too.
    assert_eq!(app.get(&place).await.body, png);
    assert_eq!(fetch_damaged_count(&app).await, Value::Null);
}

#[sqlx::test]
async fn bytes_that_are_gone_are_damage_too(pool: PgPool) {
    let app = TestApp::open(pool).await;
    app.upload_asset("a.jpg", &draw_jpeg(1)).await;
    std::fs::remove_file(app.blob_path(&Digest::compute(&draw_jpeg(1)))).unwrap();
    scrub_all_blobs(&app).await;
    assert_eq!(fetch_damaged_count(&app).await, 1);
}

/// Runs `offprint admin …` on this app; its exit code and the report that it printed.
fn run_admin(app: &TestApp, arguments: &[&str]) -> (i32, Value) {
    let output = run_offprint(&app.state.system, &app.folder, &[&["admin"][..], arguments].concat());
    let report = serde_json::from_str(&output.stdout).unwrap_or_else(|_| panic!("{}", output.stderr));
    (output.code.unwrap(), report)
}

#[sqlx::test]
async fn verify_names_all_that_is_wrong(pool: PgPool) {
    let app = TestApp::open(pool).await;
    for seed in 1..=4 {
        app.upload_asset(&format!("{seed}.jpg"), &draw_jpeg(seed)).await;
    }
    let (code, report) = run_admin(&app, &["verify", "--deep"]);
    assert_eq!((code, &report["blobs"], &report["deep"]), (0, &4.into(), &true.into()), "{report}");

    let digest = |seed| Digest::compute(&draw_jpeg(seed));
    std::fs::remove_file(app.blob_path(&digest(1))).unwrap();
    std::fs::write(app.blob_path(&digest(2)), b"cut").unwrap();
    corrupt_blob(&app, &digest(3));
    let staged = app.state.storage.stage_bytes(b"nobody knows me".to_vec()).await.unwrap();
    let stray = staged.digest;
    app.state.storage.publish(staged).await.unwrap();
    let (_, report) = run_admin(&app, &["verify"]);
    assert_eq!(report["strays"]["count"], 0, "a new file may be about to get its row");
    let old = std::time::SystemTime::now() - std::time::Duration::from_secs(7200);
    std::fs::File::options().write(true).open(app.blob_path(&stray)).unwrap().set_modified(old).unwrap();

    let named = |digest: Digest| json!({"count": 1, "sha256": [digest.to_string()]});
    let (code, report) = run_admin(&app, &["verify"]);
    assert_eq!(code, 2);
    assert_eq!((&report["missing"], &report["wrongSize"]), (&named(digest(1)), &named(digest(2))));
    assert_eq!((&report["damaged"]["count"], &report["strays"]), (&0.into(), &named(stray)));
    let (code, report) = run_admin(&app, &["verify", "--deep"]);
    assert_eq!((code, &report["damaged"]), (2, &named(digest(3))));
    assert_eq!(fetch_damaged_count(&app).await, 3);
}

#[sqlx::test]
async fn a_storage_can_be_copied_and_the_copy_goes_on_where_it_stopped(pool: PgPool) {
    let app = TestApp::open(pool).await;
    for seed in 1..=3 {
        app.upload_asset(&format!("{seed}.jpg"), &draw_jpeg(seed)).await;
    }
    let there = tempfile::tempdir().unwrap();
    let from = format!("file://{}", app.folder.path().display());
    let to = format!("file://{}", there.path().display());
    corrupt_blob(&app, &Digest::compute(&draw_jpeg(2)));
    let copy = ["copy-storage", "--from", &from, "--to", &to];
    let (code, report) = run_admin(&app, &copy);
    assert_eq!((code, &report["copied"], &report["skipped"]), (2, &2.into(), &0.into()));
    assert_eq!(report["damaged"], json!([Digest::compute(&draw_jpeg(2)).to_string()]));
    std::fs::write(app.blob_path(&Digest::compute(&draw_jpeg(2))), draw_jpeg(2)).unwrap();
    let (code, report) = run_admin(&app, &copy);
    assert_eq!((code, &report["copied"], &report["skipped"]), (0, &1.into(), &2.into()));
    for seed in 1..=3 {
        let digest = Digest::compute(&draw_jpeg(seed));
        assert_eq!(std::fs::read(locate_blob_file(&there, &digest)).unwrap(), draw_jpeg(seed));
    }
}
