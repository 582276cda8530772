//! What the forms of presets have in common: an asset on which the modifier is tried.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::app::AppState;
use crate::db::asset::{self, AssetCriteria, AssetType};
use crate::db::{self, asset_list, capability::Capability};
use crate::http::address::write_address;
use crate::http::pages::console::form_fields::FormFields;
use crate::http::pages::console::frame::ConsoleFrame;
use crate::http::pages::console::new_export::join_path;
use crate::http::problem::Problem;

/// Assets to choose from.
const OFFERED_ASSETS: i64 = 50;

/// The preview of a preset.
pub(super) struct Editor {
    /// Handles and names of images.
    pub(super) assets: Vec<(String, String)>,
    /// The chosen one.
    pub(super) asset: String,
    /// Address of a small image of the chosen one.
    pub(super) original: Option<String>,
    /// Address of what the modifier makes of it.
    pub(super) result: Option<String>,
    /// Address of the operation that checks modifiers, for the script.
    pub(super) check: Option<String>,
}

impl Editor {
    /// With the first images of the company, and the chosen one.
    pub(super) async fn load(state: &AppState, frame: &ConsoleFrame, fields: &FormFields) -> Result<Self, Problem> {
        let check = frame.can("POST", "/modifier-check").then(|| write_address("/modifier-check"));
        let can_preview = frame.can("GET", "/assets") && frame.caller.has_capability(Capability::ExportsCustomModifier);
        if !can_preview {
            return Ok(Self { assets: Vec::new(), asset: String::new(), original: None, result: None, check });
        }
        let criteria = AssetCriteria { kind: Some(AssetType::Image), ..AssetCriteria::default() };
        let mut connection = state.db.acquire().await.map_err(db::DbError::from)?;
        let company = frame.caller.company;
        let mut rows = asset_list::find_matching_assets(&mut connection, company, &criteria, OFFERED_ASSETS).await?;
        if let Ok(handle) = fields.get("asset").parse()
            && !rows.iter().any(|row| row.asset_id == handle)
        {
            rows.extend(asset::find_assets(&mut connection, company, &[handle]).await?);
        }
        drop(connection);
        rows.retain(|row| row.header.is_some());
        let assets: Vec<(String, String)> = rows
            .into_iter()
            .map(|row| {
                (row.asset_id.to_string(), join_path(&row.folder, row.file_name.as_deref().unwrap_or(&row.name)))
            })
            .collect();
        let sent = assets.iter().find(|(handle, _)| handle == fields.get("asset"));
        let asset = sent.or(assets.first()).map(|(handle, _)| handle.clone()).unwrap_or_default();
        let has_asset = !asset.is_empty();
        let modifier = fields.text("urlModifier").filter(|_| has_asset);
        let result = modifier.map(|modifier| {
            let modifier = utf8_percent_encode(&modifier, NON_ALPHANUMERIC).to_string();
            write_address(&format!("/assets/{asset}/preview?is_modifier={modifier}"))
        });
        let original = has_asset.then(|| write_address(&format!("/console/assets/{asset}/thumbnail")));
        Ok(Self { assets, asset, original, result, check })
    }
}
