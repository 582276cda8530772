//! `metadata` of jobs, schedules and assets: set, changed, filtered, and passed on to webhooks and manifests.

use actix_web::test::TestRequest;
use image::ImageFormat;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::support::export_jobs::{
    create_job, download_file, drain_work, fetch_items, fetch_job, fetch_log, run_export,
};
use crate::support::images::{create_broken_jpeg, draw_image, draw_jpeg};
use crate::support::schedules::{YEARLY_CRON, get_schedule_handle, make_schedules_due};
use crate::support::test_app::{TestApp, build_multipart_request};

async fn upload_with_metadata(app: &TestApp, name: &str, metadata: &Value) -> String {
    let text = metadata.to_string();
    let file = format!("name=\"file\"; filename=\"{name}\"");
    let bytes = draw_jpeg(name.len() as u8);
    let parts = [("name=\"metadata\"", text.as_bytes()), (file.as_str(), bytes.as_slice())];
    let answer = app.send(build_multipart_request(parts)).await.expect_status(201);
    assert_eq!(answer["assets"][0]["metadata"], *metadata);
    answer["assets"][0]["assetHandle"].as_str().unwrap().to_owned()
}

async fn list_names(app: &TestApp, uri: &str, field: &str) -> Vec<String> {
    let list = app.get(uri).await.expect_status(200);
    list["items"].as_array().unwrap().iter().map(|item| item[field].as_str().unwrap().to_owned()).collect()
}

#[sqlx::test]
async fn assets_have_metadata_that_filters_and_exports_find(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let one = upload_with_metadata(&app, "one.jpg", &json!({"order": "A-1", "shop": "berlin: mitte"})).await;
    upload_with_metadata(&app, "two.jpg", &json!({"order": "A-2", "shop": "berlin: mitte"})).await;
    app.upload_asset("none.jpg", &draw_jpeg(9)).await;
    assert_eq!(list_names(&app, "/assets?metadata=order:A-1", "name").await, ["one"]);
    let both = "/assets?metadata=shop:berlin%3A+mitte&metadata=order:A-2";
    assert_eq!(list_names(&app, both, "name").await, ["two"]);
    assert_eq!(list_names(&app, "/assets?metadata=order:A", "name").await, [""; 0]);
    let page = app.get("/assets?metadata=shop:berlin:%20mitte&limit=1").await.expect_status(200);
    let cursor = page["nextCursor"].as_str().unwrap();
    let next = format!("/assets?metadata=shop:berlin:%20mitte&limit=1&cursor={cursor}");
    assert_eq!(list_names(&app, &next, "name").await, ["two"]);
    let other = app.get(format!("/assets?metadata=order:A-1&limit=1&cursor={cursor}")).await.expect_status(400);
    assert_eq!(other["code"], "invalid-cursor");
    for wrong in ["/assets?metadata=order", "/assets?metadata=a:1&metadata=a:2", "/export-jobs?metadata=:x"] {
        assert_eq!(app.get(wrong).await.expect_status(400)["code"], "invalid-parameter", "{wrong}");
    }
    assert_eq!(app.get("/assets?metadat=a:1").await.expect_status(400)["code"], "invalid-parameter");

    // A merge patch: null removes an entry, the others stay.
    let uri = format!("/assets/{one}");
    let changed = app.patch(&uri, json!({"metadata": {"order": null, "sku": "7"}})).await.expect_status(200);
    assert_eq!(changed["metadata"], json!({"shop": "berlin: mitte", "sku": "7"}));
    let many: serde_json::Map<String, Value> = (0..15).map(|number| (format!("k{number}"), json!("v"))).collect();
    let refused = app.patch(&uri, json!({"metadata": many})).await.expect_status(422);
    assert_eq!(refused["errors"][0]["pointer"], "/metadata", "17 with those that are there");
    for wrong in [json!({"a\u{0}": null}), json!({"a\u{0}": "x"}), json!({"a": "\u{0}"}), json!({"a b": null})] {
        app.patch(&uri, json!({"metadata": wrong})).await.expect_status(422);
    }
    let cleared = app.patch(&uri, json!({"metadata": null})).await.expect_status(200);
    assert_eq!(cleared["metadata"], json!({}));
    app.patch(&uri, json!({"name": "renamed"})).await.expect_status(200);

    let filter = json!({"assetFilter": {"metadata": {"order": "A-2"}}, "fmt": "orig"});
    let job = run_export(&app, filter).await;
    let items = fetch_items(&app, &job).await;
    assert_eq!(items.len(), 1);
    assert_eq!(items[0]["metadata"], json!({"order": "A-2", "shop": "berlin: mitte"}));
}

#[sqlx::test]
async fn limits_are_told_where_they_are_broken(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let asset = app.upload_asset("a.jpg", &draw_jpeg(1)).await;
    let request = |metadata: Value| json!({"assetHandleArray": [asset], "fmt": "orig", "metadata": metadata});
    let many: serde_json::Map<String, Value> = (0..17).map(|number| (number.to_string(), json!(""))).collect();
    for (metadata, pointer) in [
        (json!({"a": 1}), "/metadata/a"),
        (json!({"a": "x".repeat(501)}), "/metadata/a"),
        (json!({"a b": "x"}), "/metadata/a b"),
        (json!({"k".repeat(41): "x"}), &format!("/metadata/{}", "k".repeat(41))),
        (json!({"a": null}), "/metadata/a"),
        (json!(["a"]), "/metadata"),
        (Value::Object(many), "/metadata"),
    ] {
        let refused = app.post("/export-jobs", request(metadata.clone())).await.expect_status(422);
        assert_eq!(refused["errors"][0]["pointer"], *pointer, "{metadata}");
    }
    let most: serde_json::Map<String, Value> =
        (0..16).map(|number| (format!("{number}{}", "k".repeat(38)), json!("ä".repeat(500)))).collect();
    let job = app.post("/export-jobs", request(Value::Object(most.clone()))).await.expect_status(202);
    assert_eq!(job["metadata"], Value::Object(most));
}

#[sqlx::test]
async fn a_job_carries_its_metadata_to_lists_webhook_and_manifests(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let asset = upload_with_metadata(&app, "=a.jpg", &json!({"sku": "=1+1"})).await;
    let request = json!({
        "assetHandleArray": [asset], "fmt": "orig", "metadata": {"order": "A-1042"},
        "callbackUrl": "https://hooks.example.org/export"
    });
    let job = run_export(&app, request).await;
    assert_eq!(job["metadata"], json!({"order": "A-1042"}));
    let handle = job["jobHandle"].as_str().unwrap();
    assert_eq!(list_names(&app, "/export-jobs?metadata=order:A-1042", "jobHandle").await, [handle]);
    assert_eq!(list_names(&app, "/export-jobs?metadata=order:A-1", "jobHandle").await, [""; 0]);
    // Later changes of the asset do not reach the job.
    app.patch(format!("/assets/{asset}"), json!({"metadata": null})).await.expect_status(200);

    let body: String = sqlx::query_scalar("select payload ->> 'body' from task where kind = 'webhook'")
        .fetch_one(&app.state.system)
        .await
        .unwrap();
    let message: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(message["data"]["metadata"], json!({"order": "A-1042"}));

    let manifest = app.get(format!("/export-jobs/{handle}/manifest")).await.expect_status(200);
    assert_eq!(manifest["metadata"], json!({"order": "A-1042"}));
    assert_eq!(manifest["items"][0]["metadata"], json!({"sku": "=1+1"}));
    let csv = app.get_with_header(format!("/export-jobs/{handle}/manifest"), "accept", "text/csv").await;
    let csv = String::from_utf8(csv.body).unwrap();
    let lines: Vec<&str> = csv.trim_start_matches('\u{feff}').lines().collect();
    assert!(lines[0].ends_with(",warnings,encodedPath,metadata,jobMetadata"), "{}", lines[0]);
    assert!(lines[1].contains(",'=a.jpg,"), "the path is defused: {}", lines[1]);
    let exact = r#",%3Da.jpg,"{""sku"":""\u003d1+1""}","{""order"":""A-1042""}""#;
    assert!(lines[1].ends_with(exact), "{}", lines[1]);
    // The encoded path is the end of the file's URL.
    assert_eq!(app.get(format!("/export-jobs/{handle}/files/%3Da.jpg")).await.status, 200);
}

#[sqlx::test]
async fn jobs_of_a_schedule_have_its_metadata(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let asset = app.upload_asset("a.jpg", &draw_jpeg(1)).await;
    let request = json!({
        "assetHandleArray": [asset], "fmt": "orig", "execSchedule": YEARLY_CRON, "metadata": {"shop": "berlin", "old": "x"}
    });
    let schedule = get_schedule_handle(&app.post("/export-schedules", request).await.expect_status(201));
    let other = json!({"assetHandleArray": [asset], "fmt": "orig", "execSchedule": YEARLY_CRON});
    app.post("/export-schedules", other).await.expect_status(201);
    let uri = format!("/export-schedules/{schedule}");
    let changed = app.patch(&uri, json!({"metadata": {"old": null, "new": "y"}})).await.expect_status(200);
    assert_eq!(changed["metadata"], json!({"shop": "berlin", "new": "y"}));
    let found = list_names(&app, "/export-schedules?metadata=shop:berlin", "scheduleHandle").await;
    assert_eq!(found, [schedule.as_str()]);
    assert_eq!(list_names(&app, "/export-schedules", "scheduleHandle").await.len(), 2);
    make_schedules_due(&app).await;
    drain_work(&app).await;
    let jobs = list_names(&app, "/export-jobs?metadata=new:y", "jobHandle").await;
    assert_eq!(jobs.len(), 1);
    let cleared = app.patch(&uri, json!({"metadata": null})).await.expect_status(200);
    assert_eq!(cleared["metadata"], Value::Null);
}

#[sqlx::test]
async fn an_upload_in_pieces_brings_metadata(pool: PgPool) {
    use base64::Engine;
    let app = TestApp::open(pool).await;
    let encode = |text: &str| base64::engine::general_purpose::STANDARD.encode(text);
    let create = |metadata: &str| {
        let pairs = format!("filename {},metadata {}", encode("a.bin"), encode(metadata));
        let request = TestRequest::post().uri("/uploads").insert_header(("tus-resumable", "1.0.0"));
        app.send(request.insert_header(("upload-length", "3")).insert_header(("upload-metadata", pairs)))
    };
    let refused = create("{\"a\": 1}").await.expect_status(422);
    assert_eq!(refused["errors"][0]["pointer"], "Upload-Metadata/metadata");
    let location = create("{\"order\": \"A-1\"}").await.header("location").to_owned();
    let piece = TestRequest::patch().uri(&location).insert_header(("tus-resumable", "1.0.0"));
    let piece =
        piece.insert_header(("upload-offset", "0")).insert_header(("content-type", "application/offset+octet-stream"));
    app.send(piece.set_payload("abc")).await.expect_status(204);
    assert_eq!(list_names(&app, "/assets?metadata=order:A-1", "fileName").await, ["a.bin"]);
}

/// F23: of many handles one was deleted meanwhile.
#[sqlx::test]
async fn missing_assets_are_left_out_on_request(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let mut handles = Vec::new();
    for name in ["a.jpg", "b.jpg", "c.jpg"] {
        handles.push(app.upload_asset(name, &draw_jpeg(3)).await);
    }
    let request = json!({"assetHandleArray": handles, "fmt": "orig"});
    let mut skipping = request.clone();
    skipping["onMissing"] = json!("skip");
    let mut recurring = skipping.clone();
    recurring["execSchedule"] = json!(YEARLY_CRON);
    let schedule = get_schedule_handle(&app.post("/export-schedules", recurring).await.expect_status(201));
    app.delete(format!("/assets/{}", handles[1])).await.expect_status(204);

    let refused = app.post("/export-jobs", request).await.expect_status(422);
    assert_eq!(
        (&refused["errors"][0]["code"], &refused["errors"][0]["pointer"]),
        (&json!("asset-not-found"), &json!("/assetHandleArray/1"))
    );
    assert!(refused["errors"][0]["detail"].as_str().unwrap().contains("onMissing: skip"));

    let dry = app.post("/export-jobs/validate", skipping.clone()).await.expect_status(200);
    assert_eq!((dry["items"].as_array().unwrap().len(), &dry["warnings"][0]["code"]), (2, &json!("skipped-missing")));
    let job = run_export(&app, skipping.clone()).await;
    assert_eq!((&job["counts"]["total"], &job["outcome"]), (&json!(2), &json!("succeededWithWarnings")));
    assert_eq!(job["onMissing"], "skip");
    assert!(job["warnings"][0]["detail"].as_str().unwrap().contains(&handles[1]), "{job}");
    let log = fetch_log(&app, job["jobHandle"].as_str().unwrap(), "code=missingSkipped").await;
    assert!(log[0]["message"].as_str().unwrap().starts_with("1 asset does not exist"), "{log:?}");

    make_schedules_due(&app).await;
    drain_work(&app).await;
    let shown = app.get(format!("/export-schedules/{schedule}")).await.expect_status(200);
    let run = fetch_job(&app, shown["lastRuns"][0]["jobHandle"].as_str().unwrap()).await;
    assert_eq!((&run["counts"]["total"], &run["outcome"]), (&json!(2), &json!("succeededWithWarnings")));

    // What is no handle is a mistake of the client; and nothing at all is no export.
    skipping["assetHandleArray"] = json!([handles[0], "not-a-handle"]);
    assert_eq!(
        app.post("/export-jobs", skipping.clone()).await.expect_status(422)["errors"][0]["code"],
        "asset-not-found"
    );
    skipping["assetHandleArray"] = json!([handles[1]]);
    assert_eq!(app.post("/export-jobs", skipping).await.expect_status(422)["errors"][0]["code"], "nothing-to-export");
    app.assert_consistent().await;
}

#[sqlx::test]
async fn a_retry_takes_new_content_only_when_asked(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let mut damaged = draw_jpeg(1);
    damaged.truncate(damaged.len() / 2);
    let asset = app.upload_asset("a.jpg", &damaged).await;
    let good = app.upload_asset("b.jpg", &draw_jpeg(2)).await;
    let request = json!({"assetHandleArray": [asset, good], "fmt": "convert", "is_modifier": "wid=20&fmt=png"});
    let job = create_job(&app, request).await;
    drain_work(&app).await;
    assert_eq!(fetch_job(&app, &job).await["outcome"], "partiallyFailed");
    let retry = format!("/export-jobs/{job}/retry");
    let unchanged = app.post(&retry, json!({})).await.expect_status(200);
    assert_eq!(unchanged["notices"], json!([]), "the asset has the same content");
    drain_work(&app).await;

    let content =
        TestRequest::put().uri(&format!("/assets/{asset}/content")).insert_header(("content-type", "image/jpeg"));
    app.send(content.set_payload(draw_jpeg(5))).await.expect_success();
    let old = app.post(&retry, json!({"refresh": false})).await.expect_status(200);
    assert_eq!(old["notices"][0]["code"], "outdated-content");
    assert!(old["notices"][0]["detail"].as_str().unwrap().contains("refresh"), "{old}");
    drain_work(&app).await;
    assert_eq!(fetch_job(&app, &job).await["outcome"], "partiallyFailed");
    let log = fetch_log(&app, &job, "code=retryRequested").await;
    assert!(log[1]["message"].as_str().unwrap().contains("the content from the creation of the job"), "{log:?}");

    let new = app.post(&retry, json!({"refresh": true})).await.expect_status(200);
    assert_eq!(new["notices"], json!([]), "the old notice is gone");
    drain_work(&app).await;
    let finished = fetch_job(&app, &job).await;
    assert_eq!((&finished["outcome"], &finished["run"]), (&json!("succeeded"), &json!(4)), "{finished}");
    let items = fetch_items(&app, &finished).await;
    assert_eq!((&items[0]["path"], &items[0]["state"]), (&json!("a.png"), &json!("succeeded")));
    let log = fetch_log(&app, &job, "code=retryRequested").await;
    assert!(log[2]["message"].as_str().unwrap().contains("the new content of its asset"), "{log:?}");
    let wrong = app.post(&retry, json!({"refresh": "yes"})).await.expect_status(422);
    assert_eq!(wrong["errors"][0]["pointer"], "/refresh");
    app.assert_consistent().await;
}

#[sqlx::test]
async fn validation_explains_the_modifier_as_the_check_does(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let asset = app.upload_asset("a.jpg", &draw_jpeg(1)).await;
    app.put("/image-presets/web", json!({"urlModifier": "wid=20&fmt=png"})).await.expect_success();
    let modifier = json!({"is_modifier": "wid=40&qlt=50", "macro": "$web$"});
    let checked = app.post("/modifier-check", modifier.clone()).await.expect_status(200);
    let mut request = modifier;
    request["assetHandleArray"] = json!([asset]);
    request["fmt"] = json!("convert");
    let dry = app.post("/export-jobs/validate", request.clone()).await.expect_status(200);
    assert_eq!(dry["modifiers"], json!([{"rendition": null, "meaning": checked}]));
    let renditions = json!([{"name": "s", "is_modifier": "wid=10"}, {"name": "m", "is_modifier": "wid=20&fmt=png"}]);
    let several = json!({"assetHandleArray": [asset], "fmt": "convert", "renditions": renditions});
    let dry = app.post("/export-jobs/validate", several).await.expect_status(200);
    let formats: Vec<&Value> =
        dry["modifiers"].as_array().unwrap().iter().map(|modifier| &modifier["meaning"]["format"]).collect();
    assert_eq!((&dry["modifiers"][1]["rendition"], formats), (&json!("m"), vec![&json!("jpeg"), &json!("png")]));
    let originals = json!({"assetHandleArray": [asset], "fmt": "orig"});
    assert_eq!(app.post("/export-jobs/validate", originals).await.expect_status(200)["modifiers"], json!([]));
}

#[sqlx::test]
async fn five_fields_of_unix_make_a_schedule(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let asset = app.upload_asset("a.jpg", &draw_jpeg(1)).await;
    let request = |cron: &str| json!({"assetHandleArray": [asset], "fmt": "orig", "execSchedule": cron});
    let dry = app.post("/export-jobs/validate", request("30 2 * * 1-5")).await.expect_status(200);
    let quartz = app.post("/export-jobs/validate", request("0 30 2 ? * MON-FRI")).await.expect_status(200);
    assert_eq!(dry["nextRuns"], quartz["nextRuns"]);
    assert_eq!(dry["nextRuns"].as_array().unwrap().len(), 5);
    app.post("/export-schedules", request("30 2 * * 1-5")).await.expect_status(201);
    let missing_field = app.post("/export-schedules", request("0 15 10 ? *")).await.expect_status(422);
    assert!(missing_field["detail"].to_string().len() > 4 && missing_field.to_string().contains("read as in Unix"));
}

/// As `folder`: for the files that follow, or for all when it stands behind them; never dropped.
#[sqlx::test]
async fn metadata_behind_the_files_counts(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let upload = async |form: &[&str]| {
        let part = |text: &&str| match text.strip_prefix("file ") {
            Some(name) => (format!("name=\"file\"; filename=\"{name}\""), name.as_bytes().to_vec()),
            None => ("name=\"metadata\"".to_owned(), format!("{{\"k\": {text:?}}}").into_bytes()),
        };
        let parts: Vec<(String, Vec<u8>)> = form.iter().map(part).collect();
        let parts = parts.iter().map(|(head, bytes)| (head, bytes.as_slice()));
        app.send(build_multipart_request(parts)).await
    };
    for (form, expected) in [
        (&["a", "file 1", "file 2"][..], [json!("a"), json!("a")]),
        (&["file 1", "file 2", "a"], [json!("a"), json!("a")]),
        (&["a", "file 1", "b", "file 2"], [json!("a"), json!("b")]),
        (&["file 1", "a", "file 2"], [Value::Null, json!("a")]),
    ] {
        let answer = upload(form).await.expect_status(201);
        let texts: Vec<&Value> =
            answer["assets"].as_array().unwrap().iter().map(|asset| &asset["metadata"]["k"]).collect();
        assert_eq!(texts, expected.iter().collect::<Vec<_>>(), "{form:?}");
    }
    for form in [&["a", "b", "file 1"][..], &["a", "file 1", "b"]] {
        let refused = upload(form).await.expect_status(422);
        assert_eq!(refused["errors"][0]["pointer"], "/metadata", "{form:?}");
    }
}

/// Another rendition of the item had succeeded with the old content: it is made again, and counted once.
#[sqlx::test]
async fn new_content_replaces_what_was_made_of_the_old(pool: PgPool) {
    let app = TestApp::with_settings(pool, |settings| settings.max_output_side = 50).await;
    let asset = app.upload_asset("a.png", &draw_image(ImageFormat::Png, 60, 60, 1)).await;
    let renditions =
        json!([{"name": "s", "is_modifier": "wid=10&fmt=png"}, {"name": "l", "is_modifier": "scl=1&fmt=png"}]);
    let job = create_job(&app, json!({"assetHandleArray": [asset], "fmt": "convert", "renditions": renditions})).await;
    drain_work(&app).await;
    let failed = fetch_job(&app, &job).await;
    assert_eq!((&failed["outcome"], &failed["files"]), (&json!("failed"), &json!(1)), "{failed}");
    let small = download_file(&app, &failed, "a-s.png").await;
    app.assert_consistent().await;

    let smaller = draw_image(ImageFormat::Png, 40, 40, 200);
    let content =
        TestRequest::put().uri(&format!("/assets/{asset}/content")).insert_header(("content-type", "image/png"));
    app.send(content.set_payload(smaller)).await.expect_success();
    let retried = app.post(format!("/export-jobs/{job}/retry"), json!({"refresh": true})).await.expect_status(200);
    assert_eq!((&retried["files"], &retried["bytes"]), (&json!(0), &json!(0)), "{retried}");
    app.assert_consistent().await;
    drain_work(&app).await;
    let finished = fetch_job(&app, &job).await;
    assert_eq!((&finished["outcome"], &finished["files"]), (&json!("succeeded"), &json!(2)), "{finished}");
    assert_ne!(download_file(&app, &finished, "a-s.png").await, small);
    app.assert_consistent().await;
}

#[sqlx::test]
async fn a_retry_says_that_there_is_no_new_content_of_a_deleted_asset(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let asset = app.upload_asset("a.jpg", &create_broken_jpeg()).await;
    let job = create_job(&app, json!({"assetHandleArray": [asset], "fmt": "convert", "is_modifier": "wid=20"})).await;
    drain_work(&app).await;
    app.delete(format!("/assets/{asset}")).await.expect_status(204);
    let retried = app.post(format!("/export-jobs/{job}/retry"), json!({"refresh": true})).await.expect_status(200);
    assert_eq!(retried["notices"][0]["code"], "outdated-content");
    assert!(retried["notices"][0]["detail"].as_str().unwrap().contains("were deleted"), "{retried}");
    drain_work(&app).await;
    app.assert_consistent().await;
}
