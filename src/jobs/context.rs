//! What is the same for all export requests: attributes, limits, profiles, where the work is done, and where mails and
//! webhooks may go.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use offprint_core::Code;
use offprint_imaging::{
    ImageHeader, ObjectHeaders, ProfileBytes, ProfileLibrary, RenderError, RenderLimits, RenderPlan,
};
use offprint_modifiers::{Attributes, Recipe};
use serde::Deserialize;

use crate::compute_pool::ComputePool;
use crate::db::asset::AssetRow;
use crate::jobs::CallbackPolicy;
use crate::reason::Reason;

/// The image header that was read at upload; none when the asset is not an image of a format that can be read.
pub fn read_asset_header(asset: &AssetRow) -> Option<ImageHeader> {
    asset.header.as_ref().and_then(|header| ImageHeader::deserialize(header).ok())
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
    /// Minimum time between two runs of a schedule.
    pub min_schedule_interval: Duration,
    /// Where webhooks may be sent.
    pub callback_policy: &'a CallbackPolicy,
    /// Domains to which mails may be sent: `*.` for subdomains, `*` for all.
    pub mail_domains: &'a [String],
    /// The default recipient, who may always be named.
    pub mail_to: Option<&'a str>,
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
