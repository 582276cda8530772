//! Several processes on one database: they share work, notify each other, and may die without harm.

use std::time::Duration;

use offprint::app::signal_relay;
use offprint::settings::{Role, Settings};
use serde_json::{Value, json};
use sqlx::PgPool;
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::support::export_jobs::{create_job, fetch_job};
use crate::support::images::{draw_image, draw_jpeg};
use crate::support::service_process::{ServiceProcess, build_database_url};
use crate::support::test_app::{TestApp, open_second_app};

/// Longer than anything here takes; shorter than the heartbeat interval of the leases here.
const TEST_TIMEOUT: Duration = Duration::from_secs(30);

fn spawn_signal_relay(app: &TestApp) -> JoinHandle<()> {
    tokio::spawn(signal_relay::run_signal_relay(app.state.clone()))
}

/// Notifies until it is received: the other process may not listen yet, or may be reconnecting.
async fn wait_for_signal(from: &TestApp, to: &TestApp) {
    let notified = async {
        loop {
            let received = to.state.work_available.listen();
            from.state.work_available.notify();
            if timeout(Duration::from_millis(200), received).await.is_ok() {
                return;
            }
        }
    };
    timeout(TEST_TIMEOUT, notified).await.expect("a notification reaches the other process");
}

#[sqlx::test]
async fn notifications_reach_other_processes_also_after_a_lost_connection(pool: PgPool) {
    let api = TestApp::open(pool).await;
    let worker = open_second_app(&api, None, |_| {}).await;
    let relays = [spawn_signal_relay(&api), spawn_signal_relay(&worker)];
    wait_for_signal(&api, &worker).await;
    wait_for_signal(&worker, &api).await;
    let cut: Vec<bool> = sqlx::query_scalar(
        "select pg_terminate_backend(pid) from pg_stat_activity
          where datname = current_database() and query like 'LISTEN%' and pid <> pg_backend_pid()",
    )
    .fetch_all(&api.state.system)
    .await
    .unwrap();
    assert_eq!(cut, [true, true], "both listen");
    wait_for_signal(&api, &worker).await;
    let change = api.state.job_changes.listen();
    worker.state.job_changes.notify();
    timeout(TEST_TIMEOUT, change).await.expect("job changes are notified again");
    relays.iter().for_each(JoinHandle::abort);
}

/// A job whose one item hangs in another process, whose next heartbeat is far away.
async fn start_hanging_job(pool: PgPool) -> (TestApp, TestApp, [JoinHandle<()>; 3], String) {
    let long = |settings: &mut Settings| {
        (settings.lease, settings.slots) = (Duration::from_secs(3600), 1);
        settings.max_render_time = Duration::from_secs(3600);
    };
    let api = TestApp::with_settings(pool, long).await;
    let worker = open_second_app(&api, Some("sleep:77"), long).await;
    let tasks = [
        spawn_signal_relay(&api),
        spawn_signal_relay(&worker),
        tokio::spawn(offprint::worker::run_workers(worker.state.clone())),
    ];
    wait_for_signal(&api, &worker).await;
    let asset = api.upload_asset("a.jpg", &draw_image(image::ImageFormat::Jpeg, 77, 60, 1)).await;
    let job = create_job(&api, json!({"assetHandleArray": [asset], "fmt": "convert", "is_modifier": "wid=20"})).await;
    let runs = api.get_with_header(format!("/export-jobs/{job}?wait=60"), "if-none-match", "W/\"1-0-1-queued\"");
    let mut job_now = timeout(TEST_TIMEOUT, runs).await.unwrap().expect_status(200);
    while job_now["counts"]["running"] != 1 {
        job_now = fetch_job(&api, &job).await;
        tokio::task::yield_now().await;
    }
    (api, worker, tasks, job)
}

async fn stop_worker(worker: &TestApp, tasks: [JoinHandle<()>; 3]) {
    worker.state.closing.cancel();
    let [first, second, workers] = tasks;
    workers.await.unwrap();
    [first, second].iter().for_each(JoinHandle::abort);
}

#[sqlx::test]
async fn a_stop_reaches_an_item_that_runs_elsewhere_at_once(pool: PgPool) {
    let (api, worker, tasks, job) = start_hanging_job(pool).await;
    api.post(format!("/export-jobs/{job}/stop"), json!({})).await.expect_status(200);
    let ended = timeout(TEST_TIMEOUT, api.get(format!("/export-jobs/{job}?wait=60")))
        .await
        .expect("at once, not with the next heartbeat");
    let ended = ended.expect_status(200);
    assert_eq!((&ended["outcome"], &ended["counts"]["stopped"]), (&json!("stopped"), &json!(1)), "{ended}");
    stop_worker(&worker, tasks).await;
    api.assert_consistent().await;
}

#[sqlx::test]
async fn a_delete_reaches_an_item_that_runs_elsewhere_at_once(pool: PgPool) {
    let (api, worker, tasks, job) = start_hanging_job(pool).await;
    api.delete(format!("/export-jobs/{job}")).await.expect_status(204);
    let running = "select count(*) from export_item where state = 'running'";
    let gone = async {
        while sqlx::query_scalar::<_, i64>(running).fetch_one(&api.state.system).await.unwrap() > 0 {
            tokio::task::yield_now().await;
        }
    };
    timeout(TEST_TIMEOUT, gone).await.expect("at once, not with the next heartbeat");
    stop_worker(&worker, tasks).await;
    offprint::worker::sweep_expired(&api.state).await.unwrap();
    let left: i64 = sqlx::query_scalar("select count(*) from export_job").fetch_one(&api.state.system).await.unwrap();
    assert_eq!(left, 0);
}

#[sqlx::test]
async fn workers_are_listed_while_they_live(pool: PgPool) {
    let app = TestApp::with_settings(pool, |settings| settings.slots = 3).await;
    let workers = || async { app.get("/workers").await.expect_status(200)["items"].as_array().unwrap().clone() };
    assert_eq!(workers().await.len(), 0);
    let running = tokio::spawn(offprint::worker::run_workers(app.state.clone()));
    let mut listed = workers().await;
    while listed.is_empty() {
        listed = workers().await;
    }
    let handle = json!(app.state.worker);
    assert_eq!(
        (&listed[0]["workerHandle"], &listed[0]["role"], &listed[0]["slots"]),
        (&handle, &json!("all"), &json!(3)),
        "{listed:?}"
    );
    assert!(!listed[0]["host"].as_str().unwrap().is_empty());
    let numbers = String::from_utf8(app.get("/metrics").await.body).unwrap();
    assert!(numbers.contains("\noffprint_workers 1\n") && numbers.contains("\noffprint_slots 3\n"), "{numbers}");
    app.state.closing.cancel();
    running.await.unwrap();
    assert_eq!(workers().await.len(), 0, "the worker reported its end");
    // A killed worker counts as alive until its lease ends.
    sqlx::query("update worker set live_until = now() + interval '20 seconds'")
        .execute(&app.state.system)
        .await
        .unwrap();
    assert_eq!(workers().await.len(), 1);
    app.advance_time("21 seconds").await;
    assert_eq!(workers().await.len(), 0);
}

#[sqlx::test]
async fn a_process_that_only_works_answers_how_it_is_and_nothing_else(pool: PgPool) {
    let app = TestApp::with_settings(pool, |settings| settings.role = Role::Worker).await;
    for path in ["/health/live", "/health/ready", "/metrics"] {
        assert_eq!(app.get(path).await.status, 200, "{path}");
    }
    for path in ["/assets", "/export-jobs", "/", "/openapi.json", "/swagger-ui/", "/workers"] {
        let problem = app.get(path).await.expect_status(404);
        assert!(problem["detail"].as_str().unwrap().contains("OFFPRINT_ROLE=worker"), "{path}: {problem}");
    }
}

#[sqlx::test]
async fn one_process_answers_and_two_work(pool: PgPool) {
    let (database, folder) = (build_database_url(&pool), TempDir::new().unwrap());
    let start = |role| ServiceProcess::start(&database, &folder, &[("OFFPRINT_ROLE", role)]).unwrap();
    let api = start("api");
    for seed in 0..12 {
        api.upload_asset(format!("{seed}.jpg"), draw_jpeg(seed)).await;
    }
    let job = api.create_job(json!({"assetFilter": {}, "fmt": "convert", "is_modifier": "wid=20"})).await;
    assert_eq!(api.get("/workers").await["items"], json!([]));
    assert_eq!(api.get(&format!("/export-jobs/{job}")).await["state"], "queued", "nobody works yet");
    let workers = [start("worker"), start("worker")];
    let done = api.wait_for_progress(&job, 13).await;
    assert_eq!((&done["outcome"], &done["counts"]["succeeded"]), (&json!("succeeded"), &json!(12)), "{done}");
    let listed: Vec<Value> = api.get("/workers").await["items"].as_array().unwrap().clone();
    assert!(listed.iter().all(|worker| worker["role"] == "worker") && listed.len() == 2, "{listed:?}");
    let [first, second] = workers;
    assert_eq!(first.stop(), Some(0));
    assert_eq!(api.get("/workers").await["items"].as_array().unwrap().len(), 1);
    second.kill();
    assert_eq!(api.stop(), Some(0));
}

#[tokio::test]
async fn a_worker_without_a_database_says_what_it_needs() {
    let folder = TempDir::new().unwrap();
    let child = std::process::Command::new(env!("CARGO_BIN_EXE_offprint"))
        .args(["serve", "--role", "worker"])
        .env_remove("DATABASE_URL")
        .env("OFFPRINT_DATA_DIR", folder.path())
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&child.stderr).into_owned();
    assert_eq!(child.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains("DATABASE_URL") && stderr.contains("OFFPRINT_DATA_DIR"), "{stderr}");
}
