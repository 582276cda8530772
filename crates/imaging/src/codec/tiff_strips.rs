//! TIFF decoding, strip by strip or tile by tile, on several cores with only a few pieces in memory.
//!
//! Reads gray, RGB, palettes, CMYK and YCbCr, with or without alpha, 1 to 16 bits, chunky or planar; uncompressed, LZW,
//! deflate, PackBits or JPEG. A *piece* is a strip or a tile. Everything else is left to the image crate (see
//! `tiff.rs`).

use std::borrow::Cow;
use std::fs::File;
use std::io::{BufReader, Read};
use std::os::unix::fs::FileExt;

use flate2::read::ZlibDecoder;
use tiff::decoder::{Decoder, Limits};
use tiff::tags::{ByteOrder, CompressionMethod, Tag};

use super::decode::DecodeOutput;
use super::ordered_work::run_in_order;
use super::{jpeg, lzw, packbits};
use crate::error::RenderError;
use crate::header::TiffLayout;
use crate::pixels::{Pixels, Raster, Sample};
use offprint_core::Code;

/// Largest value of a tag that is read, in bytes.
const MAX_DIRECTORY_BYTES: usize = 32 << 20;

/// An open TIFF and where its pieces lie.
pub(super) struct TiffStrips {
    file: File,
    file_bytes: u64,
    layout: TiffLayout,
    /// Tables that the embedded JPEGs share.
    jpeg_tables: Option<Vec<u8>>,
    width: usize,
    height: usize,
    /// Whether pieces are tiles. Tiles are stored whole, the last strip only as far as the image goes.
    tiled: bool,
    /// Width and height of a piece, in pixels.
    piece_size: (usize, usize),
    /// Pieces in a row of pieces.
    pieces_across: usize,
    /// Pieces of the image; of each component where they are planar.
    pieces_per_plane: usize,
    /// Offset and length of each piece.
    piece_ranges: Vec<(u64, u64)>,
}

impl TiffStrips {
    /// `None` when the image is of another kind, or its directory is inconsistent.
    pub(crate) fn open(file: &File) -> Option<Self> {
        let mut limits = Limits::default();
        limits.ifd_value_size = MAX_DIRECTORY_BYTES;
        let mut decoder = Decoder::new(BufReader::new(file.try_clone().ok()?)).ok()?.with_limits(limits);
        let layout = TiffLayout::from_directory(&mut decoder)?;
        let (width, height) = layout.size;
        let mut number = |tag| decoder.find_tag_unsigned::<u32>(tag).ok();
        let (piece, offsets, lengths) = match number(Tag::TileWidth)? {
            Some(tile_width) => ((tile_width, number(Tag::TileLength)??), Tag::TileOffsets, Tag::TileByteCounts),
            None => {
                let rows = number(Tag::RowsPerStrip)?.unwrap_or(height).min(height);
                ((width, rows), Tag::StripOffsets, Tag::StripByteCounts)
            }
        };
        let mut list = |tag| decoder.find_tag_unsigned_vec::<u64>(tag).ok().flatten();
        let ranges: Vec<_> = list(offsets)?.into_iter().zip(list(lengths)?).collect();
        let piece = (piece.0 as usize, piece.1 as usize);
        if piece.0 == 0 || piece.1 == 0 {
            return None;
        }
        let (width, height) = (width as usize, height as usize);
        let across = width.div_ceil(piece.0);
        let pieces = across * height.div_ceil(piece.1);
        if ranges.len() != pieces * if layout.planar { layout.samples } else { 1 } {
            return None;
        }
        let tables = match decoder.find_tag(Tag::JPEGTables).ok()? {
            Some(tables) => Some(tables.into_u8_vec().ok()?),
            None => None,
        };
        Some(Self {
            file_bytes: file.metadata().ok()?.len(),
            file: file.try_clone().ok()?,
            tiled: offsets == Tag::TileOffsets,
            layout,
            jpeg_tables: tables,
            width,
            height,
            piece_size: piece,
            pieces_across: across,
            pieces_per_plane: pieces,
            piece_ranges: ranges,
        })
    }

    pub(crate) fn decode(&self, rows: &mut DecodeOutput<'_>) -> Result<(), RenderError> {
        if self.layout.bits > 8 { self.decode_bands::<u16>(rows) } else { self.decode_bands::<u8>(rows) }
    }

    fn decode_bands<S: StoredSample>(&self, rows: &mut DecodeOutput<'_>) -> Result<(), RenderError>
    where
        Pixels: From<Raster<S>>,
    {
        let (width, color, alpha) = (self.width, self.layout.color, self.layout.alpha.is_some());
        let channels = color.components() + usize::from(alpha);
        let band =
            |data: Vec<S>| Raster::new(width as u32, (data.len() / (width * channels)) as u32, color, alpha, data);
        // Tiles are collected until a row of them is complete.
        let mut tile_row =
            vec![S::default(); if self.pieces_across > 1 { self.width * self.piece_size.1 * channels } else { 0 }];
        run_in_order(
            self.pieces_per_plane,
            |at| self.decode_piece::<S>(at),
            |at, piece| {
                if self.pieces_across == 1 {
                    return rows.push(band(piece));
                }
                let column = at % self.pieces_across;
                let (wide, high) = self.visible_size(at);
                let left = column * self.piece_size.0 * channels;
                for (line, source) in piece.chunks_exact(wide * channels).enumerate() {
                    let start = line * self.width * channels + left;
                    tile_row[start..start + source.len()].copy_from_slice(source);
                }
                if column + 1 == self.pieces_across {
                    rows.push(band(tile_row[..high * width * channels].to_vec()))
                } else {
                    Ok(())
                }
            },
        )
    }

    /// Width and height of the part of a piece that lies in the image; tiles may reach beyond it.
    fn visible_size(&self, at: usize) -> (usize, usize) {
        let (left, top) = (at % self.pieces_across * self.piece_size.0, at / self.pieces_across * self.piece_size.1);
        (self.piece_size.0.min(self.width - left), self.piece_size.1.min(self.height - top))
    }

    /// The pixels of the visible part of a piece.
    fn decode_piece<S: StoredSample>(&self, at: usize) -> Result<Vec<S>, RenderError> {
        let (layout, read) = (&self.layout, self.layout.samples_read());
        let mut data = if layout.planar {
            let planes = (0..read).map(|plane| self.read_samples::<S>(at, plane * self.pieces_per_plane + at, 1));
            let planes: Vec<_> = planes.collect::<Result<_, _>>()?;
            (0..planes[0].len()).flat_map(|pixel| planes.iter().map(move |plane| plane[pixel])).collect()
        } else {
            let data = self.read_samples::<S>(at, at, layout.samples)?;
            match layout.samples == read {
                true => data,
                false => data.chunks_exact(layout.samples).flat_map(|pixel| &pixel[..read]).copied().collect(),
            }
        };
        if layout.white_is_zero {
            data.chunks_exact_mut(read).for_each(|pixel| pixel[0] = S::from_u64(S::MAX_VALUE - pixel[0].to_u64()));
        }
        Ok(match &layout.palette {
            Some(palette) => {
                data.chunks_exact(read).flat_map(|pixel| look_up_color(palette, pixel, layout.bits)).collect()
            }
            None => data,
        })
    }

    /// The samples of the visible part of a piece, `samples` per pixel. `at` is the number of the piece in the image,
    /// `stored` in the file, which differs for planar files.
    fn read_samples<S: StoredSample>(&self, at: usize, stored: usize, samples: usize) -> Result<Vec<S>, RenderError> {
        let (wide, high) = self.visible_size(at);
        let stored_size = if self.tiled { self.piece_size } else { (wide, high) };
        let layout = &self.layout;
        let count = stored_size.0 * samples;
        let stride = (count * usize::from(layout.bits)).div_ceil(8);
        let bytes = match layout.ycbcr {
            _ if layout.compression == CompressionMethod::ModernJPEG => {
                self.read_jpeg(stored, (stored_size.0, high), samples)?
            }
            Some(subsampling) => self.read_ycbcr(stored, (stored_size.0, high), subsampling)?,
            None => self.read_unpacked(stored, stride * high, stride * stored_size.1)?,
        };
        let little_endian = matches!(layout.byte_order, ByteOrder::LittleEndian);
        let mut data = S::from_packed_bytes(
            bytes,
            &SamplePacking {
                bits: layout.bits,
                little_endian,
                stride,
                samples_per_row: count,
                is_palette_index: layout.palette.is_some(),
            },
        );
        if layout.has_predictor {
            for row in data.chunks_exact_mut(count) {
                for at in samples..count {
                    row[at] = S::from_u64((row[at].to_u64() + row[at - samples].to_u64()) & S::MAX_VALUE);
                }
            }
        }
        let visible = wide * samples;
        if visible < count {
            data = data.chunks_exact(count).flat_map(|row| &row[..visible]).copied().collect();
        }
        Ok(data)
    }

    /// The compressed bytes of a piece, at most `max_bytes`: no compression makes one longer, and what follows is
    /// ignored.
    fn read_packed(&self, at: usize, max_bytes: usize) -> Result<Vec<u8>, RenderError> {
        let (offset, length) = self.piece_ranges[at];
        if self.file_bytes < offset.saturating_add(length) {
            return Err(RenderError::for_truncated_file("The TIFF ends before its image data does."));
        }
        let mut packed = vec![0; length.min(max_bytes as u64) as usize];
        self.file.read_exact_at(&mut packed, offset)?;
        if self.layout.low_bit_first {
            packed.iter_mut().for_each(|byte| *byte = byte.reverse_bits());
        }
        Ok(packed)
    }

    /// The first `needed` bytes of a piece, decompressed; `whole` is its full size in bytes.
    fn read_unpacked(&self, at: usize, needed: usize, whole: usize) -> Result<Vec<u8>, RenderError> {
        let mut packed = self.read_packed(at, 2 * whole + 4096)?;
        let unpacked = match self.layout.compression {
            CompressionMethod::None => {
                packed.truncate(needed);
                Ok(packed)
            }
            CompressionMethod::LZW => lzw::decode_lzw(&packed, needed),
            CompressionMethod::PackBits => {
                let mut data = Vec::with_capacity(needed + 128);
                packbits::unpack_bytes(&packed, &mut data, needed).map(|_| {
                    data.truncate(needed);
                    data
                })
            }
            _ => {
                let mut data = vec![0; needed];
                ZlibDecoder::new(&packed[..]).read_exact(&mut data).map(|()| data)
            }
        };
        match unpacked {
            Ok(data) if data.len() == needed => Ok(data),
            Ok(_) => Err(RenderError::new(Code::Corrupt, "The TIFF is damaged: a strip is too short.")),
            // The file is long enough, so it is damaged and not truncated.
            Err(error) => Err(RenderError::new(Code::Corrupt, format!("The TIFF is damaged: {error}."))),
        }
    }

    /// The first rows of an uncompressed or packed YCbCr piece, as RGB. The file has blocks of `subsampling` luma
    /// values, followed by the Cb and Cr that they share (TIFF 6.0, section 21; coefficients of BT.601).
    fn read_ycbcr(
        &self,
        at: usize,
        (wide, high): (usize, usize),
        subsampling: (usize, usize),
    ) -> Result<Vec<u8>, RenderError> {
        let (block_width, block_height) = subsampling;
        let (blocks_across, block_bytes) = (wide.div_ceil(block_width), block_width * block_height + 2);
        let size = |rows: usize| blocks_across * rows.div_ceil(block_height) * block_bytes;
        let stored = self.read_unpacked(at, size(high), size(self.piece_size.1.max(high)))?;
        let mut data = vec![0; wide * high * 3];
        for (at, pixel) in data.chunks_exact_mut(3).enumerate() {
            let (x, y) = (at % wide, at / wide);
            let block_at = (y / block_height * blocks_across + x / block_width) * block_bytes;
            let [luma @ .., blue, red] = &stored[block_at..][..block_bytes] else { continue };
            let luma = f32::from(luma[y % block_height * block_width + x % block_width]);
            let (blue, red) = (f32::from(*blue) - 128.0, f32::from(*red) - 128.0);
            let colors = [1.402 * red, -0.344_136 * blue - 0.714_136 * red, 1.772 * blue];
            pixel.iter_mut().zip(colors).for_each(|(value, part)| *value = (luma + part + 0.5) as u8);
        }
        Ok(data)
    }

    /// The first rows of a piece that is a JPEG. Its tables may be in the directory (TIFF Technical Note 2).
    fn read_jpeg(&self, at: usize, (wide, high): (usize, usize), samples: usize) -> Result<Vec<u8>, RenderError> {
        let jpeg = self.read_packed(at, (4 * wide * self.piece_size.1 * samples).saturating_add(1 << 20))?;
        let file = match &self.jpeg_tables {
            // Both are complete files: drop the end marker of the tables and the start marker of the piece.
            Some(tables) if tables.len() >= 2 && jpeg.len() >= 2 => {
                Cow::Owned([&tables[..tables.len() - 2], &jpeg[2..]].concat())
            }
            _ => Cow::Borrowed(&jpeg),
        };
        jpeg::decode_jpeg_piece(&file, (wide, high, self.piece_size.1), samples, self.layout.ycbcr.is_some())
    }
}

/// The palette colour of a pixel, and its alpha.
fn look_up_color<S: Sample>(palette: &[[u8; 3]], pixel: &[S], bits: u8) -> impl Iterator<Item = S> {
    let color = palette.get(pixel[0].to_u64() as usize).copied().unwrap_or_default();
    let max_value = (1 << bits) - 1;
    let alpha = pixel.get(1).map(|alpha| S::from_u64(alpha.to_u64() * S::MAX_VALUE / max_value));
    color.into_iter().map(S::from_byte).chain(alpha)
}

/// How samples are packed into bytes.
struct SamplePacking {
    bits: u8,
    little_endian: bool,
    /// Bytes per row.
    stride: usize,
    samples_per_row: usize,
    /// Whether samples are palette indices, which must not be scaled.
    is_palette_index: bool,
}

/// A depth to which samples are brought: 8 or 16 bits.
trait StoredSample: Sample {
    fn from_packed_bytes(bytes: Vec<u8>, packing: &SamplePacking) -> Vec<Self>;
}

impl StoredSample for u8 {
    fn from_packed_bytes(bytes: Vec<u8>, packing: &SamplePacking) -> Vec<Self> {
        if packing.bits == 8 { bytes } else { expand_samples(&bytes, packing) }
    }
}

impl StoredSample for u16 {
    fn from_packed_bytes(bytes: Vec<u8>, packing: &SamplePacking) -> Vec<Self> {
        if packing.bits != 16 {
            return expand_samples(&bytes, packing);
        }
        let number = if packing.little_endian { Self::from_le_bytes } else { Self::from_be_bytes };
        bytes.chunks_exact(2).map(|pair| number([pair[0], pair[1]])).collect()
    }
}

/// Samples of 1 to 16 bits, highest bit first, scaled to the whole range. Each row begins at a byte.
fn expand_samples<S: Sample>(bytes: &[u8], packing: &SamplePacking) -> Vec<S> {
    let bits = u32::from(packing.bits);
    let max_value = (1_u64 << bits) - 1;
    let mut samples = Vec::with_capacity(bytes.len() / packing.stride.max(1) * packing.samples_per_row);
    for row in bytes.chunks_exact(packing.stride) {
        let (mut bit_buffer, mut bit_count, mut rest) = (0_u64, 0, row.iter());
        for _ in 0..packing.samples_per_row {
            while bit_count < bits {
                bit_buffer = bit_buffer << 8 | u64::from(rest.next().copied().unwrap_or_default());
                bit_count += 8;
            }
            bit_count -= bits;
            let sample = bit_buffer >> bit_count & max_value;
            samples.push(S::from_u64(if packing.is_palette_index {
                sample
            } else {
                (sample * S::MAX_VALUE + max_value / 2) / max_value
            }));
        }
    }
    samples
}
