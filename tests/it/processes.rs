//! Renders that break their process: the right code, right neighbours, and the slot back at once.

use std::time::{Duration, Instant};

use image::ImageFormat;
use offprint::settings::Settings;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::exportjob::{finished, items, jpg, ordered, picture, shown, work};
use crate::house::House;
use crate::render::{file_of, quarters};

/// The width of the picture that meets the fault.
const STRUCK: u32 = 77;

/// Exports three pictures, of which the one in the middle meets a fault; gives its failure.
async fn struck(pool: PgPool, kind: &str, change: impl FnOnce(&mut Settings)) -> Value {
    let house = House::with_fault(pool, Some(&format!("{kind}:{STRUCK}")), change).await;
    for (name, width) in [("1.jpg", 90), ("2.jpg", STRUCK), ("3.jpg", 91)] {
        house.asset(name, &picture(ImageFormat::Jpeg, width, 60, 1)).await;
    }
    let begun = Instant::now();
    let job = finished(&house, json!({"assetFilter": {}, "fmt": "convert", "is_modifier": "wid=20"})).await;
    assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());
    assert_eq!((&job["outcome"], &job["counts"]["succeeded"]), (&json!("partiallyFailed"), &json!(2)), "{job}");
    let tries: i64 =
        sqlx::query_scalar("select count(*) from export_attempt where position = 1 and ending = 'crashed'")
            .fetch_one(&house.state.system)
            .await
            .unwrap();
    let failure = items(&house, &job).await[1]["failure"].clone();
    assert_eq!((failure["code"].as_str(), tries), (Some("poison"), 3), "{failure}");
    house.check().await;
    failure
}

fn says(failure: &Value, words: &str) {
    assert!(failure["detail"].as_str().unwrap().contains(words), "{failure}");
}

#[sqlx::test]
async fn a_render_that_aborts_is_alone(pool: PgPool) {
    says(&struck(pool, "abort", |_| {}).await, "last as render-crashed");
}

#[sqlx::test]
async fn a_render_that_panics_is_alone(pool: PgPool) {
    says(&struck(pool, "panic", |_| {}).await, "last as render-crashed");
}

#[sqlx::test]
async fn a_render_whose_stack_overflows_is_alone(pool: PgPool) {
    says(&struck(pool, "stack", |_| {}).await, "last as render-crashed");
}

#[sqlx::test]
async fn a_render_that_eats_memory_is_alone(pool: PgPool) {
    let failure = struck(pool, "memory", |settings| settings.max_render_memory = 512 << 20).await;
    says(&failure, "last as render-memory");
    says(&failure, "536870912 bytes");
}

#[sqlx::test]
async fn a_render_that_hangs_is_alone(pool: PgPool) {
    let failure = struck(pool, "sleep", |settings| settings.max_render_time = Duration::from_secs(1)).await;
    says(&failure, "last as render-timeout: Rendering took longer than the limit of 1 s");
}

#[sqlx::test]
async fn a_render_that_spins_is_alone(pool: PgPool) {
    let failure = struck(pool, "spin", |settings| settings.max_render_cpu = Duration::from_secs(1)).await;
    says(&failure, "last as render-timeout: Rendering took more processor time than the limit of 1 s");
}

#[sqlx::test]
async fn a_preview_that_crashes_is_a_problem(pool: PgPool) {
    let house = House::with_fault(pool, Some("abort:77"), |_| {}).await;
    let (bad, good) = (picture(ImageFormat::Png, STRUCK, 60, 1), jpg(1));
    let (bad, good) = (house.asset("bad.png", &bad).await, house.asset("good.jpg", &good).await);
    let problem = house.get(format!("/assets/{bad}/preview?is_modifier=wid%3D20")).await.is(422);
    assert_eq!(problem["errors"][0]["code"], "render-crashed", "{problem}");
    house.get(format!("/assets/{good}/preview?is_modifier=wid%3D20")).await.is(200);
}

/// Render processes of this house that live.
fn processes(house: &House) -> usize {
    let folder = house.folder.path().to_str().unwrap().as_bytes().to_owned();
    let lines = std::fs::read_dir("/proc").unwrap().flatten();
    lines
        .filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok())
        .filter(|line| line.windows(folder.len()).any(|part| part == folder))
        .count()
}

#[sqlx::test]
async fn a_stop_kills_the_render_at_once(pool: PgPool) {
    let house = House::with_fault(pool, Some("sleep:77"), |settings| settings.lease = Duration::from_secs(1)).await;
    house.asset("a.jpg", &picture(ImageFormat::Jpeg, STRUCK, 60, 1)).await;
    let job = ordered(&house, json!({"assetFilter": {}, "fmt": "convert", "is_modifier": "wid=20"})).await;
    let state = house.state.clone();
    let working = tokio::spawn(async move { offprint::worker::drain(&state).await.unwrap() });
    while processes(&house) == 0 {
        tokio::task::yield_now().await;
    }
    house.post(format!("/export-jobs/{job}/stop"), json!({})).await.is(200);
    let stopped = Instant::now();
    working.await.unwrap();
    while processes(&house) > 0 {
        tokio::task::yield_now().await;
    }
    assert!(stopped.elapsed() < Duration::from_secs(5), "{:?}", stopped.elapsed());
    work(&house).await;
    assert_eq!(shown(&house, &job).await["outcome"], "stopped");
    house.check().await;
}

#[sqlx::test]
async fn processes_are_kept_warm_and_confined(pool: PgPool) {
    let house = House::with_fault(pool, Some("escape:77"), |_| {}).await;
    let walls = house.get("/info").await.is(200)["renderProcess"].clone();
    for wall in ["addressSpace", "cpu", "parentDeath"] {
        assert_eq!(walls[wall], true, "{walls}");
    }
    let all = walls["landlockFiles"] == true && walls["landlockNetwork"] == true;
    for seed in 1..=5 {
        let width = if all { STRUCK } else { 76 };
        house.asset(&format!("{seed}.jpg"), &picture(ImageFormat::Jpeg, width, 60, seed)).await;
    }
    let job = finished(&house, json!({"assetFilter": {}, "fmt": "convert", "is_modifier": "wid=20"})).await;
    assert_eq!(job["outcome"], "succeeded", "{:#?}", items(&house, &job).await);
    assert_eq!(processes(&house), 1, "one after the other needs one process");
}

#[sqlx::test]
async fn a_plan_that_needs_too_much_is_refused_at_once(pool: PgPool) {
    let house = House::with(pool, |settings| settings.max_render_memory = 200 << 20).await;
    let large = file_of(image::RgbImage::new(6000, 6000), ImageFormat::Png);
    house.asset("large.png", &large).await;
    house.asset("small.png", &picture(ImageFormat::Png, 90, 60, 1)).await;
    let job = finished(&house, json!({"assetFilter": {}, "fmt": "convert", "is_modifier": "rotate=10&wid=20"})).await;
    let items = items(&house, &job).await;
    assert_eq!(items[0]["failure"]["code"], "render-memory", "{items:#?}");
    says(&items[0]["failure"], "the limit of a render is 209715200");
    assert_eq!(items[1]["state"], "succeeded");
}

/// A GIF of so many one-pixel frames on a screen.
fn gif(side: u16, frames: usize) -> Vec<u8> {
    let mut file = b"GIF89a".to_vec();
    file.extend([side.to_le_bytes(), side.to_le_bytes()].concat());
    file.extend([0x80, 0, 0, 0, 0, 0, 255, 255, 255]);
    for _ in 0..frames {
        file.extend([0x2C, 0, 0, 0, 0, 1, 0, 1, 0, 0, 2, 2, 0x4C, 0x01, 0]);
    }
    file.push(0x3B);
    file
}

/// Files that want to harm, with the codes that they may end with. None: it may as well be rendered.
fn hostile() -> Vec<(&'static str, Vec<u8>, Option<&'static str>)> {
    let png = file_of(quarters(90, 60), ImageFormat::Png);
    let jpeg = picture(ImageFormat::Jpeg, 90, 60, 9);
    let mut lie = png.clone();
    lie[16..24].copy_from_slice(&[0x7F, 0xFF, 0xFF, 0xFF, 0x7F, 0xFF, 0xFF, 0xFF]);
    let mut progressive = b"\xFF\xD8\xFF\xDB\0\x43\0".to_vec();
    progressive.extend([1; 64]);
    progressive.extend(b"\xFF\xC2\0\x0B\x08\xFF\xDC\xFF\xDC\x01\x01\x11\0\xFF\xC4\0\x14\0\x01");
    progressive.extend([0; 16]);
    progressive.extend(b"\xFF\xDA\0\x08\x01\x01\0\0\0\0\0".repeat(2000));
    progressive.extend(b"\xFF\xD9");
    vec![
        ("bomb.png", file_of(image::GrayImage::new(10_100, 10_000), ImageFormat::Png), Some("source-too-large")),
        ("frames.gif", gif(40, 501), Some("source-too-large")),
        ("composed.gif", gif(2000, 101), Some("source-too-large")),
        ("still.gif", gif(40, 400), None),
        ("lie.png", lie, None),
        ("scans.jpg", progressive, Some("source-too-large")),
        ("cut.png", png[..png.len() / 2].to_vec(), Some("truncated")),
        ("cut.jpg", jpeg[..jpeg.len() / 2].to_vec(), Some("truncated")),
        ("head.jpg", jpeg[..30].to_vec(), None),
    ]
}

#[sqlx::test]
async fn hostile_files_are_refused_and_harm_no_neighbour(pool: PgPool) {
    let house = House::open(pool).await;
    let mut handles = Vec::new();
    for (name, bytes, _) in hostile() {
        handles.push(house.asset(name, &bytes).await);
        handles.push(house.asset(&format!("good beside {name}.jpg"), &jpg(handles.len() as u8)).await);
    }
    let order =
        json!({"assetHandleArray": handles, "fmt": "convert", "is_modifier": "wid=20", "onUnconvertible": "fail"});
    let job = finished(&house, order).await;
    let items = items(&house, &job).await;
    for (number, (name, _, code)) in hostile().into_iter().enumerate() {
        let (bad, good) = (&items[2 * number], &items[2 * number + 1]);
        assert_eq!(good["state"], "succeeded", "{name}: {good}");
        if let Some(code) = code {
            assert_eq!(bad["failure"]["code"], code, "{name}: {bad}");
        }
        if name != "still.gif" {
            assert_eq!(bad["state"], "failed", "{name}: {bad}");
        }
    }
    house.check().await;
}
