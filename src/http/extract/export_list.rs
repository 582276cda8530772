//! An export request as a list: a table of names, modifiers, presets and output names (`text/csv`), or names alone
//! (`text/plain`). What a request has beside its assets stands in the query string then.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use actix_web::http::header::HeaderMap;
use actix_web::{FromRequest, HttpRequest, web};
use futures_util::future::LocalBoxFuture;
use offprint_core::{Code, Digest};
use serde_json::{Map, Value, json};

use crate::app::AppState;
use crate::http::extract::body::{JsonBody, compute_list_body_limit, list_fields, parse_body, read_whole_body};
use crate::http::extract::content_headers::{is_plain_text, is_table};
use crate::http::extract::json::clip_text;
use crate::http::extract::table::{Row, read_table};
use crate::http::problem::{Problem, ValidationError};
use crate::jobs::ExportRequest;
use crate::jobs::name_template::NameTemplate;

/// The fields of a request, and whether each is a text. The others stand as JSON in a query string.
static FIELDS: LazyLock<BTreeMap<String, bool>> = LazyLock::new(list_fields::<ExportRequest>);

/// Fields that say which assets are exported: the list does.
const ASSET_FIELDS: [&str; 3] = ["assetHandleArray", "assets", "assetFilter"];

/// An export request in one of its forms.
pub struct ExportBody {
    pub request: ExportRequest,
    /// SHA-256 of all that it says.
    pub digest: Digest,
    lines: Lines,
}

/// The line of each asset of a list; empty for JSON.
#[derive(Default)]
pub struct Lines(Vec<usize>);

impl FromRequest for ExportBody {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut actix_web::dev::Payload) -> Self::Future {
        if !is_table(request.headers()) && !is_plain_text(request.headers()) {
            let body = JsonBody::<ExportRequest>::from_request(request, payload);
            let misplaced = find_misplaced_field(request.query_string());
            return Box::pin(async move {
                if let Some(name) = misplaced {
                    let detail = "In the address this field counts for lists of assets only. With JSON it is a field of the body.";
                    return Err(Problem::invalid_parameter(name, detail));
                }
                let JsonBody(request, digest) = body.await?;
                Ok(Self { request, digest, lines: Lines::default() })
            });
        }
        let request = request.clone();
        let payload = web::Payload::from_request(&request, payload);
        Box::pin(async move {
            let state = request.app_data::<web::Data<AppState>>();
            let limit = compute_list_body_limit(state.map_or(0, |state| state.settings.max_items));
            let payload = payload.await.map_err(Problem::internal)?;
            let text = read_whole_body(&request, payload, limit).await?;
            if is_plain_text(request.headers()) && text.trim_start().starts_with('{') {
                let detail = "The body is JSON, but its `Content-Type` says that it is a list of names. Send it as \
                              `Content-Type: application/json`.";
                return Err(Problem::new(Code::UnsupportedMediaType, detail));
            }
            let digest = Digest::compute(format!("{}\n{text}", request.query_string()).as_bytes());
            let (request, lines) = parse_list(&text, request.query_string(), request.headers())?;
            Ok(Self { request, digest, lines })
        })
    }
}

/// A field of the request in the address. Beside a JSON body it would be dropped without a word.
fn find_misplaced_field(query: &str) -> Option<&'static str> {
    let names: Vec<&str> = query.split('&').filter_map(|part| part.split('=').next()).collect();
    FIELDS.keys().map(String::as_str).find(|field| names.contains(field))
}

impl ExportBody {
    /// The request, the digest of its body, and the lines of a list.
    pub fn into_parts(self) -> (ExportRequest, Digest, Lines) {
        (self.request, self.digest, self.lines)
    }
}

impl Lines {
    /// Names the line of each error about an asset of the list.
    pub fn locate(&self, problem: Problem) -> Problem {
        if self.0.is_empty() {
            return problem;
        }
        problem.map_errors(|error| match self.find_line(&error.pointer) {
            Some(line) => ValidationError { detail: format!("Line {line}: {}", error.detail), ..error },
            None => error,
        })
    }

    fn find_line(&self, pointer: &str) -> Option<usize> {
        let index = pointer.strip_prefix("/assets/")?.split('/').next()?;
        self.0.get(index.parse::<usize>().ok()?).copied()
    }
}

/// Parses a list and what the query string says beside it.
fn parse_list(text: &str, query: &str, headers: &HeaderMap) -> Result<(ExportRequest, Lines), Problem> {
    let is_table = is_table(headers) && !text.trim().is_empty();
    let (lines, assets) = if is_table { read_asset_table(text)? } else { read_names(text) };
    if assets.is_empty() {
        let detail =
            "The list is empty. Send the name of one asset a line; a table (`text/csv`) begins with a header line.";
        return Err(Problem::from_errors(vec![ValidationError::new("", Code::MissingParameter, detail)]));
    }
    let mut fields = read_query_fields(query)?;
    if !fields.contains_key("fmt") {
        let has_commands = ["is_modifier", "macro", "renditions"].iter().any(|name| fields.contains_key(*name))
            || assets.iter().any(|asset| asset.get("is_modifier").is_some());
        fields.insert("fmt".to_owned(), json!(if has_commands { "convert" } else { "orig" }));
    }
    fields.insert("assets".to_owned(), Value::Array(assets));
    let lines = Lines(lines);
    let request = parse_body(Value::Object(fields).to_string().as_bytes());
    request.map_err(|problem| lines.locate(problem)).map(|request| (request, lines))
}

/// Reads a list that somebody pasted into a page: a table where the first line names columns that a list has, the one of the
/// names among them; else names, one a line.
pub(in crate::http) fn read_pasted_list(text: &str) -> Result<(Vec<Value>, Lines), Problem> {
    let (lines, assets) = if has_header_line(text)? { read_asset_table(text)? } else { read_names(text) };
    Ok((assets, Lines(lines)))
}

fn has_header_line(text: &str) -> Result<bool, Problem> {
    let (columns, _) = read_table(text.lines().next().unwrap_or_default())?;
    let columns: Vec<_> = columns.iter().map(|name| find_column(name)).collect();
    Ok(columns.contains(&Ok(Column::Name)) && columns.iter().all(Result::is_ok))
}

/// Names, one a line. Blank lines are skipped.
fn read_names(text: &str) -> (Vec<usize>, Vec<Value>) {
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines.map(|(index, line)| (index + 1, json!({"name": line.trim()}))).unzip()
}

/// A table with a column for names.
fn read_asset_table(text: &str) -> Result<(Vec<usize>, Vec<Value>), Problem> {
    let (columns, rows) = read_table(text)?;
    let columns = columns.iter().map(|name| find_column(name)).collect::<Result<Vec<_>, _>>();
    let columns = columns.map_err(|error| Problem::from_errors(vec![error]))?;
    let mut mistakes = Vec::new();
    for (index, column) in columns.iter().enumerate() {
        if columns[..index].contains(column) {
            let detail = format!("The table has two columns for `{}`. Send one.", column.name());
            mistakes.push(ValidationError::new(column.name(), Code::DuplicateField, detail));
        }
    }
    if !columns.contains(&Column::Name) {
        let detail =
            format!("The header line has no column `name`, which names the asset of each line. {KNOWN_COLUMNS}");
        mistakes.push(ValidationError::new("name", Code::MissingParameter, detail));
    }
    let mut listed = (Vec::new(), Vec::new());
    for row in rows {
        match read_row(&row, &columns) {
            Ok(asset) => {
                listed.0.push(row.line);
                listed.1.push(asset);
            }
            Err(detail) => mistakes.push(ValidationError::new(
                format!("/lines/{}", row.line),
                Code::InvalidValue,
                format!("Line {}: {detail}", row.line),
            )),
        }
    }
    if mistakes.is_empty() { Ok(listed) } else { Err(Problem::from_errors(mistakes)) }
}

/// The columns of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Column {
    Name,
    Modifier,
    Preset,
    OutputName,
}

const KNOWN_COLUMNS: &str = "Known: `name` (or `sku`, `asset`), `modifier`, `preset`, `outputName`.";

impl Column {
    fn name(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Modifier => "modifier",
            Self::Preset => "preset",
            Self::OutputName => "outputName",
        }
    }
}

/// The column of a header, however it is spelt.
fn find_column(name: &str) -> Result<Column, ValidationError> {
    let folded: String = name.chars().filter(|char| char.is_alphanumeric()).flat_map(char::to_lowercase).collect();
    match folded.as_str() {
        "name" | "sku" | "asset" | "assethandle" => Ok(Column::Name),
        "modifier" | "ismodifier" => Ok(Column::Modifier),
        "preset" | "macro" => Ok(Column::Preset),
        "outputname" | "output" => Ok(Column::OutputName),
        _ => {
            let shown = clip_text(name);
            let detail = format!("Unknown column `{shown}`. {KNOWN_COLUMNS}");
            Err(ValidationError::new(shown, Code::UnknownField, detail))
        }
    }
}

/// The asset of a row, as a request in JSON has it.
fn read_row(row: &Row, columns: &[Column]) -> Result<Value, String> {
    if row.cells.len() != columns.len() {
        return Err(format!("The line has {} cells; the header line has {}.", row.cells.len(), columns.len()));
    }
    let find = |wanted: Column| {
        let cells = columns.iter().zip(&row.cells).filter(|(column, _)| **column == wanted);
        cells.map(|(_, cell)| cell.trim()).find(|cell| !cell.is_empty())
    };
    let Some(name) = find(Column::Name) else { return Err("The line names no asset. Fill the column `name`.".into()) };
    let mut asset = json!({ "name": name });
    let preset = find(Column::Preset).map(|preset| format!("${}$", preset.trim_matches('$')));
    let modifier = [find(Column::Modifier).map(str::to_owned), preset];
    let modifier: Vec<String> = modifier.into_iter().flatten().collect();
    if !modifier.is_empty() {
        asset["is_modifier"] = json!(modifier.join("&"));
    }
    if let Some(output) = find(Column::OutputName) {
        asset["nameTemplate"] = json!(NameTemplate::escape(output));
    }
    Ok(asset)
}

/// The fields of a request in a query string.
pub fn read_query_fields(query: &str) -> Result<Map<String, Value>, Problem> {
    let pairs = web::Query::<Vec<(String, String)>>::from_query(query);
    let pairs = pairs.map_err(|error| Problem::invalid_parameter("query", error.to_string()))?;
    let mut fields = Map::new();
    let mut mistakes = Vec::new();
    for (name, text) in pairs.into_inner() {
        let pointer = format!("/{}", clip_text(&name));
        if ASSET_FIELDS.contains(&name.as_str()) {
            let detail = "The list names the assets. Leave this out, or send the request as JSON.";
            mistakes.push(ValidationError::new(pointer, Code::ConflictingParameters, detail));
            continue;
        }
        // What is unknown is refused with the other fields.
        let value = match FIELDS.get(&name) == Some(&false) {
            true => match serde_json::from_str(&text) {
                Ok(value) => value,
                Err(error) => {
                    let detail = format!("The value in the query string is not JSON: {error}.");
                    mistakes.push(ValidationError::new(pointer, Code::InvalidValue, detail));
                    continue;
                }
            },
            false => Value::String(text),
        };
        if fields.insert(name, value).is_some() {
            let detail = "This field stands twice in the query string. Send it once.";
            mistakes.push(ValidationError::new(pointer, Code::DuplicateField, detail));
        }
    }
    if mistakes.is_empty() { Ok(fields) } else { Err(Problem::from_errors(mistakes)) }
}

/// Takes a field that is true or false and belongs to no export request.
///
/// # Errors
/// The value is neither.
pub fn take_flag(fields: &mut Map<String, Value>, name: &str) -> Result<Option<bool>, Problem> {
    match fields.remove(name) {
        None => Ok(None),
        Some(value) => match value.as_str() {
            Some("true") => Ok(Some(true)),
            Some("false") => Ok(Some(false)),
            _ => Err(Problem::invalid_parameter(name, "Send `true` or `false`.")),
        },
    }
}

/// Fields of an export request in the query string, for a body that is a list, for the document.
#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "only shown in the document: `read_query_fields` parses all fields of a request")]
pub struct ExportListQuery {
    /// With a list as body: `orig` or `convert`. Default: `convert` where the list or the query has a modifier, else `orig`.
    fmt: Option<String>,
    /// With a list as body: the modifier. Every other field of an export request can stand here, too; those that are no texts
    /// as JSON.
    #[param(max_length = 8192)]
    is_modifier: Option<String>,
    /// With a list as body: an image preset as `$name$`.
    #[param(max_length = 66)]
    r#macro: Option<String>,
    /// With a list as body: how the files are named.
    #[param(rename = "nameTemplate", max_length = 512)]
    name_template: Option<String>,
    /// With a list as body: what to do with names of assets that do not exist, `fail` or `skip`.
    #[param(rename = "onMissing")]
    on_missing: Option<String>,
    /// With a list as body: the renditions, as JSON.
    renditions: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(kind: &str, query: &str, text: &str) -> Result<(Value, Vec<usize>), Vec<String>> {
        let mut headers = HeaderMap::new();
        headers.insert(actix_web::http::header::CONTENT_TYPE, kind.parse().unwrap());
        let parsed = parse_list(text, query, &headers);
        parsed.map(|(request, lines)| (serde_json::to_value(request.assets).unwrap(), lines.0)).map_err(|problem| {
            problem.into_errors().into_iter().map(|error| format!("{}: {}", error.pointer, error.detail)).collect()
        })
    }

    #[test]
    fn lists_become_requests() {
        let (assets, lines) =
            parse("text/csv", "", "SKU;Output name;Preset;modifier\r\na;A.MAIN;pdp;\r\n\r\nb;;$pdp$;wid=4\r\n")
                .unwrap();
        assert_eq!(lines, [2, 4]);
        assert_eq!(
            (&assets[0]["name"], &assets[0]["is_modifier"], &assets[0]["nameTemplate"]),
            (&json!("a"), &json!("$pdp$"), &json!("A.MAIN"))
        );
        assert_eq!((&assets[1]["is_modifier"], &assets[1]["nameTemplate"]), (&json!("wid=4&$pdp$"), &Value::Null));
        let (assets, lines) = parse("text/plain", "fmt=orig", "\na\n  b c \n").unwrap();
        assert_eq!((assets[1]["name"].as_str(), lines), (Some("b c"), vec![2, 3]));
    }

    #[test]
    fn pasted_lists_are_tables_or_names() {
        let read = |text: &str| {
            let (assets, lines) = read_pasted_list(text).unwrap();
            (assets.iter().map(|asset| asset["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>(), lines.0)
        };
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        for (text, wanted, lines) in [
            ("a\r\n\r\n b ", names(&["a", "b"]), vec![1, 3]),
            ("SKU\na\nb", names(&["a", "b"]), vec![2, 3]),
            ("sku\tpreset\na\tpdp", names(&["a"]), vec![2]),
            // A name with a comma in it is no header.
            ("shoe, red\nsku", names(&["shoe, red", "sku"]), vec![1, 2]),
            ("", vec![], vec![]),
        ] {
            assert_eq!(read(text), (wanted, lines), "{text:?}");
        }
    }

    #[test]
    fn fields_in_the_address_are_not_dropped() {
        assert_eq!(find_misplaced_field("x=1&nameTemplate=%7Bname%7D"), Some("nameTemplate"));
        assert_eq!(find_misplaced_field("priority=high"), Some("priority"));
        assert_eq!(find_misplaced_field("name=1&fmtx=2"), None);
    }

    #[test]
    fn fields_that_are_no_texts_are_json_in_the_address() {
        for name in
            ["strict", "keepRights", "expiresIn", "renditions", "metadata", "notifyEmails", "deliverTo", "onlyChanged"]
        {
            assert_eq!(FIELDS.get(name), Some(&false), "{name}");
        }
        for name in ["fmt", "is_modifier", "jobName", "execTime", "layout", "onRemoved", "callbackUrl", "emailSetting"]
        {
            assert_eq!(FIELDS.get(name), Some(&true), "{name}");
        }
        let query = "fmt=orig&onlyChanged=true&deliverTo=%5B%7B%22connection%22%3A%22x%22%7D%5D";
        parse("text/plain", query, "a").unwrap();
    }

    #[test]
    fn mistakes_of_lists_name_their_lines() {
        for (kind, query, text, part) in [
            ("text/csv", "", "", "The list is empty"),
            ("text/csv", "", "sku,colour\na,b", "Unknown column `colour`"),
            ("text/csv", "", "preset\npdp", "no column `name`"),
            ("text/csv", "", "sku,name\na,b", "two columns"),
            ("text/csv", "", "sku,preset\na", "/lines/2: Line 2: The line has 1 cells"),
            ("text/csv", "", "sku,preset\n,pdp", "Line 2: The line names no asset"),
            ("text/plain", "assetFilter={}", "a", "The list names the assets"),
            ("text/plain", "strict=ja", "a", "not JSON"),
            ("text/plain", "fmt=orig&fmt=convert", "a", "twice"),
            ("text/plain", "colour=red", "a", "Unknown field `colour`"),
        ] {
            let errors = parse(kind, query, text).unwrap_err();
            assert!(errors[0].contains(part), "{kind} {text:?}: {errors:?}");
        }
    }
}
