//! Bytes that went bad where they lie: who finds it, who says it, and how it heals.

use offprint::digest::Digest;
use offprint::worker::scrub;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::exportjob::{finished, items, jpg, shown, work};
use crate::house::House;

/// Flips a byte of a blob's file that no decoder looks at.
fn spoil(house: &House, digest: &Digest) {
    let path = house.blob(digest);
    let mut bytes = std::fs::read(&path).unwrap();
    let last = bytes.len() - 3;
    bytes[last] ^= 1;
    std::fs::write(path, bytes).unwrap();
}

async fn check_all(house: &House) {
    sqlx::query("update blob set checked_at = now() - interval '31 days'").execute(&house.state.system).await.unwrap();
    while scrub(&house.state).await.unwrap() {}
}

async fn damaged(house: &House) -> Value {
    house.get("/health/ready").await.is(200)["damagedBlobs"].clone()
}

#[sqlx::test]
async fn the_scrub_finds_damage_and_sees_it_healed(pool: PgPool) {
    let house = House::with(pool, |settings| settings.scrub_pace = u64::MAX).await;
    let (bad, good) = (house.asset("bad.jpg", &jpg(1)).await, house.asset("good.jpg", &jpg(2)).await);
    assert!(!scrub(&house.state).await.unwrap(), "what was just put needs no look");
    check_all(&house).await;
    assert_eq!(damaged(&house).await, Value::Null);
    spoil(&house, &Digest::of(&jpg(1)));
    check_all(&house).await;
    assert_eq!(damaged(&house).await, 1);
    let metrics = String::from_utf8(house.get("/metrics").await.body).unwrap();
    assert!(metrics.contains("\noffprint_damaged_blobs 1\n"), "{metrics}");

    // From now on nobody gets the bytes, as a whole or in part, and no order of them succeeds.
    let content = format!("/assets/{bad}/content");
    assert_eq!(house.get(&content).await.is(500)["code"], "corrupt-original");
    assert_eq!(house.get_with(&content, "range", "bytes=0-3").await.is(500)["code"], "corrupt-original");
    let order = json!({"assetHandleArray": [good, bad], "fmt": "orig"});
    let job = finished(&house, order).await;
    let failures: Vec<Value> = items(&house, &job).await.iter().map(|item| item["failure"]["code"].clone()).collect();
    assert_eq!(failures, [Value::Null, Value::from("corrupt-original")]);

    // The file that was uploaded heals it.
    house.asset("again.jpg", &jpg(1)).await;
    assert_eq!(damaged(&house).await, Value::Null);
    let handle = job["jobHandle"].as_str().unwrap();
    house.post(format!("/export-jobs/{handle}/retry"), json!({})).await.is(200);
    work(&house).await;
    assert_eq!(shown(&house, handle).await["outcome"], "succeeded");
    assert_eq!(house.get(&content).await.body, jpg(1));
    house.check().await;
}

#[sqlx::test]
async fn a_damaged_rendition_is_rendered_anew(pool: PgPool) {
    let house = House::with(pool, |settings| settings.scrub_pace = u64::MAX).await;
    let asset = house.asset("a.jpg", &jpg(1)).await;
    let order = json!({"assetHandleArray": [asset], "fmt": "convert", "is_modifier": "wid=20&fmt=png"});
    let job = finished(&house, order.clone()).await;
    let place = format!("/export-jobs/{}/files/a.png", job["jobHandle"].as_str().unwrap());
    let png = house.get(&place).await.body;
    spoil(&house, &Digest::of(&png));
    check_all(&house).await;
    assert_eq!(house.get(&place).await.is(500)["code"], "corrupt-original");
    let again = finished(&house, order).await;
    assert_eq!(items(&house, &again).await[0]["reused"], false);
    // The same bytes, so the first job is whole again too.
    assert_eq!(house.get(&place).await.body, png);
    assert_eq!(damaged(&house).await, Value::Null);
}

#[sqlx::test]
async fn bytes_that_are_gone_are_damage_too(pool: PgPool) {
    let house = House::open(pool).await;
    house.asset("a.jpg", &jpg(1)).await;
    std::fs::remove_file(house.blob(&Digest::of(&jpg(1)))).unwrap();
    check_all(&house).await;
    assert_eq!(damaged(&house).await, 1);
}

/// Runs `offprint admin …` on this house; its exit code and what it printed.
async fn admin(house: &House, words: &[&str]) -> (i32, Value) {
    let name: String = sqlx::query_scalar("select current_database()").fetch_one(&house.state.system).await.unwrap();
    let mut url = url::Url::parse(&std::env::var("DATABASE_URL").unwrap()).unwrap();
    url.set_path(&name);
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_offprint"));
    command.arg("admin").args(words).env("DATABASE_URL", url.as_str()).env("OFFPRINT_DATA_DIR", house.folder.path());
    let ended = command.output().await.unwrap();
    let said = serde_json::from_slice(&ended.stdout);
    let said = said.unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&ended.stderr)));
    (ended.status.code().unwrap(), said)
}

#[sqlx::test]
async fn verify_names_all_that_is_wrong(pool: PgPool) {
    let house = House::open(pool).await;
    for seed in 1..=4 {
        house.asset(&format!("{seed}.jpg"), &jpg(seed)).await;
    }
    let (code, report) = admin(&house, &["verify", "--deep"]).await;
    assert_eq!((code, &report["blobs"], &report["deep"]), (0, &4.into(), &true.into()), "{report}");

    let digest = |seed| Digest::of(&jpg(seed));
    std::fs::remove_file(house.blob(&digest(1))).unwrap();
    std::fs::write(house.blob(&digest(2)), b"cut").unwrap();
    spoil(&house, &digest(3));
    let staged = house.state.storage.stage_bytes(b"nobody knows me".to_vec()).await.unwrap();
    let stray = staged.digest;
    house.state.storage.publish(staged).await.unwrap();
    let (_, report) = admin(&house, &["verify"]).await;
    assert_eq!(report["strays"]["count"], 0, "it may be about to get its row");
    let old = std::time::SystemTime::now() - std::time::Duration::from_secs(7200);
    std::fs::File::options().write(true).open(house.blob(&stray)).unwrap().set_modified(old).unwrap();

    let named = |digest: Digest| json!({"count": 1, "sha256": [digest.to_string()]});
    let (code, report) = admin(&house, &["verify"]).await;
    assert_eq!(code, 2);
    assert_eq!((&report["missing"], &report["wrongSize"]), (&named(digest(1)), &named(digest(2))));
    assert_eq!((&report["damaged"]["count"], &report["strays"]), (&0.into(), &named(stray)));
    let (code, report) = admin(&house, &["verify", "--deep"]).await;
    assert_eq!((code, &report["damaged"]), (2, &named(digest(3))));
    assert_eq!(damaged(&house).await, 3);
}

#[sqlx::test]
async fn a_storage_can_be_copied_and_the_copy_goes_on_where_it_stopped(pool: PgPool) {
    let house = House::open(pool).await;
    for seed in 1..=3 {
        house.asset(&format!("{seed}.jpg"), &jpg(seed)).await;
    }
    let there = tempfile::tempdir().unwrap();
    let from = format!("file://{}", house.folder.path().display());
    let to = format!("file://{}", there.path().display());
    spoil(&house, &Digest::of(&jpg(2)));
    let copy = ["copy-storage", "--from", &from, "--to", &to];
    let (code, report) = admin(&house, &copy).await;
    assert_eq!((code, &report["copied"], &report["skipped"]), (2, &2.into(), &0.into()));
    assert_eq!(report["damaged"], json!([Digest::of(&jpg(2)).to_string()]));
    std::fs::write(house.blob(&Digest::of(&jpg(2))), jpg(2)).unwrap();
    let (code, report) = admin(&house, &copy).await;
    assert_eq!((code, &report["copied"], &report["skipped"]), (0, &1.into(), &2.into()));
    for seed in 1..=3 {
        let digest = Digest::of(&jpg(seed));
        assert_eq!(std::fs::read(crate::house::file_of(&there, &digest)).unwrap(), jpg(seed));
    }
}
