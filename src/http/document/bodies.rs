//! Bodies that are bytes, and parameters, in the form that generators of clients understand.

use serde_json::{Map, Value, json};

use super::{for_each_operation, is_success};

/// The media type that every generator knows as bytes.
const BYTES: &str = "application/octet-stream";

/// Gives every body of bytes a schema, and responses to HEAD none.
pub(super) fn describe_bodies(document: &mut Value) {
    for_each_operation(document, |method, _, operation| {
        if let Some(content) = operation.pointer_mut("/requestBody/content").and_then(Value::as_object_mut) {
            describe_bytes(content);
            content.values_mut().for_each(simplify_schema);
        }
        let Some(responses) = operation.get_mut("responses").and_then(Value::as_object_mut) else { return };
        if method == "HEAD" {
            // A client must not look for a problem or an object where no body can be. Ranges are defined for GET only.
            responses.retain(|status, _| status != "206" && status != "416");
            responses.values_mut().filter_map(Value::as_object_mut).for_each(|response| {
                response.remove("content");
            });
            return;
        }
        for (_, response) in responses.iter_mut().filter(|(status, _)| is_success(status)) {
            if let Some(content) = response.get_mut("content").and_then(Value::as_object_mut) {
                describe_bytes(content);
            }
        }
    });
}

/// Sets the schema of media types that are bytes: those that have none yet, and those whose name says so.
fn describe_bytes(content: &mut Map<String, Value>) {
    let mut has_bytes = false;
    for (media_type, body) in content.iter_mut() {
        let Some(body) = body.as_object_mut() else { continue };
        if media_type.starts_with("text/") {
            body.entry("schema").or_insert(json!({"type": "string"}));
        } else if !body.contains_key("schema") || media_type.ends_with("octet-stream") {
            body.insert("schema".into(), json!({"type": "string", "format": "binary"}));
            has_bytes = true;
        }
    }
    // Some generators read bytes from this media type only; the others take the first one.
    if has_bytes && !content.keys().any(|media_type| media_type.ends_with("octet-stream")) {
        content.insert(BYTES.into(), json!({"schema": {"type": "string", "format": "binary"}}));
    }
}

/// Makes the schema of a body that may be absent plain: who has nothing to say sends no body, not null.
fn simplify_schema(body: &mut Value) {
    let choices = body.pointer("/schema/oneOf").and_then(Value::as_array).into_iter().flatten();
    let choices: Vec<&Value> = choices.filter(|choice| choice["type"] != "null").collect();
    if let [only] = choices[..] {
        body["schema"] = only.clone();
    }
}

/// Makes the schemas of parameters plain: an absent parameter is not sent, so none of them can be null.
pub(super) fn simplify_parameters(document: &mut Value) {
    for_each_operation(document, |_, _, operation| {
        let parameters = operation.get_mut("parameters").and_then(Value::as_array_mut);
        for parameter in parameters.into_iter().flatten() {
            if parameter.pointer("/schema/oneOf").is_some() {
                simplify_schema(parameter);
                parameter["required"] = Value::Bool(false);
            }
            let kinds = parameter.pointer("/schema/type").and_then(Value::as_array);
            let Some(kinds) = kinds.filter(|kinds| kinds.iter().any(|kind| kind == "null")) else { continue };
            let Some(kind) = kinds.iter().find(|kind| *kind != "null").cloned() else { continue };
            parameter["schema"]["type"] = kind;
            parameter["required"] = Value::Bool(false);
        }
    });
}
