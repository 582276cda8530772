//! Pixels, and what is done to them.
//!
//! An image is gray, RGB or CMYK, with or without alpha, with 8 or 16 bits per component. Every operation is written
//! once, over [`Raster`] of any [`Sample`]; [`Pixels`] is the choice between the two depths. Nothing here knows recipes,
//! plans or files; which operation a step of a plan is says `crate::execute`.
//!
//! Alpha is unassociated: colours are stored as they are, not multiplied by alpha. Steps that mix pixels (resize, blur,
//! rotate, warp) multiply meanwhile, so that the invisible colours of transparent pixels do not bleed into visible
//! ones. CMYK counts from 0, no ink.

mod associated;
mod average;
mod blend;
mod blur;
mod dither;
mod effect;
mod fill_color;
mod geometry;
mod kernel;
mod linear;
mod matte;
mod mix;
mod morphology;
mod noise;
mod outline;
mod paint;
mod product;
mod raster;
mod resample;
mod rotate;
mod row_blur;
mod row_resampler;
mod sample;
mod tone;
mod warp;

use image::DynamicImage;

use super::error::RenderError;

use offprint_modifiers::PixelType;

pub(crate) use average::{Averager, divide_sums};
pub use effect::ShapeEffect;
pub use fill_color::FillColor;
pub use kernel::Kernel;
pub(crate) use linear::{LinearResampler, is_linear_resampling};
pub(crate) use mix::recolor_naively;
pub(crate) use outline::render_coverage;
pub(crate) use paint::Blend;
pub(crate) use product::NoProduct;
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

    /// An image of one colour.
    pub(crate) fn from_color(
        color: FillColor,
        (width, height): (u32, u32),
        pixel_type: PixelType,
        alpha: bool,
    ) -> Self {
        let channels = pixel_type.components() + usize::from(alpha);
        let pixel = color.pixel::<u8>(pixel_type);
        Raster::new(width, height, pixel_type, alpha, pixel[..channels].repeat(width as usize * height as usize)).into()
    }

    /// The same with an alpha channel.
    pub(crate) fn with_alpha(self) -> Self {
        match self {
            Self::Eight(raster) => raster.with_alpha().into(),
            Self::Sixteen(raster) => raster.with_alpha().into(),
        }
    }

    /// How much memory the components take.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Eight(raster) => raster.data().len(),
            Self::Sixteen(raster) => raster.data().len() * 2,
        }
    }

    /// A rectangle, resampled. Borrows the image, which may be far larger than the result.
    pub(crate) fn resize(&self, from: [f64; 4], size: (u32, u32), kernel: Kernel) -> Result<Self, RenderError> {
        match self {
            Self::Eight(raster) => raster.resize(from, size, kernel).map(Self::Eight),
            Self::Sixteen(raster) => raster.resize(from, size, kernel).map(Self::Sixteen),
        }
    }

    /// The same in linear light.
    pub(crate) fn resize_linear(&self, from: [f64; 4], size: (u32, u32), kernel: Kernel) -> Result<Self, RenderError> {
        match self {
            Self::Eight(raster) => raster.resize_linear(from, size, kernel).map(Self::Eight),
            Self::Sixteen(raster) => raster.resize_linear(from, size, kernel).map(Self::Sixteen),
        }
    }

    /// Each box of 2, 4 or 8 pixels to a side becomes its average.
    pub(crate) fn average(&self, box_side: u8) -> Result<Self, RenderError> {
        match self {
            Self::Eight(raster) => raster.average(box_side).map(Self::Eight),
            Self::Sixteen(raster) => raster.average(box_side).map(Self::Sixteen),
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
