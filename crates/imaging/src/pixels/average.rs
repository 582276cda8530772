//! Exact averages of boxes of 2x2, 4x4 and 8x8 pixels, while rows arrive.
//!
//! Each level adds up pairs of the one before, so that all three cost little more than the first, and whoever needs a
//! smaller image takes the rows of a level instead of all pixels of the source. Sums are exact; an average is rounded once.
//!
//! ```text
//! rows --pairs--> sums of 2x2 --pairs--> sums of 4x4 --pairs--> sums of 8x8
//!                      | / 4                  | / 16                 | / 64
//!                      v                      v                      v
//!                 half the size            a quarter             an eighth
//! ```
//!
//! Where a side is not a multiple of the box, the last row or column of a level counts twice, as JPEG encoders pad images.
//! Components are averaged as they are stored; nothing here knows alpha.

use super::{Kernel, Raster, Sample};
use crate::error::RenderError;

/// Largest box: its sums must fit into [`Sample::Sum`].
pub(crate) const MAX_AVERAGED_BOX: u8 = 8;

/// Averages an image whose rows arrive from the top.
pub(crate) struct Averager<S: Sample> {
    /// Boxes of 2, 4 and 8 pixels, as far as they are needed.
    levels: Vec<AverageLevel<S>>,
}

/// Adds up boxes of 2x2 values of the level before.
struct AverageLevel<S: Sample> {
    channels: usize,
    /// Rows of the level before that have not come.
    rows_left: usize,
    /// The first row of a pair, or the sum of both.
    down: Vec<S::Sum>,
    has_first_row: bool,
    /// A row of sums.
    sums: Vec<S::Sum>,
}

impl<S: Sample> Averager<S> {
    /// Makes averages of boxes of up to `largest_box` pixels: 2, 4 or 8; none at all for 1.
    pub(crate) fn new(largest_box: u8, (width, height): (u32, u32), channels: usize) -> Self {
        let levels = (0..largest_box.min(MAX_AVERAGED_BOX).ilog2()).map(|level| AverageLevel {
            channels,
            rows_left: height.div_ceil(1 << level) as usize,
            down: vec![S::Sum::default(); width.div_ceil(1 << level) as usize * channels],
            has_first_row: false,
            sums: vec![S::Sum::default(); width.div_ceil(2 << level) as usize * channels],
        });
        Self { levels: levels.collect() }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.levels.is_empty()
    }

    /// Takes the next row. `give` gets every row of sums that it completes, with the side of its boxes.
    pub(crate) fn take_row(
        &mut self,
        row: &[S],
        mut give: impl FnMut(u8, &[S::Sum]) -> Result<(), RenderError>,
    ) -> Result<(), RenderError> {
        let mut box_side = 2;
        for index in 0..self.levels.len() {
            let (before, after) = self.levels.split_at_mut(index);
            let level = &mut after[0];
            let is_complete = match before.last() {
                Some(before) => level.add_row::<S::Sum>(&before.sums),
                None => level.add_row::<S>(row),
            };
            if !is_complete {
                break;
            }
            give(box_side, &level.sums)?;
            box_side *= 2;
        }
        Ok(())
    }
}

impl<S: Sample> AverageLevel<S> {
    /// Takes the next row of the level before; true when a row of sums is complete.
    fn add_row<T: Copy>(&mut self, row: &[T]) -> bool
    where
        S::Sum: From<T>,
    {
        let is_last = self.rows_left <= 1;
        self.rows_left = self.rows_left.saturating_sub(1);
        if self.has_first_row {
            self.down.iter_mut().zip(row).for_each(|(sum, value)| *sum = *sum + S::Sum::from(*value));
        } else if is_last {
            self.down.iter_mut().zip(row).for_each(|(sum, value)| *sum = S::Sum::from(*value) + S::Sum::from(*value));
        } else {
            self.down.iter_mut().zip(row).for_each(|(sum, value)| *sum = S::Sum::from(*value));
            self.has_first_row = true;
            return false;
        }
        self.has_first_row = false;
        // The number of components is a constant in each of these, which the compiler needs to be fast.
        match self.channels {
            1 => add_pairs::<_, 1>(&self.down, &mut self.sums),
            2 => add_pairs::<_, 2>(&self.down, &mut self.sums),
            3 => add_pairs::<_, 3>(&self.down, &mut self.sums),
            4 => add_pairs::<_, 4>(&self.down, &mut self.sums),
            _ => add_pairs::<_, 5>(&self.down, &mut self.sums),
        }
        true
    }
}

/// Adds up pairs of pixels of a row. A pixel that is left over counts twice.
fn add_pairs<N: Copy + std::ops::Add<Output = N>, const CHANNELS: usize>(row: &[N], sums: &mut [N]) {
    let (pixels, _) = row.as_chunks::<CHANNELS>();
    let (sums, _) = sums.as_chunks_mut::<CHANNELS>();
    let (pairs, left_over) = pixels.as_chunks::<2>();
    for (sum, [left, right]) in sums.iter_mut().zip(pairs) {
        *sum = std::array::from_fn(|channel| left[channel] + right[channel]);
    }
    if let ([pixel], Some(sum)) = (left_over, sums.last_mut()) {
        *sum = pixel.map(|value| value + value);
    }
}

/// The averages of sums over boxes of this side.
pub(crate) fn divide_sums<S: Sample>(sums: &[S::Sum], box_side: u8, averages: &mut Vec<S>) {
    let shift = 2 * box_side.ilog2();
    averages.clear();
    averages.extend(sums.iter().map(|sum| S::from_sum(*sum, shift)));
}

impl<S: Sample> Raster<S> {
    /// Each box of `box_side` times `box_side` pixels (2, 4 or 8) becomes one pixel, its average.
    pub(crate) fn average(&self, box_side: u8) -> Result<Self, RenderError> {
        let side = u32::from(box_side);
        let (width, height) = (self.width.div_ceil(side), self.height.div_ceil(side));
        if self.alpha {
            let from = [0.0, 0.0, f64::from(width * side), f64::from(height * side)];
            let inside = [0.0, 0.0, from[2].min(f64::from(self.width)), from[3].min(f64::from(self.height))];
            return self.resize(inside, (width, height), Kernel::Box);
        }
        let mut averager = Averager::<S>::new(box_side, self.size(), self.channels());
        let (mut data, mut averages) = (Vec::new(), Vec::new());
        for row in self.rows() {
            averager.take_row(row, |side, sums| {
                if side == box_side {
                    divide_sums(sums, side, &mut averages);
                    data.extend_from_slice(&averages);
                }
                Ok(())
            })?;
        }
        Ok(Self::new(width, height, self.pixel_type, false, data))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use offprint_modifiers::PixelType;

    use super::*;

    /// Each average by itself, over boxes whose last column and row are repeated level by level.
    fn average_slowly<S: Sample>(image: &Raster<S>, box_side: u8) -> Vec<S> {
        let channels = image.channels();
        let (mut width, mut height) = (image.width as usize, image.height as usize);
        let mut values: Vec<u64> = image.data().iter().map(|value| value.to_u64()).collect();
        for _ in 0..box_side.ilog2() {
            let (wide, high) = (width.div_ceil(2), height.div_ceil(2));
            let value = |x: usize, y: usize, channel: usize| {
                values[(y.min(height - 1) * width + x.min(width - 1)) * channels + channel]
            };
            let mut sums = Vec::new();
            for y in 0..high {
                for x in 0..wide {
                    sums.extend((0..channels).map(|channel| {
                        [(0, 0), (1, 0), (0, 1), (1, 1)]
                            .map(|(i, j)| value(2 * x + i, 2 * y + j, channel))
                            .iter()
                            .sum::<u64>()
                    }));
                }
            }
            (width, height, values) = (wide, high, sums);
        }
        let count = u64::from(box_side) * u64::from(box_side);
        values.iter().map(|sum| S::from_u64((sum + count / 2) / count)).collect()
    }

    fn draw_noise<S: Sample>(width: u32, height: u32, pixel_type: PixelType) -> Raster<S> {
        let count = width as usize * height as usize * pixel_type.components();
        let value = |at: u64| S::from_u64(((at * at * 2_654_435_761) >> 7) % (S::MAX_VALUE + 1));
        Raster::new(width, height, pixel_type, false, (0..count as u64).map(value).collect())
    }

    fn check_averages<S: Sample>() {
        for pixel_type in [PixelType::Gray, PixelType::Rgb, PixelType::Cmyk] {
            for size in [(64, 48), (1, 1), (3, 2), (17, 31), (65, 9), (7, 8), (100, 1)] {
                let image = draw_noise::<S>(size.0, size.1, pixel_type);
                for box_side in [2, 4, 8] {
                    let averaged = image.average(box_side).unwrap();
                    assert_eq!(averaged.data(), average_slowly(&image, box_side), "{size:?} {pixel_type:?} {box_side}");
                }
            }
        }
    }

    #[test]
    fn averages_are_exact_and_rounded_once() {
        check_averages::<u8>();
        check_averages::<u16>();
    }

    #[test]
    fn the_largest_values_do_not_overflow() {
        let white = Raster::new(16, 16, PixelType::Rgb, false, vec![u8::MAX; 16 * 16 * 3]);
        assert!(white.average(8).unwrap().data().iter().all(|value| *value == u8::MAX));
        let white = Raster::new(16, 16, PixelType::Gray, false, vec![u16::MAX; 256]);
        assert!(white.average(8).unwrap().data().iter().all(|value| *value == u16::MAX));
    }

    #[test]
    fn colours_of_transparent_pixels_do_not_count() {
        let data: Vec<u8> = (0..8 * 8).flat_map(|at| if at % 2 == 0 { [200, 255] } else { [7, 0] }).collect();
        let averaged = Raster::new(8, 8, PixelType::Gray, true, data).average(4).unwrap();
        assert_eq!(averaged.size(), (2, 2));
        assert!(averaged.pixels().all(|pixel| pixel == [200, 128]), "{:?}", averaged.data());
    }
}
