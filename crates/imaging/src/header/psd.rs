//! The head of a Photoshop document: size, mode and image resources. Source: Adobe Photoshop File Formats
//! Specification.

use std::io::{Read, Seek};

use super::{Header, MAX_PROFILE, MAX_XMP, SourceFormat, corrupt, exif, photoshop, skip};
use offprint_core::Code;
use offprint_modifiers::PixelType;
use crate::failure::Failure;
use crate::rights::Rights;

/// The number of the resource that holds XMP.
const XMP: u16 = 0x0424;

/// What the decoder needs to know beside the header.
pub(in crate) struct Layout {
    /// Sizes are counted in more bytes: a large document.
    pub large: bool,
    /// Planes of the merged picture, more than its components when there are masks.
    pub planes: u16,
    /// Bits of a component: 1, 8 or 16.
    pub bits: u16,
    /// The colours of an indexed picture: all reds, all greens, all blues.
    pub palette: Option<Vec<u8>>,
}

/// Reads up to the merged picture and stops there.
pub(in crate) fn read(input: &mut (impl Read + Seek)) -> Result<(Header, Layout), Failure> {
    let mut start = [0; 26];
    input.read_exact(&mut start)?;
    let number = |at: usize| u16::from_be_bytes([start[at], start[at + 1]]);
    let long = |at: usize| u32::from_be_bytes([start[at], start[at + 1], start[at + 2], start[at + 3]]);
    let (version, planes, bits, mode) = (number(4), number(12), number(22), number(24));
    if !matches!(version, 1 | 2) {
        return Err(corrupt(format!("The Photoshop document has the unknown version {version}.")));
    }
    let color = match mode {
        0 | 1 | 8 => PixelType::Gray,
        2 | 3 => PixelType::Rgb,
        4 => PixelType::Cmyk,
        other => {
            let name = if other == 9 { "Lab".to_owned() } else { format!("mode {other}") };
            let detail = format!("Photoshop documents in {name} cannot be read.");
            return Err(Failure::new(Code::UnsupportedColor, detail));
        }
    };
    if !matches!((mode, bits), (0, 1) | (2, 8) | (1 | 3 | 4 | 8, 8 | 16)) {
        let detail = format!("Photoshop documents with {bits} bits a component cannot be read.");
        return Err(Failure::new(Code::UnsupportedFormat, detail));
    }
    let mut header = Header::new(SourceFormat::Psd, (long(18), long(14)), color, bits.max(8) as u8);
    // No ink is the largest number here.
    header.inverted = color == PixelType::Cmyk;
    let mut layout = Layout { large: version == 2, planes, bits, palette: None };
    let palette = section(input, false)?;
    if mode == 2 {
        let rest = palette.checked_sub(768).ok_or_else(|| corrupt("The Photoshop document has too few colours."))?;
        let mut colors = vec![0; 768];
        input.read_exact(&mut colors)?;
        layout.palette = Some(colors);
        skip(input, rest)?;
    } else {
        skip(input, palette)?;
    }
    resources(input, &mut header)?;
    let colors = if mode == 2 { 1 } else { color.components() as u16 };
    if planes < colors {
        return Err(corrupt("The Photoshop document has fewer planes than its mode needs."));
    }
    header.alpha = layers(input, layout.large)? && planes > colors;
    Ok((header, layout))
}

/// The length of the section that begins here.
fn section(input: &mut impl Read, large: bool) -> Result<u64, Failure> {
    let mut length = [0; 8];
    input.read_exact(if large { &mut length } else { &mut length[4..] })?;
    Ok(u64::from_be_bytes(length))
}

/// Takes over what image resources say of the picture, and passes the others by.
fn resources(input: &mut (impl Read + Seek), header: &mut Header) -> Result<(), Failure> {
    let mut left = section(input, false)?;
    while left >= 12 {
        let mut start = [0; 7];
        input.read_exact(&mut start)?;
        if !matches!(&start[..4], b"8BIM" | b"MeSa" | b"AgHg" | b"PHUT" | b"DCSR") {
            return Err(corrupt("The image resources of the Photoshop document are damaged."));
        }
        // A name with its length before it, together even.
        let mut name = vec![0; usize::from(start[6] | 1)];
        input.read_exact(&mut name)?;
        let length = section(input, false)?;
        let whole = length + length % 2;
        left = left
            .checked_sub(7 + name.len() as u64 + 4 + whole)
            .ok_or_else(|| corrupt("An image resource of the Photoshop document is longer than all of them."))?;
        name.truncate(usize::from(start[6]));
        let read = resource(input, u16::from_be_bytes([start[4], start[5]]), &name, length, header)?;
        skip(input, whole - read)?;
    }
    skip(input, left)?;
    Ok(())
}

/// Reads one resource, if it is one of use; returns how many of its bytes were read.
fn resource(input: &mut impl Read, id: u16, name: &[u8], length: u64, header: &mut Header) -> Result<u64, Failure> {
    let wanted = match id {
        // Resolution, version, profile, rights.
        1005 => length.min(4),
        1057 => length.min(5),
        1039 if length <= MAX_PROFILE as u64 => length,
        photoshop::IPTC | XMP if length <= MAX_XMP as u64 => length,
        id if photoshop::is_path(id) && length <= photoshop::LONGEST => length,
        _ => return Ok(0),
    };
    let mut data = vec![0; wanted as usize];
    input.read_exact(&mut data)?;
    match (id, data.as_slice()) {
        (1005, &[a, b, c, d]) => {
            let dpi = f64::from(u32::from_be_bytes([a, b, c, d])) / 65_536.0;
            header.dpi = exif::dots_per_inch(dpi, 2);
        }
        (1057, &[.., 0]) => {
            let detail =
                "The Photoshop document was saved without a merged picture. Save it with maximised compatibility.";
            return Err(Failure::new(Code::UnsupportedFormat, detail));
        }
        (1039, _) if !data.is_empty() => header.profile = Some(data),
        (photoshop::IPTC, iptc) => header.take_rights(Rights::of_iptc(iptc)),
        (XMP, _) => header.take_xmp(Some(data)),
        (id, data) if photoshop::is_path(id) && header.paths.len() < photoshop::MOST => {
            header.paths.extend(photoshop::path(name, data));
        }
        _ => {}
    }
    Ok(wanted)
}

/// Passes over the layers; says whether the first plane behind the colours is the merged picture's transparency, as a
/// negative number of layers says.
fn layers(input: &mut (impl Read + Seek), large: bool) -> Result<bool, Failure> {
    let length = section(input, large)?;
    let (mut read, mut transparent) = (0, false);
    let head = if large { 10 } else { 6 };
    if length >= head && section(input, large)? > 0 {
        let mut count = [0; 2];
        input.read_exact(&mut count)?;
        (read, transparent) = (head, i16::from_be_bytes(count) < 0);
    } else if length >= head {
        read = head - 2;
    }
    skip(input, length - read)?;
    Ok(transparent)
}
