//! A house whose bytes are in an object store, from the upload to the sweep.

use std::io::{Cursor, Read};
use std::time::Duration;

use image::ImageFormat;
use offprint::worker::{remove_strays, retain, sweep};
use serde_json::json;
use sqlx::PgPool;

use crate::exportjob::{finished, items, jpg, ordered, picture, shown, work};
use crate::house::House;
use crate::s3::{Mood, S3};

#[sqlx::test]
async fn a_job_runs_from_upload_to_sweep(pool: PgPool) {
    let s3 = S3::start();
    let house = House::on_s3(pool, &s3).await;
    let photo = house.asset("photo.jpg", &jpg(1)).await;
    // Large enough to go up in parts and to come down in several ranges.
    let large = picture(ImageFormat::Bmp, 1900, 1600, 2);
    assert!(large.len() > 8 << 20);
    let poster = house.asset("poster.bmp", &large).await;
    assert_eq!((house.blobs().await, s3.names().len(), s3.uploads()), (2, 2, 0));

    let order = json!({"assetHandleArray": [photo, poster], "fmt": "convert", "is_modifier": "wid=20&fmt=png"});
    let job = finished(&house, order).await;
    assert_eq!(job["outcome"], "succeeded", "{job}");
    let place = format!("/export-jobs/{}", job["jobHandle"].as_str().unwrap());
    let png = house.get(format!("{place}/files/poster.png")).await;
    assert_eq!((png.header("content-type"), png.header("accept-ranges")), ("image/png", "bytes"));
    assert_eq!(image::load_from_memory(&png.body).unwrap().width(), 20);

    let originals = finished(&house, json!({"assetHandleArray": [poster, photo], "fmt": "orig"})).await;
    let place = format!("/export-jobs/{}", originals["jobHandle"].as_str().unwrap());
    let whole = house.get(format!("{place}/archive")).await;
    let mut zip = zip::ZipArchive::new(Cursor::new(whole.body.clone())).unwrap();
    for (name, expected) in [("poster.bmp", &large), ("photo.jpg", &jpg(1))] {
        let mut bytes = Vec::new();
        zip.by_name(name).unwrap().read_to_end(&mut bytes).unwrap();
        assert!(bytes == **expected, "{name}");
    }
    let (from, to) = (2_000_000, 9_100_000.min(whole.body.len() - 1));
    let part = house.get_with(format!("{place}/archive"), "range", &format!("bytes={from}-{to}")).await;
    assert_eq!(part.status.as_u16(), 206);
    assert!(part.body == whole.body[from..=to]);
    let content = house.get_with(format!("/assets/{poster}/content"), "range", "bytes=-5").await;
    assert_eq!(content.body, large[large.len() - 5..]);
    house.check().await;

    for asset in [photo, poster] {
        house.delete(format!("/assets/{asset}")).await.is(204);
    }
    for job in [&job, &originals] {
        house.delete(format!("/export-jobs/{}", job["jobHandle"].as_str().unwrap())).await.is(204);
    }
    sqlx::query("delete from rendition").execute(&house.state.system).await.unwrap();
    sweep(&house.state).await.unwrap();
    house.later("2 hours").await;
    retain(&house.state).await.unwrap();
    sweep(&house.state).await.unwrap();
    retain(&house.state).await.unwrap();
    assert_eq!((house.blobs().await, s3.names()), (0, Vec::new()));
    assert_eq!(std::fs::read_dir(house.folder.path().join("copies")).unwrap().count(), 0, "copies go with their blobs");
}

#[sqlx::test]
async fn strays_are_swept_from_an_object_store_too(pool: PgPool) {
    let s3 = S3::start();
    let house = House::on_s3(pool, &s3).await;
    let kept = house.asset("a.jpg", &jpg(1)).await;
    let staged = house.state.storage.stage_bytes(b"nobody knows me".to_vec()).await.unwrap();
    let (stray, part) = (S3::object(&staged.digest), staged.digest.0[0]);
    house.state.storage.publish(staged).await.unwrap();
    remove_strays(&house.state, part).await.unwrap();
    assert!(s3.names().contains(&stray), "it may be about to get its row");
    s3.later(Duration::from_secs(7200));
    for part in 0..=255 {
        remove_strays(&house.state, part).await.unwrap();
    }
    assert_eq!(s3.names().len(), 1);
    house.get(format!("/assets/{kept}/content")).await.is(200);
}

#[sqlx::test]
async fn items_wait_for_a_store_that_is_away(pool: PgPool) {
    let s3 = S3::start();
    let house = House::on_s3(pool, &s3).await;
    let asset = house.asset("a.jpg", &jpg(1)).await;
    assert_eq!(house.get("/health/ready").await.is(200)["status"], "ok");
    let order = json!({"assetHandleArray": [asset], "fmt": "convert", "is_modifier": "wid=20"});
    let handle = ordered(&house, order).await;

    s3.is(Mood::Refusing(503));
    work(&house).await;
    assert_eq!(house.get("/health/ready").await.is(503)["status"], "storage");
    assert_eq!(house.get(format!("/assets/{asset}/content")).await.is(503)["code"], "unavailable");
    assert_eq!(house.upload_to("", &[("b.jpg", &jpg(2))]).await.is(503)["code"], "unavailable");
    let job = shown(&house, &handle).await;
    assert_eq!((&job["counts"]["waiting"], &job["state"]), (&1.into(), &"running".into()));

    s3.is(Mood::Well);
    house.later("1 hour").await;
    work(&house).await;
    let job = shown(&house, &handle).await;
    assert_eq!(job["outcome"], "succeeded", "{:?}", items(&house, &job).await);
    house.check().await;
}

#[sqlx::test]
async fn a_picture_that_is_rendered_twice_is_fetched_once(pool: PgPool) {
    let s3 = S3::start();
    let house = House::on_s3(pool, &s3).await;
    let asset = house.asset("a.jpg", &jpg(1)).await;
    let convert = |modifier: &str| json!({"assetHandleArray": [asset], "fmt": "convert", "is_modifier": modifier});
    assert_eq!(finished(&house, convert("wid=20")).await["outcome"], "succeeded");
    // An original that is gone from the store is still here.
    let puts = s3.puts();
    let digest = house.get(format!("/assets/{asset}")).await.is(200)["sha256"].as_str().unwrap().parse().unwrap();
    s3.overwrite(&S3::object(&digest), b"");
    assert_eq!(finished(&house, convert("wid=21")).await["outcome"], "succeeded");
    assert!(s3.puts() > puts);
    let row = house.state.storage.sound(&digest, jpg(1).len() as u64, crc32fast::hash(&jpg(1))).await;
    assert_eq!(std::fs::read(&*row.unwrap()).unwrap(), jpg(1));
}
