//! What is the same for all export requests: attributes, limits, profiles, and where mails and webhooks may go.

use std::time::Duration;

use offprint_imaging::{ImageHeader, ObjectHeaders, ProfileLibrary, RenderError, RenderLimits, RenderPlan};
use offprint_modifiers::{Attributes, Recipe};
use serde::Deserialize;

use crate::db::asset::AssetRow;
use crate::jobs::CallbackPolicy;

/// The image header that was read at upload; none when the asset is not an image of a format that can be read.
pub fn read_asset_header(asset: &AssetRow) -> Option<ImageHeader> {
    asset.header.as_ref().and_then(|header| ImageHeader::deserialize(header).ok())
}

/// What every export request is checked and drafted with.
#[derive(Clone, Copy)]
pub struct ExportContext<'a> {
    /// Default Image Serving attributes.
    pub attributes: &'a Attributes,
    pub limits: RenderLimits,
    /// The colour profiles that modifiers can name.
    pub profiles: &'a ProfileLibrary,
    /// Minimum time between two runs of a schedule.
    pub min_schedule_interval: Duration,
    /// Where webhooks may be sent.
    pub callback_policy: &'a CallbackPolicy,
    /// Domains to which mails may be sent: `*.` for subdomains, `*` for all.
    pub mail_domains: &'a [String],
    /// The default recipient, who may always be named.
    pub mail_to: Option<&'a str>,
}

impl ExportContext<'_> {
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
        RenderPlan::new(recipe, header, others, &self.limits, &self.profiles.fetch([recipe])?)
    }
}
