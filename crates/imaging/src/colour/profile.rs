//! Profiles: their bytes, and what kind they are. Read in Rust alone, because plans are made in the service too.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, LazyLock};

use moxcms::{
    Chromaticity, CicpColorPrimaries, CicpProfile, ColorPrimaries, ColorProfile, DataColorSpace, MatrixCoefficients,
    ProfileClass, ProfileText, ToneReprCurve, TransferCharacteristics, XyY, white_point_d50, white_point_d65,
};
use serde::{Serialize, Serializer};

use offprint_core::Code;
use offprint_modifiers::PixelType;
use crate::failure::Failure;

/// A profile that is known to be usable.
#[derive(Clone, Debug, PartialEq)]
pub struct Profile {
    /// What it is called, for people.
    pub name: String,
    /// The components that it is for.
    pub pixel_type: PixelType,
    /// Whether it is curves and a matrix, or a curve: there black is no light, and every intent the same.
    pub is_plain: bool,
    /// Whether colours can be brought into it.
    pub writes: bool,
    /// The profile as it is embedded.
    pub bytes: Arc<[u8]>,
}

impl Serialize for Profile {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.serialize_str(&self.name)
    }
}

impl Profile {
    /// Reads a profile.
    ///
    /// # Errors
    /// Why it cannot be used, as a sentence.
    pub fn read(bytes: Arc<[u8]>) -> Result<Self, String> {
        // Profiles come from anywhere.
        let read = catch_unwind(AssertUnwindSafe(|| ColorProfile::new_from_slice(&bytes)));
        let profile = read
            .map_err(|_| "It cannot be read.".to_owned())?
            .map_err(|error| format!("It cannot be read: {error}."))?;
        let pixel_type = match profile.color_space {
            DataColorSpace::Gray => PixelType::Gray,
            DataColorSpace::Rgb => PixelType::Rgb,
            DataColorSpace::Cmyk => PixelType::Cmyk,
            other => return Err(format!("It is a profile of {other:?}.")),
        };
        use ProfileClass::{ColorSpace, DisplayDevice, InputDevice, OutputDevice};
        if !matches!(profile.profile_class, InputDevice | DisplayDevice | OutputDevice | ColorSpace) {
            return Err(format!("It is of the class {:?}.", profile.profile_class));
        }
        let tables = [&profile.lut_a_to_b_perceptual, &profile.lut_a_to_b_colorimetric, &profile.lut_a_to_b_saturation];
        let back = [&profile.lut_b_to_a_perceptual, &profile.lut_b_to_a_colorimetric, &profile.lut_b_to_a_saturation];
        let (reads, writes) = (tables.iter().any(|it| it.is_some()), back.iter().any(|it| it.is_some()));
        let curves = match pixel_type {
            PixelType::Gray => profile.gray_trc.is_some(),
            PixelType::Rgb => profile.is_matrix_shaper(),
            PixelType::Cmyk => false,
        };
        if !reads && !curves {
            return Err("It has neither tables nor curves.".into());
        }
        let name = profile.description.as_ref().and_then(text).unwrap_or_else(|| "embedded".into());
        Ok(Self { name, pixel_type, is_plain: curves && !reads && !writes, writes: writes || curves, bytes })
    }

    /// A profile that the engine makes itself. Primaries, white points and exponents are those of the spaces' own
    /// definitions.
    ///
    /// # Errors
    /// `profile-missing` for a name that this version does not know.
    pub fn built_in(name: &str) -> Result<Self, Failure> {
        let made = made(name).ok_or_else(|| missing(name))?;
        let plain = if made.color_space == DataColorSpace::Gray { PixelType::Gray } else { PixelType::Rgb };
        let bytes =
            made.encode().map_err(|error| Failure::new(Code::Internal, format!("{name} is not made: {error}.")))?;
        Ok(Self { name: name.into(), pixel_type: plain, is_plain: true, writes: true, bytes: bytes.into() })
    }

    /// Where colours without another destination go: sRGB, or gray with its curve. Made once, for every plan needs them.
    pub fn default_of(pixel_type: PixelType) -> Result<Self, Failure> {
        static MADE: LazyLock<[Result<Profile, Failure>; 2]> =
            LazyLock::new(|| ["sGray", "sRGB"].map(Profile::built_in));
        MADE[usize::from(pixel_type != PixelType::Gray)].clone()
    }

    /// Whether this is the default of these components.
    pub fn is_default_of(&self, pixel_type: PixelType) -> bool {
        Self::default_of(pixel_type).is_ok_and(|made| made == *self)
    }
}

/// The profile of colours that are named by the numbers of ITU-T H.273, as films name them; none where they say nothing.
///
/// # Errors
/// `unsupported-color` for light beyond white, which nothing here can bring back into it.
pub(in crate) fn coded(primaries: u16, transfer: u16) -> Result<Option<Vec<u8>>, Failure> {
    const SRGB: u8 = 13;
    let curve = match transfer {
        16 | 18 => {
            let detail =
                "Pictures with a high dynamic range (PQ or HLG) cannot be read; save them with the range of sRGB.";
            return Err(Failure::new(Code::UnsupportedColor, detail));
        }
        // Cameras' curves: still pictures that say them are made and shown with that of sRGB.
        1 | 6 | 14 | 15 => SRGB,
        other => other.min(255) as u8,
    };
    let encoded = |profile: ColorProfile| profile.encode().ok();
    let cicp = match (CicpColorPrimaries::try_from(primaries.min(255) as u8), TransferCharacteristics::try_from(curve))
    {
        (Ok(CicpColorPrimaries::Bt709), Ok(TransferCharacteristics::Srgb)) => {
            return Ok(encoded(ColorProfile::new_srgb()));
        }
        (Ok(CicpColorPrimaries::Smpte432), Ok(TransferCharacteristics::Srgb)) => {
            return Ok(encoded(ColorProfile::new_display_p3()));
        }
        (Ok(primaries), Ok(transfer)) => CicpProfile {
            color_primaries: primaries,
            transfer_characteristics: transfer,
            matrix_coefficients: MatrixCoefficients::Identity,
            full_range: true,
        },
        _ => return Ok(None),
    };
    let mut profile = ColorProfile::new_from_cicp(cicp);
    profile.cicp = None;
    let known = profile.red_trc.is_some();
    Ok(encoded(profile).filter(|_| known))
}

pub(super) fn missing(name: &str) -> Failure {
    Failure::new(Code::ProfileMissing, format!("The colour profile {name} is not there any more."))
}

/// A description for people.
fn text(text: &ProfileText) -> Option<String> {
    let said = match text {
        ProfileText::PlainString(text) => text.clone(),
        ProfileText::Localizable(all) => all.iter().find(|it| it.language == "en").or(all.first())?.value.clone(),
        ProfileText::Description(said) => said.ascii_string.clone(),
    };
    let said = said.trim_matches(|it: char| it.is_whitespace() || it == '\0').to_owned();
    (!said.is_empty()).then_some(said)
}

fn made(name: &str) -> Option<ColorProfile> {
    let (d50, d65) = (white_point_d50(), white_point_d65());
    Some(match name {
        "sRGB" => ColorProfile::new_srgb(),
        "AdobeRGB" => ColorProfile::new_adobe_rgb(),
        "DisplayP3" => ColorProfile::new_display_p3(),
        "AppleRGB" => rgb(d65, [0.625, 0.34, 0.28, 0.595, 0.155, 0.07], 1.8),
        "CIERGB" => rgb(white(1.0 / 3.0, 1.0 / 3.0), [0.735, 0.265, 0.274, 0.717, 0.167, 0.009], 2.2),
        "ColorMatchRGB" => rgb(d50, [0.63, 0.34, 0.295, 0.605, 0.15, 0.075], 1.8),
        "NTSC" => rgb(white(0.310_06, 0.316_16), [0.67, 0.33, 0.21, 0.71, 0.14, 0.08], 2.2),
        "PAL" => rgb(d65, [0.64, 0.33, 0.29, 0.6, 0.15, 0.06], 2.2),
        "ProPhoto" => rgb(d50, [0.7347, 0.2653, 0.1596, 0.8404, 0.0366, 0.0001], 1.8),
        "SMPTE" => rgb(d65, [0.63, 0.34, 0.31, 0.595, 0.155, 0.07], 2.2),
        "WideGamutRGB" => rgb(d50, [0.735, 0.265, 0.115, 0.826, 0.157, 0.018], 2.2),
        "sGray" => gray(ColorProfile::new_srgb().red_trc?),
        "GrayGamma18" => gray(ToneReprCurve::Parametric(vec![1.8])),
        "GrayGamma22" => gray(ToneReprCurve::Parametric(vec![2.2])),
        _ => return None,
    })
}

fn white(x: f64, y: f64) -> XyY {
    XyY { x, y, yb: 1.0 }
}

fn rgb(white: XyY, [rx, ry, gx, gy, bx, by]: [f32; 6], gamma: f32) -> ColorProfile {
    let mut profile = ColorProfile::new_srgb();
    profile.cicp = None;
    profile.description = None;
    let corner = |x, y| Chromaticity { x, y };
    let primaries = ColorPrimaries { red: corner(rx, ry), green: corner(gx, gy), blue: corner(bx, by) };
    profile.update_rgb_colorimetry(white, primaries);
    let curve = Some(ToneReprCurve::Parametric(vec![gamma]));
    (profile.red_trc, profile.green_trc, profile.blue_trc) = (curve.clone(), curve.clone(), curve);
    profile
}

fn gray(curve: ToneReprCurve) -> ColorProfile {
    let mut profile = ColorProfile::new_gray_with_gamma(2.2);
    profile.gray_trc = Some(curve);
    profile
}
