//! The usual TIFF, strip by strip or tile by tile: eight bits, components side by side, gray, RGB or CMYK with or
//! without alpha; not compressed, LZW, deflate or PackBits. Strips are decompressed on several cores, and only a few are held.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::unix::fs::FileExt;

use flate2::read::ZlibDecoder;
use tiff::decoder::{Decoder, Limits};
use tiff::tags::{CompressionMethod, PhotometricInterpretation, Tag};

use super::decode::Rows;
use super::in_order::in_order;
use super::lzw;
use crate::code::Code;
use crate::language::PixelType;
use crate::render::failure::Failure;
use crate::render::pixels::Raster;

/// How much of the directory may be held at once, in bytes.
const MOST: usize = 32 << 20;

/// Where the pieces of a picture lie and how they are packed.
pub(super) struct Strips {
    file: File,
    /// Length of the file.
    length: u64,
    width: usize,
    height: usize,
    color: PixelType,
    samples: usize,
    method: CompressionMethod,
    differences: bool,
    white_is_zero: bool,
    /// Tiles are stored whole, a strip only as far as the picture goes.
    tiled: bool,
    /// Width and height of a piece.
    piece: (usize, usize),
    /// Pieces beside each other.
    across: usize,
    /// Offset and length of each piece.
    places: Vec<(u64, u64)>,
}

impl Strips {
    /// `None` when the picture is of a kind that is left to others, or its directory does not hold together.
    pub fn of(file: &File) -> Option<Self> {
        let mut limits = Limits::default();
        limits.ifd_value_size = MOST;
        let mut decoder = Decoder::new(BufReader::new(file.try_clone().ok()?)).ok()?.with_limits(limits);
        let (width, height) = decoder.dimensions().ok()?;
        let mut number = |tag, default: u32| match decoder.find_tag_unsigned::<u32>(tag) {
            Ok(found) => Some(found.unwrap_or(default)),
            Err(_) => None,
        };
        let samples = number(Tag::SamplesPerPixel, 1)?;
        let interpretation = PhotometricInterpretation::from_u16(number(Tag::PhotometricInterpretation, 99)? as u16)?;
        let color = match interpretation {
            PhotometricInterpretation::WhiteIsZero | PhotometricInterpretation::BlackIsZero => PixelType::Gray,
            PhotometricInterpretation::RGB => PixelType::Rgb,
            PhotometricInterpretation::CMYK => PixelType::Cmyk,
            _ => return None,
        };
        let method = CompressionMethod::from_u16(number(Tag::Compression, 1)? as u16)?;
        let known = matches!(
            method,
            CompressionMethod::None
                | CompressionMethod::LZW
                | CompressionMethod::Deflate
                | CompressionMethod::OldDeflate
                | CompressionMethod::PackBits
        );
        let predictor = number(Tag::Predictor, 1)?;
        let chunky = number(Tag::PlanarConfiguration, 1)? == 1;
        let first_bit_high = number(Tag::FillOrder, 1)? == 1;
        if !known
            || !chunky
            || !first_bit_high
            || !matches!(predictor, 1 | 2)
            || ![0, 1].contains(&(i64::from(samples) - color.components() as i64))
        {
            return None;
        }
        // Without the tag a sample has one bit.
        decoder.find_tag(Tag::BitsPerSample).ok()??;
        let mut all = |tag, value: u16| {
            let found = decoder.find_tag_unsigned_vec::<u16>(tag).ok()?;
            found.is_none_or(|found| found.iter().all(|it| *it == value)).then_some(())
        };
        all(Tag::SampleFormat, 1)?;
        all(Tag::BitsPerSample, 8)?;
        let mut number = |tag| decoder.find_tag_unsigned::<u32>(tag).ok();
        let (piece, offsets, lengths) = match number(Tag::TileWidth)? {
            Some(wide) => ((wide, number(Tag::TileLength)??), Tag::TileOffsets, Tag::TileByteCounts),
            None => {
                let rows = number(Tag::RowsPerStrip)?.unwrap_or(height).min(height);
                ((width, rows), Tag::StripOffsets, Tag::StripByteCounts)
            }
        };
        let mut list = |tag| decoder.find_tag_unsigned_vec::<u64>(tag).ok().flatten();
        let places: Vec<_> = list(offsets)?.into_iter().zip(list(lengths)?).collect();
        let piece = (piece.0 as usize, piece.1 as usize);
        if piece.0 == 0 || piece.1 == 0 {
            return None;
        }
        let (width, height) = (width as usize, height as usize);
        let across = width.div_ceil(piece.0);
        if places.len() != across * height.div_ceil(piece.1) {
            return None;
        }
        Some(Self {
            length: file.metadata().ok()?.len(),
            file: file.try_clone().ok()?,
            width,
            height,
            color,
            samples: samples as usize,
            method,
            differences: predictor == 2,
            white_is_zero: interpretation == PhotometricInterpretation::WhiteIsZero,
            tiled: offsets == Tag::TileOffsets,
            piece,
            across,
            places,
        })
    }

    /// Hands over the rows.
    pub fn decode(&self, rows: &mut Rows<'_>) -> Result<(), Failure> {
        let channels = self.samples;
        let (width, color, alpha) = (self.width, self.color, channels > self.color.components());
        let band =
            |data: Vec<u8>| Raster::new(width as u32, (data.len() / (width * channels)) as u32, color, alpha, data);
        // Tiles beside each other become rows.
        let mut beside = vec![0; if self.across > 1 { self.width * self.piece.1 * channels } else { 0 }];
        in_order(
            self.places.len(),
            |at| self.piece(at),
            |at, piece| {
                if self.across == 1 {
                    return rows.take(band(piece));
                }
                let column = at % self.across;
                let (wide, high) = self.shown(at);
                let left = column * self.piece.0 * channels;
                for (line, source) in piece.chunks_exact(wide * channels).enumerate() {
                    let start = line * self.width * channels + left;
                    beside[start..start + source.len()].copy_from_slice(source);
                }
                if column + 1 == self.across {
                    rows.take(band(beside[..high * width * channels].to_vec()))
                } else {
                    Ok(())
                }
            },
        )
    }

    /// Width and height of what a piece shows of the picture; tiles may reach outside.
    fn shown(&self, at: usize) -> (usize, usize) {
        let (left, top) = (at % self.across * self.piece.0, at / self.across * self.piece.1);
        (self.piece.0.min(self.width - left), self.piece.1.min(self.height - top))
    }

    /// The pixels that a piece shows.
    fn piece(&self, at: usize) -> Result<Vec<u8>, Failure> {
        let (wide, high) = self.shown(at);
        let stored = if self.tiled { self.piece } else { (wide, high) };
        let stride = stored.0 * self.samples;
        let mut data = self.unpacked(at, stride * high, stride * stored.1)?;
        if self.differences {
            for row in data.chunks_exact_mut(stride) {
                for at in self.samples..stride {
                    row[at] = row[at].wrapping_add(row[at - self.samples]);
                }
            }
        }
        if self.white_is_zero {
            data.chunks_exact_mut(self.samples).for_each(|pixel| pixel[0] = !pixel[0]);
        }
        let shown = wide * self.samples;
        if shown < stride {
            data = data.chunks_exact(stride).flat_map(|row| &row[..shown]).copied().collect();
        }
        Ok(data)
    }

    /// The first bytes of a piece, so many as are needed; `whole` is how many it has.
    fn unpacked(&self, at: usize, needed: usize, whole: usize) -> Result<Vec<u8>, Failure> {
        let (offset, length) = self.places[at];
        if self.length < offset.saturating_add(length) {
            return Err(Failure::new(Code::Truncated, "The TIFF ends before its picture does."));
        }
        // No way of packing makes a piece twice as long; what follows is ignored.
        let mut packed = vec![0; length.min(2 * whole as u64 + 4096) as usize];
        self.file.read_exact_at(&mut packed, offset)?;
        let unpacked = match self.method {
            CompressionMethod::None => {
                packed.truncate(needed);
                Ok(packed)
            }
            CompressionMethod::LZW => lzw::decode(&packed, needed),
            CompressionMethod::PackBits => unpack_bits(&packed, needed),
            _ => {
                let mut data = vec![0; needed];
                ZlibDecoder::new(&packed[..]).read_exact(&mut data).map(|()| data)
            }
        };
        match unpacked {
            Ok(data) if data.len() == needed => Ok(data),
            Ok(_) => Err(Failure::new(Code::Corrupt, "The TIFF is damaged: a strip is too short.")),
            // The file is long enough, so this is damage and not a cut.
            Err(error) => Err(Failure::new(Code::Corrupt, format!("The TIFF is damaged: {error}."))),
        }
    }
}

/// Runs of bytes and repeated bytes (TIFF 6.0, section 9).
fn unpack_bits(packed: &[u8], needed: usize) -> io::Result<Vec<u8>> {
    let mut out = Vec::with_capacity(needed + 128);
    let mut rest = packed;
    while out.len() < needed {
        let (head, after) = rest.split_first().ok_or(io::ErrorKind::UnexpectedEof)?;
        rest = match *head as i8 {
            -128 => after,
            count @ 0.. => {
                let (run, after) = after.split_at_checked(count as usize + 1).ok_or(io::ErrorKind::UnexpectedEof)?;
                out.extend_from_slice(run);
                after
            }
            count => {
                let (byte, after) = after.split_first().ok_or(io::ErrorKind::UnexpectedEof)?;
                out.resize(out.len() + 1 + usize::from(count.unsigned_abs()), *byte);
                after
            }
        };
    }
    out.truncate(needed);
    Ok(out)
}
