//! The assets of an export request: by handle or by filter, each once, in the requested order.

use std::collections::{BTreeSet, HashMap, HashSet};

use offprint_core::Code;
use offprint_core::name::{Folder, normalize_name};

use crate::db::asset::{self, AssetRow};
use crate::db::asset_list::{self, NamedAssetRow};
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

/// A tag as it is compared; none when it is empty.
pub fn normalize_tag(tag: &str) -> Option<String> {
    Some(tag.trim().to_lowercase()).filter(|tag| !tag.is_empty())
}

/// Finds the assets that the request names or filters, `max_items` at most. `root_ids` may stand before names.
pub async fn select_assets(
    connection: &mut DbConnection,
    company: CompanyId,
    request: &ExportRequest,
    max_items: usize,
    root_ids: &[String],
) -> Result<Selection, db::DbError> {
    let on_missing = request.on_missing.unwrap_or_default();
    let mut selection = match (&request.asset_handle_array, &request.asset_filter) {
        (Some(handles), None) => select_by_handles(connection, company, handles, max_items, on_missing).await?,
        (None, Some(filter)) => {
            let recurring = request.exec_schedule.is_some();
            select_by_filter(connection, company, filter, recurring, (max_items, on_missing)).await?
        }
        // Reported by `validation::check_request`, unless there are `assets`.
        _ => Selection::default(),
    };
    if let Some(assets) = &request.assets {
        let limits = (max_items, on_missing);
        select_listed_assets(connection, company, assets, root_ids, limits, &mut selection).await?;
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
    root_ids: &[String],
    (max_items, on_missing): (usize, OnMissing),
    selection: &mut Selection,
) -> Result<(), db::DbError> {
    let total = selection.assets.len() + assets.len();
    if total > max_items {
        selection.errors.push(reject_too_many_items("/assets", max_items, &format!("{total} assets")));
        return Ok(());
    }
    let found = ListedAssets::find(connection, company, root_ids, assets).await?;
    let mut named = HashSet::new();
    for (index, asset) in assets.iter().enumerate() {
        let pointer = format!("/assets/{index}");
        let texts = ItemTexts::new(asset);
        match found.get(asset) {
            // Who lists names lists each as often as it is in the list, and wants it once.
            Ok(Some(row)) if asset.name.is_some() && !named.insert((row.asset_id, texts.clone())) => {
                let detail = format!("`{}` is listed more than once. It is exported once.", row.name);
                selection.warnings.push(Reason::new(Code::DuplicateHandle, detail));
            }
            Ok(Some(row)) => {
                selection.items.insert(pointer.clone(), texts);
                selection.assets.push((pointer, row.clone()));
            }
            Ok(None) => {
                let field = if asset.name.is_some() { "name" } else { "assetHandle" };
                let target = asset.name.as_deref().or(asset.asset_handle.as_deref()).unwrap_or_default();
                selection.note_missing_asset(format!("{pointer}/{field}"), target, on_missing);
            }
            Err(detail) => {
                let error = ValidationError::new(format!("{pointer}/name"), Code::InvalidValue, detail);
                selection.errors.push(error);
            }
        }
    }
    Ok(())
}

/// The assets that `assets` names, by handle or by name.
struct ListedAssets {
    by_handle: HashMap<AssetId, AssetRow>,
    by_name: HashMap<String, NamedAssetRow>,
}

impl ListedAssets {
    async fn find(
        connection: &mut DbConnection,
        company: CompanyId,
        root_ids: &[String],
        assets: &[AssetRequest],
    ) -> Result<Self, db::DbError> {
        let handles: Vec<AssetId> =
            assets.iter().filter_map(|asset| asset.asset_handle.as_deref()?.parse().ok()).collect();
        let by_handle = asset::find_assets(connection, company, &handles).await?;
        let names: BTreeSet<&str> = assets.iter().filter_map(|asset| asset.name.as_deref()).collect();
        let names: Vec<String> = names.into_iter().map(str::to_owned).collect();
        let by_name = match names.is_empty() {
            true => Vec::new(),
            false => asset_list::find_assets_by_name(connection, company, root_ids, &names).await?,
        };
        Ok(Self {
            by_handle: by_handle.into_iter().map(|row| (row.asset_id, row)).collect(),
            by_name: by_name.into_iter().map(|found| (found.wanted.clone(), found)).collect(),
        })
    }

    /// The asset of an entry; none when there is none.
    ///
    /// # Errors
    /// Several assets have the name.
    fn get(&self, asset: &AssetRequest) -> Result<Option<&AssetRow>, String> {
        match &asset.name {
            None => Ok(asset.asset_handle.as_deref().and_then(|handle| self.by_handle.get(&handle.parse().ok()?))),
            Some(name) => match self.by_name.get(name) {
                Some(found) if found.count > 1 => Err(format!(
                    "{} assets are named {name}. Write folder/name, or the handle of the asset.",
                    found.count
                )),
                found => Ok(found.map(|found| &found.asset)),
            },
        }
    }
}

async fn select_by_filter(
    connection: &mut DbConnection,
    company: CompanyId,
    filter: &AssetFilter,
    recurring: bool,
    (max_items, on_missing): (usize, OnMissing),
) -> Result<Selection, db::DbError> {
    let mut selection = Selection::default();
    let asset_filter = match build_criteria(filter) {
        Ok(criteria) => criteria,
        Err(errors) => {
            selection.errors = errors;
            return Ok(selection);
        }
    };
    if let Some(names) = &asset_filter.names {
        let known: HashSet<String> =
            asset_list::find_known_names(connection, company, names).await?.into_iter().collect();
        for (index, name) in names.iter().enumerate().filter(|(_, name)| !known.contains(*name)) {
            selection.note_missing_asset(format!("/assetFilter/names/{index}"), name, on_missing);
        }
        if !selection.errors.is_empty() {
            return Ok(selection);
        }
    }
    let found = asset_list::find_matching_assets(connection, company, &asset_filter, max_items as i64 + 1).await?;
    if found.len() > max_items {
        selection.errors.push(reject_too_many_items("/assetFilter", max_items, "more assets"));
    } else if found.is_empty() {
        let detail = format!(
            "No asset matches the filter ({}), so there is nothing to export. Check it with GET /assets, which takes the \
             same conditions.",
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

/// The criteria of a filter.
fn build_criteria(filter: &AssetFilter) -> Result<asset::AssetCriteria, Vec<ValidationError>> {
    let mut errors = Vec::new();
    let mut parse = |pointer: String, text: &str| match Folder::parse(text) {
        Ok(folder) => Some(folder.as_str().to_owned()),
        Err(detail) => {
            errors.push(ValidationError::new(pointer, Code::InvalidValue, detail));
            None
        }
    };
    let folders: Option<Vec<String>> = match (&filter.folder, &filter.folders) {
        (None, None) => None,
        (Some(folder), None) => Some(parse("/assetFilter/folder".into(), folder).into_iter().collect()),
        (None, Some(folders)) => Some(
            (folders.iter().enumerate())
                .filter_map(|(index, folder)| parse(format!("/assetFilter/folders/{index}"), &folder.0))
                .collect(),
        ),
        (Some(_), Some(_)) => {
            let detail = "`folder` and `folders` cannot be combined. Send one of them.";
            errors.push(ValidationError::new("/assetFilter/folders", Code::ConflictingParameters, detail));
            None
        }
    };
    if !errors.is_empty() {
        return Err(errors);
    }
    Ok(asset::AssetCriteria {
        // A filter without a folder means all folders.
        recursive: filter.recursive.unwrap_or(folders.is_none()),
        folders,
        kind: filter.r#type,
        name: filter.name.as_deref().map(normalize_name),
        names: filter.names.as_ref().map(|names| names.iter().map(|name| normalize_name(&name.0)).collect()),
        sha256: None,
        updated_since: filter.updated_since,
        tags: filter.tags.iter().flatten().filter_map(|tag| normalize_tag(&tag.0)).collect(),
        metadata: filter.metadata.clone().unwrap_or_default(),
    })
}

impl Selection {
    /// Refuses a request whose assets are all missing. A schedule may find them again when it runs.
    fn check_anything_left(&mut self, request: &ExportRequest) {
        let is_missing = |warning: &Reason| warning.code == Code::SkippedMissing;
        let has_result = request.asset_filter.is_some();
        if has_result || !self.assets.is_empty() || !self.errors.is_empty() || !self.warnings.iter().any(is_missing) {
            return;
        }
        let detail = "None of the assets exists, so there is nothing to export. GET /assets lists the assets.";
        let pointer = if request.assets.is_some() { "/assets" } else { "/assetHandleArray" };
        match request.exec_schedule.is_some() {
            true => self.warnings.push(Reason::new(Code::NothingToExport, detail)),
            false => self.errors.push(ValidationError::new(pointer, Code::NothingToExport, detail)),
        }
    }

    /// Notes that a handle or name has no asset: an error, or a warning where such ones are left out. Where a handle is expected,
    /// what is none was never an asset: a mistake of the client, which is not skipped.
    fn note_missing_asset(&mut self, pointer: String, handle: &str, on_missing: OnMissing) {
        let is_name = pointer.contains("name");
        if on_missing == OnMissing::Skip && (is_name || handle.parse::<AssetId>().is_ok()) {
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
    match (filter.folders.as_deref(), filter.recursive) {
        (None, _) => parts.push("all folders".to_owned()),
        (Some(folders), recursive) => {
            let name = |folder: &String| match folder.is_empty() {
                true => "the top folder".to_owned(),
                false => format!("folder `{folder}`"),
            };
            let folder = folders.iter().map(name).collect::<Vec<_>>().join(" or ");
            let subfolders = if recursive { "with subfolders" } else { "without subfolders" };
            parts.push(format!("{folder} {subfolders}"));
        }
    }
    parts.extend(filter.kind.map(|kind| format!("type {}", kind.name())));
    parts.extend(filter.name.as_deref().map(|name| format!("names that begin with `{name}`")));
    parts.extend(filter.names.as_ref().map(|names| format!("one of {} names", names.len())));
    parts.extend(filter.updated_since.map(|time| format!("changed since {}", time.to_rfc3339())));
    parts.extend(filter.tags.iter().map(|tag| format!("tag `{tag}`")));
    parts.extend(filter.metadata.0.iter().map(|(key, value)| format!("metadata `{key}` is `{value}`")));
    parts.join(", ")
}

/// The error of a request for more items than a job may have.
fn reject_too_many_items(pointer: &str, max_items: usize, found: &str) -> ValidationError {
    let detail = format!(
        "A job can have {max_items} items (OFFPRINT_MAX_ITEMS), and this one would have {found}. Send the same request to \
         `POST /export-job-groups`, which splits it into several jobs with one status and one mail."
    );
    ValidationError::new(pointer, Code::TooManyItems, detail)
}
