//! What a company takes along from Image Serving, in files: macro files, attributes, records of a catalog, and the presets of
//! AEM as JSON. Each file tells by its content what it is. Documentation pages: c-file-formats, r-definition-macro,
//! r-modifier, r-postmodifier.

use serde_json::{Map, Value};

use crate::jobs::catalog::{self, CatalogAttribute, CatalogMacro, decode_catalog_text};

/// The most attributes of an import: each is tried with each preset.
const MAX_ATTRIBUTES: usize = 200;
/// How deep folders of AEM are looked into.
const MAX_AEM_DEPTH: usize = 16;

/// A file to import.
#[derive(Clone, Debug)]
pub struct CatalogFile {
    pub name: String,
    pub bytes: Vec<u8>,
}

/// A record of a catalog: what is kept with one image, and what a template is made of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CatalogRecord {
    /// Line of the file, from 1.
    pub line: usize,
    /// Name of the asset.
    pub id: String,
    pub modifier: String,
    pub post_modifier: String,
    /// Names of other columns that have a value.
    pub other_columns: Vec<String>,
}

/// What the files have.
#[derive(Clone, Debug, Default)]
pub struct CatalogContent {
    pub macros: Vec<CatalogMacro>,
    pub attributes: Vec<CatalogAttribute>,
    pub records: Vec<CatalogRecord>,
}

/// Reads the files.
///
/// # Errors
/// Which file cannot be read, and why.
pub fn read_catalog_files(files: Vec<CatalogFile>) -> Result<CatalogContent, String> {
    let mut content = CatalogContent::default();
    for CatalogFile { name, bytes } in files {
        let text = decode_catalog_text(bytes);
        content.read_file(&name, &text).map_err(|detail| format!("{name}: {detail}"))?;
    }
    if content.attributes.len() > MAX_ATTRIBUTES {
        let count = content.attributes.len();
        return Err(format!(
            "There are {count} attributes; the limit is {MAX_ATTRIBUTES}. Leave out those that are not needed."
        ));
    }
    if content.macros.is_empty() && content.records.is_empty() {
        return Err(
            "The files have neither macros nor records. A macro file has the columns Name and Definition, a catalog \
                    the columns Id and Modifier, separated by tabs."
                .to_owned(),
        );
    }
    Ok(content)
}

impl CatalogContent {
    fn read_file(&mut self, name: &str, text: &str) -> Result<(), String> {
        if text.trim_start().starts_with(['{', '[']) {
            let value = serde_json::from_str(text).map_err(|error| format!("The file is not valid JSON: {error}."))?;
            let before = self.macros.len();
            collect_aem_presets(&value, "", 0, &mut self.macros);
            return match self.macros.len() > before {
                true => Ok(()),
                false => Err("The JSON has no presets: objects with `jcr:content`, as AEM exports them.".to_owned()),
            };
        }
        let header = text.lines().find(|line| !line.trim().is_empty() && !line.starts_with('#')).unwrap_or_default();
        if header.is_empty() {
            return Ok(());
        }
        let has_ini_name = name.rsplit_once('.').is_some_and(|(_, ending)| ending.eq_ignore_ascii_case("ini"));
        if has_ini_name || (!header.contains('\t') && header.contains('=')) {
            self.attributes.extend(catalog::parse_catalog_attributes(text));
        } else if find_columns(header).iter().any(|column| column == "id") {
            self.records.extend(parse_records(text));
        } else {
            self.macros.extend(catalog::parse_catalog_macros(text)?);
        }
        Ok(())
    }
}

/// The columns of a header line, in lower case and without the name of their table.
fn find_columns(header: &str) -> Vec<String> {
    let cells = catalog::split_cells(header);
    cells.iter().map(|cell| cell.rsplit("::").next().unwrap_or(cell).trim().to_ascii_lowercase()).collect()
}

/// Parses records of a catalog.
fn parse_records(text: &str) -> Vec<CatalogRecord> {
    let mut lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#'));
    let columns = lines.next().map(|(_, header)| find_columns(header)).unwrap_or_default();
    let read = |(index, line): (usize, &str)| {
        let mut record = CatalogRecord { line: index + 1, ..CatalogRecord::default() };
        for (column, cell) in columns.iter().zip(catalog::split_cells(line)).filter(|(_, cell)| !cell.is_empty()) {
            match column.as_str() {
                "id" => record.id = cell,
                "modifier" => record.modifier = cell,
                "postmodifier" => record.post_modifier = cell,
                // Where the image is there; here it was uploaded.
                "path" | "timestamp" | "expiration" => {}
                column => record.other_columns.push(column.to_owned()),
            }
        }
        record
    };
    lines.map(read).collect()
}

/// The presets below an object of AEM: each child with `jcr:content`, whose properties are commands.
fn collect_aem_presets(value: &Value, name: &str, depth: usize, found: &mut Vec<CatalogMacro>) {
    let children: Vec<(&str, &Value)> = match value {
        Value::Object(fields) => fields.iter().map(|(name, value)| (name.as_str(), value)).collect(),
        // A list of objects, each with its name as title.
        Value::Array(items) => items.iter().map(|item| ("", item)).collect(),
        _ => return,
    };
    if let Some(Value::Object(properties)) = value.get("jcr:content") {
        let title = properties.get("jcr:title").and_then(Value::as_str).unwrap_or_default();
        let name = if name.is_empty() { title } else { name };
        found.push(CatalogMacro { line: None, name: name.to_owned(), text: format_aem_commands(properties) });
    }
    if depth < MAX_AEM_DEPTH {
        for (name, child) in children.into_iter().filter(|(name, _)| *name != "jcr:content") {
            collect_aem_presets(child, name, depth + 1, found);
        }
    }
}

/// The properties as a modifier, in their order. Those of the repository have a namespace.
fn format_aem_commands(properties: &Map<String, Value>) -> String {
    let commands = properties.iter().filter(|(name, _)| !name.contains(':')).map(|(name, value)| {
        let text = format_aem_value(value).replace('&', "%26");
        match text.is_empty() && name.starts_with('$') {
            true => name.clone(),
            false => format!("{name}={text}"),
        }
    });
    commands.collect::<Vec<_>>().join("&")
}

fn format_aem_value(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(format_aem_value).collect::<Vec<_>>().join(","),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn read(name: &str, text: &str) -> Result<CatalogContent, String> {
        read_catalog_files(vec![CatalogFile { name: name.into(), bytes: text.into() }])
    }

    #[test]
    fn each_file_is_what_its_content_says() {
        let aem = r#"{"jcr:primaryType": "sling:Folder", "web": {"jcr:content": {"jcr:title": "Web", "$pdp$": "", "layer": "1",
            "src": "a&b", "wid": 300, "op_usm": ["1", "2"]}}, "folder": {"deep": {"jcr:content": {"wid": "5"}}}}"#;
        let macros = read("presets.json", aem).unwrap().macros;
        let texts: Vec<_> = macros.iter().map(|preset| (preset.name.as_str(), preset.text.as_str())).collect();
        assert_eq!(texts, [("web", "$pdp$&layer=1&src=a%26b&wid=300&op_usm=1,2"), ("deep", "wid=5")]);
        let records = read(
            "catalog.tab",
            "Id\tPath\tModifier\tcatalog::PostModifier\tAnchor\ncard\tcard.tif\tlayer=1\twid=9\t1,1\n",
        )
        .unwrap()
        .records;
        assert_eq!(records[0].other_columns, ["anchor"]);
        assert_eq!(
            (records[0].line, records[0].modifier.as_str(), records[0].post_modifier.as_str()),
            (2, "layer=1", "wid=9")
        );
        assert_eq!(read("x", "Name\tDefinition\na\twid=1\n").unwrap().macros[0].line, Some(2));
        assert!(read("default.txt", "JpegQuality=80\n").unwrap_err().contains("neither macros nor records"));
        for (text, part) in
            [("{\"a\": 1}", "no presets"), ("{", "not valid JSON"), ("Name\tText\n", "column Definition")]
        {
            let detail = read("x", text).unwrap_err();
            assert!(detail.starts_with("x: ") && detail.contains(part), "{detail}");
        }
    }
}
