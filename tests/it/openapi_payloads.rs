//! What the service sends, compared with the document field by field: answers, manifest and webhooks of a job that has
//! results, failures and warnings.

use std::collections::BTreeSet;
use std::sync::Arc;

use offprint::http::document;
use offprint::jobs::CallbackPolicy;
use offprint::notify::webhook::{WEBHOOK_TIMEOUT, WebhookSender};
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::openapi_clients::assert_matches_schema;
use crate::support::export_jobs::drain_work;
use crate::support::images::{draw_image, draw_jpeg};
use crate::support::operations::list_document_operations;
use crate::support::test_app::TestApp;
use crate::support::webhook_receiver::ReceiverReply::Status;
use crate::support::webhook_receiver::{FakeResolver, WebhookReceiver};

/// Checks a value against the schema of an operation's JSON response.
fn assert_is_answer_of(name: &str, status: &str, value: &Value) {
    let document: Value = serde_json::from_str(document::get_document_json()).unwrap();
    let (_, operation) = list_document_operations().into_iter().find(|(other, _)| other == name).unwrap();
    let schema = &operation["responses"][status]["content"]["application/json"]["schema"];
    assert_matches_schema(&document, schema, value, name);
}

/// Checks that a value has all fields of a named schema, also those that may be absent elsewhere.
fn assert_is_complete(name: &str, value: &Value) {
    let document: Value = serde_json::from_str(document::get_document_json()).unwrap();
    let documented: BTreeSet<&String> =
        document["components"]["schemas"][name]["properties"].as_object().unwrap().keys().collect();
    assert_eq!(value.as_object().unwrap().keys().collect::<BTreeSet<_>>(), documented, "{name}");
}

/// A finished job of three assets, one of which failed, in two renditions with warnings; its path and what its webhook
/// received.
async fn run_mixed_job(app: &TestApp) -> (String, Value) {
    let receiver = WebhookReceiver::open(&[Status(204)]).await;
    let whole = draw_image(image::ImageFormat::Png, 60, 60, 1);
    let assets = [
        app.upload_asset("a.jpg", &draw_jpeg(1)).await,
        app.upload_asset("cut.png", &whole[..whole.len() / 2]).await,
        app.upload_asset("a.txt", b"no image").await,
    ];
    let request = json!({
        "assetHandleArray": assets, "fmt": "convert", "callbackUrl": receiver.url(), "jobName": "mixed",
        "metadata": {"order": "A-1"},
        "renditions": [{"name": "a", "is_modifier": "wid=9&cache=off"}, {"name": "b", "is_modifier": "wid=5&unheardOf=1"}],
    });
    let created = app.post("/export-jobs", request).await.expect_status(202);
    assert_is_answer_of("post /export-jobs", "202", &created);
    drain_work(app).await;
    let [message] = &receiver.messages()[..] else { panic!("one message") };
    (created["links"]["self"].as_str().unwrap().to_owned(), serde_json::from_str(&message.body).unwrap())
}

#[sqlx::test]
async fn answers_manifest_and_webhook_have_the_documented_fields(pool: PgPool) {
    let mut app = TestApp::open(pool).await;
    let callbacks = CallbackPolicy { allow_http: true, allowed_networks: vec!["127.0.0.0/8".parse().unwrap()] };
    let resolver = FakeResolver::new(&[&["127.0.0.1"]]);
    app.state.webhook_sender = Arc::new(WebhookSender::with_lookup(callbacks, resolver, WEBHOOK_TIMEOUT));
    let (job, message) = run_mixed_job(&app).await;
    let document: Value = serde_json::from_str(document::get_document_json()).unwrap();
    assert_matches_schema(&document, &json!({"$ref": "#/components/schemas/WebhookEvent"}), &message, "webhook");
    assert_is_complete("WebhookEvent", &message);
    assert_is_complete("WebhookEventData", &message["data"]);

    let shown = app.get(&job).await.expect_status(200);
    assert_eq!(shown["outcome"], "partiallyFailed");
    assert_is_answer_of("get /export-jobs/{jobHandle}", "200", &shown);
    let manifest = app.get(format!("{job}/manifest")).await.expect_status(200);
    assert_eq!(manifest["items"].as_array().unwrap().len(), 5, "two files of an image, each failed one, and the text");
    assert!(manifest["items"].as_array().unwrap().iter().any(|line| line["failure"].is_object()), "{manifest}");
    assert_is_answer_of("get /export-jobs/{jobHandle}/manifest", "200", &manifest);
    assert_is_complete("ExportManifest", &manifest);
    assert_is_complete("ExportManifestCounts", &manifest["counts"]);
    manifest["items"].as_array().unwrap().iter().for_each(|line| assert_is_complete("ExportManifestItem", line));
    for list in ["files", "items", "deliveries"] {
        let page = app.get(format!("{job}/{list}")).await.expect_status(200);
        assert!(!page["items"].as_array().unwrap().is_empty(), "{list}");
        assert_is_answer_of(&format!("get /export-jobs/{{jobHandle}}/{list}"), "200", &page);
    }
    for list in ["/export-jobs", "/assets"] {
        assert_is_answer_of(&format!("get {list}"), "200", &app.get(list).await.expect_status(200));
    }
}

/// Generated clients accept every type of an operation, or only that of problems.
#[sqlx::test]
async fn a_manifest_is_json_unless_csv_is_preferred(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let asset = app.upload_asset("a.txt", b"bytes").await;
    let request = json!({"assetHandleArray": [asset], "fmt": "orig"});
    let job = app.post("/export-jobs", request).await.expect_status(202)["links"]["self"].as_str().unwrap().to_owned();
    drain_work(&app).await;
    for (accept, is_csv) in [
        ("*/*", false),
        ("application/json, text/csv, application/problem+json", false),
        ("application/problem+json", false),
        ("text/csv, application/json;q=0.5", true),
        ("text/csv", true),
    ] {
        let answer = app.get_with_header(format!("{job}/manifest"), "accept", accept).await;
        let expected = if is_csv { "text/csv; charset=utf-8" } else { "application/json" };
        assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, expected), "{accept}");
        assert_eq!(answer.body.starts_with(b"{"), !is_csv, "{accept}");
    }
}
