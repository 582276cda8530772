//! Renders that crash, hang or exhaust their process: the right code, no harm to other items, and a free slot at once.

use std::time::{Duration, Instant};

use image::ImageFormat;
use offprint::settings::Settings;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::support::export_jobs::{create_job, drain_work, fetch_items, fetch_job, run_export};
use crate::support::images::{draw_image, draw_jpeg, draw_quarters, encode_image};
use crate::support::test_app::TestApp;

/// The width of the image whose render hits the injected fault.
const FAULT_WIDTH: u32 = 77;

/// Exports three images, of which the second hits an injected fault; its failure.
async fn run_with_fault(pool: PgPool, kind: &str, change: impl FnOnce(&mut Settings)) -> Value {
    let app = TestApp::with_fault(pool, Some(&format!("{kind}:{FAULT_WIDTH}")), change).await;
    for (name, width) in [("1.jpg", 90), ("2.jpg", FAULT_WIDTH), ("3.jpg", 91)] {
        app.upload_asset(name, &draw_image(ImageFormat::Jpeg, width, 60, 1)).await;
    }
    let started = Instant::now();
    let job = run_export(&app, json!({"assetFilter": {}, "fmt": "convert", "is_modifier": "wid=20"})).await;
    assert!(started.elapsed() < Duration::from_secs(60), "{:?}", started.elapsed());
    assert_eq!((&job["outcome"], &job["counts"]["succeeded"]), (&json!("partiallyFailed"), &json!(2)), "{job}");
    let tries: i64 =
        sqlx::query_scalar("select count(*) from export_attempt where position = 1 and ending = 'crashed'")
            .fetch_one(&app.state.system)
            .await
            .unwrap();
    let failure = fetch_items(&app, &job).await[1]["failure"].clone();
    assert_eq!((failure["code"].as_str(), tries), (Some("poison"), 3), "{failure}");
    app.assert_consistent().await;
    failure
}

fn assert_detail_contains(failure: &Value, words: &str) {
    assert!(failure["detail"].as_str().unwrap().contains(words), "{failure}");
}

#[sqlx::test]
async fn a_render_that_aborts_is_alone(pool: PgPool) {
    assert_detail_contains(&run_with_fault(pool, "abort", |_| {}).await, "last time with render-crashed");
}

#[sqlx::test]
async fn a_render_that_panics_is_alone(pool: PgPool) {
    assert_detail_contains(&run_with_fault(pool, "panic", |_| {}).await, "last time with render-crashed");
}

#[sqlx::test]
async fn a_render_whose_stack_overflows_is_alone(pool: PgPool) {
    assert_detail_contains(&run_with_fault(pool, "stack", |_| {}).await, "last time with render-crashed");
}

#[sqlx::test]
async fn a_render_that_eats_memory_is_alone(pool: PgPool) {
    let failure = run_with_fault(pool, "memory", |settings| settings.max_render_memory = 512 << 20).await;
    assert_detail_contains(&failure, "last time with render-memory");
    assert_detail_contains(&failure, "536870912 bytes");
}

#[sqlx::test]
async fn a_render_that_hangs_is_alone(pool: PgPool) {
    let failure = run_with_fault(pool, "sleep", |settings| settings.max_render_time = Duration::from_secs(1)).await;
    assert_detail_contains(&failure, "last time with render-timeout: Rendering took longer than the limit of 1 s");
}

#[sqlx::test]
async fn a_render_that_spins_is_alone(pool: PgPool) {
    let failure = run_with_fault(pool, "spin", |settings| settings.max_render_cpu = Duration::from_secs(1)).await;
    assert_detail_contains(
        &failure,
        "last time with render-timeout: Rendering took more processor time than the limit of 1 s",
    );
}

#[sqlx::test]
async fn a_preview_that_crashes_is_a_problem(pool: PgPool) {
    let app = TestApp::with_fault(pool, Some("abort:77"), |_| {}).await;
    let (bad, good) = (draw_image(ImageFormat::Png, FAULT_WIDTH, 60, 1), draw_jpeg(1));
    let (bad, good) = (app.upload_asset("bad.png", &bad).await, app.upload_asset("good.jpg", &good).await);
    let problem = app.get(format!("/assets/{bad}/preview?is_modifier=wid%3D20")).await.expect_status(422);
    assert_eq!(problem["errors"][0]["code"], "render-crashed", "{problem}");
    app.get(format!("/assets/{good}/preview?is_modifier=wid%3D20")).await.expect_status(200);
}

/// The number of live render processes of this service.
fn count_render_processes(app: &TestApp) -> usize {
    let folder = app.folder.path().to_str().unwrap().as_bytes().to_owned();
    let lines = std::fs::read_dir("/proc").unwrap().flatten();
    lines
        .filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok())
        .filter(|line| line.windows(folder.len()).any(|part| part == folder))
        .count()
}

#[sqlx::test]
async fn a_stop_kills_the_render_at_once(pool: PgPool) {
    let app = TestApp::with_fault(pool, Some("sleep:77"), |settings| settings.lease = Duration::from_secs(1)).await;
    app.upload_asset("a.jpg", &draw_image(ImageFormat::Jpeg, FAULT_WIDTH, 60, 1)).await;
    let job = create_job(&app, json!({"assetFilter": {}, "fmt": "convert", "is_modifier": "wid=20"})).await;
    let state = app.state.clone();
    let working = tokio::spawn(async move { offprint::worker::drain_work(&state).await.unwrap() });
    while count_render_processes(&app) == 0 {
        tokio::task::yield_now().await;
    }
    app.post(format!("/export-jobs/{job}/stop"), json!({})).await.expect_status(200);
    let stopped = Instant::now();
    working.await.unwrap();
    while count_render_processes(&app) > 0 {
        tokio::task::yield_now().await;
    }
    assert!(stopped.elapsed() < Duration::from_secs(5), "{:?}", stopped.elapsed());
    drain_work(&app).await;
    assert_eq!(fetch_job(&app, &job).await["outcome"], "stopped");
    app.assert_consistent().await;
}

#[sqlx::test]
async fn processes_are_kept_warm(pool: PgPool) {
    let app = TestApp::open(pool).await;
    for seed in 1..=5 {
        app.upload_asset(&format!("{seed}.jpg"), &draw_image(ImageFormat::Jpeg, 90, 60, seed)).await;
    }
    let job = run_export(&app, json!({"assetFilter": {}, "fmt": "convert", "is_modifier": "wid=20"})).await;
    assert_eq!(job["outcome"], "succeeded", "{:#?}", fetch_items(&app, &job).await);
    assert_eq!(count_render_processes(&app), 1, "sequential renders need one process");
}

#[sqlx::test]
async fn a_plan_that_needs_too_much_is_refused_at_once(pool: PgPool) {
    let app = TestApp::with_settings(pool, |settings| settings.max_render_memory = 200 << 20).await;
    let large = encode_image(image::RgbImage::new(6000, 6000), ImageFormat::Png);
    app.upload_asset("large.png", &large).await;
    app.upload_asset("small.png", &draw_image(ImageFormat::Png, 90, 60, 1)).await;
    let job = run_export(&app, json!({"assetFilter": {}, "fmt": "convert", "is_modifier": "rotate=10&wid=20"})).await;
    let items = fetch_items(&app, &job).await;
    assert_eq!(items[0]["failure"]["code"], "render-memory", "{items:#?}");
    assert_detail_contains(&items[0]["failure"], "the limit of a render is 209715200");
    assert_eq!(items[1]["state"], "succeeded");
}

/// A GIF of this many one-pixel frames on a canvas of `side` x `side` px.
fn build_gif(side: u16, frames: usize) -> Vec<u8> {
    let mut file = b"GIF89a".to_vec();
    file.extend([side.to_le_bytes(), side.to_le_bytes()].concat());
    file.extend([0x80, 0, 0, 0, 0, 0, 255, 255, 255]);
    for _ in 0..frames {
        file.extend([0x2C, 0, 0, 0, 0, 1, 0, 1, 0, 0, 2, 2, 0x4C, 0x01, 0]);
    }
    file.push(0x3B);
    file
}

/// Malicious files with the code that each must fail with. `None`: it may also be rendered.
fn build_hostile_files() -> Vec<(&'static str, Vec<u8>, Option<&'static str>)> {
    let png = encode_image(draw_quarters(90, 60), ImageFormat::Png);
    let jpeg = draw_image(ImageFormat::Jpeg, 90, 60, 9);
    let mut lie = png.clone();
    lie[16..24].copy_from_slice(&[0x7F, 0xFF, 0xFF, 0xFF, 0x7F, 0xFF, 0xFF, 0xFF]);
    let mut progressive = b"\xFF\xD8\xFF\xDB\0\x43\0".to_vec();
    progressive.extend([1; 64]);
    progressive.extend(b"\xFF\xC2\0\x0B\x08\xFF\xDC\xFF\xDC\x01\x01\x11\0\xFF\xC4\0\x14\0\x01");
    progressive.extend([0; 16]);
    progressive.extend(b"\xFF\xDA\0\x08\x01\x01\0\0\0\0\0".repeat(2000));
    progressive.extend(b"\xFF\xD9");
    vec![
        ("bomb.png", encode_image(image::GrayImage::new(10_100, 10_000), ImageFormat::Png), Some("source-too-large")),
        ("frames.gif", build_gif(40, 501), None),
        ("composed.gif", build_gif(2000, 101), None),
        ("lie.png", lie, None),
        ("scans.jpg", progressive, Some("source-too-large")),
        ("cut.png", png[..png.len() / 2].to_vec(), Some("truncated")),
        ("cut.jpg", jpeg[..jpeg.len() / 2].to_vec(), Some("truncated")),
        ("head.jpg", jpeg[..30].to_vec(), None),
    ]
}

#[sqlx::test]
async fn hostile_files_are_refused_and_harm_no_neighbour(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let mut handles = Vec::new();
    for (name, bytes, _) in build_hostile_files() {
        handles.push(app.upload_asset(name, &bytes).await);
        handles.push(app.upload_asset(&format!("good beside {name}.jpg"), &draw_jpeg(handles.len() as u8)).await);
    }
    let request =
        json!({"assetHandleArray": handles, "fmt": "convert", "is_modifier": "wid=20", "onUnconvertible": "fail"});
    let job = run_export(&app, request).await;
    let items = fetch_items(&app, &job).await;
    for (number, (name, _, code)) in build_hostile_files().into_iter().enumerate() {
        let (bad, good) = (&items[2 * number], &items[2 * number + 1]);
        assert_eq!(good["state"], "succeeded", "{name}: {good}");
        if let Some(code) = code {
            assert_eq!(bad["failure"]["code"], code, "{name}: {bad}");
        }
        // Of an animation only the first frame is decoded, however many follow.
        let state = if name.ends_with(".gif") { "succeeded" } else { "failed" };
        assert_eq!(bad["state"], state, "{name}: {bad}");
    }
    app.assert_consistent().await;
}
