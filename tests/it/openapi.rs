//! The OpenAPI document as a product: committed, complete, and its examples work.

use std::path::Path;

use offprint::api::document;
use serde_json::Value;

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
        assert!(responses.contains_key("500") && responses.contains_key("401"), "{name} lacks the common problems");
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
            let shown = body.values().all(|content| content.get("example").or(content.get("examples")).is_some());
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
