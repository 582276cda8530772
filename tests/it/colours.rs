//! Colour management: the profile of the source, the profile of the output, and the samples that result.

use image::{DynamicImage, ImageBuffer, ImageFormat, Luma, Rgb, RgbImage};
use offprint_core::Code;
use offprint_imaging::read_image_header;
use offprint_modifiers::{Attributes, Macros, ModifierInput, PixelType, resolve_modifier};
use serde_json::json;
use sqlx::PgPool;
use tiff::encoder::{TiffEncoder, colortype};
use tiff::tags::Tag;

use crate::support::cmyk_profile;
use crate::support::export_jobs::export_single_file;
use crate::support::images::encode_image;
use crate::support::render_fixture::RenderFixture;
use crate::support::test_app::TestApp;

/// A TIFF of one CMYK colour, with or without a profile.
fn encode_cmyk_tiff(inks: [u8; 4], profile: Option<&[u8]>) -> Vec<u8> {
    let mut file = std::io::Cursor::new(Vec::new());
    let mut encoder = TiffEncoder::new(&mut file).unwrap();
    let mut image = encoder.new_image::<colortype::CMYK8>(8, 8).unwrap();
    if let Some(profile) = profile {
        image.encoder().write_tag(Tag::IccProfile, profile).unwrap();
    }
    image.write_data(&inks.repeat(64)).unwrap();
    file.into_inner()
}

/// A PNG of one colour, with or without a profile.
fn encode_tagged_png(rgb: [u8; 3], profile: Option<&[u8]>) -> Vec<u8> {
    let mut file = Vec::new();
    let mut info = png::Info::with_size(8, 8);
    (info.bit_depth, info.color_type) = (png::BitDepth::Eight, png::ColorType::Rgb);
    info.icc_profile = profile.map(|profile| profile.to_vec().into());
    let mut writer = png::Encoder::with_info(&mut file, info).unwrap().write_header().unwrap();
    writer.write_image_data(&rgb.repeat(64)).unwrap();
    writer.finish().unwrap();
    file
}

fn collect_codes(warnings: &[offprint_imaging::RenderWarning]) -> Vec<Code> {
    warnings.iter().map(|warning| warning.code).collect()
}

/// The CMYK colour of a rendered TIFF of one colour.
fn decode_inks(file: &[u8]) -> [u8; 4] {
    let mut decoder = tiff::decoder::Decoder::new(std::io::Cursor::new(file)).unwrap();
    assert_eq!(decoder.colortype().unwrap(), tiff::ColorType::CMYK(8));
    let tiff::decoder::DecodingResult::U8(data) = decoder.read_image().unwrap() else { panic!("not eight bits") };
    data[..4].try_into().unwrap()
}

fn is_close(a: &[u8], b: &[f64], most: f64) -> bool {
    a.iter().zip(b).all(|(a, b)| (f64::from(*a) - b * 255.0).abs() <= most)
}

#[test]
fn inks_become_the_colours_that_their_profile_says() {
    let inks = [64, 0, 128, 32];
    let expected = cmyk_profile::convert_inks_to_rgb(inks.map(|it| f64::from(it) / 255.0));
    let own = RenderFixture::new(&encode_cmyk_tiff(inks, Some(&cmyk_profile::build_profile())));
    let (file, rendered) = own.render_file("fmt=png&icc=sRGB,relative,0&iccEmbed=1").unwrap();
    let pixel = image::load_from_memory(&file).unwrap().to_rgb8()[(4, 4)].0;
    assert!(is_close(&pixel, &expected, 3.0), "{pixel:?} {expected:?}");
    assert_eq!(collect_codes(&rendered.warnings), []);
    // Without an embedded profile the attribute's is used, and without that the approximation.
    let taken = RenderFixture::new(&encode_cmyk_tiff(inks, None)).with_attributes(
        "IccProfileSrcCmyk=WebCoated",
        "inks.icc",
        &cmyk_profile::build_profile(),
    );
    let (file, rendered) = taken.render_file("fmt=png&icc=sRGB,relative,0").unwrap();
    assert_eq!(image::load_from_memory(&file).unwrap().to_rgb8()[(4, 4)].0, pixel);
    assert_eq!(collect_codes(&rendered.warnings), []);
    let (file, rendered) = RenderFixture::new(&encode_cmyk_tiff(inks, None)).render_file("fmt=png").unwrap();
    assert_eq!(image::load_from_memory(&file).unwrap().to_rgb8()[(4, 4)].0, [167, 223, 111]);
    assert_eq!(collect_codes(&rendered.warnings), [Code::NaiveColors]);
}

#[test]
fn black_becomes_black_with_compensation_only() {
    let fixture = RenderFixture::new(&encode_cmyk_tiff([255; 4], Some(&cmyk_profile::build_profile())));
    let black = |modifier: &str| fixture.render_image(modifier).to_rgb8()[(4, 4)].0;
    assert!(black("fmt=png&icc=sRGB,relative,1").iter().all(|it| *it <= 2));
    assert!(is_close(&black("fmt=png&icc=sRGB,relative,0"), &cmyk_profile::convert_inks_to_rgb([1.0; 4]), 3.0));
    assert_eq!(black("fmt=png"), black("fmt=png&icc=sRGB,relative,1"), "compensation is the default");
}

#[test]
fn colours_become_inks_through_the_named_profile() {
    let profile = cmyk_profile::build_profile();
    let fixture =
        RenderFixture::new(&encode_tagged_png([217, 130, 90], None)).with_attributes("", "inks.icc", &profile);
    for name in ["inks", "WebCoated", "U.S. Web Coated (SWOP) v2"] {
        let (file, rendered) = fixture.render_file(&format!("fmt=tif&icc={name},relative,0&iccEmbed=1")).unwrap();
        let light = cmyk_profile::convert_inks_to_rgb(decode_inks(&file).map(|it| f64::from(it) / 255.0));
        assert!(is_close(&[217, 130, 90], &light, 6.0), "{light:?}");
        assert_eq!(collect_codes(&rendered.warnings), [Code::ProfileAssumed]);
        let again = read_image_header(&RenderFixture::new(&file).source_path()).unwrap();
        assert_eq!((again.color, again.profile.as_deref()), (PixelType::Cmyk, Some(&*profile)));
    }
    let (file, _) = fixture.render_file("fmt=jpeg&icc=WebCoated").unwrap();
    let header = read_image_header(&RenderFixture::new(&file).source_path()).unwrap();
    assert_eq!((header.color, header.inverted), (PixelType::Cmyk, true));
    // A colour given as CMYK needs no conversion: it is in the output's colour space already.
    let (file, _) = fixture.render_file("fmt=tif&icc=WebCoated&wid=4&hei=8&bgc=10,20,30,40k").unwrap();
    assert_eq!(decode_inks(&file), [26, 51, 77, 102]);
}

#[test]
fn without_a_profile_inks_follow_the_rough_rule_and_back() {
    let fixture = RenderFixture::new(&encode_tagged_png([102, 51, 0], None));
    let (file, rendered) = fixture.render_file("fmt=tif,cmyk&iccEmbed=1").unwrap();
    assert_eq!(decode_inks(&file), [0, 128, 255, 153]);
    assert_eq!(collect_codes(&rendered.warnings), [Code::NaiveColors]);
    let again = RenderFixture::new(&file);
    assert!(read_image_header(&again.source_path()).unwrap().profile.is_none());
    assert_eq!(again.render_image("fmt=png").to_rgb8()[(4, 4)].0, [102, 51, 0]);
    let jpeg = fixture.render_file("fmt=jpeg,cmyk&qlt=100").unwrap().0;
    let back = RenderFixture::new(&jpeg).render_image("fmt=png").to_rgb8()[(4, 4)].0;
    assert!(back.iter().zip([102, 51, 0]).all(|(a, b)| a.abs_diff(b) <= 3), "{back:?}");
}

#[test]
fn inks_stay_as_they_are_in_inks() {
    let profile = cmyk_profile::build_profile();
    let fixture = RenderFixture::new(&encode_cmyk_tiff([9, 80, 170, 33], Some(&profile)));
    let (file, rendered) = fixture.render_file("fmt=tif,cmyk&iccEmbed=1&wid=4").unwrap();
    assert_eq!((decode_inks(&file), collect_codes(&rendered.warnings)), ([9, 80, 170, 33], vec![]));
    assert_eq!(read_image_header(&RenderFixture::new(&file).source_path()).unwrap().profile, Some(profile));
}

#[test]
fn every_built_in_profile_leads_there_and_back() {
    let start = [180, 90, 60];
    for name in [
        "AdobeRGB",
        "AppleRGB",
        "CIERGB",
        "ColorMatchRGB",
        "NTSC",
        "PAL",
        "ProPhoto",
        "SMPTE",
        "WideGamutRGB",
        "DisplayP3",
    ] {
        let there = RenderFixture::new(&encode_tagged_png(start, None))
            .render_file(&format!("fmt=png&icc={name}&iccEmbed=1"))
            .unwrap()
            .0;
        let moved = image::load_from_memory(&there).unwrap().to_rgb8()[(4, 4)].0;
        assert_ne!(moved, start, "{name}");
        let back = RenderFixture::new(&there).render_image("fmt=png").to_rgb8()[(4, 4)].0;
        assert!(back.iter().zip(start).all(|(a, b)| a.abs_diff(b) <= 2), "{name}: {back:?}");
    }
}

#[test]
fn gray_goes_to_gray_with_the_curve_of_srgb() {
    let mut profile = moxcms::ColorProfile::new_gray_with_gamma(1.0);
    profile.description = None;
    let profile = profile.encode().unwrap();
    let mut file = Vec::new();
    let mut info = png::Info::with_size(8, 8);
    (info.bit_depth, info.color_type) = (png::BitDepth::Eight, png::ColorType::Grayscale);
    info.icc_profile = Some(profile.into());
    let mut writer = png::Encoder::with_info(&mut file, info).unwrap().write_header().unwrap();
    writer.write_image_data(&[55; 64]).unwrap();
    writer.finish().unwrap();
    let fixture = RenderFixture::new(&file);
    let gray = fixture.render_image("fmt=png,gray").to_luma8()[(4, 4)].0[0];
    // 55/255 of the light.
    assert!(gray.abs_diff(128) <= 1, "{gray}");
    assert_eq!(fixture.render_image("fmt=png").to_rgb8()[(4, 4)].0, [gray; 3]);
    let embedded = fixture.render_file("fmt=png,gray&iccEmbed=1").unwrap().0;
    let again = RenderFixture::new(&embedded);
    assert_eq!(
        again.render_image("fmt=png,gray").to_luma8()[(4, 4)].0[0],
        gray,
        "the embedded profile changes nothing more"
    );
    assert!(read_image_header(&again.source_path()).unwrap().profile.is_some());
}

#[test]
fn sixteen_bits_are_carried_to_the_end() {
    let ramp: ImageBuffer<Luma<u16>, Vec<u16>> = ImageBuffer::from_fn(256, 8, |x, _| Luma([32_300 + x as u16 * 4]));
    let fixture = RenderFixture::new(&encode_image(DynamicImage::ImageLuma16(ramp), ImageFormat::Png));
    let stretched = fixture.render_image("fmt=png&op_contrast=90").to_rgb8();
    let levels: std::collections::BTreeSet<u8> = (0..256).map(|x| stretched[(x, 4)].0[0]).collect();
    assert!(levels.len() > 30, "eight bits would leave five: {}", levels.len());
}

#[test]
fn dither_spreads_what_rounding_takes() {
    let wide = moxcms::ColorProfile::new_display_p3().encode().unwrap();
    let flat = RgbImage::from_pixel(64, 64, Rgb([120, 121, 90]));
    let mut file = Vec::new();
    let mut info = png::Info::with_size(64, 64);
    (info.bit_depth, info.color_type, info.icc_profile) =
        (png::BitDepth::Eight, png::ColorType::Rgb, Some(wide.into()));
    let mut writer = png::Encoder::with_info(&mut file, info).unwrap().write_header().unwrap();
    writer.write_image_data(flat.as_raw()).unwrap();
    writer.finish().unwrap();
    let fixture = RenderFixture::new(&file);
    let kinds = |modifier: &str| {
        fixture
            .render_image(modifier)
            .to_rgb8()
            .pixels()
            .map(|it| it.0)
            .collect::<std::collections::BTreeSet<_>>()
            .len()
    };
    assert_eq!(kinds("fmt=png&icc=sRGB"), 1);
    assert!(kinds("fmt=png&icc=sRGB,relative,1,1") > 1);
}

#[test]
fn a_profile_must_be_known_and_fit_the_format() {
    let (macros, attributes) = (Macros::default(), Attributes::default());
    let input = |modifier| ModifierInput::new(modifier, &macros, &attributes);
    // A documented profile is named with the file to install, an unknown one with those that there are.
    for (modifier, remedy) in [("icc=WebCoated&fmt=png", "USWebCoatedSWOP.icc"), ("icc=nowhere&fmt=png", "AdobeRGB")] {
        let diagnostic = resolve_modifier(&input(modifier)).unwrap_err().remove(0);
        assert!(diagnostic.remedy.contains(remedy) && diagnostic.remedy.contains("OFFPRINT_ICC_DIR"), "{diagnostic}");
    }
    assert!(resolve_modifier(&input("icc=sGray&fmt=webp")).unwrap_err()[0].detail.contains("gray"));
    let gray = resolve_modifier(&input("fmt=png,rgb&icc=sGray")).unwrap().recipe;
    assert_eq!(gray.output.pixel_type, PixelType::Gray, "the profile overrides the pixel type");
    assert!(resolve_modifier(&input("icc=sRGB,loud")).is_err());
}

/// The service finds the operator's profiles, passes them to its render processes, and lists them when one is unknown.
#[sqlx::test]
async fn the_operators_profiles_reach_the_render(pool: PgPool) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("press.icc"), cmyk_profile::build_profile()).unwrap();
    let app = TestApp::with_settings(pool, |settings| settings.modifiers.icc_dir = folder.path().to_owned()).await;
    let image = encode_image(RgbImage::from_pixel(16, 16, Rgb([217, 130, 90])), ImageFormat::Png);
    app.upload_asset("a.png", &image).await;
    let unknown = json!({"assetFilter": {}, "fmt": "convert", "is_modifier": "icc=nowhere&fmt=tif"});
    let refused = app.post("/export-jobs", unknown).await.expect_status(422);
    assert!(refused.to_string().contains("press"), "{refused}");
    let request =
        json!({"assetFilter": {}, "fmt": "convert", "is_modifier": "icc=press,relative,0&fmt=tif&iccEmbed=1"});
    let file = export_single_file(&app, request).await;
    let light = cmyk_profile::convert_inks_to_rgb(decode_inks(&file).map(|it| f64::from(it) / 255.0));
    assert!(is_close(&[217, 130, 90], &light, 6.0), "{light:?}");
}
