//! What is the same for all export requests: attributes, limits, profiles, where the work is done, and where mails and
//! webhooks may go.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use offprint_core::Code;
use offprint_imaging::{
    ImageHeader, ObjectHeaders, ProfileBytes, ProfileLibrary, RenderError, RenderLimits, RenderPlan,
};
use offprint_modifiers::{AssetModifiers, AssetSettings, Attributes, MacroWatermark, Macros, Recipe};
use serde::Deserialize;

use crate::compute_pool::ComputePool;
use crate::db::asset::AssetRow;
use crate::db::image_preset::{MacroRow, PresetWatermark};
use crate::jobs::CallbackPolicy;
use crate::jobs::destination::ConnectionRights;
use crate::reason::Reason;

/// The macros that modifiers may call: the company's image presets.
pub fn build_macros(presets: Vec<MacroRow>) -> Macros {
    let watermarks: Vec<(String, MacroWatermark)> = presets
        .iter()
        .filter_map(|preset| {
            let PresetWatermark { asset, tiled } = preset.watermark.as_ref()?.0.clone();
            Some((preset.name.clone(), MacroWatermark { asset, tiled }))
        })
        .collect();
    let texts = presets.into_iter().map(|preset| (preset.name, preset.url_modifier)).collect();
    let mut macros = Macros::from_unordered(texts);
    watermarks.into_iter().for_each(|(name, watermark)| macros.set_watermark(&name, watermark));
    macros
}

/// The image header that was read at upload; none when the asset is not an image of a format that can be read.
pub fn read_asset_header(asset: &AssetRow) -> Option<ImageHeader> {
    asset.header.as_ref().and_then(|header| ImageHeader::deserialize(header).ok())
}

/// What modifiers take from the asset beside its own modifiers. Settings that a newer version wrote are not understood
/// and left out.
pub fn read_asset_settings(asset: &AssetRow) -> AssetSettings {
    AssetSettings::deserialize(&asset.settings).unwrap_or_default()
}

/// What applies when a modifier names the asset.
pub fn read_asset_modifiers(asset: &AssetRow) -> AssetModifiers {
    AssetModifiers {
        before: asset.url_modifier.clone(),
        after: asset.url_post_apply_modifier.clone(),
        settings: read_asset_settings(asset),
    }
}

/// The image header that was read at upload, or why the asset cannot be converted.
///
/// # Errors
/// As [`explain_unconvertible`].
pub fn require_asset_header(asset: &AssetRow) -> Result<ImageHeader, Reason> {
    read_asset_header(asset).ok_or_else(|| explain_unconvertible(asset))
}

/// Why an asset without a header cannot be converted: what its upload said, which is what its item would say.
pub fn explain_unconvertible(asset: &AssetRow) -> Reason {
    match &asset.unconvertible {
        Some(reason) => reason.0.clone(),
        None => {
            let sentence = format!("Assets of type {} cannot be converted.", asset.kind.name());
            Reason::new(Code::UnsupportedFormat, sentence)
        }
    }
}

/// What every export request is checked and drafted with.
#[derive(Clone)]
pub struct ExportContext<'a> {
    pub recipes: RecipeContext,
    /// Where modifiers are resolved.
    pub compute: &'a ComputePool,
    /// Maximum number of renditions of a job.
    pub max_renditions: u32,
    /// Minimum time between two runs of a schedule.
    pub min_schedule_interval: Duration,
    /// Where webhooks may be sent.
    pub callback_policy: &'a CallbackPolicy,
    /// Domains to which mails may be sent: `*.` for subdomains, `*` for all.
    pub mail_domains: &'a [String],
    /// The default recipient, who may always be named.
    pub mail_to: Option<&'a str>,
    /// Stores of others that files can be imported from or delivered to.
    pub connections: Vec<ConnectionRights<'a>>,
}

/// What modifiers are resolved with and images planned with. Clones are cheap: work on the compute pool takes one along.
#[derive(Clone)]
pub struct RecipeContext {
    /// Default Image Serving attributes.
    pub attributes: Arc<Attributes>,
    pub limits: RenderLimits,
    /// The colour profiles that modifiers can name.
    profiles: ProfileLibrary,
    /// Profiles that were read already: ten thousand images have few recipes.
    fetched_profiles: Arc<Mutex<HashMap<Vec<String>, Arc<ProfileBytes>>>>,
}

impl RecipeContext {
    pub fn new(attributes: Arc<Attributes>, limits: RenderLimits, profiles: ProfileLibrary) -> Self {
        Self { attributes, limits, profiles, fetched_profiles: Arc::default() }
    }

    /// Plans an image from headers: no pixels are read.
    ///
    /// # Errors
    /// As [`RenderPlan::new`]; `profile-missing` when a profile that the recipe names is gone.
    pub fn plan(
        &self,
        recipe: &Recipe,
        header: &ImageHeader,
        others: &ObjectHeaders,
    ) -> Result<RenderPlan, RenderError> {
        RenderPlan::new(recipe, header, others, &self.limits, self.fetch_profiles(recipe)?.as_ref())
    }

    /// The profiles that a recipe names, each read once. Reads files.
    fn fetch_profiles(&self, recipe: &Recipe) -> Result<Arc<ProfileBytes>, RenderError> {
        let names: Vec<String> = recipe.profiles().filter_map(|name| name.sha256.clone()).collect();
        let mut fetched = self.fetched_profiles.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(profiles) = fetched.get(&names) {
            return Ok(profiles.clone());
        }
        let profiles = Arc::new(self.profiles.fetch([recipe])?);
        fetched.insert(names, profiles.clone());
        Ok(profiles)
    }
}
