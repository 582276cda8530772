//! A recipe while commands set it.

use std::collections::BTreeMap;

use super::super::asset_modifiers::AssetSettings;
use super::super::asset_reference::AssetReference;
use super::super::attribute::Attributes;
use super::super::colour::Colour;
use super::super::diagnostic::ValueError;
use super::super::format::{self, OutputFormat, has_gray};
use super::super::profile::ProfileName;
use super::super::recipe::{
    BlendMode, Effect, JpegEffort, Layer, LayerScale, PixelType, Quantize, Recipe, RequestKind, ThumbType, Thumbnail,
};

/// What a command applies to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum CommandTarget {
    /// No segment, or `layer=comp`.
    Composite,
    /// A layer; layer 0 without a segment for commands of scope `Layer`.
    Layer(u32),
    /// An effect of this layer, or of the composite.
    Effect(Option<u32>, i32),
}

/// A recipe while commands set it. Values that depend on other commands are kept beside it until
/// [`build`](Self::build).
#[derive(Clone, Debug)]
pub(in super::super) struct RecipeBuilder<'a> {
    pub(in super::super) recipe: Recipe,
    pub(in super::super) attributes: &'a Attributes,
    /// Layer 0 and those above it. They become part of the recipe in the end.
    layers: BTreeMap<u32, LayerDraft>,
    /// Effects of the composite.
    effects: BTreeMap<i32, EffectDraft>,
    /// `bgc=`.
    pub(super) background: Option<Colour>,
    /// Whether `fmt=` named the pixel type.
    pub(super) has_pixel_type: bool,
    /// The nested request in the value of the command that is being applied; its setter takes it.
    pub(in super::super) nested_request: Option<Box<Recipe>>,
    /// A warning about the command that was applied last.
    pub(in super::super) remark: Option<ValueError>,
    /// `quantize=`; used only if the format has a palette.
    pub(in super::super) quantize: Option<Quantize>,
    /// `icc=`.
    pub(in super::super) profile: Option<ProfileName>,
    /// The pixel types that the format supports.
    pub(super) pixel_types: &'static [PixelType],
    /// Whether it is the recipe of a watermark: its layer 0 then has a size relative to the image and a blend mode.
    pub(in super::super) is_watermark: bool,
    /// `template=`.
    pub(in super::super) template: Option<String>,
}

/// A layer while commands set it.
#[derive(Clone, Debug, Default)]
pub(in super::super) struct LayerDraft {
    pub(in super::super) layer: Layer,
    pub(in super::super) size: Option<LayerScale>,
    pub(super) scale: Option<LayerScale>,
    pub(super) res: Option<LayerScale>,
    pub(super) hidden: bool,
    /// What is kept with the asset that the layer draws.
    pub(in super::super) settings: AssetSettings,
    effects: BTreeMap<i32, EffectDraft>,
}

/// An effect while commands set it.
#[derive(Clone, Debug, Default)]
pub(super) struct EffectDraft {
    pub(super) effect: Effect,
    pub(super) hidden: bool,
}

impl<'a> RecipeBuilder<'a> {
    /// Begins with the recipe of an empty modifier.
    pub(in super::super) fn new(attributes: &'a Attributes) -> Self {
        Self {
            recipe: attributes.default_recipe(),
            attributes,
            layers: BTreeMap::new(),
            effects: BTreeMap::new(),
            background: None,
            has_pixel_type: false,
            nested_request: None,
            remark: None,
            quantize: None,
            profile: None,
            pixel_types: format::DEFAULT_TYPES,
            is_watermark: false,
            template: None,
        }
    }

    /// The layer that a command applies to.
    pub(in super::super) fn layer(&mut self, target: CommandTarget) -> &mut LayerDraft {
        let number = match target {
            CommandTarget::Composite => 0,
            CommandTarget::Layer(number) => number,
            CommandTarget::Effect(owner, _) => owner.unwrap_or(0),
        };
        self.layers.entry(number).or_default()
    }

    /// The same, to look at it.
    pub(in super::super) fn find_layer(&self, number: u32) -> Option<&LayerDraft> {
        self.layers.get(&number)
    }

    /// The numbers of all layers that commands apply to.
    pub(in super::super) fn layer_numbers(&self) -> Vec<u32> {
        self.layers.keys().copied().collect()
    }

    /// The effect that a command applies to, if it applies to one.
    pub(super) fn effect(&mut self, target: CommandTarget) -> Option<&mut EffectDraft> {
        match target {
            CommandTarget::Effect(None, number) => Some(self.effects.entry(number).or_default()),
            CommandTarget::Effect(Some(owner), number) => {
                Some(self.layers.entry(owner).or_default().effects.entry(number).or_default())
            }
            _ => None,
        }
    }

    /// Opens an effect, which is drawn even without a command of its own.
    pub(in super::super) fn open_effect(&mut self, target: CommandTarget) {
        self.effect(target);
    }

    /// A profile sets the pixel type, and the format must support it. Checked at the end, because `icc=` may stand
    /// before `fmt=`. Documentation page: r-icc.
    pub(in super::super) fn find_profile_mismatch(&self) -> Option<ValueError> {
        let profile = self.profile.as_ref().filter(|profile| !self.pixel_types.contains(&profile.pixel_type))?;
        let (name, pixel_type) = (&profile.name, profile.pixel_type.name());
        let supported: Vec<_> = self.pixel_types.iter().map(|pixel_type| pixel_type.name()).collect();
        let remedy = format!("Use a profile for {}, or another format.", supported.join(" or "));
        let detail = format!("Profile `{name}` is for {pixel_type}, which the format does not support.");
        Some(ValueError { remedy, ..ValueError::invalid(detail) })
    }

    /// The finished recipe. Resolves what depends on more than one command:
    ///
    /// * `size` overrides `scale`, `scale` overrides `res`; with `perspective` only `scale` counts.
    /// * The kind of request sets the default background and pixel type, and the scale of textures.
    /// * The profile of `icc=` overrides the pixel type, and the profile that the attributes give for it.
    ///
    /// Settings that the format cannot use are dropped, and so are layers and effects that draw nothing, so that
    /// modifiers with the same result give the same recipe.
    pub(in super::super) fn build(mut self) -> Recipe {
        let layers = std::mem::take(&mut self.layers);
        let Self { mut recipe, attributes, .. } = self;
        let mut base = LayerDraft::default();
        for (number, draft) in layers {
            match number {
                0 => base = draft,
                _ if draft.hidden => {}
                _ => {
                    let scale = draft.choose_scale();
                    recipe.layers.insert(number, draft.build(scale));
                }
            }
        }
        recipe.layers.retain(|_, layer| !layer.is_empty());
        if let (RequestKind::Thumbnail(thumbnail), Some(kind)) = (&mut recipe.view.request, base.settings.thumb_type) {
            thumbnail.kind = kind;
        }
        let scale = base.choose_base_scale(recipe.view.request, attributes);
        let hidden = base.hidden;
        recipe.layer = Layer { hidden, ..base.build(scale) };
        recipe.layer.position = None;
        if !self.is_watermark {
            recipe.layer.blend = BlendMode::default();
        }
        if recipe.layers.is_empty() {
            (recipe.layer.anchor, recipe.layer.origin) = (None, None);
        }
        recipe.composite.effects = list_effects(self.effects);
        if recipe.composite.effects.is_empty() {
            recipe.composite.effect_opacity = None;
        }
        let all_effects = std::iter::once(&recipe.layer).chain(recipe.layers.values()).map(|layer| &layer.effects);
        if all_effects.chain([&recipe.composite.effects]).all(BTreeMap::is_empty) {
            recipe.composite.effects_unmasked = false;
        }
        let default_background = match recipe.view.request {
            RequestKind::Thumbnail(_) => attributes.thumb_bkg_color,
            _ => None,
        };
        recipe.view.background = self.background.or(default_background).unwrap_or(attributes.bkg_color).to_opaque();
        let output = &mut recipe.output;
        if recipe.view.request == RequestKind::Mask && !self.has_pixel_type && has_gray(output) {
            output.pixel_type = PixelType::Gray;
        }
        if let Some(profile) = &self.profile {
            output.pixel_type = profile.pixel_type;
        }
        let default_profile = attributes.icc_profile.get(output.pixel_type);
        recipe.colors.output = self.profile.or_else(|| default_profile.clone());
        if output.quantize.is_some() {
            output.quantize = Some(self.quantize.unwrap_or_default());
        }
        output.scans = output.scans.filter(|_| output.progressive);
        output.jpeg_size = output.jpeg_size.filter(|_| output.format == OutputFormat::Jpeg);
        if output.format != OutputFormat::Jpeg {
            output.jpeg_effort = JpegEffort::Fast;
        }
        output.path_embed &= output.format.can_carry_paths();
        recipe
    }
}

impl LayerDraft {
    pub(in super::super) fn is_hidden(&self) -> bool {
        self.hidden
    }

    fn choose_scale(&self) -> Option<LayerScale> {
        if self.layer.perspective.is_some() { self.scale } else { self.size.or(self.scale).or(self.res()) }
    }

    /// The scale of layer 0. Thumbnails of type texture have one of their own.
    fn choose_base_scale(&self, request: RequestKind, attributes: &Attributes) -> Option<LayerScale> {
        let texture = match request {
            RequestKind::Thumbnail(Thumbnail { kind: ThumbType::Texture, .. }) if self.layer.perspective.is_none() => {
                let asked = self.settings.thumb_res.or(attributes.thumb_res);
                asked.map(|asked| self.settings.resolve_scale(asked, attributes.resolution))
            }
            _ => None,
        };
        self.choose_scale().or(texture)
    }

    /// `res=`, against the resolution that is kept with the asset if there is one.
    fn res(&self) -> Option<LayerScale> {
        match self.res {
            Some(LayerScale::Resolution { asked, usual }) => Some(self.settings.resolve_scale(asked, usual)),
            other => other,
        }
    }

    fn build(self, scale: Option<LayerScale>) -> Layer {
        let Self { mut layer, settings, effects, .. } = self;
        layer.scale = scale;
        layer.anchor = layer.anchor.or(settings.anchor_point());
        if layer.mask.object.is_none()
            && let Some(name) = settings.mask_asset
        {
            layer.mask.object = Some(AssetReference::Named(name));
            layer.mask.from_record = true;
        }
        layer.effects = list_effects(effects);
        if layer.effects.is_empty() {
            layer.effect_opacity = None;
        }
        layer
    }
}

/// The effects that can be seen.
fn list_effects(drafts: BTreeMap<i32, EffectDraft>) -> BTreeMap<i32, Effect> {
    let is_drawn = |draft: &EffectDraft| !draft.hidden && draft.effect.opacity != Some(0.0);
    drafts.into_iter().filter(|(_, draft)| is_drawn(draft)).map(|(number, draft)| (number, draft.effect)).collect()
}
