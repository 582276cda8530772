//! `Upload-Metadata`: name, folder and other properties of a file, as keys with base64 values.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use offprint_core::name::FileName;
use offprint_core::{Code, Digest};

use crate::db::asset::AssetChange;
use crate::db::metadata_map::MetadataMap;
use crate::http::problem::Problem;
use crate::http::problem::{ValidationError, ValidationErrors};
use crate::http::resources::assets::change::{ChangeAsset, check_safe_folder};
use crate::http::resources::assets::text_field::{parse_date, parse_metadata_text};

/// Maximum length of the header, in bytes.
const MAX_METADATA_BYTES: usize = 16 << 10;

/// The parsed header.
#[derive(Debug)]
pub(super) struct UploadMetadata {
    pub(super) file_name: String,
    pub(super) folder: String,
    pub(super) last_modified: Option<DateTime<Utc>>,
    pub(super) sha256: Option<Digest>,
    /// What is kept with the asset from the beginning, as JSON.
    pub(super) record: Option<String>,
    /// The client's own texts, for the asset.
    pub(super) asset_metadata: MetadataMap,
}

/// Parses the header. Unknown keys are stored with the upload and have no effect.
///
/// # Errors
/// 400 when the header cannot be read, 422 with all invalid values.
pub(super) fn parse_metadata(header: &str) -> Result<UploadMetadata, Problem> {
    let pairs = parse_pairs(header).map_err(|detail| Problem::invalid_parameter("Upload-Metadata", detail))?;
    let value = |key: &str| pairs.iter().find(|(name, _)| *name == key).map(|(_, value)| value.as_str());
    let mut mistakes = ValidationErrors::default();
    let folder = check_safe_folder("Upload-Metadata/folder", value("folder").unwrap_or_default(), &mut mistakes);
    let date = value("lastModified").unwrap_or_default();
    let last_modified = parse_date("Upload-Metadata/lastModified", date, &mut mistakes);
    let asset_metadata =
        parse_metadata_text("Upload-Metadata/metadata", value("metadata").unwrap_or_default(), &mut mistakes);
    let mut report = |key: &str, code, detail: String| {
        mistakes.push(ValidationError::new(format!("Upload-Metadata/{key}"), code, detail));
    };
    // Clients of tus use either key.
    let file_name = match value("filename").or(value("name")) {
        None | Some("") => {
            let detail = "The file name is missing. Send `Upload-Metadata: filename` with the name in base64.";
            report("filename", Code::MissingParameter, detail.into());
            None
        }
        Some(name) => FileName::sanitize(name)
            .map_err(|error| {
                report("filename", Code::InvalidValue, format!("{name:?} cannot be a file name: {error}."))
            })
            .ok(),
    };
    let sha256 = value("sha256").filter(|text| !text.is_empty()).and_then(|text| {
        let digest = text.parse().map_err(|error| report("sha256", Code::InvalidValue, format!("{text:?}: {error}.")));
        digest.ok()
    });
    match (file_name, folder) {
        (Some(file_name), Some(folder)) if mistakes.is_empty() => {
            let record = value("record").filter(|record| !record.trim().is_empty()).map(str::to_owned);
            let file_name = file_name.to_string();
            Ok(UploadMetadata { file_name, folder, last_modified, sha256, record, asset_metadata })
        }
        _ => Err(Problem::from_errors(mistakes)),
    }
}

/// The record of an upload whose metadata was checked when it was created.
pub(super) fn restore_record(header: &str) -> AssetChange {
    let record = parse_metadata(header).ok().and_then(|metadata| metadata.record);
    let change = record.and_then(|record| serde_json::from_str::<ChangeAsset>(&record).ok());
    change.map(|change| change.to_record("", &mut ValidationErrors::default())).unwrap_or_default()
}

fn parse_pairs(header: &str) -> Result<Vec<(&str, String)>, String> {
    if header.len() > MAX_METADATA_BYTES {
        return Err(format!("The header has {} bytes; the limit is {MAX_METADATA_BYTES}.", header.len()));
    }
    let mut pairs: Vec<(&str, String)> = Vec::new();
    for pair in header.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once(' ').unwrap_or((pair, ""));
        let text = STANDARD.decode(value.trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let text = text.ok_or_else(|| format!("The value of `{key}` is not base64 of UTF-8 text."))?;
        if text.contains('\0') {
            return Err(format!("The value of `{key}` contains a NUL character. Remove it."));
        }
        if pairs.iter().any(|(name, _)| *name == key) {
            return Err(format!("`{key}` occurs twice. Send it once."));
        }
        pairs.push((key, text));
    }
    Ok(pairs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_values_in_base64_or_none() {
        assert_eq!(
            parse_pairs("a Yg==,c, d  ZQ==").unwrap(),
            [("a", "b".into()), ("c", String::new()), ("d", "e".into())]
        );
        for wrong in ["a b", "a /w==", "a AA==", "a Yg==,a Yg=="] {
            assert!(parse_pairs(wrong).is_err(), "{wrong}");
        }
        assert!(parse_pairs(&"a".repeat(17_000)).unwrap_err().contains("16384"));
    }

    #[test]
    fn all_invalid_values_are_reported_together() {
        let header =
            format!("folder {},lastModified {},sha256 YWI=", STANDARD.encode("../up"), STANDARD.encode("today"));
        let problem = parse_metadata(&header).unwrap_err();
        assert_eq!(problem.code(), Code::ValidationFailed);
        assert!(problem.to_string().contains("4 errors"), "{problem}");
    }
}
