//! The audit log: who, what, which object, from where, how it ended.

use actix_web::test::TestRequest;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::guest::{Guest, guarded, send};
use crate::house::House;

async fn lines(guest: &Guest<'_>, query: &str) -> Vec<Value> {
    guest.get(&format!("/audit-log{query}")).await.is(200)["items"].as_array().unwrap().clone()
}

/// Operation, object, outcome, status, code of each line, the oldest first.
fn told(lines: &[Value]) -> Vec<(String, String, String, i64, String)> {
    let text = |line: &Value, name: &str| line[name].as_str().unwrap_or_default().to_owned();
    let told = |line: &Value| {
        let status = line["status"].as_i64().unwrap_or_default();
        (text(line, "operation"), text(line, "object"), text(line, "outcome"), status, text(line, "code"))
    };
    lines.iter().rev().map(told).collect()
}

#[sqlx::test]
async fn every_change_and_every_refusal_is_written_down(pool: PgPool) {
    use offprint::db::capability::Capability::AssetsRead;
    let house = guarded(pool).await;
    let ann = Guest::of(&house, "ours", "ann").await;
    let asset = ann.asset("a.txt", b"a").await;
    let place = format!("/assets/{asset}");
    ann.get(&place).await.is(200);
    ann.post("/modifier-check", json!({"is_modifier": "wid=10"})).await.is(200);
    ann.post("/export-jobs/validate", json!({"assetHandleArray": [asset], "fmt": "orig"})).await.is(200);
    let job = ann.post("/export-jobs", json!({"assetHandleArray": [asset], "fmt": "orig"})).await.is(202);
    let job = format!("/export-jobs/{}", job["jobHandle"].as_str().unwrap());
    let link = ann.post(&format!("{job}/links"), json!({})).await.is(201);
    ann.post("/export-jobs", json!({"fmt": "orig"})).await.is(422);
    let from = TestRequest::delete().uri(&place).peer_addr("192.0.2.7:1234".parse().unwrap());
    let deleted = ann.send(from.insert_header(("x-request-id", "delete-1"))).await;
    assert_eq!(deleted.status, 204);
    let reader = format!("Bearer {}", ann.key_for(&[AssetsRead]).await);
    assert_eq!(send(&house, TestRequest::delete().uri(&place), Some(&reader)).await.status, 403);
    let all = lines(&ann, "").await;
    let line = |operation: &str, object: &str, outcome: &str, status, code: &str| {
        (operation.to_owned(), object.to_owned(), outcome.to_owned(), status, code.to_owned())
    };
    let link = format!("{job}/links/{}", link["linkHandle"].as_str().unwrap());
    assert_eq!(
        told(&all),
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
    assert_eq!(lines(&ann, &format!("?userHandle={user}")).await.len(), 6);
    assert_eq!(lines(&ann, &format!("?keyHandle={}", all[0]["keyHandle"].as_str().unwrap())).await.len(), 1);
    assert_eq!(lines(&ann, &format!("?object={place}&outcome=done")).await.len(), 2);
    assert_eq!(lines(&ann, "?operation=POST%20/export-jobs").await.len(), 2);
    assert_eq!(lines(&ann, "?until=2026-01-01T00:00:00Z").await.len(), 0);
    let first = ann.get("/audit-log?limit=4").await.is(200);
    let rest = lines(&ann, &format!("?limit=4&cursor={}", first["nextCursor"].as_str().unwrap())).await;
    assert_eq!([first["items"].as_array().unwrap().clone(), rest].concat(), all);

    // Only administrators read it, and only their company's.
    let (bob, eve) = (format!("Bearer {}", ann.key_for(&[AssetsRead]).await), Guest::of(&house, "theirs", "eve").await);
    assert_eq!(
        send(&house, TestRequest::get().uri("/audit-log"), Some(&bob)).await.is(403)["code"],
        "operation-forbidden"
    );
    assert_eq!(lines(&eve, "").await.len(), 0);
}

#[sqlx::test]
async fn strangers_stand_in_the_log_of_the_installation_but_do_not_fill_it(pool: PgPool) {
    let house = guarded(pool).await;
    let admin = Guest::of(&house, "default", "admin").await;
    let stranger = || TestRequest::get().uri("/assets").peer_addr("192.0.2.9:1234".parse().unwrap());
    let begun = std::time::Instant::now();
    for _ in 0..150 {
        assert_eq!(send(&house, stranger(), Some("Bearer op_1_2")).await.status, 401);
    }
    // A second gives one line back.
    let most = 61 + begun.elapsed().as_secs() as usize;
    let told = lines(&admin, "?limit=1000").await;
    assert!((60..=most.min(150)).contains(&told.len()), "{}", told.len());
    assert_eq!((&told[0]["address"], &told[0]["code"]), (&json!("192.0.2.9"), &json!("invalid-credentials")));
    assert_eq!(told[0]["userHandle"], Value::Null);
}

#[sqlx::test]
async fn a_revoked_key_is_known_when_it_is_refused(pool: PgPool) {
    let house = guarded(pool).await;
    let ann = Guest::of(&house, "ours", "ann").await;
    let made = ann.post("/api-keys", json!({"name": "short", "user": "bob"})).await.is(201);
    house.witness.read(made["key"].as_str().unwrap());
    let place = format!("/api-keys/{}", made["keyHandle"].as_str().unwrap());
    assert_eq!(ann.delete(&place).await.status, 204);
    let key = format!("Bearer {}", made["key"].as_str().unwrap());
    assert_eq!(send(&house, TestRequest::get().uri("/assets"), Some(&key)).await.status, 401);
    let told = lines(&ann, "?outcome=refused").await;
    assert_eq!((&told[0]["user"], &told[0]["code"]), (&json!("bob"), &json!("key-disabled")));
    assert_eq!(told[0]["keyHandle"], made["keyHandle"]);
}

#[sqlx::test]
async fn lines_are_kept_for_ninety_days(pool: PgPool) {
    let house = House::open(pool).await;
    house.asset("a.txt", b"a").await;
    let count = async || house.get("/audit-log").await.is(200)["items"].as_array().unwrap().len();
    let age = async |interval: &str| {
        let sql = "update audit_log set at = at - $1::interval";
        sqlx::query(sql).bind(interval).execute(&house.state.system).await.unwrap();
        offprint::worker::retain(&house.state).await.unwrap();
    };
    age("89 days").await;
    assert_eq!(count().await, 1);
    age("1 day").await;
    assert_eq!(count().await, 0);
}

#[sqlx::test]
async fn who_does_not_wait_for_the_answer_is_written_down_too(pool: PgPool) {
    let house = House::open(pool).await;
    let asset = house.asset("a.txt", b"a").await;
    // The asset's row is locked, so the answer has to wait, and the caller goes away.
    let mut lock = house.state.system.begin().await.unwrap();
    sqlx::query("select from asset for update").execute(&mut *lock).await.unwrap();
    let delete = house.delete(format!("/assets/{asset}"));
    tokio::time::timeout(std::time::Duration::from_millis(300), delete).await.map(|answer| answer.status).unwrap_err();
    lock.rollback().await.unwrap();
    let told = loop {
        let told = house.get("/audit-log").await.is(200)["items"].as_array().unwrap().clone();
        if told.len() == 2 {
            break told;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!((&told[0]["outcome"], &told[0]["status"]), (&json!("unknown"), &Value::Null));
    assert_eq!(told[0]["operation"], "DELETE /assets/{assetHandle}");
}

#[sqlx::test]
async fn commands_of_the_operator_are_written_down(pool: PgPool) {
    let house = House::open(pool.clone()).await;
    let run = |arguments: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_offprint"));
        let done =
            command.arg("admin").args(arguments).env("DATABASE_URL", crate::service::url(&pool)).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    };
    run(&["set-limits", "assets=7"]);
    run(&["rotate-link-key"]);
    let told: Vec<String> =
        sqlx::query_scalar("select operation from audit_log where company_id = $1 order by audit_id")
            .bind(house.state.company)
            .fetch_all(&house.state.system)
            .await
            .unwrap();
    assert_eq!(told, ["offprint admin set-limits", "offprint admin rotate-link-key"]);
}
