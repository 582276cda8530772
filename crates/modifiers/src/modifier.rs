//! Resolves the texts of a request into a recipe. Which texts there are and in which order they apply is said in
//! `surroundings.rs`.

use super::asset_modifiers::{self, AssetModifierIndex, AssetSettings};
use super::attribute::Attributes;
use super::diagnostic::{Diagnostic, Origin, ValueError};
use super::macros::Macros;
use super::overrides::{CommandStatus, ResolvedCommand};
use super::recipe::Recipe;
use super::resolver::{CommandResolver, Remarks};
use super::segment::ModifierSegment;
use super::surroundings::{self, OwnTexts, RequestText, RequestTexts, Surroundings};
use super::variables::Variables;
use super::work_budget::{UNLIMITED, WorkBudget};

/// Everything that decides what is done with an image.
#[derive(Clone, Copy, Debug)]
pub struct ModifierInput<'a> {
    /// The asset's own modifier that is applied before the request's (`urlModifier`), or empty.
    pub before: &'a str,
    /// `is_modifier` of the export request, or empty.
    pub modifier: &'a str,
    /// `macro` of the export request, as `$name$` or `name`.
    pub export_macro: Option<&'a str>,
    /// The modifier that the request has for this asset alone, or empty: applied after `modifier` and before the macro.
    pub item_modifier: &'a str,
    /// Variables that the request sets for this asset alone, as a modifier, or empty. They override all others.
    pub parameters: &'a str,
    /// The asset's own modifier that is applied after the request's (`urlPostApplyModifier`), or empty.
    pub after: &'a str,
    /// The macros that any of the texts may call.
    pub macros: &'a Macros,
    /// Value of `$object$`: the name of the asset.
    pub object: &'a str,
    /// What else is kept with the asset; `None` when it is not known which asset it will be.
    pub settings: Option<&'a AssetSettings>,
    /// Whether there is no asset, so that layer 0 is a colour or the canvas alone.
    pub has_no_asset: bool,
    /// Defaults for everything that no text sets.
    pub attributes: &'a Attributes,
    /// Own modifiers of other assets, which apply when a text names them.
    pub asset_modifiers: &'a AssetModifierIndex,
    /// Bounds the work. When it is used up, the result is an error of the kind `too-complex`.
    pub budget: &'a WorkBudget,
}

impl<'a> ModifierInput<'a> {
    /// One text alone, for no asset in particular.
    pub fn new(modifier: &'a str, macros: &'a Macros, attributes: &'a Attributes) -> Self {
        Self {
            before: "",
            modifier,
            export_macro: None,
            item_modifier: "",
            parameters: "",
            after: "",
            macros,
            object: "",
            settings: None,
            has_no_asset: false,
            attributes,
            asset_modifiers: &asset_modifiers::NO_ASSET_MODIFIERS,
            budget: &UNLIMITED,
        }
    }
}

/// A modifier that was parsed and resolved.
#[derive(Clone, Debug, PartialEq)]
pub struct ResolvedModifier {
    pub recipe: Recipe,
    /// All texts in order, with macros expanded.
    pub effective_modifier: String,
    /// Every known command in the order of the texts, and whether it has an effect.
    pub commands: Vec<ResolvedCommand>,
    /// What may make the result differ from what was asked for.
    pub warnings: Vec<Diagnostic>,
    /// What makes no difference: cache-busters, commands without meaning in an export.
    pub notices: Vec<Diagnostic>,
    /// Whether a value refers to `$object$`, so that another asset may give another recipe.
    pub uses_object: bool,
    /// Whether it asks for a named crop of an asset that is not known yet, so that the crop is missing in the recipe.
    pub awaits_crop: bool,
}

impl ResolvedModifier {
    /// The effective commands that name other assets, once for each name.
    pub fn mentions(&self) -> impl Iterator<Item = (&ResolvedCommand, String)> {
        self.commands
            .iter()
            .filter(|command| command.status == CommandStatus::Effective)
            .flat_map(|command| command.assets.iter().map(move |name| (command, name.clone())))
    }
}

/// Resolves a modifier. If it names other assets, what is kept with them applies as well; which they are is known only
/// after a first pass.
///
/// # Errors
/// All errors of all texts together, each with its place in the text it was written in.
pub fn resolve_modifier(input: &ModifierInput<'_>) -> Result<ResolvedModifier, Vec<Diagnostic>> {
    let own = OwnTexts { before: input.before, after: input.after, settings: input.settings, name: None, crop: None };
    let ModifierInput { modifier, export_macro, item_modifier, parameters, .. } = *input;
    let request = RequestText::Whole { modifier, item_modifier, export_macro, parameters };
    let texts = RequestTexts { own: Some(own), request, macros: input.macros, budget: input.budget };
    let variables = Variables::with_object(input.object);
    let template = texts.find_template(&variables, input.asset_modifiers, input.attributes);
    let mut around = Surroundings { template, ..Surroundings::default() };
    let mut resolved = resolve_with(input, &texts, &around)?;
    for _ in 1..surroundings::MAX_PASSES {
        let (index, attributes) = (input.asset_modifiers, input.attributes);
        let own = around.template.is_none().then_some(input.object);
        let found = Surroundings::find(around.template.clone(), &resolved.recipe, own, index, attributes);
        if found == around {
            break;
        }
        if let Some((layer, name)) = found.find_composed(input.macros, input.budget) {
            return Err(vec![diagnose_composed_asset(&resolved, layer, name)]);
        }
        around = found;
        resolved = resolve_with(input, &texts, &around)?;
    }
    Ok(resolved)
}

fn diagnose_composed_asset(resolved: &ResolvedModifier, layer: u32, name: &str) -> Diagnostic {
    let ValueError { kind, detail, remedy } = surroundings::reject_composed_asset(name);
    let is_source =
        |command: &ResolvedCommand| command.name == "src" && command.segment == Some(ModifierSegment::Layer(layer));
    let source = resolved.mentions().find(|(command, _)| is_source(command));
    let (origin, offset) =
        source.map_or((Origin::Modifier, 0), |(command, _)| (command.origin.clone(), command.offset));
    Diagnostic { kind, origin, command: "src".into(), offset, detail, remedy }
}

/// Resolves all texts, with those of other assets around the request's.
fn resolve_with(
    input: &ModifierInput<'_>,
    texts: &RequestTexts<'_>,
    around: &Surroundings<'_>,
) -> Result<ResolvedModifier, Vec<Diagnostic>> {
    let mut expansion = texts.expand(around);
    let mut resolver = CommandResolver::new(input, Variables::with_object(input.object));
    let (draft, mut commands) = resolver.resolve_tokens(&mut expansion, texts, around);
    if !resolver.errors.is_empty() {
        return Err(resolver.errors);
    }
    let mut recipe = draft.build();
    recipe.layer.blank |= input.has_no_asset && recipe.layer.source.is_none();
    resolver.add_watermark(expansion.watermark, &mut recipe, &mut commands);
    if !resolver.errors.is_empty() {
        return Err(resolver.errors);
    }
    let (effective_modifier, awaits_crop) = (expansion.to_text(), expansion.awaits_crop);
    let CommandResolver { remarks: Remarks { warnings, notices }, uses_object, .. } = resolver;
    Ok(ResolvedModifier { recipe, effective_modifier, commands, warnings, notices, uses_object, awaits_crop })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::list_commands;
    use crate::test_input::{build_input, resolve_text};

    #[test]
    fn only_effective_commands_mention_assets() {
        let resolved = resolve_text("mask=a&src=$object$&mask=/m/$object$").unwrap();
        let named: Vec<_> = resolved.mentions().map(|(command, name)| (command.offset, name)).collect();
        assert_eq!(named, [(7, "shoe".to_owned()), (20, "m/shoe".to_owned())]);
        assert!(resolved.uses_object);
    }

    fn generate_modifier() -> impl Strategy<Value = String> {
        let names: Vec<_> = list_commands().map(|command| command.name).collect();
        let value = prop_oneof!["[-0-9.,a-fx]{0,12}", "\\PC{0,8}", "[$%&()a-c]{0,8}"];
        let token = (proptest::sample::select(names), value).prop_map(|(name, value)| format!("{name}={value}"));
        let token = prop_oneof![3 => token, 1 => "\\PC{0,10}", 1 => Just("$m$".to_owned())];
        proptest::collection::vec(token, 0..8).prop_map(|tokens| tokens.join("&"))
    }

    proptest! {
        #[test]
        fn nothing_panics_and_offsets_are_valid(text in generate_modifier(), definition in generate_modifier()) {
            let macros = Macros::from_unordered(vec![("m".into(), definition.clone())]);
            let attributes = Attributes::default();
            match resolve_modifier(&build_input(&text, &macros, &attributes)) {
                Ok(resolved) => {
                    let read: Recipe = serde_json::from_str(&resolved.recipe.to_canonical_text()).unwrap();
                    prop_assert_eq!(&read, &resolved.recipe);
                    let again = resolve_modifier(&build_input(&resolved.effective_modifier, &Macros::default(), &attributes)).unwrap();
                    prop_assert_eq!(again.recipe, resolved.recipe);
                }
                Err(diagnostics) => for diagnostic in diagnostics {
                    let text = if diagnostic.origin == Origin::Modifier { &text } else { &definition };
                    prop_assert!(text.is_char_boundary(diagnostic.offset), "{:?}", diagnostic);
                },
            }
        }
    }
}
