//! Photoshop documents, input only: the merged image, plane by plane, uncompressed or PackBits. Source: Adobe Photoshop
//! File Formats Specification.

use std::io::{BufRead, Read, Seek, SeekFrom};

use offprint_core::Code;
use offprint_modifiers::PixelType;

use super::decode::DecodeOutput;
use super::packbits;
use crate::error::RenderError;
use crate::header::ImageHeader;
use crate::header::psd::{self, PsdLayout};
use crate::pixels::{Pixels, Raster, Sample};

/// How many bytes a packed row may have that are not needed.
const MAX_SURPLUS_BYTES: usize = 128;

pub(super) fn decode_psd(mut input: impl BufRead + Seek, rows: &mut DecodeOutput<'_>) -> Result<(), RenderError> {
    let (header, layout) = psd::read_psd_header(&mut input)?;
    let mut planes = PlaneReader::open(input, &header, &layout)?;
    decode_planes(&mut planes, &header, &layout, rows)?;
    if planes.ends_early()? {
        rows.report_irregularity("The Photoshop document ends within a channel that is not used.");
    }
    Ok(())
}

fn decode_planes<R: Read>(
    planes: &mut PlaneReader<R>,
    header: &ImageHeader,
    layout: &PsdLayout,
    rows: &mut DecodeOutput<'_>,
) -> Result<(), RenderError> {
    let channels = header.color.components() + usize::from(header.alpha);
    let (width, color, alpha) = (header.width, header.color, header.alpha);
    if let Some(palette) = &layout.palette {
        let channels = 1 + usize::from(alpha);
        let color = |pixel: &[u8]| {
            let index = usize::from(pixel[0]);
            let rgb = [palette[index], palette[256 + index], palette[512 + index]];
            rgb.into_iter().chain(pixel.get(1).copied()).collect::<Vec<_>>()
        };
        return planes.read_pixels(
            channels,
            |row, at| row[at],
            rows,
            |height, data| {
                let data = data.chunks_exact(channels).flat_map(color).collect();
                Raster::<u8>::new(width, height, PixelType::Rgb, alpha, data).into()
            },
        );
    }
    let build_eight_bit =
        |height, data| remove_white_matte(Raster::<u8>::new(width, height, color, alpha, data)).into();
    match layout.bits {
        // A bit that is set is black.
        1 => planes.read_pixels(
            channels,
            |row, at| if row[at / 8] & 0x80 >> (at % 8) == 0 { 255_u8 } else { 0 },
            rows,
            build_eight_bit,
        ),
        8 => planes.read_pixels(channels, |row, at| row[at], rows, build_eight_bit),
        _ => {
            let value = |row: &[u8], at: usize| u16::from_be_bytes([row[2 * at], row[2 * at + 1]]);
            planes.read_pixels(channels, value, rows, |height, data| {
                remove_white_matte(Raster::<u16>::new(width, height, color, alpha, data)).into()
            })
        }
    }
}

/// Photoshop stores the merged image blended with white where it is transparent. Computes the colours without it:
/// `c = (stored - (1 - alpha) * white) / alpha`.
fn remove_white_matte<S: Sample>(raster: Raster<S>) -> Raster<S> {
    if !raster.has_alpha() {
        return raster;
    }
    let (size, pixel_type, channels) = (raster.size(), raster.pixel_type(), raster.channels());
    let mut data = raster.data().to_vec();
    for pixel in data.chunks_exact_mut(channels) {
        let alpha = pixel[channels - 1].to_u64();
        if alpha == 0 || alpha == S::MAX_VALUE {
            continue;
        }
        for value in &mut pixel[..channels - 1] {
            let above_white =
                (value.to_u64() * S::MAX_VALUE + alpha * S::MAX_VALUE).saturating_sub(S::MAX_VALUE * S::MAX_VALUE);
            *value = S::from_u64(((above_white + alpha / 2) / alpha).min(S::MAX_VALUE));
        }
    }
    Raster::new(size.0, size.1, pixel_type, true, data)
}

/// Reads the planes of the merged image in file order.
struct PlaneReader<R> {
    input: R,
    width: usize,
    height: usize,
    /// Bytes of an unpacked row.
    stride: usize,
    /// Rows of all planes.
    rows: usize,
    /// Rows that were read.
    rows_read: usize,
    /// Bytes of each packed row of all planes; `None` when rows are not packed.
    packed_row_lengths: Option<Vec<u32>>,
}

impl<R: Read + Seek> PlaneReader<R> {
    /// Whether the file ends before the rows that were not read.
    fn ends_early(&mut self) -> Result<bool, RenderError> {
        let unread_bytes = match &self.packed_row_lengths {
            Some(lengths) => lengths.iter().skip(self.rows_read).map(|length| u64::from(*length)).sum(),
            None => (self.rows - self.rows_read) as u64 * self.stride as u64,
        };
        let position = self.input.stream_position()?;
        Ok(self.input.seek(SeekFrom::End(0))? < position.saturating_add(unread_bytes))
    }
}

impl<R: Read> PlaneReader<R> {
    fn open(mut input: R, header: &ImageHeader, layout: &PsdLayout) -> Result<Self, RenderError> {
        let (width, height) = (header.width as usize, header.height as usize);
        let mut kind = [0; 2];
        input.read_exact(&mut kind)?;
        let rows = height * usize::from(layout.planes);
        let packed = match u16::from_be_bytes(kind) {
            0 => None,
            1 => Some(read_row_lengths(&mut input, rows, layout.large)?),
            method => {
                let detail =
                    format!("The merged image of the Photoshop document has the unknown compression {method}.");
                return Err(RenderError::new(Code::UnsupportedFormat, detail));
            }
        };
        let stride = (width * usize::from(layout.bits)).div_ceil(8);
        Ok(Self { input, width, height, stride, rows, rows_read: 0, packed_row_lengths: packed })
    }

    /// Hands over the first planes, interleaved to pixels. Of a damaged document only the rows that all planes have.
    fn read_pixels<S: Sample>(
        &mut self,
        planes: usize,
        value: impl Fn(&[u8], usize) -> S,
        rows: &mut DecodeOutput<'_>,
        build_band: impl Fn(u32, Vec<S>) -> Pixels,
    ) -> Result<(), RenderError> {
        let stride = self.width * planes;
        let mut data = vec![S::default(); stride * self.height];
        let mut row = vec![0; self.stride];
        for number in 0..planes * self.height {
            let (plane, y) = (number / self.height, number % self.height);
            if let Err(damage) = self.read_row(number, &mut row) {
                let complete_rows = if plane + 1 == planes { y } else { 0 };
                if complete_rows > 0 && rows.accepts_damage() {
                    data.truncate(complete_rows * stride);
                    rows.push(build_band(complete_rows as u32, data))?;
                }
                return Err(damage);
            }
            self.rows_read += 1;
            let line = &mut data[y * stride..(y + 1) * stride];
            for (at, pixel) in line.chunks_exact_mut(planes).enumerate() {
                pixel[plane] = value(&row, at);
            }
        }
        rows.push(build_band(self.height as u32, data))
    }

    fn read_row(&mut self, number: usize, row: &mut [u8]) -> Result<(), RenderError> {
        let Some(packed) = &self.packed_row_lengths else { return Ok(self.input.read_exact(row)?) };
        let length = packed[number] as usize;
        // A clumsy encoder writes two bytes for each; a longer row is damaged, and must not make us allocate its length.
        if length > 2 * row.len() + MAX_SURPLUS_BYTES {
            return Err(packed_row_error());
        }
        let mut bytes = vec![0; length];
        self.input.read_exact(&mut bytes)?;
        if packbits::unpack_row(&bytes, row) { Ok(()) } else { Err(packed_row_error()) }
    }
}

fn packed_row_error() -> RenderError {
    RenderError::new(Code::Corrupt, "A compressed row of the Photoshop document has the wrong length or is damaged.")
}

fn read_row_lengths(input: &mut impl Read, rows: usize, large: bool) -> Result<Vec<u32>, RenderError> {
    let size = if large { 4 } else { 2 };
    let mut bytes = Vec::new();
    input.take((rows * size) as u64).read_to_end(&mut bytes)?;
    if bytes.len() < rows * size {
        return Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into());
    }
    Ok(bytes.chunks_exact(size).map(|number| number.iter().fold(0, |sum, byte| sum << 8 | u32::from(*byte))).collect())
}
