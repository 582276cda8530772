//! Conversion of pixels from one profile to another, with one of two engines.
//!
//! moxcms (Rust) converts between profiles of curves and matrices, where it is several times as fast and as exact.
//! Everything else goes through littlecms (C), which has black point compensation and is exact with lookup tables:
//! CMYK, table profiles, the absolute intent. docs/decisions/0024-colour-engines.md has the figures.

use std::rc::Rc;
use std::sync::Arc;
use std::thread::LocalKey;

use lcms2::{Flags, GlobalContext, PixelFormat, Transform};
use moxcms::{ColorProfile, Layout, RenderingIntent, TransformExecutor, TransformOptions};
use offprint_core::Code;
use offprint_modifiers::{Intent, PixelType};
use serde::Serialize;

use super::profile::Profile;
use super::transform_cache::TransformCache;
use crate::error::RenderError;
use crate::pixels::{Pixels, Raster, Sample};

/// A conversion from one profile to another.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Conversion {
    pub from: Profile,
    pub to: Profile,
    /// How colours outside the gamut of `to` are brought into it.
    pub intent: Intent,
    /// Whether black of `from` becomes black of `to` (black point compensation).
    pub black_point: bool,
    /// Whether the result has 16 bits, so that rounding to 8 can be dithered.
    pub deep: bool,
}

thread_local! {
    static EIGHT_BIT_TRANSFORMS: TransformCache<ColorTransform<u8>> = const { TransformCache::new() };
    static SIXTEEN_BIT_TRANSFORMS: TransformCache<ColorTransform<u16>> = const { TransformCache::new() };
}

/// The engines' names for a bit depth.
trait Depth: Sample {
    const TRANSFORMS: &'static LocalKey<TransformCache<ColorTransform<Self>>>;

    /// Gray, RGB and CMYK.
    const LCMS_FORMATS: [PixelFormat; 3];

    fn create_moxcms_executor(
        from: (&ColorProfile, Layout),
        to: (&ColorProfile, Layout),
        options: TransformOptions,
    ) -> Result<Arc<dyn TransformExecutor<Self> + Send + Sync>, moxcms::CmsError>;
}

impl Depth for u8 {
    const TRANSFORMS: &'static LocalKey<TransformCache<ColorTransform<Self>>> = &EIGHT_BIT_TRANSFORMS;

    const LCMS_FORMATS: [PixelFormat; 3] = [PixelFormat::GRAY_8, PixelFormat::RGB_8, PixelFormat::CMYK_8];

    fn create_moxcms_executor(
        from: (&ColorProfile, Layout),
        to: (&ColorProfile, Layout),
        options: TransformOptions,
    ) -> Result<Arc<dyn TransformExecutor<Self> + Send + Sync>, moxcms::CmsError> {
        from.0.create_transform_8bit(from.1, to.0, to.1, options)
    }
}

impl Depth for u16 {
    const TRANSFORMS: &'static LocalKey<TransformCache<ColorTransform<Self>>> = &SIXTEEN_BIT_TRANSFORMS;

    const LCMS_FORMATS: [PixelFormat; 3] = [PixelFormat::GRAY_16, PixelFormat::RGB_16, PixelFormat::CMYK_16];

    fn create_moxcms_executor(
        from: (&ColorProfile, Layout),
        to: (&ColorProfile, Layout),
        options: TransformOptions,
    ) -> Result<Arc<dyn TransformExecutor<Self> + Send + Sync>, moxcms::CmsError> {
        from.0.create_transform_16bit(from.1, to.0, to.1, options)
    }
}

/// A conversion that an engine has prepared.
enum ColorTransform<S: Depth> {
    Moxcms(Arc<dyn TransformExecutor<S> + Send + Sync>),
    Lcms(Transform<u8, u8, GlobalContext, lcms2::AllowCache>),
}

impl<S: Depth> ColorTransform<S> {
    fn convert(&self, from: &[S], to: &mut [S]) -> Result<(), RenderError> {
        match self {
            Self::Moxcms(executor) => executor.transform(from, to).map_err(|error| conversion_error(&error)),
            Self::Lcms(transform) => {
                transform.transform_pixels(bytemuck::cast_slice(from), bytemuck::cast_slice_mut(to));
                Ok(())
            }
        }
    }
}

impl Conversion {
    /// Converts pixels, whose components must be those of `from`. Alpha stays as it is: it is taken out of each row and
    /// put back, because the engines know only colours. Calls C code for some profiles.
    ///
    /// # Errors
    /// `unsupported-color` when the profiles do not work together.
    pub(crate) fn apply(&self, pixels: Pixels) -> Result<Pixels, RenderError> {
        match (self.deep, pixels) {
            (false, Pixels::Eight(raster)) => self.convert_raster(raster).map(Pixels::Eight),
            (_, pixels) => self.convert_raster(pixels.into_sixteen()).map(Pixels::Sixteen),
        }
    }

    fn convert_raster<S: Depth>(&self, raster: Raster<S>) -> Result<Raster<S>, RenderError> {
        let transform = self.prepare_transform()?;
        let (before, after) = (self.from.pixel_type.components(), self.to.pixel_type.components());
        let ((width, height), alpha) = (raster.size(), raster.has_alpha());
        let (width, channels) = (width as usize, after + usize::from(alpha));
        let mut data = vec![S::default(); width * height as usize * channels];
        let (mut colors, mut converted) = (Vec::new(), vec![S::default(); width * after]);
        for (row, target) in raster.rows().zip(data.chunks_exact_mut(width * channels)) {
            if !alpha {
                transform.convert(row, target)?;
                continue;
            }
            colors.clear();
            row.chunks_exact(before + 1).for_each(|pixel| colors.extend_from_slice(&pixel[..before]));
            transform.convert(&colors, &mut converted)?;
            let opacities = row.iter().skip(before).step_by(before + 1);
            for ((pixel, color), alpha) in
                target.chunks_exact_mut(channels).zip(converted.chunks_exact(after)).zip(opacities)
            {
                pixel[..after].copy_from_slice(color);
                pixel[after] = *alpha;
            }
        }
        Ok(Raster::new(width as u32, height, self.to.pixel_type, alpha, data))
    }

    /// The transform for all pixels of an image, kept for the next one.
    fn prepare_transform<S: Depth>(&self) -> Result<Rc<ColorTransform<S>>, RenderError> {
        let build = || if self.is_plain() { self.build_moxcms() } else { self.build_lcms() };
        S::TRANSFORMS.with(|kept| kept.get_or_prepare(self, build))
    }

    /// Whether moxcms converts. Between curves and matrices black is black already, so that compensation changes
    /// nothing, and all intents but the absolute one are the same.
    fn is_plain(&self) -> bool {
        self.from.is_plain && self.to.is_plain && self.intent != Intent::Absolute
    }

    fn build_moxcms<S: Depth>(&self) -> Result<ColorTransform<S>, RenderError> {
        let read =
            |profile: &Profile| ColorProfile::new_from_slice(&profile.bytes).map_err(|error| conversion_error(&error));
        let layout = |profile: &Profile| match profile.pixel_type {
            PixelType::Gray => Layout::Gray,
            PixelType::Rgb => Layout::Rgb,
            PixelType::Cmyk => Layout::Rgba,
        };
        let rendering_intent = match self.intent {
            Intent::Perceptual => RenderingIntent::Perceptual,
            Intent::Relative => RenderingIntent::RelativeColorimetric,
            Intent::Saturation => RenderingIntent::Saturation,
            Intent::Absolute => RenderingIntent::AbsoluteColorimetric,
        };
        let (from, to) = (read(&self.from)?, read(&self.to)?);
        let options = TransformOptions { rendering_intent, ..Default::default() };
        let transform = S::create_moxcms_executor((&from, layout(&self.from)), (&to, layout(&self.to)), options);
        transform.map(ColorTransform::Moxcms).map_err(|error| conversion_error(&error))
    }

    fn build_lcms<S: Depth>(&self) -> Result<ColorTransform<S>, RenderError> {
        let read =
            |profile: &Profile| lcms2::Profile::new_icc(&profile.bytes).map_err(|error| conversion_error(&error));
        let format = |profile: &Profile| match profile.pixel_type {
            PixelType::Gray => S::LCMS_FORMATS[0],
            PixelType::Rgb => S::LCMS_FORMATS[1],
            PixelType::Cmyk => S::LCMS_FORMATS[2],
        };
        let intent = match self.intent {
            Intent::Perceptual => lcms2::Intent::Perceptual,
            Intent::Relative => lcms2::Intent::RelativeColorimetric,
            Intent::Saturation => lcms2::Intent::Saturation,
            Intent::Absolute => lcms2::Intent::AbsoluteColorimetric,
        };
        let flags = if self.black_point { Flags::BLACKPOINT_COMPENSATION } else { Flags::default() };
        let (from, to) = (read(&self.from)?, read(&self.to)?);
        let transform = Transform::new_flags_context(
            GlobalContext::new(),
            &from,
            format(&self.from),
            &to,
            format(&self.to),
            intent,
            flags | Flags::HIGHRES_PRECALC,
        );
        transform.map(ColorTransform::Lcms).map_err(|error| conversion_error(&error))
    }

    /// Converts one colour with 8 bits per component. Uses moxcms only, because plans are made in the service.
    pub(crate) fn convert_color(&self, color: [u8; 4]) -> Result<[u8; 4], RenderError> {
        let transform: ColorTransform<u8> = self.build_moxcms()?;
        let mut converted = [0; 4];
        let (before, after) = (self.from.pixel_type.components(), self.to.pixel_type.components());
        transform.convert(&color[..before], &mut converted[..after])?;
        Ok(converted)
    }

    /// Whether it changes no colour of a 9x9x9 grid by more than 1 of 255. Most profiles in images are sRGB in one of
    /// many encodings, and their conversion would cost time for nothing.
    pub(crate) fn is_identity(&self) -> Result<bool, RenderError> {
        let levels: Vec<u8> = (0..=8).map(|step: u32| (step * 255 / 8) as u8).collect();
        let mut grid = Vec::new();
        for r in &levels {
            for g in &levels {
                grid.extend(levels.iter().flat_map(|b| [*r, *g, *b]));
            }
        }
        let grid = Raster::new(81, 9, PixelType::Rgb, false, grid).into_shape(self.from.pixel_type, false);
        let transform: ColorTransform<u8> = self.build_moxcms()?;
        let mut converted = vec![0; 81 * 9 * self.to.pixel_type.components()];
        transform.convert(grid.data(), &mut converted)?;
        let unchanged = grid.into_shape(self.to.pixel_type, false);
        Ok(converted.iter().zip(unchanged.data()).all(|(a, b)| a.abs_diff(*b) <= 1))
    }
}

fn conversion_error(error: &impl std::fmt::Display) -> RenderError {
    RenderError::new(Code::UnsupportedColor, format!("The colours cannot be converted with these profiles: {error}."))
}
