//! The index of every pixel in a palette.

use super::{ColorPoint, TRANSPARENT, compute_squared_distance, premultiply_color};

/// Finds the nearest colour of a palette. Colours are sorted by brightness; the search goes from the nearest brightness
/// outwards in both directions and ends where the difference of brightness alone is larger than the best distance.
pub(super) struct NearestColorSearch {
    /// Brightness, colour and index in the palette, sorted by brightness.
    sorted: Vec<(f32, ColorPoint, u8)>,
}

impl NearestColorSearch {
    pub(crate) fn new(colors: &[ColorPoint]) -> Self {
        let mut sorted: Vec<_> =
            colors.iter().enumerate().map(|(index, color)| (Self::brightness(color), *color, index as u8)).collect();
        sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
        Self { sorted }
    }

    /// The projection on the gray axis (1/√3 of the sum): two colours are never nearer to each other than in this.
    fn brightness(at: &ColorPoint) -> f32 {
        (at[0] + at[1] + at[2]) * 0.577_350_26
    }

    pub(crate) fn find(&self, at: &ColorPoint) -> u8 {
        let bright = Self::brightness(at);
        let middle = self.sorted.partition_point(|entry| entry.0 < bright);
        let (mut best, mut index) = (f32::INFINITY, 0);
        let mut try_color = |entry: &(f32, ColorPoint, u8)| {
            if (entry.0 - bright).powi(2) > best {
                return false;
            }
            let distance = compute_squared_distance(&entry.1, at);
            if distance < best {
                (best, index) = (distance, entry.2);
            }
            true
        };
        let (mut up, mut down) = (self.sorted[middle..].iter(), self.sorted[..middle].iter().rev());
        let (mut more_up, mut more_down) = (true, true);
        while more_up || more_down {
            more_up = more_up && up.next().is_some_and(&mut try_color);
            more_down = more_down && down.next().is_some_and(&mut try_color);
        }
        index
    }
}

/// The index of each pixel, with error diffusion (Floyd and Steinberg) if asked for. Rows go alternately from the left
/// and from the right, which avoids patterns. Errors of alpha are not passed on, so that opaque pixels stay opaque.
pub(super) fn map_to_palette(pixels: &[[u8; 4]], width: usize, nearest: &NearestColorSearch, diffuse: bool) -> Vec<u8> {
    let palette = {
        let mut palette = vec![TRANSPARENT; nearest.sorted.len()];
        nearest.sorted.iter().for_each(|(_, color, index)| palette[usize::from(*index)] = *color);
        palette
    };
    let mut indices = vec![0; pixels.len()];
    let mut here = vec![[0.0_f32; 3]; width + 2];
    let mut below = here.clone();
    for (row, (pixels, indices)) in pixels.chunks(width).zip(indices.chunks_mut(width)).enumerate() {
        let back = row % 2 == 1;
        for step in 0..width {
            let column = if back { width - 1 - step } else { step };
            let mut wanted = premultiply_color(pixels[column]);
            if diffuse && wanted[3] > 0.0 {
                let alpha = wanted[3];
                for (value, error) in wanted.iter_mut().zip(here[column + 1]) {
                    *value = (*value + error).clamp(0.0, alpha);
                }
            }
            let index = nearest.find(&wanted);
            indices[column] = index;
            if diffuse && wanted[3] > 0.0 {
                let (ahead, behind) = if back { (column, column + 2) } else { (column + 2, column) };
                for axis in 0..3 {
                    let error = (wanted[axis] - palette[usize::from(index)][axis]) / 16.0;
                    here[ahead][axis] += 7.0 * error;
                    below[behind][axis] += 3.0 * error;
                    below[column + 1][axis] += 5.0 * error;
                    below[ahead][axis] += error;
                }
            }
        }
        std::mem::swap(&mut here, &mut below);
        below.fill([0.0; 3]);
    }
    indices
}
