//! Colours of pixels that nobody sees. A lossy encoder spreads errors over blocks: the black that transparent pixels have
//! after a resampling makes an edge where there is none to be seen, which costs bytes and darkens the rim of a cut-out.
//! So each transparent pixel gets the average colour of what is visible in the smallest square around it, of squares
//! whose sides are powers of two: within a block of the encoder that is one colour, which costs nothing.
//!
//! ```text
//! level 0, pixels      level 1, averages by alpha      level 2
//! A . . .              a .                              a
//! . . . .              . .
//!                      filled: a from its square, then the pixels from theirs
//! ```

use std::borrow::Cow;

use crate::pixels::Raster;

/// Red, green, blue and alpha of a square of pixels.
type Square = [u8; 4];

/// The same image, with colours for the pixels of an RGB image that are fully transparent.
pub(super) fn fill_hidden_colors(pixels: &Raster<u8>) -> Cow<'_, Raster<u8>> {
    let (squares, rest) = pixels.data().as_chunks::<4>();
    if !pixels.has_alpha() || !rest.is_empty() || !squares.iter().any(is_hidden) || squares.iter().all(is_hidden) {
        return Cow::Borrowed(pixels);
    }
    let (width, height) = pixels.size();
    let size = (width as usize, height as usize);
    let filled = fill_level(squares.to_vec(), size).into_flattened();
    Cow::Owned(Raster::new(width, height, pixels.pixel_type(), true, filled))
}

fn is_hidden(square: &Square) -> bool {
    square[3] == 0
}

/// Fills what is hidden from the level with half as many rows and columns, which is filled first. There is something
/// visible, so a level with one square has no hidden one.
fn fill_level(mut level: Vec<Square>, (width, height): (usize, usize)) -> Vec<Square> {
    if !level.iter().any(is_hidden) {
        return level;
    }
    let half = (width.div_ceil(2), height.div_ceil(2));
    let above = fill_level(average_squares(&level, (width, height)), half);
    for (y, row) in level.chunks_exact_mut(width).enumerate() {
        for (x, square) in row.iter_mut().enumerate().filter(|(_, square)| is_hidden(square)) {
            let [r, g, b, _] = above[y / 2 * half.0 + x / 2];
            *square = [r, g, b, 0];
        }
    }
    level
}

/// Averages 2x2 squares by their alpha. What is visible stays visible, however little.
fn average_squares(level: &[Square], (width, height): (usize, usize)) -> Vec<Square> {
    let mut half = Vec::with_capacity(width.div_ceil(2) * height.div_ceil(2));
    for y in (0..height).step_by(2) {
        for x in (0..width).step_by(2) {
            let mut sums = [0_u32; 4];
            for row in y..(y + 2).min(height) {
                for square in &level[row * width + x..row * width + (x + 2).min(width)] {
                    let alpha = u32::from(square[3]);
                    sums[..3].iter_mut().zip(square).for_each(|(sum, value)| *sum += u32::from(*value) * alpha);
                    sums[3] += alpha;
                }
            }
            let alpha = sums[3];
            let average = |sum: u32| ((sum + alpha / 2) / alpha.max(1)) as u8;
            half.push([average(sums[0]), average(sums[1]), average(sums[2]), alpha.div_ceil(4) as u8]);
        }
    }
    half
}

#[cfg(test)]
mod tests {
    use super::*;
    use offprint_modifiers::PixelType;

    #[test]
    fn hidden_pixels_take_the_colour_beside_them_and_visible_ones_stay() {
        let (width, height) = (13, 9);
        let alpha = |x: u32, y: u32| if x == 4 && y == 2 { 255 } else { u8::from(x == 12 && y == 8) };
        let color = |x: u32, _: u32| {
            if x == 4 {
                [10, 200, 30]
            } else if x == 12 {
                [90, 80, 70]
            } else {
                [0, 0, 0]
            }
        };
        let pixel = |x, y| [&color(x, y)[..], &[alpha(x, y)]].concat();
        let data: Vec<u8> = (0..width * height).flat_map(|at| pixel(at % width, at / width)).collect();
        let image = Raster::new(width, height, PixelType::Rgb, true, data);
        let filled = fill_hidden_colors(&image);
        for (before, after) in image.pixels().zip(filled.pixels()) {
            assert_eq!(before[3], after[3]);
            assert!(before[3] == 0 || before == after);
        }
        let pixels: Vec<_> = filled.pixels().collect();
        let at = |x: usize, y: usize| &pixels[y * 13 + x][..3];
        assert_eq!(at(5, 3), [10, 200, 30]);
        assert_eq!(at(0, 0), [10, 200, 30]);
        assert_eq!(at(11, 8), [90, 80, 70]);
    }

    #[test]
    fn images_without_hidden_or_visible_pixels_stay() {
        for alpha in [0, 1, 255] {
            let image = Raster::new(3, 3, PixelType::Rgb, true, [1, 2, 3, alpha].repeat(9));
            assert_eq!(*fill_hidden_colors(&image), image);
        }
        let opaque = Raster::new(2, 2, PixelType::Rgb, false, vec![7; 12]);
        assert_eq!(*fill_hidden_colors(&opaque), opaque);
    }
}
