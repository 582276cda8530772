//! Resampling while rows arrive: only as many rows of the source are held as one piece of the result needs.
//!
//! The result is made in pieces of some rows each: first vertically, as soon as all source rows of a piece are there,
//! then horizontally, for a batch of rows. Where a piece begins follows from the sizes only, so the result does not
//! depend on how many rows arrive at a time: a file has the same bytes whatever it is rendered beside.
//!
//! ```text
//! source rows --cut to the columns, times alpha--> held --vertically--> resampled_down --horizontally--> result
//!             (dropped when no longer needed)        a piece at a time             a batch at a time
//! ```

use fast_image_resize as fir;
use fir::images::{Image, ImageRef};

use super::{Raster, Sample};
use crate::error::RenderError;
use crate::step::Kernel;
use offprint_core::Code;
use offprint_modifiers::PixelType;

/// About how many rows of the source make one piece of the result.
const SOURCE_ROWS_PER_PIECE: f64 = 64.0;

/// How many rows are resampled horizontally together: the kernel's weights are computed anew for each batch.
const ROWS_PER_BATCH: usize = 256;

/// Resamples a rectangle of an image whose rows arrive from the top.
pub(crate) struct Resampler<S> {
    /// Left, top, width, height in the source, in pixels and fractions of them.
    from: [f64; 4],
    target: (usize, usize),
    kernel: Kernel,
    size: (usize, usize),
    pixel_type: PixelType,
    alpha: bool,
    channels: usize,
    /// The columns of the source that the kernel reaches.
    columns: std::ops::Range<usize>,
    /// Rows of one piece of the result.
    piece: usize,
    rows_taken: usize,
    /// Rows of the source that are still needed, cut to `columns`.
    held: Vec<S>,
    /// Index in the source of the first held row.
    first_held: usize,
    /// Rows of the result that were resampled vertically and wait for the horizontal pass.
    resampled_down: Vec<S>,
    /// How many rows of the result were resampled vertically so far.
    rows_down: usize,
    result: Vec<S>,
    resizer: fir::Resizer,
}

impl<S: Sample> Resampler<S> {
    /// Resamples the rectangle `from` of an image of this size to a target size. Pixels may have at most four
    /// components, including alpha.
    pub(crate) fn new(
        from: [f64; 4],
        target: (u32, u32),
        kernel: Kernel,
        size: (u32, u32),
        (pixel_type, alpha): (PixelType, bool),
    ) -> Self {
        let channels = pixel_type.components() + usize::from(alpha);
        // The position of a mirrored rectangle may be slightly outside, by rounding.
        let from = [from[0].max(0.0), from[1].max(0.0), from[2], from[3]];
        let whole = |(width, height): (u32, u32)| (width as usize, height as usize);
        let (target, size) = (whole(target), whole(size));
        let high = from[3] / target.1 as f64;
        let piece = (SOURCE_ROWS_PER_PIECE / high).round().clamp(4.0, SOURCE_ROWS_PER_PIECE) as usize;
        let columns = find_reached_range(from[0], from[2], target.0, kernel, size.0);
        let mut resampler = Self {
            from,
            target,
            kernel,
            size,
            pixel_type,
            alpha,
            channels,
            columns,
            piece,
            rows_taken: 0,
            held: Vec::new(),
            first_held: 0,
            resampled_down: Vec::new(),
            rows_down: 0,
            result: Vec::with_capacity(target.0 * target.1 * channels),
            resizer: fir::Resizer::new(),
        };
        resampler.first_held = resampler.needed_rows().start;
        resampler
    }

    /// Takes whole rows of the source.
    pub(crate) fn take(&mut self, rows: &[S]) -> Result<(), RenderError> {
        let columns = self.columns.start * self.channels..self.columns.end * self.channels;
        for row in rows.chunks_exact(self.size.0 * self.channels) {
            let index = self.rows_taken;
            self.rows_taken += 1;
            if index < self.first_held || self.rows_down == self.target.1 {
                continue;
            }
            let start = self.held.len();
            self.held.extend_from_slice(&row[columns.clone()]);
            self.multiply_alpha(start)?;
            while self.rows_down < self.target.1 && self.needed_rows().end <= self.rows_taken {
                self.resample_down()?;
            }
        }
        Ok(())
    }

    /// The result, after all rows.
    ///
    /// # Errors
    /// `corrupt` when rows are missing.
    pub(crate) fn finish(mut self) -> Result<Raster<S>, RenderError> {
        if self.rows_down < self.target.1 {
            return Err(RenderError::new(Code::Corrupt, "The image has fewer rows than its header says."));
        }
        self.resample_across()?;
        let (width, height) = (self.target.0 as u32, self.target.1 as u32);
        if self.alpha {
            let (kind, pixels) = (self.kind(), bytemuck::cast_slice_mut(&mut self.result));
            let mut image = Image::from_slice_u8(width, height, pixels, kind).map_err(scaling_error)?;
            fir::MulDiv::new().divide_alpha_inplace(&mut image).map_err(scaling_error)?;
        }
        Ok(Raster::new(width, height, self.pixel_type, self.alpha, self.result))
    }

    fn kind(&self) -> fir::PixelType {
        S::FIR_PIXEL_TYPES[self.channels - 1]
    }

    /// Multiplies the colours of the last held row by alpha, so that colours of transparent pixels do not bleed.
    fn multiply_alpha(&mut self, start: usize) -> Result<(), RenderError> {
        if self.alpha {
            let (kind, wide) = (self.kind(), self.columns.len() as u32);
            let row = bytemuck::cast_slice_mut(&mut self.held[start..]);
            let mut row = Image::from_slice_u8(wide, 1, row, kind).map_err(scaling_error)?;
            fir::MulDiv::new().multiply_alpha_inplace(&mut row).map_err(scaling_error)?;
        }
        Ok(())
    }

    fn next_piece_rows(&self) -> usize {
        self.piece.min(self.target.1 - self.rows_down)
    }

    /// The rows of the source that the next piece needs.
    fn needed_rows(&self) -> std::ops::Range<usize> {
        let high = self.from[3] / self.target.1 as f64;
        let (top, length) = (self.from[1] + self.rows_down as f64 * high, self.next_piece_rows() as f64 * high);
        find_reached_range(top, length, self.next_piece_rows(), self.kernel, self.size.1)
    }

    /// Resamples the next piece vertically, and drops rows of the source that no later piece needs.
    fn resample_down(&mut self) -> Result<(), RenderError> {
        let (needed, rows, wide) = (self.needed_rows(), self.next_piece_rows(), self.columns.len());
        let stride = wide * self.channels;
        let high = self.from[3] / self.target.1 as f64;
        let top = self.from[1] + self.rows_down as f64 * high - needed.start as f64;
        let kind = self.kind();
        let source = &self.held[(needed.start - self.first_held) * stride..(needed.end - self.first_held) * stride];
        let length = (rows as f64 * high).min(needed.len() as f64 - top);
        let start = self.resampled_down.len();
        self.resampled_down.resize(start + rows * stride, S::default());
        let (source, target) = ((wide, needed.len(), source), (wide, rows, &mut self.resampled_down[start..]));
        resample_rows(&mut self.resizer, kind, self.kernel, source, [0.0, top, wide as f64, length], target)?;
        self.rows_down += rows;
        if self.rows_down < self.target.1 {
            let first = self.needed_rows().start.max(self.first_held);
            self.held.drain(..((first - self.first_held) * stride).min(self.held.len()));
            self.first_held = first;
        }
        if self.resampled_down.len() >= ROWS_PER_BATCH * stride { self.resample_across() } else { Ok(()) }
    }

    /// Resamples horizontally what was resampled vertically.
    fn resample_across(&mut self) -> Result<(), RenderError> {
        let wide = self.columns.len();
        let rows = self.resampled_down.len() / (wide * self.channels);
        let left = self.from[0] - self.columns.start as f64;
        let length = self.from[2].min(wide as f64 - left);
        let (kind, start) = (self.kind(), self.result.len());
        self.result.resize(start + rows * self.target.0 * self.channels, S::default());
        let (source, target) =
            ((wide, rows, &self.resampled_down[..]), (self.target.0, rows, &mut self.result[start..]));
        resample_rows(&mut self.resizer, kind, self.kernel, source, [left, 0.0, length, rows as f64], target)?;
        self.resampled_down.clear();
        Ok(())
    }
}

impl<S: Sample> Raster<S> {
    /// A rectangle, resampled. Colours are multiplied by alpha meanwhile, so that those of transparent pixels do not
    /// bleed.
    pub(crate) fn resize(&self, from: [f64; 4], size: (u32, u32), kernel: Kernel) -> Result<Self, RenderError> {
        let resize = |part: &Self| {
            let mut resampler = Resampler::new(from, size, kernel, part.size(), (part.pixel_type, part.alpha));
            resampler.take(&part.data)?;
            resampler.finish()
        };
        if self.channels() <= 4 {
            return resize(self);
        }
        Ok(self.clone().associate().map_in_parts(resize)?.unassociate())
    }

    /// Applies a step to inks and alpha separately, because the library takes at most four components.
    pub(super) fn map_in_parts(&self, step: impl Fn(&Self) -> Result<Self, RenderError>) -> Result<Self, RenderError> {
        let channels = self.channels();
        if channels <= 4 {
            return step(self);
        }
        let part = |pixel_type, range: std::ops::Range<usize>| {
            let data = self.pixels().flat_map(|pixel| &pixel[range.clone()]).copied().collect();
            step(&Self { pixel_type, alpha: false, data, ..*self })
        };
        let (inks, alpha) = (part(PixelType::Cmyk, 0..4)?, part(PixelType::Gray, 4..5)?);
        let mut data = Vec::with_capacity(alpha.data.len() * channels);
        for (inks, alpha) in inks.pixels().zip(&alpha.data) {
            data.extend_from_slice(inks);
            data.push(*alpha);
        }
        Ok(inks.with_data(self.pixel_type, self.alpha, data))
    }
}

/// The pixels along one axis that the kernel reaches when the stretch from `start` becomes `target` pixels; `side` is
/// the length of the axis.
fn find_reached_range(start: f64, length: f64, target: usize, kernel: Kernel, side: usize) -> std::ops::Range<usize> {
    let scale = length / target as f64;
    // Where nothing is resampled, no pixel beside the stretch counts.
    let reach =
        if scale == 1.0 && start.fract() == 0.0 { 0.0 } else { get_kernel_support(kernel) * scale.max(1.0) + 1.0 };
    let first = (start - reach).floor().max(0.0) as usize;
    let last = ((start + length + reach).ceil() as usize).min(side);
    first.min(last.saturating_sub(1))..last
}

/// Width, height and components.
type SourceRows<'a, S> = (usize, usize, &'a [S]);
type TargetRows<'a, S> = (usize, usize, &'a mut [S]);

fn resample_rows<S: Sample>(
    resizer: &mut fir::Resizer,
    kind: fir::PixelType,
    kernel: Kernel,
    source: SourceRows<'_, S>,
    [x, y, w, h]: [f64; 4],
    target: TargetRows<'_, S>,
) -> Result<(), RenderError> {
    let (from, to) = (bytemuck::cast_slice(source.2), bytemuck::cast_slice_mut(target.2));
    let source = ImageRef::new(source.0 as u32, source.1 as u32, from, kind).map_err(scaling_error)?;
    let mut target = Image::from_slice_u8(target.0 as u32, target.1 as u32, to, kind).map_err(scaling_error)?;
    let convolution = fir::ResizeAlg::Convolution(select_filter(kernel)?);
    let options = fir::ResizeOptions::new().resize_alg(convolution).crop(x, y, w, h).use_alpha(false);
    resizer.resize(&source, &mut target, &options).map_err(scaling_error)
}

fn scaling_error(error: impl std::fmt::Display) -> RenderError {
    RenderError::new(Code::Internal, format!("Resizing failed: {error}."))
}

/// How far a kernel reaches to each side, in pixels of the smaller image.
fn get_kernel_support(kernel: Kernel) -> f64 {
    match kernel {
        Kernel::Box => 0.5,
        Kernel::Triangle => 1.0,
        Kernel::CatmullRom | Kernel::SharpCubic => 2.0,
        Kernel::Lanczos3 => 3.0,
    }
}

fn select_filter(kernel: Kernel) -> Result<fir::FilterType, RenderError> {
    Ok(match kernel {
        Kernel::Box => fir::FilterType::Box,
        Kernel::Triangle => fir::FilterType::Bilinear,
        Kernel::CatmullRom => fir::FilterType::CatmullRom,
        Kernel::Lanczos3 => fir::FilterType::Lanczos3,
        Kernel::SharpCubic => {
            fir::FilterType::Custom(fir::Filter::new("sharp cubic", evaluate_sharp_cubic, 2.0).map_err(scaling_error)?)
        }
    })
}

/// The cubic of Keys with a = -0.75: its negative lobe is half again as deep as that of Catmull-Rom (-0.5).
fn evaluate_sharp_cubic(x: f64) -> f64 {
    const A: f64 = -0.75;
    let x = x.abs();
    if x < 1.0 {
        ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0
    } else if x < 2.0 {
        ((A * x - 5.0 * A) * x + 8.0 * A) * x - 4.0 * A
    } else {
        0.0
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn draw_pattern(width: usize, height: usize, channels: usize) -> Vec<u8> {
        let value = |at: usize| (at * at / 7 + at * 13) as u8;
        // Little alpha would make differences large.
        let alpha = |at: usize| channels == 4 && at % 4 == 3;
        (0..width * height * channels).map(|at| value(at) | if alpha(at) { 0xC0 } else { 0 }).collect()
    }

    /// The whole image at once, as the library does it.
    fn resize_at_once(
        data: &[u8],
        size: (u32, u32),
        channels: usize,
        from: [f64; 4],
        to: (u32, u32),
        kernel: Kernel,
    ) -> Vec<u8> {
        let kind = if channels == 4 { fir::PixelType::U8x4 } else { fir::PixelType::U8x3 };
        let source = ImageRef::new(size.0, size.1, data, kind).unwrap();
        let mut target = Image::new(to.0, to.1, kind);
        let [x, y, w, h] = from;
        let options = fir::ResizeOptions::new().resize_alg(fir::ResizeAlg::Convolution(select_filter(kernel).unwrap()));
        fir::Resizer::new().resize(&source, &mut target, &options.crop(x, y, w, h)).unwrap();
        target.into_vec()
    }

    #[test]
    fn it_is_the_library_s_and_the_same_however_rows_come() {
        let size = (211, 307);
        for channels in [3, 4] {
            let data = draw_pattern(size.0 as usize, size.1 as usize, channels);
            for (from, to) in [
                ([0.0, 0.0, 211.0, 307.0], (50, 73)),
                ([0.0, 0.0, 211.0, 307.0], (211, 40)),
                ([0.0, 0.0, 211.0, 307.0], (30, 307)),
                ([0.0, 0.0, 211.0, 307.0], (400, 700)),
                ([20.5, 100.25, 60.0, 120.5], (30, 41)),
                ([20.0, 100.0, 60.0, 120.0], (60, 120)),
                ([0.0, 0.0, 211.0, 307.0], (1, 1)),
                ([200.0, 300.0, 11.0, 7.0], (3, 3)),
            ] {
                for kernel in [Kernel::Triangle, Kernel::CatmullRom, Kernel::Lanczos3, Kernel::SharpCubic] {
                    let expected = resize_at_once(&data, size, channels, from, to, kernel);
                    let results = [1, 5, 64, 307].map(|rows| {
                        let mut resampler =
                            Resampler::<u8>::new(from, to, kernel, size, (PixelType::Rgb, channels == 4));
                        for band in data.chunks(rows * size.0 as usize * channels) {
                            resampler.take(band).unwrap();
                        }
                        resampler.finish().unwrap()
                    });
                    assert!(results.iter().all(|result| *result == results[0]), "{from:?} {to:?} {kernel:?}");
                    let difference = results[0].data().iter().zip(&expected).map(|(a, b)| a.abs_diff(*b)).max();
                    assert!(difference <= Some(3), "{from:?} {to:?} {kernel:?} {channels}: {difference:?}");
                }
            }
        }
    }

    #[test]
    fn missing_rows_are_damage() {
        let rgb = (PixelType::Rgb, false);
        let mut resampler = Resampler::<u8>::new([0.0, 0.0, 10.0, 10.0], (5, 5), Kernel::Lanczos3, (10, 10), rgb);
        resampler.take(&[0; 30 * 9]).unwrap();
        assert_eq!(resampler.finish().unwrap_err().code, Code::Corrupt);
    }
}
