//! The manifest: what became of every file of a job, as JSON and as CSV; an asset without one has a line too. Written piece by piece, so that memory does
//! not grow with the job.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::json;

use crate::reason::Note;
use crate::db::asset::AssetType;
use crate::db::entry::{Entry, EntryFile};
use crate::db::seal::Sealing;
use crate::db::vocabulary::{ItemState, Outcome};
use crate::id::AssetId;

/// One file of the manifest, or an asset of which nothing is handed out.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Line<'a> {
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
    failure: Option<&'a Note>,
    warnings: &'a [Note],
}

/// The lines of an item: one for each of its files, or one for itself.
pub fn lines(entry: &Entry) -> Vec<Line<'_>> {
    match entry.files.as_slice() {
        [] => vec![Line::of(entry, None)],
        files => files.iter().map(|file| Line::of(entry, Some(file))).collect(),
    }
}

impl<'a> Line<'a> {
    fn of(entry: &'a Entry, file: Option<&'a EntryFile>) -> Self {
        // A path without bytes is a promise that was not kept; the manifest tells what is there.
        let ready = file.filter(|file| file.sha256.is_some());
        let one = entry.files.len() < 2;
        Self {
            position: entry.position,
            asset_handle: entry.asset_id,
            asset_type: entry.asset_type,
            name: &entry.asset_name,
            source_file_name: entry.file_name.as_deref(),
            folder: &entry.folder,
            rendition: file.and_then(|file| file.rendition.as_deref()),
            // A file that is there worked, whatever became of the others.
            state: if ready.is_some() { ItemState::Succeeded } else { entry.state },
            path: ready.map(|file| file.path.as_str()),
            size: ready.and_then(|file| file.size),
            sha256: ready.and_then(|file| file.sha256).map(|digest| digest.to_string()),
            mime: ready.and_then(|file| file.mime.as_deref()),
            width: ready.and_then(|file| file.width),
            height: ready.and_then(|file| file.height),
            failure: entry.failure.as_deref().filter(|_| ready.is_none()),
            // What one file among several is to be warned of, it says itself.
            warnings: ready.filter(|_| !one).map_or(&entry.warnings, |file| &file.warnings),
        }
    }
}

/// The beginning of `manifest.json`, up to the first asset.
pub fn json_head(job: &Sealing, outcome: Outcome) -> String {
    let head = json!({
        "jobHandle": job.job_id, "jobName": job.job_name, "run": job.run, "outcome": outcome, "fmt": job.fmt,
        "effectiveModifier": job.effective_modifier, "renditions": job.renditions, "createdAt": time(job.created_at),
        "counts": {
            "total": job.total, "succeeded": job.succeeded, "failed": job.failed, "skipped": job.skipped,
            "stopped": job.stopped, "warnings": job.warned,
        },
    });
    let text = head.to_string();
    format!("{},\n\"items\":[", &text[..text.len() - 1])
}

/// The end of `manifest.json`.
pub const JSON_TAIL: &str = "\n]}\n";

/// The first line of `manifest.csv`.
pub const CSV_HEAD: &str = "position,assetHandle,assetType,name,sourceFileName,folder,rendition,state,path,size,sha256,mime,width,height,failureCode,failureDetail,warnings\r\n";

impl Line<'_> {
    /// The line as JSON.
    pub fn json(&self, first: bool) -> String {
        let line = serde_json::to_string(self).unwrap_or_default();
        format!("{}\n{line}", if first { "" } else { "," })
    }

    /// The line as CSV (RFC 4180).
    pub fn csv(&self) -> String {
        let number = |number: Option<i64>| number.map(|number| number.to_string()).unwrap_or_default();
        let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
        let warnings: Vec<String> =
            self.warnings.iter().map(|note| format!("{}: {}", note.code, note.detail)).collect();
        let word = |value: serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        let cells = [
            self.position.to_string(),
            self.asset_handle.to_string(),
            self.asset_type.name(),
            self.name.to_owned(),
            text(self.source_file_name),
            self.folder.to_owned(),
            text(self.rendition),
            word(json!(self.state)),
            text(self.path),
            number(self.size),
            text(self.sha256.as_deref()),
            text(self.mime),
            number(self.width.map(i64::from)),
            number(self.height.map(i64::from)),
            self.failure.map(|note| note.code.to_string()).unwrap_or_default(),
            text(self.failure.map(|note| note.detail.as_str())),
            warnings.join("; "),
        ];
        cells.map(|text| cell(&text)).join(",") + "\r\n"
    }
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
