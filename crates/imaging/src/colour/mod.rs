//! Colour management: which profile a source has, which one its output gets, and the conversion between the two.
//! Documentation page: r-color-management; docs/decisions/0024-colour-engines.md and 0025-colour-rules.md.
//!
//! ```text
//! source's profile:  embedded, else the attribute IccProfileSrc*, else none (sRGB where the output needs a profile)
//! output's profile:  `icc=` or the attribute IccProfile*, else none when the source has none,
//!                    else sRGB (gray: its curve; CMYK from CMYK: the source's own; CMYK from others: none)
//!
//!                            output has a profile        output has none
//! source has a profile       converted by profiles       naive rules
//! source has none            naive rules                 naive rules (same components: unchanged)
//! ```
//!
//! The naive rules ([`recolor_naively`]) change components without regard to what the numbers mean. CMYK converted by
//! them is a warning. Plans are made in the service's own process, so this file and `profile.rs` read profiles in Rust
//! only; the C library is called by [`Conversion::apply`] and [`read_with_littlecms`] alone, in a render process.

mod conversion;
mod described;
mod description;
mod library;
mod littlecms;
mod profile;
mod transform_cache;

use std::panic::{AssertUnwindSafe, catch_unwind};

pub use conversion::Conversion;
pub(crate) use described::{Chromaticities, encode_cicp_profile, encode_gamma_profile};
pub use description::read_profile_description;
pub use library::{ProfileBytes, ProfileLibrary};
pub(crate) use littlecms::read_with_littlecms;
pub use profile::Profile;

use offprint_core::Code;
use offprint_modifiers::{Colour, Intent, PerPixelType, PixelType, ProfileName, Recipe};

use super::error::{RenderError, RenderWarning};
use super::header::{ImageHeader, MAX_PROFILE_BYTES};
use super::limits::RenderLimits;
use super::pixels::recolor_naively;

/// The profiles of a source and of its output.
#[derive(Clone, Debug)]
pub(super) struct ColorPlan {
    /// None when it is not known what the numbers of the source mean.
    pub(crate) source: Option<Profile>,
    /// Components of the output.
    pub(crate) pixel_type: PixelType,
    /// The profile of the output; none when colours are converted by the naive rules.
    pub(crate) output: Option<Profile>,
    /// The profiles of colours that are written with the suffix `s`, by their components.
    written_profiles: PerPixelType<Option<Profile>>,
    intent: Intent,
    black_point: bool,
    /// Whether rounding to 8 bits is dithered.
    pub(crate) dither: bool,
    pub(crate) srgb: Profile,
    pub(crate) warnings: Vec<RenderWarning>,
}

impl ColorPlan {
    /// # Errors
    /// `profile-missing` when a profile that the recipe names is not among the bytes.
    pub(crate) fn new(
        recipe: &Recipe,
        header: &ImageHeader,
        limits: &RenderLimits,
        bytes: &ProfileBytes,
    ) -> Result<Self, RenderError> {
        let management = &recipe.colors;
        let get = |name: &Option<ProfileName>| name.as_ref().map(|name| bytes.profile(name)).transpose();
        let PerPixelType { gray, rgb, cmyk } = &management.source;
        let written = PerPixelType { gray: get(gray)?, rgb: get(rgb)?, cmyk: get(cmyk)? };
        let mut colors = Self {
            source: None,
            pixel_type: recipe.output.pixel_type,
            output: get(&management.output)?,
            written_profiles: written,
            intent: management.intent,
            black_point: management.black_point,
            dither: management.dither,
            srgb: Profile::default_for(PixelType::Rgb)?,
            warnings: Vec::new(),
        };
        colors.source = match read_embedded_profile(header, limits) {
            Ok(Some(profile)) if profile.is_hdr => return Err(described::hdr_error()),
            Ok(Some(profile)) => Some(profile),
            Ok(None) => colors.choose_default_source(header.color)?,
            Err(detail) => {
                let detail =
                    format!("The embedded colour profile was ignored; colours were kept as they are. {detail}");
                colors.warnings.push(RenderWarning::new(Code::ProfileIgnored, detail));
                colors.choose_default_source(header.color)?
            }
        };
        colors.choose_output(header.color)?;
        if header.profile_name.is_some() {
            // This header was stored without the bytes of its profile, so a warning about a missing profile would be
            // wrong.
            colors.warnings.clear();
        }
        Ok(colors)
    }

    /// The profile of an image without a usable one: that of the attributes, else none. Where the output must be in
    /// another profile than the default one, numbers alone are not enough: gray and RGB then count as sRGB, with a
    /// warning.
    fn choose_default_source(&mut self, pixel_type: PixelType) -> Result<Option<Profile>, RenderError> {
        let declared = self.written_profiles.get(pixel_type).clone();
        let is_default = |output: &Profile| output.is_default_for(PixelType::Rgb) || output.is_default_for(pixel_type);
        let needs_profile = self.output.as_ref().is_some_and(|output| !is_default(output));
        if declared.is_some() || !needs_profile || pixel_type == PixelType::Cmyk {
            return Ok(declared);
        }
        let assumed = Profile::default_for(pixel_type)?;
        let detail = format!("The image has no colour profile; {} was assumed.", assumed.name);
        self.warnings.push(RenderWarning::new(Code::ProfileAssumed, detail));
        Ok(Some(assumed))
    }

    /// The output's profile where the recipe names none: an image with a profile goes to sRGB or to gray with its
    /// curve, CMYK keeps its own.
    fn choose_output(&mut self, from: PixelType) -> Result<(), RenderError> {
        if self.output.is_none()
            && let Some(source) = &self.source
        {
            self.output = match self.pixel_type {
                PixelType::Cmyk if source.pixel_type == PixelType::Cmyk => Some(source.clone()),
                PixelType::Cmyk => None,
                other => Some(Profile::default_for(other)?),
            };
        }
        let naive = match (from, self.pixel_type) {
            (PixelType::Cmyk, PixelType::Cmyk) => false,
            (PixelType::Cmyk, _) => self.source.is_none(),
            (_, PixelType::Cmyk) => self.output.is_none(),
            _ => false,
        };
        if naive {
            let detail = "CMYK was converted approximately because no profile is known; name one with `icc=` or the \
                          attributes IccProfileCmyk and IccProfileSrcCmyk.";
            self.warnings.push(RenderWarning::new(Code::NaiveColors, detail));
        }
        Ok(())
    }

    /// Goes to the colours of another picture, of which this one becomes a part. Where that has none, its numbers count
    /// as sRGB, or as gray with its curve, because this picture's colours have to become some numbers.
    pub(crate) fn adopt_output(&mut self, other: &Self) -> Result<(), RenderError> {
        (self.pixel_type, self.output) = (other.pixel_type, other.output.clone());
        if self.output.is_none() && self.source.is_some() && self.pixel_type != PixelType::Cmyk {
            self.output = Some(Profile::default_for(self.pixel_type)?);
        }
        Ok(())
    }

    /// A conversion between two profiles, with the intent and the options of the recipe.
    pub(crate) fn conversion(&self, from: Profile, to: Profile) -> Conversion {
        Conversion { from, to, intent: self.intent, black_point: self.black_point, deep: self.dither }
    }

    /// Whether gray with the curve of sRGB goes to sRGB. That is three times the same number and needs no conversion.
    pub(crate) fn is_same_curve(&self, from: &Profile, to: &Profile) -> bool {
        *to == self.srgb && from.is_default_for(PixelType::Gray)
    }

    /// Converts a colour that is written in a modifier to the output's components. It counts as a colour of the output,
    /// and with the suffix `s` as one of the source's profile. Documentation page: r-is-http-color.
    pub(crate) fn convert_color(&self, color: Colour) -> [u8; 4] {
        let count = color.pixel_type.components();
        let naive = || recolor_naively(&color.components[..count], self.pixel_type);
        let written = self.written_profiles.get(color.pixel_type).as_ref().filter(|_| color.source);
        match (written, &self.output) {
            (Some(from), Some(to)) if from != to => {
                self.conversion(from.clone(), to.clone()).convert_color(color.components).unwrap_or_else(|_| naive())
            }
            _ => naive(),
        }
    }
}

/// The profile that is embedded in an image, none, or why it cannot be used. A profile that is sRGB in effect becomes
/// sRGB.
fn read_embedded_profile(header: &ImageHeader, limits: &RenderLimits) -> Result<Option<Profile>, String> {
    let limit = limits.profile_bytes.min(MAX_PROFILE_BYTES as u64);
    let Some(bytes) = &header.profile else {
        return match header.ignored_profile_bytes {
            Some(_) => Err(format!("It is longer than the limit of {limit} bytes.")),
            None => Ok(None),
        };
    };
    if bytes.len() as u64 > limit {
        return Err(format!("It has {} bytes; the limit is {limit}.", bytes.len()));
    }
    let profile = match &header.parsed_profile {
        Some(profile) => profile.clone(),
        None => Profile::read(bytes.as_slice().into())?,
    };
    match (profile.pixel_type, header.color) {
        (a, b) if a == b => {}
        // Some programs tag gray images with an RGB profile: they count as three equal components.
        (PixelType::Rgb, PixelType::Gray) => {}
        (profile, image) => {
            return Err(format!("It is a profile for {}, but the image is {}.", profile.name(), image.name()));
        }
    }
    if profile.pixel_type == PixelType::Cmyk || profile.needs_littlecms {
        return Ok(Some(profile));
    }
    // Profiles are untrusted, and plans are made in the service's own process: a panic must not leave this function.
    catch_unwind(AssertUnwindSafe(|| normalize_profile(profile, header.color)))
        .unwrap_or_else(|_| Err("It cannot be used.".into()))
}

/// Replaces a profile that is sRGB in effect by the default one, so that no conversion is planned.
fn normalize_profile(profile: Profile, color: PixelType) -> Result<Option<Profile>, String> {
    let default = |pixel_type| Profile::default_for(pixel_type).map_err(|failure| failure.detail);
    let (from, to) = (profile.clone(), default(PixelType::Rgb)?);
    let conversion = Conversion { from, to, intent: Intent::Relative, black_point: false, deep: false };
    let same = conversion.is_identity().map_err(|failure| failure.detail)?;
    Ok(Some(if same { default(color)? } else { profile }))
}
