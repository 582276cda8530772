//! Many processes on one database: they find their work, hear each other, and vanish without harm.

use std::time::Duration;

use offprint::settings::{Role, Settings};
use offprint::state::post;
use serde_json::{Value, json};
use sqlx::PgPool;
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::exportjob::{jpg, ordered, picture, shown};
use crate::house::House;
use crate::service::{Service, url};

/// Longer than anything here takes; shorter than a beat of the leases here.
const SOON: Duration = Duration::from_secs(30);

/// Another process of the same service: same database, same storage.
pub async fn beside(house: &House, fault: Option<&str>, change: impl FnOnce(&mut Settings)) -> House {
    let mut other = House::with_fault(house.state.system.clone(), fault, change).await;
    other.state.storage = house.state.storage.clone();
    other
}

fn post_of(house: &House) -> JoinHandle<()> {
    tokio::spawn(post::run(house.state.clone()))
}

/// Rings until it is heard: the other end may not listen yet, or not any more.
async fn reaches(from: &House, to: &House) {
    let rung = async {
        loop {
            let heard = to.state.work.listen();
            from.state.work.ring();
            if timeout(Duration::from_millis(200), heard).await.is_ok() {
                return;
            }
        }
    };
    timeout(SOON, rung).await.expect("a ring reaches the other process");
}

#[sqlx::test]
async fn rings_are_heard_in_other_processes_also_after_the_line_was_cut(pool: PgPool) {
    let api = House::open(pool).await;
    let worker = beside(&api, None, |_| {}).await;
    let posts = [post_of(&api), post_of(&worker)];
    reaches(&api, &worker).await;
    reaches(&worker, &api).await;
    let cut: Vec<bool> = sqlx::query_scalar(
        "select pg_terminate_backend(pid) from pg_stat_activity
          where datname = current_database() and query like 'LISTEN%' and pid <> pg_backend_pid()",
    )
    .fetch_all(&api.state.system)
    .await
    .unwrap();
    assert_eq!(cut, [true, true], "both listen");
    reaches(&api, &worker).await;
    let news = api.state.news.listen();
    worker.state.news.ring();
    timeout(SOON, news).await.expect("news come back");
    posts.iter().for_each(JoinHandle::abort);
}

/// A job whose one item hangs in another process, whose next beat is far away.
async fn hanging(pool: PgPool) -> (House, House, [JoinHandle<()>; 3], String) {
    let long = |settings: &mut Settings| {
        (settings.lease, settings.slots) = (Duration::from_secs(3600), 1);
        settings.max_render_time = Duration::from_secs(3600);
    };
    let api = House::with(pool, long).await;
    let worker = beside(&api, Some("sleep:77"), long).await;
    let tasks = [post_of(&api), post_of(&worker), tokio::spawn(offprint::worker::run(worker.state.clone()))];
    reaches(&api, &worker).await;
    let asset = api.asset("a.jpg", &picture(image::ImageFormat::Jpeg, 77, 60, 1)).await;
    let job = ordered(&api, json!({"assetHandleArray": [asset], "fmt": "convert", "is_modifier": "wid=20"})).await;
    let runs = api.get_with(format!("/export-jobs/{job}?wait=60"), "if-none-match", "W/\"1-0-1-queued\"");
    let mut seen = timeout(SOON, runs).await.unwrap().is(200);
    while seen["counts"]["running"] != 1 {
        seen = shown(&api, &job).await;
        tokio::task::yield_now().await;
    }
    (api, worker, tasks, job)
}

async fn end(worker: &House, tasks: [JoinHandle<()>; 3]) {
    worker.state.closing.cancel();
    let [first, second, workers] = tasks;
    workers.await.unwrap();
    [first, second].iter().for_each(JoinHandle::abort);
}

#[sqlx::test]
async fn a_stop_reaches_an_item_that_runs_elsewhere_at_once(pool: PgPool) {
    let (api, worker, tasks, job) = hanging(pool).await;
    api.post(format!("/export-jobs/{job}/stop"), json!({})).await.is(200);
    let ended = timeout(SOON, api.get(format!("/export-jobs/{job}?wait=60"))).await.expect("not with the next beat");
    let ended = ended.is(200);
    assert_eq!((&ended["outcome"], &ended["counts"]["stopped"]), (&json!("stopped"), &json!(1)), "{ended}");
    end(&worker, tasks).await;
    api.check().await;
}

#[sqlx::test]
async fn a_delete_reaches_an_item_that_runs_elsewhere_at_once(pool: PgPool) {
    let (api, worker, tasks, job) = hanging(pool).await;
    api.delete(format!("/export-jobs/{job}")).await.is(204);
    let running = "select count(*) from export_item where state = 'running'";
    let gone = async {
        while sqlx::query_scalar::<_, i64>(running).fetch_one(&api.state.system).await.unwrap() > 0 {
            tokio::task::yield_now().await;
        }
    };
    timeout(SOON, gone).await.expect("not with the next beat");
    end(&worker, tasks).await;
    offprint::worker::sweep(&api.state).await.unwrap();
    let left: i64 = sqlx::query_scalar("select count(*) from export_job").fetch_one(&api.state.system).await.unwrap();
    assert_eq!(left, 0);
}

#[sqlx::test]
async fn workers_are_listed_while_they_live(pool: PgPool) {
    let house = House::with(pool, |settings| settings.slots = 3).await;
    let workers = || async { house.get("/workers").await.is(200)["items"].as_array().unwrap().clone() };
    assert_eq!(workers().await.len(), 0);
    let running = tokio::spawn(offprint::worker::run(house.state.clone()));
    let mut seen = workers().await;
    while seen.is_empty() {
        seen = workers().await;
    }
    let handle = json!(house.state.worker);
    assert_eq!(
        (&seen[0]["workerHandle"], &seen[0]["role"], &seen[0]["slots"]),
        (&handle, &json!("all"), &json!(3)),
        "{seen:?}"
    );
    assert!(!seen[0]["host"].as_str().unwrap().is_empty());
    let numbers = String::from_utf8(house.get("/metrics").await.body).unwrap();
    assert!(numbers.contains("\noffprint_workers 1\n") && numbers.contains("\noffprint_slots 3\n"), "{numbers}");
    house.state.closing.cancel();
    running.await.unwrap();
    assert_eq!(workers().await.len(), 0, "it said that it has ended");
    // One that was killed is believed for the length of a lease.
    sqlx::query("update worker set live_until = now() + interval '20 seconds'")
        .execute(&house.state.system)
        .await
        .unwrap();
    assert_eq!(workers().await.len(), 1);
    house.later("21 seconds").await;
    assert_eq!(workers().await.len(), 0);
}

#[sqlx::test]
async fn a_process_that_only_works_answers_how_it_is_and_nothing_else(pool: PgPool) {
    let house = House::with(pool, |settings| settings.role = Role::Worker).await;
    for path in ["/health/live", "/health/ready", "/metrics"] {
        assert_eq!(house.get(path).await.status, 200, "{path}");
    }
    for path in ["/assets", "/export-jobs", "/", "/openapi.json", "/swagger-ui/", "/workers"] {
        let said = house.get(path).await.is(404);
        assert!(said["detail"].as_str().unwrap().contains("OFFPRINT_ROLE=worker"), "{path}: {said}");
    }
}

#[sqlx::test]
async fn one_process_answers_and_two_work(pool: PgPool) {
    let (database, folder) = (url(&pool), TempDir::new().unwrap());
    let start = |role| Service::start(&database, &folder, &[("OFFPRINT_ROLE", role)]).unwrap();
    let api = start("api");
    for seed in 0..12 {
        api.upload(format!("{seed}.jpg"), jpg(seed)).await;
    }
    let job = api.order(json!({"assetFilter": {}, "fmt": "convert", "is_modifier": "wid=20"})).await;
    assert_eq!(api.get("/workers").await["items"], json!([]));
    assert_eq!(api.get(&format!("/export-jobs/{job}")).await["state"], "queued", "nobody works yet");
    let workers = [start("worker"), start("worker")];
    let done = api.progress(&job, 13).await;
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
    let said = String::from_utf8_lossy(&child.stderr).into_owned();
    assert_eq!(child.status.code(), Some(2), "{said}");
    assert!(said.contains("DATABASE_URL") && said.contains("OFFPRINT_DATA_DIR"), "{said}");
}
