//! The place of every pixel in a palette that is chosen.

use super::{CLEAR, Point, distance, point};

/// Finds the colour that is nearest: from the one whose brightness is nearest outwards, until none can be nearer.
pub(super) struct Nearest {
    /// Brightness, colour and place, by brightness.
    sorted: Vec<(f32, Point, u8)>,
}

impl Nearest {
    pub fn new(colors: &[Point]) -> Self {
        let mut sorted: Vec<_> =
            colors.iter().enumerate().map(|(place, color)| (Self::brightness(color), *color, place as u8)).collect();
        sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
        Self { sorted }
    }

    /// A length along one direction: no two colours are nearer to each other than in this.
    fn brightness(at: &Point) -> f32 {
        (at[0] + at[1] + at[2]) * 0.577_350_26
    }

    pub fn find(&self, at: &Point) -> u8 {
        let bright = Self::brightness(at);
        let middle = self.sorted.partition_point(|entry| entry.0 < bright);
        let (mut best, mut place) = (f32::INFINITY, 0);
        let mut near = |entry: &(f32, Point, u8)| {
            if (entry.0 - bright).powi(2) > best {
                return false;
            }
            let far = distance(&entry.1, at);
            if far < best {
                (best, place) = (far, entry.2);
            }
            true
        };
        let (mut up, mut down) = (self.sorted[middle..].iter(), self.sorted[..middle].iter().rev());
        let (mut more_up, mut more_down) = (true, true);
        while more_up || more_down {
            more_up = more_up && up.next().is_some_and(&mut near);
            more_down = more_down && down.next().is_some_and(&mut near);
        }
        place
    }
}

/// The place of each pixel, row by row, each from the other side than the last. Errors of alpha are not passed on, so
/// that what is opaque stays opaque.
pub(super) fn map(pixels: &[[u8; 4]], width: usize, nearest: &Nearest, diffuse: bool) -> Vec<u8> {
    let palette = {
        let mut palette = vec![CLEAR; nearest.sorted.len()];
        nearest.sorted.iter().for_each(|(_, color, place)| palette[usize::from(*place)] = *color);
        palette
    };
    let mut indices = vec![0; pixels.len()];
    let mut here = vec![[0.0_f32; 3]; width + 2];
    let mut below = here.clone();
    for (row, (pixels, indices)) in pixels.chunks(width).zip(indices.chunks_mut(width)).enumerate() {
        let back = row % 2 == 1;
        for step in 0..width {
            let column = if back { width - 1 - step } else { step };
            let mut wanted = point(pixels[column]);
            if diffuse && wanted[3] > 0.0 {
                let most = wanted[3];
                for (value, error) in wanted.iter_mut().zip(here[column + 1]) {
                    *value = (*value + error).clamp(0.0, most);
                }
            }
            let place = nearest.find(&wanted);
            indices[column] = place;
            if diffuse && wanted[3] > 0.0 {
                let (ahead, behind) = if back { (column, column + 2) } else { (column + 2, column) };
                for axis in 0..3 {
                    let error = (wanted[axis] - palette[usize::from(place)][axis]) / 16.0;
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
