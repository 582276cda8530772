//! The files. Each grows beyond a limit in one way; what is wrong with them is in their names.

use offprint_core::Code;

use crate::containers::{build_jpeg, build_png, deflate};

/// What becomes of a file.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is read as if nothing were wrong.
    Read,
    MetadataLeftOut,
    ProfileIgnored,
    Refused(Code),
}

use Outcome::{MetadataLeftOut, ProfileIgnored, Read, Refused};

type Bomb = (&'static str, fn() -> Vec<u8>, Outcome);

const MIB: usize = 1 << 20;

pub const LIST: &[Bomb] = &[
    ("PNG, XMP of 64 MB", || build_png(&[build_xmp(&deflate(&vec![0; 64 * MIB]))], &[]), MetadataLeftOut),
    ("PNG, XMP with 90,000 attributes", || build_png(&[build_xmp(&deflate(&build_attributes()))], &[]), Read),
    ("PNG, 300 texts of no use", || build_png(&vec![build_text("k", &deflate(&vec![0; 8 * MIB])); 300], &[]), Read),
    (
        "PNG, 300 raw profiles",
        || build_png(&vec![build_text("Raw profile type exif", &deflate(&vec![0; 8 * MIB])); 300], &[]),
        MetadataLeftOut,
    ),
    (
        "PNG, profile of 64 MB",
        || build_png(&[(b"iCCP", [b"x\0\0".to_vec(), deflate(&vec![0; 64 * MIB])].concat())], &[]),
        ProfileIgnored,
    ),
    ("PNG, profile that is not deflated well", || build_png(&[(b"iCCP", vec![7; 30 * MIB])], &[]), ProfileIgnored),
    ("PNG, EXIF of 30 MB", || build_png(&[(b"eXIf", vec![7; 30 * MIB])], &[]), MetadataLeftOut),
    ("PNG, pHYs of 30 MB", || build_png(&[(b"pHYs", vec![0; 30 * MIB])], &[]), Read),
    ("PNG, palette of 30 MB", || build_png(&[(b"PLTE", vec![0; 30 * MIB])], &[]), Read),
    (
        "PNG, a million chunks",
        || build_png(&vec![(b"tEXt", b"a\0".to_vec()); 1_000_000], &[]),
        Refused(Code::SourceTooLarge),
    ),
    (
        "PNG, a million chunks behind the image",
        || build_png(&[], &vec![(b"tEXt", b"a\0".to_vec()); 1_000_000]),
        MetadataLeftOut,
    ),
    (
        "JPEG, six million segments",
        || [&[0xFF, 0xD8][..], &b"\xFF\xFE\0\x02".repeat(6_000_000)].concat(),
        Refused(Code::SourceTooLarge),
    ),
    ("JPEG, fill bytes", || [&[0xFF, 0xD8][..], &vec![0xFF; 24 * MIB]].concat(), Refused(Code::Corrupt)),
    ("JPEG, image resources of 20 MB", || build_jpeg(&vec![(0xED, build_resource_segment()); 300]), MetadataLeftOut),
    (
        "JPEG, profile of 30 MB",
        || build_jpeg(&vec![(0xE2, [&b"ICC_PROFILE\0\x01\x01"[..], &[7; 65_000]].concat()); 480]),
        ProfileIgnored,
    ),
    (
        "JPEG, 480 times XMP",
        || build_jpeg(&vec![(0xE1, [&b"http://ns.adobe.com/xap/1.0/\0"[..], &b"<a>".repeat(21_000)].concat()); 480]),
        Read,
    ),
    ("TIFF, values of 4 GB", || build_tiff(&[(700, 1, u32::MAX, 8), (34_675, 7, u32::MAX, 8)], 0), ProfileIgnored),
    ("TIFF, one value as 4,000 texts", || build_tiff(&vec![(0x013B, 2, 30 << 10, 8); 4000], MIB), Read),
    ("TIFF, EXIF that leads to itself", || build_tiff(&[(0x8769, 4, 1, 8)], 0), Read),
    ("TIFF, image resources of 20 MB", || build_tiff(&[(34_377, 7, 20 << 20, 8)], 20 * MIB), MetadataLeftOut),
    ("DNG, previews with profiles", build_dng, Refused(Code::UnsupportedFormat)),
    ("GIF, a million frames", || build_gif(&GIF_FRAME.repeat(1_000_000)), MetadataLeftOut),
    (
        "GIF, comments of one byte",
        || build_gif(&[GIF_FRAME, &b"!\xFE\x01x\0".repeat(4_000_000)].concat()),
        MetadataLeftOut,
    ),
    ("GIF, comments before its frame", || build_gif(&b"!\xFE\x01x\0".repeat(4_000_000)), Refused(Code::SourceTooLarge)),
    (
        "GIF, XMP without an end",
        || build_gif(&[GIF_FRAME, b"!\xFF\x0BXMP DataXMP", &vec![b'x'; 20 * MIB]].concat()),
        MetadataLeftOut,
    ),
    ("WebP, three million frames", build_webp, Read),
    ("WebP, profile and XMP of 15 MB", build_webp_with_metadata, ProfileIgnored),
    (
        "PSD, three million resources",
        || build_psd(&b"8BIM\x07\xD0\0\0\0\0\0\0".repeat(3_000_000)),
        Refused(Code::SourceTooLarge),
    ),
    ("PSD, 60 paths of 1 MB", || build_psd(&build_path_resource().repeat(60)), Refused(Code::SourceTooLarge)),
    ("PSD, 30 paths of 1 MB", || build_psd(&build_path_resource().repeat(30)), MetadataLeftOut),
    ("JPEG 2000, nested resolutions", || build_jp2(&build_box(b"jp2h", &nest_boxes(b"res ", MIB / 2))), Read),
    (
        "JPEG 2000, two million boxes",
        || build_jp2(&build_box(b"free", b"").repeat(2_500_000)),
        Refused(Code::SourceTooLarge),
    ),
    (
        "JPEG 2000, profile of 30 MB",
        || build_jp2(&build_box(b"jp2h", &build_box(b"colr", &[&[2, 0, 0][..], &vec![7; 30 * MIB]].concat()))),
        ProfileIgnored,
    ),
    (
        "JPEG 2000, a box that ends before its length",
        || build_jp2(&[&(8 * MIB as u32).to_be_bytes()[..], b"jp2h"].concat()),
        Refused(Code::Truncated),
    ),
    (
        "AVIF, nested tracks",
        || [build_ftyp(), build_box(b"moov", &nest_boxes(b"trak", MIB))].concat(),
        Refused(Code::UnsupportedFormat),
    ),
    ("AVIF, one item of many parts as all tiles", || build_avif_grid(8000, 0), Refused(Code::UnsupportedFormat)),
    ("AVIF, one large profile for all tiles", || build_avif_grid(1, 7 * MIB), Refused(Code::Corrupt)),
    ("BMP, profile of 30 MB", build_bmp, ProfileIgnored),
];

fn build_xmp(deflated: &[u8]) -> (&'static [u8; 4], Vec<u8>) {
    (b"iTXt", [&b"XML:com.adobe.xmp\0\x01\0\0\0"[..], deflated].concat())
}

fn build_text(keyword: &str, deflated: &[u8]) -> (&'static [u8; 4], Vec<u8>) {
    (b"zTXt", [keyword.as_bytes(), b"\0\0", deflated].concat())
}

/// An element with as many attributes as fit into the largest XMP that is read, all of them different.
fn build_attributes() -> Vec<u8> {
    let names: String = (0..90_000).map(|number| format!(" a{number}=\"\"")).collect();
    format!("<x{}/>", &names[..names.len().min(MIB - 16)]).into_bytes()
}

fn build_resource_segment() -> Vec<u8> {
    [&b"Photoshop 3.0\0"[..], &b"8BIM\x07\xD0\0\0\0\0\0\0".repeat(5400)].concat()
}

/// A gray TIFF of one pixel with these entries too: tag, type, number of values, value or offset.
fn build_tiff(entries: &[(u16, u16, u32, u32)], padding: usize) -> Vec<u8> {
    let mut all = vec![(256, 3, 1, 1), (257, 3, 1, 1), (258, 3, 1, 8), (262, 3, 1, 1), (273, 4, 1, 8), (279, 4, 1, 1)];
    all.extend(entries);
    [b"II*\0\x08\0\0\0".to_vec(), build_directory(&all, 0), vec![0; padding]].concat()
}

fn build_directory(entries: &[(u16, u16, u32, u32)], next: u32) -> Vec<u8> {
    let mut directory = (entries.len() as u16).to_le_bytes().to_vec();
    for (tag, kind, count, value) in entries {
        directory.extend([tag.to_le_bytes(), kind.to_le_bytes()].concat());
        directory.extend([count.to_le_bytes(), value.to_le_bytes()].concat());
    }
    directory.extend(next.to_le_bytes());
    directory
}

/// A camera raw with 3000 small previews, each of which has the same profile of 8 MB.
fn build_dng() -> Vec<u8> {
    let (directory_bytes, profile_bytes) = (2 + 12 * 9 + 4, 8 << 20);
    let profile_offset = 8 + 3000 * directory_bytes;
    let mut file = b"II*\0\x08\0\0\0".to_vec();
    for number in 1..=3000 {
        let next = if number < 3000 { 8 + number * directory_bytes } else { 0 };
        let entries = [
            (254, 4, 1, 1),
            (256, 3, 1, 1),
            (257, 3, 1, 1),
            (258, 3, 1, 8),
            (262, 3, 1, 1),
            (273, 4, 1, 8),
            (279, 4, 1, 1),
            (34_675, 7, profile_bytes, profile_offset),
            (50_706, 4, 1, 1),
        ];
        file.extend(build_directory(&entries, next));
    }
    file.extend(vec![7; profile_bytes as usize]);
    file
}

const GIF_FRAME: &[u8] = b"!\xF9\x04\0\0\0\0\0,\0\0\0\0\x01\0\x01\0\0\x02\x02D\x01\0";

fn build_gif(blocks: &[u8]) -> Vec<u8> {
    [b"GIF89a\x09\0\x09\0\x80\0\0\0\0\0\0\0\0", blocks, b";"].concat()
}

fn build_webp() -> Vec<u8> {
    let canvas = b"VP8X\x0A\0\0\0\x02\0\0\0\xFF\0\0\xFF\0\0";
    [&b"RIFF\xF0\xFF\xFF\x7FWEBP"[..], canvas, &b"ANMF\0\0\0\0".repeat(3_000_000)].concat()
}

fn build_webp_with_metadata() -> Vec<u8> {
    let chunk = |name: &[u8; 4], content: &[u8]| [name, &(content.len() as u32).to_le_bytes()[..], content].concat();
    let canvas = chunk(b"VP8X", &[0, 0, 0, 0, 255, 0, 0, 255, 0, 0]);
    let large = vec![7; 15 * MIB];
    let chunks =
        [canvas, chunk(b"ICCP", &large), chunk(b"VP8 ", &[0; 10]), chunk(b"EXIF", &large), chunk(b"XMP ", &large)];
    let chunks = chunks.concat();
    [b"RIFF", &(chunks.len() as u32 + 4).to_le_bytes()[..], b"WEBP", &chunks].concat()
}

fn build_psd(resources: &[u8]) -> Vec<u8> {
    let mut file = b"8BPS\0\x01\0\0\0\0\0\0\0\x03\0\0\0\x0A\0\0\0\x0A\0\x08\0\x03\0\0\0\0".to_vec();
    file.extend((resources.len() as u32).to_be_bytes());
    file.extend(resources);
    file.extend([0; 6 + 300]);
    file
}

/// A path as long as is read: corners of a square, over and over.
fn build_path_resource() -> Vec<u8> {
    let corner = |x: u8, y: u8| [&[0, 2][..], &[0, y, 0, 0, 0, x, 0, 0].repeat(3)].concat();
    let square = [corner(32, 32), corner(96, 32), corner(96, 96), corner(32, 96)].concat();
    let mut data = square.repeat(MIB / square.len());
    data.truncate(data.len() & !1);
    [&b"8BIM\x07\xD0\x01p"[..], &(data.len() as u32).to_be_bytes(), &data].concat()
}

fn build_box(kind: &[u8; 4], content: &[u8]) -> Vec<u8> {
    [&(content.len() as u32 + 8).to_be_bytes()[..], kind, content].concat()
}

/// Boxes in boxes, so many.
fn nest_boxes(kind: &[u8; 4], depth: usize) -> Vec<u8> {
    (0..depth).flat_map(|level| [&(8 * (depth - level) as u32).to_be_bytes()[..], kind].concat()).collect()
}

fn build_jp2(boxes: &[u8]) -> Vec<u8> {
    let mut size = b"\xFF\x4F\xFF\x51\0\x29\0\0".to_vec();
    for number in [9_u32, 9, 0, 0, 9, 9, 0, 0] {
        size.extend(number.to_be_bytes());
    }
    size.extend(b"\0\x01\x07\x01\x01");
    [&b"\0\0\0\x0CjP  \r\n\x87\n"[..], &build_box(b"ftyp", b"jp2 \0\0\0\0jp2 "), boxes, &build_box(b"jp2c", &size)]
        .concat()
}

fn build_ftyp() -> Vec<u8> {
    build_box(b"ftyp", b"avif\0\0\0\0avifmif1")
}

/// A grid of 100 x 100 tiles, all of which are the same item: of so many parts, with a profile of this length.
fn build_avif_grid(parts: u16, profile_bytes: usize) -> Vec<u8> {
    const TILES: u16 = 10_000;
    let full = |content: &[u8]| [&[0; 4][..], content].concat();
    let words = |numbers: &[u16]| -> Vec<u8> { numbers.iter().flat_map(|number| number.to_be_bytes()).collect() };
    let longs = |numbers: &[u32]| -> Vec<u8> { numbers.iter().flat_map(|number| number.to_be_bytes()).collect() };
    let grid = [&[0, 0, 99, 99][..], &words(&[900, 900])].concat();
    let grid_location = [words(&[1, 1, 0, 1]), longs(&[0, 8])].concat();
    let tile_location = [words(&[2, 0, 0, parts]), longs(&[0, 100]).repeat(parts.into())].concat();
    let locations = [&b"\x01\0\0\0\x44\0"[..], &words(&[2]), &grid_location, &tile_location].concat();
    let item = |id: u8, kind: &[u8; 4]| build_box(b"infe", &[&[2, 0, 0, 0, 0, id, 0, 0][..], kind, &[0]].concat());
    let tiles = [words(&[1, TILES]), words(&[2]).repeat(TILES.into())].concat();
    let size = |side: u32| build_box(b"ispe", &full(&longs(&[side, side])));
    let color = build_box(b"colr", &[b"prof", &vec![7; profile_bytes][..]].concat());
    // The grid has the first property, the tile the second and the third.
    let associations = [&longs(&[2])[..], &[0, 1, 1, 1, 0, 2, 2, 2, 3]].concat();
    let properties =
        [build_box(b"ipco", &[size(900), size(9), color].concat()), build_box(b"ipma", &full(&associations))];
    let meta = [
        full(&build_box(b"hdlr", &[&[0; 8][..], b"pict", &[0; 13]].concat())),
        build_box(b"pitm", &full(&words(&[1]))),
        build_box(b"iloc", &locations),
        build_box(b"iinf", &full(&[words(&[2]), item(1, b"grid"), item(2, b"av01")].concat())),
        build_box(b"idat", &grid),
        build_box(b"iref", &full(&build_box(b"dimg", &tiles))),
        build_box(b"iprp", &properties.concat()),
    ];
    [build_ftyp(), build_box(b"meta", &meta.concat()), build_box(b"mdat", &[0; 100])].concat()
}

fn build_bmp() -> Vec<u8> {
    let profile_bytes = 30 * MIB;
    let mut header = vec![0; 124];
    header[..16].copy_from_slice(&[124, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 24, 0]);
    header[56..60].copy_from_slice(b"DEBM");
    header[112..116].copy_from_slice(&128_u32.to_le_bytes());
    header[116..120].copy_from_slice(&(profile_bytes as u32).to_le_bytes());
    [&b"BM\0\0\0\0\0\0\0\0"[..], &138_u32.to_le_bytes(), &header, &[0; 4], &vec![7; profile_bytes]].concat()
}

/// A profile with 100,000 tags, none of which is its name within reach.
pub fn build_profile_with_many_tags() -> Vec<u8> {
    let mut profile = vec![0; 128];
    profile.extend(100_000_u32.to_be_bytes());
    (0..100_000).for_each(|_| profile.extend(b"A2B0\0\0\0\0\x00\x10\0\0"));
    profile.extend(b"desc\0\0\0\0\0\0\0\0");
    profile
}
