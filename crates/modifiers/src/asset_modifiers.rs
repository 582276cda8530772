//! What is kept with assets and applies as well when a modifier names them: own modifiers (`urlModifier`,
//! `urlPostApplyModifier`), masks, anchors, resolutions, named crops. Documentation pages: r-src, r-modifier-cat, r-postmodifier-cat.

use std::collections::BTreeMap;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};

use super::asset_reference;
use super::attribute::Attributes;
use super::diagnostic::{Origin, ValueError};
use super::grammar::{self, ParsedToken};
use super::macros::{Expansion, Macros};
use super::recipe::{LayerPoint, LayerScale, ThumbType};
use super::work_budget::WorkBudget;
use super::{attribute, value};

/// How many named crops an asset may have.
const MAX_CROPS: usize = 100;
const MAX_CROP_NAME_BYTES: usize = 64;

/// What is kept with an asset: its own modifiers and settings.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AssetModifiers {
    /// Applied before the request's modifier; empty when there is none.
    pub before: String,
    /// Applied after the request's modifier; empty when there is none.
    pub after: String,
    pub settings: AssetSettings,
}

/// Settings of an asset that apply wherever a modifier draws it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct AssetSettings {
    /// Another asset that is its mask, unless `mask=` names one. Documentation page: r-maskpath-cat.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "deserialize_mask_asset")]
    pub mask_asset: Option<String>,
    /// Its anchor, `x,y` in pixels, unless `anchor=` gives one. Documentation page: r-anchor-cat.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "deserialize_anchor")]
    pub anchor: Option<String>,
    /// What `res=` is divided by. Documentation page: r-resolution-cat.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "deserialize_resolution")]
    pub resolution: Option<f64>,
    /// The type of its thumbnails, in place of the attribute ThumbType. Documentation page: r-thumbtype-cat.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "deserialize_thumb_type")]
    pub thumb_type: Option<ThumbType>,
    /// The resolution of its thumbnails of type texture, in place of the attribute ThumbRes. Documentation page:
    /// r-thumbres-cat.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "deserialize_resolution")]
    pub thumb_res: Option<f64>,
    /// Text that is kept for others; no picture depends on it. Documentation page: r-userdata-cat.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_data: Option<String>,
    /// Modifiers of named crops, which `asset:Name` and `$preset$:Name` ask for.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "deserialize_crops")]
    pub crops: BTreeMap<String, String>,
}

/// What is kept with other assets, by the names under which modifiers mention the assets.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AssetModifierIndex(BTreeMap<String, AssetModifiers>);

/// For modifiers without other assets.
pub(super) static NO_ASSET_MODIFIERS: AssetModifierIndex = AssetModifierIndex(BTreeMap::new());

/// An asset that a modifier names and with which something is kept.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct ReferencedAsset<'a> {
    pub(super) name: &'a str,
    pub(super) modifiers: &'a AssetModifiers,
    /// The modifier of the named crop that is asked for.
    pub(super) crop: Option<&'a str>,
}

impl AssetModifiers {
    /// Whether anything is kept.
    fn has_content(&self) -> bool {
        !grammar::is_blank(&self.before) || !grammar::is_blank(&self.after) || self.settings != AssetSettings::default()
    }
}

impl AssetSettings {
    /// Bytes of all texts, which are copied for each layer that draws the asset.
    pub(super) fn count_bytes(&self) -> usize {
        let texts = [&self.mask_asset, &self.anchor, &self.user_data];
        let crops: usize = self.crops.iter().map(|(name, text)| name.len() + text.len()).sum();
        texts.into_iter().flatten().map(String::len).sum::<usize>() + crops
    }

    /// The anchor as a point of the layer that shows the asset.
    pub(super) fn anchor_point(&self) -> Option<LayerPoint> {
        parse_anchor(self.anchor.as_deref()?).ok().map(LayerPoint::Pixels)
    }

    /// A scale that `res=` or a thumbnail asks for. `usual` is the resolution of images without one.
    pub(super) fn resolve_scale(&self, asked: f64, usual: f64) -> LayerScale {
        match self.resolution {
            Some(resolution) => LayerScale::Factor(asked / resolution),
            None => LayerScale::Resolution { asked, usual },
        }
    }
}

fn parse_anchor(text: &str) -> Result<[f64; 2], ValueError> {
    let [x, y] = value::split_exactly(text, "x,y")?;
    let limit = 2_147_483_648.0;
    let parse = |part| value::parse_real(part, -limit..=limit, "within 2,147,483,648 of 0");
    Ok([parse(x)?, parse(y)?])
}

fn deserialize_anchor<'de, D: Deserializer<'de>>(input: D) -> Result<Option<String>, D::Error> {
    let text = Option::<String>::deserialize(input)?;
    if let Some(text) = &text {
        parse_anchor(text).map_err(|error| D::Error::custom(error.detail))?;
    }
    Ok(text)
}

fn deserialize_mask_asset<'de, D: Deserializer<'de>>(input: D) -> Result<Option<String>, D::Error> {
    let parse = |text: String| asset_reference::parse_asset_name(&text).map_err(|error| D::Error::custom(error.detail));
    Option::<String>::deserialize(input)?.map(parse).transpose()
}

/// Names that modifiers can call, as in `$preset$:Large`, and their modifiers.
fn deserialize_crops<'de, D: Deserializer<'de>>(input: D) -> Result<BTreeMap<String, String>, D::Error> {
    let crops = Option::<BTreeMap<String, String>>::deserialize(input)?.unwrap_or_default();
    if crops.len() > MAX_CROPS {
        return Err(D::Error::custom(format!("There are {} crops; the limit is {MAX_CROPS}.", crops.len())));
    }
    for (name, text) in &crops {
        if !grammar::is_identifier(name) || name.len() > MAX_CROP_NAME_BYTES {
            return Err(D::Error::custom(format!(
                "`{name}` cannot be the name of a crop. Use 1 to {MAX_CROP_NAME_BYTES} letters, digits, `-`, `_` and `.`."
            )));
        }
        if grammar::is_blank(text) {
            return Err(D::Error::custom(format!(
                "The crop `{name}` has no commands. Write one such as `cropN=0,0,1,0.5`."
            )));
        }
    }
    Ok(crops)
}

fn deserialize_resolution<'de, D: Deserializer<'de>>(input: D) -> Result<Option<f64>, D::Error> {
    match Option::<f64>::deserialize(input)? {
        Some(number) if !(1e-6..=1e6).contains(&number) => {
            Err(D::Error::custom(format!("The resolution must be between 0.000001 and 1,000,000, not {number}.")))
        }
        number => Ok(number),
    }
}

/// A word, or a number as catalogs write it.
fn deserialize_thumb_type<'de, D: Deserializer<'de>>(input: D) -> Result<Option<ThumbType>, D::Error> {
    let word = match Option::<serde_json::Value>::deserialize(input)? {
        None | Some(serde_json::Value::Null) => return Ok(None),
        Some(serde_json::Value::String(word)) => word,
        Some(other) => other.to_string(),
    };
    attribute::parse_thumb_type(&word).map(Some).map_err(|error| D::Error::custom(error.detail))
}

impl FromIterator<(String, AssetModifiers)> for AssetModifierIndex {
    fn from_iter<T: IntoIterator<Item = (String, AssetModifiers)>>(all: T) -> Self {
        Self(all.into_iter().filter(|(_, own)| own.has_content()).collect())
    }
}

impl AssetModifierIndex {
    /// Adds what is kept with an asset. Returns whether there is anything.
    pub fn insert(&mut self, name: String, own: AssetModifiers) -> bool {
        let has_content = own.has_content();
        if has_content {
            self.0.insert(name, own);
        }
        has_content
    }

    /// The asset that a modifier means by this name, if something is kept with it.
    pub(super) fn find_named(&self, name: &str, attributes: &Attributes) -> Option<ReferencedAsset<'_>> {
        attributes.list_asset_names(name).into_iter().find_map(|name| self.find(name))
    }

    /// The asset with this name, or the one before a colon with the crop after it.
    fn find(&self, name: &str) -> Option<ReferencedAsset<'_>> {
        let find = |name: &str| self.0.get_key_value(name);
        if let Some((name, modifiers)) = find(name) {
            return Some(ReferencedAsset { name, modifiers, crop: None });
        }
        let (stem, crop) = name.rsplit_once(':')?;
        let (name, modifiers) = find(stem)?;
        let crop = modifiers.settings.crops.get(crop)?;
        Some(ReferencedAsset { name, modifiers, crop: Some(crop) })
    }

    /// Whether a name ends with a crop that is kept with its asset, as in `shoe:Large`.
    pub fn has_crop(&self, name: &str) -> bool {
        self.find(name).is_some_and(|asset| asset.crop.is_some())
    }
}

impl<'a> ReferencedAsset<'a> {
    /// Adds the texts that apply before the request's.
    pub(super) fn add_before(&self, expansion: &mut Expansion<'a>) {
        let origin = Origin::NamedBefore(self.name.to_owned());
        expansion.add(&self.modifiers.before, &origin);
        expansion.add(self.crop.unwrap_or_default(), &origin);
    }

    /// The same for a layer above layer 0: its texts are commands of this layer.
    pub(super) fn add_before_layer(&self, expansion: &mut Expansion<'a>, layer: u32) {
        let origin = Origin::NamedBefore(self.name.to_owned());
        expansion.add_for_layer(&self.modifiers.before, &origin, layer);
        expansion.add_for_layer(self.crop.unwrap_or_default(), &origin, layer);
    }

    /// Adds the texts that apply after the request's.
    pub(super) fn add_after(&self, expansion: &mut Expansion<'a>) {
        expansion.add(&self.modifiers.after, &Origin::NamedAfter(self.name.to_owned()));
    }

    /// Whether the asset takes its image or mask from another asset, or has layers. Such an asset can only be used in
    /// a nested request; see [`reject_composed_asset`](super::surroundings::reject_composed_asset).
    pub(super) fn is_composed(&self, macros: &'a Macros, budget: &'a WorkBudget) -> bool {
        let mut expansion = Expansion::new(macros, budget);
        self.add_before(&mut expansion);
        self.add_after(&mut expansion);
        expansion.tokens.iter().any(|token| match grammar::parse_token(&token.raw) {
            ParsedToken::Command { name, value } => {
                let is_base = |value: &str| ["0", "comp"].iter().any(|base| value.trim().eq_ignore_ascii_case(base));
                ["src", "mask", "template"].iter().any(|known| known.eq_ignore_ascii_case(&name))
                    || (name.eq_ignore_ascii_case("layer") && !value.as_deref().is_some_and(is_base))
            }
            _ => false,
        })
    }
}
