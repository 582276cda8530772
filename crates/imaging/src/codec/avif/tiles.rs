//! AVIF in: tiles to a whole picture, and its alpha to its colours.

use std::io::{BufRead, Read, Seek};

use super::frame;
use offprint_core::Code;
use crate::codec::decode::Rows;
use crate::failure::Failure;
use crate::header::av1::Sequence;
use crate::header::avif::{self, Layout, Picture};
use crate::pixels::{Pixels, Raster, Sample};

/// Most bytes of a tile.
const MOST: u64 = 1 << 30;

/// Hands over a row of tiles at a time, which for most is the picture.
pub(in crate::codec) fn decode(mut input: impl BufRead + Seek, rows: &mut Rows<'_>) -> Result<(), Failure> {
    let (header, layout) = avif::read(&mut input)?;
    match header.bits {
        8 => merged::<u8>(&mut input, &layout, rows),
        _ => merged::<u16>(&mut input, &layout, rows),
    }
}

fn merged<S: Sample>(input: &mut (impl Read + Seek), layout: &Layout, rows: &mut Rows<'_>) -> Result<(), Failure>
where
    Pixels: From<Raster<S>>,
{
    let mut alpha = Vec::new();
    if let Some(picture) = &layout.alpha {
        each_row(input, picture, frame::gray::<S>, |row| {
            alpha.extend_from_slice(row.data());
            Ok(())
        })?;
    }
    let mut at = 0;
    let tile = |data: &[u8], sequence: Sequence| frame::color::<S>(data, sequence, layout.meaning);
    each_row(input, &layout.color, tile, |row| {
        let pixels = row.size().0 as usize * row.size().1 as usize;
        let masked = if layout.alpha.is_some() { row.masked(&alpha[at..at + pixels]) } else { row };
        at += pixels;
        rows.take(masked)
    })
}

/// Decodes the tiles of each row of them and lays them side by side.
fn each_row<S: Sample>(
    input: &mut (impl Read + Seek),
    picture: &Picture,
    decode: impl Fn(&[u8], Sequence) -> Result<Raster<S>, Failure>,
    mut take: impl FnMut(Raster<S>) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut left = picture.size.1;
    for row in picture.tiles.chunks(picture.columns) {
        let mut tiles = Vec::new();
        for parts in row {
            let data = avif::bytes(input, parts, MOST, true)?;
            let sequence = Sequence::read(&data)?;
            // Else a small picture could ask for the memory of a large one.
            if sequence.size != picture.tile {
                return Err(unlike());
            }
            tiles.push(decode(&data, sequence)?);
        }
        let height = left.min(picture.tile.1);
        left -= height;
        take(beside(tiles, (picture.size.0, height))?)?;
    }
    Ok(())
}

fn beside<S: Sample>(mut tiles: Vec<Raster<S>>, (width, height): (u32, u32)) -> Result<Raster<S>, Failure> {
    let Some(first) = tiles.first() else { return Err(unlike()) };
    let (pixel_type, stride) = (first.pixel_type(), width as usize * first.channels());
    if tiles.iter().any(|tile| tile.pixel_type() != pixel_type) {
        return Err(unlike());
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

fn unlike() -> Failure {
    Failure::new(Code::Corrupt, "The tiles of the AVIF are not alike.")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use offprint_modifiers::PixelType;

    #[test]
    fn tiles_lie_side_by_side_and_end_with_the_picture() {
        let tile = |value: u8| Raster::new(2, 2, PixelType::Gray, false, vec![value, value + 1, value + 2, value + 3]);
        let whole = beside(vec![tile(0), tile(10)], (3, 2)).unwrap();
        assert_eq!(whole.data(), [0, 1, 10, 2, 3, 12]);
        assert_eq!(beside(vec![tile(0), tile(10)], (4, 1)).unwrap().data(), [0, 1, 10, 11]);
        assert_eq!(beside(vec![tile(7)], (2, 2)).unwrap(), tile(7));
        let color = Raster::new(2, 2, PixelType::Rgb, false, vec![0; 12]);
        assert!(beside(vec![tile(0), color], (3, 2)).is_err());
    }
}
