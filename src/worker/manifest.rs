//! The manifest: what became of every asset of a job, as JSON and as CSV. Written piece by piece, so that memory does
//! not grow with the job.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::json;

use crate::code::Note;
use crate::db::asset::AssetType;
use crate::db::entry::Entry;
use crate::db::seal::Sealing;
use crate::db::vocabulary::{ItemState, Outcome};
use crate::id::AssetId;

/// One asset of the manifest.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Line<'a> {
    position: i32,
    asset_handle: AssetId,
    asset_type: AssetType,
    name: &'a str,
    source_file_name: Option<&'a str>,
    folder: &'a str,
    state: ItemState,
    path: Option<&'a str>,
    size: Option<i64>,
    sha256: Option<String>,
    mime: Option<&'a str>,
    width: Option<i32>,
    height: Option<i32>,
    failure: Option<&'a Note>,
    warnings: &'a [Note],
}

impl<'a> Line<'a> {
    fn of(entry: &'a Entry) -> Self {
        // A path without bytes is a promise that was not kept; the manifest tells what is there.
        let ready = entry.sha256.is_some();
        Self {
            position: entry.position,
            asset_handle: entry.asset_id,
            asset_type: entry.asset_type,
            name: &entry.asset_name,
            source_file_name: entry.file_name.as_deref(),
            folder: &entry.folder,
            state: entry.state,
            path: entry.path.as_deref().filter(|_| ready),
            size: entry.size,
            sha256: entry.sha256.map(|digest| digest.to_string()),
            mime: entry.mime.as_deref().filter(|_| ready),
            width: entry.width.filter(|_| ready),
            height: entry.height.filter(|_| ready),
            failure: entry.failure.as_ref().map(|failure| &failure.0),
            warnings: &entry.warnings.0,
        }
    }
}

/// The beginning of `manifest.json`, up to the first asset.
pub fn json_head(job: &Sealing, outcome: Outcome) -> String {
    let head = json!({
        "jobHandle": job.job_id, "jobName": job.job_name, "run": job.run, "outcome": outcome, "fmt": job.fmt,
        "effectiveModifier": job.effective_modifier, "createdAt": time(job.created_at),
        "counts": {
            "total": job.total, "succeeded": job.succeeded, "failed": job.failed, "skipped": job.skipped,
            "stopped": job.stopped, "warnings": job.warned,
        },
    });
    let text = head.to_string();
    format!("{},\n\"items\":[", &text[..text.len() - 1])
}

/// One asset as JSON.
pub fn json_line(entry: &Entry, first: bool) -> String {
    let line = serde_json::to_string(&Line::of(entry)).unwrap_or_default();
    format!("{}\n{line}", if first { "" } else { "," })
}

/// The end of `manifest.json`.
pub const JSON_TAIL: &str = "\n]}\n";

/// The first line of `manifest.csv`.
pub const CSV_HEAD: &str = "position,assetHandle,assetType,name,sourceFileName,folder,state,path,size,sha256,mime,width,height,failureCode,failureDetail,warnings\r\n";

/// One asset as CSV (RFC 4180).
pub fn csv_line(entry: &Entry) -> String {
    let line = Line::of(entry);
    let number = |number: Option<i64>| number.map(|number| number.to_string()).unwrap_or_default();
    let warnings: Vec<String> = line.warnings.iter().map(|note| format!("{}: {}", note.code, note.detail)).collect();
    let word = |value: serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let cells = [
        line.position.to_string(),
        line.asset_handle.to_string(),
        line.asset_type.name(),
        line.name.to_owned(),
        line.source_file_name.unwrap_or_default().to_owned(),
        line.folder.to_owned(),
        word(json!(line.state)),
        line.path.unwrap_or_default().to_owned(),
        number(line.size),
        line.sha256.unwrap_or_default(),
        line.mime.unwrap_or_default().to_owned(),
        number(line.width.map(i64::from)),
        number(line.height.map(i64::from)),
        line.failure.map(|note| note.code.to_string()).unwrap_or_default(),
        line.failure.map(|note| note.detail.clone()).unwrap_or_default(),
        warnings.join("; "),
    ];
    cells.map(|text| cell(&text)).join(",") + "\r\n"
}

/// A cell that tables show as it is: what would begin a formula gets an apostrophe, what has separators gets quotes.
fn cell(text: &str) -> String {
    let defused = match text.chars().next() {
        Some('=' | '+' | '-' | '@' | '\t' | '\r' | '\n') => format!("'{text}"),
        _ => text.to_owned(),
    };
    if defused.contains([',', '"', '\r', '\n']) { format!("\"{}\"", defused.replace('"', "\"\"")) } else { defused }
}

fn time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}

#[cfg(test)]
mod tests {
    use super::cell;

    #[test]
    fn cells_cannot_begin_a_formula() {
        assert_eq!(cell("=1+1"), "'=1+1");
        assert_eq!(cell("\tx"), "'\tx");
        assert_eq!(cell("@a,b"), "\"'@a,b\"");
        assert_eq!(cell("say \"hi\""), "\"say \"\"hi\"\"\"");
        assert_eq!(cell("a-b.jpg"), "a-b.jpg");
    }
}
