//! The texts that stand around those of a request because of what the request names: the own modifiers of the assets
//! that its layers draw, and the template. Which these are is known only after a first pass, so a request is resolved
//! again until they no longer change.
//!
//! Later commands override earlier ones, so the order of the texts decides who wins:
//!
//! ```text
//! urlModifier                of the asset, or of the template in its place
//!   urlModifier              of the asset that src= names for layer 0, and for each other layer
//!     is_modifier            of the export request (or the text inside is(…))
//!     is_modifier            that the request has for this asset alone
//!     macro, parameters      of the export request; parameters are variables and override all others
//! urlPostApplyModifier       of the asset
//!   urlPostApplyModifier     of the asset that src= names for layer 0; other layers have none
//! ```
//!
//! Documentation pages: r-src, r-template, r-modifier-cat, r-postmodifier-cat.

use std::collections::BTreeMap;

use super::asset_modifiers::{AssetModifierIndex, AssetModifiers, AssetSettings, ReferencedAsset};
use super::asset_reference::AssetReference;
use super::attribute::Attributes;
use super::diagnostic::{Origin, ValueError};
use super::grammar::{self, ParsedToken};
use super::macros::{Expansion, Macros};
use super::recipe::Recipe;
use super::variables::Variables;
use super::work_budget::WorkBudget;

/// How often a request is resolved at most: alone, with its template, with the assets of the template's layers.
pub(super) const MAX_PASSES: usize = 3;

/// The texts of a request itself, and the asset that it is for.
#[derive(Clone, Copy)]
pub(super) struct RequestTexts<'a> {
    /// What is kept with the asset: its own modifiers, where they come from, its settings.
    pub(super) own: Option<OwnTexts<'a>>,
    pub(super) request: RequestText<'a>,
    pub(super) macros: &'a Macros,
    pub(super) budget: &'a WorkBudget,
}

/// What is kept with the asset that a request is for.
#[derive(Clone, Copy)]
pub(super) struct OwnTexts<'a> {
    pub(super) before: &'a str,
    pub(super) after: &'a str,
    pub(super) settings: Option<&'a AssetSettings>,
    /// The name of the asset where it is not the one that is exported.
    pub(super) name: Option<&'a str>,
    /// The modifier of the named crop that is asked for.
    pub(super) crop: Option<&'a str>,
}

/// What was asked for.
#[derive(Clone, Copy)]
pub(super) enum RequestText<'a> {
    /// The modifier and the macro of an export request, and what it has for one asset.
    Whole { modifier: &'a str, item_modifier: &'a str, export_macro: Option<&'a str>, parameters: &'a str },
    /// The part of a text that a nested request is: it begins `start` bytes into the text `origin`.
    Part { text: &'a str, origin: &'a Origin, start: usize },
}

/// The assets whose texts stand around those of a request.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Surroundings<'a> {
    /// Name and content of the template. No content: it is not known (yet).
    pub(super) template: Option<(String, Option<&'a AssetModifiers>)>,
    /// Layers whose source is another asset with which something is kept.
    pub(super) layers: BTreeMap<u32, ReferencedAsset<'a>>,
}

impl<'a> From<ReferencedAsset<'a>> for OwnTexts<'a> {
    fn from(asset: ReferencedAsset<'a>) -> Self {
        let AssetModifiers { before, after, settings } = asset.modifiers;
        Self { before, after, settings: Some(settings), name: Some(asset.name), crop: asset.crop }
    }
}

impl<'a> RequestTexts<'a> {
    /// All texts in order, with macros expanded.
    pub(super) fn expand(&self, around: &Surroundings<'a>) -> Expansion<'a> {
        let mut expansion = self.begin_expansion();
        match (&around.template, self.own) {
            (Some((name, Some(template))), _) => {
                expansion.add(&template.before, &Origin::NamedBefore(name.clone()));
            }
            (None, Some(own)) => {
                let origin = own.name.map_or(Origin::AssetBefore, |name| Origin::NamedBefore(name.to_owned()));
                expansion.add(own.before, &origin);
                expansion.add(own.crop.unwrap_or_default(), &origin);
            }
            _ => {}
        }
        expansion.begin_part();
        for (number, asset) in &around.layers {
            match number {
                0 => asset.add_before(&mut expansion),
                number => asset.add_before_layer(&mut expansion, *number),
            }
            expansion.begin_part();
        }
        self.add_request(&mut expansion);
        expansion.begin_part();
        if let Some(own) = self.own {
            let origin = own.name.map_or(Origin::AssetAfter, |name| Origin::NamedAfter(name.to_owned()));
            expansion.add(own.after, &origin);
            expansion.begin_part();
        }
        if let Some(asset) = around.layers.get(&0) {
            asset.add_after(&mut expansion);
        }
        expansion
    }

    fn begin_expansion(&self) -> Expansion<'a> {
        Expansion::new(self.macros, self.budget)
            .with_crops(self.own.and_then(|own| own.settings).map(|settings| &settings.crops))
    }

    fn add_request(&self, expansion: &mut Expansion<'a>) {
        match self.request {
            RequestText::Whole { modifier, item_modifier, export_macro, parameters } => {
                expansion.add(modifier, &Origin::Modifier);
                if !grammar::is_blank(item_modifier) {
                    expansion.begin_part();
                    expansion.add(item_modifier, &Origin::Item);
                }
                if let Some(call) = export_macro.filter(|call| !grammar::is_blank(call)) {
                    expansion.add_export_macro(call);
                }
                expansion.add(parameters, &Origin::Parameters);
            }
            RequestText::Part { text, origin, start } => expansion.add_part(text, origin, start),
        }
    }

    /// The template that the request names. It has to be known before anything else is resolved, because the request may
    /// use names of layers that the template defines.
    pub(super) fn find_template(
        &self,
        variables: &Variables,
        index: &'a AssetModifierIndex,
        attributes: &Attributes,
    ) -> Option<(String, Option<&'a AssetModifiers>)> {
        let mut expansion = self.begin_expansion();
        self.add_request(&mut expansion);
        let mut variables = variables.clone();
        let mut named = None;
        for token in &expansion.tokens {
            match grammar::parse_token(&token.raw) {
                ParsedToken::Variable { name, value } => variables.define(&name, value),
                ParsedToken::Command { name, value } if name.eq_ignore_ascii_case("template") => named = value,
                _ => {}
            }
        }
        let name = variables.fill(&named?, |_| {})?;
        let name = name.trim().trim_start_matches('/').to_owned();
        let found = index.find_named(&name, attributes).map(|asset| asset.modifiers);
        Some((name, found.filter(|kept| !grammar::is_blank(&kept.before))))
    }
}

impl<'a> Surroundings<'a> {
    /// The assets that the layers of a recipe draw, as far as something is kept with them. `own` is the name of the
    /// asset whose texts stand around the request already.
    pub(super) fn find(
        template: Option<(String, Option<&'a AssetModifiers>)>,
        recipe: &Recipe,
        own: Option<&str>,
        index: &'a AssetModifierIndex,
        attributes: &Attributes,
    ) -> Self {
        let base = std::iter::once((0, &recipe.layer));
        let layers = base.chain(recipe.layers.iter().map(|(number, layer)| (*number, layer)));
        let find = |number: u32, reference: &Option<AssetReference>| match reference {
            Some(AssetReference::Named(name)) if number == 0 && own == Some(name.as_str()) => None,
            Some(AssetReference::Named(name)) => index.find_named(name, attributes),
            _ => None,
        };
        let layers = layers.filter_map(|(number, layer)| Some((number, find(number, &layer.source)?))).collect();
        Self { template, layers }
    }

    /// The first asset that cannot be drawn directly, with its layer: its commands and those of the request would mix,
    /// and it would be undefined which image each applies to. In a nested request they stay apart.
    pub(super) fn find_composed(&self, macros: &'a Macros, budget: &'a WorkBudget) -> Option<(u32, &'a str)> {
        let is_composed = |(_, asset): &(&u32, &ReferencedAsset<'a>)| asset.is_composed(macros, budget);
        self.layers.iter().find(is_composed).map(|(number, asset)| (*number, asset.name))
    }
}

/// Says how a composed asset can be used.
pub(super) fn reject_composed_asset(name: &str) -> ValueError {
    ValueError {
        remedy: format!("Write src=is({name})."),
        ..ValueError::invalid(format!(
            "The modifiers of `{name}` contain src, mask or layers, so it can only be used in a nested request."
        ))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::test_input::{build_input, resolve_recipe};
    use crate::{Colour, ModifierInput, resolve_modifier};

    #[test]
    fn asset_modifiers_stand_before_and_after() {
        let attributes = Attributes::default();
        let macros = Macros::from_unordered(vec![("m".into(), "hei=$h$".into())]);
        let input = ModifierInput {
            before: "wid=1&$h=5&bgc=ff0000",
            export_macro: Some("$m$"),
            after: "$h=7",
            ..build_input("wid=2", &macros, &attributes)
        };
        let resolved = resolve_modifier(&input).unwrap();
        let view = &resolved.recipe.view;
        assert_eq!((view.wid, view.hei, view.background), (Some(2), Some(7), Colour::from_rgb(255, 0, 0)));
        assert_eq!(resolved.effective_modifier, "wid=1&$h=5&bgc=ff0000&wid=2&hei=$h$&$h=7");
        assert!(!resolved.uses_object);
    }

    #[test]
    fn own_modifiers_of_named_assets_apply() {
        let (macros, attributes) = (Macros::from_unordered(vec![("m".into(), "mask=b".into())]), Attributes::default());
        let own = |before: &str, after: &str| AssetModifiers {
            before: before.into(),
            after: after.into(),
            ..AssetModifiers::default()
        };
        let asset_modifiers: AssetModifierIndex = [
            ("a".to_owned(), own("rotate=90&wid=9&fmt=gif", "flip=lr")),
            ("b".to_owned(), own("crop=0,0,5,5", "")),
            ("c".to_owned(), own("src=b&rotate=5", "")),
            ("d".to_owned(), own("$m$", "")),
            ("shoe".to_owned(), own("rotate=45", "")),
        ]
        .into_iter()
        .collect();
        let resolve = |modifier| {
            resolve_modifier(&ModifierInput {
                asset_modifiers: &asset_modifiers,
                ..build_input(modifier, &macros, &attributes)
            })
        };
        let (with, without) = (|modifier| resolve(modifier).unwrap().recipe, resolve_recipe);
        assert_eq!(with("src=a&wid=7&fmt=png"), without("rotate=90&wid=9&fmt=gif&src=a&wid=7&fmt=png&flip=lr"));
        assert_eq!(with("src=is(a?wid=7)&hei=3"), without("src=is(a?rotate=90&wid=7&flip=lr)&hei=3"));
        // An asset that is only a mask contributes its image, not its modifiers.
        assert_eq!(with("mask=a"), without("mask=a"));
        assert_eq!(with("mask=is(a)"), without("mask=is(a?rotate=90&wid=9&flip=lr)"));
        assert_eq!(with("src=is(c?flip=ud)"), without("src=is(c?crop=0,0,5,5&src=b&rotate=5&flip=ud)"));
        // The image's own modifiers surround the request already; naming the image again does not add them twice.
        assert_eq!(with("src=is($object$?wid=9)"), without("src=is($object$?wid=9)"));
        for named in ["wid=3&src=c", "wid=3&src=d"] {
            let refused = resolve(named).unwrap_err();
            assert_eq!((refused[0].command.as_str(), refused[0].offset, refused.len()), ("src", 6, 1), "{named}");
        }
        let wrong: AssetModifierIndex = [("a".to_owned(), own("wid=0", "&hei=tall"))].into_iter().collect();
        let errors =
            resolve_modifier(&ModifierInput { asset_modifiers: &wrong, ..build_input("src=a", &macros, &attributes) })
                .unwrap_err();
        let places: Vec<_> = errors.iter().map(|error| (error.origin.to_string(), error.offset)).collect();
        assert_eq!(places, [("urlModifier of a".to_owned(), 0), ("urlPostApplyModifier of a".to_owned(), 1)]);
    }
}
