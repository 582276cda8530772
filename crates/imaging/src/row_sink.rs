//! Receives rows as they come from the decoder.
//!
//! Decoders deliver an image in bands of rows, from the top. When the first step of a plan is a crop or a resize, it is
//! done while rows arrive: a source of 100 megapixels that becomes a thumbnail is never held as a whole.

use offprint_core::Code;

use super::error::RenderError;
use super::pixels::{LinearResampler, Pixels, Raster, Resampler, Sample, is_linear_resampling};
use super::step::{DecodePlan, Step};

/// Takes rows from the top and makes an image of them, at 8 or 16 bits per component.
pub(super) enum RowSink {
    Eight(SampleSink<u8>),
    Sixteen(SampleSink<u16>),
}

impl RowSink {
    /// The first of these steps, if a sink executes it.
    pub(crate) fn streamable_step<'a>(decode: &DecodePlan, steps: &'a [Step]) -> Option<&'a Step> {
        let first = steps.first()?;
        match first {
            Step::Resize { .. } => Some(first),
            Step::Window { .. } => find_inner_window(decode, first).map(|_| first),
            _ => None,
        }
    }

    /// The sink before these steps: it executes [`RowSink::streamable_step`] or keeps all rows.
    pub(crate) fn for_steps(decode: &DecodePlan, steps: &[Step]) -> Self {
        if decode.bits > 8 {
            Self::Sixteen(SampleSink::for_steps(decode, steps))
        } else {
            Self::Eight(SampleSink::for_steps(decode, steps))
        }
    }

    /// A sink that keeps all rows.
    pub(crate) fn for_all_rows(decode: &DecodePlan) -> Self {
        if decode.bits > 8 {
            Self::Sixteen(SampleSink::for_window(decode, None))
        } else {
            Self::Eight(SampleSink::for_window(decode, None))
        }
    }

    pub(crate) fn take(&mut self, rows: &Pixels) -> Result<(), RenderError> {
        match (self, rows) {
            (Self::Eight(sink), Pixels::Eight(rows)) => sink.take(rows.data()),
            (Self::Sixteen(sink), Pixels::Sixteen(rows)) => sink.take(rows.data()),
            _ => Err(RenderError::new(Code::Internal, "The decoded rows do not have the planned bit depth.")),
        }
    }

    /// The image, after all rows.
    pub(crate) fn finish(self) -> Result<Pixels, RenderError> {
        match self {
            Self::Eight(sink) => sink.finish().map(Pixels::from),
            Self::Sixteen(sink) => sink.finish().map(Pixels::from),
        }
    }
}

/// What is done with rows of one depth.
pub(super) enum SampleSink<S> {
    Window(WindowSink<S>),
    Resize(Box<Resampler<S>>),
    ResizeLinear(Box<LinearResampler<S>>),
}

/// Keeps a rectangle of the rows.
pub(super) struct WindowSink<S> {
    decode: DecodePlan,
    /// Left, top, width, height.
    window: [usize; 4],
    rows_taken: usize,
    data: Vec<S>,
}

impl<S: Sample> SampleSink<S> {
    fn for_steps(decode: &DecodePlan, steps: &[Step]) -> Self {
        let size = (decode.width, decode.height);
        match RowSink::streamable_step(decode, steps) {
            Some(Step::Resize { from, width, height, kernel, space }) => {
                let components = (decode.color, decode.alpha);
                let target = (*width, *height);
                if is_linear_resampling(*space, *from, target) {
                    Self::ResizeLinear(Box::new(LinearResampler::new(*from, target, *kernel, size, components)))
                } else {
                    Self::Resize(Box::new(Resampler::new(*from, target, *kernel, size, components)))
                }
            }
            step => Self::for_window(decode, step.and_then(|step| find_inner_window(decode, step))),
        }
    }

    fn for_window(decode: &DecodePlan, window: Option<[usize; 4]>) -> Self {
        let window = window.unwrap_or([0, 0, decode.width as usize, decode.height as usize]);
        let data = Vec::with_capacity(window[2] * window[3] * decode.channels());
        Self::Window(WindowSink { decode: decode.clone(), window, rows_taken: 0, data })
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
            Self::Window(WindowSink { decode, window: [_, _, width, height], data, .. }) => {
                Ok(Raster::new(width as u32, height as u32, decode.color, decode.alpha, data))
            }
            Self::Resize(resize) => resize.finish(),
            Self::ResizeLinear(resize) => resize.finish(),
        }
    }
}

impl<S: Sample> WindowSink<S> {
    fn take(&mut self, rows: &[S]) {
        let ([left, top, width, height], channels) = (self.window, self.decode.channels());
        let stride = self.decode.width as usize * channels;
        if width * channels == stride && (top, height) == (0, self.decode.height as usize) {
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
fn find_inner_window(decode: &DecodePlan, step: &Step) -> Option<[usize; 4]> {
    let Step::Window { x, y, width, height, .. } = *step else { return None };
    let (left, top) = (u32::try_from(x).ok()?, u32::try_from(y).ok()?);
    let fits = left.checked_add(width)? <= decode.width && top.checked_add(height)? <= decode.height;
    fits.then_some([left, top, width, height].map(|side| side as usize))
}
