//! Attributes: what holds where a modifier is silent. Documentation: c-attributes-reference.

use super::OutputFormat;
use super::colour::{self, Colour};
use super::complaint::Fault;
use super::profile::{ProfileName, ProfileNames};
use super::recipe::{
    ByType, Colors, Composite, Compression, Fit, FitMode, Intent, Layer, Output, PixelType, Reading, Recipe, Request,
    ResMode, Sharpening, ThumbType, Thumbnail, View,
};
use super::value;

/// Defaults that the modifier language takes from outside. [`Attributes::default`] is this service's own choice.
#[derive(Clone, Debug, PartialEq)]
pub struct Attributes {
    /// `DefaultPix`: caps of the size when none is asked for; 0 is no cap.
    pub default_pix: (u32, u32),
    /// `MaxPix`: largest view allowed; 0 is no limit.
    pub max_pix: (u32, u32),
    /// `BkgColor`: background of views.
    pub bkg_color: Colour,
    /// `JpegQuality`: quality 1 to 100, and whether colour keeps its full resolution.
    pub jpeg_quality: (u8, bool),
    /// `ResMode`: the way of scaling.
    pub res_mode: ResMode,
    /// `Resolution`: what `res=` is measured against.
    pub resolution: f64,
    /// `PrintResolution`: dots per inch where neither modifier nor source says them.
    pub print_resolution: f64,
    /// `DefaultThumbPix`, `ThumbType`, `ThumbHorizAlign` and `ThumbVertAlign`: how `req=tmb` makes thumbnails.
    pub thumbnail: Thumbnail,
    /// `ThumbBkgColor`: background of thumbnails; BkgColor where there is none.
    pub thumb_bkg_color: Option<Colour>,
    /// The profiles that there are.
    pub profiles: ProfileNames,
    /// `IccProfileGray`, `IccProfileRgb`, `IccProfileCmyk`: output profiles where `icc=` names none.
    pub icc_profile: ByType<Option<ProfileName>>,
    /// `IccProfileSrcGray`, `IccProfileSrcRgb`, `IccProfileSrcCmyk`: what pictures without a profile are taken for;
    /// without them the output profiles.
    pub icc_profile_src: ByType<Option<ProfileName>>,
    /// `IccRenderIntent`.
    pub icc_render_intent: Intent,
    /// `IccBlackPointCompensation`.
    pub icc_black_point_compensation: bool,
    /// `IccDither`.
    pub icc_dither: bool,
    /// Ours: copyright, creator and credit are kept.
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
            thumb_bkg_color: None,
            profiles: ProfileNames::default(),
            icc_profile: ByType::default(),
            icc_profile_src: ByType::default(),
            icc_render_intent: Intent::Relative,
            icc_black_point_compensation: true,
            icc_dither: false,
            keep_rights: true,
        }
    }
}

/// Names of the documented attributes that mean nothing to an export.
const MEANINGLESS: &[&str] =
    &["defaultimage", "defaultimagemode", "errorimage", "errordetail", "watermark", "bfc", "applyeffectmask"];

impl Attributes {
    /// Sets one attribute from its name, in any case, and its text. Documented attributes without meaning here are
    /// accepted.
    ///
    /// # Errors
    /// The name is not documented, or the value cannot be used.
    pub fn set(&mut self, name: &str, text: &str) -> Result<(), Fault> {
        match name.to_ascii_lowercase().as_str() {
            "defaultpix" => self.default_pix = pair(text)?,
            "maxpix" => self.max_pix = pair(text)?,
            "bkgcolor" => self.bkg_color = colour::read(text)?.opaque(),
            "jpegquality" => self.jpeg_quality = quality(text)?,
            "resmode" => self.res_mode = res_mode(text)?,
            "resolution" => self.resolution = value::real(text, f64::MIN_POSITIVE.., "above 0")?,
            "printresolution" => self.print_resolution = value::real(text, f64::MIN_POSITIVE.., "above 0")?,
            "defaultthumbpix" => self.thumbnail.pix = pair(text)?,
            "thumbtype" => self.thumbnail.kind = value::word(text, &THUMB_TYPES)?,
            "thumbbkgcolor" => self.thumb_bkg_color = Some(colour::read(text)?.opaque()),
            "thumbhorizalign" => self.thumbnail.align.0 = value::word(text, &SIDES)?,
            "thumbvertalign" => self.thumbnail.align.1 = value::word(text, &SIDES)?,
            "iccprofilegray" => self.icc_profile.gray = self.profile(text, PixelType::Gray)?,
            "iccprofilergb" => self.icc_profile.rgb = self.profile(text, PixelType::Rgb)?,
            "iccprofilecmyk" => self.icc_profile.cmyk = self.profile(text, PixelType::Cmyk)?,
            "iccprofilesrcgray" => self.icc_profile_src.gray = self.profile(text, PixelType::Gray)?,
            "iccprofilesrcrgb" => self.icc_profile_src.rgb = self.profile(text, PixelType::Rgb)?,
            "iccprofilesrccmyk" => self.icc_profile_src.cmyk = self.profile(text, PixelType::Cmyk)?,
            "iccrenderintent" => self.icc_render_intent = intent(text)?,
            "iccblackpointcompensation" => self.icc_black_point_compensation = value::flag(text)?,
            "iccdither" => self.icc_dither = value::flag(text)?,
            known if MEANINGLESS.contains(&known) => {}
            _ => return Err(Fault::invalid(format!("There is no attribute {name}."))),
        }
        Ok(())
    }

    /// Sets attributes from `Name=value;Name=value`.
    ///
    /// # Errors
    /// The first that cannot be used, by name.
    pub fn set_all(&mut self, text: &str) -> Result<(), Fault> {
        for part in text.split(';').filter(|part| !part.trim().is_empty()) {
            let (name, value) =
                part.split_once('=').ok_or_else(|| Fault::invalid(format!("`{}` is not Name=value.", part.trim())))?;
            let named = |fault: Fault| Fault { detail: format!("{}: {}", name.trim(), fault.detail), ..fault };
            self.set(name.trim(), value).map_err(named)?;
        }
        Ok(())
    }

    /// A profile of these components; an empty name is none.
    fn profile(&self, name: &str, pixel_type: PixelType) -> Result<Option<ProfileName>, Fault> {
        if name.trim().is_empty() {
            return Ok(None);
        }
        let profile = self.profiles.find(name)?;
        if profile.pixel_type != pixel_type {
            return Err(Fault::invalid(format!(
                "The profile {} is one of {}.",
                profile.name,
                profile.pixel_type.name()
            )));
        }
        Ok(Some(profile))
    }

    /// What a picture of these components is taken for when it has no profile.
    fn source(&self, pixel_type: PixelType) -> Option<ProfileName> {
        self.icc_profile_src.of(pixel_type).as_ref().or(self.icc_profile.of(pixel_type).as_ref()).cloned()
    }

    /// The recipe of an empty modifier.
    pub(super) fn recipe(&self) -> Recipe {
        let (quality, full_chroma) = self.jpeg_quality;
        Recipe {
            reading: Reading::default(),
            layer: Layer::default(),
            composite: Composite::default(),
            view: View {
                wid: None,
                hei: None,
                fit: Fit { mode: FitMode::Fit, upscale: false },
                scale: None,
                rgn: None,
                rect: None,
                dpr: None,
                request: Request::Picture,
                align: (0.0, 0.0),
                default_pix: self.default_pix,
                max_pix: self.max_pix,
                background: self.bkg_color.opaque(),
                res_mode: self.res_mode,
                sharpening: Sharpening::default(),
            },
            colors: Colors {
                output: None,
                source: ByType {
                    gray: self.source(PixelType::Gray),
                    rgb: self.source(PixelType::Rgb),
                    cmyk: self.source(PixelType::Cmyk),
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
                quantize: None,
                icc_embed: false,
                path_embed: false,
                xmp_embed: false,
                keep_rights: self.keep_rights,
                print_res: None,
                default_print_res: self.print_resolution,
            },
        }
    }
}

/// Numbers of the attribute file, and what they stand for.
const THUMB_TYPES: [(&str, ThumbType); 6] = [
    ("1", ThumbType::Crop),
    ("2", ThumbType::Fit),
    ("3", ThumbType::Texture),
    ("crop", ThumbType::Crop),
    ("fit", ThumbType::Fit),
    ("texture", ThumbType::Texture),
];

/// Left or top, centre, right or bottom.
const SIDES: [(&str, f64); 3] = [("1", -1.0), ("2", 0.0), ("3", 1.0)];

fn pair(text: &str) -> Result<(u32, u32), Fault> {
    let [w, h] = value::exactly(text, "width,height")?;
    Ok((value::pixels_or_none(w)?, value::pixels_or_none(h)?))
}

/// `q[,chroma]`, as in `qlt=` and the attribute JpegQuality.
pub(super) fn quality(text: &str) -> Result<(u8, bool), Fault> {
    let parts = value::parts(text);
    if parts.len() > 2 {
        return Err(Fault::invalid("There are more than two parts."));
    }
    let quality = value::whole(parts[0], 1..=100, "between 1 and 100")? as u8;
    Ok((quality, parts.get(1).map_or(Ok(false), |chroma| value::flag(chroma))?))
}

/// The words of `resMode=`; `sharp` is the old name of `sharp2`.
pub(super) const RES_MODES: [(&str, ResMode); 5] = [
    ("bilin", ResMode::Bilin),
    ("bicub", ResMode::Bicub),
    ("sharp2", ResMode::Sharp2),
    ("bisharp", ResMode::Bisharp),
    ("sharp", ResMode::Sharp2),
];

/// The words of intents.
pub(super) const INTENTS: [(&str, Intent); 4] = [
    ("perceptual", Intent::Perceptual),
    ("relative", Intent::Relative),
    ("saturation", Intent::Saturation),
    ("absolute", Intent::Absolute),
];

/// The attribute may also be one of the numbers of the attribute file.
fn intent(text: &str) -> Result<Intent, Fault> {
    match text.trim() {
        "0" => Ok(Intent::Perceptual),
        "1" => Ok(Intent::Relative),
        "2" => Ok(Intent::Saturation),
        "3" => Ok(Intent::Absolute),
        word => value::word(word, &INTENTS),
    }
}

/// The attribute may also be one of the numbers of the attribute file.
fn res_mode(text: &str) -> Result<ResMode, Fault> {
    match text.trim() {
        "2" => Ok(ResMode::Bilin),
        "3" => Ok(ResMode::Bicub),
        "1" | "4" => Ok(ResMode::Sharp2),
        word => value::word(word, &RES_MODES),
    }
}
