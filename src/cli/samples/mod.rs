//! Pictures that the project draws itself, so that a demo needs no photographs: different formats, sizes and colour
//! types, the same bytes on every machine.

mod scenes;

use std::io::{self, Cursor};
use std::path::{Path, PathBuf};

use image::codecs::jpeg::JpegEncoder;
use image::codecs::webp::WebPEncoder;
use image::{DynamicImage, GrayImage, ImageEncoder, ImageFormat, Rgb32FImage, RgbImage, RgbaImage};

use self::scenes::Scene;

/// One drawn picture. `width` and `height` are those of the stored pixels.
struct Sample {
    name: &'static str,
    width: u32,
    height: u32,
    scene: Scene,
    store: Store,
}

/// How the picture is stored.
enum Store {
    Jpeg,
    /// The camera was held sideways: the pixels are stored turned, EXIF orientation 6 says so.
    JpegTurned,
    JpegGray,
    Png,
    PngAlpha,
    PngGray,
    Png16,
    Tiff,
    WebP,
    Gif,
}

const fn sample(name: &'static str, width: u32, height: u32, scene: Scene, store: Store) -> Sample {
    Sample { name, width, height, scene, store }
}

/// `fileToExport.jpg` is first: it is the picture of the documented ExportJob example.
const SAMPLES: [Sample; 12] = [
    sample("fileToExport.jpg", 1200, 800, scenes::sunset, Store::Jpeg),
    sample("mountain lake 12 MP.jpg", 4000, 3000, scenes::lake, Store::Jpeg),
    sample("lighthouse turned.jpg", 1200, 800, scenes::lighthouse, Store::JpegTurned),
    sample("cup on white.jpg", 1000, 1000, scenes::cup, Store::Jpeg),
    sample("hills in fog.jpg", 1200, 600, scenes::fog, Store::JpegGray),
    sample("city at night.png", 1280, 720, scenes::city, Store::Png),
    sample("circles transparent.png", 640, 640, scenes::circles, Store::PngAlpha),
    sample("moon gray.png", 700, 700, scenes::moon, Store::PngGray),
    sample("rainbow 16 bit.png", 900, 300, scenes::rainbow, Store::Png16),
    sample("tiles.tif", 800, 600, scenes::tiles, Store::Tiff),
    sample("flower.webp", 720, 720, scenes::flower, Store::WebP),
    sample("target.gif", 320, 320, scenes::target, Store::Gif),
];

/// The names of all samples; each is a file name with the extension of its format.
pub fn names() -> impl Iterator<Item = &'static str> {
    SAMPLES.iter().map(|sample| sample.name)
}

/// The bytes of one sample as a file would hold them. An error of kind `NotFound` when no sample has this name.
pub fn bytes(name: &str) -> io::Result<Vec<u8>> {
    match SAMPLES.iter().find(|sample| sample.name == name) {
        Some(sample) => sample.encoded().map_err(io::Error::other),
        None => Err(io::Error::new(io::ErrorKind::NotFound, format!("no sample picture is called {name}"))),
    }
}

/// Draws samples of these names into a folder, all of them when no name is given, and answers their paths. The folder
/// is made when it is not there; files of the same names are replaced.
pub fn draw(dir: &Path, wanted: &[String]) -> io::Result<Vec<PathBuf>> {
    std::fs::create_dir_all(dir)?;
    let write = |name: &str| {
        let path = dir.join(name);
        std::fs::write(&path, bytes(name)?)?;
        Ok(path)
    };
    if wanted.is_empty() { names().map(write).collect() } else { wanted.iter().map(|name| write(name)).collect() }
}

impl Sample {
    fn encoded(&self) -> image::ImageResult<Vec<u8>> {
        let mut out = Cursor::new(Vec::new());
        match self.store {
            Store::Jpeg => self.jpeg(&mut out, DynamicImage::ImageRgb8(self.rgb()), None)?,
            Store::JpegTurned => self.jpeg(&mut out, DynamicImage::ImageRgb8(self.rgb()), Some(TURNED))?,
            Store::JpegGray => self.jpeg(&mut out, DynamicImage::ImageLuma8(self.gray()), None)?,
            Store::Png => self.rgb().write_to(&mut out, ImageFormat::Png)?,
            Store::PngAlpha => self.rgba().write_to(&mut out, ImageFormat::Png)?,
            Store::PngGray => self.gray().write_to(&mut out, ImageFormat::Png)?,
            Store::Png16 => self.deep().to_rgb16().write_to(&mut out, ImageFormat::Png)?,
            Store::Tiff => self.rgb().write_to(&mut out, ImageFormat::Tiff)?,
            Store::WebP => self.rgb().write_with_encoder(WebPEncoder::new_lossless(&mut out))?,
            Store::Gif => self.rgba().write_to(&mut out, ImageFormat::Gif)?,
        }
        Ok(out.into_inner())
    }

    fn jpeg(&self, out: &mut Cursor<Vec<u8>>, picture: DynamicImage, exif: Option<&[u8]>) -> image::ImageResult<()> {
        let mut encoder = JpegEncoder::new_with_quality(out, 90);
        if let Some(exif) = exif {
            encoder.set_exif_metadata(exif.to_vec()).map_err(image::ImageError::Unsupported)?;
        }
        picture.write_with_encoder(encoder)
    }

    /// The colour at a stored pixel, from 0 to 1, with alpha.
    fn at(&self, x: u32, y: u32) -> [f32; 4] {
        let (u, v) = ((x as f32 + 0.5) / self.width as f32, (y as f32 + 0.5) / self.height as f32);
        match self.store {
            Store::JpegTurned => (self.scene)(1.0 - v, u),
            _ => (self.scene)(u, v),
        }
    }

    fn rgba(&self) -> RgbaImage {
        RgbaImage::from_fn(self.width, self.height, |x, y| image::Rgba(self.at(x, y).map(byte)))
    }

    fn rgb(&self) -> RgbImage {
        RgbImage::from_fn(self.width, self.height, |x, y| {
            let [r, g, b, _] = self.at(x, y).map(byte);
            image::Rgb([r, g, b])
        })
    }

    fn gray(&self) -> GrayImage {
        GrayImage::from_fn(self.width, self.height, |x, y| image::Luma([byte(self.at(x, y)[0])]))
    }

    fn deep(&self) -> DynamicImage {
        DynamicImage::ImageRgb32F(Rgb32FImage::from_fn(self.width, self.height, |x, y| {
            let [r, g, b, _] = self.at(x, y);
            image::Rgb([r, g, b])
        }))
    }
}

fn byte(value: f32) -> u8 {
    // `as` saturates, so values outside 0 to 1 are clipped.
    (value * 255.0 + 0.5) as u8
}

/// An EXIF block with one entry: orientation 6, to be turned clockwise for display.
const TURNED: &[u8] = &[
    b'I', b'I', 42, 0, 8, 0, 0, 0, // little endian, the directory begins at byte 8
    1, 0, // one entry
    0x12, 0x01, 3, 0, 1, 0, 0, 0, 6, 0, 0, 0, // Orientation, one short, 6
    0, 0, 0, 0, // no further directory
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_what_their_names_say() {
        for sample in SAMPLES.iter().filter(|sample| sample.width < 2000) {
            let bytes = bytes(sample.name).unwrap();
            let format = image::guess_format(&bytes).unwrap();
            assert_eq!(Some(format), ImageFormat::from_path(sample.name).ok(), "{}", sample.name);
            let picture = image::load_from_memory(&bytes).unwrap();
            assert_eq!((picture.width(), picture.height()), (sample.width, sample.height), "{}", sample.name);
            let color = match sample.store {
                Store::PngAlpha | Store::Gif => image::ColorType::Rgba8,
                Store::JpegGray | Store::PngGray => image::ColorType::L8,
                Store::Png16 => image::ColorType::Rgb16,
                _ => image::ColorType::Rgb8,
            };
            assert_eq!(picture.color(), color, "{}", sample.name);
        }
    }

    #[test]
    fn the_turned_sample_says_so() {
        let bytes = bytes("lighthouse turned.jpg").unwrap();
        let exif = exif::Reader::new().read_from_container(&mut Cursor::new(bytes)).unwrap();
        let field = exif.get_field(exif::Tag::Orientation, exif::In::PRIMARY).unwrap();
        assert_eq!(field.value.get_uint(0), Some(6));
    }

    #[test]
    fn the_transparent_sample_is_transparent_in_places() {
        let picture = image::load_from_memory(&bytes("circles transparent.png").unwrap()).unwrap().to_rgba8();
        assert_eq!(picture.get_pixel(0, 0).0[3], 0);
        assert!(picture.pixels().filter(|pixel| pixel.0[3] == 255).count() > 1000);
    }

    #[test]
    fn samples_are_drawn_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("new");
        let paths = draw(&folder, &["target.gif".into()]).unwrap();
        assert_eq!(paths, [folder.join("target.gif")]);
        assert_eq!(std::fs::read(&paths[0]).unwrap(), bytes("target.gif").unwrap());
        let unknown = draw(&folder, &["nothing.jpg".into()]).unwrap_err();
        assert_eq!(unknown.kind(), io::ErrorKind::NotFound);
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1);
    }
}
