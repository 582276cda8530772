//! The assets of an order: found, each once, in the order asked for.

use std::collections::{HashMap, HashSet};

use crate::code::Code;
use crate::reason::{Mistake, Note};
use crate::db::asset::{self, Asset};
use crate::db::vocabulary::OnUnsupported;
use crate::db::{self, Connection};
use crate::export::order::{AssetFilter, Order};
use crate::id::{AssetId, CompanyId};

/// The assets of an order, or why they cannot be had.
#[derive(Default)]
pub struct Selection {
    /// Each asset once, with its place in the request.
    pub assets: Vec<(String, Asset)>,
    /// Everything that is wrong.
    pub mistakes: Vec<Mistake>,
    /// What there is to know.
    pub warnings: Vec<Note>,
}

/// Finds the assets that the order names or filters. At most `most` items.
pub async fn select(
    connection: &mut Connection,
    company: CompanyId,
    order: &Order,
    most: usize,
) -> Result<Selection, db::Error> {
    let mut selection = match (&order.asset_handle_array, &order.asset_filter) {
        (Some(handles), None) => named(connection, company, handles, most).await?,
        (None, Some(filter)) => filtered(connection, company, filter, order.exec_schedule.is_some(), most).await?,
        // Told by the checks of the order itself.
        _ => Selection::default(),
    };
    if order.on_unsupported.unwrap_or_default() == OnUnsupported::Refuse {
        selection.refuse_sets();
    }
    Ok(selection)
}

async fn named(
    connection: &mut Connection,
    company: CompanyId,
    handles: &[String],
    most: usize,
) -> Result<Selection, db::Error> {
    let mut selection = Selection::default();
    let mut seen = HashSet::new();
    let mut wanted: Vec<(String, &String)> = Vec::new();
    for (index, handle) in handles.iter().enumerate() {
        if seen.insert(handle.to_ascii_lowercase()) {
            wanted.push((format!("/assetHandleArray/{index}"), handle));
        } else {
            selection.warnings.push(Note::new(
                Code::DuplicateHandle,
                format!("{handle} stands more than once; it is exported once."),
            ));
        }
    }
    if wanted.len() > most {
        selection.mistakes.push(too_many("/assetHandleArray", most, &format!("{} assets", wanted.len())));
        return Ok(selection);
    }
    let ids: Vec<AssetId> = wanted.iter().filter_map(|(_, handle)| handle.parse().ok()).collect();
    let mut found: HashMap<AssetId, Asset> =
        asset::pick(connection, company, &ids).await?.into_iter().map(|asset| (asset.asset_id, asset)).collect();
    for (pointer, handle) in wanted {
        match handle.parse().ok().and_then(|id: AssetId| found.remove(&id)) {
            Some(asset) => selection.assets.push((pointer, asset)),
            None => {
                let detail =
                    format!("There is no asset {handle}. It may have been deleted; GET /assets lists what there is.");
                selection.mistakes.push(Mistake::new(pointer, Code::AssetNotFound, detail));
            }
        }
    }
    Ok(selection)
}

async fn filtered(
    connection: &mut Connection,
    company: CompanyId,
    filter: &AssetFilter,
    again: bool,
    most: usize,
) -> Result<Selection, db::Error> {
    let mut selection = Selection::default();
    let folder = filter.folder.as_deref().map(|folder| folder.trim_matches('/').to_owned());
    let wanted = asset::AssetFilter {
        // A filter without a folder means everywhere.
        recursive: filter.recursive.unwrap_or(folder.is_none()),
        folder,
        kind: filter.r#type,
        name: filter.name.clone(),
        sha256: None,
    };
    let found = asset::filter_all(connection, company, &wanted, most as i64 + 1).await?;
    if found.len() > most {
        selection.mistakes.push(too_many("/assetFilter", most, "more assets"));
    } else if found.is_empty() {
        let detail = "No asset fits the filter, so there is nothing to export. GET /assets takes the same filters.";
        match again {
            // A schedule may find some when it runs.
            true => selection.warnings.push(Note::new(Code::NothingToExport, detail)),
            false => selection.mistakes.push(Mistake::new("/assetFilter", Code::NothingToExport, detail)),
        }
    }
    selection.assets = found.into_iter().map(|asset| ("/assetFilter".to_owned(), asset)).collect();
    Ok(selection)
}

impl Selection {
    /// Adds one mistake for every set among the assets.
    fn refuse_sets(&mut self) {
        for (pointer, asset) in self.assets.iter().filter(|(_, asset)| asset.kind.is_set()) {
            let detail = format!(
                "`{}` ({}) is of type {}, which cannot be exported: it has no file of its own. Export its members, or send `onUnsupported: skip`.",
                asset.name,
                asset.asset_id,
                asset.kind.name()
            );
            self.mistakes.push(Mistake::new(pointer.clone(), Code::UnsupportedAssetType, detail));
        }
    }
}

fn too_many(pointer: &str, most: usize, found: &str) -> Mistake {
    let detail = format!("A job has at most {most} items (OFFPRINT_MAX_ITEMS); this one would have {found}. Split it.");
    Mistake::new(pointer, Code::TooManyItems, detail)
}
