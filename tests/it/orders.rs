//! Orders to jobs that exist: each from each state, and many at once.

use futures_util::future::join_all;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::exportjob::{jpg, ordered, shown, work};
use crate::house::House;

const ORDERS: [&str; 5] = ["pause", "resume", "stop", "run", "retry"];

/// Every state a job can be shown in, the orders that it takes, and the state that each leads to.
const TABLE: [(&str, &[(&str, &str)]); 7] = [
    ("scheduled", &[("stop", "stopping"), ("run", "queued")]),
    ("queued", &[("pause", "paused"), ("stop", "stopping")]),
    ("running", &[("pause", "paused"), ("stop", "stopping")]),
    ("paused", &[("resume", "queued"), ("stop", "stopping")]),
    ("stopping", &[]),
    ("finished", &[]),
    ("finished with a failed item", &[("retry", "running")]),
];

/// A job of two pictures, one of which is broken, in one of the states of the table.
async fn in_state(house: &House, state: &str) -> String {
    let mut broken = jpg(2);
    broken.truncate(broken.len() / 2);
    let mut handles = vec![house.asset("a.jpg", &jpg(1)).await];
    if state == "finished with a failed item" {
        handles.push(house.asset("b.jpg", &broken).await);
    }
    let mut order = json!({"assetHandleArray": handles, "fmt": "convert", "is_modifier": "wid=20"});
    if state == "scheduled" {
        order["execTime"] = json!("2099-01-01T00:00:00Z");
    }
    let job = ordered(house, order).await;
    match state {
        "scheduled" | "queued" => {}
        "running" => drop(crate::queue::claim(house).await),
        "paused" => drop(tell(house, &job, "pause").await.is(200)),
        "stopping" => {
            crate::queue::claim(house).await;
            tell(house, &job, "stop").await.is(200);
        }
        _ => work(house).await,
    }
    if state == "running" {
        let id = job.parse().unwrap();
        offprint::db::item::begin_run(&house.state.system, house.state.company, id).await.unwrap();
    }
    assert_eq!(shown(house, &job).await["state"], state.split(' ').next().unwrap(), "{state}");
    job
}

async fn tell(house: &House, job: &str, order: &str) -> crate::house::Answer {
    house.post(format!("/export-jobs/{job}/{order}"), json!({})).await
}

/// Ends whatever still runs, and all that follows.
async fn end(house: &House) {
    house.expire_leases().await;
    work(house).await;
}

#[sqlx::test]
async fn each_order_from_each_state(pool: PgPool) {
    let house = House::open(pool).await;
    for (state, takes) in TABLE {
        for order in ORDERS {
            let job = in_state(&house, state).await;
            let before = shown(&house, &job).await;
            let answer = tell(&house, &job, order).await;
            match takes.iter().find(|(taken, _)| *taken == order) {
                Some((_, leads_to)) => assert_eq!(answer.is(200)["state"], *leads_to, "{order} when {state}"),
                None => {
                    let problem = answer.is(409);
                    let said = problem["detail"].as_str().unwrap();
                    assert_eq!(problem["code"], "wrong-state", "{order} when {state}");
                    assert!(said.contains(state.split(' ').next().unwrap()), "{order} when {state}: {said}");
                    if state != "finished" {
                        let allowed = said.split("allowed now: ").nth(1).unwrap_or_default().trim_end_matches('.');
                        let table: Vec<&str> = takes.iter().map(|(order, _)| *order).collect();
                        assert_eq!(allowed, table.join(", "), "{order} when {state}: {said}");
                    }
                    assert_eq!(shown(&house, &job).await["state"], before["state"], "{order} when {state}");
                }
            }
            end(&house).await;
            house.delete(format!("/export-jobs/{job}")).await.is(204);
            house.get(format!("/export-jobs/{job}")).await.is(404);
        }
    }
    house.check().await;
}

#[sqlx::test]
async fn a_job_can_be_deleted_in_each_state(pool: PgPool) {
    let house = House::open(pool).await;
    for (state, _) in TABLE {
        let job = in_state(&house, state).await;
        house.delete(format!("/export-jobs/{job}")).await.is(204);
        house.get(format!("/export-jobs/{job}")).await.is(404);
        assert_eq!(tell(&house, &job, "stop").await.status, 404);
        end(&house).await;
    }
    offprint::worker::sweep(&house.state).await.unwrap();
    let left: i64 = sqlx::query_scalar("select count(*) from export_job").fetch_one(&house.state.system).await.unwrap();
    assert_eq!(left, 0);
}

#[sqlx::test]
async fn pause_survives_a_restart_and_what_runs_ends(pool: PgPool) {
    let house = House::open(pool.clone()).await;
    for seed in 1..=3 {
        house.asset(&format!("{seed}.jpg"), &jpg(seed)).await;
    }
    let job = ordered(&house, json!({"assetFilter": {}, "fmt": "convert", "is_modifier": "wid=20"})).await;
    let running = crate::queue::claim(&house).await;
    tell(&house, &job, "pause").await.is(200);
    assert!(crate::queue::done(&house, &running).await, "what runs ends");
    let mut after = House::open(pool).await;
    after.state.storage = house.state.storage.clone();
    work(&after).await;
    let paused = shown(&after, &job).await;
    assert_eq!((&paused["state"], &paused["counts"]["succeeded"]), (&json!("paused"), &json!(1)));
    assert_eq!(paused["counts"]["waiting"], 2);
    tell(&after, &job, "resume").await.is(200);
    work(&after).await;
    assert_eq!(shown(&after, &job).await["counts"]["succeeded"], 3);
    after.check().await;
}

/// Clients that order this and that without looking, while items are worked on.
#[sqlx::test]
async fn orders_of_many_at_once_never_break_a_count(pool: PgPool) {
    let house = House::open(pool).await;
    let mut broken = jpg(9);
    broken.truncate(broken.len() / 2);
    for seed in 0..8 {
        let bytes = if seed % 4 == 3 { broken.clone() } else { jpg(seed) };
        house.asset(&format!("{seed}.jpg"), &bytes).await;
    }
    let job = ordered(&house, json!({"assetFilter": {}, "fmt": "convert", "is_modifier": "wid=20"})).await;
    for round in 0..6 {
        let orders = (0..12).map(|client| tell(&house, &job, ORDERS[(client * 7 + round) % ORDERS.len()]));
        let (answers, ()) = tokio::join!(join_all(orders), work(&house));
        for answer in answers {
            assert!([200, 409].contains(&answer.status.as_u16()), "{}", String::from_utf8_lossy(&answer.body));
        }
        house.check().await;
        let counts = shown(&house, &job).await["counts"].clone();
        let sum: i64 = ["waiting", "running", "succeeded", "failed", "skipped", "stopped"]
            .iter()
            .map(|state| counts[state].as_i64().unwrap())
            .sum();
        assert_eq!(counts["total"], json!(sum), "{counts}");
    }
    let _ = tell(&house, &job, "resume").await;
    end(&house).await;
    let ended = shown(&house, &job).await;
    assert_eq!(ended["state"], "finished", "{ended}");
    let ends: i64 = events(&house, &job, "exportEnded").await;
    assert_eq!(ended["run"], json!(ends), "each run ends once");
    house.check().await;
}

async fn events(house: &House, job: &str, code: &str) -> i64 {
    let list: Value = house.get(format!("/export-jobs/{job}/events?code={code}")).await.is(200);
    list["items"].as_array().unwrap().len() as i64
}
