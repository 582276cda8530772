//! Receives rows as they come from the decoder.
//!
//! Decoders deliver an image in bands of rows, from the top. When the first step of a plan is a crop or a resize, it is
//! done while rows arrive: a source of 100 megapixels that becomes a thumbnail is never held as a whole. Plans that share a
//! decode share averages of its pixels, too: of several sizes only the largest is resampled from all of them.

use offprint_core::Code;
use offprint_modifiers::PixelType;

use super::error::RenderError;
use super::pixels::{Averager, LinearResampler, Pixels, Raster, Resampler, Sample, divide_sums, is_linear_resampling};
use super::step::{DecodePlan, Step};

/// Take rows from the top and make an image of them for each of several plans, at 8 or 16 bits per component.
pub(super) enum RowSinks {
    Eight(SampleSinks<u8>),
    Sixteen(SampleSinks<u16>),
}

impl RowSinks {
    /// How many of these steps a sink executes: an average, a crop or resize, or both.
    pub(crate) fn count_streamed_steps(decode: &DecodePlan, steps: &[Step]) -> usize {
        match steps {
            // Averages of colours beside alpha need more than sums.
            [Step::Average { .. }, ..] if decode.alpha => 0,
            [Step::Average { .. }, Step::Resize { .. }, ..] => 2,
            [Step::Average { .. } | Step::Resize { .. }, ..] => 1,
            [window @ Step::Window { .. }, ..] => {
                usize::from(find_inner_window(&RowShape::of_decoded(decode), window).is_some())
            }
            _ => 0,
        }
    }

    /// A sink for each plan, given by the steps that it executes; without steps it keeps all rows.
    pub(crate) fn new<'a>(decode: &DecodePlan, plans: impl IntoIterator<Item = &'a [Step]>) -> Self {
        let shape = RowShape::of_decoded(decode);
        if decode.bits > 8 {
            Self::Sixteen(SampleSinks::new(shape, plans))
        } else {
            Self::Eight(SampleSinks::new(shape, plans))
        }
    }

    pub(crate) fn take(&mut self, rows: &Pixels) -> Result<(), RenderError> {
        match (self, rows) {
            (Self::Eight(sinks), Pixels::Eight(rows)) => sinks.take(rows.data()),
            (Self::Sixteen(sinks), Pixels::Sixteen(rows)) => sinks.take(rows.data()),
            _ => Err(RenderError::new(Code::Internal, "The decoded rows do not have the planned bit depth.")),
        }
    }

    /// The image of each plan, in their order, after all rows.
    pub(crate) fn finish(self) -> impl Iterator<Item = Result<Pixels, RenderError>> {
        let (eight, sixteen) = match self {
            Self::Eight(sinks) => (sinks.sinks, Vec::new()),
            Self::Sixteen(sinks) => (Vec::new(), sinks.sinks),
        };
        let eight = eight.into_iter().map(|(_, sink)| sink.finish().map(Pixels::from));
        eight.chain(sixteen.into_iter().map(|(_, sink)| sink.finish().map(Pixels::from)))
    }

    /// The image of the only plan, after all rows.
    pub(crate) fn finish_single(self) -> Result<Pixels, RenderError> {
        let missing = || Err(RenderError::new(Code::Internal, "No plan takes the decoded rows."));
        self.finish().next().unwrap_or_else(missing)
    }
}

/// What the rows of an image look like.
#[derive(Clone, Copy)]
struct RowShape {
    width: u32,
    height: u32,
    color: PixelType,
    alpha: bool,
}

impl RowShape {
    fn of_decoded(decode: &DecodePlan) -> Self {
        Self { width: decode.width, height: decode.height, color: decode.color, alpha: decode.alpha }
    }

    /// Components of a pixel, including alpha.
    fn channels(&self) -> usize {
        self.color.components() + usize::from(self.alpha)
    }
}

/// Sinks for rows of one depth, and the averages that they share.
pub(super) struct SampleSinks<S: Sample> {
    /// The side of the boxes of pixels whose averages a sink takes: 1, 2, 4 or 8.
    sinks: Vec<(u8, SampleSink<S>)>,
    averager: Averager<S>,
    /// A row of averages.
    averages: Vec<S>,
    /// Components of a row.
    stride: usize,
}

impl<S: Sample> SampleSinks<S> {
    fn new<'a>(shape: RowShape, plans: impl IntoIterator<Item = &'a [Step]>) -> Self {
        let sinks = plans.into_iter().map(|steps| match steps {
            [Step::Average { box_side, width, height }, rest @ ..] => {
                let shape = RowShape { width: *width, height: *height, ..shape };
                (*box_side, SampleSink::for_step(shape, rest.first()))
            }
            steps => (1, SampleSink::for_step(shape, steps.first())),
        });
        let sinks: Vec<_> = sinks.collect();
        let largest_box = sinks.iter().map(|(box_side, _)| *box_side).max().unwrap_or(1);
        let size = (shape.width, shape.height);
        Self {
            sinks,
            averager: Averager::new(largest_box, size, shape.channels()),
            averages: Vec::new(),
            stride: shape.width as usize * shape.channels(),
        }
    }

    fn take(&mut self, rows: &[S]) -> Result<(), RenderError> {
        let Self { sinks, averager, averages, stride } = self;
        let mut give = |side: u8, rows: &[S]| {
            sinks.iter_mut().filter(|(box_side, _)| *box_side == side).try_for_each(|(_, sink)| sink.take(rows))
        };
        give(1, rows)?;
        if averager.is_empty() {
            return Ok(());
        }
        for row in rows.chunks_exact(*stride) {
            averager.take_row(row, |box_side, sums| {
                divide_sums(sums, box_side, averages);
                give(box_side, averages)
            })?;
        }
        Ok(())
    }
}

/// What is done with rows of one depth.
enum SampleSink<S> {
    Window(WindowSink<S>),
    Resize(Box<Resampler<S>>),
    ResizeLinear(Box<LinearResampler<S>>),
}

/// Keeps a rectangle of the rows.
struct WindowSink<S> {
    shape: RowShape,
    /// Left, top, width, height.
    window: [usize; 4],
    rows_taken: usize,
    data: Vec<S>,
}

impl<S: Sample> SampleSink<S> {
    /// Executes a step that crops or resizes; keeps all rows without one.
    fn for_step(shape: RowShape, step: Option<&Step>) -> Self {
        let size = (shape.width, shape.height);
        match step {
            Some(Step::Resize { from, width, height, kernel, space }) => {
                let components = (shape.color, shape.alpha);
                let target = (*width, *height);
                if is_linear_resampling(*space, *from, target) {
                    Self::ResizeLinear(Box::new(LinearResampler::new(*from, target, *kernel, size, components)))
                } else {
                    Self::Resize(Box::new(Resampler::new(*from, target, *kernel, size, components)))
                }
            }
            step => Self::for_window(shape, step.and_then(|step| find_inner_window(&shape, step))),
        }
    }

    fn for_window(shape: RowShape, window: Option<[usize; 4]>) -> Self {
        let window = window.unwrap_or([0, 0, shape.width as usize, shape.height as usize]);
        let data = Vec::with_capacity(window[2] * window[3] * shape.channels());
        Self::Window(WindowSink { shape, window, rows_taken: 0, data })
    }

    fn take(&mut self, rows: &[S]) -> Result<(), RenderError> {
        match self {
            Self::Window(window) => window.take(rows),
            Self::Resize(resize) => resize.take(rows)?,
            Self::ResizeLinear(resize) => resize.take(rows)?,
        }
        Ok(())
    }

    fn finish(self) -> Result<Raster<S>, RenderError> {
        match self {
            Self::Window(WindowSink { shape, window: [_, _, width, height], data, .. }) => {
                Ok(Raster::new(width as u32, height as u32, shape.color, shape.alpha, data))
            }
            Self::Resize(resize) => resize.finish(),
            Self::ResizeLinear(resize) => resize.finish(),
        }
    }
}

impl<S: Sample> WindowSink<S> {
    fn take(&mut self, rows: &[S]) {
        let ([left, top, width, height], channels) = (self.window, self.shape.channels());
        let stride = self.shape.width as usize * channels;
        if width * channels == stride && (top, height) == (0, self.shape.height as usize) {
            return self.data.extend_from_slice(rows);
        }
        for row in rows.chunks_exact(stride) {
            if (top..top + height).contains(&self.rows_taken) {
                self.data.extend_from_slice(&row[left * channels..(left + width) * channels]);
            }
            self.rows_taken += 1;
        }
    }
}

/// Left, top, width and height of a window that lies within the image.
fn find_inner_window(shape: &RowShape, step: &Step) -> Option<[usize; 4]> {
    let Step::Window { x, y, width, height, .. } = *step else { return None };
    let (left, top) = (u32::try_from(x).ok()?, u32::try_from(y).ok()?);
    let fits = left.checked_add(width)? <= shape.width && top.checked_add(height)? <= shape.height;
    fits.then_some([left, top, width, height].map(|side| side as usize))
}
