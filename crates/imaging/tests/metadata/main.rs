//! Orientation, profile, rights and resolution from every place of every container, whole and with one broken entry.

#![allow(clippy::unwrap_used)]

mod containers;
mod tags;

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use containers::*;
use offprint_core::Code;
use offprint_imaging::{ImageHeader, ImageRights, RenderError, Turn, read_image_header};
use tags::{Fault, Layout, build_exif, start_tiff};

const ICC: &[u8] = b"profile";
const JPEG_XMP: &[u8] = b"http://ns.adobe.com/xap/1.0/\0";

fn read_header(file: &[u8]) -> Result<ImageHeader, RenderError> {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let path: PathBuf = std::env::temp_dir().join(format!("offprint-metadata-{}-{number}", std::process::id()));
    fs::write(&path, file).unwrap();
    let header = read_image_header(&path);
    fs::remove_file(&path).unwrap();
    header
}

/// The rights of the tags that [`build_exif`] writes.
fn expect_tag_rights() -> ImageRights {
    ImageRights { creators: vec!["Ada".into()], copyright: Some("© Müller".into()), ..Default::default() }
}

fn expect_all_rights() -> ImageRights {
    ImageRights {
        credit: Some("Us".into()),
        usage_terms: Some("Ask & pay".into()),
        web_statement: Some("https://example.com/terms".into()),
        digital_source_type: Some("https://cv.iptc.org/newscodes/digitalsourcetype/digitalCapture".into()),
        ..expect_tag_rights()
    }
}

/// XMP with all rights, an orientation and a resolution.
fn build_xmp() -> Vec<u8> {
    let packet = String::from_utf8(expect_all_rights().to_xmp().unwrap()).unwrap();
    let tiff = "<rdf:Description xmlns:tiff=\"http://ns.adobe.com/tiff/1.0/\" tiff:Orientation=\"6\" tiff:XResolution=\"300/1\"/>";
    packet.replace("</rdf:RDF>", &format!("{tiff}</rdf:RDF>")).into_bytes()
}

fn build_iptc() -> Vec<u8> {
    let data_set = |set: u8, text: &[u8]| [&[0x1C, 2, set, 0, text.len() as u8][..], text].concat();
    // Some programs pad data sets; the last one here is cut off.
    [data_set(80, b"Ada"), vec![0], data_set(116, "© Müller".as_bytes()), vec![0x1C, 2, 25, 0, 99]].concat()
}

/// What a row of the table expects: orientation, dots per inch, rights, whether there is a profile.
type Expected = (Turn, Option<f64>, ImageRights, bool);

fn check(name: &str, file: &[u8], (orientation, dpi, rights, has_profile): Expected) {
    let header = read_header(file).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(header.orientation, orientation, "{name}: orientation");
    assert_eq!(header.dpi.map(f64::round), dpi, "{name}: resolution");
    assert_eq!(header.rights, rights, "{name}: rights");
    assert_eq!(header.profile.is_some(), has_profile, "{name}: profile");
}

#[test]
fn tags_are_read_from_every_container_whole_or_broken() {
    let turned = Turn::from_exif(6);
    for fault in Fault::ALL {
        let exif = build_exif(fault);
        let prefixed = [b"Exif\0\0", exif.as_slice()].concat();
        let icc_jpeg = (0xE2, [b"ICC_PROFILE\0\x01\x01", ICC].concat());
        let icc_png = || (b"iCCP", [&b"p\0\0"[..], &deflate(ICC)].concat());
        let tiff = |layout| start_tiff(layout, fault).describe().bytes(34_675, 7, ICC).build(&[7]);
        let files = [
            ("JPEG", build_jpeg(&[(0xE1, prefixed.clone()), icc_jpeg])),
            ("PNG, eXIf", build_png(&[icc_png(), (b"eXIf", exif.clone())], &[])),
            ("PNG, eXIf behind", build_png(&[icc_png()], &[(b"eXIf", exif.clone())])),
            ("PNG, zTXt", build_png(&[icc_png(), build_raw_profile(b"zTXt", "exif", &prefixed)], &[])),
            ("PNG, tEXt", build_png(&[icc_png()], &[build_raw_profile(b"tEXt", "APP1", &prefixed)])),
            ("PNG, iTXt", build_png(&[icc_png(), build_raw_profile(b"iTXt", "exif", &exif)], &[])),
            (
                "PNG, profile as text",
                build_png(&[build_raw_profile(b"zTXt", "icc", ICC), (b"eXIf", exif.clone())], &[]),
            ),
            ("WebP", build_webp(&[(b"ICCP", ICC.to_vec()), (b"EXIF", exif.clone())])),
            ("WebP, prefixed", build_webp(&[(b"ICCP", ICC.to_vec()), (b"EXIF", prefixed.clone())])),
            ("TIFF", tiff(Layout::Little)),
            ("TIFF, big endian", tiff(Layout::Big)),
            ("BigTIFF", tiff(Layout::Large)),
        ];
        for (name, file) in files {
            // The tiff crate loses its place in a BigTIFF behind an entry of an unknown type.
            if (name, fault) == ("BigTIFF", Fault::UnknownType) {
                continue;
            }
            check(&format!("{name}, {fault:?}"), &file, (turned, Some(300.0), expect_tag_rights(), true));
        }
        // AVIF is turned by its boxes, which say nothing here.
        let avif = build_avif(&exif);
        check(&format!("AVIF, {fault:?}"), &avif, (Turn::NONE, Some(300.0), expect_tag_rights(), false));
    }
}

#[test]
fn xmp_iptc_and_resources_are_read_from_every_container() {
    let (xmp, all, turned) = (build_xmp(), expect_all_rights(), Turn::from_exif(6));
    let (iptc, resolution) = (build_iptc(), build_resolution(300));
    // The last resource is longer than what is there.
    let broken =
        [build_resources(&[(1028, &iptc), (1005, &resolution)]), b"8BIM\x07\xD0\0\0\0\0\xFF\0".to_vec()].concat();
    let photoshop = [b"Photoshop 3.0\0", broken.as_slice()].concat();
    let start = |layout| start_tiff(layout, Fault::None);
    let plain = (Turn::NONE, Some(300.0), expect_tag_rights(), false);
    let files = [
        ("JPEG, XMP", build_jpeg(&[(0xE1, [JPEG_XMP, &xmp].concat())]), (Turn::NONE, Some(300.0), all.clone(), false)),
        ("JPEG, resources", build_jpeg(&[(0xED, photoshop)]), plain.clone()),
        (
            "PNG, XMP",
            build_png(&[build_text(b"iTXt", "XML:com.adobe.xmp", &xmp)], &[]),
            (turned, Some(300.0), all.clone(), false),
        ),
        (
            "PNG, XMP behind",
            build_png(&[], &[build_text(b"iTXt", "XML:com.adobe.xmp", &xmp)]),
            (turned, Some(300.0), all.clone(), false),
        ),
        (
            "PNG, raw XMP",
            build_png(&[build_raw_profile(b"zTXt", "xmp", &xmp)], &[]),
            (turned, Some(300.0), all.clone(), false),
        ),
        (
            "PNG, APP1 with XMP",
            build_png(&[build_raw_profile(b"zTXt", "APP1", &[JPEG_XMP, &xmp].concat())], &[]),
            (turned, Some(300.0), all.clone(), false),
        ),
        (
            "PNG, IPTC",
            build_png(&[build_raw_profile(b"zTXt", "iptc", &iptc)], &[]),
            (Turn::NONE, None, expect_tag_rights(), false),
        ),
        ("PNG, resources", build_png(&[build_raw_profile(b"zTXt", "iptc", &broken)], &[]), plain.clone()),
        (
            "PNG, texts",
            build_png(
                &[build_text(b"tEXt", "Author", b"Ada")],
                &[build_text(b"iTXt", "Copyright", "© Müller".as_bytes())],
            ),
            (Turn::NONE, None, expect_tag_rights(), false),
        ),
        (
            "PNG, pHYs",
            build_png(&[(b"pHYs", [&11_811_u32.to_be_bytes()[..], &11_811_u32.to_be_bytes(), &[1]].concat())], &[]),
            (Turn::NONE, Some(300.0), ImageRights::default(), false),
        ),
        ("TIFF, XMP", start(Layout::Little).bytes(700, 1, &xmp).build(&[7]), (turned, Some(300.0), all.clone(), false)),
        (
            "TIFF, IPTC",
            start(Layout::Big).bytes(33_723, 7, &iptc).build(&[7]),
            (Turn::NONE, None, expect_tag_rights(), false),
        ),
        ("TIFF, resources", start(Layout::Large).bytes(34_377, 7, &broken).build(&[7]), plain.clone()),
        ("WebP, XMP", build_webp(&[(b"XMP ", xmp.clone())]), (Turn::NONE, Some(300.0), all.clone(), false)),
        ("JPEG 2000", build_jp2(ICC, 11_811, &xmp), (Turn::NONE, Some(300.0), all.clone(), true)),
        (
            "Photoshop",
            build_psd(&build_resources(&[(1028, &iptc), (1005, &resolution), (1039, ICC)])),
            (Turn::NONE, Some(300.0), expect_tag_rights(), true),
        ),
        ("Photoshop, XMP", build_psd(&build_resources(&[(1060, &xmp)])), (Turn::NONE, Some(300.0), all.clone(), false)),
    ];
    for (name, file, expected) in files {
        check(name, &file, expected);
    }
}

#[test]
fn the_first_place_that_knows_the_resolution_counts() {
    let exif = (0xE1, [b"Exif\0\0", build_exif(Fault::None).as_slice()].concat());
    let photoshop = (0xED, [b"Photoshop 3.0\0".to_vec(), build_resources(&[(1005, &build_resolution(200))])].concat());
    let cases = [
        (vec![build_jfif(1, 150), exif.clone()], Some(150.0)),
        (vec![build_jfif(2, 59), exif.clone()], Some(150.0)),
        (vec![build_jfif(0, 1), exif.clone(), photoshop.clone()], Some(300.0)),
        // One dot per inch is what programs write that know none.
        (vec![build_jfif(1, 1), exif], Some(300.0)),
        (vec![build_jfif(1, 1), photoshop], Some(200.0)),
        (vec![build_jfif(1, 1)], None),
        (vec![build_jfif(2, 1)], None),
    ];
    for (number, (segments, dpi)) in cases.into_iter().enumerate() {
        assert_eq!(read_header(&build_jpeg(&segments)).unwrap().dpi.map(f64::round), dpi, "case {number}");
    }
}

#[test]
fn cut_and_changed_files_make_no_reader_panic() {
    // The readers turn panics into errors, so they are counted where they begin.
    static PANICS: AtomicU32 = AtomicU32::new(0);
    let (own_thread, report) = (std::thread::current().id(), std::panic::take_hook());
    std::panic::set_hook(Box::new(move |panic| {
        if std::thread::current().id() == own_thread {
            PANICS.fetch_add(1, Ordering::Relaxed);
        }
        report(panic);
    }));
    let (exif, xmp) = (build_exif(Fault::None), build_xmp());
    let resources = build_resources(&[(1028, &build_iptc()), (1005, &build_resolution(300)), (2999, b"\x01a")]);
    let photoshop = (0xED, [b"Photoshop 3.0\0", resources.as_slice()].concat());
    let files = [
        build_jpeg(&[(0xE1, [b"Exif\0\0", exif.as_slice()].concat()), photoshop]),
        build_png(&[build_raw_profile(b"tEXt", "exif", &exif), (b"cHRM", vec![1; 32])], &[(b"eXIf", exif.clone())]),
        build_webp(&[(b"EXIF", exif.clone())]),
        start_tiff(Layout::Large, Fault::None).describe().bytes(34_377, 7, &resources).build(&[7]),
        build_psd(&resources),
        build_gif(&xmp[..100], false),
        build_bmp(ICC, 11_811),
        build_jp2(ICC, 11_811, &xmp[..100]),
    ];
    for file in files {
        for at in 0..file.len() {
            let _ = read_header(&file[..at]);
            for value in [0, 1, 0x7F, 0xFF] {
                let mut changed = file.clone();
                changed[at] = value;
                let _ = read_header(&changed);
            }
        }
    }
    assert_eq!(PANICS.load(Ordering::Relaxed), 0);
}

#[test]
fn text_of_a_png_is_inflated_within_bounds() {
    let huge = deflate(&vec![b'a'; 5 << 20]);
    let bomb = (b"zTXt", [&b"Raw profile type exif\0\0"[..], &huge].concat());
    let header = read_header(&build_png(&[bomb, (b"eXIf", build_exif(Fault::None))], &[])).unwrap();
    assert_eq!(header.orientation, Turn::from_exif(6));
}

#[test]
fn colours_of_a_png_are_what_its_first_chunk_says() {
    let cicp = |numbers: [u8; 4]| (b"cICP", numbers.to_vec());
    let icc = || (b"iCCP", [&b"p\0\0"[..], &deflate(ICC)].concat());
    let profile = |chunks: &[(&[u8; 4], Vec<u8>)]| read_header(&build_png(chunks, &[])).map(|header| header.profile);
    let only = |chunks: &[(&[u8; 4], Vec<u8>)]| profile(chunks).unwrap().unwrap();
    let srgb = only(&[(b"sRGB", vec![0])]);
    let gamma = |value: u32| (b"gAMA", value.to_be_bytes().to_vec());
    assert_ne!(only(&[cicp([12, 13, 0, 1]), icc()]), ICC);
    assert_eq!(only(&[cicp([2, 2, 0, 1]), icc()]), ICC);
    assert_eq!(only(&[icc(), (b"sRGB", vec![0]), gamma(100_000)]), ICC);
    assert_eq!(only(&[(b"sRGB", vec![0]), gamma(100_000)]), srgb);
    assert_eq!(only(&[gamma(45_455)]), srgb);
    assert_ne!(only(&[gamma(100_000)]), srgb);
    assert_eq!(profile(&[gamma(0)]), Ok(None));
    assert_eq!(profile(&[(b"cHRM", vec![0; 32])]), Ok(None));
    for hdr in [[9, 16, 0, 1], [9, 18, 0, 1], [1, 13, 0, 0]] {
        assert_eq!(profile(&[cicp(hdr), icc()]).unwrap_err().code, Code::UnsupportedColor, "{hdr:?}");
    }
}
