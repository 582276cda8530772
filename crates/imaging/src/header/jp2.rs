//! JPEG 2000 headers: the boxes of a file, or the start of a bare codestream. Source: ISO/IEC 15444-1, annexes A and I.

use std::io::{BufRead, Read, Seek};

use offprint_core::Code;
use offprint_modifiers::PixelType;

use super::bounds::{MAX_PROFILE_BYTES, MAX_XMP_BYTES, read_up_to};
use super::boxes::{Boxes, read_box_header};
use super::exif::to_dots_per_inch;
use super::metadata::Metadata;
use super::{ImageHeader, SourceFormat, corrupt_error, skip_bytes};
use crate::error::RenderError;

/// Largest header box (`jp2h`) that is read, in bytes.
const MAX_HEADER_BOX_BYTES: u64 = MAX_PROFILE_BYTES as u64 + (1 << 20);

/// The UUID of a box with XMP.
pub(crate) const XMP_UUID: [u8; 16] = *b"\xBE\x7A\xCF\xCB\x97\xA9\x42\xE8\x9C\x71\x99\x94\x91\xE3\xAF\xAC";

#[derive(Default)]
struct Jp2Boxes {
    /// Number of the enumerated colour space.
    space: Option<u32>,
    profile: Option<Vec<u8>>,
    /// Components of the palette, and their bits.
    palette: Option<(usize, u8)>,
    alpha: bool,
    metadata: Metadata,
}

pub(super) fn read_jp2_header(input: &mut (impl BufRead + Seek)) -> Result<ImageHeader, RenderError> {
    let mut header_boxes = Jp2Boxes::default();
    if input.fill_buf()?.starts_with(&[0xFF, 0x4F]) {
        return header_boxes.into_header(read_codestream_size(input)?);
    }
    loop {
        let (kind, length) = read_box_header(input)?;
        match (&kind, length) {
            (b"jp2h", Some(length)) if length <= MAX_HEADER_BOX_BYTES => {
                header_boxes.read_boxes(Boxes(&read_content(input, length)?))?;
            }
            (b"jp2h", Some(length)) => {
                header_boxes.metadata.ignore_profile(length);
                skip_bytes(input, length)?;
            }
            (b"uuid", Some(length)) if length >= 16 => {
                let mut id = [0; 16];
                input.read_exact(&mut id)?;
                let length = length - 16;
                match id == XMP_UUID {
                    true if length <= MAX_XMP_BYTES as u64 => {
                        header_boxes.metadata.add_xmp(&read_content(input, length)?);
                    }
                    is_xmp => {
                        if is_xmp {
                            header_boxes.metadata.leave_out("XMP");
                        }
                        skip_bytes(input, length)?;
                    }
                }
            }
            (b"jp2c", _) => return header_boxes.into_header(read_codestream_size(input)?),
            (_, Some(length)) => skip_bytes(input, length)?,
            (_, None) => return Err(corrupt_error("The JPEG 2000 file has no codestream.")),
        }
    }
}

/// The content of a box, whose length the caller has bounded.
fn read_content(input: &mut impl Read, length: u64) -> Result<Vec<u8>, RenderError> {
    let content = read_up_to(input, length)?;
    if content.len() as u64 != length {
        return Err(RenderError::for_truncated_file("The JPEG 2000 file ends within its header."));
    }
    Ok(content)
}

/// Offset of the end of the codestream; `u64::MAX` when it goes up to the end of the file.
pub(crate) fn find_codestream_end(input: &mut (impl BufRead + Seek)) -> Result<u64, RenderError> {
    if input.fill_buf()?.starts_with(&[0xFF, 0x4F]) {
        return Ok(u64::MAX);
    }
    loop {
        let (kind, length) = read_box_header(input)?;
        let Some(length) = length else { return Ok(u64::MAX) };
        if &kind == b"jp2c" {
            return Ok(input.stream_position()?.saturating_add(length));
        }
        skip_bytes(input, length)?;
    }
}

struct CodestreamSize {
    size: (u32, u32),
    components: usize,
    bits: u8,
}

/// Reads the first markers of the codestream: SOC and SIZ.
fn read_codestream_size(input: &mut impl Read) -> Result<CodestreamSize, RenderError> {
    let mut start = [0; 43];
    input.read_exact(&mut start)?;
    let long = |at: usize| u32::from_be_bytes([start[at], start[at + 1], start[at + 2], start[at + 3]]);
    if start[..4] != [0xFF, 0x4F, 0xFF, 0x51] {
        return Err(corrupt_error("The JPEG 2000 codestream does not begin with its size."));
    }
    let side = |end: usize, begin: usize| {
        long(end).checked_sub(long(begin)).ok_or_else(|| corrupt_error("The JPEG 2000 image has a negative size."))
    };
    let components = usize::from(u16::from_be_bytes([start[40], start[41]]));
    Ok(CodestreamSize { size: (side(8, 16)?, side(12, 20)?), components, bits: (start[42] & 0x7F) + 1 })
}

impl Jp2Boxes {
    /// Reads the boxes in another box.
    fn read_boxes(&mut self, mut boxes: Boxes<'_>) -> Result<(), RenderError> {
        while let Some((kind, content)) = boxes.next()? {
            let data = content.0;
            match &kind {
                b"colr" if self.space.is_none() && self.profile.is_none() => self.read_color(data),
                b"pclr" => self.palette = data.get(2..4).map(|fields| (usize::from(fields[0]), (fields[1] & 0x7F) + 1)),
                // Three numbers for each channel: channel, kind, colour. Kinds 1 and 2 are opacity.
                b"cdef" => {
                    let channels = data.get(2..).unwrap_or_default().chunks_exact(6);
                    self.alpha = channels.last().is_some_and(|channel| channel[2] == 0 && matches!(channel[3], 1 | 2));
                }
                b"res " => self.read_resolutions(Boxes(data))?,
                _ => {}
            }
        }
        Ok(())
    }

    /// Reads the boxes in the box with the resolutions. Not the function above: boxes may be nested as deep as a file
    /// is long.
    fn read_resolutions(&mut self, mut boxes: Boxes<'_>) -> Result<(), RenderError> {
        while let Some((kind, content)) = boxes.next()? {
            match &kind {
                // The display resolution is used only where there is no capture resolution.
                b"resc" => self.metadata.dpi = parse_resolution(content.0).or(self.metadata.dpi),
                b"resd" => self.metadata.dpi = self.metadata.dpi.or(parse_resolution(content.0)),
                _ => {}
            }
        }
        Ok(())
    }

    fn read_color(&mut self, data: &[u8]) {
        match *data {
            [1, _, _, a, b, c, d, ..] => self.space = Some(u32::from_be_bytes([a, b, c, d])),
            [2, _, _, ref profile @ ..] if profile.len() > MAX_PROFILE_BYTES => {
                self.metadata.ignore_profile(profile.len() as u64);
            }
            [2, _, _, ref profile @ ..] if !profile.is_empty() => self.profile = Some(profile.to_vec()),
            _ => {}
        }
    }

    fn into_header(self, size: CodestreamSize) -> Result<ImageHeader, RenderError> {
        let (channels, bits) = self.palette.unwrap_or((size.components, size.bits));
        let is_cmyk =
            self.space == Some(12) || self.profile.as_ref().is_some_and(|profile| profile.get(16..20) == Some(b"CMYK"));
        let (color, alpha) = match (channels, self.alpha) {
            (1, _) => (PixelType::Gray, false),
            (2, _) => (PixelType::Gray, true),
            (3, _) => (PixelType::Rgb, false),
            (4, false) if is_cmyk => (PixelType::Cmyk, false),
            (4, _) => (PixelType::Rgb, true),
            (5, true) if is_cmyk => (PixelType::Cmyk, true),
            (count, _) => {
                let detail = format!("JPEG 2000 images with {count} components cannot be read.");
                return Err(RenderError::new(Code::UnsupportedColor, detail));
            }
        };
        if bits > 16 {
            let detail = format!("JPEG 2000 images with {bits} bits per component cannot be read.");
            return Err(RenderError::new(Code::UnsupportedFormat, detail));
        }
        let mut header = ImageHeader::new(SourceFormat::Jp2, size.size, color, bits);
        header.alpha = alpha;
        header.profile = self.profile;
        self.metadata.apply(&mut header);
        Ok(header)
    }
}

/// Dots per inch from dots per metre, which are a fraction with an exponent of ten.
fn parse_resolution(data: &[u8]) -> Option<f64> {
    let &[_, _, _, _, n1, n0, d1, d0, _, exponent, ..] = data else { return None };
    let fraction = f64::from(u16::from_be_bytes([n1, n0])) / f64::from(u16::from_be_bytes([d1, d0]));
    to_dots_per_inch(fraction * 10_f64.powi(i32::from(exponent.cast_signed())) * 0.0254, 2)
}
