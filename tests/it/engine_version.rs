//! The engine's version: renditions are reused under it, so it must rise whenever the same recipe gives other pixels for
//! the same source.

use image::{ImageFormat, Rgb, RgbImage};
use offprint_imaging::{
    ENGINE_VERSION, ObjectHeaders, ProfileBytes, RenderLimits, RenderPlan, SourceFiles, read_image_header, render_image,
};
use offprint_modifiers::{Attributes, Macros, ModifierInput};

/// The engine version, and for each modifier the CRC-32 of the pixels that it renders from the drawn source. When one
/// differs, raise `ENGINE_VERSION` and update the numbers here.
const EXPECTED_CHECKSUMS: (i32, [(&str, u32); 6]) = (
    14,
    [
        ("wid=100", 3_309_699_157),
        ("wid=97&hei=61&fit=crop&resMode=bicub", 1_413_562_548),
        ("crop=10,20,200,100&flip=lr&rotate=90", 1_224_929_411),
        ("size=120,120&extend=5,5,5,5&bgColor=ff0000", 3_719_938_726),
        ("wid=200&op_usm=1.5,2,3,0&resMode=bilin", 2_358_012_027),
        ("wid=150&op_brightness=20&op_saturation=-40", 31_082_191),
    ],
);

fn compute_checksum(modifier: &str) -> u32 {
    let folder = tempfile::tempdir().unwrap();
    let (source, output) = (folder.path().join("source"), folder.path().join("output"));
    let drawn =
        RgbImage::from_fn(300, 200, |x, y| Rgb([(x * 7 % 256) as u8, (y * 5 % 256) as u8, (x * y % 251) as u8]));
    drawn.save_with_format(&source, ImageFormat::Png).unwrap();
    let (modifier, macros, attributes) = (format!("{modifier}&fmt=png"), Macros::default(), Attributes::default());
    let input = ModifierInput::new(&modifier, &macros, &attributes);
    let recipe = offprint_modifiers::resolve_modifier(&input).unwrap().recipe;
    let (limits, profiles) = (RenderLimits::default(), ProfileBytes::default());
    let plan =
        RenderPlan::new(&recipe, &read_image_header(&source).unwrap(), &ObjectHeaders::new(), &limits, &profiles)
            .unwrap();
    render_image(&plan, &SourceFiles::from_source(&source), &output).unwrap();
    let rendered = image::load_from_memory_with_format(&std::fs::read(&output).unwrap(), ImageFormat::Png).unwrap();
    crc32fast::hash(rendered.to_rgb8().as_raw())
}

#[test]
#[cfg_attr(not(target_arch = "x86_64"), ignore = "the numbers were made on x86_64")]
fn what_the_engine_makes_changes_only_with_its_version() {
    let (version, expected) = EXPECTED_CHECKSUMS;
    let actual = expected.map(|(modifier, _)| (modifier, compute_checksum(modifier)));
    assert_eq!((ENGINE_VERSION, actual), (version, expected), "raise ENGINE_VERSION and write the new numbers down");
}
