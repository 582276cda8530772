//! Output formats: what each can hold, how it is compressed, and what it refuses.

use std::collections::HashSet;
use std::io::Cursor;

use actix_web::test::TestRequest;
use image::{DynamicImage, ImageFormat, Rgb, RgbImage, Rgba, RgbaImage};
use offprint_core::Code;
use serde_json::json;
use sqlx::PgPool;
use tiff::decoder::Decoder;
use tiff::tags::Tag;

use crate::support::export_jobs::{download_file, fetch_items, run_export};
use crate::support::images::{RED, compute_mean_difference, draw_gradient, draw_noise, draw_quarters};
use crate::support::psd::PsdDocument;
use crate::support::render_fixture::{RenderFixture, create_png_fixture};
use crate::support::test_app::TestApp;

fn collect_colors(image: &DynamicImage) -> HashSet<Rgba<u8>> {
    image.to_rgba8().pixels().copied().collect()
}

#[test]
fn a_palette_has_the_colours_that_were_asked_for() {
    let fixture = create_png_fixture(draw_gradient());
    for format in ["gif", "gif-alpha", "png8", "png8-alpha"] {
        for (quantize, most) in
            [("adaptive", 256), ("adaptive,off,4", 4), ("adaptive,diffuse,4", 4), ("web", 216), ("web,off,9", 9)]
        {
            let image = fixture.render_image(&format!("fmt={format}&quantize={quantize}"));
            assert!(collect_colors(&image).len() <= most, "{format} {quantize}: {}", collect_colors(&image).len());
            assert!(compute_mean_difference(&image.to_rgb8(), &draw_gradient()) < 60.0, "{format} {quantize}");
        }
        let good = fixture.render_image(&format!("fmt={format}&quantize=adaptive,off"));
        assert!(compute_mean_difference(&good.to_rgb8(), &draw_gradient()) < 4.0, "{format}");
    }
    let web = collect_colors(&fixture.render_image("fmt=png8&quantize=web,off"));
    assert!(web.iter().all(|color| color.0[..3].iter().all(|value| value % 51 == 0)));
    let mac = collect_colors(&fixture.render_image("fmt=gif&quantize=mac,off"));
    assert!(mac.iter().all(|color| color.0[..3].iter().all(|value| value % 17 == 0)));
}

#[test]
fn forced_colours_are_in_the_palette_and_count() {
    let dark = create_png_fixture(RgbImage::from_pixel(9, 9, Rgb([0x30; 3])));
    let black = dark.render_image("fmt=gif&quantize=adaptive,off,2,000000,ffffff");
    assert_eq!(collect_colors(&black), HashSet::from([Rgba([0, 0, 0, 255])]));
    let file =
        create_png_fixture(draw_gradient()).render_file("fmt=png8&quantize=adaptive,off,8,ff00ff,010203").unwrap().0;
    let reader = png::Decoder::new(Cursor::new(file)).read_info().unwrap();
    let palette: Vec<&[u8]> = reader.info().palette.as_ref().unwrap().chunks(3).collect();
    assert_eq!((reader.info().color_type, palette.len()), (png::ColorType::Indexed, 8));
    assert!(palette.contains(&&[0xFF, 0, 0xFF][..]) && palette.contains(&&[1, 2, 3][..]));
}

#[test]
fn a_palette_keeps_transparency_as_far_as_its_format_can() {
    let fade = RgbaImage::from_fn(64, 64, |x, y| Rgba([(x * 4) as u8, (y * 4) as u8, 90, (x * 4) as u8]));
    let fixture = create_png_fixture(fade.clone());
    let gif = fixture.render_image("fmt=gif-alpha").to_rgba8();
    for (actual, expected) in gif.pixels().zip(fade.pixels()) {
        assert_eq!(actual.0[3], if expected.0[3] >= 128 { 255 } else { 0 });
    }
    let png = fixture.render_image("fmt=png8-alpha").to_rgba8();
    for (actual, expected) in png.pixels().zip(fade.pixels()) {
        assert!(actual.0[3].abs_diff(expected.0[3]) < 24, "{actual:?} {expected:?}");
        assert_eq!(actual.0[3] == 0, expected.0[3] == 0);
    }
    let flat = fixture.render_image("fmt=png8&bgc=ff0000");
    assert_eq!(flat.to_rgba8().get_pixel(0, 9), &RED);
}

#[test]
fn a_jpeg_becomes_as_small_as_asked_for_or_fails() {
    let fixture = create_png_fixture(draw_noise(300, 300));
    let size = |modifier: &str| fixture.render_file(modifier).unwrap().0.len();
    let free = size("fmt=jpeg&qlt=90");
    for modifier in ["fmt=jpeg&qlt=90", "fmt=pjpeg&qlt=90,1", "fmt=pjpeg&pscan=3&qlt=90", "fmt=jpeg,gray&qlt=90"] {
        let fitted = size(&format!("{modifier}&jpegSize=30"));
        assert!(fitted <= 30 * 1024 && fitted > 24 * 1024, "{modifier}: {fitted}");
    }
    assert_eq!(size("fmt=jpeg&qlt=90&jpegSize=9000"), free);
    assert_eq!(size("fmt=jpeg&qlt=90&jpegSize=0"), free);
    assert_eq!(fixture.render_file("jpegSize=1").unwrap_err().code, Code::JpegSize);
    assert_eq!(size("fmt=png&jpegSize=1"), size("fmt=png"));
}

/// The number of scans of a JPEG.
fn count_scans(file: &[u8]) -> usize {
    file.windows(2).filter(|pair| pair == b"\xFF\xDA").count()
}

#[test]
fn a_progressive_jpeg_comes_in_as_many_passes_as_asked_for() {
    let fixture = create_png_fixture(draw_gradient());
    for (passes, gray) in [(3, 3), (4, 4), (5, 5)] {
        let colour = fixture.render_file(&format!("fmt=pjpeg&pscan={passes}&printRes=200")).unwrap().0;
        let single = fixture.render_file(&format!("fmt=pjpeg,gray&pscan={passes}")).unwrap().0;
        // All components share the first scan; after it each has its own.
        assert_eq!((count_scans(&colour), count_scans(&single)), (3 * passes, gray), "{passes}");
        assert!(compute_mean_difference(&image::load_from_memory(&colour).unwrap().to_rgb8(), &draw_gradient()) < 3.0);
        let header = offprint_imaging::read_image_header(&RenderFixture::new(&colour).source_path()).unwrap();
        assert_eq!((header.progressive, header.dpi), (true, Some(200.0)));
    }
    assert_eq!(fixture.render_file("fmt=jpeg&pscan=4").unwrap().0, fixture.render_file("fmt=jpeg").unwrap().0);
}

#[test]
fn a_tiff_with_jpeg_inside_has_one_whole_jpeg_for_its_strip() {
    let fixture = create_png_fixture(draw_gradient());
    for (modifier, sampling, most) in
        [("fmt=tif,,jpeg&qlt=95", vec![2, 2], 3.0), ("fmt=tif,,jpeg&qlt=95,1", vec![1, 1], 2.0)]
    {
        let file = fixture.render_file(&format!("{modifier}&printRes=240")).unwrap().0;
        let mut tiff = Decoder::new(Cursor::new(&file)).unwrap();
        assert_eq!(tiff.find_tag_unsigned::<u16>(Tag::Compression).unwrap(), Some(7));
        assert_eq!(tiff.get_tag_u16_vec(Tag::ChromaSubsampling).unwrap(), sampling);
        let strip = image::load_from_memory_with_format(read_strip(&file), ImageFormat::Jpeg).unwrap();
        let difference = compute_mean_difference(&strip.to_rgb8(), &draw_gradient());
        assert!(difference < most, "{modifier}: {difference}");
        assert_eq!(
            offprint_imaging::read_image_header(&RenderFixture::new(&file).source_path()).unwrap().dpi,
            Some(240.0)
        );
    }
    let gray = fixture.render_file("fmt=tif,gray,jpeg&qlt=95").unwrap().0;
    assert!(image::load_from_memory(read_strip(&gray)).unwrap().as_luma8().is_some());
    let (low, high) = (
        fixture.render_file("fmt=tif,,jpeg&qlt=20").unwrap().0,
        fixture.render_file("fmt=tif,,jpeg&qlt=90").unwrap().0,
    );
    assert!(low.len() < high.len());
}

/// The only strip of a TIFF.
fn read_strip(file: &[u8]) -> &[u8] {
    let mut tiff = Decoder::new(Cursor::new(file)).unwrap();
    let mut number = |tag| tiff.get_tag_u32(tag).unwrap() as usize;
    let (at, length) = (number(Tag::StripOffsets), number(Tag::StripByteCounts));
    &file[at..at + length]
}

/// A file as text, one character per byte; bytes beyond ASCII become `?`.
fn to_ascii(file: &[u8]) -> String {
    file.iter().map(|byte| if byte.is_ascii() { char::from(*byte) } else { '?' }).collect()
}

/// The value that follows a name in a PDF.
fn find_pdf_entry<'a>(text: &'a str, name: &str) -> &'a str {
    text.split_once(name).unwrap().1.split(['/', '>', '\n']).next().unwrap().trim()
}

#[test]
fn a_pdf_is_one_page_as_large_as_its_image() {
    let fixture = create_png_fixture(draw_gradient());
    for (modifier, space, filter) in [
        ("fmt=pdf", "/DeviceRGB", None),
        ("fmt=pdf,,zip", "/DeviceRGB", Some("/FlateDecode")),
        ("fmt=pdf,gray,zip", "/DeviceGray", Some("/FlateDecode")),
        ("fmt=pdf,,jpeg&qlt=90", "/DeviceRGB", Some("/DCTDecode")),
    ] {
        let file = fixture.render_file(&format!("{modifier}&printRes=144")).unwrap().0;
        let text = to_ascii(&file);
        assert!(text.starts_with("%PDF-1.4\n") && text.ends_with("%%EOF\n"), "{modifier}");
        // 120 x 80 pixels at 144 dpi.
        assert!(text.contains("/MediaBox [0 0 60.0000 40.0000]"), "{modifier}");
        assert!(text.contains(&format!("/ColorSpace {space}")), "{modifier}");
        assert_eq!(filter.is_some(), text.contains("/Filter"), "{modifier}");
        assert!(filter.is_none_or(|filter| text.contains(filter)), "{modifier}");
        let table: usize = find_pdf_entry(&text, "startxref\n").parse().unwrap();
        let places: Vec<usize> =
            text[table..].lines().skip(3).map_while(|line| line.strip_suffix(" 00000 n ")?.parse().ok()).collect();
        assert_eq!(places.len(), 5);
        for (number, place) in places.iter().enumerate() {
            assert!(text[*place..].starts_with(&format!("{} 0 obj\n", number + 1)), "{modifier}: {number}");
        }
        let image = &text[places[4]..];
        let length: usize = find_pdf_entry(image, "/Length").parse().unwrap();
        let start = places[4] + image.find("stream\n").unwrap() + 7;
        assert!(text[start + length..].starts_with("\nendstream"), "{modifier}");
        let data = &file[start..start + length];
        match (modifier, filter) {
            ("fmt=pdf", _) => assert_eq!(data, draw_gradient().as_raw().as_slice()),
            (_, Some("/DCTDecode")) => assert_eq!(image::load_from_memory(data).unwrap().width(), 120),
            _ => assert!(data.len() < draw_gradient().as_raw().len()),
        }
    }
}

#[test]
fn an_eps_has_its_size_and_its_pixels_in_binary() {
    let fixture = create_png_fixture(draw_gradient());
    let file = fixture.render_file("fmt=eps&printRes=100").unwrap().0;
    let text = to_ascii(&file);
    assert!(text.starts_with("%!PS-Adobe-3.0 EPSF-3.0\n") && text.ends_with("showpage\n%%EOF\n"));
    assert!(text.contains("%%BoundingBox: 0 0 87 58\n%%HiResBoundingBox: 0 0 86.4000 57.6000\n"));
    let start = text.find("\nimage\n").unwrap() + 7;
    assert_eq!(&file[start..start + draw_gradient().as_raw().len()], draw_gradient().as_raw().as_slice());
    assert!(text[start + draw_gradient().as_raw().len()..].starts_with("\n%%EndBinary\n"));
    let gray = fixture.render_file("fmt=eps,gray").unwrap().0;
    assert!(gray.len() < file.len() / 2);
}

/// CMYK has the same polarity in every format: more ink is darker.
#[test]
fn inks_are_written_the_same_way_round_everywhere() {
    let fixture =
        create_png_fixture(RgbImage::from_fn(
            32,
            32,
            |x, _| if x < 16 { Rgb([255, 255, 255]) } else { Rgb([0, 0, 255]) },
        ));
    for modifier in ["fmt=jpeg,cmyk", "fmt=pjpeg,cmyk", "fmt=pjpeg,cmyk&pscan=3", "fmt=tif,cmyk", "fmt=tif,cmyk,jpeg"] {
        let back = RenderFixture::new(&fixture.render_file(modifier).unwrap().0).render_image("fmt=png").to_rgb8();
        let near = |x, expected: [u8; 3]| back.get_pixel(x, 9).0.iter().zip(expected).all(|(a, b)| a.abs_diff(b) < 12);
        assert!(near(4, [255; 3]) && near(28, [0, 0, 255]), "{modifier}: {:?}", back.get_pixel(28, 9));
    }
    for modifier in ["fmt=pdf,cmyk", "fmt=pdf,cmyk,jpeg", "fmt=eps,cmyk"] {
        let file = fixture.render_file(modifier).unwrap().0;
        assert!(file.windows(11).any(|bytes| bytes == b"/DeviceCMYK"), "{modifier}");
    }
    let plain = fixture.render_file("fmt=pdf,cmyk").unwrap().0;
    let blue = [0, 0, 0, 0, 255, 255, 0, 0];
    assert!(plain.windows(8).any(|bytes| bytes == blue));
}

#[test]
fn what_keeps_no_transparency_is_flattened() {
    let clear = create_png_fixture(RgbaImage::from_pixel(8, 8, Rgba([255, 0, 0, 0])));
    for format in ["pdf", "eps", "png8", "gif", "tif,,jpeg"] {
        let (_, rendered) = clear.render_file(&format!("fmt={format}")).unwrap();
        assert_eq!(rendered.warnings[0].code, Code::AlphaFlattened, "{format}");
    }
    let eps = clear.render_file("fmt=eps&bgc=010203").unwrap().0;
    assert!(eps.windows(192).any(|bytes| bytes == [1, 2, 3].repeat(64)));
}

#[test]
fn sharp_edges_survive_a_palette() {
    let image = create_png_fixture(draw_quarters(80, 40)).render_image("fmt=gif&quantize=adaptive,diffuse,4");
    assert_eq!(image.to_rgb8(), draw_quarters(80, 40));
}

#[test]
fn jpeg_2000_goes_out_and_comes_back() {
    let fade = RgbaImage::from_fn(61, 47, |x, y| Rgba([(x * 4) as u8, (y * 5) as u8, 90, (x * 4) as u8]));
    let (opaque, clear) = (create_png_fixture(draw_gradient()), create_png_fixture(fade.clone()));
    let back = |fixture: &RenderFixture, modifier: &str| RenderFixture::new(&fixture.render_file(modifier).unwrap().0);
    assert_eq!(back(&opaque, "fmt=jpeg2000,,lossless").render_image("fmt=png").to_rgb8(), draw_gradient());
    assert_eq!(back(&clear, "fmt=jpeg2000-alpha,,lossless").render_image("fmt=png-alpha").to_rgba8(), fade);
    let gray = back(&opaque, "fmt=jpeg2000,gray,lossless");
    assert_eq!(gray.render_image("fmt=png,gray"), opaque.render_image("fmt=png,gray"));
    let (mut bytes, mut difference) = (0, f64::INFINITY);
    for quality in [10, 50, 90] {
        let file = opaque.render_file(&format!("fmt=jpeg2000&qlt={quality}")).unwrap().0;
        let now =
            compute_mean_difference(&RenderFixture::new(&file).render_image("fmt=png").to_rgb8(), &draw_gradient());
        assert!(file.len() > bytes && now < difference, "{quality}: {} bytes, {now}", file.len());
        (bytes, difference) = (file.len(), now);
    }
    assert!(difference < 2.0, "{difference}");
    for dpi in [2.0, 72.0, 300.0, 2540.0, 65_000.0] {
        let header =
            offprint_imaging::read_image_header(&back(&opaque, &format!("fmt=jpeg2000&printRes={dpi}")).source_path())
                .unwrap();
        assert!((header.dpi.unwrap() / dpi - 1.0).abs() < 1e-4, "{:?} {dpi}", header.dpi);
    }
    for (side, modifier) in [(1, "fmt=jpeg2000"), (3, "fmt=jpeg2000,,lossless"), (33, "fmt=jpeg2000-alpha")] {
        let tiny = create_png_fixture(draw_noise(side, 1));
        assert_eq!(back(&tiny, modifier).render_image("fmt=png").width(), side);
    }
}

/// Each component of an image as a plane.
fn split_planes(image: &RgbaImage, channels: usize) -> Vec<Vec<u8>> {
    (0..channels).map(|channel| image.pixels().map(|pixel| pixel.0[channel]).collect()).collect()
}

#[test]
fn photoshop_documents_show_their_merged_image() {
    let rgba = DynamicImage::from(draw_gradient()).to_rgba8();
    for packed in [false, true] {
        let planes = split_planes(&rgba, 3);
        let resources: [(u16, &[u8]); 2] = [(1005, &[0, 240, 0, 0, 0, 1, 0, 1]), (1057, &[0, 0, 0, 1, 1, 0])];
        let mut document = PsdDocument {
            header: (3, 8, 120, 80),
            planes: &planes,
            packed,
            transparent: false,
            palette: &[],
            resources: &resources,
        };
        let fixture = RenderFixture::new(&document.encode());
        assert_eq!(fixture.render_image("fmt=png").to_rgb8(), draw_gradient());
        assert_eq!(offprint_imaging::read_image_header(&fixture.source_path()).unwrap().dpi, Some(240.0));
        let deep: Vec<Vec<u8>> =
            planes.iter().map(|plane| plane.iter().flat_map(|value| [*value, *value]).collect()).collect();
        document = PsdDocument { header: (3, 16, 120, 80), planes: &deep, ..document };
        assert_eq!(RenderFixture::new(&document.encode()).render_image("fmt=png").to_rgb8(), draw_gradient());
        document = PsdDocument { header: (1, 8, 120, 80), planes: &planes[..1], ..document };
        let gray = RenderFixture::new(&document.encode()).render_image("fmt=png,gray").to_luma8();
        assert_eq!(gray.as_raw(), &planes[0]);
        // An extra plane without a resource that describes it is a saved selection, not transparency.
        let masked: Vec<Vec<u8>> = planes.iter().cloned().chain([vec![0; 120 * 80]]).collect();
        document = PsdDocument { header: (3, 8, 120, 80), planes: &masked, ..document };
        assert_eq!(RenderFixture::new(&document.encode()).render_image("fmt=png-alpha").to_rgb8(), draw_gradient());
    }
}

#[test]
fn photoshop_documents_come_in_their_other_modes() {
    let plain = PsdDocument {
        header: (0, 0, 0, 0),
        planes: &[],
        packed: false,
        transparent: false,
        palette: &[],
        resources: &[],
    };
    // In CMYK documents 255 means no ink.
    let inks = [vec![0, 255], vec![255, 255], vec![255, 255], vec![255, 255]];
    let image = RenderFixture::new(&PsdDocument { header: (4, 8, 2, 1), planes: &inks, ..plain }.encode())
        .render_image("fmt=png");
    assert_eq!(image.to_rgb8().into_raw(), [0, 255, 255, 255, 255, 255]);
    let mut palette = vec![0; 768];
    (palette[7], palette[256 + 7], palette[512 + 7]) = (10, 20, 30);
    let places = [vec![7, 0]];
    let indexed = PsdDocument { header: (2, 8, 2, 1), planes: &places, palette: &palette, ..plain };
    assert_eq!(
        RenderFixture::new(&indexed.encode()).render_image("fmt=png").to_rgb8().into_raw(),
        [10, 20, 30, 0, 0, 0]
    );
    let bits = [vec![0b0101_0000]];
    let bitmap = RenderFixture::new(&PsdDocument { header: (0, 1, 4, 1), planes: &bits, ..plain }.encode());
    assert_eq!(bitmap.render_image("fmt=png,gray").to_luma8().into_raw(), [255, 0, 255, 0]);
    // Half-transparent red, which Photoshop stores blended with white.
    let soft = [vec![255], vec![127], vec![127], vec![128]];
    let clear =
        RenderFixture::new(&PsdDocument { header: (3, 8, 1, 1), planes: &soft, transparent: true, ..plain }.encode());
    assert_eq!(clear.render_image("fmt=png-alpha").to_rgba8().into_raw(), [255, 0, 0, 128]);
    for (document, code) in [
        (PsdDocument { header: (9, 8, 1, 1), planes: &soft, ..plain }, Code::UnsupportedColor),
        (PsdDocument { header: (3, 32, 1, 1), planes: &soft, ..plain }, Code::UnsupportedFormat),
        (PsdDocument { header: (4, 8, 1, 1), planes: &soft[..3], ..plain }, Code::Corrupt),
        (PsdDocument { header: (2, 8, 1, 1), planes: &soft, ..plain }, Code::Corrupt),
        (
            PsdDocument { header: (3, 8, 1, 1), planes: &soft, resources: &[(1057, &[0, 0, 0, 1, 0])], ..plain },
            Code::UnsupportedFormat,
        ),
    ] {
        assert_eq!(RenderFixture::new(&document.encode()).render_file("fmt=png").unwrap_err().code, code);
    }
}

/// Through the whole service: uploaded, rendered in a sandboxed process, and downloaded.
#[sqlx::test]
async fn a_job_reads_and_writes_jpeg_2000_and_photoshop_documents(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let planes = split_planes(&DynamicImage::from(draw_gradient()).to_rgba8(), 3);
    let head = (3, 8, 120, 80);
    let document =
        PsdDocument { header: head, planes: &planes, packed: true, transparent: false, palette: &[], resources: &[] }
            .encode();
    let wave = create_png_fixture(draw_gradient()).render_file("fmt=jpeg2000,,lossless").unwrap().0;
    let cut = &wave[..wave.len() / 2];
    // Both formats have their size in the header.
    let (mut large_document, mut large_wave) = (document.clone(), wave.clone());
    large_document[14..18].copy_from_slice(&30_001_u32.to_be_bytes());
    let size = wave.windows(4).position(|bytes| bytes == b"\xFF\x4F\xFF\x51").unwrap() + 8;
    large_wave[size..size + 8].fill(0x7F);
    for (name, bytes) in [
        ("1.psd", &document[..]),
        ("2.jp2", &wave),
        ("3.jp2", cut),
        ("4.psd", &document[..document.len() - 9]),
        ("5.psd", &large_document),
        ("6.jp2", &large_wave),
    ] {
        app.upload_asset(name, bytes).await;
    }
    let request = |modifier: &str| json!({"assetFilter": {}, "fmt": "convert", "is_modifier": modifier});
    let job = run_export(&app, request("fmt=jpeg2000,,lossless")).await;
    let codes: Vec<_> = fetch_items(&app, &job).await.iter().map(|item| item["failure"]["code"].clone()).collect();
    let too_large = "source-too-large";
    assert_eq!(json!(codes), json!([null, null, "corrupt", "truncated", too_large, too_large]), "{job}");
    for name in ["1.jp2", "2.jp2"] {
        assert_eq!(download_file(&app, &job, name).await, wave, "{name}");
    }
    let job = run_export(&app, request("fmt=png")).await;
    for name in ["1.png", "2.png"] {
        let image = image::load_from_memory(&download_file(&app, &job, name).await).unwrap();
        assert_eq!(image.to_rgb8(), draw_gradient(), "{name}");
    }
    app.assert_consistent().await;
}

/// What a file begins with, and how its upload, the dry run and its item name it.
const UNREAD_FILES: [(&str, &[u8], &str); 7] = [
    ("photo.heic", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC (HEIF) images cannot be read."),
    ("photo.jxl", b"\xFF\x0A\xFA\x7F", "JPEG XL images cannot be read."),
    ("favicon.ico", b"\0\0\x01\0\x01\0\x10\x10\0\0\x01\0", "Icons and cursors (ICO, CUR) cannot be read."),
    ("logo.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG drawings cannot be read."),
    ("page.pdf", b"%PDF-1.7\n", "PDF documents (also AI files that contain one) cannot be read."),
    ("photo.raf", b"FUJIFILMCCD-RAW 0201", "Camera raw files of Fujifilm (RAF) cannot be read."),
    ("cut.png", b"\x89PNG\r\n\x1a\n\0\0\0\x0DIHDR", "The file ends before the image is complete."),
];

#[sqlx::test]
async fn what_is_not_read_is_named_alike_at_upload_in_the_dry_run_and_by_the_item(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let mut handles = Vec::new();
    for (name, bytes, _) in UNREAD_FILES {
        handles.push(app.upload_asset(name, bytes).await);
    }
    let request =
        json!({"assetHandleArray": handles, "fmt": "convert", "is_modifier": "wid=9", "onUnconvertible": "fail"});
    let preview = app.post("/export-jobs/validate", request.clone()).await.expect_status(200);
    let job = run_export(&app, request).await;
    let items = fetch_items(&app, &job).await;
    for (number, (name, _, sentence)) in UNREAD_FILES.iter().enumerate() {
        let asset = app.get(format!("/assets/{}", handles[number])).await.expect_status(200);
        let reason = &asset["unconvertible"];
        assert!(reason["detail"].as_str().unwrap().starts_with(sentence), "{name}: {reason}");
        assert_eq!(&preview["items"][number]["failure"], reason, "{name}");
        assert_eq!(&items[number]["failure"], reason, "{name}");
        let question = json!({"is_modifier": "wid=9", "assetHandle": handles[number]});
        let meaning = app.post("/modifier-check", question).await.expect_status(200);
        assert_eq!(&meaning["picture"]["failure"], reason, "{name}");
    }
}

#[sqlx::test]
async fn an_image_that_can_be_converted_says_nothing_else(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let handle = app.upload_asset("a.svg", b"<svg/>").await;
    let address = format!("/assets/{handle}");
    assert!(app.get(&address).await.expect_status(200)["unconvertible"].is_object());
    let png = create_png_fixture(draw_gradient()).render_file("fmt=png").unwrap().0;
    let put = TestRequest::put().uri(&format!("{address}/content")).set_payload(png);
    app.send(put.insert_header(("content-type", "application/octet-stream"))).await.expect_status(200);
    assert!(app.get(&address).await.expect_status(200)["unconvertible"].is_null());
}
