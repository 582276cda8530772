//! `offprint doctor`: what it finds right and wrong, and its exit codes.

use serde_json::Value;
use sqlx::PgPool;
use tempfile::TempDir;

use crate::support::identity_provider::{CLIENT_ID, FakeProvider, ProviderBehavior};
use crate::support::mail::start_mail_server;
use crate::support::service_process::{build_database_url, format_path, run_offprint_with};

/// The report for these settings beside database and data folder, and the exit code. On another thread, so that servers
/// of the test can answer.
async fn run_doctor(pool: &PgPool, folder: &TempDir, more: &[(&'static str, &str)]) -> (Value, Option<i32>) {
    let mut variables =
        vec![("DATABASE_URL", build_database_url(pool)), ("OFFPRINT_DATA_DIR", format_path(folder.path()))];
    variables.extend(more.iter().map(|(name, value)| (*name, (*value).to_owned())));
    let run = move || run_offprint_with(&variables, &["doctor", "--json"]);
    let output = tokio::task::spawn_blocking(run).await.unwrap();
    let report = serde_json::from_str(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
    (report, output.code)
}

/// The findings of a check: status, detail and remedy of each.
fn find_check(report: &Value, name: &str) -> Vec<(String, String)> {
    let checks = report["checks"].as_array().unwrap().iter().filter(|check| check["check"] == name);
    checks
        .map(|check| {
            let text = |field: &str| check[field].as_str().unwrap_or_default().to_owned();
            // What is not ok has a remedy, and what is ok has none.
            assert_eq!(check["remedy"].is_string(), text("status") != "ok", "{check}");
            (text("status"), text("detail") + " -> " + &text("remedy"))
        })
        .collect()
}

#[track_caller]
fn assert_finding(report: &Value, name: &str, status: &str, part: &str) {
    let findings = find_check(report, name);
    assert!(findings.iter().any(|(found, text)| found == status && text.contains(part)), "{name}: {findings:?}");
}

#[sqlx::test]
async fn a_sound_installation_has_no_failures(pool: PgPool) {
    let (folder, mails) = (TempDir::new().unwrap(), start_mail_server(&["250 ok"]).await);
    let settings = [
        ("OFFPRINT_SMTP_URL", &*mails.url),
        ("OFFPRINT_MAIL_FROM", "offprint@example.org"),
        ("OFFPRINT_RENDER_MEMORY", "2000000000"),
    ];
    let (report, code) = run_doctor(&pool, &folder, &settings).await;
    assert_eq!(code, Some(0), "{report:#}");
    for name in [
        "settings",
        "data folder",
        "database",
        "role",
        "database TLS",
        "pooler",
        "migrations",
        "clocks",
        "storage",
        "mail",
        "public URL",
    ] {
        assert_eq!(find_check(&report, name)[0].0, "ok", "{name}: {report:#}");
    }
    assert_ne!(find_check(&report, "sandbox")[0].0, "failed", "{report:#}");
    assert!(mails.mails.lock().unwrap().is_empty(), "doctor sends no mail");
    let left: Vec<_> = ["blobs", "tmp", "mail"].iter().filter(|name| has_files(&folder, name)).collect();
    assert!(left.is_empty(), "doctor leaves nothing behind: {left:?}");
    // For people: a line for each check, its remedy on the next.
    let variables = [("DATABASE_URL", build_database_url(&pool)), ("OFFPRINT_DATA_DIR", format_path(folder.path()))];
    let text = run_offprint_with(&variables, &["doctor"]);
    assert_eq!(text.code, Some(0));
    let lines: Vec<&str> = text.stdout.lines().collect();
    assert!(
        lines.iter().any(|line| line.starts_with("ok       database  ") && line.contains("PostgreSQL")),
        "{lines:#?}"
    );
    let mail = lines.iter().position(|line| line.starts_with("warning  mail")).unwrap();
    assert!(lines[mail + 1].contains("-> Set OFFPRINT_SMTP_URL"), "{lines:#?}");
}

fn has_files(folder: &TempDir, name: &str) -> bool {
    let mut folders = vec![folder.path().join(name)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            if entry.path().is_dir() {
                folders.push(entry.path());
            } else {
                return true;
            }
        }
    }
    false
}

#[sqlx::test]
async fn what_does_not_work_fails_with_a_remedy(pool: PgPool) {
    let folder = TempDir::new().unwrap();
    // Ports that were free a moment ago: nobody listens there.
    let [database, smtp] = [(); 2].map(|()| std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap());
    let variables = [
        ("DATABASE_URL", format!("postgres://ann:hunter2@{database}/x")),
        ("OFFPRINT_SMTP_URL", format!("smtp://ann:hunter3@{smtp}")),
        ("OFFPRINT_DATA_DIR", format_path(folder.path())),
        ("OFFPRINT_BIND", "0.0.0.0:8080".to_owned()),
        ("OFFPRINT_ATTRIBUTES", "NoSuchAttribute=1".to_owned()),
        ("OFFPRINT_STORAGE_URL", "ftp://somewhere/else".to_owned()),
    ];
    let output = run_offprint_with(&variables, &["doctor", "--json"]);
    assert_eq!(output.code, Some(1), "{output:?}");
    assert!(!output.stdout.contains("hunter"), "{}", output.stdout);
    let report: Value = serde_json::from_str(&output.stdout).unwrap();
    assert_eq!(report["status"], "failed");
    assert_finding(&report, "database", "failed", "Connection refused");
    assert_finding(&report, "mail", "failed", "OFFPRINT_SMTP_URL");
    assert_finding(&report, "settings", "failed", "OFFPRINT_AUTH=keys");
    assert_finding(&report, "settings", "failed", "NoSuchAttribute");
    assert_finding(&report, "storage", "failed", "ftp://");
    drop(pool);
}

#[sqlx::test]
async fn settings_that_contradict_each_other_are_told(pool: PgPool) {
    let folder = TempDir::new().unwrap();
    let settings = [
        ("OFFPRINT_PUBLIC_URL", "https://127.0.0.1:1"),
        ("OFFPRINT_TRUSTED_PROXIES", "0.0.0.0/0"),
        ("OFFPRINT_WEBHOOK_NETWORKS", "::/0"),
        ("OFFPRINT_STREAM_HEARTBEAT", "90s"),
        ("OFFPRINT_RENDER_MEMORY", "1000000000"),
    ];
    let (report, code) = run_doctor(&pool, &folder, &settings).await;
    assert_eq!(code, Some(0), "warnings are no failures: {report:#}");
    assert_eq!(report["status"], "warning");
    for part in
        ["OFFPRINT_TRUSTED_PROXIES", "OFFPRINT_WEBHOOK_NETWORKS", "OFFPRINT_STREAM_HEARTBEAT", "OFFPRINT_RENDER_MEMORY"]
    {
        assert_finding(&report, "settings", "warning", part);
    }
    assert_finding(&report, "public URL", "warning", "No service answers at https://127.0.0.1:1");
    let alone = [("OFFPRINT_PUBLIC_URL", "https://127.0.0.1:1")];
    assert_finding(
        &run_doctor(&pool, &folder, &alone).await.0,
        "settings",
        "warning",
        "OFFPRINT_TRUSTED_PROXIES is empty",
    );
}

#[sqlx::test]
async fn older_tables_fail_only_where_nobody_migrates_them(pool: PgPool) {
    let folder = TempDir::new().unwrap();
    sqlx::query("drop owned by current_user cascade").execute(&pool).await.unwrap();
    let (report, code) = run_doctor(&pool, &folder, &[]).await;
    assert_eq!(code, Some(0), "{report:#}");
    assert_finding(&report, "migrations", "warning", "the next `serve` runs them");
    let (report, code) = run_doctor(&pool, &folder, &[("OFFPRINT_MIGRATE", "check")]).await;
    assert_eq!(code, Some(1), "{report:#}");
    assert_finding(&report, "migrations", "failed", "offprint migrate");
    let tables: i64 = sqlx::query_scalar("select count(*) from pg_tables where schemaname = 'public'")
        .fetch_one(&pool)
        .await
        .unwrap();
    assert_eq!(tables, 0, "doctor migrates nothing");
}

#[test]
fn a_private_postgres_that_does_not_run_is_no_failure() {
    let folder = TempDir::new().unwrap();
    let data_dir = folder.path().join("data");
    let output = run_offprint_with(&[("OFFPRINT_DATA_DIR", format_path(&data_dir))], &["doctor", "--json"]);
    assert_eq!(output.code, Some(0), "{output:?}");
    let report: Value = serde_json::from_str(&output.stdout).unwrap();
    assert_finding(&report, "database", "warning", "while `offprint serve` runs");
    assert_finding(&report, "data folder", "warning", "does not exist yet");
    assert!(!data_dir.exists(), "doctor creates nothing");
}

#[sqlx::test]
async fn the_identity_provider_is_asked(pool: PgPool) {
    let (folder, provider) = (TempDir::new().unwrap(), FakeProvider::start());
    let issuer = provider.issuer();
    let settings = [
        ("OFFPRINT_OIDC_ISSUER", &*issuer),
        ("OFFPRINT_OIDC_CLIENT_ID", CLIENT_ID),
        ("OFFPRINT_OIDC_CAPABILITIES", "assets:read"),
    ];
    let (report, code) = run_doctor(&pool, &folder, &settings).await;
    assert_eq!(code, Some(0), "{report:#}");
    assert_finding(&report, "identity provider", "ok", "http://127.0.0.1:8080/sign-in/oidc/callback");
    let (report, code) = run_doctor(&pool, &folder, &settings[..2]).await;
    assert_eq!(code, Some(1));
    assert_finding(&report, "settings", "failed", "OFFPRINT_OIDC_CAPABILITIES");
    for (behavior, reason) in
        [(ProviderBehavior::OtherIssuer, "to the last slash"), (ProviderBehavior::Failing(500), "500")]
    {
        provider.set_behavior(behavior);
        let (report, code) = run_doctor(&pool, &folder, &settings).await;
        assert_eq!(code, Some(1), "{report:#}");
        assert_finding(&report, "identity provider", "failed", reason);
    }
}
