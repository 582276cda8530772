//! Export jobs through the API: create one, do its work, look at it, and send it job actions.

use serde_json::{Value, json};

use crate::support::test_app::{TestApp, TestResponse};

/// Creates a job from a request that must be accepted, does all its work; the job as it is then.
pub async fn run_export(app: &TestApp, request: Value) -> Value {
    let job = create_job(app, request).await;
    drain_work(app).await;
    fetch_job(app, &job).await
}

/// Creates a job from a request that must be accepted; its handle.
pub async fn create_job(app: &TestApp, request: Value) -> String {
    let job = app.post("/export-jobs", request).await.expect_status(202);
    job["jobHandle"].as_str().unwrap().to_owned()
}

pub async fn drain_work(app: &TestApp) {
    offprint::worker::drain_work(&app.state).await.unwrap();
}

pub async fn fetch_job(app: &TestApp, job: &str) -> Value {
    app.get(format!("/export-jobs/{job}")).await.expect_status(200)
}

pub async fn fetch_items(app: &TestApp, job: &Value) -> Vec<Value> {
    let list = app.get(format!("/export-jobs/{}/items", get_job_handle(job))).await.expect_status(200);
    list["items"].as_array().unwrap().clone()
}

pub async fn download_file(app: &TestApp, job: &Value, path: &str) -> Vec<u8> {
    let answer = app.get(format!("/export-jobs/{}/files/{path}", get_job_handle(job))).await;
    assert_eq!(answer.status, 200, "{path}: {}", String::from_utf8_lossy(&answer.body));
    answer.body
}

/// Runs an export of one asset that must succeed; its file.
pub async fn export_single_file(app: &TestApp, request: serde_json::Value) -> Vec<u8> {
    let job = run_export(app, request).await;
    let items = fetch_items(app, &job).await;
    assert_eq!(items[0]["state"], "succeeded", "{items:#?}");
    download_file(app, &job, items[0]["files"][0]["path"].as_str().unwrap()).await
}

pub fn get_job_handle(job: &Value) -> &str {
    job["jobHandle"].as_str().unwrap()
}

/// Pauses, resumes, stops, runs or retries a job.
pub async fn send_job_action(app: &TestApp, job: &str, action: &str) -> TestResponse {
    app.post(format!("/export-jobs/{job}/{action}"), json!({})).await
}

/// A page of the job's log; the query chooses language, codes and length.
pub async fn fetch_log(app: &TestApp, job: &str, query: &str) -> Vec<Value> {
    let mut log = app.get(format!("/export-jobs/{job}/events?{query}")).await.expect_status(200);
    log["items"].as_array_mut().unwrap().drain(..).collect()
}
