//! The export request that a form means.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::http::extract::export_list::{Lines, read_pasted_list};
use crate::http::pages::console::form_errors::FormErrors;
use crate::http::pages::console::form_fields::FormFields;
use crate::http::pages::console::new_export::timing::add_time;
use crate::http::problem::Problem;
use crate::i18n::Language;

/// The export request of a form, as JSON.
#[derive(Default)]
pub(super) struct BuiltRequest {
    pub(super) json: Map<String, Value>,
    /// The lines of a pasted list.
    pub(super) lines: Lines,
}

/// Fields of the form that are fields of the request as they are.
pub(super) const TEXTS: [&str; 8] = [
    "nameTemplate",
    "jobName",
    "description",
    "layout",
    "emailSetting",
    "onUnconvertible",
    "onCorrupt",
    "onUnsupported",
];

/// The columns of a rendition: the field of the form, and that of the request.
pub(super) const RENDITION_FIELDS: [(&str, &str); 4] = [
    ("rendition-name", "name"),
    ("rendition-modifier", "is_modifier"),
    ("rendition-macro", "macro"),
    ("rendition-suffix", "suffix"),
];

/// Builds the request that the fields mean. What cannot be a part of any request is added to `errors`; all else is found out
/// where the request is checked.
///
/// # Errors
/// The pasted list cannot be read.
pub(super) fn build_request(
    fields: &FormFields,
    language: &Language,
    errors: &mut FormErrors,
) -> Result<BuiltRequest, Problem> {
    let mut built = BuiltRequest::default();
    add_assets(fields, &mut built)?;
    add_format(fields, &mut built.json);
    for name in TEXTS {
        add_text(&mut built.json, name, fields.text(name));
    }
    let recipients: Vec<String> = split_words(fields.get("notifyEmails")).map(str::to_owned).collect();
    if !recipients.is_empty() {
        built.json.insert("notifyEmails".into(), json!(recipients));
    }
    match fields.text("priority").map(|text| text.parse::<i64>()) {
        None | Some(Ok(0)) => {}
        Some(Ok(priority)) => drop(built.json.insert("priority".into(), json!(priority))),
        Some(Err(_)) => errors.push("priority", language.format("create-no-number", &[])),
    }
    add_delivery(fields, &mut built.json);
    add_time(fields, language, &mut built.json, errors);
    for (name, value) in read_further_fields(fields, language, errors) {
        match built.json.contains_key(&name) {
            true => errors.push("further", language.format("create-further-twice", &[("name", (&name).into())])),
            false => drop(built.json.insert(name, value)),
        }
    }
    Ok(built)
}

/// Fields that the form has no place for, as JSON.
fn read_further_fields(fields: &FormFields, language: &Language, errors: &mut FormErrors) -> Map<String, Value> {
    let Some(text) = fields.text("further") else { return Map::new() };
    match serde_json::from_str(&text) {
        Ok(Value::Object(further)) => further,
        _ => {
            errors.push("further", language.format("create-no-object", &[]));
            Map::new()
        }
    }
}

fn add_text(json: &mut Map<String, Value>, name: &str, text: Option<String>) {
    if let Some(text) = text {
        json.insert(name.to_owned(), text.into());
    }
}

fn add_assets(fields: &FormFields, built: &mut BuiltRequest) -> Result<(), Problem> {
    match fields.get("source") {
        "list" => {
            let (assets, lines) = read_pasted_list(fields.get("list"))?;
            built.lines = lines;
            built.json.insert("assets".into(), Value::Array(assets));
            if fields.is_set("skipMissing") {
                built.json.insert("onMissing".into(), json!("skip"));
            }
        }
        "folder" => {
            let (folder, recursive) = (fields.get("folder").trim(), fields.is_set("recursive"));
            let mut filter = Map::new();
            // All folders are what a filter without a folder means.
            if !(folder.is_empty() && recursive) {
                filter.insert("folder".into(), json!(folder));
                filter.insert("recursive".into(), json!(recursive));
            }
            add_text(&mut filter, "type", fields.text("type"));
            add_text(&mut filter, "name", fields.text("search"));
            built.json.insert("assetFilter".into(), Value::Object(filter));
        }
        _ => {
            let picked = list_picked(fields);
            if !picked.is_empty() {
                built.json.insert("assetHandleArray".into(), json!(picked));
            }
        }
    }
    Ok(())
}

/// The handles that were ticked, each once.
pub(super) fn list_picked(fields: &FormFields) -> Vec<&str> {
    let mut seen = BTreeSet::new();
    fields.list("asset").filter(|handle| seen.insert(*handle)).collect()
}

fn add_format(fields: &FormFields, json: &mut Map<String, Value>) {
    let is_original = fields.get("fmt") == "orig";
    json.insert("fmt".into(), json!(if is_original { "orig" } else { "convert" }));
    if is_original {
        return;
    }
    let renditions = list_renditions(fields);
    if !renditions.is_empty() {
        json.insert("renditions".into(), Value::Array(renditions));
    }
    add_text(json, "is_modifier", fields.text("is_modifier"));
    add_text(json, "macro", fields.text("macro"));
}

/// The rows of renditions that have anything in them.
fn list_renditions(fields: &FormFields) -> Vec<Value> {
    let columns = RENDITION_FIELDS.map(|(field, name)| (name, fields.list(field).collect::<Vec<_>>()));
    let rows = columns.iter().map(|(_, values)| values.len()).max().unwrap_or(0);
    let read_row = |row: usize| {
        let cells = columns.iter().filter_map(|(name, values)| {
            let text = values.get(row).map(|text| text.trim()).filter(|text| !text.is_empty())?;
            Some(((*name).to_owned(), json!(text)))
        });
        let mut cells: Map<String, Value> = cells.collect();
        // Told as missing where it is checked.
        (!cells.is_empty()).then(|| {
            cells.entry("name").or_insert(json!(""));
            Value::Object(cells)
        })
    };
    (0..rows).filter_map(read_row).collect()
}

fn add_delivery(fields: &FormFields, json: &mut Map<String, Value>) {
    let Some(connection) = fields.text("connection") else { return };
    let mut destination = Map::from_iter([("connection".to_owned(), json!(connection))]);
    add_text(&mut destination, "prefix", fields.text("prefix"));
    add_text(&mut destination, "onExisting", fields.text("onExisting"));
    if fields.is_set("manifest") {
        destination.insert("manifest".into(), json!(true));
    }
    json.insert("deliverTo".into(), json!([destination]));
    if fields.is_set("onlyChanged") {
        json.insert("onlyChanged".into(), json!(true));
    }
    add_text(json, "onRemoved", fields.text("onRemoved"));
}

/// Words between blanks, commas and semicolons.
fn split_words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|letter: char| letter.is_whitespace() || letter == ',' || letter == ';').filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::i18n::default_language;

    fn build(pairs: &[(&str, &str)]) -> (Value, Vec<(String, String)>) {
        let mut fields = FormFields::default();
        for (name, value) in pairs {
            fields.push(name, *value);
        }
        let mut errors = FormErrors::default();
        let built = build_request(&fields, default_language(), &mut errors).unwrap();
        let errors = errors.list().iter().map(|error| (error.field.clone(), error.told.text.clone())).collect();
        (Value::Object(built.json), errors)
    }

    #[test]
    fn fields_become_the_request_that_they_mean() {
        for (pairs, request) in [
            (
                &[("asset", "a"), ("asset", "b"), ("asset", "a"), ("fmt", "orig"), ("is_modifier", "wid=1")][..],
                json!({"assetHandleArray": ["a", "b"], "fmt": "orig"}),
            ),
            (
                &[
                    ("source", "folder"),
                    ("recursive", "1"),
                    ("type", "Image"),
                    ("is_modifier", " wid=1 "),
                    ("macro", ""),
                ],
                json!({"assetFilter": {"type": "Image"}, "fmt": "convert", "is_modifier": "wid=1"}),
            ),
            (
                &[("source", "folder"), ("folder", "a/b"), ("search", "x"), ("macro", "$p$")],
                json!({"assetFilter": {"folder": "a/b", "recursive": false, "name": "x"}, "fmt": "convert", "macro": "$p$"}),
            ),
            (
                &[("source", "list"), ("list", "a\r\nb\r\n"), ("skipMissing", "1"), ("fmt", "orig"), ("priority", "3")],
                json!({"assets": [{"name": "a"}, {"name": "b"}], "onMissing": "skip", "fmt": "orig", "priority": 3}),
            ),
            (
                &[
                    ("rendition-name", "web"),
                    ("rendition-modifier", "wid=8"),
                    ("rendition-macro", ""),
                    ("rendition-suffix", ""),
                    ("rendition-name", ""),
                    ("rendition-modifier", ""),
                    ("rendition-macro", ""),
                    ("rendition-suffix", ""),
                    ("rendition-name", "big"),
                    ("rendition-modifier", ""),
                    ("rendition-macro", "$p$"),
                    ("rendition-suffix", "b"),
                ],
                json!({"fmt": "convert", "renditions": [{"name": "web", "is_modifier": "wid=8"},
                       {"name": "big", "macro": "$p$", "suffix": "b"}]}),
            ),
            (
                &[
                    ("fmt", "orig"),
                    ("when", "repeat"),
                    ("words", "elke werkdag om 2:30"),
                    ("timeZone", "Europe/Amsterdam"),
                ],
                json!({"fmt": "orig", "execSchedule": "0 30 2 ? * MON-FRI", "timeZone": "Europe/Amsterdam"}),
            ),
            (
                &[
                    ("fmt", "orig"),
                    ("when", "later"),
                    ("execTime", "2099-07-01T02:30"),
                    ("timeZone", "Europe/Amsterdam"),
                ],
                json!({"fmt": "orig", "execTime": "2099-07-01T02:30:00+02:00", "timeZone": "Europe/Amsterdam"}),
            ),
            (
                &[
                    ("fmt", "orig"),
                    ("connection", "shop"),
                    ("prefix", "{date}"),
                    ("manifest", "1"),
                    ("onlyChanged", "1"),
                    ("notifyEmails", "a@example.org, b@example.org"),
                    ("further", "{\"expiresIn\": 60}"),
                ],
                json!({"fmt": "orig", "deliverTo": [{"connection": "shop", "prefix": "{date}", "manifest": true}],
                       "onlyChanged": true, "notifyEmails": ["a@example.org", "b@example.org"], "expiresIn": 60}),
            ),
        ] {
            assert_eq!(build(pairs), (request, vec![]), "{pairs:?}");
        }
    }

    #[test]
    fn what_no_request_can_have_is_told_at_its_field() {
        for (name, value, more, part) in [
            ("further", "[1]", None, "JSON object"),
            ("further", "{\"fmt\": \"orig\"}", None, "fmt"),
            ("priority", "high", None, "number"),
            ("execTime", "tomorrow", Some(("when", "later")), "time"),
            ("words", "every second friday at 10:00", Some(("when", "repeat")), "every weekday at"),
            ("words", "every weekday", Some(("when", "repeat")), "time"),
        ] {
            let pairs: Vec<_> = [(name, value)].into_iter().chain(more).collect();
            let (_, errors) = build(&pairs);
            assert_eq!(errors.len(), 1, "{errors:?}");
            assert!(errors[0].0 == name && errors[0].1.contains(part), "{errors:?}");
        }
    }
}
