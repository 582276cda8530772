//! Groups of export jobs: more assets than a job may have, with one status, one mail and one index of archives.

use std::sync::Arc;

use actix_web::test::TestRequest;
use offprint::http::document;
use offprint::jobs::CallbackPolicy;
use offprint::notify::webhook::{WEBHOOK_TIMEOUT, WebhookSender};
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::openapi_clients::assert_matches_schema;
use crate::support::export_jobs::{drain_work, fetch_job, send_job_action};
use crate::support::images::{create_broken_jpeg, draw_jpeg};
use crate::support::mail::parse_mail;
use crate::support::test_app::TestApp;
use crate::support::webhook_receiver::ReceiverReply::Status;
use crate::support::webhook_receiver::{FakeResolver, WebhookReceiver};

/// A service whose jobs have two items at most.
async fn open_app(pool: PgPool) -> TestApp {
    TestApp::with_settings(pool, |settings| settings.max_items = 2).await
}

async fn upload_jpegs(app: &TestApp, count: u8) -> Vec<String> {
    let mut handles = Vec::new();
    for seed in 0..count {
        handles.push(app.upload_asset(&format!("{seed}.jpg"), &draw_jpeg(seed)).await);
    }
    handles
}

fn list_jobs(group: &Value) -> Vec<String> {
    group["jobs"].as_array().unwrap().iter().map(|job| job["jobHandle"].as_str().unwrap().to_owned()).collect()
}

fn read_mails(app: &TestApp) -> Vec<String> {
    let Ok(files) = std::fs::read_dir(app.folder.path().join("mail")) else { return Vec::new() };
    files.map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap()).collect()
}

async fn show_group(app: &TestApp, group: &Value) -> Value {
    app.get(format!("/export-job-groups/{}", group["groupHandle"].as_str().unwrap())).await.expect_status(200)
}

#[sqlx::test]
async fn too_many_assets_are_split_into_jobs_with_one_status_mail_and_message(pool: PgPool) {
    let mut app = open_app(pool).await;
    let receiver = WebhookReceiver::open(&[Status(204)]).await;
    let callbacks = CallbackPolicy { allow_http: true, allowed_networks: vec!["127.0.0.0/8".parse().unwrap()] };
    let resolver = FakeResolver::new(&[&["127.0.0.1"]]);
    app.state.webhook_sender = Arc::new(WebhookSender::with_lookup(callbacks, resolver, WEBHOOK_TIMEOUT));
    let mut handles = upload_jpegs(&app, 4).await;
    handles.push(app.upload_asset("cut.jpg", &create_broken_jpeg()).await);
    let request = json!({
        "assetHandleArray": handles, "fmt": "convert", "is_modifier": "wid=9", "jobName": "all", "metadata": {"order": "7"},
        "emailSetting": "Error", "notifyEmails": ["ann@example.org"], "callbackUrl": receiver.url(),
    });
    let refused = app.post("/export-jobs", request.clone()).await.expect_status(422);
    let error = &refused["errors"][0];
    assert_eq!(error["code"], "too-many-items", "{refused}");
    assert!(error["detail"].as_str().unwrap().contains("POST /export-job-groups"), "{error}");

    let created = app.post("/export-job-groups", request).await.expect_status(202);
    let jobs = list_jobs(&created);
    assert_eq!((jobs.len(), &created["counts"]["total"], &created["state"]), (3, &json!(5), &json!("queued")));
    assert_eq!((&created["percent"], &created["outcome"]), (&json!(0), &Value::Null));
    drain_work(&app).await;
    let group = show_group(&app, &created).await;
    assert_eq!((&group["state"], &group["outcome"]), (&json!("finished"), &json!("partiallyFailed")), "{group:#}");
    let counts = json!({"total": 5, "waiting": 0, "running": 0, "succeeded": 4, "failed": 1, "skipped": 0, "stopped": 0, "warnings": 0});
    assert_eq!((&group["counts"], &group["files"], &group["percent"]), (&counts, &json!(4), &json!(100)));
    let document: Value = serde_json::from_str(document::get_document_json()).unwrap();
    assert_matches_schema(&document, &json!({"$ref": "#/components/schemas/ExportJobGroup"}), &group, "group");
    // The index of archives: each exists, has the size that the group says, and its own part of the files.
    let mut names = Vec::new();
    for part in group["jobs"].as_array().unwrap() {
        let archive = app.get(part["links"]["archive"].as_str().unwrap()).await;
        assert_eq!((archive.status.as_u16(), part["archiveBytes"].as_u64()), (200, Some(archive.body.len() as u64)));
        let files = app.get(format!("{}/files?state=ready", part["links"]["self"].as_str().unwrap())).await;
        let files = files.expect_status(200);
        names.extend(files["items"].as_array().unwrap().iter().map(|file| file["path"].as_str().unwrap().to_owned()));
        assert_eq!(fetch_job(&app, part["jobHandle"].as_str().unwrap()).await["groupHandle"], group["groupHandle"]);
    }
    assert_eq!(names, ["0.jpg", "1.jpg", "2.jpg", "3.jpg"]);

    let mails = read_mails(&app);
    assert_eq!(mails.len(), 1, "one mail for the group");
    let mail = parse_mail(&mails[0], "").text;
    for expected in ["all", "cut.jpg", "archive 1 of 2", "archive 2 of 2", "/downloads/", "/export-job-groups/"] {
        assert!(mail.contains(expected), "{expected}: {mail}");
    }
    let [message] = &receiver.messages()[..] else { panic!("one message: {}", receiver.messages().len()) };
    let message: Value = serde_json::from_str(&message.body).unwrap();
    let schema = json!({"$ref": "#/components/schemas/JobGroupWebhookEvent"});
    assert_matches_schema(&document, &schema, &message, "webhook");
    assert_eq!(message["type"], "export_job_group.finished");
    for field in ["groupHandle", "groupName", "metadata", "state", "outcome", "counts", "files", "bytes"] {
        assert_eq!(message["data"][field], group[field], "{field}");
    }
    assert_eq!(message["data"]["jobHandles"], json!(jobs));

    // A retry of a part ends the group again.
    let failed = fetch_job(&app, &jobs[2]).await;
    assert_eq!(failed["outcome"], "failed");
    send_job_action(&app, &jobs[2], "retry").await.expect_status(200);
    assert_ne!(show_group(&app, &created).await["state"], "finished");
    drain_work(&app).await;
    assert_eq!((read_mails(&app).len(), receiver.messages().len()), (2, 2));
    app.assert_consistent().await;
}

#[sqlx::test]
async fn a_group_is_created_once_and_as_a_whole(pool: PgPool) {
    let app = open_app(pool).await;
    let handles = upload_jpegs(&app, 5).await;
    let send = async |body: &Value| {
        let request = TestRequest::post().uri("/export-job-groups").insert_header(("idempotency-key", "k1"));
        app.send(request.set_json(body)).await
    };
    let count_jobs = async || app.get("/export-jobs").await.expect_status(200)["items"].as_array().unwrap().len();
    // What is wrong with one asset of the third part is told where it stands in the request; nothing is created.
    let assets: Vec<Value> = handles.iter().map(|handle| json!({"assetHandle": handle})).collect();
    let mut wrong = assets.clone();
    wrong[4]["is_modifier"] = json!("wid=nothing");
    let refused = send(&json!({"assets": wrong, "fmt": "convert", "is_modifier": "hei=3"})).await.expect_status(422);
    assert_eq!(refused["errors"][0]["pointer"], "/assets/4/is_modifier", "{refused}");
    assert_eq!(count_jobs().await, 0);
    let body = json!({"assets": assets, "fmt": "convert", "is_modifier": "hei=3"});
    let first = send(&body).await;
    let location = first.header("location").to_owned();
    let first = first.expect_status(202);
    let again = send(&body).await;
    assert_eq!((again.header("idempotent-replayed"), again.header("location")), ("true", location.as_str()));
    assert_eq!(again.expect_status(202)["groupHandle"], first["groupHandle"]);
    assert_eq!(count_jobs().await, 3);
    drain_work(&app).await;
    assert_eq!(app.get(&location).await.expect_status(200)["outcome"], "succeeded");
    assert!(read_mails(&app).is_empty());
    app.assert_consistent().await;
}

#[sqlx::test]
async fn what_jobs_of_a_group_would_do_to_each_other_is_refused(pool: PgPool) {
    let app = open_app(pool).await;
    for folder in ["a", "b", "c"] {
        app.upload_to(folder, &[("shoe.jpg", &draw_jpeg(1))]).await.expect_status(201);
    }
    let whole = json!({"assetFilter": {"recursive": true}, "fmt": "orig"});
    let with = |field: &str, value: Value| {
        let mut request = whole.clone();
        request[field] = value;
        request
    };
    for (request, pointer) in [
        (whole.clone(), "/layout"),
        (with("execSchedule", json!("0 0 12 * * ?")), "/execSchedule"),
        (with("assetFilter", json!({"folder": "nowhere"})), "/assetFilter"),
    ] {
        let refused = app.post("/export-job-groups", request.clone()).await.expect_status(422);
        assert_eq!(refused["errors"][0]["pointer"], pointer, "{refused}");
    }
    assert_eq!(app.get("/export-jobs").await.expect_status(200)["items"], json!([]));
    let created = app.post("/export-job-groups", with("layout", json!("folders"))).await.expect_status(202);
    assert_eq!(list_jobs(&created).len(), 2);
    drain_work(&app).await;
    // A group goes with its jobs.
    for job in list_jobs(&created) {
        app.delete(format!("/export-jobs/{job}")).await.expect_success();
    }
    drain_work(&app).await;
    offprint::worker::sweep_expired(&app.state).await.unwrap();
    offprint::worker::enforce_retention(&app.state).await.unwrap();
    let groups: i64 =
        sqlx::query_scalar("select count(*) from export_job_group").fetch_one(&app.state.system).await.unwrap();
    assert_eq!(groups, 0);
    app.assert_consistent().await;
}

#[sqlx::test]
async fn a_group_has_its_limit(pool: PgPool) {
    let app = TestApp::with_settings(pool, |settings| settings.max_items = 1).await;
    let handles = upload_jpegs(&app, 11).await;
    let request = |count: usize| json!({"assetHandleArray": &handles[..count], "fmt": "orig"});
    let refused = app.post("/export-job-groups", request(11)).await.expect_status(422);
    assert_eq!(refused["errors"][0]["code"], "too-many-items", "{refused}");
    assert!(refused["errors"][0]["detail"].as_str().unwrap().contains("10 jobs of 1 items"), "{refused}");
    let created = app.post("/export-job-groups", request(10)).await.expect_status(202);
    assert_eq!(list_jobs(&created).len(), 10);
}
