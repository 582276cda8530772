//! The engine's promises: fences, leases, orders while items run, reuse, counts.

use std::time::Duration;

use offprint::code::Code;
use offprint::reason::Note;
use offprint::db::item::{self, Beat, Terms};
use offprint::db::settle::{Ending, Made, settle};
use offprint::render::ENGINE_VERSION;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::exportjob::{finished, items, jpg, ordered, shown, work};
use crate::house::House;

const LEASE: Duration = Duration::from_secs(20);

fn terms(house: &House) -> Terms {
    let max_running = house.state.settings.max_running;
    Terms {
        worker: house.state.worker,
        lease: LEASE,
        engine_version: ENGINE_VERSION,
        max_running,
        counted: max_running > 0,
    }
}

pub async fn claim(house: &House) -> item::Claim {
    item::claim(&house.state.system, &terms(house)).await.unwrap().expect("an item waits")
}

/// Ends a try that made nothing.
async fn end(house: &House, claim: &item::Claim, ending: Ending) -> bool {
    settle(&house.state.system, &claim.attempt(house.state.worker), &[], ending, ENGINE_VERSION).await.unwrap()
}

/// Ends a try that made its files: copies of the original.
pub async fn done(house: &House, claim: &item::Claim) -> bool {
    let made: Vec<Made> = claim.files.iter().map(|file| made(claim, file.rendition)).collect();
    settle(&house.state.system, &claim.attempt(house.state.worker), &made, Ending::Done, ENGINE_VERSION).await.unwrap()
}

fn made(claim: &item::Claim, rendition: i16) -> Made {
    Made { rendition, sha256: claim.sha256, picture: None, warnings: Vec::new(), reused: false }
}

async fn three(house: &House, order: Value) -> String {
    for seed in 1..=3 {
        house.asset(&format!("{seed}.jpg"), &jpg(seed)).await;
    }
    let mut whole = json!({"assetFilter": {}, "fmt": "convert", "is_modifier": "wid=20"});
    whole.as_object_mut().unwrap().extend(order.as_object().unwrap().clone());
    ordered(house, whole).await
}

#[sqlx::test]
async fn a_worker_that_lost_its_lease_settles_nothing(pool: PgPool) {
    let house = House::open(pool).await;
    let job = three(&house, json!({})).await;
    let first = claim(&house).await;
    house.expire_leases().await;
    offprint::worker::sweep(&house.state).await.unwrap();
    assert_eq!(item::beat(&house.state.system, &first, house.state.worker, LEASE).await.unwrap(), Beat::Lost);
    let second = claim(&house).await;
    assert_eq!((second.position, second.claim), (first.position, first.claim + 2 - 1));
    assert!(!done(&house, &first).await, "the first must walk away");
    assert!(done(&house, &second).await);
    assert!(!done(&house, &second).await, "a try is settled once");
    assert_eq!(shown(&house, &job).await["counts"]["succeeded"], 1);
    work(&house).await;
    assert_eq!(shown(&house, &job).await["counts"]["succeeded"], 3);
    house.check().await;
}

#[sqlx::test]
async fn an_item_whose_workers_vanish_fails_in_the_end(pool: PgPool) {
    let house = House::open(pool).await;
    let asset = house.asset("a.jpg", &jpg(1)).await;
    let job = ordered(&house, json!({"assetHandleArray": [asset], "fmt": "convert", "is_modifier": "wid=20"})).await;
    for _ in 0..10 {
        house.later("1 hour").await;
        claim(&house).await;
        house.expire_leases().await;
        offprint::worker::sweep(&house.state).await.unwrap();
    }
    work(&house).await;
    let job = shown(&house, &job).await;
    assert_eq!((&job["outcome"], &job["counts"]["failed"]), (&json!("failed"), &json!(1)));
    assert_eq!(items(&house, &job).await[0]["failure"]["code"], "lost");
    house.check().await;
}

#[sqlx::test]
async fn what_the_world_causes_is_tried_again_five_times(pool: PgPool) {
    let house = House::open(pool).await;
    let asset = house.asset("a.jpg", &jpg(1)).await;
    let job = ordered(&house, json!({"assetHandleArray": [asset], "fmt": "convert", "is_modifier": "wid=20"})).await;
    for number in 1..=5 {
        let claim = claim(&house).await;
        assert_eq!(claim.claim, number);
        assert!(end(&house, &claim, Ending::TryAgain(Note::new(Code::Unavailable, "the storage is away"))).await);
        let again = item::claim(&house.state.system, &terms(&house)).await.unwrap();
        assert!(again.is_none(), "it must wait before the next try");
        house.later("1 hour").await;
    }
    work(&house).await;
    let job = shown(&house, &job).await;
    assert_eq!(items(&house, &job).await[0]["failure"]["code"], "unavailable");
    house.check().await;
}

#[sqlx::test]
async fn giving_back_costs_nothing(pool: PgPool) {
    let house = House::open(pool).await;
    let job = three(&house, json!({})).await;
    for _ in 0..20 {
        let claim = claim(&house).await;
        assert!(end(&house, &claim, Ending::GivenBack).await);
    }
    work(&house).await;
    assert_eq!(shown(&house, &job).await["outcome"], "succeeded");
    house.check().await;
}

#[sqlx::test]
async fn a_running_item_hears_of_the_stop_with_its_beat(pool: PgPool) {
    let house = House::open(pool).await;
    let job = three(&house, json!({})).await;
    let running = claim(&house).await;
    let stopping = house.post(format!("/export-jobs/{job}/stop"), json!({})).await.is(200);
    assert_eq!((&stopping["state"], &stopping["counts"]["stopped"]), (&json!("stopping"), &json!(2)));
    assert_eq!(stopping["counts"]["running"], 1);
    assert_eq!(item::beat(&house.state.system, &running, house.state.worker, LEASE).await.unwrap(), Beat::Stop);
    assert!(end(&house, &running, Ending::GivenBack).await);
    work(&house).await;
    let job = shown(&house, &job).await;
    assert_eq!((&job["outcome"], &job["counts"]["stopped"]), (&json!("stopped"), &json!(3)));
    house.check().await;
}

#[sqlx::test]
async fn equal_renders_are_reused_and_say_so(pool: PgPool) {
    let house = House::open(pool).await;
    let asset = house.asset("a.jpg", &jpg(1)).await;
    let order = json!({"assetHandleArray": [asset], "fmt": "convert", "is_modifier": "wid=20&fmt=png"});
    let first = finished(&house, order.clone()).await;
    assert_eq!(items(&house, &first).await[0]["reused"], false);
    let second = finished(&house, order).await;
    let again = items(&house, &second).await;
    assert_eq!(again[0]["reused"], true);
    assert_eq!((&again[0]["width"], &again[0]["mime"]), (&json!(20), &json!("image/png")));
    assert_eq!(again[0]["sha256"], items(&house, &first).await[0]["sha256"]);
    let spelled = json!({"assetHandleArray": [asset], "fmt": "convert", "is_modifier": "FMT=png&wid=10&wid=20"});
    assert_eq!(
        items(&house, &finished(&house, spelled).await).await[0]["reused"],
        true,
        "the same recipe in other words"
    );
    house.check().await;
}

#[sqlx::test]
async fn originals_copy_no_bytes(pool: PgPool) {
    let house = House::open(pool).await;
    for seed in 1..=40 {
        house.asset(&format!("{seed}.jpg"), &jpg(seed)).await;
    }
    let before = house.blobs().await;
    let job = finished(&house, json!({"assetFilter": {}, "fmt": "orig"})).await;
    assert_eq!((&job["counts"]["succeeded"], &job["files"]), (&json!(40), &json!(40)));
    // Two manifests and the archive's index are all that is new.
    assert_eq!(house.blobs().await, before + 3);
    house.check().await;
}

#[sqlx::test]
async fn priority_then_age_decides_whose_turn_it_is(pool: PgPool) {
    let house = House::open(pool).await;
    let plain = three(&house, json!({})).await;
    let urgent =
        ordered(&house, json!({"assetFilter": {}, "fmt": "convert", "is_modifier": "wid=21", "priority": 5})).await;
    let turns = [claim(&house).await, claim(&house).await, claim(&house).await, claim(&house).await];
    let jobs: Vec<String> = turns.iter().map(|claim| claim.job_id.to_string()).collect();
    assert_eq!(jobs, [urgent.clone(), urgent.clone(), urgent, plain]);
    assert_eq!(turns.map(|claim| claim.position), [0, 1, 2, 0]);
}

#[sqlx::test]
async fn a_seal_that_died_is_taken_over(pool: PgPool) {
    let house = House::open(pool).await;
    let asset = house.asset("a.jpg", &jpg(1)).await;
    let job = ordered(&house, json!({"assetHandleArray": [asset], "fmt": "convert", "is_modifier": "wid=20"})).await;
    let claim = claim(&house).await;
    assert!(done(&house, &claim).await);
    let dead = offprint::db::seal::claim(&house.state.system, LEASE).await.unwrap().expect("it is due");
    work(&house).await;
    let before = shown(&house, &job).await;
    assert_eq!((&before["state"], &before["progress"]["percent"]), (&json!("running"), &json!(99)));
    house.later("1 hour").await;
    work(&house).await;
    assert_eq!(shown(&house, &job).await["outcome"], "succeeded");
    assert!(!offprint::db::seal::beat(&house.state.system, &dead, LEASE).await.unwrap(), "the dead one's fence is old");
    house.check().await;
}

#[sqlx::test]
async fn two_last_items_at_once_close_the_job_once(pool: PgPool) {
    let house = House::open(pool).await;
    let job = three(&house, json!({})).await;
    let claims = [claim(&house).await, claim(&house).await, claim(&house).await];
    let ends = claims.iter().map(|claim| done(&house, claim));
    assert_eq!(futures_util::future::join_all(ends).await, [true; 3]);
    work(&house).await;
    let job = shown(&house, &job).await;
    assert_eq!((&job["counts"]["succeeded"], &job["state"]), (&json!(3), &json!("finished")));
    house.check().await;
}

/// The same house for another company.
async fn neighbour(house: &House) -> House {
    let company = offprint::id::CompanyId::new();
    let sql = "insert into company (company_id, name) values ($1, $1::text)";
    sqlx::query(sql).bind(company).execute(&house.state.system).await.unwrap();
    let mut other = House::open(house.state.system.clone()).await;
    (other.state.company, other.state.storage) = (company, house.state.storage.clone());
    other
}

/// Makes a job's one item into so many, without files.
async fn swell(house: &House, job: &str, items: i32) {
    let sql = "with job as (update export_job set total = $2, run_total = $2 where job_id = $1::uuid returning job_id)
               insert into export_item (company_id, job_id, position, asset_id, asset_name, asset_type, folder, file_name,
                                        sha256, size, entry_time, state)
               select company_id, job_id, number, asset_id, asset_name, asset_type, folder, file_name, sha256, size, entry_time, state
                 from job join export_item using (job_id), generate_series(1, $2 - 1) as number";
    sqlx::query(sql).bind(job).bind(items).execute(&house.state.system).await.unwrap();
}

#[sqlx::test]
async fn a_giant_does_not_hold_up_another_company(pool: PgPool) {
    const SLOTS: usize = 4;
    let giant = House::open(pool).await;
    let small = neighbour(&giant).await;
    let order = |asset: String| json!({"assetHandleArray": [asset], "fmt": "convert", "is_modifier": "wid=20"});
    let large = ordered(&giant, order(giant.asset("a.jpg", &jpg(1)).await)).await;
    swell(&giant, &large, 100_000).await;
    let mut running = std::collections::VecDeque::new();
    for _ in 0..SLOTS {
        running.push_back(claim(&giant).await);
    }
    let little = ordered(&small, order(small.asset("b.jpg", &jpg(2)).await)).await;
    swell(&small, &little, 10).await;
    let mut turns = Vec::new();
    while turns.iter().filter(|job| **job == little).count() < 10 {
        assert!(end(&giant, &running.pop_front().unwrap(), Ending::Done).await);
        let next = claim(&giant).await;
        turns.push(next.job_id.to_string());
        running.push_back(next);
    }
    assert_eq!(turns[0], little, "the first slot that is free is theirs");
    assert!(turns.len() <= 20, "turn and turn about: {turns:?}");
    let counts = shown(&giant, &large).await["counts"].clone();
    assert_eq!(counts["total"], 100_000, "{counts}");
}

#[sqlx::test]
async fn no_company_has_more_in_flight_than_it_may(pool: PgPool) {
    let house = House::with(pool, |settings| settings.max_running = 3).await;
    let small = neighbour(&house).await;
    let order = |asset: String| json!({"assetHandleArray": [asset], "fmt": "convert", "is_modifier": "wid=20"});
    let large = ordered(&house, order(house.asset("a.jpg", &jpg(1)).await)).await;
    swell(&house, &large, 50).await;
    let terms = terms(&house);
    let at_once = (0..10).map(|_| item::claim(&house.state.system, &terms));
    let taken = futures_util::future::join_all(at_once).await;
    let taken: Vec<item::Claim> = taken.into_iter().filter_map(|claim| claim.unwrap()).collect();
    assert_eq!(taken.len(), 3, "however many ask at once");
    ordered(&small, order(small.asset("b.jpg", &jpg(2)).await)).await;
    assert_eq!(claim(&house).await.company_id, small.state.company, "others go on");
    assert!(item::claim(&house.state.system, &terms).await.unwrap().is_none());
    assert!(end(&house, &taken[0], Ending::Done).await);
    assert_eq!(claim(&house).await.company_id, house.state.company);
}

#[sqlx::test]
async fn every_try_of_an_item_is_told(pool: PgPool) {
    let house = House::open(pool).await;
    let job = three(&house, json!({})).await;
    let worker = json!(house.state.worker);
    let first = claim(&house).await;
    assert!(end(&house, &first, Ending::TryAgain(Note::new(Code::Unavailable, "the storage is away"))).await);
    house.later("1 hour").await;
    claim(&house).await;
    house.expire_leases().await;
    offprint::worker::sweep(&house.state).await.unwrap();
    let third = claim(&house).await;
    assert!(end(&house, &third, Ending::Failed(Note::new(Code::Corrupt, "damaged"))).await);
    work(&house).await;
    let place = format!("/export-jobs/{job}/items");
    let item = house.get(format!("{place}/0")).await.is(200);
    let tries = item["attemptHistory"].as_array().unwrap();
    let told: Vec<(&str, &str)> = tries
        .iter()
        .map(|attempt| (attempt["ending"].as_str().unwrap(), attempt["failure"]["code"].as_str().unwrap()))
        .collect();
    assert_eq!(told, [("try-again", "unavailable"), ("lost", "lost"), ("failed", "corrupt")]);
    for attempt in tries {
        assert_eq!(attempt["workerHandle"], worker);
        assert!(attempt["startedAt"].as_str().unwrap() <= attempt["endedAt"].as_str().unwrap(), "{attempt}");
    }
    assert_eq!((&item["attempts"], &item["failure"]["code"]), (&json!(3), &json!("corrupt")));
    let list = house.get(format!("{place}?attempts=true&state=succeeded")).await.is(200);
    for item in list["items"].as_array().unwrap() {
        assert_eq!(item["attemptHistory"].as_array().unwrap().len(), 1, "{item}");
        assert_eq!(item["attemptHistory"][0]["failure"], json!(null));
    }
    assert_eq!(list["items"].as_array().unwrap().len(), 2);
    assert!(house.get(&place).await.is(200)["items"][0].get("attemptHistory").is_none(), "only where it is asked for");
    for missing in ["3", "-1", "one"] {
        house.get(format!("{place}/{missing}")).await.is(404);
    }
    house.check().await;
}

/// A job of 100,000 items took minutes to write down, because a smaller index held the company too.
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
    // The unique one of paths is larger than the key, so it is never the cheaper.
    assert_eq!(indexes, ["export_file_pkey", "export_item_pkey", "file_path_taken"]);
}
