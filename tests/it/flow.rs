//! Pictures that are encoded while they are decoded.

use image::{ImageFormat, RgbImage};
use offprint::code::Code;
use offprint::language::{Attributes, Macros, Order, Reading, recipe};
use offprint::render::{Files, Headers, Limits, Plan, ProfileBytes, probe, render, render_all};

use crate::formats::noise;
use crate::render::{Studio, file_of};

fn tall() -> RgbImage {
    noise(301, 1211)
}

#[test]
fn a_file_does_not_depend_on_whether_it_was_encoded_meanwhile() {
    let studio = Studio::with(&file_of(tall(), ImageFormat::Png));
    let (macros, attributes) = (Macros::default(), Attributes::default());
    for source in ["png", "jpeg", "tif,,lzw", "tif,cmyk", "webp,,lossless", "jpeg,gray"] {
        let source = Studio::with(&studio.file(&format!("fmt={source}")).unwrap().0);
        let header = probe(&source.source()).unwrap();
        for modifier in ["fmt=jpeg&qlt=90,1", "fmt=pjpeg", "fmt=jpeg,gray", "fmt=jpeg,cmyk", "fmt=jpeg&printRes=300"] {
            let recipe = recipe(&Order::new(modifier, &macros, &attributes)).unwrap().recipe;
            let (limits, profiles) = (Limits::default(), ProfileBytes::default());
            let plan = Plan::of(&recipe, &header, &Headers::new(), &limits, &profiles).unwrap();
            let files = Files::only(source.source());
            let [alone, one, other] = ["alone", "one", "other"].map(|name| source.source().with_file_name(name));
            let alone_says = render(&plan, &files, &alone).unwrap();
            // Two of the same share the decoded picture, so it is whole before they are encoded.
            let beside = render_all(&[(&plan, &one), (&plan, &other)], &files);
            assert!(beside.iter().all(|made| made.as_ref() == Ok(&alone_says)), "{modifier}: {beside:?}");
            assert_eq!(std::fs::read(alone).unwrap(), std::fs::read(one).unwrap(), "{modifier}");
        }
    }
}

#[test]
fn what_is_wrong_with_the_source_or_the_result_is_told() {
    let whole = Studio::with(&file_of(tall(), ImageFormat::Png)).file("fmt=jpeg").unwrap().0;
    let cut = Studio::with(&whole[..whole.len() / 2]);
    assert_eq!(cut.file("fmt=jpeg").unwrap_err().code, Code::Truncated);
    let lenient = Reading { accepts_damage: true, ..Reading::default() };
    let (file, rendered) = cut.read("fmt=jpeg", lenient).unwrap();
    assert_eq!(rendered.warnings[0].code, Code::CorruptSource);
    assert_eq!(image::load_from_memory(&file).unwrap().height(), 1211);
    let png = file_of(tall(), ImageFormat::Png);
    assert_eq!(Studio::with(&png[..png.len() / 2]).file("fmt=jpeg").unwrap_err().code, Code::Truncated);
}
