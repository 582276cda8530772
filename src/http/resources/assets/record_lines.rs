//! Records of assets in bulk: a JSON array, one JSON object a line, or a table with a header line. Each becomes a change of
//! one asset.
//!
//! A cell of a table is text; the fields that are numbers or objects are parsed as JSON. An empty cell leaves its field as
//! it is, and `null` removes its value.

use offprint_core::Code;
use serde_json::{Map, Value, json};

use crate::http::extract::body::parse_body;
use crate::http::extract::json::clip_text;
use crate::http::extract::table::{Row, read_table};
use crate::http::problem::{Problem, ValidationError};
use crate::http::resources::assets::change::ChangeAsset;

/// The most records of one request.
pub(super) const MAX_RECORDS: usize = 10_000;

/// The field that says which asset a record is for.
const TARGET_FIELD: &str = "asset";

/// The other columns that a table may have.
const COLUMNS: [&str; 12] = [
    "name",
    "fileName",
    "folder",
    "urlModifier",
    "urlPostApplyModifier",
    "maskAsset",
    "anchor",
    "resolution",
    "thumbType",
    "thumbRes",
    "userData",
    "crops",
];

/// Columns whose cells are JSON: numbers and objects.
const JSON_COLUMNS: [&str; 3] = ["resolution", "thumbRes", "crops"];

/// One record.
#[derive(Debug)]
pub(super) struct RecordLine {
    /// The line that it begins in, or its place in the array, from 1.
    pub(super) line: usize,
    /// Handle or name of the asset; empty when the record has none.
    pub(super) target: String,
    pub(super) change: Result<ChangeAsset, Vec<ValidationError>>,
}

/// Parses one JSON object a line. Blank lines are skipped.
///
/// # Errors
/// When there are too many records. What is wrong with a single one is its own error.
pub(super) fn parse_json_lines(text: &str) -> Result<Vec<RecordLine>, Problem> {
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let mut records = Vec::new();
    for (index, line) in lines {
        check_count(records.len())?;
        let parsed = serde_json::from_str::<Value>(line);
        let record = match parsed {
            Ok(Value::Object(fields)) => read_fields(index + 1, fields, line),
            Ok(_) => reject_line(index + 1, "The line is not a JSON object."),
            Err(error) => reject_line(index + 1, &format!("The line is not valid JSON: {error}.")),
        };
        records.push(record);
    }
    Ok(records)
}

/// Parses the body `{"records": […]}`.
///
/// # Errors
/// When it is not that, or there are too many records.
pub(super) fn parse_array(text: &str) -> Result<Vec<RecordLine>, Problem> {
    let (value, mistakes) = crate::http::extract::json::parse_json(text.as_bytes())
        .map_err(|error| Problem::new(Code::MalformedJson, format!("The body is not valid JSON: {error}.")))?;
    let records = match value {
        Value::Object(mut fields) if fields.len() == 1 => fields.remove("records"),
        _ => None,
    };
    let Some(Value::Array(records)) = records else {
        let detail = "The body is not an object with the array `records` and nothing else.";
        return Err(Problem::from_errors(vec![ValidationError::new("/records", Code::WrongType, detail)]));
    };
    // A field that occurs twice is gone from the parsed value, so it is told for the whole body.
    let mistakes = mistakes.into_parts().1;
    if !mistakes.is_empty() {
        return Err(Problem::from_errors(mistakes));
    }
    check_count(records.len().saturating_sub(1))?;
    let read = |(index, record)| match record {
        Value::Object(fields) => {
            let text = Value::Object(fields.clone()).to_string();
            read_fields(index + 1, fields, &text)
        }
        _ => reject_line(index + 1, "The record is not a JSON object."),
    };
    Ok(records.into_iter().enumerate().map(read).collect())
}

/// Parses a table.
///
/// # Errors
/// When the header line is wrong, a quotation mark is missing, or there are too many records.
pub(super) fn parse_table(text: &str) -> Result<Vec<RecordLine>, Problem> {
    let (columns, rows) = read_table(text)?;
    let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
    check_columns(&columns)?;
    let mut records = Vec::new();
    for Row { line, cells } in rows {
        check_count(records.len())?;
        records.push(read_row(line, &columns, cells));
    }
    Ok(records)
}

fn check_count(count: usize) -> Result<(), Problem> {
    if count < MAX_RECORDS {
        return Ok(());
    }
    let detail = format!("One request may have at most {MAX_RECORDS} records. Nothing was changed. Split the request.");
    Err(Problem::from_errors(vec![ValidationError::new("", Code::InvalidValue, detail)]))
}

fn check_columns(columns: &[&str]) -> Result<(), Problem> {
    let known = || format!("{TARGET_FIELD}, {}", COLUMNS.join(", "));
    let mut mistakes = Vec::new();
    if !columns.contains(&TARGET_FIELD) {
        let detail = format!("The header line has no column `{TARGET_FIELD}`, which names the asset of each line.");
        mistakes.push(ValidationError::new(format!("/{TARGET_FIELD}"), Code::MissingParameter, detail));
    }
    for (index, column) in columns.iter().enumerate() {
        let shown = clip_text(column);
        if columns[..index].contains(column) {
            let detail = format!("The column `{shown}` occurs twice. Send it once.");
            mistakes.push(ValidationError::new(format!("/{shown}"), Code::DuplicateField, detail));
        } else if *column != TARGET_FIELD && !COLUMNS.contains(column) {
            let detail = format!("Unknown column `{shown}`. Known: {}.", known());
            mistakes.push(ValidationError::new(format!("/{shown}"), Code::UnknownField, detail));
        }
    }
    if mistakes.is_empty() { Ok(()) } else { Err(Problem::from_errors(mistakes)) }
}

fn read_row(line: usize, columns: &[&str], cells: Vec<String>) -> RecordLine {
    if cells.len() != columns.len() {
        let detail = format!("The line has {} cells; the header line has {}.", cells.len(), columns.len());
        return reject_line(line, &detail);
    }
    let mut fields = Map::new();
    for (column, cell) in columns.iter().zip(cells) {
        let value = match cell.trim() {
            "" => continue,
            "null" if *column != TARGET_FIELD => Value::Null,
            text if JSON_COLUMNS.contains(column) => match serde_json::from_str(text) {
                Ok(value) => value,
                Err(_) => json!(text),
            },
            _ => Value::String(cell),
        };
        fields.insert((*column).to_owned(), value);
    }
    let text = Value::Object(fields.clone()).to_string();
    read_fields(line, fields, &text)
}

/// A record of these fields. `text` is the object as it was written: there a field may occur twice.
fn read_fields(line: usize, mut fields: Map<String, Value>, text: &str) -> RecordLine {
    let target = match fields.remove(TARGET_FIELD) {
        Some(Value::String(target)) if !target.trim().is_empty() => target.trim().to_owned(),
        _ => {
            let detail = format!("Send the handle or the name of the asset as `{TARGET_FIELD}`.");
            let error = ValidationError::new(format!("/{TARGET_FIELD}"), Code::MissingParameter, detail);
            return RecordLine { line, target: String::new(), change: Err(vec![error]) };
        }
    };
    let duplicates = crate::http::extract::json::parse_json(text.as_bytes()).map(|(_, duplicates)| duplicates);
    let mut errors = duplicates.map(|duplicates| duplicates.into_parts().1).unwrap_or_default();
    let change = parse_body::<ChangeAsset>(Value::Object(fields).to_string().as_bytes());
    let change = match change {
        Ok(change) if errors.is_empty() => Ok(change),
        Ok(_) => Err(errors),
        Err(problem) => {
            errors.extend(problem.into_errors());
            Err(errors)
        }
    };
    RecordLine { line, target, change }
}

fn reject_line(line: usize, detail: &str) -> RecordLine {
    let error = ValidationError::new("", Code::InvalidValue, detail);
    RecordLine { line, target: String::new(), change: Err(vec![error]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_cells_change_nothing_and_null_removes() {
        let table =
            "asset,anchor,resolution,crops\nshoe,\"1,2\",300,\"{\"\"L\"\":\"\"cropN=0,0,1,1\"\"}\"\nhat,,null,\n";
        let records = parse_table(table).unwrap();
        assert_eq!((records[0].line, records[0].target.as_str(), records[1].line), (2, "shoe", 3));
        let shown = |index: usize| format!("{:?}", records[index].change.as_ref().unwrap());
        for part in ["anchor: Some(Some(\"1,2\"))", "resolution: Some(Some(300.0))", "cropN=0,0,1,1"] {
            assert!(shown(0).contains(part), "{}", shown(0));
        }
        assert!(shown(1).contains("resolution: Some(None)") && shown(1).contains("anchor: None"), "{}", shown(1));
        assert!(parse_table("asset;colour\n").is_err());
        assert!(parse_table("anchor\n1").is_err());
    }

    #[test]
    fn an_array_of_records_is_read_as_lines_are() {
        let records = parse_array(r#"{"records": [{"asset": "a", "anchor": "1,1"}, 7, {"anchor": "1,1"}]}"#).unwrap();
        let outcomes: Vec<_> = records.iter().map(|record| (record.line, record.change.is_ok())).collect();
        assert_eq!(outcomes, [(1, true), (2, false), (3, false)]);
        for wrong in [
            "[]",
            "{}",
            r#"{"records": {}}"#,
            r#"{"records": [], "x": 1}"#,
            r#"{"records": [{"asset": "a", "asset": "b"}]}"#,
            "{",
        ] {
            assert!(parse_array(wrong).is_err(), "{wrong}");
        }
        let record = r#"{"asset":"a"},"#.repeat(MAX_RECORDS);
        assert!(parse_array(&format!(r#"{{"records": [{}]}}"#, record.trim_end_matches(','))).is_ok());
        assert!(parse_array(&format!(r#"{{"records": [{record}{{"asset":"a"}}]}}"#)).is_err());
    }

    #[test]
    fn each_line_has_its_own_errors() {
        let lines =
            "{\"asset\":\"a\",\"anchor\":\"1,1\"}\n\n[]\n{\"anchor\":\"1,1\"}\n{\"asset\":\"a\",\"x\":1,\"x\":2}\nno";
        let records = parse_json_lines(lines).unwrap();
        let outcomes: Vec<_> =
            records.iter().map(|record| (record.line, record.change.as_ref().map(drop).map_err(Vec::len))).collect();
        assert_eq!(outcomes, [(1, Ok(())), (3, Err(1)), (4, Err(1)), (5, Err(2)), (6, Err(1))]);
        let many = "{\"asset\":\"a\"}\n".repeat(MAX_RECORDS + 1);
        assert!(parse_json_lines(&many).is_err());
    }
}
