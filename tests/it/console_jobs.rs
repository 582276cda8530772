//! The pages of a job: what they say while it waits and afterwards, and their buttons.

use actix_web::test::TestRequest;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::support::browser::{OpenPage, TestBrowser};
use crate::support::export_jobs::{create_job, drain_work, fetch_job};
use crate::support::images::{create_broken_jpeg, draw_jpeg};
use crate::support::test_app::TestApp;

/// Every tab of a job.
const TABS: [&str; 5] = ["", "/files", "/log", "/request", "/deliveries"];

/// A job that converts a whole and a broken image; its handle, and those of the assets.
async fn create_partly_failing_job(app: &TestApp, more: Value) -> (String, [String; 2]) {
    let whole = app.upload_asset("whole.jpg", &draw_jpeg(1)).await;
    let broken = app.upload_asset("broken.jpg", &create_broken_jpeg()).await;
    let mut request = json!({"assetHandleArray": [whole, broken], "fmt": "convert", "is_modifier": "wid=20&fmt=png"});
    request.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    (create_job(app, request).await, [whole, broken])
}

/// A tab of a job, which must be sound.
async fn open_tab(browser: &TestBrowser<'_>, job: &str, tab: &str) -> OpenPage {
    let page = browser.open(&format!("/console/jobs/{job}{tab}")).await;
    assert_eq!(page.status(), 200, "{tab}: {}", page.html);
    page.assert_sound();
    page
}

#[sqlx::test]
async fn a_job_that_waits_is_followed_with_scripts_and_without(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let (job, _) = create_partly_failing_job(&app, json!({"jobName": "spring"})).await;
    let browser = TestBrowser::new(&app);
    for tab in TABS {
        let page = open_tab(&browser, &job, tab).await;
        assert_eq!((page.element("h1").as_str(), page.element("title").as_str()), ("spring", "spring – Offprint"));
        assert!(page.html.contains("<noscript><meta http-equiv=\"refresh\""), "{tab}: it loads itself again");
        let events = page.attributes("data-progress");
        assert_eq!(events, [format!("/export-jobs/{job}/events?lastEventId=1")], "{tab}");
        assert!(page.text().contains("0 of 2 items, 0 %"), "{tab}: {}", page.text());
        assert_eq!(page.attributes("aria-valuetext"), ["0 of 2 items, 0 %"], "{tab}");
    }
    drain_work(&app).await;
    for tab in TABS {
        let page = open_tab(&browser, &job, tab).await;
        assert!(page.attributes("data-progress").is_empty() && !page.html.contains("noscript"), "{tab}: it has ended");
        assert!(page.text().contains("Partly ready"), "{tab}");
    }
}

#[sqlx::test]
async fn every_tab_says_its_part_in_every_language(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let request = json!({"jobName": "spring", "metadata": {"order": "A-1042"}, "nameTemplate": "{name}-small",
        "callbackUrl": "https://hooks.example.org/export"});
    let (job, assets) = create_partly_failing_job(&app, request).await;
    drain_work(&app).await;
    let browser = TestBrowser::new(&app);
    let items = open_tab(&browser, &job, "").await;
    for text in
        ["whole-small.png", "20 × ", "PNG", "broken", "truncated", "Retry what failed", "Download 1 file as zip"]
    {
        assert!(items.text().contains(text), "{text}: {}", items.text());
    }
    let pictures = items.attributes("src").into_iter().filter(|address| address.contains("thumbnail"));
    let pictures: Vec<String> = pictures.collect();
    let source = format!("/console/jobs/{job}/items/0/thumbnail");
    assert!(pictures.contains(&source), "the source: {pictures:?}");
    assert!(
        pictures.contains(&format!("/export-jobs/{job}/thumbnails/whole%2Dsmall%2Epng")),
        "the result: {pictures:?}"
    );
    let failed = browser.open(&format!("/console/jobs/{job}?state=failed")).await;
    failed.assert_sound();
    assert!(failed.text().contains("broken") && !failed.html.contains("id=\"item-0\""), "{}", failed.text());
    let files = open_tab(&browser, &job, "/files").await;
    assert!(
        files.attributes("href").contains(&format!("/export-jobs/{job}/files/whole%2Dsmall%2Epng")),
        "{}",
        files.html
    );
    assert!(files.attributes("href").contains(&format!("/export-jobs/{job}/manifest?format=csv")), "{}", files.html);
    let log = open_tab(&browser, &job, "/log").await;
    let (first, last) = (log.text().find("The export job was created"), log.text().find("The export has ended"));
    assert!(first.is_some() && last < first, "newest first: {}", log.text());
    let request = open_tab(&browser, &job, "/request").await;
    for text in ["wid=20&fmt=png", "{name}-small", "order", "A-1042", "https://hooks.example.org/export"] {
        assert!(request.text().contains(text), "{text}: {}", request.text());
    }
    let deliveries = open_tab(&browser, &job, "/deliveries").await;
    assert!(deliveries.text().contains("https://hooks.example.org/export"), "{}", deliveries.text());
    let dutch = TestBrowser { language: "nl", ..TestBrowser::new(&app) };
    for (tab, text) in TABS.into_iter().zip(["Mislukt", "Bestand", "Logboek", "Verzoek", "Ontvanger"]) {
        let page = open_tab(&dutch, &job, tab).await;
        assert!(page.text().contains(text), "{text}: {}", page.text());
    }
    // A replaced asset is still shown as it was exported.
    let before = app.get(&source).await;
    assert_eq!((before.status.as_u16(), before.header("content-type")), (200, "image/webp"));
    let replace = TestRequest::put().uri(&format!("/assets/{}/content", assets[0])).set_payload(draw_jpeg(9));
    app.send(replace).await.expect_success();
    assert_eq!(app.get(&source).await.body, before.body);
    app.assert_consistent().await;
}

#[sqlx::test]
async fn a_long_log_has_pages(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let asset = app.upload_asset("a.jpg", &draw_jpeg(1)).await;
    let job = create_job(&app, json!({"assetHandleArray": [asset], "fmt": "orig"})).await;
    sqlx::query(
        "with job as (update export_job set event_seq = event_seq + 450 where job_id = $1::uuid returning *)
         insert into export_event (company_id, job_id, seq, code, parameters)
         select company_id, job_id, 1 + number, 'exportPaused', '{}' from job, generate_series(1, 450) number",
    )
    .bind(&job)
    .execute(&app.state.system)
    .await
    .unwrap();
    let browser = TestBrowser::new(&app);
    let mut page = open_tab(&browser, &job, "/log").await;
    let mut rows = vec![page.html.matches("<tr>").count() - 1];
    while let Some(next) = page.attributes("href").into_iter().find(|address| address.contains("?until=")) {
        page = browser.open(&next).await;
        page.assert_sound();
        rows.push(page.html.matches("<tr>").count() - 1);
    }
    assert_eq!(rows, [200, 200, 51]);
    assert!(page.text().contains("The export job was created"), "{}", page.text());
}

#[sqlx::test]
async fn buttons_do_what_the_state_allows(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let (job, _) = create_partly_failing_job(&app, json!({"execTime": "2099-01-01T00:00:00Z"})).await;
    let browser = TestBrowser::new(&app);
    let own = format!("/console/jobs/{job}");
    let mut page = open_tab(&browser, &job, "").await;
    let waiting = page;
    page = browser.submit(&waiting, &format!("{own}/pause"), &[]).await;
    assert_eq!((page.status(), page.path.as_str()), (200, &*format!("{own}?done=job-pause")));
    assert!(page.text().contains("The job was paused."), "{}", page.text());
    page.assert_sound();
    // Somebody else was faster.
    let again = browser.submit(&waiting, &format!("{own}/pause"), &[]).await;
    assert_eq!((again.status(), again.path.as_str()), (200, &*format!("{own}?refused=wrong-state")));
    assert!(again.text().contains("This is not possible now"), "{}", again.text());
    assert!(
        !page.html.contains(&format!("{own}/pause")) && page.html.contains(&format!("{own}/resume")),
        "{}",
        page.html
    );
    page = browser.submit(&page, &format!("{own}/resume"), &[]).await;
    page = browser.submit(&page, &format!("{own}/run"), &[]).await;
    assert!(page.text().contains("The job was started."), "{}", page.text());
    drain_work(&app).await;
    assert_eq!(fetch_job(&app, &job).await["outcome"], "partiallyFailed");
    page = open_tab(&browser, &job, "").await;
    page = browser.submit(&page, &format!("{own}/delete"), &[]).await;
    assert_eq!((page.status(), page.path.as_str()), (200, "/console/jobs?done=job-delete"));
    assert_eq!(browser.open(&own).await.status(), 404);
    let unknown = browser.submit(&waiting, &format!("{own}/pause"), &[]).await;
    assert_eq!(unknown.status(), 404, "the job is gone");
}

#[sqlx::test]
async fn a_failed_item_is_retried_with_the_new_content_of_its_asset(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let (job, [_, broken]) = create_partly_failing_job(&app, json!({})).await;
    drain_work(&app).await;
    let browser = TestBrowser::new(&app);
    let own = format!("/console/jobs/{job}");
    let page = open_tab(&browser, &job, "").await;
    let replace = TestRequest::put().uri(&format!("/assets/{broken}/content")).set_payload(draw_jpeg(3));
    app.send(replace).await.expect_success();
    let old = browser.submit(&page, &format!("{own}/retry"), &[]).await;
    assert!(old.text().contains("The failed items are processed again."), "{}", old.text());
    drain_work(&app).await;
    assert_eq!(fetch_job(&app, &job).await["outcome"], "partiallyFailed", "without the box, the old content");
    let page = open_tab(&browser, &job, "").await;
    browser.submit(&page, &format!("{own}/retry"), &[("refresh", "1")]).await;
    drain_work(&app).await;
    let ended = fetch_job(&app, &job).await;
    assert_eq!((&ended["outcome"], &ended["run"]), (&json!("succeeded"), &json!(3)));
    let page = open_tab(&browser, &job, "").await;
    assert!(!page.html.contains(&format!("{own}/retry")), "nothing is left to retry");
    app.assert_consistent().await;
}

/// What people name things is text.
#[sqlx::test]
async fn names_are_never_markup(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let name = "<img src=x>\" 'x'";
    let asset = app.upload_asset("a.jpg", &draw_jpeg(1)).await;
    let request = json!({"assetHandleArray": [asset], "fmt": "orig", "jobName": name, "description": name, "metadata": {"order": name}});
    let job = create_job(&app, request).await;
    let browser = TestBrowser::new(&app);
    for tab in TABS {
        let page = open_tab(&browser, &job, tab).await;
        assert!(!page.html.contains("<img src=x") && !page.html.contains("<b>"), "{}", page.html);
        assert_eq!(page.element("h1"), name);
    }
    let list = browser.open("/console/jobs").await;
    list.assert_sound();
    assert!(!list.html.contains("<img src=x") && list.text().contains(name), "{}", list.html);
}
