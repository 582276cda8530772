//! Resampling with and without alpha, while rows arrive.
//!
//! As long as no pixel is transparent, components are resampled as they are stored. From the first row on that has a
//! transparent pixel they are resampled in floating point, colours multiplied by alpha (`super::associated` says why),
//! so an image has the same bytes with and without an alpha channel that is opaque throughout.

use offprint_core::Code;
use offprint_modifiers::PixelType;

use super::associated::{associate_pixels, has_transparent_pixel, unassociate_pixels};
use super::row_resampler::{Resampling, RowResampler};
use super::sample::Component;
use super::{Kernel, Raster, Sample};
use crate::error::RenderError;

/// The most components that the resampling library takes at a time.
const MAX_COMPONENTS: usize = 4;

/// Resamples a rectangle of an image whose rows arrive from the top.
pub(crate) struct Resampler<S> {
    target: (u32, u32),
    pixel_type: PixelType,
    alpha: bool,
    channels: usize,
    /// Components of a row of the source.
    stride: usize,
    /// Components of a row that the kernel reaches.
    reached: std::ops::Range<usize>,
    values: ResampledValues<S>,
    result: Vec<S>,
}

/// What is resampled.
enum ResampledValues<S> {
    /// The components as they are stored: there is no alpha, or all pixels so far are opaque.
    Stored(ComponentGroups<S>),
    /// Colours multiplied by alpha.
    Associated { groups: ComponentGroups<f32>, buffer: Vec<f32> },
}

impl<S: Sample> Resampler<S> {
    /// Resamples the rectangle `from` of an image of this size to a target size.
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
        let resampling = Resampling { from, target: whole(target), kernel, size: whole(size) };
        let columns = resampling.columns();
        Self {
            target,
            pixel_type,
            alpha,
            channels,
            stride: size.0 as usize * channels,
            reached: columns.start * channels..columns.end * channels,
            values: ResampledValues::Stored(ComponentGroups::new(resampling, channels)),
            result: Vec::with_capacity(target.0 as usize * target.1 as usize * channels),
        }
    }

    /// Takes whole rows of the source.
    pub(crate) fn take(&mut self, rows: &[S]) -> Result<(), RenderError> {
        rows.chunks_exact(self.stride).try_for_each(|row| self.take_row(&row[self.reached.clone()]))
    }

    fn take_row(&mut self, row: &[S]) -> Result<(), RenderError> {
        if let ResampledValues::Stored(groups) = &self.values
            && self.alpha
            && groups.needs_next_row()
            && has_transparent_pixel(row, self.channels)
        {
            self.associate()?;
        }
        let has_batch = match &mut self.values {
            ResampledValues::Stored(groups) => {
                groups.take_row(row)?;
                groups.has_batch()
            }
            ResampledValues::Associated { groups, buffer } => {
                buffer.resize(row.len(), 0.0);
                if groups.needs_next_row() {
                    associate_pixels(row, self.channels, buffer);
                }
                groups.take_row(buffer)?;
                groups.has_batch()
            }
        };
        if has_batch { self.resample_across() } else { Ok(()) }
    }

    /// Goes on with colours multiplied by alpha. The rows that are held are opaque: their colours stay what they are.
    fn associate(&mut self) -> Result<(), RenderError> {
        self.resample_across()?;
        if let ResampledValues::Stored(groups) = &mut self.values {
            let groups = std::mem::take(groups).with_values(|value| f32::from(value.to_sixteen_bits()));
            self.values = ResampledValues::Associated { groups, buffer: Vec::new() };
        }
        Ok(())
    }

    /// Appends to the result what was resampled vertically.
    fn resample_across(&mut self) -> Result<(), RenderError> {
        match &mut self.values {
            ResampledValues::Stored(groups) => groups.resample_across(&mut self.result),
            ResampledValues::Associated { groups, buffer } => {
                buffer.clear();
                groups.resample_across(buffer)?;
                let start = self.result.len();
                self.result.resize(start + buffer.len(), S::default());
                unassociate_pixels(buffer, self.channels, &mut self.result[start..]);
                Ok(())
            }
        }
    }

    /// The result, after all rows.
    ///
    /// # Errors
    /// `corrupt` when rows are missing.
    pub(crate) fn finish(mut self) -> Result<Raster<S>, RenderError> {
        self.resample_across()?;
        let (width, height) = self.target;
        if self.result.len() < width as usize * height as usize * self.channels {
            return Err(RenderError::new(Code::Corrupt, "The image has fewer rows than its header says."));
        }
        Ok(Raster::new(width, height, self.pixel_type, self.alpha, self.result))
    }
}

/// The components of pixels, in groups that the library takes: CMYK with alpha has two.
#[derive(Default)]
struct ComponentGroups<C>(Vec<RowResampler<C>>);

impl<C: Component> ComponentGroups<C> {
    fn new(resampling: Resampling, channels: usize) -> Self {
        let sizes = (0..channels).step_by(MAX_COMPONENTS).map(|start| MAX_COMPONENTS.min(channels - start));
        Self(sizes.map(|components| RowResampler::new(resampling, components)).collect())
    }

    fn needs_next_row(&self) -> bool {
        self.0.iter().all(RowResampler::needs_next_row)
    }

    fn has_batch(&self) -> bool {
        self.0.iter().all(RowResampler::has_batch)
    }

    fn with_values<T: Component>(self, value: impl Fn(C) -> T + Copy) -> ComponentGroups<T> {
        ComponentGroups(self.0.into_iter().map(|group| group.with_values(value)).collect())
    }

    fn take_row(&mut self, row: &[C]) -> Result<(), RenderError> {
        if let [all] = &mut self.0[..] {
            return all.take_row(row);
        }
        let channels: usize = self.0.iter().map(RowResampler::components).sum();
        let mut start = 0;
        for group in &mut self.0 {
            let end = start + group.components();
            let part: Vec<C> = row.chunks_exact(channels).flat_map(|pixel| &pixel[start..end]).copied().collect();
            group.take_row(&part)?;
            start = end;
        }
        Ok(())
    }

    fn resample_across(&mut self, result: &mut Vec<C>) -> Result<(), RenderError> {
        if let [all] = &mut self.0[..] {
            return all.resample_across(result);
        }
        let mut parts = Vec::new();
        for group in &mut self.0 {
            let mut part = Vec::new();
            group.resample_across(&mut part)?;
            parts.push((part, group.components()));
        }
        let pixels = parts.first().map_or(0, |(part, components)| part.len() / components);
        for pixel in 0..pixels {
            parts.iter().for_each(|(part, count)| result.extend_from_slice(&part[pixel * count..(pixel + 1) * count]));
        }
        Ok(())
    }
}

impl<S: Sample> Raster<S> {
    /// A rectangle, resampled.
    pub(crate) fn resize(&self, from: [f64; 4], size: (u32, u32), kernel: Kernel) -> Result<Self, RenderError> {
        let mut resampler = Resampler::new(from, size, kernel, self.size(), (self.pixel_type, self.alpha));
        resampler.take(&self.data)?;
        resampler.finish()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::pixels::kernel::select_filter;
    use fast_image_resize as fir;
    use fir::images::{Image, ImageRef};

    fn draw_pattern(width: usize, height: usize, channels: usize) -> Vec<u8> {
        let value = |at: usize| (at * at / 7 + at * 13) as u8;
        // Little alpha would make differences large.
        let alpha = |at: usize| channels == 4 && at % 4 == 3;
        (0..width * height * channels).map(|at| value(at) | if alpha(at) { 0xC0 } else { 0 }).collect()
    }

    /// The whole image at once, as the library does it.
    fn resize_at_once<C: Component>(
        data: &[C],
        size: (u32, u32),
        channels: usize,
        from: [f64; 4],
        to: (u32, u32),
        kernel: Kernel,
    ) -> Vec<C> {
        let kind = C::FIR_PIXEL_TYPES[channels - 1];
        let source = ImageRef::new(size.0, size.1, bytemuck::cast_slice(data), kind).unwrap();
        let mut target = vec![C::default(); to.0 as usize * to.1 as usize * channels];
        let mut image = Image::from_slice_u8(to.0, to.1, bytemuck::cast_slice_mut(&mut target), kind).unwrap();
        let [x, y, w, h] = from;
        let options = fir::ResizeOptions::new().resize_alg(fir::ResizeAlg::Convolution(select_filter(kernel).unwrap()));
        let options = options.crop(x, y, w, h).use_alpha(false);
        fir::Resizer::new().resize(&source, &mut image, &options).unwrap();
        target
    }

    /// The same with colours multiplied by alpha.
    fn resize_associated_at_once(
        data: &[u8],
        size: (u32, u32),
        from: [f64; 4],
        to: (u32, u32),
        kernel: Kernel,
    ) -> Vec<u8> {
        let mut associated = vec![0.0; data.len()];
        associate_pixels(data, 4, &mut associated);
        let resized = resize_at_once(&associated, size, 4, from, to, kernel);
        let mut result = vec![0; resized.len()];
        unassociate_pixels(&resized, 4, &mut result);
        result
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
                    let expected = if channels == 4 {
                        resize_associated_at_once(&data, size, from, to, kernel)
                    } else {
                        resize_at_once(&data, size, channels, from, to, kernel)
                    };
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
    fn there_is_no_seam_where_the_first_transparent_pixel_is() {
        let size = (40, 300);
        for (alpha_from, channels) in [(0, 4), (1, 4), (130, 4), (299, 4), (130, 5)] {
            let pixel_type = if channels == 4 { PixelType::Rgb } else { PixelType::Cmyk };
            let value = |at: usize| {
                let (x, y, channel) = (at / channels % 40, at / channels / 40, at % channels);
                if channel == channels - 1 {
                    if y < alpha_from || x > 9 { 255 } else { 90 }
                } else {
                    x + y / 2 + channel
                }
            };
            let data: Vec<u8> = (0..40 * 300 * channels).map(|at| value(at) as u8).collect();
            for to in [(20, 77), (40, 130), (70, 500)] {
                let [first, second] = [1, 300].map(|rows| {
                    let components = (pixel_type, true);
                    let from = [0.0, 0.0, 40.0, 300.0];
                    let mut resampler = Resampler::<u8>::new(from, to, Kernel::Lanczos3, size, components);
                    data.chunks(rows * 40 * channels).for_each(|band| resampler.take(band).unwrap());
                    resampler.finish().unwrap()
                });
                assert_eq!(first, second, "{alpha_from} {to:?}");
                // The last column is opaque, and a smooth slope.
                let column = first.data().iter().skip(first.data().len() / to.1 as usize - channels);
                let column: Vec<u8> = column.step_by(first.data().len() / to.1 as usize).copied().collect();
                let steepest = column.windows(2).map(|pair| pair[0].abs_diff(pair[1])).max().unwrap_or(0);
                assert!(
                    f64::from(steepest) <= (150.0 / f64::from(to.1)).ceil() + 1.0,
                    "{alpha_from} {to:?}: {steepest}"
                );
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
