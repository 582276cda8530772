//! Images that are encoded while they are still being decoded.

use std::fs::File;

use image::{ImageFormat, RgbImage};
use offprint_core::Code;
use offprint_imaging::{
    ObjectHeaders, ProfileBytes, RenderLimits, RenderPlan, SourceFiles, read_image_header, render_image, render_images,
};
use offprint_modifiers::{Attributes, DecodeOptions, Macros, ModifierInput, resolve_modifier};

use crate::support::images::{draw_noise, encode_image};
use crate::support::render_fixture::RenderFixture;

fn draw_tall_noise() -> RgbImage {
    draw_noise(301, 1211)
}

#[test]
fn a_file_does_not_depend_on_whether_it_was_encoded_meanwhile() {
    let fixture = RenderFixture::new(&encode_image(draw_tall_noise(), ImageFormat::Png));
    let (macros, attributes) = (Macros::default(), Attributes::default());
    for source in ["png", "jpeg", "tif,,lzw", "tif,cmyk", "webp,,lossless", "jpeg,gray"] {
        let source = RenderFixture::new(&fixture.render_file(&format!("fmt={source}")).unwrap().0);
        let header = read_image_header(&source.source_path()).unwrap();
        for modifier in ["fmt=jpeg&qlt=90,1", "fmt=pjpeg", "fmt=jpeg,gray", "fmt=jpeg,cmyk", "fmt=jpeg&printRes=300"] {
            let recipe = resolve_modifier(&ModifierInput::new(modifier, &macros, &attributes)).unwrap().recipe;
            let (limits, profiles) = (RenderLimits::default(), ProfileBytes::default());
            let plan = RenderPlan::new(&recipe, &header, &ObjectHeaders::new(), &limits, &profiles).unwrap();
            let files = SourceFiles::from_source(source.source_path());
            let [alone, first, second] =
                ["alone", "one", "other"].map(|name| source.source_path().with_file_name(name));
            let alone_says = render_image(&plan, &files, &alone).unwrap();
            let [first_file, second_file] = [&first, &second].map(|path| File::create(path).unwrap());
            // Two plans share the decoded image, so it is complete before they are encoded.
            let together = render_images(&[(&plan, &first_file), (&plan, &second_file)], &files);
            assert!(together.iter().all(|made| made.as_ref() == Ok(&alone_says)), "{modifier}: {together:?}");
            assert_eq!(std::fs::read(alone).unwrap(), std::fs::read(first).unwrap(), "{modifier}");
        }
    }
}

#[test]
fn errors_of_the_source_or_the_result_are_reported() {
    let whole =
        RenderFixture::new(&encode_image(draw_tall_noise(), ImageFormat::Png)).render_file("fmt=jpeg").unwrap().0;
    let cut = RenderFixture::new(&whole[..whole.len() / 2]);
    assert_eq!(cut.render_file("fmt=jpeg").unwrap_err().code, Code::Truncated);
    let lenient = DecodeOptions { accepts_damage: true, ..DecodeOptions::default() };
    let (file, rendered) = cut.render_reading("fmt=jpeg", lenient).unwrap();
    assert_eq!(rendered.warnings[0].code, Code::CorruptSource);
    assert_eq!(image::load_from_memory(&file).unwrap().height(), 1211);
    let png = encode_image(draw_tall_noise(), ImageFormat::Png);
    assert_eq!(RenderFixture::new(&png[..png.len() / 2]).render_file("fmt=jpeg").unwrap_err().code, Code::Truncated);
}
