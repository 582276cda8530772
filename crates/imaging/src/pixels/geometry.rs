//! Steps that move pixels: windows (crop and extend), quarter turns, rotations.

use offprint_modifiers::PixelType;

use super::{FillColor, Raster, Sample, rotate};
use crate::turn::Turn;

impl<S: Sample> Raster<S> {
    pub(crate) fn apply_window(self, x: i64, y: i64, (width, height): (u32, u32), fill: FillColor) -> Self {
        let (w, h) = (i64::from(self.width), i64::from(self.height));
        let (left, right) = (x.clamp(0, w), (x + i64::from(width)).clamp(0, w));
        let inside = x >= 0 && y >= 0 && x + i64::from(width) <= w && y + i64::from(height) <= h;
        let source = if inside || fill.is_opaque() { self } else { self.with_alpha() };
        let channels = source.channels();
        let stride = source.width as usize * channels;
        let mut data = Vec::with_capacity(width as usize * height as usize * channels);
        let fill = fill.pixel::<S>(source.pixel_type);
        let empty = |data: &mut Vec<S>, pixels: i64| {
            for _ in 0..pixels {
                data.extend_from_slice(&fill[..channels]);
            }
        };
        for row in y..y + i64::from(height) {
            if row < 0 || row >= h || right <= left {
                empty(&mut data, i64::from(width));
                continue;
            }
            empty(&mut data, left - x);
            let start = row as usize * stride;
            data.extend_from_slice(&source.data[start + left as usize * channels..start + right as usize * channels]);
            empty(&mut data, x + i64::from(width) - right);
        }
        Self { width, height, data, ..source }
    }

    /// Quarter turns and mirroring.
    pub(crate) fn turn(self, turn: Turn) -> Self {
        if turn == Turn::NONE {
            return self;
        }
        let channels = self.channels();
        let (w, h) = (self.width as usize, self.height as usize);
        let (width, height) = turn.size((w, h));
        let mut data = Vec::with_capacity(self.data.len());
        for y in 0..height {
            let y = if turn.flip_y { height - 1 - y } else { y };
            for x in 0..width {
                let x = if turn.flip_x { width - 1 - x } else { x };
                let (column, row) = turn.size((x, y));
                let at = (row * w + column) * channels;
                data.extend_from_slice(&self.data[at..at + channels]);
            }
        }
        Self { width: width as u32, height: height as u32, data, ..self }
    }

    /// Rotates about the middle, bilinearly; outside the image is transparent.
    pub(crate) fn rotate(self, degrees: f64, (width, height): (u32, u32)) -> Self {
        // Most images are RGB with 8 bits: they have a faster way.
        if self.pixel_type == PixelType::Rgb && S::MAX_VALUE == u8::MAX_VALUE {
            let data = bytemuck::cast_slice(&self.data);
            let source = rotate::RotationSource { size: self.size(), channels: self.channels(), data };
            let data = bytemuck::cast_vec(source.rotate(degrees, (width, height)));
            return Self { width, height, alpha: true, data, ..self };
        }
        let source = self.with_alpha();
        let channels = source.channels();
        let (sin, cos) = degrees.to_radians().sin_cos();
        let centre = (f64::from(source.width) / 2.0, f64::from(source.height) / 2.0);
        let (mx, my) = (f64::from(width) / 2.0, f64::from(height) / 2.0);
        let mut data = Vec::with_capacity(width as usize * height as usize * channels);
        for row in 0..height {
            let dy = f64::from(row) + 0.5 - my;
            for column in 0..width {
                let dx = f64::from(column) + 0.5 - mx;
                let pixel = source.sample_bilinear(centre.0 + dx * cos + dy * sin, centre.1 - dx * sin + dy * cos);
                data.extend_from_slice(&pixel[..channels]);
            }
        }
        Self { width, height, data, ..source }
    }

    /// The colour at a point: the four pixels around it, mixed by area and alpha.
    fn sample_bilinear(&self, x: f64, y: f64) -> [S; 5] {
        let (x, y) = (x - 0.5, y - 0.5);
        let (left, top) = (x.floor(), y.floor());
        let (fx, fy) = (x - left, y - top);
        let colors = self.pixel_type.components();
        let mut sum = [0.0; 5];
        for (dx, dy, weight) in
            [(0, 0, (1.0 - fx) * (1.0 - fy)), (1, 0, fx * (1.0 - fy)), (0, 1, (1.0 - fx) * fy), (1, 1, fx * fy)]
        {
            let (column, row) = (left as i64 + dx, top as i64 + dy);
            if column < 0 || row < 0 || column >= i64::from(self.width) || row >= i64::from(self.height) {
                continue;
            }
            let at = (row as usize * self.width as usize + column as usize) * (colors + 1);
            let alpha = weight * self.data[at + colors].to_u64() as f64;
            for (sum, value) in sum.iter_mut().zip(&self.data[at..at + colors]) {
                *sum += alpha * value.to_u64() as f64;
            }
            sum[colors] += alpha;
        }
        let alpha = sum[colors];
        let mut pixel = [S::default(); 5];
        if alpha >= 0.5 {
            let colours = pixel[..colors].iter_mut().zip(&sum);
            colours.for_each(|(value, sum)| *value = S::from_u64((sum / alpha).round() as u64));
            pixel[colors] = S::from_u64(alpha.round() as u64);
        }
        pixel
    }
}
