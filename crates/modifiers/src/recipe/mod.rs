//! What was asked for, with every default resolved. Needs no picture; numbers for one picture are the renderer's plan.

mod layer;
mod output;
mod pixel;
mod view;

use serde::{Deserialize, Serialize};

pub use self::layer::{Clip, Crop, Extend, Flip, Layer, LayerScale, Mask, MaskUse, Perspective, Region, Sampling};
pub use self::output::{ByType, Colors, Compression, Intent, Output, Palette, PixelType, Quantize};
pub use self::pixel::{Colorize, Noise, Sharpening, Tone, Usm};
pub use self::view::{Fit, FitMode, Request, ResMode, ThumbType, Thumbnail, Tile, View};
use super::format::OutputFormat;
use super::object::Object;
use super::profile::ProfileName;

/// A modifier understood: what a picture is to become. Two texts that mean the same give the same recipe.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Recipe {
    /// What happens to the picture itself, layer 0.
    pub layer: Layer,
    /// What happens to the composite that layer 0 fills.
    pub composite: Composite,
    /// How the composite is shown.
    pub view: View,
    /// How colours are converted.
    pub colors: Colors,
    /// How the view is written.
    pub output: Output,
    /// What the order, not the modifier, says of reading the source.
    #[serde(default, skip_serializing_if = "Reading::is_usual")]
    pub reading: Reading,
}

/// How the source is read. It stands in the recipe because it may change what comes out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reading {
    /// A damaged source is rendered as far as it decodes.
    pub accepts_damage: bool,
    /// The decoder makes sides at most so many times smaller, because the pictures made beside this one need more of
    /// the source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub most_shrink: Option<u8>,
}

impl Reading {
    /// Whether it is that of a modifier by itself.
    pub fn is_usual(&self) -> bool {
        *self == Self::default()
    }
}

impl Recipe {
    /// The format of the file that this recipe makes.
    pub fn format(&self) -> OutputFormat {
        self.output.format
    }

    /// The other assets that it reads.
    pub fn objects(&self) -> impl Iterator<Item = &Object> {
        let mut found = Vec::new();
        self.named().for_each(|object| object.assets(&mut found));
        found.into_iter()
    }

    /// What it names itself.
    pub(super) fn named(&self) -> impl Iterator<Item = &Object> {
        self.layer.source.iter().chain(&self.layer.mask.object)
    }

    /// The same, to change it.
    pub(super) fn named_mut(&mut self) -> impl Iterator<Item = &mut Object> {
        self.layer.source.iter_mut().chain(&mut self.layer.mask.object)
    }

    /// The other assets that it reads, by what they are pinned to.
    pub fn pins(&self) -> impl Iterator<Item = &str> {
        self.objects().filter_map(|object| match object {
            Object::Pinned(pin) => Some(pin.as_str()),
            _ => None,
        })
    }

    /// The other assets that it reads, to pin them.
    pub fn objects_mut(&mut self) -> impl Iterator<Item = &mut Object> {
        let mut found = Vec::new();
        self.named_mut().for_each(|object| object.assets_mut(&mut found));
        found.into_iter()
    }

    /// The profiles that it needs the bytes of, with those of requests inside.
    pub fn profiles(&self) -> impl Iterator<Item = &ProfileName> {
        let mut found = Vec::new();
        self.collect_profiles(&mut found);
        found.into_iter()
    }

    fn collect_profiles<'a>(&'a self, found: &mut Vec<&'a ProfileName>) {
        let ByType { gray, rgb, cmyk } = &self.colors.source;
        found.extend([&self.colors.output, gray, rgb, cmyk].into_iter().flatten());
        for object in self.named() {
            if let Object::Request(inner) = object {
                inner.collect_profiles(found);
            }
        }
    }

    /// One text for all modifiers that mean the same: what a recipe is known by.
    pub fn canonical(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// What happens to the composite as a whole.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Composite {
    /// Names of embedded paths to whose bounds it is cut.
    pub crop_paths: Vec<String>,
    /// Cuts along outlines.
    pub clip: Clip,
    /// Mirroring, after everything that layer 0 does.
    pub flip: Option<Flip>,
    /// Pixel operations.
    pub tone: Tone,
    /// Opacity, 0 to 1.
    pub opacity: Option<f64>,
}
