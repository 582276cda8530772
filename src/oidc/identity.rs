//! From the claims of a verified token to a company, a user and capabilities.

use serde_json::Value;

use super::config::{CompanySource, OidcConfig};
use super::id_token::TokenClaims;
use crate::db::capability::Capability;

/// Longest name of a user, as in the API.
const MAX_NAME_CHARS: usize = 255;

/// Who has signed in, as the provider says and the settings allow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderIdentity {
    /// By which the user is known at this provider.
    pub subject: String,
    pub company: String,
    /// Of a user who signs in for the first time.
    pub name: String,
    /// A mail address that the provider has verified, as it is written there.
    pub email: Option<String>,
    /// A language tag, as it is written there.
    pub locale: Option<String>,
    /// A time zone, as it is written there.
    pub time_zone: Option<String>,
    /// Not empty.
    pub capabilities: Vec<Capability>,
}

/// Why whoever has signed in may not use the service. For the log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    #[error("the ID token has no text in the claim `{0}`")]
    Missing(String),
    #[error("the claim `{0}` is no name of a user: it is too long or has control characters")]
    Name(String),
    #[error("the provider has not verified the mail address (`email_verified`), so it is no name of a user")]
    NotVerified,
    #[error("OFFPRINT_OIDC_CAPABILITIES and OFFPRINT_OIDC_CAPABILITIES_MAP give no capabilities")]
    NoCapabilities,
}

impl OidcConfig {
    /// Who the claims of a verified token are about.
    ///
    /// # Errors
    /// When they do not say what the settings need, or the settings give no capabilities.
    pub(crate) fn resolve_identity(&self, claims: &TokenClaims) -> Result<ProviderIdentity, IdentityError> {
        let text = |name: &str| {
            let value = claims.find(name).and_then(Value::as_str).map(str::trim).filter(|text| !text.is_empty());
            value.map(str::to_owned).ok_or_else(|| IdentityError::Missing(name.to_owned()))
        };
        let is_verified =
            claims.find("email_verified").is_some_and(|verified| *verified == true || *verified == "true");
        if self.user_claim == "email" && !is_verified {
            return Err(IdentityError::NotVerified);
        }
        let name = text(&self.user_claim)?;
        if name.chars().count() > MAX_NAME_CHARS || name.contains(char::is_control) {
            return Err(IdentityError::Name(self.user_claim.clone()));
        }
        let company = match &self.company {
            CompanySource::Name(name) => name.clone(),
            CompanySource::Claim(claim) => text(claim)?,
        };
        let capabilities = self.list_capabilities(claims);
        if capabilities.is_empty() {
            return Err(IdentityError::NoCapabilities);
        }
        Ok(ProviderIdentity {
            subject: text("sub")?,
            company,
            name,
            email: text("email").ok().filter(|_| is_verified),
            locale: text("locale").ok(),
            time_zone: text("zoneinfo").ok(),
            capabilities,
        })
    }

    /// Those of everybody, and those that the map gives for the values of the claim. What a token says is only ever looked up
    /// in the map, so it cannot name a capability itself.
    fn list_capabilities(&self, claims: &TokenClaims) -> Vec<Capability> {
        let mut all = self.capabilities.clone();
        if let Some(map) = &self.capability_map {
            let has = |value: &str| match claims.find(&map.claim) {
                Some(Value::Array(values)) => values.iter().any(|one| one == value),
                Some(only) => only == value,
                None => false,
            };
            all.extend(map.entries.iter().filter(|(value, _)| has(value)).flat_map(|(_, capabilities)| capabilities));
        }
        all.sort();
        all.dedup();
        all
    }
}
