//! docs/NIGHTLY.md: its commands bring photos from one bucket to another, and the next night moves only what changed.

use std::collections::BTreeMap;

use actix_web::test::TestRequest;
use serde_json::Value;
use sqlx::PgPool;
use tempfile::TempDir;

use crate::support::export_jobs::drain_work;
use crate::support::fake_s3::{BUCKET, FakeS3};
use crate::support::images::draw_jpeg;
use crate::support::test_app::TestApp;

/// The commands of the page, as paths with the bodies that they send.
fn read_commands() -> Vec<(String, String)> {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/NIGHTLY.md")).unwrap();
    let mut files = BTreeMap::new();
    for part in text.split("<!-- file ").skip(1) {
        let (name, rest) = part.split_once(" -->\n```json\n").unwrap();
        files.insert(name.to_owned(), rest.split_once("```").unwrap().0.to_owned());
    }
    let commands = text.split("<!-- run -->\n").skip(1).map(|part| part.lines().next().unwrap().trim());
    let read = |command: &str| {
        let path = command.split('"').nth(1).unwrap().replace("$API", "");
        let file = command.split("--data-binary @").nth(1).unwrap();
        assert!(command.starts_with("curl -s -X POST ") && command.contains("'content-type: application/json'"));
        (path, files[file].clone())
    };
    commands.map(read).collect()
}

/// The connections of the page, both in the one bucket of the test's store.
async fn open_app(pool: PgPool, s3: &FakeS3, folder: &TempDir) -> TestApp {
    let secret = folder.path().join("secret");
    std::fs::write(&secret, "a-secret").unwrap();
    let mut text = String::new();
    for (name, access) in [("photos", "read"), ("market", "write")] {
        text += &format!("[{name}]\nurl = \"s3://{BUCKET}/{name}\"\naccess = \"{access}\"\ncompanies = [\"*\"]\n");
        text += &format!("[{name}.variables]\n");
        for (variable, value) in s3.environment() {
            text += &match variable.contains("SECRET") {
                true => format!("{variable} = {{ file = \"{}\" }}\n", secret.display()),
                false => format!("{variable} = \"{value}\"\n"),
            };
        }
    }
    let file = folder.path().join("connections.toml");
    std::fs::write(&file, text).unwrap();
    let change = |settings: &mut offprint::settings::Settings| {
        settings.connections = Some(file);
        settings.mail_to = Some("ops@example.org".into());
    };
    TestApp::with_settings(pool, change).await
}

async fn post(app: &TestApp, (path, body): &(String, String)) -> Value {
    let request = TestRequest::post().uri(path).insert_header(("content-type", "application/json"));
    let answer = app.send(request.set_payload(body.clone())).await;
    assert!(answer.status.is_success(), "{path}: {}", String::from_utf8_lossy(&answer.body));
    serde_json::from_slice(&answer.body).unwrap()
}

fn list_delivered(s3: &FakeS3) -> Vec<String> {
    s3.object_names().into_iter().filter(|name| name.starts_with("market/")).collect()
}

#[sqlx::test]
async fn the_page_moves_everything_once_and_then_only_what_changed(pool: PgPool) {
    let (s3, folder) = (FakeS3::start(), TempDir::new().unwrap());
    let app = open_app(pool, &s3, &folder).await;
    for (name, seed) in [("photos/a/1.jpg", 1), ("photos/b/1.jpg", 2), ("photos/notes.txt", 3)] {
        s3.insert(name, &draw_jpeg(seed));
    }
    let commands = read_commands();
    let [import, validate, schedule] = &commands[..] else { panic!("{commands:?}") };
    post(&app, import).await;
    drain_work(&app).await;
    let dry = post(&app, validate).await;
    assert_eq!(
        (dry["deliverTo"][0]["changed"].as_i64(), dry["warnings"].as_array().unwrap().len()),
        (Some(6), 0),
        "{dry:#}"
    );
    post(&app, schedule).await;
    app.advance_time("1 day").await;
    drain_work(&app).await;
    let first = list_delivered(&s3);
    assert_eq!(first.len(), 6, "three files of two photos: {first:?}");
    assert!(first.iter().all(|name| name.starts_with("market/images/photos/")), "{first:?}");
    // The next night: one photo is new, one is gone.
    s3.insert("photos/a/2.jpg", &draw_jpeg(4));
    post(&app, import).await;
    drain_work(&app).await;
    let gone = app.get("/assets?folder=photos/b").await.expect_status(200);
    let gone = gone["items"][0]["assetHandle"].as_str().unwrap().to_owned();
    app.delete(format!("/assets/{gone}")).await.expect_success();
    let puts = s3.put_count();
    app.advance_time("1 day").await;
    drain_work(&app).await;
    assert_eq!(s3.put_count(), puts + 3, "only the new photo");
    let second = list_delivered(&s3);
    assert!(second.len() == 6 && !second.iter().any(|name| name.contains("/b/")), "{second:?}");
    app.assert_consistent().await;
}
