//! Files that are built here, rendered as the service does.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod bmp;
mod cut_files;
mod full_disk;
mod gif;
mod jpeg;
mod jpeg_effort;
mod png;
mod psd;
mod shrunk_webp;
mod transparent_avif;

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;

use offprint_core::Code;
use offprint_modifiers::{Attributes, DecodeOptions, Macros, ModifierInput, Recipe, resolve_modifier};

use crate::error::{RenderError, RenderWarning};
use crate::limits::RenderLimits;
use crate::plan::RenderPlan;
use crate::source_files::{ObjectHeaders, SourceFiles};
use crate::{ImageHeader, ProfileBytes, read_image_header, render_image};

/// Width and height of the image of noise.
const NOISE_SIZE: (u32, u32) = (32, 24);

/// What a file becomes.
struct Rendered {
    file: Vec<u8>,
    warnings: Vec<RenderWarning>,
}

impl Rendered {
    /// Pixels as RGBA, and the size, of a result in PNG.
    fn decode_png(&self) -> ((u32, u32), Vec<[u8; 4]>) {
        let image = image::load_from_memory_with_format(&self.file, image::ImageFormat::Png).unwrap().into_rgba8();
        (image.dimensions(), image.pixels().map(|pixel| pixel.0).collect())
    }

    fn warning_codes(&self) -> Vec<Code> {
        self.warnings.iter().map(|warning| warning.code).collect()
    }
}

/// What a file becomes, short enough to be printed: a hash of its size and pixels, and the codes of the warnings about
/// the file; or the code of its failure.
type Outcome = Result<(u64, Vec<Code>), Code>;

fn get_outcome(source: &[u8]) -> Outcome {
    let rendered = render(source, "fmt=png-alpha").map_err(|error| error.code)?;
    let mut hasher = DefaultHasher::new();
    rendered.decode_png().hash(&mut hasher);
    let is_about_file = |code: &Code| matches!(code, Code::SourceIrregular | Code::CorruptSource);
    Ok((hasher.finish(), rendered.warning_codes().into_iter().filter(is_about_file).collect()))
}

fn render(source: &[u8], modifier: &str) -> Result<Rendered, RenderError> {
    render_reading(source, modifier, DecodeOptions::default())
}

fn render_reading(source: &[u8], modifier: &str, reading: DecodeOptions) -> Result<Rendered, RenderError> {
    let folder = tempfile::tempdir().unwrap();
    let (path, output) = (folder.path().join("source"), folder.path().join("output"));
    std::fs::write(&path, source).unwrap();
    let plan = plan_image(&path, modifier, reading)?;
    let rendered = render_image(&plan, &SourceFiles::from_source(&path), &output)?;
    Ok(Rendered { file: std::fs::read(output).unwrap(), warnings: rendered.warnings })
}

fn plan_image(path: &Path, modifier: &str, reading: DecodeOptions) -> Result<RenderPlan, RenderError> {
    plan_with_attributes(path, modifier, reading, &Attributes::default())
}

/// The same with attributes, such as `JpegEffort=small`.
fn render_with_attributes(source: &[u8], modifier: &str, attributes: &str) -> Vec<u8> {
    let mut parsed = Attributes::default();
    parsed.set_all(attributes).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (path, output) = (folder.path().join("source"), folder.path().join("output"));
    std::fs::write(&path, source).unwrap();
    let plan = plan_with_attributes(&path, modifier, DecodeOptions::default(), &parsed).unwrap();
    render_image(&plan, &SourceFiles::from_source(&path), &output).unwrap();
    std::fs::read(output).unwrap()
}

/// A PNG of RGBA pixels.
fn encode_png(width: u32, height: u32, pixel: impl Fn(u32, u32) -> [u8; 4]) -> Vec<u8> {
    let image = image::RgbaImage::from_fn(width, height, |x, y| image::Rgba(pixel(x, y)));
    let mut file = std::io::Cursor::new(Vec::new());
    image.write_to(&mut file, image::ImageFormat::Png).unwrap();
    file.into_inner()
}

/// A picture with slopes, edges and a little noise.
fn draw_scene(x: u32, y: u32) -> [u8; 4] {
    let noise = (x.wrapping_mul(2_654_435_761) ^ y.wrapping_mul(40_503)).wrapping_mul(2_246_822_519) >> 30;
    let edge = if (x / 23 + y / 31).is_multiple_of(2) { 30 } else { 0 };
    [(x / 2 % 150 + noise + edge) as u8, (y / 3 % 170 + noise) as u8, ((x + y) / 4 % 190 + edge) as u8, 255]
}

fn plan_with_attributes(
    path: &Path,
    modifier: &str,
    reading: DecodeOptions,
    attributes: &Attributes,
) -> Result<RenderPlan, RenderError> {
    let macros = Macros::default();
    let recipe = resolve_modifier(&ModifierInput::new(modifier, &macros, attributes)).unwrap().recipe;
    let recipe = Recipe { reading, ..recipe };
    let header = read_image_header(path)?;
    RenderPlan::new(&recipe, &header, &ObjectHeaders::new(), &RenderLimits::default(), &ProfileBytes::default())
}

fn read_header(source: &[u8]) -> Result<ImageHeader, RenderError> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("source"), source).unwrap();
    read_image_header(&folder.path().join("source"))
}

/// An RGB image of noise as a PNG: its data is as long as its pixels, so that every cut hits some.
fn build_noise_png(width: u32, height: u32) -> Vec<u8> {
    let mut state = 1_u32;
    let noise = image::RgbImage::from_fn(width, height, |_, _| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        image::Rgb([(state >> 8) as u8, (state >> 16) as u8, (state >> 24) as u8])
    });
    let mut file = std::io::Cursor::new(Vec::new());
    noise.write_to(&mut file, image::ImageFormat::Png).unwrap();
    file.into_inner()
}

/// The noise in another format, as our encoders write it.
fn encode_noise(modifier: &str) -> Vec<u8> {
    render(&build_noise_png(NOISE_SIZE.0, NOISE_SIZE.1), modifier).unwrap().file
}

/// Offset of the first occurrence of these bytes.
fn find(file: &[u8], bytes: &[u8]) -> usize {
    file.windows(bytes.len()).position(|window| window == bytes).unwrap()
}
