//! Capabilities of API keys, and the roles of IPS as sets of capabilities.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Something that an API key allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
pub enum Capability {
    /// List, show and preview assets.
    #[serde(rename = "assets:read")]
    AssetsRead,
    /// Upload, replace and change assets.
    #[serde(rename = "assets:write")]
    AssetsWrite,
    /// Delete assets.
    #[serde(rename = "assets:delete")]
    AssetsDelete,
    /// List and show image presets.
    #[serde(rename = "presets:read")]
    PresetsRead,
    /// Save and delete image presets.
    #[serde(rename = "presets:write")]
    PresetsWrite,
    /// Create export jobs, and manage one's own.
    #[serde(rename = "exports:create")]
    ExportsCreate,
    /// Get originals, in an export job or directly.
    #[serde(rename = "exports:create-original")]
    ExportsCreateOriginal,
    /// Use modifiers of one's own; without it only image presets.
    #[serde(rename = "exports:custom-modifier")]
    ExportsCustomModifier,
    /// See all jobs of the company.
    #[serde(rename = "exports:read-all")]
    ExportsReadAll,
    /// See and manage all jobs of the company, and create jobs for other users.
    #[serde(rename = "exports:manage-all")]
    ExportsManageAll,
    /// Manage schedules.
    #[serde(rename = "schedules")]
    Schedules,
    /// Manage API keys, and read the audit log and the service's metrics.
    #[serde(rename = "admin")]
    Admin,
}

use Capability::{
    Admin, AssetsDelete, AssetsRead, AssetsWrite, ExportsCreate, ExportsCreateOriginal, ExportsCustomModifier,
    ExportsManageAll, ExportsReadAll, PresetsRead, PresetsWrite, Schedules,
};

impl Capability {
    /// Every capability.
    pub const ALL: [Self; 12] = [
        AssetsRead,
        AssetsWrite,
        AssetsDelete,
        PresetsRead,
        PresetsWrite,
        ExportsCreate,
        ExportsCreateOriginal,
        ExportsCustomModifier,
        ExportsReadAll,
        ExportsManageAll,
        Schedules,
        Admin,
    ];

    /// The capabilities of a key for which none are given: all but [`Admin`].
    pub fn defaults() -> Vec<Self> {
        Self::ALL.into_iter().filter(|capability| *capability != Admin).collect()
    }

    /// The name as it is serialized.
    pub fn name(self) -> String {
        serde_json::to_value(self).ok().and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_default()
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|capability| capability.name() == name)
    }
}

/// Contributors of the portal: upload images, and export with image presets.
const CONTRIBUTOR: &[Capability] = &[AssetsRead, AssetsWrite, PresetsRead, ExportsCreate];
/// Users of the portal: export what is there.
const READER: &[Capability] = &[AssetsRead, PresetsRead, ExportsCreate, ExportsCreateOriginal, ExportsCustomModifier];
/// Users of the whole system: everything with assets, image presets and one's own jobs.
const USER: &[Capability] = &[
    AssetsRead,
    AssetsWrite,
    AssetsDelete,
    PresetsRead,
    PresetsWrite,
    ExportsCreate,
    ExportsCreateOriginal,
    ExportsCustomModifier,
    Schedules,
];
/// Users of the portal who also upload images.
const CONTRIBUTING_READER: &[Capability] =
    &[AssetsRead, AssetsWrite, PresetsRead, ExportsCreate, ExportsCreateOriginal, ExportsCustomModifier];
/// Administrators of the portal: all jobs and image presets, but no API keys.
const PORTAL_ADMIN: &[Capability] = &[
    AssetsRead,
    AssetsWrite,
    AssetsDelete,
    PresetsRead,
    PresetsWrite,
    ExportsCreate,
    ExportsCreateOriginal,
    ExportsCustomModifier,
    ExportsReadAll,
    ExportsManageAll,
];

/// The roles of IPS as sets of capabilities. Documentation page: `types/c-data-types/r-company-member`. The
/// documentation says little about the portal's roles and contradicts itself about who may export; these sets follow
/// the names.
pub const ROLES: [(&str, &[Capability]); 10] = [
    ("IpsAdmin", &Capability::ALL),
    ("IpsCompanyAdmin", &Capability::ALL),
    ("IpsUser", USER),
    ("WebServiceUser", USER),
    ("TrialSiteAdmin", &Capability::ALL),
    ("TrialSiteUser", USER),
    ("ImagePortalAdmin", PORTAL_ADMIN),
    ("ImagePortalUser", READER),
    ("ImagePortalContrib", CONTRIBUTOR),
    ("ImagePortalContribUser", CONTRIBUTING_READER),
];

/// Finds the capabilities of a role of IPS.
pub fn find_role_capabilities(name: &str) -> Option<&'static [Capability]> {
    ROLES.iter().find(|(role, _)| *role == name).map(|(_, set)| *set)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_capability_has_its_word() {
        for capability in Capability::ALL {
            assert_eq!(Capability::from_name(&capability.name()), Some(capability));
        }
        assert_eq!(Capability::from_name("exports"), None);
    }

    #[test]
    fn only_administrators_administer() {
        for (name, set) in ROLES {
            let administers = ["IpsAdmin", "IpsCompanyAdmin", "TrialSiteAdmin"].contains(&name);
            assert_eq!(set.contains(&Admin), administers, "{name}");
        }
    }
}
