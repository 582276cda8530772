//! Headers of Photoshop documents: size, colour mode and image resources. Source: Adobe Photoshop File Formats
//! Specification.

use std::io::{self, Read, Seek};

use offprint_core::Code;
use offprint_modifiers::PixelType;

use super::bounds::{MAX_IPTC_BYTES, MAX_PROFILE_BYTES, MAX_XMP_BYTES, read_up_to};
use super::image_resources::{self, ImageResource};
use super::metadata::Metadata;
use super::{ImageHeader, SourceFormat, corrupt_error, skip_bytes};
use crate::error::RenderError;

/// Resource id of the version, which says whether there is a merged image.
const VERSION_RESOURCE: u16 = 1057;

/// What the decoder needs besides the header.
pub(crate) struct PsdLayout {
    /// A large document (PSB), which has longer length fields.
    pub(crate) large: bool,
    /// Planes of the merged image; more than its components when there is alpha or masks.
    pub(crate) planes: u16,
    /// Bits per component: 1, 8 or 16.
    pub(crate) bits: u16,
    /// The colours of an indexed image: 256 reds, 256 greens, 256 blues.
    pub(crate) palette: Option<Vec<u8>>,
}

/// Reads up to the merged image, where `input` stands afterwards.
pub(crate) fn read_psd_header(input: &mut (impl Read + Seek)) -> Result<(ImageHeader, PsdLayout), RenderError> {
    let mut start = [0; 26];
    input.read_exact(&mut start)?;
    let number = |at: usize| u16::from_be_bytes([start[at], start[at + 1]]);
    let long = |at: usize| u32::from_be_bytes([start[at], start[at + 1], start[at + 2], start[at + 3]]);
    let (version, planes, bits, mode) = (number(4), number(12), number(22), number(24));
    if !matches!(version, 1 | 2) {
        return Err(corrupt_error(format!("The Photoshop document has the unknown version {version}.")));
    }
    let color = match mode {
        0 | 1 | 8 => PixelType::Gray,
        2 | 3 => PixelType::Rgb,
        4 => PixelType::Cmyk,
        mode => {
            let name = if mode == 9 { "Lab".to_owned() } else { mode.to_string() };
            let detail = format!("Photoshop documents in the colour mode {name} cannot be read.");
            return Err(RenderError::new(Code::UnsupportedColor, detail));
        }
    };
    if !matches!((mode, bits), (0, 1) | (2, 8) | (1 | 3 | 4 | 8, 8 | 16)) {
        let detail = format!("Photoshop documents with {bits} bits per component cannot be read.");
        return Err(RenderError::new(Code::UnsupportedFormat, detail));
    }
    let mut header = ImageHeader::new(SourceFormat::Psd, (long(18), long(14)), color, bits.max(8) as u8);
    // Inks are stored inverted: the largest value is no ink.
    header.inverted = color == PixelType::Cmyk;
    let mut layout = PsdLayout { large: version == 2, planes, bits, palette: None };
    let palette_bytes = read_section_length(input, false)?;
    if mode == 2 {
        let rest = palette_bytes
            .checked_sub(768)
            .ok_or_else(|| corrupt_error("The palette of the Photoshop document is too short."))?;
        let mut colors = vec![0; 768];
        input.read_exact(&mut colors)?;
        layout.palette = Some(colors);
        skip_bytes(input, rest)?;
    } else {
        skip_bytes(input, palette_bytes)?;
    }
    read_resources(input)?.apply(&mut header);
    let colors = if mode == 2 { 1 } else { color.components() as u16 };
    if planes < colors {
        return Err(corrupt_error("The Photoshop document has fewer channels than its colour mode needs."));
    }
    header.alpha = skip_layers(input, layout.large)? && planes > colors;
    Ok((header, layout))
}

/// Length of the section that begins here, in bytes.
fn read_section_length(input: &mut impl Read, large: bool) -> Result<u64, RenderError> {
    let mut length = [0; 8];
    input.read_exact(if large { &mut length } else { &mut length[4..] })?;
    Ok(u64::from_be_bytes(length))
}

/// Reads what is useful in the image resources, and skips the others.
fn read_resources(input: &mut (impl Read + Seek)) -> Result<Metadata, RenderError> {
    let mut metadata = Metadata::default();
    let mut left = read_section_length(input, false)?;
    while left >= 12 {
        let mut start = [0; 7];
        input.read_exact(&mut start)?;
        if !image_resources::SIGNATURES.contains(&&start[..4]) {
            return Err(corrupt_error("The image resources of the Photoshop document are damaged."));
        }
        // A name with a length byte before it, padded to an even length.
        let mut name = vec![0; usize::from(start[6] | 1)];
        input.read_exact(&mut name)?;
        let length = read_section_length(input, false)?;
        let padded_length = length + length % 2;
        left = left
            .checked_sub(7 + name.len() as u64 + 4 + padded_length)
            .ok_or_else(|| corrupt_error("An image resource of the Photoshop document is longer than its section."))?;
        name.truncate(usize::from(start[6]));
        let read = read_resource(input, u16::from_be_bytes([start[4], start[5]]), &name, length, &mut metadata)?;
        skip_bytes(input, padded_length - read)?;
    }
    skip_bytes(input, left)?;
    Ok(metadata)
}

/// Reads a resource if it is useful. Returns how many of its bytes were read.
fn read_resource(
    input: &mut impl Read,
    id: u16,
    name: &[u8],
    length: u64,
    metadata: &mut Metadata,
) -> Result<u64, RenderError> {
    let bytes_needed = match id {
        image_resources::RESOLUTION => length.min(4),
        VERSION_RESOURCE => length.min(5),
        image_resources::PROFILE if length > MAX_PROFILE_BYTES as u64 => {
            metadata.ignore_profile(length);
            return Ok(0);
        }
        image_resources::PROFILE => length,
        image_resources::IPTC if length <= MAX_IPTC_BYTES as u64 => length,
        image_resources::XMP if length <= MAX_XMP_BYTES as u64 => length,
        image_resources::CLIPPING_PATH if length <= image_resources::MAX_CLIPPING_BYTES => length,
        id if image_resources::is_path(id) && length <= image_resources::MAX_PATH_BYTES => length,
        id => {
            if let Some(kind) = image_resources::name_metadata(id) {
                metadata.leave_out(kind);
            }
            return Ok(0);
        }
    };
    let data = read_up_to(input, bytes_needed)?;
    if data.len() as u64 != bytes_needed {
        return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
    }
    if (id, data.last()) == (VERSION_RESOURCE, Some(&0)) {
        let detail = "The Photoshop document was saved without a merged image. Save it with maximised compatibility.";
        return Err(RenderError::new(Code::UnsupportedFormat, detail));
    }
    metadata.add_resource(ImageResource { id, name, data: &data });
    Ok(bytes_needed)
}

/// Skips the layers. Returns whether the first plane behind the colours is the transparency of the merged image, which
/// a negative number of layers declares.
fn skip_layers(input: &mut (impl Read + Seek), large: bool) -> Result<bool, RenderError> {
    let length = read_section_length(input, large)?;
    let (mut read, mut transparent) = (0, false);
    let count_end = if large { 10 } else { 6 };
    if length >= count_end && read_section_length(input, large)? > 0 {
        let mut count = [0; 2];
        input.read_exact(&mut count)?;
        (read, transparent) = (count_end, i16::from_be_bytes(count) < 0);
    } else if length >= count_end {
        read = count_end - 2;
    }
    skip_bytes(input, length - read)?;
    Ok(transparent)
}
