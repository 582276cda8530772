//! `nameTemplate`: files are named as the request says.

use image::{ImageFormat, RgbImage};
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::support::export_jobs::{fetch_items, run_export};
use crate::support::images::encode_image;
use crate::support::schedules::{YEARLY_CRON, get_schedule_handle, make_schedules_due};
use crate::support::test_app::TestApp;

async fn upload(app: &TestApp, folder: &str, name: &str, width: u32, height: u32) -> String {
    let bytes = encode_image(RgbImage::new(width, height), ImageFormat::Jpeg);
    let answer = app.upload_to(folder, &[(name, &bytes)]).await.expect_status(201);
    answer["assets"][0]["assetHandle"].as_str().unwrap().to_owned()
}

fn list_paths(items: &[Value]) -> Vec<&str> {
    let files = items.iter().flat_map(|item| item["files"].as_array().unwrap());
    files.map(|file| file["path"].as_str().unwrap()).collect()
}

/// The cells of each row of a table of code spans.
fn read_code_table<'a>(text: &'a str, header: &str) -> Vec<(String, &'a str)> {
    let rows = text.split_once(header).unwrap().1.lines().skip(2).take_while(|line| line.starts_with('|'));
    let cells = rows.map(|row| row.trim_matches(['|', ' ']).rsplit_once(" | ").unwrap());
    cells.map(|(template, file)| (template.trim_matches('`').replace("\\|", "|"), file.trim_matches('`'))).collect()
}

#[sqlx::test]
async fn the_documented_templates_make_the_documented_names(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let first = upload(&app, "", "first.jpg", 8, 8).await;
    let asset = upload(&app, "shoes/red", "12345_A.jpg", 1600, 1200).await;
    app.patch(format!("/assets/{asset}"), json!({"metadata": {"sku": "4711"}})).await.expect_status(200);
    app.patch(format!("/assets/{first}"), json!({"metadata": {"sku": "1"}})).await.expect_status(200);
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/NAMES.md")).unwrap();
    let rows = read_code_table(&text, "| template | file |");
    assert!(rows.len() >= 8, "{rows:?}");
    for (template, file) in rows {
        let request = json!({
            "assetHandleArray": [first, asset], "fmt": "convert", "is_modifier": "wid=800&fmt=jpeg", "nameTemplate": template,
        });
        let dry = app.post("/export-jobs/validate", request).await.expect_status(200);
        assert_eq!(dry["items"][1]["files"][0]["path"], *file, "{template}: {dry:#}");
    }
}

#[sqlx::test]
async fn names_of_assets_renditions_and_requests_are_shown_and_used(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let main = upload(&app, "in", "12345_A.jpg", 40, 20).await;
    let back = upload(&app, "in", "12345_B.jpg", 20, 40).await;
    let request = json!({
        "fmt": "convert", "assetHandleArray": [main],
        "assets": [{"assetHandle": back, "nameTemplate": "own/{rendition}-{width}x{height}"}],
        "nameTemplate": "{name|before:_}.{name|after:_|map:A=MAIN,B=PT01}",
        "renditions": [
            {"name": "big", "is_modifier": "wid=20&fmt=jpeg"},
            {"name": "small", "is_modifier": "wid=10&fmt=png", "nameTemplate": "{rendition}/{name}"},
        ],
    });
    let names = ["12345.MAIN.jpg", "small/12345_A.png", "own/big-20x40.jpg", "own/small-10x20.png"];
    let dry = app.post("/export-jobs/validate", request.clone()).await.expect_status(200);
    assert_eq!(list_paths(dry["items"].as_array().unwrap()), names);
    let job = run_export(&app, request).await;
    assert_eq!(
        (&job["outcome"], &job["nameTemplate"]),
        (
            &json!("succeeded"),
            &dry["renditions"][0]["nameTemplate"]
                .clone()
                .as_str()
                .map_or(json!("{name|before:_}.{name|after:_|map:A=MAIN,B=PT01}"), |_| Value::Null)
        )
    );
    assert_eq!(job["renditions"][1]["nameTemplate"], "{rendition}/{name}");
    let items = fetch_items(&app, &job).await;
    assert_eq!(list_paths(&items), names);
    let size = &items[1]["files"][0];
    assert_eq!((&size["width"], &size["height"]), (&json!(20), &json!(40)), "the size in the name is that of the file");
    app.assert_consistent().await;
}

#[sqlx::test]
async fn equal_names_get_numbers_and_folders_are_no_files(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let mut handles = Vec::new();
    for name in ["one_a.jpg", "one_b.jpg", "x.jpg"] {
        handles.push(upload(&app, "", name, 4, 4).await);
    }
    let request = json!({
        "fmt": "orig", "assetHandleArray": handles[..2],
        "assets": [{"assetHandle": handles[2], "nameTemplate": "ONE.jpg/{name}"}],
        "nameTemplate": "{name|before:_}",
    });
    let dry = app.post("/export-jobs/validate", request).await.expect_status(200);
    // `ONE.jpg` is a folder, so on a system that ignores case no file can have this name.
    assert_eq!(list_paths(dry["items"].as_array().unwrap()), ["one (2).jpg", "one (3).jpg", "ONE.jpg/x.jpg"]);
    let folders = json!({"fmt": "orig", "assetHandleArray": handles, "layout": "folders", "nameTemplate": "a/{name}"});
    let dry = app.post("/export-jobs/validate", folders).await.expect_status(200);
    assert_eq!(list_paths(dry["items"].as_array().unwrap()), ["a/one_a.jpg", "a/one_b.jpg", "a/x.jpg"]);
}

#[sqlx::test]
async fn mistakes_are_refused_with_their_places(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let asset = upload(&app, "", "a.jpg", 4, 4).await;
    let request = json!({
        "fmt": "convert", "assets": [{"assetHandle": asset, "nameTemplate": "../{name}"}], "nameTemplate": "{name}-{nmae}",
        "renditions": [{"name": "x", "is_modifier": "wid=2", "nameTemplate": "{name|aftr:_}"}],
    });
    let refused = app.post("/export-jobs", request).await.expect_status(422);
    let errors: Vec<_> = refused["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| (error["pointer"].as_str().unwrap(), error["offset"].as_i64().unwrap()))
        .collect();
    assert_eq!(
        errors,
        [("/nameTemplate", 7), ("/renditions/0/nameTemplate", 0), ("/assets/0/nameTemplate", 0)],
        "{refused}"
    );
    for (request, part) in [
        (json!({"assetHandleArray": [asset], "fmt": "orig", "nameTemplate": "{rendition}"}), "needs `renditions`"),
        (
            json!({"assetHandleArray": [asset], "fmt": "orig", "layout": "folders", "nameTemplate": "{folder}/{name}"}),
            "`layout: folders`",
        ),
        (
            json!({"assetHandleArray": [asset], "fmt": "orig", "nameTemplate": "{n:4}", "execSchedule": YEARLY_CRON}),
            "{n:04}",
        ),
    ] {
        let path = if request.get("execSchedule").is_some() { "/export-schedules" } else { "/export-jobs" };
        let refused = app.post(path, request).await.expect_status(422);
        assert!(refused["errors"][0]["detail"].as_str().unwrap().contains(part), "{refused}");
    }
}

#[sqlx::test]
async fn an_asset_without_the_value_fails_alone(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let good = upload(&app, "", "a.jpg", 4, 4).await;
    let bad = upload(&app, "", "b.jpg", 4, 4).await;
    app.patch(format!("/assets/{good}"), json!({"metadata": {"sku": "4711"}})).await.expect_status(200);
    let text = app.upload_asset("c.txt", b"text").await;
    let request =
        json!({"assetHandleArray": [good, bad, text], "fmt": "orig", "nameTemplate": "{metadata.sku}-{width}"});
    let dry = app.post("/export-jobs/validate", request.clone()).await.expect_status(200);
    let detail = dry["items"][1]["failure"]["detail"].as_str().unwrap();
    assert!(detail.contains("{metadata.sku}") && detail.contains("`b`") && detail.contains("default:none"), "{detail}");
    let job = run_export(&app, request).await;
    assert_eq!((&job["outcome"], &job["counts"]["failed"]), (&json!("partiallyFailed"), &json!(2)));
    assert_eq!(list_paths(&fetch_items(&app, &job).await), ["4711-4.jpg"]);
    app.assert_consistent().await;
}

#[sqlx::test]
async fn the_date_is_that_of_the_schedules_zone(pool: PgPool) {
    let app = TestApp::open(pool).await;
    upload(&app, "in", "a.jpg", 4, 4).await;
    // Always on different days.
    let mut days = Vec::new();
    for zone in ["Pacific/Kiritimati", "Pacific/Pago_Pago"] {
        let request = json!({
            "assetFilter": {"folder": "in"}, "fmt": "orig", "execSchedule": YEARLY_CRON, "timeZone": zone,
            "nameTemplate": "{date:%Y/%m-%d}/{name}", "overlap": "allow",
        });
        let created = app.post("/export-schedules", request).await.expect_status(201);
        make_schedules_due(&app).await;
        crate::support::export_jobs::drain_work(&app).await;
        while offprint::worker::run_next_schedule(&app.state).await.unwrap() {}
        crate::support::export_jobs::drain_work(&app).await;
        let handle = get_schedule_handle(&created);
        let jobs = app.get(format!("/export-jobs?scheduleHandle={handle}")).await.expect_status(200);
        let items = fetch_items(&app, &jobs["items"][0]).await;
        let path = list_paths(&items)[0].to_owned();
        let today = chrono::Utc::now().with_timezone(&zone.parse::<chrono_tz::Tz>().unwrap());
        assert_eq!(path, format!("{}/a.jpg", today.format("%Y/%m-%d")), "{zone}");
        days.push(path);
    }
    assert_ne!(days[0], days[1]);
}
