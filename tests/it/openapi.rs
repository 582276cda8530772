//! The OpenAPI document: committed, complete, and with examples that work.

use std::collections::BTreeMap;
use std::path::Path;

use actix_web::http::Method;
use actix_web::test::TestRequest;
use offprint::cli::admin;
use offprint::http::document;
use offprint::http::operations::{self, AuditClass, BodyRule, Deadline, Idempotency, OPERATIONS, Route};
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::support::export_jobs::{create_job, drain_work};
use crate::support::images::{create_broken_jpeg, draw_jpeg};
use crate::support::operations::list_document_operations;
use crate::support::test_app::TestApp;

#[test]
fn the_committed_document_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi/openapi.json");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, document::get_document_json()).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == document::get_document_json(),
        "openapi/openapi.json is not what the code says; run the tests once with UPDATE=1"
    );
}

#[test]
fn the_operation_table_and_the_document_agree() {
    let mut rows: BTreeMap<String, Option<String>> = BTreeMap::new();
    for row in OPERATIONS {
        let id = |suffix: &str| row.is_documented.then(|| format!("{}{suffix}", row.id));
        let path = row.document_path();
        assert!(rows.insert(row.name(), id("")).is_none(), "{} has two rows", row.name());
        if row.has_head {
            rows.insert(format!("HEAD {path}"), id("Head"));
        }
        let is_write = !matches!(row.method, "GET" | "OPTIONS");
        assert!(is_write || row.audit != AuditClass::Changes, "{} is a read", row.name());
    }
    let documented: BTreeMap<String, Option<String>> = list_document_operations()
        .into_iter()
        .map(|(name, operation)| {
            let (method, path) = name.split_once(' ').unwrap();
            (format!("{} {path}", method.to_uppercase()), operation["operationId"].as_str().map(str::to_owned))
        })
        .collect();
    rows.retain(|_, id| id.is_some());
    assert_eq!(rows, documented);
    for (name, operation) in list_document_operations() {
        let (method, path) = name.split_once(' ').unwrap();
        let row = operations::find_documented_operation(&method.to_uppercase(), path).unwrap();
        let kinds: Vec<&String> =
            operation["requestBody"]["content"].as_object().into_iter().flatten().map(|(kind, _)| kind).collect();
        let expected: &[&str] = match row.body {
            BodyRule::Empty => &[],
            BodyRule::Json | BodyRule::OptionalJson | BodyRule::ExportRequest => &["application/json"],
            BodyRule::ExportList => &["application/json", "text/csv", "text/plain"],
            BodyRule::CatalogFiles => &["application/json", "text/plain", "text/tab-separated-values"],
            BodyRule::Addresses => &["application/octet-stream", "text/plain", "text/xml"],
            BodyRule::Records => &["application/json", "application/x-ndjson", "text/csv"],
            BodyRule::Form | BodyRule::FileForm => &["multipart/form-data"],
            BodyRule::PageForm | BodyRule::ConsoleForm => &["application/x-www-form-urlencoded"],
            BodyRule::Bytes if path.starts_with("/uploads/") => &["application/offset+octet-stream"],
            BodyRule::Bytes => &["application/octet-stream"],
        };
        assert_eq!(kinds, expected, "{name}");
        let parameters: Vec<&str> = operation["parameters"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|parameter| parameter["name"].as_str())
            .collect();
        assert_eq!(row.idempotency == Idempotency::Key, parameters.contains(&"Idempotency-Key"), "{name}");
        assert_eq!(row.deadline == Deadline::Wait, parameters.contains(&"wait"), "{name}");
    }
}

#[test]
fn every_path_of_the_table_finds_its_own_row() {
    for row in OPERATIONS {
        let path = row
            .path
            .split('/')
            .map(|part| if part.starts_with('{') { "x" } else { part })
            .collect::<Vec<_>>()
            .join("/");
        let found = Route::find(row.method, &path).operation().map(|found| found.id);
        assert_eq!(found, Some(row.id), "{path} is hidden by another row");
        assert!(Route::find("BREW", &path).operation().is_none());
        if row.method == "GET" {
            let head = Route::find("HEAD", &path).operation().map(|found| found.id);
            assert_eq!(head, Some(row.id), "HEAD {path}");
        }
    }
    assert!(matches!(Route::find("GET", "//assets"), Route::Unknown));
    assert!(matches!(Route::find("GET", "/Assets"), Route::Unknown));
}

/// What lists and texts in bodies have no limit, as pointers into the schemas that requests use.
fn find_unlimited(document: &Value, schema: &Value, at: &str, found: &mut Vec<String>) {
    let schema = match schema["$ref"].as_str() {
        Some(target) => document.pointer(&target[1..]).unwrap(),
        None => schema,
    };
    let has_type = |kind: &str| {
        schema["type"] == kind || schema["type"].as_array().is_some_and(|kinds| kinds.contains(&kind.into()))
    };
    let is_closed =
        schema.get("enum").is_some() || matches!(schema["format"].as_str(), Some("uuid" | "date-time" | "binary"));
    if has_type("array") && schema.get("maxItems").is_none()
        || has_type("string") && schema.get("maxLength").is_none() && !is_closed
    {
        found.push(at.to_owned());
    }
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        find_unlimited(document, field, &format!("{at}/{name}"), found);
    }
    for choice in schema["oneOf"].as_array().into_iter().chain(schema["allOf"].as_array()).flatten() {
        find_unlimited(document, choice, at, found);
    }
    if let Some(items) = schema.get("items").filter(|items| items.is_object()) {
        find_unlimited(document, items, &format!("{at}/0"), found);
    }
}

#[test]
fn every_text_and_list_in_a_json_body_has_a_limit() {
    let document: Value = serde_json::from_str(document::get_document_json()).unwrap();
    let mut found = Vec::new();
    for (name, operation) in list_document_operations() {
        let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
        if schema.is_object() {
            find_unlimited(&document, schema, &name, &mut found);
        }
    }
    // Limited elsewhere: by OFFPRINT_MAX_ITEMS and the size of the body; by the checks of mail addresses, of patterns and of paths.
    let elsewhere = ["/assets", "/notifyEmails/0", "/include/0", "/exclude/0", "/paths/0"];
    found.retain(|at| !at.contains("/assetHandleArray") && !elsewhere.iter().any(|end| at.ends_with(end)));
    assert_eq!(found, [""; 0]);
}

#[test]
fn every_operation_is_described() {
    let mut ids = std::collections::HashSet::new();
    for (name, operation) in list_document_operations() {
        for field in ["summary", "operationId"] {
            assert!(operation[field].as_str().is_some_and(|text| !text.is_empty()), "{name} has no {field}");
        }
        // GET and HEAD of one path are one operation here and share its ID.
        let id = format!("{}{}", if name.starts_with("head") { "head " } else { "" }, operation["operationId"]);
        assert!(ids.insert(id), "{name} shares its operationId with another operation");
        assert_eq!(operation["tags"].as_array().map(Vec::len), Some(1), "{name} must have exactly one tag");
        let responses = operation["responses"].as_object().unwrap();
        let open = operation["security"].as_array().unwrap().is_empty();
        assert!(responses.contains_key("500"), "{name} lacks the common problem responses");
        assert!(open != responses.contains_key("401"), "{name}: security and the 401 response contradict each other");
        for (status, response) in responses {
            assert!(
                response["description"].as_str().is_some_and(|text| !text.is_empty()),
                "{name} {status} is not described"
            );
            // Responses to HEAD have no body.
            if status.starts_with(['4', '5']) && !name.contains("/health/") && !name.starts_with("head ") {
                let schema = response["content"]["application/problem+json"]["schema"]["$ref"].as_str();
                assert!(
                    schema.is_some_and(|schema| schema.ends_with("/Problem")),
                    "{name} {status} has no problem schema"
                );
            }
        }
        if let Some(body) = operation["requestBody"]["content"].as_object() {
            // Swagger UI would send an example of a form in place of the chosen files; its fields have examples.
            let shown = body.iter().all(|(mime, content)| {
                mime.starts_with("multipart/") || content.get("example").or(content.get("examples")).is_some()
            });
            assert!(shown, "{name} has a body without an example");
        }
    }
}

#[test]
fn every_reference_leads_somewhere() {
    let document: Value = serde_json::from_str(document::get_document_json()).unwrap();
    let text = document::get_document_json();
    for part in text.split("\"$ref\": \"#").skip(1) {
        let pointer = part.split('"').next().unwrap();
        assert!(document.pointer(pointer).is_some(), "{pointer} is not in the document");
    }
    assert_eq!(document["info"]["title"], "Offprint");
    assert_eq!(document["openapi"].as_str().map(|version| &version[..3]), Some("3.1"));
}

/// Every schema anywhere below a value.
fn collect_schemas<'a>(value: &'a Value, schemas: &mut Vec<&'a Value>) {
    match value {
        Value::Object(fields) => {
            schemas.push(value);
            fields.values().for_each(|value| collect_schemas(value, schemas));
        }
        Value::Array(values) => values.iter().for_each(|value| collect_schemas(value, schemas)),
        _ => {}
    }
}

#[test]
fn no_schema_asks_for_two_types_at_once() {
    let document: Value = serde_json::from_str(document::get_document_json()).unwrap();
    let kind = |part: &Value| match part["$ref"].as_str() {
        Some(target) => document.pointer(&target[1..]).unwrap()["type"].clone(),
        None => part["type"].clone(),
    };
    let mut schemas = Vec::new();
    collect_schemas(&document, &mut schemas);
    let joined = schemas.iter().filter_map(|schema| schema.get("allOf")?.as_array());
    let mut count = 0;
    for parts in joined {
        count += 1;
        let kinds: Vec<Value> = parts.iter().map(kind).filter(|kind| !kind.is_null()).collect();
        assert!(kinds.windows(2).all(|pair| pair[0] == pair[1]), "no value can satisfy all of {parts:?}");
    }
    assert!(count > 0);
}

/// The path with a value for each of its parameters: a handle of `known`, or the example.
fn fill_example_address(path: &str, operation: &Value, known: &[(&str, String)]) -> String {
    let parameters = operation["parameters"].as_array().into_iter().flatten();
    parameters.filter(|parameter| parameter["in"] == "path").fold(path.to_owned(), |path, parameter| {
        let (name, example) = (parameter["name"].as_str().unwrap(), parameter["example"].as_str());
        let known = known.iter().find(|(known, _)| *known == name).map(|(_, handle)| handle.as_str());
        let value = known.or(example).unwrap_or_else(|| panic!("{path}: {name} has no example"));
        path.replace(&format!("{{{name}}}"), value)
    })
}

/// The example bodies of an operation with their names, in document order.
fn list_examples(operation: &Value) -> Vec<(String, Value)> {
    let content = &operation["requestBody"]["content"]["application/json"];
    let several = content["examples"].as_object().into_iter().flatten();
    let several = several.map(|(name, example)| (name.clone(), example["value"].clone()));
    content.get("example").map(|only| ("the example".to_owned(), only.clone())).into_iter().chain(several).collect()
}

/// Handles that the document cannot know, of a service with assets in the folder.
async fn create_known_objects(app: &TestApp, asset: &str) -> Vec<(&'static str, String)> {
    let request = json!({"assetFilter": {"type": "Image"}, "fmt": "orig", "execSchedule": "0 0 12 * * ?"});
    let mut once = request.clone();
    once.as_object_mut().unwrap().remove("execSchedule");
    let read_handle = |object: Value, name: &str| object[name].as_str().unwrap().to_owned();
    let job = read_handle(app.post("/export-jobs", once).await.expect_status(202), "jobHandle");
    let schedule = read_handle(app.post("/export-schedules", request).await.expect_status(201), "scheduleHandle");
    vec![("jobHandle", job), ("scheduleHandle", schedule), ("assetHandle", asset.to_owned())]
}

/// A finished job with a failed item.
async fn create_failed_job(app: &TestApp) -> String {
    let asset = app.upload_asset("broken.jpg", &create_broken_jpeg()).await;
    let job = create_job(app, json!({"assetHandleArray": [asset], "fmt": "convert", "is_modifier": "wid=9"})).await;
    drain_work(app).await;
    job
}

/// Sends the examples of all operations, with `asset` in place of the sample asset; returns how many there were.
async fn send_examples(app: &TestApp, asset: &str) -> usize {
    let failed = create_failed_job(app).await;
    let known = create_known_objects(app, asset).await;
    let mut sent = 0;
    for (name, operation) in list_document_operations() {
        let (method, path) = name.split_once(' ').unwrap();
        for (example, body) in list_examples(&operation) {
            let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
            // Only a job with failed items can be retried.
            let path = if path.ends_with("/retry") { &path.replace("{jobHandle}", &failed) } else { path };
            let address = fill_example_address(path, &operation, &known);
            let body = body.to_string().replace(SAMPLE_ASSET, asset);
            let request =
                TestRequest::default().method(method).uri(&address).insert_header(("content-type", "application/json"));
            let answer = app.send(request.set_payload(body)).await;
            let text = String::from_utf8_lossy(&answer.body);
            assert!(answer.status.is_success(), "{name}, {example}: {} {text}", answer.status);
            sent += 1;
        }
    }
    sent
}

/// The asset of `offprint admin seed`.
const SAMPLE_ASSET: &str = "00000000-0000-7000-8000-000000000001";

#[sqlx::test]
async fn every_example_works_when_pasted_into_a_seeded_service(pool: PgPool) {
    let app = TestApp::open(pool).await;
    admin::register_samples(&app.state.system, &app.state.storage, app.state.company).await.unwrap();
    let sent = send_examples(&app, SAMPLE_ASSET).await;
    assert!(sent >= 14, "only {sent} examples were found");
}

#[sqlx::test]
async fn every_example_works_after_one_upload(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let asset = app.upload_asset("mine.jpg", &draw_jpeg(1)).await;
    let sent = send_examples(&app, &asset).await;
    assert!(sent >= 14, "only {sent} examples were found");
}

#[test]
fn examples_of_requests_name_nothing_that_a_fresh_service_lacks() {
    for (name, operation) in list_document_operations() {
        let is_json = operation["requestBody"]["content"].get("application/json").is_some();
        let examples = list_examples(&operation);
        // Without an example Swagger UI would fill in the words of the schema.
        assert!(!is_json || !examples.is_empty(), "{name} has no example");
        for (example, body) in examples {
            let text = body.to_string();
            // A set consists of handles of existing assets; no other example can need one.
            assert!(name == "post /asset-sets" || !text.contains("0000-7000-"), "{name}, {example}: {text}");
            assert!(!text.contains("$"), "{name}, {example} calls an image preset: {text}");
        }
    }
}

#[sqlx::test]
async fn the_documented_example_gives_the_documented_file(pool: PgPool) {
    let app = TestApp::open(pool).await;
    admin::register_samples(&app.state.system, &app.state.storage, app.state.company).await.unwrap();
    let documented = json!({
        "assetHandleArray": [SAMPLE_ASSET], "fmt": "convert", "is_modifier": "&fmt=png", "macro": "$test$",
        "emailSetting": "None"
    });
    let job = app.post("/export-jobs", documented).await.expect_status(202);
    offprint::worker::drain_work(&app.state).await.unwrap();
    let files = app.get(job["links"]["files"].as_str().unwrap()).await.expect_status(200);
    assert_eq!(files["items"][0]["path"], "fileToExport.tiff");
    assert_eq!(files["items"][0]["width"], 640);
}

#[test]
fn every_list_says_how_to_turn_its_pages() {
    let mut lists = 0;
    for (name, operation) in list_document_operations() {
        let schema = &operation["responses"]["200"]["content"]["application/json"]["schema"]["$ref"];
        // The lists of workers, connections and destinations are short and not paged.
        let short = ["get /workers", "get /connections", "get /export-jobs/{jobHandle}/destinations"];
        let is_whole = short.contains(&name.as_str());
        if !schema.as_str().is_some_and(|schema| schema.ends_with("Page")) || is_whole {
            continue;
        }
        lists += 1;
        let names: Vec<&str> =
            operation["parameters"].as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap()).collect();
        assert!(names.contains(&"limit") && names.contains(&"cursor"), "{name} has the parameters {names:?} only");
    }
    assert!(lists > 10, "only {lists} lists were found");
}
