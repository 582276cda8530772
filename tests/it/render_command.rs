//! `offprint render`, from the command line.

use std::path::Path;
use std::process::{Command, Output};

use image::ImageFormat;
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
