//! GIF files of several frames, without an end, and with odd screens.

use offprint_core::Code;

use super::{NOISE_SIZE, encode_noise, get_outcome, render};

const TRAILER: u8 = 0x3B;

/// A whole GIF of one frame, and that frame with its header, palette and data.
fn encode_frame() -> (Vec<u8>, Vec<u8>) {
    let file = encode_noise("fmt=gif");
    let palette_bytes = 3 << ((file[10] & 7) + 1);
    let blocks = &file[13 + palette_bytes..file.len() - 1];
    let frame = blocks.windows(5).position(|start| start == [0x2C, 0, 0, 0, 0]).unwrap();
    (file.clone(), blocks[frame..].to_vec())
}

#[test]
fn what_follows_the_first_frame_does_not_decide() {
    let (file, frame) = encode_frame();
    let (pixels, warnings) = get_outcome(&file).unwrap();
    assert_eq!(warnings, []);
    let open = &file[..file.len() - 1];
    let with_tail = |tail: &[u8]| get_outcome(&[open, tail].concat());
    let complete = Ok((pixels, vec![]));
    let irregular = Ok((pixels, vec![Code::SourceIrregular]));
    assert_eq!(with_tail(&[frame.clone(), vec![TRAILER]].concat()), complete);
    assert_eq!(with_tail(&[vec![0; 3], frame.clone(), vec![0, TRAILER]].concat()), complete);
    assert_eq!(with_tail(&[frame.repeat(600), vec![TRAILER]].concat()), complete);
    assert_eq!(with_tail(b"\x21\xFE\x03abc\0\x3Band more"), complete);
    assert_eq!(with_tail(&[]), irregular);
    assert_eq!(with_tail(&frame), irregular);
    assert_eq!(with_tail(&frame[..frame.len() / 2]), irregular);
    assert_eq!(with_tail(b"\x21\xFE\x03ab"), irregular);
    assert_eq!(with_tail(b"\xEE is no block"), irregular);
    // The zero that ends the data of the frame is missing, too.
    assert_eq!(get_outcome(&open[..open.len() - 1]), irregular);
}

#[test]
fn a_screen_without_pixels_or_smaller_than_its_frame_is_that_of_the_frame() {
    let (file, _) = encode_frame();
    let expected = get_outcome(&file).unwrap();
    for screen in [[0, 0], [32, 0], [0, 24], [31, 24], [32, 23], [10, 10]] {
        let mut odd = file.clone();
        (odd[6], odd[8]) = (screen[0], screen[1]);
        assert_eq!(render(&odd, "fmt=png-alpha").unwrap().decode_png().0, NOISE_SIZE, "{screen:?}");
        assert_eq!(get_outcome(&odd).as_ref(), Ok(&expected), "{screen:?}");
    }
}

#[test]
fn a_frame_is_cut_at_the_edges_of_its_screen() {
    let (file, frame) = encode_frame();
    let at = file.windows(frame.len()).position(|window| window == frame).unwrap();
    let (_, pixels) = render(&file, "fmt=png-alpha").unwrap().decode_png();
    for (left, top) in [(0, 0), (1, 0), (0, 23), (31, 23), (32, 0), (200, 200), (60_000, 60_000)] {
        let mut moved = file.clone();
        moved[at + 1..at + 5].copy_from_slice(&[u16::to_le_bytes(left), u16::to_le_bytes(top)].concat());
        let (left, top) = (usize::from(left), usize::from(top));
        let (_, placed) = render(&moved, "fmt=png-alpha").unwrap().decode_png();
        for (number, pixel) in placed.iter().enumerate() {
            let (x, y) = (number % 32, number / 32);
            let expected = if x >= left && y >= top { pixels[(y - top) * 32 + x - left] } else { [0; 4] };
            assert_eq!(*pixel, expected, "{left},{top} at {x},{y}");
        }
    }
}
