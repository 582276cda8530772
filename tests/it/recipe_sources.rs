//! What a recipe reads besides its image is a row for each original: garbage collection follows rows, not texts.

use futures_util::future::join;
use image::{GrayImage, ImageFormat, Luma, Rgb, RgbImage};
use offprint::worker::{enforce_retention, sweep_expired};
use offprint_core::Digest;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::support::export_jobs::{create_job, drain_work, fetch_items, fetch_job, run_export};
use crate::support::images::{draw_jpeg, encode_image};
use crate::support::test_app::TestApp;

fn encode_flat_png(colour: [u8; 3]) -> Vec<u8> {
    encode_image(RgbImage::from_pixel(40, 20, Rgb(colour)), ImageFormat::Png)
}

fn encode_mask(level: u8) -> Vec<u8> {
    encode_image(GrayImage::from_pixel(40, 20, Luma([level])), ImageFormat::Png)
}

/// A job that reads two other assets.
fn request_two_sources(asset: &str) -> Value {
    json!({"assetHandleArray": [asset], "fmt": "convert", "is_modifier": "src=blue&mask=mask&fmt=png-alpha"})
}

async fn count_rows(app: &TestApp, table: &str) -> i64 {
    let sql = sqlx::AssertSqlSafe(format!("select count(*) from {table}"));
    sqlx::query_scalar(sql).fetch_one(&app.state.system).await.unwrap()
}

async fn remove_job(app: &TestApp, job: &Value) {
    app.delete(format!("/export-jobs/{}", job["jobHandle"].as_str().unwrap())).await.expect_status(204);
    sweep_expired(&app.state).await.unwrap();
}

#[sqlx::test]
async fn a_recipe_keeps_each_original_that_it_reads_as_long_as_a_job_or_the_cache_has_it(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let (blue, mask) = (encode_flat_png([0, 0, 255]), encode_mask(200));
    let shoe = app.upload_asset("shoe.png", &encode_flat_png([255, 0, 0])).await;
    let named = [app.upload_asset("blue.png", &blue).await, app.upload_asset("mask.png", &mask).await];
    let job = create_job(&app, request_two_sources(&shoe)).await;
    let mut sources: Vec<[u8; 32]> =
        sqlx::query_scalar("select sha256 from recipe_source").fetch_all(&app.state.system).await.unwrap();
    sources.sort();
    let mut expected = [Digest::compute(&blue), Digest::compute(&mask)].map(Digest::to_bytes);
    expected.sort();
    assert_eq!(sources, expected);
    for asset in &named {
        app.delete(format!("/assets/{asset}")).await.expect_status(204);
    }
    enforce_retention(&app.state).await.unwrap();
    drain_work(&app).await;
    let job = fetch_job(&app, &job).await;
    assert_eq!(job["outcome"], "succeeded", "{job}");
    remove_job(&app, &job).await;
    // The cache has the rendition, and with it the recipe, until retention has seen that the assets are gone.
    assert!(app.blob_path(&Digest::compute(&blue)).exists());
    sqlx::query("delete from rendition").execute(&app.state.system).await.unwrap();
    enforce_retention(&app.state).await.unwrap();
    assert!(!app.blob_path(&Digest::compute(&blue)).exists() && !app.blob_path(&Digest::compute(&mask)).exists());
    assert_eq!((count_rows(&app, "recipe").await, count_rows(&app, "recipe_source").await), (0, 0));
    app.assert_consistent().await;
}

#[sqlx::test]
async fn a_recipe_that_another_job_uses_stays(pool: PgPool) {
    let app = TestApp::with_settings(pool, |settings| settings.max_cache = 0).await;
    let shoe = app.upload_asset("shoe.png", &encode_flat_png([255, 0, 0])).await;
    app.upload_asset("blue.png", &encode_flat_png([0, 0, 255])).await;
    app.upload_asset("mask.png", &encode_mask(200)).await;
    let first = run_export(&app, request_two_sources(&shoe)).await;
    let second = create_job(&app, request_two_sources(&shoe)).await;
    remove_job(&app, &first).await;
    enforce_retention(&app.state).await.unwrap();
    assert_eq!((count_rows(&app, "recipe").await, count_rows(&app, "recipe_source").await), (1, 2));
    drain_work(&app).await;
    assert_eq!(fetch_job(&app, &second).await["outcome"], "succeeded");
    app.assert_consistent().await;
}

/// A cached rendition does not keep an original that its recipe reads, as it does not keep the one it was rendered of.
#[sqlx::test]
async fn what_was_cached_with_a_replaced_mask_goes_with_it(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let old = encode_mask(200);
    let shoe = app.upload_asset("shoe.png", &encode_flat_png([255, 0, 0])).await;
    app.upload_asset("blue.png", &encode_flat_png([0, 0, 255])).await;
    let mask = app.upload_asset("mask.png", &old).await;
    let job = run_export(&app, request_two_sources(&shoe)).await;
    let rendition: Digest = fetch_items(&app, &job).await[0]["sha256"].as_str().unwrap().parse().unwrap();
    let replace = async |level| {
        let request = actix_web::test::TestRequest::put().uri(&format!("/assets/{mask}/content"));
        app.send(request.set_payload(encode_mask(level))).await.expect_status(200);
    };
    replace(100).await;
    assert!(app.blob_path(&Digest::compute(&old)).exists(), "the job needs it");
    let quota = app.get("/usage").await.expect_status(200)["quota"].clone();
    assert_eq!(quota["replacedOriginals"], json!({"count": 1, "bytes": old.len()}));
    remove_job(&app, &job).await;
    enforce_retention(&app.state).await.unwrap();
    assert!(!app.blob_path(&Digest::compute(&old)).exists() && !app.blob_path(&rendition).exists());
    // At once where no job needs it.
    let job = run_export(&app, request_two_sources(&shoe)).await;
    remove_job(&app, &job).await;
    replace(50).await;
    assert!(!app.blob_path(&Digest::compute(&encode_mask(100))).exists());
    assert_eq!((count_rows(&app, "rendition").await, count_rows(&app, "recipe").await), (0, 0));
    app.assert_consistent().await;
}

/// Maintenance removes recipes while jobs with the same recipes are created.
#[sqlx::test]
async fn a_recipe_that_is_removed_while_a_job_is_created_is_there_for_it(pool: PgPool) {
    let app = TestApp::with_settings(pool, |settings| settings.max_cache = 0).await;
    let asset = app.upload_asset("a.jpg", &draw_jpeg(1)).await;
    let request = json!({"assetHandleArray": [asset], "fmt": "convert", "is_modifier": "wid=20&fmt=png"});
    let mut job = run_export(&app, request.clone()).await;
    for _ in 0..10 {
        remove_job(&app, &job).await;
        sqlx::query("delete from rendition").execute(&app.state.system).await.unwrap();
        let (handle, kept) = join(create_job(&app, request.clone()), enforce_retention(&app.state)).await;
        kept.unwrap();
        drain_work(&app).await;
        job = fetch_job(&app, &handle).await;
        assert_eq!(job["outcome"], "succeeded", "{job}");
    }
    app.assert_consistent().await;
}

#[sqlx::test]
async fn a_deleted_job_goes_in_steps_and_wholly(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let asset = app.upload_asset("a.jpg", &draw_jpeg(1)).await;
    let job = create_job(&app, json!({"assetHandleArray": [asset], "fmt": "orig"})).await;
    let sql = "with job as (update export_job set total = 4500, run_total = 4500 where job_id = $1::uuid returning job_id)
               insert into export_item (company_id, job_id, position, asset_id, asset_name, asset_type, folder, file_name,
                                        sha256, size, entry_time, state)
               select company_id, job_id, number, asset_id, asset_name, asset_type, folder, file_name, sha256, size, entry_time, state
                 from job join export_item using (job_id), generate_series(1, 4499) as number";
    sqlx::query(sql).bind(&job).execute(&app.state.system).await.unwrap();
    let job = fetch_job(&app, &job).await;
    remove_job(&app, &job).await;
    for table in ["export_job", "export_item", "export_file", "export_event"] {
        assert_eq!(count_rows(&app, table).await, 0, "{table}");
    }
    app.delete(format!("/assets/{asset}")).await.expect_status(204);
    enforce_retention(&app.state).await.unwrap();
    assert_eq!(app.count_blobs().await, 0);
    app.assert_consistent().await;
}
