//! Recipe and header to numbers: sizes, rectangles, the decoder's shrink, the list of steps, the cost. No pixels.

use serde::Serialize;

use super::colour::{Profile, ProfileBytes};
use super::failure::{Failure, Warning};
use super::files::Headers;
use super::header::{EmbeddedPath, Header, SourceFormat};
use super::limits::Limits;
use super::planner::{Desk, Planner, Source};
use super::step::Step;
use offprint_core::Code;
use offprint_modifiers::{Compression, MaskUse, Output, OutputFormat, PixelType, Quantize, Reading, Recipe, Request};

/// What is done to one picture.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// How the source is decoded.
    pub decode: Decode,
    /// What is done to its pixels, in order.
    pub steps: Vec<Step>,
    /// How the result is written.
    pub encode: Encode,
    /// Width of the result.
    pub width: u32,
    /// Height of the result.
    pub height: u32,
    /// What to know about the result.
    pub warnings: Vec<Warning>,
    /// Most bytes held at once, about.
    pub peak_bytes: u64,
}

/// How the source is decoded.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Decode {
    /// Another asset whose file it is, by its pin; else the source's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object: Option<String>,
    /// The kind of file.
    pub format: SourceFormat,
    /// The decoder makes sides this many times smaller: 1, 2, 4 or 8.
    pub shrink: u8,
    /// Width of the decoded picture as it is stored; the steps make it upright.
    pub width: u32,
    /// Height of the decoded picture.
    pub height: u32,
    /// Its components.
    pub color: PixelType,
    /// Bits of a component, once decoded: 8 or 16.
    pub bits: u8,
    /// Whether it has alpha.
    pub alpha: bool,
    /// Whether its colours come multiplied by alpha.
    pub premultiplied: bool,
    /// Whether its inks come the other way round.
    pub inverted: bool,
    /// Whether a damaged picture is rendered as far as it decodes.
    pub accepts_damage: bool,
    /// No file, but what is made of one first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inner: Option<Box<Inner>>,
}

/// What a request inside of the request makes of a file.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Inner {
    /// How the file is decoded.
    pub decode: Decode,
    /// What is done to its pixels, in order.
    pub steps: Vec<Step>,
    /// Most bytes held at once meanwhile, about.
    pub peak_bytes: u64,
}

impl Decode {
    /// How a picture of this header is decoded, its sides so many times smaller.
    pub(super) fn of(header: &Header, shrink: u8, object: Option<&str>, reading: Reading) -> Self {
        let by = u32::from(shrink);
        Self {
            object: object.map(str::to_owned),
            format: header.format,
            shrink,
            width: header.width.div_ceil(by),
            height: header.height.div_ceil(by),
            color: header.color,
            bits: depth(header),
            alpha: header.alpha,
            premultiplied: header.premultiplied,
            inverted: header.inverted,
            accepts_damage: reading.accepts_damage,
            inner: None,
        }
    }

    /// Components of a pixel, alpha among them.
    pub(super) fn channels(&self) -> usize {
        self.color.components() + usize::from(self.alpha)
    }
}

/// How the result is written.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Encode {
    /// The format.
    pub format: OutputFormat,
    /// Whether it keeps alpha.
    pub alpha: bool,
    /// The components.
    pub pixel_type: PixelType,
    /// How pixels are packed.
    pub compression: Compression,
    /// Progressive JPEG.
    pub progressive: bool,
    /// Quality where something is lost.
    pub quality: u8,
    /// JPEG keeps colour at full resolution.
    pub full_chroma: bool,
    /// Most kilobytes of a JPEG.
    pub jpeg_size: Option<u64>,
    /// Passes of a progressive JPEG.
    pub scans: Option<u8>,
    /// How colours become few.
    pub quantize: Option<Quantize>,
    /// Dots per inch.
    pub dpi: f64,
    /// The profile that is embedded.
    pub profile: Option<Profile>,
    /// The XMP that is embedded: the source's own, or a small one that keeps the rights.
    #[serde(skip)]
    pub xmp: Option<Vec<u8>>,
    /// Paths that are embedded, in fractions of the result.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<EmbeddedPath>,
}

/// Bits of a component once decoded.
pub(super) fn depth(header: &Header) -> u8 {
    if header.bits > 8 { 16 } else { 8 }
}

impl Plan {
    /// Plans a picture.
    ///
    /// # Errors
    /// `source-too-large`, `output-too-large` with limit and actual size; `invalid-modifier` when a command leaves nothing
    /// of this picture; `source-missing` when `others` lacks one that the recipe names, `profile-missing` when the
    /// profiles do.
    pub fn of(
        recipe: &Recipe,
        own: &Header,
        others: &Headers,
        limits: &Limits,
        profiles: &ProfileBytes,
    ) -> Result<Self, Failure> {
        let desk = Desk { others, limits, profiles };
        let source = Source::of(recipe.layer.source.as_ref(), own, recipe, desk)?;
        let (header, colors) = (source.header.as_ref(), &source.colors);
        let mut warnings = colors.warnings.clone();
        let mut planner = Planner::new(header, recipe, limits, colors);
        planner.follow(recipe, header, desk)?;
        planner.output();
        let size = planner.size;
        limits.check_output(size)?;
        let keeps_alpha = recipe.output.alpha || recipe.view.request == Request::Mask;
        if header.alpha && recipe.layer.mask.usage != MaskUse::Off && !keeps_alpha {
            let detail = "Transparency was laid on the background, because the output format keeps none.";
            warnings.push(Warning::new(Code::AlphaFlattened, detail));
        }
        let output = &recipe.output;
        let paths = if output.path_embed { planner.paths(header) } else { Vec::new() };
        let (decode, steps) = planner.decoded(&source, recipe.reading);
        Ok(Self {
            peak_bytes: peak_bytes(header, &decode, &steps, size).max(encoding_bytes(output, size)),
            decode,
            steps,
            encode: Encode {
                format: output.format,
                alpha: output.alpha,
                pixel_type: output.pixel_type,
                compression: output.compression,
                progressive: output.progressive,
                quality: output.quality,
                full_chroma: output.full_chroma,
                jpeg_size: output.jpeg_size,
                scans: output.scans,
                quantize: output.quantize.clone(),
                dpi: output.print_res.or(header.dpi).unwrap_or(output.default_print_res),
                paths,
                xmp: xmp(output, header, &mut warnings),
                profile: colors.output.clone().filter(|_| output.icc_embed && output.format.carries_profile()),
            },
            width: size.0,
            height: size.1,
            warnings,
        })
    }
}

/// What is known of a picture's rights is kept, unless the job does not want it; everything else that a source says of
/// itself is dropped, GPS above all, unless its XMP is asked for. Documentation page: r-xmpembed.
fn xmp(output: &Output, header: &Header, warnings: &mut Vec<Warning>) -> Option<Vec<u8>> {
    let whole = header.xmp.as_ref().filter(|_| output.xmp_embed && output.format.carries_xmp());
    let rights = || header.rights.xmp().filter(|_| output.keep_rights);
    match whole {
        // A JPEG's segment has no room for more.
        Some(xmp) if output.format == OutputFormat::Jpeg && xmp.len() > 65_000 => {
            let detail = format!("The XMP has {} bytes and does not fit into a JPEG; it was left away.", xmp.len());
            warnings.push(Warning::new(Code::MetadataDropped, detail));
            rights()
        }
        Some(xmp) => Some(xmp.clone()),
        None => rights(),
    }
}

/// The decoder holds the picture at its own depth beside ours, or all passes of a progressive JPEG. Every step holds
/// what it reads and what it makes; the encoder holds the result and about as much again.
pub(super) fn peak_bytes(header: &Header, decode: &Decode, steps: &[Step], size: (u32, u32)) -> u64 {
    // The most components that it has on its way: those of inks and alpha are one more than those of RGB.
    let channels = if decode.color == PixelType::Cmyk { 5 } else { 4 };
    let deep = steps.iter().any(|step| matches!(step, Step::Reduce { .. }));
    let sample = if deep { 2 } else { 1 };
    let bytes = |(w, h): (u32, u32)| u64::from(w) * u64::from(h) * channels * sample;
    let decoding = match header.format {
        // Two bytes for each coefficient.
        SourceFormat::Jpeg if header.progressive => 2 * header.decoded_bytes(),
        SourceFormat::Png if header.progressive => header.decoded_bytes(),
        SourceFormat::Jpeg | SourceFormat::Png => 0,
        // The file, and for each component its waves and its values in floating point.
        SourceFormat::Jp2 => 12 * header.decoded_bytes(),
        // The frame as the library holds it, and as planes.
        SourceFormat::Avif => 4 * header.decoded_bytes(),
        _ => header.decoded_bytes(),
    };
    let (mut current, steps) = match steps {
        // Made while rows come in, of as many as it reaches.
        [Step::Resize { from: [_, _, _, high], width, height, .. }, rest @ ..] if decode.channels() < 5 => {
            let rows = 64.0 + 16.0 * (high / f64::from(*height)).max(1.0);
            let lot = bytes((decode.width, 2 * 256.min(*height) + rows as u32));
            (2 * bytes((*width, *height)) + lot, rest)
        }
        all => (bytes((decode.width, decode.height)), all),
    };
    let mut peak = current + decoding;
    for step in steps {
        let next = match step {
            Step::Mask { decode: mask, .. } => {
                let inner = mask.inner.as_ref().map_or(0, |inner| inner.peak_bytes);
                let mask = u64::from(mask.width) * u64::from(mask.height) * 5 * u64::from(mask.bits / 8);
                peak = peak.max(2 * current + 2 * mask).max(current + inner);
                current
            }
            Step::Window { width, height, .. }
            | Step::Resize { width, height, .. }
            | Step::Rotate { width, height, .. } => bytes((*width, *height)),
            _ => current,
        };
        // A blur holds the rows it reaches at twice the depth, a wide one three times over.
        let aside = match step {
            Step::Sharpen { sigma, .. } | Step::Blur { sigma } => {
                let rows = (4.0 * sigma + 8.0).min(f64::from(u16::MAX)) as u32;
                bytes((decode.width.max(size.0), 6 * rows)).min(6 * current)
            }
            Step::Grow { .. } => current,
            _ => 0,
        };
        peak = peak.max(current + next + aside);
        current = next;
    }
    let inner = decode.inner.as_ref().map_or(0, |inner| inner.peak_bytes);
    peak.max(2 * bytes(size)).max(inner)
}

/// What an encoder holds that needs more than the result and as much again.
fn encoding_bytes(output: &Output, (width, height): (u32, u32)) -> u64 {
    // Measured, for a pixel.
    let each = match (output.format, output.compression) {
        // For each of up to four components the value, its wave and the code of it.
        (OutputFormat::Jp2, _) => 32,
        (OutputFormat::Avif, Compression::Lossless) => 40,
        // Colour at half resolution.
        (OutputFormat::Avif, _) => 24,
        _ => 0,
    };
    each * u64::from(width) * u64::from(height)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use offprint_modifiers::{Attributes, Macros, Order, recipe};
    use crate::turn::Turn;

    fn header(format: SourceFormat, width: u32, height: u32) -> Header {
        Header {
            format,
            width,
            height,
            orientation: Turn::NONE,
            color: PixelType::Rgb,
            alpha: false,
            premultiplied: false,
            inverted: false,
            bits: 8,
            frames: 1,
            progressive: false,
            dpi: None,
            paths: Vec::new(),
            profile: None,
            xmp: None,
            rights: Default::default(),
            profile_name: None,
        }
    }

    fn understood(modifier: &str) -> Recipe {
        let (macros, attributes) = (Macros::default(), Attributes::default());
        let order = Order::new(modifier, &macros, &attributes);
        recipe(&order).unwrap().recipe
    }

    fn planned(header: &Header, modifier: &str) -> Result<Plan, Failure> {
        Plan::of(&understood(modifier), header, &Headers::new(), &Limits::default(), &ProfileBytes::default())
    }

    fn jpeg(modifier: &str) -> Plan {
        planned(&header(SourceFormat::Jpeg, 6000, 4000), modifier).unwrap()
    }

    #[test]
    fn the_decoder_shrinks_while_enough_remains() {
        let shrink = |modifier| jpeg(modifier).decode.shrink;
        assert_eq!(shrink("wid=500"), 8);
        assert_eq!(shrink("wid=501"), 4);
        assert_eq!(shrink("wid=2000"), 2);
        assert_eq!(shrink("wid=2001"), 1);
        assert_eq!(shrink("rotate=90&wid=500"), 4);
        assert_eq!(shrink("crop=0,0,600,600&wid=500"), 1);
        assert_eq!(shrink("wid=500&op_usm=1,2"), 8);
        assert_eq!(shrink("extend=1,1,1,1&wid=500"), 1);
        assert_eq!(planned(&header(SourceFormat::Png, 6000, 4000), "wid=500").unwrap().decode.shrink, 1);
    }

    #[test]
    fn what_can_be_one_resampling_is_one() {
        let resizes = |modifier| jpeg(modifier).steps.iter().filter(|it| matches!(it, Step::Resize { .. })).count();
        assert_eq!(jpeg("crop=100,100,4000,3000&size=2000,0&wid=500").steps.len(), 1);
        assert_eq!(resizes("size=100,0&wid=500&fit=fit,1"), 2);
        assert_eq!(jpeg("").steps, []);
        assert_eq!(jpeg("scl=1").steps, []);
        assert_eq!(jpeg("flip=lr&rotate=180&layer=0&flip=ud").steps, []);
    }

    #[test]
    fn a_crop_inside_a_shrunk_and_mirrored_picture_keeps_its_place() {
        let plan = planned(&header(SourceFormat::Jpeg, 6001, 4001), "flip=lr&wid=500").unwrap();
        let Step::Resize { from, .. } = plan.steps[0] else { panic!("{:?}", plan.steps) };
        assert_eq!((plan.decode.width, plan.decode.height), (751, 501));
        assert_eq!(from, [0.0, 0.0, 750.125, 500.125]);
        assert!(matches!(plan.steps[1], Step::Turn(_)), "{:?}", plan.steps);
        let turned = Header { orientation: Turn::CLOCKWISE, ..header(SourceFormat::Jpeg, 6000, 4000) };
        let plan = planned(&turned, "crop=0,0,400,600").unwrap();
        let Step::Window { x, y, width, height, .. } = plan.steps[0] else { panic!("{:?}", plan.steps) };
        assert_eq!((x, y, width, height), (0, 3600, 600, 400));
        assert_eq!((plan.width, plan.height), (400, 600));
    }

    #[test]
    fn limits_say_limit_and_size() {
        let code = |header: &Header, modifier: &str| planned(header, modifier).map(drop).map_err(|it| it.code);
        let plain = header(SourceFormat::Png, 100, 100);
        assert_eq!(code(&header(SourceFormat::Png, 10_001, 10_000), ""), Err(Code::SourceTooLarge));
        assert_eq!(code(&header(SourceFormat::Png, 30_001, 10), ""), Err(Code::SourceTooLarge));
        assert_eq!(
            code(&Header { bits: 16, ..header(SourceFormat::Png, 10_000, 10_000) }, ""),
            Err(Code::SourceTooLarge)
        );
        assert_eq!(code(&plain, "wid=20000&hei=10"), Err(Code::OutputTooLarge));
        assert_eq!(code(&plain, "crop=0,0,2000000000,2000000000&wid=10"), Err(Code::OutputTooLarge));
        assert_eq!(code(&plain, "scale=1000000"), Err(Code::OutputTooLarge));
        assert_eq!(code(&plain, "extend=-50,0,-50,0"), Err(Code::InvalidModifier));
        assert_eq!(code(&plain, "rgn=2000000000,2000000000,10,10"), Ok(()));
    }

    #[test]
    fn sharpening_in_source_pixels_shrinks_with_the_picture() {
        let sigma = |modifier: &str| match jpeg(modifier).steps.last() {
            Some(Step::Sharpen { sigma, .. }) => *sigma,
            other => panic!("{other:?}"),
        };
        assert!((sigma("wid=600&op_usm=1,5") - 0.5).abs() < 1e-9);
        assert!((sigma("wid=600&op_usmR=1,5") - 5.0).abs() < 1e-9);
        assert!((sigma("size=3000,0&wid=600&op_usm=1,5") - 0.5).abs() < 1e-9);
    }

    #[test]
    fn dpi_comes_from_modifier_then_source_then_default() {
        let tagged = Header { dpi: Some(240.0), ..header(SourceFormat::Png, 10, 10) };
        assert_eq!(planned(&tagged, "printRes=300").unwrap().encode.dpi, 300.0);
        assert_eq!(planned(&tagged, "").unwrap().encode.dpi, 240.0);
        assert_eq!(jpeg("").encode.dpi, 72.0);
    }

    /// A list of steps in short words.
    fn steps(header: &Header, modifier: &str) -> Vec<String> {
        let word = |step: &Step| format!("{step:?}").chars().take_while(|it| it.is_alphanumeric()).collect();
        planned(header, modifier).unwrap().steps.iter().map(word).collect()
    }

    #[test]
    fn a_picture_keeps_its_components_and_its_depth_as_long_as_it_can() {
        let plain = header(SourceFormat::Png, 100, 100);
        let gray = Header { color: PixelType::Gray, ..plain.clone() };
        let inks = Header { color: PixelType::Cmyk, ..plain.clone() };
        let deep = Header { bits: 16, ..plain };
        assert_eq!(steps(&gray, "wid=50&fmt=png,gray"), ["Resize"]);
        assert_eq!(steps(&gray, "wid=50"), ["Resize", "Recolor"]);
        assert_eq!(steps(&gray, "wid=50&op_hue=9&fmt=png,gray"), ["Recolor", "Tone", "Resize", "Recolor"]);
        assert_eq!(steps(&inks, "wid=50&fmt=tif,cmyk"), ["Resize"]);
        assert_eq!(steps(&inks, "rotate=5&bgColor=ff0000"), ["Rotate", "Recolor", "Fill"]);
        assert_eq!(steps(&deep, "wid=50"), ["Resize", "Reduce"]);
    }
}
