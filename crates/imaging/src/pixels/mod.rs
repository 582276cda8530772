//! Pixels, and the execution of each step on them.
//!
//! An image is gray, RGB or CMYK, with or without alpha, with 8 or 16 bits per component. Every step is written once,
//! over [`Raster`] of any [`Sample`]; [`Pixels`] is the choice between the two depths. Nothing here knows recipes or
//! files.
//!
//! Alpha is unassociated: colours are stored as they are, not multiplied by alpha. Steps that mix pixels (resize, blur,
//! rotate, warp) multiply meanwhile, so that the invisible colours of transparent pixels do not bleed into visible
//! ones. CMYK counts from 0, no ink.

mod associated;
mod blur;
mod dither;
mod geometry;
mod kernel;
mod matte;
mod mix;
mod morphology;
mod noise;
mod raster;
mod resample;
mod row_resampler;
mod sample;
mod warp;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod cutout_tests;

use image::DynamicImage;

use super::error::RenderError;
use super::step::{Kernel, Step};

use offprint_modifiers::PixelType;

pub(super) use mix::{compute_luma, recolor_naively};
pub(crate) use raster::Raster;
pub(crate) use resample::Resampler;
pub(crate) use sample::Sample;

/// An image in memory, with 8 or 16 bits per component.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Pixels {
    Eight(Raster<u8>),
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
    pub(crate) fn size(&self) -> (u32, u32) {
        match self {
            Self::Eight(raster) => raster.size(),
            Self::Sixteen(raster) => raster.size(),
        }
    }

    /// Executes one step. [`Step::Convert`] and [`Step::Mask`] need more than pixels and are executed in
    /// `crate::execute`.
    pub(crate) fn apply(self, step: &Step) -> Result<Self, RenderError> {
        match (self, step) {
            (Self::Sixteen(raster), Step::Reduce { dither: true }) => Ok(raster.dither().into()),
            (pixels, Step::Reduce { .. }) => Ok(pixels.into_eight().into()),
            (Self::Eight(raster), step) => raster.apply(step).map(Self::Eight),
            (Self::Sixteen(raster), step) => raster.apply(step).map(Self::Sixteen),
        }
    }

    /// A rectangle, resampled. Borrows the image, which may be far larger than the result.
    pub(crate) fn resize(&self, from: [f64; 4], size: (u32, u32), kernel: Kernel) -> Result<Self, RenderError> {
        match self {
            Self::Eight(raster) => raster.resize(from, size, kernel).map(Self::Eight),
            Self::Sixteen(raster) => raster.resize(from, size, kernel).map(Self::Sixteen),
        }
    }

    /// Replaces alpha by another image's alpha, or by its brightness when it has none, stretched to this image's size.
    pub(crate) fn with_mask_from(self, mask: Self) -> Result<Self, RenderError> {
        fn stretch_mask<S: Sample>(mask: Raster<S>, size: (u32, u32)) -> Result<Raster<S>, RenderError> {
            let matte = mask.into_matte();
            let ((w, h), same) = (matte.size(), matte.size() == size);
            // Sharper kernels overshoot: they would leave a faint trace of what the mask hides.
            let kernel = Kernel::Triangle;
            if same { Ok(matte) } else { matte.resize([0.0, 0.0, f64::from(w), f64::from(h)], size, kernel) }
        }
        let size = self.size();
        Ok(match self {
            Self::Eight(raster) => raster.with_mask(stretch_mask(mask.into_eight(), size)?.data()).into(),
            Self::Sixteen(raster) => raster.with_mask(stretch_mask(mask.into_sixteen(), size)?.data()).into(),
        })
    }

    /// Converts to these components by the naive rules, and to this depth.
    pub(crate) fn into_shape(self, pixel_type: PixelType, alpha: bool, bits: u8) -> Self {
        match (bits > 8, self) {
            (false, pixels) => pixels.into_eight().into_shape(pixel_type, alpha).into(),
            (true, pixels) => pixels.into_sixteen().into_shape(pixel_type, alpha).into(),
        }
    }

    /// The nearest values with 8 bits.
    pub(crate) fn into_eight(self) -> Raster<u8> {
        match self {
            Self::Eight(raster) => raster,
            Self::Sixteen(raster) => raster.map(|value| ((u32::from(value) * 255 + 32_767) / 65_535) as u8),
        }
    }

    /// The same values with 16 bits.
    pub(crate) fn into_sixteen(self) -> Raster<u16> {
        match self {
            Self::Eight(raster) => raster.map(u16::from_byte),
            Self::Sixteen(raster) => raster,
        }
    }

    /// Takes an image of the image crate; floating point becomes 16 bits.
    pub(crate) fn from_image(image: DynamicImage) -> Self {
        let (width, height, color) = (image.width(), image.height(), image.color());
        let pixel_type = if color.has_color() { PixelType::Rgb } else { PixelType::Gray };
        let alpha = color.has_alpha();
        let eight = |data| Raster::new(width, height, pixel_type, alpha, data).into();
        let sixteen = |data| Raster::new(width, height, pixel_type, alpha, data).into();
        match image {
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
    use crate::step::Paint;
    use crate::turn::Turn;
    use offprint_modifiers::{Noise, Sampling, Tone};

    /// An image of every component and opacity, with smooth and hard edges.
    fn draw_raster(pixel_type: PixelType, alpha: bool) -> Raster<u8> {
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

    fn draw_each_shape() -> impl Iterator<Item = Raster<u8>> {
        let types = [PixelType::Gray, PixelType::Rgb, PixelType::Cmyk];
        types.into_iter().flat_map(|pixel_type| [false, true].map(|alpha| draw_raster(pixel_type, alpha)))
    }

    /// Colours of transparent pixels do not count: 8 bits lose them.
    fn associate_alpha(raster: Raster<u8>) -> Raster<u8> {
        raster.associate()
    }

    #[test]
    fn every_step_does_the_same_at_both_depths() {
        let paint = Paint { color: [10, 200, 30, 40], alpha: 90 };
        // A kernel that does not overshoot: with 8 bits the overshoot is cut off between the two passes.
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
        for image in draw_each_shape() {
            for step in &steps {
                let eight = Pixels::from(image.clone()).apply(step).unwrap().into_eight();
                let deep = Pixels::from(Pixels::from(image.clone()).into_sixteen());
                let sixteen = deep.apply(step).unwrap().into_eight();
                assert_eq!(eight.size(), sixteen.size(), "{step:?}");
                let (eight, sixteen) = (associate_alpha(eight), associate_alpha(sixteen));
                let apart = eight.data().iter().zip(sixteen.data()).map(|(a, b)| a.abs_diff(*b)).max();
                assert!(apart.unwrap() <= 3, "{step:?} of {:?}: {apart:?}", (image.pixel_type(), image.has_alpha()));
            }
        }
    }

    #[test]
    fn depths_go_there_and_back() {
        for image in draw_each_shape() {
            assert_eq!(Pixels::from(Pixels::from(image.clone()).into_sixteen()).into_eight(), image);
        }
    }

    #[test]
    fn components_without_profiles_follow_the_naive_rules() {
        assert_eq!(recolor_naively(&[0_u8, 255, 255, 0], PixelType::Rgb), [255, 0, 0, 0]);
        assert_eq!(recolor_naively(&[51_u8, 0, 0, 128], PixelType::Rgb), [102, 127, 127, 0]);
        assert_eq!(recolor_naively(&[255_u8, 0, 0], PixelType::Cmyk), [0, 255, 255, 0]);
        assert_eq!(recolor_naively(&[102_u8, 51, 0], PixelType::Cmyk), [0, 128, 255, 153]);
        assert_eq!(recolor_naively(&[0_u8, 0, 0], PixelType::Cmyk), [0, 0, 0, 255]);
        assert_eq!(recolor_naively(&[77_u8], PixelType::Cmyk), [0, 0, 0, 178]);
        assert_eq!(recolor_naively(&[0_u16, 0, 0, 0], PixelType::Gray), [65_535, 0, 0, 0]);
        for image in draw_each_shape().filter(|image| image.pixel_type() == PixelType::Rgb) {
            let back = image.clone().recolor(PixelType::Cmyk).recolor(PixelType::Rgb);
            assert!(image.data().iter().zip(back.data()).all(|(a, b)| a.abs_diff(*b) <= 1));
        }
    }
}
