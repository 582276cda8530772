//! What generators of clients need of the OpenAPI document. Each test walks all operations or schemas: what breaks one
//! generated client breaks it at every place of its kind.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;

use actix_web::test::TestRequest;
use offprint::http::document;
use offprint::http::operations::{self, Idempotency};
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::support::operations::list_document_operations;
use crate::support::test_app::TestApp;

fn read_document() -> Value {
    serde_json::from_str(document::get_document_json()).unwrap()
}

/// The parameters of an operation with their places.
fn list_parameters(operation: &Value) -> Vec<&Value> {
    operation["parameters"].as_array().into_iter().flatten().collect()
}

/// The bodies of an operation's successful responses, with status and media type.
fn list_success_bodies(operation: &Value) -> Vec<(&str, &str, &Value)> {
    let responses = operation["responses"].as_object().unwrap().iter().filter(|(status, _)| status.starts_with('2'));
    responses
        .flat_map(|(status, response)| {
            let content = response["content"].as_object().into_iter().flatten();
            content.map(move |(media_type, body)| (status.as_str(), media_type.as_str(), body))
        })
        .collect()
}

/// The schema, or the one that it refers to.
fn resolve<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    match schema["$ref"].as_str() {
        Some(target) => document.pointer(&target[1..]).unwrap_or_else(|| panic!("{target} leads nowhere")),
        None => schema,
    }
}

/// Calls `visit` with every object below a value, and with its place.
fn walk(value: &Value, place: &str, visit: &mut impl FnMut(&str, &Value)) {
    match value {
        Value::Object(fields) => {
            visit(place, value);
            fields.iter().for_each(|(name, field)| walk(field, &format!("{place}/{name}"), visit));
        }
        Value::Array(values) => {
            values.iter().enumerate().for_each(|(index, value)| walk(value, &format!("{place}/{index}"), visit));
        }
        _ => {}
    }
}

#[test]
fn every_body_has_a_schema_and_bytes_are_binary() {
    let (mut bytes, binary) = (0, json!({"type": "string", "format": "binary"}));
    for (name, operation) in list_document_operations() {
        let requests = operation["requestBody"]["content"].as_object().into_iter().flatten();
        let requests = requests.map(|(media_type, body)| ("request", media_type.as_str(), body));
        for (place, media_type, body) in list_success_bodies(&operation).into_iter().chain(requests) {
            let schema = &body["schema"];
            assert!(schema.as_object().is_some_and(|schema| !schema.is_empty()), "{name} {place} {media_type}");
            assert!(!media_type.contains('*'), "{name} {place}: generators do not know {media_type}");
            let is_text = ["text/", "application/json", "application/x-ndjson", "multipart/"]
                .iter()
                .any(|kind| media_type.starts_with(kind));
            if !is_text {
                assert_eq!(*schema, binary, "{name} {place} {media_type}");
                bytes += 1;
            }
        }
        let kinds: BTreeSet<&str> = list_success_bodies(&operation)
            .iter()
            .filter(|(_, _, body)| body["schema"] == binary)
            .map(|(_, media_type, _)| *media_type)
            .collect();
        assert!(kinds.is_empty() || kinds.contains("application/octet-stream"), "{name} {kinds:?}");
    }
    assert!(bytes >= 10, "only {bytes} bodies are bytes");
}

#[test]
fn every_operation_has_one_success_type() {
    for (name, operation) in list_document_operations() {
        // A page of events and a stream of them, the manifest as JSON and as CSV: the client asks for the second.
        let types: BTreeSet<String> = list_success_bodies(&operation)
            .iter()
            .filter(|(_, media_type, _)| {
                !media_type.starts_with("text/") || operation["responses"].get("200").is_none()
            })
            .map(|(_, _, body)| body["schema"].to_string())
            .collect();
        assert!(types.len() <= 1, "{name} answers with {types:?}");
        let with_body = operation["responses"]
            .as_object()
            .unwrap()
            .iter()
            .filter(|(status, response)| status.starts_with('2') && response.get("content").is_some());
        let is_head = name.starts_with("head ");
        assert!(!is_head || with_body.count() == 0, "{name}: a response to HEAD has no body");
    }
}

#[test]
fn handles_are_uuids_wherever_they_stand() {
    let document = read_document();
    let mut handles = 0;
    let mut check = |place: &str, name: &str, schema: &Value| {
        if !name.ends_with("Handle") {
            return;
        }
        let variants = schema["oneOf"].as_array().cloned().unwrap_or_else(|| vec![schema.clone()]);
        let is_uuid = |schema: &Value| resolve(&document, schema)["format"] == "uuid";
        assert!(variants.iter().any(is_uuid), "{place}: {name} is {schema}");
        handles += 1;
    };
    for (name, operation) in list_document_operations() {
        for parameter in list_parameters(&operation) {
            check(&name, parameter["name"].as_str().unwrap(), &parameter["schema"]);
        }
    }
    walk(&document["components"]["schemas"], "", &mut |place, schema| {
        for (name, field) in schema["properties"].as_object().into_iter().flatten() {
            check(place, name, field);
        }
    });
    assert!(handles > 50, "only {handles} handles were found");
}

/// What generators make of a name: in most languages letters and digits, without regard to case.
fn build_identifier(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_lowercase()
}

#[test]
fn no_two_parameters_have_one_identifier() {
    for (name, operation) in list_document_operations() {
        let mut seen = BTreeMap::new();
        for parameter in list_parameters(&operation) {
            let place = format!("{} {}", parameter["in"], parameter["name"]);
            let earlier = seen.insert(build_identifier(parameter["name"].as_str().unwrap()), place.clone());
            assert_eq!(earlier, None, "{name}: {place}");
        }
    }
    let document = read_document();
    let mut names = BTreeMap::new();
    for schema in document["components"]["schemas"].as_object().unwrap().keys() {
        // A client in Go has a function `NewJob` for a type `Job`.
        for name in [schema.clone(), format!("New{schema}")] {
            let earlier = names.insert(build_identifier(&name), schema);
            assert_eq!(earlier, None, "{name}");
        }
    }
}

#[test]
fn pages_are_named_and_refer_to_their_items() {
    let document = read_document();
    let schemas = document["components"]["schemas"].as_object().unwrap();
    let pages: Vec<&String> = schemas.keys().filter(|name| name.ends_with("Page")).collect();
    assert!(pages.len() >= 12, "{pages:?}");
    for page in pages {
        let item = page.strip_suffix("Page").unwrap();
        assert_eq!(
            schemas[page]["properties"]["items"]["items"],
            json!({"$ref": format!("#/components/schemas/{item}")}),
            "{page}"
        );
        assert!(schemas.contains_key(item), "{page} has no {item}");
    }
    assert!(schemas.keys().all(|name| name.chars().all(char::is_alphanumeric)), "generic names are left");
    // A copy of a schema in another place is a second type in every client.
    let named: BTreeMap<String, &String> = schemas
        .iter()
        .filter(|(_, schema)| schema.get("properties").is_some() || schema.get("allOf").is_some())
        .map(|(name, schema)| (schema.to_string(), name))
        .collect();
    walk(&document, "", &mut |place, value| {
        let is_own_place = place.starts_with("/components/schemas/") && place.matches('/').count() == 3;
        if let Some(name) = named.get(&value.to_string()).filter(|_| !is_own_place) {
            panic!("{place} is a copy of {name}");
        }
    });
}

#[test]
fn codes_are_an_open_list() {
    let document = read_document();
    let code = &document["components"]["schemas"]["Code"];
    assert_eq!((&code["type"], code.get("enum")), (&json!("string"), None));
    assert!(code["examples"].as_array().unwrap().len() > 50, "{code}");
    walk(&document["components"]["schemas"], "", &mut |place, schema| {
        if let Some(code) = schema["properties"].get("code") {
            assert!(resolve(&document, code).get("enum").is_none(), "{place}/code is a closed list");
        }
    });
}

#[test]
fn parameters_are_plain_and_optional_ones_have_no_example() {
    let document = read_document();
    for (name, operation) in list_document_operations() {
        for parameter in list_parameters(&operation) {
            let place = format!("{name}: {}", parameter["name"]);
            assert!(
                !parameter["schema"]["type"].is_array() && parameter["schema"].get("oneOf").is_none(),
                "{place} can be null, but an absent parameter is not sent"
            );
            // Swagger UI sends what stands there: a filter that matches nothing, a language that nobody asked for.
            let is_required = parameter["required"] == true;
            assert!(is_required || parameter.get("example").is_none(), "{place} is optional and has an example");
            let schema = &parameter["schema"];
            assert!(is_required || schema.get("example").or(schema.get("examples")).is_none(), "{place}");
        }
        let form = &operation["requestBody"]["content"]["multipart/form-data"]["schema"];
        for (field, schema) in resolve(&document, form)["properties"].as_object().into_iter().flatten() {
            // Swagger UI sends the example of a text, and the word `string` where there is none; empty is absent here.
            let sent = if schema["type"] == "string" { Some(&json!("")) } else { None };
            assert_eq!(schema.get("example"), sent, "{name}: {field}");
        }
    }
}

#[test]
fn examples_have_no_dates_that_pass_and_no_dutch() {
    let document = read_document();
    let mut examples = Vec::new();
    walk(&document, "", &mut |place, value| {
        for field in ["example", "examples"] {
            if let Some(example) = value.get(field) {
                examples.push((format!("{place}/{field}"), example.to_string()));
            }
        }
    });
    assert!(examples.len() > 60, "only {} examples were found", examples.len());
    for (place, example) in examples {
        for year in 2020..2090 {
            assert!(!example.contains(&format!("{year}-")), "{place}: the date in {example} passes");
        }
        for word in ["nl", "Amsterdam", "Jan", "Piet", "voorbeeld"] {
            let has_word = example.split(|letter: char| !letter.is_alphanumeric()).any(|part| part == word);
            assert!(!has_word, "{place}: {example}");
        }
    }
}

/// The header of a response as the document describes it.
fn find_header<'a>(document: &'a Value, response: &'a Value, name: &str) -> Option<&'a Value> {
    response["headers"].get(name).map(|header| resolve(document, header))
}

#[test]
fn headers_of_requests_and_responses_are_described() {
    let document = read_document();
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for (name, operation) in list_document_operations() {
        let (method, path) = name.split_once(' ').unwrap();
        let row = operations::find_documented_operation(&method.to_uppercase(), path).unwrap();
        let parameters: Vec<&str> =
            list_parameters(&operation).iter().filter_map(|parameter| parameter["name"].as_str()).collect();
        let responses = operation["responses"].as_object().unwrap();
        let about_412 = responses.get("412").and_then(|response| response["description"].as_str());
        let has_if_match = about_412.is_some_and(|about| about.contains("`If-Match`"));
        let mut check_response = |status: &str, header: &'static str| {
            let found = find_header(&document, &responses[status], header);
            let schema = found.map(|header| &header["schema"]["type"]);
            assert!(schema.is_some_and(Value::is_string), "{name} {status} lacks the header {header}");
            *counts.entry(header).or_default() += 1;
        };
        for (status, response) in responses {
            let about = response["description"].as_str().unwrap();
            if about.contains("Retry-After") {
                check_response(status, "Retry-After");
            }
            if matches!(status.as_str(), "206" | "416") {
                check_response(status, "Content-Range");
            }
            let is_shown = responses.contains_key("304") && status.starts_with(['2', '3']);
            let is_changed = has_if_match && matches!(status.as_str(), "200" | "201" | "412");
            if is_shown || is_changed {
                check_response(status, "ETag");
            }
            if status == "200" && parameters.contains(&"cursor") && !name.contains("/events") {
                check_response(status, "Link");
            }
            if status.starts_with('2') && !path.starts_with("/health/") {
                check_response(status, "RateLimit");
                check_response(status, "RateLimit-Policy");
            }
            if status.starts_with('2') && row.idempotency == Idempotency::Key {
                check_response(status, "Idempotent-Replayed");
            }
        }
        let wanted = [
            ("Range", responses.contains_key("206")),
            ("If-Range", responses.contains_key("206")),
            ("If-Match", has_if_match),
            // `If-None-Match: *` of a write has no 304.
            ("If-None-Match", responses.contains_key("304") || name == "put /image-presets/{name}"),
            ("Idempotency-Key", row.idempotency == Idempotency::Key),
        ];
        for (header, is_wanted) in wanted {
            assert_eq!(parameters.contains(&header), is_wanted, "{name}: {header}");
        }
    }
    for header in ["Retry-After", "Content-Range", "ETag", "Link", "RateLimit", "Idempotent-Replayed"] {
        assert!(counts[header] > 1, "{header}: {counts:?}");
    }
}

#[test]
fn operations_are_grouped() {
    let document = read_document();
    let groups = document["x-tagGroups"].as_array().unwrap();
    let names: Vec<&str> = groups.iter().map(|group| group["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["Basic", "Advanced", "Operate"]);
    let grouped: Vec<&Value> = groups.iter().flat_map(|group| group["tags"].as_array().unwrap()).collect();
    let described: Vec<&Value> = document["tags"].as_array().unwrap().iter().map(|tag| &tag["name"]).collect();
    assert_eq!(grouped, described, "every tag is in one group, in the order of the groups");
    for (name, operation) in list_document_operations() {
        assert!(grouped.contains(&&operation["tags"][0]), "{name} is in no group");
    }
}

fn is_webhook_type(part: &str) -> bool {
    ["export_job.", "export_job_group.", "import."].iter().any(|kind| part.starts_with(kind))
}

#[test]
fn webhooks_are_described() {
    let document = read_document();
    let webhooks = document["webhooks"].as_object().unwrap();
    let mut kinds = BTreeSet::new();
    for (name, webhook) in webhooks {
        let message = &webhook["post"];
        let is_same_tag = |(_, operation): &(String, Value)| operation["tags"] == message["tags"];
        assert!(!list_document_operations().iter().any(is_same_tag), "generators write a class for each tag");
        assert_eq!(message["operationId"], **name);
        let schema = &message["requestBody"]["content"]["application/json"]["schema"];
        let expected = match name.as_str() {
            "importFinished" => "ImportWebhookEvent",
            "exportJobGroupFinished" => "JobGroupWebhookEvent",
            _ => "WebhookEvent",
        };
        assert_eq!(*schema, json!({"$ref": format!("#/components/schemas/{expected}")}));
        let headers: Vec<&str> =
            list_parameters(message).iter().map(|parameter| parameter["name"].as_str().unwrap()).collect();
        assert_eq!(headers, ["webhook-id", "webhook-timestamp", "webhook-signature"]);
        let about = message["description"].as_str().unwrap();
        kinds.extend(about.split('`').filter(|part| is_webhook_type(part)));
    }
    assert_eq!(
        kinds.into_iter().collect::<Vec<_>>(),
        [
            "export_job.failed",
            "export_job.finished",
            "export_job.stopped",
            "export_job_group.finished",
            "import.finished"
        ]
    );
}

/// The fields of an object schema, with those of the schemas that it combines.
fn collect_properties<'a>(document: &'a Value, schema: &'a Value) -> BTreeMap<&'a String, &'a Value> {
    let schema = resolve(document, schema);
    let own = schema["properties"].as_object().into_iter().flatten();
    let combined = schema["allOf"].as_array().into_iter().flatten();
    own.chain(combined.flat_map(|part| collect_properties(document, part))).collect()
}

/// Asserts that a value has the fields of its schema, at every depth, with the types that it says: no other fields, and all
/// that are required.
pub(crate) fn assert_matches_schema(document: &Value, schema: &Value, value: &Value, place: &str) {
    let schema = resolve(document, schema);
    if let Some(choices) = schema["oneOf"].as_array() {
        let choice = choices.iter().find(|choice| (choice["type"] == "null") == value.is_null());
        return assert_matches_schema(document, choice.unwrap_or_else(|| panic!("{place}: {value}")), value, place);
    }
    let kinds: Vec<&str> = match &schema["type"] {
        Value::String(kind) => vec![kind],
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
        _ => vec!["object"],
    };
    let fits = kinds.iter().any(|kind| match *kind {
        "null" => value.is_null(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("{place}: unknown type {other}"),
    });
    assert!(fits, "{place} should be {kinds:?}: {value}");
    if let Some(allowed) = schema["enum"].as_array().filter(|_| !value.is_null()) {
        assert!(allowed.contains(value), "{place}: {value}");
    }
    for (index, element) in value.as_array().into_iter().flatten().enumerate() {
        assert_matches_schema(document, &schema["items"], element, &format!("{place}/{index}"));
    }
    let Some(fields) = value.as_object() else { return };
    let properties = collect_properties(document, schema);
    for name in schema["required"].as_array().into_iter().flatten() {
        assert!(fields.contains_key(name.as_str().unwrap()), "{place} lacks {name}");
    }
    let others = &schema["additionalProperties"];
    for (name, field) in fields {
        let property = properties.get(name).copied().or(others.is_object().then_some(others));
        let property = property.unwrap_or_else(|| panic!("{place}/{name} is not documented"));
        assert_matches_schema(document, property, field, &format!("{place}/{name}"));
    }
}

#[sqlx::test]
async fn the_document_is_compressed_and_revalidated(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let plain = app.get("/openapi.json").await;
    assert_eq!((plain.status.as_u16(), plain.header("content-encoding")), (200, ""));
    assert_eq!(plain.header("vary").to_lowercase(), "accept-encoding");
    let gzip = app.get_with_header("/openapi.json", "accept-encoding", "deflate, gzip;q=0.8, br").await;
    assert_eq!((gzip.status.as_u16(), gzip.header("content-encoding")), (200, "gzip"));
    assert!(gzip.body.len() * 8 < plain.body.len(), "{} of {} bytes", gzip.body.len(), plain.body.len());
    let mut text = Vec::new();
    flate2::read::GzDecoder::new(&gzip.body[..]).read_to_end(&mut text).unwrap();
    assert_eq!(text, plain.body);
    assert!(plain.header("etag").starts_with("W/\""), "a strong tag would name bytes, and there are two forms");
    assert_eq!(gzip.header("etag"), plain.header("etag"));
    for refusal in ["gzip;q=0", "identity", "*;q=0, br"] {
        let answer = app.get_with_header("/openapi.json", "accept-encoding", refusal).await;
        assert_eq!(answer.header("content-encoding"), "", "{refusal}");
    }
    let known = app.get_with_header("/openapi.json", "if-none-match", plain.header("etag")).await;
    assert_eq!((known.status.as_u16(), known.body.len(), known.header("etag")), (304, 0, plain.header("etag")));
    assert_eq!(known.header("vary").to_lowercase(), "accept-encoding");
    let other = app.get_with_header("/openapi.json", "if-none-match", "\"other\"").await;
    assert_eq!(other.status.as_u16(), 200);
}

#[sqlx::test]
async fn below_a_path_the_document_has_its_address_and_a_tag_of_its_own(pool: PgPool) {
    let app = TestApp::with_settings(pool, |settings| {
        settings.trusted_proxies = vec!["10.0.0.0/8".parse().unwrap()];
    })
    .await;
    let ask = async |prefix: &str, known: &str| {
        let request = TestRequest::get().uri("/openapi.json").peer_addr("10.0.0.1:1".parse().unwrap());
        let headers = [("x-forwarded-prefix", prefix), ("if-none-match", known), ("accept-encoding", "gzip")];
        app.send(headers.into_iter().fold(request, |request, header| request.insert_header(header))).await
    };
    let at_root = ask("", "\"none\"").await;
    for prefix in ["/a", "/b/c"] {
        let answer = ask(prefix, at_root.header("etag")).await;
        assert_eq!((answer.status.as_u16(), answer.header("content-encoding")), (200, "gzip"), "{prefix}");
        let mut document = String::new();
        flate2::read::GzDecoder::new(&answer.body[..]).read_to_string(&mut document).unwrap();
        let document: Value = serde_json::from_str(&document).unwrap();
        assert_eq!(document["servers"], json!([{"url": prefix, "description": "This service."}]));
        assert_eq!(ask(prefix, answer.header("etag")).await.status.as_u16(), 304);
    }
}
