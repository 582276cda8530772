//! The list of jobs: filters, pages, what is done with several at once, and live progress.

use std::pin::Pin;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::Service as _;
use actix_web::test::{TestRequest, init_service};
use futures_util::Stream;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::support::browser::TestBrowser;
use crate::support::event_stream_reader::{EventStreamReader, StreamChunk};
use crate::support::export_jobs::{create_job, drain_work, fetch_job};
use crate::support::images::draw_jpeg;
use crate::support::test_app::TestApp;
use crate::support::test_user::{TestUser, open_guarded_app};

use super::pages_sign_in::sign_in_by_key;

/// A job that begins in the year 2099.
async fn plan_job(app: &TestApp, asset: &str, name: &str, metadata: Value) -> String {
    let request = json!({"assetHandleArray": [asset], "fmt": "orig", "jobName": name, "metadata": metadata,
        "execTime": "2099-01-01T00:00:00Z"});
    create_job(app, request).await
}

#[sqlx::test]
async fn filters_are_those_of_the_api_and_stay_in_the_form(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let asset = app.upload_asset("a.txt", b"a").await;
    let spring = plan_job(&app, &asset, "Spring", json!({"order": "A-1"})).await;
    let autumn = plan_job(&app, &asset, "Autumn", json!({"order": "A-2"})).await;
    let done = create_job(&app, json!({"assetHandleArray": [asset], "fmt": "orig", "jobName": "Done"})).await;
    drain_work(&app).await;
    sqlx::query("update export_job set created_at = '2026-03-02T12:00Z' where job_id = $1::uuid")
        .bind(&autumn)
        .execute(&app.state.system)
        .await
        .unwrap();
    let browser = TestBrowser::new(&app);
    let all = [&spring, &autumn, &done];
    for (query, shown) in [
        ("", vec![&spring, &autumn, &done]),
        ("?state=&outcome=&name=&from=&to=&metadata=", vec![&spring, &autumn, &done]),
        ("?state=scheduled", vec![&spring, &autumn]),
        ("?outcome=succeeded", vec![&done]),
        ("?outcome=failed", vec![]),
        ("?name=Spr", vec![&spring]),
        ("?metadata=order%3AA-2", vec![&autumn]),
        ("?from=2026-03-02&to=2026-03-02", vec![&autumn]),
        ("?to=2026-03-01", vec![]),
        ("?from=2026-03-03", vec![&spring, &done]),
    ] {
        let page = browser.open(&format!("/console/jobs{query}")).await;
        assert_eq!(page.status(), 200, "{query}");
        page.assert_sound();
        for job in all {
            assert_eq!(page.html.contains(&format!("job-{job}")), shown.contains(&job), "{query}: {}", page.text());
        }
        let count = match shown.len() {
            1 => "1 job".to_owned(),
            count => format!("{count} jobs"),
        };
        assert!(page.html.contains(&format!("<p id=\"count\">{count}</p>")), "{query}: {}", page.html);
    }
    let page = browser.open("/console/jobs?state=paused&name=%22x&from=2026-03-02").await;
    assert!(page.html.contains("value=\"paused\" selected") && page.text().contains("No job matches these filters."));
    assert!(page.attributes("value").contains(&"\"x".to_owned()), "{}", page.html);
    for (query, text) in [
        ("from=yesterday", "This is not a day"),
        ("metadata=nonsense", "Write a key, a colon and a value"),
        ("owner=nobody", "There is no user of this name."),
    ] {
        let page = browser.open(&format!("/console/jobs?{query}")).await;
        page.assert_sound();
        assert_eq!(page.status(), 422, "{query}");
        assert!(page.html.contains("role=\"alert\"") && page.text().contains(text), "{query}: {}", page.text());
    }
}

#[sqlx::test]
async fn several_jobs_are_changed_at_once_and_the_page_says_how_many(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let asset = app.upload_asset("a.txt", b"a").await;
    let mut jobs = Vec::new();
    for name in ["One", "Two", "Three"] {
        jobs.push(plan_job(&app, &asset, name, json!({})).await);
    }
    let browser = TestBrowser::new(&app);
    let batch = async |action: &str, jobs: &[&str]| {
        let page = browser.open("/console/jobs?state=&name=T").await;
        let mut fields = vec![("action", action)];
        fields.extend(jobs.iter().map(|job| ("job", *job)));
        let page = browser.submit(&page, "/console/jobs/batch", &fields).await;
        page.assert_sound();
        page
    };
    let none = batch("pause", &[]).await;
    assert!(none.text().contains("Select at least one job."), "{}", none.text());
    let paused = batch("pause", &[&jobs[0], &jobs[1]]).await;
    assert_eq!(paused.path, "/console/jobs?state=&name=T&done=jobs-pause&count=2&failed=0", "the filters stay");
    assert!(paused.text().contains("2 jobs were paused."), "{}", paused.text());
    let missing = uuid::Uuid::now_v7().to_string();
    let again = batch("pause", &[&jobs[0], &jobs[2], &missing, "nonsense"]).await;
    assert!(again.text().contains("1 job was paused. 3 could not be"), "{}", again.text());
    batch("resume", &[&jobs[0]]).await;
    let states = async || {
        let mut states = Vec::new();
        for job in &jobs {
            states.push(fetch_job(&app, job).await["state"].as_str().unwrap().to_owned());
        }
        states
    };
    assert_eq!(states().await, ["scheduled", "paused", "paused"]);
    batch("stop", &[&jobs[0], &jobs[1]]).await;
    drain_work(&app).await;
    assert_eq!(states().await, ["finished", "finished", "paused"]);
    let asked = batch("delete", &[&jobs[0], &jobs[1]]).await;
    assert!(asked.text().contains("These 2 jobs") && asked.text().contains("One"), "{}", asked.text());
    assert_eq!(states().await.len(), 3, "nothing was deleted yet");
    let fields: Vec<(String, String)> = asked.find_form("/console/jobs/batch");
    let deleted = browser.post_form("/console/jobs/batch", &fields).await;
    assert!(deleted.text().contains("2 jobs were deleted."), "{}", deleted.text());
    assert_eq!(app.get(format!("/export-jobs/{}", jobs[0])).await.status, 404);
    // The way back is always the list.
    let mut fields = browser.open("/console/jobs").await.find_form("/console/jobs/batch");
    fields.retain(|(name, _)| name == "csrf");
    for (name, value) in [("action", "pause"), ("job", &jobs[2]), ("query", "x=1\r\nLocation: //evil.example")] {
        fields.push((name.to_owned(), value.to_owned()));
    }
    let page = browser.post_form("/console/jobs/batch", &fields).await;
    assert_eq!(page.path, "/console/jobs?done=jobs-pause&count=0&failed=1");
    app.assert_consistent().await;
}

#[sqlx::test]
async fn people_see_their_own_jobs_and_readers_of_all_see_owners(pool: PgPool) {
    use offprint::db::capability::Capability::{
        AssetsRead, AssetsWrite, ExportsCreate, ExportsCreateOriginal, ExportsReadAll,
    };
    let app = open_guarded_app(pool).await;
    let own = [AssetsRead, AssetsWrite, ExportsCreate, ExportsCreateOriginal];
    let ann = TestUser::with_capabilities(&app, "one", "ann", &own).await;
    let bob = TestUser::with_capabilities(&app, "one", "bob", &own).await;
    let reader = TestUser::with_capabilities(&app, "one", "reader", &[ExportsReadAll]).await;
    let mut jobs = Vec::new();
    for user in [&ann, &bob] {
        let asset = user.upload_asset("a.txt", b"a").await;
        let request = json!({"assetHandleArray": [asset], "fmt": "orig"});
        jobs.push(
            user.post("/export-jobs", request).await.expect_status(202)["jobHandle"].as_str().unwrap().to_owned(),
        );
    }
    let open = async |user: &TestUser<'_>, path: &str| {
        let browser = TestBrowser::elsewhere(&app);
        sign_in_by_key(&browser, &user.key).await;
        let page = browser.open(path).await;
        page.assert_sound();
        page
    };
    let page = open(&ann, "/console/jobs").await;
    assert!(page.html.contains(&jobs[0]) && !page.html.contains(&jobs[1]), "{}", page.html);
    assert!(!page.html.contains("name=\"owner\"") && page.html.contains("value=\"stop\""), "{}", page.html);
    let page = open(&reader, "/console/jobs?owner=bob").await;
    assert!(!page.html.contains(&jobs[0]) && page.html.contains(&jobs[1]), "{}", page.html);
    assert!(!page.html.contains("value=\"stop\""), "who may only read has no buttons: {}", page.html);
    let page = open(&reader, &format!("/console/jobs/{}", jobs[0])).await;
    assert!(page.text().contains("Owner ann") && !page.html.contains("/stop\""), "{}", page.text());
    assert_eq!(open(&bob, &format!("/console/jobs/{}", jobs[0])).await.status(), 404);
}

/// Opens a stream of the list as its page does.
async fn open_list_stream(
    app: &TestApp,
    path: &str,
) -> (u16, EventStreamReader<impl Stream<Item = StreamChunk> + Unpin + use<>>) {
    let service = init_service(offprint::http::build_app(app.state.clone())).await;
    let request = TestRequest::get().uri(path).insert_header(("host", "localhost"));
    let answer = service.call(request.to_request()).await.unwrap().map_into_boxed_body();
    let status = answer.status().as_u16();
    let mut body: Pin<Box<BoxBody>> = Box::pin(answer.into_body());
    let parts = futures_util::stream::poll_fn(move |context| {
        body.as_mut()
            .poll_next(context)
            .map(|part| part.map(|part| part.map(|part| part.to_vec()).map_err(|why| why.to_string())))
    });
    (status, EventStreamReader { body: parts, buffer: String::new() })
}

#[sqlx::test]
async fn the_list_is_live(pool: PgPool) {
    let app = TestApp::with_settings(pool, |settings| {
        settings.stream_heartbeat = std::time::Duration::from_millis(50);
    })
    .await;
    let asset = app.upload_asset("a.jpg", &draw_jpeg(1)).await;
    let job = create_job(&app, json!({"assetHandleArray": [asset], "fmt": "orig"})).await;
    let page = TestBrowser::new(&app).open("/console/jobs").await;
    let address = page.attributes("data-progress").remove(0);
    assert_eq!(address, format!("/console/jobs/events?job={job}&newest={job}"));
    let (status, mut stream) = open_list_stream(&app, &address).await;
    assert_eq!(status, 200);
    assert!(stream.read_part().await.unwrap().starts_with("retry: "));
    drain_work(&app).await;
    loop {
        let message = stream.next().await.unwrap();
        assert_eq!((message.kind.as_str(), &message.data["job"]), ("progress", &json!(job)));
        if message.data["percent"].is_null() {
            assert_eq!((&message.data["word"], &message.data["numbers"]), (&json!("Ready"), &json!("1 of 1")));
            break;
        }
    }
    // Whoever opens the stream of a page that is older than the job's end is told of it, although nothing changes any more.
    let (_, mut late) = open_list_stream(&app, &address).await;
    late.read_part().await.unwrap();
    assert_eq!(late.next().await.unwrap().data["word"], json!("Ready"));
    create_job(&app, json!({"assetHandleArray": [asset], "fmt": "orig"})).await;
    while stream.next().await.unwrap().kind != "newer" {}
    let (status, _) = open_list_stream(&app, "/console/jobs/events").await;
    assert_eq!(status, 204, "there is nothing to follow");
    let unknown = uuid::Uuid::now_v7();
    assert_eq!(open_list_stream(&app, &format!("/console/jobs/events?job={unknown}&job=x")).await.0, 204);
}
