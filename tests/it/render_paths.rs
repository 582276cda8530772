//! Paths embedded by Photoshop: cropping to a named path, and paths in the output.

use image::{GenericImageView, ImageFormat};
use offprint_core::Code;
use offprint_imaging::read_image_header;
use tiff::encoder::TiffEncoder;
use tiff::encoder::colortype::RGB8;
use tiff::tags::Tag;

use crate::support::images::{RED, draw_quarters, encode_image};
use crate::support::render_fixture::RenderFixture;

/// Photoshop image resources with a rectangular path of this name, in fractions of the image.
fn build_resources(name: &str, [left, top, right, bottom]: [f64; 4]) -> Vec<u8> {
    let fixed = |value: f64| ((value * f64::from(1 << 24)) as i32).to_be_bytes();
    let mut records = [&[0, 0, 0, 4][..], &[0; 22]].concat();
    for (x, y) in [(left, top), (right, top), (right, bottom), (left, bottom)] {
        records.extend([0, 2]);
        (0..3).for_each(|_| records.extend([fixed(y), fixed(x)].concat()));
    }
    let mut resources = b"8BIM\x07\xD0".to_vec();
    resources.push(name.len() as u8);
    resources.extend_from_slice(name.as_bytes());
    resources.resize(resources.len() + (name.len() + 1) % 2, 0);
    resources.extend((records.len() as u32).to_be_bytes());
    resources.extend(records);
    resources
}

/// A JPEG of 200 x 100 px with a path around its middle, as Photoshop embeds it.
fn create_path_fixture() -> RenderFixture {
    let jpeg = encode_image(draw_quarters(200, 100), ImageFormat::Jpeg);
    let resources = build_resources("Path 1", [0.25, 0.25, 0.75, 0.75]);
    let segment = [&b"Photoshop 3.0\0"[..], &resources].concat();
    let length = (segment.len() as u16 + 2).to_be_bytes();
    RenderFixture::new(&[&jpeg[..2], &[0xFF, 0xED], &length, &segment, &jpeg[2..]].concat())
}

#[test]
fn an_image_is_cut_to_the_bounds_of_its_paths() {
    let fixture = create_path_fixture();
    let size = |modifier: &str| fixture.render_image(&format!("{modifier}&fmt=png")).dimensions();
    assert_eq!(size("cropPathE=Path+1"), (100, 50));
    assert_eq!(size("rotate=90&cropPathE=Path 1"), (50, 100));
    assert_eq!(size("crop=0,0,100,100&cropPathE=Path 1,nobody,Path 1"), (50, 50));
    assert_eq!(size("layer=0&cropPathE=Path 1&size=50,0&extend=0,0,10,0"), (60, 25));
    assert_eq!(size("cropPathE=path 1"), (200, 100));
    let lost = fixture.render_file("crop=0,0,50,20&cropPathE=Path 1").unwrap_err();
    assert_eq!(lost.code, Code::InvalidModifier);
}

#[test]
fn paths_go_where_the_image_goes() {
    let fixture = create_path_fixture();
    let alpha = |modifier: &str, x, y| fixture.render_image(&format!("{modifier}&fmt=png-alpha")).get_pixel(x, y)[3];
    let clip = "clipPathE=Path 1";
    assert_eq!((alpha(clip, 40, 50), alpha(clip, 60, 30), alpha(clip, 60, 20)), (0, 255, 0));
    let moved = "scale=0.5&extend=10,0,0,0&rotate=180&clipPathE=Path 1";
    assert_eq!((alpha(moved, 30, 25), alpha(moved, 40, 25), alpha(moved, 90, 25)), (0, 255, 0));
    let hole = "clipPath=M0,0L200,0,200,100,0,100Z&clipXPathE=Path 1";
    assert_eq!((alpha(hole, 40, 50), alpha(hole, 60, 50)), (255, 0));
    for nothing in ["clipPathE=nobody", "clipXPathE=Path 1", "clipPathE=nobody&clipXPathE=Path 1"] {
        assert_eq!(alpha(nothing, 60, 50), 255, "{nothing}");
        assert_eq!(alpha(nothing, 40, 50), 255, "{nothing}");
    }
}

#[test]
fn tiff_carries_paths_too() {
    let mut file = std::io::Cursor::new(Vec::new());
    let mut encoder = TiffEncoder::new(&mut file).unwrap();
    let mut image = encoder.new_image::<RGB8>(200, 100).unwrap();
    image.encoder().write_tag(Tag::Unknown(34_377), &build_resources("outline", [0.0, 0.0, 0.25, 0.5])[..]).unwrap();
    image.write_data(draw_quarters(200, 100).as_raw()).unwrap();
    let fixture = RenderFixture::new(&file.into_inner());
    assert_eq!(read_image_header(&fixture.source_path()).unwrap().paths[0].name, "outline");
    let cut = fixture.render_image("cropPathE=outline&fmt=png");
    assert_eq!((cut.dimensions(), cut.get_pixel(49, 49)), ((50, 50), RED));
}

#[test]
fn paths_are_embedded_where_they_are_in_the_result() {
    let fixture = create_path_fixture();
    let bounds = |modifier: &str| {
        let rendered = RenderFixture::new(&fixture.render_file(modifier).unwrap().0);
        let paths = read_image_header(&rendered.source_path()).unwrap().paths;
        paths.into_iter().map(|path| (path.name, path.bounds.map(|side| (side * 100.0).round()))).collect::<Vec<_>>()
    };
    let named = |bounds| vec![("Path 1".to_owned(), bounds)];
    for format in ["jpeg", "pjpeg", "pjpeg&pscan=4", "tif", "tif,,jpeg", "tif-alpha,,lzw"] {
        assert_eq!(bounds(&format!("fmt={format}&pathEmbed=1")), named([25.0, 25.0, 75.0, 75.0]), "{format}");
    }
    assert_eq!(bounds("fmt=tif&pathEmbed=1&crop=50,0,100,100&rotate=90&wid=40"), named([25.0, 0.0, 75.0, 100.0]));
    assert_eq!(bounds("fmt=tif&pathEmbed=1&wid=100&hei=100"), named([25.0, 38.0, 75.0, 63.0]));
    assert_eq!(bounds("fmt=tif"), []);
    assert_eq!(bounds("fmt=png&pathEmbed=1"), []);
    let eps = String::from_utf8_lossy(&fixture.render_file("fmt=eps&pathEmbed=1").unwrap().0).into_owned();
    let comment = eps.split("%BeginPhotoshop: ").nth(1).unwrap().split("%EndPhotoshop").next().unwrap();
    let (length, lines) = comment.split_once('\n').unwrap();
    let digits: String = lines.lines().flat_map(|line| line.trim_start_matches("% ").chars()).collect();
    assert!(digits.starts_with("3842494D07D0"), "{digits}");
    assert_eq!(digits.len(), 2 * length.parse::<usize>().unwrap());
}
