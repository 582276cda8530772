//! AVIF: our files are read back, and files of other encoders are read.

use image::{DynamicImage, Rgb, RgbImage, Rgba, RgbaImage};
use offprint_core::Code;
use offprint_imaging::read_image_header;
use serde_json::json;
use sqlx::PgPool;

use crate::support::avif_writer::{
    AvifItem, build_alpha_property, build_avif, build_box, build_color_property, build_size_property,
};
use crate::support::export_jobs::{download_file, fetch_items, run_export};
use crate::support::images::{compute_mean_difference, draw_gradient, draw_noise, draw_quarters};
use crate::support::render_fixture::{RenderFixture, create_png_fixture};
use crate::support::test_app::TestApp;

/// Width and height in the boxes of an AVIF, and whether it has an auxiliary image for alpha.
fn read_avif_header(file: &[u8]) -> (u32, u32, bool) {
    assert_eq!(&file[4..12], b"ftypavif");
    let size = file.windows(4).position(|name| name == b"ispe").unwrap() + 8;
    let number = |at: usize| u32::from_be_bytes(file[at..at + 4].try_into().unwrap());
    (number(size), number(size + 4), file.windows(4).any(|name| name == b"auxC"))
}

#[test]
fn avif_has_its_size_its_alpha_and_its_quality() {
    let (opaque, clear) =
        (create_png_fixture(draw_gradient()), create_png_fixture(RgbaImage::from_pixel(33, 7, Rgba([9, 200, 90, 80]))));
    let file = |fixture: &RenderFixture, modifier: &str| fixture.render_file(modifier).unwrap().0;
    assert_eq!(read_avif_header(&file(&opaque, "fmt=avif")), (120, 80, false));
    assert_eq!(read_avif_header(&file(&clear, "fmt=avif-alpha,,lossless")), (33, 7, true));
    assert_eq!(clear.render_file("fmt=avif").unwrap().1.warnings[0].code, Code::AlphaFlattened);
    let noise = create_png_fixture(draw_noise(64, 64));
    let sizes: Vec<usize> =
        [1, 30, 60, 90, 100].map(|quality| file(&noise, &format!("fmt=avif&qlt={quality}")).len()).into();
    assert!(sizes.is_sorted() && sizes[0] * 4 < sizes[4], "{sizes:?}");
    assert!(file(&noise, "fmt=avif,,lossless").len() > sizes[4]);
    assert_eq!(file(&noise, "fmt=avif&qlt=50"), file(&noise, "fmt=avif&qlt=50"));
    for (width, height) in [(1, 1), (1, 9), (17, 1), (65, 64)] {
        for modifier in ["fmt=avif", "fmt=avif-alpha,,lossless"] {
            let tiny = create_png_fixture(self::draw_noise(width, height));
            assert_eq!(read_avif_header(&file(&tiny, modifier)).0, width, "{modifier}");
        }
    }
}

/// The AV1 frame in a file of our encoder without alpha.
fn encode_color_frame(image: impl Into<DynamicImage>) -> Vec<u8> {
    let file = create_png_fixture(image).render_file("fmt=avif,,lossless").unwrap().0;
    let data = file.windows(4).position(|name| name == b"mdat").unwrap() + 4;
    file[data..].to_vec()
}

/// A monochrome frame: the alpha in a file of our encoder, which writes it before the colours.
fn encode_gray_frame(value: impl Fn(u32, u32) -> u8, width: u32, height: u32) -> Vec<u8> {
    let clear = RgbaImage::from_fn(width, height, |x, y| Rgba([0, 0, 0, value(x, y)]));
    let file = create_png_fixture(clear.clone()).render_file("fmt=avif-alpha,,lossless").unwrap().0;
    let data = file.windows(4).position(|name| name == b"mdat").unwrap() + 4;
    let colors = encode_color_frame(RgbImage::new(width, height));
    assert!(file.ends_with(&colors), "the colour frame is last");
    file[data..file.len() - colors.len()].to_vec()
}

#[test]
fn lossless_files_read_back_equal() {
    let fade = RgbaImage::from_fn(33, 7, |x, y| Rgba([(x * 7) as u8, (y * 30) as u8, 90, (x * 7 + y) as u8]));
    let clear = create_png_fixture(fade.clone()).render_file("fmt=avif-alpha,,lossless").unwrap().0;
    assert_eq!(RenderFixture::new(&clear).render_image("fmt=png-alpha").to_rgba8(), fade);
    for (width, height) in [(1, 1), (1, 9), (17, 1), (65, 64)] {
        let image = draw_noise(width, height);
        let file = create_png_fixture(image.clone()).render_file("fmt=avif,,lossless").unwrap().0;
        let header = read_image_header(&RenderFixture::new(&file).source_path()).unwrap();
        assert_eq!(
            (header.width, header.height, header.alpha, header.bits, header.frames),
            (width, height, false, 8, 1)
        );
        assert_eq!(RenderFixture::new(&file).render_image("fmt=png").to_rgb8(), image);
    }
}

#[test]
fn lossy_files_come_as_near_as_their_quality() {
    let mut last = 60.0;
    for quality in [20, 60, 95] {
        let file = create_png_fixture(draw_gradient()).render_file(&format!("fmt=avif&qlt={quality}")).unwrap().0;
        let now =
            compute_mean_difference(&RenderFixture::new(&file).render_image("fmt=png").to_rgb8(), &draw_gradient());
        assert!(now < last, "{quality}: {now} after {last}");
        last = now;
    }
    assert!(last < 1.5, "{last}");
}

#[test]
fn ten_and_twelve_bits_are_carried_to_the_end() {
    for (file, bits) in [(&include_bytes!("avif/deep10.avif")[..], 10), (&include_bytes!("avif/deep12.avif")[..], 12)] {
        let fixture = RenderFixture::new(file);
        assert_eq!(read_image_header(&fixture.source_path()).unwrap().bits, bits);
        let image = fixture.render_image("fmt=png").to_rgb8();
        assert_eq!(image.dimensions(), (16, 8));
        for (x, y, pixel) in image.enumerate_pixels() {
            let expected = [x * 4096, y * 8192, 30_000].map(|value| (value * 255 / 65_535) as u8);
            let near = pixel.0.iter().zip(expected).all(|(a, b)| a.abs_diff(b) <= 1);
            assert!(near, "{bits} bits at {x},{y}: {pixel:?} {expected:?}");
        }
    }
}

#[test]
fn turns_and_mirrorings_are_applied() {
    let (image, data) = (draw_quarters(16, 8), encode_color_frame(draw_quarters(16, 8)));
    let upright = |properties: &[(bool, Vec<u8>)]| {
        let all = [&[build_size_property(16, 8)][..], properties].concat();
        RenderFixture::new(&build_avif(&[AvifItem(b"av01", &data, &all)], &[])).render_image("fmt=png").to_rgb8()
    };
    let turn = |quarters| (true, build_box(b"irot", &[quarters]));
    let mirror = |axis| (true, build_box(b"imir", &[axis]));
    use image::imageops::{flip_horizontal, flip_vertical, rotate90, rotate180, rotate270};
    assert_eq!(upright(&[]), image);
    assert_eq!(upright(&[turn(1)]), rotate270(&image));
    assert_eq!(upright(&[turn(2)]), rotate180(&image));
    assert_eq!(upright(&[turn(3)]), rotate90(&image));
    assert_eq!(upright(&[mirror(0)]), flip_vertical(&image));
    assert_eq!(upright(&[mirror(1)]), flip_horizontal(&image));
    assert_eq!(upright(&[turn(1), mirror(0)]), flip_vertical(&rotate270(&image)));
}

#[test]
fn tiles_make_one_image_with_one_alpha() {
    let whole = RgbaImage::from_fn(30, 20, |x, y| Rgba([(x * 8) as u8, (y * 12) as u8, 7, (x + y * 5) as u8]));
    let opaque = DynamicImage::from(whole.clone()).to_rgb8();
    let tile = |column: u32, row: u32| {
        let inside =
            |x: u32, y: u32| (x + 16 * column < 30 && y + 16 * row < 20).then_some((x + 16 * column, y + 16 * row));
        let pixel = |x, y| inside(x, y).map_or(Rgb([0; 3]), |(x, y)| *opaque.get_pixel(x, y));
        encode_color_frame(RgbImage::from_fn(16, 16, pixel))
    };
    let tiles = [tile(0, 0), tile(1, 0), tile(0, 1), tile(1, 1)];
    let matte = encode_gray_frame(|x, y| whole.get_pixel(x, y).0[3], 30, 20);
    let (big, small) = ([build_size_property(30, 20), build_color_property(1, 13, 0)], [build_size_property(16, 16)]);
    let matte_properties = [build_size_property(30, 20), build_alpha_property()];
    let grid = [0, 0, 1, 1, 0, 30, 0, 20];
    let items = |grid: &[u8]| {
        let first = [AvifItem(b"grid", grid, &big)].into_iter();
        let tiles = tiles.iter().map(|tile| AvifItem(b"av01", tile, &small));
        let items: Vec<AvifItem<'_>> =
            first.chain(tiles).chain([AvifItem(b"av01", &matte, &matte_properties)]).collect();
        build_avif(&items, &[(b"dimg", 1, &[2, 3, 4, 5]), (b"auxl", 6, &[1])])
    };
    let fixture = RenderFixture::new(&items(&grid));
    let header = read_image_header(&fixture.source_path()).unwrap();
    assert_eq!((header.width, header.height, header.alpha, header.premultiplied), (30, 20, true, false));
    assert_eq!(fixture.render_image("fmt=png-alpha").to_rgba8(), whole);
    for wrong in [[0, 0, 1, 1, 0, 40, 0, 20], [0, 0, 1, 2, 0, 30, 0, 20], [0, 0, 0, 0, 0, 30, 0, 20]] {
        assert_eq!(RenderFixture::new(&items(&wrong)).render_file("").unwrap_err().code, Code::Corrupt);
    }
}

#[test]
fn colours_multiplied_by_alpha_are_divided_again() {
    let (color, matte) =
        (encode_color_frame(RgbImage::from_pixel(4, 4, Rgb([64, 32, 0]))), encode_gray_frame(|_, _| 128, 4, 4));
    let (color_properties, matte_properties) =
        ([build_size_property(4, 4)], [build_size_property(4, 4), build_alpha_property()]);
    let items = [AvifItem(b"av01", &color, &color_properties), AvifItem(b"av01", &matte, &matte_properties)];
    let pixel = |references: &[(&[u8; 4], u16, &[u16])]| {
        RenderFixture::new(&build_avif(&items, references)).render_image("fmt=png-alpha").to_rgba8().get_pixel(1, 1).0
    };
    assert_eq!(pixel(&[(b"auxl", 2, &[1]), (b"prem", 1, &[2])]), [128, 64, 0, 128]);
    assert_eq!(pixel(&[(b"auxl", 2, &[1])]), [64, 32, 0, 128]);
    assert_eq!(pixel(&[]), [64, 32, 0, 255]);
}

#[test]
fn brightness_alone_is_gray() {
    let data = encode_gray_frame(|x, y| (x * 50 + y) as u8, 5, 3);
    let fixture = RenderFixture::new(&build_avif(&[AvifItem(b"av01", &data, &[build_size_property(5, 3)])], &[]));
    assert_eq!(read_image_header(&fixture.source_path()).unwrap().color, offprint_modifiers::PixelType::Gray);
    let gray = fixture.render_image("fmt=png,gray").to_luma8();
    assert!(gray.enumerate_pixels().all(|(x, y, pixel)| pixel.0[0] == (x * 50 + y) as u8));
}

#[test]
fn what_numbers_and_profiles_say_of_colours_holds() {
    let data = encode_color_frame(RgbImage::from_pixel(4, 4, Rgb([200, 40, 40])));
    let build_fixture = |properties: &[(bool, Vec<u8>)]| {
        RenderFixture::new(&build_avif(
            &[AvifItem(b"av01", &data, &[&[build_size_property(4, 4)][..], properties].concat())],
            &[],
        ))
    };
    let pixel = |fixture: RenderFixture| fixture.render_image("fmt=png").to_rgb8().get_pixel(1, 1).0;
    assert_eq!(pixel(build_fixture(&[build_color_property(1, 13, 0)])), [200, 40, 40]);
    assert_eq!(pixel(build_fixture(&[build_color_property(2, 2, 0)])), [200, 40, 40]);
    // The transfer curve of cameras (BT.709) is treated as that of sRGB.
    assert_eq!(pixel(build_fixture(&[build_color_property(1, 1, 0)])), [200, 40, 40]);
    let [red, ..] = pixel(build_fixture(&[build_color_property(12, 13, 0)]));
    assert!(red > 210, "Display P3 has a deeper red: {red}");
    let profile = moxcms::ColorProfile::new_display_p3().encode().unwrap();
    let embedded = (false, build_box(b"colr", &[b"prof", &profile[..]].concat()));
    let [by_profile, ..] = pixel(build_fixture(&[build_color_property(1, 13, 0), embedded]));
    assert!(by_profile.abs_diff(red) <= 1, "the ICC profile overrides the CICP numbers: {by_profile}");
    assert_eq!(
        build_fixture(&[build_color_property(9, 16, 0)]).render_file("").unwrap_err().code,
        Code::UnsupportedColor
    );
    assert_eq!(
        build_fixture(&[build_color_property(1, 13, 14)]).render_file("").unwrap_err().code,
        Code::UnsupportedColor
    );
}

#[test]
fn what_cannot_be_read_is_refused_by_name() {
    let data = encode_color_frame(RgbImage::new(4, 4));
    let refused = |kind: &[u8; 4], properties: &[(bool, Vec<u8>)]| {
        let all = [&[build_size_property(4, 4)][..], properties].concat();
        RenderFixture::new(&build_avif(&[AvifItem(kind, &data, &all)], &[])).render_file("").unwrap_err()
    };
    for (kind, property, name) in
        [(b"av01", b"clap", "clean aperture"), (b"av01", b"news", "news"), (b"hvc1", b"pixi", "hvc1")]
    {
        let failure = refused(kind, &[(true, build_box(property, &[0; 32]))]);
        assert_eq!(failure.code, Code::UnsupportedFormat, "{failure}");
        assert!(failure.detail.contains(name), "{failure}");
    }
    // An image that is larger than its header says would need more memory than was planned.
    let lies = build_avif(&[AvifItem(b"av01", &data, &[build_size_property(2, 2)])], &[]);
    assert_eq!(RenderFixture::new(&lies).render_file("").unwrap_err().code, Code::Corrupt);
    let huge = build_avif(&[AvifItem(b"av01", &data, &[build_size_property(70_000, 70_000)])], &[]);
    assert!(RenderFixture::new(&huge).render_file("").is_err());
}

/// Through the whole service: uploaded, rendered in a sandboxed process, and downloaded.
#[sqlx::test]
async fn a_job_reads_and_writes_avif(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let whole = create_png_fixture(draw_gradient()).render_file("fmt=avif,,lossless").unwrap().0;
    let mut damaged = whole.clone();
    let data = whole.windows(4).position(|name| name == b"mdat").unwrap() + 40;
    damaged[data..].fill(0xFF);
    let cut = &whole[..whole.len() - 20];
    for (name, bytes) in [("1.avif", &whole[..]), ("2.avif", cut), ("3.avif", &damaged), ("4.avif", &whole[..100])] {
        let asset = app.upload_asset(name, bytes).await;
        let asset = app.get(format!("/assets/{asset}")).await.expect_status(200);
        let known = (&asset["mime"], asset["width"] == 120) == (&json!("image/avif"), true);
        assert_eq!(known, name != "4.avif", "{name}: {asset}");
    }
    let request = |modifier: &str| json!({"assetFilter": {}, "fmt": "convert", "is_modifier": modifier});
    let job = run_export(&app, request("fmt=avif,,lossless")).await;
    let codes: Vec<_> = fetch_items(&app, &job).await.iter().map(|item| item["failure"]["code"].clone()).collect();
    assert_eq!(json!(codes), json!([null, "truncated", "corrupt", "truncated"]), "{job}");
    assert_eq!(download_file(&app, &job, "1.avif").await, whole);
    app.assert_consistent().await;
}
