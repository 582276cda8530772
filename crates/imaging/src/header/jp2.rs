//! The boxes of a JPEG 2000 file, or the head of its bare codestream. Source: ISO/IEC 15444-1, annexes A and I.

use std::io::{BufRead, Read, Seek};

use super::boxes::{Boxes, open};
use super::{Header, MAX_PROFILE, MAX_XMP, SourceFormat, corrupt, exif, skip};
use offprint_core::Code;
use offprint_modifiers::PixelType;
use crate::failure::Failure;

/// Most bytes of the boxes that say what the picture is.
const MOST: u64 = MAX_PROFILE as u64 + (1 << 20);

/// What a box with XMP begins with.
pub(in crate) const XMP: [u8; 16] = *b"\xBE\x7A\xCF\xCB\x97\xA9\x42\xE8\x9C\x71\x99\x94\x91\xE3\xAF\xAC";

/// What the boxes say.
#[derive(Default)]
struct Found {
    /// Numbers of the enumerated colour spaces.
    space: Option<u32>,
    profile: Option<Vec<u8>>,
    /// Columns of a palette, and bits of each.
    palette: Option<(usize, u8)>,
    alpha: bool,
    dpi: Option<f64>,
    xmp: Option<Vec<u8>>,
}

pub(super) fn read(input: &mut (impl BufRead + Seek)) -> Result<Header, Failure> {
    let mut found = Found::default();
    if input.fill_buf()?.starts_with(&[0xFF, 0x4F]) {
        return found.header(size(input)?);
    }
    loop {
        let (kind, length) = open(input)?;
        match (&kind, length) {
            (b"jp2h", Some(length)) if length <= MOST => {
                let mut boxes = vec![0; length as usize];
                input.read_exact(&mut boxes)?;
                found.look_into(Boxes(&boxes))?;
            }
            (b"uuid", Some(length)) if (16..=MAX_XMP as u64).contains(&length) => {
                let mut data = vec![0; length as usize];
                input.read_exact(&mut data)?;
                found.xmp = data.strip_prefix(&XMP).map(<[u8]>::to_vec).or(found.xmp);
            }
            (b"jp2c", _) => return found.header(size(input)?),
            (_, Some(length)) => skip(input, length)?,
            (_, None) => return Err(corrupt("The JPEG 2000 has no picture.")),
        }
    }
}

/// Where the picture ends in the file; the end of all files when its last box does not say.
pub(in crate) fn end(input: &mut (impl BufRead + Seek)) -> Result<u64, Failure> {
    if input.fill_buf()?.starts_with(&[0xFF, 0x4F]) {
        return Ok(u64::MAX);
    }
    loop {
        let (kind, length) = open(input)?;
        let Some(length) = length else { return Ok(u64::MAX) };
        if &kind == b"jp2c" {
            return Ok(input.stream_position()?.saturating_add(length));
        }
        skip(input, length)?;
    }
}

/// What the codestream says of itself.
struct Size {
    size: (u32, u32),
    components: usize,
    bits: u8,
}

/// The first markers of the codestream: start and size.
fn size(input: &mut impl Read) -> Result<Size, Failure> {
    let mut start = [0; 43];
    input.read_exact(&mut start)?;
    let long = |at: usize| u32::from_be_bytes([start[at], start[at + 1], start[at + 2], start[at + 3]]);
    if start[..4] != [0xFF, 0x4F, 0xFF, 0x51] {
        return Err(corrupt("The JPEG 2000 has no picture where it says so."));
    }
    let side = |end: usize, begin: usize| {
        long(end).checked_sub(long(begin)).ok_or_else(|| corrupt("The JPEG 2000 picture ends before it begins."))
    };
    let components = usize::from(u16::from_be_bytes([start[40], start[41]]));
    Ok(Size { size: (side(8, 16)?, side(12, 20)?), components, bits: (start[42] & 0x7F) + 1 })
}

impl Found {
    /// Reads boxes that lie in another.
    fn look_into(&mut self, mut boxes: Boxes<'_>) -> Result<(), Failure> {
        while let Some((kind, inside)) = boxes.next()? {
            let data = inside.0;
            match &kind {
                b"colr" if self.space.is_none() && self.profile.is_none() => self.color(data),
                b"pclr" => self.palette = data.get(2..4).map(|it| (usize::from(it[0]), (it[1] & 0x7F) + 1)),
                // Pairs of three: channel, kind, colour. The kinds 1 and 2 are opacity.
                b"cdef" => {
                    let kinds = data.get(2..).unwrap_or_default().chunks_exact(6);
                    self.alpha = kinds.last().is_some_and(|it| it[2] == 0 && matches!(it[3], 1 | 2));
                }
                b"res " => self.look_into(Boxes(data))?,
                // What it is to be shown at only counts where nothing says how it was made.
                b"resc" => self.dpi = resolution(data).or(self.dpi),
                b"resd" => self.dpi = self.dpi.or(resolution(data)),
                _ => {}
            }
        }
        Ok(())
    }

    fn color(&mut self, data: &[u8]) {
        match *data {
            [1, _, _, a, b, c, d, ..] => self.space = Some(u32::from_be_bytes([a, b, c, d])),
            [2, _, _, ref profile @ ..] if !profile.is_empty() && profile.len() <= MAX_PROFILE => {
                self.profile = Some(profile.to_vec());
            }
            _ => {}
        }
    }

    fn header(self, size: Size) -> Result<Header, Failure> {
        let (channels, bits) = self.palette.unwrap_or((size.components, size.bits));
        let inks = self.space == Some(12) || self.profile.as_ref().is_some_and(|it| it.get(16..20) == Some(b"CMYK"));
        let (color, alpha) = match (channels, self.alpha) {
            (1, _) => (PixelType::Gray, false),
            (2, _) => (PixelType::Gray, true),
            (3, _) => (PixelType::Rgb, false),
            (4, false) if inks => (PixelType::Cmyk, false),
            (4, _) => (PixelType::Rgb, true),
            (5, true) if inks => (PixelType::Cmyk, true),
            (other, _) => {
                let detail = format!("JPEG 2000 with {other} components cannot be read.");
                return Err(Failure::new(Code::UnsupportedColor, detail));
            }
        };
        if bits > 16 {
            let detail = format!("JPEG 2000 with {bits} bits a component cannot be read.");
            return Err(Failure::new(Code::UnsupportedFormat, detail));
        }
        let mut header = Header::new(SourceFormat::Jp2, size.size, color, bits);
        header.alpha = alpha;
        header.dpi = self.dpi;
        header.profile = self.profile;
        header.take_xmp(self.xmp);
        Ok(header)
    }
}

/// Dots per inch from points per metre, as a fraction with an exponent of ten.
fn resolution(data: &[u8]) -> Option<f64> {
    let &[_, _, _, _, n1, n0, d1, d0, _, exponent, ..] = data else { return None };
    let fraction = f64::from(u16::from_be_bytes([n1, n0])) / f64::from(u16::from_be_bytes([d1, d0]));
    exif::dots_per_inch(fraction * 10_f64.powi(i32::from(exponent.cast_signed())) * 0.0254, 2)
}
