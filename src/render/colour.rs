//! Colour profiles: which one a source has, and the way to sRGB. Documentation page: r-color-management.

use std::panic::{AssertUnwindSafe, catch_unwind};

use moxcms::{ColorProfile, DataColorSpace, Layout, RenderingIntent, TransformExecutor, TransformOptions};

use super::failure::{Failure, Warning};
use super::header::Header;
use super::limits::Limits;
use super::pixels::{Pixels, Raster, Sample};
use crate::code::Code;
use crate::language::{OutputFormat, PixelType};

/// What a source says of its colours.
pub(super) enum Profile {
    /// Nothing: its numbers are left as they are.
    Untagged,
    /// sRGB, or equal to it in effect.
    Srgb,
    /// Another, that is converted to sRGB.
    Other,
    /// One that cannot be used.
    Unusable(String),
}

impl Profile {
    /// Reads the profile of a source.
    pub fn of(header: &Header, limits: &Limits) -> Self {
        let Some(bytes) = &header.profile else { return Self::Untagged };
        if bytes.len() as u64 > limits.profile_bytes {
            return Self::Unusable(format!("It has {} bytes; the limit is {}.", bytes.len(), limits.profile_bytes));
        }
        // Profiles come from anywhere, and a plan is made in the service's own process.
        catch_unwind(AssertUnwindSafe(|| Self::read(bytes, header.color)))
            .unwrap_or_else(|_| Self::Unusable("It cannot be read.".into()))
    }

    fn read(bytes: &[u8], color: PixelType) -> Self {
        let convert = match Conversion::new(bytes) {
            Ok(convert) => convert,
            Err(failure) => return Self::Unusable(failure.detail),
        };
        if convert.gray && color != PixelType::Gray {
            return Self::Unusable("The profile is one of gray, and the picture has colours.".into());
        }
        match convert.changes_nothing() {
            Ok(true) => Self::Srgb,
            Ok(false) => Self::Other,
            Err(failure) => Self::Unusable(failure.detail),
        }
    }

    pub fn needs_conversion(&self) -> bool {
        matches!(self, Self::Other)
    }

    /// Whether the meaning of the result's numbers is known.
    pub fn is_known(&self) -> bool {
        matches!(self, Self::Srgb | Self::Other)
    }

    pub fn warning(&self) -> Option<Warning> {
        match self {
            Self::Unusable(detail) => Some(Warning::new(
                Code::ProfileIgnored,
                format!("The colour profile was ignored and the colours were left as they are: {detail}"),
            )),
            _ => None,
        }
    }
}

/// Formats that can carry a profile. Documentation page: r-is-http-fmt.
pub(super) fn can_embed(format: OutputFormat) -> bool {
    matches!(
        format,
        OutputFormat::Jpeg | OutputFormat::Png | OutputFormat::Tiff | OutputFormat::Pdf | OutputFormat::Eps
    )
}

/// The profile of what is written: sRGB, or gray with its curve.
pub(super) fn output_profile(pixel_type: PixelType) -> Result<Vec<u8>, Failure> {
    let mut profile = ColorProfile::new_srgb();
    if pixel_type == PixelType::Gray {
        let curve = profile.red_trc;
        profile = ColorProfile::new_gray_with_gamma(2.2);
        profile.gray_trc = curve;
    }
    profile
        .encode()
        .map_err(|error| Failure::new(Code::EncodeFailed, format!("The profile cannot be written: {error}.")))
}

/// The way from a profile to sRGB.
pub(super) struct Conversion {
    profile: ColorProfile,
    gray: bool,
}

impl Conversion {
    pub fn new(bytes: &[u8]) -> Result<Self, Failure> {
        let profile = ColorProfile::new_from_slice(bytes).map_err(unusable)?;
        let gray = match profile.color_space {
            DataColorSpace::Rgb => false,
            DataColorSpace::Gray => true,
            other => return Err(Failure::new(Code::UnsupportedColor, format!("It is a profile of {other:?}."))),
        };
        Ok(Self { profile, gray })
    }

    /// Converts to RGB.
    pub fn apply(&self, pixels: Pixels) -> Result<Pixels, Failure> {
        let (to, options) = (
            ColorProfile::new_srgb(),
            TransformOptions { rendering_intent: RenderingIntent::RelativeColorimetric, ..Default::default() },
        );
        Ok(match pixels {
            Pixels::Eight(raster) => {
                let (before, after) = self.layouts(&raster);
                let way = self.profile.create_transform_8bit(before, &to, after, options).map_err(unusable)?;
                converted(&*way, &raster)?.into()
            }
            Pixels::Sixteen(raster) => {
                let (before, after) = self.layouts(&raster);
                let way = self.profile.create_transform_16bit(before, &to, after, options).map_err(unusable)?;
                converted(&*way, &raster)?.into()
            }
        })
    }

    fn layouts<S: Sample>(&self, raster: &Raster<S>) -> (Layout, Layout) {
        match (self.gray, raster.has_alpha()) {
            (false, false) => (Layout::Rgb, Layout::Rgb),
            (false, true) => (Layout::Rgba, Layout::Rgba),
            (true, false) => (Layout::Gray, Layout::Rgb),
            (true, true) => (Layout::GrayAlpha, Layout::Rgba),
        }
    }

    /// Whether it moves no colour by more than one step. Most pictures say sRGB in one of many wordings.
    fn changes_nothing(&self) -> Result<bool, Failure> {
        let levels: Vec<u8> = (0..=8).map(|step: u32| (step * 255 / 8) as u8).collect();
        let pixel_type = if self.gray { PixelType::Gray } else { PixelType::Rgb };
        let mut grid = Vec::new();
        for r in &levels {
            for g in &levels {
                grid.extend(levels.iter().flat_map(|b| [*r, *g, *b]));
            }
        }
        let grid = Raster::new(81, 9, PixelType::Rgb, false, grid).shaped(pixel_type, false);
        let converted = self.apply(grid.clone().into())?.into_eight();
        let unchanged = grid.shaped(PixelType::Rgb, false);
        Ok(converted.data().iter().zip(unchanged.data()).all(|(a, b)| a.abs_diff(*b) <= 1))
    }
}

fn converted<S: Sample>(way: &dyn TransformExecutor<S>, raster: &Raster<S>) -> Result<Raster<S>, Failure> {
    let (width, height) = raster.size();
    let channels = 3 + usize::from(raster.has_alpha());
    let mut data = vec![S::default(); width as usize * height as usize * channels];
    for (row, target) in raster.rows().zip(data.chunks_exact_mut(width as usize * channels)) {
        way.transform(row, target).map_err(unusable)?;
    }
    Ok(Raster::new(width, height, PixelType::Rgb, raster.has_alpha(), data))
}

fn unusable(error: moxcms::CmsError) -> Failure {
    Failure::new(Code::ProfileIgnored, format!("It cannot be used: {error}."))
}
