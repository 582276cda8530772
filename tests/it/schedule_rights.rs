//! Schedules: who sees them, who may order them about, and what their runs may do.

use actix_web::test::TestRequest;
use offprint::db::api_key::{self, RawKey};
use offprint::db::capability::Capability::{self, *};
use serde_json::json;
use sqlx::PgPool;

use crate::exportjob::{jpg, work};
use crate::guest::{Guest, guarded};
use crate::house::House;
use crate::schedules::{NOON, due, filtered, handle};

async fn with<'a>(house: &'a House, user: &str, may: &[Capability]) -> Guest<'a> {
    Guest::with(house, "ours", user, may).await
}

#[sqlx::test]
async fn one_sees_and_orders_about_only_ones_own_schedules(pool: PgPool) {
    let house = guarded(pool).await;
    let usual = [AssetsRead, AssetsWrite, ExportsCreate, ExportsCreateOriginal, Schedules];
    let (ann, bob) = (with(&house, "ann", &usual).await, with(&house, "bob", &usual).await);
    let reader = with(&house, "rita", &[ExportsReadAll, Schedules, ExportsCreate]).await;
    let manager = with(&house, "max", &Capability::ALL).await;
    let anns = ann.post("/export-schedules", filtered(NOON)).await.is(201);
    let address = format!("/export-schedules/{}", handle(&anns));
    let patch = || TestRequest::patch().uri(&address).set_json(json!({"description": "x"}));
    let orders = ["pause", "resume", "run"];
    let see = async |guest: &Guest<'_>| guest.get("/export-schedules").await.is(200)["items"].as_array().unwrap().len();

    assert_eq!((see(&ann).await, see(&bob).await, see(&reader).await, see(&manager).await), (1, 0, 1, 1));
    assert_eq!(bob.get(&address).await.status, 404);
    assert_eq!(bob.send(patch()).await.status, 404);
    assert_eq!(reader.get(&address).await.status, 200);
    assert_eq!(reader.send(patch()).await.is(403)["code"], "operation-forbidden");
    for order in orders {
        let address = format!("{address}/{order}");
        assert_eq!(bob.post(&address, json!({})).await.status, 404, "{order}");
        assert_eq!(reader.post(&address, json!({})).await.is(403)["code"], "operation-forbidden", "{order}");
    }
    assert_eq!((bob.delete(&address).await.status.as_u16(), reader.delete(&address).await.status.as_u16()), (404, 403));

    let changed = manager.send(patch()).await.is(200);
    assert_eq!(changed["userHandle"], anns["userHandle"], "it stays ann's");
    manager.post(&format!("{address}/pause"), json!({})).await.is(200);
    ann.post(&format!("{address}/resume"), json!({})).await.is(200);
    let mut for_bob = filtered(NOON);
    for_bob["userHandle"] = bob.post("/export-schedules", filtered(NOON)).await.is(201)["userHandle"].clone();
    assert_eq!(ann.post("/export-schedules", for_bob.clone()).await.is(403)["code"], "impersonation-forbidden");
    manager.post("/export-schedules", for_bob).await.is(201);
    assert_eq!((see(&ann).await, see(&bob).await), (1, 2));
    assert_eq!(ann.delete(&address).await.status, 204);
}

#[sqlx::test]
async fn exec_schedule_needs_the_right_to_schedules(pool: PgPool) {
    let house = guarded(pool).await;
    let ann = with(&house, "ann", &[ExportsCreate, ExportsCreateOriginal]).await;
    for path in ["/export-jobs", "/export-jobs/validate"] {
        let refused = ann.post(path, filtered(NOON)).await.is(403);
        assert_eq!(
            (&refused["code"], &refused["errors"][0]["pointer"]),
            (&json!("value-forbidden"), &json!("/execSchedule"))
        );
    }
    assert_eq!(ann.post("/export-schedules", filtered(NOON)).await.is(403)["code"], "operation-forbidden");
    let bob = with(&house, "bob", &[ExportsCreate, Schedules]).await;
    assert_eq!(bob.post("/export-schedules", filtered(NOON)).await.is(403)["errors"][0]["pointer"], "/fmt");
}

#[sqlx::test]
async fn a_run_may_do_what_its_author_may_at_that_time(pool: PgPool) {
    let house = guarded(pool).await;
    let ann = with(&house, "ann", &[AssetsRead, AssetsWrite, ExportsCreate, ExportsCreateOriginal, Schedules]).await;
    let first = ann.key.clone();
    ann.asset("a.jpg", &jpg(1)).await;
    let order = json!({"assetFilter": {"recursive": true}, "fmt": "orig", "execSchedule": NOON});
    let address = format!("/export-schedules/{}", handle(&ann.post("/export-schedules", order).await.is(201)));
    let revoke = async |key: &str| {
        api_key::revoke(&house.state.system, ann.company, key.parse::<RawKey>().unwrap().id).await.unwrap();
    };
    let manager = with(&house, "max", &Capability::ALL).await;
    let run = async || {
        due(&house).await;
        work(&house).await;
        let newest = manager.get(&address).await.is(200)["lastRuns"][0].clone();
        (newest["outcome"].as_str().unwrap().to_owned(), newest["problem"].clone())
    };
    assert_eq!(run().await.0, "started");

    // Another key of the same person goes on where the first one ended.
    let second = ann.key_for(&[ExportsCreate, ExportsCreateOriginal]).await;
    revoke(&first).await;
    assert_eq!(run().await.0, "started");
    let third = ann.key_for(&[ExportsCreate]).await;
    revoke(&second).await;
    let (outcome, problem) = run().await;
    assert_eq!((outcome.as_str(), &problem["errors"][0]["pointer"]), ("refused", &json!("/fmt")), "{problem}");
    let fourth = ann.key_for(&[ExportsCreateOriginal]).await;
    revoke(&third).await;
    assert_eq!(run().await.1["code"], "operation-forbidden");
    revoke(&fourth).await;
    let (outcome, problem) = run().await;
    assert_eq!((outcome.as_str(), &problem["code"]), ("refused", &json!("key-disabled")));
    assert!(problem["detail"].as_str().unwrap().contains("PATCH"), "{problem}");

    // Whoever changes it answers for it; the jobs stay ann's.
    let change = TestRequest::patch().uri(&address).set_json(json!({"description": "taken over"}));
    let ann_handle = manager.send(change).await.is(200)["userHandle"].clone();
    assert_eq!(run().await.0, "started");
    let jobs = manager.get("/export-jobs").await.is(200);
    assert_eq!(
        (&jobs["items"][0]["userHandle"], &jobs["items"][0]["description"]),
        (&ann_handle, &json!("taken over"))
    );
    house.check().await;
}

#[sqlx::test]
async fn schedules_of_another_company_are_nowhere(pool: PgPool) {
    let house = guarded(pool).await;
    let (ann, eve) = (Guest::of(&house, "ours", "ann").await, Guest::of(&house, "theirs", "eve").await);
    let ours = handle(&ann.post("/export-schedules", filtered(NOON)).await.is(201));
    assert_eq!(eve.get("/export-schedules").await.is(200)["items"], json!([]));
    assert_eq!(eve.get(&format!("/export-jobs?scheduleHandle={ours}")).await.is(200)["items"], json!([]));
    // Both are due; each run sees its own company's pictures only.
    ann.asset("ours.jpg", &jpg(1)).await;
    let everything = json!({"assetFilter": {"recursive": true}, "fmt": "orig", "execSchedule": NOON});
    let theirs = handle(&eve.post("/export-schedules", everything.clone()).await.is(201));
    let mine = handle(&ann.post("/export-schedules", everything).await.is(201));
    due(&house).await;
    work(&house).await;
    let last = async |guest: &Guest<'_>, schedule: &str| {
        guest.get(&format!("/export-schedules/{schedule}")).await.is(200)["lastRuns"][0]["outcome"].clone()
    };
    assert_eq!((last(&ann, &mine).await, last(&eve, &theirs).await), (json!("started"), json!("refused")));
}
