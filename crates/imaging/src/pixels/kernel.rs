//! The resampling kernels, as the resampling library takes them.

use fast_image_resize as fir;
use offprint_core::Code;
use serde::Serialize;

use crate::error::RenderError;

/// Resampling kernels, with the value of the command `resMode` that asks for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Kernel {
    /// The average of the source pixels that an output pixel covers: replaces a decoder's shrink, no command asks for
    /// it.
    Box,
    /// A triangle: `bilin`.
    Triangle,
    /// An interpolating cubic (Catmull-Rom): `bicub`.
    CatmullRom,
    /// A windowed sinc with three lobes: `sharp2`.
    Lanczos3,
    /// A cubic with a deeper negative lobe: `bisharp`.
    SharpCubic,
}

/// How far a kernel reaches to each side, in pixels of the smaller image.
pub(super) fn get_kernel_support(kernel: Kernel) -> f64 {
    match kernel {
        Kernel::Box => 0.5,
        Kernel::Triangle => 1.0,
        Kernel::CatmullRom | Kernel::SharpCubic => 2.0,
        Kernel::Lanczos3 => 3.0,
    }
}

pub(super) fn select_filter(kernel: Kernel) -> Result<fir::FilterType, RenderError> {
    Ok(match kernel {
        Kernel::Box => fir::FilterType::Box,
        Kernel::Triangle => fir::FilterType::Bilinear,
        Kernel::CatmullRom => fir::FilterType::CatmullRom,
        Kernel::Lanczos3 => select_custom_filter("lanczos", evaluate_lanczos, 3.0)?,
        Kernel::SharpCubic => select_custom_filter("sharp cubic", evaluate_sharp_cubic, 2.0)?,
    })
}

fn select_custom_filter(
    name: &'static str,
    kernel: fn(f64) -> f64,
    support: f64,
) -> Result<fir::FilterType, RenderError> {
    Ok(fir::FilterType::Custom(fir::Filter::new(name, kernel, support).map_err(scaling_error)?))
}

/// The library's own kernel of this name, whose two sines take a twentieth of the time of a rendition. The weights of an image
/// are computed again for each piece of it.
///
/// With t = πx/3 the product sinc(x) · sinc(x/3) is sin(3t) · sin(t) / 3t², and sin(3t) is 3 sin(t) - 4 sin³(t).
fn evaluate_lanczos(x: f64) -> f64 {
    let t = x.abs() * (std::f64::consts::PI / 3.0);
    if x.abs() >= 3.0 {
        return 0.0;
    }
    let (sine, ratio) = compute_sine(t);
    ratio * ratio * (1.0 - 4.0 / 3.0 * sine * sine)
}

/// sin(t) and sin(t) / t for 0 <= t <= π, to 1e-13. The same on every machine, unlike the one of a C library.
fn compute_sine(t: f64) -> (f64, f64) {
    const HALF: f64 = std::f64::consts::FRAC_PI_2;
    // The coefficients of the series are 1/3!, 1/5!, ...: terms up to the 17th power count in the first quarter.
    let mirrored = if t > HALF { std::f64::consts::PI - t } else { t };
    let square = mirrored * mirrored;
    let mut series = 1.0;
    for divisor in [272.0, 210.0, 156.0, 110.0, 72.0, 42.0, 20.0, 6.0] {
        series = 1.0 - square * (1.0 / divisor) * series;
    }
    let sine = mirrored * series;
    (sine, if t > HALF { sine / t } else { series })
}

/// The cubic of Keys with a = -0.75: its negative lobe is half again as deep as that of Catmull-Rom (-0.5).
fn evaluate_sharp_cubic(x: f64) -> f64 {
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

pub(super) fn scaling_error(error: impl std::fmt::Display) -> RenderError {
    RenderError::new(Code::Internal, format!("Resizing failed: {error}."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_is_the_product_of_two_sines() {
        let sinc = |x: f64| if x == 0.0 { 1.0 } else { (x * std::f64::consts::PI).sin() / (x * std::f64::consts::PI) };
        for step in -40_000..=40_000 {
            let x = f64::from(step) / 10_000.0;
            let expected = if x.abs() < 3.0 { sinc(x) * sinc(x / 3.0) } else { 0.0 };
            assert!((evaluate_lanczos(x) - expected).abs() < 1e-12, "{x}");
        }
    }
}
