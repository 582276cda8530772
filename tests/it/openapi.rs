//! The OpenAPI document as a product: committed, complete, and its examples work.

use std::path::Path;

use actix_web::http::Method;
use actix_web::test::TestRequest;
use offprint::api::document;
use offprint::cli::admin;
use serde_json::Value;
use sqlx::PgPool;

use crate::house::House;

/// Every operation with its address and method.
fn operations() -> Vec<(String, Value)> {
    let document: Value = serde_json::from_str(document::text()).unwrap();
    let paths = document["paths"].as_object().unwrap().clone();
    let methods = |(path, item): (String, Value)| {
        let of = |(method, operation): (&String, &Value)| (format!("{method} {path}"), operation.clone());
        item.as_object().unwrap().iter().filter(|(name, _)| *name != "parameters").map(of).collect::<Vec<_>>()
    };
    paths.into_iter().flat_map(methods).collect()
}

#[test]
fn the_committed_document_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi/openapi.json");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, document::text()).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == document::text(),
        "openapi/openapi.json is not what the code says; run the tests once with UPDATE=1"
    );
}

#[test]
fn every_operation_is_described() {
    let mut ids = std::collections::HashSet::new();
    for (name, operation) in operations() {
        for field in ["summary", "operationId"] {
            assert!(operation[field].as_str().is_some_and(|text| !text.is_empty()), "{name} has no {field}");
        }
        // GET and HEAD of one address are one operation to us, and share its id.
        let id = format!("{}{}", if name.starts_with("head") { "head " } else { "" }, operation["operationId"]);
        assert!(ids.insert(id), "{name} shares its operationId with another operation");
        assert_eq!(operation["tags"].as_array().map(Vec::len), Some(1), "{name} has not one tag");
        let responses = operation["responses"].as_object().unwrap();
        let open = operation["security"].as_array().unwrap().is_empty();
        assert!(responses.contains_key("500"), "{name} lacks the common problems");
        assert!(
            open != responses.contains_key("401"),
            "{name} needs a key and does not say so, or says so and does not"
        );
        for (status, response) in responses {
            assert!(
                response["description"].as_str().is_some_and(|text| !text.is_empty()),
                "{name} {status} is not described"
            );
            if status.starts_with(['4', '5']) && !name.contains("/health/") {
                let schema = response["content"]["application/problem+json"]["schema"]["$ref"].as_str();
                assert!(
                    schema.is_some_and(|schema| schema.ends_with("/Problem")),
                    "{name} {status} has no problem schema"
                );
            }
        }
        if let Some(body) = operation["requestBody"]["content"].as_object() {
            // An example of a form would be sent in place of the files that somebody chooses; its fields have their own.
            let shown = body.iter().all(|(mime, content)| {
                mime.starts_with("multipart/") || content.get("example").or(content.get("examples")).is_some()
            });
            assert!(shown, "{name} has a body without an example");
        }
    }
}

#[test]
fn every_reference_leads_somewhere() {
    let document: Value = serde_json::from_str(document::text()).unwrap();
    let text = document::text();
    for part in text.split("\"$ref\": \"#").skip(1) {
        let pointer = part.split('"').next().unwrap();
        assert!(document.pointer(pointer).is_some(), "{pointer} is not in the document");
    }
    assert_eq!(document["info"]["title"], "Offprint");
    assert_eq!(document["openapi"].as_str().map(|version| &version[..3]), Some("3.1"));
}

/// Every schema that stands anywhere in a value.
fn schemas<'a>(value: &'a Value, found: &mut Vec<&'a Value>) {
    match value {
        Value::Object(fields) => {
            found.push(value);
            fields.values().for_each(|value| schemas(value, found));
        }
        Value::Array(values) => values.iter().for_each(|value| schemas(value, found)),
        _ => {}
    }
}

#[test]
fn no_schema_asks_for_two_types_at_once() {
    let document: Value = serde_json::from_str(document::text()).unwrap();
    let kind = |part: &Value| match part["$ref"].as_str() {
        Some(target) => document.pointer(&target[1..]).unwrap()["type"].clone(),
        None => part["type"].clone(),
    };
    let mut found = Vec::new();
    schemas(&document, &mut found);
    let joined = found.iter().filter_map(|schema| schema.get("allOf")?.as_array());
    let mut seen = 0;
    for parts in joined {
        seen += 1;
        let kinds: Vec<Value> = parts.iter().map(kind).filter(|kind| !kind.is_null()).collect();
        assert!(kinds.windows(2).all(|pair| pair[0] == pair[1]), "nothing can be all of {parts:?}");
    }
    assert!(seen > 0);
}

/// The address with the example of each of its parameters.
fn address(path: &str, operation: &Value) -> String {
    let parameters = operation["parameters"].as_array().into_iter().flatten();
    parameters.filter(|parameter| parameter["in"] == "path").fold(path.to_owned(), |path, parameter| {
        let (name, example) = (parameter["name"].as_str().unwrap(), parameter["example"].as_str());
        let place = format!("{{{name}}}");
        if !path.contains(&place) {
            return path;
        }
        path.replace(&place, example.unwrap_or_else(|| panic!("{path}: {name} has no example")))
    })
}

/// The JSON bodies that the document shows for an operation, with their names, in the order in which it shows them.
fn examples(operation: &Value) -> Vec<(String, Value)> {
    let content = &operation["requestBody"]["content"]["application/json"];
    let several = content["examples"].as_object().into_iter().flatten();
    let several = several.map(|(name, example)| (name.clone(), example["value"].clone()));
    content.get("example").map(|only| ("the example".to_owned(), only.clone())).into_iter().chain(several).collect()
}

#[sqlx::test]
async fn every_example_works_when_pasted_into_a_seeded_service(pool: PgPool) {
    let house = House::open(pool).await;
    admin::register(&house.state.system, &house.state.storage, house.state.company).await.unwrap();
    // No document knows the handle of a job or a schedule: whoever pastes takes that of his own.
    let order = serde_json::json!({"assetFilter": {"folder": "samples"}, "fmt": "orig"});
    let job = house.post("/export-jobs", order).await.is(202)["jobHandle"].as_str().unwrap().to_owned();
    let order =
        serde_json::json!({"assetFilter": {"folder": "samples"}, "fmt": "orig", "execSchedule": "0 0 12 * * ?"});
    let schedule = house.post("/export-schedules", order).await.is(201)["scheduleHandle"].as_str().unwrap().to_owned();
    let mut sent = 0;
    for (name, operation) in operations() {
        let (method, path) = name.split_once(' ').unwrap();
        for (example, body) in examples(&operation) {
            let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
            let path = path.replace("{jobHandle}", &job).replace("{scheduleHandle}", &schedule);
            let address = address(&path, &operation);
            let request = TestRequest::default().method(method).uri(&address).set_json(&body);
            let answer = house.send(request).await;
            let said = String::from_utf8_lossy(&answer.body);
            assert!(answer.status.is_success(), "{name}, {example}: {} {said}", answer.status);
            sent += 1;
        }
    }
    assert!(sent >= 8, "only {sent} examples were found");
}

#[sqlx::test]
async fn the_documented_example_comes_first_and_gives_the_documented_file(pool: PgPool) {
    let house = House::open(pool).await;
    admin::register(&house.state.system, &house.state.storage, house.state.company).await.unwrap();
    let (_, operation) = operations().into_iter().find(|(name, _)| name == "post /export-jobs").unwrap();
    let (_, first) = examples(&operation).into_iter().next().unwrap();
    assert_eq!((&first["is_modifier"], &first["macro"]), (&"&fmt=png".into(), &"$test$".into()));
    let job = house.post("/export-jobs", first).await.is(202);
    offprint::worker::drain(&house.state).await.unwrap();
    let files = house.get(job["links"]["files"].as_str().unwrap()).await.is(200);
    assert_eq!(files["items"][0]["path"], "fileToExport.tiff");
    assert_eq!(files["items"][0]["width"], 640);
}

#[test]
fn every_list_says_how_to_turn_its_pages() {
    let mut lists = 0;
    for (name, operation) in operations() {
        let schema = &operation["responses"]["200"]["content"]["application/json"]["schema"]["$ref"];
        // All workers stand on one page.
        if !schema.as_str().is_some_and(|schema| schema.contains("/Page_")) || name == "get /workers" {
            continue;
        }
        lists += 1;
        let said: Vec<&str> =
            operation["parameters"].as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap()).collect();
        assert!(said.contains(&"limit") && said.contains(&"cursor"), "{name} has the parameters {said:?} only");
    }
    assert!(lists > 10, "only {lists} lists were found");
}
