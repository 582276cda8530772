//! Blurs that go through an image row by row, in place: they hold as many rows as they reach, not a copy of the image.
//!
//! Narrow blurs weigh neighbours with a Gaussian. Wide blurs are three box blurs one after the other, whose cost does
//! not grow with their width. Values between the passes have 16 bits, or a wide blur of 8-bit values would show bands;
//! they are floating point where they are colours multiplied by alpha, which are divided by an alpha that may be small.
//!
//! The passes pull from each other: for its row `y` a pass needs the rows up to `y + reach` of the pass before it,
//! keeps them in a ring of `2 * reach + 1` rows and asks for more as it goes on. Each row of the image is read once,
//! and is overwritten only when the last pass has produced the same row.
//!
//! ```text
//! rows of the image -> ring of pass 1 -> ring of pass 2 -> ring of pass 3 -> row y, blurred
//!        y + 3 reach       y + 2 reach        y + reach
//! ```

use std::f64::consts::PI;

use super::sample::Sample;

/// From this standard deviation on boxes are used: three of them are then within 3 % of a Gaussian.
const BOX_BLUR_MIN_SIGMA: f64 = 4.0;

/// Blurs rows of `stride` values. `load` makes of a row the values that are blurred, which go up to 65,535. `with` gets
/// each row as it was, to be changed, and the blurred values. Beyond the edges of the image its outermost pixels are
/// repeated.
pub(super) fn blur_rows<S: Copy, V: BlurValue>(
    data: &mut [S],
    (stride, channels): (usize, usize),
    sigma: f64,
    load: impl Fn(&[S], &mut [V]),
    with: impl FnMut(&mut [S], &[V]),
) {
    if data.is_empty() {
        return;
    }
    match channels {
        1 => blur_channels::<S, V, 1>(data, stride, sigma, load, with),
        2 => blur_channels::<S, V, 2>(data, stride, sigma, load, with),
        3 => blur_channels::<S, V, 3>(data, stride, sigma, load, with),
        4 => blur_channels::<S, V, 4>(data, stride, sigma, load, with),
        _ => blur_channels::<S, V, 5>(data, stride, sigma, load, with),
    }
}

/// Loads a row without alpha, or one whose alpha makes no difference.
pub(super) fn load_components<S: Sample>(row: &[S], out: &mut [u16]) {
    out.iter_mut().zip(row).for_each(|(out, value)| *out = value.to_sixteen_bits());
}

fn blur_channels<S: Copy, V: BlurValue, const N: usize>(
    data: &mut [S],
    stride: usize,
    sigma: f64,
    load: impl Fn(&[S], &mut [V]),
    mut with: impl FnMut(&mut [S], &[V]),
) {
    let height = data.len() / stride;
    let mut stages: Vec<Stage<V>> = if sigma < BOX_BLUR_MIN_SIGMA {
        vec![Stage::new(BlurKernel::gaussian(sigma), stride, height)]
    } else {
        (0..3).map(|_| Stage::new(BlurKernel::third_box(sigma), stride, height)).collect()
    };
    let mut padded = Vec::new();
    let mut soft = vec![V::default(); stride];
    for y in 0..height {
        let mut source = |row: usize, out: &mut [V]| load(&data[row * stride..(row + 1) * stride], out);
        produce_row::<V, N>(&mut stages, y, &mut soft, &mut padded, &mut source);
        with(&mut data[y * stride..(y + 1) * stride], &soft);
    }
}

/// A value between the passes, and the numbers in which it is summed up.
pub(super) trait BlurValue: Copy + Default + Into<f32> {
    /// A sum of weighted values.
    type WeightedSum: Copy;
    /// A sum that values enter and leave again and again, so it must not gather errors.
    type RunningSum: Copy + Default;
    /// The sum of no values; it rounds in the end.
    const NO_WEIGHT: Self::WeightedSum;

    /// Adds two values with the same weight, of 65,536.
    fn add_weighted(sum: &mut Self::WeightedSum, values: [Self; 2], weight: u32);
    fn from_weighted(sum: Self::WeightedSum) -> Self;
    fn enter(sum: &mut Self::RunningSum, value: Self);
    fn leave(sum: &mut Self::RunningSum, value: Self);
    /// The weighted mean of a box: the sum inside it, and the two values at its ends.
    fn average_box(inside: Self::RunningSum, ends: [Self; 2], inner: f32, outer: f32) -> Self;
}

impl BlurValue for u16 {
    type WeightedSum = u32;
    type RunningSum = i32;
    const NO_WEIGHT: u32 = 1 << 15;

    fn add_weighted(sum: &mut u32, [a, b]: [Self; 2], weight: u32) {
        *sum += (u32::from(a) + u32::from(b)) * weight;
    }

    fn from_weighted(sum: u32) -> Self {
        (sum >> 16) as Self
    }

    fn enter(sum: &mut i32, value: Self) {
        *sum += i32::from(value);
    }

    fn leave(sum: &mut i32, value: Self) {
        *sum -= i32::from(value);
    }

    fn average_box(inside: i32, [a, b]: [Self; 2], inner: f32, outer: f32) -> Self {
        let ends = i32::from(a) + i32::from(b);
        (inside as f32 * inner + ends as f32 * outer + 0.5) as i32 as Self
    }
}

impl BlurValue for f32 {
    type WeightedSum = Self;
    type RunningSum = f64;
    const NO_WEIGHT: Self = 0.0;

    fn add_weighted(sum: &mut Self, [a, b]: [Self; 2], weight: u32) {
        *sum += (a + b) * weight as Self;
    }

    fn from_weighted(sum: Self) -> Self {
        sum * (1.0 / 65_536.0)
    }

    fn enter(sum: &mut f64, value: Self) {
        *sum += f64::from(value);
    }

    fn leave(sum: &mut f64, value: Self) {
        *sum -= f64::from(value);
    }

    fn average_box(inside: f64, [a, b]: [Self; 2], inner: f32, outer: f32) -> Self {
        (inside as Self * inner + (a + b) * outer).max(0.0)
    }
}

/// How one pass weighs a pixel and its neighbours.
#[derive(Clone)]
enum BlurKernel {
    /// The weights of the pixel and of its neighbours on one side; over both sides they add up to 65,536.
    Weights(Vec<u32>),
    /// The pixel and `radius` neighbours on each side count by the inner weight, the next neighbours by the outer.
    Box { radius: usize, inner: f32, outer: f32 },
}

impl BlurKernel {
    fn gaussian(sigma: f64) -> Self {
        let radius = (sigma * 3.0).ceil().max(1.0) as usize;
        let weight = |at: usize| (-0.5 * (at as f64 / sigma).powi(2)).exp() / (sigma * (2.0 * PI).sqrt());
        let whole: f64 = weight(0) + 2.0 * (1..=radius).map(weight).sum::<f64>();
        let mut weights: Vec<u32> = (0..=radius).map(|at| (weight(at) / whole * 65_536.0).round() as u32).collect();
        weights[0] = 65_536 - 2 * weights[1..].iter().sum::<u32>();
        Self::Weights(weights)
    }

    /// The box of which three together have this standard deviation. Its ends count partly, so that any deviation is
    /// met and not only those of whole pixels (Gwosdek and others, Theoretical foundations of Gaussian convolution by
    /// extended box filtering).
    fn third_box(sigma: f64) -> Self {
        let variance = sigma * sigma / 3.0;
        let radius = (((12.0 * variance + 1.0).sqrt() - 1.0) / 2.0).floor();
        let length = 2.0 * radius + 1.0;
        let share =
            length * (radius * (radius + 1.0) - 3.0 * variance) / (6.0 * (variance - (radius + 1.0) * (radius + 1.0)));
        let inner = 1.0 / (length + 2.0 * share);
        Self::Box { radius: radius as usize, inner: inner as f32, outer: (inner * share) as f32 }
    }

    /// How many pixels it reaches to each side.
    fn reach(&self) -> usize {
        match self {
            Self::Weights(weights) => weights.len() - 1,
            Self::Box { radius, .. } => radius + 1,
        }
    }
}

/// One pass, horizontally and then vertically: holds the rows that it reaches.
struct Stage<V: BlurValue> {
    kernel: BlurKernel,
    height: usize,
    /// The last rows of the pass before, already blurred horizontally; row `y` is at `y % ring.len()`.
    ring: Vec<Vec<V>>,
    rows_taken: usize,
    /// Sums of each column over the rows inside the box.
    sums: Vec<V::RunningSum>,
}

impl<V: BlurValue> Stage<V> {
    fn new(kernel: BlurKernel, stride: usize, height: usize) -> Self {
        let rows = (2 * kernel.reach() + 1).min(height);
        let (ring, sums) = (vec![vec![V::default(); stride]; rows], vec![V::RunningSum::default(); stride]);
        Self { kernel, height, ring, rows_taken: 0, sums }
    }

    /// The row `offset` rows below `y`; beyond the edges the outermost row.
    fn row(&self, y: usize, offset: isize) -> &[V] {
        let y = y.saturating_add_signed(offset).min(self.height - 1);
        &self.ring[y % self.ring.len()]
    }

    /// Blurs vertically: writes row `y`.
    fn emit(&mut self, y: usize, out: &mut [V]) {
        match self.kernel.clone() {
            BlurKernel::Weights(weights) => {
                let mut sums = vec![V::NO_WEIGHT; out.len()];
                let middle = self.row(y, 0);
                let add_middle = |(sum, value): (_, &V)| V::add_weighted(sum, [*value, V::default()], weights[0]);
                sums.iter_mut().zip(middle).for_each(add_middle);
                for (at, weight) in weights.iter().enumerate().skip(1) {
                    let (above, below) = (self.row(y, -(at as isize)), self.row(y, at as isize));
                    for ((sum, above), below) in sums.iter_mut().zip(above).zip(below) {
                        V::add_weighted(sum, [*above, *below], *weight);
                    }
                }
                out.iter_mut().zip(&sums).for_each(|(out, sum)| *out = V::from_weighted(*sum));
            }
            BlurKernel::Box { radius, inner, outer } => {
                let mut sums = std::mem::take(&mut self.sums);
                let reach = radius as isize;
                if y == 0 {
                    for at in -reach..=reach {
                        sums.iter_mut().zip(self.row(0, at)).for_each(|(sum, value)| V::enter(sum, *value));
                    }
                } else {
                    let (leaving, entering) = (self.row(y, -reach - 1), self.row(y, reach));
                    for ((sum, leaving), entering) in sums.iter_mut().zip(leaving).zip(entering) {
                        V::enter(sum, *entering);
                        V::leave(sum, *leaving);
                    }
                }
                let (above, below) = (self.row(y, -reach - 1), self.row(y, reach + 1));
                for (((out, sum), above), below) in out.iter_mut().zip(&sums).zip(above).zip(below) {
                    *out = V::average_box(*sum, [*above, *below], inner, outer);
                }
                self.sums = sums;
            }
        }
    }
}

/// Produces row `y` of the last stage. The stages before it produce as many rows as it reaches.
fn produce_row<V: BlurValue, const N: usize>(
    stages: &mut [Stage<V>],
    y: usize,
    out: &mut [V],
    padded: &mut Vec<V>,
    source: &mut dyn FnMut(usize, &mut [V]),
) {
    let Some((stage, before)) = stages.split_last_mut() else { return source(y, out) };
    let last = (y + stage.kernel.reach()).min(stage.height - 1);
    while stage.rows_taken <= last {
        let slot = stage.rows_taken % stage.ring.len();
        let mut row = std::mem::take(&mut stage.ring[slot]);
        produce_row::<V, N>(before, stage.rows_taken, &mut row, padded, source);
        blur_across::<V, N>(&stage.kernel, &mut row, padded);
        stage.ring[slot] = row;
        stage.rows_taken += 1;
    }
    stage.emit(y, out);
}

/// Blurs a row horizontally, in place.
fn blur_across<V: BlurValue, const N: usize>(kernel: &BlurKernel, row: &mut [V], padded: &mut Vec<V>) {
    let reach = kernel.reach();
    let (first, last) = (row[..N].to_vec(), row[row.len() - N..].to_vec());
    padded.clear();
    (0..reach).for_each(|_| padded.extend_from_slice(&first));
    padded.extend_from_slice(row);
    (0..reach).for_each(|_| padded.extend_from_slice(&last));
    match kernel {
        BlurKernel::Weights(weights) => {
            let mut sums = vec![V::NO_WEIGHT; row.len()];
            for (at, weight) in weights.iter().enumerate() {
                let (left, right) = (&padded[(reach - at) * N..], &padded[(reach + at) * N..]);
                // The pixel itself is added from both sides.
                let weight = if at == 0 { weight / 2 } else { *weight };
                for ((sum, left), right) in sums.iter_mut().zip(left).zip(right) {
                    V::add_weighted(sum, [*left, *right], weight);
                }
            }
            row.iter_mut().zip(&sums).for_each(|(out, sum)| *out = V::from_weighted(*sum));
        }
        BlurKernel::Box { radius, inner, outer } => {
            let length = 2 * radius + 1;
            let mut sums = [V::RunningSum::default(); N];
            for pixel in padded[N..(length + 1) * N].chunks_exact(N) {
                sums.iter_mut().zip(pixel).for_each(|(sum, value)| V::enter(sum, *value));
            }
            let (pixels, _) = padded.as_chunks::<N>();
            for (x, out) in row.chunks_exact_mut(N).enumerate() {
                let (left, right) = (&pixels[x], &pixels[x + length + 1]);
                let leaving = &pixels[x + 1];
                for channel in 0..N {
                    out[channel] = V::average_box(sums[channel], [left[channel], right[channel]], *inner, *outer);
                    V::enter(&mut sums[channel], right[channel]);
                    V::leave(&mut sums[channel], leaving[channel]);
                }
            }
        }
    }
}

/// An unsharp mask: adds the difference between a row and the same row blurred.
#[derive(Clone, Copy)]
pub(super) struct UnsharpMask {
    pub(crate) amount: f32,
    /// Smallest difference that is sharpened, of 255.
    pub(crate) threshold: f32,
}

impl UnsharpMask {
    /// What is added to a value that differs this much from its blurred one; values go up to 65,535.
    fn correction(self, difference: f32) -> f32 {
        if difference.abs() > self.threshold * 257.0 { difference * self.amount } else { 0.0 }
    }

    /// Sharpens every channel on its own.
    pub(crate) fn sharpen_each<S: Sample, V: BlurValue>(self, row: &mut [S], soft: &[V]) {
        for (value, soft) in row.iter_mut().zip(soft) {
            let sharp = f32::from(value.to_sixteen_bits());
            *value = S::from_sixteen_bits(sharp + self.correction(sharp - (*soft).into()));
        }
    }

    /// Sharpens brightness only, so that coloured edges get no fringes.
    pub(crate) fn sharpen_luma<S: Sample, V: BlurValue>(self, row: &mut [S], soft: &[V], channels: usize) {
        for (pixel, soft) in row.chunks_exact_mut(channels).zip(soft.chunks_exact(channels)) {
            let sharp = compute_luma([pixel[0], pixel[1], pixel[2]].map(|value| f32::from(value.to_sixteen_bits())));
            let extra = self.correction(sharp - compute_luma([soft[0], soft[1], soft[2]].map(V::into)));
            pixel[..3]
                .iter_mut()
                .for_each(|value| *value = S::from_sixteen_bits(f32::from(value.to_sixteen_bits()) + extra));
        }
    }
}

fn compute_luma([r, g, b]: [f32; 3]) -> f32 {
    r * 0.2126 + g * 0.7152 + b * 0.0722
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The standard deviation of a blurred white line on black, and the share of light that is kept.
    fn measure_spread(sigma: f64, channels: usize) -> (f64, f64) {
        let side = ((sigma * 8.0) as usize).max(9) | 1;
        let stride = side * channels;
        // A blurred point would be too faint for 8 bits, so a vertical line is blurred.
        let mut data = vec![0_u8; stride * side];
        for row in data.chunks_exact_mut(stride) {
            row[side / 2 * channels] = 255;
        }
        let mut middle = Vec::new();
        let mut y = 0;
        blur_rows(&mut data, (stride, channels), sigma, load_components, |_, soft| {
            if y == side / 2 {
                middle = soft.iter().step_by(channels).map(|value| f64::from(*value)).collect();
            }
            y += 1;
        });
        let light: f64 = middle.iter().sum();
        let far = |at: usize| (at as f64 - (side / 2) as f64).powi(2);
        let variance = middle.iter().enumerate().map(|(at, value)| far(at) * value).sum::<f64>() / light;
        (variance.sqrt(), light / 65_535.0)
    }

    #[test]
    fn it_is_as_wide_as_it_says_and_keeps_the_light() {
        for sigma in [1.0, 2.5, 3.9, 4.0, 7.3, 20.0, 61.7] {
            for channels in [3, 4] {
                let (wide, light) = measure_spread(sigma, channels);
                assert!((wide / sigma - 1.0).abs() < 0.03, "{sigma}: {wide}");
                assert!((light - 1.0).abs() < 0.01, "{sigma}: {light}");
            }
        }
    }

    #[test]
    fn down_is_as_across() {
        let side = 41;
        let at = |x: usize, y: usize| ((x * 7 + y * 13 + x * y) % 256) as u8;
        for sigma in [1.5, 6.0, 90.0] {
            let [mut upright, mut lying] = [false, true].map(|turned| {
                let cell = |index: usize| {
                    let (x, y) = (index % side, index / side);
                    if turned { at(y, x) } else { at(x, y) }
                };
                (0..side * side).flat_map(|index| [cell(index); 3]).collect::<Vec<u8>>()
            });
            for data in [&mut upright, &mut lying] {
                blur_rows(data, (side * 3, 3), sigma, load_components, |row, soft| {
                    row.iter_mut().zip(soft).for_each(|(value, soft)| *value = u8::from_sixteen_bits(f32::from(*soft)));
                });
            }
            for y in 0..side {
                for x in 0..side {
                    let (a, b) = (upright[(y * side + x) * 3], lying[(x * side + y) * 3]);
                    assert!(a.abs_diff(b) <= 1, "{sigma} at {x},{y}: {a} {b}");
                }
            }
        }
    }

    #[test]
    fn flat_stays_flat() {
        for (sigma, value) in [(0.4, 1_u8), (2.0, 100), (8.0, 201), (250.0, 255)] {
            let mut data = vec![value; 33 * 3 * 20];
            blur_rows(&mut data, (33 * 3, 3), sigma, load_components, |row, soft| {
                assert!(soft.iter().all(|soft| *soft == u16::from(value) * 257), "{sigma}");
                UnsharpMask { amount: 5.0, threshold: 0.0 }.sharpen_each(row, soft);
            });
            assert!(data.iter().all(|now| *now == value));
        }
    }
}
