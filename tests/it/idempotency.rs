//! `Idempotency-Key`: a request that is sent twice is executed once.

use actix_web::test::TestRequest;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::support::images::draw_jpeg;
use crate::support::test_app::{TestApp, TestResponse};

async fn create_job_with_key(app: &TestApp, key: &str, body: &Value) -> TestResponse {
    app.send(TestRequest::post().uri("/export-jobs").insert_header(("idempotency-key", key)).set_json(body)).await
}

async fn count_jobs(app: &TestApp) -> usize {
    app.get("/export-jobs").await.expect_status(200)["items"].as_array().unwrap().len()
}

#[sqlx::test]
async fn the_same_key_and_body_get_the_first_answer(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let body = json!({"assetHandleArray": [app.upload_asset("a.jpg", &draw_jpeg(1)).await], "fmt": "orig"});
    let first = create_job_with_key(&app, "order-1", &body).await;
    assert_eq!(first.header("idempotent-replayed"), "");
    let location = first.header("location").to_owned();
    let first = first.expect_status(202);
    offprint::worker::drain_work(&app.state).await.unwrap();
    let second = create_job_with_key(&app, "order-1", &body).await;
    assert_eq!((second.header("idempotent-replayed"), second.header("location")), ("true", location.as_str()));
    assert_eq!(second.expect_status(202), first, "the first response, not the job as it is now");
    assert_eq!(count_jobs(&app).await, 1);
    create_job_with_key(&app, "order-2", &body).await.expect_status(202);
    assert_eq!(count_jobs(&app).await, 2);
}

#[sqlx::test]
async fn another_body_under_the_same_key_is_refused(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let asset = app.upload_asset("a.jpg", &draw_jpeg(1)).await;
    create_job_with_key(&app, "k", &json!({"assetHandleArray": [asset], "fmt": "orig"})).await.expect_status(202);
    let other =
        create_job_with_key(&app, "k", &json!({"assetHandleArray": [asset], "fmt": "orig", "jobName": "x"})).await;
    assert_eq!(other.expect_status(422)["code"], "idempotency-conflict");
    assert_eq!(
        create_job_with_key(&app, "two words", &json!({})).await.expect_status(400)["code"],
        "invalid-parameter"
    );
}

#[sqlx::test]
async fn a_refused_request_leaves_its_key_free(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let asset = app.upload_asset("a.jpg", &draw_jpeg(1)).await;
    create_job_with_key(&app, "k", &json!({"assetHandleArray": [asset], "fmt": "convert"})).await.expect_status(422);
    create_job_with_key(&app, "k", &json!({"assetHandleArray": [asset], "fmt": "orig"})).await.expect_status(202);
}

#[sqlx::test]
async fn fifty_at_once_make_one_job(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let body = json!({"assetHandleArray": [app.upload_asset("a.jpg", &draw_jpeg(1)).await], "fmt": "orig"});
    let answers = futures_util::future::join_all((0..50).map(|_| create_job_with_key(&app, "storm", &body))).await;
    let codes: Vec<u16> = answers.iter().map(|answer| answer.status.as_u16()).collect();
    assert!(codes.iter().all(|code| matches!(code, 202 | 409)), "{codes:?}");
    assert_eq!(
        answers.iter().filter(|answer| answer.status == 202 && answer.header("idempotent-replayed").is_empty()).count(),
        1
    );
    assert_eq!(count_jobs(&app).await, 1);
}

#[sqlx::test]
async fn a_key_belongs_to_one_operation(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let asset = app.upload_asset("a.jpg", &draw_jpeg(1)).await;
    let body = json!({"assetHandleArray": [asset], "fmt": "orig", "execSchedule": "0 0 12 * * ?"});
    let once = json!({"assetHandleArray": [asset], "fmt": "orig"});
    let send_body = |path: &str, body: &Value| {
        app.send(TestRequest::post().uri(path).insert_header(("idempotency-key", "k")).set_json(body))
    };
    let send = |path: &str| send_body(path, &body);
    let first = send("/export-schedules").await.expect_status(201);
    let other = send_body("/export-jobs", &once).await.expect_status(422);
    assert_eq!(other["code"], "idempotency-conflict");
    assert!(other["detail"].as_str().unwrap().contains("`POST /export-schedules`"), "{other}");
    assert_eq!(send("/export-schedules").await.expect_status(201), first);
}
