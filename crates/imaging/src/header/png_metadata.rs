//! Metadata of a PNG: colour, resolution, EXIF and texts, some of which stand in the formats of older programs.

use std::borrow::Cow;
use std::io::{Read, Seek};

use offprint_core::Code;

use super::ImageHeader;
use super::bounds::{MAX_PROFILE_BYTES, MAX_TEXT_BYTES};
use super::exif::to_dots_per_inch;
use super::metadata::Metadata;
use super::png_chunks::{ChunkReader, InflateError, Inflater, PngChunk, read_metadata_chunks};
use crate::colour::{Chromaticities, encode_cicp_profile, encode_gamma_profile};
use crate::error::RenderError;
use crate::rights::decode_text;
use crate::xmp::SIGNATURE as XMP_SIGNATURE;

/// The keyword of XMP.
pub(crate) const XMP_KEYWORD: &str = "XML:com.adobe.xmp";

/// What precedes the name of a profile in the keyword of ImageMagick, and of exiftool before `eXIf` existed.
const RAW_PROFILE: &[u8] = b"Raw profile type ";

/// The chunks that say what the numbers of the pixels mean.
#[derive(Default)]
struct PngColor {
    /// Primaries, transfer, matrix and range, by the numbers of ITU-T H.273.
    cicp: Option<[u8; 4]>,
    profile: Option<Vec<u8>>,
    raw_profile: Option<Vec<u8>>,
    is_srgb: bool,
    /// The exponent by which light became numbers.
    gamma: Option<f64>,
    chromaticities: Option<Chromaticities>,
}

/// What was read so far.
#[derive(Default)]
struct PngMetadata {
    metadata: Metadata,
    color: PngColor,
    inflater: Inflater,
}

/// Reads all metadata of a PNG into the header.
///
/// # Errors
/// `unsupported-color` for HDR and narrow-range colours.
pub(super) fn read_png_metadata(input: &mut (impl Read + Seek), header: &mut ImageHeader) -> Result<(), RenderError> {
    let mut chunks = PngMetadata::default();
    read_metadata_chunks(input, &mut chunks);
    let PngMetadata { metadata, color, .. } = chunks;
    header.profile = color.into_profile()?;
    metadata.apply(header);
    Ok(())
}

impl ChunkReader for PngMetadata {
    fn wants_text(&self, keyword: &[u8]) -> bool {
        keyword == XMP_KEYWORD.as_bytes()
            || matches!(keyword, b"Author" | b"Copyright")
            || keyword.starts_with(RAW_PROFILE)
    }

    fn take_chunk(&mut self, PngChunk { kind, data, is_early }: PngChunk) {
        match (&kind, &data[..]) {
            (b"tEXt" | b"zTXt" | b"iTXt", _) => {
                if let Some((keyword, text)) = self.parse_text(&kind, &data) {
                    add_text(&mut self.metadata, &mut self.color, keyword, &text);
                }
            }
            (b"eXIf", _) => self.metadata.add_exif(&data),
            (b"pHYs", &[a, b, c, d, _, _, _, _, 1]) => {
                let per_metre = f64::from(u32::from_be_bytes([a, b, c, d]));
                self.metadata.dpi = to_dots_per_inch(per_metre * 0.0254, 2);
            }
            (b"iCCP", _) if is_early && self.color.profile.is_none() => self.parse_profile(&data),
            _ if is_early => self.color.read_chunk(&kind, &data),
            _ => {}
        }
    }

    fn skip_long_chunk(&mut self, kind: [u8; 4], length: u32) {
        match &kind {
            b"iCCP" => self.metadata.ignore_profile(length.into()),
            b"eXIf" => self.metadata.leave_out("EXIF"),
            b"tEXt" | b"zTXt" | b"iTXt" => self.metadata.leave_out("texts"),
            _ => {}
        }
    }
}

impl PngMetadata {
    /// A name, a zero, the method, and the deflated profile.
    fn parse_profile(&mut self, data: &[u8]) {
        let Some(deflated) = split_at_zero(data).and_then(|(_, rest)| rest.strip_prefix(&[0])) else { return };
        match self.inflater.inflate(deflated, MAX_PROFILE_BYTES) {
            Ok(profile) => self.color.profile = Some(profile),
            // How long it is was not found out.
            Err(InflateError::TooLong) => self.metadata.ignore_profile(MAX_PROFILE_BYTES as u64 + 1),
            Err(InflateError::Damaged) => {}
        }
    }

    /// Keyword and text of a chunk.
    fn parse_text<'a>(&mut self, kind: &[u8; 4], data: &'a [u8]) -> Option<(&'a [u8], Cow<'a, [u8]>)> {
        let (keyword, rest) = split_at_zero(data)?;
        let text = match (kind, rest) {
            (b"tEXt", text) => text.into(),
            (b"zTXt", [0, deflated @ ..]) => self.inflate_text(deflated)?.into(),
            // Two flags, the language, and the keyword in that language.
            (b"iTXt", [compressed, _, rest @ ..]) => {
                let (_, rest) = split_at_zero(rest)?;
                let (_, text) = split_at_zero(rest)?;
                if *compressed == 0 { text.into() } else { self.inflate_text(text)?.into() }
            }
            _ => return None,
        };
        Some((keyword, text))
    }

    fn inflate_text(&mut self, deflated: &[u8]) -> Option<Vec<u8>> {
        let inflated = self.inflater.inflate(deflated, MAX_TEXT_BYTES);
        if inflated == Err(InflateError::TooLong) {
            self.metadata.leave_out("texts");
        }
        inflated.ok()
    }
}

impl PngColor {
    fn read_chunk(&mut self, kind: &[u8; 4], data: &[u8]) {
        let number = |at: usize| {
            let bytes = data.get(4 * at..).and_then(|data| data.first_chunk());
            bytes.map_or(f64::NAN, |bytes| f64::from(u32::from_be_bytes(*bytes)) / 100_000.0)
        };
        match kind {
            b"cICP" => self.cicp = data.try_into().ok(),
            b"sRGB" => self.is_srgb = true,
            b"gAMA" => self.gamma = Some(number(0)),
            b"cHRM" => self.chromaticities = Some(std::array::from_fn(number)),
            _ => {}
        }
    }

    /// The ICC profile that means the same. The order is that of the specification, section 4.3.
    fn into_profile(self) -> Result<Option<Vec<u8>>, RenderError> {
        // The matrix is always 0: RGB.
        if let Some([primaries, transfer, 0, full_range]) = self.cicp {
            let described = encode_cicp_profile(primaries.into(), transfer.into())?;
            if full_range == 0 {
                let detail = "The values of this PNG have the narrow range of video. Save it with full range.";
                return Err(RenderError::new(Code::UnsupportedColor, detail));
            }
            if described.is_some() {
                return Ok(described);
            }
        }
        match self.profile.or(self.raw_profile) {
            Some(profile) => Ok(Some(profile)),
            None if self.is_srgb => encode_cicp_profile(1, 13),
            None => Ok(encode_gamma_profile(self.gamma, self.chromaticities)),
        }
    }
}

fn split_at_zero(data: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = data.iter().position(|byte| *byte == 0)?;
    Some((&data[..end], &data[end + 1..]))
}

fn add_text(metadata: &mut Metadata, color: &mut PngColor, keyword: &[u8], text: &[u8]) {
    match keyword {
        _ if keyword == XMP_KEYWORD.as_bytes() => metadata.add_xmp(text),
        b"Author" if metadata.texts.creators.is_empty() => metadata.texts.creators.extend(decode_text(text)),
        b"Copyright" => metadata.texts.copyright = metadata.texts.copyright.take().or_else(|| decode_text(text)),
        _ => {
            let Some(name) = keyword.strip_prefix(RAW_PROFILE) else { return };
            let Some(profile) = parse_raw_profile(text) else { return };
            add_raw_profile(metadata, color, name, profile);
        }
    }
}

/// Adds a profile by its name. Programs differ in what they put where: IPTC may be wrapped in Photoshop's resources, and
/// `APP1` is what a JPEG has in that segment.
fn add_raw_profile(metadata: &mut Metadata, color: &mut PngColor, name: &[u8], profile: Vec<u8>) {
    let profile = profile.strip_prefix(b"Photoshop 3.0\0").map(<[u8]>::to_vec).unwrap_or(profile);
    match name.to_ascii_lowercase().as_slice() {
        b"exif" | b"app1" | b"xmp" => match profile.strip_prefix(XMP_SIGNATURE) {
            Some(xmp) => metadata.add_xmp(xmp),
            None if name.eq_ignore_ascii_case(b"xmp") => metadata.add_xmp(&profile),
            None => metadata.add_exif(&profile),
        },
        b"iptc" | b"8bim" if profile.starts_with(b"8BIM") => metadata.add_resources(&profile),
        b"iptc" => metadata.add_iptc(&profile),
        b"icc" | b"icm" => color.raw_profile = color.raw_profile.take().or(Some(profile)),
        _ => {}
    }
}

/// The bytes of a raw profile: lines with its name and its length, and then lines of hexadecimal digits.
fn parse_raw_profile(text: &[u8]) -> Option<Vec<u8>> {
    let mut lines = text.split(|byte| *byte == b'\n').skip_while(|line| line.trim_ascii().is_empty());
    lines.next()?;
    let length: usize = std::str::from_utf8(lines.next()?.trim_ascii()).ok()?.parse().ok()?;
    let digits: Vec<u8> = lines.flatten().copied().filter(u8::is_ascii_hexdigit).collect();
    hex::decode(digits.get(..length.checked_mul(2)?)?).ok()
}
