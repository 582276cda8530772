//! What other assets bring along when a modifier names them: their own modifiers. Documentation pages: r-src,
//! r-modifier-cat, r-postmodifier-cat.

use std::collections::BTreeMap;

use super::complaint::Origin;
use super::grammar::{self, Token};
use super::macros::{Expansion, Macros};

/// An asset's own modifiers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Own {
    /// Stands before what is asked for, or is empty.
    pub before: String,
    /// Stands after what is asked for, or is empty.
    pub after: String,
}

/// Own modifiers of other assets, by the names that modifiers call them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Companions(BTreeMap<String, Own>);

/// No asset brings anything along.
pub(super) static NONE: Companions = Companions(BTreeMap::new());

/// An asset that is named, with what it brings along.
#[derive(Clone, Copy, Debug)]
pub(super) struct Companion<'a> {
    pub name: &'a str,
    pub own: &'a Own,
}

impl Own {
    /// Whether there is something.
    pub fn says_something(&self) -> bool {
        !grammar::is_blank(&self.before) || !grammar::is_blank(&self.after)
    }
}

impl FromIterator<(String, Own)> for Companions {
    fn from_iter<T: IntoIterator<Item = (String, Own)>>(all: T) -> Self {
        Self(all.into_iter().filter(|(_, own)| own.says_something()).collect())
    }
}

impl Companions {
    /// What a named asset brings along, if it does.
    pub(super) fn of(&self, name: &str) -> Option<Companion<'_>> {
        self.0.get_key_value(name).map(|(name, own)| Companion { name, own })
    }
}

impl<'a> Companion<'a> {
    /// Adds what stands before.
    pub fn add_before(&self, expansion: &mut Expansion<'a>) {
        expansion.add(&self.own.before, &Origin::NamedBefore(self.name.to_owned()));
    }

    /// Adds what stands after.
    pub fn add_after(&self, expansion: &mut Expansion<'a>) {
        expansion.add(&self.own.after, &Origin::NamedAfter(self.name.to_owned()));
    }

    /// Whether the asset takes its own picture, or its mask, from another asset: then it can only be named in a request
    /// inside of the request.
    pub fn names_others(&self, macros: &'a Macros) -> bool {
        let mut expansion = Expansion::new(macros);
        self.add_before(&mut expansion);
        self.add_after(&mut expansion);
        expansion.placed.iter().any(|placed| match grammar::read(&placed.piece) {
            Token::Command { name, .. } => ["src", "mask"].iter().any(|known| known.eq_ignore_ascii_case(name)),
            _ => false,
        })
    }
}
