//! Resolves a request in the value of a command, such as `src=is(name?wid=9)`, with a resolver of its own. Documentation
//! page: r-request-nesting-and-embedding.

use super::{CommandResolver, Remarks};
use crate::asset_reference::{self, AssetReference};
use crate::diagnostic::ValueError;
use crate::grammar;
use crate::macros::ExpandedToken;
use crate::modifier::ModifierInput;
use crate::recipe::{ColorManagement, Recipe};
use crate::surroundings::{self, OwnTexts, RequestText, RequestTexts, Surroundings};
use crate::variables::Variables;

/// How deep requests may be nested.
const MAX_NESTING_DEPTH: usize = 4;

/// How many nested requests a modifier may have in all. The depth alone does not bound the work: each level may hold
/// two requests, in `src=` and `mask=`, and every override of them.
pub(super) const MAX_NESTED_REQUESTS: usize = 32;

impl<'a> CommandResolver<'a> {
    /// Resolves the nested request in the value of a command. It sees the variables of this request and may define its
    /// own. As with the outermost request, own modifiers of the assets that it names are known only after a first pass,
    /// so it may be resolved twice. `None` when it has errors, which are then already in `errors`.
    pub(super) fn resolve_nested(
        &mut self,
        value: &str,
        token: &ExpandedToken<'a>,
    ) -> Result<Option<Box<Recipe>>, ValueError> {
        if self.depth == MAX_NESTING_DEPTH || self.requests_left == 0 {
            let detail = format!(
                "Requests may be nested at most {MAX_NESTING_DEPTH} levels, and at most {MAX_NESTED_REQUESTS} in all."
            );
            return Err(ValueError { remedy: "Nest fewer requests.".into(), ..ValueError::invalid(detail) });
        }
        let start = token.raw.text.len() - value.len();
        let inside = asset_reference::parse_nested_request(&token.raw.text[start..])?;
        let name = self.fill_variables(&grammar::decode_value(inside.name))?;
        let named =
            if name.trim().is_empty() { None } else { Some(asset_reference::parse_asset_reference("src", &name)?) };

        let own = match &named {
            Some(AssetReference::Named(name)) => {
                let own = self.asset_modifiers.find_named(name, self.attributes).map(OwnTexts::from);
                // The texts of the asset itself stand around the outermost request already.
                let stands_around = self.own_stands_around && name == self.object;
                own.map(|own| if stands_around { OwnTexts { before: "", after: "", ..own } } else { own })
            }
            _ => None,
        };
        let start = token.raw.offset + start + inside.offset;
        let request = RequestText::Part { text: inside.modifier, origin: &token.origin, start };
        let texts = RequestTexts { own, request, macros: self.macros, budget: self.budget };
        let Some((mut recipe, remarks)) = self.resolve_around(&name, &texts)? else { return Ok(None) };
        self.remarks.append(remarks);
        if recipe.template.is_none() && !recipe.layer.blank {
            recipe.layer.source = recipe.layer.source.or(named);
            recipe.layer.blank = recipe.layer.source.is_none();
            if recipe.layer.blank && recipe.layer.scale.is_none() {
                let remedy = "Write is(name?modifier).".into();
                return Err(ValueError { remedy, ..ValueError::invalid("The nested request names no asset.") });
            }
        }
        Ok(Some(Box::new(recipe)))
    }

    /// Resolves a nested request until the texts of the assets that it names no longer change it. `None` when it has
    /// errors, which are then already in `errors`.
    pub(super) fn resolve_around<'t>(
        &mut self,
        object: &str,
        texts: &RequestTexts<'t>,
    ) -> Result<Option<(Recipe, Remarks)>, ValueError>
    where
        'a: 't,
    {
        let mut variables = self.variables.clone();
        // A request that names no asset is about that of the request around it.
        if !object.trim().is_empty() {
            variables.define("object", object.to_owned());
        }
        let template = texts.find_template(&variables, self.asset_modifiers, self.attributes);
        let mut around = Surroundings { template, ..Surroundings::default() };
        let Some(mut resolved) = self.resolve_inner(texts, &around, &variables) else { return Ok(None) };
        for _ in 1..surroundings::MAX_PASSES {
            let own = self.own_stands_around.then_some(self.object);
            let (template, recipe) = (around.template.clone(), &resolved.0);
            let found = Surroundings::find(template, recipe, own, self.asset_modifiers, self.attributes);
            if found == around {
                break;
            }
            if let Some((_, name)) = found.find_composed(self.macros, self.budget) {
                return Err(surroundings::reject_composed_asset(name));
            }
            around = found;
            match self.resolve_inner(texts, &around, &variables) {
                Some(again) => resolved = again,
                None => return Ok(None),
            }
        }
        Ok(Some(resolved))
    }

    /// Resolves a nested request into a recipe without output settings, and its remarks. `None` when it has errors,
    /// which are then already in `errors`.
    fn resolve_inner<'t>(
        &mut self,
        texts: &RequestTexts<'t>,
        around: &Surroundings<'t>,
        variables: &Variables,
    ) -> Option<(Recipe, Remarks)>
    where
        'a: 't,
    {
        self.budget.spend(variables.count_bytes() as u64);
        let input = ModifierInput {
            object: self.object,
            asset_modifiers: self.asset_modifiers,
            budget: self.budget,
            ..ModifierInput::new("", self.macros, self.attributes)
        };
        let mut inner: CommandResolver<'t> = CommandResolver::new(&input, variables.clone());
        (inner.depth, inner.requests_left) = (self.depth + 1, self.requests_left.saturating_sub(1));
        (inner.is_watermark, inner.own_stands_around) = (self.is_watermark, self.own_stands_around);
        let (draft, _) = inner.resolve_tokens(&mut texts.expand(around), texts, around);
        self.requests_left = inner.requests_left;
        self.uses_object |= inner.uses_object;
        if !inner.errors.is_empty() {
            self.errors.append(&mut inner.errors);
            return None;
        }
        let defaults = self.attributes.default_recipe();
        let profile = draft.profile.clone();
        let mut recipe = draft.build();
        recipe.output = defaults.output;
        recipe.view.background = defaults.view.background;
        (recipe.view.default_pix, recipe.view.max_pix) = ((0, 0), (0, 0));
        // Colours of a nested request pass through the profile that it names itself. The profile of the attributes is
        // meant for the output file, so it does not apply here.
        match profile {
            Some(profile) => recipe.output.pixel_type = profile.pixel_type,
            None => recipe.colors = ColorManagement { output: None, ..defaults.colors },
        }
        Some((recipe, inner.remarks))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::test_input::resolve_recipe;

    #[test]
    fn a_nested_request_may_have_its_own_profile() {
        let colors = |modifier| match resolve_recipe(modifier).layer.source {
            Some(AssetReference::Request(recipe)) => recipe.colors.output.map(|profile| profile.name),
            other => panic!("{other:?}"),
        };
        assert_eq!(colors("src=is(a?icc=AdobeRGB)").as_deref(), Some("AdobeRGB"));
        assert_eq!(colors("src=is(a?iccEmbed=1)&icc=AdobeRGB"), None);
    }
}
