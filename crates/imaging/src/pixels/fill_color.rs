//! Colours as numbers, as they are laid on pixels.

use offprint_modifiers::PixelType;
use serde::Serialize;

use super::sample::Sample;

/// A colour in the components of an image, 8 bits each, with unassociated alpha.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct FillColor {
    /// As many components as the image has, then zeros; inks count from 0, no ink.
    pub color: [u8; 4],
    /// 255 is opaque.
    pub alpha: u8,
}

impl FillColor {
    /// Fully transparent.
    pub(crate) const NONE: Self = Self { color: [0; 4], alpha: 0 };

    pub(crate) fn black(pixel_type: PixelType) -> Self {
        let ink = if pixel_type == PixelType::Cmyk { 255 } else { 0 };
        Self { color: [0, 0, 0, ink], alpha: 255 }
    }

    pub(crate) fn is_opaque(self) -> bool {
        self.alpha == 255
    }

    /// The components of a pixel of this type, then alpha, then zeros.
    pub(crate) fn pixel<S: Sample>(self, pixel_type: PixelType) -> [S; 5] {
        let colors = pixel_type.components();
        std::array::from_fn(|at| match at {
            _ if at < colors => S::from_byte(self.color[at]),
            _ if at == colors => S::from_byte(self.alpha),
            _ => S::default(),
        })
    }
}
