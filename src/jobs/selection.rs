//! The assets of an export request: by handle or by filter, each once, in the requested order.

use std::collections::{HashMap, HashSet};

use offprint_core::Code;
use offprint_core::name::{Folder, normalize_name};

use crate::db::asset::{self, AssetRow};
use crate::db::enums::{OnMissing, OnUnsupported};
use crate::db::{self, DbConnection};
use crate::id::{AssetId, CompanyId};
use crate::jobs::per_asset::ItemTexts;
use crate::jobs::request::{AssetFilter, AssetRequest, ExportRequest};
use crate::reason::{Reason, ValidationError};

/// The assets of a request, or why they cannot be exported.
#[derive(Default)]
pub struct Selection {
    /// The assets in the order of the archive, each with its JSON pointer in the request.
    pub assets: Vec<(String, AssetRow)>,
    /// What the request has for single assets, by their pointers.
    pub items: HashMap<String, ItemTexts>,
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
    let on_missing = request.on_missing.unwrap_or_default();
    let mut selection = match (&request.asset_handle_array, &request.asset_filter) {
        (Some(handles), None) => select_by_handles(connection, company, handles, max_items, on_missing).await?,
        (None, Some(filter)) => {
            select_by_filter(connection, company, filter, request.exec_schedule.is_some(), max_items).await?
        }
        // Reported by `validation::check_request`, unless there are `assets`.
        _ => Selection::default(),
    };
    if let Some(assets) = &request.assets {
        select_listed_assets(connection, company, assets, (max_items, on_missing), &mut selection).await?;
    }
    selection.check_anything_left(request);
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
            None => selection.note_missing_asset(pointer, handle, on_missing),
        }
    }
    Ok(selection)
}

/// Adds the assets of `assets` to those that were selected otherwise. The same asset may stand there several times.
async fn select_listed_assets(
    connection: &mut DbConnection,
    company: CompanyId,
    assets: &[AssetRequest],
    (max_items, on_missing): (usize, OnMissing),
    selection: &mut Selection,
) -> Result<(), db::DbError> {
    let total = selection.assets.len() + assets.len();
    if total > max_items {
        selection.errors.push(reject_too_many_items("/assets", max_items, &format!("{total} assets")));
        return Ok(());
    }
    let handles: Vec<AssetId> = assets.iter().filter_map(|asset| asset.asset_handle.parse().ok()).collect();
    let found: HashMap<AssetId, AssetRow> =
        asset::find_assets(connection, company, &handles).await?.into_iter().map(|row| (row.asset_id, row)).collect();
    for (index, asset) in assets.iter().enumerate() {
        let pointer = format!("/assets/{index}");
        match asset.asset_handle.parse().ok().and_then(|handle: AssetId| found.get(&handle)) {
            Some(row) => {
                selection.items.insert(pointer.clone(), ItemTexts::new(asset));
                selection.assets.push((pointer, row.clone()));
            }
            None => selection.note_missing_asset(format!("{pointer}/assetHandle"), &asset.asset_handle, on_missing),
        }
    }
    Ok(())
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
    fn check_anything_left(&mut self, request: &ExportRequest) {
        let is_missing = |warning: &Reason| warning.code == Code::SkippedMissing;
        if !self.assets.is_empty() || !self.errors.is_empty() || !self.warnings.iter().any(is_missing) {
            return;
        }
        let detail = "None of the assets exists, so there is nothing to export. GET /assets lists the assets.";
        let pointer = if request.assets.is_some() { "/assets" } else { "/assetHandleArray" };
        match request.exec_schedule.is_some() {
            true => self.warnings.push(Reason::new(Code::NothingToExport, detail)),
            false => self.errors.push(ValidationError::new(pointer, Code::NothingToExport, detail)),
        }
    }

    /// Notes that a handle has no asset: an error, or a warning where such handles are left out. What is no handle at all was
    /// never an asset: a mistake of the client, which is not skipped.
    fn note_missing_asset(&mut self, pointer: String, handle: &str, on_missing: OnMissing) {
        if on_missing == OnMissing::Skip && handle.parse::<AssetId>().is_ok() {
            let detail = format!("There is no asset {handle}. It was left out (`onMissing: skip`).");
            return self.warnings.push(Reason::new(Code::SkippedMissing, detail));
        }
        let detail = format!(
            "There is no asset {handle}. It may have been deleted. GET /assets lists the assets; `onMissing: skip` leaves out \
             those that do not exist."
        );
        self.errors.push(ValidationError::new(pointer, Code::AssetNotFound, detail));
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

/// The error of a request for more items than a job may have.
fn reject_too_many_items(pointer: &str, max_items: usize, found: &str) -> ValidationError {
    let detail =
        format!("A job can have {max_items} items (OFFPRINT_MAX_ITEMS), and this one would have {found}. Split it.");
    ValidationError::new(pointer, Code::TooManyItems, detail)
}
