//! `offprint jobs`, `offprint assets`, `offprint completions` and `offprint man` against a service that runs, and the metrics
//! of that service at its start.

use std::process::{Command, Output};

use serde_json::{Value, json};
use sqlx::PgPool;
use tempfile::TempDir;

use crate::support::images::draw_jpeg;
use crate::support::service_process::{ServiceProcess, build_database_url};

async fn run_offprint(arguments: &[&str], url: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_offprint"));
    command.args(arguments).env("OFFPRINT_URL", url);
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

/// The output of a command that must end with this exit code.
async fn expect_output(arguments: &[&str], url: &str, code: i32) -> String {
    let output = run_offprint(arguments, url).await;
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

async fn expect_json(arguments: &[&str], url: &str, code: i32) -> Value {
    let text = expect_output(arguments, url, code).await;
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {text}"))
}

#[sqlx::test]
async fn a_job_is_listed_watched_controlled_and_downloaded(pool: PgPool) {
    let folder = TempDir::new().unwrap();
    let service = ServiceProcess::start(&build_database_url(&pool), &folder, &[]).unwrap();
    let url = service.url.clone();
    service.upload_asset("good.jpg".into(), draw_jpeg(1)).await;
    let mut damaged = draw_jpeg(2);
    damaged.truncate(damaged.len() / 2);
    service.upload_asset("bad.jpg".into(), damaged).await;

    let table = expect_output(&["assets", "list", "--name", "good"], &url, 0).await;
    assert!(table.starts_with("ASSET") && table.contains("90x60") && table.contains("good.jpg"), "{table}");
    assert!(!table.contains("bad.jpg"), "{table}");
    let good = expect_json(&["assets", "list", "--name", "good", "--json"], &url, 0).await;
    let handle = good["assetHandle"].as_str().unwrap();
    assert_eq!(expect_json(&["assets", "get", handle, "--json"], &url, 0).await, good);
    let original = folder.path().join("original.jpg");
    expect_output(&["assets", "get", handle, "--out", original.to_str().unwrap()], &url, 0).await;
    assert_eq!(std::fs::read(&original).unwrap(), draw_jpeg(1));

    let request = json!({
        "assetFilter": {}, "fmt": "convert", "is_modifier": "wid=20&fmt=png", "jobName": "a \u{1b}[2J job",
        "metadata": {"order": "A-1"}, "execTime": "2098-01-01T00:00:00Z"
    });
    let job = service.create_job(request).await;
    let shown = expect_output(&["jobs", "show", &job], &url, 0).await;
    assert!(shown.contains("scheduled") && shown.contains("order=A-1") && !shown.contains('\u{1b}'), "{shown}");
    assert_eq!(expect_output(&["jobs", "list", "--metadata", "order=A-2"], &url, 0).await.lines().count(), 1);
    let listed = expect_json(&["jobs", "list", "--metadata", "order=A-1", "--json"], &url, 0).await;
    assert_eq!(listed["jobHandle"], json!(job));
    // What the state does not allow is a problem, with its own exit code.
    let refused = run_offprint(&["jobs", "resume", &job], &url).await;
    assert_eq!(refused.status.code(), Some(2));
    assert_eq!(serde_json::from_slice::<Value>(&refused.stderr).unwrap()["code"], "wrong-state");
    assert_eq!(run_offprint(&["jobs", "list", "--state", "done"], &url).await.status.code(), Some(64));

    let run = service.client.post(format!("{url}/export-jobs/{job}/run")).send().await.unwrap();
    assert_eq!(run.status(), 200);
    let watched = expect_json(&["jobs", "watch", &job, "--json"], &url, 1).await;
    assert_eq!((&watched["outcome"], &watched["counts"]["failed"]), (&json!("partiallyFailed"), &json!(1)));
    let retried = expect_json(&["jobs", "retry", &job, "--refresh", "--watch", "--json"], &url, 1).await;
    assert_eq!(retried["run"], 2);

    let zip = folder.path().join("out.zip");
    let out = zip.to_str().unwrap();
    let done = expect_json(&["jobs", "download", &job, "--out", out, "--json"], &url, 0).await;
    assert_eq!(done["size"].as_u64().unwrap(), std::fs::metadata(&zip).unwrap().len());
    let mut archive = zip::ZipArchive::new(std::fs::File::open(&zip).unwrap()).unwrap();
    assert!(archive.by_name("good.png").is_ok());
    assert!(!folder.path().join("out.zip.ticket").exists() && !folder.path().join("out.zip.part").exists());

    let good_job = service.create_job(json!({"assetFilter": {"name": "good"}, "fmt": "orig"})).await;
    let shown = expect_output(&["jobs", "watch", &good_job], &url, 0).await;
    assert!(shown.contains("succeeded, 100%"), "{shown}");
    service.kill();
}

/// An alert on the first event needs a counter that was there before it.
#[sqlx::test]
async fn counters_are_there_before_anything_happened(pool: PgPool) {
    let folder = TempDir::new().unwrap();
    let service = ServiceProcess::start(&build_database_url(&pool), &folder, &[]).unwrap();
    let read =
        async || service.client.get(format!("{}/metrics", service.url)).send().await.unwrap().text().await.unwrap();
    let text = read().await;
    for line in [
        "offprint_mail_tries_total{outcome=\"given-up\"} 0",
        "offprint_webhook_tries_total{outcome=\"given-up\"} 0",
        "offprint_items_settled_total{ending=\"failed\",code=\"corrupt\"} 0",
        "offprint_jobs_finished_total{outcome=\"failed\"} 0",
        "offprint_leases_lost_total 0",
        "offprint_streams 0",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is missing in\n{text}");
    }
    let value = |text: &str, name: &str| -> f64 {
        let line =
            text.lines().find(|line| line.starts_with(&format!("{name} ")) || line.starts_with(&format!("{name}{{")));
        line.unwrap_or_else(|| panic!("{name} is missing")).rsplit(' ').next().unwrap().parse().unwrap()
    };
    for name in
        ["offprint_disk_free_bytes", "process_resident_memory_bytes", "process_open_fds", "process_start_time_seconds"]
    {
        assert!(value(&text, name) > 0.0, "{name}");
    }
    assert!(text.contains(concat!(
        "offprint_build_info{version=\"",
        env!("CARGO_PKG_VERSION"),
        "\",engine_version=\""
    )));

    // A request that waits says nothing of how fast the service is.
    service.upload_asset("a.jpg".into(), draw_jpeg(1)).await;
    let job = service.create_job(json!({"assetFilter": {}, "fmt": "orig", "execTime": "2098-01-01T00:00:00Z"})).await;
    for query in ["", "?wait=1", "?wait=0"] {
        let answer = service.client.get(format!("{}/export-jobs/{job}{query}", service.url)).send().await.unwrap();
        assert_eq!(answer.status(), 200);
    }
    let text = read().await;
    let labels = "{method=\"GET\",operation=\"showExportJob\",status=\"200\"}";
    assert_eq!(value(&text, &format!("offprint_http_wait_seconds_count{labels}")), 1.0);
    assert_eq!(value(&text, &format!("offprint_http_seconds_count{labels}")), 2.0);
    service.kill();
}

#[test]
fn shells_and_man_know_every_command() {
    let run = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_offprint")).args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = run(&["completions", shell]);
        for word in ["jobs", "watch", "refresh", "create-key"] {
            assert!(script.contains(word), "{shell} does not know {word}");
        }
    }
    let page = run(&["man"]);
    assert!(page.starts_with(".ie") || page.contains(".TH offprint"), "{page}");
    let folder = TempDir::new().unwrap();
    let pages = folder.path().join("man1");
    run(&["man", "--out", pages.to_str().unwrap()]);
    let text = std::fs::read_to_string(pages.join("offprint-jobs-watch.1")).unwrap();
    assert!(text.contains("Exit code 1"), "{text}");
    assert!(pages.join("offprint.1").exists() && !pages.join("offprint-render-worker.1").exists());
}
