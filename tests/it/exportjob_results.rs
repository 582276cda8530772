//! docs/EXPORTJOB.md, second half: results, the life of a job, mail, and failures.

use std::io::{Cursor, Read};

use serde_json::{Value, json};
use sqlx::PgPool;

use crate::support::export_jobs::{
    create_job, download_file, drain_work, fetch_items, fetch_job, get_job_handle, run_export, send_job_action,
};
use crate::support::images::{create_broken_jpeg, draw_jpeg};
use crate::support::test_app::TestApp;

async fn download_archive(app: &TestApp, job: &Value) -> zip::ZipArchive<Cursor<Vec<u8>>> {
    let answer = app.get(format!("/export-jobs/{}/archive", get_job_handle(job))).await;
    assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
    zip::ZipArchive::new(Cursor::new(answer.body)).unwrap()
}

/// The names in a job's archive, in archive order.
async fn list_archive_names(app: &TestApp, job: &Value) -> Vec<String> {
    let mut archive = download_archive(app, job).await;
    (0..archive.len()).map(|index| archive.by_index(index).unwrap().name().unwrap().into_owned()).collect()
}

/// Advances the clock of all jobs by a hundred days.
async fn advance_job_clock(app: &TestApp) {
    sqlx::query("update export_job set exec_time = exec_time - interval '100 days', expires_at = expires_at - interval '100 days'")
        .execute(&app.state.system)
        .await
        .unwrap();
}

#[sqlx::test]
async fn files_archive_and_manifest_are_below_the_job(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let asset = app.upload_asset("a.jpg", &draw_jpeg(1)).await;
    let job = run_export(&app, json!({"assetHandleArray": [asset], "fmt": "orig"})).await;
    for place in ["files", "archive", "manifest"] {
        let link = job["links"][place].as_str().unwrap_or_else(|| panic!("no link to {place}: {job}"));
        let path = &link[link.find("/export-jobs/").unwrap()..];
        assert_eq!(app.get(path).await.status, 200, "{path}");
    }
}

#[sqlx::test]
async fn extensions_follow_the_output_format(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let asset = app.upload_asset("a.jpeg", &draw_jpeg(1)).await;
    let formats = [
        ("jpeg", "jpg"),
        ("pjpeg", "jpg"),
        ("png", "png"),
        ("png-alpha", "png"),
        ("tif", "tiff"),
        ("gif", "gif"),
        ("webp", "webp"),
    ];
    for (token, extension) in formats {
        let request =
            json!({"assetHandleArray": [asset], "fmt": "convert", "is_modifier": format!("wid=9&fmt={token}")});
        let job = run_export(&app, request).await;
        let bytes = download_file(&app, &job, &format!("a.{extension}")).await;
        assert_eq!(image::guess_format(&bytes).ok(), image::ImageFormat::from_extension(extension), "{token}");
    }
}

#[sqlx::test]
async fn an_original_keeps_its_file_name(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let asset = app.upload_asset("Disney Park.JPEG", &draw_jpeg(1)).await;
    let request = json!({"assetHandleArray": [asset], "fmt": "orig"});
    download_file(&app, &run_export(&app, request.clone()).await, "Disney%20Park.JPEG").await;
    app.patch(format!("/assets/{asset}"), json!({"fileName": "castle.jpg"})).await.expect_status(200);
    download_file(&app, &run_export(&app, request).await, "castle.jpg").await;
}

#[sqlx::test]
async fn download_gives_the_only_file_or_the_archive(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let (first, second) =
        (app.upload_asset("a.jpg", &draw_jpeg(1)).await, app.upload_asset("b.jpg", &draw_jpeg(2)).await);
    let only = run_export(&app, json!({"assetHandleArray": [first], "fmt": "orig"})).await;
    let place = format!("/export-jobs/{}/download", get_job_handle(&only));
    assert_eq!(app.get(&place).await.body, draw_jpeg(1));
    assert_eq!(
        app.get_with_header(&place, "accept", "application/zip").await.header("content-type"),
        "application/zip"
    );
    let both = run_export(&app, json!({"assetHandleArray": [first, second], "fmt": "orig"})).await;
    let answer = app.get(format!("/export-jobs/{}/download", get_job_handle(&both))).await;
    assert_eq!(answer.header("content-type"), "application/zip");
}

#[sqlx::test]
async fn equal_names_are_told_apart_in_request_order(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let mut handles = Vec::new();
    for (folder, name, seed) in [("x", "a.jpg", 1), ("y", "A.JPG", 2), ("z", "a.jpg", 3)] {
        let uploaded = app.upload_to(folder, &[(name, &draw_jpeg(seed))]).await.expect_status(201);
        handles.push(uploaded["assets"][0]["assetHandle"].clone());
    }
    handles.rotate_left(1);
    let job = run_export(&app, json!({"assetHandleArray": handles, "fmt": "orig"})).await;
    assert_eq!(list_archive_names(&app, &job).await[..3], ["A.JPG", "a (2).jpg", "a (3).jpg"]);
    assert_eq!(download_file(&app, &job, "a%20(3).jpg").await, draw_jpeg(1));
}

#[sqlx::test]
async fn folders_are_kept_on_request(pool: PgPool) {
    let app = TestApp::open(pool).await;
    app.upload_to("x/y", &[("a.jpg", &draw_jpeg(1))]).await.expect_status(201);
    app.upload_to("x", &[("a.jpg", &draw_jpeg(2))]).await.expect_status(201);
    let request = json!({"assetFilter": {"folder": "x", "recursive": true}, "fmt": "orig", "layout": "folders"});
    let job = run_export(&app, request).await;
    let mut names = list_archive_names(&app, &job).await;
    names.truncate(2);
    names.sort();
    assert_eq!(names, ["x/a.jpg", "x/y/a.jpg"]);
    assert_eq!(download_file(&app, &job, "x/y/a.jpg").await, draw_jpeg(1));
}

#[sqlx::test]
async fn naughty_names_stay_inside_and_apart(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let naughty = [
        "../../etc/passwd",
        "..\\..\\boot.ini",
        "/abs.jpg",
        "con.jpg",
        "a\u{202E}gpj.exe",
        "manifest.json",
        "Manifest.CSV",
        "x.",
    ];
    // A name without any usable character is refused at upload.
    app.upload_to("", &[("...", &draw_jpeg(99))]).await.expect_status(422);
    for (seed, name) in naughty.into_iter().enumerate() {
        app.upload_to("", &[(name, &draw_jpeg(seed as u8))]).await.expect_status(201);
    }
    let job = run_export(&app, json!({"assetFilter": {}, "fmt": "orig", "layout": "folders"})).await;
    let names = list_archive_names(&app, &job).await;
    assert_eq!(names.len(), naughty.len() + 2, "{names:?}");
    let mut folded: Vec<_> = names.iter().map(|name| name.to_lowercase()).collect();
    folded.sort();
    folded.dedup();
    assert_eq!(folded.len(), names.len(), "two names differ only in case: {names:?}");
    for name in &names {
        assert!(!name.starts_with('/') && !name.contains('\\') && !name.contains('\u{202E}'), "{name:?}");
        assert!(name.split('/').all(|part| !part.is_empty() && !part.trim_matches('.').is_empty()), "{name:?}");
        assert!(!name.to_lowercase().starts_with("con."), "{name:?}");
    }
}

#[sqlx::test]
async fn the_archive_keeps_the_order_of_the_request(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let mut handles = Vec::new();
    for (seed, name) in ["c.jpg", "a.jpg", "b.jpg"].into_iter().enumerate() {
        handles.push(app.upload_asset(name, &draw_jpeg(seed as u8)).await);
    }
    let job = run_export(&app, json!({"assetHandleArray": handles, "fmt": "orig"})).await;
    assert_eq!(list_archive_names(&app, &job).await, ["c.jpg", "a.jpg", "b.jpg", "manifest.json", "manifest.csv"]);
}

#[sqlx::test]
async fn the_archive_resumes_byte_for_byte(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let handles = [app.upload_asset("a.jpg", &draw_jpeg(1)).await, app.upload_asset("b.jpg", &draw_jpeg(2)).await];
    let job = run_export(&app, json!({"assetHandleArray": handles, "fmt": "orig"})).await;
    let place = format!("/export-jobs/{}/archive", get_job_handle(&job));
    let whole = app.get(&place).await;
    let again = app.get(&place).await;
    assert_eq!((again.header("etag"), &again.body), (whole.header("etag"), &whole.body));
    for start in [0, 1, 17, whole.body.len() / 2, whole.body.len() - 1] {
        let rest = app.get_with_header(&place, "range", &format!("bytes={start}-")).await;
        assert_eq!((rest.status.as_u16(), rest.body.as_slice()), (206, &whole.body[start..]), "from {start}");
    }
    let tail = app.get_with_header(&place, "range", "bytes=-22").await;
    assert_eq!(tail.body, whole.body[whole.body.len() - 22..]);
    let beyond = app.get_with_header(&place, "range", &format!("bytes={}-", whole.body.len())).await;
    assert_eq!(
        (beyond.status.as_u16(), beyond.header("content-range")),
        (416, format!("bytes */{}", whole.body.len()).as_str())
    );
    let head = app.head(&place).await;
    assert_eq!((head.status.as_u16(), head.header("etag")), (200, whole.header("etag")));
}

#[sqlx::test]
async fn results_expire_when_they_say(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let asset = app.upload_asset("a.jpg", &draw_jpeg(1)).await;
    let job = run_export(&app, json!({"assetHandleArray": [asset], "fmt": "orig", "expiresIn": 3600})).await;
    assert!(job["expiresAt"].is_string(), "{job}");
    advance_job_clock(&app).await;
    let gone = app.get(format!("/export-jobs/{}/archive", get_job_handle(&job))).await.expect_status(410);
    assert_eq!(gone["code"], "results-expired");
    assert_eq!(fetch_job(&app, get_job_handle(&job)).await["outcome"], "succeeded");
}

#[sqlx::test]
async fn exec_time_runs_when_due(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let asset = app.upload_asset("a.jpg", &draw_jpeg(1)).await;
    let time = (chrono::Utc::now() + chrono::TimeDelta::days(1)).to_rfc3339();
    let job = create_job(&app, json!({"assetHandleArray": [asset], "fmt": "orig", "execTime": time})).await;
    drain_work(&app).await;
    assert_eq!(fetch_job(&app, &job).await["state"], "scheduled");
    advance_job_clock(&app).await;
    drain_work(&app).await;
    assert_eq!(fetch_job(&app, &job).await["outcome"], "succeeded");
}

#[sqlx::test]
async fn exec_time_in_the_past_is_refused(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let asset = app.upload_asset("a.jpg", &draw_jpeg(1)).await;
    for time in ["2001-01-01T00:00:00Z", "2999-01-01T00:00:00", "tomorrow"] {
        let request = json!({"assetHandleArray": [asset], "fmt": "orig", "execTime": time});
        assert_eq!(
            app.post("/export-jobs", request).await.expect_status(422)["errors"][0]["pointer"],
            "/execTime",
            "{time}"
        );
    }
}

#[sqlx::test]
async fn a_job_is_one_resource_from_creation_to_end(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let asset = app.upload_asset("a.jpg", &draw_jpeg(1)).await;
    let time = (chrono::Utc::now() + chrono::TimeDelta::days(1)).to_rfc3339();
    let job = create_job(&app, json!({"assetHandleArray": [asset], "fmt": "orig", "execTime": time})).await;
    for state in ["scheduled", "finished"] {
        assert_eq!(fetch_job(&app, &job).await["state"], state);
        let list = app.get("/export-jobs").await.expect_status(200);
        assert_eq!((&list["items"][0]["jobHandle"], list["items"].as_array().unwrap().len()), (&json!(job), 1));
        advance_job_clock(&app).await;
        drain_work(&app).await;
    }
}

#[sqlx::test]
async fn the_outcome_says_how_it_ended(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let (good, bad) =
        (app.upload_asset("a.jpg", &draw_jpeg(1)).await, app.upload_asset("b.jpg", &create_broken_jpeg()).await);
    let convert = |handles: Value| json!({"assetHandleArray": handles, "fmt": "convert", "is_modifier": "fmt=png"});
    for (handles, outcome) in
        [(json!([good]), "succeeded"), (json!([good, bad]), "partiallyFailed"), (json!([bad]), "failed")]
    {
        let job = create_job(&app, convert(handles)).await;
        assert_eq!(fetch_job(&app, &job).await["outcome"], Value::Null);
        drain_work(&app).await;
        assert_eq!(fetch_job(&app, &job).await["outcome"], outcome);
    }
}

#[sqlx::test]
async fn a_partly_failed_job_has_its_archive_and_names_the_failures(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let handles =
        [app.upload_asset("good.jpg", &draw_jpeg(1)).await, app.upload_asset("bad.jpg", &create_broken_jpeg()).await];
    let job = run_export(&app, json!({"assetHandleArray": handles, "fmt": "convert", "is_modifier": "fmt=png"})).await;
    assert_eq!(fetch_items(&app, &job).await[1]["failure"]["code"], "truncated");
    let mut archive = download_archive(&app, &job).await;
    let mut manifest = String::new();
    archive.by_name("manifest.json").unwrap().read_to_string(&mut manifest).unwrap();
    let manifest: Value = serde_json::from_str(&manifest).unwrap();
    assert_eq!(manifest["items"][1]["failure"]["code"], "truncated");
    let mut csv = String::new();
    archive.by_name("manifest.csv").unwrap().read_to_string(&mut csv).unwrap();
    assert!(csv.lines().nth(2).unwrap().contains("truncated"), "{csv}");
    assert!(archive.by_name("good.png").is_ok() && archive.by_name("bad.png").is_err());
}

#[sqlx::test]
async fn counts_add_up_and_leave_the_archive_out(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let handles =
        [app.upload_asset("a.jpg", &draw_jpeg(1)).await, app.upload_asset("b.jpg", &create_broken_jpeg()).await];
    let job = run_export(&app, json!({"assetHandleArray": handles, "fmt": "convert", "is_modifier": "fmt=png"})).await;
    let counts = &job["counts"];
    let sum: u64 = ["waiting", "running", "succeeded", "failed", "skipped", "stopped"]
        .iter()
        .map(|name| counts[name].as_u64().unwrap())
        .sum();
    assert_eq!((counts["total"].as_u64(), sum), (Some(2), 2));
    assert_eq!(job["files"], 1);
    assert_eq!(job["progress"]["percent"], 100);
}

#[sqlx::test]
async fn a_paused_job_begins_nothing_and_goes_on(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let asset = app.upload_asset("a.jpg", &draw_jpeg(1)).await;
    let job = create_job(&app, json!({"assetHandleArray": [asset], "fmt": "convert", "is_modifier": "fmt=png"})).await;
    assert!(send_job_action(&app, &job, "pause").await.status.is_success());
    drain_work(&app).await;
    let paused = fetch_job(&app, &job).await;
    assert_eq!((&paused["state"], &paused["counts"]["waiting"]), (&json!("paused"), &json!(1)));
    assert!(send_job_action(&app, &job, "resume").await.status.is_success());
    drain_work(&app).await;
    assert_eq!(fetch_job(&app, &job).await["outcome"], "succeeded");
}

#[sqlx::test]
async fn run_begins_a_scheduled_job_at_once(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let asset = app.upload_asset("a.jpg", &draw_jpeg(1)).await;
    let time = (chrono::Utc::now() + chrono::TimeDelta::days(1)).to_rfc3339();
    let job = create_job(&app, json!({"assetHandleArray": [asset], "fmt": "orig", "execTime": time})).await;
    assert!(send_job_action(&app, &job, "run").await.status.is_success());
    drain_work(&app).await;
    assert_eq!(fetch_job(&app, &job).await["outcome"], "succeeded");
}

#[sqlx::test]
async fn an_action_in_the_wrong_state_is_refused(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let asset = app.upload_asset("a.jpg", &draw_jpeg(1)).await;
    let job = run_export(&app, json!({"assetHandleArray": [asset], "fmt": "orig"})).await;
    for action in ["pause", "resume", "stop", "run"] {
        let problem = send_job_action(&app, get_job_handle(&job), action).await.expect_status(409);
        assert_eq!(problem["code"], "wrong-state", "{action}");
        assert!(problem["detail"].as_str().unwrap().contains("finished"), "{problem}");
    }
}

#[sqlx::test]
async fn stop_keeps_what_is_done(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let handles =
        [app.upload_asset("a.jpg", &draw_jpeg(1)).await, app.upload_asset("b.jpg", &create_broken_jpeg()).await];
    let job = create_job(&app, json!({"assetHandleArray": handles, "fmt": "convert", "is_modifier": "fmt=png"})).await;
    assert!(send_job_action(&app, &job, "stop").await.status.is_success());
    drain_work(&app).await;
    let stopped = fetch_job(&app, &job).await;
    assert_eq!((&stopped["state"], &stopped["outcome"]), (&json!("finished"), &json!("stopped")));
    assert_eq!(stopped["counts"]["stopped"], 2);
    assert_eq!(list_archive_names(&app, &stopped).await, ["manifest.json", "manifest.csv"]);
}

#[sqlx::test]
async fn delete_hides_the_job_and_frees_its_files(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let asset = app.upload_asset("a.jpg", &draw_jpeg(1)).await;
    let job = run_export(&app, json!({"assetHandleArray": [asset], "fmt": "orig"})).await;
    let place = format!("/export-jobs/{}", get_job_handle(&job));
    assert!(app.delete(&place).await.status.is_success());
    app.get(&place).await.expect_status(404);
    app.get(format!("{place}/archive")).await.expect_status(404);
    drain_work(&app).await;
    let left: i64 = sqlx::query_scalar("select count(*) from export_job").fetch_one(&app.state.system).await.unwrap();
    assert_eq!(left, 0);
}

#[sqlx::test]
async fn every_item_has_a_result(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let handles =
        [app.upload_asset("a.jpg", &draw_jpeg(1)).await, app.upload_asset("b.jpg", &create_broken_jpeg()).await];
    let job = run_export(&app, json!({"assetHandleArray": handles, "fmt": "convert", "is_modifier": "fmt=png"})).await;
    let items = fetch_items(&app, &job).await;
    assert_eq!((&items[0]["assetHandle"], &items[0]["state"]), (&json!(handles[0]), &json!("succeeded")));
    assert_eq!((&items[1]["assetHandle"], &items[1]["state"]), (&json!(handles[1]), &json!("failed")));
    assert!(items[1]["failure"]["detail"].as_str().unwrap().len() > 10, "{items:?}");
    let failed = app.get(format!("/export-jobs/{}/items?state=failed", get_job_handle(&job))).await.expect_status(200);
    assert_eq!(failed["items"].as_array().unwrap().len(), 1);
}

#[sqlx::test]
async fn events_tell_the_story_in_order(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let asset = app.upload_asset("a.jpg", &draw_jpeg(1)).await;
    let job = run_export(&app, json!({"assetHandleArray": [asset], "fmt": "convert", "is_modifier": "fmt=png"})).await;
    let list = app.get(format!("/export-jobs/{}/events", get_job_handle(&job))).await.expect_status(200);
    let events = list["items"].as_array().unwrap();
    assert!(events.len() >= 3, "{events:?}");
    let numbers: Vec<_> = events.iter().map(|event| event["seq"].as_u64().unwrap()).collect();
    assert_eq!(numbers, (1..=events.len() as u64).collect::<Vec<_>>());
}

#[sqlx::test]
async fn a_job_keeps_what_it_pinned(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let asset = app.upload_asset("a.jpg", &draw_jpeg(1)).await;
    app.put("/image-presets/web", json!({"urlModifier": "wid=30&fmt=png"})).await;
    let orig = create_job(&app, json!({"assetHandleArray": [asset], "fmt": "orig"})).await;
    let convert = create_job(&app, json!({"assetHandleArray": [asset], "fmt": "convert", "macro": "$web$"})).await;
    app.put("/image-presets/web", json!({"urlModifier": "wid=9&fmt=tif"})).await;
    assert!(app.delete(format!("/assets/{asset}")).await.status.is_success());
    drain_work(&app).await;
    assert_eq!(download_file(&app, &fetch_job(&app, &orig).await, "a.jpg").await, draw_jpeg(1));
    let png = image::load_from_memory(&download_file(&app, &fetch_job(&app, &convert).await, "a.png").await).unwrap();
    assert_eq!(png.width(), 30);
}

#[sqlx::test]
async fn duplicate_handles_are_kept_once(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let asset = app.upload_asset("a.jpg", &draw_jpeg(1)).await;
    let request = json!({"assetHandleArray": [asset, asset.to_uppercase(), asset], "fmt": "orig"});
    let job = run_export(&app, request).await;
    assert_eq!(job["counts"]["total"], 1);
    assert_eq!(job["warnings"][0]["code"], "duplicate-handle");
}

/// The mails that were written so far.
fn read_mails(app: &TestApp) -> Vec<String> {
    let Ok(folder) = std::fs::read_dir(app.folder.path().join("mail")) else { return Vec::new() };
    folder.map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap()).collect()
}

#[sqlx::test]
async fn one_mail_at_most_by_setting_and_outcome(pool: PgPool) {
    let app = TestApp::with_settings(pool, |settings| settings.mail_to = Some("ann@example.org".into())).await;
    let (good, bad) =
        (app.upload_asset("a.jpg", &draw_jpeg(1)).await, app.upload_asset("b.jpg", &create_broken_jpeg()).await);
    let note = app.upload_asset("c.txt", b"text").await;
    let ends = [json!([good]), json!([good, note]), json!([good, bad]), json!([bad]), Value::Null];
    let table = [
        ("None", [0, 0, 0, 0, 0]),
        ("Error", [0, 0, 1, 1, 0]),
        ("ErrorAndWarning", [0, 1, 1, 1, 0]),
        ("JobCompletion", [1, 1, 1, 1, 0]),
        ("All", [1, 1, 1, 1, 1]),
    ];
    for (setting, wanted) in table {
        for (handles, wanted) in ends.iter().zip(wanted) {
            let before = read_mails(&app).len();
            let stop = handles.is_null();
            let handles = if stop { &ends[0] } else { handles };
            let request = json!({"assetHandleArray": handles, "fmt": "convert", "is_modifier": "fmt=png", "emailSetting": setting});
            let job = create_job(&app, request).await;
            if stop {
                assert!(send_job_action(&app, &job, "stop").await.status.is_success());
            }
            drain_work(&app).await;
            drain_work(&app).await;
            let outcome = fetch_job(&app, &job).await["outcome"].clone();
            assert_eq!(read_mails(&app).len() - before, wanted, "{setting} on {outcome}");
        }
    }
}

#[sqlx::test]
async fn without_a_recipient_the_job_warns(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let asset = app.upload_asset("a.jpg", &draw_jpeg(1)).await;
    let job = run_export(&app, json!({"assetHandleArray": [asset], "fmt": "orig", "emailSetting": "All"})).await;
    assert_eq!(job["warnings"][0]["code"], "no-recipient");
    assert_eq!(read_mails(&app).len(), 0);
    let request =
        json!({"assetHandleArray": [asset], "fmt": "orig", "emailSetting": "All", "notifyEmails": ["bob@example.org"]});
    assert_eq!(run_export(&app, request).await["warnings"], json!([]));
    assert!(read_mails(&app)[0].contains("To: bob@example.org"), "{:?}", read_mails(&app));
}

#[sqlx::test]
async fn a_mail_server_that_is_down_changes_no_outcome(pool: PgPool) {
    // Nobody listens on port 1 of loopback.
    let app = TestApp::with_settings(pool, |settings| {
        settings.smtp_url = Some("smtp://127.0.0.1:1".into());
        settings.mail_to = Some("ann@example.org".into());
    })
    .await;
    let asset = app.upload_asset("a.jpg", &draw_jpeg(1)).await;
    let job = run_export(&app, json!({"assetHandleArray": [asset], "fmt": "orig", "emailSetting": "All"})).await;
    assert_eq!(job["outcome"], "succeeded");
    assert_eq!(job["notification"]["state"], "waiting", "{job}");
}

#[sqlx::test]
async fn problems_name_the_fault_they_stand_for(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let asset = app.upload_asset("a.jpg", &draw_jpeg(1)).await;
    let problem = app.post("/export-jobs", json!({"assetHandleArray": [asset], "fmt": "png"})).await.expect_status(422);
    assert_eq!(problem["ips"]["fault"], "ipsApiFault", "{problem}");
    let house_with_key =
        TestApp::with_settings(app.state.system.clone(), |settings| settings.api_key = Some("secret".into())).await;
    let problem = house_with_key.get("/assets").await.expect_status(401);
    assert_eq!((&problem["ips"]["fault"], &problem["ips"]["code"]), (&json!("authenticationFault"), &json!(10000)));
}

#[sqlx::test]
async fn all_errors_are_reported_at_once(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let request = json!({
        "assetHandleArray": "one", "fmt": "png", "is_modifer": "fmt=png", "emailSetting": "Alles", "expiresIn": 1, "layout": 5
    });
    let problem = app.post("/export-jobs", request).await.expect_status(422);
    let mut places: Vec<_> =
        problem["errors"].as_array().unwrap().iter().map(|error| error["pointer"].as_str().unwrap()).collect();
    places.sort();
    assert_eq!(places, ["/assetHandleArray", "/emailSetting", "/expiresIn", "/fmt", "/is_modifer", "/layout"]);
}

#[sqlx::test]
async fn a_damaged_original_fails_its_item_and_no_other(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let (bad, good) =
        (app.upload_asset("bad.jpg", &draw_jpeg(1)).await, app.upload_asset("good.jpg", &draw_jpeg(2)).await);
    // The image still decodes; only the blob's checksum shows the damage.
    let mut spoiled = draw_jpeg(1);
    let last = spoiled.len() - 3;
    spoiled[last] ^= 1;
    std::fs::write(app.blob_path(&offprint_core::Digest::compute(&draw_jpeg(1))), &spoiled).unwrap();
    let request = json!({"assetHandleArray": [bad, good], "fmt": "convert", "is_modifier": "wid=20"});
    let job = run_export(&app, request).await;
    let items = fetch_items(&app, &job).await;
    assert_eq!(
        (&job["outcome"], &items[0]["failure"]["code"]),
        (&"partiallyFailed".into(), &"corrupt-original".into())
    );
    assert_eq!(items[1]["state"], "succeeded");
    let preview = app.get(format!("/assets/{bad}/preview?is_modifier=wid%3D20")).await;
    assert_eq!(preview.expect_status(500)["code"], "corrupt-original");

    // Uploading the same file again repairs the blob.
    app.upload_asset("again.jpg", &draw_jpeg(1)).await;
    send_job_action(&app, get_job_handle(&job), "retry").await.expect_status(200);
    drain_work(&app).await;
    assert_eq!(fetch_job(&app, get_job_handle(&job)).await["outcome"], "succeeded");
    app.assert_consistent().await;
}
