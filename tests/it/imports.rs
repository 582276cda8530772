//! Imports: files of buckets, folders and web servers that become assets, once each, whatever happens meanwhile.

use std::sync::Arc;

use actix_web::test::TestRequest;
use offprint::db::task::{TaskClaim, TaskKind};
use offprint::jobs::CallbackPolicy;
use offprint::notify::webhook::{WEBHOOK_TIMEOUT, WebhookSender};
use offprint::settings::Settings;
use offprint::worker::run_task;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::support::cut_off::run_steps;
use crate::support::export_jobs::drain_work;
use crate::support::fake_s3::{BUCKET, FakeS3, S3Behavior};
use crate::support::images::draw_jpeg;
use crate::support::mail::{ParsedMail, parse_mail};
use crate::support::queue::{claim_task, try_claim_task};
use crate::support::test_app::{TestApp, TestResponse};
use crate::support::test_user::TestUser;
use crate::support::web_server::{Page, WebServer};
use crate::support::webhook_receiver::ReceiverReply::Status;
use crate::support::webhook_receiver::{FakeResolver, WebhookReceiver};

/// An application with the connections `bucket` (of `s3`), `folder`, `web` and `out`, of which only deliveries are made.
async fn open_app(pool: PgPool, s3: &FakeS3, change: impl FnOnce(&mut Settings)) -> (TestApp, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("files")).unwrap();
    std::fs::write(folder.path().join("secret"), "a-secret\n").unwrap();
    let environment = s3.environment();
    let endpoint = &environment.iter().find(|(name, _)| name == "AWS_ENDPOINT_URL").unwrap().1;
    let text = format!(
        "[bucket]\nurl = \"s3://{BUCKET}/in\"\naccess = \"read\"\ncompanies = [\"default\", \"ours\"]\n\
         [bucket.variables]\nAWS_ENDPOINT_URL = \"{endpoint}\"\nAWS_ACCESS_KEY_ID = \"a-key\"\nAWS_REGION = \"eu-central-1\"\n\
         AWS_SECRET_ACCESS_KEY = {{ file = \"{root}/secret\" }}\n\
         [folder]\nurl = \"file://{root}/files\"\naccess = \"read\"\ncompanies = [\"*\"]\n\
         [out]\nurl = \"file://{root}/files\"\naccess = \"write\"\ncompanies = [\"*\"]\n\
         [web]\nurl = \"https://images.example\"\naccess = \"read\"\ncompanies = [\"*\"]\n",
        root = folder.path().display()
    );
    let file = folder.path().join("connections.toml");
    std::fs::write(&file, text).unwrap();
    let mut app = TestApp::with_settings(pool, |settings| {
        settings.connections = Some(file.clone());
        change(settings);
    })
    .await;
    let policy = CallbackPolicy { allow_http: true, allowed_networks: vec!["127.0.0.0/8".parse().unwrap()] };
    let resolver = FakeResolver::new(&[&["127.0.0.1"]]);
    app.state.webhook_sender = Arc::new(WebhookSender::with_lookup(policy, resolver, WEBHOOK_TIMEOUT));
    (app, folder)
}

async fn create(app: &TestApp, request: Value) -> String {
    let created = app.post("/imports", request).await.expect_status(202);
    assert_eq!((&created["state"], &created["run"], &created["outcome"]), (&json!("queued"), &json!(1), &Value::Null));
    created["importHandle"].as_str().unwrap().to_owned()
}

async fn show(app: &TestApp, import: &str) -> Value {
    app.get(format!("/imports/{import}")).await.expect_status(200)
}

/// Creates an import and does its work; the import and its entries by path.
async fn run(app: &TestApp, request: Value) -> (Value, Vec<Value>) {
    let import = create(app, request).await;
    drain_work(app).await;
    (show(app, &import).await, list_entries(app, &import, "").await)
}

async fn list_entries(app: &TestApp, import: &str, query: &str) -> Vec<Value> {
    let page = app.get(format!("/imports/{import}/entries?limit=1000{query}")).await.expect_status(200);
    page["items"].as_array().unwrap().clone()
}

async fn act(app: &TestApp, import: &str, action: &str) -> TestResponse {
    app.send(TestRequest::post().uri(&format!("/imports/{import}/{action}"))).await
}

/// State and code of each entry, by path.
fn outline(entries: &[Value]) -> Vec<(&str, &str, &str)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned().leak() as &str;
    entries.iter().map(|entry| (text(&entry["path"]), text(&entry["state"]), text(&entry["reason"]["code"]))).collect()
}

/// Folder, file name and size of all assets.
async fn list_assets(app: &TestApp) -> Vec<(String, String, i64)> {
    let page = app.get("/assets?limit=1000").await.expect_status(200);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let assets = page["items"].as_array().unwrap();
    assets
        .iter()
        .map(|asset| (text(&asset["folder"]), text(&asset["fileName"]), asset["size"].as_i64().unwrap()))
        .collect()
}

fn name(folder: &str, file: &str, size: usize) -> (String, String, i64) {
    (folder.to_owned(), file.to_owned(), size as i64)
}

#[sqlx::test]
async fn a_bucket_is_imported_and_a_second_import_moves_only_what_changed(pool: PgPool) {
    let s3 = FakeS3::start();
    let (app, _folder) = open_app(pool, &s3, |_| {}).await;
    let image = draw_jpeg(3);
    for (path, bytes) in [
        ("in/spring/a.jpg", image.as_slice()),
        ("in/spring/shoes/b.txt", b"text"),
        ("in/spring/shoes/c.txt", b"more text"),
        ("in/spring/drafts/d.txt", b"draft"),
        ("in/other/e.txt", b"elsewhere"),
    ] {
        s3.insert(path, bytes);
    }
    let request = json!({
        "source": {"connection": "bucket", "prefix": "spring/", "include": ["**/*.{jpg,txt}"], "exclude": ["drafts/**"]},
        "folder": "new", "metadata": {"season": "spring"}, "name": "spring"
    });
    let (import, entries) = run(&app, request.clone()).await;
    assert_eq!((&import["state"], &import["outcome"]), (&json!("finished"), &json!("succeeded")), "{import}");
    let counts = json!({"found": 3, "waiting": 0, "imported": 3, "skipped": 0, "failed": 0, "stopped": 0, "bytes": image.len() + 13});
    assert_eq!(import["counts"], counts);
    let imported = |path| (path, "imported", "");
    assert_eq!(outline(&entries), ["spring/a.jpg", "spring/shoes/b.txt", "spring/shoes/c.txt"].map(imported));
    let expected = [name("new", "a.jpg", image.len()), name("new/shoes", "b.txt", 4), name("new/shoes", "c.txt", 9)];
    assert_eq!(list_assets(&app).await, expected);
    let asset = entries[0]["assetHandle"].as_str().unwrap();
    let shown = app.get(format!("/assets/{asset}")).await.expect_status(200);
    assert_eq!(
        (&shown["type"], &shown["name"], &shown["metadata"]["season"]),
        (&json!("Image"), &json!("a"), &json!("spring"))
    );
    assert!(shown["width"].as_u64().is_some(), "its header was read: {shown}");
    assert_eq!(app.get(format!("/assets/{asset}/content")).await.body, image);

    // A store that answers no reads: what is unchanged needs none.
    s3.set_behavior(S3Behavior::Truncating);
    let (again, entries) = run(&app, request.clone()).await;
    assert_eq!((&again["counts"]["skipped"], &again["outcome"]), (&json!(3), &json!("succeeded")), "{again}");
    assert!(outline(&entries).iter().all(|entry| entry.2 == "unchanged"), "{entries:?}");
    assert_eq!(entries[0]["assetHandle"], asset);
    s3.set_behavior(S3Behavior::Healthy);

    // One changed, one whose asset was deleted, one new.
    s3.overwrite("in/spring/shoes/b.txt", b"changed text");
    s3.insert("in/spring/f.txt", b"new");
    app.delete(format!("/assets/{asset}")).await.expect_status(204);
    let replace = json!({"source": request["source"], "folder": "new", "onExisting": "replace"});
    let (third, entries) = run(&app, replace).await;
    assert_eq!((&third["counts"]["imported"], &third["counts"]["skipped"]), (&json!(3), &json!(1)), "{third}");
    assert_eq!(outline(&entries)[3], ("spring/shoes/c.txt", "skipped", "unchanged"));
    let expected = [
        name("new", "a.jpg", image.len()),
        name("new", "f.txt", 3),
        name("new/shoes", "b.txt", 12),
        name("new/shoes", "c.txt", 9),
    ];
    assert_eq!(list_assets(&app).await, expected);
    app.assert_consistent().await;
    let listed = app.get("/imports?limit=2").await.expect_status(200);
    assert_eq!(listed["items"][0]["importHandle"], third["importHandle"], "newest first");
    assert!(listed["nextCursor"].is_string());
}

#[sqlx::test]
async fn names_that_exist_are_left_out_replaced_or_numbered(pool: PgPool) {
    let s3 = FakeS3::start();
    let (app, folder) = open_app(pool, &s3, |_| {}).await;
    std::fs::create_dir(folder.path().join("files/sub")).unwrap();
    for file in ["files/a.txt", "files/sub/a.txt"] {
        std::fs::write(folder.path().join(file), format!("from {file}")).unwrap();
    }
    let own = app.upload_asset("a.txt", b"uploaded").await;
    let request = |mode: &str| json!({"source": {"connection": "folder"}, "layout": "flat", "onExisting": mode});
    let (skipped, entries) = run(&app, request("skip")).await;
    assert_eq!(outline(&entries), [("a.txt", "skipped", "name-taken"), ("sub/a.txt", "skipped", "name-taken")]);
    assert_eq!(skipped["outcome"], "succeeded");
    let (_, entries) = run(&app, request("rename")).await;
    assert_eq!(outline(&entries), [("a.txt", "imported", ""), ("sub/a.txt", "imported", "")]);
    let names: Vec<String> = list_assets(&app).await.into_iter().map(|asset| asset.1).collect();
    assert_eq!(names, ["a.txt", "a (2).txt", "a (3).txt"]);
    // Its own asset, although that has another name.
    std::fs::write(folder.path().join("files/a.txt"), "a longer text than before").unwrap();
    let (replaced, entries) = run(&app, request("replace")).await;
    assert_eq!(outline(&entries), [("a.txt", "imported", ""), ("sub/a.txt", "skipped", "unchanged")], "{replaced}");
    assert_ne!(entries[0]["assetHandle"], json!(own));
    assert_eq!(list_assets(&app).await.len(), 3);
    assert_eq!(app.get(format!("/assets/{own}/content")).await.body, b"uploaded");
    app.assert_consistent().await;
}

#[sqlx::test]
async fn urls_are_called_by_the_rules_of_webhooks(pool: PgPool) {
    let (s3, web) = (FakeS3::start(), WebServer::start());
    let (mut app, _folder) = open_app(pool, &s3, |_| {}).await;
    let urls = [
        web.set_file("/a.txt", b"a file"),
        web.set("/moved.txt", Page::Redirect("/a.txt".into())),
        web.set("/inside.txt", Page::Redirect("http://10.0.0.1/a.txt".into())),
        web.set("/missing.txt", Page::Status(404)),
        web.set("/secret.txt", Page::Status(403)),
        web.set("/empty.txt", Page::File(Default::default())),
        web.set("/flaky.txt", Page::Flaky(vec![503], "in the end".into())),
    ];
    let list = |urls: &[String]| urls.iter().map(|url| json!({"url": url})).collect::<Vec<_>>();
    let import = create(&app, json!({"source": {"urls": list(&urls)}, "folder": "web"})).await;
    drain_work(&app).await;
    let waiting = list_entries(&app, &import, "&state=waiting").await;
    assert_eq!(waiting.len(), 1, "a passing failure waits for its next try: {waiting:?}");
    assert_eq!(show(&app, &import).await["state"], "running");
    app.advance_time("1 minute").await;
    drain_work(&app).await;
    let ended = show(&app, &import).await;
    assert_eq!((&ended["outcome"], &ended["counts"]["imported"]), (&json!("partiallyFailed"), &json!(3)), "{ended}");
    let entries = list_entries(&app, &import, "").await;
    let codes: Vec<(&str, &str)> =
        outline(&entries).iter().map(|entry| (entry.0.rsplit('/').next().unwrap(), entry.2)).collect();
    assert_eq!(
        codes,
        [
            ("a.txt", ""),
            ("empty.txt", "empty-file"),
            ("flaky.txt", ""),
            ("inside.txt", "source-unreachable"),
            ("missing.txt", "source-not-found"),
            ("moved.txt", ""),
            ("secret.txt", "source-denied")
        ]
    );
    let reached = entries[3]["reason"]["detail"].as_str().unwrap().to_owned();
    assert!(!reached.contains("10.0.0.1"), "{reached}");

    // The same again: the server is asked with the ETags, and sends nothing.
    web.take_log();
    let good = [urls[0].clone(), urls[6].clone()];
    let (again, entries) = run(&app, json!({"source": {"urls": list(&good)}, "folder": "web"})).await;
    assert_eq!(web.take_log().iter().map(|(_, status)| *status).collect::<Vec<_>>(), [304, 304]);
    assert!(
        outline(&entries).iter().all(|entry| entry.1 == "skipped" && entry.2 == "unchanged"),
        "{again} {entries:?}"
    );

    // A name of the inside, and one that does not exist.
    let mut details = Vec::new();
    for addresses in [&["192.168.1.1"][..], &[]] {
        let policy = CallbackPolicy { allow_http: true, allowed_networks: Vec::new() };
        let resolver = FakeResolver::new(&[addresses]);
        app.state.webhook_sender = Arc::new(WebhookSender::with_lookup(policy, resolver, WEBHOOK_TIMEOUT));
        let (_, entries) =
            run(&app, json!({"source": {"urls": list(&[format!("{}?{}", urls[0], addresses.len())])}})).await;
        details.push(entries[0]["reason"].clone());
    }
    assert_eq!(details[0], details[1], "they look the same");
    assert_eq!(details[0]["code"], "source-unreachable");
    app.assert_consistent().await;
}

/// A webhook shows nobody what its receiver answers; an import does.
#[sqlx::test]
async fn networks_of_webhooks_cannot_be_read(pool: PgPool) {
    let s3 = FakeS3::start();
    let (mut app, _folder) = open_app(pool, &s3, |_| {}).await;
    let server = WebServer::start();
    server.set_file("/a.txt", b"of the inside");
    let url = format!("http://127.0.0.1:{}/a.txt", server.port);
    let loopback = || CallbackPolicy { allow_http: true, allowed_networks: vec!["127.0.0.0/8".parse().unwrap()] };
    let public = CallbackPolicy { allow_http: true, allowed_networks: Vec::new() };
    let request = json!({"source": {"urls": [{"url": url}]}, "callbackUrl": url});
    app.state.webhook_sender = Arc::new(WebhookSender::new(loopback(), public.clone()));
    let refused = app.post("/imports", request.clone()).await.expect_status(422);
    assert_eq!(refused["errors"].as_array().unwrap().len(), 1, "the webhook may be sent: {refused}");
    assert_eq!(refused["errors"][0]["pointer"], "/source/urls/0/url");
    assert!(refused["errors"][0]["detail"].as_str().unwrap().contains("OFFPRINT_IMPORT_NETWORKS"), "{refused}");
    app.state.webhook_sender = Arc::new(WebhookSender::new(public, loopback()));
    let (import, _) = run(&app, json!({"source": {"urls": [{"url": url}]}})).await;
    assert_eq!(import["counts"]["imported"], 1, "{import}");
    assert_eq!(server.take_log().len(), 1);
}

#[sqlx::test]
async fn requests_that_cannot_work_are_refused_with_every_mistake(pool: PgPool) {
    let s3 = FakeS3::start();
    let (app, _folder) = open_app(pool, &s3, |_| {}).await;
    for (request, pointers) in [
        (json!({"source": {}}), vec!["/source"]),
        (json!({"source": {"connection": "folder", "urls": [{"url": "https://a.example/b.jpg"}]}}), vec!["/source"]),
        (json!({"source": {"connection": "nothing"}}), vec!["/source/connection"]),
        (json!({"source": {"connection": "out"}}), vec!["/source/connection"]),
        (json!({"source": {"connection": "web"}}), vec!["/source/paths"]),
        (json!({"source": {"connection": "folder", "prefix": "../x"}}), vec!["/source/prefix"]),
        (
            json!({"source": {"connection": "folder", "paths": ["a", "../b", "a"]}}),
            vec!["/source/paths/1", "/source/paths/2"],
        ),
        (json!({"source": {"connection": "folder", "include": ["[a"]}}), vec!["/source/include/0"]),
        (json!({"source": {"connection": "folder"}, "folder": "../x", "onExisting": "overwrite"}), vec!["/onExisting"]),
        (json!({"source": {"connection": "folder"}, "folder": "../x"}), vec!["/folder"]),
        (
            json!({"source": {"urls": [{"url": "http://10.1.1.1/a.jpg"}, {"url": "ftp://a.example/a.jpg"}, {"url": "https://a.example/"}]}}),
            vec!["/source/urls/0/url", "/source/urls/1/url", "/source/urls/2/name"],
        ),
    ] {
        let problem = app.post("/imports", request.clone()).await.expect_status(422);
        let found: Vec<&str> =
            problem["errors"].as_array().unwrap().iter().map(|error| error["pointer"].as_str().unwrap()).collect();
        assert_eq!(found, pointers, "{request}: {problem}");
    }
    assert_eq!(app.get("/imports").await.expect_status(200)["items"], json!([]));
}

#[sqlx::test]
async fn another_company_sees_neither_imports_nor_connections(pool: PgPool) {
    let s3 = FakeS3::start();
    let (app, _folder) = open_app(pool, &s3, |settings| settings.auth = offprint::settings::AuthMode::Keys).await;
    s3.insert("in/a.txt", b"ours");
    let (ann, eve) = (TestUser::new(&app, "ours", "ann").await, TestUser::new(&app, "theirs", "eve").await);
    let created = ann.post("/imports", json!({"source": {"connection": "bucket"}})).await.expect_status(202);
    let import = created["importHandle"].as_str().unwrap().to_owned();
    drain_work(&app).await;
    for path in [format!("/imports/{import}"), format!("/imports/{import}/entries")] {
        assert_eq!(ann.get(&path).await.status, 200);
        assert_eq!(eve.get(&path).await.status, 404);
    }
    assert_eq!(eve.get("/imports").await.expect_status(200)["items"], json!([]));
    let missing = eve.post("/imports", json!({"source": {"connection": "nothing"}})).await.expect_status(422);
    let theirs = eve.post("/imports", json!({"source": {"connection": "bucket"}})).await.expect_status(422);
    let detail = |problem: &Value| problem["errors"][0]["detail"].as_str().unwrap().replace("bucket", "nothing");
    assert_eq!(detail(&missing), detail(&theirs));
}

#[sqlx::test]
async fn limits_hold_for_each_file(pool: PgPool) {
    let s3 = FakeS3::start();
    let (app, _folder) = open_app(pool, &s3, |settings| {
        (settings.max_upload, settings.max_assets, settings.max_stored) = (100, 3, 150);
    })
    .await;
    for (path, size) in
        [("in/a.bin", 60), ("in/b.bin", 101), ("in/c.bin", 50), ("in/d.bin", 90), ("in/e.bin", 5), ("in/f.bin", 6)]
    {
        s3.insert(path, &vec![size; usize::from(size)]);
    }
    let (import, entries) = run(&app, json!({"source": {"connection": "bucket"}})).await;
    assert_eq!(import["outcome"], "partiallyFailed", "{import}");
    let by_path: Vec<(&str, &str, &str)> = outline(&entries);
    assert_eq!(by_path[1], ("b.bin", "failed", "body-too-large"), "{by_path:?}");
    let imported: Vec<i64> = list_assets(&app).await.iter().map(|asset| asset.2).collect();
    assert!(imported.len() <= 3 && imported.iter().sum::<i64>() <= 150, "{imported:?}");
    let refused = by_path.iter().filter(|entry| matches!(entry.2, "too-many-assets" | "storage-quota")).count();
    assert_eq!(refused + imported.len(), 5, "{by_path:?}");
    assert!(!imported.is_empty(), "what fits is imported: {by_path:?}");
    app.assert_consistent().await;
    // Only the blobs of assets are kept.
    assert_eq!(app.count_blobs().await, imported.len() as i64);
}

#[sqlx::test]
async fn a_stopped_import_goes_on_with_a_retry(pool: PgPool) {
    let s3 = FakeS3::start();
    let (app, _folder) = open_app(pool, &s3, |_| {}).await;
    for number in 0..5 {
        s3.insert(&format!("in/{number}.txt"), format!("file {number}").as_bytes());
    }
    let import = create(&app, json!({"source": {"connection": "bucket"}})).await;
    run_task(&app.state, claim_task(&app, TaskKind::Import).await).await.unwrap();
    // A worker that has begun finds out when it settles.
    let begun = claim_task(&app, TaskKind::ImportBatch).await;
    let stopped = act(&app, &import, "stop").await.expect_status(200);
    assert_eq!(
        (&stopped["state"], &stopped["outcome"], &stopped["counts"]["stopped"]),
        (&json!("finished"), &json!("stopped"), &json!(5))
    );
    run_task(&app.state, begun).await.unwrap();
    drain_work(&app).await;
    assert_eq!(list_assets(&app).await, []);
    assert_eq!(app.count_blobs().await, 0);
    act(&app, &import, "stop").await.expect_status(409);
    let again = act(&app, &import, "retry").await.expect_status(200);
    assert_eq!((&again["run"], &again["counts"]["waiting"]), (&json!(2), &json!(5)), "{again}");
    drain_work(&app).await;
    let ended = show(&app, &import).await;
    assert_eq!((&ended["outcome"], &ended["counts"]["imported"]), (&json!("succeeded"), &json!(5)), "{ended}");
    assert_eq!(list_assets(&app).await.len(), 5);
    act(&app, &import, "retry").await.expect_status(409);
    app.delete(format!("/imports/{import}")).await.expect_status(204);
    app.get(format!("/imports/{import}")).await.expect_status(404);
    assert_eq!(list_assets(&app).await.len(), 5, "assets stay");
    app.assert_consistent().await;
}

#[sqlx::test]
async fn a_source_that_fails_is_tried_again_and_then_told(pool: PgPool) {
    let s3 = FakeS3::start();
    let (app, _folder) = open_app(pool, &s3, |_| {}).await;
    s3.insert("in/a.txt", b"bytes");
    let import = create(&app, json!({"source": {"connection": "bucket"}})).await;
    s3.set_behavior(S3Behavior::Failing(403));
    drain_work(&app).await;
    let failed = show(&app, &import).await;
    assert_eq!(
        (&failed["outcome"], &failed["failure"]["code"]),
        (&json!("failed"), &json!("source-denied")),
        "{failed}"
    );
    // The retry lists again.
    s3.set_behavior(S3Behavior::Truncating);
    act(&app, &import, "retry").await.expect_status(200);
    for _ in 0..10 {
        drain_work(&app).await;
        app.advance_time("10 minutes").await;
    }
    let failed = show(&app, &import).await;
    assert_eq!((&failed["outcome"], &failed["failure"]), (&json!("failed"), &Value::Null), "{failed}");
    assert_eq!(outline(&list_entries(&app, &import, "").await), [("a.txt", "failed", "source-unreachable")]);
    s3.set_behavior(S3Behavior::Healthy);
    act(&app, &import, "retry").await.expect_status(200);
    drain_work(&app).await;
    assert_eq!(show(&app, &import).await["outcome"], "succeeded");
    app.assert_consistent().await;
}

#[sqlx::test]
async fn the_end_is_told_by_webhook_in_the_words_of_the_import(pool: PgPool) {
    let s3 = FakeS3::start();
    let (app, _folder) = open_app(pool, &s3, |_| {}).await;
    s3.insert("in/a.txt", b"bytes");
    let receiver = WebhookReceiver::open(&[Status(200)]).await;
    let (import, _) = run(&app, json!({"source": {"connection": "bucket"}, "callbackUrl": receiver.url()})).await;
    let messages = receiver.messages();
    assert_eq!(messages.len(), 1);
    let message: Value = serde_json::from_str(&messages[0].body).unwrap();
    assert_eq!(message["type"], "import.finished");
    for (field, value) in message["data"].as_object().unwrap().iter().filter(|(field, _)| *field != "links") {
        assert_eq!(value, &import[field], "{field}");
    }
    assert!(messages[0].headers["webhook-signature"].starts_with("v1,"));
}

#[sqlx::test]
async fn a_repeated_request_creates_one_import_and_waiting_ends_with_it(pool: PgPool) {
    let s3 = FakeS3::start();
    let (app, _folder) = open_app(pool, &s3, |_| {}).await;
    s3.insert("in/a.txt", b"bytes");
    let send = || {
        let request = json!({"source": {"connection": "bucket"}});
        app.send(TestRequest::post().uri("/imports").insert_header(("idempotency-key", "one")).set_json(request))
    };
    let (first, second) = (send().await, send().await);
    assert_eq!(second.header("idempotent-replayed"), "true");
    let (first, second) = (first.expect_status(202), second.expect_status(202));
    assert_eq!(first["importHandle"], second["importHandle"]);
    let import = first["importHandle"].as_str().unwrap();
    let waiting = app.get(format!("/imports/{import}?wait=50"));
    let (seen, ()) = tokio::join!(waiting, drain_work_later(&app));
    assert_eq!(seen.expect_status(200)["state"], "finished");
    app.get(format!("/imports/{import}?wait=61")).await.expect_status(400);
    assert_eq!(app.get("/imports").await.expect_status(200)["items"].as_array().unwrap().len(), 1);
}

async fn drain_work_later(app: &TestApp) {
    tokio::task::yield_now().await;
    drain_work(app).await;
}

#[sqlx::test]
async fn a_company_has_so_many_imports_at_a_time(pool: PgPool) {
    let s3 = FakeS3::start();
    let (app, _folder) = open_app(pool, &s3, |_| {}).await;
    for _ in 0..20 {
        create(&app, json!({"source": {"connection": "folder"}})).await;
    }
    let refused = app.post("/imports", json!({"source": {"connection": "folder"}})).await;
    assert_eq!(refused.header("retry-after"), "30");
    assert_eq!(refused.expect_status(503)["code"], "queue-full");
    drain_work(&app).await;
    create(&app, json!({"source": {"connection": "folder"}})).await;
}

/// Kills the worker of a task of this kind after 0, `stride`, … steps, until it comes to its end; and once more, because steps are
/// longer where answers come sooner. Returns how often it was killed.
async fn kill_at_each_step(pool: PgPool, kind: TaskKind, stride: usize) -> usize {
    let s3 = FakeS3::start();
    let (app, _folder) = open_app(pool, &s3, |_| {}).await;
    let (mut kills, mut ends, mut steps) = (0, 0, 0);
    while ends < 2 {
        let name = format!("{kills}-{ends}");
        for file in 0..4 {
            s3.insert(&format!("in/{name}/{file}.txt"), format!("file {file} of {name}").as_bytes());
        }
        let source = json!({"connection": "bucket", "prefix": name});
        let import = create(&app, json!({"source": source, "folder": name, "onExisting": "rename"})).await;
        if kind == TaskKind::ImportBatch {
            run_task(&app.state, claim_task(&app, TaskKind::Import).await).await.unwrap();
        }
        let claim = claim_task(&app, kind).await;
        let has_ended = run_steps(async { run_task(&app.state, claim).await.unwrap() }, steps).await;
        app.advance_time("1 minute").await;
        drain_work(&app).await;
        let ended = show(&app, &import).await;
        assert_eq!(
            (&ended["outcome"], &ended["counts"]["imported"]),
            (&json!("succeeded"), &json!(4)),
            "{steps}: {ended}"
        );
        let names = list_assets(&app).await;
        let own: Vec<&str> = names.iter().filter(|asset| asset.0 == name).map(|asset| asset.1.as_str()).collect();
        assert_eq!(own, ["0.txt", "1.txt", "2.txt", "3.txt"], "after {steps} steps");
        app.assert_consistent().await;
        assert!(try_claim_task(&app, kind).await.is_none());
        if has_ended {
            (ends, steps) = (ends + 1, 0);
        } else {
            (kills, steps) = (kills + 1, steps + stride);
        }
    }
    kills
}

#[sqlx::test]
async fn a_listing_that_is_killed_anywhere_finds_each_file_once(pool: PgPool) {
    let kills = kill_at_each_step(pool, TaskKind::Import, 1).await;
    assert!(kills > 5, "{kills}");
}

#[sqlx::test]
async fn a_batch_that_is_killed_anywhere_brings_each_file_once(pool: PgPool) {
    let kills = kill_at_each_step(pool, TaskKind::ImportBatch, 3).await;
    assert!(kills > 5, "{kills}");
}

#[sqlx::test]
async fn recipients_get_one_mail_at_the_end_of_each_run(pool: PgPool) {
    let s3 = FakeS3::start();
    let (app, _folder) = open_app(pool, &s3, |settings| settings.max_upload = 20).await;
    s3.insert("in/a.txt", b"short");
    s3.insert("in/large.txt", &[7; 30]);
    let source = json!({"connection": "bucket"});
    let strangers = json!({"source": source, "notifyEmails": ["eve@elsewhere.example", "no address"]});
    let refused = app.post("/imports", strangers).await.expect_status(422);
    let pointers: Vec<&str> =
        refused["errors"].as_array().unwrap().iter().map(|error| error["pointer"].as_str().unwrap()).collect();
    assert_eq!(pointers, ["/notifyEmails/0", "/notifyEmails/1"], "{refused}");
    let six = json!({"source": source, "notifyEmails": vec!["ann@example.org"; 6]});
    app.post("/imports", six).await.expect_status(422);

    let recipients = json!(["ann@example.org", "Bob <bob@example.org>"]);
    let request = json!({"source": source, "name": "new photos", "notifyEmails": recipients});
    let (import, _) = run(&app, request).await;
    assert_eq!((&import["outcome"], &import["notifyEmails"]), (&json!("partiallyFailed"), &recipients), "{import}");
    let mails = read_mails(&app);
    assert_eq!(mails.len(), 2);
    for mail in &mails {
        assert_eq!(mail.header("Subject"), "The import new photos is done, and some files failed");
        for text in [&mail.text, &mail.html] {
            let link = format!("/imports/{}", import["importHandle"].as_str().unwrap());
            for expected in ["large.txt", "Imported", "body-too-large", link.as_str()] {
                assert!(text.contains(expected), "{expected}: {text}");
            }
        }
    }
    act(&app, import["importHandle"].as_str().unwrap(), "retry").await.expect_status(200);
    drain_work(&app).await;
    assert_eq!(read_mails(&app).len(), 4, "a retry is another run");
}

fn read_mails(app: &TestApp) -> Vec<ParsedMail> {
    let Ok(files) = std::fs::read_dir(app.folder.path().join("mail")) else { return Vec::new() };
    files.map(|file| parse_mail(&std::fs::read_to_string(file.unwrap().path()).unwrap(), "")).collect()
}

/// Claims the task of a batch whose workers have disappeared this often.
async fn claim_lost_batch(app: &TestApp, lost: i32) -> TaskClaim {
    for _ in 0..lost {
        claim_task(app, TaskKind::ImportBatch).await;
        app.advance_time("1 hour").await;
    }
    let claim = claim_task(app, TaskKind::ImportBatch).await;
    assert_eq!(claim.lost, lost);
    claim
}

/// Where workers are killed more often than a batch takes, all of its files failed after some time.
#[sqlx::test]
async fn a_batch_whose_workers_disappear_is_brought_in_parts(pool: PgPool) {
    let s3 = FakeS3::start();
    let (app, _folder) = open_app(pool, &s3, |_| {}).await;
    for number in 0..6 {
        s3.insert(&format!("in/{number}.txt"), format!("file {number}").as_bytes());
    }
    let import = create(&app, json!({"source": {"connection": "bucket"}})).await;
    run_task(&app.state, claim_task(&app, TaskKind::Import).await).await.unwrap();
    // Half of them, and then a quarter of those that are left; what was done makes the next worker begin anew.
    run_task(&app.state, claim_lost_batch(&app, 1).await).await.unwrap();
    assert_eq!(show(&app, &import).await["counts"]["imported"], 3);
    // The first of them is what ends workers, as it seems: it was tried alone. The others are brought.
    run_task(&app.state, claim_lost_batch(&app, 6).await).await.unwrap();
    let shown = show(&app, &import).await;
    assert_eq!((&shown["counts"]["failed"], &shown["counts"]["waiting"]), (&json!(1), &json!(2)), "{shown}");
    drain_work(&app).await;
    let entries = list_entries(&app, &import, "&state=failed").await;
    assert_eq!(outline(&entries), [("3.txt", "failed", "lost")]);
    let ended = show(&app, &import).await;
    assert_eq!((&ended["outcome"], &ended["counts"]["imported"]), (&json!("partiallyFailed"), &json!(5)), "{ended}");
    app.assert_consistent().await;
}
