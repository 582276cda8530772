//! Attributes: what holds where a modifier is silent. Documentation: c-attributes-reference.

use super::OutputFormat;
use super::colour::{self, Colour};
use super::complaint::Fault;
use super::recipe::{
    Composite, Compression, Fit, FitMode, Layer, Output, PixelType, Reading, Recipe, Request, ResMode, Sharpening,
    ThumbType, Thumbnail, View,
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
        }
    }
}

/// Names of the documented attributes that mean nothing to an export.
const MEANINGLESS: &[&str] = &[
    "iccprofilergb",
    "iccprofilegray",
    "iccprofilecmyk",
    "iccprofilesrcrgb",
    "iccprofilesrcgray",
    "iccprofilesrccmyk",
    "iccrenderintent",
    "iccblackpointcompensation",
    "iccdither",
    "defaultimage",
    "defaultimagemode",
    "errorimage",
    "errordetail",
    "watermark",
    "bfc",
    "applyeffectmask",
];

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
            known if MEANINGLESS.contains(&known) => {}
            _ => return Err(Fault::invalid(format!("There is no attribute {name}."))),
        }
        Ok(())
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

/// The attribute may also be one of the numbers of the attribute file.
fn res_mode(text: &str) -> Result<ResMode, Fault> {
    match text.trim() {
        "2" => Ok(ResMode::Bilin),
        "3" => Ok(ResMode::Bicub),
        "1" | "4" => Ok(ResMode::Sharp2),
        word => value::word(word, &RES_MODES),
    }
}
