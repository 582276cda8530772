//! How small JPEGs become: tables that fit the image, and the attribute `JpegEffort`.

use super::{draw_scene, encode_png, render, render_with_attributes};

/// Counts of codes by length of the usual table for DC of luma. Source: ITU-T T.81, table K.3.
const USUAL_DC_TABLE: &[u8] = &[0xFF, 0xC4, 0, 31, 0, 0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0];

fn contains(file: &[u8], part: &[u8]) -> bool {
    file.windows(part.len()).any(|window| window == part)
}

fn is_progressive(file: &[u8]) -> bool {
    contains(file, &[0xFF, 0xC2, 0])
}

/// Mean difference of the components of two images.
fn measure_difference(first: &[u8], second: &[u8]) -> f64 {
    let decode = |file| image::load_from_memory(file).unwrap().into_rgb8().into_raw();
    let (first, second): (Vec<u8>, Vec<u8>) = (decode(first), decode(second));
    assert_eq!(first.len(), second.len());
    let sum: u64 = first.iter().zip(&second).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
    sum as f64 / first.len() as f64
}

#[test]
fn huffman_tables_fit_images_of_some_size_and_detail() {
    for modifier in ["fmt=jpeg", "fmt=jpeg,gray", "fmt=jpeg&qlt=95,1", "fmt=jpeg,cmyk", "wid=250&fmt=jpeg"] {
        let slope = |x, y| [(x / 2) as u8, (y / 2) as u8, 90, 255];
        let file = render(&encode_png(300, 200, slope), modifier).unwrap().file;
        assert!(!contains(&file, USUAL_DC_TABLE), "{modifier}");
        assert!(!is_progressive(&file), "{modifier}");
    }
    let stripes = encode_png(64, 64, |x, y| [(x * 97) as u8, (x * 97 + y * 31) as u8, 0, 255]);
    assert!(contains(&render(&stripes, "fmt=jpeg").unwrap().file, USUAL_DC_TABLE));
    // A hair more than 4 megapixels.
    let file = render(&encode_png(2049, 2048, |_, _| [9, 9, 9, 255]), "fmt=jpeg").unwrap().file;
    assert!(contains(&file, USUAL_DC_TABLE));
}

#[test]
fn small_files_are_smaller_and_look_the_same() {
    let source = encode_png(300, 200, draw_scene);
    for modifier in
        ["fmt=jpeg", "fmt=pjpeg", "fmt=jpeg,gray", "fmt=jpeg&qlt=95,1", "fmt=jpeg&qlt=10", "wid=100&fmt=jpeg"]
    {
        let [fast, small] =
            ["JpegEffort=fast", "JpegEffort=small"].map(|effort| render_with_attributes(&source, modifier, effort));
        assert!(is_progressive(&small), "{modifier}");
        assert!(small.len() < fast.len(), "{modifier}: {} and {}", small.len(), fast.len());
        let exact = render(&source, &format!("{modifier}&fmt=png")).unwrap().file;
        let (loss, small_loss) = (measure_difference(&fast, &exact), measure_difference(&small, &exact));
        assert!(small_loss < 1.25 * loss + 0.5, "{modifier}: {loss} and {small_loss}");
    }
    let inks = render_with_attributes(&source, "fmt=jpeg,cmyk", "JpegEffort=small");
    assert!(inks.len() < render(&source, "fmt=jpeg,cmyk").unwrap().file.len());
    assert!(render(&inks, "fmt=png").is_ok());
}

#[test]
fn the_effort_changes_nothing_but_jpeg_files() {
    let source = encode_png(120, 80, draw_scene);
    for modifier in ["fmt=png", "fmt=tif,,jpeg", "fmt=pdf,,jpeg", "fmt=webp"] {
        let small = render_with_attributes(&source, modifier, "JpegEffort=small");
        assert_eq!(small, render(&source, modifier).unwrap().file, "{modifier}");
    }
    let limited = render_with_attributes(&source, "fmt=jpeg&qlt=100&jpegSize=4", "JpegEffort=small");
    assert!(limited.len() <= 4096);
}

#[test]
fn parts_of_profiles_are_counted_from_one() {
    let source = encode_png(40, 30, draw_scene);
    for modifier in ["fmt=jpeg&icc=AdobeRGB&iccEmbed=1", "fmt=pjpeg&icc=AdobeRGB&iccEmbed=1"] {
        let file = render(&source, modifier).unwrap().file;
        assert!(contains(&file, b"ICC_PROFILE\0\x01\x01"), "{modifier}");
    }
}
