//! Sample images that the project draws itself, so that a demo needs no photographs: different formats, sizes and colour
//! types, with the same bytes on every machine.

mod scenes;

use std::io::{self, Cursor};
use std::path::{Path, PathBuf};

use image::codecs::jpeg::JpegEncoder;
use image::codecs::webp::WebPEncoder;
use image::{DynamicImage, GrayImage, ImageEncoder, ImageFormat, Rgb32FImage, RgbImage, RgbaImage};

use self::scenes::Scene;

/// One drawn image. `width` and `height` are those of the stored pixels.
struct SampleImage {
    name: &'static str,
    width: u32,
    height: u32,
    scene: Scene,
    format: SampleFormat,
}

/// How the image is stored.
enum SampleFormat {
    Jpeg,
    /// As from a camera held sideways: the pixels are stored rotated, with EXIF orientation 6.
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

const fn define_sample(name: &'static str, width: u32, height: u32, scene: Scene, store: SampleFormat) -> SampleImage {
    SampleImage { name, width, height, scene, format: store }
}

/// `fileToExport.jpg` is first: it is the asset of the documentation's ExportJob example.
const SAMPLES: [SampleImage; 12] = [
    define_sample("fileToExport.jpg", 1200, 800, scenes::paint_sunset, SampleFormat::Jpeg),
    define_sample("mountain lake 12 MP.jpg", 4000, 3000, scenes::paint_lake, SampleFormat::Jpeg),
    define_sample("lighthouse turned.jpg", 1200, 800, scenes::paint_lighthouse, SampleFormat::JpegTurned),
    define_sample("cup on white.jpg", 1000, 1000, scenes::paint_cup, SampleFormat::Jpeg),
    define_sample("hills in fog.jpg", 1200, 600, scenes::paint_fog, SampleFormat::JpegGray),
    define_sample("city at night.png", 1280, 720, scenes::paint_city, SampleFormat::Png),
    define_sample("circles transparent.png", 640, 640, scenes::paint_circles, SampleFormat::PngAlpha),
    define_sample("moon gray.png", 700, 700, scenes::paint_moon, SampleFormat::PngGray),
    define_sample("rainbow 16 bit.png", 900, 300, scenes::paint_rainbow, SampleFormat::Png16),
    define_sample("tiles.tif", 800, 600, scenes::paint_tiles, SampleFormat::Tiff),
    define_sample("flower.webp", 720, 720, scenes::paint_flower, SampleFormat::WebP),
    define_sample("target.gif", 320, 320, scenes::paint_target, SampleFormat::Gif),
];

/// The names of all samples; each is a file name with the extension of its format.
pub fn list_sample_names() -> impl Iterator<Item = &'static str> {
    SAMPLES.iter().map(|sample| sample.name)
}

/// The bytes of one sample as a file. An error of kind `NotFound` when no sample has this name.
pub fn encode_sample(name: &str) -> io::Result<Vec<u8>> {
    match SAMPLES.iter().find(|sample| sample.name == name) {
        Some(sample) => sample.encode().map_err(io::Error::other),
        None => Err(io::Error::new(io::ErrorKind::NotFound, format!("there is no sample image {name}"))),
    }
}

/// Draws the samples of these names into a folder, or all when no name is given, and returns their paths. The folder is
/// created when it does not exist; files of the same names are replaced.
pub fn draw_samples(dir: &Path, wanted: &[String]) -> io::Result<Vec<PathBuf>> {
    std::fs::create_dir_all(dir)?;
    let write = |name: &str| {
        let path = dir.join(name);
        std::fs::write(&path, encode_sample(name)?)?;
        Ok(path)
    };
    if wanted.is_empty() {
        list_sample_names().map(write).collect()
    } else {
        wanted.iter().map(|name| write(name)).collect()
    }
}

impl SampleImage {
    fn encode(&self) -> image::ImageResult<Vec<u8>> {
        let mut out = Cursor::new(Vec::new());
        match self.format {
            SampleFormat::Jpeg => self.write_jpeg(&mut out, DynamicImage::ImageRgb8(self.rgb()), None)?,
            SampleFormat::JpegTurned => {
                self.write_jpeg(&mut out, DynamicImage::ImageRgb8(self.rgb()), Some(EXIF_ORIENTATION_6))?
            }
            SampleFormat::JpegGray => self.write_jpeg(&mut out, DynamicImage::ImageLuma8(self.gray()), None)?,
            SampleFormat::Png => self.rgb().write_to(&mut out, ImageFormat::Png)?,
            SampleFormat::PngAlpha => self.rgba().write_to(&mut out, ImageFormat::Png)?,
            SampleFormat::PngGray => self.gray().write_to(&mut out, ImageFormat::Png)?,
            SampleFormat::Png16 => self.rgb32f().to_rgb16().write_to(&mut out, ImageFormat::Png)?,
            SampleFormat::Tiff => self.rgb().write_to(&mut out, ImageFormat::Tiff)?,
            SampleFormat::WebP => self.rgb().write_with_encoder(WebPEncoder::new_lossless(&mut out))?,
            SampleFormat::Gif => self.rgba().write_to(&mut out, ImageFormat::Gif)?,
        }
        Ok(out.into_inner())
    }

    fn write_jpeg(
        &self,
        out: &mut Cursor<Vec<u8>>,
        image: DynamicImage,
        exif: Option<&[u8]>,
    ) -> image::ImageResult<()> {
        let mut encoder = JpegEncoder::new_with_quality(out, 90);
        if let Some(exif) = exif {
            encoder.set_exif_metadata(exif.to_vec()).map_err(image::ImageError::Unsupported)?;
        }
        image.write_with_encoder(encoder)
    }

    /// The colour at a stored pixel, from 0 to 1, with alpha.
    fn color_at(&self, x: u32, y: u32) -> [f32; 4] {
        let (u, v) = ((x as f32 + 0.5) / self.width as f32, (y as f32 + 0.5) / self.height as f32);
        match self.format {
            SampleFormat::JpegTurned => (self.scene)(1.0 - v, u),
            _ => (self.scene)(u, v),
        }
    }

    fn rgba(&self) -> RgbaImage {
        RgbaImage::from_fn(self.width, self.height, |x, y| image::Rgba(self.color_at(x, y).map(to_byte)))
    }

    fn rgb(&self) -> RgbImage {
        RgbImage::from_fn(self.width, self.height, |x, y| {
            let [r, g, b, _] = self.color_at(x, y).map(to_byte);
            image::Rgb([r, g, b])
        })
    }

    fn gray(&self) -> GrayImage {
        GrayImage::from_fn(self.width, self.height, |x, y| image::Luma([to_byte(self.color_at(x, y)[0])]))
    }

    fn rgb32f(&self) -> DynamicImage {
        DynamicImage::ImageRgb32F(Rgb32FImage::from_fn(self.width, self.height, |x, y| {
            let [r, g, b, _] = self.color_at(x, y);
            image::Rgb([r, g, b])
        }))
    }
}

fn to_byte(value: f32) -> u8 {
    // `as` saturates, so values outside 0 to 1 are clipped.
    (value * 255.0 + 0.5) as u8
}

/// An EXIF block with one entry: orientation 6, to be rotated clockwise for display.
const EXIF_ORIENTATION_6: &[u8] = &[
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
            let bytes = encode_sample(sample.name).unwrap();
            let format = image::guess_format(&bytes).unwrap();
            assert_eq!(Some(format), ImageFormat::from_path(sample.name).ok(), "{}", sample.name);
            let picture = image::load_from_memory(&bytes).unwrap();
            assert_eq!((picture.width(), picture.height()), (sample.width, sample.height), "{}", sample.name);
            let color = match sample.format {
                SampleFormat::PngAlpha | SampleFormat::Gif => image::ColorType::Rgba8,
                SampleFormat::JpegGray | SampleFormat::PngGray => image::ColorType::L8,
                SampleFormat::Png16 => image::ColorType::Rgb16,
                _ => image::ColorType::Rgb8,
            };
            assert_eq!(picture.color(), color, "{}", sample.name);
        }
    }

    #[test]
    fn the_turned_sample_says_so() {
        let bytes = encode_sample("lighthouse turned.jpg").unwrap();
        let exif = exif::Reader::new().read_from_container(&mut Cursor::new(bytes)).unwrap();
        let field = exif.get_field(exif::Tag::Orientation, exif::In::PRIMARY).unwrap();
        assert_eq!(field.value.get_uint(0), Some(6));
    }

    #[test]
    fn the_transparent_sample_is_transparent_in_places() {
        let picture = image::load_from_memory(&encode_sample("circles transparent.png").unwrap()).unwrap().to_rgba8();
        assert_eq!(picture.get_pixel(0, 0).0[3], 0);
        assert!(picture.pixels().filter(|pixel| pixel.0[3] == 255).count() > 1000);
    }

    #[test]
    fn samples_are_drawn_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("new");
        let paths = draw_samples(&folder, &["target.gif".into()]).unwrap();
        assert_eq!(paths, [folder.join("target.gif")]);
        assert_eq!(std::fs::read(&paths[0]).unwrap(), encode_sample("target.gif").unwrap());
        let unknown = draw_samples(&folder, &["nothing.jpg".into()]).unwrap_err();
        assert_eq!(unknown.kind(), io::ErrorKind::NotFound);
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1);
    }
}
