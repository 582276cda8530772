//! Pictures through plan and steps: what comes out, pixel by pixel.

use image::{DynamicImage, GenericImageView, ImageFormat, Rgb, RgbImage, Rgba, RgbaImage};
use offprint::code::Code;
use offprint::language::{Attributes, Macros, Order, Reading, Recipe, recipe};
use offprint::render::{Failure, Files, Headers, Library, Limits, Plan, Rendered, probe, render};

/// A source in a folder of its own, and what modifiers make of it.
pub struct Studio {
    folder: tempfile::TempDir,
    library: Library,
    attributes: String,
}

impl Studio {
    /// A studio whose source is this file.
    pub fn with(source: &[u8]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("source"), source).unwrap();
        Self { folder, library: Library::default(), attributes: String::new() }
    }

    /// The same with these attributes, and a profile among those of the operator.
    pub fn told(self, attributes: &str, name: &str, profile: &[u8]) -> Self {
        let folder = self.folder.path().join("icc");
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join(name), profile).unwrap();
        Self { library: Library::read(&folder), attributes: attributes.into(), ..self }
    }

    /// Where the source lies.
    pub fn source(&self) -> std::path::PathBuf {
        self.folder.path().join("source")
    }

    /// Renders and keeps the file.
    pub fn file(&self, modifier: &str) -> Result<(Vec<u8>, Rendered), Failure> {
        self.read(modifier, Reading::default())
    }

    /// The same of a source that is read this way.
    pub fn read(&self, modifier: &str, reading: Reading) -> Result<(Vec<u8>, Rendered), Failure> {
        let mut attributes = Attributes { profiles: self.library.names().clone(), ..Attributes::default() };
        attributes.set_all(&self.attributes).unwrap();
        let macros = Macros::default();
        let order = Order::new(modifier, &macros, &attributes);
        let recipe = Recipe { reading, ..recipe(&order).unwrap().recipe };
        let (limits, profiles) = (Limits::default(), self.library.fetch([&recipe])?);
        let plan = Plan::of(&recipe, &probe(&self.source())?, &Headers::new(), &limits, &profiles)?;
        let output = self.folder.path().join("output");
        let rendered = render(&plan, &Files::only(self.source()), &output)?;
        let file = std::fs::read(output).unwrap();
        assert_eq!(rendered.bytes, file.len() as u64);
        Ok((file, rendered))
    }

    /// Renders and reads the result.
    pub fn picture(&self, modifier: &str) -> DynamicImage {
        image::load_from_memory(&self.file(modifier).unwrap().0).unwrap()
    }
}

/// A picture as a file of this format.
pub fn file_of(picture: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
    let mut file = std::io::Cursor::new(Vec::new());
    picture.into().write_to(&mut file, format).unwrap();
    file.into_inner()
}

pub const RED: Rgba<u8> = Rgba([255, 0, 0, 255]);
const GREEN: Rgba<u8> = Rgba([0, 255, 0, 255]);
const BLUE: Rgba<u8> = Rgba([0, 0, 255, 255]);
const YELLOW: Rgba<u8> = Rgba([255, 255, 0, 255]);

/// Red, green, blue and yellow quarters.
pub fn quarters(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| match (x < width / 2, y < height / 2) {
        (true, true) => Rgb([255, 0, 0]),
        (false, true) => Rgb([0, 255, 0]),
        (true, false) => Rgb([0, 0, 255]),
        (false, false) => Rgb([255, 255, 0]),
    })
}

fn corners(picture: &DynamicImage) -> [Rgba<u8>; 4] {
    let (w, h) = picture.dimensions();
    [(2, 2), (w - 3, 2), (2, h - 3), (w - 3, h - 3)].map(|(x, y)| picture.get_pixel(x, y))
}

fn studio() -> Studio {
    Studio::with(&file_of(quarters(80, 40), ImageFormat::Png))
}

#[test]
fn turns_and_flips_follow_the_documented_order() {
    let studio = studio();
    let turned = studio.picture("rotate=90&fmt=png");
    assert_eq!(turned.dimensions(), (40, 80));
    assert_eq!(corners(&turned), [BLUE, RED, YELLOW, GREEN]);
    assert_eq!(corners(&studio.picture("flip=lr&rotate=90&fmt=png")), [RED, BLUE, GREEN, YELLOW]);
    assert_eq!(corners(&studio.picture("layer=0&flip=lr&rotate=90&fmt=png")), [YELLOW, GREEN, BLUE, RED]);
    assert_eq!(corners(&studio.picture("rotate=-450&fmt=png")), corners(&studio.picture("rotate=270&fmt=png")));
}

#[test]
fn res_counts_from_the_resolution_of_the_picture() {
    let (plain, tagged) = (studio(), Studio::with(&studio().file("fmt=tif&printRes=200").unwrap().0));
    let width = |studio: &Studio, modifier: &str| studio.picture(&format!("{modifier}&fmt=png")).width();
    assert_eq!(width(&tagged, "res=100"), 40);
    assert_eq!(width(&tagged, "res=100&scale=0.25"), 20);
    assert_eq!(width(&plain.told("Resolution=50", "none.icc", b""), "res=100"), 160);
}

#[test]
fn any_angle_grows_the_rectangle_and_leaves_corners_to_the_fill() {
    let turned = studio().picture("rotate=45&bgColor=00ffff&fmt=png");
    assert_eq!(turned.dimensions(), (85, 85));
    assert_eq!(corners(&turned), [Rgba([0, 255, 255, 255]); 4]);
    // Clockwise: the red quarter at the top left goes to the top.
    assert_eq!(turned.get_pixel(38, 22), RED);
}

#[test]
fn views_pad_cut_and_fill() {
    let studio = studio();
    let padded = studio.picture("wid=40&hei=40&bgc=00ffff&fmt=png");
    assert_eq!(padded.dimensions(), (40, 40));
    assert_eq!(padded.get_pixel(20, 9), Rgba([0, 255, 255, 255]));
    assert_eq!((padded.get_pixel(4, 12), padded.get_pixel(35, 27)), (RED, YELLOW));
    let clear = studio.picture("wid=40&hei=40&fmt=png-alpha");
    assert_eq!(clear.get_pixel(20, 9), Rgba([0, 0, 0, 0]));
    let cut = studio.picture("wid=20&hei=20&fit=crop&align=1,0&fmt=png");
    assert_eq!((cut.dimensions(), cut.get_pixel(12, 4)), ((20, 20), GREEN));
    let nothing = studio.picture("rgn=500,500,10,10&bgc=00ffff&fmt=png");
    assert_eq!(corners(&nothing), [Rgba([0, 255, 255, 255]); 4]);
    let neighbours = studio.picture("rgn=20,0,40,40&wid=80&hei=40&fmt=png");
    assert_eq!(corners(&neighbours), [RED, GREEN, BLUE, YELLOW]);
}

#[test]
fn crop_and_extend_reach_outside() {
    let studio = studio();
    let grown = studio.picture("crop=-10,0,100,40&extend=0,10,0,0&bgColor=00ffff80&fmt=png-alpha");
    assert_eq!(grown.dimensions(), (100, 50));
    assert_eq!(grown.get_pixel(3, 30), Rgba([0, 255, 255, 128]));
    assert_eq!(grown.get_pixel(12, 12), RED);
    assert_eq!(studio.picture("extend=-40,0,0,0&fmt=png").dimensions(), (40, 40));
    // What a crop adds is filled by bgColor alone, also after a scaling and a mirroring.
    let two = studio.picture("crop=-10,0,100,40&scale=2&layer=0&flip=lr&color=00ffff&bgColor=ff00ff&fmt=png");
    assert_eq!((two.get_pixel(190, 30), two.get_pixel(3, 3)), (Rgba([255, 0, 255, 255]), Rgba([255, 0, 255, 255])));
    let clear = Studio::with(&file_of(RgbaImage::new(80, 40), ImageFormat::Png));
    let under = clear.picture("crop=-10,0,100,40&color=00ffff&bgColor=ff00ff&fmt=png");
    assert_eq!((under.get_pixel(3, 30), under.get_pixel(97, 30)), (Rgba([255, 0, 255, 255]), Rgba([255, 0, 255, 255])));
    assert_eq!(
        (under.get_pixel(12, 30), under.get_pixel(88, 30)),
        (Rgba([0, 255, 255, 255]), Rgba([0, 255, 255, 255]))
    );
}

#[test]
fn colours_of_transparent_pixels_do_not_bleed() {
    let half = RgbaImage::from_fn(80, 80, |x, _| if x < 40 { RED } else { Rgba([0, 255, 0, 0]) });
    let studio = Studio::with(&file_of(half, ImageFormat::Png));
    for mode in ["bilin", "bicub", "sharp2", "bisharp"] {
        let small = studio.picture(&format!("wid=21&resMode={mode}&fmt=png-alpha"));
        assert!(small.pixels().all(|(_, _, pixel)| pixel[1] == 0 || pixel[3] == 0), "{mode}");
    }
    let (_, rendered) = studio.file("wid=20&fmt=jpeg").unwrap();
    assert_eq!(rendered.warnings[0].code, Code::AlphaFlattened);
    let sharp = studio.picture("op_usm=3,2&fmt=png-alpha");
    assert!(sharp.pixels().all(|(_, _, pixel)| pixel[1] == 0 || pixel[3] == 0));
}

#[test]
fn sharpening_raises_edges_and_leaves_flat_areas() {
    let edge = RgbImage::from_fn(60, 20, |x, _| if x < 30 { Rgb([100; 3]) } else { Rgb([150; 3]) });
    let studio = Studio::with(&file_of(edge, ImageFormat::Png));
    for sharpen in ["op_sharpen=1", "op_usm=2,2", "op_usmR=2,2,0,1"] {
        let sharp = studio.picture(&format!("{sharpen}&fmt=png"));
        assert!(sharp.get_pixel(29, 10)[0] < 100 && sharp.get_pixel(30, 10)[0] > 150, "{sharpen}");
        assert_eq!(sharp.get_pixel(3, 10), Rgba([100, 100, 100, 255]), "{sharpen}");
    }
    let same = studio.file("op_usm=2,2,255&fmt=png").unwrap().0;
    assert_eq!(same, studio.file("fmt=png").unwrap().0);
}

#[test]
fn formats_say_what_they_are_and_repeat_exactly() {
    let studio = studio();
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
        let (file, _) = studio.file(modifier).unwrap();
        assert!(file.starts_with(start), "{modifier}");
        assert_eq!(file, studio.file(modifier).unwrap().0, "{modifier}");
        let mut back = image::ImageReader::new(std::io::Cursor::new(&file)).with_guessed_format().unwrap();
        back.no_limits();
        assert_eq!(back.decode().unwrap().dimensions(), (80, 40), "{modifier}");
    }
}

#[test]
fn lossless_formats_keep_every_pixel_with_and_without_alpha() {
    let soft = RgbaImage::from_fn(31, 17, |x, y| Rgba([8 * x as u8, 15 * y as u8, 99, 255 - 7 * x as u8]));
    let studio = Studio::with(&file_of(soft.clone(), ImageFormat::Png));
    for modifier in ["png-alpha", "tif-alpha", "tif-alpha,,lzw", "tif-alpha,,zip", "webp-alpha,,lossless"] {
        let kept = studio.file(&format!("fmt={modifier}")).unwrap().0;
        assert_eq!(Studio::with(&kept).picture("fmt=png-alpha").into_rgba8(), soft, "{modifier}");
    }
}

#[test]
fn every_format_is_read() {
    for format in [ImageFormat::Jpeg, ImageFormat::Tiff, ImageFormat::WebP, ImageFormat::Gif, ImageFormat::Bmp] {
        let picture = Studio::with(&file_of(quarters(80, 40), format)).picture("fmt=png");
        for (found, expected) in corners(&picture).into_iter().zip([RED, GREEN, BLUE, YELLOW]) {
            assert!(found.0.iter().zip(expected.0).all(|(a, b)| a.abs_diff(b) < 6), "{format:?}: {found:?}");
        }
    }
    let deep = image::ImageBuffer::<image::Luma<u16>, _>::from_pixel(9, 9, image::Luma([0x8012]));
    let shallow = Studio::with(&file_of(DynamicImage::ImageLuma16(deep), ImageFormat::Tiff)).picture("fmt=png");
    assert_eq!(shallow.get_pixel(4, 4), Rgba([128, 128, 128, 255]));
}

#[test]
fn the_decoders_shrink_changes_no_place() {
    let jpeg = file_of(quarters(1603, 803), ImageFormat::Jpeg);
    let studio = Studio::with(&jpeg);
    for modifier in ["wid=100", "flip=lrud&wid=100", "rotate=90&wid=100", "crop=401,201,801,401&wid=100"] {
        let small = studio.picture(&format!("{modifier}&fmt=png")).into_rgb8();
        let whole = studio.picture(&format!("{}&fmt=png", modifier.replace("wid=100", "scl=1"))).into_rgb8();
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
        Studio::with(&file)
    };
    let pixel = |studio: &Studio| studio.picture("fmt=png").get_pixel(1, 1);
    assert_eq!(pixel(&tagged(&moxcms::ColorProfile::new_srgb())), Rgba([200, 100, 50, 255]));
    // Display P3 is wider: the same numbers are a redder colour in sRGB.
    let wide = tagged(&moxcms::ColorProfile::new_display_p3());
    let Rgba([r, g, b, _]) = pixel(&wide);
    assert!(r > 205 && g < 100 && b < 50, "{r} {g} {b}");
    for (modifier, embeds) in [("fmt=png&iccEmbed=1", true), ("fmt=jpeg&iccEmbed=1", true), ("fmt=png", false)] {
        let (file, _) = wide.file(modifier).unwrap();
        let again = Studio::with(&file);
        assert_eq!(probe(&again.source()).unwrap().profile.is_some(), embeds, "{modifier}");
    }
    let untagged = studio().file("fmt=png&iccEmbed=1").unwrap().0;
    assert!(probe(&Studio::with(&untagged).source()).unwrap().profile.is_none());
}

#[test]
fn resolution_is_carried_or_replaced() {
    for format in ["jpeg", "png", "tif"] {
        let first = studio().file(&format!("fmt={format}&printRes=240")).unwrap().0;
        let second = Studio::with(&Studio::with(&first).file("fmt=tif").unwrap().0);
        assert!((probe(&second.source()).unwrap().dpi.unwrap() - 240.0).abs() < 0.1, "{format}");
    }
}

/// A red square of 20 in the middle of a transparent picture of 60, whose hidden colour is blue.
fn badge() -> Vec<u8> {
    let inside = |x: u32, y: u32| (20..40).contains(&x) && (20..40).contains(&y);
    let picture = RgbaImage::from_fn(60, 60, |x, y| if inside(x, y) { RED } else { Rgba([0, 0, 255, 0]) });
    file_of(picture, ImageFormat::Png)
}

#[test]
fn masks_are_used_grown_and_shown() {
    let studio = Studio::with(&badge());
    let alpha = |modifier: &str, x, y| studio.picture(&format!("{modifier}&fmt=png-alpha")).get_pixel(x, y)[3];
    assert_eq!((alpha("", 30, 30), alpha("", 5, 5)), (255, 0));
    assert_eq!((alpha("maskUse=invert", 30, 30), alpha("maskUse=invert", 5, 5)), (0, 255));
    assert_eq!(studio.picture("maskUse=off&fmt=png").get_pixel(5, 5), BLUE);
    assert_eq!((alpha("op_growMask=5", 43, 30), alpha("op_growMask=5", 47, 30)), (255, 0));
    assert_eq!((alpha("op_growMask=-5", 23, 30), alpha("op_growMask=-5", 27, 30)), (0, 255));
    // Pixels of the source shrink with the layer, pixels of the layer do not.
    assert!(alpha("scale=.5&op_growMask=6", 25, 15) < 50 && alpha("scale=.5&op_growMaskR=6", 25, 15) > 200);
    let shown = studio.picture("req=mask&wid=60&hei=80&bgc=ffffff&fmt=png");
    assert_eq!(shown.color(), image::ColorType::L8);
    assert_eq!((shown.get_pixel(30, 40)[0], shown.get_pixel(30, 5)[0]), (255, 0));
    let opaque = Studio::with(&file_of(quarters(8, 8), ImageFormat::Png));
    assert_eq!(opaque.picture("maskUse=invert&fmt=png-alpha").get_pixel(2, 2)[3], 0);
    assert_eq!(opaque.picture("hide=1&bgColor=ffffff&bgc=00ff00&fmt=png").get_pixel(2, 2), GREEN);
}

#[test]
fn outlines_cut_where_the_composite_is() {
    let studio = studio();
    let square = "clipPath=M0,0L40,0,40,40,0,40Z";
    let cut = studio.picture(&format!("{square}&fmt=png-alpha"));
    assert_eq!((cut.get_pixel(20, 10), cut.get_pixel(60, 10)[3]), (RED, 0));
    // Cuts come before flips, also within the layer; those that only cut out need one to cut out of.
    let flipped = studio.picture(&format!("flip=lr&{square}&fmt=png-alpha"));
    assert_eq!((flipped.get_pixel(20, 10)[3], flipped.get_pixel(60, 10)), (0, RED));
    let out = "clipXPath=m0,0l20,0,0,40,-20,0z";
    assert_eq!(studio.picture(&format!("{out}&fmt=png-alpha")).get_pixel(10, 10), RED);
    let both = studio.picture(&format!("{out}&{square}&fmt=png-alpha"));
    assert_eq!((both.get_pixel(10, 10)[3], both.get_pixel(30, 10)), (0, RED));
    // In the layer, places count from the layer's corner, before it is turned.
    let turned = studio.picture(&format!("layer=0&{square}&rotate=90&fmt=png-alpha"));
    assert_eq!((turned.dimensions(), turned.get_pixel(20, 10)[3]), ((40, 80), 255));
    assert_eq!(turned.get_pixel(20, 60)[3], 0);
}

#[test]
fn perspectives_bring_corners_where_they_are_sent() {
    let studio = studio();
    let same = studio.picture("perspective=0,0,80,0,80,40,0,40&fmt=png-alpha");
    assert_eq!(corners(&same), corners(&studio.picture("fmt=png-alpha")));
    let mirrored = studio.picture("perspectiveN=1,0,0,0,0,1,1,1,R1&fmt=png");
    assert_eq!(corners(&mirrored), corners(&studio.picture("flip=lr&fmt=png")));
    for sampling in ["R1", "R2", "R3", "R3T100"] {
        let bent = studio.picture(&format!("perspective=20,0,60,0,80,40,0,40,{sampling}&size=9,9&fmt=png-alpha"));
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
    let studio = studio();
    for view in ["wid=64&hei=64&bgc=123456", "wid=64&op_sharpen=1", "wid=50&hei=20&fit=crop&op_usm=2,3"] {
        let whole = studio.picture(&format!("{view}&fmt=png"));
        let (w, h) = whole.dimensions();
        for (x, y) in [(0, 0), (w / 2, 0), (0, h / 2), (w / 2, h / 2)] {
            let tile = studio.picture(&format!("{view}&rect={x},{y},{},{}&fmt=png", w / 2, h / 2));
            assert_eq!(tile, whole.crop_imm(x, y, w / 2, h / 2), "{view} {x},{y}");
        }
    }
    let outside = studio.picture("wid=40&rect=-10,-10,60,40&bgc=00ff00&fmt=png");
    assert_eq!((outside.get_pixel(5, 5), outside.get_pixel(12, 12), outside.get_pixel(55, 15)), (GREEN, RED, GREEN));
    let scaled = studio.picture("wid=40&rect=0,0,20,10,0.5&op_sharpen=1&fmt=png");
    assert_eq!(scaled.dimensions(), (20, 10));
    let Rgba([r, g, b, _]) = scaled.get_pixel(3, 2);
    assert!(r > 250 && g < 5 && b < 5, "a half of the sharpened view is red there");
}

#[test]
fn thumbnails_lie_on_their_background() {
    let thumb = studio().picture("req=tmb&wid=40&hei=40&bgc=00ffff&fmt=png");
    assert_eq!(thumb.dimensions(), (40, 40));
    assert_eq!((thumb.get_pixel(20, 3), thumb.get_pixel(4, 14)), (Rgba([0, 255, 255, 255]), RED));
    assert_eq!(studio().picture("req=tmb").dimensions(), (100, 100));
}

#[test]
fn colours_grow_tint_and_rustle() {
    let studio = studio();
    let grown = studio.picture("op_grow=4&fmt=png");
    assert_eq!((grown.get_pixel(38, 4), grown.get_pixel(4, 4)), (Rgba([255, 255, 0, 255]), RED));
    assert_eq!(studio.picture("op_grow=-4&fmt=png").get_pixel(38, 4), Rgba([0, 0, 0, 255]));
    let gray = Studio::with(&file_of(RgbImage::from_pixel(40, 40, Rgb([128; 3])), ImageFormat::Png));
    assert_eq!(gray.picture("op_colorize=00ff00&fmt=png").get_pixel(9, 9), GREEN);
    let noisy = gray.picture("op_noise=20,gaussian,1&fmt=png").to_rgb8();
    assert!(noisy.pixels().all(|pixel| pixel[0] == pixel[1] && pixel[1] == pixel[2]));
    assert!(noisy.pixels().any(|pixel| pixel[0] < 110) && noisy.pixels().any(|pixel| pixel[0] > 146));
    assert_eq!(noisy, gray.picture("op_noise=20,gaussian,1&fmt=png").to_rgb8());
    let colourful = gray.picture("op_noise=20&fmt=png").to_rgb8();
    assert!(colourful.pixels().any(|pixel| pixel[0] != pixel[1]));
}
