//! What a key may do, and the roles of IPS as sets of that.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One thing that a key may do.
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
    /// Order exports, and look after one's own.
    #[serde(rename = "exports:create")]
    ExportsCreate,
    /// Get originals, by an export or by themselves.
    #[serde(rename = "exports:create-original")]
    ExportsCreateOriginal,
    /// Write modifiers of one's own; without it only image presets.
    #[serde(rename = "exports:custom-modifier")]
    ExportsCustomModifier,
    /// See the jobs of everybody in the company.
    #[serde(rename = "exports:read-all")]
    ExportsReadAll,
    /// See and order about the jobs of everybody in the company, and order for others.
    #[serde(rename = "exports:manage-all")]
    ExportsManageAll,
    /// Look after recurring exports.
    #[serde(rename = "schedules")]
    Schedules,
    /// Look after keys, and read the audit log and the service's numbers.
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

    /// What a key may do when nobody says: everything but administration.
    pub fn usual() -> Vec<Self> {
        Self::ALL.into_iter().filter(|capability| *capability != Admin).collect()
    }

    /// Its word.
    pub fn name(self) -> String {
        serde_json::to_value(self).ok().and_then(|word| word.as_str().map(str::to_owned)).unwrap_or_default()
    }

    /// The capability of a word.
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|capability| capability.name() == word)
    }
}

/// What the portal's contributors may do: bring pictures in, and export through presets.
const CONTRIBUTOR: &[Capability] = &[AssetsRead, AssetsWrite, PresetsRead, ExportsCreate];
/// What the portal's users may do: take out what is there.
const READER: &[Capability] = &[AssetsRead, PresetsRead, ExportsCreate, ExportsCreateOriginal, ExportsCustomModifier];
/// What a user of the whole system may do with pictures.
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
/// Readers who also bring pictures in.
const CONTRIBUTING_READER: &[Capability] =
    &[AssetsRead, AssetsWrite, PresetsRead, ExportsCreate, ExportsCreateOriginal, ExportsCustomModifier];
/// Who looks after the portal: everybody's jobs and presets, but no keys.
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

/// The roles of IPS (`types/c-data-types/r-company-member`) as sets of capabilities. IPS' documents say of the portal's
/// roles less than they should, and contradict each other in who may export; these sets follow the names.
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

/// The capabilities of a role.
pub fn role(name: &str) -> Option<&'static [Capability]> {
    ROLES.iter().find(|(role, _)| *role == name).map(|(_, set)| *set)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_capability_has_its_word() {
        for capability in Capability::ALL {
            assert_eq!(Capability::of(&capability.name()), Some(capability));
        }
        assert_eq!(Capability::of("exports"), None);
    }

    #[test]
    fn only_administrators_administer() {
        for (name, set) in ROLES {
            let administers = ["IpsAdmin", "IpsCompanyAdmin", "TrialSiteAdmin"].contains(&name);
            assert_eq!(set.contains(&Admin), administers, "{name}");
        }
    }
}
