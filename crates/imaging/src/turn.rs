//! Quarter turns and mirrorings, all eight of them, as one thing that composes.

use serde::{Deserialize, Serialize};

/// A quarter turn, a mirroring or both: first rows become columns, then left and right, top and bottom change places.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Turn {
    /// Rows become columns.
    pub transpose: bool,
    /// Left and right change places.
    pub flip_x: bool,
    /// Top and bottom change places.
    pub flip_y: bool,
}

impl Turn {
    /// Nothing moves.
    pub const NONE: Self = Self { transpose: false, flip_x: false, flip_y: false };
    /// A quarter turn clockwise.
    pub const CLOCKWISE: Self = Self { transpose: true, flip_x: true, flip_y: false };

    /// A number of quarter turns clockwise.
    pub fn quarters(number: u32) -> Self {
        (0..number % 4).fold(Self::NONE, |turn, _| turn.then(Self::CLOCKWISE))
    }

    /// What makes a picture of this EXIF orientation upright; unknown numbers are taken as upright.
    pub fn from_exif(orientation: u32) -> Self {
        let (transpose, flip_x, flip_y) = match orientation {
            2 => (false, true, false),
            3 => (false, true, true),
            4 => (false, false, true),
            5 => (true, false, false),
            6 => (true, true, false),
            7 => (true, true, true),
            8 => (true, false, true),
            _ => (false, false, false),
        };
        Self { transpose, flip_x, flip_y }
    }

    /// This one first, the other after it.
    pub fn then(self, next: Self) -> Self {
        let (x, y) = if next.transpose { (self.flip_y, self.flip_x) } else { (self.flip_x, self.flip_y) };
        Self { transpose: self.transpose ^ next.transpose, flip_x: x ^ next.flip_x, flip_y: y ^ next.flip_y }
    }

    /// The size of what it makes from this size.
    pub fn size<T>(self, (w, h): (T, T)) -> (T, T) {
        if self.transpose { (h, w) } else { (w, h) }
    }

    /// Left, top, width and height of a rectangle before the turn; `stored` is the size of what is turned.
    pub(super) fn undo(self, [x, y, w, h]: [f64; 4], stored: (f64, f64)) -> [f64; 4] {
        let (width, height) = self.size(stored);
        let x = if self.flip_x { width - x - w } else { x };
        let y = if self.flip_y { height - y - h } else { y };
        if self.transpose { [y, x, h, w] } else { [x, y, w, h] }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use image::metadata::Orientation;
    use image::{DynamicImage, GrayImage};

    use super::*;
    use offprint_modifiers::PixelType;
    use crate::pixels::{Pixels, Raster};

    #[test]
    fn composing_is_doing_one_after_the_other() {
        let marked = Raster::<u8>::new(3, 2, PixelType::Gray, false, (1..=6).collect());
        for a in (1..=8).map(Turn::from_exif) {
            for b in (1..=8).map(Turn::from_exif) {
                assert_eq!(marked.clone().turn(a).turn(b), marked.clone().turn(a.then(b)), "{a:?} then {b:?}");
            }
        }
        assert_eq!(Turn::quarters(4), Turn::NONE);
        assert_eq!(Turn::quarters(3), Turn::from_exif(8));
    }

    #[test]
    fn each_turn_is_what_the_image_crate_makes_of_its_number() {
        let marked = GrayImage::from_raw(3, 2, (1..=6).collect()).unwrap();
        for number in 1..=8 {
            let mut turned = DynamicImage::ImageLuma8(marked.clone());
            turned.apply_orientation(Orientation::from_exif(number).unwrap());
            let ours =
                Raster::<u8>::new(3, 2, PixelType::Gray, false, marked.to_vec()).turn(Turn::from_exif(number.into()));
            let turn = Turn::from_exif(number.into());
            let [x, y, w, h] = turn.undo([1.0, 0.0, 1.0, 2.0], (3.0, 2.0)).map(|value| value as u32);
            let mut cut = DynamicImage::ImageLuma8(marked.clone()).crop_imm(x, y, w, h);
            cut.apply_orientation(Orientation::from_exif(number).unwrap());
            assert_eq!(cut, turned.crop_imm(1, 0, 1, 2), "{number}");
            assert_eq!(Pixels::from(ours), Pixels::from_image(turned), "{number}");
        }
    }
}
