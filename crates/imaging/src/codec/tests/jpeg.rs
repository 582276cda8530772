//! JPEG files with oddities that no pixel depends on, without an end, and with missing data.

use offprint_core::Code;

use super::{encode_noise, find, get_outcome, render};

const END_MARKER: &[u8] = &[0xFF, 0xD9];

/// Offsets of the scan headers.
fn find_scans(file: &[u8]) -> Vec<usize> {
    (0..file.len() - 1).filter(|at| file[*at..].starts_with(&[0xFF, 0xDA])).collect()
}

/// The file with these bytes in between.
fn insert(file: &[u8], at: usize, bytes: &[u8]) -> Vec<u8> {
    [&file[..at], bytes, &file[at..]].concat()
}

#[test]
fn oddities_that_no_pixel_depends_on_are_not_mentioned() {
    for modifier in ["fmt=jpeg", "fmt=pjpeg", "fmt=pjpeg&pscan=3", "fmt=jpeg,gray", "fmt=jpeg&qlt=90,1"] {
        let file = encode_noise(modifier);
        let expected = get_outcome(&file).unwrap();
        assert_eq!(expected.1, [], "{modifier}");
        let end = file.len() - END_MARKER.len();
        for stray in [&[0; 40][..], &[7], b"stray bytes", &[0xFF; 9], &[0xFF, 0, 1, 2]] {
            let odd = insert(&file, end, stray);
            assert_eq!(get_outcome(&odd).as_ref(), Ok(&expected), "{modifier} with {stray:?} before the end");
            for scan in find_scans(&file) {
                let odd = insert(&file, scan, stray);
                assert_eq!(get_outcome(&odd).as_ref(), Ok(&expected), "{modifier} with {stray:?} before a scan");
            }
        }
    }
}

#[test]
fn the_parameters_of_a_baseline_scan_do_not_matter() {
    for modifier in ["fmt=jpeg", "fmt=jpeg,gray"] {
        let file = encode_noise(modifier);
        let expected = get_outcome(&file).unwrap();
        let scan = find_scans(&file)[0];
        let parameters = scan + 5 + 2 * usize::from(file[scan + 4]);
        for odd_parameters in [[0, 0, 0], [1, 62, 0], [63, 0, 0], [0, 63, 0x11], [255; 3]] {
            let mut odd = file.clone();
            odd[parameters..parameters + 3].copy_from_slice(&odd_parameters);
            assert_eq!(get_outcome(&odd).as_ref(), Ok(&expected), "{modifier} {odd_parameters:?}");
        }
    }
}

#[test]
fn a_missing_end_marker_is_irregular_and_missing_data_is_not() {
    for modifier in ["fmt=jpeg", "fmt=pjpeg", "fmt=pjpeg&pscan=4", "fmt=jpeg,gray"] {
        let file = encode_noise(modifier);
        let (pixels, _) = get_outcome(&file).unwrap();
        let end = file.len() - END_MARKER.len();
        let irregular = Ok((pixels, vec![Code::SourceIrregular]));
        for tail in [&[][..], &[0xFF], &[0], &[0; 2], &[0; 3], &[0; 10_000], &[0xFF; 5000], &[0xFF, 0xD8, 0xFF, 0xE0]] {
            let open = [&file[..end], tail].concat();
            assert_eq!(get_outcome(&open), irregular, "{modifier} with {} bytes {:?}", tail.len(), tail.first());
        }
        // A download that was given its full length beforehand, and files that were cut off.
        for cut in [1, 2, 3, 10, end / 4, end / 2] {
            for tail in [vec![], vec![0; 3], vec![0; cut + 2], vec![0xFF; cut + 2], vec![0; 9000]] {
                let half = [&file[..end - cut], &tail].concat();
                let outcome = render(&half, "fmt=png").map(|rendered| rendered.warnings);
                let error = outcome.expect_err(&format!("{modifier} without {cut} bytes, with {} others", tail.len()));
                assert_eq!(error.code, Code::Truncated, "{modifier} without {cut} bytes: {error}");
                assert!(error.detail.contains(" ends before "), "{error}");
            }
        }
    }
}

#[test]
fn a_component_without_a_scan_is_damage() {
    // Passes of a progressive file: each cut between two of them leaves whole scans only.
    let file = encode_noise("fmt=pjpeg&pscan=4");
    for scan in &find_scans(&file)[1..] {
        assert_eq!(get_outcome(&file[..*scan]), Err(Code::Truncated));
    }
    // The luma of the first scan is there, no other component.
    let gray = encode_noise("fmt=jpeg,gray");
    let (frame, scan) = (find(&gray, &[0xFF, 0xC0]), find_scans(&gray)[0]);
    let table = 0x11;
    let header = [0xFF, 0xC0, 0, 17, 8, 0, 24, 0, 32, 3, 1, table, 0, 2, table, 0, 3, table, 0];
    let colorless = [&gray[..frame], &header, &gray[frame + 13..scan], &gray[scan..]].concat();
    assert_eq!(get_outcome(&colorless), Err(Code::Corrupt));
}

#[test]
fn damaged_restart_intervals_are_damage() {
    let file = encode_noise("fmt=jpeg");
    let scan = find_scans(&file)[0];
    let restarts = insert(&file, scan, &[0xFF, 0xDD, 0, 4, 0, 1]);
    assert_eq!(get_outcome(&restarts), Err(Code::Corrupt));
}

#[test]
fn inks_are_inverted_with_and_without_the_marker_of_adobe() {
    let marked = encode_noise("fmt=jpeg,cmyk");
    let marker = find(&marked, b"Adobe") - 4;
    let unmarked = [&marked[..marker], &marked[marker + 16..]].concat();
    assert_eq!(get_outcome(&unmarked), get_outcome(&marked));
}

#[test]
fn luma_chroma_and_black_are_recognized_by_their_sizes() {
    let mut encoder = mozjpeg::Compress::new(mozjpeg::ColorSpace::JCS_CMYK);
    encoder.set_size(32, 16);
    encoder.set_color_space(mozjpeg::ColorSpace::JCS_YCCK);
    for (component, size) in encoder.components_mut().iter_mut().zip([2, 1, 1, 2]) {
        (component.h_samp_factor, component.v_samp_factor) = (size, size);
    }
    let mut started = encoder.start_compress(Vec::new()).unwrap();
    started.write_scanlines(&[[250_u8, 40, 40, 200]; 32 * 16].concat()).unwrap();
    let marked = started.finish().unwrap();
    let marker = find(&marked, b"Adobe") - 4;
    let unmarked = [&marked[..marker], &marked[marker + 16..]].concat();
    let (_, pixels) = render(&marked, "fmt=png").unwrap().decode_png();
    assert!(pixels[40][0] > 150 && pixels[40][1] < 60, "{:?}", pixels[40]);
    assert_eq!(get_outcome(&unmarked), get_outcome(&marked));
}
