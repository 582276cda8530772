//! Schedules: when they run, and what becomes of each run.

use actix_web::test::TestRequest;
use chrono::{DateTime, Datelike, Timelike, Utc};
use offprint::db::limits::{self, OwnLimits};
use offprint::worker::next_run;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::exportjob::{finished, jpg, work};
use crate::house::{Answer, House};

/// Once a year, so that a test never sees a second run by itself.
pub const NOON: &str = "0 0 12 1 1 ?";

/// A schedule that must be taken; gives its handle.
async fn made(house: &House, order: Value) -> String {
    handle(&house.post("/export-schedules", order).await.is(201))
}

pub fn handle(schedule: &Value) -> String {
    schedule["scheduleHandle"].as_str().unwrap().to_owned()
}

async fn shown(house: &House, schedule: &str) -> Value {
    house.get(format!("/export-schedules/{schedule}")).await.is(200)
}

async fn tell(house: &House, schedule: &str, order: &str) -> Answer {
    house.send(TestRequest::post().uri(&format!("/export-schedules/{schedule}/{order}"))).await
}

/// The jobs of a schedule, the newest first.
async fn jobs(house: &House, schedule: &str) -> Vec<Value> {
    let list = house.get(format!("/export-jobs?scheduleHandle={schedule}")).await.is(200);
    list["items"].as_array().unwrap().clone()
}

/// Makes what is scheduled due.
pub async fn due(house: &House) {
    let sql = "update export_schedule set next_run_at = now() where state = 'active'";
    sqlx::query(sql).execute(&house.state.system).await.unwrap();
}

fn times(schedule: &Value) -> Vec<DateTime<Utc>> {
    let runs = schedule["nextRuns"].as_array().unwrap().iter();
    runs.map(|run| run.as_str().unwrap().parse().unwrap()).collect()
}

pub fn filtered(cron: &str) -> Value {
    json!({"assetFilter": {"folder": "in"}, "fmt": "orig", "execSchedule": cron})
}

#[sqlx::test]
async fn a_schedule_is_made_shown_listed_changed_and_deleted(pool: PgPool) {
    let house = House::open(pool).await;
    let asset = house.asset("a.jpg", &jpg(1)).await;
    let order =
        json!({"execSchedule": "0 30 2 ? * MON-FRI", "assetHandleArray": [asset], "fmt": "orig", "jobName": "nightly"});
    let answer = house.post("/export-schedules", order).await;
    let location = answer.header("location").to_owned();
    let schedule = answer.is(201);
    assert_eq!(location, schedule["links"]["self"]);
    assert_eq!(
        (&schedule["state"], &schedule["timeZone"], &schedule["overlap"]),
        (&json!("active"), &json!("UTC"), &json!("skip"))
    );
    assert_eq!((&schedule["jobName"], &schedule["assetHandleArray"]), (&json!("nightly"), &json!([asset])));
    let runs = times(&schedule);
    assert_eq!((runs.len(), &schedule["nextRunAt"]), (5, &schedule["nextRuns"][0]));
    for run in &runs {
        assert_eq!((run.hour(), run.minute(), run.second()), (2, 30, 0), "{run}");
        assert!(run.weekday().num_days_from_monday() < 5 && *run > Utc::now(), "{run}");
    }
    assert_eq!(house.get(&location).await.is(200), schedule);
    let listed = house.get("/export-schedules?limit=1").await.is(200)["items"][0].clone();
    assert_eq!((&listed["scheduleHandle"], &listed["assetHandleArray"]), (&schedule["scheduleHandle"], &Value::Null));

    let changed = house
        .patch(&location, json!({"execSchedule": "0 0 6 ? * 1", "timeZone": "Europe/Amsterdam", "jobName": null}))
        .await;
    let changed = changed.is(200);
    assert_eq!((&changed["jobName"], &changed["execSchedule"]), (&Value::Null, &json!("0 0 6 ? * 1")));
    assert!(
        times(&changed).iter().all(|run| run.weekday().num_days_from_sunday() == 0 && [4, 5].contains(&run.hour()))
    );
    let filter = json!({"assetFilter": {"recursive": true}, "assetHandleArray": null});
    assert_eq!(house.patch(&location, filter).await.is(200)["assetHandleArray"], Value::Null);
    assert_eq!(house.patch(&location, json!({})).await.is(200)["nextRuns"], changed["nextRuns"], "the timetable stays");

    assert_eq!(house.delete(&location).await.status, 204);
    assert_eq!(house.get(&location).await.is(404)["code"], "not-found");
    assert_eq!(house.get("/export-schedules").await.is(200)["items"], json!([]));
}

#[sqlx::test]
async fn lists_of_schedules_have_pages(pool: PgPool) {
    let house = House::open(pool).await;
    let mut all = Vec::new();
    for _ in 0..3 {
        all.push(made(&house, filtered(NOON)).await);
    }
    let first = house.get("/export-schedules?limit=2").await;
    assert!(first.header("link").contains("rel=\"next\""), "{}", first.header("link"));
    let first = first.is(200);
    let second =
        house.get(format!("/export-schedules?limit=2&cursor={}", first["nextCursor"].as_str().unwrap())).await.is(200);
    let pages = [&first, &second].map(|page| page["items"].as_array().unwrap().iter().map(handle).collect::<Vec<_>>());
    assert_eq!(pages.concat(), all);
    assert_eq!(second["nextCursor"], Value::Null);
    assert_eq!(house.get("/export-schedules?cursor=x").await.is(400)["code"], "invalid-cursor");
    assert_eq!(house.get("/export-jobs?scheduleHandle=x").await.status, 400);
}

#[sqlx::test]
async fn each_run_is_a_job_that_names_its_schedule(pool: PgPool) {
    let house = House::open(pool).await;
    house.upload_to("in", &[("a.jpg", &jpg(1))]).await.is(201);
    let other = finished(&house, json!({"assetFilter": {}, "fmt": "orig"})).await;
    assert_eq!(other["scheduleHandle"], Value::Null);
    let schedule = made(&house, filtered(NOON)).await;
    work(&house).await;
    assert_eq!(jobs(&house, &schedule).await.len(), 0, "it is not due");
    for count in 1..=2 {
        let due_at = {
            due(&house).await;
            shown(&house, &schedule).await["nextRunAt"].clone()
        };
        work(&house).await;
        let (now, jobs) = (shown(&house, &schedule).await, jobs(&house, &schedule).await);
        assert_eq!(jobs.len(), count);
        assert_eq!((&jobs[0]["scheduleHandle"], &jobs[0]["outcome"]), (&json!(schedule), &json!("succeeded")));
        let run = &now["lastRuns"][0];
        assert_eq!((&run["jobHandle"], &run["outcome"]), (&jobs[0]["jobHandle"], &json!("started")));
        assert_eq!((&run["jobOutcome"], &run["dueAt"], &run["problem"]), (&json!("succeeded"), &due_at, &Value::Null));
        assert_eq!(now["lastRuns"].as_array().unwrap().len(), count);
        assert!(times(&now).iter().all(|run| *run > Utc::now()), "{now}");
    }
    house.delete(format!("/export-schedules/{schedule}")).await;
    assert_eq!(jobs(&house, &schedule).await.len(), 2, "jobs stay");
    house.check().await;
}

#[sqlx::test]
async fn exec_schedule_makes_a_schedule(pool: PgPool) {
    let house = House::open(pool).await;
    let asset = house.asset("a.jpg", &jpg(1)).await;
    let order =
        json!({"assetHandleArray": [asset], "fmt": "orig", "execSchedule": "0 15 10 ? * 6L", "emailSetting": "None"});
    let tried = house.post("/export-jobs/validate", order.clone()).await.is(200);
    assert_eq!((tried["nextRuns"].as_array().unwrap().len(), &tried["items"][0]["action"]), (5, &json!("original")));
    assert_eq!(house.get("/export-schedules").await.is(200)["items"], json!([]), "a dry run makes nothing");
    let send = |body: &Value, path: &str| {
        house.send(TestRequest::post().uri(path).insert_header(("idempotency-key", "k-1")).set_json(body))
    };
    let answer = send(&order, "/export-jobs").await;
    let location = answer.header("location").to_owned();
    let schedule = answer.is(201);
    assert_eq!(
        (&schedule["nextRuns"], &location),
        (&tried["nextRuns"], &format!("/export-schedules/{}", handle(&schedule)))
    );
    let again = send(&order, "/export-jobs").await;
    assert_eq!((again.header("idempotent-replayed"), again.header("location")), ("true", location.as_str()));
    assert_eq!(again.is(201), schedule);
    let mut other = order.clone();
    other["execSchedule"] = json!(NOON);
    assert_eq!(send(&other, "/export-schedules").await.is(422)["code"], "idempotency-conflict");
    assert_eq!(house.get("/export-schedules").await.is(200)["items"].as_array().unwrap().len(), 1);
    assert_eq!(house.get("/export-jobs").await.is(200)["items"], json!([]), "no job yet");
    let once = house.post("/export-jobs/validate", json!({"assetHandleArray": [asset], "fmt": "orig"})).await.is(200);
    assert_eq!(once["nextRuns"], Value::Null);
}

#[sqlx::test]
async fn cron_expressions_are_those_of_the_documentation(pool: PgPool) {
    let house = House::open(pool).await;
    let sent = async |cron: &str| house.post("/export-jobs/validate", filtered(cron)).await;
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
        let tried = sent(right).await.is(200);
        assert_eq!(tried["nextRuns"].as_array().unwrap().len(), 5, "{right}");
        assert_eq!(tried["warnings"][0]["code"], "nothing-to-export", "an empty folder may fill");
    }
    for (wrong, reason) in [
        ("0 10,44 14 ? 3", "has 5 fields"),
        ("0 15 10 ? *", "has 5 fields"),
        ("00 00 00 * * ", "has 5 fields"),
        ("0 15 10 * * 6#3", "Write `?` for the day of month: `? … 6#3`."),
        ("0 15 10 1C * ?", "`C` counts by a calendar"),
        ("0 15 10 L-3 * ?", "`L` stands alone or as `LW`"),
        ("0 61 10 * * ?", "minutes: `61` cannot stand there. It may be 0 to 59."),
        ("0 0 0 30 2 ?", "no run to come"),
        ("0 0 0 * * ? 2001", "no run to come"),
        ("0/30 * * * * ?", "30s apart, and must be 1m at least"),
    ] {
        let errors = sent(wrong).await.is(422)["errors"].clone();
        assert_eq!(errors.as_array().unwrap().len(), 1, "{wrong}: {errors}");
        assert_eq!((&errors[0]["pointer"], &errors[0]["code"]), (&json!("/execSchedule"), &json!("invalid-schedule")));
        assert!(errors[0]["detail"].as_str().unwrap().contains(reason), "{wrong}: {errors}");
    }
}

#[sqlx::test]
async fn clocks_that_jump_skip_no_run_and_double_none(pool: PgPool) {
    let house = House::open(pool).await;
    // The last Sunday of March and of October; the second of March and the first of November. Until 2099 by today's rules.
    for (cron, zone, expected) in [
        ("0 30 2 ? 3 1L 2090-2099", "Europe/Amsterdam", "01:00:00"),
        ("0 30 2 ? 10 1L 2090-2099", "Europe/Amsterdam", "00:30:00"),
        ("0 30 2 ? 3 1#2 2090-2099", "America/New_York", "07:00:00"),
        ("0 30 1 ? 11 1#1 2090-2099", "America/New_York", "05:30:00"),
    ] {
        let mut order = filtered(cron);
        order["timeZone"] = json!(zone);
        let schedule = house.post("/export-schedules", order).await.is(201);
        let runs = times(&schedule);
        assert_eq!(runs.iter().map(|run| run.year()).collect::<Vec<_>>(), [2090, 2091, 2092, 2093, 2094], "{cron}");
        for run in runs {
            assert_eq!(run.format("%H:%M:%S").to_string(), expected, "{cron} {zone} {run}");
        }
    }
    let mut nowhere = filtered(NOON);
    nowhere["timeZone"] = json!("Amsterdam");
    let errors = house.post("/export-schedules", nowhere).await.is(422)["errors"].clone();
    assert_eq!(errors[0]["pointer"], "/timeZone");
    assert!(errors[0]["detail"].as_str().unwrap().contains("Did you mean `Europe/Amsterdam`?"), "{errors}");
}

#[sqlx::test]
async fn mistakes_of_a_schedule_are_told_at_once(pool: PgPool) {
    let house = House::open(pool).await;
    let order = json!({"execSchedule": "0 61 99 * * ?", "timeZone": "Nowhere", "execTime": "2099-01-01T00:00:00Z",
                       "fmt": "convert", "macro": "$nobody$", "assetFilter": {}});
    let errors = house.post("/export-schedules", order).await.is(422)["errors"].clone();
    let pointers: Vec<&str> =
        errors.as_array().unwrap().iter().map(|error| error["pointer"].as_str().unwrap()).collect();
    for (pointer, count) in [("/execSchedule", 2), ("/timeZone", 1), ("/execTime", 1), ("/macro", 1)] {
        assert_eq!(pointers.iter().filter(|it| **it == pointer).count(), count, "{errors}");
    }
    let without =
        house.post("/export-schedules", json!({"fmt": "orig", "assetFilter": {}})).await.is(422)["errors"].clone();
    assert_eq!((&without[0]["pointer"], &without[0]["code"]), (&json!("/execSchedule"), &json!("missing-parameter")));
    let order = json!({"fmt": "orig", "assetFilter": {}, "timeZone": "UTC", "overlap": "allow"});
    let alone = house.post("/export-jobs", order).await.is(422)["errors"].clone();
    assert!(
        alone.as_array().unwrap().iter().filter(|it| it["code"] == "conflicting-parameters").count() == 2,
        "{alone}"
    );
    let schedule = made(&house, filtered(NOON)).await;
    let changed =
        house.patch(format!("/export-schedules/{schedule}"), json!({"execSchedule": null, "fmmt": 1})).await.is(422);
    assert!(changed["errors"][0]["detail"].as_str().unwrap().contains("did you mean `fmt`?"), "{changed}");
    let changed = house.patch(format!("/export-schedules/{schedule}"), json!({"execSchedule": null})).await.is(422);
    assert_eq!(changed["errors"][0]["code"], "missing-parameter");
}

#[sqlx::test]
async fn missed_runs_fire_once(pool: PgPool) {
    let house = House::open(pool).await;
    house.upload_to("in", &[("a.jpg", &jpg(1))]).await.is(201);
    let schedule = made(&house, filtered("0 0 12 1 * ?")).await;
    house.later("100 days").await;
    let missed = shown(&house, &schedule).await["nextRunAt"].clone();
    work(&house).await;
    assert_eq!(jobs(&house, &schedule).await.len(), 1, "three were missed, and are made up for by one");
    let now = shown(&house, &schedule).await;
    assert_eq!(now["lastRuns"][0]["dueAt"], missed);
    assert!(times(&now)[0] > Utc::now() && times(&now)[0] <= Utc::now() + chrono::TimeDelta::days(31), "{now}");
}

#[sqlx::test]
async fn one_run_at_a_time_unless_told(pool: PgPool) {
    let house = House::open(pool).await;
    house.upload_to("in", &[("a.jpg", &jpg(1))]).await.is(201);
    let schedule = made(&house, filtered(NOON)).await;
    due(&house).await;
    assert!(next_run(&house.state).await.unwrap());
    assert_eq!(shown(&house, &schedule).await["state"], "blocked", "its job is not finished");
    assert_eq!(tell(&house, &schedule, "run").await.is(409)["code"], "wrong-state");
    due(&house).await;
    assert!(next_run(&house.state).await.unwrap());
    assert!(!next_run(&house.state).await.unwrap(), "a skipped run is over");
    let now = shown(&house, &schedule).await;
    assert_eq!(
        (&now["lastRuns"][0]["outcome"], &now["lastRuns"][1]["outcome"]),
        (&json!("skipped"), &json!("started"))
    );
    assert_eq!(jobs(&house, &schedule).await.len(), 1);
    house.patch(format!("/export-schedules/{schedule}"), json!({"overlap": "allow"})).await.is(200);
    due(&house).await;
    assert!(next_run(&house.state).await.unwrap());
    assert_eq!(jobs(&house, &schedule).await.len(), 2);
    tell(&house, &schedule, "run").await.is(202);
    assert_eq!(jobs(&house, &schedule).await.len(), 3);
    assert_eq!(shown(&house, &schedule).await["state"], "active");
    house.patch(format!("/export-schedules/{schedule}"), json!({"overlap": "skip"})).await.is(200);
    work(&house).await;
    assert_eq!(shown(&house, &schedule).await["state"], "active", "all have ended");
    house.check().await;
}

#[sqlx::test]
async fn processes_that_look_at_once_make_one_job_of_a_run(pool: PgPool) {
    let (one, two) = (House::open(pool.clone()).await, House::open(pool).await);
    one.upload_to("in", &[("a.jpg", &jpg(1))]).await.is(201);
    let mut all = Vec::new();
    for _ in 0..6 {
        all.push(made(&one, filtered(NOON)).await);
    }
    due(&one).await;
    let looks = (0..24).map(|number| next_run(if number % 2 == 0 { &one.state } else { &two.state }));
    let looked = futures_util::future::join_all(looks).await;
    assert_eq!(looked.into_iter().filter(|it| *it.as_ref().unwrap()).count(), 6);
    for schedule in &all {
        assert_eq!(jobs(&one, schedule).await.len(), 1);
        assert_eq!(shown(&one, schedule).await["lastRuns"].as_array().unwrap().len(), 1);
    }
    one.check().await;
}

#[sqlx::test]
async fn a_paused_schedule_runs_nothing_until_it_is_resumed(pool: PgPool) {
    let house = House::open(pool).await;
    house.upload_to("in", &[("a.jpg", &jpg(1))]).await.is(201);
    let schedule = made(&house, filtered(NOON)).await;
    assert_eq!(tell(&house, &schedule, "resume").await.is(409)["code"], "wrong-state");
    let paused = tell(&house, &schedule, "pause").await.is(200);
    assert_eq!(
        (&paused["state"], &paused["nextRunAt"], &paused["nextRuns"]),
        (&json!("paused"), &Value::Null, &json!([]))
    );
    assert!(tell(&house, &schedule, "pause").await.is(409)["detail"].as_str().unwrap().contains("is paused"));
    due(&house).await;
    work(&house).await;
    assert_eq!(jobs(&house, &schedule).await.len(), 0);
    let address = format!("/export-schedules/{schedule}");
    assert_eq!(
        house.patch(&address, json!({"execSchedule": "0 0 6 * * ?"})).await.is(200)["state"],
        "paused",
        "a change is no order to go on"
    );
    let job = tell(&house, &schedule, "run").await;
    assert!(job.header("location").starts_with("/export-jobs/"));
    assert_eq!(job.is(202)["scheduleHandle"], json!(schedule));
    work(&house).await;
    let now = shown(&house, &schedule).await;
    assert_eq!((&now["state"], &now["lastRuns"][0]["dueAt"]), (&json!("paused"), &Value::Null));
    let resumed = tell(&house, &schedule, "resume").await.is(200);
    assert_eq!((&resumed["state"], times(&resumed)[0].hour()), (&json!("active"), 6));
    assert!(times(&resumed)[0] > Utc::now(), "what was missed while it was paused is not made up for");
}

#[sqlx::test]
async fn a_schedule_without_runs_to_come_is_completed(pool: PgPool) {
    let house = House::open(pool).await;
    house.upload_to("in", &[("a.jpg", &jpg(1))]).await.is(201);
    let schedule = made(&house, filtered("0 0 12 1 1 ? 2099")).await;
    assert_eq!(shown(&house, &schedule).await["nextRuns"], json!(["2099-01-01T12:00:00Z"]));
    // Its year has come, and nothing follows.
    let sql = "update export_schedule set next_run_at = now(), wish = jsonb_set(wish, '{execSchedule}', '\"0 0 12 1 1 ? 2020\"')";
    sqlx::query(sql).execute(&house.state.system).await.unwrap();
    work(&house).await;
    let now = shown(&house, &schedule).await;
    assert_eq!(
        (&now["state"], &now["nextRunAt"], jobs(&house, &schedule).await.len()),
        (&json!("completed"), &Value::Null, 1)
    );
    assert!(tell(&house, &schedule, "pause").await.is(409)["detail"].as_str().unwrap().contains("completed"));
    let address = format!("/export-schedules/{schedule}");
    assert_eq!(house.patch(&address, json!({"execSchedule": NOON})).await.is(200)["state"], "active");
}

#[sqlx::test]
async fn filters_and_presets_are_looked_up_at_each_run(pool: PgPool) {
    let house = House::open(pool).await;
    house.put("/image-presets/p", json!({"urlModifier": "wid=10&fmt=png"})).await.worked();
    let order = json!({"assetFilter": {"folder": "in"}, "fmt": "convert", "macro": "$p$", "execSchedule": NOON, "jobName": "again"});
    let schedule = made(&house, order).await;
    due(&house).await;
    work(&house).await;
    let now = shown(&house, &schedule).await;
    assert_eq!(
        (&now["state"], &now["lastError"]["problem"]["errors"][0]["code"]),
        (&json!("error"), &json!("nothing-to-export"))
    );
    house.upload_to("in", &[("a.jpg", &jpg(1))]).await.is(201);
    due(&house).await;
    work(&house).await;
    house.put("/image-presets/p", json!({"urlModifier": "wid=20&fmt=webp"})).await.worked();
    house.upload_to("in", &[("b.jpg", &jpg(2))]).await.is(201);
    due(&house).await;
    work(&house).await;
    let jobs = jobs(&house, &schedule).await;
    let seen = jobs
        .iter()
        .map(|job| (job["effectiveModifier"].as_str().unwrap(), job["counts"]["succeeded"].as_i64().unwrap()));
    assert_eq!(seen.collect::<Vec<_>>(), [("wid=20&fmt=webp", 2), ("wid=10&fmt=png", 1)]);
    assert!(jobs.iter().all(|job| job["jobName"] == "again"));
    let now = shown(&house, &schedule).await;
    assert_eq!(
        (&now["state"], &now["lastError"]["outcome"]),
        (&json!("active"), &json!("refused")),
        "what went wrong last stays to be seen"
    );
    house.check().await;
}

#[sqlx::test]
async fn a_run_that_cannot_be_made_is_noted_and_not_tried_again(pool: PgPool) {
    let house = House::with(pool, |settings| settings.max_jobs = 1).await;
    let asset = house.asset("a.jpg", &jpg(1)).await;
    house.put("/image-presets/p", json!({"urlModifier": "wid=10&fmt=png"})).await.worked();
    let order = json!({"assetHandleArray": [asset], "fmt": "convert", "macro": "$p$", "execSchedule": NOON, "overlap": "allow"});
    let schedule = made(&house, order).await;
    let refused = async |pointer: Option<&str>, code: &str| {
        due(&house).await;
        assert!(next_run(&house.state).await.unwrap());
        assert!(!next_run(&house.state).await.unwrap(), "it is not tried in a circle");
        let now = shown(&house, &schedule).await;
        assert_eq!((&now["state"], &now["lastRuns"][0]), (&json!("error"), &now["lastError"]), "{now}");
        let problem = &now["lastError"]["problem"];
        assert_eq!(problem["code"], code, "{problem}");
        assert_eq!(problem["errors"][0]["pointer"].as_str(), pointer, "{problem}");
        assert!(times(&now)[0] > Utc::now());
    };
    house.delete("/image-presets/p").await.worked();
    refused(Some("/macro"), "validation-failed").await;
    assert_eq!(tell(&house, &schedule, "run").await.is(422)["errors"][0]["pointer"], "/macro", "who orders it is told");
    house.put("/image-presets/p", json!({"urlModifier": "wid=10&fmt=png"})).await.worked();
    due(&house).await;
    assert!(next_run(&house.state).await.unwrap());
    assert_eq!(jobs(&house, &schedule).await.len(), 1);
    refused(None, "queue-full").await;
    assert_eq!(tell(&house, &schedule, "run").await.is(503)["code"], "queue-full");
    assert_eq!(jobs(&house, &schedule).await.len(), 1, "nothing is left of a run that was refused");
    work(&house).await;
    house.delete(format!("/assets/{asset}")).await.worked();
    refused(Some("/assetHandleArray/0"), "validation-failed").await;
    house.check().await;
}

#[sqlx::test]
async fn a_schedule_that_cannot_be_read_does_not_hold_up_others(pool: PgPool) {
    let house = House::open(pool).await;
    house.upload_to("in", &[("a.jpg", &jpg(1))]).await.is(201);
    let (broken, whole) = (made(&house, filtered(NOON)).await, made(&house, filtered(NOON)).await);
    due(&house).await;
    let sql = "update export_schedule set wish = jsonb_set(wish, '{fmt}', '\"later\"'), next_run_at = next_run_at - interval '1 day' where schedule_id = $1::uuid";
    sqlx::query(sql).bind(&broken).execute(&house.state.system).await.unwrap();
    work(&house).await;
    assert_eq!(jobs(&house, &whole).await.len(), 1);
    // Written by a version to come, perhaps: it keeps its times.
    let sql =
        "select state || (select outcome from export_schedule_run run where run.schedule_id = schedule.schedule_id)
                 from export_schedule schedule where schedule_id = $1::uuid and next_run_at > now()";
    let state: String = sqlx::query_scalar(sql).bind(&broken).fetch_one(&house.state.system).await.unwrap();
    assert_eq!(state, "activerefused");
}

#[sqlx::test]
async fn a_run_that_fails_for_a_reason_of_ours_is_noted_too(pool: PgPool) {
    let house = House::open(pool).await;
    house.upload_to("in", &[("a.jpg", &jpg(1))]).await.is(201);
    let schedule = made(&house, filtered(NOON)).await;
    let run = async |sql: &'static str| sqlx::raw_sql(sql).execute(&house.state.system).await.unwrap();
    run("create function broken() returns trigger language plpgsql as $$ begin raise exception 'broken'; end $$;
         create trigger broken before insert on export_job for each row execute function broken()")
    .await;
    due(&house).await;
    assert!(next_run(&house.state).await.unwrap());
    assert!(!next_run(&house.state).await.unwrap(), "it is not tried in a circle");
    let now = shown(&house, &schedule).await;
    assert_eq!((&now["state"], &now["lastError"]["problem"]["code"]), (&json!("error"), &json!("internal")));
    assert!(!now.to_string().contains("broken"), "{now}");
    run("drop trigger broken on export_job").await;
    due(&house).await;
    work(&house).await;
    let now = shown(&house, &schedule).await;
    assert_eq!((&now["state"], &now["lastRuns"][0]["jobOutcome"]), (&json!("active"), &json!("succeeded")));
}

#[sqlx::test]
async fn a_hundred_runs_are_remembered(pool: PgPool) {
    let house = House::open(pool).await;
    let schedule = made(&house, filtered(NOON)).await;
    for _ in 0..103 {
        let sql = "update export_schedule set next_run_at = now()";
        sqlx::query(sql).execute(&house.state.system).await.unwrap();
        assert!(next_run(&house.state).await.unwrap());
    }
    let kept: i64 =
        sqlx::query_scalar("select count(*) from export_schedule_run").fetch_one(&house.state.system).await.unwrap();
    assert_eq!((kept, shown(&house, &schedule).await["lastRuns"].as_array().unwrap().len()), (100, 10));
}

#[sqlx::test]
async fn a_company_has_so_many_schedules(pool: PgPool) {
    let house = House::with(pool, |settings| settings.max_schedules = 2).await;
    let answers = futures_util::future::join_all((0..5).map(|_| house.post("/export-schedules", filtered(NOON)))).await;
    let mut status: Vec<u16> = answers.iter().map(|answer| answer.status.as_u16()).collect();
    status.sort_unstable();
    assert_eq!(status, [201, 201, 422, 422, 422]);
    let refused = house.post("/export-jobs", filtered(NOON)).await.is(422);
    assert_eq!(refused["code"], "too-many-schedules");
    assert!(refused["detail"].as_str().unwrap().contains("Delete one"), "{refused}");
    let limits = house.get("/info").await.is(200)["limits"].clone();
    assert_eq!((&limits["schedules"], &limits["scheduleIntervalSeconds"]), (&json!(2), &json!(60.0)));
    let own = OwnLimits { max_schedules: Some(3), ..OwnLimits::default() };
    limits::set(&house.state.system, house.state.company, &own).await.unwrap();
    house.post("/export-schedules", filtered(NOON)).await.is(201);
    assert_eq!(house.get("/info").await.is(200)["limits"]["schedules"], 3);
}
