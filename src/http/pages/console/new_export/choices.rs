//! What the form lets people choose from: assets that a search has found, presets, connections.

use crate::app::AppState;
use crate::db::asset::{self, AssetType};
use crate::db::{self, image_preset};
use crate::http::extract::page::Page;
use crate::http::pages::console::form_fields::FormFields;
use crate::http::pages::console::frame::ConsoleFrame;
use crate::http::pages::console::new_export::request::{RENDITION_FIELDS, list_picked};
use crate::http::problem::Problem;
use crate::http::resources::assets::asset::{Asset, AssetListQuery, list_asset_page};
use crate::http::resources::connections::list_company_connections;
use crate::id::AssetId;

/// Assets that one page of a search has.
const FOUND_ASSETS: u32 = 50;

/// What can be chosen.
pub(super) struct Choices {
    /// Names of presets; empty for a caller who may not see them, who can write the name of one.
    pub(super) presets: Vec<String>,
    /// Names of connections that the company may deliver to.
    pub(super) connections: Vec<String>,
    /// Whether modifiers can be checked.
    pub(super) can_check: bool,
    pub(super) can_read_assets: bool,
}

impl Choices {
    pub(super) async fn load(state: &AppState, frame: &ConsoleFrame) -> Result<Self, Problem> {
        let presets = match frame.can("GET", "/image-presets") {
            true => {
                let mut connection = state.db.acquire().await.map_err(db::DbError::from)?;
                image_preset::list_macros(&mut connection, frame.caller.company).await?
            }
            false => Vec::new(),
        };
        let connections = list_company_connections(state, &frame.caller).await?;
        Ok(Self {
            presets: presets.into_iter().map(|preset| preset.name).collect(),
            connections: connections.into_iter().filter(|one| one.can_write).map(|one| one.name).collect(),
            can_check: frame.can("POST", "/modifier-check"),
            can_read_assets: frame.can("GET", "/assets"),
        })
    }
}

/// An asset that is ticked.
pub(super) struct PickedAsset {
    pub(super) handle: String,
    /// Folder and name; the handle where the company has no such asset.
    pub(super) name: String,
}

/// The assets that are ticked, also those that no longer exist: what is wrong with them is told when the request is checked.
pub(super) async fn list_picked_assets(
    state: &AppState,
    frame: &ConsoleFrame,
    fields: &FormFields,
) -> Result<Vec<PickedAsset>, Problem> {
    let handles = list_picked(fields);
    let known: Vec<AssetId> = handles.iter().filter_map(|handle| handle.parse().ok()).collect();
    let known = match known.is_empty() || !frame.can("GET", "/assets") {
        true => Vec::new(),
        false => {
            let mut connection = state.db.acquire().await.map_err(db::DbError::from)?;
            asset::find_assets(&mut connection, frame.caller.company, &known).await?
        }
    };
    let find_name = |handle: &str| {
        let row = known.iter().find(|row| row.asset_id.to_string() == handle)?;
        Some(join_path(&row.folder, row.file_name.as_deref().unwrap_or(&row.name)))
    };
    let pick = |handle: &str| PickedAsset {
        handle: handle.to_owned(),
        name: find_name(handle).unwrap_or_else(|| handle.to_owned()),
    };
    Ok(handles.into_iter().map(pick).collect())
}

/// What a search has found.
pub(super) struct FoundAssets {
    /// Those that are not ticked yet.
    pub(super) assets: Vec<FoundAsset>,
    /// Goes on with the search.
    pub(super) next_cursor: Option<String>,
}

pub(super) struct FoundAsset {
    pub(super) handle: String,
    pub(super) name: String,
    pub(super) kind: String,
    pub(super) has_thumbnail: bool,
}

/// Searches as the list of assets does.
pub(super) async fn find_assets(
    state: &AppState,
    frame: &ConsoleFrame,
    fields: &FormFields,
) -> Result<FoundAssets, Problem> {
    let (folder, recursive) = (fields.get("folder").trim(), fields.is_set("recursive"));
    let query = AssetListQuery {
        recursive,
        // All folders, as in a filter of a request.
        folder: Some(folder.to_owned()).filter(|folder| !(folder.is_empty() && recursive)),
        name: fields.text("search"),
        kind: fields.text("type").and_then(|name| parse_type(&name)),
        limit: Some(FOUND_ASSETS),
        cursor: fields.text("cursor"),
        ..AssetListQuery::default()
    };
    let Page { items, next_cursor } = list_asset_page(state, &frame.caller, query, Default::default()).await?;
    let picked = list_picked(fields);
    let show = |asset: Asset| FoundAsset {
        handle: asset.asset_handle.to_string(),
        name: join_path(&asset.folder, asset.file_name.as_deref().unwrap_or(&asset.name)),
        kind: asset.kind.name(),
        has_thumbnail: asset.image.width.is_some(),
    };
    let assets = items.into_iter().map(show).filter(|asset| !picked.contains(&asset.handle.as_str())).collect();
    Ok(FoundAssets { assets, next_cursor })
}

/// A type of assets by its name.
pub(in crate::http::pages) fn parse_type(name: &str) -> Option<AssetType> {
    serde_json::from_value(name.into()).ok()
}

/// Folder and name.
pub(in crate::http::pages) fn join_path(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}

/// The fields of one rendition.
pub(super) struct RenditionRow {
    pub(super) name: String,
    pub(super) modifier: String,
    pub(super) macro_call: String,
    pub(super) suffix: String,
}

/// The rows that were sent, or one empty row.
pub(super) fn list_rendition_rows(fields: &FormFields) -> Vec<RenditionRow> {
    let columns = RENDITION_FIELDS.map(|(name, _)| fields.list(name).collect::<Vec<_>>());
    let rows = columns.iter().map(Vec::len).max().unwrap_or(0).max(1);
    let cell = |column: usize, row: usize| columns[column].get(row).map_or_else(String::new, |text| (*text).to_owned());
    let read_row = |row| RenditionRow {
        name: cell(0, row),
        modifier: cell(1, row),
        macro_call: cell(2, row),
        suffix: cell(3, row),
    };
    (0..rows).map(read_row).collect()
}
