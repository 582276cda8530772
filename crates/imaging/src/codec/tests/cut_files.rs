//! Files of every format, cut off at many places: a file that can be rendered has all the pixels of the whole file.

use super::{encode_noise, get_outcome, render, render_reading};
use offprint_core::Code;
use offprint_modifiers::DecodeOptions;

/// The modifiers that make a file of each format that we can write, and of its variants that are decoded differently.
const MODIFIERS: [&str; 14] = [
    "fmt=jpeg",
    "fmt=pjpeg",
    "fmt=jpeg,gray",
    "fmt=jpeg,cmyk",
    "fmt=png",
    "fmt=png8",
    "fmt=gif",
    "fmt=webp",
    "fmt=webp,,lossless",
    "fmt=webp-alpha&xmpEmbed=1",
    "fmt=avif",
    "fmt=avif,,lossless",
    "fmt=jpeg2000",
    "fmt=jpeg2000,,lossless",
];

/// Lengths to which a file is cut: every one near its ends, and steps in between.
fn list_cuts(length: usize) -> impl Iterator<Item = usize> {
    let step = (length / 25).max(1);
    (0..length).filter(move |cut| *cut < 20 || length - cut < 20 || cut % step == 0)
}

#[test]
fn a_cut_file_has_all_its_pixels_or_fails() {
    for modifier in MODIFIERS {
        let file = encode_noise(modifier);
        let (pixels, warnings) = get_outcome(&file).unwrap();
        assert_eq!(warnings, [], "{modifier}");
        for length in list_cuts(file.len()) {
            let place = format!("{modifier}: {length} of {} bytes", file.len());
            match render(&file[..length], "fmt=png-alpha") {
                Ok(_) => {
                    let expected = Ok((pixels, vec![Code::SourceIrregular]));
                    assert_eq!(get_outcome(&file[..length]), expected, "{place}");
                }
                Err(error) => {
                    let codes: &[Code] = match length {
                        // What is shorter than its signature is no file of that format.
                        0..=40 => &[Code::UnsupportedFormat, Code::Truncated, Code::Corrupt],
                        _ if modifier.contains("jpeg2000") => &[Code::Truncated, Code::Corrupt],
                        _ => &[Code::Truncated],
                    };
                    assert!(codes.contains(&error.code), "{place}: {error}");
                    let is_true = !error.detail.contains("damaged") || error.detail.contains("ends early");
                    assert!(is_true || length <= 40, "{place}: {error}");
                }
            }
        }
    }
}

#[test]
fn a_cut_file_is_rendered_on_request_only_with_a_warning() {
    let lenient = DecodeOptions { accepts_damage: true, ..DecodeOptions::default() };
    for modifier in MODIFIERS {
        let file = encode_noise(modifier);
        for length in list_cuts(file.len()).step_by(3) {
            let Ok(rendered) = render_reading(&file[..length], "fmt=png", lenient) else { continue };
            let expected = match get_outcome(&file[..length]) {
                Ok(_) => Code::SourceIrregular,
                Err(_) => Code::CorruptSource,
            };
            assert!(rendered.warning_codes().contains(&expected), "{modifier}: {length} of {} bytes", file.len());
        }
    }
}
