//! TIFF as other programs write it (strips, tiles, compressions), and our TIFF as another decoder reads it.

use image::{DynamicImage, GenericImageView, ImageFormat, RgbImage};
use offprint_core::Code;
use tiff::encoder::colortype::{Gray8, RGB8, RGBA8};
use tiff::encoder::{Compression, DeflateLevel, Predictor, TiffEncoder};
use tiff::tags::Tag;

use crate::support::images::encode_image;
use crate::support::render_fixture::RenderFixture;

const IMAGE_SIZE: (u32, u32) = (123, 77);

/// Samples with flat areas, gradients and noise.
fn draw_pixels(channels: usize) -> Vec<u8> {
    let cell = |x: u32, y: u32, channel: u32| match (x / 40 + y / 30) % 3 {
        0 => 200,
        1 => (x + y * 2 + channel * 40) as u8,
        _ => (x.wrapping_mul(2_654_435_761) ^ y.wrapping_mul(40_503) ^ channel.wrapping_mul(977)) as u8,
    };
    let pixels = (0..IMAGE_SIZE.1).flat_map(|y| (0..IMAGE_SIZE.0).map(move |x| (x, y)));
    pixels.flat_map(|(x, y)| (0..channels as u32).map(move |channel| cell(x, y, channel))).collect()
}

/// A file written by the tiff crate, whose LZW and deflate are independent of ours.
fn encode_tiff(compression: Compression, predictor: Predictor, channels: usize, rows: u32) -> Vec<u8> {
    let mut file = std::io::Cursor::new(Vec::new());
    let mut encoder = TiffEncoder::new(&mut file).unwrap().with_compression(compression).with_predictor(predictor);
    macro_rules! write {
        ($kind:ty) => {{
            let mut image = encoder.new_image::<$kind>(IMAGE_SIZE.0, IMAGE_SIZE.1).unwrap();
            image.rows_per_strip(rows).unwrap();
            image.write_data(&draw_pixels(channels)).unwrap();
        }};
    }
    match channels {
        1 => write!(Gray8),
        3 => write!(RGB8),
        _ => write!(RGBA8),
    }
    file.into_inner()
}

fn decode_tiff(file: &[u8], channels: usize) -> Vec<u8> {
    let image = RenderFixture::new(file).render_image("fmt=png-alpha");
    match channels {
        1 => image.into_luma8().into_raw(),
        3 => image.into_rgb8().into_raw(),
        _ => image.into_rgba8().into_raw(),
    }
}

#[test]
fn every_way_of_packing_strips_is_read() {
    let ways = [
        ("plain", Compression::Uncompressed),
        ("lzw", Compression::Lzw),
        ("deflate", Compression::Deflate(DeflateLevel::Balanced)),
        ("packbits", Compression::Packbits),
    ];
    for (name, way) in ways {
        for channels in [1, 3, 4] {
            for (predictor, rows) in [(Predictor::None, 77), (Predictor::None, 10), (Predictor::Horizontal, 1)] {
                let file = encode_tiff(way, predictor, channels, rows);
                assert_eq!(
                    decode_tiff(&file, channels),
                    draw_pixels(channels),
                    "{name} {predictor:?} {channels} {rows}"
                );
            }
        }
    }
}

#[test]
fn tiles_that_reach_outside_are_cut() {
    const TILE: (u32, u32) = (32, 16);
    let (image, mut file) = (draw_pixels(3), std::io::Cursor::new(Vec::new()));
    let mut encoder = TiffEncoder::new(&mut file).unwrap();
    let mut directory = encoder.image_directory().unwrap();
    let (mut offsets, mut lengths) = (Vec::new(), Vec::new());
    for top in (0..IMAGE_SIZE.1).step_by(TILE.1 as usize) {
        for left in (0..IMAGE_SIZE.0).step_by(TILE.0 as usize) {
            let mut tile = vec![99_u8; (TILE.0 * TILE.1 * 3) as usize];
            for (y, x) in (0..TILE.1).flat_map(|y| (0..TILE.0).map(move |x| (y, x))) {
                if left + x < IMAGE_SIZE.0 && top + y < IMAGE_SIZE.1 {
                    let from = ((top + y) * IMAGE_SIZE.0 + left + x) as usize * 3;
                    let to = (y * TILE.0 + x) as usize * 3;
                    tile[to..to + 3].copy_from_slice(&image[from..from + 3]);
                }
            }
            offsets.push(directory.write_data(&tile[..]).unwrap() as u32);
            lengths.push(tile.len() as u32);
        }
    }
    directory.write_tag(Tag::ImageWidth, IMAGE_SIZE.0).unwrap();
    directory.write_tag(Tag::ImageLength, IMAGE_SIZE.1).unwrap();
    directory.write_tag(Tag::BitsPerSample, &[8_u16; 3][..]).unwrap();
    directory.write_tag(Tag::SamplesPerPixel, 3_u16).unwrap();
    directory.write_tag(Tag::PhotometricInterpretation, 2_u16).unwrap();
    directory.write_tag(Tag::Compression, 1_u16).unwrap();
    directory.write_tag(Tag::TileWidth, TILE.0).unwrap();
    directory.write_tag(Tag::TileLength, TILE.1).unwrap();
    directory.write_tag(Tag::TileOffsets, &offsets[..]).unwrap();
    directory.write_tag(Tag::TileByteCounts, &lengths[..]).unwrap();
    directory.finish().unwrap();
    assert_eq!(decode_tiff(&file.into_inner(), 3), image);
}

#[test]
fn others_read_what_is_written() {
    let image = RgbImage::from_fn(1500, 700, |x, y| image::Rgb([(x * y) as u8, (x / 3) as u8, (x ^ y) as u8]));
    let fixture = RenderFixture::new(&encode_image(image.clone(), ImageFormat::Png));
    for way in ["", ",,lzw", ",,zip", ",,none"] {
        let (file, _) = fixture.render_file(&format!("fmt=tif{way}")).unwrap();
        assert_eq!(image::load_from_memory(&file).unwrap().into_rgb8(), image, "{way}");
        let gray = fixture.render_file(&format!("fmt=tif,gray{way}").replace("gray,,", "gray,")).unwrap().0;
        let gray = image::load_from_memory(&gray).unwrap();
        assert!(matches!(gray, DynamicImage::ImageLuma8(_)), "{way}");
        assert_eq!(gray.dimensions(), image.dimensions());
    }
}

/// A file whose directory has these tags and these strips or tiles; their offsets and lengths are filled in.
fn build_tiff(size: (u32, u32), tags: &[(Tag, &[u16])], pieces: &[Vec<u8>]) -> Vec<u8> {
    let mut file = std::io::Cursor::new(Vec::new());
    let mut encoder = TiffEncoder::new(&mut file).unwrap();
    let mut directory = encoder.image_directory().unwrap();
    let offsets: Vec<u32> = pieces.iter().map(|piece| directory.write_data(&piece[..]).unwrap() as u32).collect();
    let lengths: Vec<u32> = pieces.iter().map(|piece| piece.len() as u32).collect();
    let tiled = tags.iter().any(|(tag, _)| *tag == Tag::TileWidth);
    let places = match tiled {
        true => [Tag::TileOffsets, Tag::TileByteCounts],
        false => [Tag::StripOffsets, Tag::StripByteCounts],
    };
    directory.write_tag(Tag::ImageWidth, size.0).unwrap();
    directory.write_tag(Tag::ImageLength, size.1).unwrap();
    directory.write_tag(places[0], &offsets[..]).unwrap();
    directory.write_tag(places[1], &lengths[..]).unwrap();
    for (tag, value) in tags {
        directory.write_tag(*tag, *value).unwrap();
    }
    directory.finish().unwrap();
    file.into_inner()
}

const BITS_PER_SAMPLE: Tag = Tag::BitsPerSample;
const SAMPLES_PER_PIXEL: Tag = Tag::SamplesPerPixel;
const PHOTOMETRIC_INTERPRETATION: Tag = Tag::PhotometricInterpretation;

/// The samples of the rendered image, gray or RGB, with alpha or without.
fn render_pixels(file: &[u8], modifier: &str) -> Vec<u8> {
    let image = RenderFixture::new(file).render_image(modifier);
    match image {
        DynamicImage::ImageLuma8(image) => image.into_raw(),
        other => other.into_bytes(),
    }
}

#[test]
fn numbers_of_any_few_bits_are_brought_to_the_whole_range() {
    // Rows begin at a byte: 3 pixels of 4 bits take 2 bytes.
    let gray = |kind: u16, bits: u16, rows: &[u8]| {
        build_tiff((3, 2), &[(BITS_PER_SAMPLE, &[bits]), (PHOTOMETRIC_INTERPRETATION, &[kind])], &[rows.to_vec()])
    };
    assert_eq!(render_pixels(&gray(1, 4, &[0x0F, 0x80, 0x12, 0xF0]), "fmt=png,gray"), [0, 255, 136, 17, 34, 255]);
    assert_eq!(render_pixels(&gray(0, 1, &[0b0100_0000, 0b1010_0000]), "fmt=png,gray"), [255, 0, 255, 0, 255, 0]);
    assert_eq!(render_pixels(&gray(1, 2, &[0b0001_1000, 0b1100_0100]), "fmt=png,gray"), [0, 85, 170, 255, 0, 85]);
    let twelve = [0x00, 0x0F, 0xFF, 0x80, 0x00, 0xFF, 0xF0, 0x00, 0x80, 0x00];
    assert_eq!(render_pixels(&gray(1, 12, &twelve), "fmt=png,gray"), [0, 255, 128, 255, 0, 128]);
}

#[test]
fn palettes_become_their_colours() {
    let wide = |values: [u16; 12]| values.map(|value| value * 257);
    let map = wide([0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100, 110]);
    let file = |map: &[u16]| {
        let tags: [(Tag, &[u16]); 3] =
            [(BITS_PER_SAMPLE, &[2]), (PHOTOMETRIC_INTERPRETATION, &[3]), (Tag::ColorMap, map)];
        build_tiff((4, 1), &tags, &[vec![0b0001_1011]])
    };
    let colours = [0, 40, 80, 10, 50, 90, 20, 60, 100, 30, 70, 110];
    assert_eq!(render_pixels(&file(&map), "fmt=png"), colours);
    // Some programs write a palette of eight bits instead of sixteen.
    assert_eq!(render_pixels(&file(&map.map(|value| value / 257)), "fmt=png"), colours);
}

#[test]
fn components_may_lie_apart_in_strips_and_tiles_at_both_depths() {
    let deep = |values: &[u8]| values.iter().flat_map(|value| (u16::from(*value) * 257).to_ne_bytes()).collect();
    let image: Vec<u8> = (0..5 * 4 * 4).map(|value| value * 3).collect();
    for (bits, tile) in [(8, None), (16, None), (8, Some((3, 2))), (16, Some((3, 2)))] {
        let (w, h) = tile.unwrap_or((5, 2));
        let mut pieces = Vec::new();
        for plane in 0..4 {
            for (top, left) in (0..4).step_by(h).flat_map(|top| (0..5).step_by(w).map(move |left| (top, left))) {
                let value =
                    |y: usize, x: usize| image.get((y * 5 + x) * 4 + plane).filter(|_| x < 5).map_or(9, |it| *it);
                let piece: Vec<u8> = (0..h * w).map(|at| value(top + at / w, left + at % w)).collect();
                pieces.push(if bits == 8 { piece } else { deep(&piece) });
            }
        }
        let sides = [(w as u16, Tag::TileWidth), (h as u16, Tag::TileLength)];
        let mut tags: Vec<(Tag, &[u16])> =
            vec![(SAMPLES_PER_PIXEL, &[4]), (PHOTOMETRIC_INTERPRETATION, &[2]), (Tag::PlanarConfiguration, &[2])];
        let depth = [bits; 4];
        tags.extend([(BITS_PER_SAMPLE, &depth[..]), (Tag::ExtraSamples, &[2])]);
        match tile {
            Some(_) => tags.extend(sides.iter().map(|(side, tag)| (*tag, std::slice::from_ref(side)))),
            None => tags.push((Tag::RowsPerStrip, &[2])),
        }
        assert_eq!(render_pixels(&build_tiff((5, 4), &tags, &pieces), "fmt=png-alpha"), image, "{bits} {tile:?}");
    }
}

#[test]
fn only_what_is_called_alpha_is_alpha() {
    let gray = |extra: &[u16]| {
        let tags: [(Tag, &[u16]); 4] = [
            (BITS_PER_SAMPLE, &[8, 8]),
            (SAMPLES_PER_PIXEL, &[2]),
            (PHOTOMETRIC_INTERPRETATION, &[1]),
            (Tag::ExtraSamples, extra),
        ];
        build_tiff((2, 1), &tags, &[vec![100, 255, 60, 128]])
    };
    assert_eq!(render_pixels(&gray(&[2]), "fmt=png-alpha,gray"), [100, 255, 60, 128]);
    assert_eq!(render_pixels(&gray(&[1]), "fmt=png-alpha,gray"), [100, 255, 120, 128]);
    assert_eq!(render_pixels(&gray(&[0]), "fmt=png-alpha,gray"), [100, 255, 60, 255]);
    // Spot colours after the process colours are ignored.
    let tags: [(Tag, &[u16]); 4] = [
        (BITS_PER_SAMPLE, &[8; 6]),
        (SAMPLES_PER_PIXEL, &[6]),
        (PHOTOMETRIC_INTERPRETATION, &[5]),
        (Tag::ExtraSamples, &[0, 0]),
    ];
    let inks = build_tiff((1, 1), &tags, &[vec![0, 255, 255, 0, 77, 88]]);
    assert_eq!(render_pixels(&inks, "fmt=png"), [255, 0, 0]);
}

#[test]
fn what_is_written_with_jpeg_inside_is_read_again() {
    let drawn = RgbImage::from_fn(200, 90, |x, y| image::Rgb([(x + 20) as u8, (y * 2) as u8, (x / 2 + y) as u8]));
    let fixture = RenderFixture::new(&encode_image(drawn.clone(), ImageFormat::Png));
    for way in ["rgb", "gray", "cmyk"] {
        let original =
            fixture.render_image(&format!("fmt=png{}", if way == "gray" { ",gray" } else { "" })).into_rgb8();
        let file = fixture.render_file(&format!("fmt=tif,{way},jpeg&qlt=98,1")).unwrap().0;
        let back = RenderFixture::new(&file).render_image("fmt=png").into_rgb8();
        let apart = back.iter().zip(original.iter()).map(|(a, b)| u64::from(a.abs_diff(*b))).sum::<u64>();
        assert!(apart < back.len() as u64 * 2, "{way}: {apart} of {}", back.len());
    }
}

#[test]
fn tables_of_the_jpegs_inside_may_stand_in_the_directory() {
    let drawn = image::GrayImage::from_fn(16, 16, |x, y| image::Luma([(x * 9 + y * 4) as u8]));
    let whole = encode_image(drawn.clone(), ImageFormat::Jpeg);
    // Every segment other than frame and scan is a table or can be ignored.
    let (mut tables, mut own, mut at) = (vec![0xFF, 0xD8], vec![0xFF, 0xD8], 2);
    while whole[at + 1] != 0xDA {
        let end = at + 2 + usize::from(u16::from_be_bytes([whole[at + 2], whole[at + 3]]));
        let to = if matches!(whole[at + 1], 0xDB | 0xC4) { &mut tables } else { &mut own };
        to.extend_from_slice(&whole[at..end]);
        at = end;
    }
    tables.extend([0xFF, 0xD9]);
    own.extend_from_slice(&whole[at..]);
    let mut file = std::io::Cursor::new(Vec::new());
    let mut encoder = TiffEncoder::new(&mut file).unwrap();
    let mut directory = encoder.image_directory().unwrap();
    let offset = directory.write_data(&own[..]).unwrap() as u32;
    for (tag, value) in [(Tag::ImageWidth, 16), (Tag::ImageLength, 16), (Tag::StripOffsets, offset)] {
        directory.write_tag(tag, value).unwrap();
    }
    directory.write_tag(Tag::StripByteCounts, own.len() as u32).unwrap();
    for (tag, value) in [(BITS_PER_SAMPLE, 8_u16), (PHOTOMETRIC_INTERPRETATION, 1), (Tag::Compression, 7)] {
        directory.write_tag(tag, value).unwrap();
    }
    directory.write_tag(Tag::JPEGTables, &tables[..]).unwrap();
    directory.finish().unwrap();
    let back = render_pixels(&file.into_inner(), "fmt=png,gray");
    let straight = image::load_from_memory(&whole).unwrap().into_luma8().into_raw();
    assert!(back.iter().zip(&straight).all(|(a, b)| a.abs_diff(*b) <= 2));
}

#[test]
fn brightness_and_differences_that_four_pixels_share_become_colours() {
    let block = |y: [u8; 4], blue: u8, red: u8| [&y[..], &[blue, red]].concat();
    // Three pixels wide: the second block extends beyond the image.
    let stored = [block([76, 76, 128, 0], 85, 255), block([255, 1, 0, 1], 128, 128)].concat();
    let tags: [(Tag, &[u16]); 4] = [
        (BITS_PER_SAMPLE, &[8; 3]),
        (SAMPLES_PER_PIXEL, &[3]),
        (PHOTOMETRIC_INTERPRETATION, &[6]),
        (Tag::ChromaSubsampling, &[2, 2]),
    ];
    let pixels = render_pixels(&build_tiff((3, 2), &tags, &[stored]), "fmt=png");
    assert_eq!(pixels[..9], [254, 0, 0, 254, 0, 0, 255, 255, 255]);
    assert_eq!(pixels[9..], [255, 52, 52, 178, 0, 0, 0, 0, 0]);
}

#[test]
fn kinds_that_nobody_reads_are_refused_by_their_header() {
    let kinds: [&[(Tag, &[u16])]; 3] = [
        &[(BITS_PER_SAMPLE, &[8]), (PHOTOMETRIC_INTERPRETATION, &[1]), (Tag::Compression, &[6])],
        &[
            (BITS_PER_SAMPLE, &[8, 8]),
            (SAMPLES_PER_PIXEL, &[2]),
            (PHOTOMETRIC_INTERPRETATION, &[1]),
            (Tag::Compression, &[7]),
        ],
        &[(BITS_PER_SAMPLE, &[8; 3]), (SAMPLES_PER_PIXEL, &[3]), (PHOTOMETRIC_INTERPRETATION, &[8])],
    ];
    for tags in kinds {
        let header = offprint_imaging::read_image_header(
            &RenderFixture::new(&build_tiff((2, 2), tags, &[vec![0; 12]])).source_path(),
        );
        let code = header.unwrap_err().code;
        assert!(matches!(code, Code::UnsupportedColor | Code::UnsupportedFormat), "{tags:?}: {code}");
    }
}
