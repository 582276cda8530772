//! The queue of tasks: fences, leases, fairness, tries, deadlines, retention, and what operators see of it.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::join_all;
use offprint::db::task::{
    NewTask, TaskClaim, TaskEnd, TaskKind, TaskOutcome, TaskState, insert_tasks, renew_task_lease, settle_task,
};
use offprint::db::task_claim::{TaskClaimOptions, claim_tasks as claim_kinds};
use offprint::id::{CompanyId, JobId, TaskId};
use offprint::worker::{enforce_retention, run_task, sweep_expired};
use serde_json::json;
use sqlx::PgPool;

use crate::support::export_jobs::{create_job, drain_work, fetch_job, fetch_log, send_job_action};
use crate::support::mail::start_mail_server;
use crate::support::queue::{LEASE_DURATION, claim_item, claim_task, claim_tasks, settle_with_files, try_claim_task};
use crate::support::test_app::TestApp;

/// Inserts this many tasks of a kind that belong to no job, and are due now.
async fn insert_due_tasks(app: &TestApp, company: CompanyId, kind: TaskKind, count: usize) {
    let build_task = |number: usize| NewTask {
        job_id: None,
        run: None,
        key: format!("{company}/{number}"),
        ..NewTask::of_run(kind, JobId::new(), 1)
    };
    let tasks: Vec<NewTask> = (0..count).map(build_task).collect();
    insert_tasks(&mut app.state.system.acquire().await.unwrap(), company, &tasks).await.unwrap();
}

async fn create_company(app: &TestApp) -> CompanyId {
    let company = CompanyId::new();
    let sql = "insert into company (company_id, name) values ($1, $1::text)";
    sqlx::query(sql).bind(company).execute(&app.state.system).await.unwrap();
    company
}

async fn settle(app: &TestApp, claim: &TaskClaim, outcome: TaskOutcome) -> Option<TaskState> {
    let error = (outcome != TaskOutcome::Done).then(|| "it did not work".to_owned());
    settle_task(&app.state.system, claim, &TaskEnd::new(outcome, error)).await.unwrap()
}

/// Everything that a settle of this task may change, as text.
async fn dump_task(app: &TestApp, task: TaskId) -> String {
    sqlx::query_scalar(
        "select (to_jsonb(task) || jsonb_build_object(
                    'job', (select to_jsonb(job) from export_job job where job.job_id = task.job_id),
                    'events', (select count(*) from export_event event where event.job_id = task.job_id),
                    'tasks', (select count(*) from task other where other.job_id = task.job_id)))::text
           from task where task_id = $1",
    )
    .bind(task)
    .fetch_one(&app.state.system)
    .await
    .unwrap()
}

/// A job whose items have all ended and that is to be sealed; then a mail and a message are to be sent.
async fn create_ended_job(app: &TestApp) -> String {
    let asset = app.upload_asset("a.txt", b"bytes").await;
    let request = json!({"assetHandleArray": [asset], "fmt": "orig", "emailSetting": "All",
        "notifyEmails": ["ann@example.org"], "callbackUrl": "https://hooks.example/"});
    let job = create_job(app, request).await;
    let claim = claim_item(app).await;
    assert!(settle_with_files(app, &claim).await);
    job
}

/// A task of each kind, due now, one after the other: what a kind needs before it is done by the way.
async fn run_until_due(app: &TestApp, kind: TaskKind) {
    if kind == TaskKind::SignInMail {
        let company = app.state.company;
        for sql in [
            "insert into company_user (company_id, user_id, name, email) values ($1, $1, 'ann', 'ann@example.org')",
            "insert into api_key (company_id, key_id, user_id, name, secret_sha256, capabilities)
             values ($1, $1, $1, 'of ann', sha256('x'), '[]')",
        ] {
            sqlx::query(sql).bind(company).execute(&app.state.system).await.unwrap();
        }
        let browser = offprint_core::Digest::compute(b"browser");
        let ttl = Duration::from_secs(900);
        let links =
            offprint::db::sign_in_link::insert_sign_in_links(&app.state.system, "ann@example.org", &browser, None, ttl);
        assert_eq!(links.await.unwrap(), 1);
        return;
    }
    create_ended_job(app).await;
    if kind != TaskKind::Seal {
        run_task(&app.state, claim_task(app, TaskKind::Seal).await).await.unwrap();
    }
}

/// A worker was frozen past its lease, and another one has the task: whatever the first one does, nothing changes.
async fn assert_stale_holder_changes_nothing(app: &TestApp, kind: TaskKind) {
    run_until_due(app, kind).await;
    let stale = claim_task(app, kind).await;
    assert!(try_claim_task(app, kind).await.is_none(), "{kind:?}: its lease holds");
    app.advance_time("1 minute").await;
    let holder = claim_task(app, kind).await;
    assert_eq!((holder.task_id, holder.claim, holder.lost), (stale.task_id, stale.claim + 1, stale.lost + 1));
    let before = dump_task(app, stale.task_id).await;
    assert!(!renew_task_lease(&app.state.system, &stale, LEASE_DURATION).await.unwrap(), "{kind:?}");
    for outcome in [TaskOutcome::Done, TaskOutcome::Retry(Duration::ZERO), TaskOutcome::Failed, TaskOutcome::GivenBack]
    {
        assert_eq!(settle(app, &stale, outcome).await, None, "{kind:?} {outcome:?}");
    }
    // All that the kind does, to the end.
    run_task(&app.state, stale.clone()).await.unwrap();
    assert_eq!(dump_task(app, stale.task_id).await, before, "{kind:?}");
    let sql = "select ending from task_attempt where task_id = $1 order by attempt desc limit 2";
    let endings: Vec<Option<String>> =
        sqlx::query_scalar(sql).bind(stale.task_id).fetch_all(&app.state.system).await.unwrap();
    assert_eq!(endings, [None, Some("lost".to_owned())], "{kind:?}");
    assert!(renew_task_lease(&app.state.system, &holder, LEASE_DURATION).await.unwrap(), "{kind:?}");
    run_task(&app.state, holder.clone()).await.unwrap();
    let after = dump_task(app, holder.task_id).await;
    assert_ne!(after, before, "{kind:?}");
    // And neither does the holder, once it has settled.
    run_task(&app.state, holder.clone()).await.unwrap();
    assert_eq!(dump_task(app, holder.task_id).await, after, "{kind:?}");
    assert_eq!(settle(app, &holder, TaskOutcome::Failed).await, None, "{kind:?}");
    app.assert_consistent().await;
}

#[sqlx::test]
async fn a_stale_holder_of_a_seal_changes_nothing(pool: PgPool) {
    let app = TestApp::open(pool).await;
    assert_stale_holder_changes_nothing(&app, TaskKind::Seal).await;
    let finished: Vec<String> =
        sqlx::query_scalar("select state from export_job").fetch_all(&app.state.system).await.unwrap();
    assert_eq!(finished, ["finished"]);
}

#[sqlx::test]
async fn a_stale_holder_of_a_mail_changes_nothing(pool: PgPool) {
    assert_stale_holder_changes_nothing(&TestApp::open(pool).await, TaskKind::Mail).await;
}

#[sqlx::test]
async fn a_stale_holder_of_a_webhook_changes_nothing(pool: PgPool) {
    assert_stale_holder_changes_nothing(&TestApp::open(pool).await, TaskKind::Webhook).await;
}

#[sqlx::test]
async fn a_stale_holder_of_a_sign_in_mail_changes_nothing(pool: PgPool) {
    assert_stale_holder_changes_nothing(&TestApp::open(pool).await, TaskKind::SignInMail).await;
}

#[sqlx::test]
async fn a_lease_that_is_renewed_does_not_expire(pool: PgPool) {
    let app = TestApp::open(pool).await;
    insert_due_tasks(&app, app.state.company, TaskKind::Webhook, 1).await;
    let claim = claim_task(&app, TaskKind::Webhook).await;
    for _ in 0..5 {
        app.advance_time("15 seconds").await;
        assert!(renew_task_lease(&app.state.system, &claim, LEASE_DURATION).await.unwrap());
        assert!(try_claim_task(&app, TaskKind::Webhook).await.is_none());
    }
    assert_eq!(settle(&app, &claim, TaskOutcome::Done).await, Some(TaskState::Done));
    app.advance_time("1 day").await;
    assert!(try_claim_task(&app, TaskKind::Webhook).await.is_none(), "what is done is not done again");
}

#[sqlx::test]
async fn what_ends_its_workers_waits_longer_each_time_and_is_given_up(pool: PgPool) {
    let app = TestApp::open(pool).await;
    create_ended_job(&app).await;
    run_task(&app.state, claim_task(&app, TaskKind::Seal).await).await.unwrap();
    for lost in 0..10 {
        let claim = claim_task(&app, TaskKind::Mail).await;
        assert_eq!((claim.lost, claim.tries), (lost, 0), "a worker that dies is no failed try");
        app.advance_time("21 seconds").await;
        if lost > 1 {
            assert!(try_claim_task(&app, TaskKind::Mail).await.is_none(), "after {lost} workers");
        }
        app.advance_time("15 minutes").await;
    }
    let last = claim_task(&app, TaskKind::Mail).await;
    let (task, job) = (last.task_id, last.job_id.unwrap().to_string());
    run_task(&app.state, last).await.unwrap();
    let (state, detail): (String, String) = sqlx::query_as("select state, detail from task where task_id = $1")
        .bind(task)
        .fetch_one(&app.state.system)
        .await
        .unwrap();
    assert_eq!((state.as_str(), detail.as_str()), ("failed", "10 workers disappeared while they did this."));
    assert_eq!(fetch_log(&app, &job, "limit=100").await.last().unwrap()["code"], "emailFailed");
    // A seal is never given up: every job must end.
    let job = create_ended_job(&app).await;
    for _ in 0..12 {
        claim_task(&app, TaskKind::Seal).await;
        app.advance_time("1 hour").await;
    }
    drain_work(&app).await;
    assert_eq!(fetch_job(&app, &job).await["outcome"], "succeeded");
    app.assert_consistent().await;
}

fn count_by_company(claims: &[TaskClaim]) -> BTreeMap<CompanyId, usize> {
    let mut counts = BTreeMap::new();
    claims.iter().for_each(|claim| *counts.entry(claim.company_id).or_insert(0) += 1);
    counts
}

#[sqlx::test]
async fn the_slots_of_a_claim_go_to_the_companies_with_the_fewest_tasks_in_flight(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let [a, b, c] = [app.state.company, create_company(&app).await, create_company(&app).await];
    insert_due_tasks(&app, a, TaskKind::Webhook, 2000).await;
    assert_eq!(claim_tasks(&app, TaskKind::Webhook, 3).await.len(), 3, "one has a head start");
    insert_due_tasks(&app, b, TaskKind::Webhook, 10).await;
    insert_due_tasks(&app, c, TaskKind::Webhook, 1).await;
    assert_eq!(count_by_company(&claim_tasks(&app, TaskKind::Webhook, 3).await), BTreeMap::from([(b, 2), (c, 1)]));
    // Now three, two and one are in flight.
    assert_eq!(count_by_company(&claim_tasks(&app, TaskKind::Webhook, 3).await), BTreeMap::from([(a, 1), (b, 2)]));
    assert_eq!(count_by_company(&claim_tasks(&app, TaskKind::Webhook, 4).await), BTreeMap::from([(a, 2), (b, 2)]));
    // Another kind has slots and turns of its own.
    insert_due_tasks(&app, a, TaskKind::Mail, 5).await;
    assert_eq!(claim_tasks(&app, TaskKind::Mail, 2).await.len(), 2);
    // A company whose tasks all back off holds up nobody.
    let sql = "update task set run_at = now() + interval '1 hour' where company_id = $1 and state = 'waiting'";
    sqlx::query(sql).bind(a).execute(&app.state.system).await.unwrap();
    assert_eq!(count_by_company(&claim_tasks(&app, TaskKind::Webhook, 8).await), BTreeMap::from([(b, 4)]));
}

#[sqlx::test]
async fn within_a_company_priority_decides_and_then_age(pool: PgPool) {
    let app = TestApp::open(pool).await;
    insert_due_tasks(&app, app.state.company, TaskKind::Webhook, 6).await;
    let sql = "update task set priority = case when right(key, 1) in ('4', '5') then 3 when right(key, 1) = '0' then -1 else 0 end,
                      run_at = now() - make_interval(secs => right(key, 1)::int)";
    sqlx::query(sql).execute(&app.state.system).await.unwrap();
    let mut order = Vec::new();
    while let Some(claim) = try_claim_task(&app, TaskKind::Webhook).await {
        order.push(claim.key.chars().last().unwrap());
    }
    assert_eq!(order, ['5', '4', '3', '2', '1', '0']);
}

#[sqlx::test]
async fn processes_that_claim_at_once_share_the_tasks_and_take_each_once(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let other = create_company(&app).await;
    insert_due_tasks(&app, app.state.company, TaskKind::Webhook, 40).await;
    insert_due_tasks(&app, other, TaskKind::Webhook, 40).await;
    insert_due_tasks(&app, other, TaskKind::Mail, 5).await;
    let mut keys = Vec::new();
    loop {
        let slots = [(TaskKind::Webhook, 3), (TaskKind::Mail, 1)];
        let claim = || async {
            let options = TaskClaimOptions { worker: app.state.worker, lease: LEASE_DURATION, slots: &slots };
            claim_kinds(&app.state.system, &options).await.unwrap()
        };
        let claims: Vec<TaskClaim> = join_all((0..8).map(|_| claim())).await.into_iter().flatten().collect();
        if claims.is_empty() {
            break;
        }
        let mails = claims.iter().filter(|claim| claim.kind == TaskKind::Mail).count();
        assert!(mails <= 8 && claims.len() - mails <= 24, "no more than there are slots");
        keys.extend(claims.into_iter().map(|claim| (claim.kind.name(), claim.key)));
    }
    let claimed = keys.len();
    keys.sort();
    keys.dedup();
    assert_eq!((claimed, keys.len()), (85, 85));
}

#[sqlx::test]
async fn a_task_is_tried_again_later_until_its_deadline(pool: PgPool) {
    let app = TestApp::open(pool).await;
    insert_due_tasks(&app, app.state.company, TaskKind::Webhook, 1).await;
    sqlx::query("update task set give_up_at = now() + interval '1 hour'").execute(&app.state.system).await.unwrap();
    let minutes = |minutes: u64| TaskOutcome::Retry(Duration::from_secs(60 * minutes));
    let first = claim_task(&app, TaskKind::Webhook).await;
    assert_eq!(settle(&app, &first, minutes(30)).await, Some(TaskState::Waiting));
    app.advance_time("29 minutes").await;
    assert!(try_claim_task(&app, TaskKind::Webhook).await.is_none(), "it is not due");
    app.advance_time("2 minutes").await;
    let second = claim_task(&app, TaskKind::Webhook).await;
    assert_eq!((second.tries, second.claim), (1, 2));
    // Given back is no try, and due at once.
    assert_eq!(settle(&app, &second, TaskOutcome::GivenBack).await, Some(TaskState::Waiting));
    let third = claim_task(&app, TaskKind::Webhook).await;
    assert_eq!((third.tries, third.claim), (1, 3));
    assert_eq!(settle(&app, &third, minutes(30)).await, Some(TaskState::Failed), "the next try would be too late");
    app.advance_time("1 day").await;
    assert!(try_claim_task(&app, TaskKind::Webhook).await.is_none());
    let attempts: Vec<(i32, String, Option<String>)> =
        sqlx::query_as("select attempt, ending, error from task_attempt order by attempt")
            .fetch_all(&app.state.system)
            .await
            .unwrap();
    let error = Some("it did not work".to_owned());
    assert_eq!(
        attempts,
        [
            (1, "tried-again".into(), error.clone()),
            (2, "given-back".into(), error.clone()),
            (3, "failed".into(), error)
        ]
    );
}

#[sqlx::test]
async fn a_mail_is_given_up_after_a_dozen_tries_and_the_job_says_so(pool: PgPool) {
    let server = start_mail_server(&["451 come back later"]).await;
    let app = TestApp::with_settings(pool, |settings| settings.smtp_url = Some(server.url.clone())).await;
    let job = create_ended_job(&app).await;
    for _ in 0..20 {
        drain_work(&app).await;
        app.advance_time("4 hours").await;
    }
    assert_eq!(server.mails.lock().unwrap().len(), 12);
    let notification = fetch_job(&app, &job).await["notification"].clone();
    assert_eq!(notification["state"], "failed", "{notification}");
    let events = fetch_log(&app, &job, "limit=100").await;
    assert_eq!(events.iter().filter(|event| event["code"] == "emailFailed").count(), 1);
    app.assert_consistent().await;
}

#[sqlx::test]
async fn whatever_ends_the_last_item_has_the_job_sealed(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let asset = app.upload_asset("a.txt", b"bytes").await;
    let convert =
        json!({"assetHandleArray": [asset], "fmt": "convert", "is_modifier": "wid=20", "onUnconvertible": "fail"});
    // Nothing to do from the start, at once and later; stopped; paused, and its last item ends.
    let mut later = convert.clone();
    later["execTime"] = json!("2999-01-01T00:00:00Z");
    let (failed, scheduled) = (create_job(&app, convert).await, create_job(&app, later).await);
    assert_eq!(claim_tasks(&app, TaskKind::Seal, 8).await.len(), 1, "not before its time");
    app.advance_time("1 minute").await;
    sqlx::query("update export_job set exec_time = now() where state = 'scheduled'")
        .execute(&app.state.system)
        .await
        .unwrap();
    let orig = json!({"assetHandleArray": [asset], "fmt": "orig"});
    let (stopped, paused) = (create_job(&app, orig.clone()).await, create_job(&app, orig).await);
    send_job_action(&app, &stopped, "stop").await.expect_status(200);
    let claim = claim_item(&app).await;
    assert_eq!(claim.job_id.to_string(), paused);
    send_job_action(&app, &paused, "pause").await.expect_status(200);
    assert!(settle_with_files(&app, &claim).await);
    drain_work(&app).await;
    for (job, outcome) in [(failed, "failed"), (scheduled, "failed"), (stopped, "stopped"), (paused, "succeeded")] {
        assert_eq!(fetch_job(&app, &job).await["outcome"], outcome);
    }
    let seals: Vec<i64> = sqlx::query_scalar("select count(*) from task where kind = 'seal' group by job_id")
        .fetch_all(&app.state.system)
        .await
        .unwrap();
    assert_eq!(seals, [1; 4]);
    app.assert_consistent().await;
}

#[sqlx::test]
async fn tasks_of_a_deleted_job_are_not_done_and_go_with_it(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let (deleted, kept) = (create_ended_job(&app).await, create_ended_job(&app).await);
    app.delete(format!("/export-jobs/{deleted}")).await.expect_status(204);
    // More than one batch.
    let sql = "insert into task (company_id, task_id, kind, job_id, run, key)
               select company_id, gen_random_uuid(), 'webhook', job_id, 1, number::text
                 from export_job, generate_series(1, 2500) as number where job_id = $1::uuid";
    sqlx::query(sql).bind(&deleted).execute(&app.state.system).await.unwrap();
    let seals = claim_tasks(&app, TaskKind::Seal, 8).await;
    assert_eq!(seals.iter().map(|claim| claim.job_id.unwrap().to_string()).collect::<Vec<_>>(), [kept]);
    assert!(claim_tasks(&app, TaskKind::Webhook, 8).await.is_empty());
    sweep_expired(&app.state).await.unwrap();
    let left: i64 = sqlx::query_scalar("select count(*) from task").fetch_one(&app.state.system).await.unwrap();
    assert_eq!(left, 1);
}

#[sqlx::test]
async fn tasks_that_no_job_shows_are_removed_after_a_while(pool: PgPool) {
    let app = TestApp::open(pool).await;
    create_ended_job(&app).await;
    drain_work(&app).await;
    insert_due_tasks(&app, app.state.company, TaskKind::SignInMail, 2100).await;
    sqlx::query(
        "update task set state = 'failed', ended_at = now() where kind = 'sign-in-mail' and key not like '%/0'",
    )
    .execute(&app.state.system)
    .await
    .unwrap();
    let count_kinds = || async {
        let sql = "select kind, count(*) from task group by kind order by kind";
        let counts: Vec<(String, i64)> = sqlx::query_as(sql).fetch_all(&app.state.system).await.unwrap();
        counts.into_iter().map(|(kind, count)| format!("{kind} {count}")).collect::<Vec<_>>()
    };
    enforce_retention(&app.state).await.unwrap();
    assert_eq!(count_kinds().await, ["mail 1", "seal 1", "sign-in-mail 2100", "webhook 1"]);
    app.advance_time("2 days").await;
    enforce_retention(&app.state).await.unwrap();
    assert_eq!(count_kinds().await, ["mail 1", "seal 1", "sign-in-mail 1", "webhook 1"], "one is still to be sent");
    app.advance_time("6 days").await;
    enforce_retention(&app.state).await.unwrap();
    assert_eq!(count_kinds().await, ["mail 1", "sign-in-mail 1", "webhook 1"], "what a job shows stays with it");
    let attempts: i64 = sqlx::query_scalar("select count(*) from task_attempt where attempt = 1")
        .fetch_one(&app.state.system)
        .await
        .unwrap();
    assert_eq!(attempts, 2);
}

#[sqlx::test]
async fn the_metrics_show_each_kind_of_task_from_the_start(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let fetch_lines = || async {
        let text = String::from_utf8(app.get("/metrics").await.body).unwrap();
        text.lines().filter(|line| line.starts_with("offprint_task")).map(str::to_owned).collect::<Vec<_>>()
    };
    let empty = fetch_lines().await;
    for kind in TaskKind::ALL.map(TaskKind::name) {
        for state in ["waiting", "running"] {
            assert!(empty.contains(&format!("offprint_tasks{{kind=\"{kind}\",state=\"{state}\"}} 0")), "{empty:?}");
        }
        assert!(empty.contains(&format!("offprint_task_oldest_wait_seconds{{kind=\"{kind}\"}} 0.000")), "{empty:?}");
    }
    insert_due_tasks(&app, app.state.company, TaskKind::Webhook, 5).await;
    claim_tasks(&app, TaskKind::Webhook, 2).await;
    let line = |state: &str, count: u32| format!("offprint_tasks{{kind=\"webhook\",state=\"{state}\"}} {count}");
    let lines = fetch_lines().await;
    assert!(lines.contains(&line("waiting", 3)) && lines.contains(&line("running", 2)), "{lines:?}");
    // The worker dies: its tasks wait for another one.
    app.advance_time("90 seconds").await;
    let lines = fetch_lines().await;
    assert!(lines.contains(&line("waiting", 5)) && lines.contains(&line("running", 0)), "{lines:?}");
    let oldest =
        lines.iter().find_map(|line| line.strip_prefix("offprint_task_oldest_wait_seconds{kind=\"webhook\"} "));
    assert!((90.0..150.0).contains(&oldest.unwrap().parse::<f64>().unwrap()), "{lines:?}");
}
