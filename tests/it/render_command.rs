//! `offprint render` and `offprint check`, which work without a service.

use std::path::Path;
use std::process::{Command, Output};

use image::{ImageFormat, Rgb, RgbImage};
use serde_json::Value;

use crate::support::images::{draw_quarters, encode_image};

fn run_render(folder: &Path, arguments: &[&str]) -> Output {
    let source = folder.join("shoe.png");
    std::fs::write(&source, encode_image(draw_quarters(200, 100), ImageFormat::Png)).unwrap();
    Command::new(env!("CARGO_BIN_EXE_offprint"))
        .arg("render")
        .arg("--source")
        .arg(source)
        .args(arguments)
        .arg("--output")
        .arg(folder.join("out"))
        .output()
        .unwrap()
}

#[test]
fn one_line_says_what_was_made() {
    let folder = tempfile::tempdir().unwrap();
    let done = run_render(
        folder.path(),
        &["--modifier", "&fmt=png", "--macro", "test=wid=64&fmt=tif,,lzw", "--export-macro", "$test$"],
    );
    assert_eq!(done.status.code(), Some(0), "{done:?}");
    let report: Value = serde_json::from_slice(&done.stdout).unwrap();
    let bytes = std::fs::metadata(folder.path().join("out")).unwrap().len();
    let expected = serde_json::json!({
        "width": 64, "height": 32, "format": "tiff", "mime": "image/tiff", "bytes": bytes,
        "fileName": "shoe.tiff", "plan": "png 200x100, resize 64x32 lanczos3, tiff, about 1 MiB", "warnings": [],
        "notices": [],
    });
    assert_eq!(report, expected);
}

#[test]
fn mistakes_are_listed_and_nothing_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let refused =
        run_render(folder.path(), &["--modifier", "wid=no&$nope$", "--attribute", "MaxPix=a", "--attribute", "X=1"]);
    assert_eq!(refused.status.code(), Some(2));
    let problem: Value = serde_json::from_slice(&refused.stderr).unwrap();
    assert_eq!(problem["errors"].as_array().unwrap().len(), 4, "{problem}");
    assert!(!folder.path().join("out").exists());
    assert_eq!(run_render(folder.path(), &[]).status.code(), Some(64));
}

#[test]
fn a_plan_can_be_seen() {
    let folder = tempfile::tempdir().unwrap();
    let explained = run_render(folder.path(), &["--modifier", "wid=50&fmt=webp", "--explain"]);
    let first: Value = serde_json::from_slice(explained.stdout.split(|byte| *byte == b'\n').next().unwrap()).unwrap();
    assert_eq!((&first["width"], &first["steps"][0]["step"]), (&50.into(), &"resize".into()));
}

#[test]
fn other_images_can_be_given_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let mask = folder.path().join("mask.png");
    std::fs::write(
        &mask,
        encode_image(image::GrayImage::from_fn(4, 2, |x, _| image::Luma([(x > 1) as u8 * 255])), ImageFormat::Png),
    )
    .unwrap();
    let asset = format!("m/red={}", mask.display());
    let done = run_render(folder.path(), &["--modifier", "mask=/m/red&fmt=png-alpha", "--asset", &asset]);
    assert_eq!(done.status.code(), Some(0), "{done:?}");
    let rendered = image::open(folder.path().join("out"))
        .or_else(|_| image::load_from_memory(&std::fs::read(folder.path().join("out")).unwrap()));
    let rendered = rendered.unwrap().to_rgba8();
    assert_eq!(
        (rendered.dimensions(), rendered.get_pixel(20, 50)[3], rendered.get_pixel(180, 50)[3]),
        ((200, 100), 0, 255)
    );
    let missing = run_render(folder.path(), &["--modifier", "src=nobody"]);
    let problem: Value = serde_json::from_slice(&missing.stderr).unwrap();
    assert_eq!((missing.status.code(), &problem["code"]), (Some(2), &"source-missing".into()));
}

#[test]
fn a_nested_request_makes_the_image_or_its_mask() {
    let folder = tempfile::tempdir().unwrap();
    let red = folder.path().join("red.png");
    let drawn = RgbImage::from_fn(100, 50, |x, _| Rgb(if x < 50 { [255, 0, 0] } else { [255, 255, 255] }));
    std::fs::write(&red, encode_image(drawn, ImageFormat::Png)).unwrap();
    let asset = format!("m/red={}", red.display());
    let render = |modifier: &str| {
        let call = ["--modifier", modifier, "--asset", &asset, "--macro", "half=wid=50"];
        let done = run_render(folder.path(), &call);
        assert_eq!(done.status.code(), Some(0), "{modifier}: {done:?}");
        image::load_from_memory(&std::fs::read(folder.path().join("out")).unwrap()).unwrap().to_rgba8()
    };
    let pixel = |modifier: &str, x, y| render(modifier).get_pixel(x, y).0;
    let cut = "src=is(m/red?crop=0,0,60,50&flip=lr&fmt=gif&req=mask&bgc=0)&fmt=png";
    assert_eq!(render(cut).dimensions(), (60, 50));
    assert_eq!((pixel(cut, 3, 9), pixel(cut, 20, 9)), ([255; 4], [255, 0, 0, 255]));
    // Macros, outer and inner variables, nested requests.
    assert_eq!(render("src={m/red?$half$}&fmt=png").dimensions(), (50, 25));
    assert_eq!(render("$w=20&$a=m/red&src=($a$?wid=$w$&hei=$h$&$h=40)&fmt=png").dimensions(), (20, 40));
    assert_eq!(render("src=is(?src=is(m/red?wid=40)&scale=0.5)&wid=10&fmt=png").dimensions(), (10, 5));
    // Through the nested request's own profile, and then into that of the output.
    let [r, g, b, _] = pixel("src=is(m/red?icc=sGray)&fmt=png", 20, 9);
    assert!(r == g && g == b && (80..160).contains(&r), "{r} {g} {b}");
    // Transparent pixels of a nested request stay transparent, and a mask is scaled to the image.
    let round = "src=is(m/red?extend=0,0,100,0)&fmt=png-alpha";
    assert_eq!((pixel(round, 20, 9)[3], pixel(round, 150, 9)[3]), (255, 0));
    let masked = "mask=is(m/red?op_invert=1&op_saturation=-100)&fmt=png-alpha";
    assert_eq!(render(masked).dimensions(), (200, 100));
    assert!(pixel(masked, 20, 50)[3] > 100 && pixel(masked, 180, 50)[3] == 0);
}

#[test]
fn errors_in_a_nested_request_are_reported_with_their_place() {
    let folder = tempfile::tempdir().unwrap();
    for (modifier, code, offset) in [
        ("fmt=png&src=is(red?wid=9&hei=x)", "invalid-modifier", 25),
        ("src=is(?wid=9)", "invalid-modifier", 0),
        ("mask=ir(red)", "invalid-modifier", 0),
        ("src=is(a?src=is(b?src=is(c?src=is(d?src=is(e)))))", "invalid-modifier", 36),
        ("$v=is(red)&src=$v$", "invalid-modifier", 11),
    ] {
        let refused = run_render(folder.path(), &["--modifier", modifier]);
        let problem: Value = serde_json::from_slice(&refused.stderr).unwrap();
        let first = &problem["errors"][0];
        assert_eq!((&problem["code"], &first["offset"]), (&code.into(), &offset.into()), "{modifier}: {problem}");
    }
    let missing = run_render(folder.path(), &["--modifier", "src=is(nobody?wid=9)"]);
    let problem: Value = serde_json::from_slice(&missing.stderr).unwrap();
    assert_eq!(problem["code"], "source-missing");
}

#[test]
fn a_modifier_can_be_checked_without_rendering() {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("shoe.png");
    std::fs::write(&source, encode_image(draw_quarters(200, 100), ImageFormat::Png)).unwrap();
    let check = |arguments: &[&str]| {
        Command::new(env!("CARGO_BIN_EXE_offprint")).arg("check").args(arguments).output().unwrap()
    };
    let report = check(&["--source", source.to_str().unwrap(), "--modifier", "wid=50&wid=64&fmt=tif,,lzw"]);
    assert_eq!(report.status.code(), Some(0), "{report:?}");
    let report: Value = serde_json::from_slice(&report.stdout).unwrap();
    let image = serde_json::json!({"fileName": "shoe.tiff", "width": 64, "height": 32, "failure": null});
    assert_eq!((&report["picture"], &report["commands"][0]["fate"]), (&image, &"replaced".into()));
    let wrong = check(&["--modifier", "wid=x"]);
    let problem: Value = serde_json::from_slice(&wrong.stderr).unwrap();
    assert_eq!((wrong.status.code(), &problem["errors"][0]["offset"]), (Some(2), &0.into()));
}
