//! The fields of the form that changes an asset, and the change that they mean: only what differs from the asset.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::http::extract::body::parse_body;
use crate::http::pages::console::form_errors::FormErrors;
use crate::http::pages::console::form_fields::FormFields;
use crate::http::problem::Problem;
use crate::http::resources::assets::asset::Asset;
use crate::http::resources::assets::change::ChangeAsset;
use crate::i18n::Language;

/// Fields that an asset always has.
const REQUIRED: [&str; 3] = ["name", "fileName", "folder"];
/// Fields that are texts or nothing.
const TEXTS: [&str; 6] = ["urlModifier", "urlPostApplyModifier", "maskAsset", "anchor", "thumbType", "userData"];
/// Fields that are numbers or nothing.
const NUMBERS: [&str; 2] = ["resolution", "thumbRes"];

/// The fields as the asset has them.
pub(super) fn list_current_fields(asset: &Asset) -> FormFields {
    let json = serde_json::to_value(asset).unwrap_or_default();
    let mut fields = FormFields::default();
    for name in REQUIRED.iter().chain(&TEXTS) {
        fields.push(name, json[*name].as_str().unwrap_or_default());
    }
    for name in NUMBERS {
        fields.push(name, json[name].as_f64().map(|number| number.to_string()).unwrap_or_default());
    }
    fields.push("metadata", write_lines(&asset.metadata.0, ": "));
    fields.push("crops", write_lines(&asset.crops, " = "));
    fields
}

fn write_lines(entries: &BTreeMap<String, String>, separator: &str) -> String {
    entries.iter().map(|(name, value)| format!("{name}{separator}{value}")).collect::<Vec<_>>().join("\n")
}

/// The lines of a field as names and values; the number of a line that is none.
fn read_lines(text: &str, separator: char) -> Result<BTreeMap<String, String>, usize> {
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let read = |(index, line): (usize, &str)| {
        let (name, value) = line.split_once(separator).ok_or(index + 1)?;
        Ok((name.trim().to_owned(), value.trim().to_owned()))
    };
    lines.map(read).collect()
}

/// The change that a form means. What cannot be a part of any change is added to `errors`.
///
/// # Errors
/// What is wrong with the fields.
pub(super) fn build_change(
    asset: &Asset,
    fields: &FormFields,
    language: &Language,
    errors: &mut FormErrors,
) -> Result<ChangeAsset, Problem> {
    let current = list_current_fields(asset);
    let (is_changed, text) =
        (|name: &str| fields.text(name) != current.text(name), |name: &str| fields.text(name).map(Value::String));
    let mut change = Map::new();
    for name in REQUIRED.into_iter().filter(|name| fields.is_set(name) && is_changed(name)) {
        change.insert(name.to_owned(), text(name).unwrap_or_else(|| json!("")));
    }
    for name in TEXTS.into_iter().filter(|name| fields.is_set(name) && is_changed(name)) {
        change.insert(name.to_owned(), text(name).unwrap_or(Value::Null));
    }
    for name in NUMBERS.into_iter().filter(|name| fields.is_set(name) && is_changed(name)) {
        match fields.text(name).map(|text| text.replace(',', ".").parse::<f64>()) {
            None => drop(change.insert(name.to_owned(), Value::Null)),
            Some(Ok(number)) => drop(change.insert(name.to_owned(), json!(number))),
            Some(Err(_)) => errors.push(name, language.format("create-no-number", &[])),
        }
    }
    for (name, separator) in [("metadata", ':'), ("crops", '=')] {
        if !fields.is_set(name) || !is_changed(name) {
            continue;
        }
        let text = fields.text(name).unwrap_or_default();
        match (read_lines(&text, separator), name) {
            (Ok(entries), "crops") => drop(change.insert(name.to_owned(), json!(entries))),
            (Ok(entries), _) => {
                // What is gone from the form is removed.
                let removed = asset.metadata.0.keys().filter(|key| !entries.contains_key(*key));
                let mut edit: Map<String, Value> = removed.map(|key| (key.clone(), Value::Null)).collect();
                edit.extend(entries.into_iter().map(|(key, value)| (key, json!(value))));
                change.insert(name.to_owned(), Value::Object(edit));
            }
            (Err(line), _) => {
                let sign = separator.to_string();
                let arguments = [("line", (line as i64).into()), ("name", (&sign).into())];
                errors.push(name, language.format("create-no-pair", &arguments));
            }
        }
    }
    parse_body(Value::Object(change).to_string().as_bytes())
}

/// The field of the form that an error of the change is about.
pub(super) fn name_field(pointer: &str) -> Option<String> {
    let name = pointer.trim_start_matches('/').split('/').next().unwrap_or_default();
    Some(name.to_owned()).filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_names_and_values() {
        let read = |text: &str, separator| read_lines(text, separator).map(|entries| entries.into_iter().collect());
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(read("a: 1\n\nb:x: y ", ':'), Ok(vec![pair("a", "1"), pair("b", "x: y")]));
        assert_eq!(read("Large = cropN=0,0,1,1", '='), Ok(vec![pair("Large", "cropN=0,0,1,1")]));
        assert_eq!(read("a: 1\nb", ':'), Err(2));
    }
}
