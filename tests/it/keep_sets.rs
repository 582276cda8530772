//! Workers keep what several items rendered in one transaction, before they settle them as a set.

use std::time::Duration;

use futures_util::future::join_all;
use offprint::db::limits::{CompanyLimitsRow, update_company_limits};
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::support::export_jobs::{create_job, fetch_items, fetch_job};
use crate::support::images::draw_jpeg;
use crate::support::queue::{reject_sets, was_set_rejected};
use crate::support::test_app::TestApp;

/// Creates a job of uncompressed TIFFs, 50 by 40 pixels, of so many images.
async fn create_tiff_job(app: &TestApp, images: u8) -> String {
    let upload = async |number: u8| app.upload_asset(&format!("{number}.jpg"), &draw_jpeg(number)).await;
    let assets = join_all((1..=images).map(upload)).await;
    let modifier = "wid=50&hei=40&fit=stretch&fmt=tif,,none";
    create_job(app, json!({"assetHandleArray": assets, "fmt": "convert", "is_modifier": modifier})).await
}

/// Lets the workers of the service end a job. What waits before another attempt does not wait.
async fn work_until_finished(app: &TestApp, job: &str) -> Value {
    let workers = tokio::spawn(offprint::worker::run_workers(app.state.clone()));
    let mut now = fetch_job(app, job).await;
    while now["state"] != "finished" {
        now = app.get(format!("/export-jobs/{job}?wait=1")).await.expect_status(200);
        let retry = "update export_item set run_at = now() where state = 'waiting'";
        sqlx::query(retry).execute(&app.state.system).await.unwrap();
        app.state.work_available.notify();
    }
    app.state.closing.cancel();
    tokio::time::timeout(Duration::from_secs(60), workers).await.unwrap().unwrap();
    app.assert_consistent().await;
    now
}

#[sqlx::test]
async fn the_files_of_many_items_are_kept_in_few_transactions(pool: PgPool) {
    let app = TestApp::with_settings(pool, |settings| settings.slots = 4).await;
    let job = create_tiff_job(&app, 24).await;
    let ended = work_until_finished(&app, &job).await;
    assert_eq!((&ended["outcome"], &ended["counts"]["succeeded"]), (&json!("succeeded"), &json!(24)), "{ended}");
    let transactions: i64 = sqlx::query_scalar("select count(distinct xmin::text) from kept_rendition")
        .fetch_one(&app.state.system)
        .await
        .unwrap();
    assert!((1..24).contains(&transactions), "{transactions} transactions for 24 items");
}

/// What cannot be kept as a set is tried again, each alone: no item fails because of another one.
#[sqlx::test]
async fn a_set_that_cannot_be_kept_is_tried_again_one_by_one(pool: PgPool) {
    let app = TestApp::with_settings(pool, |settings| settings.slots = 4).await;
    reject_sets(&app, "insert on kept_rendition", "true").await;
    let job = create_tiff_job(&app, 24).await;
    let ended = work_until_finished(&app, &job).await;
    assert_eq!((&ended["outcome"], &ended["counts"]["succeeded"]), (&json!("succeeded"), &json!(24)), "{ended}");
    let attempts: Vec<i64> =
        fetch_items(&app, &ended).await.iter().map(|item| item["attempts"].as_i64().unwrap()).collect();
    assert!(attempts.iter().all(|attempts| *attempts <= 2), "{attempts:?}");
    assert!(was_set_rejected(&app).await && attempts.contains(&2), "there was no set to reject");
}

/// At the quota it is not the set that fails: what fits is kept, to the byte.
#[sqlx::test]
async fn of_a_set_beyond_the_quota_what_fits_is_kept(pool: PgPool) {
    let app = TestApp::with_settings(pool, |settings| settings.slots = 4).await;
    let job = create_tiff_job(&app, 8).await;
    let quota = app.get("/usage").await.expect_status(200)["quota"]["bytes"].as_i64().unwrap();
    // A file has a little more than 6,000 bytes: three fit.
    let limits = CompanyLimitsRow { max_stored: Some(quota + 3 * 50 * 40 * 3 + 3000), ..Default::default() };
    update_company_limits(&app.state.system, app.state.company, &limits).await.unwrap();
    let ended = work_until_finished(&app, &job).await;
    assert_eq!(ended["counts"]["succeeded"], 3, "{ended}");
    for item in fetch_items(&app, &ended).await {
        assert_eq!(item["attempts"], 1, "{item}");
        assert!(item["state"] == "succeeded" || item["failure"]["code"] == "storage-quota", "{item}");
    }
}
