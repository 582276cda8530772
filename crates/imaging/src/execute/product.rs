//! Cuts out the product and lays it into its frame.

use offprint_core::Code;
use offprint_modifiers::ResampleSpace;

use crate::error::{RenderError, RenderWarning};
use crate::frame::Frame;
use crate::pixels::{FillColor, Kernel, NoProduct, Pixels, is_linear_resampling};

/// The product in a transparent frame. Without what is around it, so that the same product gives the same pixels wherever it
/// is; where its size stays the same, so do its pixels. The whole image, with a warning, when there is no product.
pub(super) fn frame_product(
    pixels: &Pixels,
    tolerance: f64,
    frame: &Frame,
    (kernel, space): (Kernel, ResampleSpace),
) -> Result<(Pixels, Option<RenderWarning>), RenderError> {
    let (width, height) = pixels.size();
    let (part, warning) = match pixels.find_product(tolerance) {
        Ok(part) => (part, None),
        Err(reason) => ([0, 0, width, height], Some(RenderWarning::new(Code::NothingTrimmed, explain(reason)))),
    };
    let product = pixels.crop(part);
    let (w, h) = product.size();
    let (size, (x, y)) = frame.place_image((w, h));
    let from = [0.0, 0.0, f64::from(w), f64::from(h)];
    let product = match size {
        size if size == (w, h) => product,
        size if is_linear_resampling(space, from, size) => product.resize_linear(from, size, kernel)?,
        size => product.resize(from, size, kernel)?,
    };
    let frame = (frame.width, frame.height);
    let framed: Pixels = match product {
        Pixels::Eight(raster) => raster.apply_window(-x, -y, frame, FillColor::NONE).into(),
        Pixels::Sixteen(raster) => raster.apply_window(-x, -y, frame, FillColor::NONE).into(),
    };
    Ok((framed.with_alpha(), warning))
}

fn explain(reason: NoProduct) -> &'static str {
    match reason {
        NoProduct::NoBackground => {
            "x_trim found no plain background: the corners of the image have different colours. The whole image was used. \
             Raise the tolerance, or cut the product out."
        }
        NoProduct::OnlyBackground => {
            "x_trim found nothing but background, so the whole image was used. Lower the tolerance if there is a product."
        }
    }
}
