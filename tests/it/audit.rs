//! The audit log: who did what to which object, from where, and with what outcome.

use actix_web::test::TestRequest;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::support::secret_leak_check;
use crate::support::service_process::run_offprint;
use crate::support::test_app::TestApp;
use crate::support::test_user::{TestUser, open_guarded_app, send_with_authorization};

async fn fetch_audit_lines(user: &TestUser<'_>, query: &str) -> Vec<Value> {
    user.get(&format!("/audit-log{query}")).await.expect_status(200)["items"].as_array().unwrap().clone()
}

/// Operation, object, outcome, status, code of each line, the oldest first.
fn summarize_lines(lines: &[Value]) -> Vec<(String, String, String, i64, String)> {
    let text = |line: &Value, name: &str| line[name].as_str().unwrap_or_default().to_owned();
    let summarize = |line: &Value| {
        let status = line["status"].as_i64().unwrap_or_default();
        (text(line, "operation"), text(line, "object"), text(line, "outcome"), status, text(line, "code"))
    };
    lines.iter().rev().map(summarize).collect()
}

#[sqlx::test]
async fn every_change_and_every_refusal_is_written_down(pool: PgPool) {
    use offprint::db::capability::Capability::AssetsRead;
    let app = open_guarded_app(pool).await;
    let ann = TestUser::new(&app, "ours", "ann").await;
    let asset = ann.upload_asset("a.txt", b"a").await;
    let place = format!("/assets/{asset}");
    ann.get(&place).await.expect_status(200);
    ann.post("/modifier-check", json!({"is_modifier": "wid=10"})).await.expect_status(200);
    ann.post("/export-jobs/validate", json!({"assetHandleArray": [asset], "fmt": "orig"})).await.expect_status(200);
    let job = ann.post("/export-jobs", json!({"assetHandleArray": [asset], "fmt": "orig"})).await.expect_status(202);
    let job = format!("/export-jobs/{}", job["jobHandle"].as_str().unwrap());
    let link = ann.post(&format!("{job}/links"), json!({})).await.expect_status(201);
    ann.post("/export-jobs", json!({"fmt": "orig"})).await.expect_status(422);
    let from = TestRequest::delete().uri(&place).peer_addr("192.0.2.7:1234".parse().unwrap());
    let deleted = ann.send(from.insert_header(("x-request-id", "delete-1"))).await;
    assert_eq!(deleted.status, 204);
    let reader = format!("Bearer {}", ann.create_key(&[AssetsRead]).await);
    assert_eq!(send_with_authorization(&app, TestRequest::delete().uri(&place), Some(&reader)).await.status, 403);
    let all = fetch_audit_lines(&ann, "").await;
    let line = |operation: &str, object: &str, outcome: &str, status, code: &str| {
        (operation.to_owned(), object.to_owned(), outcome.to_owned(), status, code.to_owned())
    };
    let link = format!("{job}/links/{}", link["linkHandle"].as_str().unwrap());
    assert_eq!(
        summarize_lines(&all),
        [
            line("POST /assets", &place, "done", 201, ""),
            line("POST /export-jobs", &job, "done", 202, ""),
            line("POST /export-jobs/{jobHandle}/links", &link, "done", 201, ""),
            line("POST /export-jobs", "/export-jobs", "failed", 422, "validation-failed"),
            line("DELETE /assets/{assetHandle}", &place, "done", 204, ""),
            line("DELETE /assets/{assetHandle}", &place, "refused", 403, "operation-forbidden"),
        ]
    );
    assert_eq!(
        (&all[1]["address"], &all[1]["requestId"], &all[1]["user"]),
        (&json!("192.0.2.7"), &json!("delete-1"), &json!("ann"))
    );
    assert_ne!(all[0]["keyHandle"], all[1]["keyHandle"]);

    // Filters and pages.
    let user = all[0]["userHandle"].as_str().unwrap();
    assert_eq!(fetch_audit_lines(&ann, &format!("?userHandle={user}")).await.len(), 6);
    assert_eq!(
        fetch_audit_lines(&ann, &format!("?keyHandle={}", all[0]["keyHandle"].as_str().unwrap())).await.len(),
        1
    );
    assert_eq!(fetch_audit_lines(&ann, &format!("?object={place}&outcome=done")).await.len(), 2);
    assert_eq!(fetch_audit_lines(&ann, "?operation=POST%20/export-jobs").await.len(), 2);
    assert_eq!(fetch_audit_lines(&ann, "?until=2026-01-01T00:00:00Z").await.len(), 0);
    let first = ann.get("/audit-log?limit=4").await.expect_status(200);
    let rest = fetch_audit_lines(&ann, &format!("?limit=4&cursor={}", first["nextCursor"].as_str().unwrap())).await;
    assert_eq!([first["items"].as_array().unwrap().clone(), rest].concat(), all);

    // Only administrators can read it, and only that of their company.
    let (bob, eve) =
        (format!("Bearer {}", ann.create_key(&[AssetsRead]).await), TestUser::new(&app, "theirs", "eve").await);
    assert_eq!(
        send_with_authorization(&app, TestRequest::get().uri("/audit-log"), Some(&bob)).await.expect_status(403)["code"],
        "operation-forbidden"
    );
    assert_eq!(fetch_audit_lines(&eve, "").await.len(), 0);
}

/// A request with a key that is none.
fn build_stranger_request(address: &str) -> TestRequest {
    let request = TestRequest::get().uri("/assets").peer_addr(address.parse().unwrap());
    request.insert_header(("authorization", "Bearer op_1_2"))
}

#[sqlx::test]
async fn strangers_stand_in_the_log_of_the_installation_but_do_not_fill_it(pool: PgPool) {
    let app = open_guarded_app(pool).await;
    let admin = TestUser::new(&app, "default", "admin").await;
    let started = std::time::Instant::now();
    assert_eq!(app.send_all((0..150).map(|_| build_stranger_request("192.0.2.9:1234"))).await, [401; 150]);
    // One more line is allowed after a second.
    let most = 61 + started.elapsed().as_secs() as usize;
    let lines = fetch_audit_lines(&admin, "?limit=1000").await;
    assert!((60..=most.min(150)).contains(&lines.len()), "{}", lines.len());
    assert_eq!((&lines[0]["address"], &lines[0]["code"]), (&json!("192.0.2.9"), &json!("invalid-credentials")));
    assert_eq!(lines[0]["userHandle"], Value::Null);
}

#[sqlx::test]
async fn a_revoked_key_is_known_when_it_is_refused(pool: PgPool) {
    let app = open_guarded_app(pool).await;
    let ann = TestUser::new(&app, "ours", "ann").await;
    let created = ann.post("/api-keys", json!({"name": "short", "user": "bob"})).await.expect_status(201);
    app.leak_check.remember_keys(created["key"].as_str().unwrap());
    let place = format!("/api-keys/{}", created["keyHandle"].as_str().unwrap());
    assert_eq!(ann.delete(&place).await.status, 204);
    let key = format!("Bearer {}", created["key"].as_str().unwrap());
    assert_eq!(send_with_authorization(&app, TestRequest::get().uri("/assets"), Some(&key)).await.status, 401);
    let lines = fetch_audit_lines(&ann, "?outcome=refused").await;
    assert_eq!((&lines[0]["user"], &lines[0]["code"]), (&json!("bob"), &json!("key-disabled")));
    assert_eq!(lines[0]["keyHandle"], created["keyHandle"]);
}

#[sqlx::test]
async fn lines_are_kept_for_ninety_days(pool: PgPool) {
    let app = TestApp::open(pool).await;
    app.upload_asset("a.txt", b"a").await;
    let count = async || app.get("/audit-log").await.expect_status(200)["items"].as_array().unwrap().len();
    let age = async |interval: &str| {
        let sql = "update audit_log set at = at - $1::interval";
        sqlx::query(sql).bind(interval).execute(&app.state.system).await.unwrap();
        offprint::worker::enforce_retention(&app.state).await.unwrap();
    };
    age("89 days").await;
    assert_eq!(count().await, 1);
    age("1 day").await;
    assert_eq!(count().await, 0);
}

#[sqlx::test]
async fn who_does_not_wait_for_the_answer_is_written_down_too(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let asset = app.upload_asset("a.txt", b"a").await;
    // The asset's row is locked, so the response has to wait, and the caller disconnects.
    let mut lock = app.state.system.begin().await.unwrap();
    sqlx::query("select from asset for update").execute(&mut *lock).await.unwrap();
    let delete = app.delete(format!("/assets/{asset}"));
    tokio::time::timeout(std::time::Duration::from_millis(300), delete).await.map(|answer| answer.status).unwrap_err();
    lock.rollback().await.unwrap();
    let lines = loop {
        let lines = app.get("/audit-log").await.expect_status(200)["items"].as_array().unwrap().clone();
        if lines.len() == 2 {
            break lines;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!((&lines[0]["outcome"], &lines[0]["status"]), (&json!("unknown"), &Value::Null));
    assert_eq!(lines[0]["operation"], "DELETE /assets/{assetHandle}");
}

#[sqlx::test]
async fn commands_of_the_operator_are_written_down(pool: PgPool) {
    let app = TestApp::open(pool.clone()).await;
    let run = |arguments: &[&str]| {
        let output = run_offprint(&pool, &app.folder, &[&["admin"][..], arguments].concat());
        assert_eq!(output.code, Some(0), "{}", output.stderr);
    };
    run(&["set-limits", "assets=7"]);
    run(&["rotate-link-key"]);
    let lines: Vec<String> =
        sqlx::query_scalar("select operation from audit_log where company_id = $1 order by audit_id")
            .bind(app.state.company)
            .fetch_all(&app.state.system)
            .await
            .unwrap();
    assert_eq!(lines, ["offprint admin set-limits", "offprint admin rotate-link-key"]);
}

#[sqlx::test]
async fn whoever_reads_the_webhook_secret_is_written_down(pool: PgPool) {
    let app = open_guarded_app(pool).await;
    let ann = TestUser::new(&app, "ours", "ann").await;
    ann.get("/webhook-secret").await.expect_status(200);
    let lines = summarize_lines(&fetch_audit_lines(&ann, "").await);
    let path = "/webhook-secret".to_owned();
    assert_eq!(lines, [("GET /webhook-secret".into(), path, "done".into(), 200, String::new())]);
}

#[sqlx::test]
async fn a_stranger_at_the_same_address_blinds_no_log(pool: PgPool) {
    use offprint::db::capability::Capability::{AssetsRead, PresetsWrite};
    let app = open_guarded_app(pool).await;
    let admin = TestUser::new(&app, "ours", "admin").await;
    let reader = TestUser::with_capabilities(&app, "ours", "reader", &[AssetsRead]).await;
    let from = |request: TestRequest| request.peer_addr("192.0.2.9:1234".parse().unwrap());
    assert_eq!(app.send_all((0..100).map(|_| build_stranger_request("192.0.2.9:1234"))).await, [401; 100]);
    for path in ["/api-keys", "/webhook-secret", "/audit-log"] {
        assert_eq!(reader.send(from(TestRequest::get().uri(path))).await.status, 403);
    }
    assert_eq!(fetch_audit_lines(&admin, "?outcome=refused").await.len(), 3);

    // What one key does wrong is bounded, too; what it does right is not.
    let writer = TestUser::with_capabilities(&app, "ours", "writer", &[PresetsWrite]).await;
    let started = std::time::Instant::now();
    let put = |body: Value| {
        let key = ("authorization", format!("Bearer {}", writer.key));
        from(TestRequest::put().uri("/image-presets/p").set_json(body)).insert_header(key)
    };
    assert_eq!(app.send_all((0..200).map(|_| put(json!({})))).await, [422; 200]);
    // One more line is allowed after a second.
    let most = 61 + started.elapsed().as_secs() as usize;
    let failed = fetch_audit_lines(&admin, "?outcome=failed&limit=1000").await.len();
    assert!((60..=most.min(200)).contains(&failed), "{failed}");
    let saved = app.send_all((0..70).map(|_| put(json!({"urlModifier": "wid=1"})))).await;
    assert!(saved.iter().all(|status| matches!(status, 200 | 201)), "{saved:?}");
    assert_eq!(fetch_audit_lines(&admin, "?outcome=done&limit=1000").await.len(), 70);
}

#[sqlx::test]
async fn strangers_with_many_addresses_have_no_more_lines(pool: PgPool) {
    let app = open_guarded_app(pool).await;
    let started = std::time::Instant::now();
    let requests = (0..700).map(|number| build_stranger_request(&format!("[2001:db8:0:{number:x}::1]:1234")));
    assert_eq!(app.send_all(requests).await, [401; 700]);
    // Ten more lines are allowed after each second.
    let most = 611 + 10 * started.elapsed().as_secs() as i64;
    let lines: i64 = sqlx::query_scalar("select count(*) from audit_log").fetch_one(&app.state.system).await.unwrap();
    assert!((600..=most.min(700)).contains(&lines), "{lines}");
}

#[sqlx::test]
async fn the_log_of_requests_says_who_read(pool: PgPool) {
    let app = open_guarded_app(pool).await;
    let ann = TestUser::new(&app, "ours", "ann").await;
    let request = TestRequest::get().uri("/assets").insert_header(("x-request-id", "who-read-this"));
    ann.send(request).await.expect_status(200);
    let log = secret_leak_check::read_log();
    let line = log.lines().find(|line| line.contains("who-read-this") && line.contains("-> 200")).unwrap();
    assert!(line.contains("user.handle") && line.contains("key.handle"), "{line}");
}

#[sqlx::test]
async fn no_spelling_of_a_path_puts_a_token_or_key_into_a_log(pool: PgPool) {
    let app = open_guarded_app(pool).await;
    let ann = TestUser::new(&app, "ours", "ann").await;
    let asset = ann.upload_asset("a.txt", b"a").await;
    let job = ann.post("/export-jobs", json!({"assetHandleArray": [asset], "fmt": "orig"})).await.expect_status(202);
    let links = format!("/export-jobs/{}/links", job["jobHandle"].as_str().unwrap());
    let link = ann.post(&links, json!({})).await.expect_status(201);
    let token = link["url"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
    let key = ann.create_key(&[]).await;
    for secret in [&token, &key] {
        for prefix in [
            "/downloads/",
            "/%64ownloads/",
            "/download%73/",
            "//downloads/",
            "/downloads//",
            "/./downloads/",
            "/Downloads/",
            "/x/downloads/",
            "/",
            "/assets/",
            "/image-presets/",
        ] {
            let build = |method: &str, tail: &str| {
                TestRequest::default().method(method.parse().unwrap()).uri(&format!("{prefix}{secret}{tail}"))
            };
            let methods = [("GET", ""), ("POST", ""), ("DELETE", "/x")];
            let anonymous = methods.map(|(method, tail)| build(method, tail));
            let with_key = methods.map(|(method, tail)| {
                build(method, tail).insert_header(("authorization", format!("Bearer {}", ann.key)))
            });
            app.send_all(anonymous.into_iter().chain(with_key)).await;
        }
        let tail = &secret[45..];
        let log = secret_leak_check::read_log();
        assert!(!log.contains(tail), "{:?}", log.lines().find(|line| line.contains(tail)));
        let table = secret_leak_check::dump_tables(&mut app.state.system.acquire().await.unwrap()).await;
        assert!(!table.contains(tail), "the database has {tail}");
    }
    let refused = fetch_audit_lines(&TestUser::new(&app, "default", "admin").await, "?object=/%E2%80%A6").await;
    assert!(!refused.is_empty(), "refused requests have entries");
}
