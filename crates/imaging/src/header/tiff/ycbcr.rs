//! YCbCr as a TIFF stores it, and how it becomes RGB. Source: TIFF 6.0, sections 20 and 21.

use std::io::{Read, Seek};

use super::directory::{Directory, TiffFile};
use super::tags;
use crate::error::RenderError;
use crate::header::corrupt_error;

/// How brightness and chroma are stored.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct YcbcrLayout {
    /// How many pixels share a chroma value, horizontally and vertically.
    pub(crate) subsampling: (usize, usize),
    /// Factors of chroma: red from Cr, green from Cb and Cr, blue from Cb.
    factors: [f32; 4],
    /// Codes of black and white of brightness, and of zero and the maximum of chroma.
    luma: (f32, f32),
    blue: (f32, f32),
    red: (f32, f32),
}

impl YcbcrLayout {
    /// Weights of BT.601 and the whole range of codes: what files mean that do not say otherwise.
    const DEFAULT: Self = Self {
        subsampling: (2, 2),
        factors: [1.402, -0.344_136, -0.714_136, 1.772],
        luma: (0.0, 255.0),
        blue: (128.0, 255.0),
        red: (128.0, 255.0),
    };

    pub(super) fn read<R: Read + Seek>(file: &mut TiffFile<R>, directory: &Directory) -> Result<Self, RenderError> {
        let subsampling = match file.find_numbers(directory, tags::YCBCR_SUBSAMPLING, 2)?.as_deref() {
            None => Self::DEFAULT.subsampling,
            Some(&[across, down]) if [1, 2, 4].contains(&across) && [1, 2, 4].contains(&down) => {
                (across as usize, down as usize)
            }
            Some(_) => return Err(corrupt_error("The chroma subsampling of the TIFF is impossible.")),
        };
        let mut layout = Self { subsampling, ..Self::DEFAULT };
        layout.set_weights(&file.find_fractions(directory, tags::YCBCR_COEFFICIENTS, 3));
        layout.set_range(&file.find_fractions(directory, tags::REFERENCE_BLACK_WHITE, 6));
        Ok(layout)
    }

    /// The weights of red, green and blue in brightness. Impossible ones are ignored.
    fn set_weights(&mut self, weights: &[f64]) {
        let &[red, green, blue] = weights else { return };
        let is_default = (red - 0.299).abs() < 1e-3 && (green - 0.587).abs() < 1e-3 && (blue - 0.114).abs() < 1e-3;
        let is_possible = [red, green, blue].iter().all(|weight| (0.001..1.0).contains(weight));
        if is_default || !is_possible || (red + green + blue - 1.0).abs() > 0.01 {
            return;
        }
        let (from_red, from_blue) = (2.0 - 2.0 * red, 2.0 - 2.0 * blue);
        self.factors = [from_red, -from_blue * blue / green, -from_red * red / green, from_blue].map(|it| it as f32);
    }

    /// Pairs of codes for each component: black and white, zero and maximum. Impossible ones are ignored.
    fn set_range(&mut self, codes: &[f64]) {
        let &[black, white, blue_zero, blue_max, red_zero, red_max] = codes else { return };
        let is_range = |low: f64, high: f64| (0.0..=255.0).contains(&low) && low + 1.0 <= high && high <= 255.0;
        if is_range(black, white) && is_range(blue_zero, blue_max) && is_range(red_zero, red_max) {
            let pair = |low: f64, high: f64| (low as f32, high as f32);
            (self.luma, self.blue, self.red) = (pair(black, white), pair(blue_zero, blue_max), pair(red_zero, red_max));
        }
    }

    /// The RGB of one pixel.
    pub(crate) fn convert_pixel(&self, [luma, blue, red]: [u8; 3]) -> [u8; 3] {
        let scale = |code: u8, (low, high): (f32, f32), range: f32| (f32::from(code) - low) * (range / (high - low));
        let luma = scale(luma, self.luma, 255.0);
        let (blue, red) = (scale(blue, self.blue, 127.0), scale(red, self.red, 127.0));
        let [from_red, green_blue, green_red, from_blue] = self.factors;
        [from_red * red, green_blue * blue + green_red * red, from_blue * blue].map(|part| (luma + part + 0.5) as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_and_ranges_come_from_the_directory() {
        let layout = |weights: &[f64], range: &[f64]| {
            let mut layout = YcbcrLayout::DEFAULT;
            layout.set_weights(weights);
            layout.set_range(range);
            layout
        };
        let plain = layout(&[], &[]);
        assert_eq!(plain.convert_pixel([76, 85, 255]), [254, 0, 0]);
        assert_eq!(plain.convert_pixel([255, 128, 128]), [255, 255, 255]);
        // Red, green and blue with the weights of BT.709.
        let high = layout(&[0.2126, 0.7152, 0.0722], &[]);
        for (code, rgb) in [([54, 99, 255], [254, 0, 1]), ([182, 30, 12], [0, 255, 0]), ([18, 255, 116], [0, 0, 254])] {
            let found = high.convert_pixel(code);
            assert!(found.iter().zip(rgb).all(|(a, b): (&u8, u8)| a.abs_diff(b) <= 2), "{code:?} {found:?}");
        }
        let video = layout(&[], &[16.0, 235.0, 128.0, 240.0, 128.0, 240.0]);
        assert_eq!(video.convert_pixel([235, 128, 128]), [255, 255, 255]);
        assert_eq!(video.convert_pixel([16, 128, 128]), [0, 0, 0]);
        // What cannot be is ignored.
        assert_eq!(layout(&[0.0, 1.0, 0.0], &[255.0, 0.0, 128.0, 255.0, 128.0, 255.0]), plain);
        assert_eq!(layout(&[f64::NAN, 0.7, 0.1], &[f64::NAN; 6]), plain);
    }
}
