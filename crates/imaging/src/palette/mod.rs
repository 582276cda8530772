//! Few colours for many: a palette, and for each pixel its place in it. Documentation page: r-is-http-quantize.
//!
//! Colours are points whose components are multiplied by alpha: then what is nearly transparent is alike whatever its
//! colour, and an opaque picture is the plain case of it. The palette comes from groups that are split where the squared
//! error falls most, and is settled by moving each colour into the middle of those it stands for.

mod mapping;

use self::mapping::{Nearest, map};
use offprint_modifiers::{Palette, Quantize};

/// A picture in few colours.
pub(super) struct Indexed {
    /// Its colours, with unassociated alpha; what is transparent comes first.
    pub palette: Vec<[u8; 4]>,
    /// For each pixel the place of its colour.
    pub indices: Vec<u8>,
}

/// Most colours of a palette.
const MOST: usize = 256;

/// How often the palette settles.
const ROUNDS: usize = 4;

type Point = [f32; 4];

const CLEAR: Point = [0.0; 4];

/// Chooses a palette and finds every pixel's place in it. Fully transparent pixels get a colour of their own, beside
/// those that are asked for, as far as there is room.
pub(super) fn quantize(pixels: &[[u8; 4]], width: u32, how: &Quantize) -> Indexed {
    let bins = Bins::of(pixels);
    let room = usize::from(how.colors).min(if bins.clear { MOST - 1 } else { MOST });
    let forced = how.forced.iter().take(room).map(|&[r, g, b]| point([r, g, b, 255]));
    let mut chosen: Vec<Point> = Vec::new();
    // A palette has each colour once.
    forced.for_each(|color| {
        if !chosen.contains(&color) {
            chosen.push(color)
        }
    });
    match how.palette {
        Palette::Adaptive => adapt(&mut chosen, &bins, room),
        Palette::Web => most_used(&mut chosen, &cube(), &bins.points, room),
        Palette::Mac => most_used(&mut chosen, &mac(), &bins.points, room),
    }
    if bins.clear {
        chosen.push(CLEAR);
    }
    chosen.sort_by(|a, b| a[3].total_cmp(&b[3]));
    let indices = map(pixels, width as usize, &Nearest::new(&chosen), how.diffuse);
    Indexed { palette: chosen.into_iter().map(color).collect(), indices }
}

fn point([r, g, b, a]: [u8; 4]) -> Point {
    let by = f32::from(a) / 255.0;
    [f32::from(r) * by, f32::from(g) * by, f32::from(b) * by, f32::from(a)]
}

fn color([r, g, b, a]: Point) -> [u8; 4] {
    let by = if a > 0.0 { 255.0 / a } else { 0.0 };
    [r * by, g * by, b * by, a].map(|value| value.round().clamp(0.0, 255.0) as u8)
}

fn distance(a: &Point, b: &Point) -> f32 {
    a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum()
}

/// Colours that are alike, as their middle and their number.
#[derive(Clone, Copy)]
struct Weighted {
    at: Point,
    weight: f32,
}

/// What colours a picture has.
struct Bins {
    points: Vec<Weighted>,
    /// Each colour for itself, when they are few enough for a palette.
    exact: Option<Vec<[u8; 4]>>,
    /// Whether there are pixels that nobody sees.
    clear: bool,
}

impl Bins {
    /// Six bits of each component and four of alpha tell bins apart.
    fn of(pixels: &[[u8; 4]]) -> Self {
        let mut place = vec![0_u32; 1 << 22];
        let mut sums: Vec<([u64; 4], u64)> = Vec::new();
        let mut exact = Exact::default();
        let mut clear = false;
        for &pixel in pixels {
            let [r, g, b, a] = pixel.map(usize::from);
            if a == 0 {
                clear = true;
                continue;
            }
            exact.see(pixel);
            let slot = &mut place[a >> 4 << 18 | r >> 2 << 12 | g >> 2 << 6 | b >> 2];
            if *slot == 0 {
                sums.push(([0; 4], 0));
                *slot = sums.len() as u32;
            }
            let (sum, count) = &mut sums[*slot as usize - 1];
            for (sum, value) in sum.iter_mut().zip([r * a, g * a, b * a, 255 * a]) {
                *sum += value as u64;
            }
            *count += 1;
        }
        let points = sums.into_iter().map(|(sum, count)| Weighted {
            at: sum.map(|sum| (sum as f64 / 255.0 / count as f64) as f32),
            weight: count as f32,
        });
        Self { points: points.collect(), exact: exact.colors, clear }
    }
}

/// Colours as they are, until they are too many.
struct Exact {
    colors: Option<Vec<[u8; 4]>>,
    last: [u8; 4],
}

impl Default for Exact {
    fn default() -> Self {
        Self { colors: Some(Vec::new()), last: [0; 4] }
    }
}

impl Exact {
    fn see(&mut self, pixel: [u8; 4]) {
        if pixel == self.last {
            return;
        }
        self.last = pixel;
        if let Some(colors) = &mut self.colors
            && let Err(at) = colors.binary_search(&pixel)
        {
            if colors.len() == MOST {
                self.colors = None;
            } else {
                colors.insert(at, pixel);
            }
        }
    }
}

/// Adds colours of the picture, as many as there is room for.
fn adapt(chosen: &mut Vec<Point>, bins: &Bins, room: usize) {
    if let Some(exact) = &bins.exact {
        let missing: Vec<Point> =
            exact.iter().map(|&color| point(color)).filter(|color| !chosen.contains(color)).collect();
        if chosen.len() + missing.len() <= room {
            return chosen.extend(missing);
        }
    }
    let fixed = chosen.len();
    if room > fixed {
        chosen.extend(groups(bins.points.clone(), room - fixed));
        for _ in 0..ROUNDS {
            settle(chosen, fixed, &bins.points);
        }
    }
}

/// Moves each colour that is not fixed into the middle of those that are nearest to it.
fn settle(colors: &mut [Point], fixed: usize, points: &[Weighted]) {
    let nearest = Nearest::new(colors);
    let mut sums = vec![([0_f64; 4], 0_f64); colors.len()];
    for Weighted { at, weight } in points {
        let (sum, total) = &mut sums[usize::from(nearest.find(at))];
        sum.iter_mut().zip(at).for_each(|(sum, value)| *sum += f64::from(value * weight));
        *total += f64::from(*weight);
    }
    for (color, (sum, total)) in colors.iter_mut().zip(sums).skip(fixed).filter(|(_, (_, total))| *total > 0.0) {
        *color = sum.map(|sum| (sum / total) as f32);
    }
}

/// A group of colours with its squared error.
struct Group {
    points: Vec<Weighted>,
    error: f64,
    middle: Point,
    /// The component that differs most.
    axis: usize,
}

impl Group {
    fn new(points: Vec<Weighted>) -> Self {
        let sums = Sums::of(&points);
        let spread: [f64; 4] = std::array::from_fn(|axis| sums.error_along(axis));
        let axis = (0..4).max_by(|a, b| spread[*a].total_cmp(&spread[*b])).unwrap_or(0);
        Self { error: spread.iter().sum(), middle: sums.middle(), axis, points }
    }

    /// Splits where both parts together err least.
    fn split(mut self) -> (Self, Self) {
        let axis = self.axis;
        self.points.sort_by(|a, b| a.at[axis].total_cmp(&b.at[axis]));
        let all = Sums::of(&self.points);
        let mut left = Sums::default();
        let (mut best, mut at) = (f64::INFINITY, 1);
        for (number, point) in self.points.iter().enumerate().take(self.points.len() - 1) {
            left.add(point);
            let error = left.error() + all.without(&left).error();
            if error < best {
                (best, at) = (error, number + 1);
            }
        }
        let right = self.points.split_off(at);
        (Self::new(self.points), Self::new(right))
    }
}

/// Sums from which a squared error follows.
#[derive(Clone, Copy, Default)]
struct Sums {
    weight: f64,
    first: [f64; 4],
    second: [f64; 4],
}

impl Sums {
    fn of(points: &[Weighted]) -> Self {
        let mut sums = Self::default();
        points.iter().for_each(|point| sums.add(point));
        sums
    }

    fn add(&mut self, point: &Weighted) {
        let weight = f64::from(point.weight);
        self.weight += weight;
        for axis in 0..4 {
            let value = f64::from(point.at[axis]);
            self.first[axis] += weight * value;
            self.second[axis] += weight * value * value;
        }
    }

    fn without(&self, other: &Self) -> Self {
        Self {
            weight: self.weight - other.weight,
            first: std::array::from_fn(|axis| self.first[axis] - other.first[axis]),
            second: std::array::from_fn(|axis| self.second[axis] - other.second[axis]),
        }
    }

    fn error_along(&self, axis: usize) -> f64 {
        if self.weight > 0.0 { (self.second[axis] - self.first[axis].powi(2) / self.weight).max(0.0) } else { 0.0 }
    }

    fn error(&self) -> f64 {
        (0..4).map(|axis| self.error_along(axis)).sum()
    }

    fn middle(&self) -> Point {
        self.first.map(|sum| if self.weight > 0.0 { (sum / self.weight) as f32 } else { 0.0 })
    }
}

/// Splits the group that errs most until there are enough.
fn groups(points: Vec<Weighted>, wanted: usize) -> Vec<Point> {
    if points.is_empty() {
        return Vec::new();
    }
    let mut groups = vec![Group::new(points)];
    while groups.len() < wanted {
        let worst = (0..groups.len())
            .filter(|at| groups[*at].points.len() > 1 && groups[*at].error > 0.0)
            .max_by(|a, b| groups[*a].error.total_cmp(&groups[*b].error));
        let Some(worst) = worst else { break };
        let (left, right) = groups.swap_remove(worst).split();
        groups.extend([left, right]);
    }
    groups.into_iter().map(|it| it.middle).collect()
}

/// Adds the colours of a ready palette that the picture uses most.
fn most_used(chosen: &mut Vec<Point>, ready: &[Point], points: &[Weighted], room: usize) {
    let missing: Vec<Point> = ready.iter().copied().filter(|color| !chosen.contains(color)).collect();
    if chosen.len() + missing.len() <= room {
        return chosen.extend(missing);
    }
    let nearest = Nearest::new(&missing);
    let mut uses = vec![0.0; missing.len()];
    points.iter().for_each(|point| uses[usize::from(nearest.find(&point.at))] += point.weight);
    let mut order: Vec<usize> = (0..missing.len()).collect();
    order.sort_by(|a, b| uses[*b].total_cmp(&uses[*a]));
    order.truncate(room - chosen.len());
    chosen.extend(order.into_iter().map(|at| missing[at]));
}

/// Six levels of each component.
fn cube() -> Vec<Point> {
    let levels = [0, 51, 102, 153, 204, 255];
    let with = |r, g| levels.iter().map(move |b| point([r, g, *b, 255]));
    levels.iter().flat_map(|r| levels.iter().flat_map(move |g| with(*r, *g))).collect()
}

/// The cube, and ten levels more of red, green, blue and gray.
fn mac() -> Vec<Point> {
    let more = [238, 221, 187, 170, 136, 119, 85, 68, 34, 17];
    let ramp = |rgb: fn(u8) -> [u8; 3]| {
        more.iter().map(move |level| {
            let [r, g, b] = rgb(*level);
            point([r, g, b, 255])
        })
    };
    let ramps = ramp(|v| [v, 0, 0]).chain(ramp(|v| [0, v, 0])).chain(ramp(|v| [0, 0, v])).chain(ramp(|v| [v; 3]));
    cube().into_iter().chain(ramps).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gradient() -> Vec<[u8; 4]> {
        (0..64 * 64_u32).map(|at| [(at % 64 * 4) as u8, (at / 64 * 4) as u8, (at % 7 * 30) as u8, 255]).collect()
    }

    fn mean_error(pixels: &[[u8; 4]], made: &Indexed) -> f64 {
        let far = |(pixel, index): (&[u8; 4], &u8)| {
            let found = made.palette[usize::from(*index)];
            pixel.iter().zip(found).map(|(a, b)| f64::from(a.abs_diff(b)).powi(2)).sum::<f64>()
        };
        pixels.iter().zip(&made.indices).map(far).sum::<f64>() / pixels.len() as f64
    }

    #[test]
    fn few_colours_stay_as_they_are() {
        let colors = [[1, 2, 3, 255], [200, 100, 50, 255], [9, 9, 9, 128], [77, 66, 55, 0]];
        let pixels: Vec<_> = (0..400).map(|at| colors[at % 4]).collect();
        let made = quantize(&pixels, 20, &Quantize::default());
        assert_eq!(made.palette[0], [0; 4]);
        for (pixel, index) in pixels.iter().zip(&made.indices) {
            let expected = if pixel[3] == 0 { [0; 4] } else { *pixel };
            assert_eq!(made.palette[usize::from(*index)], expected);
        }
    }

    #[test]
    fn a_palette_has_no_more_colours_than_wanted_and_errs_less_with_more() {
        let pixels = gradient();
        let mut before = f64::INFINITY;
        for colors in [2, 4, 16, 64, 256] {
            let made = quantize(&pixels, 64, &Quantize { colors, diffuse: false, ..Quantize::default() });
            assert!(made.palette.len() <= usize::from(colors));
            let error = mean_error(&pixels, &made);
            assert!(error < before, "{colors}: {error}");
            before = error;
        }
        assert!(before < 360.0, "{before}");
    }

    #[test]
    fn diffusion_keeps_the_mean_where_single_pixels_cannot() {
        let pixels = vec![[100, 100, 100, 255]; 64 * 64];
        let forced = vec![[0; 3], [255; 3]];
        let how = Quantize { colors: 2, forced, ..Quantize::default() };
        let mean = |how: &Quantize| {
            let made = quantize(&pixels, 64, how);
            let sum: f64 = made.indices.iter().map(|at| f64::from(made.palette[usize::from(*at)][0])).sum();
            sum / pixels.len() as f64
        };
        assert!((mean(&how) - 100.0).abs() < 2.0);
        assert_eq!(mean(&Quantize { diffuse: false, ..how }), 0.0);
    }

    #[test]
    fn ready_palettes_are_complete_and_lend_their_most_used_colours() {
        let pixels = gradient();
        let made =
            |palette, colors| quantize(&pixels, 64, &Quantize { palette, colors, ..Quantize::default() }).palette;
        assert_eq!((made(Palette::Web, 256).len(), made(Palette::Mac, 256).len()), (216, 256));
        let few = made(Palette::Web, 12);
        assert_eq!(few.len(), 12);
        assert!(few.iter().flatten().all(|value| value % 51 == 0));
    }
}
