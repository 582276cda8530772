//! Colour profiles: their bytes and their kind, and the built-in ones. Read in Rust only, because plans are made in the
//! service.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, LazyLock};

use moxcms::{
    Chromaticity, ColorPrimaries, ColorProfile, DataColorSpace, ProfileClass, ProfileText, ToneReprCurve,
    TransferCharacteristics, XyY, white_point_d50, white_point_d65,
};
use offprint_core::Code;
use offprint_modifiers::PixelType;
use serde::{Serialize, Serializer};

use crate::error::RenderError;

/// A profile that was checked to be usable. Serialized as its name.
#[derive(Clone, Debug, PartialEq)]
pub struct Profile {
    /// The name for people.
    pub name: String,
    pub pixel_type: PixelType,
    /// Whether it consists of curves and a matrix, or of one curve. Black is then no light, and all intents are the
    /// same.
    pub is_plain: bool,
    /// Whether colours can be converted to it, not only from it.
    pub is_writable: bool,
    /// Whether it consists of the curves of HDR (PQ or HLG), which reach beyond white.
    pub(crate) is_hdr: bool,
    /// Whether only littlecms can read it.
    pub(crate) needs_littlecms: bool,
    /// The ICC profile.
    pub bytes: Arc<[u8]>,
}

impl Serialize for Profile {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.serialize_str(&self.name)
    }
}

impl Profile {
    /// # Errors
    /// A sentence that begins with "It": why the profile cannot be used.
    pub(crate) fn read(bytes: Arc<[u8]>) -> Result<Self, String> {
        // Profiles are untrusted: a panic of the parser counts as damage.
        let parsed = catch_unwind(AssertUnwindSafe(|| ColorProfile::new_from_slice(&bytes)));
        let profile = parsed
            .map_err(|_| "It cannot be read.".to_owned())?
            .map_err(|error| format!("It cannot be read: {error}."))?;
        let pixel_type = match profile.color_space {
            DataColorSpace::Gray => PixelType::Gray,
            DataColorSpace::Rgb => PixelType::Rgb,
            DataColorSpace::Cmyk => PixelType::Cmyk,
            other => return Err(format!("Its colour space {other:?} is not supported; gray, RGB and CMYK are.")),
        };
        use ProfileClass::{ColorSpace, DisplayDevice, InputDevice, OutputDevice};
        if !matches!(profile.profile_class, InputDevice | DisplayDevice | OutputDevice | ColorSpace) {
            return Err(format!("Its profile class {:?} is not supported.", profile.profile_class));
        }
        let to_pcs = [&profile.lut_a_to_b_perceptual, &profile.lut_a_to_b_colorimetric, &profile.lut_a_to_b_saturation];
        let from_pcs =
            [&profile.lut_b_to_a_perceptual, &profile.lut_b_to_a_colorimetric, &profile.lut_b_to_a_saturation];
        let (reads, writes) = (to_pcs.iter().any(|lut| lut.is_some()), from_pcs.iter().any(|lut| lut.is_some()));
        let curves = match pixel_type {
            PixelType::Gray => profile.gray_trc.is_some(),
            PixelType::Rgb => profile.is_matrix_shaper(),
            PixelType::Cmyk => false,
        };
        if !reads && !curves {
            return Err("It has neither lookup tables nor curves.".into());
        }
        let name = profile.description.as_ref().and_then(read_description).unwrap_or_else(|| "embedded".into());
        let transfer = profile.cicp.map(|cicp| cicp.transfer_characteristics);
        // A lookup table says how HDR is to be shown, curves do not.
        let is_hdr =
            !reads && matches!(transfer, Some(TransferCharacteristics::Smpte2084 | TransferCharacteristics::Hlg));
        let is_plain = curves && !reads && !writes;
        let is_writable = writes || curves;
        Ok(Self { name, pixel_type, is_plain, is_writable, is_hdr, needs_littlecms: false, bytes })
    }

    /// A built-in profile. Primaries, white points and exponents are those of the definitions of the colour spaces.
    ///
    /// # Errors
    /// `profile-missing` for a name that this version does not have.
    pub(crate) fn from_built_in(name: &str) -> Result<Self, RenderError> {
        let profile = build_profile(name).ok_or_else(|| profile_missing_error(name))?;
        let pixel_type = if profile.color_space == DataColorSpace::Gray { PixelType::Gray } else { PixelType::Rgb };
        let bytes = profile.encode().map_err(|error| {
            RenderError::new(Code::Internal, format!("The built-in profile {name} could not be encoded: {error}."))
        })?;
        Ok(Self {
            name: name.into(),
            pixel_type,
            is_plain: true,
            is_writable: true,
            is_hdr: false,
            needs_littlecms: false,
            bytes: bytes.into(),
        })
    }

    /// The profile where none is named: sRGB, or gray with its curve. Built once, because every plan needs it.
    pub(crate) fn default_for(pixel_type: PixelType) -> Result<Self, RenderError> {
        static DEFAULTS: LazyLock<[Result<Profile, RenderError>; 2]> =
            LazyLock::new(|| ["sGray", "sRGB"].map(Profile::from_built_in));
        DEFAULTS[usize::from(pixel_type != PixelType::Gray)].clone()
    }

    /// Whether this is the default profile for these components.
    pub(crate) fn is_default_for(&self, pixel_type: PixelType) -> bool {
        Self::default_for(pixel_type).is_ok_and(|default| default == *self)
    }
}

pub(super) fn profile_missing_error(name: &str) -> RenderError {
    RenderError::new(
        Code::ProfileMissing,
        format!("The colour profile {name} is no longer installed; install it or name another one."),
    )
}

fn read_description(text: &ProfileText) -> Option<String> {
    let description = match text {
        ProfileText::PlainString(text) => text.clone(),
        ProfileText::Localizable(all) => all.iter().find(|text| text.language == "en").or(all.first())?.value.clone(),
        ProfileText::Description(text) => text.ascii_string.clone(),
    };
    let description = description.trim_matches(|char: char| char.is_whitespace() || char == '\0').to_owned();
    (!description.is_empty()).then_some(description)
}

fn build_profile(name: &str) -> Option<ColorProfile> {
    let (d50, d65) = (white_point_d50(), white_point_d65());
    Some(match name {
        "sRGB" => ColorProfile::new_srgb(),
        "AdobeRGB" => ColorProfile::new_adobe_rgb(),
        "DisplayP3" => ColorProfile::new_display_p3(),
        "AppleRGB" => build_rgb_profile(d65, [0.625, 0.34, 0.28, 0.595, 0.155, 0.07], 1.8),
        "CIERGB" => {
            build_rgb_profile(make_white_point(1.0 / 3.0, 1.0 / 3.0), [0.735, 0.265, 0.274, 0.717, 0.167, 0.009], 2.2)
        }
        "ColorMatchRGB" => build_rgb_profile(d50, [0.63, 0.34, 0.295, 0.605, 0.15, 0.075], 1.8),
        "NTSC" => build_rgb_profile(make_white_point(0.310_06, 0.316_16), [0.67, 0.33, 0.21, 0.71, 0.14, 0.08], 2.2),
        "PAL" => build_rgb_profile(d65, [0.64, 0.33, 0.29, 0.6, 0.15, 0.06], 2.2),
        "ProPhoto" => build_rgb_profile(d50, [0.7347, 0.2653, 0.1596, 0.8404, 0.0366, 0.0001], 1.8),
        "SMPTE" => build_rgb_profile(d65, [0.63, 0.34, 0.31, 0.595, 0.155, 0.07], 2.2),
        "WideGamutRGB" => build_rgb_profile(d50, [0.735, 0.265, 0.115, 0.826, 0.157, 0.018], 2.2),
        "sGray" => build_gray_profile(ColorProfile::new_srgb().red_trc?),
        "GrayGamma18" => build_gray_profile(ToneReprCurve::Parametric(vec![1.8])),
        "GrayGamma22" => build_gray_profile(ToneReprCurve::Parametric(vec![2.2])),
        _ => return None,
    })
}

pub(super) fn make_white_point(x: f64, y: f64) -> XyY {
    XyY { x, y, yb: 1.0 }
}

pub(super) fn build_rgb_profile(white: XyY, [rx, ry, gx, gy, bx, by]: [f32; 6], gamma: f32) -> ColorProfile {
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

fn build_gray_profile(curve: ToneReprCurve) -> ColorProfile {
    let mut profile = ColorProfile::new_gray_with_gamma(2.2);
    profile.gray_trc = Some(curve);
    profile
}
