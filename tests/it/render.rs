//! Rendering through plan and steps, checked pixel by pixel.

use image::{DynamicImage, GenericImageView, ImageFormat, Rgb, RgbImage, Rgba, RgbaImage};
use offprint_core::Code;
use offprint_imaging::read_image_header;

use crate::support::images::{BLUE, GREEN, RED, YELLOW, draw_quarters, encode_image};
use crate::support::render_fixture::RenderFixture;

fn sample_corners(image: &DynamicImage) -> [Rgba<u8>; 4] {
    let (w, h) = image.dimensions();
    [(2, 2), (w - 3, 2), (2, h - 3), (w - 3, h - 3)].map(|(x, y)| image.get_pixel(x, y))
}

fn create_quarters_fixture() -> RenderFixture {
    RenderFixture::new(&encode_image(draw_quarters(80, 40), ImageFormat::Png))
}

#[test]
fn turns_and_flips_follow_the_documented_order() {
    let fixture = create_quarters_fixture();
    let turned = fixture.render_image("rotate=90&fmt=png");
    assert_eq!(turned.dimensions(), (40, 80));
    assert_eq!(sample_corners(&turned), [BLUE, RED, YELLOW, GREEN]);
    assert_eq!(sample_corners(&fixture.render_image("flip=lr&rotate=90&fmt=png")), [RED, BLUE, GREEN, YELLOW]);
    assert_eq!(sample_corners(&fixture.render_image("layer=0&flip=lr&rotate=90&fmt=png")), [YELLOW, GREEN, BLUE, RED]);
    assert_eq!(
        sample_corners(&fixture.render_image("rotate=-450&fmt=png")),
        sample_corners(&fixture.render_image("rotate=270&fmt=png"))
    );
}

#[test]
fn res_counts_from_the_resolution_of_the_image() {
    let (plain, tagged) = (
        create_quarters_fixture(),
        RenderFixture::new(&create_quarters_fixture().render_file("fmt=tif&printRes=200").unwrap().0),
    );
    let width = |fixture: &RenderFixture, modifier: &str| fixture.render_image(&format!("{modifier}&fmt=png")).width();
    assert_eq!(width(&tagged, "res=100"), 40);
    assert_eq!(width(&tagged, "res=100&scale=0.25"), 20);
    assert_eq!(width(&plain.with_attributes("Resolution=50", "none.icc", b""), "res=100"), 160);
}

#[test]
fn any_angle_grows_the_rectangle_and_leaves_corners_to_the_fill() {
    let turned = create_quarters_fixture().render_image("rotate=45&bgColor=00ffff&fmt=png");
    assert_eq!(turned.dimensions(), (85, 85));
    assert_eq!(sample_corners(&turned), [Rgba([0, 255, 255, 255]); 4]);
    // Clockwise: the red quarter moves from the top left to the top.
    assert_eq!(turned.get_pixel(38, 22), RED);
}

#[test]
fn views_pad_cut_and_fill() {
    let fixture = create_quarters_fixture();
    let padded = fixture.render_image("wid=40&hei=40&bgc=00ffff&fmt=png");
    assert_eq!(padded.dimensions(), (40, 40));
    assert_eq!(padded.get_pixel(20, 9), Rgba([0, 255, 255, 255]));
    assert_eq!((padded.get_pixel(4, 12), padded.get_pixel(35, 27)), (RED, YELLOW));
    let clear = fixture.render_image("wid=40&hei=40&fmt=png-alpha");
    assert_eq!(clear.get_pixel(20, 9), Rgba([0, 0, 0, 0]));
    let cut = fixture.render_image("wid=20&hei=20&fit=crop&align=1,0&fmt=png");
    assert_eq!((cut.dimensions(), cut.get_pixel(12, 4)), ((20, 20), GREEN));
    let nothing = fixture.render_image("rgn=500,500,10,10&bgc=00ffff&fmt=png");
    assert_eq!(sample_corners(&nothing), [Rgba([0, 255, 255, 255]); 4]);
    let neighbours = fixture.render_image("rgn=20,0,40,40&wid=80&hei=40&fmt=png");
    assert_eq!(sample_corners(&neighbours), [RED, GREEN, BLUE, YELLOW]);
}

#[test]
fn crop_and_extend_reach_outside() {
    let fixture = create_quarters_fixture();
    let grown = fixture.render_image("crop=-10,0,100,40&extend=0,10,0,0&bgColor=00ffff80&fmt=png-alpha");
    assert_eq!(grown.dimensions(), (100, 50));
    assert_eq!(grown.get_pixel(3, 30), Rgba([0, 255, 255, 128]));
    assert_eq!(grown.get_pixel(12, 12), RED);
    assert_eq!(fixture.render_image("extend=-40,0,0,0&fmt=png").dimensions(), (40, 40));
    // Area that a crop adds is filled with bgColor only, also after scaling and flipping.
    let two = fixture.render_image("crop=-10,0,100,40&scale=2&layer=0&flip=lr&color=00ffff&bgColor=ff00ff&fmt=png");
    assert_eq!((two.get_pixel(190, 30), two.get_pixel(3, 3)), (Rgba([255, 0, 255, 255]), Rgba([255, 0, 255, 255])));
    let clear = RenderFixture::new(&encode_image(RgbaImage::new(80, 40), ImageFormat::Png));
    let under = clear.render_image("crop=-10,0,100,40&color=00ffff&bgColor=ff00ff&fmt=png");
    assert_eq!((under.get_pixel(3, 30), under.get_pixel(97, 30)), (Rgba([255, 0, 255, 255]), Rgba([255, 0, 255, 255])));
    assert_eq!(
        (under.get_pixel(12, 30), under.get_pixel(88, 30)),
        (Rgba([0, 255, 255, 255]), Rgba([0, 255, 255, 255]))
    );
}

#[test]
fn colours_of_transparent_pixels_do_not_bleed() {
    let half = RgbaImage::from_fn(80, 80, |x, _| if x < 40 { RED } else { Rgba([0, 255, 0, 0]) });
    let fixture = RenderFixture::new(&encode_image(half, ImageFormat::Png));
    for mode in ["bilin", "bicub", "sharp2", "bisharp"] {
        let small = fixture.render_image(&format!("wid=21&resMode={mode}&fmt=png-alpha"));
        assert!(small.pixels().all(|(_, _, pixel)| pixel[1] == 0 || pixel[3] == 0), "{mode}");
    }
    let (_, rendered) = fixture.render_file("wid=20&fmt=jpeg").unwrap();
    assert_eq!(rendered.warnings[0].code, Code::AlphaFlattened);
    let sharp = fixture.render_image("op_usm=3,2&fmt=png-alpha");
    assert!(sharp.pixels().all(|(_, _, pixel)| pixel[1] == 0 || pixel[3] == 0));
}

#[test]
fn sharpening_raises_edges_and_leaves_flat_areas() {
    let edge = RgbImage::from_fn(60, 20, |x, _| if x < 30 { Rgb([100; 3]) } else { Rgb([150; 3]) });
    let fixture = RenderFixture::new(&encode_image(edge, ImageFormat::Png));
    for sharpen in ["op_sharpen=1", "op_usm=2,2", "op_usmR=2,2,0,1"] {
        let sharp = fixture.render_image(&format!("{sharpen}&fmt=png"));
        assert!(sharp.get_pixel(29, 10)[0] < 100 && sharp.get_pixel(30, 10)[0] > 150, "{sharpen}");
        assert_eq!(sharp.get_pixel(3, 10), Rgba([100, 100, 100, 255]), "{sharpen}");
    }
    let same = fixture.render_file("op_usm=2,2,255&fmt=png").unwrap().0;
    assert_eq!(same, fixture.render_file("fmt=png").unwrap().0);
}

#[test]
fn formats_say_what_they_are_and_repeat_exactly() {
    let fixture = create_quarters_fixture();
    for (modifier, start) in [
        ("fmt=jpeg", &b"\xFF\xD8"[..]),
        ("fmt=pjpeg,gray&qlt=90", b"\xFF\xD8"),
        ("fmt=png,gray", b"\x89PNG"),
        ("fmt=tif,,lzw", b"II*\0"),
        ("fmt=tif,gray,zip", b"II*\0"),
        ("fmt=gif", b"GIF89a"),
        ("fmt=gif-alpha,gray", b"GIF89a"),
        ("fmt=webp", b"RIFF"),
        ("fmt=webp-alpha,,lossless", b"RIFF"),
    ] {
        let (file, _) = fixture.render_file(modifier).unwrap();
        assert!(file.starts_with(start), "{modifier}");
        assert_eq!(file, fixture.render_file(modifier).unwrap().0, "{modifier}");
        let mut back = image::ImageReader::new(std::io::Cursor::new(&file)).with_guessed_format().unwrap();
        back.no_limits();
        assert_eq!(back.decode().unwrap().dimensions(), (80, 40), "{modifier}");
    }
}

#[test]
fn lossless_formats_keep_every_pixel_with_and_without_alpha() {
    let soft = RgbaImage::from_fn(31, 17, |x, y| Rgba([8 * x as u8, 15 * y as u8, 99, 255 - 7 * x as u8]));
    let fixture = RenderFixture::new(&encode_image(soft.clone(), ImageFormat::Png));
    for modifier in ["png-alpha", "tif-alpha", "tif-alpha,,lzw", "tif-alpha,,zip", "webp-alpha,,lossless"] {
        let kept = fixture.render_file(&format!("fmt={modifier}")).unwrap().0;
        assert_eq!(RenderFixture::new(&kept).render_image("fmt=png-alpha").into_rgba8(), soft, "{modifier}");
    }
}

#[test]
fn every_format_is_read() {
    for format in [ImageFormat::Jpeg, ImageFormat::Tiff, ImageFormat::WebP, ImageFormat::Gif, ImageFormat::Bmp] {
        let image = RenderFixture::new(&encode_image(draw_quarters(80, 40), format)).render_image("fmt=png");
        for (actual, expected) in sample_corners(&image).into_iter().zip([RED, GREEN, BLUE, YELLOW]) {
            assert!(actual.0.iter().zip(expected.0).all(|(a, b)| a.abs_diff(b) < 6), "{format:?}: {actual:?}");
        }
    }
    let deep = image::ImageBuffer::<image::Luma<u16>, _>::from_pixel(9, 9, image::Luma([0x8012]));
    let shallow =
        RenderFixture::new(&encode_image(DynamicImage::ImageLuma16(deep), ImageFormat::Tiff)).render_image("fmt=png");
    assert_eq!(shallow.get_pixel(4, 4), Rgba([128, 128, 128, 255]));
}

#[test]
fn the_decoders_shrink_changes_no_place() {
    let jpeg = encode_image(draw_quarters(1603, 803), ImageFormat::Jpeg);
    let fixture = RenderFixture::new(&jpeg);
    for modifier in ["wid=100", "flip=lrud&wid=100", "rotate=90&wid=100", "crop=401,201,801,401&wid=100"] {
        let small = fixture.render_image(&format!("{modifier}&fmt=png")).into_rgb8();
        let whole = fixture.render_image(&format!("{}&fmt=png", modifier.replace("wid=100", "scl=1"))).into_rgb8();
        let expected = image::imageops::resize(&whole, small.width(), small.height(), image::imageops::Lanczos3);
        let sum: u64 = small.iter().zip(expected.iter()).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
        assert!((sum as f64) / (small.len() as f64) < 1.0, "{modifier}: {sum}");
    }
}

#[test]
fn a_profile_is_converted_and_embedded_only_when_there_is_one() {
    let tagged = |profile: &moxcms::ColorProfile| {
        let mut info = png::Info::with_size(4, 4);
        info.color_type = png::ColorType::Rgb;
        info.bit_depth = png::BitDepth::Eight;
        info.icc_profile = Some(profile.encode().unwrap().into());
        let mut file = Vec::new();
        let mut writer = png::Encoder::with_info(&mut file, info).unwrap().write_header().unwrap();
        writer.write_image_data(&[200, 100, 50].repeat(16)).unwrap();
        writer.finish().unwrap();
        RenderFixture::new(&file)
    };
    let pixel = |fixture: &RenderFixture| fixture.render_image("fmt=png").get_pixel(1, 1);
    assert_eq!(pixel(&tagged(&moxcms::ColorProfile::new_srgb())), Rgba([200, 100, 50, 255]));
    // Display P3 has a wider gamut: the same numbers are a redder colour in sRGB.
    let wide = tagged(&moxcms::ColorProfile::new_display_p3());
    let Rgba([r, g, b, _]) = pixel(&wide);
    assert!(r > 205 && g < 100 && b < 50, "{r} {g} {b}");
    for (modifier, embeds) in [("fmt=png&iccEmbed=1", true), ("fmt=jpeg&iccEmbed=1", true), ("fmt=png", false)] {
        let (file, _) = wide.render_file(modifier).unwrap();
        let again = RenderFixture::new(&file);
        assert_eq!(read_image_header(&again.source_path()).unwrap().profile.is_some(), embeds, "{modifier}");
    }
    let untagged = create_quarters_fixture().render_file("fmt=png&iccEmbed=1").unwrap().0;
    assert!(read_image_header(&RenderFixture::new(&untagged).source_path()).unwrap().profile.is_none());
}

#[test]
fn resolution_is_carried_or_replaced() {
    for format in ["jpeg", "png", "tif"] {
        let first = create_quarters_fixture().render_file(&format!("fmt={format}&printRes=240")).unwrap().0;
        let second = RenderFixture::new(&RenderFixture::new(&first).render_file("fmt=tif").unwrap().0);
        assert!((read_image_header(&second.source_path()).unwrap().dpi.unwrap() - 240.0).abs() < 0.1, "{format}");
    }
}

/// A red square of 20 px in the middle of a transparent image of 60 px, whose transparent pixels are blue.
fn draw_badge() -> Vec<u8> {
    let inside = |x: u32, y: u32| (20..40).contains(&x) && (20..40).contains(&y);
    let image = RgbaImage::from_fn(60, 60, |x, y| if inside(x, y) { RED } else { Rgba([0, 0, 255, 0]) });
    encode_image(image, ImageFormat::Png)
}

#[test]
fn masks_are_used_grown_and_shown() {
    let fixture = RenderFixture::new(&draw_badge());
    let alpha = |modifier: &str, x, y| fixture.render_image(&format!("{modifier}&fmt=png-alpha")).get_pixel(x, y)[3];
    assert_eq!((alpha("", 30, 30), alpha("", 5, 5)), (255, 0));
    assert_eq!((alpha("maskUse=invert", 30, 30), alpha("maskUse=invert", 5, 5)), (0, 255));
    assert_eq!(fixture.render_image("maskUse=off&fmt=png").get_pixel(5, 5), BLUE);
    assert_eq!((alpha("op_growMask=5", 43, 30), alpha("op_growMask=5", 47, 30)), (255, 0));
    assert_eq!((alpha("op_growMask=-5", 23, 30), alpha("op_growMask=-5", 27, 30)), (0, 255));
    // Distances in source pixels are scaled with the layer; distances in layer pixels are not.
    assert!(alpha("scale=.5&op_growMask=6", 25, 15) < 50 && alpha("scale=.5&op_growMaskR=6", 25, 15) > 200);
    let shown = fixture.render_image("req=mask&wid=60&hei=80&bgc=ffffff&fmt=png");
    assert_eq!(shown.color(), image::ColorType::L8);
    assert_eq!((shown.get_pixel(30, 40)[0], shown.get_pixel(30, 5)[0]), (255, 0));
    let opaque = RenderFixture::new(&encode_image(draw_quarters(8, 8), ImageFormat::Png));
    assert_eq!(opaque.render_image("maskUse=invert&fmt=png-alpha").get_pixel(2, 2)[3], 0);
    assert_eq!(opaque.render_image("hide=1&bgColor=ffffff&bgc=00ff00&fmt=png").get_pixel(2, 2), GREEN);
}

#[test]
fn outlines_cut_where_the_composite_is() {
    let fixture = create_quarters_fixture();
    let square = "clipPath=M0,0L40,0,40,40,0,40Z";
    let cut = fixture.render_image(&format!("{square}&fmt=png-alpha"));
    assert_eq!((cut.get_pixel(20, 10), cut.get_pixel(60, 10)[3]), (RED, 0));
    // Clip paths are applied before flips. `clipXPath` takes away from `clipPath` and has no effect without it.
    let flipped = fixture.render_image(&format!("flip=lr&{square}&fmt=png-alpha"));
    assert_eq!((flipped.get_pixel(20, 10)[3], flipped.get_pixel(60, 10)), (0, RED));
    let out = "clipXPath=m0,0l20,0,0,40,-20,0z";
    assert_eq!(fixture.render_image(&format!("{out}&fmt=png-alpha")).get_pixel(10, 10), RED);
    let both = fixture.render_image(&format!("{out}&{square}&fmt=png-alpha"));
    assert_eq!((both.get_pixel(10, 10)[3], both.get_pixel(30, 10)), (0, RED));
    // In a layer, positions count from the layer's corner before rotation.
    let turned = fixture.render_image(&format!("layer=0&{square}&rotate=90&fmt=png-alpha"));
    assert_eq!((turned.dimensions(), turned.get_pixel(20, 10)[3]), ((40, 80), 255));
    assert_eq!(turned.get_pixel(20, 60)[3], 0);
}

#[test]
fn perspectives_bring_corners_where_they_are_sent() {
    let fixture = create_quarters_fixture();
    let same = fixture.render_image("perspective=0,0,80,0,80,40,0,40&fmt=png-alpha");
    assert_eq!(sample_corners(&same), sample_corners(&fixture.render_image("fmt=png-alpha")));
    let mirrored = fixture.render_image("perspectiveN=1,0,0,0,0,1,1,1,R1&fmt=png");
    assert_eq!(sample_corners(&mirrored), sample_corners(&fixture.render_image("flip=lr&fmt=png")));
    for sampling in ["R1", "R2", "R3", "R3T100"] {
        let bent = fixture.render_image(&format!("perspective=20,0,60,0,80,40,0,40,{sampling}&size=9,9&fmt=png-alpha"));
        assert_eq!(bent.dimensions(), (80, 40));
        assert_eq!(
            (bent.get_pixel(5, 5)[3], bent.get_pixel(30, 5), bent.get_pixel(10, 37)),
            (0, RED, BLUE),
            "{sampling}"
        );
    }
}

#[test]
fn tiles_are_parts_of_the_whole_view() {
    let fixture = create_quarters_fixture();
    for view in ["wid=64&hei=64&bgc=123456", "wid=64&op_sharpen=1", "wid=50&hei=20&fit=crop&op_usm=2,3"] {
        let whole = fixture.render_image(&format!("{view}&fmt=png"));
        let (w, h) = whole.dimensions();
        for (x, y) in [(0, 0), (w / 2, 0), (0, h / 2), (w / 2, h / 2)] {
            let tile = fixture.render_image(&format!("{view}&rect={x},{y},{},{}&fmt=png", w / 2, h / 2));
            assert_eq!(tile, whole.crop_imm(x, y, w / 2, h / 2), "{view} {x},{y}");
        }
    }
    let outside = fixture.render_image("wid=40&rect=-10,-10,60,40&bgc=00ff00&fmt=png");
    assert_eq!((outside.get_pixel(5, 5), outside.get_pixel(12, 12), outside.get_pixel(55, 15)), (GREEN, RED, GREEN));
    let scaled = fixture.render_image("wid=40&rect=0,0,20,10,0.5&op_sharpen=1&fmt=png");
    assert_eq!(scaled.dimensions(), (20, 10));
    let Rgba([r, g, b, _]) = scaled.get_pixel(3, 2);
    assert!(r > 250 && g < 5 && b < 5, "a half of the sharpened view is red there");
}

#[test]
fn thumbnails_lie_on_their_background() {
    let thumb = create_quarters_fixture().render_image("req=tmb&wid=40&hei=40&bgc=00ffff&fmt=png");
    assert_eq!(thumb.dimensions(), (40, 40));
    assert_eq!((thumb.get_pixel(20, 3), thumb.get_pixel(4, 14)), (Rgba([0, 255, 255, 255]), RED));
    assert_eq!(create_quarters_fixture().render_image("req=tmb").dimensions(), (100, 100));
}

#[test]
fn colours_grow_tint_and_rustle() {
    let fixture = create_quarters_fixture();
    let grown = fixture.render_image("op_grow=4&fmt=png");
    assert_eq!((grown.get_pixel(38, 4), grown.get_pixel(4, 4)), (Rgba([255, 255, 0, 255]), RED));
    assert_eq!(fixture.render_image("op_grow=-4&fmt=png").get_pixel(38, 4), Rgba([0, 0, 0, 255]));
    let gray = RenderFixture::new(&encode_image(RgbImage::from_pixel(40, 40, Rgb([128; 3])), ImageFormat::Png));
    assert_eq!(gray.render_image("op_colorize=00ff00&fmt=png").get_pixel(9, 9), GREEN);
    let noisy = gray.render_image("op_noise=20,gaussian,1&fmt=png").to_rgb8();
    assert!(noisy.pixels().all(|pixel| pixel[0] == pixel[1] && pixel[1] == pixel[2]));
    assert!(noisy.pixels().any(|pixel| pixel[0] < 110) && noisy.pixels().any(|pixel| pixel[0] > 146));
    assert_eq!(noisy, gray.render_image("op_noise=20,gaussian,1&fmt=png").to_rgb8());
    let colourful = gray.render_image("op_noise=20&fmt=png").to_rgb8();
    assert!(colourful.pixels().any(|pixel| pixel[0] != pixel[1]));
}
