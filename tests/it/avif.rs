//! AVIF both ways: what is written is read back, and files are read that others write.

use image::{DynamicImage, Rgb, RgbImage, Rgba, RgbaImage};
use offprint::code::Code;
use offprint::render::probe;
use serde_json::json;
use sqlx::PgPool;

use crate::exportjob::{file, finished, items};
use crate::formats::{mean_difference, noise, soft, studio};
use crate::house::House;
use crate::render::{Studio, quarters};

/// What an AVIF says in its boxes: width and height, and whether there is a second picture for alpha.
fn avif_says(file: &[u8]) -> (u32, u32, bool) {
    assert_eq!(&file[4..12], b"ftypavif");
    let size = file.windows(4).position(|name| name == b"ispe").unwrap() + 8;
    let number = |at: usize| u32::from_be_bytes(file[at..at + 4].try_into().unwrap());
    (number(size), number(size + 4), file.windows(4).any(|name| name == b"auxC"))
}

#[test]
fn avif_has_its_size_its_alpha_and_its_quality() {
    let (opaque, clear) = (studio(soft()), studio(RgbaImage::from_pixel(33, 7, Rgba([9, 200, 90, 80]))));
    let file = |studio: &Studio, modifier: &str| studio.file(modifier).unwrap().0;
    assert_eq!(avif_says(&file(&opaque, "fmt=avif")), (120, 80, false));
    assert_eq!(avif_says(&file(&clear, "fmt=avif-alpha,,lossless")), (33, 7, true));
    assert_eq!(clear.file("fmt=avif").unwrap().1.warnings[0].code, Code::AlphaFlattened);
    let noise = studio(noise(64, 64));
    let sizes: Vec<usize> =
        [1, 30, 60, 90, 100].map(|quality| file(&noise, &format!("fmt=avif&qlt={quality}")).len()).into();
    assert!(sizes.is_sorted() && sizes[0] * 4 < sizes[4], "{sizes:?}");
    assert!(file(&noise, "fmt=avif,,lossless").len() > sizes[4]);
    assert_eq!(file(&noise, "fmt=avif&qlt=50"), file(&noise, "fmt=avif&qlt=50"));
    for (width, height) in [(1, 1), (1, 9), (17, 1), (65, 64)] {
        for modifier in ["fmt=avif", "fmt=avif-alpha,,lossless"] {
            let tiny = studio(self::noise(width, height));
            assert_eq!(avif_says(&file(&tiny, modifier)).0, width, "{modifier}");
        }
    }
}

/// A box of this name.
fn boxed(name: &[u8; 4], inside: &[u8]) -> Vec<u8> {
    [&(inside.len() as u32 + 8).to_be_bytes(), &name[..], inside].concat()
}

/// One with a version and flags.
fn versioned(name: &[u8; 4], version: u8, inside: &[u8]) -> Vec<u8> {
    boxed(name, &[&[version, 0, 0, 0], inside].concat())
}

/// An item of a file: its kind, its bytes, and its properties, each with whether it is essential.
struct Item<'a>(&'a [u8; 4], &'a [u8], &'a [(bool, Vec<u8>)]);

/// A file of these items, numbered from 1, of which the first is shown; references are of a kind, from one to others.
fn file_of_items(items: &[Item<'_>], references: &[(&[u8; 4], u16, &[u16])]) -> Vec<u8> {
    let (mut infos, mut properties, mut owned) = (Vec::new(), Vec::new(), Vec::new());
    let mut number = 0_u8;
    for (at, Item(kind, _, said)) in items.iter().enumerate() {
        let id = (at as u16 + 1).to_be_bytes();
        let media: &[u8] = if *kind == b"mime" { b"\0application/rdf+xml\0" } else { b"\0" };
        infos.extend(versioned(b"infe", 2, &[&id[..], &[0, 0], &kind[..], media].concat()));
        owned.extend([&id[..], &[said.len() as u8]].concat());
        for (essential, property) in *said {
            number += 1;
            owned.push(number | if *essential { 0x80 } else { 0 });
            properties.extend(property);
        }
    }
    let count = (items.len() as u16).to_be_bytes();
    let linked: Vec<u8> = references
        .iter()
        .flat_map(|(kind, from, to)| {
            let ids: Vec<u8> = to.iter().flat_map(|id| id.to_be_bytes()).collect();
            boxed(kind, &[&from.to_be_bytes()[..], &(to.len() as u16).to_be_bytes(), &ids].concat())
        })
        .collect();
    let start = boxed(b"ftyp", b"mif1\0\0\0\0miafavif");
    let meta = |offset: u32| {
        let (mut places, mut offset) = (Vec::new(), offset);
        for (at, Item(_, data, _)) in items.iter().enumerate() {
            places.extend([&(at as u16 + 1).to_be_bytes()[..], &[0, 0, 0, 1], &offset.to_be_bytes()].concat());
            places.extend((data.len() as u32).to_be_bytes());
            offset += data.len() as u32;
        }
        let all = [
            versioned(b"pitm", 0, &[0, 1]),
            versioned(b"iloc", 0, &[&[0x44, 0][..], &count, &places].concat()),
            versioned(b"iinf", 0, &[&count[..], &infos].concat()),
            versioned(b"iref", 0, &linked),
            boxed(
                b"iprp",
                &[
                    boxed(b"ipco", &properties),
                    versioned(b"ipma", 0, &[&(items.len() as u32).to_be_bytes()[..], &owned].concat()),
                ]
                .concat(),
            ),
        ];
        versioned(b"meta", 0, &all.concat())
    };
    let data: Vec<u8> = items.iter().flat_map(|Item(_, data, _)| data.iter().copied()).collect();
    let offset = start.len() + meta(0).len() + 8;
    [start, meta(offset as u32), boxed(b"mdat", &data)].concat()
}

fn size(width: u32, height: u32) -> (bool, Vec<u8>) {
    (false, versioned(b"ispe", 0, &[width.to_be_bytes(), height.to_be_bytes()].concat()))
}

fn alpha() -> (bool, Vec<u8>) {
    (false, versioned(b"auxC", 0, b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha\0"))
}

fn coded(primaries: u8, transfer: u8, matrix: u8) -> (bool, Vec<u8>) {
    (false, boxed(b"colr", &[&b"nclx"[..], &[0, primaries, 0, transfer, 0, matrix, 0x80]].concat()))
}

/// The frame in a file of ours without alpha.
fn frame(picture: impl Into<DynamicImage>) -> Vec<u8> {
    let file = studio(picture).file("fmt=avif,,lossless").unwrap().0;
    let data = file.windows(4).position(|name| name == b"mdat").unwrap() + 4;
    file[data..].to_vec()
}

/// A frame of brightness alone: the alpha in a file of ours, which stands before the colours.
fn gray_frame(value: impl Fn(u32, u32) -> u8, width: u32, height: u32) -> Vec<u8> {
    let clear = RgbaImage::from_fn(width, height, |x, y| Rgba([0, 0, 0, value(x, y)]));
    let file = studio(clear.clone()).file("fmt=avif-alpha,,lossless").unwrap().0;
    let data = file.windows(4).position(|name| name == b"mdat").unwrap() + 4;
    let colors = frame(RgbImage::new(width, height));
    assert!(file.ends_with(&colors), "colours come last");
    file[data..file.len() - colors.len()].to_vec()
}

#[test]
fn lossless_files_read_back_equal() {
    let fade = RgbaImage::from_fn(33, 7, |x, y| Rgba([(x * 7) as u8, (y * 30) as u8, 90, (x * 7 + y) as u8]));
    let clear = studio(fade.clone()).file("fmt=avif-alpha,,lossless").unwrap().0;
    assert_eq!(Studio::with(&clear).picture("fmt=png-alpha").to_rgba8(), fade);
    for (width, height) in [(1, 1), (1, 9), (17, 1), (65, 64)] {
        let picture = noise(width, height);
        let file = studio(picture.clone()).file("fmt=avif,,lossless").unwrap().0;
        let header = probe(&Studio::with(&file).source()).unwrap();
        assert_eq!(
            (header.width, header.height, header.alpha, header.bits, header.frames),
            (width, height, false, 8, 1)
        );
        assert_eq!(Studio::with(&file).picture("fmt=png").to_rgb8(), picture);
    }
}

#[test]
fn lossy_files_come_as_near_as_their_quality() {
    let mut last = 60.0;
    for quality in [20, 60, 95] {
        let file = studio(soft()).file(&format!("fmt=avif&qlt={quality}")).unwrap().0;
        let now = mean_difference(&Studio::with(&file).picture("fmt=png").to_rgb8(), &soft());
        assert!(now < last, "{quality}: {now} after {last}");
        last = now;
    }
    assert!(last < 1.5, "{last}");
}

#[test]
fn ten_and_twelve_bits_are_carried_to_the_end() {
    for (file, bits) in [(&include_bytes!("avif/deep10.avif")[..], 10), (&include_bytes!("avif/deep12.avif")[..], 12)] {
        let studio = Studio::with(file);
        assert_eq!(probe(&studio.source()).unwrap().bits, bits);
        let picture = studio.picture("fmt=png").to_rgb8();
        assert_eq!(picture.dimensions(), (16, 8));
        for (x, y, pixel) in picture.enumerate_pixels() {
            let expected = [x * 4096, y * 8192, 30_000].map(|value| (value * 255 / 65_535) as u8);
            let near = pixel.0.iter().zip(expected).all(|(a, b)| a.abs_diff(b) <= 1);
            assert!(near, "{bits} bits at {x},{y}: {pixel:?} {expected:?}");
        }
    }
}

#[test]
fn turns_and_mirrorings_are_applied() {
    let (picture, data) = (quarters(16, 8), frame(quarters(16, 8)));
    let upright = |properties: &[(bool, Vec<u8>)]| {
        let all = [&[size(16, 8)][..], properties].concat();
        Studio::with(&file_of_items(&[Item(b"av01", &data, &all)], &[])).picture("fmt=png").to_rgb8()
    };
    let turn = |quarters| (true, boxed(b"irot", &[quarters]));
    let mirror = |axis| (true, boxed(b"imir", &[axis]));
    use image::imageops::{flip_horizontal, flip_vertical, rotate90, rotate180, rotate270};
    assert_eq!(upright(&[]), picture);
    assert_eq!(upright(&[turn(1)]), rotate270(&picture));
    assert_eq!(upright(&[turn(2)]), rotate180(&picture));
    assert_eq!(upright(&[turn(3)]), rotate90(&picture));
    assert_eq!(upright(&[mirror(0)]), flip_vertical(&picture));
    assert_eq!(upright(&[mirror(1)]), flip_horizontal(&picture));
    assert_eq!(upright(&[turn(1), mirror(0)]), flip_vertical(&rotate270(&picture)));
}

#[test]
fn tiles_make_one_picture_with_one_alpha() {
    let whole = RgbaImage::from_fn(30, 20, |x, y| Rgba([(x * 8) as u8, (y * 12) as u8, 7, (x + y * 5) as u8]));
    let opaque = DynamicImage::from(whole.clone()).to_rgb8();
    let tile = |column: u32, row: u32| {
        let inside =
            |x: u32, y: u32| (x + 16 * column < 30 && y + 16 * row < 20).then_some((x + 16 * column, y + 16 * row));
        let pixel = |x, y| inside(x, y).map_or(Rgb([0; 3]), |(x, y)| *opaque.get_pixel(x, y));
        frame(RgbImage::from_fn(16, 16, pixel))
    };
    let tiles = [tile(0, 0), tile(1, 0), tile(0, 1), tile(1, 1)];
    let matte = gray_frame(|x, y| whole.get_pixel(x, y).0[3], 30, 20);
    let (big, small) = ([size(30, 20), coded(1, 13, 0)], [size(16, 16)]);
    let matte_says = [size(30, 20), alpha()];
    let grid = [0, 0, 1, 1, 0, 30, 0, 20];
    let items = |grid: &[u8]| {
        let first = [Item(b"grid", grid, &big)].into_iter();
        let tiles = tiles.iter().map(|tile| Item(b"av01", tile, &small));
        let items: Vec<Item<'_>> = first.chain(tiles).chain([Item(b"av01", &matte, &matte_says)]).collect();
        file_of_items(&items, &[(b"dimg", 1, &[2, 3, 4, 5]), (b"auxl", 6, &[1])])
    };
    let studio = Studio::with(&items(&grid));
    let header = probe(&studio.source()).unwrap();
    assert_eq!((header.width, header.height, header.alpha, header.premultiplied), (30, 20, true, false));
    assert_eq!(studio.picture("fmt=png-alpha").to_rgba8(), whole);
    for wrong in [[0, 0, 1, 1, 0, 40, 0, 20], [0, 0, 1, 2, 0, 30, 0, 20], [0, 0, 0, 0, 0, 30, 0, 20]] {
        assert_eq!(Studio::with(&items(&wrong)).file("").unwrap_err().code, Code::Corrupt);
    }
}

#[test]
fn colours_multiplied_by_alpha_are_divided_again() {
    let (color, matte) = (frame(RgbImage::from_pixel(4, 4, Rgb([64, 32, 0]))), gray_frame(|_, _| 128, 4, 4));
    let (says, matte_says) = ([size(4, 4)], [size(4, 4), alpha()]);
    let items = [Item(b"av01", &color, &says), Item(b"av01", &matte, &matte_says)];
    let pixel = |references: &[(&[u8; 4], u16, &[u16])]| {
        Studio::with(&file_of_items(&items, references)).picture("fmt=png-alpha").to_rgba8().get_pixel(1, 1).0
    };
    assert_eq!(pixel(&[(b"auxl", 2, &[1]), (b"prem", 1, &[2])]), [128, 64, 0, 128]);
    assert_eq!(pixel(&[(b"auxl", 2, &[1])]), [64, 32, 0, 128]);
    assert_eq!(pixel(&[]), [64, 32, 0, 255]);
}

#[test]
fn brightness_alone_is_gray() {
    let data = gray_frame(|x, y| (x * 50 + y) as u8, 5, 3);
    let studio = Studio::with(&file_of_items(&[Item(b"av01", &data, &[size(5, 3)])], &[]));
    assert_eq!(probe(&studio.source()).unwrap().color, offprint::language::PixelType::Gray);
    let gray = studio.picture("fmt=png,gray").to_luma8();
    assert!(gray.enumerate_pixels().all(|(x, y, pixel)| pixel.0[0] == (x * 50 + y) as u8));
}

#[test]
fn what_numbers_and_profiles_say_of_colours_holds() {
    let data = frame(RgbImage::from_pixel(4, 4, Rgb([200, 40, 40])));
    let made = |properties: &[(bool, Vec<u8>)]| {
        Studio::with(&file_of_items(&[Item(b"av01", &data, &[&[size(4, 4)][..], properties].concat())], &[]))
    };
    let pixel = |studio: Studio| studio.picture("fmt=png").to_rgb8().get_pixel(1, 1).0;
    assert_eq!(pixel(made(&[coded(1, 13, 0)])), [200, 40, 40]);
    assert_eq!(pixel(made(&[coded(2, 2, 0)])), [200, 40, 40]);
    // A camera's curve is shown with that of sRGB.
    assert_eq!(pixel(made(&[coded(1, 1, 0)])), [200, 40, 40]);
    let [red, ..] = pixel(made(&[coded(12, 13, 0)]));
    assert!(red > 210, "Display P3 has a deeper red: {red}");
    let profile = moxcms::ColorProfile::new_display_p3().encode().unwrap();
    let embedded = (false, boxed(b"colr", &[b"prof", &profile[..]].concat()));
    let [by_profile, ..] = pixel(made(&[coded(1, 13, 0), embedded]));
    assert!(by_profile.abs_diff(red) <= 1, "the profile goes before the numbers: {by_profile}");
    assert_eq!(made(&[coded(9, 16, 0)]).file("").unwrap_err().code, Code::UnsupportedColor);
    assert_eq!(made(&[coded(1, 13, 14)]).file("").unwrap_err().code, Code::UnsupportedColor);
}

#[test]
fn what_cannot_be_read_is_refused_by_name() {
    let data = frame(RgbImage::new(4, 4));
    let refused = |kind: &[u8; 4], properties: &[(bool, Vec<u8>)]| {
        let all = [&[size(4, 4)][..], properties].concat();
        Studio::with(&file_of_items(&[Item(kind, &data, &all)], &[])).file("").unwrap_err()
    };
    for (kind, property, name) in
        [(b"av01", b"clap", "clean aperture"), (b"av01", b"news", "news"), (b"hvc1", b"pixi", "hvc1")]
    {
        let failure = refused(kind, &[(true, boxed(property, &[0; 32]))]);
        assert_eq!(failure.code, Code::UnsupportedFormat, "{failure}");
        assert!(failure.detail.contains(name), "{failure}");
    }
    // A picture that is larger than it says would take more memory than was planned.
    let lies = file_of_items(&[Item(b"av01", &data, &[size(2, 2)])], &[]);
    assert_eq!(Studio::with(&lies).file("").unwrap_err().code, Code::Corrupt);
    let huge = file_of_items(&[Item(b"av01", &data, &[size(70_000, 70_000)])], &[]);
    assert!(Studio::with(&huge).file("").is_err());
}

/// Uploaded, rendered in a confined process, and fetched.
#[sqlx::test]
async fn a_job_reads_and_writes_avif(pool: PgPool) {
    let house = House::open(pool).await;
    let whole = studio(soft()).file("fmt=avif,,lossless").unwrap().0;
    let mut damaged = whole.clone();
    let data = whole.windows(4).position(|name| name == b"mdat").unwrap() + 40;
    damaged[data..].fill(0xFF);
    let cut = &whole[..whole.len() - 20];
    for (name, bytes) in [("1.avif", &whole[..]), ("2.avif", cut), ("3.avif", &damaged), ("4.avif", &whole[..100])] {
        let asset = house.asset(name, bytes).await;
        let asset = house.get(format!("/assets/{asset}")).await.is(200);
        let known = (&asset["mime"], asset["width"] == 120) == (&json!("image/avif"), true);
        assert_eq!(known, name != "4.avif", "{name}: {asset}");
    }
    let order = |modifier: &str| json!({"assetFilter": {}, "fmt": "convert", "is_modifier": modifier});
    let job = finished(&house, order("fmt=avif,,lossless")).await;
    let codes: Vec<_> = items(&house, &job).await.iter().map(|item| item["failure"]["code"].clone()).collect();
    assert_eq!(json!(codes), json!([null, "truncated", "corrupt", "truncated"]), "{job}");
    assert_eq!(file(&house, &job, "1.avif").await, whole);
    house.check().await;
}
