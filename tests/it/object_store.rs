//! A service whose blobs are in an object store, from the upload to the sweep.

use std::io::{Cursor, Read};
use std::time::Duration;

use image::ImageFormat;
use offprint::worker::{enforce_retention, remove_stray_files, sweep_expired};
use serde_json::json;
use sqlx::PgPool;

use crate::support::export_jobs::{create_job, drain_work, fetch_items, fetch_job, run_export};
use crate::support::fake_s3::{FakeS3, S3Behavior};
use crate::support::images::{draw_image, draw_jpeg};
use crate::support::test_app::TestApp;

#[sqlx::test]
async fn a_job_runs_from_upload_to_sweep(pool: PgPool) {
    let s3 = FakeS3::start();
    let app = TestApp::with_s3(pool, &s3).await;
    let photo = app.upload_asset("photo.jpg", &draw_jpeg(1)).await;
    // Large enough for a multipart upload and for downloads in several ranges.
    let large = draw_image(ImageFormat::Bmp, 1900, 1600, 2);
    assert!(large.len() > 8 << 20);
    let poster = app.upload_asset("poster.bmp", &large).await;
    assert_eq!((app.count_blobs().await, s3.object_names().len(), s3.upload_count()), (2, 2, 0));

    let request = json!({"assetHandleArray": [photo, poster], "fmt": "convert", "is_modifier": "wid=20&fmt=png"});
    let job = run_export(&app, request).await;
    assert_eq!(job["outcome"], "succeeded", "{job}");
    let place = format!("/export-jobs/{}", job["jobHandle"].as_str().unwrap());
    let png = app.get(format!("{place}/files/poster.png")).await;
    assert_eq!((png.header("content-type"), png.header("accept-ranges")), ("image/png", "bytes"));
    assert_eq!(image::load_from_memory(&png.body).unwrap().width(), 20);

    let originals = run_export(&app, json!({"assetHandleArray": [poster, photo], "fmt": "orig"})).await;
    let place = format!("/export-jobs/{}", originals["jobHandle"].as_str().unwrap());
    let whole = app.get(format!("{place}/archive")).await;
    let mut zip = zip::ZipArchive::new(Cursor::new(whole.body.clone())).unwrap();
    for (name, expected) in [("poster.bmp", &large), ("photo.jpg", &draw_jpeg(1))] {
        let mut bytes = Vec::new();
        zip.by_name(name).unwrap().read_to_end(&mut bytes).unwrap();
        assert!(bytes == **expected, "{name}");
    }
    let (from, to) = (2_000_000, 9_100_000.min(whole.body.len() - 1));
    let part = app.get_with_header(format!("{place}/archive"), "range", &format!("bytes={from}-{to}")).await;
    assert_eq!(part.status.as_u16(), 206);
    assert!(part.body == whole.body[from..=to]);
    let content = app.get_with_header(format!("/assets/{poster}/content"), "range", "bytes=-5").await;
    assert_eq!(content.body, large[large.len() - 5..]);
    app.assert_consistent().await;

    for asset in [photo, poster] {
        app.delete(format!("/assets/{asset}")).await.expect_status(204);
    }
    for job in [&job, &originals] {
        app.delete(format!("/export-jobs/{}", job["jobHandle"].as_str().unwrap())).await.expect_status(204);
    }
    sqlx::query("delete from rendition").execute(&app.state.system).await.unwrap();
    sweep_expired(&app.state).await.unwrap();
    app.advance_time("2 hours").await;
    enforce_retention(&app.state).await.unwrap();
    sweep_expired(&app.state).await.unwrap();
    enforce_retention(&app.state).await.unwrap();
    assert_eq!((app.count_blobs().await, s3.object_names()), (0, Vec::new()));
    assert_eq!(
        std::fs::read_dir(app.folder.path().join("copies")).unwrap().count(),
        0,
        "cached copies are removed with their blobs"
    );
}

#[sqlx::test]
async fn strays_are_swept_from_an_object_store_too(pool: PgPool) {
    let s3 = FakeS3::start();
    let app = TestApp::with_s3(pool, &s3).await;
    let kept = app.upload_asset("a.jpg", &draw_jpeg(1)).await;
    let staged = app.state.storage.stage_bytes(b"nobody knows me".to_vec()).await.unwrap();
    let (stray, part) = (FakeS3::object_name(&staged.digest), staged.digest.0[0]);
    app.state.storage.publish(staged).await.unwrap();
    remove_stray_files(&app.state, part).await.unwrap();
    assert!(s3.object_names().contains(&stray), "a new object may be about to get its row");
    s3.age_objects(Duration::from_secs(7200));
    for part in 0..=255 {
        remove_stray_files(&app.state, part).await.unwrap();
    }
    assert_eq!(s3.object_names().len(), 1);
    app.get(format!("/assets/{kept}/content")).await.expect_status(200);
}

#[sqlx::test]
async fn items_wait_for_a_store_that_is_away(pool: PgPool) {
    let s3 = FakeS3::start();
    let app = TestApp::with_s3(pool, &s3).await;
    let asset = app.upload_asset("a.jpg", &draw_jpeg(1)).await;
    assert_eq!(app.get("/health/ready").await.expect_status(200)["status"], "ok");
    let request = json!({"assetHandleArray": [asset], "fmt": "convert", "is_modifier": "wid=20"});
    let handle = create_job(&app, request).await;

    s3.set_behavior(S3Behavior::Failing(503));
    drain_work(&app).await;
    app.state.readiness.clear().await;
    assert_eq!(app.get("/health/ready").await.expect_status(503)["status"], "storage");
    assert_eq!(app.get(format!("/assets/{asset}/content")).await.expect_status(503)["code"], "unavailable");
    assert_eq!(app.upload_to("", &[("b.jpg", &draw_jpeg(2))]).await.expect_status(503)["code"], "unavailable");
    let job = fetch_job(&app, &handle).await;
    assert_eq!((&job["counts"]["waiting"], &job["state"]), (&1.into(), &"running".into()));

    s3.set_behavior(S3Behavior::Healthy);
    app.advance_time("1 hour").await;
    drain_work(&app).await;
    let job = fetch_job(&app, &handle).await;
    assert_eq!(job["outcome"], "succeeded", "{:?}", fetch_items(&app, &job).await);
    app.assert_consistent().await;
}

#[sqlx::test]
async fn an_image_that_is_rendered_twice_is_fetched_once(pool: PgPool) {
    let s3 = FakeS3::start();
    let app = TestApp::with_s3(pool, &s3).await;
    let asset = app.upload_asset("a.jpg", &draw_jpeg(1)).await;
    let convert = |modifier: &str| json!({"assetHandleArray": [asset], "fmt": "convert", "is_modifier": modifier});
    assert_eq!(run_export(&app, convert("wid=20")).await["outcome"], "succeeded");
    // The original is deleted from the store, but a local copy is still cached.
    let puts = s3.put_count();
    let digest =
        app.get(format!("/assets/{asset}")).await.expect_status(200)["sha256"].as_str().unwrap().parse().unwrap();
    s3.overwrite(&FakeS3::object_name(&digest), b"");
    assert_eq!(run_export(&app, convert("wid=21")).await["outcome"], "succeeded");
    assert!(s3.put_count() > puts);
    let row = app.state.storage.open_verified(&digest, draw_jpeg(1).len() as u64, crc32fast::hash(&draw_jpeg(1))).await;
    assert_eq!(std::fs::read(&*row.unwrap()).unwrap(), draw_jpeg(1));
}
