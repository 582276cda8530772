//! Renditions count toward the storage quota: each blob once for the company that keeps it. Cached ones make room.

use offprint::app::RenderedFiles;
use offprint::db::company::ensure_company;
use offprint::db::limits::{CompanyLimitsRow, update_company_limits};
use offprint::db::settle::{AttemptOutcome, SettledFile};
use offprint::worker::{enforce_retention, sweep_expired};
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::support::export_jobs::{create_job, drain_work, fetch_items, fetch_job, run_export, send_job_action};
use crate::support::images::draw_jpeg;
use crate::support::queue::{claim_item, settle_item};
use crate::support::test_app::TestApp;

async fn fetch_quota(app: &TestApp) -> Value {
    app.get("/usage").await.expect_status(200)["quota"].clone()
}

async fn count_rendition_bytes(app: &TestApp) -> i64 {
    fetch_quota(app).await["renditions"]["bytes"].as_i64().unwrap()
}

/// An uncompressed TIFF of this width and height, so that its size is known: a little more than three bytes a pixel.
fn request_tiff(asset: &str, width: u32, height: u32) -> Value {
    json!({"assetHandleArray": [asset], "fmt": "convert", "is_modifier": format!("wid={width}&hei={height}&fit=stretch&fmt=tif,,none")})
}

async fn set_quota(app: &TestApp, bytes: i64) {
    let limits = CompanyLimitsRow { max_stored: Some(bytes), ..Default::default() };
    update_company_limits(&app.state.system, app.state.company, &limits).await.unwrap();
}

/// Deletes a job with its rows, but none of the bytes.
async fn remove_job(app: &TestApp, job: &Value) {
    app.delete(format!("/export-jobs/{}", job["jobHandle"].as_str().unwrap())).await.expect_status(204);
    sweep_expired(&app.state).await.unwrap();
}

#[sqlx::test]
async fn a_rendition_counts_once_for_each_company_that_keeps_it(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let photo = draw_jpeg(1);
    let (first, second) = (app.upload_asset("a.jpg", &photo).await, app.upload_asset("b.jpg", &photo).await);
    let job = run_export(&app, request_tiff(&first, 50, 40)).await;
    let bytes = job["bytes"].as_i64().unwrap();
    assert!(bytes > 50 * 40 * 3, "{job}");
    let quota = fetch_quota(&app).await;
    assert_eq!(quota["renditions"], json!({"count": 1, "bytes": bytes}));
    assert_eq!(quota["bytes"], json!(2 * photo.len() as i64 + bytes));
    // The same again: from the cache, and rendered of another asset with the same bytes.
    run_export(&app, request_tiff(&first, 50, 40)).await;
    run_export(&app, request_tiff(&second, 50, 40)).await;
    assert_eq!(fetch_quota(&app).await["renditions"], json!({"count": 1, "bytes": bytes}));
    // Two equal files of one item.
    let renditions: Vec<Value> = ["x", "y"]
        .iter()
        .map(|name| json!({"name": name, "is_modifier": "wid=30&hei=30&fit=stretch&fmt=tif,,none"}))
        .collect();
    let twice = json!({"assetHandleArray": [first], "fmt": "convert", "renditions": renditions});
    let job = run_export(&app, twice).await;
    assert_eq!((&job["outcome"], &job["files"]), (&json!("succeeded"), &json!(2)));
    let both = json!({"count": 2, "bytes": bytes + job["bytes"].as_i64().unwrap() / 2});
    assert_eq!(fetch_quota(&app).await["renditions"], both);
    // Another company that renders the same has the same bytes, and counts them itself.
    let mut neighbor = TestApp::open(app.state.system.clone()).await;
    let mut connection = app.state.system.acquire().await.unwrap();
    neighbor.state.company = ensure_company(&mut connection, "neighbor").await.unwrap();
    drop(connection);
    neighbor.state.storage = app.state.storage.clone();
    let theirs = neighbor.upload_asset("c.jpg", &photo).await;
    run_export(&neighbor, request_tiff(&theirs, 50, 40)).await;
    assert_eq!(fetch_quota(&neighbor).await["renditions"], json!({"count": 1, "bytes": bytes}));
    assert_eq!(fetch_quota(&app).await["renditions"], both);
    app.assert_consistent().await;
}

#[sqlx::test]
async fn a_rendition_counts_until_neither_a_job_nor_the_cache_has_it(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let asset = app.upload_asset("a.jpg", &draw_jpeg(1)).await;
    let job = run_export(&app, request_tiff(&asset, 50, 40)).await;
    let bytes = job["bytes"].as_i64().unwrap();
    app.advance_time("8 days").await;
    enforce_retention(&app.state).await.unwrap();
    assert_eq!(count_rendition_bytes(&app).await, bytes, "the files have expired, the cache has them");
    sqlx::query("delete from rendition").execute(&app.state.system).await.unwrap();
    let blobs = app.count_blobs().await;
    enforce_retention(&app.state).await.unwrap();
    assert_eq!((count_rendition_bytes(&app).await, app.count_blobs().await), (0, blobs - 1));
    app.assert_consistent().await;
}

#[sqlx::test]
async fn an_item_that_would_exceed_the_quota_fails_and_leaves_nothing(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let asset = app.upload_asset("a.jpg", &draw_jpeg(1)).await;
    set_quota(&app, 20_000).await;
    let job = run_export(&app, request_tiff(&asset, 100, 100)).await;
    assert_eq!(job["outcome"], "failed");
    let failure = fetch_items(&app, &job).await[0]["failure"].clone();
    assert_eq!(failure["code"], "storage-quota");
    assert!(failure["detail"].as_str().unwrap().contains("Delete jobs"), "{failure}");
    // The original, and the two manifests and the index of the job.
    assert_eq!((count_rendition_bytes(&app).await, app.count_blobs().await), (0, 4));
    app.assert_consistent().await;
    // With room for it, a retry succeeds.
    set_quota(&app, 200_000).await;
    let handle = job["jobHandle"].as_str().unwrap();
    send_job_action(&app, handle, "retry").await.expect_status(200);
    drain_work(&app).await;
    assert_eq!(fetch_job(&app, handle).await["outcome"], "succeeded");
    app.assert_consistent().await;
}

/// Of all renditions of an item none is kept when they do not fit together; what was there before stays.
#[sqlx::test]
async fn of_many_items_as_many_succeed_as_fit(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let assets = futures_util::future::join_all(
        (1..=6).map(async |seed| app.upload_asset(&format!("{seed}.jpg"), &draw_jpeg(seed)).await),
    )
    .await;
    let originals = fetch_quota(&app).await["bytes"].as_i64().unwrap();
    set_quota(&app, originals + 3 * 12_500).await;
    let mut request = request_tiff("", 64, 64);
    request["assetHandleArray"] = json!(assets);
    let job = run_export(&app, request).await;
    assert_eq!((&job["counts"]["succeeded"], &job["counts"]["failed"]), (&json!(3), &json!(3)), "{job}");
    assert!(fetch_quota(&app).await["bytes"].as_i64().unwrap() <= originals + 3 * 12_500);
    app.assert_consistent().await;
}

#[sqlx::test]
async fn cached_renditions_make_room_for_new_ones_and_for_uploads(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let asset = app.upload_asset("a.jpg", &draw_jpeg(1)).await;
    let originals = fetch_quota(&app).await["bytes"].as_i64().unwrap();
    let kept = run_export(&app, request_tiff(&asset, 60, 60)).await;
    let gone = run_export(&app, request_tiff(&asset, 61, 60)).await;
    let (first, second) = (kept["bytes"].as_i64().unwrap(), gone["bytes"].as_i64().unwrap());
    remove_job(&app, &gone).await;
    // Its rendition is in the cache only. Room for two.
    set_quota(&app, originals + first + second + 500).await;
    let third = run_export(&app, request_tiff(&asset, 60, 61)).await;
    assert_eq!(third["outcome"], "succeeded");
    assert_eq!(count_rendition_bytes(&app).await, first + third["bytes"].as_i64().unwrap());
    let items = fetch_items(&app, &run_export(&app, request_tiff(&asset, 61, 60)).await).await;
    assert_eq!(items[0]["failure"]["code"], "storage-quota", "evicted, and there is no room for it again: {items:?}");
    // An upload, too; what jobs have stays.
    remove_job(&app, &third).await;
    let size = third["bytes"].as_u64().unwrap() as usize;
    app.upload_asset("b.bin", &vec![7; size]).await;
    assert_eq!(count_rendition_bytes(&app).await, first);
    let refused = app.upload_to("", &[("c.bin", &vec![8; size])]).await.expect_status(422);
    assert_eq!(refused["code"], "storage-quota");
    app.get(format!("/export-jobs/{}/archive", kept["jobHandle"].as_str().unwrap())).await.expect_status(200);
    app.assert_consistent().await;
}

/// A worker that dies between storing and settling: its claim keeps the bytes, and nothing else does.
#[sqlx::test]
async fn what_a_dead_worker_has_stored_counts_no_longer_than_its_lease(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let asset = app.upload_asset("a.jpg", &draw_jpeg(1)).await;
    create_job(&app, request_tiff(&asset, 50, 40)).await;
    let claim = claim_item(&app).await;
    let staged = app.state.storage.stage_bytes(vec![1; 700]).await.unwrap();
    let rendered = RenderedFiles { attempt: &claim.attempt(app.state.worker), staged: vec![staged] };
    app.state.keep_rendered_files(vec![rendered]).await.unwrap();
    let blobs = app.count_blobs().await;
    enforce_retention(&app.state).await.unwrap();
    assert_eq!((count_rendition_bytes(&app).await, app.count_blobs().await), (700, blobs));
    app.expire_leases().await;
    sweep_expired(&app.state).await.unwrap();
    enforce_retention(&app.state).await.unwrap();
    assert_eq!((count_rendition_bytes(&app).await, app.count_blobs().await), (0, blobs - 1));
    drain_work(&app).await;
    app.assert_consistent().await;
}

/// Between the claim of an item and its settle, its cached rendition goes: it must not succeed without a file.
#[sqlx::test]
async fn an_item_whose_cached_rendition_is_evicted_meanwhile_is_tried_again(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let asset = app.upload_asset("a.jpg", &draw_jpeg(1)).await;
    let first = run_export(&app, request_tiff(&asset, 50, 40)).await;
    remove_job(&app, &first).await;
    let job = create_job(&app, request_tiff(&asset, 50, 40)).await;
    let claim = claim_item(&app).await;
    let cached = claim.files[0].cached.clone().expect("it is in the cache");
    assert!(app.state.evict_cached_renditions(app.state.company, 1).await.unwrap() > 0);
    let file = SettledFile { rendition: 0, sha256: cached.sha256, image: None, warnings: Vec::new(), reused: true };
    let (attempt, files) = (claim.attempt(app.state.worker), [file]);
    let settled = settle_item(&app, &attempt, &files, AttemptOutcome::Succeeded).await;
    assert!(settled.is_err_and(|error| error.refers_to_removed_blob()));
    app.expire_leases().await;
    drain_work(&app).await;
    assert_eq!(fetch_job(&app, &job).await["outcome"], "succeeded");
    app.assert_consistent().await;
}
