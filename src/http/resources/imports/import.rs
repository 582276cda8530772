//! The representation of an import and of its files.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::db::enums::{ImportEntryState, ImportState, Layout, OnExisting, Outcome};
use crate::db::import::{ImportCounts, ImportRow};
use crate::db::import_entry::EntryRow;
use crate::db::metadata_map::MetadataMap;
use crate::http::address::serialize_address;
use crate::id::{AssetId, ImportId};
use crate::jobs::import::ImportSource;
use crate::reason::Reason;

/// An import: files of a connection or of web servers that become assets.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Import {
    /// Handle of the import.
    #[schema(example = "00000000-0000-7000-8000-000000000001")]
    pub import_handle: ImportId,
    /// Its name for people.
    #[schema(example = "new photos")]
    name: String,
    /// Where the files are. Lists of paths and URLs are left out: the entries have them.
    #[schema(value_type = ImportSource)]
    source: Value,
    /// Folder of the new assets.
    #[schema(example = "")]
    folder: String,
    /// Whether folders of the source are kept.
    layout: Layout,
    /// What happens where there is an asset of the name already.
    on_existing: OnExisting,
    /// Texts of your own, which the new assets get.
    metadata: MetadataMap,
    /// Who gets a mail at the end.
    notify_emails: Vec<String>,
    /// Where a webhook is sent to at the end.
    callback_url: Option<String>,
    /// Number of the run: 1, and one more with each retry.
    run: i32,
    /// Current state.
    pub state: ImportState,
    /// How it ended; null before. An import is `failed` when no file was imported or skipped, and never
    /// `succeededWithWarnings`.
    outcome: Option<Outcome>,
    /// Why the source could not be listed completely; null when it could. The files that were found are imported all the same.
    failure: Option<Reason>,
    /// How many files there are, by state.
    counts: ImportCounts,
    /// When it was created.
    created_at: DateTime<Utc>,
    /// When it began.
    started_at: Option<DateTime<Utc>>,
    /// When it ended.
    finished_at: Option<DateTime<Utc>>,
    /// Related URLs.
    links: ImportLinks,
}

/// URLs related to an import.
#[derive(Debug, Serialize, ToSchema)]
pub struct ImportLinks {
    /// The import itself.
    #[serde(rename = "self", serialize_with = "serialize_address")]
    own: String,
    /// Its files.
    #[serde(serialize_with = "serialize_address")]
    entries: String,
}

impl From<ImportRow> for Import {
    fn from(row: ImportRow) -> Self {
        let own = format!("/imports/{}", row.import_id);
        Self {
            counts: row.counts(),
            import_handle: row.import_id,
            name: row.name,
            source: row.source.0,
            folder: row.folder,
            layout: row.layout,
            on_existing: row.on_existing,
            metadata: row.metadata.0,
            notify_emails: row.notify_emails.0,
            callback_url: row.callback_url,
            run: row.run,
            state: row.state,
            outcome: row.outcome,
            failure: row.failure.map(|failure| failure.0),
            created_at: row.created_at,
            started_at: row.started_at,
            finished_at: row.finished_at,
            links: ImportLinks { entries: format!("{own}/entries"), own },
        }
    }
}

impl Import {
    /// The URL of the import, relative to the service.
    pub fn location(&self) -> String {
        self.links.own.clone()
    }
}

/// A file of an import, and what became of it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImportEntry {
    /// Path in the connection, or the URL.
    #[schema(example = "shoes/1.jpg")]
    pub path: String,
    /// State of the file.
    state: ImportEntryState,
    /// Folder of the asset.
    folder: String,
    /// File name that the file is imported under, if no asset has it; empty when the name cannot be used.
    file_name: String,
    /// The asset: a new one, the one whose content was replaced, or the one that the file was imported as before. It may have been
    /// deleted since.
    asset_handle: Option<AssetId>,
    /// Size in bytes, as far as it is known.
    size: Option<i64>,
    /// Why it was skipped or failed; null otherwise.
    reason: Option<Reason>,
    /// When it ended.
    ended_at: Option<DateTime<Utc>>,
}

impl From<EntryRow> for ImportEntry {
    fn from(row: EntryRow) -> Self {
        Self {
            path: row.path,
            state: row.state,
            folder: row.folder,
            file_name: row.file_name,
            asset_handle: row.asset_id,
            size: row.size,
            reason: row.failure.map(|failure| failure.0),
            ended_at: row.ended_at,
        }
    }
}
