//! `offprint render`, from the command line.

use std::path::Path;
use std::process::{Command, Output};

use image::{ImageFormat, Rgb, RgbImage};
use serde_json::Value;

use crate::render::{file_of, quarters};

fn offprint(folder: &Path, arguments: &[&str]) -> Output {
    let source = folder.join("shoe.png");
    std::fs::write(&source, file_of(quarters(200, 100), ImageFormat::Png)).unwrap();
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
    let done = offprint(
        folder.path(),
        &["--modifier", "&fmt=png", "--macro", "test=wid=64&fmt=tif,,lzw", "--export-macro", "$test$"],
    );
    assert_eq!(done.status.code(), Some(0), "{done:?}");
    let said: Value = serde_json::from_slice(&done.stdout).unwrap();
    let bytes = std::fs::metadata(folder.path().join("out")).unwrap().len();
    let expected = serde_json::json!({
        "width": 64, "height": 32, "format": "tiff", "mime": "image/tiff", "bytes": bytes,
        "fileName": "shoe.tiff", "plan": "png 200x100, resize 64x32 lanczos3, tiff, about 1 MiB", "warnings": [],
    });
    assert_eq!(said, expected);
}

#[test]
fn mistakes_are_listed_and_nothing_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let refused =
        offprint(folder.path(), &["--modifier", "wid=no&$nope$", "--attribute", "MaxPix=a", "--attribute", "X=1"]);
    assert_eq!(refused.status.code(), Some(2));
    let said: Value = serde_json::from_slice(&refused.stderr).unwrap();
    assert_eq!(said["errors"].as_array().unwrap().len(), 4, "{said}");
    assert!(!folder.path().join("out").exists());
    assert_eq!(offprint(folder.path(), &[]).status.code(), Some(64));
}

#[test]
fn a_plan_can_be_seen() {
    let folder = tempfile::tempdir().unwrap();
    let explained = offprint(folder.path(), &["--modifier", "wid=50&fmt=webp", "--explain"]);
    let first: Value = serde_json::from_slice(explained.stdout.split(|byte| *byte == b'\n').next().unwrap()).unwrap();
    assert_eq!((&first["width"], &first["steps"][0]["step"]), (&50.into(), &"resize".into()));
}

#[test]
fn other_pictures_can_be_given_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let mask = folder.path().join("mask.png");
    std::fs::write(
        &mask,
        file_of(image::GrayImage::from_fn(4, 2, |x, _| image::Luma([(x > 1) as u8 * 255])), ImageFormat::Png),
    )
    .unwrap();
    let asset = format!("m/red={}", mask.display());
    let done = offprint(folder.path(), &["--modifier", "mask=/m/red&fmt=png-alpha", "--asset", &asset]);
    assert_eq!(done.status.code(), Some(0), "{done:?}");
    let made = image::open(folder.path().join("out"))
        .or_else(|_| image::load_from_memory(&std::fs::read(folder.path().join("out")).unwrap()));
    let made = made.unwrap().to_rgba8();
    assert_eq!((made.dimensions(), made.get_pixel(20, 50)[3], made.get_pixel(180, 50)[3]), ((200, 100), 0, 255));
    let missing = offprint(folder.path(), &["--modifier", "src=nobody"]);
    let said: Value = serde_json::from_slice(&missing.stderr).unwrap();
    assert_eq!((missing.status.code(), &said["code"]), (Some(2), &"source-missing".into()));
}

#[test]
fn a_request_inside_of_the_request_makes_the_picture_or_its_mask() {
    let folder = tempfile::tempdir().unwrap();
    let red = folder.path().join("red.png");
    let drawn = RgbImage::from_fn(100, 50, |x, _| Rgb(if x < 50 { [255, 0, 0] } else { [255, 255, 255] }));
    std::fs::write(&red, file_of(drawn, ImageFormat::Png)).unwrap();
    let asset = format!("m/red={}", red.display());
    let made = |modifier: &str| {
        let call = ["--modifier", modifier, "--asset", &asset, "--macro", "half=wid=50"];
        let done = offprint(folder.path(), &call);
        assert_eq!(done.status.code(), Some(0), "{modifier}: {done:?}");
        image::load_from_memory(&std::fs::read(folder.path().join("out")).unwrap()).unwrap().to_rgba8()
    };
    let pixel = |modifier: &str, x, y| made(modifier).get_pixel(x, y).0;
    let cut = "src=is(m/red?crop=0,0,60,50&flip=lr&fmt=gif&req=mask&bgc=0)&fmt=png";
    assert_eq!(made(cut).dimensions(), (60, 50));
    assert_eq!((pixel(cut, 3, 9), pixel(cut, 20, 9)), ([255; 4], [255, 0, 0, 255]));
    // Macros, variables of outside and of inside, requests in requests.
    assert_eq!(made("src={m/red?$half$}&fmt=png").dimensions(), (50, 25));
    assert_eq!(made("$w=20&$a=m/red&src=($a$?wid=$w$&hei=$h$&$h=40)&fmt=png").dimensions(), (20, 40));
    assert_eq!(made("src=is(?src=is(m/red?wid=40)&scale=0.5)&wid=10&fmt=png").dimensions(), (10, 5));
    // Through a profile of its own, and then into the colours of the output.
    let [r, g, b, _] = pixel("src=is(m/red?icc=sGray)&fmt=png", 20, 9);
    assert!(r == g && g == b && (80..160).contains(&r), "{r} {g} {b}");
    // What a request leaves transparent is transparent, and a mask is as large as the picture.
    let round = "src=is(m/red?extend=0,0,100,0)&fmt=png-alpha";
    assert_eq!((pixel(round, 20, 9)[3], pixel(round, 150, 9)[3]), (255, 0));
    let masked = "mask=is(m/red?op_invert=1&op_saturation=-100)&fmt=png-alpha";
    assert_eq!(made(masked).dimensions(), (200, 100));
    assert!(pixel(masked, 20, 50)[3] > 100 && pixel(masked, 180, 50)[3] == 0);
}

#[test]
fn mistakes_in_a_request_inside_are_told_with_their_place() {
    let folder = tempfile::tempdir().unwrap();
    for (modifier, code, offset) in [
        ("fmt=png&src=is(red?wid=9&hei=x)", "invalid-modifier", 25),
        ("src=is(?wid=9)", "invalid-modifier", 0),
        ("mask=ir(red)", "invalid-modifier", 0),
        ("src=is(a?src=is(b?src=is(c?src=is(d?src=is(e)))))", "invalid-modifier", 36),
        ("$v=is(red)&src=$v$", "invalid-modifier", 11),
    ] {
        let refused = offprint(folder.path(), &["--modifier", modifier]);
        let said: Value = serde_json::from_slice(&refused.stderr).unwrap();
        let first = &said["errors"][0];
        assert_eq!((&said["code"], &first["offset"]), (&code.into(), &offset.into()), "{modifier}: {said}");
    }
    let missing = offprint(folder.path(), &["--modifier", "src=is(nobody?wid=9)"]);
    let said: Value = serde_json::from_slice(&missing.stderr).unwrap();
    assert_eq!(said["code"], "source-missing");
}

#[test]
fn a_modifier_can_be_checked_without_rendering() {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("shoe.png");
    std::fs::write(&source, file_of(quarters(200, 100), ImageFormat::Png)).unwrap();
    let check = |arguments: &[&str]| {
        Command::new(env!("CARGO_BIN_EXE_offprint")).arg("check").args(arguments).output().unwrap()
    };
    let told = check(&["--source", source.to_str().unwrap(), "--modifier", "wid=50&wid=64&fmt=tif,,lzw"]);
    assert_eq!(told.status.code(), Some(0), "{told:?}");
    let told: Value = serde_json::from_slice(&told.stdout).unwrap();
    let picture = serde_json::json!({"fileName": "shoe.tiff", "width": 64, "height": 32, "failure": null});
    assert_eq!((&told["picture"], &told["commands"][0]["fate"]), (&picture, &"replaced".into()));
    let wrong = check(&["--modifier", "wid=x"]);
    let said: Value = serde_json::from_slice(&wrong.stderr).unwrap();
    assert_eq!((wrong.status.code(), &said["errors"][0]["offset"]), (Some(2), &0.into()));
}
