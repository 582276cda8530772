//! Where rows go as they come from the decoder.

use super::failure::Failure;
use super::pixels::{Pixels, Raster, Resize, Sample};
use super::plan::{Decode, Plan};
use super::step::Step;
use offprint_core::Code;

/// Takes rows from the top and makes a picture of them.
pub(super) enum Tray {
    /// Rows of eight bits.
    Eight(Work<u8>),
    /// Rows of sixteen bits.
    Sixteen(Work<u16>),
}

impl Tray {
    /// The first step of a plan, if a tray does it.
    pub fn begins(plan: &Plan) -> Option<&Step> {
        let first = plan.steps.first()?;
        match first {
            // Five components are resampled in parts.
            Step::Resize { .. } => (plan.decode.channels() < 5).then_some(first),
            Step::Window { .. } => inside(&plan.decode, first).map(|_| first),
            _ => None,
        }
    }

    /// The tray that a plan begins with.
    pub fn of(plan: &Plan) -> Self {
        if plan.decode.bits > 8 { Self::Sixteen(Work::of(plan)) } else { Self::Eight(Work::of(plan)) }
    }

    /// The tray that keeps all rows.
    pub fn whole(decode: &Decode) -> Self {
        if decode.bits > 8 { Self::Sixteen(Work::keep(decode, None)) } else { Self::Eight(Work::keep(decode, None)) }
    }

    pub fn take(&mut self, rows: &Pixels) -> Result<(), Failure> {
        match (self, rows) {
            (Self::Eight(work), Pixels::Eight(rows)) => work.take(rows.data()),
            (Self::Sixteen(work), Pixels::Sixteen(rows)) => work.take(rows.data()),
            _ => Err(Failure::new(Code::Internal, "The rows do not have the depth that was planned.")),
        }
    }

    /// The picture, when all rows have come.
    pub fn finish(self) -> Result<Pixels, Failure> {
        match self {
            Self::Eight(work) => work.finish().map(Pixels::from),
            Self::Sixteen(work) => work.finish().map(Pixels::from),
        }
    }
}

/// What becomes of rows of one depth.
pub(super) enum Work<S> {
    /// Some or all of them are kept.
    Keep(Keep<S>),
    /// They are resampled.
    Resize(Box<Resize<S>>),
}

/// A rectangle of the rows that come.
pub(super) struct Keep<S> {
    decode: Decode,
    /// Left, top, width and height.
    window: [usize; 4],
    came: usize,
    data: Vec<S>,
}

impl<S: Sample> Work<S> {
    fn of(plan: &Plan) -> Self {
        let decode = &plan.decode;
        let size = (decode.width, decode.height);
        match Tray::begins(plan) {
            Some(Step::Resize { from, width, height, kernel }) => {
                let components = (decode.color, decode.alpha);
                Self::Resize(Box::new(Resize::new(*from, (*width, *height), *kernel, size, components)))
            }
            step => Self::keep(decode, step.and_then(|step| inside(decode, step))),
        }
    }

    fn keep(decode: &Decode, window: Option<[usize; 4]>) -> Self {
        let window = window.unwrap_or([0, 0, decode.width as usize, decode.height as usize]);
        let data = Vec::with_capacity(window[2] * window[3] * decode.channels());
        Self::Keep(Keep { decode: decode.clone(), window, came: 0, data })
    }

    fn take(&mut self, rows: &[S]) -> Result<(), Failure> {
        match self {
            Self::Keep(keep) => keep.take(rows),
            Self::Resize(resize) => resize.take(rows)?,
        }
        Ok(())
    }

    fn finish(self) -> Result<Raster<S>, Failure> {
        match self {
            Self::Keep(Keep { decode, window: [_, _, width, height], data, .. }) => {
                Ok(Raster::new(width as u32, height as u32, decode.color, decode.alpha, data))
            }
            Self::Resize(resize) => resize.finish(),
        }
    }
}

impl<S: Sample> Keep<S> {
    fn take(&mut self, rows: &[S]) {
        let ([left, top, width, height], channels) = (self.window, self.decode.channels());
        let stride = self.decode.width as usize * channels;
        if width * channels == stride && (top, height) == (0, self.decode.height as usize) {
            return self.data.extend_from_slice(rows);
        }
        for row in rows.chunks_exact(stride) {
            if (top..top + height).contains(&self.came) {
                self.data.extend_from_slice(&row[left * channels..(left + width) * channels]);
            }
            self.came += 1;
        }
    }
}

/// Left, top, width and height of a window that shows nothing but the picture.
fn inside(decode: &Decode, step: &Step) -> Option<[usize; 4]> {
    let Step::Window { x, y, width, height, .. } = *step else { return None };
    let (left, top) = (u32::try_from(x).ok()?, u32::try_from(y).ok()?);
    let fits = left.checked_add(width)? <= decode.width && top.checked_add(height)? <= decode.height;
    fits.then_some([left, top, width, height].map(|side| side as usize))
}
