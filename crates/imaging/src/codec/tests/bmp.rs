//! BMP files of OS/2, and alpha that nobody wrote.

use super::{get_outcome, render};
use offprint_core::Code;

/// A BMP of 3x2 pixels: a header of this length, and these pixels.
fn build_file(header_bytes: u32, bits: u16, packing: u32, masks: &[u32], data: &[u8]) -> Vec<u8> {
    let mut header = vec![0; header_bytes as usize];
    let masks: Vec<u8> = masks.iter().flat_map(|mask| mask.to_le_bytes()).collect();
    let fields =
        [&header_bytes.to_le_bytes()[..], &3_u32.to_le_bytes(), &2_u32.to_le_bytes(), &[1, 0], &bits.to_le_bytes()];
    let fields = [&fields.concat()[..], &packing.to_le_bytes(), &[0; 20], &masks].concat();
    let length = fields.len().min(header.len());
    header[..length].copy_from_slice(&fields[..length]);
    [b"BM\0\0\0\0\0\0\0\0", &(14 + header_bytes).to_le_bytes()[..], &header, data].concat()
}

/// Rows of three blue, green and red values, with padding.
const RGB_ROWS: [u8; 24] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 0, 0, 11, 12, 13, 14, 15, 16, 17, 18, 19, 0, 0, 0];

#[test]
fn headers_of_os2_are_read_like_those_of_windows() {
    let windows = build_file(40, 24, 0, &[], &RGB_ROWS);
    let expected = get_outcome(&windows);
    assert!(expected.is_ok());
    for header_bytes in [16, 20, 24, 36, 42, 46, 48, 60, 64] {
        assert_eq!(get_outcome(&build_file(header_bytes, 24, 0, &[], &RGB_ROWS)), expected, "{header_bytes}");
    }
    for packing in [3, 4] {
        let refused = render(&build_file(64, 24, packing, &[], &RGB_ROWS), "").map(drop).unwrap_err();
        assert_eq!(refused.code, Code::UnsupportedFormat);
        assert!(refused.detail.starts_with("OS/2 bitmaps"), "{refused}");
    }
    let mut named_by_two_letters = build_file(65, 24, 0, &[], &RGB_ROWS);
    assert_eq!(get_outcome(&named_by_two_letters), Err(Code::UnsupportedFormat));
    named_by_two_letters[14] = 0;
    assert_eq!(get_outcome(&named_by_two_letters), Err(Code::UnsupportedFormat));
}

#[test]
fn only_padding_may_be_missing() {
    let file = build_file(40, 24, 0, &[], &RGB_ROWS);
    let expected = get_outcome(&file);
    for missing in 1..30 {
        let outcome = get_outcome(&file[..file.len() - missing]);
        assert_eq!(outcome, if missing <= 3 { expected.clone() } else { Err(Code::Truncated) }, "{missing}");
    }
}

#[test]
fn alpha_that_is_0_everywhere_was_not_written() {
    let masks = [0xFF_0000, 0xFF00, 0xFF, 0xFF00_0000];
    for (header_bytes, bits, masks, pixel_bytes) in
        [(56, 32, masks, 4), (108, 32, masks, 4), (124, 32, masks, 4), (124, 16, [0x7C00, 0x3E0, 0x1F, 0x8000], 2)]
    {
        let alphas = |last_alpha: u8| {
            let row =
                [[1, 2, 3, 0], [4, 5, 6, 0], [7, 8, 9, last_alpha]].map(|pixel| pixel[4 - pixel_bytes..].to_vec());
            let mut rows = [row.concat(), row.concat()].map(|mut row| {
                row.resize(row.len().next_multiple_of(4), 0);
                row
            });
            // Masks stand in the header, and once more behind it.
            let mut data = if header_bytes == 56 { vec![] } else { vec![0; 12] };
            rows.iter_mut().for_each(|row| data.append(row));
            let mut file = build_file(header_bytes, bits, 3, &masks, &data);
            if header_bytes != 56 {
                file[10..14].copy_from_slice(&(14 + header_bytes + 12).to_le_bytes());
            }
            let (_, pixels) = render(&file, "fmt=png-alpha").unwrap().decode_png();
            pixels.iter().map(|pixel| pixel[3]).collect::<Vec<_>>()
        };
        assert_eq!(alphas(0), [255; 6], "{header_bytes} {bits}");
        assert_eq!(alphas(0xFF), [0, 0, 255, 0, 0, 255], "{header_bytes} {bits}");
    }
}
