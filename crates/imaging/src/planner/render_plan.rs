//! From a recipe and a header to a plan: what is decided once per output.

use std::cell::Cell;

use offprint_core::Code;
use offprint_modifiers::{MaskUse, Output, OutputFormat, Recipe, RequestKind};

use super::estimate::{estimate_encoding_bytes, estimate_peak_bytes};
use super::{PlanContext, PlanSource, Planner};
use crate::codec::{can_stream, has_few_pixels_for_jpeg};
use crate::colour::ProfileBytes;
use crate::error::{RenderError, RenderWarning};
use crate::header::ImageHeader;
use crate::limits::RenderLimits;
use crate::plan::{EncodePlan, RenderPlan};
use crate::source_files::ObjectHeaders;
use crate::xmp::align_with_pixels;

impl RenderPlan {
    /// Plans one image. `own_header` is the asset's own; `object_headers` has those of the other assets that the recipe
    /// names.
    ///
    /// # Errors
    /// `source-too-large` and `output-too-large`, with limit and actual size; `invalid-modifier` when a command leaves
    /// nothing of this image; `source-missing` when `object_headers` lacks an asset that the recipe names,
    /// `profile-missing` when `profiles` lacks a profile.
    pub fn new(
        recipe: &Recipe,
        own_header: &ImageHeader,
        object_headers: &ObjectHeaders,
        limits: &RenderLimits,
        profiles: &ProfileBytes,
    ) -> Result<Self, RenderError> {
        let layer_pixels = Cell::new(0);
        let context = PlanContext { object_headers, limits, profiles, layer_pixels: &layer_pixels };
        let source = PlanSource::for_base(recipe, own_header, context)?;
        let (header, colors) = (source.header.as_ref(), &source.colors);
        let mut warnings = [source.warnings.clone(), colors.warnings.clone()].concat();
        let mut planner = Planner::new(header, recipe, limits, colors);
        planner.apply_recipe(recipe, &source, context)?;
        planner.convert_for_encoder();
        warnings.append(&mut planner.warnings);
        let size = planner.size;
        limits.check_output(size)?;
        let keeps_alpha = recipe.output.alpha || recipe.view.request == RequestKind::Mask;
        if header.alpha && !source.is_blank() && recipe.layer.mask.usage != MaskUse::Off && !keeps_alpha {
            let detail =
                "Transparency was flattened onto the background colour because the output format has no alpha.";
            warnings.push(RenderWarning::new(Code::AlphaFlattened, detail));
        }
        let output = &recipe.output;
        // A picture without an image of its own is still made of this asset: its rights go with it.
        let described = if source.is_blank() { own_header } else { header };
        let paths = if output.path_embed { planner.paths(header) } else { Vec::new() };
        let (decode, steps) = planner.finish(&source, recipe.reading)?;
        let mut plan = Self {
            peak_bytes: estimate_peak_bytes(header, &decode, &steps, size).max(estimate_encoding_bytes(output, size)),
            decode,
            steps,
            encode: EncodePlan {
                format: output.format,
                alpha: output.alpha,
                pixel_type: output.pixel_type,
                compression: output.compression,
                progressive: output.progressive,
                quality: output.quality,
                full_chroma: output.full_chroma,
                jpeg_size: output.jpeg_size,
                scans: output.scans,
                jpeg_effort: output.jpeg_effort,
                may_fit_tables: false,
                quantize: output.quantize.clone(),
                dpi: output.print_res.or(described.dpi).unwrap_or(output.default_print_res),
                paths,
                xmp: select_xmp(output, described, size, &mut warnings),
                profile: colors.output.clone().filter(|_| output.icc_embed && output.format.can_carry_profile()),
            },
            width: size.0,
            height: size.1,
            warnings,
        };
        plan.encode.may_fit_tables = has_few_pixels_for_jpeg(size) && !can_stream(&plan);
        Ok(plan)
    }
}

/// The XMP to embed. Rights are kept unless the job says otherwise. All other metadata of the source is dropped, for it
/// may hold what nobody means to publish (GPS positions above all), unless its XMP is asked for; that is corrected where
/// it describes pixels. Documentation page: r-xmpembed.
fn select_xmp(
    output: &Output,
    header: &ImageHeader,
    size: (u32, u32),
    warnings: &mut Vec<RenderWarning>,
) -> Option<Vec<u8>> {
    if let Some(xmp) = header.xmp.as_ref().filter(|_| output.xmp_embed && output.format.can_carry_xmp()) {
        let xmp = align_with_pixels(xmp, size);
        // A JPEG segment holds at most 65,533 bytes, its signature included.
        if output.format != OutputFormat::Jpeg || xmp.len() <= 65_000 {
            return Some(xmp);
        }
        let detail = format!("The XMP has {} bytes, does not fit into a JPEG and was left out.", xmp.len());
        warnings.push(RenderWarning::new(Code::MetadataDropped, detail));
    }
    let rights = header.rights.to_xmp().filter(|_| output.keep_rights)?;
    let lost = match output.format {
        OutputFormat::Avif if !header.rights.fits_exif() => "AVIF files keep creator and copyright only",
        OutputFormat::Eps => "EPS files have no place for them",
        _ => return Some(rights),
    };
    let detail = format!(
        "Credit, terms of use or other rights of the image were dropped: {lost}. Choose another format to keep them."
    );
    warnings.push(RenderWarning::new(Code::MetadataDropped, detail));
    Some(rights)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::header::SourceFormat;
    use crate::step::Step;
    use crate::turn::Turn;
    use offprint_modifiers::{Attributes, Macros, ModifierInput, PixelType, ResampleSpace, resolve_modifier};

    fn make_header(format: SourceFormat, width: u32, height: u32) -> ImageHeader {
        ImageHeader {
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
            irregularity: None,
            metadata_left_out: None,
            ignored_profile_bytes: None,
            camera_raw: None,
            part: None,
            progressive: false,
            dpi: None,
            paths: Vec::new(),
            profile: None,
            xmp: None,
            rights: Default::default(),
            captured: None,
            parsed_profile: None,
            profile_name: None,
        }
    }

    fn resolve_recipe(modifier: &str) -> Recipe {
        let (macros, attributes) = (Macros::default(), Attributes::default());
        let input = ModifierInput::new(modifier, &macros, &attributes);
        resolve_modifier(&input).unwrap().recipe
    }

    fn plan_image(header: &ImageHeader, modifier: &str) -> Result<RenderPlan, RenderError> {
        RenderPlan::new(
            &resolve_recipe(modifier),
            header,
            &ObjectHeaders::new(),
            &RenderLimits::default(),
            &ProfileBytes::default(),
        )
    }

    fn plan_jpeg(modifier: &str) -> RenderPlan {
        plan_image(&make_header(SourceFormat::Jpeg, 6000, 4000), modifier).unwrap()
    }

    #[test]
    fn the_decoder_shrinks_while_enough_remains() {
        let shrink = |modifier| plan_jpeg(modifier).decode.shrink;
        assert_eq!(shrink("wid=500"), 8);
        assert_eq!(shrink("wid=501"), 4);
        assert_eq!(shrink("wid=2000"), 2);
        assert_eq!(shrink("wid=2001"), 1);
        assert_eq!(shrink("rotate=90&wid=500"), 4);
        assert_eq!(shrink("crop=0,0,600,600&wid=500"), 1);
        assert_eq!(shrink("wid=500&op_usm=1,2"), 8);
        assert_eq!(shrink("extend=1,1,1,1&wid=500"), 1);
        assert_eq!(plan_image(&make_header(SourceFormat::Png, 6000, 4000), "wid=500").unwrap().decode.shrink, 1);
    }

    #[test]
    fn a_webp_without_alpha_is_shrunk_by_its_decoder_to_twice_the_size() {
        let webp = make_header(SourceFormat::Webp, 6001, 4001);
        let plan = plan_image(&webp, "wid=1500").unwrap();
        assert_eq!((plan.decode.shrink, plan.decode.width, plan.decode.height), (2, 3001, 2001));
        // The whole image was stretched to whole pixels.
        let Step::Resize { from, .. } = plan.steps[0] else { panic!("{:?}", plan.steps) };
        assert_eq!(from.map(|value| (value * 1e6).round() / 1e6), [0.0, 0.0, 3001.0, 2001.0]);
        assert_eq!(plan_image(&webp, "wid=1501").unwrap().decode.shrink, 1);
        assert_eq!(plan_image(&webp, "wid=370").unwrap().decode.shrink, 8);
        let cutout = ImageHeader { alpha: true, ..webp };
        assert_eq!(plan_image(&cutout, "wid=370").unwrap().decode.shrink, 1);
    }

    #[test]
    fn no_decoder_shrinks_what_is_resampled_in_linear_light() {
        let linear = |header: &ImageHeader, modifier| {
            let mut recipe = resolve_recipe(modifier);
            recipe.view.resample_space = ResampleSpace::Linear;
            let (objects, profiles) = (ObjectHeaders::new(), ProfileBytes::default());
            RenderPlan::new(&recipe, header, &objects, &RenderLimits::default(), &profiles).unwrap()
        };
        for format in [SourceFormat::Jpeg, SourceFormat::Webp] {
            let plan = linear(&make_header(format, 6000, 4000), "wid=500");
            assert_eq!(plan.decode.shrink, 1);
            assert!(matches!(plan.steps[0], Step::Resize { space: ResampleSpace::Linear, .. }), "{:?}", plan.steps);
        }
        let inks = ImageHeader { color: PixelType::Cmyk, ..make_header(SourceFormat::Jpeg, 6000, 4000) };
        let plan = linear(&inks, "wid=500");
        assert_eq!(plan.decode.shrink, 8);
        assert!(matches!(plan.steps[0], Step::Resize { space: ResampleSpace::Display, .. }), "{:?}", plan.steps);
    }

    #[test]
    fn what_can_be_one_resampling_is_one() {
        let resizes =
            |modifier| plan_jpeg(modifier).steps.iter().filter(|step| matches!(step, Step::Resize { .. })).count();
        assert_eq!(plan_jpeg("crop=100,100,4000,3000&size=2000,0&wid=500").steps.len(), 1);
        assert_eq!(resizes("size=100,0&wid=500&fit=fit,1"), 2);
        assert_eq!(plan_jpeg("").steps, []);
        assert_eq!(plan_jpeg("scl=1").steps, []);
        assert_eq!(plan_jpeg("flip=lr&rotate=180&layer=0&flip=ud").steps, []);
    }

    #[test]
    fn a_crop_inside_a_shrunk_and_mirrored_image_keeps_its_position() {
        let plan = plan_image(&make_header(SourceFormat::Jpeg, 6001, 4001), "flip=lr&wid=500").unwrap();
        let Step::Resize { from, .. } = plan.steps[0] else { panic!("{:?}", plan.steps) };
        assert_eq!((plan.decode.width, plan.decode.height), (751, 501));
        assert_eq!(from, [0.0, 0.0, 750.125, 500.125]);
        assert!(matches!(plan.steps[1], Step::Turn(_)), "{:?}", plan.steps);
        let turned = ImageHeader { orientation: Turn::CLOCKWISE, ..make_header(SourceFormat::Jpeg, 6000, 4000) };
        let plan = plan_image(&turned, "crop=0,0,400,600").unwrap();
        let Step::Window { x, y, width, height, .. } = plan.steps[0] else { panic!("{:?}", plan.steps) };
        assert_eq!((x, y, width, height), (0, 3600, 600, 400));
        assert_eq!((plan.width, plan.height), (400, 600));
    }

    #[test]
    fn limits_say_limit_and_size() {
        let code =
            |header: &ImageHeader, modifier: &str| plan_image(header, modifier).map(drop).map_err(|error| error.code);
        let plain = make_header(SourceFormat::Png, 100, 100);
        assert_eq!(code(&make_header(SourceFormat::Png, 10_001, 10_000), ""), Err(Code::SourceTooLarge));
        assert_eq!(code(&make_header(SourceFormat::Png, 30_001, 10), ""), Err(Code::SourceTooLarge));
        assert_eq!(
            code(&ImageHeader { bits: 16, ..make_header(SourceFormat::Png, 10_000, 10_000) }, ""),
            Err(Code::SourceTooLarge)
        );
        assert_eq!(code(&plain, "wid=20000&hei=10"), Err(Code::OutputTooLarge));
        assert_eq!(code(&plain, "crop=0,0,2000000000,2000000000&wid=10"), Err(Code::OutputTooLarge));
        assert_eq!(code(&plain, "scale=1000000"), Err(Code::OutputTooLarge));
        assert_eq!(code(&plain, "scale=1000000&rotate=5&wid=10"), Err(Code::OutputTooLarge));
        assert_eq!(code(&plain, "extend=-50,0,-50,0"), Err(Code::InvalidModifier));
        assert_eq!(code(&plain, "rgn=2000000000,2000000000,10,10"), Ok(()));
    }

    #[test]
    fn limits_are_checked_on_sizes_that_are_really_made() {
        let plain = make_header(SourceFormat::Png, 300, 200);
        for (modifier, size) in [
            ("scale=100&wid=150", (150, 100)),
            ("res=999&hei=100", (150, 100)),
            ("size=2000000,0&wid=150&fmt=png", (150, 100)),
            ("scale=100&rotate=90&wid=150", (150, 225)),
            ("scale=100&flip=lr&wid=150", (150, 100)),
            ("scale=100&op_brightness=5&opac=50&wid=150&hei=150", (150, 150)),
            ("scale=100&wid=150&hei=150&fit=crop", (150, 150)),
            ("scale=100&scl=1&wid=200&hei=100", (200, 100)),
            ("scale=100&rotate=270&scl=1&wid=200&hei=100&align=1,-1", (200, 100)),
            ("scale=100&rgn=100,100,600,400&wid=150", (150, 100)),
            ("wid=300&rect=0,0,50,40,300", (50, 40)),
        ] {
            let plan = plan_image(&plain, modifier).unwrap_or_else(|error| panic!("{modifier}: {error:?}"));
            assert_eq!((plan.width, plan.height), size, "{modifier}");
            assert!(plan.peak_bytes < 4 << 20, "{modifier}: {}", plan.peak_bytes);
        }
        for modifier in ["scale=100", "scale=100&extend=5,5,5,5&wid=150", "scale=100&op_blur=3&wid=150"] {
            assert_eq!(plan_image(&plain, modifier).map(drop).map_err(|error| error.code), Err(Code::OutputTooLarge));
        }
    }

    #[test]
    fn a_part_of_a_coordinate_space_comes_from_the_same_part_of_the_source() {
        let plain = make_header(SourceFormat::Png, 300, 200);
        let resize = |modifier| match plan_image(&plain, modifier).unwrap().steps.as_slice() {
            [Step::Resize { from, width, height, .. }, ..] => {
                (from.map(|value| (value * 1e6).round() / 1e6), *width, *height)
            }
            other => panic!("{other:?}"),
        };
        assert_eq!(resize("scale=100&scl=1&wid=200&hei=100&align=-1,-1"), ([0.0, 0.0, 2.0, 1.0], 200, 100));
        assert_eq!(resize("scale=100&rotate=90&scl=1&wid=200&hei=100&align=-1,-1"), ([0.0, 198.0, 1.0, 2.0], 100, 200));
        assert_eq!(resize("scale=100&wid=150"), ([0.0, 0.0, 300.0, 200.0], 150, 100));
        assert_eq!(resize("scale=100&flip=lr&wid=150"), ([0.0, 0.0, 300.0, 200.0], 150, 100));
    }

    #[test]
    fn opacity_fades_no_fill() {
        let plain = make_header(SourceFormat::Png, 100, 100);
        assert_eq!(list_steps(&plain, "opac=50&fmt=png-alpha"), ["Fade"]);
        assert_eq!(list_steps(&plain, "opac=50&bgColor=00ff00&fmt=png-alpha"), ["Fade", "Fill"]);
        assert_eq!(list_steps(&plain, "opac=50&color=00ff00&fmt=png-alpha"), ["Fade", "Fill"]);
        assert_eq!(
            list_steps(&plain, "opac=50&extend=9,9,9,9&bgColor=00ff00&fmt=png-alpha"),
            ["Fade", "Window", "Fill"]
        );
    }

    #[test]
    fn sharpening_in_source_pixels_shrinks_with_the_image() {
        let sigma = |modifier: &str| match plan_jpeg(modifier).steps.last() {
            Some(Step::Sharpen { sigma, .. }) => *sigma,
            other => panic!("{other:?}"),
        };
        assert!((sigma("wid=600&op_usm=1,5") - 0.5).abs() < 1e-9);
        assert!((sigma("wid=600&op_usmR=1,5") - 5.0).abs() < 1e-9);
        assert!((sigma("size=3000,0&wid=600&op_usm=1,5") - 0.5).abs() < 1e-9);
    }

    #[test]
    fn dpi_comes_from_modifier_then_source_then_default() {
        let tagged = ImageHeader { dpi: Some(240.0), ..make_header(SourceFormat::Png, 10, 10) };
        assert_eq!(plan_image(&tagged, "printRes=300").unwrap().encode.dpi, 300.0);
        assert_eq!(plan_image(&tagged, "").unwrap().encode.dpi, 240.0);
        assert_eq!(plan_jpeg("").encode.dpi, 72.0);
    }

    /// The names of the steps.
    fn list_steps(header: &ImageHeader, modifier: &str) -> Vec<String> {
        let name = |step: &Step| format!("{step:?}").chars().take_while(|char| char.is_alphanumeric()).collect();
        plan_image(header, modifier).unwrap().steps.iter().map(name).collect()
    }

    #[test]
    fn an_image_keeps_its_components_and_its_depth_as_long_as_it_can() {
        let plain = make_header(SourceFormat::Png, 100, 100);
        let gray = ImageHeader { color: PixelType::Gray, ..plain.clone() };
        let inks = ImageHeader { color: PixelType::Cmyk, ..plain.clone() };
        let deep = ImageHeader { bits: 16, ..plain };
        assert_eq!(list_steps(&gray, "wid=50&fmt=png,gray"), ["Resize"]);
        assert_eq!(list_steps(&gray, "wid=50"), ["Resize", "Recolor"]);
        assert_eq!(list_steps(&gray, "wid=50&op_hue=9&fmt=png,gray"), ["Recolor", "Tone", "Resize", "Recolor"]);
        assert_eq!(list_steps(&inks, "wid=50&fmt=tif,cmyk"), ["Resize"]);
        assert_eq!(list_steps(&inks, "rotate=5&bgColor=ff0000"), ["Rotate", "Recolor", "Fill"]);
        assert_eq!(list_steps(&deep, "wid=50"), ["Resize", "Reduce"]);
    }
}
