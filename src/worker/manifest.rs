//! The manifest of a job: a line for each file, and for each asset without one, as JSON and as CSV. It is written line
//! by line, so that memory use does not grow with the job. It knows neither database nor storage; `seal.rs` feeds it.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use serde_json::json;

use crate::db::asset::AssetType;
use crate::db::enums::{ItemState, Outcome};
use crate::db::item_view::{ItemFileView, ItemView};
use crate::db::metadata_map::MetadataMap;
use crate::db::seal::EndedJob;
use crate::id::AssetId;
use crate::reason::Reason;

/// Why files were not delivered, by position and rendition.
pub type UndeliveredFiles = BTreeMap<(i32, i16), Vec<Reason>>;

/// A line: a file, or an item without files.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ManifestLine<'a> {
    position: i32,
    asset_handle: AssetId,
    asset_type: AssetType,
    name: &'a str,
    source_file_name: Option<&'a str>,
    folder: &'a str,
    rendition: Option<&'a str>,
    state: ItemState,
    path: Option<&'a str>,
    size: Option<i64>,
    sha256: Option<String>,
    mime: Option<&'a str>,
    width: Option<i32>,
    height: Option<i32>,
    failure: Option<&'a Reason>,
    warnings: Vec<&'a Reason>,
    metadata: &'a MetadataMap,
}

/// The lines of an item: one for each of its files, or one for the item itself.
pub fn list_manifest_lines<'a>(item: &'a ItemView, undelivered: &'a UndeliveredFiles) -> Vec<ManifestLine<'a>> {
    // Files are in the order of their renditions, and there is one for each.
    let failures = |rendition: i16| undelivered.get(&(item.position, rendition)).map(Vec::as_slice).unwrap_or_default();
    match item.files.as_slice() {
        [] => vec![ManifestLine::from_item(item, None, &[])],
        files => files
            .iter()
            .zip(0..)
            .map(|(file, rendition)| ManifestLine::from_item(item, Some(file), failures(rendition)))
            .collect(),
    }
}

impl<'a> ManifestLine<'a> {
    fn from_item(item: &'a ItemView, file: Option<&'a ItemFileView>, undelivered: &'a [Reason]) -> Self {
        // The path of a file that was not produced is not listed: the archive has no such entry.
        let ready = file.filter(|file| file.sha256.is_some());
        let is_only_file = item.files.len() < 2;
        Self {
            position: item.position,
            asset_handle: item.asset_id,
            asset_type: item.asset_type,
            name: &item.asset_name,
            source_file_name: item.file_name.as_deref(),
            folder: &item.folder,
            rendition: file.and_then(|file| file.rendition.as_deref()),
            // A file that is ready has succeeded, even if its item failed because of another file.
            state: if ready.is_some() { ItemState::Succeeded } else { item.state },
            path: ready.map(|file| file.path.as_str()),
            size: ready.and_then(|file| file.size),
            sha256: ready.and_then(|file| file.sha256).map(|digest| digest.to_string()),
            mime: ready.and_then(|file| file.mime.as_deref()),
            width: ready.and_then(|file| file.width),
            height: ready.and_then(|file| file.height),
            failure: item.failure.as_deref().filter(|_| ready.is_none()),
            // Where an item has several files, each line lists the warnings of its own file.
            warnings: (file.filter(|_| !is_only_file).map_or(&item.warnings.0, |file| &file.warnings).iter())
                .chain(undelivered)
                .collect(),
            metadata: &item.metadata,
        }
    }
}

/// The beginning of `manifest.json`, up to the first line.
pub fn build_json_head(job: &EndedJob, outcome: Outcome) -> String {
    let warnings = [job.warnings.as_slice(), job.modifier_warnings.as_slice()].concat();
    let head = json!({
        "jobHandle": job.job_id, "jobName": job.job_name, "metadata": job.metadata, "run": job.run, "outcome": outcome,
        "fmt": job.fmt,
        "effectiveModifier": job.effective_modifier, "renditions": job.renditions, "createdAt": format_time(job.created_at),
        "counts": {
            "total": job.total, "succeeded": job.succeeded, "failed": job.failed, "skipped": job.skipped,
            "stopped": job.stopped, "warnings": job.warned,
        },
        "warnings": warnings, "notices": job.notices,
    });
    let text = head.to_string();
    format!("{},\n\"items\":[", &text[..text.len() - 1])
}

/// The end of `manifest.json`.
pub const JSON_TAIL: &str = "\n]}\n";

/// The first line of `manifest.csv`. `path` is for people: an apostrophe may stand in front of it. `encodedPath` names the
/// file exactly, percent-encoded as in its URL.
pub const CSV_HEAD: &str = "position,assetHandle,assetType,name,sourceFileName,folder,rendition,state,path,size,sha256,mime,width,height,failureCode,failureDetail,warnings,encodedPath,metadata,jobMetadata\r\n";

impl ManifestLine<'_> {
    /// The line as JSON.
    pub fn to_json(&self, first: bool) -> String {
        let line = serde_json::to_string(self).unwrap_or_default();
        format!("{}\n{line}", if first { "" } else { "," })
    }

    /// The line as CSV (RFC 4180).
    pub fn to_csv(&self, job_metadata: &MetadataMap) -> String {
        let number = |number: Option<i64>| number.map(|number| number.to_string()).unwrap_or_default();
        let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
        let warnings: Vec<String> =
            self.warnings.iter().map(|warning| format!("{}: {}", warning.code, warning.detail)).collect();
        let name = |value: serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        let cells = [
            self.position.to_string(),
            self.asset_handle.to_string(),
            self.asset_type.name(),
            self.name.to_owned(),
            text(self.source_file_name),
            self.folder.to_owned(),
            text(self.rendition),
            name(json!(self.state)),
            text(self.path),
            number(self.size),
            text(self.sha256.as_deref()),
            text(self.mime),
            number(self.width.map(i64::from)),
            number(self.height.map(i64::from)),
            self.failure.map(|reason| reason.code.to_string()).unwrap_or_default(),
            text(self.failure.map(|reason| reason.detail.as_str())),
            warnings.join("; "),
            self.path.map(encode_path).unwrap_or_default(),
            format_metadata_cell(self.metadata),
            format_metadata_cell(job_metadata),
        ];
        cells.map(|text| escape_csv_cell(&text)).join(",") + "\r\n"
    }
}

/// A path as it stands in a URL. All but letters, digits, `/`, `.`, `_` and `~` is encoded: also `-`, which would begin a
/// formula.
fn encode_path(path: &str) -> String {
    const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'.').remove(b'_').remove(b'~');
    utf8_percent_encode(path, ENCODED).to_string()
}

/// Metadata as JSON, empty when there is none. Signs where a spreadsheet could see the beginning of a formula are written as
/// JSON escapes, so that the cell needs no apostrophe and parses to exactly the same texts.
fn format_metadata_cell(metadata: &MetadataMap) -> String {
    if metadata.is_empty() {
        return String::new();
    }
    let json = serde_json::to_string(metadata).unwrap_or_default();
    let mut cell = String::with_capacity(json.len());
    let mut previous = '{';
    for letter in json.chars() {
        // No structure of JSON is made of these signs, so each stands inside a text.
        if FORMULA_SIGNS.contains(&letter) && !previous.is_alphanumeric() {
            cell.push_str(&format!("\\u{:04x}", u32::from(letter)));
        } else {
            cell.push(letter);
        }
        previous = letter;
    }
    cell
}

/// What begins a formula. The last four are full-width forms, which are formulas in Japanese and Chinese versions.
const FORMULA_SIGNS: [char; 10] = ['=', '+', '-', '@', '\t', '\r', '＝', '＋', '－', '＠'];

/// Escapes a cell: text that spreadsheets would take for a formula gets an apostrophe in front, text with separators gets
/// quotes. Spreadsheets in much of Europe separate cells by semicolons and see no quotes inside of such a cell, and every
/// program lets people choose tabs or bars, so each place where a cell could begin is looked at, not only the first.
fn escape_csv_cell(text: &str) -> String {
    let mut defused = String::with_capacity(text.len() + 2);
    let mut rest = text;
    while let Some((end, separator)) = rest.char_indices().find(|(_, character)| CELL_SEPARATORS.contains(character)) {
        let (cell, next) = rest.split_at(end + separator.len_utf8());
        push_defused(&mut defused, cell);
        rest = next;
    }
    push_defused(&mut defused, rest);
    if defused.contains(CELL_SEPARATORS) || defused.contains('"') {
        format!("\"{}\"", defused.replace('"', "\"\""))
    } else {
        defused
    }
}

/// What separates cells and lines in some spreadsheet.
const CELL_SEPARATORS: [char; 6] = [',', ';', '\t', '|', '\r', '\n'];

/// Appends what some spreadsheet could take for a cell, with an apostrophe in front of a formula. Quotes and spaces in
/// front of the formula may be dropped by the spreadsheet.
fn push_defused(line: &mut String, cell: &str) {
    if cell.trim_start_matches([' ', '"', '\u{a0}']).starts_with(FORMULA_SIGNS) {
        line.push('\'');
    }
    line.push_str(cell);
}

fn format_time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}

#[cfg(test)]
mod tests {
    use super::{encode_path, escape_csv_cell, format_metadata_cell};
    use crate::db::metadata_map::MetadataMap;

    #[test]
    fn cells_cannot_begin_a_formula() {
        for (text, cell) in [
            ("=1+1", "'=1+1"),
            ("＝1+1", "'＝1+1"),
            (" =1", "' =1"),
            ("\tx", "\"'\tx\""),
            ("@a,b", "\"'@a,b\""),
            ("a;=1+1", "\"a;'=1+1\""),
            ("a|-1", "\"a|'-1\""),
            ("a\t+1", "\"a\t'+1\""),
            ("a\r\n@x", "\"a\r\n'@x\""),
            ("a;\"=1\"", "\"a;'\"\"=1\"\"\""),
            ("a; =1", "\"a;' =1\""),
            ("say \"hi\"", "\"say \"\"hi\"\"\""),
            ("a-b.jpg", "a-b.jpg"),
            ("a;b.jpg", "\"a;b.jpg\""),
        ] {
            assert_eq!(escape_csv_cell(text), cell, "{text:?}");
        }
    }

    #[test]
    fn an_encoded_path_is_exact_and_no_formula() {
        for path in ["=1+1.jpg", "-a/@b.png", "spring (2).jpg", "Größe;=x.tif", "\u{ff1d}1.gif"] {
            let cell = encode_path(path);
            assert_eq!(escape_csv_cell(&cell), cell, "nothing to defuse in {cell}");
            assert_eq!(percent_encoding::percent_decode_str(&cell).decode_utf8().unwrap(), path);
        }
    }

    #[test]
    fn metadata_in_a_cell_is_exact_and_no_formula() {
        let texts = ["=1", "a;=1", "a|-1", "x\t+1", "\r\n@x", "ＡＢ；＝1", "2026-11-29", "\"=1\"", " =1", "\\=1"];
        let map = MetadataMap(texts.iter().map(|text| (format!("-k{}", text.len()), (*text).to_owned())).collect());
        let cell = format_metadata_cell(&map);
        assert_eq!(serde_json::from_str::<MetadataMap>(&cell).unwrap(), map);
        let escaped = escape_csv_cell(&cell);
        let unquoted = escaped[1..escaped.len() - 1].replace("\"\"", "\"");
        assert_eq!(unquoted, cell, "nothing to defuse");
        assert!(format_metadata_cell(&MetadataMap(Default::default())).is_empty());
    }

    #[test]
    fn no_separator_of_a_spreadsheet_uncovers_a_formula() {
        let signs = ["=", "+", "-", "@", "＝"];
        for separator in [",", ";", "\t", "|", "\r", "\n"] {
            for sign in signs {
                for between in ["", " ", "\"", "\" \""] {
                    let line = format!("1,{},x\r\n", escape_csv_cell(&format!("name{separator}{between}{sign}cmd()")));
                    let shown =
                        line.split([';', '\t', '|', '\r', '\n']).map(|cell| cell.trim_start_matches(['"', ' ']));
                    assert!(shown.clone().all(|cell| !cell.starts_with(['=', '+', '-', '@', '＝'])), "{line:?}");
                }
            }
        }
    }
}
