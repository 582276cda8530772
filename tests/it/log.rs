//! A job's log: its events, their language, and filters.

use std::collections::BTreeSet;

use actix_web::test::TestRequest;
use offprint::db::company;
use offprint::db::event::EVENT_KINDS;
use offprint::i18n;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::support::export_jobs::{create_job, drain_work, fetch_log, get_job_handle, run_export};
use crate::support::images::{create_broken_jpeg, draw_jpeg, encode_image};
use crate::support::test_app::TestApp;
use crate::support::test_user::{TestUser, open_guarded_app};

/// Every code of the enum below this comment line.
fn list_codes_below(comment: &str) -> Vec<String> {
    let text = include_str!("../../crates/core/src/code.rs");
    let part = text.split(comment).nth(1).unwrap().split("\n}").next().unwrap();
    let names = part
        .lines()
        .map(|line| line.trim().trim_end_matches(','))
        .filter(|line| line.chars().all(char::is_alphanumeric));
    let kebab = |name: &str| {
        let parts =
            name.char_indices().map(|(at, c)| if at > 0 && c.is_uppercase() { format!("-{c}") } else { c.to_string() });
        parts.collect::<String>().to_lowercase()
    };
    names.filter(|name| !name.is_empty()).map(kebab).collect()
}

#[test]
fn every_event_and_every_reason_has_a_sentence() {
    // Warnings of a request and a notice of a retry; they are never logged for an item.
    let of_orders = ["duplicate-handle", "no-recipient", "client-id-not-an-address", "outdated-content"];
    let reasons = list_codes_below("// Items that failed.");
    assert!(reasons.len() > 25 && reasons.contains(&"corrupt-original".to_owned()), "{reasons:?}");
    let reasons =
        reasons.iter().filter(|code| !of_orders.contains(&code.as_str())).map(|code| format!("reason-{code}"));
    let names: Vec<String> = EVENT_KINDS.iter().map(|(code, _)| format!("event-{code}")).chain(reasons).collect();
    for language in i18n::list_languages() {
        let missing: Vec<_> = names.iter().filter(|name| !language.has_message(name)).collect();
        assert!(missing.is_empty(), "{}.ftl lacks {missing:?}", language.tag());
    }
}

fn get_column<'a>(log: &'a [Value], name: &str) -> Vec<&'a str> {
    log.iter().map(|event| event[name].as_str().unwrap_or("-")).collect()
}

/// A job with every kind of result: converted, converted with a warning, original instead, skipped, failed.
async fn run_mixed_job(app: &TestApp) -> Value {
    let clear = image::RgbaImage::from_pixel(40, 30, image::Rgba([200, 10, 10, 128]));
    let clear = encode_image(clear, image::ImageFormat::Png);
    let assets =
        [("a.jpg", draw_jpeg(1)), ("b.png", clear), ("c.txt", b"text".to_vec()), ("d.jpg", create_broken_jpeg())];
    let mut handles = Vec::new();
    for (name, bytes) in &assets {
        handles.push(app.upload_asset(name, bytes).await);
    }
    let set = app
        .post("/asset-sets", json!({"type": "ImageSet", "name": "e", "memberArray": [handles[0]]}))
        .await
        .expect_status(201);
    handles.push(set["assetHandle"].as_str().unwrap().to_owned());
    let request =
        json!({"assetHandleArray": handles, "fmt": "convert", "is_modifier": "wid=20", "onUnsupported": "skip"});
    run_export(app, request).await
}

#[sqlx::test]
async fn the_log_tells_every_end_in_words_and_as_ips_does(pool: PgPool) {
    let app = TestApp::with_settings(pool, |settings| settings.slots = 1).await;
    let job = run_mixed_job(&app).await;
    let log = fetch_log(&app, get_job_handle(&job), "limit=1000").await;
    let lines: Vec<(&str, &str, &str)> = log
        .iter()
        .map(|event| {
            let text = |name: &str| event[name].as_str().unwrap_or("-");
            // The archive's size depends on how many digits the times in the manifest have.
            let message = if text("code") == "archiveCreated" { "…" } else { text("message") };
            (text("code"), text("ipsLogType"), message)
        })
        .collect();
    insta::assert_debug_snapshot!("the_log_of_a_mixed_job", lines);
    let codes: BTreeSet<&str> = get_column(&log, "code").into_iter().collect();
    let known: BTreeSet<&str> = EVENT_KINDS.iter().map(|(code, _)| *code).collect();
    assert!(codes.is_subset(&known), "{codes:?}");
    app.assert_consistent().await;

    // Once more: reused renditions are settled in bulk and must be logged in the same way.
    let again = run_mixed_job(&app).await;
    let events_again = fetch_log(&app, get_job_handle(&again), "limit=1000").await;
    let warned = |log: &[Value]| -> Vec<Value> {
        log.iter().filter(|event| event["code"] == "fileWarning").map(|event| event["parameters"].clone()).collect()
    };
    assert_eq!(warned(&events_again), warned(&log));
    app.assert_consistent().await;
}

#[sqlx::test]
async fn a_log_is_sifted_by_code_and_by_the_log_types_of_ips(pool: PgPool) {
    let app = TestApp::with_settings(pool, |settings| settings.slots = 1).await;
    let job = run_mixed_job(&app).await;
    assert_eq!(
        get_column(&fetch_log(&app, get_job_handle(&job), "code=fileFailed,exportEnded").await, "code"),
        ["fileFailed", "exportEnded"]
    );
    let successes = fetch_log(&app, get_job_handle(&job), "ipsLogType=ExportJobRenderFileSuccess").await;
    let codes: BTreeSet<&str> = get_column(&successes, "code").into_iter().collect();
    assert_eq!((successes.len(), codes), (3, BTreeSet::from(["fileConverted", "fileExportedAsOriginal"])));
    let both = fetch_log(
        &app,
        get_job_handle(&job),
        "ipsLogType=ExportJobRenderFileSuccess,EndExportJob&code=fileConverted,fileFailed",
    )
    .await;
    assert_eq!(get_column(&both, "code"), ["fileConverted", "fileConverted"]);
    // Pages of a filtered log.
    let own = format!("/export-jobs/{}/events?code=fileConverted&limit=1", job["jobHandle"].as_str().unwrap());
    let page = app.get(&own).await.expect_status(200);
    let next = app.get(format!("{own}&cursor={}", page["nextCursor"].as_str().unwrap())).await.expect_status(200);
    assert_eq!((next["items"][0]["code"].as_str(), &next["nextCursor"]), (Some("fileConverted"), &Value::Null));
    for (query, allowed) in [("code=fileEaten", "fileConverted"), ("ipsLogType=FleEnd", "ZipFileExportJobSuccess")] {
        let refused = app
            .get(format!("/export-jobs/{}/events?{query}", job["jobHandle"].as_str().unwrap()))
            .await
            .expect_status(400);
        assert_eq!(refused["errors"][0]["pointer"], query.split('=').next().unwrap());
        assert!(refused["detail"].as_str().unwrap().contains(allowed), "{refused}");
    }
}

#[sqlx::test]
async fn messages_are_in_the_language_of_the_reader(pool: PgPool) {
    let app = open_guarded_app(pool).await;
    let ann = TestUser::new(&app, "ours", "ann").await;
    let asset = ann.upload_asset("a.txt", b"a").await;
    let export_request = json!({"assetHandleArray": [asset], "fmt": "orig", "locale": "en-US"});
    let job =
        ann.post("/export-jobs", export_request).await.expect_status(202)["jobHandle"].as_str().unwrap().to_owned();
    offprint::worker::drain_work(&app.state).await.unwrap();
    let read = async |languages: Option<&str>| {
        let request = TestRequest::get().uri(&format!("/export-jobs/{job}/events"));
        let answer = ann
            .send(
                languages
                    .into_iter()
                    .fold(request, |it, accept_language| it.insert_header(("accept-language", accept_language))),
            )
            .await;
        let vary: Vec<_> = answer.headers.get_all("vary").map(|value| value.to_str().unwrap().to_owned()).collect();
        assert!(vary.join(", ").contains("Accept-Language"), "{vary:?}");
        let tag = answer.header("content-language").to_owned();
        (tag, answer.expect_status(200)["items"][0]["message"].as_str().unwrap().to_owned())
    };
    let english = ("en".to_owned(), "The export job was created: 1 asset.".to_owned());
    let dutch = ("nl".to_owned(), "De exportopdracht is aangemaakt: 1 bestand.".to_owned());
    for (accept_language, wanted) in [
        (None, &english),
        (Some("nl"), &dutch),
        (Some("nl-BE"), &dutch),
        (Some("fr, en;q=0.1, nl;q=0.5"), &dutch),
        (Some("nl;q=0, *"), &english),
        (Some("tlh"), &english),
    ] {
        assert_eq!(&read(accept_language).await, wanted, "{accept_language:?}");
    }
    // Without `Accept-Language`, messages are in the language of the key's user.
    let mut connection = app.state.system.acquire().await.unwrap();
    company::upsert_user(&mut connection, ann.company, "ann", None, Some("nl-NL")).await.unwrap();
    drop(connection);
    assert_eq!((read(None).await, read(Some("en")).await), (dutch, english));
    let request =
        TestRequest::get().uri(&format!("/export-jobs/{job}/events")).insert_header(("accept", "text/event-stream"));
    let stream = ann.send(request.insert_header(("accept-language", "nl"))).await;
    assert_eq!(stream.header("content-language"), "nl");
    assert!(
        String::from_utf8(stream.body).unwrap().contains("De export is afgelopen: alle bestanden zijn geëxporteerd.")
    );
}

#[sqlx::test]
async fn a_log_says_that_a_job_was_stopped_or_made_nothing(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let asset = app.upload_asset("a.jpg", &draw_jpeg(1)).await;
    let job = create_job(&app, json!({"assetHandleArray": [asset], "fmt": "orig"})).await;
    app.post(format!("/export-jobs/{job}/stop"), json!({})).await.expect_success();
    drain_work(&app).await;
    let events = fetch_log(&app, &job, "limit=1000").await;
    assert_eq!(
        get_column(&events, "code"),
        ["exportRequested", "stopRequested", "archiveCreated", "exportStopped", "exportEnded"]
    );
    let bad = app.upload_asset("b.jpg", &create_broken_jpeg()).await;
    let job = run_export(&app, json!({"assetHandleArray": [bad], "fmt": "convert", "is_modifier": "wid=20"})).await;
    let events = fetch_log(&app, get_job_handle(&job), "limit=1000").await;
    let last = &get_column(&events, "code")[events.len() - 3..];
    assert_eq!(last, ["archiveCreated", "fatalError", "exportEnded"]);
}

#[sqlx::test]
async fn a_log_says_once_that_the_archive_could_not_be_written(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let asset = app.upload_asset("a.jpg", &draw_jpeg(1)).await;
    let job = create_job(&app, json!({"assetHandleArray": [asset], "fmt": "orig"})).await;
    // Nothing can be written: a file stands where the temporary folder was.
    let (folder, away) = (app.folder.path().join("tmp"), app.folder.path().join("away"));
    std::fs::rename(&folder, &away).unwrap();
    std::fs::write(&folder, "").unwrap();
    drain_work(&app).await;
    app.advance_time("1 minute").await;
    drain_work(&app).await;
    std::fs::remove_file(&folder).unwrap();
    std::fs::rename(&away, &folder).unwrap();
    app.advance_time("1 minute").await;
    drain_work(&app).await;
    let events = fetch_log(&app, &job, "limit=1000").await;
    assert_eq!(
        get_column(&events, "code"),
        ["exportRequested", "exportBegun", "fileExported", "archiveFailed", "archiveCreated", "exportEnded"]
    );
    assert_eq!(events[3]["ipsLogType"], "ZipFileExportJobError");
    let message = events[3]["message"].as_str().unwrap();
    assert!(message.starts_with("The archive could not be written yet") && !message.contains("/"), "{message}");
    app.assert_consistent().await;
}
