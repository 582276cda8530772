//! The assets of an export request: by handle or by filter, each once, in the requested order.

use std::collections::{HashMap, HashSet};

use offprint_core::Code;
use offprint_core::name::{Folder, normalize_name};

use crate::db::asset::{self, AssetRow};
use crate::db::enums::{OnMissing, OnUnsupported};
use crate::db::{self, DbConnection};
use crate::id::{AssetId, CompanyId};
use crate::jobs::request::AssetFilter;
use crate::jobs::request::ExportRequest;
use crate::reason::{Reason, ValidationError};

/// The assets of a request, or why they cannot be exported.
#[derive(Default)]
pub struct Selection {
    /// Each asset once, with its JSON pointer in the request.
    pub assets: Vec<(String, AssetRow)>,
    pub errors: Vec<ValidationError>,
    pub warnings: Vec<Reason>,
}

/// Finds the assets that the request names or filters, `max_items` at most.
pub async fn select_assets(
    connection: &mut DbConnection,
    company: CompanyId,
    request: &ExportRequest,
    max_items: usize,
) -> Result<Selection, db::DbError> {
    let mut selection = match (&request.asset_handle_array, &request.asset_filter) {
        (Some(handles), None) => {
            let on_missing = request.on_missing.unwrap_or_default();
            let mut selection = select_by_handles(connection, company, handles, max_items, on_missing).await?;
            selection.check_anything_left(request.exec_schedule.is_some());
            selection
        }
        (None, Some(filter)) => {
            select_by_filter(connection, company, filter, request.exec_schedule.is_some(), max_items).await?
        }
        // Reported by `validation::check_request`.
        _ => Selection::default(),
    };
    if request.on_unsupported.unwrap_or_default() == OnUnsupported::Refuse {
        selection.refuse_sets();
    }
    Ok(selection)
}

async fn select_by_handles(
    connection: &mut DbConnection,
    company: CompanyId,
    handles: &[String],
    max_items: usize,
    on_missing: OnMissing,
) -> Result<Selection, db::DbError> {
    let mut selection = Selection::default();
    let mut seen = HashSet::new();
    let mut wanted: Vec<(String, &String)> = Vec::new();
    for (index, handle) in handles.iter().enumerate() {
        if seen.insert(handle.to_ascii_lowercase()) {
            wanted.push((format!("/assetHandleArray/{index}"), handle));
        } else {
            selection.warnings.push(Reason::new(
                Code::DuplicateHandle,
                format!("{handle} is listed more than once. It is exported once."),
            ));
        }
    }
    if wanted.len() > max_items {
        selection.errors.push(reject_too_many_items(
            "/assetHandleArray",
            max_items,
            &format!("{} assets", wanted.len()),
        ));
        return Ok(selection);
    }
    let ids: Vec<AssetId> = wanted.iter().filter_map(|(_, handle)| handle.parse().ok()).collect();
    let mut found: HashMap<AssetId, AssetRow> =
        asset::find_assets(connection, company, &ids).await?.into_iter().map(|asset| (asset.asset_id, asset)).collect();
    for (pointer, handle) in wanted {
        let id = handle.parse::<AssetId>().ok();
        match id.and_then(|id| found.remove(&id)) {
            Some(asset) => selection.assets.push((pointer, asset)),
            // What is no handle at all was never an asset: a mistake of the client, which is not skipped.
            None if on_missing == OnMissing::Skip && id.is_some() => {
                let detail = format!("There is no asset {handle}. It was left out (`onMissing: skip`).");
                selection.warnings.push(Reason::new(Code::SkippedMissing, detail));
            }
            None => {
                let detail = format!(
                    "There is no asset {handle}. It may have been deleted. GET /assets lists the assets; `onMissing: skip` \
                     leaves out those that do not exist."
                );
                selection.errors.push(ValidationError::new(pointer, Code::AssetNotFound, detail));
            }
        }
    }
    Ok(selection)
}

async fn select_by_filter(
    connection: &mut DbConnection,
    company: CompanyId,
    filter: &AssetFilter,
    recurring: bool,
    max_items: usize,
) -> Result<Selection, db::DbError> {
    let mut selection = Selection::default();
    let folder = match filter.folder.as_deref().map(Folder::parse).transpose() {
        Ok(folder) => folder.map(|folder| folder.as_str().to_owned()),
        Err(detail) => {
            selection.errors.push(ValidationError::new("/assetFilter/folder", Code::InvalidValue, detail));
            return Ok(selection);
        }
    };
    let asset_filter = asset::AssetCriteria {
        // A filter without a folder means all folders.
        recursive: filter.recursive.unwrap_or(folder.is_none()),
        folder,
        kind: filter.r#type,
        name: filter.name.as_deref().map(normalize_name),
        sha256: None,
        metadata: filter.metadata.clone().unwrap_or_default(),
    };
    let found = asset::find_matching_assets(connection, company, &asset_filter, max_items as i64 + 1).await?;
    if found.len() > max_items {
        selection.errors.push(reject_too_many_items("/assetFilter", max_items, "more assets"));
    } else if found.is_empty() {
        let detail = format!(
            "No asset matches the filter ({}), so there is nothing to export. Check it with GET /assets, which takes the \
             same filter.",
            describe_filter(&asset_filter)
        );
        match recurring {
            // A schedule may find assets when it runs.
            true => selection.warnings.push(Reason::new(Code::NothingToExport, detail)),
            false => selection.errors.push(ValidationError::new("/assetFilter", Code::NothingToExport, detail)),
        }
    }
    selection.assets = found.into_iter().map(|asset| ("/assetFilter".to_owned(), asset)).collect();
    Ok(selection)
}

impl Selection {
    /// Refuses a request whose assets are all missing. A schedule may find them again when it runs.
    fn check_anything_left(&mut self, recurring: bool) {
        let is_missing = |warning: &Reason| warning.code == Code::SkippedMissing;
        if !self.assets.is_empty() || !self.errors.is_empty() || !self.warnings.iter().any(is_missing) {
            return;
        }
        let detail = "None of the assets exists, so there is nothing to export. GET /assets lists the assets.";
        match recurring {
            true => self.warnings.push(Reason::new(Code::NothingToExport, detail)),
            false => self.errors.push(ValidationError::new("/assetHandleArray", Code::NothingToExport, detail)),
        }
    }

    /// Adds one error for every set among the assets.
    fn refuse_sets(&mut self) {
        for (pointer, asset) in self.assets.iter().filter(|(_, asset)| asset.kind.is_set()) {
            let detail = format!(
                "`{}` ({}) is of type {}, which cannot be exported because it has no file of its own. Export its members, or \
                 send `onUnsupported: skip`.",
                asset.name,
                asset.asset_id,
                asset.kind.name()
            );
            self.errors.push(ValidationError::new(pointer.clone(), Code::UnsupportedAssetType, detail));
        }
    }
}

/// The filter in words, for an error.
fn describe_filter(filter: &asset::AssetCriteria) -> String {
    let mut parts = Vec::new();
    match (filter.folder.as_deref(), filter.recursive) {
        (None, _) => parts.push("all folders".to_owned()),
        (Some(folder), recursive) => {
            let folder = if folder.is_empty() { "the top folder".to_owned() } else { format!("folder `{folder}`") };
            let subfolders = if recursive { "with subfolders" } else { "without subfolders" };
            parts.push(format!("{folder} {subfolders}"));
        }
    }
    parts.extend(filter.kind.map(|kind| format!("type {}", kind.name())));
    parts.extend(filter.name.as_deref().map(|name| format!("names that begin with `{name}`")));
    parts.extend(filter.metadata.0.iter().map(|(key, value)| format!("metadata `{key}` is `{value}`")));
    parts.join(", ")
}

fn reject_too_many_items(pointer: &str, max_items: usize, found: &str) -> ValidationError {
    let detail =
        format!("A job can have {max_items} items (OFFPRINT_MAX_ITEMS), and this one would have {found}. Split it.");
    ValidationError::new(pointer, Code::TooManyItems, detail)
}
