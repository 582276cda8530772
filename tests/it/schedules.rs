//! Schedules: when they run, and the outcome of each run.

use actix_web::test::TestRequest;
use chrono::{DateTime, Datelike, Timelike, Utc};
use offprint::db::limits::{self, CompanyLimitsRow};
use offprint::worker::run_next_schedule as next_run;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::support::export_jobs::{drain_work, run_export};
use crate::support::images::draw_jpeg;
use crate::support::schedules::{YEARLY_CRON, build_schedule_request, get_schedule_handle, make_schedules_due};
use crate::support::test_app::{TestApp, TestResponse};

/// Creates a schedule that must be accepted; its handle.
async fn create_schedule(app: &TestApp, request: Value) -> String {
    get_schedule_handle(&app.post("/export-schedules", request).await.expect_status(201))
}

async fn fetch_schedule(app: &TestApp, schedule: &str) -> Value {
    app.get(format!("/export-schedules/{schedule}")).await.expect_status(200)
}

async fn send_schedule_action(app: &TestApp, schedule: &str, action: &str) -> TestResponse {
    app.send(TestRequest::post().uri(&format!("/export-schedules/{schedule}/{action}"))).await
}

/// The jobs of a schedule, the newest first.
async fn list_jobs(app: &TestApp, schedule: &str) -> Vec<Value> {
    let list = app.get(format!("/export-jobs?scheduleHandle={schedule}")).await.expect_status(200);
    list["items"].as_array().unwrap().clone()
}

fn parse_next_runs(schedule: &Value) -> Vec<DateTime<Utc>> {
    let runs = schedule["nextRuns"].as_array().unwrap().iter();
    runs.map(|run| run.as_str().unwrap().parse().unwrap()).collect()
}

#[sqlx::test]
async fn a_schedule_is_made_shown_listed_changed_and_deleted(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let asset = app.upload_asset("a.jpg", &draw_jpeg(1)).await;
    let request =
        json!({"execSchedule": "0 30 2 ? * MON-FRI", "assetHandleArray": [asset], "fmt": "orig", "jobName": "nightly"});
    let answer = app.post("/export-schedules", request).await;
    let location = answer.header("location").to_owned();
    let schedule = answer.expect_status(201);
    assert_eq!(location, schedule["links"]["self"]);
    assert_eq!(
        (&schedule["state"], &schedule["timeZone"], &schedule["overlap"]),
        (&json!("active"), &json!("UTC"), &json!("skip"))
    );
    assert_eq!((&schedule["jobName"], &schedule["assetHandleArray"]), (&json!("nightly"), &json!([asset])));
    let runs = parse_next_runs(&schedule);
    assert_eq!((runs.len(), &schedule["nextRunAt"]), (5, &schedule["nextRuns"][0]));
    for run in &runs {
        assert_eq!((run.hour(), run.minute(), run.second()), (2, 30, 0), "{run}");
        assert!(run.weekday().num_days_from_monday() < 5 && *run > Utc::now(), "{run}");
    }
    assert_eq!(app.get(&location).await.expect_status(200), schedule);
    let listed = app.get("/export-schedules?limit=1").await.expect_status(200)["items"][0].clone();
    assert_eq!((&listed["scheduleHandle"], &listed["assetHandleArray"]), (&schedule["scheduleHandle"], &Value::Null));

    let changed = app
        .patch(&location, json!({"execSchedule": "0 0 6 ? * 1", "timeZone": "Europe/Amsterdam", "jobName": null}))
        .await;
    let changed = changed.expect_status(200);
    assert_eq!((&changed["jobName"], &changed["execSchedule"]), (&Value::Null, &json!("0 0 6 ? * 1")));
    assert!(
        parse_next_runs(&changed)
            .iter()
            .all(|run| run.weekday().num_days_from_sunday() == 0 && [4, 5].contains(&run.hour()))
    );
    let filter = json!({"assetFilter": {"recursive": true}, "assetHandleArray": null});
    assert_eq!(app.patch(&location, filter).await.expect_status(200)["assetHandleArray"], Value::Null);
    assert_eq!(
        app.patch(&location, json!({})).await.expect_status(200)["nextRuns"],
        changed["nextRuns"],
        "the cron expression is unchanged"
    );

    assert_eq!(app.delete(&location).await.status, 204);
    assert_eq!(app.get(&location).await.expect_status(404)["code"], "not-found");
    assert_eq!(app.get("/export-schedules").await.expect_status(200)["items"], json!([]));
}

#[sqlx::test]
async fn lists_of_schedules_have_pages(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let mut all = Vec::new();
    for _ in 0..3 {
        all.push(create_schedule(&app, build_schedule_request(YEARLY_CRON)).await);
    }
    let first = app.get("/export-schedules?limit=2").await;
    assert!(first.header("link").contains("rel=\"next\""), "{}", first.header("link"));
    let first = first.expect_status(200);
    let second = app
        .get(format!("/export-schedules?limit=2&cursor={}", first["nextCursor"].as_str().unwrap()))
        .await
        .expect_status(200);
    let pages = [&first, &second]
        .map(|page| page["items"].as_array().unwrap().iter().map(get_schedule_handle).collect::<Vec<_>>());
    assert_eq!(pages.concat(), all);
    assert_eq!(second["nextCursor"], Value::Null);
    assert_eq!(app.get("/export-schedules?cursor=x").await.expect_status(400)["code"], "invalid-cursor");
    assert_eq!(app.get("/export-jobs?scheduleHandle=x").await.status, 400);
}

#[sqlx::test]
async fn each_run_is_a_job_that_names_its_schedule(pool: PgPool) {
    let app = TestApp::open(pool).await;
    app.upload_to("in", &[("a.jpg", &draw_jpeg(1))]).await.expect_status(201);
    let unscheduled = run_export(&app, json!({"assetFilter": {}, "fmt": "orig"})).await;
    assert_eq!(unscheduled["scheduleHandle"], Value::Null);
    let schedule = create_schedule(&app, build_schedule_request(YEARLY_CRON)).await;
    drain_work(&app).await;
    assert_eq!(list_jobs(&app, &schedule).await.len(), 0, "it is not due");
    for count in 1..=2 {
        let due_at = {
            make_schedules_due(&app).await;
            fetch_schedule(&app, &schedule).await["nextRunAt"].clone()
        };
        drain_work(&app).await;
        let (now, jobs) = (fetch_schedule(&app, &schedule).await, list_jobs(&app, &schedule).await);
        assert_eq!(jobs.len(), count);
        assert_eq!((&jobs[0]["scheduleHandle"], &jobs[0]["outcome"]), (&json!(schedule), &json!("succeeded")));
        let run = &now["lastRuns"][0];
        assert_eq!((&run["jobHandle"], &run["outcome"]), (&jobs[0]["jobHandle"], &json!("started")));
        assert_eq!((&run["jobOutcome"], &run["dueAt"], &run["problem"]), (&json!("succeeded"), &due_at, &Value::Null));
        assert_eq!(now["lastRuns"].as_array().unwrap().len(), count);
        assert!(parse_next_runs(&now).iter().all(|run| *run > Utc::now()), "{now}");
    }
    app.delete(format!("/export-schedules/{schedule}")).await;
    assert_eq!(list_jobs(&app, &schedule).await.len(), 2, "jobs stay");
    app.assert_consistent().await;
}

#[sqlx::test]
async fn exec_schedule_makes_a_schedule(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let asset = app.upload_asset("a.jpg", &draw_jpeg(1)).await;
    let request =
        json!({"assetHandleArray": [asset], "fmt": "orig", "execSchedule": "0 15 10 ? * 6L", "emailSetting": "None"});
    let tried = app.post("/export-jobs/validate", request.clone()).await.expect_status(200);
    assert_eq!((tried["nextRuns"].as_array().unwrap().len(), &tried["items"][0]["action"]), (5, &json!("original")));
    assert_eq!(app.get("/export-schedules").await.expect_status(200)["items"], json!([]), "a dry run creates nothing");
    let send = |body: &Value, path: &str| {
        app.send(TestRequest::post().uri(path).insert_header(("idempotency-key", "k-1")).set_json(body))
    };
    let refused = send(&request, "/export-jobs").await.expect_status(422)["errors"].clone();
    assert_eq!(refused[0]["pointer"], "/execSchedule");
    assert!(refused[0]["detail"].as_str().unwrap().contains("`POST /export-schedules`"), "{refused}");
    let mut wrong = request.clone();
    wrong["timeZone"] = json!("Nowhere");
    let errors = send(&wrong, "/export-jobs").await.expect_status(422)["errors"].clone();
    let pointers: Vec<&Value> = errors.as_array().unwrap().iter().map(|error| &error["pointer"]).collect();
    assert_eq!(pointers, ["/execSchedule", "/timeZone"], "all errors are told at once");
    let answer = send(&request, "/export-schedules").await;
    let location = answer.header("location").to_owned();
    let schedule = answer.expect_status(201);
    assert_eq!(
        (&schedule["nextRuns"], &location),
        (&tried["nextRuns"], &format!("/export-schedules/{}", get_schedule_handle(&schedule)))
    );
    let again = send(&request, "/export-schedules").await;
    assert_eq!((again.header("idempotent-replayed"), again.header("location")), ("true", location.as_str()));
    assert_eq!(again.expect_status(201), schedule);
    let mut other = request.clone();
    other["execSchedule"] = json!(YEARLY_CRON);
    assert_eq!(send(&other, "/export-schedules").await.expect_status(422)["code"], "idempotency-conflict");
    assert_eq!(app.get("/export-schedules").await.expect_status(200)["items"].as_array().unwrap().len(), 1);
    assert_eq!(app.get("/export-jobs").await.expect_status(200)["items"], json!([]), "no job yet");
    let once =
        app.post("/export-jobs/validate", json!({"assetHandleArray": [asset], "fmt": "orig"})).await.expect_status(200);
    assert_eq!(once["nextRuns"], Value::Null);
}

#[sqlx::test]
async fn cron_expressions_are_those_of_the_documentation(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let sent = async |cron: &str| app.post("/export-jobs/validate", build_schedule_request(cron)).await;
    for right in [
        "0 0 12 * * ?",
        "0 15 10 ? * *",
        "0 0/5 14 * * ?",
        "0 0/5 14,18 * * ?",
        "0 15 10 20 * ?",
        "0 15 10 L * ?",
        "0 15 10 ? * 6L",
        "0 15 10 * * ?",
        "0 10,44 14 ? 3 WED",
        "0 15 10 ? * MON-FRI",
        "0 15 10 ? * 6#3",
        "0 15 10 LW * ?",
        "0 15 10 15W * ? 2030-2099",
        "0 0 0 ? Jan,Jul Sun",
    ] {
        let tried = sent(right).await.expect_status(200);
        assert_eq!(tried["nextRuns"].as_array().unwrap().len(), 5, "{right}");
        assert_eq!(tried["warnings"][0]["code"], "nothing-to-export", "an empty folder may fill");
    }
    for (wrong, reason) in [
        ("0 10,44 14 ? 3", "has five fields, so it was read as in Unix"),
        ("0 15 10 ? *", "has five fields, so it was read as in Unix"),
        ("00 00 00 * * ", "has five fields, so it was read as in Unix"),
        ("0 15 10 * * 6#3", "Write `?` for the day of month: `? … 6#3`."),
        ("0 15 10 1C * ?", "`C` counts by a calendar"),
        ("0 15 10 L-3 * ?", "`L` stands alone or as `LW`"),
        ("0 61 10 * * ?", "minutes: `61` is not allowed here. Allowed: 0 to 59."),
        ("0 0 0 30 2 ?", "never runs"),
        ("0 0 0 * * ? 2001", "never runs"),
        ("0/30 * * * * ?", "30s apart, but must be at least 1m apart"),
    ] {
        let errors = sent(wrong).await.expect_status(422)["errors"].clone();
        let errors = errors.as_array().unwrap();
        // Of five fields each has its own error, and the last one says how they were read.
        assert!(errors.len() == 1 || reason.contains("five fields"), "{wrong}: {errors:?}");
        for error in errors {
            assert_eq!((&error["pointer"], &error["code"]), (&json!("/execSchedule"), &json!("invalid-schedule")));
        }
        assert!(errors.last().unwrap()["detail"].as_str().unwrap().contains(reason), "{wrong}: {errors:?}");
    }
}

#[sqlx::test]
async fn clocks_that_jump_skip_no_run_and_double_none(pool: PgPool) {
    let app = TestApp::open(pool).await;
    // The last Sunday of March and of October; the second of March and the first of November. Until 2099 by today's rules.
    for (cron, zone, expected) in [
        ("0 30 2 ? 3 1L 2090-2099", "Europe/Amsterdam", "01:00:00"),
        ("0 30 2 ? 10 1L 2090-2099", "Europe/Amsterdam", "00:30:00"),
        ("0 30 2 ? 3 1#2 2090-2099", "America/New_York", "07:00:00"),
        ("0 30 1 ? 11 1#1 2090-2099", "America/New_York", "05:30:00"),
    ] {
        let mut request = build_schedule_request(cron);
        request["timeZone"] = json!(zone);
        let schedule = app.post("/export-schedules", request).await.expect_status(201);
        let runs = parse_next_runs(&schedule);
        assert_eq!(runs.iter().map(|run| run.year()).collect::<Vec<_>>(), [2090, 2091, 2092, 2093, 2094], "{cron}");
        for run in runs {
            assert_eq!(run.format("%H:%M:%S").to_string(), expected, "{cron} {zone} {run}");
        }
    }
    let mut nowhere = build_schedule_request(YEARLY_CRON);
    nowhere["timeZone"] = json!("Amsterdam");
    let errors = app.post("/export-schedules", nowhere).await.expect_status(422)["errors"].clone();
    assert_eq!(errors[0]["pointer"], "/timeZone");
    assert!(errors[0]["detail"].as_str().unwrap().contains("Did you mean `Europe/Amsterdam`?"), "{errors}");
}

#[sqlx::test]
async fn errors_of_a_schedule_are_reported_at_once(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let request = json!({"execSchedule": "0 61 99 * * ?", "timeZone": "Nowhere", "execTime": "2099-01-01T00:00:00Z",
                       "fmt": "convert", "macro": "$nobody$", "assetFilter": {}});
    let errors = app.post("/export-schedules", request).await.expect_status(422)["errors"].clone();
    let pointers: Vec<&str> =
        errors.as_array().unwrap().iter().map(|error| error["pointer"].as_str().unwrap()).collect();
    for (pointer, count) in [("/execSchedule", 2), ("/timeZone", 1), ("/execTime", 1), ("/macro", 1)] {
        assert_eq!(pointers.iter().filter(|it| **it == pointer).count(), count, "{errors}");
    }
    let without =
        app.post("/export-schedules", json!({"fmt": "orig", "assetFilter": {}})).await.expect_status(422)["errors"]
            .clone();
    assert_eq!((&without[0]["pointer"], &without[0]["code"]), (&json!("/execSchedule"), &json!("missing-parameter")));
    let request = json!({"fmt": "orig", "assetFilter": {}, "timeZone": "UTC", "overlap": "allow"});
    let alone = app.post("/export-jobs", request).await.expect_status(422)["errors"].clone();
    assert!(
        // A time zone alone is that of the times in mails.
        alone.as_array().unwrap().iter().filter(|it| it["code"] == "conflicting-parameters").count() == 1,
        "{alone}"
    );
    let schedule = create_schedule(&app, build_schedule_request(YEARLY_CRON)).await;
    let changed = app
        .patch(format!("/export-schedules/{schedule}"), json!({"execSchedule": null, "fmmt": 1}))
        .await
        .expect_status(422);
    assert!(changed["errors"][0]["detail"].as_str().unwrap().contains("Did you mean `fmt`?"), "{changed}");
    let changed =
        app.patch(format!("/export-schedules/{schedule}"), json!({"execSchedule": null})).await.expect_status(422);
    assert_eq!(changed["errors"][0]["code"], "missing-parameter");
}

#[sqlx::test]
async fn missed_runs_fire_once(pool: PgPool) {
    let app = TestApp::open(pool).await;
    app.upload_to("in", &[("a.jpg", &draw_jpeg(1))]).await.expect_status(201);
    let schedule = create_schedule(&app, build_schedule_request("0 0 12 1 * ?")).await;
    app.advance_time("100 days").await;
    let missed = fetch_schedule(&app, &schedule).await["nextRunAt"].clone();
    drain_work(&app).await;
    assert_eq!(list_jobs(&app, &schedule).await.len(), 1, "three missed runs are replaced by one");
    let now = fetch_schedule(&app, &schedule).await;
    assert_eq!(now["lastRuns"][0]["dueAt"], missed);
    assert!(
        parse_next_runs(&now)[0] > Utc::now() && parse_next_runs(&now)[0] <= Utc::now() + chrono::TimeDelta::days(31),
        "{now}"
    );
}

#[sqlx::test]
async fn one_run_at_a_time_unless_told(pool: PgPool) {
    let app = TestApp::open(pool).await;
    app.upload_to("in", &[("a.jpg", &draw_jpeg(1))]).await.expect_status(201);
    let schedule = create_schedule(&app, build_schedule_request(YEARLY_CRON)).await;
    make_schedules_due(&app).await;
    assert!(next_run(&app.state).await.unwrap());
    assert_eq!(fetch_schedule(&app, &schedule).await["state"], "blocked", "its job is not finished");
    assert_eq!(send_schedule_action(&app, &schedule, "run").await.expect_status(409)["code"], "wrong-state");
    make_schedules_due(&app).await;
    assert!(next_run(&app.state).await.unwrap());
    assert!(!next_run(&app.state).await.unwrap(), "a skipped run is not repeated later");
    let now = fetch_schedule(&app, &schedule).await;
    assert_eq!(
        (&now["lastRuns"][0]["outcome"], &now["lastRuns"][1]["outcome"]),
        (&json!("skipped"), &json!("started"))
    );
    assert_eq!(list_jobs(&app, &schedule).await.len(), 1);
    app.patch(format!("/export-schedules/{schedule}"), json!({"overlap": "allow"})).await.expect_status(200);
    make_schedules_due(&app).await;
    assert!(next_run(&app.state).await.unwrap());
    assert_eq!(list_jobs(&app, &schedule).await.len(), 2);
    send_schedule_action(&app, &schedule, "run").await.expect_status(202);
    assert_eq!(list_jobs(&app, &schedule).await.len(), 3);
    assert_eq!(fetch_schedule(&app, &schedule).await["state"], "active");
    app.patch(format!("/export-schedules/{schedule}"), json!({"overlap": "skip"})).await.expect_status(200);
    drain_work(&app).await;
    assert_eq!(fetch_schedule(&app, &schedule).await["state"], "active", "all have ended");
    app.assert_consistent().await;
}

#[sqlx::test]
async fn processes_that_look_at_once_make_one_job_of_a_run(pool: PgPool) {
    let (one, two) = (TestApp::open(pool.clone()).await, TestApp::open(pool).await);
    one.upload_to("in", &[("a.jpg", &draw_jpeg(1))]).await.expect_status(201);
    let mut all = Vec::new();
    for _ in 0..6 {
        all.push(create_schedule(&one, build_schedule_request(YEARLY_CRON)).await);
    }
    make_schedules_due(&one).await;
    let looks = (0..24).map(|number| next_run(if number % 2 == 0 { &one.state } else { &two.state }));
    let swept = futures_util::future::join_all(looks).await;
    assert_eq!(swept.into_iter().filter(|it| *it.as_ref().unwrap()).count(), 6);
    for schedule in &all {
        assert_eq!(list_jobs(&one, schedule).await.len(), 1);
        assert_eq!(fetch_schedule(&one, schedule).await["lastRuns"].as_array().unwrap().len(), 1);
    }
    one.assert_consistent().await;
}

#[sqlx::test]
async fn a_paused_schedule_runs_nothing_until_it_is_resumed(pool: PgPool) {
    let app = TestApp::open(pool).await;
    app.upload_to("in", &[("a.jpg", &draw_jpeg(1))]).await.expect_status(201);
    let schedule = create_schedule(&app, build_schedule_request(YEARLY_CRON)).await;
    assert_eq!(send_schedule_action(&app, &schedule, "resume").await.expect_status(409)["code"], "wrong-state");
    let paused = send_schedule_action(&app, &schedule, "pause").await.expect_status(200);
    assert_eq!(
        (&paused["state"], &paused["nextRunAt"], &paused["nextRuns"]),
        (&json!("paused"), &Value::Null, &json!([]))
    );
    assert!(
        send_schedule_action(&app, &schedule, "pause").await.expect_status(409)["detail"]
            .as_str()
            .unwrap()
            .contains("is paused")
    );
    make_schedules_due(&app).await;
    drain_work(&app).await;
    assert_eq!(list_jobs(&app, &schedule).await.len(), 0);
    let address = format!("/export-schedules/{schedule}");
    assert_eq!(
        app.patch(&address, json!({"execSchedule": "0 0 6 * * ?"})).await.expect_status(200)["state"],
        "paused",
        "a change does not resume a schedule"
    );
    let job = send_schedule_action(&app, &schedule, "run").await;
    assert!(job.header("location").starts_with("/export-jobs/"));
    assert_eq!(job.expect_status(202)["scheduleHandle"], json!(schedule));
    drain_work(&app).await;
    let now = fetch_schedule(&app, &schedule).await;
    assert_eq!((&now["state"], &now["lastRuns"][0]["dueAt"]), (&json!("paused"), &Value::Null));
    let resumed = send_schedule_action(&app, &schedule, "resume").await.expect_status(200);
    assert_eq!((&resumed["state"], parse_next_runs(&resumed)[0].hour()), (&json!("active"), 6));
    assert!(parse_next_runs(&resumed)[0] > Utc::now(), "runs missed during a pause are not repeated");
}

#[sqlx::test]
async fn a_schedule_without_runs_to_come_is_completed(pool: PgPool) {
    let app = TestApp::open(pool).await;
    app.upload_to("in", &[("a.jpg", &draw_jpeg(1))]).await.expect_status(201);
    let schedule = create_schedule(&app, build_schedule_request("0 0 12 1 1 ? 2099")).await;
    assert_eq!(fetch_schedule(&app, &schedule).await["nextRuns"], json!(["2099-01-01T12:00:00Z"]));
    // Its only year has come; no run follows.
    let sql = "update export_schedule set next_run_at = now(), request = jsonb_set(request, '{execSchedule}', '\"0 0 12 1 1 ? 2020\"')";
    sqlx::query(sql).execute(&app.state.system).await.unwrap();
    drain_work(&app).await;
    let now = fetch_schedule(&app, &schedule).await;
    assert_eq!(
        (&now["state"], &now["nextRunAt"], list_jobs(&app, &schedule).await.len()),
        (&json!("completed"), &Value::Null, 1)
    );
    assert!(
        send_schedule_action(&app, &schedule, "pause").await.expect_status(409)["detail"]
            .as_str()
            .unwrap()
            .contains("completed")
    );
    let address = format!("/export-schedules/{schedule}");
    assert_eq!(app.patch(&address, json!({"execSchedule": YEARLY_CRON})).await.expect_status(200)["state"], "active");
}

#[sqlx::test]
async fn filters_and_presets_are_looked_up_at_each_run(pool: PgPool) {
    let app = TestApp::open(pool).await;
    app.put("/image-presets/p", json!({"urlModifier": "wid=10&fmt=png"})).await.expect_success();
    let request = json!({"assetFilter": {"folder": "in"}, "fmt": "convert", "macro": "$p$", "execSchedule": YEARLY_CRON, "jobName": "again"});
    let schedule = create_schedule(&app, request).await;
    make_schedules_due(&app).await;
    drain_work(&app).await;
    let now = fetch_schedule(&app, &schedule).await;
    assert_eq!(
        (&now["state"], &now["lastError"]["problem"]["errors"][0]["code"]),
        (&json!("error"), &json!("nothing-to-export"))
    );
    app.upload_to("in", &[("a.jpg", &draw_jpeg(1))]).await.expect_status(201);
    make_schedules_due(&app).await;
    drain_work(&app).await;
    app.put("/image-presets/p", json!({"urlModifier": "wid=20&fmt=webp"})).await.expect_success();
    app.upload_to("in", &[("b.jpg", &draw_jpeg(2))]).await.expect_status(201);
    make_schedules_due(&app).await;
    drain_work(&app).await;
    let jobs = list_jobs(&app, &schedule).await;
    let results = jobs
        .iter()
        .map(|job| (job["effectiveModifier"].as_str().unwrap(), job["counts"]["succeeded"].as_i64().unwrap()));
    assert_eq!(results.collect::<Vec<_>>(), [("wid=20&fmt=webp", 2), ("wid=10&fmt=png", 1)]);
    assert!(jobs.iter().all(|job| job["jobName"] == "again"));
    let now = fetch_schedule(&app, &schedule).await;
    assert_eq!(
        (&now["state"], &now["lastError"]["outcome"]),
        (&json!("active"), &json!("refused")),
        "the last error stays visible"
    );
    app.assert_consistent().await;
}

#[sqlx::test]
async fn a_run_that_cannot_be_made_is_noted_and_not_tried_again(pool: PgPool) {
    let app = TestApp::with_settings(pool, |settings| settings.max_jobs = 1).await;
    let asset = app.upload_asset("a.jpg", &draw_jpeg(1)).await;
    app.put("/image-presets/p", json!({"urlModifier": "wid=10&fmt=png"})).await.expect_success();
    let request = json!({"assetHandleArray": [asset], "fmt": "convert", "macro": "$p$", "execSchedule": YEARLY_CRON, "overlap": "allow"});
    let schedule = create_schedule(&app, request).await;
    let refused = async |pointer: Option<&str>, code: &str| {
        make_schedules_due(&app).await;
        assert!(next_run(&app.state).await.unwrap());
        assert!(!next_run(&app.state).await.unwrap(), "it is not retried in a loop");
        let now = fetch_schedule(&app, &schedule).await;
        assert_eq!((&now["state"], &now["lastRuns"][0]), (&json!("error"), &now["lastError"]), "{now}");
        let problem = &now["lastError"]["problem"];
        assert_eq!(problem["code"], code, "{problem}");
        assert_eq!(problem["errors"][0]["pointer"].as_str(), pointer, "{problem}");
        assert!(parse_next_runs(&now)[0] > Utc::now());
    };
    app.delete("/image-presets/p").await.expect_success();
    refused(Some("/macro"), "validation-failed").await;
    assert_eq!(
        send_schedule_action(&app, &schedule, "run").await.expect_status(422)["errors"][0]["pointer"],
        "/macro",
        "the caller gets the problem"
    );
    app.put("/image-presets/p", json!({"urlModifier": "wid=10&fmt=png"})).await.expect_success();
    make_schedules_due(&app).await;
    assert!(next_run(&app.state).await.unwrap());
    assert_eq!(list_jobs(&app, &schedule).await.len(), 1);
    refused(None, "queue-full").await;
    assert_eq!(send_schedule_action(&app, &schedule, "run").await.expect_status(503)["code"], "queue-full");
    assert_eq!(list_jobs(&app, &schedule).await.len(), 1, "a refused run leaves no rows");
    drain_work(&app).await;
    app.delete(format!("/assets/{asset}")).await.expect_success();
    refused(Some("/assetHandleArray/0"), "validation-failed").await;
    app.assert_consistent().await;
}

#[sqlx::test]
async fn a_schedule_that_cannot_be_read_does_not_hold_up_others(pool: PgPool) {
    let app = TestApp::open(pool).await;
    app.upload_to("in", &[("a.jpg", &draw_jpeg(1))]).await.expect_status(201);
    let (broken, whole) = (
        create_schedule(&app, build_schedule_request(YEARLY_CRON)).await,
        create_schedule(&app, build_schedule_request(YEARLY_CRON)).await,
    );
    make_schedules_due(&app).await;
    let sql = "update export_schedule set request = jsonb_set(request, '{fmt}', '\"later\"'), next_run_at = next_run_at - interval '1 day' where schedule_id = $1::uuid";
    sqlx::query(sql).bind(&broken).execute(&app.state.system).await.unwrap();
    drain_work(&app).await;
    assert_eq!(list_jobs(&app, &whole).await.len(), 1);
    // A stored request that this version cannot parse, as if written by a later one: the schedule keeps its times.
    let sql =
        "select state || (select outcome from export_schedule_run run where run.schedule_id = schedule.schedule_id)
                 from export_schedule schedule where schedule_id = $1::uuid and next_run_at > now()";
    let state: String = sqlx::query_scalar(sql).bind(&broken).fetch_one(&app.state.system).await.unwrap();
    assert_eq!(state, "activerefused");
}

#[sqlx::test]
async fn a_run_that_fails_for_a_reason_of_ours_is_noted_too(pool: PgPool) {
    let app = TestApp::open(pool).await;
    app.upload_to("in", &[("a.jpg", &draw_jpeg(1))]).await.expect_status(201);
    let schedule = create_schedule(&app, build_schedule_request(YEARLY_CRON)).await;
    let run = async |sql: &'static str| sqlx::raw_sql(sql).execute(&app.state.system).await.unwrap();
    run("create function broken() returns trigger language plpgsql as $$ begin raise exception 'broken'; end $$;
         create trigger broken before insert on export_job for each row execute function broken()")
    .await;
    make_schedules_due(&app).await;
    assert!(next_run(&app.state).await.unwrap());
    assert!(!next_run(&app.state).await.unwrap(), "it is not retried in a loop");
    let now = fetch_schedule(&app, &schedule).await;
    assert_eq!((&now["state"], &now["lastError"]["problem"]["code"]), (&json!("error"), &json!("internal")));
    assert!(!now.to_string().contains("broken"), "{now}");
    run("drop trigger broken on export_job").await;
    make_schedules_due(&app).await;
    drain_work(&app).await;
    let now = fetch_schedule(&app, &schedule).await;
    assert_eq!((&now["state"], &now["lastRuns"][0]["jobOutcome"]), (&json!("active"), &json!("succeeded")));
}

#[sqlx::test]
async fn a_hundred_runs_are_remembered(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let schedule = create_schedule(&app, build_schedule_request(YEARLY_CRON)).await;
    for _ in 0..103 {
        let sql = "update export_schedule set next_run_at = now()";
        sqlx::query(sql).execute(&app.state.system).await.unwrap();
        assert!(next_run(&app.state).await.unwrap());
    }
    let kept: i64 =
        sqlx::query_scalar("select count(*) from export_schedule_run").fetch_one(&app.state.system).await.unwrap();
    assert_eq!((kept, fetch_schedule(&app, &schedule).await["lastRuns"].as_array().unwrap().len()), (100, 10));
}

#[sqlx::test]
async fn a_company_has_so_many_schedules(pool: PgPool) {
    let app = TestApp::with_settings(pool, |settings| settings.max_schedules = 2).await;
    let answers = futures_util::future::join_all(
        (0..5).map(|_| app.post("/export-schedules", build_schedule_request(YEARLY_CRON))),
    )
    .await;
    let mut status: Vec<u16> = answers.iter().map(|answer| answer.status.as_u16()).collect();
    status.sort_unstable();
    assert_eq!(status, [201, 201, 422, 422, 422]);
    let refused = app.post("/export-schedules", build_schedule_request(YEARLY_CRON)).await.expect_status(422);
    assert_eq!(refused["code"], "too-many-schedules");
    assert!(refused["detail"].as_str().unwrap().contains("Delete one"), "{refused}");
    let limits = app.get("/info").await.expect_status(200)["limits"].clone();
    assert_eq!((&limits["schedules"], &limits["scheduleIntervalSeconds"]), (&json!(2), &json!(60.0)));
    let own = CompanyLimitsRow { max_schedules: Some(3), ..CompanyLimitsRow::default() };
    limits::update_company_limits(&app.state.system, app.state.company, &own).await.unwrap();
    app.post("/export-schedules", build_schedule_request(YEARLY_CRON)).await.expect_status(201);
    assert_eq!(app.get("/info").await.expect_status(200)["limits"]["schedules"], 3);
}
