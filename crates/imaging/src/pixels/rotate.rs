//! Rotation by any angle, the fast way for RGB at 8 bits.
//!
//! Along a row of the result the position in the source moves by the same step each time, so it is counted in fixed
//! point with 32 fractional bits. Each row is split into spans: outside the source (transparent), at its edge (some of
//! the four pixels are missing) and inside, where nothing has to be checked. `geometry.rs` has the general, slower
//! way for other components and depths.
//!
//! ```text
//! row of the result:  | outside | edge | inside ...... | edge | outside |
//!                     0       first  inner           outer   last
//! ```

/// Fractional bits of a position in the source.
const FRACTION_BITS: u32 = 32;

/// Positions within a pixel that the mixing tells apart, in each direction.
const PARTS_PER_PIXEL: u32 = 256;

/// The image to rotate.
pub(super) struct RotationSource<'a> {
    pub(crate) size: (u32, u32),
    /// 3, or 4 with alpha.
    pub(crate) channels: usize,
    /// The components, row by row.
    pub(crate) data: &'a [u8],
}

impl RotationSource<'_> {
    /// Returns RGBA pixels of the given size: the image rotated clockwise about its middle, each pixel mixed from the
    /// four source pixels around its position. Outside the image is transparent.
    pub(crate) fn rotate(&self, degrees: f64, (width, height): (u32, u32)) -> Vec<u8> {
        let (sin, cos) = degrees.to_radians().sin_cos();
        let middle = (f64::from(self.size.0) / 2.0 - 0.5, f64::from(self.size.1) / 2.0 - 0.5);
        let (mx, my) = (f64::from(width) / 2.0 - 0.5, f64::from(height) / 2.0 - 0.5);
        let step = (convert_to_fixed(cos), convert_to_fixed(-sin));
        let mut data = vec![0; width as usize * height as usize * 4];
        for (row, out) in data.chunks_exact_mut(width as usize * 4).enumerate() {
            let dy = row as f64 - my;
            let start =
                (convert_to_fixed(middle.0 - mx * cos + dy * sin), convert_to_fixed(middle.1 + mx * sin + dy * cos));
            self.rotate_row(start, step, out);
        }
        data
    }

    fn rotate_row(&self, start: (i64, i64), step: (i64, i64), out: &mut [u8]) {
        let (w, h) = (i64::from(self.size.0), i64::from(self.size.1));
        let count = (out.len() / 4) as i64;
        // Where some of the four pixels lie in the image, and where all do.
        let (first, last) =
            intersect_spans(find_span(start.0, step.0, -1, w, count), find_span(start.1, step.1, -1, h, count));
        let (inner, outer) =
            intersect_spans(find_span(start.0, step.0, 0, w - 1, count), find_span(start.1, step.1, 0, h - 1, count));
        let (inner, outer) = if inner < outer { (inner, outer) } else { (last, last) };
        let position = |at: i64| (start.0 + at * step.0, start.1 + at * step.1);
        let (pixels, _) = out.as_chunks_mut::<4>();
        for at in (first..inner).chain(outer..last) {
            pixels[at as usize] = self.sample_at_edge(position(at));
        }
        let stride = self.size.0 as usize * self.channels;
        for (pixel, at) in pixels[inner as usize..outer as usize].iter_mut().zip(inner..) {
            let (x, y) = position(at);
            let from = (y >> FRACTION_BITS) as usize * stride + (x >> FRACTION_BITS) as usize * self.channels;
            let (above, below) = (&self.data[from..], &self.data[from + stride..]);
            *pixel = match self.channels {
                4 => mix_pixels(
                    read_pixel(above),
                    read_pixel(&above[4..]),
                    read_pixel(below),
                    read_pixel(&below[4..]),
                    compute_weights(x, y),
                ),
                _ => mix_opaque(above, below, compute_weights(x, y)),
            };
        }
    }

    /// Mixes a pixel at a position where some of the four pixels may be outside.
    fn sample_at_edge(&self, (x, y): (i64, i64)) -> [u8; 4] {
        let pixel = |dx: i64, dy: i64| {
            let (column, row) = ((x >> FRACTION_BITS) + dx, (y >> FRACTION_BITS) + dy);
            if column < 0 || row < 0 || column >= i64::from(self.size.0) || row >= i64::from(self.size.1) {
                return [0; 4];
            }
            let at = (row as usize * self.size.0 as usize + column as usize) * self.channels;
            let data = &self.data[at..];
            [data[0], data[1], data[2], if self.channels == 4 { data[3] } else { 255 }]
        };
        mix_pixels(pixel(0, 0), pixel(1, 0), pixel(0, 1), pixel(1, 1), compute_weights(x, y))
    }
}

fn convert_to_fixed(value: f64) -> i64 {
    (value * (1_u64 << FRACTION_BITS) as f64).round() as i64
}

/// The half-open span of steps `n` in `0..count` at which `low <= floor(start + n * step) < high`. `start` and `step`
/// are in fixed point, `low` and `high` in pixels.
fn find_span(start: i64, step: i64, low: i64, high: i64, count: i64) -> (i64, i64) {
    let (low, high) = (i128::from(low) << FRACTION_BITS, i128::from(high) << FRACTION_BITS);
    let (start, step) = (i128::from(start), i128::from(step));
    if step == 0 {
        return if (low..high).contains(&start) { (0, count) } else { (0, 0) };
    }
    let until = |edge: i128| {
        let (far, step) = if step > 0 { (edge - start, step) } else { (start - edge, -step) };
        far.div_euclid(step) + i128::from(far.rem_euclid(step) != 0)
    };
    // With a negative step the upper edge is excluded and the lower one included.
    let (first, last) = if step > 0 {
        (until(low), until(high))
    } else {
        ((start - high).div_euclid(-step) + 1, (start - low).div_euclid(-step) + 1)
    };
    let clamp = |at: i128| at.clamp(0, i128::from(count)) as i64;
    (clamp(first), clamp(last).max(clamp(first)))
}

fn intersect_spans(a: (i64, i64), b: (i64, i64)) -> (i64, i64) {
    let first = a.0.max(b.0);
    (first, a.1.min(b.1).max(first))
}

/// The weights of the four pixels around a position, 65,536 together.
fn compute_weights(x: i64, y: i64) -> [u32; 4] {
    let part = |value: i64| (value >> (FRACTION_BITS - 8)) as u32 % PARTS_PER_PIXEL;
    let (x, y) = (part(x), part(y));
    [(PARTS_PER_PIXEL - x) * (PARTS_PER_PIXEL - y), x * (PARTS_PER_PIXEL - y), (PARTS_PER_PIXEL - x) * y, x * y]
}

fn read_pixel(data: &[u8]) -> [u8; 4] {
    [data[0], data[1], data[2], data[3]]
}

/// Mixes opaque RGB pixels: two of a row, two of the row below.
fn mix_opaque(above: &[u8], below: &[u8], [a, b, c, d]: [u32; 4]) -> [u8; 4] {
    let (above, below) = (&above[..6], &below[..6]);
    let value = |at: usize| {
        let [p, q, r, s] = [above[at], above[at + 3], below[at], below[at + 3]].map(u32::from);
        ((p * a + q * b + r * c + s * d + (1 << 15)) >> 16) as u8
    };
    [value(0), value(1), value(2), 255]
}

/// Mixes RGBA pixels by area and alpha: the colour of a transparent pixel does not count.
fn mix_pixels(p: [u8; 4], q: [u8; 4], r: [u8; 4], s: [u8; 4], weights: [u32; 4]) -> [u8; 4] {
    let pixels = [p, q, r, s];
    if pixels.iter().all(|pixel| pixel[3] == 255) {
        let value = |at: usize| {
            let sum: u32 = pixels.iter().zip(weights).map(|(pixel, weight)| u32::from(pixel[at]) * weight).sum();
            ((sum + (1 << 15)) >> 16) as u8
        };
        return [value(0), value(1), value(2), 255];
    }
    let shares: [u32; 4] = std::array::from_fn(|at| weights[at] * u32::from(pixels[at][3]));
    let alpha: u32 = shares.iter().sum();
    if alpha < 1 << 15 {
        return [0; 4];
    }
    let value = |at: usize| {
        let sum: u64 = pixels.iter().zip(shares).map(|(pixel, share)| u64::from(pixel[at]) * u64::from(share)).sum();
        ((sum + u64::from(alpha) / 2) / u64::from(alpha)) as u8
    };
    [value(0), value(1), value(2), ((alpha + (1 << 15)) >> 16) as u8]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the fast way must give: every pixel computed as if it were at the edge.
    fn rotate_row_slowly(source: &RotationSource<'_>, start: (i64, i64), step: (i64, i64), count: usize) -> Vec<u8> {
        let place = |at: i64| (start.0 + at * step.0, start.1 + at * step.1);
        (0..count as i64).flat_map(|at| source.sample_at_edge(place(at))).collect()
    }

    #[test]
    fn the_fast_way_gives_what_the_careful_one_does() {
        for channels in [3, 4] {
            let data: Vec<u8> = (0..23 * 17 * channels).map(|at| (at * 31 % 256) as u8).collect();
            let source = RotationSource { size: (23, 17), channels, data: &data };
            for (x, y, dx, dy) in [
                (-3.3, -2.0, 1.0, 0.0),
                (-4.0, 20.5, 0.9, -0.43),
                (30.0, 3.0, -1.0, 0.0),
                (5.0, -6.0, 0.0, 1.0),
                (40.0, 30.0, -0.7, -0.7),
                (22.0, 16.0, -1.0, -1.0),
            ] {
                let (start, step) =
                    ((convert_to_fixed(x), convert_to_fixed(y)), (convert_to_fixed(dx), convert_to_fixed(dy)));
                let mut out = vec![0; 60 * 4];
                source.rotate_row(start, step, &mut out);
                assert_eq!(out, rotate_row_slowly(&source, start, step, 60), "{x} {y} {dx} {dy}");
            }
        }
    }

    #[test]
    fn half_a_turn_is_exact() {
        let data: Vec<u8> = (0..5 * 4 * 3).collect();
        let turned = RotationSource { size: (5, 4), channels: 3, data: &data }.rotate(180.0, (5, 4));
        let colours: Vec<u8> = turned.chunks_exact(4).rev().flat_map(|pixel| pixel[..3].to_vec()).collect();
        assert_eq!(colours, data);
    }
}
