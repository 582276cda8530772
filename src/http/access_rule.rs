//! Which API key an operation needs, as the column `access` of the operation table says.

use offprint_core::Code;

use crate::db::capability::Capability;
use crate::http::extract::caller::Caller;
use crate::http::problem::Problem;

/// What an operation needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessRule {
    /// No key, and requests are not counted: load balancers ask every few seconds.
    Probe,
    /// No key. Requests are counted by client address.
    Public,
    /// Any valid key.
    AnyKey,
    /// A key with all of these capabilities.
    All(&'static [Capability]),
    /// A key with at least one of these capabilities.
    OneOf(&'static [Capability]),
}

use AccessRule::{All, AnyKey, OneOf, Probe, Public};

impl AccessRule {
    /// Whether everybody may call the operation.
    pub fn is_public(self) -> bool {
        matches!(self, Probe | Public)
    }

    /// Checks that the caller has the capabilities.
    ///
    /// # Errors
    /// 403 that names the missing ones.
    pub fn check(self, caller: &Caller) -> Result<(), Problem> {
        let join_names = |capabilities: &[Capability], separator: &str| {
            let names: Vec<String> = capabilities.iter().map(|capability| format!("`{}`", capability.name())).collect();
            names.join(separator)
        };
        let missing = match self {
            Probe | Public | AnyKey => return Ok(()),
            All(needed) => {
                let missing: Vec<Capability> =
                    needed.iter().copied().filter(|needed| !caller.has_capability(*needed)).collect();
                if missing.is_empty() {
                    return Ok(());
                }
                join_names(&missing, " and ")
            }
            OneOf(needed) if needed.iter().any(|capability| caller.has_capability(*capability)) => return Ok(()),
            OneOf(needed) => join_names(needed, " or "),
        };
        let detail = format!("The API key lacks the capability {missing}. Ask an administrator for a key that has it.");
        Err(Problem::new(Code::OperationForbidden, detail))
    }

    /// The alternatives for `security` in the document: each a list of the capabilities that a key must have.
    pub fn alternatives(self) -> Vec<Vec<String>> {
        match self {
            Probe | Public => Vec::new(),
            AnyKey => vec![Vec::new()],
            All(needed) => vec![needed.iter().map(|capability| capability.name()).collect()],
            OneOf(needed) => needed.iter().map(|capability| vec![capability.name()]).collect(),
        }
    }
}
