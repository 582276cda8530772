//! Which profile a picture has, which one its output has, and the way between. Documentation page: r-color-management.

mod conversion;
mod library;
mod profile;

use std::panic::{AssertUnwindSafe, catch_unwind};

pub use conversion::Conversion;
pub use library::{Library, ProfileBytes};
pub use profile::Profile;
pub(in crate) use profile::coded;

use super::failure::{Failure, Warning};
use super::header::Header;
use super::limits::Limits;
use super::pixels::recolored;
use offprint_core::Code;
use offprint_modifiers::{ByType, Colour, Intent, PixelType, ProfileName, Recipe};

/// Where a picture's colours begin and where they go.
#[derive(Clone, Debug)]
pub(super) struct Colors {
    /// The profile of the source; without it nothing is known of its numbers.
    pub source: Option<Profile>,
    /// The components of the output.
    pub pixel_type: PixelType,
    /// The profile of the output; without it colours come there by the naive rules.
    pub output: Option<Profile>,
    /// What colours with the suffix `s` are in, by their components.
    written: ByType<Option<Profile>>,
    intent: Intent,
    black_point: bool,
    /// Rounding to eight bits is spread.
    pub dither: bool,
    /// What RGB is without further word.
    pub srgb: Profile,
    pub warnings: Vec<Warning>,
}

impl Colors {
    /// The profiles of this picture and its output.
    ///
    /// # Errors
    /// `profile-missing` when a profile that the recipe names is not among the bytes.
    pub fn of(recipe: &Recipe, header: &Header, limits: &Limits, bytes: &ProfileBytes) -> Result<Self, Failure> {
        let wanted = &recipe.colors;
        let get = |name: &Option<ProfileName>| name.as_ref().map(|name| bytes.profile(name)).transpose();
        let ByType { gray, rgb, cmyk } = &wanted.source;
        let written = ByType { gray: get(gray)?, rgb: get(rgb)?, cmyk: get(cmyk)? };
        let mut colors = Self {
            source: None,
            pixel_type: recipe.output.pixel_type,
            output: get(&wanted.output)?,
            written,
            intent: wanted.intent,
            black_point: wanted.black_point,
            dither: wanted.dither,
            srgb: Profile::default_of(PixelType::Rgb)?,
            warnings: Vec::new(),
        };
        colors.source = match embedded(header, limits) {
            Ok(Some(profile)) => Some(profile),
            Ok(None) => colors.default_source(header.color)?,
            Err(detail) => {
                let detail = format!("The colour profile was ignored and the colours were left as they are: {detail}");
                colors.warnings.push(Warning::new(Code::ProfileIgnored, detail));
                colors.default_source(header.color)?
            }
        };
        colors.choose_output(header.color)?;
        if header.profile_name.is_some() {
            // The profile is in the file and is not looked at now, so nothing is known to be wrong with it.
            colors.warnings.clear();
        }
        Ok(colors)
    }

    /// What a picture without a profile is taken for. When the output must be in a certain one, numbers alone are not
    /// enough: gray and RGB count as the web counts them.
    fn default_source(&mut self, pixel_type: PixelType) -> Result<Option<Profile>, Failure> {
        let said = self.written.of(pixel_type).clone();
        let enough = |output: &Profile| output.is_default_of(PixelType::Rgb) || output.is_default_of(pixel_type);
        let asked = self.output.as_ref().is_some_and(|output| !enough(output));
        if said.is_some() || !asked || pixel_type == PixelType::Cmyk {
            return Ok(said);
        }
        let taken = Profile::default_of(pixel_type)?;
        let detail = format!("The picture has no colour profile; it was taken for {}.", taken.name);
        self.warnings.push(Warning::new(Code::ProfileAssumed, detail));
        Ok(Some(taken))
    }

    /// A picture with a profile goes to sRGB or to gray with its curve, inks stay with theirs.
    fn choose_output(&mut self, from: PixelType) -> Result<(), Failure> {
        if self.output.is_none()
            && let Some(source) = &self.source
        {
            self.output = match self.pixel_type {
                PixelType::Cmyk if source.pixel_type == PixelType::Cmyk => Some(source.clone()),
                PixelType::Cmyk => None,
                other => Some(Profile::default_of(other)?),
            };
        }
        let naive = match (from, self.pixel_type) {
            (PixelType::Cmyk, PixelType::Cmyk) => false,
            (PixelType::Cmyk, _) => self.source.is_none(),
            (_, PixelType::Cmyk) => self.output.is_none(),
            _ => false,
        };
        if naive {
            let detail = "Inks were converted without a profile, by a rough rule; `icc=` or the attributes IccProfileCmyk \
                          and IccProfileSrcCmyk name one.";
            self.warnings.push(Warning::new(Code::NaiveColors, detail));
        }
        Ok(())
    }

    /// A way between two profiles, as the recipe wants it.
    pub fn conversion(&self, from: Profile, to: Profile) -> Conversion {
        Conversion { from, to, intent: self.intent, black_point: self.black_point, deep: self.dither }
    }

    /// Whether gray with the curve of sRGB goes to sRGB: three times the same number, that is.
    pub fn is_same_curve(&self, from: &Profile, to: &Profile) -> bool {
        *to == self.srgb && from.is_default_of(PixelType::Gray)
    }

    /// A written colour in the output's components. What is in them already stays as it is; with the suffix `s` it comes
    /// out of the source's space. Documentation page: r-is-http-color.
    pub fn paint(&self, color: Colour) -> [u8; 4] {
        let count = color.pixel_type.components();
        let naive = || recolored(&color.components[..count], self.pixel_type);
        let written = self.written.of(color.pixel_type).as_ref().filter(|_| color.source);
        match (written, &self.output) {
            (Some(from), Some(to)) if from != to => {
                self.conversion(from.clone(), to.clone()).color(color.components).unwrap_or_else(|_| naive())
            }
            _ => naive(),
        }
    }
}

/// The profile in a picture; none, or why it cannot be used. One that is sRGB in effect is sRGB.
fn embedded(header: &Header, limits: &Limits) -> Result<Option<Profile>, String> {
    let Some(bytes) = &header.profile else { return Ok(None) };
    if bytes.len() as u64 > limits.profile_bytes {
        return Err(format!("It has {} bytes; the limit is {}.", bytes.len(), limits.profile_bytes));
    }
    let profile = Profile::read(bytes.as_slice().into())?;
    match (profile.pixel_type, header.color) {
        (a, b) if a == b => {}
        // Three equal components.
        (PixelType::Rgb, PixelType::Gray) => {}
        (said, is) => {
            return Err(format!(
                "The profile is one of {}, and the picture has components of {}.",
                said.name(),
                is.name()
            ));
        }
    }
    if profile.pixel_type == PixelType::Cmyk {
        return Ok(Some(profile));
    }
    // Profiles come from anywhere, and a plan is made in the service's own process.
    catch_unwind(AssertUnwindSafe(|| as_default(profile, header.color)))
        .unwrap_or_else(|_| Err("It cannot be used.".into()))
}

fn as_default(profile: Profile, color: PixelType) -> Result<Option<Profile>, String> {
    let default = |pixel_type| Profile::default_of(pixel_type).map_err(|failure| failure.detail);
    let (from, to) = (profile.clone(), default(PixelType::Rgb)?);
    let way = Conversion { from, to, intent: Intent::Relative, black_point: false, deep: false };
    let same = way.changes_nothing().map_err(|failure| failure.detail)?;
    Ok(Some(if same { default(color)? } else { profile }))
}
