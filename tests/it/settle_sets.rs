//! Items are claimed and settled in sets, with the same effects as one by one.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use offprint::db::item::Claim;
use offprint::db::kept_rendition::keep_renditions;
use offprint::db::limits::{CompanyLimitsRow, update_company_limits};
use offprint::db::settle::{AttemptEnd, AttemptOutcome, SettledFile, settle_items};
use offprint::id::CompanyId;
use offprint::reason::Reason;
use offprint_core::{Code, Digest};
use offprint_imaging::ENGINE_VERSION;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::support::export_jobs::{create_job, drain_work, fetch_items, fetch_job, fetch_log, send_job_action};
use crate::support::images::draw_jpeg;
use crate::support::queue::{claim_items, reject_sets, was_set_rejected};
use crate::support::test_app::TestApp;

/// Uploads this many images.
async fn upload_images(app: &TestApp, count: u8) -> Vec<String> {
    let upload = async |seed| app.upload_asset(&format!("{seed}.jpg"), &draw_jpeg(seed)).await;
    join_all((1..=count).map(upload)).await
}

fn request_png(assets: &[String], width: u32) -> Value {
    json!({"assetHandleArray": assets, "fmt": "convert", "is_modifier": format!("wid={width}&fmt=png")})
}

/// An end whose file has the bytes of the original.
async fn build_end(app: &TestApp, claim: &Claim, outcome: AttemptOutcome) -> AttemptEnd {
    let attempt = claim.attempt(app.state.worker);
    let mut transaction = app.state.system.begin().await.unwrap();
    keep_renditions(&mut transaction, &[(&attempt, claim.sha256)]).await.unwrap();
    transaction.commit().await.unwrap();
    let build_file = |sha256| SettledFile { rendition: 0, sha256, image: None, warnings: Vec::new(), reused: false };
    let files = if matches!(outcome, AttemptOutcome::Succeeded) { vec![build_file(claim.sha256)] } else { Vec::new() };
    AttemptEnd { attempt, files, outcome }
}

async fn settle(app: &TestApp, ends: &[AttemptEnd]) -> Result<Vec<bool>, offprint::db::DbError> {
    let settled = settle_items(&app.state.system, &ends.iter().collect::<Vec<_>>(), ENGINE_VERSION).await?;
    Ok(settled.written)
}

#[sqlx::test]
async fn a_set_of_several_jobs_and_outcomes_is_counted_logged_and_kept_exactly(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let assets = upload_images(&app, 4).await;
    let first = create_job(&app, request_png(&assets, 20)).await;
    let second = create_job(&app, request_png(&assets[..2], 21)).await;
    let claims = claim_items(&app, 10).await;
    assert_eq!(claims.len(), 6);
    let (of_first, of_second): (Vec<_>, Vec<_>) =
        claims.into_iter().partition(|claim| claim.job_id.to_string() == first);
    send_job_action(&app, &second, "stop").await.expect_status(200);
    let corrupt = || Reason::new(Code::Corrupt, "damaged");
    let world = || Reason::new(Code::Unavailable, "the storage does not answer");
    let mut ends = vec![
        build_end(&app, &of_first[0], AttemptOutcome::Succeeded).await,
        build_end(&app, &of_first[1], AttemptOutcome::Failed(corrupt())).await,
        build_end(&app, &of_first[2], AttemptOutcome::TryAgain(world())).await,
        build_end(&app, &of_first[3], AttemptOutcome::Succeeded).await,
        // It would be tried again, but somebody has stopped the job meanwhile.
        build_end(&app, &of_second[0], AttemptOutcome::TryAgain(world())).await,
        build_end(&app, &of_second[1], AttemptOutcome::Succeeded).await,
    ];
    let warning = Reason::new(Code::AlphaFlattened, "Transparency was replaced.");
    ends[3].files[0].warnings.push(warning);
    // Another worker has it by now.
    ends[5].attempt.claim += 1;
    assert_eq!(settle(&app, &ends).await.unwrap(), [true, true, true, true, true, false]);
    let job = fetch_job(&app, &first).await;
    let counts = &job["counts"];
    assert_eq!(
        (&counts["succeeded"], &counts["failed"], &counts["warnings"]),
        (&json!(2), &json!(1), &json!(1)),
        "{job}"
    );
    assert_eq!((&counts["waiting"], &job["files"]), (&json!(1), &json!(2)), "{job}");
    let counts = fetch_job(&app, &second).await["counts"].clone();
    assert_eq!((&counts["stopped"], &counts["running"]), (&json!(1), &json!(1)), "{counts}");
    let log = fetch_log(&app, &first, "").await;
    let codes: Vec<(i64, &str)> = log
        .iter()
        .map(|event| (event["seq"].as_i64().unwrap(), event["code"].as_str().unwrap()))
        .filter(|(_, code)| code.starts_with("file"))
        .collect();
    let expected = ["fileConverted", "fileFailed", "fileConverted", "fileWarning"];
    assert_eq!(codes.iter().map(|(_, code)| *code).collect::<Vec<_>>(), expected, "in order of position: {log:?}");
    assert!(codes.windows(2).all(|pair| pair[1].0 == pair[0].0 + 1), "{codes:?}");
    app.assert_consistent().await;
    // The same once more changes nothing.
    assert_eq!(settle(&app, &ends).await.unwrap(), [false; 6]);
    app.assert_consistent().await;
    ends[5].attempt.claim -= 1;
    assert_eq!(settle(&app, &ends[5..]).await.unwrap(), [true]);
    app.advance_time("1 hour").await;
    drain_work(&app).await;
    assert_eq!(fetch_job(&app, &first).await["outcome"], "partiallyFailed");
    assert_eq!(fetch_job(&app, &second).await["outcome"], "stopped");
    let history = app.get(format!("/export-jobs/{first}/items/2")).await.expect_status(200);
    assert_eq!(history["attemptHistory"][0]["failure"]["code"], "unavailable", "{history}");
    app.assert_consistent().await;
}

/// All or none: what one end is to blame for leaves the others as they were, and they can be settled without it.
#[sqlx::test]
async fn a_set_that_cannot_be_written_changes_nothing(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let assets = upload_images(&app, 3).await;
    let job = create_job(&app, request_png(&assets, 20)).await;
    let claims = claim_items(&app, 3).await;
    let mut ends = Vec::new();
    for claim in &claims {
        ends.push(build_end(&app, claim, AttemptOutcome::Succeeded).await);
    }
    ends[1].files[0].sha256 = Digest::compute(b"never stored");
    let error = settle(&app, &ends).await.unwrap_err();
    assert!(error.refers_to_removed_blob(), "{error}");
    assert_eq!(fetch_job(&app, &job).await["counts"]["running"], 3);
    app.assert_consistent().await;
    assert_eq!(settle(&app, &[ends[0].clone(), ends[2].clone()]).await.unwrap(), [true, true]);
    app.expire_leases().await;
    drain_work(&app).await;
    assert_eq!(fetch_job(&app, &job).await["counts"]["succeeded"], 3);
    app.assert_consistent().await;
}

/// Sets that name the same jobs in another order do not block each other, and no count is lost.
#[sqlx::test]
async fn sets_of_the_same_jobs_at_once_lose_no_count(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let assets = upload_images(&app, 6).await;
    let jobs = [
        create_job(&app, request_png(&assets, 20)).await,
        create_job(&app, request_png(&assets, 21)).await,
        create_job(&app, request_png(&assets, 22)).await,
    ];
    let claims = claim_items(&app, 18).await;
    assert_eq!(claims.len(), 18);
    let mut ends = Vec::new();
    for claim in &claims {
        ends.push(build_end(&app, claim, AttemptOutcome::Succeeded).await);
    }
    // Each set has items of all jobs, every second one from the last job on.
    let sets = (0..6).map(|set| {
        let mut ends: Vec<AttemptEnd> = ends.iter().skip(set).step_by(6).cloned().collect();
        if set % 2 == 1 {
            ends.reverse();
        }
        ends
    });
    let sets: Vec<Vec<AttemptEnd>> = sets.collect();
    let settled = join_all(sets.iter().map(|ends| settle(&app, ends))).await;
    assert!(settled.into_iter().all(|set| set.unwrap() == [true; 3]));
    drain_work(&app).await;
    for job in jobs {
        let job = fetch_job(&app, &job).await;
        assert_eq!((&job["outcome"], &job["counts"]["succeeded"]), (&json!("succeeded"), &json!(6)));
    }
    app.assert_consistent().await;
}

/// Another company of the same service.
async fn open_neighbor_app(app: &TestApp) -> TestApp {
    let company = CompanyId::new();
    let sql = "insert into company (company_id, name) values ($1, $1::text)";
    sqlx::query(sql).bind(company).execute(&app.state.system).await.unwrap();
    let mut neighbor = TestApp::open(app.state.system.clone()).await;
    (neighbor.state.company, neighbor.state.storage) = (company, app.state.storage.clone());
    neighbor
}

fn count_by_company(claims: &[Claim]) -> BTreeMap<CompanyId, usize> {
    let mut counts = BTreeMap::new();
    claims.iter().for_each(|claim| *counts.entry(claim.company_id).or_insert(0) += 1);
    counts
}

#[sqlx::test]
async fn the_slots_of_one_claim_are_shared_as_single_claims_would_share_them(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let (second, third) = (open_neighbor_app(&app).await, open_neighbor_app(&app).await);
    let [a, b, c] = [&app, &second, &third].map(|app| app.state.company);
    create_job(&app, request_png(&upload_images(&app, 9).await, 20)).await;
    assert_eq!(claim_items(&app, 2).await.len(), 2, "one has a head start");
    create_job(&second, request_png(&upload_images(&second, 9).await, 20)).await;
    create_job(&third, request_png(&upload_images(&third, 1).await, 20)).await;
    // Until all have two; the third has one item only, whose second seat stays free.
    let first = count_by_company(&claim_items(&app, 4).await);
    assert_eq!(first, BTreeMap::from([(b, 2), (c, 1)]));
    let rest = count_by_company(&claim_items(&app, 4).await);
    assert_eq!(rest, BTreeMap::from([(a, 2), (b, 2)]));
}

#[sqlx::test]
async fn one_claim_takes_items_in_order_of_priority_age_and_position(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let assets = upload_images(&app, 3).await;
    let old = create_job(&app, request_png(&assets, 20)).await;
    let new = create_job(&app, request_png(&assets, 21)).await;
    let mut urgent = request_png(&assets[..2], 22);
    urgent["priority"] = json!(5);
    let urgent = create_job(&app, urgent).await;
    let list = |claims: Vec<Claim>| -> Vec<(String, i32)> {
        claims.into_iter().map(|claim| (claim.job_id.to_string(), claim.position)).collect()
    };
    let mut first = list(claim_items(&app, 4).await);
    first.sort_by_key(|(job, position)| (*job != urgent, *position));
    assert_eq!(first, [(urgent.clone(), 0), (urgent, 1), (old.clone(), 0), (old.clone(), 1)]);
    let mut second = list(claim_items(&app, 64).await);
    second.sort_by_key(|(job, position)| (*job != old, *position));
    assert_eq!(second, [(old, 2), (new.clone(), 0), (new.clone(), 1), (new, 2)]);
    assert!(claim_items(&app, 64).await.is_empty());
}

#[sqlx::test]
async fn a_limit_of_running_items_holds_for_sets_of_many_processes_at_once(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let other = open_neighbor_app(&app).await;
    create_job(&app, request_png(&upload_images(&app, 20).await, 20)).await;
    create_job(&other, request_png(&upload_images(&other, 3).await, 20)).await;
    let own = CompanyLimitsRow { max_running: Some(5), ..CompanyLimitsRow::default() };
    update_company_limits(&app.state.system, app.state.company, &own).await.unwrap();
    let claims: Vec<Claim> = join_all((0..8).map(|_| claim_items(&app, 4))).await.into_iter().flatten().collect();
    let counts = count_by_company(&claims);
    assert_eq!(counts.get(&app.state.company), Some(&5), "{counts:?}");
    let rest = count_by_company(&claim_items(&app, 64).await);
    assert_eq!(rest.get(&app.state.company), None);
    let of_other = counts.get(&other.state.company).unwrap_or(&0) + rest.get(&other.state.company).unwrap_or(&0);
    assert_eq!(of_other, 3, "others go on");
}

/// The workers as `serve` runs them: many items at once, in few statements, and each exactly once.
#[sqlx::test]
async fn workers_settle_many_items_in_few_statements(pool: PgPool) {
    let app = TestApp::with_settings(pool, |settings| settings.slots = 2).await;
    let assets = upload_images(&app, 24).await;
    let workers = tokio::spawn(offprint::worker::run_workers(app.state.clone()));
    let jobs =
        [create_job(&app, request_png(&assets, 20)).await, create_job(&app, request_png(&assets[..1], 21)).await];
    for job in &jobs {
        let mut now = fetch_job(&app, job).await;
        while now["state"] != "finished" {
            let answer = app.get(format!("/export-jobs/{job}?wait=20")).await;
            now = answer.expect_status(200);
        }
        assert_eq!(now["outcome"], "succeeded", "{now}");
        let items = fetch_items(&app, &now).await;
        assert!(items.iter().all(|item| item["attempts"] == 1), "{items:?}");
    }
    app.state.closing.cancel();
    workers.await.unwrap();
    // All ends of a transaction have its time.
    let transactions: i64 = sqlx::query_scalar("select count(distinct ended_at) from export_attempt")
        .fetch_one(&app.state.system)
        .await
        .unwrap();
    assert!((1..25).contains(&transactions), "{transactions} transactions for 25 items");
    app.assert_consistent().await;
}

/// A set that the database rejects is written one by one: no item is lost, and none is held up by another.
#[sqlx::test]
async fn workers_settle_one_by_one_what_fails_as_a_set(pool: PgPool) {
    let app = TestApp::with_settings(pool, |settings| settings.slots = 4).await;
    reject_sets(&app, "update on export_item", "state = 'succeeded'").await;
    let assets = upload_images(&app, 24).await;
    let job = create_job(&app, request_png(&assets, 20)).await;
    let workers = tokio::spawn(offprint::worker::run_workers(app.state.clone()));
    let mut now = fetch_job(&app, &job).await;
    while now["state"] != "finished" {
        now = app.get(format!("/export-jobs/{job}?wait=20")).await.expect_status(200);
    }
    app.state.closing.cancel();
    workers.await.unwrap();
    assert_eq!((&now["outcome"], &now["counts"]["succeeded"]), (&json!("succeeded"), &json!(24)), "{now}");
    let items = fetch_items(&app, &now).await;
    assert!(items.iter().all(|item| item["attempts"] == 1), "{items:?}");
    assert!(was_set_rejected(&app).await, "there was no set to reject");
    app.assert_consistent().await;
}
