//! Guarantees of the queue: fences, leases, job actions while items run, reuse of renditions, counters.

use offprint::db::item::{self, LeaseRenewal};
use offprint::db::settle::AttemptOutcome;
use offprint::db::task::{TaskKind, renew_task_lease};
use offprint::reason::Reason;
use offprint_core::Code;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::support::export_jobs::{create_job, drain_work, fetch_items, fetch_job, run_export};
use crate::support::images::draw_jpeg;
use crate::support::queue::{LEASE_DURATION, claim_item, claim_task, settle_item, settle_with_files, try_claim_item};
use crate::support::test_app::TestApp;

/// Settles an attempt that produced no files.
async fn settle_without_files(app: &TestApp, claim: &item::Claim, ending: AttemptOutcome) -> bool {
    settle_item(app, &claim.attempt(app.state.worker), &[], ending).await.unwrap()
}

async fn create_three_item_job(app: &TestApp, request: Value) -> String {
    for seed in 1..=3 {
        app.upload_asset(&format!("{seed}.jpg"), &draw_jpeg(seed)).await;
    }
    let mut whole = json!({"assetFilter": {}, "fmt": "convert", "is_modifier": "wid=20"});
    whole.as_object_mut().unwrap().extend(request.as_object().unwrap().clone());
    create_job(app, whole).await
}

#[sqlx::test]
async fn a_worker_that_lost_its_lease_settles_nothing(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let job = create_three_item_job(&app, json!({})).await;
    let first = claim_item(&app).await;
    app.expire_leases().await;
    offprint::worker::sweep_expired(&app.state).await.unwrap();
    assert_eq!(
        item::renew_item_lease(&app.state.system, &first, app.state.worker, LEASE_DURATION).await.unwrap(),
        LeaseRenewal::Lost
    );
    let second = claim_item(&app).await;
    assert_eq!((second.position, second.claim), (first.position, first.claim + 2 - 1));
    assert!(!settle_with_files(&app, &first).await, "the first worker lost its lease");
    assert!(settle_with_files(&app, &second).await);
    assert!(!settle_with_files(&app, &second).await, "an attempt is settled only once");
    assert_eq!(fetch_job(&app, &job).await["counts"]["succeeded"], 1);
    drain_work(&app).await;
    assert_eq!(fetch_job(&app, &job).await["counts"]["succeeded"], 3);
    app.assert_consistent().await;
}

#[sqlx::test]
async fn an_item_whose_workers_vanish_fails_in_the_end(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let asset = app.upload_asset("a.jpg", &draw_jpeg(1)).await;
    let job = create_job(&app, json!({"assetHandleArray": [asset], "fmt": "convert", "is_modifier": "wid=20"})).await;
    for _ in 0..10 {
        app.advance_time("1 hour").await;
        claim_item(&app).await;
        app.expire_leases().await;
        offprint::worker::sweep_expired(&app.state).await.unwrap();
    }
    drain_work(&app).await;
    let job = fetch_job(&app, &job).await;
    assert_eq!((&job["outcome"], &job["counts"]["failed"]), (&json!("failed"), &json!(1)));
    assert_eq!(fetch_items(&app, &job).await[0]["failure"]["code"], "lost");
    app.assert_consistent().await;
}

#[sqlx::test]
async fn what_the_world_causes_is_tried_again_five_times(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let asset = app.upload_asset("a.jpg", &draw_jpeg(1)).await;
    let job = create_job(&app, json!({"assetHandleArray": [asset], "fmt": "convert", "is_modifier": "wid=20"})).await;
    for number in 1..=5 {
        let claim = claim_item(&app).await;
        assert_eq!(claim.claim, number);
        assert!(
            settle_without_files(
                &app,
                &claim,
                AttemptOutcome::TryAgain(Reason::new(Code::Unavailable, "the storage is not available"))
            )
            .await
        );
        assert!(try_claim_item(&app).await.is_none(), "the item waits before the next attempt");
        app.advance_time("1 hour").await;
    }
    drain_work(&app).await;
    let job = fetch_job(&app, &job).await;
    assert_eq!(fetch_items(&app, &job).await[0]["failure"]["code"], "unavailable");
    app.assert_consistent().await;
}

#[sqlx::test]
async fn giving_back_costs_nothing(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let job = create_three_item_job(&app, json!({})).await;
    for _ in 0..20 {
        let claim = claim_item(&app).await;
        assert!(settle_without_files(&app, &claim, AttemptOutcome::GivenBack).await);
    }
    drain_work(&app).await;
    assert_eq!(fetch_job(&app, &job).await["outcome"], "succeeded");
    app.assert_consistent().await;
}

#[sqlx::test]
async fn a_running_item_learns_of_the_stop_with_its_heartbeat(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let job = create_three_item_job(&app, json!({})).await;
    let running = claim_item(&app).await;
    let stopping = app.post(format!("/export-jobs/{job}/stop"), json!({})).await.expect_status(200);
    assert_eq!((&stopping["state"], &stopping["counts"]["stopped"]), (&json!("stopping"), &json!(2)));
    assert_eq!(stopping["counts"]["running"], 1);
    assert_eq!(
        item::renew_item_lease(&app.state.system, &running, app.state.worker, LEASE_DURATION).await.unwrap(),
        LeaseRenewal::Stop
    );
    assert!(settle_without_files(&app, &running, AttemptOutcome::GivenBack).await);
    drain_work(&app).await;
    let job = fetch_job(&app, &job).await;
    assert_eq!((&job["outcome"], &job["counts"]["stopped"]), (&json!("stopped"), &json!(3)));
    app.assert_consistent().await;
}

#[sqlx::test]
async fn equal_renders_are_reused_and_say_so(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let asset = app.upload_asset("a.jpg", &draw_jpeg(1)).await;
    let request = json!({"assetHandleArray": [asset], "fmt": "convert", "is_modifier": "wid=20&fmt=png"});
    let first = run_export(&app, request.clone()).await;
    assert_eq!(fetch_items(&app, &first).await[0]["reused"], false);
    let second = run_export(&app, request).await;
    let again = fetch_items(&app, &second).await;
    assert_eq!(again[0]["reused"], true);
    assert_eq!((&again[0]["width"], &again[0]["mime"]), (&json!(20), &json!("image/png")));
    assert_eq!(again[0]["sha256"], fetch_items(&app, &first).await[0]["sha256"]);
    let spelled = json!({"assetHandleArray": [asset], "fmt": "convert", "is_modifier": "FMT=png&wid=10&wid=20"});
    assert_eq!(
        fetch_items(&app, &run_export(&app, spelled).await).await[0]["reused"],
        true,
        "the same recipe, written differently"
    );
    app.assert_consistent().await;
}

#[sqlx::test]
async fn originals_copy_no_bytes(pool: PgPool) {
    let app = TestApp::open(pool).await;
    for seed in 1..=40 {
        app.upload_asset(&format!("{seed}.jpg"), &draw_jpeg(seed)).await;
    }
    let before = app.count_blobs().await;
    let job = run_export(&app, json!({"assetFilter": {}, "fmt": "orig"})).await;
    assert_eq!((&job["counts"]["succeeded"], &job["files"]), (&json!(40), &json!(40)));
    // Only the two manifests and the archive index are new blobs.
    assert_eq!(app.count_blobs().await, before + 3);
    app.assert_consistent().await;
}

#[sqlx::test]
async fn priority_then_age_decides_whose_turn_it_is(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let plain = create_three_item_job(&app, json!({})).await;
    let urgent =
        create_job(&app, json!({"assetFilter": {}, "fmt": "convert", "is_modifier": "wid=21", "priority": 5})).await;
    let turns = [claim_item(&app).await, claim_item(&app).await, claim_item(&app).await, claim_item(&app).await];
    let jobs: Vec<String> = turns.iter().map(|claim| claim.job_id.to_string()).collect();
    assert_eq!(jobs, [urgent.clone(), urgent.clone(), urgent, plain]);
    assert_eq!(turns.map(|claim| claim.position), [0, 1, 2, 0]);
}

#[sqlx::test]
async fn a_seal_that_died_is_taken_over(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let asset = app.upload_asset("a.jpg", &draw_jpeg(1)).await;
    let job = create_job(&app, json!({"assetHandleArray": [asset], "fmt": "convert", "is_modifier": "wid=20"})).await;
    let claim = claim_item(&app).await;
    assert!(settle_with_files(&app, &claim).await);
    let dead = claim_task(&app, TaskKind::Seal).await;
    drain_work(&app).await;
    let before = fetch_job(&app, &job).await;
    assert_eq!((&before["state"], &before["progress"]["percent"]), (&json!("running"), &json!(99)));
    app.advance_time("1 hour").await;
    drain_work(&app).await;
    assert_eq!(fetch_job(&app, &job).await["outcome"], "succeeded");
    assert!(
        !renew_task_lease(&app.state.system, &dead, LEASE_DURATION).await.unwrap(),
        "the fencing token of the dead worker is outdated"
    );
    app.assert_consistent().await;
}

#[sqlx::test]
async fn two_last_items_at_once_close_the_job_once(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let job = create_three_item_job(&app, json!({})).await;
    let claims = [claim_item(&app).await, claim_item(&app).await, claim_item(&app).await];
    let ends = claims.iter().map(|claim| settle_with_files(&app, claim));
    assert_eq!(futures_util::future::join_all(ends).await, [true; 3]);
    drain_work(&app).await;
    let job = fetch_job(&app, &job).await;
    assert_eq!((&job["counts"]["succeeded"], &job["state"]), (&json!(3), &json!("finished")));
    app.assert_consistent().await;
}

/// The same service for another company.
async fn open_neighbor_app(app: &TestApp) -> TestApp {
    let company = offprint::id::CompanyId::new();
    let sql = "insert into company (company_id, name) values ($1, $1::text)";
    sqlx::query(sql).bind(company).execute(&app.state.system).await.unwrap();
    let mut neighbor = TestApp::open(app.state.system.clone()).await;
    (neighbor.state.company, neighbor.state.storage) = (company, app.state.storage.clone());
    neighbor
}

/// Copies a job's one item until it has this many, without files.
async fn grow_job(app: &TestApp, job: &str, items: i32) {
    let sql = "with job as (update export_job set total = $2, run_total = $2 where job_id = $1::uuid returning job_id)
               insert into export_item (company_id, job_id, position, asset_id, asset_name, asset_type, folder, file_name,
                                        sha256, size, entry_time, state)
               select company_id, job_id, number, asset_id, asset_name, asset_type, folder, file_name, sha256, size, entry_time, state
                 from job join export_item using (job_id), generate_series(1, $2 - 1) as number";
    sqlx::query(sql).bind(job).bind(items).execute(&app.state.system).await.unwrap();
}

#[sqlx::test]
async fn a_giant_does_not_hold_up_another_company(pool: PgPool) {
    const SLOTS: usize = 4;
    let giant = TestApp::open(pool).await;
    let small = open_neighbor_app(&giant).await;
    let request = |asset: String| json!({"assetHandleArray": [asset], "fmt": "convert", "is_modifier": "wid=20"});
    let large = create_job(&giant, request(giant.upload_asset("a.jpg", &draw_jpeg(1)).await)).await;
    grow_job(&giant, &large, 100_000).await;
    let mut running = std::collections::VecDeque::new();
    for _ in 0..SLOTS {
        running.push_back(claim_item(&giant).await);
    }
    let little = create_job(&small, request(small.upload_asset("b.jpg", &draw_jpeg(2)).await)).await;
    grow_job(&small, &little, 10).await;
    let mut turns = Vec::new();
    while turns.iter().filter(|job| **job == little).count() < 10 {
        assert!(settle_without_files(&giant, &running.pop_front().unwrap(), AttemptOutcome::Succeeded).await);
        let next = claim_item(&giant).await;
        turns.push(next.job_id.to_string());
        running.push_back(next);
    }
    assert_eq!(turns[0], little, "the next free slot goes to the other company");
    assert!(turns.len() <= 20, "companies take turns: {turns:?}");
    let counts = fetch_job(&giant, &large).await["counts"].clone();
    assert_eq!(counts["total"], 100_000, "{counts}");
}

#[sqlx::test]
async fn no_company_has_more_in_flight_than_it_may(pool: PgPool) {
    let app = TestApp::with_settings(pool, |settings| settings.max_running = 3).await;
    let small = open_neighbor_app(&app).await;
    let request = |asset: String| json!({"assetHandleArray": [asset], "fmt": "convert", "is_modifier": "wid=20"});
    let large = create_job(&app, request(app.upload_asset("a.jpg", &draw_jpeg(1)).await)).await;
    grow_job(&app, &large, 50).await;
    let at_once = (0..10).map(|_| try_claim_item(&app));
    let taken: Vec<item::Claim> = futures_util::future::join_all(at_once).await.into_iter().flatten().collect();
    assert_eq!(taken.len(), 3, "however many claim at once");
    create_job(&small, request(small.upload_asset("b.jpg", &draw_jpeg(2)).await)).await;
    assert_eq!(claim_item(&app).await.company_id, small.state.company, "other companies continue");
    assert!(try_claim_item(&app).await.is_none());
    assert!(settle_without_files(&app, &taken[0], AttemptOutcome::Succeeded).await);
    assert_eq!(claim_item(&app).await.company_id, app.state.company);
}

#[sqlx::test]
async fn every_attempt_of_an_item_is_listed(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let job = create_three_item_job(&app, json!({})).await;
    let worker = json!(app.state.worker);
    let first = claim_item(&app).await;
    assert!(
        settle_without_files(
            &app,
            &first,
            AttemptOutcome::TryAgain(Reason::new(Code::Unavailable, "the storage is not available"))
        )
        .await
    );
    app.advance_time("1 hour").await;
    claim_item(&app).await;
    app.expire_leases().await;
    offprint::worker::sweep_expired(&app.state).await.unwrap();
    let third = claim_item(&app).await;
    assert!(settle_without_files(&app, &third, AttemptOutcome::Failed(Reason::new(Code::Corrupt, "damaged"))).await);
    drain_work(&app).await;
    let place = format!("/export-jobs/{job}/items");
    let item = app.get(format!("{place}/0")).await.expect_status(200);
    let tries = item["attemptHistory"].as_array().unwrap();
    let history: Vec<(&str, &str)> = tries
        .iter()
        .map(|attempt| (attempt["ending"].as_str().unwrap(), attempt["failure"]["code"].as_str().unwrap()))
        .collect();
    assert_eq!(history, [("try-again", "unavailable"), ("lost", "lost"), ("failed", "corrupt")]);
    for attempt in tries {
        assert_eq!(attempt["workerHandle"], worker);
        assert!(attempt["startedAt"].as_str().unwrap() <= attempt["endedAt"].as_str().unwrap(), "{attempt}");
    }
    assert_eq!((&item["attempts"], &item["failure"]["code"]), (&json!(3), &json!("corrupt")));
    let list = app.get(format!("{place}?attempts=true&state=succeeded")).await.expect_status(200);
    for item in list["items"].as_array().unwrap() {
        assert_eq!(item["attemptHistory"].as_array().unwrap().len(), 1, "{item}");
        assert_eq!(item["attemptHistory"][0]["failure"], json!(null));
    }
    assert_eq!(list["items"].as_array().unwrap().len(), 2);
    assert!(
        app.get(&place).await.expect_status(200)["items"][0].get("attemptHistory").is_none(),
        "only where it is requested"
    );
    for missing in ["3", "-1", "one"] {
        app.get(format!("{place}/{missing}")).await.expect_status(404);
    }
    app.assert_consistent().await;
}

/// Inserting a job of 100,000 items took minutes when the planner chose a smaller index that also begins with the
/// company, so the index of the primary key must stay the cheapest.
#[sqlx::test]
async fn no_index_competes_with_the_keys_of_items_and_files(pool: PgPool) {
    let indexes: Vec<String> = sqlx::query_scalar(
        "select indexname::text from pg_indexes
          where tablename in ('export_item', 'export_file') and indexdef !~ 'WHERE' and indexdef ~ 'company_id|job_id|position'
          order by 1",
    )
    .fetch_all(&pool)
    .await
    .unwrap();
    // The unique index of paths is larger than the primary key, so the planner never prefers it.
    assert_eq!(indexes, ["export_file_pkey", "export_item_pkey", "file_path_taken"]);
}
