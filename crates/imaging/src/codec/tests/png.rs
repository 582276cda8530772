//! PNG files whose end is missing or damaged, and transparent grays with too many bits.

use std::borrow::Cow;

use super::{encode_noise, find, get_outcome, render};
use offprint_core::Code;

/// A chunk with its checksum.
fn build_chunk(name: &[u8; 4], content: &[u8]) -> Vec<u8> {
    let body = [name, content].concat();
    [&(content.len() as u32).to_be_bytes()[..], &body, &crc32(&body).to_be_bytes()].concat()
}

fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| if crc & 1 == 1 { crc >> 1 ^ 0xEDB8_8320 } else { crc >> 1 };
    !bytes.iter().fold(u32::MAX, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), step))
}

/// A gray PNG of these packed rows.
fn encode_gray(width: u32, bits: png::BitDepth, transparent: Option<u16>, rows: &[&[u8]]) -> Vec<u8> {
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, width, rows.len() as u32);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_depth(bits);
    if let Some(gray) = transparent {
        encoder.set_trns(Cow::Owned(gray.to_be_bytes().to_vec()));
    }
    encoder.write_header().unwrap().write_image_data(&rows.concat()).unwrap();
    file
}

#[test]
fn bits_of_the_transparent_gray_above_the_depth_do_not_count() {
    // Depth, packed row, transparent gray, and the alpha of each pixel.
    for (bits, row, transparent, alpha) in [
        (png::BitDepth::One, 0b1010_0000, 0x00FF, [0, 255, 0]),
        (png::BitDepth::One, 0b1010_0000, 0x00FE, [255, 0, 255]),
        (png::BitDepth::One, 0b1010_0000, 1, [0, 255, 0]),
        (png::BitDepth::Two, 0b1101_1000, 0xFFFE, [255, 255, 0]),
        (png::BitDepth::Two, 0b1101_1000, 0x0105, [255, 0, 255]),
    ] {
        let file = encode_gray(3, bits, Some(transparent), &[&[row]]);
        let (_, pixels) = render(&file, "fmt=png-alpha").unwrap().decode_png();
        assert_eq!(pixels.iter().map(|pixel| pixel[3]).collect::<Vec<_>>(), alpha, "{bits:?} {transparent:#x}");
    }
    for (transparent, alpha) in [(0x1140, [0, 255]), (0x0041, [255, 0])] {
        let file = encode_gray(2, png::BitDepth::Eight, Some(transparent), &[&[0x40, 0x41]]);
        let (_, pixels) = render(&file, "fmt=png-alpha").unwrap().decode_png();
        assert_eq!(pixels.iter().map(|pixel| pixel[3]).collect::<Vec<_>>(), alpha, "{transparent:#x}");
    }
}

#[test]
fn what_follows_the_image_data_does_not_decide() {
    let file = encode_noise("fmt=png");
    let (pixels, warnings) = get_outcome(&file).unwrap();
    assert_eq!(warnings, []);
    let end = find(&file, b"IEND") - 4;
    let irregular = Ok((pixels, vec![Code::SourceIrregular]));
    // From the last byte of the end chunk back into the checksums of the image data.
    for length in end - 8..file.len() {
        assert_eq!(get_outcome(&file[..length]), irregular, "{length} of {} bytes", file.len());
    }
    let control = build_chunk(b"fcTL", &[&[0; 4][..], &32_u32.to_be_bytes(), &24_u32.to_be_bytes(), &[0; 14]].concat());
    for damage in [&b"\0\0\0\x09abcd nonsense"[..], &control[..20], b"\xFF\xFF\xFF\xFFfdAT"] {
        assert_eq!(get_outcome(&[&file[..end], damage].concat()), irregular, "{damage:?}");
    }
    let mut damaged = file.clone();
    damaged[end - 2] ^= 1;
    assert_eq!(get_outcome(&damaged), Err(Code::Corrupt), "a checksum of the image data");
}

#[test]
fn an_interlaced_image_is_complete_when_all_its_passes_are() {
    // One pixel of each pass and more; rows of 8 bits, each with the number of its filter.
    let passes: [(usize, usize); 7] = [(1, 1), (1, 1), (2, 1), (2, 2), (4, 2), (3, 4), (7, 3)];
    let mut data = Vec::new();
    for (columns, rows) in passes {
        for row in 0..rows {
            data.push(0);
            let seed = 37 * data.len() + 11 * row;
            data.extend((0..columns).map(|column| (seed + column) as u8));
        }
    }
    let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::none());
    std::io::Write::write_all(&mut zlib, &data).unwrap();
    let header = [&7_u32.to_be_bytes()[..], &7_u32.to_be_bytes(), &[8, 0, 0, 0, 1]].concat();
    let image = build_chunk(b"IDAT", &zlib.finish().unwrap());
    let file = [&b"\x89PNG\r\n\x1A\n"[..], &build_chunk(b"IHDR", &header), &image, &build_chunk(b"IEND", &[])].concat();
    let (pixels, warnings) = get_outcome(&file).unwrap();
    assert_eq!(warnings, []);
    let image_end = file.len() - 12;
    // Four bytes of checksum of the chunk, and four of its content.
    for length in 8..file.len() {
        let expected =
            if length >= image_end - 8 { Ok((pixels, vec![Code::SourceIrregular])) } else { Err(Code::Truncated) };
        assert_eq!(get_outcome(&file[..length]), expected, "{length} of {} bytes", file.len());
    }
}

#[test]
fn frames_are_counted_with_an_image_that_is_no_frame() {
    let file = encode_noise("fmt=png");
    let image = find(&file, b"IDAT") - 4;
    let control = build_chunk(
        b"fcTL",
        &[&0_u32.to_be_bytes()[..], &32_u32.to_be_bytes(), &24_u32.to_be_bytes(), &[0; 8], &[0, 1, 0, 1, 0, 0]]
            .concat(),
    );
    let count = |frames: u32, control: &[u8]| {
        let animation = build_chunk(b"acTL", &[frames.to_be_bytes(), [0; 4]].concat());
        super::read_header(&[&file[..image], &animation, control, &file[image..]].concat()).unwrap().frames
    };
    assert_eq!((count(1, &control), count(3, &control)), (1, 3));
    assert_eq!((count(1, &[]), count(3, &[])), (2, 4));
}
