//! Validates a JSON value against an OpenAPI schema and reports every error with its location and remedy.
//!
//! It supports what the schemas of our request bodies use: types, `$ref`, nullable choices, required fields, enums, ranges,
//! lengths, maps (`additionalProperties`), and the formats `uuid` and `date-time`. Unknown fields are errors, with the nearest known name.

use std::collections::BTreeMap;

use offprint_core::Code;
use serde_json::{Map, Value};

use crate::http::extract::json::clip_text;
use crate::http::extract::json::extend_pointer;
use crate::http::problem::{ValidationError, ValidationErrors};

/// Validates values against schemas that may refer to the named schemas in `parts`.
pub struct SchemaChecker<'a> {
    parts: &'a BTreeMap<String, Value>,
}

/// The type of a value in the words of JSON Schema.
fn find_json_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

impl<'a> SchemaChecker<'a> {
    pub fn new(parts: &'a BTreeMap<String, Value>) -> Self {
        Self { parts }
    }

    /// Appends every error in the value to the list.
    pub fn check(&self, schema: &Value, value: &Value, mistakes: &mut ValidationErrors) {
        self.check_node(schema, value, "", mistakes);
    }

    fn check_node(&self, schema: &Value, value: &Value, at: &str, mistakes: &mut ValidationErrors) {
        let schema = self.resolve(schema);
        if let Some(choices) = schema.get("oneOf").or(schema.get("allOf")).and_then(Value::as_array) {
            return self.check_choice(choices, value, at, mistakes);
        }
        let kinds = list_types(schema);
        let kind = find_json_type(value);
        let fits = kinds.is_empty() || kinds.contains(&kind) || (kind == "integer" && kinds.contains(&"number"));
        if !fits {
            mistakes.push_with(|| ValidationError::new(at, Code::WrongType, describe_wrong_type(at, &kinds, value)));
            return;
        }
        match value {
            Value::Object(fields) => self.check_object(schema, fields, at, mistakes),
            Value::Array(items) => self.check_array(schema, items, at, mistakes),
            Value::String(text) => check_string(schema, text, at, mistakes),
            Value::Number(number) => check_range(schema, number.as_f64(), at, mistakes),
            Value::Null | Value::Bool(_) => {}
        }
    }

    fn resolve<'s>(&'s self, schema: &'s Value) -> &'s Value {
        let name = schema.get("$ref").and_then(Value::as_str).and_then(|path| path.rsplit('/').next());
        name.and_then(|name| self.parts.get(name)).unwrap_or(schema)
    }

    /// Null or one other schema: the only kind of choice in our request bodies.
    fn check_choice(&self, choices: &[Value], value: &Value, at: &str, mistakes: &mut ValidationErrors) {
        let nullable = choices.iter().any(|choice| list_types(self.resolve(choice)) == ["null"]);
        if value.is_null() && nullable {
            return;
        }
        if let Some(choice) = choices.iter().find(|choice| list_types(self.resolve(choice)) != ["null"]) {
            self.check_node(choice, value, at, mistakes);
        }
    }

    fn check_object(&self, schema: &Value, fields: &Map<String, Value>, at: &str, mistakes: &mut ValidationErrors) {
        if let Some(values) = schema.get("additionalProperties").filter(|values| values.is_object()) {
            for (name, value) in fields {
                self.check_node(values, value, &extend_pointer(at, name), mistakes);
            }
            return;
        }
        let Some(known) = schema.get("properties").and_then(Value::as_object) else { return };
        for (name, value) in fields {
            match known.get(name) {
                Some(schema) => self.check_node(schema, value, &extend_pointer(at, name), mistakes),
                None => mistakes.push_with(|| {
                    let detail = describe_unknown_field(name, known);
                    ValidationError::new(extend_pointer(at, name), Code::UnknownField, detail)
                }),
            }
        }
        let required = schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
        for name in required.filter(|name| !fields.contains_key(*name)) {
            let detail = format!(
                "`{name}` is missing. {}",
                format_allowed_values(self.resolve(&known[name])).unwrap_or_default()
            );
            mistakes.push(ValidationError::new(extend_pointer(at, name), Code::MissingParameter, detail.trim_end()));
        }
    }

    fn check_array(&self, schema: &Value, items: &[Value], at: &str, mistakes: &mut ValidationErrors) {
        let fewest = schema.get("minItems").and_then(Value::as_u64).unwrap_or(0);
        let most = schema.get("maxItems").and_then(Value::as_u64).unwrap_or(u64::MAX);
        if (items.len() as u64) < fewest {
            mistakes.push(ValidationError::new(
                at,
                Code::MissingParameter,
                format!(
                    "The list is empty; it must have at least {fewest} element{}.",
                    if fewest == 1 { "" } else { "s" }
                ),
            ));
        } else if items.len() as u64 > most {
            mistakes.push(ValidationError::new(
                at,
                Code::InvalidValue,
                format!("The list has {} elements; the limit is {most}.", items.len()),
            ));
        }
        if let Some(schema) = schema.get("items") {
            for (index, item) in items.iter().enumerate() {
                self.check_node(schema, item, &format!("{at}/{index}"), mistakes);
            }
        }
    }
}

fn list_types(schema: &Value) -> Vec<&str> {
    match schema.get("type") {
        Some(Value::String(kind)) => vec![kind],
        Some(Value::Array(kinds)) => kinds.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

/// The allowed values of an enum, as a sentence.
fn format_allowed_values(schema: &Value) -> Option<String> {
    let words: Vec<String> =
        schema.get("enum")?.as_array()?.iter().filter_map(Value::as_str).map(|word| format!("`{word}`")).collect();
    Some(format!("Allowed: {}.", words.join(", ")))
}

fn describe_wrong_type(at: &str, kinds: &[&str], value: &Value) -> String {
    let wanted = kinds.iter().filter(|kind| **kind != "null").copied().collect::<Vec<_>>().join(" or ");
    let hint = match value {
        // As `HandleArray` of IPS has it.
        Value::Object(fields) if wanted == "array" && fields.contains_key("items") => {
            " Send the array itself, without the object around `items`."
        }
        Value::String(_) if wanted == "array" => " Put the value in square brackets.",
        Value::Number(_) if wanted == "integer" => " Send a whole number of at most 64 bits.",
        _ => "",
    };
    let subject = if at.is_empty() { "The body" } else { "The value" };
    format!("{subject} must be of type {wanted}, not {}.{hint}", find_json_type(value))
}

fn describe_unknown_field(name: &str, known: &Map<String, Value>) -> String {
    let shown = clip_text(name);
    // The IPS documentation of ExportJob misspells the field twice.
    let suggestion = if name == "is_modifer" {
        Some("is_modifier")
    } else {
        find_nearest_word(name, known.keys().map(String::as_str))
    };
    match suggestion {
        Some(name) => format!("Unknown field `{shown}`. Did you mean `{name}`?"),
        None => {
            let names: Vec<&str> = known.keys().map(String::as_str).collect();
            format!("Unknown field `{shown}`. Known: {}.", names.join(", "))
        }
    }
}

/// The nearest of the words that are at most two edits away, ignoring case.
pub fn find_nearest_word<'w>(input: &str, words: impl Iterator<Item = &'w str>) -> Option<&'w str> {
    let input = input.to_lowercase();
    // A difference in length of more than two rules a word out without counting.
    let letters = input.chars().count();
    words
        .filter(|word| word.chars().count().abs_diff(letters) <= 2)
        .map(|word| (count_edits(&input, &word.to_lowercase()), word))
        .filter(|(edits, _)| *edits <= 2)
        .min()
        .map(|(_, word)| word)
}

/// The Levenshtein distance, with one row of the table in memory.
fn count_edits(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (index, letter) in from.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = index + 1;
        for (column, other) in to.iter().enumerate() {
            let substituted = diagonal + usize::from(letter != *other);
            diagonal = row[column + 1];
            row[column + 1] = substituted.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[to.len()]
}

fn check_string(schema: &Value, text: &str, at: &str, mistakes: &mut ValidationErrors) {
    if let Some(words) = schema.get("enum").and_then(Value::as_array)
        && !words.iter().any(|word| word.as_str() == Some(text))
    {
        mistakes
            .push_with(|| ValidationError::new(at, Code::InvalidValue, describe_unknown_value(text, words, schema)));
    }
    // PostgreSQL text cannot hold NUL.
    if text.contains('\0') {
        let detail = "The text contains a NUL character (U+0000). Remove it.";
        mistakes.push(ValidationError::new(at, Code::InvalidValue, detail));
    }
    let length = text.chars().count() as u64;
    if schema.get("maxLength").and_then(Value::as_u64).is_some_and(|most| length > most) {
        mistakes.push(ValidationError::new(
            at,
            Code::InvalidValue,
            format!("The text has {length} characters; the limit is {}.", schema["maxLength"]),
        ));
    }
    if schema.get("minLength").and_then(Value::as_u64).is_some_and(|least| length < least) {
        mistakes.push(ValidationError::new(at, Code::InvalidValue, "The text is empty."));
    }
    if let Some(problem) = describe_format_error(schema.get("format").and_then(Value::as_str), text) {
        mistakes.push(ValidationError::new(at, Code::InvalidValue, problem));
    }
}

fn describe_unknown_value(text: &str, words: &[Value], schema: &Value) -> String {
    let (allowed, shown) = (format_allowed_values(schema).unwrap_or_default(), clip_text(text));
    let translated = translate_word(text).filter(|translated| words.iter().any(|word| word == translated));
    let nearest = || find_nearest_word(text, words.iter().filter_map(Value::as_str));
    match translated.or_else(nearest) {
        Some(word) => format!("Unknown value `{shown}`. Did you mean `{word}`? {allowed}"),
        None => format!("Unknown value `{shown}`. {allowed}"),
    }
}

/// The English name of a constant that translated editions of the IPS documentation print in their own language.
fn translate_word(text: &str) -> Option<&'static str> {
    Some(match text.to_lowercase().as_str() {
        "alles" | "alle" | "tout" | "tous" | "todo" | "todos" | "tutto" => "All",
        "fout" | "fehler" | "erreur" | "errore" | "erro" => "Error",
        "geen" | "keine" | "kein" | "aucun" | "aucune" | "ninguno" | "nessuno" | "nenhum" => "None",
        "foutenwaarschuwing" | "fehlerundwarnung" => "ErrorAndWarning",
        "taakvoltooiing" | "auftragsabschluss" => "JobCompletion",
        "converteren" | "konvertieren" | "convertir" | "converti" | "converter" => "convert",
        "origineel" | "originel" | "original" | "originale" => "orig",
        _ => return None,
    })
}

fn describe_format_error(format: Option<&str>, text: &str) -> Option<String> {
    let shown = clip_text(text);
    match format? {
        "uuid" if uuid::Uuid::try_parse(text).is_err() => {
            Some(format!("`{shown}` is not a handle. Send a handle exactly as the service returned it."))
        }
        "date-time" if chrono::DateTime::parse_from_rfc3339(text).is_err() => {
            Some(format!("`{shown}` is not a date-time with a zone (RFC 3339). Example: 2026-12-24T06:00:00+01:00."))
        }
        _ => None,
    }
}

fn check_range(schema: &Value, number: Option<f64>, at: &str, mistakes: &mut ValidationErrors) {
    let bound = |name: &str| schema.get(name).and_then(Value::as_f64);
    let (least, most) = (bound("minimum"), bound("maximum"));
    let Some(number) = number else { return };
    if least.is_some_and(|least| number < least) || most.is_some_and(|most| number > most) {
        let text = match (least, most) {
            (Some(least), Some(most)) => format!("from {least} to {most}"),
            (Some(least), None) => format!("of at least {least}"),
            (None, most) => format!("of at most {}", most.unwrap_or_default()),
        };
        mistakes.push(ValidationError::new(
            at,
            Code::InvalidValue,
            format!("{number} is out of range. Send a number {text}."),
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_at_most_two_edits_away() {
        assert_eq!(
            find_nearest_word("assetHandelArray", ["assetHandleArray", "fmt"].into_iter()),
            Some("assetHandleArray")
        );
        assert_eq!(find_nearest_word("colour", ["fmt"].into_iter()), None);
        assert_eq!(count_edits("kitten", "sitting"), 3);
    }
}
