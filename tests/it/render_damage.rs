//! Sources that are truncated, damaged, or whose headers are wrong.

use image::ImageFormat;
use offprint_core::Code;
use offprint_modifiers::DecodeOptions;

use crate::support::images::{draw_quarters, encode_image};
use crate::support::psd::PsdDocument;
use crate::support::render_fixture::RenderFixture;

/// One valid file of each input format, and of each variant that a different decoder path reads.
fn encode_all_formats() -> Vec<(&'static str, Vec<u8>)> {
    let noise = image::RgbImage::from_fn(97, 61, |x, y| {
        let mixed = x.wrapping_mul(2_654_435_761).rotate_left(y % 31) ^ y.wrapping_mul(40_503);
        image::Rgb([mixed as u8, (mixed >> 8) as u8, (mixed >> 16) as u8])
    });
    let fixture = RenderFixture::new(&encode_image(noise.clone(), ImageFormat::Png));
    let render = |modifier: &str| fixture.render_file(modifier).unwrap().0;
    vec![
        ("jpeg", render("fmt=jpeg")),
        ("progressive jpeg", render("fmt=pjpeg")),
        ("png", render("fmt=png")),
        ("png8", render("fmt=png8")),
        ("tiff", render("fmt=tif")),
        ("tiff lzw", render("fmt=tif,,lzw")),
        ("tiff zip", render("fmt=tif,,zip")),
        ("gif", render("fmt=gif")),
        ("webp", render("fmt=webp")),
        ("webp lossless", render("fmt=webp,,lossless")),
        ("bmp", encode_image(noise.clone(), ImageFormat::Bmp)),
        ("jpeg 2000", render("fmt=jpeg2000")),
        ("jpeg 2000 lossless", render("fmt=jpeg2000,,lossless")),
        ("avif", render("fmt=avif")),
        ("avif lossless", render("fmt=avif,,lossless")),
        ("psd", encode_psd(&noise, false)),
        ("psd packed", encode_psd(&noise, true)),
    ]
}

fn encode_psd(image: &image::RgbImage, packed: bool) -> Vec<u8> {
    let planes: Vec<Vec<u8>> = (0..3).map(|channel| image.pixels().map(|pixel| pixel.0[channel]).collect()).collect();
    let head = (3, 8, image.width(), image.height());
    PsdDocument { header: head, planes: &planes, packed, transparent: false, palette: &[], resources: &[] }.encode()
}

#[test]
fn whatever_is_cut_off_fails_unless_no_pixel_is_missing() {
    for (name, whole) in encode_all_formats() {
        let (expected, _) = RenderFixture::new(&whole).render_file("wid=20").unwrap();
        for cut in [1, 2, 10, whole.len() / 10, whole.len() / 2, whole.len() - 20] {
            match RenderFixture::new(&whole[..whole.len() - cut]).render_file("wid=20") {
                Err(failure) => {
                    assert!(matches!(failure.code, Code::Truncated | Code::Corrupt), "{name} without {cut}: {failure}");
                }
                // Only the end mark is missing, or bytes that fill up a row.
                Ok((file, rendered)) => {
                    let codes: Vec<_> = rendered.warnings.iter().map(|warning| warning.code).collect();
                    assert!(matches!(codes[..], [] | [Code::SourceIrregular]), "{name} without {cut}: {codes:?}");
                    assert!(file == expected, "{name} without {cut}");
                }
            }
        }
    }
}

#[test]
fn what_is_cut_off_is_rendered_as_far_as_it_decodes_on_request() {
    let lenient = DecodeOptions { accepts_damage: true, ..DecodeOptions::default() };
    for (name, whole) in encode_all_formats() {
        let (expected, rendered) = RenderFixture::new(&whole).render_reading("fmt=png", lenient).unwrap();
        assert_eq!(rendered.warnings, [], "{name}");
        let Ok((partial, rendered)) =
            RenderFixture::new(&whole[..whole.len() * 9 / 10]).render_reading("fmt=png", lenient)
        else {
            // Nothing of these can be decoded in part, or their directory is at the end of the file.
            let nothing = ["gif", "webp", "bmp", "tiff", "avif"];
            assert!(nothing.iter().any(|kind| name.starts_with(kind)), "{name}");
            continue;
        };
        assert_eq!(rendered.warnings.iter().map(|it| it.code).collect::<Vec<_>>(), [Code::CorruptSource], "{name}");
        let rows = |file: &[u8]| image::load_from_memory(file).unwrap().crop_imm(0, 0, 97, 30).into_rgb8();
        assert_eq!(image::load_from_memory(&partial).unwrap().height(), 61, "{name}");
        // Each scan of a progressive JPEG, and each wavelet level, covers the whole image.
        let whole = name == "progressive jpeg" || name.starts_with("jpeg 2000");
        assert!(whole || rows(&partial) == rows(&expected), "{name}");
    }
    let mut tiff = RenderFixture::new(&encode_image(draw_quarters(400, 400), ImageFormat::Png))
        .render_file("fmt=tif,,lzw")
        .unwrap()
        .0;
    let strip = 200_000.min(tiff.len() / 2);
    tiff[strip..strip + 400].fill(0xFF);
    assert_eq!(RenderFixture::new(&tiff).render_file("wid=20").unwrap_err().code, Code::Corrupt);
    assert_eq!(
        RenderFixture::new(&tiff).render_reading("wid=20", lenient).unwrap().1.warnings[0].code,
        Code::CorruptSource
    );
    assert!(RenderFixture::new(b"\x89PNG\r\n\x1a\n").render_reading("", lenient).is_err());
}

#[test]
fn bytes_after_the_end_are_no_damage() {
    for (name, mut whole) in encode_all_formats() {
        whole.extend_from_slice(&b"left over \xFF\xD8".repeat(300));
        assert!(RenderFixture::new(&whole).render_file("wid=20").is_ok(), "{name}");
    }
}

#[test]
fn damage_never_crashes_and_keeps_its_code() {
    for (name, whole) in encode_all_formats() {
        for at in (0..40).map(|step| step * whole.len() / 40) {
            let mut damaged = whole.clone();
            damaged[at] ^= 0x55;
            let Err(failure) = RenderFixture::new(&damaged).render_file("wid=20") else { continue };
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
    let mut png = encode_image(draw_quarters(9, 9), ImageFormat::Png);
    let data = png.windows(4).position(|name| name == b"IDAT").unwrap();
    png[data + 8] ^= 1;
    assert_eq!(RenderFixture::new(&png).render_file("").unwrap_err().code, Code::Corrupt);
}

#[test]
fn what_is_no_image_is_named_so() {
    for bytes in [&b""[..], b"%PDF-1.7", b"hello", b"\xFF\xD8"] {
        assert_eq!(RenderFixture::new(bytes).render_file("").unwrap_err().code, Code::UnsupportedFormat);
    }
}

#[test]
fn sizes_are_refused_before_anything_is_decoded() {
    let mut bomb = encode_image(draw_quarters(9, 9), ImageFormat::Gif);
    bomb[6..10].copy_from_slice(&[0xFF; 4]);
    assert_eq!(RenderFixture::new(&bomb).render_file("").unwrap_err().code, Code::SourceTooLarge);
}
