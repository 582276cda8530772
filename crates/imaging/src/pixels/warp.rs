//! Perspective.

use offprint_modifiers::Sampling;

use super::noise::mix_bits;
use super::{Raster, Sample};

/// Maps a point of the result to a point of the source: a 3x3 matrix of homogeneous coordinates, row by row.
pub(crate) type Homography = [f64; 9];

impl<S: Sample> Raster<S> {
    /// Applies a perspective, onto a rectangle of this size. What the source does not cover is transparent.
    pub(crate) fn warp(self, (width, height): (u32, u32), back: &Homography, sampling: Sampling, each_way: u8) -> Self {
        let source = self.with_alpha();
        let channels = source.channels();
        let points = list_sample_points(sampling, each_way);
        let mut data = Vec::with_capacity(width as usize * height as usize * channels);
        for y in 0..height {
            for x in 0..width {
                let jitter = compute_jitter(sampling, x, y);
                let mut sum = [0.0; 5];
                for [dx, dy] in &points {
                    let at = [f64::from(x) + dx + jitter[0], f64::from(y) + dy + jitter[1]];
                    if let Some(at) = project_point(back, at) {
                        source.add_sample(at, sampling, &mut sum[..channels]);
                    }
                }
                data.extend(average_samples::<S>(&sum[..channels], points.len() as f64));
            }
        }
        Self { width, height, data, ..source }
    }

    /// Adds the colour at a point, multiplied by its alpha.
    fn add_sample(&self, [x, y]: [f64; 2], sampling: Sampling, sum: &mut [f64]) {
        if sampling == Sampling::Nearest {
            return self.add_pixel(x.floor() as i64, y.floor() as i64, 1.0, sum);
        }
        let (x, y) = (x - 0.5, y - 0.5);
        let (left, top) = (x.floor(), y.floor());
        let (fx, fy) = (x - left, y - top);
        for (dx, wx) in [(0, 1.0 - fx), (1, fx)] {
            for (dy, wy) in [(0, 1.0 - fy), (1, fy)] {
                self.add_pixel(left as i64 + dx, top as i64 + dy, wx * wy, sum);
            }
        }
    }

    fn add_pixel(&self, x: i64, y: i64, weight: f64, sum: &mut [f64]) {
        if x < 0 || y < 0 || x >= i64::from(self.width) || y >= i64::from(self.height) {
            return;
        }
        let channels = sum.len();
        let at = (y as usize * self.width as usize + x as usize) * channels;
        let pixel = &self.data[at..at + channels];
        let alpha = weight * pixel[channels - 1].to_u64() as f64;
        for (sum, value) in sum[..channels - 1].iter_mut().zip(pixel) {
            *sum += alpha * value.to_u64() as f64;
        }
        sum[channels - 1] += alpha;
    }
}

/// A point of the source, or none where it lies behind the viewer.
fn project_point(back: &Homography, [x, y]: [f64; 2]) -> Option<[f64; 2]> {
    let row = |at: usize| back[at] * x + back[at + 1] * y + back[at + 2];
    let depth = row(6);
    (depth > 1e-12).then(|| [row(0) / depth, row(3) / depth])
}

/// The points of a pixel that are sampled: a regular grid, with positions from 0 to 1.
fn list_sample_points(sampling: Sampling, each_way: u8) -> Vec<[f64; 2]> {
    let each_way = if matches!(sampling, Sampling::Many(_)) { each_way.max(1) } else { 1 };
    let position = |index: u8| (f64::from(index) + 0.5) / f64::from(each_way);
    (0..each_way).flat_map(|y| (0..each_way).map(move |x| [position(x), position(y)])).collect()
}

/// Moves all points of a pixel a little, against patterns; reproducible.
fn compute_jitter(sampling: Sampling, x: u32, y: u32) -> [f64; 2] {
    let Sampling::Many(percent @ 1..) = sampling else { return [0.0; 2] };
    let hash = mix_bits(u64::from(x) << 32 | u64::from(y));
    [hash >> 48, hash >> 32 & 0xFFFF].map(|part| (part as f64 / 65_535.0 - 0.5) * f64::from(percent) / 400.0)
}

fn average_samples<S: Sample>(sum: &[f64], points: f64) -> impl Iterator<Item = S> {
    let alpha = sum.last().copied().unwrap_or_default();
    let last = sum.len() - 1;
    sum.iter().enumerate().map(move |(at, sum)| {
        let value = match at {
            _ if alpha <= 0.0 => 0.0,
            at if at == last => alpha / points,
            _ => sum / alpha,
        };
        S::from_u64((value + 0.5).clamp(0.0, S::MAX_VALUE as f64) as u64)
    })
}
