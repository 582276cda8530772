//! The directory of a TIFF, as far as it says what the picture is and how its pieces are to be read (TIFF 6.0).

use std::io::{Read, Seek};

use tiff::ColorType;
use tiff::decoder::Decoder;
use tiff::decoder::ifd::Value;
use tiff::tags::{ByteOrder, CompressionMethod, ExtraSamples, PhotometricInterpretation, Tag};

use super::others::{Input, MOST, tiff_failure};
use super::{Header, MAX_PROFILE, SourceFormat, exif, photoshop};
use offprint_core::Code;
use offprint_modifiers::PixelType;
use crate::failure::Failure;
use crate::rights::{Rights, words};
use crate::turn::Turn;

/// The tag of Photoshop's image resources.
pub(in crate) const TIFF_PHOTOSHOP: u16 = 34_377;

/// The tag of XMP.
pub(in crate) const TIFF_XMP: u16 = 700;

/// The tag of IPTC.
const IPTC: u16 = 33_723;

/// How a picture is stored whose pieces we read ourselves.
#[derive(Clone, Debug)]
pub(in crate) struct Layout {
    /// Width and height in pixels.
    pub size: (u32, u32),
    /// The components of the picture, once decoded.
    pub color: PixelType,
    /// Whether there is alpha, and then whether colours are multiplied by it.
    pub alpha: Option<bool>,
    /// How many numbers each pixel has, those without a meaning for us among them.
    pub samples: usize,
    /// Bits of each number.
    pub bits: u8,
    /// Whether a gray of 0 is white.
    pub white_is_zero: bool,
    /// The colours that the first number chooses from.
    pub palette: Option<Vec<[u8; 3]>>,
    /// Whether it is stored as brightness and two differences, and then for how many pixels across and down those hold.
    pub ycbcr: Option<(usize, usize)>,
    /// How pieces are compressed.
    pub method: CompressionMethod,
    /// Whether numbers are differences to the pixel on the left.
    pub differences: bool,
    /// Whether each component has pieces of its own.
    pub planar: bool,
    /// Whether the lowest bit of a byte comes first.
    pub low_bit_first: bool,
    /// The order of the bytes of a number.
    pub order: ByteOrder,
}

impl Layout {
    /// `None` when the picture is of another kind, or its directory does not hold together.
    pub fn of<R: Read + Seek>(decoder: &mut Decoder<R>) -> Option<Self> {
        let size = decoder.dimensions().ok()?;
        let order = decoder.byte_order();
        let mut number = |tag, default: u16| match decoder.find_tag_unsigned::<u16>(tag) {
            Ok(found) => Some(found.unwrap_or(default)),
            Err(_) => None,
        };
        let samples = usize::from(number(Tag::SamplesPerPixel, 1)?);
        let method = CompressionMethod::from_u16(number(Tag::Compression, 1)?)?;
        let interpretation = PhotometricInterpretation::from_u16(number(Tag::PhotometricInterpretation, 99)?)?;
        let predictor = number(Tag::Predictor, 1)?;
        let planar = number(Tag::PlanarConfiguration, 1)? == 2;
        let low_bit_first = number(Tag::FillOrder, 1)? == 2;
        let mut list = |tag| decoder.find_tag_unsigned_vec::<u16>(tag).ok();
        // Without the tag a number has one bit.
        let bits = list(Tag::BitsPerSample)?.unwrap_or_else(|| vec![1]);
        let same = list(Tag::SampleFormat)?.is_none_or(|formats| formats.iter().all(|format| *format == 1));
        let bits = bits.first().copied().filter(|first| same && bits.iter().all(|it| it == first))?;
        let extra = list(Tag::ExtraSamples)?;
        let (color, stored) = match interpretation {
            PhotometricInterpretation::WhiteIsZero | PhotometricInterpretation::BlackIsZero => (PixelType::Gray, 1),
            PhotometricInterpretation::RGB | PhotometricInterpretation::YCbCr => (PixelType::Rgb, 3),
            PhotometricInterpretation::RGBPalette => (PixelType::Rgb, 1),
            PhotometricInterpretation::CMYK => (PixelType::Cmyk, 4),
            _ => return None,
        };
        let palette = match interpretation {
            PhotometricInterpretation::RGBPalette => Some(palette(&list(Tag::ColorMap)??, bits)?),
            _ => None,
        };
        let ycbcr = match interpretation {
            PhotometricInterpretation::YCbCr => Some(subsampling(list(Tag::ChromaSubsampling)?.as_deref())?),
            _ => None,
        };
        let jpeg = method == CompressionMethod::ModernJPEG;
        let reads = match method {
            CompressionMethod::None
            | CompressionMethod::LZW
            | CompressionMethod::Deflate
            | CompressionMethod::OldDeflate
            | CompressionMethod::PackBits => match ycbcr {
                Some(_) => bits == 8 && predictor == 1 && samples == 3 && !planar,
                None => (1..=16).contains(&bits),
            },
            CompressionMethod::ModernJPEG => bits == 8 && predictor == 1 && !(ycbcr.is_some() && planar),
            _ => false,
        };
        let undone = predictor == 1 || (predictor == 2 && matches!(bits, 8 | 16));
        if !reads || !undone || samples < stored || (jpeg && !planar && !matches!(samples, 1 | 3 | 4)) {
            return None;
        }
        Some(Self {
            size,
            color,
            alpha: alpha(samples - stored, extra.as_deref()),
            samples,
            bits: bits as u8,
            white_is_zero: interpretation == PhotometricInterpretation::WhiteIsZero,
            palette,
            ycbcr,
            method,
            differences: predictor == 2,
            planar,
            low_bit_first,
            order,
        })
    }

    /// How many of a pixel's numbers are read; alpha is the last.
    pub fn read(&self) -> usize {
        let colors = if self.palette.is_some() { 1 } else { self.color.components() };
        colors + usize::from(self.alpha.is_some())
    }

    /// Bits of a component once decoded.
    fn depth(&self) -> u8 {
        if self.palette.is_some() { 8 } else { self.bits }
    }
}

/// What the numbers behind the colours mean: `Some` is alpha. One that nothing is said of is alpha, for programs that
/// write four components and forget the tag mean that.
fn alpha(count: usize, said: Option<&[u16]>) -> Option<bool> {
    match said.and_then(|said| said.first()) {
        _ if count == 0 => None,
        Some(first) => match ExtraSamples::from_u16(*first)? {
            ExtraSamples::AssociatedAlpha => Some(true),
            ExtraSamples::UnassociatedAlpha => Some(false),
            _ => None,
        },
        None => (count == 1).then_some(false),
    }
}

/// For how many pixels across and down a difference holds; two each way where nobody says it.
fn subsampling(said: Option<&[u16]>) -> Option<(usize, usize)> {
    match said {
        None => Some((2, 2)),
        Some(&[across, down]) if [1, 2, 4].contains(&across) && [1, 2, 4].contains(&down) => {
            Some((usize::from(across), usize::from(down)))
        }
        Some(_) => None,
    }
}

/// All reds, then all greens, then all blues, with sixteen bits.
fn palette(map: &[u16], bits: u16) -> Option<Vec<[u8; 3]>> {
    let colors = 1_usize << bits.min(16);
    if bits > 8 || map.len() != 3 * colors {
        return None;
    }
    // Some programs write eight bits.
    let shift = if map.iter().all(|value| *value < 256) { 0 } else { 8 };
    Some((0..colors).map(|at| [0, 1, 2].map(|part| (map[part * colors + at] >> shift) as u8)).collect())
}

pub(super) fn read(input: Input) -> Result<Header, Failure> {
    let mut limits = tiff::decoder::Limits::default();
    limits.ifd_value_size = MOST;
    let mut decoder = Decoder::new(input).map_err(tiff_failure)?.with_limits(limits);
    let size = decoder.dimensions().map_err(tiff_failure)?;
    let mut header = match Layout::of(&mut decoder) {
        Some(layout) => {
            let mut header = Header::new(SourceFormat::Tiff, size, layout.color, layout.depth());
            header.alpha = layout.alpha.is_some();
            header.premultiplied = layout.alpha == Some(true);
            header
        }
        None => rare(&mut decoder, size)?,
    };
    let mut number = |tag| decoder.find_tag_unsigned::<u32>(tag).ok().flatten();
    header.orientation = Turn::from_exif(number(Tag::Orientation).unwrap_or(1));
    let unit = number(Tag::ResolutionUnit).unwrap_or(2);
    header.dpi = match decoder.find_tag(Tag::XResolution) {
        Ok(Some(Value::Rational(n, d))) => exif::dots_per_inch(f64::from(n) / f64::from(d), unit),
        _ => None,
    };
    let mut text = |tag| decoder.get_tag_ascii_string(tag).ok().and_then(|text| words(text.as_bytes()));
    let (artist, copyright) = (text(Tag::Artist), text(Tag::Copyright));
    header.rights = Rights { creators: artist.into_iter().collect(), copyright, credit: None };
    if let Ok(iptc) = decoder.get_tag_u8_vec(Tag::Unknown(IPTC)) {
        header.take_rights(Rights::of_iptc(&iptc));
    }
    if let Ok(Some(resources)) = decoder.find_tag(Tag::Unknown(TIFF_PHOTOSHOP)) {
        let resources = resources.into_u8_vec().unwrap_or_default();
        header.paths = photoshop::paths(&resources);
        header.take_rights(Rights::of_iptc(photoshop::iptc(&resources)));
    }
    header.take_xmp(decoder.get_tag_u8_vec(Tag::Unknown(TIFF_XMP)).ok());
    header.profile = decoder.get_tag_u8_vec(Tag::IccProfile).ok().filter(|it| it.len() <= MAX_PROFILE);
    Ok(header)
}

/// What the image crate reads besides: floating point, and faxes.
fn rare(decoder: &mut Decoder<Input>, size: (u32, u32)) -> Result<Header, Failure> {
    let kind = decoder.colortype().map_err(tiff_failure)?;
    let method = decoder.find_tag_unsigned::<u16>(Tag::Compression).map_err(tiff_failure)?.unwrap_or(1);
    let plain = [
        CompressionMethod::None,
        CompressionMethod::LZW,
        CompressionMethod::Deflate,
        CompressionMethod::OldDeflate,
        CompressionMethod::PackBits,
    ];
    let plain = plain.iter().any(|known| known.to_u16() == method);
    let (color, bits, alpha) = match kind {
        ColorType::Gray(1) if method == CompressionMethod::Fax4.to_u16() => (PixelType::Gray, 1, false),
        ColorType::RGB(32) if plain => (PixelType::Rgb, 32, false),
        ColorType::RGBA(32) if plain => (PixelType::Rgb, 32, true),
        other => {
            let detail = format!("TIFF pictures of the kind {other:?} with the compression {method} cannot be read.");
            return Err(Failure::new(Code::UnsupportedColor, detail));
        }
    };
    let mut header = Header::new(SourceFormat::Tiff, size, color, bits);
    header.alpha = alpha;
    let extra = decoder.find_tag_unsigned_vec::<u16>(Tag::ExtraSamples).ok().flatten().unwrap_or_default();
    header.premultiplied = alpha && extra.first() == Some(&ExtraSamples::AssociatedAlpha.to_u16());
    Ok(header)
}
