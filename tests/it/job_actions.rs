//! Job actions (pause, resume, stop, run, retry): each from each state, and many at once.

use futures_util::future::join_all;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::support::export_jobs::{create_job, drain_work, fetch_job, send_job_action};
use crate::support::images::{create_broken_jpeg, draw_jpeg};
use crate::support::queue::{claim_item, settle_with_files};
use crate::support::test_app::TestApp;

const ACTIONS: [&str; 5] = ["pause", "resume", "stop", "run", "retry"];

/// Every state a job can be shown in, the actions that it allows, and the state that each leads to.
const TRANSITIONS: [(&str, &[(&str, &str)]); 7] = [
    ("scheduled", &[("pause", "paused"), ("stop", "stopping"), ("run", "queued")]),
    ("queued", &[("pause", "paused"), ("stop", "stopping")]),
    ("running", &[("pause", "paused"), ("stop", "stopping")]),
    ("paused", &[("resume", "queued"), ("stop", "stopping")]),
    ("stopping", &[]),
    ("finished", &[]),
    ("finished with a failed item", &[("retry", "running")]),
];

/// A job in one of the states of the table; the state with a failed item has a truncated JPEG.
async fn create_job_in_state(app: &TestApp, state: &str) -> String {
    let mut handles = vec![app.upload_asset("a.jpg", &draw_jpeg(1)).await];
    if state == "finished with a failed item" {
        handles.push(app.upload_asset("b.jpg", &create_broken_jpeg()).await);
    }
    let mut request = json!({"assetHandleArray": handles, "fmt": "convert", "is_modifier": "wid=20"});
    if state == "scheduled" {
        request["execTime"] = json!("2099-01-01T00:00:00Z");
    }
    let job = create_job(app, request).await;
    match state {
        "scheduled" | "queued" => {}
        "running" => drop(claim_item(app).await),
        "paused" => drop(send_job_action(app, &job, "pause").await.expect_status(200)),
        "stopping" => {
            claim_item(app).await;
            send_job_action(app, &job, "stop").await.expect_status(200);
        }
        _ => drain_work(app).await,
    }
    if state == "running" {
        let id = job.parse().unwrap();
        offprint::db::item::begin_run(&app.state.system, app.state.company, id).await.unwrap();
    }
    assert_eq!(fetch_job(app, &job).await["state"], state.split(' ').next().unwrap(), "{state}");
    job
}

/// Ends whatever still runs, as if its worker had died, and does the remaining work.
async fn finish_running_work(app: &TestApp) {
    app.expire_leases().await;
    drain_work(app).await;
}

#[sqlx::test]
async fn each_action_from_each_state(pool: PgPool) {
    let app = TestApp::open(pool).await;
    for (state, transitions) in TRANSITIONS {
        for action in ACTIONS {
            let job = create_job_in_state(&app, state).await;
            let before = fetch_job(&app, &job).await;
            let answer = send_job_action(&app, &job, action).await;
            match transitions.iter().find(|(taken, _)| *taken == action) {
                Some((_, leads_to)) => {
                    assert_eq!(answer.expect_status(200)["state"], *leads_to, "{action} when {state}")
                }
                None => {
                    let problem = answer.expect_status(409);
                    let detail = problem["detail"].as_str().unwrap();
                    assert_eq!(problem["code"], "wrong-state", "{action} when {state}");
                    assert!(detail.contains(state.split(' ').next().unwrap()), "{action} when {state}: {detail}");
                    if state != "finished" {
                        let allowed = detail.split("Allowed now: ").nth(1).unwrap_or_default().trim_end_matches('.');
                        let table: Vec<&str> = transitions.iter().map(|(action, _)| *action).collect();
                        assert_eq!(allowed, table.join(", "), "{action} when {state}: {detail}");
                    }
                    assert_eq!(fetch_job(&app, &job).await["state"], before["state"], "{action} when {state}");
                }
            }
            finish_running_work(&app).await;
            app.delete(format!("/export-jobs/{job}")).await.expect_status(204);
            app.get(format!("/export-jobs/{job}")).await.expect_status(404);
        }
    }
    app.assert_consistent().await;
}

#[sqlx::test]
async fn a_job_can_be_deleted_in_each_state(pool: PgPool) {
    let app = TestApp::open(pool).await;
    for (state, _) in TRANSITIONS {
        let job = create_job_in_state(&app, state).await;
        app.delete(format!("/export-jobs/{job}")).await.expect_status(204);
        app.get(format!("/export-jobs/{job}")).await.expect_status(404);
        assert_eq!(send_job_action(&app, &job, "stop").await.status, 404);
        finish_running_work(&app).await;
    }
    offprint::worker::sweep_expired(&app.state).await.unwrap();
    let left: i64 = sqlx::query_scalar("select count(*) from export_job").fetch_one(&app.state.system).await.unwrap();
    assert_eq!(left, 0);
}

#[sqlx::test]
async fn pause_survives_a_restart_and_what_runs_ends(pool: PgPool) {
    let app = TestApp::open(pool.clone()).await;
    for seed in 1..=3 {
        app.upload_asset(&format!("{seed}.jpg"), &draw_jpeg(seed)).await;
    }
    let job = create_job(&app, json!({"assetFilter": {}, "fmt": "convert", "is_modifier": "wid=20"})).await;
    let running = claim_item(&app).await;
    send_job_action(&app, &job, "pause").await.expect_status(200);
    assert!(settle_with_files(&app, &running).await, "a running item is finished");
    let mut after = TestApp::open(pool).await;
    after.state.storage = app.state.storage.clone();
    drain_work(&after).await;
    let paused = fetch_job(&after, &job).await;
    assert_eq!((&paused["state"], &paused["counts"]["succeeded"]), (&json!("paused"), &json!(1)));
    assert_eq!(paused["counts"]["waiting"], 2);
    send_job_action(&after, &job, "resume").await.expect_status(200);
    drain_work(&after).await;
    assert_eq!(fetch_job(&after, &job).await["counts"]["succeeded"], 3);
    after.assert_consistent().await;
}

/// Clients send random actions while items are being rendered.
#[sqlx::test]
async fn actions_of_many_clients_at_once_never_break_a_count(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let mut broken = draw_jpeg(9);
    broken.truncate(broken.len() / 2);
    for seed in 0..8 {
        let bytes = if seed % 4 == 3 { broken.clone() } else { draw_jpeg(seed) };
        app.upload_asset(&format!("{seed}.jpg"), &bytes).await;
    }
    let job = create_job(&app, json!({"assetFilter": {}, "fmt": "convert", "is_modifier": "wid=20"})).await;
    for round in 0..6 {
        let actions = (0..12).map(|client| send_job_action(&app, &job, ACTIONS[(client * 7 + round) % ACTIONS.len()]));
        let (answers, ()) = tokio::join!(join_all(actions), drain_work(&app));
        for answer in answers {
            assert!([200, 409].contains(&answer.status.as_u16()), "{}", String::from_utf8_lossy(&answer.body));
        }
        app.assert_consistent().await;
        let counts = fetch_job(&app, &job).await["counts"].clone();
        let sum: i64 = ["waiting", "running", "succeeded", "failed", "skipped", "stopped"]
            .iter()
            .map(|state| counts[state].as_i64().unwrap())
            .sum();
        assert_eq!(counts["total"], json!(sum), "{counts}");
    }
    let _ = send_job_action(&app, &job, "resume").await;
    finish_running_work(&app).await;
    let ended = fetch_job(&app, &job).await;
    assert_eq!(ended["state"], "finished", "{ended}");
    let ends: i64 = count_events(&app, &job, "exportEnded").await;
    assert_eq!(ended["run"], json!(ends), "each run ends once");
    app.assert_consistent().await;
}

async fn count_events(app: &TestApp, job: &str, code: &str) -> i64 {
    let list: Value = app.get(format!("/export-jobs/{job}/events?code={code}")).await.expect_status(200);
    list["items"].as_array().unwrap().len() as i64
}

/// The time of a paused job does not start it; resumed before its time it waits again, afterwards it starts.
#[sqlx::test]
async fn a_scheduled_job_can_be_paused(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let asset = app.upload_asset("a.txt", b"bytes").await;
    let request = json!({"assetHandleArray": [asset], "fmt": "orig", "execTime": "2099-01-01T00:00:00Z"});
    let job = app.post("/export-jobs", request).await.expect_status(202)["jobHandle"].as_str().unwrap().to_owned();
    let act = async |action: &str| send_job_action(&app, &job, action).await.expect_status(200)["state"].clone();
    assert_eq!((act("pause").await, act("resume").await), (json!("paused"), json!("scheduled")));
    act("pause").await;
    app.advance_time("100 years").await;
    offprint::worker::drain_work(&app.state).await.unwrap();
    assert_eq!(fetch_job(&app, &job).await["state"], "paused");
    act("resume").await;
    offprint::worker::drain_work(&app.state).await.unwrap();
    assert_eq!(fetch_job(&app, &job).await["state"], "finished");
    // What was started before its time does not wait for it again.
    let request = json!({"assetHandleArray": [asset], "fmt": "orig", "execTime": "2099-01-01T00:00:00Z"});
    let job = app.post("/export-jobs", request).await.expect_status(202)["jobHandle"].as_str().unwrap().to_owned();
    let act = async |action: &str| send_job_action(&app, &job, action).await.expect_status(200)["state"].clone();
    assert_eq!(
        (act("run").await, act("pause").await, act("resume").await),
        (json!("queued"), json!("paused"), json!("queued"))
    );
}
