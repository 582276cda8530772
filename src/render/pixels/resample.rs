//! Scaling.

use fast_image_resize as fir;

use super::{Raster, Sample};
use crate::code::Code;
use crate::language::PixelType;
use crate::render::failure::Failure;
use crate::render::step::Kernel;

impl<S: Sample> Raster<S> {
    /// A rectangle, resampled. Alpha is multiplied in while it resamples, so that colours of transparent pixels do not
    /// bleed.
    pub fn resize(&self, from: [f64; 4], size: (u32, u32), kernel: Kernel) -> Result<Self, Failure> {
        if self.channels() <= 4 {
            return self.scaled(from, size, kernel);
        }
        let scaled = self.clone().associate().in_parts(|part| part.scaled(from, size, kernel))?;
        Ok(scaled.unassociate())
    }

    fn scaled(&self, [x, y, w, h]: [f64; 4], (width, height): (u32, u32), kernel: Kernel) -> Result<Self, Failure> {
        let wrong = |error: &dyn std::fmt::Display| Failure::new(Code::Internal, format!("Scaling failed: {error}."));
        let channels = self.channels();
        let kind = S::KINDS[channels - 1];
        let source = fir::images::ImageRef::new(self.width, self.height, bytemuck::cast_slice(&self.data), kind)
            .map_err(|error| wrong(&error))?;
        let mut data = vec![S::default(); width as usize * height as usize * channels];
        let mut target = fir::images::Image::from_slice_u8(width, height, bytemuck::cast_slice_mut(&mut data), kind)
            .map_err(|error| wrong(&error))?;
        let options = fir::ResizeOptions::new()
            .resize_alg(fir::ResizeAlg::Convolution(filter(kernel)?))
            .use_alpha(self.alpha)
            .crop(x, y, w, h);
        fir::Resizer::new().resize(&source, &mut target, &options).map_err(|error| wrong(&error))?;
        Ok(Self { width, height, data, ..*self })
    }

    /// Does to inks and alpha apart what libraries cannot do to five components at once.
    pub(super) fn in_parts(&self, step: impl Fn(&Self) -> Result<Self, Failure>) -> Result<Self, Failure> {
        let channels = self.channels();
        if channels <= 4 {
            return step(self);
        }
        let part = |pixel_type, range: std::ops::Range<usize>| {
            let data = self.pixels().flat_map(|pixel| &pixel[range.clone()]).copied().collect();
            step(&Self { pixel_type, alpha: false, data, ..*self })
        };
        let (inks, alpha) = (part(PixelType::Cmyk, 0..4)?, part(PixelType::Gray, 4..5)?);
        let mut data = Vec::with_capacity(alpha.data.len() * channels);
        for (inks, alpha) in inks.pixels().zip(&alpha.data) {
            data.extend_from_slice(inks);
            data.push(*alpha);
        }
        Ok(inks.with(self.pixel_type, self.alpha, data))
    }
}

fn filter(kernel: Kernel) -> Result<fir::FilterType, Failure> {
    Ok(match kernel {
        Kernel::Triangle => fir::FilterType::Bilinear,
        Kernel::CatmullRom => fir::FilterType::CatmullRom,
        Kernel::Lanczos3 => fir::FilterType::Lanczos3,
        Kernel::SharpCubic => {
            let made = fir::Filter::new("sharp cubic", sharp_cubic, 2.0);
            fir::FilterType::Custom(made.map_err(|error| Failure::new(Code::Internal, format!("{error}")))?)
        }
    })
}

/// The cubic of Keys with a side lobe of -0.75, half again as deep as Catmull-Rom's.
fn sharp_cubic(x: f64) -> f64 {
    const A: f64 = -0.75;
    let x = x.abs();
    if x < 1.0 {
        ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0
    } else if x < 2.0 {
        ((A * x - 5.0 * A) * x + 8.0 * A) * x - 4.0 * A
    } else {
        0.0
    }
}
