//! TIFF, strip by strip or tile by tile: gray, RGB, palettes or CMYK, with alpha or without, one to sixteen bits, components
//! side by side or apart; not compressed, LZW, deflate, PackBits or JPEG. Strips are decompressed on several cores, and
//! only a few are held.

use std::borrow::Cow;
use std::fs::File;
use std::io::{BufReader, Read};
use std::os::unix::fs::FileExt;

use flate2::read::ZlibDecoder;
use tiff::decoder::{Decoder, Limits};
use tiff::tags::{ByteOrder, CompressionMethod, Tag};

use super::decode::Rows;
use super::in_order::in_order;
use super::{jpeg, lzw, packbits};
use offprint_core::Code;
use crate::failure::Failure;
use crate::header::Layout;
use crate::pixels::{Pixels, Raster, Sample};

/// How much of the directory may be held at once, in bytes.
const MOST: usize = 32 << 20;

/// Where the pieces of a picture lie.
pub(super) struct Strips {
    file: File,
    /// Length of the file.
    length: u64,
    layout: Layout,
    /// Tables that the JPEGs inside have in common.
    tables: Option<Vec<u8>>,
    width: usize,
    height: usize,
    /// Tiles are stored whole, a strip only as far as the picture goes.
    tiled: bool,
    /// Width and height of a piece.
    piece: (usize, usize),
    /// Pieces beside each other.
    across: usize,
    /// Pieces of all components, or of each one where they are apart.
    pieces: usize,
    /// Offset and length of each piece.
    places: Vec<(u64, u64)>,
}

impl Strips {
    /// `None` when the picture is of a kind that is left to others, or its directory does not hold together.
    pub fn of(file: &File) -> Option<Self> {
        let mut limits = Limits::default();
        limits.ifd_value_size = MOST;
        let mut decoder = Decoder::new(BufReader::new(file.try_clone().ok()?)).ok()?.with_limits(limits);
        let layout = Layout::of(&mut decoder)?;
        let (width, height) = layout.size;
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
        let pieces = across * height.div_ceil(piece.1);
        if places.len() != pieces * if layout.planar { layout.samples } else { 1 } {
            return None;
        }
        let tables = match decoder.find_tag(Tag::JPEGTables).ok()? {
            Some(tables) => Some(tables.into_u8_vec().ok()?),
            None => None,
        };
        Some(Self {
            length: file.metadata().ok()?.len(),
            file: file.try_clone().ok()?,
            tiled: offsets == Tag::TileOffsets,
            layout,
            tables,
            width,
            height,
            piece,
            across,
            pieces,
            places,
        })
    }

    /// Hands over the rows.
    pub fn decode(&self, rows: &mut Rows<'_>) -> Result<(), Failure> {
        if self.layout.bits > 8 { self.bands::<u16>(rows) } else { self.bands::<u8>(rows) }
    }

    fn bands<S: Stored>(&self, rows: &mut Rows<'_>) -> Result<(), Failure>
    where
        Pixels: From<Raster<S>>,
    {
        let (width, color, alpha) = (self.width, self.layout.color, self.layout.alpha.is_some());
        let channels = color.components() + usize::from(alpha);
        let band =
            |data: Vec<S>| Raster::new(width as u32, (data.len() / (width * channels)) as u32, color, alpha, data);
        // Tiles beside each other become rows.
        let mut beside = vec![S::default(); if self.across > 1 { self.width * self.piece.1 * channels } else { 0 }];
        in_order(
            self.pieces,
            |at| self.piece::<S>(at),
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
    fn piece<S: Stored>(&self, at: usize) -> Result<Vec<S>, Failure> {
        let (layout, read) = (&self.layout, self.layout.read());
        let mut data = if layout.planar {
            let planes = (0..read).map(|plane| self.numbers::<S>(at, plane * self.pieces + at, 1));
            let planes: Vec<_> = planes.collect::<Result<_, _>>()?;
            (0..planes[0].len()).flat_map(|pixel| planes.iter().map(move |plane| plane[pixel])).collect()
        } else {
            let data = self.numbers::<S>(at, at, layout.samples)?;
            match layout.samples == read {
                true => data,
                false => data.chunks_exact(layout.samples).flat_map(|pixel| &pixel[..read]).copied().collect(),
            }
        };
        if layout.white_is_zero {
            data.chunks_exact_mut(read).for_each(|pixel| pixel[0] = S::narrow(S::TOP - pixel[0].wide()));
        }
        Ok(match &layout.palette {
            Some(palette) => data.chunks_exact(read).flat_map(|pixel| chosen(palette, pixel, layout.bits)).collect(),
            None => data,
        })
    }

    /// The numbers of a piece, so many a pixel, that it shows. `at` is its place in the picture, `stored` in the file.
    fn numbers<S: Stored>(&self, at: usize, stored: usize, samples: usize) -> Result<Vec<S>, Failure> {
        let (wide, high) = self.shown(at);
        let whole = if self.tiled { self.piece } else { (wide, high) };
        let layout = &self.layout;
        let count = whole.0 * samples;
        let stride = (count * usize::from(layout.bits)).div_ceil(8);
        let bytes = match layout.ycbcr {
            _ if layout.method == CompressionMethod::ModernJPEG => self.jpeg(stored, (whole.0, high), samples)?,
            Some(each) => self.brightness(stored, (whole.0, high), each)?,
            None => self.unpacked(stored, stride * high, stride * whole.1)?,
        };
        let little = matches!(layout.order, ByteOrder::LittleEndian);
        let mut data =
            S::of_bytes(bytes, &Packing { bits: layout.bits, little, stride, count, index: layout.palette.is_some() });
        if layout.differences {
            for row in data.chunks_exact_mut(count) {
                for at in samples..count {
                    row[at] = S::narrow((row[at].wide() + row[at - samples].wide()) & S::TOP);
                }
            }
        }
        let shown = wide * samples;
        if shown < count {
            data = data.chunks_exact(count).flat_map(|row| &row[..shown]).copied().collect();
        }
        Ok(data)
    }

    /// The compressed bytes of a piece; no way of packing makes one longer than `most`, and what follows is ignored.
    fn packed(&self, at: usize, most: usize) -> Result<Vec<u8>, Failure> {
        let (offset, length) = self.places[at];
        if self.length < offset.saturating_add(length) {
            return Err(Failure::truncated("The TIFF ends before its picture does."));
        }
        let mut packed = vec![0; length.min(most as u64) as usize];
        self.file.read_exact_at(&mut packed, offset)?;
        if self.layout.low_bit_first {
            packed.iter_mut().for_each(|byte| *byte = byte.reverse_bits());
        }
        Ok(packed)
    }

    /// The first bytes of a piece, so many as are needed; `whole` is how many it has.
    fn unpacked(&self, at: usize, needed: usize, whole: usize) -> Result<Vec<u8>, Failure> {
        let mut packed = self.packed(at, 2 * whole + 4096)?;
        let unpacked = match self.layout.method {
            CompressionMethod::None => {
                packed.truncate(needed);
                Ok(packed)
            }
            CompressionMethod::LZW => lzw::decode(&packed, needed),
            CompressionMethod::PackBits => {
                let mut data = Vec::with_capacity(needed + 128);
                packbits::unpack(&packed, &mut data, needed).map(|_| {
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
            Ok(_) => Err(Failure::new(Code::Corrupt, "The TIFF is damaged: a strip is too short.")),
            // The file is long enough, so this is damage and not a cut.
            Err(error) => Err(Failure::new(Code::Corrupt, format!("The TIFF is damaged: {error}."))),
        }
    }

    /// The first rows of a piece of brightness and differences, as RGB: blocks of so many brightnesses across and down and
    /// the two differences that they share (TIFF 6.0, section 21; the usual coefficients).
    fn brightness(&self, at: usize, (wide, high): (usize, usize), each: (usize, usize)) -> Result<Vec<u8>, Failure> {
        let (across, block) = (wide.div_ceil(each.0), each.0 * each.1 + 2);
        let blocks = |rows: usize| across * rows.div_ceil(each.1) * block;
        let stored = self.unpacked(at, blocks(high), blocks(self.piece.1.max(high)))?;
        let mut data = vec![0; wide * high * 3];
        for (at, pixel) in data.chunks_exact_mut(3).enumerate() {
            let (x, y) = (at % wide, at / wide);
            let block = &stored[(y / each.1 * across + x / each.0) * block..][..block];
            let [rest @ .., blue, red] = block else { continue };
            let brightness = f32::from(rest[y % each.1 * each.0 + x % each.0]);
            let (blue, red) = (f32::from(*blue) - 128.0, f32::from(*red) - 128.0);
            let colors = [1.402 * red, -0.344_136 * blue - 0.714_136 * red, 1.772 * blue];
            pixel.iter_mut().zip(colors).for_each(|(value, part)| *value = (brightness + part + 0.5) as u8);
        }
        Ok(data)
    }

    /// The first rows of a piece that is a JPEG. Its tables may stand in the directory (TIFF Technical Note 2).
    fn jpeg(&self, at: usize, (wide, high): (usize, usize), samples: usize) -> Result<Vec<u8>, Failure> {
        let own = self.packed(at, (4 * wide * self.piece.1 * samples).saturating_add(1 << 20))?;
        let file = match &self.tables {
            // Both are whole files: the end of the one and the start of the other fall away.
            Some(tables) if tables.len() >= 2 && own.len() >= 2 => {
                Cow::Owned([&tables[..tables.len() - 2], &own[2..]].concat())
            }
            _ => Cow::Borrowed(&own),
        };
        jpeg::piece(&file, (wide, high, self.piece.1), samples, self.layout.ycbcr.is_some())
    }
}

/// The colour that a number chooses, and its alpha.
fn chosen<S: Sample>(palette: &[[u8; 3]], pixel: &[S], bits: u8) -> impl Iterator<Item = S> {
    let color = palette.get(pixel[0].wide() as usize).copied().unwrap_or_default();
    let most = (1 << bits) - 1;
    let alpha = pixel.get(1).map(|alpha| S::narrow(alpha.wide() * S::TOP / most));
    color.into_iter().map(S::of_byte).chain(alpha)
}

/// How numbers lie in bytes.
struct Packing {
    bits: u8,
    /// Whether the low byte of a number comes first.
    little: bool,
    /// Bytes of a row.
    stride: usize,
    /// Numbers of a row.
    count: usize,
    /// Whether they choose colours, and so must stay as they are.
    index: bool,
}

/// A depth that numbers of a file are brought to.
trait Stored: Sample {
    fn of_bytes(bytes: Vec<u8>, packing: &Packing) -> Vec<Self>;
}

impl Stored for u8 {
    fn of_bytes(bytes: Vec<u8>, packing: &Packing) -> Vec<Self> {
        if packing.bits == 8 { bytes } else { spread(&bytes, packing) }
    }
}

impl Stored for u16 {
    fn of_bytes(bytes: Vec<u8>, packing: &Packing) -> Vec<Self> {
        if packing.bits != 16 {
            return spread(&bytes, packing);
        }
        let number = if packing.little { Self::from_le_bytes } else { Self::from_be_bytes };
        bytes.chunks_exact(2).map(|pair| number([pair[0], pair[1]])).collect()
    }
}

/// Numbers of any few bits, the highest bit first, brought to the whole range. Each row begins with a byte.
fn spread<S: Sample>(bytes: &[u8], packing: &Packing) -> Vec<S> {
    let bits = u32::from(packing.bits);
    let most = (1_u64 << bits) - 1;
    let mut numbers = Vec::with_capacity(bytes.len() / packing.stride.max(1) * packing.count);
    for row in bytes.chunks_exact(packing.stride) {
        let (mut held, mut count, mut rest) = (0_u64, 0, row.iter());
        for _ in 0..packing.count {
            while count < bits {
                held = held << 8 | u64::from(rest.next().copied().unwrap_or_default());
                count += 8;
            }
            count -= bits;
            let number = held >> count & most;
            numbers.push(S::narrow(if packing.index { number } else { (number * S::TOP + most / 2) / most }));
        }
    }
    numbers
}
