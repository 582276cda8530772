//! TIFF headers: the directory, as far as it describes the image and how its strips or tiles are stored (TIFF 6.0).

use std::io::{Read, Seek};

use tiff::ColorType;
use tiff::decoder::Decoder;
use tiff::decoder::ifd::Value;
use tiff::tags::{ByteOrder, CompressionMethod, ExtraSamples, PhotometricInterpretation, Tag};

use super::decoder_headers::{FileReader, MAX_DECODER_BYTES, map_tiff_error};
use super::{ImageHeader, MAX_PROFILE_BYTES, SourceFormat, exif, image_resources};
use crate::error::RenderError;
use crate::rights::{ImageRights, decode_text};
use crate::turn::Turn;
use offprint_core::Code;
use offprint_modifiers::PixelType;

/// Tag of Photoshop's image resources.
pub(crate) const TIFF_PHOTOSHOP: u16 = 34_377;

/// Tag of XMP.
pub(crate) const TIFF_XMP: u16 = 700;

/// Tag of IPTC.
const TIFF_IPTC: u16 = 33_723;

/// How an image is stored that `codec/tiff_strips.rs` can read.
#[derive(Clone, Debug)]
pub(crate) struct TiffLayout {
    /// Width and height, in pixels.
    pub(crate) size: (u32, u32),
    /// Components after decoding.
    pub(crate) color: PixelType,
    /// Whether there is alpha: `Some(true)` when colours are stored multiplied by it.
    pub(crate) alpha: Option<bool>,
    /// Stored samples per pixel, including those that are not used.
    pub(crate) samples: usize,
    /// Bits per sample.
    pub(crate) bits: u8,
    pub(crate) white_is_zero: bool,
    /// Palette; the first sample of a pixel is an index into it.
    pub(crate) palette: Option<Vec<[u8; 3]>>,
    /// For YCbCr: how many pixels share a chroma value, horizontally and vertically.
    pub(crate) ycbcr: Option<(usize, usize)>,
    pub(crate) compression: CompressionMethod,
    /// Whether samples are differences to the pixel on the left.
    pub(crate) has_predictor: bool,
    /// Whether each component has strips or tiles of its own.
    pub(crate) planar: bool,
    /// Whether the lowest bit of a byte comes first.
    pub(crate) low_bit_first: bool,
    pub(crate) byte_order: ByteOrder,
}

impl TiffLayout {
    /// `None` when the image is of another kind, or its directory is inconsistent.
    pub(crate) fn from_directory<R: Read + Seek>(decoder: &mut Decoder<R>) -> Option<Self> {
        let size = decoder.dimensions().ok()?;
        let byte_order = decoder.byte_order();
        let mut number = |tag, default: u16| match decoder.find_tag_unsigned::<u16>(tag) {
            Ok(value) => Some(value.unwrap_or(default)),
            Err(_) => None,
        };
        let samples = usize::from(number(Tag::SamplesPerPixel, 1)?);
        let compression = CompressionMethod::from_u16(number(Tag::Compression, 1)?)?;
        let interpretation = PhotometricInterpretation::from_u16(number(Tag::PhotometricInterpretation, 99)?)?;
        let predictor = number(Tag::Predictor, 1)?;
        let planar = number(Tag::PlanarConfiguration, 1)? == 2;
        let low_bit_first = number(Tag::FillOrder, 1)? == 2;
        let mut list = |tag| decoder.find_tag_unsigned_vec::<u16>(tag).ok();
        // Without the tag a sample has one bit.
        let bits = list(Tag::BitsPerSample)?.unwrap_or_else(|| vec![1]);
        let is_unsigned = list(Tag::SampleFormat)?.is_none_or(|formats| formats.iter().all(|format| *format == 1));
        let bits = bits.first().copied().filter(|first| is_unsigned && bits.iter().all(|other| other == first))?;
        let extra = list(Tag::ExtraSamples)?;
        let (color, stored) = match interpretation {
            PhotometricInterpretation::WhiteIsZero | PhotometricInterpretation::BlackIsZero => (PixelType::Gray, 1),
            PhotometricInterpretation::RGB | PhotometricInterpretation::YCbCr => (PixelType::Rgb, 3),
            PhotometricInterpretation::RGBPalette => (PixelType::Rgb, 1),
            PhotometricInterpretation::CMYK => (PixelType::Cmyk, 4),
            _ => return None,
        };
        let palette = match interpretation {
            PhotometricInterpretation::RGBPalette => Some(parse_color_map(&list(Tag::ColorMap)??, bits)?),
            _ => None,
        };
        let ycbcr = match interpretation {
            PhotometricInterpretation::YCbCr => Some(parse_subsampling(list(Tag::ChromaSubsampling)?.as_deref())?),
            _ => None,
        };
        let jpeg = compression == CompressionMethod::ModernJPEG;
        let is_readable = match compression {
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
        let is_predictor_supported = predictor == 1 || (predictor == 2 && matches!(bits, 8 | 16));
        if !is_readable
            || !is_predictor_supported
            || samples < stored
            || (jpeg && !planar && !matches!(samples, 1 | 3 | 4))
        {
            return None;
        }
        Some(Self {
            size,
            color,
            alpha: parse_extra_samples(samples - stored, extra.as_deref()),
            samples,
            bits: bits as u8,
            white_is_zero: interpretation == PhotometricInterpretation::WhiteIsZero,
            palette,
            ycbcr,
            compression,
            has_predictor: predictor == 2,
            planar,
            low_bit_first,
            byte_order,
        })
    }

    /// How many samples of a pixel are used; alpha is the last.
    pub(crate) fn samples_read(&self) -> usize {
        let colors = if self.palette.is_some() { 1 } else { self.color.components() };
        colors + usize::from(self.alpha.is_some())
    }

    /// Bits per component after decoding.
    fn decoded_bits(&self) -> u8 {
        if self.palette.is_some() { 8 } else { self.bits }
    }
}

/// Meaning of the samples behind the colours: `Some(premultiplied)` for alpha. A single sample without the tag is alpha
/// too: that is what programs mean that write four components and forget the tag.
fn parse_extra_samples(count: usize, extra_samples: Option<&[u16]>) -> Option<bool> {
    match extra_samples.and_then(|kinds| kinds.first()) {
        _ if count == 0 => None,
        Some(first) => match ExtraSamples::from_u16(*first)? {
            ExtraSamples::AssociatedAlpha => Some(true),
            ExtraSamples::UnassociatedAlpha => Some(false),
            _ => None,
        },
        None => (count == 1).then_some(false),
    }
}

/// How many pixels share a chroma value, horizontally and vertically; 2 and 2 without the tag.
fn parse_subsampling(subsampling: Option<&[u16]>) -> Option<(usize, usize)> {
    match subsampling {
        None => Some((2, 2)),
        Some(&[across, down]) if [1, 2, 4].contains(&across) && [1, 2, 4].contains(&down) => {
            Some((usize::from(across), usize::from(down)))
        }
        Some(_) => None,
    }
}

/// The tag has all reds, then all greens, then all blues, with 16 bits each.
fn parse_color_map(map: &[u16], bits: u16) -> Option<Vec<[u8; 3]>> {
    let colors = 1_usize << bits.min(16);
    if bits > 8 || map.len() != 3 * colors {
        return None;
    }
    // Some programs write 8 bits.
    let shift = if map.iter().all(|value| *value < 256) { 0 } else { 8 };
    Some((0..colors).map(|at| [0, 1, 2].map(|part| (map[part * colors + at] >> shift) as u8)).collect())
}

pub(super) fn read_tiff_header(input: FileReader) -> Result<ImageHeader, RenderError> {
    let mut limits = tiff::decoder::Limits::default();
    limits.ifd_value_size = MAX_DECODER_BYTES;
    let mut decoder = Decoder::new(input).map_err(map_tiff_error)?.with_limits(limits);
    let size = decoder.dimensions().map_err(map_tiff_error)?;
    let mut header = match TiffLayout::from_directory(&mut decoder) {
        Some(layout) => {
            let mut header = ImageHeader::new(SourceFormat::Tiff, size, layout.color, layout.decoded_bits());
            header.alpha = layout.alpha.is_some();
            header.premultiplied = layout.alpha == Some(true);
            header
        }
        None => read_fallback_header(&mut decoder, size)?,
    };
    let mut number = |tag| decoder.find_tag_unsigned::<u32>(tag).ok().flatten();
    header.orientation = Turn::from_exif(number(Tag::Orientation).unwrap_or(1));
    let unit = number(Tag::ResolutionUnit).unwrap_or(2);
    header.dpi = match decoder.find_tag(Tag::XResolution) {
        Ok(Some(Value::Rational(n, d))) => exif::to_dots_per_inch(f64::from(n) / f64::from(d), unit),
        _ => None,
    };
    let mut text = |tag| decoder.get_tag_ascii_string(tag).ok().and_then(|text| decode_text(text.as_bytes()));
    let (artist, copyright) = (text(Tag::Artist), text(Tag::Copyright));
    header.rights = ImageRights { creators: artist.into_iter().collect(), copyright, credit: None };
    if let Ok(iptc) = decoder.get_tag_u8_vec(Tag::Unknown(TIFF_IPTC)) {
        header.merge_rights(ImageRights::from_iptc(&iptc));
    }
    if let Ok(Some(resources)) = decoder.find_tag(Tag::Unknown(TIFF_PHOTOSHOP)) {
        let resources = resources.into_u8_vec().unwrap_or_default();
        header.paths = image_resources::find_paths(&resources);
        header.merge_rights(ImageRights::from_iptc(image_resources::find_iptc(&resources)));
    }
    header.set_xmp(decoder.get_tag_u8_vec(Tag::Unknown(TIFF_XMP)).ok());
    header.profile = decoder.get_tag_u8_vec(Tag::IccProfile).ok().filter(|profile| profile.len() <= MAX_PROFILE_BYTES);
    Ok(header)
}

/// Kinds of TIFF that only the image crate reads: floating point, and fax compression.
fn read_fallback_header(decoder: &mut Decoder<FileReader>, size: (u32, u32)) -> Result<ImageHeader, RenderError> {
    let kind = decoder.colortype().map_err(map_tiff_error)?;
    let compression = decoder.find_tag_unsigned::<u16>(Tag::Compression).map_err(map_tiff_error)?.unwrap_or(1);
    let plain = [
        CompressionMethod::None,
        CompressionMethod::LZW,
        CompressionMethod::Deflate,
        CompressionMethod::OldDeflate,
        CompressionMethod::PackBits,
    ];
    let plain = plain.iter().any(|known| known.to_u16() == compression);
    let (color, bits, alpha) = match kind {
        ColorType::Gray(1) if compression == CompressionMethod::Fax4.to_u16() => (PixelType::Gray, 1, false),
        ColorType::RGB(32) if plain => (PixelType::Rgb, 32, false),
        ColorType::RGBA(32) if plain => (PixelType::Rgb, 32, true),
        kind => {
            let detail = format!("TIFF images of the kind {kind:?} with compression {compression} cannot be read.");
            return Err(RenderError::new(Code::UnsupportedColor, detail));
        }
    };
    let mut header = ImageHeader::new(SourceFormat::Tiff, size, color, bits);
    header.alpha = alpha;
    let extra = decoder.find_tag_unsigned_vec::<u16>(Tag::ExtraSamples).ok().flatten().unwrap_or_default();
    header.premultiplied = alpha && extra.first() == Some(&ExtraSamples::AssociatedAlpha.to_u16());
    Ok(header)
}
