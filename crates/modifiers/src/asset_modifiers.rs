//! Own modifiers of assets (`urlModifier`, `urlPostApplyModifier`), which apply as well when a modifier names the
//! asset. Documentation pages: r-src, r-modifier-cat, r-postmodifier-cat.

use std::collections::BTreeMap;

use super::diagnostic::Origin;
use super::grammar::{self, ParsedToken};
use super::macros::{Expansion, Macros};
use super::work_budget::WorkBudget;

/// An asset's own modifiers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AssetModifiers {
    /// Applied before the request's modifier; empty when there is none.
    pub before: String,
    /// Applied after the request's modifier; empty when there is none.
    pub after: String,
}

/// Own modifiers of other assets, by the names under which modifiers mention the assets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AssetModifierIndex(BTreeMap<String, AssetModifiers>);

/// For modifiers without other assets.
pub(super) static NO_ASSET_MODIFIERS: AssetModifierIndex = AssetModifierIndex(BTreeMap::new());

/// An asset that a modifier names and that has modifiers of its own.
#[derive(Clone, Copy, Debug)]
pub(super) struct ReferencedAsset<'a> {
    pub(super) name: &'a str,
    pub(super) modifiers: &'a AssetModifiers,
}

impl AssetModifiers {
    /// Whether there is any command.
    fn has_text(&self) -> bool {
        !grammar::is_blank(&self.before) || !grammar::is_blank(&self.after)
    }
}

impl FromIterator<(String, AssetModifiers)> for AssetModifierIndex {
    fn from_iter<T: IntoIterator<Item = (String, AssetModifiers)>>(all: T) -> Self {
        Self(all.into_iter().filter(|(_, own)| own.has_text()).collect())
    }
}

impl AssetModifierIndex {
    /// Adds the own modifiers of an asset. Returns whether it has any.
    pub fn insert(&mut self, name: String, own: AssetModifiers) -> bool {
        let has_text = own.has_text();
        if has_text {
            self.0.insert(name, own);
        }
        has_text
    }

    /// `None` when the asset has no modifiers of its own.
    pub(super) fn find(&self, name: &str) -> Option<ReferencedAsset<'_>> {
        self.0.get_key_value(name).map(|(name, own)| ReferencedAsset { name, modifiers: own })
    }
}

impl<'a> ReferencedAsset<'a> {
    pub(super) fn add_before(&self, expansion: &mut Expansion<'a>) {
        expansion.add(&self.modifiers.before, &Origin::NamedBefore(self.name.to_owned()));
    }

    pub(super) fn add_after(&self, expansion: &mut Expansion<'a>) {
        expansion.add(&self.modifiers.after, &Origin::NamedAfter(self.name.to_owned()));
    }

    /// Whether the asset takes its image or mask from another asset. Such an asset can only be used in a nested
    /// request; see [`reject_composed_asset`](super::modifier::reject_composed_asset).
    pub(super) fn has_references(&self, macros: &'a Macros, budget: &'a WorkBudget) -> bool {
        let mut expansion = Expansion::new(macros, budget);
        self.add_before(&mut expansion);
        self.add_after(&mut expansion);
        expansion.tokens.iter().any(|token| match grammar::parse_token(&token.raw) {
            ParsedToken::Command { name, .. } => ["src", "mask"].iter().any(|known| known.eq_ignore_ascii_case(&name)),
            _ => false,
        })
    }
}
