//! `x_trim` and `x_pad`: a product comes out at the same place and size wherever it was, in every kind of file.

#![allow(clippy::unwrap_used)]

use std::fs::File;
use std::path::{Path, PathBuf};

use image::{DynamicImage, ImageFormat, Rgba, RgbaImage};
use offprint_core::Code;
use offprint_imaging::{
    ImageHeader, ObjectHeaders, ProfileBytes, RenderLimits, RenderPlan, SourceFiles, read_header_for_render,
    render_image,
};
use offprint_modifiers::{Attributes, Macros, ModifierInput, Recipe, resolve_modifier};
use proptest::prelude::*;

const WHITE: [u8; 4] = [255, 255, 255, 255];
const CLEAR: [u8; 4] = [9, 200, 77, 0];

fn resolve(modifier: &str) -> Recipe {
    let (macros, attributes) = (Macros::default(), Attributes::default());
    let resolved = resolve_modifier(&ModifierInput::new(modifier, &macros, &attributes));
    resolved.unwrap_or_else(|errors| panic!("{modifier}: {errors:?}")).recipe
}

fn plan(recipe: &Recipe, header: &ImageHeader, own: &ObjectHeaders) -> RenderPlan {
    RenderPlan::new(recipe, header, own, &RenderLimits::default(), &ProfileBytes::default()).unwrap()
}

/// Renders a file to a PNG. Returns its pixels and the codes of its warnings.
fn render_file(source: &Path, modifier: &str) -> (RgbaImage, Vec<Code>) {
    let recipe = resolve(&format!("{modifier}&fmt=png-alpha"));
    let header = read_header_for_render(&source.into()).unwrap();
    let plan = plan(&recipe, &header, &ObjectHeaders::new());
    let output = source.with_extension("out");
    let rendered = render_image(&plan, &SourceFiles::from_source(source), &output).unwrap();
    let image = image::load_from_memory(&std::fs::read(output).unwrap()).unwrap().into_rgba8();
    (image, rendered.warnings.into_iter().map(|warning| warning.code).collect())
}

/// A file format in which a picture is stored.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Png,
    Alpha,
    Gray,
    Jpeg,
    Deep,
    Cmyk,
}

const KINDS: [Kind; 6] = [Kind::Png, Kind::Alpha, Kind::Gray, Kind::Jpeg, Kind::Deep, Kind::Cmyk];

fn save(image: &RgbaImage, kind: Kind, folder: &Path) -> PathBuf {
    let image = DynamicImage::from(image.clone());
    let path = folder.join("source");
    match kind {
        Kind::Png => image.into_rgb8().save_with_format(&path, ImageFormat::Png).unwrap(),
        Kind::Alpha => image.save_with_format(&path, ImageFormat::Png).unwrap(),
        Kind::Gray => image.into_luma8().save_with_format(&path, ImageFormat::Png).unwrap(),
        Kind::Jpeg => image.into_rgb8().save_with_format(&path, ImageFormat::Jpeg).unwrap(),
        Kind::Deep => image.into_rgb16().save_with_format(&path, ImageFormat::Png).unwrap(),
        Kind::Cmyk => {
            let (width, height) = (image.width(), image.height());
            let inks: Vec<u8> = image
                .into_rgb8()
                .pixels()
                .flat_map(|pixel| {
                    let [r, g, b] = pixel.0.map(|value| 255 - value);
                    [r, g, b, 0]
                })
                .collect();
            let mut encoder = tiff::encoder::TiffEncoder::new(File::create(&path).unwrap()).unwrap();
            encoder.write_image::<tiff::encoder::colortype::CMYK8>(width, height, &inks).unwrap();
        }
    }
    path
}

/// A product of this size, in colours far from white, on a background.
fn draw(canvas: (u32, u32), background: [u8; 4], (left, top): (u32, u32), (w, h): (u32, u32)) -> RgbaImage {
    RgbaImage::from_fn(canvas.0, canvas.1, |x, y| {
        let inside = x >= left && x < left + w && y >= top && y < top + h;
        if !inside {
            return Rgba(background);
        }
        let (x, y) = ((x - left) * 150 / w, (y - top) * 150 / h);
        Rgba([20 + x as u8, 20 + y as u8, 60, 255])
    })
}

/// Left, top, right and bottom of what is neither white nor transparent.
fn measure_product(image: &RgbaImage) -> [u32; 4] {
    let seen = |pixel: &Rgba<u8>| pixel.0[3] > 127 && pixel.0[2] < 200;
    image
        .enumerate_pixels()
        .filter(|(_, _, pixel)| seen(pixel))
        .fold([u32::MAX, u32::MAX, 0, 0], |bounds, (x, y, _)| {
            [bounds[0].min(x), bounds[1].min(y), bounds[2].max(x + 1), bounds[3].max(y + 1)]
        })
}

fn assert_near(actual: [u32; 4], expected: [u32; 4], slack: u32, what: &str) {
    assert!(actual.iter().zip(expected).all(|(a, b)| a.abs_diff(b) <= slack), "{what}: {actual:?}, not {expected:?}");
}

#[test]
fn every_kind_of_file_is_trimmed_and_padded() {
    let folder = tempfile::tempdir().unwrap();
    for kind in KINDS {
        let background = if kind == Kind::Alpha { CLEAR } else { WHITE };
        let source = save(&draw((400, 300), background, (130, 40), (120, 160)), kind, folder.path());
        let (image, warnings) = render_file(&source, "wid=200&hei=100&x_trim=20&x_pad=.8");
        assert_eq!(image.dimensions(), (200, 100), "{kind:?}");
        assert!(!warnings.contains(&Code::NothingTrimmed), "{kind:?}");
        // 80 of 100 pixels high, so 60 wide; what a JPEG adds around an edge is part of the product.
        assert_near(
            measure_product(&image),
            [70, 10, 130, 90],
            if kind == Kind::Jpeg { 4 } else { 1 },
            &format!("{kind:?}"),
        );
        assert_eq!(image.get_pixel(0, 0).0[3], 0, "{kind:?}");
    }
}

#[test]
fn the_frame_has_the_background_in_formats_without_alpha() {
    let folder = tempfile::tempdir().unwrap();
    let source = save(&draw((200, 200), CLEAR, (10, 20), (50, 50)), Kind::Alpha, folder.path());
    let recipe = resolve("wid=100&hei=100&x_trim=5&x_pad=.5&bgc=00ffff&fmt=png");
    let header = read_header_for_render(&source.as_path().into()).unwrap();
    let output = folder.path().join("flat");
    render_image(&plan(&recipe, &header, &ObjectHeaders::new()), &SourceFiles::from_source(&source), &output).unwrap();
    let flat = image::load_from_memory(&std::fs::read(output).unwrap()).unwrap().into_rgba8();
    assert_eq!((flat.get_pixel(2, 2).0, flat.get_pixel(24, 50).0), ([0, 255, 255, 255], [0, 255, 255, 255]));
    assert_near(measure_product(&flat), [25, 25, 75, 75], 0, "the product is not enlarged");
}

#[test]
fn without_a_product_the_image_is_whole_and_a_warning_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let gradient = RgbaImage::from_fn(80, 60, |x, y| Rgba([(x * 3) as u8, (y * 4) as u8, 60, 255]));
    let nothing = RgbaImage::from_pixel(80, 60, Rgba(WHITE));
    for (image, kind) in [(&gradient, Kind::Png), (&nothing, Kind::Png), (&nothing, Kind::Jpeg), (&nothing, Kind::Cmyk)]
    {
        let source = save(image, kind, folder.path());
        let (trimmed, warnings) = render_file(&source, "wid=40&hei=40&x_trim=10");
        assert!(warnings.contains(&Code::NothingTrimmed), "{kind:?}: {warnings:?}");
        let (whole, warnings) = render_file(&source, "wid=40&hei=40");
        assert!(!warnings.contains(&Code::NothingTrimmed));
        assert_eq!(trimmed.dimensions(), whole.dimensions());
        // The colours of transparent pixels do not count.
        let pixels = trimmed.pixels().zip(whole.pixels());
        let apart = pixels.map(|(Rgba(a), Rgba(b))| match (a[3], b[3]) {
            (0, 0) => 0,
            _ => (0..4).map(|at| a[at].abs_diff(b[at])).max().unwrap(),
        });
        let apart = apart.max().unwrap();
        assert!(apart <= 2, "{kind:?}: {apart}");
    }
}

#[test]
fn padding_alone_scales_the_whole_image() {
    let folder = tempfile::tempdir().unwrap();
    let source = save(&draw((300, 300), WHITE, (0, 0), (300, 300)), Kind::Jpeg, folder.path());
    let (image, _) = render_file(&source, "wid=100&hei=200&x_pad=0.9");
    assert_near(measure_product(&image), [5, 55, 95, 145], 0, "centred");
    let (image, _) = render_file(&source, "wid=100&hei=200&x_pad=0.9&align=0,1");
    assert_near(measure_product(&image), [5, 100, 95, 190], 0, "at the lower edge of the share");
    // Decoders still shrink.
    let recipe = resolve("wid=30&hei=30&x_pad=0.9");
    assert_eq!(
        plan(&recipe, &read_header_for_render(&source.as_path().into()).unwrap(), &ObjectHeaders::new()).decode.shrink,
        4
    );
}

#[test]
fn frames_go_with_layers_tiles_and_nested_requests() {
    let folder = tempfile::tempdir().unwrap();
    let source = save(&draw((200, 200), WHITE, (10, 60), (60, 30)), Kind::Png, folder.path());
    // A layer belongs to the product: it is part of the picture that is trimmed.
    let (image, _) = render_file(&source, "wid=100&hei=100&x_trim=10&layer=1&size=20,20&color=000000&pos=80,80");
    let product = measure_product(&image);
    assert_near([product[0], product[2], 0, 0], [0, 100, 0, 0], 1, "from the product to the layer");
    let (tile, _) = render_file(&source, "wid=120&hei=120&fit=fit,1&x_trim=10&rect=0,0,60,120");
    assert_eq!(tile.dimensions(), (60, 120));
    assert_near(measure_product(&tile), [0, 30, 60, 90], 1, "the left half");
    let mut recipe = resolve("wid=50&src=is(a?wid=100&hei=80&x_trim=10)");
    recipe.asset_references_mut().for_each(|name| *name = offprint_modifiers::AssetReference::Pinned("a".into()));
    let header = read_header_for_render(&source.as_path().into()).unwrap();
    let nested = plan(&recipe, &header, &ObjectHeaders::from([("a".to_owned(), header.clone())]));
    assert_eq!((nested.width, nested.height), (50, 40));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// The same product anywhere, on any canvas, with noise below the tolerance, gives the same picture.
    #[test]
    fn a_product_comes_out_at_the_same_place_and_size(
        (w, h) in (8_u32..70, 8_u32..70),
        (left, top, right, bottom) in (0_u32..50, 0_u32..50, 0_u32..50, 0_u32..50),
        clear in any::<bool>(),
        noise in 0_u8..5,
        upscale in any::<bool>(),
    ) {
        // At most two corners may belong to the product.
        prop_assume!([left + right, top + bottom].iter().all(|margin| *margin > 0));
        let folder = tempfile::tempdir().unwrap();
        let background = if clear { CLEAR } else { WHITE };
        let modifier = format!("wid=90&hei=60&x_trim=10&x_pad=0.85{}", if upscale { "&fit=fit,1" } else { "" });
        let kind = if clear { Kind::Alpha } else { Kind::Png };
        let centred = draw((w + 40, h + 40), background, (20, 20), (w, h));
        let mut moved = draw((w + left + right, h + top + bottom), background, (left, top), (w, h));
        for (x, y, pixel) in moved.enumerate_pixels_mut() {
            if pixel.0 == background {
                let change = (x * 7 + y * 13) as u8 % (noise + 1);
                // A transparent background is not quite transparent, a white one not quite white.
                if clear { pixel.0[3] = change } else { pixel.0[(x % 3) as usize] -= change }
            }
        }
        let (expected, _) = render_file(&save(&centred, kind, folder.path()), &modifier);
        let (actual, warnings) = render_file(&save(&moved, kind, folder.path()), &modifier);
        prop_assert_eq!(warnings, vec![]);
        prop_assert!(actual == expected);
        let share = |side: u32, frame: u32| f64::from(side) / (f64::from(frame) * 0.85);
        let (across, down) = (share(w, 90), share(h, 60));
        let scale = if upscale { 1.0 / across.max(down) } else { (1.0 / across.max(down)).min(1.0) };
        let [x0, y0, x1, y1] = measure_product(&actual);
        prop_assert!((f64::from(x1 - x0) - f64::from(w) * scale).abs() <= 1.5);
        prop_assert!((f64::from(y1 - y0) - f64::from(h) * scale).abs() <= 1.5);
    }
}
