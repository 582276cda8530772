//! AVIF with alpha: what nobody sees leaves no trace.

use super::{encode_png, render};

/// A red disc with a soft edge; what is transparent has another colour.
fn draw_disc(x: u32, y: u32, hidden: [u8; 3]) -> [u8; 4] {
    let distance = (f64::from(x) - 50.0).hypot(f64::from(y) - 45.0);
    let alpha = ((36.0 - distance) * 60.0).clamp(0.0, 255.0) as u8;
    let [r, g, b] = if alpha == 0 { hidden } else { [220, 30, 40] };
    [r, g, b, alpha]
}

fn encode_disc(hidden: [u8; 3], modifier: &str) -> Vec<u8> {
    render(&encode_png(101, 91, |x, y| draw_disc(x, y, hidden)), modifier).unwrap().file
}

#[test]
fn hidden_colours_change_no_byte() {
    let black = encode_disc([0; 3], "fmt=avif-alpha&qlt=60");
    for hidden in [[255; 3], [0, 255, 0], [220, 30, 40]] {
        assert_eq!(encode_disc(hidden, "fmt=avif-alpha&qlt=60"), black, "{hidden:?}");
    }
    // Lossless means all of it.
    let lossless = "fmt=avif-alpha,,lossless";
    assert_ne!(encode_disc([0; 3], lossless), encode_disc([255; 3], lossless));
}

#[test]
fn the_rim_of_a_cutout_keeps_its_colour() {
    for modifier in ["fmt=avif-alpha&qlt=60", "fmt=avif-alpha&qlt=30", "wid=80&fmt=avif-alpha&qlt=60"] {
        let (_, pixels) = render(&encode_disc([0, 0, 0], modifier), "fmt=png-alpha").unwrap().decode_png();
        let visible: Vec<_> = pixels.iter().filter(|pixel| pixel[3] > 60).collect();
        assert!(visible.len() > 1000);
        for pixel in visible {
            let apart = [220, 30, 40].iter().zip(pixel).map(|(color, value): (&u8, &u8)| color.abs_diff(*value)).max();
            assert!(apart <= Some(14), "{modifier}: {pixel:?}");
        }
    }
}
