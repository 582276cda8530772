//! TIFF as other programs write it: what is read of strips, tiles and ways of packing, and what others read of ours.

use image::{DynamicImage, GenericImageView, ImageFormat, RgbImage};
use tiff::encoder::colortype::{Gray8, RGB8, RGBA8};
use tiff::encoder::{Compression, DeflateLevel, Predictor, TiffEncoder};
use tiff::tags::Tag;

use crate::render::{Studio, file_of};

const SIZE: (u32, u32) = (123, 77);

/// Something of everything: flat parts, slopes and noise.
fn drawn(channels: usize) -> Vec<u8> {
    let cell = |x: u32, y: u32, channel: u32| match (x / 40 + y / 30) % 3 {
        0 => 200,
        1 => (x + y * 2 + channel * 40) as u8,
        _ => (x.wrapping_mul(2_654_435_761) ^ y.wrapping_mul(40_503) ^ channel.wrapping_mul(977)) as u8,
    };
    let pixels = (0..SIZE.1).flat_map(|y| (0..SIZE.0).map(move |x| (x, y)));
    pixels.flat_map(|(x, y)| (0..channels as u32).map(move |channel| cell(x, y, channel))).collect()
}

/// A file as the tiff crate writes it, whose LZW and deflate are not ours.
fn written(compression: Compression, predictor: Predictor, channels: usize, rows: u32) -> Vec<u8> {
    let mut file = std::io::Cursor::new(Vec::new());
    let mut encoder = TiffEncoder::new(&mut file).unwrap().with_compression(compression).with_predictor(predictor);
    macro_rules! write {
        ($kind:ty) => {{
            let mut image = encoder.new_image::<$kind>(SIZE.0, SIZE.1).unwrap();
            image.rows_per_strip(rows).unwrap();
            image.write_data(&drawn(channels)).unwrap();
        }};
    }
    match channels {
        1 => write!(Gray8),
        3 => write!(RGB8),
        _ => write!(RGBA8),
    }
    file.into_inner()
}

fn decoded(file: &[u8], channels: usize) -> Vec<u8> {
    let picture = Studio::with(file).picture("fmt=png-alpha");
    match channels {
        1 => picture.into_luma8().into_raw(),
        3 => picture.into_rgb8().into_raw(),
        _ => picture.into_rgba8().into_raw(),
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
                let file = written(way, predictor, channels, rows);
                assert_eq!(decoded(&file, channels), drawn(channels), "{name} {predictor:?} {channels} {rows}");
            }
        }
    }
}

#[test]
fn tiles_that_reach_outside_are_cut() {
    const TILE: (u32, u32) = (32, 16);
    let (picture, mut file) = (drawn(3), std::io::Cursor::new(Vec::new()));
    let mut encoder = TiffEncoder::new(&mut file).unwrap();
    let mut directory = encoder.image_directory().unwrap();
    let (mut offsets, mut lengths) = (Vec::new(), Vec::new());
    for top in (0..SIZE.1).step_by(TILE.1 as usize) {
        for left in (0..SIZE.0).step_by(TILE.0 as usize) {
            let mut tile = vec![99_u8; (TILE.0 * TILE.1 * 3) as usize];
            for (y, x) in (0..TILE.1).flat_map(|y| (0..TILE.0).map(move |x| (y, x))) {
                if left + x < SIZE.0 && top + y < SIZE.1 {
                    let from = ((top + y) * SIZE.0 + left + x) as usize * 3;
                    let to = (y * TILE.0 + x) as usize * 3;
                    tile[to..to + 3].copy_from_slice(&picture[from..from + 3]);
                }
            }
            offsets.push(directory.write_data(&tile[..]).unwrap() as u32);
            lengths.push(tile.len() as u32);
        }
    }
    directory.write_tag(Tag::ImageWidth, SIZE.0).unwrap();
    directory.write_tag(Tag::ImageLength, SIZE.1).unwrap();
    directory.write_tag(Tag::BitsPerSample, &[8_u16; 3][..]).unwrap();
    directory.write_tag(Tag::SamplesPerPixel, 3_u16).unwrap();
    directory.write_tag(Tag::PhotometricInterpretation, 2_u16).unwrap();
    directory.write_tag(Tag::Compression, 1_u16).unwrap();
    directory.write_tag(Tag::TileWidth, TILE.0).unwrap();
    directory.write_tag(Tag::TileLength, TILE.1).unwrap();
    directory.write_tag(Tag::TileOffsets, &offsets[..]).unwrap();
    directory.write_tag(Tag::TileByteCounts, &lengths[..]).unwrap();
    directory.finish().unwrap();
    assert_eq!(decoded(&file.into_inner(), 3), picture);
}

#[test]
fn others_read_what_is_written() {
    let picture = RgbImage::from_fn(1500, 700, |x, y| image::Rgb([(x * y) as u8, (x / 3) as u8, (x ^ y) as u8]));
    let studio = Studio::with(&file_of(picture.clone(), ImageFormat::Png));
    for way in ["", ",,lzw", ",,zip", ",,none"] {
        let (file, _) = studio.file(&format!("fmt=tif{way}")).unwrap();
        assert_eq!(image::load_from_memory(&file).unwrap().into_rgb8(), picture, "{way}");
        let gray = studio.file(&format!("fmt=tif,gray{way}").replace("gray,,", "gray,")).unwrap().0;
        let gray = image::load_from_memory(&gray).unwrap();
        assert!(matches!(gray, DynamicImage::ImageLuma8(_)), "{way}");
        assert_eq!(gray.dimensions(), picture.dimensions());
    }
}
