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
        Kernel::Lanczos3 => fir::FilterType::Lanczos3,
        Kernel::SharpCubic => {
            fir::FilterType::Custom(fir::Filter::new("sharp cubic", evaluate_sharp_cubic, 2.0).map_err(scaling_error)?)
        }
    })
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
