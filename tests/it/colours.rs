//! Colour management: which profile a picture has and which its output, and what becomes of its numbers.

use image::{DynamicImage, ImageBuffer, ImageFormat, Luma, Rgb, RgbImage};
use offprint::code::Code;
use offprint::language::{Attributes, Macros, Order, PixelType, recipe};
use offprint::render::probe;
use serde_json::json;
use sqlx::PgPool;
use tiff::encoder::{TiffEncoder, colortype};
use tiff::tags::Tag;

use crate::exportjob::{file, finished, items};
use crate::house::House;
use crate::inks;
use crate::render::{Studio, file_of};

/// A flat TIFF of inks, with a profile or without.
fn printed(inks: [u8; 4], profile: Option<&[u8]>) -> Vec<u8> {
    let mut file = std::io::Cursor::new(Vec::new());
    let mut encoder = TiffEncoder::new(&mut file).unwrap();
    let mut image = encoder.new_image::<colortype::CMYK8>(8, 8).unwrap();
    if let Some(profile) = profile {
        image.encoder().write_tag(Tag::IccProfile, profile).unwrap();
    }
    image.write_data(&inks.repeat(64)).unwrap();
    file.into_inner()
}

/// A flat PNG, with a profile or without.
fn tagged(rgb: [u8; 3], profile: Option<&[u8]>) -> Vec<u8> {
    let mut file = Vec::new();
    let mut info = png::Info::with_size(8, 8);
    (info.bit_depth, info.color_type) = (png::BitDepth::Eight, png::ColorType::Rgb);
    info.icc_profile = profile.map(|profile| profile.to_vec().into());
    let mut writer = png::Encoder::with_info(&mut file, info).unwrap().write_header().unwrap();
    writer.write_image_data(&rgb.repeat(64)).unwrap();
    writer.finish().unwrap();
    file
}

/// The one file of a job that succeeds.
pub async fn made(house: &House, order: serde_json::Value) -> Vec<u8> {
    let job = finished(house, order).await;
    let items = items(house, &job).await;
    assert_eq!(items[0]["state"], "succeeded", "{items:#?}");
    file(house, &job, items[0]["files"][0]["path"].as_str().unwrap()).await
}

fn codes(warnings: &[offprint::render::Warning]) -> Vec<Code> {
    warnings.iter().map(|warning| warning.code).collect()
}

/// The inks of a flat TIFF that was made.
fn inks_of(file: &[u8]) -> [u8; 4] {
    let mut decoder = tiff::decoder::Decoder::new(std::io::Cursor::new(file)).unwrap();
    assert_eq!(decoder.colortype().unwrap(), tiff::ColorType::CMYK(8));
    let tiff::decoder::DecodingResult::U8(data) = decoder.read_image().unwrap() else { panic!("not eight bits") };
    data[..4].try_into().unwrap()
}

fn close(a: &[u8], b: &[f64], most: f64) -> bool {
    a.iter().zip(b).all(|(a, b)| (f64::from(*a) - b * 255.0).abs() <= most)
}

#[test]
fn inks_become_the_colours_that_their_profile_says() {
    let said = [64, 0, 128, 32];
    let expected = inks::light(said.map(|it| f64::from(it) / 255.0));
    let own = Studio::with(&printed(said, Some(&inks::profile())));
    let (file, rendered) = own.file("fmt=png&icc=sRGB,relative,0&iccEmbed=1").unwrap();
    let pixel = image::load_from_memory(&file).unwrap().to_rgb8()[(4, 4)].0;
    assert!(close(&pixel, &expected, 3.0), "{pixel:?} {expected:?}");
    assert_eq!(codes(&rendered.warnings), []);
    // Without a profile of its own the attribute's is taken, and without that the rough rule.
    let taken = Studio::with(&printed(said, None)).told("IccProfileSrcCmyk=WebCoated", "inks.icc", &inks::profile());
    let (file, rendered) = taken.file("fmt=png&icc=sRGB,relative,0").unwrap();
    assert_eq!(image::load_from_memory(&file).unwrap().to_rgb8()[(4, 4)].0, pixel);
    assert_eq!(codes(&rendered.warnings), []);
    let (file, rendered) = Studio::with(&printed(said, None)).file("fmt=png").unwrap();
    assert_eq!(image::load_from_memory(&file).unwrap().to_rgb8()[(4, 4)].0, [167, 223, 111]);
    assert_eq!(codes(&rendered.warnings), [Code::NaiveColors]);
}

#[test]
fn black_becomes_black_with_compensation_only() {
    let studio = Studio::with(&printed([255; 4], Some(&inks::profile())));
    let black = |modifier: &str| studio.picture(modifier).to_rgb8()[(4, 4)].0;
    assert!(black("fmt=png&icc=sRGB,relative,1").iter().all(|it| *it <= 2));
    assert!(close(&black("fmt=png&icc=sRGB,relative,0"), &inks::light([1.0; 4]), 3.0));
    assert_eq!(black("fmt=png"), black("fmt=png&icc=sRGB,relative,1"), "compensation is the default");
}

#[test]
fn colours_become_inks_through_the_named_profile() {
    let profile = inks::profile();
    let studio = Studio::with(&tagged([217, 130, 90], None)).told("", "inks.icc", &profile);
    for name in ["inks", "WebCoated", "U.S. Web Coated (SWOP) v2"] {
        let (file, rendered) = studio.file(&format!("fmt=tif&icc={name},relative,0&iccEmbed=1")).unwrap();
        let light = inks::light(inks_of(&file).map(|it| f64::from(it) / 255.0));
        assert!(close(&[217, 130, 90], &light, 6.0), "{light:?}");
        assert_eq!(codes(&rendered.warnings), [Code::ProfileAssumed]);
        let again = probe(&Studio::with(&file).source()).unwrap();
        assert_eq!((again.color, again.profile.as_deref()), (PixelType::Cmyk, Some(&*profile)));
    }
    let (file, _) = studio.file("fmt=jpeg&icc=WebCoated").unwrap();
    let header = probe(&Studio::with(&file).source()).unwrap();
    assert_eq!((header.color, header.inverted), (PixelType::Cmyk, true));
    // What is written as inks is in the output's inks already.
    let (file, _) = studio.file("fmt=tif&icc=WebCoated&wid=4&hei=8&bgc=10,20,30,40k").unwrap();
    assert_eq!(inks_of(&file), [26, 51, 77, 102]);
}

#[test]
fn without_a_profile_inks_follow_the_rough_rule_and_back() {
    let studio = Studio::with(&tagged([102, 51, 0], None));
    let (file, rendered) = studio.file("fmt=tif,cmyk&iccEmbed=1").unwrap();
    assert_eq!(inks_of(&file), [0, 128, 255, 153]);
    assert_eq!(codes(&rendered.warnings), [Code::NaiveColors]);
    let again = Studio::with(&file);
    assert!(probe(&again.source()).unwrap().profile.is_none());
    assert_eq!(again.picture("fmt=png").to_rgb8()[(4, 4)].0, [102, 51, 0]);
    let jpeg = studio.file("fmt=jpeg,cmyk&qlt=100").unwrap().0;
    let back = Studio::with(&jpeg).picture("fmt=png").to_rgb8()[(4, 4)].0;
    assert!(back.iter().zip([102, 51, 0]).all(|(a, b)| a.abs_diff(b) <= 3), "{back:?}");
}

#[test]
fn inks_stay_as_they_are_in_inks() {
    let profile = inks::profile();
    let studio = Studio::with(&printed([9, 80, 170, 33], Some(&profile)));
    let (file, rendered) = studio.file("fmt=tif,cmyk&iccEmbed=1&wid=4").unwrap();
    assert_eq!((inks_of(&file), codes(&rendered.warnings)), ([9, 80, 170, 33], vec![]));
    assert_eq!(probe(&Studio::with(&file).source()).unwrap().profile, Some(profile));
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
        let there = Studio::with(&tagged(start, None)).file(&format!("fmt=png&icc={name}&iccEmbed=1")).unwrap().0;
        let moved = image::load_from_memory(&there).unwrap().to_rgb8()[(4, 4)].0;
        assert_ne!(moved, start, "{name}");
        let back = Studio::with(&there).picture("fmt=png").to_rgb8()[(4, 4)].0;
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
    let studio = Studio::with(&file);
    let gray = studio.picture("fmt=png,gray").to_luma8()[(4, 4)].0[0];
    // 55/255 of the light.
    assert!(gray.abs_diff(128) <= 1, "{gray}");
    assert_eq!(studio.picture("fmt=png").to_rgb8()[(4, 4)].0, [gray; 3]);
    let embedded = studio.file("fmt=png,gray&iccEmbed=1").unwrap().0;
    let again = Studio::with(&embedded);
    assert_eq!(again.picture("fmt=png,gray").to_luma8()[(4, 4)].0[0], gray, "what is embedded changes nothing more");
    assert!(probe(&again.source()).unwrap().profile.is_some());
}

#[test]
fn sixteen_bits_are_carried_to_the_end() {
    let ramp: ImageBuffer<Luma<u16>, Vec<u16>> = ImageBuffer::from_fn(256, 8, |x, _| Luma([32_300 + x as u16 * 4]));
    let studio = Studio::with(&file_of(DynamicImage::ImageLuma16(ramp), ImageFormat::Png));
    let stretched = studio.picture("fmt=png&op_contrast=90").to_rgb8();
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
    let studio = Studio::with(&file);
    let kinds = |modifier: &str| {
        studio.picture(modifier).to_rgb8().pixels().map(|it| it.0).collect::<std::collections::BTreeSet<_>>().len()
    };
    assert_eq!(kinds("fmt=png&icc=sRGB"), 1);
    assert!(kinds("fmt=png&icc=sRGB,relative,1,1") > 1);
}

#[test]
fn a_profile_must_be_known_and_fit_the_format() {
    let (macros, attributes) = (Macros::default(), Attributes::default());
    let order = |modifier| Order::new(modifier, &macros, &attributes);
    let complaint = recipe(&order("icc=WebCoated&fmt=png")).unwrap_err().remove(0);
    assert!(complaint.remedy.contains("AdobeRGB") && complaint.remedy.contains("OFFPRINT_ICC_DIR"), "{complaint}");
    assert!(recipe(&order("icc=sGray&fmt=webp")).unwrap_err()[0].detail.contains("gray"));
    let gray = recipe(&order("fmt=png,rgb&icc=sGray")).unwrap().recipe;
    assert_eq!(gray.output.pixel_type, PixelType::Gray, "the profile beats the pixel type");
    assert!(recipe(&order("icc=sRGB,loud")).is_err());
}

/// The service finds the operator's profiles, hands them to its render processes, and lists them when one is missing.
#[sqlx::test]
async fn the_operators_profiles_reach_the_render(pool: PgPool) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("press.icc"), inks::profile()).unwrap();
    let house = House::with(pool, |settings| settings.icc_dir = folder.path().to_owned()).await;
    let picture = file_of(RgbImage::from_pixel(16, 16, Rgb([217, 130, 90])), ImageFormat::Png);
    house.asset("a.png", &picture).await;
    let unknown = json!({"assetFilter": {}, "fmt": "convert", "is_modifier": "icc=WebUncoated&fmt=tif"});
    let refused = house.post("/export-jobs", unknown).await.is(422);
    assert!(refused.to_string().contains("press"), "{refused}");
    let order = json!({"assetFilter": {}, "fmt": "convert", "is_modifier": "icc=press,relative,0&fmt=tif&iccEmbed=1"});
    let file = made(&house, order).await;
    let light = inks::light(inks_of(&file).map(|it| f64::from(it) / 255.0));
    assert!(close(&[217, 130, 90], &light, 6.0), "{light:?}");
}
