//! Quarter turns and mirroring: the eight orientations, and how they compose.

use serde::{Deserialize, Serialize};

/// One of the eight orientations: first rows become columns, then left and right, then top and bottom are exchanged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Turn {
    /// Rows become columns: the axes are exchanged.
    pub transpose: bool,
    /// Left and right are exchanged, after the transposition.
    pub flip_x: bool,
    /// Top and bottom are exchanged, after the transposition.
    pub flip_y: bool,
}

impl Turn {
    pub const NONE: Self = Self { transpose: false, flip_x: false, flip_y: false };
    /// A quarter turn clockwise.
    pub(crate) const CLOCKWISE: Self = Self { transpose: true, flip_x: true, flip_y: false };

    /// This number of quarter turns clockwise.
    pub(crate) fn from_quarters(number: u32) -> Self {
        (0..number % 4).fold(Self::NONE, |turn, _| turn.then(Self::CLOCKWISE))
    }

    /// Makes an image of this EXIF orientation (1 to 8) upright. Other numbers count as upright.
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

    /// This turn, followed by another.
    pub(crate) fn then(self, next: Self) -> Self {
        let (x, y) = if next.transpose { (self.flip_y, self.flip_x) } else { (self.flip_x, self.flip_y) };
        Self { transpose: self.transpose ^ next.transpose, flip_x: x ^ next.flip_x, flip_y: y ^ next.flip_y }
    }

    /// The size that an image of this size has afterwards.
    pub fn size<T>(self, (w, h): (T, T)) -> (T, T) {
        if self.transpose { (h, w) } else { (w, h) }
    }

    /// Maps a rectangle (left, top, width, height) of the turned image back to the image before the turn, whose size is
    /// `stored`.
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
    use crate::pixels::{Pixels, Raster};
    use offprint_modifiers::PixelType;

    #[test]
    fn composing_is_doing_one_after_the_other() {
        let marked = Raster::<u8>::new(3, 2, PixelType::Gray, false, (1..=6).collect());
        for a in (1..=8).map(Turn::from_exif) {
            for b in (1..=8).map(Turn::from_exif) {
                assert_eq!(marked.clone().turn(a).turn(b), marked.clone().turn(a.then(b)), "{a:?} then {b:?}");
            }
        }
        assert_eq!(Turn::from_quarters(4), Turn::NONE);
        assert_eq!(Turn::from_quarters(3), Turn::from_exif(8));
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
