//! The end of a group of jobs: one mail and one message, in whatever way its last open job ends.

use std::sync::Arc;

use futures_util::future::join;
use offprint::jobs::CallbackPolicy;
use offprint::notify::webhook::{WEBHOOK_TIMEOUT, WebhookSender};
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::support::export_jobs::{drain_work, send_job_action};
use crate::support::images::{create_broken_jpeg, draw_jpeg};
use crate::support::test_app::TestApp;
use crate::support::webhook_receiver::ReceiverReply::Status;
use crate::support::webhook_receiver::{FakeResolver, WebhookReceiver};

/// A service whose jobs have one item, and a receiver of messages.
async fn open_app(pool: PgPool) -> (TestApp, WebhookReceiver) {
    let mut app = TestApp::with_settings(pool, |settings| settings.max_items = 1).await;
    let receiver = WebhookReceiver::open(&[Status(204)]).await;
    let callbacks = CallbackPolicy { allow_http: true, allowed_networks: vec!["127.0.0.0/8".parse().unwrap()] };
    let resolver = FakeResolver::new(&[&["127.0.0.1"]]);
    app.state.webhook_sender = Arc::new(WebhookSender::with_lookup(callbacks, resolver, WEBHOOK_TIMEOUT));
    (app, receiver)
}

/// A group of jobs of one asset each, of which the second one is paused; its handle and theirs.
async fn create_group(app: &TestApp, receiver: &WebhookReceiver, assets: &[String]) -> (String, Vec<String>) {
    let request = json!({
        "assetHandleArray": assets, "fmt": "convert", "is_modifier": "wid=9", "emailSetting": "All",
        "notifyEmails": ["ann@example.org"], "callbackUrl": receiver.url(),
    });
    let created = app.post("/export-job-groups", request).await.expect_status(202);
    let jobs: Vec<String> =
        (created["jobs"].as_array().unwrap().iter()).map(|job| job["jobHandle"].as_str().unwrap().to_owned()).collect();
    send_job_action(app, &jobs[1], "pause").await.expect_status(200);
    (created["groupHandle"].as_str().unwrap().to_owned(), jobs)
}

/// How many mails and messages there are, and the last message.
fn read_notices(app: &TestApp, receiver: &WebhookReceiver) -> (usize, usize, Value) {
    let mails = std::fs::read_dir(app.folder.path().join("mail")).map_or(0, Iterator::count);
    let messages = receiver.messages();
    let last = messages.last().map_or(Value::Null, |message| serde_json::from_str(&message.body).unwrap());
    (mails, messages.len(), last)
}

async fn end_job(app: &TestApp, job: &str, way: &str) {
    match way {
        "finishes" => drop(send_job_action(app, job, "resume").await.expect_status(200)),
        "is stopped" => drop(send_job_action(app, job, "stop").await.expect_status(200)),
        _ => app.delete(format!("/export-jobs/{job}")).await.expect_success(),
    }
    drain_work(app).await;
}

#[sqlx::test]
async fn a_group_ends_once_in_whatever_way_its_last_job_does(pool: PgPool) {
    let (app, receiver) = open_app(pool).await;
    let assets = [app.upload_asset("a.jpg", &draw_jpeg(1)).await, app.upload_asset("b.jpg", &draw_jpeg(2)).await];
    for (number, (way, outcome, left)) in
        [("finishes", "succeeded", 2), ("is stopped", "stopped", 2), ("is deleted", "succeeded", 1)]
            .into_iter()
            .enumerate()
    {
        let (group, jobs) = create_group(&app, &receiver, &assets).await;
        drain_work(&app).await;
        assert_eq!(read_notices(&app, &receiver).1, number, "{way}: the second job is open");
        // Whoever waits is answered as soon as it ends, not when the time is over.
        let waiting = app.get(format!("/export-job-groups/{group}?wait=50"));
        let (shown, ()) = join(waiting, end_job(&app, &jobs[1], way)).await;
        let shown = shown.expect_status(200);
        assert_eq!((&shown["state"], &shown["outcome"]), (&json!("finished"), &json!(outcome)), "{way}: {shown:#}");
        let (mails, messages, last) = read_notices(&app, &receiver);
        assert_eq!((mails, messages), (number + 1, number + 1), "{way}");
        assert_eq!(last["data"]["groupHandle"], json!(group), "{way}");
        assert_eq!(
            (&last["data"]["outcome"], &last["data"]["jobHandles"]),
            (&json!(outcome), &json!(jobs[..left])),
            "{way}"
        );
        for field in ["counts", "files", "bytes", "state"] {
            assert_eq!(last["data"][field], shown[field], "{way}: {field}");
        }
        // What is deleted afterwards ended before.
        for job in &jobs[..left] {
            app.delete(format!("/export-jobs/{job}")).await.expect_success();
        }
        drain_work(&app).await;
        assert_eq!(read_notices(&app, &receiver).1, number + 1, "{way}");
        app.get(format!("/export-job-groups/{group}")).await.expect_status(404);
    }
    app.assert_consistent().await;
}

#[sqlx::test]
async fn a_group_of_which_nothing_is_left_tells_nobody(pool: PgPool) {
    let (app, receiver) = open_app(pool).await;
    let assets = [app.upload_asset("a.jpg", &draw_jpeg(1)).await, app.upload_asset("b.jpg", &draw_jpeg(2)).await];
    let (group, jobs) = create_group(&app, &receiver, &assets).await;
    for job in &jobs {
        app.delete(format!("/export-jobs/{job}")).await.expect_success();
    }
    app.get(format!("/export-job-groups/{group}?wait=50")).await.expect_status(404);
    drain_work(&app).await;
    assert_eq!(read_notices(&app, &receiver), (0, 0, Value::Null));
    app.assert_consistent().await;
}

/// The job that stays has told of the end of the group before, in the same run.
#[sqlx::test]
async fn a_group_that_ends_again_tells_it_again(pool: PgPool) {
    let (app, receiver) = open_app(pool).await;
    let assets =
        [app.upload_asset("cut.jpg", &create_broken_jpeg()).await, app.upload_asset("b.jpg", &draw_jpeg(2)).await];
    let (group, jobs) = create_group(&app, &receiver, &assets).await;
    drain_work(&app).await;
    end_job(&app, &jobs[1], "finishes").await;
    assert_eq!(read_notices(&app, &receiver).1, 1);
    send_job_action(&app, &jobs[0], "retry").await.expect_status(200);
    send_job_action(&app, &jobs[0], "pause").await.expect_status(200);
    end_job(&app, &jobs[0], "is deleted").await;
    let (mails, messages, last) = read_notices(&app, &receiver);
    assert_eq!((mails, messages), (2, 2));
    assert_eq!((&last["data"]["outcome"], &last["data"]["jobHandles"]), (&json!("succeeded"), &json!([jobs[1]])));
    let listed = app.get(format!("/export-jobs/{}/deliveries", jobs[1])).await.expect_status(200);
    assert_eq!(listed["items"].as_array().unwrap().len(), 2, "{listed:#}");
    assert_eq!(app.get(format!("/export-job-groups/{group}")).await.expect_status(200)["state"], "finished");
    app.assert_consistent().await;
}

/// Jobs that are removed when their time is over ended long before.
#[sqlx::test]
async fn retention_ends_no_group(pool: PgPool) {
    let (app, receiver) = open_app(pool).await;
    let assets = [app.upload_asset("a.jpg", &draw_jpeg(1)).await, app.upload_asset("b.jpg", &draw_jpeg(2)).await];
    let (group, jobs) = create_group(&app, &receiver, &assets).await;
    drain_work(&app).await;
    sqlx::query(
        "update export_job set released_at = now(), finished_at = now() - interval '1000 days' where job_id = $1::uuid",
    )
    .bind(&jobs[0])
    .execute(&app.state.system)
    .await
    .unwrap();
    offprint::worker::enforce_retention(&app.state).await.unwrap();
    drain_work(&app).await;
    app.get(format!("/export-jobs/{}", jobs[0])).await.expect_status(404);
    assert_eq!(read_notices(&app, &receiver), (0, 0, Value::Null));
    let shown = app.get(format!("/export-job-groups/{group}")).await.expect_status(200);
    assert_eq!(shown["state"], "paused", "{shown:#}");
    end_job(&app, &jobs[1], "finishes").await;
    let (mails, messages, last) = read_notices(&app, &receiver);
    assert_eq!((mails, messages, &last["data"]["jobHandles"]), (1, 1, &json!([jobs[1]])));
    app.assert_consistent().await;
}
