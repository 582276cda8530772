//! `metadata` of jobs, schedules and assets: texts of the client's own, such as an order number. The service stores,
//! filters and hands them on, and reads nothing into them.

use std::borrow::Cow;
use std::collections::BTreeMap;

use offprint_core::Code;
use serde::{Deserialize, Serialize};
use utoipa::openapi::schema::{AdditionalProperties, SchemaType};
use utoipa::openapi::{Object, ObjectBuilder, RefOr, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use crate::reason::ValidationError;

/// Entries of one object.
pub const MAX_METADATA_ENTRIES: usize = 16;
/// Characters of a key.
pub const MAX_METADATA_KEY_CHARS: usize = 40;
/// Characters of a value.
pub const MAX_METADATA_VALUE_CHARS: usize = 500;

/// The entries, sorted by their keys.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MetadataMap(pub BTreeMap<String, String>);

impl MetadataMap {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Everything that breaks a limit. `pointer` is where the map stands in the request.
    pub fn check(&self, pointer: &str) -> Vec<ValidationError> {
        let mut mistakes = Vec::new();
        if self.0.len() > MAX_METADATA_ENTRIES {
            let detail = format!(
                "There are {} entries; the limit is {MAX_METADATA_ENTRIES}. Remove some, or join them into one value.",
                self.0.len()
            );
            mistakes.push(ValidationError::new(pointer, Code::InvalidValue, detail));
        }
        for (key, value) in &self.0 {
            let at = || format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1"));
            if !is_metadata_key(key) {
                let detail = format!(
                    "A key has 1 to {MAX_METADATA_KEY_CHARS} letters (A to Z), digits, `.`, `_` or `-`. Choose another key."
                );
                mistakes.push(ValidationError::new(at(), Code::InvalidValue, detail));
            }
            let length = value.chars().count();
            if length > MAX_METADATA_VALUE_CHARS {
                let detail = format!("The text has {length} characters; the limit is {MAX_METADATA_VALUE_CHARS}.");
                mistakes.push(ValidationError::new(at(), Code::InvalidValue, detail));
            }
            // PostgreSQL text cannot hold NUL.
            if value.contains('\0') {
                let detail = "The text contains a NUL character (U+0000). Remove it.";
                mistakes.push(ValidationError::new(at(), Code::InvalidValue, detail));
            }
        }
        mistakes
    }
}

/// Whether a text can be a key. It has no `:`, which separates key and value in a filter.
pub fn is_metadata_key(text: &str) -> bool {
    (1..=MAX_METADATA_KEY_CHARS).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

fn build_schema(description: &str, value_type: SchemaType) -> RefOr<Schema> {
    let value: Object = ObjectBuilder::new().schema_type(value_type).max_length(Some(MAX_METADATA_VALUE_CHARS)).build();
    let key: Object = ObjectBuilder::new()
        .schema_type(Type::String)
        .pattern(Some(format!("^[A-Za-z0-9._-]{{1,{MAX_METADATA_KEY_CHARS}}}$")))
        .build();
    ObjectBuilder::new()
        .schema_type(Type::Object)
        .description(Some(description))
        .max_properties(Some(MAX_METADATA_ENTRIES))
        .property_names(Some(key))
        .additional_properties(Some(AdditionalProperties::RefOr(RefOr::T(Schema::Object(value)))))
        .examples([serde_json::json!({"order": "A-1042"})])
        .into()
}

impl PartialSchema for MetadataMap {
    fn schema() -> RefOr<Schema> {
        let description = "Texts of your own, such as an order number: at most 16 entries. Keys have up to 40 letters, digits, \
                           `.`, `_` or `-`, values up to 500 characters.";
        build_schema(description, Type::String.into())
    }
}

impl ToSchema for MetadataMap {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("Metadata")
    }
}

/// A change of metadata, as a JSON merge patch (RFC 7396): null removes an entry, the others stay.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MetadataChange(pub BTreeMap<String, Option<String>>);

impl MetadataChange {
    /// Everything in the change that breaks a limit by itself. How many entries there are afterwards is not known yet.
    pub fn check(&self, pointer: &str) -> Vec<ValidationError> {
        // What is removed has no text; its key is checked like the others.
        let entries = self.0.iter().map(|(key, value)| (key.clone(), value.clone().unwrap_or_default()));
        let mistakes = entries.flat_map(|entry| MetadataMap(BTreeMap::from([entry])).check(pointer));
        mistakes.collect()
    }
}

impl PartialSchema for MetadataChange {
    fn schema() -> RefOr<Schema> {
        let description = "Entries to set; null removes an entry. The others stay.";
        build_schema(description, SchemaType::from_iter([Type::String, Type::Null]))
    }
}

impl ToSchema for MetadataChange {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("MetadataChange")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn build_map(entries: &[(&str, &str)]) -> MetadataMap {
        MetadataMap(entries.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn every_limit_is_told_where_it_is_broken() {
        let long = "ä".repeat(MAX_METADATA_VALUE_CHARS + 1);
        let map = build_map(&[("a", &long), ("a:b", ""), ("", "x"), (&"k".repeat(41), ""), ("ok-1._", &long[2..])]);
        let mut pointers: Vec<String> = map.check("/metadata").into_iter().map(|error| error.pointer).collect();
        pointers.sort();
        assert_eq!(pointers, ["/metadata/", "/metadata/a", "/metadata/a:b", &format!("/metadata/{}", "k".repeat(41))]);
        let keys: Vec<String> = (0..17).map(|number| number.to_string()).collect();
        let many = MetadataMap(keys.iter().map(|key| (key.clone(), String::new())).collect());
        assert_eq!(many.check("/metadata")[0].pointer, "/metadata");
    }

    /// jsonb can hold NUL neither in a text nor in a key, also not in one that is to be removed.
    #[test]
    fn a_change_is_checked_with_what_it_removes() {
        let parse = |text: &str| serde_json::from_str::<MetadataChange>(text).unwrap();
        assert!(parse(r#"{"a": null, "c": "3"}"#).check("/metadata").is_empty());
        let wrong = parse(r#"{"a\u0000": null, "b": "\u0000", "c d": "x"}"#);
        assert_eq!(wrong.check("/metadata").len(), 3);
    }
}
