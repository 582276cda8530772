//! Associated colours: multiplied by alpha, in floating point, for the steps that mix pixels.
//!
//! Neither end of the range is cut off meanwhile, and nothing is rounded. A sharp kernel overshoots at the edge of a
//! cut-out: alpha becomes 1.1, and colours multiplied by alpha become 1.1 of themselves. Divided by each other they are
//! the colour again; had alpha been cut at 1 first, the rim would be a tenth brighter than the object. In the same way
//! eight bits do not hold a colour times an alpha of 3 of 255.

use super::{Raster, Sample};

/// Opaque, and the brightest colour.
const TOP: f32 = 65_535.0;

impl<S: Sample> Raster<S> {
    /// Whether there is an alpha channel that makes a difference. Without one no step has to multiply by alpha, and
    /// images have the same bytes with and without a channel that is opaque throughout.
    pub(super) fn has_transparency(&self) -> bool {
        self.alpha && has_transparent_pixel(&self.data, self.channels())
    }
}

/// Whether any pixel, whose last component is alpha, is not opaque.
pub(super) fn has_transparent_pixel<S: Sample>(pixels: &[S], channels: usize) -> bool {
    pixels.iter().skip(channels - 1).step_by(channels).any(|alpha| alpha.to_u64() < S::MAX_VALUE)
}

/// Multiplies colours by alpha, which is the last component. Values of the result go up to 65,535 at both depths.
pub(super) fn associate_pixels<S: Sample>(pixels: &[S], channels: usize, out: &mut [f32]) {
    match channels {
        2 => associate_channels::<S, 2>(pixels, out),
        4 => associate_channels::<S, 4>(pixels, out),
        _ => associate_channels::<S, 5>(pixels, out),
    }
}

fn associate_channels<S: Sample, const N: usize>(pixels: &[S], out: &mut [f32]) {
    let ((pixels, _), (out, _)) = (pixels.as_chunks::<N>(), out.as_chunks_mut::<N>());
    for (pixel, out) in pixels.iter().zip(out) {
        *out = pixel.map(|value| f32::from(value.to_sixteen_bits()));
        let share = out[N - 1] * (1.0 / TOP);
        out[..N - 1].iter_mut().for_each(|value| *value *= share);
    }
}

/// Divides colours by alpha, and only then cuts both to their range. Pixels that become transparent have no colour.
pub(super) fn unassociate_pixels<S: Sample>(pixels: &[f32], channels: usize, out: &mut [S]) {
    for (pixel, out) in pixels.chunks_exact(channels).zip(out.chunks_exact_mut(channels)) {
        let alpha = pixel[channels - 1];
        let opacity = S::from_sixteen_bits(alpha);
        if opacity == S::default() {
            out.fill(opacity);
            continue;
        }
        let factor = TOP / alpha;
        out.iter_mut().zip(pixel).for_each(|(out, value)| *out = S::from_sixteen_bits(value * factor));
        out[channels - 1] = opacity;
    }
}
