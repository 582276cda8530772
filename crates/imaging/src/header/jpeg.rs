//! The markers of a JPEG up to its first scan.

use std::io::{BufRead, Read};

use super::{Header, MAX_PROFILE, SourceFormat, corrupt, exif, photoshop};
use offprint_core::Code;
use offprint_modifiers::PixelType;
use crate::failure::Failure;
use crate::rights::Rights;

/// Most bytes of headers before the first scan.
const MOST: u64 = 32 << 20;

/// What an XMP segment begins with.
pub(in crate) const XMP: &[u8] = b"http://ns.adobe.com/xap/1.0/\0";

#[derive(Default)]
struct Found {
    frame: Option<Frame>,
    jfif_dpi: Option<f64>,
    adobe: bool,
    xmp: Option<Vec<u8>>,
    exif: Option<Vec<u8>>,
    /// Photoshop's image resources, of all segments.
    resources: Vec<u8>,
    profile: Vec<(u8, Vec<u8>)>,
}

struct Frame {
    bits: u8,
    size: (u32, u32),
    components: u8,
    progressive: bool,
}

/// Reads markers up to the first scan.
pub(super) fn read(reader: &mut impl BufRead) -> Result<Header, Failure> {
    let mut input = reader.take(MOST);
    let mut found = Found::default();
    input.read_exact(&mut [0; 2])?;
    loop {
        match next_marker(&mut input)? {
            0xDA => break,
            0xD9 => return Err(corrupt("The JPEG has no picture.")),
            0x01 | 0xD0..=0xD8 => {}
            marker => {
                let segment = segment(&mut input)?;
                found.take(marker, segment)?;
            }
        }
    }
    found.header()
}

/// Bytes between segments are skipped, as every decoder does.
fn next_marker(input: &mut impl Read) -> Result<u8, Failure> {
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

fn segment(input: &mut impl Read) -> Result<Vec<u8>, Failure> {
    let mut length = [0; 2];
    input.read_exact(&mut length)?;
    let length = usize::from(u16::from_be_bytes(length));
    let mut data = vec![0; length.checked_sub(2).ok_or_else(|| corrupt("A JPEG segment has no length."))?];
    input.read_exact(&mut data)?;
    Ok(data)
}

impl Found {
    fn take(&mut self, marker: u8, data: Vec<u8>) -> Result<(), Failure> {
        match marker {
            0xC0..=0xC2 => self.frame = Some(Frame { progressive: marker == 0xC2, ..frame(&data)? }),
            0xC3 | 0xC5..=0xC7 | 0xC9..=0xCB | 0xCD..=0xCF => {
                return Err(Failure::new(
                    Code::UnsupportedFormat,
                    "This kind of JPEG (lossless or arithmetic) cannot be read.",
                ));
            }
            0xE0 if data.starts_with(b"JFIF\0") => self.jfif_dpi = jfif_dpi(&data),
            0xE1 => {
                let part = |name: &[u8]| data.strip_prefix(name).map(<[u8]>::to_vec);
                self.exif = self.exif.take().or_else(|| part(b"Exif\0\0"));
                self.xmp = self.xmp.take().or_else(|| part(XMP));
            }
            0xED => {
                self.resources.extend_from_slice(data.strip_prefix(b"Photoshop 3.0\0").unwrap_or_default());
            }
            0xEE => self.adobe |= data.starts_with(b"Adobe"),
            0xE2 => {
                if let Some([number, _, part @ ..]) = data.strip_prefix(b"ICC_PROFILE\0") {
                    self.profile.push((*number, part.to_vec()));
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn header(mut self) -> Result<Header, Failure> {
        let frame = self.frame.ok_or_else(|| corrupt("The JPEG has no frame before its first scan."))?;
        let color = match frame.components {
            1 => PixelType::Gray,
            3 => PixelType::Rgb,
            4 => PixelType::Cmyk,
            other => return Err(corrupt(format!("The JPEG has {other} components."))),
        };
        if frame.bits != 8 {
            let detail = format!("JPEG with {} bits a component cannot be read.", frame.bits);
            return Err(Failure::new(Code::UnsupportedFormat, detail));
        }
        let mut header = Header::new(SourceFormat::Jpeg, frame.size, color, frame.bits);
        header.progressive = frame.progressive;
        header.inverted = self.adobe && color == PixelType::Cmyk;
        header.dpi = self.jfif_dpi;
        header.paths = photoshop::paths(&self.resources);
        self.profile.sort_by_key(|(number, _)| *number);
        let profile: Vec<u8> = self.profile.into_iter().flat_map(|(_, part)| part).take(MAX_PROFILE).collect();
        header.profile = Some(profile).filter(|profile| !profile.is_empty());
        header.rights = Rights::of_iptc(photoshop::iptc(&self.resources));
        header.take_xmp(self.xmp);
        if let Some(raw) = self.exif {
            exif::apply(&mut header, raw);
        }
        Ok(header)
    }
}

fn frame(data: &[u8]) -> Result<Frame, Failure> {
    let &[bits, h1, h0, w1, w0, components, ..] = data else { return Err(corrupt("The JPEG's frame is cut short.")) };
    let size = (u32::from(u16::from_be_bytes([w1, w0])), u32::from(u16::from_be_bytes([h1, h0])));
    Ok(Frame { bits, size, components, progressive: false })
}

fn jfif_dpi(data: &[u8]) -> Option<f64> {
    let &[unit, x1, x0] = data.get(7..10)? else { return None };
    let value = f64::from(u16::from_be_bytes([x1, x0]));
    // JFIF counts units as TIFF does, one lower.
    exif::dots_per_inch(value, u32::from(unit) + 1)
}
