//! Metadata: rights are kept, orientation is applied, the rest is dropped.

use std::io::Cursor;

use image::{ImageFormat, Rgb, RgbImage};
use offprint_core::Code;
use offprint_imaging::{ImageRights, Turn, read_image_header};
use serde_json::json;
use sqlx::PgPool;

use crate::support::export_jobs::export_single_file;
use crate::support::images::encode_image;
use crate::support::psd::PsdDocument;
use crate::support::render_fixture::RenderFixture;
use crate::support::test_app::TestApp;

/// EXIF with an orientation, names of people, and the place of capture.
fn build_exif() -> Vec<u8> {
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
    // GPSLatitudeRef and the map datum; the tests search the output for the datum.
    out.extend([1, 0, 0x12, 0, 2, 0, 4, 0, 0, 0]);
    out.extend(b"SECR");
    out.extend([0; 4]);
    out
}

const XMP: &str = "<x:xmpmeta xmlns:x=\"adobe:ns:meta/\"><rdf:RDF><rdf:Description photoshop:Credit=\"Us\" \
                   exif:GPSLatitude=\"SECRET\"/></rdf:RDF></x:xmpmeta>";

/// A JPEG with EXIF and XMP, stored wider than high.
fn encode_tagged_jpeg() -> Vec<u8> {
    let plain = encode_image(RgbImage::from_pixel(32, 16, Rgb([90, 120, 200])), ImageFormat::Jpeg);
    let mut file = plain[..2].to_vec();
    for data in
        [[b"Exif\0\0".as_slice(), &build_exif()].concat(), [b"http://ns.adobe.com/xap/1.0/\0", XMP.as_bytes()].concat()]
    {
        file.extend([0xFF, 0xE1]);
        file.extend((data.len() as u16 + 2).to_be_bytes());
        file.extend(data);
    }
    file.extend(&plain[2..]);
    file
}

fn build_rights() -> ImageRights {
    ImageRights {
        creators: vec!["Ada".into()],
        copyright: Some("mine".into()),
        credit: Some("Us".into()),
        ..ImageRights::default()
    }
}

fn has_bytes(file: &[u8], secret: &[u8]) -> bool {
    file.windows(secret.len()).any(|part| part == secret)
}

#[test]
fn rights_are_kept_and_places_are_dropped() {
    let fixture = RenderFixture::new(&encode_tagged_jpeg());
    let before = read_image_header(&fixture.source_path()).unwrap();
    assert_eq!((before.upright_size(), &before.rights), ((16, 32), &build_rights()));
    for format in ["jpeg", "pjpeg", "png", "tif", "webp", "webp-alpha,,lossless", "jpeg2000"] {
        let file = fixture.render_file(&format!("fmt={format}")).unwrap().0;
        let after = read_image_header(&RenderFixture::new(&file).source_path()).unwrap();
        assert_eq!((after.width, after.height, after.orientation), (16, 32, Turn::NONE), "{format}");
        assert_eq!(after.rights, build_rights(), "{format}");
        assert!(!has_bytes(&file, b"SECR"), "{format}");
    }
    // EXIF has no field for a credit.
    let file = fixture.render_file("fmt=avif").unwrap().0;
    assert_eq!(
        read_image_header(&RenderFixture::new(&file).source_path()).unwrap().rights,
        ImageRights { credit: None, ..build_rights() }
    );
    let packet = build_rights().to_xmp().unwrap();
    for format in ["gif", "gif-alpha", "pdf", "pdf,,jpeg"] {
        let file = fixture.render_file(&format!("fmt={format}&iccEmbed=1")).unwrap().0;
        assert!(has_bytes(&file, &packet), "{format}");
    }
    assert_eq!(fixture.render_image("fmt=gif").into_rgb8().dimensions(), (16, 32));
}

#[test]
fn a_webp_with_xmp_says_so_before_its_image() {
    let clear = image::RgbaImage::from_fn(9, 5, |x, y| image::Rgba([9, 200, 90, (x * 20 + y) as u8]));
    let source =
        RenderFixture::new(&encode_image(clear.clone(), ImageFormat::Png)).render_file("fmt=png-alpha").unwrap().0;
    // XMP in a text chunk after the header of a PNG.
    let mut text = [b"XML:com.adobe.xmp\0\0\0\0\0", XMP.as_bytes()].concat();
    text.splice(..0, *b"iTXt");
    let chunk = [&(text.len() as u32 - 4).to_be_bytes()[..], &text, &crc32fast::hash(&text).to_be_bytes()].concat();
    let file = [&source[..33], &chunk, &source[33..]].concat();
    let fixture = RenderFixture::new(&file);
    for format in ["webp-alpha,,lossless", "webp-alpha", "webp", "webp,,lossless"] {
        let webp = fixture.render_file(&format!("fmt={format}")).unwrap().0;
        assert_eq!((&webp[12..16], webp[20] & 4), (&b"VP8X"[..], 4), "{format}");
        assert_eq!(webp.len(), 8 + u32::from_le_bytes(webp[4..8].try_into().unwrap()) as usize, "{format}");
        let read = RenderFixture::new(&webp);
        let header = read_image_header(&read.source_path()).unwrap();
        assert_eq!((header.width, header.height, header.rights.credit.as_deref()), (9, 5, Some("Us")), "{format}");
        assert_eq!(header.alpha, format.contains("alpha"), "{format}");
    }
    let lossless = fixture.render_file("fmt=webp-alpha,,lossless").unwrap().0;
    assert_eq!(RenderFixture::new(&lossless).render_image("fmt=png-alpha").to_rgba8(), clear);
}

#[test]
fn photoshop_documents_and_jpeg_2000_say_whose_they_are() {
    let iptc = b"\x1C\x02\x50\x00\x03Ada\x1C\x02\x74\x00\x04mine";
    let resources: [(u16, &[u8]); 2] = [(1028, iptc), (1060, XMP.as_bytes())];
    let planes = [vec![9; 32]];
    let head = (1, 8, 8, 4);
    let document = PsdDocument {
        header: head,
        planes: &planes,
        packed: false,
        transparent: false,
        palette: &[],
        resources: &resources,
    };
    let fixture = RenderFixture::new(&document.encode());
    let before = read_image_header(&fixture.source_path()).unwrap();
    assert_eq!((before.rights, before.xmp.as_deref()), (build_rights(), Some(XMP.as_bytes())));
    let file = fixture.render_file("fmt=jpeg&xmpEmbed=1").unwrap().0;
    assert!(has_bytes(&file, XMP.as_bytes()));
    let nobodys = RenderFixture::new(&encode_image(RgbImage::new(8, 4), ImageFormat::Png));
    let mut wave = nobodys.render_file("fmt=jpeg2000,gray").unwrap().0;
    let uuid = b"\xBE\x7A\xCF\xCB\x97\xA9\x42\xE8\x9C\x71\x99\x94\x91\xE3\xAF\xAC";
    let length = (8 + uuid.len() + XMP.len()) as u32;
    let inside = [&length.to_be_bytes()[..], b"uuid", uuid, XMP.as_bytes()].concat();
    // After the signature box and the file type box.
    wave.splice(32..32, inside);
    let wave_header = read_image_header(&RenderFixture::new(&wave).source_path()).unwrap();
    assert_eq!((wave_header.rights.credit.as_deref(), wave_header.xmp.as_deref()), (Some("Us"), Some(XMP.as_bytes())));
    assert!(RenderFixture::new(&wave).render_file("fmt=png").is_ok());
    // A box length that exceeds the file.
    wave.splice(32..36, [0, 0, 0, 1]);
    wave.splice(40..48, [0x7F; 8]);
    assert_eq!(RenderFixture::new(&wave).render_file("fmt=png").unwrap_err().code, Code::Corrupt);
}

#[test]
fn xmp_is_copied_unchanged_when_asked_for() {
    let fixture = RenderFixture::new(&encode_tagged_jpeg());
    for (format, whole) in [("jpeg", true), ("tif", true), ("png", false)] {
        let file = fixture.render_file(&format!("fmt={format}&xmpEmbed=1")).unwrap().0;
        let xmp = read_image_header(&RenderFixture::new(&file).source_path()).unwrap().xmp.unwrap();
        assert_eq!(xmp == XMP.as_bytes(), whole, "{format}");
    }
    let silent = encode_image(RgbImage::new(4, 4), ImageFormat::Png);
    let file = RenderFixture::new(&silent).render_file("fmt=jpeg&xmpEmbed=1").unwrap().0;
    assert_eq!(read_image_header(&RenderFixture::new(&file).source_path()).unwrap().xmp, None);
}

#[sqlx::test]
async fn a_job_may_drop_rights_too(pool: PgPool) {
    let app = TestApp::open(pool).await;
    app.upload_asset("a.jpg", &encode_tagged_jpeg()).await;
    for (kept, expected) in
        [(None, build_rights()), (Some(true), build_rights()), (Some(false), ImageRights::default())]
    {
        let mut request = json!({"assetFilter": {}, "fmt": "convert", "is_modifier": "fmt=jpeg"});
        if let Some(kept) = kept {
            request["keepRights"] = kept.into();
        }
        let file = export_single_file(&app, request).await;
        assert_eq!(read_image_header(&RenderFixture::new(&file).source_path()).unwrap().rights, expected, "{kept:?}");
        assert!(image::ImageReader::with_format(Cursor::new(file), ImageFormat::Jpeg).decode().is_ok());
    }
}
