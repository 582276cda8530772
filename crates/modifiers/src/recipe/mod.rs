//! What was asked for, with every default resolved. Depends on no image: the numbers for one image are the plan, which
//! the imaging crate makes from a recipe and an image header.
//!
//! Recipes are stored with jobs, and their canonical text identifies equal requests. Names and values of fields are
//! therefore a storage format: after a rename, stored recipes cannot be read any more.

mod effect;
mod layer;
mod output;
mod pixel;
mod view;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use self::effect::{BlendMode, Effect, Watermark};
pub use self::layer::{
    Clip, Crop, Extend, Flip, Layer, LayerMask, LayerPoint, LayerScale, MaskUse, Perspective, Region, Sampling,
};
pub use self::output::{
    ColorManagement, Compression, Intent, JpegEffort, Output, Palette, PerPixelType, PixelType, Quantize,
};
pub use self::pixel::{Colorize, Noise, Sharpening, Tone, Usm};
pub use self::view::{Fit, FitMode, RequestKind, ResMode, ResampleSpace, ThumbType, Thumbnail, Tile, View};
use super::asset_reference::AssetReference;
use super::format::OutputFormat;
use super::profile::ProfileName;

/// A resolved modifier: what is to be done with an image. Modifiers with the same meaning give the same recipe.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Recipe {
    /// What is done with the image itself, layer 0.
    pub layer: Layer,
    /// The layers above it, by their numbers; drawn in this order.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub layers: BTreeMap<u32, Layer>,
    /// What is done with the composite of all layers.
    pub composite: Composite,
    /// How the composite is scaled and placed.
    pub view: View,
    pub colors: ColorManagement,
    /// How the view is encoded.
    pub output: Output,
    /// An image that is laid over the composite when it has been scaled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watermark: Option<Box<Watermark>>,
    /// The name of a template whose layers are not known (yet): such a recipe cannot be rendered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    /// How the source is decoded; set by the job, not by the modifier.
    #[serde(default, skip_serializing_if = "DecodeOptions::is_default")]
    pub reading: DecodeOptions,
}

/// How the source is decoded. Part of the recipe because it may change the result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DecodeOptions {
    /// Whether a damaged source is rendered as far as it can be decoded.
    pub accepts_damage: bool,
    /// The decoder shrinks each side at most by this factor, because other renditions of the same item need more pixels
    /// of the source and all share one decoded image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub most_shrink: Option<u8>,
}

impl DecodeOptions {
    /// Whether the job changes nothing; such options are left out of the canonical text.
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl Recipe {
    pub fn format(&self) -> OutputFormat {
        self.output.format
    }

    /// Other assets that it reads, also in nested requests.
    pub fn asset_references(&self) -> impl Iterator<Item = &AssetReference> {
        let mut references = Vec::new();
        self.own_references().for_each(|reference| reference.collect_assets(&mut references));
        references.into_iter()
    }

    /// References of the recipe itself, without those of nested requests.
    pub(super) fn own_references(&self) -> impl Iterator<Item = &AssetReference> {
        let layers = std::iter::once(&self.layer).chain(self.layers.values());
        layers.flat_map(Layer::references).chain(self.watermark.iter().map(|watermark| &watermark.image))
    }

    pub(super) fn own_references_mut(&mut self) -> impl Iterator<Item = &mut AssetReference> {
        let layers = std::iter::once(&mut self.layer).chain(self.layers.values_mut());
        layers.flat_map(Layer::references_mut).chain(self.watermark.iter_mut().map(|watermark| &mut watermark.image))
    }

    /// SHA-256 digests (hexadecimal) of the other assets that it reads, as far as they are pinned.
    pub fn pins(&self) -> impl Iterator<Item = &str> {
        self.asset_references().filter_map(|reference| match reference {
            AssetReference::Pinned(pin) => Some(pin.as_str()),
            _ => None,
        })
    }

    /// The same as [`asset_references`](Self::asset_references), to pin them.
    pub fn asset_references_mut(&mut self) -> impl Iterator<Item = &mut AssetReference> {
        let mut references = Vec::new();
        self.own_references_mut().for_each(|reference| reference.collect_assets_mut(&mut references));
        references.into_iter()
    }

    /// Names of templates whose layers are not known, also in nested requests: assets that do not exist, or that have no
    /// modifier of their own.
    pub fn missing_templates(&self) -> impl Iterator<Item = &str> {
        let mut names = Vec::new();
        self.collect_missing_templates(&mut names);
        names.into_iter()
    }

    fn collect_missing_templates<'a>(&'a self, names: &mut Vec<&'a str>) {
        names.extend(self.template.as_deref());
        for reference in self.own_references() {
            if let AssetReference::Request(inner) = reference {
                inner.collect_missing_templates(names);
            }
        }
    }

    /// Profiles that rendering needs, also in nested requests.
    pub fn profiles(&self) -> impl Iterator<Item = &ProfileName> {
        let mut profiles = Vec::new();
        self.collect_profiles(&mut profiles);
        profiles.into_iter()
    }

    fn collect_profiles<'a>(&'a self, profiles: &mut Vec<&'a ProfileName>) {
        let PerPixelType { gray, rgb, cmyk } = &self.colors.source;
        profiles.extend([&self.colors.output, gray, rgb, cmyk].into_iter().flatten());
        for reference in self.own_references() {
            if let AssetReference::Request(inner) = reference {
                inner.collect_profiles(profiles);
            }
        }
    }

    /// A text that is equal for equal recipes; its digest identifies a recipe in storage.
    pub fn to_canonical_text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// What is done with the composite as a whole.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Composite {
    /// Names of embedded paths to whose bounds it is cropped.
    pub crop_paths: Vec<String>,
    pub clip: Clip,
    /// Applied after everything that is done with layer 0.
    pub flip: Option<Flip>,
    pub tone: Tone,
    /// Opacity, 0 to 1.
    pub opacity: Option<f64>,
    /// Effects of the composite's own shape; as those of a layer.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub effects: BTreeMap<i32, Effect>,
    /// Opacity that the effects share with the composite, 0 to 1.
    #[serde(skip_serializing_if = "is_default")]
    pub effect_opacity: Option<f64>,
    /// Whether outer effects, those of layers too, are drawn behind what casts them as well (`effectMask=0`).
    #[serde(skip_serializing_if = "is_default")]
    pub effects_unmasked: bool,
}

/// Whether a field has its default and need not be written.
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
