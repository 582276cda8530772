//! Photoshop documents: rows that run over their end, and files that end in a channel that is not used.

use super::{get_outcome, render};
use offprint_core::Code;

/// A document of 4x2 pixels with these planes, each of two rows as the file stores them.
fn build_file(planes: &[[Vec<u8>; 2]], packed: bool) -> Vec<u8> {
    let mut file = b"8BPS\0\x01\0\0\0\0\0\0".to_vec();
    file.extend((planes.len() as u16).to_be_bytes());
    file.extend([0, 0, 0, 2, 0, 0, 0, 4, 0, 8, 0, 3]);
    // No palette, no resources, no layers.
    file.extend([0; 12]);
    file.extend(u16::from(packed).to_be_bytes());
    let rows = planes.iter().flatten();
    if packed {
        rows.clone().for_each(|row| file.extend((row.len() as u16).to_be_bytes()));
    }
    rows.for_each(|row| file.extend(row));
    file
}

/// The planes of an image, unpacked.
fn build_planes(count: u8) -> Vec<[Vec<u8>; 2]> {
    (0..count).map(|plane| [0, 10].map(|row| (0..4).map(|column| 50 * plane + row + column).collect())).collect()
}

/// Packs the rows of planes.
fn pack(planes: &[[Vec<u8>; 2]], pack_row: impl Fn(&[u8]) -> Vec<u8>) -> Vec<[Vec<u8>; 2]> {
    planes.iter().map(|rows| [pack_row(&rows[0]), pack_row(&rows[1])]).collect()
}

/// Packs a row of pixels.
type PackRow = fn(&[u8]) -> Vec<u8>;

#[test]
fn rows_are_cut_at_their_end() {
    let planes = build_planes(3);
    let expected = get_outcome(&build_file(&planes, false));
    assert!(expected.is_ok());
    let ways: [(&str, PackRow); 6] = [
        ("exact", |row| [&[3], row].concat()),
        ("a literal run over the end", |row| [&[7], row, &[9; 4]].concat()),
        ("a literal run over the end of the packed bytes", |row| [&[7], row].concat()),
        ("a repeated byte over the end", |row| [&[2], &row[..3], &[0xF0, row[3]]].concat()),
        ("bytes behind the row", |row| [&[3], row, &[1, 2, 3]].concat()),
        ("one run for each byte", |row| row.iter().flat_map(|byte| [0, *byte]).collect()),
    ];
    for (name, pack_row) in ways {
        assert_eq!(get_outcome(&build_file(&pack(&planes, pack_row), true)), expected, "{name}");
    }
    let damaged: [(&str, PackRow); 3] = [
        ("too short", |row| [&[2], &row[..3]].concat()),
        ("nothing", |_| Vec::new()),
        ("too long", |row| [&[3], row, &[128; 1000]].concat()),
    ];
    for (name, pack_row) in damaged {
        assert_eq!(get_outcome(&build_file(&pack(&planes, pack_row), true)), Err(Code::Corrupt), "{name}");
    }
}

#[test]
fn channels_that_are_not_used_may_be_cut() {
    for packed in [false, true] {
        let pack_row: fn(&[u8]) -> Vec<u8> = |row| [&[3], row].concat();
        let build = |count| {
            let planes = build_planes(count);
            build_file(&if packed { pack(&planes, pack_row) } else { planes }, packed)
        };
        let (pixels, warnings) = get_outcome(&build(4)).unwrap();
        assert_eq!(warnings, []);
        let file = build(4);
        let unused_bytes = if packed { 10 } else { 8 };
        for missing in 1..=unused_bytes {
            let cut = &file[..file.len() - missing];
            assert_eq!(get_outcome(cut), Ok((pixels, vec![Code::SourceIrregular])), "{missing}");
        }
        for length in 20..file.len() - unused_bytes {
            assert_eq!(render(&file[..length], "").map(drop).unwrap_err().code, Code::Truncated, "{length}");
        }
    }
}
