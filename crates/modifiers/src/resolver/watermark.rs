//! Resolves the watermark of an image preset or of the attributes. It is composed like a nested request, whose view has no
//! meaning but for `align=`. Documentation page: r-watermarks.

use super::CommandResolver;
use crate::asset_reference::AssetReference;
use crate::attribute::Attributes;
use crate::diagnostic::Origin;
use crate::grammar;
use crate::macros::MacroWatermark;
use crate::overrides::{CommandStatus, ResolvedCommand};
use crate::recipe::{LayerScale, Recipe, RequestKind, View, Watermark};
use crate::surroundings::{OwnTexts, RequestText, RequestTexts};

impl CommandResolver<'_> {
    /// Adds the watermark of the image preset, or else that of the attributes, to the recipe and its commands.
    pub(crate) fn add_watermark(
        &mut self,
        preset: Option<&MacroWatermark>,
        recipe: &mut Recipe,
        commands: &mut Vec<ResolvedCommand>,
    ) {
        let Some(named) = preset.cloned().or_else(|| find_attribute_watermark(self.attributes)) else { return };
        recipe.watermark = self.resolve_watermark(recipe, &named);
        commands.extend(recipe.watermark.as_ref().map(|watermark| describe_watermark(watermark, &named)));
    }

    /// The watermark of a recipe that makes a picture. `None` for others, and when it has errors, which are then already
    /// in `errors`.
    fn resolve_watermark(&mut self, recipe: &Recipe, named: &MacroWatermark) -> Option<Box<Watermark>> {
        let MacroWatermark { asset: name, tiled } = named;
        if recipe.view.request != RequestKind::Picture {
            return None;
        }
        let own = self.asset_modifiers.find_named(name, self.attributes);
        let request = RequestText::Part { text: "", origin: &Origin::Watermark, start: 0 };
        let texts = RequestTexts { own: own.map(OwnTexts::from), request, macros: self.macros, budget: self.budget };
        self.is_watermark = true;
        let resolved = self.resolve_around(name, &texts);
        self.is_watermark = false;
        let (mut inner, remarks) = match resolved {
            Ok(resolved) => resolved?,
            Err(error) => {
                let token = grammar::RawToken { offset: 0, text: "src" };
                self.errors.push(error.into_diagnostic("src", token, &Origin::Watermark));
                return None;
            }
        };
        self.remarks.append(remarks);
        if !inner.layer.blank && inner.template.is_none() {
            inner.layer.source = inner.layer.source.or_else(|| Some(AssetReference::Named(name.clone())));
        }
        let align = inner.view.align;
        inner.view = View { res_mode: inner.view.res_mode, ..self.attributes.default_recipe().view };
        (inner.view.default_pix, inner.view.max_pix) = ((0, 0), (0, 0));
        let size = match inner.layer.scale {
            Some(LayerScale::Fractions(w, h)) => {
                inner.layer.scale = None;
                Some([w, h])
            }
            _ => None,
        };
        let blend = std::mem::take(&mut inner.layer.blend);
        let image = AssetReference::Request(Box::new(inner));
        Some(Box::new(Watermark { image, size, align, blend, tiled: *tiled }))
    }
}

/// The watermark of the attributes.
fn find_attribute_watermark(attributes: &Attributes) -> Option<MacroWatermark> {
    attributes.watermark.clone().map(|asset| MacroWatermark { asset, tiled: false })
}

/// The watermark as a command, so that the assets that it names are looked up like all others.
fn describe_watermark(watermark: &Watermark, named: &MacroWatermark) -> ResolvedCommand {
    let mut references = Vec::new();
    watermark.image.collect_assets(&mut references);
    let name_of = |reference: &AssetReference| match reference {
        AssetReference::Named(name) => Some(name.clone()),
        _ => None,
    };
    let templates = match &watermark.image {
        AssetReference::Request(recipe) => recipe.missing_templates().map(str::to_owned).collect(),
        _ => Vec::new(),
    };
    ResolvedCommand {
        name: "src",
        value: named.asset.clone(),
        segment: None,
        origin: Origin::Watermark,
        offset: 0,
        assets: references.into_iter().filter_map(name_of).chain(templates).collect(),
        status: CommandStatus::Effective,
    }
}
