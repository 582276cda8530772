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
    ("Last-Modified", "string", "When the representation last changed, where that is known."),
    ("Link", "string", "The next page, with `rel=\"next\"`; absent on the last page."),
    ("Location", "string", "URL of what was created."),
    (
        "RateLimit",
        "string",
        "What is left of the limit of requests: `\"minute\";r=119;t=30`; in `t` seconds all are available again. Absent \
         without a limit.",
    ),
    (
        "RateLimit-Policy",
        "string",
        "The limit: `\"minute\";q=120;w=60`, `q` requests in `w` seconds. Absent without a limit.",
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
        let facts = OperationFacts {
            row,
            is_list: list_parameters(operation).any(|parameter| parameter["name"] == "cursor"),
            is_revalidated: operation["responses"].get("304").is_some(),
            has_if_match: mentions(&operation["responses"]["412"], "If-Match"),
        };
        let responses = operation.get_mut("responses").and_then(Value::as_object_mut);
        for (status, response) in responses.into_iter().flatten() {
            for name in facts.list_response_headers(status, response) {
                if add_response_header(response, name) {
                    used.insert(name);
                }
            }
        }
        if operation["responses"].get("206").is_some() {
            wanted.extend([RANGE, IF_RANGE]);
        }
        if facts.is_revalidated {
            wanted.push(IF_NONE_MATCH);
        }
        if facts.has_if_match {
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

/// What decides which headers the responses of an operation have.
struct OperationFacts {
    row: Option<&'static OperationSpec>,
    /// Whether it lists objects by pages.
    is_list: bool,
    /// Whether it can answer 304.
    is_revalidated: bool,
    /// Whether it evaluates `If-Match`.
    has_if_match: bool,
}

impl OperationFacts {
    /// The headers of one response.
    fn list_response_headers(&self, status: &str, response: &Value) -> Vec<&'static str> {
        let mut names = Vec::new();
        let is_success = is_success(status);
        // Load balancers may ask as often as they like.
        let is_counted = self.row.is_some_and(|row| row.access != AccessRule::Probe);
        if is_success || matches!(status, "304" | "429") {
            names.push("X-Request-Id");
            if is_counted {
                names.extend(["RateLimit", "RateLimit-Policy"]);
            }
        }
        if mentions(response, "Retry-After") {
            names.push("Retry-After");
        }
        if is_success && self.row.is_some_and(|row| row.idempotency == Idempotency::Key) {
            names.push("Idempotent-Replayed");
        }
        if is_success && self.is_list {
            names.push("Link");
        }
        if self.has_validators(status) {
            names.extend(["ETag", "Last-Modified"]);
        }
        if status == "412" && self.has_if_match {
            names.push("ETag");
        }
        if is_success && self.is_download() {
            names.extend(["Accept-Ranges", "Content-Disposition", "Repr-Digest"]);
        }
        if matches!(status, "206" | "416") {
            names.push("Content-Range");
        }
        names
    }

    /// Whether a response shows a representation with its validators: one that can be read again with `If-None-Match`, or
    /// what a change with `If-Match` has made of it. A job that a schedule creates (202) is not the schedule.
    fn has_validators(&self, status: &str) -> bool {
        (self.is_revalidated && (is_success(status) || status == "304"))
            || (self.has_if_match && matches!(status, "200" | "201"))
    }

    fn is_download(&self) -> bool {
        self.row.is_some_and(|row| row.has_head && row.path != "/uploads/{uploadHandle}")
    }
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
    let schema = match name == IDEMPOTENCY_KEY.0 {
        true => json!({"type": "string", "pattern": "^[!-~]{1,255}$"}),
        false => json!({"type": "string"}),
    };
    if let Some(parameters) = operation["parameters"].as_array_mut() {
        parameters.push(json!({
            "name": name, "in": "header", "description": about, "required": false, "schema": schema,
        }));
    }
}
