//! Tasks whose worker dies in the middle: another one does them, and what must happen once happens once.

use std::sync::Arc;

use offprint::db::task::TaskKind;
use offprint::jobs::CallbackPolicy;
use offprint::notify::webhook::{WEBHOOK_TIMEOUT, WebhookSender};
use offprint::worker::run_task;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::support::cut_off::run_steps;
use crate::support::export_jobs::{create_job, drain_work, fetch_job, fetch_log};
use crate::support::queue::{claim_item, claim_task, settle_with_files};
use crate::support::test_app::TestApp;
use crate::support::webhook_receiver::ReceiverReply::Status;
use crate::support::webhook_receiver::{FakeResolver, WebhookReceiver};

/// An application that can send webhooks to this machine.
async fn open_app(pool: PgPool) -> TestApp {
    let mut app = TestApp::open(pool).await;
    let policy = CallbackPolicy { allow_http: true, allowed_networks: vec!["127.0.0.0/8".parse().unwrap()] };
    let resolver = FakeResolver::new(&[&["127.0.0.1"]]);
    app.state.webhook_sender = Arc::new(WebhookSender::with_lookup(policy, resolver, WEBHOOK_TIMEOUT));
    app
}

/// Kills the worker of a task of this kind after 0, 1, 2, … steps, until it comes to its end; and once more, because steps are
/// longer where answers come sooner. Returns how often it was killed.
async fn kill_at_each_step(app: &TestApp, kind: TaskKind, receiver: &WebhookReceiver) -> usize {
    let (mut kills, mut ends, mut steps) = (0, 0, 0);
    while ends < 2 {
        let asset = app.upload_asset("a.txt", b"bytes").await;
        let request = json!({"assetHandleArray": [asset], "fmt": "orig", "emailSetting": "All",
            "notifyEmails": [format!("ann{kills}-{ends}@example.org")], "callbackUrl": receiver.url()});
        let job = create_job(app, request).await;
        let claim = claim_item(app).await;
        assert!(settle_with_files(app, &claim).await);
        if kind != TaskKind::Seal {
            run_task(&app.state, claim_task(app, TaskKind::Seal).await).await.unwrap();
        }
        let claim = claim_task(app, kind).await;
        let message = claim.task_id.to_string();
        let has_ended = run_steps(async { run_task(&app.state, claim).await.unwrap() }, steps).await;
        app.assert_consistent().await;
        app.advance_time("1 minute").await;
        drain_all(app).await;
        assert_done_once(app, &job, steps).await;
        let received = receiver.messages().iter().filter(|sent| sent.headers["webhook-id"] == message).count();
        assert!(kind != TaskKind::Webhook || (1..=2).contains(&received), "after {steps} steps: {received} messages");
        app.assert_consistent().await;
        if has_ended {
            (ends, steps) = (ends + 1, 0);
        } else {
            (kills, steps) = (kills + 1, steps + 1);
        }
    }
    kills
}

/// Does all work. A statement that was on its way when its worker was killed may hold the lock of a task for a moment.
async fn drain_all(app: &TestApp) {
    for _ in 0..1000 {
        drain_work(app).await;
        let open = "select exists (select from task where state in ('waiting', 'running'))";
        if !sqlx::query_scalar::<_, bool>(open).fetch_one(&app.state.system).await.unwrap() {
            return;
        }
    }
}

/// The job is finished, its mail and its message are sent, and its log says each thing once.
async fn assert_done_once(app: &TestApp, job: &str, steps: usize) {
    let finished = fetch_job(app, job).await;
    assert_eq!((&finished["state"], &finished["outcome"]), (&json!("finished"), &json!("succeeded")), "{steps}");
    assert_eq!(finished["notification"]["state"], "sent", "after {steps} steps: {finished}");
    let events = fetch_log(app, job, "limit=100").await;
    let codes: Vec<&str> = events.iter().map(|event| event["code"].as_str().unwrap()).collect();
    let ends: Vec<&str> = codes.iter().skip_while(|code| **code != "archiveCreated").copied().collect();
    assert_eq!(ends, ["archiveCreated", "exportEnded", "emailSent"], "after {steps} steps: {codes:?}");
    let deliveries = app.get(format!("/export-jobs/{job}/deliveries")).await.expect_status(200);
    let states: Vec<&Value> = deliveries["items"].as_array().unwrap().iter().map(|row| &row["state"]).collect();
    assert_eq!(states, ["delivered"], "after {steps} steps");
}

#[sqlx::test]
async fn a_seal_that_is_killed_anywhere_finishes_its_job_once(pool: PgPool) {
    let app = open_app(pool).await;
    let receiver = WebhookReceiver::open(&[Status(200)]).await;
    let kills = kill_at_each_step(&app, TaskKind::Seal, &receiver).await;
    assert!(kills > 10, "{kills}");
}

#[sqlx::test]
async fn a_mail_that_is_killed_anywhere_is_sent_and_logged_once(pool: PgPool) {
    let app = open_app(pool).await;
    let receiver = WebhookReceiver::open(&[Status(200)]).await;
    let kills = kill_at_each_step(&app, TaskKind::Mail, &receiver).await;
    assert!(kills > 5, "{kills}");
    // The same mail twice is one file: its name is the Message-ID.
    let mails = std::fs::read_dir(app.folder.path().join("mail")).unwrap().count();
    assert_eq!(mails, kills + 2);
}

#[sqlx::test]
async fn a_webhook_that_is_killed_anywhere_is_delivered(pool: PgPool) {
    let app = open_app(pool).await;
    let receiver = WebhookReceiver::open(&[Status(200)]).await;
    let kills = kill_at_each_step(&app, TaskKind::Webhook, &receiver).await;
    assert!(kills > 3, "{kills}");
}
