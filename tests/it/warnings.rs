//! Warnings and notices reach people: counts, outcome, log, mail, manifest, items and dry run all tell the same.

use image::codecs::gif::GifEncoder;
use image::{Frame, RgbaImage};
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::support::export_jobs::{
    create_job, drain_work, fetch_items, fetch_job, fetch_log, get_job_handle, run_export, send_job_action,
};
use crate::support::images::{create_broken_jpeg, draw_jpeg};
use crate::support::mail::parse_mail;
use crate::support::test_app::TestApp;

/// A parameter that is no command anywhere: a warning.
const WARNED: &str = "banana=1";
/// A command that has no meaning in an export: a notice.
const NOTICED: &str = "cache=off";

async fn upload_jpegs(app: &TestApp, count: u8) -> Vec<String> {
    let mut handles = Vec::new();
    for seed in 0..count {
        handles.push(app.upload_asset(&format!("{seed}.jpg"), &draw_jpeg(seed)).await);
    }
    handles
}

fn build_request(handles: &[String], modifier: &str) -> Value {
    json!({"assetHandleArray": handles, "fmt": "convert", "is_modifier": modifier})
}

async fn fetch_manifest(app: &TestApp, job: &Value, format: &str) -> String {
    let answer = app.get(format!("/export-jobs/{}/manifest?format={format}", get_job_handle(job))).await;
    assert_eq!(answer.status, 200);
    String::from_utf8(answer.body).unwrap()
}

async fn fetch_json_manifest(app: &TestApp, job: &Value) -> Value {
    serde_json::from_str(&fetch_manifest(app, job, "json").await).unwrap()
}

/// The warnings of each of these items, files or rows as sentences.
fn list_warnings(rows: &Value) -> Vec<Vec<&str>> {
    let mut details = Vec::new();
    for row in rows.as_array().unwrap() {
        let warnings = row["warnings"].as_array().unwrap().iter();
        details.push(warnings.map(|warning| warning["detail"].as_str().unwrap()).collect());
    }
    details
}

fn count_events(log: &[Value], code: &str) -> usize {
    log.iter().filter(|event| event["code"] == code).count()
}

/// The mail of the job; there must be exactly one.
fn read_only_mail(app: &TestApp) -> String {
    let mut files = std::fs::read_dir(app.folder.path().join("mail")).unwrap().map(|file| file.unwrap().path());
    let (mail, next) = (files.next().unwrap(), files.next());
    assert_eq!(next, None);
    let text = std::fs::read_to_string(&mail).unwrap();
    std::fs::remove_file(mail).unwrap();
    text
}

#[sqlx::test]
async fn a_warning_about_the_modifier_counts_for_every_item_and_is_told_everywhere(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let handles = upload_jpegs(&app, 3).await;
    let mut request = build_request(&handles, &format!("wid=20&{WARNED}"));
    let dry = app.post("/export-jobs/validate", request.clone()).await.expect_status(200);
    request["emailSetting"] = json!("ErrorAndWarning");
    request["notifyEmails"] = json!(["ann@example.org"]);
    // The second time, all renditions are reused: such items are settled in bulk.
    for is_reused in [false, true] {
        let job = run_export(&app, request.clone()).await;
        let warning = job["warnings"][0]["detail"].as_str().unwrap().to_owned();
        assert!(warning.starts_with("banana at byte 7 of is_modifier: "), "{warning}");
        assert_eq!((&dry["warnings"], &dry["notices"]), (&job["warnings"], &json!([])));
        assert_eq!(job["warnings"].as_array().unwrap().len(), 1, "kept once: {job}");
        assert_eq!((&job["outcome"], &job["counts"]["warnings"]), (&json!("succeededWithWarnings"), &json!(3)));

        let items = fetch_items(&app, &job).await;
        assert_eq!(items.iter().map(|item| item["reused"] == is_reused).collect::<Vec<_>>(), [true; 3]);
        let each = vec![vec![warning.as_str()]; 3];
        assert_eq!(list_warnings(&json!(items)), each);
        assert_eq!(list_warnings(&items[0]["files"]), each[..1]);
        assert_eq!(list_warnings(&dry["items"]), each);
        assert_eq!(list_warnings(&dry["items"][0]["files"]), each[..1]);

        let manifest = fetch_json_manifest(&app, &job).await;
        assert_eq!((&manifest["warnings"], &manifest["counts"]["warnings"]), (&job["warnings"], &json!(3)));
        assert_eq!(list_warnings(&manifest["items"]), each);
        let csv = fetch_manifest(&app, &job, "csv").await;
        assert_eq!(csv.lines().filter(|line| line.contains("banana at byte 7")).count(), 3, "{csv}");

        let log = fetch_log(&app, get_job_handle(&job), "limit=1000").await;
        assert_eq!((count_events(&log, "modifierWarning"), count_events(&log, "fileWarning")), (1, 0), "{log:#?}");
        assert_eq!((&log[1]["position"], &log[1]["parameters"]["items"]), (&Value::Null, &json!(3)));
        let message = log[1]["message"].as_str().unwrap();
        assert_eq!(message, format!("A warning about the modifier concerns 3 assets. {warning}"));
        let converted = log.iter().find(|event| event["code"] == "fileConverted").unwrap();
        assert_eq!(converted["parameters"]["warnings"], 1);

        let mail = parse_mail(&read_only_mail(&app), "");
        assert!(mail.header("Subject").contains("ready, with warnings"), "{}", mail.head);
        assert!(mail.text.contains("on 3 assets"), "{}", mail.text);
        assert_eq!(mail.text.matches("banana at byte 7").count(), 1, "{}", mail.text);
        assert_eq!(mail.html.matches("banana at byte 7").count(), 1, "{}", mail.html);
    }
    app.assert_consistent().await;
}

#[sqlx::test]
async fn notices_are_shown_and_count_nowhere(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let handles = upload_jpegs(&app, 2).await;
    let mut request = build_request(&handles, &format!("{NOTICED}&wid=20"));
    request["strict"] = json!(true);
    request["emailSetting"] = json!("ErrorAndWarning");
    request["notifyEmails"] = json!(["ann@example.org"]);
    let dry = app.post("/export-jobs/validate", request.clone()).await.expect_status(200);
    let job = run_export(&app, request).await;
    assert_eq!((&job["outcome"], &job["counts"]["warnings"]), (&json!("succeeded"), &json!(0)), "{job}");
    assert_eq!((&job["warnings"], &dry["warnings"]), (&json!([]), &json!([])));
    assert_eq!(list_warnings(&dry["items"]), [[""; 0]; 2]);
    let notice = job["notices"][0]["detail"].as_str().unwrap();
    assert!(notice.starts_with("cache at byte 0 of is_modifier: "), "{notice}");
    assert_eq!(job["notices"].as_array().unwrap().len(), 1);
    let manifest = fetch_json_manifest(&app, &job).await;
    assert_eq!((&dry["notices"], &manifest["notices"]), (&job["notices"], &job["notices"]));
    assert_eq!(list_warnings(&manifest["items"]), [[""; 0]; 2]);
    let log = fetch_log(&app, get_job_handle(&job), "limit=1000").await;
    assert_eq!(log[0]["parameters"], json!({"items": 2, "notices": job["notices"]}));
    assert_eq!(log[0]["message"], format!("The export job was created: 2 assets. {notice}"));
    assert_eq!(count_events(&log, "modifierWarning"), 0);
    assert!(!app.folder.path().join("mail").exists(), "no mail");
    app.assert_consistent().await;
}

#[sqlx::test]
async fn strict_refuses_warnings(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let handles = upload_jpegs(&app, 1).await;
    let mut request = build_request(&handles, &format!("{NOTICED}&wid=20&{WARNED}"));
    request["strict"] = json!(true);
    let problem = app.post("/export-jobs", request).await.expect_status(422);
    let errors = problem["errors"].as_array().unwrap();
    assert_eq!((errors.len(), &errors[0]["pointer"], &errors[0]["offset"]), (1, &json!("/is_modifier"), &json!(17)));
    assert!(errors[0]["detail"].as_str().unwrap().ends_with("With `strict` this warning is an error."), "{problem}");
}

#[sqlx::test]
async fn a_warning_concerns_the_renditions_that_have_it(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let mut handles = upload_jpegs(&app, 2).await;
    handles.push(app.upload_asset("note.txt", b"text").await);
    let renditions = |large: &str, web: &str| {
        json!({"assetHandleArray": handles, "fmt": "convert", "renditions": [
            {"name": "large", "is_modifier": format!("{large}wid=40&fmt=png")},
            {"name": "web", "is_modifier": format!("{web}wid=20")},
        ]})
    };
    let (only_web, both) = (renditions("", "banana=1&"), renditions("banana=1&", "banana=2&"));
    for _ in 0..2 {
        let job = run_export(&app, only_web.clone()).await;
        let warning = job["warnings"][0]["detail"].as_str().unwrap();
        assert!(warning.starts_with("web: banana at byte 0"), "{warning}");
        assert_eq!((&job["counts"]["warnings"], &job["warnings"][1]), (&json!(3), &Value::Null));
        let items = json!(fetch_items(&app, &job).await);
        let original = items[2]["warnings"][0]["detail"].as_str().unwrap();
        assert_eq!(list_warnings(&items), [[warning], [warning], [original]]);
        assert_eq!(list_warnings(&items[0]["files"]), [vec![], vec![warning]]);
        let manifest = fetch_json_manifest(&app, &job).await;
        assert_eq!(list_warnings(&manifest["items"]), [vec![], vec![warning], vec![], vec![warning], vec![original]]);
        let log = fetch_log(&app, get_job_handle(&job), "limit=1000").await;
        assert_eq!(log[1]["parameters"]["items"], 2, "{log:#?}");
        let dry = app.post("/export-jobs/validate", only_web.clone()).await.expect_status(200);
        assert_eq!(list_warnings(&dry["items"]), list_warnings(&items));
        assert_eq!(list_warnings(&dry["items"][1]["files"]), [vec![], vec![warning]]);
    }
    // What all renditions share is told once, and without their names.
    let job = run_export(&app, both).await;
    assert_eq!(job["warnings"].as_array().unwrap().len(), 1, "{job}");
    let warning = job["warnings"][0]["detail"].as_str().unwrap();
    assert!(warning.starts_with("banana at byte 0"), "{warning}");
    let items = json!(fetch_items(&app, &job).await);
    assert_eq!(list_warnings(&items)[0], [warning]);
    assert_eq!(list_warnings(&items[0]["files"]), [[warning], [warning]]);
    app.assert_consistent().await;
}

#[sqlx::test]
async fn a_warning_about_an_assets_own_modifier_concerns_that_asset(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let handles = upload_jpegs(&app, 3).await;
    app.patch(format!("/assets/{}", handles[1]), json!({"urlModifier": WARNED})).await.expect_status(200);
    let job = run_export(&app, build_request(&handles, "wid=20")).await;
    let warning = job["warnings"][0]["detail"].as_str().unwrap();
    assert!(warning.starts_with("banana at byte 0 of urlModifier: "), "{warning}");
    assert_eq!((&job["outcome"], &job["counts"]["warnings"]), (&json!("succeededWithWarnings"), &json!(1)));
    assert_eq!(list_warnings(&json!(fetch_items(&app, &job).await)), [vec![], vec![warning], vec![]]);
    app.assert_consistent().await;
}

#[sqlx::test]
async fn warnings_about_the_request_taint_no_item(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let mut handles = upload_jpegs(&app, 1).await;
    handles.push(handles[0].clone());
    let mut request = build_request(&handles, "wid=20");
    request["clientId"] = json!("my laptop");
    request["emailSetting"] = json!("All");
    let job = run_export(&app, request).await;
    let mut codes: Vec<_> = job["warnings"].as_array().unwrap().iter().map(|warning| &warning["code"]).collect();
    codes.sort_by_key(|code| code.to_string());
    assert_eq!(codes, ["client-id-not-an-address", "duplicate-handle", "no-recipient"]);
    assert_eq!((&job["outcome"], &job["counts"]["warnings"]), (&json!("succeeded"), &json!(0)));
    let log = fetch_log(&app, get_job_handle(&job), "limit=1000").await;
    assert_eq!(count_events(&log, "modifierWarning"), 0);
    app.assert_consistent().await;
}

#[sqlx::test]
async fn failed_items_count_too_and_stopped_ones_do_not(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let handles =
        [app.upload_asset("a.jpg", &draw_jpeg(1)).await, app.upload_asset("b.jpg", &create_broken_jpeg()).await];
    let request = build_request(&handles, &format!("{WARNED}&wid=20"));
    let job = run_export(&app, request.clone()).await;
    assert_eq!((&job["outcome"], &job["counts"]["warnings"]), (&json!("partiallyFailed"), &json!(2)), "{job}");
    let handle = get_job_handle(&job);
    send_job_action(&app, handle, "retry").await.expect_status(200);
    assert_eq!(fetch_job(&app, handle).await["counts"]["warnings"], 1, "the failed item is waiting again");
    app.assert_consistent().await;
    drain_work(&app).await;
    assert_eq!(fetch_job(&app, handle).await["counts"]["warnings"], 2);

    let stopped = create_job(&app, request).await;
    send_job_action(&app, &stopped, "stop").await.expect_status(200);
    drain_work(&app).await;
    let stopped = fetch_job(&app, &stopped).await;
    assert_eq!((&stopped["outcome"], &stopped["counts"]["warnings"]), (&json!("stopped"), &json!(0)));
    app.assert_consistent().await;
}

#[sqlx::test]
async fn a_dry_run_tells_what_the_header_of_a_source_tells(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let mut animation = Vec::new();
    let frames = (0..3).map(|number| Frame::new(RgbaImage::from_pixel(40, 30, image::Rgba([number * 90, 0, 0, 255]))));
    GifEncoder::new(&mut animation).encode_frames(frames).unwrap();
    let handles = [app.upload_asset("a.gif", &animation).await];
    let request = build_request(&handles, "wid=20&fmt=png");
    let dry = app.post("/export-jobs/validate", request.clone()).await.expect_status(200);
    let job = run_export(&app, request).await;
    let items = json!(fetch_items(&app, &job).await);
    assert_eq!(items[0]["warnings"][0]["code"], "frames-left-out");
    assert_eq!(list_warnings(&dry["items"]), list_warnings(&items));
    assert_eq!(job["outcome"], "succeededWithWarnings");
}

#[sqlx::test]
async fn a_dry_run_tells_failures_of_renditions_as_the_item_does(pool: PgPool) {
    let app = TestApp::with_settings(pool, |settings| settings.max_output_side = 50).await;
    let handle = app.upload_asset("a.jpg", &draw_jpeg(1)).await;
    let renditions = |sizes: [u32; 3]| {
        let names = ["large", "web", "tiny"];
        let renditions = names.iter().zip(sizes);
        let renditions: Vec<_> = renditions
            .map(|(name, size)| json!({"name": name, "is_modifier": format!("size={size},{size}")}))
            .collect();
        json!({"assetHandleArray": [handle], "fmt": "convert", "renditions": renditions})
    };
    for (sizes, beginnings) in [
        ([80, 80, 80], &["large, web, tiny: "][..]),
        ([80, 60, 80], &["large, tiny: ", " web: "]),
        ([9, 80, 9], &["web: "]),
    ] {
        let dry = app.post("/export-jobs/validate", renditions(sizes)).await.expect_status(200);
        let job = run_export(&app, renditions(sizes)).await;
        let items = json!(fetch_items(&app, &job).await);
        assert_eq!(dry["items"][0]["failure"], items[0]["failure"], "{sizes:?}");
        let detail = items[0]["failure"]["detail"].as_str().unwrap();
        assert!(detail.starts_with(beginnings[0]), "{detail}");
        assert!(beginnings.iter().all(|beginning| detail.matches(beginning).count() == 1), "{detail}");
    }
}
