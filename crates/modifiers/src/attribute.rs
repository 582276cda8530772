//! Default Image Serving attributes: the values that apply where a modifier sets none. Documentation:
//! c-attributes-reference.

use std::collections::BTreeMap;

use super::OutputFormat;
use super::asset_reference;
use super::colour::{self, Colour};
use super::diagnostic::ValueError;
use super::profile::{ProfileCatalog, ProfileName};
use super::recipe::{
    ColorManagement, Composite, Compression, DecodeOptions, Fit, FitMode, Intent, JpegEffort, Layer, Output,
    PerPixelType, PixelType, Recipe, RequestKind, ResMode, ResampleSpace, Sharpening, ThumbType, Thumbnail, View,
};
use super::value;

/// Defaults that the operator can set. [`Attributes::default`] is what this service uses without settings.
#[derive(Clone, Debug, PartialEq)]
pub struct Attributes {
    /// `DefaultPix`: largest width and height in pixels when the modifier asks for no size; 0 is no limit.
    pub default_pix: (u32, u32),
    /// `MaxPix`: largest width and height of a view in pixels; 0 is no limit.
    pub max_pix: (u32, u32),
    /// `BkgColor`: background of views.
    pub bkg_color: Colour,
    /// `JpegQuality`: quality 1 to 100, and whether colour keeps its full resolution.
    pub jpeg_quality: (u8, bool),
    /// `ResMode`: resampling method.
    pub res_mode: ResMode,
    /// `Resolution`: resolution that `res=` assumes for images without one.
    pub resolution: f64,
    /// `PrintResolution`: dots per inch when neither modifier nor source has any.
    pub print_resolution: f64,
    /// `DefaultThumbPix`, `ThumbType`, `ThumbHorizAlign` and `ThumbVertAlign`: how `req=tmb` makes thumbnails.
    pub thumbnail: Thumbnail,
    /// `ThumbRes`: resolution that thumbnails of type texture are scaled to; `None` keeps the size of the image.
    pub thumb_res: Option<f64>,
    /// `ThumbBkgColor`: background of thumbnails; `None` uses BkgColor.
    pub thumb_bkg_color: Option<Colour>,
    pub profiles: ProfileCatalog,
    /// `IccProfileGray`, `IccProfileRgb`, `IccProfileCmyk`: output profiles when `icc=` names none.
    pub icc_profile: PerPixelType<Option<ProfileName>>,
    /// `IccProfileSrcGray`, `IccProfileSrcRgb`, `IccProfileSrcCmyk`: profiles assumed for images without one; `None`
    /// assumes the output profile.
    pub icc_profile_src: PerPixelType<Option<ProfileName>>,
    /// `IccRenderIntent`.
    pub icc_render_intent: Intent,
    /// `IccBlackPointCompensation`.
    pub icc_black_point_compensation: bool,
    /// `IccDither`.
    pub icc_dither: bool,
    /// `ApplyEffectMask`: outer effects are left out where the layer is opaque.
    pub apply_effect_mask: bool,
    /// `Watermark`: the asset that is laid over images; `None` lays none.
    pub watermark: Option<String>,
    /// `RootId`: names in front of assets that mean the company itself, as in `Acme/shoe`.
    pub root_ids: Vec<String>,
    /// `JpegEffort`, not an Image Serving attribute: how much work is put into making JPEGs small.
    pub jpeg_effort: JpegEffort,
    /// `ResampleSpace`, not an Image Serving attribute: in which values images are made smaller.
    pub resample_space: ResampleSpace,
    /// Not an Image Serving attribute: the rights of the source are kept.
    pub keep_rights: bool,
}

impl Default for Attributes {
    fn default() -> Self {
        Self {
            default_pix: (0, 0),
            max_pix: (0, 0),
            bkg_color: Colour::WHITE,
            jpeg_quality: (80, false),
            res_mode: ResMode::Sharp2,
            resolution: 1.0,
            print_resolution: 72.0,
            thumbnail: Thumbnail { pix: (100, 100), kind: ThumbType::Fit, align: (0.0, 0.0) },
            thumb_res: None,
            thumb_bkg_color: None,
            profiles: ProfileCatalog::default(),
            icc_profile: PerPixelType::default(),
            icc_profile_src: PerPixelType::default(),
            icc_render_intent: Intent::Relative,
            icc_black_point_compensation: true,
            icc_dither: false,
            apply_effect_mask: true,
            watermark: None,
            root_ids: Vec::new(),
            jpeg_effort: JpegEffort::Fast,
            resample_space: ResampleSpace::Display,
            keep_rights: true,
        }
    }
}

/// An attribute that Image Serving does not have.
pub struct OwnAttribute {
    pub name: &'static str,
    /// Its values, the default first.
    pub values: &'static [&'static str],
    /// What it does and costs.
    pub help: &'static str,
}

/// The attributes that only this service has, for docs/MODIFIERS.md.
pub const OWN_ATTRIBUTES: [OwnAttribute; 2] = [
    OwnAttribute {
        name: "JpegEffort",
        values: &["fast", "small"],
        help: "How JPEG files are encoded. With small they are progressive, whether fmt says pjpeg or jpeg, and \
               coefficients are chosen for few bytes: at quality 80 an eighth fewer bytes, or 7 % at equal similarity, \
               for six times the time of encoding. Does not apply to pscan, nor to JPEG inside TIFF and PDF.",
    },
    OwnAttribute {
        name: "ResampleSpace",
        values: &["display", "linear"],
        help: "In which values gray and RGB images are averaged where they become smaller. display is what Image \
               Serving does. With linear, light itself is averaged, with 16 bits and the curve of sRGB: stripes, grids \
               and other fine bright detail keep their brightness. JPEG and WebP are then decoded at full size, which \
               takes three to four times as long for small images of large ones.",
    },
];

/// Documented attributes that have no effect in an export.
const IGNORED_ATTRIBUTES: &[&str] = &["defaultimage", "defaultimagemode", "errorimage", "errordetail", "bfc"];

impl Attributes {
    /// Sets one attribute by its name (case-insensitive). Documented attributes without effect here are accepted.
    ///
    /// # Errors
    /// Unknown name, or a value that cannot be used.
    pub fn set(&mut self, name: &str, text: &str) -> Result<(), ValueError> {
        match name.to_ascii_lowercase().as_str() {
            "defaultpix" => self.default_pix = parse_size(text)?,
            "maxpix" => self.max_pix = parse_size(text)?,
            "bkgcolor" => self.bkg_color = colour::parse_colour(text)?.to_opaque(),
            "jpegquality" => self.jpeg_quality = parse_quality(text)?,
            "resmode" => self.res_mode = parse_res_mode(text)?,
            "resolution" => self.resolution = value::parse_real(text, f64::MIN_POSITIVE.., "above 0")?,
            "printresolution" => self.print_resolution = value::parse_real(text, f64::MIN_POSITIVE.., "above 0")?,
            "defaultthumbpix" => self.thumbnail.pix = parse_size(text)?,
            "thumbtype" => self.thumbnail.kind = parse_thumb_type(text)?,
            "thumbres" => self.thumb_res = Some(value::parse_real(text, f64::MIN_POSITIVE.., "above 0")?),
            "thumbbkgcolor" => self.thumb_bkg_color = Some(colour::parse_colour(text)?.to_opaque()),
            "thumbhorizalign" => self.thumbnail.align.0 = value::parse_keyword(text, &ALIGN_NUMBERS)?,
            "thumbvertalign" => self.thumbnail.align.1 = value::parse_keyword(text, &ALIGN_NUMBERS)?,
            "iccprofilegray" => self.icc_profile.gray = self.find_profile(text, PixelType::Gray)?,
            "iccprofilergb" => self.icc_profile.rgb = self.find_profile(text, PixelType::Rgb)?,
            "iccprofilecmyk" => self.icc_profile.cmyk = self.find_profile(text, PixelType::Cmyk)?,
            "iccprofilesrcgray" => self.icc_profile_src.gray = self.find_profile(text, PixelType::Gray)?,
            "iccprofilesrcrgb" => self.icc_profile_src.rgb = self.find_profile(text, PixelType::Rgb)?,
            "iccprofilesrccmyk" => self.icc_profile_src.cmyk = self.find_profile(text, PixelType::Cmyk)?,
            "iccrenderintent" => self.icc_render_intent = parse_intent(text)?,
            "iccblackpointcompensation" => self.icc_black_point_compensation = value::parse_flag(text)?,
            "iccdither" => self.icc_dither = value::parse_flag(text)?,
            "applyeffectmask" => self.apply_effect_mask = value::parse_flag(text)?,
            "watermark" => self.watermark = parse_watermark(text)?,
            "rootid" => self.root_ids = parse_root_ids(text)?,
            "jpegeffort" => self.jpeg_effort = value::parse_keyword(text, &JPEG_EFFORTS)?,
            "resamplespace" => self.resample_space = value::parse_keyword(text, &RESAMPLE_SPACES)?,
            known if IGNORED_ATTRIBUTES.contains(&known) => {}
            _ => return Err(ValueError::invalid(format!("Unknown attribute `{name}`."))),
        }
        Ok(())
    }

    /// Sets attributes from `Name=value;Name=value`.
    ///
    /// # Errors
    /// The first attribute that cannot be used; the sentence begins with its name.
    pub fn set_all(&mut self, text: &str) -> Result<(), ValueError> {
        for part in text.split(';').filter(|part| !part.trim().is_empty()) {
            let (name, value) = part
                .split_once('=')
                .ok_or_else(|| ValueError::invalid(format!("`{}` is not Name=value.", part.trim())))?;
            let add_name =
                |error: ValueError| ValueError { detail: format!("{}: {}", name.trim(), error.detail), ..error };
            self.set(name.trim(), value).map_err(add_name)?;
        }
        Ok(())
    }

    /// The names under which an asset may be found, the first that exists is meant: the whole name, and the name without
    /// the root id of the company. Documentation page: r-object.
    pub fn list_asset_names<'n>(&self, name: &'n str) -> Vec<&'n str> {
        let without_root = name.split_once('/').filter(|(root, _)| self.root_ids.iter().any(|known| known == root));
        std::iter::once(name).chain(without_root.map(|(_, rest)| rest)).collect()
    }

    /// Finds a profile for these components; an empty name means none.
    fn find_profile(&self, name: &str, pixel_type: PixelType) -> Result<Option<ProfileName>, ValueError> {
        if name.trim().is_empty() {
            return Ok(None);
        }
        let profile = self.profiles.find(name)?;
        if profile.pixel_type != pixel_type {
            return Err(ValueError::invalid(format!(
                "Profile `{}` is for {}, not for {}.",
                profile.name,
                profile.pixel_type.name(),
                pixel_type.name()
            )));
        }
        Ok(Some(profile))
    }

    /// The profile assumed for images of these components without one.
    fn source_profile(&self, pixel_type: PixelType) -> Option<ProfileName> {
        self.icc_profile_src.get(pixel_type).as_ref().or(self.icc_profile.get(pixel_type).as_ref()).cloned()
    }

    /// The recipe of an empty modifier: every default that commands may override.
    pub(super) fn default_recipe(&self) -> Recipe {
        let (quality, full_chroma) = self.jpeg_quality;
        Recipe {
            reading: DecodeOptions::default(),
            layer: Layer::default(),
            layers: BTreeMap::new(),
            composite: Composite { effects_unmasked: !self.apply_effect_mask, ..Composite::default() },
            view: View {
                wid: None,
                hei: None,
                fit: Fit { mode: FitMode::Fit, upscale: false },
                scale: None,
                rgn: None,
                rect: None,
                dpr: None,
                request: RequestKind::Picture,
                align: (0.0, 0.0),
                default_pix: self.default_pix,
                max_pix: self.max_pix,
                background: self.bkg_color.to_opaque(),
                res_mode: self.res_mode,
                trim: None,
                pad: None,
                resample_space: self.resample_space,
                sharpening: Sharpening::default(),
            },
            colors: ColorManagement {
                output: None,
                source: PerPixelType {
                    gray: self.source_profile(PixelType::Gray),
                    rgb: self.source_profile(PixelType::Rgb),
                    cmyk: self.source_profile(PixelType::Cmyk),
                },
                intent: self.icc_render_intent,
                black_point: self.icc_black_point_compensation,
                dither: self.icc_dither,
            },
            output: Output {
                format: OutputFormat::Jpeg,
                alpha: false,
                pixel_type: PixelType::Rgb,
                compression: Compression::None,
                progressive: false,
                quality,
                full_chroma,
                jpeg_size: None,
                scans: None,
                jpeg_effort: self.jpeg_effort,
                quantize: None,
                icc_embed: false,
                path_embed: false,
                xmp_embed: false,
                keep_rights: self.keep_rights,
                print_res: None,
                default_print_res: self.print_resolution,
            },
            watermark: None,
            template: None,
        }
    }
}

/// An asset; an empty value is none.
fn parse_watermark(text: &str) -> Result<Option<String>, ValueError> {
    if text.trim().is_empty() { Ok(None) } else { asset_reference::parse_asset_name(text).map(Some) }
}

/// Root ids between commas.
fn parse_root_ids(text: &str) -> Result<Vec<String>, ValueError> {
    let ids = text.split(',').map(|id| id.trim().trim_matches('/')).filter(|id| !id.is_empty());
    ids.map(|id| match id.contains(['/', '\\', '?', '&', '=']) {
        true => Err(ValueError::invalid(format!("`{id}` is not a root id; write only the company's name."))),
        false => Ok(id.to_owned()),
    })
    .collect()
}

/// The value of the attribute ThumbType.
pub(super) fn parse_thumb_type(text: &str) -> Result<ThumbType, ValueError> {
    value::parse_keyword(text, &THUMB_TYPES)
}

/// Words of the attribute ThumbType, and the numbers that stand for them in the attribute file.
const THUMB_TYPES: [(&str, ThumbType); 6] = [
    ("1", ThumbType::Crop),
    ("2", ThumbType::Fit),
    ("3", ThumbType::Texture),
    ("crop", ThumbType::Crop),
    ("fit", ThumbType::Fit),
    ("texture", ThumbType::Texture),
];

/// Words of the attribute JpegEffort.
const JPEG_EFFORTS: [(&str, JpegEffort); 2] = [("fast", JpegEffort::Fast), ("small", JpegEffort::Small)];

/// Words of the attribute ResampleSpace.
const RESAMPLE_SPACES: [(&str, ResampleSpace); 2] =
    [("display", ResampleSpace::Display), ("linear", ResampleSpace::Linear)];

/// Numbers in the attribute file: left or top, centre, right or bottom.
const ALIGN_NUMBERS: [(&str, f64); 3] = [("1", -1.0), ("2", 0.0), ("3", 1.0)];

fn parse_size(text: &str) -> Result<(u32, u32), ValueError> {
    let [w, h] = value::split_exactly(text, "width,height")?;
    Ok((value::parse_pixels_or_zero(w)?, value::parse_pixels_or_zero(h)?))
}

/// `q[,chroma]`, as in `qlt=` and the attribute JpegQuality.
pub(super) fn parse_quality(text: &str) -> Result<(u8, bool), ValueError> {
    let parts = value::split_parts(text);
    if parts.len() > 2 {
        return Err(ValueError::invalid("The value has more than two parts."));
    }
    let quality = value::parse_integer(parts[0], 1..=100, "between 1 and 100")? as u8;
    Ok((quality, parts.get(1).map_or(Ok(false), |chroma| value::parse_flag(chroma))?))
}

/// Keywords of rendering intents.
pub(super) const INTENTS: [(&str, Intent); 4] = [
    ("perceptual", Intent::Perceptual),
    ("relative", Intent::Relative),
    ("saturation", Intent::Saturation),
    ("absolute", Intent::Absolute),
];

/// A keyword, or a number as in the attribute file.
fn parse_intent(text: &str) -> Result<Intent, ValueError> {
    match text.trim() {
        "0" => Ok(Intent::Perceptual),
        "1" => Ok(Intent::Relative),
        "2" => Ok(Intent::Saturation),
        "3" => Ok(Intent::Absolute),
        word => value::parse_keyword(word, &INTENTS),
    }
}

/// A keyword, or a number as in the attribute file; requests contain both. `sharp` is the old name of `sharp2`. Requests
/// also name trilinear and the number 0; the closest method is bilinear.
pub(super) fn parse_res_mode(text: &str) -> Result<ResMode, ValueError> {
    let words = [
        ("bilin", ResMode::Bilin),
        ("bicub", ResMode::Bicub),
        ("sharp2", ResMode::Sharp2),
        ("bisharp", ResMode::Bisharp),
    ];
    match text.trim().to_ascii_lowercase().as_str() {
        "0" | "2" | "trilin" => Ok(ResMode::Bilin),
        "3" => Ok(ResMode::Bicub),
        "1" | "4" | "sharp" => Ok(ResMode::Sharp2),
        word => value::parse_keyword(word, &words),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn own_attributes_take_their_values_and_no_others() {
        for OwnAttribute { name, values, .. } in OWN_ATTRIBUTES {
            let recipes: Vec<Recipe> = values
                .iter()
                .map(|value| {
                    let mut attributes = Attributes::default();
                    attributes.set(name, value).unwrap();
                    attributes.default_recipe()
                })
                .collect();
            assert_eq!(recipes[0], Attributes::default().default_recipe(), "{name}");
            assert_ne!(recipes[0], recipes[1], "{name}");
            let error = Attributes::default().set_all(&format!("{name}=best")).unwrap_err();
            assert!(error.detail.starts_with(name) && error.detail.contains(values[1]), "{error:?}");
        }
    }

    #[test]
    fn recipes_without_own_attributes_are_what_they_were() {
        let text = serde_json::to_string(&Attributes::default().default_recipe()).unwrap();
        assert!(!text.contains("jpegEffort") && !text.contains("resampleSpace"), "{text}");
    }
}
