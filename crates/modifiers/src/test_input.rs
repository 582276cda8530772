//! What unit tests resolve: a text for the asset `shoe`.

use crate::{Attributes, Diagnostic, Macros, ModifierInput, Recipe, ResolvedModifier, resolve_modifier};

pub(crate) fn build_input<'a>(modifier: &'a str, macros: &'a Macros, attributes: &'a Attributes) -> ModifierInput<'a> {
    ModifierInput { object: "shoe", ..ModifierInput::new(modifier, macros, attributes) }
}

/// Resolves a text alone: no macros, no attributes.
pub(crate) fn resolve_text(modifier: &str) -> Result<ResolvedModifier, Vec<Diagnostic>> {
    resolve_modifier(&build_input(modifier, &Macros::default(), &Attributes::default()))
}

pub(crate) fn resolve_recipe(modifier: &str) -> Recipe {
    resolve_text(modifier).unwrap().recipe
}
