//! The formats that are written: what each holds, how it is packed, what it refuses.

use std::collections::HashSet;
use std::io::Cursor;

use image::{DynamicImage, ImageFormat, Rgb, RgbImage, Rgba, RgbaImage};
use offprint::code::Code;
use tiff::decoder::Decoder;
use tiff::tags::Tag;

use crate::render::{RED, Studio, file_of, quarters};

/// A picture with as many colours as pixels, soft enough that JPEG can hold it.
fn soft() -> RgbImage {
    RgbImage::from_fn(120, 80, |x, y| Rgb([(x * 2) as u8, (y * 3) as u8, (x + y) as u8]))
}

fn noise(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        let mixed = x.wrapping_mul(2_654_435_761).rotate_left(y % 31) ^ y.wrapping_mul(2_246_822_519);
        Rgb([mixed as u8, (mixed >> 8) as u8, (mixed >> 16) as u8])
    })
}

fn studio(picture: impl Into<DynamicImage>) -> Studio {
    Studio::with(&file_of(picture, ImageFormat::Png))
}

fn colors(picture: &DynamicImage) -> HashSet<Rgba<u8>> {
    picture.to_rgba8().pixels().copied().collect()
}

fn mean_difference(a: &RgbImage, b: &RgbImage) -> f64 {
    let sum: u64 = a.iter().zip(b.iter()).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
    sum as f64 / a.len() as f64
}

#[test]
fn a_palette_has_the_colours_that_were_asked_for() {
    let studio = studio(soft());
    for format in ["gif", "gif-alpha", "png8", "png8-alpha"] {
        for (quantize, most) in
            [("adaptive", 256), ("adaptive,off,4", 4), ("adaptive,diffuse,4", 4), ("web", 216), ("web,off,9", 9)]
        {
            let picture = studio.picture(&format!("fmt={format}&quantize={quantize}"));
            assert!(colors(&picture).len() <= most, "{format} {quantize}: {}", colors(&picture).len());
            assert!(mean_difference(&picture.to_rgb8(), &soft()) < 60.0, "{format} {quantize}");
        }
        let good = studio.picture(&format!("fmt={format}&quantize=adaptive,off"));
        assert!(mean_difference(&good.to_rgb8(), &soft()) < 4.0, "{format}");
    }
    let web = colors(&studio.picture("fmt=png8&quantize=web,off"));
    assert!(web.iter().all(|color| color.0[..3].iter().all(|value| value % 51 == 0)));
    let mac = colors(&studio.picture("fmt=gif&quantize=mac,off"));
    assert!(mac.iter().all(|color| color.0[..3].iter().all(|value| value % 17 == 0)));
}

#[test]
fn forced_colours_are_in_the_palette_and_count() {
    let dark = studio(RgbImage::from_pixel(9, 9, Rgb([0x30; 3])));
    let black = dark.picture("fmt=gif&quantize=adaptive,off,2,000000,ffffff");
    assert_eq!(colors(&black), HashSet::from([Rgba([0, 0, 0, 255])]));
    let file = studio(soft()).file("fmt=png8&quantize=adaptive,off,8,ff00ff,010203").unwrap().0;
    let reader = png::Decoder::new(Cursor::new(file)).read_info().unwrap();
    let palette: Vec<&[u8]> = reader.info().palette.as_ref().unwrap().chunks(3).collect();
    assert_eq!((reader.info().color_type, palette.len()), (png::ColorType::Indexed, 8));
    assert!(palette.contains(&&[0xFF, 0, 0xFF][..]) && palette.contains(&&[1, 2, 3][..]));
}

#[test]
fn a_palette_keeps_transparency_as_far_as_its_format_can() {
    let fade = RgbaImage::from_fn(64, 64, |x, y| Rgba([(x * 4) as u8, (y * 4) as u8, 90, (x * 4) as u8]));
    let studio = studio(fade.clone());
    let gif = studio.picture("fmt=gif-alpha").to_rgba8();
    for (found, asked) in gif.pixels().zip(fade.pixels()) {
        assert_eq!(found.0[3], if asked.0[3] >= 128 { 255 } else { 0 });
    }
    let png = studio.picture("fmt=png8-alpha").to_rgba8();
    for (found, asked) in png.pixels().zip(fade.pixels()) {
        assert!(found.0[3].abs_diff(asked.0[3]) < 24, "{found:?} {asked:?}");
        assert_eq!(found.0[3] == 0, asked.0[3] == 0);
    }
    let flat = studio.picture("fmt=png8&bgc=ff0000");
    assert_eq!(flat.to_rgba8().get_pixel(0, 9), &RED);
}

#[test]
fn a_jpeg_becomes_as_small_as_asked_for_or_fails() {
    let studio = studio(noise(300, 300));
    let size = |modifier: &str| studio.file(modifier).unwrap().0.len();
    let free = size("fmt=jpeg&qlt=90");
    for modifier in ["fmt=jpeg&qlt=90", "fmt=pjpeg&qlt=90,1", "fmt=pjpeg&pscan=3&qlt=90", "fmt=jpeg,gray&qlt=90"] {
        let fitted = size(&format!("{modifier}&jpegSize=30"));
        assert!(fitted <= 30 * 1024 && fitted > 24 * 1024, "{modifier}: {fitted}");
    }
    assert_eq!(size("fmt=jpeg&qlt=90&jpegSize=9000"), free);
    assert_eq!(size("fmt=jpeg&qlt=90&jpegSize=0"), free);
    assert_eq!(studio.file("jpegSize=1").unwrap_err().code, Code::JpegSize);
    assert_eq!(size("fmt=png&jpegSize=1"), size("fmt=png"));
}

/// How many scans a JPEG has.
fn scans(file: &[u8]) -> usize {
    file.windows(2).filter(|pair| pair == b"\xFF\xDA").count()
}

#[test]
fn a_progressive_jpeg_comes_in_as_many_passes_as_asked_for() {
    let studio = studio(soft());
    for (passes, gray) in [(3, 3), (4, 4), (5, 5)] {
        let colour = studio.file(&format!("fmt=pjpeg&pscan={passes}&printRes=200")).unwrap().0;
        let single = studio.file(&format!("fmt=pjpeg,gray&pscan={passes}")).unwrap().0;
        // All components share the first pass; after it each has its own.
        assert_eq!((scans(&colour), scans(&single)), (3 * passes, gray), "{passes}");
        assert!(mean_difference(&image::load_from_memory(&colour).unwrap().to_rgb8(), &soft()) < 3.0);
        let header = offprint::render::probe(&Studio::with(&colour).source()).unwrap();
        assert_eq!((header.progressive, header.dpi), (true, Some(200.0)));
    }
    assert_eq!(studio.file("fmt=jpeg&pscan=4").unwrap().0, studio.file("fmt=jpeg").unwrap().0);
}

#[test]
fn a_tiff_with_jpeg_inside_has_one_whole_jpeg_for_its_strip() {
    let studio = studio(soft());
    for (modifier, sampling, most) in
        [("fmt=tif,,jpeg&qlt=95", vec![2, 2], 3.0), ("fmt=tif,,jpeg&qlt=95,1", vec![1, 1], 2.0)]
    {
        let file = studio.file(&format!("{modifier}&printRes=240")).unwrap().0;
        let mut tiff = Decoder::new(Cursor::new(&file)).unwrap();
        assert_eq!(tiff.find_tag_unsigned::<u16>(Tag::Compression).unwrap(), Some(7));
        assert_eq!(tiff.get_tag_u16_vec(Tag::ChromaSubsampling).unwrap(), sampling);
        let strip = image::load_from_memory_with_format(strip(&file), ImageFormat::Jpeg).unwrap();
        let difference = mean_difference(&strip.to_rgb8(), &soft());
        assert!(difference < most, "{modifier}: {difference}");
        assert_eq!(offprint::render::probe(&Studio::with(&file).source()).unwrap().dpi, Some(240.0));
    }
    let gray = studio.file("fmt=tif,gray,jpeg&qlt=95").unwrap().0;
    assert!(image::load_from_memory(strip(&gray)).unwrap().as_luma8().is_some());
    let (low, high) = (studio.file("fmt=tif,,jpeg&qlt=20").unwrap().0, studio.file("fmt=tif,,jpeg&qlt=90").unwrap().0);
    assert!(low.len() < high.len());
}

/// The only strip of a TIFF.
fn strip(file: &[u8]) -> &[u8] {
    let mut tiff = Decoder::new(Cursor::new(file)).unwrap();
    let mut number = |tag| tiff.get_tag_u32(tag).unwrap() as usize;
    let (at, length) = (number(Tag::StripOffsets), number(Tag::StripByteCounts));
    &file[at..at + length]
}

/// A file as text of as many letters as bytes.
fn ascii(file: &[u8]) -> String {
    file.iter().map(|byte| if byte.is_ascii() { char::from(*byte) } else { '?' }).collect()
}

/// The value behind a name in a PDF.
fn entry<'a>(text: &'a str, name: &str) -> &'a str {
    text.split_once(name).unwrap().1.split(['/', '>', '\n']).next().unwrap().trim()
}

#[test]
fn a_pdf_is_one_page_as_large_as_its_picture() {
    let studio = studio(soft());
    for (modifier, space, filter) in [
        ("fmt=pdf", "/DeviceRGB", None),
        ("fmt=pdf,,zip", "/DeviceRGB", Some("/FlateDecode")),
        ("fmt=pdf,gray,zip", "/DeviceGray", Some("/FlateDecode")),
        ("fmt=pdf,,jpeg&qlt=90", "/DeviceRGB", Some("/DCTDecode")),
    ] {
        let file = studio.file(&format!("{modifier}&printRes=144")).unwrap().0;
        let text = ascii(&file);
        assert!(text.starts_with("%PDF-1.4\n") && text.ends_with("%%EOF\n"), "{modifier}");
        // 120 by 80 pixels at 144 dots an inch.
        assert!(text.contains("/MediaBox [0 0 60.0000 40.0000]"), "{modifier}");
        assert!(text.contains(&format!("/ColorSpace {space}")), "{modifier}");
        assert_eq!(filter.is_some(), text.contains("/Filter"), "{modifier}");
        assert!(filter.is_none_or(|filter| text.contains(filter)), "{modifier}");
        let table: usize = entry(&text, "startxref\n").parse().unwrap();
        let places: Vec<usize> =
            text[table..].lines().skip(3).map_while(|line| line.strip_suffix(" 00000 n ")?.parse().ok()).collect();
        assert_eq!(places.len(), 5);
        for (number, place) in places.iter().enumerate() {
            assert!(text[*place..].starts_with(&format!("{} 0 obj\n", number + 1)), "{modifier}: {number}");
        }
        let image = &text[places[4]..];
        let length: usize = entry(image, "/Length").parse().unwrap();
        let start = places[4] + image.find("stream\n").unwrap() + 7;
        assert!(text[start + length..].starts_with("\nendstream"), "{modifier}");
        let data = &file[start..start + length];
        match (modifier, filter) {
            ("fmt=pdf", _) => assert_eq!(data, soft().as_raw().as_slice()),
            (_, Some("/DCTDecode")) => assert_eq!(image::load_from_memory(data).unwrap().width(), 120),
            _ => assert!(data.len() < soft().as_raw().len()),
        }
    }
}

#[test]
fn an_eps_has_its_size_and_its_pixels_in_binary() {
    let studio = studio(soft());
    let file = studio.file("fmt=eps&printRes=100").unwrap().0;
    let text = ascii(&file);
    assert!(text.starts_with("%!PS-Adobe-3.0 EPSF-3.0\n") && text.ends_with("showpage\n%%EOF\n"));
    assert!(text.contains("%%BoundingBox: 0 0 87 58\n%%HiResBoundingBox: 0 0 86.4000 57.6000\n"));
    let start = text.find("\nimage\n").unwrap() + 7;
    assert_eq!(&file[start..start + soft().as_raw().len()], soft().as_raw().as_slice());
    assert!(text[start + soft().as_raw().len()..].starts_with("\n%%EndBinary\n"));
    let gray = studio.file("fmt=eps,gray").unwrap().0;
    assert!(gray.len() < file.len() / 2);
}

/// Inks keep their sense in every format: much ink is dark.
#[test]
fn inks_are_written_the_same_way_round_everywhere() {
    let studio = studio(RgbImage::from_fn(32, 32, |x, _| if x < 16 { Rgb([255, 255, 255]) } else { Rgb([0, 0, 255]) }));
    for modifier in ["fmt=jpeg,cmyk", "fmt=pjpeg,cmyk", "fmt=pjpeg,cmyk&pscan=3", "fmt=tif,cmyk", "fmt=tif,cmyk,jpeg"] {
        let back = Studio::with(&studio.file(modifier).unwrap().0).picture("fmt=png").to_rgb8();
        let near = |x, expected: [u8; 3]| back.get_pixel(x, 9).0.iter().zip(expected).all(|(a, b)| a.abs_diff(b) < 12);
        assert!(near(4, [255; 3]) && near(28, [0, 0, 255]), "{modifier}: {:?}", back.get_pixel(28, 9));
    }
    for modifier in ["fmt=pdf,cmyk", "fmt=pdf,cmyk,jpeg", "fmt=eps,cmyk"] {
        let file = studio.file(modifier).unwrap().0;
        assert!(file.windows(11).any(|bytes| bytes == b"/DeviceCMYK"), "{modifier}");
    }
    let plain = studio.file("fmt=pdf,cmyk").unwrap().0;
    let blue = [0, 0, 0, 0, 255, 255, 0, 0];
    assert!(plain.windows(8).any(|bytes| bytes == blue));
}

#[test]
fn what_keeps_no_transparency_is_flattened() {
    let clear = studio(RgbaImage::from_pixel(8, 8, Rgba([255, 0, 0, 0])));
    for format in ["pdf", "eps", "png8", "gif", "tif,,jpeg"] {
        let (_, rendered) = clear.file(&format!("fmt={format}")).unwrap();
        assert_eq!(rendered.warnings[0].code, Code::AlphaFlattened, "{format}");
    }
    let eps = clear.file("fmt=eps&bgc=010203").unwrap().0;
    assert!(eps.windows(192).any(|bytes| bytes == [1, 2, 3].repeat(64)));
}

#[test]
fn sharp_edges_survive_a_palette() {
    let picture = studio(quarters(80, 40)).picture("fmt=gif&quantize=adaptive,diffuse,4");
    assert_eq!(picture.to_rgb8(), quarters(80, 40));
}
