//! What a picture says of itself: rights are kept, orientation is applied, the rest is dropped.

use std::io::Cursor;

use image::{ImageFormat, Rgb, RgbImage};
use offprint::code::Code;
use offprint::render::{Rights, Turn, probe};
use serde_json::json;
use sqlx::PgPool;

use crate::colours::made;
use crate::formats::Document;
use crate::house::House;
use crate::render::{Studio, file_of};

/// EXIF that turns the picture, names people, and tells where it was taken.
fn exif() -> Vec<u8> {
    let (artist, copyright) = (b"Ada\0", b"mine\0");
    let mut out = b"II*\0\x08\0\0\0".to_vec();
    let start = 8 + 2 + 4 * 12 + 4;
    let gps = start + copyright.len() as u32 + 1;
    out.extend(4_u16.to_le_bytes());
    let mut entry = |tag: u16, kind: u16, count: u32, value: [u8; 4]| {
        out.extend(tag.to_le_bytes());
        out.extend(kind.to_le_bytes());
        out.extend(count.to_le_bytes());
        out.extend(value);
    };
    entry(0x0112, 3, 1, [6, 0, 0, 0]);
    entry(0x013B, 2, 4, *artist);
    entry(0x8298, 2, copyright.len() as u32, start.to_le_bytes());
    entry(0x8825, 4, 1, gps.to_le_bytes());
    out.extend([0; 4]);
    out.extend(copyright);
    out.push(0);
    // GPSLatitudeRef and the datum, by which it would be known again.
    out.extend([1, 0, 0x12, 0, 2, 0, 4, 0, 0, 0]);
    out.extend(b"SECR");
    out.extend([0; 4]);
    out
}

const XMP: &str = "<x:xmpmeta xmlns:x=\"adobe:ns:meta/\"><rdf:RDF><rdf:Description photoshop:Credit=\"Us\" \
                   exif:GPSLatitude=\"SECRET\"/></rdf:RDF></x:xmpmeta>";

/// A JPEG with all of it, wider than high as it is stored.
fn picture() -> Vec<u8> {
    let plain = file_of(RgbImage::from_pixel(32, 16, Rgb([90, 120, 200])), ImageFormat::Jpeg);
    let mut file = plain[..2].to_vec();
    for data in
        [[b"Exif\0\0".as_slice(), &exif()].concat(), [b"http://ns.adobe.com/xap/1.0/\0", XMP.as_bytes()].concat()]
    {
        file.extend([0xFF, 0xE1]);
        file.extend((data.len() as u16 + 2).to_be_bytes());
        file.extend(data);
    }
    file.extend(&plain[2..]);
    file
}

fn rights() -> Rights {
    Rights { creators: vec!["Ada".into()], copyright: Some("mine".into()), credit: Some("Us".into()) }
}

fn tells(file: &[u8], secret: &[u8]) -> bool {
    file.windows(secret.len()).any(|part| part == secret)
}

#[test]
fn rights_are_kept_and_places_are_dropped() {
    let studio = Studio::with(&picture());
    let before = probe(&studio.source()).unwrap();
    assert_eq!((before.upright(), &before.rights), ((16, 32), &rights()));
    for format in ["jpeg", "pjpeg", "png", "tif", "webp", "webp-alpha,,lossless", "jpeg2000"] {
        let file = studio.file(&format!("fmt={format}")).unwrap().0;
        let after = probe(&Studio::with(&file).source()).unwrap();
        assert_eq!((after.width, after.height, after.orientation), (16, 32, Turn::NONE), "{format}");
        assert_eq!(after.rights, rights(), "{format}");
        assert!(!tells(&file, b"SECR"), "{format}");
    }
    // EXIF has no place for a credit.
    let file = studio.file("fmt=avif").unwrap().0;
    assert_eq!(probe(&Studio::with(&file).source()).unwrap().rights, Rights { credit: None, ..rights() });
    let packet = rights().xmp().unwrap();
    for format in ["gif", "gif-alpha", "pdf", "pdf,,jpeg"] {
        let file = studio.file(&format!("fmt={format}&iccEmbed=1")).unwrap().0;
        assert!(tells(&file, &packet), "{format}");
    }
    assert_eq!(studio.picture("fmt=gif").into_rgb8().dimensions(), (16, 32));
}

#[test]
fn a_webp_with_xmp_says_so_before_its_picture() {
    let clear = image::RgbaImage::from_fn(9, 5, |x, y| image::Rgba([9, 200, 90, (x * 20 + y) as u8]));
    let source = Studio::with(&file_of(clear.clone(), ImageFormat::Png)).file("fmt=png-alpha").unwrap().0;
    // Behind the header of a PNG: XMP in a text chunk.
    let mut text = [b"XML:com.adobe.xmp\0\0\0\0\0", XMP.as_bytes()].concat();
    text.splice(..0, *b"iTXt");
    let chunk = [&(text.len() as u32 - 4).to_be_bytes()[..], &text, &crc32fast::hash(&text).to_be_bytes()].concat();
    let file = [&source[..33], &chunk, &source[33..]].concat();
    let studio = Studio::with(&file);
    for format in ["webp-alpha,,lossless", "webp-alpha", "webp", "webp,,lossless"] {
        let webp = studio.file(&format!("fmt={format}")).unwrap().0;
        assert_eq!((&webp[12..16], webp[20] & 4), (&b"VP8X"[..], 4), "{format}");
        assert_eq!(webp.len(), 8 + u32::from_le_bytes(webp[4..8].try_into().unwrap()) as usize, "{format}");
        let read = Studio::with(&webp);
        let header = probe(&read.source()).unwrap();
        assert_eq!((header.width, header.height, header.rights.credit.as_deref()), (9, 5, Some("Us")), "{format}");
        assert_eq!(header.alpha, format.contains("alpha"), "{format}");
    }
    let lossless = studio.file("fmt=webp-alpha,,lossless").unwrap().0;
    assert_eq!(Studio::with(&lossless).picture("fmt=png-alpha").to_rgba8(), clear);
}

#[test]
fn photoshop_documents_and_jpeg_2000_say_whose_they_are() {
    let iptc = b"\x1C\x02\x50\x00\x03Ada\x1C\x02\x74\x00\x04mine";
    let resources: [(u16, &[u8]); 2] = [(1028, iptc), (1060, XMP.as_bytes())];
    let planes = [vec![9; 32]];
    let head = (1, 8, 8, 4);
    let document =
        Document { head, planes: &planes, packed: false, transparent: false, palette: &[], resources: &resources };
    let studio = Studio::with(&document.file());
    let before = probe(&studio.source()).unwrap();
    assert_eq!((before.rights, before.xmp.as_deref()), (rights(), Some(XMP.as_bytes())));
    let file = studio.file("fmt=jpeg&xmpEmbed=1").unwrap().0;
    assert!(tells(&file, XMP.as_bytes()));
    let nobodys = Studio::with(&file_of(RgbImage::new(8, 4), ImageFormat::Png));
    let mut wave = nobodys.file("fmt=jpeg2000,gray").unwrap().0;
    let uuid = b"\xBE\x7A\xCF\xCB\x97\xA9\x42\xE8\x9C\x71\x99\x94\x91\xE3\xAF\xAC";
    let length = (8 + uuid.len() + XMP.len()) as u32;
    let inside = [&length.to_be_bytes()[..], b"uuid", uuid, XMP.as_bytes()].concat();
    // Behind the signature and the type.
    wave.splice(32..32, inside);
    let found = probe(&Studio::with(&wave).source()).unwrap();
    assert_eq!((found.rights.credit.as_deref(), found.xmp.as_deref()), (Some("Us"), Some(XMP.as_bytes())));
    assert!(Studio::with(&wave).file("fmt=png").is_ok());
    // Longer than any file.
    wave.splice(32..36, [0, 0, 0, 1]);
    wave.splice(40..48, [0x7F; 8]);
    assert_eq!(Studio::with(&wave).file("fmt=png").unwrap_err().code, Code::Corrupt);
}

#[test]
fn xmp_is_copied_unchanged_when_asked_for() {
    let studio = Studio::with(&picture());
    for (format, whole) in [("jpeg", true), ("tif", true), ("png", false)] {
        let file = studio.file(&format!("fmt={format}&xmpEmbed=1")).unwrap().0;
        let xmp = probe(&Studio::with(&file).source()).unwrap().xmp.unwrap();
        assert_eq!(xmp == XMP.as_bytes(), whole, "{format}");
    }
    let silent = file_of(RgbImage::new(4, 4), ImageFormat::Png);
    let file = Studio::with(&silent).file("fmt=jpeg&xmpEmbed=1").unwrap().0;
    assert_eq!(probe(&Studio::with(&file).source()).unwrap().xmp, None);
}

#[sqlx::test]
async fn a_job_may_drop_rights_too(pool: PgPool) {
    let house = House::open(pool).await;
    house.asset("a.jpg", &picture()).await;
    for (kept, expected) in [(None, rights()), (Some(true), rights()), (Some(false), Rights::default())] {
        let mut order = json!({"assetFilter": {}, "fmt": "convert", "is_modifier": "fmt=jpeg"});
        if let Some(kept) = kept {
            order["keepRights"] = kept.into();
        }
        let file = made(&house, order).await;
        assert_eq!(probe(&Studio::with(&file).source()).unwrap().rights, expected, "{kept:?}");
        assert!(image::ImageReader::with_format(Cursor::new(file), ImageFormat::Jpeg).decode().is_ok());
    }
}
