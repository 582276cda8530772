//! Dilation and erosion: the largest or the smallest value within a disc around each pixel.

use super::Sample;

/// Which value of a disc is taken.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Extreme {
    Largest,
    Smallest,
}

impl Extreme {
    /// Growing takes the largest value, shrinking the smallest.
    pub(crate) fn for_growth(pixels: i32) -> Self {
        if pixels < 0 { Self::Smallest } else { Self::Largest }
    }

    fn pick<S: Sample>(self, a: S, b: S) -> S {
        if (a.to_u64() > b.to_u64()) == (self == Self::Largest) { a } else { b }
    }

    /// The value that never wins, for pixels beyond the edge.
    fn neutral_value<S: Sample>(self) -> S {
        if self == Self::Largest { S::default() } else { S::from_u64(S::MAX_VALUE) }
    }
}

/// Each component of each pixel becomes the extreme of the disc around it. Pixels beyond the edge do not count.
///
/// A disc is a stack of horizontal lines, and the extremes of all lines of one length in a row come from one pass over
/// the row (`RunningExtremes`). So the cost per pixel grows with the radius, not with the area of the disc.
pub(super) fn grow_values<S: Sample>(
    data: &[S],
    width: usize,
    channels: usize,
    radius: u32,
    extreme: Extreme,
) -> Vec<S> {
    let (radius, stride) = (radius as usize, width * channels);
    let rows = data.len() / stride.max(1);
    let mut result = data.to_vec();
    let mut line = RunningExtremes::new(width, radius, extreme);
    let mut best = vec![S::default(); stride];
    for y in 0..rows {
        let row = &data[y * stride..(y + 1) * stride];
        for away in 0..=radius {
            let half = compute_half_width(radius, away);
            let targets = [y.checked_sub(away), Some(y + away).filter(|below| away > 0 && *below < rows)];
            if targets == [None, None] {
                continue;
            }
            for channel in 0..channels {
                line.compute_row(row, channel, channels, half, &mut best);
            }
            for target in targets.into_iter().flatten() {
                let target = &mut result[target * stride..(target + 1) * stride];
                target.iter_mut().zip(&best).for_each(|(value, best)| *value = extreme.pick(*value, *best));
            }
        }
    }
    result
}

/// How far the disc reaches to each side, `away` rows from its middle.
fn compute_half_width(radius: usize, away: usize) -> usize {
    ((radius * radius - away * away) as f64).sqrt() as usize
}

/// Buffers of one pass. A row is cut into blocks as long as the window; `front` has running extremes from the start of
/// each block, `back` from its end (van Herk, Gil and Werman).
///
/// ```text
/// block:    |  0  1  2  |  3  4  5  |        window of 3 from pixel 2: 2 | 3 4
///              back[2] = 2, front[4] = extreme of 3 and 4  ->  extreme of 2, 3 and 4
/// ```
struct RunningExtremes<S> {
    width: usize,
    extreme: Extreme,
    front: Vec<S>,
    back: Vec<S>,
}

impl<S: Sample> RunningExtremes<S> {
    fn new(width: usize, radius: usize, extreme: Extreme) -> Self {
        let length = width + 2 * radius;
        Self { width, extreme, front: vec![S::default(); length], back: vec![S::default(); length] }
    }

    /// The extreme of a pixel and `half` pixels to each side, for every pixel of a row: any window is the end of one
    /// block and the start of the next.
    fn compute_row(&mut self, row: &[S], channel: usize, channels: usize, half: usize, best: &mut [S]) {
        let (block, length, extreme) = (2 * half + 1, self.width + 2 * half, self.extreme);
        let value = |at: usize| {
            let inside = at.checked_sub(half).filter(|x| *x < self.width);
            inside.map_or(extreme.neutral_value(), |x| row[x * channels + channel])
        };
        for at in 0..length {
            let value = value(at);
            self.front[at] = if at % block == 0 { value } else { extreme.pick(self.front[at - 1], value) };
        }
        for at in (0..length).rev() {
            let value = value(at);
            let is_block_end = at + 1 == length || (at + 1) % block == 0;
            self.back[at] = if is_block_end { value } else { extreme.pick(self.back[at + 1], value) };
        }
        for x in 0..self.width {
            best[x * channels + channel] = extreme.pick(self.back[x], self.front[x + block - 1]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same by comparing every pixel of every disc.
    fn grow_values_naively(data: &[u8], width: usize, channels: usize, radius: i64, extreme: Extreme) -> Vec<u8> {
        let rows = data.len() / (width * channels);
        let reach = |away: i64| compute_half_width(radius as usize, away as usize) as i64;
        let mut result = data.to_vec();
        for (at, value) in result.iter_mut().enumerate() {
            let (channel, x, y) = (at % channels, (at / channels % width) as i64, (at / channels / width) as i64);
            for dy in -radius..=radius {
                for dx in -reach(dy.abs())..=reach(dy.abs()) {
                    let (x, y) = (x + dx, y + dy);
                    if (0..width as i64).contains(&x) && (0..rows as i64).contains(&y) {
                        *value = extreme.pick(*value, data[(y as usize * width + x as usize) * channels + channel]);
                    }
                }
            }
        }
        result
    }

    #[test]
    fn lines_make_the_same_discs() {
        for (width, channels, radius) in [(7, 1, 1), (13, 3, 3), (5, 2, 9), (1, 4, 2), (20, 1, 0)] {
            let data: Vec<u8> = (0..width * channels * 9).map(|at| (at * 89 % 251) as u8).collect();
            for extreme in [Extreme::Largest, Extreme::Smallest] {
                let grown = grow_values(&data, width, channels, radius, extreme);
                assert_eq!(
                    grown,
                    grow_values_naively(&data, width, channels, i64::from(radius), extreme),
                    "{width} {radius}"
                );
            }
        }
    }
}
