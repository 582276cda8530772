//! Pixels, and what each step does to them.
//!
//! A picture is gray, RGB or CMYK, with alpha or without, in eight or sixteen bits. Every step is written once, over
//! [`Raster`] of any [`Sample`]; [`Pixels`] is the choice between the two depths.

mod blur;
mod dither;
mod grow;
mod matte;
mod mix;
mod noise;
mod place;
mod raster;
mod resample;
mod sample;
mod warp;

use image::DynamicImage;

use super::failure::Failure;
use super::step::{Kernel, Step};
use offprint_modifiers::PixelType;

pub(super) use mix::{luma, recolored};
pub use raster::Raster;
pub use resample::Resize;
pub use sample::Sample;

/// A picture in memory.
#[derive(Clone, Debug, PartialEq)]
pub enum Pixels {
    /// Eight bits a component.
    Eight(Raster<u8>),
    /// Sixteen bits a component.
    Sixteen(Raster<u16>),
}

impl From<Raster<u8>> for Pixels {
    fn from(raster: Raster<u8>) -> Self {
        Self::Eight(raster)
    }
}

impl From<Raster<u16>> for Pixels {
    fn from(raster: Raster<u16>) -> Self {
        Self::Sixteen(raster)
    }
}

impl Pixels {
    /// Width and height.
    pub fn size(&self) -> (u32, u32) {
        match self {
            Self::Eight(raster) => raster.size(),
            Self::Sixteen(raster) => raster.size(),
        }
    }

    /// Does one step. [`Step::Convert`] needs profiles and is done elsewhere.
    pub fn apply(self, step: &Step) -> Result<Self, Failure> {
        match (self, step) {
            (Self::Sixteen(raster), Step::Reduce { dither: true }) => Ok(raster.dithered().into()),
            (picture, Step::Reduce { .. }) => Ok(picture.into_eight().into()),
            (Self::Eight(raster), step) => raster.apply(step).map(Self::Eight),
            (Self::Sixteen(raster), step) => raster.apply(step).map(Self::Sixteen),
        }
    }

    /// A rectangle, resampled. Does not take the picture, which may be far larger than the result.
    pub fn resize(&self, from: [f64; 4], size: (u32, u32), kernel: Kernel) -> Result<Self, Failure> {
        match self {
            Self::Eight(raster) => raster.resize(from, size, kernel).map(Self::Eight),
            Self::Sixteen(raster) => raster.resize(from, size, kernel).map(Self::Sixteen),
        }
    }

    /// Takes another picture as its mask: that one's alpha, else its brightness, stretched to this one's size.
    pub fn masked_by(self, mask: Self) -> Result<Self, Failure> {
        fn stretched<S: Sample>(mask: Raster<S>, size: (u32, u32)) -> Result<Raster<S>, Failure> {
            let matte = mask.matte();
            let ((w, h), same) = (matte.size(), matte.size() == size);
            // Sharper kernels overshoot, and leave a breath of what the mask hides.
            let kernel = Kernel::Triangle;
            if same { Ok(matte) } else { matte.resize([0.0, 0.0, f64::from(w), f64::from(h)], size, kernel) }
        }
        let size = self.size();
        Ok(match self {
            Self::Eight(raster) => raster.masked(stretched(mask.into_eight(), size)?.data()).into(),
            Self::Sixteen(raster) => raster.masked(stretched(mask.into_sixteen(), size)?.data()).into(),
        })
    }

    /// With these components, at this depth, converted without profiles where they are others.
    pub fn shaped(self, pixel_type: PixelType, alpha: bool, bits: u8) -> Self {
        match (bits > 8, self) {
            (false, picture) => picture.into_eight().shaped(pixel_type, alpha).into(),
            (true, picture) => picture.into_sixteen().shaped(pixel_type, alpha).into(),
        }
    }

    /// The nearest with eight bits.
    pub fn into_eight(self) -> Raster<u8> {
        match self {
            Self::Eight(raster) => raster,
            Self::Sixteen(raster) => raster.map(|value| ((u32::from(value) * 255 + 32_767) / 65_535) as u8),
        }
    }

    /// The same with sixteen bits.
    pub fn into_sixteen(self) -> Raster<u16> {
        match self {
            Self::Eight(raster) => raster.map(u16::of_byte),
            Self::Sixteen(raster) => raster,
        }
    }

    /// Any picture of the image crate; floating point becomes sixteen bits.
    pub fn from_image(picture: DynamicImage) -> Self {
        let (width, height, color) = (picture.width(), picture.height(), picture.color());
        let pixel_type = if color.has_color() { PixelType::Rgb } else { PixelType::Gray };
        let alpha = color.has_alpha();
        let eight = |data| Raster::new(width, height, pixel_type, alpha, data).into();
        let sixteen = |data| Raster::new(width, height, pixel_type, alpha, data).into();
        match picture {
            DynamicImage::ImageLuma8(buffer) => eight(buffer.into_raw()),
            DynamicImage::ImageLumaA8(buffer) => eight(buffer.into_raw()),
            DynamicImage::ImageRgb8(buffer) => eight(buffer.into_raw()),
            DynamicImage::ImageRgba8(buffer) => eight(buffer.into_raw()),
            DynamicImage::ImageLuma16(buffer) => sixteen(buffer.into_raw()),
            DynamicImage::ImageLumaA16(buffer) => sixteen(buffer.into_raw()),
            DynamicImage::ImageRgb16(buffer) => sixteen(buffer.into_raw()),
            other if alpha => sixteen(other.into_rgba16().into_raw()),
            other => sixteen(other.into_rgb16().into_raw()),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use offprint_modifiers::{Noise, Sampling, Tone};
    use crate::step::Paint;
    use crate::turn::Turn;

    /// A picture of every component and opacity, with smooth and hard edges.
    fn drawn(pixel_type: PixelType, alpha: bool) -> Raster<u8> {
        let channels = pixel_type.components() + usize::from(alpha);
        let value = |at: usize| {
            let (pixel, channel) = (at / channels, at % channels);
            let (x, y) = (pixel % 24, pixel / 24);
            if channel == pixel_type.components() && x < 6 {
                255
            } else {
                ((x * 7 + y * 13) * (channel + 2) % 256) as u8
            }
        };
        Raster::new(24, 16, pixel_type, alpha, (0..24 * 16 * channels).map(value).collect())
    }

    fn each_shape() -> impl Iterator<Item = Raster<u8>> {
        let types = [PixelType::Gray, PixelType::Rgb, PixelType::Cmyk];
        types.into_iter().flat_map(|pixel_type| [false, true].map(|alpha| drawn(pixel_type, alpha)))
    }

    /// Colours that nobody can see do not count: eight bits lose them.
    fn seen(raster: Raster<u8>) -> Raster<u8> {
        raster.associate()
    }

    #[test]
    fn every_step_does_the_same_at_both_depths() {
        let paint = Paint { color: [10, 200, 30, 40], alpha: 90 };
        // One that does not overshoot: between its two passes eight bits would cut that off.
        let kernel = Kernel::Triangle;
        let steps = [
            Step::Window { x: -3, y: 2, width: 20, height: 20, fill: Paint::NONE },
            Step::Resize { from: [1.0, 2.0, 20.0, 13.0], width: 9, height: 31, kernel },
            Step::Turn(Turn::from_exif(7)),
            Step::Rotate { degrees: 31.0, width: 29, height: 27 },
            Step::Fade { opacity: 0.4 },
            Step::Fill { color: paint },
            Step::FillPart { color: paint, part: [3, 2, 20, 9] },
            Step::Tone(Tone { brightness: 10, contrast: -20, balance: [5, 0, -9], ..Tone::default() }),
            Step::Blur { sigma: 1.3 },
            Step::Sharpen { amount: 1.0, sigma: 1.0, threshold: 0.0, mono: false },
            Step::Flatten { color: Paint { alpha: 255, ..paint } },
            Step::InvertMask { black: true },
            Step::GrowMask { pixels: -2 },
            Step::Grow { pixels: 2 },
            Step::ShowMask,
            Step::Warp {
                back: [1.1, 0.1, -1.0, 0.0, 0.9, 0.5, 0.01, 0.0, 1.0],
                sampling: Sampling::Many(0),
                each_way: 2,
            },
            Step::Noise(Noise { percent: 10, gaussian: true, mono: false }),
        ];
        for picture in each_shape() {
            for step in &steps {
                let eight = Pixels::from(picture.clone()).apply(step).unwrap().into_eight();
                let deep = Pixels::from(Pixels::from(picture.clone()).into_sixteen());
                let sixteen = deep.apply(step).unwrap().into_eight();
                assert_eq!(eight.size(), sixteen.size(), "{step:?}");
                let (eight, sixteen) = (seen(eight), seen(sixteen));
                let apart = eight.data().iter().zip(sixteen.data()).map(|(a, b)| a.abs_diff(*b)).max();
                assert!(
                    apart.unwrap() <= 3,
                    "{step:?} of {:?}: {apart:?}",
                    (picture.pixel_type(), picture.has_alpha())
                );
            }
        }
    }

    #[test]
    fn depths_go_there_and_back() {
        for picture in each_shape() {
            assert_eq!(Pixels::from(Pixels::from(picture.clone()).into_sixteen()).into_eight(), picture);
        }
    }

    #[test]
    fn components_without_profiles_follow_the_naive_rules() {
        assert_eq!(recolored(&[0_u8, 255, 255, 0], PixelType::Rgb), [255, 0, 0, 0]);
        assert_eq!(recolored(&[51_u8, 0, 0, 128], PixelType::Rgb), [102, 127, 127, 0]);
        assert_eq!(recolored(&[255_u8, 0, 0], PixelType::Cmyk), [0, 255, 255, 0]);
        assert_eq!(recolored(&[102_u8, 51, 0], PixelType::Cmyk), [0, 128, 255, 153]);
        assert_eq!(recolored(&[0_u8, 0, 0], PixelType::Cmyk), [0, 0, 0, 255]);
        assert_eq!(recolored(&[77_u8], PixelType::Cmyk), [0, 0, 0, 178]);
        assert_eq!(recolored(&[0_u16, 0, 0, 0], PixelType::Gray), [65_535, 0, 0, 0]);
        for picture in each_shape().filter(|picture| picture.pixel_type() == PixelType::Rgb) {
            let back = picture.clone().recolor(PixelType::Cmyk).recolor(PixelType::Rgb);
            assert!(picture.data().iter().zip(back.data()).all(|(a, b)| a.abs_diff(*b) <= 1));
        }
    }
}
