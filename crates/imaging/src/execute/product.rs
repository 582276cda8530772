//! Crops to the product and lays it into its frame.

use std::borrow::Cow;

use offprint_core::Code;
use offprint_modifiers::ResampleSpace;

use super::dispatch::{StepContext, apply_step};
use crate::error::{RenderError, RenderWarning};
use crate::frame::Frame;
use crate::pixels::{FillColor, Kernel, NoProduct, Pixels};
use crate::step::Step;

/// The product without what is around it, so that the same product gives the same pixels wherever it is; the whole image,
/// with a warning, when there is none.
pub(super) fn crop_to_product(pixels: &Pixels, tolerance: f64, context: StepContext<'_>) -> Pixels {
    let part = pixels.find_product(tolerance).unwrap_or_else(|reason| {
        let detail = match reason {
            NoProduct::NoBackground => {
                "x_trim found no plain background: the corners of the image have different colours. The whole image was \
                 used. Raise the tolerance, or cut the product out."
            }
            NoProduct::OnlyBackground => {
                "x_trim found nothing but background, so the whole image was used. Lower the tolerance if there is a \
                 product."
            }
        };
        context.warnings.borrow_mut().push(RenderWarning::new(Code::NothingTrimmed, detail));
        let (width, height) = pixels.size();
        [0, 0, width, height]
    });
    pixels.crop(part)
}

/// Resamples the product into a transparent frame. Where the size stays the same, so do the pixels.
pub(super) fn fit_into_frame(
    product: Pixels,
    frame: &Frame,
    (kernel, space): (Kernel, ResampleSpace),
    context: StepContext<'_>,
) -> Result<Pixels, RenderError> {
    let (w, h) = product.size();
    let ((width, height), (x, y)) = frame.place_image((w, h));
    let resize =
        Step::Resize { from: [0.0, 0.0, f64::from(w), f64::from(h)], width, height, kernel, space };
    let product =
        if (width, height) == (w, h) { product } else { apply_step(&resize, Cow::Owned(product), context)? };
    let framed = Step::Window { x: -x, y: -y, width: frame.width, height: frame.height, fill: FillColor::NONE };
    Ok(apply_step(&framed, Cow::Owned(product), context)?.with_alpha())
}
