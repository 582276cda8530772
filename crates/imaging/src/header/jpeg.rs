//! JPEG headers: the markers up to the first scan.

use std::io::{BufRead, Read};

use offprint_core::Code;
use offprint_modifiers::PixelType;

use super::exif::to_dots_per_inch;
use super::metadata::Metadata;
use super::{ImageHeader, MAX_PROFILE_BYTES, SourceFormat, corrupt_error};
use crate::error::RenderError;
use crate::xmp;

/// Most bytes that are read before the first scan.
const MAX_HEADER_BYTES: u64 = 32 << 20;

#[derive(Default)]
struct JpegSegments {
    frame: Option<JpegFrame>,
    metadata: Metadata,
    /// Photoshop's image resources, joined from all segments.
    resources: Vec<u8>,
    /// Parts of the ICC profile with their numbers.
    profile: Vec<(u8, Vec<u8>)>,
}

struct JpegFrame {
    bits: u8,
    size: (u32, u32),
    components: u8,
    progressive: bool,
}

pub(super) fn read_jpeg_header(reader: &mut impl BufRead) -> Result<ImageHeader, RenderError> {
    let mut input = reader.take(MAX_HEADER_BYTES);
    let mut segments = JpegSegments::default();
    input.read_exact(&mut [0; 2])?;
    loop {
        match read_next_marker(&mut input)? {
            0xDA => break,
            0xD9 => return Err(corrupt_error("The JPEG has no image data.")),
            0x01 | 0xD0..=0xD8 => {}
            marker => {
                let segment = read_segment(&mut input)?;
                segments.add_segment(marker, segment)?;
            }
        }
    }
    segments.into_header()
}

/// Skips bytes between segments, as every decoder does.
fn read_next_marker(input: &mut impl Read) -> Result<u8, RenderError> {
    let mut byte = [0];
    loop {
        input.read_exact(&mut byte)?;
        while byte[0] == 0xFF {
            input.read_exact(&mut byte)?;
            if byte[0] != 0xFF && byte[0] != 0 {
                return Ok(byte[0]);
            }
        }
    }
}

fn read_segment(input: &mut impl Read) -> Result<Vec<u8>, RenderError> {
    let mut length = [0; 2];
    input.read_exact(&mut length)?;
    let length = usize::from(u16::from_be_bytes(length));
    let mut data =
        vec![0; length.checked_sub(2).ok_or_else(|| corrupt_error("A JPEG segment has an invalid length."))?];
    input.read_exact(&mut data)?;
    Ok(data)
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
                    self.metadata.add_xmp(xmp.to_vec());
                }
            }
            0xED => {
                self.resources.extend_from_slice(data.strip_prefix(b"Photoshop 3.0\0").unwrap_or_default());
            }
            0xE2 => {
                if let Some([number, _, part @ ..]) = data.strip_prefix(b"ICC_PROFILE\0") {
                    self.profile.push((*number, part.to_vec()));
                }
            }
            _ => {}
        }
        Ok(())
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
        let profile: Vec<u8> = self.profile.into_iter().flat_map(|(_, part)| part).take(MAX_PROFILE_BYTES).collect();
        header.profile = Some(profile).filter(|profile| !profile.is_empty());
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
