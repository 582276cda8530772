//! What concerns whole layers: what is kept with the assets that they draw, and layers that draw nothing.

use std::collections::BTreeSet;

use super::CommandResolver;
use crate::asset_modifiers::AssetSettings;
use crate::asset_reference::AssetReference;
use crate::command::{CommandTarget, RecipeBuilder};
use crate::diagnostic::{Origin, ValueError};
use crate::grammar::{self, ParsedToken};
use crate::macros::{ExpandedToken, Expansion};
use crate::overrides::{CommandStatus, ResolvedCommand};
use crate::segment::ModifierSegment;
use crate::surroundings::{RequestTexts, Surroundings};

impl<'a> CommandResolver<'a> {
    /// What is kept with the assets that layers draw becomes part of these layers: masks, anchors, resolutions.
    pub(super) fn add_settings(
        &self,
        draft: &mut RecipeBuilder<'_>,
        texts: &RequestTexts<'a>,
        around: &Surroundings<'a>,
        commands: &mut Vec<ResolvedCommand>,
    ) {
        let own = self.find_own_settings(draft, texts, around).map(|(settings, origin)| (0, settings, origin));
        let named = around
            .layers
            .iter()
            .map(|(number, asset)| (*number, &asset.modifiers.settings, Origin::NamedBefore(asset.name.to_owned())));
        for (number, settings, origin) in own.into_iter().chain(named) {
            let layer = draft.layer(CommandTarget::Layer(number));
            self.budget.spend(settings.count_bytes() as u64);
            layer.settings = settings.clone();
            let Some(mask) = settings.mask_asset.clone().filter(|_| layer.layer.mask.object.is_none()) else {
                continue;
            };
            commands.push(ResolvedCommand {
                name: "mask",
                value: mask.clone(),
                segment: Some(ModifierSegment::Layer(number)),
                origin,
                offset: 0,
                assets: vec![mask],
                status: CommandStatus::Effective,
            });
        }
        if let Some((name, template)) = &around.template {
            let layer = &mut draft.layer(CommandTarget::Layer(0)).layer;
            layer.blank = layer.source.is_none();
            draft.recipe.template = template.is_none().then(|| name.clone());
        }
    }

    /// What is kept with the asset that the request is for, if layer 0 draws it.
    fn find_own_settings(
        &self,
        draft: &mut RecipeBuilder<'_>,
        texts: &RequestTexts<'a>,
        around: &Surroundings<'a>,
    ) -> Option<(&'a AssetSettings, Origin)> {
        let draws_own = match &draft.layer(CommandTarget::Layer(0)).layer.source {
            Some(AssetReference::Named(name)) => texts.own.is_some_and(|own| own.name.unwrap_or(self.object) == name),
            Some(_) => false,
            None => around.template.is_none(),
        };
        let own = texts.own.filter(|_| draws_own)?;
        let origin = own.name.map_or(Origin::AssetBefore, |name| Origin::NamedBefore(name.to_owned()));
        Some((own.settings?, origin))
    }

    /// Layers that draw nothing are probably a mistake, and are none as far as the result goes.
    pub(super) fn report_empty_layers(&mut self, draft: &RecipeBuilder<'_>, expansion: &Expansion<'a>) {
        let is_empty = |number: u32| {
            number > 0 && draft.find_layer(number).is_some_and(|draft| !draft.is_hidden() && draft.layer.is_empty())
        };
        let mut told = BTreeSet::new();
        for token in &expansion.tokens {
            let Some(number) = find_opened_layer(token).filter(|number| is_empty(*number)) else { continue };
            if !told.insert(number) {
                continue;
            }
            let detail = format!("Layer {number} has no source, mask or colour, so it draws nothing.");
            let notice = ValueError::ignored(detail, "Give it src=, color= or bgColor=, or remove it.");
            self.remarks.notices.push(notice.into_diagnostic("layer", token.raw, &token.origin));
        }
    }
}

/// The number of the layer whose segment a token opens.
fn find_opened_layer(token: &ExpandedToken<'_>) -> Option<u32> {
    match grammar::parse_token(&token.raw) {
        ParsedToken::Command { name, value: Some(value) } if name.eq_ignore_ascii_case("layer") => {
            value.split(',').next()?.trim().parse().ok()
        }
        _ => None,
    }
}
