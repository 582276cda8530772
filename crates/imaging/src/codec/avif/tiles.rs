//! AVIF decoding: puts tiles together to a whole image, and alpha to its colours.

use std::io::{BufRead, Read, Seek};

use offprint_core::Code;

use super::frame;
use crate::codec::decode::DecodeOutput;
use crate::error::RenderError;
use crate::header::av1::SequenceHeader;
use crate::header::avif::{self, AvifLayout, TiledImage};
use crate::pixels::{Pixels, Raster, Sample};

/// Largest coded tile that is read, in bytes.
const MAX_TILE_BYTES: u64 = 1 << 30;

/// Hands over a row of tiles at a time. Most images have a single tile.
pub(in crate::codec) fn decode_avif(
    mut input: impl BufRead + Seek,
    rows: &mut DecodeOutput<'_>,
) -> Result<(), RenderError> {
    let (header, layout) = avif::read_avif_header(&mut input)?;
    match header.bits {
        8 => decode_layers::<u8>(&mut input, &layout, rows)?,
        _ => decode_layers::<u16>(&mut input, &layout, rows)?,
    }
    if layout.ends_early {
        rows.report_irregularity("The AVIF ends within a part that is not used.");
    }
    Ok(())
}

fn decode_layers<S: Sample>(
    input: &mut (impl Read + Seek),
    layout: &AvifLayout,
    rows: &mut DecodeOutput<'_>,
) -> Result<(), RenderError>
where
    Pixels: From<Raster<S>>,
{
    let mut alpha = Vec::new();
    if let Some(alpha_image) = &layout.alpha {
        for_each_tile_row(input, alpha_image, frame::decode_gray::<S>, |row| {
            alpha.extend_from_slice(row.data());
            Ok(())
        })?;
    }
    let mut at = 0;
    let decode = |data: &[u8], sequence: SequenceHeader| frame::decode_color::<S>(data, sequence, layout.cicp);
    for_each_tile_row(input, &layout.color, decode, |row| {
        let pixels = row.size().0 as usize * row.size().1 as usize;
        let row = if layout.alpha.is_some() { row.with_mask(&alpha[at..at + pixels]) } else { row };
        at += pixels;
        rows.push(row)
    })
}

/// Decodes the tiles row by row and joins those of a row.
fn for_each_tile_row<S: Sample>(
    input: &mut (impl Read + Seek),
    image: &TiledImage,
    decode: impl Fn(&[u8], SequenceHeader) -> Result<Raster<S>, RenderError>,
    mut take: impl FnMut(Raster<S>) -> Result<(), RenderError>,
) -> Result<(), RenderError> {
    let mut rows_left = image.size.1;
    for row in image.tiles.chunks(image.columns) {
        let mut tiles = Vec::new();
        for extents in row {
            let data = avif::read_extents(input, extents, MAX_TILE_BYTES, true)?;
            let sequence = SequenceHeader::read(&data)?;
            // Otherwise an image that claims to be small could make the decoder allocate the memory of a large one.
            if sequence.size != image.tile_size {
                return Err(tile_mismatch_error());
            }
            tiles.push(decode(&data, sequence)?);
        }
        let height = rows_left.min(image.tile_size.1);
        rows_left -= height;
        take(join_tiles(tiles, (image.size.0, height))?)?;
    }
    Ok(())
}

fn join_tiles<S: Sample>(mut tiles: Vec<Raster<S>>, (width, height): (u32, u32)) -> Result<Raster<S>, RenderError> {
    let Some(first) = tiles.first() else { return Err(tile_mismatch_error()) };
    let (pixel_type, stride) = (first.pixel_type(), width as usize * first.channels());
    if tiles.iter().any(|tile| tile.pixel_type() != pixel_type) {
        return Err(tile_mismatch_error());
    }
    if first.size() == (width, height) {
        return Ok(tiles.swap_remove(0));
    }
    let mut data = Vec::with_capacity(stride * height as usize);
    for y in 0..height as usize {
        let line = tiles.iter().filter_map(|tile| tile.rows().nth(y)).flatten();
        data.extend(line.take(stride));
    }
    Ok(Raster::new(width, height, pixel_type, false, data))
}

fn tile_mismatch_error() -> RenderError {
    RenderError::new(Code::Corrupt, "The tiles of the AVIF image differ in size or kind.")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use offprint_modifiers::PixelType;

    #[test]
    fn tiles_lie_side_by_side_and_end_with_the_image() {
        let tile = |value: u8| Raster::new(2, 2, PixelType::Gray, false, vec![value, value + 1, value + 2, value + 3]);
        let whole = join_tiles(vec![tile(0), tile(10)], (3, 2)).unwrap();
        assert_eq!(whole.data(), [0, 1, 10, 2, 3, 12]);
        assert_eq!(join_tiles(vec![tile(0), tile(10)], (4, 1)).unwrap().data(), [0, 1, 10, 11]);
        assert_eq!(join_tiles(vec![tile(7)], (2, 2)).unwrap(), tile(7));
        let color = Raster::new(2, 2, PixelType::Rgb, false, vec![0; 12]);
        assert!(join_tiles(vec![tile(0), color], (3, 2)).is_err());
    }
}
