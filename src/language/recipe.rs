//! What was asked for, with every default resolved. Needs no picture; numbers for one picture are the renderer's plan.

use serde::{Deserialize, Serialize};

use super::colour::Colour;
use super::format::OutputFormat;
use super::object::Object;
use super::path::Outline;
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

    /// The profiles that it needs the bytes of.
    pub fn profiles(&self) -> impl Iterator<Item = &ProfileName> {
        let ByType { gray, rgb, cmyk } = &self.colors.source;
        [&self.colors.output, gray, rgb, cmyk].into_iter().flatten()
    }

    /// One text for all modifiers that mean the same: what a recipe is known by.
    pub fn canonical(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// Layer 0: from the source picture to the composite. In the order of the documentation page r-layer-transforms.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Layer {
    /// Another asset in the place of the picture itself.
    pub source: Option<Object>,
    /// Where the picture is opaque.
    pub mask: Mask,
    /// Part of the source; outside it is transparent.
    pub crop: Option<Crop>,
    /// Names of embedded paths to whose bounds the source is cut.
    pub crop_paths: Vec<String>,
    /// Size of the layer.
    pub scale: Option<LayerScale>,
    /// Cuts of the segment `layer=0`.
    pub clip: Clip,
    /// `flip` of the segment `layer=0`.
    pub flip: Option<Flip>,
    /// Pixel operations of the segment `layer=0`.
    pub tone: Tone,
    /// Sharpening of the segment `layer=0`.
    pub sharpening: Sharpening,
    /// Opacity of the segment `layer=0`, 0 to 1.
    pub opacity: Option<f64>,
    /// Fill under the picture before it is rotated.
    pub color: Option<Colour>,
    /// Degrees clockwise, from 0 to below 360.
    pub rotate: f64,
    /// Where the corners go.
    pub perspective: Option<Perspective>,
    /// Rectangle grown or cut after rotation.
    pub extend: Option<Extend>,
    /// Fill under the layer after everything else.
    pub bg_color: Option<Colour>,
    /// It is there and takes its room, but nobody sees it.
    pub hidden: bool,
}

/// Where a picture is opaque. Documentation pages: r-mask, r-maskuse, r-op-growmask.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Mask {
    /// Another asset whose alpha, or brightness, it is; else the source's own alpha.
    pub object: Option<Object>,
    /// How it is used.
    pub usage: MaskUse,
    /// Pixels of the source by which it grows; below 0 it shrinks.
    pub grow: i32,
    /// Pixels of the layer by which it grows.
    pub grow_layer: i32,
}

/// `maskUse=`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum MaskUse {
    /// As it is.
    #[default]
    Norm,
    /// Turned round.
    Invert,
    /// Not at all.
    Off,
}

/// Cuts along outlines. Documentation pages: r-clippath, r-clipxpath.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Clip {
    /// Outside of it is transparent.
    pub inside: Option<Outline>,
    /// Outside of each of these embedded paths is transparent.
    pub inside_names: Vec<String>,
    /// Inside of it is transparent.
    pub outside: Option<Outline>,
    /// Inside of these embedded paths is transparent.
    pub outside_names: Vec<String>,
}

/// Where the corners of a layer go. Documentation page: r-perspective.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Perspective {
    /// Top left, top right, bottom right, bottom left.
    pub corners: [[f64; 2]; 4],
    /// Whether they are fractions of the layer; else pixels.
    pub fractions: bool,
    /// How colours are found.
    pub sampling: Sampling,
}

/// How colours are found when a picture is bent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Sampling {
    /// The nearest pixel: `R1`.
    Nearest,
    /// Between four pixels: `R2`.
    Linear,
    /// Several points of each pixel: `R3`; moved about by this many percent of their distance: `R3T`.
    Many(u8),
}

/// Which part of the source is used.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Crop {
    /// In pixels of the source.
    Pixels(Region),
    /// In fractions of the source: left, top, width, height.
    Fractions([f64; 4]),
}

/// A rectangle in pixels that may reach outside what it is laid on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Region {
    /// Left edge.
    pub x: i32,
    /// Top edge.
    pub y: i32,
    /// Width, above 0.
    pub w: u32,
    /// Height, above 0.
    pub h: u32,
}

/// How a layer's size is said. `size` beats `scale`, `scale` beats `res`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum LayerScale {
    /// The largest size of the same shape inside this box; 0 leaves a side free.
    Box(u32, u32),
    /// A plain factor.
    Factor(f64),
}

/// A mirroring.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Flip {
    /// Left and right change places.
    Lr,
    /// Top and bottom change places.
    Ud,
    /// Both.
    Lrud,
}

/// How far each edge moves outwards: left, top, right, bottom; negative cuts.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Extend {
    /// In pixels.
    Pixels([i32; 4]),
    /// In fractions of the rectangle.
    Fractions([f64; 4]),
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

/// Operations on pixels, in the order in which they are done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Tone {
    /// -100 to 100.
    pub brightness: i32,
    /// -100 to 100.
    pub contrast: i32,
    /// Red, green and blue, -100 to 100.
    pub balance: [i32; 3],
    /// Degrees, -180 to 180.
    pub hue: i32,
    /// -100 to 100.
    pub saturation: i32,
    /// All in one colour.
    pub colorize: Option<Colorize>,
    /// Each component turned round.
    pub invert: bool,
    /// Pixels by which bright areas grow; below 0 dark ones do.
    pub grow: i32,
    /// Radius in pixels, 0 to 100.
    pub blur: f64,
    /// Random differences.
    pub noise: Option<Noise>,
}

/// All in one colour; light and shadow stay. Documentation page: r-op-colorize.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Colorize {
    /// The colour of medium brightness.
    pub color: Colour,
    /// Whether brightness moves until half of the pixels are darker than medium.
    pub norm: bool,
    /// 0 to 100; 0 keeps the range of brightness.
    pub contrast: f64,
}

/// Random differences, the same each time. Documentation page: r-op-noise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Noise {
    /// Strength, 1 to 100.
    pub percent: i32,
    /// Small differences are more frequent than large ones.
    pub gaussian: bool,
    /// All components differ alike.
    pub mono: bool,
}

/// How the composite is shown: size, place and background. Documentation page: r-view-transform-for-images.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct View {
    /// Width asked for, in pixels.
    pub wid: Option<u32>,
    /// Height asked for, in pixels.
    pub hei: Option<u32>,
    /// How the composite fits into width and height.
    pub fit: Fit,
    /// Factor from `scl` (already inverted: 0.5 halves).
    pub scale: Option<f64>,
    /// Region of interest, in pixels of the composite.
    pub rgn: Option<Region>,
    /// Part of the finished view.
    #[serde(default)]
    pub rect: Option<Tile>,
    /// By how much width and height are multiplied, for dense screens.
    #[serde(default)]
    pub dpr: Option<f64>,
    /// What of the composite is shown.
    #[serde(default)]
    pub request: Request,
    /// Where the picture lies in the view, -1 to 1 from left and top to right and bottom.
    pub align: (f64, f64),
    /// Caps of the size when none is asked for; 0 is no cap.
    pub default_pix: (u32, u32),
    /// Largest view allowed; 0 is no limit.
    pub max_pix: (u32, u32),
    /// What shows where the picture does not; always opaque.
    pub background: Colour,
    /// The way of scaling.
    pub res_mode: ResMode,
    /// Sharpening after all scaling.
    pub sharpening: Sharpening,
}

/// `req=`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Request {
    /// The picture.
    #[default]
    Picture,
    /// Its alpha, as brightness.
    Mask,
    /// A small picture of one size for all. Documentation page: r-view-transform-for-thumbnails.
    Thumbnail(Thumbnail),
}

/// How thumbnails are made.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Thumbnail {
    /// Width and height where the modifier says none.
    pub pix: (u32, u32),
    /// How the picture meets them.
    pub kind: ThumbType,
    /// Where it lies, -1 to 1 from left and top to right and bottom.
    pub align: (f64, f64),
}

/// The attribute ThumbType.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ThumbType {
    /// The thumbnail is filled, the rest cut away.
    Crop,
    /// All of the picture, on background.
    Fit,
    /// The picture is not scaled.
    Texture,
}

/// A tile of the finished view. Documentation page: r-rect.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tile {
    /// The tile, in pixels of the scaled view.
    pub region: Region,
    /// What the view is scaled by before.
    pub scale: f64,
}

/// `fit=mode,upscale`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fit {
    /// The way of fitting.
    pub mode: FitMode,
    /// Whether a small picture is enlarged.
    pub upscale: bool,
}

/// The ways of fitting a picture into width and height. Documentation page: r-fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum FitMode {
    /// All of it, on background.
    Fit,
    /// All of it, no larger than the box, no background.
    Constrain,
    /// The box filled, the rest cut away.
    Crop,
    /// The box filled, nothing cut away.
    Wrap,
    /// The box filled, shape not kept.
    Stretch,
    /// The box's width filled.
    Hfit,
    /// The box's height filled.
    Vfit,
}

/// The ways of scaling. Documentation page: r-is-http-resmode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ResMode {
    /// Bilinear.
    Bilin,
    /// Bicubic.
    Bicub,
    /// A windowed sinc; the sharpest that does not ring much.
    Sharp2,
    /// A sharper bicubic.
    Bisharp,
}

/// Sharpening of one place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Sharpening {
    /// `op_sharpen=1`.
    pub simple: bool,
    /// `op_usm` or `op_usmR`.
    pub usm: Option<Usm>,
}

/// An unsharp mask. Documentation pages: r-op-usm, r-op-usmr.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Usm {
    /// Strength, 0 to 5.
    pub amount: f64,
    /// Radius in pixels, 0 to 250.
    pub radius: f64,
    /// Smallest difference that is sharpened, 0 to 255.
    pub threshold: f64,
    /// Only brightness is sharpened.
    pub mono: bool,
    /// The radius counts pixels of the full-resolution picture and shrinks with it.
    pub scaled: bool,
}

/// How colours are converted. Documentation page: r-color-management.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Colors {
    /// The output profile that the modifier or an attribute names.
    pub output: Option<ProfileName>,
    /// What a picture without a profile is taken to be in, by its components.
    pub source: ByType<Option<ProfileName>>,
    /// How colours that the output cannot have are brought into it.
    pub intent: Intent,
    /// The source's black becomes the output's.
    pub black_point: bool,
    /// Rounding to eight bits is spread over neighbours.
    pub dither: bool,
}

/// One thing for each kind of components.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ByType<T> {
    /// Of gray pictures.
    pub gray: T,
    /// Of RGB pictures.
    pub rgb: T,
    /// Of CMYK pictures.
    pub cmyk: T,
}

impl<T> ByType<T> {
    /// The one of these components.
    pub fn of(&self, pixel_type: PixelType) -> &T {
        match pixel_type {
            PixelType::Gray => &self.gray,
            PixelType::Rgb => &self.rgb,
            PixelType::Cmyk => &self.cmyk,
        }
    }
}

/// The rendering intents. Documentation page: r-icc.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Intent {
    /// What looks alike.
    Perceptual,
    /// The same colours, beside white.
    Relative,
    /// Colours that stay strong.
    Saturation,
    /// The same colours, white among them.
    Absolute,
}

/// How the picture is written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Output {
    /// The file's format.
    pub format: OutputFormat,
    /// Whether transparency is kept.
    pub alpha: bool,
    /// The components.
    pub pixel_type: PixelType,
    /// How the pixels are packed.
    pub compression: Compression,
    /// Progressive JPEG.
    pub progressive: bool,
    /// Quality where something is lost, 1 to 100.
    pub quality: u8,
    /// JPEG keeps colour at full resolution.
    pub full_chroma: bool,
    /// Most kilobytes of 1024 bytes that a JPEG may have; quality gives way.
    pub jpeg_size: Option<u64>,
    /// Passes of a progressive JPEG; `None` leaves them to the encoder.
    pub scans: Option<u8>,
    /// How colours become few; `None` where the format keeps them all.
    pub quantize: Option<Quantize>,
    /// The output profile is embedded.
    pub icc_embed: bool,
    /// The source's paths are embedded, where they are in the result.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub path_embed: bool,
    /// The source's XMP is embedded, where the format can carry it.
    pub xmp_embed: bool,
    /// Copyright, creator and credit are kept.
    pub keep_rights: bool,
    /// Dots per inch; `None` takes the source's.
    pub print_res: Option<f64>,
    /// Dots per inch where neither says them.
    pub default_print_res: f64,
}

/// The components of a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum PixelType {
    /// One component.
    Gray,
    /// Three components, or a palette of them.
    Rgb,
    /// Four inks.
    Cmyk,
}

impl PixelType {
    /// Its name in `fmt=`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gray => "gray",
            Self::Rgb => "rgb",
            Self::Cmyk => "cmyk",
        }
    }

    /// How many there are, without alpha.
    pub fn components(self) -> usize {
        match self {
            Self::Gray => 1,
            Self::Rgb => 3,
            Self::Cmyk => 4,
        }
    }
}

/// How pixels are packed, for formats with a choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Compression {
    /// The format's only way, or none.
    None,
    /// TIFF, LZW.
    Lzw,
    /// TIFF and PDF, deflate.
    Zip,
    /// TIFF and PDF with JPEG inside.
    Jpeg,
    /// WebP, AVIF and JPEG 2000 without loss.
    Lossless,
}

/// How a picture's colours become few. Documentation page: r-is-http-quantize.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Quantize {
    /// Where the colours come from.
    pub palette: Palette,
    /// Whether neighbours make up for what a pixel's colour lacks, after Floyd and Steinberg.
    pub diffuse: bool,
    /// Most colours, 2 to 256, those that are forced among them.
    pub colors: u16,
    /// Colours that the palette must have.
    pub forced: Vec<[u8; 3]>,
}

impl Default for Quantize {
    fn default() -> Self {
        Self { palette: Palette::Adaptive, diffuse: true, colors: 256, forced: Vec::new() }
    }
}

/// Where the colours of a palette come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Palette {
    /// From the picture.
    Adaptive,
    /// The 216 colours that have six levels a component.
    Web,
    /// The 256 colours of the Mac OS system palette.
    Mac,
}
