//! Profiles for colours that a file describes by numbers instead of embedding a profile.

use moxcms::{
    CicpColorPrimaries, CicpProfile, ColorProfile, MatrixCoefficients, ToneReprCurve, TransferCharacteristics,
};
use offprint_core::Code;

use super::profile::{build_rgb_profile, make_white_point};
use crate::error::RenderError;

/// Chromaticities x and y of white, red, green and blue.
pub(crate) type Chromaticities = [f64; 8];

const SRGB_CHROMATICITIES: Chromaticities = [0.3127, 0.329, 0.64, 0.33, 0.3, 0.6, 0.15, 0.06];

/// The exponent that programs write for the curve of sRGB.
const SRGB_GAMMA: f64 = 0.454_55;

/// The profile for colours that are described by numbers of ITU-T H.273 (CICP), as in AVIF and PNG; none where the
/// numbers are unspecified or unknown.
///
/// # Errors
/// `unsupported-color` for HDR: colours brighter than white would need tone mapping, which there is none of.
pub(crate) fn encode_cicp_profile(primaries: u16, transfer: u16) -> Result<Option<Vec<u8>>, RenderError> {
    const SRGB_TRANSFER: u8 = 13;
    let curve = match transfer {
        16 | 18 => return Err(hdr_error()),
        // The curves of video cameras. Still images that name them are made and shown with the curve of sRGB.
        1 | 6 | 14 | 15 => SRGB_TRANSFER,
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
    let has_curves = profile.red_trc.is_some();
    Ok(encoded(profile).filter(|_| has_curves))
}

pub(super) fn hdr_error() -> RenderError {
    let detail = "HDR images (PQ or HLG) are not supported; save the image with standard dynamic range (sRGB).";
    RenderError::new(Code::UnsupportedColor, detail)
}

/// The profile for the gamma and the chromaticities of a PNG. What is missing is that of sRGB; none where both are, or
/// where the numbers are absurd.
pub(crate) fn encode_gamma_profile(gamma: Option<f64>, chromaticities: Option<Chromaticities>) -> Option<Vec<u8>> {
    let gamma = gamma.filter(|gamma| (0.1..=5.0).contains(gamma));
    let chromaticities = chromaticities.filter(are_plausible);
    if gamma.is_none() && chromaticities.is_none() {
        return None;
    }
    let corners = chromaticities.unwrap_or(SRGB_CHROMATICITIES);
    let is_close = |(a, b): (&f64, &f64)| (a - b).abs() < 0.005;
    let is_srgb_gamut = corners.iter().zip(&SRGB_CHROMATICITIES).all(is_close);
    // As libpng: an exponent within 5 percent of that of sRGB means sRGB.
    let is_srgb_gamma = gamma.is_none_or(|gamma| (gamma / SRGB_GAMMA - 1.0).abs() < 0.05);
    if is_srgb_gamut && is_srgb_gamma {
        return ColorProfile::new_srgb().encode().ok();
    }
    let [white_x, white_y, primaries @ ..] = corners;
    let exponent = gamma.map_or(1.0, |gamma| (1.0 / gamma) as f32);
    let mut profile =
        build_rgb_profile(make_white_point(white_x, white_y), primaries.map(|value| value as f32), exponent);
    if gamma.is_none() || (is_srgb_gamma && is_srgb_gamut) {
        let curve: Option<ToneReprCurve> = ColorProfile::new_srgb().red_trc;
        (profile.red_trc, profile.green_trc, profile.blue_trc) = (curve.clone(), curve.clone(), curve);
    }
    profile.encode().ok()
}

/// Whether white lies within the triangle of the primaries, which has an area.
fn are_plausible(&[wx, wy, rx, ry, gx, gy, bx, by]: &Chromaticities) -> bool {
    // Twice the area of a triangle, with its sign.
    let area =
        |[ax, ay]: [f64; 2], [bx, by]: [f64; 2], [cx, cy]: [f64; 2]| (bx - ax) * (cy - ay) - (cx - ax) * (by - ay);
    let (white, red, green, blue) = ([wx, wy], [rx, ry], [gx, gy], [bx, by]);
    let parts = [area(white, red, green), area(white, green, blue), area(white, blue, red)];
    let in_range = [wx, wy, rx, ry, gx, gy, bx, by].iter().all(|value| (0.0..=1.0).contains(value));
    in_range && wy > 0.01 && (parts.iter().all(|part| *part > 1e-3) || parts.iter().all(|part| *part < -1e-3))
}
