//! Health, metrics, `/info` and the start page.

use actix_web::test::TestRequest;
use offprint::settings::AuthMode;
use serde_json::json;
use sqlx::PgPool;

use crate::support::test_app::TestApp;

#[sqlx::test]
async fn a_new_service_is_ready(pool: PgPool) {
    let app = TestApp::open(pool).await;
    assert_eq!(app.get("/health/live").await.expect_status(200)["status"], "ok");
    assert_eq!(app.get("/health/ready").await.expect_status(200)["status"], "ok");
    let info = app.get("/info").await.expect_status(200);
    assert_eq!(info["name"], "offprint");
    assert!(info["formats"]["input"].as_array().unwrap().contains(&json!("image/tiff")), "{info}");
    assert!(info["formats"]["output"].as_array().unwrap().contains(&json!("png-alpha")), "{info}");
    assert!(app.get("/").await.header("content-type").starts_with("text/html"));
}

#[sqlx::test]
async fn readiness_is_asked_for_once_a_second(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let started = std::time::Instant::now();
    app.get("/health/ready").await.expect_status(200);
    app.state.db.close();
    app.state.system.close();
    let again = app.get("/health/ready").await.status;
    assert!(again == 200 || started.elapsed().as_secs() > 0, "the answer of a moment ago");
    app.state.readiness.clear().await;
    assert_eq!(app.get("/health/ready").await.expect_status(503)["status"], "database");
}

#[sqlx::test]
async fn unknown_addresses_and_methods_are_problems(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let nothing = app.get("/nowhere").await;
    assert_eq!(nothing.header("content-type"), "application/problem+json");
    let request_id = nothing.header("x-request-id").to_owned();
    let problem = nothing.expect_status(404);
    assert_eq!(problem["code"], "not-found");
    assert_eq!(problem["requestId"], request_id.as_str());
    let wrong = app.delete("/info").await;
    assert_eq!(wrong.header("allow"), "GET, HEAD");
    assert_eq!(wrong.expect_status(405)["code"], "method-not-allowed");
    for (path, methods) in
        [("/info", "GET, HEAD"), ("/assets", "POST, GET, HEAD, PATCH"), ("/downloads/x", "GET, HEAD")]
    {
        let wrong = app.send(TestRequest::default().method("BREW".parse().unwrap()).uri(path)).await;
        assert_eq!((wrong.status.as_u16(), wrong.header("allow")), (405, methods), "{path}");
    }
    assert_eq!(app.head("/asset-sets").await.header("allow"), "POST");
}

#[sqlx::test]
async fn metrics_say_how_much_there_is_to_do(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let handles = [app.upload_asset("a.txt", b"a").await, app.upload_asset("b.txt", b"b").await];
    let request = |more: serde_json::Value| {
        let mut request = json!({ "assetHandleArray": handles, "fmt": "orig" });
        request.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        request
    };
    app.post("/export-jobs", request(json!({}))).await.expect_status(202);
    app.post("/export-jobs", request(json!({ "execTime": "2099-01-01T00:00:00Z" }))).await.expect_status(202);
    let reply = async |lines: [&str; 4]| {
        let text = String::from_utf8(app.get("/metrics").await.body).unwrap();
        for line in lines {
            assert!(text.lines().any(|metric| metric == line), "{line} is not in\n{text}");
        }
    };
    let (scheduled, running) = ("offprint_jobs{state=\"scheduled\"} 1", "offprint_items{state=\"running\"} 0");
    reply(["offprint_jobs{state=\"active\"} 1", scheduled, "offprint_items{state=\"waiting\"} 2", running]).await;
    offprint::worker::drain_work(&app.state).await.unwrap();
    reply(["offprint_jobs{state=\"active\"} 0", scheduled, "offprint_items{state=\"waiting\"} 0", running]).await;
}

#[sqlx::test]
async fn health_checks_have_an_allowance_of_their_own(pool: PgPool) {
    let app = TestApp::with_settings(pool, |settings| {
        (settings.auth, settings.max_requests) = (AuthMode::Keys, Some(1));
    })
    .await;
    let mut codes = Vec::new();
    for _ in 0..400 {
        codes.push(app.get("/health/ready").await.status.as_u16());
    }
    // A balancer asks several times a second at most. Beyond that, nothing is asked of the database.
    assert!(codes[..300].iter().all(|code| *code == 200) && codes.contains(&429), "{codes:?}");
}
