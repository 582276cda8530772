//! Colour quantization: a palette, and for each pixel the index of its colour. Documentation page: r-is-http-quantize.
//!
//! Colours are points in four dimensions whose components are multiplied by alpha: nearly transparent pixels are then
//! alike whatever their colour, and an opaque image needs no special case. The adaptive palette starts with one group
//! of all colours. The group with the largest squared error is split where the error falls most, until there are enough
//! groups; each becomes a colour (Wu's method). Then every colour is moved to the mean of the pixels nearest to it, a
//! few times (k-means).

mod mapping;

use offprint_modifiers::{Palette, Quantize};

use self::mapping::{NearestColorSearch, map_to_palette};

/// An image in few colours.
pub(super) struct IndexedImage {
    /// At most 256 colours with unassociated alpha, the most transparent first: formats may then store alpha for the
    /// first entries only.
    pub(crate) palette: Vec<[u8; 4]>,
    /// For each pixel the index of its colour.
    pub(crate) indices: Vec<u8>,
}

const MAX_COLORS: usize = 256;

/// How often colours are moved to the mean of their pixels. Further rounds change little.
const REFINEMENT_ROUNDS: usize = 4;

/// Red, green and blue multiplied by alpha, and alpha; each from 0 to 255.
type ColorPoint = [f32; 4];

const TRANSPARENT: ColorPoint = [0.0; 4];

/// Chooses a palette and the index of every pixel. Fully transparent pixels get a colour of their own, besides the
/// number that was asked for, as far as 256 allow.
pub(super) fn quantize_pixels(pixels: &[[u8; 4]], width: u32, options: &Quantize) -> IndexedImage {
    let bins = ColorBins::from_pixels(pixels);
    let room = usize::from(options.colors).min(if bins.has_transparent { MAX_COLORS - 1 } else { MAX_COLORS });
    let forced = options.forced.iter().take(room).map(|&[r, g, b]| premultiply_color([r, g, b, 255]));
    let mut chosen: Vec<ColorPoint> = Vec::new();
    // The modifier may name a colour twice; a palette has it once.
    forced.for_each(|color| {
        if !chosen.contains(&color) {
            chosen.push(color)
        }
    });
    match options.palette {
        Palette::Adaptive => add_adaptive_colors(&mut chosen, &bins, room),
        Palette::Web => add_most_used_colors(&mut chosen, &build_color_cube(), &bins.points, room),
        Palette::Mac => add_most_used_colors(&mut chosen, &build_mac_palette(), &bins.points, room),
    }
    if bins.has_transparent {
        chosen.push(TRANSPARENT);
    }
    chosen.sort_by(|a, b| a[3].total_cmp(&b[3]));
    let indices = map_to_palette(pixels, width as usize, &NearestColorSearch::new(&chosen), options.diffuse);
    IndexedImage { palette: chosen.into_iter().map(unpremultiply_color).collect(), indices }
}

fn premultiply_color([r, g, b, a]: [u8; 4]) -> ColorPoint {
    let factor = f32::from(a) / 255.0;
    [f32::from(r) * factor, f32::from(g) * factor, f32::from(b) * factor, f32::from(a)]
}

fn unpremultiply_color([r, g, b, a]: ColorPoint) -> [u8; 4] {
    let factor = if a > 0.0 { 255.0 / a } else { 0.0 };
    [r * factor, g * factor, b * factor, a].map(|value| value.round().clamp(0.0, 255.0) as u8)
}

fn compute_squared_distance(a: &ColorPoint, b: &ColorPoint) -> f32 {
    a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum()
}

/// The mean of similar colours, and the number of their pixels.
#[derive(Clone, Copy)]
struct WeightedColor {
    point: ColorPoint,
    weight: f32,
}

/// The colours of an image, similar ones together.
struct ColorBins {
    points: Vec<WeightedColor>,
    /// All distinct colours, when they fit into a palette.
    exact: Option<Vec<[u8; 4]>>,
    /// Whether there are fully transparent pixels.
    has_transparent: bool,
}

impl ColorBins {
    /// A bin is six bits of each component and four of alpha: 2^22 bins.
    fn from_pixels(pixels: &[[u8; 4]]) -> Self {
        // Index into `sums`, plus one.
        let mut bins = vec![0_u32; 1 << 22];
        let mut sums: Vec<([u64; 4], u64)> = Vec::new();
        let mut exact = ExactColors::default();
        let mut has_transparent = false;
        for &pixel in pixels {
            let [r, g, b, a] = pixel.map(usize::from);
            if a == 0 {
                has_transparent = true;
                continue;
            }
            exact.insert(pixel);
            let slot = &mut bins[a >> 4 << 18 | r >> 2 << 12 | g >> 2 << 6 | b >> 2];
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
        let points = sums.into_iter().map(|(sum, count)| WeightedColor {
            point: sum.map(|sum| (sum as f64 / 255.0 / count as f64) as f32),
            weight: count as f32,
        });
        Self { points: points.collect(), exact: exact.colors, has_transparent }
    }
}

/// Collects distinct colours, sorted, and gives up when they are too many.
struct ExactColors {
    colors: Option<Vec<[u8; 4]>>,
    last: [u8; 4],
}

impl Default for ExactColors {
    fn default() -> Self {
        Self { colors: Some(Vec::new()), last: [0; 4] }
    }
}

impl ExactColors {
    fn insert(&mut self, pixel: [u8; 4]) {
        if pixel == self.last {
            return;
        }
        self.last = pixel;
        if let Some(colors) = &mut self.colors
            && let Err(at) = colors.binary_search(&pixel)
        {
            if colors.len() == MAX_COLORS {
                self.colors = None;
            } else {
                colors.insert(at, pixel);
            }
        }
    }
}

/// Adds colours chosen from the image, up to `room` in all. The colours that are there already stay.
fn add_adaptive_colors(chosen: &mut Vec<ColorPoint>, bins: &ColorBins, room: usize) {
    if let Some(exact) = &bins.exact {
        let missing: Vec<ColorPoint> =
            exact.iter().map(|&color| premultiply_color(color)).filter(|color| !chosen.contains(color)).collect();
        if chosen.len() + missing.len() <= room {
            return chosen.extend(missing);
        }
    }
    let fixed = chosen.len();
    if room > fixed {
        chosen.extend(split_into_groups(bins.points.clone(), room - fixed));
        for _ in 0..REFINEMENT_ROUNDS {
            refine_palette(chosen, fixed, &bins.points);
        }
    }
}

/// Moves each colour after the first `fixed` ones to the mean of the points that are nearest to it.
fn refine_palette(colors: &mut [ColorPoint], fixed: usize, points: &[WeightedColor]) {
    let nearest = NearestColorSearch::new(colors);
    let mut sums = vec![([0_f64; 4], 0_f64); colors.len()];
    for WeightedColor { point: at, weight } in points {
        let (sum, total) = &mut sums[usize::from(nearest.find(at))];
        sum.iter_mut().zip(at).for_each(|(sum, value)| *sum += f64::from(value * weight));
        *total += f64::from(*weight);
    }
    for (color, (sum, total)) in colors.iter_mut().zip(sums).skip(fixed).filter(|(_, (_, total))| *total > 0.0) {
        *color = sum.map(|sum| (sum / total) as f32);
    }
}

/// A group of colours with its squared error.
struct ColorGroup {
    points: Vec<WeightedColor>,
    error: f64,
    middle: ColorPoint,
    /// The component with the largest error.
    axis: usize,
}

impl ColorGroup {
    fn new(points: Vec<WeightedColor>) -> Self {
        let sums = ErrorSums::from_points(&points);
        let spread: [f64; 4] = std::array::from_fn(|axis| sums.error_along(axis));
        let axis = (0..4).max_by(|a, b| spread[*a].total_cmp(&spread[*b])).unwrap_or(0);
        Self { error: spread.iter().sum(), middle: sums.middle(), axis, points }
    }

    /// Splits where the squared errors of both parts add up to least.
    fn split(mut self) -> (Self, Self) {
        let axis = self.axis;
        self.points.sort_by(|a, b| a.point[axis].total_cmp(&b.point[axis]));
        let all = ErrorSums::from_points(&self.points);
        let mut left = ErrorSums::default();
        let (mut best, mut at) = (f64::INFINITY, 1);
        for (number, point) in self.points.iter().enumerate().take(self.points.len() - 1) {
            left.add(point);
            let error = left.error() + all.subtract(&left).error();
            if error < best {
                (best, at) = (error, number + 1);
            }
        }
        let right = self.points.split_off(at);
        (Self::new(self.points), Self::new(right))
    }
}

/// Weight, weighted sum and weighted sum of squares. The squared error around the mean follows from them, so that
/// trying the next position of a split costs one addition.
#[derive(Clone, Copy, Default)]
struct ErrorSums {
    weight: f64,
    first: [f64; 4],
    second: [f64; 4],
}

impl ErrorSums {
    fn from_points(points: &[WeightedColor]) -> Self {
        let mut sums = Self::default();
        points.iter().for_each(|point| sums.add(point));
        sums
    }

    fn add(&mut self, point: &WeightedColor) {
        let weight = f64::from(point.weight);
        self.weight += weight;
        for axis in 0..4 {
            let value = f64::from(point.point[axis]);
            self.first[axis] += weight * value;
            self.second[axis] += weight * value * value;
        }
    }

    fn subtract(&self, other: &Self) -> Self {
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

    fn middle(&self) -> ColorPoint {
        self.first.map(|sum| if self.weight > 0.0 { (sum / self.weight) as f32 } else { 0.0 })
    }
}

/// Splits the group with the largest error until there are enough.
fn split_into_groups(points: Vec<WeightedColor>, wanted: usize) -> Vec<ColorPoint> {
    if points.is_empty() {
        return Vec::new();
    }
    let mut groups = vec![ColorGroup::new(points)];
    while groups.len() < wanted {
        let worst = (0..groups.len())
            .filter(|at| groups[*at].points.len() > 1 && groups[*at].error > 0.0)
            .max_by(|a, b| groups[*a].error.total_cmp(&groups[*b].error));
        let Some(worst) = worst else { break };
        let (left, right) = groups.swap_remove(worst).split();
        groups.extend([left, right]);
    }
    groups.into_iter().map(|group| group.middle).collect()
}

/// Adds the colours of a fixed palette, or those that the image uses most when there is not room for all.
fn add_most_used_colors(chosen: &mut Vec<ColorPoint>, palette: &[ColorPoint], points: &[WeightedColor], room: usize) {
    let missing: Vec<ColorPoint> = palette.iter().copied().filter(|color| !chosen.contains(color)).collect();
    if chosen.len() + missing.len() <= room {
        return chosen.extend(missing);
    }
    let nearest = NearestColorSearch::new(&missing);
    let mut uses = vec![0.0; missing.len()];
    points.iter().for_each(|point| uses[usize::from(nearest.find(&point.point))] += point.weight);
    let mut order: Vec<usize> = (0..missing.len()).collect();
    order.sort_by(|a, b| uses[*b].total_cmp(&uses[*a]));
    order.truncate(room - chosen.len());
    chosen.extend(order.into_iter().map(|at| missing[at]));
}

/// The web palette: six levels of each component.
fn build_color_cube() -> Vec<ColorPoint> {
    let levels = [0, 51, 102, 153, 204, 255];
    let with = |r, g| levels.iter().map(move |b| premultiply_color([r, g, *b, 255]));
    levels.iter().flat_map(|r| levels.iter().flat_map(move |g| with(*r, *g))).collect()
}

/// The Mac palette: the web palette, and ten more levels each of red, green, blue and gray.
fn build_mac_palette() -> Vec<ColorPoint> {
    let more = [238, 221, 187, 170, 136, 119, 85, 68, 34, 17];
    let ramp = |rgb: fn(u8) -> [u8; 3]| {
        more.iter().map(move |level| {
            let [r, g, b] = rgb(*level);
            premultiply_color([r, g, b, 255])
        })
    };
    let ramps = ramp(|v| [v, 0, 0]).chain(ramp(|v| [0, v, 0])).chain(ramp(|v| [0, 0, v])).chain(ramp(|v| [v; 3]));
    build_color_cube().into_iter().chain(ramps).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draw_gradient() -> Vec<[u8; 4]> {
        (0..64 * 64_u32).map(|at| [(at % 64 * 4) as u8, (at / 64 * 4) as u8, (at % 7 * 30) as u8, 255]).collect()
    }

    fn compute_mean_error(pixels: &[[u8; 4]], image: &IndexedImage) -> f64 {
        let far = |(pixel, index): (&[u8; 4], &u8)| {
            let color = image.palette[usize::from(*index)];
            pixel.iter().zip(color).map(|(a, b)| f64::from(a.abs_diff(b)).powi(2)).sum::<f64>()
        };
        pixels.iter().zip(&image.indices).map(far).sum::<f64>() / pixels.len() as f64
    }

    #[test]
    fn few_colours_stay_as_they_are() {
        let colors = [[1, 2, 3, 255], [200, 100, 50, 255], [9, 9, 9, 128], [77, 66, 55, 0]];
        let pixels: Vec<_> = (0..400).map(|at| colors[at % 4]).collect();
        let image = quantize_pixels(&pixels, 20, &Quantize::default());
        assert_eq!(image.palette[0], [0; 4]);
        for (pixel, index) in pixels.iter().zip(&image.indices) {
            let expected = if pixel[3] == 0 { [0; 4] } else { *pixel };
            assert_eq!(image.palette[usize::from(*index)], expected);
        }
    }

    #[test]
    fn a_palette_has_no_more_colours_than_wanted_and_errs_less_with_more() {
        let pixels = draw_gradient();
        let mut before = f64::INFINITY;
        for colors in [2, 4, 16, 64, 256] {
            let image = quantize_pixels(&pixels, 64, &Quantize { colors, diffuse: false, ..Quantize::default() });
            assert!(image.palette.len() <= usize::from(colors));
            let error = compute_mean_error(&pixels, &image);
            assert!(error < before, "{colors}: {error}");
            before = error;
        }
        assert!(before < 360.0, "{before}");
    }

    #[test]
    fn diffusion_keeps_the_mean_where_single_pixels_cannot() {
        let pixels = vec![[100, 100, 100, 255]; 64 * 64];
        let forced = vec![[0; 3], [255; 3]];
        let options = Quantize { colors: 2, forced, ..Quantize::default() };
        let mean = |options: &Quantize| {
            let image = quantize_pixels(&pixels, 64, options);
            let sum: f64 = image.indices.iter().map(|at| f64::from(image.palette[usize::from(*at)][0])).sum();
            sum / pixels.len() as f64
        };
        assert!((mean(&options) - 100.0).abs() < 2.0);
        assert_eq!(mean(&Quantize { diffuse: false, ..options }), 0.0);
    }

    #[test]
    fn ready_palettes_are_complete_and_lend_their_most_used_colours() {
        let pixels = draw_gradient();
        let choose_palette = |palette, colors| {
            quantize_pixels(&pixels, 64, &Quantize { palette, colors, ..Quantize::default() }).palette
        };
        assert_eq!((choose_palette(Palette::Web, 256).len(), choose_palette(Palette::Mac, 256).len()), (216, 256));
        let few = choose_palette(Palette::Web, 12);
        assert_eq!(few.len(), 12);
        assert!(few.iter().flatten().all(|value| value % 51 == 0));
    }
}
