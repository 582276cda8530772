//! Headers of requests and responses, added by rules: what the table of operations and the responses say of an operation
//! decides which headers it has. A header that a handler declares itself keeps its own description.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::{for_each_operation, is_success};
use crate::http::access_rule::AccessRule;
use crate::http::operations::{Idempotency, OperationSpec, find_documented_operation};

/// Response headers with their type and meaning. Operations refer to them.
const RESPONSE_HEADERS: &[(&str, &str, &str)] = &[
    ("Accept-Ranges", "string", "`bytes`: `Range` is supported."),
    ("Content-Disposition", "string", "The name under which a browser saves the file."),
    (
        "Content-Range",
        "string",
        "The range in the body and the size of the whole: `bytes 0-99/1234`, or `bytes */1234`.",
    ),
    ("ETag", "string", "Changes whenever the representation changes. For `If-None-Match`, `If-Range` and `If-Match`."),
    (
        "Idempotent-Replayed",
        "string",
        "`true` when this is the response to an earlier request with the same `Idempotency-Key`.",
    ),
    ("Link", "string", "The next page, with `rel=\"next\"`; absent on the last page."),
    ("Location", "string", "URL of what was created."),
    (
        "RateLimit",
        "string",
        "What is left of the limit of requests: `\"default\";r=119;t=30`, for `t` seconds. Absent without a limit.",
    ),
    (
        "RateLimit-Policy",
        "string",
        "The limit: `\"default\";q=120;w=60`, `q` requests in `w` seconds. Absent without a limit.",
    ),
    ("Repr-Digest", "string", "SHA-256 of the whole file (RFC 9530), where it is known beforehand."),
    ("Retry-After", "integer", "Seconds after which to try again."),
    ("X-Request-Id", "string", "Identifies the request in the log: the caller's, or a new one."),
];

/// Request headers of conditional requests and of downloads.
const IF_NONE_MATCH: (&str, &str) =
    ("If-None-Match", "`ETag`s of what the client has. The response is 304 when one of them is current.");
const IF_MATCH: (&str, &str) = (
    "If-Match",
    "`ETag` of what the client has read. The response is 412, and nothing is changed, when it is not current.",
);
const RANGE: (&str, &str) = ("Range", "One byte range, such as `bytes=1000-`. The response is 206 with this part.");
const IF_RANGE: (&str, &str) =
    ("If-Range", "`ETag` of the part that the client has. When it is not current, the whole is sent.");
const IDEMPOTENCY_KEY: (&str, &str) = (
    "Idempotency-Key",
    "Your own unique key, 1 to 255 visible ASCII characters. For 24 hours the same key with the same request returns the \
     first response, and nothing is done twice.",
);

/// Adds the headers to all operations.
pub(super) fn add_headers(document: &mut Value) {
    let mut used = BTreeSet::new();
    for_each_operation(document, |method, path, operation| {
        let row = find_documented_operation(method, path);
        let mut wanted = Vec::new();
        let is_list = list_parameters(operation).any(|parameter| parameter["name"] == "cursor");
        let responses = operation.get_mut("responses").and_then(Value::as_object_mut);
        for (status, response) in responses.into_iter().flatten() {
            for name in list_response_headers(row, is_list, status, response) {
                if add_response_header(response, name) {
                    used.insert(name);
                }
            }
        }
        let has_status = |status: &str| operation["responses"].get(status).is_some();
        if has_status("206") {
            wanted.extend([RANGE, IF_RANGE]);
        }
        if has_status("304") {
            wanted.push(IF_NONE_MATCH);
        }
        if mentions(&operation["responses"]["412"], "If-Match") {
            wanted.push(IF_MATCH);
        }
        if row.is_some_and(|row| row.idempotency == Idempotency::Key) {
            wanted.push(IDEMPOTENCY_KEY);
        }
        for parameter in wanted {
            add_request_header(operation, parameter);
        }
    });
    let described = RESPONSE_HEADERS.iter().filter(|(name, ..)| used.contains(name));
    let headers: Map<String, Value> = described
        .map(|(name, kind, about)| ((*name).to_owned(), json!({"description": about, "schema": {"type": kind}})))
        .collect();
    document["components"]["headers"] = Value::Object(headers);
}

/// The headers of one response of an operation.
fn list_response_headers(
    row: Option<&OperationSpec>,
    is_list: bool,
    status: &str,
    response: &Value,
) -> Vec<&'static str> {
    let mut names = Vec::new();
    // Load balancers may ask as often as they like.
    let is_counted = row.is_some_and(|row| row.access != AccessRule::Probe);
    if is_success(status) || matches!(status, "304" | "429") {
        names.push("X-Request-Id");
        if is_counted {
            names.extend(["RateLimit", "RateLimit-Policy"]);
        }
    }
    if mentions(response, "Retry-After") {
        names.push("Retry-After");
    }
    if is_success(status) && row.is_some_and(|row| row.idempotency == Idempotency::Key) {
        names.push("Idempotent-Replayed");
    }
    if is_list && is_success(status) {
        names.push("Link");
    }
    let is_download = row.is_some_and(|row| row.has_head && row.path != "/uploads/{uploadHandle}");
    if is_download && is_success(status) {
        names.extend(["ETag", "Accept-Ranges", "Content-Disposition", "Repr-Digest"]);
    }
    if status == "304" {
        names.push("ETag");
    }
    if matches!(status, "206" | "416") {
        names.push("Content-Range");
    }
    names
}

/// Whether the description names a header. So text and headers cannot contradict each other.
fn mentions(response: &Value, header: &str) -> bool {
    response["description"].as_str().is_some_and(|text| text.contains(header))
}

fn list_parameters(operation: &Value) -> impl Iterator<Item = &Value> {
    operation["parameters"].as_array().into_iter().flatten()
}

/// Returns whether the header was added; one that the handler describes stays as it is.
fn add_response_header(response: &mut Value, name: &str) -> bool {
    if response.get("headers").is_none() {
        response["headers"] = json!({});
    }
    let Some(headers) = response["headers"].as_object_mut().filter(|headers| !headers.contains_key(name)) else {
        return false;
    };
    headers.insert(name.to_owned(), json!({"$ref": format!("#/components/headers/{name}")}));
    true
}

fn add_request_header(operation: &mut Value, (name, about): (&str, &str)) {
    if operation.get("parameters").is_none() {
        operation["parameters"] = json!([]);
    }
    if list_parameters(operation).any(|parameter| parameter["name"] == name) {
        return;
    }
    if let Some(parameters) = operation["parameters"].as_array_mut() {
        parameters.push(json!({
            "name": name, "in": "header", "description": about, "required": false, "schema": {"type": "string"},
        }));
    }
}
