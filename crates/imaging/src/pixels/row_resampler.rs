//! Resampling while rows arrive: only as many rows of the source are held as one piece of the result needs.
//!
//! The result is made in pieces of some rows each: first vertically, as soon as all source rows of a piece are there,
//! then horizontally, for a batch of rows. Where a piece begins follows from the sizes only, so the result does not
//! depend on how many rows arrive at a time: a file has the same bytes whatever it is rendered beside.
//!
//! ```text
//! source rows --cut to the columns--> held --vertically--> resampled_down --horizontally--> result
//!      (dropped when no longer needed)       a piece at a time             a batch at a time
//! ```
//!
//! Nothing here knows alpha: all components are resampled alike. `super::resample` has what alpha needs.

use std::ops::Range;

use fast_image_resize as fir;
use fir::images::{Image, ImageRef};

use super::kernel::{Kernel, get_kernel_support, scaling_error, select_filter};
use super::sample::Component;
use crate::error::RenderError;

/// About how many rows of the source make one piece of the result.
const SOURCE_ROWS_PER_PIECE: f64 = 64.0;

/// How many rows are resampled horizontally together: the kernel's weights are computed anew for each batch.
const ROWS_PER_BATCH: usize = 256;

/// Which rectangle of a source becomes how large, and how.
#[derive(Clone, Copy)]
pub(super) struct Resampling {
    /// Left, top, width, height in the source, in pixels and fractions of them.
    pub(super) from: [f64; 4],
    /// Width and height of the result.
    pub(super) target: (usize, usize),
    pub(super) kernel: Kernel,
    /// Width and height of the source.
    pub(super) size: (usize, usize),
}

impl Resampling {
    /// The columns of the source that the kernel reaches.
    pub(super) fn columns(&self) -> Range<usize> {
        find_reached_range(self.from[0], self.from[2], self.target.0, self.kernel, self.size.0)
    }

    /// Rows of the source for one row of the result.
    fn rows_per_row(&self) -> f64 {
        self.from[3] / self.target.1 as f64
    }
}

/// Resamples one to four components of an image whose rows arrive from the top.
pub(super) struct RowResampler<C> {
    resampling: Resampling,
    components: usize,
    columns: Range<usize>,
    /// Rows of one piece of the result.
    piece: usize,
    rows_taken: usize,
    /// Rows of the source that are still needed, cut to `columns`.
    held: Vec<C>,
    /// Index in the source of the first held row.
    first_held: usize,
    /// Room for rows of the result that were resampled vertically and wait for the horizontal pass.
    resampled_down: Vec<C>,
    /// How many of them wait.
    rows_waiting: usize,
    /// How many rows of the result were resampled vertically so far.
    rows_down: usize,
    resizer: fir::Resizer,
}

impl<C: Component> RowResampler<C> {
    pub(super) fn new(resampling: Resampling, components: usize) -> Self {
        let piece = SOURCE_ROWS_PER_PIECE / resampling.rows_per_row();
        let mut resampler = Self {
            resampling,
            components,
            columns: resampling.columns(),
            piece: piece.round().clamp(4.0, SOURCE_ROWS_PER_PIECE) as usize,
            rows_taken: 0,
            held: Vec::new(),
            first_held: 0,
            resampled_down: Vec::new(),
            rows_waiting: 0,
            rows_down: 0,
            resizer: fir::Resizer::new(),
        };
        resampler.first_held = resampler.needed_rows().start;
        resampler
    }

    pub(super) fn components(&self) -> usize {
        self.components
    }

    /// Whether the next row of the source counts. Its content is ignored if not.
    pub(super) fn needs_next_row(&self) -> bool {
        self.rows_taken >= self.first_held && !self.is_complete()
    }

    /// Takes the next row of the source, cut to the columns that the kernel reaches.
    pub(super) fn take_row(&mut self, row: &[C]) -> Result<(), RenderError> {
        let needed = self.needs_next_row();
        self.rows_taken += 1;
        if needed {
            if self.held.is_empty() {
                // What it holds at most: pieces differ by a row or two.
                self.held.reserve((self.needed_rows().len() + 2) * row.len());
            }
            self.held.extend_from_slice(row);
            while !self.is_complete() && self.needed_rows().end <= self.rows_taken {
                self.resample_down()?;
            }
        }
        Ok(())
    }

    /// Whether enough rows wait for the horizontal pass.
    pub(super) fn has_batch(&self) -> bool {
        self.rows_waiting >= ROWS_PER_BATCH
    }

    /// Whether all rows were resampled vertically.
    pub(super) fn is_complete(&self) -> bool {
        self.rows_down == self.resampling.target.1
    }

    /// Goes on with other numbers for the components. No rows may wait for the horizontal pass.
    pub(super) fn with_values<T: Component>(self, value: impl Fn(C) -> T) -> RowResampler<T> {
        RowResampler {
            resampling: self.resampling,
            components: self.components,
            columns: self.columns,
            piece: self.piece,
            rows_taken: self.rows_taken,
            held: self.held.into_iter().map(value).collect(),
            first_held: self.first_held,
            resampled_down: Vec::new(),
            rows_waiting: 0,
            rows_down: self.rows_down,
            resizer: self.resizer,
        }
    }

    fn next_piece_rows(&self) -> usize {
        self.piece.min(self.resampling.target.1 - self.rows_down)
    }

    /// The rows of the source that the next piece needs.
    fn needed_rows(&self) -> Range<usize> {
        let Resampling { from, kernel, size, .. } = self.resampling;
        let high = self.resampling.rows_per_row();
        let (top, length) = (from[1] + self.rows_down as f64 * high, self.next_piece_rows() as f64 * high);
        find_reached_range(top, length, self.next_piece_rows(), kernel, size.1)
    }

    /// Resamples the next piece vertically, and drops rows of the source that no later piece needs.
    fn resample_down(&mut self) -> Result<(), RenderError> {
        let (needed, rows, wide) = (self.needed_rows(), self.next_piece_rows(), self.columns.len());
        let (stride, high) = (wide * self.components, self.resampling.rows_per_row());
        let top = self.resampling.from[1] + self.rows_down as f64 * high - needed.start as f64;
        let source = &self.held[(needed.start - self.first_held) * stride..(needed.end - self.first_held) * stride];
        let length = (rows as f64 * high).min(needed.len() as f64 - top);
        let (start, end) = (self.rows_waiting * stride, (self.rows_waiting + rows) * stride);
        if self.resampled_down.len() < end {
            // Made once, for a whole batch: it is large.
            let batch = (ROWS_PER_BATCH + self.piece).min(self.resampling.target.1).max(self.rows_waiting + rows);
            self.resampled_down.resize(batch * stride, C::default());
        }
        let (source, target) = ((wide, needed.len(), source), (wide, rows, &mut self.resampled_down[start..end]));
        let (from, kernel) = ([0.0, top, wide as f64, length], self.resampling.kernel);
        resample_rows(&mut self.resizer, self.components, kernel, source, from, target)?;
        self.rows_down += rows;
        self.rows_waiting += rows;
        if !self.is_complete() {
            let first = self.needed_rows().start.max(self.first_held);
            self.held.drain(..((first - self.first_held) * stride).min(self.held.len()));
            self.first_held = first;
        }
        Ok(())
    }

    /// Resamples horizontally what was resampled vertically, and appends it to the result.
    pub(super) fn resample_across(&mut self, result: &mut Vec<C>) -> Result<(), RenderError> {
        let (wide, Resampling { from, target, kernel, .. }) = (self.columns.len(), self.resampling);
        let rows = self.rows_waiting;
        if rows == 0 {
            return Ok(());
        }
        let left = from[0] - self.columns.start as f64;
        let length = from[2].min(wide as f64 - left);
        let start = result.len();
        result.resize(start + rows * target.0 * self.components, C::default());
        let waiting = &self.resampled_down[..rows * wide * self.components];
        let (source, target) = ((wide, rows, waiting), (target.0, rows, &mut result[start..]));
        let from = [left, 0.0, length, rows as f64];
        resample_rows(&mut self.resizer, self.components, kernel, source, from, target)?;
        self.rows_waiting = 0;
        Ok(())
    }
}

/// The pixels along one axis that the kernel reaches when the stretch from `start` becomes `target` pixels; `side` is
/// the length of the axis.
fn find_reached_range(start: f64, length: f64, target: usize, kernel: Kernel, side: usize) -> Range<usize> {
    let scale = length / target as f64;
    // Where nothing is resampled, no pixel beside the stretch counts.
    let reach =
        if scale == 1.0 && start.fract() == 0.0 { 0.0 } else { get_kernel_support(kernel) * scale.max(1.0) + 1.0 };
    let first = (start - reach).floor().max(0.0) as usize;
    let last = ((start + length + reach).ceil() as usize).min(side);
    first.min(last.saturating_sub(1))..last
}

/// Width, height and components.
type SourceRows<'a, C> = (usize, usize, &'a [C]);
type TargetRows<'a, C> = (usize, usize, &'a mut [C]);

fn resample_rows<C: Component>(
    resizer: &mut fir::Resizer,
    components: usize,
    kernel: Kernel,
    source: SourceRows<'_, C>,
    [x, y, w, h]: [f64; 4],
    target: TargetRows<'_, C>,
) -> Result<(), RenderError> {
    let kind = C::FIR_PIXEL_TYPES[components - 1];
    let (from, to) = (bytemuck::cast_slice(source.2), bytemuck::cast_slice_mut(target.2));
    let source = ImageRef::new(source.0 as u32, source.1 as u32, from, kind).map_err(scaling_error)?;
    let mut target = Image::from_slice_u8(target.0 as u32, target.1 as u32, to, kind).map_err(scaling_error)?;
    let convolution = fir::ResizeAlg::Convolution(select_filter(kernel)?);
    let options = fir::ResizeOptions::new().resize_alg(convolution).crop(x, y, w, h).use_alpha(false);
    resizer.resize(&source, &mut target, &options).map_err(scaling_error)
}
