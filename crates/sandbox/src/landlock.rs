//! Landlock: no file, no connection, no signal, as far as the kernel knows how to forbid it.

use landlock::{
    ABI, Access, AccessFs, AccessNet, LandlockStatus, Ruleset, RulesetAttr, RulesetError, RulesetStatus, Scope,
};

/// Which of the three are in force.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct LandlockAccess {
    /// From Linux 5.13 on. Later kernels restrict more operations on files.
    pub(super) files: bool,
    /// From Linux 6.7 on.
    pub(super) network: bool,
    /// From Linux 6.12 on.
    pub(super) scopes: bool,
}

/// Forbids everything that the newest known version of Landlock can forbid, without an exception. What the kernel does
/// not know is left out.
pub(super) fn restrict_access() -> LandlockAccess {
    apply_ruleset().unwrap_or_default()
}

fn apply_ruleset() -> Result<LandlockAccess, RulesetError> {
    let newest = ABI::V10;
    let status = Ruleset::default()
        .handle_access(AccessFs::from_all(newest))?
        .handle_access(AccessNet::from_all(newest))?
        .scope(Scope::from_all(newest))?
        .create()?
        .restrict_self()?;
    let LandlockStatus::Available { effective_abi, .. } = status.landlock else { return Ok(LandlockAccess::default()) };
    let files = status.ruleset != RulesetStatus::NotEnforced;
    Ok(LandlockAccess { files, network: files && effective_abi >= ABI::V4, scopes: files && effective_abi >= ABI::V6 })
}
