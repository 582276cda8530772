//! `offprint imports` against a service that runs, and imports whose service is killed.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;
use sqlx::PgPool;
use tempfile::TempDir;

use crate::support::service_process::{ServiceProcess, build_database_url};

/// Files that the folder of the connection has.
const FILES: usize = 300;

async fn run_offprint(arguments: &[&str], url: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_offprint"));
    command.args(arguments).env("OFFPRINT_URL", url);
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

/// What a command prints as JSON that must end with this exit code.
async fn expect_json(arguments: &[&str], url: &str, code: i32) -> Value {
    let output = run_offprint(arguments, url).await;
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {output:?}");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {output:?}"))
}

/// The file of connections, with the folder `photos`, which it fills.
fn write_connections(folder: &TempDir) -> String {
    let photos = folder.path().join("photos");
    for number in 0..FILES {
        let sub = photos.join(format!("{}", number % 7));
        std::fs::create_dir_all(&sub).unwrap();
        std::fs::write(sub.join(format!("{number}.txt")), format!("file {number} ").repeat(number + 1)).unwrap();
    }
    let text = format!("[photos]\nurl = \"file://{}\"\naccess = \"read\"\ncompanies = [\"*\"]\n", photos.display());
    let file = folder.path().join("connections.toml");
    std::fs::write(&file, text).unwrap();
    file.to_str().unwrap().to_owned()
}

fn start(pool: &PgPool, folder: &TempDir, connections: &str) -> ServiceProcess {
    ServiceProcess::start(&build_database_url(pool), folder, &[("OFFPRINT_CONNECTIONS", connections)]).unwrap()
}

#[sqlx::test]
async fn an_import_is_created_watched_listed_and_repeated(pool: PgPool) {
    let (folder, root) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let service = start(&pool, &folder, &write_connections(&root));
    let url = service.url.clone();
    let create =
        ["imports", "create", "--connection", "photos", "--include", "{1,2}/**", "--folder", "in", "--watch", "--json"];
    let first = expect_json(&create, &url, 0).await;
    assert_eq!(
        (first["outcome"].as_str(), first["counts"]["imported"].as_u64()),
        (Some("succeeded"), Some(86)),
        "{first}"
    );
    let handle = first["importHandle"].as_str().unwrap();
    let second = expect_json(&create, &url, 0).await;
    assert_eq!((second["counts"]["imported"].as_u64(), second["counts"]["skipped"].as_u64()), (Some(0), Some(86)));
    let shown = String::from_utf8(run_offprint(&["imports", "show", handle], &url).await.stdout).unwrap();
    assert!(shown.contains("succeeded") && shown.contains("86 imported"), "{shown}");
    let entries = run_offprint(&["imports", "entries", handle, "--state", "imported"], &url).await;
    let entries = String::from_utf8(entries.stdout).unwrap();
    assert!(entries.starts_with("STATE") && entries.lines().count() == 87, "{entries}");
    let listed = run_offprint(&["imports", "list", "--json"], &url).await;
    assert_eq!(String::from_utf8(listed.stdout).unwrap().lines().count(), 2);
    let refused = run_offprint(&["imports", "create", "--connection", "nothing"], &url).await;
    assert_eq!(refused.status.code(), Some(2), "{refused:?}");
    assert!(String::from_utf8_lossy(&refused.stderr).contains("GET /connections"), "{refused:?}");
    assert_eq!(run_offprint(&["imports", "create"], &url).await.status.code(), Some(64));
}

/// Waits until an import has brought this many files, or is finished.
async fn wait_for_imported(service: &ServiceProcess, import: &str, files: u64) -> Value {
    loop {
        let seen = service.get(&format!("/imports/{import}?wait=1")).await;
        if seen["state"] == "finished" || seen["counts"]["imported"].as_u64() >= Some(files) {
            return seen;
        }
    }
}

#[sqlx::test]
async fn a_service_that_is_killed_brings_each_file_once(pool: PgPool) {
    let (folder, root) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let connections = write_connections(&root);
    let mut service = start(&pool, &folder, &connections);
    let created = expect_json(&["imports", "create", "--connection", "photos", "--json"], &service.url, 0).await;
    let import = created["importHandle"].as_str().unwrap().to_owned();
    let mut kills = 0;
    for goal in [1, 100, 200] {
        let seen = wait_for_imported(&service, &import, goal).await;
        kills += u32::from(seen["state"] != "finished");
        service.child.kill().unwrap();
        service.child.wait().unwrap();
        service = start(&pool, &folder, &connections);
    }
    let ended = wait_for_imported(&service, &import, u64::MAX).await;
    assert_eq!(
        (&ended["outcome"], &ended["counts"]["imported"]),
        (&"succeeded".into(), &FILES.into()),
        "{kills} kills: {ended}"
    );
    let listed = service.get("/assets?limit=1000").await;
    let names: std::collections::BTreeSet<String> = listed["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|asset| {
            Path::new(asset["folder"].as_str().unwrap()).join(asset["fileName"].as_str().unwrap()).display().to_string()
        })
        .collect();
    assert_eq!((names.len(), listed["items"].as_array().unwrap().len()), (FILES, FILES));
}
