//! The fields of an upload's form that are texts: their lengths, and what is read from them. `Upload-Metadata` has the same.

use chrono::{DateTime, Utc};
use offprint_core::Code;

use crate::db::metadata_map::MetadataMap;
use crate::http::extract::json::{self, clip_text};
use crate::http::problem::{ValidationError, ValidationErrors};

/// Maximum length of a part that is a short text, or has an unknown name, in bytes.
pub(super) const MAX_TEXT_BYTES: usize = 4096;
/// Maximum length of a record, and of all records together, in bytes.
const MAX_RECORD_BYTES: usize = 32 << 10;
const MAX_ALL_RECORDS_BYTES: usize = 2 << 20;
/// Maximum length of the part `metadata`, in bytes: enough for all entries, with escapes.
const MAX_METADATA_BYTES: usize = 64 << 10;

/// A part of the form that is a text.
#[derive(Clone, Copy, Debug)]
pub(super) enum TextField {
    Folder,
    LastModified,
    Metadata,
    Record,
}

impl TextField {
    const ALL: [Self; 4] = [Self::Folder, Self::LastModified, Self::Metadata, Self::Record];

    pub(super) fn find_named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|field| field.name() == name)
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Folder => "folder",
            Self::LastModified => "lastModified",
            Self::Metadata => "metadata",
            Self::Record => "record",
        }
    }

    /// Maximum length of the next one, in bytes. `record_bytes` is the length of all records so far.
    pub(super) fn limit_bytes(self, record_bytes: usize) -> usize {
        match self {
            Self::Folder | Self::LastModified => MAX_TEXT_BYTES,
            Self::Metadata => MAX_METADATA_BYTES,
            Self::Record => MAX_RECORD_BYTES.min(MAX_ALL_RECORDS_BYTES - record_bytes),
        }
    }
}

/// Parses metadata that was sent as JSON text; empty when the text is empty or, with errors in `mistakes`, invalid.
pub(in crate::http) fn parse_metadata_text(pointer: &str, text: &str, mistakes: &mut ValidationErrors) -> MetadataMap {
    if text.is_empty() {
        return MetadataMap::default();
    }
    let parsed = json::parse_json(text.as_bytes());
    let map = parsed.ok().and_then(|(value, duplicates)| {
        let map: MetadataMap = serde_json::from_value(value).ok()?;
        duplicates.is_empty().then_some(map)
    });
    let Some(map) = map else {
        let detail = "The text is not a JSON object of texts with each key once. Example: {\"order\": \"A-1042\"}.";
        mistakes.push(ValidationError::new(pointer, Code::InvalidValue, detail));
        return MetadataMap::default();
    };
    let errors = map.check(pointer);
    let is_valid = errors.is_empty();
    mistakes.extend(errors);
    if is_valid { map } else { MetadataMap::default() }
}

/// Parses a modification time; none when it is empty or, with an error in `mistakes`, invalid.
pub(in crate::http) fn parse_date(pointer: &str, text: &str, mistakes: &mut ValidationErrors) -> Option<DateTime<Utc>> {
    if text.is_empty() {
        return None;
    }
    let date = DateTime::parse_from_rfc3339(text).ok().map(|date| date.to_utc());
    if date.is_none() {
        mistakes.push_with(|| {
            let shown = clip_text(text);
            let detail = format!("{shown:?} is not a date-time with a zone (RFC 3339). Example: 2026-12-24T06:00:00Z.");
            ValidationError::new(pointer, Code::InvalidValue, detail)
        });
    }
    date
}
