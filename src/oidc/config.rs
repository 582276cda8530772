//! What the settings `OFFPRINT_OIDC_…` mean together.

use crate::db::capability::{self, Capability};
use crate::db::company::DEFAULT_COMPANY;
use crate::settings::{OidcSettings, Settings};

/// Where the name of the company stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum CompanySource {
    Name(String),
    Claim(String),
}

/// A claim whose values give capabilities.
#[derive(Clone, Debug)]
pub(super) struct CapabilityMap {
    pub(super) claim: String,
    /// Value, and what it gives.
    pub(super) entries: Vec<(String, Vec<Capability>)>,
}

/// An identity provider, and what people who sign in there may do.
#[derive(Clone)]
pub struct OidcConfig {
    pub(super) issuer: String,
    pub(super) client_id: String,
    pub(super) client_secret: Option<String>,
    pub(super) scopes: String,
    pub(super) company: CompanySource,
    pub(super) user_claim: String,
    pub(super) may_link_users: bool,
    /// Everybody's.
    pub(super) capabilities: Vec<Capability>,
    pub(super) capability_map: Option<CapabilityMap>,
}

impl OidcConfig {
    /// What the settings say; none where they name no provider.
    ///
    /// # Errors
    /// A sentence with what is missing or wrong, and the remedy.
    pub fn from_settings(settings: &Settings) -> Result<Option<Self>, String> {
        let oidc = &settings.oidc;
        let Some(issuer) = oidc.oidc_issuer.clone() else { return reject_without_issuer(oidc).map(|()| None) };
        let client_id = oidc.oidc_client_id.clone().filter(|id| !id.trim().is_empty()).ok_or(
            "OFFPRINT_OIDC_ISSUER is set without OFFPRINT_OIDC_CLIENT_ID. Register the service at the identity provider, and \
             set the ID that it gives.",
        )?;
        if !oidc.oidc_scopes.split_whitespace().any(|scope| scope == "openid") {
            return Err("OFFPRINT_OIDC_SCOPES lacks `openid`, without which there is no ID token. Add it.".into());
        }
        if settings.public_url.is_none() && !settings.bind.ip().is_loopback() {
            return Err("OFFPRINT_OIDC_ISSUER is set without OFFPRINT_PUBLIC_URL. The identity provider sends browsers back to \
                        that address: set it to the one that people use."
                .into());
        }
        let company = match (&oidc.oidc_company, &oidc.oidc_company_claim) {
            (_, Some(claim)) => CompanySource::Claim(claim.clone()),
            (name, None) => CompanySource::Name(name.clone().unwrap_or_else(|| DEFAULT_COMPANY.to_owned())),
        };
        let names = oidc.oidc_capabilities.iter().map(String::as_str);
        let capabilities =
            parse_capabilities(names).map_err(|reason| format!("OFFPRINT_OIDC_CAPABILITIES: {reason}"))?;
        let capability_map = match (&oidc.oidc_capabilities_claim, &oidc.oidc_capabilities_map) {
            (Some(claim), Some(map)) => Some(CapabilityMap { claim: claim.clone(), entries: parse_map(map)? }),
            (None, None) => None,
            _ => {
                return Err(
                    "OFFPRINT_OIDC_CAPABILITIES_CLAIM and OFFPRINT_OIDC_CAPABILITIES_MAP need each other.".into()
                );
            }
        };
        if capabilities.is_empty() && capability_map.is_none() {
            return Err(
                "Nobody who signs in at OFFPRINT_OIDC_ISSUER could do anything. Set OFFPRINT_OIDC_CAPABILITIES, or \
                        OFFPRINT_OIDC_CAPABILITIES_CLAIM with OFFPRINT_OIDC_CAPABILITIES_MAP."
                    .into(),
            );
        }
        Ok(Some(Self {
            issuer,
            client_id,
            client_secret: oidc.oidc_client_secret.clone(),
            scopes: oidc.oidc_scopes.split_whitespace().collect::<Vec<_>>().join(" "),
            company,
            user_claim: oidc.oidc_user_claim.clone(),
            may_link_users: oidc.oidc_link_users,
            capabilities,
            capability_map,
        }))
    }

    /// Whether anybody can get this capability by signing in.
    pub fn grants(&self, capability: Capability) -> bool {
        let mapped = self.capability_map.iter().flat_map(|map| &map.entries).flat_map(|(_, capabilities)| capabilities);
        self.capabilities.iter().chain(mapped).any(|granted| *granted == capability)
    }

    /// Whether the company of everybody is one that the operator has named.
    pub fn is_company_fixed(&self) -> bool {
        matches!(self.company, CompanySource::Name(_))
    }

    /// Whether a new identity may become an existing user of the same name.
    pub fn may_link_users(&self) -> bool {
        self.may_link_users
    }
}

/// Checks the settings of the identity provider.
///
/// # Errors
/// A sentence with what is missing or wrong, and the remedy.
pub fn check_oidc_settings(settings: &Settings) -> Result<(), String> {
    OidcConfig::from_settings(settings).map(drop)
}

/// Settings without an effect are a mistake: somebody believes that people can sign in.
fn reject_without_issuer(oidc: &OidcSettings) -> Result<(), String> {
    let others = [
        ("OFFPRINT_OIDC_CLIENT_ID", oidc.oidc_client_id.is_some()),
        ("OFFPRINT_OIDC_CLIENT_SECRET", oidc.oidc_client_secret.is_some()),
        ("OFFPRINT_OIDC_COMPANY", oidc.oidc_company.is_some()),
        ("OFFPRINT_OIDC_COMPANY_CLAIM", oidc.oidc_company_claim.is_some()),
        ("OFFPRINT_OIDC_LINK_USERS", oidc.oidc_link_users),
        ("OFFPRINT_OIDC_CAPABILITIES", !oidc.oidc_capabilities.is_empty()),
        ("OFFPRINT_OIDC_CAPABILITIES_CLAIM", oidc.oidc_capabilities_claim.is_some()),
    ];
    match others.iter().find(|(_, is_set)| *is_set) {
        Some((name, _)) => {
            Err(format!("{name} is set without OFFPRINT_OIDC_ISSUER. Set that to the issuer, or leave both out."))
        }
        None => Ok(()),
    }
}

/// The capabilities of these names; a role of IPS stands for all of its own.
fn parse_capabilities<'t>(names: impl Iterator<Item = &'t str>) -> Result<Vec<Capability>, String> {
    let mut all = Vec::new();
    for name in names.map(str::trim).filter(|name| !name.is_empty()) {
        match (Capability::from_name(name), capability::find_role_capabilities(name)) {
            (Some(capability), _) => all.push(capability),
            (None, Some(role)) => all.extend_from_slice(role),
            (None, None) => {
                let known = Capability::ALL.map(Capability::name).join(", ");
                return Err(format!("{name:?} is neither a capability nor a role of IPS. Capabilities are {known}."));
            }
        }
    }
    all.sort();
    all.dedup();
    Ok(all)
}

/// `value=capability,capability;value=…`. A value may have `=` in it, as names in directories do.
fn parse_map(text: &str) -> Result<Vec<(String, Vec<Capability>)>, String> {
    let mut entries: Vec<(String, Vec<Capability>)> = Vec::new();
    for entry in text.split(';').map(str::trim).filter(|entry| !entry.is_empty()) {
        let (value, names) = entry.rsplit_once('=').map(|(value, names)| (value.trim(), names)).unwrap_or_default();
        let capabilities = parse_capabilities(names.split(','))
            .map_err(|reason| format!("OFFPRINT_OIDC_CAPABILITIES_MAP: {reason}"))?;
        if value.is_empty() || capabilities.is_empty() {
            return Err(format!(
                "OFFPRINT_OIDC_CAPABILITIES_MAP: {entry:?} is not like `value=capability,capability`. Entries are separated by `;`."
            ));
        }
        if entries.iter().any(|(known, _)| known == value) {
            return Err(format!("OFFPRINT_OIDC_CAPABILITIES_MAP has {value:?} twice. Join the entries."));
        }
        entries.push((value.to_owned(), capabilities));
    }
    if entries.is_empty() {
        return Err("OFFPRINT_OIDC_CAPABILITIES_MAP is empty. Write `value=capability,capability;value=…`.".into());
    }
    Ok(entries)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use Capability::{Admin, AssetsRead, ExportsCreate};

    #[test]
    fn a_map_has_values_with_capabilities_and_roles() {
        let map = parse_map(" cn=a,ou=b = assets:read , exports:create ;admins=IpsAdmin; ").unwrap();
        assert_eq!(map[0], ("cn=a,ou=b".to_owned(), vec![AssetsRead, ExportsCreate]));
        assert!(map[1].0 == "admins" && map[1].1.contains(&Admin) && map.len() == 2);
        for wrong in ["", ";", "a", "a=", "=assets:read", "a=assets", "a=assets:read;a=admin", "a=assets:read|admin"] {
            assert!(parse_map(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn names_of_capabilities_are_checked() {
        assert_eq!(
            parse_capabilities(["admin", " assets:read", "", "admin"].into_iter()).unwrap(),
            [AssetsRead, Admin]
        );
        assert!(parse_capabilities(["everything"].into_iter()).unwrap_err().contains("\"everything\""));
    }
}
