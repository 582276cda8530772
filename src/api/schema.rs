//! Checks a JSON value against an OpenAPI schema and tells every mistake with its place and its remedy.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::api::json::{MOST_MISTAKES, clipped, pointer};
use crate::api::problem::Mistake;
use crate::code::Code;

/// Checks values against schemas that may refer to `parts` by name.
pub struct Checker<'a> {
    parts: &'a BTreeMap<String, Value>,
}

/// A small word for a kind of JSON value.
fn kind(value: &Value) -> &'static str {
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

impl<'a> Checker<'a> {
    /// A checker that finds `$ref`s among these parts.
    pub fn new(parts: &'a BTreeMap<String, Value>) -> Self {
        Self { parts }
    }

    /// Adds every mistake of the value to the list, until it holds [`MOST_MISTAKES`].
    pub fn check(&self, schema: &Value, value: &Value, mistakes: &mut Vec<Mistake>) {
        self.node(schema, value, "", mistakes);
    }

    fn node(&self, schema: &Value, value: &Value, at: &str, mistakes: &mut Vec<Mistake>) {
        if mistakes.len() >= MOST_MISTAKES {
            return;
        }
        let schema = self.resolve(schema);
        if let Some(choices) = schema.get("oneOf").or(schema.get("allOf")).and_then(Value::as_array) {
            return self.choice(choices, value, at, mistakes);
        }
        let kinds = kinds(schema);
        let has = kind(value);
        let fits = kinds.is_empty() || kinds.contains(&has) || (has == "integer" && kinds.contains(&"number"));
        if !fits {
            mistakes.push(Mistake::new(at, Code::WrongType, wrong_type(at, &kinds, value)));
            return;
        }
        match value {
            Value::Object(fields) => self.object(schema, fields, at, mistakes),
            Value::Array(items) => self.array(schema, items, at, mistakes),
            Value::String(text) => string(schema, text, at, mistakes),
            Value::Number(number) => range(schema, number.as_f64(), at, mistakes),
            Value::Null | Value::Bool(_) => {}
        }
    }

    fn resolve<'s>(&'s self, schema: &'s Value) -> &'s Value {
        let name = schema.get("$ref").and_then(Value::as_str).and_then(|path| path.rsplit('/').next());
        name.and_then(|name| self.parts.get(name)).unwrap_or(schema)
    }

    /// Null or something else: the only kind of choice that our bodies have.
    fn choice(&self, choices: &[Value], value: &Value, at: &str, mistakes: &mut Vec<Mistake>) {
        let nullable = choices.iter().any(|choice| kinds(self.resolve(choice)) == ["null"]);
        if value.is_null() && nullable {
            return;
        }
        if let Some(choice) = choices.iter().find(|choice| kinds(self.resolve(choice)) != ["null"]) {
            self.node(choice, value, at, mistakes);
        }
    }

    fn object(&self, schema: &Value, fields: &Map<String, Value>, at: &str, mistakes: &mut Vec<Mistake>) {
        let Some(known) = schema.get("properties").and_then(Value::as_object) else { return };
        for (name, value) in fields {
            if mistakes.len() >= MOST_MISTAKES {
                return;
            }
            match known.get(name) {
                Some(schema) => self.node(schema, value, &pointer(at, name), mistakes),
                None => mistakes.push(Mistake::new(pointer(at, name), Code::UnknownField, unknown(name, known))),
            }
        }
        let required = schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
        for name in required.filter(|name| !fields.contains_key(*name)) {
            let detail = format!("`{name}` is missing. {}", allowed(self.resolve(&known[name])).unwrap_or_default());
            mistakes.push(Mistake::new(pointer(at, name), Code::MissingParameter, detail.trim_end()));
        }
    }

    fn array(&self, schema: &Value, items: &[Value], at: &str, mistakes: &mut Vec<Mistake>) {
        let fewest = schema.get("minItems").and_then(Value::as_u64).unwrap_or(0);
        let most = schema.get("maxItems").and_then(Value::as_u64).unwrap_or(u64::MAX);
        if (items.len() as u64) < fewest {
            mistakes.push(Mistake::new(
                at,
                Code::MissingParameter,
                format!("The list is empty; it must hold at least {fewest}."),
            ));
        } else if items.len() as u64 > most {
            mistakes.push(Mistake::new(
                at,
                Code::InvalidValue,
                format!("The list holds {}; at most {most} are allowed.", items.len()),
            ));
        }
        if let Some(schema) = schema.get("items") {
            for (index, item) in items.iter().enumerate() {
                self.node(schema, item, &format!("{at}/{index}"), mistakes);
            }
        }
    }
}

fn kinds(schema: &Value) -> Vec<&str> {
    match schema.get("type") {
        Some(Value::String(kind)) => vec![kind],
        Some(Value::Array(kinds)) => kinds.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

/// What a schema allows, as a sentence.
fn allowed(schema: &Value) -> Option<String> {
    let words: Vec<String> =
        schema.get("enum")?.as_array()?.iter().filter_map(Value::as_str).map(|word| format!("`{word}`")).collect();
    Some(format!("Allowed: {}.", words.join(", ")))
}

fn wrong_type(at: &str, kinds: &[&str], value: &Value) -> String {
    let wanted = kinds.iter().filter(|kind| **kind != "null").copied().collect::<Vec<_>>().join(" or ");
    let hint = match value {
        // HandleArray as IPS writes it.
        Value::Object(fields) if wanted == "array" && fields.contains_key("items") => {
            " Send the plain list, without the `items` around it."
        }
        Value::String(_) if wanted == "array" => " Put it between brackets.",
        Value::Number(_) if wanted == "integer" => " Send a whole number that is not too large.",
        _ => "",
    };
    let place = if at.is_empty() { "The body" } else { "This" };
    format!("{place} must be of type {wanted}, not {}.{hint}", kind(value))
}

fn unknown(name: &str, known: &Map<String, Value>) -> String {
    let shown = clipped(name);
    // The documentation of ExportJob misspells its own field twice.
    let meant =
        if name == "is_modifer" { Some("is_modifier") } else { nearest(name, known.keys().map(String::as_str)) };
    match meant {
        Some(meant) => format!("There is no field `{shown}`; did you mean `{meant}`?"),
        None => {
            let names: Vec<&str> = known.keys().map(String::as_str).collect();
            format!("There is no field `{shown}`. Known: {}.", names.join(", "))
        }
    }
}

/// The word that is at most two edits away, if there is one; the nearest of several.
pub fn nearest<'w>(said: &str, words: impl Iterator<Item = &'w str>) -> Option<&'w str> {
    let said = said.to_lowercase();
    // Words of other lengths are farther away than that, and need no counting.
    let letters = said.chars().count();
    words
        .filter(|word| word.chars().count().abs_diff(letters) <= 2)
        .map(|word| (edits(&said, &word.to_lowercase()), word))
        .filter(|(edits, _)| *edits <= 2)
        .min()
        .map(|(_, word)| word)
}

/// How many letters must be put in, taken out or changed to come from one word to the other.
fn edits(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (index, letter) in from.chars().enumerate() {
        let mut corner = row[0];
        row[0] = index + 1;
        for (column, other) in to.iter().enumerate() {
            let changed = corner + usize::from(letter != *other);
            corner = row[column + 1];
            row[column + 1] = changed.min(corner + 1).min(row[column] + 1);
        }
    }
    row[to.len()]
}

fn string(schema: &Value, text: &str, at: &str, mistakes: &mut Vec<Mistake>) {
    if let Some(words) = schema.get("enum").and_then(Value::as_array)
        && !words.iter().any(|word| word.as_str() == Some(text))
    {
        mistakes.push(Mistake::new(at, Code::InvalidValue, not_a_word(text, words, schema)));
    }
    // The database keeps no text with it, and nobody means it.
    if text.contains('\0') {
        let detail = "The text holds a NUL character (U+0000). Take it out.";
        mistakes.push(Mistake::new(at, Code::InvalidValue, detail));
    }
    let length = text.chars().count() as u64;
    if schema.get("maxLength").and_then(Value::as_u64).is_some_and(|most| length > most) {
        mistakes.push(Mistake::new(
            at,
            Code::InvalidValue,
            format!("The text has {length} characters; at most {} are allowed.", schema["maxLength"]),
        ));
    }
    if schema.get("minLength").and_then(Value::as_u64).is_some_and(|least| length < least) {
        mistakes.push(Mistake::new(at, Code::InvalidValue, "The text is empty."));
    }
    if let Some(problem) = misformed(schema.get("format").and_then(Value::as_str), text) {
        mistakes.push(Mistake::new(at, Code::InvalidValue, problem));
    }
}

fn not_a_word(text: &str, words: &[Value], schema: &Value) -> String {
    let (allowed, shown) = (allowed(schema).unwrap_or_default(), clipped(text));
    let meant = translated(text).filter(|meant| words.iter().any(|word| word == meant));
    let near = || nearest(text, words.iter().filter_map(Value::as_str));
    match meant.or_else(near) {
        Some(meant) => format!("`{shown}` is not one of the values; did you mean `{meant}`? {allowed}"),
        None => format!("`{shown}` is not one of the values. {allowed}"),
    }
}

/// Constants that translated editions of the documentation print in their own language; the wire knows the English.
fn translated(text: &str) -> Option<&'static str> {
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

fn misformed(format: Option<&str>, text: &str) -> Option<String> {
    let shown = clipped(text);
    match format? {
        "uuid" if uuid::Uuid::try_parse(text).is_err() => {
            Some(format!("`{shown}` is not a handle. Take it as the service gave it."))
        }
        "date-time" if chrono::DateTime::parse_from_rfc3339(text).is_err() => {
            Some(format!("`{shown}` is not a date with time and zone (RFC 3339), such as 2026-12-24T06:00:00+01:00."))
        }
        _ => None,
    }
}

fn range(schema: &Value, number: Option<f64>, at: &str, mistakes: &mut Vec<Mistake>) {
    let bound = |name: &str| schema.get(name).and_then(Value::as_f64);
    let (least, most) = (bound("minimum"), bound("maximum"));
    let Some(number) = number else { return };
    if least.is_some_and(|least| number < least) || most.is_some_and(|most| number > most) {
        let text = match (least, most) {
            (Some(least), Some(most)) => format!("from {least} to {most}"),
            (Some(least), None) => format!("of at least {least}"),
            (None, most) => format!("of at most {}", most.unwrap_or_default()),
        };
        mistakes.push(Mistake::new(at, Code::InvalidValue, format!("{number} is out of range; send a number {text}.")));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_at_most_two_edits_away() {
        assert_eq!(nearest("assetHandelArray", ["assetHandleArray", "fmt"].into_iter()), Some("assetHandleArray"));
        assert_eq!(nearest("colour", ["fmt"].into_iter()), None);
        assert_eq!(edits("kitten", "sitting"), 3);
    }
}
