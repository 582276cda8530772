//! WebP that the decoder shrinks looks as if it had been decoded whole.

use super::{draw_scene, encode_png, render};

/// Mean and largest difference of the components of two PNGs.
fn compare(first: &[u8], second: &[u8]) -> (f64, u8) {
    let decode = |file| image::load_from_memory(file).unwrap().into_rgb8();
    let (first, second) = (decode(first), decode(second));
    assert_eq!(first.dimensions(), second.dimensions());
    let apart: Vec<u8> = first.as_raw().iter().zip(second.as_raw()).map(|(a, b)| a.abs_diff(*b)).collect();
    let mean = apart.iter().map(|value| f64::from(*value)).sum::<f64>() / apart.len() as f64;
    (mean, apart.into_iter().max().unwrap_or(0))
}

fn check_shrunk(webp: &[u8], modifier: &str) {
    let whole = render(webp, "fmt=png").unwrap().file;
    let expected = render(&whole, &format!("{modifier}&fmt=png")).unwrap().file;
    let shrunk = render(webp, &format!("{modifier}&fmt=png")).unwrap().file;
    let (mean, largest) = compare(&expected, &shrunk);
    // Noise and hard edges everywhere: a photograph differs by far less.
    assert!(mean < 2.5 && largest < 64, "{modifier}: {mean} {largest}");
}

#[test]
fn a_shrunk_webp_looks_like_one_that_was_decoded_whole() {
    let source = encode_png(1203, 805, draw_scene);
    for encoding in ["fmt=webp&qlt=90", "fmt=webp&qlt=50", "fmt=webp,,lossless"] {
        let webp = render(&source, encoding).unwrap().file;
        for modifier in ["wid=300", "wid=75", "crop=301,203,800,600&wid=200", "flip=lr&wid=250", "rotate=90&wid=150"] {
            check_shrunk(&webp, modifier);
        }
    }
}

#[test]
fn the_first_frame_of_an_animation_is_shrunk_too() {
    let still = render(&encode_png(800, 600, draw_scene), "fmt=webp&qlt=90").unwrap().file;
    let chunk = |name: &[u8], content: &[u8]| [name, &(content.len() as u32).to_le_bytes(), content].concat();
    let size = [&799_u32.to_le_bytes()[..3], &599_u32.to_le_bytes()[..3]].concat();
    // The still image's only chunk is the frame's.
    let frame = [&[0_u8; 6][..], &size, &[100, 0, 0, 0], &still[12..]].concat();
    let extended = chunk(b"VP8X", &[&[2_u8, 0, 0, 0][..], &size].concat());
    let chunks = [extended, chunk(b"ANIM", &[0; 6]), chunk(b"ANMF", &frame)].concat();
    let animation = chunk(b"RIFF", &[&b"WEBP"[..], &chunks].concat());
    check_shrunk(&animation, "wid=200");
}

#[test]
fn a_webp_that_is_cut_off_fails_shrunk_too() {
    let webp = render(&encode_png(800, 600, draw_scene), "fmt=webp").unwrap().file;
    for length in [webp.len() / 2, webp.len() - 9] {
        assert!(render(&webp[..length], "wid=200").is_err(), "{length}");
    }
}
