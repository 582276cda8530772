//! Pages of lists as named schemas: `JobPage`, with a reference to `Job`.
//!
//! utoipa names a generic type `Page_Job` and copies the schema of `Job` into it. Generators would make a second, anonymous
//! type of each copy, so a job of a list would have another type than a single job.

use serde_json::{Map, Value, json};

/// The beginning of the names that utoipa gives.
const GENERIC_PREFIX: &str = "Page_";

/// Gives each page its name, and replaces the copies in them by references.
pub(super) fn name_page_schemas(document: &mut Value) {
    let Some(schemas) = document.pointer_mut("/components/schemas").and_then(Value::as_object_mut) else { return };
    for (name, mut schema) in std::mem::take(schemas) {
        let Some(item) = name.strip_prefix(GENERIC_PREFIX) else {
            schemas.insert(name, schema);
            continue;
        };
        if let Some(copy) = schema.pointer_mut("/properties/items/items") {
            let item_schema = std::mem::replace(copy, json!({"$ref": format!("#/components/schemas/{item}")}));
            schemas.entry(item).or_insert(item_schema);
        }
        schemas.insert(name_page(item), schema);
    }
    schemas.sort_keys();
    rename_references(document);
}

fn name_page(item: &str) -> String {
    format!("{item}Page")
}

fn rename_references(value: &mut Value) {
    match value {
        Value::Object(fields) => rename_reference(fields),
        Value::Array(values) => values.iter_mut().for_each(rename_references),
        _ => {}
    }
}

fn rename_reference(fields: &mut Map<String, Value>) {
    for (name, value) in fields {
        let renamed = value.as_str().filter(|_| name == "$ref").and_then(|target| {
            let (place, schema) = target.rsplit_once('/')?;
            Some(format!("{place}/{}", name_page(schema.strip_prefix(GENERIC_PREFIX)?)))
        });
        match renamed {
            Some(target) => *value = Value::String(target),
            None => rename_references(value),
        }
    }
}
