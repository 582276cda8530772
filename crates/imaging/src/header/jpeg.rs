//! JPEG headers: the markers up to the first scan.

use std::io::{self, Read, Seek};

use offprint_core::Code;
use offprint_modifiers::PixelType;

use super::bounds::{BoundsExceeded, MAX_PROFILE_BYTES, MAX_RESOURCES_BYTES};
use super::exif::to_dots_per_inch;
use super::metadata::Metadata;
use super::{ImageHeader, SourceFormat, corrupt_error, skip_bytes};
use crate::error::RenderError;
use crate::xmp;

/// Most markers before the first scan. Real files have fewer than a thousand.
const MAX_MARKERS: usize = 1 << 16;

/// Most bytes that are skipped between two segments.
const MAX_FILL_BYTES: usize = 1 << 16;

#[derive(Default)]
struct JpegSegments {
    frame: Option<JpegFrame>,
    metadata: Metadata,
    /// Photoshop's image resources, joined from all segments.
    resources: Vec<u8>,
    /// Whether the image resources are longer than is read.
    has_long_resources: bool,
    /// Parts of the ICC profile with their numbers, as long as they are not too many.
    profile: Vec<(u8, Vec<u8>)>,
    /// Length of all parts of the profile, in bytes.
    profile_bytes: usize,
}

struct JpegFrame {
    bits: u8,
    size: (u32, u32),
    components: u8,
    progressive: bool,
}

pub(super) fn read_jpeg_header(input: &mut (impl Read + Seek)) -> Result<ImageHeader, RenderError> {
    let mut segments = JpegSegments::default();
    input.read_exact(&mut [0; 2])?;
    for _ in 0..MAX_MARKERS {
        match read_next_marker(input)? {
            0xDA => return segments.into_header(),
            0xD9 => return Err(corrupt_error("The JPEG has no image data.")),
            0x01 | 0xD0..=0xD8 => {}
            marker if is_used(marker) => segments.add_segment(marker, read_segment(input)?)?,
            _ => skip_segment(input)?,
        }
    }
    Err(io::Error::other(BoundsExceeded).into())
}

/// The EXIF of a JPEG, also of one that is not read otherwise.
pub(super) fn find_exif(input: &mut (impl Read + Seek)) -> Option<Vec<u8>> {
    input.read_exact(&mut [0; 2]).ok()?;
    for _ in 0..MAX_MARKERS {
        match read_next_marker(input).ok()? {
            0xDA | 0xD9 => return None,
            0x01 | 0xD0..=0xD8 => {}
            0xE1 => {
                let data = read_segment(input).ok()?;
                if data.starts_with(b"Exif\0\0") {
                    return Some(data);
                }
            }
            _ => skip_segment(input).ok()?,
        }
    }
    None
}

/// Skips bytes between segments, as every decoder does.
fn read_next_marker(input: &mut impl Read) -> Result<u8, RenderError> {
    let (mut byte, mut is_marker) = ([0], false);
    for _ in 0..MAX_FILL_BYTES {
        input.read_exact(&mut byte)?;
        match byte[0] {
            0xFF => is_marker = true,
            0 => is_marker = false,
            marker if is_marker => return Ok(marker),
            _ => {}
        }
    }
    Err(corrupt_error("The JPEG has no image data within reach."))
}

/// Whether a segment says something that is used, or is a reason to refuse the file: frames, and what applications add.
fn is_used(marker: u8) -> bool {
    matches!(marker, 0xC0..=0xC3 | 0xC5..=0xC7 | 0xC9..=0xCB | 0xCD..=0xCF | 0xE0..=0xE2 | 0xED)
}

/// Length of the content of a segment, in bytes.
fn read_segment_length(input: &mut impl Read) -> Result<u16, RenderError> {
    let mut length = [0; 2];
    input.read_exact(&mut length)?;
    let length = u16::from_be_bytes(length).checked_sub(2);
    length.ok_or_else(|| corrupt_error("A JPEG segment has an invalid length."))
}

fn read_segment(input: &mut impl Read) -> Result<Vec<u8>, RenderError> {
    let mut data = vec![0; usize::from(read_segment_length(input)?)];
    input.read_exact(&mut data)?;
    Ok(data)
}

fn skip_segment(input: &mut (impl Read + Seek)) -> Result<(), RenderError> {
    let length = read_segment_length(input)?;
    skip_bytes(input, u64::from(length))
}

impl JpegSegments {
    fn add_segment(&mut self, marker: u8, data: Vec<u8>) -> Result<(), RenderError> {
        match marker {
            0xC0..=0xC2 => self.frame = Some(JpegFrame { progressive: marker == 0xC2, ..parse_frame(&data)? }),
            0xC3 | 0xC5..=0xC7 | 0xC9..=0xCB | 0xCD..=0xCF => {
                return Err(RenderError::new(
                    Code::UnsupportedFormat,
                    "This kind of JPEG (lossless or arithmetic) cannot be read.",
                ));
            }
            0xE0 if data.starts_with(b"JFIF\0") => self.metadata.dpi = parse_jfif_dpi(&data),
            0xE1 => {
                if data.starts_with(b"Exif\0\0") {
                    self.metadata.add_exif(&data);
                } else if let Some(xmp) = data.strip_prefix(xmp::SIGNATURE) {
                    self.metadata.add_xmp(xmp);
                }
            }
            0xED => {
                let part = data.strip_prefix(b"Photoshop 3.0\0").unwrap_or_default();
                match self.resources.len() + part.len() <= MAX_RESOURCES_BYTES {
                    true if !self.has_long_resources => self.resources.extend_from_slice(part),
                    _ => self.has_long_resources = true,
                }
            }
            0xE2 => {
                if let Some([number, _, part @ ..]) = data.strip_prefix(b"ICC_PROFILE\0") {
                    self.add_profile_part(*number, part);
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Without a part a profile is nothing, so none is kept of one that is too large.
    fn add_profile_part(&mut self, number: u8, part: &[u8]) {
        self.profile_bytes += part.len();
        match self.profile_bytes <= MAX_PROFILE_BYTES {
            true => self.profile.push((number, part.to_vec())),
            false => self.profile = Vec::new(),
        }
    }

    fn into_header(mut self) -> Result<ImageHeader, RenderError> {
        let frame = self.frame.ok_or_else(|| corrupt_error("The JPEG has no frame before its first scan."))?;
        let color = match frame.components {
            1 => PixelType::Gray,
            3 => PixelType::Rgb,
            4 => PixelType::Cmyk,
            count => return Err(corrupt_error(format!("The JPEG has {count} components."))),
        };
        if frame.bits != 8 {
            let detail = format!("JPEG images with {} bits per component cannot be read.", frame.bits);
            return Err(RenderError::new(Code::UnsupportedFormat, detail));
        }
        let mut header = ImageHeader::new(SourceFormat::Jpeg, frame.size, color, frame.bits);
        header.progressive = frame.progressive;
        // Every JPEG with inks stores them inverted, also when a tool has dropped the marker of Adobe.
        header.inverted = color == PixelType::Cmyk;
        self.profile.sort_by_key(|(number, _)| *number);
        if self.profile_bytes > MAX_PROFILE_BYTES {
            self.metadata.ignore_profile(self.profile_bytes as u64);
        } else if self.profile_bytes > 0 {
            let mut profile = Vec::with_capacity(self.profile_bytes);
            self.profile.drain(..).for_each(|(_, part)| profile.extend(part));
            header.profile = Some(profile);
        }
        if self.has_long_resources {
            self.metadata.leave_out("image resources of Photoshop");
        }
        self.metadata.add_resources(&self.resources);
        self.metadata.apply(&mut header);
        Ok(header)
    }
}

fn parse_frame(data: &[u8]) -> Result<JpegFrame, RenderError> {
    let &[bits, h1, h0, w1, w0, components, ..] = data else {
        return Err(corrupt_error("The frame header of the JPEG is too short."));
    };
    let size = (u32::from(u16::from_be_bytes([w1, w0])), u32::from(u16::from_be_bytes([h1, h0])));
    Ok(JpegFrame { bits, size, components, progressive: false })
}

fn parse_jfif_dpi(data: &[u8]) -> Option<f64> {
    let &[unit, x1, x0] = data.get(7..10)? else { return None };
    let value = f64::from(u16::from_be_bytes([x1, x0]));
    // The units of JFIF are those of TIFF minus one.
    to_dots_per_inch(value, u32::from(unit) + 1)
}
