//! The largest, or the smallest, value within a disc around each pixel.

use super::Sample;

/// Which value of a disc is taken.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Extreme {
    Largest,
    Smallest,
}

impl Extreme {
    /// Growing takes the largest value, shrinking the smallest.
    pub fn of(pixels: i32) -> Self {
        if pixels < 0 { Self::Smallest } else { Self::Largest }
    }

    fn pick<S: Sample>(self, a: S, b: S) -> S {
        if (a.wide() > b.wide()) == (self == Self::Largest) { a } else { b }
    }

    /// What never wins.
    fn idle<S: Sample>(self) -> S {
        if self == Self::Largest { S::default() } else { S::narrow(S::TOP) }
    }
}

/// Each component of each pixel becomes the extreme of the disc around it. Beyond the edge there is nothing. A disc is a
/// pile of lines, and the extreme of every line of one length comes from one pass over a row, so the cost grows with
/// the radius and not with the disc.
pub(super) fn grown<S: Sample>(data: &[S], width: usize, channels: usize, radius: u32, extreme: Extreme) -> Vec<S> {
    let (radius, stride) = (radius as usize, width * channels);
    let rows = data.len() / stride.max(1);
    let mut made = data.to_vec();
    let mut line = Line::new(width, radius, extreme);
    let mut best = vec![S::default(); stride];
    for y in 0..rows {
        let row = &data[y * stride..(y + 1) * stride];
        for away in 0..=radius {
            let half = half_width(radius, away);
            let targets = [y.checked_sub(away), Some(y + away).filter(|below| away > 0 && *below < rows)];
            if targets == [None, None] {
                continue;
            }
            for channel in 0..channels {
                line.extremes(row, channel, channels, half, &mut best);
            }
            for target in targets.into_iter().flatten() {
                let target = &mut made[target * stride..(target + 1) * stride];
                target.iter_mut().zip(&best).for_each(|(value, best)| *value = extreme.pick(*value, *best));
            }
        }
    }
    made
}

/// How far the disc reaches sideways, so many rows from its middle.
fn half_width(radius: usize, away: usize) -> usize {
    ((radius * radius - away * away) as f64).sqrt() as usize
}

/// Room for one pass: running extremes of blocks, from their fronts and from their backs.
struct Line<S> {
    width: usize,
    extreme: Extreme,
    front: Vec<S>,
    back: Vec<S>,
}

impl<S: Sample> Line<S> {
    fn new(width: usize, radius: usize, extreme: Extreme) -> Self {
        let length = width + 2 * radius;
        Self { width, extreme, front: vec![S::default(); length], back: vec![S::default(); length] }
    }

    /// The extreme of `half` pixels to each side, for every pixel of a row. Any window of a block's length is the back of
    /// one block and the front of the next.
    fn extremes(&mut self, row: &[S], channel: usize, channels: usize, half: usize, best: &mut [S]) {
        let (block, length, extreme) = (2 * half + 1, self.width + 2 * half, self.extreme);
        let value = |at: usize| {
            let inside = at.checked_sub(half).filter(|x| *x < self.width);
            inside.map_or(extreme.idle(), |x| row[x * channels + channel])
        };
        for at in 0..length {
            let value = value(at);
            self.front[at] = if at % block == 0 { value } else { extreme.pick(self.front[at - 1], value) };
        }
        for at in (0..length).rev() {
            let value = value(at);
            let last = at + 1 == length || (at + 1) % block == 0;
            self.back[at] = if last { value } else { extreme.pick(self.back[at + 1], value) };
        }
        for x in 0..self.width {
            best[x * channels + channel] = extreme.pick(self.back[x], self.front[x + block - 1]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same, by looking at every pixel of every disc.
    fn plainly(data: &[u8], width: usize, channels: usize, radius: i64, extreme: Extreme) -> Vec<u8> {
        let rows = data.len() / (width * channels);
        let reach = |away: i64| half_width(radius as usize, away as usize) as i64;
        let mut made = data.to_vec();
        for (at, value) in made.iter_mut().enumerate() {
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
        made
    }

    #[test]
    fn lines_make_the_same_discs() {
        for (width, channels, radius) in [(7, 1, 1), (13, 3, 3), (5, 2, 9), (1, 4, 2), (20, 1, 0)] {
            let data: Vec<u8> = (0..width * channels * 9).map(|at| (at * 89 % 251) as u8).collect();
            for extreme in [Extreme::Largest, Extreme::Smallest] {
                let made = grown(&data, width, channels, radius, extreme);
                assert_eq!(made, plainly(&data, width, channels, i64::from(radius), extreme), "{width} {radius}");
            }
        }
    }
}
