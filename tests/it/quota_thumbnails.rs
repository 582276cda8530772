//! Thumbnails are cached renditions: they count toward the storage quota, and make room when it is reached.

use offprint::db::limits::{CompanyLimitsRow, update_company_limits};
use offprint::worker::{enforce_retention, sweep_expired};
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::support::export_jobs::run_export;
use crate::support::images::draw_jpeg;
use crate::support::test_app::TestApp;

async fn fetch_quota(app: &TestApp) -> Value {
    app.get("/usage").await.expect_status(200)["quota"].clone()
}

async fn set_quota(app: &TestApp, bytes: i64) {
    let limits = CompanyLimitsRow { max_stored: Some(bytes), ..Default::default() };
    update_company_limits(&app.state.system, app.state.company, &limits).await.unwrap();
}

/// Fetches the thumbnail of a job's file; its bytes.
async fn fetch_thumbnail(app: &TestApp, job: &Value, file: &str) -> Vec<u8> {
    let answer = app.get(format!("/export-jobs/{}/thumbnails/{file}", job["jobHandle"].as_str().unwrap())).await;
    assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, "image/webp"));
    assert!(!answer.header("etag").is_empty());
    assert!(answer.body.starts_with(b"RIFF"));
    answer.body
}

async fn count_thumbnails(app: &TestApp) -> i64 {
    sqlx::query_scalar("select count(*) from thumbnail").fetch_one(&app.state.system).await.unwrap()
}

/// Exports these assets as they are: the job keeps no bytes of its own.
async fn export_originals(app: &TestApp, assets: &[String]) -> Value {
    run_export(app, json!({"assetHandleArray": assets, "fmt": "orig"})).await
}

#[sqlx::test]
async fn a_thumbnail_counts_once_until_its_source_goes(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let asset = app.upload_asset("a.jpg", &draw_jpeg(1)).await;
    let job = export_originals(&app, std::slice::from_ref(&asset)).await;
    let before = fetch_quota(&app).await;
    let image = fetch_thumbnail(&app, &job, "a.jpg").await;
    for _ in 0..2 {
        assert_eq!(fetch_thumbnail(&app, &job, "a.jpg").await, image);
        let quota = fetch_quota(&app).await;
        assert_eq!(quota["renditions"], json!({"count": 1, "bytes": image.len()}));
        assert_eq!(quota["bytes"].as_i64().unwrap(), before["bytes"].as_i64().unwrap() + image.len() as i64);
    }
    let usage = app.get("/usage").await.expect_status(200);
    assert_eq!(usage["renditions"], json!({"count": 1, "bytes": image.len()}));
    app.assert_consistent().await;
    // With the asset and the job its bytes go, and the thumbnail with them.
    app.delete(format!("/assets/{asset}")).await.expect_status(204);
    app.delete(format!("/export-jobs/{}", job["jobHandle"].as_str().unwrap())).await.expect_status(204);
    for _ in 0..3 {
        sweep_expired(&app.state).await.unwrap();
        app.advance_time("2 hours").await;
        enforce_retention(&app.state).await.unwrap();
    }
    assert_eq!(fetch_quota(&app).await["renditions"], json!({"count": 0, "bytes": 0}));
    assert_eq!((count_thumbnails(&app).await, app.count_blobs().await), (0, 0));
    app.assert_consistent().await;
}

#[sqlx::test]
async fn at_the_quota_thumbnails_make_room_and_are_made_again(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let assets = [app.upload_asset("a.jpg", &draw_jpeg(1)).await, app.upload_asset("b.jpg", &draw_jpeg(2)).await];
    let job = export_originals(&app, &assets).await;
    let originals = fetch_quota(&app).await["bytes"].as_i64().unwrap();
    let first = fetch_thumbnail(&app, &job, "a.jpg").await;
    let second = fetch_thumbnail(&app, &job, "b.jpg").await;
    // Room for the larger one only: the one that was used last stays.
    sqlx::query("update thumbnail set used_at = used_at - interval '2 hours'")
        .execute(&app.state.system)
        .await
        .unwrap();
    fetch_thumbnail(&app, &job, "b.jpg").await;
    let upload = draw_jpeg(3);
    set_quota(&app, originals + second.len() as i64 + upload.len() as i64).await;
    app.upload_asset("c.jpg", &upload).await;
    assert_eq!(fetch_quota(&app).await["renditions"], json!({"count": 1, "bytes": second.len()}));
    // A new one takes the place of what was used before.
    set_quota(&app, originals + upload.len() as i64 + first.len().max(second.len()) as i64).await;
    assert_eq!(fetch_thumbnail(&app, &job, "a.jpg").await, first);
    assert_eq!(fetch_quota(&app).await["renditions"], json!({"count": 1, "bytes": first.len()}));
    // Without any room it is shown and not kept.
    set_quota(&app, originals + upload.len() as i64 + 10).await;
    assert_eq!(fetch_thumbnail(&app, &job, "b.jpg").await, second);
    assert!(fetch_quota(&app).await["bytes"].as_i64().unwrap() <= originals + upload.len() as i64 + first.len() as i64);
    app.assert_consistent().await;
}

#[sqlx::test]
async fn the_limit_of_the_cache_holds_for_thumbnails(pool: PgPool) {
    let app = TestApp::with_settings(pool, |settings| settings.max_cache = 1).await;
    let asset = app.upload_asset("a.jpg", &draw_jpeg(1)).await;
    let job = export_originals(&app, &[asset]).await;
    let blobs = app.count_blobs().await;
    fetch_thumbnail(&app, &job, "a.jpg").await;
    assert_eq!((count_thumbnails(&app).await, app.count_blobs().await), (1, blobs + 1));
    enforce_retention(&app.state).await.unwrap();
    assert_eq!((count_thumbnails(&app).await, app.count_blobs().await), (0, blobs));
    assert_eq!(fetch_quota(&app).await["renditions"], json!({"count": 0, "bytes": 0}));
    app.assert_consistent().await;
}
