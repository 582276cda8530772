//! Files of jobs on their way to stores of others: what arrives, what is told, faults of the store, and workers that die.

use std::pin::pin;

use actix_web::test::TestRequest;
use offprint::db::delivery::{DeliveryEnd, DeliveryGoesOn, DeliveryRecord, record_deliveries};
use offprint::db::delivery_settle::settle_delivery;
use offprint::db::task::{TaskEnd, TaskKind, TaskOutcome};
use offprint::worker::run_task;
use offprint_core::Digest;
use serde_json::{Value, json};
use sqlx::PgPool;
use tempfile::TempDir;

use crate::support::cut_off::run_steps;
use crate::support::export_jobs::{
    create_job, drain_work, fetch_job, fetch_log, get_job_handle, run_export, send_job_action,
};
use crate::support::fake_s3::{BUCKET, FakeS3, S3Behavior};
use crate::support::images::draw_jpeg;
use crate::support::queue::{claim_item, claim_task, settle_with_files, try_claim_task};
use crate::support::test_app::TestApp;

/// An application with the connections `bucket`, `folder` and `source`, which can only be read.
struct Shop {
    app: TestApp,
    s3: FakeS3,
    folder: TempDir,
}

impl Shop {
    async fn open(pool: PgPool) -> Self {
        let (s3, folder) = (FakeS3::start(), TempDir::new().unwrap());
        std::fs::create_dir(folder.path().join("out")).unwrap();
        let secret = folder.path().join("secret");
        std::fs::write(&secret, "a-secret").unwrap();
        let mut text = format!(
            "[folder]\nurl = \"file://{0}/out\"\naccess = \"read-write\"\ncompanies = [\"*\"]\n\
             [source]\nurl = \"file://{0}/out\"\naccess = \"read\"\ncompanies = [\"*\"]\n\
             [others]\nurl = \"file://{0}/out\"\naccess = \"write\"\ncompanies = [\"others\"]\n\
             [bucket]\nurl = \"s3://{BUCKET}/out\"\naccess = \"write\"\ncompanies = [\"*\"]\n[bucket.variables]\n",
            folder.path().display()
        );
        for (name, value) in s3.environment() {
            let value = match name.contains("SECRET") {
                true => format!("{{ file = \"{}\" }}", secret.display()),
                false => format!("\"{value}\""),
            };
            text.push_str(&format!("{name} = {value}\n"));
        }
        let file = folder.path().join("connections.toml");
        std::fs::write(&file, text).unwrap();
        let app = TestApp::with_settings(pool, |settings| settings.connections = Some(file)).await;
        Self { app, s3, folder }
    }

    /// The bytes that the bucket has under a path.
    fn read_object(&self, path: &str) -> Option<Vec<u8>> {
        self.s3.read(&format!("out/{path}"), "").map(|(bytes, _)| bytes)
    }

    async fn upload(&self, count: usize) -> Vec<String> {
        let mut assets = Vec::new();
        for number in 0..count {
            let bytes = format!("bytes of {number}");
            assets.push(self.app.upload_asset(&format!("a{number}.txt"), bytes.as_bytes()).await);
        }
        assets
    }

    async fn fetch_destinations(&self, job: &str) -> Value {
        self.app.get(format!("/export-jobs/{job}/destinations")).await.expect_status(200)["items"].clone()
    }

    /// Creates a job of this many files that waits for its deliveries to the bucket.
    async fn create_delivering_job(&self, count: usize) -> String {
        let assets = self.upload(count).await;
        let job = create_job(&self.app, deliver(&assets, json!({"connection": "bucket", "prefix": "x"}))).await;
        for _ in 0..count {
            assert!(settle_with_files(&self.app, &claim_item(&self.app).await).await);
        }
        job
    }
}

/// A request that delivers originals to one destination.
fn deliver(assets: &[String], destination: Value) -> Value {
    json!({"assetHandleArray": assets, "fmt": "orig", "jobName": "spring", "deliverTo": [destination]})
}

fn list_codes(log: &[Value]) -> Vec<&str> {
    log.iter().map(|event| event["code"].as_str().unwrap()).collect()
}

#[sqlx::test]
async fn every_file_arrives_with_its_type_and_the_manifest_last(pool: PgPool) {
    let shop = Shop::open(pool).await;
    let image = shop.app.upload_asset("shoe.jpg", &draw_jpeg(1)).await;
    let request = json!({
        "assetHandleArray": [image], "fmt": "convert", "jobName": "spring/shoes", "timeZone": "Pacific/Kiritimati",
        "renditions": [{"name": "web", "is_modifier": "wid=10&fmt=webp"}, {"name": "print", "is_modifier": "wid=20&fmt=tif"}],
        "deliverTo": [
            {"connection": "bucket", "prefix": "{date}/{jobName}", "manifest": true, "cacheControl": "public, max-age=60"},
            {"connection": "folder", "prefix": ""},
        ],
    });
    let job = run_export(&shop.app, request).await;
    assert_eq!((&job["state"], &job["outcome"]), (&json!("finished"), &json!("succeeded")), "{job:#}");
    assert_eq!(job["progress"]["percent"], 100);
    let date: String = sqlx::query_scalar("select to_char(now() at time zone 'Pacific/Kiritimati', 'YYYY-MM-DD')")
        .fetch_one(&shop.app.state.system)
        .await
        .unwrap();
    let to_bucket = &job["deliverTo"][0];
    assert_eq!(to_bucket["prefix"], format!("{date}/spring-shoes"));
    assert_eq!(
        to_bucket["counts"],
        json!({"delivered": 2, "skipped": 0, "unchanged": 0, "failed": 0, "waiting": 0, "removed": 0})
    );
    assert_eq!((&to_bucket["state"], &to_bucket["bytes"]), (&json!("done"), &job["bytes"]));
    let names: Vec<String> = shop.s3.object_names();
    let expected = ["manifest.csv", "manifest.json", "shoe-print.tiff", "shoe-web.webp"];
    assert_eq!(names, expected.map(|name| format!("out/{date}/spring-shoes/{name}")));
    for (name, media_type) in [("shoe-web.webp", "image/webp"), ("shoe-print.tiff", "image/tiff")] {
        let key = format!("out/{date}/spring-shoes/{name}");
        let (bytes, found) = shop.s3.read(&key, "content-type").unwrap();
        assert_eq!(found.as_deref(), Some(media_type));
        assert_eq!(shop.s3.read(&key, "cache-control").unwrap().1.as_deref(), Some("public, max-age=60"));
        assert_eq!(std::fs::read(shop.folder.path().join("out").join(name)).unwrap(), bytes, "{name}");
    }
    let manifest = shop.read_object(&format!("{date}/spring-shoes/manifest.json")).unwrap();
    let own = shop.app.get(format!("/export-jobs/{}/manifest", get_job_handle(&job))).await.body;
    assert_eq!(manifest, own, "the manifest in the store is that of the job");
    let log = fetch_log(&shop.app, get_job_handle(&job), "limit=100").await;
    let ends: Vec<&str> = list_codes(&log).into_iter().skip_while(|code| *code != "filesDelivered").collect();
    assert_eq!(ends, ["filesDelivered", "filesDelivered", "archiveCreated", "exportEnded"]);
    shop.app.assert_consistent().await;
}

#[sqlx::test]
async fn mistakes_of_destinations_are_told_together_and_name_the_remedy(pool: PgPool) {
    let shop = Shop::open(pool).await;
    let assets = shop.upload(1).await;
    let request = json!({"assetHandleArray": assets, "fmt": "orig", "deliverTo": [
        {"connection": "nowhere"},
        {"connection": "source"},
        {"connection": "others"},
        {"connection": "bucket", "prefix": "a/../../b"},
        {"connection": "bucket", "prefix": "{day}", "cacheControl": "a\r\nx: y"},
    ]});
    for (path, request) in [("/export-jobs", request.clone()), ("/export-jobs/validate", request.clone())] {
        let problem = shop.app.post(path, request).await.expect_status(422);
        let errors: Vec<(&str, &str)> = problem["errors"]
            .as_array()
            .unwrap()
            .iter()
            .map(|error| (error["pointer"].as_str().unwrap(), error["detail"].as_str().unwrap()))
            .collect();
        let expected = [
            (
                "/deliverTo/0/connection",
                "There is no connection `nowhere`. Files can be delivered to `bucket`, `folder`.",
            ),
            (
                "/deliverTo/1/connection",
                "The connection `source` can only be read. Files can be delivered to `bucket`, `folder`.",
            ),
            (
                "/deliverTo/2/connection",
                "There is no connection `others`. Files can be delivered to `bucket`, `folder`.",
            ),
            ("/deliverTo/3/prefix", "`..` is not allowed. Write the path from the address of the connection."),
            ("/deliverTo/4/prefix", "`{day}` is not a placeholder. Use {date}, {jobName} or {jobHandle}."),
            (
                "/deliverTo/4/cacheControl",
                "\"a\\r\\nx: y\" is not a value of Cache-Control. Send one such as `public, max-age=86400`.",
            ),
        ];
        assert_eq!(errors, expected);
    }
    let mut recurring = request;
    recurring["execSchedule"] = json!("0 0 12 * * ?");
    shop.app.post("/export-schedules", recurring).await.expect_status(422);
    let twice = json!({"connection": "bucket", "prefix": "x/"});
    let request = json!({"assetHandleArray": assets, "fmt": "orig", "deliverTo": [{"connection": "bucket", "prefix": "x"}, twice]});
    let problem = shop.app.post("/export-jobs", request).await.expect_status(422);
    assert_eq!(problem["errors"][0]["pointer"], "/deliverTo/1/prefix");
    let six = vec![json!({"connection": "bucket"}); 6];
    let request = json!({"assetHandleArray": assets, "fmt": "orig", "deliverTo": six});
    shop.app.post("/export-jobs", request).await.expect_status(422);
    assert!(shop.s3.object_names().is_empty());
}

#[sqlx::test]
async fn a_dry_run_says_where_files_would_go_and_writes_nothing(pool: PgPool) {
    let shop = Shop::open(pool).await;
    let assets = shop.upload(1).await;
    let request = deliver(&assets, json!({"connection": "bucket", "prefix": "{jobName}/{jobHandle}"}));
    let preview = shop.app.post("/export-jobs/validate", request).await.expect_status(200);
    assert_eq!(
        preview["deliverTo"],
        json!([{"connection": "bucket", "prefix": "spring/{jobHandle}",
        "changed": null, "unchanged": null, "removed": null}])
    );
    drain_work(&shop.app).await;
    assert!(shop.s3.object_names().is_empty());
}

#[sqlx::test]
async fn files_are_delivered_while_others_are_processed_and_every_path_gets_its_bytes(pool: PgPool) {
    let shop = Shop::open(pool).await;
    // The same bytes three times: one blob, three paths.
    let mut assets = Vec::new();
    for _ in 0..3 {
        assets.push(shop.app.upload_asset("same.txt", b"the same").await);
    }
    let job = create_job(&shop.app, deliver(&assets, json!({"connection": "bucket", "prefix": "x"}))).await;
    assert!(try_claim_task(&shop.app, TaskKind::Delivery).await.is_none(), "nothing is ready");
    for (done, path) in ["x/same.txt", "x/same (2).txt", "x/same (3).txt"].into_iter().enumerate() {
        assert!(settle_with_files(&shop.app, &claim_item(&shop.app).await).await);
        assert!(try_claim_task(&shop.app, TaskKind::Seal).await.is_none(), "the job waits for its deliveries");
        run_task(&shop.app.state, claim_task(&shop.app, TaskKind::Delivery).await).await.unwrap();
        assert_eq!(shop.read_object(path).as_deref(), Some(b"the same".as_slice()), "{path}");
        let shown = fetch_job(&shop.app, &job).await;
        assert_eq!(shown["deliverTo"][0]["counts"]["delivered"], done + 1);
        assert_eq!(shown["progress"]["percent"], 99 * (done + 1) / 3, "{shown:#}");
    }
    drain_work(&shop.app).await;
    assert_eq!(fetch_job(&shop.app, &job).await["outcome"], "succeeded");
    assert_eq!(shop.s3.put_count(), 3);
    shop.app.assert_consistent().await;
}

#[sqlx::test]
async fn files_of_others_are_replaced_left_or_an_error_as_the_request_says(pool: PgPool) {
    let shop = Shop::open(pool).await;
    let assets = shop.upload(2).await;
    for (rule, counts, outcome, bytes) in [
        ("overwrite", [2, 0, 0], "succeeded", "bytes of 0"),
        ("skip", [1, 1, 0], "succeeded", "theirs"),
        ("fail", [1, 0, 1], "succeededWithWarnings", "theirs"),
    ] {
        shop.s3.insert(&format!("out/{rule}/a0.txt"), b"theirs");
        let to = json!({"connection": "bucket", "prefix": rule, "onExisting": rule, "manifest": true});
        let job = run_export(&shop.app, deliver(&assets, to)).await;
        let [delivered, skipped, failed] = counts;
        let expected = json!({"delivered": delivered, "skipped": skipped, "unchanged": 0,
            "failed": failed, "waiting": 0, "removed": 0});
        assert_eq!(job["deliverTo"][0]["counts"], expected, "{rule}");
        assert_eq!(job["outcome"], outcome, "{rule}");
        assert_eq!(shop.read_object(&format!("{rule}/a0.txt")).unwrap(), bytes.as_bytes(), "{rule}");
        let handle = get_job_handle(&job);
        let manifest: Value =
            serde_json::from_slice(&shop.read_object(&format!("{rule}/manifest.json")).unwrap()).unwrap();
        assert_eq!(manifest["outcome"], outcome);
        if failed == 0 {
            assert_eq!(manifest["items"][0]["warnings"], json!([]));
            continue;
        }
        assert_eq!(job["warnings"][0]["code"], "delivery-failed");
        assert_eq!(manifest["warnings"][0]["code"], "delivery-failed");
        let line = manifest["items"][0]["warnings"][0]["detail"].as_str().unwrap();
        assert!(line.starts_with("Not delivered to `bucket`: The store has another file of this name"), "{line}");
        let failures = shop.fetch_destinations(handle).await[0]["failures"].clone();
        assert_eq!(
            (&failures[0]["path"], &failures[0]["reason"]["code"]),
            (&json!("a0.txt"), &json!("delivery-failed"))
        );
        let log = fetch_log(&shop.app, handle, "code=deliveryFailed").await;
        let sentence = log[0]["message"].as_str().unwrap();
        assert!(sentence.starts_with("1 file could not be delivered to “bucket”. The store has another"), "{sentence}");
        // When it is out of the way, a retry delivers it, and the manifest is replaced.
        shop.s3.remove("out/fail/a0.txt");
        send_job_action(&shop.app, handle, "retry").await.expect_status(200);
        drain_work(&shop.app).await;
        let again = fetch_job(&shop.app, handle).await;
        assert_eq!((&again["outcome"], &again["run"]), (&json!("succeeded"), &json!(2)), "{again:#}");
        assert_eq!(again["deliverTo"][0]["counts"]["delivered"], 2);
        assert_eq!(again["warnings"], json!([]));
        assert_eq!(shop.read_object("fail/a0.txt").unwrap(), b"bytes of 0");
        let manifest: Value = serde_json::from_slice(&shop.read_object("fail/manifest.json").unwrap()).unwrap();
        assert_eq!(manifest["outcome"], "succeeded");
        send_job_action(&shop.app, handle, "retry").await.expect_status(409);
    }
    shop.app.assert_consistent().await;
}

#[sqlx::test]
async fn a_store_that_is_down_is_waited_for(pool: PgPool) {
    let shop = Shop::open(pool).await;
    let job = shop.create_delivering_job(3).await;
    shop.s3.set_behavior(S3Behavior::Failing(400));
    drain_work(&shop.app).await;
    let waiting = fetch_job(&shop.app, &job).await;
    assert_eq!((&waiting["state"], &waiting["outcome"]), (&json!("running"), &Value::Null));
    assert_eq!(
        waiting["deliverTo"][0]["counts"],
        json!({"delivered": 0, "skipped": 0, "unchanged": 0, "failed": 0, "waiting": 3, "removed": 0})
    );
    assert_eq!(waiting["progress"]["percent"], 49);
    assert!(try_claim_task(&shop.app, TaskKind::Delivery).await.is_none(), "it backs off");
    shop.s3.set_behavior(S3Behavior::Healthy);
    shop.app.advance_time("1 minute").await;
    drain_work(&shop.app).await;
    let finished = fetch_job(&shop.app, &job).await;
    assert_eq!(
        (&finished["outcome"], &finished["deliverTo"][0]["counts"]["delivered"]),
        (&json!("succeeded"), &json!(3))
    );
    assert_eq!(shop.s3.put_count(), 3);
    shop.app.assert_consistent().await;
}

#[sqlx::test]
async fn a_store_that_stays_down_is_given_up_and_a_retry_delivers(pool: PgPool) {
    let shop = Shop::open(pool).await;
    let job = shop.create_delivering_job(2).await;
    shop.s3.set_behavior(S3Behavior::Failing(400));
    for _ in 0..11 {
        drain_work(&shop.app).await;
        assert_eq!(fetch_job(&shop.app, &job).await["outcome"], Value::Null);
        shop.app.advance_time("1 hour").await;
    }
    // The twelfth is the last.
    drain_work(&shop.app).await;
    let ended = fetch_job(&shop.app, &job).await;
    assert_eq!(ended["outcome"], "succeededWithWarnings", "{ended:#}");
    assert_eq!(
        ended["deliverTo"][0]["counts"],
        json!({"delivered": 0, "skipped": 0, "unchanged": 0, "failed": 2, "waiting": 0, "removed": 0})
    );
    let failures = shop.fetch_destinations(&job).await[0]["failures"].clone();
    assert_eq!(failures[1]["reason"]["detail"], "The store did not answer as it should.");
    shop.s3.set_behavior(S3Behavior::Healthy);
    send_job_action(&shop.app, &job, "retry").await.expect_status(200);
    assert_eq!(fetch_job(&shop.app, &job).await["state"], "running");
    drain_work(&shop.app).await;
    let again = fetch_job(&shop.app, &job).await;
    assert_eq!((&again["outcome"], &again["deliverTo"][0]["counts"]["delivered"]), (&json!("succeeded"), &json!(2)));
    shop.app.assert_consistent().await;
}

#[sqlx::test]
async fn a_store_that_refuses_access_is_not_asked_for_every_file(pool: PgPool) {
    let shop = Shop::open(pool).await;
    let job = shop.create_delivering_job(60).await;
    shop.s3.set_behavior(S3Behavior::Failing(403));
    drain_work(&shop.app).await;
    let ended = fetch_job(&shop.app, &job).await;
    assert_eq!(ended["outcome"], "succeededWithWarnings", "{ended:#}");
    assert_eq!(ended["deliverTo"][0]["counts"]["failed"], 60);
    let failures = shop.fetch_destinations(&job).await[0]["failures"].clone();
    let detail = "The store refuses access; check the credentials of the connection and their rights.";
    assert!(failures.as_array().unwrap().iter().all(|failure| failure["reason"]["detail"] == detail), "{failures:#}");
    shop.app.assert_consistent().await;
}

#[sqlx::test]
async fn a_stop_ends_deliveries(pool: PgPool) {
    let shop = Shop::open(pool).await;
    let job = shop.create_delivering_job(2).await;
    shop.s3.set_behavior(S3Behavior::Failing(400));
    drain_work(&shop.app).await;
    send_job_action(&shop.app, &job, "stop").await.expect_status(200);
    shop.s3.set_behavior(S3Behavior::Healthy);
    // At once, although it backs off.
    drain_work(&shop.app).await;
    let stopped = fetch_job(&shop.app, &job).await;
    assert_eq!((&stopped["state"], &stopped["outcome"]), (&json!("finished"), &json!("stopped")), "{stopped:#}");
    assert_eq!(stopped["deliverTo"][0]["state"], "stopped");
    assert_eq!(stopped["deliverTo"][0]["counts"]["waiting"], 2);
    assert!(shop.s3.object_names().is_empty(), "nothing is delivered after the stop");
    // What was not delivered can be.
    send_job_action(&shop.app, &job, "retry").await.expect_status(200);
    drain_work(&shop.app).await;
    assert_eq!(fetch_job(&shop.app, &job).await["outcome"], "succeeded");
    assert_eq!(shop.s3.object_names().len(), 2);
    shop.app.assert_consistent().await;
}

#[sqlx::test]
async fn jobs_without_files_end_too(pool: PgPool) {
    let shop = Shop::open(pool).await;
    let asset = shop.app.upload_asset("a.txt", b"no image").await;
    let mut request = deliver(&[asset], json!({"connection": "bucket"}));
    (request["fmt"], request["is_modifier"], request["onUnconvertible"]) =
        (json!("convert"), json!("wid=9"), json!("fail"));
    let job = run_export(&shop.app, request).await;
    assert_eq!((&job["state"], &job["outcome"]), (&json!("finished"), &json!("failed")), "{job:#}");
    assert_eq!(job["deliverTo"][0]["state"], "done");
    shop.app.assert_consistent().await;
}

#[sqlx::test]
async fn a_delivery_that_is_killed_anywhere_loses_nothing_and_counts_once(pool: PgPool) {
    let shop = Shop::open(pool).await;
    for steps in 0.. {
        let job = shop.create_delivering_job(3).await;
        let claim = claim_task(&shop.app, TaskKind::Delivery).await;
        let puts = shop.s3.put_count();
        let has_ended = run_steps(async { run_task(&shop.app.state, claim).await.unwrap() }, steps).await;
        shop.app.assert_consistent().await;
        shop.app.advance_time("1 minute").await;
        let mut finished = Value::Null;
        // The last statement of the killed worker may still hold the lock of the task, and is passed over.
        for _ in 0..100 {
            drain_work(&shop.app).await;
            finished = fetch_job(&shop.app, &job).await;
            if finished["state"] == "finished" {
                break;
            }
        }
        assert_eq!(finished["outcome"], "succeeded", "after {steps} steps: {finished:#}");
        let counts = json!({"delivered": 3, "skipped": 0, "unchanged": 0, "failed": 0, "waiting": 0, "removed": 0});
        assert_eq!(finished["deliverTo"][0]["counts"], counts, "after {steps} steps");
        for number in 0..3 {
            let bytes = shop.read_object(&format!("x/a{number}.txt"));
            assert_eq!(bytes.unwrap(), format!("bytes of {number}").as_bytes(), "after {steps} steps");
        }
        let log = fetch_log(&shop.app, &job, "limit=100").await;
        let ends: Vec<&str> = list_codes(&log).into_iter().skip_while(|code| *code != "filesDelivered").collect();
        assert_eq!(ends, ["filesDelivered", "archiveCreated", "exportEnded"], "after {steps} steps");
        // Requests that were under way when the worker died may arrive after the next one has asked.
        assert!((0..=6).contains(&(shop.s3.put_count() - puts)), "after {steps} steps");
        shop.s3.object_names().iter().for_each(|name| shop.s3.remove(name));
        shop.app.assert_consistent().await;
        if has_ended {
            assert!(steps > 5, "{steps}");
            return;
        }
    }
}

#[sqlx::test]
async fn a_job_can_be_deleted_while_it_is_delivered(pool: PgPool) {
    let shop = Shop::open(pool).await;
    for steps in [1, 3, 6, 12, 20, 40] {
        let job = shop.create_delivering_job(3).await;
        let claim = claim_task(&shop.app, TaskKind::Delivery).await;
        let mut work = pin!(async { run_task(&shop.app.state, claim).await.unwrap() });
        let has_ended = run_steps(work.as_mut(), steps).await;
        let delete = shop.app.send(TestRequest::delete().uri(&format!("/export-jobs/{job}")));
        // The worker goes on, as far as it gets.
        let answer = match has_ended {
            true => delete.await,
            false => futures_util::join!(work, delete).1,
        };
        answer.expect_status(204);
        drain_work(&shop.app).await;
        let left: i64 =
            sqlx::query_scalar("select (select count(*) from destination) + (select count(*) from delivery)")
                .fetch_one(&shop.app.state.system)
                .await
                .unwrap();
        assert_eq!(left, 0, "after {steps} steps");
        shop.app.assert_consistent().await;
    }
}

#[sqlx::test]
async fn a_stale_holder_of_a_delivery_changes_nothing(pool: PgPool) {
    let shop = Shop::open(pool).await;
    shop.create_delivering_job(1).await;
    let stale = claim_task(&shop.app, TaskKind::Delivery).await;
    shop.app.advance_time("1 minute").await;
    let holder = claim_task(&shop.app, TaskKind::Delivery).await;
    let dump = async || {
        let sql = "select jsonb_build_array((select jsonb_agg(to_jsonb(d)) from destination d), (select count(*) from delivery),
                          (select jsonb_agg(to_jsonb(t)) from task t), (select count(*) from export_event))::text";
        sqlx::query_scalar::<_, String>(sql).fetch_one(&shop.app.state.system).await.unwrap()
    };
    let before = dump().await;
    let record = DeliveryRecord {
        position: 0,
        rendition: 0,
        sha256: Digest::compute(b"bytes of 0"),
        state: DeliveryEnd::Delivered,
        failure: None,
    };
    let pool = &shop.app.state.system;
    let recorded = record_deliveries(pool, &stale, 0, 1, std::slice::from_ref(&record)).await.unwrap();
    assert_eq!(recorded, DeliveryGoesOn::Lost);
    for outcome in [TaskOutcome::Done, TaskOutcome::Failed, TaskOutcome::GivenBack] {
        assert_eq!(settle_delivery(pool, &stale, &TaskEnd::new(outcome, None)).await.unwrap(), None);
    }
    run_task(&shop.app.state, stale).await.unwrap();
    assert_eq!(dump().await, before);
    // The holder's record counts once, however often it is written.
    for _ in 0..2 {
        assert_eq!(
            record_deliveries(pool, &holder, 0, 1, std::slice::from_ref(&record)).await.unwrap(),
            DeliveryGoesOn::Yes
        );
    }
    run_task(&shop.app.state, holder).await.unwrap();
    let delivered: i32 = sqlx::query_scalar("select delivered from destination").fetch_one(pool).await.unwrap();
    assert_eq!(delivered, 1);
    drain_work(&shop.app).await;
    shop.app.assert_consistent().await;
}

#[sqlx::test]
async fn runs_of_a_schedule_deliver_to_folders_of_their_day(pool: PgPool) {
    let shop = Shop::open(pool).await;
    let assets = shop.upload(1).await;
    let mut request = deliver(&assets, json!({"connection": "folder", "prefix": "nightly/{date}"}));
    (request["execSchedule"], request["timeZone"]) = (json!("0 0 2 * * ?"), json!("Pacific/Kiritimati"));
    let schedule = shop.app.post("/export-schedules", request.clone()).await.expect_status(201);
    assert_eq!(schedule["deliverTo"][0]["prefix"], "nightly/{date}");
    shop.app.advance_time("1 day").await;
    drain_work(&shop.app).await;
    let date: String = sqlx::query_scalar("select to_char(now() at time zone 'Pacific/Kiritimati', 'YYYY-MM-DD')")
        .fetch_one(&shop.app.state.system)
        .await
        .unwrap();
    let file = shop.folder.path().join(format!("out/nightly/{date}/a0.txt"));
    assert_eq!(std::fs::read(&file).unwrap(), b"bytes of 0", "{}", file.display());
}

/// A request that delivers originals of a folder to a bucket when they changed.
fn sync(changes: Value) -> Value {
    let mut request = json!({"assetFilter": {"folder": ""}, "fmt": "orig", "jobName": "nightly", "onlyChanged": true,
        "deliverTo": [{"connection": "bucket", "prefix": "sync"}]});
    request.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    request
}

#[sqlx::test]
async fn a_second_run_moves_only_what_changed(pool: PgPool) {
    let shop = Shop::open(pool).await;
    let assets = shop.upload(3).await;
    let first = run_export(&shop.app, sync(json!({}))).await;
    assert_eq!((&first["outcome"], &first["deliverTo"][0]["counts"]["delivered"]), (&json!("succeeded"), &json!(3)));
    let puts = shop.s3.put_count();
    // Nothing changed: a job without items, which ends all the same.
    let second = run_export(&shop.app, sync(json!({}))).await;
    assert_eq!((&second["outcome"], &second["counts"]["total"]), (&json!("succeeded"), &json!(0)), "{second:#}");
    let counts = json!({"delivered": 0, "skipped": 0, "unchanged": 3, "failed": 0, "waiting": 0, "removed": 0});
    assert_eq!(second["deliverTo"][0]["counts"], counts);
    assert_eq!(second["notices"][0]["code"], "unchanged");
    assert_eq!(shop.s3.put_count(), puts, "nothing was moved");
    // Other content of one asset, and a new one.
    let content = TestRequest::put().uri(&format!("/assets/{}/content", assets[1])).set_payload("other bytes");
    shop.app.send(content.insert_header(("content-type", "text/plain"))).await.expect_success();
    shop.app.upload_asset("new.txt", b"new").await;
    let preview = shop.app.post("/export-jobs/validate", sync(json!({}))).await.expect_status(200);
    let to = &preview["deliverTo"][0];
    assert_eq!((&to["changed"], &to["unchanged"], &to["removed"]), (&json!(2), &json!(2), &json!(0)), "{to}");
    let third = run_export(&shop.app, sync(json!({}))).await;
    assert_eq!(third["counts"]["total"], 2, "{third:#}");
    let counts = json!({"delivered": 2, "skipped": 0, "unchanged": 2, "failed": 0, "waiting": 0, "removed": 0});
    assert_eq!(third["deliverTo"][0]["counts"], counts);
    assert_eq!(shop.s3.put_count(), puts + 2);
    assert_eq!(shop.read_object("sync/a1.txt").unwrap(), b"other bytes");
    shop.app.assert_consistent().await;
}

#[sqlx::test]
async fn of_an_asset_only_the_rendition_is_delivered_that_changed(pool: PgPool) {
    let shop = Shop::open(pool).await;
    let asset = shop.app.upload_asset("shoe.jpg", &draw_jpeg(1)).await;
    let request = |width: u32| {
        json!({"assetHandleArray": [asset], "fmt": "convert", "onlyChanged": true,
            "renditions": [{"name": "web", "is_modifier": "wid=10&fmt=webp"}, {"name": "print", "is_modifier": format!("wid={width}&fmt=png")}],
            "deliverTo": [{"connection": "bucket", "prefix": "sync"}]})
    };
    run_export(&shop.app, request(20)).await;
    let puts = shop.s3.put_count();
    let job = run_export(&shop.app, request(30)).await;
    let counts = json!({"delivered": 1, "skipped": 0, "unchanged": 1, "failed": 0, "waiting": 0, "removed": 0});
    assert_eq!((&job["outcome"], &job["deliverTo"][0]["counts"]), (&json!("succeeded"), &counts), "{job:#}");
    assert_eq!(shop.s3.put_count(), puts + 1);
    // A version of the service that renders differently: everything rendered has changed.
    sqlx::query("update delivered_file set engine_version = 0").execute(&shop.app.state.system).await.unwrap();
    let preview = shop.app.post("/export-jobs/validate", request(30)).await.expect_status(200);
    assert_eq!(preview["deliverTo"][0]["changed"], 2);
    shop.app.assert_consistent().await;
}

#[sqlx::test]
async fn what_is_gone_from_the_selection_is_removed_on_request_only(pool: PgPool) {
    let shop = Shop::open(pool).await;
    let assets = shop.upload(4).await;
    run_export(&shop.app, sync(json!({}))).await;
    shop.app.delete(format!("/assets/{}", assets[0])).await.expect_success();
    shop.app.delete(format!("/assets/{}", assets[1])).await.expect_success();
    let kept = run_export(&shop.app, sync(json!({}))).await;
    assert_eq!(kept["deliverTo"][0]["counts"]["removed"], 0);
    assert!(shop.read_object("sync/a0.txt").is_some(), "they stay by default");
    // One of them was replaced by somebody else.
    shop.s3.insert("out/sync/a1.txt", b"theirs");
    let preview = shop.app.post("/export-jobs/validate", sync(json!({"onRemoved": "delete"}))).await.expect_status(200);
    assert_eq!(preview["deliverTo"][0]["removed"], 2);
    let job = run_export(&shop.app, sync(json!({"onRemoved": "delete"}))).await;
    assert_eq!(
        (&job["outcome"], &job["deliverTo"][0]["counts"]["removed"]),
        (&json!("succeeded"), &json!(2)),
        "{job:#}"
    );
    assert!(shop.read_object("sync/a0.txt").is_none());
    assert_eq!(shop.read_object("sync/a1.txt").unwrap(), b"theirs", "what is not ours stays");
    assert!(shop.read_object("sync/a2.txt").is_some() && shop.read_object("sync/a3.txt").is_some());
    let again = run_export(&shop.app, sync(json!({"onRemoved": "delete"}))).await;
    assert_eq!(again["deliverTo"][0]["counts"]["removed"], 0);
    shop.app.assert_consistent().await;
}

#[sqlx::test]
async fn a_failed_asset_is_no_reason_to_remove_its_file(pool: PgPool) {
    let shop = Shop::open(pool).await;
    let asset = shop.app.upload_asset("shoe.jpg", &draw_jpeg(1)).await;
    let request = json!({"assetHandleArray": [asset], "fmt": "convert", "is_modifier": "wid=10&fmt=png", "onlyChanged": true,
        "onRemoved": "delete", "deliverTo": [{"connection": "bucket", "prefix": "sync"}]});
    run_export(&shop.app, request.clone()).await;
    let mut cut = draw_jpeg(2);
    cut.truncate(cut.len() / 2);
    let content = TestRequest::put().uri(&format!("/assets/{asset}/content")).set_payload(cut);
    shop.app.send(content.insert_header(("content-type", "image/jpeg"))).await.expect_success();
    let job = run_export(&shop.app, request).await;
    assert_eq!(job["counts"]["failed"], 1, "{job:#}");
    assert_eq!(job["deliverTo"][0]["counts"]["removed"], 0);
    assert!(shop.read_object("sync/shoe.png").is_some());
}

#[sqlx::test]
async fn mistakes_of_only_changed_name_the_remedy(pool: PgPool) {
    let shop = Shop::open(pool).await;
    let assets = shop.upload(1).await;
    let named = json!([{"connection": "bucket"}]);
    for (fields, pointer) in [
        (json!({"onlyChanged": true}), "/onlyChanged"),
        (json!({"onRemoved": "delete", "deliverTo": [{"connection": "bucket", "prefix": "x"}]}), "/onRemoved"),
        (json!({"onlyChanged": true, "deliverTo": named}), "/jobName"),
    ] {
        let mut request = json!({"assetHandleArray": assets, "fmt": "orig"});
        request.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let problem = shop.app.post("/export-jobs", request).await.expect_status(422);
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{problem}");
    }
}

#[sqlx::test]
async fn what_no_job_delivers_any_more_is_forgotten(pool: PgPool) {
    let shop = Shop::open(pool).await;
    shop.upload(3).await;
    let job = run_export(&shop.app, sync(json!({}))).await;
    let system = &shop.app.state.system;
    let list = async || -> Vec<String> {
        sqlx::query_scalar("select path from delivered_file order by path").fetch_all(system).await.unwrap()
    };
    // Jobs of 399 and of 401 days ago, which are gone, and one of today.
    for (path, days) in [("a0.txt", 399), ("a1.txt", 401)] {
        let millis = (chrono::Utc::now() - chrono::Duration::days(days)).timestamp_millis();
        let handle = uuid::Uuid::from_u128((millis as u128) << 80 | 0x7000_8000_0000_0000_0001);
        let update = "update delivered_file set job_id = $1 where path = $2";
        sqlx::query(update).bind(handle).bind(path).execute(system).await.unwrap();
    }
    offprint::worker::enforce_retention(&shop.app.state).await.unwrap();
    assert_eq!(list().await, ["a0.txt", "a2.txt"]);
    // What was forgotten is delivered once more.
    let again = run_export(&shop.app, sync(json!({}))).await;
    assert_eq!(again["deliverTo"][0]["counts"]["delivered"], 1, "{again:#}");
    assert_ne!(again["jobHandle"], job["jobHandle"]);
    shop.app.assert_consistent().await;
}

/// Workers that were killed again and again made a delivery be given up, although each had delivered some files.
#[sqlx::test]
async fn a_delivery_that_goes_on_is_not_given_up(pool: PgPool) {
    let shop = Shop::open(pool).await;
    let assets = shop.upload(2).await;
    let job = create_job(&shop.app, deliver(&assets, json!({"connection": "bucket"}))).await;
    let items = [claim_item(&shop.app).await, claim_item(&shop.app).await];
    for item in &items {
        settle_with_files(&shop.app, item).await;
    }
    let lose = async |times: i32| {
        for _ in 0..times {
            claim_task(&shop.app, TaskKind::Delivery).await;
            shop.app.advance_time("1 hour").await;
        }
        claim_task(&shop.app, TaskKind::Delivery).await
    };
    let claim = lose(9).await;
    assert_eq!(claim.lost, 9, "the next one would be the last");
    let record = DeliveryRecord {
        position: 0,
        rendition: 0,
        sha256: items[0].sha256,
        state: DeliveryEnd::Delivered,
        failure: None,
    };
    record_deliveries(&shop.app.state.system, &claim, 0, 1, &[record]).await.unwrap();
    shop.app.advance_time("1 hour").await;
    let next = claim_task(&shop.app, TaskKind::Delivery).await;
    assert_eq!(next.lost, 1);
    run_task(&shop.app.state, next).await.unwrap();
    drain_work(&shop.app).await;
    assert_eq!(fetch_job(&shop.app, &job).await["deliverTo"][0]["counts"]["delivered"], 2);
}
