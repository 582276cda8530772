//! Lists and single objects of a service, as tables for people or as JSON for programs.

use std::str::FromStr;

use serde::Deserialize;
use serde_json::Value;

use super::client::ApiClient;
use super::{CliError, print_json, print_text};

/// An entry that the metadata must have, as `KEY=VALUE`.
#[derive(Clone, Debug)]
pub(super) struct MetadataCondition {
    key: String,
    value: String,
}

impl FromStr for MetadataCondition {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once('=') {
            Some((key, value)) if !key.is_empty() => Ok(Self { key: key.to_owned(), value: value.to_owned() }),
            _ => Err("write KEY=VALUE, such as order=A-1042"),
        }
    }
}

impl MetadataCondition {
    /// The value of the query parameter `metadata`.
    pub(super) fn to_parameter(&self) -> String {
        format!("{}:{}", self.key, self.value)
    }
}

/// The first `limit` items of a paged list; 0: all.
pub(super) async fn fetch_list(
    connection: &ApiClient,
    path: &[&str],
    query: &[(&str, &str)],
    limit: usize,
) -> Result<Vec<Value>, CliError> {
    const MAX_PAGE: usize = 1000;
    if limit == 0 || limit > MAX_PAGE {
        let mut all = connection.list(path, query).await?;
        all.truncate(if limit == 0 { usize::MAX } else { limit });
        return Ok(all);
    }
    #[derive(Deserialize)]
    struct FirstPage {
        items: Vec<Value>,
    }
    let limit = limit.to_string();
    let mut query = query.to_vec();
    query.push(("limit", &limit));
    Ok(connection.get::<FirstPage>(path, &query).await?.items)
}

/// Prints a list: as a table, or as one JSON object on each line.
pub(super) fn print_list(
    items: &[Value],
    json: bool,
    columns: &[&str],
    describe: impl Fn(&Value) -> Vec<String>,
) -> Result<(), CliError> {
    if json {
        return items.iter().try_for_each(print_json);
    }
    let rows: Vec<Vec<String>> = items.iter().map(describe).collect();
    print_text(&format_table(columns, &rows))
}

/// A table whose columns are as wide as their longest cell. The last one is not padded.
fn format_table(columns: &[&str], rows: &[Vec<String>]) -> String {
    let head: Vec<String> = columns.iter().map(|column| (*column).to_owned()).collect();
    let lines: Vec<&Vec<String>> = std::iter::once(&head).chain(rows).collect();
    let width = |column: usize| lines.iter().filter_map(|line| line.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..columns.len()).map(|column| width(column).unwrap_or_default()).collect();
    let mut text = String::new();
    for line in &lines {
        let cells: Vec<String> = line.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        text += cells.join("  ").trim_end();
        text.push('\n');
    }
    text
}

/// Prints names and values, one on each line. Those without a value are left out.
pub(super) fn print_fields(fields: &[(&str, String)]) -> Result<(), CliError> {
    let shown = fields.iter().filter(|(_, value)| !value.is_empty());
    let width = shown.clone().map(|(name, _)| name.len()).max().unwrap_or_default();
    print_text(&shown.map(|(name, value)| format!("{name:<width$}  {value}\n")).collect::<String>())
}

/// A text as a terminal may show it: names of others must not move its cursor. Empty for null.
pub(super) fn show_text(value: &Value) -> String {
    let text =
        value.as_str().map_or_else(|| if value.is_null() { String::new() } else { value.to_string() }, str::to_owned);
    text.chars().map(|letter| if letter.is_control() { '\u{fffd}' } else { letter }).collect()
}

/// Metadata as `key=value`, separated by commas.
pub(super) fn show_metadata(metadata: &Value) -> String {
    let entries = metadata.as_object().into_iter().flatten();
    entries.map(|(key, value)| format!("{key}={}", show_text(value))).collect::<Vec<_>>().join(", ")
}

/// The sentences of warnings or notices.
pub(super) fn show_reasons(reasons: &Value) -> String {
    let details = reasons.as_array().into_iter().flatten().map(|reason| show_text(&reason["detail"]));
    details.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_table_is_as_wide_as_its_cells() {
        let rows = vec![
            vec!["a".to_owned(), "größer".to_owned(), "x".to_owned()],
            vec!["bb".into(), "c".into(), String::new()],
        ];
        assert_eq!(format_table(&["ID", "SIZE", "NAME"], &rows), "ID  SIZE    NAME\na   größer  x\nbb  c\n");
        assert_eq!(format_table(&["ID"], &[]), "ID\n");
    }

    #[test]
    fn names_do_not_move_the_cursor() {
        assert_eq!(show_text(&json!("a\u{1b}[2Jb\n")), "a\u{fffd}[2Jb\u{fffd}");
        assert_eq!((show_text(&Value::Null), show_text(&json!(7))), (String::new(), "7".to_owned()));
        assert_eq!(show_metadata(&json!({"a": "1", "b": "x\ty"})), "a=1, b=x\u{fffd}y");
    }

    #[test]
    fn a_condition_has_a_key() {
        let parse = |text: &str| text.parse::<MetadataCondition>().map(|condition| condition.to_parameter());
        assert_eq!(parse("order=A=1"), Ok("order:A=1".to_owned()));
        assert!(parse("order").is_err() && parse("=x").is_err());
    }
}
