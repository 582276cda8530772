//! Pictures of several layers: what holds for all of them, whatever they show.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs::File;
use std::path::PathBuf;

use image::{Rgba, RgbaImage};
use offprint_core::Code;
use offprint_imaging::{
    ImageHeader, LayerCache, ObjectHeaders, ProfileBytes, RenderError, RenderLimits, RenderPlan, SourceFile,
    SourceFiles, read_header_for_render, render_image, render_images_with_cache,
};
use offprint_modifiers::{AssetReference, Attributes, Macros, ModifierInput, Recipe, resolve_modifier};
use proptest::prelude::*;

/// Files in a folder: the source and other assets.
struct Scene {
    folder: tempfile::TempDir,
    files: SourceFiles,
}

impl Scene {
    /// `base` is the source; others are named by their order: `a`, `b` and so on.
    fn new(base: RgbaImage, others: &[RgbaImage]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let save = |name: &str, image: &RgbaImage| -> PathBuf {
            let path = folder.path().join(name);
            // Without transparent pixels there is no alpha channel, as in most files.
            match image.pixels().all(|pixel| pixel.0[3] == 255) {
                true => image::DynamicImage::from(image.clone()).into_rgb8().save(path.with_extension("png")).unwrap(),
                false => image.save(path.with_extension("png")).unwrap(),
            }
            path.with_extension("png")
        };
        let source = save("source", &base);
        let names = ["a", "b", "c", "d"];
        let objects = names.iter().zip(others).map(|(name, image)| ((*name).to_owned(), save(name, image)));
        let objects = objects.chain([("source".to_owned(), source.clone())]);
        let objects = objects.map(|(name, path)| (name, SourceFile::from(path))).collect();
        let files = SourceFiles { source: source.into(), objects };
        Self { folder, files }
    }

    fn recipe(&self, modifier: &str) -> Recipe {
        let (macros, attributes) = (Macros::default(), Attributes::default());
        let input = ModifierInput { object: "source", ..ModifierInput::new(modifier, &macros, &attributes) };
        let mut recipe = resolve_modifier(&input).unwrap_or_else(|errors| panic!("{modifier}: {errors:?}")).recipe;
        for reference in recipe.asset_references_mut() {
            if let AssetReference::Named(name) = reference {
                *reference = AssetReference::Pinned(name.clone());
            }
        }
        recipe
    }

    fn plan(&self, modifier: &str) -> Result<RenderPlan, RenderError> {
        let header = read_header_for_render(&self.files.source).unwrap();
        let objects = self.files.read_headers();
        RenderPlan::new(&self.recipe(modifier), &header, &objects, &RenderLimits::default(), &ProfileBytes::default())
    }

    fn try_render(&self, modifier: &str) -> Result<RgbaImage, RenderError> {
        let plan = self.plan(&format!("fmt=png-alpha&{modifier}"))?;
        let output = self.folder.path().join("output");
        render_image(&plan, &self.files, &output)?;
        Ok(image::load_from_memory(&std::fs::read(output).unwrap()).unwrap().into_rgba8())
    }

    fn render(&self, modifier: &str) -> RgbaImage {
        self.try_render(modifier).unwrap_or_else(|error| panic!("{modifier}: {error}"))
    }
}

fn flat(width: u32, height: u32, color: [u8; 4]) -> RgbaImage {
    RgbaImage::from_pixel(width, height, Rgba(color))
}

/// Soft colours without hard edges, so that scaling changes little.
fn soft(width: u32, height: u32, seed: u32) -> RgbaImage {
    RgbaImage::from_fn(width, height, |x, y| {
        let wave = |step: f32, shift: f32| {
            let (x, y) = (x as f32 / width as f32, y as f32 / height as f32);
            (127.0 + 120.0 * (x * 3.0 * step + y * 2.0 + shift + seed as f32).sin()) as u8
        };
        Rgba([wave(1.0, 0.0), wave(0.6, 1.0), wave(1.4, 2.0), 255])
    })
}

/// A disc with a soft edge on a transparent ground.
fn disc(side: u32, color: [u8; 3]) -> RgbaImage {
    RgbaImage::from_fn(side, side, |x, y| {
        let middle = side as f32 / 2.0 - 0.5;
        let far = (x as f32 - middle).hypot(y as f32 - middle);
        let [r, g, b] = color;
        Rgba([r, g, b, (255.0 * (side as f32 / 2.0 - 1.0 - far).clamp(0.0, 1.0)) as u8])
    })
}

/// The largest difference, where neither picture is transparent, and of alpha everywhere.
fn measure_difference(one: &RgbaImage, other: &RgbaImage) -> u8 {
    assert_eq!(one.dimensions(), other.dimensions());
    let pixels = one.pixels().zip(other.pixels());
    let differences = pixels.map(|(Rgba(a), Rgba(b))| {
        let colors = if a[3].min(b[3]) < 8 { 0 } else { (0..3).map(|at| a[at].abs_diff(b[at])).max().unwrap() };
        colors.max(a[3].abs_diff(b[3]))
    });
    differences.max().unwrap()
}

#[test]
fn an_opaque_layer_replaces_what_is_below_and_nothing_else() {
    let scene = Scene::new(soft(60, 40, 1), &[soft(20, 10, 7)]);
    let (base, layer, both) = (soft(60, 40, 1), soft(20, 10, 7), scene.render("layer=1&src=a&pos=5,-3"));
    for (x, y, pixel) in both.enumerate_pixels() {
        let inside = (25..45).contains(&x) && (12..22).contains(&y);
        assert_eq!(pixel, if inside { layer.get_pixel(x - 25, y - 12) } else { base.get_pixel(x, y) }, "{x},{y}");
    }
}

#[test]
fn a_hidden_layer_changes_nothing_and_a_hidden_base_only_the_canvas() {
    let scene = Scene::new(soft(60, 40, 1), &[soft(20, 10, 7)]);
    assert_eq!(scene.render("layer=1&src=a&hide=1&effect=-1&pos=9,9"), scene.render(""));
    let empty = scene.render("hide=1&layer=1&src=a");
    assert_eq!(empty.dimensions(), (60, 40));
    assert_eq!((empty.get_pixel(2, 2).0[3], empty.get_pixel(30, 20).0[3]), (0, 255));
}

#[test]
fn a_colour_fills_the_canvas_wherever_its_origin_is() {
    let scene = Scene::new(flat(30, 20, [255, 255, 255, 255]), &[]);
    for modifier in [
        "layer=1&bgColor=f1f1f1&blendMode=mult&scale=10",
        "origin=0,0&layer=1&color=f1f1f1",
        "layer=1&color=f1f1f1&effect=1&opac=0",
    ] {
        assert_eq!(scene.render(modifier), flat(30, 20, [241, 241, 241, 255]), "{modifier}");
    }
    let tinted = scene.render("layer=1&bgColor=f1f1f1&blendMode=mult&scale=10&wid=15");
    assert_eq!(tinted, flat(15, 10, [241, 241, 241, 255]));
}

#[test]
fn layers_are_made_at_the_scale_of_the_view() {
    let scene = Scene::new(soft(600, 400, 1), &[soft(300, 300, 5), disc(200, [250, 10, 40])]);
    for modifier in [
        "layer=1&src=a&pos=50,20&size=200,200&layer=2&src=b&pos=-120,30&rotate=30",
        "layer=1&src=b&opac=60&blendMode=mult&effect=-1&op_blur=12&pos=20,16&opac=70",
        "extend=40,20,10,80&bgColor=204060&layer=1&src=a&extend=6,6,6,6&bgColor=ffffff&flip=lr&rotate=90",
        "layer=1&size=220,120&color=30,90,200&clipPath=M0,0L220,0,110,120Z&pos=31,17",
        "layer=1&src=a&perspective=120,60,480,80,440,340,100,300&layer=2&src=b&posN=.25,.25",
        "flip=lr&op_brightness=10&layer=1&src=is(a?crop=20,20,200,200&flip=ud)&sizeN=.5,.5",
    ] {
        // At half the size whole pixels stay whole, so that edges lie where they do when all is scaled afterwards.
        let width = scene.render(modifier).width() / 2;
        let small = scene.render(&format!("{modifier}&wid={width}"));
        // The same flattened first: the layered picture as a nested request, scaled afterwards.
        let flattened = scene.render(&format!("src=is($object$?{modifier})&wid={width}"));
        let average: f64 = {
            let sum: u64 = small
                .pixels()
                .zip(flattened.pixels())
                .flat_map(|(a, b)| a.0.iter().zip(b.0).map(|(a, b)| u64::from(a.abs_diff(b))).collect::<Vec<_>>())
                .sum();
            sum as f64 / (small.width() * small.height() * 4) as f64
        };
        assert_eq!(small.dimensions(), flattened.dimensions(), "{modifier}");
        // Edges are sharper where layers are made at their size, so single pixels of them differ.
        assert!(average < 1.0, "{modifier}: {average}");
    }
    // Nothing but soft colours: no edges, so every pixel is near.
    let flat_scene = Scene::new(soft(600, 400, 1), &[soft(600, 400, 5)]);
    for modifier in ["layer=1&src=a&opac=40", "layer=1&src=a&blendMode=screen", "layer=1&src=a&blendMode=mult&opac=70"]
    {
        let small = flat_scene.render(&format!("{modifier}&wid=150"));
        let flattened = flat_scene.render(&format!("src=is($object$?{modifier})&wid=150"));
        assert!(measure_difference(&small, &flattened) <= 2, "{modifier}");
    }
}

#[test]
fn a_view_shows_the_same_part_of_layers_as_of_a_flat_picture() {
    let scene = Scene::new(soft(300, 200, 1), &[soft(100, 100, 5)]);
    for view in [
        "wid=100&hei=100",
        "wid=100&hei=100&fit=crop",
        "wid=120&hei=120&fit=stretch",
        "scl=2&wid=80&hei=90&align=1,-1",
        "rgn=40,30,150,120&wid=75",
        "wid=150&rect=20,20,60,40",
        "wid=600&fit=fit,1&hei=400",
        "req=tmb&wid=60&hei=60",
    ] {
        let layered = scene.render(&format!("layer=1&src=a&{view}"));
        let flattened = scene.render(&format!("src=is($object$?layer=1&src=a)&{view}"));
        let near = |(a, b): (&Rgba<u8>, &Rgba<u8>)| a.0.iter().zip(b.0).all(|(a, b)| a.abs_diff(b) <= 6);
        let apart = layered.pixels().zip(flattened.pixels()).filter(|pair| !near(*pair)).count();
        // The rim of the layer may lie between two pixels, and a flat picture that is enlarged has a soft one.
        assert!(apart <= 6 * (layered.width() + layered.height()) as usize, "{view}: {apart}");
    }
}

#[test]
fn effects_lie_behind_or_inside_their_layer() {
    let scene =
        Scene::new(flat(100, 100, [255, 255, 255, 255]), &[disc(40, [0, 0, 255]), flat(40, 40, [0, 0, 255, 255])]);
    let at = |modifier: &str, x: u32, y: u32| scene.render(modifier).get_pixel(x, y).0;
    let shadow = "layer=1&src=a&effect=-1&color=ff0000&pos=30,0";
    assert_eq!((at(shadow, 90, 50), at(shadow, 50, 50)), ([255, 0, 0, 255], [0, 0, 255, 255]));
    // Without alpha there is no shape that could cast a shadow; an inner effect lies within the rectangle.
    assert_eq!(at("layer=1&src=b&effect=-1&color=ff0000&pos=30,0", 85, 50), [255, 255, 255, 255]);
    let border = "layer=1&src=b&effect=1&op_grow=3&color=00ff00";
    assert_eq!((at(border, 31, 50), at(border, 35, 50)), ([0, 255, 0, 255], [0, 0, 255, 255]));
    // A fill is no part of the shape.
    let filled = "layer=1&src=a&bgColor=ffff00&effect=1&maskUse=off&color=00ff00";
    assert_eq!((at(filled, 50, 50), at(filled, 31, 31)), ([0, 255, 0, 255], [255, 255, 0, 255]));
    // The composite's own shape, and half as much of both.
    let composite = "size=60,60&extend=20,20,20,20&opac=50&effect=-1&color=ff0000&pos=10,0";
    assert_eq!(at(composite, 85, 50), [255, 0, 0, 128]);
    assert_eq!(at(composite, 50, 50)[3], 128);
    assert_eq!(at("effect=-1&color=ff0000&pos=30,0", 90, 50), [255, 255, 255, 255]);
}

#[test]
fn colours_of_every_kind_of_output() {
    let scene = Scene::new(flat(20, 20, [200, 100, 50, 255]), &[flat(20, 20, [128, 128, 128, 255])]);
    let render = |modifier: &str| {
        let plan = scene.plan(modifier).unwrap();
        let output = scene.folder.path().join("out");
        render_image(&plan, &scene.files, &output).unwrap();
        std::fs::read(output).unwrap()
    };
    let gray = image::load_from_memory(&render("fmt=png,gray&layer=1&src=a&blendMode=mult")).unwrap();
    assert_eq!(gray.color(), image::ColorType::L8);
    let luma = (200.0 * 0.2126 + 100.0 * 0.7152 + 50.0 * 0.0722) * 128.0 / 255.0;
    assert!((f64::from(gray.to_luma8().get_pixel(9, 9).0[0]) - luma).abs() < 2.0);
    // Multiplied, ink and ink give less light.
    let inks = render("fmt=tif,cmyk&layer=1&src=a&blendMode=mult");
    assert!(!inks.is_empty());
}

#[test]
fn bombs_are_refused_by_their_plan() {
    let scene = Scene::new(flat(100, 100, [1, 2, 3, 255]), &[flat(10, 10, [9, 9, 9, 255])]);
    let many = |layer: &str| (1..=100).map(|number| format!("layer={number}&{layer}&")).collect::<String>();
    for modifier in [
        many("src=a&size=16384,16384"),
        many("src=a&size=9000,9000"),
        // No more requests than that may be nested.
        (1..=30).map(|number| format!("layer={number}&src=is(a?scale=900)&size=5,5&")).collect(),
        many("color=ff0000&size=16384,16384&rotate=3"),
        format!("size=16384,16384&{}", many("src=a")),
    ] {
        let refused = scene.plan(&modifier).map(|plan| (plan.width, plan.height));
        assert_eq!(refused.map_err(|error| error.code), Err(Code::OutputTooLarge), "{}", &modifier[..60]);
    }
    // What is seen is small, so it is made small.
    let small = scene.plan(&format!("size=16384,16384&{}wid=100", many("src=a&size=9000,9000"))).unwrap();
    assert!(small.peak_bytes < 8 << 20, "{}", small.peak_bytes);
    assert_eq!(scene.plan(&many("color=ff0000&size=16384,16384")).map(|plan| plan.width), Ok(100));
}

#[test]
fn pictures_without_an_image_have_a_size_or_are_refused() {
    let scene = Scene::new(flat(4, 4, [0, 0, 0, 255]), &[flat(4, 4, [0, 0, 255, 255])]);
    let plan = |modifier: &str| {
        let recipe = Recipe { ..scene.recipe(modifier) };
        let recipe = Recipe { layer: offprint_modifiers::Layer { blank: true, ..recipe.layer.clone() }, ..recipe };
        let headers = scene.files.read_headers();
        let header = ImageHeader::without_image();
        RenderPlan::new(&recipe, &header, &headers, &RenderLimits::default(), &ProfileBytes::default())
    };
    let made = plan("size=30,20&color=ff0000&layer=1&src=a&fmt=png&wid=15").unwrap();
    assert_eq!((made.width, made.height, made.decode.width), (15, 10, 15));
    let output = scene.folder.path().join("out");
    render_image(&made, &scene.files, &output).unwrap();
    let picture = image::load_from_memory(&std::fs::read(output).unwrap()).unwrap().into_rgb8();
    assert_eq!((picture.get_pixel(1, 1).0, picture.get_pixel(7, 5).0), ([255, 0, 0], [0, 0, 255]));
    for modifier in ["", "color=ff0000", "size=0,9", "layer=1&src=a"] {
        assert_eq!(plan(modifier).map(drop).map_err(|error| error.code), Err(Code::InvalidModifier), "{modifier}");
    }
}

/// What all layers together take is counted before anything is made: as pictures, as fills of the canvas, as masks of
/// effects, and inside nested requests.
#[test]
fn bombs_of_layers_are_refused_by_their_plan() {
    let scene = Scene::new(soft(60, 40, 1), &[disc(20, [255, 0, 0])]);
    let layers =
        |text: &str, count: usize| -> String { (1..=count).map(|number| format!("layer={number}&{text}&")).collect() };
    let effects: String = (1..=12).map(|number| format!("effect=-{number}&op_blur=50&")).collect();
    let nested =
        format!("layer=1&src=is(a?size=12000,8000&{})", layers("src=a&size=12000,8000", 6).trim_end_matches('&'));
    for bomb in [
        layers("src=a&size=16384,16384", 100),
        layers("color=ff0000&size=16384,16384&rotate=1", 100),
        format!("size=12000,8000&{}", layers("bgColor=ff0000", 6)),
        format!("size=12000,8000&{}", layers("mask=a&color=ff0000&size=12000,8000", 12)),
        format!("size=12000,8000&extend=1,1,1,1&layer=0&{effects}"),
        format!("size=12000,8000&extend=1,1,1,1&layer=comp&{effects}"),
        nested,
    ] {
        let refused = scene.plan(&format!("fmt=png&{bomb}")).map(drop).map_err(|error| error.code);
        assert_eq!(refused, Err(Code::OutputTooLarge), "{bomb}");
        // What is seen small is made small.
        let is_small = !bomb.starts_with("size") || scene.plan(&format!("fmt=png&wid=100&{bomb}")).is_ok();
        assert!(is_small, "{bomb}");
    }
}

#[test]
fn layers_are_kept_by_content_and_scale() {
    let scene = Scene::new(soft(60, 40, 1), &[disc(20, [255, 0, 0])]);
    let cache = LayerCache::default();
    let render = |modifier: &str| {
        let plan = scene.plan(&format!("fmt=png&{modifier}")).unwrap();
        let output = scene.folder.path().join("kept");
        let file = File::create(&output).unwrap();
        render_images_with_cache(&[(&plan, &file)], &scene.files, &cache).remove(0).unwrap();
        std::fs::read(output).unwrap()
    };
    let first = render("layer=1&src=a&rotate=10");
    // The file is not read again: the layer is known by its content.
    std::fs::write(scene.folder.path().join("a.png"), b"gone").unwrap();
    let header = read_header_for_render(&scene.files.source).unwrap();
    let objects = BTreeMap::from([("a".to_owned(), {
        let again = Scene::new(soft(60, 40, 1), &[disc(20, [255, 0, 0])]);
        again.files.read_headers().remove("a").unwrap()
    })]);
    let objects: ObjectHeaders = objects;
    let plan = |modifier: &str| {
        let recipe = scene.recipe(&format!("fmt=png&{modifier}"));
        RenderPlan::new(&recipe, &header, &objects, &RenderLimits::default(), &ProfileBytes::default()).unwrap()
    };
    let output = scene.folder.path().join("again");
    let kept = plan("layer=1&src=a&rotate=10");
    let file = File::create(&output).unwrap();
    render_images_with_cache(&[(&kept, &file)], &scene.files, &cache).remove(0).unwrap();
    assert_eq!(std::fs::read(&output).unwrap(), first);
    let other = plan("layer=1&src=a&rotate=11");
    assert!(render_images_with_cache(&[(&other, &file)], &scene.files, &cache).remove(0).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// A layer that is moved is the same layer elsewhere.
    #[test]
    fn positions_move_exactly(x in -40i32..40, y in -30i32..30) {
        let scene = Scene::new(flat(60, 40, [255, 255, 255, 255]), &[disc(20, [10, 200, 90])]);
        let still = scene.render("layer=1&src=a");
        let moved = scene.render(&format!("layer=1&src=a&pos={x},{y}"));
        for (column, row, pixel) in moved.enumerate_pixels() {
            let (from_x, from_y) = (column as i32 - x, row as i32 - y);
            let inside = (20..40).contains(&from_x) && (10..30).contains(&from_y);
            let expected = if inside { *still.get_pixel(from_x as u32, from_y as u32) } else { Rgba([255; 4]) };
            prop_assert_eq!(*pixel, expected);
        }
    }

    /// Layers are drawn in the order of their numbers, wherever they stand.
    #[test]
    fn numbers_decide_the_order(one in 1u32..50, other in 51u32..99, swapped: bool) {
        let scene = Scene::new(flat(20, 20, [255, 255, 255, 255]), &[flat(9, 9, [255, 0, 0, 255]), flat(9, 9, [0, 255, 0, 255])]);
        let layers = [format!("layer={one}&src=a"), format!("layer={other}&src=b")];
        let modifier = if swapped { format!("{}&{}", layers[1], layers[0]) } else { layers.join("&") };
        prop_assert_eq!(scene.render(&modifier).get_pixel(10, 10).0, [0, 255, 0, 255]);
    }
}
