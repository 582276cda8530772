//! Where the source lies in the picture: followed from step to step, so that embedded paths go with it.

use offprint_modifiers::{Outline, Stroke};
use crate::turn::Turn;

/// From fractions of the source, as it is stored, to pixels of the picture: a projective matrix, row by row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Place([f64; 9]);

impl Place {
    /// The source, turned upright, is the picture.
    pub fn of((width, height): (u32, u32), orientation: Turn) -> Self {
        let whole = Self([1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]).turned(orientation, (1.0, 1.0));
        whole.scaled([0.0, 0.0, 1.0, 1.0], (f64::from(width), f64::from(height)))
    }

    /// This first, the other after it.
    fn then(self, next: [f64; 9]) -> Self {
        Self(std::array::from_fn(|at| {
            let (row, column) = (at / 3 * 3, at % 3);
            (0..3).map(|inner| next[row + inner] * self.0[inner * 3 + column]).sum()
        }))
    }

    /// A rectangle of the picture becomes one of this size.
    pub fn scaled(self, [x, y, w, h]: [f64; 4], (width, height): (f64, f64)) -> Self {
        let (fx, fy) = (width / w, height / h);
        self.then([fx, 0.0, -x * fx, 0.0, fy, -y * fy, 0.0, 0.0, 1.0])
    }

    /// A picture that has this size afterwards is turned.
    pub fn turned(self, turn: Turn, (width, height): (f64, f64)) -> Self {
        let swapped = if turn.transpose { self.then([0.0, 1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0]) } else { self };
        let (x, across) = if turn.flip_x { (-1.0, width) } else { (1.0, 0.0) };
        let (y, down) = if turn.flip_y { (-1.0, height) } else { (1.0, 0.0) };
        swapped.then([x, 0.0, across, 0.0, y, down, 0.0, 0.0, 1.0])
    }

    /// A turn about the middle of a picture of one size, into the middle of one of another size.
    pub fn rotated(self, degrees: f64, before: (u32, u32), after: (u32, u32)) -> Self {
        let (sin, cos) = degrees.to_radians().sin_cos();
        let half = |(w, h): (u32, u32)| (f64::from(w) / 2.0, f64::from(h) / 2.0);
        let ((x, y), (to_x, to_y)) = (half(before), half(after));
        self.then([cos, -sin, to_x - cos * x + sin * y, sin, cos, to_y - sin * x - cos * y, 0.0, 0.0, 1.0])
    }

    /// A perspective, of which the way back is given.
    pub fn bent(self, [a, b, c, d, e, f, g, h, i]: [f64; 9]) -> Self {
        // The adjugate is the inverse but for a factor, and factors do not count here.
        self.then([
            e * i - f * h,
            c * h - b * i,
            b * f - c * e,
            f * g - d * i,
            a * i - c * g,
            c * d - a * f,
            d * h - e * g,
            b * g - a * h,
            a * e - b * d,
        ])
    }

    fn point(&self, [x, y]: [f64; 2]) -> [f64; 2] {
        let row = |at: usize| self.0[at] * x + self.0[at + 1] * y + self.0[at + 2];
        let depth = row(6);
        [row(0) / depth, row(3) / depth]
    }

    /// A path of the source in the picture. In a perspective curves become nearly what they should be.
    pub fn outline(&self, outline: &Outline) -> Outline {
        let stroke = |stroke: &Stroke| match *stroke {
            Stroke::Move(to) => Stroke::Move(self.point(to)),
            Stroke::Line(to) => Stroke::Line(self.point(to)),
            Stroke::Curve(points) => Stroke::Curve(points.map(|point| self.point(point))),
        };
        Outline(outline.0.iter().map(stroke).collect())
    }

    /// The left, top, right and bottom of what lies within such bounds in the source.
    pub fn bounds(&self, [left, top, right, bottom]: [f64; 4]) -> [f64; 4] {
        let corners = [[left, top], [right, top], [right, bottom], [left, bottom]].map(|corner| self.point(corner));
        let most = |axis: usize| corners.iter().map(|corner| corner[axis]).fold(f64::NEG_INFINITY, f64::max);
        let least = |axis: usize| corners.iter().map(|corner| corner[axis]).fold(f64::INFINITY, f64::min);
        [least(0), least(1), most(0), most(1)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(found: [f64; 2], wanted: [f64; 2]) {
        assert!(found.iter().zip(wanted).all(|(a, b)| (a - b).abs() < 1e-9), "{found:?} is not {wanted:?}");
    }

    #[test]
    fn a_place_of_the_source_is_followed() {
        let upright = Place::of((200, 100), Turn::NONE);
        near(upright.point([0.5, 0.25]), [100.0, 25.0]);
        near(upright.scaled([20.0, 10.0, 100.0, 50.0], (50.0, 25.0)).point([0.5, 0.25]), [40.0, 7.5]);
        near(upright.turned(Turn::CLOCKWISE, (100.0, 200.0)).point([0.5, 0.25]), [75.0, 100.0]);
        near(upright.rotated(90.0, (200, 100), (100, 200)).point([0.5, 0.25]), [75.0, 100.0]);
        near(Place::of((100, 200), Turn::CLOCKWISE).point([0.5, 0.25]), [75.0, 100.0]);
        // The way back halves, so the way there doubles.
        near(upright.bent([0.5, 0.0, 0.0, 0.0, 0.5, 0.0, 0.0, 0.0, 1.0]).point([0.5, 0.25]), [200.0, 50.0]);
        assert_eq!(upright.bounds([0.25, 0.0, 0.5, 1.0]), [50.0, 0.0, 100.0, 100.0]);
    }
}
