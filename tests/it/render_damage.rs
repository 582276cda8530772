//! Pictures that end early, are damaged or lie about themselves.

use image::ImageFormat;
use offprint::code::Code;
use offprint::language::Reading;

use crate::formats::Document;
use crate::render::{Studio, file_of, quarters};

/// One whole file of each format that can be read, and the ways of writing it that decode differently.
fn whole_files() -> Vec<(&'static str, Vec<u8>)> {
    let noise = image::RgbImage::from_fn(97, 61, |x, y| {
        let mixed = x.wrapping_mul(2_654_435_761).rotate_left(y % 31) ^ y.wrapping_mul(40_503);
        image::Rgb([mixed as u8, (mixed >> 8) as u8, (mixed >> 16) as u8])
    });
    let studio = Studio::with(&file_of(noise.clone(), ImageFormat::Png));
    let made = |modifier: &str| studio.file(modifier).unwrap().0;
    vec![
        ("jpeg", made("fmt=jpeg")),
        ("progressive jpeg", made("fmt=pjpeg")),
        ("png", made("fmt=png")),
        ("png8", made("fmt=png8")),
        ("tiff", made("fmt=tif")),
        ("tiff lzw", made("fmt=tif,,lzw")),
        ("tiff zip", made("fmt=tif,,zip")),
        ("gif", made("fmt=gif")),
        ("webp", made("fmt=webp")),
        ("webp lossless", made("fmt=webp,,lossless")),
        ("bmp", file_of(noise.clone(), ImageFormat::Bmp)),
        ("jpeg 2000", made("fmt=jpeg2000")),
        ("jpeg 2000 lossless", made("fmt=jpeg2000,,lossless")),
        ("avif", made("fmt=avif")),
        ("avif lossless", made("fmt=avif,,lossless")),
        ("psd", document(&noise, false)),
        ("psd packed", document(&noise, true)),
    ]
}

fn document(picture: &image::RgbImage, packed: bool) -> Vec<u8> {
    let planes: Vec<Vec<u8>> = (0..3).map(|channel| picture.pixels().map(|pixel| pixel.0[channel]).collect()).collect();
    let head = (3, 8, picture.width(), picture.height());
    Document { head, planes: &planes, packed, transparent: false, palette: &[], resources: &[] }.file()
}

#[test]
fn whatever_is_cut_off_fails() {
    for (name, whole) in whole_files() {
        assert!(Studio::with(&whole).file("wid=20").is_ok(), "{name}");
        for cut in [1, 2, 10, whole.len() / 10, whole.len() / 2, whole.len() - 20] {
            let failure = Studio::with(&whole[..whole.len() - cut]).file("wid=20").unwrap_err();
            assert!(matches!(failure.code, Code::Truncated | Code::Corrupt), "{name} without {cut}: {failure}");
        }
    }
}

#[test]
fn what_is_cut_off_is_rendered_as_far_as_it_decodes_on_request() {
    let lenient = Reading { accepts_damage: true, ..Reading::default() };
    for (name, whole) in whole_files() {
        let (expected, rendered) = Studio::with(&whole).read("fmt=png", lenient).unwrap();
        assert_eq!(rendered.warnings, [], "{name}");
        let Ok((made, rendered)) = Studio::with(&whole[..whole.len() * 9 / 10]).read("fmt=png", lenient) else {
            // Of these nothing can be had, or the directory stands at the end.
            let nothing = ["gif", "webp", "bmp", "tiff", "avif"];
            assert!(nothing.iter().any(|kind| name.starts_with(kind)), "{name}");
            continue;
        };
        assert_eq!(rendered.warnings.iter().map(|it| it.code).collect::<Vec<_>>(), [Code::CorruptSource], "{name}");
        let rows = |file: &[u8]| image::load_from_memory(file).unwrap().crop_imm(0, 0, 97, 30).into_rgb8();
        assert_eq!(image::load_from_memory(&made).unwrap().height(), 61, "{name}");
        // Each pass of a progressive one is of the whole picture, and so are waves.
        let whole = name == "progressive jpeg" || name.starts_with("jpeg 2000");
        assert!(whole || rows(&made) == rows(&expected), "{name}");
    }
    let mut tiff = Studio::with(&file_of(quarters(400, 400), ImageFormat::Png)).file("fmt=tif,,lzw").unwrap().0;
    let strip = 200_000.min(tiff.len() / 2);
    tiff[strip..strip + 400].fill(0xFF);
    assert_eq!(Studio::with(&tiff).file("wid=20").unwrap_err().code, Code::Corrupt);
    assert_eq!(Studio::with(&tiff).read("wid=20", lenient).unwrap().1.warnings[0].code, Code::CorruptSource);
    assert!(Studio::with(b"\x89PNG\r\n\x1a\n").read("", lenient).is_err());
}

#[test]
fn bytes_after_the_end_are_no_damage() {
    for (name, mut whole) in whole_files() {
        whole.extend_from_slice(&b"left over \xFF\xD8".repeat(300));
        assert!(Studio::with(&whole).file("wid=20").is_ok(), "{name}");
    }
}

#[test]
fn damage_never_crashes_and_keeps_its_code() {
    for (name, whole) in whole_files() {
        for at in (0..40).map(|step| step * whole.len() / 40) {
            let mut damaged = whole.clone();
            damaged[at] ^= 0x55;
            let Err(failure) = Studio::with(&damaged).file("wid=20") else { continue };
            let known = [
                Code::Truncated,
                Code::Corrupt,
                Code::UnsupportedFormat,
                Code::UnsupportedColor,
                Code::SourceTooLarge,
                Code::OutputTooLarge,
            ];
            assert!(known.contains(&failure.code), "{name} with byte {at} changed: {failure}");
        }
    }
    let mut png = file_of(quarters(9, 9), ImageFormat::Png);
    let data = png.windows(4).position(|name| name == b"IDAT").unwrap();
    png[data + 8] ^= 1;
    assert_eq!(Studio::with(&png).file("").unwrap_err().code, Code::Corrupt);
}

#[test]
fn what_is_no_picture_is_named_so() {
    for other in [&b""[..], b"%PDF-1.7", b"hello", b"\xFF\xD8"] {
        assert_eq!(Studio::with(other).file("").unwrap_err().code, Code::UnsupportedFormat);
    }
}

#[test]
fn sizes_are_refused_before_anything_is_decoded() {
    let mut bomb = file_of(quarters(9, 9), ImageFormat::Gif);
    bomb[6..10].copy_from_slice(&[0xFF; 4]);
    assert_eq!(Studio::with(&bomb).file("").unwrap_err().code, Code::SourceTooLarge);
}
