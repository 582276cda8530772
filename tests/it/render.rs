//! Pictures through plan and steps: what comes out, pixel by pixel.

use image::{DynamicImage, GenericImageView, ImageFormat, Rgb, RgbImage, Rgba, RgbaImage};
use offprint::code::Code;
use offprint::language::{Attributes, Macros, Order, recipe};
use offprint::render::{Failure, Library, Limits, Plan, Rendered, probe, render};

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
        let mut attributes = Attributes { profiles: self.library.names().clone(), ..Attributes::default() };
        attributes.set_all(&self.attributes).unwrap();
        let macros = Macros::default();
        let order = Order {
            before: "",
            modifier,
            export_macro: None,
            after: "",
            macros: &macros,
            object: "",
            attributes: &attributes,
        };
        let recipe = recipe(&order).unwrap().recipe;
        let plan = Plan::of(&recipe, &probe(&self.source())?, &Limits::default(), &self.library.fetch([&recipe])?)?;
        let output = self.folder.path().join("output");
        let rendered = render(&plan, &self.source(), &output)?;
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
