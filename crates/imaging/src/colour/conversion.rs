//! From one profile to another. docs/decisions/0024-colour-engines.md says why there are two engines.

use std::sync::Arc;

use lcms2::{Flags, GlobalContext, PixelFormat, Transform};
use moxcms::{ColorProfile, Layout, RenderingIntent, TransformExecutor, TransformOptions};
use serde::Serialize;

use super::profile::Profile;
use offprint_core::Code;
use offprint_modifiers::{Intent, PixelType};
use crate::failure::Failure;
use crate::pixels::{Pixels, Raster, Sample};

/// A way from one profile to another.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Conversion {
    /// The profile that the pixels are in.
    pub from: Profile,
    /// The one that they come to.
    pub to: Profile,
    /// How colours that the other cannot have are brought into it.
    pub intent: Intent,
    /// The source's black becomes the other's.
    pub black_point: bool,
    /// The result has sixteen bits, so that rounding them can be spread.
    pub deep: bool,
}

/// A depth that can be converted.
trait Depth: Sample {
    /// How littlecms calls gray, RGB and CMYK of it.
    const FORMATS: [PixelFormat; 3];

    /// A way of moxcms.
    fn plain(
        from: (&ColorProfile, Layout),
        to: (&ColorProfile, Layout),
        options: TransformOptions,
    ) -> Result<Arc<dyn TransformExecutor<Self> + Send + Sync>, moxcms::CmsError>;
}

impl Depth for u8 {
    const FORMATS: [PixelFormat; 3] = [PixelFormat::GRAY_8, PixelFormat::RGB_8, PixelFormat::CMYK_8];

    fn plain(
        from: (&ColorProfile, Layout),
        to: (&ColorProfile, Layout),
        options: TransformOptions,
    ) -> Result<Arc<dyn TransformExecutor<Self> + Send + Sync>, moxcms::CmsError> {
        from.0.create_transform_8bit(from.1, to.0, to.1, options)
    }
}

impl Depth for u16 {
    const FORMATS: [PixelFormat; 3] = [PixelFormat::GRAY_16, PixelFormat::RGB_16, PixelFormat::CMYK_16];

    fn plain(
        from: (&ColorProfile, Layout),
        to: (&ColorProfile, Layout),
        options: TransformOptions,
    ) -> Result<Arc<dyn TransformExecutor<Self> + Send + Sync>, moxcms::CmsError> {
        from.0.create_transform_16bit(from.1, to.0, to.1, options)
    }
}

/// What does the work.
enum Way<S: Depth> {
    Moxcms(Arc<dyn TransformExecutor<S> + Send + Sync>),
    Lcms(Transform<u8, u8, GlobalContext, lcms2::AllowCache>),
}

impl<S: Depth> Way<S> {
    fn convert(&self, from: &[S], to: &mut [S]) -> Result<(), Failure> {
        match self {
            Self::Moxcms(way) => way.transform(from, to).map_err(|error| unusable(&error)),
            Self::Lcms(way) => {
                way.transform_pixels(bytemuck::cast_slice(from), bytemuck::cast_slice_mut(to));
                Ok(())
            }
        }
    }
}

impl Conversion {
    /// Converts pixels, whose components must be those of the profile; alpha stays as it is.
    ///
    /// # Errors
    /// `unsupported-color` when the profiles do not work together.
    pub fn apply(&self, pixels: Pixels) -> Result<Pixels, Failure> {
        match (self.deep, pixels) {
            (false, Pixels::Eight(raster)) => self.run(raster).map(Pixels::Eight),
            (_, pixels) => self.run(pixels.into_sixteen()).map(Pixels::Sixteen),
        }
    }

    fn run<S: Depth>(&self, raster: Raster<S>) -> Result<Raster<S>, Failure> {
        let way = if self.is_plain() { self.moxcms()? } else { self.lcms()? };
        let (before, after) = (self.from.pixel_type.components(), self.to.pixel_type.components());
        let ((width, height), alpha) = (raster.size(), raster.has_alpha());
        let (width, channels) = (width as usize, after + usize::from(alpha));
        let mut data = vec![S::default(); width * height as usize * channels];
        let (mut colors, mut converted) = (Vec::new(), vec![S::default(); width * after]);
        for (row, target) in raster.rows().zip(data.chunks_exact_mut(width * channels)) {
            if !alpha {
                way.convert(row, target)?;
                continue;
            }
            colors.clear();
            row.chunks_exact(before + 1).for_each(|pixel| colors.extend_from_slice(&pixel[..before]));
            way.convert(&colors, &mut converted)?;
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

    /// Between curves and matrices black is black already, and all intents but the absolute one are the same.
    fn is_plain(&self) -> bool {
        self.from.is_plain && self.to.is_plain && self.intent != Intent::Absolute
    }

    fn moxcms<S: Depth>(&self) -> Result<Way<S>, Failure> {
        let read = |profile: &Profile| ColorProfile::new_from_slice(&profile.bytes).map_err(|error| unusable(&error));
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
        let way = S::plain((&from, layout(&self.from)), (&to, layout(&self.to)), options);
        way.map(Way::Moxcms).map_err(|error| unusable(&error))
    }

    fn lcms<S: Depth>(&self) -> Result<Way<S>, Failure> {
        let read = |profile: &Profile| lcms2::Profile::new_icc(&profile.bytes).map_err(|error| unusable(&error));
        let format = |profile: &Profile| match profile.pixel_type {
            PixelType::Gray => S::FORMATS[0],
            PixelType::Rgb => S::FORMATS[1],
            PixelType::Cmyk => S::FORMATS[2],
        };
        let intent = match self.intent {
            Intent::Perceptual => lcms2::Intent::Perceptual,
            Intent::Relative => lcms2::Intent::RelativeColorimetric,
            Intent::Saturation => lcms2::Intent::Saturation,
            Intent::Absolute => lcms2::Intent::AbsoluteColorimetric,
        };
        let flags = if self.black_point { Flags::BLACKPOINT_COMPENSATION } else { Flags::default() };
        let (from, to) = (read(&self.from)?, read(&self.to)?);
        let made = Transform::new_flags_context(
            GlobalContext::new(),
            &from,
            format(&self.from),
            &to,
            format(&self.to),
            intent,
            flags | Flags::HIGHRES_PRECALC,
        );
        made.map(Way::Lcms).map_err(|error| unusable(&error))
    }

    /// One colour, with eight bits, through the Rust engine alone: for plans.
    pub fn color(&self, color: [u8; 4]) -> Result<[u8; 4], Failure> {
        let way: Way<u8> = self.moxcms()?;
        let mut converted = [0; 4];
        let (before, after) = (self.from.pixel_type.components(), self.to.pixel_type.components());
        way.convert(&color[..before], &mut converted[..after])?;
        Ok(converted)
    }

    /// Whether it moves no colour of a grid by more than one step. Most pictures say sRGB in one of many wordings.
    pub fn changes_nothing(&self) -> Result<bool, Failure> {
        let levels: Vec<u8> = (0..=8).map(|step: u32| (step * 255 / 8) as u8).collect();
        let mut grid = Vec::new();
        for r in &levels {
            for g in &levels {
                grid.extend(levels.iter().flat_map(|b| [*r, *g, *b]));
            }
        }
        let grid = Raster::new(81, 9, PixelType::Rgb, false, grid).shaped(self.from.pixel_type, false);
        let way: Way<u8> = self.moxcms()?;
        let mut converted = vec![0; 81 * 9 * self.to.pixel_type.components()];
        way.convert(grid.data(), &mut converted)?;
        let unchanged = grid.shaped(self.to.pixel_type, false);
        Ok(converted.iter().zip(unchanged.data()).all(|(a, b)| a.abs_diff(*b) <= 1))
    }
}

fn unusable(error: &impl std::fmt::Display) -> Failure {
    Failure::new(Code::UnsupportedColor, format!("The colours cannot be converted with their profiles: {error}."))
}
