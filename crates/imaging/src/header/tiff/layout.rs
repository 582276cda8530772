//! How the pixels of a TIFF are stored, as far as its directory tells without its lists of strips or tiles: components,
//! depth, alpha, palette, compression. What is read here can be decoded by `codec/tiff`; everything else is refused in
//! words. Source: TIFF 6.0.

use std::io::{Read, Seek};

use offprint_core::Code;
use offprint_modifiers::PixelType;

use super::compression::TiffCompression;
use super::directory::{Directory, TiffFile};
use super::tags;
use super::ycbcr::YcbcrLayout;
use crate::error::RenderError;
use crate::header::corrupt_error;

/// Most samples of a pixel, as in libtiff's tools: more is scientific data.
const MAX_SAMPLES: u64 = 64;

/// How an image is stored.
#[derive(Clone, Debug)]
pub(crate) struct TiffLayout {
    /// Width and height, in pixels.
    pub(crate) size: (u32, u32),
    /// Components after decoding.
    pub(crate) color: PixelType,
    pub(crate) alpha: Option<TiffAlpha>,
    /// Stored samples per pixel, including those that are not used.
    pub(crate) samples: usize,
    /// Bits per sample.
    pub(crate) bits: u8,
    /// Whether samples are floating-point numbers, 1 being white; otherwise they are unsigned integers.
    pub(crate) is_float: bool,
    pub(crate) white_is_zero: bool,
    /// Palette; the first sample of a pixel is an index into it.
    pub(crate) palette: Option<Vec<[u8; 3]>>,
    pub(crate) ycbcr: Option<YcbcrLayout>,
    pub(crate) compression: TiffCompression,
    pub(crate) predictor: Predictor,
    /// Whether each component has strips or tiles of its own.
    pub(crate) planar: bool,
    /// Whether the lowest bit of a byte comes first.
    pub(crate) low_bit_first: bool,
    pub(crate) little_endian: bool,
}

/// Where alpha is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TiffAlpha {
    /// Its number among the samples of a pixel.
    pub(crate) sample: usize,
    /// Whether colours are stored multiplied by it.
    pub(crate) premultiplied: bool,
}

/// What samples are stored as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Predictor {
    None,
    /// As differences to the pixel on the left.
    Horizontal,
    /// As differences between the bytes of floating-point numbers. Source: Adobe's TIFF Technical Note 3.
    FloatingPoint,
}

/// Photometric interpretations.
const WHITE_IS_ZERO: u64 = 0;
const BLACK_IS_ZERO: u64 = 1;
const RGB: u64 = 2;
const PALETTE: u64 = 3;
const CMYK: u64 = 5;
const YCBCR: u64 = 6;

impl TiffLayout {
    /// Reads the layout of the image that a directory describes.
    ///
    /// # Errors
    /// `unsupported-format` and `unsupported-color` for what cannot be decoded, `corrupt` when the directory
    /// contradicts itself.
    pub(crate) fn read<R: Read + Seek>(file: &mut TiffFile<R>, directory: &Directory) -> Result<Self, RenderError> {
        let size = file.find_size(directory).ok_or_else(|| corrupt_error("The TIFF has no width or height."))?;
        let mut number = |tag, default| file.find_number(directory, tag).unwrap_or(default);
        let compression = TiffCompression::from_tag(number(tags::COMPRESSION, 1), number(tags::T4_OPTIONS, 0))?;
        // Without the tag there are as many samples as there are depths.
        let depths = directory.count(tags::BITS_PER_SAMPLE).max(1);
        let samples = number(tags::SAMPLES_PER_PIXEL, depths);
        let planar = number(tags::PLANAR_CONFIGURATION, 1) == 2;
        let low_bit_first = number(tags::FILL_ORDER, 1) == 2;
        let ink_set = number(tags::INK_SET, 1);
        if !(1..=MAX_SAMPLES).contains(&samples) {
            return Err(color_error(&format!("{samples} samples per pixel")));
        }
        let samples = samples as usize;
        let (bits, is_float) = read_sample_kind(file, directory, samples)?;
        let extra = file.find_numbers(directory, tags::EXTRA_SAMPLES, samples)?;
        let photometric = match file.find_number(directory, tags::PHOTOMETRIC) {
            Some(photometric) => photometric,
            None => guess_photometric(samples, extra.as_deref(), compression).ok_or_else(|| {
                corrupt_error("The TIFF does not say what its samples mean (PhotometricInterpretation).")
            })?,
        };
        let (color, stored) = match photometric {
            WHITE_IS_ZERO | BLACK_IS_ZERO => (PixelType::Gray, 1),
            RGB | YCBCR => (PixelType::Rgb, 3),
            PALETTE => (PixelType::Rgb, 1),
            CMYK if ink_set == 2 => return Err(color_error("inks that are not CMYK")),
            CMYK => (PixelType::Cmyk, 4),
            other => return Err(color_error(&name_photometric(other))),
        };
        if samples < stored {
            return Err(corrupt_error(format!("The TIFF has {samples} samples per pixel; its colours need {stored}.")));
        }
        let palette = match photometric {
            PALETTE => Some(read_color_map(file, directory, bits)?),
            _ => None,
        };
        let ycbcr = match photometric {
            YCBCR => Some(YcbcrLayout::read(file, directory)?),
            _ => None,
        };
        let layout = Self {
            size,
            color,
            alpha: find_alpha(stored, samples, extra.as_deref()),
            samples,
            bits,
            is_float,
            white_is_zero: photometric == WHITE_IS_ZERO,
            palette,
            ycbcr,
            compression,
            predictor: read_predictor(file, directory, compression, is_float)?,
            planar,
            low_bit_first,
            little_endian: file.little_endian,
        };
        layout.check_combination()?;
        Ok(layout)
    }

    /// Refuses combinations that no program writes, or that a compression cannot hold.
    fn check_combination(&self) -> Result<(), RenderError> {
        let refuse = |what: &str| Err(color_error(what));
        match self.compression {
            TiffCompression::Jpeg if self.bits != 8 || self.is_float => refuse("JPEG compression of other than 8 bits"),
            TiffCompression::Jpeg if self.planar && self.ycbcr.is_some() => refuse("YCbCr in separate planes"),
            TiffCompression::Jpeg if !self.planar && !matches!(self.samples, 1 | 3 | 4) => {
                refuse(&format!("JPEG compression of {} samples per pixel", self.samples))
            }
            TiffCompression::Fax(_) if (self.bits, self.samples) != (1, 1) => {
                refuse("CCITT compression of other than black and white")
            }
            _ if self.ycbcr.is_some() && self.bits != 8 => refuse(&format!("YCbCr with {} bits", self.bits)),
            TiffCompression::Jpeg => Ok(()),
            _ if self.shared_chroma().is_some() && (self.planar || self.samples != 3) => {
                refuse("YCbCr with shared chroma and further samples or planes")
            }
            _ => Ok(()),
        }
    }

    /// How many pixels share a chroma value, where more than one do and the compression does not care for it itself.
    pub(crate) fn shared_chroma(&self) -> Option<(usize, usize)> {
        let shared = self.ycbcr.filter(|_| self.compression != TiffCompression::Jpeg)?.subsampling;
        (shared != (1, 1)).then_some(shared)
    }

    /// The samples of a pixel that are used, by their number; alpha is the last.
    pub(crate) fn used_samples(&self) -> Vec<usize> {
        let colors = if self.palette.is_some() { 1 } else { self.color.components() };
        (0..colors).chain(self.alpha.map(|alpha| alpha.sample)).collect()
    }

    /// Bits per component after decoding.
    pub(super) fn decoded_bits(&self) -> u8 {
        if self.palette.is_some() { 8 } else { self.bits }
    }
}

fn color_error(what: &str) -> RenderError {
    let remedy = "Save it as gray, RGB or CMYK with 8 or 16 bits and upload it again.";
    RenderError::new(Code::UnsupportedColor, format!("TIFF images with {what} cannot be read. {remedy}"))
}

fn name_photometric(number: u64) -> String {
    match number {
        4 => "a transparency mask alone".to_owned(),
        8..=10 => "CIE L*a*b* colours".to_owned(),
        32_803 | 34_892 => "the raw data of a camera's sensor".to_owned(),
        32_844 | 32_845 => "LogLuv colours".to_owned(),
        other => format!("an unknown colour space (PhotometricInterpretation {other})"),
    }
}

/// What samples mean where the tag is missing, as libtiff assumes.
fn guess_photometric(samples: usize, extra: Option<&[u64]>, compression: TiffCompression) -> Option<u64> {
    match (samples.saturating_sub(extra.map_or(0, <[u64]>::len)), compression) {
        (1, TiffCompression::Fax(_)) => Some(WHITE_IS_ZERO),
        (1, _) => Some(BLACK_IS_ZERO),
        (3, TiffCompression::Jpeg) => Some(YCBCR),
        (3, _) => Some(RGB),
        _ => None,
    }
}

/// Bits per sample, and whether they are floating-point numbers.
fn read_sample_kind<R: Read + Seek>(
    file: &mut TiffFile<R>,
    directory: &Directory,
    samples: usize,
) -> Result<(u8, bool), RenderError> {
    // Without the tag a sample has one bit; one value may stand for all samples.
    let bits = file.find_numbers(directory, tags::BITS_PER_SAMPLE, samples)?.unwrap_or_else(|| vec![1]);
    let formats = file.find_numbers(directory, tags::SAMPLE_FORMAT, samples)?.unwrap_or_else(|| vec![1]);
    let (Some(first_bits), Some(format)) = (bits.first().copied(), formats.first().copied()) else {
        return Err(corrupt_error("The TIFF does not say how many bits a sample has."));
    };
    if bits.iter().any(|other| *other != first_bits) || formats.iter().any(|other| *other != format) {
        return Err(color_error("samples of different kinds"));
    }
    match (format, first_bits) {
        // 4 is undefined, which TIFF 6.0 says to read as unsigned.
        (0 | 1 | 4, 1..=32) => Ok((first_bits as u8, false)),
        (3, 16 | 32 | 64) => Ok((first_bits as u8, true)),
        (2, _) => Err(color_error(&format!("signed integers of {first_bits} bits"))),
        (3, _) => Err(color_error(&format!("floating-point numbers of {first_bits} bits"))),
        (5 | 6, _) => Err(color_error("complex numbers")),
        _ => Err(color_error(&format!("{first_bits} bits per sample"))),
    }
}

fn read_predictor<R: Read + Seek>(
    file: &mut TiffFile<R>,
    directory: &Directory,
    compression: TiffCompression,
    is_float: bool,
) -> Result<Predictor, RenderError> {
    if matches!(compression, TiffCompression::Jpeg | TiffCompression::Fax(_)) {
        return Ok(Predictor::None);
    }
    let bits = file.find_number(directory, tags::BITS_PER_SAMPLE).unwrap_or(1);
    match file.find_number(directory, tags::PREDICTOR).unwrap_or(1) {
        1 => Ok(Predictor::None),
        2 if matches!(bits, 8 | 16 | 32 | 64) => Ok(Predictor::Horizontal),
        3 if is_float => Ok(Predictor::FloatingPoint),
        other => Err(color_error(&format!("predictor {other} for {bits} bits per sample"))),
    }
}

/// Finds alpha among the samples behind the colours. A single sample without the tag is alpha too: that is what
/// programs mean that write four components and forget the tag.
fn find_alpha(colors: usize, samples: usize, extra: Option<&[u64]>) -> Option<TiffAlpha> {
    let Some(kinds) = extra.filter(|kinds| !kinds.is_empty()) else {
        return (samples == colors + 1).then_some(TiffAlpha { sample: colors, premultiplied: false });
    };
    let kinds = &kinds[..kinds.len().min(samples - colors)];
    let place = kinds.iter().position(|kind| matches!(kind, 1 | 2))?;
    Some(TiffAlpha { sample: colors + place, premultiplied: kinds[place] == 1 })
}

/// The tag has all reds, then all greens, then all blues, with 16 bits each.
fn read_color_map<R: Read + Seek>(
    file: &mut TiffFile<R>,
    directory: &Directory,
    bits: u8,
) -> Result<Vec<[u8; 3]>, RenderError> {
    if bits > 8 {
        return Err(color_error(&format!("a palette and {bits} bits per sample")));
    }
    let colors = 1_usize << bits;
    let map = file.find_numbers(directory, tags::COLOR_MAP, 3 * colors)?.unwrap_or_default();
    if map.len() != 3 * colors {
        return Err(corrupt_error(format!("The palette of the TIFF has not {colors} colours.")));
    }
    // Some programs write 8 bits.
    let shift = if map.iter().all(|value| *value < 256) { 0 } else { 8 };
    Ok((0..colors).map(|at| [0, 1, 2].map(|part| (map[part * colors + at] >> shift) as u8)).collect())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::io::Cursor;

    use super::super::samples::{Kind, SampleEntry, TiffSample};
    use super::*;

    fn read(entries: &[SampleEntry<'_>]) -> Result<TiffLayout, RenderError> {
        let mut sample = TiffSample::default();
        let size: [SampleEntry<'_>; 2] = [(256, Kind::Short, &[6]), (257, Kind::Short, &[4])];
        sample.add_directory(&[&size[..], entries].concat());
        let mut file = TiffFile::open(Cursor::new(sample.finish())).unwrap();
        let directory = file.read_directory(file.first_directory)?;
        TiffLayout::read(&mut file, &directory)
    }

    fn entry(tag: u16, values: &[u64]) -> SampleEntry<'_> {
        (tag, Kind::Short, values)
    }

    #[test]
    fn integers_are_not_read_as_floating_point_numbers() {
        let kind = |bits: &[u64], format: Option<&[u64]>| {
            let format: Vec<_> = format.into_iter().map(|format| entry(339, format)).collect();
            let layout = read(&[&[entry(258, bits), entry(262, &[2]), entry(277, &[3])], &format[..]].concat());
            layout.map(|layout| (layout.bits, layout.is_float)).map_err(|failure| failure.code)
        };
        assert_eq!(kind(&[32, 32, 32], None), Ok((32, false)));
        assert_eq!(kind(&[32, 32, 32], Some(&[1, 1, 1])), Ok((32, false)));
        assert_eq!(kind(&[8, 8, 8], Some(&[4, 4, 4])), Ok((8, false)));
        assert_eq!(kind(&[8], Some(&[4])), Ok((8, false)));
        assert_eq!(kind(&[32, 32, 32], Some(&[3, 3, 3])), Ok((32, true)));
        assert_eq!(kind(&[16], Some(&[3])), Ok((16, true)));
        let untold = read(&[entry(258, &[8, 8, 8]), entry(262, &[2])]).unwrap();
        assert_eq!(untold.samples, 3);
        for (bits, format) in [(16, 2), (32, 2), (32, 5), (64, 6), (64, 1), (8, 3)] {
            assert_eq!(kind(&[bits], Some(&[format])), Err(Code::UnsupportedColor), "{bits} {format}");
        }
        assert_eq!(kind(&[5, 6, 5], None), Err(Code::UnsupportedColor));
    }

    #[test]
    fn alpha_is_found_behind_other_samples() {
        let alpha = |extra: Option<&[u64]>, samples: u64| {
            let extra: Vec<_> = extra.into_iter().map(|extra| entry(338, extra)).collect();
            let layout = read(&[&[entry(258, &[8]), entry(262, &[2]), entry(277, &[samples])], &extra[..]].concat());
            layout.unwrap().alpha.map(|alpha| (alpha.sample, alpha.premultiplied))
        };
        assert_eq!(alpha(Some(&[2]), 4), Some((3, false)));
        assert_eq!(alpha(Some(&[0, 2]), 5), Some((4, false)));
        assert_eq!(alpha(Some(&[0, 0, 1]), 6), Some((5, true)));
        assert_eq!(alpha(Some(&[0]), 4), None);
        assert_eq!(alpha(Some(&[0, 2]), 4), None);
        assert_eq!((alpha(None, 3), alpha(None, 4), alpha(None, 5)), (None, Some((3, false)), None));
    }

    #[test]
    fn colours_that_are_not_read_are_named() {
        let cases: [(u64, &str); 5] =
            [(8, "L*a*b*"), (32_845, "LogLuv"), (32_803, "sensor"), (77, "PhotometricInterpretation 77"), (4, "mask")];
        for (photometric, name) in cases {
            let failure = read(&[entry(258, &[8]), entry(262, &[photometric]), entry(277, &[3])]).unwrap_err();
            assert!(failure.code == Code::UnsupportedColor && failure.detail.contains(name), "{failure}");
        }
        let inks = read(&[entry(258, &[8]), entry(262, &[5]), entry(277, &[6]), entry(332, &[2])]).unwrap_err();
        assert!(inks.detail.contains("inks that are not CMYK"), "{inks}");
    }
}
