//! What every order is drafted with.

use std::time::Duration;

use serde::Deserialize;

use crate::db::asset::Asset;
use crate::export::Callbacks;
use crate::language::{Attributes, Recipe};
use crate::render::{Failure, Header, Headers, Library, Limits, Plan};

/// What was read of an asset's picture at upload; none when it is no picture, or not one that we can read.
pub fn header(asset: &Asset) -> Option<Header> {
    asset.header.as_ref().and_then(|header| Header::deserialize(header).ok())
}

/// What holds for all orders: attributes, limits, profiles and where webhooks may go.
#[derive(Clone, Copy)]
pub struct Desk<'a> {
    /// What holds where a modifier is silent.
    pub attributes: &'a Attributes,
    /// How large pictures may be.
    pub limits: Limits,
    /// The colour profiles that modifiers may name.
    pub profiles: &'a Library,
    /// How close the runs of a schedule may be.
    pub shortest_interval: Duration,
    /// Where webhooks may go.
    pub callbacks: &'a Callbacks,
    /// Domains to which mails may be sent, `*.` for those below; all where there is none.
    pub mail_domains: &'a [String],
}

impl Desk<'_> {
    /// Plans a picture from headers.
    ///
    /// # Errors
    /// As [`Plan::of`]; `profile-missing` when a profile that the recipe names is gone.
    pub fn plan(&self, recipe: &Recipe, header: &Header, others: &Headers) -> Result<Plan, Failure> {
        Plan::of(recipe, header, others, &self.limits, &self.profiles.fetch([recipe])?)
    }
}
