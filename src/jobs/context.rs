//! What is the same for all export requests: attributes, limits, profiles, and where mails and webhooks may go.

use std::time::Duration;

use offprint_core::Code;
use offprint_imaging::{ImageHeader, ObjectHeaders, ProfileLibrary, RenderError, RenderLimits, RenderPlan};
use offprint_modifiers::{Attributes, Recipe};
use serde::Deserialize;

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
