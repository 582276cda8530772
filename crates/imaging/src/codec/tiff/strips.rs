//! TIFF decoding, strip by strip or tile by tile, on several cores with only a few pieces in memory.
//!
//! Reads gray, RGB, palettes, CMYK and YCbCr, with or without alpha, integers of 1 to 32 bits and floating point, chunky
//! or planar; uncompressed, LZW, deflate, PackBits, JPEG or fax. A *piece* is a strip or a tile.

use std::borrow::Cow;
use std::io::{self, BufReader, Read};

use flate2::read::ZlibDecoder;
use offprint_core::Code;

use super::fax;
use super::pieces::{TiffPieces, count_bytes};
use super::samples::{SamplePacking, StoredSample};
use crate::codec::decode::DecodeOutput;
use crate::codec::ordered_work::run_in_order;
use crate::codec::{jpeg, lzw, packbits};
use crate::error::RenderError;
use crate::file_section::FilePart;
use crate::header::tiff::{TiffCompression, TiffFile, TiffLayout, tags};
use crate::pixels::{Pixels, Raster, Sample};
use crate::source_files::SourceReader;

/// An open TIFF and where its pieces lie.
pub(in crate::codec) struct TiffStrips {
    file: SourceReader,
    file_bytes: u64,
    layout: TiffLayout,
    /// Tables that the embedded JPEGs share.
    jpeg_tables: Option<Vec<u8>>,
    pieces: TiffPieces,
}

/// The stored bytes of a piece.
struct PackedPiece {
    bytes: Vec<u8>,
    /// Whether the file ends before the piece does.
    is_cut: bool,
}

impl TiffStrips {
    /// Opens the image that a plan names, or that the first directory describes.
    pub(crate) fn open(file: &SourceReader, part: Option<FilePart>) -> Result<Self, RenderError> {
        let mut tiff = TiffFile::open(BufReader::new(file.clone()))?;
        let offset = match part {
            Some(FilePart::Directory(offset)) => offset,
            _ => tiff.first_directory,
        };
        let directory = tiff.read_directory(offset)?;
        let layout = TiffLayout::read(&mut tiff, &directory)?;
        Ok(Self {
            pieces: TiffPieces::read(&mut tiff, &directory, &layout)?,
            jpeg_tables: tiff.find_bytes(&directory, tags::JPEG_TABLES),
            file: file.clone(),
            file_bytes: tiff.length,
            layout,
        })
    }

    pub(crate) fn decode(&self, rows: &mut DecodeOutput<'_>) -> Result<(), RenderError> {
        if self.layout.bits > 8 { self.decode_bands::<u16>(rows) } else { self.decode_bands::<u8>(rows) }
    }

    fn decode_bands<S: StoredSample>(&self, rows: &mut DecodeOutput<'_>) -> Result<(), RenderError>
    where
        Pixels: From<Raster<S>>,
    {
        let (pieces, width) = (&self.pieces, self.layout.size.0 as usize);
        let (color, alpha) = (self.layout.color, self.layout.alpha.is_some());
        let channels = color.components() + usize::from(alpha);
        let band =
            |data: Vec<S>| Raster::new(width as u32, (data.len() / (width * channels)) as u32, color, alpha, data);
        // Tiles are collected until a row of them is complete.
        let mut tile_row = vec![S::default(); if pieces.across > 1 { width * pieces.size.1 * channels } else { 0 }];
        run_in_order(
            pieces.per_plane,
            |at| self.decode_piece::<S>(at),
            |at, piece| {
                if pieces.across == 1 {
                    return rows.push(band(piece));
                }
                let column = at % pieces.across;
                let (wide, high) = pieces.visible_size(at);
                let left = column * pieces.size.0 * channels;
                for (line, source) in piece.chunks_exact(wide * channels).enumerate() {
                    let start = line * width * channels + left;
                    tile_row[start..start + source.len()].copy_from_slice(source);
                }
                if column + 1 == pieces.across {
                    rows.push(band(tile_row[..high * width * channels].to_vec()))
                } else {
                    Ok(())
                }
            },
        )
    }

    /// The pixels of the visible part of a piece.
    fn decode_piece<S: StoredSample>(&self, at: usize) -> Result<Vec<S>, RenderError> {
        let layout = &self.layout;
        if let Some(block) = layout.shared_chroma() {
            return self.read_shared_chroma(at, block).map(|data| data.into_iter().map(S::from_byte).collect());
        }
        let used = layout.used_samples();
        let mut data = self.read_used_samples::<S>(at, &used)?;
        if layout.white_is_zero {
            let invert = |value: S| S::from_u64(S::MAX_VALUE - value.to_u64());
            data.chunks_exact_mut(used.len()).for_each(|pixel| pixel[0] = invert(pixel[0]));
        }
        if let Some(ycbcr) = layout.ycbcr.filter(|_| layout.compression != TiffCompression::Jpeg) {
            for pixel in data.chunks_exact_mut(used.len()) {
                let rgb = ycbcr.convert_pixel([0, 1, 2].map(|part| pixel[part].to_u64() as u8));
                pixel.iter_mut().zip(rgb).for_each(|(value, color)| *value = S::from_byte(color));
            }
        }
        Ok(match &layout.palette {
            Some(palette) => {
                data.chunks_exact(used.len()).flat_map(|pixel| look_up_color(palette, pixel, layout.bits)).collect()
            }
            None => data,
        })
    }

    /// The samples of the visible part of a piece that are used, and no others.
    fn read_used_samples<S: StoredSample>(&self, at: usize, used: &[usize]) -> Result<Vec<S>, RenderError> {
        if self.layout.planar {
            let read = |plane: &usize| self.read_samples::<S>(at, plane * self.pieces.per_plane + at, 1);
            let planes: Vec<_> = used.iter().map(read).collect::<Result<_, _>>()?;
            return Ok((0..planes[0].len()).flat_map(|pixel| planes.iter().map(move |plane| plane[pixel])).collect());
        }
        let samples = self.layout.samples;
        let data = self.read_samples::<S>(at, at, samples)?;
        Ok(match used.len() == samples {
            true => data,
            false => data.chunks_exact(samples).flat_map(|pixel| used.iter().map(|sample| pixel[*sample])).collect(),
        })
    }

    /// The samples of the visible part of a piece, `samples` per pixel. `at` is the number of the piece in the image,
    /// `stored` in the file, which differs for planar files.
    fn read_samples<S: StoredSample>(&self, at: usize, stored: usize, samples: usize) -> Result<Vec<S>, RenderError> {
        let (wide, high) = self.pieces.visible_size(at);
        let stored_size = self.pieces.stored_size(at);
        let packing = SamplePacking::new(&self.layout, stored_size.0, samples);
        let bytes = match self.layout.compression {
            TiffCompression::Jpeg => self.read_jpeg(stored, (stored_size.0, high), samples)?,
            _ => self.read_unpacked(stored, (stored_size.0, high), packing.stride * high)?,
        };
        let data = S::from_stored_bytes(bytes, &packing);
        let visible = wide * samples;
        Ok(match visible < packing.samples_per_row {
            true => data.chunks_exact(packing.samples_per_row).flat_map(|row| &row[..visible]).copied().collect(),
            false => data,
        })
    }

    /// The stored bytes of a piece, at most `max_bytes`: what follows is ignored.
    fn read_packed(&self, at: usize, max_bytes: u64) -> Result<PackedPiece, RenderError> {
        let (offset, length) = self.pieces.ranges[at];
        let wanted = length.min(max_bytes);
        let available = self.file_bytes.saturating_sub(offset).min(wanted);
        let mut bytes = vec![0; available as usize];
        self.file.read_exact_at(&mut bytes, offset)?;
        // The bytes of a JPEG have an order of their own.
        if self.layout.low_bit_first && self.layout.compression != TiffCompression::Jpeg {
            bytes.iter_mut().for_each(|byte| *byte = byte.reverse_bits());
        }
        Ok(PackedPiece { bytes, is_cut: available < wanted })
    }

    /// The first `needed` bytes of a piece, decompressed; they are `size` pixels.
    fn read_unpacked(&self, at: usize, size: (usize, usize), needed: usize) -> Result<Vec<u8>, RenderError> {
        let whole = count_bytes(&self.layout, (size.0, self.pieces.size.1.max(size.1)));
        // No compression makes a piece longer than this.
        let max_bytes = match self.layout.compression {
            TiffCompression::None => needed as u64,
            TiffCompression::Fax(_) => 8 * whole + 4096,
            _ => 2 * whole + 4096,
        };
        let packed = self.read_packed(at, max_bytes)?;
        let is_cut = packed.is_cut;
        match unpack(self.layout.compression, packed.bytes, size, needed) {
            Ok(data) => Ok(data),
            Err(_) if is_cut => Err(truncation_error()),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                Err(RenderError::new(Code::Corrupt, "The TIFF is damaged: a strip is too short."))
            }
            Err(error) => Err(RenderError::new(Code::Corrupt, format!("The TIFF is damaged: {error}."))),
        }
    }

    /// The visible part of a piece of YCbCr whose pixels share chroma, as RGB. The file has blocks of luma values,
    /// followed by the Cb and Cr that they share (TIFF 6.0, section 21).
    fn read_shared_chroma(
        &self,
        at: usize,
        (block_width, block_height): (usize, usize),
    ) -> Result<Vec<u8>, RenderError> {
        let Some(ycbcr) = self.layout.ycbcr else { return Ok(Vec::new()) };
        let ((wide, high), stored_wide) = (self.pieces.visible_size(at), self.pieces.stored_size(at).0);
        let blocks_across = stored_wide.div_ceil(block_width);
        let block_bytes = block_width * block_height + 2;
        let needed = count_bytes(&self.layout, (stored_wide, high)) as usize;
        let stored = self.read_unpacked(at, (stored_wide, high), needed)?;
        let mut data = vec![0; wide * high * 3];
        for (at, pixel) in data.chunks_exact_mut(3).enumerate() {
            let (x, y) = (at % wide, at / wide);
            let block_at = (y / block_height * blocks_across + x / block_width) * block_bytes;
            let [luma @ .., blue, red] = &stored[block_at..][..block_bytes] else { continue };
            let luma = luma[y % block_height * block_width + x % block_width];
            pixel.copy_from_slice(&ycbcr.convert_pixel([luma, *blue, *red]));
        }
        Ok(data)
    }

    /// The first rows of a piece that is a JPEG. Its tables may be in the directory (TIFF Technical Note 2).
    fn read_jpeg(&self, at: usize, (wide, high): (usize, usize), samples: usize) -> Result<Vec<u8>, RenderError> {
        let max_rows = self.pieces.size.1;
        let jpeg = self.read_packed(at, (4 * wide * max_rows * samples).saturating_add(1 << 20) as u64)?;
        let file = match &self.jpeg_tables {
            // Both are complete files: drop the end marker of the tables and the start marker of the piece.
            Some(tables) if tables.len() >= 2 && jpeg.bytes.len() >= 2 => {
                Cow::Owned([&tables[..tables.len() - 2], &jpeg.bytes[2..]].concat())
            }
            _ => Cow::Borrowed(&jpeg.bytes),
        };
        let decoded = jpeg::decode_jpeg_piece(&file, (wide, high, max_rows), samples, self.layout.ycbcr.is_some());
        decoded.map_err(|failure| if jpeg.is_cut { truncation_error() } else { failure })
    }
}

fn truncation_error() -> RenderError {
    RenderError::for_truncated_file("The TIFF ends before its image data does.")
}

/// Decompresses the first `needed` bytes of a piece.
fn unpack(
    compression: TiffCompression,
    mut packed: Vec<u8>,
    size: (usize, usize),
    needed: usize,
) -> io::Result<Vec<u8>> {
    match compression {
        TiffCompression::None if packed.len() < needed => Err(io::ErrorKind::UnexpectedEof.into()),
        TiffCompression::None => {
            packed.truncate(needed);
            Ok(packed)
        }
        TiffCompression::Lzw => lzw::decode_lzw(&packed, needed),
        TiffCompression::PackBits => {
            let mut data = Vec::with_capacity(needed + 128);
            packbits::unpack_bytes(&packed, &mut data, needed)?;
            data.truncate(needed);
            Ok(data)
        }
        TiffCompression::Fax(coding) => fax::decode_fax(&packed, coding, size),
        TiffCompression::Deflate => {
            let mut data = vec![0; needed];
            ZlibDecoder::new(packed.as_slice()).read_exact(&mut data).map(|()| data)
        }
        // Is decoded as a file of its own.
        TiffCompression::Jpeg => Err(io::ErrorKind::Unsupported.into()),
    }
}

/// The palette colour of a pixel, and its alpha.
fn look_up_color<S: Sample>(palette: &[[u8; 3]], pixel: &[S], bits: u8) -> impl Iterator<Item = S> {
    let color = palette.get(pixel[0].to_u64() as usize).copied().unwrap_or_default();
    let max_value = (1 << bits) - 1;
    let alpha = pixel.get(1).map(|alpha| S::from_u64(alpha.to_u64() * S::MAX_VALUE / max_value));
    color.into_iter().map(S::from_byte).chain(alpha)
}
