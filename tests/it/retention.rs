//! Retention: how long results are kept, and that nothing is removed that is still in use.

use offprint::worker::{enforce_retention, remove_stray_files};
use serde_json::json;
use sqlx::PgPool;

use crate::support::export_jobs::{fetch_items, run_export};
use crate::support::images::draw_jpeg;
use crate::support::test_app::TestApp;

async fn convert_asset(app: &TestApp, asset: &str) -> serde_json::Value {
    run_export(app, json!({"assetHandleArray": [asset], "fmt": "convert", "is_modifier": "wid=20&fmt=png"})).await
}

#[sqlx::test]
async fn files_go_when_they_expire_and_the_job_stays(pool: PgPool) {
    let app = TestApp::with_settings(pool, |settings| settings.max_cache = 0).await;
    let asset = app.upload_asset("a.jpg", &draw_jpeg(1)).await;
    let job = convert_asset(&app, &asset).await;
    let place = format!("/export-jobs/{}", job["jobHandle"].as_str().unwrap());
    let before = app.count_blobs().await;
    app.advance_time("6 days").await;
    enforce_retention(&app.state).await.unwrap();
    app.get(format!("{place}/archive")).await.expect_status(200);
    app.advance_time("2 days").await;
    enforce_retention(&app.state).await.unwrap();
    assert_eq!(app.get(format!("{place}/archive")).await.expect_status(410)["code"], "results-expired");
    assert_eq!(app.get(format!("{place}/files/a.png")).await.expect_status(410)["code"], "results-expired");
    assert_eq!(app.get(format!("{place}/manifest")).await.expect_status(200)["counts"]["succeeded"], 1);
    assert_eq!(fetch_items(&app, &job).await.len(), 1);
    assert_eq!(app.post(format!("{place}/retry"), json!({})).await.expect_status(409)["code"], "wrong-state");
    // The rendition and the index are gone; the original and the manifests are not.
    assert_eq!(app.count_blobs().await, before - 2);
    app.get(format!("/assets/{asset}/content")).await.expect_status(200);
    app.advance_time("90 days").await;
    enforce_retention(&app.state).await.unwrap();
    app.get(&place).await.expect_status(404);
}

#[sqlx::test]
async fn a_rendition_that_fits_the_cache_is_reused_after_its_job_expired(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let asset = app.upload_asset("a.jpg", &draw_jpeg(1)).await;
    convert_asset(&app, &asset).await;
    app.advance_time("30 days").await;
    enforce_retention(&app.state).await.unwrap();
    let again = convert_asset(&app, &asset).await;
    assert_eq!(fetch_items(&app, &again).await[0]["reused"], true);
    app.assert_consistent().await;
}

#[sqlx::test]
async fn a_deleted_asset_stays_as_long_as_a_job_pins_it(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let asset = app.upload_asset("a.jpg", &draw_jpeg(1)).await;
    let job = run_export(&app, json!({"assetHandleArray": [asset], "fmt": "orig"})).await;
    let place = format!("/export-jobs/{}", job["jobHandle"].as_str().unwrap());
    app.delete(format!("/assets/{asset}")).await.expect_status(204);
    app.advance_time("2 hours").await;
    enforce_retention(&app.state).await.unwrap();
    app.get(format!("{place}/files/a.jpg")).await.expect_status(200);
    app.delete(&place).await.expect_status(204);
    offprint::worker::sweep_expired(&app.state).await.unwrap();
    enforce_retention(&app.state).await.unwrap();
    assert_eq!(app.count_blobs().await, 0, "nothing refers to the blobs any more");
}

#[sqlx::test]
async fn what_was_just_put_is_not_removed(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let staged = app.state.storage.stage_bytes(b"about to be used".to_vec()).await.unwrap();
    let digest = staged.digest;
    app.state.store_blobs(vec![staged]).await.unwrap();
    enforce_retention(&app.state).await.unwrap();
    assert!(app.blob_path(&digest).exists());
    app.advance_time("2 hours").await;
    enforce_retention(&app.state).await.unwrap();
    assert!(!app.blob_path(&digest).exists());
}

#[sqlx::test]
async fn a_stray_file_without_a_row_is_removed_when_it_is_old(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let asset = app.upload_asset("a.jpg", &draw_jpeg(1)).await;
    let staged = app.state.storage.stage_bytes(b"nobody knows me".to_vec()).await.unwrap();
    let digest = staged.digest;
    app.state.storage.publish(staged).await.unwrap();
    let path = app.blob_path(&digest);
    let look = || async {
        for part in 0..=255 {
            remove_stray_files(&app.state, part).await.unwrap();
        }
    };
    look().await;
    assert!(path.exists(), "a new file may be about to get its row");
    let old = std::time::SystemTime::now() - std::time::Duration::from_secs(7200);
    let age =
        |path: &std::path::Path| std::fs::File::options().write(true).open(path).unwrap().set_modified(old).unwrap();
    age(&path);
    let asset = app.get(format!("/assets/{asset}")).await.expect_status(200);
    let known = app.blob_path(&asset["sha256"].as_str().unwrap().parse().unwrap());
    age(&known);
    look().await;
    assert!(!path.exists() && known.exists());
}

#[sqlx::test]
async fn usage_says_what_a_company_has(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let usage = || async { app.get("/usage").await.expect_status(200) };
    let nothing = json!({"count": 0, "bytes": 0});
    let before = usage().await;
    assert_eq!((&before["assets"], &before["storedBytes"]), (&nothing, &json!(0)));
    let (bytes, same) = (draw_jpeg(1), draw_jpeg(1));
    let asset = app.upload_asset("a.jpg", &bytes).await;
    app.upload_asset("b.jpg", &same).await;
    let size = bytes.len() as i64;
    let stored = usage().await;
    assert_eq!(stored["assets"], json!({"count": 2, "bytes": 2 * size}));
    assert_eq!(stored["storedBytes"], json!(size), "equal bytes are stored once");
    let job = convert_asset(&app, &asset).await;
    let used = usage().await;
    assert_eq!((&used["files"]["count"], &used["files"]["bytes"]), (&json!(1), &job["bytes"]));
    assert_eq!((&used["renditions"]["count"], &used["renditions"]["bytes"]), (&json!(1), &job["bytes"]));
    assert_eq!(used["jobs"], json!({"total": 1, "unfinished": 0}));
    let all: i64 = sqlx::query_scalar("select sum(size)::bigint from blob").fetch_one(&app.state.system).await.unwrap();
    assert_eq!(used["storedBytes"], json!(all));
    app.advance_time("8 days").await;
    enforce_retention(&app.state).await.unwrap();
    let after = usage().await;
    assert_eq!((&after["files"], &after["jobs"]["total"]), (&nothing, &json!(1)));
}

#[sqlx::test]
async fn files_are_kept_as_long_as_the_request_says_within_limits(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let asset = app.upload_asset("a.jpg", &draw_jpeg(1)).await;
    let request = |seconds: i64| json!({"assetHandleArray": [asset], "fmt": "orig", "expiresIn": seconds});
    for wrong in [-1, 0, 59, 90 * 24 * 3600 + 1] {
        let problem = app.post("/export-jobs", request(wrong)).await.expect_status(422);
        assert_eq!(problem["errors"][0]["pointer"], "/expiresIn", "{wrong}");
    }
    let job = run_export(&app, request(60)).await;
    let place = format!("/export-jobs/{}", job["jobHandle"].as_str().unwrap());
    app.get(format!("{place}/archive")).await.expect_status(200);
    app.advance_time("61 seconds").await;
    // At once, not with the next sweep.
    for path in ["archive", "files/a.jpg", "download"] {
        let problem = app.get(format!("{place}/{path}")).await.expect_status(410);
        assert_eq!(problem["code"], "results-expired", "{path}");
        assert!(problem["detail"].as_str().unwrap().contains("expiresIn"), "{problem}");
    }
    app.get(format!("{place}/manifest")).await.expect_status(200);
}

#[sqlx::test]
async fn more_unused_bytes_than_fit_one_batch_go_in_one_sweep(pool: PgPool) {
    let app = TestApp::open(pool).await;
    for number in 0..120 {
        let asset = app.upload_asset(&format!("{number}.txt"), number.to_string().as_bytes()).await;
        app.delete(format!("/assets/{asset}")).await.expect_status(204);
    }
    app.advance_time("2 hours").await;
    enforce_retention(&app.state).await.unwrap();
    assert_eq!(app.count_blobs().await, 0);
    app.assert_consistent().await;
}
