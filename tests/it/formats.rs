//! The formats that are written: what each holds, how it is packed, what it refuses.

use std::collections::HashSet;
use std::io::Cursor;

use image::{DynamicImage, ImageFormat, Rgb, RgbImage, Rgba, RgbaImage};
use offprint::code::Code;
use serde_json::json;
use sqlx::PgPool;
use tiff::decoder::Decoder;
use tiff::tags::Tag;

use crate::exportjob::{file, finished, items};
use crate::house::House;
use crate::render::{RED, Studio, file_of, quarters};

/// A picture with as many colours as pixels, soft enough that JPEG can hold it.
pub fn soft() -> RgbImage {
    RgbImage::from_fn(120, 80, |x, y| Rgb([(x * 2) as u8, (y * 3) as u8, (x + y) as u8]))
}

pub fn noise(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        let mixed = x.wrapping_mul(2_654_435_761).rotate_left(y % 31) ^ y.wrapping_mul(2_246_822_519);
        Rgb([mixed as u8, (mixed >> 8) as u8, (mixed >> 16) as u8])
    })
}

pub fn studio(picture: impl Into<DynamicImage>) -> Studio {
    Studio::with(&file_of(picture, ImageFormat::Png))
}

fn colors(picture: &DynamicImage) -> HashSet<Rgba<u8>> {
    picture.to_rgba8().pixels().copied().collect()
}

pub fn mean_difference(a: &RgbImage, b: &RgbImage) -> f64 {
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

#[test]
fn jpeg_2000_goes_out_and_comes_back() {
    let fade = RgbaImage::from_fn(61, 47, |x, y| Rgba([(x * 4) as u8, (y * 5) as u8, 90, (x * 4) as u8]));
    let (opaque, clear) = (studio(soft()), studio(fade.clone()));
    let back = |studio: &Studio, modifier: &str| Studio::with(&studio.file(modifier).unwrap().0);
    assert_eq!(back(&opaque, "fmt=jpeg2000,,lossless").picture("fmt=png").to_rgb8(), soft());
    assert_eq!(back(&clear, "fmt=jpeg2000-alpha,,lossless").picture("fmt=png-alpha").to_rgba8(), fade);
    let gray = back(&opaque, "fmt=jpeg2000,gray,lossless");
    assert_eq!(gray.picture("fmt=png,gray"), opaque.picture("fmt=png,gray"));
    let (mut bytes, mut difference) = (0, f64::INFINITY);
    for quality in [10, 50, 90] {
        let file = opaque.file(&format!("fmt=jpeg2000&qlt={quality}")).unwrap().0;
        let now = mean_difference(&Studio::with(&file).picture("fmt=png").to_rgb8(), &soft());
        assert!(file.len() > bytes && now < difference, "{quality}: {} bytes, {now}", file.len());
        (bytes, difference) = (file.len(), now);
    }
    assert!(difference < 2.0, "{difference}");
    for dpi in [2.0, 72.0, 300.0, 2540.0, 65_000.0] {
        let found = offprint::render::probe(&back(&opaque, &format!("fmt=jpeg2000&printRes={dpi}")).source()).unwrap();
        assert!((found.dpi.unwrap() / dpi - 1.0).abs() < 1e-4, "{:?} {dpi}", found.dpi);
    }
    for (side, modifier) in [(1, "fmt=jpeg2000"), (3, "fmt=jpeg2000,,lossless"), (33, "fmt=jpeg2000-alpha")] {
        let tiny = studio(noise(side, 1));
        assert_eq!(back(&tiny, modifier).picture("fmt=png").width(), side);
    }
}

/// A Photoshop document of these planes.
pub struct Document<'a> {
    /// Mode, bits, width, height.
    pub head: (u16, u16, u32, u32),
    pub planes: &'a [Vec<u8>],
    pub packed: bool,
    /// Whether the plane behind the colours is transparency.
    pub transparent: bool,
    pub palette: &'a [u8],
    pub resources: &'a [(u16, &'a [u8])],
}

impl Document<'_> {
    pub fn file(&self) -> Vec<u8> {
        let (mode, bits, width, height) = self.head;
        let mut file = b"8BPS\0\x01\0\0\0\0\0\0".to_vec();
        file.extend((self.planes.len() as u16).to_be_bytes());
        file.extend([height.to_be_bytes(), width.to_be_bytes()].concat());
        file.extend([bits.to_be_bytes(), mode.to_be_bytes()].concat());
        file.extend((self.palette.len() as u32).to_be_bytes());
        file.extend(self.palette);
        let mut resources = Vec::new();
        for (id, data) in self.resources {
            resources.extend(b"8BIM");
            resources.extend(id.to_be_bytes());
            resources.extend([0, 0]);
            resources.extend((data.len() as u32).to_be_bytes());
            resources.extend(*data);
            resources.extend(std::iter::repeat_n(0, data.len() % 2));
        }
        file.extend((resources.len() as u32).to_be_bytes());
        file.extend(resources);
        if self.transparent {
            file.extend([0, 0, 0, 8, 0, 0, 0, 2, 0xFF, 0xFF, 0, 0]);
        } else {
            file.extend([0; 4]);
        }
        file.extend([0, u8::from(self.packed)]);
        let stride = (width as usize * usize::from(bits)).div_ceil(8);
        let rows: Vec<Vec<u8>> =
            self.planes.iter().flat_map(|plane| plane.chunks(stride)).map(<[u8]>::to_vec).collect();
        if self.packed {
            let packed: Vec<Vec<u8>> = rows.iter().map(|row| pack(row)).collect();
            packed.iter().for_each(|row| file.extend((row.len() as u16).to_be_bytes()));
            file.extend(packed.concat());
        } else {
            file.extend(rows.concat());
        }
        file
    }
}

/// PackBits: runs of three and more, the rest as it is.
fn pack(row: &[u8]) -> Vec<u8> {
    let mut packed = Vec::new();
    let mut plain: Vec<u8> = Vec::new();
    let flush = |plain: &mut Vec<u8>, packed: &mut Vec<u8>| {
        for part in plain.chunks(128) {
            packed.push(part.len() as u8 - 1);
            packed.extend(part);
        }
        plain.clear();
    };
    let mut at = 0;
    while at < row.len() {
        let run = row[at..].iter().take(128).take_while(|byte| **byte == row[at]).count();
        if run > 2 {
            flush(&mut plain, &mut packed);
            packed.extend([(257 - run) as u8, row[at]]);
        } else {
            plain.extend(&row[at..at + run]);
        }
        at += run;
    }
    flush(&mut plain, &mut packed);
    packed
}

/// Each component of a picture as a plane.
fn planes(picture: &RgbaImage, channels: usize) -> Vec<Vec<u8>> {
    (0..channels).map(|channel| picture.pixels().map(|pixel| pixel.0[channel]).collect()).collect()
}

#[test]
fn photoshop_documents_show_their_merged_picture() {
    let rgba = DynamicImage::from(soft()).to_rgba8();
    for packed in [false, true] {
        let planes = planes(&rgba, 3);
        let resources: [(u16, &[u8]); 2] = [(1005, &[0, 240, 0, 0, 0, 1, 0, 1]), (1057, &[0, 0, 0, 1, 1, 0])];
        let mut document = Document {
            head: (3, 8, 120, 80),
            planes: &planes,
            packed,
            transparent: false,
            palette: &[],
            resources: &resources,
        };
        let studio = Studio::with(&document.file());
        assert_eq!(studio.picture("fmt=png").to_rgb8(), soft());
        assert_eq!(offprint::render::probe(&studio.source()).unwrap().dpi, Some(240.0));
        let deep: Vec<Vec<u8>> =
            planes.iter().map(|plane| plane.iter().flat_map(|value| [*value, *value]).collect()).collect();
        document = Document { head: (3, 16, 120, 80), planes: &deep, ..document };
        assert_eq!(Studio::with(&document.file()).picture("fmt=png").to_rgb8(), soft());
        document = Document { head: (1, 8, 120, 80), planes: &planes[..1], ..document };
        let gray = Studio::with(&document.file()).picture("fmt=png,gray").to_luma8();
        assert_eq!(gray.as_raw(), &planes[0]);
        // A plane more without a word on it is a mask that somebody saved.
        let masked: Vec<Vec<u8>> = planes.iter().cloned().chain([vec![0; 120 * 80]]).collect();
        document = Document { head: (3, 8, 120, 80), planes: &masked, ..document };
        assert_eq!(Studio::with(&document.file()).picture("fmt=png-alpha").to_rgb8(), soft());
    }
}

#[test]
fn photoshop_documents_come_in_their_other_modes() {
    let plain =
        Document { head: (0, 0, 0, 0), planes: &[], packed: false, transparent: false, palette: &[], resources: &[] };
    // No ink is the largest number.
    let inks = [vec![0, 255], vec![255, 255], vec![255, 255], vec![255, 255]];
    let picture = Studio::with(&Document { head: (4, 8, 2, 1), planes: &inks, ..plain }.file()).picture("fmt=png");
    assert_eq!(picture.to_rgb8().into_raw(), [0, 255, 255, 255, 255, 255]);
    let mut palette = vec![0; 768];
    (palette[7], palette[256 + 7], palette[512 + 7]) = (10, 20, 30);
    let places = [vec![7, 0]];
    let indexed = Document { head: (2, 8, 2, 1), planes: &places, palette: &palette, ..plain };
    assert_eq!(Studio::with(&indexed.file()).picture("fmt=png").to_rgb8().into_raw(), [10, 20, 30, 0, 0, 0]);
    let bits = [vec![0b0101_0000]];
    let bitmap = Studio::with(&Document { head: (0, 1, 4, 1), planes: &bits, ..plain }.file());
    assert_eq!(bitmap.picture("fmt=png,gray").to_luma8().into_raw(), [255, 0, 255, 0]);
    // Half red, laid on white by Photoshop.
    let soft = [vec![255], vec![127], vec![127], vec![128]];
    let clear = Studio::with(&Document { head: (3, 8, 1, 1), planes: &soft, transparent: true, ..plain }.file());
    assert_eq!(clear.picture("fmt=png-alpha").to_rgba8().into_raw(), [255, 0, 0, 128]);
    for (document, code) in [
        (Document { head: (9, 8, 1, 1), planes: &soft, ..plain }, Code::UnsupportedColor),
        (Document { head: (3, 32, 1, 1), planes: &soft, ..plain }, Code::UnsupportedFormat),
        (Document { head: (4, 8, 1, 1), planes: &soft[..3], ..plain }, Code::Corrupt),
        (Document { head: (2, 8, 1, 1), planes: &soft, ..plain }, Code::Corrupt),
        (
            Document { head: (3, 8, 1, 1), planes: &soft, resources: &[(1057, &[0, 0, 0, 1, 0])], ..plain },
            Code::UnsupportedFormat,
        ),
    ] {
        assert_eq!(Studio::with(&document.file()).file("fmt=png").unwrap_err().code, code);
    }
}

/// Uploaded, rendered in a confined process, and fetched.
#[sqlx::test]
async fn a_job_reads_and_writes_jpeg_2000_and_photoshop_documents(pool: PgPool) {
    let house = House::open(pool).await;
    let planes = planes(&DynamicImage::from(soft()).to_rgba8(), 3);
    let head = (3, 8, 120, 80);
    let document =
        Document { head, planes: &planes, packed: true, transparent: false, palette: &[], resources: &[] }.file();
    let wave = studio(soft()).file("fmt=jpeg2000,,lossless").unwrap().0;
    let cut = &wave[..wave.len() / 2];
    // Both say their size in their first bytes.
    let (mut large_document, mut large_wave) = (document.clone(), wave.clone());
    large_document[14..18].copy_from_slice(&30_001_u32.to_be_bytes());
    let size = wave.windows(4).position(|bytes| bytes == b"\xFF\x4F\xFF\x51").unwrap() + 8;
    large_wave[size..size + 8].fill(0x7F);
    for (name, bytes) in [
        ("1.psd", &document[..]),
        ("2.jp2", &wave),
        ("3.jp2", cut),
        ("4.psd", &document[..document.len() - 9]),
        ("5.psd", &large_document),
        ("6.jp2", &large_wave),
    ] {
        house.asset(name, bytes).await;
    }
    let order = |modifier: &str| json!({"assetFilter": {}, "fmt": "convert", "is_modifier": modifier});
    let job = finished(&house, order("fmt=jpeg2000,,lossless")).await;
    let codes: Vec<_> = items(&house, &job).await.iter().map(|item| item["failure"]["code"].clone()).collect();
    let too_large = "source-too-large";
    assert_eq!(json!(codes), json!([null, null, "corrupt", "truncated", too_large, too_large]), "{job}");
    for name in ["1.jp2", "2.jp2"] {
        assert_eq!(file(&house, &job, name).await, wave, "{name}");
    }
    let job = finished(&house, order("fmt=png")).await;
    for name in ["1.png", "2.png"] {
        let picture = image::load_from_memory(&file(&house, &job, name).await).unwrap();
        assert_eq!(picture.to_rgb8(), soft(), "{name}");
    }
    house.check().await;
}
