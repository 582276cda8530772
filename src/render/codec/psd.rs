//! Photoshop documents: the merged picture, plane by plane, raw or packed. Source: Adobe Photoshop File Formats
//! Specification.

use std::io::{BufRead, Read, Seek};

use super::packbits;
use crate::code::Code;
use crate::language::PixelType;
use crate::render::failure::Failure;
use crate::render::header::Header;
use crate::render::header::psd::{self, Layout};
use crate::render::pixels::{Pixels, Raster, Sample};

pub(super) fn decode(mut input: impl BufRead + Seek) -> Result<Pixels, Failure> {
    let (header, layout) = psd::read(&mut input)?;
    let mut planes = Planes::open(input, &header, &layout)?;
    if let Some(palette) = &layout.palette {
        let alpha = header.alpha;
        let places = planes.all(1 + usize::from(alpha), |row, at| row[at])?;
        let channels = 1 + usize::from(alpha);
        let color = |pixel: &[u8]| {
            let place = usize::from(pixel[0]);
            let rgb = [palette[place], palette[256 + place], palette[512 + place]];
            rgb.into_iter().chain(pixel.get(1).copied()).collect::<Vec<_>>()
        };
        let data = places.chunks_exact(channels).flat_map(color).collect();
        return Ok(raster(&header, PixelType::Rgb, alpha, data).into());
    }
    let channels = header.color.components() + usize::from(header.alpha);
    match layout.bits {
        1 => {
            // A bit that is set is ink.
            let data = planes.all(channels, |row, at| if row[at / 8] & 0x80 >> (at % 8) == 0 { 255_u8 } else { 0 })?;
            Ok(raster(&header, header.color, header.alpha, data).into())
        }
        8 => {
            let data = planes.all(channels, |row, at| row[at])?;
            Ok(without_white(raster(&header, header.color, header.alpha, data)).into())
        }
        _ => {
            let data = planes.all(channels, |row, at| u16::from_be_bytes([row[2 * at], row[2 * at + 1]]))?;
            Ok(without_white(raster(&header, header.color, header.alpha, data)).into())
        }
    }
}

fn raster<S: Sample>(header: &Header, pixel_type: PixelType, alpha: bool, data: Vec<S>) -> Raster<S> {
    Raster::new(header.width, header.height, pixel_type, alpha, data)
}

/// The merged picture lies on white where it is transparent; takes the white away again.
fn without_white<S: Sample>(raster: Raster<S>) -> Raster<S> {
    if !raster.has_alpha() {
        return raster;
    }
    let (size, pixel_type, channels) = (raster.size(), raster.pixel_type(), raster.channels());
    let mut data = raster.data().to_vec();
    for pixel in data.chunks_exact_mut(channels) {
        let alpha = pixel[channels - 1].wide();
        if alpha == 0 || alpha == S::TOP {
            continue;
        }
        for value in &mut pixel[..channels - 1] {
            let above_white = (value.wide() * S::TOP + alpha * S::TOP).saturating_sub(S::TOP * S::TOP);
            *value = S::narrow(((above_white + alpha / 2) / alpha).min(S::TOP));
        }
    }
    Raster::new(size.0, size.1, pixel_type, true, data)
}

/// The planes of the merged picture, in file order.
struct Planes<R> {
    input: R,
    width: usize,
    height: usize,
    /// Bytes of a row that is not packed.
    stride: usize,
    /// Bytes of each packed row of all planes; `None` when none is packed.
    packed: Option<Vec<u32>>,
}

impl<R: Read> Planes<R> {
    fn open(mut input: R, header: &Header, layout: &Layout) -> Result<Self, Failure> {
        let (width, height) = (header.width as usize, header.height as usize);
        let mut kind = [0; 2];
        input.read_exact(&mut kind)?;
        let packed = match u16::from_be_bytes(kind) {
            0 => None,
            1 => Some(lengths(&mut input, height * usize::from(layout.planes), layout.large)?),
            other => {
                let detail =
                    format!("The merged picture of the Photoshop document is packed in the unknown way {other}.");
                return Err(Failure::new(Code::UnsupportedFormat, detail));
            }
        };
        let stride = (width * usize::from(layout.bits)).div_ceil(8);
        Ok(Self { input, width, height, stride, packed })
    }

    /// The first planes woven into pixels.
    fn all<S: Sample>(&mut self, planes: usize, value: impl Fn(&[u8], usize) -> S) -> Result<Vec<S>, Failure> {
        let mut data = vec![S::default(); self.width * self.height * planes];
        let mut row = vec![0; self.stride];
        for plane in 0..planes {
            for y in 0..self.height {
                self.row(plane * self.height + y, &mut row)?;
                let line = &mut data[y * self.width * planes..(y + 1) * self.width * planes];
                for (at, pixel) in line.chunks_exact_mut(planes).enumerate() {
                    pixel[plane] = value(&row, at);
                }
            }
        }
        Ok(data)
    }

    fn row(&mut self, number: usize, row: &mut [u8]) -> Result<(), Failure> {
        let Some(packed) = &self.packed else { return Ok(self.input.read_exact(row)?) };
        let length = packed[number] as usize;
        // Nothing packs into more than a byte for each and one for each 128.
        if length > row.len() + row.len().div_ceil(128) + 128 {
            return Err(damaged());
        }
        let mut bytes = vec![0; length];
        self.input.read_exact(&mut bytes)?;
        unpack(&bytes, row).ok_or_else(damaged)
    }
}

fn damaged() -> Failure {
    Failure::new(Code::Corrupt, "A packed row of the Photoshop document does not have the length of a row.")
}

fn lengths(input: &mut impl Read, rows: usize, large: bool) -> Result<Vec<u32>, Failure> {
    let size = if large { 4 } else { 2 };
    let mut bytes = Vec::new();
    input.take((rows * size) as u64).read_to_end(&mut bytes)?;
    if bytes.len() < rows * size {
        return Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into());
    }
    Ok(bytes.chunks_exact(size).map(|number| number.iter().fold(0, |sum, byte| sum << 8 | u32::from(*byte))).collect())
}

/// A packed row, which must be exactly as long as a row.
fn unpack(packed: &[u8], row: &mut [u8]) -> Option<()> {
    let mut data = Vec::with_capacity(row.len() + 128);
    let rest = packbits::unpack(packed, &mut data, row.len()).ok()?;
    let fits = data.len() == row.len() && packbits::is_nothing(rest);
    fits.then(|| row.copy_from_slice(&data))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packed_rows_have_exactly_their_length() {
        let mut row = [0; 6];
        assert_eq!(unpack(&[2, 1, 2, 3, 0xFE, 9], &mut row), Some(()));
        assert_eq!(row, [1, 2, 3, 9, 9, 9]);
        for wrong in [&[2, 1, 2, 3][..], &[2, 1, 2], &[0xFA, 9], &[0xFB], &[6, 1, 2, 3, 4, 5, 6, 7]] {
            assert_eq!(unpack(wrong, &mut [0; 6]), None, "{wrong:?}");
        }
        assert_eq!(unpack(&[128, 0xFB, 7, 128], &mut row), Some(()));
    }
}
