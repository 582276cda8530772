//! Photoshop documents: the merged picture, plane by plane, raw or packed. Source: Adobe Photoshop File Formats
//! Specification.

use std::io::{BufRead, Read, Seek};

use super::decode::Rows;
use super::packbits;
use offprint_core::Code;
use offprint_modifiers::PixelType;
use crate::failure::Failure;
use crate::header::Header;
use crate::header::psd::{self, Layout};
use crate::pixels::{Pixels, Raster, Sample};

pub(super) fn decode(mut input: impl BufRead + Seek, rows: &mut Rows<'_>) -> Result<(), Failure> {
    let (header, layout) = psd::read(&mut input)?;
    let mut planes = Planes::open(input, &header, &layout)?;
    let channels = header.color.components() + usize::from(header.alpha);
    let (width, color, alpha) = (header.width, header.color, header.alpha);
    if let Some(palette) = &layout.palette {
        let channels = 1 + usize::from(alpha);
        let color = |pixel: &[u8]| {
            let place = usize::from(pixel[0]);
            let rgb = [palette[place], palette[256 + place], palette[512 + place]];
            rgb.into_iter().chain(pixel.get(1).copied()).collect::<Vec<_>>()
        };
        return planes.all(
            channels,
            |row, at| row[at],
            rows,
            |height, data| {
                let data = data.chunks_exact(channels).flat_map(color).collect();
                Raster::<u8>::new(width, height, PixelType::Rgb, alpha, data).into()
            },
        );
    }
    let eight = |height, data| without_white(Raster::<u8>::new(width, height, color, alpha, data)).into();
    match layout.bits {
        // A bit that is set is ink.
        1 => planes.all(channels, |row, at| if row[at / 8] & 0x80 >> (at % 8) == 0 { 255_u8 } else { 0 }, rows, eight),
        8 => planes.all(channels, |row, at| row[at], rows, eight),
        _ => {
            let value = |row: &[u8], at: usize| u16::from_be_bytes([row[2 * at], row[2 * at + 1]]);
            planes.all(channels, value, rows, |height, data| {
                without_white(Raster::<u16>::new(width, height, color, alpha, data)).into()
            })
        }
    }
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

    /// Hands over the first planes woven into pixels. Of a damaged document those rows that all planes have.
    fn all<S: Sample>(
        &mut self,
        planes: usize,
        value: impl Fn(&[u8], usize) -> S,
        rows: &mut Rows<'_>,
        made: impl Fn(u32, Vec<S>) -> Pixels,
    ) -> Result<(), Failure> {
        let stride = self.width * planes;
        let mut data = vec![S::default(); stride * self.height];
        let mut row = vec![0; self.stride];
        for number in 0..planes * self.height {
            let (plane, y) = (number / self.height, number % self.height);
            if let Err(damage) = self.row(number, &mut row) {
                let whole = if plane + 1 == planes { y } else { 0 };
                if whole > 0 && rows.accepts_damage() {
                    data.truncate(whole * stride);
                    rows.take(made(whole as u32, data))?;
                }
                return Err(damage);
            }
            let line = &mut data[y * stride..(y + 1) * stride];
            for (at, pixel) in line.chunks_exact_mut(planes).enumerate() {
                pixel[plane] = value(&row, at);
            }
        }
        rows.take(made(self.height as u32, data))
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
