//! What is kept, for how long, and that nothing is removed that somebody still needs.

use offprint::worker::{remove_strays, retain};
use serde_json::json;
use sqlx::PgPool;

use crate::exportjob::{finished, items, jpg};
use crate::house::House;

async fn convert(house: &House, asset: &str) -> serde_json::Value {
    finished(house, json!({"assetHandleArray": [asset], "fmt": "convert", "is_modifier": "wid=20&fmt=png"})).await
}

#[sqlx::test]
async fn files_go_when_they_expire_and_the_job_stays(pool: PgPool) {
    let house = House::with(pool, |settings| settings.max_cache = 0).await;
    let asset = house.asset("a.jpg", &jpg(1)).await;
    let job = convert(&house, &asset).await;
    let place = format!("/export-jobs/{}", job["jobHandle"].as_str().unwrap());
    let before = house.blobs().await;
    house.later("6 days").await;
    retain(&house.state).await.unwrap();
    house.get(format!("{place}/archive")).await.is(200);
    house.later("2 days").await;
    retain(&house.state).await.unwrap();
    assert_eq!(house.get(format!("{place}/archive")).await.is(410)["code"], "results-expired");
    assert_eq!(house.get(format!("{place}/files/a.png")).await.is(410)["code"], "results-expired");
    assert_eq!(house.get(format!("{place}/manifest")).await.is(200)["counts"]["succeeded"], 1);
    assert_eq!(items(&house, &job).await.len(), 1);
    assert_eq!(house.post(format!("{place}/retry"), json!({})).await.is(409)["code"], "wrong-state");
    // The rendition and the index are gone; the original and the manifests are not.
    assert_eq!(house.blobs().await, before - 2);
    house.get(format!("/assets/{asset}/content")).await.is(200);
    house.later("90 days").await;
    retain(&house.state).await.unwrap();
    house.get(&place).await.is(404);
}

#[sqlx::test]
async fn a_rendition_that_fits_the_cache_is_reused_after_its_job_expired(pool: PgPool) {
    let house = House::open(pool).await;
    let asset = house.asset("a.jpg", &jpg(1)).await;
    convert(&house, &asset).await;
    house.later("30 days").await;
    retain(&house.state).await.unwrap();
    let again = convert(&house, &asset).await;
    assert_eq!(items(&house, &again).await[0]["reused"], true);
    house.check().await;
}

#[sqlx::test]
async fn a_deleted_asset_stays_as_long_as_a_job_pins_it(pool: PgPool) {
    let house = House::open(pool).await;
    let asset = house.asset("a.jpg", &jpg(1)).await;
    let job = finished(&house, json!({"assetHandleArray": [asset], "fmt": "orig"})).await;
    let place = format!("/export-jobs/{}", job["jobHandle"].as_str().unwrap());
    house.delete(format!("/assets/{asset}")).await.is(204);
    house.later("2 hours").await;
    retain(&house.state).await.unwrap();
    house.get(format!("{place}/files/a.jpg")).await.is(200);
    house.delete(&place).await.is(204);
    offprint::worker::sweep(&house.state).await.unwrap();
    retain(&house.state).await.unwrap();
    assert_eq!(house.blobs().await, 0, "nobody refers to anything any more");
}

#[sqlx::test]
async fn what_was_just_put_is_not_removed(pool: PgPool) {
    let house = House::open(pool).await;
    let staged = house.state.storage.stage_bytes(b"about to be used".to_vec()).await.unwrap();
    let digest = house.state.keep(staged).await.unwrap();
    retain(&house.state).await.unwrap();
    assert!(house.blob(&digest).exists());
    house.later("2 hours").await;
    retain(&house.state).await.unwrap();
    assert!(!house.blob(&digest).exists());
}

#[sqlx::test]
async fn a_stray_file_without_a_row_is_removed_when_it_is_old(pool: PgPool) {
    let house = House::open(pool).await;
    let asset = house.asset("a.jpg", &jpg(1)).await;
    let staged = house.state.storage.stage_bytes(b"nobody knows me".to_vec()).await.unwrap();
    let digest = staged.digest;
    house.state.storage.publish(staged).await.unwrap();
    let path = house.blob(&digest);
    let look = || async {
        for part in 0..=255 {
            remove_strays(&house.state, part).await.unwrap();
        }
    };
    look().await;
    assert!(path.exists(), "it may be about to get its row");
    let old = std::time::SystemTime::now() - std::time::Duration::from_secs(7200);
    let age =
        |path: &std::path::Path| std::fs::File::options().write(true).open(path).unwrap().set_modified(old).unwrap();
    age(&path);
    let asset = house.get(format!("/assets/{asset}")).await.is(200);
    let known = house.blob(&asset["sha256"].as_str().unwrap().parse().unwrap());
    age(&known);
    look().await;
    assert!(!path.exists() && known.exists());
}

#[sqlx::test]
async fn usage_says_what_a_company_has(pool: PgPool) {
    let house = House::open(pool).await;
    let usage = || async { house.get("/usage").await.is(200) };
    let nothing = json!({"count": 0, "bytes": 0});
    let before = usage().await;
    assert_eq!((&before["assets"], &before["storedBytes"]), (&nothing, &json!(0)));
    let (bytes, same) = (jpg(1), jpg(1));
    let asset = house.asset("a.jpg", &bytes).await;
    house.asset("b.jpg", &same).await;
    let size = bytes.len() as i64;
    let stored = usage().await;
    assert_eq!(stored["assets"], json!({"count": 2, "bytes": 2 * size}));
    assert_eq!(stored["storedBytes"], json!(size), "equal bytes are stored once");
    let job = convert(&house, &asset).await;
    let used = usage().await;
    assert_eq!((&used["files"]["count"], &used["files"]["bytes"]), (&json!(1), &job["bytes"]));
    assert_eq!((&used["renditions"]["count"], &used["renditions"]["bytes"]), (&json!(1), &job["bytes"]));
    assert_eq!(used["jobs"], json!({"total": 1, "unfinished": 0}));
    let all: i64 =
        sqlx::query_scalar("select sum(size)::bigint from blob").fetch_one(&house.state.system).await.unwrap();
    assert_eq!(used["storedBytes"], json!(all));
    house.later("8 days").await;
    retain(&house.state).await.unwrap();
    let after = usage().await;
    assert_eq!((&after["files"], &after["jobs"]["total"]), (&nothing, &json!(1)));
}

#[sqlx::test]
async fn files_are_kept_as_long_as_the_order_says_within_limits(pool: PgPool) {
    let house = House::open(pool).await;
    let asset = house.asset("a.jpg", &jpg(1)).await;
    let order = |seconds: i64| json!({"assetHandleArray": [asset], "fmt": "orig", "expiresIn": seconds});
    for wrong in [-1, 0, 59, 90 * 24 * 3600 + 1] {
        let problem = house.post("/export-jobs", order(wrong)).await.is(422);
        assert_eq!(problem["errors"][0]["pointer"], "/expiresIn", "{wrong}");
    }
    let job = finished(&house, order(60)).await;
    let place = format!("/export-jobs/{}", job["jobHandle"].as_str().unwrap());
    house.get(format!("{place}/archive")).await.is(200);
    house.later("61 seconds").await;
    // At once, not when the sweep comes by.
    for path in ["archive", "files/a.jpg", "download"] {
        let problem = house.get(format!("{place}/{path}")).await.is(410);
        assert_eq!(problem["code"], "results-expired", "{path}");
        assert!(problem["detail"].as_str().unwrap().contains("expiresIn"), "{problem}");
    }
    house.get(format!("{place}/manifest")).await.is(200);
}

#[sqlx::test]
async fn more_unused_bytes_than_fit_one_batch_go_in_one_sweep(pool: PgPool) {
    let house = House::open(pool).await;
    for number in 0..120 {
        let asset = house.asset(&format!("{number}.txt"), number.to_string().as_bytes()).await;
        house.delete(format!("/assets/{asset}")).await.is(204);
    }
    house.later("2 hours").await;
    retain(&house.state).await.unwrap();
    assert_eq!(house.blobs().await, 0);
    house.check().await;
}
