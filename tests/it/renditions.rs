//! Several renditions of each image in one job.

use std::io::{Cursor, Read};

use image::ImageFormat;
use offprint::app::RenderPools;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::support::export_jobs::{create_job, download_file, drain_work, fetch_items, fetch_job, run_export};
use crate::support::images::{draw_image, draw_jpeg};
use crate::support::test_app::TestApp;

/// An export request for these assets in three sizes and formats.
fn build_request(assets: &[&str]) -> Value {
    json!({"assetHandleArray": assets, "fmt": "convert", "renditions": [
        {"name": "large", "is_modifier": "wid=60&fmt=png"},
        {"name": "web", "is_modifier": "wid=40&fmt=webp", "suffix": "w40"},
        {"name": "tiny", "is_modifier": "wid=10"},
    ]})
}

async fn list_files(app: &TestApp, job: &Value) -> Vec<Value> {
    let list = app.get(format!("/export-jobs/{}/files", job["jobHandle"].as_str().unwrap())).await.expect_status(200);
    list["items"].as_array().unwrap().clone()
}

fn get_column<'v>(rows: &'v [Value], name: &str) -> Vec<&'v Value> {
    rows.iter().map(|row| &row[name]).collect()
}

#[sqlx::test]
async fn an_item_makes_a_file_for_each_rendition(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let (first, second) =
        (app.upload_asset("a.jpg", &draw_jpeg(1)).await, app.upload_asset("A.png", &draw_jpeg(2)).await);
    let text = app.upload_asset("note.txt", b"text").await;
    let request = build_request(&[&first, &second, &text]);
    let dry = app.post("/export-jobs/validate", request.clone()).await.expect_status(200);
    assert_eq!(get_column(dry["items"][0]["files"].as_array().unwrap(), "width"), [60, 40, 10]);
    let job = run_export(&app, request).await;
    assert_eq!((&job["outcome"], &job["files"]), (&json!("succeededWithWarnings"), &json!(7)), "{job}");
    assert_eq!((&job["counts"]["total"], &job["effectiveModifier"]), (&json!(3), &Value::Null));
    assert_eq!((&job["renditions"][1]["suffix"], &job["renditions"][2]["suffix"]), (&json!("w40"), &json!("tiny")));
    let names =
        ["a-large.png", "a-w40.webp", "a-tiny.jpg", "A-large (2).png", "A-w40 (2).webp", "A-tiny (2).jpg", "note.txt"];
    assert_eq!(get_column(&list_files(&app, &job).await, "path"), names);
    let items = fetch_items(&app, &job).await;
    assert_eq!(get_column(items[0]["files"].as_array().unwrap(), "rendition"), ["large", "web", "tiny"]);
    assert_eq!((&items[0]["path"], &items[2]["path"]), (&Value::Null, &json!("note.txt")));
    assert_eq!(items[2]["files"][0]["rendition"], Value::Null);
    let bytes = app.get(format!("/export-jobs/{}/archive", job["jobHandle"].as_str().unwrap())).await.body;
    let mut zip = zip::ZipArchive::new(Cursor::new(bytes)).unwrap();
    let zip_names: Vec<String> =
        (0..zip.len() - 2).map(|index| zip.by_index(index).unwrap().name().unwrap().into_owned()).collect();
    assert_eq!(zip_names, names);
    let mut manifest = String::new();
    zip.by_name("manifest.json").unwrap().read_to_string(&mut manifest).unwrap();
    let manifest: Value = serde_json::from_str(&manifest).unwrap();
    assert_eq!(get_column(manifest["items"].as_array().unwrap(), "path"), names);
    app.assert_consistent().await;
}

/// The file of a job with this modifier and a single rendition.
async fn export_alone(app: &TestApp, asset: &str, name: &str, modifier: &str) -> Vec<u8> {
    let request = json!({"assetHandleArray": [asset], "fmt": "convert", "is_modifier": modifier});
    download_file(app, &run_export(app, request).await, name).await
}

#[sqlx::test]
async fn renditions_come_of_one_decode_and_are_always_the_same(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let asset = app.upload_asset("a.jpg", &draw_image(ImageFormat::Jpeg, 900, 600, 1)).await;
    let request = json!({"assetHandleArray": [asset], "fmt": "convert", "renditions": [
        {"name": "large", "is_modifier": "wid=300"}, {"name": "small", "is_modifier": "wid=150"},
        {"name": "tiny", "is_modifier": "wid=60"},
    ]});
    let job = run_export(&app, request.clone()).await;
    let items = fetch_items(&app, &job).await;
    // Rendered alone, the smaller ones would be decoded at a quarter and an eighth of the size.
    assert_eq!(
        get_column(items[0]["files"].as_array().unwrap(), "plan"),
        [
            "jpeg 450x300 at 1/2, resize 300x200 lanczos3, jpeg, about 2 MiB",
            "jpeg 450x300 at 1/2, average 225x150, resize 150x100 lanczos3, jpeg, about 1 MiB",
            "jpeg 450x300 at 1/2, average 113x75, resize 60x40 lanczos3, jpeg, about 1 MiB"
        ]
    );
    let (large, tiny) = (download_file(&app, &job, "a-large.jpg").await, download_file(&app, &job, "a-tiny.jpg").await);
    assert_eq!(export_alone(&app, &asset, "a.jpg", "wid=300").await, large);
    assert_ne!(export_alone(&app, &asset, "a.jpg", "wid=60").await, tiny);
    // Also when no other size shares the average.
    let mut without_small = request.clone();
    without_small["renditions"].as_array_mut().unwrap().remove(1);
    for request in [request, without_small] {
        sqlx::query("delete from rendition").execute(&app.state.system).await.unwrap();
        let again = run_export(&app, request).await;
        assert_eq!(download_file(&app, &again, "a-tiny.jpg").await, tiny);
    }
}

#[sqlx::test]
async fn what_has_only_one_decode_has_the_bytes_that_it_has_alone(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let asset = app.upload_asset("a.png", &draw_image(ImageFormat::Png, 900, 600, 1)).await;
    let job = run_export(&app, build_request(&[&asset])).await;
    let beside = download_file(&app, &job, "a-tiny.jpg").await;
    sqlx::query("delete from rendition").execute(&app.state.system).await.unwrap();
    assert_eq!(export_alone(&app, &asset, "a.jpg", "wid=10").await, beside);
}

#[sqlx::test]
async fn mistakes_of_renditions_say_which(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let asset = app.upload_asset("a.jpg", &draw_jpeg(1)).await;
    let expect_errors = async |request: Value| {
        let mut body = json!({"assetHandleArray": [asset], "fmt": "convert"});
        body.as_object_mut().unwrap().extend(request.as_object().unwrap().clone());
        let problem = app.post("/export-jobs", body).await.expect_status(422);
        let mistakes = problem["errors"].as_array().unwrap().clone();
        mistakes
            .iter()
            .map(|it| format!("{} {}", it["pointer"].as_str().unwrap(), it["code"].as_str().unwrap()))
            .collect::<Vec<_>>()
    };
    let request = json!({"is_modifier": "wid=1", "renditions": [
        {"name": "a b", "is_modifier": "wid=-1"}, {"name": "b", "macro": "$nobody$"}, {"name": "B", "is_modifier": "&"},
        {"name": "c", "suffix": "b", "is_modifier": "wid=2"}, {"name": "d", "suffix": "x/y", "is_modifier": "wid=2"}
    ]});
    let mut errors = expect_errors(request).await;
    errors.sort();
    errors.dedup();
    assert_eq!(
        errors,
        [
            "/is_modifier conflicting-parameters",
            "/renditions/0/is_modifier invalid-modifier",
            "/renditions/0/name invalid-value",
            "/renditions/1/macro unknown-macro",
            "/renditions/2/is_modifier missing-parameter",
            "/renditions/2/name invalid-value",
            "/renditions/3/suffix invalid-value",
            "/renditions/4/suffix invalid-value",
        ]
    );
    let one = json!({"name": "a", "is_modifier": "wid=1"});
    assert_eq!(
        expect_errors(json!({"fmt": "orig", "renditions": [one]})).await,
        ["/renditions conflicting-parameters"]
    );
    assert_eq!(expect_errors(json!({"renditions": []})).await, ["/renditions missing-parameter"]);
    assert_eq!(expect_errors(json!({"renditions": vec![one; 11]})).await, ["/renditions invalid-value"]);
}

#[sqlx::test]
async fn known_renditions_are_not_made_again(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let asset = app.upload_asset("a.png", &draw_image(ImageFormat::Png, 60, 40, 1)).await;
    let single = json!({"assetHandleArray": [asset], "fmt": "convert", "is_modifier": "wid=10"});
    run_export(&app, single).await;
    let partly = fetch_items(&app, &run_export(&app, build_request(&[&asset])).await).await;
    assert_eq!(get_column(partly[0]["files"].as_array().unwrap(), "reused"), [false, false, true]);
    assert_eq!(partly[0]["reused"], false);
    let fully = fetch_items(&app, &run_export(&app, build_request(&[&asset])).await).await;
    assert_eq!(get_column(fully[0]["files"].as_array().unwrap(), "reused"), [true; 3]);
    assert_eq!(fully[0]["reused"], true);
    app.assert_consistent().await;
}

#[sqlx::test]
async fn retry_makes_only_what_is_missing(pool: PgPool) {
    let mut app = TestApp::with_settings(pool, |settings| settings.max_output_side = 50).await;
    let asset = app.upload_asset("a.jpg", &draw_jpeg(1)).await;
    let job = create_job(&app, build_request(&[&asset])).await;
    drain_work(&app).await;
    let failed = fetch_job(&app, &job).await;
    assert_eq!((&failed["outcome"], &failed["files"]), (&json!("failed"), &json!(2)), "{failed}");
    let before = fetch_items(&app, &failed).await;
    assert_eq!(before[0]["failure"]["code"], "output-too-large");
    assert!(before[0]["failure"]["detail"].as_str().unwrap().starts_with("large: "), "{before:?}");
    assert_eq!(get_column(before[0]["files"].as_array().unwrap(), "state"), ["absent", "ready", "ready"]);
    app.assert_consistent().await;
    let mut settings = (*app.state.settings).clone();
    settings.max_output_side = 16_384;
    app.state.render_pools =
        RenderPools::open(&settings, app.state.profiles.clone(), env!("CARGO_BIN_EXE_offprint").into(), None);
    app.state.settings = settings.into();
    // Files that exist are not rendered again.
    sqlx::query("delete from rendition").execute(&app.state.system).await.unwrap();
    app.post(format!("/export-jobs/{job}/retry"), json!({})).await.expect_status(200);
    drain_work(&app).await;
    let done = fetch_job(&app, &job).await;
    assert_eq!((&done["outcome"], &done["files"]), (&json!("succeeded"), &json!(3)), "{done}");
    let rendered: i64 =
        sqlx::query_scalar("select count(*) from rendition").fetch_one(&app.state.system).await.unwrap();
    assert_eq!(rendered, 1);
    app.assert_consistent().await;
}
