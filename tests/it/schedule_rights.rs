//! Schedules: who sees them, who may manage them, and what their runs may do.

use actix_web::test::TestRequest;
use offprint::db::api_key::{self, RawKey};
use offprint::db::capability::Capability::{self, *};
use serde_json::json;
use sqlx::PgPool;

use crate::support::export_jobs::drain_work;
use crate::support::images::draw_jpeg;
use crate::support::schedules::{YEARLY_CRON, build_schedule_request, get_schedule_handle, make_schedules_due};
use crate::support::test_app::TestApp;
use crate::support::test_user::{TestUser, open_guarded_app};

async fn create_user<'a>(app: &'a TestApp, user: &str, may: &[Capability]) -> TestUser<'a> {
    TestUser::with_capabilities(app, "ours", user, may).await
}

#[sqlx::test]
async fn users_see_and_manage_only_their_own_schedules(pool: PgPool) {
    let app = open_guarded_app(pool).await;
    let usual = [AssetsRead, AssetsWrite, ExportsCreate, ExportsCreateOriginal, Schedules];
    let (ann, bob) = (create_user(&app, "ann", &usual).await, create_user(&app, "bob", &usual).await);
    let reader = create_user(&app, "rita", &[ExportsReadAll, Schedules, ExportsCreate]).await;
    let manager = create_user(&app, "max", &Capability::ALL).await;
    let anns = ann.post("/export-schedules", build_schedule_request(YEARLY_CRON)).await.expect_status(201);
    let address = format!("/export-schedules/{}", get_schedule_handle(&anns));
    let patch = || TestRequest::patch().uri(&address).set_json(json!({"description": "x"}));
    let actions = ["pause", "resume", "run"];
    let see = async |user: &TestUser<'_>| {
        user.get("/export-schedules").await.expect_status(200)["items"].as_array().unwrap().len()
    };

    assert_eq!((see(&ann).await, see(&bob).await, see(&reader).await, see(&manager).await), (1, 0, 1, 1));
    assert_eq!(bob.get(&address).await.status, 404);
    assert_eq!(bob.send(patch()).await.status, 404);
    assert_eq!(reader.get(&address).await.status, 200);
    assert_eq!(reader.send(patch()).await.expect_status(403)["code"], "operation-forbidden");
    for action in actions {
        let address = format!("{address}/{action}");
        assert_eq!(bob.post(&address, json!({})).await.status, 404, "{action}");
        assert_eq!(
            reader.post(&address, json!({})).await.expect_status(403)["code"],
            "operation-forbidden",
            "{action}"
        );
    }
    assert_eq!((bob.delete(&address).await.status.as_u16(), reader.delete(&address).await.status.as_u16()), (404, 403));

    let changed = manager.send(patch()).await.expect_status(200);
    assert_eq!(changed["userHandle"], anns["userHandle"], "the schedule still belongs to ann");
    manager.post(&format!("{address}/pause"), json!({})).await.expect_status(200);
    ann.post(&format!("{address}/resume"), json!({})).await.expect_status(200);
    let mut for_bob = build_schedule_request(YEARLY_CRON);
    for_bob["userHandle"] = bob.post("/export-schedules", build_schedule_request(YEARLY_CRON)).await.expect_status(201)
        ["userHandle"]
        .clone();
    assert_eq!(
        ann.post("/export-schedules", for_bob.clone()).await.expect_status(403)["code"],
        "impersonation-forbidden"
    );
    manager.post("/export-schedules", for_bob).await.expect_status(201);
    assert_eq!((see(&ann).await, see(&bob).await), (1, 2));
    assert_eq!(ann.delete(&address).await.status, 204);
}

#[sqlx::test]
async fn exec_schedule_needs_the_right_to_schedules(pool: PgPool) {
    let app = open_guarded_app(pool).await;
    let ann = create_user(&app, "ann", &[ExportsCreate, ExportsCreateOriginal]).await;
    let refused = ann.post("/export-jobs/validate", build_schedule_request(YEARLY_CRON)).await.expect_status(403);
    assert_eq!(
        (&refused["code"], &refused["errors"][0]["pointer"]),
        (&json!("value-forbidden"), &json!("/execSchedule"))
    );
    ann.post("/export-jobs", build_schedule_request(YEARLY_CRON)).await.expect_status(422);
    assert_eq!(
        ann.post("/export-schedules", build_schedule_request(YEARLY_CRON)).await.expect_status(403)["code"],
        "operation-forbidden"
    );
    let bob = create_user(&app, "bob", &[ExportsCreate, Schedules]).await;
    assert_eq!(
        bob.post("/export-schedules", build_schedule_request(YEARLY_CRON)).await.expect_status(403)["errors"][0]["pointer"],
        "/fmt"
    );
}

#[sqlx::test]
async fn a_run_may_do_what_its_author_may_at_that_time(pool: PgPool) {
    let app = open_guarded_app(pool).await;
    let ann =
        create_user(&app, "ann", &[AssetsRead, AssetsWrite, ExportsCreate, ExportsCreateOriginal, Schedules]).await;
    let first = ann.key.clone();
    ann.upload_asset("a.jpg", &draw_jpeg(1)).await;
    let request = json!({"assetFilter": {"recursive": true}, "fmt": "orig", "execSchedule": YEARLY_CRON});
    let address = format!(
        "/export-schedules/{}",
        get_schedule_handle(&ann.post("/export-schedules", request).await.expect_status(201))
    );
    let revoke = async |key: &str| {
        api_key::revoke_api_key(&app.state.system, ann.company, key.parse::<RawKey>().unwrap().id).await.unwrap();
    };
    let manager = create_user(&app, "max", &Capability::ALL).await;
    let run = async || {
        make_schedules_due(&app).await;
        drain_work(&app).await;
        let newest = manager.get(&address).await.expect_status(200)["lastRuns"][0].clone();
        (newest["outcome"].as_str().unwrap().to_owned(), newest["problem"].clone())
    };
    assert_eq!(run().await.0, "started");

    // Another key of the same user continues where the revoked one ended.
    let second = ann.create_key(&[ExportsCreate, ExportsCreateOriginal]).await;
    revoke(&first).await;
    assert_eq!(run().await.0, "started");
    let third = ann.create_key(&[ExportsCreate]).await;
    revoke(&second).await;
    let (outcome, problem) = run().await;
    assert_eq!((outcome.as_str(), &problem["errors"][0]["pointer"]), ("refused", &json!("/fmt")), "{problem}");
    let fourth = ann.create_key(&[ExportsCreateOriginal]).await;
    revoke(&third).await;
    assert_eq!(run().await.1["code"], "operation-forbidden");
    revoke(&fourth).await;
    let (outcome, problem) = run().await;
    assert_eq!((outcome.as_str(), &problem["code"]), ("refused", &json!("key-disabled")));
    assert!(problem["detail"].as_str().unwrap().contains("PATCH"), "{problem}");

    // The last editor becomes the author of later runs; the jobs still belong to ann.
    let change = TestRequest::patch().uri(&address).set_json(json!({"description": "taken over"}));
    let ann_handle = manager.send(change).await.expect_status(200)["userHandle"].clone();
    assert_eq!(run().await.0, "started");
    let jobs = manager.get("/export-jobs").await.expect_status(200);
    assert_eq!(
        (&jobs["items"][0]["userHandle"], &jobs["items"][0]["description"]),
        (&ann_handle, &json!("taken over"))
    );
    app.assert_consistent().await;
}

#[sqlx::test]
async fn schedules_of_another_company_are_nowhere(pool: PgPool) {
    let app = open_guarded_app(pool).await;
    let (ann, eve) = (TestUser::new(&app, "ours", "ann").await, TestUser::new(&app, "theirs", "eve").await);
    let ours = get_schedule_handle(
        &ann.post("/export-schedules", build_schedule_request(YEARLY_CRON)).await.expect_status(201),
    );
    assert_eq!(eve.get("/export-schedules").await.expect_status(200)["items"], json!([]));
    assert_eq!(eve.get(&format!("/export-jobs?scheduleHandle={ours}")).await.expect_status(200)["items"], json!([]));
    // Both are due; each run sees only its own company's images.
    ann.upload_asset("ours.jpg", &draw_jpeg(1)).await;
    let everything = json!({"assetFilter": {"recursive": true}, "fmt": "orig", "execSchedule": YEARLY_CRON});
    let theirs = get_schedule_handle(&eve.post("/export-schedules", everything.clone()).await.expect_status(201));
    let mine = get_schedule_handle(&ann.post("/export-schedules", everything).await.expect_status(201));
    make_schedules_due(&app).await;
    drain_work(&app).await;
    let last = async |user: &TestUser<'_>, schedule: &str| {
        user.get(&format!("/export-schedules/{schedule}")).await.expect_status(200)["lastRuns"][0]["outcome"].clone()
    };
    assert_eq!((last(&ann, &mine).await, last(&eve, &theirs).await), (json!("started"), json!("refused")));
}
