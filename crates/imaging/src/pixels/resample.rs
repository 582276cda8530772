//! Resampling while rows come in: only as many rows of the source are held as one piece of the result needs.
//!
//! The result is made in pieces of rows, first down and then across. Where a piece begins is a matter of sizes alone, so
//! the result does not depend on how many rows come at a time.

use fast_image_resize as fir;
use fir::images::{Image, ImageRef};

use super::{Raster, Sample};
use offprint_core::Code;
use offprint_modifiers::PixelType;
use crate::failure::Failure;
use crate::step::Kernel;

/// About how many rows of the source become one piece of the result.
const PIECE: f64 = 64.0;

/// How many rows are resampled across together; the kernel's weights are computed anew for each such lot.
const LOT: usize = 256;

/// A resampling that takes a picture's rows from the top.
pub struct Resize<S> {
    /// Left, top, width, height in the source.
    from: [f64; 4],
    target: (usize, usize),
    kernel: Kernel,
    size: (usize, usize),
    pixel_type: PixelType,
    alpha: bool,
    channels: usize,
    /// The columns of the source that count.
    columns: std::ops::Range<usize>,
    /// Rows of one piece of the result.
    piece: usize,
    /// How many rows have come.
    came: usize,
    /// Rows of the source that are still needed, cut to the columns; the number of the first.
    held: Vec<S>,
    first: usize,
    /// Rows resampled down, and how many were in all.
    tall: Vec<S>,
    down: usize,
    /// Rows of the result.
    made: Vec<S>,
    resizer: fir::Resizer,
}

impl<S: Sample> Resize<S> {
    /// From a rectangle of a picture of this size and these components, at most four, to a target size.
    pub fn new(
        from: [f64; 4],
        target: (u32, u32),
        kernel: Kernel,
        size: (u32, u32),
        (pixel_type, alpha): (PixelType, bool),
    ) -> Self {
        let channels = pixel_type.components() + usize::from(alpha);
        // A mirrored place may be a hair outside.
        let from = [from[0].max(0.0), from[1].max(0.0), from[2], from[3]];
        let whole = |(width, height): (u32, u32)| (width as usize, height as usize);
        let (target, size) = (whole(target), whole(size));
        let high = from[3] / target.1 as f64;
        let piece = (PIECE / high).round().clamp(4.0, PIECE) as usize;
        let columns = reached(from[0], from[2], target.0, kernel, size.0);
        let (held, tall, made) = (Vec::new(), Vec::new(), Vec::with_capacity(target.0 * target.1 * channels));
        let resizer = fir::Resizer::new();
        let mut resize = Self {
            from,
            target,
            kernel,
            size,
            pixel_type,
            alpha,
            channels,
            columns,
            piece,
            came: 0,
            held,
            first: 0,
            tall,
            down: 0,
            made,
            resizer,
        };
        resize.first = resize.needed().start;
        resize
    }

    /// Takes whole rows of the source.
    pub fn take(&mut self, rows: &[S]) -> Result<(), Failure> {
        let columns = self.columns.start * self.channels..self.columns.end * self.channels;
        for row in rows.chunks_exact(self.size.0 * self.channels) {
            let number = self.came;
            self.came += 1;
            if number < self.first || self.down == self.target.1 {
                continue;
            }
            let start = self.held.len();
            self.held.extend_from_slice(&row[columns.clone()]);
            self.multiply(start)?;
            while self.down < self.target.1 && self.needed().end <= self.came {
                self.go_down()?;
            }
        }
        Ok(())
    }

    /// The result, when all rows have come.
    pub fn finish(mut self) -> Result<Raster<S>, Failure> {
        if self.down < self.target.1 {
            return Err(Failure::new(Code::Corrupt, "The picture has fewer rows than its header said."));
        }
        self.go_across()?;
        let (width, height) = (self.target.0 as u32, self.target.1 as u32);
        if self.alpha {
            let (kind, made) = (self.kind(), bytemuck::cast_slice_mut(&mut self.made));
            let mut made = Image::from_slice_u8(width, height, made, kind).map_err(wrong)?;
            fir::MulDiv::new().divide_alpha_inplace(&mut made).map_err(wrong)?;
        }
        Ok(Raster::new(width, height, self.pixel_type, self.alpha, self.made))
    }

    fn kind(&self) -> fir::PixelType {
        S::KINDS[self.channels - 1]
    }

    /// Alpha is multiplied in meanwhile, so that colours of transparent pixels do not bleed.
    fn multiply(&mut self, start: usize) -> Result<(), Failure> {
        if self.alpha {
            let (kind, wide) = (self.kind(), self.columns.len() as u32);
            let row = bytemuck::cast_slice_mut(&mut self.held[start..]);
            let mut row = Image::from_slice_u8(wide, 1, row, kind).map_err(wrong)?;
            fir::MulDiv::new().multiply_alpha_inplace(&mut row).map_err(wrong)?;
        }
        Ok(())
    }

    /// How many rows the next piece has.
    fn next(&self) -> usize {
        self.piece.min(self.target.1 - self.down)
    }

    /// The source's rows that the next piece needs.
    fn needed(&self) -> std::ops::Range<usize> {
        let high = self.from[3] / self.target.1 as f64;
        let (top, length) = (self.from[1] + self.down as f64 * high, self.next() as f64 * high);
        reached(top, length, self.next(), self.kernel, self.size.1)
    }

    /// Makes the next piece, and lets go of rows that no later one needs.
    fn go_down(&mut self) -> Result<(), Failure> {
        let (needed, rows, wide) = (self.needed(), self.next(), self.columns.len());
        let stride = wide * self.channels;
        let high = self.from[3] / self.target.1 as f64;
        let top = self.from[1] + self.down as f64 * high - needed.start as f64;
        let kind = self.kind();
        let source = &self.held[(needed.start - self.first) * stride..(needed.end - self.first) * stride];
        let length = (rows as f64 * high).min(needed.len() as f64 - top);
        let start = self.tall.len();
        self.tall.resize(start + rows * stride, S::default());
        let (source, target) = ((wide, needed.len(), source), (wide, rows, &mut self.tall[start..]));
        resample(&mut self.resizer, kind, self.kernel, source, [0.0, top, wide as f64, length], target)?;
        self.down += rows;
        if self.down < self.target.1 {
            let first = self.needed().start.max(self.first);
            self.held.drain(..((first - self.first) * stride).min(self.held.len()));
            self.first = first;
        }
        if self.tall.len() >= LOT * stride { self.go_across() } else { Ok(()) }
    }

    /// Resamples across what was resampled down.
    fn go_across(&mut self) -> Result<(), Failure> {
        let wide = self.columns.len();
        let rows = self.tall.len() / (wide * self.channels);
        let left = self.from[0] - self.columns.start as f64;
        let length = self.from[2].min(wide as f64 - left);
        let (kind, start) = (self.kind(), self.made.len());
        self.made.resize(start + rows * self.target.0 * self.channels, S::default());
        let (source, target) = ((wide, rows, &self.tall[..]), (self.target.0, rows, &mut self.made[start..]));
        resample(&mut self.resizer, kind, self.kernel, source, [left, 0.0, length, rows as f64], target)?;
        self.tall.clear();
        Ok(())
    }
}

impl<S: Sample> Raster<S> {
    /// A rectangle, resampled. Alpha is multiplied in while it resamples, so that colours of transparent pixels do not
    /// bleed.
    pub fn resize(&self, from: [f64; 4], size: (u32, u32), kernel: Kernel) -> Result<Self, Failure> {
        let resized = |part: &Self| {
            let mut resize = Resize::new(from, size, kernel, part.size(), (part.pixel_type, part.alpha));
            resize.take(&part.data)?;
            resize.finish()
        };
        if self.channels() <= 4 {
            return resized(self);
        }
        Ok(self.clone().associate().in_parts(resized)?.unassociate())
    }

    /// Does to inks and alpha apart what libraries cannot do to five components at once.
    pub(super) fn in_parts(&self, step: impl Fn(&Self) -> Result<Self, Failure>) -> Result<Self, Failure> {
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
        Ok(inks.with(self.pixel_type, self.alpha, data))
    }
}

/// The pixels of one direction that the kernel reaches when a stretch of them becomes so many.
fn reached(start: f64, length: f64, target: usize, kernel: Kernel, side: usize) -> std::ops::Range<usize> {
    let scale = length / target as f64;
    // Where nothing is resampled nothing beside the stretch is looked at.
    let reach = if scale == 1.0 && start.fract() == 0.0 { 0.0 } else { support(kernel) * scale.max(1.0) + 1.0 };
    let first = (start - reach).floor().max(0.0) as usize;
    let last = ((start + length + reach).ceil() as usize).min(side);
    first.min(last.saturating_sub(1))..last
}

/// Width, height and components.
type Sheet<'a, S> = (usize, usize, &'a [S]);
type Target<'a, S> = (usize, usize, &'a mut [S]);

fn resample<S: Sample>(
    resizer: &mut fir::Resizer,
    kind: fir::PixelType,
    kernel: Kernel,
    source: Sheet<'_, S>,
    [x, y, w, h]: [f64; 4],
    target: Target<'_, S>,
) -> Result<(), Failure> {
    let (from, to) = (bytemuck::cast_slice(source.2), bytemuck::cast_slice_mut(target.2));
    let source = ImageRef::new(source.0 as u32, source.1 as u32, from, kind).map_err(wrong)?;
    let mut target = Image::from_slice_u8(target.0 as u32, target.1 as u32, to, kind).map_err(wrong)?;
    let convolution = fir::ResizeAlg::Convolution(filter(kernel)?);
    let options = fir::ResizeOptions::new().resize_alg(convolution).crop(x, y, w, h).use_alpha(false);
    resizer.resize(&source, &mut target, &options).map_err(wrong)
}

fn wrong(error: impl std::fmt::Display) -> Failure {
    Failure::new(Code::Internal, format!("Scaling failed: {error}."))
}

/// How far a kernel reaches, in pixels of the smaller picture.
fn support(kernel: Kernel) -> f64 {
    match kernel {
        Kernel::Box => 0.5,
        Kernel::Triangle => 1.0,
        Kernel::CatmullRom | Kernel::SharpCubic => 2.0,
        Kernel::Lanczos3 => 3.0,
    }
}

fn filter(kernel: Kernel) -> Result<fir::FilterType, Failure> {
    Ok(match kernel {
        Kernel::Box => fir::FilterType::Box,
        Kernel::Triangle => fir::FilterType::Bilinear,
        Kernel::CatmullRom => fir::FilterType::CatmullRom,
        Kernel::Lanczos3 => fir::FilterType::Lanczos3,
        Kernel::SharpCubic => {
            fir::FilterType::Custom(fir::Filter::new("sharp cubic", sharp_cubic, 2.0).map_err(wrong)?)
        }
    })
}

/// The cubic of Keys with a side lobe of -0.75, half again as deep as Catmull-Rom's.
fn sharp_cubic(x: f64) -> f64 {
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

    fn drawn(width: usize, height: usize, channels: usize) -> Vec<u8> {
        let value = |at: usize| (at * at / 7 + at * 13) as u8;
        // Little alpha would make differences large.
        let alpha = |at: usize| channels == 4 && at % 4 == 3;
        (0..width * height * channels).map(|at| value(at) | if alpha(at) { 0xC0 } else { 0 }).collect()
    }

    /// In one go, as the library does it.
    fn at_once(
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
        let options = fir::ResizeOptions::new().resize_alg(fir::ResizeAlg::Convolution(filter(kernel).unwrap()));
        fir::Resizer::new().resize(&source, &mut target, &options.crop(x, y, w, h)).unwrap();
        target.into_vec()
    }

    #[test]
    fn it_is_the_library_s_and_the_same_however_rows_come() {
        let size = (211, 307);
        for channels in [3, 4] {
            let data = drawn(size.0 as usize, size.1 as usize, channels);
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
                    let expected = at_once(&data, size, channels, from, to, kernel);
                    let made = [1, 5, 64, 307].map(|rows| {
                        let mut resize = Resize::<u8>::new(from, to, kernel, size, (PixelType::Rgb, channels == 4));
                        for band in data.chunks(rows * size.0 as usize * channels) {
                            resize.take(band).unwrap();
                        }
                        resize.finish().unwrap()
                    });
                    assert!(made.iter().all(|other| *other == made[0]), "{from:?} {to:?} {kernel:?}");
                    let far = made[0].data().iter().zip(&expected).map(|(a, b)| a.abs_diff(*b)).max();
                    assert!(far <= Some(3), "{from:?} {to:?} {kernel:?} {channels}: {far:?}");
                }
            }
        }
    }

    #[test]
    fn missing_rows_are_damage() {
        let rgb = (PixelType::Rgb, false);
        let mut resize = Resize::<u8>::new([0.0, 0.0, 10.0, 10.0], (5, 5), Kernel::Lanczos3, (10, 10), rgb);
        resize.take(&[0; 30 * 9]).unwrap();
        assert_eq!(resize.finish().unwrap_err().code, Code::Corrupt);
    }
}
